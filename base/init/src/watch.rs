//! Units that have been started, those that are being started, and those that are to be.

use alloc::{collections::VecDeque, string::String, vec::Vec};

use init_core::{Attempts, Kind, Known, Unit};
use redox_rt::{eprintln, sys, thread::Thread};
use rt_core::wait;
use syscall::CLOCK_MONOTONIC;

use crate::{
    Ended, bus,
    keeper::{Event, MAIN, Report},
    ready,
    start::{self, Made},
};

/// The time in milliseconds of the monotonic clock.
pub fn now() -> u64 {
    // Without a clock nothing is ever late, and nothing forgiven.
    sys::clock_gettime(CLOCK_MONOTONIC).map_or(0, |time| {
        time.tv_sec.max(0) as u64 * 1000 + time.tv_nsec.max(0) as u64 / 1_000_000
    })
}

/// A unit that is looked after.
struct Kept {
    unit: Unit,
    attempts: Attempts,
    /// Of two that are to be started, the one with the lower number is first: what comes later may need it.
    order: usize,
    /// Whether the main thread waits to be told what becomes of it.
    awaited: bool,
    /// Whether it is not the first time that it is started.
    again: bool,
    /// Whether it did not start in its time, and has not since.
    late: bool,
}

impl Kept {
    const fn known(&self, is_down: bool) -> Known<'_> {
        Known {
            unit: &self.unit,
            order: self.order,
            is_down,
        }
    }

    /// Tells the main thread what has become of it, if it wants to know.
    fn say(&mut self, report: Report) {
        if self.awaited {
            MAIN.tell(Event::Report(self.unit.name.clone(), report));
            self.awaited = report == Report::Late;
        }
    }
}

/// One that counts as started.
struct Running {
    kept: Kept,
    pid: u32,
    /// Since when.
    since: u64,
}

/// One that is to be started, at a time.
struct Due {
    kept: Kept,
    at: u64,
}

/// One that is being started.
struct Starting {
    kept: Kept,
    number: u64,
    /// Until the last is said of its start.
    thread: Option<Thread>,
    pid: Option<u32>,
    /// How its process ended.
    ended: Option<u32>,
    /// When it is late.
    until: Option<u64>,
    /// Whether it was, and is ended therefore.
    late: bool,
    /// Whether nobody wants it any more: the bus that it belongs to has ended.
    dropped: bool,
}

/// How many children are remembered that may be those of starts. A start tells of its process right after it has made
/// it; what others have ended before that is none.
const STRAYS: usize = 1024;

/// Everything that is looked after.
#[derive(Default)]
pub struct Watch {
    running: Vec<Running>,
    due: Vec<Due>,
    starting: Vec<Starting>,
    /// Processes of drivers whose bus has ended, which have been killed.
    ending: Vec<u32>,
    /// Children that have ended and may be those of starts that have not told yet.
    strays: VecDeque<(u32, u32)>,
    next_number: u64,
}

impl Watch {
    /// Takes note of something.
    pub fn take(&mut self, event: Event) {
        match event {
            Event::Ended(pid, word) => self.ended(pid, word),
            Event::Add(unit, order) => self.due.push(Due {
                kept: Kept {
                    unit: *unit,
                    attempts: Attempts::default(),
                    order,
                    awaited: true,
                    again: false,
                    late: false,
                },
                at: 0,
            }),
            Event::Start(number, made) => self.made(number, made),
            // That is what others are told.
            Event::Report(..) => {}
        }
        if self.starting.iter().all(|one| one.pid.is_some()) {
            self.strays.clear();
        }
    }

    /// When something is to be done at the latest, if nothing happens before.
    pub fn next_time(&self) -> Option<u64> {
        let limits = self.starting.iter().filter(|one| !one.late);
        let limits = limits.filter_map(|one| one.until);
        // What waits for another is looked at when that has got on.
        let due = self.due.iter().filter(|due| !self.waits(due));
        limits.chain(due.map(|due| due.at)).min()
    }

    /// Begins what is to be done by now.
    pub fn go_on(&mut self, now: u64) {
        self.end_late(now);
        while let Some(due) = self.next_due(now) {
            self.start(due, now);
        }
        self.report();
    }

    fn next_due(&mut self, now: u64) -> Option<Due> {
        let ready = self.due.iter().enumerate();
        let ready = ready.filter(|(_, due)| due.at <= now && !self.waits(due));
        let (place, _) = ready.min_by_key(|(_, due)| due.kept.order)?;
        Some(self.due.remove(place))
    }

