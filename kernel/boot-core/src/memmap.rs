//! Memory maps: making one orderly, and finding what of it is free.

use boot_info::{MemoryKind, MemoryRegion, Region};

/// Bytes in a page.
pub const PAGE: u64 = 4096;

/// Physical addresses end here: 52 bits is the most an x86-64 CPU has.
pub const PHYS_END: u64 = 1 << 52;

/// The output array is too short for the regions found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooMany;

/// The address after the last byte of `region`, capped at [`PHYS_END`].
pub fn end(region: &Region) -> u64 {
    region.base.saturating_add(region.len).min(PHYS_END)
}

/// Rounds down to a page boundary.
pub fn page_floor(addr: u64) -> u64 {
    addr & !PAGE.wrapping_sub(1)
}

/// Rounds up to a page boundary, not beyond [`PHYS_END`].
pub fn page_ceil(addr: u64) -> u64 {
    page_floor(addr.min(PHYS_END).saturating_add(PAGE.wrapping_sub(1)))
}

/// How much a kind forbids; of two that claim the same byte the stronger wins.
fn strength(kind: MemoryKind) -> u8 {
    match kind {
        MemoryKind::Usable => 1,
        MemoryKind::AcpiReclaimable => 2,
        MemoryKind::AcpiNvs => 3,
        MemoryKind::Reserved => 4,
    }
}

/// The first boundary of any of `regions` above `pos`.
fn next_boundary(regions: impl Iterator<Item = Region>, pos: u64) -> Option<u64> {
    regions
        .flat_map(|r| [r.base.min(PHYS_END), end(&r)])
        .filter(|b| *b > pos)
        .min()
}

fn covers(region: &Region, pos: u64) -> bool {
    region.base <= pos && pos < end(region)
}

/// Writes the map that `input` means into `output`, ascending, without overlaps or empty regions,
/// neighbours of one kind merged, and returns how many regions that took. Where regions overlap
/// the most restrictive kind wins.
pub fn normalise(input: &[MemoryRegion], output: &mut [MemoryRegion]) -> Result<usize, TooMany> {
    let mut len = 0usize;
    let mut pos = 0;
    loop {
        let stop = next_boundary(input.iter().map(|r| r.region), pos);
        let Some(stop) = stop else { return Ok(len) };
        let kind = input
            .iter()
            .filter(|r| covers(&r.region, pos))
            .map(MemoryRegion::kind)
            .max_by_key(|k| strength(*k));
        if let Some(kind) = kind {
            let size = stop.saturating_sub(pos);
            let last = len.checked_sub(1).and_then(|i| output.get_mut(i));
            match last {
                Some(last) if last.kind() == kind && end(&last.region) == pos => {
                    last.region.len = last.region.len.saturating_add(size);
                }
                _ => {
                    *output.get_mut(len).ok_or(TooMany)? = MemoryRegion {
                        region: Region {
                            base: pos,
                            len: size,
                        },
                        kind_raw: kind as u32,
                        reserved: 0,
                    };
                    len = len.saturating_add(1);
                }
            }
        }
        pos = stop;
    }
}

/// The whole pages that are usable in each region of `map`; of a page in part there is nothing, since
/// the rest of it is the firmware's.
pub fn usable_pages(map: &[MemoryRegion]) -> impl Iterator<Item = Region> {
    map.iter()
        .filter(|r| r.kind() == MemoryKind::Usable)
        .map(|r| {
            let base = page_ceil(r.region.base);
            Region {
                base,
                len: page_floor(end(&r.region)).saturating_sub(base),
            }
        })
}

/// The pages that `region` touches.
pub fn pages_of(region: &Region) -> Region {
    let base = page_floor(region.base);
    Region {
        base,
        len: page_ceil(end(region)).saturating_sub(base),
    }
}

/// Whether two regions have a byte in common.
pub fn overlap(a: &Region, b: &Region) -> bool {
    a.len != 0
        && b.len != 0
        && a.base < b.base.saturating_add(b.len)
        && b.base < a.base.saturating_add(a.len)
}

