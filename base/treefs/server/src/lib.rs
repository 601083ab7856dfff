//! Requests of the scheme protocol, answered from a `treefs`.
//!
//! Every request is answered at once. A standard file system call does not say who asks; it is answered
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

use alloc::collections::BTreeMap;

use cap_abi::{
    resolve::{AT_FLAG_BENEATH, RESOLVE_BENEATH},
    scheme::SQE_BENEATH,
};
use scheme_core::reply;
use syscall::{
    StdFsCallKind,
    dirent::{DirEntry, DirentBuf, DirentKind},
    error as errno,
    schemev2::{Cqe, NewFdFlags, Opcode, Sqe, SqeFlags},
};
use treefs::{Caller, FileData, Fs, Kind, TimeSpec};

/// A file system and who opened its handles.
#[derive(Debug)]
pub struct Server<D> {
    fs: Fs<D>,
    openers: BTreeMap<usize, Caller>,
}

enum Answer {
    Value(usize),
    Opened(usize),
}

type Result<T> = core::result::Result<T, i32>;

const fn number(error: treefs::Error) -> i32 {
    error.errno()
}

impl<D: FileData> Server<D> {
    /// Serves a file system.
    #[must_use]
    pub const fn new(fs: Fs<D>) -> Self {
        Self {
            fs,
            openers: BTreeMap::new(),
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
    pub const fn fs(&self) -> &Fs<D> {
        &self.fs
    }

    /// Answers a request, unless it is one that wants no answer.
    pub fn handle(&mut self, sqe: &Sqe, payload: &mut [u8], now: TimeSpec) -> Option<Cqe> {
        let opcode = Opcode::try_from_raw(sqe.opcode);
        if let (Some(Opcode::CloseMsg), [handle, ..]) = (opcode, sqe.args) {
            self.openers.remove(&(handle as usize));
            self.fs.close(handle as usize);
        }
        if sqe.sqe_flags.contains(SqeFlags::ONEWAY) {
            return None;
        }
        let answer = match opcode {
            Some(opcode) => self.answer(opcode, sqe, payload, now),
            None => Err(errno::ENOSYS),
        };
        Some(match answer {
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
                self.fs.node(handle).map_err(number)?;
                0
            }
            Opcode::Close => 0,
            Opcode::Fcntl => return Err(errno::EINVAL),
            Opcode::Fevent => return Err(errno::EPERM),
            Opcode::StdFsCall => {
                let kind = StdFsCallKind::try_from_raw(a as u8).ok_or(errno::EOPNOTSUPP)?;
                // Of the calls on one handle this word means flags only to those that take a path.
                let takes_path = several || matches!(kind, StdFsCallKind::Unlinkat);
                let flags = if beneath && takes_path {
                    b | u64::from(AT_FLAG_BENEATH)
                } else {
                    b
                };
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
            StdFsCallKind::Fsync => self.fs.node(handle).map(|_| 0).map_err(number),
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

    fn stat_vfs(&self, handle: usize, payload: &mut [u8]) -> Result<usize> {
        exactly(&self.fs.fstatvfs(handle).map_err(number)?, payload)
    }

    fn list(&self, handle: usize, buffer: &mut [u8], header: u64, after: u64) -> Result<usize> {
        let header = u16::try_from(header).map_err(|_| errno::EINVAL)?;
        let mut entries = DirentBuf::new(buffer, header).ok_or(errno::EINVAL)?;
        let (mut any, mut failed) = (false, None);
        let list = self.fs.getdents(handle, after, |entry| {
            let put = entries.entry(DirEntry {
                inode: entry.node.number(),
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
