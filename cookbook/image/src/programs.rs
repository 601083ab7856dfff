//! Which guest programs an initial file system, or a package, holds.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::Error;

/// The contents of an initial file system: programs of the guest workspace, and host files.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Programs {
    /// Path in the initial file system -> guest package, whose binary has the package's name, or
    /// `PACKAGE:BINARY`.
    #[serde(default)]
    pub programs: BTreeMap<String, String>,
    /// Path in the initial file system -> host file or folder, relative to where the tool is run.
    #[serde(default)]
    pub files: BTreeMap<String, PathBuf>,
}

impl Programs {
    /// Reads a table file. Unknown keys are errors.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let text = fs::read_to_string(path).map_err(Error::host(path))?;
        toml::from_str(&text).map_err(|error: toml::de::Error| Error::Settings {
            path: path.to_owned(),
            message: error.to_string(),
        })
    }

    /// Adds `other`'s entries, which win over those of the same path.
    pub fn extend(&mut self, other: &Self) {
        let copied = |(path, value): (&String, &String)| (path.clone(), value.clone());
        self.programs.extend(other.programs.iter().map(copied));
        let copied = |(path, value): (&String, &PathBuf)| (path.clone(), value.clone());
        self.files.extend(other.files.iter().map(copied));
    }

    /// The packages to build, each once, in order.
    pub fn packages(&self) -> BTreeSet<&str> {
        self.programs.values().map(|name| split(name).0).collect()
    }

    /// The initial file system, with the programs' binaries taken from the folder `binaries`.
    pub fn build(&self, binaries: &Path) -> Result<Vec<u8>, Error> {
        let mut builder = initfs::Builder::new();
        for (path, name) in &self.programs {
            let host = binaries.join(split(name).1);
            let data = fs::read(&host).map_err(Error::host(&host))?;
            builder.file(path, 0o755, data)?;
        }
        for (path, host) in &self.files {
            builder.host(host, path)?;
        }
        Ok(builder.finish())
    }

    /// Puts the same into a folder, with the programs' binaries taken from the folder `binaries`.
    pub fn stage(&self, binaries: &Path, folder: &Path) -> Result<(), Error> {
        let programs = self
            .programs
            .iter()
            .map(|(path, name)| (path, binaries.join(split(name).1)));
        let files = self.files.iter().map(|(path, host)| (path, host.clone()));
        for (path, host) in programs.chain(files) {
            copy(&host, &folder.join(path))?;
        }
        Ok(())
    }
}

/// Copies a file, a link, or a folder with everything in it.
fn copy(from: &Path, to: &Path) -> Result<(), Error> {
    let meta = fs::symlink_metadata(from).map_err(Error::host(from))?;
    if meta.is_dir() {
        fs::create_dir_all(to).map_err(Error::host(to))?;
        for entry in fs::read_dir(from).map_err(Error::host(from))? {
            let path = entry.map_err(Error::host(from))?.path();
            copy(&path, &to.join(path.file_name().unwrap_or_default()))?;
        }
        return Ok(());
    }
    if let Some(parent) = to.parent() {
        fs::create_dir_all(parent).map_err(Error::host(parent))?;
    }
    if meta.is_symlink() {
        let target = fs::read_link(from).map_err(Error::host(from))?;
        return std::os::unix::fs::symlink(target, to).map_err(Error::host(to));
    }
    fs::copy(from, to).map(drop).map_err(Error::host(from))
}

fn split(name: &str) -> (&str, &str) {
    name.split_once(':').unwrap_or((name, name))
}
