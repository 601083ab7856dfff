//! The command line.

use std::ffi::OsString;
use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::{Parser, Subcommand};
use cook::compilers;
use cook::disk;
use cook::exec::{self, Options};
use cook::output;
use cook::plan::{Lock, Plan};
use cook::repo;
use cook::tree::Tree;

/// Recipes to packages to images, and programs of the host's to run in them.
#[derive(Parser)]
#[command(name = "cook", version)]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Build the packages of recipes, and of what they need.
    Cook {
        /// Which.
        #[arg(required = true)]
        recipes: Vec<String>,
    },
    /// List the recipes.
    List,
    /// Build a disk image: GPT, EFI system partition, RedoxFS with packages, files and users.
    Image {
        /// The image: a name in config/ or a path to a TOML file.
        config: String,
    },
    /// Put packages on a disk of their own, build/x86_64/repo.img, from which `pkg` installs them.
    Repo {
        /// Which.
        #[arg(required = true)]
        recipes: Vec<String>,
    },
    /// Run one command in a machine of its own; its streams and its exit status are this program's.
    Exec(Options),
    /// cargo for the target; what `run` and `test` start runs in the guest, with the options in COOK_EXEC.
    Cargo(Words),
    /// The C compiler for the target.
    Cc(Words),
    /// The archiver.
    Ar(Words),
    /// Run a command with CC, AR and so on set for the target; without one, show the variables.
    Env(Words),
}

/// Words for another program, none of which is ours to understand.
#[derive(clap::Args)]
#[command(disable_help_flag = true)]
struct Words {
    /// Its arguments.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    words: Vec<OsString>,
}

fn main() -> ExitCode {
    let words: Vec<OsString> = std::env::args_os().collect();
    let by_name = words.split_first().and_then(|(name, args)| {
        let name = name.to_str()?;
        compilers::by_name(name, args)
    });
    let outcome = by_name.or_else(|| words_for(&words));
    let outcome = outcome.unwrap_or_else(|| run(Args::parse()));
    match outcome {
        Ok(code) => code,
        Err(error) => {
            eprintln!("cook: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Commands whose words are another program's: the parser would take some of them for its own.
fn words_for(words: &[OsString]) -> Option<Result<ExitCode>> {
    let [_, command, args @ ..] = words else {
        return None;
    };
    let run = match command.to_str()? {
        "cargo" => compilers::cargo,
        "cc" => compilers::cc,
        "ar" => |_: &Tree, args: &[OsString]| compilers::ar(args),
        "env" => compilers::env,
        _ => return None,
    };
    Some(Tree::find().and_then(|tree| run(&tree, args)))
}

fn run(args: Args) -> Result<ExitCode> {
    let tree = Tree::find()?;
    match args.command {
        Command::Cook { recipes } => {
            let plan = Plan::new(&tree, &recipes)?;
            let _lock = Lock::take(&tree)?;
            plan.build()?;
        }
        Command::Image { config } => drop(disk::build(&tree, &config)?),
        Command::Repo { recipes } => drop(repo::build(&tree, &recipes)?),
        Command::Exec(options) => return Ok(exec::run(&tree, &options)),
        Command::Cargo(args) => return compilers::cargo(&tree, &args.words),
        Command::Cc(args) => return compilers::cc(&tree, &args.words),
        Command::Ar(args) => return compilers::ar(&args.words),
        Command::Env(args) => return compilers::env(&tree, &args.words),
        Command::List => {
            if tree.recipe_names().next().is_none() {
                bail!("{} has no recipes", tree.top.join("recipes").display());
            }
            let names: String = tree
                .recipe_names()
                .map(|name| format!("{name}\n"))
                .collect();
            output::say(&names)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}
