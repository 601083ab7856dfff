//! From a pattern to a tree.

use super::{Assertion, Error, Node};
use crate::bracket::{Rules, Set};
use crate::ctype::Class;
use alloc::boxed::Box;
use alloc::vec::Vec;

/// The largest repetition count (`RE_DUP_MAX`).
const DUP_MAX: u32 = 255;
/// Nesting of groups, so that recursion stays bounded.
const MAX_DEPTH: u32 = 200;

struct Parser<'p> {
    text: &'p [u32],
    at: usize,
    extended: bool,
    groups: usize,
    /// Groups that are complete, which alone can be referred to.
    closed: Vec<usize>,
    back_references: bool,
}

/// Parses a pattern: the tree, the number of groups, and whether there are back-references.
pub(super) fn parse(text: &[u32], extended: bool) -> Result<(Node, usize, bool), Error> {
    let mut parser = Parser {
        text,
        at: 0,
        extended,
        groups: 0,
        closed: Vec::new(),
        back_references: false,
    };
    let tree = parser.alternatives(0)?;
    if parser.at < text.len() {
        return Err(Error::Parenthesis);
    }
    Ok((tree, parser.groups, parser.back_references))
}

impl Parser<'_> {
    /// The byte at an offset from here; 0 at the end, 1 for what is not ASCII.
    fn peek(&self, offset: usize) -> u8 {
        self.text.get(self.at + offset).map_or(0, |c| {
            u8::try_from(*c)
                .ok()
                .filter(|b| *b != 0 && *b < 128)
                .unwrap_or(1)
        })
    }

    fn ended(&self) -> bool {
        self.at >= self.text.len()
    }

    /// Whether an operator stands here: bare in extended syntax, after a backslash in basic.
    fn operator(&self, c: u8) -> bool {
        if self.extended {
            self.peek(0) == c
        } else {
            self.peek(0) == b'\\' && self.peek(1) == c
        }
    }

    fn skip_operator(&mut self) {
        self.at += if self.extended { 1 } else { 2 };
    }

    fn alternatives(&mut self, depth: u32) -> Result<Node, Error> {
        if depth > MAX_DEPTH {
            return Err(Error::Space);
        }
        let mut list = alloc::vec![self.sequence(depth)?];
        while !self.ended() && self.operator(b'|') {
            self.skip_operator();
            list.push(self.sequence(depth)?);
        }
        Ok(if list.len() == 1 {
            list.remove(0)
        } else {
            Node::Alternate(list)
        })
    }

    fn sequence(&mut self, depth: u32) -> Result<Node, Error> {
        let mut list = Vec::new();
        // In basic syntax a star after the beginning, or after an anchor there, is itself.
        let mut start = true;
        while !self.ended() && !self.operator(b'|') {
            if self.operator(b')') && (depth > 0 || !self.extended) {
                if depth == 0 {
                    return Err(Error::Parenthesis);
                }
                break;
            }
            let atom = self.atom(depth, start, list.is_empty())?;
            let anchor = matches!(atom, Node::Assert(Assertion::LineStart));
            let atom = self.repetitions(atom, start && anchor)?;
            start = start && anchor && !self.extended;
            list.push(atom);
        }
        Ok(match list.len() {
            0 => Node::Empty,
            1 => list.remove(0),
            _ => Node::Concat(list),
        })
    }

    fn repetitions(&mut self, mut atom: Node, leading_anchor: bool) -> Result<Node, Error> {
        if leading_anchor && !self.extended {
            return Ok(atom);
        }
        loop {
            let (min, max) = if self.ended() {
                break;
            } else if self.peek(0) == b'*' {
                self.at += 1;
                (0, None)
            } else if self.operator(b'+') {
                self.skip_operator();
                (1, None)
            } else if self.operator(b'?') {
                self.skip_operator();
                (0, Some(1))
            } else if self.operator(b'{') {
                match self.interval()? {
                    Some(counts) => counts,
                    None => break,
                }
            } else {
                break;
            };
            // Stars of stars add nothing.
            if (min, max) == (0, None) && matches!(atom, Node::Repeat(_, 0, None)) {
                continue;
            }
            atom = Node::Repeat(Box::new(atom), min, max);
        }
        Ok(atom)
    }

    fn number(&mut self) -> Option<u32> {
        let mut value = None;
        while self.peek(0).is_ascii_digit() {
            value = Some((value.unwrap_or(0) * 10 + u32::from(self.peek(0) - b'0')).min(10_000));
            self.at += 1;
        }
        value
    }

    /// `{m}`, `{m,}`, `{,n}`, `{m,n}`. `None` if an extended brace begins no interval and is itself.
    fn interval(&mut self) -> Result<Option<(u32, Option<u32>)>, Error> {
        let begin = self.at;
        self.skip_operator();
        let min = self.number();
        let comma = self.peek(0) == b',';
        let max = if comma {
            self.at += 1;
            self.number()
        } else {
            min
        };
        if min.is_none() && !(comma && max.is_some()) {
            if self.extended && !self.ended() {
                self.at = begin;
                return Ok(None);
            }
            return Err(if self.ended() {
                Error::Brace
            } else {
                Error::Count
            });
        }
        if !self.operator(b'}') {
            return Err(if self.ended() {
                Error::Brace
            } else {
                Error::Count
            });
        }
        self.skip_operator();
        let min = min.unwrap_or(0);
        if min > DUP_MAX || max.is_some_and(|m| m > DUP_MAX || m < min) {
            return Err(Error::Count);
        }
        Ok(Some((min, max)))
    }

    fn group(&mut self, depth: u32) -> Result<Node, Error> {
        self.skip_operator();
        self.groups += 1;
        let number = self.groups;
        let inner = self.alternatives(depth + 1)?;
        if self.ended() || !self.operator(b')') {
            return Err(Error::Parenthesis);
        }
        self.skip_operator();
        self.closed.push(number);
        Ok(Node::Group(number, Box::new(inner)))
    }

    fn atom(&mut self, depth: u32, start: bool, first: bool) -> Result<Node, Error> {
        if self.operator(b'(') {
            return self.group(depth);
        }
        let c = self.text[self.at];
        match self.peek(0) {
            b'.' => {
                self.at += 1;
                Ok(Node::Any)
            }
            b'[' => {
                self.at += 1;
                Ok(Node::Set(Box::new(Set::parse(
                    self.text,
                    &mut self.at,
                    Rules {
                        bang: false,
                        escape: false,
                    },
                )?)))
            }
            b'^' if self.extended || first => {
                self.at += 1;
                Ok(Node::Assert(Assertion::LineStart))
            }
            b'$' if self.extended
                || self.at + 1 == self.text.len()
                || (self.peek(1) == b'\\' && matches!(self.peek(2), b')' | b'|')) =>
            {
                self.at += 1;
                Ok(Node::Assert(Assertion::LineEnd))
            }
            b'*' | b'+' | b'?' if self.extended => Err(Error::Repeat),
            b'{' if self.extended => {
                let begin = self.at;
                let interval = self.interval();
                self.at = begin + 1;
                if matches!(interval, Ok(None)) {
                    Ok(Node::Char(c))
                } else {
                    Err(Error::Repeat)
                }
            }
            b'\\' => self.escape(start),
            _ => {
                self.at += 1;
                Ok(Node::Char(c))
            }
        }
    }

    fn escape(&mut self, start: bool) -> Result<Node, Error> {
        let Some(c) = self.text.get(self.at + 1).copied() else {
            return Err(Error::Escape);
        };
        let byte = self.peek(1);
        if byte == b'{' && !self.extended && start {
            return Err(Error::Repeat);
        }
        self.at += 2;
        let word = |negated| {
            Node::Set(Box::new(Set::class(
                Class::Alnum,
                negated,
                Some(u32::from(b'_')),
            )))
        };
        let space = |negated| Node::Set(Box::new(Set::class(Class::Space, negated, None)));
        Ok(match byte {
            b'1'..=b'9' => {
                let number = usize::from(byte - b'0');
                if !self.closed.contains(&number) {
                    return Err(Error::Subexpression);
                }
                self.back_references = true;
                Node::BackReference(number)
            }
            b'<' => Node::Assert(Assertion::WordStart),
            b'>' => Node::Assert(Assertion::WordEnd),
            b'b' => Node::Assert(Assertion::WordEdge),
            b'B' => Node::Assert(Assertion::NotWordEdge),
            b'w' => word(false),
            b'W' => word(true),
            b's' => space(false),
            b'S' => space(true),
            _ => Node::Char(c),
        })
    }
}
