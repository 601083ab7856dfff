use std::collections::VecDeque;

use kernel_core::list::{HasLink, Link, List};
use kernel_core::slab::{Id, Slab};
use proptest::prelude::*;

#[derive(Default)]
struct Object {
    first: Link<Object>,
    second: Link<Object>,
}

impl HasLink<0> for Object {
    fn link(&self) -> &Link<Self> {
        &self.first
    }
    fn link_mut(&mut self) -> &mut Link<Self> {
        &mut self.first
    }
}

impl HasLink<1> for Object {
    fn link(&self) -> &Link<Self> {
        &self.second
    }
    fn link_mut(&mut self) -> &mut Link<Self> {
        &mut self.second
    }
}

#[test]
fn a_stale_id_changes_nothing() {
    let mut slab = Slab::new();
    let mut list = List::<Object, 0>::new();
    let id = slab.insert(Object::default()).unwrap();
    slab.remove(id);
    assert!(!list.push_back(&mut slab, id));
    assert!(!list.push_front(&mut slab, id));
    assert!(!list.remove(&mut slab, id));
    assert!(list.is_empty());
    assert_eq!(list.pop_front(&mut slab), None);
}

#[test]
fn the_only_object_of_another_list_is_not_removed() {
    let mut slab = Slab::new();
    let (mut here, mut there) = (List::<Object, 0>::new(), List::<Object, 0>::new());
    let id = slab.insert(Object::default()).unwrap();
    assert!(here.push_back(&mut slab, id));
    assert!(!there.remove(&mut slab, id));
    assert!(!there.push_back(&mut slab, id));
    assert_eq!(here.pop_front(&mut slab), Some(id));
}

#[derive(Clone, Copy, Debug)]
enum Op {
    PushBack(usize),
    PushFront(usize),
    Pop,
    Remove(usize),
}

fn op() -> impl Strategy<Value = (bool, Op)> {
    let op = prop_oneof![
        3 => (0..20usize).prop_map(Op::PushBack),
        1 => (0..20usize).prop_map(Op::PushFront),
        1 => Just(Op::Pop),
        2 => (0..20usize).prop_map(Op::Remove),
    ];
    (any::<bool>(), op)
}

fn apply<const N: usize>(
    op: Op,
    ids: &[Id<Object>],
    slab: &mut Slab<Object>,
    list: &mut List<Object, N>,
    model: &mut VecDeque<Id<Object>>,
) where
    Object: HasLink<N>,
{
    match op {
        Op::PushBack(n) => {
            let new = !model.contains(&ids[n]);
            assert_eq!(list.push_back(slab, ids[n]), new);
            if new {
                model.push_back(ids[n]);
            }
        }
        Op::PushFront(n) => {
            let new = !model.contains(&ids[n]);
            assert_eq!(list.push_front(slab, ids[n]), new);
            if new {
                model.push_front(ids[n]);
            }
        }
        Op::Pop => assert_eq!(list.pop_front(slab), model.pop_front()),
        Op::Remove(n) => {
            let at = model.iter().position(|&id| id == ids[n]);
            assert_eq!(list.remove(slab, ids[n]), at.is_some());
            if let Some(at) = at {
                model.remove(at);
            }
        }
    }
    assert_eq!(list.iter(slab).collect::<VecDeque<_>>(), *model);
    assert_eq!(list.len(), model.len());
    assert_eq!(list.front(), model.front().copied());
    assert_eq!(list.back(), model.back().copied());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn two_kinds_of_list_through_the_same_objects(ops in prop::collection::vec(op(), 0..200)) {
        let mut slab = Slab::new();
        let ids: Vec<_> = (0..20).map(|_| slab.insert(Object::default()).unwrap()).collect();
        let (mut first, mut second) = (List::<Object, 0>::new(), List::<Object, 1>::new());
        let (mut model_first, mut model_second) = (VecDeque::new(), VecDeque::new());
        for (which, op) in ops {
            if which {
                apply(op, &ids, &mut slab, &mut first, &mut model_first);
            } else {
                apply(op, &ids, &mut slab, &mut second, &mut model_second);
            }
        }
    }
}
