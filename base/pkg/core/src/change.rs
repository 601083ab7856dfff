//! A change: what is done at once.

use serde::{Deserialize, Serialize};

use crate::{Error, STATE, Store};

/// The journal, once it counts.
const JOURNAL: &str = "var/lib/packages/.journal";
/// The journal, while it is written.
const JOURNAL_NEW: &str = "var/lib/packages/.journal.new";
/// What is new, until it gets its name.
const STAGE: &str = "var/lib/packages/.new";

/// What a change does.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Journal {
    /// In this order.
    pub steps: Vec<Step>,
}

/// A step of a change. Doing it twice does no more than doing it once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Step {
    /// The staged file with this number gets this name.
    Put(u32, String),
    /// The file goes, and folders above that are empty then.
    Remove(String),
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
        content: &crate::Content,
        mode: u32,
    ) -> Result<(), Error> {
        if !self.clean {
            // What an earlier change left that never counted.
            clear(store)?;
            store.make_folder(STAGE).map_err(Error::io(STAGE))?;
            self.clean = true;
        }
        let place = staged(self.staged);
        store
            .write(&place, content, mode)
            .map_err(Error::io(path))?;
        self.journal
            .steps
            .push(Step::Put(self.staged, path.to_owned()));
        self.staged += 1;
        Ok(())
    }

    /// Removes a file.
    pub fn remove(&mut self, path: &str) {
        self.journal.steps.push(Step::Remove(path.to_owned()));
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
        let content = crate::Content::File(text.into_bytes());
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
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            clear(store)?;
            Ok(false)
        }
        Err(error) => Err(Error::io(JOURNAL)(error)),
    }
}

fn carry_out(store: &mut impl Store, journal: &Journal) -> Result<(), Error> {
    let missing = |error: &std::io::Error| error.kind() == std::io::ErrorKind::NotFound;
    let mut folders = std::collections::BTreeSet::new();
    for step in &journal.steps {
        match step {
            Step::Put(number, path) => {
                let folder = parent(path);
                store.make_folder(folder).map_err(Error::io(folder))?;
                match store.rename(&staged(*number), path) {
                    // An earlier try has done it.
                    Err(error) if missing(&error) => {}
                    renamed => renamed.map_err(Error::io(path))?,
                }
                folders.insert(folder);
            }
            Step::Remove(path) => {
                match store.remove(path) {
                    Err(error) if missing(&error) => {}
                    removed => removed.map_err(Error::io(path))?,
                }
                folders.insert(parent(path));
            }
        }
    }
    // A new folder's name is in the one above it.
    let mut all: std::collections::BTreeSet<&str> = folders.clone();
    for folder in &folders {
        let mut folder = *folder;
        while !folder.is_empty() {
            folder = parent(folder);
            all.insert(folder);
        }
    }
    for folder in all.into_iter().rev() {
        match store.sync(folder) {
            Err(error) if missing(&error) => {}
            synced => synced.map_err(Error::io(folder))?,
        }
    }
    for step in &journal.steps {
        let Step::Remove(path) = step else { continue };
        let mut folder = parent(path);
        while !folder.is_empty() {
            match store.remove_folder(folder) {
                Ok(true) => {}
                Err(error) if missing(&error) => {}
                // It has something in it, or is not ours to remove.
                Ok(false) | Err(_) => break,
            }
            folder = parent(folder);
        }
    }
    store.remove(JOURNAL).map_err(Error::io(JOURNAL))?;
    store.sync(STATE).map_err(Error::io(STATE))?;
    clear(store)
}

/// Removes what is staged.
fn clear(store: &mut impl Store) -> Result<(), Error> {
    for name in store.list(STAGE).map_err(Error::io(STAGE))? {
        let path = format!("{STAGE}/{name}");
        store.remove(&path).map_err(Error::io(&path))?;
    }
    match store.remove(JOURNAL_NEW) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        removed => removed.map_err(Error::io(JOURNAL_NEW)),
    }
}

fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(parent, _)| parent)
}
