//! Memory of daemons, mapped by others.

use core::sync::atomic::{AtomicU64, Ordering};

use guest_test::{Outcome, check, check_eq, check_error};
use redox_rt::{Fd, Result, sys};
use syscall::Map;
use syscall::error::*;
use syscall::flag::*;
use syscall::schemev2::Opcode;

use crate::daemon::Daemon;
use crate::world::{Process, leaves_nothing, raw, unmap};

pub fn run() -> i32 {
    guest_test::run!["scheme.maps" =>
        shared_maps_share, private_maps_copy, unmapping_is_told_when_all_is_gone,
        a_fork_keeps_the_mapping, an_exit_unmaps, bad_answers_map_nothing, bad_requests,
        protection_stays_within_bounds, the_callers_lowest_address_counts, maps_outlive_the_daemon,
    ]
}

const PAGE: usize = 4096;
const LEN: usize = 4 * PAGE;
const RW: MapFlags = MapFlags::PROT_READ.union(MapFlags::PROT_WRITE);

/// Memory in the daemon's space, zeroed; its address there.
fn daemons_memory(d: &Daemon, flags: MapFlags, len: usize) -> Result<usize> {
    let words = [0, len, (flags | RW).bits(), 0];
    for (i, word) in words.into_iter().enumerate() {
        d.poke(i, word as u64);
    }
    d.remote(syscall::SYS_FMAP, [usize::MAX, d.scratch(), 32, 0, 0, 0])
}

/// Writes bytes (a multiple of 8) to the daemon's memory.
fn write_there(d: &Daemon, address: usize, word: u64) -> Result<()> {
    // The daemon reads a file of the kernel's into nothing; a pipe to itself moves the bytes.
    d.poke(200, word);
    let pipe = d.remote(
        syscall::SYS_OPENAT_INTO2,
        [
            crate::world::world().pipe.raw(),
            0,
            0,
            O_RDWR,
            sys::FD_ANY,
            0,
        ],
    )?;
    d.poke(201, u64::from_le_bytes(*b"write\0\0\0"));
    let name = d.scratch() + 201 * 8;
    let end = d.remote(syscall::SYS_DUP_INTO, [pipe, name, 5, sys::FD_ANY, 0, 0])?;
    d.remote(syscall::SYS_WRITE, [end, d.scratch() + 200 * 8, 8, 0, 0, 0])?;
    d.remote(syscall::SYS_READ, [pipe, address, 8, 0, 0, 0])?;
    d.remote(syscall::SYS_CLOSE, [end, 0, 0, 0, 0, 0])?;
    d.remote(syscall::SYS_CLOSE, [pipe, 0, 0, 0, 0, 0])?;
    Ok(())
}

/// Reads a word of the daemon's memory.
fn read_there(d: &Daemon, address: usize) -> Result<u64> {
    let pipe = d.remote(
        syscall::SYS_OPENAT_INTO2,
        [
            crate::world::world().pipe.raw(),
            0,
            0,
            O_RDWR,
            sys::FD_ANY,
            0,
        ],
    )?;
    d.poke(201, u64::from_le_bytes(*b"write\0\0\0"));
    let name = d.scratch() + 201 * 8;
    let end = d.remote(syscall::SYS_DUP_INTO, [pipe, name, 5, sys::FD_ANY, 0, 0])?;
    d.remote(syscall::SYS_WRITE, [end, address, 8, 0, 0, 0])?;
    d.remote(syscall::SYS_READ, [pipe, d.scratch() + 200 * 8, 8, 0, 0, 0])?;
    d.remote(syscall::SYS_CLOSE, [end, 0, 0, 0, 0, 0])?;
    d.remote(syscall::SYS_CLOSE, [pipe, 0, 0, 0, 0, 0])?;
    Ok(d.peek(200))
}

fn map(fd: &Fd, offset: usize, size: usize, flags: MapFlags, address: usize) -> Result<usize> {
    // SAFETY: fixed addresses are those of the cases' own mappings.
    unsafe {
        sys::fmap(
            fd.raw(),
            &Map {
                offset,
                size,
                flags,
                address,
            },
        )
    }
}

/// A word of a mapping, which others may change.
fn word(address: usize) -> &'static AtomicU64 {
    // SAFETY: the cases look only at words of their mappings, aligned, while they are mapped.
    unsafe { &*(address as *const AtomicU64) }
}

