//! What is asked of which descriptor for a path.
//!
//! A process has a namespace descriptor and a current-directory descriptor. An absolute path is one
//! `openat` on the namespace, in the form `/scheme/NAME/REST`; a plain absolute path belongs to the
//! scheme `file`. The few devices that POSIX programs name by absolute paths are schemes ([`DEVICES`],
//! [`TERMINALS`]) or descriptors of the process ([`own`]): a link in the file system could not lead out of
//! it. A relative path is one `openat` on the current directory. Nothing is resolved here: `..`, links and
//! trailing slashes are the business of whoever answers.

/// Longest path passed on, in bytes.
pub const MAX_LEN: usize = 4096;
/// What plain absolute paths are put behind.
pub const FILE_PREFIX: &[u8] = b"/scheme/file";

/// Devices by the names they have elsewhere, and the schemes that are them.
pub const DEVICES: [(&[u8], &[u8]); 6] = [
    (b"/dev/console", b"/scheme/console"),
    (b"/dev/null", b"/scheme/null"),
    (b"/dev/ptmx", b"/scheme/pty"),
    (b"/dev/random", b"/scheme/rand"),
    (b"/dev/urandom", b"/scheme/rand"),
    (b"/dev/zero", b"/scheme/zero"),
];

/// What stands before a pseudo-terminal's number elsewhere, and what does here.
pub const TERMINALS: (&[u8], &[u8]) = (b"/dev/pts/", b"/scheme/pty/");

/// Something that a path names which the process has already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Own {
    /// A descriptor.
    Descriptor(usize),
    /// The controlling terminal.
    Terminal,
}

/// What a path like `/dev/stdin` names; `None` for every other one.
#[must_use]
pub fn own(path: &[u8]) -> Option<Own> {
    let name = path.strip_prefix(b"/dev/")?;
    match name {
        b"stdin" => Some(Own::Descriptor(0)),
        b"stdout" => Some(Own::Descriptor(1)),
        b"stderr" => Some(Own::Descriptor(2)),
        b"tty" => Some(Own::Terminal),
        _ => {
            let digits = name.strip_prefix(b"fd/")?;
            let text = core::str::from_utf8(digits).ok()?;
            let plain = text.bytes().all(|byte| byte.is_ascii_digit());
            let number = text.parse::<i32>().ok().filter(|_| plain)?;
            usize::try_from(number).ok().map(Own::Descriptor)
        }
    }
}

/// Where a path leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route<'a> {
    /// To the namespace, as it is.
    Namespace(&'a [u8]),
    /// To the namespace, behind [`FILE_PREFIX`].
    File(&'a [u8]),
    /// To the namespace, behind what [`TERMINALS`] says.
    PseudoTerminal(&'a [u8]),
    /// To the current directory, as it is.
    Current(&'a [u8]),
}

/// Chooses. Errors are error numbers: `ENOENT` for an empty path, `EINVAL` for an embedded NUL,
/// `ENAMETOOLONG` beyond [`MAX_LEN`].
pub fn route(path: &[u8]) -> Result<Route<'_>, i32> {
    let route = route_of_text(path)?;
    if path.contains(&0) {
        return Err(syscall::EINVAL);
    }
    Ok(route)
}

/// [`route`] of what cannot contain a NUL: a C string.
pub fn route_of_text(path: &[u8]) -> Result<Route<'_>, i32> {
    if path.len() > MAX_LEN {
        return Err(syscall::ENAMETOOLONG);
    }
    match path.split_first() {
        None => Err(syscall::ENOENT),
        Some((b'/', _)) if is_scheme_rooted(path) => Ok(Route::Namespace(path)),
        Some((b'/', _)) => Ok(match (device(path), path.strip_prefix(TERMINALS.0)) {
            (Some(scheme), _) => Route::Namespace(scheme),
            (None, Some(number)) if !number.is_empty() => Route::PseudoTerminal(number),
            _ => Route::File(path),
        }),
        Some(_) => Ok(Route::Current(path)),
    }
}

/// The scheme that a path belongs to and the path below its root, which begins with no slash. `None` for
/// relative paths, for what the namespace itself answers, and for `/scheme/NAME`, with or without a slash
/// behind it: only the namespace can tell whether that is to be opened or handed out, used or unbound.
#[must_use]
pub fn below_root(route: Route<'_>) -> Option<(&[u8], &[u8])> {
    let (name, rest) = match route {
        Route::File(path) => {
            let from = path.iter().position(|&byte| byte != b'/');
            let (_, rest) = path.split_at_checked(from.unwrap_or(path.len()))?;
            return Some((b"file", rest));
        }
        Route::Namespace(path) => {
            let path = path.strip_prefix(b"/scheme/")?;
            let end = path.iter().position(|&byte| byte == b'/')?;
            path.split_at_checked(end)?
        }
        Route::PseudoTerminal(number) => return Some((b"pty", number)),
        Route::Current(_) => return None,
    };
    let from = rest.iter().position(|&byte| byte != b'/')?;
    let (_, rest) = rest.split_at_checked(from)?;
    let is_name = !matches!(name, b"" | b"." | b".." | b"namespace");
    is_name.then_some((name, rest))
}

fn device(path: &[u8]) -> Option<&'static [u8]> {
    let (_, scheme) = DEVICES.iter().find(|(name, _)| *name == path)?;
    Some(scheme)
}

