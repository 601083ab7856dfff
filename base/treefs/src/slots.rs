//! Values under numbers that are not used twice.

use alloc::vec::Vec;

/// A slab whose numbers carry a generation: the number of a removed value leads to nothing, also
/// after its place is taken by another.
#[derive(Debug)]
pub struct Slots<T> {
    places: Vec<Place<T>>,
    free: Vec<u32>,
    len: usize,
}

#[derive(Debug)]
struct Place<T> {
    generation: u32,
    value: Option<T>,
}

const fn split(number: u64) -> (usize, u32) {
    ((number & 0xffff_ffff) as usize, (number >> 32) as u32)
}

const fn join(index: u32, generation: u32) -> u64 {
    (generation as u64) << 32 | index as u64
}

impl<T> Slots<T> {
    pub const fn new() -> Self {
        Self {
            places: Vec::new(),
            free: Vec::new(),
            len: 0,
        }
    }

    /// How many values there are.
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Puts a value in; its number is never 0. `None` when there is no memory.
    pub fn insert(&mut self, value: T) -> Option<u64> {
        if let Some(index) = self.free.pop() {
            let place = self.places.get_mut(index as usize)?;
            place.value = Some(value);
            self.len = self.len.saturating_add(1);
            return Some(join(index, place.generation));
        }
        let index = u32::try_from(self.places.len()).ok()?;
        self.places.try_reserve(1).ok()?;
        // So that `remove` never needs memory.
        let more = self.places.len().saturating_sub(self.free.len());
        self.free.try_reserve(more.saturating_add(1)).ok()?;
        self.places.push(Place {
            generation: 1,
            value: Some(value),
        });
        self.len = self.len.saturating_add(1);
        Some(join(index, 1))
    }

    pub fn get(&self, number: u64) -> Option<&T> {
        let (index, generation) = split(number);
        let place = self.places.get(index)?;
        place
            .value
            .as_ref()
            .filter(|_| place.generation == generation)
    }

    pub fn get_mut(&mut self, number: u64) -> Option<&mut T> {
        let (index, generation) = split(number);
        let place = self.places.get_mut(index)?;
        let right = place.generation == generation;
        place.value.as_mut().filter(|_| right)
    }

    pub fn remove(&mut self, number: u64) -> Option<T> {
        let (index, generation) = split(number);
        let place = self.places.get_mut(index)?;
        if place.generation != generation {
            return None;
        }
        let value = place.value.take()?;
        self.len = self.len.saturating_sub(1);
        // A place whose generations are used up stays empty for good.
        if let Some(next) = place.generation.checked_add(1) {
            place.generation = next;
            self.free.push(index as u32);
        }
        Some(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_not_reused() {
        let mut slots = Slots::new();
        let a = slots.insert('a').unwrap();
        let b = slots.insert('b').unwrap();
        assert_ne!(a, 0);
        assert_eq!((slots.get(a), slots.get(b)), (Some(&'a'), Some(&'b')));
        assert_eq!(slots.remove(a), Some('a'));
        assert_eq!(
            (slots.remove(a), slots.get(a), slots.len()),
            (None, None, 1)
        );
        let c = slots.insert('c').unwrap();
        assert_ne!(a, c);
        assert_eq!((slots.get(a), slots.get(c)), (None, Some(&'c')));
        assert_eq!((slots.get(0), slots.get(u64::MAX)), (None, None));
    }

    #[test]
    fn a_place_with_no_generation_left_is_retired() {
        let mut slots = Slots::new();
        slots.insert('a').unwrap();
        slots.places[0].generation = u32::MAX;
        assert_eq!(slots.remove(join(0, u32::MAX)), Some('a'));
        assert_eq!(slots.insert('b'), Some(join(1, 1)));
    }
}
