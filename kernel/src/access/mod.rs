//! What the rest of the kernel does with the memory of programs.
//!
//! Every address here is a number that some program made up. It becomes a [`UserSlice`], which lies
//! in the user half, and that becomes physical addresses by a walk of the program's page tables. Nothing
//! is ever reached by its user address.

pub mod lend;
pub mod map;

use crate::{
    error::{Halt, Outcome, fail},
    kernel::{Kernel, Space},
    memory::{
        Frame, Memory,
        space::{AddrSpace, SpaceError},
        user::{self, BadAddress, Plain, UserSlice},
    },
};
use cap_abi::fcntl::LeaseParams;
use core::mem::size_of;
use kernel_core::{machine::Machine, slab::Id, wire};
use syscall::{
    data::{Map, NewFdParams, Stat, TimeSpec},
    error::*,
    schemev2::{Cqe, Sqe},
};

impl From<SpaceError> for Halt {
    fn from(error: SpaceError) -> Self {
        Self::Errno(error.errno())
    }
}

impl From<BadAddress> for Halt {
    fn from(_: BadAddress) -> Self {
        Self::Errno(EFAULT)
    }
}

/// Nanoseconds in a second.
const SECOND: u64 = 1_000_000_000;

impl Kernel {
    #[inline]
    fn space_and_memory(&mut self, id: Id<Space>) -> Outcome<(&mut AddrSpace, &mut Memory)> {
        match self.spaces.get_mut(id) {
            Some(space) => Ok((&mut space.memory, &mut self.memory)),
            None => fail(EFAULT),
        }
    }

    /// Reads a value.
    #[inline]
    pub fn read_plain<T: Plain>(&mut self, space: Id<Space>, address: usize) -> Outcome<T> {
        let (space, memory) = self.space_and_memory(space)?;
        Ok(user::read(space, memory, address)?)
    }

    #[inline]
    fn write_plain<T: Plain>(
        &mut self,
        space: Id<Space>,
        address: usize,
        value: &T,
    ) -> Outcome<()> {
        let (space, memory) = self.space_and_memory(space)?;
        Ok(user::write(space, memory, address, value)?)
    }

    /// Reads one word.
    pub fn read_word(&mut self, space: Id<Space>, address: usize) -> Outcome {
        self.read_plain(space, address)
    }

    /// Writes one word.
    pub fn write_word(&mut self, space: Id<Space>, address: usize, value: usize) -> Outcome<()> {
        self.write_plain(space, address, &value)
    }

    /// Reads 32 bits.
    pub fn read_u32(&mut self, space: Id<Space>, address: usize) -> Outcome<u32> {
        self.read_plain(space, address)
    }

    /// Reads words.
    #[inline]
    pub fn read_words(
        &mut self,
        space: Id<Space>,
        address: usize,
        into: &mut [u64],
    ) -> Outcome<()> {
        for (index, word) in into.iter_mut().enumerate() {
            *word = self.read_plain(space, address.wrapping_add(index.wrapping_mul(8)))?;
        }
        Ok(())
    }

    /// Reads exactly `into`.
    pub fn read_bytes(&mut self, space: Id<Space>, address: usize, into: &mut [u8]) -> Outcome<()> {
        let slice = UserSlice::new(address, into.len())?;
        let (space, memory) = self.space_and_memory(space)?;
        space.copy_in(memory, slice, into)?;
        Ok(())
    }

    /// Writes exactly `from`.
    pub fn write_bytes(&mut self, space: Id<Space>, address: usize, from: &[u8]) -> Outcome<()> {
        let slice = UserSlice::new(address, from.len())?;
        let (space, memory) = self.space_and_memory(space)?;
        space.copy_out(memory, slice, from)?;
        Ok(())
    }

    /// Reads a time in nanoseconds.
    ///
    /// # Errors
    /// `EINVAL` for a time before zero, or with a nanosecond part that is none.
    pub fn read_timespec(&mut self, space: Id<Space>, address: usize) -> Outcome<u64> {
        let [seconds, nanoseconds]: [u64; 2] = self.read_plain(space, address)?;
        // The structure's second field has 32 bits; what is above them is padding.
        let nanoseconds = nanoseconds as u32 as i32;
        let nanoseconds = u64::try_from(nanoseconds).map_err(|_| Halt::Errno(EINVAL))?;
        if (seconds as i64) < 0 || nanoseconds >= SECOND {
            return fail(EINVAL);
        }
        Ok(seconds.saturating_mul(SECOND).saturating_add(nanoseconds))
    }

    /// Writes a time.
    pub fn write_timespec(
        &mut self,
        space: Id<Space>,
        address: usize,
        time: &TimeSpec,
    ) -> Outcome<()> {
        let words = [time.tv_sec as u64, time.tv_nsec as u32 as u64];
        self.write_plain(space, address, &words)
    }

    /// Reads the argument of a map.
    pub fn read_map(&mut self, address: usize) -> Outcome<Map> {
        self.read_plain(self.current_space, address)
    }

