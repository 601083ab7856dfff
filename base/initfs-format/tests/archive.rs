//! The reader against the writer, against hand-made archives, and against noise.
#![cfg(feature = "std")]

use initfs::{Archive, Builder, Error, Kind, Reason};
use proptest::prelude::*;

/// A header and name with the given fields, padded; sizes are written as given.
fn entry(
    mode: &str,
    links: &str,
    size: &str,
    name_size: &str,
    name: &[u8],
    data: &[u8],
) -> Vec<u8> {
    let z = "00000000";
    let mut out =
        format!("070701{z}{mode}{z}{z}{links}{z}{size}{z}{z}{z}{z}{name_size}{z}").into_bytes();
    out.extend(name);
    out.resize(out.len().next_multiple_of(4), 0);
    out.extend(data);
    out.resize(out.len().next_multiple_of(4), 0);
    out
}

fn trailer() -> Vec<u8> {
    entry(
        "00000000",
        "00000001",
        "00000000",
        "0000000b",
        b"TRAILER!!!\0",
        b"",
    )
}

fn with_trailer(mut bytes: Vec<u8>) -> Vec<u8> {
    bytes.extend(trailer());
    bytes
}

const FILE: &str = "000081a4";
const DIR: &str = "000041ed";
const LINK: &str = "0000a1ff";
const ONE: &str = "00000001";

#[test]
fn malformed_archives_say_what_and_where() {
    let good = entry(FILE, ONE, "00000002", "00000002", b"a\0", b"hi");
    let after_good = |bytes: &[u8]| [good.as_slice(), bytes].concat();
    let at = good.len();
    let cases: Vec<(&str, Vec<u8>, usize, Reason)> = vec![
        ("empty", vec![], 0, Reason::Truncated),
        ("no trailer", good.clone(), at, Reason::Truncated),
        ("header cut", good[..109].to_vec(), 0, Reason::Truncated),
        (
            "data cut",
            good[..good.len() - 3].to_vec(),
            0,
            Reason::Truncated,
        ),
        ("old magic", after_good(&[b'0'; 110]), at, Reason::BadMagic),
        (
            "sign in a number",
            entry("+00081a4", ONE, "00000000", "00000002", b"a\0", b""),
            0,
            Reason::BadNumber,
        ),
        (
            "size past the end",
            entry(FILE, ONE, "ffffffff", "00000002", b"a\0", b""),
            0,
            Reason::Truncated,
        ),
        (
            "name past the end",
            entry(FILE, ONE, "00000000", "ffffffff", b"a\0", b""),
            0,
            Reason::Truncated,
        ),
        (
            "name without NUL",
            entry(FILE, ONE, "00000000", "00000002", b"ab", b""),
            0,
            Reason::BadName,
        ),
        (
            "no name at all",
            entry(FILE, ONE, "00000000", "00000000", b"", b""),
            0,
            Reason::BadName,
        ),
        (
            "name not UTF-8",
            entry(FILE, ONE, "00000000", "00000002", b"\xff\0", b""),
            0,
            Reason::BadName,
        ),
        (
            "climbing",
            entry(FILE, ONE, "00000000", "00000005", b"../a\0", b""),
            0,
            Reason::BadName,
        ),
        (
            "climbing inside",
            entry(FILE, ONE, "00000000", "00000007", b"b/../a\0", b""),
            0,
            Reason::BadName,
        ),
        (
            "empty component",
            entry(FILE, ONE, "00000000", "00000005", b"b//a\0", b""),
            0,
            Reason::BadName,
        ),
        (
            "trailing slash",
            entry(DIR, ONE, "00000000", "00000003", b"b/\0", b""),
            0,
            Reason::BadName,
        ),
        (
            "hard link",
            entry(FILE, "00000002", "00000000", "00000002", b"a\0", b""),
            0,
            Reason::HardLink,
        ),
        (
            "empty target",
            entry(LINK, ONE, "00000000", "00000002", b"a\0", b""),
            0,
            Reason::BadTarget,
        ),
        (
            "target not UTF-8",
            entry(LINK, ONE, "00000001", "00000002", b"a\0", b"\xff"),
            0,
            Reason::BadTarget,
        ),
    ];
    for (name, bytes, offset, reason) in cases {
        let bytes = if reason == Reason::Truncated {
            bytes
        } else {
            with_trailer(bytes)
        };
        assert_eq!(
            Archive::new(&bytes).err(),
            Some(Error { offset, reason }),
            "{name}"
        );
    }
}

