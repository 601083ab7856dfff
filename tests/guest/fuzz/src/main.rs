//! A process without any capability beyond a pipe makes random system calls; a bystander and the
//! kernel's counts of its objects tell whether anybody else noticed.
//!
//! Arguments: how many calls (a million unless said otherwise), and the seed. Needs `grant=all`, of
//! which the fuzzing process keeps nothing.
#![no_std]
#![no_main]

extern crate alloc;

mod bystander;
mod fuzzer;
mod random;

use alloc::boxed::Box;
use alloc::string::String;
use core::sync::atomic::{AtomicUsize, Ordering};

use cap_abi::auxv;
use guest_test::{Outcome, check, check_eq, fail};
use redox_rt::context::{Context, Status};
use redox_rt::fork::{Forked, fork_into};
use redox_rt::futex::Mutex;
use redox_rt::start::Start;
use redox_rt::{Error, Fd, Result, event, println, sys};
use syscall::flag::{ContextStatus, ContextVerb, MapFlags, O_RDONLY, O_RDWR};
use syscall::{CtxtStsBuf, EIO, GlobalSchemes, KernelSchemeInfo, Map, UPPER_FDTBL_TAG};

redox_rt::entry!(main);

/// Shared by the three processes.
#[repr(C)]
pub struct State {
    /// Calls made, those that succeeded, those that were refused.
    pub calls: AtomicUsize,
    pub good: AtomicUsize,
    pub bad: AtomicUsize,
    /// The last call: number and arguments.
    pub last: [AtomicUsize; 7],
    /// Rounds of the bystander.
    pub rounds: AtomicUsize,
    pub stop: AtomicUsize,
    ready: AtomicUsize,
}

struct Job {
    proc: Fd,
    event: Fd,
    pipe: Fd,
    sys: Fd,
    calls: usize,
    seed: u64,
}

static JOB: Mutex<Option<&'static Job>> = Mutex::new(None);

fn prepare(start: &Start) -> Option<()> {
    let address = start.aux(auxv::AT_CUPRITE_KERNEL_SCHEMES)?;
    let count = start.aux(auxv::AT_CUPRITE_KERNEL_SCHEMES_LEN)?;
    // SAFETY: the first process put the array there.
    let infos = unsafe { core::slice::from_raw_parts(address as *const KernelSchemeInfo, count) };
    let root = |scheme: GlobalSchemes| {
        let info = infos.iter().find(|i| i.scheme_id == scheme as u8)?;
        Some(Fd::from_raw(info.fd))
    };
    let number = |index: usize| start.arg(index).and_then(|a| a.to_str().ok()?.parse().ok());
    let job = Job {
        proc: root(GlobalSchemes::Proc)?,
        event: root(GlobalSchemes::Event)?,
        pipe: root(GlobalSchemes::Pipe)?,
        sys: root(GlobalSchemes::Sys)?,
        calls: number(1).unwrap_or(1_000_000) as usize,
        seed: number(2).unwrap_or(1),
    };
    *JOB.lock() = Some(Box::leak(Box::new(job)));
    Some(())
}

fn main(start: &Start) -> i32 {
    if prepare(start).is_none() {
        redox_rt::eprintln!("test-fuzz: needs grant=all");
        return 2;
    }
    guest_test::run!["fuzz" => random_calls_harm_nobody_else]
}

fn job() -> &'static Job {
    match *JOB.lock() {
        Some(job) => job,
        None => unreachable!("set before any case runs"),
    }
}

fn shared() -> Result<&'static State> {
    let flags = MapFlags::MAP_SHARED | MapFlags::PROT_READ | MapFlags::PROT_WRITE;
    let map = Map {
        offset: 0,
        size: 4096,
        flags,
        address: 0,
    };
    // SAFETY: the kernel chooses a place.
    let address = unsafe { sys::fmap(sys::ANONYMOUS, &map) }?;
    // SAFETY: fresh zeroed memory of sufficient size; it is made of atomics alone and stays mapped.
    Ok(unsafe { &*(address as *const State) })
}

fn fork(body: impl FnOnce() -> i32) -> Result<Context> {
    let context = Context::new(&job().proc)?;
    match fork_into(&context, None)? {
        Forked::Child => redox_rt::exit(body()),
        Forked::Parent => Ok(context),
    }
}

fn text(name: &[u8]) -> Result<String> {
    let fd = job().sys.open(name, O_RDONLY)?;
    let mut bytes = [0; 1024];
    let len = fd.read_full_at(&mut bytes, 0)?;
    Ok(String::from_utf8_lossy(bytes.get(..len).unwrap_or(&[])).into_owned())
}

fn free_frames() -> Result<usize> {
    let text = text(b"memory")?;
    let value = text.lines().find_map(|line| line.strip_prefix("free "));
    value
        .and_then(|value| value.parse().ok())
        .ok_or(Error::new(EIO))
}

