//! `wordexp`: the expansions of a shell's words, without the shell.
//!
//! POSIX.1-2017, "Shell & Utilities", 2.6: tilde, parameters, command substitution, arithmetic, then
//! field splitting, path names, and quote removal. Variables, commands, homes and path names are asked of
//! the caller.

mod arithmetic;

use alloc::vec::Vec;

use crate::multibyte::Charset;

/// What is asked of the system.
pub trait Shell {
    /// A variable's value.
    fn variable(&mut self, name: &[u8]) -> Option<Vec<u8>>;
    /// Sets a variable, for `${NAME:=WORD}`.
    fn assign(&mut self, name: &[u8], value: &[u8]);
    /// The home of a user, of the calling one for the empty name.
    fn home(&mut self, user: &[u8]) -> Option<Vec<u8>>;
    /// What a command writes.
    fn command(&mut self, text: &[u8]) -> Option<Vec<u8>>;
    /// The sorted paths that match a pattern, in which quoted characters have a backslash.
    fn paths(&mut self, pattern: &[u8]) -> Vec<Vec<u8>>;
    /// Shows the message of `${NAME:?WORD}`.
    fn complain(&mut self, text: &[u8]);
}

/// Why an expansion failed; the values are `WRDE_*`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// An unquoted character that has no meaning here.
    BadCharacter = 2,
    /// A variable that is not set, with [`Options::undefined`].
    Undefined = 3,
    /// A command, with [`Options::no_commands`].
    Command = 4,
    /// What is not a word, as an open quote.
    Syntax = 5,
}

/// What a caller says about an expansion.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// Commands are an error.
    pub no_commands: bool,
    /// So are variables that are not set.
    pub undefined: bool,
    /// How bytes are characters.
    pub charset: Charset,
}

/// How deep substitutions may be nested.
const DEPTH: usize = 64;

/// Expands words.
pub fn expand<S: Shell>(
    text: &[u8],
    options: Options,
    shell: &mut S,
) -> Result<Vec<Vec<u8>>, Error> {
    let separators = shell.variable(b"IFS").unwrap_or_else(|| b" \t\n".to_vec());
    let mut words = Words {
        shell,
        options,
        separators,
        out: Vec::new(),
        word: Vec::new(),
        begun: false,
        depth: 0,
    };
    let mut at = 0;
    while let Some(&b) = text.get(at) {
        match b {
            b' ' | b'\t' => {
                words.finish();
                at += 1;
            }
            b'\n' | b'|' | b'&' | b';' | b'<' | b'>' | b'(' | b')' | b'{' | b'}' => {
                return Err(Error::BadCharacter);
            }
            b'~' if !words.begun => at = words.tilde(text, at),
            _ => at = words.piece(text, at, false)?,
        }
    }
    words.finish();
    Ok(words.out)
}

/// A byte of a word, and whether it was quoted.
type Byte = (u8, bool);

struct Words<'s, S> {
    shell: &'s mut S,
    options: Options,
    separators: Vec<u8>,
    out: Vec<Vec<u8>>,
    word: Vec<Byte>,
    /// The word is there though it may be empty.
    begun: bool,
    depth: usize,
}

fn is_name(b: u8, first: bool) -> bool {
    b == b'_' || b.is_ascii_alphabetic() || !first && b.is_ascii_digit()
}

fn plain(word: &[Byte]) -> Vec<u8> {
    word.iter().map(|&(b, _)| b).collect()
}

/// As a pattern: what was quoted has a backslash before it.
fn pattern(word: &[Byte]) -> Vec<u8> {
    let mut out = Vec::new();
    for &(b, quoted) in word {
        if quoted && matches!(b, b'*' | b'?' | b'[' | b']' | b'\\' | b'-' | b'!') || b == b'\\' {
            out.push(b'\\');
        }
        out.push(b);
    }
    out
}

