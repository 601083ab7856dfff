//! Requests of the scheme protocol, answered from a `treefs`.
//!
//! Every request is answered at once, except one for a lock that waits for another's. A standard file system call does not say who asks; it is answered
//! as to whoever opened the handle.
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

mod locks;

use alloc::collections::{BTreeMap, VecDeque};

use cap_abi::{
    resolve::{AT_FLAG_BENEATH, RESOLVE_BENEATH},
    scheme::{LOCK_WAIT, SQE_BENEATH},
};
use locks::{Lock, Locks, Owner, Range, Refused};
use scheme_core::reply;
use syscall::{
    EventFlags, MapFlags, StdFsCallKind,
    dirent::{DirEntry, DirentBuf, DirentKind},
    error as errno,
    schemev2::{Cqe, NewFdFlags, Opcode, Sqe, SqeFlags},
};
use treefs::{Caller, Fs, Kind, Store, TimeSpec};

/// A file system and who opened its handles.
#[derive(Debug)]
pub struct Server<S> {
    fs: Fs<S>,
    openers: BTreeMap<usize, Caller>,
    locks: Locks,
    /// Requests for locks that are in each other's way, in their order.
    waiting: VecDeque<Waiting>,
    ready: VecDeque<Cqe>,
}

/// A request for a lock that is not given yet.
#[derive(Debug)]
struct Waiting {
    tag: u32,
    node: u64,
    lock: Lock,
}

/// Most requests that wait for locks.
const MOST_WAITING: usize = 1 << 12;
/// In the first word of a request for a lock: it is the open file's.
const OF_THE_FILE: u64 = 1 << 63;
/// In the second: it is exclusive.
const EXCLUSIVE: u64 = 1 << 63;

enum Answer {
    Value(usize),
    Opened(usize),
    /// Nothing now.
    Later,
    /// A process has a lock, which it loses with the descriptor.
    Locked,
}

type Result<T> = core::result::Result<T, i32>;

const fn number(error: treefs::Error) -> i32 {
    error.errno()
}

impl<S: Store> Server<S> {
    /// Serves a file system.
    #[must_use]
    pub const fn new(fs: Fs<S>) -> Self {
        Self {
            fs,
            openers: BTreeMap::new(),
            locks: Locks::new(),
            waiting: VecDeque::new(),
            ready: VecDeque::new(),
        }
    }

    /// Makes a handle of the root directory: the scheme's root.
    ///
    /// # Errors
    /// An error number.
    pub fn root(&mut self) -> Result<usize> {
        let root = self.fs.open_root().map_err(number)?;
        self.openers.insert(root.handle, Caller::SUPERUSER);
        Ok(root.handle)
    }

    /// The file system.
    pub const fn fs(&self) -> &Fs<S> {
        &self.fs
    }

    /// What has been written is safe from a loss of power when this returns.
    ///
    /// # Errors
    /// An error number.
    pub fn sync(&mut self) -> Result<()> {
        self.fs.store_mut().sync().map_err(number)
    }

    /// Answers a request, unless it is one that wants no answer.
    pub fn handle(&mut self, sqe: &Sqe, payload: &mut [u8], now: TimeSpec) -> Option<Cqe> {
        let opcode = Opcode::try_from_raw(sqe.opcode);
        if let (Some(Opcode::CloseMsg), [handle, ..]) = (opcode, sqe.args) {
            self.unlock_all(handle as usize, Owner::Handle(handle as usize));
            self.openers.remove(&(handle as usize));
            self.fs.close(handle as usize);
        }
        if let (Some(Opcode::Munmap), [handle, ..]) = (opcode, sqe.args) {
            // Nobody waits for an answer.
            let _ = self.fs.munmap(handle as usize);
        }
        if let (Some(Opcode::Detach), [handle, ..]) = (opcode, sqe.args) {
            self.unlock_all(handle as usize, Owner::Process(sqe.caller));
        }
        if let Some(Opcode::Cancel) = opcode {
            let before = self.waiting.len();
            self.waiting.retain(|waiting| waiting.tag != sqe.tag);
            let waited = self.waiting.len() < before;
            return waited.then(|| reply::value(sqe.tag, Err(errno::EINTR)));
        }
        if sqe.sqe_flags.contains(SqeFlags::ONEWAY) {
            return None;
        }
        let answer = match opcode {
            Some(opcode) => self.answer(opcode, sqe, payload, now),
            None => Err(errno::ENOSYS),
        };
        Some(match answer {
            Ok(Answer::Later) => return None,
            Ok(Answer::Locked) => reply::value_until_detached(sqe.tag, Ok(0)),
            Ok(Answer::Value(value)) => reply::value(sqe.tag, Ok(value)),
            Ok(Answer::Opened(handle)) => {
                reply::opened(sqe.tag, handle as u64, NewFdFlags::POSITIONED)
            }
            Err(error) => reply::value(sqe.tag, Err(error)),
        })
    }

