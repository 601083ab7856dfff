//! What a `dup` payload asks for.

use cap_abi::Rights;
use nsmgr_api::{
    FIRST_OWN_REQUEST, ForkFlags, MAX_PAYLOAD, NsDup, NsPermissions, RegisterFlags, Request, WORD,
};

use crate::{error::Error, name::Name, place::PlacePath};

/// A well-formed request for a derived descriptor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ask<'a> {
    /// A new namespace.
    Fork {
        /// Who is charged for it, if not whoever asks.
        user: Option<u32>,
        /// Options.
        flags: ForkFlags,
        /// What it is to hold.
        entries: Entries<'a>,
    },
    /// The same namespace with at most these permissions.
    Shrink(NsPermissions),
    /// A register handle.
    Register {
        /// What may be done through the binding.
        rights: Rights,
        /// Options.
        flags: RegisterFlags,
        /// The name it will bind.
        name: Name<'a>,
        /// Where under the name, if not all of it.
        place: Option<PlacePath<'a>>,
    },
    /// A watch handle.
    Watch,
}

/// The list of a fork. That the entries are names remains to be seen; a namespace that has one need
/// not ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entries<'a>(&'a [u8]);

impl<'a> Entries<'a> {
    fn new(bytes: &'a [u8]) -> Result<Self, Error> {
        let mut rest = bytes;
        while !rest.is_empty() {
            (_, rest) = take_entry(rest)?;
        }
        Ok(Self(bytes))
    }

    /// The entries, in the order given.
    pub fn iter(self) -> impl Iterator<Item = &'a [u8]> {
        let mut rest = self.0;
        core::iter::from_fn(move || {
            let entry;
            (entry, rest) = take_entry(rest).ok()?;
            Some(entry)
        })
    }
}

/// Takes a payload apart.
///
/// # Errors
/// `EINVAL` for a payload that is not exactly one request: unknown discriminant, unknown flag or
/// right, missing or surplus bytes, an invalid name (but see [`Entries`]). `E2BIG` above [`MAX_PAYLOAD`].
pub fn parse(payload: &[u8]) -> Result<Ask<'_>, Error> {
    if payload.len() > MAX_PAYLOAD {
        return Err(Error::TOO_BIG);
    }
    let (kind, rest) = take_word(payload)?;
    if kind < FIRST_OWN_REQUEST {
        return match NsDup::try_from_raw(kind).ok_or(Error::MALFORMED)? {
            NsDup::ForkNs => Ok(Ask::Fork {
                user: None,
                flags: ForkFlags::empty(),
                entries: Entries::new(rest)?,
            }),
            NsDup::ShrinkPermissions => {
                let (bits, rest) = take_word(rest)?;
                // Only ever intersected with what the handle has, so that an unknown bit asks to
                // keep something there is not.
                done(rest, Ask::Shrink(NsPermissions::from_bits_truncate(bits)))
            }
            NsDup::IssueRegister => Ok(Ask::Register {
                rights: Rights::FULL,
                flags: RegisterFlags::empty(),
                name: Name::new(rest)?,
                place: None,
            }),
        };
    }
    match Request::try_from_raw(kind).ok_or(Error::MALFORMED)? {
        Request::Fork => {
            let (flags, rest) = take_word(rest)?;
            Ok(Ask::Fork {
                user: None,
                flags: ForkFlags::from_bits(flags).ok_or(Error::MALFORMED)?,
                entries: Entries::new(rest)?,
            })
        }
        Request::ForkFor => {
            let (user, rest) = take_word(rest)?;
            let (flags, rest) = take_word(rest)?;
            Ok(Ask::Fork {
                user: Some(u32::try_from(user).map_err(|_| Error::MALFORMED)?),
                flags: ForkFlags::from_bits(flags).ok_or(Error::MALFORMED)?,
                entries: Entries::new(rest)?,
            })
        }
        Request::Watch => done(rest, Ask::Watch),
        Request::Register => {
            let (rights, rest) = take_word(rest)?;
            let (flags, rest) = take_word(rest)?;
            Ok(Ask::Register {
                rights: rights_from(rights as u64)?,
                flags: RegisterFlags::from_bits(flags).ok_or(Error::MALFORMED)?,
                name: Name::new(rest)?,
                place: None,
            })
        }
        Request::RegisterPlace => {
            let (rights, rest) = take_word(rest)?;
            let (flags, rest) = take_word(rest)?;
            let (name, path) = parse_place(rest)?;
            Ok(Ask::Register {
                rights: rights_from(rights as u64)?,
                flags: RegisterFlags::from_bits(flags).ok_or(Error::MALFORMED)?,
                name,
                place: Some(path),
            })
        }
    }
}