    /// Whether a unit that is to be started has to wait for others.
    fn waits(&self, due: &Due) -> bool {
        let unit = &due.kept.unit;
        let gone = self.starting.iter().any(|one| one.dropped) || !self.ending.is_empty();
        if gone && matches!(unit.service.kind, Kind::Bus(_)) {
            return true;
        }
        let down = self.due.iter().map(|due| &due.kept);
        let down = down.chain(self.starting.iter().map(|one| &one.kept));
        let up = self.running.iter().map(|running| &running.kept);
        let all: Vec<Known<'_>> = down
            .map(|kept| kept.known(true))
            .chain(up.map(|kept| kept.known(false)))
            .collect();
        init_core::waits_for_others(unit, due.kept.order, &all)
    }

    fn start(&mut self, due: Due, now: u64) {
        let mut kept = due.kept;
        let number = self.next_number;
        self.next_number += 1;
        match start::begin(&kept.unit, number) {
            Ok(thread) => {
                let limit = kept.unit.start_limit();
                self.starting.push(Starting {
                    kept,
                    number,
                    thread: Some(thread),
                    pid: None,
                    ended: None,
                    until: limit.map(|seconds| now + u64::from(seconds) * 1000),
                    late: false,
                    dropped: false,
                });
            }
            Err(error) => {
                eprintln!("init: {}: a thread to start it: {error}", kept.unit.name);
                // Memory may be short for a while.
                kept.again = true;
                self.put_off(kept, false, 0);
            }
        }
    }

    /// Ends what has not become ready in its time.
    fn end_late(&mut self, now: u64) {
        for one in &mut self.starting {
            if one.late || one.dropped || one.until.is_none_or(|until| until > now) {
                continue;
            }
            one.late = true;
            let name = &one.kept.unit.name;
            let limit = one.kept.unit.start_limit().unwrap_or(0);
            eprintln!("init: {name}: not started within {limit} s: it is ended");
            kill(name, one.pid);
            one.kept.late = true;
            one.kept.say(Report::Late);
        }
    }

    /// A child has ended.
    fn ended(&mut self, pid: u32, word: u32) {
        if let Some(place) = self.running.iter().position(|one| one.pid == pid) {
            let one = self.running.swap_remove(place);
            self.has_ended(one.kept, word, one.since);
        } else if let Some(place) = self.starting.iter().position(|one| one.pid == Some(pid)) {
            if let Some(one) = self.starting.get_mut(place) {
                one.ended = Some(word);
            }
            self.settle(place);
        } else if let Some(place) = self.ending.iter().position(|ending| *ending == pid) {
            self.ending.swap_remove(place);
        } else if self.starting.iter().any(|one| one.pid.is_none()) {
            self.strays.push_back((pid, word));
            if self.strays.len() > STRAYS {
                self.strays.pop_front();
            }
        }
    }

    /// A unit's process has ended that counted as started.
    fn has_ended(&mut self, kept: Kept, word: u32, since: u64) {
        eprintln!("init: {}: {}", kept.unit.name, Ended(word));
        self.end_drivers(&kept.unit);
        let ran = now().saturating_sub(since) / 1000;
        self.put_off(kept, word == wait::exited(0), ran);
    }

    /// There are no drivers without their bus.
    fn end_drivers(&mut self, bus: &Unit) {
        if !matches!(bus.service.kind, Kind::Bus(_)) {
            return;
        }
        let is_driver = |kept: &Kept| bus::is_driver(bus, &kept.unit);
        self.due.retain(|due| !is_driver(&due.kept));
        for one in &mut self.starting {
            if is_driver(&one.kept) && !one.dropped {
                one.dropped = true;
                kill(&one.kept.unit.name, one.pid);
            }
        }
        let drivers = self.running.extract_if(.., |one| is_driver(&one.kept));
        for driver in drivers {
            kill(&driver.kept.unit.name, Some(driver.pid));
            self.ending.push(driver.pid);
        }
    }

    /// Something is said of the start of a unit.
    fn made(&mut self, number: u64, made: Made) {
        let Some(place) = self.starting.iter().position(|one| one.number == number) else {
            return;
        };
        let Some(one) = self.starting.get_mut(place) else {
            return;
        };
        match made {
            Made::Process(pid) => {
                one.pid = Some(pid);
                let stray = self.strays.iter().find(|stray| stray.0 == pid);
                one.ended = stray.map(|stray| stray.1);
                if one.late || one.dropped {
                    kill(&one.kept.unit.name, one.pid);
                }
            }
            Made::Ready(drivers) => {
                self.join(place);
                let Some(one) = self.starting.get(place) else {
                    return;
                };
                if !one.late && !one.dropped {
                    let order = one.kept.order;
                    self.due.extend(drivers.into_iter().map(|unit| Due {
                        kept: Kept {
                            unit,
                            attempts: Attempts::default(),
                            order,
                            awaited: false,
                            again: false,
                            late: false,
                        },
                        at: 0,
                    }));
                }
                self.settle(place);
            }
            Made::Failed => {
                self.join(place);
                let one = self.starting.swap_remove(place);
                if let Some(pid) = one.pid
                    && one.ended.is_none()
                {
                    // It has ended or is about to; what cannot be used must not stay.
                    kill(&one.kept.unit.name, Some(pid));
                    self.ending.push(pid);
                }
                self.failed(one);
            }
        }
    }

