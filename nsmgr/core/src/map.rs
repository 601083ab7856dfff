//! A persistent map from names to values: a hash trie whose copies share their nodes.
//!
//! Copying a map is one reference. Changing it copies the nodes from the root to the place of the
//! change, and only those that are shared. The position of a name is its hash, so that the order of
//! enumeration does not change when other names come and go, and can be resumed at a position.

use alloc::{boxed::Box, rc::Rc, vec::Vec};

/// Bits of a hash that are used: 9 levels of 6.
pub const HASH_BITS: u32 = 54;
const LEVEL_BITS: u32 = 6;
/// Names with the same hash that one map can hold. Positions keep 8 bits for them.
const BUCKET_MAX: usize = 200;
const BUCKET_BITS: u32 = 8;

/// A name, its hash and its value; shared by all the maps that hold it.
#[derive(Debug)]
pub struct Leaf<V> {
    hash: u64,
    name: Box<str>,
    /// What the name stands for.
    pub value: V,
}

impl<V> Leaf<V> {
    /// A leaf. Of `hash`, [`HASH_BITS`] bits are used.
    pub fn new(hash: u64, name: &str, value: V) -> Self {
        Self {
            hash: hash & HASH_MASK,
            name: name.into(),
            value,
        }
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    fn is_named_as(&self, other: &Self) -> bool {
        self.hash == other.hash && self.name == other.name
    }
}

const HASH_MASK: u64 = (1 << HASH_BITS) - 1;

/// A place in the order of enumeration. 0 is before everything; every position fits in 63 bits.
pub type Position = u64;

/// Most names that are kept as a list.
const FEW: usize = 8;

/// The map.
#[derive(Debug)]
pub struct Map<V> {
    root: Root<V>,
    len: usize,
}

/// Most namespaces hold a few names, which a list is smaller and faster for than a trie.
#[derive(Debug)]
enum Root<V> {
    /// At most [`FEW`] names, in any order and without gaps.
    Few(Rc<Few<V>>),
    /// More.
    Many(Rc<Branch<V>>),
}

type Few<V> = [Option<Rc<Leaf<V>>>; FEW];

fn each<V>(few: &[Option<Rc<Leaf<V>>>]) -> impl Iterator<Item = &Rc<Leaf<V>>> {
    few.iter().map_while(Option::as_ref)
}

impl<V> Clone for Root<V> {
    fn clone(&self) -> Self {
        match self {
            Self::Few(leaves) => Self::Few(Rc::clone(leaves)),
            Self::Many(branch) => Self::Many(Rc::clone(branch)),
        }
    }
}

/// Where no slot is.
const NOWHERE: u8 = u8::MAX;

/// A node: its slots in the order of digits, and where each digit's is. A table takes a load where
/// counting bits takes a loop of shifts (x86-64 has an instruction for it only from its second level).
#[derive(Debug)]
struct Branch<V> {
    places: [u8; 1 << LEVEL_BITS],
    slots: Vec<Slot<V>>,
}

#[derive(Debug)]
enum Slot<V> {
    Leaf(Rc<Leaf<V>>),
    /// Two or more leaves of one hash, ordered by name.
    Bucket(Rc<Vec<Rc<Leaf<V>>>>),
    Branch(Rc<Branch<V>>),
}

impl<V> Clone for Map<V> {
    fn clone(&self) -> Self {
        Self {
            root: self.root.clone(),
            len: self.len,
        }
    }
}

impl<V> Clone for Branch<V> {
    fn clone(&self) -> Self {
        Self {
            places: self.places,
            slots: self.slots.clone(),
        }
    }
}

impl<V> Clone for Slot<V> {
    fn clone(&self) -> Self {
        match self {
            Self::Leaf(leaf) => Self::Leaf(Rc::clone(leaf)),
            Self::Bucket(leaves) => Self::Bucket(Rc::clone(leaves)),
            Self::Branch(branch) => Self::Branch(Rc::clone(branch)),
        }
    }
}

impl<V> Default for Map<V> {
    fn default() -> Self {
        Self {
            root: Root::Few(Rc::new([const { None }; FEW])),
            len: 0,
        }
    }
}

impl<V> Default for Branch<V> {
    fn default() -> Self {
        Self {
            places: [NOWHERE; 1 << LEVEL_BITS],
            slots: Vec::new(),
        }
    }
}

/// Why a name could not be inserted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InsertError {
    /// The map has the name already.
    Exists,
    /// Too many names have this hash.
    Full,
}

