//! What the kernel's test programs are given, and what they share: the kernel's roots, raw calls,
//! memory, other processes, and counts of kernel objects.
#![no_std]

extern crate alloc;

mod objects;
mod process;

pub use objects::*;
pub use process::*;

use alloc::boxed::Box;

use cap_abi::auxv;
use guest_test::{Outcome, fail};
use redox_rt::futex::Mutex;
use redox_rt::start::Start;
use redox_rt::{Fd, Result, sys};
use syscall::flag::{MAP_SHARED, MapFlags, PROT_READ, PROT_WRITE};
use syscall::{GlobalSchemes, KernelSchemeInfo, Map, PAGE_SIZE, TimeSpec};

/// The authority that the program was started with.
pub struct World {
    pub proc: Fd,
    pub event: Fd,
    pub pipe: Fd,
    pub time: Fd,
    pub sys: Fd,
    pub memory: Fd,
    pub debug: Fd,
    pub irq: Fd,
    pub acpi: Fd,
    pub capability: Fd,
}

static WORLD: Mutex<Option<&'static World>> = Mutex::new(None);

/// Takes the roots from the auxiliary vector. `None` without them.
pub fn find(start: &Start) -> Option<()> {
    let address = start.aux(auxv::AT_CUPRITE_KERNEL_SCHEMES)?;
    let count = start.aux(auxv::AT_CUPRITE_KERNEL_SCHEMES_LEN)?;
    // SAFETY: the first process put the array there.
    let infos = unsafe { core::slice::from_raw_parts(address as *const KernelSchemeInfo, count) };
    let root = |scheme: GlobalSchemes| {
        let info = infos.iter().find(|i| i.scheme_id == scheme as u8)?;
        Some(Fd::from_raw(info.fd))
    };
    let world = World {
        proc: root(GlobalSchemes::Proc)?,
        event: root(GlobalSchemes::Event)?,
        pipe: root(GlobalSchemes::Pipe)?,
        time: root(GlobalSchemes::Time)?,
        sys: root(GlobalSchemes::Sys)?,
        memory: root(GlobalSchemes::Memory)?,
        debug: root(GlobalSchemes::Debug)?,
        irq: root(GlobalSchemes::Irq)?,
        acpi: root(GlobalSchemes::Acpi)?,
        capability: Fd::from_raw(start.aux(auxv::AT_CUPRITE_SCHEME_CAP)?),
    };
    *WORLD.lock() = Some(Box::leak(Box::new(world)));
    Some(())
}

pub fn world() -> &'static World {
    match *WORLD.lock() {
        Some(world) => world,
        None => unreachable!("set before any case runs"),
    }
}

/// A system call by number. The cases use it for calls that no typed wrapper lets through.
pub fn raw(number: usize, args: [usize; 6]) -> Result<usize> {
    // SAFETY: the cases pass addresses of their own memory, or bad ones, which the kernel refuses.
    unsafe { sys::raw(number, args) }
}

pub fn fcntl(fd: usize, command: usize, argument: usize) -> Result<usize> {
    raw(syscall::SYS_FCNTL, [fd, command, argument, 0, 0, 0])
}

/// A new pipe: reading and writing end.
pub fn pipe() -> Result<(Fd, Fd)> {
    let read = world().pipe.open(b"", syscall::flag::O_RDWR)?;
    let write = read.dup(b"write")?;
    Ok((read, write))
}

/// Maps `fd` (or nothing) at `address`.
pub fn map(
    fd: usize,
    offset: usize,
    address: usize,
    size: usize,
    flags: MapFlags,
) -> Result<usize> {
    let map = Map {
        offset,
        size,
        flags,
        address,
    };
    // SAFETY: the cases name places of their own.
    unsafe { sys::fmap(fd, &map) }
}

/// Anonymous memory somewhere.
pub fn anonymous(size: usize, flags: MapFlags) -> Result<usize> {
    map(sys::ANONYMOUS, 0, 0, size, flags)
}

pub fn unmap(address: usize, size: usize) -> Result<()> {
    // SAFETY: the cases have no references into the range.
    unsafe { sys::funmap(address, size) }
}

/// Memory of zeros that forks share, at the same address in all of them. It stays for good.
///
/// # Safety
/// `T` must be made of atomics alone, for which zeros are valid.
pub unsafe fn shared<T>() -> Result<&'static T> {
    let address = anonymous(
        size_of::<T>().next_multiple_of(PAGE_SIZE),
        MAP_SHARED | PROT_READ | PROT_WRITE,
    )?;
    // SAFETY: fresh zeroed memory of sufficient size at a page boundary, never unmapped; the caller
    // answers for the type.
    Ok(unsafe { &*(address as *const T) })
}

pub fn sleep_ms(ms: i32) -> Result<()> {
    let time = TimeSpec {
        tv_sec: i64::from(ms / 1000),
        tv_nsec: ms % 1000 * 1_000_000,
    };
    sys::nanosleep(&time).map_err(|(error, _)| error)
}

/// Nanoseconds of the monotonic clock.
pub fn now() -> Result<u64> {
    let time = sys::clock_gettime(syscall::flag::CLOCK_MONOTONIC)?;
    Ok(time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64)
}

/// Lets others run until `condition` holds.
pub fn until(what: &str, mut condition: impl FnMut() -> Result<bool>) -> Outcome {
    for round in 0..200_000 {
        if condition()? {
            return Ok(());
        }
        if round % 16 == 15 {
            sleep_ms(1)?;
        } else {
            sys::sched_yield();
        }
    }
    fail!("waited in vain: {what}")
}
