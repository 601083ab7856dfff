use std::vec;
use std::vec::Vec;

use proptest::prelude::*;

use super::*;

fn zone(count: usize) -> &'static mut [Record] {
    vec![Record::default(); count].leak()
}

fn buddy(first: u32, count: u32) -> Buddy<'static> {
    let mut buddy = Buddy::new();
    buddy
        .add_zone(Frame::new(first), zone(count as usize))
        .unwrap();
    buddy.add_free(Frame::new(first), count).unwrap();
    buddy
}

#[test]
fn a_record_takes_twelve_bytes() {
    assert_eq!(size_of::<Record>(), 12);
}

#[test]
fn blocks_are_aligned_and_join_again() {
    let mut b = buddy(3, 4096);
    let all: Vec<_> = (0..=MAX_ORDER)
        .map(|k| (k, b.alloc(k, Owner::User).unwrap()))
        .collect();
    for &(order, frame) in &all {
        assert_eq!(frame.number() % (1 << order), 0, "order {order}");
    }
    for (_, frame) in all {
        assert_eq!(b.release(frame), Ok(0));
    }
    // Frames 1024..4096 are three blocks of the largest order again.
    for _ in 0..3 {
        b.alloc(MAX_ORDER, Owner::User).unwrap();
    }
    assert_eq!(b.alloc(MAX_ORDER, Owner::User), None);
    assert_eq!(b.alloc(MAX_ORDER + 1, Owner::User), None);
}

#[test]
fn wrong_frees_are_errors_and_change_nothing() {
    let mut b = Buddy::new();
    b.add_zone(Frame::new(0), zone(64)).unwrap();
    b.add_free(Frame::new(16), 48).unwrap();
    let block = b.alloc(2, Owner::Kernel).unwrap();
    let single = b.alloc(0, Owner::Kernel).unwrap();
    b.release(single).unwrap();
    let before = b.stats();
    let cases = [
        (single, FrameError::NotAllocated(single)),
        (Frame::new(3), FrameError::NotAllocated(Frame::new(3))),
        (Frame::new(64), FrameError::Unknown(Frame::new(64))),
        (
            Frame::new(u32::MAX),
            FrameError::Unknown(Frame::new(u32::MAX)),
        ),
        (block.offset(1), FrameError::Interior(block.offset(1))),
        (block.offset(3), FrameError::Interior(block.offset(3))),
    ];
    for (frame, error) in cases {
        assert_eq!(b.release(frame), Err(error));
        assert_eq!(b.retain(frame), Err(error));
        assert_eq!(b.references(frame), Err(error));
        assert_eq!(b.split(frame), Err(error));
    }
    assert_eq!(b.stats(), before);
    assert_eq!(b.release(block), Ok(0));
    assert_eq!(b.release(block), Err(FrameError::NotAllocated(block)));
}

#[test]
fn references_keep_a_block() {
    let mut b = buddy(0, 16);
    let frame = b.alloc(1, Owner::User).unwrap();
    assert_eq!(b.retain(frame), Ok(2));
    assert_eq!(b.references(frame), Ok(2));
    assert_eq!(b.release(frame), Ok(1));
    assert_eq!(b.stats().used_by(Owner::User), 2);
    assert_eq!(b.release(frame), Ok(0));
    assert_eq!(
        b.stats(),
        FrameStats {
            total: 16,
            free: 16,
            used: [0; 4]
        }
    );
}

#[test]
fn the_reference_count_does_not_wrap() {
    let mut b = buddy(0, 1);
    let frame = b.alloc(0, Owner::User).unwrap();
    b.zones[0].records[0].link = u32::MAX;
    assert_eq!(b.retain(frame), Err(FrameError::TooManyReferences(frame)));
    assert_eq!(b.references(frame), Ok(u32::MAX));
}

#[test]
fn a_split_block_is_released_frame_by_frame() {
    let mut b = buddy(0, 16);
    let block = b.alloc(3, Owner::User).unwrap();
    b.split(block).unwrap();
    for n in (0..8).rev() {
        assert_eq!(b.release(block.offset(n)), Ok(0));
    }
    assert!(b.alloc(4, Owner::User).is_some());
}

#[test]
fn zones_do_not_overlap_and_are_limited() {
    let mut b = Buddy::new();
    b.add_zone(Frame::new(10), zone(10)).unwrap();
    for (first, count) in [(10, 1), (19, 5), (0, 11), (5, 30), (u32::MAX - 1, 2)] {
        let result = b.add_zone(Frame::new(first), zone(count));
        assert_eq!(result, Err(FrameError::BadZone), "{first}+{count}");
    }
    for n in 1..MAX_ZONES as u32 {
        b.add_zone(Frame::new(n * 100), zone(1)).unwrap();
    }
    assert_eq!(
        b.add_zone(Frame::new(5000), zone(1)),
        Err(FrameError::BadZone)
    );
    assert_eq!(
        b.add_free(Frame::new(18), 3),
        Err(FrameError::Unknown(Frame::new(20)))
    );
    b.add_free(Frame::new(18), 2).unwrap();
    assert_eq!(
        b.add_free(Frame::new(17), 2),
        Err(FrameError::NotAllocated(Frame::new(18)))
    );
    assert_eq!(b.stats().total, 2);
}

