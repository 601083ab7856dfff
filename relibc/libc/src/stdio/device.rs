//! What is behind a stream: a descriptor, a caller's buffer, a growing buffer.

use crate::sys::{self, last_error};
use core::ffi::{c_char, c_int};
use relibc_core::errno::{self, Errno};
use relibc_core::multibyte::{Decoded, State, decode};
use relibc_core::stream::{Device, Memory, MemoryDevice, Seek};

/// The device of a stream.
pub enum Backend {
    /// A descriptor.
    Descriptor(c_int),
    /// `fmemopen`.
    Fixed(MemoryDevice<Fixed>),
    /// `open_memstream`.
    Growing(MemoryDevice<Growing>),
    /// `open_wmemstream`: the memory has wide characters.
    Wide(MemoryDevice<Growing>, State),
    /// Nothing more: the stream was closed by `freopen` without a new file.
    Closed,
}

/// Memory that a program gave to `fmemopen`, or that `fmemopen` allocated.
pub struct Fixed {
    pub memory: *mut u8,
    pub size: usize,
    pub owned: bool,
}

impl Drop for Fixed {
    fn drop(&mut self) {
        if self.owned {
            // SAFETY: allocated by `malloc` for this stream.
            unsafe { sys::free(self.memory.cast()) };
        }
    }
}

impl Memory for Fixed {
    fn capacity(&self) -> usize {
        self.size
    }
    fn load(&self, at: usize, out: &mut [u8]) {
        // SAFETY: the range is within the buffer, which the program keeps valid while the stream is open.
        unsafe { core::ptr::copy(self.memory.add(at), out.as_mut_ptr(), out.len()) };
    }
    fn save(&mut self, at: usize, data: &[u8]) {
        // SAFETY: as for `load`.
        unsafe { core::ptr::copy(data.as_ptr(), self.memory.add(at), data.len()) };
    }
    fn grow(&mut self, _: usize) -> Result<(), Errno> {
        Err(errno::ENOSPC)
    }
}

/// Memory of `open_memstream`: the program learns address and size at each flush.
pub struct Growing {
    pub address: *mut *mut c_char,
    pub length: *mut usize,
    pub memory: *mut u8,
    /// Usable bytes, not counting room for a terminating zero.
    pub size: usize,
}

impl Memory for Growing {
    fn capacity(&self) -> usize {
        self.size
    }
    fn load(&self, at: usize, out: &mut [u8]) {
        // SAFETY: `Memory`'s callers stay below `capacity`, and the allocation has that many bytes and eight more.
        unsafe { core::ptr::copy(self.memory.add(at), out.as_mut_ptr(), out.len()) };
    }
    fn save(&mut self, at: usize, data: &[u8]) {
        // SAFETY: as for `load`; the program may have told `write` to take its bytes from this very memory, which
        // `copy` allows.
        unsafe { core::ptr::copy(data.as_ptr(), self.memory.add(at), data.len()) };
    }
    fn grow(&mut self, size: usize) -> Result<(), Errno> {
        let size = size.max(self.size.saturating_mul(2)).max(120);
        let total = size.checked_add(8).ok_or(errno::ENOMEM)?;
        // SAFETY: allocated by this function, or null.
        let memory = unsafe { sys::realloc(self.memory.cast(), total) }.cast::<u8>();
        if memory.is_null() {
            return Err(errno::ENOMEM);
        }
        // SAFETY: the new part of the allocation, zero as a gap left by seeking must be.
        unsafe { memory.add(self.size).write_bytes(0, total - self.size) };
        self.memory = memory;
        self.size = size;
        Ok(())
    }
}

/// Bytes of a wide character.
const WIDE: usize = 4;

/// Writes text as wide characters; a character's last bytes may come with the next piece.
fn write_wide(
    memory: &mut MemoryDevice<Growing>,
    state: &mut State,
    data: &[u8],
) -> Result<usize, Errno> {
    let mut rest = data;
    while !rest.is_empty() {
        match decode(crate::locale::charset(), state, rest) {
            Decoded::Char(c, used) => {
                memory.write(&c.to_ne_bytes())?;
                rest = rest.get(used.max(1)..).unwrap_or(&[]);
            }
            Decoded::Incomplete => break,
            Decoded::Invalid => return Err(errno::EILSEQ),
        }
    }
    Ok(data.len())
}

fn count(n: isize) -> Result<usize, Errno> {
    usize::try_from(n).map_err(|_| last_error())
}

impl Device for Backend {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Errno> {
        match self {
            Backend::Descriptor(fd) => {
                let (at, len) = (buffer.as_mut_ptr().cast(), buffer.len());
                // SAFETY: `at` and `len` are those of a slice that is borrowed for the call, which writes bytes there
                // and keeps no pointer.
                count(unsafe { sys::read(*fd, at, len) })
            }
            Backend::Fixed(m) => m.read(buffer),
            Backend::Growing(m) | Backend::Wide(m, _) => m.read(buffer),
            Backend::Closed => Err(errno::EBADF),
        }
    }
    fn write(&mut self, data: &[u8]) -> Result<usize, Errno> {
        match self {
            Backend::Descriptor(fd) => {
                let (at, len) = (data.as_ptr().cast(), data.len());
                // SAFETY: `at` and `len` are those of a slice that is borrowed for the call, which only reads there and
                // keeps no pointer.
                count(unsafe { sys::write(*fd, at, len) })
            }
            Backend::Fixed(m) => m.write(data),
            Backend::Growing(m) => m.write(data),
            Backend::Wide(m, state) => write_wide(m, state, data),
            Backend::Closed => Err(errno::EBADF),
        }
    }
    fn seek(&mut self, to: Seek) -> Result<u64, Errno> {
        match self {
            Backend::Descriptor(fd) => {
                let (offset, whence) = match to {
                    Seek::Start(o) => (o, 0),
                    Seek::Current(o) => (o, 1),
                    Seek::End(o) => (o, 2),
                };
                // SAFETY: no memory is involved.
                let at = unsafe { sys::lseek(*fd, offset, whence) };
                u64::try_from(at).map_err(|_| last_error())
            }
            Backend::Fixed(m) => m.seek(to),
            Backend::Growing(m) => m.seek(to),
            Backend::Wide(m, _) => {
                let units = |o: i64| o.checked_mul(WIDE as i64).ok_or(errno::EINVAL);
                let to = match to {
                    Seek::Start(o) => Seek::Start(units(o)?),
                    Seek::Current(o) => Seek::Current(units(o)?),
                    Seek::End(o) => Seek::End(units(o)?),
                };
                m.seek(to).map(|at| at / WIDE as u64)
            }
            Backend::Closed => Err(errno::EBADF),
        }
    }
}

impl Backend {
    /// Tells the program where the memory of `open_memstream` is now.
    pub(crate) unsafe fn publish(&mut self) {
        let unit = if matches!(self, Backend::Wide(..)) {
            WIDE
        } else {
            1
        };
        if let Backend::Growing(m) | Backend::Wide(m, _) = self {
            let (size, position) = (m.size(), m.position());
            if m.memory.memory.is_null() && m.memory.grow(0).is_err() {
                return;
            }
            m.memory.memory.add(size).cast::<u32>().write_unaligned(0);
            *m.memory.address = m.memory.memory.cast();
            *m.memory.length = size.min(position) / unit;
        }
    }
}
