use std::collections::{BTreeMap, VecDeque};

use kernel_core::list::{HasLink, Link};
use kernel_core::message::{
    Call, Caller, Cancelled, Delivery, MAX_ABANDONED, MAX_CALLERS, Notice, Phase, Queue,
    SubmitError, Tag,
};
use kernel_core::slab::{Id, Slab};
use proptest::prelude::*;

struct Context {
    call: Call<Context, u32>,
    run: Link<Context>,
}

impl Context {
    fn new() -> Self {
        Self {
            call: Call::new(),
            run: Link::new(),
        }
    }
}

impl Caller for Context {
    type Body = u32;
    fn call(&self) -> &Call<Self, u32> {
        &self.call
    }
    fn call_mut(&mut self) -> &mut Call<Self, u32> {
        &mut self.call
    }
}

// A caller can have links of its own beside that of its call.
impl HasLink<0> for Context {
    fn link(&self) -> &Link<Self> {
        &self.run
    }
    fn link_mut(&mut self) -> &mut Link<Self> {
        &mut self.run
    }
}

struct World {
    callers: Slab<Context>,
    notices: Slab<Notice<u32>>,
}

impl World {
    fn new() -> Self {
        Self {
            callers: Slab::with_limit(MAX_CALLERS),
            notices: Slab::new(),
        }
    }

    fn caller(&mut self) -> Id<Context> {
        self.callers.insert(Context::new()).unwrap()
    }

    fn deliver(&mut self, queue: &mut Queue<Context>, id: Id<Context>) -> Tag {
        queue
            .submit_direct(&mut self.callers, &mut self.notices, id)
            .unwrap()
            .unwrap()
    }

    fn destroy(&mut self, id: Id<Context>) {
        let mut context = self.callers.remove(id).unwrap();
        assert_eq!(context.call.phase(), Phase::Idle);
        context.call.dispose(&mut self.notices);
    }
}

#[test]
fn one_request_there_and_back() {
    let mut w = World::new();
    let mut queue = Queue::new(1);
    let id = w.caller();
    queue.submit(&mut w.callers, &mut w.notices, id).unwrap();
    assert!(queue.is_ready());
    assert_eq!(
        queue.submit(&mut w.callers, &mut w.notices, id),
        Err(SubmitError::Busy)
    );
    let Some(Delivery::Request { caller, tag }) = queue.next(&mut w.callers, &mut w.notices) else {
        panic!("no request");
    };
    assert_eq!(caller, id);
    assert_eq!(queue.caller(&w.callers, tag), Some(id));
    assert_eq!(queue.reply(&mut w.callers, &mut w.notices, tag), Some(id));
    assert_eq!(queue.reply(&mut w.callers, &mut w.notices, tag), None);
    assert_eq!(queue.ignored(), 1);
    w.destroy(id);
    assert!(w.notices.is_empty());
}

#[test]
fn another_sockets_tag_answers_nobody() {
    let mut w = World::new();
    let (mut a, mut b) = (Queue::new(1), Queue::new(2));
    let id = w.caller();
    let tag = w.deliver(&mut a, id);
    assert_eq!(b.caller(&w.callers, tag), None);
    assert_eq!(b.reply(&mut w.callers, &mut w.notices, tag), None);
    assert_eq!(
        b.cancel(&mut w.callers, &mut w.notices, id),
        Cancelled::NoCall
    );
    assert!(!b.abandon(&mut w.callers, &mut w.notices, id));
    assert_eq!(a.reply(&mut w.callers, &mut w.notices, tag), Some(id));
    assert_eq!((a.ignored(), b.ignored()), (0, 1));
}

#[test]
fn direct_delivery_does_not_overtake() {
    let mut w = World::new();
    let mut queue = Queue::new(1);
    let (first, second) = (w.caller(), w.caller());
    queue.submit(&mut w.callers, &mut w.notices, first).unwrap();
    let direct = queue.submit_direct(&mut w.callers, &mut w.notices, second);
    assert_eq!(direct, Ok(None));
    assert_eq!(w.callers.get(second).unwrap().call.phase(), Phase::Idle);
}

