//! Reading the unit files.

use alloc::{string::String, vec, vec::Vec};

use init_core::{SUFFIX, Unit};
use redox_rt::{Error, Fd, Result, eprintln, fs, namespace, sys};
use syscall::{
    dirent::DirentIter,
    flag::{O_DIRECTORY, O_RDONLY},
};

const FIRST: &[u8] = b"/scheme/initfs/etc/init.d";
/// Of two units of a name, the later folder's is meant.
const OF_THE_FILES: [&[u8]; 2] = [b"/usr/lib/init.d", b"/etc/init.d"];
/// Longest unit file in bytes.
const LONGEST: u64 = 1 << 16;

/// The units of the initial files; what cannot be read is reported and left out.
pub fn first() -> Vec<Unit> {
    let mut units = read(FIRST);
    for unit in &mut units {
        unit.initial = true;
    }
    units
}

/// The units of the files, if they have any.
pub fn of_the_files() -> Vec<Unit> {
    OF_THE_FILES.into_iter().flat_map(read).collect()
}

fn read(folder_path: &[u8]) -> Vec<Unit> {
    let folder = namespace::open(folder_path, O_RDONLY | O_DIRECTORY, sys::FD_ANY_UPPER);
    let listed = folder.map(Fd::from_raw).and_then(|folder| {
        let names = list(&folder)?;
        Ok((folder, names))
    });
    let (folder, names) = match listed {
        Ok(listed) => listed,
        Err(error) => {
            // The files need not say anything.
            if !(error.errno == syscall::ENOENT && folder_path != FIRST) {
                eprintln!("init: {}: {error}", folder_path.escape_ascii());
            }
            return Vec::new();
        }
    };
    names
        .iter()
        .filter(|name| name.ends_with(SUFFIX))
        .filter_map(|name| read_one(&folder, name))
        .collect()
}

fn read_one(folder: &Fd, name: &str) -> Option<Unit> {
    let text = folder
        .open(name.as_bytes(), O_RDONLY)
        .and_then(|file| read_all(&file, LONGEST))
        .and_then(|bytes| String::from_utf8(bytes).map_err(|_| Error::new(syscall::EILSEQ)));
    let unit = match &text {
        Ok(text) => init_core::parse(name, text),
        Err(error) => {
            eprintln!("init: {name}: {error}");
            return None;
        }
    };
    unit.inspect_err(|why| eprintln!("init: {name}: {why}"))
        .ok()
}

fn list(folder: &Fd) -> Result<Vec<String>> {
    let mut names = Vec::new();
    let mut after = 0;
    loop {
        let mut buffer = [0; 2048];
        let len = fs::getdents(folder.raw(), &mut buffer, after)?;
        if len == 0 {
            return Ok(names);
        }
        for entry in DirentIter::new(buffer.get(..len).unwrap_or(&[])) {
            let Ok((header, name)) = entry else {
                return Err(Error::new(syscall::EIO));
            };
            after = header.next_opaque_id;
            // Records are padded with NUL.
            let name = name.split(|byte| *byte == 0).next().unwrap_or(&[]);
            names.extend(core::str::from_utf8(name).ok().map(String::from));
        }
    }
}

fn read_all(file: &Fd, longest: u64) -> Result<Vec<u8>> {
    let size = file.stat()?.st_size;
    if size > longest {
        return Err(Error::new(syscall::EFBIG));
    }
    let mut bytes = vec![0; size as usize];
    let len = file.read_full_at(&mut bytes, 0)?;
    bytes.truncate(len);
    Ok(bytes)
}
