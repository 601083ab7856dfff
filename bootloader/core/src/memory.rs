//! What a firmware's memory map means to the kernel.

use boot_info::{MAX_REGIONS, MemoryKind, MemoryRegion, Region};

use crate::PAGE;

/// A range of the firmware's map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Descriptor {
    /// Physical address of the first page.
    pub base: u64,
    /// How many 4 KiB pages.
    pub pages: u64,
    /// What the firmware says is there.
    pub kind: MemoryKind,
}

impl Descriptor {
    /// A descriptor from UEFI's numbers: `memory_type` is an `EFI_MEMORY_TYPE`. Memory of boot
    /// services and of the loader is usable, since both are over when the kernel reads this; memory
    /// of run-time services, of a type unknown here, or of unusual technology is reserved.
    pub const fn from_uefi(memory_type: u32, base: u64, pages: u64) -> Self {
        let kind = match memory_type {
            1..=4 | 7 => MemoryKind::Usable,
            9 => MemoryKind::AcpiReclaimable,
            10 => MemoryKind::AcpiNvs,
            _ => MemoryKind::Reserved,
        };
        Self { base, pages, kind }
    }

    fn range(&self) -> Option<(u64, u64)> {
        let end = self.base.checked_add(self.pages.checked_mul(PAGE)?)?;
        (self.base < end && self.base.is_multiple_of(PAGE)).then_some((self.base, end))
    }
}

/// The map in [`boot_info::BootInfo`]'s form.
#[derive(Clone, Copy, Debug)]
pub struct Map {
    regions: [MemoryRegion; MAX_REGIONS],
    len: usize,
}

impl Map {
    /// Sorts and merges `descriptors`. Where they overlap the more cautious one holds. Descriptors
    /// that are not page-aligned or wrap around are dropped, which makes their memory unusable.
    ///
    /// When the map has more than [`MAX_REGIONS`] regions, reserved ones go first (what is not
    /// listed is not touched either), then the smallest.
    ///
    /// Allocates nothing: it runs when the firmware is gone and the heap with it.
    pub fn new(descriptors: impl Iterator<Item = Descriptor> + Clone) -> Self {
        let mut map = Self {
            regions: [MemoryRegion::default(); MAX_REGIONS],
            len: 0,
        };
        let ranges = descriptors.filter_map(|d| d.range().map(|range| (range, d.kind)));
        // A sweep over the boundaries, in ascending order: quadratic, and with a few hundred
        // descriptors still instant.
        let mut at = 0;
        loop {
            let mut kind: Option<MemoryKind> = None;
            let mut boundary = u64::MAX;
            for ((start, end), its_kind) in ranges.clone() {
                if start > at {
                    boundary = boundary.min(start);
                } else if end > at {
                    boundary = boundary.min(end);
                    kind = Some(match kind {
                        Some(other) if caution(other) > caution(its_kind) => other,
                        _ => its_kind,
                    });
                }
            }
            if let Some(kind) = kind {
                map.push(at, boundary - at, kind);
            } else if boundary == u64::MAX {
                return map;
            }
            at = boundary;
        }
    }

    /// The regions: ascending, not overlapping, neighbours of one kind merged.
    pub fn regions(&self) -> &[MemoryRegion] {
        self.regions.get(..self.len).unwrap_or(&[])
    }

    /// The first address above all memory that the kernel may touch.
    pub fn end_of_ram(&self) -> u64 {
        let ram = self
            .regions()
            .iter()
            .filter(|r| r.kind() != MemoryKind::Reserved);
        ram.map(|r| r.region.base.saturating_add(r.region.len))
            .max()
            .unwrap_or(0)
    }

    fn push(&mut self, base: u64, len: u64, kind: MemoryKind) {
        if let Some(last) = self
            .len
            .checked_sub(1)
            .and_then(|i| self.regions.get_mut(i))
            && last.kind() == kind
            && last.region.base.checked_add(last.region.len) == Some(base)
        {
            last.region.len = last.region.len.saturating_add(len);
            return;
        }
        if self.len == MAX_REGIONS {
            self.retain(|region| region.kind() != MemoryKind::Reserved);
        }
        if self.len == MAX_REGIONS {
            let smallest = self.regions().iter().map(|r| r.region.len).min();
            let mut dropped = false;
            self.retain(|region| {
                let drop = !dropped && Some(region.region.len) == smallest;
                dropped |= drop;
                !drop
            });
        }
        if let Some(free) = self.regions.get_mut(self.len) {
            *free = MemoryRegion {
                region: Region { base, len },
                kind_raw: kind as u32,
                reserved: 0,
            };
            self.len = self.len.saturating_add(1);
        }
    }

    fn retain(&mut self, mut keep: impl FnMut(&MemoryRegion) -> bool) {
        let mut kept = 0;
        for index in 0..self.len {
            let region = self.regions[index];
            if keep(&region) {
                self.regions[kept] = region;
                kept += 1;
            }
        }
        self.len = kept;
    }
}

const fn caution(kind: MemoryKind) -> u8 {
    match kind {
        MemoryKind::Usable => 0,
        MemoryKind::AcpiReclaimable => 1,
        MemoryKind::AcpiNvs => 2,
        MemoryKind::Reserved => 3,
    }
}
