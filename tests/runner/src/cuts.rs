//! A machine whose power goes at any moment: the emulator logs what it writes to a disk, and afterwards the disk is
//! looked at as it would be had the power gone after any of the writes. What was written since the last flush
//! may be on the disk or not, in any combination.
//!
//! Looked for is a package: after recovery all of it is there, or nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, Cursor};
use std::path::Path;

use anyhow::{Context, Result, anyhow, bail};
use disk_image::Numbers;
use pkg_core::{Content, KEY, Kind, Manager, Store};
use redoxfs::{DiskIo, FileSystem, Node, TreePtr};
use redoxfs_errors::error::{EIO, Error as FsError};

/// Bytes of the log's sectors.
const SECTOR: usize = 512;
/// What a log begins with.
const MAGIC: u64 = 0x006a_7366_7773_6872;
/// Flags of entries.
const FLUSH: u64 = 1;
const DISCARD: u64 = 4;
/// How many moments are looked at; evenly apart, if there are more.
const MOMENTS: usize = 200;

/// What happened on a disk.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Event {
    /// These bytes were written there.
    Write(usize, Vec<u8>),
    /// Everything before is on the disk.
    Flush,
}

/// Reads a log in the format of `dm-log-writes`, which the emulator's `blklogwrites` writes.
fn events(log: &[u8]) -> Result<Vec<Event>> {
    let word = |at: usize| {
        let bytes = log.get(at..at + 8)?;
        Some(u64::from_le_bytes(bytes.try_into().ok()?))
    };
    if word(0) != Some(MAGIC) {
        bail!("not a log of writes");
    }
    let entries = word(16).unwrap_or(0);
    let mut events = Vec::new();
    let mut at = SECTOR;
    for number in 0..entries {
        let cut = || format!("the log ends in entry {number} of {entries}");
        let (Some(sector), Some(sectors), Some(flags)) = (word(at), word(at + 8), word(at + 16))
        else {
            bail!(cut());
        };
        at += SECTOR;
        if flags & DISCARD == 0 && sectors > 0 {
            let len = usize::try_from(sectors)? * SECTOR;
            let data = log.get(at..at + len).with_context(cut)?;
            events.push(Event::Write(
                usize::try_from(sector)? * SECTOR,
                data.to_vec(),
            ));
            at += len;
        }
        if flags & FLUSH != 0 {
            events.push(Event::Flush);
        }
    }
    Ok(events)
}

/// What is on a disk whose power has gone after `moment` events, of which those since the last flush
/// count if `keeps` says so.
fn disk_at(
    before: &[u8],
    events: &[Event],
    moment: usize,
    mut keeps: impl FnMut() -> bool,
) -> Result<Vec<u8>> {
    let mut disk = before.to_vec();
    let happened = events.get(..moment).unwrap_or(events);
    let sure = happened.iter().rposition(|event| *event == Event::Flush);
    for (index, event) in happened.iter().enumerate() {
        let Event::Write(at, bytes) = event else {
            continue;
        };
        if sure.is_none_or(|sure| index > sure) && !keeps() {
            continue;
        }
        let place = disk.get_mut(*at..*at + bytes.len());
        place
            .context("a write behind the end of the disk")?
            .copy_from_slice(bytes);
    }
    Ok(disk)
}

/// Files and links by path, in memory; folders are where files are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Files(BTreeMap<String, (Content, u32)>);

impl Files {
    /// What is on a volume.
    fn read(mut volume: Vec<u8>) -> Result<Self> {
        let mut files = BTreeMap::new();
        let failed = |error: FsError| anyhow!("the volume cannot be read: {error}");
        let mut fs = FileSystem::open(DiskIo(Cursor::new(&mut volume[..])), None, Some(0), false)
            .map_err(failed)?;
        let mut left = vec![(String::new(), TreePtr::<Node>::root())];
        fs.tx(|tx| {
            while let Some((path, ptr)) = left.pop() {
                let node = tx.read_tree(ptr)?;
                if node.data().is_dir() {
                    let mut children = Vec::new();
                    tx.child_nodes(ptr, &mut children)?;
                    for child in &children {
                        let name = child.name().ok_or(FsError::new(EIO))?;
                        let slash = if path.is_empty() { "" } else { "/" };
                        left.push((format!("{path}{slash}{name}"), child.node_ptr()));
                    }
                    continue;
                }
                let len = usize::try_from(node.data().size()).map_err(|_| FsError::new(EIO))?;
                let mut bytes = vec![0; len];
                let len = tx.read_node_inner(&node, 0, &mut bytes)?;
                bytes.truncate(len);
                let content = if node.data().is_symlink() {
                    Content::Link(String::from_utf8_lossy(&bytes).into_owned())
                } else {
                    Content::File(bytes)
                };
                files.insert(path, (content, u32::from(node.data().mode())));
            }
            Ok(())
        })
        .map_err(failed)?;
        Ok(Self(files))
    }
}

