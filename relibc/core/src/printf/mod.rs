//! The formatting engine of the `printf` family.
//!
//! A format is text in the multibyte encoding; the wide family converts its format first and sets
//! [`Options::wide`], so that widths and precisions of strings count characters.

mod number;
mod spec;

use crate::errno::{self, Errno};
use crate::float::{Float, Rounding};
use crate::multibyte::{self, Charset, State};
use alloc::vec::Vec;
pub use number::format_float;
pub use spec::{Count, Length, Piece, Pieces, Spec};

/// The C type of an argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    /// `int`, or anything narrower after promotion.
    Int,
    /// `long`, `long long`, `intmax_t`, `size_t`, `ptrdiff_t`: 64 bits.
    Long,
    /// `double`.
    Double,
    /// `long double`.
    LongDouble,
    /// Any pointer.
    Pointer,
}

/// An argument fetched.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value {
    /// `int`, sign-extended, or a 64-bit integer.
    Int(i64),
    /// A floating-point number.
    Float(Float),
    /// An address in the program.
    Pointer(usize),
}

/// The program around a call: its arguments, its memory, and where the output goes.
pub trait Host {
    /// The next argument of the call, which has this type.
    fn argument(&mut self, kind: Type) -> Value;
    /// The bytes of a C string at an address, at most `limit` of them.
    fn string(&mut self, address: usize, limit: usize) -> Vec<u8>;
    /// The elements of a wide string, at most `limit` of them.
    fn wide_string(&mut self, address: usize, limit: usize) -> Vec<u32>;
    /// Stores `value` in `bytes` bytes at an address (`%n`).
    fn store(&mut self, address: usize, bytes: usize, value: i64);
    /// Takes output.
    fn put(&mut self, text: &[u8]) -> Result<(), Errno>;
}

/// How a call behaves beyond its format.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// The character set of `%ls`, `%lc` and wide counting.
    pub charset: Charset,
    /// Widths and precisions count characters rather than bytes.
    pub wide: bool,
    /// Direction in which floating-point conversions round.
    pub rounding: Rounding,
    /// What `%m` prints.
    pub errno: i32,
}

/// The most positional arguments a format can name (`NL_ARGMAX`).
pub const MAX_POSITION: usize = 4096;

struct Run<'h, H: Host> {
    host: &'h mut H,
    options: Options,
    /// Bytes, or characters in the wide family.
    count: u64,
}

