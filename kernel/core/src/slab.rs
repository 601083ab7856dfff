//! Objects by generational id.
//!
//! A [`Slab`] stores objects in chunks of [`CHUNK`] slots. An object never moves while it lives.
//! Its [`Id`] names slot and generation; when the object is removed the slot's generation changes,
//! so that the old id finds nothing from then on.
//!
//! The generation of an occupied slot is odd and that of a vacant slot even, hence comparing
//! generations is all that [`Slab::contains`] needs. A slot whose generations are used up (after
//! 2^31 objects) is retired: no id is ever handed out twice by the same slab.
//!
//! The lowest vacant slot is used first, so that the chunks at the end become empty and can be
//! given back. One empty chunk is kept, lest a slab that hovers around a multiple of the chunk size
//! allocate and free at every step.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::cmp::Ordering;
use core::fmt;
use core::hash::{Hash, Hasher};
use core::marker::PhantomData;
use core::num::NonZeroU32;

pub use crate::NoMemory;

/// Slots per chunk.
pub const CHUNK: usize = 32;
const CHUNK_SHIFT: u32 = CHUNK.trailing_zeros();
const CHUNK_MASK: u32 = (CHUNK as u32) - 1;
const GROUP: usize = u64::BITS as usize;

/// An empty chunk whose generations are beyond this is not given back: its successor would have to
/// begin there, and would soon be used up.
const MAX_RECYCLED_GENERATION: u32 = 1 << 30;

/// Names one object of a [`Slab<T>`].
///
/// `Option<Id<T>>` is as small as `Id<T>`.
pub struct Id<T> {
    index: u32,
    generation: NonZeroU32,
    marker: PhantomData<fn() -> T>,
}

impl<T> Id<T> {
    fn new(index: u32, generation: u32) -> Option<Self> {
        // Only odd generations name objects.
        if generation & 1 == 0 {
            return None;
        }
        Some(Self {
            index,
            generation: NonZeroU32::new(generation)?,
            marker: PhantomData,
        })
    }

    /// The position of the object's slot, below the slab's limit. Unique among living objects.
    #[inline]
    pub const fn index(self) -> u32 {
        self.index
    }

    /// How the slot's present object differs from its former ones.
    #[inline]
    pub const fn generation(self) -> u32 {
        self.generation.get()
    }

    /// The id as a number: the generation above the index. Never 0.
    #[inline]
    pub const fn raw(self) -> u64 {
        ((self.generation.get() as u64) << 32) | self.index as u64
    }

    /// The id that [`Id::raw`] made into a number. `None` for numbers that no id has; anything else
    /// may at worst name an object that does not exist or a different living one.
    pub fn from_raw(raw: u64) -> Option<Self> {
        Self::new(raw as u32, (raw >> 32) as u32)
    }
}

impl<T> Clone for Id<T> {
    #[inline]
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Id<T> {}

impl<T> PartialEq for Id<T> {
    #[inline]
    fn eq(&self, other: &Self) -> bool {
        self.index == other.index && self.generation == other.generation
    }
}

impl<T> Eq for Id<T> {}

impl<T> PartialOrd for Id<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> Ord for Id<T> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.raw().cmp(&other.raw())
    }
}

impl<T> Hash for Id<T> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.raw().hash(state);
    }
}

impl<T> fmt::Debug for Id<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.index, self.generation)
    }
}

struct Slot<T> {
    /// Odd: occupied by the object of that generation. Even: vacant, the next object's is one more.
    generation: u32,
    value: Option<T>,
}

type Chunk<T> = Box<[Slot<T>; CHUNK]>;

/// What [`Slab::insert`] needs to know of a chunk; apart from it, so that looking up is short.
#[derive(Clone, Copy)]
struct Occupancy {
    /// A bit per slot that cannot be handed out: occupied or retired.
    taken: u32,
    /// The retired slots of `taken`.
    retired: u32,
}

fn new_chunk<T>(generation: u32) -> Result<Chunk<T>, NoMemory> {
    let mut slots = Vec::new();
    slots.try_reserve_exact(CHUNK)?;
    slots.extend((0..CHUNK).map(|_| Slot {
        generation,
        value: None,
    }));
    // The length is the capacity and CHUNK, so this neither allocates nor fails.
    slots.into_boxed_slice().try_into().map_err(|_| NoMemory)
}

