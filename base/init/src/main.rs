//! `init`, process number 1: starts what the units in `/scheme/initfs/etc/init.d` say, starts again what
//! they say, and takes in orphans.
//!
//! It holds the first namespace. What it starts gets as much of it as its unit names. With arguments, they
//! are a command to be run in place of the console units, in the whole namespace; the end of that, or
//! of a console, is the end of `init`, with the same status.
#![no_std]
#![no_main]

extern crate alloc;

mod bus;
mod program;
mod ready;
mod units;

use alloc::{string::String, vec::Vec};

use init_core::{Attempts, Kind, Unit};
use redox_rt::{
    Error, Result, eprintln,
    process::{self, Awaited, WaitFlags},
    start::Start,
    sys,
};
use rt_core::wait;
use syscall::flag::CLOCK_MONOTONIC;

use program::Program;

redox_rt::entry!(main);

/// A unit that was started.
struct Running {
    unit: Unit,
    pid: u32,
    attempts: Attempts,
    /// When, in seconds of the monotonic clock.
    since: u64,
}

impl Running {
    fn new(unit: Unit, pid: u32) -> Self {
        Self {
            unit,
            pid,
            attempts: Attempts::default(),
            since: now(),
        }
    }
}

fn now() -> u64 {
    // Without a clock nothing is ever forgiven.
    sys::clock_gettime(CLOCK_MONOTONIC).map_or(0, |time| time.tv_sec.max(0) as u64)
}

fn main(start: &Start) -> i32 {
    let command: Vec<&[u8]> = start
        .args()
        .skip(1)
        .map(core::ffi::CStr::to_bytes)
        .collect();
    let mut running = Vec::new();
    let mut consoles = Vec::new();
    let (units, refused) = init_core::order(units::read());
    for (unit, why) in &refused {
        eprintln!("init: {}: not started: {why}", unit.name);
    }
    let mut missing: Vec<String> = refused.into_iter().map(|(unit, _)| unit.name).collect();
    for unit in units {
        if let Some(needed) = unit.requires.iter().find(|name| missing.contains(name)) {
            eprintln!("init: {}: not started: `{needed}` has failed", unit.name);
            missing.push(unit.name);
            continue;
        }
        match (&unit.service.kind, command.is_empty()) {
            (Kind::Console, true) => consoles.push(unit),
            (Kind::Console, false) => {}
            _ => match bring_up(&unit) {
                Ok(Some(pid)) => {
                    let drivers = bus::start_drivers(&unit);
                    running.push(Running::new(unit, pid));
                    running.extend(drivers);
                }
                Ok(None) => {}
                Err(()) => missing.push(unit.name),
            },
        }
    }
    let mut last = Vec::new();
    if let Some((name, args)) = command.split_first() {
        match Program::command(name, args).start() {
            Ok(pid) => last.push(pid),
            Err(error) => eprintln!("init: {}: {error}", name.escape_ascii()),
        }
    }
    for unit in consoles {
        match Program::console(&unit).and_then(|program| program.start()) {
            Ok(pid) => last.push(pid),
            Err(error) => eprintln!("init: {}: {error}", unit.name),
        }
    }
    if last.is_empty() {
        eprintln!("init: there is nothing to run");
        return 127;
    }
    supervise(&mut running, &last)
}

/// Starts a unit that is no console, until it counts as started. Answers its process, if it is to be
/// looked after.
fn bring_up(unit: &Unit) -> core::result::Result<Option<u32>, ()> {
    let name = &unit.name;
    match &unit.service.kind {
        Kind::Scheme(scheme) | Kind::Bus(scheme) => match ready::start_scheme(unit, scheme) {
            Ok(pid) => Ok(Some(pid)),
            Err(error) => {
                eprintln!("init: {name}: scheme `{scheme}`: {error}");
                Err(())
            }
        },
        Kind::Daemon | Kind::Console => match Program::service(unit).and_then(|p| p.start()) {
            Ok(pid) => Ok(Some(pid)),
            Err(error) => {
                eprintln!("init: {name}: {error}");
                Err(())
            }
        },
        Kind::Oneshot => {
            let ended = Program::service(unit)
                .and_then(|program| program.start())
                .and_then(|pid| process::wait(Awaited::Child(pid), WaitFlags::empty()));
            match ended {
                Ok(Some((_, word))) if word == wait::exited(0) => Ok(None),
                Ok(Some((_, word))) => {
                    eprintln!("init: {name}: {}", Ended(word));
                    Err(())
                }
                Ok(None) => Err(()),
                Err(error) => {
                    eprintln!("init: {name}: {error}");
                    Err(())
                }
            }
        }
    }
}

/// Waits for children until one of `last` has ended; answers its exit code as a shell would show it.
fn supervise(running: &mut Vec<Running>, last: &[u32]) -> i32 {
    loop {
        let (pid, word) = match process::wait(Awaited::Any, WaitFlags::empty()) {
            Ok(Some(ended)) => ended,
            Ok(None) => continue,
            Err(Error {
                errno: syscall::EINTR,
            }) => continue,
            Err(error) => {
                eprintln!("init: waiting: {error}");
                return 126;
            }
        };
        if last.contains(&pid) {
            return i32::from(wait::shell_code(word));
        }
        let Some(index) = running.iter().position(|running| running.pid == pid) else {
            // An orphan.
            continue;
        };
        let mut ended = running.swap_remove(index);
        let name = &ended.unit.name;
        eprintln!("init: {name}: {}", Ended(word));
        bus::end_drivers(&ended.unit, running);
        let well = word == wait::exited(0);
        let restart = ended.unit.service.restart;
        let ran = now().saturating_sub(ended.since);
        if ended.attempts.again(restart, well, ran)
            && let Ok(Some(pid)) = bring_up(&ended.unit)
        {
            eprintln!("init: {name}: started again");
            let drivers = bus::start_drivers(&ended.unit);
            (ended.pid, ended.since) = (pid, now());
            running.push(ended);
            running.extend(drivers);
        }
    }
}

/// How a program ended, for people.
struct Ended(u32);

impl core::fmt::Display for Ended {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self.0 & 0x7f {
            0 => write!(f, "exited with {}", self.0 >> 8 & 0xff),
            signal => write!(f, "ended by signal {signal}"),
        }
    }
}

/// The namespace that everything is started from.
fn namespace() -> Result<usize> {
    redox_rt::namespace::namespace().ok_or(Error::new(syscall::ENOENT))
}
