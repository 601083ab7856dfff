//! Static ELF64 executables: from untrusted bytes to a list of mappings.
//!
//! Accepted are little-endian x86-64 files of type `ET_EXEC` without an interpreter. Every field that
//! later serves as an offset, a length or an address is checked here against the file's length, the
//! user's part of the address space, and the other segments.
//! Format: System V ABI, chapters 4 and 5 (gabi 4.1).

use core::fmt;
use core::ops::Range;

use crate::{PAGE_SIZE, page_ceil, page_floor};

/// Length of the file header in bytes; what [`Header::parse`] has to be given at least.
pub const HEADER_LEN: usize = 64;
/// Length of one program header in bytes.
pub const PROGRAM_HEADER_LEN: usize = 56;
/// How many program headers a file may have.
pub const MAX_PROGRAM_HEADERS: usize = 64;
/// How many loadable segments a file may have.
pub const MAX_SEGMENTS: usize = 16;

const PT_LOAD: u32 = 1;
const PT_INTERP: u32 = 3;
const PT_TLS: u32 = 7;
const PF_X: u32 = 1;
const PF_W: u32 = 2;
const PF_R: u32 = 4;

/// Why a file is not an executable that can be started here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ElfError {
    /// The file ends before the structure named here.
    Truncated(&'static str),
    /// It does not begin with ELF's magic number.
    NotElf,
    /// It is ELF, but of another class, byte order, version or machine: the field is named.
    Foreign(&'static str),
    /// It is not an executable at fixed addresses (a relocatable, shared or core file).
    NotExecutable,
    /// It asks for a dynamic linker.
    Dynamic,
    /// More program headers or loadable segments than are accepted.
    TooMany(&'static str),
    /// Nothing to load.
    NoSegments,
    /// A segment's field is impossible: the rule it breaks.
    Segment(&'static str),
    /// The thread-local storage template is impossible: the rule it breaks.
    Tls(&'static str),
    /// The entry point is not inside an executable segment.
    Entry,
}

impl fmt::Display for ElfError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Truncated(what) => write!(f, "the file ends inside its {what}"),
            Self::NotElf => f.write_str("not an ELF file"),
            Self::Foreign(field) => write!(f, "made for another system: {field}"),
            Self::NotExecutable => f.write_str("not an executable at fixed addresses"),
            Self::Dynamic => f.write_str("needs a dynamic linker"),
            Self::TooMany(what) => write!(f, "too many {what}"),
            Self::NoSegments => f.write_str("has nothing to load"),
            Self::Segment(rule) => write!(f, "loadable segment: {rule}"),
            Self::Tls(rule) => write!(f, "thread-local storage: {rule}"),
            Self::Entry => f.write_str("its entry point is not in executable memory"),
        }
    }
}

/// The file header's facts that lead to the program headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Entry address, unchecked until a [`Plan`] is made.
    entry: u64,
    /// Offset of the program header table in the file.
    table_offset: u64,
    /// Number of program headers, at most [`MAX_PROGRAM_HEADERS`].
    table_count: usize,
}

fn bytes<const N: usize>(data: &[u8], at: usize) -> Option<[u8; N]> {
    data.get(at..at.checked_add(N)?)?.try_into().ok()
}

fn u16_at(data: &[u8], at: usize) -> Option<u16> {
    bytes(data, at).map(u16::from_le_bytes)
}

fn u32_at(data: &[u8], at: usize) -> Option<u32> {
    bytes(data, at).map(u32::from_le_bytes)
}

fn u64_at(data: &[u8], at: usize) -> Option<u64> {
    bytes(data, at).map(u64::from_le_bytes)
}

