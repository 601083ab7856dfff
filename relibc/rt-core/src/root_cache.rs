//! Which scheme roots a process holds already, by name.
//!
//! Looking a root up takes no lock and makes no system call: a reader counts itself in the slot that a
//! name belongs to, and while it is counted what it has found stays. Whoever takes a root out of use
//! closes it when no reader is left, or leaves that to the last one. There are [`SLOTS`] slots; a name
//! has one place, and takes it from another name that has it.
//!
//! A root belongs to an *epoch*, the time that one namespace was the process's; in another epoch it is
//! not found.
//!
//! A reader that never comes back (its thread did not survive a fork, or left by `longjmp`) keeps its
//! slot from being used again for something else, and nothing more.

use core::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};

/// How many roots are held at most.
pub const SLOTS: usize = 8;
/// Longest name that is held, in bytes.
pub const MAX_NAME: usize = WORDS * 8;
const WORDS: usize = 5;
/// How many misses of a name go by after its root was refused before it is asked for again.
const PATIENCE: u32 = 255;

/// The low two bits of a slot's state; above them is the number of readers.
const EMPTY: usize = 0;
const LIVE: usize = 1;
/// Somebody is filling or emptying it.
const BUSY: usize = 2;
/// To be emptied when the last reader has gone.
const RETIRED: usize = 3;
const KIND: usize = 3;
const READER: usize = 4;

/// The roots.
pub struct RootCache {
    epoch: AtomicUsize,
    slots: [Slot; SLOTS],
    close: fn(usize),
}

struct Slot {
    state: AtomicUsize,
    /// Of the name that is held, to see a miss without counting as a reader; 0 when none is.
    hash: AtomicUsize,
    /// These change only while the state is `BUSY`, which begins when nobody reads. A reader that has
    /// counted itself and seen `LIVE` sees all of them as they were when it became so.
    name: [AtomicU64; WORDS],
    root: AtomicUsize,
    epoch: AtomicUsize,
    /// Hash of the name that was missed last.
    missed: AtomicUsize,
    /// How many misses are still to go by.
    patience: AtomicU32,
}

/// A name as words, padded with what no name contains, and its hash, which is not 0.
struct Name {
    words: [u64; WORDS],
    /// How many of them tell it from every other: those it takes, and one more if it fills the last.
    telling: usize,
    hash: usize,
}

impl Name {
    fn new(name: &[u8]) -> Option<Self> {
        if name.len() > MAX_NAME {
            return None;
        }
        let mut words = [0; WORDS];
        let mut hash = name.len() as u64;
        let mut add = |word: u64| {
            hash = (hash ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            hash ^= hash >> 32;
            word
        };
        let (full, rest) = name.as_chunks::<8>();
        for (word, bytes) in words.iter_mut().zip(full) {
            *word = add(u64::from_le_bytes(*bytes));
        }
        if !rest.is_empty()
            && let Some(word) = words.get_mut(full.len())
        {
            *word = add(word_of(rest));
        }
        Some(Self {
            words,
            telling: name.len() / 8 + 1,
            // The low bits choose the slot.
            hash: hash as usize | SLOTS,
        })
    }

    fn is_in(&self, slot: &Slot) -> bool {
        let mut pairs = self.words.iter().zip(&slot.name).take(self.telling);
        pairs.all(|(word, held)| *word == held.load(Ordering::Relaxed))
    }
}

/// Fewer than eight bytes, the first lowest, padded with zeros.
#[inline]
fn word_of(bytes: &[u8]) -> u64 {
    match (bytes.first_chunk(), bytes.last_chunk()) {
        // Two halves, which overlap.
        (Some(first), Some(last)) => {
            let (first, last) = (u32::from_le_bytes(*first), u32::from_le_bytes(*last));
            let shift = (bytes.len().saturating_sub(4) as u32).saturating_mul(8);
            u64::from(first) | u64::from(last).wrapping_shl(shift)
        }
        _ => bytes
            .iter()
            .rev()
            .fold(0, |word, byte| word << 8 | u64::from(*byte)),
    }
}

/// A root in use; it is not closed as long as this lives.
pub struct Held<'a> {
    cache: &'a RootCache,
    slot: &'a Slot,
    root: usize,
}

impl Held<'_> {
    /// The root's descriptor.
    #[must_use]
    pub const fn root(&self) -> usize {
        self.root
    }

    /// Takes it out of use: it does not serve any more.
    pub fn retire(self) {
        self.slot.retire(self.cache.close);
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.slot.leave(self.cache.close);
    }
}

/// What is known about a name.
pub enum Lookup<'a> {
    /// Its root.
    Hit(Held<'a>),
    /// Its root is worth asking for, and the epoch in which that is done.
    Ask(usize),
    /// Nothing; the name is used too seldom, its root was refused lately, or it is too long.
    Miss,
}

impl RootCache {
    /// No root. `close` closes a descriptor.
    #[must_use]
    pub const fn new(close: fn(usize)) -> Self {
        Self {
            epoch: AtomicUsize::new(1),
            slots: [const { Slot::new() }; SLOTS],
            close,
        }
    }

