//! Contexts, address spaces and descriptor tables as descriptors.

use alloc::vec::Vec;
use core::sync::atomic::Ordering::SeqCst;

use cap_abi::{FD_ANY, FD_ANY_UPPER, Rights};
use guest_test::{Outcome, check, check_eq, check_error};
use redox_rt::context::{AddressSpace, Context, Status};
use redox_rt::{Fd, Result, sys};
use syscall::error::*;
use syscall::flag::*;
use syscall::{CtxtStsBuf, EnvRegisters, FloatRegisters, PAGE_SIZE, UPPER_FDTBL_TAG};

use crate::world::*;

pub fn run() -> i32 {
    guest_test::run!["proc" =>
        a_context_is_made_and_forgotten, states_follow_a_life, stopped_contexts_do_not_run,
        registers_are_read_and_written, float_registers_are_masked, bases_are_checked,
        attributes_are_guarded, affinity_names_the_cpu, status_words_are_kept,
        spaces_are_edited_from_outside, pages_are_moved_between_spaces, spaces_are_copied,
        tables_are_edited_from_outside, tables_are_listed, tables_are_switched,
        a_table_that_holds_itself_ends, chains_of_contexts_end, made_and_abandoned_contexts_end,
        rings_of_tables_and_contexts_end, a_ring_stays_as_long_as_somebody_has_a_part_of_it,
        spaces_are_switched, spaces_and_tables_are_adopted_by_right, what_a_large_table_holds_is_closed,
        memory_of_what_has_ended_is_there_for_the_next,
    ]
}

const RW: MapFlags = PROT_READ.union(PROT_WRITE);

fn a_context_is_made_and_forgotten() -> Outcome {
    leaves_nothing(|| {
        for _ in 0..50 {
            let context = Context::new(&world().proc)?;
            check_eq!(context.get().status()?, Status::New);
            // It has a table of its own, and no space yet.
            check_error!(context.fd().dup(b"addrspace"), ENOENT);
            let table = context.fd().dup(b"filetable")?;
            check_eq!(table.read(&mut [0; 64])?, 0);
            let start = context.fd().dup(b"start")?;
            check_error!(start.write(&[0]), EINVAL);
        }
        Ok(())
    })
}

fn states_follow_a_life() -> Outcome {
    leaves_nothing(|| {
        let (read, write) = pipe()?;
        let process = Process::start(|| {
            let _ = read.read(&mut [0]);
            loop {
                sys::sched_yield();
            }
        })?;
        let state =
            |wanted: ContextStatus| until("the state", || Ok(process.state()? == wanted as usize));
        state(ContextStatus::Blocked)?;
        process.tell(ContextVerb::Stop)?;
        state(ContextStatus::Stopped)?;
        process.tell(ContextVerb::Unstop)?;
        state(ContextStatus::Blocked)?;
        write.write(b"x")?;
        state(ContextStatus::Runnable)?;
        let start = process.context().handle(b"start")?;
        check_error!(start.write(&[0]), EBUSY);
        process.tell(ContextVerb::ForceKill)?;
        state(ContextStatus::ForceKilled)?;
        for verb in [
            ContextVerb::Stop,
            ContextVerb::Unstop,
            ContextVerb::Interrupt,
            ContextVerb::ForceKill,
        ] {
            check_error!(process.tell(verb), ESRCH);
        }
        check_error!(start.write(&[0]), EBUSY);
        check_error!(process.context().handle(b"addrspace").map(drop), ENOENT);
        check_error!(process.context().handle(b"filetable").map(drop), ENOENT);
        check_error!(process.context().int_registers(), ESRCH);
        Ok(())
    })
}

fn stopped_contexts_do_not_run() -> Outcome {
    leaves_nothing(|| {
        let words = words()?;
        let process = Process::start(|| {
            loop {
                words[0].fetch_add(1, SeqCst);
            }
        })?;
        until("it counts", || Ok(words[0].load(SeqCst) > 0))?;
        for _ in 0..5 {
            process.tell(ContextVerb::Stop)?;
            process.tell(ContextVerb::Stop)?;
            let before = words[0].load(SeqCst);
            sleep_ms(5)?;
            check_eq!(words[0].load(SeqCst), before);
            process.tell(ContextVerb::Unstop)?;
            process.tell(ContextVerb::Unstop)?;
            until("it counts again", || Ok(words[0].load(SeqCst) > before))?;
        }
        drop(process);
        Ok(forget_words(words)?)
    })
}

