//! The scanning engine of the `scanf` family.

use crate::ctype::{Class, is_wide};
use crate::errno::{self, Errno};
use crate::float::{self, Converted, Format};
use crate::integer;
use crate::multibyte::{self, Charset, Decoded, State};
use crate::printf::Length;
use alloc::vec::Vec;

/// What a pointer argument points to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Store<'v> {
    /// An integer of so many bytes.
    Int(usize, u64),
    /// A `float`.
    Float(f32),
    /// A `double`.
    Double(f64),
    /// A `long double`.
    LongDouble([u8; 10]),
    /// Bytes; with a terminating zero if the flag is set.
    Bytes(&'v [u8], bool),
    /// Wide characters; with a terminating zero if the flag is set.
    Wide(&'v [u32], bool),
}

/// The program around a call.
pub trait Host {
    /// The next byte of input, or wide character in the wide family, not yet consumed. `Ok(None)` at the
    /// end.
    fn peek(&mut self) -> Result<Option<u32>, Errno>;
    /// Consumes what [`peek`](Host::peek) gave.
    fn consume(&mut self);
    /// Stores through the pointer argument with this number (0: the next one). With `allocate` the
    /// argument is the address of a pointer that receives new memory (`%ms`).
    fn store(&mut self, position: usize, value: Store<'_>, allocate: bool) -> Result<(), Errno>;
}

/// Result of a scan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// So many assignments.
    Assigned(i32),
    /// Input ended or failed before the first conversion.
    End(Option<Errno>),
}

struct Directive<'f> {
    suppress: bool,
    allocate: bool,
    width: Option<usize>,
    length: Length,
    conversion: u8,
    position: usize,
    set: &'f [u8],
    negate: bool,
}

enum Stop {
    /// The input does not match.
    Mismatch,
    /// The input ended before anything of this directive was read.
    Ended,
    /// An error.
    Error(Errno),
}

impl From<Errno> for Stop {
    fn from(e: Errno) -> Stop {
        Stop::Error(e)
    }
}

struct Run<'h, H: Host> {
    host: &'h mut H,
    charset: Charset,
    wide: bool,
    read: u64,
    assigned: i32,
}

fn is_space(c: u8) -> bool {
    matches!(c, b'\t'..=b'\r' | b' ')
}