fn shared_maps_share() -> Outcome {
    leaves_nothing(|| {
        let d = Daemon::start()?;
        let fd = d.open(5)?;
        let there = daemons_memory(&d, MapFlags::MAP_PRIVATE, LEN)?;
        write_there(&d, there + PAGE, 0x1111)?;
        d.answer(there);
        let mark = d.logged();
        let flags = RW | MapFlags::MAP_SHARED;
        let here = map(&fd, 2 * PAGE, LEN, flags, 0)?;
        let m = d.one(mark, Opcode::MmapPrep)?;
        check_eq!(
            m.args[..4],
            [5, LEN as u64, flags.bits() as u64, 2 * PAGE as u64]
        );
        check_eq!(word(here + PAGE).load(Ordering::SeqCst), 0x1111);
        write_there(&d, there + 2 * PAGE, 0x2222)?;
        check_eq!(word(here + 2 * PAGE).load(Ordering::SeqCst), 0x2222);
        word(here + 3 * PAGE + 8).store(0x3333, Ordering::SeqCst);
        check_eq!(read_there(&d, there + 3 * PAGE + 8)?, 0x3333);
        let mark = d.logged();
        unmap(here, LEN)?;
        d.settle()?;
        let m = d.one(mark, Opcode::Munmap)?;
        let needs_sync = MunmapFlags::NEEDS_SYNC.bits() as u64;
        check_eq!(
            (m.args[..4].to_vec(), m.flags),
            ([5, LEN as u64, needs_sync, 2 * PAGE as u64].to_vec(), 1)
        );
        // The daemon's own mapping is untouched.
        check_eq!(read_there(&d, there + PAGE)?, 0x1111);
        Ok(())
    })
}

fn private_maps_copy() -> Outcome {
    leaves_nothing(|| {
        let d = Daemon::start()?;
        let fd = d.open(5)?;
        let there = daemons_memory(&d, MapFlags::MAP_SHARED, LEN)?;
        write_there(&d, there, 0x1111)?;
        d.answer(there);
        let here = map(&fd, 0, LEN, RW | MapFlags::MAP_PRIVATE, 0)?;
        check_eq!(word(here).load(Ordering::SeqCst), 0x1111);
        word(here).store(0x4444, Ordering::SeqCst);
        word(here + PAGE).store(0x5555, Ordering::SeqCst);
        check_eq!(
            (read_there(&d, there)?, read_there(&d, there + PAGE)?),
            (0x1111, 0)
        );
        // A second mapping sees the file, not the first one's copy.
        let second = map(&fd, 0, LEN, RW | MapFlags::MAP_PRIVATE, 0)?;
        check_eq!(word(second).load(Ordering::SeqCst), 0x1111);
        let mark = d.logged();
        unmap(here, LEN)?;
        unmap(second, LEN)?;
        d.settle()?;
        let told = d.of_kind(mark, Opcode::Munmap);
        check_eq!(told.len(), 2);
        check!(told.iter().all(|m| m.args[2] == 0));
        Ok(())
    })
}

fn unmapping_is_told_when_all_is_gone() -> Outcome {
    leaves_nothing(|| {
        let d = Daemon::start()?;
        let fd = d.open(5)?;
        let there = daemons_memory(&d, MapFlags::MAP_PRIVATE, LEN)?;
        d.answer(there);
        let here = map(&fd, 0, LEN, RW | MapFlags::MAP_SHARED, 0)?;
        // The descriptor may go.
        let mark = d.logged();
        drop(fd);
        for page in [1, 3, 0] {
            unmap(here + page * PAGE, PAGE)?;
            d.settle()?;
            check_eq!(d.of_kind(mark, Opcode::Munmap).len(), 0, "page {page}");
        }
        word(here + 2 * PAGE).store(1, Ordering::SeqCst);
        unmap(here, LEN)?;
        d.settle()?;
        check_eq!(d.of_kind(mark, Opcode::Munmap).len(), 1);
        // Mapping over it ends it as well; a last page counts as whole.
        let fd = d.open(5)?;
        d.answer(there);
        let here = map(&fd, 0, LEN - 1000, RW | MapFlags::MAP_SHARED, 0)?;
        let mark = d.logged();
        crate::world::map_at(here, LEN, MapFlags::MAP_PRIVATE | MapFlags::MAP_FIXED)?;
        d.settle()?;
        check_eq!(d.of_kind(mark, Opcode::Munmap).len(), 1);
        unmap(here, LEN)?;
        Ok(())
    })
}

