//! How much each client may hold.

use gen_slab::{Key, Slab};
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
    /// Handles of everybody (`ENOMEM`); one part in [`SUPERUSERS_PART`] is left to the superuser.
    pub handles: u32,
    /// Names of everybody (`ENOMEM`), in the same way.
    pub names: u32,
    /// Roots that are kept for everybody (`ENOMEM`), each of which takes two of the daemon's descriptors
    /// at most; of a user other than the superuser, a quarter, and one part in [`SUPERUSERS_PART`] is
    /// left to the superuser.
    pub roots: u32,
}

/// What users leave to the superuser, of what there is for everybody.
const SUPERUSERS_PART: u32 = 16;

/// How much of what there is for everybody there may be for this user to have more.
const fn for_user(uid: u32, all: u32) -> u32 {
    match uid {
        0 => all,
        _ => all.saturating_sub(all / SUPERUSERS_PART),
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            handles_per_pid: 1 << 14,
            handles_per_uid: 3 << 14,
            names_per_uid: 1 << 17,
            handles: 1 << 18,
            names: 1 << 19,
            // What is taken and given between two requests needs some of the 65,536 descriptors, too.
            roots: 28_000,
        }
    }
}

/// What is held, by whom.
///
/// Most requests are of the client that the last one was of, which is therefore not looked up again.
#[derive(Default)]
pub(crate) struct Quota {
    limits: Limits,
    handles: u32,
    names: u32,
    processes: Slab<Process>,
    by_pid: HashMap<usize, Key>,
    last_process: Option<(usize, Key)>,
    users: Slab<User>,
    by_uid: HashMap<u32, Key>,
    last_user: Option<(u32, Key)>,
}

struct Process {
    pid: usize,
    handles: u32,
}

struct User {
    uid: u32,
    handles: u32,
    names: u32,
}

/// Who is charged for a handle.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Charge {
    process: Key,
    user: Key,
}

const NO_MEMORY: Error = Error::new(errno::ENOMEM, Cause::MemoryLimit);

