//! Memory: anonymous maps, protection, moving, copies on write, and what the memory scheme maps.

use guest_test::{Outcome, check, check_eq, check_error};
use redox_rt::{Result, sys};
use syscall::PAGE_SIZE;
use syscall::error::*;
use syscall::flag::*;

use crate::world::*;

pub fn run() -> i32 {
    guest_test::run!["maps" =>
        fresh_memory_is_zero, untouched_pages_cost_nothing, fixed_maps_replace_and_refuse,
        protection_is_kept, parts_are_unmapped, maps_move_and_resize, aliases_share_frames,
        a_fork_copies_on_write, shared_memory_is_shared, memory_runs_out_and_comes_back,
        contiguous_memory_is_adjacent, the_kernels_memory_is_not_to_be_had, addresses_are_translated,
        spaces_are_mapped_into_each_other, maps_stay_within_their_rights, lowest_addresses_are_respected,
        what_is_waited_at_stays_apart, some_memory_is_kept_for_the_superuser,
    ]
}

const RW: MapFlags = PROT_READ.union(PROT_WRITE);
const ANY: usize = sys::ANONYMOUS;

fn mremap(old: usize, old_len: usize, new: usize, len: usize, flags: MremapFlags) -> Result<usize> {
    raw(
        syscall::SYS_MREMAP,
        [old, old_len, new, len, flags.bits(), 0],
    )
}

fn fresh_memory_is_zero() -> Outcome {
    leaves_nothing(|| {
        for round in 0..20 {
            let size = (round % 7 + 1) * PAGE_SIZE;
            let base = anonymous(size, MAP_PRIVATE | RW)?;
            all_are(base, size, 0)?;
            for at in (base..base + size).step_by(8) {
                poke(at, u64::MAX);
            }
            unmap(base, size)?;
        }
        Ok(())
    })
}

fn free() -> Result<usize> {
    count(b"memory", "free")
}

fn untouched_pages_cost_nothing() -> Outcome {
    const SIZE: usize = 1 << 40;
    let before = free()?;
    let base = anonymous(SIZE, MAP_PRIVATE | RW)?;
    check!(before - free()? < 8);
    for at in [0, SIZE / 2, SIZE - PAGE_SIZE] {
        check_eq!(peek(base + at), 0);
        poke(base + at, 5);
    }
    check!(before - free()? < 32);
    unmap(base, SIZE)?;
    check!(before.abs_diff(free()?) < 8);
    Ok(())
}

fn fixed_maps_replace_and_refuse() -> Outcome {
    leaves_nothing(|| {
        let place = PLACE;
        check_eq!(
            map(
                ANY,
                0,
                place,
                4 * PAGE_SIZE,
                MAP_PRIVATE | RW | MAP_FIXED_NOREPLACE
            )?,
            place
        );
        for page in 0..4 {
            poke(place + page * PAGE_SIZE, 1 + page as u64);
        }
        for (at, pages) in [(0, 1), (3, 1), (1, 2), (0, 4), (3, 8)] {
            let flags = MAP_PRIVATE | RW | MAP_FIXED_NOREPLACE;
            check_error!(
                map(ANY, 0, place + at * PAGE_SIZE, pages * PAGE_SIZE, flags),
                EEXIST
            );
        }
        check_eq!(
            map(
                ANY,
                0,
                place + PAGE_SIZE,
                2 * PAGE_SIZE,
                MAP_PRIVATE | RW | MAP_FIXED
            )?,
            place + PAGE_SIZE
        );
        check_eq!(
            [0, 1, 2, 3].map(|page| peek(place + page * PAGE_SIZE)),
            [1, 0, 0, 4]
        );
        // A hint is taken if it is free, and is no more than that.
        let hinted = map(ANY, 0, place + 16 * PAGE_SIZE, PAGE_SIZE, MAP_PRIVATE | RW)?;
        check_eq!(hinted, place + 16 * PAGE_SIZE);
        let other = map(ANY, 0, place, PAGE_SIZE, MAP_PRIVATE | RW)?;
        check!(!(place..place + 4 * PAGE_SIZE).contains(&other));
        check_eq!(peek(place), 1);
        for base in [hinted, other] {
            unmap(base, PAGE_SIZE)?;
        }
        Ok(unmap(place, 4 * PAGE_SIZE)?)
    })
}