fn registers_are_read_and_written() -> Outcome {
    leaves_nothing(|| {
        let words = words()?;
        let process = Process::start(|| {
            // SAFETY: spins until a register is changed from outside.
            let got = unsafe {
                let got: usize;
                core::arch::asm!(
                    "mov r12, 0x1234",
                    "mov qword ptr [{word}], 1",
                    "2: pause",
                    "cmp r12, 0x1234",
                    "je 2b",
                    "mov {got}, r12",
                    word = in(reg) &raw const words[0], got = lateout(reg) got, out("r12") _,
                );
                got
            };
            i32::from(got != 0x4321)
        })?;
        check_error!(
            process.context().set_int_registers(&Default::default()),
            EBUSY
        );
        until("it spins", || Ok(words[0].load(SeqCst) == 1))?;
        process.tell(ContextVerb::Stop)?;
        let mut registers = process.context().int_registers()?;
        check_eq!(registers.r12, 0x1234);
        registers.r12 = 0x4321;
        process.context().set_int_registers(&registers)?;
        process.tell(ContextVerb::Unstop)?;
        process.succeeds()?;
        Ok(forget_words(words)?)
    })
}

fn float_registers_are_masked() -> Outcome {
    leaves_nothing(|| {
        let words = words()?;
        let process = Process::start(|| {
            while words[0].load(SeqCst) == 0 {
                core::hint::spin_loop();
            }
            0
        })?;
        sleep_ms(1)?;
        process.tell(ContextVerb::Stop)?;
        let handle = process.context().handle(b"regs/float")?;
        let mut registers = FloatRegisters::default();
        handle.read_exact(&mut registers)?;
        // Bits that a load of the registers would fault on.
        registers.mxcsr = u32::MAX;
        registers.xmm_space[3] = 0x1122_3344;
        handle.write_exact(&registers)?;
        let mut back = FloatRegisters::default();
        handle.read_exact(&mut back)?;
        let (mxcsr, xmm) = (back.mxcsr, back.xmm_space[3]);
        check!(mxcsr != u32::MAX);
        check_eq!(xmm, 0x1122_3344);
        // It goes on with that, and nothing happens to the kernel.
        words[0].store(1, SeqCst);
        process.tell(ContextVerb::Unstop)?;
        process.wait()?;
        check_error!(handle.read(&mut [0; 511]), EINVAL);
        Ok(forget_words(words)?)
    })
}

fn bases_are_checked() -> Outcome {
    leaves_nothing(|| {
        let context = Context::new(&world().proc)?;
        let set = |fsbase, gsbase| {
            context
                .get()
                .set_env_registers(&EnvRegisters { fsbase, gsbase })
        };
        set(0x1000, 0x7fff_ffff_f000)?;
        let handle = context.get().handle(b"regs/env")?;
        let mut back = EnvRegisters::default();
        handle.read_exact(&mut back)?;
        let (fs, gs) = (back.fsbase, back.gsbase);
        check_eq!((fs, gs), (0x1000, 0x7fff_ffff_f000));
        check_error!(set(1 << 47, 0), EINVAL);
        check_error!(set(0, 1 << 63), EINVAL);
        // The caller's own can be read while it runs.
        let own = world().proc.open(b"cur-context", 0)?.dup(b"regs/env")?;
        let mut mine = EnvRegisters::default();
        own.read_exact(&mut mine)?;
        let fs = mine.fsbase;
        check!(fs != 0);
        own.write_exact(&mine)?;
        Ok(())
    })
}

fn attributes_are_guarded() -> Outcome {
    leaves_nothing(|| {
        let context = Context::new(&world().proc)?;
        let mut attributes = context.get().attributes()?;
        check_eq!(attributes.prio, 20);
        attributes.pid = 321;
        attributes.euid = 4;
        attributes.egid = 5;
        attributes.prio = 39;
        context.get().set_attributes(&attributes)?;
        let back = context.get().attributes()?;
        check_eq!((back.pid, back.euid, back.egid, back.prio), (321, 4, 5, 39));
        attributes.prio = 40;
        check_error!(context.get().set_attributes(&attributes), EINVAL);
        let limited = context.fd().dup(b"")?;
        limited.limit(Rights::FULL.difference(Rights::ATTR))?;
        let handle = limited.dup(b"attrs")?;
        attributes.prio = 1;
        check_error!(handle.write(&attributes), EPERM);
        handle.read_exact(&mut attributes)?;
        check_eq!(attributes.prio, 39);
        Ok(())
    })
}