impl Header {
    /// Reads the header from the first bytes of a file.
    pub fn parse(data: &[u8]) -> Result<Self, ElfError> {
        const SHORT: ElfError = ElfError::Truncated("header");
        if data.get(..4).ok_or(SHORT)? != b"\x7fELF" {
            return Err(ElfError::NotElf);
        }
        let [class, order, version] = bytes::<3>(data, 4).ok_or(SHORT)?;
        if class != 2 {
            return Err(ElfError::Foreign("not 64-bit"));
        }
        if order != 1 {
            return Err(ElfError::Foreign("not little-endian"));
        }
        if version != 1 || u32_at(data, 20).ok_or(SHORT)? != 1 {
            return Err(ElfError::Foreign("unknown ELF version"));
        }
        if u16_at(data, 18).ok_or(SHORT)? != 62 {
            return Err(ElfError::Foreign("not for x86-64"));
        }
        if u16_at(data, 16).ok_or(SHORT)? != 2 {
            return Err(ElfError::NotExecutable);
        }
        let entry = u64_at(data, 24).ok_or(SHORT)?;
        let table_offset = u64_at(data, 32).ok_or(SHORT)?;
        let entry_len = u16_at(data, 54).ok_or(SHORT)?;
        let table_count = usize::from(u16_at(data, 56).ok_or(SHORT)?);
        data.get(..HEADER_LEN).ok_or(SHORT)?;
        if usize::from(entry_len) != PROGRAM_HEADER_LEN {
            return Err(ElfError::Foreign("program header size"));
        }
        if table_count == 0 {
            return Err(ElfError::NoSegments);
        }
        if table_count > MAX_PROGRAM_HEADERS {
            return Err(ElfError::TooMany("program headers"));
        }
        let table_len = (table_count * PROGRAM_HEADER_LEN) as u64;
        table_offset
            .checked_add(table_len)
            .ok_or(ElfError::Truncated("program headers"))?;
        Ok(Self {
            entry,
            table_offset,
            table_count,
        })
    }

    /// Offset of the program header table in the file.
    #[must_use]
    pub const fn table_offset(&self) -> u64 {
        self.table_offset
    }

    /// Length of the program header table in bytes; at most
    /// [`MAX_PROGRAM_HEADERS`] times [`PROGRAM_HEADER_LEN`].
    #[must_use]
    pub const fn table_len(&self) -> usize {
        self.table_count * PROGRAM_HEADER_LEN
    }
}

/// What may be done with the memory of a segment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Protection {
    /// Readable.
    pub read: bool,
    /// Writable.
    pub write: bool,
    /// Executable.
    pub execute: bool,
}

/// A loadable segment, checked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Segment {
    /// Address of the first byte.
    pub address: usize,
    /// Offset of its contents in the file.
    pub file_offset: u64,
    /// How many bytes come from the file; the rest is zero.
    pub file_len: usize,
    /// Length in memory, at least `file_len` and at least 1.
    pub memory_len: usize,
    /// Access.
    pub protection: Protection,
}

impl Segment {
    /// The whole pages it occupies; never empty, never overlapping another segment's.
    #[must_use]
    pub fn pages(&self) -> Range<usize> {
        let end = self.address.saturating_add(self.memory_len);
        page_floor(self.address)..page_ceil(end).unwrap_or(usize::MAX)
    }

    fn file_image_contains(&self, offset: u64, len: usize) -> Option<usize> {
        let delta = usize::try_from(offset.checked_sub(self.file_offset)?).ok()?;
        (delta.checked_add(len)? <= self.file_len).then(|| self.address.checked_add(delta))?
    }
}

/// The template of thread-local storage.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TlsTemplate {
    /// Address of the initial image once the program is loaded.
    pub address: usize,
    /// Length of the initial image.
    pub image_len: usize,
    /// Length of each thread's block, at least `image_len`.
    pub block_len: usize,
    /// Alignment of the block: a power of two, at most a page.
    pub align: usize,
}

/// Everything needed to map and start a program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    segments: [Segment; MAX_SEGMENTS],
    len: usize,
    /// Entry address.
    pub entry: usize,
    /// Address of the program headers in memory; 0 when no segment carries them.
    pub headers: usize,
    /// Number of program headers.
    pub header_count: usize,
    /// Thread-local storage, if the program has any.
    pub tls: Option<TlsTemplate>,
}

