use std::collections::VecDeque;

use kernel_core::futex::{Futexes, Key, Wait, Waiter};
use kernel_core::slab::{Id, Slab};
use proptest::prelude::*;

#[derive(Default)]
struct Thread {
    wait: Wait<Thread>,
}

impl Waiter for Thread {
    fn wait(&self) -> &Wait<Self> {
        &self.wait
    }
    fn wait_mut(&mut self) -> &mut Wait<Self> {
        &mut self.wait
    }
}

fn key(n: u64) -> Key {
    Key {
        place: n % 3,
        offset: n / 3 * 4,
    }
}

fn drain(slab: &mut Slab<Thread>, mut woken: kernel_core::futex::Woken<Thread>) -> Vec<Id<Thread>> {
    std::iter::from_fn(|| woken.pop_front(slab)).collect()
}

#[test]
fn the_same_offset_in_another_place_is_another_word() {
    let mut slab = Slab::new();
    let mut table = Futexes::new(1);
    let id = slab.insert(Thread::default()).unwrap();
    let here = Key {
        place: 1,
        offset: 8,
    };
    let there = Key {
        place: 2,
        offset: 8,
    };
    assert!(table.wait(&mut slab, id, here));
    assert!(!table.wait(&mut slab, id, there));
    assert!(table.wake(&mut slab, there, 9).is_empty());
    let woken = table.wake(&mut slab, here, 9);
    assert_eq!(drain(&mut slab, woken), [id]);
    assert!(!table.remove(&mut slab, id));
    assert!(table.is_empty());
}

#[test]
fn thousands_of_waiters_at_one_word_and_at_many() {
    let mut slab = Slab::new();
    let mut table = Futexes::new(0x1234_5678);
    let ids: Vec<_> = (0..4000)
        .map(|_| slab.insert(Thread::default()).unwrap())
        .collect();
    for (n, &id) in ids.iter().enumerate() {
        assert!(table.wait(&mut slab, id, key(if n % 2 == 0 { 0 } else { n as u64 })));
    }
    assert_eq!(table.len(), 4000);
    let woken = table.wake(&mut slab, key(0), usize::MAX);
    let even: Vec<_> = ids.iter().copied().step_by(2).collect();
    assert_eq!(drain(&mut slab, woken), even);
    for &id in &ids {
        table.remove(&mut slab, id);
    }
    assert!(table.is_empty());
}

#[derive(Clone, Debug)]
enum Op {
    Wait(usize, u64),
    Wake(u64, usize),
    Requeue(u64, u64, usize, usize),
    Remove(usize),
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn behaves_like_a_queue_per_key(ops in prop::collection::vec(prop_oneof![
        6 => (0..100usize, 0..8u64).prop_map(|(t, k)| Op::Wait(t, k)),
        2 => (0..8u64, 0..5usize).prop_map(|(k, n)| Op::Wake(k, n)),
        1 => (0..8u64, 0..8u64, 0..3usize, 0..5usize).prop_map(|(a, b, w, r)| Op::Requeue(a, b, w, r)),
        2 => (0..100usize).prop_map(Op::Remove),
    ], 0..400), seed in any::<u64>()) {
        let mut slab = Slab::new();
        let mut table = Futexes::new(seed);
        let ids: Vec<_> = (0..100).map(|_| slab.insert(Thread::default()).unwrap()).collect();
        let mut model: [VecDeque<Id<Thread>>; 8] = Default::default();
        for op in ops {
            match op {
                Op::Wait(t, k) => {
                    let new = !model.iter().any(|q| q.contains(&ids[t]));
                    prop_assert_eq!(table.wait(&mut slab, ids[t], key(k)), new);
                    if new { model[k as usize].push_back(ids[t]); }
                }
                Op::Wake(k, n) => {
                    let woken = table.wake(&mut slab, key(k), n);
                    let queue = &mut model[k as usize];
                    let expected: Vec<_> = queue.drain(..n.min(queue.len())).collect();
                    prop_assert_eq!(drain(&mut slab, woken), expected);
                }
                Op::Requeue(a, b, w, r) => {
                    let (woken, moved) = table.requeue(&mut slab, key(a), key(b), w, r);
                    let queue = &mut model[a as usize];
                    let expected: Vec<_> = queue.drain(..w.min(queue.len())).collect();
                    prop_assert_eq!(drain(&mut slab, woken), expected);
                    let rest: Vec<_> = if a == b { vec![] } else {
                        queue.drain(..r.min(queue.len())).collect()
                    };
                    prop_assert_eq!(moved, rest.len());
                    model[b as usize].extend(rest);
                }
                Op::Remove(t) => {
                    let waits = model.iter().any(|q| q.contains(&ids[t]));
                    prop_assert_eq!(table.remove(&mut slab, ids[t]), waits);
                    model.iter_mut().for_each(|q| q.retain(|&id| id != ids[t]));
                }
            }
            prop_assert_eq!(table.len(), model.iter().map(VecDeque::len).sum::<usize>());
            for &id in &ids {
                let at = model.iter().position(|q| q.contains(&id)).map(|k| key(k as u64));
                prop_assert_eq!(slab.get(id).unwrap().wait.key(), at);
            }
        }
    }
}