fn none() -> io::Error {
    io::ErrorKind::NotFound.into()
}

impl Store for Files {
    fn lock(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn kind(&self, path: &str) -> io::Result<Option<Kind>> {
        Ok(match self.0.get(path) {
            Some((Content::File(_), _)) => Some(Kind::File),
            Some((Content::Link(target), _)) => Some(Kind::Link(target.clone())),
            None => (!self.list(path)?.is_empty()).then_some(Kind::Folder),
        })
    }

    fn read(&self, path: &str) -> io::Result<Vec<u8>> {
        match self.0.get(path) {
            Some((Content::File(bytes), _)) => Ok(bytes.clone()),
            _ => Err(none()),
        }
    }

    fn get(&self, path: &str) -> io::Result<(Content, u32)> {
        self.0.get(path).cloned().ok_or_else(none)
    }

    fn list(&self, path: &str) -> io::Result<Vec<String>> {
        let below = self
            .0
            .keys()
            .filter_map(|name| name.strip_prefix(path)?.strip_prefix('/'));
        let names: BTreeSet<&str> = below.filter_map(|rest| rest.split('/').next()).collect();
        Ok(names.into_iter().map(str::to_owned).collect())
    }

    fn write(&mut self, path: &str, content: &Content, mode: u32) -> io::Result<()> {
        self.0.insert(path.to_owned(), (content.clone(), mode));
        Ok(())
    }

    fn make_folder(&mut self, _path: &str) -> io::Result<()> {
        Ok(())
    }

    fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        let file = self.0.remove(from).ok_or_else(none)?;
        self.0.insert(to.to_owned(), file);
        Ok(())
    }

    fn remove(&mut self, path: &str) -> io::Result<()> {
        self.0.remove(path).map(drop).ok_or_else(none)
    }

    fn remove_folder(&mut self, path: &str) -> io::Result<bool> {
        self.list(path).map(|names| names.is_empty())
    }

    fn sync(&mut self, _path: &str) -> io::Result<()> {
        Ok(())
    }
}

/// What was seen at the moments.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Seen {
    /// Everything of the package.
    all: usize,
    /// Nothing of it.
    nothing: usize,
    /// A change that recovery finished.
    finished: usize,
}

impl Seen {
    /// Looks at a system's files. `package` is what of them the package has.
    fn look(&mut self, files: Files, name: &str, package: &BTreeSet<String>) -> Result<(), String> {
        // Before there is a key nothing can be installed.
        if !files.0.contains_key(KEY) {
            return Ok(());
        }
        let mut files = files;
        let failed = |error: pkg_core::Error| error.to_string();
        if Manager::recover(&mut files).map_err(failed)? {
            self.finished += 1;
        }
        let manager = Manager::open(files).map_err(failed)?;
        match manager.installed().map_err(failed)?.get(name) {
            Some(installed) => {
                let faults = manager.verify(&installed.package);
                if let Some((path, fault)) = faults.first() {
                    return Err(format!("`{name}` is installed, but /{path}: {fault:?}"));
                }
                self.all += 1;
            }
            None => {
                let there = package
                    .iter()
                    .find(|path| manager.store().get(path).is_ok());
                if let Some(path) = there {
                    return Err(format!("`{name}` is not installed, but /{path} is there"));
                }
                self.nothing += 1;
            }
        }
        Ok(())
    }
}

/// The files of a package, as its head says that is on one of the disks.
fn package_files(before: &[u8], events: &[Event], name: &str) -> Result<BTreeSet<String>> {
    for (moment, event) in events.iter().enumerate().rev() {
        if *event != Event::Flush {
            continue;
        }
        let files = Files::read(disk_at(before, events, moment, || true)?)?;
        if !files.0.contains_key(KEY) {
            break;
        }
        let manager = Manager::open(files).map_err(|error| anyhow!("{error}"))?;
        let installed = manager.installed().map_err(|error| anyhow!("{error}"))?;
        if let Some(installed) = installed.get(name) {
            let paths = installed.package.entries().iter();
            return Ok(paths.map(|entry| entry.path.clone()).collect());
        }
    }
    bail!("the package `{name}` was never installed")
}