#[test]
fn every_zone_is_used() {
    let mut b = buddy(0, 2);
    b.add_zone(Frame::new(100), zone(2)).unwrap();
    b.add_free(Frame::new(100), 2).unwrap();
    let mut got: Vec<_> = core::iter::from_fn(|| b.alloc(0, Owner::User))
        .map(Frame::number)
        .collect();
    got.sort_unstable();
    assert_eq!(got, [0, 1, 100, 101]);
}

#[test]
fn ranges_are_cut_to_whole_frames() {
    for (base, len, first, count) in [
        (0, 0x3000, 1, 2),
        (0x1001, 0x2fff, 2, 2),
        (0x1800, 0x400, 2, 0),
        (0x5000, u64::MAX, 5, u32::MAX - 6),
        (1 << 50, 0x1000, u32::MAX - 1, 0),
    ] {
        assert_eq!(
            FrameRange::inside(base, len),
            FrameRange { first, count },
            "{base:#x}"
        );
    }
}

#[test]
fn zones_are_planned_around_large_holes_only() {
    let range = |first, count| FrameRange { first, count };
    let mut zones = [FrameRange::default(); MAX_ZONES];
    let n = plan_zones(
        &[
            range(1, 158),
            range(0, 0),
            range(256, 1000),
            range(1 << 20, 50),
        ],
        &mut zones,
    );
    assert_eq!(zones[..n], [range(1, 1255), range(1 << 20, 50)]);
    let many: Vec<_> = (0..40).map(|n| range(n << 20, 7)).collect();
    let n = plan_zones(&many, &mut zones);
    assert!(n > 0);
    for range in many {
        let inside = |z: &&FrameRange| z.first <= range.first && range.end() <= z.end();
        assert_eq!(zones[..n].iter().filter(inside).count(), 1, "{range:?}");
    }
    assert_eq!(plan_zones(&[], &mut zones), 0);
}

#[derive(Clone, Debug)]
enum Op {
    Alloc(u8),
    Retain(usize),
    Release(usize),
    Split(usize),
    ReleaseAny(u32),
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        4 => (0..6_u8).prop_map(Op::Alloc),
        1 => any::<usize>().prop_map(Op::Retain),
        4 => any::<usize>().prop_map(Op::Release),
        1 => any::<usize>().prop_map(Op::Split),
        1 => (0..700_u32).prop_map(Op::ReleaseAny),
    ]
}

proptest! {
    /// Against a list of blocks: nothing overlaps, everything comes from the zones, errors are where they
    /// should be, and in the end everything is free and joined.
    #[test]
    fn agrees_with_a_list_of_blocks(ops in prop::collection::vec(op(), 1..400)) {
        let mut b = Buddy::new();
        b.add_zone(Frame::new(5), zone(300)).unwrap();
        b.add_zone(Frame::new(512), zone(128)).unwrap();
        b.add_free(Frame::new(9), 250).unwrap();
        b.add_free(Frame::new(512), 128).unwrap();
        let start = b.stats();
        // (first frame, order, references)
        let mut blocks: Vec<(u32, u8, u32)> = Vec::new();
        for op in ops {
            match op {
                Op::Alloc(order) => {
                    let Some(frame) = b.alloc(order, Owner::User) else { continue };
                    let (from, to) = (frame.number(), frame.number() + (1 << order));
                    prop_assert!((from >= 9 && to <= 259) || (from >= 512 && to <= 640));
                    prop_assert_eq!(from % (1 << order), 0);
                    for &(first, order, _) in &blocks {
                        prop_assert!(to <= first || first + (1 << order) <= from);
                    }
                    blocks.push((from, order, 1));
                }
                Op::Retain(n) if !blocks.is_empty() => {
                    let n = n % blocks.len();
                    blocks[n].2 += 1;
                    prop_assert_eq!(b.retain(Frame::new(blocks[n].0)), Ok(blocks[n].2));
                }
                Op::Release(n) if !blocks.is_empty() => {
                    let n = n % blocks.len();
                    blocks[n].2 -= 1;
                    prop_assert_eq!(b.release(Frame::new(blocks[n].0)), Ok(blocks[n].2));
                    blocks.retain(|block| block.2 > 0);
                }
                Op::Split(n) if !blocks.is_empty() => {
                    let n = n % blocks.len();
                    let (first, order, references) = blocks.swap_remove(n);
                    prop_assert_eq!(b.split(Frame::new(first)), Ok(()));
                    blocks.extend((0..1 << order).map(|i| (first + i, 0, references)));
                }
                Op::ReleaseAny(number) if blocks.iter().all(|block| block.0 != number) => {
                    prop_assert!(b.release(Frame::new(number)).is_err());
                }
                _ => {}
            }
            let used: usize = blocks.iter().map(|block| 1_usize << block.1).sum();
            prop_assert_eq!(b.stats().used_by(Owner::User), used);
            prop_assert_eq!(b.stats().free, start.free - used);
        }
        for (first, _, references) in blocks {
            for _ in 0..references {
                b.release(Frame::new(first)).unwrap();
            }
        }
        prop_assert_eq!(b.stats(), start);
        // 9..259 holds one aligned block of 128 frames, 512..640 another.
        prop_assert!(b.alloc(7, Owner::User).is_some());
        prop_assert!(b.alloc(7, Owner::User).is_some());
        prop_assert!(b.alloc(7, Owner::User).is_none());
    }
}