fn affinity_names_the_cpu() -> Outcome {
    leaves_nothing(|| {
        let context = Context::new(&world().proc)?;
        let handle = context.get().handle(b"sched-affinity")?;
        let mut mask = [0; 16];
        handle.read_exact(&mut mask)?;
        check_eq!(mask, [0xff; 16]);
        handle.write_exact(&3_u128.to_le_bytes())?;
        handle.read_exact(&mut mask)?;
        check_eq!(u128::from_le_bytes(mask), 3);
        check_error!(handle.write(&2_u128.to_le_bytes()), EINVAL);
        Ok(())
    })
}

fn status_words_are_kept() -> Outcome {
    leaves_nothing(|| {
        let (read, _write) = pipe()?;
        let process = Process::start(|| {
            let _ = read.read(&mut [0]);
            0
        })?;
        process.until_blocked()?;
        let handle = process.context().handle(b"status")?;
        handle.write_exact(sys::bytes_of(&[ContextVerb::ForceKill as usize, 0x1234]))?;
        let mut status = CtxtStsBuf::default();
        handle.read_exact(&mut status)?;
        let code = status.excp.code;
        check_eq!(
            (status.status, code),
            (ContextStatus::ForceKilled as usize, 0x1234)
        );
        Ok(())
    })
}

fn operate(space: &Fd, words: &[usize]) -> Result<usize> {
    space.write(sys::bytes_of(words))
}

fn spaces_are_edited_from_outside() -> Outcome {
    leaves_nothing(|| {
        let space = world().proc.open(b"new-addrspace", 0)?;
        let flags = (MAP_PRIVATE | RW | MAP_FIXED_NOREPLACE).bits();
        let map = |base, size| {
            operate(
                &space,
                &[ADDRSPACE_OP_MMAP, usize::MAX, 0, base, size, flags],
            )
        };
        check_eq!(map(PLACE, 3 * PAGE_SIZE)?, PLACE);
        check_error!(map(PLACE, PAGE_SIZE), EEXIST);
        check_error!(
            operate(
                &space,
                &[ADDRSPACE_OP_MMAP, usize::MAX, 0, 0, 1 << 47, RW.bits()]
            ),
            ENOMEM
        );
        check_error!(
            operate(&space, &[ADDRSPACE_OP_MMAP, usize::MAX, 0, 0]),
            EINVAL
        );
        check_error!(
            operate(
                &space,
                &[ADDRSPACE_OP_MMAP, usize::MAX, 0, 0, PAGE_SIZE, usize::MAX]
            ),
            EINVAL
        );
        operate(
            &space,
            &[
                ADDRSPACE_OP_MPROTECT,
                PLACE + PAGE_SIZE,
                PAGE_SIZE,
                PROT_READ.bits(),
            ],
        )?;
        check_eq!(sys::write_at(space.raw(), b"x", PLACE as u64, None)?, 1);
        check_error!(
            sys::write_at(space.raw(), b"x", (PLACE + PAGE_SIZE) as u64, None),
            EFAULT
        );
        operate(&space, &[ADDRSPACE_OP_MUNMAP, PLACE, PAGE_SIZE])?;
        check_error!(
            sys::read_at(space.raw(), &mut [0], PLACE as u64, None),
            EFAULT
        );
        // The list: base, size, flags, offset of each grant.
        let mut grants = [0_u64; 4 * 4];
        let len = sys::lseek(space.raw(), 0, SEEK_SET).and_then(|_| {
            raw(
                syscall::SYS_READ,
                [space.raw(), grants.as_mut_ptr() as usize, 128, 0, 0, 0],
            )
        })?;
        check_eq!(len, 64);
        let page = PAGE_SIZE as u64;
        let place = PLACE as u64;
        check_eq!(
            [grants[0], grants[1], grants[4], grants[5]],
            [place + page, page, place + 2 * page, page]
        );
        Ok(())
    })
}