#[test]
fn the_tag_of_a_dead_caller_is_not_given_to_its_successor() {
    let mut w = World::new();
    let mut queue = Queue::new(1);
    let dead = w.caller();
    let tag = w.deliver(&mut queue, dead);
    assert!(queue.abandon(&mut w.callers, &mut w.notices, dead));
    w.destroy(dead);
    let told = queue.next(&mut w.callers, &mut w.notices);
    assert!(matches!(told, Some(Delivery::Cancel(t)) if t == tag));
    let heir = w.caller();
    assert_eq!(heir.index(), dead.index());
    // More calls than there are generations.
    let mut call = |queue: &mut Queue<Context>| {
        let tag = w.deliver(queue, heir);
        assert_eq!(queue.reply(&mut w.callers, &mut w.notices, tag), Some(heir));
        tag
    };
    for _ in 0..10_000 {
        assert_ne!(call(&mut queue), tag);
    }
    assert_eq!(queue.reply(&mut w.callers, &mut w.notices, tag), None);
    let mut call = |queue: &mut Queue<Context>| {
        let tag = w.deliver(queue, heir);
        queue.reply(&mut w.callers, &mut w.notices, tag);
        tag
    };
    assert!((0..10_000).any(|_| call(&mut queue) == tag));
}

#[test]
fn what_a_silent_daemon_can_make_us_remember_is_bounded() {
    let mut w = World::new();
    let mut queue = Queue::new(1);
    for n in 0..3 * MAX_ABANDONED {
        let id = w.caller();
        // The daemon reads everything and answers nothing.
        while queue.next(&mut w.callers, &mut w.notices).is_some() {}
        w.deliver(&mut queue, id);
        assert!(queue.abandon(&mut w.callers, &mut w.notices, id));
        w.destroy(id);
        assert_eq!(w.notices.len(), (n + 1).min(MAX_ABANDONED));
    }
    queue.close();
    assert_eq!(queue.next_orphan(&mut w.callers, &mut w.notices), None);
    assert_eq!(queue.next_untold(&mut w.notices), None);
    assert!(w.notices.is_empty());
}

#[test]
fn a_closed_socket_accepts_and_delivers_nothing() {
    let mut w = World::new();
    let mut queue = Queue::new(1);
    let id = w.caller();
    let notice = w.notices.insert(Notice::new(7)).unwrap();
    let late = w.notices.insert(Notice::new(8)).unwrap();
    assert!(queue.post(&mut w.notices, notice));
    queue.close();
    assert!(!queue.post(&mut w.notices, late));
    assert_eq!(
        queue.submit(&mut w.callers, &mut w.notices, id),
        Err(SubmitError::Closed)
    );
    assert!(queue.next(&mut w.callers, &mut w.notices).is_none());
    assert_eq!(queue.next_untold(&mut w.notices), Some(7));
    assert_eq!(queue.next_untold(&mut w.notices), None);
    assert!(w.notices.is_empty());
}

#[derive(Clone, Debug)]
enum Op {
    Submit(usize, usize),
    Direct(usize, usize),
    Next(usize),
    Reply(usize, usize),
    Forge(usize, u32),
    Cancel(usize),
    Kill(usize),
    Post(usize, u32),
    Close(usize),
}

fn op() -> impl Strategy<Value = Op> {
    let (c, s) = (0..6usize, 0..2usize);
    prop_oneof![
        8 => (c.clone(), s.clone()).prop_map(|(c, s)| Op::Submit(c, s)),
        3 => (c.clone(), s.clone()).prop_map(|(c, s)| Op::Direct(c, s)),
        10 => s.clone().prop_map(Op::Next),
        6 => (s.clone(), any::<usize>()).prop_map(|(s, n)| Op::Reply(s, n)),
        1 => (s.clone(), prop_oneof![any::<u32>(), 0..8u32, (0..8u32).prop_map(|n| n << 20)])
            .prop_map(|(s, t)| Op::Forge(s, t)),
        3 => c.clone().prop_map(Op::Cancel),
        2 => c.prop_map(Op::Kill),
        2 => (s.clone(), any::<u32>()).prop_map(|(s, n)| Op::Post(s, n)),
        1 => s.prop_map(Op::Close),
    ]
}