fn protection_is_kept() -> Outcome {
    leaves_nothing(|| {
        let base = anonymous(3 * PAGE_SIZE, MAP_PRIVATE | RW)?;
        poke(base + PAGE_SIZE, 3);
        check_eq!(access(base + PAGE_SIZE)?, (true, true));
        protect(base + PAGE_SIZE, PAGE_SIZE, PROT_READ)?;
        check_eq!(access(base + PAGE_SIZE)?, (true, false));
        check_eq!(access(base)?, (true, true));
        check_eq!(access(base + 2 * PAGE_SIZE)?, (true, true));
        protect(base + PAGE_SIZE, PAGE_SIZE, MapFlags::empty())?;
        check_eq!(access(base + PAGE_SIZE)?, (false, false));
        protect(base, 3 * PAGE_SIZE, PROT_READ | PROT_EXEC)?;
        check_eq!(access(base + PAGE_SIZE)?, (true, false));
        check_eq!(peek(base + PAGE_SIZE), 3);
        protect(base, 3 * PAGE_SIZE, RW)?;
        check_eq!(peek(base + PAGE_SIZE), 3);
        // A range with a hole changes nothing.
        unmap(base + PAGE_SIZE, PAGE_SIZE)?;
        check_error!(protect(base, 3 * PAGE_SIZE, PROT_READ), ENOMEM);
        check_eq!(access(base)?, (true, true));
        Ok(unmap(base, 3 * PAGE_SIZE)?)
    })
}

fn parts_are_unmapped() -> Outcome {
    leaves_nothing(|| {
        let base = anonymous(8 * PAGE_SIZE, MAP_PRIVATE | RW)?;
        for page in 0..8 {
            poke(base + page * PAGE_SIZE, page as u64);
        }
        for page in [3, 0, 7, 4] {
            unmap(base + page * PAGE_SIZE, PAGE_SIZE)?;
        }
        for page in 0..8 {
            let gone = [3, 0, 7, 4].contains(&page);
            check_eq!(
                access(base + page * PAGE_SIZE)?,
                (!gone, !gone),
                "page {page}"
            );
            if !gone {
                poke(base + page * PAGE_SIZE, page as u64);
            }
        }
        // Sizes are rounded up, holes do not matter.
        unmap(base, 7 * PAGE_SIZE + 1)?;
        check_eq!(access(base + PAGE_SIZE)?, (false, false));
        Ok(())
    })
}

fn maps_move_and_resize() -> Outcome {
    leaves_nothing(|| {
        let stay = MremapFlags::empty();
        let base = map(
            ANY,
            0,
            PLACE,
            2 * PAGE_SIZE,
            MAP_PRIVATE | RW | MAP_FIXED_NOREPLACE,
        )?;
        poke(base, 1);
        poke(base + PAGE_SIZE, 2);
        // In place, while there is room.
        check_eq!(mremap(base, 2 * PAGE_SIZE, 0, 4 * PAGE_SIZE, stay)?, base);
        check_eq!(
            [0, 1, 2, 3].map(|n| peek(base + n * PAGE_SIZE)),
            [1, 2, 0, 0]
        );
        check_eq!(mremap(base, 4 * PAGE_SIZE, 0, 2 * PAGE_SIZE, stay)?, base);
        check_eq!(access(base + 2 * PAGE_SIZE)?, (false, false));
        // Elsewhere, when there is none.
        let wall = base + 2 * PAGE_SIZE;
        map(
            ANY,
            0,
            wall,
            PAGE_SIZE,
            MAP_PRIVATE | RW | MAP_FIXED_NOREPLACE,
        )?;
        let moved = mremap(base, 2 * PAGE_SIZE, 0, 3 * PAGE_SIZE, stay)?;
        check!(moved != base);
        check_eq!([0, 1, 2].map(|n| peek(moved + n * PAGE_SIZE)), [1, 2, 0]);
        check_eq!(access(base)?, (false, false));
        // To a place that is named: refused if it is taken, unless it is to be replaced.
        check_error!(
            mremap(moved, PAGE_SIZE, wall, PAGE_SIZE, MremapFlags::FIXED),
            EEXIST
        );
        check_eq!(peek(moved), 1);
        check_eq!(
            mremap(
                moved,
                PAGE_SIZE,
                wall,
                PAGE_SIZE,
                MremapFlags::FIXED_REPLACE
            )?,
            wall
        );
        check_eq!(peek(wall), 1);
        check_eq!(access(moved)?, (false, false));
        check_eq!(peek(moved + PAGE_SIZE), 2);
        let there = PLACE + 64 * PAGE_SIZE;
        check_eq!(
            mremap(
                moved + PAGE_SIZE,
                2 * PAGE_SIZE,
                there,
                PAGE_SIZE,
                MremapFlags::FIXED
            )?,
            there
        );
        check_eq!(peek(there), 2);
        check_eq!(access(moved + 2 * PAGE_SIZE)?, (false, false));
        // Protection moves along.
        protect(there, PAGE_SIZE, PROT_READ)?;
        let again = mremap(
            there,
            PAGE_SIZE,
            there + PAGE_SIZE,
            PAGE_SIZE,
            MremapFlags::FIXED,
        )?;
        check_eq!(access(again)?, (true, false));
        unmap(again, PAGE_SIZE)?;
        Ok(unmap(wall, PAGE_SIZE)?)
    })
}

