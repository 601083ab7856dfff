//! Where paths lead: one file has one name here, whatever links are on the way to it.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use crate::{Error, Kind, STATE, Store};

/// How many links are followed on the way to a file.
const LINKS: u32 = 40;
/// What names no files of the file system, at the top: the run-time looks for these elsewhere, or in the same
/// place once more (`/scheme/file`).
const ELSEWHERE: [&str; 2] = ["scheme", "dev"];

/// The folder that something is in.
pub fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(parent, _)| parent)
}

/// The folders that something is in, from the inmost, without the root.
pub fn folders(path: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(parent(path)), |folder| Some(parent(folder)))
        .take_while(|folder| !folder.is_empty())
}

/// Whether a package may have this file.
pub fn is_for_packages(path: &str) -> bool {
    let first = path.split('/').next().unwrap_or(path);
    // A package that could write where packages are kept could make itself another.
    let kept = path.strip_prefix(STATE);
    !ELSEWHERE.contains(&first)
        && !kept.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// What is at a path, if no link is on the way.
pub fn kind_without_links(store: &impl Store, path: &str) -> io::Result<Option<Kind>> {
    let mut above: Vec<&str> = folders(path).collect();
    above.reverse();
    for folder in above {
        if store.kind(folder)? != Some(Kind::Folder) {
            return Ok(None);
        }
    }
    store.kind(path)
}

/// Finds out where paths lead.
#[derive(Debug)]
pub struct Places<'a> {
    /// Taken for gone.
    going: &'a BTreeSet<String>,
    known: BTreeMap<String, String>,
}

impl<'a> Places<'a> {
    /// On a system without these files and links.
    pub const fn without(going: &'a BTreeSet<String>) -> Self {
        Self {
            going,
            known: BTreeMap::new(),
        }
    }

    /// The path of a file without links on the way. What is not there will be folders.
    pub fn find(&mut self, store: &impl Store, path: &str) -> Result<String, Error> {
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
        if let Some(found) = self.known.get(folder) {
            return Ok(join(found, name));
        }
        let found = self.folder(store, folder)?;
        let path = join(&found, name);
        self.known.insert(folder.to_owned(), found);
        Ok(path)
    }

    fn folder(&self, store: &impl Store, folder: &str) -> Result<String, Error> {
        let mut left: Vec<String> = folder.rsplit('/').map(str::to_owned).collect();
        let mut at = String::new();
        let mut links = 0;
        // Below what is not there is nothing, whatever a link that goes leads to.
        let mut is_there = true;
        while let Some(part) = left.pop() {
            match part.as_str() {
                "" | "." => continue,
                ".." if !is_there => return Err(Error::bad(folder, "leads through nothing")),
                ".." => {
                    at.truncate(parent(&at).len());
                    continue;
                }
                _ => {}
            }
            let next = join(&at, &part);
            let kind = if is_there && !self.going.contains(&next) {
                store.kind(&next).map_err(Error::io(&next))?
            } else {
                None
            };
            match kind {
                None => {
                    is_there = false;
                    at = next;
                }
                Some(Kind::Folder) => at = next,
                Some(Kind::File) => return Err(Error::bad(&next, "is no folder")),
                Some(Kind::Link(_)) if links == LINKS => {
                    return Err(Error::bad(&next, "too many links"));
                }
                Some(Kind::Link(target)) => {
                    links += 1;
                    if target.starts_with('/') {
                        at.clear();
                    }
                    left.extend(target.rsplit('/').map(str::to_owned));
                }
            }
        }
        Ok(at)
    }
}

fn join(folder: &str, name: &str) -> String {
    if folder.is_empty() {
        return name.to_owned();
    }
    format!("{folder}/{name}")
}
