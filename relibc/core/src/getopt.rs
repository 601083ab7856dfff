//! Option parsing: `getopt` and `getopt_long`, with GNU's reordering of arguments.

/// A long option.
#[derive(Clone, Copy, Debug)]
pub struct Long<'o> {
    /// Its name, without dashes.
    pub name: &'o [u8],
    /// 0: no argument, 1: required, 2: optional.
    pub argument: i32,
    /// What distinguishes it from options of the same meaning: two abbreviations of options that
    /// agree in this are not ambiguous.
    pub identity: (usize, i32, i32),
}

/// Where parsing stands between calls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Position {
    /// `optind`: index of the next argument. 0 starts anew.
    pub index: usize,
    /// Offset of the next letter within a cluster such as `-abc`, 0 outside.
    pub letter: usize,
    /// The arguments `first..last` are operands that were passed over and go behind the options.
    pub first: usize,
    /// See `first`.
    pub last: usize,
}

/// An argument's value: an offset into one of the arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Value {
    /// Which argument.
    pub index: usize,
    /// From which byte on.
    pub offset: usize,
}

/// What a call found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// No more options.
    End,
    /// An operand, given in order because the option string begins with `-`.
    Operand(Value),
    /// A short option.
    Short(u8, Option<Value>),
    /// A long option by its index.
    Long(usize, Option<Value>),
    /// A letter that is no option.
    Unknown(u8),
    /// A long name that is no option.
    UnknownLong(Value),
    /// A long name that abbreviates several options.
    Ambiguous(Value),
    /// A letter whose argument is missing.
    MissingShort(u8),
    /// A long option whose argument is missing.
    MissingLong(usize),
    /// A long option that takes no argument was given one.
    Unexpected(usize),
}

/// How operands among options are treated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    Permute,
    Stop,
    Given,
}