impl<S: Shell> Words<'_, S> {
    /// Ends a word: its paths, or itself.
    fn finish(&mut self) {
        if !core::mem::take(&mut self.begun) {
            self.word.clear();
            return;
        }
        let word = core::mem::take(&mut self.word);
        if word
            .iter()
            .any(|&(b, quoted)| !quoted && matches!(b, b'*' | b'?' | b'['))
        {
            let found = self.shell.paths(&pattern(&word));
            if !found.is_empty() {
                self.out.extend(found);
                return;
            }
        }
        self.out.push(plain(&word));
    }

    fn push(&mut self, text: &[u8], quoted: bool) {
        self.begun = true;
        self.word.extend(text.iter().map(|&b| (b, quoted)));
    }

    fn tilde(&mut self, text: &[u8], at: usize) -> usize {
        let rest = text.get(at + 1..).unwrap_or(&[]);
        let end = rest
            .iter()
            .position(|&b| matches!(b, b'/' | b' ' | b'\t' | b'\n'))
            .unwrap_or(rest.len());
        let user = rest.get(..end).unwrap_or(&[]);
        let usual = user
            .iter()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'));
        match self.shell.home(user).filter(|_| usual) {
            Some(home) => {
                self.push(&home, true);
                at + 1 + end
            }
            None => {
                self.push(b"~", true);
                at + 1
            }
        }
    }

    /// One piece of a word: a quotation, a substitution, or a byte. Answers where the next one begins.
    fn piece(&mut self, text: &[u8], at: usize, in_quotes: bool) -> Result<usize, Error> {
        let Some(&b) = text.get(at) else {
            return Err(Error::Syntax);
        };
        match b {
            b'\\' => {
                let next = *text.get(at + 1).ok_or(Error::Syntax)?;
                if next == b'\n' {
                    return Ok(at + 2);
                }
                if in_quotes && !matches!(next, b'$' | b'`' | b'"' | b'\\') {
                    self.push(b"\\", true);
                    return Ok(at + 1);
                }
                self.push(&[next], true);
                Ok(at + 2)
            }
            b'\'' if !in_quotes => {
                let rest = text.get(at + 1..).unwrap_or(&[]);
                let end = rest.iter().position(|&b| b == b'\'').ok_or(Error::Syntax)?;
                self.push(rest.get(..end).unwrap_or(&[]), true);
                Ok(at + end + 2)
            }
            b'"' if !in_quotes => {
                self.begun = true;
                let mut at = at + 1;
                loop {
                    match text.get(at) {
                        None => return Err(Error::Syntax),
                        Some(b'"') => return Ok(at + 1),
                        Some(_) => at = self.piece(text, at, true)?,
                    }
                }
            }
            b'$' => self.dollar(text, at, in_quotes),
            b'`' => {
                let mut command = Vec::new();
                let mut at = at + 1;
                loop {
                    match text.get(at..).unwrap_or(&[]) {
                        [] => return Err(Error::Syntax),
                        [b'`', ..] => break,
                        [b'\\', c @ (b'$' | b'`' | b'\\'), ..] => {
                            command.push(*c);
                            at += 2;
                        }
                        [c, ..] => {
                            command.push(*c);
                            at += 1;
                        }
                    }
                }
                self.run(&command, in_quotes)?;
                Ok(at + 1)
            }
            _ => {
                self.push(&[b], in_quotes);
                Ok(at + 1)
            }
        }
    }

    /// The result of a substitution: as it is within quotes, otherwise split into fields.
    fn substituted(&mut self, value: &[u8], in_quotes: bool) {
        if in_quotes {
            self.push(value, true);
            return;
        }
        let mut at = 0;
        let is_white = |b: u8| matches!(b, b' ' | b'\t' | b'\n');
        while let Some(&b) = value.get(at) {
            if !self.separators.contains(&b) {
                self.push(&[b], false);
                at += 1;
                continue;
            }
            // White space around one other separator counts as that one.
            let separators = self.separators.clone();
            let skip = |mut at: usize| {
                while value
                    .get(at)
                    .is_some_and(|&b| is_white(b) && separators.contains(&b))
                {
                    at += 1;
                }
                at
            };
            let next = skip(at);
            let hard = value.get(next).is_some_and(|b| separators.contains(b));
            if hard {
                // It ends a field even when that is empty.
                self.begun = true;
                self.finish();
                at = skip(next + 1);
            } else {
                self.finish();
                at = next;
            }
        }
    }

    fn run(&mut self, command: &[u8], in_quotes: bool) -> Result<(), Error> {
        if self.options.no_commands {
            return Err(Error::Command);
        }
        let mut output = self.shell.command(command).ok_or(Error::Syntax)?;
        while output.last() == Some(&b'\n') {
            output.pop();
        }
        self.substituted(&output, in_quotes);
        Ok(())
    }

    fn dollar(&mut self, text: &[u8], at: usize, in_quotes: bool) -> Result<usize, Error> {
        let rest = text.get(at + 1..).unwrap_or(&[]);
        match rest {
            [b'(', b'(', ..] => {
                let Some(len) = closing(rest.get(2..).unwrap_or(&[]), b"))") else {
                    return Err(Error::Syntax);
                };
                let inner = rest.get(2..2 + len).unwrap_or(&[]);
                let expanded = self.nested(inner, true)?;
                let value =
                    arithmetic::evaluate(&plain(&expanded), &mut |name| self.shell.variable(name))?;
                let mut digits = Vec::new();
                arithmetic::write(value, &mut digits);
                self.substituted(&digits, in_quotes);
                Ok(at + 1 + 2 + len + 2)
            }
            [b'(', ..] => {
                let len = closing(rest.get(1..).unwrap_or(&[]), b")").ok_or(Error::Syntax)?;
                self.run(rest.get(1..1 + len).unwrap_or(&[]), in_quotes)?;
                Ok(at + 1 + 1 + len + 1)
            }
            [b'{', ..] => {
                let len = closing(rest.get(1..).unwrap_or(&[]), b"}").ok_or(Error::Syntax)?;
                self.parameter(rest.get(1..1 + len).unwrap_or(&[]), in_quotes)?;
                Ok(at + 1 + 1 + len + 1)
            }
            [b, ..] if is_name(*b, true) => {
                let len = rest.iter().take_while(|&&b| is_name(b, false)).count();
                let value = self.value(rest.get(..len).unwrap_or(&[]))?;
                self.substituted(&value, in_quotes);
                Ok(at + 1 + len)
            }
            // Positional and special parameters: a program has none.
            [
                b'0'..=b'9' | b'@' | b'*' | b'#' | b'?' | b'-' | b'$' | b'!',
                ..,
            ] => Ok(at + 2),
            _ => {
                self.push(b"$", in_quotes);
                Ok(at + 1)
            }
        }
    }

    fn value(&mut self, name: &[u8]) -> Result<Vec<u8>, Error> {
        match self.shell.variable(name) {
            Some(value) => Ok(value),
            None if self.options.undefined => Err(Error::Undefined),
            None => Ok(Vec::new()),
        }
    }

    /// Expands a word within a substitution; it is neither split nor matched.
    fn nested(&mut self, text: &[u8], in_quotes: bool) -> Result<Vec<Byte>, Error> {
        if self.depth >= DEPTH {
            return Err(Error::Syntax);
        }
        let mut inner = Words {
            shell: &mut *self.shell,
            options: self.options,
            separators: Vec::new(),
            out: Vec::new(),
            word: Vec::new(),
            begun: false,
            depth: self.depth + 1,
        };
        let mut at = 0;
        if !in_quotes && text.first() == Some(&b'~') {
            at = inner.tilde(text, 0);
        }
        while at < text.len() {
            at = inner.piece(text, at, in_quotes && text.get(at) != Some(&b'"'))?;
        }
        Ok(inner.word)
    }

    /// What stands between the braces.
    fn parameter(&mut self, text: &[u8], in_quotes: bool) -> Result<(), Error> {
        if let [b'#', name @ ..] = text
            && !name.is_empty()
        {
            if !valid(name) {
                return Err(Error::Syntax);
            }
            let value = self.value(name)?;
            let count = crate::fnmatch::characters(&value, self.options.charset).len();
            let mut digits = Vec::new();
            arithmetic::write(count as i64, &mut digits);
            self.substituted(&digits, in_quotes);
            return Ok(());
        }
        let len = text.iter().take_while(|&&b| is_name(b, false)).count();
        let (name, rest) = text.split_at(len);
        if !valid(name) {
            return Err(Error::Syntax);
        }
        let (colon, operator) = match rest {
            [b':', rest @ ..] => (true, rest),
            rest => (false, rest),
        };
        let found = self.shell.variable(name);
        let given = found.clone().filter(|value| !colon || !value.is_empty());
        match operator {
            [] if !colon => {
                let value = self.value(name)?;
                self.substituted(&value, in_quotes);
            }
            [b'-', word @ ..] => match given {
                Some(value) => self.substituted(&value, in_quotes),
                None => self.other(word, in_quotes)?,
            },
            [b'+', word @ ..] => {
                if given.is_some() {
                    self.other(word, in_quotes)?;
                }
            }
            [b'=', word @ ..] => match given {
                Some(value) => self.substituted(&value, in_quotes),
                None => {
                    let value = plain(&self.nested(word, in_quotes)?);
                    self.shell.assign(name, &value);
                    self.substituted(&value, in_quotes);
                }
            },
            [b'?', word @ ..] => match given {
                Some(value) => self.substituted(&value, in_quotes),
                None => {
                    let mut message = name.to_vec();
                    message.extend_from_slice(b": ");
                    if word.is_empty() {
                        message.extend_from_slice(b"parameter null or not set");
                    } else {
                        message.extend(plain(&self.nested(word, in_quotes)?));
                    }
                    self.shell.complain(&message);
                    return Err(Error::Undefined);
                }
            },
            [end @ (b'%' | b'#'), word @ ..] if !colon => {
                let (longest, word) = match word {
                    [second, word @ ..] if second == end => (true, word),
                    word => (false, word),
                };
                let value = self.value(name)?;
                let shape = pattern(&self.nested(word, false)?);
                let trimmed = trim(&value, &shape, *end == b'%', longest, self.options.charset);
                self.substituted(&trimmed, in_quotes);
            }
            _ => return Err(Error::Syntax),
        }
        Ok(())
    }

    /// The word of `-` and `+`: its unquoted parts are split.
    fn other(&mut self, word: &[u8], in_quotes: bool) -> Result<(), Error> {
        let expanded = self.nested(word, in_quotes)?;
        for (b, quoted) in expanded {
            self.substituted(&[b], in_quotes || quoted);
        }
        Ok(())
    }
}