impl Plan {
    /// Checks the program header table of a file of `file_len` bytes against `user`, the addresses
    /// that a program may occupy. `table` is the part of the file that [`Header::table_offset`] and
    /// [`Header::table_len`] name.
    pub fn new(
        header: &Header,
        table: &[u8],
        file_len: u64,
        user: Range<usize>,
    ) -> Result<Self, ElfError> {
        let table = table
            .get(..header.table_len())
            .ok_or(ElfError::Truncated("program headers"))?;
        let mut plan = Self {
            segments: [Segment::default(); MAX_SEGMENTS],
            len: 0,
            entry: usize::try_from(header.entry).map_err(|_| ElfError::Entry)?,
            headers: 0,
            header_count: header.table_count,
            tls: None,
        };
        let mut tls_header = None;
        for raw in table.chunks_exact(PROGRAM_HEADER_LEN) {
            let ph = ProgramHeader::parse(raw).ok_or(ElfError::Truncated("program headers"))?;
            match ph.kind {
                PT_INTERP => return Err(ElfError::Dynamic),
                PT_LOAD if ph.memory_len == 0 && ph.file_len == 0 => {}
                PT_LOAD => plan.push(ph.segment(file_len, &user)?)?,
                PT_TLS if tls_header.is_some() => {
                    return Err(ElfError::Tls("more than one template"));
                }
                PT_TLS => tls_header = Some(ph),
                _ => {}
            }
        }
        if plan.len == 0 {
            return Err(ElfError::NoSegments);
        }
        if !plan.segments().iter().any(|s| {
            s.protection.execute
                && plan
                    .entry
                    .checked_sub(s.address)
                    .is_some_and(|delta| delta < s.memory_len)
        }) {
            return Err(ElfError::Entry);
        }
        if let Some(ph) = tls_header {
            plan.tls = plan.template(&ph)?;
        }
        plan.headers = plan
            .segments()
            .iter()
            .find_map(|s| s.file_image_contains(header.table_offset, header.table_len()))
            .unwrap_or(0);
        Ok(plan)
    }

    /// Both steps for a file that is wholly in memory.
    pub fn of_file(file: &[u8], user: Range<usize>) -> Result<Self, ElfError> {
        let header = Header::parse(file)?;
        let start = usize::try_from(header.table_offset)
            .map_err(|_| ElfError::Truncated("program headers"))?;
        let table = file
            .get(start..)
            .ok_or(ElfError::Truncated("program headers"))?;
        Self::new(&header, table, file.len() as u64, user)
    }

    /// The segments in ascending order of address.
    #[must_use]
    pub fn segments(&self) -> &[Segment] {
        self.segments.get(..self.len).unwrap_or(&[])
    }

    /// The address after the last page of the program.
    #[must_use]
    pub fn end(&self) -> usize {
        self.segments().last().map_or(0, |s| s.pages().end)
    }

    fn push(&mut self, segment: Segment) -> Result<(), ElfError> {
        if segment.pages().start < self.end() {
            return Err(ElfError::Segment("overlaps or is below the one before it"));
        }
        let slot = self
            .segments
            .get_mut(self.len)
            .ok_or(ElfError::TooMany("loadable segments"))?;
        *slot = segment;
        self.len += 1;
        Ok(())
    }

