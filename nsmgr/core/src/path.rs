//! Which paths name what.
//!
//! | path | means |
//! |---|---|
//! | empty, `/scheme`, `/scheme/` | the listing of the namespace |
//! | `/scheme/NAME` | exactly what NAME is bound to |
//! | `/scheme/NAME/REST` (REST may be empty) | REST, asked of NAME |
//! | `scheme`, `scheme/NAME`, `scheme/NAME/REST` | the same, for callers that treat the namespace as `/` |
//! | `NAME:REST` | REST, asked of NAME: the syntax of old |
//! | `/REST` (anything else that begins with `/`) | REST, asked of `file` |
//! | anything else | malformed |
//!
//! Any number of slashes counts as one before NAME. What follows NAME is the other scheme's affair and
//! is not looked at; the suffix always begins behind the slashes, so that it is relative and a binding
//! that may not be escaped from stays usable.

use crate::{
    error::Error,
    name::{each, zero_in},
};

/// What a path names. Offsets are bytes from the path's beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target<'p> {
    /// The namespace's own listing.
    Listing,
    /// Something asked of a name; not yet a valid [`crate::Name`].
    Scheme {
        /// The name.
        name: &'p [u8],
        /// Where the suffix begins; at most the path's length.
        suffix: usize,
        /// Nothing, not even a slash, follows the name.
        exact: bool,
    },
    /// Something asked of the name `file`, because the path has no scheme.
    File {
        /// Where the suffix begins.
        suffix: usize,
    },
}

/// Takes a path apart.
///
/// # Errors
/// `EINVAL` for a path that fits no row of the table above.
#[inline]
pub fn parse(path: &[u8]) -> Result<Target<'_>, Error> {
    // How nearly all paths begin.
    if let Some(rest) = path.strip_prefix(b"/scheme/")
        && !matches!(rest.first(), None | Some(b'/'))
    {
        return Ok(scheme_at(path, b"/scheme/".len()));
    }
    parse_other(path)
}

/// Takes apart a path that does not begin with `/scheme/NAME`.
#[inline(never)]
fn parse_other(path: &[u8]) -> Result<Target<'_>, Error> {
    if path.is_empty() {
        return Ok(Target::Listing);
    }
    let start = skip_slashes(path, 0);
    let end = component_end(path, start);
    if part(path, start, end) == b"scheme" {
        let name_start = skip_slashes(path, end);
        return Ok(if name_start == path.len() {
            Target::Listing
        } else {
            scheme_at(path, name_start)
        });
    }
    if start > 0 {
        return Ok(Target::File { suffix: start });
    }
    let first = part(path, start, end);
    match first.iter().position(|byte| *byte == b':') {
        Some(colon) if colon > 0 => Ok(Target::Scheme {
            name: part(path, 0, colon),
            suffix: skip_slashes(path, colon.saturating_add(1)),
            exact: false,
        }),
        _ => Err(Error::MALFORMED),
    }
}

/// What a path names whose scheme's name begins at `name_start`.
#[inline]
fn scheme_at(path: &[u8], name_start: usize) -> Target<'_> {
    let name_end = component_end(path, name_start);
    let exact = name_end == path.len();
    Target::Scheme {
        name: part(path, name_start, name_end),
        suffix: if exact {
            name_end
        } else {
            skip_slashes(path, name_end)
        },
        exact,
    }
}

/// Takes apart a path that begins in the listing: `NAME[/REST]`; empty and `.` are the listing itself.
///
/// # Errors
/// `EINVAL` for an absolute path.
pub fn parse_in_listing(path: &[u8]) -> Result<Target<'_>, Error> {
    if path.first() == Some(&b'/') {
        return Err(Error::MALFORMED);
    }
    let end = component_end(path, 0);
    let suffix = skip_slashes(path, end);
    match part(path, 0, end) {
        b"" => Ok(Target::Listing),
        b"." if suffix == path.len() => Ok(Target::Listing),
        name => Ok(Target::Scheme {
            name,
            suffix,
            exact: end == path.len(),
        }),
    }
}

fn part(path: &[u8], start: usize, end: usize) -> &[u8] {
    path.get(start..end).unwrap_or_default()
}

fn skip_slashes(path: &[u8], from: usize) -> usize {
    let rest = path.get(from..).unwrap_or_default();
    let slashes = rest.iter().take_while(|byte| **byte == b'/').count();
    from.saturating_add(slashes)
}

