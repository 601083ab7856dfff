//! A disk's scheme without its I/O.
//!
//! Its root lists the disk (`0`) and its partitions (`0p1`, `0p2`…, by their place in the GPT). Each is a
//! block device: offsets and lengths of reads and writes are multiples of the block size (`st_blksize`),
//! anything else is `EINVAL`. `fsync` returns when everything written before is on the medium.
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

pub mod gpt;
pub mod queue;
pub mod server;

/// What the device counts in, whatever its block size.
pub const SECTOR: u64 = 512;

/// A disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Geometry {
    /// How many sectors of [`SECTOR`] bytes it has.
    pub sectors: u64,
    /// Bytes that are read or written as one; a multiple of [`SECTOR`].
    pub block: u32,
    /// It cannot be written.
    pub read_only: bool,
}

impl Geometry {
    /// From what a device says. A block size that makes no sense is taken for [`SECTOR`].
    #[must_use]
    pub fn new(sectors: u64, block: u32, read_only: bool) -> Self {
        let sensible = block.is_power_of_two() && (512..=65_536).contains(&block);
        let block = if sensible { block } else { SECTOR as u32 };
        // A block that is not whole is not used.
        let per_block = u64::from(block).wrapping_div(SECTOR).max(1);
        let sectors = sectors.min(i64::MAX as u64 / SECTOR);
        let whole = sectors.saturating_sub(sectors.checked_rem(per_block).unwrap_or(0));
        Self {
            sectors: whole,
            block,
            read_only,
        }
    }

    /// How many sectors a block has.
    #[must_use]
    pub fn sectors_per_block(&self) -> u64 {
        u64::from(self.block).wrapping_div(SECTOR).max(1)
    }
}

/// Sectors of a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// The first.
    pub first: u64,
    /// How many.
    pub count: u64,
}
