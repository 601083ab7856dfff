//! Where a volume's blocks are: a file or a partition, or a copy of one in memory.

use alloc::{format, string::String, vec, vec::Vec};

use disk_client::Redox;
use redox_rt::{Error, Fd, Result, namespace, sys};
use redoxfs_tree::device::Device;
use syscall::{
    EACCES, EIO, EROFS,
    dirent::DirentIter,
    flag::{O_DIRECTORY, O_RDONLY},
};

/// Names of schemes with disks begin so.
const DISKS: &str = "disk.";
/// What a volume's first block, its oldest or newest header, begins with, and what follows that.
const SIGNATURE: &[u8; 8] = b"RedoxFS\0";
const UUID: core::ops::Range<usize> = 16..32;
const BLOCK: usize = 4096;

/// A volume's blocks.
pub enum Disk {
    /// A file or partition, whose driver may end and be started again.
    File(disk_client::Disk<Redox>),
    /// In memory only: what is changed is forgotten.
    Copy(Vec<u8>),
}

fn open(path: &str, flags: usize) -> Result<Fd> {
    namespace::open(path.as_bytes(), flags, sys::FD_ANY_UPPER).map(Fd::from_raw)
}

impl Disk {
    /// Opens a file; the flag says that it can be written.
    pub fn open(path: &str) -> Result<(Self, bool)> {
        let open = |write| disk_client::Disk::open(Redox, path, write);
        let opened = match open(true) {
            Err(EROFS | EACCES) => open(false).map(|file| (file, false)),
            other => other.map(|file| (file, true)),
        };
        let (file, writable) = opened.map_err(Error::new)?;
        Ok((Self::File(file), writable))
    }

    /// Reads a file into memory.
    pub fn copy(path: &str) -> Result<Self> {
        let fd = open(path, O_RDONLY)?;
        let len = usize::try_from(fd.stat()?.st_size).map_err(|_| Error::new(EIO))?;
        let mut bytes = vec![0; len];
        if fd.read_full_at(&mut bytes, 0)? != len {
            return Err(Error::new(EIO));
        }
        Ok(Self::Copy(bytes))
    }
}

impl Device for Disk {
    fn read(&mut self, offset: u64, buf: &mut [u8]) -> core::result::Result<(), i32> {
        match self {
            Self::File(file) => file.read(offset, buf),
            Self::Copy(bytes) => {
                let from = usize::try_from(offset).ok().and_then(|at| bytes.get(at..));
                let from = from.and_then(|from| from.get(..buf.len())).ok_or(EIO)?;
                buf.copy_from_slice(from);
                Ok(())
            }
        }
    }

    fn write(&mut self, offset: u64, data: &[u8]) -> core::result::Result<(), i32> {
        match self {
            Self::File(file) => file.write(offset, data),
            Self::Copy(bytes) => {
                let into = usize::try_from(offset)
                    .ok()
                    .and_then(|at| bytes.get_mut(at..));
                let into = into
                    .and_then(|into| into.get_mut(..data.len()))
                    .ok_or(EIO)?;
                into.copy_from_slice(data);
                Ok(())
            }
        }
    }

    fn flush(&mut self) -> core::result::Result<(), i32> {
        match self {
            Self::File(file) => file.flush(),
            Self::Copy(_) => Ok(()),
        }
    }

    fn size(&mut self) -> core::result::Result<u64, i32> {
        Ok(match self {
            Self::File(file) => file.size(),
            Self::Copy(bytes) => bytes.len() as u64,
        })
    }
}

/// The path of the first partition of a disk that holds a volume, or of the one with this number.
pub fn find(uuid: Option<[u8; 16]>) -> Option<String> {
    let mut schemes = list("/scheme").ok()?;
    schemes.sort_unstable();
    for scheme in schemes.iter().filter(|name| name.starts_with(DISKS)) {
        let mut parts = list(&format!("/scheme/{scheme}/")).unwrap_or_default();
        parts.sort_unstable();
        for part in parts {
            let path = format!("/scheme/{scheme}/{part}");
            if holds_volume(&path, uuid) {
                return Some(path);
            }
        }
    }
    None
}

fn holds_volume(path: &str, uuid: Option<[u8; 16]>) -> bool {
    let Ok(fd) = open(path, O_RDONLY) else {
        return false;
    };
    let mut block = vec![0; BLOCK];
    let whole = fd.read_full_at(&mut block, 0) == Ok(BLOCK);
    whole
        && block.starts_with(SIGNATURE)
        && uuid.is_none_or(|uuid| block.get(UUID) == Some(&uuid[..]))
}

fn list(path: &str) -> Result<Vec<String>> {
    let folder = open(path, O_RDONLY | O_DIRECTORY)?;
    let mut names = Vec::new();
    let mut after = 0;
    loop {
        let mut buffer = [0; 2048];
        let len = redox_rt::fs::getdents(folder.raw(), &mut buffer, after)?;
        if len == 0 {
            return Ok(names);
        }
        for entry in DirentIter::new(buffer.get(..len).unwrap_or(&[])) {
            let Ok((header, name)) = entry else {
                return Err(Error::new(EIO));
            };
            after = header.next_opaque_id;
            // Records are padded with NUL.
            let name = name.split(|byte| *byte == 0).next().unwrap_or(&[]);
            names.extend(core::str::from_utf8(name).ok().map(String::from));
        }
    }
}
