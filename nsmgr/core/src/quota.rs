//! How much each client may hold.

use hashbrown::HashMap;
use syscall::error as errno;

use crate::error::{Cause, Error};

/// Limits. What a client holds beyond one of them is refused to that client alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Handles made by one process and not yet closed (`EMFILE`).
    pub handles_per_pid: u32,
    /// Handles made by one user's processes and not yet closed (`ENOMEM`).
    pub handles_per_uid: u32,
    /// Names that one user's namespaces hold themselves rather than share with the namespace they
    /// were forked from (`ENOMEM`).
    pub names_per_uid: u32,
    /// Handles of everybody (`ENOMEM`).
    pub handles: u32,
    /// Names of everybody (`ENOMEM`).
    pub names: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            handles_per_pid: 1 << 14,
            handles_per_uid: 3 << 14,
            names_per_uid: 1 << 17,
            handles: 1 << 18,
            names: 1 << 19,
        }
    }
}

/// What is held, by whom.
#[derive(Debug, Default)]
pub(crate) struct Quota {
    limits: Limits,
    handles: u32,
    names: u32,
    pids: HashMap<usize, u32>,
    uids: HashMap<u32, PerUser>,
}

#[derive(Clone, Copy, Debug, Default)]
struct PerUser {
    handles: u32,
    names: u32,
}

impl PerUser {
    const fn is_idle(&self) -> bool {
        self.handles == 0 && self.names == 0
    }
}

const NO_MEMORY: Error = Error::new(errno::ENOMEM, Cause::MemoryLimit);

impl Quota {
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            ..Self::default()
        }
    }

    /// One more handle for this process of this user.
    pub fn add_handle(&mut self, pid: usize, uid: u32) -> Result<(), Error> {
        // One look at each, for clients that hold something already.
        let (of_pid, of_uid) = (self.pids.get_mut(&pid), self.uids.get_mut(&uid));
        let pid_handles = of_pid.as_deref().copied().unwrap_or(0);
        let uid_handles = of_uid.as_deref().map_or(0, |user| user.handles);
        if pid_handles >= self.limits.handles_per_pid {
            return Err(Error::new(errno::EMFILE, Cause::HandleLimit));
        }
        if uid_handles >= self.limits.handles_per_uid || self.handles >= self.limits.handles {
            return Err(NO_MEMORY);
        }
        match (of_pid, of_uid) {
            (Some(count), Some(user)) => {
                *count = count.saturating_add(1);
                user.handles = user.handles.saturating_add(1);
            }
            _ => {
                self.pids.try_reserve(1).map_err(|_| NO_MEMORY)?;
                self.uids.try_reserve(1).map_err(|_| NO_MEMORY)?;
                let count = self.pids.entry(pid).or_insert(0);
                *count = count.saturating_add(1);
                let user = self.uids.entry(uid).or_default();
                user.handles = user.handles.saturating_add(1);
            }
        }
        self.handles = self.handles.saturating_add(1);
        Ok(())
    }

    pub fn remove_handle(&mut self, pid: usize, uid: u32) {
        self.handles = self.handles.saturating_sub(1);
        if let Some(count) = self.pids.get_mut(&pid) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.pids.remove(&pid);
            }
        }
        if let Some(user) = self.uids.get_mut(&uid) {
            user.handles = user.handles.saturating_sub(1);
            if user.is_idle() {
                self.uids.remove(&uid);
            }
        }
    }

    /// More names for this user.
    pub fn add_names(&mut self, uid: u32, count: u32) -> Result<(), Error> {
        if count == 0 {
            return Ok(());
        }
        let of_uid = self.uids.get_mut(&uid);
        let user_names = of_uid.as_deref().map_or(0, |user| user.names);
        let user_names = user_names.saturating_add(count);
        let names = self.names.saturating_add(count);
        if user_names > self.limits.names_per_uid || names > self.limits.names {
            return Err(NO_MEMORY);
        }
        if let Some(user) = of_uid {
            user.names = user_names;
        } else {
            self.uids.try_reserve(1).map_err(|_| NO_MEMORY)?;
            let user = self.uids.entry(uid).or_default();
            user.names = user_names;
        }
        self.names = names;
        Ok(())
    }

    pub fn remove_names(&mut self, uid: u32, count: u32) {
        self.names = self.names.saturating_sub(count);
        if let Some(user) = self.uids.get_mut(&uid) {
            user.names = user.names.saturating_sub(count);
            if user.is_idle() {
                self.uids.remove(&uid);
            }
        }
    }

    pub const fn names(&self) -> u32 {
        self.names
    }

    /// Clients that hold anything: processes, users.
    pub fn clients(&self) -> (usize, usize) {
        (self.pids.len(), self.uids.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_greedy_client_hurts_only_itself() {
        let mut quota = Quota::new(Limits {
            handles_per_pid: 3,
            handles_per_uid: 5,
            names_per_uid: 4,
            handles: 8,
            names: 6,
        });
        for _ in 0..3 {
            quota.add_handle(1, 100).unwrap();
        }
        assert_eq!(quota.add_handle(1, 100).unwrap_err().errno, errno::EMFILE);
        quota.add_handle(2, 100).unwrap();
        quota.add_handle(2, 100).unwrap();
        assert_eq!(quota.add_handle(2, 100).unwrap_err().errno, errno::ENOMEM);
        for _ in 0..3 {
            quota.add_handle(3, 200).unwrap();
        }
        assert_eq!(quota.add_handle(4, 300).unwrap_err().errno, errno::ENOMEM);
        quota.remove_handle(3, 200);
        quota.add_handle(4, 300).unwrap();

        quota.add_names(100, 4).unwrap();
        assert_eq!(quota.add_names(100, 1).unwrap_err().errno, errno::ENOMEM);
        quota.add_names(200, 2).unwrap();
        assert_eq!(quota.add_names(300, 1).unwrap_err().errno, errno::ENOMEM);
    }

    #[test]
    fn nothing_stays() {
        let mut quota = Quota::new(Limits::default());
        for pid in 0..100 {
            quota.add_handle(pid, (pid % 7) as u32).unwrap();
            quota.add_names((pid % 7) as u32, 3).unwrap();
        }
        for pid in 0..100 {
            quota.remove_handle(pid, (pid % 7) as u32);
            quota.remove_names((pid % 7) as u32, 3);
        }
        assert_eq!((quota.handles, quota.names()), (0, 0));
        assert_eq!(quota.clients(), (0, 0));
    }
}
