//! An image's settings: the part of upstream's `config/*.toml` that concerns the disk itself.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::{Attributes, Contents, Error, Layout, Tree};

/// What a settings file and those it includes say, the including one last.
#[derive(Clone, Debug, Default)]
pub struct Config {
    layout: Layout,
    files: Vec<FileEntry>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SettingsFile {
    #[serde(default)]
    include: Vec<PathBuf>,
    #[serde(default)]
    general: General,
    #[serde(default)]
    files: Vec<FileEntry>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct General {
    filesystem_size: Option<u32>,
    efi_partition_size: Option<u32>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct FileEntry {
    path: String,
    #[serde(default)]
    data: String,
    #[serde(default)]
    symlink: bool,
    #[serde(default)]
    directory: bool,
    mode: Option<u16>,
    #[serde(default)]
    uid: u32,
    #[serde(default)]
    gid: u32,
}

impl Config {
    /// Reads `path` and what it includes. Unknown keys are errors.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let mut config = Self::default();
        config.merge(path, &mut Vec::new())?;
        Ok(config)
    }

    fn merge(&mut self, path: &Path, open: &mut Vec<PathBuf>) -> Result<(), Error> {
        let wrong = |message: String| Error::Settings {
            path: path.to_owned(),
            message,
        };
        let real = path.canonicalize().map_err(Error::host(path))?;
        if open.contains(&real) {
            return Err(wrong("includes itself".to_owned()));
        }
        let text = fs::read_to_string(path).map_err(Error::host(path))?;
        let file: SettingsFile = toml::from_str(&text).map_err(|error| wrong(error.to_string()))?;

        open.push(real);
        for include in &file.include {
            let include = path.parent().unwrap_or(Path::new("")).join(include);
            self.merge(&include, open)?;
        }
        open.pop();

        let general = file.general;
        if let Some(size) = general.filesystem_size {
            self.layout.disk_mib = u64::from(size);
        }
        if let Some(size) = general.efi_partition_size {
            self.layout.esp_mib = u64::from(size);
        }
        for entry in &file.files {
            if entry.symlink && entry.directory {
                return Err(wrong(format!("{}: both symlink and directory", entry.path)));
            }
        }
        self.files.extend(file.files);
        Ok(())
    }

    /// The disk's and its partitions' sizes.
    pub const fn layout(&self) -> Layout {
        self.layout
    }

    /// Puts the settings' own files into `tree`.
    pub fn put_files(&self, tree: &mut Tree) -> Result<(), Error> {
        for entry in &self.files {
            let (contents, usual_mode) = if entry.directory {
                (Contents::Directory, 0o755)
            } else if entry.symlink {
                (Contents::Link(entry.data.clone()), 0o777)
            } else {
                (Contents::Bytes(entry.data.clone().into_bytes()), 0o644)
            };
            let attributes = Attributes {
                mode: entry.mode.unwrap_or(usual_mode) & 0o7777,
                uid: entry.uid,
                gid: entry.gid,
            };
            tree.put(&entry.path, attributes, contents)?;
        }
        Ok(())
    }
}
