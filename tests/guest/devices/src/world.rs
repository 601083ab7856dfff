//! The machine's devices, and the processes that drive them.

use alloc::{format, string::String, vec, vec::Vec};

use redox_rt::{Error, Fd, Result, fs, namespace, sys};
use syscall::{
    ENODEV,
    dirent::DirentIter,
    flag::{O_DIRECTORY, O_RDONLY},
};

/// Opens a path of the whole namespace.
pub fn open(path: &str, flags: usize) -> Result<Fd> {
    namespace::open(path.as_bytes(), flags, sys::FD_ANY_UPPER).map(Fd::from_raw)
}

/// Names in a directory.
pub fn list(path: &str) -> Result<Vec<String>> {
    let folder = open(path, O_RDONLY | O_DIRECTORY)?;
    let mut names = Vec::new();
    let mut after = 0;
    loop {
        let mut buffer = [0; 2048];
        let len = fs::getdents(folder.raw(), &mut buffer, after)?;
        if len == 0 {
            return Ok(names);
        }
        for entry in DirentIter::new(buffer.get(..len).unwrap_or(&[])) {
            let (header, name) = entry.map_err(|_| Error::new(syscall::EIO))?;
            after = header.next_opaque_id;
            let name = name.split(|byte| *byte == 0).next().unwrap_or(&[]);
            names.push(String::from_utf8_lossy(name).into_owned());
        }
    }
}

/// The whole text of a file.
pub fn text(path: &str) -> Result<String> {
    let file = open(path, O_RDONLY)?;
    let mut bytes = vec![0; 1 << 16];
    let mut len = 0;
    loop {
        match file.read(bytes.get_mut(len..).unwrap_or(&mut []))? {
            0 => break,
            count => len += count,
        }
    }
    bytes.truncate(len);
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The schemes whose name begins so, in order.
pub fn schemes(prefix: &str) -> Result<Vec<String>> {
    let mut names = list("/scheme")?;
    names.retain(|name| name.starts_with(prefix));
    names.sort();
    Ok(names)
}

/// The path of a file of the `index`-th disk, in the order of the bus.
pub fn disk(index: usize, file: &str) -> Result<String> {
    let disks = schemes("disk.")?;
    let disk = disks.get(index).ok_or(Error::new(ENODEV))?;
    Ok(format!("/scheme/{disk}/{file}"))
}
