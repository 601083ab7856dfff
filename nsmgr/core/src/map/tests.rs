use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;

fn leaf(hash: u64, name: &str, value: u32) -> Rc<Leaf<u32>> {
    Rc::new(Leaf::new(hash, name, value))
}

/// Spreads like a keyed hash does.
fn spread(number: u64) -> u64 {
    let mut x = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (x ^ (x >> 31)) & HASH_MASK
}

fn filled(names: u64) -> Map<u32> {
    let mut map = Map::default();
    for number in 0..names {
        map.insert(leaf(spread(number), &number.to_string(), number as u32))
            .unwrap();
    }
    map
}

fn branches_of<V>(map: &Map<V>, seen: &mut Vec<*const Branch<V>>) {
    match &map.root {
        Root::Many(root) => branches(root, seen),
        Root::Few(_) => panic!("a map of {} names", map.len()),
    }
}

fn branches<V>(branch: &Rc<Branch<V>>, seen: &mut Vec<*const Branch<V>>) {
    seen.push(Rc::as_ptr(branch));
    for slot in &branch.slots {
        if let Slot::Branch(below) = slot {
            branches(below, seen);
        }
    }
}

#[test]
fn nodes_visited_do_not_grow_with_the_names() {
    let visited_in = |names: u64| {
        let map = filled(names);
        let (mut most, mut all) = (0, 0);
        for number in 0..names {
            let mut visited = 0;
            assert!(
                map.find(spread(number), number.to_string().as_bytes(), || visited +=
                    1)
                    .is_some()
            );
            most = most.max(visited);
            all += visited;
        }
        (most, all / names)
    };
    assert_eq!(visited_in(1), (2, 2));
    let (most, mean) = visited_in(16_384);
    assert!(most <= 9 && mean <= 4, "{most} at most, {mean} on average");
}

#[test]
fn a_copy_shares_all_but_the_path_to_a_change() {
    let map = filled(16_384);
    let mut copy = map.clone();
    assert!(copy.same_as(&map));
    copy.insert(leaf(spread(99_999), "new", 0)).unwrap();
    copy.remove(spread(7), "7").unwrap();
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    branches_of(&map, &mut ours);
    branches_of(&copy, &mut theirs);
    let own = theirs.iter().filter(|node| !ours.contains(node)).count();
    assert!(own <= 8, "{own} of {} branches are its own", theirs.len());
    assert_eq!((map.len(), copy.len()), (16_384, 16_384));
    assert!(map.get(spread(7), "7").is_some());
    assert!(map.get(spread(99_999), "new").is_none());
}

#[test]
fn an_unshared_map_is_changed_in_place() {
    let mut map = filled(1000);
    let mut before = Vec::new();
    branches_of(&map, &mut before);
    map.insert(leaf(spread(5000), "x", 0)).unwrap();
    map.remove(spread(5000), "x").unwrap();
    let mut after = Vec::new();
    branches_of(&map, &mut after);
    assert_eq!(before.first(), after.first());
    assert_eq!(before.len(), after.len());
}

#[test]
fn a_bucket_has_an_end() {
    let mut map = Map::default();
    for number in 0..BUCKET_MAX {
        map.insert(leaf(5, &number.to_string(), 0)).unwrap();
    }
    assert_eq!(map.insert(leaf(5, "more", 0)), Err(InsertError::Full));
    assert_eq!(map.insert(leaf(5, "7", 0)), Err(InsertError::Exists));
    assert_eq!(map.len(), BUCKET_MAX);
    map.insert(leaf(HASH_MASK, "last", 0)).unwrap();
    let (position, last) = map.at_or_after(HASH_MASK << BUCKET_BITS).unwrap();
    assert_eq!(last.name(), "last");
    assert!(i64::try_from(position).is_ok());
    assert!(map.at_or_after(position).is_none());
    assert!(map.at_or_after(u64::MAX).is_none());
}

