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
mod keeper;
mod program;
mod ready;
mod units;
mod watch;

use alloc::{string::String, vec::Vec};

use init_core::{Kind, Unit};
use redox_rt::{Error, Result, eprintln, start::Start, sys};
use rt_core::wait;
use syscall::flag::{CLOCK_MONOTONIC, O_DIRECTORY, O_RDONLY};

use program::Program;
use watch::Watch;

redox_rt::entry!(main);

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
    let initial = system.watch.split(units::is_among_the_initial_files);
    if let Err(error) = keeper::start(initial) {
        eprintln!("init: a thread that looks after units: {error}");
        return 126;
    }
    system.bring_up_all(units::of_the_files(), &variable, command.is_empty());
    let System {
        mut watch,
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
    let code = supervise(&mut watch, &last);
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
    watch: Watch,
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
                        self.watch.add(unit, pid, self.started.len());
                        self.watch.settle();
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
                .and_then(keeper::wait_for);
            match ended {
                Ok(word) if word == wait::exited(0) => Ok(None),
                Ok(word) => {
                    eprintln!("init: {name}: {}", Ended(word));
                    Err(())
                }
                Err(error) => {
                    eprintln!("init: {name}: {error}");
                    Err(())
                }
            }
        }
    }
}

/// Looks after units until one of `last` has ended; answers its exit code as a shell would show it.
fn supervise(watch: &mut Watch, last: &[u32]) -> i32 {
    loop {
        while let Some((pid, word)) = keeper::next() {
            if last.contains(&pid) {
                return i32::from(wait::shell_code(word));
            }
            // If it is none of the units', it was an orphan.
            watch.ended(pid, word);
        }
        if watch.is_settled() {
            keeper::wait();
        } else {
            redox_rt::namespace::forget_roots();
            watch.start_one();
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