fn a_fork_keeps_the_mapping() -> Outcome {
    leaves_nothing(|| {
        let d = Daemon::start()?;
        let fd = d.open(5)?;
        let there = daemons_memory(&d, MapFlags::MAP_PRIVATE, LEN)?;
        d.answer(there);
        let shared = map(&fd, 0, LEN, RW | MapFlags::MAP_SHARED, 0)?;
        let private = map(&fd, 0, LEN, RW | MapFlags::MAP_PRIVATE, 0)?;
        word(shared).store(1, Ordering::SeqCst);
        let mark = d.logged();
        let child = Process::start(|| {
            word(shared + 8).store(2, Ordering::SeqCst);
            word(private).store(3, Ordering::SeqCst);
            while word(shared + 16).load(Ordering::SeqCst) == 0 {
                sys::sched_yield();
            }
            0
        })?;
        crate::world::until("the child's write", || {
            word(shared + 8).load(Ordering::SeqCst) == 2
        })?;
        check!(word(private).load(Ordering::SeqCst) != 3);
        check_eq!(read_there(&d, there + 8)?, 2);
        unmap(private, LEN)?;
        d.settle()?;
        check_eq!(
            d.of_kind(mark, Opcode::Munmap).len(),
            0,
            "the child still has it"
        );
        word(shared + 16).store(1, Ordering::SeqCst);
        child.wait()?;
        d.settle()?;
        check_eq!(
            d.of_kind(mark, Opcode::Munmap).len(),
            1,
            "this process still has one"
        );
        unmap(shared, LEN)?;
        d.settle()?;
        check_eq!(d.of_kind(mark, Opcode::Munmap).len(), 2);
        Ok(())
    })
}

fn an_exit_unmaps() -> Outcome {
    leaves_nothing(|| {
        let d = Daemon::start()?;
        let fd = d.open(5)?;
        let there = daemons_memory(&d, MapFlags::MAP_PRIVATE, LEN)?;
        d.answer(there);
        let mark = d.logged();
        for _ in 0..3 {
            let child = Process::start(|| {
                let mapped = map(&fd, 0, LEN, RW | MapFlags::MAP_SHARED, 0);
                i32::from(mapped.is_err())
            })?;
            check_eq!(
                child.wait()?,
                redox_rt::context::Status::Ended(rt_core::wait::exited(0))
            );
        }
        d.settle()?;
        check_eq!(d.of_kind(mark, Opcode::Munmap).len(), 3);
        Ok(())
    })
}

fn bad_answers_map_nothing() -> Outcome {
    leaves_nothing(|| {
        let d = Daemon::start()?;
        let fd = d.open(5)?;
        let there = daemons_memory(&d, MapFlags::MAP_PRIVATE, LEN)?;
        let unmapped = daemons_memory(&d, MapFlags::MAP_PRIVATE, LEN)?;
        d.remote(syscall::SYS_FUNMAP, [unmapped + PAGE, PAGE, 0, 0, 0, 0])?;
        let bad = [
            0,
            1,
            there + 1,
            there + 2048,
            unmapped,
            unmapped + PAGE,
            1 << 46,
            1 << 47,
            usize::MAX - 5000,
        ];
        let mark = d.logged();
        for address in bad {
            d.answer(address);
            for flags in [MapFlags::MAP_SHARED, MapFlags::MAP_PRIVATE] {
                let outcome = map(&fd, 0, LEN, RW | flags, 0);
                check!(outcome.is_err(), "{address:#x}: {outcome:?}");
            }
        }
        d.answer(0);
        d.settle()?;
        // The daemon had said yes, so it hears that nothing came of it.
        let asked = d.of_kind(mark, Opcode::MmapPrep).len();
        check_eq!(asked, 2 * bad.len());
        check_eq!(d.of_kind(mark, Opcode::Munmap).len(), asked);
        let mark = d.logged();
        d.refuse(EACCES);
        check_error!(map(&fd, 0, LEN, RW | MapFlags::MAP_SHARED, 0), EACCES);
        d.answer(0);
        d.settle()?;
        check_eq!(
            d.of_kind(mark, Opcode::Munmap).len(),
            0,
            "a refusal needs no end"
        );
        Ok(())
    })
}

fn bad_requests() -> Outcome {
    leaves_nothing(|| {
        let d = Daemon::start()?;
        let fd = d.open(5)?;
        let there = daemons_memory(&d, MapFlags::MAP_PRIVATE, LEN)?;
        d.answer(there);
        let mark = d.logged();
        for flags in [RW, RW | MapFlags::MAP_SHARED | MapFlags::MAP_PRIVATE] {
            check_error!(map(&fd, 0, LEN, flags, 0), EINVAL);
        }
        check_error!(map(&fd, 0, 0, RW | MapFlags::MAP_SHARED, 0), EINVAL);
        let unknown = MapFlags::from_bits_retain(1 << 20);
        check_error!(
            map(&fd, 0, LEN, RW | MapFlags::MAP_SHARED | unknown, 0),
            EINVAL
        );
        check_error!(
            raw(syscall::SYS_FMAP, [fd.raw(), 0x10, 32, 0, 0, 0]),
            EFAULT
        );
        for len in [0, 31, 33] {
            check_error!(
                raw(syscall::SYS_FMAP, [fd.raw(), d.scratch(), len, 0, 0, 0]),
                EINVAL
            );
        }
        check_eq!(d.since(mark).len(), 0);
        for size in [usize::MAX, usize::MAX - 4095, 1 << 63, 1 << 47, 1 << 40] {
            for flags in [MapFlags::MAP_SHARED, MapFlags::MAP_PRIVATE] {
                let outcome = map(&fd, 0, size, RW | flags, 0);
                check!(outcome.is_err(), "{size:#x}: {outcome:?}");
            }
        }
        // A place that is taken, and places that are none.
        let taken = crate::world::map_at(0, LEN, MapFlags::MAP_PRIVATE)?;
        let noreplace = RW | MapFlags::MAP_SHARED | MapFlags::MAP_FIXED_NOREPLACE;
        check_error!(map(&fd, 0, LEN, noreplace, taken), EEXIST);
        unmap(taken, LEN)?;
        for address in [0, taken + 1, 1 << 47, usize::MAX - 4095] {
            let outcome = map(
                &fd,
                0,
                LEN,
                RW | MapFlags::MAP_SHARED | MapFlags::MAP_FIXED,
                address,
            );
            check!(outcome.is_err(), "{address:#x}: {outcome:?}");
        }
        check_eq!(map(&fd, 0, LEN, noreplace, taken)?, taken);
        unmap(taken, LEN)?;
        Ok(())
    })
}