fn pages_are_moved_between_spaces() -> Outcome {
    leaves_nothing(|| {
        let space = world().proc.open(b"new-addrspace", 0)?;
        let base = anonymous(2 * PAGE_SIZE, MAP_PRIVATE | RW)?;
        poke(base, 5);
        poke(base + PAGE_SIZE, 6);
        let flags = (MAP_PRIVATE | MAP_FIXED_NOREPLACE | PROT_READ).bits();
        let transfer = |at, size| operate(&space, &[ADDRSPACE_OP_TRANSFER, at, size, PLACE, flags]);
        check_error!(transfer(base, 64 * PAGE_SIZE), EFAULT);
        check_error!(transfer(base + 1, PAGE_SIZE), EINVAL);
        check_eq!(peek(base), 5);
        check_eq!(transfer(base, 2 * PAGE_SIZE)?, PLACE);
        check_eq!(access(base)?, (false, false));
        let mut word = [0; 8];
        check_eq!(
            sys::read_at(space.raw(), &mut word, (PLACE + PAGE_SIZE) as u64, None)?,
            8
        );
        check_eq!(u64::from_le_bytes(word), 6);
        check_error!(sys::write_at(space.raw(), b"x", PLACE as u64, None), EFAULT);
        // Its own space is no other.
        let own = world().proc.open(b"cur-context", 0)?.dup(b"addrspace")?;
        let page = anonymous(PAGE_SIZE, MAP_PRIVATE | RW)?;
        check_error!(
            operate(
                &own,
                &[ADDRSPACE_OP_TRANSFER, page, PAGE_SIZE, 0, PROT_READ.bits()]
            ),
            EINVAL
        );
        Ok(unmap(page, PAGE_SIZE)?)
    })
}

fn spaces_are_copied() -> Outcome {
    leaves_nothing(|| {
        let space = world().proc.open(b"new-addrspace", 0)?;
        let flags = (MAP_PRIVATE | RW | MAP_FIXED_NOREPLACE).bits();
        operate(
            &space,
            &[ADDRSPACE_OP_MMAP, usize::MAX, 0, PLACE, PAGE_SIZE, flags],
        )?;
        sys::write_at(space.raw(), b"before", PLACE as u64, None)?;
        let copy = space.dup(b"exclusive")?;
        sys::write_at(space.raw(), b"after!", PLACE as u64, None)?;
        let mut text = [0; 6];
        sys::read_at(copy.raw(), &mut text, PLACE as u64, None)?;
        check_eq!(&text, b"before");
        let empty = space.dup(b"empty")?;
        check_error!(
            sys::read_at(empty.raw(), &mut text, PLACE as u64, None),
            EFAULT
        );
        Ok(())
    })
}

fn tables_are_edited_from_outside() -> Outcome {
    leaves_nothing(|| {
        let context = Context::new(&world().proc)?;
        let table = context.fd().dup(b"filetable")?;
        let (read, write) = pipe()?;
        let verb = |verb: FileTableVerb, words: [usize; 3]| {
            table.call(&[
                verb as u64,
                words[0] as u64,
                words[1] as u64,
                words[2] as u64,
            ])
        };
        let full = Rights::FULL.bits() as usize;
        let some = (Rights::READ | Rights::TRANSFER).bits() as usize;
        check_eq!(verb(FileTableVerb::Dup2, [read.raw(), 5, some])?, 5);
        check_eq!(verb(FileTableVerb::Dup2, [read.raw(), FD_ANY, full])?, 0);
        check_eq!(
            verb(FileTableVerb::Dup2, [read.raw(), FD_ANY_UPPER, full])? & UPPER_FDTBL_TAG,
            UPPER_FDTBL_TAG
        );
        // What is there is replaced.
        check_eq!(verb(FileTableVerb::Dup2, [write.raw(), 5, full])?, 5);
        let number = write.into_raw();
        check_eq!(verb(FileTableVerb::Move, [number, 6, full])?, 6);
        check_error!(sys::rights(number), EBADF);
        verb(FileTableVerb::Swap, [5, 0, 0])?;
        check_error!(verb(FileTableVerb::Swap, [5, 99, 0]), EBADF);
        verb(FileTableVerb::Close, [5, 0, 0])?;
        check_error!(verb(FileTableVerb::Close, [5, 0, 0]), EBADF);
        check_error!(
            verb(FileTableVerb::Dup2, [read.raw(), 1 << 20, full]),
            EBADF
        );
        // What may not be handed on is not.
        let kept = read.dup(b"")?;
        kept.limit(Rights::FULL.difference(Rights::TRANSFER))?;
        check_error!(verb(FileTableVerb::Dup2, [kept.raw(), FD_ANY, full]), EPERM);
        check_error!(verb(FileTableVerb::Move, [kept.raw(), FD_ANY, full]), EPERM);
        let powerless = table.dup(b"")?;
        powerless.limit(Rights::empty())?;
        check_error!(powerless.call(&[FileTableVerb::Close as u64, 0]), EPERM);
        // Moving onto itself changes nothing.
        let own = world().proc.open(b"cur-context", 0)?.dup(b"filetable")?;
        check_eq!(
            own.call(&[
                FileTableVerb::Move as u64,
                kept.raw() as u64,
                kept.raw() as u64,
                0
            ])
            .map_err(|e| e.errno),
            Err(EPERM)
        );
        check_eq!(
            own.call(&[
                FileTableVerb::Move as u64,
                read.raw() as u64,
                read.raw() as u64,
                full as u64
            ])?,
            read.raw()
        );
        check_eq!(read.rights()?, Rights::FULL);
        Ok(())
    })
}

