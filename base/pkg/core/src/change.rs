//! A change: what is done at once.

use std::collections::BTreeSet;
use std::io::{self, ErrorKind};

use serde::{Deserialize, Serialize};

use crate::places::{self, parent};
use crate::{Content, Error, Kind, STATE, Store};

/// The journal, once it counts.
const JOURNAL: &str = "var/lib/packages/.journal";
/// The journal, while it is written.
const JOURNAL_NEW: &str = "var/lib/packages/.journal.new";
/// What is new, until it gets its name.
const STAGE: &str = "var/lib/packages/.new";

/// What a change does.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Journal {
    /// Removals come first, in this order, then what is new, in this order.
    pub steps: Vec<Step>,
}

/// A step of a change. Doing it twice does no more than doing it once. No path has a link on its way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Step {
    /// The staged file with this number gets this name. The last is its checksum.
    Put(u32, String, String),
    /// The file goes.
    Remove(String),
    /// The folder goes, if it is empty then.
    RemoveFolder(String),
}

/// What is to be put, while a change is put together.
#[derive(Debug, Default)]
pub struct Draft {
    journal: Journal,
    staged: u32,
    clean: bool,
}

impl Draft {
    /// Stages a file.
    pub fn put(
        &mut self,
        store: &mut impl Store,
        path: &str,
        content: &Content,
        mode: u32,
    ) -> Result<(), Error> {
        if !self.clean {
            // What an earlier change left that never counted.
            clear(store)?;
            store.make_folder(STAGE).map_err(Error::io(STAGE))?;
            self.clean = true;
        }
        let place = staged(self.staged);
        if let Err(error) = store.write(&place, content, mode) {
            // The disk may be full of it. That of the two errors came first.
            _ = clear(store);
            return Err(Error::io(path)(error));
        }
        let step = Step::Put(self.staged, path.to_owned(), checksum(content));
        self.journal.steps.push(step);
        self.staged += 1;
        Ok(())
    }

    /// Removes a file.
    pub fn remove(&mut self, path: &str) {
        self.journal.steps.push(Step::Remove(path.to_owned()));
    }

    /// Removes a folder, if it is empty once files have been removed.
    pub fn remove_folder(&mut self, path: &str) {
        self.journal.steps.push(Step::RemoveFolder(path.to_owned()));
    }

    /// Makes it happen.
    pub fn commit(self, store: &mut impl Store) -> Result<(), Error> {
        if self.journal.steps.is_empty() {
            return Ok(());
        }
        if self.clean {
            store.sync(STAGE).map_err(Error::io(STAGE))?;
        }
        let text = toml::to_string(&self.journal).map_err(|error| Error::bad(JOURNAL, error))?;
        store.make_folder(STATE).map_err(Error::io(STATE))?;
        let content = Content::File(text.into_bytes());
        store
            .write(JOURNAL_NEW, &content, 0o600)
            .map_err(Error::io(JOURNAL_NEW))?;
        // Names of staged files count before the journal that needs them does.
        store.sync(STATE).map_err(Error::io(STATE))?;
        store
            .rename(JOURNAL_NEW, JOURNAL)
            .map_err(Error::io(JOURNAL))?;
        store.sync(STATE).map_err(Error::io(STATE))?;
        carry_out(store, &self.journal)
    }
}

fn staged(number: u32) -> String {
    format!("{STAGE}/{number}")
}

fn checksum(content: &Content) -> String {
    blake3::Hash::from_bytes(content.hash())
        .to_hex()
        .to_string()
}

/// Whether a change counts that is not finished.
pub fn is_unfinished(store: &impl Store) -> Result<bool, Error> {
    let kind = store.kind(JOURNAL).map_err(Error::io(JOURNAL))?;
    Ok(kind.is_some())
}

/// Finishes a change that was interrupted, or forgets one that never counted. Answers whether there was
/// one to finish.
pub fn recover(store: &mut impl Store) -> Result<bool, Error> {
    match store.read(JOURNAL) {
        Ok(bytes) => {
            let text = String::from_utf8_lossy(&bytes);
            let journal: Journal =
                toml::from_str(&text).map_err(|error| Error::bad(JOURNAL, error.message()))?;
            carry_out(store, &journal)?;
            Ok(true)
        }
        Err(error) if is_missing(&error) => {
            clear(store)?;
            Ok(false)
        }
        Err(error) => Err(Error::io(JOURNAL)(error)),
    }
}

fn is_missing(error: &io::Error) -> bool {
    error.kind() == ErrorKind::NotFound
}

fn carry_out(store: &mut impl Store, journal: &Journal) -> Result<(), Error> {
    let mut folders = BTreeSet::new();
    for step in &journal.steps {
        let (Step::Remove(path) | Step::RemoveFolder(path)) = step else {
            continue;
        };
        remove(store, step, path).map_err(Error::io(path))?;
        folders.insert(parent(path));
    }
    // All of this is on the disk before anything new is. So if a folder of a path has become a file or a link, or
    // a file a folder, an earlier try has removed what was there, and what is there now is new.
    sync(store, &folders)?;
    folders.clear();
    let mut lost = Vec::new();
    for step in &journal.steps {
        let Step::Put(number, path, sum) = step else {
            continue;
        };
        let folder = parent(path);
        store.make_folder(folder).map_err(Error::io(folder))?;
        match store.rename(&staged(*number), path) {
            Err(error) if is_missing(&error) => {
                // An earlier try has done it, if this is the file.
                let there = store.get(path).map(|(content, _)| checksum(&content));
                if !there.is_ok_and(|there| there == *sum) {
                    lost.push(path.clone());
                }
            }
            renamed => renamed.map_err(Error::io(path))?,
        }
        // A new folder's name is in the one above it.
        folders.extend([folder, ""]);
        folders.extend(places::folders(folder));
    }
    sync(store, &folders)?;
    store.remove(JOURNAL).map_err(Error::io(JOURNAL))?;
    store.sync(STATE).map_err(Error::io(STATE))?;
    clear(store)?;
    // There is nothing left to try again with, so this does not keep the change from being finished.
    if lost.is_empty() {
        Ok(())
    } else {
        Err(Error::Lost(lost))
    }
}

fn remove(store: &mut impl Store, step: &Step, path: &str) -> io::Result<()> {
    match (step, places::kind_without_links(store, path)?) {
        (Step::Remove(_), Some(Kind::File | Kind::Link(_))) => store.remove(path),
        // One with something in it stays, and so does one that is not ours to remove.
        (Step::RemoveFolder(_), Some(Kind::Folder)) => {
            store.remove_folder(path).map_or(Ok(()), |_| Ok(()))
        }
        _ => Ok(()),
    }
}

/// Puts names in folders on the disk, those of folders before what is in them.
fn sync(store: &mut impl Store, folders: &BTreeSet<&str>) -> Result<(), Error> {
    for folder in folders {
        match store.sync(folder) {
            // It was removed, or something else has its name now.
            Err(error) if is_missing(&error) || error.kind() == ErrorKind::NotADirectory => {}
            synced => synced.map_err(Error::io(folder))?,
        }
    }
    Ok(())
}

/// Removes what is staged.
fn clear(store: &mut impl Store) -> Result<(), Error> {
    for name in store.list(STAGE).map_err(Error::io(STAGE))? {
        let path = format!("{STAGE}/{name}");
        store.remove(&path).map_err(Error::io(&path))?;
    }
    match store.remove(JOURNAL_NEW) {
        Err(error) if is_missing(&error) => Ok(()),
        removed => removed.map_err(Error::io(JOURNAL_NEW)),
    }
}
