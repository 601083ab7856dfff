//! The process manager.

use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crate::hang::{
    a_daemon_that_hangs_before_it_is_ready_keeps_nobody_waiting,
    a_daemon_that_is_slow_to_start_keeps_nobody_waiting,
};
use crate::listing::{the_list_of_contexts_is_whole_in_pieces, the_time_of_the_processor_is_told};
use crate::notify::a_daemon_that_says_when_it_is_ready_is_waited_for;
use crate::terminals::{
    a_session_is_sent_what_is_no_terminal, a_terminal_is_free_when_its_leader_has_ended,
    a_terminal_is_sent_what_is_no_session,
};
use guest_test::{Outcome, check, check_eq, check_error, contexts, fail};
use redox_rt::{
    Error, Fd, Result,
    event::Queue,
    namespace as ns,
    process::{self, Awaited, ProcKillTarget, WaitFlags},
    signal, sys,
};
use rt_core::signal::{Action, Handler};
use rt_core::wait;
use syscall::{
    ECHILD, EINTR, EINVAL, EPERM, ESRCH, EventFlags, TimeSpec,
    flag::{O_RDONLY, O_RDWR},
};

pub fn run() -> i32 {
    guest_test::run!["processes" =>
        exit_codes_reach_the_parent, a_fork_is_a_process_of_its_own, waiting_for_one_of_many,
        ended_processes_leave_nothing, forks_go_on_while_signals_come, a_signal_ends_a_process, a_crash_ends_a_process,
        groups_are_signalled_and_waited_for, sessions, orphans_are_inits,
        references_wait_poll_and_signal, identities_cannot_be_regained,
        handlers_run_and_interrupt, a_blocked_signal_waits, stopping_and_going_on,
        threads_are_of_the_process, bad_requests_are_refused,
        a_reference_is_passed_on, nothing_is_left_of_processes, the_confined_know_only_each_other,
        a_daemon_that_says_when_it_is_ready_is_waited_for,
        a_daemon_that_is_slow_to_start_keeps_nobody_waiting,
        a_daemon_that_hangs_before_it_is_ready_keeps_nobody_waiting,
        the_list_of_contexts_is_whole_in_pieces, the_time_of_the_processor_is_told,
        a_terminal_is_sent_what_is_no_session, a_session_is_sent_what_is_no_terminal,
        a_terminal_is_free_when_its_leader_has_ended,
    ]
}

const SIGKILL: i32 = 9;
const SIGUSR1: i32 = 10;
const SIGTERM: i32 = 15;
const SIGCHLD: i32 = 17;
const SIGCONT: i32 = 18;
const SIGSTOP: i32 = 19;

/// Starts a child that ends with what `body` answers.
pub fn child(body: impl FnOnce() -> i32) -> Result<u32> {
    match process::fork()? {
        Some(pid) => Ok(pid),
        None => redox_rt::exit(body()),
    }
}

pub fn wait_for(awaited: Awaited) -> Result<(u32, u32)> {
    process::wait(awaited, WaitFlags::empty())?.ok_or(Error::new(ECHILD))
}

fn kill(pid: u32, signal: i32) -> Result<()> {
    process::kill(ProcKillTarget::SingleProc(pid as usize), signal)
}

/// Ends only by a signal.
fn sleep_for_ever() -> i32 {
    loop {
        let _ = sys::nanosleep(&TimeSpec {
            tv_sec: 1000,
            tv_nsec: 0,
        });
    }
}

fn exit_codes_reach_the_parent() -> Outcome {
    for code in [0, 1, 7, 127, 255] {
        let pid = child(|| code)?;
        check_eq!(wait_for(Awaited::Child(pid))?, (pid, wait::exited(code)));
    }
    Ok(())
}

fn a_fork_is_a_process_of_its_own() -> Outcome {
    let own = process::pid()?;
    let pid = child(|| {
        let parent = process::parent() == Ok(own);
        let new = process::pid().is_ok_and(|pid| pid != own);
        i32::from(!(parent && new))
    })?;
    check!(pid != own);
    check_eq!(wait_for(Awaited::Child(pid))?, (pid, wait::exited(0)));
    Ok(())
}

