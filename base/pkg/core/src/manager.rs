//! What is installed, and changing it.

use std::collections::{BTreeMap, BTreeSet};

use crate::change::{self, Draft};
use crate::{Content, Error, KEY, Key, Package, STATE, Store};

/// How the head of an installed package ends.
const HEAD: &str = ".pkgar_head";
/// How a package file ends.
const FILE: &str = ".pkgar";
/// How a package's metadata ends.
const METADATA: &str = ".toml";

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
    /// The packages of the system on `store`, whose key it trusts. An interrupted change is finished.
    pub fn open(mut store: S) -> Result<Self, Error> {
        change::recover(&mut store)?;
        let text = store.read(KEY).map_err(Error::io(KEY))?;
        let key = Key::parse(KEY, &String::from_utf8_lossy(&text))?;
        Ok(Self { store, key })
    }

    /// Finishes a change that was interrupted. Answers whether there was one.
    pub fn recover(store: &mut S) -> Result<bool, Error> {
        change::recover(store)
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
            let path = format!("{STATE}/{file}");
            let head = self.store.read(&path).map_err(Error::io(&path))?;
            let package = Package::parse(name, &path, head, &self.key)?;
            let path = format!("{STATE}/{name}{METADATA}");
            let metadata = self.store.read(&path).map_err(Error::io(&path))?;
            let metadata = metadata_of(&path, &metadata)?;
            installed.insert(name.to_owned(), Installed { package, metadata });
        }
        Ok(installed)
    }

    /// Installs packages with what they depend on, all at once. `repo` gives the file of a name, and
    /// nothing if it has none. Answers the names of what was installed; what is there already in the same
    /// form is not.
    pub fn install(
        &mut self,
        names: &[String],
        mut repo: impl FnMut(&str) -> std::io::Result<Option<Vec<u8>>>,
    ) -> Result<Vec<String>, Error> {
        let installed = self.installed()?;
        let mut new: BTreeMap<String, (Package, Vec<u8>)> = BTreeMap::new();
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
        let mut owners: BTreeMap<&str, &str> = BTreeMap::new();
        let old = installed
            .iter()
            .filter(|(name, _)| !new.contains_key(*name));
        let all = old.map(|(name, old)| (name, &old.package));
        for (name, package) in all.chain(new.iter().map(|(name, (package, _))| (name, package))) {
            for entry in package.entries() {
                if let Some(owner) = owners.insert(&entry.path, name) {
                    let (path, new, owner) = (entry.path.clone(), name.clone(), owner.to_owned());
                    return Err(Error::Owned { path, new, owner });
                }
            }
        }
        let mut draft = Draft::default();
        for (name, (package, metadata)) in &new {
            for entry in package.entries() {
                let content = package.content(entry)?;
                draft.put(&mut self.store, &entry.path, &content, entry.mode)?;
            }
            for (ending, bytes) in [(HEAD, package.head()), (METADATA, metadata.as_slice())] {
                let path = format!("{STATE}/{name}{ending}");
                draft.put(
                    &mut self.store,
                    &path,
                    &Content::File(bytes.to_vec()),
                    0o644,
                )?;
            }
        }
        for name in new.keys() {
            for entry in installed
                .get(name)
                .map_or(&[][..], |old| old.package.entries())
            {
                if !owners.contains_key(entry.path.as_str()) {
                    draft.remove(&entry.path);
                }
            }
        }
        draft.commit(&mut self.store)?;
        Ok(new.into_keys().collect())
    }

    /// Removes packages, all at once.
    pub fn remove(&mut self, names: &[String]) -> Result<(), Error> {
        let installed = self.installed()?;
        let mut draft = Draft::default();
        for name in names {
            let Some(old) = installed.get(name) else {
                return Err(Error::NotInstalled(name.clone()));
            };
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
            for entry in old.package.entries() {
                draft.remove(&entry.path);
            }
            for ending in [HEAD, METADATA] {
                draft.remove(&format!("{STATE}/{name}{ending}"));
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
