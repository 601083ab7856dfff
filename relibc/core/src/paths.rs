//! `basename` and `dirname` on slices.

/// The last component: a range of `path`, or `None` for an empty path (whose name is `.`).
#[must_use]
pub fn basename(path: &[u8]) -> Option<core::ops::Range<usize>> {
    let Some(last) = path.iter().rposition(|c| *c != b'/') else {
        return if path.is_empty() { None } else { Some(0..1) };
    };
    let start = path[..last]
        .iter()
        .rposition(|c| *c == b'/')
        .map_or(0, |i| i + 1);
    Some(start..last + 1)
}

/// Length of the directory part, or `None` when it is `.`.
#[must_use]
pub fn dirname(path: &[u8]) -> Option<usize> {
    if path.is_empty() {
        return None;
    }
    let Some(last) = path.iter().rposition(|c| *c != b'/') else {
        return Some(1);
    };
    let slash = path[..last].iter().rposition(|c| *c == b'/')?;
    Some(
        path[..slash]
            .iter()
            .rposition(|c| *c != b'/')
            .map_or(1, |i| i + 1),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table() {
        // The examples of POSIX, and the corners.
        for (path, dir, base) in [
            ("/usr/lib", "/usr", "lib"),
            ("/usr/", "/", "usr"),
            ("usr", ".", "usr"),
            ("/", "/", "/"),
            (".", ".", "."),
            ("..", ".", ".."),
            ("//", "/", "/"),
            ("a//b//", "a", "b"),
            ("/a", "/", "a"),
            ("//a", "/", "a"),
            ("a/b/c", "a/b", "c"),
            ("", ".", "."),
        ] {
            let p = path.as_bytes();
            assert_eq!(
                basename(p).map_or(&b"."[..], |r| &p[r]),
                base.as_bytes(),
                "basename {path:?}"
            );
            assert_eq!(
                dirname(p).map_or(&b"."[..], |n| &p[..n]),
                dir.as_bytes(),
                "dirname {path:?}"
            );
        }
    }
}
