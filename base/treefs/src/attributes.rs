//! What `stat` reports and what changes it.

use syscall::data::{Stat, StatVfs, TimeSpec};
use syscall::flag::MODE_SETGID;

use crate::access::{ALL_BITS, Caller, WRITE};
use crate::data::{FileData, PAGE};
use crate::error::Error;
use crate::node::{Body, NodeId};
use crate::tree::Tree;

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

impl<D: FileData> Tree<D> {
    pub(crate) fn size(&self, node: NodeId) -> Result<u64, Error> {
        Ok(match &self.get(node)?.body {
            Body::File(data) => data.size(),
            Body::Link(target) => target.len() as u64,
            Body::Dir(dir) => dir.len() as u64,
            Body::Special => 0,
        })
    }

    pub(crate) fn stat(&self, node: NodeId) -> Result<Stat, Error> {
        let inode = self.get(node)?;
        let allocated = match &inode.body {
            Body::File(data) => data.allocated(),
            _ => 0,
        };
        Ok(Stat {
            st_dev: self.config.device,
            st_ino: node.number(),
            st_mode: inode.mode_type() | inode.mode & ALL_BITS,
            st_nlink: inode.link_count(),
            st_uid: inode.uid,
            st_gid: inode.gid,
            st_size: self.size(node)?,
            st_blksize: PAGE as u32,
            st_blocks: allocated.div_ceil(BLOCK),
            st_mtime: seconds(inode.mtime),
            st_mtime_nsec: nanoseconds(inode.mtime),
            st_atime: seconds(inode.atime),
            st_atime_nsec: nanoseconds(inode.atime),
            st_ctime: seconds(inode.ctime),
            st_ctime_nsec: nanoseconds(inode.ctime),
        })
    }

    pub(crate) fn stat_vfs(&self) -> StatVfs {
        let page = PAGE as u64;
        let blocks = |bytes: u64| bytes.checked_div(page).unwrap_or(0);
        let free = blocks(self.budget());
        StatVfs {
            f_bsize: PAGE as u32,
            f_blocks: blocks(self.config.max_bytes),
            f_bfree: free,
            f_bavail: free,
        }
    }

    pub(crate) fn chmod(
        &mut self,
        node: NodeId,
        mode: u16,
        caller: Caller,
        now: TimeSpec,
    ) -> Result<(), Error> {
        self.writable()?;
        let inode = self.get_mut(node)?;
        if !inode.owned_by(caller) {
            return Err(Error::NotOwner);
        }
        if matches!(inode.body, Body::Link(_)) {
            return Err(Error::Invalid("permissions of a link"));
        }
        let mut bits = mode & ALL_BITS;
        if !caller.is_superuser() && caller.gid != inode.gid {
            bits &= !MODE_SETGID;
        }
        inode.mode = inode.mode & !ALL_BITS | bits;
        inode.ctime = now;
        Ok(())
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
        let inode = self.get_mut(node)?;
        let uid = if uid == u32::MAX { inode.uid } else { uid };
        let gid = if gid == u32::MAX { inode.gid } else { gid };
        let by_owner =
            caller.uid == inode.uid && uid == inode.uid && (gid == inode.gid || gid == caller.gid);
        if !caller.is_superuser() && !by_owner {
            return Err(Error::NotOwner);
        }
        inode.uid = uid;
        inode.gid = gid;
        if !inode.is_dir() {
            // Whoever gives a file away, it does not go on running as its new owner.
            inode.drop_set_id();
        }
        inode.ctime = now;
        Ok(())
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
        let inode = self.get_mut(node)?;
        if !inode.owned_by(caller) {
            if !(present(&atime) && present(&mtime)) {
                return Err(Error::NotOwner);
            }
            if !inode.allows(caller, WRITE) {
                return Err(Error::Denied);
            }
        }
        let new = |time: Option<TimeSpec>, old: TimeSpec| match time {
            _ if present(&time) => now,
            Some(time) if !omitted(&Some(time)) => time,
            _ => old,
        };
        inode.atime = new(atime, inode.atime);
        inode.mtime = new(mtime, inode.mtime);
        inode.ctime = now;
        Ok(())
    }
}
