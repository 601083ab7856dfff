//! The formatting engine against the host's `snprintf`, and a table of its own.

mod common;

use common::Rng;
use relibc_core::errno::Errno;
use relibc_core::float::Float;
use relibc_core::multibyte::Charset;
use relibc_core::printf::{Host, Options, Type, Value, format};
use std::ffi::CString;

/// Arguments by value; strings are indices into `strings`, shifted by one so that none is null.
#[derive(Default)]
struct Program {
    arguments: Vec<Value>,
    next: usize,
    strings: Vec<Vec<u8>>,
    wides: Vec<Vec<u32>>,
    stored: Vec<(usize, usize, i64)>,
    out: Vec<u8>,
}

impl Host for Program {
    fn argument(&mut self, kind: Type) -> Value {
        let value = self.arguments[self.next];
        self.next += 1;
        match (kind, value) {
            (Type::Int | Type::Long, Value::Int(_))
            | (Type::Double | Type::LongDouble, Value::Float(_))
            | (Type::Pointer, Value::Pointer(_)) => value,
            other => panic!("argument {} fetched as {other:?}", self.next - 1),
        }
    }
    fn string(&mut self, address: usize, limit: usize) -> Vec<u8> {
        let s = &self.strings[address - 1];
        s[..s.len().min(limit)].to_vec()
    }
    fn wide_string(&mut self, address: usize, limit: usize) -> Vec<u32> {
        let s = &self.wides[address - 1];
        s[..s.len().min(limit)].to_vec()
    }
    fn store(&mut self, address: usize, bytes: usize, value: i64) {
        self.stored.push((address, bytes, value));
    }
    fn put(&mut self, text: &[u8]) -> Result<(), Errno> {
        self.out.extend_from_slice(text);
        Ok(())
    }
}

fn ours(f: &str, arguments: Vec<Value>) -> Result<String, Errno> {
    let mut p = Program {
        arguments,
        strings: vec![b"hello".to_vec(), b"".to_vec()],
        wides: vec![vec![0xe9, 0x4e2d, 0x41], vec![0xe9, 0xd800]],
        ..Program::default()
    };
    let n = format(
        &mut p,
        f.as_bytes(),
        Options {
            charset: Charset::Utf8,
            ..Options::default()
        },
    )?;
    assert_eq!(n as usize, p.out.len());
    Ok(String::from_utf8(p.out).unwrap())
}

macro_rules! host {
    ($f:expr $(, $a:expr)*) => {{
        let f = CString::new($f).unwrap();
        let mut buffer = vec![0u8; 4096];
        // SAFETY: the buffer's length is given, and the arguments are those the format names.
        let n = unsafe { libc::snprintf(buffer.as_mut_ptr().cast(), buffer.len(), f.as_ptr() $(, $a)*) };
        assert!(n >= 0 && (n as usize) < buffer.len());
        buffer.truncate(n as usize);
        String::from_utf8(buffer).unwrap()
    }};
}

fn flags(rng: &mut Rng) -> String {
    let mut f = String::new();
    for c in ['-', '+', ' ', '#', '0'] {
        if rng.below(4) == 0 {
            f.push(c);
        }
    }
    if rng.below(2) == 0 {
        f += &rng.below(30).to_string();
    }
    f
}

#[test]
fn doubles_match_the_host() {
    let mut rng = Rng(1);
    for case in 0..50_000 {
        let v = rng.double();
        let mut f = format!("%{}", flags(&mut rng));
        match rng.below(4) {
            0 => {}
            1 => f += ".",
            2 => f += &format!(".{}", rng.below(6)),
            _ => f += &format!(".{}", rng.below(40)),
        }
        f.push(rng.pick(&['a', 'A', 'e', 'E', 'f', 'F', 'g', 'G']));
        let got = ours(&f, vec![Value::Float(Float::from_f64(v))]).unwrap();
        let want = host!(f.as_str(), v);
        if got != want && f.contains('#') && f.ends_with(['g', 'G']) && want.contains(['e', 'E']) {
            // The host loses zeros when rounding carries into a new digit ("%#.2g" of 99.95 prints
            // "1.e+02"); C asks for as many significant digits as the precision says.
            assert!(
                got.contains(".0")
                    && got.replacen('0', "", 60).len() <= want.replacen('0', "", 60).len(),
                "{f} of {v:e}: {got:?} {want:?}"
            );
            continue;
        }
        assert_eq!(got, want, "case {case}: {f} of {v:e} ({:#x})", v.to_bits());
    }
}

#[test]
fn integers_match_the_host() {
    let mut rng = Rng(2);
    for _ in 0..20_000 {
        let v = match rng.below(3) {
            0 => rng.next() as i64,
            1 => rng.below(200) as i64 - 100,
            _ => rng.pick(&[
                0,
                1,
                -1,
                i64::MIN,
                i64::MAX,
                i64::from(i32::MIN),
                0x8000_0000,
            ]),
        };
        let mut f = format!("%{}", flags(&mut rng));
        if rng.below(2) == 0 {
            f += &format!(".{}", rng.below(25));
        }
        let (length, value) = rng.pick(&[
            ("hh", v),
            ("h", v),
            ("", v),
            ("l", v),
            ("ll", v),
            ("j", v),
            ("z", v),
            ("t", v),
        ]);
        f += length;
        f.push(rng.pick(&['d', 'i', 'u', 'o', 'x', 'X']));
        assert_eq!(
            ours(&f, vec![Value::Int(value)]).unwrap(),
            host!(f.as_str(), v),
            "{f} of {v}"
        );
    }
}

