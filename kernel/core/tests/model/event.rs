use std::collections::VecDeque;

use kernel_core::event::{Events, MAX_PER_SUBJECT, QueueId, Ready, RegisterError, SubjectId};
use proptest::prelude::*;
use syscall::flag::EventFlags;

const NONE: EventFlags = EventFlags::EVENT_NONE;
const READ: EventFlags = EventFlags::EVENT_READ;
const WRITE: EventFlags = EventFlags::EVENT_WRITE;

fn all_woken(events: &mut Events) -> Vec<QueueId> {
    std::iter::from_fn(|| events.next_woken()).collect()
}

#[test]
fn a_subject_that_is_ready_is_told_at_once() {
    let mut events = Events::new();
    let queue = events.create(10).unwrap();
    let mut subject = None;
    events
        .register(queue, &mut subject, 3, READ, 77, READ | WRITE)
        .unwrap();
    assert_eq!(all_woken(&mut events), [queue]);
    let ready = Ready {
        number: 3,
        flags: READ,
        data: 77,
        subject,
    };
    assert_eq!(events.read(queue), Some(ready));
    assert_eq!(events.read(queue), None);
}

#[test]
fn changes_coalesce_until_they_are_read() {
    let mut events = Events::new();
    let queue = events.create(10).unwrap();
    let mut subject = None;
    events
        .register(queue, &mut subject, 3, READ | WRITE, 0, NONE)
        .unwrap();
    assert_eq!(all_woken(&mut events), []);
    for flags in [READ, READ, WRITE, READ] {
        events.trigger(subject, flags);
    }
    assert_eq!(all_woken(&mut events), [queue]);
    assert_eq!(events.pending(queue), 1);
    assert_eq!(events.read(queue).unwrap().flags, READ | WRITE);
    events.trigger(subject, WRITE);
    assert_eq!(all_woken(&mut events), [queue]);
    assert_eq!(events.read(queue).unwrap().flags, WRITE);
}

#[test]
fn a_registration_can_be_made_what_it_was() {
    let mut events = Events::new();
    let queue = events.create(10).unwrap();
    let mut subject = None;
    assert_eq!(events.registered(queue, subject, 3), None);
    events
        .register(queue, &mut subject, 3, READ, 1, READ)
        .unwrap();
    let before = events.registered(queue, subject, 3);
    assert_eq!(before, Some((READ, 1)));
    events
        .register(queue, &mut subject, 3, READ | WRITE, 2, WRITE)
        .unwrap();
    events.restore(queue, subject, 3, before);
    assert_eq!(events.registered(queue, subject, 3), before);
    let ready = events.read(queue).unwrap();
    assert_eq!((ready.flags, ready.data), (READ, 1));
    events.trigger(subject, WRITE);
    assert_eq!(events.read(queue), None);
    // One that is pending for nothing else is pending no more; one that was not there is not there.
    events
        .register(queue, &mut subject, 3, WRITE, 2, WRITE)
        .unwrap();
    events.restore(queue, subject, 3, before);
    assert_eq!((events.pending(queue), events.read(queue)), (0, None));
    events
        .register(queue, &mut subject, 4, READ, 5, READ)
        .unwrap();
    events.restore(queue, subject, 4, None);
    events.restore(queue, subject, 9, None);
    assert_eq!(events.counts(), (1, 1, 1));
    assert_eq!((events.pending(queue), events.read(queue)), (0, None));
}