    fn answer(
        &mut self,
        opcode: Opcode,
        sqe: &Sqe,
        payload: &mut [u8],
        now: TimeSpec,
    ) -> Result<Answer> {
        let [handle, first, second, a, b, ids] = sqe.args;
        let handle = handle as usize;
        let caller = Caller {
            uid: ids as u32,
            gid: ids.wrapping_shr(32) as u32,
        };
        let beneath = sqe.sqe_flags.bits() & SQE_BENEATH != 0;
        let limit = if beneath { RESOLVE_BENEATH } else { 0 };
        let several = sqe.sqe_flags.contains(SqeFlags::MULTIPLE_IDS);
        if several && !matches!(opcode, Opcode::StdFsCall) {
            return Err(errno::EOPNOTSUPP);
        }
        let value = match opcode {
            Opcode::OpenAt => {
                let flags = a as usize | limit;
                let opened = self
                    .fs
                    .openat(handle, text(payload)?, flags, caller, now)
                    .map_err(number)?;
                self.openers.insert(opened.handle, caller);
                return Ok(Answer::Opened(opened.handle));
            }
            Opcode::Dup if payload.is_empty() => {
                let opened = self.fs.dup(handle).map_err(number)?;
                self.openers.insert(opened.handle, self.opener(handle));
                return Ok(Answer::Opened(opened.handle));
            }
            Opcode::Dup => return Err(errno::EINVAL),
            Opcode::UnlinkAt => self.unlink(handle, payload, a as usize | limit, caller, now)?,
            Opcode::Read => self.fs.read(handle, payload, a, now).map_err(number)?,
            Opcode::Write => self
                .fs
                .write(handle, payload, a, b as u32, caller, now)
                .map_err(number)?,
            Opcode::Fsize => {
                let size = self.fs.fsize(handle).map_err(number)?;
                usize::try_from(size).map_err(|_| errno::EOVERFLOW)?
            }
            Opcode::Fchmod => {
                let done = self.fs.fchmod(handle, first as u16, caller, now);
                done.map(|()| 0).map_err(number)?
            }
            Opcode::Fchown => {
                let done = self
                    .fs
                    .fchown(handle, first as u32, second as u32, caller, now);
                done.map(|()| 0).map_err(number)?
            }
            Opcode::Ftruncate => {
                let done = self.fs.ftruncate(handle, first, caller, now);
                done.map(|()| 0).map_err(number)?
            }
            Opcode::Futimens => self.set_times(handle, payload, caller, now)?,
            Opcode::Fstat => self.stat(handle, payload)?,
            Opcode::Fstatvfs => self.stat_vfs(handle, payload)?,
            Opcode::Fpath => {
                let path = self.fs.fpath(handle).map_err(number)?;
                copy_out(path.as_bytes(), payload)
            }
            Opcode::Getdents => self.list(handle, payload, a, b)?,
            Opcode::Fsync => {
                self.fs.fsync(handle).map_err(number)?;
                0
            }
            Opcode::MmapPrep => {
                let flags = MapFlags::from_bits_truncate(second as usize);
                let writable = flags.contains(MapFlags::MAP_SHARED | MapFlags::PROT_WRITE);
                self.fs.mmap(handle, a, first, writable).map_err(number)?
            }
            Opcode::Close => 0,
            Opcode::Fcntl => return Err(errno::EINVAL),
            // Whether there is something to be read or room to write, a file never waits.
            Opcode::Fevent => {
                self.fs.node(handle).map_err(number)?;
                first as usize & (EventFlags::EVENT_READ | EventFlags::EVENT_WRITE).bits()
            }
            Opcode::StdFsCall => {
                let flags = if beneath {
                    b | u64::from(AT_FLAG_BENEATH)
                } else {
                    b
                };
                let kind = StdFsCallKind::try_from_raw(a as u8).ok_or(errno::EOPNOTSUPP)?;
                let one = !several;
                match kind {
                    StdFsCallKind::Lock if one => return self.lock(sqe, handle, [b, ids]),
                    StdFsCallKind::Unlock if one => return self.unlock(sqe, handle, [b, ids]),
                    StdFsCallKind::GetLock if one => {
                        return self.find_lock(sqe, handle, [b, ids], payload);
                    }
                    _ => {}
                }
                if several {
                    self.standard_of_two((handle, ids as usize), kind, flags, payload, now)?
                } else {
                    self.standard(handle, kind, [flags, ids], payload, now)?
                }
            }
            _ => return Err(errno::EOPNOTSUPP),
        };
        Ok(Answer::Value(value))
    }

