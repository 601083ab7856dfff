//! Objects that only refer to each other.
//!
//! Counted references free an object with the last one, and never a ring of objects. Where programs can
//! build rings, a reference that goes while others stay is the moment to look: [`out_of_reach`] follows
//! the references from there, counts those that come from what it has found, and keeps what has more, with
//! everything that is reached from it. The rest is out of everybody's reach.
//!
//! The scratch is in the objects ([`Trial`]), so that looking never needs memory. It takes two steps for
//! every reference that the objects found hold, and ends without a result when it would take more than it
//! may: who builds something so large keeps it.

/// An object's scratch. Between calls it is [`Trial::new`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trial<N> {
    found: bool,
    kept: bool,
    /// How many references come from objects that were found.
    inside: u32,
    /// The object found after this one.
    next: Option<N>,
    /// The next of those whose references are still to be followed to say that they keep.
    next_kept: Option<N>,
}

impl<N> Trial<N> {
    /// Nothing is known.
    pub const fn new() -> Self {
        Self {
            found: false,
            kept: false,
            inside: 0,
            next: None,
            next_kept: None,
        }
    }
}

impl<N> Default for Trial<N> {
    fn default() -> Self {
        Self::new()
    }
}

/// The objects and their references.
pub trait Objects {
    /// Names an object.
    type Node: Copy + PartialEq;

    /// The scratch of an object; `None` when there is no such object, or when it is kept by something
    /// else than references. Must not change while one is looking.
    fn trial(&mut self, node: Self::Node) -> Option<&mut Trial<Self::Node>>;

    /// How many references to an object there are.
    fn references(&self, node: Self::Node) -> u32;

    /// The first of an object's own references at or behind `cursor`, which is 0 at first, and the cursor
    /// behind it.
    fn next_reference(&self, node: Self::Node, cursor: usize) -> Option<(Self::Node, usize)>;

    /// Takes a reference to an object that is out of reach, so that it stays until its turn comes.
    /// `false`: it has no turn, it goes with those that refer to it.
    fn hold(&mut self, node: Self::Node) -> bool;
}

/// Objects that are out of reach, each held.
#[derive(Debug, PartialEq, Eq)]
pub struct Ring<N> {
    first: Option<N>,
}

impl<N: Copy + PartialEq> Ring<N> {
    /// Whether there is none.
    pub const fn is_empty(&self) -> bool {
        self.first.is_none()
    }

    /// The next object to be ended and then released.
    pub fn pop(&mut self, objects: &mut impl Objects<Node = N>) -> Option<N> {
        let node = self.first?;
        self.first = objects
            .trial(node)
            .and_then(|trial| core::mem::take(trial).next);
        Some(node)
    }
}

/// What of `start` and the objects that can be reached from it only those refer to. None when something
/// else refers to `start` or leads to it, or when there are more references than `budget`, which is
/// reduced by those that were followed.
pub fn out_of_reach<O: Objects>(
    objects: &mut O,
    start: O::Node,
    budget: &mut usize,
) -> Ring<O::Node> {
    let Some(trial) = objects.trial(start) else {
        return Ring { first: None };
    };
    trial.found = true;
    let complete = find(objects, start, budget);
    if complete {
        keep(objects, start);
    }
    gather(objects, start, complete)
}

fn next_of<O: Objects>(objects: &mut O, node: O::Node) -> Option<O::Node> {
    objects.trial(node).and_then(|trial| trial.next)
}

/// Finds what can be reached, in a list from `start` on, and counts references among it. `false`: there
/// is more than the budget allows to find.
fn find<O: Objects>(objects: &mut O, start: O::Node, budget: &mut usize) -> bool {
    let mut last = start;
    let mut at = Some(start);
    while let Some(node) = at {
        let mut cursor = 0;
        while let Some((target, next)) = objects.next_reference(node, cursor) {
            cursor = next;
            match budget.checked_sub(1) {
                Some(left) => *budget = left,
                None => return false,
            }
            let Some(trial) = objects.trial(target) else {
                continue;
            };
            trial.inside = trial.inside.saturating_add(1);
            if !trial.found {
                trial.found = true;
                if let Some(trial) = objects.trial(last) {
                    trial.next = Some(target);
                }
                last = target;
            }
        }
        at = next_of(objects, node);
    }
    true
}

