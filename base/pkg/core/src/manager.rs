//! What is installed, and changing it.

use std::collections::{BTreeMap, BTreeSet};
use std::io::ErrorKind;

use crate::change::{self, Draft};
use crate::plan::{FOLDERS, Plan, write_folders};
use crate::{Content, Error, KEY, Key, Package, STATE, Store};

/// How the head of an installed package ends.
const HEAD: &str = ".pkgar_head";
/// How a package file ends.
const FILE: &str = ".pkgar";
/// How a package's metadata ends.
const METADATA: &str = ".toml";

/// Packages to be installed, with their metadata, by name.
pub type New = BTreeMap<String, (Package, Vec<u8>)>;

/// A system's packages.
#[derive(Debug)]
pub struct Manager<S> {
    store: S,
    key: Key,
}

/// An installed package.
#[derive(Clone, Debug)]
pub struct Installed {
    /// Its head.
    pub package: Package,
    /// Its metadata.
    pub metadata: pkg::Package,
}

/// What is wrong with an installed file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It is not there, or not a file or link.
    Missing,
    /// It is not what was installed.
    Changed,
    /// Its permissions are others.
    Mode(u32),
}

impl<S: Store> Manager<S> {
    /// The packages of the system on `store`, whose key it trusts. Nothing is changed: an interrupted change stays
    /// until the next one.
    pub fn open(store: S) -> Result<Self, Error> {
        let text = store.read(KEY).map_err(Error::io(KEY))?;
        let key = Key::parse(KEY, &String::from_utf8_lossy(&text))?;
        Ok(Self { store, key })
    }

    /// Finishes a change that was interrupted. Answers whether there was one.
    pub fn recover(store: &mut S) -> Result<bool, Error> {
        store.lock().map_err(|error| match error.kind() {
            ErrorKind::WouldBlock => Error::Busy,
            _ => Error::io(STATE)(error),
        })?;
        change::recover(store)
    }

    /// Whether there is a change that is not finished: it was interrupted, or somebody is at it.
    pub fn is_unfinished(&self) -> Result<bool, Error> {
        change::is_unfinished(&self.store)
    }

    /// What comes before every change.
    fn begin(&mut self) -> Result<(), Error> {
        Self::recover(&mut self.store).map(drop)
    }

    /// The file system.
    pub fn store(&self) -> &S {
        &self.store
    }

    /// Everything that is installed, by name.
    pub fn installed(&self) -> Result<BTreeMap<String, Installed>, Error> {
        let mut installed = BTreeMap::new();
        for file in self.store.list(STATE).map_err(Error::io(STATE))? {
            let Some(name) = file.strip_suffix(HEAD) else {
                continue;
            };
            let head_path = format!("{STATE}/{file}");
            let Some(head) = self.read_if_there(&head_path)? else {
                continue;
            };
            let package = Package::parse(name, &head_path, head, &self.key)?;
            let path = format!("{STATE}/{name}{METADATA}");
            let metadata = match self.store.read(&path) {
                // Somebody has removed it since.
                Err(_) if self.read_if_there(&head_path)?.is_none() => continue,
                read => read.map_err(Error::io(&path))?,
            };
            let metadata = metadata_of(&path, &metadata)?;
            installed.insert(name.to_owned(), Installed { package, metadata });
        }
        Ok(installed)
    }

    fn read_if_there(&self, path: &str) -> Result<Option<Vec<u8>>, Error> {
        match self.store.read(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            read => read.map(Some).map_err(Error::io(path)),
        }
    }

