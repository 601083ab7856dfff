//! Which runnable thread runs next.
//!
//! Priorities are 0 to 39, the lower the more urgent; 20 is what a thread has by default (they are
//! `ProcSchemeAttrs::prio`, and a nice value plus 20). Each has a *slice* of processor time per
//! *round* ([`slice_ns`]). Of the threads that have some of their slice left, the most urgent runs,
//! first come first served among equals. A thread that has used up its slice waits for the next
//! round, which begins when nobody has any left. Picking is constant time.
//!
//! # Nobody starves
//!
//! In one round a thread runs for no more than its slice (and what the timer is late), whatever
//! it does: sleeping and waking does not refill the slice before the round ends, yielding gives up
//! the rest of it, and a thread that was never scheduled before waits for the next round. So the
//! rest of a round is no longer than the sum of the slices of the other threads in it, and a
//! runnable thread gets the processor after at most that sum twice. The bound is only as good as
//! the accounting: the kernel charges the time actually used ([`RunState::charge`]) whenever it
//! switches from a thread.

use crate::list::{HasLink, Link, List};
use crate::slab::{Id, Slab};

/// The kind of list that runnable threads are in.
pub const RUN_LINK: usize = 0x110;

/// Number of priorities.
pub const PRIORITIES: usize = 40;

/// The priority of a thread for which nobody chose another.
pub const DEFAULT_PRIORITY: Priority = Priority(20);

const SLICE_STEP_NS: u32 = 250_000;

/// A priority, 0 (most urgent) to 39.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Priority(u8);

impl Priority {
    /// Checks a number that came from user space (`EINVAL`).
    pub const fn new(number: u32) -> Option<Self> {
        if number < PRIORITIES as u32 {
            Some(Self(number as u8))
        } else {
            None
        }
    }

    /// The priority as a number.
    pub const fn number(self) -> u32 {
        self.0 as u32
    }
}

/// Processor time that a thread of a priority has per round, in nanoseconds: from 10 ms for the
/// most urgent to 0.25 ms, 5 ms by default.
pub const fn slice_ns(priority: Priority) -> u32 {
    (PRIORITIES as u32)
        .saturating_sub(priority.0 as u32)
        .saturating_mul(SLICE_STEP_NS)
}

/// What the scheduler knows of a thread.
pub struct RunState<T> {
    link: Link<T>,
    left_ns: u32,
    /// The round for which `left_ns` holds; in any other the slice is whole.
    round: u64,
    priority: Priority,
    /// In which of the two sets the thread is queued, while it is.
    set: bool,
    fresh: bool,
}

impl<T> RunState<T> {
    /// A thread that has never been runnable.
    pub const fn new(priority: Priority) -> Self {
        Self {
            link: Link::new(),
            left_ns: slice_ns(priority),
            round: 0,
            priority,
            set: false,
            fresh: true,
        }
    }

    /// The priority.
    pub const fn priority(&self) -> Priority {
        self.priority
    }

    /// Whether the thread is queued (a running thread is not).
    pub const fn is_queued(&self) -> bool {
        self.link.is_linked()
    }

    /// What is left of the slice, in nanoseconds, as of when the thread was picked or charged last.
    pub const fn left_ns(&self) -> u32 {
        self.left_ns
    }

    /// Accounts for processor time that the thread has used. Whether its slice is used up.
    pub fn charge(&mut self, ns: u64) -> bool {
        let ns = u32::try_from(ns).unwrap_or(u32::MAX);
        self.left_ns = self.left_ns.saturating_sub(ns);
        self.left_ns == 0
    }

    /// Gives up the rest of the slice.
    pub const fn yield_now(&mut self) {
        self.left_ns = 0;
    }
}

/// An object that can be scheduled.
pub trait Runnable: Sized {
    /// The scheduler's part of it.
    fn run(&self) -> &RunState<Self>;
    /// The scheduler's part of it.
    fn run_mut(&mut self) -> &mut RunState<Self>;
}

impl<T: Runnable> HasLink<RUN_LINK> for T {
    fn link(&self) -> &Link<Self> {
        &self.run().link
    }
    fn link_mut(&mut self) -> &mut Link<Self> {
        &mut self.run_mut().link
    }
}

/// One list per priority.
struct Set<T> {
    levels: [List<T, RUN_LINK>; PRIORITIES],
    /// A bit per level that is not empty.
    occupied: u64,
}

impl<T: Runnable> Set<T> {
    const fn new() -> Self {
        Self {
            levels: [const { List::new() }; PRIORITIES],
            occupied: 0,
        }
    }

    fn push(&mut self, slab: &mut Slab<T>, id: Id<T>, priority: Priority, front: bool) -> bool {
        let Some(level) = self.levels.get_mut(usize::from(priority.0)) else {
            return false;
        };
        self.occupied |= 1u64.wrapping_shl(u32::from(priority.0));
        if front {
            level.push_front(slab, id)
        } else {
            level.push_back(slab, id)
        }
    }

