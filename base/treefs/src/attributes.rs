//! What `stat` reports and what changes it.

use syscall::data::{Stat, TimeSpec};
use syscall::flag::MODE_SETGID;

use crate::access::{ALL_BITS, Caller, WRITE};
use crate::data::PAGE;
use crate::error::Error;
use crate::fs::Fs;
use crate::node::{Kind, NodeId};
use crate::store::Store;

/// In `tv_nsec`: the present time.
const UTIME_NOW: i32 = 0x3fff_ffff;
/// In `tv_nsec`: leave it.
const UTIME_OMIT: i32 = 0x3fff_fffe;
/// `st_blocks` counts these.
const BLOCK: u64 = 512;

const NANOSECONDS: i32 = 1_000_000_000;

/// `stat` has no room for times before 1970; they read as 1970.
fn seconds(time: TimeSpec) -> u64 {
    u64::try_from(time.tv_sec).unwrap_or(0)
}

fn nanoseconds(time: TimeSpec) -> u32 {
    u32::try_from(time.tv_nsec).unwrap_or(0)
}

impl<S: Store> Fs<S> {
    pub(crate) fn stat_node(&self, node: NodeId) -> Result<Stat, Error> {
        let attr = self.store.attr(node)?;
        Ok(Stat {
            st_dev: self.store.config().device,
            st_ino: self.store.number(node),
            st_mode: attr.mode,
            st_nlink: attr.link_count(),
            st_uid: attr.uid,
            st_gid: attr.gid,
            // What leads to a socket is no content of its name.
            st_size: match attr.kind() {
                Kind::Special => 0,
                _ => attr.size,
            },
            st_blksize: PAGE as u32,
            st_blocks: attr.allocated.div_ceil(BLOCK),
            st_mtime: seconds(attr.mtime),
            st_mtime_nsec: nanoseconds(attr.mtime),
            st_atime: seconds(attr.atime),
            st_atime_nsec: nanoseconds(attr.atime),
            st_ctime: seconds(attr.ctime),
            st_ctime_nsec: nanoseconds(attr.ctime),
        })
    }

    pub(crate) fn chmod(
        &mut self,
        node: NodeId,
        mode: u16,
        caller: Caller,
        now: TimeSpec,
    ) -> Result<(), Error> {
        self.writable()?;
        let mut attr = self.store.attr(node)?;
        if !attr.owned_by(caller) {
            return Err(Error::NotOwner);
        }
        if attr.kind() == Kind::Link {
            return Err(Error::Invalid("permissions of a link"));
        }
        let mut bits = mode & ALL_BITS;
        if !caller.is_superuser() && caller.gid != attr.gid {
            bits &= !MODE_SETGID;
        }
        attr.mode = attr.mode & !ALL_BITS | bits;
        attr.ctime = now;
        self.store.set_attr(node, &attr)
    }

    /// An id of `u32::MAX` stays as it is.
    pub(crate) fn chown(
        &mut self,
        node: NodeId,
        uid: u32,
        gid: u32,
        caller: Caller,
        now: TimeSpec,
    ) -> Result<(), Error> {
        self.writable()?;
        let mut attr = self.store.attr(node)?;
        let uid = if uid == u32::MAX { attr.uid } else { uid };
        let gid = if gid == u32::MAX { attr.gid } else { gid };
        let by_owner =
            caller.uid == attr.uid && uid == attr.uid && (gid == attr.gid || gid == caller.gid);
        if !caller.is_superuser() && !by_owner {
            return Err(Error::NotOwner);
        }
        attr.uid = uid;
        attr.gid = gid;
        if attr.kind() != Kind::Directory {
            // Whoever gives a file away, it does not go on running as its new owner.
            attr.drop_set_id();
        }
        attr.ctime = now;
        self.store.set_attr(node, &attr)
    }

    pub(crate) fn set_times(
        &mut self,
        node: NodeId,
        times: &[TimeSpec],
        caller: Caller,
        now: TimeSpec,
    ) -> Result<(), Error> {
        self.writable()?;
        let (atime, mtime) = match times {
            [] => (None, None),
            [atime, mtime] => (Some(*atime), Some(*mtime)),
            _ => return Err(Error::Invalid("number of times")),
        };
        let present = |time: &Option<TimeSpec>| time.is_none_or(|time| time.tv_nsec == UTIME_NOW);
        let omitted = |time: &Option<TimeSpec>| time.is_some_and(|time| time.tv_nsec == UTIME_OMIT);
        for time in [&atime, &mtime] {
            let plain = time.is_none_or(|time| (0..NANOSECONDS).contains(&time.tv_nsec));
            if !plain && !present(time) && !omitted(time) {
                return Err(Error::Invalid("nanoseconds"));
            }
        }
        if omitted(&atime) && omitted(&mtime) {
            return Ok(());
        }
        let mut attr = self.store.attr(node)?;
        if !attr.owned_by(caller) {
            if !(present(&atime) && present(&mtime)) {
                return Err(Error::NotOwner);
            }
            if !attr.allows(caller, WRITE) {
                return Err(Error::Denied);
            }
        }
        let new = |time: Option<TimeSpec>, old: TimeSpec| match time {
            _ if present(&time) => now,
            Some(time) if !omitted(&Some(time)) => time,
            _ => old,
        };
        attr.atime = new(atime, attr.atime);
        attr.mtime = new(mtime, attr.mtime);
        attr.ctime = now;
        self.store.set_attr(node, &attr)
    }
}