impl<V> Map<V> {
    /// How many names the map holds.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether the map holds no name.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Whether both maps are one and the same copy.
    #[must_use]
    pub fn same_as(&self, other: &Self) -> bool {
        match (&self.root, &other.root) {
            (Root::Few(a), Root::Few(b)) => Rc::ptr_eq(a, b),
            (Root::Many(a), Root::Many(b)) => Rc::ptr_eq(a, b),
            _ => false,
        }
    }

    /// Finds a name.
    #[must_use]
    pub fn get(&self, hash: u64, name: &str) -> Option<&Rc<Leaf<V>>> {
        self.find(hash, name.as_bytes(), || ())
    }

    /// Finds a name, given as bytes that need not be valid text, calling `visited` for every node
    /// looked at.
    #[inline]
    pub fn find(&self, hash: u64, name: &[u8], mut visited: impl FnMut()) -> Option<&Rc<Leaf<V>>> {
        let hash = hash & HASH_MASK;
        let leaves = match &self.root {
            Root::Few(leaves) => leaves,
            Root::Many(root) => return root.find(hash, name, visited),
        };
        visited();
        for leaf in each(leaves.as_slice()) {
            visited();
            if leaf.hash == hash && same(leaf.name.as_bytes(), name) {
                return Some(leaf);
            }
        }
        None
    }

    /// Adds a leaf.
    ///
    /// # Errors
    /// The map is unchanged then.
    pub fn insert(&mut self, leaf: Rc<Leaf<V>>) -> Result<(), InsertError> {
        match &mut self.root {
            Root::Few(leaves) => {
                if each(leaves.as_slice()).any(|one| one.is_named_as(&leaf)) {
                    return Err(InsertError::Exists);
                }
                if self.len < FEW {
                    if let Some(free) = Rc::make_mut(leaves).get_mut(self.len) {
                        *free = Some(leaf);
                    }
                } else {
                    let mut root = Branch::default();
                    for one in each(leaves.as_slice()) {
                        root.insert(0, Rc::clone(one))?;
                    }
                    root.insert(0, leaf)?;
                    self.root = Root::Many(Rc::new(root));
                }
            }
            Root::Many(root) => Rc::make_mut(root).insert(0, leaf)?,
        }
        self.len = self.len.saturating_add(1);
        Ok(())
    }

    /// Takes a name out.
    pub fn remove(&mut self, hash: u64, name: &str) -> Option<Rc<Leaf<V>>> {
        let hash = hash & HASH_MASK;
        self.get(hash, name)?;
        let removed = match &mut self.root {
            Root::Few(leaves) => {
                let is_it = |leaf: &Rc<Leaf<V>>| leaf.hash == hash && *leaf.name == *name;
                let place = each(leaves.as_slice()).position(is_it)?;
                let leaves = Rc::make_mut(leaves);
                let removed = leaves.get_mut(place)?.take();
                // The last one fills the gap.
                leaves.swap(place, self.len.saturating_sub(1));
                removed?
            }
            Root::Many(root) => Rc::make_mut(root).remove(0, hash, name)?,
        };
        self.len = self.len.saturating_sub(1);
        // As for branches: the shape depends on what the map holds.
        if self.len == FEW {
            let mut few = [const { None }; FEW];
            for (place, leaf) in few.iter_mut().zip(self.iter()) {
                *place = Some(Rc::clone(leaf));
            }
            self.root = Root::Few(Rc::new(few));
        }
        Some(removed)
    }

