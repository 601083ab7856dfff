//! Buffers: every size and alignment, both ways, byte by byte, and nothing around them.

use guest_test::{Outcome, check, check_eq, check_error};
use redox_rt::{Result, sys};
use syscall::Map;
use syscall::error::*;
use syscall::flag::*;
use syscall::schemev2::Opcode;

use crate::daemon::Daemon;
use crate::world::{Caller, count, counts, leaves_nothing, map_at, pattern, raw, unmap};

pub fn run() -> i32 {
    guest_test::run!["scheme.payload" =>
        written_bytes_arrive, read_bytes_arrive, calls_go_both_ways, short_reads_touch_only_their_part, answers_of_more_than_was_asked_are_errors,
        memory_that_may_not_be_written, memory_that_is_not_there, buffers_of_copied_pages,
        buffers_leave_no_memory_behind, lent_buffers_are_for_the_call, huge_buffers_are_refused_or_carried,
    ]
}

const SIZES: [usize; 11] = [
    0,
    1,
    2,
    4095,
    4096,
    4097,
    8191,
    8192,
    12289,
    64 << 10,
    1 << 20,
];
const OFFSETS: [usize; 4] = [0, 1, 2048, 4095];
const ROOM: usize = (1 << 20) + 4 * 4096;
const AROUND: u8 = 0xee;

/// Memory with a margin on both sides of every buffer.
struct Room {
    base: usize,
}

impl Room {
    fn new() -> Result<Self> {
        Ok(Self {
            base: map_at(0, ROOM, MapFlags::MAP_PRIVATE)?,
        })
    }

    fn all(&mut self) -> &mut [u8] {
        // SAFETY: the mapping is this value's alone.
        unsafe { core::slice::from_raw_parts_mut(self.base as *mut u8, ROOM) }
    }

    /// Sets everything to [`AROUND`], and a buffer in the middle to a pattern.
    fn prepare(&mut self, offset: usize, len: usize, seed: Option<usize>) -> (usize, usize) {
        let start = 4096 + offset;
        let all = self.all();
        all.fill(AROUND);
        if let (Some(seed), Some(part)) = (seed, all.get_mut(start..start + len)) {
            for (i, b) in part.iter_mut().enumerate() {
                *b = pattern(seed, i);
            }
        }
        (self.base + start, start)
    }

    /// First byte that is not as it should be: the first `changed` of the buffer a pattern, all else as
    /// it was.
    fn check(
        &mut self,
        start: usize,
        changed: usize,
        seed: usize,
        before: impl Fn(usize) -> u8,
        len: usize,
    ) -> Option<usize> {
        self.all().iter().enumerate().position(|(i, b)| {
            let expected = match i.checked_sub(start) {
                Some(at) if at < changed => pattern(seed, at),
                Some(at) if at < len => before(at),
                _ => AROUND,
            };
            *b != expected
        })
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        let _ = unmap(self.base, ROOM);
    }
}

fn each(mut case: impl FnMut(usize, usize) -> Outcome) -> Outcome {
    for size in SIZES {
        for offset in OFFSETS {
            case(size, offset)?;
        }
    }
    Ok(())
}

fn written_bytes_arrive() -> Outcome {
    leaves_nothing(|| {
        let d = Daemon::start()?;
        let fd = d.open(5)?;
        let mut room = Room::new()?;
        d.expect(17);
        each(|size, offset| {
            let (address, start) = room.prepare(offset, size, Some(17));
            d.answer(size);
            let mark = d.logged();
            check_eq!(
                raw(syscall::SYS_WRITE, [fd.raw(), address, size, 0, 0, 0])?,
                size
            );
            let m = d.one(mark, Opcode::Write)?;
            check_eq!(
                (m.args[2], m.mismatch, m.stray),
                (size as u64, None, 0),
                "{size} at {offset}"
            );
            if size > 4096 {
                check_eq!(m.args[1] as usize % 4096, address % 4096);
            }
            let wrong = room.check(start, size, 17, |_| 0, size);
            check_eq!(wrong, None, "{size} at {offset}");
            Ok(())
        })
    })
}

fn read_bytes_arrive() -> Outcome {
    leaves_nothing(|| {
        let d = Daemon::start()?;
        let fd = d.open(5)?;
        let mut room = Room::new()?;
        each(|size, offset| {
            let (address, start) = room.prepare(offset, size, None);
            d.fill(23, size);
            d.answer(size);
            let mark = d.logged();
            check_eq!(
                raw(syscall::SYS_READ, [fd.raw(), address, size, 0, 0, 0])?,
                size
            );
            let m = d.one(mark, Opcode::Read)?;
            check_eq!((m.args[2], m.stray), (size as u64, 0), "{size} at {offset}");
            let wrong = room.check(start, size, 23, |_| 0, size);
            check_eq!(wrong, None, "{size} at {offset}");
            Ok(())
        })
    })
}