#[derive(Clone, Debug)]
enum Step {
    Insert(usize, u8),
    Remove(usize, u8),
    Copy(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (any::<usize>(), any::<u8>()).prop_map(|(map, name)| Step::Insert(map, name)),
        3 => (any::<usize>(), any::<u8>()).prop_map(|(map, name)| Step::Remove(map, name)),
        1 => any::<usize>().prop_map(Step::Copy),
    ];
    proptest::collection::vec(step, 0..200)
}

/// Hashes that collide in whole or in their upper digits.
fn bad_hash(name: u8) -> u64 {
    match name % 4 {
        0 => u64::from(name / 32),
        1 => HASH_MASK - u64::from(name / 16),
        2 => u64::from(name) << 50,
        _ => spread(u64::from(name)),
    }
}

proptest! {
    #[test]
    fn copies_behave_like_separate_maps(steps in steps()) {
        let mut maps: Vec<(Map<u32>, BTreeMap<String, u32>)> = vec![Default::default()];
        for (number, step) in steps.into_iter().enumerate() {
            match step {
                Step::Insert(which, name) => {
                    let which = which % maps.len();
                    let (map, model) = &mut maps[which];
                    let text = name.to_string();
                    let inserted = map.insert(leaf(bad_hash(name), &text, number as u32));
                    prop_assert_eq!(inserted.is_ok(), !model.contains_key(&text));
                    model.entry(text).or_insert(number as u32);
                }
                Step::Remove(which, name) => {
                    let which = which % maps.len();
                    let (map, model) = &mut maps[which];
                    let text = name.to_string();
                    prop_assert_eq!(
                        map.remove(bad_hash(name), &text).map(|leaf| leaf.value),
                        model.remove(&text)
                    );
                }
                Step::Copy(which) => {
                    let which = which % maps.len();
                    let copy = (maps[which].0.clone(), maps[which].1.clone());
                    maps.push(copy);
                }
            }
        }
        for (map, model) in &maps {
            prop_assert_eq!(map.len(), model.len());
            for name in 0..=255u8 {
                let text = name.to_string();
                prop_assert_eq!(
                    map.get(bad_hash(name), &text).map(|leaf| leaf.value),
                    model.get(&text).copied()
                );
            }
            let mut whole: Vec<_> = map.iter().map(|leaf| leaf.name().to_owned()).collect();
            let (mut pieces, mut position) = (Vec::new(), 0);
            while let Some((next, leaf)) = map.at_or_after(position) {
                prop_assert!(next > position);
                position = next;
                pieces.push(leaf.name().to_owned());
            }
            for names in [&mut whole, &mut pieces] {
                names.sort();
                prop_assert!(names.iter().eq(model.keys()));
            }
        }
    }

    #[test]
    fn enumeration_survives_changes_in_between(
        names in proptest::collection::btree_set(any::<u8>(), 1..60),
        changes in proptest::collection::vec((any::<u8>(), any::<bool>()), 0..60),
    ) {
        let mut map = Map::default();
        for name in &names {
            map.insert(leaf(spread(u64::from(*name)), &name.to_string(), 0)).unwrap();
        }
        let mut touched = std::collections::BTreeSet::new();
        let (mut seen, mut position) = (Vec::new(), 0);
        let mut changes = changes.into_iter();
        while let Some((next, found)) = map.at_or_after(position) {
            position = next;
            seen.push(found.name().to_owned());
            if let Some((name, add)) = changes.next() {
                touched.insert(name.to_string());
                let hash = spread(u64::from(name));
                if add {
                    let _ = map.insert(leaf(hash, &name.to_string(), 0));
                } else {
                    map.remove(hash, &name.to_string());
                }
            }
        }
        // What was there all the time is seen exactly once.
        for name in names.iter().map(u8::to_string).filter(|name| !touched.contains(name)) {
            prop_assert_eq!(seen.iter().filter(|one| **one == name).count(), 1);
        }
    }
}

#[test]
fn names_of_every_length_are_told_apart() {
    for len in 0..40 {
        let name = vec![b'a'; len];
        assert!(same(&name, &name.clone()));
        assert!(!same(&name, &vec![b'a'; len + 1]));
        for at in 0..len {
            let mut other = name.clone();
            other[at] = b'b';
            assert!(!same(&name, &other), "{len} {at}");
        }
    }
}