/// Takes the payload of `Verb::Bind` apart: old name, new name.
///
/// # Errors
/// `EINVAL`.
pub fn parse_bind(payload: &[u8]) -> Result<(Name<'_>, Name<'_>), Error> {
    let (old, rest) = take_entry(payload)?;
    let (new, rest) = take_entry(rest)?;
    done(rest, (Name::new(old)?, Name::new(new)?))
}

/// Takes a name and the path of a place apart.
///
/// # Errors
/// `EINVAL`.
pub fn parse_place(payload: &[u8]) -> Result<(Name<'_>, PlacePath<'_>), Error> {
    let (name, rest) = take_entry(payload)?;
    let (path, rest) = take_entry(rest)?;
    done(rest, (Name::new(name)?, PlacePath::new(path)?))
}

/// Accepts a mask of rights if every bit is known.
///
/// # Errors
/// `EINVAL`.
pub fn rights_from(raw: u64) -> Result<Rights, Error> {
    u32::try_from(raw)
        .ok()
        .and_then(Rights::from_bits)
        .ok_or(Error::MALFORMED)
}

fn done<T>(rest: &[u8], value: T) -> Result<T, Error> {
    if rest.is_empty() {
        Ok(value)
    } else {
        Err(Error::MALFORMED)
    }
}

#[inline]
fn take_word(bytes: &[u8]) -> Result<(usize, &[u8]), Error> {
    bytes
        .split_first_chunk::<WORD>()
        .map(|(word, rest)| (usize::from_ne_bytes(*word), rest))
        .ok_or(Error::MALFORMED)
}

#[inline]
fn take_entry(bytes: &[u8]) -> Result<(&[u8], &[u8]), Error> {
    let (length, rest) = take_word(bytes)?;
    rest.split_at_checked(length).ok_or(Error::MALFORMED)
}

#[cfg(test)]
mod tests {
    use super::*;
    use nsmgr_api as api;

    fn words(words: &[usize], tail: &[u8]) -> Vec<u8> {
        let mut bytes: Vec<u8> = words.iter().flat_map(|word| word.to_ne_bytes()).collect();
        bytes.extend_from_slice(tail);
        bytes
    }

    #[test]
    fn builders_and_parser_agree() {
        let name = Name::new(b"tcp").unwrap();
        let fork = api::fork_payload([&b"tcp"[..], b"tty*"]);
        let Ok(Ask::Fork {
            user: None,
            flags,
            entries,
        }) = parse(&fork)
        else {
            panic!("fork")
        };
        assert!(flags.is_empty());
        assert_eq!(entries.iter().collect::<Vec<_>>(), [&b"tcp"[..], b"tty*"]);
        let fork = api::fork_with_payload(ForkFlags::DESTROYABLE, [&b"tcp"[..]]);
        assert!(matches!(
            parse(&fork),
            Ok(Ask::Fork {
                user: None,
                flags: ForkFlags::DESTROYABLE,
                ..
            })
        ));
        let fork = api::fork_for_payload(1000, ForkFlags::SKIP_UNKNOWN, [&b"tcp"[..]]);
        assert!(matches!(
            parse(&fork),
            Ok(Ask::Fork {
                user: Some(1000),
                flags: ForkFlags::SKIP_UNKNOWN,
                ..
            })
        ));
        assert_eq!(
            parse(&api::shrink_payload(NsPermissions::LIST)),
            Ok(Ask::Shrink(NsPermissions::LIST))
        );
        assert_eq!(
            parse(&api::issue_register_payload(b"tcp")),
            Ok(Ask::Register {
                rights: Rights::FULL,
                flags: RegisterFlags::empty(),
                name,
                place: None
            })
        );
        assert_eq!(
            parse(&api::register_with_payload(
                Rights::READ_ONLY,
                RegisterFlags::BENEATH,
                b"tcp"
            )),
            Ok(Ask::Register {
                rights: Rights::READ_ONLY,
                flags: RegisterFlags::BENEATH,
                name,
                place: None
            })
        );
        assert_eq!(
            parse(&api::register_place_payload(
                Rights::READ_ONLY,
                b"tcp",
                b"/a/b"
            )),
            Ok(Ask::Register {
                rights: Rights::READ_ONLY,
                flags: RegisterFlags::empty(),
                name,
                place: PlacePath::new(b"/a/b").ok()
            })
        );
        assert_eq!(
            parse_place(&api::place_payload(b"tcp", b"/")).map(|(name, _)| name),
            Ok(name)
        );
        assert_eq!(parse(&api::watch_payload()), Ok(Ask::Watch));
        assert_eq!(
            parse_bind(&api::bind_payload(b"tcp", b"tcp")),
            Ok((name, name))
        );
    }