#[test]
fn names_are_normalised_as_other_archivers_write_them() {
    for (written, read) in [
        ("a", "a"),
        ("./a", "a"),
        ("/a", "a"),
        (".", ""),
        ("././/a/b", "a/b"),
    ] {
        let size = format!("{:08x}", written.len() + 1);
        let name = format!("{written}\0");
        let bytes = with_trailer(entry(
            DIR,
            "00000002",
            "00000000",
            &size,
            name.as_bytes(),
            b"",
        ));
        let archive = Archive::new(&bytes).unwrap();
        let paths: Vec<_> = archive.entries().map(|e| e.path).collect();
        assert_eq!(paths, [read], "{written}");
    }
}

#[test]
fn a_written_tree_reads_back() {
    let mut builder = Builder::new();
    builder
        .file("bin/init", 0o755, b"program".to_vec())
        .unwrap();
    builder.link("sbin", "bin").unwrap();
    builder.directory("bin", 0o711).unwrap();
    builder.file("etc/a/b", 0o600, vec![]).unwrap();
    let bytes = builder.finish();
    let archive = Archive::new(&bytes).unwrap();
    let all: Vec<_> = archive
        .entries()
        .map(|e| (e.path, e.mode, e.kind))
        .collect();
    assert_eq!(
        all,
        [
            ("bin", 0o40711, Kind::Directory),
            ("bin/init", 0o100755, Kind::File(b"program")),
            ("etc", 0o40755, Kind::Directory),
            ("etc/a", 0o40755, Kind::Directory),
            ("etc/a/b", 0o100600, Kind::File(b"")),
            ("sbin", 0o120777, Kind::Link("bin")),
        ]
    );
    assert_eq!(
        archive.lookup("/bin/init").unwrap().kind,
        Kind::File(b"program")
    );
    assert_eq!(archive.lookup("bin/ini"), None);
    let names = |dir| {
        archive
            .children(dir)
            .map(|(name, _)| name)
            .collect::<Vec<_>>()
    };
    assert_eq!(names(""), ["bin", "etc", "sbin"]);
    assert_eq!(names("/etc/"), ["a"]);
    assert_eq!(names("bin/init"), [] as [&str; 0]);
}

#[test]
fn of_two_entries_with_one_path_the_last_counts() {
    let first = entry(FILE, ONE, "00000001", "00000002", b"a\0", b"1");
    let second = entry(FILE, ONE, "00000001", "00000002", b"a\0", b"2");
    let bytes = with_trailer([first, second].concat());
    let archive = Archive::new(&bytes).unwrap();
    assert_eq!(archive.lookup("a").unwrap().kind, Kind::File(b"2"));
}

#[test]
fn the_writer_refuses_what_the_reader_would() {
    for path in [
        "",
        "/a",
        "a/",
        "a//b",
        "../a",
        "a/./b",
        "a\0b",
        "TRAILER!!!",
    ] {
        assert!(
            Builder::new().file(path, 0o644, vec![]).is_err(),
            "{path:?}"
        );
    }
    let mut builder = Builder::new();
    builder.file("a", 0o644, vec![]).unwrap();
    for path in ["a", "a/b"] {
        assert!(builder.file(path, 0o644, vec![]).is_err(), "{path:?}");
    }
    assert!(builder.directory("a", 0o755).is_err());
    assert!(builder.link("b", "").is_err());
}

proptest! {
    #[test]
    fn noise_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = Archive::new(&bytes).map(|a| a.entries().count());
    }

    /// Damage to a good archive is either refused or leaves entries inside the archive.
    #[test]
    fn damage_never_panics(at in 0usize..700, value in any::<u8>(), cut in 0usize..700) {
        let mut builder = Builder::new();
        builder.file("a/b", 0o644, vec![7; 100]).unwrap();
        builder.link("c", "a").unwrap();
        let mut bytes = builder.finish();
        let len = bytes.len();
        bytes[at % len] = value;
        bytes.truncate(len - cut % 8);
        if let Ok(archive) = Archive::new(&bytes) {
            for entry in archive.entries() {
                prop_assert!(initfs::is_canonical(entry.path));
            }
        }
    }

    #[test]
    fn any_tree_reads_back_whatever_the_order(
        files in proptest::collection::btree_map("[a-z]{1,3}(/[a-z]{1,3}){0,2}", proptest::collection::vec(any::<u8>(), 0..50), 0..12)
    ) {
        let build = |names: &mut dyn Iterator<Item = (&String, &Vec<u8>)>| {
            let mut builder = Builder::new();
            let mut stored = Vec::new();
            for (path, data) in names {
                if builder.file(path, 0o644, data.clone()).is_ok() {
                    stored.push((path.clone(), data.clone()));
                }
            }
            (builder.finish(), stored)
        };
        let (bytes, stored) = build(&mut files.iter());
        let archive = Archive::new(&bytes).unwrap();
        for (path, data) in &stored {
            prop_assert_eq!(archive.lookup(path).unwrap().kind, Kind::File(data));
        }
        if stored.len() == files.len() {
            prop_assert_eq!(build(&mut files.iter().rev()).0, bytes);
        }
    }
}
