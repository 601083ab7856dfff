//! `<semaphore.h>`: named semaphores, which are shared memory under names of their own.

use alloc::vec::Vec;
use core::ffi::{c_char, c_int, c_uint};
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use redox_rt::{Error, Fd, Result, fs, process, sys};
use rt_core::PAGE_SIZE;
use syscall::flag::MapFlags;
use syscall::{EEXIST, EINVAL, ENOENT, Map};

use super::fork::Mutex;
use super::semaphore::{Semaphore, sem_init};
use super::{fail, file, path, pointer, text, unit};

/// What stands before the name among the names of shared memory.
const PREFIX: &[u8] = b"/scheme/shm/sem.";
/// How often a semaphore that somebody is making is looked at before it counts as broken.
const PATIENCE: u32 = 10_000;
const READY: u32 = 1;

/// A semaphore, and whether it has its first value and its identity.
#[repr(C)]
struct Shared {
    semaphore: Semaphore,
    state: AtomicU32,
    /// What no other semaphore has: when it was made, by which process, and its how many-th that is.
    identity: [AtomicU64; 2],
}

impl Shared {
    fn identity(&self) -> Identity {
        self.identity.each_ref().map(|w| w.load(Ordering::Relaxed))
    }
}

type Identity = [u64; 2];

/// How many this process has made.
static MADE: AtomicU32 = AtomicU32::new(0);

fn new_identity() -> Result<Identity> {
    let now = sys::clock_gettime(syscall::CLOCK_MONOTONIC)?;
    let nanoseconds = now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64;
    let made = MADE.fetch_add(1, Ordering::Relaxed);
    Ok([
        nanoseconds,
        u64::from(process::pid().unwrap_or(0)) << 32 | u64::from(made),
    ])
}

/// A semaphore that this process has open: which, where, how often.
struct Opened {
    identity: Identity,
    address: usize,
    count: usize,
}

static OPENED: Mutex<Vec<Opened>> = Mutex::new(Vec::new());

/// What nobody changes until it is dropped: for a fork. `None` while somebody does.
pub(crate) fn hold() -> Option<impl Sized> {
    OPENED.try_hold()
}

fn full_name(name: &[u8]) -> Result<Vec<u8>> {
    let name = name.strip_prefix(b"/").unwrap_or(name);
    if name.is_empty() || name.contains(&b'/') {
        return fail(EINVAL);
    }
    Ok([PREFIX, name].concat())
}

fn map(memory: &Fd) -> Result<*mut Shared> {
    let map = Map {
        offset: 0,
        size: PAGE_SIZE,
        flags: MapFlags::MAP_SHARED | MapFlags::PROT_READ | MapFlags::PROT_WRITE,
        address: 0,
    };
    // SAFETY: without MAP_FIXED the kernel chooses a range that nothing uses.
    let address = unsafe { sys::fmap(memory.raw(), &map) }?;
    Ok(core::ptr::with_exposed_provenance_mut(address))
}

fn open_memory(name: &[u8], flags: c_int, mode: c_int) -> Result<Fd> {
    let flags = libc::O_RDWR | libc::O_CLOEXEC | flags;
    file::open_at(libc::AT_FDCWD, name, flags, mode).map(Fd::from_raw)
}

/// Makes a semaphore; `EEXIST` if there is one.
fn create(name: &[u8], mode: c_int, value: c_uint) -> Result<*mut Shared> {
    if i32::try_from(value).is_err() {
        return fail(EINVAL);
    }
    let identity = new_identity()?;
    let memory = open_memory(name, libc::O_CREAT | libc::O_EXCL, mode)?;
    let made = fs::ftruncate(memory.raw(), PAGE_SIZE as u64).and_then(|()| map(&memory));
    match made {
        Ok(shared) => {
            // SAFETY: the page is mapped and long enough; nobody uses the semaphore before it is ready.
            unsafe {
                sem_init(&raw mut (*shared).semaphore, 1, value);
                for (place, word) in (*shared).identity.iter().zip(identity) {
                    place.store(word, Ordering::Relaxed);
                }
                (*shared).state.store(READY, Ordering::Release);
            }
            Ok(shared)
        }
        Err(e) => {
            // A name that cannot be removed stays broken, and says so.
            let _ = path::unlink_at(libc::AT_FDCWD, name, 0);
            Err(e)
        }
    }
}

