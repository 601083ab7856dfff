use std::collections::BTreeMap;
use std::vec::Vec;

use proptest::prelude::*;

use super::*;

/// A content whose pages are numbered: page `i` of a grant is `(kind, first + i)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Numbered {
    kind: u8,
    first: usize,
}

impl Content for Numbered {
    fn advance(&self, pages: usize) -> Self {
        Self {
            first: self.first + pages,
            ..*self
        }
    }

    fn continued_by(&self, pages: usize, next: &Self) -> bool {
        self.advance(pages) == *next
    }
}

const BASE: usize = USER_FIRST_PAGE;
const SPAN: usize = 40;

fn range(start: usize, len: usize) -> PageRange {
    PageRange::with_len(BASE + start, len).unwrap()
}

type Model = BTreeMap<usize, (u8, usize)>;

/// The pages of a map one by one, after checking that it is ordered and joined.
fn pages(map: &VMap<Numbered>) -> Model {
    let grants: Vec<_> = map.iter().collect();
    for pair in grants.windows(2) {
        assert!(
            pair[0].range.end() <= pair[1].range.start(),
            "order: {pair:?}"
        );
        let adjacent = pair[0].range.end() == pair[1].range.start();
        let continued = pair[0]
            .content
            .continued_by(pair[0].range.len(), &pair[1].content);
        assert!(!(adjacent && continued), "not joined: {pair:?}");
    }
    let mut model = Model::new();
    for grant in grants {
        for (n, page) in grant.range.pages().enumerate() {
            model.insert(page - BASE, (grant.content.kind, grant.content.first + n));
        }
    }
    model
}

#[derive(Clone, Debug)]
enum Op {
    Insert(usize, usize, u8, usize),
    InsertRun(usize, Vec<(usize, usize, u8)>),
    Remove(usize, usize),
    Update(usize, usize, u8),
    FindFree(usize, Option<usize>, usize),
}

fn op() -> impl Strategy<Value = Op> {
    let place = || (0..SPAN, 1..12_usize);
    prop_oneof![
        // The number often makes neighbours continue each other.
        4 => (place(), 0..2_u8, prop::bool::ANY)
            .prop_map(|((at, len), kind, own)| Op::Insert(at, len, kind, if own { 1000 } else { at })),
        2 => (0..SPAN, prop::collection::vec((0..3_usize, 1..4_usize, 0..2_u8), 1..5))
            .prop_map(|(at, parts)| {
                let mut offset = 0;
                let parts = parts.into_iter().map(|(gap, len, kind)| {
                    // The first begins where the run does.
                    let from = if offset == 0 { 0 } else { offset + gap };
                    offset = from + len;
                    (from, len, kind)
                });
                Op::InsertRun(at, parts.collect())
            }),
        3 => place().prop_map(|(at, len)| Op::Remove(at, len)),
        2 => (place(), 0..2_u8).prop_map(|((at, len), kind)| Op::Update(at, len, kind)),
        2 => (1..12_usize, prop::option::of(0..SPAN), 0..SPAN)
            .prop_map(|(len, hint, min)| Op::FindFree(len, hint, min)),
    ]
}