    fn template(&self, ph: &ProgramHeader) -> Result<Option<TlsTemplate>, ElfError> {
        let narrow = |v: u64| usize::try_from(v).map_err(|_| ElfError::Tls("too long"));
        let (address, image_len, block_len) = (
            narrow(ph.address)?,
            narrow(ph.file_len)?,
            narrow(ph.memory_len)?,
        );
        let align = narrow(ph.align)?.max(1);
        if block_len == 0 {
            return Ok(None);
        }
        if image_len > block_len {
            return Err(ElfError::Tls("image longer than the block"));
        }
        if block_len > MAX_TLS {
            return Err(ElfError::Tls("too long"));
        }
        if !align.is_power_of_two() || align > PAGE_SIZE {
            return Err(ElfError::Tls("alignment is no power of two up to a page"));
        }
        let inside = image_len == 0
            || self.segments().iter().any(|s| {
                s.protection.read
                    && address
                        .checked_sub(s.address)
                        .and_then(|delta| delta.checked_add(image_len))
                        .is_some_and(|end| end <= s.file_len)
            });
        if !inside {
            return Err(ElfError::Tls("image is not inside a loaded segment"));
        }
        Ok(Some(TlsTemplate {
            address,
            image_len,
            block_len,
            align,
        }))
    }
}

/// The TLS template of a program that is loaded and running, from its own program header table. The
/// program was checked when it was started; here only what the run-time computes with is.
#[must_use]
pub fn loaded_tls(table: &[u8]) -> Option<TlsTemplate> {
    let ph = table
        .chunks_exact(PROGRAM_HEADER_LEN)
        .filter_map(ProgramHeader::parse)
        .find(|ph| ph.kind == PT_TLS && ph.memory_len != 0)?;
    let align = usize::try_from(ph.align).ok()?.max(1);
    let template = TlsTemplate {
        address: usize::try_from(ph.address).ok()?,
        image_len: usize::try_from(ph.file_len).ok()?,
        block_len: usize::try_from(ph.memory_len).ok()?,
        align,
    };
    let sound = template.image_len <= template.block_len
        && template.block_len <= MAX_TLS
        && align.is_power_of_two();
    sound.then_some(template)
}

/// Longest accepted thread-local block, in bytes: it is allocated once per thread.
pub const MAX_TLS: usize = 64 << 20;

struct ProgramHeader {
    kind: u32,
    flags: u32,
    offset: u64,
    address: u64,
    file_len: u64,
    memory_len: u64,
    align: u64,
}

impl ProgramHeader {
    fn parse(raw: &[u8]) -> Option<Self> {
        Some(Self {
            kind: u32_at(raw, 0)?,
            flags: u32_at(raw, 4)?,
            offset: u64_at(raw, 8)?,
            address: u64_at(raw, 16)?,
            file_len: u64_at(raw, 32)?,
            memory_len: u64_at(raw, 40)?,
            align: u64_at(raw, 48)?,
        })
    }

    fn segment(&self, file_len: u64, user: &Range<usize>) -> Result<Segment, ElfError> {
        if self.file_len > self.memory_len {
            return Err(ElfError::Segment("longer in the file than in memory"));
        }
        if self
            .offset
            .checked_add(self.file_len)
            .is_none_or(|end| end > file_len)
        {
            return Err(ElfError::Truncated("segments"));
        }
        if self.align > 1 {
            if !self.align.is_power_of_two() {
                return Err(ElfError::Segment("alignment is no power of two"));
            }
            if self.address % self.align != self.offset % self.align {
                return Err(ElfError::Segment(
                    "address and file offset disagree modulo the alignment",
                ));
            }
        }
        let range = || {
            let start = usize::try_from(self.address).ok()?;
            let end = start.checked_add(usize::try_from(self.memory_len).ok()?)?;
            (page_floor(start) >= user.start && page_ceil(end)? <= user.end).then_some(start)
        };
        let address = range().ok_or(ElfError::Segment("outside the user's addresses"))?;
        Ok(Segment {
            address,
            file_offset: self.offset,
            // Both fit: they are at most `memory_len`, which was converted above.
            file_len: self.file_len as usize,
            memory_len: self.memory_len as usize,
            protection: Protection {
                read: self.flags & PF_R != 0,
                write: self.flags & PF_W != 0,
                execute: self.flags & PF_X != 0,
            },
        })
    }
}

#[cfg(test)]
mod tests;