impl Quota {
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            ..Self::default()
        }
    }

    /// The record of a process; made if there is none.
    fn process(&mut self, pid: usize) -> Result<Key, Error> {
        match self.last_process {
            Some((last, key)) if last == pid => Ok(key),
            _ => self.find_process(pid),
        }
    }

    #[inline(never)]
    fn find_process(&mut self, pid: usize) -> Result<Key, Error> {
        let key = match self.by_pid.get(&pid) {
            Some(key) => *key,
            None => {
                self.by_pid.try_reserve(1).map_err(|_| NO_MEMORY)?;
                let process = Process { pid, handles: 0 };
                let key = self.processes.insert(process).map_err(|_| NO_MEMORY)?;
                self.by_pid.insert(pid, key);
                key
            }
        };
        self.last_process = Some((pid, key));
        Ok(key)
    }

    /// The record of a user; made if there is none.
    fn user(&mut self, uid: u32) -> Result<Key, Error> {
        match self.last_user {
            Some((last, key)) if last == uid => Ok(key),
            _ => self.find_user(uid),
        }
    }

    #[inline(never)]
    fn find_user(&mut self, uid: u32) -> Result<Key, Error> {
        let key = match self.by_uid.get(&uid) {
            Some(key) => *key,
            None => {
                self.by_uid.try_reserve(1).map_err(|_| NO_MEMORY)?;
                let user = User {
                    uid,
                    handles: 0,
                    names: 0,
                };
                let key = self.users.insert(user).map_err(|_| NO_MEMORY)?;
                self.by_uid.insert(uid, key);
                key
            }
        };
        self.last_user = Some((uid, key));
        Ok(key)
    }

    /// Forgets a process, if it holds nothing.
    fn settle_process(&mut self, key: Key) {
        if let Some(process) = self.processes.get(key)
            && process.handles == 0
        {
            self.by_pid.remove(&process.pid);
            self.processes.remove(key);
            if self.last_process.is_some_and(|(_, last)| last == key) {
                self.last_process = None;
            }
        }
    }

    /// Forgets a user, if it holds nothing.
    fn settle_user(&mut self, key: Key) {
        if let Some(user) = self.users.get(key)
            && user.handles == 0
            && user.names == 0
        {
            self.by_uid.remove(&user.uid);
            self.users.remove(key);
            if self.last_user.is_some_and(|(_, last)| last == key) {
                self.last_user = None;
            }
        }
    }

    /// One more handle for this process of this user.
    pub fn add_handle(&mut self, pid: usize, uid: u32) -> Result<Charge, Error> {
        let process = self.process(pid)?;
        let user = self
            .user(uid)
            .inspect_err(|_| self.settle_process(process))?;
        let charge = Charge { process, user };
        self.count_handle(charge).inspect_err(|_| {
            self.settle_process(process);
            self.settle_user(user);
        })
    }

    fn count_handle(&mut self, charge: Charge) -> Result<Charge, Error> {
        let process = self.processes.get_mut(charge.process).ok_or(NO_MEMORY)?;
        let user = self.users.get_mut(charge.user).ok_or(NO_MEMORY)?;
        if process.handles >= self.limits.handles_per_pid {
            return Err(Error::new(errno::EMFILE, Cause::HandleLimit));
        }
        if user.handles >= self.limits.handles_per_uid
            || self.handles >= for_user(user.uid, self.limits.handles)
        {
            return Err(NO_MEMORY);
        }
        process.handles = process.handles.saturating_add(1);
        user.handles = user.handles.saturating_add(1);
        self.handles = self.handles.saturating_add(1);
        Ok(charge)
    }

    pub fn remove_handle(&mut self, charge: Charge) {
        self.handles = self.handles.saturating_sub(1);
        if let Some(process) = self.processes.get_mut(charge.process) {
            process.handles = process.handles.saturating_sub(1);
            if process.handles == 0 {
                self.settle_process(charge.process);
            }
        }
        if let Some(user) = self.users.get_mut(charge.user) {
            user.handles = user.handles.saturating_sub(1);
            if user.handles == 0 {
                self.settle_user(charge.user);
            }
        }
    }

    /// More names for this user.
    pub fn add_names(&mut self, uid: u32, count: u32) -> Result<(), Error> {
        if count == 0 {
            return Ok(());
        }
        let key = self.user(uid)?;
        let names = self.names.saturating_add(count);
        let user = self.users.get_mut(key).ok_or(NO_MEMORY)?;
        let user_names = user.names.saturating_add(count);
        if user_names > self.limits.names_per_uid || names > for_user(uid, self.limits.names) {
            self.settle_user(key);
            return Err(NO_MEMORY);
        }
        user.names = user_names;
        self.names = names;
        Ok(())
    }

    pub fn remove_names(&mut self, uid: u32, count: u32) {
        if count == 0 {
            return;
        }
        self.names = self.names.saturating_sub(count);
        let key = match self.last_user {
            Some((last, key)) if last == uid => Some(key),
            _ => self.by_uid.get(&uid).copied(),
        };
        if let Some(key) = key
            && let Some(user) = self.users.get_mut(key)
        {
            user.names = user.names.saturating_sub(count);
            if user.names == 0 {
                self.settle_user(key);
            }
        }
    }

    pub const fn names(&self) -> u32 {
        self.names
    }

    /// Clients that hold anything: processes, users.
    pub fn clients(&self) -> (usize, usize) {
        (self.by_pid.len(), self.by_uid.len())
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
            ..Limits::default()
        });
        for _ in 0..3 {
            quota.add_handle(1, 100).unwrap();
        }
        assert_eq!(quota.add_handle(1, 100).unwrap_err().errno, errno::EMFILE);
        quota.add_handle(2, 100).unwrap();
        quota.add_handle(2, 100).unwrap();
        assert_eq!(quota.add_handle(2, 100).unwrap_err().errno, errno::ENOMEM);
        let mut charges = Vec::new();
        for _ in 0..3 {
            charges.push(quota.add_handle(3, 200).unwrap());
        }
        assert_eq!(quota.add_handle(4, 300).unwrap_err().errno, errno::ENOMEM);
        // Who was refused is not remembered.
        assert_eq!(quota.clients(), (3, 2));
        quota.remove_handle(charges[0]);
        quota.add_handle(4, 300).unwrap();

        quota.add_names(100, 4).unwrap();
        assert_eq!(quota.add_names(100, 1).unwrap_err().errno, errno::ENOMEM);
        quota.add_names(200, 2).unwrap();
        assert_eq!(quota.add_names(300, 1).unwrap_err().errno, errno::ENOMEM);
    }

    #[test]
    fn users_leave_something_to_the_superuser() {
        let mut quota = Quota::new(Limits {
            handles: 1 << 10,
            handles_per_uid: 1 << 8,
            names: 1 << 8,
            names_per_uid: 1 << 6,
            ..Limits::default()
        });
        let mut all_of = |uid: u32| {
            let handles = (0..).take_while(|_| quota.add_handle(uid as usize, uid).is_ok());
            let handles = handles.count();
            let names = (0..).take_while(|_| quota.add_names(uid, 1).is_ok());
            (handles, names.count())
        };
        let users: Vec<_> = (1..=5).map(&mut all_of).collect();
        assert_eq!(users, [(256, 64), (256, 64), (256, 64), (192, 48), (0, 0)]);
        assert_eq!(all_of(0), (64, 16));
    }

    #[test]
    fn nothing_stays() {
        let mut quota = Quota::new(Limits::default());
        let mut charges = Vec::new();
        for pid in 0..100 {
            charges.push(quota.add_handle(pid, (pid % 7) as u32).unwrap());
            quota.add_names((pid % 7) as u32, 3).unwrap();
        }
        assert_eq!(quota.clients(), (100, 7));
        for (pid, charge) in charges.into_iter().enumerate() {
            quota.remove_handle(charge);
            quota.remove_names((pid % 7) as u32, 3);
        }
        assert_eq!((quota.handles, quota.names()), (0, 0));
        assert_eq!(quota.clients(), (0, 0));
    }

    #[test]
    fn a_process_may_be_of_several_users() {
        let mut quota = Quota::new(Limits::default());
        let first = quota.add_handle(1, 100).unwrap();
        let second = quota.add_handle(1, 200).unwrap();
        assert_eq!(quota.clients(), (1, 2));
        quota.remove_handle(first);
        assert_eq!(quota.clients(), (1, 1));
        let third = quota.add_handle(1, 100).unwrap();
        quota.remove_handle(second);
        quota.remove_handle(third);
        assert_eq!(quota.clients(), (0, 0));
    }
}