/// Marks what something else refers to, and what is reached from there.
fn keep<O: Objects>(objects: &mut O, start: O::Node) {
    let mut work = None;
    let mut at = Some(start);
    while let Some(node) = at {
        let references = objects.references(node);
        if let Some(trial) = objects.trial(node)
            && references > trial.inside
        {
            trial.kept = true;
            trial.next_kept = work.replace(node);
        }
        at = next_of(objects, node);
    }
    while let Some(node) = work {
        work = objects.trial(node).and_then(|trial| trial.next_kept.take());
        let mut cursor = 0;
        while let Some((target, next)) = objects.next_reference(node, cursor) {
            cursor = next;
            if let Some(trial) = objects.trial(target)
                && trial.found
                && !trial.kept
            {
                trial.kept = true;
                trial.next_kept = work.replace(target);
            }
        }
    }
}

/// Links what is not kept, if that is known, and clears the scratch of everything else.
fn gather<O: Objects>(objects: &mut O, start: O::Node, known: bool) -> Ring<O::Node> {
    let mut ring = Ring { first: None };
    let mut at = Some(start);
    while let Some(node) = at {
        let trial = objects.trial(node).map(core::mem::take);
        at = trial.and_then(|trial| trial.next);
        if known
            && trial.is_some_and(|trial| !trial.kept)
            && objects.hold(node)
            && let Some(trial) = objects.trial(node)
        {
            trial.next = ring.first.replace(node);
        }
    }
    ring
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::vec;
    use std::vec::Vec;

    #[derive(Clone, Debug)]
    struct Object {
        trial: Trial<usize>,
        /// References that this one holds.
        to: Vec<usize>,
        /// References from elsewhere.
        outside: u32,
        /// Kept by something else than references.
        fixed: bool,
        /// Has a turn of its own.
        own_turn: bool,
        held: bool,
    }

    struct Graph(Vec<Object>);

    impl Graph {
        fn new(objects: &[(&[usize], u32)]) -> Self {
            let object = |(to, outside): &(&[usize], u32)| Object {
                trial: Trial::new(),
                to: to.to_vec(),
                outside: *outside,
                fixed: false,
                own_turn: true,
                held: false,
            };
            Self(objects.iter().map(object).collect())
        }

        /// Those that nothing fixed or from outside leads to, among those reached from `start`.
        fn expected(&self, start: usize) -> Vec<usize> {
            if self.0[start].fixed {
                return Vec::new();
            }
            let reach = |from: Vec<usize>| {
                let mut seen = vec![false; self.0.len()];
                let mut work = from;
                while let Some(n) = work.pop() {
                    if !core::mem::replace(&mut seen[n], true) {
                        work.extend(&self.0[n].to);
                    }
                }
                seen
            };
            // What is not found counts as outside.
            let mut found = vec![false; self.0.len()];
            let mut work = vec![start];
            while let Some(n) = work.pop() {
                if !self.0[n].fixed && !core::mem::replace(&mut found[n], true) {
                    work.extend(&self.0[n].to);
                }
            }
            let roots = (0..self.0.len())
                .filter(|&n| !found[n] || self.0[n].outside > 0)
                .collect();
            let live = reach(roots);
            (0..self.0.len())
                .filter(|&n| found[n] && !live[n] && self.0[n].own_turn)
                .collect()
        }
    }

    impl Objects for Graph {
        type Node = usize;
        fn trial(&mut self, node: usize) -> Option<&mut Trial<usize>> {
            let object = self.0.get_mut(node)?;
            (!object.fixed).then_some(&mut object.trial)
        }
        fn references(&self, node: usize) -> u32 {
            let inside = self.0.iter().flat_map(|o| &o.to).filter(|&&n| n == node);
            inside.count() as u32 + self.0[node].outside
        }
        fn next_reference(&self, node: usize, cursor: usize) -> Option<(usize, usize)> {
            Some((*self.0[node].to.get(cursor)?, cursor + 1))
        }
        fn hold(&mut self, node: usize) -> bool {
            self.0[node].held = self.0[node].own_turn;
            self.0[node].own_turn
        }
    }

    fn ended(graph: &mut Graph, start: usize) -> Vec<usize> {
        let mut budget = usize::MAX;
        let mut ring = out_of_reach(graph, start, &mut budget);
        let mut all = Vec::new();
        while let Some(node) = ring.pop(graph) {
            assert!(graph.0[node].held);
            all.push(node);
        }
        assert!(ring.is_empty());
        assert!(graph.0.iter().all(|o| o.trial == Trial::new()));
        all.sort_unstable();
        all
    }

    #[test]
    fn rings_end_and_what_leads_out_of_them_does_not_keep_them() {
        type Row<'a> = (&'a [(&'a [usize], u32)], &'a [usize]);
        let rows: &[Row] = &[
            // Nothing refers to it, or only itself.
            (&[(&[], 0)], &[0]),
            (&[(&[0], 0)], &[0]),
            (&[(&[0], 1)], &[]),
            // Two; one of them referred to twice; a third behind them.
            (&[(&[1], 0), (&[0], 0)], &[0, 1]),
            (&[(&[1], 0), (&[0], 1)], &[]),
            (&[(&[1, 1], 0), (&[0, 1], 0)], &[0, 1]),
            (&[(&[1, 2], 0), (&[0], 0), (&[], 0)], &[0, 1, 2]),
            (&[(&[1, 2], 0), (&[0], 0), (&[], 1)], &[0, 1]),
            // A third in front, which is not reached: it keeps them.
            (&[(&[1], 0), (&[0], 0), (&[0], 0)], &[]),
            // Two rings with one object in common.
            (&[(&[1], 0), (&[0, 2], 0), (&[1], 0)], &[0, 1, 2]),
            (&[(&[1], 0), (&[0, 2], 0), (&[1], 1)], &[]),
        ];
        for (objects, expected) in rows {
            assert_eq!(&ended(&mut Graph::new(objects), 0), expected, "{objects:?}");
        }
        let mut budget = 0;
        assert!(out_of_reach(&mut Graph::new(&[]), 0, &mut budget).is_empty());
    }

    #[test]
    fn what_costs_too_much_is_kept() {
        // Five references; one leads to what is kept otherwise.
        let mut graph = Graph::new(&[(&[1, 1, 2], 0), (&[0, 2], 0), (&[], 0)]);
        graph.0[2].fixed = true;
        for small in 0..5 {
            let mut budget = small;
            assert!(out_of_reach(&mut graph, 0, &mut budget).is_empty());
            assert_eq!(budget, 0);
            assert!(graph.0.iter().all(|o| o.trial == Trial::new() && !o.held));
        }
        let mut budget = 7;
        let ring = out_of_reach(&mut graph, 0, &mut budget);
        assert!(!ring.is_empty());
        assert_eq!(budget, 2);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn exactly_what_nobody_reaches_ends(
            objects in prop::collection::vec(
                (prop::collection::vec(0..12_usize, 0..4), 0..8_u32, 0..8_u32, any::<bool>()), 1..12),
            start in any::<prop::sample::Index>(),
        ) {
            let count = objects.len();
            let mut graph = Graph(objects.into_iter().map(|(to, outside, fixed, own_turn)| Object {
                trial: Trial::new(),
                to: to.into_iter().map(|n| n % count).collect(),
                outside: outside.saturating_sub(6),
                fixed: fixed == 0,
                own_turn,
                held: false,
            }).collect());
            let start = start.index(count);
            let expected = graph.expected(start);
            prop_assert_eq!(ended(&mut graph, start), expected);
        }
    }
}
