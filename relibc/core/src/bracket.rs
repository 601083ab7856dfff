//! Bracket expressions, as regular expressions and file-name patterns share them.

use crate::ctype::{self, Class};
use alloc::vec::Vec;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Item {
    Range(u32, u32),
    Class(Class),
}

/// A set of characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Set {
    negated: bool,
    items: Vec<Item>,
}

/// What is wrong with a bracket expression.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// No closing bracket.
    Unclosed,
    /// No such class.
    Class,
    /// No such collating element.
    Collation,
    /// A range that ends before it begins, or with a class.
    Range,
}

/// How the two users differ.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// `!` negates as well as `^`.
    pub bang: bool,
    /// A backslash takes the next character as it is.
    pub escape: bool,
}

fn element(text: &[u32], at: &mut usize, mark: u32) -> Option<Vec<u32>> {
    let start = *at;
    let mut i = start;
    while i + 1 < text.len() {
        if text[i] == mark && text[i + 1] == u32::from(b']') && i > start {
            *at = i + 2;
            return Some(text[start..i].to_vec());
        }
        i += 1;
    }
    None
}

impl Set {
    /// Parses what follows a `[` at `*at` and moves past the closing bracket.
    pub fn parse(text: &[u32], at: &mut usize, rules: Rules) -> Result<Set, Fault> {
        const OPEN: u32 = b'[' as u32;
        const CLOSE: u32 = b']' as u32;
        const DASH: u32 = b'-' as u32;
        let mut set = Set {
            negated: false,
            items: Vec::new(),
        };
        let mut i = *at;
        if text
            .get(i)
            .is_some_and(|c| *c == u32::from(b'^') || (rules.bang && *c == u32::from(b'!')))
        {
            set.negated = true;
            i += 1;
        }
        let first = i;
        // One end of a range, or a class.
        let end = |i: &mut usize| -> Result<Item, Fault> {
            let c = *text.get(*i).ok_or(Fault::Unclosed)?;
            *i += 1;
            if c == OPEN {
                if let Some(mark) = text
                    .get(*i)
                    .copied()
                    .filter(|m| b".=:".iter().any(|b| u32::from(*b) == *m))
                {
                    let mut j = *i + 1;
                    let name = element(text, &mut j, mark).ok_or(Fault::Unclosed)?;
                    *i = j;
                    if mark == u32::from(b':') {
                        let name: Vec<u8> =
                            name.iter().map(|c| u8::try_from(*c).unwrap_or(0)).collect();
                        return Class::by_name(&name).map(Item::Class).ok_or(Fault::Class);
                    }
                    return match name[..] {
                        [one] => Ok(Item::Range(one, one)),
                        _ => Err(Fault::Collation),
                    };
                }
            } else if c == u32::from(b'\\') && rules.escape {
                let c = *text.get(*i).ok_or(Fault::Unclosed)?;
                *i += 1;
                return Ok(Item::Range(c, c));
            }
            Ok(Item::Range(c, c))
        };
        loop {
            match text.get(i) {
                None => return Err(Fault::Unclosed),
                Some(c) if *c == CLOSE && i > first => break,
                Some(_) => {}
            }
            let item = end(&mut i)?;
            let range = text.get(i) == Some(&DASH) && text.get(i + 1).is_some_and(|c| *c != CLOSE);
            if !range {
                set.items.push(item);
                continue;
            }
            i += 1;
            match (item, end(&mut i)?) {
                (Item::Range(low, _), Item::Range(_, high)) if low <= high => {
                    set.items.push(Item::Range(low, high))
                }
                _ => return Err(Fault::Range),
            }
        }
        *at = i + 1;
        Ok(set)
    }

    /// A set of one class, or of everything else.
    #[must_use]
    pub fn class(class: Class, negated: bool, extra: Option<u32>) -> Set {
        let mut items = alloc::vec![Item::Class(class)];
        items.extend(extra.map(|c| Item::Range(c, c)));
        Set { negated, items }
    }

    /// Whether the set is a complement.
    #[must_use]
    pub fn is_negated(&self) -> bool {
        self.negated
    }

    /// Whether a character belongs to the set, in either case if `fold`.
    #[must_use]
    pub fn contains(&self, c: u32, fold: bool) -> bool {
        let has = |c: u32| {
            self.items.iter().any(|item| match item {
                Item::Range(low, high) => (*low..=*high).contains(&c),
                Item::Class(class) => ctype::is_wide(*class, c),
            })
        };
        (has(c) || (fold && (has(ctype::to_lower(c)) || has(ctype::to_upper(c))))) != self.negated
    }
}
