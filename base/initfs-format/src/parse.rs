//! The reader.

use core::fmt;

use crate::{HEADER_LEN, MAGIC, MODE_DIR, MODE_FILE, MODE_LINK, MODE_TYPE, TRAILER, is_canonical};

/// A checked archive.
#[derive(Clone, Copy, Debug)]
pub struct Archive<'a> {
    bytes: &'a [u8],
}

/// One object of the archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry<'a> {
    /// Where it is, relative to the root, without a leading slash; empty for the root itself.
    pub path: &'a str,
    /// POSIX mode, type bits included.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// What it is.
    pub kind: Kind<'a>,
}

/// What an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind<'a> {
    /// A directory.
    Directory,
    /// A file with its contents.
    File(&'a [u8]),
    /// A symbolic link with its target, not interpreted.
    Link(&'a str),
    /// A device, pipe or socket, of which the archive holds only the mode.
    Other,
}

/// Why bytes are not an archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Error {
    /// Offset of the entry's header in the archive, in bytes.
    pub offset: usize,
    /// What is wrong with it.
    pub reason: Reason,
}

/// What is wrong with an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The archive ends inside the entry, or before the trailer.
    Truncated,
    /// The header does not begin with `070701`.
    BadMagic,
    /// A header field is not eight hexadecimal digits.
    BadNumber,
    /// The name has no terminating NUL, is not UTF-8, or is not a relative path without `..`.
    BadName,
    /// A link's target is not UTF-8 or is empty.
    BadTarget,
    /// A regular file with several names.
    HardLink,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.reason {
            Reason::Truncated => "the archive ends too early",
            Reason::BadMagic => "not a cpio newc header (expected 070701)",
            Reason::BadNumber => "a header field is not hexadecimal",
            Reason::BadName => "the name is not a plain relative path",
            Reason::BadTarget => "the link's target is empty or not UTF-8",
            Reason::HardLink => "hard links of files are not supported",
        };
        write!(f, "initfs: entry at byte {}: {what}", self.offset)
    }
}

impl core::error::Error for Error {}

impl<'a> Archive<'a> {
    /// Checks `bytes` from the first header to the trailer. What follows the trailer is ignored.
    pub fn new(bytes: &'a [u8]) -> Result<Self, Error> {
        let mut offset = 0;
        loop {
            match step(bytes, offset).map_err(|reason| Error { offset, reason })? {
                Step::Entry(_, next) => offset = next,
                Step::End => return Ok(Self { bytes }),
            }
        }
    }

    /// Every entry in the archive's order.
    pub fn entries(&self) -> Entries<'a> {
        Entries {
            bytes: self.bytes,
            offset: 0,
        }
    }

    /// The entry at `path`, which may begin or end with slashes. Of several with one path the last
    /// counts, as when an archive is unpacked.
    pub fn lookup(&self, path: &str) -> Option<Entry<'a>> {
        let path = path.trim_matches('/');
        self.entries().filter(|entry| entry.path == path).last()
    }

    /// The entries directly inside the directory `path` with their names, in the archive's order.
    /// The root needs no entry of its own.
    pub fn children<'p>(
        &self,
        path: &'p str,
    ) -> impl Iterator<Item = (&'a str, Entry<'a>)> + use<'a, 'p> {
        let parent = path.trim_matches('/');
        self.entries().filter_map(move |entry| {
            let (dir, name) = entry.path.rsplit_once('/').unwrap_or(("", entry.path));
            (dir == parent && !name.is_empty()).then_some((name, entry))
        })
    }
}

/// The iterator of [`Archive::entries`].
#[derive(Clone, Debug)]
pub struct Entries<'a> {
    bytes: &'a [u8],
    offset: usize,
}

impl<'a> Iterator for Entries<'a> {
    type Item = Entry<'a>;

    fn next(&mut self) -> Option<Entry<'a>> {
        match step(self.bytes, self.offset) {
            Ok(Step::Entry(entry, next)) => {
                self.offset = next;
                Some(entry)
            }
            _ => None,
        }
    }
}

enum Step<'a> {
    /// An entry, and the offset of the next header.
    Entry(Entry<'a>, usize),
    End,
}

fn step(bytes: &[u8], offset: usize) -> Result<Step<'_>, Reason> {
    let header = take(bytes, offset, HEADER_LEN)?;
    if !header.starts_with(MAGIC) {
        return Err(Reason::BadMagic);
    }
    // Fields in order: ino, mode, uid, gid, nlink, mtime, filesize, devmajor, devminor, rdevmajor,
    // rdevminor, namesize, check.
    let field = |index: usize| -> Result<u32, Reason> {
        let start = MAGIC.len() + index * 8;
        hex(header.get(start..start + 8).ok_or(Reason::Truncated)?)
    };
    let (mode, uid, gid, links) = (field(1)?, field(2)?, field(3)?, field(4)?);
    let (size, name_size) = (field(6)? as usize, field(11)? as usize);

    let name_at = offset.checked_add(HEADER_LEN).ok_or(Reason::Truncated)?;
    let name = take(bytes, name_at, name_size)?;
    let name = name.split(|&b| b == 0).next().unwrap_or(&[]);
    if name.len() == name_size {
        return Err(Reason::BadName);
    }
    let name = core::str::from_utf8(name).map_err(|_| Reason::BadName)?;
    if name == TRAILER {
        return Ok(Step::End);
    }
    let path = normalise(name).ok_or(Reason::BadName)?;

    let data_at = padded(name_at, name_size)?;
    let data = take(bytes, data_at, size)?;
    let next = padded(data_at, size)?;
    let kind = match mode & MODE_TYPE {
        MODE_DIR => Kind::Directory,
        MODE_FILE if links > 1 => return Err(Reason::HardLink),
        MODE_FILE => Kind::File(data),
        MODE_LINK => match core::str::from_utf8(data) {
            Ok(target) if !target.is_empty() => Kind::Link(target),
            _ => return Err(Reason::BadTarget),
        },
        _ => Kind::Other,
    };
    let entry = Entry {
        path,
        mode,
        uid,
        gid,
        kind,
    };
    Ok(Step::Entry(entry, next))
}

fn take(bytes: &[u8], start: usize, len: usize) -> Result<&[u8], Reason> {
    let end = start.checked_add(len).ok_or(Reason::Truncated)?;
    bytes.get(start..end).ok_or(Reason::Truncated)
}

/// The first multiple of four at or after `start + len`.
fn padded(start: usize, len: usize) -> Result<usize, Reason> {
    start
        .checked_add(len)
        .and_then(|end| end.checked_next_multiple_of(4))
        .ok_or(Reason::Truncated)
}

fn hex(digits: &[u8]) -> Result<u32, Reason> {
    digits.iter().try_fold(0u32, |value, &digit| {
        let digit = char::from(digit).to_digit(16).ok_or(Reason::BadNumber)?;
        Ok(value << 4 | digit)
    })
}

fn normalise(mut name: &str) -> Option<&str> {
    loop {
        name = match name {
            "." => "",
            _ => match name.strip_prefix("./").or_else(|| name.strip_prefix('/')) {
                Some(rest) => rest,
                None => break,
            },
        };
    }
    is_canonical(name).then_some(name)
}