#[test]
fn strings_and_characters_match_the_host() {
    let mut rng = Rng(3);
    let hello = c"hello";
    for _ in 0..2_000 {
        let mut f = String::from("%");
        if rng.below(2) == 0 {
            f.push('-');
        }
        f += &rng.below(12).to_string();
        if rng.below(2) == 0 {
            f += &format!(".{}", rng.below(8));
        }
        let g = format!("<{f}s|%*c>");
        let w = rng.below(9) as i32 - 4;
        assert_eq!(
            ours(
                &g,
                vec![Value::Pointer(1), Value::Int(w.into()), Value::Int(65)]
            )
            .unwrap(),
            host!(g.as_str(), hello.as_ptr(), w, 65)
        );
    }
}

#[test]
fn table() {
    let f = |v: f64| Value::Float(Float::from_f64(v));
    let long = |mantissa: u64, exponent: i32| {
        Value::Float(Float {
            negative: false,
            class: relibc_core::float::Class::Finite,
            mantissa,
            exponent,
        })
    };
    let cases: Vec<(&str, Vec<Value>, &str)> = vec![
        (
            "%2$s-%1$d-%2$s",
            vec![Value::Int(7), Value::Pointer(1)],
            "hello-7-hello",
        ),
        ("%1$*2$d|", vec![Value::Int(7), Value::Int(4)], "   7|"),
        ("%2$.*1$f", vec![Value::Int(2), f(2.675)], "2.67"),
        ("%.0f %.0f %.0f", vec![f(0.5), f(1.5), f(2.5)], "0 2 2"),
        ("%.3ls|", vec![Value::Pointer(1)], "é|"),
        // What is beyond the precision need not be a character.
        ("%.2ls|", vec![Value::Pointer(2)], "é|"),
        ("%ls|", vec![Value::Pointer(1)], "é中A|"),
        ("%lc", vec![Value::Int(0x20ac)], "€"),
        (
            "%p %p",
            vec![Value::Pointer(0), Value::Pointer(0x1f)],
            "(nil) 0x1f",
        ),
        ("%5%", vec![], ""),
        ("100%%", vec![], "100%"),
        ("%s", vec![Value::Pointer(0)], "(null)"),
        ("%.-3d", vec![Value::Int(5)], "5"),
        ("%#b %b", vec![Value::Int(5), Value::Int(0)], "0b101 0"),
        ("%Lg", vec![long(1, 0)], "1"),
        // The largest and the smallest extended numbers.
        (
            "%.20Le",
            vec![long(u64::MAX, 16320)],
            "1.18973149535723176502e+4932",
        ),
        (
            "%.20Le",
            vec![long(1, -16445)],
            "3.64519953188247460253e-4951",
        ),
        ("%La", vec![long(1 << 63, -63)], "0x8p-3"),
        (
            "%La",
            vec![long(0xc90f_daa2_2168_c235, -62)],
            "0xc.90fdaa22168c235p-2",
        ),
        ("%.0La", vec![long(u64::MAX, -63)], "0x1p+1"),
    ];
    for (text, arguments, want) in cases {
        if text == "%5%" {
            assert_eq!(ours(text, arguments), Err(relibc_core::errno::EINVAL));
            continue;
        }
        assert_eq!(ours(text, arguments).unwrap(), want, "{text}");
    }
}

#[test]
fn bad_formats_are_errors() {
    for f in [
        "%", "%5", "%.", "%l", "%y", "%1$d %d", "%2$d", "%0$d", "%99999$d", "%1$d%1$s",
    ] {
        let args = vec![Value::Int(1); 8];
        assert!(ours(f, args).is_err(), "{f}");
    }
    assert_eq!(
        ours("%2147483648d", vec![Value::Int(1)]),
        Err(relibc_core::errno::EOVERFLOW)
    );
    let mut p = Program {
        arguments: vec![Value::Int(0xD800)],
        ..Program::default()
    };
    assert_eq!(
        format(
            &mut p,
            b"%lc",
            Options {
                charset: Charset::Utf8,
                ..Options::default()
            }
        ),
        Err(relibc_core::errno::EILSEQ)
    );
}

#[test]
fn count_so_far_is_stored_by_length() {
    let mut p = Program {
        arguments: vec![Value::Pointer(8), Value::Pointer(16)],
        ..Program::default()
    };
    format(&mut p, b"abc%hhnde%lln", Options::default()).unwrap();
    assert_eq!(p.stored, [(8, 1, 3), (16, 8, 5)]);
}

#[test]
fn wide_family_counts_characters() {
    let mut p = Program {
        arguments: vec![Value::Pointer(1)],
        strings: vec!["éà€".as_bytes().to_vec()],
        ..Program::default()
    };
    let n = format(
        &mut p,
        "ü%5.2s".as_bytes(),
        Options {
            charset: Charset::Utf8,
            wide: true,
            ..Options::default()
        },
    )
    .unwrap();
    assert_eq!(
        (n, String::from_utf8(p.out).unwrap().as_str()),
        (6, "ü   éà")
    );
}

/// In a process with less memory than the precision asks for.
#[test]
fn a_precision_beyond_memory_is_an_error() {
    const MARK: &str = "RELIBC_LITTLE_MEMORY";
    if std::env::var_os(MARK).is_none() {
        let status = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "a_precision_beyond_memory_is_an_error"])
            .env(MARK, "1")
            .status()
            .unwrap();
        assert!(status.success(), "{status}");
        return;
    }
    let limit = libc::rlimit {
        rlim_cur: 240 << 20,
        rlim_max: 240 << 20,
    };
    // SAFETY: it reads the structure and nothing else.
    assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_AS, &limit) }, 0);
    for f in [
        "%.268435456f",
        "%.268435456e",
        "%#.268435456g",
        "%.268435456a",
    ] {
        let value = Value::Float(Float::from_f64(1.5));
        assert_eq!(ours(f, vec![value]), Err(relibc_core::errno::ENOMEM), "{f}");
    }
}
