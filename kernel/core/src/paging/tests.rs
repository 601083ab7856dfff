use std::collections::BTreeMap;
use std::vec::Vec;

use proptest::prelude::*;

use super::*;
use crate::NoMemory;
use crate::frames::Owner;
use crate::machine::{Machine, sim::Sim};

#[test]
fn addresses_are_canonical_outside_the_hole() {
    for (address, canonical) in [
        (0, true),
        (0x0000_7fff_ffff_ffff, true),
        (0x0000_8000_0000_0000, false),
        (0xffff_7fff_ffff_ffff, false),
        (0xffff_8000_0000_0000, true),
        (usize::MAX, true),
    ] {
        assert_eq!(is_canonical(address), canonical, "{address:#x}");
    }
}

#[test]
fn ranges_stay_in_the_user_half() {
    let last = USER_END - PAGE_SIZE;
    for (base, size, pages) in [
        (USER_START, 1, Some(1)),
        (USER_START, PAGE_SIZE, Some(1)),
        (USER_START, PAGE_SIZE + 1, Some(2)),
        (last, PAGE_SIZE, Some(1)),
        (
            USER_START,
            USER_END - USER_START,
            Some(USER_END_PAGE - USER_FIRST_PAGE),
        ),
        (USER_START, 0, None),
        (0, PAGE_SIZE, None),
        (PAGE_SIZE, PAGE_SIZE, None),
        (USER_START - PAGE_SIZE, 2 * PAGE_SIZE, None),
        (USER_START + 1, PAGE_SIZE, None),
        (last, PAGE_SIZE + 1, None),
        (USER_END, PAGE_SIZE, None),
        (USER_START, usize::MAX, None),
        (last, usize::MAX - PAGE_SIZE, None),
        (usize::MAX - PAGE_SIZE + 1, PAGE_SIZE, None),
        (0xffff_8000_0000_0000, PAGE_SIZE, None),
    ] {
        let range = PageRange::of_bytes(base, size);
        assert_eq!(range.map(PageRange::len), pages, "{base:#x}+{size:#x}");
        if let Some(range) = range {
            assert_eq!(range.base(), base);
            assert!(range.size() >= size);
        }
    }
}

#[test]
fn entries_say_exactly_what_the_protection_says() {
    for bits in 0..8 {
        let parts = [(1, Prot::READ), (2, Prot::WRITE), (4, Prot::EXEC)];
        let parts = parts.into_iter().filter(|(bit, _)| bits & bit != 0);
        let prot = parts.fold(Prot::NONE, |all, (_, part)| all.union(part));
        assert_eq!(Prot::from_map_flags(prot.map_flags()), prot);
        for cache in [Cache::WriteBack, Cache::WriteCombining, Cache::Uncached] {
            for marks in [0, Entry::COW, Entry::LENT, Entry::DEVICE] {
                let entry = Entry::page(0x1234_5000, prot, cache, marks);
                assert!(!entry.is_empty());
                assert_eq!(entry.address(), 0x1234_5000);
                assert_eq!(entry.has(Entry::PRESENT), bits != 0);
                let writable = prot.contains(Prot::WRITE) && marks != Entry::COW;
                assert_eq!(entry.has(Entry::WRITE), writable);
                assert_eq!(entry.has(Entry::NO_EXECUTE), !prot.contains(Prot::EXEC));
                assert_eq!(entry.has(Entry::PCD), cache == Cache::Uncached);
                assert_eq!(entry.has(Entry::PWT), cache != Cache::WriteBack);
                assert!(entry.has(Entry::USER | marks));
                assert_eq!(entry.with_prot(Prot::NONE).with_prot(prot), entry);
            }
        }
    }
}

fn frames_in_use(m: &Sim) -> usize {
    m.live(Owner::Table)
}

/// Far apart, so that every level is crossed, and close, so that tables are shared.
fn page() -> impl Strategy<Value = usize> {
    let part = |shift: u32| (0..3_usize).prop_map(move |n| n << shift);
    (
        part(0),
        part(9),
        part(18),
        prop_oneof![Just(0), Just(1_usize << 27), Just(255 << 27)],
    )
        .prop_map(|(a, b, c, d)| USER_FIRST_PAGE + a + b + c + d)
}

#[derive(Clone, Debug)]
enum Op {
    Set(usize, u64, Option<usize>),
    Remove(usize, usize),
    Change(usize, usize, usize),
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        3 => (page(), 1..1000_u64, prop::option::weighted(0.3, 0..4_usize))
            .prop_map(|(page, n, budget)| Op::Set(page, n, budget)),
        2 => (page(), page()).prop_map(|(a, b)| Op::Remove(a, b)),
        1 => (page(), page(), 0..4_usize).prop_map(|(a, b, n)| Op::Change(a, b, n)),
    ]
}