/// A growing and shrinking set of objects with generational ids.
pub struct Slab<T> {
    chunks: Vec<Chunk<T>>,
    /// As long as `chunks`.
    occupancy: Vec<Occupancy>,
    /// A bit per chunk that has a vacant slot.
    vacant: Vec<u64>,
    /// No word of `vacant` before this one has a bit set.
    first_vacant: usize,
    len: usize,
    /// Generation at which the slots of a new chunk begin (even).
    base_generation: u32,
    limit: u32,
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Slab<T> {
    /// An empty slab without memory, growing to at most 2^32 - 1 objects.
    pub const fn new() -> Self {
        Self::with_limit(u32::MAX)
    }

    /// An empty slab whose indices stay below `max`.
    pub const fn with_limit(max: u32) -> Self {
        Self {
            chunks: Vec::new(),
            occupancy: Vec::new(),
            vacant: Vec::new(),
            first_vacant: 0,
            len: 0,
            base_generation: 0,
            limit: max,
        }
    }

    /// How many objects there are.
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no object.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// How many objects fit before memory must be allocated.
    pub fn capacity(&self) -> usize {
        self.chunks.len().saturating_mul(CHUNK)
    }

    #[inline(always)]
    fn slot(&self, index: u32) -> Option<&Slot<T>> {
        self.chunks
            .get((index >> CHUNK_SHIFT) as usize)?
            .get((index & CHUNK_MASK) as usize)
    }

    #[inline(always)]
    fn slot_mut(&mut self, index: u32) -> Option<&mut Slot<T>> {
        self.chunks
            .get_mut((index >> CHUNK_SHIFT) as usize)?
            .get_mut((index & CHUNK_MASK) as usize)
    }

    /// Whether `id` names a living object.
    #[inline]
    pub fn contains(&self, id: Id<T>) -> bool {
        self.slot(id.index)
            .is_some_and(|slot| slot.generation == id.generation.get())
    }

    /// The object named `id`, if it still lives.
    #[inline(always)]
    pub fn get(&self, id: Id<T>) -> Option<&T> {
        let slot = self.slot(id.index)?;
        if slot.generation != id.generation.get() {
            return None;
        }
        slot.value.as_ref()
    }

    /// The object named `id`, if it still lives.
    #[inline(always)]
    pub fn get_mut(&mut self, id: Id<T>) -> Option<&mut T> {
        let slot = self.slot_mut(id.index)?;
        if slot.generation != id.generation.get() {
            return None;
        }
        slot.value.as_mut()
    }

    /// Two different objects at once. `None` when either is gone or both are the same.
    #[inline(always)]
    pub fn get2_mut(&mut self, a: Id<T>, b: Id<T>) -> Option<(&mut T, &mut T)> {
        let (x, y) = self.slots2_mut(a.index, b.index)?;
        if x.generation != a.generation.get() || y.generation != b.generation.get() {
            return None;
        }
        Some((x.value.as_mut()?, y.value.as_mut()?))
    }

    /// The object named `id` and the one in slot `index`, with its id. `None` when either is not there or
    /// both are the same.
    #[inline(always)]
    pub fn get_and_by_index_mut(
        &mut self,
        id: Id<T>,
        index: u32,
    ) -> Option<(&mut T, Id<T>, &mut T)> {
        let (x, y) = self.slots2_mut(id.index, index)?;
        if x.generation != id.generation.get() {
            return None;
        }
        let other = Id::new(index, y.generation)?;
        Some((x.value.as_mut()?, other, y.value.as_mut()?))
    }

    #[inline(always)]
    fn slots2_mut(&mut self, a: u32, b: u32) -> Option<(&mut Slot<T>, &mut Slot<T>)> {
        let (chunk_a, chunk_b) = (a >> CHUNK_SHIFT, b >> CHUNK_SHIFT);
        let slot_a = (a & CHUNK_MASK) as usize;
        let slot_b = (b & CHUNK_MASK) as usize;
        if chunk_a == chunk_b {
            let chunk = self.chunks.get_mut(chunk_a as usize)?;
            let [x, y] = chunk.get_disjoint_mut([slot_a, slot_b]).ok()?;
            return Some((x, y));
        }
        let [x, y] = self
            .chunks
            .get_disjoint_mut([chunk_a as usize, chunk_b as usize])
            .ok()?;
        Some((x.get_mut(slot_a)?, y.get_mut(slot_b)?))
    }

    /// The object in slot `index` and its id, if the slot is occupied.
    pub fn by_index(&self, index: u32) -> Option<(Id<T>, &T)> {
        let slot = self.slot(index)?;
        Some((Id::new(index, slot.generation)?, slot.value.as_ref()?))
    }

    /// The object in slot `index` and its id, if the slot is occupied.
    #[inline]
    pub fn by_index_mut(&mut self, index: u32) -> Option<(Id<T>, &mut T)> {
        let slot = self.slot_mut(index)?;
        Some((Id::new(index, slot.generation)?, slot.value.as_mut()?))
    }

    /// Adds an object.
    ///
    /// # Errors
    /// [`NoMemory`] when a chunk is needed and cannot be had, or the limit is reached. The object
    /// is dropped.
    pub fn insert(&mut self, value: T) -> Result<Id<T>, NoMemory> {
        self.insert_with(|_| value)
    }

    /// Makes sure that the next insertion finds room, for objects that must not be lost.
    ///
    /// # Errors
    /// [`NoMemory`].
    pub fn reserve_one(&mut self) -> Result<(), NoMemory> {
        let chunk = self.find_room()?;
        let taken = self.occupancy.get(chunk).ok_or(NoMemory)?.taken;
        let first = u32::try_from(chunk)
            .ok()
            .and_then(|c| c.checked_mul(CHUNK as u32))
            .and_then(|base| base.checked_add(taken.trailing_ones()));
        match first {
            Some(index) if index < self.limit => Ok(()),
            _ => Err(NoMemory),
        }
    }

    /// Adds an object that may contain its own id. `make` is only called when there is room.
    ///
    /// # Errors
    /// As [`Slab::insert`].
    #[inline(always)]
    pub fn insert_with(&mut self, make: impl FnOnce(Id<T>) -> T) -> Result<Id<T>, NoMemory> {
        let chunk_index = match self.vacant.get(self.first_vacant) {
            // A position in memory that exists.
            Some(&word) if word != 0 => {
                self.first_vacant.wrapping_mul(GROUP) | word.trailing_zeros() as usize
            }
            _ => self.find_room()?,
        };
        let chunk = self.chunks.get_mut(chunk_index).ok_or(NoMemory)?;
        let occupancy = self.occupancy.get_mut(chunk_index).ok_or(NoMemory)?;
        let bit = occupancy.taken.trailing_ones();
        // There are no more chunks than 32 bits can number the slots of.
        let index = (chunk_index as u32).wrapping_shl(CHUNK_SHIFT) | (bit & CHUNK_MASK);
        if index >= self.limit {
            return Err(NoMemory);
        }
        let slot = chunk.get_mut(bit as usize).ok_or(NoMemory)?;
        let id = Id::new(index, slot.generation | 1).ok_or(NoMemory)?;
        slot.value = Some(make(id));
        slot.generation |= 1;
        occupancy.taken |= 1u32.wrapping_shl(bit);
        if occupancy.taken == u32::MAX {
            self.set_vacant(chunk_index, false);
        }
        self.len = self.len.saturating_add(1);
        Ok(id)
    }

    /// Removes and returns the object named `id`, if it still lives.
    pub fn remove(&mut self, id: Id<T>) -> Option<T> {
        let mut removed = None;
        self.remove_with(id, |value| removed = value.take());
        removed
    }

    /// Empties the slot of `id` by `empty`, if its object still lives. Whether it did.
    #[inline(always)]
    fn remove_with(&mut self, id: Id<T>, empty: impl FnOnce(&mut Option<T>)) -> bool {
        let chunk_index = (id.index >> CHUNK_SHIFT) as usize;
        let bit = id.index & CHUNK_MASK;
        let Some(slot) = self
            .chunks
            .get_mut(chunk_index)
            .and_then(|c| c.get_mut(bit as usize))
        else {
            return false;
        };
        let Some(occupancy) = self.occupancy.get_mut(chunk_index) else {
            return false;
        };
        if slot.generation != id.generation.get() {
            return false;
        }
        empty(&mut slot.value);
        let mask = 1u32.wrapping_shl(bit);
        let was_full = occupancy.taken == u32::MAX;
        let mut emptied = false;
        match slot.generation.checked_add(1) {
            Some(next) => {
                slot.generation = next;
                occupancy.taken &= !mask;
                emptied = occupancy.taken == 0;
                if was_full {
                    self.set_vacant(chunk_index, true);
                }
            }
            None => {
                slot.generation = 0;
                occupancy.retired |= mask;
            }
        }
        self.len = self.len.saturating_sub(1);
        if emptied {
            self.give_back(1);
        }
        true
    }

    /// Removes and drops the object named `id`, if it still lives. Whether it did.
    #[inline]
    pub fn discard(&mut self, id: Id<T>) -> bool {
        self.remove_with(id, |value| *value = None)
    }

    /// Gives back the empty chunk that is otherwise kept for the next insertion.
    pub fn trim(&mut self) {
        self.give_back(0);
    }

    /// The objects in the order of their slots.
    pub fn iter(&self) -> impl Iterator<Item = (Id<T>, &T)> {
        self.chunks
            .iter()
            .flat_map(|chunk| chunk.iter())
            .zip(0u32..)
            .filter_map(|(slot, index)| {
                Some((Id::new(index, slot.generation)?, slot.value.as_ref()?))
            })
    }

    /// The objects in the order of their slots.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (Id<T>, &mut T)> {
        self.chunks
            .iter_mut()
            .flat_map(|chunk| chunk.iter_mut())
            .zip(0u32..)
            .filter_map(|(slot, index)| {
                Some((Id::new(index, slot.generation)?, slot.value.as_mut()?))
            })
    }

