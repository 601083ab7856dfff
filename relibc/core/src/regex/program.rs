//! The automaton and its simulation.

use super::{Assertion, Error, Node, Text};
use crate::bracket::Set;
use alloc::boxed::Box;
use alloc::vec::Vec;

/// Most states of an automaton.
const MAX_STATES: usize = 60_000;

#[derive(Clone, Debug)]
pub(super) enum Edge {
    Empty,
    Assert(Assertion),
    Char(u32),
    Any,
    Set(Box<Set>),
}

/// Part of the automaton that matches one node: entered at `entry`, left at `exit`.
#[derive(Clone, Debug)]
pub(super) struct Fragment {
    pub entry: usize,
    pub exit: usize,
    pub shape: Shape,
}

#[derive(Clone, Debug)]
pub(super) enum Shape {
    Leaf,
    Group(usize, Box<Fragment>),
    Concat(Vec<Fragment>),
    Alternate(Vec<Fragment>),
    Star(Box<Fragment>),
    /// At most once.
    Optional(Box<Fragment>),
}

#[derive(Clone, Debug)]
pub(super) struct Program {
    /// Edges out of each state.
    pub forward: Vec<Vec<(Edge, usize)>>,
    /// Edges into each state.
    pub backward: Vec<Vec<(Edge, usize)>>,
    pub root: Fragment,
}

impl Edge {
    /// Whether the edge takes this character.
    fn takes(&self, text: &Text, c: u32) -> bool {
        match self {
            Edge::Char(x) => text.same(*x, c),
            Edge::Any => text.any(c),
            Edge::Set(set) => text.in_set(set, c),
            Edge::Empty | Edge::Assert(_) => false,
        }
    }

    /// Whether the edge can be followed without taking anything.
    fn free(&self, text: &Text, at: usize) -> bool {
        match self {
            Edge::Empty => true,
            Edge::Assert(a) => text.holds(*a, at),
            _ => false,
        }
    }
}

impl Program {
    pub fn compile(tree: &Node) -> Result<Program, Error> {
        let mut program = Program {
            forward: Vec::new(),
            backward: Vec::new(),
            root: Fragment {
                entry: 0,
                exit: 0,
                shape: Shape::Leaf,
            },
        };
        program.root = program.build(tree)?;
        Ok(program)
    }

    fn state(&mut self) -> Result<usize, Error> {
        if self.forward.len() >= MAX_STATES {
            return Err(Error::Space);
        }
        self.forward.push(Vec::new());
        self.backward.push(Vec::new());
        Ok(self.forward.len() - 1)
    }

    fn link(&mut self, from: usize, edge: Edge, to: usize) {
        self.forward[from].push((edge.clone(), to));
        self.backward[to].push((edge, from));
    }

    fn leaf(&mut self, edge: Edge) -> Result<Fragment, Error> {
        let (entry, exit) = (self.state()?, self.state()?);
        self.link(entry, edge, exit);
        Ok(Fragment {
            entry,
            exit,
            shape: Shape::Leaf,
        })
    }

    fn concat(&mut self, parts: Vec<Fragment>) -> Result<Fragment, Error> {
        let (Some(first), Some(last)) = (parts.first(), parts.last()) else {
            return self.leaf(Edge::Empty);
        };
        let (entry, exit) = (first.entry, last.exit);
        for pair in parts.windows(2) {
            self.link(pair[0].exit, Edge::Empty, pair[1].entry);
        }
        Ok(Fragment {
            entry,
            exit,
            shape: Shape::Concat(parts),
        })
    }

    fn wrap(&mut self, inner: Fragment, star: bool) -> Result<Fragment, Error> {
        // Nothing within a fragment leads to its entry or from its exit, so that walks can stop there.
        let (entry, exit) = (self.state()?, self.state()?);
        let hub = if star { self.state()? } else { entry };
        if star {
            self.link(entry, Edge::Empty, hub);
        }
        self.link(hub, Edge::Empty, inner.entry);
        self.link(inner.exit, Edge::Empty, if star { hub } else { exit });
        self.link(hub, Edge::Empty, exit);
        let inner = Box::new(inner);
        Ok(Fragment {
            entry,
            exit,
            shape: if star {
                Shape::Star(inner)
            } else {
                Shape::Optional(inner)
            },
        })
    }

    fn build(&mut self, node: &Node) -> Result<Fragment, Error> {
        match node {
            // Back-references are matched by the other matcher; here they only hold their place.
            Node::Empty | Node::BackReference(_) => self.leaf(Edge::Empty),
            Node::Char(c) => self.leaf(Edge::Char(*c)),
            Node::Any => self.leaf(Edge::Any),
            Node::Set(set) => self.leaf(Edge::Set(set.clone())),
            Node::Assert(a) => self.leaf(Edge::Assert(*a)),
            Node::Group(number, inner) => {
                let inner = self.build(inner)?;
                Ok(Fragment {
                    entry: inner.entry,
                    exit: inner.exit,
                    shape: Shape::Group(*number, Box::new(inner)),
                })
            }
            Node::Concat(nodes) => {
                let mut parts = Vec::new();
                for node in nodes {
                    parts.push(self.build(node)?);
                }
                self.concat(parts)
            }
            Node::Alternate(nodes) => {
                let (entry, exit) = (self.state()?, self.state()?);
                let mut parts = Vec::new();
                for node in nodes {
                    let part = self.build(node)?;
                    self.link(entry, Edge::Empty, part.entry);
                    self.link(part.exit, Edge::Empty, exit);
                    parts.push(part);
                }
                Ok(Fragment {
                    entry,
                    exit,
                    shape: Shape::Alternate(parts),
                })
            }
            Node::Repeat(inner, min, max) => {
                let mut parts = Vec::new();
                for _ in 0..*min {
                    parts.push(self.build(inner)?);
                }
                match max {
                    None => {
                        let part = self.build(inner)?;
                        parts.push(self.wrap(part, true)?);
                    }
                    Some(max) => {
                        // x{0,3} is (x(x(x)?)?)?, so that copies are used up in order.
                        let mut tail: Option<Fragment> = None;
                        for _ in *min..*max {
                            let part = self.build(inner)?;
                            let part = match tail.take() {
                                Some(rest) => self.concat(alloc::vec![part, rest])?,
                                None => part,
                            };
                            tail = Some(self.wrap(part, false)?);
                        }
                        parts.extend(tail);
                    }
                }
                self.concat(parts)
            }
        }
    }

