//! Regular expressions: a table, and the host's `regexec` on random patterns.

mod common;

use common::Rng;
use relibc_core::multibyte::Charset;
use relibc_core::regex::{Error, Flags, Options, Regex};
use std::ffi::CString;

type Groups = Option<Vec<Option<(usize, usize)>>>;

fn run(pattern: &str, text: &str, options: Options) -> Result<Groups, Error> {
    let r = Regex::new(pattern.as_bytes(), options)?;
    r.find(text.as_bytes(), r.groups() + 1, Flags::default())
}

fn ere() -> Options {
    Options {
        extended: true,
        charset: Charset::Utf8,
        ..Options::default()
    }
}

fn show(groups: &Groups) -> String {
    match groups {
        None => "-".into(),
        Some(g) => g
            .iter()
            .map(|s| s.map_or("(?,?)".into(), |(a, b)| format!("({a},{b})")))
            .collect(),
    }
}

#[test]
fn extended_table() {
    for (pattern, text, want) in [
        ("abracadabra$", "abracadabracadabra", "(7,18)"),
        ("a...b", "abababbb", "(2,7)"),
        ("XXXXXX", "..XXXXXX", "(2,8)"),
        ("a.*c", "abcabc", "(0,6)"),
        ("a|ab|abc", "xabcd", "(1,4)"),
        ("(a|ab)(c|bcd)(d*)", "abcd", "(0,4)(0,2)(2,3)(3,4)"),
        ("(a|ab)(bcd|c)(d*)", "abcd", "(0,4)(0,2)(2,3)(3,4)"),
        ("(ab|a)(c|bcd)(d*)", "abcd", "(0,4)(0,2)(2,3)(3,4)"),
        ("(a*)(b|abc)(c*)", "abc", "(0,3)(0,1)(1,2)(2,3)"),
        ("(a*)(abc|b)(c*)", "abc", "(0,3)(0,1)(1,2)(2,3)"),
        ("(a|ab)(c|bcd)*", "abcd", "(0,4)(0,1)(1,4)"),
        ("(..)*(...)*", "abcdefg", "(0,7)(2,4)(4,7)"),
        ("(.a|.b).*|.*(.a|.b)", "xa", "(0,2)(0,2)(?,?)"),
        ("(a)?b", "b", "(0,1)(?,?)"),
        ("(a*)*", "b", "(0,0)(0,0)"),
        ("(a*)+", "b", "(0,0)(0,0)"),
        ("((a)|(b))*", "ab", "(0,2)(1,2)(?,?)(1,2)"),
        ("x{2,3}", "xxxx", "(0,3)"),
        ("x{2}{2}", "xxxxx", "(0,4)"),
        ("(ab){2,}", "abababx", "(0,6)(4,6)"),
        ("a{,2}b", "aaab", "(1,4)"),
        ("^", "x", "(0,0)"),
        ("$", "x", "(1,1)"),
        ("^$", "", "(0,0)"),
        ("a^b", "a^b", "-"),
        ("()", "a", "(0,0)(0,0)"),
        ("a||b", "b", "(0,1)"),
        ("[[:alpha:]]+[[:digit:]]*", "--ab12", "(2,6)"),
        ("[]a]+", "x]a]", "(1,4)"),
        ("[^]a]", "]ab", "(2,3)"),
        ("[a-]+", "x-a", "(1,3)"),
        ("[[.-.]]", "a-", "(1,2)"),
        ("[[=a=]b]", "xb", "(1,2)"),
        ("\\.", "a.", "(1,2)"),
        ("é.", "xéà", "(1,5)"),
        ("[à-ü]+", "xéèy", "(1,5)"),
        ("\\<b[a-z]*\\>", "abc bcd", "(4,7)"),
        ("\\w+\\W", "ab cd", "(0,3)"),
        ("(a)\\1", "baa", "(1,3)(1,2)"),
        ("a{x", "a{x", "(0,3)"),
        ("(foo|foobar)(bar)?", "foobar", "(0,6)(0,6)(?,?)"),
    ] {
        assert_eq!(
            show(&run(pattern, text, ere()).unwrap_or_else(|e| panic!("{pattern}: {e:?}"))),
            want,
            "{pattern} on {text}"
        );
    }
}

