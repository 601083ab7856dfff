use std::collections::BTreeSet;

use cap_abi::fcntl::{LEASE_NOT_INHERITED, LEASE_REVOKE_ON_CLOSE, LEASE_UNPRIVILEGED};
use kernel_core::lease::{LeaseError, LeaseId, Leases, MAX_ANCESTORS};
use proptest::prelude::*;

#[test]
fn without_a_lease_authority_is_live() {
    assert!(Leases::new().is_live(None));
}

#[test]
fn a_chain_dies_from_the_middle_down() {
    let mut leases = Leases::new();
    let a = leases.derive(None, 0).unwrap();
    let b = leases.derive(Some(a), 0).unwrap();
    let c = leases.derive(Some(b), 0).unwrap();
    assert_eq!(leases.revoke(b), 2);
    assert!(leases.is_live(Some(a)));
    assert!(!leases.is_live(Some(b)));
    assert!(!leases.is_live(Some(c)));
    assert_eq!(leases.revoke(b), 0);
    assert_eq!(leases.derive(Some(b), 0), Err(LeaseError::Revoked));
    assert_eq!(leases.join(a, c), Err(LeaseError::Revoked));
    assert!(!leases.retain(c));
    assert!(!leases.retain_control(c));
    leases.release(c);
    leases.release_control(c);
    assert_eq!(leases.len(), 1);
}

#[test]
fn join_reuses_what_there_is() {
    let mut leases = Leases::new();
    let a = leases.derive(None, 0).unwrap();
    let b = leases.derive(Some(a), 0).unwrap();
    let c = leases.derive(Some(b), 0).unwrap();
    let x = leases.derive(None, 0).unwrap();
    assert_eq!(leases.join(a, a), Ok(a));
    assert_eq!(leases.join(a, b), Ok(b));
    assert_eq!(leases.join(c, a), Ok(c));
    let joined = leases.join(c, x).unwrap();
    assert_eq!(leases.join(x, c), Ok(joined));
    assert_eq!(leases.join(a, joined), Ok(joined));
    assert_eq!(leases.len(), 5);
    assert_eq!(leases.revoke(x), 2);
    assert!(!leases.is_live(Some(joined)));
    assert!(leases.is_live(Some(c)));
}

#[test]
fn the_last_control_revokes_if_asked_to() {
    let mut leases = Leases::new();
    let kept = leases.derive(None, 0).unwrap();
    assert_eq!(leases.release_control(kept), 0);
    assert!(leases.is_live(Some(kept)));
    let ended = leases.derive(None, LEASE_REVOKE_ON_CLOSE).unwrap();
    let below = leases.derive(Some(ended), 0).unwrap();
    leases.retain_control(ended);
    assert_eq!(leases.release_control(ended), 0);
    assert!(leases.is_live(Some(below)));
    assert_eq!(leases.release_control(ended), 2);
    assert!(!leases.is_live(Some(below)));
    for unknown in [2, 16, 1 << 31] {
        assert_eq!(leases.derive(None, unknown), Err(LeaseError::UnknownFlag));
    }
}