fn aliases_share_frames() -> Outcome {
    leaves_nothing(|| {
        let base = anonymous(2 * PAGE_SIZE, MAP_PRIVATE | RW)?;
        poke(base, 1);
        let alias = mremap(base, 2 * PAGE_SIZE, 0, 2 * PAGE_SIZE, MremapFlags::KEEP_OLD)?;
        check!(alias != base);
        poke(alias + PAGE_SIZE, 2);
        poke(base, 3);
        check_eq!([peek(alias), peek(base + PAGE_SIZE)], [3, 2]);
        unmap(base, 2 * PAGE_SIZE)?;
        check_eq!([peek(alias), peek(alias + PAGE_SIZE)], [3, 2]);
        check_error!(
            mremap(alias, PAGE_SIZE, 0, 2 * PAGE_SIZE, MremapFlags::KEEP_OLD),
            EINVAL
        );
        Ok(unmap(alias, 2 * PAGE_SIZE)?)
    })
}

fn a_fork_copies_on_write() -> Outcome {
    leaves_nothing(|| {
        let size = 16 * PAGE_SIZE;
        let base = anonymous(size, MAP_PRIVATE | RW)?;
        for at in (base..base + size).step_by(8) {
            poke(at, 1);
        }
        let (read, write) = pipe()?;
        let child = Process::start(|| {
            let first = all_are(base, size, 1);
            for at in (base..base + size).step_by(8) {
                poke(at, 2);
            }
            let _ = sys::close(write.raw());
            // The parent has written by now.
            let waited = read.read(&mut [0]);
            i32::from(first.is_err() || waited != Ok(0) || all_are(base, size, 2).is_err())
        })?;
        child.until_blocked()?;
        all_are(base, size, 1)?;
        for at in (base..base + size).step_by(8) {
            poke(at, 3);
        }
        write.close()?;
        child.succeeds()?;
        all_are(base, size, 3)?;
        // The kernel's own copies divide pages as well.
        let reader = Process::start(|| {
            let (read, write) = match pipe() {
                Ok(ends) => ends,
                Err(_) => return 1,
            };
            let filled = write.write(&[9; 64]);
            let got = raw(syscall::SYS_READ, [read.raw(), base, 64, 0, 0, 0]);
            i32::from(!(filled == Ok(64) && got == Ok(64)))
        })?;
        reader.succeeds()?;
        all_are(base, size, 3)?;
        Ok(unmap(base, size)?)
    })
}

fn shared_memory_is_shared() -> Outcome {
    leaves_nothing(|| {
        let base = anonymous(2 * PAGE_SIZE, MAP_SHARED | RW)?;
        poke(base, 1);
        let child = Process::start(|| {
            let seen = peek(base);
            poke(base, 2);
            poke(base + PAGE_SIZE, 3);
            i32::from(seen != 1)
        })?;
        child.succeeds()?;
        check_eq!([peek(base), peek(base + PAGE_SIZE)], [2, 3]);
        Ok(unmap(base, 2 * PAGE_SIZE)?)
    })
}

