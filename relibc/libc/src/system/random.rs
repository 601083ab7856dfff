//! Randomness from `/scheme/rand`.

use core::ffi::{c_int, c_uint, c_void};

use libredox::protocol::O_CLOEXEC;
use redox_rt::Result;
use redox_rt::signal::again;
use syscall::flag::O_RDONLY;
use syscall::{EINVAL, EIO};

use super::{bytes_mut, fail, open_scheme, size, unit};

/// Fills a buffer.
pub(crate) fn fill(mut buffer: &mut [u8]) -> Result<()> {
    let source = open_scheme(b"/scheme/rand", O_RDONLY | O_CLOEXEC)?;
    while !buffer.is_empty() {
        match again(|| source.read(buffer))? {
            0 => return fail(EIO),
            n => buffer = buffer.split_at_mut(n.min(buffer.len())).1,
        }
    }
    Ok(())
}

c_api! {
    fn getrandom(buffer: *mut c_void, len: usize, flags: c_uint) -> isize {
        size(if flags & !3 != 0 { fail(EINVAL) } else {
            bytes_mut(buffer, len).and_then(|b| fill(b).map(|()| len))
        })
    }
    fn getentropy(buffer: *mut c_void, len: usize) -> c_int {
        unit(if len > 256 { fail(EIO) } else { bytes_mut(buffer, len).and_then(fill) })
    }
}
