//! POSIX regular expressions, basic and extended: the leftmost of the longest matches, submatches by
//! POSIX's rules, in time polynomial in pattern and text.
//!
//! The matcher simulates an automaton over all positions at once; submatches are then found top-down,
//! each subexpression taking as much as lets the rest still match. Only patterns with
//! back-references, which no automaton can do, are matched by search, under a limit on its steps.

mod backtrack;
mod parse;
mod program;
mod submatch;

use crate::bracket::{Fault, Set};
use crate::ctype::{to_lower, to_upper};
use crate::multibyte::{Charset, Decoded, State, decode};
use alloc::boxed::Box;
use alloc::vec::Vec;

/// Why a pattern is no regular expression, or a search failed. The numbers are `<regex.h>`'s.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum Error {
    /// Invalid regular expression.
    BadPattern = 2,
    /// Invalid collating element.
    Collate = 3,
    /// Invalid character class.
    Class = 4,
    /// Trailing backslash.
    Escape = 5,
    /// Back-reference to a group that does not exist.
    Subexpression = 6,
    /// Unbalanced bracket.
    Bracket = 7,
    /// Unbalanced parenthesis.
    Parenthesis = 8,
    /// Unbalanced brace.
    Brace = 9,
    /// Invalid repetition count.
    Count = 10,
    /// Invalid end of a range.
    Range = 11,
    /// Out of memory, or the pattern or search is too large.
    Space = 12,
    /// Nothing to repeat.
    Repeat = 13,
}

impl From<Fault> for Error {
    fn from(fault: Fault) -> Error {
        match fault {
            Fault::Unclosed => Error::Bracket,
            Fault::Class => Error::Class,
            Fault::Collation => Error::Collate,
            Fault::Range => Error::Range,
        }
    }
}

/// The texts of `regerror`, by number.
pub const MESSAGES: [&str; 14] = [
    "Success",
    "No match",
    "Invalid regular expression",
    "Invalid collation character",
    "Invalid character class name",
    "Trailing backslash",
    "Invalid back reference",
    "Unmatched [, [^, [:, [., or [=",
    "Unmatched ( or \\(",
    "Unmatched \\{",
    "Invalid content of \\{\\}",
    "Invalid range end",
    "Memory exhausted",
    "Invalid preceding regular expression",
];

/// How to compile.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// Extended syntax.
    pub extended: bool,
    /// Case does not count.
    pub ignore_case: bool,
    /// `^` and `$` match at newlines; `.` and complements do not match them.
    pub newline: bool,
    /// Character set of pattern and text.
    pub charset: Charset,
}

/// How to match.
#[derive(Clone, Copy, Debug, Default)]
pub struct Flags {
    /// The text's beginning is not the beginning of a line.
    pub not_begin: bool,
    /// The text's end is not the end of a line.
    pub not_end: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Assertion {
    LineStart,
    LineEnd,
    WordStart,
    WordEnd,
    WordEdge,
    NotWordEdge,
}

#[derive(Clone, Debug)]
enum Node {
    Empty,
    Char(u32),
    Any,
    Set(Box<Set>),
    Assert(Assertion),
    Group(usize, Box<Node>),
    Concat(Vec<Node>),
    Alternate(Vec<Node>),
    /// At least, at most.
    Repeat(Box<Node>, u32, Option<u32>),
    BackReference(usize),
}

/// A compiled expression.
#[derive(Clone, Debug)]
pub struct Regex {
    program: program::Program,
    groups: usize,
    options: Options,
    /// The tree, for patterns with back-references.
    tree: Option<Node>,
}

/// Where a match or a group begins and ends, in bytes.
pub type Span = (usize, usize);

/// A text as characters, with the byte offset of each and of the end.
struct Text {
    chars: Vec<u32>,
    offsets: Vec<usize>,
    flags: Flags,
    options: Options,
}

fn is_word(c: u32) -> bool {
    c == u32::from(b'_') || crate::ctype::is_wide(crate::ctype::Class::Alnum, c)
}

impl Text {
    fn new(text: &[u8], options: Options, flags: Flags) -> Result<Text, Error> {
        let mut chars = Vec::new();
        let mut offsets = Vec::new();
        chars.try_reserve(text.len()).map_err(|_| Error::Space)?;
        offsets
            .try_reserve(text.len() + 1)
            .map_err(|_| Error::Space)?;
        let mut at = 0;
        while at < text.len() {
            offsets.push(at);
            match decode(options.charset, &mut State::default(), &text[at..]) {
                Decoded::Char(c, n) => {
                    chars.push(c);
                    at += n;
                }
                // A stray byte is one character, of no class.
                _ => {
                    chars.push(0xDC00 | u32::from(text[at]));
                    at += 1;
                }
            }
        }
        offsets.push(text.len());
        Ok(Text {
            chars,
            offsets,
            flags,
            options,
        })
    }