#[test]
fn what_is_opened_inherits_what_is_inherited() {
    let mut leases = Leases::new();
    let plain = leases.derive(None, 0).unwrap();
    let other = leases.derive(None, 0).unwrap();
    let free = leases.derive(None, LEASE_NOT_INHERITED).unwrap();
    let under = leases.derive(Some(plain), LEASE_NOT_INHERITED).unwrap();
    let twice = leases.derive(Some(under), LEASE_NOT_INHERITED).unwrap();
    let below = leases.derive(Some(under), 0).unwrap();
    let join_free = leases.join(other, free).unwrap();
    let join_under = leases.join(other, under).unwrap();
    let both = leases.join(other, plain).unwrap();
    let rows = [
        (plain, Some(plain)),
        (free, None),
        (under, Some(plain)),
        (twice, Some(plain)),
        (below, Some(below)),
        (join_free, Some(other)),
        (join_under, Some(both)),
        (both, Some(both)),
    ];
    let before = leases.len();
    for (lease, want) in rows {
        assert_eq!(leases.for_opened(lease), Ok(want), "{lease:?}");
        if let Some(inherited) = want {
            leases.release(inherited);
        }
    }
    assert_eq!(leases.len(), before);
    // Deep joins are inherited whole.
    let mut deep = join_free;
    for _ in 0..8 {
        let next = leases.derive(None, 0).unwrap();
        deep = leases.join(deep, next).unwrap();
    }
    assert!(matches!(leases.for_opened(deep), Ok(Some(_))));
    leases.revoke(plain);
    assert_eq!(leases.for_opened(under), Err(LeaseError::Revoked));
    assert_eq!(leases.for_opened(join_under), Err(LeaseError::Revoked));
    assert_eq!(leases.for_opened(free), Ok(None));
}

#[test]
fn an_unused_lease_stays_while_something_depends_on_it() {
    let mut leases = Leases::new();
    let top = leases.derive(None, 0).unwrap();
    let mut ids = vec![top];
    for n in 0..100 {
        ids.push(leases.derive(Some(ids[n]), 0).unwrap());
    }
    for &id in &ids[..100] {
        leases.release(id);
        leases.release_control(id);
    }
    assert_eq!(leases.len(), 101);
    leases.release_control(ids[100]);
    leases.release(ids[100]);
    assert_eq!(leases.len(), 0);
}

#[test]
fn what_only_a_revoked_lease_kept_does_not_end_the_revocation() {
    for (first, second) in [(0, 1), (0, 2), (1, 2)] {
        let mut leases = Leases::new();
        let top = leases.derive(None, 0).unwrap();
        let below = [(); 3].map(|()| leases.derive(Some(top), 0).unwrap());
        leases.join(below[first], below[second]).unwrap();
        // Two of the three are there only for the sake of the joined one.
        for id in [below[first], below[second]] {
            leases.release(id);
            leases.release_control(id);
        }
        assert_eq!(leases.len(), 5);
        assert_eq!(leases.revoke(top), 5);
        assert!(leases.is_empty());
    }
}

#[test]
fn every_descendant_counts_however_deep_the_one_that_kept_it() {
    // `kept` is two levels down and there only for the sake of `joined`, which is reached sooner
    // on the other way, whichever of the two ways is walked first.
    for swap in [false, true] {
        let mut leases = Leases::new();
        let top = leases.derive(None, 0).unwrap();
        let mut sides = [
            leases.derive(Some(top), 0).unwrap(),
            leases.derive(Some(top), 0).unwrap(),
        ];
        if swap {
            sides.swap(0, 1);
        }
        let kept = leases.derive(Some(sides[0]), 0).unwrap();
        let joined = leases.join(kept, sides[1]).unwrap();
        leases.release(kept);
        leases.release_control(kept);
        assert!(leases.is_live(Some(kept)));
        assert_eq!(leases.revoke(top), 5, "swapped: {swap}");
        assert!(!leases.is_live(Some(joined)));
        assert!(leases.is_empty());
    }
}

#[test]
fn depth_is_bounded_exactly() {
    let mut leases = Leases::new();
    let mut deepest = leases.derive(None, 0).unwrap();
    for _ in 0..MAX_ANCESTORS {
        deepest = leases.derive(Some(deepest), 0).unwrap();
    }
    assert_eq!(leases.derive(Some(deepest), 0), Err(LeaseError::TooDeep));
    let other = leases.derive(None, 0).unwrap();
    assert_eq!(leases.join(deepest, other), Err(LeaseError::TooDeep));
    let len = leases.len();
    assert_eq!(len, usize::from(MAX_ANCESTORS) + 2);
}

