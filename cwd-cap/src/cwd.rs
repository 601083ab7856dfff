//! The current directory as a capability.
//!
//! The authority is the descriptor. The text exists for `getcwd` alone: it is never resolved, and
//! when it is wrong or missing, nothing but `getcwd` notices.

use alloc::string::String;
use core::fmt;

use syscall::error as errno;

use crate::error::{Error, ErrorKind};
use crate::path::{Path, next_component};

/// What is known of the current directory's path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CwdText {
    /// The file system said so (`fpath` of the descriptor), or a process was started with it.
    Exact(String),
    /// Composed from the text before and the path given to `chdir`. It may contain names of links.
    Composed(String),
    /// Unknown: the scheme has to be asked before `getcwd` can answer.
    Unknown,
}

/// Why `getcwd` has no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CwdError {
    /// The buffer has size zero (`EINVAL`).
    EmptyBuffer,
    /// Text and NUL do not fit; holds the size they need (`ERANGE`).
    BufferTooSmall(usize),
    /// The text is not known (`ENOENT`).
    Unknown,
}

impl CwdError {
    /// The error number.
    pub const fn errno(self) -> i32 {
        match self {
            Self::EmptyBuffer => errno::EINVAL,
            Self::BufferTooSmall(_) => errno::ERANGE,
            Self::Unknown => errno::ENOENT,
        }
    }
}

impl fmt::Display for CwdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::EmptyBuffer => f.write_str("empty buffer for the current directory's path"),
            Self::BufferTooSmall(need) => {
                write!(f, "current directory's path needs a buffer of {need} bytes")
            }
            Self::Unknown => f.write_str("current directory's path is not known"),
        }
    }
}

impl core::error::Error for CwdError {}

/// The current directory: a descriptor, and the text that `getcwd` answers.
///
/// `D` is whatever owns the descriptor; replacing the directory hands the old one back so that it
/// is closed exactly once and only after the new one is in place.
#[derive(Debug)]
pub struct Cwd<D> {
    dir: D,
    text: CwdText,
}

impl<D> Cwd<D> {
    /// A current directory with the text a process was started with. The text is normalised; text
    /// that is no absolute path is not kept.
    pub fn new(dir: D, text: Option<&str>) -> Self {
        let text = text
            .and_then(|text| normalize(text).ok())
            .map_or(CwdText::Unknown, CwdText::Exact);
        Self { dir, text }
    }

    /// The descriptor: what relative paths are resolved on.
    pub const fn dir(&self) -> &D {
        &self.dir
    }

    /// What is known of the path.
    pub const fn text(&self) -> &CwdText {
        &self.text
    }

    /// The current directory becomes `dir`, which was opened as `path` from the current one.
    /// Returns the old descriptor.
    ///
    /// The new text is composed where that cannot go wrong but for names of links; after any
    /// `path` in which `..` follows a name (which may be a link) it is [`CwdText::Unknown`].
    pub fn chdir(&mut self, dir: D, path: &str) -> D {
        self.text = self.text_after(path);
        core::mem::replace(&mut self.dir, dir)
    }

    /// The current directory becomes `dir`, an open descriptor: its text is not known until the
    /// scheme is asked. Returns the old descriptor.
    pub fn fchdir(&mut self, dir: D) -> D {
        self.text = CwdText::Unknown;
        core::mem::replace(&mut self.dir, dir)
    }

    /// Records what the scheme answered for the descriptor.
    ///
    /// # Errors
    /// Those of [`normalize`]; the text is then unchanged.
    pub fn set_exact(&mut self, text: &str) -> Result<(), Error> {
        self.text = CwdText::Exact(normalize(text)?);
        Ok(())
    }

    /// The text after a `chdir` to `path`.
    fn text_after(&self, path: &str) -> CwdText {
        let mut rest = path;
        let mut named = false;
        let mut up = false;
        while let Some((name, after, _)) = next_component(rest) {
            match name {
                "." => {}
                ".." if named => return CwdText::Unknown,
                ".." => up = true,
                _ => named = true,
            }
            rest = after;
        }
        let text = if path.starts_with('/') {
            normalize(path).ok()
        } else {
            let base = match &self.text {
                CwdText::Exact(text) => Some(text),
                // `..` of a link's name is not the parent of what the link leads to.
                CwdText::Composed(text) if !up => Some(text),
                CwdText::Composed(_) | CwdText::Unknown => None,
            };
            base.and_then(|base| {
                let mut joined = base.clone();
                joined.push('/');
                joined.push_str(path);
                normalize(&joined).ok()
            })
        };
        match text {
            // Going up from a path without links adds none.
            Some(text) if !named => match &self.text {
                CwdText::Composed(_) if !path.starts_with('/') => CwdText::Composed(text),
                _ => CwdText::Exact(text),
            },
            Some(text) => CwdText::Composed(text),
            None => CwdText::Unknown,
        }
    }

    /// The path, if it is known.
    ///
    /// # Errors
    /// [`CwdError::Unknown`].
    pub fn path(&self) -> Result<&str, CwdError> {
        match &self.text {
            CwdText::Exact(text) | CwdText::Composed(text) => Ok(text),
            CwdText::Unknown => Err(CwdError::Unknown),
        }
    }

    /// `getcwd`: writes the path and a NUL to `buf`, returns the number of bytes with the NUL.
    ///
    /// # Errors
    /// Every [`CwdError`]; `buf` is then unchanged.
    pub fn getcwd(&self, buf: &mut [u8]) -> Result<usize, CwdError> {
        if buf.is_empty() {
            return Err(CwdError::EmptyBuffer);
        }
        let text = self.path()?.as_bytes();
        let need = text.len().saturating_add(1);
        let Some((place, nul)) = buf.split_at_mut_checked(text.len()) else {
            return Err(CwdError::BufferTooSmall(need));
        };
        let Some(nul) = nul.first_mut() else {
            return Err(CwdError::BufferTooSmall(need));
        };
        place.copy_from_slice(text);
        *nul = 0;
        Ok(need)
    }
}

