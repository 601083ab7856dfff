//! Paths as text: the one place where a caller's bytes become a path.

use crate::error::{Error, ErrorKind};

/// Size of the longest path, counting the NUL that C ends it with: a path has at most
/// `PATH_MAX - 1` bytes, as on Linux.
pub const PATH_MAX: usize = 4096;
/// Longest component in bytes.
pub const NAME_MAX: usize = 255;
/// How many links one walk follows at most.
pub const LINKS_MAX: u32 = 40;

/// A path that has passed the checks on its text: short enough, UTF-8, no NUL. It may be empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Path<'p>(&'p str);

impl<'p> Path<'p> {
    /// Checks a caller's bytes.
    ///
    /// # Errors
    /// [`ErrorKind::PathTooLong`], [`ErrorKind::InvalidPath`].
    pub fn new(bytes: &'p [u8]) -> Result<Self, Error> {
        if bytes.len() >= PATH_MAX {
            return Err(Error::new(ErrorKind::PathTooLong, PATH_MAX, 0));
        }
        let text = core::str::from_utf8(bytes)
            .map_err(|e| Error::new(ErrorKind::InvalidPath, e.valid_up_to(), 0))?;
        match text.find('\0') {
            Some(offset) => Err(Error::new(ErrorKind::InvalidPath, offset, 0)),
            None => Ok(Self(text)),
        }
    }

    /// The text.
    pub const fn as_str(self) -> &'p str {
        self.0
    }
}

/// The last component of a path, as operations on a name see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Last<'p> {
    /// An ordinary name.
    Name(&'p str),
    /// `.`
    Dot,
    /// `..`
    DotDot,
    /// None at all: the path is made of slashes.
    Root,
}

/// One component cut from the front of `text`: the component, the rest after the slashes that
/// follow it, and whether any slash follows. Leading slashes are skipped. `None` when nothing but
/// slashes is left.
pub(crate) fn next_component(text: &str) -> Option<(&str, &str, bool)> {
    let text = text.trim_start_matches('/');
    if text.is_empty() {
        return None;
    }
    let (name, rest) = match text.find('/') {
        Some(end) => text.split_at_checked(end).unwrap_or((text, "")),
        None => (text, ""),
    };
    Some((name, rest.trim_start_matches('/'), !rest.is_empty()))
}

/// Splits a path into what comes before its last component, that component, and whether slashes
/// follow it. Purely textual.
pub fn split_last(path: Path<'_>) -> (&str, Last<'_>, bool) {
    let text = path.as_str();
    let trimmed = text.trim_end_matches('/');
    let slash = trimmed.len() != text.len();
    if trimmed.is_empty() {
        return (text, Last::Root, slash);
    }
    let (before, name) = match trimmed.rfind('/') {
        // The slash is one byte, so the offset after it is a character boundary.
        Some(at) => trimmed
            .split_at_checked(at.saturating_add(1))
            .unwrap_or(("", trimmed)),
        None => ("", trimmed),
    };
    let last = match name {
        "." => Last::Dot,
        ".." => Last::DotDot,
        name => Last::Name(name),
    };
    (before, last, slash)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_checks() {
        assert!(Path::new(&[b'a'; PATH_MAX - 1]).is_ok());
        for (bytes, kind, offset) in [
            (&[b'a'; PATH_MAX][..], ErrorKind::PathTooLong, PATH_MAX),
            (&[b'a'; PATH_MAX + 1][..], ErrorKind::PathTooLong, PATH_MAX),
            (b"a\0b", ErrorKind::InvalidPath, 1),
            (b"\0", ErrorKind::InvalidPath, 0),
            (b"ab\xff", ErrorKind::InvalidPath, 2),
            (b"\xc3", ErrorKind::InvalidPath, 0),
        ] {
            let error = Path::new(bytes).unwrap_err();
            assert_eq!((error.kind(), error.offset()), (kind, offset));
        }
        assert_eq!(Path::new(b"").unwrap().as_str(), "");
    }

    #[test]
    fn components() {
        for (text, want) in [
            ("", None),
            ("///", None),
            ("a", Some(("a", "", false))),
            ("a/", Some(("a", "", true))),
            ("//a//b/", Some(("a", "b/", true))),
            ("\u{e9}/b", Some(("\u{e9}", "b", true))),
        ] {
            assert_eq!(next_component(text), want, "{text:?}");
        }
    }

    #[test]
    fn last_components() {
        for (text, want) in [
            ("a", ("", Last::Name("a"), false)),
            ("a/b", ("a/", Last::Name("b"), false)),
            ("a//b//", ("a//", Last::Name("b"), true)),
            ("/b", ("/", Last::Name("b"), false)),
            ("a/.", ("a/", Last::Dot, false)),
            ("..", ("", Last::DotDot, false)),
            ("../", ("", Last::DotDot, true)),
            ("/", ("/", Last::Root, true)),
            ("", ("", Last::Root, false)),
        ] {
            assert_eq!(split_last(Path(text)), want, "{text:?}");
        }
    }
}