impl<H: Host> Run<'_, H> {
    fn advance(&mut self) {
        self.host.consume();
        self.read += 1;
    }

    fn is_space(&self, c: u32) -> bool {
        if self.wide {
            is_wide(Class::Space, c)
        } else {
            u8::try_from(c).is_ok_and(is_space)
        }
    }

    fn skip_space(&mut self) -> Result<(), Errno> {
        while self.host.peek()?.is_some_and(|c| self.is_space(c)) {
            self.advance();
        }
        Ok(())
    }

    /// Takes what `unit` makes of the input while it allows the growing text, at most `width` of it.
    fn collect_by<T>(
        &mut self,
        width: usize,
        unit: &mut dyn FnMut(&[T], u32) -> Option<T>,
    ) -> Result<Vec<T>, Stop> {
        let mut text = Vec::new();
        while text.len() < width {
            match self.host.peek()?.map(|c| unit(&text, c)) {
                Some(Some(taken)) => {
                    text.push(taken);
                    self.advance();
                }
                Some(None) => break,
                None if text.is_empty() => return Err(Stop::Ended),
                None => break,
            }
        }
        if text.is_empty() {
            Err(Stop::Mismatch)
        } else {
            Ok(text)
        }
    }

    /// Takes bytes while `accept` allows the growing text, at most `width` of them.
    fn collect(
        &mut self,
        width: usize,
        accept: &mut dyn FnMut(&[u8], u8) -> bool,
    ) -> Result<Vec<u8>, Stop> {
        self.collect_by(width, &mut |text, c| {
            u8::try_from(c).ok().filter(|&c| accept(text, c))
        })
    }

    fn store(&mut self, d: &Directive, value: Store<'_>) -> Result<(), Stop> {
        if d.suppress {
            return Ok(());
        }
        self.host.store(d.position, value, d.allocate)?;
        self.assigned += i32::from(d.conversion != b'n');
        Ok(())
    }

    fn integer(&mut self, d: &Directive, base: u32) -> Result<(), Stop> {
        let width = d.width.unwrap_or(usize::MAX);
        let mut base = base;
        let mut digits = 0;
        // The longest prefix of an integer, so at most one byte need be looked at beyond it.
        let text = self.collect(width, &mut |text, c| {
            let sign = usize::from(matches!(text.first(), Some(b'+' | b'-')));
            let at = text.len() - sign;
            if text.is_empty() && matches!(c, b'+' | b'-') {
                return true;
            }
            if at == 1 && text[sign] == b'0' && digits == 1 {
                let letter = c.to_ascii_lowercase();
                if letter == b'x' && matches!(base, 0 | 16) {
                    base = 16;
                    digits = 0;
                    return true;
                }
                if base == 0 {
                    base = 8;
                }
            }
            let radix = if base == 0 {
                if c == b'0' && at == 0 {
                    10
                } else {
                    base = 10;
                    10
                }
            } else {
                base
            };
            let ok = (c as char).is_digit(radix);
            digits += usize::from(ok);
            ok
        })?;
        if digits == 0 {
            return Err(Stop::Mismatch);
        }
        let base = if base == 0 { 10 } else { base };
        let parsed = integer::parse(|i| text.get(i).copied().unwrap_or(0), base);
        let value = if matches!(d.conversion, b'd' | b'i') {
            parsed.signed(i64::MIN, i64::MAX).0 as u64
        } else {
            parsed.unsigned(u64::MAX).0
        };
        let bytes = if d.conversion == b'p' {
            8
        } else {
            d.length.bytes()
        };
        self.store(d, Store::Int(bytes, value))
    }

    /// What `printf` makes of pointers, the null pointer's text included.
    fn pointer(&mut self, d: &Directive) -> Result<(), Stop> {
        const NULL: &[u8] = b"(nil)";
        if self.host.peek()? != Some(u32::from(b'(')) {
            return self.integer(d, 16);
        }
        let width = d.width.unwrap_or(usize::MAX);
        let text = self.collect(width, &mut |text, c| NULL.get(text.len()) == Some(&c))?;
        if text != NULL {
            return Err(Stop::Mismatch);
        }
        self.store(d, Store::Int(8, 0))
    }

    fn float(&mut self, d: &Directive) -> Result<(), Stop> {
        let width = d.width.unwrap_or(usize::MAX);
        let text = self.collect(width, &mut |text, c| float_prefix(text, c))?;
        let token = float::scan(|i| text.get(i).copied().unwrap_or(0));
        let Some(token) = token.filter(|t| t.len == text.len()) else {
            return Err(Stop::Mismatch);
        };
        let read = |format: Format| -> Converted { float::convert(&text, token.kind, format) };
        let value = match d.length {
            Length::LongDouble => Store::LongDouble(read(float::F80).value.to_f80()),
            Length::Long => Store::Double(read(float::F64).value.to_f64()),
            _ => Store::Float(read(float::F32).value.to_f32()),
        };
        self.store(d, value)
    }

    /// `c`, `s` and `[` in the wide family: the width counts wide characters, whatever is stored.
    fn wide_characters(
        &mut self,
        d: &Directive,
        width: usize,
        accept: &dyn Fn(u32) -> bool,
    ) -> Result<(), Stop> {
        let fixed = d.conversion == b'c';
        let text = self.collect_by(width, &mut |_, c| accept(c).then_some(c))?;
        if fixed && text.len() < width {
            return Err(Stop::Mismatch);
        }
        if d.length == Length::Long {
            return self.store(d, Store::Wide(&text, !fixed));
        }
        let mut bytes = Vec::new();
        for c in text {
            let mut buffer = [0; 4];
            let n = multibyte::encode(self.charset, c, &mut buffer).ok_or(errno::EILSEQ)?;
            bytes.extend_from_slice(&buffer[..n]);
        }
        self.store(d, Store::Bytes(&bytes, !fixed))
    }

    /// `c`, `s` and `[`: bytes, or wide characters with `l`.
    fn characters(
        &mut self,
        d: &Directive,
        accept: &dyn Fn(u8) -> bool,
        accept_wide: &dyn Fn(u32) -> bool,
    ) -> Result<(), Stop> {
        let fixed = d.conversion == b'c';
        let width = d.width.unwrap_or(if fixed { 1 } else { usize::MAX });
        if self.wide {
            return self.wide_characters(d, width, accept_wide);
        }
        if d.length != Length::Long {
            let text = self.collect(width, &mut |_, c| accept(c))?;
            if fixed && text.len() < width {
                return Err(Stop::Mismatch);
            }
            return self.store(d, Store::Bytes(&text, !fixed));
        }
        let mut wide: Vec<u32> = Vec::new();
        while wide.len() < width {
            let Some(first) = self.host.peek()?.map(|b| b as u8) else {
                if wide.is_empty() {
                    return Err(Stop::Ended);
                }
                break;
            };
            let mut state = State::default();
            let mut step = multibyte::decode(self.charset, &mut state, &[first]);
            // A multibyte character cannot be put back as a whole; an ASCII one decides before it is taken.
            if let Decoded::Char(c, _) = step {
                if !accept_wide(c) {
                    break;
                }
                self.advance();
            } else {
                while step == Decoded::Incomplete {
                    self.advance();
                    let Some(byte) = self.host.peek()?.map(|b| b as u8) else {
                        return Err(Stop::Error(errno::EILSEQ));
                    };
                    step = multibyte::decode(self.charset, &mut state, &[byte]);
                }
                if step == Decoded::Invalid {
                    return Err(Stop::Error(errno::EILSEQ));
                }
                self.advance();
            }
            if let Decoded::Char(c, _) = step {
                if !accept_wide(c) {
                    break;
                }
                wide.push(c);
            }
        }
        if wide.is_empty() || (fixed && wide.len() < width) {
            return Err(Stop::Mismatch);
        }
        self.store(d, Store::Wide(&wide, !fixed))
    }

    fn directive(&mut self, d: &Directive) -> Result<(), Stop> {
        if !matches!(d.conversion, b'c' | b'[' | b'n') {
            self.skip_space()?;
        }
        match d.conversion {
            b'd' | b'u' => self.integer(d, 10),
            b'i' => self.integer(d, 0),
            b'o' => self.integer(d, 8),
            b'x' | b'X' => self.integer(d, 16),
            b'p' => self.pointer(d),
            b'b' => self.integer(d, 2),
            b'a' | b'A' | b'e' | b'E' | b'f' | b'F' | b'g' | b'G' => self.float(d),
            b'c' => self.characters(d, &|_| true, &|_| true),
            b's' => self.characters(d, &|c| !is_space(c), &|c| !is_wide(Class::Space, c)),
            b'[' => {
                let set = byte_set(d.set);
                let wide = wide_set(self.charset, d.set);
                self.characters(d, &|c| set[usize::from(c)] != d.negate, &|c| {
                    wide.iter().any(|(a, b)| (*a..=*b).contains(&c)) != d.negate
                })
            }
            b'n' => {
                let read = self.read;
                self.store(d, Store::Int(d.length.bytes(), read))
            }
            _ => Err(Stop::Error(errno::EINVAL)),
        }
    }
}

