//! What the cases share beyond `guest_world`: memory that is looked at, and processes that are told to
//! do something while they wait.

pub use guest_world::*;

use core::sync::atomic::{AtomicUsize, Ordering};

use guest_test::{Outcome, check};
use redox_rt::{Error, Fd, Result, sys};
use syscall::flag::{ContextVerb, MapFlags};
use syscall::{EIO, PAGE_SIZE, TimeSpec};

/// Makes calls through the description of `fd` not wait, or wait.
pub fn nonblocking(fd: &Fd, on: bool) -> Result<()> {
    let flags = if on { syscall::flag::O_NONBLOCK } else { 0 };
    fcntl(fd.raw(), syscall::flag::F_SETFL, flags).map(drop)
}

/// A place that nothing else here is mapped at.
pub const PLACE: usize = 0x5000_0000_0000;

pub fn protect(address: usize, size: usize, flags: MapFlags) -> Result<()> {
    // SAFETY: the cases rely on no access there.
    unsafe { sys::mprotect(address, size, flags) }
}

/// Reads memory that a case has mapped.
pub fn peek(address: usize) -> u64 {
    // SAFETY: the cases name words of memory of theirs.
    unsafe { core::ptr::with_exposed_provenance::<u64>(address).read_volatile() }
}

/// Writes to memory that a case has mapped.
pub fn poke(address: usize, value: u64) {
    // SAFETY: as above, and nothing else refers to it.
    unsafe { core::ptr::with_exposed_provenance_mut::<u64>(address).write_volatile(value) }
}

/// Whether the kernel can read, and write, the byte at `address` on this process's behalf.
pub fn access(address: usize) -> Result<(bool, bool)> {
    let (read, write) = pipe()?;
    let can_read = raw(syscall::SYS_WRITE, [write.raw(), address, 1, 0, 0, 0]).is_ok();
    if !can_read {
        write.write(b"x")?;
    }
    let can_write = raw(syscall::SYS_READ, [read.raw(), address, 1, 0, 0, 0]).is_ok();
    Ok((can_read, can_write))
}

/// Numbers that forks share.
pub type Words = [AtomicUsize; 16];

pub fn words() -> Result<&'static Words> {
    // SAFETY: atomics alone.
    unsafe { shared() }
}

pub fn forget_words(words: &'static Words) -> Result<()> {
    unmap(core::ptr::from_ref(words) as usize, PAGE_SIZE)
}

/// A time of the monotonic clock so many milliseconds from now.
pub fn in_ms(ms: u64) -> Result<TimeSpec> {
    let at = now()? + ms * 1_000_000;
    Ok(TimeSpec {
        tv_sec: (at / 1_000_000_000) as i64,
        tv_nsec: (at % 1_000_000_000) as i32,
    })
}

/// Makes `call` in another process that is then told to `verb`, once it waits; gives the call's result.
pub fn told(verb: ContextVerb, call: impl FnOnce() -> Result<usize>) -> Result<Result<usize>> {
    let answer = words()?;
    let process = Process::start(|| {
        answer[1].store(Error::mux(call()), Ordering::SeqCst);
        answer[0].store(1, Ordering::SeqCst);
        0
    })?;
    if process.until_blocked().is_err() {
        return Err(Error::new(EIO));
    }
    process.tell(verb)?;
    process.wait()?;
    let result = sys::demux(answer[1].load(Ordering::SeqCst));
    let done = answer[0].load(Ordering::SeqCst);
    forget_words(answer)?;
    if done == 1 {
        Ok(result)
    } else {
        Err(Error::new(EIO))
    }
}

/// Checks that two words are what they should be, for cases in other processes.
pub fn all_are(address: usize, len: usize, value: u64) -> Outcome {
    for at in (address..address + len).step_by(8) {
        check!(peek(at) == value, "at {at:#x}");
    }
    Ok(())
}