#[test]
fn shared_ancestors_count_once() {
    let mut leases = Leases::new();
    let top = leases.derive(None, 0).unwrap();
    // Each round joins two children of the last join: 3 ancestors more, not twice as many.
    let mut last = top;
    for _ in 0..(MAX_ANCESTORS / 3) {
        let a = leases.derive(Some(last), 0).unwrap();
        let b = leases.derive(Some(last), 0).unwrap();
        last = leases.join(a, b).unwrap();
    }
    assert_eq!(leases.revoke(top), 1 + 3 * usize::from(MAX_ANCESTORS / 3));
    assert!(leases.is_empty());
}

#[test]
fn the_limit_is_kept() {
    let mut leases = Leases::with_limit(2);
    let a = leases.derive(None, 0).unwrap();
    let b = leases.derive(None, 0).unwrap();
    assert_eq!(leases.derive(None, 0), Err(LeaseError::NoMemory));
    assert_eq!(leases.join(a, b), Err(LeaseError::NoMemory));
    leases.release(a);
    leases.release_control(a);
    assert!(leases.derive(Some(b), 0).is_ok());
}

/// Whatever others hold, a sixteenth is for the superuser.
#[test]
fn some_are_kept() {
    let mut leases = Leases::with_limit(32);
    let all: Vec<_> = (0..30)
        .map(|_| leases.derive(None, LEASE_UNPRIVILEGED).unwrap())
        .collect();
    let none = Err(LeaseError::NoMemory);
    assert_eq!(leases.derive(None, LEASE_UNPRIVILEGED), none);
    assert_eq!(leases.join(all[0], all[1]), none);
    let kept = leases.derive(None, 0).unwrap();
    assert!(leases.derive(Some(all[0]), 0).is_ok());
    assert_eq!(leases.derive(None, 0), none);
    assert_eq!(leases.revoke(kept), 1);
    assert_eq!(leases.revoke(all[2]), 1);
    assert_eq!(leases.derive(None, LEASE_UNPRIVILEGED), none);
    assert_eq!(leases.revoke(all[3]), 1);
    assert!(leases.derive(None, LEASE_UNPRIVILEGED).is_ok());
}

#[derive(Clone, Debug)]
enum Op {
    Derive(Option<usize>, bool),
    Join(usize, usize),
    Retain(usize),
    Release(usize),
    RetainControl(usize),
    ReleaseControl(usize),
    Revoke(usize),
}

fn op() -> impl Strategy<Value = Op> {
    let n = any::<usize>;
    prop_oneof![
        6 => (prop::option::of(n()), any::<bool>()).prop_map(|(p, f)| Op::Derive(p, f)),
        6 => (n(), n()).prop_map(|(a, b)| Op::Join(a, b)),
        1 => n().prop_map(Op::Retain),
        5 => n().prop_map(Op::Release),
        1 => n().prop_map(Op::RetainControl),
        4 => n().prop_map(Op::ReleaseControl),
        1 => n().prop_map(Op::Revoke),
    ]
}

/// What the graph ought to be. Nodes are never removed, only marked.
struct Model {
    nodes: Vec<ModelNode>,
}

struct ModelNode {
    id: LeaseId,
    parents: Vec<usize>,
    uses: u32,
    controls: u32,
    on_close: bool,
    revoked: bool,
    freed: bool,
}

impl Model {
    fn ancestors(&self, n: usize) -> BTreeSet<usize> {
        let mut found = BTreeSet::new();
        let mut work = self.nodes[n].parents.clone();
        while let Some(p) = work.pop() {
            if found.insert(p) {
                work.extend(&self.nodes[p].parents);
            }
        }
        found
    }

    fn live(&self, n: usize) -> bool {
        !self.nodes[n].revoked && !self.nodes[n].freed
    }

    fn revoke(&mut self, n: usize) -> usize {
        if !self.live(n) {
            return 0;
        }
        let ended: Vec<_> = (0..self.nodes.len())
            .filter(|&m| self.live(m) && (m == n || self.ancestors(m).contains(&n)))
            .collect();
        for &m in &ended {
            self.nodes[m].revoked = true;
        }
        self.collect();
        ended.len()
    }

