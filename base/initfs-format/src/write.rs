//! The writer: the same entries always make the same bytes.

use std::collections::BTreeMap;
use std::path::Path;
use std::{fmt, fs, io};

use crate::{HEADER_LEN, MAGIC, MODE_DIR, MODE_FILE, MODE_LINK, MODE_TYPE, TRAILER, is_canonical};

/// Collects entries and writes an archive: sorted by path, owned by root, without times, parents
/// before children. Missing parents are added with mode 0755.
#[derive(Clone, Debug, Default)]
pub struct Builder {
    nodes: BTreeMap<String, Node>,
}

#[derive(Clone, Debug)]
struct Node {
    mode: u32,
    data: Vec<u8>,
}

/// Why an entry cannot be added.
#[derive(Debug)]
pub enum WriteError {
    /// The path is empty, absolute, climbs, or is the trailer's name.
    BadPath(String),
    /// Two entries with one path, or a path below something that is not a directory.
    Conflict(String),
    /// The contents or the name do not fit the format's 32-bit sizes.
    TooBig(String),
    /// A host file could not be read.
    Io(String, io::Error),
}

impl fmt::Display for WriteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BadPath(path) => write!(
                f,
                "initfs: {path:?} cannot be a path in the archive (relative, no \"..\")"
            ),
            Self::Conflict(path) => write!(f, "initfs: {path:?} is already something else"),
            Self::TooBig(path) => write!(f, "initfs: {path:?} is larger than 4 GiB"),
            // Why is its source's to tell.
            Self::Io(path, _) => write!(f, "initfs: cannot read {path}"),
        }
    }
}

impl std::error::Error for WriteError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io(_, error) => Some(error),
            _ => None,
        }
    }
}

impl Builder {
    /// An archive without entries.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a directory with these permission bits. An existing directory gets them.
    pub fn directory(&mut self, path: &str, permissions: u32) -> Result<&mut Self, WriteError> {
        let mode = MODE_DIR | permissions & !MODE_TYPE;
        match self.nodes.get_mut(path) {
            Some(node) if node.mode & MODE_TYPE == MODE_DIR => {
                node.mode = mode;
                Ok(self)
            }
            _ => self.insert(path, mode, Vec::new()),
        }
    }

    /// Adds a file with these permission bits.
    pub fn file(
        &mut self,
        path: &str,
        permissions: u32,
        data: Vec<u8>,
    ) -> Result<&mut Self, WriteError> {
        self.insert(path, MODE_FILE | permissions & !MODE_TYPE, data)
    }

    /// Adds a symbolic link.
    pub fn link(&mut self, path: &str, target: &str) -> Result<&mut Self, WriteError> {
        if target.is_empty() {
            return Err(WriteError::BadPath(format!("{path} -> (empty)")));
        }
        self.insert(path, MODE_LINK | 0o777, target.as_bytes().to_vec())
    }

    /// Adds what is at `host`, a folder with everything below it, as `path`. Of permission bits only
    /// "executable by its owner" counts (0755 or 0644), so that the host's umask does not show.
    pub fn host(&mut self, host: &Path, path: &str) -> Result<&mut Self, WriteError> {
        let failed = |error| WriteError::Io(host.display().to_string(), error);
        let meta = fs::symlink_metadata(host).map_err(failed)?;
        if meta.is_symlink() {
            let target = fs::read_link(host).map_err(failed)?;
            let target = target
                .to_str()
                .ok_or_else(|| WriteError::BadPath(target.display().to_string()))?;
            self.link(path, target)
        } else if meta.is_dir() {
            if !path.is_empty() {
                self.directory(path, 0o755)?;
            }
            for entry in fs::read_dir(host).map_err(failed)? {
                let name = entry.map_err(failed)?.file_name();
                let name = name
                    .to_str()
                    .ok_or_else(|| WriteError::BadPath(name.display().to_string()))?;
                let child = if path.is_empty() {
                    name.to_owned()
                } else {
                    format!("{path}/{name}")
                };
                self.host(&host.join(name), &child)?;
            }
            Ok(self)
        } else {
            let permissions = if is_executable(&meta) { 0o755 } else { 0o644 };
            self.file(path, permissions, fs::read(host).map_err(failed)?)
        }
    }

    fn insert(&mut self, path: &str, mode: u32, data: Vec<u8>) -> Result<&mut Self, WriteError> {
        if path.is_empty() || !is_canonical(path) || path == TRAILER {
            return Err(WriteError::BadPath(path.to_owned()));
        }
        // namesize counts the terminating NUL.
        if u32::try_from(data.len()).is_err() || u32::try_from(path.len() + 1).is_err() {
            return Err(WriteError::TooBig(path.to_owned()));
        }
        if self.nodes.contains_key(path) {
            return Err(WriteError::Conflict(path.to_owned()));
        }
        for (slash, _) in path.match_indices('/') {
            let parent = self
                .nodes
                .entry(path[..slash].to_owned())
                .or_insert_with(|| Node {
                    mode: MODE_DIR | 0o755,
                    data: Vec::new(),
                });
            if parent.mode & MODE_TYPE != MODE_DIR {
                return Err(WriteError::Conflict(path[..slash].to_owned()));
            }
        }
        self.nodes.insert(path.to_owned(), Node { mode, data });
        Ok(self)
    }

    /// The archive's bytes.
    pub fn finish(&self) -> Vec<u8> {
        let mut out = Vec::new();
        for (index, (path, node)) in self.nodes.iter().enumerate() {
            put(&mut out, index + 1, node.mode, path, &node.data);
        }
        put(&mut out, 0, 0, TRAILER, &[]);
        out
    }
}

fn put(out: &mut Vec<u8>, inode: usize, mode: u32, path: &str, data: &[u8]) {
    let start = out.len();
    let fields = [
        inode,
        mode as usize,
        0,
        0,
        1,
        0,
        data.len(),
        0,
        0,
        0,
        0,
        path.len() + 1,
        0,
    ];
    out.extend(MAGIC);
    for field in fields {
        out.extend(format!("{field:08x}").bytes());
    }
    debug_assert_eq!(out.len() - start, HEADER_LEN);
    out.extend(path.bytes());
    out.push(0);
    out.resize(out.len().next_multiple_of(4), 0);
    out.extend(data);
    out.resize(out.len().next_multiple_of(4), 0);
}

#[cfg(unix)]
fn is_executable(meta: &fs::Metadata) -> bool {
    std::os::unix::fs::PermissionsExt::mode(&meta.permissions()) & 0o100 != 0
}

#[cfg(not(unix))]
fn is_executable(_: &fs::Metadata) -> bool {
    false
}