/// Writes into `output` the whole pages that `map` calls usable and no region of `holes` touches,
/// ascending and merged, and returns how many regions that took.
pub fn free_pages(
    map: &[MemoryRegion],
    holes: &[Region],
    output: &mut [Region],
) -> Result<usize, TooMany> {
    let usable = || usable_pages(map);
    let taken = || holes.iter().filter(|r| r.len != 0).map(pages_of);
    let mut len = 0usize;
    let mut pos = 0;
    while let Some(stop) = next_boundary(usable().chain(taken()), pos) {
        let free = usable().any(|r| covers(&r, pos)) && !taken().any(|r| covers(&r, pos));
        if free {
            let size = stop.saturating_sub(pos);
            match len.checked_sub(1).and_then(|i| output.get_mut(i)) {
                Some(last) if end(last) == pos => last.len = last.len.saturating_add(size),
                _ => {
                    *output.get_mut(len).ok_or(TooMany)? = Region {
                        base: pos,
                        len: size,
                    };
                    len = len.saturating_add(1);
                }
            }
        }
        pos = stop;
    }
    Ok(len)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::vec::Vec;

    fn region(base: u64, len: u64, kind: MemoryKind) -> MemoryRegion {
        MemoryRegion {
            region: Region { base, len },
            kind_raw: kind as u32,
            reserved: 0,
        }
    }

    fn normal(input: &[MemoryRegion]) -> Vec<MemoryRegion> {
        let mut out = [MemoryRegion::default(); 64];
        let n = normalise(input, &mut out).unwrap();
        out[..n].to_vec()
    }

    #[test]
    fn what_overlaps() {
        let of = |base, len| Region { base, len };
        for (a, b, want) in [
            (of(0x1000, 0x1000), of(0x1000, 0x1000), true),
            (of(0x1000, 0x1000), of(0x2000, 0x1000), false),
            (of(0x1000, 0x1001), of(0x2000, 0x1000), true),
            (of(0, u64::MAX), of(0xfee0_0000, 0x10_0000), true),
            (of(u64::MAX - 1, u64::MAX), of(u64::MAX - 1, 1), true),
            (of(0x1000, 0), of(0, 0x2000), false),
        ] {
            assert_eq!(overlap(&a, &b), want, "{a:?} {b:?}");
            assert_eq!(overlap(&b, &a), want, "{a:?} {b:?}");
        }
    }

    #[test]
    fn a_page_that_is_partly_the_firmwares_is_not_usable() {
        let map = [
            region(0, 0x9_fc00, MemoryKind::Usable),
            region(0x9_fc00, 0x400, MemoryKind::Reserved),
            region(0x10_0100, 0x3000, MemoryKind::Usable),
        ];
        let got: Vec<_> = usable_pages(&map).collect();
        let of = |base, len| Region { base, len };
        assert_eq!(got, [of(0, 0x9_f000), of(0x10_1000, 0x2000)]);
        assert_eq!(pages_of(&of(0x10_0100, 0x3000)), of(0x10_0000, 0x4000));
    }

    #[test]
    fn overlaps_take_the_stronger_kind() {
        use MemoryKind::*;
        let got = normal(&[
            region(0x1000, 0x9000, Usable),
            region(0x3000, 0x1000, Reserved),
        ]);
        assert_eq!(
            got,
            [
                region(0x1000, 0x2000, Usable),
                region(0x3000, 0x1000, Reserved),
                region(0x4000, 0x6000, Usable)
            ]
        );
    }

    #[test]
    fn neighbours_merge_and_order_is_restored() {
        use MemoryKind::*;
        let got = normal(&[region(0x2000, 0x1000, Usable), region(0, 0x2000, Usable)]);
        assert_eq!(got, [region(0, 0x3000, Usable)]);
    }

    #[test]
    fn wrapping_lengths_and_unknown_kinds_are_harmless() {
        let odd = MemoryRegion {
            region: Region {
                base: PHYS_END - 1,
                len: u64::MAX,
            },
            kind_raw: 77,
            reserved: 0,
        };
        let got = normal(&[odd]);
        assert_eq!(got.len(), 1);
        assert_eq!(
            (got[0].region.len, got[0].kind()),
            (1, MemoryKind::Reserved)
        );
    }

    #[test]
    fn a_short_output_is_refused() {
        let map = [
            region(0, 0x1000, MemoryKind::Usable),
            region(0x5000, 0x1000, MemoryKind::Usable),
        ];
        assert_eq!(
            normalise(&map, &mut [MemoryRegion::default(); 1]),
            Err(TooMany)
        );
        assert_eq!(
            free_pages(&map, &[], &mut [Region::default(); 1]),
            Err(TooMany)
        );
    }

    #[test]
    fn partial_pages_are_not_free() {
        let map = [region(0x800, 0x2000, MemoryKind::Usable)];
        let mut out = [Region::default(); 4];
        assert_eq!(free_pages(&map, &[], &mut out), Ok(1));
        assert_eq!(
            out[0],
            Region {
                base: 0x1000,
                len: 0x1000
            }
        );
        let hole = [Region {
            base: 0x1fff,
            len: 1,
        }];
        assert_eq!(free_pages(&map, &hole, &mut out), Ok(0));
    }

    fn small_map() -> impl Strategy<Value = Vec<MemoryRegion>> {
        proptest::collection::vec((0u64..0x4_0000, 0u64..0x1_0000, 0u32..5), 0..12).prop_map(|v| {
            v.into_iter()
                .map(|(base, len, kind_raw)| MemoryRegion {
                    region: Region { base, len },
                    kind_raw,
                    reserved: 0,
                })
                .collect()
        })
    }

    proptest! {
        #[test]
        fn normal_map_agrees_with_the_input_at_every_address(map in small_map()) {
            let out = normal(&map);
            for pair in out.windows(2) {
                prop_assert!(end(&pair[0].region) <= pair[1].region.base);
            }
            for addr in (0..0x5_0000u64).step_by(0x77) {
                let want = map
                    .iter()
                    .filter(|r| covers(&r.region, addr))
                    .map(|r| strength(r.kind()))
                    .max();
                let got = out.iter().find(|r| covers(&r.region, addr)).map(|r| strength(r.kind()));
                prop_assert_eq!(want, got);
            }
        }

        #[test]
        fn free_pages_are_usable_and_outside_every_hole(
            map in small_map(),
            holes in proptest::collection::vec((0u64..0x4_0000, 0u64..0x8000), 0..6),
        ) {
            let map = normal(&map);
            let holes: Vec<Region> =
                holes.into_iter().map(|(base, len)| Region { base, len }).collect();
            let mut out = [Region::default(); 128];
            let n = free_pages(&map, &holes, &mut out).unwrap();
            let usable = |addr: u64| {
                map.iter().any(|r| r.kind() == MemoryKind::Usable && covers(&r.region, addr))
            };
            for page in (0..0x5_0000u64).step_by(PAGE as usize) {
                let want = (page..page + PAGE)
                    .all(|a| usable(a) && !holes.iter().any(|h| covers(h, a)));
                let got = out[..n].iter().any(|r| covers(r, page));
                prop_assert_eq!(want, got, "page {:#x}", page);
            }
        }
    }
}
