//! What the cases share beyond `guest_world`: an identity, processes that make one call, patterns and
//! random numbers.

pub use guest_world::{Process, count, counts, fcntl, leaves_nothing, now, raw, shared, world};

use core::sync::atomic::{AtomicUsize, Ordering};

use guest_test::Outcome;
use redox_rt::context::Context;
use redox_rt::{Error, Result, sys};
use syscall::EIO;
use syscall::flag::MapFlags;
use syscall::{Map, PAGE_SIZE};

/// Anonymous memory for reading and writing.
pub fn map_at(address: usize, len: usize, flags: MapFlags) -> Result<usize> {
    let map = Map {
        offset: 0,
        size: len.next_multiple_of(PAGE_SIZE),
        flags: flags | MapFlags::PROT_READ | MapFlags::PROT_WRITE,
        address,
    };
    // SAFETY: the callers name addresses that nothing uses.
    unsafe { sys::fmap(sys::ANONYMOUS, &map) }
}

/// Unmaps what a case has mapped.
pub fn unmap(address: usize, len: usize) -> Result<()> {
    guest_world::unmap(address, len.next_multiple_of(PAGE_SIZE))
}

/// Who cases are to schemes, unless they say otherwise.
pub const PID: u32 = 42;
pub const UID: u32 = 1001;
pub const GID: u32 = 1002;

/// Gives the running process an identity.
pub fn identify(pid: u32, uid: u32, gid: u32) -> Result<()> {
    let own = Context::from_fd(world().proc.open(b"cur-context", 0)?);
    let mut attrs = own.get().attributes()?;
    attrs.pid = pid;
    attrs.euid = uid;
    attrs.egid = gid;
    own.get().set_attributes(&attrs)
}

/// A process that makes one call and leaves its result.
pub struct Caller {
    pub process: Process,
    answer: &'static Answer,
}

/// Of shared memory.
pub struct Answer {
    done: AtomicUsize,
    value: AtomicUsize,
}

impl Caller {
    pub fn start(call: impl FnOnce() -> Result<usize>) -> Result<Self> {
        // SAFETY: atomics alone.
        let answer: &'static Answer = unsafe { shared() }?;
        let process = Process::start(|| {
            answer.value.store(Error::mux(call()), Ordering::SeqCst);
            answer.done.store(1, Ordering::SeqCst);
            0
        })?;
        Ok(Self { process, answer })
    }

    pub fn is_done(&self) -> bool {
        self.answer.done.load(Ordering::SeqCst) != 0
    }

    /// The call's result; `EIO` if the process ended without one.
    pub fn result(&self) -> Result<usize> {
        self.process.wait()?;
        if !self.is_done() {
            return Err(Error::new(EIO));
        }
        Error::demux(self.answer.value.load(Ordering::SeqCst))
    }
}

impl Drop for Caller {
    fn drop(&mut self) {
        let address = core::ptr::from_ref(self.answer) as usize;
        let _ = self.process.kill();
        let _ = unmap(address, size_of::<Answer>());
    }
}

/// Lets others run until `condition` holds.
pub fn until(what: &str, mut condition: impl FnMut() -> bool) -> Outcome {
    guest_world::until(what, || Ok(condition()))
}

/// The byte at `index` of a test pattern.
pub const fn pattern(seed: usize, index: usize) -> u8 {
    (seed.wrapping_mul(89) ^ index.wrapping_mul(31) ^ (index >> 8).wrapping_mul(7)) as u8
}

/// Repeatable random numbers: the splitmix64 generator.
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    pub fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit as u64) as usize
    }
}
