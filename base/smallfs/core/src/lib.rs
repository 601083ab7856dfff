//! Schemes of one file: `null`, `zero`, `rand`, `log`.
//!
//! | scheme | `read` | `write` |
//! |---|---|---|
//! | `null` | the end | takes everything |
//! | `zero` | zeros | takes everything |
//! | `rand` | random bytes | mixes them in |
//! | `log` | what was logged, the last 64 KiB of it | logs lines; those through `log/NAME` begin with `NAME: ` |
//!
//! One read gives at most a mebibyte.
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

mod log;
mod random;

pub use log::Log;
pub use random::Random;

use alloc::vec::Vec;

use gen_slab::{Key, Slab};
use scheme_core::{Incoming, incoming, reply, user_of};
use syscall::{
    Stat, StdFsCallKind, error as errno,
    flag::{EventFlags, MODE_CHR, O_DIRECTORY, O_RDONLY, O_WRONLY},
    schemev2::{Cqe, NewFdFlags, Opcode, Sqe},
};
use user_shares::{SUPERUSER, Shares};

type Result<T> = core::result::Result<T, i32>;

/// What is behind a scheme of one file.
pub trait Device {
    /// What it keeps for a handle.
    type Handle: Default;
    /// Whether it can be sought in, which makes no difference to what is read.
    const SEEKS: bool = true;

    /// Opens a path; the empty one is the file itself.
    ///
    /// # Errors
    /// An error number.
    fn open(&mut self, path: &str) -> Result<Self::Handle> {
        if path.is_empty() {
            Ok(Self::Handle::default())
        } else {
            Err(errno::ENOTDIR)
        }
    }

    /// Reads; gives how much.
    fn read(&mut self, handle: &mut Self::Handle, buffer: &mut [u8]) -> usize;

    /// Writes all.
    fn write(&mut self, handle: &mut Self::Handle, bytes: &[u8]);

    /// The last descriptor of a handle is gone.
    fn close(&mut self, _handle: Self::Handle) {}
}

/// Reads the end, takes everything.
#[derive(Debug, Default)]
pub struct Null;

impl Device for Null {
    type Handle = ();

    fn read(&mut self, (): &mut (), _buffer: &mut [u8]) -> usize {
        0
    }

    fn write(&mut self, (): &mut (), _bytes: &[u8]) {}
}

/// Reads zeros, takes everything.
#[derive(Debug, Default)]
pub struct Zero;

impl Device for Zero {
    type Handle = ();

    fn read(&mut self, (): &mut (), buffer: &mut [u8]) -> usize {
        buffer.fill(0);
        buffer.len()
    }

    fn write(&mut self, (): &mut (), _bytes: &[u8]) {}
}

struct Open<H> {
    handle: H,
    /// Who opened it.
    user: u32,
    read: bool,
    write: bool,
}

/// The most that is read at once: others are served only when that is done.
const LONGEST_READ: usize = 1 << 20;
/// Most handles at once.
const HANDLES: u64 = 1 << 16;

/// A device and its handles.
pub struct Server<D: Device> {
    device: D,
    handles: Slab<Open<D::Handle>>,
    shares: Shares,
    number: u64,
}

impl<D: Device> Server<D> {
    /// Serves a device. Its file's `st_dev` is `number`, which no other daemon may have: by that and `st_ino` programs
    /// tell whether two files are one.
    #[must_use]
    pub const fn new(device: D, number: u64) -> Self {
        Self {
            device,
            number,
            handles: Slab::new(),
            shares: Shares::new(HANDLES),
        }
    }

    /// Makes the scheme's root: it can be opened through, not read.
    ///
    /// # Errors
    /// `ENOMEM`.
    pub fn root(&mut self) -> Result<u64> {
        self.insert(Open {
            handle: D::Handle::default(),
            user: SUPERUSER,
            read: false,
            write: false,
        })
    }

    /// The device.
    pub const fn device(&mut self) -> &mut D {
        &mut self.device
    }

