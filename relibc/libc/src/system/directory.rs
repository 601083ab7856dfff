//! `<dirent.h>`.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::ffi::{c_char, c_int, c_long};
use core::ptr::null_mut;

use redox_rt::signal::again;
use redox_rt::{Error, Fd, Result, fs, sys};
use syscall::dirent::DirentHeader;
use syscall::{EIO, ENOMEM, ENOTDIR};

use super::file::open_at;
use super::{fail, fd, pointer, text, unit};

const BUFFER: usize = 4096;
const HEADER: usize = size_of::<DirentHeader>();

/// An open directory.
#[allow(clippy::upper_case_acronyms)]
pub struct DIR {
    fd: Fd,
    buffer: Vec<u8>,
    /// The entries that were read and not handed out.
    from: usize,
    to: usize,
    /// Where the next entries begin, as the scheme names it.
    position: u64,
    entry: libc::dirent,
}

fn new(fd: Fd) -> Result<*mut DIR> {
    let mut buffer = Vec::new();
    if buffer.try_reserve_exact(BUFFER).is_err() {
        return fail(ENOMEM);
    }
    buffer.resize(BUFFER, 0);
    // SAFETY: all bytes zero is a valid `dirent`.
    let entry = unsafe { core::mem::zeroed() };
    Ok(Box::into_raw(Box::new(DIR {
        fd,
        buffer,
        from: 0,
        to: 0,
        position: 0,
        entry,
    })))
}

impl DIR {
    pub(crate) fn next(&mut self) -> Result<Option<&mut libc::dirent>> {
        if self.from >= self.to {
            let len = fs::getdents(self.fd.raw(), &mut self.buffer, self.position)?;
            (self.from, self.to) = (0, len.min(self.buffer.len()));
            if len == 0 {
                return Ok(None);
            }
        }
        let bad = Error::new(EIO);
        let rest = self.buffer.get(self.from..self.to).ok_or(bad)?;
        let word = |at: usize| {
            rest.get(at..at + 8)?
                .try_into()
                .ok()
                .map(u64::from_ne_bytes)
        };
        let (inode, next) = (word(0).ok_or(bad)?, word(8).ok_or(bad)?);
        let [low, high, kind] = *rest.get(16..19).ok_or(bad)? else {
            return Err(bad);
        };
        let len = usize::from(u16::from_ne_bytes([low, high]));
        let name = rest.get(HEADER..len).ok_or(bad)?;
        let name = name.split(|&b| b == 0).next().unwrap_or(&[]);
        self.entry.d_ino = inode;
        self.entry.d_off = next as i64;
        self.entry.d_type = kind;
        self.entry.d_reclen = size_of::<libc::dirent>() as u16;
        let room = self.entry.d_name.len() - 1;
        for (place, &byte) in self
            .entry
            .d_name
            .iter_mut()
            .zip(name.iter().take(room).chain([&0]))
        {
            *place = byte as c_char;
        }
        self.position = next;
        self.from += len;
        Ok(Some(&mut self.entry))
    }

    fn seek(&mut self, position: u64) {
        (self.from, self.to, self.position) = (0, 0, position);
    }
}

/// The names in an open folder, without `.` and `..`.
pub(crate) fn names(folder: Fd) -> Result<Vec<Vec<u8>>> {
    // SAFETY: just made, and given back before the end.
    let mut open = unsafe { Box::from_raw(new(folder)?) };
    let mut names = Vec::new();
    while let Some(entry) = open.next()? {
        // SAFETY: `next` ends the name with a zero.
        let name = unsafe { crate::string::bytes(entry.d_name.as_ptr()) };
        if name != b"." && name != b".." {
            names.push(name.to_vec());
        }
    }
    Ok(names)
}

unsafe fn open(path: *const c_char) -> Result<*mut DIR> {
    let flags = libc::O_RDONLY | libc::O_DIRECTORY | libc::O_CLOEXEC;
    let path = text(path)?;
    let opened = again(|| open_at(libc::AT_FDCWD, path, flags, 0))?;
    new(Fd::from_raw(opened))
}

fn adopt(number: c_int) -> Result<*mut DIR> {
    let number = fd(number)?;
    if again(|| sys::fstat(number))?.st_mode & syscall::MODE_TYPE != syscall::MODE_DIR {
        return fail(ENOTDIR);
    }
    new(Fd::from_raw(number))
}

c_api! {
    fn opendir(path: *const c_char) -> *mut DIR { pointer(open(path)) }
    fn fdopendir(number: c_int) -> *mut DIR { pointer(adopt(number)) }
    fn closedir(directory: *mut DIR) -> c_int { unit(Box::from_raw(directory).fd.close()) }
    fn dirfd(directory: *mut DIR) -> c_int { (*directory).fd.raw() as c_int }
    fn readdir(directory: *mut DIR) -> *mut libc::dirent {
        match (*directory).next() {
            Ok(entry) => entry.map_or(null_mut(), core::ptr::from_mut),
            Err(e) => { super::report(e); null_mut() }
        }
    }
    fn readdir_r(directory: *mut DIR, entry: *mut libc::dirent, result: *mut *mut libc::dirent) -> c_int {
        match (*directory).next() {
            Ok(Some(next)) => {
                entry.write(*next);
                result.write(entry);
                0
            }
            Ok(None) => { result.write(null_mut()); 0 }
            Err(e) => e.errno,
        }
    }
    fn rewinddir(directory: *mut DIR) { (*directory).seek(0) }
    fn telldir(directory: *mut DIR) -> c_long { (*directory).position as c_long }
    fn seekdir(directory: *mut DIR, position: c_long) { (*directory).seek(position as u64) }
}
