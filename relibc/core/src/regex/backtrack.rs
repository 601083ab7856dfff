//! Search for patterns with back-references.

use super::{Error, Node, Span, Text};
use alloc::vec::Vec;

/// Steps after which a search gives up: such patterns can take exponential time.
const MAX_STEPS: u64 = 20_000_000;
/// Depth of the recursion.
const MAX_DEPTH: usize = 3_000;

/// What is left to match: a list on the stack.
#[derive(Clone, Copy)]
enum Rest<'r> {
    Done,
    Nodes(&'r [Node], &'r Rest<'r>),
    /// More rounds of a repetition: the node, rounds done, bounds, where this round began.
    Repeat(&'r Node, u32, u32, Option<u32>, usize, &'r Rest<'r>),
    /// The end of a group that began somewhere.
    Close(usize, usize, &'r Rest<'r>),
}

struct Search<'s> {
    text: &'s Text,
    start: usize,
    groups: Vec<Option<Span>>,
    best: Option<(usize, Vec<Option<Span>>)>,
    steps: u64,
}

pub(super) fn find(tree: &Node, text: &Text, spans: &mut Vec<Option<Span>>) -> Result<bool, Error> {
    let mut search = Search {
        text,
        start: 0,
        groups: Vec::new(),
        best: None,
        steps: 0,
    };
    for start in 0..=text.len() {
        search.start = start;
        search.groups = alloc::vec![None; spans.len()];
        search.node(tree, start, &Rest::Done, 0)?;
        if let Some((end, groups)) = search.best.take() {
            *spans = groups;
            spans[0] = Some((start, end));
            return Ok(true);
        }
    }
    Ok(false)
}

impl Search<'_> {
    fn single(&self, node: &Node, at: usize) -> Option<bool> {
        let c = self.text.chars.get(at).copied();
        Some(match node {
            Node::Char(x) => c.is_some_and(|c| self.text.same(*x, c)),
            Node::Any => c.is_some_and(|c| self.text.any(c)),
            Node::Set(set) => c.is_some_and(|c| self.text.in_set(set, c)),
            _ => return None,
        })
    }

    /// Explores every way to match; keeps the longest, the first found among equals.
    fn go(&mut self, rest: &Rest<'_>, at: usize, depth: usize) -> Result<(), Error> {
        match rest {
            Rest::Done => {
                if self.best.as_ref().is_none_or(|(end, _)| at > *end) {
                    self.best = Some((at, self.groups.clone()));
                }
                Ok(())
            }
            Rest::Nodes([], rest) => self.go(rest, at, depth),
            Rest::Nodes([first, others @ ..], rest) => {
                self.node(first, at, &Rest::Nodes(others, rest), depth)
            }
            Rest::Close(number, from, rest) => {
                let old = self.groups[*number];
                self.groups[*number] = Some((*from, at));
                let result = self.go(rest, at, depth + 1);
                self.groups[*number] = old;
                result
            }
            Rest::Repeat(node, done, min, max, from, rest) => {
                // A round that took nothing is not repeated.
                if at > *from || *done < *min {
                    self.repeat(node, *done, *min, *max, at, rest, depth)
                } else {
                    self.go(rest, at, depth)
                }
            }
        }
    }

    #[allow(clippy::too_many_arguments)]
    fn repeat(
        &mut self,
        node: &Node,
        done: u32,
        min: u32,
        max: Option<u32>,
        at: usize,
        rest: &Rest<'_>,
        depth: usize,
    ) -> Result<(), Error> {
        if max.is_none_or(|m| done < m) {
            self.node(
                node,
                at,
                &Rest::Repeat(node, done + 1, min, max, at, rest),
                depth,
            )?;
        }
        if done >= min {
            self.go(rest, at, depth + 1)
        } else {
            Ok(())
        }
    }

    fn node(&mut self, node: &Node, at: usize, rest: &Rest<'_>, depth: usize) -> Result<(), Error> {
        self.steps += 1;
        if self.steps > MAX_STEPS || depth > MAX_DEPTH {
            return Err(Error::Space);
        }
        let depth = depth + 1;
        match node {
            Node::Empty => self.go(rest, at, depth),
            Node::Char(_) | Node::Any | Node::Set(_) => {
                if self.single(node, at) == Some(true) {
                    self.go(rest, at + 1, depth)
                } else {
                    Ok(())
                }
            }
            Node::Assert(a) => {
                if self.text.holds(*a, at) {
                    self.go(rest, at, depth)
                } else {
                    Ok(())
                }
            }
            Node::Group(number, inner) => {
                self.node(inner, at, &Rest::Close(*number, at, rest), depth)
            }
            Node::Concat(nodes) => self.go(&Rest::Nodes(nodes, rest), at, depth),
            Node::Alternate(nodes) => nodes.iter().try_for_each(|n| self.node(n, at, rest, depth)),
            Node::Repeat(inner, min, max) => {
                if self.single(inner, at).is_none() {
                    return self.repeat(inner, 0, *min, *max, at, rest, depth);
                }
                // One character each round: no recursion over the rounds.
                let mut count = 0;
                while max.is_none_or(|m| count < m)
                    && self.single(inner, at + count as usize) == Some(true)
                {
                    count += 1;
                }
                while count >= *min {
                    self.go(rest, at + count as usize, depth)?;
                    match count.checked_sub(1) {
                        Some(less) => count = less,
                        None => break,
                    }
                }
                Ok(())
            }
            Node::BackReference(number) => {
                let Some((from, to)) = self.groups[*number] else {
                    return Ok(());
                };
                let len = to - from;
                let same = at + len <= self.text.len()
                    && (0..len).all(|i| {
                        self.text
                            .same(self.text.chars[from + i], self.text.chars[at + i])
                    });
                if same {
                    self.go(rest, at + len, depth)
                } else {
                    Ok(())
                }
            }
        }
    }
}