fn calls_go_both_ways() -> Outcome {
    leaves_nothing(|| {
        let d = Daemon::start()?;
        let fd = d.open(5)?;
        let mut room = Room::new()?;
        d.expect(31);
        each(|size, offset| {
            for (flags, changes) in [
                (CallFlags::READ | CallFlags::WRITE, true),
                (CallFlags::WRITE, false),
            ] {
                let (address, start) = room.prepare(offset, size, Some(31));
                d.fill(if changes { 37 } else { 0 }, size);
                d.answer(3);
                let mark = d.logged();
                let args = [fd.raw(), address, size, flags.bits(), 0, 0];
                check_eq!(raw(syscall::SYS_CALL, args)?, 3);
                let m = d.one(mark, Opcode::Call)?;
                check_eq!((m.mismatch, m.stray), (None, 0), "{size} at {offset}");
                let seed = if changes { 37 } else { 31 };
                let wrong = room.check(start, size, seed, |_| 0, size);
                check_eq!(wrong, None, "{size} at {offset}");
            }
            Ok(())
        })
    })
}

fn short_reads_touch_only_their_part() -> Outcome {
    leaves_nothing(|| {
        let d = Daemon::start()?;
        let fd = d.open(5)?;
        let mut room = Room::new()?;
        each(|size, offset| {
            for part in [0, 1, size / 2, size.saturating_sub(1)] {
                let (address, start) = room.prepare(offset, size, None);
                let part = part.min(size);
                d.fill(23, part);
                d.answer(part);
                check_eq!(
                    raw(syscall::SYS_READ, [fd.raw(), address, size, 0, 0, 0])?,
                    part
                );
                let wrong = room.check(start, part, 23, |_| AROUND, size);
                check_eq!(wrong, None, "{part} of {size} at {offset}");
            }
            // An error gives nothing at all, as far as the kernel copies.
            let (address, start) = room.prepare(offset, size, None);
            d.fill(23, size.min(1));
            d.refuse(EIO);
            check_error!(
                raw(syscall::SYS_READ, [fd.raw(), address, size, 0, 0, 0]),
                EIO
            );
            if size <= 4096 || offset > 0 {
                check_eq!(
                    room.check(start, 0, 0, |_| AROUND, size),
                    None,
                    "{size} at {offset}"
                );
            }
            Ok(())
        })
    })
}

/// A number of bytes that nobody asked for would send the caller beyond its buffer.
fn answers_of_more_than_was_asked_are_errors() -> Outcome {
    leaves_nothing(|| {
        let d = Daemon::start()?;
        let (plain, positioned) = (d.open(5)?, d.open_positioned(6)?);
        let mut room = Room::new()?;
        let getdents = [StdFsCallKind::Getdents as u64, 0];
        let standard = (CallFlags::STD_FS | CallFlags::READ).bits() | getdents.len();
        for size in SIZES {
            let (address, start) = room.prepare(0, size, None);
            for more in [1, 4096, usize::MAX - 5000 - size] {
                d.answer(size + more);
                for fd in [&plain, &positioned] {
                    for number in [syscall::SYS_READ, syscall::SYS_WRITE, syscall::SYS_FPATH] {
                        let asked = if number == syscall::SYS_FPATH {
                            size.min(4096)
                        } else {
                            size
                        };
                        d.answer(asked + more);
                        let result = raw(number, [fd.raw(), address, size, 0, 0, 0]);
                        check_error!(result, EIO, "{number:#x}, {size} and {more}");
                    }
                    d.answer(size + more);
                    let metadata = getdents.as_ptr() as usize;
                    let args = [fd.raw(), address, size, standard, metadata, 0];
                    check_error!(raw(syscall::SYS_CALL, args), EIO, "{size} and {more}");
                }
            }
            let wrong = room.check(start, 0, 0, |_| AROUND, size);
            check_eq!(wrong, None, "{size}");
        }
        // The position has not moved.
        let args = [positioned.raw(), 0, SEEK_CUR, 0, 0, 0];
        check_eq!(raw(syscall::SYS_LSEEK, args)?, 0);
        Ok(())
    })
}