    /// The first object whose slot is `index` or later: the way to visit all while changing them.
    /// Costs a step per vacant slot passed.
    pub fn next_from(&self, index: u32) -> Option<Id<T>> {
        let first = (index >> CHUNK_SHIFT) as usize;
        let rest = self.occupancy.get(first..).unwrap_or_default();
        for (occupancy, number) in rest.iter().zip(index >> CHUNK_SHIFT..) {
            let mut live = occupancy.taken & !occupancy.retired;
            if number as usize == first {
                live &= u32::MAX.wrapping_shl(index & CHUNK_MASK);
            }
            if live != 0 {
                let bit = live.trailing_zeros();
                let found = number.wrapping_shl(CHUNK_SHIFT) | bit;
                return Id::new(found, self.slot(found)?.generation);
            }
        }
        None
    }

    fn chunk_with_vacancy(&mut self) -> Option<usize> {
        while let Some(&word) = self.vacant.get(self.first_vacant) {
            if word != 0 {
                let base = self.first_vacant.checked_mul(GROUP)?;
                return base.checked_add(word.trailing_zeros() as usize);
            }
            self.first_vacant = self.first_vacant.checked_add(1)?;
        }
        None
    }

    /// A chunk with a vacant slot, made if there is none.
    #[cold]
    fn find_room(&mut self) -> Result<usize, NoMemory> {
        match self.chunk_with_vacancy() {
            Some(index) => Ok(index),
            None => self.grow(),
        }
    }

