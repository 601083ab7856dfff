//! What an entry of a page table says.

use super::{ADDRESS_MASK, COUNT_MASK, COUNT_SHIFT, PAGE_SHIFT};
use crate::frames::Frame;

/// What may be done with a page.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Prot(u8);

impl Prot {
    /// Nothing.
    pub const NONE: Self = Self(0);
    /// Load. On x86-64 whatever may be written or executed can also be loaded.
    pub const READ: Self = Self(1);
    /// Store.
    pub const WRITE: Self = Self(2);
    /// Fetch instructions.
    pub const EXEC: Self = Self(4);
    /// Everything.
    pub const ALL: Self = Self(7);

    /// The protection named by the `PROT_*` bits of map flags.
    pub fn from_map_flags(flags: syscall::MapFlags) -> Self {
        let mut prot = Self::NONE;
        for (flag, bit) in [
            (syscall::MapFlags::PROT_READ, Self::READ),
            (syscall::MapFlags::PROT_WRITE, Self::WRITE),
            (syscall::MapFlags::PROT_EXEC, Self::EXEC),
        ] {
            if flags.contains(flag) {
                prot = prot.union(bit);
            }
        }
        prot
    }

    /// The `PROT_*` bits of map flags.
    pub fn map_flags(self) -> syscall::MapFlags {
        let mut flags = syscall::MapFlags::empty();
        flags.set(syscall::MapFlags::PROT_READ, self.contains(Self::READ));
        flags.set(syscall::MapFlags::PROT_WRITE, self.contains(Self::WRITE));
        flags.set(syscall::MapFlags::PROT_EXEC, self.contains(Self::EXEC));
        flags
    }

    /// What either allows.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// What both allow.
    #[must_use]
    pub const fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Whether this allows all that `other` does.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether nothing is allowed.
    pub const fn is_none(self) -> bool {
        self.0 == 0
    }
}

/// How accesses to a page are cached. The processor's page attribute table must give entry 1 (PWT
/// alone) the write-combining and entry 3 (PWT and PCD) the uncached type.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Cache {
    /// Ordinary memory.
    #[default]
    WriteBack,
    /// Writes are collected and may be reordered: frame buffers.
    WriteCombining,
    /// Every access reaches the device in order.
    Uncached,
}

/// What IA32_PAT (0x277) must hold: the reset value with entry 1 changed from write-through to
/// write-combining.
pub const PAT: u64 = 0x0007_0406_0007_0106;

/// One entry of a page table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Entry(u64);

impl Entry {
    /// No page.
    pub const EMPTY: Self = Self(0);
    /// The page can be accessed at all.
    pub const PRESENT: u64 = 1 << 0;
    /// The page can be written.
    pub const WRITE: u64 = 1 << 1;
    /// User mode may access the page.
    pub const USER: u64 = 1 << 2;
    /// Write-combining; see [`Cache`].
    pub const PWT: u64 = 1 << 3;
    /// Together with PWT: uncached.
    pub const PCD: u64 = 1 << 4;
    /// Set by the processor on the first access.
    pub const ACCESSED: u64 = 1 << 5;
    /// Set by the processor on the first write.
    pub const DIRTY: u64 = 1 << 6;
    /// Ours: copy before the first write.
    pub const COW: u64 = 1 << 9;
    /// Ours: another space sees this very frame and must go on seeing it.
    pub const LENT: u64 = 1 << 10;
    /// Ours: set on every entry that names a page, whether or not it is present.
    pub const PAGE: u64 = 1 << 11;
    /// Ours: the address is not counted memory but a device's.
    pub const DEVICE: u64 = 1 << 52;
    /// Instructions may not be fetched.
    pub const NO_EXECUTE: u64 = 1 << 63;

    /// An entry with these bits.
    pub const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    /// Its bits.
    pub const fn bits(self) -> u64 {
        self.0
    }

    /// An entry for the user page at a physical address. `marks` are [`Self::COW`],
    /// [`Self::LENT`] and [`Self::DEVICE`]; a page to be copied before writing is never writable.
    pub fn page(address: u64, prot: Prot, cache: Cache, marks: u64) -> Self {
        let cache = match cache {
            Cache::WriteBack => 0,
            Cache::WriteCombining => Self::PWT,
            Cache::Uncached => Self::PCD | Self::PWT,
        };
        let marks = marks & (Self::COW | Self::LENT | Self::DEVICE);
        Self((address & ADDRESS_MASK) | Self::PAGE | Self::USER | cache | marks).with_prot(prot)
    }

    /// The same page with another protection.
    #[must_use]
    pub fn with_prot(self, prot: Prot) -> Self {
        let mut bits = self.0 & !(Self::PRESENT | Self::WRITE | Self::NO_EXECUTE);
        if !prot.is_none() {
            bits |= Self::PRESENT;
        }
        if prot.contains(Prot::WRITE) && bits & Self::COW == 0 {
            bits |= Self::WRITE;
        }
        if !prot.contains(Prot::EXEC) {
            bits |= Self::NO_EXECUTE;
        }
        Self(bits)
    }

    /// The same page with these bits set as well.
    #[must_use]
    pub const fn with(self, bits: u64) -> Self {
        Self(self.0 | bits)
    }

    /// The same page without these bits.
    #[must_use]
    pub const fn without(self, bits: u64) -> Self {
        Self(self.0 & !bits)
    }

    /// Whether all these bits are set.
    pub const fn has(self, bits: u64) -> bool {
        self.0 & bits == bits
    }

    /// Whether there is no page.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The physical address it names.
    pub const fn address(self) -> u64 {
        self.0 & ADDRESS_MASK
    }

    /// The frame it names, which for a device may not be memory.
    pub const fn frame(self) -> Option<Frame> {
        Frame::containing(self.address())
    }

    /// An entry that points to a table of `count` entries.
    pub(super) const fn table(frame: Frame, count: u64) -> Self {
        Self(
            frame.address()
                | Self::PRESENT
                | Self::WRITE
                | Self::USER
                | (count << COUNT_SHIFT) & COUNT_MASK,
        )
    }

    /// The table it points to. Tables are allocated frames, so the number fits.
    pub(super) const fn table_frame(self) -> Frame {
        Frame::new((self.address() >> PAGE_SHIFT) as u32)
    }

    /// How many entries the table that it points to has.
    pub(super) const fn count(self) -> u64 {
        (self.0 & COUNT_MASK) >> COUNT_SHIFT
    }
}
