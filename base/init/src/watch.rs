//! Units that have been started, and those that have ended and are to be started again.

use alloc::vec::Vec;

use init_core::{Attempts, Kind, Unit};
use redox_rt::{Result, eprintln};
use rt_core::wait;

use crate::{Ended, bring_up, bus, keeper, now, ready};

/// A unit that was started.
pub struct Running {
    pub unit: Unit,
    pub pid: u32,
    attempts: Attempts,
    /// When, in seconds of the monotonic clock.
    since: u64,
    /// Of two that have ended, the one with the lower number is started again first: what comes later may need it.
    order: usize,
}

/// Units that one thread looks after.
pub struct Watch {
    running: Vec<Running>,
    /// Those that are to be started again.
    due: Vec<Running>,
    /// How that thread waits for the end of a child.
    wait: fn(u32) -> Result<u32>,
}

impl Default for Watch {
    fn default() -> Self {
        Self::new(keeper::wait_for)
    }
}

impl Watch {
    const fn new(wait: fn(u32) -> Result<u32>) -> Self {
        Self {
            running: Vec::new(),
            due: Vec::new(),
            wait,
        }
    }

    /// Looks after a unit that has been started, and starts what belongs to it.
    pub fn add(&mut self, unit: Unit, pid: u32, order: usize) {
        self.start_drivers(&unit, order);
        self.running.push(Running {
            unit,
            pid,
            attempts: Attempts::default(),
            since: now(),
            order,
        });
    }

    /// Whether there is nothing to be started again.
    pub fn is_settled(&self) -> bool {
        self.due.is_empty()
    }

    /// Starts again what can be.
    pub fn settle(&mut self) {
        while !self.is_settled() {
            self.start_one();
        }
    }

    /// The units of some kind, to be looked after by the keeper.
    pub fn split(&mut self, is_wanted: impl Fn(&Unit) -> bool) -> Self {
        let mut taken = Self::new(keeper::wait_here);
        for (from, to) in [
            (&mut self.running, &mut taken.running),
            (&mut self.due, &mut taken.due),
        ] {
            to.extend(from.extract_if(.., |one| is_wanted(&one.unit)));
        }
        taken
    }

    /// A child has ended. `false`: it is none of these.
    pub fn ended(&mut self, pid: u32, word: u32) -> bool {
        let Some(index) = self.running.iter().position(|running| running.pid == pid) else {
            return false;
        };
        let ended = self.running.swap_remove(index);
        eprintln!("init: {}: {}", ended.unit.name, Ended(word));
        bus::end_drivers(&ended.unit, &mut self.running, self.wait);
        self.due
            .retain(|driver| !bus::is_driver(&ended.unit, &driver.unit));
        self.put_off(ended, word == wait::exited(0));
        true
    }

    /// Has a unit that has ended, well or not, started again as its file says, or ends its name.
    fn put_off(&mut self, mut ended: Running, well: bool) {
        let ran = now().saturating_sub(ended.since);
        if ended.attempts.again(ended.unit.service.restart, well, ran) {
            self.due.push(ended);
        } else if let Kind::Scheme(scheme) | Kind::Bus(scheme) = &ended.unit.service.kind
            && let Err(error) = ready::give_up(scheme)
        {
            let name = &ended.unit.name;
            eprintln!("init: {name}: ending the name `{scheme}`: {error}");
        }
    }

    /// Starts one unit again. One that ends before it counts as started has ended once more.
    pub fn start_one(&mut self) {
        let first =
            (0..self.due.len()).min_by_key(|place| self.due.get(*place).map(|due| due.order));
        let Some(mut unit) = first.map(|place| self.due.remove(place)) else {
            return;
        };
        unit.since = now();
        match bring_up(&unit.unit) {
            Ok(Some(pid)) => {
                eprintln!("init: {}: started again", unit.unit.name);
                unit.pid = pid;
                self.start_drivers(&unit.unit, unit.order);
                self.running.push(unit);
            }
            Ok(None) => {}
            Err(()) => self.put_off(unit, false),
        }
    }

    fn start_drivers(&mut self, bus: &Unit, order: usize) {
        for driver in bus::drivers(bus) {
            let started = bring_up(&driver);
            let running = Running {
                unit: driver,
                pid: started.ok().flatten().unwrap_or(0),
                attempts: Attempts::default(),
                since: now(),
                order,
            };
            if running.pid == 0 {
                self.put_off(running, false);
            } else {
                self.running.push(running);
            }
        }
    }
}
