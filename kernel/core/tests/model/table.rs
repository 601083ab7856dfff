use std::collections::btree_map::{self, BTreeMap};

use cap_abi::Rights;
use kernel_core::slab::{Id, Slab};
use kernel_core::table::{Entry, FdNum, InsertError, MAX_ENTRIES, Table};
use proptest::prelude::*;
use syscall::flag::UPPER_FDTBL_TAG;

fn entry(n: u32) -> Entry<()> {
    let desc = Id::from_raw((1 << 32) | u64::from(n)).unwrap();
    Entry {
        desc,
        rights: Rights::FULL,
        lease: None,
        cloexec: n.is_multiple_of(2),
    }
}

#[test]
fn an_entry_is_small() {
    assert_eq!(size_of::<Option<Entry<()>>>(), 24);
}

#[test]
fn numbers_that_no_table_has() {
    let table = {
        let mut table = Table::new();
        table.insert_lowest(entry(0)).unwrap();
        table.insert_upper(entry(1)).unwrap();
        table
    };
    for number in [
        MAX_ENTRIES,
        usize::MAX,
        usize::MAX - 1,
        1 << 63,
        UPPER_FDTBL_TAG << 1,
        UPPER_FDTBL_TAG | MAX_ENTRIES,
        UPPER_FDTBL_TAG - 1,
        1 << 32,
    ] {
        assert_eq!(FdNum::new(number), None, "{number:#x}");
        assert_eq!(table.get(number), None, "{number:#x}");
        let mut table = table.try_clone().unwrap();
        assert_eq!(table.remove(number), None, "{number:#x}");
        assert_eq!(table.replace(number, entry(5)), None, "{number:#x}");
        let result = table.insert_at(number, entry(5));
        assert_eq!(result, Err(InsertError::OutOfRange), "{number:#x}");
        assert!(!table.swap(number, 0));
    }
    for number in [0, MAX_ENTRIES - 1, UPPER_FDTBL_TAG, UPPER_FDTBL_TAG | 77] {
        assert_eq!(FdNum::new(number).map(FdNum::number), Some(number));
    }
}

#[test]
fn every_number_can_be_used_and_the_table_shrinks_again() {
    let mut table = Table::new();
    for n in 0..MAX_ENTRIES {
        assert_eq!(table.insert_lowest(entry(n as u32)), Ok(n));
        assert_eq!(table.insert_upper(entry(n as u32)), Ok(n | UPPER_FDTBL_TAG));
    }
    assert_eq!(table.insert_lowest(entry(0)), Err(InsertError::Full));
    assert_eq!(table.insert_upper(entry(0)), Err(InsertError::Full));
    assert_eq!(table.len(), 2 * MAX_ENTRIES);
    assert_eq!(table.remove(4711), Some(entry(4711)));
    assert_eq!(table.insert_lowest(entry(1)), Ok(4711));
    let mut last = None;
    while let Some((number, _)) = table.pop_first() {
        assert!(last < Some(number));
        last = Some(number);
    }
    assert!(table.is_empty());
    assert_eq!(table.memory(), 0);
}

#[test]
fn a_high_number_costs_little_and_gives_it_back() {
    let mut table = Table::new();
    table.insert_at(0, entry(0)).unwrap();
    let before = table.memory();
    table.insert_at(MAX_ENTRIES - 1, entry(1)).unwrap();
    assert!(table.memory() < 32 << 10);
    assert!(table.remove(MAX_ENTRIES - 1).is_some());
    assert!(
        table.memory() <= before + 256,
        "{} {before}",
        table.memory()
    );
}

#[test]
fn the_limit_is_for_new_entries_of_the_lower_half() {
    let mut table = Table::new();
    table.insert_at(9, entry(9)).unwrap();
    table.set_limit(3);
    assert_eq!(table.limit(), 3);
    assert!(table.get(9).is_some());
    assert_eq!(table.insert_at(3, entry(3)), Err(InsertError::OutOfRange));
    for n in 0..3 {
        assert_eq!(table.insert_lowest(entry(n)), Ok(n as usize));
    }
    assert_eq!(table.insert_lowest(entry(3)), Err(InsertError::Full));
    assert_eq!(table.insert_at(UPPER_FDTBL_TAG | 9, entry(3)), Ok(()));
    table.set_limit(usize::MAX);
    assert_eq!(table.limit(), MAX_ENTRIES);
}

