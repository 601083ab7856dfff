//! What the kernel's `sys` scheme tells of processes and the processor.

use alloc::{string::String, vec::Vec};

use guest_test::{Failure, Outcome, check_eq, contexts, fail};
use redox_rt::{
    process::{self, Awaited, ProcKillTarget, WaitFlags},
    sys,
};
use syscall::{TimeSpec, flag::O_RDONLY};

use crate::files::open;

const SIGKILL: i32 = 9;

/// Whoever lives while the list is read is in it once, although the lines of others change and come and go.
pub fn the_list_of_contexts_is_whole_in_pieces() -> Outcome {
    let Some(busy) = process::fork()? else {
        loop {
            match process::fork() {
                Ok(None) => redox_rt::exit(0),
                Ok(Some(child)) => drop(process::wait(Awaited::Child(child), WaitFlags::empty())),
                Err(_) => sys::sched_yield(),
            }
        }
    };
    let own = process::pid()?;
    for piece in 1..100 {
        let list = open("/scheme/sys/context", O_RDONLY)?;
        let mut text = Vec::new();
        let mut part = [0; 100];
        while let len @ 1.. = list.read(part.get_mut(..piece).unwrap_or(&mut []))? {
            text.extend_from_slice(part.get(..len).unwrap_or(&[]));
            sys::sched_yield();
        }
        let text = String::from_utf8_lossy(&text);
        for pid in [own, busy] {
            let found = contexts::listed(&text).filter(|it| it.pid == pid);
            check_eq!(found.count(), 1, "{pid} in pieces of {piece}");
        }
    }
    process::kill(ProcKillTarget::SingleProc(busy as usize), SIGKILL)?;
    process::wait(Awaited::Child(busy), WaitFlags::empty())?;
    Ok(())
}

/// What the processor did since boot, in hundredths of seconds: for programs, and nothing.
fn busy_and_idle() -> Result<(u64, u64), Failure> {
    let file = open("/scheme/sys/stat", O_RDONLY)?;
    let mut text = [0; 512];
    let len = file.read_full_at(&mut text, 0)?;
    let text = core::str::from_utf8(text.get(..len).unwrap_or(&[])).unwrap_or("");
    let number = |line: &str, at| line.split_ascii_whitespace().nth(at)?.parse::<u64>().ok();
    let lines = || text.lines();
    let sum = lines().find(|line| line.starts_with("cpu "));
    let only = lines().find(|line| line.starts_with("cpu0 "));
    let both = |at| Some((number(sum?, at)?, number(only?, at)?));
    let (Some((busy, one)), Some((idle, other))) = (both(1), both(4)) else {
        fail!("{text}");
    };
    check_eq!((busy, idle), (one, other));
    Ok((busy, idle))
}

pub fn the_time_of_the_processor_is_told() -> Outcome {
    let (busy, _) = busy_and_idle()?;
    while busy_and_idle()?.0 == busy {
        for _ in 0..100_000 {
            core::hint::spin_loop();
        }
    }
    let (_, idle) = busy_and_idle()?;
    while busy_and_idle()?.1 == idle {
        // A signal makes it shorter.
        let _ = sys::nanosleep(&TimeSpec {
            tv_sec: 0,
            tv_nsec: 20_000_000,
        });
    }
    Ok(())
}
