//! A daemon that says when it is ready, and that it was waited for.

use alloc::vec::Vec;

use guest_test::{Outcome, check_eq};
use redox_rt::{Error, Fd, Result, eprintln, start::Start, sys};
use syscall::{
    EINVAL, ENOENT, TimeSpec,
    flag::{O_CREAT, O_EXCL, O_RDONLY, O_WRONLY},
};

use crate::files::open;

const FILE: &str = "/notified";

fn variable(start: &Start, name: &str) -> Option<&'static str> {
    start
        .env()
        .find_map(|text| text.to_str().ok()?.strip_prefix(name)?.strip_prefix('='))
}

/// Leaves a file, long after it was started, then says that it is ready.
pub fn run(start: &Start) -> i32 {
    match get_ready(start) {
        Ok(()) => crate::hold::run(),
        Err(error) => {
            eprintln!("test-user: notify: {error}");
            1
        }
    }
}

fn get_ready(start: &Start) -> Result<()> {
    let number = variable(start, "INIT_NOTIFY").and_then(|text| text.parse().ok());
    let pipe = Fd::from_raw(number.ok_or(Error::new(EINVAL))?);
    let level = variable(start, "LEVEL").ok_or(Error::new(ENOENT))?;
    let pause = TimeSpec {
        tv_sec: 0,
        tv_nsec: 200_000_000,
    };
    // A signal makes it shorter.
    let _ = sys::nanosleep(&pause);
    open(FILE, O_CREAT | O_EXCL | O_WRONLY | 0o600)?.write_exact(level.as_bytes())?;
    pipe.write_exact(&[0])
}

/// What runs after the units finds the file.
pub fn a_daemon_that_says_when_it_is_ready_is_waited_for() -> Outcome {
    let mut level = Vec::from([0; 8]);
    let len = open(FILE, O_RDONLY)?.read_full_at(&mut level, 0)?;
    check_eq!(level.get(..len), Some(&b"high"[..]));
    Ok(())
}