fn tables_are_listed() -> Outcome {
    leaves_nothing(|| {
        let own = world().proc.open(b"cur-context", 0)?.dup(b"filetable")?;
        let table = own.dup(b"empty")?;
        let numbers = [700, 3, UPPER_FDTBL_TAG | 1, 64, UPPER_FDTBL_TAG | 900];
        for number in numbers {
            let words = [
                FileTableVerb::Dup2 as u64,
                1,
                number as u64,
                u64::from(Rights::FULL.bits()),
            ];
            check_eq!(table.call(&words)?, number);
        }
        let mut sorted = numbers;
        sorted.sort_unstable();
        let mut list = [0_usize; 8];
        let read = |list: &mut [usize], offset: usize| {
            let args = [
                table.raw(),
                list.as_mut_ptr() as usize,
                size_of_val(list),
                offset,
                usize::MAX,
                0,
            ];
            raw(syscall::SYS_READ2, args)
        };
        check_eq!(read(&mut list, 0)?, 40);
        check_eq!(list[..5], sorted);
        check_eq!(read(&mut list[..2], 16)?, 16);
        check_eq!(list[..2], sorted[2..4]);
        check_eq!(read(&mut list, 40)?, 0);
        check_eq!(read(&mut list, usize::MAX - 8)?, 0);
        let copy = table.dup(b"copy")?;
        check_eq!(copy.read(&mut [0; 64])?, 40);
        Ok(())
    })
}

fn tables_are_switched() -> Outcome {
    leaves_nothing(|| {
        elsewhere(|| {
            let own = world().proc.open(b"cur-context", 0)?;
            let copy = own.dup(b"filetable")?.dup(b"copy")?;
            let marker = sys::dup(1, b"", 500)?;
            let switch = own.dup(b"current-filetable")?;
            check_error!(switch.write(&[0; 7]), EINVAL);
            check_error!(switch.write(&1_u64.to_le_bytes()), EINVAL);
            check_error!(switch.write(&(1_u64 << 40).to_le_bytes()), EBADF);
            switch.write_exact(sys::bytes_of(&[copy.raw()]))?;
            // The copy was made before the marker.
            check_error!(sys::rights(marker), EBADF);
            sys::rights(1)?;
            core::mem::forget((copy, switch));
            Ok(())
        })
    })
}

/// Whoever runs in a space or with a table can change it, and so may whoever makes a context do so.
fn spaces_and_tables_are_adopted_by_right() -> Outcome {
    leaves_nothing(|| {
        let context = Context::new(&world().proc)?;
        let space = world().proc.open(b"new-addrspace", 0)?;
        let table = context.fd().dup(b"filetable")?.dup(b"copy")?;
        let to_space = context.fd().dup(b"current-addrspace")?;
        let to_table = context.fd().dup(b"current-filetable")?;
        let weak = (space.dup(b"")?, table.dup(b"")?);
        weak.0.limit(Rights::FULL.difference(Rights::WRITE))?;
        weak.1.limit(Rights::FULL.difference(Rights::CALL))?;
        let words = |space: &Fd| [space.raw(), PLACE, PLACE];
        check_error!(to_space.write(sys::bytes_of(&words(&weak.0))), EPERM);
        check_error!(to_table.write(sys::bytes_of(&[weak.1.raw()])), EPERM);
        to_space.write_exact(sys::bytes_of(&words(&space)))?;
        to_table.write_exact(sys::bytes_of(&[table.raw()]))?;
        Ok(())
    })
}