#[test]
fn rights_and_flags_are_changed_in_place() {
    let mut slab = Slab::new();
    let desc = slab.insert(()).unwrap();
    let mut table = Table::new();
    let number = table
        .insert_lowest(Entry {
            desc,
            rights: Rights::FULL,
            lease: None,
            cloexec: false,
        })
        .unwrap();
    table.get_mut(number).unwrap().rights &= Rights::READ_ONLY;
    assert_eq!(table.get(number).unwrap().rights, Rights::READ_ONLY);
}

#[derive(Clone, Debug)]
enum Op {
    At(usize, u32),
    Lowest(u32),
    Upper(u32),
    Remove(usize),
    Replace(usize, u32),
    Swap(usize, usize),
    Clone,
    PopFirst,
}

fn number() -> impl Strategy<Value = usize> {
    let index = prop_oneof![8 => 0..200usize, 1 => 0..MAX_ENTRIES + 10];
    (index, any::<bool>()).prop_map(|(i, up)| if up { i | UPPER_FDTBL_TAG } else { i })
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        4 => (number(), any::<u32>()).prop_map(|(n, e)| Op::At(n, e)),
        4 => any::<u32>().prop_map(Op::Lowest),
        3 => any::<u32>().prop_map(Op::Upper),
        6 => number().prop_map(Op::Remove),
        1 => (number(), any::<u32>()).prop_map(|(n, e)| Op::Replace(n, e)),
        1 => (number(), number()).prop_map(|(a, b)| Op::Swap(a, b)),
        1 => Just(Op::Clone),
        1 => Just(Op::PopFirst),
    ]
}

fn lowest(model: &BTreeMap<usize, Entry<()>>, tag: usize) -> usize {
    (0..)
        .map(|n| n | tag)
        .find(|n| !model.contains_key(n))
        .unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn behaves_like_a_map(ops in prop::collection::vec(op(), 0..500)) {
        let mut table = Table::new();
        let mut model: BTreeMap<usize, Entry<()>> = BTreeMap::new();
        for op in ops {
            match op {
                Op::At(n, e) => {
                    let expected = if n & !UPPER_FDTBL_TAG >= MAX_ENTRIES {
                        Err(InsertError::OutOfRange)
                    } else {
                        match model.entry(n) {
                            btree_map::Entry::Occupied(_) => Err(InsertError::Occupied),
                            btree_map::Entry::Vacant(place) => {
                                place.insert(entry(e));
                                Ok(())
                            }
                        }
                    };
                    prop_assert_eq!(table.insert_at(n, entry(e)), expected);
                }
                Op::Lowest(e) => {
                    let n = lowest(&model, 0);
                    prop_assert_eq!(table.insert_lowest(entry(e)), Ok(n));
                    model.insert(n, entry(e));
                }
                Op::Upper(e) => {
                    let n = lowest(&model, UPPER_FDTBL_TAG);
                    prop_assert_eq!(table.insert_upper(entry(e)), Ok(n));
                    model.insert(n, entry(e));
                }
                Op::Remove(n) => prop_assert_eq!(table.remove(n), model.remove(&n)),
                Op::Replace(n, e) => {
                    let old = model.get_mut(&n).map(|place| std::mem::replace(place, entry(e)));
                    prop_assert_eq!(table.replace(n, entry(e)), old);
                }
                Op::Swap(a, b) => {
                    let both = model.contains_key(&a) && model.contains_key(&b);
                    prop_assert_eq!(table.swap(a, b), both);
                    if both {
                        let (x, y) = (model[&a], model[&b]);
                        model.insert(a, y);
                        model.insert(b, x);
                    }
                }
                Op::Clone => table = table.try_clone().unwrap(),
                Op::PopFirst => prop_assert_eq!(table.pop_first(), model.pop_first()),
            }
            prop_assert_eq!(table.len(), model.len());
        }
        let all: Vec<_> = table.iter().collect();
        let expected: Vec<_> = model.iter().map(|(&n, &e)| (n, e)).collect();
        prop_assert_eq!(all, expected);
        for n in (0..210).flat_map(|n| [n, n | UPPER_FDTBL_TAG]) {
            prop_assert_eq!(table.get(n), model.get(&n));
        }
    }
}