fn memory_that_may_not_be_written() -> Outcome {
    leaves_nothing(|| {
        let d = Daemon::start()?;
        let fd = d.open(5)?;
        let mut room = Room::new()?;
        let base = room.base;
        room.all().fill(AROUND);
        // SAFETY: nothing writes there before the protection is given back.
        unsafe { sys::mprotect(base, ROOM, MapFlags::PROT_READ) }?;
        for size in [1, 4096, 4097, 64 << 10] {
            for offset in [0, 5, 4095] {
                let address = base + 4096 + offset;
                d.fill(23, size);
                d.answer(size);
                let read = raw(syscall::SYS_READ, [fd.raw(), address, size, 0, 0, 0]);
                check_error!(read, EFAULT, "read {size} at {offset}");
                let flags = CallFlags::READ.bits();
                let call = raw(syscall::SYS_CALL, [fd.raw(), address, size, flags, 0, 0]);
                check_error!(call, EFAULT, "call {size} at {offset}");
                // Writing from it is another matter.
                d.fill(0, 0);
                check_eq!(
                    raw(syscall::SYS_WRITE, [fd.raw(), address, size, 0, 0, 0])?,
                    size
                );
            }
        }
        // Only the last page is read-only.
        // SAFETY: as above.
        unsafe { sys::mprotect(base, 4 * 4096, MapFlags::PROT_READ | MapFlags::PROT_WRITE) }?;
        for (address, size) in [(base + 4 * 4096 - 8, 16), (base + 4096 + 1, 3 * 4096)] {
            d.fill(23, size);
            d.answer(size);
            check_error!(
                raw(syscall::SYS_READ, [fd.raw(), address, size, 0, 0, 0]),
                EFAULT,
                "{size}"
            );
        }
        // SAFETY: as above.
        unsafe { sys::mprotect(base, ROOM, MapFlags::PROT_READ | MapFlags::PROT_WRITE) }?;
        check!(room.all()[4 * 4096..].iter().all(|b| *b == AROUND));
        Ok(())
    })
}

fn memory_that_is_not_there() -> Outcome {
    leaves_nothing(|| {
        let d = Daemon::start()?;
        let fd = d.open(5)?;
        let base = map_at(0, 16 * 4096, MapFlags::MAP_PRIVATE)?;
        unmap(base + 8 * 4096, 4096)?;
        let mark = d.logged();
        let bad = [
            (0, 1),
            (0x1000, 10),
            (base + 8 * 4096, 1),
            (base + 8 * 4096 - 1, 2),
            (base + 7 * 4096, 2 * 4096),
            (base + 7 * 4096 + 1, 5 * 4096),
            (base + 8 * 4096, 5 * 4096),
            (0x7fff_ffff_f000, 1),
            (0x7fff_ffff_efff, 4098),
            (1 << 47, 5000),
            (usize::MAX, 1),
            (usize::MAX - 4095, 4096),
            (usize::MAX - 4095, 8192),
            (1 << 63, 1 << 20),
        ];
        d.answer(0);
        for (address, len) in bad {
            for number in [syscall::SYS_WRITE, syscall::SYS_READ] {
                let outcome = raw(number, [fd.raw(), address, len, 0, 0, 0]);
                if number == syscall::SYS_WRITE {
                    check_error!(outcome, EFAULT, "{address:#x} {len}");
                } else {
                    // A small buffer is looked at only when there is something to put there.
                    check!(outcome == Ok(0) || outcome == Err(redox_rt::Error::new(EFAULT)));
                }
            }
            d.fill(5, len.min(4096));
            d.answer(len.min(4096));
            check_error!(
                raw(syscall::SYS_READ, [fd.raw(), address, len, 0, 0, 0]),
                EFAULT
            );
            d.fill(0, 0);
            d.answer(0);
            for flags in [CallFlags::empty(), CallFlags::WRITE, CallFlags::READ] {
                let args = [fd.raw(), address, len, flags.bits(), 0, 0];
                check_error!(
                    raw(syscall::SYS_CALL, args),
                    EFAULT,
                    "{address:#x} {len} {flags:?}"
                );
            }
        }
        check_eq!(
            d.of_kind(mark, Opcode::Write).len(),
            0,
            "a daemon was told of a bad buffer"
        );
        unmap(base, 16 * 4096)?;
        Ok(())
    })
}