impl<H: Host> Run<'_, H> {
    fn units(&self, text: &[u8]) -> usize {
        if self.options.wide && self.options.charset == Charset::Utf8 {
            text.iter().filter(|b| **b & 0xC0 != 0x80).count()
        } else {
            text.len()
        }
    }

    fn put(&mut self, text: &[u8]) -> Result<(), Errno> {
        self.count += self.units(text) as u64;
        if self.count > i32::MAX as u64 {
            return Err(errno::EOVERFLOW);
        }
        self.host.put(text)
    }

    fn pad(&mut self, byte: u8, mut n: usize) -> Result<(), Errno> {
        let block = [byte; 64];
        while n > 0 {
            let part = n.min(64);
            self.put(&block[..part])?;
            n -= part;
        }
        Ok(())
    }

    /// Writes `prefix zeros body` padded to the width.
    fn field(
        &mut self,
        spec: &Spec,
        width: usize,
        prefix: &[u8],
        zeros: usize,
        body: &[u8],
    ) -> Result<(), Errno> {
        let fill = width.saturating_sub(prefix.len() + zeros + self.units(body));
        if !spec.left {
            self.pad(b' ', fill)?;
        }
        self.put(prefix)?;
        self.pad(b'0', zeros)?;
        self.put(body)?;
        if spec.left {
            self.pad(b' ', fill)?;
        }
        Ok(())
    }

    /// A floating-point or other body with a sign, zero-filled after the sign if asked.
    fn number(
        &mut self,
        spec: &Spec,
        width: usize,
        prefix: &[u8],
        body: &[u8],
        zero_fill: bool,
    ) -> Result<(), Errno> {
        let zeros = if zero_fill && !spec.left {
            width.saturating_sub(prefix.len() + body.len())
        } else {
            0
        };
        self.field(spec, width, prefix, zeros, body)
    }

    fn text(&mut self, spec: &Spec, width: usize, text: &[u8]) -> Result<(), Errno> {
        self.field(spec, width, b"", 0, text)
    }

    /// A wide string as multibyte text of at most `limit` bytes (characters in the wide family),
    /// never splitting a character.
    fn narrow(&mut self, wide: &[u32], limit: usize) -> Result<Vec<u8>, Errno> {
        let mut out = Vec::new();
        let mut buffer = [0; 4];
        for (i, c) in wide.iter().enumerate() {
            // What is beyond the limit need not be a character.
            if limit <= if self.options.wide { i } else { out.len() } {
                break;
            }
            let n =
                multibyte::encode(self.options.charset, *c, &mut buffer).ok_or(errno::EILSEQ)?;
            if !self.options.wide && out.len() + n > limit {
                break;
            }
            out.extend_from_slice(&buffer[..n]);
        }
        Ok(out)
    }

    /// Cuts multibyte text after `limit` characters.
    fn cut(&self, mut text: Vec<u8>, limit: usize) -> Result<Vec<u8>, Errno> {
        let mut state = State::default();
        let mut at = 0;
        for _ in 0..limit {
            if at >= text.len() {
                break;
            }
            match multibyte::decode(self.options.charset, &mut state, &text[at..]) {
                multibyte::Decoded::Char(_, n) => at += n,
                _ => return Err(errno::EILSEQ),
            }
        }
        text.truncate(at);
        Ok(text)
    }

    fn convert(
        &mut self,
        spec: &Spec,
        width: usize,
        precision: Option<usize>,
        value: Value,
    ) -> Result<(), Errno> {
        let int = if let Value::Int(v) = value { v } else { 0 };
        let address = if let Value::Pointer(p) = value { p } else { 0 };
        match spec.conversion {
            b'd' | b'i' => {
                let v = spec.length.sign_extend(int);
                let sign: &[u8] = if v < 0 {
                    b"-"
                } else if spec.plus {
                    b"+"
                } else if spec.space {
                    b" "
                } else {
                    b""
                };
                self.integer(spec, width, precision, sign, v.unsigned_abs(), 10)
            }
            b'u' => self.integer(
                spec,
                width,
                precision,
                b"",
                spec.length.zero_extend(int),
                10,
            ),
            b'o' => self.integer(spec, width, precision, b"", spec.length.zero_extend(int), 8),
            b'x' | b'X' | b'b' | b'B' => {
                let v = spec.length.zero_extend(int);
                let base = if matches!(spec.conversion, b'b' | b'B') {
                    2
                } else {
                    16
                };
                let prefix = [b'0', spec.conversion];
                self.integer(
                    spec,
                    width,
                    precision,
                    if spec.alternate && v != 0 {
                        &prefix
                    } else {
                        b""
                    },
                    v,
                    base,
                )
            }
            b'p' => {
                if address == 0 {
                    return self.text(spec, width, b"(nil)");
                }
                let sign: &[u8] = if spec.plus {
                    b"+0x"
                } else if spec.space {
                    b" 0x"
                } else {
                    b"0x"
                };
                self.integer(spec, width, precision, sign, address as u64, 16)
            }
            b'c' if spec.length == Length::Long => {
                let c = int as u32;
                let mut buffer = [0; 4];
                let n =
                    multibyte::encode(self.options.charset, c, &mut buffer).ok_or(errno::EILSEQ)?;
                self.text(spec, width, &buffer[..n])
            }
            b'c' => {
                let byte = [int as u8];
                if self.options.wide && byte[0] >= 0x80 && self.options.charset == Charset::Utf8 {
                    return Err(errno::EILSEQ);
                }
                self.text(spec, width, &byte)
            }
            b's' => {
                let limit = precision.unwrap_or(usize::MAX);
                let text = if address == 0 {
                    if limit >= 6 {
                        b"(null)".to_vec()
                    } else {
                        Vec::new()
                    }
                } else if spec.length == Length::Long {
                    let wide = self.host.wide_string(address, limit);
                    self.narrow(&wide, limit)?
                } else if self.options.wide {
                    let text = self.host.string(address, limit.saturating_mul(4));
                    self.cut(text, limit)?
                } else {
                    self.host.string(address, limit)
                };
                self.text(spec, width, &text)
            }
            b'm' => {
                let text = errno::text(self.options.errno)
                    .map_or(&b"Unknown error"[..], core::ffi::CStr::to_bytes);
                self.text(
                    spec,
                    width,
                    &text[..text.len().min(precision.unwrap_or(usize::MAX))],
                )
            }
            b'n' => {
                self.host
                    .store(address, spec.length.bytes(), self.count as i64);
                Ok(())
            }
            _ => {
                let Value::Float(value) = value else {
                    return Err(errno::EINVAL);
                };
                let (sign, body, finite) =
                    number::format_float(spec, &value, precision, self.options.rounding)?;
                self.number(spec, width, &sign, &body, spec.zero && finite)
            }
        }
    }

    fn integer(
        &mut self,
        spec: &Spec,
        width: usize,
        precision: Option<usize>,
        prefix: &[u8],
        value: u64,
        base: u64,
    ) -> Result<(), Errno> {
        let mut buffer = [0; 64];
        let mut at = buffer.len();
        let mut rest = value;
        let alphabet: &[u8; 16] = if spec.conversion == b'X' {
            b"0123456789ABCDEF"
        } else {
            b"0123456789abcdef"
        };
        while rest != 0 {
            at -= 1;
            buffer[at] = alphabet[(rest % base) as usize];
            rest /= base;
        }
        let digits = &buffer[at..];
        let mut least = precision.unwrap_or(1);
        if base == 8 && spec.alternate && least <= digits.len() {
            least = digits.len() + 1;
        }
        let mut zeros = least.saturating_sub(digits.len());
        if spec.zero && !spec.left && precision.is_none() {
            zeros = zeros.max(width.saturating_sub(prefix.len() + digits.len()));
        }
        let digits = digits.to_vec();
        self.field(spec, width, prefix, zeros, &digits)
    }
}

