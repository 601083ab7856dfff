//! Threads, forks and new programs, with contexts straight from the kernel.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::cell::Cell;
use core::sync::atomic::{AtomicI32, AtomicUsize, Ordering};

use cap_abi::fcntl::FD_CLOEXEC;
use cap_abi::{Rights, auxv};
use guest_test::{Outcome, check, check_eq, fail};
use redox_rt::context::{Context, Status};
use redox_rt::fork::{Forked, fork_into};
use redox_rt::futex::{self, Mutex};
use redox_rt::signal::{self, SigInfo, Ucontext};
use redox_rt::spawn::{self, Command, Grant, Image};
use redox_rt::start::Start;
use redox_rt::thread::{self, Source};
use redox_rt::{Fd, event, sys};
use rt_core::signal::flags::SA_SIGINFO;
use rt_core::signal::{Action, Handler};
use syscall::{ContextVerb, EINTR, GlobalSchemes, KernelSchemeInfo, TimeSpec, UPPER_FDTBL_TAG};

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
        a_program_replaces_another, signals_interrupt_other_threads,
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
    // With their stacks kept this would be 1 GiB.
    for _ in 0..500 {
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

fn child_command<'a>(args: &'a [&'a [u8]], grants: &'a [Grant]) -> Command<'a> {
    Command {
        image: Image::Bytes(roots().program),
        path: &[],
        args,
        env: &[b"COLOUR=green", b"EMPTY="],
        grants,
        inherited: &[],
        namespace: None,
        directory: None,
        process: None,
        auxv: &[],
        blobs: &[],
        attributes: spawn::attributes(b"child", 77),
    }
}

fn run_child(args: &[&[u8]], grants: &[Grant]) -> redox_rt::Result<Status> {
    let command = child_command(args, grants);
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

/// A forked child becomes another program: what is marked close-on-exec and what is private is gone there.
fn a_program_replaces_another() -> Outcome {
    let context = Context::new(&roots().proc)?;
    if let Forked::Child = fork_into(&context, None)? {
        redox_rt::exit(become_another());
    }
    check_eq!(end_of(&context)?, Status::Ended(rt_core::wait::exited(42)));
    Ok(())
}

/// Does not come back if all is well.
fn become_another() -> i32 {
    let prepared = || {
        for fd in 0..100 {
            if !matches!(fd, 2) {
                let _ = sys::close(fd);
            }
        }
        let writer = sys::dup(2, b"", 9)?;
        sys::limit(writer, Rights::WRITE)?;
        let marked = sys::dup(2, b"", 50)?;
        // SAFETY: the argument is a mask.
        unsafe { sys::fcntl(marked, syscall::F_SETFD, FD_CLOEXEC) }?;
        sys::dup(2, b"", sys::FD_ANY_UPPER)
    };
    if let Err(e) = prepared() {
        redox_rt::eprintln!("preparing exec: {e}");
        return 1;
    }
    let command = child_command(&[b"child-name", b"child", b"look-private"], &[]);
    let error = redox_rt::exec::exec(&command);
    redox_rt::eprintln!("exec: {error}");
    1
}

static HANDLED: AtomicUsize = AtomicUsize::new(0);
static ANSWER: AtomicUsize = AtomicUsize::new(0);
static WAITING: AtomicI32 = AtomicI32::new(0);

extern "C" fn handle(_: i32, _: &SigInfo, _: &mut Ucontext) {
    HANDLED.fetch_add(1, Ordering::SeqCst);
}

/// Waits to be interrupted, and says how that ended.
extern "C" fn wait_for_ever(_: usize) {
    WAITING.store(1, Ordering::SeqCst);
    let errno = futex::wait(&WAITING, 1, None).map_or_else(|e| e.errno, |()| 0);
    ANSWER.store(errno as usize, Ordering::SeqCst);
}

fn signals_interrupt_other_threads() -> Outcome {
    signal::init(0, 0)?;
    let action = Action {
        handler: Handler::Function(handle as *const () as usize),
        flags: SA_SIGINFO,
        mask: 0,
    };
    signal::sigaction(10, Some(&action))?;
    let thread = start_thread(wait_for_ever, 0)?;
    while WAITING.load(Ordering::SeqCst) == 0 {
        sys::sched_yield();
    }
    sys::nanosleep(&TimeSpec {
        tv_sec: 0,
        tv_nsec: 2_000_000,
    })
    .map_err(|(e, _)| e)?;
    // What a process manager does: a pending bit, and a word to the kernel.
    // SAFETY: the thread is not joined yet.
    let tcb = unsafe { thread.tcb().as_ref() };
    tcb.control.word[0].fetch_or(1 << 9, Ordering::SeqCst);
    let Some(context) = tcb.thread_fd() else {
        fail!("no context")
    };
    context.tell(ContextVerb::Interrupt)?;
    thread.join()?;
    check_eq!(HANDLED.load(Ordering::SeqCst), 1);
    check_eq!(ANSWER.load(Ordering::SeqCst), EINTR as usize);
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
        Some(b"look-private") => match look(start) {
            42 => look_private(),
            other => other,
        },
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

/// Answers 42, or how many private descriptors there are besides the thread's own.
fn look_private() -> i32 {
    let numbers = || {
        let own = redox_rt::tcb::Tcb::current().and_then(redox_rt::tcb::Tcb::thread_fd)?;
        let table = own.file_table().ok()?;
        let mut numbers = [0; 32];
        let count = table.numbers(&mut numbers, 0).ok()?;
        let upper = numbers
            .get(..count)?
            .iter()
            .filter(|&&n| n & UPPER_FDTBL_TAG != 0);
        Some(
            upper
                .filter(|&&n| n != own.raw() && n != table.fd().raw())
                .count(),
        )
    };
    match numbers() {
        Some(0) => 42,
        Some(n) => 20 + n as i32,
        None => 19,
    }
}