/// Parses the next option. `short` is the option string; `long_only` lets a single dash begin a long
/// name; `posix` stops at the first operand, as a leading `+` does. `args` are the arguments, the
/// program's name included, and are reordered.
pub fn next<A: AsRef<[u8]>>(
    args: &mut [A],
    short: &[u8],
    long: &[Long<'_>],
    long_only: bool,
    posix: bool,
    at: &mut Position,
) -> Found {
    let (order, short) = match short.first() {
        Some(b'-') => (Order::Given, &short[1..]),
        Some(b'+') => (Order::Stop, &short[1..]),
        _ if posix => (Order::Stop, short),
        _ => (Order::Permute, short),
    };
    let short = short.strip_prefix(b":").unwrap_or(short);
    if at.index == 0 {
        *at = Position {
            index: 1,
            letter: 0,
            first: 1,
            last: 1,
        };
    }
    if at.letter == 0 || at.index >= args.len() || at.letter >= args[at.index].as_ref().len() {
        at.letter = 0;
        at.last = at.last.min(at.index);
        at.first = at.first.min(at.last);
        if order == Order::Permute {
            exchange(args, at);
            while at.index < args.len() && is_operand(args[at.index].as_ref()) {
                at.index += 1;
            }
            at.last = at.index;
        }
        if at.index < args.len() && args[at.index].as_ref() == b"--" {
            at.index += 1;
            exchange(args, at);
            if at.first == at.last {
                at.first = at.index;
            }
            at.last = args.len();
            at.index = args.len();
        }
        if at.index >= args.len() {
            if at.first != at.last {
                at.index = at.first;
            }
            return Found::End;
        }
        let text = args[at.index].as_ref();
        if is_operand(text) {
            if order == Order::Stop {
                return Found::End;
            }
            at.index += 1;
            return Found::Operand(Value {
                index: at.index - 1,
                offset: 0,
            });
        }
        let double = text.starts_with(b"--");
        let known_letter = text.len() == 2 && short.contains(&text[1]);
        if !long.is_empty() && (double || (long_only && !known_letter)) {
            let start = if double { 2 } else { 1 };
            if let Some(found) = long_option(
                args,
                long,
                start,
                !double && text_is_short(args[at.index].as_ref(), short),
                at,
            ) {
                return found;
            }
        }
        at.letter = 1;
    }
    letter(args, short, at)
}

fn text_is_short(text: &[u8], short: &[u8]) -> bool {
    text.get(1).is_some_and(|c| short.contains(c))
}

fn is_operand(text: &[u8]) -> bool {
    text.len() < 2 || text[0] != b'-'
}

/// Moves the operands passed over behind the options read since.
fn exchange<A>(args: &mut [A], at: &mut Position) {
    if at.first != at.last && at.last != at.index && at.index <= args.len() {
        args[at.first..at.index].rotate_left(at.last - at.first);
    }
    if at.last != at.index {
        at.first += at.index - at.last;
        at.last = at.index;
    }
}

fn letter<A: AsRef<[u8]>>(args: &[A], short: &[u8], at: &mut Position) -> Found {
    let text = args[at.index].as_ref();
    let c = text[at.letter];
    at.letter += 1;
    let here = Value {
        index: at.index,
        offset: at.letter,
    };
    let more = at.letter < text.len();
    if !more {
        at.index += 1;
        at.letter = 0;
    }
    let place = short
        .iter()
        .position(|s| *s == c)
        .filter(|_| c != b':' && c != b';');
    let Some(place) = place else {
        return Found::Unknown(c);
    };
    match (short.get(place + 1), short.get(place + 2)) {
        (Some(b':'), Some(b':')) => {
            at.letter = 0;
            if more {
                at.index += 1;
            }
            Found::Short(c, more.then_some(here))
        }
        (Some(b':'), _) => {
            at.letter = 0;
            at.index += usize::from(more);
            if more {
                return Found::Short(c, Some(here));
            }
            if at.index >= args.len() {
                return Found::MissingShort(c);
            }
            at.index += 1;
            Found::Short(
                c,
                Some(Value {
                    index: at.index - 1,
                    offset: 0,
                }),
            )
        }
        _ => Found::Short(c, None),
    }
}

fn long_option<A: AsRef<[u8]>>(
    args: &[A],
    long: &[Long<'_>],
    start: usize,
    maybe_short: bool,
    at: &mut Position,
) -> Option<Found> {
    let text = &args[at.index].as_ref()[start..];
    let equals = text.iter().position(|c| *c == b'=');
    let name = &text[..equals.unwrap_or(text.len())];
    let exact = long.iter().position(|l| l.name == name);
    let mut ambiguous = false;
    let index = exact.or_else(|| {
        let mut candidates = long
            .iter()
            .enumerate()
            .filter(|(_, l)| l.name.starts_with(name));
        let (first, option) = candidates.next()?;
        ambiguous =
            candidates.any(|(_, l)| (l.argument, l.identity) != (option.argument, option.identity));
        Some(first)
    });
    let whole = Value {
        index: at.index,
        offset: start,
    };
    let Some(index) = index else {
        if maybe_short {
            return None;
        }
        at.index += 1;
        return Some(Found::UnknownLong(whole));
    };
    if ambiguous {
        if maybe_short {
            return None;
        }
        at.index += 1;
        return Some(Found::Ambiguous(whole));
    }
    at.index += 1;
    Some(match (equals, long[index].argument) {
        (Some(_), 0) => Found::Unexpected(index),
        (Some(e), _) => Found::Long(
            index,
            Some(Value {
                index: whole.index,
                offset: start + e + 1,
            }),
        ),
        (None, 1) => {
            if at.index < args.len() {
                at.index += 1;
                Found::Long(
                    index,
                    Some(Value {
                        index: at.index - 1,
                        offset: 0,
                    }),
                )
            } else {
                Found::MissingLong(index)
            }
        }
        (None, _) => Found::Long(index, None),
    })
}
