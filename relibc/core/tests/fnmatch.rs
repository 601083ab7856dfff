//! File-name patterns and option parsing against the host.

mod common;

use common::Rng;
use relibc_core::fnmatch::{Flags, characters, is_magic, matches, unescape};
use relibc_core::getopt::{Found, Long, Position, next};
use relibc_core::multibyte::Charset;
use std::ffi::{CStr, CString};

#[test]
fn random_patterns_match_the_host() {
    let mut rng = Rng(50);
    for _ in 0..100_000 {
        let pattern: String = (0..rng.below(8))
            .map(|_| {
                rng.pick(&[
                    "a",
                    "b",
                    "*",
                    "?",
                    "[ab]",
                    "[!a]",
                    "[^b]",
                    "[a-c]",
                    ".",
                    "/",
                    "\\*",
                    "\\a",
                    "A",
                    "[[:upper:]]",
                    "[",
                    "]",
                ])
            })
            .collect();
        let text: String = (0..rng.below(8))
            .map(|_| rng.pick(b"aabbc./A*") as char)
            .collect();
        let bits = rng.below(32) as i32;
        let flags = Flags {
            pathname: bits & 1 != 0,
            no_escape: bits & 2 != 0,
            period: bits & 4 != 0,
            leading_dir: bits & 8 != 0,
            case_fold: bits & 16 != 0,
        };
        let (p, t) = (
            CString::new(pattern.clone()).unwrap(),
            CString::new(text.clone()).unwrap(),
        );
        // SAFETY: two C strings.
        let want = unsafe { libc::fnmatch(p.as_ptr(), t.as_ptr(), bits) } == 0;
        // What an open or slash-bearing bracket means is undefined, and the host's folding of classes its own.
        let odd = pattern
            .replace("[[:upper:]]", "")
            .replace("[ab]", "")
            .replace("[!a]", "")
            .replace("[^b]", "")
            .replace("[a-c]", "")
            .contains('[')
            || (flags.case_fold && pattern.contains(":upper:"));
        let got = matches(
            &characters(pattern.as_bytes(), Charset::C),
            &characters(text.as_bytes(), Charset::C),
            flags,
        );
        if !odd {
            assert_eq!(got, want, "{pattern:?} on {text:?} with {flags:?}");
        }
    }
}

#[test]
fn table() {
    let m = |p: &str, t: &str, flags| {
        matches(
            &characters(p.as_bytes(), Charset::Utf8),
            &characters(t.as_bytes(), Charset::Utf8),
            flags,
        )
    };
    let plain = Flags::default();
    assert!(m("?[é-ü]*", "xéy", plain));
    assert!(m("[", "[", plain) && m("[a", "[a", plain) && !m("\\", "\\", plain));
    assert!(m(
        "a[/]b",
        "a[/]b",
        Flags {
            pathname: true,
            ..plain
        }
    ));
    assert!(
        !m(
            "*",
            ".x",
            Flags {
                period: true,
                ..plain
            }
        ) && m(
            "*/.*",
            "a/.x",
            Flags {
                period: true,
                pathname: true,
                ..plain
            }
        )
    );
    assert!(m(
        "a*",
        "abc/def",
        Flags {
            leading_dir: true,
            pathname: true,
            ..plain
        }
    ));
    // Work stays within the product of the lengths.
    let text = "a".repeat(20_000);
    assert!(!m(&"*a".repeat(200).replace("*a*", "*a*b*"), &text, plain));
    assert!(is_magic(b"a*", false) && !is_magic(b"a\\*", false) && is_magic(b"a\\*", true));
    assert_eq!(unescape(b"a\\*\\\\b", false), b"a*\\b");
}

unsafe extern "C" {
    static mut optind: libc::c_int;
    static mut opterr: libc::c_int;
    static mut optarg: *mut libc::c_char;
    fn getopt_long(
        argc: libc::c_int,
        argv: *const *mut libc::c_char,
        short: *const libc::c_char,
        long: *const HostLong,
        index: *mut libc::c_int,
    ) -> libc::c_int;
}

