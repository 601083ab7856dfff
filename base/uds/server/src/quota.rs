//! How much each user may hold.

use alloc::{collections::BTreeMap, rc::Rc};
use core::cell::Cell;

use syscall::error as errno;

use crate::Result;

/// What is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Of {
    /// A socket, also one that nobody has accepted yet.
    Socket,
    /// Something that a descriptor of the scheme's stands for.
    Handle,
    /// A descriptor on its way.
    Descriptor,
    /// One of those that is of something of the scheme's own.
    Own,
}

impl Of {
    /// How many there may be at once.
    pub const fn most(self) -> usize {
        match self {
            Self::Socket => 1 << 14,
            Self::Handle => 1 << 15,
            Self::Descriptor | Self::Own => 1 << 12,
        }
    }

    const fn refused(self) -> i32 {
        match self {
            Self::Socket | Self::Handle => errno::ENFILE,
            Self::Descriptor | Self::Own => errno::ETOOMANYREFS,
        }
    }
}

/// The user who has all there is.
const ROOT: u32 = 0;
/// A user other than root has one part in so many at most.
const USERS_PART: usize = 4;
/// One part in so many is left to root.
const ROOTS_PART: usize = 16;

#[derive(Default)]
struct Held {
    sockets: Cell<usize>,
    handles: Cell<usize>,
    descriptors: Cell<usize>,
    own: Cell<usize>,
}

impl Held {
    const fn cell(&self, of: Of) -> &Cell<usize> {
        match of {
            Of::Socket => &self.sockets,
            Of::Handle => &self.handles,
            Of::Descriptor => &self.descriptors,
            Of::Own => &self.own,
        }
    }
}

/// What all users hold, and each of them.
#[derive(Default)]
pub struct Quota {
    all: Rc<Held>,
    users: BTreeMap<u32, Rc<Held>>,
}

/// One thing that a user holds, until this is dropped.
pub struct Charge {
    of: Of,
    user: Rc<Held>,
    all: Rc<Held>,
}

impl Drop for Charge {
    fn drop(&mut self) {
        for held in [&self.user, &self.all] {
            let cell = held.cell(self.of);
            cell.set(cell.get().saturating_sub(1));
        }
    }
}

/// A descriptor on its way, which counts for who sends it.
pub struct Passed<F> {
    pub fd: F,
    /// The handle that it is of, if it is the scheme's own.
    pub own: Option<u64>,
    _charges: (Charge, Option<Charge>),
}

/// How many of something there may be for a user to have one more, and how many the user may have.
const fn limits(uid: u32, of: Of) -> (usize, usize) {
    let most = of.most();
    if uid == ROOT {
        (most, most)
    } else {
        (most.saturating_sub(most / ROOTS_PART), most / USERS_PART)
    }
}

impl Quota {
    /// How many of something there are.
    pub fn count(&self, of: Of) -> usize {
        self.all.cell(of).get()
    }

    /// Counts a descriptor that a user sends; of what, if it is the scheme's own, is said.
    ///
    /// # Errors
    /// `ETOOMANYREFS`, as for [`Quota::charge`].
    pub fn pass<F>(&mut self, uid: u32, fd: F, own: Option<u64>) -> Result<Passed<F>> {
        let charge = self.charge(uid, Of::Descriptor)?;
        let also = own.map(|_| self.charge(uid, Of::Own)).transpose()?;
        Ok(Passed {
            fd,
            own,
            _charges: (charge, also),
        })
    }

    /// How many more of something a user may have.
    pub fn room(&self, uid: u32, of: Of) -> usize {
        let (of_all, of_user) = limits(uid, of);
        let user = self.users.get(&uid).map_or(0, |held| held.cell(of).get());
        let all = of_all.saturating_sub(self.count(of));
        all.min(of_user.saturating_sub(user))
    }

    /// Counts one thing more for a user.
    ///
    /// # Errors
    /// `ENFILE`, or of descriptors `ETOOMANYREFS`: the user, or all together, hold as many as they may.
    pub fn charge(&mut self, uid: u32, of: Of) -> Result<Charge> {
        if self.room(uid, of) == 0 {
            return Err(of.refused());
        }
        if !self.users.contains_key(&uid) {
            // Of users who hold nothing nothing is kept.
            self.users.retain(|_, held| Rc::strong_count(held) > 1);
        }
        let user = self.users.entry(uid).or_default();
        for held in [&*user, &self.all] {
            let cell = held.cell(of);
            cell.set(cell.get().saturating_add(1));
        }
        Ok(Charge {
            of,
            user: Rc::clone(user),
            all: Rc::clone(&self.all),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes as many as a user gets.
    fn all_of(quota: &mut Quota, uid: u32, of: Of) -> Vec<Charge> {
        let charges = core::iter::from_fn(|| quota.charge(uid, of).ok());
        charges.collect()
    }

    #[test]
    fn one_user_leaves_enough_to_others() {
        for of in [Of::Socket, Of::Handle, Of::Descriptor] {
            let mut quota = Quota::default();
            let users: Vec<Vec<Charge>> = (1..=5).map(|uid| all_of(&mut quota, uid, of)).collect();
            let counts: Vec<usize> = users.iter().map(Vec::len).collect();
            let most = of.most();
            let (quarter, rest) = (most / 4, most / 4 - most / 16);
            assert_eq!(counts, [quarter, quarter, quarter, rest, 0], "{of:?}");
            assert_eq!(quota.charge(1, of).err(), Some(of.refused()));
            let roots = all_of(&mut quota, 0, of);
            assert_eq!(roots.len(), most / 16, "{of:?}");
            drop(users);
            assert_eq!(all_of(&mut quota, 6, of).len(), quarter);
            drop(roots);
            assert_eq!(all_of(&mut quota, 0, of).len(), most);
        }
    }

    #[test]
    fn users_who_hold_nothing_are_forgotten() {
        let mut quota = Quota::default();
        for uid in 0..10_000 {
            drop(quota.charge(uid, Of::Socket).unwrap());
        }
        assert!(quota.users.len() <= 1);
    }
}
