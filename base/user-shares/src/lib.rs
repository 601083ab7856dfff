//! What each user may hold of something that there is only so much of.
//!
//! For daemons: whatever one user's programs open, make or write, another user still gets something, and the superuser
//! does when all users together have taken all they may.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects
    )
)]

extern crate alloc;

use alloc::collections::BTreeMap;

/// The user who may have all there is.
pub const SUPERUSER: u32 = 0;
/// One part in so many is left to the superuser.
pub const SUPERUSERS_PART: u64 = 16;
/// A user has at most one part in so many, where nothing speaks for another number.
pub const USERS_PART: u64 = 4;

/// How much there is, and who holds it.
#[derive(Clone, Debug)]
pub struct Shares {
    most: u64,
    of_user: u64,
    held: u64,
    /// Only those who hold something.
    users: BTreeMap<u32, u64>,
}

impl Shares {
    /// So much, of which a user may hold one part in [`USERS_PART`].
    #[must_use]
    pub const fn new(most: u64) -> Self {
        Self::in_parts(most, USERS_PART)
    }

    /// So much, of which a user may hold one part in so many.
    #[must_use]
    pub const fn in_parts(most: u64, parts: u64) -> Self {
        Self {
            most,
            of_user: match most.checked_div(parts) {
                Some(part) => part,
                None => most,
            },
            held: 0,
            users: BTreeMap::new(),
        }
    }

    /// How much all users hold together.
    #[must_use]
    pub const fn held(&self) -> u64 {
        self.held
    }

    /// How much a user holds.
    #[must_use]
    pub fn held_by(&self, user: u32) -> u64 {
        self.users.get(&user).copied().unwrap_or(0)
    }

    /// How much more all users may have together, without what is left to the superuser.
    #[must_use]
    pub fn room_for_users(&self) -> u64 {
        let left = self.most.checked_div(SUPERUSERS_PART).unwrap_or(0);
        self.room(SUPERUSER).saturating_sub(left)
    }

    /// How much more a user may have.
    #[must_use]
    pub fn room(&self, user: u32) -> u64 {
        if user == SUPERUSER {
            return self.most.saturating_sub(self.held);
        }
        let own = self.of_user.saturating_sub(self.held_by(user));
        self.room_for_users().min(own)
    }

    /// Gives a user so much more; whether there is room for it.
    #[must_use]
    pub fn take(&mut self, user: u32, count: u64) -> bool {
        let fits = count <= self.room(user);
        if fits {
            self.take_anyway(user, count);
        }
        fits
    }

    /// Gives a user so much more, room or not.
    pub fn take_anyway(&mut self, user: u32, count: u64) {
        if count > 0 {
            self.held = self.held.saturating_add(count);
            let of_user = self.users.entry(user).or_insert(0);
            *of_user = of_user.saturating_add(count);
        }
    }

    /// Takes so much from a user.
    pub fn give_back(&mut self, user: u32, count: u64) {
        let Some(of_user) = self.users.get_mut(&user) else {
            return;
        };
        let count = count.min(*of_user);
        *of_user = of_user.saturating_sub(count);
        self.held = self.held.saturating_sub(count);
        if *of_user == 0 {
            self.users.remove(&user);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes as much as a user gets, one by one.
    fn all_of(shares: &mut Shares, user: u32) -> u64 {
        (0..).take_while(|_| shares.take(user, 1)).count() as u64
    }

    #[test]
    fn one_user_leaves_enough_to_others() {
        for (most, parts) in [(64, 4), (1 << 14, 4), (1 << 12, 16), (160, 2)] {
            let mut shares = Shares::in_parts(most, parts);
            let users: u64 = (1..=parts as u32 + 1)
                .map(|user| all_of(&mut shares, user))
                .inspect(|count| assert!(*count <= most / parts))
                .sum();
            assert_eq!(users, most - most / 16, "{most} {parts}");
            assert_eq!(shares.held_by(1), most / parts);
            assert_eq!(shares.room(99), 0);
            assert_eq!(all_of(&mut shares, SUPERUSER), most / 16, "{most} {parts}");
            assert!(!shares.take(SUPERUSER, 1));
            shares.give_back(1, most / parts);
            assert_eq!(shares.room(99), (most / parts).saturating_sub(most / 16));
            assert_eq!(shares.room(SUPERUSER), most / parts);
        }
    }

    #[test]
    fn what_is_given_back_is_there_again() {
        let mut shares = Shares::new(u64::MAX);
        assert_eq!(shares.room(SUPERUSER), u64::MAX);
        assert!(!shares.take(7, u64::MAX));
        for user in 0..10_000 {
            assert!(shares.take(user, 3));
            shares.give_back(user, 2);
            assert_eq!((shares.held(), shares.held_by(user)), (1, 1));
            // More than there is: nobody else's.
            shares.give_back(user, 2);
            assert_eq!(shares.held(), 0);
        }
        assert!(shares.users.is_empty());
        shares.take_anyway(5, u64::MAX);
        assert_eq!((shares.room(SUPERUSER), shares.room(6)), (0, 0));
    }
}
