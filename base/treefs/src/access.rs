//! Who may do what.

use syscall::flag::{MODE_PERM, MODE_SETGID, MODE_SETUID};

use crate::store::Attr;

/// The true caller of a request, as the kernel reports it. User 0 is the superuser.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caller {
    /// Effective user.
    pub uid: u32,
    /// Effective group.
    pub gid: u32,
}

impl Caller {
    /// User and group 0.
    pub const SUPERUSER: Self = Self { uid: 0, gid: 0 };

    /// Whether permissions do not apply.
    pub const fn is_superuser(self) -> bool {
        self.uid == 0
    }
}

/// Permission to search a directory or execute a file.
pub const SEARCH: u16 = 1;
/// Permission to write.
pub const WRITE: u16 = 2;
/// Permission to read.
pub const READ: u16 = 4;
/// The sticky bit: in such a directory only owners remove and rename.
pub const STICKY: u16 = 0o1000;
/// Permission bits that a file's mode can hold.
pub const ALL_BITS: u16 = MODE_PERM;

impl Attr {
    /// Whether `caller` has every permission in `want`.
    pub const fn allows(&self, caller: Caller, want: u16) -> bool {
        let granted = if caller.is_superuser() {
            return true;
        } else if caller.uid == self.uid {
            self.mode >> 6
        } else if caller.gid == self.gid {
            self.mode >> 3
        } else {
            self.mode
        };
        granted & want == want
    }

    /// Whether `caller` may change what only an owner may.
    pub const fn owned_by(&self, caller: Caller) -> bool {
        caller.is_superuser() || caller.uid == self.uid
    }

    /// Whether the sticky bit of this directory keeps `caller` from removing `victim`.
    pub const fn sticky_denies(&self, victim: &Self, caller: Caller) -> bool {
        self.mode & STICKY != 0 && !self.owned_by(caller) && !victim.owned_by(caller)
    }

    /// The content was changed by `caller`, who may not be trusted with what the file runs as.
    pub const fn changed_by(&mut self, caller: Caller) {
        if !caller.is_superuser() {
            self.drop_set_id();
        }
    }

    /// The file no longer runs as someone else.
    pub const fn drop_set_id(&mut self) {
        const GROUP_EXECUTE: u16 = 0o010;
        self.mode &= !MODE_SETUID;
        if self.mode & GROUP_EXECUTE != 0 {
            self.mode &= !MODE_SETGID;
        }
    }
}
