//! File-name patterns: `fnmatch`, and what `glob` needs to know about a pattern.

use crate::bracket::{Rules, Set};
use crate::ctype::to_lower;
use crate::multibyte::{Charset, Decoded, State, decode};
use alloc::vec::Vec;

/// The flags of `fnmatch`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Flags {
    /// A backslash is an ordinary character.
    pub no_escape: bool,
    /// Wildcards do not match a slash.
    pub pathname: bool,
    /// A leading period must be matched by a period.
    pub period: bool,
    /// The pattern may match a leading part that ends before a slash.
    pub leading_dir: bool,
    /// Case does not count.
    pub case_fold: bool,
}

/// Text as characters; bytes that are no character stand for themselves, outside of Unicode.
#[must_use]
pub fn characters(text: &[u8], charset: Charset) -> Vec<u32> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.first() {
        match decode(charset, &mut State::default(), rest) {
            Decoded::Char(c, n) => {
                out.push(c);
                rest = &rest[n..];
            }
            _ => {
                out.push(0xDC00 | u32::from(*first));
                rest = &rest[1..];
            }
        }
    }
    out
}

const SLASH: u32 = b'/' as u32;

enum Step {
    /// One element matched; the pattern goes on here.
    To(usize),
    /// Not matched.
    No,
}

fn element(pattern: &[u32], p: usize, c: u32, hidden: bool, flags: Flags) -> Step {
    let same = |a: u32| a == c || (flags.case_fold && to_lower(a) == to_lower(c));
    let literal = |a: u32, next: usize| if same(a) { Step::To(next) } else { Step::No };
    match u8::try_from(pattern[p]).unwrap_or(0) {
        b'?' => {
            if hidden || (flags.pathname && c == SLASH) {
                Step::No
            } else {
                Step::To(p + 1)
            }
        }
        b'[' => {
            let mut next = p + 1;
            let rules = Rules {
                bang: true,
                escape: !flags.no_escape,
            };
            match Set::parse(pattern, &mut next, rules) {
                // A slash inside brackets makes the bracket an ordinary character in a path name.
                Ok(_) if flags.pathname && pattern[p..next].contains(&SLASH) => {
                    literal(pattern[p], p + 1)
                }
                Ok(set) => {
                    if hidden || (flags.pathname && c == SLASH) || !set.contains(c, flags.case_fold)
                    {
                        Step::No
                    } else {
                        Step::To(next)
                    }
                }
                Err(crate::bracket::Fault::Unclosed) => literal(pattern[p], p + 1),
                Err(_) => Step::No,
            }
        }
        b'\\' if !flags.no_escape => match pattern.get(p + 1) {
            Some(a) => literal(*a, p + 2),
            None => Step::No,
        },
        _ => literal(pattern[p], p + 1),
    }
}

/// Whether a pattern matches the whole of a text. Time is at most the product of their lengths.
#[must_use]
pub fn matches(pattern: &[u32], text: &[u32], flags: Flags) -> bool {
    let (mut p, mut t) = (0, 0);
    // Where to go on when what follows the last star does not match: star and text position.
    let mut retry: Option<(usize, usize)> = None;
    loop {
        let leading = t == 0 || (flags.pathname && text[t - 1] == SLASH);
        let hidden = |at: usize, leading: bool| {
            flags.period && leading && text.get(at) == Some(&u32::from(b'.'))
        };
        if p < pattern.len() && pattern[p] == u32::from(b'*') {
            if !hidden(t, leading) {
                while pattern.get(p) == Some(&u32::from(b'*')) {
                    p += 1;
                }
                retry = Some((p, t));
                continue;
            }
        } else if p == pattern.len() {
            if t == text.len() || (flags.leading_dir && text[t] == SLASH) {
                return true;
            }
        } else if let Some(c) = text.get(t)
            && let Step::To(next) = element(pattern, p, *c, hidden(t, leading), flags)
        {
            if flags.pathname && *c == SLASH {
                // Stars before the slash have done their part.
                retry = None;
            }
            p = next;
            t += 1;
            continue;
        }
        // The last star takes one more character.
        match retry {
            Some((star, at)) if at < text.len() && !(flags.pathname && text[at] == SLASH) => {
                retry = Some((star, at + 1));
                (p, t) = (star, at + 1);
            }
            _ => return false,
        }
    }
}

/// Whether a pattern has anything but ordinary characters.
#[must_use]
pub fn is_magic(pattern: &[u8], no_escape: bool) -> bool {
    let mut escaped = false;
    pattern.iter().any(|c| {
        if escaped {
            escaped = false;
            return false;
        }
        escaped = *c == b'\\' && !no_escape;
        matches!(c, b'*' | b'?' | b'[')
    })
}

/// The text of a pattern without wildcards: its escapes taken away.
#[must_use]
pub fn unescape(pattern: &[u8], no_escape: bool) -> Vec<u8> {
    let mut out = Vec::with_capacity(pattern.len());
    let mut bytes = pattern.iter();
    while let Some(c) = bytes.next() {
        match c {
            b'\\' if !no_escape => out.extend(bytes.next()),
            _ => out.push(*c),
        }
    }
    out
}
