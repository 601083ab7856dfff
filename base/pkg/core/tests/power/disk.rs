//! A disk that loses its power at any moment, and forgets any of what was not synced.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, ErrorKind};

use pkg_core::{Content, Kind, Store};

pub type Files = BTreeMap<String, (Content, u32)>;

/// What is on a disk. Paths have no links on their way here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tree {
    pub files: Files,
    pub folders: BTreeSet<String>,
}

/// What changes names on the disk.
#[derive(Clone, Debug)]
enum Change {
    Write(String, Content, u32),
    Rename(String, String),
    Remove(String),
    Folder(String),
    RemoveFolder(String),
}

fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(parent, _)| parent)
}

impl Tree {
    fn is_folder(&self, path: &str) -> bool {
        path.is_empty() || self.folders.contains(path)
    }

    fn has_below(&self, folder: &str) -> bool {
        let below = format!("{folder}/");
        let mut all = self.files.keys().chain(&self.folders);
        all.any(|path| path.starts_with(&below))
    }

    /// Does nothing where what it needs was forgotten.
    fn apply(&mut self, change: &Change) {
        if !self.is_folder(parent(change.path())) {
            return;
        }
        match change {
            Change::Write(path, content, mode) => {
                if !self.is_folder(path) {
                    self.files.insert(path.clone(), (content.clone(), *mode));
                }
            }
            Change::Rename(from, to) => {
                if !self.is_folder(to)
                    && let Some(file) = self.files.remove(from)
                {
                    self.files.insert(to.clone(), file);
                }
            }
            Change::Remove(path) => {
                self.files.remove(path);
            }
            Change::Folder(path) => {
                if !self.files.contains_key(path) {
                    self.folders.insert(path.clone());
                }
            }
            Change::RemoveFolder(path) => {
                self.folders.remove(path);
                let below = format!("{path}/");
                self.files.retain(|path, _| !path.starts_with(&below));
                self.folders.retain(|path| !path.starts_with(&below));
            }
        }
    }
}

impl Change {
    fn path(&self) -> &str {
        let (Self::Write(path, ..)
        | Self::Rename(_, path)
        | Self::Remove(path)
        | Self::Folder(path)
        | Self::RemoveFolder(path)) = self;
        path
    }
}

/// A disk, whose power is cut after so many operations.
#[derive(Clone, Debug)]
pub struct Disk {
    /// As programs see it.
    pub tree: Tree,
    /// What is on it for sure.
    synced: Tree,
    /// What came since then.
    pending: Vec<Change>,
    /// Operations until the power goes.
    pub power: usize,
    /// Whether somebody else has the lock.
    pub busy: bool,
    locked: bool,
}

impl Disk {
    pub fn new(files: Files) -> Self {
        let mut tree = Tree {
            files,
            ..Tree::default()
        };
        for path in tree.files.keys() {
            let above = std::iter::successors(Some(parent(path)), |path| Some(parent(path)));
            let above = above.take_while(|path| !path.is_empty());
            tree.folders.extend(above.map(str::to_owned));
        }
        Self::with(tree)
    }

    pub fn with(tree: Tree) -> Self {
        Self {
            synced: tree.clone(),
            tree,
            pending: Vec::new(),
            power: usize::MAX,
            busy: false,
            locked: false,
        }
    }

    /// What is there when the power is back: of what was not synced, what `keeps` says.
    pub fn after(&self, mut keeps: impl FnMut() -> bool) -> Self {
        let mut tree = self.synced.clone();
        for change in self.pending.iter().filter(|_| keeps()) {
            tree.apply(change);
        }
        Self::with(tree)
    }

    /// What is there when only the program has ended.
    pub fn killed(&self) -> Self {
        Self {
            power: usize::MAX,
            locked: false,
            ..self.clone()
        }
    }

    fn tick(&mut self) -> io::Result<()> {
        assert!(self.locked, "changed without the lock");
        self.power = self
            .power
            .checked_sub(1)
            .ok_or_else(|| io::Error::other("no power"))?;
        Ok(())
    }

    fn change(&mut self, change: Change) -> io::Result<()> {
        self.tick()?;
        self.tree.apply(&change);
        self.pending.push(change);
        Ok(())
    }

    /// The path without links on its way.
    fn real(&self, path: &str) -> io::Result<String> {
        let mut left: Vec<String> = path.rsplit('/').map(str::to_owned).collect();
        let mut at = String::new();
        for _ in 0..100 {
            let Some(part) = left.pop() else {
                return Ok(at);
            };
            let next = match part.as_str() {
                "" | "." => continue,
                ".." => {
                    at.truncate(parent(&at).len());
                    continue;
                }
                _ if at.is_empty() => part,
                _ => format!("{at}/{part}"),
            };
            if left.is_empty() || self.is_folder(&next) {
                at = next;
                continue;
            }
            match self.tree.files.get(&next) {
                Some((Content::Link(target), _)) => {
                    if target.starts_with('/') {
                        at.clear();
                    }
                    left.extend(target.rsplit('/').map(str::to_owned));
                }
                Some(_) => return Err(ErrorKind::NotADirectory.into()),
                None => return Err(none()),
            }
        }
        Err(io::Error::other("too many links"))
    }