/// A process ends with descriptors of its own table in that table, with more of them than are followed at once
/// as well.
fn a_table_that_holds_itself_ends() -> Outcome {
    for count in [1, 20_000] {
        leaves_nothing(|| {
            elsewhere(|| {
                let own = world().proc.open(b"cur-context", 0)?;
                for _ in 0..count {
                    core::mem::forget(own.dup(b"filetable")?);
                }
                Ok(())
            })
        })?;
    }
    Ok(())
}

/// Contexts each of which is held only by the table of the next.
fn chains_of_contexts_end() -> Outcome {
    leaves_nothing(|| {
        let full = u64::from(Rights::FULL.bits());
        let mut last = Context::new(&world().proc)?.into_fd();
        for _ in 0..1000 {
            let next = Context::new(&world().proc)?.into_fd();
            let table = next.dup(b"filetable")?;
            table.call(&[
                FileTableVerb::Move as u64,
                last.into_raw() as u64,
                FD_ANY as u64,
                full,
            ])?;
            last = next;
        }
        Ok(last.close()?)
    })
}

/// What is left when a process dies between making a context and starting it.
fn made_and_abandoned_contexts_end() -> Outcome {
    leaves_nothing(|| {
        let full = u64::from(Rights::FULL.bits());
        for _ in 0..10 {
            let context = Context::new(&world().proc)?;
            let table = context.fd().dup(b"filetable")?;
            table.call(&[
                FileTableVerb::Dup2 as u64,
                context.fd().raw() as u64,
                7,
                full,
            ])?;
            let space = AddressSpace::new(&world().proc)?;
            context.get().switch_address_space(&space, 0, 0)?;
        }
        Ok(())
    })
}

/// A descriptor of an object that has a table, and one of that table.
struct Holder {
    object: Fd,
    table: Fd,
}

/// Objects of which each is in the table of the next, so many times, and the last in that of the first.
fn ring(contexts: &[bool], copies: usize) -> Result<Vec<Holder>> {
    let own = world().proc.open(b"cur-context", 0)?.dup(b"filetable")?;
    let holders: Vec<_> = contexts
        .iter()
        .map(|context| {
            let object = if *context {
                Context::new(&world().proc)?.into_fd()
            } else {
                own.dup(b"empty")?
            };
            let table = if *context {
                object.dup(b"filetable")?
            } else {
                object.dup(b"")?
            };
            Ok(Holder { object, table })
        })
        .collect::<Result<_>>()?;
    let next = holders.iter().cycle().skip(1);
    for (holder, next) in holders.iter().zip(next) {
        for _ in 0..copies {
            put(&next.table, &holder.object)?;
        }
    }
    Ok(holders)
}

fn put(table: &Fd, fd: &Fd) -> Result<usize> {
    let full = u64::from(Rights::FULL.bits());
    table.call(&[
        FileTableVerb::Dup2 as u64,
        fd.raw() as u64,
        FD_ANY as u64,
        full,
    ])
}

/// Tables and contexts that only they themselves refer to, once the descriptors of them are closed.
fn rings_of_tables_and_contexts_end() -> Outcome {
    let kinds: &[&[bool]] = &[
        &[false],
        &[true],
        &[false, false],
        &[true, true],
        &[false, true],
        &[true, false, false, true],
        &[false; 200],
    ];
    for kinds in kinds {
        for copies in [1, 12] {
            for forwards in [false, true] {
                leaves_nothing(|| {
                    let (read, write) = pipe()?;
                    let mut holders = ring(kinds, copies)?;
                    for holder in &holders {
                        put(&holder.table, &write)?;
                    }
                    drop(write);
                    if forwards {
                        holders.reverse();
                    }
                    while let Some(holder) = holders.pop() {
                        drop((holder.object, holder.table));
                    }
                    // What was in the tables is closed as well.
                    check_eq!(read.read(&mut [0])?, 0);
                    Ok(())
                })?;
            }
        }
        // Whoever made them ends.
        leaves_nothing(|| {
            elsewhere(|| {
                core::mem::forget(ring(kinds, 2)?);
                Ok(())
            })
        })?;
    }
    // A ring that is closed by copying what is under a lease.
    leaves_nothing(|| {
        let holders = ring(&[false, true], 1)?;
        let [first, ..] = holders.as_slice() else {
            return Ok(());
        };
        let mut params = cap_abi::fcntl::LeaseParams {
            derived: sys::FD_ANY_UPPER,
            lease: sys::FD_ANY_UPPER,
            rights: Rights::FULL.bits(),
            flags: cap_abi::fcntl::LEASE_FRESH_DESCRIPTION,
        };
        sys::lease(first.object.raw(), &mut params)?;
        let (derived, control) = (Fd::from_raw(params.derived), Fd::from_raw(params.lease));
        put(&first.table, &derived)?;
        put(&first.table, &control)?;
        Ok(())
    })
}