    /// The next answer to a request that waited.
    pub fn next_ready(&mut self) -> Option<Cqe> {
        self.ready.pop_front()
    }

    /// Whose a lock is, and what of which file it is about.
    fn lock_of(
        &self,
        sqe: &Sqe,
        handle: usize,
        [start, len]: [u64; 2],
    ) -> Result<(u64, Owner, Range)> {
        let node = self.fs.node(handle).map_err(number)?.number();
        let owner = if start & OF_THE_FILE != 0 {
            Owner::Handle(handle)
        } else {
            Owner::Process(sqe.caller)
        };
        let range = Range::new(start & !OF_THE_FILE, len).ok_or(errno::EINVAL)?;
        Ok((node, owner, range))
    }

    fn lock(&mut self, sqe: &Sqe, handle: usize, [start, word]: [u64; 2]) -> Result<Answer> {
        let exclusive = word & EXCLUSIVE != 0;
        let wait = word & LOCK_WAIT != 0;
        let len = word & !(EXCLUSIVE | LOCK_WAIT);
        let (node, owner, range) = self.lock_of(sqe, handle, [start, len])?;
        let (read, write) = self.fs.access(handle).map_err(number)?;
        let may = if exclusive { write } else { read };
        // A lock of an open file is also what `flock` asks for, which does not care.
        if !may && matches!(owner, Owner::Process(_)) {
            return Err(errno::EBADF);
        }
        let lock = Lock {
            owner,
            exclusive,
            range,
        };
        match self.locks.lock(node, lock) {
            Ok(()) => {
                // One that became shared may let others in.
                self.try_waiting(node);
                Ok(locked(owner))
            }
            Err(Refused::Conflict) if wait => {
                if self.waiting.len() >= MOST_WAITING {
                    return Err(errno::ENOLCK);
                }
                self.waiting.push_back(Waiting {
                    tag: sqe.tag,
                    node,
                    lock,
                });
                Ok(Answer::Later)
            }
            Err(Refused::Conflict) => Err(errno::EAGAIN),
            Err(Refused::TooMany) => Err(errno::ENOLCK),
        }
    }

    fn unlock(&mut self, sqe: &Sqe, handle: usize, words: [u64; 2]) -> Result<Answer> {
        let (node, owner, range) = self.lock_of(sqe, handle, words)?;
        self.locks.unlock(node, owner, range);
        self.try_waiting(node);
        Ok(Answer::Value(0))
    }