    fn collect(&mut self) {
        while let Some(n) = (0..self.nodes.len()).find(|&n| {
            let node = &self.nodes[n];
            let child =
                (0..self.nodes.len()).any(|m| self.live(m) && self.nodes[m].parents.contains(&n));
            self.live(n) && node.uses == 0 && node.controls == 0 && !child
        }) {
            self.nodes[n].freed = true;
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn exactly_the_descendants_die_and_nothing_leaks(ops in prop::collection::vec(op(), 0..120)) {
        let mut leases = Leases::new();
        let mut model = Model { nodes: Vec::new() };
        for op in ops {
            let count = model.nodes.len();
            if count == 0 && !matches!(op, Op::Derive(..)) {
                continue;
            }
            match op {
                Op::Derive(parent, on_close) => {
                    let parent = parent.filter(|_| count > 0).map(|p| p % count);
                    let flags = if on_close { LEASE_REVOKE_ON_CLOSE } else { 0 };
                    let result = leases.derive(parent.map(|p| model.nodes[p].id), flags);
                    if parent.is_some_and(|p| !model.live(p)) {
                        prop_assert_eq!(result, Err(LeaseError::Revoked));
                        continue;
                    }
                    model.nodes.push(ModelNode {
                        id: result.unwrap(),
                        parents: parent.into_iter().collect(),
                        uses: 1, controls: 1, on_close, revoked: false, freed: false,
                    });
                }
                Op::Join(a, b) => {
                    let (a, b) = (a % count, b % count);
                    let result = leases.join(model.nodes[a].id, model.nodes[b].id);
                    if !model.live(a) || !model.live(b) {
                        prop_assert_eq!(result, Err(LeaseError::Revoked));
                        continue;
                    }
                    let id = result.unwrap();
                    let known = if a == b || model.ancestors(a).contains(&b) {
                        Some(a)
                    } else if model.ancestors(b).contains(&a) {
                        Some(b)
                    } else {
                        (0..count).find(|&n| {
                            let parents = &model.nodes[n].parents;
                            model.live(n) && (*parents == [a, b] || *parents == [b, a])
                        })
                    };
                    match known {
                        Some(n) => {
                            prop_assert_eq!(id, model.nodes[n].id);
                            model.nodes[n].uses += 1;
                        }
                        None => model.nodes.push(ModelNode {
                            id, parents: vec![a, b],
                            uses: 1, controls: 0, on_close: false, revoked: false, freed: false,
                        }),
                    }
                }
                Op::Retain(n) => {
                    let n = n % count;
                    prop_assert_eq!(leases.retain(model.nodes[n].id), model.live(n));
                    if model.live(n) { model.nodes[n].uses += 1; }
                }
                Op::Release(n) => {
                    let n = n % count;
                    if model.nodes[n].uses > 0 || !model.live(n) {
                        leases.release(model.nodes[n].id);
                        model.nodes[n].uses = model.nodes[n].uses.saturating_sub(1);
                    }
                }
                Op::RetainControl(n) => {
                    let n = n % count;
                    prop_assert_eq!(leases.retain_control(model.nodes[n].id), model.live(n));
                    if model.live(n) { model.nodes[n].controls += 1; }
                }
                Op::ReleaseControl(n) => {
                    let n = n % count;
                    if model.live(n) && model.nodes[n].controls > 0 {
                        let ended = leases.release_control(model.nodes[n].id);
                        model.nodes[n].controls -= 1;
                        let revokes = model.nodes[n].controls == 0 && model.nodes[n].on_close;
                        let expected = if revokes { model.revoke(n) } else { 0 };
                        prop_assert_eq!(ended, expected);
                    }
                }
                Op::Revoke(n) => {
                    let n = n % count;
                    let ended = leases.revoke(model.nodes[n].id);
                    prop_assert_eq!(ended, model.revoke(n));
                }
            }
            model.collect();
            for n in 0..model.nodes.len() {
                prop_assert_eq!(leases.is_live(Some(model.nodes[n].id)), model.live(n), "{}", n);
            }
            prop_assert_eq!(leases.len(), (0..model.nodes.len()).filter(|&n| model.live(n)).count());
        }
        for n in 0..model.nodes.len() {
            let (id, uses, controls) = {
                let node = &model.nodes[n];
                (node.id, node.uses, node.controls)
            };
            if model.live(n) {
                for _ in 0..uses { leases.release(id); }
                for _ in 0..controls { leases.release_control(id); }
            }
            let node = &mut model.nodes[n];
            (node.uses, node.controls) = (0, 0);
        }
        prop_assert!(leases.is_empty());
    }
}

/// A lease above many, and one beside it that some of them depend on as well.
struct Many {
    leases: Leases,
    top: LeaseId,
    beside: LeaseId,
    below: Vec<LeaseId>,
}

fn many(count: usize) -> Many {
    let mut leases = Leases::new();
    let top = leases.derive(None, 0).unwrap();
    let beside = leases.derive(None, 0).unwrap();
    let mut below = Vec::new();
    for n in 0..count {
        let parent = match n % 3 {
            0 => top,
            _ => below[n - 1],
        };
        let id = leases.derive(Some(parent), 0).unwrap();
        below.push(match n % 5 {
            4 => leases.join(id, beside).unwrap(),
            _ => id,
        });
    }
    Many {
        leases,
        top,
        beside,
        below,
    }
}

#[test]
fn many_end_at_once_and_are_removed_in_parts() {
    const COUNT: usize = 9000;
    let Many {
        mut leases,
        top,
        beside,
        below,
    } = many(COUNT);
    let all = leases.len();
    let mut gone = leases.revoke(top);
    assert!(leases.is_clearing() && gone < COUNT);
    // Nothing of it is of any use from the first part on, and what is beside it goes on.
    for &id in &below {
        assert!(!leases.is_live(Some(id)));
        assert_eq!(leases.derive(Some(id), 0), Err(LeaseError::Revoked));
        assert_eq!(leases.for_opened(id), Err(LeaseError::Revoked));
        assert_eq!(leases.join(id, beside), Err(LeaseError::Revoked));
        assert_eq!(leases.join(beside, id), Err(LeaseError::Revoked));
        assert_eq!(leases.revoke(top), 0);
    }
    assert!(leases.is_live(Some(beside)));
    let other = leases.derive(Some(beside), 0).unwrap();
    // References to what has ended may go meanwhile, and others may end.
    for (n, &id) in below.iter().enumerate() {
        match n % 4 {
            0 => leases.release(id),
            1 => drop(leases.release_control(id)),
            2 => drop(leases.revoke(id)),
            _ => {}
        }
        gone += leases.clear_part(3);
        assert!(leases.is_live(Some(other)));
        assert!(!leases.is_live(Some(id)));
    }
    while leases.is_clearing() {
        gone += leases.clear_part(100);
    }
    assert!(gone < all);
    assert_eq!(leases.len(), 2);
    assert_eq!(leases.revoke(beside), 2);
    assert!(leases.is_empty());
}

#[test]
fn what_has_ended_is_not_in_the_way() {
    let Many {
        leases, top, below, ..
    } = many(9000);
    drop(leases);
    let mut leases = Leases::with_limit(9001);
    let top_again = leases.derive(None, 0).unwrap();
    assert_eq!(top_again, top);
    for _ in 0..below.len() {
        leases.derive(Some(top_again), 0).unwrap();
    }
    assert_eq!(leases.derive(None, 0), Err(LeaseError::NoMemory));
    leases.revoke(top_again);
    assert!(leases.is_clearing());
    for _ in 0..9001 {
        leases.derive(None, 0).unwrap();
    }
    assert_eq!(leases.derive(None, 0), Err(LeaseError::NoMemory));
}
