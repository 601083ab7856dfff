//! A persistent map from names to values: a hash trie whose copies share their nodes.
//!
//! Copying a map is one reference. Changing it copies the nodes from the root to the place of the
//! change, and only those that are shared. The position of a name is its hash, so that the order of
//! enumeration does not change when other names come and go, and can be resumed at a position.

use alloc::{boxed::Box, rc::Rc, vec::Vec};

use smallvec::SmallVec;

/// Bits of a hash that are used: 11 levels of 5.
pub const HASH_BITS: u32 = 55;
const LEVEL_BITS: u32 = 5;
/// Slots that a node has room for without memory of their own.
const SLOTS_INLINE: usize = 4;
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
    /// At most [`FEW`] names, in the order of positions.
    Few(Rc<Few<V>>),
    /// More.
    Many(Rc<Branch<V>>),
}

type Few<V> = SmallVec<[Rc<Leaf<V>>; FEW]>;

impl<V> Clone for Root<V> {
    fn clone(&self) -> Self {
        match self {
            Self::Few(leaves) => Self::Few(Rc::clone(leaves)),
            Self::Many(branch) => Self::Many(Rc::clone(branch)),
        }
    }
}

#[derive(Debug)]
struct Branch<V> {
    occupied: u32,
    slots: SmallVec<[Slot<V>; SLOTS_INLINE]>,
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
            occupied: self.occupied,
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
            root: Root::Few(Rc::default()),
            len: 0,
        }
    }
}

