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
mod start;
mod units;
mod watch;

use alloc::{boxed::Box, string::String, vec::Vec};

use init_core::{Kind, Unit};
use redox_rt::{Error, Result, eprintln, start::Start, sys};
use rt_core::wait;
use syscall::flag::{O_DIRECTORY, O_RDONLY};

use keeper::{Event, KEEPER, MAIN, Report};
use program::Program;

redox_rt::entry!(main);

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
    if let Err(error) = keeper::start() {
        eprintln!("init: threads that look after units: {error}");
        return 126;
    }
    // First what is needed to reach the files, then what they say.
    system.add(units::first(), &variable);
    system.until_settled();
    system.add(units::of_the_files(), &variable);
    system.until_tried();
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
    system.no_consoles = !command.is_empty();
    let code = system.run(last);
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
    /// How many units the keeper has been given.
    count: usize,
    /// Units that are the last to be started.
    consoles: Vec<Unit>,
    /// Whether those are not to be started at all.
    no_consoles: bool,
    /// Units that count as started.
    started: Vec<String>,
    missing: Vec<String>,
    /// Units that the keeper has been given and that are neither yet.
    begun: Vec<String>,
    /// Those of them that did not start in their time and are tried again.
    late: Vec<String>,
    /// Units that wait for others, in their order.
    waiting: Vec<Unit>,
    /// Every unit so far.
    units: Vec<Unit>,
    /// Whether to say what is started.
    verbose: bool,
}

impl System {
    /// Adds units and starts what they require nothing more for; of two of a name the later is meant, unless the
    /// other has been started.
    fn add<'a>(&mut self, units: Vec<Unit>, variable: &dyn Fn(&str) -> Option<&'a str>) {
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
        self.waiting = units;
        self.waiting.retain(|unit| {
            let known = |names: &[String]| names.contains(&unit.name);
            !known(&self.started) && !known(&self.missing) && !known(&self.begun)
        });
        self.go_on();
    }

    /// Starts every unit that waits for no other any more.
    fn go_on(&mut self) {
        let mut place = 0;
        while let Some(unit) = self.waiting.get(place) {
            // One that it only wishes to come after may wait for it in turn; the later of two is the one that waits.
            let unsettled = |name: &String| {
                let mut earlier = self.waiting.iter().take(place);
                self.begun.contains(name) || earlier.any(|other| other.name == *name)
            };
            let others = [&unit.requires, &unit.requires_weak, &unit.unless];
            if others.iter().any(|names| names.iter().any(unsettled)) {
                place += 1;
                continue;
            }
            let unit = self.waiting.remove(place);
            self.begin(unit);
            // What has settled may be what one before it waits for.
            place = 0;
        }
    }

    /// Starts a unit whose requirements have been tried.
    fn begin(&mut self, unit: Unit) {
        if unit.unless.iter().any(|name| self.started.contains(name)) {
            self.started.push(unit.name);
            return;
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
            return;
        }
        if unit.service.kind == Kind::Console {
            self.consoles.retain(|other| other.name != unit.name);
            self.consoles.push(unit);
            return;
        }
        self.count += 1;
        self.begun.push(unit.name.clone());
        KEEPER.tell(Event::Add(Box::new(unit), self.count));
    }

    /// Goes on until nothing is being started but what is late.
    fn until_tried(&mut self) {
        while self.begun.iter().any(|name| !self.late.contains(name)) {
            self.take_report();
        }
    }

    /// Goes on until every unit counts as started or missing, but for those that are late and that none waits for.
    fn until_settled(&mut self) {
        self.until_tried();
        while !self.waiting.is_empty() {
            self.take_report();
            self.until_tried();
        }
    }

    /// Waits for what the keeper says next of a unit. Of children nothing is of interest yet.
    fn take_report(&mut self) {
        loop {
            if let Some(Event::Report(name, report)) = MAIN.wait(None) {
                return self.note(name, report);
            }
        }
    }

    /// Takes note of what has become of a unit, and starts what has waited for that.
    fn note(&mut self, name: String, report: Report) {
        self.late.retain(|other| *other != name);
        let list = match report {
            Report::Up => {
                if self.verbose {
                    eprintln!("init: {name}: started");
                }
                // Of daemons that have ended meanwhile nothing is kept.
                redox_rt::namespace::forget_roots();
                &mut self.started
            }
            Report::Failed => &mut self.missing,
            Report::Late => &mut self.late,
        };
        list.push(name.clone());
        if report != Report::Late {
            self.begun.retain(|other| *other != name);
            self.go_on();
        }
    }

    /// Starts the consoles, and waits until one of them or of these processes has ended; answers its exit code as a
    /// shell would show it. What is late meanwhile becomes what it may.
    fn run(&mut self, mut last: Vec<u32>) -> i32 {
        loop {
            self.start_consoles(&mut last);
            if last.is_empty() && self.waiting.is_empty() {
                eprintln!("init: there is nothing to run");
                return 127;
            }
            match MAIN.wait(None) {
                Some(Event::Ended(pid, word)) if last.contains(&pid) => {
                    return i32::from(wait::shell_code(word));
                }
                Some(Event::Report(name, report)) => self.note(name, report),
                // A unit's process, or an orphan.
                _ => {}
            }
        }
    }

    fn start_consoles(&mut self, last: &mut Vec<u32>) {
        for unit in core::mem::take(&mut self.consoles) {
            if self.no_consoles {
                continue;
            }
            match Program::console(&unit).and_then(|program| program.start()) {
                Ok(pid) => last.push(pid),
                Err(error) => eprintln!("init: {}: {error}", unit.name),
            }
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