    /// Reads the parameters of a new descriptor of a scheme's own.
    pub fn read_new_fd_params(&mut self, address: usize) -> Outcome<NewFdParams> {
        let [offset, number, flags, internal]: [u64; 4] =
            self.read_plain(self.current_space, address)?;
        Ok(NewFdParams {
            offset,
            number: number as usize,
            flags: flags as usize,
            internal_flags: internal as u8,
        })
    }

    /// Reads the parameters of a lease.
    pub fn read_lease_params(&mut self, address: usize) -> Outcome<LeaseParams> {
        let [derived, lease, rights]: [u64; 3] = self.read_plain(self.current_space, address)?;
        Ok(LeaseParams {
            derived: derived as usize,
            lease: lease as usize,
            rights: rights as u32,
            flags: (rights >> 32) as u32,
        })
    }

    /// Writes the parameters of a lease back.
    pub fn write_lease_params(
        &mut self,
        space: Id<Space>,
        address: usize,
        params: &LeaseParams,
    ) -> Outcome<()> {
        let rights = u64::from(params.rights) | u64::from(params.flags) << 32;
        self.write_plain(
            space,
            address,
            &[params.derived as u64, params.lease as u64, rights],
        )
    }

    /// Reads a completion entry of the running context.
    #[inline(always)]
    pub fn read_cqe(&mut self, address: usize) -> Outcome<Cqe> {
        let (space, memory) = self.space_and_memory(self.current_space)?;
        Ok(wire::cqe(user::read(space, memory, address)?))
    }

    /// Writes a submission entry.
    #[inline]
    pub fn write_sqe(&mut self, space: Id<Space>, address: usize, sqe: &Sqe) -> Outcome<()> {
        self.write_plain(space, address, &wire::sqe_words(sqe))
    }

    /// Writes file information. Padding is zero.
    pub fn write_stat(&mut self, space: Id<Space>, address: usize, stat: &Stat) -> Outcome<()> {
        let mut bytes = [0_u8; size_of::<Stat>()];
        let mut put = |offset: usize, value: &[u8]| {
            let end = offset.saturating_add(value.len());
            if let Some(place) = bytes.get_mut(offset..end) {
                place.copy_from_slice(value);
            }
        };
        use core::mem::offset_of;
        put(offset_of!(Stat, st_dev), &stat.st_dev.to_le_bytes());
        put(offset_of!(Stat, st_ino), &stat.st_ino.to_le_bytes());
        put(offset_of!(Stat, st_mode), &stat.st_mode.to_le_bytes());
        put(offset_of!(Stat, st_nlink), &stat.st_nlink.to_le_bytes());
        put(offset_of!(Stat, st_uid), &stat.st_uid.to_le_bytes());
        put(offset_of!(Stat, st_gid), &stat.st_gid.to_le_bytes());
        put(offset_of!(Stat, st_size), &stat.st_size.to_le_bytes());
        put(offset_of!(Stat, st_blksize), &stat.st_blksize.to_le_bytes());
        put(offset_of!(Stat, st_blocks), &stat.st_blocks.to_le_bytes());
        self.write_bytes(space, address, &bytes)
    }

    /// Copies user memory to the beginning of a frame; with `text`, only if it is UTF-8.
    ///
    /// # Errors
    /// `EFAULT`, `ENOMEM`; `EINVAL` for bytes that are not text.
    #[inline]
    pub fn copy_to_frame(
        &mut self,
        space: Id<Space>,
        address: usize,
        len: usize,
        frame: Frame,
        text: bool,
    ) -> Outcome<()> {
        let slice = UserSlice::new(address, len)?;
        let (space, memory) = self.space_and_memory(space)?;
        space.copy_in_frame(memory, slice, frame.address())?;
        // The daemon has the frame mapped and could change it under this look, but then it deceives
        // itself alone.
        if text && !self.memory.is_text(frame, len) {
            return fail(EINVAL);
        }
        Ok(())
    }

    /// Copies user memory to a place in a frame.
    pub fn copy_to_frame_at(
        &mut self,
        space: Id<Space>,
        address: usize,
        len: usize,
        frame: Frame,
        offset: usize,
    ) -> Outcome<()> {
        let slice = UserSlice::new(address, len)?;
        let (space, memory) = self.space_and_memory(space)?;
        space.copy_in_frame(memory, slice, frame.address().saturating_add(offset as u64))?;
        Ok(())
    }

    /// Copies from a place in a frame to user memory.
    #[inline]
    pub fn copy_from_frame(
        &mut self,
        frame: Frame,
        offset: usize,
        space: Id<Space>,
        address: usize,
        len: usize,
    ) -> Outcome<()> {
        let slice = UserSlice::new(address, len)?;
        let (space, memory) = self.space_and_memory(space)?;
        space.copy_out_frame(memory, slice, frame.address().saturating_add(offset as u64))?;
        Ok(())
    }

    /// Zeroes the first `len` bytes of a frame.
    pub fn zero_frame(&mut self, frame: Frame, len: usize) {
        const ZEROS: [u8; 256] = [0; 256];
        let mut at = 0_usize;
        while at < len {
            let part = len.saturating_sub(at).min(ZEROS.len());
            if let Some(zeros) = ZEROS.get(..part) {
                self.memory
                    .write(frame.address().saturating_add(at as u64), zeros);
            }
            at = at.saturating_add(part);
        }
    }
}