#[test]
fn registering_again_replaces_and_nothing_removes() {
    let mut events = Events::new();
    let queue = events.create(10).unwrap();
    let mut subject = None;
    events
        .register(queue, &mut subject, 3, READ | WRITE, 1, READ | WRITE)
        .unwrap();
    // What is no longer wanted is not reported, though it was pending.
    events
        .register(queue, &mut subject, 3, WRITE, 2, NONE)
        .unwrap();
    assert_eq!(events.counts(), (1, 1, 1));
    let ready = events.read(queue).unwrap();
    assert_eq!((ready.flags, ready.data), (WRITE, 2));
    events
        .register(queue, &mut subject, 3, READ, 2, READ)
        .unwrap();
    events
        .register(queue, &mut subject, 3, WRITE, 2, NONE)
        .unwrap();
    assert_eq!(events.read(queue), None);
    events
        .register(queue, &mut subject, 3, NONE, 0, READ)
        .unwrap();
    assert_eq!(events.counts(), (1, 0, 0));
    events
        .register(queue, &mut subject, 3, NONE, 0, READ)
        .unwrap();
    events.trigger(subject, READ | WRITE);
    assert_eq!(events.read(queue), None);
    // The subject's old id is stale; a new interest makes a new one.
    events
        .register(queue, &mut subject, 4, READ, 0, NONE)
        .unwrap();
    events.trigger(subject, READ);
    assert_eq!(events.read(queue).unwrap().number, 4);
}

#[test]
fn registrations_are_bounded() {
    let mut events = Events::new();
    let queue = events.create(2).unwrap();
    let (mut a, mut b) = (None, None);
    events.register(queue, &mut a, 1, READ, 0, NONE).unwrap();
    events.register(queue, &mut a, 2, READ, 0, NONE).unwrap();
    let result = events.register(queue, &mut b, 3, READ, 0, NONE);
    assert_eq!(result, Err(RegisterError::Full));
    assert_eq!(b, None);
    assert_eq!(events.arm(queue, 9, 9), Err(RegisterError::Full));
    assert_eq!(events.register(queue, &mut a, 2, WRITE, 0, NONE), Ok(()));
    assert_eq!(events.counts(), (1, 1, 2));
    let other = events.create(usize::MAX).unwrap();
    for n in 0..MAX_PER_SUBJECT - 2 {
        events.register(other, &mut a, n, READ, 0, NONE).unwrap();
    }
    let result = events.register(other, &mut a, usize::MAX, READ, 0, NONE);
    assert_eq!(result, Err(RegisterError::Full));
    events.destroy(queue);
    let result = events.register(queue, &mut a, 1, READ, 0, NONE);
    assert_eq!(result, Err(RegisterError::NoQueue));
    assert_eq!(events.arm(queue, 0, 0), Err(RegisterError::NoQueue));
}

#[test]
fn an_alarm_goes_off_once() {
    let mut events = Events::new();
    let queue = events.create(2).unwrap();
    let alarm = events.arm(queue, 5, 6).unwrap();
    assert!(events.fire(alarm, READ));
    assert!(events.fire(alarm, READ));
    let ready = Ready {
        number: 5,
        flags: READ,
        data: 6,
        subject: None,
    };
    assert_eq!(events.read(queue), Some(ready));
    assert_eq!(events.read(queue), None);
    assert!(!events.fire(alarm, READ));
    assert!(!events.disarm(alarm));
    let alarm = events.arm(queue, 5, 6).unwrap();
    events.fire(alarm, READ);
    assert!(events.disarm(alarm));
    assert_eq!(events.read(queue), None);
    let alarm = events.arm(queue, 5, 6).unwrap();
    events.destroy(queue);
    assert!(!events.fire(alarm, READ));
    assert_eq!(events.counts(), (0, 0, 0));
    assert_eq!(all_woken(&mut events), []);
}

#[derive(Clone, Debug)]
enum Op {
    Register(usize, usize, usize, usize, usize),
    Trigger(usize, usize),
    Read(usize),
    Forget(usize),
    Recreate(usize),
}

/// A registration as the model has it, in the order in which they were made.
#[derive(Clone, Debug)]
struct Interest {
    queue: usize,
    subject: usize,
    number: usize,
    interest: EventFlags,
    ready: EventFlags,
    data: usize,
}

struct Model {
    interests: Vec<Interest>,
    /// Per queue, the pending ones as (subject, number).
    pending: [VecDeque<(usize, usize)>; 3],
    /// Queues that became non-empty.
    woken: Vec<usize>,
}

