//! What the kernel's operations cost, in instructions.
//!
//! Under `-icount shift=0` the time-stamp counter counts the guest's instructions, kernel and user
//! together, and every run gives the same numbers. Each operation is done [`WARM_UP`] times, then
//! [`ROUNDS`] times; what is reported is the mean of the latter, less the empty loop. Arguments name the
//! operations to measure; without any, all are.
#![no_std]
#![no_main]

extern crate alloc;

mod daemons;

use alloc::vec;
use bench_measure::{self as measure, measure, measure_few, measure_few_with, measure_with};
use core::sync::atomic::{AtomicU32, Ordering};
use daemons::Daemons;
use redox_rt::{
    Fd, Result,
    context::{AddressSpace, Context, Status},
    fork::{Forked, fork_into},
    memory::Mapping,
    start::Start,
    sys,
};
use syscall::{
    GlobalSchemes, KernelSchemeInfo,
    flag::{CallFlags, F_GETFD, O_RDONLY, O_RDWR},
};

redox_rt::entry!(main);

fn main(start: &Start) -> i32 {
    measure::choose(start);
    match run(start) {
        Ok(()) => 0,
        Err(error) => {
            redox_rt::eprintln!("bench-kernel: {error}");
            1
        }
    }
}

fn root(start: &Start, scheme: GlobalSchemes) -> Result<Fd> {
    let address = start
        .aux(cap_abi::auxv::AT_CUPRITE_KERNEL_SCHEMES)
        .unwrap_or(0);
    let count = start
        .aux(cap_abi::auxv::AT_CUPRITE_KERNEL_SCHEMES_LEN)
        .unwrap_or(0);
    if address == 0 {
        return Err(redox_rt::Error::new(syscall::ENODEV));
    }
    // SAFETY: the starter put the array there, and nobody changes it.
    let infos = unsafe { core::slice::from_raw_parts(address as *const KernelSchemeInfo, count) };
    infos
        .iter()
        .find(|info| info.scheme_id == scheme as u8)
        .map(|info| Fd::from_raw(info.fd))
        .ok_or(redox_rt::Error::new(syscall::ENODEV))
}

fn run(start: &Start) -> Result<()> {
    let proc = root(start, GlobalSchemes::Proc)?;
    let pipe = root(start, GlobalSchemes::Pipe)?;
    let capability = start
        .aux(cap_abi::auxv::AT_CUPRITE_SCHEME_CAP)
        .map(Fd::from_raw)
        .ok_or(redox_rt::Error::new(syscall::EBADF))?;
    calls(&pipe)?;
    memory()?;
    contexts(&proc, &root(start, GlobalSchemes::Event)?)?;
    switches(&proc, &pipe)?;
    schemes(&proc, &capability)
}

/// Calls that concern nobody else.
fn calls(pipe: &Fd) -> Result<()> {
    const NO_SUCH_CALL: usize = 0xfff;
    // SAFETY: there is no such call, so nothing happens.
    measure("null-call", || unsafe { syscall::syscall0(NO_SUCH_CALL) });
    let end = pipe.open(b"", O_RDONLY)?;
    // SAFETY: the command only asks.
    measure("fcntl", || unsafe { sys::fcntl(end.raw(), F_GETFD, 0) });
    measure("dup-close", || {
        if let Ok(copy) = sys::dup(end.raw(), b"", cap_abi::FD_ANY) {
            let _ = sys::close(copy);
        }
    });
    Ok(())
}

/// Memory that is touched for the first time.
fn memory() -> Result<()> {
    const PAGES: usize = measure::ROUNDS as usize + measure::WARM_UP as usize;
    let mut mapping = Mapping::new(PAGES * syscall::PAGE_SIZE)?;
    let mut pages = mapping.bytes().chunks_exact_mut(syscall::PAGE_SIZE);
    measure("page-fault", || {
        if let Some([first, ..]) = pages.next() {
            // SAFETY: a byte of the mapping, which is borrowed mutably.
            unsafe { core::ptr::from_mut(first).write_volatile(1) };
        }
    });
    Ok(())
}

/// A context's life without running.
fn contexts(proc: &Fd, event: &Fd) -> Result<()> {
    measure("context-create-destroy", || Context::new(proc).map(drop));
    let space = AddressSpace::new(proc)?;
    measure("space-create-destroy", || space.new_empty().map(drop));
    measure_few("first-fork-exit-wait", || -> Result<()> {
        let child = Context::new(proc)?;
        if let Forked::Child = fork_into(&child, None)? {
            redox_rt::exit(0);
        }
        redox_rt::event::wait_for_end(event, child.get()).map(drop)
    });
    copies(proc)
}

