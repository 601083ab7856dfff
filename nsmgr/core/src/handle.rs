//! What a descriptor of the namespace manager stands for.

use alloc::boxed::Box;

use cap_abi::Rights;
use nsmgr_api::{NsPermissions, RegisterFlags};

use gen_slab::Key;

use crate::quota::Charge;

/// One open handle.
#[derive(Debug)]
pub(crate) struct Handle {
    pub kind: Kind,
    /// User that is charged for it.
    pub uid: u32,
    /// That user's account, and the process's.
    pub charge: Charge,
}

#[derive(Debug)]
pub(crate) enum Kind {
    /// A namespace, with what may be done to it.
    Access { ns: Key, permissions: NsPermissions },
    /// The listing of a namespace: a directory whose entries are the names.
    List { ns: Key, permissions: NsPermissions },
    /// A directory that exists only because a place of this name is below it; its path has no leading
    /// slash.
    Place {
        ns: Key,
        name: Box<str>,
        at: Box<str>,
    },
    /// Binds one name, or one place of it, once.
    Register {
        ns: Key,
        name: Box<str>,
        place: Option<Box<str>>,
        rights: Rights,
        flags: RegisterFlags,
        spent: bool,
    },
    /// Readable when the namespace's generation is not `seen`.
    Watch {
        ns: Key,
        seen: u64,
        waiting: Waiting,
    },
    /// The directory of the status scheme.
    Status,
    /// The denial log from `cursor` on.
    Denials { cursor: u64, waiting: Waiting },
    /// A text made when it was opened.
    Text(Box<[u8]>),
}

/// Whether somebody waits for a handle to become readable.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Waiting {
    /// Nobody.
    #[default]
    No,
    /// Somebody who is to be told.
    Yes,
    /// Somebody who has been told and has not read since.
    Told,
}

impl Waiting {
    /// Whether to tell now; marks as told.
    pub fn tell(&mut self) -> bool {
        let tell = *self == Self::Yes;
        if tell {
            *self = Self::Told;
        }
        tell
    }

    /// Somebody has read.
    pub fn read(&mut self) {
        if *self == Self::Told {
            *self = Self::Yes;
        }
    }

    /// What waits after `fevent`.
    pub const fn after_request(wants: bool, ready: bool) -> Self {
        match (wants, ready) {
            (false, _) => Self::No,
            (true, false) => Self::Yes,
            (true, true) => Self::Told,
        }
    }
}

impl Kind {
    pub const fn namespace(&self) -> Option<Key> {
        match self {
            Self::Access { ns, .. }
            | Self::List { ns, .. }
            | Self::Place { ns, .. }
            | Self::Register { ns, .. }
            | Self::Watch { ns, .. } => Some(*ns),
            Self::Status | Self::Denials { .. } | Self::Text(_) => None,
        }
    }
}