    fn remove(&mut self, slab: &mut Slab<T>, id: Id<T>, priority: Priority) -> bool {
        let Some(level) = self.levels.get_mut(usize::from(priority.0)) else {
            return false;
        };
        let removed = level.remove(slab, id);
        if level.is_empty() {
            self.occupied &= !1u64.wrapping_shl(u32::from(priority.0));
        }
        removed
    }

    fn first(&self) -> Option<(Id<T>, Priority)> {
        let number = self.occupied.trailing_zeros();
        let id = self.levels.get(number as usize)?.front()?;
        Some((id, Priority::new(number)?))
    }
}

/// The runnable threads that are not running.
pub struct RunQueue<T> {
    /// Those with time left in this round, and those that wait for the next; which is which is
    /// said by `active`.
    sets: [Set<T>; 2],
    active: bool,
    round: u64,
    len: usize,
}

impl<T: Runnable> Default for RunQueue<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: Runnable> RunQueue<T> {
    /// No thread.
    pub const fn new() -> Self {
        Self {
            sets: [Set::new(), Set::new()],
            active: false,
            round: 1,
            len: 0,
        }
    }

    /// How many threads are queued.
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether no thread is queued.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    const fn set(&mut self, which: bool) -> &mut Set<T> {
        let [first, second] = &mut self.sets;
        if which { second } else { first }
    }

    /// Queues a thread behind those of its priority: one that became runnable, or was running and
    /// is preempted or yields. `false` when it is gone or queued already.
    pub fn push(&mut self, slab: &mut Slab<T>, id: Id<T>) -> bool {
        self.enqueue(slab, id, false)
    }

    /// Queues a thread before those of its priority: one that shall go on as soon as possible, as
    /// after a direct switch to somebody else.
    pub fn push_front(&mut self, slab: &mut Slab<T>, id: Id<T>) -> bool {
        self.enqueue(slab, id, true)
    }

    fn enqueue(&mut self, slab: &mut Slab<T>, id: Id<T>, front: bool) -> bool {
        let round = self.round;
        let Some(state) = slab.get_mut(id).map(Runnable::run_mut) else {
            return false;
        };
        if state.is_queued() {
            return false;
        }
        refill(state, round);
        let waits = state.left_ns == 0 || core::mem::replace(&mut state.fresh, false);
        let which = self.active ^ waits;
        state.set = which;
        let priority = state.priority;
        self.len = self.len.saturating_add(1);
        self.set(which).push(slab, id, priority, front)
    }

    /// Takes a queued thread out. `false` when it is gone or not queued.
    pub fn remove(&mut self, slab: &mut Slab<T>, id: Id<T>) -> bool {
        let Some(state) = slab.get(id).map(Runnable::run) else {
            return false;
        };
        let (which, priority) = (state.set, state.priority);
        let removed = self.set(which).remove(slab, id, priority);
        if removed {
            self.len = self.len.saturating_sub(1);
        }
        removed
    }

    /// Takes out the thread to run next. It may run for what [`RunState::left_ns`] says.
    pub fn pick(&mut self, slab: &mut Slab<T>) -> Option<Id<T>> {
        if self.set(self.active).occupied == 0 {
            if self.len == 0 {
                return None;
            }
            self.active = !self.active;
            self.round = self.round.wrapping_add(1);
        }
        let (id, priority) = self.set(self.active).first()?;
        self.set(self.active).remove(slab, id, priority);
        self.len = self.len.saturating_sub(1);
        self.enter(slab, id);
        Some(id)
    }

    /// A thread is about to run that was not picked: it is switched to directly. What it has left
    /// of its slice, in nanoseconds; with nothing left it should be queued instead.
    pub fn enter(&mut self, slab: &mut Slab<T>, id: Id<T>) -> u32 {
        let round = self.round;
        slab.get_mut(id).map_or(0, |object| {
            let state = object.run_mut();
            state.fresh = false;
            refill(state, round);
            state.left_ns
        })
    }

    /// Whether somebody is to run instead of a thread that is running and not yet used up.
    pub fn preempts(&self, running: &RunState<T>) -> bool {
        let [first, second] = &self.sets;
        let active = if self.active { second } else { first };
        active
            .first()
            .is_some_and(|(_, priority)| priority < running.priority)
    }

    /// Changes a thread's priority, whether it is queued or not. What it has left of its slice is
    /// cut to the new slice.
    pub fn set_priority(&mut self, slab: &mut Slab<T>, id: Id<T>, priority: Priority) -> bool {
        let queued = self.remove(slab, id);
        let Some(state) = slab.get_mut(id).map(Runnable::run_mut) else {
            return false;
        };
        state.priority = priority;
        state.left_ns = state.left_ns.min(slice_ns(priority));
        let which = state.set;
        if queued {
            self.len = self.len.saturating_add(1);
            self.set(which).push(slab, id, priority, false);
        }
        true
    }
}

fn refill<T>(state: &mut RunState<T>, round: u64) {
    if state.round != round {
        state.round = round;
        state.left_ns = slice_ns(state.priority);
    }
}
