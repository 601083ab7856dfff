//! Page tables in a table of arrays, walked as the processor would.

use boot_core::paging::{MapError, Space, Tables};
use proptest::prelude::*;

struct Memory {
    tables: Vec<[u64; 512]>,
    limit: usize,
}

const BASE: u64 = 0x7000_0000;

impl Memory {
    fn new(limit: usize) -> Self {
        Self {
            tables: Vec::new(),
            limit,
        }
    }

    fn at(table: u64) -> usize {
        ((table - BASE) / 4096) as usize
    }
}

impl Tables for Memory {
    fn allocate(&mut self) -> Option<u64> {
        (self.tables.len() < self.limit).then(|| {
            self.tables.push([0; 512]);
            BASE + 4096 * (self.tables.len() as u64 - 1)
        })
    }
    fn read(&self, table: u64, index: usize) -> u64 {
        self.tables[Self::at(table)][index]
    }
    fn write(&mut self, table: u64, index: usize, entry: u64) {
        self.tables[Self::at(table)][index] = entry;
    }
}

const GIB: u64 = 1 << 30;
const KERNEL: u64 = 0xffff_ffff_8020_0000;

#[test]
fn identity_and_kernel_side_by_side() {
    let mut memory = Memory::new(100);
    let space = Space::new(&mut memory).unwrap();
    space.map(&mut memory, 0, 0, 6 * GIB).unwrap();
    space
        .map(&mut memory, KERNEL, 0x1234_5000, 0x40_3000)
        .unwrap();
    for (virt, phys) in [
        (0, Some(0)),
        (0xb8123, Some(0xb8123)),
        (6 * GIB - 1, Some(6 * GIB - 1)),
        (6 * GIB, None),
        (KERNEL - 1, None),
        (KERNEL, Some(0x1234_5000)),
        (KERNEL + 0x40_2fff, Some(0x1274_7fff)),
        (KERNEL + 0x40_3000, None),
        (0x8000_0000_0000, None),
    ] {
        assert_eq!(space.translate(&memory, virt), phys, "{virt:#x}");
    }
    // Root, one table of 512 GiB and six of 1 GiB; for the kernel one each, and three of 2 MiB.
    assert_eq!(memory.tables.len(), 1 + 1 + 6 + 1 + 1 + 3);
}

#[test]
fn entries_carry_present_and_writable_only() {
    let mut memory = Memory::new(10);
    let space = Space::new(&mut memory).unwrap();
    space
        .map(&mut memory, 0x20_0000, 0x40_0000, 0x20_1000)
        .unwrap();
    let entries: Vec<u64> = memory
        .tables
        .iter()
        .flatten()
        .copied()
        .filter(|&e| e != 0)
        .collect();
    let t = |n: u64| BASE + 4096 * n;
    assert_eq!(
        entries,
        [t(1) | 3, t(2) | 3, 0x40_0083, t(3) | 3, 0x60_0003]
    );
}

#[test]
fn what_cannot_be_mapped() {
    let cases = [
        ("unaligned", (0x1001, 0, 0x1000), MapError::BadRange),
        ("length", (0x1000, 0, 0x10), MapError::BadRange),
        ("wraps", (u64::MAX - 0xfff, 0, 0x2000), MapError::BadRange),
        (
            "the hole",
            (0x7fff_ffff_f000, 0, 0x2000),
            MapError::BadRange,
        ),
        (
            "both halves",
            (0, 0, 0xffff_8000_0000_1000),
            MapError::BadRange,
        ),
        (
            "beyond physical memory",
            (0, 1 << 52, 0x1000),
            MapError::BadRange,
        ),
        ("taken", (0x5000, 0x6000, 0x1000), MapError::Taken(0x5000)),
        (
            "taken by a large page",
            (0x40_1000, 0x1000, 0x1000),
            MapError::Taken(0x40_1000),
        ),
        ("taken by a table", (0, 0, 0x20_0000), MapError::Taken(0)),
        ("no memory", (0x4000_0000, 0, 0x1000), MapError::NoMemory),
    ];
    for (name, (virt, phys, len), error) in cases {
        let mut memory = Memory::new(4);
        let space = Space::new(&mut memory).unwrap();
        space.map(&mut memory, 0x5000, 0x5000, 0x1000).unwrap();
        space
            .map(&mut memory, 0x40_0000, 0x40_0000, 0x20_0000)
            .unwrap();
        assert_eq!(
            space.map(&mut memory, virt, phys, len),
            Err(error),
            "{name}"
        );
    }
}

#[test]
fn mapping_the_same_again_changes_nothing() {
    let mut memory = Memory::new(10);
    let space = Space::new(&mut memory).unwrap();
    space.map(&mut memory, 0, 0, 0x40_1000).unwrap();
    let before = memory.tables.clone();
    space
        .map(&mut memory, 0x20_3000, 0x20_3000, 0x1000)
        .unwrap();
    space.map(&mut memory, 0, 0, 0x40_1000).unwrap();
    assert!(memory.tables == before);
}

proptest! {
    #[test]
    fn every_byte_goes_where_it_should(virt in 0u64..2048, phys in 0u64..2048, pages in 1u64..1500, probe in any::<u64>()) {
        let mut memory = Memory::new(20);
        let space = Space::new(&mut memory).unwrap();
        let (virt, phys, len) = (virt * 4096, phys * 4096, pages * 4096);
        space.map(&mut memory, virt, phys, len).unwrap();
        let probe = probe % (16 << 20);
        let expected = (virt..virt + len).contains(&probe).then(|| probe - virt + phys);
        prop_assert_eq!(space.translate(&memory, probe), expected);
    }
}