proptest! {
    /// Against a map from pages to entries, with frames running out. [`Sim::walk`] checks the counts and that
    /// no table is empty.
    #[test]
    fn agrees_with_a_map_of_entries(ops in prop::collection::vec(op(), 1..60), limit in 1..6_usize) {
        let mut m = Sim::new();
        let mut table = PageTable::new(&mut m).unwrap();
        let mut model = BTreeMap::new();
        let range = |a: usize, b: usize| PageRange::new(a.min(b), a.max(b) + 1).unwrap();
        for op in ops {
            match op {
                Op::Set(page, n, budget) => {
                    let entry = Entry::page(n << 12, Prot::ALL, Cache::WriteBack, 0);
                    m.budget = budget;
                    let result = table.set(&mut m, page, entry);
                    m.budget = None;
                    if let Ok(old) = result {
                        prop_assert_eq!(old, model.insert(page, entry).unwrap_or_default());
                    } else {
                        prop_assert!(budget.is_some() && !model.contains_key(&page));
                    }
                }
                Op::Remove(a, b) => {
                    let mut seen = Vec::new();
                    let result: Result<(), ()> = table.visit(&mut m, range(a, b), &mut |_, page, entry| {
                        seen.push((page, entry));
                        Ok(Entry::EMPTY)
                    });
                    prop_assert_eq!(result, Ok(()));
                    let expected: Vec<_> =
                        model.range(range(a, b).pages()).map(|(&p, &e)| (p, e)).collect();
                    prop_assert_eq!(seen, expected);
                    model.retain(|&page, _| !range(a, b).contains(page));
                }
                Op::Change(a, b, stop_after) => {
                    // Every other page is removed until the visit is stopped.
                    let mut seen = Vec::new();
                    let result = table.visit(&mut m, range(a, b), &mut |_, page, entry| {
                        if seen.len() == stop_after {
                            return Err(page);
                        }
                        let new = if seen.len() % 2 == 0 { Entry::EMPTY } else { entry.with_prot(Prot::READ) };
                        seen.push((page, new));
                        Ok(new)
                    });
                    let inside = model.range(range(a, b).pages()).count();
                    prop_assert_eq!(result.is_err(), inside > stop_after);
                    for (page, new) in seen {
                        if new.is_empty() { model.remove(&page); } else { model.insert(page, new); }
                    }
                }
            }
            let expected: Vec<_> = model.iter().map(|(&page, &entry)| (page, entry)).collect();
            let mut next = Vec::new();
            let mut rest = PageRange::new(USER_FIRST_PAGE, USER_END_PAGE);
            while let Some((page, entry)) = rest.and_then(|rest| table.next(&m, rest)) {
                next.push((page, entry));
                rest = PageRange::new(page + 1, USER_END_PAGE);
            }
            prop_assert_eq!(&next, &expected);
            prop_assert_eq!(m.walk(table.root()), expected);
            for (&page, &entry) in &model {
                prop_assert_eq!(table.get(&m, page), entry);
                for write in [false, true, false] {
                    let needed = Entry::PRESENT | if write { Entry::WRITE } else { 0 };
                    let expected = entry.has(needed).then_some(entry.address());
                    prop_assert_eq!(table.translate(&m, page, write), expected);
                }
            }
            if model.is_empty() {
                prop_assert_eq!(frames_in_use(&m), 1);
            }
        }
        let (mut all, mut parts) = (Vec::new(), 0);
        while !table.free_part(&mut m, limit, &mut |_, entry| all.push(entry)) {
            parts += 1;
            prop_assert!(all.len() >= parts * limit);
            prop_assert!(all.len() < parts * limit + parts * ENTRIES);
        }
        prop_assert_eq!(all, model.into_values().collect::<Vec<_>>());
        prop_assert_eq!(frames_in_use(&m), 0);
    }

    #[test]
    fn the_first_entry_is_found(
        used in prop::collection::btree_set(0..ENTRIES, 0..6),
        from in 0..=ENTRIES, end in 0..=ENTRIES,
    ) {
        let mut m = Sim::new();
        let table = m.alloc(Owner::Table).unwrap();
        m.zero(table);
        for &index in &used {
            m.store(table, index, 1 << (index % 64));
        }
        let expected = used.range(from.min(end)..end).next().copied().unwrap_or(end);
        prop_assert_eq!(m.find_entry(table, from.min(end), end), expected);
    }
}

#[test]
fn without_a_frame_there_is_no_root() {
    let mut m = Sim::new();
    m.budget = Some(0);
    assert_eq!(PageTable::new(&mut m), Err(NoMemory));
}

#[test]
fn what_is_copied_into_another_table_is_counted_there() {
    let page = |n: usize| USER_FIRST_PAGE + n;
    let entry = |n: u64| Entry::page(n << 12, Prot::ALL, Cache::WriteBack, 0);
    // Pages of the first, pages that the second has before, frames for it, how many are copied.
    for (from, before, budget, copied) in [
        (&[][..], &[][..], None, 0),
        (&[0, 1, 511, 512, 513, 900_000], &[], None, 6),
        (&[0, 1, 600], &[2, 601], None, 3),
        (&[0, 1, 600], &[], Some(3), 2),
        (&[0, 1, 600], &[], Some(0), 0),
        (&[0, 1, 600], &[2], Some(0), 2),
    ] {
        let mut m = Sim::new();
        let mut one = PageTable::new(&mut m).unwrap();
        let mut other = PageTable::new(&mut m).unwrap();
        for &n in from {
            one.set(&mut m, page(n), entry(7)).unwrap();
        }
        for &n in before {
            other.set(&mut m, page(n), entry(8)).unwrap();
        }
        m.budget = budget;
        let all = PageRange::new(USER_FIRST_PAGE, USER_END_PAGE).unwrap();
        let result = one.visit_into(&mut m, all, &mut other, &mut |_, _, old| {
            assert_eq!(old, entry(7));
            Ok::<_, NoMemory>((entry(5), entry(6)))
        });
        m.budget = None;
        assert_eq!(result.is_ok(), copied == from.len(), "{from:?}");
        let ours = m.walk(one.root());
        let theirs = m.walk(other.root());
        for (i, &n) in from.iter().enumerate() {
            let done = i < copied;
            assert!(ours.contains(&(page(n), entry(if done { 5 } else { 7 }))));
            assert_eq!(theirs.contains(&(page(n), entry(6))), done);
        }
        assert_eq!(theirs.len(), before.len() + copied);
        for table in [&mut one, &mut other] {
            assert!(table.free_part(&mut m, usize::MAX, &mut |_, _| {}));
        }
        assert_eq!(frames_in_use(&m), 0);
    }
}
