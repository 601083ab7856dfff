//! Any bytes as the firmware's tables, and any memory map.
#![no_main]

use boot_info::{MemoryRegion, Region};
use kernel_boot_core::{acpi, clock, memmap};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (&[u8], Vec<(u64, u64, u32)>, Vec<(u64, u64)>)| {
    let (table, map, holes) = input;
    let _ = acpi::rsdp(table);
    if let Some((_, len)) = acpi::header(table) {
        assert!(len >= acpi::HEADER_LEN);
    }
    for wide in [false, true] {
        let size = if wide { 8 } else { 4 };
        let entries = acpi::root_entries(table, wide).count();
        assert!(entries <= table.len().saturating_sub(acpi::HEADER_LEN) / size);
    }
    assert!(acpi::madt_entries(table).count() <= table.len() / 2);
    let _ = (
        acpi::madt_local_apic(table),
        acpi::fadt(table),
        acpi::sleep_type_off(table),
    );
    for (a, b, _) in &map {
        if let Some(scale) = clock::Scale::between(*a, *b) {
            let _ = scale.apply(*b);
        }
        let _ = (clock::frequency(*a, *b, 1_193_182), clock::snap(*a));
    }

    let map: Vec<_> = map
        .into_iter()
        .map(|(base, len, kind_raw)| MemoryRegion {
            region: Region { base, len },
            kind_raw: kind_raw % 8,
            reserved: 0,
        })
        .collect();
    let holes: Vec<_> = holes
        .into_iter()
        .map(|(base, len)| Region { base, len })
        .collect();
    let mut normal = vec![
        MemoryRegion {
            region: Region { base: 0, len: 0 },
            kind_raw: 0,
            reserved: 0,
        };
        2 * map.len() + 1
    ];
    let count = memmap::normalise(&map, &mut normal).expect("room for every boundary");
    let regions = || normal.iter().take(count).map(|r| &r.region);
    assert!(regions().all(|r| r.len > 0));
    assert!(
        regions()
            .zip(regions().skip(1))
            .all(|(a, b)| memmap::end(a) <= b.base)
    );
    let mut free = vec![Region { base: 0, len: 0 }; 2 * (count + holes.len()) + 1];
    let count = memmap::free_pages(&normal[..count], &holes, &mut free).expect("room as above");
    for region in &free[..count] {
        assert_eq!((region.base % 4096, region.len % 4096), (0, 0));
        for hole in holes.iter().filter(|hole| hole.len > 0) {
            let apart = memmap::end(region) <= hole.base || memmap::end(hole) <= region.base;
            assert!(apart, "{region:?} and {hole:?}");
        }
    }
});
