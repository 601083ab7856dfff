//! Groups of a match whose extent is known.
//!
//! Top-down: in a sequence each part takes as much as lets the parts behind it still reach the end,
//! which one backward walk over the automaton tells for all positions at once.

use super::program::{Fragment, Program, Shape};
use super::{Span, Text};
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

pub(super) fn assign(program: &Program, text: &Text, whole: Span, spans: &mut [Option<Span>]) {
    Run { program, text }.visit(&program.root, whole, spans);
}

struct Run<'r> {
    program: &'r Program,
    text: &'r Text,
}

/// A set of positions between two bounds.
struct Positions {
    low: usize,
    bits: Vec<bool>,
}

impl Positions {
    fn new((low, high): Span) -> Positions {
        Positions {
            low,
            bits: alloc::vec![false; high - low + 1],
        }
    }

    fn add(&mut self, at: usize) {
        self.bits[at - self.low] = true;
    }

    fn has(&self, at: usize) -> bool {
        at >= self.low && self.bits.get(at - self.low) == Some(&true)
    }
}

fn clear(fragment: &Fragment, spans: &mut [Option<Span>]) {
    match &fragment.shape {
        Shape::Leaf => {}
        Shape::Group(number, inner) => {
            spans[*number] = None;
            clear(inner, spans);
        }
        Shape::Concat(parts) | Shape::Alternate(parts) => {
            parts.iter().for_each(|p| clear(p, spans))
        }
        Shape::Star(inner) | Shape::Optional(inner) => clear(inner, spans),
    }
}

fn has_groups(fragment: &Fragment) -> bool {
    match &fragment.shape {
        Shape::Leaf => false,
        Shape::Group(..) => true,
        Shape::Concat(parts) | Shape::Alternate(parts) => parts.iter().any(has_groups),
        Shape::Star(inner) | Shape::Optional(inner) => has_groups(inner),
    }
}

impl Run<'_> {
    /// The farthest end of `fragment` from `from` that `allowed` accepts.
    fn farthest(
        &self,
        fragment: &Fragment,
        from: usize,
        limit: usize,
        allowed: &dyn Fn(usize) -> bool,
    ) -> Option<usize> {
        let mut best = None;
        self.program
            .ends(fragment, self.text, from, limit, &mut |at| {
                if allowed(at) {
                    best = best.max(Some(at));
                }
            });
        best
    }

    fn visit(&self, fragment: &Fragment, span: Span, spans: &mut [Option<Span>]) {
        if !has_groups(fragment) {
            return;
        }
        let (start, end) = span;
        match &fragment.shape {
            Shape::Leaf => {}
            Shape::Group(number, inner) => {
                spans[*number] = Some(span);
                self.visit(inner, span, spans);
            }
            Shape::Concat(parts) => {
                // For each part the positions at which it may begin.
                let mut begins: BTreeMap<usize, Positions> = parts
                    .iter()
                    .map(|p| (p.entry, Positions::new(span)))
                    .collect();
                self.program
                    .origins(fragment, self.text, end, start, &mut |state, at| {
                        if let Some(set) = begins.get_mut(&state) {
                            set.add(at);
                        }
                    });
                let mut at = start;
                for (i, part) in parts.iter().enumerate() {
                    let next = match parts.get(i + 1) {
                        None => Some(end),
                        Some(rest) => self.farthest(part, at, end, &|q| begins[&rest.entry].has(q)),
                    };
                    let Some(next) = next else { return };
                    self.visit(part, (at, next), spans);
                    at = next;
                }
            }
            Shape::Alternate(parts) => {
                let taken = parts
                    .iter()
                    .find(|p| self.farthest(p, start, end, &|q| q == end).is_some());
                if let Some(part) = taken {
                    self.visit(part, span, spans);
                }
            }
            Shape::Optional(inner) => {
                if self.farthest(inner, start, end, &|q| q == end).is_some() {
                    clear(inner, spans);
                    self.visit(inner, span, spans);
                }
            }
            Shape::Star(inner) => {
                let mut begins = Positions::new(span);
                self.program
                    .origins(fragment, self.text, end, start, &mut |state, at| {
                        if state == fragment.entry {
                            begins.add(at);
                        }
                    });
                let mut at = start;
                if start == end {
                    if self.farthest(inner, at, end, &|q| q == end).is_some() {
                        clear(inner, spans);
                        self.visit(inner, span, spans);
                    }
                    return;
                }
                while at < end {
                    let from = at;
                    let Some(next) = self.farthest(inner, at, end, &|q| q > from && begins.has(q))
                    else {
                        return;
                    };
                    clear(inner, spans);
                    self.visit(inner, (at, next), spans);
                    at = next;
                }
            }
        }
    }
}