    /// Installs packages with what they depend on, all at once. `repo` gives the file of a name, and
    /// nothing if it has none. Answers the names of what was installed; what is there already in the same
    /// form is not.
    pub fn install(
        &mut self,
        names: &[String],
        mut repo: impl FnMut(&str) -> std::io::Result<Option<Vec<u8>>>,
    ) -> Result<Vec<String>, Error> {
        self.begin()?;
        let installed = self.installed()?;
        let mut new = New::new();
        let mut seen = BTreeSet::new();
        let mut left: Vec<(String, Option<String>)> =
            names.iter().map(|name| (name.clone(), None)).collect();
        while let Some((name, needed_by)) = left.pop() {
            if !seen.insert(name.clone()) {
                continue;
            }
            let mut file = |ending: &str| {
                let path = format!("{name}{ending}");
                repo(&path)
                    .map_err(Error::io(&path))
                    .map(|bytes| bytes.map(|bytes| (path, bytes)))
            };
            let (Some((metadata_path, metadata)), Some((path, bytes))) =
                (file(METADATA)?, file(FILE)?)
            else {
                if installed.contains_key(&name) && needed_by.is_some() {
                    continue;
                }
                return Err(match needed_by {
                    Some(needed_by) => Error::NoDependency { name, needed_by },
                    None => Error::NoPackage(name),
                });
            };
            let parsed = metadata_of(&metadata_path, &metadata)?;
            let needs = parsed
                .depends
                .iter()
                .map(|need| need.without_prefix().to_owned());
            left.extend(needs.map(|need| (need, Some(name.clone()))));
            let package = Package::parse(&name, &path, bytes, &self.key)?;
            let same = installed
                .get(&name)
                .is_some_and(|old| old.package.head() == package.head() && old.metadata == parsed);
            if !same {
                new.insert(name, (package, metadata));
            }
        }
        self.change(&installed, &new, &[])?;
        Ok(new.into_keys().collect())
    }

    /// Removes packages, all at once.
    pub fn remove(&mut self, names: &[String]) -> Result<(), Error> {
        self.begin()?;
        let installed = self.installed()?;
        for name in names {
            if !installed.contains_key(name) {
                return Err(Error::NotInstalled(name.clone()));
            }
            let stays = installed.iter().filter(|(other, _)| !names.contains(other));
            for (other, stays) in stays {
                if stays
                    .metadata
                    .depends
                    .iter()
                    .any(|need| need.without_prefix() == name)
                {
                    return Err(Error::Needed {
                        name: name.clone(),
                        needed_by: other.clone(),
                    });
                }
            }
        }
        self.change(&installed, &New::new(), names)
    }

    /// Puts packages in place of those of the same names, and removes others.
    fn change(
        &mut self,
        installed: &BTreeMap<String, Installed>,
        new: &New,
        removed: &[String],
    ) -> Result<(), Error> {
        let plan = Plan::new(&self.store, installed, new, removed)?;
        let mut draft = Draft::default();
        // Who reads meanwhile finds no head without its metadata.
        for ending in [HEAD, METADATA] {
            for name in removed {
                draft.remove(&format!("{STATE}/{name}{ending}"));
            }
        }
        for path in &plan.removes {
            draft.remove(path);
        }
        for folder in plan.empty_folders.iter().rev() {
            draft.remove_folder(folder);
        }
        for ((package, _), paths) in new.values().zip(&plan.puts) {
            for (entry, path) in package.entries().iter().zip(paths) {
                let content = package.content(entry)?;
                draft.put(&mut self.store, path, &content, entry.mode)?;
            }
        }
        match plan.folders {
            None => {}
            Some(folders) if folders.is_empty() => draft.remove(FOLDERS),
            Some(folders) => {
                let content = Content::File(write_folders(folders)?);
                draft.put(&mut self.store, FOLDERS, &content, 0o644)?;
            }
        }
        for (name, (package, metadata)) in new {
            for (ending, bytes) in [(METADATA, metadata.as_slice()), (HEAD, package.head())] {
                let path = format!("{STATE}/{name}{ending}");
                let content = Content::File(bytes.to_vec());
                draft.put(&mut self.store, &path, &content, 0o644)?;
            }
        }
        draft.commit(&mut self.store)
    }

    /// Compares a package's files with what was installed.
    pub fn verify(&self, package: &Package) -> Vec<(String, Fault)> {
        let mut faults = Vec::new();
        for entry in package.entries() {
            let fault = match self.store.get(&entry.path) {
                Err(_) => Fault::Missing,
                Ok((content, _)) if matches!(content, Content::Link(_)) != entry.link => {
                    Fault::Changed
                }
                Ok((content, _)) if content.hash() != entry.hash => Fault::Changed,
                Ok((_, mode)) if !entry.link && mode & 0o7777 != entry.mode => {
                    Fault::Mode(mode & 0o7777)
                }
                Ok(_) => continue,
            };
            faults.push((entry.path.clone(), fault));
        }
        faults
    }
}

fn metadata_of(path: &str, bytes: &[u8]) -> Result<pkg::Package, Error> {
    let text = std::str::from_utf8(bytes).map_err(|_| Error::bad(path, "not UTF-8"))?;
    pkg::Package::from_toml(text).map_err(|error| Error::bad(path, error))
}
