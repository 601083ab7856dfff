//! `pkg`: installs, lists, verifies and removes packages. What it does is `pkg-core`.

mod disk;

use std::fmt::Write as _;
use std::fs;
use std::io::{self, ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use disk::Disk;
use pkg_core::{Error, Fault, Manager};

const USAGE: &str = "\
usage: pkg [--root FOLDER] COMMAND
  install [--repo FOLDER] NAME...   install packages of a folder, with what they depend on
  remove NAME...                    remove packages
  list [NAME]                       list packages, or a package's files
  verify [NAME...]                  compare installed files with what was installed
  recover                           finish a change that was interrupted";

/// Where packages are, if nothing else is said: the first of these that is a folder. The second is the disk that
/// `cook repo` makes.
const REPOS: [&str; 2] = ["/var/repo", "/scheme/repo"];

fn main() -> ExitCode {
    // What is installed is for everybody, whoever installs it.
    // SAFETY: `umask` takes a number and touches no memory of ours.
    unsafe { libc::umask(0o022) };
    let args: Vec<String> = std::env::args().skip(1).collect();
    match run(args) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(Wrong::Usage(what)) => {
            eprintln!("pkg: {what}\n{USAGE}");
            ExitCode::from(2)
        }
        Err(Wrong::Failed(error)) => {
            eprintln!("pkg: {error}");
            ExitCode::FAILURE
        }
        Err(Wrong::Output(error)) => {
            eprintln!("pkg: cannot write to standard output: {error}");
            ExitCode::FAILURE
        }
    }
}

enum Wrong {
    Usage(String),
    Failed(Error),
    Output(io::Error),
}

impl From<Error> for Wrong {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

/// Writes to standard output. That nobody reads it to its end is no failure.
fn say(text: &str) -> Result<(), Wrong> {
    let mut out = io::stdout().lock();
    let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    match written {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(Wrong::Output(error)),
        _ => Ok(()),
    }
}

/// Takes `--NAME VALUE` out of the arguments.
fn option(args: &mut Vec<String>, name: &str) -> Result<Option<PathBuf>, Wrong> {
    let Some(at) = args.iter().position(|arg| arg == name) else {
        return Ok(None);
    };
    if at + 1 >= args.len() {
        return Err(Wrong::Usage(format!("{name} needs a folder")));
    }
    let value = args.drain(at..at + 2).nth(1);
    Ok(value.map(PathBuf::from))
}

/// Answers whether all is well.
fn run(mut args: Vec<String>) -> Result<bool, Wrong> {
    let root = option(&mut args, "--root")?.unwrap_or_else(|| PathBuf::from("/"));
    let repo = option(&mut args, "--repo")?.unwrap_or_else(usual_repo);
    if args.is_empty() {
        return Err(Wrong::Usage("no command".to_owned()));
    }
    let command = args.remove(0);
    if let Some(unknown) = args.iter().find(|arg| arg.starts_with('-')) {
        return Err(Wrong::Usage(format!("{unknown}: no such option")));
    }
    if command == "recover" {
        if Manager::recover(&mut Disk::new(root))? {
            say("finished a change that was interrupted\n")?;
        }
        return Ok(true);
    }
    let mut manager = Manager::open(Disk::new(root))?;
    let named = !args.is_empty();
    match command.as_str() {
        "install" if named => {
            let mut text = String::new();
            for name in manager.install(&args, |file| fetch(&repo, file))? {
                _ = writeln!(text, "installed {name}");
            }
            say(&text)?;
            Ok(true)
        }
        "remove" if named => {
            manager.remove(&args)?;
            Ok(true)
        }
        "list" => list(&manager, &args),
        "verify" => verify(&manager, &args),
        "install" | "remove" => Err(Wrong::Usage(format!("{command}: which packages?"))),
        _ => Err(Wrong::Usage(format!("{command}: no such command"))),
    }
}

fn usual_repo() -> PathBuf {
    let [first, ..] = REPOS;
    let found = REPOS.iter().find(|folder| Path::new(folder).is_dir());
    PathBuf::from(found.unwrap_or(&first))
}

fn fetch(repo: &Path, file: &str) -> std::io::Result<Option<Vec<u8>>> {
    if file.contains('/') {
        return Ok(None);
    }
    match fs::read(repo.join(file)) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        read => read.map(Some),
    }
}

/// Says so if what is shown next may be half of a change.
fn warn_of_unfinished(manager: &Manager<Disk>) -> Result<(), Wrong> {
    if manager.is_unfinished()? {
        eprintln!(
            "pkg: a change is not finished; unless another `pkg` is at it, `pkg recover` finishes it"
        );
    }
    Ok(())
}

fn list(manager: &Manager<Disk>, names: &[String]) -> Result<bool, Wrong> {
    warn_of_unfinished(manager)?;
    let installed = manager.installed()?;
    let mut text = String::new();
    if names.is_empty() {
        for (name, package) in &installed {
            _ = writeln!(text, "{name} {}", package.metadata.version);
        }
    }
    for name in names {
        let package = installed
            .get(name)
            .ok_or_else(|| Error::NotInstalled(name.clone()))?;
        for entry in package.package.entries() {
            _ = writeln!(text, "/{}", entry.path);
        }
    }
    say(&text)?;
    Ok(true)
}

fn verify(manager: &Manager<Disk>, names: &[String]) -> Result<bool, Wrong> {
    warn_of_unfinished(manager)?;
    let installed = manager.installed()?;
    if let Some(name) = names.iter().find(|name| !installed.contains_key(*name)) {
        return Err(Error::NotInstalled(name.clone()).into());
    }
    let mut text = String::new();
    for (name, package) in &installed {
        if !names.is_empty() && !names.contains(name) {
            continue;
        }
        for (path, fault) in manager.verify(&package.package) {
            _ = match fault {
                Fault::Missing => writeln!(text, "{name}: /{path}: is missing"),
                Fault::Changed => writeln!(text, "{name}: /{path}: is not what was installed"),
                Fault::Mode(mode) => writeln!(text, "{name}: /{path}: has mode {mode:04o}"),
            };
        }
    }
    say(&text)?;
    Ok(text.is_empty())
}
