//! The descriptor table: which number stands for which object, with which rights.
//!
//! A table has two halves: the *lower* one holds the POSIX numbers, the *upper* one the C library's
//! private descriptors, whose numbers carry `UPPER_FDTBL_TAG`. Each half is an array of leaves of
//! 64 entries, allocated when an entry of theirs is first used and given back when the last one
//! goes, under a directory that is as long as the highest leaf requires. Three levels of bitmaps
//! find the lowest free number in constant time.

use alloc::boxed::Box;
use alloc::vec::Vec;

use cap_abi::Rights;
use syscall::flag::UPPER_FDTBL_TAG;

use crate::NoMemory;
use crate::lease::LeaseId;
use crate::slab::{Id, shrink};

/// Entries per leaf.
const LEAF: usize = 64;
const WORD: usize = 64;
const WORDS: usize = MAX_ENTRIES / LEAF / WORD;

/// How many entries each half of a table can have at most; also the limit a new table starts with.
pub const MAX_ENTRIES: usize = 65_536;

/// What a descriptor number stands for: an object of type `D`, and what may be done with it.
#[derive(Debug, PartialEq, Eq)]
pub struct Entry<D> {
    /// The open file description.
    pub desc: Id<D>,
    /// What may be done through this entry.
    pub rights: Rights,
    /// The entry is dead once this lease is.
    pub lease: Option<LeaseId>,
    /// Closed when the program is replaced.
    pub cloexec: bool,
}

impl<D> Clone for Entry<D> {
    #[inline]
    fn clone(&self) -> Self {
        *self
    }
}

impl<D> Copy for Entry<D> {}

/// A descriptor number that is within bounds: half and position.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FdNum {
    upper: bool,
    index: u32,
}

impl FdNum {
    /// Checks a number that came from user space. `None` when no table can have it (`EBADF`).
    #[inline]
    pub const fn new(number: usize) -> Option<Self> {
        let index = number & !UPPER_FDTBL_TAG;
        if index >= MAX_ENTRIES {
            return None;
        }
        Some(Self {
            upper: number & UPPER_FDTBL_TAG != 0,
            index: index as u32,
        })
    }

    /// The number as user space knows it.
    #[inline]
    pub const fn number(self) -> usize {
        let index = self.index as usize;
        if self.upper {
            index | UPPER_FDTBL_TAG
        } else {
            index
        }
    }

    /// Whether the number is one of the upper half.
    #[inline]
    pub const fn is_upper(self) -> bool {
        self.upper
    }
}

/// Why an entry could not be put into a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InsertError {
    /// The number is in use (`EEXIST`).
    Occupied,
    /// The number is one that this table cannot have (`EBADF`).
    OutOfRange,
    /// Every number up to the table's limit is in use (`EMFILE`).
    Full,
    /// No memory to grow the table (`ENOMEM`).
    NoMemory,
}

impl From<NoMemory> for InsertError {
    fn from(_: NoMemory) -> Self {
        Self::NoMemory
    }
}

type Leaf<D> = Box<[Option<Entry<D>>; LEAF]>;

fn new_leaf<D>() -> Result<Leaf<D>, NoMemory> {
    let mut entries = Vec::new();
    entries.try_reserve_exact(LEAF)?;
    entries.extend((0..LEAF).map(|_| None));
    entries.into_boxed_slice().try_into().map_err(|_| NoMemory)
}

struct Half<D> {
    leaves: Vec<Option<Leaf<D>>>,
    /// As long as `leaves`: a bit per entry in use.
    used: Vec<u64>,
    /// A bit per leaf without a free entry.
    full: [u64; WORDS],
    /// A bit per word of `full` that is all ones.
    full_words: u32,
    len: usize,
}

impl<D> Half<D> {
    const fn new() -> Self {
        Self {
            leaves: Vec::new(),
            used: Vec::new(),
            full: [0; WORDS],
            full_words: 0,
            len: 0,
        }
    }

    #[inline]
    fn get(&self, index: usize) -> Option<&Entry<D>> {
        self.leaves
            .get(index / LEAF)?
            .as_ref()?
            .get(index % LEAF)?
            .as_ref()
    }

    #[inline]
    fn get_mut(&mut self, index: usize) -> Option<&mut Entry<D>> {
        self.leaves
            .get_mut(index / LEAF)?
            .as_mut()?
            .get_mut(index % LEAF)?
            .as_mut()
    }

