//! Killing processes by their name, and waiting for what takes their place.

use guest_test::contexts;
use redox_rt::{
    Error, Result,
    process::{self, ProcKillTarget},
    sys,
};
use syscall::{ESRCH, TimeSpec};

use crate::world::text;

/// Lets time pass; a signal makes it shorter.
pub fn pause(milliseconds: i32) {
    let time = TimeSpec {
        tv_sec: 0,
        tv_nsec: milliseconds * 1_000_000,
    };
    let _ = sys::nanosleep(&time);
}

/// The process with this name, as the kernel lists it.
pub fn pid_of(name: &str) -> Result<Option<usize>> {
    let listed = text("/scheme/sys/context")?;
    let found = contexts::listed(&listed).find(|it| it.name == name && !it.ended);
    Ok(found.map(|it| it.pid as usize))
}

/// How often something is looked for, 5 ms apart, before it is taken for missing.
pub const TRIES: u32 = 4000;

/// Kills the process with this name, when there is one.
pub fn kill(name: &str) -> Result<usize> {
    for _ in 0..TRIES {
        if let Some(pid) = pid_of(name)? {
            process::kill(ProcKillTarget::SingleProc(pid), 9)?;
            return Ok(pid);
        }
        pause(5);
    }
    Err(Error::new(ESRCH))
}

/// Waits until there is another process with this name.
pub fn until_another(name: &str, old: usize) -> Result<()> {
    for _ in 0..TRIES {
        if pid_of(name)?.is_some_and(|pid| pid != old) {
            return Ok(());
        }
        pause(5);
    }
    Err(Error::new(ESRCH))
}