    fn len(&self) -> usize {
        self.chars.len()
    }

    fn holds(&self, assertion: Assertion, at: usize) -> bool {
        let before = at.checked_sub(1).map(|i| self.chars[i]);
        let after = self.chars.get(at).copied();
        let newline = |c: Option<u32>| self.options.newline && c == Some(10);
        let (left, right) = (before.is_some_and(is_word), after.is_some_and(is_word));
        match assertion {
            Assertion::LineStart => (at == 0 && !self.flags.not_begin) || newline(before),
            Assertion::LineEnd => (at == self.len() && !self.flags.not_end) || newline(after),
            Assertion::WordStart => !left && right,
            Assertion::WordEnd => left && !right,
            Assertion::WordEdge => left != right,
            Assertion::NotWordEdge => left == right,
        }
    }

    fn same(&self, a: u32, b: u32) -> bool {
        a == b
            || (self.options.ignore_case
                && (to_lower(a) == to_lower(b) || to_upper(a) == to_upper(b)))
    }

    fn any(&self, c: u32) -> bool {
        !(self.options.newline && c == 10)
    }

    fn in_set(&self, set: &Set, c: u32) -> bool {
        set.contains(c, self.options.ignore_case)
            && !(self.options.newline && c == 10 && set.is_negated())
    }
}

impl Regex {
    /// Compiles a pattern.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn new(pattern: &[u8], options: Options) -> Result<Regex, Error> {
        let chars = crate::fnmatch::characters(pattern, options.charset);
        let (tree, groups, back_references) = parse::parse(&chars, options.extended)?;
        let program = program::Program::compile(&tree)?;
        Ok(Regex {
            program,
            groups,
            options,
            tree: back_references.then_some(tree),
        })
    }

    /// Number of groups (`re_nsub`).
    #[must_use]
    pub fn groups(&self) -> usize {
        self.groups
    }

    /// Finds the match and its groups: element 0 is the whole match. Groups beyond `wanted` are not
    /// computed. `Ok(None)` if there is no match.
    ///
    /// # Errors
    /// [`Error::Space`] when memory or the step limit of back-references is exhausted.
    pub fn find(
        &self,
        text: &[u8],
        wanted: usize,
        flags: Flags,
    ) -> Result<Option<Vec<Option<Span>>>, Error> {
        let text = Text::new(text, self.options, flags)?;
        let mut spans = alloc::vec![None; self.groups + 1];
        if let Some(tree) = &self.tree {
            if !backtrack::find(tree, &text, &mut spans)? {
                return Ok(None);
            }
        } else {
            let Some(whole) = self.program.find(&text) else {
                return Ok(None);
            };
            spans[0] = Some(whole);
            if wanted > 1 && self.groups > 0 {
                submatch::assign(&self.program, &text, whole, &mut spans);
            }
        }
        spans.truncate(wanted);
        for (start, end) in spans.iter_mut().flatten() {
            (*start, *end) = (text.offsets[*start], text.offsets[*end]);
        }
        Ok(Some(spans))
    }
}
