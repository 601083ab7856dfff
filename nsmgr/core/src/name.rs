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
        if is_special(bytes) || !allowed(bytes)? && core::str::from_utf8(bytes).is_err() {
            return Err(Error::MALFORMED);
        }
        Ok(())
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

fn characters(bytes: &[u8]) -> Result<&str, Error> {
    allowed(bytes)?;
    core::str::from_utf8(bytes).map_err(|_| Error::MALFORMED)
}

fn is_special(bytes: &[u8]) -> bool {
    const RESERVED_LEN: usize = RESERVED_NAME.len();
    match bytes.len() {
        0 => true,
        1 | 2 => matches!(bytes, b"." | b".."),
        RESERVED_LEN => bytes == RESERVED_NAME.as_bytes(),
        _ => false,
    }
}

/// Refuses bytes that no name has, and too many of them. Whether all are ASCII.
fn allowed(bytes: &[u8]) -> Result<bool, Error> {
    if bytes.len() > Name::MAX_LEN {
        return Err(Error::MALFORMED);
    }
    /// What is to be known of each byte.
    #[expect(clippy::indexing_slicing, reason = "the compiler evaluates it")]
    const CLASSES: [u8; 256] = {
        let mut classes = [0; 256];
        let mut byte = 0x80;
        while byte < classes.len() {
            classes[byte] = NOT_ASCII;
            byte += 1;
        }
        classes[0] = FORBIDDEN;
        classes[b'/' as usize] = FORBIDDEN;
        classes[b':' as usize] = FORBIDDEN;
        classes[b'*' as usize] = FORBIDDEN;
        classes
    };
    let class = |byte: &u8| {
        CLASSES
            .get(usize::from(*byte))
            .copied()
            .unwrap_or(FORBIDDEN)
    };
    let all = bytes.iter().fold(0, |all, byte| all | class(byte));
    if all & FORBIDDEN != 0 {
        return Err(Error::MALFORMED);
    }
    Ok(all & NOT_ASCII == 0)
}

/// The class of the bytes that no name has.
const FORBIDDEN: u8 = 1;
/// The class of the bytes of which only UTF-8 is allowed.
const NOT_ASCII: u8 = 2;

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