    #[test]
    fn malformed() {
        let table: &[(&str, Vec<u8>)] = &[
            ("empty", vec![]),
            ("short discriminant", vec![0; 7]),
            ("unknown low discriminant", words(&[3], &[])),
            ("unknown own discriminant", words(&[0x105], &[])),
            ("fork: no user", words(&[0x104], &[])),
            ("fork: no such user", words(&[0x104, 1 << 32, 0], &[])),
            ("place: nothing", words(&[0x103, 0, 0], b"")),
            ("place: no path", words(&[0x103, 0, 0, 1], b"a")),
            (
                "place: not a path",
                api::register_place_payload(Rights::FULL, b"a", b"b"),
            ),
            (
                "place: dots",
                api::register_place_payload(Rights::FULL, b"a", b"/b/.."),
            ),
            (
                "place: not a name",
                api::register_place_payload(Rights::FULL, b"..", b"/b"),
            ),
            ("huge discriminant", words(&[usize::MAX], &[])),
            ("fork: short length", words(&[0], &[1, 0, 0])),
            ("fork: length beyond the end", words(&[0, 5], b"file")),
            ("fork: length overflows", words(&[0, usize::MAX], b"file")),
            ("fork: second entry broken", words(&[0, 1], b"a\x09")),
            ("fork: unknown flag", words(&[0x100, 1 << 20], b"")),
            ("fork: no flags", words(&[0x100], b"")),
            ("shrink: nothing", words(&[1], b"")),
            ("shrink: short", words(&[1], &[0; 7])),
            ("shrink: surplus", words(&[1, 0], &[0])),
            ("register: no name", words(&[2], b"")),
            ("register: dot", words(&[2], b".")),
            ("register: dot dot", words(&[2], b"..")),
            ("register: reserved", words(&[2], b"namespace")),
            ("register: slash", words(&[2], b"a/b")),
            ("register: star", words(&[2], b"a*")),
            ("register: NUL", words(&[2], b"a\0")),
            ("register: not UTF-8", words(&[2], b"\xc3\x28")),
            ("register: too long", words(&[2], &[b'a'; 256])),
            ("register: unknown right", words(&[0x102, 1 << 31, 0], b"a")),
            (
                "register: right beyond 32 bits",
                words(&[0x102, 1 << 40, 0], b"a"),
            ),
            ("register: unknown flag", words(&[0x102, 0, 8], b"a")),
            ("watch: surplus", words(&[0x101], &[0])),
        ];
        for (what, payload) in table {
            assert_eq!(parse(payload), Err(Error::MALFORMED), "{what}");
        }
        assert_eq!(parse(&vec![0; MAX_PAYLOAD + 1]), Err(Error::TOO_BIG));
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_answered(kind in 0usize..0x110, tail in proptest::collection::vec(0u8.., 0..64)) {
            if let Ok(Ask::Fork { entries, .. }) = parse(&words(&[kind], &tail)) {
                let used: usize = entries.iter().map(|entry| entry.len() + WORD).sum();
                proptest::prop_assert!(used == tail.len() || used + WORD == tail.len() || used + 2 * WORD == tail.len());
            }
            let _ = parse(&tail);
            let _ = parse_bind(&tail);
        }
    }
}
