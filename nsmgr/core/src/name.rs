//! Names of schemes.

use nsmgr_api::RESERVED_NAME;

use crate::error::Error;

/// A valid name, borrowed from where it was found.
///
/// UTF-8 of 1 to [`Name::MAX_LEN`] bytes without NUL, `/`, `:` (which separates a name from the rest
/// in the path syntax of old) or `*`, and none of `.`, `..` and `namespace`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name<'a>(&'a str);

impl<'a> Name<'a> {
    /// Most bytes a name may have.
    pub const MAX_LEN: usize = 255;

    /// Accepts `bytes` if they are a name.
    ///
    /// # Errors
    /// `EINVAL`.
    pub fn new(bytes: &'a [u8]) -> Result<Self, Error> {
        let text = characters(bytes)?;
        if is_special(bytes) {
            return Err(Error::MALFORMED);
        }
        Ok(Self(text))
    }

    /// Whether `bytes` are a name, for those who do not want the text.
    ///
    /// # Errors
    /// `EINVAL`.
    pub fn check(bytes: &[u8]) -> Result<(), Error> {
        if is_special(bytes) {
            return Err(Error::MALFORMED);
        }
        if allowed(bytes)? {
            return Ok(());
        }
        characters(bytes).map(drop)
    }

    /// The name as text.
    #[must_use]
    pub const fn as_str(self) -> &'a str {
        self.0
    }
}

/// What the list of a fork asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted<'a> {
    /// This name.
    Exactly(Name<'a>),
    /// Every name that begins so.
    Prefix(&'a str),
}

impl<'a> Wanted<'a> {
    /// Accepts a name, or the beginning of one followed by `*`.
    ///
    /// # Errors
    /// `EINVAL`.
    pub fn new(bytes: &'a [u8]) -> Result<Self, Error> {
        match bytes.split_last() {
            Some((b'*', prefix)) => characters(prefix).map(Self::Prefix),
            _ => Name::new(bytes).map(Self::Exactly),
        }
    }
}

#[inline(never)]
fn characters(bytes: &[u8]) -> Result<&str, Error> {
    allowed(bytes)?;
    core::str::from_utf8(bytes).map_err(|_| Error::MALFORMED)
}

#[inline]
fn is_special(bytes: &[u8]) -> bool {
    if bytes.len() <= 2 {
        return matches!(bytes, b"" | b"." | b"..");
    }
    bytes == RESERVED_NAME.as_bytes()
}

/// Refuses bytes that no name has, and too many of them. Whether all are ASCII.
#[inline(always)]
fn allowed(bytes: &[u8]) -> Result<bool, Error> {
    if bytes.len() > Name::MAX_LEN {
        return Err(Error::MALFORMED);
    }
    // Words at both ends, which may overlap: names are short.
    let found = if let Some(last) = bytes.last_chunk() {
        let words = bytes.as_chunks().0.iter().chain([last]);
        words.fold(Found::default(), |found, word| {
            found.and(u64::from_ne_bytes(*word))
        })
    } else if let (Some(first), Some(last)) = (bytes.first_chunk(), bytes.last_chunk()) {
        let (first, last) = (u32::from_ne_bytes(*first), u32::from_ne_bytes(*last));
        Found::default().and(u64::from(last) << 32 | u64::from(first))
    } else {
        let fill = each(b'a');
        let put = |word: u64, byte: &u8| word << 8 | u64::from(*byte);
        Found::default().and(bytes.iter().fold(fill, put))
    };
    if found.forbidden != 0 {
        return Err(Error::MALFORMED);
    }
    Ok(found.not_ascii == 0)
}

/// A word of which each byte is this one.
pub(crate) const fn each(byte: u8) -> u64 {
    u64::from_ne_bytes([byte; 8])
}

const HIGH_BITS: u64 = each(0x80);

/// What words of a name have in them: not 0 if there is any.
#[derive(Clone, Copy, Default)]
struct Found {
    /// Bytes that no name has.
    forbidden: u64,
    /// Bytes of which only UTF-8 is allowed.
    not_ascii: u64,
}

impl Found {
    const fn and(self, word: u64) -> Self {
        Self {
            forbidden: self.forbidden
                | zero_in(word)
                | zero_in(word ^ each(b'/'))
                | zero_in(word ^ each(b':'))
                | zero_in(word ^ each(b'*')),
            not_ascii: self.not_ascii | (word & HIGH_BITS),
        }
    }
}

/// Not 0 if a byte of the word is 0, with the lowest bit in the lowest such byte: only that or one above it can
/// get its high bit by a borrow (Mycroft's test).
pub(crate) const fn zero_in(word: u64) -> u64 {
    word.wrapping_sub(each(1)) & !word & HIGH_BITS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        let long = [b'a'; 256];
        let table: &[(&[u8], bool)] = &[
            (b"file", true),
            (b"a", true),
            (b"...", true),
            (b".hidden", true),
            ("größe".as_bytes(), true),
            (b"namespaces", true),
            (&long[..255], true),
            (b"", false),
            (b".", false),
            (b"..", false),
            (b"namespace", false),
            (b"a/b", false),
            (b"/", false),
            (b"a\0", false),
            (b"a*", false),
            (b"*", false),
            (b"a:b", false),
            (b"\xff", false),
            (&long, false),
        ];
        for (bytes, valid) in table {
            assert_eq!(Name::new(bytes).is_ok(), *valid, "{bytes:?}");
            assert_eq!(Name::check(bytes).is_ok(), *valid, "{bytes:?}");
        }
    }

    #[test]
    fn every_byte_at_every_place() {
        for len in 1..=20 {
            for place in 0..len {
                for byte in 0..=u8::MAX {
                    let mut bytes = vec![b'x'; len];
                    bytes[place] = byte;
                    let expected = !matches!(byte, 0 | b'/' | b':' | b'*' | 0x80..)
                        && !matches!(bytes.as_slice(), b"." | b"..");
                    assert_eq!(Name::check(&bytes).is_ok(), expected, "{bytes:?}");
                }
            }
        }
    }

    #[test]
    fn wanted() {
        assert_eq!(Wanted::new(b"*"), Ok(Wanted::Prefix("")));
        assert_eq!(Wanted::new(b"tty*"), Ok(Wanted::Prefix("tty")));
        assert_eq!(
            Wanted::new(b"tty").ok(),
            Name::new(b"tty").ok().map(Wanted::Exactly)
        );
        for bad in [
            &b"**"[..],
            b"a*b",
            b"",
            b"..",
            b"namespace",
            b"a/*",
            b"\xff*",
        ] {
            assert_eq!(Wanted::new(bad), Err(Error::MALFORMED), "{bad:?}");
        }
    }
}