fn a_ring_stays_as_long_as_somebody_has_a_part_of_it() -> Outcome {
    leaves_nothing(|| {
        let (read, write) = pipe()?;
        let mut holders = ring(&[false, true, false], 2)?;
        for holder in &holders {
            put(&holder.table, &write)?;
        }
        drop(write);
        let last = holders.pop();
        drop(holders);
        nonblocking(&read, true)?;
        check_error!(read.read(&mut [0]), EAGAIN);
        let Some(Holder { object, table }) = last else {
            return Ok(());
        };
        drop(object);
        check_error!(read.read(&mut [0]), EAGAIN);
        // The one before it, twice, and the pipe.
        check_eq!(table.read(&mut [0; 64])?, 3 * 8);
        drop(table);
        // Whoever waits for the end of the pipe sees it; it need not have come already.
        nonblocking(&read, false)?;
        check_eq!(read.read(&mut [0])?, 0);
        Ok(())
    })
}

/// Goes on until the process is ended.
fn wait_for_the_end() -> ! {
    loop {
        sys::sched_yield();
    }
}

/// More than the kernel closes without a pause.
fn what_a_large_table_holds_is_closed() -> Outcome {
    const COPIES: usize = 5000;
    leaves_nothing(|| {
        for by_force in [false, true] {
            let (read, write) = pipe()?;
            let words = words()?;
            let process = Process::start(|| {
                for _ in 0..COPIES {
                    if sys::dup(write.raw(), b"", FD_ANY).is_err() {
                        return 1;
                    }
                }
                words[0].store(1, SeqCst);
                if by_force {
                    wait_for_the_end();
                }
                0
            })?;
            drop(write);
            until("it has them", || Ok(words[0].load(SeqCst) == 1))?;
            if by_force {
                process.kill()?;
            }
            // The pipe ends with the last of them.
            check_eq!(read.read(&mut [0])?, 0);
            process.wait()?;
        }
        Ok(())
    })
}

/// Each needs more than is left while the one before has its pages; they are given back in parts.
fn memory_of_what_has_ended_is_there_for_the_next() -> Outcome {
    const PAGES: usize = 9000;
    leaves_nothing(|| {
        for round in 0..6 {
            let words = words()?;
            let process = Process::start(|| {
                let Ok(memory) = anonymous(PAGES * PAGE_SIZE, MAP_PRIVATE | RW) else {
                    return 1;
                };
                for page in 0..PAGES {
                    // SAFETY: inside the fresh mapping.
                    unsafe { ((memory + page * PAGE_SIZE) as *mut u8).write_volatile(1) };
                }
                words[0].store(1, SeqCst);
                if round % 2 == 1 {
                    wait_for_the_end();
                }
                0
            })?;
            if round % 2 == 1 {
                until("it has its memory", || Ok(words[0].load(SeqCst) == 1))?;
                process.kill()?;
            } else {
                process.succeeds()?;
            }
            check_eq!(words[0].load(SeqCst), 1);
        }
        Ok(())
    })
}

/// A context goes from one space to another while it runs.
fn spaces_are_switched() -> Outcome {
    leaves_nothing(|| {
        let words = words()?;
        let process = Process::start(|| {
            let go = || -> Result<()> {
                let own = world().proc.open(b"cur-context", 0)?;
                let copy = own.dup(b"addrspace")?.dup(b"exclusive")?;
                let switch = own.dup(b"current-addrspace")?;
                // The target exits; what the first space has is of no importance then.
                let stack = anonymous(16 * PAGE_SIZE, MAP_PRIVATE | RW)?;
                let _ = stack;
                let sp = (&raw const copy as usize & !15) - 4096 - 8;
                let words = [copy.raw(), sp, landed as *const () as usize];
                switch.write_exact(sys::bytes_of(&words))
            };
            let _ = go();
            1
        })?;
        process.succeeds()?;
        Ok(forget_words(words)?)
    })
}

extern "C" fn landed() -> ! {
    redox_rt::exit(0)
}