fn waiting_for_one_of_many() -> Outcome {
    let sleeper = child(sleep_for_ever)?;
    check_eq!(process::wait(Awaited::Any, WaitFlags::WNOHANG)?, None);
    let mut pids = Vec::new();
    for code in 0..10 {
        pids.push(child(|| code)?);
    }
    for (code, pid) in pids.iter().enumerate().rev() {
        check_eq!(
            wait_for(Awaited::Child(*pid))?,
            (*pid, wait::exited(code as i32))
        );
    }
    kill(sleeper, SIGKILL)?;
    check_eq!(wait_for(Awaited::Any)?, (sleeper, wait::signaled(9)));
    check_error!(wait_for(Awaited::Any), ECHILD);
    Ok(())
}

fn ended_processes_leave_nothing() -> Outcome {
    for _ in 0..200 {
        let pid = child(|| 0)?;
        check_eq!(wait_for(Awaited::Any)?, (pid, wait::exited(0)));
        check_error!(kill(pid, 0), ESRCH);
    }
    check_error!(process::wait(Awaited::Any, WaitFlags::WNOHANG), ECHILD);
    Ok(())
}

fn a_signal_ends_a_process() -> Outcome {
    for signal in [SIGKILL, SIGTERM, SIGUSR1] {
        let pid = child(sleep_for_ever)?;
        check_eq!(kill(pid, 0), Ok(()));
        kill(pid, signal)?;
        check_eq!(
            wait_for(Awaited::Child(pid))?,
            (pid, wait::signaled(signal as u8))
        );
    }
    Ok(())
}

fn a_crash_ends_a_process() -> Outcome {
    let pid = child(|| {
        // SAFETY: the instruction ends this process, and nothing else.
        unsafe { core::arch::asm!("ud2") };
        0
    })?;
    check_eq!(wait_for(Awaited::Child(pid))?, (pid, wait::signaled(4)));
    Ok(())
}

fn groups_are_signalled_and_waited_for() -> Outcome {
    let one = child(sleep_for_ever)?;
    let two = child(sleep_for_ever)?;
    let other = child(sleep_for_ever)?;
    process::set_group(one, one)?;
    process::set_group(two, one)?;
    check_eq!(process::group(two)?, one);
    check!(process::group(other)? != one);
    process::kill(ProcKillTarget::ProcGroup(one as usize), SIGTERM)?;
    let mut ended = [
        wait_for(Awaited::Group(one))?,
        wait_for(Awaited::Group(one))?,
    ];
    ended.sort_unstable();
    check_eq!(ended, [(one, 15), (two, 15)]);
    check_error!(wait_for(Awaited::Group(one)), ECHILD);
    check_error!(process::set_group(other, one), EPERM);
    kill(other, SIGKILL)?;
    check_eq!(wait_for(Awaited::Any)?, (other, 9));
    Ok(())
}

fn sessions() -> Outcome {
    let pid = child(|| {
        let own = process::pid();
        let session = process::new_session();
        let led = session == own && process::group(0) == own && process::session(0) == own;
        let again = process::new_session();
        i32::from(!led || again != Err(Error::new(EPERM)))
    })?;
    check_eq!(wait_for(Awaited::Child(pid))?, (pid, wait::exited(0)));
    Ok(())
}

fn orphans_are_inits() -> Outcome {
    let (reader, writer) = pipe()?;
    let middle = child(|| {
        let made = child(|| {
            while process::parent().is_ok_and(|parent| parent != 1) {
                sys::sched_yield();
            }
            let parent = process::parent().map_or(0, |parent| parent as u8);
            i32::from(writer.write(&[parent]).is_err())
        });
        i32::from(made.is_err())
    })?;
    check_eq!(wait_for(Awaited::Child(middle))?, (middle, wait::exited(0)));
    let mut parent = [0];
    check_eq!(reader.read(&mut parent)?, 1);
    check_eq!(parent, [1]);
    check_error!(wait_for(Awaited::Any), ECHILD);
    Ok(())
}

/// A pipe's two ends.
pub fn pipe() -> Result<(Fd, Fd)> {
    let reader = Fd::from_raw(ns::open(b"/scheme/pipe", O_RDONLY, sys::FD_ANY_UPPER)?);
    let writer = reader.dup(b"write")?;
    Ok((reader, writer))
}

