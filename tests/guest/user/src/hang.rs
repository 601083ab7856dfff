//! Daemons that are not ready yet, and what then becomes of others: one that hangs as long as there is a file, and one
//! that is ready when another is, which `init` does not know.

use alloc::{format, string::String, vec::Vec};

use guest_test::{Outcome, check, check_error, contexts};
use redox_rt::{
    Error, Result, eprintln, namespace as ns,
    process::{self, ProcKillTarget},
    sys,
};
use scheme_core::reply;
use scheme_loop::{Answers, Handler};
use syscall::{
    ENODEV, ESRCH, TimeSpec,
    flag::{O_CREAT, O_DIRECTORY, O_RDONLY, O_TRUNC, O_WRONLY},
    schemev2::{Sqe, SqeFlags},
};

use crate::files::open;

const FILE: &str = "/hang";
/// Where the daemon leaves its number.
const NUMBER: &str = "/hang-number";
const ROOT: &str = "/scheme/hang";
/// How often something is looked for, 10 ms apart, before it is taken for missing.
const TRIES: u32 = 3000;

/// Serves nothing.
struct Nothing;

impl Handler for Nothing {
    const LONGEST_INPUT: usize = 4096;

    fn handle(&mut self, sqe: &Sqe, _: &mut [u8], out: &mut Answers<'_>) -> Result<()> {
        if sqe.sqe_flags.contains(SqeFlags::ONEWAY) {
            return Ok(());
        }
        out.push(reply::value(sqe.tag, Err(syscall::EOPNOTSUPP)))
    }
}

/// The daemon.
pub fn run() -> i32 {
    let left = process::pid().and_then(|pid| {
        let file = open(NUMBER, O_CREAT | O_TRUNC | O_WRONLY | 0o600)?;
        file.write_exact(format!("{pid}").as_bytes())
    });
    if let Err(error) = left {
        eprintln!("hang: its number: {error}");
        return 1;
    }
    if open(FILE, O_RDONLY).is_ok() {
        eprintln!("hang: it hangs");
        return crate::hold::run();
    }
    scheme_loop::run("hang", 0, 0, &mut Nothing)
}

/// The daemon that is ready after the other.
pub fn run_after() -> i32 {
    while open(NUMBER, O_RDONLY).is_err() {
        pause();
        ns::forget_roots();
    }
    scheme_loop::run("early", 0, 0, &mut Nothing)
}

fn pause() {
    let time = TimeSpec {
        tv_sec: 0,
        tv_nsec: 10_000_000,
    };
    // A signal makes it shorter.
    let _ = sys::nanosleep(&time);
}

/// What the list of contexts says of a program that runs, other than a process.
fn running(name: &str, not: u32) -> Result<u32> {
    for _ in 0..TRIES {
        let listed = text("/scheme/sys/context")?;
        let mut all = contexts::listed(&listed);
        let found = all.find(|it| it.name == name && !it.ended && it.pid != not);
        if let Some(found) = found {
            return Ok(found.pid);
        }
        pause();
    }
    Err(Error::new(ESRCH))
}

fn text(path: &str) -> Result<String> {
    let file = open(path, O_RDONLY)?;
    let mut text = Vec::new();
    let mut piece = [0; 1024];
    while let len @ 1.. = file.read_full_at(&mut piece, text.len() as u64)? {
        text.extend_from_slice(piece.get(..len).unwrap_or(&[]));
    }
    Ok(String::from_utf8_lossy(&text).into_owned())
}

/// The number that the daemon has left, once it is another one.
fn daemon(not: u32) -> Result<u32> {
    for _ in 0..TRIES {
        let pid = text(NUMBER).ok().and_then(|text| text.parse().ok());
        match pid {
            Some(pid) if pid != not => return Ok(pid),
            _ => pause(),
        }
    }
    Err(Error::new(ESRCH))
}

fn kill(pid: u32) -> Result<()> {
    process::kill(ProcKillTarget::SingleProc(pid as usize), 9)
}

fn until_bound(path: &str) -> Result<()> {
    for _ in 0..TRIES {
        ns::forget_roots();
        match open(path, O_RDONLY | O_DIRECTORY) {
            Err(error) if error.errno == ENODEV => pause(),
            other => return other.map(drop),
        }
    }
    Err(Error::new(ENODEV))
}

/// While the machine starts, none waits for another that it does not require: else the first of the two would not have
/// started in its time.
pub fn a_daemon_that_is_slow_to_start_keeps_nobody_waiting() -> Outcome {
    drop(open("/scheme/early", O_RDONLY | O_DIRECTORY)?);
    Ok(())
}

/// While one hangs, another is started again; and the one that hangs is ended, and started again until it does not.
pub fn a_daemon_that_hangs_before_it_is_ready_keeps_nobody_waiting() -> Outcome {
    let first = daemon(0)?;
    drop(open(FILE, O_CREAT | O_WRONLY | 0o600)?);
    kill(first)?;
    // It hangs now, and others are looked after meanwhile.
    let hanging = daemon(first)?;
    let other = running("shmd", 0)?;
    kill(other)?;
    check!(running("shmd", other)? != other);
    until_bound("/scheme/shm")?;
    check_error!(open(ROOT, O_RDONLY | O_DIRECTORY).map(drop), ENODEV);
    // Its time goes by, and it is another one that hangs.
    let next = daemon(hanging)?;
    check_error!(kill(hanging), ESRCH);
    check!(next != hanging);
    let names = ns::namespace().ok_or(Error::new(ENODEV))?;
    sys::unlinkat(names, FILE.as_bytes(), 0)?;
    until_bound(ROOT)?;
    Ok(())
}
