//! Requests of the scheme protocol, answered from a `treefs`.
//!
//! Every request is answered at once, except one for a lock that waits for another's, and those of named pipes. A
//! standard file system call does not say who asks; it is answered as to whoever opened the handle.
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

mod locking;
mod locks;
mod pipes;

use alloc::collections::{BTreeMap, VecDeque};

use cap_abi::{
    resolve::{AT_FLAG_BENEATH, RESOLVE_BENEATH},
    scheme::SQE_BENEATH,
};
use fifo::Fifos;
use locking::{MOST_WAITING, Waiting};
use locks::{Locks, Owner};
use scheme_core::{reply, user_of};
use syscall::{
    EventFlags, MapFlags, StdFsCallKind,
    dirent::{DirEntry, DirentBuf, DirentKind},
    error as errno,
    schemev2::{Cqe, NewFdFlags, Opcode, Sqe, SqeFlags},
};
use treefs::{Caller, Fs, Kind, Store, TimeSpec};
use user_shares::Shares;

pub use fifo::Requests;

/// A file system and who opened its handles.
#[derive(Debug)]
pub struct Server<S> {
    fs: Fs<S>,
    openers: BTreeMap<usize, Caller>,
    locks: Locks,
    /// Requests for locks that are in each other's way, in their order.
    waiting: VecDeque<Waiting>,
    of_waiting: Shares,
    fifos: Fifos,
    ready: VecDeque<Cqe>,
}

enum Answer {
    Value(usize),
    Opened(usize),
    /// An end of a named pipe, which has no position.
    OpenedPipe(usize),
    /// Nothing now.
    Later,
    /// A process has a lock, which it loses with the descriptor.
    Locked,
}

type Result<T> = core::result::Result<T, i32>;

/// Whom no file belongs to and no file lets do anything but everybody.
const NOBODY: Caller = Caller {
    uid: u32::MAX,
    gid: u32::MAX,
};

const fn number(error: treefs::Error) -> i32 {
    error.errno()
}

impl<S: Store> Server<S> {
    /// Serves a file system.
    #[must_use]
    pub fn new(fs: Fs<S>) -> Self {
        Self {
            fs,
            openers: BTreeMap::new(),
            locks: Locks::new(),
            waiting: VecDeque::new(),
            of_waiting: Shares::new(MOST_WAITING),
            fifos: Fifos::new(),
            ready: VecDeque::new(),
        }
    }

