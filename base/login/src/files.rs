//! The files in `/etc`. A system whose files are not there yet has some in its initial file system.

use alloc::{format, string::String, vec::Vec};

use redox_rt::{Error, Fd, Result, fs, namespace, sys};
use syscall::{
    ENOENT,
    flag::{O_CREAT, O_DIRECTORY, O_RDONLY, O_TRUNC, O_WRONLY},
};

const FOLDERS: [&str; 2] = ["/etc", "/scheme/initfs/etc"];
/// Longest file that is read, in bytes.
const LONGEST: usize = 1 << 20;

/// Opens the first of some paths that can be opened, as a private descriptor.
///
/// # Errors
/// That of the last path.
pub fn open_first<'a>(paths: impl IntoIterator<Item = &'a str>, flags: usize) -> Result<Fd> {
    let mut result = Err(Error::new(ENOENT));
    for path in paths {
        result = namespace::open(path.as_bytes(), flags, sys::FD_ANY_UPPER).map(Fd::from_raw);
        if result.is_ok() {
            break;
        }
    }
    result
}

/// Reads a file of `/etc`.
///
/// # Errors
/// Those of opening and reading; `EFBIG`.
pub fn read(name: &str) -> Result<Vec<u8>> {
    let paths = FOLDERS.map(|folder| format!("{folder}/{name}"));
    let file = open_first(paths.iter().map(String::as_str), O_RDONLY)?;
    let mut bytes = Vec::new();
    let mut buffer = [0; 1024];
    loop {
        let count = file.read(&mut buffer)?;
        if count == 0 {
            return Ok(bytes);
        }
        bytes.extend_from_slice(buffer.get(..count).unwrap_or(&[]));
        if bytes.len() > LONGEST {
            return Err(Error::new(syscall::EFBIG));
        }
    }
}

/// The same, as text.
///
/// # Errors
/// The same; `EILSEQ` for what is no UTF-8.
pub fn read_text(name: &str) -> Result<String> {
    String::from_utf8(read(name)?).map_err(|_| Error::new(syscall::EILSEQ))
}

/// Replaces a file of `/etc` that only the superuser may read: whenever the machine stops, it has either
/// the old contents or the new ones.
///
/// # Errors
/// Those of writing and renaming.
pub fn replace(name: &str, contents: &[u8]) -> Result<()> {
    let folder = open_first(["/etc"], O_RDONLY | O_DIRECTORY)?;
    let new = format!("{name}.new");
    let file = folder.open(new.as_bytes(), O_WRONLY | O_CREAT | O_TRUNC | 0o600)?;
    file.write_exact(contents)?;
    sys::fsync(file.raw())?;
    fs::renameat(
        folder.raw(),
        new.as_bytes(),
        folder.raw(),
        name.as_bytes(),
        0,
    )
}
