//! What a change does to which names, and whether that can be done at all.

use std::collections::{BTreeMap, BTreeSet};
use std::io::ErrorKind;

use serde::{Deserialize, Serialize};

use crate::manager::{Installed, New};
use crate::places::{self, Places};
use crate::{Error, Kind, Store};

/// Which folders were made for packages: they go with the last file in them, unlike the others.
pub const FOLDERS: &str = "var/lib/packages/folders";

#[derive(Default, Deserialize, Serialize)]
struct Folders {
    folders: BTreeSet<String>,
}

/// What a change does. No path has a link on its way.
#[derive(Debug)]
pub struct Plan {
    /// Where the files of new packages go, in the order of packages and files.
    pub puts: Vec<Vec<String>>,
    /// Files that go.
    pub removes: BTreeSet<String>,
    /// Folders that go, if they are empty then.
    pub empty_folders: BTreeSet<String>,
    /// The folders that were made for packages, if they are others now.
    pub folders: Option<BTreeSet<String>>,
}

/// Whose a file is after a change.
struct Owner<'a> {
    name: &'a str,
    is_new: bool,
}

type Owners<'a> = BTreeMap<String, Owner<'a>>;

impl Plan {
    /// Plans to put packages in place of those of the same names and to remove others.
    pub fn new(
        store: &impl Store,
        installed: &BTreeMap<String, Installed>,
        new: &New,
        removed: &[String],
    ) -> Result<Self, Error> {
        let goes = |name: &String| new.contains_key(name) || removed.contains(name);
        let mut owners = Owners::new();
        let mut removes = BTreeSet::new();
        let nothing = BTreeSet::new();
        let mut places = Places::without(&nothing);
        for (name, old) in installed {
            for entry in old.package.entries() {
                // What leads nowhere is not there, and neither in the way.
                let path = places.find(store, &entry.path);
                let path = path.unwrap_or_else(|_| entry.path.clone());
                if goes(name) && places::is_for_packages(&path) {
                    removes.insert(path);
                } else {
                    let is_new = false;
                    owners.insert(path, Owner { name, is_new });
                }
            }
        }
        let puts = place(store, new, &removes, &mut owners)?;
        let mut places = Places::without(&removes);
        for path in puts.iter().flatten() {
            // Others' files may be reached by way of it.
            if !removes.contains(path) && leads_to_no_file(store, path, &mut places)? {
                return Err(Error::bad(
                    path,
                    "is a link that is no package's, and leads to no file",
                ));
            }
        }
        removes.retain(|path| !owners.contains_key(path));
        let before = read_folders(store)?;
        let mut folders = before.clone();
        let mut empty_folders = BTreeSet::new();
        let mut seen = BTreeSet::new();
        for ((name, _), paths) in new.iter().zip(&puts) {
            for path in paths {
                for folder in places::folders(path) {
                    if !seen.insert(folder) {
                        break;
                    }
                    let kind =
                        places::kind_without_links(store, folder).map_err(Error::io(folder))?;
                    if kind != Some(Kind::Folder) {
                        folders.insert(folder.to_owned());
                    }
                }
                let kind = places::kind_without_links(store, path).map_err(Error::io(path))?;
                if kind == Some(Kind::Folder)
                    && !vanishes(store, path, &removes, &mut empty_folders)?
                {
                    let what = format!("is a folder, and `{name}` has a file of this name");
                    return Err(Error::bad(path, what));
                }
            }
        }
        folders.retain(|folder| {
            let below = format!("{folder}/");
            let mut after = owners.range(below.clone()..);
            let is_used = after
                .next()
                .is_some_and(|(path, _)| path.starts_with(&below));
            if !is_used {
                empty_folders.insert(folder.clone());
            }
            is_used
        });
        Ok(Self {
            puts,
            removes,
            empty_folders,
            folders: (folders != before).then_some(folders),
        })
    }
}

/// Finds out where the files of new packages go, and whether that is nobody else's.
fn place<'a>(
    store: &impl Store,
    new: &'a New,
    going: &BTreeSet<String>,
    owners: &mut Owners<'a>,
) -> Result<Vec<Vec<String>>, Error> {
    let mut places = Places::without(going);
    let mut puts = Vec::new();
    for (name, (package, _)) in new {
        let mut paths = Vec::new();
        for entry in package.entries() {
            let path = places.find(store, &entry.path)?;
            if !places::is_for_packages(&path) {
                let what = format!("leads to /{path}, which is not for packages");
                return Err(Error::bad(&entry.path, what));
            }
            let is_new = true;
            if let Some(owner) = owners.insert(path.clone(), Owner { name, is_new }) {
                let (new, owner) = (name.clone(), owner.name.to_owned());
                return Err(Error::Owned { path, new, owner });
            }
            paths.push(path);
        }
        puts.push(paths);
    }
    for (path, below) in &*owners {
        for folder in places::folders(path) {
            if let Some(owner) = owners.get(folder)
                && (owner.is_new || below.is_new)
            {
                return Err(Error::Below {
                    path: folder.to_owned(),
                    new: below.name.to_owned(),
                    owner: owner.name.to_owned(),
                });
            }
        }
    }
    Ok(puts)
}

/// Whether there is a link that leads to a folder or nowhere.
fn leads_to_no_file(
    store: &impl Store,
    path: &str,
    places: &mut Places<'_>,
) -> Result<bool, Error> {
    let kind = places::kind_without_links(store, path).map_err(Error::io(path))?;
    if !matches!(kind, Some(Kind::Link(_))) {
        return Ok(false);
    }
    // A file has nothing below it.
    Ok(places.find(store, &format!("{path}/.")).is_ok())
}

/// Whether all that is in a folder goes. Then the folder goes as well, and those in it.
fn vanishes(
    store: &impl Store,
    folder: &str,
    removes: &BTreeSet<String>,
    empty_folders: &mut BTreeSet<String>,
) -> Result<bool, Error> {
    let mut left = vec![folder.to_owned()];
    while let Some(folder) = left.pop() {
        let names = store.list(&folder).map_err(Error::io(&folder))?;
        // One that is empty already is somebody's.
        if names.is_empty() {
            return Ok(false);
        }
        for name in names {
            let path = format!("{folder}/{name}");
            match store.kind(&path).map_err(Error::io(&path))? {
                Some(Kind::Folder) => left.push(path),
                _ if removes.contains(&path) => {}
                _ => return Ok(false),
            }
        }
        empty_folders.insert(folder);
    }
    Ok(true)
}

fn read_folders(store: &impl Store) -> Result<BTreeSet<String>, Error> {
    let bytes = match store.read(FOLDERS) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(BTreeSet::new()),
        read => read.map_err(Error::io(FOLDERS))?,
    };
    let read: Folders = toml::from_str(&String::from_utf8_lossy(&bytes))
        .map_err(|error| Error::bad(FOLDERS, error.message()))?;
    Ok(read.folders)
}

/// What stands in [`FOLDERS`].
pub fn write_folders(folders: BTreeSet<String>) -> Result<Vec<u8>, Error> {
    let text = toml::to_string(&Folders { folders });
    text.map(String::into_bytes)
        .map_err(|error| Error::bad(FOLDERS, error))
}
