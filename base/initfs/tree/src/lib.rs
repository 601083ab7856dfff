//! The initial file system as a `treefs`: the archive's entries under their names, their bytes where
//! they are, and nothing that can be changed.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

use alloc::string::String;
use core::fmt;

use initfs::{Archive, Entry, Kind};
use syscall::flag::{O_CREAT, O_DIRECTORY, O_RDONLY, O_STAT, O_SYMLINK};
use treefs::{Borrowed, Caller, Config, Error, Fs, TimeSpec};

/// Name of the scheme.
pub const SCHEME: &str = "initfs";

/// An entry that could not be put into the tree.
#[derive(Debug)]
pub struct Refused {
    /// Its path.
    pub path: String,
    /// Why.
    pub error: Error,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "initfs: `{}`: {}", self.path, self.error)
    }
}

/// Makes the tree. Directories that the archive does not mention are made as root's, mode 755; of several
/// entries with one path the last counts. Devices, pipes and sockets are left out.
///
/// # Errors
/// Names the entry that does not fit, such as a file inside a file.
pub fn fill<'a>(
    archive: &Archive<'a>,
    now: TimeSpec,
) -> Result<Fs<treefs::Tree<Borrowed<'a>>>, Refused> {
    let config = Config {
        scheme: String::from(SCHEME),
        default: false,
        device: 1,
        max_handles: 1 << 16,
        ..Config::default()
    };
    let refused = |path: &str| {
        let path = String::from(path);
        move |error| Refused { path, error }
    };
    let mut fs = Fs::new(config, Caller::SUPERUSER, now).map_err(refused(""))?;
    let root = fs.open_root().map_err(refused(""))?.handle;
    for entry in archive.entries() {
        let counts = archive.lookup(entry.path) == Some(entry);
        if counts && !entry.path.is_empty() {
            put(&mut fs, root, &entry, now).map_err(refused(entry.path))?;
        }
    }
    // Owners come last: they do not concern who makes the tree.
    for entry in archive.entries() {
        let counts = archive.lookup(entry.path) == Some(entry);
        if counts && !matches!(entry.kind, Kind::Other) {
            own(&mut fs, root, &entry, now).map_err(refused(entry.path))?;
        }
    }
    fs.close(root);
    fs.seal();
    Ok(fs)
}

type Tree<'a> = Fs<treefs::Tree<Borrowed<'a>>>;

fn put<'a>(fs: &mut Tree<'a>, root: usize, entry: &Entry<'a>, now: TimeSpec) -> Result<(), Error> {
    for (end, _) in entry.path.match_indices('/') {
        make_directory(fs, root, entry.path.get(..end).unwrap_or(""), now)?;
    }
    match entry.kind {
        Kind::Directory => make_directory(fs, root, entry.path, now),
        Kind::File(bytes) => fs
            .add_file(entry.path, Borrowed(bytes), entry.mode as u16 & 0o7777, now)
            .map(drop),
        Kind::Link(target) => {
            let flags = O_CREAT | O_SYMLINK;
            let link = fs.openat(root, entry.path, flags, Caller::SUPERUSER, now)?;
            let target = target.as_bytes();
            let written = fs.write(link.handle, target, 0, 0, Caller::SUPERUSER, now);
            fs.close(link.handle);
            written.map(drop)
        }
        Kind::Other => Ok(()),
    }
}

fn make_directory(fs: &mut Tree<'_>, root: usize, path: &str, now: TimeSpec) -> Result<(), Error> {
    let flags = O_CREAT | O_DIRECTORY | O_RDONLY | 0o755;
    let made = fs.openat(root, path, flags, Caller::SUPERUSER, now)?;
    fs.close(made.handle);
    Ok(())
}

fn own(fs: &mut Tree<'_>, root: usize, entry: &Entry<'_>, now: TimeSpec) -> Result<(), Error> {
    let caller = Caller::SUPERUSER;
    let is_link = matches!(entry.kind, Kind::Link(_));
    let flags = if is_link { O_SYMLINK | O_STAT } else { O_STAT };
    let handle = fs.openat(root, entry.path, flags, caller, now)?.handle;
    fs.fchown(handle, entry.uid, entry.gid, caller, now)?;
    if !is_link {
        // Changing the owner takes set-id bits away.
        fs.fchmod(handle, entry.mode as u16 & 0o7777, caller, now)?;
    }
    fs.close(handle);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: TimeSpec = TimeSpec {
        tv_sec: 1,
        tv_nsec: 0,
    };

    fn field(value: usize) -> String {
        format!("{value:08x}")
    }

    fn archive(entries: &[(&str, usize, usize, &[u8])]) -> Vec<u8> {
        let mut bytes = Vec::new();
        let end = ("TRAILER!!!", 0, 0, &[][..]);
        for (name, mode, uid, data) in entries.iter().chain([&end]) {
            let numbers = [
                1,
                *mode,
                *uid,
                *uid,
                1,
                0,
                data.len(),
                0,
                0,
                0,
                0,
                name.len() + 1,
                0,
            ];
            bytes.extend_from_slice(b"070701");
            for number in numbers {
                bytes.extend_from_slice(field(number).as_bytes());
            }
            bytes.extend_from_slice(name.as_bytes());
            bytes.push(0);
            bytes.resize(bytes.len().next_multiple_of(4), 0);
            bytes.extend_from_slice(data);
            bytes.resize(bytes.len().next_multiple_of(4), 0);
        }
        bytes
    }

    #[test]
    fn entries_are_where_the_archive_says() {
        let bytes = archive(&[
            ("bin/init", 0o100755, 0, b"program"),
            ("etc", 0o040700, 5, b""),
            ("etc/motd", 0o100640, 5, b"hello"),
            ("bin/sh", 0o120777, 0, b"init"),
            ("etc/motd", 0o104755, 6, b"again"),
        ]);
        let mut fs = fill(&Archive::new(&bytes).unwrap(), NOW).unwrap();
        let root = fs.open_root().unwrap().handle;
        let table = [
            ("bin", 0o040755, 0, 1),
            ("bin/init", 0o100755, 0, 7),
            ("bin/sh", 0o100755, 0, 7),
            ("etc", 0o040700, 5, 1),
            ("etc/motd", 0o104755, 6, 5),
        ];
        for (path, mode, uid, size) in table {
            let opened = fs
                .openat(root, path, O_STAT, Caller::SUPERUSER, NOW)
                .unwrap();
            let stat = fs.fstat(opened.handle).unwrap();
            if path == "bin" || path == "etc" {
                assert_eq!((stat.st_mode, stat.st_uid), (mode, uid), "{path}");
            } else {
                assert_eq!(
                    (stat.st_mode, stat.st_uid, stat.st_size),
                    (mode, uid, size),
                    "{path}"
                );
            }
        }
        let made = fs.openat(root, "new", O_CREAT, Caller::SUPERUSER, NOW);
        assert_eq!(made.unwrap_err(), Error::ReadOnly);
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let bytes = archive(&[("a", 0o100644, 0, b"x"), ("a/b", 0o100644, 0, b"y")]);
        let error = fill(&Archive::new(&bytes).unwrap(), NOW).unwrap_err();
        assert_eq!(error.path, "a/b");
    }
}
