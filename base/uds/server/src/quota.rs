//! How much each user may hold.

use alloc::rc::Rc;
use core::cell::RefCell;

use syscall::error as errno;
use user_shares::Shares;

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

/// Memory for what waits at sockets, in bytes.
const MEMORY: u64 = 64 << 20;

/// What all users hold, and each of them.
pub struct Quota {
    things: [Rc<RefCell<Shares>>; 4],
    memory: Rc<RefCell<Shares>>,
}

impl Default for Quota {
    fn default() -> Self {
        let shares = |most| Rc::new(RefCell::new(Shares::new(most)));
        let all = [Of::Socket, Of::Handle, Of::Descriptor, Of::Own];
        Self {
            things: all.map(|of| shares(of.most() as u64)),
            memory: shares(MEMORY),
        }
    }
}

/// Memory that counts for a user, until this is dropped.
#[derive(Debug)]
pub struct Memory {
    uid: u32,
    held: u64,
    shares: Rc<RefCell<Shares>>,
}

impl Memory {
    /// It is so many bytes from now on, whether there is room for them or not.
    pub fn set(&mut self, bytes: usize) {
        let (new, old) = (bytes as u64, self.held);
        let mut shares = self.shares.borrow_mut();
        shares.give_back(self.uid, old);
        shares.take_anyway(self.uid, new);
        self.held = new;
    }

    /// Whether the user has as much as there is room for.
    pub fn is_scarce(&self) -> bool {
        self.shares.borrow().room(self.uid) == 0
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        self.set(0);
    }
}

/// One thing that a user holds, until this is dropped.
pub struct Charge {
    uid: u32,
    shares: Rc<RefCell<Shares>>,
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.shares.borrow_mut().give_back(self.uid, 1);
    }
}

/// A descriptor on its way, which counts for who sends it.
pub struct Passed<F> {
    pub fd: F,
    /// The handle that it is of, if it is the scheme's own.
    pub own: Option<u64>,
    _charges: (Charge, Option<Charge>),
}

impl Quota {
    const fn shares(&self, of: Of) -> &Rc<RefCell<Shares>> {
        let [sockets, handles, descriptors, own] = &self.things;
        match of {
            Of::Socket => sockets,
            Of::Handle => handles,
            Of::Descriptor => descriptors,
            Of::Own => own,
        }
    }

    /// None yet, for a user.
    pub fn memory(&self, uid: u32) -> Memory {
        Memory {
            uid,
            held: 0,
            shares: Rc::clone(&self.memory),
        }
    }

    /// How many of something there are.
    pub fn count(&self, of: Of) -> usize {
        self.shares(of).borrow().held() as usize
    }

    /// Counts a descriptor that a user sends; of what, if it is the scheme's own, is said.
    ///
    /// # Errors
    /// `ETOOMANYREFS`, as for [`Quota::charge`].
    pub fn pass<F>(&self, uid: u32, fd: F, own: Option<u64>) -> Result<Passed<F>> {
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
        self.shares(of).borrow().room(uid) as usize
    }

    /// Counts one thing more for a user.
    ///
    /// # Errors
    /// `ENFILE`, or of descriptors `ETOOMANYREFS`: the user, or all together, hold as many as they may.
    pub fn charge(&self, uid: u32, of: Of) -> Result<Charge> {
        let shares = self.shares(of);
        if !shares.borrow_mut().take(uid, 1) {
            return Err(of.refused());
        }
        Ok(Charge {
            uid,
            shares: Rc::clone(shares),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes as many as a user gets.
    fn all_of(quota: &Quota, uid: u32, of: Of) -> Vec<Charge> {
        let charges = core::iter::from_fn(|| quota.charge(uid, of).ok());
        charges.collect()
    }

    #[test]
    fn one_user_leaves_enough_to_others() {
        for of in [Of::Socket, Of::Handle, Of::Descriptor] {
            let quota = Quota::default();
            let users: Vec<Vec<Charge>> = (1..=5).map(|uid| all_of(&quota, uid, of)).collect();
            let counts: Vec<usize> = users.iter().map(Vec::len).collect();
            let most = of.most();
            let (quarter, rest) = (most / 4, most / 4 - most / 16);
            assert_eq!(counts, [quarter, quarter, quarter, rest, 0], "{of:?}");
            assert_eq!(quota.charge(1, of).err(), Some(of.refused()));
            let roots = all_of(&quota, 0, of);
            assert_eq!(roots.len(), most / 16, "{of:?}");
            drop(users);
            assert_eq!(all_of(&quota, 6, of).len(), quarter);
            drop(roots);
            assert_eq!(all_of(&quota, 0, of).len(), most);
        }
    }
}
