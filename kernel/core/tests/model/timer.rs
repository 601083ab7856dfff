use std::collections::BTreeMap;

use kernel_core::timer::Timers;
use proptest::prelude::*;

#[test]
fn equal_deadlines_expire_in_the_order_they_were_set() {
    let mut timers = Timers::new();
    for n in 0..50 {
        timers.set(7, n).unwrap();
    }
    assert_eq!(timers.pop_expired(6), None);
    let order: Vec<_> = std::iter::from_fn(|| timers.pop_expired(7))
        .map(|(_, n)| n)
        .collect();
    assert_eq!(order, (0..50).collect::<Vec<_>>());
    assert!(timers.is_empty());
    assert_eq!(timers.next_deadline(), None);
}

#[test]
fn a_timer_is_cancelled_once() {
    let mut timers = Timers::new();
    let a = timers.set(1, 'a').unwrap();
    let b = timers.set(2, 'b').unwrap();
    assert_eq!(timers.deadline(a), Some(1));
    assert_eq!(timers.cancel(a), Some('a'));
    assert_eq!(timers.cancel(a), None);
    assert_eq!(timers.deadline(a), None);
    assert_eq!(timers.next_deadline(), Some(2));
    assert_eq!(timers.pop_expired(u64::MAX), Some((b, 'b')));
    assert_eq!(timers.cancel(b), None);
}

#[derive(Clone, Debug)]
enum Op {
    Set(u64),
    Cancel(usize),
    Expire(u64),
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn behaves_like_a_sorted_map(ops in prop::collection::vec(prop_oneof![
        4 => (0..100u64).prop_map(Op::Set),
        2 => any::<usize>().prop_map(Op::Cancel),
        2 => (0..100u64).prop_map(Op::Expire),
    ], 0..400)) {
        let mut timers = Timers::new();
        let mut model = BTreeMap::new();
        for (sequence, op) in ops.into_iter().enumerate() {
            match op {
                Op::Set(deadline) => {
                    let id = timers.set(deadline, sequence).unwrap();
                    model.insert((deadline, sequence), id);
                }
                Op::Cancel(n) => {
                    if let Some((&key, &id)) = model.iter().nth(n % model.len().max(1)) {
                        prop_assert_eq!(timers.cancel(id), Some(key.1));
                        model.remove(&key);
                    }
                }
                Op::Expire(now) => while let Some((id, payload)) = timers.pop_expired(now) {
                    let ((deadline, sequence), expected) = model.pop_first().unwrap();
                    prop_assert!(deadline <= now);
                    prop_assert_eq!((id, payload), (expected, sequence));
                },
            }
            prop_assert_eq!(timers.len(), model.len());
            prop_assert_eq!(timers.next_deadline(), model.keys().next().map(|k| k.0));
        }
    }
}