fn valid(name: &[u8]) -> bool {
    name.first().is_some_and(|&b| is_name(b, true)) && name.iter().all(|&b| is_name(b, false))
}

/// Takes away the shortest or longest part at one end that matches.
fn trim(value: &[u8], shape: &[u8], end: bool, longest: bool, charset: Charset) -> Vec<u8> {
    use crate::fnmatch::{Flags, characters, matches};
    let shape = characters(shape, charset);
    let fits = |part: &[u8]| matches(&shape, &characters(part, charset), Flags::default());
    let len = value.len();
    let mut cuts: Vec<usize> = (0..=len).collect();
    // From the shortest part to the longest.
    if end {
        cuts.reverse();
    }
    if longest {
        cuts.reverse();
    }
    for cut in cuts {
        let (head, tail) = value.split_at(cut);
        let (part, rest) = if end { (tail, head) } else { (head, tail) };
        // Between the bytes of one character there is no end.
        let whole = charset == Charset::C || tail.first().is_none_or(|b| b & 0xc0 != 0x80);
        if whole && fits(part) {
            return rest.to_vec();
        }
    }
    value.to_vec()
}

/// Length of what comes before the end of a substitution, whose quotes and nested ones are skipped.
fn closing(text: &[u8], end: &[u8]) -> Option<usize> {
    let mut at = 0;
    let mut stack: Vec<u8> = Vec::new();
    while at < text.len() {
        let rest = text.get(at..)?;
        if stack.is_empty() && rest.starts_with(end) {
            return Some(at);
        }
        match rest {
            [b'\\', ..] => at += 2,
            [b'\'', tail @ ..] if stack.last() != Some(&b'"') => {
                at += tail.iter().position(|&b| b == b'\'')? + 2;
            }
            [b'"', ..] => {
                if stack.last() == Some(&b'"') {
                    stack.pop();
                } else {
                    stack.push(b'"');
                }
                at += 1;
            }
            [b'$', b'(', ..] => {
                stack.push(b')');
                at += 2;
            }
            [b'$', b'{', ..] => {
                stack.push(b'}');
                at += 2;
            }
            [b'(', ..] if stack.last() != Some(&b'"') => {
                stack.push(b')');
                at += 1;
            }
            [b, ..] => {
                if stack.last() == Some(b) {
                    stack.pop();
                }
                at += 1;
            }
            [] => return None,
        }
    }
    None
}
