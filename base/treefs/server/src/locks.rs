//! Advisory locks on ranges of files.
//!
//! A lock belongs to a process or to an open file. Locks of one owner never keep each other out; what is
//! locked again takes the new kind, and what is unlocked may be a part.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use user_shares::Shares;

/// Whose a lock is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// The process with this number: it loses its locks on a file with any of its descriptors through which it locked
    /// something of that. (POSIX says any descriptor, but of one that nothing was asked through nobody tells.)
    Process(u64),
    /// The open file with this handle: its locks go with its last descriptor.
    Handle(usize),
}

/// A range of bytes; the end is in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    start: u64,
    end: u64,
}

impl Range {
    /// From `start` on `len` bytes, or all there are if that is 0. `None` if there are not so many.
    pub fn new(start: u64, len: u64) -> Option<Self> {
        const LAST: u64 = i64::MAX as u64;
        let end = match len {
            0 => LAST,
            len => start.checked_add(len.checked_sub(1)?)?,
        };
        (start <= end && end <= LAST).then_some(Self { start, end })
    }

    const fn meets(self, other: Self) -> bool {
        self.start <= other.end && self.end >= other.start
    }
}

/// A lock, or one that is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lock {
    /// Whose it is.
    pub owner: Owner,
    /// The open file that it was asked through.
    pub through: usize,
    /// Whether it keeps all others out.
    pub exclusive: bool,
    /// What of the file it is about.
    pub range: Range,
    /// The user it counts for.
    pub payer: u32,
}

impl Lock {
    fn keeps_out(&self, other: &Self) -> bool {
        self.owner != other.owner
            && self.range.meets(other.range)
            && (self.exclusive || other.exclusive)
    }

    /// Start and length as they are asked for.
    pub const fn start_and_len(&self) -> (u64, u64) {
        let len = self.range.end.saturating_sub(self.range.start);
        let to_the_end = self.range.end == i64::MAX as u64;
        (
            self.range.start,
            if to_the_end { 0 } else { len.saturating_add(1) },
        )
    }
}

/// Why a lock is not given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// Another's is in the way.
    Conflict,
    /// There are too many.
    TooMany,
}

/// Most locks at once.
const MOST: u64 = 1 << 14;

/// The locks on all files, by node.
#[derive(Debug)]
pub struct Locks {
    files: BTreeMap<u64, Vec<Lock>>,
    shares: Shares,
}

impl Locks {
    /// No locks.
    pub const fn new() -> Self {
        Self {
            files: BTreeMap::new(),
            shares: Shares::new(MOST),
        }
    }

    /// A lock that keeps this one out.
    pub fn in_the_way(&self, node: u64, wanted: Lock) -> Option<&Lock> {
        self.all_in_the_way(node, wanted).next()
    }

    /// The locks that keep this one out.
    pub fn all_in_the_way(&self, node: u64, wanted: Lock) -> impl Iterator<Item = &Lock> {
        let locks = self.files.get(&node).into_iter().flatten();
        locks.filter(move |lock| lock.keeps_out(&wanted))
    }

    /// Gives a lock.
    ///
    /// # Errors
    /// See [`Refused`].
    pub fn lock(&mut self, node: u64, wanted: Lock) -> Result<(), Refused> {
        if self.in_the_way(node, wanted).is_some() {
            return Err(Refused::Conflict);
        }
        // One in two, for what it takes out of the middle of, and itself.
        if self.shares.room(wanted.payer) < 2 {
            return Err(Refused::TooMany);
        }
        self.unlock(node, wanted.owner, wanted.range);
        self.files.entry(node).or_default().push(wanted);
        self.shares.take_anyway(wanted.payer, 1);
        Ok(())
    }

    /// Takes what `owner` has of a range away.
    pub fn unlock(&mut self, node: u64, owner: Owner, range: Range) {
        let Some(locks) = self.files.get_mut(&node) else {
            return;
        };
        let mut rest = Vec::new();
        let shares = &mut self.shares;
        locks.retain(|lock| {
            if lock.owner != owner || !lock.range.meets(range) {
                return true;
            }
            shares.give_back(lock.payer, 1);
            if let Some(end) = range
                .start
                .checked_sub(1)
                .filter(|end| lock.range.start <= *end)
            {
                let left = Range { end, ..lock.range };
                rest.push(Lock {
                    range: left,
                    ..*lock
                });
            }
            if let Some(start) = range
                .end
                .checked_add(1)
                .filter(|start| *start <= lock.range.end)
            {
                let right = Range {
                    start,
                    ..lock.range
                };
                rest.push(Lock {
                    range: right,
                    ..*lock
                });
            }
            false
        });
        for lock in &rest {
            shares.take_anyway(lock.payer, 1);
        }
        locks.extend(rest);
        if locks.is_empty() {
            self.files.remove(&node);
        }
    }