    /// The first name at `from` or after, with the position to continue from.
    #[must_use]
    pub fn at_or_after(&self, from: Position) -> Option<(Position, &Rc<Leaf<V>>)> {
        if from >> BUCKET_BITS > HASH_MASK {
            return None;
        }
        let (hash, index) = (from >> BUCKET_BITS, (from & BUCKET_MASK) as usize);
        let leaves = match &self.root {
            Root::Many(root) => return root.at_or_after(0, hash, index),
            Root::Few(leaves) => leaves,
        };
        // Which of its hash a leaf is.
        let index_of = |leaf: &Leaf<V>| {
            let before = |one: &&Rc<Leaf<V>>| one.hash == leaf.hash && one.name < leaf.name;
            each(leaves.as_slice()).filter(before).count()
        };
        let places = each(leaves.as_slice()).map(|leaf| (leaf.hash, index_of(leaf), leaf));
        let (hash, index, leaf) = places
            .filter(|place| (place.0, place.1) >= (hash, index))
            .min_by_key(|place| (place.0, place.1))?;
        Some((behind(hash, index), leaf))
    }

    /// Every name.
    pub fn iter(&self) -> impl Iterator<Item = &Rc<Leaf<V>>> {
        let (few, root): (&[_], &[Slot<V>]) = match &self.root {
            Root::Few(leaves) => (leaves.as_slice(), &[]),
            Root::Many(root) => (&[], &root.slots),
        };
        let mut bucket: core::slice::Iter<'_, Rc<Leaf<V>>> = [].iter();
        let mut stack: Vec<core::slice::Iter<'_, Slot<V>>> = alloc::vec![root.iter()];
        let many = core::iter::from_fn(move || {
            loop {
                if let Some(leaf) = bucket.next() {
                    return Some(leaf);
                }
                match stack.last_mut()?.next() {
                    None => {
                        stack.pop();
                    }
                    Some(Slot::Leaf(leaf)) => return Some(leaf),
                    Some(Slot::Bucket(leaves)) => bucket = leaves.iter(),
                    Some(Slot::Branch(branch)) => stack.push(branch.slots.iter()),
                }
            }
        });
        each(few).chain(many)
    }
}

const BUCKET_MASK: u64 = (1 << BUCKET_BITS) - 1;

/// The position behind a leaf: the `index`th of its hash.
const fn behind(hash: u64, index: usize) -> Position {
    ((hash << BUCKET_BITS) | index as u64).saturating_add(1)
}

impl<V> Branch<V> {
    #[inline(never)]
    fn find(&self, hash: u64, name: &[u8], mut visited: impl FnMut()) -> Option<&Rc<Leaf<V>>> {
        let mut branch = self;
        // The digits that are left, the next one at the top.
        let mut digits = hash << (u64::BITS - HASH_BITS);
        loop {
            visited();
            let place = branch
                .places
                .get((digits >> (u64::BITS - LEVEL_BITS)) as usize)?;
            digits <<= LEVEL_BITS;
            match branch.slots.get(usize::from(*place))? {
                Slot::Branch(below) => branch = below,
                Slot::Leaf(leaf) => {
                    visited();
                    return (leaf.hash == hash && same(leaf.name.as_bytes(), name)).then_some(leaf);
                }
                Slot::Bucket(leaves) => {
                    visited();
                    return in_bucket(leaves, hash, name);
                }
            }
        }
    }

    /// Where the slot of a digit is.
    fn slot_of(&self, digit: u32) -> Option<usize> {
        let place = usize::from(*self.places.get(digit as usize)?);
        (place < self.slots.len()).then_some(place)
    }