proptest! {
    #[test]
    fn agrees_with_a_map_of_pages(ops in prop::collection::vec(op(), 1..120)) {
        let mut map = VMap::new();
        let mut model = Model::new();
        for op in ops {
            match op {
                Op::Insert(at, len, kind, first) => {
                    let free = (at..at + len).all(|page| !model.contains_key(&page));
                    prop_assert_eq!(map.is_free(range(at, len)), free);
                    let result = map.insert(range(at, len), Numbered { kind, first });
                    prop_assert_eq!(result, if free { Ok(()) } else { Err(InsertError::Overlap) });
                    if free {
                        model.extend((0..len).map(|n| (at + n, (kind, first + n))));
                    }
                }
                Op::InsertRun(at, parts) => {
                    let end = parts.last().map_or(at, |&(from, len, _)| at + from + len);
                    let free = (at..end).all(|page| !model.contains_key(&page));
                    let run = parts.iter().map(|&(from, len, kind)| {
                        (from, len, Numbered { kind, first: at + from })
                    });
                    let result = map.insert_run(BASE + at, run.collect());
                    prop_assert_eq!(result, if free { Ok(()) } else { Err(InsertError::Overlap) });
                    if free {
                        for (from, len, kind) in parts {
                            let new = (at + from..at + from + len).map(|page| (page, (kind, page)));
                            model.extend(new);
                        }
                    }
                }
                Op::Remove(at, len) => {
                    let mut removed = Model::new();
                    let mut last = 0;
                    map.remove(range(at, len), &mut |part, content: &Numbered| {
                        assert!(part.start() >= last, "ascending");
                        last = part.end();
                        for (n, page) in part.pages().enumerate() {
                            let entry = (content.kind, content.first + n);
                            assert_eq!(removed.insert(page - BASE, entry), None);
                        }
                    }).unwrap();
                    let expected: Model =
                        model.range(at..at + len).map(|(&page, &entry)| (page, entry)).collect();
                    prop_assert_eq!(removed, expected);
                    model.retain(|page, _| !(at..at + len).contains(page));
                }
                Op::Update(at, len, kind) => {
                    map.update(range(at, len), &mut |content| content.kind = kind).unwrap();
                    for (_, entry) in model.range_mut(at..at + len) {
                        entry.0 = kind;
                    }
                }
                Op::FindFree(len, hint, min) => {
                    let is_free = |start: usize| {
                        (start..start + len).all(|page| !model.contains_key(&page))
                    };
                    let expected = hint.filter(|&hint| is_free(hint))
                        .or_else(|| (min..).find(|&start| is_free(start)))
                        .map(|start| range(start, len));
                    let found = map.find_free(len, hint.map(|hint| BASE + hint), BASE + min);
                    prop_assert_eq!(found, expected);
                }
            }
            prop_assert_eq!(pages(&map), model.clone());
            prop_assert_eq!(map.pages(), model.len());
            for page in 0..SPAN + 12 {
                let found = map.find(BASE + page).map(|grant| {
                    (grant.content.kind, grant.content.first + BASE + page - grant.range.start())
                });
                prop_assert_eq!(found, model.get(&page).copied());
                let covered = (page..page + 3).all(|page| model.contains_key(&page));
                prop_assert_eq!(map.is_covered(range(page, 3)), covered);
            }
            let copy = map.try_clone().unwrap();
            prop_assert_eq!(pages(&copy), model.clone());
            prop_assert_eq!(copy.pages(), model.len());
        }
    }
}

#[test]
fn there_is_no_room_outside_the_user_half() {
    let map = VMap::<Numbered>::new();
    let all = USER_END_PAGE - USER_FIRST_PAGE;
    assert_eq!(
        map.find_free(all, None, 0),
        PageRange::new(USER_FIRST_PAGE, USER_END_PAGE)
    );
    for (pages, hint, min) in [
        (all + 1, None, 0),
        (usize::MAX, None, 0),
        (usize::MAX, Some(usize::MAX), 0),
        (2, None, USER_END_PAGE - 1),
        (1, None, USER_END_PAGE),
        (1, None, usize::MAX),
        (0, None, 0),
    ] {
        assert_eq!(
            map.find_free(pages, hint, min),
            None,
            "{pages} {hint:?} {min}"
        );
    }
    // A hint that is no user address is no hint.
    for hint in [0, USER_FIRST_PAGE - 1, USER_END_PAGE, usize::MAX] {
        let found = map.find_free(1, Some(hint), 0);
        assert_eq!(found, PageRange::with_len(USER_FIRST_PAGE, 1));
    }
}

#[test]
fn the_number_of_grants_is_limited_and_a_full_map_still_shrinks() {
    let mut map = VMap::new();
    let content = Numbered { kind: 0, first: 0 };
    for n in 0..MAX_GRANTS {
        map.insert(range(4 * n, 3), content).unwrap();
    }
    assert_eq!(
        map.insert(range(4 * MAX_GRANTS, 1), content),
        Err(InsertError::NoMemory)
    );
    // Cutting a grant in two takes a record that is not there.
    assert_eq!(
        map.remove(range(1, 1), &mut |_, _| panic!("nothing is removed")),
        Err(NoMemory)
    );
    assert_eq!(
        map.update(range(1, 1), &mut |_| panic!("nothing is changed")),
        Err(NoMemory)
    );
    assert_eq!(map.len(), MAX_GRANTS);
    // Removing at an edge, or whole grants, does not.
    map.remove(range(0, 2), &mut |_, _| {}).unwrap();
    map.remove(range(4, 4 * (MAX_GRANTS - 2)), &mut |_, _| {})
        .unwrap();
    assert_eq!(map.len(), 2);
    map.trim();
    assert!(map.grants.capacity() <= 64);
    map.remove(range(0, 4 * MAX_GRANTS), &mut |_, _| {})
        .unwrap();
    map.trim();
    assert_eq!(map.grants.capacity(), 0);
}