    fn set_vacant(&mut self, chunk_index: usize, vacant: bool) {
        let word_index = chunk_index / GROUP;
        let mask = 1u64.wrapping_shl((chunk_index % GROUP) as u32);
        if let Some(word) = self.vacant.get_mut(word_index) {
            if vacant {
                *word |= mask;
                self.first_vacant = self.first_vacant.min(word_index);
            } else {
                *word &= !mask;
            }
        }
    }

    fn grow(&mut self) -> Result<usize, NoMemory> {
        let index = self.chunks.len();
        let first_slot = index.checked_mul(CHUNK).ok_or(NoMemory)?;
        if first_slot >= self.limit as usize {
            return Err(NoMemory);
        }
        self.chunks.try_reserve(1)?;
        self.occupancy.try_reserve(1)?;
        let words = (index / GROUP).checked_add(1).ok_or(NoMemory)?;
        if self.vacant.len() < words {
            self.vacant.try_reserve(1)?;
            self.vacant.push(0);
        }
        self.chunks.push(new_chunk(self.base_generation)?);
        self.occupancy.push(Occupancy {
            taken: 0,
            retired: 0,
        });
        self.set_vacant(index, true);
        Ok(index)
    }

    /// Drops empty chunks at the end, all but `keep` of them.
    fn give_back(&mut self, keep: usize) {
        let mut dropped = false;
        while self.ends_empty(keep.saturating_add(1)) {
            let Some(last) = self.chunks.last() else {
                break;
            };
            let highest = last.iter().map(|s| s.generation).max().unwrap_or(0);
            if highest > MAX_RECYCLED_GENERATION {
                break;
            }
            self.base_generation = self.base_generation.max(highest);
            self.chunks.pop();
            self.occupancy.pop();
            self.set_vacant(self.chunks.len(), false);
            dropped = true;
        }
        if dropped {
            self.shrink_directory();
        }
    }

