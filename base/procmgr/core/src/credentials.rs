//! User and group ids.

use user_shares::SUPERUSER;

use crate::manager::Errno;

/// The ids of a process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ids {
    /// Real user.
    pub ruid: u32,
    /// Effective user: what schemes see.
    pub euid: u32,
    /// Saved user.
    pub suid: u32,
    /// Real group.
    pub rgid: u32,
    /// Effective group: what schemes see.
    pub egid: u32,
    /// Saved group.
    pub sgid: u32,
}

/// A request to change some of them (setresuid(2), setresgid(2)).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SetIds {
    /// Real user.
    pub ruid: Option<u32>,
    /// Effective user.
    pub euid: Option<u32>,
    /// Saved user.
    pub suid: Option<u32>,
    /// Real group.
    pub rgid: Option<u32>,
    /// Effective group.
    pub egid: Option<u32>,
    /// Saved group.
    pub sgid: Option<u32>,
}

impl Ids {
    /// Whether everything is permitted.
    #[must_use]
    pub const fn is_privileged(&self) -> bool {
        self.euid == 0
    }

    /// Whose share limits what a process with these ids makes. It counts for its real user.
    #[must_use]
    pub const fn payer(&self) -> u32 {
        if self.is_privileged() {
            SUPERUSER
        } else {
            self.ruid
        }
    }

    /// The ids after the change: all of it or none.
    ///
    /// # Errors
    /// `EPERM`: an unprivileged process may set each id only to one that it has as real, effective or
    /// saved id.
    pub fn after(&self, change: &SetIds) -> Result<Self, Errno> {
        let users = [self.ruid, self.euid, self.suid];
        let groups = [self.rgid, self.egid, self.sgid];
        let pick = |new: Option<u32>, old: u32, held: &[u32; 3]| match new {
            None => Ok(old),
            Some(id) if self.is_privileged() || held.contains(&id) => Ok(id),
            Some(_) => Err(Errno(syscall::EPERM)),
        };
        Ok(Self {
            ruid: pick(change.ruid, self.ruid, &users)?,
            euid: pick(change.euid, self.euid, &users)?,
            suid: pick(change.suid, self.suid, &users)?,
            rgid: pick(change.rgid, self.rgid, &groups)?,
            egid: pick(change.egid, self.egid, &groups)?,
            sgid: pick(change.sgid, self.sgid, &groups)?,
        })
    }

    /// The ids after a change that somebody makes who may make any.
    #[must_use]
    pub fn changed(&self, change: &SetIds) -> Self {
        Self {
            ruid: change.ruid.unwrap_or(self.ruid),
            euid: change.euid.unwrap_or(self.euid),
            suid: change.suid.unwrap_or(self.suid),
            rgid: change.rgid.unwrap_or(self.rgid),
            egid: change.egid.unwrap_or(self.egid),
            sgid: change.sgid.unwrap_or(self.sgid),
        }
    }

    /// Whether a process with these ids may signal one with those.
    #[must_use]
    pub const fn may_signal(&self, other: &Self) -> bool {
        self.is_privileged()
            || self.ruid == other.ruid
            || self.ruid == other.suid
            || self.euid == other.ruid
            || self.euid == other.suid
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_may_become_whom() {
        let ids = |ruid, euid, suid| Ids {
            ruid,
            euid,
            suid,
            rgid: ruid,
            egid: euid,
            sgid: suid,
        };
        let user = |ruid, euid, suid| SetIds {
            ruid,
            euid,
            suid,
            ..SetIds::default()
        };
        let table = [
            // Who, asks for, becomes.
            (
                ids(0, 0, 0),
                user(Some(5), Some(6), Some(7)),
                Some((5, 6, 7)),
            ),
            (ids(1, 0, 1), user(Some(9), None, None), Some((9, 0, 1))),
            (ids(1, 2, 3), user(None, None, None), Some((1, 2, 3))),
            (
                ids(1, 2, 3),
                user(Some(3), Some(1), Some(2)),
                Some((3, 1, 2)),
            ),
            (ids(1, 2, 3), user(None, Some(0), None), None),
            (ids(1, 2, 3), user(Some(2), Some(4), None), None),
            (
                ids(0, 1000, 1000),
                user(None, Some(0), None),
                Some((0, 0, 1000)),
            ),
            (ids(1000, 1000, 1000), user(None, None, Some(0)), None),
        ];
        for (who, change, expected) in table {
            let became = who
                .after(&change)
                .ok()
                .map(|ids| (ids.ruid, ids.euid, ids.suid));
            assert_eq!(became, expected, "{who:?} {change:?}");
        }
        // Groups go by the user's privilege.
        let group = SetIds {
            egid: Some(50),
            ..SetIds::default()
        };
        assert!(ids(1000, 0, 0).after(&group).is_ok());
        assert!(ids(0, 1000, 0).after(&group).is_err());
    }

    #[test]
    fn who_may_signal_whom() {
        let ids = |ruid, euid, suid| Ids {
            ruid,
            euid,
            suid,
            ..Ids::default()
        };
        let table = [
            (ids(9, 0, 9), ids(1, 1, 1), true),
            (ids(1, 1, 1), ids(0, 0, 0), false),
            (ids(1, 1, 1), ids(1, 0, 0), true),
            (ids(1, 1, 1), ids(0, 1, 0), false),
            (ids(1, 1, 1), ids(0, 0, 1), true),
            (ids(2, 1, 2), ids(1, 7, 7), true),
        ];
        for (from, to, may) in table {
            assert_eq!(from.may_signal(&to), may, "{from:?} {to:?}");
        }
    }
}