    /// Where the slot of a digit is, or would be.
    fn place(&self, digit: u32) -> usize {
        let behind = self.places.get(digit as usize..).unwrap_or_default();
        let next = behind.iter().find(|&&place| place != NOWHERE);
        next.map_or(self.slots.len(), |&place| usize::from(place))
    }

    /// Gives a digit that has none a slot.
    fn put(&mut self, digit: u32, slot: Slot<V>) {
        let place = self.place(digit);
        self.slots.insert(place, slot);
        let mut behind = self.places.iter_mut().skip(digit as usize);
        if let Some(own) = behind.next() {
            *own = place as u8;
        }
        for one in behind.filter(|one| **one != NOWHERE) {
            *one = one.saturating_add(1);
        }
    }

    /// Takes a digit's slot away.
    fn take(&mut self, digit: u32) -> Option<Slot<V>> {
        let place = self.slot_of(digit)?;
        let mut behind = self.places.iter_mut().skip(digit as usize);
        if let Some(own) = behind.next() {
            *own = NOWHERE;
        }
        for one in behind.filter(|one| **one != NOWHERE) {
            *one = one.saturating_sub(1);
        }
        Some(self.slots.remove(place))
    }

    fn insert(&mut self, level: u32, leaf: Rc<Leaf<V>>) -> Result<(), InsertError> {
        let digit = digit(leaf.hash, level);
        let Some(slot) = self
            .slot_of(digit)
            .and_then(|place| self.slots.get_mut(place))
        else {
            self.put(digit, Slot::Leaf(leaf));
            return Ok(());
        };
        match slot {
            Slot::Branch(below) => return Rc::make_mut(below).insert(next(level), leaf),
            Slot::Bucket(leaves) if leaves.first().is_some_and(|one| one.hash == leaf.hash) => {
                match bucket_place(leaves, leaf.name.as_bytes()) {
                    Ok(_) => return Err(InsertError::Exists),
                    Err(_) if leaves.len() >= BUCKET_MAX => return Err(InsertError::Full),
                    Err(free) => Rc::make_mut(leaves).insert(free, leaf),
                }
            }
            Slot::Leaf(other) if other.hash == leaf.hash => {
                if other.name == leaf.name {
                    return Err(InsertError::Exists);
                }
                let mut leaves = alloc::vec![Rc::clone(other), leaf];
                leaves.sort_by(|a, b| a.name.cmp(&b.name));
                *slot = Slot::Bucket(Rc::new(leaves));
            }
            Slot::Leaf(_) | Slot::Bucket(_) => {
                // Another hash: both move down a level, until they part.
                let mut below = Self::default();
                below.adopt(next(level), slot.clone());
                below.insert(next(level), leaf)?;
                *slot = Slot::Branch(Rc::new(below));
            }
        }
        Ok(())
    }

    /// Makes a leaf or bucket the only content of an empty branch.
    fn adopt(&mut self, level: u32, slot: Slot<V>) {
        let hash = match &slot {
            Slot::Leaf(leaf) => Some(leaf.hash),
            Slot::Bucket(leaves) => leaves.first().map(|leaf| leaf.hash),
            Slot::Branch(_) => None,
        };
        if let Some(hash) = hash {
            self.put(digit(hash, level), slot);
        }
    }

    fn remove(&mut self, level: u32, hash: u64, name: &str) -> Option<Rc<Leaf<V>>> {
        let digit = digit(hash, level);
        let place = self.slot_of(digit)?;
        let slot = self.slots.get_mut(place)?;
        match slot {
            Slot::Leaf(leaf) => {
                let leaf = Rc::clone(leaf);
                self.take(digit);
                Some(leaf)
            }
            Slot::Bucket(leaves) => {
                let found = bucket_place(leaves, name.as_bytes()).ok()?;
                let leaves = Rc::make_mut(leaves);
                let leaf = leaves.remove(found);
                if let [last] = leaves.as_slice() {
                    *slot = Slot::Leaf(Rc::clone(last));
                }
                Some(leaf)
            }
            Slot::Branch(below) => {
                let removed = Rc::make_mut(below).remove(next(level), hash, name)?;
                // A branch that holds one leaf or bucket gives way to it, so that a map's shape
                // depends on what it holds and not on what it once held.
                if let [one @ (Slot::Leaf(_) | Slot::Bucket(_))] = below.slots.as_slice() {
                    *slot = one.clone();
                }
                Some(removed)
            }
        }
    }