    /// Tells of a lock that keeps one out that is not asked for: start, length and kind, and the process or
    /// 0. `ESRCH` if there is none.
    fn find_lock(
        &self,
        sqe: &Sqe,
        handle: usize,
        [start, word]: [u64; 2],
        payload: &mut [u8],
    ) -> Result<Answer> {
        let (node, owner, range) = self.lock_of(sqe, handle, [start, word & !EXCLUSIVE])?;
        let wanted = Lock {
            owner,
            exclusive: word & EXCLUSIVE != 0,
            range,
        };
        let found = self.locks.in_the_way(node, &wanted).ok_or(errno::ESRCH)?;
        let (start, len) = found.start_and_len();
        let kind = if found.exclusive { EXCLUSIVE } else { 0 };
        let (first, second) = payload.split_at_mut_checked(8).ok_or(errno::EINVAL)?;
        exactly(&start.to_ne_bytes(), first)?;
        exactly(&(len | kind).to_ne_bytes(), second)?;
        Ok(Answer::Value(match found.owner {
            Owner::Process(pid) => pid as usize,
            Owner::Handle(_) => 0,
        }))
    }

    fn unlock_all(&mut self, handle: usize, owner: Owner) {
        let Ok(node) = self.fs.node(handle) else {
            return;
        };
        let node = node.number();
        if self.locks.unlock_all(node, owner) {
            self.try_waiting(node);
        }
    }

    /// Gives locks of a file to those that wait and can have them now.
    fn try_waiting(&mut self, node: u64) {
        let mut waiting = core::mem::take(&mut self.waiting);
        waiting.retain(|request| {
            if request.node != node {
                return true;
            }
            let answer = match self.locks.lock(node, request.lock) {
                Err(Refused::Conflict) => return true,
                Err(Refused::TooMany) => reply::value(request.tag, Err(errno::ENOLCK)),
                // The handle is held open by its caller, who waits.
                Ok(()) if matches!(request.lock.owner, Owner::Process(_)) => {
                    reply::value_until_detached(request.tag, Ok(0))
                }
                Ok(()) => reply::value(request.tag, Ok(0)),
            };
            self.ready.push_back(answer);
            false
        });
        self.waiting = waiting;
    }

    /// A standard call on one handle.
    fn standard(
        &mut self,
        handle: usize,
        kind: StdFsCallKind,
        [first, second]: [u64; 2],
        payload: &mut [u8],
        now: TimeSpec,
    ) -> Result<usize> {
        let caller = self.opener(handle);
        match kind {
            StdFsCallKind::Fchmod => {
                let done = self.fs.fchmod(handle, first as u16, caller, now);
                done.map(|()| 0).map_err(number)
            }
            StdFsCallKind::Ftruncate => {
                let done = self.fs.ftruncate(handle, first, caller, now);
                done.map(|()| 0).map_err(number)
            }
            StdFsCallKind::Futimens => self.set_times(handle, payload, caller, now),
            StdFsCallKind::Getdents => self.list(handle, payload, second, first),
            StdFsCallKind::Fstat => self.stat(handle, payload),
            StdFsCallKind::Fstatvfs => self.stat_vfs(handle, payload),
            StdFsCallKind::Fsync => self.fs.fsync(handle).map(|()| 0).map_err(number),
            StdFsCallKind::Unlinkat => {
                let mut flags = first as usize;
                if first as u32 & AT_FLAG_BENEATH != 0 {
                    flags = flags & !(AT_FLAG_BENEATH as usize) | RESOLVE_BENEATH;
                }
                self.unlink(handle, payload, flags, caller, now)
            }
            _ => Err(errno::EOPNOTSUPP),
        }
    }

    /// A standard call on two handles.
    fn standard_of_two(
        &mut self,
        (first, second): (usize, usize),
        kind: StdFsCallKind,
        flags: u64,
        payload: &mut [u8],
        now: TimeSpec,
    ) -> Result<usize> {
        let caller = self.opener(first);
        let flags = flags as u32;
        match kind {
            StdFsCallKind::Relpathat => {
                let path = self.fs.relpathat(first, second).map_err(number)?;
                Ok(copy_out(path.as_bytes(), payload))
            }
            StdFsCallKind::Frenameat => {
                let (old, new) = text(payload)?.split_once('\0').ok_or(errno::EINVAL)?;
                let (old, new) = ((first, old), (second, new));
                let done = self.fs.frenameat(old, new, flags, caller, now);
                done.map(|()| 0).map_err(number)
            }
            StdFsCallKind::Flinkat => {
                let path = text(payload)?;
                let done = self.fs.flinkat(first, second, path, flags, caller, now);
                done.map(|()| 0).map_err(number)
            }
            _ => Err(errno::EINVAL),
        }
    }