    /// Makes a handle of the root directory: the scheme's root.
    ///
    /// # Errors
    /// An error number.
    pub fn root(&mut self) -> Result<usize> {
        let root = self.fs.open_root().map_err(number)?;
        // It goes to everybody who has the name, and nobody of them is who opened it.
        self.openers.insert(root.handle, NOBODY);
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

    /// Answers a request, unless it is one that waits or wants no answer. What else is to be said is
    /// [`Server::next_ready`]. `payload` may be short of a write's end; what is behind it, and the memory of
    /// requests that wait, is reached through `requests`.
    pub fn handle(
        &mut self,
        sqe: &Sqe,
        payload: &mut [u8],
        now: TimeSpec,
        requests: &mut impl Requests,
    ) -> Option<Cqe> {
        let said = self.take(sqe, payload, now, requests);
        self.note_said();
        said
    }

    fn take(
        &mut self,
        sqe: &Sqe,
        payload: &mut [u8],
        now: TimeSpec,
        requests: &mut impl Requests,
    ) -> Option<Cqe> {
        self.fs.store_mut().clock(now);
        let opcode = Opcode::try_from_raw(sqe.opcode);
        if let (Some(Opcode::CloseMsg), [handle, ..]) = (opcode, sqe.args) {
            self.give_up_locks(handle as usize);
            self.unlock_closed(handle as usize);
            self.close_pipe(handle as usize, requests);
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
        if let Some(Opcode::Cancel) = opcode
            && !self.fifos.cancel(sqe.tag, requests)
            && self.cancel_lock(sqe.tag)
        {
            return Some(reply::value(sqe.tag, Err(errno::EINTR)));
        }
        if sqe.sqe_flags.contains(SqeFlags::ONEWAY) {
            return None;
        }
        let answer = match opcode {
            Some(opcode) => self.answer(opcode, sqe, payload, now, requests),
            None => Err(errno::ENOSYS),
        };
        Some(match answer {
            Ok(Answer::Later) => return None,
            Ok(Answer::Locked) => reply::value_until_detached(sqe.tag, Ok(0)),
            Ok(Answer::Value(value)) => reply::value(sqe.tag, Ok(value)),
            Ok(Answer::Opened(handle)) => {
                reply::opened(sqe.tag, handle as u64, NewFdFlags::POSITIONED)
            }
            Ok(Answer::OpenedPipe(handle)) => {
                reply::opened(sqe.tag, handle as u64, NewFdFlags::empty())
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
        requests: &mut impl Requests,
    ) -> Result<Answer> {
        let [handle, first, second, a, b, ids] = sqe.args;
        let handle = handle as usize;
        let (uid, gid) = user_of(sqe);
        let caller = Caller { uid, gid };
        let beneath = sqe.sqe_flags.bits() & SQE_BENEATH != 0;
        let limit = if beneath { RESOLVE_BENEATH } else { 0 };
        let several = sqe.sqe_flags.contains(SqeFlags::MULTIPLE_IDS);
        if several && !matches!(opcode, Opcode::StdFsCall) {
            return Err(errno::EOPNOTSUPP);
        }
        if self.fifos.node_of(handle).is_some()
            && let Some(answer) = self.of_pipe(opcode, sqe, handle, payload, now, requests)
        {
            return answer;
        }
        let value = match opcode {
            Opcode::OpenAt => {
                let flags = a as usize | limit;
                let opened = self
                    .fs
                    .openat(handle, text(payload)?, flags, caller, now)
                    .map_err(number)?;
                self.openers.insert(opened.handle, caller);
                if opened.pipe {
                    return self.open_pipe(sqe, opened, requests);
                }
                return Ok(Answer::Opened(opened.handle));
            }
            Opcode::Dup if payload.is_empty() => {
                let opened = self.fs.dup(handle, uid).map_err(number)?;
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
                let mapped = self.fs.mmap(handle, (a, first), writable, caller);
                mapped.map_err(number)?
            }
            Opcode::Close => 0,
            Opcode::Fcntl => return Err(errno::EINVAL),
            // Whether there is something to be read or room to write, a file never waits.
            Opcode::Fevent => {
                self.fs.node(handle).map_err(number)?;
                first as usize & (EventFlags::EVENT_READ | EventFlags::EVENT_WRITE).bits()
            }
            Opcode::StdFsCall => {
                let kind = StdFsCallKind::try_from_raw(a as u8).ok_or(errno::EOPNOTSUPP)?;
                // Of the calls on one handle this word means flags only to those that take a path.
                let takes_path = several || matches!(kind, StdFsCallKind::Unlinkat);
                let flags = if beneath && takes_path {
                    b | u64::from(AT_FLAG_BENEATH)
                } else {
                    b
                };
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
        let flags = flags as u32;
        match kind {
            StdFsCallKind::Relpathat => {
                let path = self.fs.relpathat(first, second).map_err(number)?;
                Ok(copy_out(path.as_bytes(), payload))
            }
            StdFsCallKind::Frenameat => {
                let (old, new) = text(payload)?.split_once('\0').ok_or(errno::EINVAL)?;
                let (old, new) = ((first, old), (second, new));
                let caller = self.opener_of_both(first, second)?;
                let done = self.fs.frenameat(old, new, flags, caller, now);
                done.map(|()| 0).map_err(number)
            }
            StdFsCallKind::Flinkat => {
                let path = text(payload)?;
                let caller = self.opener_of_both(first, second)?;
                let done = self.fs.flinkat(first, second, path, flags, caller, now);
                done.map(|()| 0).map_err(number)
            }
            _ => Err(errno::EINVAL),
        }
    }

    /// Who opened a handle.
    pub fn opener(&self, handle: usize) -> Caller {
        // Of a handle that does not exist, nothing comes of it.
        self.openers.get(&handle).copied().unwrap_or(NOBODY)
    }

    /// Who may do with two handles what both of their openers may: the other than the superuser. Of two
    /// that are neither, there is none, and the answer is `EPERM`.
    fn opener_of_both(&self, first: usize, second: usize) -> Result<Caller> {
        let (first, second) = (self.opener(first), self.opener(second));
        match (first.uid, second.uid) {
            _ if first == second => Ok(first),
            (0, _) => Ok(second),
            (_, 0) => Ok(first),
            _ => Err(errno::EPERM),
        }
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

    fn stat(&mut self, handle: usize, payload: &mut [u8]) -> Result<usize> {
        if !self.fifos.is_empty() {
            self.note_times(self.fs.node(handle).map_err(number)?);
        }
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
