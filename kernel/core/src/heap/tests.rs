use std::collections::BTreeMap;
use std::vec;
use std::vec::Vec;

use proptest::prelude::*;

use super::*;

/// Where the pretended memory begins; aligned to the largest block.
const START: usize = 0x40_0000;
const FRAMES: usize = 4096;

/// A memory of words, with a map of who has which frame.
struct Words {
    words: Vec<usize>,
    /// First frame of each taken block, and its order.
    taken: BTreeMap<usize, u8>,
    limit: usize,
    stores: usize,
}

impl Words {
    fn new() -> Self {
        Self {
            words: vec![0; FRAMES * FRAME_SIZE / WORD],
            taken: BTreeMap::new(),
            limit: FRAMES,
            stores: 0,
        }
    }

    fn frames(&self) -> usize {
        self.taken.values().map(|&order| 1 << order).sum()
    }

    fn check(&self, address: usize) -> usize {
        assert_eq!(address % WORD, 0);
        let frame = (address - START) / FRAME_SIZE;
        let (&first, &order) = self
            .taken
            .range(..=frame)
            .next_back()
            .expect("in a taken block");
        assert!(
            frame < first + (1 << order),
            "{address:#x} is not in a taken block"
        );
        (address - START) / WORD
    }
}

impl Pages for Words {
    fn take(&mut self, order: u8) -> Option<usize> {
        let count = 1 << order;
        if self.frames() + count > self.limit {
            return None;
        }
        let free = |first: usize| {
            self.taken
                .iter()
                .all(|(&f, &o)| first + count <= f || f + (1 << o) <= first)
        };
        let first = (0..=FRAMES - count)
            .step_by(count)
            .find(|&first| free(first))?;
        self.taken.insert(first, order);
        let words = FRAME_SIZE / WORD;
        self.words[first * words..(first + count) * words].fill(usize::MAX / 3);
        Some(START + first * FRAME_SIZE)
    }

    fn give(&mut self, address: usize, order: u8) {
        let frame = (address - START) / FRAME_SIZE;
        assert_eq!(
            self.taken.remove(&frame),
            Some(order),
            "give of what was not taken"
        );
    }

    fn load(&self, address: usize) -> usize {
        self.words[self.check(address)]
    }

    fn store(&mut self, address: usize, value: usize) {
        let index = self.check(address);
        self.words[index] = value;
        self.stores += 1;
    }
}

fn layout(size: usize, align: usize) -> Layout {
    Layout::from_size_align(size, align).unwrap()
}

#[test]
fn classes_waste_little_and_hold_something() {
    for index in 0..CLASSES {
        let shape = Shape::of(index).unwrap();
        let objects = (shape.slab_size() - shape.first()) / shape.size;
        assert!(objects >= 7, "size {}", shape.size);
        let waste = shape.slab_size() - objects * shape.size;
        assert!(
            waste * 7 <= shape.slab_size(),
            "size {}: {waste} wasted",
            shape.size
        );
        assert_eq!(shape.first() % alignment(shape.size), 0);
        assert!(shape.first() >= HEADER);
    }
}

#[test]
fn large_and_strange_layouts() {
    let mut pages = Words::new();
    let mut heap = Heap::new();
    for (size, align, frames) in [
        (2049, 1, 1),
        (4096, 8, 1),
        (4097, 8, 2),
        (1 << 20, 4096, 256),
        (1, 4096, 1),
        (3, 1 << 14, 4),
        (4 << 20, 8, 1024),
    ] {
        let layout = layout(size, align);
        let address = heap.alloc(&mut pages, layout).unwrap();
        assert_eq!(address % align, 0);
        assert_eq!(
            heap.stats(),
            HeapStats {
                objects: 1,
                bytes: size,
                frames
            }
        );
        assert_eq!(pages.frames(), frames);
        assert_eq!(
            heap.free(&mut pages, address + 8, layout),
            Err(NotOurs(address + 8))
        );
        heap.free(&mut pages, address, layout).unwrap();
        assert_eq!(heap.stats(), HeapStats::default());
    }
    assert_eq!(heap.alloc(&mut pages, layout((4 << 20) + 1, 1)), None);
    assert_eq!(
        heap.alloc(&mut pages, layout(isize::MAX as usize - 4096, 1)),
        None
    );
    assert_eq!(heap.alloc(&mut pages, layout(1, 1 << 40)), None);
    assert_eq!(heap.stats(), HeapStats::default());
}

#[test]
fn what_is_not_ours_is_refused() {
    let mut pages = Words::new();
    let mut heap = Heap::new();
    let eight = layout(8, 8);
    let object = heap.alloc(&mut pages, eight).unwrap();
    let stats = heap.stats();
    for (address, with) in [
        (object + 8, eight),
        (object + 16, eight),
        (object - 16, eight),
        (object, layout(64, 8)),
    ] {
        assert_eq!(
            heap.free(&mut pages, address, with),
            Err(NotOurs(address)),
            "{address:#x}"
        );
    }
    assert_eq!(heap.stats(), stats);
    heap.free(&mut pages, object, eight).unwrap();
    assert_eq!(heap.free(&mut pages, object, eight), Err(NotOurs(object)));
}