    fn join(&mut self, place: usize) {
        let one = self.starting.get_mut(place);
        if let Some(one) = one
            && let Some(thread) = one.thread.take()
            && let Err(error) = thread.join()
        {
            let name = &one.kept.unit.name;
            eprintln!("init: {name}: the thread that started it: {error}");
        }
    }

    /// Goes on with a unit of whose start the last has been said, or whose process has ended.
    fn settle(&mut self, place: usize) {
        let Some(one) = self.starting.get(place).filter(|one| one.thread.is_none()) else {
            return;
        };
        let oneshot = one.kept.unit.service.kind == Kind::Oneshot;
        let over = one.late || one.dropped;
        match (one.ended, one.pid) {
            // It has been killed, or is to do what it does.
            (None, _) if oneshot || over => {}
            (Some(word), _) if oneshot || over => {
                let mut one = self.starting.swap_remove(place);
                if over || word != wait::exited(0) {
                    if !over {
                        eprintln!("init: {}: {}", one.kept.unit.name, Ended(word));
                    }
                    self.failed(one);
                } else {
                    one.kept.say(Report::Up);
                }
            }
            (Some(word), _) => {
                let mut one = self.starting.swap_remove(place);
                one.kept.say(Report::Up);
                self.has_ended(one.kept, word, now());
            }
            (None, Some(pid)) => {
                let mut one = self.starting.swap_remove(place);
                if one.kept.again {
                    eprintln!("init: {}: started again", one.kept.unit.name);
                }
                one.kept.late = false;
                self.running.push(Running {
                    kept: one.kept,
                    pid,
                    since: now(),
                });
            }
            // Nothing counts as started without a process.
            (None, None) => {
                let one = self.starting.swap_remove(place);
                self.failed(one);
            }
        }
    }

    /// A unit has not been started.
    fn failed(&mut self, one: Starting) {
        if one.dropped {
            return;
        }
        let mut kept = one.kept;
        self.end_drivers(&kept.unit);
        // What has never run is not tried again, unless it might have: by itself it would have said so.
        if kept.again || one.late || kept.unit.device.is_some() {
            kept.again = true;
            self.put_off(kept, false, 0);
        } else {
            kept.say(Report::Failed);
        }
    }

    /// Has a unit that has ended, well or not, so many seconds after it counted as started, started again as its file
    /// says, or ends its name.
    fn put_off(&mut self, mut kept: Kept, well: bool, ran: u64) {
        let restart = kept.unit.service.restart;
        if let Some(pause) = kept.attempts.again(restart, well, ran) {
            kept.again = true;
            let at = now() + pause;
            self.due.push(Due { kept, at });
            return;
        }
        let name = &kept.unit.name;
        if let Kind::Scheme(scheme) | Kind::Bus(scheme) = &kept.unit.service.kind
            && let Err(error) = ready::give_up(scheme)
        {
            eprintln!("init: {name}: ending the name `{scheme}`: {error}");
        }
        kept.say(Report::Failed);
    }

    /// Tells of units that count as started, with what they list. One driver that hangs does not keep a bus from that:
    /// who requires the bus may need another.
    fn report(&mut self) {
        let down = self.due.iter().map(|due| &due.kept);
        let down = down.chain(self.starting.iter().map(|one| &one.kept));
        let down = down.filter(|kept| !kept.late);
        let down: Vec<String> = down.map(|kept| kept.unit.name.clone()).collect();
        for one in &mut self.running {
            let is_driver = |name: &String| {
                name.strip_prefix(&*one.kept.unit.name)
                    .is_some_and(|rest| rest.starts_with('/'))
            };
            if !down.iter().any(is_driver) {
                one.kept.say(Report::Up);
            }
        }
    }
}

/// Kills a child, if there is one. That it has ended is told like any end.
fn kill(name: &str, pid: Option<u32>) {
    if let Some(pid) = pid
        && let Err(error) = bus::end(pid)
        && error.errno != syscall::ESRCH
    {
        eprintln!("init: {name}: ending it: {error}");
    }
}