/// A process that takes all memory is told so, or ended; then everything goes on.
fn memory_runs_out_and_comes_back() -> Outcome {
    leaves_nothing(|| {
        let before = free()?;
        let hungry = Process::start(|| {
            let Ok((read, write)) = pipe() else { return 1 };
            let Ok(base) = anonymous(1 << 32, MAP_PRIVATE | RW) else {
                return 2;
            };
            // The kernel touches the pages, and says when there are no more.
            for page in 0..1 << 20 {
                if write.write(b"x").is_err() {
                    return 3;
                }
                match raw(
                    syscall::SYS_READ,
                    [read.raw(), base + page * PAGE_SIZE, 1, 0, 0, 0],
                ) {
                    Ok(_) => {}
                    Err(e) if e.errno == ENOMEM => return 0,
                    Err(_) => return 4,
                }
            }
            5
        })?;
        hungry.succeeds()?;
        let fatal = Process::start(|| {
            let Ok(base) = anonymous(1 << 32, MAP_PRIVATE | RW) else {
                return 2;
            };
            for page in 0..1 << 20 {
                poke(base + page * PAGE_SIZE, 1);
            }
            0
        })?;
        let end = fatal.wait()?;
        check!(
            matches!(end, redox_rt::context::Status::Exception { kind: 14, .. }),
            "{end:?}"
        );
        drop((hungry, fatal));
        check!(free()? + 64 > before, "{} of {before}", free()?);
        Ok(())
    })
}

/// Whatever another user's program takes and holds, the superuser's get more yet.
fn some_memory_is_kept_for_the_superuser() -> Outcome {
    leaves_nothing(|| {
        let ((wait, go), (told, tell)) = (pipe()?, pipe()?);
        let hungry = Process::start(|| {
            let mut byte = [0];
            let Ok(base) = anonymous(1 << 32, MAP_PRIVATE | RW) else {
                return 1;
            };
            if wait.read(&mut byte) != Ok(1) {
                return 2;
            }
            // The kernel touches the pages, and says when there are no more.
            let time = |page| {
                let place = base + page * PAGE_SIZE;
                raw(
                    syscall::SYS_CLOCK_GETTIME,
                    [CLOCK_MONOTONIC, place, 0, 0, 0, 0],
                )
            };
            let Some(error) = (0..1 << 20).find_map(|page| time(page).err()) else {
                return 3;
            };
            let _ = tell.write(&[error.errno as u8]);
            let _ = wait.read(&mut byte);
            0
        })?;
        let mut attributes = hungry.context().attributes()?;
        attributes.euid = 1000;
        hungry.context().set_attributes(&attributes)?;
        go.write_exact(b"x")?;
        let mut error = [0];
        told.read_exact(&mut error)?;
        check!(matches!(i32::from(error[0]), ENOMEM | EFAULT), "{error:?}");
        let size = 256 * PAGE_SIZE;
        let base = anonymous(size, MAP_PRIVATE | RW)?;
        for at in (base..base + size).step_by(PAGE_SIZE) {
            poke(at, 1);
        }
        unmap(base, size)?;
        hungry.kill()?;
        Ok(())
    })
}

fn translate(address: usize) -> Result<usize> {
    let handle = world().memory.open(b"translation", O_RDWR)?;
    let mut word = address;
    raw(
        syscall::SYS_CALL,
        [handle.raw(), &raw mut word as usize, 8, 0, 0, 0],
    )?;
    Ok(word)
}

/// Memory at a word of which somebody waits is nobody else's until the wait ends, whoever has unmapped it.
fn what_is_waited_at_stays_apart() -> Outcome {
    leaves_nothing(|| {
        let words = words()?;
        let page = core::ptr::from_ref(words) as usize;
        let was = translate(page)?;
        let process = Process::start(|| {
            let wait = [page, syscall::FUTEX_WAIT, 0, 0, 0, 0];
            i32::from(raw(syscall::SYS_FUTEX, wait).is_err())
        })?;
        process.until_blocked()?;
        let space = process.context().handle(b"addrspace")?;
        space.write(sys::bytes_of(&[ADDRSPACE_OP_MUNMAP, page, PAGE_SIZE]))?;
        forget_words(words)?;
        let size = 64 * PAGE_SIZE;
        let others = anonymous(size, MAP_PRIVATE | RW)?;
        for at in (others..others + size).step_by(PAGE_SIZE) {
            poke(at, 1);
            check!(translate(at)? != was, "{at:#x}");
        }
        unmap(others, size)?;
        process.kill()?;
        drop(space);
        Ok(())
    })
}

