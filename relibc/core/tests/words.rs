//! Word expansion against the host's `wordexp`, in a folder of its own.

use std::collections::BTreeMap;
use std::ffi::{CString, c_char, c_int};

use relibc_core::glob;
use relibc_core::multibyte::Charset;
use relibc_core::words::{Options, Shell, expand};

#[repr(C)]
struct Result_ {
    count: usize,
    words: *mut *mut c_char,
    before: usize,
}

unsafe extern "C" {
    fn wordexp(text: *const c_char, out: *mut Result_, flags: c_int) -> c_int;
    fn wordfree(out: *mut Result_);
}

fn host(text: &str, flags: c_int) -> Result<Vec<String>, c_int> {
    let text = CString::new(text).unwrap();
    let mut out = Result_ {
        count: 0,
        words: std::ptr::null_mut(),
        before: 0,
    };
    // SAFETY: a string, and a structure that is filled.
    unsafe {
        match wordexp(text.as_ptr(), &mut out, flags) {
            0 => {
                let words = (0..out.count).map(|i| {
                    std::ffi::CStr::from_ptr(*out.words.add(i))
                        .to_str()
                        .unwrap()
                        .to_string()
                });
                let words = words.collect();
                wordfree(&mut out);
                Ok(words)
            }
            error => Err(error),
        }
    }
}

#[derive(Default)]
struct Mine {
    set: BTreeMap<Vec<u8>, Vec<u8>>,
    said: Vec<u8>,
}

struct Here;

impl glob::Files for Here {
    type Error = ();
    fn names(&mut self, folder: &[u8]) -> Result<Vec<Vec<u8>>, ()> {
        let path = std::str::from_utf8(folder).unwrap();
        Ok(std::fs::read_dir(path)
            .map(|d| {
                d.map(|e| e.unwrap().file_name().into_encoded_bytes())
                    .collect()
            })
            .unwrap_or_default())
    }
    fn exists(&mut self, path: &[u8]) -> bool {
        std::path::Path::new(std::str::from_utf8(path).unwrap()).exists()
    }
    fn is_folder(&mut self, path: &[u8]) -> bool {
        std::path::Path::new(std::str::from_utf8(path).unwrap()).is_dir()
    }
}

impl Shell for Mine {
    fn variable(&mut self, name: &[u8]) -> Option<Vec<u8>> {
        let own = self.set.get(name).cloned();
        own.or_else(|| {
            std::env::var(std::str::from_utf8(name).unwrap())
                .ok()
                .map(String::into_bytes)
        })
    }
    fn assign(&mut self, name: &[u8], value: &[u8]) {
        self.set.insert(name.to_vec(), value.to_vec());
    }
    fn home(&mut self, user: &[u8]) -> Option<Vec<u8>> {
        match user {
            b"" => self.variable(b"HOME"),
            b"root" => Some(b"/root".to_vec()),
            _ => None,
        }
    }
    fn command(&mut self, text: &[u8]) -> Option<Vec<u8>> {
        let out = std::process::Command::new("/bin/sh")
            .arg("-c")
            .arg(std::str::from_utf8(text).unwrap())
            .output();
        out.ok().map(|o| o.stdout)
    }
    fn paths(&mut self, pattern: &[u8]) -> Vec<Vec<u8>> {
        let options = glob::Options {
            no_escape: false,
            mark: false,
            charset: Charset::Utf8,
        };
        let mut found = glob::expand(pattern, options, &mut Here).unwrap();
        found.sort();
        found
    }
    fn complain(&mut self, text: &[u8]) {
        self.said = text.to_vec();
    }
}

fn ours(text: &str, flags: c_int, shell: &mut Mine) -> Result<Vec<String>, c_int> {
    let options = Options {
        no_commands: flags & 4 != 0,
        undefined: flags & 32 != 0,
        charset: Charset::Utf8,
    };
    let words = expand(text.as_bytes(), options, shell).map_err(|e| e as c_int)?;
    Ok(words
        .into_iter()
        .map(|w| String::from_utf8(w).unwrap())
        .collect())
}