/// Whether `text` followed by `c` is the beginning of a floating-point number.
fn float_prefix(text: &[u8], c: u8) -> bool {
    let sign = usize::from(matches!(text.first(), Some(b'+' | b'-')));
    let body = &text[sign..];
    let c = c.to_ascii_lowercase();
    let Some(first) = body.first() else {
        return c.is_ascii_digit()
            || matches!(c, b'.' | b'i' | b'n')
            || (text.is_empty() && matches!(c, b'+' | b'-'));
    };
    match first.to_ascii_lowercase() {
        b'i' => b"infinity".get(body.len()) == Some(&c),
        b'n' => match body.len() {
            1 | 2 => b"nan"[body.len()] == c,
            3 => c == b'(',
            _ => {
                body.last() != Some(&b')')
                    && (c.is_ascii_alphanumeric() || matches!(c, b'_' | b')'))
            }
        },
        _ => {
            let hex = body.len() >= 2 && body[1].eq_ignore_ascii_case(&b'x');
            let marker = if hex { b'p' } else { b'e' };
            let tail = if hex { &body[2..] } else { body };
            let exponent = tail.iter().position(|t| t.to_ascii_lowercase() == marker);
            if let Some(at) = exponent {
                return c.is_ascii_digit() || (at + 1 == tail.len() && matches!(c, b'+' | b'-'));
            }
            if body.len() == 1 && *first == b'0' && c == b'x' {
                return true;
            }
            let digit = |d: &u8| {
                if hex {
                    d.is_ascii_hexdigit()
                } else {
                    d.is_ascii_digit()
                }
            };
            digit(&c)
                || (c == b'.' && !tail.contains(&b'.'))
                || (c == marker && tail.iter().any(digit))
        }
    }
}

/// The ranges of a `[` set, first as bytes.
fn byte_set(set: &[u8]) -> [bool; 256] {
    let mut out = [false; 256];
    let mut i = 0;
    while i < set.len() {
        if i + 2 < set.len() && set[i + 1] == b'-' && set[i] <= set[i + 2] {
            for c in set[i]..=set[i + 2] {
                out[usize::from(c)] = true;
            }
            i += 3;
        } else {
            out[usize::from(set[i])] = true;
            i += 1;
        }
    }
    out
}

fn wide_set(charset: Charset, set: &[u8]) -> Vec<(u32, u32)> {
    let mut chars = Vec::new();
    let mut rest = set;
    while !rest.is_empty() {
        match multibyte::decode(charset, &mut State::default(), rest) {
            Decoded::Char(c, n) => {
                chars.push(c);
                rest = &rest[n..];
            }
            _ => rest = &rest[1..],
        }
    }
    let mut out = Vec::new();
    let mut i = 0;
    while i < chars.len() {
        if i + 2 < chars.len() && chars[i + 1] == u32::from(b'-') && chars[i] <= chars[i + 2] {
            out.push((chars[i], chars[i + 2]));
            i += 3;
        } else {
            out.push((chars[i], chars[i]));
            i += 1;
        }
    }
    out
}

