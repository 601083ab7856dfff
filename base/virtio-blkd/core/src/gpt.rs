//! Partitions: the GUID partition table (UEFI 2.10, section 5.3).
//!
//! The first table is used, or if it is damaged, the one at the end of the disk. A table with a wrong
//! checksum, or one that makes no sense, has no partitions; an entry that makes no sense is none.

use alloc::{vec, vec::Vec};

use crc::{CRC_32_ISO_HDLC, Crc};

use crate::{Extent, Geometry};

const CRC: Crc<u32> = Crc::<u32>::new(&CRC_32_ISO_HDLC);
const SIGNATURE: &[u8] = b"EFI PART";
const HEADER: usize = 92;
const ENTRY: usize = 128;
/// Most entries that a table may have, and longest table.
const ENTRIES: usize = 1024;
const TABLE: usize = 128 << 10;

/// A partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Partition {
    /// Its place in the table, from 1 on.
    pub number: u32,
    /// Where it is.
    pub extent: Extent,
}

struct Header {
    /// Blocks that partitions may lie in.
    usable: core::ops::RangeInclusive<u64>,
    table: u64,
    entries: usize,
    entry_len: usize,
    checksum: u32,
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// Reads the partitions of a disk. `read` fills a buffer of whole blocks from a block on, and says
/// whether it could.
pub fn partitions(
    geometry: &Geometry,
    mut read: impl FnMut(u64, &mut [u8]) -> bool,
) -> Vec<Partition> {
    let blocks = geometry
        .sectors
        .checked_div(geometry.sectors_per_block())
        .unwrap_or(0);
    let last = blocks.saturating_sub(1);
    [1, last]
        .into_iter()
        .filter(|block| (1..blocks).contains(block))
        .find_map(|block| table(geometry, block, blocks, &mut read))
        .unwrap_or_default()
}

fn table(
    geometry: &Geometry,
    block: u64,
    blocks: u64,
    read: &mut impl FnMut(u64, &mut [u8]) -> bool,
) -> Option<Vec<Partition>> {
    let size = geometry.block as usize;
    let mut bytes = vec![0; size];
    if !read(block, &mut bytes) {
        return None;
    }
    let header = header(&bytes, block, blocks)?;
    let len = header.entries.checked_mul(header.entry_len)?;
    let whole = len.checked_next_multiple_of(size)?;
    let count = whole.checked_div(size)? as u64;
    let fits = header.table.checked_add(count)? <= blocks;
    if len > TABLE || !fits {
        return None;
    }
    let mut bytes = vec![0; whole];
    if !read(header.table, &mut bytes) {
        return None;
    }
    let entries = bytes.get(..len)?;
    if CRC.checksum(entries) != header.checksum {
        return None;
    }
    let mut found: Vec<Partition> = Vec::new();
    for (number, entry) in (1..).zip(entries.chunks_exact(header.entry_len)) {
        let Some(extent) = extent(entry, &header, geometry.sectors_per_block()) else {
            continue;
        };
        // Of two that overlap, the first is one.
        let end = |extent: &Extent| extent.first.saturating_add(extent.count);
        let free = found
            .iter()
            .all(|other| end(&other.extent) <= extent.first || end(&extent) <= other.extent.first);
        if free {
            found.push(Partition { number, extent });
        }
    }
    Some(found)
}

fn header(bytes: &[u8], block: u64, blocks: u64) -> Option<Header> {
    let len = u32_at(bytes, 12)? as usize;
    let covered = bytes.get(..len).filter(|_| len >= HEADER)?;
    let mut covered = covered.to_vec();
    covered.get_mut(16..20)?.fill(0);
    let good = bytes.starts_with(SIGNATURE)
        && CRC.checksum(&covered) == u32_at(bytes, 16)?
        && u64_at(bytes, 24)? == block;
    let (first, last) = (u64_at(bytes, 40)?, u64_at(bytes, 48)?);
    let entries = u32_at(bytes, 80)? as usize;
    let entry_len = u32_at(bytes, 84)? as usize;
    let sensible = last < blocks
        && entries <= ENTRIES
        && (ENTRY..=4096).contains(&entry_len)
        && entry_len.is_multiple_of(8);
    (good && sensible).then_some(Header {
        usable: first..=last,
        table: u64_at(bytes, 72)?,
        entries,
        entry_len,
        checksum: u32_at(bytes, 88)?,
    })
}

fn extent(entry: &[u8], header: &Header, sectors_per_block: u64) -> Option<Extent> {
    let unused = entry.get(..16)?.iter().all(|byte| *byte == 0);
    let (first, last) = (u64_at(entry, 32)?, u64_at(entry, 40)?);
    let inside = header.usable.contains(&first) && header.usable.contains(&last);
    if unused || first > last || first == 0 || !inside {
        return None;
    }
    let count = last.checked_sub(first)?.checked_add(1)?;
    Some(Extent {
        first: first.checked_mul(sectors_per_block)?,
        count: count.checked_mul(sectors_per_block)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const BLOCKS: u64 = 200;

    struct Disk {
        block: usize,
        bytes: Vec<u8>,
    }

    impl Disk {
        fn put(&mut self, block: u64, at: usize, bytes: &[u8]) {
            let at = block as usize * self.block + at;
            self.bytes[at..at + bytes.len()].copy_from_slice(bytes);
        }

        fn seal(&mut self, block: u64, table: u64) {
            let (size, at) = (self.block, block as usize * self.block);
            let entries = table as usize * size;
            let sum = CRC.checksum(&self.bytes[entries..entries + 4 * ENTRY]);
            self.put(block, 88, &sum.to_le_bytes());
            self.put(block, 16, &[0; 4]);
            let sum = CRC.checksum(&self.bytes[at..at + HEADER]);
            self.put(block, 16, &sum.to_le_bytes());
        }

        /// A disk with these partitions (first and last block) in both tables.
        fn new(block: usize, list: &[(u64, u64)]) -> Self {
            let bytes = vec![0; block * BLOCKS as usize];
            let mut disk = Self { block, bytes };
            for (at, other, table) in [(1, BLOCKS - 1, 2), (BLOCKS - 1, 1, BLOCKS - 2)] {
                disk.put(at, 0, SIGNATURE);
                disk.put(at, 12, &92u32.to_le_bytes());
                for (place, word) in [(24, at), (32, other), (40, 10), (48, 180), (72, table)] {
                    disk.put(at, place, &word.to_le_bytes());
                }
                disk.put(at, 80, &4u32.to_le_bytes());
                disk.put(at, 84, &128u32.to_le_bytes());
                for (index, (first, last)) in list.iter().enumerate() {
                    let entry = index * ENTRY;
                    disk.put(table, entry, &[7; 32]);
                    disk.put(table, entry + 32, &first.to_le_bytes());
                    disk.put(table, entry + 40, &last.to_le_bytes());
                }
                disk.seal(at, table);
            }
            disk
        }

        fn partitions(&self) -> Vec<(u32, u64, u64)> {
            let sectors = self.bytes.len() as u64 / 512;
            let geometry = Geometry::new(sectors, self.block as u32, false);
            let read = |block: u64, into: &mut [u8]| {
                let at = block as usize * self.block;
                let bytes = self.bytes.get(at..at + into.len());
                bytes.is_some_and(|bytes| {
                    into.copy_from_slice(bytes);
                    true
                })
            };
            let list = partitions(&geometry, read);
            list.iter()
                .map(|p| (p.number, p.extent.first, p.extent.count))
                .collect()
        }
    }

    #[test]
    fn partitions_are_found() {
        let list = [(10, 19), (0, 0), (30, 180), (25, 25)];
        let disk = Disk::new(512, &list);
        assert_eq!(disk.partitions(), [(1, 10, 10), (3, 30, 151), (4, 25, 1)]);
        let disk = Disk::new(4096, &list);
        assert_eq!(
            disk.partitions(),
            [(1, 80, 80), (3, 240, 1208), (4, 200, 8)]
        );
    }

    #[test]
    fn the_second_table_helps_out() {
        let mut disk = Disk::new(512, &[(10, 19)]);
        disk.put(1, 50, &[1]);
        assert_eq!(disk.partitions(), [(1, 10, 10)]);
        disk.put(BLOCKS - 1, 50, &[1]);
        assert_eq!(disk.partitions(), []);
    }

    #[test]
    fn entries_that_make_no_sense_are_none() {
        let rows: [(u64, u64); 5] = [(9, 12), (20, 19), (180, 181), (0, 5), (10, u64::MAX)];
        for row in rows {
            let disk = Disk::new(512, &[row, (100, 101)]);
            assert_eq!(disk.partitions(), [(2, 100, 2)], "{row:?}");
        }
        let overlapping = Disk::new(512, &[(10, 20), (20, 30), (21, 22)]);
        assert_eq!(overlapping.partitions(), [(1, 10, 11), (3, 21, 2)]);
    }

    #[test]
    fn tables_that_make_no_sense_are_empty() {
        // Place in the header, value, and how many bytes of it.
        let rows: [(usize, u64, usize); 9] = [
            (0, 0, 1),
            (12, 91, 4),
            (12, u32::MAX as u64, 4),
            (24, 2, 8),
            (48, BLOCKS, 8),
            (72, u64::MAX, 8),
            (72, BLOCKS, 8),
            (80, u32::MAX as u64, 4),
            (84, 127, 4),
        ];
        for (at, value, len) in rows {
            let mut disk = Disk::new(512, &[(10, 19)]);
            for block in [1, BLOCKS - 1] {
                disk.put(block, at, &value.to_le_bytes()[..len]);
                // The header's own checksum is right.
                disk.put(block, 16, &[0; 4]);
                let place = block as usize * 512;
                let sum = CRC.checksum(&disk.bytes[place..place + HEADER]);
                disk.put(block, 16, &sum.to_le_bytes());
            }
            assert_eq!(disk.partitions(), [], "{at} {value}");
        }
        assert!(partitions(&Geometry::new(0, 512, false), |_, _| true).is_empty());
        assert!(partitions(&Geometry::new(9, 512, false), |_, _| false).is_empty());
    }

    proptest! {
        #[test]
        fn damage_is_harmless(damage in prop::collection::vec((0..2048_usize, any::<u8>()), 1..20)) {
            let mut disk = Disk::new(512, &[(10, 19), (30, 40)]);
            for (at, byte) in damage {
                disk.bytes[at] = byte;
            }
            for (_, first, count) in disk.partitions() {
                prop_assert!(count > 0 && first + count <= BLOCKS);
            }
        }

        #[test]
        fn any_header_is_read(bytes in prop::collection::vec(any::<u8>(), 512)) {
            let mut bytes = bytes;
            bytes[..8].copy_from_slice(SIGNATURE);
            let _ = header(&bytes, 1, 100);
        }
    }
}
