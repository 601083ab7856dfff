//! What happens when.
//!
//! A binary heap of deadlines. Adding, cancelling and taking out cost a logarithm of the number of
//! timers. Timers of one deadline expire in the order in which they were set.

use alloc::vec::Vec;

use crate::NoMemory;
use crate::slab::{Id, Slab, shrink};

/// Names a timer that was set and has neither expired nor been cancelled.
pub type TimerId<K> = Id<Timer<K>>;

/// A timer; only its id is of use outside.
pub struct Timer<K> {
    deadline: u64,
    sequence: u64,
    position: usize,
    payload: K,
}

/// Timers with something to remember each.
pub struct Timers<K> {
    timers: Slab<Timer<K>>,
    heap: Vec<TimerId<K>>,
    sequence: u64,
}

impl<K> Default for Timers<K> {
    fn default() -> Self {
        Self::new()
    }
}

impl<K> Timers<K> {
    /// No timer, no memory.
    pub const fn new() -> Self {
        Self {
            timers: Slab::new(),
            heap: Vec::new(),
            sequence: 0,
        }
    }

    /// How many timers are set.
    pub const fn len(&self) -> usize {
        self.timers.len()
    }

    /// Whether none is.
    pub const fn is_empty(&self) -> bool {
        self.timers.is_empty()
    }

    /// Sets a timer. The unit and origin of `deadline` are the caller's.
    ///
    /// # Errors
    /// [`NoMemory`].
    pub fn set(&mut self, deadline: u64, payload: K) -> Result<TimerId<K>, NoMemory> {
        self.heap.try_reserve(1)?;
        let position = self.heap.len();
        let sequence = self.sequence;
        let id = self.timers.insert(Timer {
            deadline,
            sequence,
            position,
            payload,
        })?;
        self.sequence = sequence.wrapping_add(1);
        self.heap.push(id);
        self.rise(position);
        Ok(id)
    }

    /// Takes a timer back before it expires. `None` when it has expired or been cancelled.
    pub fn cancel(&mut self, id: TimerId<K>) -> Option<K> {
        let timer = self.timers.remove(id)?;
        let last = self.heap.pop();
        if let Some(moved) = last
            && moved != id
        {
            self.place(timer.position, moved);
            self.rise(timer.position);
            self.sink(timer.position);
        }
        shrink(&mut self.heap);
        Some(timer.payload)
    }

    /// When a timer that is set will expire.
    pub fn deadline(&self, id: TimerId<K>) -> Option<u64> {
        Some(self.timers.get(id)?.deadline)
    }

    /// When the next timer expires.
    pub fn next_deadline(&self) -> Option<u64> {
        self.deadline(*self.heap.first()?)
    }

    /// Takes out the next timer whose deadline is `now` or earlier.
    pub fn pop_expired(&mut self, now: u64) -> Option<(TimerId<K>, K)> {
        let id = *self.heap.first()?;
        if self.deadline(id)? > now {
            return None;
        }
        Some((id, self.cancel(id)?))
    }

    fn place(&mut self, position: usize, id: TimerId<K>) {
        if let Some(slot) = self.heap.get_mut(position) {
            *slot = id;
        }
        if let Some(timer) = self.timers.get_mut(id) {
            timer.position = position;
        }
    }

    /// The timer at a position of the heap, and what orders it.
    fn at(&self, position: usize) -> Option<(TimerId<K>, (u64, u64))> {
        let id = *self.heap.get(position)?;
        let timer = self.timers.get(id)?;
        Some((id, (timer.deadline, timer.sequence)))
    }

    fn rise(&mut self, mut position: usize) {
        while let Some((id, order)) = self.at(position)
            && let Some(above) = position.checked_sub(1).map(|p| p / 2)
            && let Some((parent, parent_order)) = self.at(above)
            && order < parent_order
        {
            self.place(above, id);
            self.place(position, parent);
            position = above;
        }
    }

    fn sink(&mut self, mut position: usize) {
        while let Some((id, order)) = self.at(position) {
            let left = position.saturating_mul(2).saturating_add(1);
            let right = left.saturating_add(1);
            let below = match (self.at(left), self.at(right)) {
                (Some(l), Some(r)) if r.1 < l.1 => Some((right, r)),
                (Some(l), _) => Some((left, l)),
                (None, _) => None,
            };
            let Some((below, (child, _))) = below.filter(|(_, child)| child.1 < order) else {
                return;
            };
            self.place(below, id);
            self.place(position, child);
            position = below;
        }
    }
}