/// What a caller waits for: the number of its request, and where it is.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Waits {
    No,
    Pending(usize, u64),
    InFlight(usize, u64),
}

/// What the daemon of one socket has read and not answered: request number, whether somebody
/// wanted it cancelled, whether the daemon was told.
#[derive(Debug)]
struct Outstanding {
    request: u64,
    wanted: bool,
    told: bool,
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn no_caller_is_lost_or_answered_twice(ops in prop::collection::vec(op(), 0..250)) {
        let mut w = World::new();
        let mut queues = [Queue::new(1), Queue::new(2)];
        let mut next_key = 3;
        let mut ids: Vec<_> = (0..6).map(|_| w.caller()).collect();
        let mut waits = [Waits::No; 6];
        let mut daemon: [BTreeMap<Tag, Outstanding>; 2] = Default::default();
        let mut pending: [VecDeque<u64>; 2] = Default::default();
        let mut posted: [VecDeque<u32>; 2] = Default::default();
        let mut requests = 0;
        let mut ops = VecDeque::from(ops);
        // In the end everything is closed and every caller must be idle.
        ops.extend([Op::Close(0), Op::Close(1)]);
        while let Some(op) = ops.pop_front() {
            match op {
                Op::Submit(c, s) => {
                    let result = queues[s].submit(&mut w.callers, &mut w.notices, ids[c]);
                    if waits[c] == Waits::No {
                        prop_assert_eq!(result, Ok(()));
                        requests += 1;
                        waits[c] = Waits::Pending(s, requests);
                        pending[s].push_back(requests);
                    } else {
                        prop_assert_eq!(result, Err(SubmitError::Busy));
                    }
                }
                Op::Direct(c, s) => {
                    let ready = queues[s].is_ready();
                    let result = queues[s].submit_direct(&mut w.callers, &mut w.notices, ids[c]);
                    if ready {
                        prop_assert_eq!(result, Ok(None));
                    } else if waits[c] == Waits::No {
                        requests += 1;
                        waits[c] = Waits::InFlight(s, requests);
                        let new = Outstanding { request: requests, wanted: false, told: false };
                        let tag = result.unwrap().unwrap();
                        prop_assert!(daemon[s].insert(tag, new).is_none());
                    } else {
                        prop_assert_eq!(result, Err(SubmitError::Busy));
                    }
                }
                Op::Next(s) => match queues[s].next(&mut w.callers, &mut w.notices) {
                    None => {
                        prop_assert!(pending[s].is_empty() && posted[s].is_empty());
                        prop_assert!(daemon[s].values().all(|o| !o.wanted || o.told));
                    }
                    Some(Delivery::Request { caller, tag }) => {
                        let c = ids.iter().position(|&id| id == caller).unwrap();
                        let request = pending[s].pop_front().unwrap();
                        prop_assert_eq!(waits[c], Waits::Pending(s, request));
                        waits[c] = Waits::InFlight(s, request);
                        let new = Outstanding { request, wanted: false, told: false };
                        prop_assert!(daemon[s].insert(tag, new).is_none(), "tag in use");
                    }
                    Some(Delivery::Cancel(tag)) => {
                        let known = daemon[s].get_mut(&tag).unwrap();
                        prop_assert!(known.wanted && !known.told);
                        known.told = true;
                    }
                    Some(Delivery::Notice(body)) => {
                        prop_assert_eq!(posted[s].pop_front(), Some(body));
                    }
                },
                Op::Reply(s, n) => {
                    let Some(&tag) = daemon[s].keys().nth(n % daemon[s].len().max(1)) else {
                        continue;
                    };
                    let request = daemon[s].remove(&tag).unwrap().request;
                    let c = waits.iter().position(|&w| w == Waits::InFlight(s, request));
                    let answered = queues[s].reply(&mut w.callers, &mut w.notices, tag);
                    prop_assert_eq!(answered, c.map(|c| ids[c]));
                    if let Some(c) = c {
                        waits[c] = Waits::No;
                    }
                }
                Op::Forge(s, raw) => {
                    let tag = Tag::from_raw(raw);
                    if !daemon[s].contains_key(&tag) {
                        let before = queues[s].ignored();
                        let answered = queues[s].reply(&mut w.callers, &mut w.notices, tag);
                        prop_assert_eq!(answered, None);
                        prop_assert_eq!(queues[s].ignored(), before + 1);
                    }
                }
                Op::Cancel(c) => {
                    let at = match waits[c] { Waits::InFlight(s, _) | Waits::Pending(s, _) => s, Waits::No => 0 };
                    let got = queues[at].cancel(&mut w.callers, &mut w.notices, ids[c]);
                    match waits[c] {
                        Waits::No => prop_assert_eq!(got, Cancelled::NoCall),
                        Waits::Pending(s, request) => {
                            prop_assert_eq!(got, Cancelled::Withdrawn);
                            pending[s].retain(|&r| r != request);
                            waits[c] = Waits::No;
                        }
                        Waits::InFlight(s, request) => {
                            let known = daemon[s].values_mut().find(|o| o.request == request).unwrap();
                            let expected = if known.wanted { Cancelled::AlreadyAsked } else { Cancelled::Asked };
                            prop_assert_eq!(got, expected);
                            known.wanted = true;
                        }
                    }
                }
                Op::Kill(c) => {
                    match waits[c] {
                        Waits::No => {}
                        Waits::Pending(s, request) => {
                            prop_assert!(queues[s].abandon(&mut w.callers, &mut w.notices, ids[c]));
                            pending[s].retain(|&r| r != request);
                        }
                        Waits::InFlight(s, request) => {
                            prop_assert!(queues[s].abandon(&mut w.callers, &mut w.notices, ids[c]));
                            daemon[s].values_mut().find(|o| o.request == request).unwrap().wanted = true;
                        }
                    }
                    w.destroy(ids[c]);
                    ids[c] = w.caller();
                    waits[c] = Waits::No;
                }
                Op::Post(s, body) => {
                    let notice = w.notices.insert(Notice::new(body)).unwrap();
                    prop_assert!(queues[s].post(&mut w.notices, notice));
                    posted[s].push_back(body);
                }
                Op::Close(s) => {
                    queues[s].close();
                    while let Some(id) = queues[s].next_orphan(&mut w.callers, &mut w.notices) {
                        let c = ids.iter().position(|&i| i == id).unwrap();
                        prop_assert!(matches!(waits[c], Waits::Pending(at, _) | Waits::InFlight(at, _) if at == s));
                        waits[c] = Waits::No;
                    }
                    while let Some(body) = queues[s].next_untold(&mut w.notices) {
                        prop_assert_eq!(posted[s].pop_front(), Some(body));
                    }
                    prop_assert!(posted[s].is_empty());
                    prop_assert!(!waits.iter().any(|w| matches!(w, Waits::Pending(at, _) | Waits::InFlight(at, _) if *at == s)));
                    daemon[s].clear();
                    pending[s].clear();
                    queues[s] = Queue::new(next_key);
                    next_key += 1;
                }
            }
            for (c, &id) in ids.iter().enumerate() {
                let idle = w.callers.get(id).unwrap().call.phase() == Phase::Idle;
                prop_assert_eq!(idle, waits[c] == Waits::No);
            }
        }
        for id in ids {
            w.destroy(id);
        }
        prop_assert!(w.notices.is_empty());
    }
}