/// What is wrong with a disk that held `before` and on which `log` happened: whenever the power
/// goes, the package `name` must be there as a whole or not at all, and each of the two at some moment.
pub fn check(before: &Path, log: &Path, name: &str) -> Result<Option<String>> {
    let read =
        |path: &Path| fs::read(path).with_context(|| format!("cannot read {}", path.display()));
    let before = read(before)?;
    let events = events(&read(log)?).with_context(|| log.display().to_string())?;
    let package = package_files(&before, &events, name)?;
    let mut seen = Seen::default();
    let mut numbers = Numbers::new(1);
    let step = events.len().div_ceil(MOMENTS).max(1);
    for moment in (0..=events.len()).step_by(step) {
        // Everything that was written, nothing of what is not sure, and any part of it.
        for way in 0..3 {
            let disk = disk_at(&before, &events, moment, || match way {
                0 => true,
                1 => false,
                _ => numbers.next().is_multiple_of(2),
            })?;
            let looked = Files::read(disk)
                .map_err(|error| error.to_string())
                .and_then(|files| seen.look(files, name, &package));
            if let Err(what) = looked {
                return Ok(Some(format!(
                    "the power goes after {moment} of {} writes: {what}",
                    events.len()
                )));
            }
        }
    }
    if seen.all == 0 || seen.nothing == 0 || seen.finished == 0 {
        return Ok(Some(format!(
            "the power never went where it matters: {seen:?}"
        )));
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A log of writes (sector, sectors of this byte) and flushes (none).
    fn log(events: &[Option<(u64, u64, u8)>]) -> Vec<u8> {
        let words = |words: [u64; 4]| {
            let mut sector = words.map(u64::to_le_bytes).concat();
            sector.resize(SECTOR, 0);
            sector
        };
        let mut log = words([MAGIC, 1, events.len() as u64, SECTOR as u64]);
        for event in events {
            let (at, len, flags, byte) = match event {
                Some((at, len, byte)) => (*at, *len, 0, *byte),
                None => (0, 0, FLUSH, 0),
            };
            log.extend(words([at, len, flags, 0]));
            log.resize(log.len() + len as usize * SECTOR, byte);
        }
        log
    }

    #[test]
    fn logs() {
        let written = [Some((0, 1, 1)), None, Some((1, 2, 2))];
        let bytes = log(&written);
        let expected = [
            Event::Write(0, vec![1; SECTOR]),
            Event::Flush,
            Event::Write(SECTOR, vec![2; 2 * SECTOR]),
        ];
        assert_eq!(events(&bytes).unwrap(), expected);
        for len in [0, 7, SECTOR, SECTOR + 8, bytes.len() - 1] {
            assert!(events(&bytes[..len]).is_err(), "{len}");
        }
    }

    #[test]
    fn moments() {
        let log = log(&[
            Some((0, 1, 1)),
            Some((1, 1, 2)),
            None,
            Some((0, 1, 3)),
            Some((2, 1, 4)),
        ]);
        let events = events(&log).unwrap();
        let disk = |moment, keeps: &[bool]| {
            let mut keeps = keeps.iter();
            let disk =
                disk_at(&[0; 3 * SECTOR], &events, moment, || *keeps.next().unwrap()).unwrap();
            [disk[0], disk[SECTOR], disk[2 * SECTOR]]
        };
        let rows: &[(usize, &[bool], [u8; 3])] = &[
            (0, &[], [0, 0, 0]),
            (1, &[true], [1, 0, 0]),
            (1, &[false], [0, 0, 0]),
            (2, &[false, true], [0, 2, 0]),
            // What was flushed is there whatever is kept of the rest.
            (3, &[], [1, 2, 0]),
            (4, &[false], [1, 2, 0]),
            (5, &[false, true], [1, 2, 4]),
            (5, &[true, true], [3, 2, 4]),
        ];
        for (moment, keeps, expected) in rows {
            assert_eq!(disk(*moment, keeps), *expected, "{moment} {keeps:?}");
        }
        assert!(disk_at(&[0; SECTOR], &events, 2, || true).is_err());
    }
}
