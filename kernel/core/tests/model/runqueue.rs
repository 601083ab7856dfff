use std::collections::VecDeque;

use kernel_core::runqueue::{
    DEFAULT_PRIORITY, PRIORITIES, Priority, RunQueue, RunState, Runnable, slice_ns,
};
use kernel_core::slab::{Id, Slab};
use proptest::prelude::*;

struct Thread {
    run: RunState<Thread>,
}

impl Runnable for Thread {
    fn run(&self) -> &RunState<Self> {
        &self.run
    }
    fn run_mut(&mut self) -> &mut RunState<Self> {
        &mut self.run
    }
}

fn prio(n: u32) -> Priority {
    Priority::new(n).unwrap()
}

fn thread(slab: &mut Slab<Thread>, priority: u32) -> Id<Thread> {
    let run = RunState::new(prio(priority));
    slab.insert(Thread { run }).unwrap()
}

/// A thread that has run before, so that it takes part in the present round.
fn old_thread(slab: &mut Slab<Thread>, queue: &mut RunQueue<Thread>, priority: u32) -> Id<Thread> {
    let id = thread(slab, priority);
    assert!(queue.push(slab, id));
    assert_eq!(queue.pick(slab), Some(id));
    id
}

#[test]
fn priorities_are_0_to_39() {
    assert_eq!(Priority::new(PRIORITIES as u32), None);
    assert_eq!(Priority::new(u32::MAX), None);
    assert_eq!(prio(39).number(), 39);
    assert_eq!(slice_ns(prio(0)), 10_000_000);
    assert_eq!(slice_ns(DEFAULT_PRIORITY), 5_000_000);
    assert_eq!(slice_ns(prio(39)), 250_000);
}

#[test]
fn the_urgent_first_and_equals_in_order() {
    let (mut slab, mut queue) = (Slab::new(), RunQueue::new());
    let ids: Vec<_> = [20, 5, 20, 39, 5]
        .map(|p| old_thread(&mut slab, &mut queue, p))
        .into();
    for &id in &ids {
        assert!(queue.push(&mut slab, id));
        assert!(!queue.push(&mut slab, id));
    }
    let order: Vec<_> = std::iter::from_fn(|| queue.pick(&mut slab)).collect();
    assert_eq!(order, [1, 4, 0, 2, 3].map(|n| ids[n]));
    assert!(queue.is_empty());
}

#[test]
fn who_is_pushed_to_the_front_is_next_among_equals() {
    let (mut slab, mut queue) = (Slab::new(), RunQueue::new());
    let [a, b] = [20, 20].map(|p| old_thread(&mut slab, &mut queue, p));
    queue.push(&mut slab, a);
    queue.push_front(&mut slab, b);
    assert_eq!(queue.pick(&mut slab), Some(b));
}

#[test]
fn a_used_up_thread_waits_for_less_urgent_ones() {
    let (mut slab, mut queue) = (Slab::new(), RunQueue::new());
    let [urgent, idle] = [0, 39].map(|p| old_thread(&mut slab, &mut queue, p));
    queue.push(&mut slab, idle);
    assert_eq!(queue.enter(&mut slab, urgent), slice_ns(prio(0)));
    let state = slab.get_mut(urgent).unwrap().run_mut();
    assert!(!state.charge(1));
    assert!(state.charge(u64::MAX));
    queue.push(&mut slab, urgent);
    assert_eq!(queue.pick(&mut slab), Some(idle));
    // The next round has begun.
    assert_eq!(queue.pick(&mut slab), Some(urgent));
    assert_eq!(slab.get(urgent).unwrap().run.left_ns(), slice_ns(prio(0)));
}

#[test]
fn a_new_thread_waits_for_the_next_round() {
    let (mut slab, mut queue) = (Slab::new(), RunQueue::new());
    let old = old_thread(&mut slab, &mut queue, 39);
    let new = thread(&mut slab, 0);
    queue.push(&mut slab, old);
    queue.push(&mut slab, new);
    assert_eq!(queue.pick(&mut slab), Some(old));
    assert_eq!(queue.pick(&mut slab), Some(new));
    // It is new only once.
    queue.push(&mut slab, old);
    queue.push(&mut slab, new);
    assert_eq!(queue.pick(&mut slab), Some(new));
}

#[test]
fn only_the_more_urgent_preempt() {
    let (mut slab, mut queue) = (Slab::new(), RunQueue::new());
    let [running, equal, urgent] = [20, 20, 19].map(|p| old_thread(&mut slab, &mut queue, p));
    queue.push(&mut slab, equal);
    assert!(!queue.preempts(slab.get(running).unwrap().run()));
    queue.push(&mut slab, urgent);
    assert!(queue.preempts(slab.get(running).unwrap().run()));
}

#[test]
fn a_queued_thread_changes_its_priority_in_place() {
    let (mut slab, mut queue) = (Slab::new(), RunQueue::new());
    let [a, b] = [20, 10].map(|p| old_thread(&mut slab, &mut queue, p));
    queue.push(&mut slab, a);
    queue.push(&mut slab, b);
    assert!(queue.set_priority(&mut slab, b, prio(30)));
    assert_eq!(queue.len(), 2);
    assert_eq!(queue.pick(&mut slab), Some(a));
    assert_eq!(queue.pick(&mut slab), Some(b));
    assert_eq!(slab.get(b).unwrap().run.priority(), prio(30));
    slab.remove(b);
    assert!(!queue.set_priority(&mut slab, b, prio(1)));
    assert!(!queue.push(&mut slab, b));
    assert!(!queue.remove(&mut slab, b));
}