/// Opens a semaphore that there is, once whoever makes it has done so.
fn existing(name: &[u8]) -> Result<*mut Shared> {
    let memory = open_memory(name, 0, 0)?;
    for _ in 0..PATIENCE {
        if memory.stat()?.st_size >= PAGE_SIZE as u64 {
            let shared = map(&memory)?;
            for _ in 0..PATIENCE {
                // SAFETY: the page is mapped, and long enough.
                if unsafe { (*shared).state.load(Ordering::Acquire) } == READY {
                    return Ok(shared);
                }
                sys::sched_yield();
            }
            unmap(shared.expose_provenance())?;
            break;
        }
        sys::sched_yield();
    }
    fail(EINVAL)
}

fn unmap(address: usize) -> Result<()> {
    // SAFETY: the range was mapped here; POSIX forbids its use after the last `sem_close`.
    unsafe { sys::funmap(address, PAGE_SIZE) }.map(drop)
}

fn open_named(name: &[u8], flags: c_int, mode: c_int, value: c_uint) -> Result<*mut Semaphore> {
    let name = full_name(name)?;
    let mut opened = OPENED.lock();
    let exclusive = flags & (libc::O_CREAT | libc::O_EXCL) == libc::O_CREAT | libc::O_EXCL;
    let shared = loop {
        if flags & libc::O_CREAT != 0 {
            match create(&name, mode, value) {
                Err(e) if e.errno == EEXIST && !exclusive => {}
                made => break made?,
            }
        }
        match existing(&name) {
            // Somebody has removed it in between.
            Err(e) if e.errno == ENOENT && flags & libc::O_CREAT != 0 => {}
            found => break found?,
        }
    };
    // SAFETY: it is mapped, and ready.
    let identity = unsafe { (*shared).identity() };
    // The same one has the same address; the name may be another one's by now.
    if let Some(known) = opened.iter_mut().find(|one| one.identity == identity) {
        known.count += 1;
        unmap(shared.expose_provenance())?;
        return Ok(core::ptr::with_exposed_provenance_mut(known.address));
    }
    opened.push(Opened {
        identity,
        address: shared.expose_provenance(),
        count: 1,
    });
    Ok(shared.cast())
}

fn close_named(semaphore: *const Semaphore) -> Result<()> {
    let mut opened = OPENED.lock();
    let address = semaphore.addr();
    let place = opened.iter().position(|one| one.address == address);
    let place = place.ok_or(Error::new(EINVAL))?;
    if let Some(one) = opened.get_mut(place) {
        one.count -= 1;
        if one.count > 0 {
            return Ok(());
        }
    }
    opened.swap_remove(place);
    unmap(address)
}

fn unlink_named(name: &[u8]) -> Result<()> {
    let name = full_name(name)?;
    path::unlink_at(libc::AT_FDCWD, &name, 0)
}

c_variadic_api! {
    fn sem_open(name: *const c_char, flags: c_int; list) -> *mut Semaphore {
        let creates = flags & libc::O_CREAT != 0;
        let (mode, value) = if creates { ((*list).word() as c_int, (*list).word() as c_uint) } else { (0, 0) };
        pointer(text(name).and_then(|name| open_named(name, flags, mode, value)))
    }
}

c_api! {
    fn sem_close(semaphore: *const Semaphore) -> c_int { unit(close_named(semaphore)) }
    fn sem_unlink(name: *const c_char) -> c_int { unit(text(name).and_then(unlink_named)) }
}
