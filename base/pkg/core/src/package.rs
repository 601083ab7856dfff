//! A package file: header, entries, data.

use pkgar_core::{ENTRY_SIZE, HEADER_SIZE, Header, Mode, Packaging};
use serde::Deserialize;

use crate::Error;

/// A key that signatures are checked with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key([u8; 32]);

/// What a file is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// A file.
    File(Vec<u8>),
    /// A link, with its target.
    Link(String),
}

/// A file of a package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Where it goes, from the root.
    pub path: String,
    /// Permission bits.
    pub mode: u32,
    /// Whether it is a link.
    pub link: bool,
    /// The checksum of its contents.
    pub hash: [u8; 32],
    offset: u64,
    size: u64,
}

/// A package whose signature has been checked.
#[derive(Clone, Debug)]
pub struct Package {
    bytes: Vec<u8>,
    entries: Vec<Entry>,
    head: usize,
    name: String,
}

impl Key {
    /// Reads a key file.
    pub fn parse(path: &str, text: &str) -> Result<Self, Error> {
        #[derive(Deserialize)]
        struct File {
            pkey: String,
        }
        let file: File = toml::from_str(text).map_err(|error| Error::bad(path, error.message()))?;
        let digits = file.pkey.as_bytes();
        let mut key = [0; 32];
        if digits.len() != 2 * key.len() {
            return Err(Error::bad(path, "a key has 64 digits"));
        }
        for (byte, pair) in key.iter_mut().zip(digits.chunks(2)) {
            let pair = std::str::from_utf8(pair).unwrap_or("");
            *byte = u8::from_str_radix(pair, 16)
                .map_err(|_| Error::bad(path, "a key has hexadecimal digits"))?;
        }
        Ok(Self(key))
    }
}

impl Package {
    /// Checks a package's, or only a head's, signature and entries. `path` is for messages.
    pub fn parse(name: &str, path: &str, bytes: Vec<u8>, key: &Key) -> Result<Self, Error> {
        let start = bytes
            .get(..HEADER_SIZE)
            .ok_or_else(|| Error::bad(path, "not a package"))?;
        let header = Header::new(start, &key.0)
            .map_err(|_| Error::bad(path, "the signature is not that of the system's key"))?;
        if header.flags.packaging() != Packaging::Uncompressed {
            return Err(Error::bad(path, "it is compressed, which is not supported"));
        }
        let head = header
            .total_size()
            .map_err(|error| Error::bad(path, error))?;
        let table = bytes
            .get(HEADER_SIZE..head)
            .ok_or_else(|| Error::bad(path, "it ends too early"))?;
        let list = header
            .entries(table)
            .map_err(|_| Error::bad(path, "the list of files has a wrong checksum"))?;
        let mut entries = Vec::with_capacity(table.len() / ENTRY_SIZE);
        for entry in list {
            entries.push(parse_entry(entry).map_err(|what| Error::bad(path, what))?);
        }
        Ok(Self {
            entries,
            head,
            name: name.to_owned(),
            bytes,
        })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its files.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// What is kept of it once it is installed.
    pub fn head(&self) -> &[u8] {
        self.bytes.get(..self.head).unwrap_or(&self.bytes)
    }

    /// A file's contents, with the checksum checked.
    pub fn content(&self, entry: &Entry) -> Result<Content, Error> {
        let bad = |what: &str| Error::bad(&self.name, format!("/{}: {what}", entry.path));
        let start = usize::try_from(entry.offset)
            .ok()
            .and_then(|at| at.checked_add(self.head));
        let end = start
            .zip(usize::try_from(entry.size).ok())
            .and_then(|(at, len)| at.checked_add(len));
        let data = start
            .zip(end)
            .and_then(|(start, end)| self.bytes.get(start..end));
        let data = data.ok_or_else(|| bad("the package ends before it"))?;
        if *blake3::hash(data).as_bytes() != entry.hash {
            return Err(bad("wrong checksum"));
        }
        if entry.link {
            let target = std::str::from_utf8(data).map_err(|_| bad("the target is not UTF-8"))?;
            return Ok(Content::Link(target.to_owned()));
        }
        Ok(Content::File(data.to_vec()))
    }
}

impl Content {
    /// The checksum of what is stored for it.
    pub fn hash(&self) -> [u8; 32] {
        *match self {
            Self::File(bytes) => blake3::hash(bytes),
            Self::Link(target) => blake3::hash(target.as_bytes()),
        }
        .as_bytes()
    }
}

fn parse_entry(entry: &pkgar_core::Entry) -> Result<Entry, String> {
    let path = std::str::from_utf8(entry.path_bytes()).map_err(|_| "a path is not UTF-8")?;
    let good = |part: &str| !matches!(part, "" | "." | "..");
    if !path.split('/').all(good) {
        return Err(format!("the path {path:?} leaves the root"));
    }
    if !crate::places::is_for_packages(path) {
        return Err(format!("the path {path:?} is not for packages"));
    }
    let mode = entry.mode().map_err(|error| error.to_string())?;
    if mode.kind() != Mode::FILE && mode.kind() != Mode::SYMLINK {
        return Err(format!("{path:?} is neither file nor link"));
    }
    Ok(Entry {
        path: path.to_owned(),
        mode: mode.perm().bits(),
        link: mode.kind() == Mode::SYMLINK,
        hash: *entry.blake3().as_bytes(),
        offset: entry.offset(),
        size: entry.size(),
    })
}
