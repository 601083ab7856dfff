//! The `memory` scheme: fresh memory, physical memory, and records of what user schemes have mapped.
//!
//! Its root is what whoever runs a machine's devices needs: physical addresses, and memory that is
//! adjacent for a device. What one driver needs is opened through it and handed on: a *window*
//! (`physical@uc/BASE/SIZE`) maps those physical addresses and no others, a *block* (`dma/SIZE`, see
//! [`super::dma`]) is memory that its device may write to. Fresh memory needs no descriptor at all.

use super::{Kind, dma::Block, ops::Opened, user::Node};
use crate::{
    error::{Halt, Outcome, fail},
    kernel::{Kernel, Space},
    memory::space::{Cache, Prot, Request},
};
use boot_info::Region;
use core::mem::size_of;
use kernel_boot_core::memmap;
use kernel_core::slab::Id;
use syscall::{data::Map, error::*, flag::*, schemev2::Opcode};

/// What a memory descriptor maps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// Fresh memory.
    Zeroed,
    /// Fresh memory that is adjacent in physical memory.
    Contiguous,
    /// Physical memory at the map's offset.
    Physical(Caching),
    /// So many bytes of physical memory, of which the map's offset is relative to the first.
    Window {
        /// Address of the first byte, a page boundary.
        base: u64,
        /// Whole pages.
        size: u64,
        /// How it is cached.
        caching: Caching,
    },
    /// Memory that a device may write to.
    Dma(Id<Block>),
    /// Nothing; `SYS_CALL` on it translates addresses.
    Translation,
}

/// How a physical mapping is cached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caching {
    /// Write-back, as memory is.
    WriteBack,
    /// Not at all, as device registers want.
    Uncached,
    /// Writes are combined, as frame buffers want.
    WriteCombining,
}

/// What a key without numbers names.
fn plain(key: &[u8]) -> Option<Source> {
    Some(match key {
        b"" | b"zeroed" => Source::Zeroed,
        b"contiguous" => Source::Contiguous,
        b"physical" | b"physical@wb" => Source::Physical(Caching::WriteBack),
        b"physical@uc" => Source::Physical(Caching::Uncached),
        b"physical@wc" => Source::Physical(Caching::WriteCombining),
        b"translation" => Source::Translation,
        _ => return None,
    })
}

/// A number of bytes in lower-case hexadecimal digits without leading zeros, whole pages.
fn page_bytes(text: &[u8]) -> Option<u64> {
    let text = core::str::from_utf8(text).ok()?;
    let spelled = text == "0" || !text.starts_with(['0', '+']);
    if !spelled || text.contains(|c: char| c.is_ascii_uppercase()) {
        return None;
    }
    let value = u64::from_str_radix(text, 16).ok()?;
    value
        .is_multiple_of(crate::memory::PAGE_SIZE as u64)
        .then_some(value)
}

impl Caching {
    /// What page-table entries say of it.
    const fn cache(self) -> Cache {
        match self {
            Self::WriteBack => Cache::WriteBack,
            Self::Uncached => Cache::Uncached,
            Self::WriteCombining => Cache::WriteCombining,
        }
    }
}

/// A mapping of a user scheme's memory, of which the scheme hears the end; or a message about a
/// descriptor that a process gave up.
pub struct MapRecord {
    /// The scheme.
    pub scheme: Id<super::user::Scheme>,
    number: u64,
    what: What,
    /// Bytes that are mapped, in all spaces.
    mapped: usize,
    /// Next in the scheme's message queue.
    pub next_message: Option<Node>,
    /// Next in a list of records that ended in one operation.
    pub ended_next: Option<Id<MapRecord>>,
}

#[derive(Clone, Copy, Debug)]
enum What {
    Map {
        offset: u64,
        size: usize,
        flags: MunmapFlags,
    },
    Detach {
        pid: u32,
    },
}

impl MapRecord {
    /// A mapping about to be made.
    pub fn new(
        scheme: Id<super::user::Scheme>,
        number: u64,
        offset: u64,
        size: usize,
        flags: MapFlags,
    ) -> Self {
        let size = size.next_multiple_of(crate::memory::PAGE_SIZE);
        let written = flags.contains(MapFlags::MAP_SHARED | MapFlags::PROT_WRITE);
        let flags = if written {
            MunmapFlags::NEEDS_SYNC
        } else {
            MunmapFlags::empty()
        };
        Self {
            scheme,
            number,
            what: What::Map {
                offset,
                size,
                flags,
            },
            mapped: size,
            next_message: None,
            ended_next: None,
        }
    }

    /// A descriptor given up by a process.
    pub const fn detach(scheme: Id<super::user::Scheme>, number: u64, pid: u32) -> Self {
        Self {
            scheme,
            number,
            what: What::Detach { pid },
            mapped: 0,
            next_message: None,
            ended_next: None,
        }
    }

    /// Another space has so many bytes of it mapped.
    pub fn retain(&mut self, size: usize) {
        self.mapped = self.mapped.saturating_add(size);
    }

    /// So many bytes are not mapped any more. `true`: those were the last.
    #[must_use]
    pub fn release(&mut self, size: usize) -> bool {
        let before = self.mapped;
        self.mapped = before.saturating_sub(size);
        before > 0 && self.mapped == 0
    }