fn width_of(value: i32, spec: &mut Spec) -> Result<usize, Errno> {
    if value < 0 {
        spec.left = true;
    }
    let width = value.unsigned_abs() as usize;
    if width >= i32::MAX as usize {
        Err(errno::EOVERFLOW)
    } else {
        Ok(width)
    }
}

/// Formats; the result is the number of bytes (characters in the wide family) written.
///
/// # Errors
/// `EINVAL` for a format that C leaves undefined, `EILSEQ` for a character the charset does not have,
/// `EOVERFLOW` for more than `INT_MAX` of output, and whatever [`Host::put`] says.
pub fn format<H: Host>(host: &mut H, format: &[u8], options: Options) -> Result<i32, Errno> {
    let positional = positional_arguments(format)?;
    let arguments: Option<Vec<Value>> =
        positional.map(|types| types.into_iter().map(|t| host.argument(t)).collect());
    let mut run = Run {
        host,
        options,
        count: 0,
    };
    for piece in Pieces::new(format) {
        match piece? {
            Piece::Text(text) => run.put(text)?,
            Piece::Spec(mut spec) => {
                let fetch = |run: &mut Run<H>, position: usize, kind: Type| match &arguments {
                    Some(list) => list
                        .get(position.wrapping_sub(1))
                        .copied()
                        .ok_or(errno::EINVAL),
                    None => Ok(run.host.argument(kind)),
                };
                let width = match spec.width {
                    Count::None => 0,
                    Count::Fixed(n) => n,
                    Count::Argument(p) => match fetch(&mut run, p, Type::Int)? {
                        Value::Int(v) => width_of(v as i32, &mut spec)?,
                        _ => return Err(errno::EINVAL),
                    },
                };
                let precision = match spec.precision {
                    Count::None => None,
                    Count::Fixed(n) => Some(n),
                    Count::Argument(p) => match fetch(&mut run, p, Type::Int)? {
                        Value::Int(v) => usize::try_from(v as i32).ok(),
                        _ => return Err(errno::EINVAL),
                    },
                };
                let value = match spec.argument() {
                    Some(kind) => fetch(&mut run, spec.position, kind)?,
                    None => Value::Int(0),
                };
                run.convert(&spec, width, precision, value)?;
            }
        }
    }
    Ok(run.count as i32)
}

/// The types of the numbered arguments, if the format numbers them. A format may not mix both
/// manners, nor leave a number out, since the type of a gap is unknown.
fn positional_arguments(format: &[u8]) -> Result<Option<Vec<Type>>, Errno> {
    if !format.contains(&b'$') {
        return Ok(None);
    }
    let mut types: Vec<Option<Type>> = Vec::new();
    let mut sequential = false;
    let mut note = |position: usize, kind: Type| -> Result<(), Errno> {
        if position == 0 {
            sequential = true;
            return Ok(());
        }
        if position > MAX_POSITION {
            return Err(errno::EINVAL);
        }
        if types.len() < position {
            types.resize(position, None);
        }
        let slot = &mut types[position - 1];
        match slot {
            Some(old) if *old != kind => Err(errno::EINVAL),
            _ => {
                *slot = Some(kind);
                Ok(())
            }
        }
    };
    for piece in Pieces::new(format) {
        let Piece::Spec(spec) = piece? else { continue };
        for count in [spec.width, spec.precision] {
            if let Count::Argument(p) = count {
                note(p, Type::Int)?;
            }
        }
        if let Some(kind) = spec.argument() {
            note(spec.position, kind)?;
        }
    }
    if types.is_empty() {
        return Ok(None);
    }
    if sequential {
        return Err(errno::EINVAL);
    }
    types
        .into_iter()
        .collect::<Option<Vec<_>>>()
        .map(Some)
        .ok_or(errno::EINVAL)
}
