//! Threads, forks and new programs, with contexts straight from the kernel.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::cell::Cell;
use core::sync::atomic::{AtomicUsize, Ordering};

use cap_abi::{Rights, auxv};
use guest_test::{Outcome, check, check_eq, fail};
use redox_rt::context::{Context, Status};
use redox_rt::fork::{Forked, fork_into};
use redox_rt::futex::Mutex;
use redox_rt::spawn::{self, Command, Grant, Image};
use redox_rt::start::Start;
use redox_rt::thread::{self, Source};
use redox_rt::{Fd, event, sys};
use syscall::{GlobalSchemes, KernelSchemeInfo};

struct Roots {
    proc: Fd,
    event: Fd,
    program: &'static [u8],
}

static ROOTS: Mutex<Option<&'static Roots>> = Mutex::new(None);

fn find(start: &Start) -> Option<Roots> {
    let address = start.aux(auxv::AT_CUPRITE_KERNEL_SCHEMES)?;
    let count = start.aux(auxv::AT_CUPRITE_KERNEL_SCHEMES_LEN)?;
    // SAFETY: the first process put the array there.
    let infos = unsafe { core::slice::from_raw_parts(address as *const KernelSchemeInfo, count) };
    let root = |scheme: GlobalSchemes| {
        infos
            .iter()
            .find(|i| i.scheme_id == scheme as u8)
            .map(|i| Fd::from_raw(i.fd))
    };
    let initfs = start.aux_bytes(auxv::AT_CUPRITE_INITFS, auxv::AT_CUPRITE_INITFS_LEN)?;
    Some(Roots {
        proc: root(GlobalSchemes::Proc)?,
        event: root(GlobalSchemes::Event)?,
        program: own_program(start, initfs)?,
    })
}

/// This program's own file in the initfs.
fn own_program(start: &Start, initfs: &'static [u8]) -> Option<&'static [u8]> {
    let archive = initfs::Archive::new(initfs).ok()?;
    let name = start.arg(0)?.to_str().ok()?;
    match archive.lookup(name)?.kind {
        initfs::Kind::File(bytes) => Some(bytes),
        _ => None,
    }
}

pub fn run(start: &Start) -> i32 {
    let Some(roots) = find(start) else {
        redox_rt::eprintln!("test-rt: the group `processes` needs grant=all");
        return 2;
    };
    *ROOTS.lock() = Some(Box::leak(Box::new(roots)));
    guest_test::run!["processes" =>
        threads_run_and_are_joined, thread_locals_are_each_ones_own, detached_threads_are_freed,
        a_mutex_excludes_threads, a_fork_has_its_own_memory, a_program_has_what_it_was_given,
        a_crash_is_told, what_is_no_program_is_refused,
    ]
}

fn roots() -> &'static Roots {
    match *ROOTS.lock() {
        Some(roots) => roots,
        None => unreachable!("set before any case runs"),
    }
}

static SUM: AtomicUsize = AtomicUsize::new(0);

extern "C" fn add(n: usize) {
    SUM.fetch_add(n, Ordering::SeqCst);
}

fn start_thread(entry: extern "C" fn(usize), argument: usize) -> redox_rt::Result<thread::Thread> {
    // SAFETY: the functions here take plain numbers, or addresses of statics.
    unsafe {
        thread::spawn_raw(
            Source::Kernel(&roots().proc),
            thread::STACK_LEN,
            entry,
            argument,
        )
    }
}

fn threads_run_and_are_joined() -> Outcome {
    SUM.store(0, Ordering::SeqCst);
    for round in 0..50 {
        let threads: Vec<_> = (1..=8)
            .map(|n| start_thread(add, n))
            .collect::<Result<_, _>>()?;
        for t in threads {
            t.join()?;
        }
        check_eq!(SUM.load(Ordering::SeqCst), 36 * (round + 1));
    }
    Ok(())
}

#[thread_local]
static LOCAL: Cell<usize> = Cell::new(40);

extern "C" fn use_local(n: usize) {
    LOCAL.set(LOCAL.get() + n);
    sys::sched_yield();
    SUM.fetch_add(LOCAL.get(), Ordering::SeqCst);
}

fn thread_locals_are_each_ones_own() -> Outcome {
    SUM.store(0, Ordering::SeqCst);
    let threads: Vec<_> = (1..=4)
        .map(|n| start_thread(use_local, n))
        .collect::<Result<_, _>>()?;
    for t in threads {
        t.join()?;
    }
    check_eq!(SUM.load(Ordering::SeqCst), 4 * 40 + 10);
    check_eq!(LOCAL.get(), 40);
    Ok(())
}