fn references_wait_poll_and_signal() -> Outcome {
    let pid = child(sleep_for_ever)?;
    let reference = process::reference(Some(pid))?;
    let passed_on = reference.fd().dup(b"pidfd")?;
    let queue = Queue::from_fd(Fd::from_raw(ns::open(
        b"/scheme/event",
        O_RDWR,
        sys::FD_ANY_UPPER,
    )?));
    queue.watch(reference.fd().raw(), EventFlags::EVENT_READ, 77)?;
    let mut word = [0; 8];
    let early = sys::read_at(
        passed_on.raw(),
        &mut word,
        u64::MAX,
        Some(syscall::RwFlags::NONBLOCK),
    );
    check_error!(early, syscall::EAGAIN);
    reference.signal(SIGTERM)?;
    check_eq!(queue.next()?.data, 77);
    check_eq!(reference.wait()?, wait::signaled(15));
    passed_on.read_exact(&mut word)?;
    check_eq!(usize::from_ne_bytes(word), 15);
    // It is waited for all the same, and known until its descriptors are gone.
    check_eq!(wait_for(Awaited::Child(pid))?, (pid, 15));
    check_eq!(reference.wait()?, wait::signaled(15));
    check_error!(reference.signal(0), ESRCH);
    check_error!(process::reference(Some(pid)), ESRCH);
    Ok(())
}

fn identities_cannot_be_regained() -> Outcome {
    let own = process::pid()?;
    let pid = child(|| {
        let user = [
            Some(1000),
            Some(1000),
            Some(1000),
            Some(100),
            Some(100),
            Some(100),
        ];
        let became = process::set_ids(user);
        let ids = process::credentials();
        let is_user = ids
            .is_ok_and(|ids| (ids.ruid, ids.euid, ids.suid, ids.egid) == (1000, 1000, 1000, 100));
        let back = process::set_ids([None, Some(0), None, None, None, None]);
        let killed = kill(own, 0);
        let context = redox_rt::tcb::Tcb::current().and_then(redox_rt::tcb::Tcb::thread_fd);
        let forged = context.map(|context| context.set_attributes(&Default::default()));
        let denied = |result: Result<()>| result == Err(Error::new(EPERM));
        let steps = [
            became.is_ok(),
            is_user,
            denied(back),
            denied(killed),
            forged.is_some_and(denied),
        ];
        steps
            .iter()
            .position(|good| !good)
            .map_or(0, |step| step as i32 + 1)
    })?;
    check_eq!(wait_for(Awaited::Child(pid))?, (pid, wait::exited(0)));
    Ok(())
}

static HANDLED: AtomicUsize = AtomicUsize::new(0);

extern "C" fn count(_: i32) {
    HANDLED.fetch_add(1, Ordering::SeqCst);
}

fn handle(signal: i32) -> Result<()> {
    let action = Action {
        handler: Handler::Function(count as *const () as usize),
        flags: 0,
        mask: 0,
    };
    signal::sigaction(signal, Some(&action)).map(drop)
}

/// In a child: sets signals up, says so through a pipe.
fn prepare(signal: i32, writer: &Fd) -> Result<()> {
    signal::init(0, 0)?;
    handle(signal)?;
    writer.write_exact(b"r")
}

/// Waits until the kernel says that a process sleeps.
fn until_asleep(pid: u32) -> Result<()> {
    loop {
        let list = crate::files::open("/scheme/sys/waits", O_RDONLY)?;
        let mut text = alloc::vec![0; 1 << 16];
        let len = list.read_full_at(&mut text, 0)?;
        let text = alloc::string::String::from_utf8_lossy(text.get(..len).unwrap_or(&[]));
        if contexts::waiting(&text).any(|it| it.pid == pid && it.wait == "Sleep") {
            return Ok(());
        }
        sys::sched_yield();
    }
}

static FORKING: AtomicBool = AtomicBool::new(false);
static WHILE_FORKING: AtomicUsize = AtomicUsize::new(0);

extern "C" fn note_fork(_: i32) {
    if FORKING.load(Ordering::SeqCst) {
        WHILE_FORKING.fetch_add(1, Ordering::SeqCst);
    }
}