#[repr(C)]
struct HostLong(
    *const libc::c_char,
    libc::c_int,
    *mut libc::c_int,
    libc::c_int,
);

#[test]
fn options_match_the_host() {
    let mut rng = Rng(51);
    let names = [
        (c"alpha", 0),
        (c"beta", 1),
        (c"gamma", 2),
        (c"alpine", 0),
        (c"b", 0),
    ];
    let long: Vec<Long> = names
        .iter()
        .enumerate()
        .map(|(i, (n, a))| Long {
            name: n.to_bytes(),
            argument: *a,
            identity: (0, 0, 1000 + i as i32),
        })
        .collect();
    let mut host_long: Vec<HostLong> = names
        .iter()
        .enumerate()
        .map(|(i, (n, a))| HostLong(n.as_ptr(), *a, std::ptr::null_mut(), 1000 + i as i32))
        .collect();
    host_long.push(HostLong(std::ptr::null(), 0, std::ptr::null_mut(), 0));
    for _ in 0..30_000 {
        let short = rng.pick(&["abc:d::", "+abc:d::", "-abc:d::", ":abc:d::", "-:ac:"]);
        let mut args: Vec<CString> = vec![c"prog".to_owned()];
        for _ in 0..rng.below(7) {
            args.push(
                CString::new(rng.pick(&[
                    "-a",
                    "-b",
                    "-ab",
                    "-c",
                    "-cX",
                    "-acb",
                    "-d",
                    "-dY",
                    "x",
                    "y",
                    "-",
                    "--",
                    "-z",
                    "--alpha",
                    "--alp",
                    "--alph",
                    "--beta",
                    "--beta=1",
                    "--gamma",
                    "--gamma=2",
                    "--alpha=3",
                    "--no",
                    "--b",
                    "--be",
                ]))
                .unwrap(),
            );
        }
        let mut argv: Vec<*mut libc::c_char> = args.iter().map(|a| a.as_ptr().cast_mut()).collect();
        argv.push(std::ptr::null_mut());
        let s = CString::new(short).unwrap();
        let mut mine: Vec<Vec<u8>> = args.iter().map(|a| a.to_bytes().to_vec()).collect();
        let mut at = Position::default();
        // SAFETY: only this test uses the host's state; the arrays end as C wants them to.
        unsafe {
            optind = 0;
            opterr = 0;
            loop {
                optarg = std::ptr::null_mut();
                let want = getopt_long(
                    args.len() as i32,
                    argv.as_ptr(),
                    s.as_ptr(),
                    host_long.as_ptr(),
                    std::ptr::null_mut(),
                );
                let arg = (!optarg.is_null()).then(|| CStr::from_ptr(optarg).to_bytes().to_vec());
                let missing = if short.trim_start_matches(['-', '+']).starts_with(':') {
                    b':'
                } else {
                    b'?'
                };
                let found = next(&mut mine, short.as_bytes(), &long, false, false, &mut at);
                let (code, value) = match found {
                    Found::End => (-1, None),
                    Found::Operand(v) => (1, Some(v)),
                    Found::Short(c, v) => (c.into(), v),
                    Found::Long(i, v) => (1000 + i as i32, v),
                    Found::MissingShort(_) | Found::MissingLong(_) => (missing.into(), None),
                    _ => (b'?'.into(), None),
                };
                let value = value.map(|v| mine[v.index][v.offset..].to_vec());
                assert_eq!((code, value), (want, arg), "{short} {args:?}: {found:?}");
                let index = optind;
                assert_eq!(
                    at.index as i32, index,
                    "{short} {args:?}: index after {found:?}"
                );
                if want == -1 {
                    break;
                }
            }
            let order: Vec<Vec<u8>> = argv[..args.len()]
                .iter()
                .map(|a| CStr::from_ptr(*a).to_bytes().to_vec())
                .collect();
            assert_eq!(mine, order, "{short} {args:?}");
        }
    }
}