fn protection_stays_within_bounds() -> Outcome {
    leaves_nothing(|| {
        let d = Daemon::start()?;
        let fd = d.open(5)?;
        let there = daemons_memory(&d, MapFlags::MAP_PRIVATE, LEN)?;
        // What the daemon itself cannot write it cannot lend for writing.
        let args = [there, LEN, MapFlags::PROT_READ.bits(), 0, 0, 0];
        d.remote(syscall::SYS_MPROTECT, args)?;
        d.answer(there);
        let read_only = map(&fd, 0, LEN, MapFlags::PROT_READ | MapFlags::MAP_SHARED, 0)?;
        // A mapping made for reading stays that.
        // SAFETY: nothing relies on the protection.
        let outcome = unsafe { sys::mprotect(read_only, LEN, RW) };
        check!(outcome.is_err());
        unmap(read_only, LEN)?;
        // Nor does it become what the descriptor's rights do not allow.
        fd.limit(sys::Rights::MAP_READ)?;
        for kind in [MapFlags::MAP_SHARED, MapFlags::MAP_PRIVATE] {
            let here = map(&fd, 0, LEN, MapFlags::PROT_READ | kind, 0)?;
            let code = MapFlags::PROT_READ | MapFlags::PROT_EXEC;
            // SAFETY: nothing relies on the protection.
            check_error!(unsafe { sys::mprotect(here, LEN, code) }, EACCES);
            unmap(here, LEN)?;
        }
        Ok(())
    })
}

/// The kernel makes the mapping when the daemon answers, but for the caller.
fn the_callers_lowest_address_counts() -> Outcome {
    leaves_nothing(|| {
        const LOWEST: usize = 0x2000_0000_0000;
        let d = Daemon::start()?;
        let fd = d.open(5)?;
        let there = daemons_memory(&d, MapFlags::MAP_PRIVATE, LEN)?;
        d.answer(there);
        let own = crate::world::world().proc.open(b"cur-context", 0)?;
        let lowest = own.dup(b"mmap-min-addr")?;
        let mut old = [0; 8];
        lowest.read_exact(&mut old)?;
        lowest.write_exact(&LOWEST.to_le_bytes())?;
        let here = map(&fd, 0, LEN, RW | MapFlags::MAP_SHARED, 0);
        lowest.write_exact(&old)?;
        let here = here?;
        check!(here >= LOWEST, "{here:#x}");
        unmap(here, LEN)?;
        Ok(())
    })
}

fn maps_outlive_the_daemon() -> Outcome {
    leaves_nothing(|| {
        let mut d = Daemon::start()?;
        let fd = d.open(5)?;
        let there = daemons_memory(&d, MapFlags::MAP_PRIVATE, LEN)?;
        write_there(&d, there, 0x1111)?;
        d.answer(there);
        let shared = map(&fd, 0, LEN, RW | MapFlags::MAP_SHARED, 0)?;
        let private = map(&fd, 0, LEN, RW | MapFlags::MAP_PRIVATE, 0)?;
        d.kill()?;
        check_eq!(word(shared).load(Ordering::SeqCst), 0x1111);
        check_eq!(word(private).load(Ordering::SeqCst), 0x1111);
        word(shared + PAGE).store(7, Ordering::SeqCst);
        word(private + PAGE).store(8, Ordering::SeqCst);
        check_eq!(word(shared + PAGE).load(Ordering::SeqCst), 7);
        unmap(shared, LEN)?;
        unmap(private, LEN)?;
        check_error!(map(&fd, 0, LEN, RW | MapFlags::MAP_SHARED, 0), ENODEV);
        Ok(())
    })
}
