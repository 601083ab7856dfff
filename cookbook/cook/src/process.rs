//! Other programs.

use std::ffi::OsStr;
use std::fs::File;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

/// How many of a log's last lines are shown when its program failed.
const TAIL: usize = 30;

/// Whether a program is in the search path.
pub fn is_there(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

/// Fails with what to install if a program is missing.
pub fn need(program: &str, why: &str) -> Result<()> {
    if is_there(program) {
        return Ok(());
    }
    bail!(
        "{why} needs the program `{program}`, which is not installed (make deps, or: apt-get install {program})"
    )
}

/// Runs a program with its output going to the end of `log`; an error has the log's last lines.
pub fn logged(command: &mut Command, what: &str, log: &Path) -> Result<()> {
    let opening = || format!("cannot write {}", log.display());
    let file = File::options()
        .create(true)
        .append(true)
        .open(log)
        .with_context(opening)?;
    let errors = file.try_clone().with_context(opening)?;
    let status = command
        .stdin(Stdio::null())
        .stdout(file)
        .stderr(errors)
        .status()
        .with_context(|| format!("cannot start {}", command.get_program().display()))?;
    if status.success() {
        return Ok(());
    }
    bail!("{what} failed ({status})\n{}", tail(log))
}

/// The end of a log, for people.
pub fn tail(log: &Path) -> String {
    let bytes = std::fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<&str> = text.lines().collect();
    let shown = &lines[lines.len().saturating_sub(TAIL)..];
    let mut tail = String::new();
    for line in shown {
        tail.push_str("  | ");
        tail.push_str(line);
        tail.push('\n');
    }
    tail.push_str("the whole log: ");
    tail.push_str(&log.display().to_string());
    tail
}

/// Runs a program and answers what it printed.
pub fn output<S: AsRef<OsStr>>(program: &Path, args: &[S]) -> Result<String> {
    let shown = program.display();
    let output = Command::new(program)
        .args(args)
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot start {shown}"))?;
    if !output.status.success() {
        bail!(
            "{shown} failed ({}): {}",
            output.status,
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