    fn lowest_free(&self) -> Option<usize> {
        let word = self.full_words.trailing_ones() as usize;
        let bits = self.full.get(word)?;
        let leaf = word
            .checked_mul(WORD)?
            .checked_add(bits.trailing_ones() as usize)?;
        let used = self.used.get(leaf).copied().unwrap_or(0);
        leaf.checked_mul(LEAF)?
            .checked_add(used.trailing_ones() as usize)
    }

    fn set_full(&mut self, leaf: usize, full: bool) {
        let word_index = leaf / WORD;
        let mask = 1u64.wrapping_shl((leaf % WORD) as u32);
        let word_mask = 1u32.wrapping_shl(word_index as u32);
        if let Some(word) = self.full.get_mut(word_index) {
            if full {
                *word |= mask;
                if *word == u64::MAX {
                    self.full_words |= word_mask;
                }
            } else {
                *word &= !mask;
                self.full_words &= !word_mask;
            }
        }
    }

    #[inline]
    fn insert(&mut self, index: usize, entry: Entry<D>) -> Result<(), InsertError> {
        let leaf_index = index / LEAF;
        let bit = 1u64.wrapping_shl((index % LEAF) as u32);
        if !matches!(self.leaves.get(leaf_index), Some(Some(_)))
            && let Err(error) = self.make_leaf(leaf_index)
        {
            if self.len == 0 {
                self.leaves = Vec::new();
                self.used = Vec::new();
            }
            return Err(error.into());
        }
        let leaf = self.leaves.get_mut(leaf_index).and_then(Option::as_mut);
        let slot = leaf
            .and_then(|leaf| leaf.get_mut(index % LEAF))
            .filter(|slot| slot.is_none())
            .ok_or(InsertError::Occupied)?;
        *slot = Some(entry);
        if let Some(used) = self.used.get_mut(leaf_index) {
            *used |= bit;
            if *used == u64::MAX {
                self.set_full(leaf_index, true);
            }
        }
        self.len = self.len.saturating_add(1);
        Ok(())
    }

    fn make_leaf(&mut self, leaf_index: usize) -> Result<(), NoMemory> {
        let length = leaf_index.saturating_add(1);
        let missing = length.saturating_sub(self.leaves.len());
        self.leaves.try_reserve(missing)?;
        self.used.try_reserve(missing)?;
        let leaf = new_leaf()?;
        if missing != 0 {
            self.leaves.resize_with(length, || None);
            self.used.resize(length, 0);
        }
        if let Some(place) = self.leaves.get_mut(leaf_index) {
            *place = Some(leaf);
        }
        Ok(())
    }

    #[inline]
    fn remove(&mut self, index: usize) -> Option<Entry<D>> {
        let leaf_index = index / LEAF;
        let leaf = self.leaves.get_mut(leaf_index)?.as_mut()?;
        let entry = leaf.get_mut(index % LEAF)?.take()?;
        let used = self.used.get_mut(leaf_index)?;
        let was_full = *used == u64::MAX;
        *used &= !1u64.wrapping_shl((index % LEAF) as u32);
        let empty = *used == 0;
        if was_full {
            self.set_full(leaf_index, false);
        }
        self.len = self.len.saturating_sub(1);
        if empty {
            self.shrink_behind(leaf_index);
        }
        Some(entry)
    }

    /// Gives back what is not needed any more after the last entry of a leaf has gone.
    #[cold]
    fn shrink_behind(&mut self, leaf_index: usize) {
        // The first leaf is kept while the table is in use: most tables never need another.
        if self.len == 0 {
            self.leaves = Vec::new();
            self.used = Vec::new();
        } else if leaf_index != 0 {
            self.drop_leaf(leaf_index);
        }
    }

    fn drop_leaf(&mut self, leaf_index: usize) {
        if let Some(leaf) = self.leaves.get_mut(leaf_index) {
            *leaf = None;
        }
        while self.leaves.last().is_some_and(Option::is_none) {
            self.leaves.pop();
        }
        self.used.truncate(self.leaves.len());
        shrink(&mut self.leaves);
        shrink(&mut self.used);
    }

    /// The first entry at `index` or later.
    fn next_from(&self, index: usize) -> Option<(usize, Entry<D>)> {
        let first = index / LEAF;
        for (number, &used) in self.used.iter().enumerate().skip(first) {
            let mut used = used;
            if number == first {
                used &= u64::MAX.wrapping_shl((index % LEAF) as u32);
            }
            if used != 0 {
                let bit = used.trailing_zeros() as usize;
                let found = number.checked_mul(LEAF)?.checked_add(bit)?;
                return Some((found, *self.get(found)?));
            }
        }
        None
    }

