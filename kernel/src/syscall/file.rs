//! Operations on an open descriptor.

use super::open::PATH_MAX;
use crate::{
    descriptor::{Description, Entry},
    error::{Halt, Outcome, fail},
    kernel::Kernel,
    scheme::{
        Kind,
        ops::At,
        user::{Call, Scheme, Then, payload::Direction},
    },
};
use cap_abi::Rights;
use core::mem::size_of;
use kernel_core::{rights, slab::Id};
use syscall::{data::Stat, error::*, flag::*, schemev2::Opcode};

/// Longest single read or write; more is done in part, as POSIX allows. It bounds how many pages are lent
/// without a pause.
pub const MAX_TRANSFER: usize = 32 << 20;

impl Kernel {
    /// `SYS_READ`.
    #[inline]
    pub fn sys_read(&mut self, fd: usize, base: usize, len: usize) -> Outcome {
        let entry = self.entry(fd, Rights::READ)?;
        self.transfer(entry, base, len, None, Direction::Out)
    }

    /// `SYS_WRITE`.
    #[inline]
    pub fn sys_write(&mut self, fd: usize, base: usize, len: usize) -> Outcome {
        let entry = self.entry(fd, Rights::WRITE)?;
        self.transfer(entry, base, len, None, Direction::In)
    }

    /// `SYS_READ2`: at an offset (all ones: the description's), with status flags of its own (all
    /// ones: the description's).
    pub fn sys_read2(
        &mut self,
        fd: usize,
        base: usize,
        len: usize,
        offset: usize,
        flags: usize,
    ) -> Outcome {
        let entry = self.entry(fd, rights::positioned(Rights::READ, offset))?;
        self.transfer(
            entry,
            base,
            len,
            Some((offset as u64, flags)),
            Direction::Out,
        )
    }

    /// `SYS_WRITE2`.
    pub fn sys_write2(
        &mut self,
        fd: usize,
        base: usize,
        len: usize,
        offset: usize,
        flags: usize,
    ) -> Outcome {
        let entry = self.entry(fd, rights::positioned(Rights::WRITE, offset))?;
        self.transfer(
            entry,
            base,
            len,
            Some((offset as u64, flags)),
            Direction::In,
        )
    }

    #[inline]
    fn transfer(
        &mut self,
        entry: Entry,
        base: usize,
        len: usize,
        at: Option<(u64, usize)>,
        direction: Direction,
    ) -> Outcome {
        let description = self.description(entry.desc)?;
        let (kind, positioned) = (description.kind, description.positioned);
        let mut status = description.flags as usize;
        let mut offset = if positioned {
            description.offset
        } else {
            u64::MAX
        };
        let mut moves = positioned;
        if let Some((given, flags)) = at {
            if flags != usize::MAX {
                status = (status & !(O_NONBLOCK | O_APPEND)) | status_of(flags)?;
            }
            if given != u64::MAX {
                if !positioned && !matches!(kind, Kind::User { .. } | Kind::Root(_)) {
                    return fail(ESPIPE);
                }
                offset = given;
                moves = false;
            }
        }
        let len = len.min(MAX_TRANSFER);
        let Kind::User { scheme, number } = kind else {
            let nonblocking = status & O_NONBLOCK != 0;
            let at = At {
                offset,
                explicit: positioned && !moves,
            };
            let count = match direction {
                Direction::In => self.kernel_write(entry, kind, base, len, at, nonblocking)?,
                _ => self.kernel_read(kind, base, len, at, nonblocking)?,
            };
            if moves && let Some(description) = self.descriptions.get_mut(entry.desc) {
                description.offset = description.offset.saturating_add(count as u64);
            }
            return Ok(count);
        };
        let at = (offset, status);
        let call = Call::transfer(scheme, &entry, number, at, (base, len), direction);
        self.call_scheme(call.then(if moves {
            Then::Advance(entry.desc)
        } else {
            Then::Count
        }))
    }

    /// `SYS_LSEEK`.
    pub fn sys_lseek(&mut self, fd: usize, displacement: usize, whence: usize) -> Outcome {
        let entry = self.entry(fd, Rights::SEEK)?;
        let displacement = displacement as i64;
        let description = self.description(entry.desc)?;
        if !description.positioned {
            return fail(ESPIPE);
        }
        let from = match whence {
            SEEK_SET => 0,
            SEEK_CUR => description.offset,
            SEEK_END => {
                let kind = description.kind;
                let Kind::User { scheme, number } = kind else {
                    let size = self.kernel_size(kind)?;
                    return self.seek_to_end(entry.desc, size, displacement);
                };
                let call = Call::plain(scheme, &entry, Opcode::Fsize, [number, 0, 0, 0, 0, 0]);
                return self.call_scheme(call.then(Then::SeekEnd(entry.desc, displacement)));
            }
            _ => return fail(EINVAL),
        };
        self.seek_from(entry.desc, from, displacement)
    }

    /// Ends a seek from the end of an object of this size.
    pub fn seek_to_end(&mut self, id: Id<Description>, size: usize, displacement: i64) -> Outcome {
        self.seek_from(id, size as u64, displacement)
    }