#[test]
fn basic_table() {
    let options = Options {
        charset: Charset::Utf8,
        ..Options::default()
    };
    for (pattern, text, want) in [
        ("*a", "x*a", "(1,3)"),
        ("^*a", "*a", "(0,2)"),
        ("\\(*a\\)", "*a", "(0,2)(0,2)"),
        ("a\\{2,3\\}", "aaaa", "(0,3)"),
        ("a{2}", "a{2}", "(0,4)"),
        ("\\(a*\\)b\\1", "aabaa", "(0,5)(0,2)"),
        ("\\(.\\)\\1", "abccd", "(2,4)(2,3)"),
        ("a+", "a+", "(0,2)"),
        ("a\\+", "aaa", "(0,3)"),
        ("a\\|b", "b", "(0,1)"),
        ("a$b", "a$b", "(0,3)"),
        ("a^b", "a^b", "(0,3)"),
        ("\\(^a\\)", "ba", "-"),
        ("\\(a$\\)", "ba", "(1,2)(1,2)"),
        ("a\\.b", "a.b", "(0,3)"),
        ("\\(\\(a\\)*b\\)*\\2", "aba", "(0,3)(0,2)(0,1)"),
    ] {
        assert_eq!(
            show(&run(pattern, text, options).unwrap_or_else(|e| panic!("{pattern}: {e:?}"))),
            want,
            "{pattern} on {text}"
        );
    }
}

#[test]
fn flags_and_faults() {
    let newline = Options {
        newline: true,
        ..ere()
    };
    assert_eq!(show(&run("^b.*$", "a\nbc\nd", newline).unwrap()), "(2,4)");
    assert_eq!(show(&run("[^x]+", "a\nb", newline).unwrap()), "(0,1)");
    assert_eq!(
        show(
            &run(
                "É[x-z]",
                "éY",
                Options {
                    ignore_case: true,
                    ..ere()
                }
            )
            .unwrap()
        ),
        "(0,3)"
    );
    let r = Regex::new(b"^a|b$", ere()).unwrap();
    assert_eq!(
        r.find(
            b"ab",
            1,
            Flags {
                not_begin: true,
                not_end: true
            }
        )
        .unwrap(),
        None
    );
    for (pattern, want) in [
        ("[a", Error::Bracket),
        ("[[:foo:]]", Error::Class),
        ("[[.ab.]]", Error::Collate),
        ("[b-a]", Error::Range),
        ("(a", Error::Parenthesis),
        ("a\\", Error::Escape),
        ("*a", Error::Repeat),
        ("a{3,2}", Error::Count),
        ("a{256}", Error::Count),
        ("a{1", Error::Brace),
        ("(a)\\2", Error::Subexpression),
        ("(a\\1)", Error::Subexpression),
        ("((((a{255}){255}){255}){255})", Error::Space),
        ("+", Error::Repeat),
        ("a|*", Error::Repeat),
    ] {
        assert_eq!(
            Regex::new(pattern.as_bytes(), ere()).err(),
            Some(want),
            "{pattern}"
        );
    }
    for (pattern, want) in [
        ("\\(a", Error::Parenthesis),
        ("a\\)", Error::Parenthesis),
        ("a\\{1", Error::Brace),
        ("a\\{x\\}", Error::Count),
        ("\\{1\\}", Error::Repeat),
    ] {
        assert_eq!(
            Regex::new(pattern.as_bytes(), Options::default()).err(),
            Some(want),
            "{pattern}"
        );
    }
    let deep = "(".repeat(10_000);
    assert_eq!(Regex::new(deep.as_bytes(), ere()).err(), Some(Error::Space));
}

#[test]
fn hard_patterns_finish() {
    let text = "a".repeat(3000);
    for pattern in [
        "(a*)*b",
        "(a|aa)+$",
        "(a?){200}a{200}",
        "(.*)(.*)(.*)x",
        "((a*)*)*$",
    ] {
        run(pattern, &text, ere()).unwrap();
    }
    assert_eq!(
        run("((a*)*\\2)*b", &"a".repeat(60), ere()),
        Err(Error::Space)
    );
}

struct Host(libc::regex_t);

impl Drop for Host {
    fn drop(&mut self) {
        // SAFETY: compiled by `regcomp`.
        unsafe { libc::regfree(&mut self.0) }
    }
}

fn host(pattern: &str, text: &str, extended: bool, groups: usize) -> Option<Groups> {
    let (p, t) = (CString::new(pattern).unwrap(), CString::new(text).unwrap());
    // SAFETY: all zero is a value; the pointers are to C strings and to as many matches as named.
    unsafe {
        let mut r: libc::regex_t = std::mem::zeroed();
        if libc::regcomp(
            &mut r,
            p.as_ptr(),
            if extended { libc::REG_EXTENDED } else { 0 },
        ) != 0
        {
            return None;
        }
        let r = Host(r);
        let mut m: Vec<libc::regmatch_t> = vec![
            libc::regmatch_t {
                rm_so: -1,
                rm_eo: -1
            };
            groups + 1
        ];
        if libc::regexec(&r.0, t.as_ptr(), m.len(), m.as_mut_ptr(), 0) != 0 {
            return Some(None);
        }
        Some(Some(
            m.iter()
                .map(|s| (s.rm_so >= 0).then_some((s.rm_so as usize, s.rm_eo as usize)))
                .collect(),
        ))
    }
}

