//! Where the segments of an ELF kernel go.
//!
//! The image is laid out by the segments' *physical* link addresses, moved as a whole to wherever
//! there is room; each segment is then mapped at its *virtual* link address. Segments linked into
//! the lower half (an entry stub for other boot protocols) are loaded with the rest, but not mapped:
//! the lower half is the identity map's.

use alloc::vec::Vec;
use core::fmt;
use core::ops::Range;

use elf::ElfBytes;
use elf::abi;
use elf::endian::LittleEndian;

use crate::PAGE;

/// The lowest address of the upper half.
pub const UPPER_HALF: u64 = 0xffff_8000_0000_0000;
/// An image above this is taken for damage, not loaded.
pub const MAX_IMAGE: u64 = 256 << 20;

/// Class and byte order in the ELF identification.
const IDENT: [u8; 2] = [abi::ELFCLASS64, abi::ELFDATA2LSB];

/// A checked kernel file: everything needed to load it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Virtual address to jump to. It lies in an executable, mapped segment.
    pub entry: u64,
    /// Bytes of memory the image takes, a multiple of [`PAGE`].
    pub size: u64,
    /// The segments in ascending order of `offset`, without overlaps.
    pub segments: Vec<Segment>,
}

/// A loadable segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    /// The bytes of the file that it holds.
    pub file: Range<usize>,
    /// Where it begins in the image.
    pub offset: u64,
    /// Its length in memory; what the file does not fill is zero.
    pub len: u64,
    /// The virtual address of its first byte, if it is to be mapped.
    pub virt: Option<u64>,
}

/// Why a file is not a kernel that can be loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadKernel {
    /// Not an ELF file, or a damaged one.
    NotElf,
    /// ELF for another machine, word size or byte order.
    WrongMachine,
    /// Not a statically linked executable (`ET_EXEC`).
    NotExecutable,
    /// No loadable segment.
    Empty,
    /// The segment with this virtual address has contents outside the file, or more in the file than
    /// in memory.
    BadContents(u64),
    /// The segment's physical and virtual addresses differ within a page, or it wraps around the
    /// address space.
    BadAddress(u64),
    /// The segment overlaps another one in memory.
    Overlap(u64),
    /// The image is larger than [`MAX_IMAGE`]; its size in bytes.
    TooBig(u64),
    /// The entry point is not in a mapped, executable segment.
    BadEntry(u64),
}

impl fmt::Display for BadKernel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotElf => f.write_str("not an ELF file, or damaged"),
            Self::WrongMachine => f.write_str("not a 64-bit x86-64 ELF file"),
            Self::NotExecutable => f.write_str("not a statically linked executable"),
            Self::Empty => f.write_str("no loadable segment"),
            Self::BadContents(at) => {
                write!(f, "the segment at {at:#x} has contents outside the file")
            }
            Self::BadAddress(at) => write!(f, "the segment at {at:#x} has impossible addresses"),
            Self::Overlap(at) => write!(f, "the segment at {at:#x} overlaps another"),
            Self::TooBig(size) => write!(f, "an image of {size} bytes is too large"),
            Self::BadEntry(at) => {
                write!(
                    f,
                    "the entry point {at:#x} is not in an executable segment of the upper half"
                )
            }
        }
    }
}

impl core::error::Error for BadKernel {}

impl Plan {
    /// Checks `file` and decides where its segments go.
    pub fn new(file: &[u8]) -> Result<Self, BadKernel> {
        // The parser would report another class or byte order as damage.
        if file.starts_with(&abi::ELFMAGIC) && file.get(4..6) != Some(&IDENT) {
            return Err(BadKernel::WrongMachine);
        }
        let elf = ElfBytes::<LittleEndian>::minimal_parse(file).map_err(|_| BadKernel::NotElf)?;
        if elf.ehdr.e_machine != abi::EM_X86_64 {
            return Err(BadKernel::WrongMachine);
        }
        if elf.ehdr.e_type != abi::ET_EXEC {
            return Err(BadKernel::NotExecutable);
        }

        let mut loads: Vec<_> = elf
            .segments()
            .into_iter()
            .flatten()
            .filter(|segment| segment.p_type == abi::PT_LOAD && segment.p_memsz > 0)
            .collect();
        loads.sort_by_key(|segment| segment.p_paddr);
        let base = loads.first().ok_or(BadKernel::Empty)?.p_paddr & !(PAGE - 1);

        let mut segments = Vec::with_capacity(loads.len());
        let mut end = base;
        let mut entry_is_good = false;
        for load in loads {
            let at = load.p_vaddr;
            let file_end = load.p_offset.checked_add(load.p_filesz);
            let (Ok(start), Some(Ok(stop))) = (
                usize::try_from(load.p_offset),
                file_end.map(usize::try_from),
            ) else {
                return Err(BadKernel::BadContents(at));
            };
            if load.p_filesz > load.p_memsz || file.get(start..stop).is_none() {
                return Err(BadKernel::BadContents(at));
            }
            let last_virt = at.checked_add(load.p_memsz - 1);
            let next_end = load.p_paddr.checked_add(load.p_memsz);
            let (Some(last_virt), Some(next_end)) = (last_virt, next_end) else {
                return Err(BadKernel::BadAddress(at));
            };
            let crosses_halves = (at >= UPPER_HALF) != (last_virt >= UPPER_HALF);
            if at % PAGE != load.p_paddr % PAGE || crosses_halves {
                return Err(BadKernel::BadAddress(at));
            }
            if load.p_paddr < end {
                return Err(BadKernel::Overlap(at));
            }
            if next_end - base > MAX_IMAGE {
                return Err(BadKernel::TooBig(next_end - base));
            }
            end = next_end;
            let mapped = at >= UPPER_HALF;
            entry_is_good |= mapped
                && load.p_flags & abi::PF_X != 0
                && (at..=last_virt).contains(&elf.ehdr.e_entry);
            segments.push(Segment {
                file: start..stop,
                offset: load.p_paddr - base,
                len: load.p_memsz,
                virt: mapped.then_some(at),
            });
        }
        if !entry_is_good {
            return Err(BadKernel::BadEntry(elf.ehdr.e_entry));
        }
        Ok(Self {
            entry: elf.ehdr.e_entry,
            size: (end - base).next_multiple_of(PAGE),
            segments,
        })
    }

    /// Fills `image`, which is [`Plan::size`] bytes, from the `file` that the plan was made of:
    /// segments and zeros between them. What does not fit is left out.
    pub fn load(&self, file: &[u8], image: &mut [u8]) {
        image.fill(0);
        for segment in &self.segments {
            let Some(source) = file.get(segment.file.clone()) else {
                continue;
            };
            let target = usize::try_from(segment.offset)
                .ok()
                .and_then(|start| image.get_mut(start..))
                .and_then(|rest| rest.get_mut(..source.len()));
            if let Some(target) = target {
                target.copy_from_slice(source);
            }
        }
    }
}
