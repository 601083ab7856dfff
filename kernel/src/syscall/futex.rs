//! Futexes: waiting for a word of memory to change.

use crate::{
    context::{Context, Status, Wait, WaitPlace},
    error::{Halt, Outcome, fail},
    kernel::{Kernel, WaitKey},
    memory::Frame,
};
use kernel_core::{machine::Machine, slab::Id};
use syscall::{error::*, flag::*};

impl Kernel {
    /// `SYS_FUTEX`. A wait's fourth argument points to an absolute deadline of the monotonic clock, or
    /// is 0.
    pub fn sys_futex(
        &mut self,
        address: usize,
        operation: usize,
        value: usize,
        value2: usize,
        address2: usize,
    ) -> Outcome {
        match operation {
            FUTEX_WAIT => self.futex_wait(address, value as u64 & 0xffff_ffff, 4, value2),
            FUTEX_WAIT64 => self.futex_wait(address, value as u64, 8, value2),
            FUTEX_WAKE => {
                let key = self.futex_key(self.current_space, address)?;
                Ok(self.futex_wake(key, value))
            }
            FUTEX_REQUEUE => {
                let from = self.futex_key(self.current_space, address)?;
                let to = self.futex_key(self.current_space, address2)?;
                let woken = self.futex_wake(from, value);
                let moved = self.futex_move(from, to, value2);
                Ok(woken.saturating_add(moved))
            }
            _ => fail(EINVAL),
        }
    }

    fn futex_wait(
        &mut self,
        address: usize,
        expected: u64,
        width: usize,
        deadline: usize,
    ) -> Outcome {
        if !address.is_multiple_of(width) {
            return fail(EINVAL);
        }
        let Some(id) = self.current else {
            return fail(ESRCH);
        };
        let space = self.current_space;
        let deadline = if deadline == 0 {
            None
        } else {
            Some(self.read_timespec(space, deadline)?)
        };
        // Nobody else runs between this look and the wait.
        let present = if width == 8 {
            self.read_word(space, address)? as u64
        } else {
            self.read_u32(space, address)?.into()
        };
        if present != expected {
            return fail(EAGAIN);
        }
        let key = self.futex_key(space, address)?;
        if let Some(deadline) = deadline {
            if deadline <= self.now() {
                return fail(ETIMEDOUT);
            }
            self.set_timer(id, deadline)?;
        }
        let pinned = self.pin_word(key);
        let Some(context) = self.contexts.get_mut(id) else {
            return fail(ESRCH);
        };
        context.pinned = pinned;
        context.status = Status::Blocked;
        context.wait = Wait::Futex;
        context.waiting_in = Some(WaitPlace::Object(key));
        self.attention = true;
        self.waiters.bucket(key).push_back(&mut self.contexts, id);
        Err(Halt::Blocked)
    }

    /// Keeps the memory of a shared word for who waits at it, if it is memory that others could get.
    fn pin_word(&mut self, key: WaitKey) -> Option<Frame> {
        let WaitKey::Futex(address) = key else {
            return None;
        };
        Frame::containing(address).filter(|frame| self.memory.retain(*frame))
    }

    /// The first waiter at `key` among those of its bucket from `at` on, and who comes after.
    fn futex_waiter(
        &self,
        key: WaitKey,
        mut at: Option<Id<Context>>,
    ) -> Option<(Id<Context>, Option<Id<Context>>)> {
        while let Some(id) = at {
            let context = self.contexts.get(id)?;
            at = context.queue.next();
            if context.waiting_in == Some(WaitPlace::Object(key)) && context.wait == Wait::Futex {
                return Some((id, at));
            }
        }
        None
    }

    fn futex_wake(&mut self, key: WaitKey, count: usize) -> usize {
        let mut woken = 0;
        let mut at = self.waiters.bucket(key).front();
        while woken < count
            && let Some((id, next)) = self.futex_waiter(key, at)
        {
            at = next;
            self.wake_with(id, Ok(0));
            woken = woken.wrapping_add(1);
        }
        woken
    }

    fn futex_move(&mut self, from: WaitKey, to: WaitKey, count: usize) -> usize {
        let mut moved = 0;
        if from == to {
            return moved;
        }
        let mut at = self.waiters.bucket(from).front();
        while moved < count
            && let Some((id, next)) = self.futex_waiter(from, at)
        {
            at = next;
            self.waiters.bucket(from).remove(&mut self.contexts, id);
            self.waiters.bucket(to).push_back(&mut self.contexts, id);
            let pinned = self.pin_word(to);
            let before = self.contexts.get_mut(id).and_then(|context| {
                context.waiting_in = Some(WaitPlace::Object(to));
                core::mem::replace(&mut context.pinned, pinned)
            });
            if let Some(frame) = before {
                self.memory.release(frame);
            }
            moved = moved.wrapping_add(1);
        }
        moved
    }
}