/// What a simulated thread does when it is picked.
#[derive(Clone, Debug)]
enum Turn {
    /// Uses all it has.
    Exhaust,
    /// Uses this much and goes on to be runnable.
    Preempted(u32),
    /// Uses this much and yields.
    Yield(u32),
    /// Uses this much and sleeps until the given number of turns later.
    Sleep(u32, usize),
    /// Uses this much and starts a new thread.
    Spawn(u32, u32),
}

fn turn() -> impl Strategy<Value = Turn> {
    let used = 1..2_000_000u32;
    prop_oneof![
        2 => Just(Turn::Exhaust),
        2 => used.clone().prop_map(Turn::Preempted),
        1 => used.clone().prop_map(Turn::Yield),
        4 => (used.clone(), 0..4usize).prop_map(|(u, n)| Turn::Sleep(u, n)),
        1 => (used, 0..40u32).prop_map(|(u, p)| Turn::Spawn(u, p)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    /// However the others behave, a runnable thread waits no longer than twice the sum of their
    /// slices; those that are started meanwhile included.
    #[test]
    fn nobody_starves(
        turns in prop::collection::vec(turn(), 1..600),
        priorities in prop::collection::vec(0..40u32, 2..8),
    ) {
        let (mut slab, mut queue) = (Slab::new(), RunQueue::new());
        let mut sleeping: Vec<(usize, Id<Thread>)> = Vec::new();
        let mut all: Vec<(Id<Thread>, u32)> = Vec::new();
        let mut since: Vec<Option<u64>> = Vec::new();
        for p in priorities {
            let id = thread(&mut slab, p);
            queue.push(&mut slab, id);
            all.push((id, p));
            since.push(Some(0));
        }
        let mut now = 0u64;
        for (step, turn) in turns.into_iter().enumerate() {
            sleeping.retain(|&(until, id)| {
                if until > step {
                    return true;
                }
                assert!(queue.push(&mut slab, id));
                since[all.iter().position(|t| t.0 == id).unwrap()] = Some(now);
                false
            });
            let Some(id) = queue.pick(&mut slab) else {
                continue;
            };
            let at = all.iter().position(|t| t.0 == id).unwrap();
            let sum: u64 = all.iter().map(|t| u64::from(slice_ns(prio(t.1)))).sum();
            let others = sum - u64::from(slice_ns(prio(all[at].1)));
            let waited = now - since[at].take().unwrap();
            prop_assert!(waited <= 2 * others, "waited {} of {}", waited, 2 * others);
            let state = slab.get_mut(id).unwrap().run_mut();
            let left = state.left_ns();
            prop_assert!(left > 0);
            let used = match turn {
                Turn::Exhaust => left,
                Turn::Preempted(u) | Turn::Yield(u) | Turn::Sleep(u, _) | Turn::Spawn(u, _) => u.min(left),
            };
            now += u64::from(used);
            state.charge(u64::from(used));
            if matches!(turn, Turn::Yield(_)) {
                state.yield_now();
            }
            if let Turn::Sleep(_, turns) = turn {
                sleeping.push((step + 1 + turns, id));
            } else {
                queue.push(&mut slab, id);
                since[at] = Some(now);
            }
            if let Turn::Spawn(_, p) = turn && all.len() < 40 {
                let new = thread(&mut slab, p);
                queue.push(&mut slab, new);
                all.push((new, p));
                since.push(Some(now));
            }
        }
        // Those that still wait have not waited too long either.
        let sum: u64 = all.iter().map(|t| u64::from(slice_ns(prio(t.1)))).sum();
        for (n, since) in since.iter().enumerate() {
            if let Some(since) = since {
                let others = sum - u64::from(slice_ns(prio(all[n].1)));
                prop_assert!(now - since <= 2 * others);
            }
        }
    }

    #[test]
    fn within_a_round_it_is_a_queue_per_priority(
        ops in prop::collection::vec((0..3u8, 0..12usize), 0..200),
    ) {
        let (mut slab, mut queue) = (Slab::new(), RunQueue::new());
        let ids: Vec<_> = (0..12).map(|n| old_thread(&mut slab, &mut queue, n / 2)).collect();
        // All have run, and nobody is charged: one round.
        let mut model: Vec<VecDeque<Id<Thread>>> = vec![VecDeque::new(); 6];
        for (op, n) in ops {
            let level = n / 2;
            let queued = model[level].contains(&ids[n]);
            match op {
                0 => {
                    prop_assert_eq!(queue.push(&mut slab, ids[n]), !queued);
                    if !queued { model[level].push_back(ids[n]); }
                }
                1 => {
                    prop_assert_eq!(queue.remove(&mut slab, ids[n]), queued);
                    model[level].retain(|&id| id != ids[n]);
                }
                _ => {
                    let expected = model.iter_mut().find_map(VecDeque::pop_front);
                    prop_assert_eq!(queue.pick(&mut slab), expected);
                }
            }
            prop_assert_eq!(queue.len(), model.iter().map(VecDeque::len).sum::<usize>());
        }
    }
}
