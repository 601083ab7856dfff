//! The command line.

use std::ffi::OsString;
use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::{Parser, Subcommand};
use cook::compilers;
use cook::disk;
use cook::exec::{self, Options};
use cook::plan::{Lock, Plan};
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
    /// Run one command in a machine of its own; its streams and its exit status are this program's.
    Exec(Options),
    /// cargo for the target; `run` and `test` run in the guest (COOK_EXEC has options for `cook exec`).
    #[command(disable_help_flag = true)]
    Cargo {
        /// cargo's arguments.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<OsString>,
    },
    /// The C compiler for the target.
    #[command(disable_help_flag = true)]
    Cc {
        /// The compiler's arguments.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<OsString>,
    },
    /// The archiver.
    #[command(disable_help_flag = true)]
    Ar {
        /// The archiver's arguments.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<OsString>,
    },
    /// Run a command with CC, AR and so on set for the target; without one, show the variables.
    #[command(disable_help_flag = true)]
    Env {
        /// The command.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        command: Vec<OsString>,
    },
}

fn main() -> ExitCode {
    let words: Vec<OsString> = std::env::args_os().collect();
    let by_name = words.split_first().and_then(|(name, args)| {
        let name = name.to_str()?;
        compilers::by_name(name, args)
    });
    let outcome = by_name.unwrap_or_else(|| run(Args::parse()));
    match outcome {
        Ok(code) => code,
        Err(error) => {
            eprintln!("cook: {error:#}");
            ExitCode::FAILURE
        }
    }
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
        Command::Exec(options) => return Ok(exec::run(&tree, &options)),
        Command::Cargo { args } => return compilers::cargo(&tree, &args),
        Command::Cc { args } => return compilers::cc(&tree, &args),
        Command::Ar { args } => return compilers::ar(&args),
        Command::Env { command } => return compilers::env(&tree, &command),
        Command::List => {
            if tree.recipe_names().next().is_none() {
                bail!("{} has no recipes", tree.top.join("recipes").display());
            }
            for name in tree.recipe_names() {
                println!("{name}");
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}
