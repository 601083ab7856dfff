//! Memory maps: tables of small ones, and properties of any.

use boot_core::memory::{Descriptor, Map};
use boot_info::{
    MAX_REGIONS,
    MemoryKind::{self, *},
};
use proptest::prelude::*;

fn pages(base: u64, pages: u64, kind: MemoryKind) -> Descriptor {
    Descriptor {
        base: base * 4096,
        pages,
        kind,
    }
}

/// First page, page count, kind.
type Pages = (u64, u64, MemoryKind);

fn map(descriptors: &[Descriptor]) -> Vec<Pages> {
    let map = Map::new(descriptors.iter().copied());
    let region =
        |r: &boot_info::MemoryRegion| (r.region.base / 4096, r.region.len / 4096, r.kind());
    map.regions().iter().map(region).collect()
}

#[test]
fn uefi_types() {
    let kinds: Vec<_> = (0..18)
        .map(|t| Descriptor::from_uefi(t, 0, 1).kind)
        .collect();
    let mut expected = [Reserved; 18];
    for usable in [1, 2, 3, 4, 7] {
        expected[usable] = Usable;
    }
    expected[9] = AcpiReclaimable;
    expected[10] = AcpiNvs;
    assert_eq!(kinds, expected);
    assert_eq!(Descriptor::from_uefi(0x8000_0001, 0, 1).kind, Reserved);
}

#[test]
fn sorted_merged_and_cautious() {
    let cases: &[(&str, &[Descriptor], &[Pages])] = &[
        ("nothing", &[], &[]),
        ("from zero", &[pages(0, 1, Usable)], &[(0, 1, Usable)]),
        (
            "order and neighbours",
            &[
                pages(8, 2, Usable),
                pages(2, 3, Usable),
                pages(5, 3, Usable),
                pages(20, 1, AcpiNvs),
            ],
            &[(2, 8, Usable), (20, 1, AcpiNvs)],
        ),
        (
            "neighbours of two kinds stay apart",
            &[pages(1, 1, Usable), pages(2, 1, AcpiReclaimable)],
            &[(1, 1, Usable), (2, 1, AcpiReclaimable)],
        ),
        (
            "reserved inside usable",
            &[pages(0, 10, Usable), pages(4, 2, Reserved)],
            &[(0, 4, Usable), (4, 2, Reserved), (6, 4, Usable)],
        ),
        (
            "ACPI over usable, reserved over ACPI",
            &[
                pages(0, 4, AcpiReclaimable),
                pages(2, 4, Usable),
                pages(3, 1, Reserved),
            ],
            &[(0, 3, AcpiReclaimable), (3, 1, Reserved), (4, 2, Usable)],
        ),
        (
            "nonsense is dropped",
            &[
                pages(1, 1, Usable),
                pages(3, 0, Usable),
                Descriptor {
                    base: 12,
                    pages: 1,
                    kind: Usable,
                },
                Descriptor {
                    base: 4096,
                    pages: u64::MAX,
                    kind: Usable,
                },
                Descriptor {
                    base: u64::MAX - 4095,
                    pages: 1,
                    kind: Reserved,
                },
            ],
            &[(1, 1, Usable)],
        ),
    ];
    for (name, descriptors, expected) in cases {
        assert_eq!(map(descriptors), *expected, "{name}");
    }
}

#[test]
fn a_map_too_long_loses_reserved_regions_first_then_the_smallest() {
    let mixed: Vec<_> = (0..200)
        .flat_map(|i| [pages(4 * i, 1, Usable), pages(4 * i + 1, 1, Reserved)])
        .collect();
    let usable: Vec<_> = (0..200).map(|i| (4 * i, 1, Usable)).collect();
    let kept = map(&mixed);
    assert_eq!(
        kept.iter()
            .copied()
            .filter(|r| r.2 == Usable)
            .collect::<Vec<_>>(),
        usable
    );

    let small_first: Vec<_> = (0..300)
        .map(|i| pages(10 * i, 1 + u64::from(i > 50), Usable))
        .collect();
    let kept = map(&small_first);
    assert_eq!(kept.len(), MAX_REGIONS);
    assert_eq!(kept.iter().filter(|r| r.1 == 2).count(), 249);
}

#[test]
fn the_end_of_ram_ignores_reserved_ranges() {
    let map = Map::new(
        [
            pages(0, 100, Usable),
            pages(100, 1, AcpiNvs),
            pages(5000, 9, Reserved),
        ]
        .into_iter(),
    );
    assert_eq!(map.end_of_ram(), 101 * 4096);
}

fn any_descriptor() -> impl Strategy<Value = Descriptor> {
    let kind = prop_oneof![
        Just(Usable),
        Just(Reserved),
        Just(AcpiNvs),
        Just(AcpiReclaimable)
    ];
    (0u64..64, 0u64..16, kind).prop_map(|(base, n, kind)| pages(base, n, kind))
}

proptest! {
    /// Page by page, the map says what the most cautious descriptor of that page says.
    #[test]
    fn every_page_has_its_most_cautious_kind(descriptors in proptest::collection::vec(any_descriptor(), 0..20)) {
        let regions = map(&descriptors);
        for pair in regions.windows(2) {
            prop_assert!(pair[0].0 + pair[0].1 <= pair[1].0);
            prop_assert!(pair[0].0 + pair[0].1 < pair[1].0 || pair[0].2 != pair[1].2);
        }
        let caution = [Usable, AcpiReclaimable, AcpiNvs, Reserved];
        for page in 0..80 {
            let told = descriptors.iter().filter(|d| d.base / 4096 <= page && page < d.base / 4096 + d.pages);
            let expected = told.map(|d| d.kind).max_by_key(|kind| caution.iter().position(|c| c == kind));
            let found = regions.iter().find(|r| r.0 <= page && page < r.0 + r.1).map(|r| r.2);
            prop_assert_eq!(found, expected, "page {}", page);
        }
    }
}
