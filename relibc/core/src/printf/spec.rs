//! Taking a format apart.

use super::Type;
use crate::errno::{self, Errno};

/// A length modifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Length {
    /// `hh`
    Char,
    /// `h`
    Short,
    /// None: `int` or `double`.
    Int,
    /// `l`, `ll`, `j`, `z`, `t`: all 64 bits wide.
    Long,
    /// `L`
    LongDouble,
}

impl Length {
    /// Size of the integer that `%n` or a scan stores.
    #[must_use]
    pub fn bytes(self) -> usize {
        match self {
            Length::Char => 1,
            Length::Short => 2,
            Length::Int => 4,
            Length::Long | Length::LongDouble => 8,
        }
    }

    /// The value as the signed type of this length.
    #[must_use]
    pub fn sign_extend(self, v: i64) -> i64 {
        match self {
            Length::Char => i64::from(v as i8),
            Length::Short => i64::from(v as i16),
            Length::Int => i64::from(v as i32),
            Length::Long | Length::LongDouble => v,
        }
    }

    /// The value as the unsigned type of this length.
    #[must_use]
    pub fn zero_extend(self, v: i64) -> u64 {
        match self {
            Length::Char => u64::from(v as u8),
            Length::Short => u64::from(v as u16),
            Length::Int => u64::from(v as u32),
            Length::Long | Length::LongDouble => v as u64,
        }
    }

    /// Reads a modifier, its length included.
    pub(crate) fn parse(text: &[u8]) -> (Length, usize) {
        match text {
            [b'h', b'h', ..] => (Length::Char, 2),
            [b'h', ..] => (Length::Short, 1),
            [b'l', b'l', ..] => (Length::Long, 2),
            [b'l' | b'j' | b'z' | b't' | b'q', ..] => (Length::Long, 1),
            [b'L', ..] => (Length::LongDouble, 1),
            _ => (Length::Int, 0),
        }
    }
}

/// A width or precision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Count {
    /// Not given.
    None,
    /// A number.
    Fixed(usize),
    /// `*`, from the argument with this number (0: the next one).
    Argument(usize),
}

/// One conversion specification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spec {
    /// `-`
    pub left: bool,
    /// `+`
    pub plus: bool,
    /// space
    pub space: bool,
    /// `#`
    pub alternate: bool,
    /// `0`
    pub zero: bool,
    /// Minimum field width.
    pub width: Count,
    /// Precision.
    pub precision: Count,
    /// Length modifier.
    pub length: Length,
    /// Conversion character. `C` and `S` have become `lc` and `ls`.
    pub conversion: u8,
    /// Number of the argument, 0 for the next one.
    pub position: usize,
}

impl Spec {
    /// Type of the argument that is converted; `%m` has none.
    #[must_use]
    pub fn argument(&self) -> Option<Type> {
        Some(match self.conversion {
            b'm' => return None,
            b's' | b'p' | b'n' => Type::Pointer,
            b'a' | b'A' | b'e' | b'E' | b'f' | b'F' | b'g' | b'G' => {
                if self.length == Length::LongDouble {
                    Type::LongDouble
                } else {
                    Type::Double
                }
            }
            b'c' => Type::Int,
            _ if matches!(self.length, Length::Long | Length::LongDouble) => Type::Long,
            _ => Type::Int,
        })
    }
}

/// Part of a format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Piece<'f> {
    /// Ordinary text.
    Text(&'f [u8]),
    /// A conversion.
    Spec(Spec),
}

/// Iterates over a format's pieces; an invalid specification is `EINVAL`, after which it ends.
pub struct Pieces<'f> {
    rest: &'f [u8],
}

impl<'f> Pieces<'f> {
    /// Starts at the beginning of a format.
    #[must_use]
    pub fn new(format: &'f [u8]) -> Self {
        Pieces { rest: format }
    }

