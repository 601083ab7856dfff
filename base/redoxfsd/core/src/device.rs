//! The disk under a volume.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use redoxfs::{BLOCK_SIZE, Disk, SIGNATURE};
use redoxfs_errors::error::{EIO, Error, Result};

/// Something with bytes at offsets. Offsets and lengths are multiples of [`BLOCK_SIZE`].
pub trait Device {
    /// Fills `buf` with the bytes at `offset`.
    ///
    /// # Errors
    /// An error number.
    fn read(&mut self, offset: u64, buf: &mut [u8]) -> core::result::Result<(), i32>;

    /// Writes `data` at `offset`. It need not be durable before [`Device::flush`].
    ///
    /// # Errors
    /// An error number.
    fn write(&mut self, offset: u64, data: &[u8]) -> core::result::Result<(), i32>;

    /// Everything written before is durable when this returns.
    ///
    /// # Errors
    /// An error number.
    fn flush(&mut self) -> core::result::Result<(), i32>;

    /// Size in bytes.
    ///
    /// # Errors
    /// An error number.
    fn size(&mut self) -> core::result::Result<u64, i32>;
}

/// Most bytes of neighbouring blocks written at once.
const RUN: usize = 1 << 20;
const BLOCK: usize = BLOCK_SIZE as usize;

/// A device with a cache of single blocks, which are what trees and directories are made of, and in the
/// order that a file system needs.
///
/// A header is durable only after everything that it leads to, and before anything that the state before
/// it needs is overwritten: the device is flushed before and after each.
#[derive(Debug)]
pub struct Cache<D> {
    device: D,
    /// Blocks by number, with when they were used.
    blocks: BTreeMap<u64, (u64, Box<[u8]>)>,
    clock: u64,
    most: usize,
    /// Neighbouring blocks that wait to be written, and the first one's number.
    run: (u64, Vec<u8>),
}

impl<D: Device> Cache<D> {
    /// Keeps at most `most` blocks.
    pub const fn new(device: D, most: usize) -> Self {
        Self {
            device,
            blocks: BTreeMap::new(),
            clock: 0,
            most,
            run: (0, Vec::new()),
        }
    }

    /// The device.
    pub const fn device_mut(&mut self) -> &mut D {
        &mut self.device
    }

    fn write_run(&mut self) -> Result<()> {
        let (first, bytes) = core::mem::take(&mut self.run);
        if bytes.is_empty() {
            return Ok(());
        }
        self.device.write(at(first)?, &bytes).map_err(Error::new)
    }

    fn keep(&mut self, block: u64, bytes: &[u8]) {
        self.clock = self.clock.wrapping_add(1);
        if self.blocks.len() >= self.most && !self.blocks.contains_key(&block) {
            self.forget_some();
        }
        self.blocks.insert(block, (self.clock, bytes.into()));
    }

    /// Lets the half go that was not used for longest.
    fn forget_some(&mut self) {
        let mut used: Vec<u64> = self.blocks.values().map(|(used, _)| *used).collect();
        let middle = used.len().checked_div(2).unwrap_or(0);
        if middle >= used.len() {
            return;
        }
        let (_, middle, _) = used.select_nth_unstable(middle);
        let middle = *middle;
        self.blocks.retain(|_, (used, _)| *used > middle);
    }
}

fn at(block: u64) -> Result<u64> {
    block.checked_mul(BLOCK_SIZE).ok_or(Error::new(EIO))
}

// The crate's trait has unsafe methods, "to discourage use"; these do nothing that is.
#[allow(unsafe_code, reason = "the trait's methods are declared unsafe")]
impl<D: Device> Disk for Cache<D> {
    unsafe fn read_at(&mut self, block: u64, buffer: &mut [u8]) -> Result<usize> {
        self.write_run()?;
        if buffer.len() == BLOCK {
            self.clock = self.clock.wrapping_add(1);
            if let Some((used, bytes)) = self.blocks.get_mut(&block) {
                *used = self.clock;
                buffer.copy_from_slice(bytes);
                return Ok(BLOCK);
            }
        }
        self.device.read(at(block)?, buffer).map_err(Error::new)?;
        if buffer.len() == BLOCK {
            self.keep(block, buffer);
        }
        Ok(buffer.len())
    }

    unsafe fn write_at(&mut self, block: u64, buffer: &[u8]) -> Result<usize> {
        // Data that happens to begin like a header is written as carefully as one.
        let header = buffer.starts_with(SIGNATURE);
        let count = buffer.len().checked_div(BLOCK).unwrap_or(0) as u64;
        let waiting = self.run.1.len().checked_div(BLOCK).unwrap_or(0) as u64;
        if header || self.run.0.checked_add(waiting) != Some(block) || self.run.1.len() >= RUN {
            self.write_run()?;
            self.run.0 = block;
        }
        if buffer.len() == BLOCK {
            self.keep(block, buffer);
        } else {
            let beyond = block.checked_add(count).ok_or(Error::new(EIO))?;
            let stale: Vec<u64> = self
                .blocks
                .range(block..beyond)
                .map(|(at, _)| *at)
                .collect();
            for block in stale {
                self.blocks.remove(&block);
            }
        }
        if header {
            self.device.flush().map_err(Error::new)?;
            self.device.write(at(block)?, buffer).map_err(Error::new)?;
            self.device.flush().map_err(Error::new)?;
        } else {
            self.run.1.extend_from_slice(buffer);
        }
        Ok(buffer.len())
    }

    fn size(&mut self) -> Result<u64> {
        self.device.size().map_err(Error::new)
    }
}