const CASES: &[(&str, c_int)] = &[
    ("", 0),
    ("   ", 0),
    ("one two\tthree", 0),
    ("'one two' \"three four\" five\\ six", 0),
    ("a'b'\"c\"d", 0),
    ("'' \"\" x", 0),
    ("\"a\\$b\\\"c\\d\"", 0),
    ("$NAME ${NAME}x \"$NAME\"", 0),
    ("$SPACED", 0),
    ("\"$SPACED\"", 0),
    ("$UNSET a\"$UNSET\"b \"$UNSET\"", 0),
    ("$UNSET", 32),
    ("${UNSET:-other} ${EMPTY:-other} ${EMPTY-other}", 0),
    ("${NAME:+set} ${UNSET:+set}", 0),
    ("${UNSET2:=given}", 0),
    ("${NAME:?message}", 0),
    ("${#NAME} ${#UNSET}", 0),
    ("${FILE%.*} ${FILE%%.*} ${FILE#*/} ${FILE##*/}", 0),
    ("${FILE%.nothing}", 0),
    ("~ ~/x ~root ~root/y ~nobody-of-that-name/z", 0),
    ("a~ '~' x/~", 0),
    ("$((1 + 2 * 3)) $(( (4 - 1) * -2 ))", 0),
    ("$((7 / 2))x$((10 - 20))", 0),
    ("$(echo one two)", 0),
    ("\"$(echo one two)\"", 0),
    ("`echo back` x`echo y`z", 0),
    ("$(printf 'a\\n\\n\\n')", 0),
    ("$(echo $((1+1)))", 0),
    ("$(echo hidden)", 4),
    ("`echo hidden`", 4),
    ("*.c", 0),
    ("'*.c' \\*.c \"*.c\"", 0),
    ("*.nothing ?.c [ab].c", 0),
    ("\"$STARS\"", 0),
    ("a|b", 0),
    ("a&", 0),
    ("a;b", 0),
    ("<a", 0),
    ("a>b", 0),
    ("(a)", 0),
    ("{a}", 0),
    ("a\nb", 0),
    ("'a;b|c'", 0),
    ("\"open", 0),
    ("'open", 0),
    ("$(open", 0),
    ("${open", 0),
    ("`open", 0),
    ("$((1", 0),
    ("${a b}", 0),
    ("a\\\nb", 0),
    ("$", 0),
    ("a$ b", 0),
];

#[test]
fn the_same_as_the_hosts() {
    let root = std::env::temp_dir().join(format!("relibc-words-{}", std::process::id()));
    std::fs::create_dir_all(&root).unwrap();
    for name in ["a.c", "b.c", ".hidden.c", "long.c", "a.o"] {
        std::fs::write(root.join(name), "").unwrap();
    }
    std::env::set_current_dir(&root).unwrap();
    for (name, value) in [
        ("NAME", "value"),
        ("SPACED", " two  words "),
        ("EMPTY", ""),
        ("FILE", "dir/sub/name.tar.gz"),
        ("STARS", "*.c *.o"),
        ("HOME", "/home/me"),
    ] {
        // SAFETY: there is one test in this program.
        unsafe { std::env::set_var(name, value) };
    }
    let mut wrong = Vec::new();
    for (text, flags) in CASES {
        let (want, got) = (host(text, *flags), ours(text, *flags, &mut Mine::default()));
        if want != got {
            wrong.push(format!("{text:?} {flags}: {got:?}, host {want:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));

    // Here the host does not do as POSIX and every shell have it.
    for (text, words) in [
        ("x$SPACED'y'", &["x", "two", "words", "y"][..]),
        ("$STARS", &["a.c", "b.c", "long.c", "a.o"]),
    ] {
        assert_eq!(
            ours(text, 0, &mut Mine::default()).unwrap(),
            words,
            "{text}"
        );
    }
    let mut shell = Mine::default();
    assert_eq!(ours("${UNSET:?is gone}", 0, &mut shell), Err(3));
    assert_eq!(shell.said, b"UNSET: is gone");
    assert_eq!(
        ours("${FRESH:=kept} $FRESH", 0, &mut shell),
        Ok(vec!["kept".into(), "kept".into()])
    );
    // The host's arithmetic knows no more than the four operations.
    for (text, value) in [
        ("1 << 4 | 3", "19"),
        ("5 % 3 == 2 && !0", "1"),
        ("0x10 + 010", "24"),
        ("1 ? 2 : 3", "2"),
        ("~0", "-1"),
        ("N + 1", "8"),
        ("-N", "-7"),
        ("7 > 3 >= 1", "1"),
        ("", "0"),
    ] {
        shell.set.insert(b"N".to_vec(), b"7".to_vec());
        assert_eq!(
            ours(&format!("$(({text}))"), 0, &mut shell),
            Ok(vec![value.to_string()]),
            "{text}"
        );
    }
    for text in [
        "1 / 0",
        "1 +",
        "(1",
        "1 2",
        "08",
        "9223372036854775808888",
        "N = 3",
    ] {
        assert_eq!(
            ours(&format!("$(({text}))"), 0, &mut shell),
            Err(5),
            "{text}"
        );
    }
    shell.set.insert(b"IFS".to_vec(), b":".to_vec());
    shell.set.insert(b"LIST".to_vec(), b"a::b c:".to_vec());
    assert_eq!(
        ours("$LIST", 0, &mut shell),
        Ok(vec!["a".into(), String::new(), "b c".into()])
    );
    let deep = format!("{}x{}", "${U:-".repeat(500), "}".repeat(500));
    assert_eq!(ours(&deep, 0, &mut shell), Err(5));
    std::fs::remove_dir_all(&root).unwrap();
}