#[test]
fn an_empty_slab_goes_back() {
    let mut pages = Words::new();
    let mut heap = Heap::new();
    let layout = layout(100, 4);
    let objects: Vec<_> = (0..1000)
        .map(|_| heap.alloc(&mut pages, layout).unwrap())
        .collect();
    let most = pages.frames();
    assert!(most >= 1000 * 128 / FRAME_SIZE);
    for object in objects {
        heap.free(&mut pages, object, layout).unwrap();
    }
    // One is kept.
    assert_eq!(pages.frames(), 1);
    assert_eq!(
        heap.stats(),
        HeapStats {
            objects: 0,
            bytes: 0,
            frames: 1
        }
    );
    heap.alloc(&mut pages, layout).unwrap();
    assert_eq!(pages.frames(), 1);
    heap.trim(&mut pages);
    assert_eq!(pages.frames(), 1);
}

/// How often the pages are written to does not depend on how many objects there are already: also not where
/// the next one fills its slab, or is the first of one.
#[test]
fn one_more_object_costs_the_same_anywhere() {
    let layout = layout(100, 4);
    let (mut pages, mut heap) = (Words::new(), Heap::new());
    let mut costs = std::collections::BTreeSet::new();
    for _ in 0..100 {
        let object = heap.alloc(&mut pages, layout).unwrap();
        heap.free(&mut pages, object, layout).unwrap();
        let before = pages.stores;
        let object = heap.alloc(&mut pages, layout).unwrap();
        heap.free(&mut pages, object, layout).unwrap();
        costs.insert(pages.stores - before);
        heap.alloc(&mut pages, layout).unwrap();
    }
    assert_eq!(costs.len(), 1, "{costs:?} stores");
}

#[derive(Clone, Debug)]
enum Op {
    Alloc(usize, u32),
    Free(usize),
    Resize(usize, usize),
    Trim,
    Limit(usize),
}

fn op() -> impl Strategy<Value = Op> {
    let size = prop_oneof![6 => 0..300_usize, 3 => 0..3000_usize, 1 => 0..40_000_usize];
    prop_oneof![
        6 => (size.clone(), prop_oneof![8 => 0..5_u32, 1 => 0..14_u32])
            .prop_map(|(size, shift)| Op::Alloc(size, shift)),
        5 => any::<usize>().prop_map(Op::Free),
        1 => (any::<usize>(), size).prop_map(|(n, size)| Op::Resize(n, size)),
        1 => Just(Op::Trim),
        1 => (0..200_usize).prop_map(Op::Limit),
    ]
}

proptest! {
    /// Objects never overlap each other or a header, have their alignment, keep their contents, and the numbers
    /// are exact.
    #[test]
    fn agrees_with_a_list_of_objects(ops in prop::collection::vec(op(), 1..300)) {
        let mut pages = Words::new();
        let mut heap = Heap::new();
        let mut live: Vec<(usize, Layout)> = Vec::new();
        let end = |l: &Layout| l.size().next_multiple_of(WORD).max(WORD);
        for op in ops {
            match op {
                Op::Alloc(size, shift) => {
                    let layout = layout(size, 1 << shift);
                    let Some(address) = heap.alloc(&mut pages, layout) else {
                        prop_assert!(pages.limit < FRAMES);
                        continue;
                    };
                    prop_assert_eq!(address % layout.align(), 0);
                    for (other, l) in &live {
                        prop_assert!(address + end(&layout) <= *other || other + end(l) <= address);
                    }
                    // The first and last word say whose they are.
                    pages.store(address, address);
                    pages.store(address + end(&layout) - WORD, address);
                    live.push((address, layout));
                }
                Op::Free(n) if !live.is_empty() => {
                    let (address, layout) = live.swap_remove(n % live.len());
                    prop_assert_eq!(pages.load(address), address);
                    prop_assert_eq!(pages.load(address + end(&layout) - WORD), address);
                    prop_assert_eq!(heap.free(&mut pages, address, layout), Ok(()));
                }
                Op::Resize(n, size) if !live.is_empty() => {
                    let n = n % live.len();
                    let (address, old) = live[n];
                    let new = layout(size, old.align());
                    if heap.resize(old, new) {
                        pages.store(address, address);
                        pages.store(address + end(&new) - WORD, address);
                        live[n].1 = new;
                    }
                }
                Op::Trim => heap.trim(&mut pages),
                Op::Limit(limit) => pages.limit = if limit < 100 { limit } else { FRAMES },
                _ => {}
            }
            let bytes: usize = live.iter().map(|(_, layout)| layout.size()).sum();
            let frames = pages.frames();
            prop_assert_eq!(heap.stats(), HeapStats { objects: live.len(), bytes, frames });
        }
        for (address, layout) in live {
            prop_assert_eq!(heap.free(&mut pages, address, layout), Ok(()));
        }
        heap.trim(&mut pages);
        prop_assert_eq!(heap.stats(), HeapStats::default());
        prop_assert_eq!(pages.frames(), 0);
    }
}
