//! Crates as they were published, and with what the table changes in them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::Entry;

/// Where the text of what has been done to a folder is, in the folder.
const DONE: &str = ".prepared";

/// The folder in which a crate's tests are run: the published one, or a copy with the changes of the table, which
/// stands in the folder `of` with the files that they name.
pub(super) fn prepare(entry: &Entry, of: &Path) -> Result<PathBuf> {
    let published = fetch(&entry.name, &entry.version)?;
    let own = of.join(&entry.name);
    let own = own.is_dir().then_some(own);
    if entry.patches.is_empty() && entry.patched.is_empty() && own.is_none() {
        return Ok(published);
    }
    let top = std::env::current_dir().context("no current directory")?;
    let folder = top
        .join("build/crates/patched")
        .join(format!("{}-{}", entry.name, entry.version));
    let changes = changes(entry, of, own.as_deref())?;
    if fs::read_to_string(folder.join(DONE)).is_ok_and(|done| done == changes) {
        return Ok(folder);
    }
    if folder.exists() {
        fs::remove_dir_all(&folder)
            .with_context(|| format!("cannot remove {}", folder.display()))?;
    }
    copy(&published, &folder)?;
    for patch in &entry.patches {
        apply(&of.join(patch), &folder)?;
    }
    for file in own
        .iter()
        .map(|own| list(own))
        .collect::<Result<Vec<_>>>()?
        .concat()
    {
        if file
            .extension()
            .is_none_or(|extension| extension != "patch")
        {
            let to = folder.join(file.file_name().unwrap_or_default());
            fs::copy(&file, &to).with_context(|| format!("cannot write {}", to.display()))?;
        }
    }
    let mut replaced = String::new();
    for other in &entry.patched {
        let to = folder.join("patched").join(&other.name);
        copy(&fetch(&other.name, &other.version)?, &to)?;
        for patch in &other.patches {
            apply(&of.join(patch), &to)?;
        }
        replaced += &format!(
            "\n[patch.crates-io.{0}]\npath = \"patched/{0}\"\n",
            other.name
        );
    }
    let manifest = folder.join("Cargo.toml");
    let text = fs::read_to_string(&manifest)
        .with_context(|| format!("cannot read {}", manifest.display()))?;
    fs::write(&manifest, text + &replaced)
        .and_then(|()| fs::write(folder.join(DONE), changes))
        .with_context(|| format!("cannot write to {}", folder.display()))?;
    Ok(folder)
}

/// All that makes a prepared folder what it is, as a text.
fn changes(entry: &Entry, of: &Path, own: Option<&Path>) -> Result<String> {
    let mut text = String::new();
    let mut add = |path: &Path| -> Result<()> {
        let content =
            fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        text += &format!("== {}\n{content}", path.display());
        Ok(())
    };
    for file in own.map(list).transpose()?.unwrap_or_default() {
        add(&file)?;
    }
    for patch in &entry.patches {
        add(&of.join(patch))?;
    }
    for other in &entry.patched {
        for patch in &other.patches {
            add(&of.join(patch))?;
        }
    }
    for other in &entry.patched {
        text += &format!("== {} {}\n", other.name, other.version);
    }
    Ok(text)
}

/// A folder's files, in order.
fn list(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries =
        fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let files: std::io::Result<Vec<PathBuf>> = entries.map(|entry| Ok(entry?.path())).collect();
    let mut files = files.with_context(|| format!("cannot read {}", folder.display()))?;
    files.sort();
    Ok(files)
}

/// The crate as it was published, in a folder of its own.
fn fetch(name: &str, version: &str) -> Result<PathBuf> {
    let full = format!("{name}-{version}");
    let top = std::env::current_dir().context("no current directory")?;
    let crates = top.join("build/crates");
    let folder = crates.join(&full);
    if folder.is_dir() {
        return Ok(folder);
    }
    let archive = published_crates::archive(cargo(&top)?, name, version)?;
    let partial = crates.join(format!("{full}.partial"));
    if partial.exists() {
        fs::remove_dir_all(&partial)?;
    }
    fs::create_dir_all(&partial).with_context(|| format!("cannot make {}", partial.display()))?;
    run(Command::new("tar")
        .arg("-xzf")
        .arg(&archive)
        .arg("-C")
        .arg(&partial))?;
    fs::rename(partial.join(&full), &folder)
        .with_context(|| format!("cannot write {}", folder.display()))?;
    fs::remove_dir(&partial).with_context(|| format!("cannot remove {}", partial.display()))?;
    Ok(folder)
}

/// cargo, of the toolchain that the tree `top` is built with.
fn cargo(top: &Path) -> Result<Command> {
    let output = Command::new(top.join("tools/rust-env"))
        .output()
        .context("cannot start tools/rust-env")?;
    let line = String::from_utf8_lossy(&output.stdout);
    let value = |name: &str| {
        line.split_whitespace()
            .find_map(|word| word.strip_prefix(name))
    };
    let (Some(rustc), Some(cargo)) = (value("RUSTC="), value("CARGO=")) else {
        bail!("{}", String::from_utf8_lossy(&output.stderr).trim());
    };
    let mut command = Command::new(cargo);
    command.env("RUSTC", rustc);
    Ok(command)
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    if let Some(parent) = to.parent() {
        fs::create_dir_all(parent).with_context(|| format!("cannot make {}", parent.display()))?;
    }
    run(Command::new("cp").arg("-R").arg(from).arg(to))
}

fn apply(patch: &Path, to: &Path) -> Result<()> {
    run(Command::new("patch")
        .args(["--quiet", "-p1", "-d"])
        .arg(to)
        .arg("-i")
        .arg(std::path::absolute(patch)?))
}

fn run(command: &mut Command) -> Result<()> {
    let output = command
        .output()
        .with_context(|| format!("cannot start {}", command.get_program().display()))?;
    if !output.status.success() {
        bail!(
            "{command:?}: {}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
    }
    Ok(())
}