/// The signal of a child's end comes at any time, and between a fork's steps as well: here another process
/// sends it again and again, until it has come during a fork often enough.
fn forks_go_on_while_signals_come() -> Outcome {
    const OFTEN: usize = 200;
    const MOST_FORKS: usize = 50_000;
    let parent = || -> Result<i32> {
        signal::init(0, 0)?;
        let action = Action {
            handler: Handler::Function(note_fork as *const () as usize),
            flags: 0,
            mask: 0,
        };
        signal::sigaction(SIGCHLD, Some(&action))?;
        let own = process::pid()?;
        let sender = child(|| {
            for pause in (20_000..200_000).step_by(7919).cycle() {
                let sent = kill(own, SIGCHLD);
                let slept = sys::nanosleep(&TimeSpec {
                    tv_sec: 0,
                    tv_nsec: pause,
                });
                if sent.is_err() || slept.is_err() {
                    break;
                }
            }
            1
        })?;
        let wait_again = |pid| loop {
            match wait_for(Awaited::Child(pid)) {
                Err(Error { errno: EINTR }) => {}
                other => return other,
            }
        };
        let mut forks = 0;
        while WHILE_FORKING.load(Ordering::SeqCst) < OFTEN {
            forks += 1;
            if forks > MOST_FORKS {
                return Ok(101);
            }
            FORKING.store(true, Ordering::SeqCst);
            let made = child(|| 0);
            FORKING.store(false, Ordering::SeqCst);
            let made = made?;
            if wait_again(made)? != (made, wait::exited(0)) {
                return Ok(102);
            }
        }
        kill(sender, SIGKILL)?;
        wait_again(sender).map(|_| 0)
    };
    let pid = child(|| parent().unwrap_or_else(|error| error.errno))?;
    check_eq!(wait_for(Awaited::Child(pid))?, (pid, wait::exited(0)));
    Ok(())
}

fn handlers_run_and_interrupt() -> Outcome {
    let (reader, writer) = pipe()?;
    let pid = child(|| {
        if let Err(error) = prepare(SIGUSR1, &writer) {
            redox_rt::eprintln!("test-user: setting signals up: {error}");
            return 1;
        }
        let before = HANDLED.load(Ordering::SeqCst);
        // The wait for children that there are not ends at once; a sleep ends by the signal.
        let slept = sys::nanosleep(&TimeSpec {
            tv_sec: 1000,
            tv_nsec: 0,
        });
        let interrupted = slept.is_err_and(|(error, _)| error.errno == EINTR);
        if !interrupted || HANDLED.load(Ordering::SeqCst) == before {
            return 2;
        }
        // A grandchild inherits handlers, and its own page.
        let Ok(grandchild) = child(|| {
            if writer.write_exact(b"g").is_err() {
                return 3;
            }
            let before = HANDLED.load(Ordering::SeqCst);
            while HANDLED.load(Ordering::SeqCst) == before {
                sys::sched_yield();
            }
            5
        }) else {
            return 4;
        };
        let told = writer.write_exact(&(grandchild as u64).to_ne_bytes());
        match (told, wait_for(Awaited::Child(grandchild))) {
            (Ok(()), Ok((_, word))) if word == wait::exited(5) => 0,
            _ => 6,
        }
    })?;
    // So that reading ends when the child does.
    drop(writer);
    let mut byte = [0];
    reader.read_exact(&mut byte)?;
    // A signal before the sleep would interrupt nothing.
    until_asleep(pid)?;
    kill(pid, SIGUSR1)?;
    let mut rest = [0; 9];
    let mut len = 0;
    while len < rest.len() {
        let got = reader.read(rest.get_mut(len..).unwrap_or(&mut []))?;
        check!(
            got > 0,
            "after {rest:?}: {:?}",
            wait_for(Awaited::Child(pid))
        );
        len += got;
    }
    // Parent and child write in any order.
    let Some(at) = rest.iter().position(|byte| *byte == b'g') else {
        fail!("{rest:?}");
    };
    let number: Vec<u8> = rest
        .iter()
        .enumerate()
        .filter(|(i, _)| *i != at)
        .map(|(_, b)| *b)
        .collect();
    let grandchild = number
        .iter()
        .rev()
        .fold(0_u64, |n, b| n << 8 | u64::from(*b));
    kill(grandchild as u32, SIGUSR1)?;
    check_eq!(wait_for(Awaited::Child(pid))?, (pid, wait::exited(0)));
    Ok(())
}