fn is_scheme_rooted(path: &[u8]) -> bool {
    path.strip_prefix(b"/scheme")
        .is_some_and(|rest| matches!(rest.first(), None | Some(b'/')))
}

#[cfg(test)]
mod tests {
    use std::vec;

    use super::*;

    #[test]
    fn below_roots() {
        type Row = (&'static [u8], Option<(&'static [u8], &'static [u8])>);
        let rows: &[Row] = &[
            (b"/etc/passwd", Some((b"file", b"etc/passwd"))),
            (b"//etc", Some((b"file", b"etc"))),
            (b"//scheme/x", Some((b"file", b"scheme/x"))),
            (b"/dir/", Some((b"file", b"dir/"))),
            (b"/..", Some((b"file", b".."))),
            (b"/", Some((b"file", b""))),
            (b"///", Some((b"file", b""))),
            (b"/scheme/file/a/b", Some((b"file", b"a/b"))),
            (b"/scheme/file//a", Some((b"file", b"a"))),
            (b"/scheme/file", None),
            (b"/scheme/file/", None),
            (b"/scheme", None),
            (b"/scheme/", None),
            (b"/scheme//file/x", None),
            (b"/scheme/namespace/scheme-creation-cap", None),
            (b"/scheme/../x", None),
            (b"/dev/null", None),
            (b"/dev/pts/3", Some((b"pty", b"3"))),
            (b"relative", None),
        ];
        for (path, want) in rows {
            let shown = std::string::String::from_utf8_lossy(path);
            assert_eq!(below_root(route(path).unwrap()), *want, "{shown}");
        }
    }

    #[test]
    fn routes() {
        let long = vec![b'a'; MAX_LEN + 1];
        let rows: &[(&[u8], Result<Route<'_>, i32>)] = &[
            (b"/scheme/rand", Ok(Route::Namespace(b"/scheme/rand"))),
            (b"/scheme", Ok(Route::Namespace(b"/scheme"))),
            (b"/scheme/", Ok(Route::Namespace(b"/scheme/"))),
            (b"/schemes/x", Ok(Route::File(b"/schemes/x"))),
            (b"/", Ok(Route::File(b"/"))),
            (b"/etc/passwd", Ok(Route::File(b"/etc/passwd"))),
            (b"//scheme/x", Ok(Route::File(b"//scheme/x"))),
            (b"/dev/null", Ok(Route::Namespace(b"/scheme/null"))),
            (b"/dev/urandom", Ok(Route::Namespace(b"/scheme/rand"))),
            (b"/dev/nul", Ok(Route::File(b"/dev/nul"))),
            (b"/dev/null/", Ok(Route::File(b"/dev/null/"))),
            (b"dev/null", Ok(Route::Current(b"dev/null"))),
            (b"/dev/console", Ok(Route::Namespace(b"/scheme/console"))),
            (b"/dev/ptmx", Ok(Route::Namespace(b"/scheme/pty"))),
            (b"/dev/pts/12", Ok(Route::PseudoTerminal(b"12"))),
            (b"/dev/pts/", Ok(Route::File(b"/dev/pts/"))),
            (b"a/../b/", Ok(Route::Current(b"a/../b/"))),
            (b".", Ok(Route::Current(b"."))),
            (b"", Err(syscall::ENOENT)),
            (b"a\0", Err(syscall::EINVAL)),
            (&long, Err(syscall::ENAMETOOLONG)),
            (&long[..MAX_LEN], Ok(Route::Current(&long[..MAX_LEN]))),
        ];
        for (path, want) in rows {
            assert_eq!(
                route(path),
                *want,
                "{:?}",
                std::string::String::from_utf8_lossy(path)
            );
        }
    }

    #[test]
    fn what_a_process_has() {
        let rows: &[(&[u8], Option<Own>)] = &[
            (b"/dev/stdin", Some(Own::Descriptor(0))),
            (b"/dev/stdout", Some(Own::Descriptor(1))),
            (b"/dev/stderr", Some(Own::Descriptor(2))),
            (b"/dev/tty", Some(Own::Terminal)),
            (b"/dev/fd/17", Some(Own::Descriptor(17))),
            (b"/dev/fd/", None),
            (b"/dev/fd/+1", None),
            (b"/dev/fd/1x", None),
            (b"/dev/fd/9999999999", None),
            (b"/dev/tty0", None),
            (b"/dev/stdin/", None),
            (b"dev/stdin", None),
        ];
        for (path, want) in rows {
            assert_eq!(own(path), *want, "{:?}", path.escape_ascii());
        }
    }
}