/// The textual normal form of an absolute path: one slash between components, no `.`, no slash at
/// the end, `..` removed together with the component before it (above the root: by itself).
///
/// `..` after the name of a link changes the meaning of a path; this is for text that is shown,
/// never for text that is resolved.
///
/// # Errors
/// [`ErrorKind::InvalidPath`] for a relative path or a NUL, [`ErrorKind::PathTooLong`].
pub fn normalize(path: &str) -> Result<String, Error> {
    if !path.starts_with('/') || path.contains('\0') {
        return Err(ErrorKind::InvalidPath.into());
    }
    let mut text = String::new();
    let mut rest = path;
    while let Some((name, after, _)) = next_component(rest) {
        match name {
            "." => {}
            ".." => {
                let end = text.rfind('/').unwrap_or(0);
                text.truncate(end);
            }
            name => {
                text.push('/');
                text.push_str(name);
            }
        }
        rest = after;
    }
    if text.is_empty() {
        text.push('/');
    }
    Path::new(text.as_bytes())?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::path::PATH_MAX;
    use alloc::string::ToString;

    #[test]
    fn normal_form() {
        for (path, want) in [
            ("/", "/"),
            ("///", "/"),
            ("/a", "/a"),
            ("//a///b//", "/a/b"),
            ("/a/./b/.", "/a/b"),
            ("/a/../b", "/b"),
            ("/..", "/"),
            ("/../../a/..", "/"),
            ("/a/b/../../..", "/"),
            ("/...", "/..."),
            ("/scheme/file/x", "/scheme/file/x"),
        ] {
            assert_eq!(normalize(path).unwrap(), want, "{path:?}");
        }
        for path in ["", "a", "./a", "/a\0"] {
            assert_eq!(normalize(path).unwrap_err().kind(), ErrorKind::InvalidPath);
        }
        let long = "/a".repeat(PATH_MAX);
        assert_eq!(normalize(&long).unwrap_err().kind(), ErrorKind::PathTooLong);
    }

    #[test]
    fn text_follows_chdir_only_where_it_can() {
        let exact = |text: &str| CwdText::Exact(text.to_string());
        let composed = |text: &str| CwdText::Composed(text.to_string());
        for (before, path, want) in [
            (exact("/a/b"), "c", composed("/a/b/c")),
            (exact("/a/b"), "c/./d//", composed("/a/b/c/d")),
            (exact("/a/b"), ".", exact("/a/b")),
            (exact("/a/b"), "..", exact("/a")),
            (exact("/a/b"), "../..", exact("/")),
            (exact("/a/b"), "../../..", exact("/")),
            (exact("/a/b"), "../c", composed("/a/c")),
            (exact("/a/b"), "c/..", CwdText::Unknown),
            (exact("/a/b"), "/c/..", CwdText::Unknown),
            (exact("/a/b"), "/c", composed("/c")),
            (exact("/a/b"), "/", exact("/")),
            (composed("/a/b"), ".", composed("/a/b")),
            (composed("/a/b"), "..", CwdText::Unknown),
            (composed("/a/b"), "c", composed("/a/b/c")),
            (composed("/a/b"), "/", exact("/")),
            (composed("/a/b"), "/..", exact("/")),
            (CwdText::Unknown, "c", CwdText::Unknown),
            (CwdText::Unknown, "..", CwdText::Unknown),
            (CwdText::Unknown, "/c", composed("/c")),
        ] {
            let mut cwd = Cwd {
                dir: 1,
                text: before.clone(),
            };
            assert_eq!(cwd.chdir(2, path), 1);
            assert_eq!(cwd.text(), &want, "{before:?} + {path:?}");
            assert_eq!(*cwd.dir(), 2);
        }
        let mut cwd = Cwd::new(1, Some("/a"));
        assert_eq!(cwd.fchdir(2), 1);
        assert_eq!(cwd.path(), Err(CwdError::Unknown));
        cwd.set_exact("/b//c").unwrap();
        assert_eq!(cwd.path(), Ok("/b/c"));
        cwd.set_exact("relative").unwrap_err();
        assert_eq!(cwd.path(), Ok("/b/c"));
        assert_eq!(Cwd::new(1, Some("relative")).text(), &CwdText::Unknown);
        let mut cwd = Cwd::new(1, Some("/a"));
        cwd.chdir(2, &"b/".repeat(PATH_MAX));
        assert_eq!(cwd.text(), &CwdText::Unknown);
    }

    #[test]
    fn getcwd_fills_or_refuses() {
        let cwd = Cwd::new((), Some("/ab"));
        let mut buf = [7; 6];
        assert_eq!(cwd.getcwd(&mut buf[..0]), Err(CwdError::EmptyBuffer));
        for size in 1..4 {
            let got = cwd.getcwd(&mut buf[..size]);
            assert_eq!(got, Err(CwdError::BufferTooSmall(4)));
        }
        assert_eq!(buf, [7; 6]);
        assert_eq!(cwd.getcwd(&mut buf), Ok(4));
        assert_eq!(&buf, b"/ab\0\x07\x07");
        let unknown = Cwd::new((), None);
        assert_eq!(unknown.getcwd(&mut buf), Err(CwdError::Unknown));
        assert_eq!(CwdError::BufferTooSmall(4).errno(), 34);
    }
}
