//! The `time` scheme: clocks. Reading gives the time; writing a time makes the descriptor readable, to
//! event queues, from then on.

use super::{Kind, ops::Opened};
use crate::{
    context::sched::{Alarm, TimerId},
    descriptor::Description,
    error::{Halt, Outcome, fail},
    kernel::Kernel,
};
use core::mem::size_of;
use kernel_core::slab::Id;
use syscall::{data::TimeSpec, error::*, flag::*};

/// A clock as a descriptor has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clock {
    /// `CLOCK_MONOTONIC` or `CLOCK_REALTIME`.
    pub id: usize,
    /// The alarm that is set.
    pub alarm: Option<TimerId>,
    /// The alarm has gone off and no other was set since.
    pub due: bool,
}

impl Kernel {
    /// Opens a clock by its number in decimal.
    pub fn time_open(&mut self, key: &[u8]) -> Outcome<Opened> {
        let id = match key {
            b"1" => CLOCK_REALTIME,
            b"4" => CLOCK_MONOTONIC,
            _ => return fail(ENOENT),
        };
        Ok(Opened::plain(Kind::Time(Clock {
            id,
            alarm: None,
            due: false,
        })))
    }

    /// `read`: the time now.
    pub fn time_read(&mut self, clock: Clock, base: usize, len: usize) -> Outcome {
        if len < size_of::<TimeSpec>() {
            return fail(EINVAL);
        }
        let now = self.clock(clock.id)?;
        self.write_timespec(self.current_space, base, &TimeSpec::from_nanos(now.into()))?;
        Ok(size_of::<TimeSpec>())
    }

    /// `write`: sets the alarm.
    pub fn time_write(
        &mut self,
        id: Id<Description>,
        clock: Clock,
        base: usize,
        len: usize,
    ) -> Outcome {
        if len < size_of::<TimeSpec>() {
            return fail(EINVAL);
        }
        let time = self.read_timespec(self.current_space, base)?;
        let deadline = if clock.id == CLOCK_REALTIME {
            time.saturating_sub(self.realtime_base)
        } else {
            time
        };
        self.cancel_alarm(clock);
        let due = deadline <= self.now();
        let alarm = if due {
            None
        } else {
            let alarm = self.timers.set(deadline, Alarm::Clock(id));
            Some(alarm.map_err(|_| Halt::Errno(ENOMEM))?)
        };
        self.description(id)?.kind = Kind::Time(Clock {
            id: clock.id,
            alarm,
            due,
        });
        if due {
            self.notify_description(id, EventFlags::EVENT_READ);
        } else {
            self.arm();
        }
        Ok(size_of::<TimeSpec>())
    }

    /// Takes back a clock's alarm.
    pub fn cancel_alarm(&mut self, clock: Clock) {
        if let Some(alarm) = clock.alarm {
            self.timers.cancel(alarm);
        }
    }

    /// A clock's alarm goes off.
    pub fn clock_fired(&mut self, id: Id<Description>) {
        if let Some(description) = self.descriptions.get_mut(id)
            && let Kind::Time(clock) = &mut description.kind
        {
            clock.alarm = None;
            clock.due = true;
            self.notify_description(id, EventFlags::EVENT_READ);
        }
    }

    /// Whether a clock's alarm has gone off.
    pub fn clock_readiness(&mut self, id: Id<Description>) -> EventFlags {
        match self
            .descriptions
            .get(id)
            .map(|description| description.kind)
        {
            Some(Kind::Time(Clock { due: true, .. })) => EventFlags::EVENT_READ,
            _ => EventFlags::empty(),
        }
    }
}