impl Model {
    fn make_pending(&mut self, at: usize, flags: EventFlags) {
        let i = &mut self.interests[at];
        let flags = flags & i.interest;
        i.ready |= flags;
        let (queue, key) = (i.queue, (i.subject, i.number));
        if !flags.is_empty() && !self.pending[queue].contains(&key) {
            if self.pending[queue].is_empty() && !self.woken.contains(&queue) {
                self.woken.push(queue);
            }
            self.pending[queue].push_back(key);
        }
    }

    fn remove(&mut self, gone: impl Fn(&Interest) -> bool) {
        for i in self.interests.iter().filter(|i| gone(i)) {
            self.pending[i.queue].retain(|&key| key != (i.subject, i.number));
        }
        self.interests.retain(|i| !gone(i));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn each_event_once_in_order(ops in prop::collection::vec(prop_oneof![
        6 => (0..3usize, 0..4usize, 0..2usize, 0..4usize, 0..4usize)
            .prop_map(|(q, s, n, i, r)| Op::Register(q, s, n, i, r)),
        6 => (0..4usize, 1..4usize).prop_map(|(s, f)| Op::Trigger(s, f)),
        6 => (0..3usize).prop_map(Op::Read),
        1 => (0..4usize).prop_map(Op::Forget),
        1 => (0..3usize).prop_map(Op::Recreate),
    ], 0..300)) {
        let mut events = Events::new();
        let mut queues = [(); 3].map(|()| events.create(100).unwrap());
        let mut subjects: [Option<SubjectId>; 4] = [None; 4];
        let mut model = Model { interests: vec![], pending: Default::default(), woken: vec![] };
        let flags = EventFlags::from_bits_truncate;
        for (serial, op) in ops.into_iter().enumerate() {
            match op {
                Op::Register(q, s, number, interest, ready) => {
                    let (interest, ready) = (flags(interest), flags(ready));
                    events.register(queues[q], &mut subjects[s], number, interest, serial, ready).unwrap();
                    let same = |i: &Interest| (i.queue, i.subject, i.number) == (q, s, number);
                    let at = model.interests.iter().position(same);
                    match at {
                        _ if interest.is_empty() => model.remove(same),
                        Some(at) => {
                            let i = &mut model.interests[at];
                            (i.interest, i.data) = (interest, serial);
                            i.ready &= interest;
                            if i.ready.is_empty() {
                                model.pending[q].retain(|&key| key != (s, number));
                            }
                            model.make_pending(at, ready);
                        }
                        None => {
                            model.interests.push(Interest {
                                queue: q, subject: s, number, interest, ready: NONE, data: serial,
                            });
                            model.make_pending(model.interests.len() - 1, ready);
                        }
                    }
                }
                Op::Trigger(s, f) => {
                    events.trigger(subjects[s], flags(f));
                    for at in 0..model.interests.len() {
                        if model.interests[at].subject == s {
                            model.make_pending(at, flags(f));
                        }
                    }
                }
                Op::Read(q) => {
                    let expected = model.pending[q].pop_front().map(|(s, number)| {
                        let i = model.interests.iter_mut()
                            .find(|i| (i.queue, i.subject, i.number) == (q, s, number)).unwrap();
                        let flags = std::mem::take(&mut i.ready);
                        Ready { number, flags, data: i.data, subject: subjects[s] }
                    });
                    prop_assert_eq!(events.read(queues[q]), expected);
                }
                Op::Forget(s) => {
                    events.forget(subjects[s].take());
                    model.remove(|i| i.subject == s);
                }
                Op::Recreate(q) => {
                    events.destroy(queues[q]);
                    model.remove(|i| i.queue == q);
                    model.woken.retain(|&w| w != q);
                    queues[q] = events.create(100).unwrap();
                }
            }
            let woken: Vec<_> = all_woken(&mut events);
            let expected: Vec<_> = model.woken.drain(..).map(|q| queues[q]).collect();
            prop_assert_eq!(woken, expected);
            for (q, &queue) in queues.iter().enumerate() {
                prop_assert_eq!(events.pending(queue), model.pending[q].len());
            }
            prop_assert_eq!(events.counts().2, model.interests.len());
        }
        for queue in queues {
            events.destroy(queue);
        }
        prop_assert_eq!(events.counts(), (0, 0, 0));
    }
}
