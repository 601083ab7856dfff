//! Clocks, sleeping, yielding.

use crate::{
    arch,
    context::{Context, Status, Wait, WaitPlace},
    error::{Halt, Outcome, fail},
    kernel::{Kernel, WaitKey},
};
use cap_abi::proc::CLOCK_THREAD_CPUTIME;
use kernel_core::slab::Id;
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
            CLOCK_THREAD_CPUTIME => self.current.map_or(fail(ESRCH), |id| self.cpu_time(id)),
            _ => fail(EINVAL),
        }
    }

    /// How long a context has had the CPU, in nanoseconds. What the kernel did for it meanwhile is part of it.
    pub fn cpu_time(&self, id: Id<Context>) -> Outcome<u64> {
        let context = self.contexts.get(id).ok_or(Halt::Errno(ESRCH))?;
        let now = (self.current == Some(id)).then(arch::tsc);
        Ok(arch::ticks_to_ns(context.meter.total(now)))
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
        self.slice.over = true;
        self.attention = true;
        Ok(0)
    }
}