    fn try_clone(&self) -> Result<Self, NoMemory> {
        let (mut leaves, mut used) = (Vec::new(), Vec::new());
        leaves.try_reserve_exact(self.leaves.len())?;
        used.try_reserve_exact(self.used.len())?;
        used.extend_from_slice(&self.used);
        for leaf in &self.leaves {
            let copy = match leaf {
                None => None,
                Some(from) => {
                    let mut to = new_leaf()?;
                    to.copy_from_slice(from.as_slice());
                    Some(to)
                }
            };
            leaves.push(copy);
        }
        Ok(Self {
            leaves,
            used,
            full: self.full,
            full_words: self.full_words,
            len: self.len,
        })
    }
}

/// A descriptor table.
///
/// The table does not count references: whoever puts an entry in has taken a reference on the
/// description and the lease, and whoever gets an entry back from [`Table::remove`] owns it.
pub struct Table<D> {
    lower: Half<D>,
    upper: Half<D>,
    limit: usize,
}

impl<D> Default for Table<D> {
    fn default() -> Self {
        Self::new()
    }
}

impl<D> Table<D> {
    /// An empty table, without memory.
    pub const fn new() -> Self {
        Self {
            lower: Half::new(),
            upper: Half::new(),
            limit: MAX_ENTRIES,
        }
    }

    /// How many entries there are in both halves.
    pub const fn len(&self) -> usize {
        self.lower.len.saturating_add(self.upper.len)
    }

    /// Whether there is no entry.
    pub const fn is_empty(&self) -> bool {
        self.lower.len == 0 && self.upper.len == 0
    }

    /// New entries of the lower half must have a number below this.
    pub const fn limit(&self) -> usize {
        self.limit
    }

    /// Sets the limit for new entries of the lower half, at most [`MAX_ENTRIES`]. Entries beyond it
    /// stay.
    pub fn set_limit(&mut self, limit: usize) {
        self.limit = limit.min(MAX_ENTRIES);
    }

    #[inline]
    const fn half_mut(&mut self, upper: bool) -> &mut Half<D> {
        if upper {
            &mut self.upper
        } else {
            &mut self.lower
        }
    }

    /// The entry of a number; `None` (`EBADF`) when there is none. Any number may be asked for.
    #[inline]
    pub fn get(&self, number: usize) -> Option<&Entry<D>> {
        // Any number that is not one of the lower half is beyond the end of its directory, so that
        // those need no check of the tag. The same is true of the upper half.
        if number / LEAF < self.lower.leaves.len() {
            self.lower.get(number)
        } else {
            self.upper.get(number ^ UPPER_FDTBL_TAG)
        }
    }

    /// The entry of a number, to change its rights or flags.
    #[inline]
    pub fn get_mut(&mut self, number: usize) -> Option<&mut Entry<D>> {
        self.half_mut(number & UPPER_FDTBL_TAG != 0)
            .get_mut(number & !UPPER_FDTBL_TAG)
    }

    /// Puts an entry at a free number.
    ///
    /// # Errors
    /// [`InsertError::OutOfRange`] beyond the limit, [`InsertError::Occupied`],
    /// [`InsertError::NoMemory`].
    pub fn insert_at(&mut self, number: usize, entry: Entry<D>) -> Result<(), InsertError> {
        let at = FdNum::new(number).ok_or(InsertError::OutOfRange)?;
        let limit = if at.upper { MAX_ENTRIES } else { self.limit };
        let index = at.index as usize;
        if index >= limit {
            return Err(InsertError::OutOfRange);
        }
        let half = self.half_mut(at.upper);
        if half.get(index).is_some() {
            return Err(InsertError::Occupied);
        }
        half.insert(index, entry)
    }

    /// Puts an entry at the lowest free number of the lower half and returns the number.
    ///
    /// # Errors
    /// [`InsertError::Full`], [`InsertError::NoMemory`].
    pub fn insert_lowest(&mut self, entry: Entry<D>) -> Result<usize, InsertError> {
        let index = self
            .lower
            .lowest_free()
            .filter(|&index| index < self.limit)
            .ok_or(InsertError::Full)?;
        self.lower.insert(index, entry)?;
        Ok(index)
    }

