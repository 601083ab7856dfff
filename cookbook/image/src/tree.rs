//! What a file system is to contain.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fs;
use std::path::{Path, PathBuf};

use crate::Error;

/// The longest component RedoxFS can hold, in bytes.
const NAME_MAX: usize = redoxfs::DIR_ENTRY_MAX_LENGTH;

/// Files, directories and links by absolute path. Directories come before what is in them, and the
/// order is the same however the tree was put together.
#[derive(Clone, Debug, Default)]
pub struct Tree {
    nodes: BTreeMap<String, Node>,
}

/// One object.
#[derive(Clone, Debug)]
pub struct Node {
    /// Mode and owner.
    pub attributes: Attributes,
    /// What it is.
    pub contents: Contents,
}

/// Mode and owner of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attributes {
    /// Permission bits, with set-user-id, set-group-id and sticky (the low twelve bits).
    pub mode: u16,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
}

impl Attributes {
    /// Root's, with `mode`.
    pub const fn root(mode: u16) -> Self {
        Self {
            mode,
            uid: 0,
            gid: 0,
        }
    }
}

/// What an object is.
#[derive(Clone, Debug)]
pub enum Contents {
    /// A directory.
    Directory,
    /// A file with these bytes.
    Bytes(Vec<u8>),
    /// A file with the contents of a host file.
    Host(PathBuf),
    /// A symbolic link with its target.
    Link(String),
}

impl Tree {
    /// An empty tree.
    pub fn new() -> Self {
        Self::default()
    }

    /// Puts an object at `path`, with missing parents (root's, 0755). A file or link replaces one
    /// that is there, as a `[[files]]` entry does; a directory gets new attributes.
    pub fn put(
        &mut self,
        path: &str,
        attributes: Attributes,
        contents: Contents,
    ) -> Result<(), Error> {
        let path = path.strip_suffix('/').unwrap_or(path);
        let parts = path
            .strip_prefix('/')
            .ok_or_else(|| Error::BadPath(path.to_owned()))?;
        let good = |part: &str| {
            !matches!(part, "" | "." | "..") && part.len() <= NAME_MAX && !part.contains('\0')
        };
        if !parts.split('/').all(good) {
            return Err(Error::BadPath(path.to_owned()));
        }
        for (slash, _) in path.match_indices('/').skip(1) {
            let parent = &path[..slash];
            let node = self.nodes.entry(parent.to_owned()).or_insert(Node {
                attributes: Attributes::root(0o755),
                contents: Contents::Directory,
            });
            if !matches!(node.contents, Contents::Directory) {
                return Err(Error::Conflict(parent.to_owned()));
            }
        }
        let node = Node {
            attributes,
            contents,
        };
        match self.nodes.entry(path.to_owned()) {
            Entry::Vacant(place) => {
                place.insert(node);
            }
            Entry::Occupied(mut place) => {
                let is_directory = |node: &Node| matches!(node.contents, Contents::Directory);
                if is_directory(place.get()) != is_directory(&node) {
                    return Err(Error::Conflict(path.to_owned()));
                }
                place.insert(node);
            }
        }
        Ok(())
    }

    /// Puts the host's file, link or folder with everything in it at `path`, as root's. Of the
    /// host's permission bits only "executable by its owner" counts, so that its umask does not show.
    pub fn put_host(&mut self, host: &Path, path: &str) -> Result<(), Error> {
        let meta = fs::symlink_metadata(host).map_err(Error::host(host))?;
        if meta.is_symlink() {
            let target = fs::read_link(host).map_err(Error::host(host))?;
            let target = target
                .to_str()
                .ok_or_else(|| Error::BadPath(target.display().to_string()))?;
            self.put(
                path,
                Attributes::root(0o777),
                Contents::Link(target.to_owned()),
            )
        } else if meta.is_file() {
            let mode = if is_executable(&meta) { 0o755 } else { 0o644 };
            self.put(
                path,
                Attributes::root(mode),
                Contents::Host(host.to_owned()),
            )
        } else if meta.is_dir() {
            if path != "/" {
                self.put(path, Attributes::root(0o755), Contents::Directory)?;
            }
            for entry in fs::read_dir(host).map_err(Error::host(host))? {
                let name = entry.map_err(Error::host(host))?.file_name();
                let name = name
                    .to_str()
                    .ok_or_else(|| Error::BadPath(name.display().to_string()))?;
                let child = format!("{}/{name}", path.trim_end_matches('/'));
                self.put_host(&host.join(name), &child)?;
            }
            Ok(())
        } else {
            Err(Error::UnknownKind(host.to_owned()))
        }
    }

    /// Gives everything in the directory at `path` an owner and a group.
    pub fn own(&mut self, path: &str, uid: u32, gid: u32) {
        let prefix = format!("{}/", path.trim_end_matches('/'));
        for (_, node) in self
            .nodes
            .iter_mut()
            .filter(|(path, _)| path.starts_with(&prefix))
        {
            node.attributes.uid = uid;
            node.attributes.gid = gid;
        }
    }

    /// Every object with its absolute path, parents first.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Node)> {
        self.nodes.iter().map(|(path, node)| (path.as_str(), node))
    }

    /// The sum of all files' and links' lengths, in bytes.
    pub fn size(&self) -> Result<u64, Error> {
        self.iter().map(|(_, node)| node.contents.size()).sum()
    }
}

impl Contents {
    fn size(&self) -> Result<u64, Error> {
        Ok(match self {
            Self::Directory => 0,
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::Host(path) => fs::metadata(path).map_err(Error::host(path))?.len(),
            Self::Link(target) => target.len() as u64,
        })
    }

    /// The bytes that the file system stores for it, none for a directory.
    pub fn read(&self) -> Result<std::borrow::Cow<'_, [u8]>, Error> {
        Ok(match self {
            Self::Directory => (&[]).into(),
            Self::Bytes(bytes) => bytes.into(),
            Self::Host(path) => fs::read(path).map_err(Error::host(path))?.into(),
            Self::Link(target) => target.as_bytes().into(),
        })
    }

    /// The type bits of its mode.
    pub(crate) const fn mode_type(&self) -> u16 {
        match self {
            Self::Directory => redoxfs::Node::MODE_DIR,
            Self::Bytes(_) | Self::Host(_) => redoxfs::Node::MODE_FILE,
            Self::Link(_) => redoxfs::Node::MODE_SYMLINK,
        }
    }
}

fn is_executable(meta: &fs::Metadata) -> bool {
    std::os::unix::fs::PermissionsExt::mode(&meta.permissions()) & 0o100 != 0
}