/// Copying a space and ending the copy, for each page that it holds.
fn copies(proc: &Fd) -> Result<()> {
    const PAGES: usize = 4096;
    let mut mapping = Mapping::new(PAGES * syscall::PAGE_SIZE)?;
    for page in mapping.bytes().chunks_exact_mut(syscall::PAGE_SIZE) {
        if let Some(first) = page.first_mut() {
            *first = 1;
        }
    }
    let own = Context::from_fd(proc.open(b"cur-context", 0)?);
    let space = own.get().address_space()?;
    measure_few_with("space-copy-page", PAGES as u64, || space.copy().map(drop));
    Ok(())
}

/// Two processes in turn.
fn switches(proc: &Fd, pipe: &Fd) -> Result<()> {
    let (there, there_write) = pipe_pair(pipe)?;
    let (back, back_write) = pipe_pair(pipe)?;
    let child = Context::new(proc)?;
    if let Forked::Child = fork_into(&child, None)? {
        drop((there_write, back));
        let mut byte = [0];
        // The parent writes 0 for each round of the ping-pong, then 1.
        while there.read(&mut byte) == Ok(1) && byte == [0] {
            let _ = back_write.write(&byte);
        }
        redox_rt::exit(0);
    }
    drop((there, back_write));
    let mut byte = [0];
    measure("pipe-ping-pong", || {
        let _ = there_write.write(&[0]);
        let _ = back.read(&mut byte);
    });
    there_write.write_exact(&[1])?;
    wait_for_end(&child)?;
    let yielder = Context::new(proc)?;
    let stop = SharedWord::new()?;
    if let Forked::Child = fork_into(&yielder, None)? {
        while stop.word().load(Ordering::Relaxed) == 0 {
            sys::sched_yield();
        }
        redox_rt::exit(0);
    }
    measure_with("context-switch", 2, sys::sched_yield);
    stop.word().store(1, Ordering::Relaxed);
    wait_for_end(&yielder)
}

/// Waits until a context is gone with all it held, so that its end is not part of what is measured next.
fn wait_for_end(context: &Context) -> Result<()> {
    while !matches!(context.get().status()?, Status::Ended(_)) {
        sys::sched_yield();
    }
    Ok(())
}

/// A word that a forked child shares.
struct SharedWord(*const AtomicU32);

impl SharedWord {
    fn new() -> Result<Self> {
        let flags = syscall::MapFlags::PROT_READ
            | syscall::MapFlags::PROT_WRITE
            | syscall::MapFlags::MAP_SHARED;
        let map = syscall::Map {
            offset: 0,
            size: syscall::PAGE_SIZE,
            flags,
            address: 0,
        };
        // SAFETY: a fresh mapping, wherever the kernel puts it, takes the place of none.
        let address = unsafe { syscall::fmap(usize::MAX, &map) }?;
        Ok(Self(address as *const AtomicU32))
    }

    const fn word(&self) -> &AtomicU32 {
        // SAFETY: the mapping is never unmapped, holds zeros at first, and is only used as this.
        unsafe { &*self.0 }
    }
}

fn pipe_pair(pipe: &Fd) -> Result<(Fd, Fd)> {
    let read = pipe.open(b"", O_RDWR)?;
    let write = read.dup(b"write")?;
    Ok((read, write))
}

/// Calls of schemes in other processes.
fn schemes(proc: &Fd, capability: &Fd) -> Result<()> {
    let Daemons {
        direct,
        redirecting,
    } = daemons::start(proc, capability)?;
    measure("user-call", || {
        sys::call(direct.raw(), CallFlags::empty(), &[])
    });
    measure("user-open-close", || open_close(&direct));
    measure("redirect-open-close", || open_close(&redirecting));
    let file = direct.open(b"file", O_RDONLY)?;
    let mut page = vec![0_u8; syscall::PAGE_SIZE];
    measure("user-read-16", || {
        file.read(page.get_mut(..16).unwrap_or(&mut []))
    });
    measure("user-read-4k", || file.read(&mut page));
    let mut big = Mapping::new(1 << 20)?;
    measure_few("user-read-1m", || file.read(big.bytes()));
    Ok(())
}

fn open_close(dir: &Fd) {
    if let Ok(fd) = sys::openat(dir.raw(), b"file", O_RDONLY, cap_abi::FD_ANY) {
        let _ = sys::close(fd);
    }
}
