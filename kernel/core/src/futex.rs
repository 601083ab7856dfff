//! Who waits at which word of memory.
//!
//! Waiters queue by a 128-bit [`Key`] in a hash table whose chains run through the waiters
//! themselves. Waking is first in, first out per key.

use alloc::vec::Vec;

use crate::list::{HasLink, Link, List};
use crate::slab::{Id, Slab};

/// The kind of list that waiters are in, and those that were woken.
pub const FUTEX_LINK: usize = 0x120;

const MIN_BUCKETS: usize = 64;

/// A word of memory: where it is (address space, or frame when it is shared) and the offset there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    /// Identifies an address space or a frame; the caller keeps the two apart.
    pub place: u64,
    /// The address, or the offset in the frame.
    pub offset: u64,
}

/// A waiter's place in the table.
pub struct Wait<T> {
    link: Link<T>,
    key: Option<Key>,
}

impl<T> Wait<T> {
    /// Not waiting.
    pub const fn new() -> Self {
        Self {
            link: Link::new(),
            key: None,
        }
    }

    /// Where the object waits.
    pub const fn key(&self) -> Option<Key> {
        self.key
    }
}

impl<T> Default for Wait<T> {
    fn default() -> Self {
        Self::new()
    }
}

/// An object that can wait.
pub trait Waiter: Sized {
    /// Its place.
    fn wait(&self) -> &Wait<Self>;
    /// Its place.
    fn wait_mut(&mut self) -> &mut Wait<Self>;
}

impl<T: Waiter> HasLink<FUTEX_LINK> for T {
    fn link(&self) -> &Link<Self> {
        &self.wait().link
    }
    fn link_mut(&mut self) -> &mut Link<Self> {
        &mut self.wait_mut().link
    }
}

/// Objects that were woken, in the order in which they began to wait. Each is to be taken out
/// (`pop_front`) before it waits again.
pub type Woken<T> = List<T, FUTEX_LINK>;

/// Every waiter of the system.
pub struct Futexes<T> {
    /// Empty (one chain then) or a power of two.
    buckets: Vec<List<T, FUTEX_LINK>>,
    /// The chain for as long as there was no memory for a table.
    single: List<T, FUTEX_LINK>,
    len: usize,
    seed: u64,
}

impl<T: Waiter> Futexes<T> {
    /// No waiter, no memory. `seed` is a random number that keeps user space from choosing
    /// addresses that share a chain.
    pub const fn new(seed: u64) -> Self {
        Self {
            buckets: Vec::new(),
            single: List::new(),
            len: 0,
            seed,
        }
    }

    /// How many objects wait.
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether none does.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    fn index(&self, key: Key) -> usize {
        // A multiplication spreads to the upper half of its product, which is folded down again.
        let fold = |a: u64, b: u64| {
            let product = u128::from(a).wrapping_mul(u128::from(b));
            (product as u64) ^ (product >> 64) as u64
        };
        let once = fold(key.place ^ self.seed, 0x9e37_79b9_7f4a_7c15);
        let twice = fold(key.offset ^ once, self.seed | 0xa076_1d64_78bd_642f);
        (twice as usize) & self.buckets.len().saturating_sub(1)
    }

    fn bucket(&mut self, key: Key) -> &mut List<T, FUTEX_LINK> {
        let index = self.index(key);
        match self.buckets.get_mut(index) {
            Some(bucket) => bucket,
            None => &mut self.single,
        }
    }

    /// Lets an object wait. `false` when it is gone or waits already. Needs no memory, though
    /// with too little of it chains become longer.
    pub fn wait(&mut self, slab: &mut Slab<T>, id: Id<T>, key: Key) -> bool {
        if self.len >= self.buckets.len() {
            self.grow(slab);
        }
        let Some(wait) = slab.get_mut(id).map(Waiter::wait_mut) else {
            return false;
        };
        if wait.link.is_linked() {
            return false;
        }
        wait.key = Some(key);
        self.len = self.len.saturating_add(1);
        self.bucket(key).push_back(slab, id)
    }

    /// Wakes up to `count` objects that wait at `key`.
    pub fn wake(&mut self, slab: &mut Slab<T>, key: Key, count: usize) -> Woken<T> {
        let mut woken = List::new();
        self.take(slab, key, count, |_, slab, id| {
            if let Some(object) = slab.get_mut(id) {
                object.wait_mut().key = None;
            }
            woken.push_back(slab, id);
        });
        self.len = self.len.saturating_sub(woken.len());
        self.shrink();
        woken
    }

    /// Wakes up to `wake` objects that wait at `from` and lets up to `requeue` of the rest wait at
    /// `to` instead, behind those that do already. Returns the woken and how many were moved.
    pub fn requeue(
        &mut self,
        slab: &mut Slab<T>,
        from: Key,
        to: Key,
        wake: usize,
        requeue: usize,
    ) -> (Woken<T>, usize) {
        let woken = self.wake(slab, from, wake);
        if from == to {
            return (woken, 0);
        }
        let moved = self.take(slab, from, requeue, |table, slab, id| {
            if let Some(object) = slab.get_mut(id) {
                object.wait_mut().key = Some(to);
            }
            table.bucket(to).push_back(slab, id);
        });
        (woken, moved)
    }

    /// Ends an object's wait, for a timeout or because it dies. `false` when it does not wait.
    pub fn remove(&mut self, slab: &mut Slab<T>, id: Id<T>) -> bool {
        let Some(key) = slab.get_mut(id).and_then(|t| t.wait_mut().key.take()) else {
            return false;
        };
        let removed = self.bucket(key).remove(slab, id);
        if removed {
            self.len = self.len.saturating_sub(1);
            self.shrink();
        }
        removed
    }

    /// Takes up to `count` waiters of `key` out of its chain.
    fn take(
        &mut self,
        slab: &mut Slab<T>,
        key: Key,
        count: usize,
        mut found: impl FnMut(&mut Self, &mut Slab<T>, Id<T>),
    ) -> usize {
        let mut taken = 0usize;
        let mut at = self.bucket(key).front();
        // What is put back behind the end has another key, so the walk ends.
        while let Some(id) = at
            && taken < count
        {
            let Some(wait) = slab.get(id).map(Waiter::wait) else {
                break;
            };
            at = wait.link.next();
            if wait.key == Some(key) {
                self.bucket(key).remove(slab, id);
                found(self, slab, id);
                taken = taken.saturating_add(1);
            }
        }
        taken
    }

    fn grow(&mut self, slab: &mut Slab<T>) {
        let size = self.buckets.len().saturating_mul(2).max(MIN_BUCKETS);
        let mut bigger = Vec::new();
        if bigger.try_reserve_exact(size).is_err() {
            return;
        }
        bigger.extend((0..size).map(|_| List::new()));
        let mut smaller = core::mem::replace(&mut self.buckets, bigger);
        let mut single = core::mem::take(&mut self.single);
        for list in smaller.iter_mut().chain(Some(&mut single)) {
            while let Some(id) = list.pop_front(slab) {
                if let Some(key) = slab.get(id).and_then(|t| t.wait().key) {
                    self.bucket(key).push_back(slab, id);
                }
            }
        }
    }

    /// Gives the memory of a large table back once nobody waits.
    fn shrink(&mut self) {
        if self.len == 0 && self.buckets.len() > MIN_BUCKETS {
            self.buckets = Vec::new();
        }
    }
}