    fn opener(&self, handle: usize) -> Caller {
        // Of a handle that does not exist, nothing comes of it.
        let nobody = Caller {
            uid: u32::MAX,
            gid: u32::MAX,
        };
        self.openers.get(&handle).copied().unwrap_or(nobody)
    }

    fn unlink(
        &mut self,
        handle: usize,
        path: &[u8],
        flags: usize,
        caller: Caller,
        now: TimeSpec,
    ) -> Result<usize> {
        let done = self.fs.unlinkat(handle, text(path)?, flags, caller, now);
        done.map(|()| 0).map_err(number)
    }

    fn set_times(
        &mut self,
        handle: usize,
        payload: &[u8],
        caller: Caller,
        now: TimeSpec,
    ) -> Result<usize> {
        let mut times = [TimeSpec::default(); 2];
        let (records, rest) = payload.as_chunks::<{ size_of::<TimeSpec>() }>();
        let places = times.get_mut(..records.len()).ok_or(errno::EINVAL)?;
        if !rest.is_empty() {
            return Err(errno::EINVAL);
        }
        for (place, record) in places.iter_mut().zip(records) {
            place.copy_from_slice(record);
        }
        let done = self.fs.futimens(handle, places, caller, now);
        done.map(|()| 0).map_err(number)
    }

    fn stat(&self, handle: usize, payload: &mut [u8]) -> Result<usize> {
        exactly(&self.fs.fstat(handle).map_err(number)?, payload)
    }

    fn stat_vfs(&mut self, handle: usize, payload: &mut [u8]) -> Result<usize> {
        exactly(&self.fs.fstatvfs(handle).map_err(number)?, payload)
    }

    fn list(&self, handle: usize, buffer: &mut [u8], header: u64, after: u64) -> Result<usize> {
        let header = u16::try_from(header).map_err(|_| errno::EINVAL)?;
        let mut entries = DirentBuf::new(buffer, header).ok_or(errno::EINVAL)?;
        let (mut any, mut failed) = (false, None);
        let list = self.fs.getdents(handle, after, |entry| {
            let put = entries.entry(DirEntry {
                inode: entry.number,
                next_opaque_id: entry.cookie,
                name: entry.name,
                kind: match entry.kind {
                    Kind::File => DirentKind::Regular,
                    Kind::Directory => DirentKind::Directory,
                    Kind::Link => DirentKind::Symlink,
                    Kind::Special => DirentKind::Unspecified,
                },
            });
            match put {
                Ok(()) => any = true,
                Err(error) => failed = Some(error.errno),
            }
            failed.is_none()
        });
        list.map_err(number)?;
        match failed {
            // The buffer is full. It must take one entry at least.
            Some(error) if !any => Err(error),
            _ => Ok(entries.finalize()),
        }
    }
}

const fn locked(owner: Owner) -> Answer {
    match owner {
        Owner::Process(_) => Answer::Locked,
        Owner::Handle(_) => Answer::Value(0),
    }
}

fn text(bytes: &[u8]) -> Result<&str> {
    core::str::from_utf8(bytes).map_err(|_| errno::EINVAL)
}

fn exactly(from: &[u8], to: &mut [u8]) -> Result<usize> {
    let to = to.get_mut(..from.len()).ok_or(errno::EINVAL)?;
    to.copy_from_slice(from);
    Ok(0)
}

/// Copies as much as there is room for, and tells how much that was.
fn copy_out(from: &[u8], to: &mut [u8]) -> usize {
    let len = from.len().min(to.len());
    if let (Some(to), Some(from)) = (to.get_mut(..len), from.get(..len)) {
        to.copy_from_slice(from);
    }
    len
}

#[cfg(test)]
mod tests;