    /// Whether there are `count` chunks at the end without an object.
    fn ends_empty(&self, count: usize) -> bool {
        self.occupancy
            .len()
            .checked_sub(count)
            .and_then(|from| self.occupancy.get(from..))
            .is_some_and(|tail| tail.iter().all(|chunk| chunk.taken == 0))
    }

    /// Moves the directory to a smaller allocation once three quarters of it are unused. It stays
    /// where it is when memory is too short even for that.
    fn shrink_directory(&mut self) {
        self.vacant.truncate(self.chunks.len().div_ceil(GROUP));
        shrink(&mut self.vacant);
        shrink(&mut self.occupancy);
        shrink(&mut self.chunks);
    }
}

/// Moves a vector of which three quarters are unused to a smaller allocation, without the abort of
/// [`Vec::shrink_to`] when there is none. The smallest allocations stay.
pub(crate) fn shrink<T>(vec: &mut Vec<T>) {
    if vec.capacity() <= 8 || vec.len() > vec.capacity() / 4 {
        return;
    }
    let mut smaller = Vec::new();
    if smaller.try_reserve(vec.len().saturating_mul(2)).is_ok() {
        smaller.append(vec);
        *vec = smaller;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As if slot `index` had been used until its next object gets `generation`.
    fn wear(slab: &mut Slab<u8>, index: u32, generation: u32) {
        slab.slot_mut(index).unwrap().generation = generation - 1;
    }

    #[test]
    fn a_slot_without_generations_left_is_retired() {
        let mut slab = Slab::new();
        let first = slab.insert(0).unwrap();
        slab.remove(first);
        wear(&mut slab, 0, u32::MAX);
        let last = slab.insert(1).unwrap();
        assert_eq!((last.index(), last.generation()), (0, u32::MAX));
        assert_eq!(slab.remove(last), Some(1));
        assert!(!slab.contains(last));
        assert_eq!(slab.remove(last), None);
        let next = slab.insert(2).unwrap();
        assert_eq!(next.index(), 1);
        assert_eq!(slab.next_from(0), Some(next));
        slab.remove(next);
        // Its chunk is never given back, or the generations would begin anew.
        slab.trim();
        assert_eq!(slab.capacity(), CHUNK);
        assert_eq!(slab.next_from(0), None);
        assert_eq!(slab.iter().count(), 0);
    }

    #[test]
    fn a_worn_chunk_is_kept() {
        for (generation, capacity) in [
            (MAX_RECYCLED_GENERATION + 1, 0),
            (MAX_RECYCLED_GENERATION + 3, CHUNK),
        ] {
            let mut slab = Slab::new();
            let first = slab.insert(0).unwrap();
            slab.remove(first);
            wear(&mut slab, 0, generation);
            slab.trim();
            assert_eq!(slab.capacity(), capacity, "{generation}");
            let next = slab.insert(1).unwrap();
            assert_eq!(next.generation(), generation);
        }
    }
}
