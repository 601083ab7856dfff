//! Who is charged for the descriptors that are kept.

use alloc::rc::Rc;
use core::cell::RefCell;

use syscall::error as errno;
use user_shares::Shares;

use crate::error::{Cause, Error};

const NO_MEMORY: Error = Error::new(errno::ENOMEM, Cause::MemoryLimit);

/// What is held of the roots that may be.
#[derive(Debug)]
pub(crate) struct Roots(Rc<RefCell<Shares>>);

impl Roots {
    /// As many as `most` of everybody.
    pub fn new(most: u32) -> Self {
        Self(Rc::new(RefCell::new(Shares::new(u64::from(most)))))
    }

    /// Charges a user for one more.
    ///
    /// # Errors
    /// `ENOMEM`.
    pub fn hold(&self, user: u32) -> Result<Held, Error> {
        let mut shares = self.0.try_borrow_mut().map_err(|_| NO_MEMORY)?;
        if !shares.take(user, 1) {
            return Err(NO_MEMORY);
        }
        Ok(Held {
            of: Rc::clone(&self.0),
            user,
        })
    }

    /// How many are held.
    pub fn held(&self) -> u64 {
        self.0.try_borrow().map_or(0, |shares| shares.held())
    }
}

/// A root that a user is charged for until this is dropped. A binding goes with the last namespace that
/// has it, wherever that is, and takes the charge along.
#[derive(Debug)]
pub(crate) struct Held {
    of: Rc<RefCell<Shares>>,
    user: u32,
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Ok(mut shares) = self.of.try_borrow_mut() {
            shares.give_back(self.user, 1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_root_is_charged_until_it_goes() {
        let roots = Roots::new(64);
        let all_of = |user| {
            let held = core::iter::from_fn(|| roots.hold(user).ok());
            held.collect::<Vec<_>>()
        };
        let users: Vec<_> = (1..=5).map(all_of).collect();
        let counts: Vec<_> = users.iter().map(Vec::len).collect();
        assert_eq!(counts, [16, 16, 16, 12, 0]);
        assert_eq!(roots.hold(1).unwrap_err().errno, errno::ENOMEM);
        assert_eq!(all_of(0).len(), 4, "what is left to the superuser");
        drop(users);
        assert_eq!(roots.held(), 0);
        assert_eq!(all_of(0).len(), 64);
        assert_eq!(roots.held(), 0);
    }
}
