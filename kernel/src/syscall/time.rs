//! Clocks, sleeping, yielding.

use crate::{
    context::{Status, Wait, WaitPlace},
    error::{Halt, Outcome, fail},
    kernel::{Kernel, WaitKey},
};
use syscall::{data::TimeSpec, error::*, flag::*};

impl Kernel {
    /// The time of a clock in nanoseconds.
    ///
    /// # Errors
    /// `EINVAL` for a clock that is none.
    pub fn clock(&self, clock: usize) -> Outcome<u64> {
        match clock {
            CLOCK_MONOTONIC => Ok(self.now()),
            CLOCK_REALTIME => Ok(self.realtime_base.wrapping_add(self.now())),
            _ => fail(EINVAL),
        }
    }

    /// `SYS_CLOCK_GETTIME`.
    pub fn sys_clock_gettime(&mut self, clock: usize, address: usize) -> Outcome {
        let time = self.clock(clock)?;
        self.write_timespec(
            self.current_space,
            address,
            &TimeSpec::from_nanos(time.into()),
        )?;
        Ok(0)
    }

    /// `SYS_NANOSLEEP`.
    pub fn sys_nanosleep(&mut self, request: usize, remaining: usize) -> Outcome {
        let Some(id) = self.current else {
            return fail(ESRCH);
        };
        let duration = self.read_timespec(self.current_space, request)?;
        let until = self.now().saturating_add(duration);
        self.set_timer(id, until)?;
        let Some(context) = self.contexts.get_mut(id) else {
            return fail(ESRCH);
        };
        context.status = Status::Blocked;
        context.wait = Wait::Sleep { until, remaining };
        context.waiting_in = Some(WaitPlace::Object(WaitKey::Never));
        self.attention = true;
        self.waiters
            .bucket(WaitKey::Never)
            .push_back(&mut self.contexts, id);
        Err(Halt::Blocked)
    }

    /// `SYS_YIELD`.
    pub fn sys_yield(&mut self) -> Outcome {
        // With the rest of its time it would be chosen again before those who wait for the next round.
        if let Some(id) = self.current {
            self.run.enter(&mut self.contexts, id);
        }
        if let Some(context) = self.this() {
            context.run.yield_now();
        }
        self.slice.over = true;
        self.attention = true;
        Ok(0)
    }
}
