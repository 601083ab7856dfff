//! `init`, process number 1: starts what the units in `/scheme/initfs/etc/init.d` say, then those of
//! `/usr/lib/init.d` and `/etc/init.d`, starts again what they say, and takes in orphans.
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
use syscall::flag::{CLOCK_MONOTONIC, O_DIRECTORY, O_RDONLY};

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
    let variable = |name: &str| {
        let value = |variable: &'static core::ffi::CStr| {
            let text = variable.to_str().ok()?;
            text.strip_prefix(name)?.strip_prefix('=')
        };
        start.env().find_map(value)
    };
    let mut system = System {
        verbose: variable("VERBOSE").is_some(),
        ..System::default()
    };
    // First what is needed to reach the files, then what they say.
    system.bring_up_all(units::first(), &variable, command.is_empty());
    system.bring_up_all(units::of_the_files(), &variable, command.is_empty());
    let System {
        mut running,
        consoles,
        ..
    } = system;
    let mut last = Vec::new();
    if let Some((name, args)) = command.split_first() {
        let started = match core::str::from_utf8(name) {
            Ok(name) => Program::command(name, args).start(),
            Err(_) => Err(Error::new(syscall::EILSEQ)),
        };
        match started {
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
    let code = supervise(&mut running, &last);
    write_files_back();
    code
}

/// What has been written to files is on the disk when this returns.
fn write_files_back() {
    let root = redox_rt::namespace::open(b"/", O_RDONLY | O_DIRECTORY, sys::FD_ANY_UPPER);
    // Without files there is nothing to write.
    if let Ok(root) = root.map(redox_rt::Fd::from_raw)
        && let Err(error) = sys::fsync(root.raw())
    {
        eprintln!("init: writing files back: {error}");
    }
}

/// What has been started, and what could not be.
#[derive(Default)]
struct System {
    running: Vec<Running>,
    /// Units that are the last to be started.
    consoles: Vec<Unit>,
    /// Units that count as started.
    started: Vec<String>,
    missing: Vec<String>,
    /// Every unit so far.
    units: Vec<Unit>,
    /// Whether to say what is started.
    verbose: bool,
}

impl System {
    /// Starts units, after those that they require; of two of a name the later is meant, unless the other has
    /// been started.
    fn bring_up_all<'a>(
        &mut self,
        units: Vec<Unit>,
        variable: &dyn Fn(&str) -> Option<&'a str>,
        with_consoles: bool,
    ) {
        if units.is_empty() {
            return;
        }
        for mut unit in units {
            unit.substitute(variable);
            self.units.retain(|other| other.name != unit.name);
            self.consoles.retain(|other| other.name != unit.name);
            self.units.push(unit);
        }
        let (units, refused) = init_core::order(self.units.clone());
        for (unit, why) in refused {
            if !self.missing.contains(&unit.name) {
                eprintln!("init: {}: not started: {why}", unit.name);
                self.missing.push(unit.name);
            }
        }
        for unit in units {
            let known = |names: &[String]| names.contains(&unit.name);
            if known(&self.started) || known(&self.missing) {
                continue;
            }
            if unit.unless.iter().any(|name| self.started.contains(name)) {
                self.started.push(unit.name);
                continue;
            }
            let needed = unit
                .requires
                .iter()
                .find(|name| self.missing.contains(name));
            if let Some(needed) = needed {
                if !unit.optional {
                    eprintln!("init: {}: not started: `{needed}` has failed", unit.name);
                }
                self.missing.push(unit.name);
                continue;
            }
            if unit.service.kind == Kind::Console {
                if with_consoles {
                    self.consoles.retain(|other| other.name != unit.name);
                    self.consoles.push(unit);
                }
                continue;
            }
            match bring_up(&unit) {
                Ok(pid) => {
                    if self.verbose {
                        eprintln!("init: {}: started", unit.name);
                    }
                    self.started.push(unit.name.clone());
                    if let Some(pid) = pid {
                        let drivers = bus::start_drivers(&unit);
                        self.running.push(Running::new(unit, pid));
                        self.running.extend(drivers);
                    }
                }
                Err(()) => self.missing.push(unit.name),
            }
        }
    }
}

/// Starts a unit that is no console, until it counts as started. Answers its process, if it is to be
/// looked after.
fn bring_up(unit: &Unit) -> core::result::Result<Option<u32>, ()> {
    let name = &unit.name;
    match &unit.service.kind {
        Kind::Scheme(scheme) | Kind::Bus(scheme) => match ready::start_scheme(unit, scheme) {
            Ok(pid) => Ok(Some(pid)),
            Err(error) => {
                if !unit.optional {
                    eprintln!("init: {name}: scheme `{scheme}`: {error}");
                }
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
        Kind::Notify => match ready::start_notifying(unit) {
            Ok(pid) => Ok(Some(pid)),
            Err(error) => {
                if !unit.optional {
                    eprintln!("init: {name}: {error}");
                }
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
        // Of daemons that end while nothing is started, nothing is kept.
        redox_rt::namespace::forget_roots();
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
        eprintln!("init: {}: {}", ended.unit.name, Ended(word));
        bus::end_drivers(&ended.unit, running);
        if let Some(pid) = start_again(&mut ended, word == wait::exited(0)) {
            eprintln!("init: {}: started again", ended.unit.name);
            let drivers = bus::start_drivers(&ended.unit);
            ended.pid = pid;
            running.push(ended);
            running.extend(drivers);
        } else if let Kind::Scheme(scheme) | Kind::Bus(scheme) = &ended.unit.service.kind
            && let Err(error) = ready::give_up(scheme)
        {
            eprintln!(
                "init: {}: ending the name `{scheme}`: {error}",
                ended.unit.name
            );
        }
    }
}

/// Starts a unit again that has ended, well or not, as its file says. One that ends before it counts as
/// started has ended once more.
fn start_again(ended: &mut Running, mut well: bool) -> Option<u32> {
    let restart = ended.unit.service.restart;
    loop {
        let ran = now().saturating_sub(ended.since);
        if !ended.attempts.again(restart, well, ran) {
            return None;
        }
        (ended.since, well) = (now(), false);
        if let Ok(Some(pid)) = bring_up(&ended.unit) {
            return Some(pid);
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
