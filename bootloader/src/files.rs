//! Files of a RedoxFS partition, through the firmware's block input.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::ptr::NonNull;

use redoxfs::{BLOCK_SIZE, FileSystem, Node, TreeData, TreePtr};
use syscall::error::{EIO, ENOENT, ENOKEY, EROFS, Error};
use uefi::boot::{self, AllocateType, MemoryType, ScopedProtocol};
use uefi::proto::media::block::BlockIO;

use crate::Result;

/// Pages of the buffer that transfers go through.
const BUFFER_PAGES: usize = 32;
const PAGE: usize = boot_core::PAGE as usize;

/// A partition, read only.
pub struct Disk {
    block_io: ScopedProtocol<BlockIO>,
    /// Page-aligned, which is as much as any device asks for; the file system's own buffers are not.
    buffer: NonNull<u8>,
    media: u32,
    block_size: u64,
    blocks: u64,
}

impl Disk {
    /// `None` when there is no medium, or one with blocks that RedoxFS's do not divide into.
    pub fn new(block_io: ScopedProtocol<BlockIO>) -> Result<Option<Self>> {
        let media = block_io.media();
        let block_size = u64::from(media.block_size());
        if !media.is_media_present() || block_size == 0 || !BLOCK_SIZE.is_multiple_of(block_size) {
            return Ok(None);
        }
        let buffer = boot::allocate_pages(
            AllocateType::AnyPages,
            MemoryType::LOADER_DATA,
            BUFFER_PAGES,
        )
        .map_err(|error| format!("no memory for a disk buffer: {error}"))?;
        Ok(Some(Self {
            media: media.media_id(),
            block_size,
            blocks: media.last_block().saturating_add(1),
            buffer,
            block_io,
        }))
    }

    fn read(&mut self, block: u64, target: &mut [u8]) -> Option<()> {
        let mut lba = block.checked_mul(BLOCK_SIZE / self.block_size)?;
        for part in target.chunks_mut(BUFFER_PAGES * PAGE) {
            let blocks = (part.len() as u64).div_ceil(self.block_size);
            let len = usize::try_from(blocks * self.block_size).ok()?;
            // SAFETY: 1. `buffer` is BUFFER_PAGES pages long, allocated in `new` and never freed.
            // 2. `part` is at most that long, and so is `len`, since the block size divides it.
            // 3. `&mut self` makes this the only reference; it ends before the next iteration.
            // 4. Every bit pattern is a valid `u8`, and firmware memory is initialised as far as the
            //    compiler can know, having come from outside the program.
            let buffer = unsafe { core::slice::from_raw_parts_mut(self.buffer.as_ptr(), len) };
            self.block_io.read_blocks(self.media, lba, buffer).ok()?;
            part.copy_from_slice(buffer.get(..part.len())?);
            lba = lba.checked_add(blocks)?;
        }
        Some(())
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // SAFETY: allocated in `new` with this size; no reference to it outlives `read`.
        // A failure leaves the pages allocated, which is harmless.
        let _ = unsafe { boot::free_pages(self.buffer, BUFFER_PAGES) };
    }
}

impl redoxfs::Disk for Disk {
    unsafe fn read_at(&mut self, block: u64, buffer: &mut [u8]) -> syscall::Result<usize> {
        self.read(block, buffer).ok_or(Error::new(EIO))?;
        Ok(buffer.len())
    }

    unsafe fn write_at(&mut self, _block: u64, _buffer: &[u8]) -> syscall::Result<usize> {
        Err(Error::new(EROFS))
    }

    fn size(&mut self) -> syscall::Result<u64> {
        Ok(self.blocks.saturating_mul(self.block_size))
    }
}

/// A partition's root directory.
pub struct Root {
    fs: FileSystem<Disk>,
    partition: u32,
}

impl fmt::Display for Root {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "partition {}", self.partition)
    }
}

impl Root {
    /// Opens the file system that begins with `disk`; `None` if that holds no RedoxFS.
    pub fn open(mut disk: Disk, partition: u32) -> Result<Option<Self>> {
        // The header of either of the ring's first two places will do: the crate finds the newest,
        // and only one of them can have been half written when the power went.
        let mut first = None;
        for place in 0..2 {
            let mut header = redoxfs::Header::default();
            if disk.read(place, &mut header).is_some() && header.valid() {
                first = Some(place);
                break;
            }
        }
        let Some(place) = first else { return Ok(None) };
        match FileSystem::open(disk, None, Some(place), false) {
            Ok(fs) => Ok(Some(Self { fs, partition })),
            Err(error) if error.errno == ENOKEY => Err(format!(
                "partition {partition}: the file system is encrypted, which this loader cannot read"
            )),
            Err(error) => Err(format!(
                "partition {partition}: damaged file system: {error}"
            )),
        }
    }

    /// The contents of the file at `path`.
    pub fn read(&mut self, path: &str) -> Result<Vec<u8>> {
        self.read_if_there(path)?
            .ok_or_else(|| self.describe(path, "no such file"))
    }

    /// The contents of the file at `path`; `None` when there is no such file.
    pub fn read_if_there(&mut self, path: &str) -> Result<Option<Vec<u8>>> {
        let node = match self.find(path) {
            Ok(node) => node,
            Err(error) if error.errno == ENOENT => return Ok(None),
            Err(error) => return Err(self.describe(path, error)),
        };
        if !node.data().is_file() {
            return Err(self.describe(path, "not a regular file"));
        }
        let size = node.data().size();
        let mut contents = Vec::new();
        let space =
            usize::try_from(size).map(|size| contents.try_reserve_exact(size).map(|()| size));
        let Ok(Ok(len)) = space else {
            return Err(self.describe(path, format_args!("no memory for its {size} bytes")));
        };
        contents.resize(len, 0);
        match self.fs.tx(|tx| tx.read_node_inner(&node, 0, &mut contents)) {
            Ok(read) if read == len => Ok(Some(contents)),
            Ok(read) => Err(self.describe(path, format_args!("only {read} of {len} bytes"))),
            Err(error) => Err(self.describe(path, error)),
        }
    }

    /// A message about the file at `path` of this partition.
    pub fn describe(&self, path: &str, what: impl fmt::Display) -> String {
        format!("partition {}, {path}: {what}", self.partition)
    }

    fn find(&mut self, path: &str) -> syscall::Result<TreeData<Node>> {
        self.fs.tx(|tx| {
            let mut node: TreeData<Node> = tx.read_tree(TreePtr::root())?;
            for name in path.split('/').filter(|name| !name.is_empty()) {
                if !node.data().is_dir() {
                    return Err(Error::new(ENOENT));
                }
                node = tx.find_node(node.ptr(), name)?;
            }
            Ok(node)
        })
    }
}