    /// Puts an entry at the lowest free number of the lower half that is `from` or above, and returns
    /// the number (`F_DUPFD`). Costs a step per occupied number passed.
    ///
    /// # Errors
    /// [`InsertError::OutOfRange`], [`InsertError::Full`], [`InsertError::NoMemory`].
    pub fn insert_from(&mut self, from: usize, entry: Entry<D>) -> Result<usize, InsertError> {
        if from >= self.limit {
            return Err(InsertError::OutOfRange);
        }
        let index = (from..self.limit)
            .find(|&index| self.lower.get(index).is_none())
            .ok_or(InsertError::Full)?;
        self.lower.insert(index, entry)?;
        Ok(index)
    }

    /// Puts an entry at the lowest free number of the upper half and returns the number, tagged.
    ///
    /// # Errors
    /// [`InsertError::Full`], [`InsertError::NoMemory`].
    pub fn insert_upper(&mut self, entry: Entry<D>) -> Result<usize, InsertError> {
        let index = self
            .upper
            .lowest_free()
            .filter(|&index| index < MAX_ENTRIES)
            .ok_or(InsertError::Full)?;
        self.upper.insert(index, entry)?;
        Ok(index | UPPER_FDTBL_TAG)
    }

    /// Takes an entry out. Memory that is no longer needed is given back.
    #[inline]
    pub fn remove(&mut self, number: usize) -> Option<Entry<D>> {
        self.half_mut(number & UPPER_FDTBL_TAG != 0)
            .remove(number & !UPPER_FDTBL_TAG)
    }

    /// Puts another entry in an existing one's place and returns the old one. `None`, and nothing
    /// done, when the number is free.
    pub fn replace(&mut self, number: usize, entry: Entry<D>) -> Option<Entry<D>> {
        let place = self.get_mut(number)?;
        Some(core::mem::replace(place, entry))
    }

    /// Exchanges two entries. `false`, and nothing done, when either number is free.
    pub fn swap(&mut self, a: usize, b: usize) -> bool {
        let (Some(&x), Some(&y)) = (self.get(a), self.get(b)) else {
            return false;
        };
        self.replace(a, y).is_some() && self.replace(b, x).is_some()
    }

    /// Takes the lowest entry out, lower half first: the way to empty a table bit by bit.
    pub fn pop_first(&mut self) -> Option<(usize, Entry<D>)> {
        let (number, _) = self.next_from(0)?;
        Some((number, self.remove(number)?))
    }

    /// The first entry with this number or a later one, all of the lower half coming before the
    /// upper: the way to visit all entries while changing the table.
    pub fn next_from(&self, number: usize) -> Option<(usize, Entry<D>)> {
        let index = number & !UPPER_FDTBL_TAG;
        let mut upper_from = index;
        if number & UPPER_FDTBL_TAG == 0 {
            if let Some(found) = self.lower.next_from(index) {
                return Some(found);
            }
            upper_from = 0;
        }
        let (index, entry) = self.upper.next_from(upper_from)?;
        Some((index | UPPER_FDTBL_TAG, entry))
    }

    /// Numbers and entries in the order of [`Table::next_from`].
    pub fn iter(&self) -> impl Iterator<Item = (usize, Entry<D>)> + '_ {
        let mut next = Some(0usize);
        core::iter::from_fn(move || {
            let (number, entry) = self.next_from(next?)?;
            next = number.checked_add(1);
            Some((number, entry))
        })
    }

    /// A copy with every entry and the same limit. The caller takes a reference for each.
    ///
    /// # Errors
    /// [`NoMemory`].
    pub fn try_clone(&self) -> Result<Self, NoMemory> {
        Ok(Self {
            lower: self.lower.try_clone()?,
            upper: self.upper.try_clone()?,
            limit: self.limit,
        })
    }

    /// Bytes of memory that the table has allocated.
    pub fn memory(&self) -> usize {
        let leaf = size_of::<[Option<Entry<D>>; LEAF]>();
        [&self.lower, &self.upper].into_iter().fold(0, |sum, half| {
            let leaves = half.leaves.iter().flatten().count();
            let directory = size_of::<Option<Leaf<D>>>().saturating_mul(half.leaves.capacity());
            let used = size_of::<u64>().saturating_mul(half.used.capacity());
            sum.saturating_add(leaves.saturating_mul(leaf))
                .saturating_add(directory)
                .saturating_add(used)
        })
    }
}