    fn number(&mut self) -> Result<Option<usize>, Errno> {
        let digits = self.rest.iter().take_while(|c| c.is_ascii_digit()).count();
        if digits == 0 {
            return Ok(None);
        }
        let mut value = 0usize;
        for c in &self.rest[..digits] {
            value = value
                .saturating_mul(10)
                .saturating_add(usize::from(c - b'0'));
        }
        if value >= i32::MAX as usize {
            return Err(errno::EOVERFLOW);
        }
        self.rest = &self.rest[digits..];
        Ok(Some(value))
    }

    /// `digits$`, if that is what follows.
    fn position(&mut self) -> Result<Option<usize>, Errno> {
        let before = self.rest;
        match self.number()? {
            Some(n) if self.rest.first() == Some(&b'$') => {
                self.rest = &self.rest[1..];
                if n == 0 {
                    Err(errno::EINVAL)
                } else {
                    Ok(Some(n))
                }
            }
            _ => {
                self.rest = before;
                Ok(None)
            }
        }
    }

    fn count(&mut self) -> Result<Count, Errno> {
        if self.rest.first() == Some(&b'*') {
            self.rest = &self.rest[1..];
            return Ok(Count::Argument(self.position()?.unwrap_or(0)));
        }
        Ok(self.number()?.map_or(Count::None, Count::Fixed))
    }

    fn spec(&mut self) -> Result<Spec, Errno> {
        let position = self.position()?.unwrap_or(0);
        let mut spec = Spec {
            left: false,
            plus: false,
            space: false,
            alternate: false,
            zero: false,
            width: Count::None,
            precision: Count::None,
            length: Length::Int,
            conversion: 0,
            position,
        };
        loop {
            match self.rest.first() {
                Some(b'-') => spec.left = true,
                Some(b'+') => spec.plus = true,
                Some(b' ') => spec.space = true,
                Some(b'#') => spec.alternate = true,
                Some(b'0') => spec.zero = true,
                // Grouping: both locales group nothing.
                Some(b'\'' | b'I') => {}
                _ => break,
            }
            self.rest = &self.rest[1..];
        }
        spec.width = self.count()?;
        if self.rest.first() == Some(&b'.') {
            self.rest = &self.rest[1..];
            // "%.-5d" has a negative precision, which counts as none.
            let negative = self.rest.first() == Some(&b'-');
            if negative {
                self.rest = &self.rest[1..];
            }
            spec.precision = match self.count()? {
                _ if negative => Count::None,
                Count::None => Count::Fixed(0),
                count => count,
            };
        }
        let (length, taken) = Length::parse(self.rest);
        spec.length = length;
        self.rest = &self.rest[taken..];
        let (Some(conversion), rest) = (
            self.rest.first().copied(),
            self.rest.get(1..).unwrap_or(&[]),
        ) else {
            return Err(errno::EINVAL);
        };
        self.rest = rest;
        spec.conversion = match conversion {
            b'C' | b'S' => {
                spec.length = Length::Long;
                conversion.to_ascii_lowercase()
            }
            b'd' | b'i' | b'o' | b'u' | b'x' | b'X' | b'b' | b'B' | b'e' | b'E' | b'f' | b'F'
            | b'g' | b'G' | b'a' | b'A' | b'c' | b's' | b'p' | b'n' | b'm' => conversion,
            _ => return Err(errno::EINVAL),
        };
        Ok(spec)
    }
}

impl<'f> Iterator for Pieces<'f> {
    type Item = Result<Piece<'f>, Errno>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let text = self
            .rest
            .iter()
            .position(|c| *c == b'%')
            .unwrap_or(self.rest.len());
        if text > 0 {
            let (piece, rest) = self.rest.split_at(text);
            self.rest = rest;
            return Some(Ok(Piece::Text(piece)));
        }
        if self.rest.get(1) == Some(&b'%') {
            let piece = &self.rest[1..2];
            self.rest = &self.rest[2..];
            return Some(Ok(Piece::Text(piece)));
        }
        self.rest = &self.rest[1..];
        let spec = self.spec();
        if spec.is_err() {
            self.rest = &[];
        }
        Some(spec.map(Piece::Spec))
    }
}