    /// The leftmost, then longest match, in characters.
    pub fn find(&self, text: &Text) -> Option<(usize, usize)> {
        let states = self.forward.len();
        const NONE: usize = usize::MAX;
        // For each live state the leftmost start that leads to it.
        let mut current = alloc::vec![NONE; states];
        let mut next = alloc::vec![NONE; states];
        let mut live: Vec<usize> = Vec::new();
        let mut coming: Vec<usize> = Vec::new();
        let mut stack: Vec<(usize, usize)> = Vec::new();
        let mut best: Option<(usize, usize)> = None;
        for at in 0..=text.len() {
            if best.is_none() {
                stack.push((self.root.entry, at));
            }
            // Older threads first: they have the smaller starts and win.
            let mut seeds: Vec<(usize, usize)> = live.drain(..).map(|s| (s, current[s])).collect();
            seeds.sort_unstable_by_key(|(_, start)| core::cmp::Reverse(*start));
            for (s, _) in &seeds {
                current[*s] = NONE;
            }
            stack.extend(seeds);
            while let Some((s, start)) = stack.pop() {
                if current[s] <= start {
                    continue;
                }
                if current[s] == NONE {
                    live.push(s);
                }
                current[s] = start;
                for (edge, to) in &self.forward[s] {
                    if edge.free(text, at) && current[*to] > start {
                        stack.push((*to, start));
                    }
                }
            }
            let end = current[self.root.exit];
            if end != NONE && best.is_none_or(|(start, _)| end <= start) {
                best = Some((end, at));
            }
            let Some(c) = text.chars.get(at).copied() else {
                break;
            };
            for s in live.drain(..) {
                let start = core::mem::replace(&mut current[s], NONE);
                if best.is_some_and(|(b, _)| start > b) {
                    continue;
                }
                for (edge, to) in &self.forward[s] {
                    if edge.takes(text, c) {
                        if next[*to] == NONE {
                            coming.push(*to);
                        }
                        next[*to] = next[*to].min(start);
                    }
                }
            }
            core::mem::swap(&mut current, &mut next);
            core::mem::swap(&mut live, &mut coming);
            if live.is_empty() && best.is_some() {
                break;
            }
        }
        best
    }

    /// Walks from a fragment's entry at `from` and calls `reached(position)` wherever its exit is
    /// reached, not beyond `limit`.
    pub fn ends(
        &self,
        fragment: &Fragment,
        text: &Text,
        from: usize,
        limit: usize,
        reached: &mut dyn FnMut(usize),
    ) {
        self.walk(
            &self.forward,
            fragment.entry,
            fragment.exit,
            text,
            from,
            limit,
            true,
            &mut |state, at| {
                if state == fragment.exit {
                    reached(at);
                }
            },
        );
    }

    /// Walks backwards from a fragment's exit at `from` down to `limit`, telling every state and
    /// position from which the exit can be reached.
    pub fn origins(
        &self,
        fragment: &Fragment,
        text: &Text,
        from: usize,
        limit: usize,
        reached: &mut dyn FnMut(usize, usize),
    ) {
        self.walk(
            &self.backward,
            fragment.exit,
            fragment.entry,
            text,
            from,
            limit,
            false,
            reached,
        );
    }

    #[allow(clippy::too_many_arguments)]
    fn walk(
        &self,
        edges: &[Vec<(Edge, usize)>],
        begin: usize,
        stop: usize,
        text: &Text,
        from: usize,
        limit: usize,
        ahead: bool,
        reached: &mut dyn FnMut(usize, usize),
    ) {
        let mut seen = alloc::collections::BTreeSet::new();
        let mut stack = alloc::vec![begin];
        let mut at = from;
        loop {
            seen.clear();
            let mut live = Vec::new();
            while let Some(s) = stack.pop() {
                if !seen.insert(s) {
                    continue;
                }
                live.push(s);
                reached(s, at);
                if s == stop {
                    continue;
                }
                stack.extend(
                    edges[s]
                        .iter()
                        .filter(|(edge, _)| edge.free(text, at))
                        .map(|(_, to)| *to),
                );
            }
            if at == limit {
                return;
            }
            let c = if ahead {
                text.chars[at]
            } else {
                text.chars[at - 1]
            };
            for s in live {
                if s == stop {
                    continue;
                }
                stack.extend(
                    edges[s]
                        .iter()
                        .filter(|(edge, _)| edge.takes(text, c))
                        .map(|(_, to)| *to),
                );
            }
            if stack.is_empty() {
                return;
            }
            at = if ahead { at + 1 } else { at - 1 };
        }
    }
}