    /// What the scheme is told: opcode, arguments, process.
    pub fn message(&self) -> (Opcode, [u64; 6], u64) {
        match self.what {
            What::Map {
                offset,
                size,
                flags,
            } => (
                Opcode::Munmap,
                [self.number, size as u64, flags.bits() as u64, offset, 0, 0],
                0,
            ),
            What::Detach { pid } => (Opcode::Detach, [self.number, 0, 0, 0, 0, 0], pid.into()),
        }
    }
}

impl Kernel {
    /// Opens a key of the memory scheme.
    ///
    /// # Errors
    /// `ENOENT` for a key that names nothing, `EINVAL` for numbers that are not of whole pages, `EPERM` for
    /// a window on memory that the kernel manages, `ENOMEM`.
    pub fn memory_open(&mut self, key: &[u8]) -> Outcome<Opened> {
        if let Some(source) = plain(key) {
            return Ok(Opened::plain(Kind::Memory(source)));
        }
        let mut words = key.split(|byte| *byte == b'/');
        let kind = words.next().unwrap_or(&[]);
        let mut number = || {
            words
                .next()
                .map(|word| page_bytes(word).ok_or(Halt::Errno(EINVAL)))
        };
        let first = number().ok_or(Halt::Errno(ENOENT))??;
        let second = number().transpose()?;
        let none_left = words.next().is_none();
        let source = match (kind, plain(kind), second) {
            (b"dma", _, None) if none_left => Source::Dma(self.dma_create(first)?),
            (_, Some(Source::Physical(caching)), Some(size)) if none_left => {
                if size == 0 || first.checked_add(size).is_none() {
                    return fail(EINVAL);
                }
                if self.overlaps_kernel(first, size) {
                    return self.deny(crate::descriptor::Denial::Capability);
                }
                Source::Window {
                    base: first,
                    size,
                    caching,
                }
            }
            _ => return fail(ENOENT),
        };
        Ok(Opened::plain(Kind::Memory(source)))
    }

    /// `SYS_FMAP` on a memory descriptor, with never more than `limit`; of fresh memory any program
    /// may do with as it likes.
    pub fn memory_map(&mut self, source: Source, id: Id<Space>, map: &Map, limit: Prot) -> Outcome {
        let copied = matches!(source, Source::Zeroed | Source::Translation);
        if !copied && map.flags.contains(MapFlags::MAP_PRIVATE) {
            // These pages cannot be copied before they are written.
            return fail(EINVAL);
        }
        let min = self
            .this()
            .map_or(crate::context::life::MMAP_MIN, |context| context.mmap_min);
        let request = Request {
            address: map.address,
            size: map.size,
            flags: map.flags,
            min,
        };
        match source {
            Source::Zeroed => self.map_anonymous(id, map.address, map.size, map.flags),
            Source::Contiguous => self.change(id, |space, memory, released| {
                Ok(space.map_contiguous(memory, &request, limit, released)?.0)
            }),
            Source::Physical(caching) => {
                let (physical, cache) = (map.offset as u64, caching.cache());
                if self.overlaps_kernel(physical, map.size as u64) {
                    return self.deny(crate::descriptor::Denial::Capability);
                }
                self.change(id, |space, memory, released| {
                    Ok(space.map_device(memory, &request, physical, cache, limit, released)?)
                })
            }
            Source::Window {
                base,
                size,
                caching,
            } => {
                let offset = map.offset as u64;
                let end = (map.size as u64)
                    .checked_next_multiple_of(crate::memory::PAGE_SIZE as u64)
                    .and_then(|len| len.checked_add(offset));
                if end.is_none_or(|end| end > size) {
                    return fail(EINVAL);
                }
                let (physical, cache) = (base.saturating_add(offset), caching.cache());
                self.change(id, |space, memory, released| {
                    Ok(space.map_device(memory, &request, physical, cache, limit, released)?)
                })
            }
            Source::Dma(block) => self.dma_map(block, id, &request, map.offset, limit),
            Source::Translation => fail(EBADF),
        }
    }

    /// `SYS_CALL` on the translation object: the word of the payload, an address of the caller's,
    /// becomes the physical address that it has now. On a block for a device, where that is.
    pub fn memory_call(&mut self, source: Source, base: usize, len: usize) -> Outcome {
        if let Source::Dma(block) = source {
            return self.dma_address(block, base, len);
        }
        if source != Source::Translation || len != size_of::<usize>() {
            return fail(EINVAL);
        }
        let id = self.current_space;
        let address = self.read_word(id, base)?;
        let Some(space) = self.spaces.get_mut(id) else {
            return fail(EFAULT);
        };
        let physical = space
            .memory
            .reach(&mut self.memory, address, true)
            .map_err(|_| crate::error::Halt::Errno(EFAULT))?;
        self.write_word(id, base, physical as usize)?;
        Ok(0)
    }

    /// Whether a physical range is the kernel's to manage, so that no mapping by address may give it.
    fn overlaps_kernel(&self, base: u64, size: u64) -> bool {
        let range = Region { base, len: size };
        base.checked_add(size).is_none()
            || crate::arch::managed_ranges().any(|managed| memmap::overlap(&managed, &range))
    }
}
