//! A table of objects under numbers that are not used again.
//!
//! For daemons: the numbers they give the kernel for their handles, and the references between their
//! own objects.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

use alloc::vec::Vec;

/// Number of an object: index in the low 32 bits, generation above. A number whose object is gone
/// finds nothing, also after the slot has been taken again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key(u64);

/// Generations wrap here, so that no number looks like an error or a negative file offset.
const GENERATIONS: u32 = 1 << 24;

impl Key {
    /// The number as a key; whether it finds anything is another matter.
    #[must_use]
    pub const fn from_raw(raw: u64) -> Self {
        Self(raw)
    }

    /// The key as a number, below 2^56.
    #[must_use]
    pub const fn raw(self) -> u64 {
        self.0
    }

    const fn new(index: u32, generation: u32) -> Self {
        Self((generation as u64) << 32 | index as u64)
    }

    const fn index(self) -> usize {
        (self.0 & u32::MAX as u64) as usize
    }

    const fn generation(self) -> u64 {
        self.0 >> 32
    }
}

#[derive(Debug)]
struct Slot<T> {
    generation: u32,
    value: Option<T>,
}

/// The table.
#[derive(Debug)]
pub struct Slab<T> {
    slots: Vec<Slot<T>>,
    free: Vec<u32>,
}

impl<T> Slab<T> {
    /// An empty table.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            slots: Vec::new(),
            free: Vec::new(),
        }
    }

    /// Puts `value` in a free slot.
    ///
    /// # Errors
    /// Gives it back when there is no memory for one.
    pub fn insert(&mut self, value: T) -> Result<Key, T> {
        if let Some(index) = self.free.pop()
            && let Some(slot) = self.slots.get_mut(index as usize)
        {
            slot.value = Some(value);
            return Ok(Key::new(index, slot.generation));
        }
        // Room to free every slot is reserved together with the slot, so that removal cannot fail.
        let wanted = self.slots.len().saturating_add(1);
        let Ok(index) = u32::try_from(self.slots.len()) else {
            return Err(value);
        };
        if self.slots.try_reserve(1).is_err()
            || self
                .free
                .try_reserve(wanted.saturating_sub(self.free.len()))
                .is_err()
        {
            return Err(value);
        }
        self.slots.push(Slot {
            generation: 0,
            value: Some(value),
        });
        Ok(Key::new(index, 0))
    }

    /// The object under a key.
    #[must_use]
    pub fn get(&self, key: Key) -> Option<&T> {
        self.slots
            .get(key.index())
            .filter(|slot| u64::from(slot.generation) == key.generation())
            .and_then(|slot| slot.value.as_ref())
    }

    /// The object under a key.
    pub fn get_mut(&mut self, key: Key) -> Option<&mut T> {
        self.slots
            .get_mut(key.index())
            .filter(|slot| u64::from(slot.generation) == key.generation())
            .and_then(|slot| slot.value.as_mut())
    }

    /// Takes the object under a key out.
    pub fn remove(&mut self, key: Key) -> Option<T> {
        let slot = self
            .slots
            .get_mut(key.index())
            .filter(|slot| u64::from(slot.generation) == key.generation())?;
        let value = slot.value.take()?;
        slot.generation = slot.generation.wrapping_add(1) % GENERATIONS;
        self.free.push(key.index() as u32);
        Some(value)
    }

    /// How many objects there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.slots.len().saturating_sub(self.free.len())
    }
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Slab<T> {
    /// Whether there are no objects.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Every object with its key.
    pub fn iter(&self) -> impl Iterator<Item = (Key, &T)> {
        (0u32..).zip(&self.slots).filter_map(|(index, slot)| {
            let key = Key::new(index, slot.generation);
            slot.value.as_ref().map(|value| (key, value))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stale_keys_find_nothing() {
        let mut slab = Slab::new();
        let a = slab.insert('a').unwrap();
        let b = slab.insert('b').unwrap();
        assert_eq!(slab.remove(a), Some('a'));
        assert_eq!(slab.remove(a), None);
        let c = slab.insert('c').unwrap();
        assert_ne!(a, c);
        assert_eq!(
            (slab.get(a), slab.get(b), slab.get(c)),
            (None, Some(&'b'), Some(&'c'))
        );
        assert_eq!(slab.len(), 2);
        assert_eq!(slab.get(Key::from_raw(u64::MAX)), None);
        assert_eq!(slab.remove(Key::from_raw(1 << 40)), None);
    }
}
