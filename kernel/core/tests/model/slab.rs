use std::collections::{BTreeMap, HashSet};

use kernel_core::NoMemory;
use kernel_core::slab::{CHUNK, Id, Slab};
use proptest::prelude::*;

#[test]
fn an_optional_id_is_as_small_as_an_id() {
    assert_eq!(size_of::<Id<String>>(), 8);
    assert_eq!(size_of::<Option<Id<String>>>(), 8);
}

#[test]
fn a_removed_object_is_not_found_again_by_its_id() {
    let mut slab = Slab::new();
    let old = slab.insert(1).unwrap();
    assert_eq!(slab.remove(old), Some(1));
    let new = slab.insert(2).unwrap();
    assert_eq!(old.index(), new.index());
    assert_eq!(slab.get(old), None);
    assert_eq!(slab.get_mut(old), None);
    assert_eq!(slab.remove(old), None);
    assert!(!slab.contains(old));
    assert_eq!(slab.get(new), Some(&2));
    assert_eq!(slab.by_index(0), Some((new, &2)));
    assert_eq!(slab.by_index(1), None);
}

#[test]
fn raw_numbers_come_back_as_ids_and_nonsense_does_not() {
    let mut slab = Slab::new();
    let id = slab.insert(()).unwrap();
    assert_eq!(Id::from_raw(id.raw()), Some(id));
    slab.remove(id);
    // Index 0 with the generation of the vacant slot, and with none.
    assert_eq!(Id::<()>::from_raw(2 << 32), None);
    assert_eq!(Id::<()>::from_raw(0), None);
    // An id that was never handed out finds nothing.
    for raw in [3 << 32, (1 << 32) | 1, u64::MAX] {
        let id = Id::from_raw(raw).unwrap();
        assert_eq!(slab.get(id), None, "{id:?}");
        assert_eq!(slab.remove(id), None, "{id:?}");
    }
}

#[test]
fn two_objects_at_once() {
    let mut slab = Slab::new();
    let ids: Vec<_> = (0..100).map(|n| slab.insert(n).unwrap()).collect();
    for (a, b) in [(0, 1), (5, 99), (99, 5)] {
        let (x, y) = slab.get2_mut(ids[a], ids[b]).unwrap();
        std::mem::swap(x, y);
        assert_eq!(slab.get(ids[a]), Some(&(b as i32)));
        assert_eq!(slab.get(ids[b]), Some(&(a as i32)));
        let (x, y) = slab.get2_mut(ids[a], ids[b]).unwrap();
        std::mem::swap(x, y);
    }
    assert!(slab.get2_mut(ids[3], ids[3]).is_none());
    slab.remove(ids[40]);
    assert!(slab.get2_mut(ids[40], ids[1]).is_none());
    assert!(slab.get2_mut(ids[1], ids[40]).is_none());
}

#[test]
fn the_limit_bounds_the_indices() {
    let mut slab = Slab::with_limit(40);
    let ids: Vec<_> = (0..40).map(|n| slab.insert(n).unwrap()).collect();
    assert_eq!(slab.insert(40), Err(NoMemory));
    assert!(ids.iter().all(|id| id.index() < 40));
    slab.remove(ids[7]);
    assert_eq!(slab.insert(41).unwrap().index(), 7);
    assert_eq!(Slab::with_limit(0).insert(0), Err(NoMemory));
}

#[test]
fn memory_is_given_back_but_for_one_chunk() {
    let mut slab = Slab::new();
    let ids: Vec<_> = (0..1000).map(|n| slab.insert(n).unwrap()).collect();
    assert_eq!(slab.capacity(), 1024);
    for id in ids {
        slab.remove(id);
    }
    assert_eq!(slab.capacity(), CHUNK);
    slab.trim();
    assert_eq!(slab.capacity(), 0);
    assert!(slab.is_empty());
}

#[test]
fn a_chunk_that_comes_and_goes_repeats_no_id() {
    let mut slab = Slab::new();
    let mut seen = HashSet::new();
    for _ in 0..100 {
        let ids: Vec<_> = (0..3 * CHUNK).map(|n| slab.insert(n).unwrap()).collect();
        for id in ids {
            assert!(seen.insert(id.raw()), "{id:?} came back");
            slab.remove(id);
        }
        slab.trim();
    }
}

#[derive(Clone, Debug)]
enum Op {
    Insert(u16),
    Remove(usize),
    RemoveOld(usize),
    Set(usize, u16),
    Trim,
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        6 => any::<u16>().prop_map(Op::Insert),
        5 => any::<usize>().prop_map(Op::Remove),
        1 => any::<usize>().prop_map(Op::RemoveOld),
        1 => (any::<usize>(), any::<u16>()).prop_map(|(i, v)| Op::Set(i, v)),
        1 => Just(Op::Trim),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn behaves_like_a_map(ops in prop::collection::vec(op(), 0..600)) {
        let mut slab = Slab::new();
        let mut model: BTreeMap<u64, u16> = BTreeMap::new();
        let mut dead: Vec<Id<u16>> = Vec::new();
        let pick = |model: &BTreeMap<u64, u16>, n: usize| {
            model.keys().nth(n % model.len().max(1)).and_then(|&raw| Id::from_raw(raw))
        };
        for op in ops {
            match op {
                Op::Insert(value) => {
                    let id = slab.insert_with(|id| { assert_ne!(id.raw(), 0); value }).unwrap();
                    prop_assert!(!dead.contains(&id));
                    prop_assert_eq!(model.insert(id.raw(), value), None);
                }
                Op::Remove(n) => if let Some(id) = pick(&model, n) {
                    prop_assert_eq!(slab.remove(id), model.remove(&id.raw()));
                    dead.push(id);
                },
                Op::RemoveOld(n) => if !dead.is_empty() {
                    let id = dead[n % dead.len()];
                    prop_assert_eq!(slab.remove(id), None);
                    prop_assert_eq!(slab.get(id), None);
                    prop_assert!(!slab.contains(id));
                },
                Op::Set(n, value) => if let Some(id) = pick(&model, n) {
                    *slab.get_mut(id).unwrap() = value;
                    model.insert(id.raw(), value);
                },
                Op::Trim => slab.trim(),
            }
            prop_assert_eq!(slab.len(), model.len());
        }
        let mut found: Vec<_> = slab.iter().map(|(id, &v)| (id.raw(), v)).collect();
        let mut walked = Vec::new();
        let mut at = slab.next_from(0);
        while let Some(id) = at {
            walked.push((id.raw(), *slab.get(id).unwrap()));
            at = slab.next_from(id.index() + 1);
        }
        prop_assert_eq!(&walked, &found);
        found.sort_unstable();
        prop_assert_eq!(found, model.into_iter().collect::<Vec<_>>());
    }
}