fn detached_threads_are_freed() -> Outcome {
    SUM.store(0, Ordering::SeqCst);
    // With their stacks kept this would be 4 GiB.
    for _ in 0..2000 {
        let before = SUM.load(Ordering::SeqCst);
        drop(start_thread(add, 1)?);
        while SUM.load(Ordering::SeqCst) == before {
            sys::sched_yield();
        }
    }
    Ok(())
}

static COUNTER: Mutex<usize> = Mutex::new(0);

extern "C" fn count(n: usize) {
    for _ in 0..n {
        let mut guard = COUNTER.lock();
        let value = *guard;
        if value.is_multiple_of(64) {
            sys::sched_yield();
        }
        *guard = value + 1;
    }
}

fn a_mutex_excludes_threads() -> Outcome {
    let threads: Vec<_> = (0..4)
        .map(|_| start_thread(count, 1000))
        .collect::<Result<_, _>>()?;
    for t in threads {
        t.join()?;
    }
    check_eq!(*COUNTER.lock(), 4000);
    Ok(())
}

fn end_of(context: &Context) -> redox_rt::Result<Status> {
    event::wait_for_end(&roots().event, context.get())
}

fn a_fork_has_its_own_memory() -> Outcome {
    SUM.store(5, Ordering::SeqCst);
    LOCAL.set(6);
    for _ in 0..20 {
        let context = Context::new(&roots().proc)?;
        match fork_into(&context, None)? {
            Forked::Child => {
                let seen = SUM.swap(99, Ordering::SeqCst) + LOCAL.replace(99);
                redox_rt::exit(seen as i32);
            }
            Forked::Parent => {}
        }
        check_eq!(end_of(&context)?, Status::Ended(rt_core::wait::exited(11)));
    }
    check_eq!((SUM.load(Ordering::SeqCst), LOCAL.get()), (5, 6));
    LOCAL.set(40);
    Ok(())
}

fn run_child(args: &[&[u8]], grants: &[Grant]) -> redox_rt::Result<Status> {
    let command = Command {
        image: Image::Bytes(roots().program),
        args,
        env: &[b"COLOUR=green", b"EMPTY="],
        grants,
        namespace: None,
        directory: None,
        process: None,
        auxv: &[],
        blobs: &[],
        attributes: spawn::attributes(b"child", 77),
    };
    let context = spawn::spawn(&roots().proc, &command)?;
    end_of(&context)
}

fn a_program_has_what_it_was_given() -> Outcome {
    let grants = [
        Grant {
            from: 2,
            to: 2,
            rights: Rights::FULL,
        },
        Grant {
            from: 1,
            to: 9,
            rights: Rights::WRITE,
        },
    ];
    let status = run_child(&[b"child-name", b"child", b"look"], &grants)?;
    check_eq!(status, Status::Ended(rt_core::wait::exited(42)));
    Ok(())
}

fn a_crash_is_told() -> Outcome {
    match run_child(&[b"child-name", b"child", b"crash"], &[])? {
        Status::Exception {
            kind: 14,
            address: 0x123,
            ..
        } => Ok(()),
        other => fail!("{other:?}"),
    }
}

fn what_is_no_program_is_refused() -> Outcome {
    let whole = roots().program;
    for len in [0, 3, 63, 64, 200, 4096] {
        let image = Image::Bytes(whole.get(..len).unwrap_or(&[]));
        check!(image.plan().is_err(), "{len} bytes");
    }
    Ok(())
}

/// The program that the cases above start.
pub fn child(start: &Start) -> i32 {
    match start.arg(2).map(core::ffi::CStr::to_bytes) {
        Some(b"look") => look(start),
        Some(b"crash") => {
            // SAFETY: none is needed: it faults, and that is the end.
            unsafe {
                core::arch::asm!("mov rax, [rax]", inout("rax") 0x123usize => _, options(nostack))
            };
            1
        }
        _ => 2,
    }
}

/// Answers 42, or which check failed.
fn look(start: &Start) -> i32 {
    let env: Vec<_> = start.env().map(core::ffi::CStr::to_bytes).collect();
    if start.arg(0).map(core::ffi::CStr::to_bytes) != Some(b"child-name") || start.args().len() != 3
    {
        return 10;
    }
    if env != [b"COLOUR=green" as &[u8], b"EMPTY="] {
        return 11;
    }
    // Nothing but the two grants below 100.
    if (0..100).any(|fd| (sys::rights(fd).is_ok()) != matches!(fd, 2 | 9)) {
        return 12;
    }
    if sys::rights(9) != Ok(Rights::WRITE) {
        return 13;
    }
    if sys::read(9, &mut [0; 1]).is_ok() {
        return 14;
    }
    if LOCAL.get() != 40 {
        return 15;
    }
    42
}