fn a_blocked_signal_waits() -> Outcome {
    let (reader, writer) = pipe()?;
    let (go_reader, go_writer) = pipe()?;
    let pid = child(|| {
        const SIG_SETMASK: i32 = 2;
        let bit = rt_core::signal::bit(SIGTERM as u8);
        let blocked = signal::init(0, bit).and_then(|()| writer.write_exact(b"r"));
        let mut byte = [0];
        if blocked.is_err() || go_reader.read_exact(&mut byte).is_err() {
            return 1;
        }
        if signal::sigpending() & bit == 0 {
            return 2;
        }
        // Unblocked, it ends this process.
        let _ = signal::sigmask(Some((SIG_SETMASK, 0)));
        3
    })?;
    drop((writer, go_reader));
    let mut byte = [0];
    reader.read_exact(&mut byte)?;
    kill(pid, SIGTERM)?;
    go_writer.write_exact(b"g")?;
    check_eq!(wait_for(Awaited::Child(pid))?, (pid, wait::signaled(15)));
    Ok(())
}

fn stopping_and_going_on() -> Outcome {
    let pid = child(sleep_for_ever)?;
    kill(pid, SIGSTOP)?;
    let stopped = process::wait(Awaited::Child(pid), WaitFlags::WUNTRACED)?;
    check_eq!(stopped, Some((pid, 19 << 8 | 0x7f)));
    check_eq!(
        process::wait(Awaited::Child(pid), WaitFlags::WNOHANG)?,
        None
    );
    kill(pid, SIGCONT)?;
    let continued = process::wait(Awaited::Child(pid), WaitFlags::WCONTINUED)?;
    check_eq!(continued, Some((pid, 0xffff)));
    kill(pid, SIGSTOP)?;
    kill(pid, SIGKILL)?;
    check_eq!(wait_for(Awaited::Child(pid))?, (pid, wait::signaled(9)));
    Ok(())
}

static THREADS: AtomicUsize = AtomicUsize::new(0);

extern "C" fn add(n: usize) {
    THREADS.fetch_add(n, Ordering::SeqCst);
}

fn threads_are_of_the_process() -> Outcome {
    use redox_rt::thread::{STACK_LEN, Source, spawn_raw};
    let pid = child(|| {
        for n in 1..=20 {
            // SAFETY: the function takes a number.
            let thread = unsafe { spawn_raw(Source::Manager, STACK_LEN, add, n) };
            match thread {
                Ok(thread) => {
                    if thread.join().is_err() {
                        return 2;
                    }
                }
                Err(error) => return error.errno,
            }
        }
        i32::from(THREADS.load(Ordering::SeqCst) != 210)
    })?;
    check_eq!(wait_for(Awaited::Child(pid))?, (pid, wait::exited(0)));
    // The end of the process is the end of threads that run.
    extern "C" fn for_ever(_: usize) {
        sleep_for_ever();
    }
    let pid = child(|| {
        // SAFETY: as above.
        let thread = unsafe { spawn_raw(Source::Manager, STACK_LEN, for_ever, 0) };
        if thread.is_ok() { 9 } else { 1 }
    })?;
    check_eq!(wait_for(Awaited::Child(pid))?, (pid, wait::exited(9)));
    Ok(())
}

fn bad_requests_are_refused() -> Outcome {
    let Some(fd) = process::process_fd() else {
        fail!("there is no process manager");
    };
    for name in [
        &b"first"[..],
        b"nonsense",
        b"thread-",
        b"pidfd-x",
        b"\xff",
        &[b'a'; 300],
    ] {
        check_error!(
            sys::dup(fd, name, sys::FD_ANY_UPPER),
            EINVAL,
            "{}",
            name.escape_ascii()
        );
    }
    check_error!(sys::dup(fd, b"pidfd-30000", sys::FD_ANY_UPPER), ESRCH);
    for verb in 0..64 {
        // Exit ends, and what waits would wait.
        let skipped = matches!(
            verb,
            v if v == libredox::protocol::ProcCall::Exit as u64
                || v == libredox::protocol::ProcCall::Setsid as u64
                || v == libredox::protocol::ProcCall::Kill as u64
                || v == libredox::protocol::ProcCall::Sigq as u64
        );
        if skipped {
            continue;
        }
        for len in [0, 1, 5, 100] {
            let mut payload = [0xff; 100];
            let payload = payload.get_mut(..len).unwrap_or(&mut []);
            let flags = syscall::CallFlags::empty();
            let _ = sys::call_read_write(fd, payload, flags, &[verb, u64::MAX, u64::MAX - 1]);
        }
    }
    check_error!(kill(process::pid()?, 65), EINVAL);
    check_error!(kill(30000, 0), ESRCH);
    check_error!(kill(1, SIGKILL), EPERM);
    exit_codes_reach_the_parent()
}