    fn is_folder(&self, path: &str) -> bool {
        self.tree.is_folder(path)
    }
}

fn none() -> io::Error {
    ErrorKind::NotFound.into()
}

impl Store for Disk {
    fn lock(&mut self) -> io::Result<()> {
        if self.busy {
            return Err(ErrorKind::WouldBlock.into());
        }
        self.locked = true;
        Ok(())
    }

    fn read(&self, path: &str) -> io::Result<Vec<u8>> {
        match self.get(path)? {
            (Content::File(bytes), _) => Ok(bytes),
            _ => Err(none()),
        }
    }

    fn get(&self, path: &str) -> io::Result<(Content, u32)> {
        let path = self.real(path)?;
        if self.is_folder(&path) {
            return Err(ErrorKind::IsADirectory.into());
        }
        self.tree.files.get(&path).cloned().ok_or_else(none)
    }

    fn kind(&self, path: &str) -> io::Result<Option<Kind>> {
        let path = match self.real(path) {
            Err(error)
                if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) =>
            {
                return Ok(None);
            }
            real => real?,
        };
        if self.is_folder(&path) {
            return Ok(Some(Kind::Folder));
        }
        Ok(self
            .tree
            .files
            .get(&path)
            .map(|(content, _)| match content {
                Content::File(_) => Kind::File,
                Content::Link(target) => Kind::Link(target.clone()),
            }))
    }

    fn list(&self, path: &str) -> io::Result<Vec<String>> {
        let Some(path) = self.real(path).ok().filter(|path| self.is_folder(path)) else {
            return Ok(Vec::new());
        };
        let prefix = format!("{path}/");
        let all = self.tree.files.keys().chain(&self.tree.folders);
        let names: BTreeSet<String> = all
            .filter_map(|path| path.strip_prefix(&prefix))
            .filter(|name| !name.contains('/'))
            .map(str::to_owned)
            .collect();
        Ok(names.into_iter().collect())
    }

    fn write(&mut self, path: &str, content: &Content, mode: u32) -> io::Result<()> {
        let path = self.real(path)?;
        if !self.is_folder(parent(&path)) {
            return Err(none());
        }
        self.change(Change::Write(path, content.clone(), mode))
    }

    fn make_folder(&mut self, path: &str) -> io::Result<()> {
        // Where no folder is yet, no link is on the way either.
        let path = match self.real(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => path.to_owned(),
            real => real?,
        };
        let mut above: Vec<&str> = std::iter::successors(Some(&*path), |path| Some(parent(path)))
            .take_while(|path| !path.is_empty())
            .collect();
        above.reverse();
        for folder in above {
            if self.tree.files.contains_key(folder) {
                return Err(ErrorKind::NotADirectory.into());
            }
            if !self.is_folder(folder) {
                self.change(Change::Folder(folder.to_owned()))?;
            }
        }
        Ok(())
    }

    fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        let (from, to) = (self.real(from)?, self.real(to)?);
        if !self.tree.files.contains_key(&from) || !self.is_folder(parent(&to)) {
            return Err(none());
        }
        if self.is_folder(&to) {
            return Err(ErrorKind::IsADirectory.into());
        }
        self.change(Change::Rename(from, to))
    }

    fn remove(&mut self, path: &str) -> io::Result<()> {
        let path = self.real(path)?;
        if self.is_folder(&path) {
            return Err(ErrorKind::IsADirectory.into());
        }
        if !self.tree.files.contains_key(&path) {
            return Err(none());
        }
        self.change(Change::Remove(path))
    }

    fn remove_folder(&mut self, path: &str) -> io::Result<bool> {
        let path = self.real(path)?;
        if !self.is_folder(&path) {
            return Err(none());
        }
        if self.tree.has_below(&path) {
            return Ok(false);
        }
        self.change(Change::RemoveFolder(path))?;
        Ok(true)
    }

    fn sync(&mut self, path: &str) -> io::Result<()> {
        let path = self.real(path)?;
        if self.tree.files.contains_key(&path) {
            return Err(ErrorKind::NotADirectory.into());
        }
        if !self.is_folder(&path) {
            return Err(none());
        }
        self.tick()?;
        let pending = std::mem::take(&mut self.pending);
        for change in pending {
            if parent(change.path()) == path {
                self.synced.apply(&change);
            } else {
                self.pending.push(change);
            }
        }
        Ok(())
    }
}