fn contiguous_memory_is_adjacent() -> Outcome {
    leaves_nothing(|| {
        let source = world().memory.open(b"contiguous", O_RDWR)?;
        let before = free()?;
        for pages in [1, 2, 3, 7, 32] {
            let size = pages * PAGE_SIZE;
            let base = map(source.raw(), 0, 0, size, MAP_SHARED | RW)?;
            all_are(base, size, 0)?;
            poke(base, 1);
            let first = translate(base)?;
            for page in 0..pages {
                check_eq!(
                    translate(base + page * PAGE_SIZE + 5)?,
                    first + page * PAGE_SIZE + 5
                );
            }
            unmap(base, size)?;
        }
        check!(before.abs_diff(free()?) < 16);
        check_error!(map(source.raw(), 0, 0, 1 << 40, MAP_SHARED | RW), ENOMEM);
        Ok(())
    })
}

/// Memory that the kernel manages is not to be had by its physical address.
fn the_kernels_memory_is_not_to_be_had() -> Outcome {
    leaves_nothing(|| {
        let denied = count(b"denials", "capability")?;
        let page = anonymous(PAGE_SIZE, MAP_PRIVATE | RW)?;
        poke(page, 77);
        let physical = translate(page)?;
        for key in [
            &b"physical"[..],
            b"physical@wb",
            b"physical@uc",
            b"physical@wc",
        ] {
            let source = world().memory.open(key, O_RDWR)?;
            check_error!(
                map(source.raw(), physical, 0, PAGE_SIZE, MAP_SHARED | RW),
                EPERM
            );
            check_error!(map(source.raw(), 0, 0, 1 << 32, MAP_SHARED | RW), EPERM);
        }
        check_eq!(count(b"denials", "capability")?, denied + 8);
        // The kernel's image as QEMU loads it (RAM that is free under another loader), an I/O APIC, the
        // local APIC, and the last of the addresses that mean an interrupt.
        let source = world().memory.open(b"physical", O_RDWR)?;
        for managed in [0x20_0000, 0xfec0_0000, 0xfee0_0000, 0xfeef_f000] {
            check_error!(
                map(source.raw(), managed, 0, PAGE_SIZE, MAP_SHARED | RW),
                EPERM,
                "{managed:#x}"
            );
            let window = alloc::format!("physical@uc/{managed:x}/1000");
            check_error!(
                world().memory.open(window.as_bytes(), O_RDWR),
                EPERM,
                "{window}"
            );
        }
        check_eq!(count(b"denials", "capability")?, denied + 16);
        // The high-precision timer is a device; its first register names its maker.
        let source = world().memory.open(b"physical@uc", O_RDWR)?;
        let device = map(
            source.raw(),
            0xfed0_0000,
            0,
            PAGE_SIZE,
            MAP_SHARED | PROT_READ,
        )?;
        // SAFETY: the page is mapped for as long.
        let id = unsafe { core::ptr::with_exposed_provenance::<u32>(device).read_volatile() };
        check_eq!(id >> 16, 0x8086);
        // The kernel does not reach into devices for a program.
        check_eq!(access(device)?, (false, false));
        unmap(device, PAGE_SIZE)?;
        Ok(unmap(page, PAGE_SIZE)?)
    })
}

fn addresses_are_translated() -> Outcome {
    leaves_nothing(|| {
        let base = anonymous(2 * PAGE_SIZE, MAP_PRIVATE | RW)?;
        check_eq!(translate(base + 123)? % PAGE_SIZE, 123);
        check!(translate(base)? != translate(base + PAGE_SIZE)?);
        protect(base, PAGE_SIZE, PROT_READ)?;
        check_error!(translate(base), EFAULT);
        check_error!(translate(0), EFAULT);
        check_error!(translate(1 << 63), EFAULT);
        Ok(unmap(base, 2 * PAGE_SIZE)?)
    })
}