fn buffers_of_copied_pages() -> Outcome {
    leaves_nothing(|| {
        // Pages that a fork shares, copied on write: what the daemon writes is the caller's alone.
        let d = Daemon::start()?;
        let fd = d.open(5)?;
        let mut room = Room::new()?;
        for (size, offset) in [(4096, 7), (3 * 4096, 0), (5 * 4096, 33)] {
            let (address, start) = room.prepare(offset, size, Some(3));
            d.fill(41, size);
            d.answer(size);
            let child = crate::world::Caller::start(|| {
                raw(syscall::SYS_READ, [fd.raw(), address, size, 0, 0, 0])?;
                let good = room.check(start, size, 41, |_| 0, size).is_none();
                Ok(usize::from(good))
            })?;
            check_eq!(child.result()?, 1, "{size}");
            check_eq!(room.check(start, size, 3, |_| 0, size), None, "{size}");
        }
        Ok(())
    })
}

fn buffers_leave_no_memory_behind() -> Outcome {
    leaves_nothing(|| {
        let d = Daemon::start()?;
        let fd = d.open(5)?;
        let mut room = Room::new()?;
        let mut round = || -> Outcome {
            for (size, offset) in [(100, 0), (4097, 3), (3 * 4096, 0), (9 * 4096 + 5, 4000)] {
                let (address, _) = room.prepare(offset, size, Some(3));
                for number in [syscall::SYS_READ, syscall::SYS_WRITE] {
                    d.answer(size);
                    check_eq!(raw(number, [fd.raw(), address, size, 0, 0, 0])?, size);
                }
            }
            Ok(())
        };
        // This program's own heap and stack grow to what they need.
        let mut warm = alloc::vec::Vec::new();
        for _ in 0..5 {
            round()?;
            warm.push(counts(b"memory")?);
        }
        warm.clear();
        let before = counts(b"memory")?;
        for _ in 0..200 {
            round()?;
        }
        let after = counts(b"memory")?;
        check_eq!(after, before);
        Ok(())
    })
}

/// What a daemon is lent it can neither move nor lend on as its own memory, and its children do not get it.
fn lent_buffers_are_for_the_call() -> Outcome {
    leaves_nothing(|| {
        let d = Daemon::start()?;
        let (fd, object) = (d.open(5)?, d.open(6)?);
        let room = Room::new()?;
        let (address, size, number) = (room.base, 2 * 4096, fd.raw());
        d.hold();
        let mark = d.logged();
        let caller = Caller::start(|| raw(syscall::SYS_WRITE, [number, address, size, 0, 0, 0]))?;
        d.until(mark, Opcode::Write, 1)?;
        let m = d.one(mark, Opcode::Write)?;
        let base = m.args[1] as usize;
        for flags in [
            MremapFlags::empty(),
            MremapFlags::KEEP_OLD,
            MremapFlags::FIXED,
        ] {
            let args = [base, size, base + (1 << 30), size, flags.bits(), 0];
            check_error!(d.remote(syscall::SYS_MREMAP, args), EACCES, "{flags:?}");
        }
        d.answer(base);
        for flags in [MapFlags::MAP_SHARED, MapFlags::MAP_PRIVATE] {
            let map = Map {
                offset: 0,
                size,
                flags: flags | MapFlags::PROT_READ,
                address: 0,
            };
            // SAFETY: the kernel chooses the place.
            check_error!(unsafe { sys::fmap(object.raw(), &map) }, EACCES);
        }
        let space = d.process()?.context().handle(b"addrspace")?;
        check_eq!(
            sys::read_at(space.raw(), &mut [0; 8], base as u64, None)?,
            8
        );
        let copy = space.dup(b"exclusive")?;
        check_error!(
            sys::read_at(copy.raw(), &mut [0; 8], base as u64, None),
            EFAULT
        );
        d.complete_with(m.tag, Ok(size))?;
        check_eq!(caller.result()?, size);
        Ok(())
    })
}

fn huge_buffers_are_refused_or_carried() -> Outcome {
    leaves_nothing(|| {
        let d = Daemon::start()?;
        let fd = d.open(5)?;
        d.answer(0);
        // More address space than there is memory: nothing of it is touched before.
        let len = 64 << 30;
        let base = map_at(0, len, MapFlags::MAP_PRIVATE)?;
        let before = count(b"memory", "free")?;
        for flags in [CallFlags::empty(), CallFlags::WRITE, CallFlags::READ] {
            let refused = raw(syscall::SYS_CALL, [fd.raw(), base, len, flags.bits(), 0, 0]);
            check!(refused.is_err(), "{flags:?}: {refused:?}");
        }
        unmap(base, len)?;
        let after = count(b"memory", "free")?;
        check!(after + 64 > before, "{before} before, {after} after");
        // The daemon still serves.
        sys::fsync(fd.raw())?;
        Ok(())
    })
}