    /// Takes everything away that `owner` has of a file; whether that was anything.
    pub fn unlock_all(&mut self, node: u64, owner: Owner) -> bool {
        let has = |lock: &Lock| lock.owner == owner;
        let any = self
            .files
            .get(&node)
            .is_some_and(|locks| locks.iter().any(has));
        let all = Range {
            start: 0,
            end: u64::MAX,
        };
        self.unlock(node, owner, all);
        any
    }

    /// A process that has locked something of a file through an open file.
    pub fn process_through(&self, node: u64, handle: usize) -> Option<Owner> {
        let through =
            |lock: &&Lock| lock.through == handle && matches!(lock.owner, Owner::Process(_));
        let locks = self.files.get(&node)?;
        locks.iter().find(through).map(|lock| lock.owner)
    }

    /// How many there are.
    #[cfg(test)]
    pub const fn len(&self) -> u64 {
        self.shares.held()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{Rng, SeedableRng, rngs::StdRng};

    const LENGTH: u64 = 24;
    const OWNERS: [Owner; 4] = [
        Owner::Process(1),
        Owner::Process(2),
        Owner::Handle(1),
        Owner::Handle(2),
    ];

    /// Bytes one by one: who holds them, and whether exclusively.
    type Model = Vec<BTreeMap<usize, bool>>;

    #[test]
    fn random_locks_agree_with_bytes_one_by_one() {
        for seed in 0..200 {
            let mut rng = StdRng::seed_from_u64(seed);
            let mut locks = Locks::new();
            let mut model: Model = vec![BTreeMap::new(); LENGTH as usize];
            for step in 0..200 {
                let who = rng.random_range(0..OWNERS.len());
                let start = rng.random_range(0..LENGTH);
                let len = rng.random_range(1..=LENGTH - start);
                let range = Range::new(start, len).unwrap();
                let bytes = start as usize..(start + len) as usize;
                if rng.random_ratio(1, 3) {
                    locks.unlock(7, OWNERS[who], range);
                    model[bytes].iter_mut().for_each(|byte| {
                        byte.remove(&who);
                    });
                    continue;
                }
                let exclusive = rng.random();
                let wanted = Lock {
                    owner: OWNERS[who],
                    through: 1,
                    exclusive,
                    range,
                    payer: who as u32,
                };
                let free = model[bytes.clone()].iter().all(|byte| {
                    byte.iter()
                        .all(|(other, theirs)| *other == who || !(exclusive || *theirs))
                });
                let got = locks.lock(7, wanted);
                assert_eq!(got.is_ok(), free, "seed {seed} step {step}");
                if free {
                    model[bytes].iter_mut().for_each(|byte| {
                        byte.insert(who, exclusive);
                    });
                }
            }
            for owner in OWNERS {
                locks.unlock_all(7, owner);
            }
            assert_eq!((locks.len(), locks.files.len()), (0, 0));
        }
    }

    #[test]
    fn one_user_leaves_locks_to_others() {
        let mut locks = Locks::new();
        let owner = Owner::Handle(1);
        let lock = |locks: &mut Locks, payer: u32, start: u64| {
            let range = Range::new(start * 2, 1).unwrap();
            let wanted = Lock {
                owner,
                through: 1,
                exclusive: true,
                range,
                payer,
            };
            locks.lock(u64::from(payer), wanted)
        };
        let all_of = |locks: &mut Locks, payer| {
            let got = (0..).take_while(|start| lock(locks, payer, *start).is_ok());
            got.count() as u64
        };
        let users: u64 = (1..=5).map(|user| all_of(&mut locks, user)).sum();
        assert_eq!(locks.len(), users);
        assert!(users + MOST / 16 <= MOST && users + MOST / 16 + 8 > MOST);
        assert_eq!(lock(&mut locks, 9, 0), Err(Refused::TooMany));
        // One less than there is room for: see `Locks::lock`.
        assert_eq!(users + all_of(&mut locks, 0), MOST - 1);
        for user in 0..=5 {
            locks.unlock_all(user, owner);
        }
        assert_eq!(locks.len(), 0);
        assert_eq!(all_of(&mut locks, 9), MOST / 4 - 1);
    }

    #[test]
    fn ranges() {
        for (start, len, want) in [
            (0, 0, Some((0, 0))),
            (5, 0, Some((5, 0))),
            (5, 1, Some((5, 1))),
            (i64::MAX as u64, 1, Some((i64::MAX as u64, 0))),
            (i64::MAX as u64, 2, None),
            (u64::MAX, 0, None),
            (u64::MAX, 5, None),
        ] {
            let range = Range::new(start, len);
            let owner = Owner::Process(1);
            let lock = |range| Lock {
                owner,
                through: 1,
                exclusive: true,
                range,
                payer: 0,
            };
            assert_eq!(range.map(|range| lock(range).start_and_len()), want);
        }
    }
}