/// An address space is mapped like a file whose offsets are its addresses.
fn spaces_are_mapped_into_each_other() -> Outcome {
    leaves_nothing(|| {
        let other = world().proc.open(b"new-addrspace", 0)?;
        let words = [
            ADDRSPACE_OP_MMAP,
            ANY,
            0,
            PLACE,
            2 * PAGE_SIZE,
            (MAP_PRIVATE | RW | MAP_FIXED_NOREPLACE).bits(),
        ];
        check_eq!(other.write(sys::bytes_of(&words))?, PLACE);
        let here = map(other.raw(), PLACE, 0, 2 * PAGE_SIZE, MAP_SHARED | RW)?;
        poke(here, 42);
        let mut word = [0; 8];
        check_eq!(sys::read_at(other.raw(), &mut word, PLACE as u64, None)?, 8);
        check_eq!(u64::from_le_bytes(word), 42);
        check_eq!(
            sys::write_at(other.raw(), &[7; 8], (PLACE + PAGE_SIZE) as u64, None)?,
            8
        );
        check_eq!(peek(here + PAGE_SIZE), 0x0707_0707_0707_0707);
        let copy = map(other.raw(), PLACE, 0, PAGE_SIZE, MAP_PRIVATE | RW)?;
        poke(copy, 43);
        check_eq!(peek(here), 42);
        check_error!(
            map(other.raw(), PLACE, 0, 3 * PAGE_SIZE, MAP_SHARED | RW),
            EFAULT
        );
        unmap(copy, PAGE_SIZE)?;
        other.close()?;
        check_eq!(peek(here), 42);
        Ok(unmap(here, 2 * PAGE_SIZE)?)
    })
}

/// What a descriptor without the right gives can neither be made writable later nor passed off as private.
fn maps_stay_within_their_rights() -> Outcome {
    leaves_nothing(|| {
        let space = world().proc.open(b"new-addrspace", 0)?;
        let flags = (MAP_PRIVATE | RW | MAP_FIXED_NOREPLACE).bits();
        let words = [ADDRSPACE_OP_MMAP, ANY, 0, PLACE, PAGE_SIZE, flags];
        check_eq!(space.write(sys::bytes_of(&words))?, PLACE);
        let open = |key| world().memory.open(key, O_RDWR);
        // The window is on the high-precision timer.
        let sources = [
            (open(b"contiguous")?, 0),
            (open(b"physical@uc")?, 0xfed0_0000),
            (open(b"physical@uc/fed00000/1000")?, 0),
            (open(b"dma/1000")?, 0),
            (space, PLACE),
        ];
        let both = MAP_SHARED | MAP_PRIVATE;
        for (n, (source, offset)) in sources.iter().enumerate() {
            let at = |flags| map(source.raw(), *offset, 0, PAGE_SIZE, flags);
            check_error!(at(both | RW), EINVAL);
            if n < 4 {
                check_error!(at(MAP_PRIVATE | RW), EINVAL);
            }
            source.limit(sys::Rights::MAP_READ)?;
            check_error!(at(MAP_SHARED | RW), EPERM);
            check_error!(at(both | RW), EINVAL);
            let here = at(MAP_SHARED | PROT_READ)?;
            for more in [RW, PROT_READ | PROT_EXEC] {
                check_error!(protect(here, PAGE_SIZE, more), EACCES);
            }
            unmap(here, PAGE_SIZE)?;
        }
        drop(sources);
        let reclaim = [cap_abi::memory::RECLAIM];
        sys::call(world().memory.raw(), CallFlags::empty(), &reclaim)?;
        Ok(())
    })
}

fn lowest_addresses_are_respected() -> Outcome {
    leaves_nothing(|| {
        let context = world().proc.open(b"cur-context", 0)?;
        let handle = context.dup(b"mmap-min-addr")?;
        let mut old = [0; 8];
        handle.read_exact(&mut old)?;
        handle.write_exact(&(PLACE as u64).to_le_bytes())?;
        let base = anonymous(PAGE_SIZE, MAP_PRIVATE | RW)?;
        handle.write_exact(&old)?;
        check!(base >= PLACE, "{base:#x}");
        check_error!(handle.write(&(1_u64 << 47).to_le_bytes()), EINVAL);
        check_error!(handle.write(&[0; 7]), EINVAL);
        Ok(unmap(base, PAGE_SIZE)?)
    })
}