    /// Looks a name up. A name is worth asking for when it is missed twice in a row; with `eager` at
    /// once.
    pub fn look_up(&self, name: &[u8], eager: bool) -> Lookup<'_> {
        let Some(name) = Name::new(name) else {
            return Lookup::Miss;
        };
        let slot = self.slot(&name);
        if slot.hash.load(Ordering::Relaxed) == name.hash
            && let Some(held) = self.enter(slot, &name)
        {
            return Lookup::Hit(held);
        }
        if slot.note_miss(&name, eager) {
            Lookup::Ask(self.epoch.load(Ordering::Acquire))
        } else {
            Lookup::Miss
        }
    }

    fn enter<'a>(&'a self, slot: &'a Slot, name: &Name) -> Option<Held<'a>> {
        let before = slot.state.fetch_add(READER, Ordering::Acquire);
        let mut held = Held {
            cache: self,
            slot,
            root: 0,
        };
        if before & KIND != LIVE {
            return None;
        }
        held.root = slot.root.load(Ordering::Relaxed);
        let epoch = slot.epoch.load(Ordering::Relaxed);
        let same = name.is_in(slot) && epoch == self.epoch.load(Ordering::Acquire);
        same.then_some(held)
    }

    /// Holds a root that was asked for in `epoch`. Gives it back when there is no place for it now.
    pub fn hold(&self, name: &[u8], root: usize, epoch: usize) -> Result<Lookup<'_>, usize> {
        let Some(name) = Name::new(name) else {
            return Err(root);
        };
        if epoch != self.epoch.load(Ordering::Acquire) {
            return Err(root);
        }
        let slot = self.slot(&name);
        slot.retire(self.close);
        // Readers that are about to find that this is not what they look for are in the way, too.
        if slot
            .state
            .compare_exchange(EMPTY, BUSY, Ordering::Acquire, Ordering::Relaxed)
            .is_err()
        {
            return Err(root);
        }
        for (place, word) in slot.name.iter().zip(name.words) {
            place.store(word, Ordering::Relaxed);
        }
        slot.root.store(root, Ordering::Relaxed);
        slot.epoch.store(epoch, Ordering::Relaxed);
        slot.hash.store(name.hash, Ordering::Relaxed);
        slot.patience.store(0, Ordering::Relaxed);
        // Live, with this reader counted; others may have counted themselves in the meantime.
        slot.state
            .fetch_add(READER + LIVE - BUSY, Ordering::Release);
        Ok(Lookup::Hit(Held {
            cache: self,
            slot,
            root,
        }))
    }

    /// A name's root was refused: it is not worth asking for until many misses later.
    pub fn refused(&self, name: &[u8]) {
        if let Some(name) = Name::new(name) {
            let patience = &self.slot(&name).patience;
            patience.store(PATIENCE, Ordering::Relaxed);
        }
    }

    /// From now on no root is found that was held before: another namespace is the process's.
    pub fn begin_epoch(&self) {
        self.epoch.fetch_add(1, Ordering::AcqRel);
        self.forget();
    }

    /// Closes every root, those in use as soon as they are not.
    pub fn forget(&self) {
        for slot in &self.slots {
            slot.missed.store(0, Ordering::Relaxed);
            slot.patience.store(0, Ordering::Relaxed);
            slot.retire(self.close);
        }
    }

    fn slot(&self, name: &Name) -> &Slot {
        let [slots @ .., last] = &self.slots;
        slots.get(name.hash % SLOTS).unwrap_or(last)
    }
}

impl Slot {
    const fn new() -> Self {
        Self {
            state: AtomicUsize::new(EMPTY),
            hash: AtomicUsize::new(0),
            name: [const { AtomicU64::new(0) }; WORDS],
            root: AtomicUsize::new(0),
            epoch: AtomicUsize::new(0),
            missed: AtomicUsize::new(0),
            patience: AtomicU32::new(0),
        }
    }

    /// Whether the root is worth asking for.
    fn note_miss(&self, name: &Name, eager: bool) -> bool {
        let again = self.missed.swap(name.hash, Ordering::Relaxed) == name.hash;
        if !again {
            self.patience.store(0, Ordering::Relaxed);
        }
        let left = self.patience.load(Ordering::Relaxed);
        if left > 0 {
            // A count that is a little wrong when threads miss at the same time does no harm.
            self.patience.store(left - 1, Ordering::Relaxed);
        }
        eager || again && left == 0
    }

    fn leave(&self, close: fn(usize)) {
        let before = self.state.fetch_sub(READER, Ordering::Release);
        if before == RETIRED + READER {
            self.empty(RETIRED, close);
        }
    }

    fn retire(&self, close: fn(usize)) {
        let live = |state: usize| (state & KIND == LIVE).then(|| state - LIVE + RETIRED);
        if let Ok(before) = self
            .state
            .fetch_update(Ordering::AcqRel, Ordering::Relaxed, live)
            && before == LIVE
        {
            self.empty(RETIRED, close);
        }
    }

    /// Closes what is held, unless a reader has come, who does it then.
    fn empty(&self, from: usize, close: fn(usize)) {
        if self
            .state
            .compare_exchange(from, BUSY, Ordering::Acquire, Ordering::Relaxed)
            .is_err()
        {
            return;
        }
        self.hash.store(0, Ordering::Relaxed);
        close(self.root.load(Ordering::Relaxed));
        self.state.fetch_sub(BUSY, Ordering::Release);
    }
}

#[cfg(test)]
mod tests;