    /// Answers a request, unless it is one that wants no answer.
    pub fn handle(&mut self, sqe: &Sqe, payload: &mut [u8]) -> Option<Cqe> {
        let [handle, _, _, flags, ..] = sqe.args;
        let answer = match incoming(sqe) {
            Incoming::Closed(handle) => {
                if let Some(open) = self.handles.remove(Key::from_raw(handle)) {
                    self.shares.give_back(open.user, 1);
                    self.device.close(open.handle);
                }
                return None;
            }
            Incoming::Unmapped(_) | Incoming::Cancelled(_) | Incoming::Message => return None,
            Incoming::Asked(Ok(Opcode::OpenAt)) => {
                match self.open(handle, payload, flags as usize, user_of(sqe).0) {
                    Ok(number) => {
                        let flags = if D::SEEKS {
                            NewFdFlags::POSITIONED
                        } else {
                            NewFdFlags::empty()
                        };
                        return Some(reply::opened(sqe.tag, number, flags));
                    }
                    Err(error) => Err(error),
                }
            }
            Incoming::Asked(opcode) => opcode.and_then(|opcode| self.answer(opcode, sqe, payload)),
        };
        Some(reply::value(sqe.tag, answer))
    }

    fn insert(&mut self, open: Open<D::Handle>) -> Result<u64> {
        let user = open.user;
        if !self.shares.take(user, 1) {
            return Err(errno::ENFILE);
        }
        self.handles.insert(open).map(Key::raw).map_err(|_| {
            self.shares.give_back(user, 1);
            errno::ENOMEM
        })
    }

    fn open(&mut self, dir: u64, path: &[u8], flags: usize, user: u32) -> Result<u64> {
        self.handles.get(Key::from_raw(dir)).ok_or(errno::EBADF)?;
        if flags & O_DIRECTORY == O_DIRECTORY {
            return Err(errno::ENOTDIR);
        }
        let path = core::str::from_utf8(path).map_err(|_| errno::EINVAL)?;
        let handle = self.device.open(path)?;
        self.insert(Open {
            handle,
            user,
            read: flags & O_RDONLY != 0,
            write: flags & O_WRONLY != 0,
        })
    }

    fn answer(&mut self, opcode: Opcode, sqe: &Sqe, payload: &mut [u8]) -> Result<usize> {
        let [handle, asked, _, kind, ..] = sqe.args;
        let open = self
            .handles
            .get_mut(Key::from_raw(handle))
            .ok_or(errno::EBADF)?;
        match opcode {
            Opcode::Read if open.read => {
                let len = payload.len().min(LONGEST_READ);
                let buffer = payload.get_mut(..len).unwrap_or(&mut []);
                Ok(self.device.read(&mut open.handle, buffer))
            }
            Opcode::Write if open.write => {
                self.device.write(&mut open.handle, payload);
                Ok(payload.len())
            }
            Opcode::Read | Opcode::Write => Err(errno::EBADF),
            Opcode::Fevent => {
                let ready = EventFlags::EVENT_READ | EventFlags::EVENT_WRITE;
                Ok((EventFlags::from_bits_truncate(asked as usize) & ready).bits())
            }
            Opcode::Fstat => stat(self.number, payload),
            Opcode::StdFsCall => match StdFsCallKind::try_from_raw(kind as u8) {
                Some(StdFsCallKind::Fstat) => stat(self.number, payload),
                Some(StdFsCallKind::Fsync) => Ok(0),
                _ => Err(errno::EOPNOTSUPP),
            },
            Opcode::Fsize | Opcode::Fsync | Opcode::Close | Opcode::Ftruncate => Ok(0),
            Opcode::Fcntl | Opcode::Dup => Err(errno::EINVAL),
            _ => Err(errno::EOPNOTSUPP),
        }
    }
}

fn stat(number: u64, payload: &mut [u8]) -> Result<usize> {
    let stat = Stat {
        st_dev: number,
        st_ino: 1,
        st_mode: MODE_CHR | 0o666,
        st_nlink: 1,
        st_blksize: 4096,
        ..Stat::default()
    };
    reply::stat(payload, &stat)
}

/// Appends without aborting when there is no memory: then the bytes are lost.
fn append(to: &mut Vec<u8>, bytes: &[u8]) {
    if to.try_reserve(bytes.len()).is_ok() {
        to.extend_from_slice(bytes);
    }
}

#[cfg(test)]
mod tests;