#[inline]
fn component_end(path: &[u8], from: usize) -> usize {
    let rest = path.get(from..).unwrap_or_default();
    // The last name of a path is mostly shorter than a word, and behind others: what precedes it in the path's last
    // word is shifted out, and zeros are no slashes.
    if let (1..=8, Some(last)) = (rest.len(), path.last_chunk()) {
        let before = u64::BITS.saturating_sub((rest.len() as u32).saturating_mul(u8::BITS));
        let slashes = zero_in(u64::from_le_bytes(*last).wrapping_shr(before) ^ each(b'/'));
        if slashes == 0 {
            return path.len();
        }
        return from.saturating_add((slashes.trailing_zeros() >> 3) as usize);
    }
    rest.iter()
        .position(|byte| *byte == b'/')
        .map_or(path.len(), |length| from.saturating_add(length))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scheme(name: &str, suffix: usize, exact: bool) -> Result<Target<'_>, Error> {
        Ok(Target::Scheme {
            name: name.as_bytes(),
            suffix,
            exact,
        })
    }

    #[test]
    fn table() {
        let listing = Ok(Target::Listing);
        let file = |suffix| Ok(Target::File { suffix });
        let bad = Err(Error::MALFORMED);
        let table = [
            ("", listing),
            ("/scheme", listing),
            ("/scheme/", listing),
            ("//scheme//", listing),
            ("scheme", listing),
            ("scheme/", listing),
            ("/scheme/file", scheme("file", 12, true)),
            ("/scheme/file/", scheme("file", 13, false)),
            ("/scheme/file/home/user/x", scheme("file", 13, false)),
            ("/scheme/file//home", scheme("file", 14, false)),
            ("//scheme///file/x", scheme("file", 16, false)),
            ("scheme/file", scheme("file", 11, true)),
            ("scheme/file/x", scheme("file", 12, false)),
            ("/scheme/./x", scheme(".", 10, false)),
            ("/scheme/../x", scheme("..", 11, false)),
            ("/scheme/a:b/x", scheme("a:b", 12, false)),
            ("/", file(1)),
            ("//", file(2)),
            ("/etc/passwd", file(1)),
            ("///etc/passwd", file(3)),
            ("/schemes/x", file(1)),
            ("/./scheme/x", file(1)),
            ("/a:b", file(1)),
            ("file:etc/passwd", scheme("file", 5, false)),
            ("file:/etc/passwd", scheme("file", 6, false)),
            ("file:", scheme("file", 5, false)),
            (":x", bad),
            ("etc/passwd", bad),
            ("a/b:c", bad),
            (".", bad),
            ("..", bad),
            ("\0", bad),
        ];
        for (path, expected) in table {
            assert_eq!(parse(path.as_bytes()), expected, "{path:?}");
        }
    }

    #[test]
    fn in_listing() {
        let table = [
            ("", Ok(Target::Listing)),
            (".", Ok(Target::Listing)),
            ("./", Ok(Target::Listing)),
            ("file", scheme("file", 4, true)),
            ("file/x", scheme("file", 5, false)),
            ("scheme/x", scheme("scheme", 7, false)),
            ("..", scheme("..", 2, true)),
            ("/x", Err(Error::MALFORMED)),
        ];
        for (path, expected) in table {
            assert_eq!(parse_in_listing(path.as_bytes()), expected, "{path:?}");
        }
    }

    #[test]
    fn components_end_at_a_slash() {
        for len in 0..20 {
            for slash in 0..=len {
                let mut path = vec![b'.'; len];
                if let Some(place) = path.get_mut(slash) {
                    *place = b'/';
                }
                for from in 0..=len {
                    let end = if slash >= from { slash } else { len };
                    assert_eq!(component_end(&path, from), end, "{path:?} from {from}");
                }
            }
        }
        assert_eq!(component_end(b"/scheme/a//b/c", 8), 9);
        assert_eq!(component_end(b"\xff/\x2e\x30\x2f", 2), 4);
    }

    proptest::proptest! {
        #[test]
        fn suffix_is_inside_and_relative(path in proptest::collection::vec(
            proptest::prop_oneof![
                proptest::strategy::Just(b'/'), proptest::strategy::Just(b':'),
                proptest::strategy::Just(b'.'), proptest::prelude::any::<u8>()
            ], 0..40), under in proptest::bool::ANY)
        {
            let mut full = if under { b"/scheme/".to_vec() } else { Vec::new() };
            full.extend(path);
            let suffix = match parse(&full) {
                Ok(Target::Scheme { suffix, name, .. }) => {
                    proptest::prop_assert!(!name.is_empty() && !name.contains(&b'/'));
                    suffix
                }
                Ok(Target::File { suffix }) => suffix,
                _ => return Ok(()),
            };
            proptest::prop_assert!(suffix <= full.len());
            proptest::prop_assert_ne!(full.get(suffix), Some(&b'/'));
        }
    }
}