impl<V> Default for Branch<V> {
    fn default() -> Self {
        Self {
            occupied: 0,
            slots: SmallVec::new(),
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
        for leaf in leaves.iter() {
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
                let after = |one: &Rc<Leaf<V>>| {
                    (one.hash, one.name.as_bytes()) < (leaf.hash, leaf.name.as_bytes())
                };
                let place = leaves.iter().take_while(|one| after(one)).count();
                let exists = leaves
                    .get(place)
                    .is_some_and(|one| one.hash == leaf.hash && one.name == leaf.name);
                if exists {
                    return Err(InsertError::Exists);
                }
                if leaves.len() < FEW {
                    Rc::make_mut(leaves).insert(place, leaf);
                } else {
                    let mut root = Branch::default();
                    for one in leaves.iter() {
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
                let place = leaves
                    .iter()
                    .position(|leaf| leaf.hash == hash && *leaf.name == *name)?;
                Rc::make_mut(leaves).remove(place)
            }
            Root::Many(root) => Rc::make_mut(root).remove(0, hash, name)?,
        };
        self.len = self.len.saturating_sub(1);
        // As for branches: the shape depends on what the map holds.
        if self.len == FEW {
            let few: Few<V> = self.iter().cloned().collect();
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
        let (mut of_hash, mut before) = (0, None);
        for leaf in leaves.iter() {
            of_hash = match before {
                Some(before) if before == leaf.hash => usize::saturating_add(of_hash, 1),
                _ => 0,
            };
            before = Some(leaf.hash);
            if (leaf.hash, of_hash) >= (hash, index) {
                return Some((behind(leaf.hash, of_hash), leaf));
            }
        }
        None
    }

    /// Every name, in the order of positions.
    pub fn iter(&self) -> impl Iterator<Item = &Rc<Leaf<V>>> {
        let (root, mut bucket): (&[Slot<V>], core::slice::Iter<'_, Rc<Leaf<V>>>) = match &self.root
        {
            Root::Few(leaves) => (&[], leaves.iter()),
            Root::Many(root) => (&root.slots, [].iter()),
        };
        let mut stack: Vec<core::slice::Iter<'_, Slot<V>>> = alloc::vec![root.iter()];
        core::iter::from_fn(move || {
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
        })
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
        let mut level = 0;
        loop {
            visited();
            match branch.slot(digit(hash, level))? {
                Slot::Branch(below) => branch = below,
                Slot::Leaf(leaf) => {
                    visited();
                    return (leaf.hash == hash && same(leaf.name.as_bytes(), name)).then_some(leaf);
                }
                Slot::Bucket(leaves) => {
                    visited();
                    let place = bucket_place(leaves, name).ok()?;
                    return leaves.get(place).filter(|leaf| leaf.hash == hash);
                }
            }
            level = next(level);
        }
    }

    fn slot(&self, digit: u32) -> Option<&Slot<V>> {
        if self.occupied & (1 << digit) == 0 {
            return None;
        }
        self.slots.get(self.place(digit))
    }

    /// Where the slot of a digit is, or would be.
    const fn place(&self, digit: u32) -> usize {
        (self.occupied & !(u32::MAX << digit)).count_ones() as usize
    }

    fn insert(&mut self, level: u32, leaf: Rc<Leaf<V>>) -> Result<(), InsertError> {
        let digit = digit(leaf.hash, level);
        let place = self.place(digit);
        if self.occupied & (1 << digit) == 0 {
            self.slots.insert(place, Slot::Leaf(leaf));
            self.occupied |= 1 << digit;
            return Ok(());
        }
        let Some(slot) = self.slots.get_mut(place) else {
            return Err(InsertError::Full);
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
            self.occupied = 1 << digit(hash, level);
            self.slots.push(slot);
        }
    }

    fn remove(&mut self, level: u32, hash: u64, name: &str) -> Option<Rc<Leaf<V>>> {
        let digit = digit(hash, level);
        if self.occupied & (1 << digit) == 0 {
            return None;
        }
        let place = self.place(digit);
        let slot = self.slots.get_mut(place)?;
        match slot {
            Slot::Leaf(leaf) => {
                let leaf = Rc::clone(leaf);
                self.slots.remove(place);
                self.occupied &= !(1 << digit);
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
        let at_first = self.occupied & (1 << first) != 0;
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

/// The five bits of a hash that count at a level, the highest first.
const fn digit(hash: u64, level: u32) -> u32 {
    let shift = HASH_BITS
        .saturating_sub(LEVEL_BITS)
        .saturating_sub(level.saturating_mul(LEVEL_BITS));
    (hash >> shift) as u32 & ((1 << LEVEL_BITS) - 1)
}

const fn next(level: u32) -> u32 {
    level.saturating_add(1)
}

fn bucket_place<V>(leaves: &[Rc<Leaf<V>>], name: &[u8]) -> Result<usize, usize> {
    leaves.binary_search_by(|leaf| leaf.name.as_bytes().cmp(name))
}

/// Whether two names are the same: short ones, mostly, for which a call of `memcmp` costs more.
#[inline]
fn same(a: &[u8], b: &[u8]) -> bool {
    if a.len() != b.len() {
        return false;
    }
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<8>(), b.as_chunks::<8>());
    let words = a
        .iter()
        .zip(b)
        .all(|(a, b)| u64::from_ne_bytes(*a) == u64::from_ne_bytes(*b));
    words && a_rest.iter().zip(b_rest).all(|(a, b)| a == b)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn leaf(hash: u64, name: &str, value: u32) -> Rc<Leaf<u32>> {
        Rc::new(Leaf::new(hash, name, value))
    }

    /// Spreads like a keyed hash does.
    fn spread(number: u64) -> u64 {
        let mut x = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (x ^ (x >> 31)) & HASH_MASK
    }

    fn filled(names: u64) -> Map<u32> {
        let mut map = Map::default();
        for number in 0..names {
            map.insert(leaf(spread(number), &number.to_string(), number as u32))
                .unwrap();
        }
        map
    }

    fn branches_of<V>(map: &Map<V>, seen: &mut Vec<*const Branch<V>>) {
        match &map.root {
            Root::Many(root) => branches(root, seen),
            Root::Few(_) => panic!("a map of {} names", map.len()),
        }
    }

    fn branches<V>(branch: &Rc<Branch<V>>, seen: &mut Vec<*const Branch<V>>) {
        seen.push(Rc::as_ptr(branch));
        for slot in &branch.slots {
            if let Slot::Branch(below) = slot {
                branches(below, seen);
            }
        }
    }

    #[test]
    fn nodes_visited_do_not_grow_with_the_names() {
        let visited_in = |names: u64| {
            let map = filled(names);
            let (mut most, mut all) = (0, 0);
            for number in 0..names {
                let mut visited = 0;
                assert!(
                    map.find(spread(number), number.to_string().as_bytes(), || visited +=
                        1)
                        .is_some()
                );
                most = most.max(visited);
                all += visited;
            }
            (most, all / names)
        };
        assert_eq!(visited_in(1), (2, 2));
        let (most, mean) = visited_in(16_384);
        assert!(most <= 9 && mean <= 4, "{most} at most, {mean} on average");
    }

    #[test]
    fn a_copy_shares_all_but_the_path_to_a_change() {
        let map = filled(16_384);
        let mut copy = map.clone();
        assert!(copy.same_as(&map));
        copy.insert(leaf(spread(99_999), "new", 0)).unwrap();
        copy.remove(spread(7), "7").unwrap();
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        branches_of(&map, &mut ours);
        branches_of(&copy, &mut theirs);
        let own = theirs.iter().filter(|node| !ours.contains(node)).count();
        assert!(own <= 8, "{own} of {} branches are its own", theirs.len());
        assert_eq!((map.len(), copy.len()), (16_384, 16_384));
        assert!(map.get(spread(7), "7").is_some());
        assert!(map.get(spread(99_999), "new").is_none());
    }

    #[test]
    fn an_unshared_map_is_changed_in_place() {
        let mut map = filled(1000);
        let mut before = Vec::new();
        branches_of(&map, &mut before);
        map.insert(leaf(spread(5000), "x", 0)).unwrap();
        map.remove(spread(5000), "x").unwrap();
        let mut after = Vec::new();
        branches_of(&map, &mut after);
        assert_eq!(before.first(), after.first());
        assert_eq!(before.len(), after.len());
    }

    #[test]
    fn a_bucket_has_an_end() {
        let mut map = Map::default();
        for number in 0..BUCKET_MAX {
            map.insert(leaf(5, &number.to_string(), 0)).unwrap();
        }
        assert_eq!(map.insert(leaf(5, "more", 0)), Err(InsertError::Full));
        assert_eq!(map.insert(leaf(5, "7", 0)), Err(InsertError::Exists));
        assert_eq!(map.len(), BUCKET_MAX);
        map.insert(leaf(HASH_MASK, "last", 0)).unwrap();
        let (position, last) = map.at_or_after(HASH_MASK << BUCKET_BITS).unwrap();
        assert_eq!(last.name(), "last");
        assert!(i64::try_from(position).is_ok());
        assert!(map.at_or_after(position).is_none());
        assert!(map.at_or_after(u64::MAX).is_none());
    }

    #[derive(Clone, Debug)]
    enum Step {
        Insert(usize, u8),
        Remove(usize, u8),
        Copy(usize),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            4 => (any::<usize>(), any::<u8>()).prop_map(|(map, name)| Step::Insert(map, name)),
            3 => (any::<usize>(), any::<u8>()).prop_map(|(map, name)| Step::Remove(map, name)),
            1 => any::<usize>().prop_map(Step::Copy),
        ];
        proptest::collection::vec(step, 0..200)
    }

    /// Hashes that collide in whole or in their upper digits.
    fn bad_hash(name: u8) -> u64 {
        match name % 4 {
            0 => u64::from(name / 32),
            1 => HASH_MASK - u64::from(name / 16),
            2 => u64::from(name) << 50,
            _ => spread(u64::from(name)),
        }
    }

    proptest! {
        #[test]
        fn copies_behave_like_separate_maps(steps in steps()) {
            let mut maps: Vec<(Map<u32>, BTreeMap<String, u32>)> = vec![Default::default()];
            for (number, step) in steps.into_iter().enumerate() {
                match step {
                    Step::Insert(which, name) => {
                        let which = which % maps.len();
                        let (map, model) = &mut maps[which];
                        let text = name.to_string();
                        let inserted = map.insert(leaf(bad_hash(name), &text, number as u32));
                        prop_assert_eq!(inserted.is_ok(), !model.contains_key(&text));
                        model.entry(text).or_insert(number as u32);
                    }
                    Step::Remove(which, name) => {
                        let which = which % maps.len();
                        let (map, model) = &mut maps[which];
                        let text = name.to_string();
                        prop_assert_eq!(
                            map.remove(bad_hash(name), &text).map(|leaf| leaf.value),
                            model.remove(&text)
                        );
                    }
                    Step::Copy(which) => {
                        let which = which % maps.len();
                        let copy = (maps[which].0.clone(), maps[which].1.clone());
                        maps.push(copy);
                    }
                }
            }
            for (map, model) in &maps {
                prop_assert_eq!(map.len(), model.len());
                for name in 0..=255u8 {
                    let text = name.to_string();
                    prop_assert_eq!(
                        map.get(bad_hash(name), &text).map(|leaf| leaf.value),
                        model.get(&text).copied()
                    );
                }
                let whole: Vec<_> = map.iter().map(|leaf| leaf.name().to_owned()).collect();
                let (mut pieces, mut position) = (Vec::new(), 0);
                while let Some((next, leaf)) = map.at_or_after(position) {
                    prop_assert!(next > position);
                    position = next;
                    pieces.push(leaf.name().to_owned());
                }
                prop_assert_eq!(&whole, &pieces);
                let mut sorted = whole;
                sorted.sort();
                prop_assert!(sorted.iter().eq(model.keys()));
            }
        }

        #[test]
        fn enumeration_survives_changes_in_between(
            names in proptest::collection::btree_set(any::<u8>(), 1..60),
            changes in proptest::collection::vec((any::<u8>(), any::<bool>()), 0..60),
        ) {
            let mut map = Map::default();
            for name in &names {
                map.insert(leaf(spread(u64::from(*name)), &name.to_string(), 0)).unwrap();
            }
            let mut touched = std::collections::BTreeSet::new();
            let (mut seen, mut position) = (Vec::new(), 0);
            let mut changes = changes.into_iter();
            while let Some((next, found)) = map.at_or_after(position) {
                position = next;
                seen.push(found.name().to_owned());
                if let Some((name, add)) = changes.next() {
                    touched.insert(name.to_string());
                    let hash = spread(u64::from(name));
                    if add {
                        let _ = map.insert(leaf(hash, &name.to_string(), 0));
                    } else {
                        map.remove(hash, &name.to_string());
                    }
                }
            }
            // What was there all the time is seen exactly once.
            for name in names.iter().map(u8::to_string).filter(|name| !touched.contains(name)) {
                prop_assert_eq!(seen.iter().filter(|one| **one == name).count(), 1);
            }
        }
    }
}