fn a_reference_is_passed_on() -> Outcome {
    let target = child(sleep_for_ever)?;
    let reference = process::reference(Some(target))?;
    let holder = child(|| {
        let check = || -> Result<bool> {
            let user = Some(1234);
            process::set_ids([user, user, user, None, None, None])?;
            // By its number the target is out of reach, and by its descriptor it is not.
            let refused = matches!(kill(target, SIGTERM), Err(Error { errno: EPERM }));
            let refused = refused && process::reference(Some(target)).is_err();
            let path = b"/scheme/event";
            let queue = Queue::from_fd(Fd::from_raw(ns::open(path, O_RDWR, sys::FD_ANY_UPPER)?));
            queue.watch(reference.fd().raw(), EventFlags::EVENT_READ, 9)?;
            reference.signal(SIGTERM)?;
            let told = queue.next()?.data == 9;
            Ok(refused && told && reference.wait()? == wait::signaled(SIGTERM as u8))
        };
        i32::from(check() != Ok(true))
    })?;
    check_eq!(wait_for(Awaited::Child(holder))?, (holder, wait::exited(0)));
    check_eq!(
        wait_for(Awaited::Child(target))?,
        (target, wait::signaled(15))
    );
    // It tells as long as it is held, also after the process has been waited for.
    check_eq!(reference.wait()?, wait::signaled(15));
    check_error!(reference.signal(SIGTERM), ESRCH);
    Ok(())
}

/// Waits until the process manager has forgotten what has ended.
fn counts_return(before: [usize; 5]) -> Outcome {
    let mut now = process::counts()?;
    for _ in 0..2000 {
        if now == before {
            break;
        }
        sys::sched_yield();
        now = process::counts()?;
    }
    check_eq!(now, before);
    Ok(())
}

fn nothing_is_left_of_processes() -> Outcome {
    let before = process::counts()?;
    for _ in 0..20 {
        // Waited for, with a reference that goes before or after.
        let pid = child(|| 0)?;
        let reference = process::reference(Some(pid))?;
        wait_for(Awaited::Child(pid))?;
        drop(reference);
        let pid = child(sleep_for_ever)?;
        drop(process::reference(Some(pid))?);
        kill(pid, SIGKILL)?;
        wait_for(Awaited::Child(pid))?;
        // Never started.
        drop(process::new_child()?);
        // Groups and sessions of their own.
        let pid = child(|| i32::from(process::new_session().is_err()))?;
        check_eq!(wait_for(Awaited::Child(pid))?, (pid, wait::exited(0)));
        // An orphan that is killed when its parent is gone.
        let pid = child(|| {
            let orphan = child(sleep_for_ever).unwrap_or(0);
            i32::from(kill(orphan, SIGKILL).is_err())
        })?;
        check_eq!(wait_for(Awaited::Child(pid))?, (pid, wait::exited(0)));
        // One that ends while somebody reads its reference.
        let pid = child(sleep_for_ever)?;
        let reference = process::reference(Some(pid))?;
        let reader = child(|| i32::from(reference.wait() != Ok(wait::signaled(9))))?;
        kill(pid, SIGKILL)?;
        check_eq!(wait_for(Awaited::Child(reader))?, (reader, wait::exited(0)));
        wait_for(Awaited::Child(pid))?;
    }
    counts_return(before)
}

fn the_confined_know_only_each_other() -> Outcome {
    let before = process::counts()?;
    let own = process::pid()?;
    let pid = child(|| {
        let Some(process) = process::process_fd() else {
            return 1;
        };
        if process::confine(process).is_err() {
            return 2;
        }
        for outer in [1, own] {
            let told = [
                kill(outer, 0).err(),
                process::reference(Some(outer)).err(),
                process::group(outer).err(),
                process::credentials_of(process, outer as usize).err(),
            ];
            if told != [Some(Error::new(ESRCH)); 4] {
                return 3;
            }
        }
        if process::counts() != Err(Error::new(EPERM)) {
            return 4;
        }
        let Ok(inner) = child(sleep_for_ever) else {
            return 5;
        };
        if kill(inner, SIGTERM).is_err() {
            return 6;
        }
        i32::from(wait_for(Awaited::Child(inner)) != Ok((inner, wait::signaled(15))))
    })?;
    check_eq!(wait_for(Awaited::Child(pid))?, (pid, wait::exited(0)));
    // From outside it is reached as any other.
    let process = process::new_child()?;
    process::confine(process.raw())?;
    drop(process);
    counts_return(before)
}