/// Parses the directive after a `%`; returns what follows it.
fn parse(format: &[u8]) -> Result<(Directive<'_>, &[u8]), Errno> {
    let mut rest = format;
    fn number(rest: &mut &[u8]) -> Option<usize> {
        let n = rest.iter().take_while(|c| c.is_ascii_digit()).count();
        let (digits, tail) = rest.split_at(n);
        *rest = tail;
        (n > 0).then(|| {
            digits.iter().fold(0usize, |v, c| {
                v.saturating_mul(10).saturating_add(usize::from(c - b'0'))
            })
        })
    }
    let mut position = 0;
    let mut width = number(&mut rest);
    if let (Some(n), Some(b'$')) = (width, rest.first()) {
        if n == 0 || n > crate::printf::MAX_POSITION {
            return Err(errno::EINVAL);
        }
        position = n;
        width = None;
        rest = &rest[1..];
    }
    let (mut suppress, mut allocate) = (false, false);
    if width.is_none() {
        if rest.first() == Some(&b'*') {
            suppress = true;
            rest = &rest[1..];
        }
        if rest.first() == Some(&b'\'') {
            rest = &rest[1..];
        }
        width = number(&mut rest);
    }
    if width == Some(0) {
        return Err(errno::EINVAL);
    }
    if rest.first() == Some(&b'm') {
        allocate = true;
        rest = &rest[1..];
    }
    let (length, taken) = Length::parse(rest);
    rest = &rest[taken..];
    let Some((&conversion, mut rest)) = rest.split_first() else {
        return Err(errno::EINVAL);
    };
    let (conversion, length) = match conversion {
        b'S' | b'C' => (conversion.to_ascii_lowercase(), Length::Long),
        other => (other, length),
    };
    if allocate && !matches!(conversion, b's' | b'c' | b'[') {
        return Err(errno::EINVAL);
    }
    let (mut set, mut negate): (&[u8], bool) = (&[], false);
    if conversion == b'[' {
        negate = rest.first() == Some(&b'^');
        if negate {
            rest = &rest[1..];
        }
        // A bracket right at the start belongs to the set.
        let end = rest
            .iter()
            .skip(1)
            .position(|c| *c == b']')
            .ok_or(errno::EINVAL)?
            + 1;
        set = &rest[..end];
        rest = &rest[end + 1..];
    }
    Ok((
        Directive {
            suppress,
            allocate,
            width,
            length,
            conversion,
            position,
            set,
            negate,
        },
        rest,
    ))
}

/// The first character of a format: its literals are compared with whole characters in the wide family.
fn literal(charset: Charset, wide: bool, format: &[u8]) -> Option<(u32, usize)> {
    if wide && let Decoded::Char(c, n) = multibyte::decode(charset, &mut State::default(), format) {
        return Some((c, n));
    }
    format.first().map(|&b| (u32::from(b), 1))
}

/// Scans input by a format. With `wide` it is the wide family's: input and widths are in wide characters; the
/// format is still multibyte text.
pub fn scan<H: Host>(host: &mut H, format: &[u8], charset: Charset, wide: bool) -> Outcome {
    let mut run = Run {
        host,
        charset,
        wide,
        read: 0,
        assigned: 0,
    };
    let mut rest = format;
    while let (Some((&c, tail)), Some((first, len))) =
        (rest.split_first(), literal(charset, wide, rest))
    {
        let result = if run.is_space(first) {
            rest = &rest[len..];
            run.skip_space().map_err(Stop::Error)
        } else if c == b'%' && tail.first() != Some(&b'%') {
            match parse(tail) {
                Ok((directive, after)) => {
                    rest = after;
                    run.directive(&directive)
                }
                Err(e) => Err(Stop::Error(e)),
            }
        } else {
            rest = if c == b'%' { &tail[1..] } else { &rest[len..] };
            let skip = if c == b'%' { run.skip_space() } else { Ok(()) };
            match skip.and_then(|()| run.host.peek()) {
                Ok(Some(found)) if found == first => {
                    run.advance();
                    Ok(())
                }
                Ok(Some(_)) => Err(Stop::Mismatch),
                Ok(None) => Err(Stop::Ended),
                Err(e) => Err(Stop::Error(e)),
            }
        };
        match result {
            Ok(()) => {}
            Err(Stop::Mismatch) => break,
            // As elsewhere, suppressed conversions do not count as having completed.
            Err(Stop::Ended) if run.assigned > 0 => break,
            Err(Stop::Ended) => return Outcome::End(None),
            Err(Stop::Error(_)) if run.assigned > 0 => break,
            Err(Stop::Error(e)) => return Outcome::End(Some(e)),
        }
    }
    Outcome::Assigned(run.assigned)
}