/// Starts the fuzzing process, and makes sure that it has nothing but two pipe ends, twice each.
fn start_fuzzer(
    state: &'static State,
    seed: u64,
) -> core::result::Result<Context, guest_test::Failure> {
    println!("fuzz: seed {seed}");
    state.ready.store(0, Ordering::SeqCst);
    let read = job().pipe.open(b"", O_RDWR)?;
    let write = read.dup(b"write")?;
    let pipe = [read.raw(), write.raw()];
    let context = fork(|| {
        if fuzzer::give_up_everything(pipe).is_err() {
            return 1;
        }
        state.ready.store(1, Ordering::SeqCst);
        while state.ready.load(Ordering::SeqCst) == 1 {
            sys::sched_yield();
        }
        fuzzer::run(state, seed)
    })?;
    for _ in 0..100_000 {
        if state.ready.load(Ordering::SeqCst) == 1 {
            break;
        }
        sys::sched_yield();
    }
    check_eq!(state.ready.load(Ordering::SeqCst), 1);
    let mut numbers = [0; 16];
    let count = context.get().file_table()?.numbers(&mut numbers, 0)?;
    let expected = [3, 4, UPPER_FDTBL_TAG + 1000, UPPER_FDTBL_TAG + 1001];
    check_eq!(numbers.get(..count), Some(&expected[..]));
    state.ready.store(2, Ordering::SeqCst);
    Ok(context)
}

/// Whether a process waits, runs on or has ended.
enum Now {
    Waits,
    Runs,
    Ended,
}

fn look(status: &Fd) -> Result<Now> {
    let mut buf = CtxtStsBuf::default();
    status.read_exact(&mut buf)?;
    Ok(if buf.status == ContextStatus::Blocked as usize {
        Now::Waits
    } else if buf.status == ContextStatus::Runnable as usize {
        Now::Runs
    } else {
        Now::Ended
    })
}

/// Lets the calls be made, so many in all, and interrupts those that wait.
fn watch(state: &'static State, calls: usize, mut seed: u64) -> Outcome {
    let mut told = 0;
    let mut restarts = 0;
    while state.calls.load(Ordering::SeqCst) < calls {
        let context = start_fuzzer(state, seed)?;
        let status = context.get().handle(b"status")?;
        loop {
            let made = state.calls.load(Ordering::SeqCst);
            if made / 100_000 > told {
                told = made / 100_000;
                let (good, bad) = (
                    state.good.load(Ordering::SeqCst),
                    state.bad.load(Ordering::SeqCst),
                );
                println!("fuzz: {made} calls, {good} did something, {bad} were refused");
            }
            if made >= calls {
                break;
            }
            match look(&status)? {
                Now::Waits => {
                    let verb = [ContextVerb::Interrupt as usize];
                    status.write_exact(sys::bytes_of(&verb))?;
                }
                Now::Runs => {}
                Now::Ended => break,
            }
            sys::sched_yield();
        }
        if !matches!(look(&status)?, Now::Ended) {
            context.get().tell(ContextVerb::ForceKill)?;
        }
        drop(status);
        let end = event::wait_for_end(&job().event, context.get())?;
        if state.calls.load(Ordering::SeqCst) < calls {
            let last = state
                .last
                .each_ref()
                .map(|word| word.load(Ordering::SeqCst));
            println!("fuzz: ended itself ({end:?}) after call {:#x?}", last);
            restarts += 1;
            check!(
                restarts < 100,
                "the fuzzing process ends itself all the time"
            );
        }
        seed += 1;
    }
    Ok(())
}

fn random_calls_harm_nobody_else() -> Outcome {
    let state = shared()?;
    // Once for a start, so that tables which grow have grown.
    watch(state, 2000, job().seed.wrapping_add(1 << 32))?;
    state.calls.store(0, Ordering::SeqCst);
    let bystander = fork(|| bystander::run(state, &job().pipe))?;
    while state.rounds.load(Ordering::SeqCst) < 3 {
        sys::sched_yield();
    }
    let before = text(b"objects")?;
    let free = free_frames()?;
    watch(state, job().calls, job().seed)?;
    for _ in 0..100 {
        sys::sched_yield();
    }
    let after = text(b"objects")?;
    let free_after = free_frames()?;
    state.stop.store(1, Ordering::SeqCst);
    let end = event::wait_for_end(&job().event, bystander.get())?;
    if end != Status::Ended(rt_core::wait::exited(0)) {
        fail!("the bystander noticed: {end:?}");
    }
    println!(
        "fuzz: the bystander made {} rounds",
        state.rounds.load(Ordering::SeqCst)
    );
    // The bystander may wait or not, which makes a timer of difference.
    let without_timers = |text: &str| -> String {
        text.lines()
            .filter(|line| !line.starts_with("timers"))
            .flat_map(|l| [l, " "])
            .collect()
    };
    check_eq!(without_timers(&after), without_timers(&before));
    check!(
        free_after + 64 >= free,
        "{free} frames free before, {free_after} after"
    );
    Ok(())
}