    fn at_or_after(&self, level: u32, hash: u64, index: usize) -> Option<(Position, &Rc<Leaf<V>>)> {
        // Digits below are compared only while the digits above are equal.
        let first = digit(hash, level);
        let begin = self.place(first);
        let at_first = self.slot_of(first).is_some();
        for (offset, slot) in self.slots.get(begin..)?.iter().enumerate() {
            let (hash, index) = if at_first && offset == 0 {
                (hash, index)
            } else {
                (0, 0)
            };
            let found = match slot {
                Slot::Branch(below) => below.at_or_after(next(level), hash, index),
                Slot::Leaf(leaf) => {
                    let here = leaf.hash > hash || (leaf.hash == hash && index == 0);
                    here.then(|| (behind(leaf.hash, 0), leaf))
                }
                Slot::Bucket(leaves) => {
                    let theirs = leaves.first().map_or(0, |leaf| leaf.hash);
                    let from = match theirs.cmp(&hash) {
                        core::cmp::Ordering::Less => leaves.len(),
                        core::cmp::Ordering::Equal => index,
                        core::cmp::Ordering::Greater => 0,
                    };
                    leaves.get(from).map(|leaf| (behind(theirs, from), leaf))
                }
            };
            if found.is_some() {
                return found;
            }
        }
        None
    }
}

/// The bits of a hash that count at a level, the highest first.
const fn digit(hash: u64, level: u32) -> u32 {
    let shift = HASH_BITS
        .saturating_sub(LEVEL_BITS)
        .saturating_sub(level.saturating_mul(LEVEL_BITS));
    (hash >> shift) as u32 & ((1 << LEVEL_BITS) - 1)
}

const fn next(level: u32) -> u32 {
    level.saturating_add(1)
}

#[cold]
fn in_bucket<'a, V>(leaves: &'a [Rc<Leaf<V>>], hash: u64, name: &[u8]) -> Option<&'a Rc<Leaf<V>>> {
    let place = bucket_place(leaves, name).ok()?;
    leaves.get(place).filter(|leaf| leaf.hash == hash)
}

fn bucket_place<V>(leaves: &[Rc<Leaf<V>>], name: &[u8]) -> Result<usize, usize> {
    leaves.binary_search_by(|leaf| leaf.name.as_bytes().cmp(name))
}

/// Whether two names are the same: short ones, mostly, for which a call of `memcmp` costs more. Words at
/// both ends, which may overlap, take fewer steps than bytes.
#[inline]
fn same(a: &[u8], b: &[u8]) -> bool {
    if a.len() != b.len() {
        return false;
    }
    if let (Some(a_last), Some(b_last)) = (a.last_chunk::<8>(), b.last_chunk::<8>()) {
        let (a, b) = (a.as_chunks::<8>().0, b.as_chunks::<8>().0);
        return word(a_last) == word(b_last) && a.iter().zip(b).all(|(a, b)| word(a) == word(b));
    }
    if let (Some(a_first), Some(b_first), Some(a_last), Some(b_last)) = (
        a.first_chunk::<4>(),
        b.first_chunk::<4>(),
        a.last_chunk::<4>(),
        b.last_chunk::<4>(),
    ) {
        return a_first == b_first && a_last == b_last;
    }
    a.iter().zip(b).all(|(a, b)| a == b)
}

const fn word(bytes: &[u8; 8]) -> u64 {
    u64::from_ne_bytes(*bytes)
}

#[cfg(test)]
mod tests;