fn pattern(rng: &mut Rng, depth: u32, extended: bool, repeat_groups: bool) -> String {
    let mut out = String::new();
    let op = |c: &str| {
        if extended {
            c.to_string()
        } else {
            format!("\\{c}")
        }
    };
    for _ in 0..rng.below(4) + 1 {
        let kind = rng.below(if depth > 2 { 6 } else { 9 });
        match kind {
            0..=3 => out.push(rng.pick(b"abc") as char),
            4 => out.push('.'),
            5 => out += rng.pick(&["[ab]", "[^a]", "[b-c]", "[[:alpha:]]"]),
            6 | 7 => {
                out += &format!(
                    "{}{}{}",
                    op("("),
                    pattern(rng, depth + 1, extended, repeat_groups),
                    op(")")
                )
            }
            _ => {
                let (a, b) = (
                    pattern(rng, depth + 1, extended, repeat_groups),
                    pattern(rng, depth + 1, extended, repeat_groups),
                );
                out += &format!("{}{a}{}{b}{}", op("("), op("|"), op(")"));
            }
        }
        if kind > 5 && !repeat_groups {
            continue;
        }
        match rng.below(6) {
            0 => out.push('*'),
            1 => out += &op("?"),
            2 if rng.below(2) == 0 => out += &op("+"),
            3 if rng.below(3) == 0 => {
                out += &format!(
                    "{}{},{}{}",
                    op("{"),
                    rng.below(2),
                    rng.below(2) + 1,
                    op("}")
                )
            }
            _ => {}
        }
    }
    out
}

fn compare(seed: u64, cases: u32, repeat_groups: bool) -> u32 {
    let mut rng = Rng(seed);
    let mut groups_differ = 0;
    for _ in 0..cases {
        let extended = rng.below(3) != 0;
        let mut p = pattern(&mut rng, 0, extended, repeat_groups);
        if rng.below(6) == 0 {
            p.insert(0, '^');
        }
        if rng.below(6) == 0 {
            p.push('$');
        }
        let text: String = (0..rng.below(10))
            .map(|_| rng.pick(b"abcabx") as char)
            .collect();
        let ours = Regex::new(
            p.as_bytes(),
            Options {
                extended,
                ..Options::default()
            },
        )
        .unwrap_or_else(|e| panic!("{p}: {e:?}"));
        let got = ours
            .find(text.as_bytes(), ours.groups() + 1, Flags::default())
            .unwrap();
        let Some(want) = host(
            &p,
            &text,
            extended,
            if repeat_groups { 0 } else { ours.groups() },
        ) else {
            panic!("host refuses {p}")
        };
        assert_eq!(
            got.as_ref().map(|g| g[0]),
            want.as_ref().map(|g| g[0]),
            "{p} on {text}"
        );
        groups_differ += u32::from(!repeat_groups && got != want);
    }
    groups_differ
}

#[test]
fn random_patterns_match_the_host() {
    // Extents only: the host's search for submatches under nested repetition may never end.
    compare(40, 20_000, true);
}

#[test]
fn random_groups_match_the_host() {
    // The host gives each group as much as the search order of its own finds, which is not always
    // the leftmost-longest assignment; the table above holds ours to the standard.
    let differ = compare(42, 20_000, false);
    assert!(differ < 200, "{differ} differ");
}

#[test]
fn random_garbage_never_panics() {
    let mut rng = Rng(41);
    for _ in 0..30_000 {
        let p: Vec<u8> = (0..rng.below(12))
            .map(|_| rng.pick(b"ab\\()[]{}*+?|^$.,12-:=\xc3\xa9\xff"))
            .collect();
        let t: Vec<u8> = (0..rng.below(12))
            .map(|_| rng.pick(b"ab()[]1\n\xc3\xa9\xff"))
            .collect();
        for extended in [false, true] {
            if let Ok(r) = Regex::new(
                &p,
                Options {
                    extended,
                    newline: rng.below(2) == 0,
                    ignore_case: rng.below(2) == 0,
                    charset: Charset::Utf8,
                },
            ) {
                let _ = r.find(&t, 20, Flags::default());
            }
        }
    }
}
