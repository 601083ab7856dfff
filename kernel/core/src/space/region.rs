//! What the pages of an address space are, and what callers say when they ask for some.

use core::num::NonZeroU32;
use syscall::error::{EACCES, EEXIST, EFAULT, EINVAL, ENOMEM};
use syscall::{GrantFlags, MapFlags};

use crate::NoMemory;
use crate::paging::{Cache, PAGE_SHIFT, PageRange, Prot};
use crate::vmap::{Content, InsertError};

/// Where the pages of a region come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Zeroed memory, allocated at the first access.
    Anon,
    /// Frames that were put there when the region was mapped, counted.
    Frames,
    /// Frames that were put there when the region was mapped, adjacent in physical memory.
    Contiguous,
    /// Physical addresses of a device; nothing is counted.
    Device {
        /// Physical address of the first page.
        base: u64,
        /// How it is cached.
        cache: Cache,
    },
}

/// In place of a call's number ([`super::Lend::Call`]): pages that are there for any call, and stay.
pub const STANDING: NonZeroU32 = NonZeroU32::MIN;

/// One region: pages of one kind with one protection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Region {
    /// Where the pages come from.
    pub kind: Kind,
    /// What is allowed now.
    pub prot: Prot,
    /// What `mprotect` may ever allow.
    pub max: Prot,
    /// A copy of the space sees the same pages (`MAP_SHARED`), not copies of them.
    pub shared: bool,
    /// Which call it is here for, if only for the time of one ([`super::Lend::Call`]).
    pub lent: Option<NonZeroU32>,
    /// The caller's name for what is mapped, reported when pages of it go away.
    pub record: Option<u32>,
    /// Offset in bytes of the first page in what `record` names.
    pub offset: u64,
}

const fn bytes(pages: usize) -> u64 {
    (pages as u64) << PAGE_SHIFT
}

impl Content for Region {
    fn advance(&self, pages: usize) -> Self {
        let mut next = *self;
        if next.record.is_some() {
            next.offset = next.offset.saturating_add(bytes(pages));
        }
        if let Kind::Device { base, .. } = &mut next.kind {
            *base = base.saturating_add(bytes(pages));
        }
        next
    }

    fn continued_by(&self, pages: usize, next: &Self) -> bool {
        // Two runs of adjacent frames are adjacent to each other only by chance. What is lent goes back
        // at a time of its own, which must not need memory for a cut.
        let goes_back = self.lent.is_some_and(|call| call != STANDING);
        self.kind != Kind::Contiguous && !goes_back && self.advance(pages) == *next
    }
}

impl Region {
    /// The description that a listing of the space shows.
    pub(super) fn describe(&self, range: PageRange) -> syscall::GrantDesc {
        let mut flags = GrantFlags::empty();
        flags.set(GrantFlags::GRANT_READ, self.prot.contains(Prot::READ));
        flags.set(GrantFlags::GRANT_WRITE, self.prot.contains(Prot::WRITE));
        flags.set(GrantFlags::GRANT_EXEC, self.prot.contains(Prot::EXEC));
        flags.set(GrantFlags::GRANT_SHARED, self.shared);
        flags.set(GrantFlags::GRANT_LAZY, self.kind == Kind::Anon);
        flags.set(GrantFlags::GRANT_SCHEME, self.record.is_some());
        let mut offset = self.offset;
        match self.kind {
            Kind::Device { base, .. } => {
                flags |= GrantFlags::GRANT_PHYS;
                offset = base;
            }
            Kind::Contiguous => flags |= GrantFlags::GRANT_PHYS_CONTIGUOUS,
            Kind::Anon | Kind::Frames => {}
        }
        syscall::GrantDesc {
            base: range.base(),
            size: range.size(),
            flags,
            offset,
        }
    }

    /// The report of `range` being mapped or unmapped, if anybody is to know.
    pub(super) fn report(&self, range: PageRange) -> Option<Mapped> {
        Some(Mapped {
            record: self.record?,
            offset: self.offset,
            base: range.base(),
            size: range.size(),
            dirty: self.shared && self.max.contains(Prot::WRITE),
        })
    }
}

/// Pages of a record that were mapped once more, or are not mapped any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mapped {
    /// The name that the caller gave.
    pub record: u32,
    /// Offset in bytes in what the record names.
    pub offset: u64,
    /// Address of the first page.
    pub base: usize,
    /// Length in bytes.
    pub size: usize,
    /// What is behind may have been written through this mapping.
    pub dirty: bool,
}

/// Told of every run of pages with a record that an operation unmaps.
pub type OnRelease<'a> = &'a mut dyn FnMut(Mapped);

/// Where something is to be mapped, and how.
#[derive(Clone, Copy, Debug)]
pub struct Request {
    /// The address: required with `MAP_FIXED`, otherwise a hint; 0 for none.
    pub address: usize,
    /// Bytes, rounded up to pages.
    pub size: usize,
    /// `PROT_*`, `MAP_SHARED` or `MAP_PRIVATE`, `MAP_FIXED` or `MAP_FIXED_NOREPLACE`.
    pub flags: MapFlags,
    /// No lower address is chosen (it can still be asked for).
    pub min: usize,
}

/// What comes with a [`super::Loan`] when it is mapped.
#[derive(Clone, Copy, Debug)]
pub struct Terms {
    /// The caller's name for what is mapped.
    pub record: Option<u32>,
    /// Offset in bytes of the first page in what the record names.
    pub offset: u64,
    /// What the receiver may ever do with the pages; the lender's own limits apply as well.
    pub max: Prot,
}

/// What an access was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Load.
    Read,
    /// Store.
    Write,
    /// Instruction fetch.
    Exec,
}

/// Why an access cannot be made possible.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Segv {
    /// Nothing is mapped there.
    Unmapped,
    /// The mapping does not allow it.
    Protection,
    /// It is allowed, but there is no memory for the page.
    NoMemory,
}

/// Why an operation on an address space failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpaceError {
    /// No memory, no room in the address space, or too many regions.
    NoMemory,
    /// Address, size or flags that make no sense.
    Invalid,
    /// `MAP_FIXED_NOREPLACE` on pages that are mapped.
    Exists,
    /// More than the mapping may ever allow.
    Access,
    /// An address range with holes, or outside the user half.
    Fault,
}

impl SpaceError {
    /// The error number that a program sees.
    pub const fn errno(self) -> i32 {
        match self {
            Self::NoMemory => ENOMEM,
            Self::Invalid => EINVAL,
            Self::Exists => EEXIST,
            Self::Access => EACCES,
            Self::Fault => EFAULT,
        }
    }
}

impl From<SpaceError> for syscall::Error {
    fn from(error: SpaceError) -> Self {
        Self::new(error.errno())
    }
}

impl From<NoMemory> for SpaceError {
    fn from(_: NoMemory) -> Self {
        Self::NoMemory
    }
}

impl From<InsertError> for SpaceError {
    fn from(error: InsertError) -> Self {
        match error {
            InsertError::Overlap => Self::Exists,
            InsertError::NoMemory => Self::NoMemory,
        }
    }
}

impl From<Segv> for SpaceError {
    fn from(segv: Segv) -> Self {
        match segv {
            Segv::Unmapped | Segv::Protection => Self::Fault,
            Segv::NoMemory => Self::NoMemory,
        }
    }
}