    fn seek_from(&mut self, id: Id<Description>, from: u64, displacement: i64) -> Outcome {
        let offset = from
            .checked_add_signed(displacement)
            .filter(|offset| *offset <= i64::MAX as u64)
            .ok_or(Halt::Errno(EINVAL))?;
        self.description(id)?.offset = offset;
        Ok(offset as usize)
    }

    /// `SYS_CLOSE`.
    #[inline]
    pub fn sys_close(&mut self, fd: usize) -> Outcome {
        self.close_fd(fd)
    }

    /// The scheme and number behind `fd`, for calls that only user schemes answer.
    fn user_object(&mut self, fd: usize, need: Rights) -> Outcome<(Id<Scheme>, u64, Entry)> {
        let entry = self.entry(fd, need)?;
        match self.description(entry.desc)?.kind {
            Kind::User { scheme, number } => Ok((scheme, number, entry)),
            _ => fail(EOPNOTSUPP),
        }
    }

    /// `SYS_FCHOWN`.
    pub fn sys_fchown(&mut self, fd: usize, uid: usize, gid: usize) -> Outcome {
        let (scheme, number, entry) = self.user_object(fd, Rights::ATTR)?;
        let args = [number, uid as u64, gid as u64, 0, 0, 0];
        self.call_scheme(Call::plain(scheme, &entry, Opcode::Fchown, args))
    }

    /// `SYS_FSYNC`.
    pub fn sys_fsync(&mut self, fd: usize) -> Outcome {
        let entry = self.entry(fd, Rights::SYNC)?;
        match self.description(entry.desc)?.kind {
            Kind::User { scheme, number } => self.call_scheme(Call::plain(
                scheme,
                &entry,
                Opcode::Fsync,
                [number, 0, 0, 0, 0, 0],
            )),
            _ => Ok(0),
        }
    }

    /// `SYS_FSTAT`.
    pub fn sys_fstat(&mut self, fd: usize, base: usize, len: usize) -> Outcome {
        if len < size_of::<Stat>() {
            return fail(EINVAL);
        }
        let entry = self.entry(fd, Rights::STAT)?;
        match self.description(entry.desc)?.kind {
            Kind::User { scheme, number } => {
                let call = Call::plain(scheme, &entry, Opcode::Fstat, [number, 0, 0, 0, 0, 0]);
                self.call_scheme(call.with(base, size_of::<Stat>(), Direction::OutAll))
            }
            kind => {
                let stat = self.kernel_stat(kind)?;
                self.write_stat(self.current_space, base, &stat)?;
                Ok(0)
            }
        }
    }

    /// `SYS_FPATH`.
    pub fn sys_fpath(&mut self, fd: usize, base: usize, len: usize) -> Outcome {
        let (scheme, number, entry) = self.user_object(fd, Rights::STAT)?;
        let call = Call::plain(scheme, &entry, Opcode::Fpath, [number, 0, 0, 0, 0, 0]);
        let call = call.with(base, len.min(PATH_MAX), Direction::Out);
        self.call_scheme(call.then(Then::Count))
    }

    /// `SYS_FLINK` and `SYS_FRENAME`, whose path the scheme resolves from its own root. A beneath-limited
    /// descriptor cannot vouch for such a path.
    fn path_call(&mut self, opcode: Opcode, fd: usize, base: usize, len: usize) -> Outcome {
        if len > PATH_MAX {
            return fail(ENAMETOOLONG);
        }
        let (scheme, number, entry) = self.user_object(fd, Rights::RENAME | Rights::ESCAPE)?;
        let call = Call::plain(scheme, &entry, opcode, [number, 0, 0, 0, 0, 0]);
        self.call_scheme(call.with_path(base, len))
    }

    /// `SYS_FLINK`.
    pub fn sys_flink(&mut self, fd: usize, base: usize, len: usize) -> Outcome {
        self.path_call(Opcode::Flink, fd, base, len)
    }

    /// `SYS_FRENAME`.
    pub fn sys_frename(&mut self, fd: usize, base: usize, len: usize) -> Outcome {
        self.path_call(Opcode::Frename, fd, base, len)
    }

    /// `SYS_FEVENT`: asks the object itself which events it will announce; gives those that are on.
    pub fn sys_fevent(&mut self, fd: usize, flags: usize) -> Outcome {
        let entry = self.entry(fd, Rights::EVENT)?;
        let flags = EventFlags::from_bits(flags).ok_or(Halt::Errno(EINVAL))?;
        match self.description(entry.desc)?.kind {
            Kind::User { scheme, number } => {
                let args = [number, flags.bits() as u64, 0, 0, 0, 0];
                self.call_scheme(Call::plain(scheme, &entry, Opcode::Fevent, args))
            }
            kind => Ok((self.kernel_readiness(entry.desc, kind) & flags).bits()),
        }
    }
}

/// The status flags in `RwFlags`.
fn status_of(flags: usize) -> Outcome {
    let known = RwFlags::NONBLOCK.bits() | RwFlags::APPEND.bits();
    if flags & !(known as usize) != 0 {
        return fail(EINVAL);
    }
    let mut status = 0;
    if flags & RwFlags::NONBLOCK.bits() as usize != 0 {
        status |= O_NONBLOCK;
    }
    if flags & RwFlags::APPEND.bits() as usize != 0 {
        status |= O_APPEND;
    }
    Ok(status)
}
