//! Conversions against the host's `iconv`.

use std::ffi::{CString, c_char, c_int, c_void};

use relibc_core::convert::{Converter, Stop};

unsafe extern "C" {
    fn iconv_open(to: *const c_char, from: *const c_char) -> *mut c_void;
    fn iconv(
        cd: *mut c_void,
        from: *mut *mut c_char,
        from_left: *mut usize,
        to: *mut *mut c_char,
        to_left: *mut usize,
    ) -> usize;
    fn iconv_close(cd: *mut c_void) -> c_int;
}

/// Taken, given, errno or how many were replaced.
fn host(
    to: &str,
    from: &str,
    input: &[u8],
    room: usize,
) -> Option<(usize, Vec<u8>, Result<usize, i32>)> {
    let (to, from) = (CString::new(to).unwrap(), CString::new(from).unwrap());
    let mut input_copy = input.to_vec();
    let mut output = vec![0u8; room];
    // SAFETY: buffers of the lengths given.
    unsafe {
        let cd = iconv_open(to.as_ptr(), from.as_ptr());
        if cd as isize == -1 {
            return None;
        }
        let (mut a, mut a_left) = (input_copy.as_mut_ptr().cast(), input.len());
        let (mut b, mut b_left) = (output.as_mut_ptr().cast(), room);
        let answer = iconv(cd, &mut a, &mut a_left, &mut b, &mut b_left);
        let errno = std::io::Error::last_os_error().raw_os_error().unwrap();
        iconv_close(cd);
        output.truncate(room - b_left);
        Some((
            input.len() - a_left,
            output,
            if answer == usize::MAX {
                Err(errno)
            } else {
                Ok(answer)
            },
        ))
    }
}

fn ours(to: &str, from: &str, input: &[u8], room: usize) -> (usize, Vec<u8>, Result<usize, i32>) {
    let mut converter = Converter::new(to.as_bytes(), from.as_bytes(), b"UTF-8")
        .unwrap_or_else(|| panic!("{to} {from}"));
    let mut output = vec![0u8; room];
    let (taken, given, result) = converter.convert(input, &mut output);
    output.truncate(given);
    let result = result.map_err(|stop| match stop {
        Stop::Incomplete => libc::EINVAL,
        Stop::Invalid => libc::EILSEQ,
        Stop::Full => libc::E2BIG,
    });
    (taken, output, result)
}

const TEXT: &str = "Grüße, Ωμέγα, кошка, 日本語, naïve €5 — 𝄞 end";

#[test]
fn between_forms_of_unicode() {
    let forms = [
        "UTF-8", "UTF-16", "UTF-16LE", "UTF-16BE", "UTF-32", "UTF-32LE", "UTF-32BE", "UCS-4",
        "WCHAR_T",
    ];
    for from in forms {
        let (_, source, _) = host(from, "UTF-8", TEXT.as_bytes(), 400).unwrap();
        for to in forms {
            for room in [0, 1, 3, 7, 20, 400] {
                for len in [source.len(), source.len() - 1, 9, 5] {
                    let input = &source[..len];
                    let Some(want) = host(to, from, input, room) else {
                        continue;
                    };
                    let got = ours(to, from, input, room);
                    // The host writes the mark before it knows whether there is room for more.
                    if want.2 == Err(libc::E2BIG) && got.1.is_empty() {
                        assert_eq!(got.2, want.2, "{from} to {to}, {len} into {room}");
                    } else if want.2 == Err(libc::E2BIG) && got.2 == Err(libc::EINVAL) {
                        // Neither could go on; the two look in another order.
                        assert_eq!(
                            (got.0, &got.1),
                            (want.0, &want.1),
                            "{from} to {to}, {len} into {room}"
                        );
                    } else if want.0 != 0 || !want.1.is_empty() {
                        assert_eq!(got, want, "{from} to {to}, {len} into {room}");
                    }
                }
            }
        }
    }
}

#[test]
fn single_bytes() {
    for set in [
        "ASCII",
        "ISO-8859-1",
        "ISO-8859-2",
        "ISO-8859-3",
        "ISO-8859-4",
        "ISO-8859-5",
        "ISO-8859-6",
        "ISO-8859-7",
        "ISO-8859-9",
        "ISO-8859-10",
        "ISO-8859-13",
        "ISO-8859-14",
        "ISO-8859-15",
        "ISO-8859-16",
        "KOI8-R",
    ] {
        for byte in 0..=255u8 {
            let want = host("UTF-8", set, &[byte], 8).unwrap();
            assert_eq!(ours("UTF-8", set, &[byte], 8), want, "{set} {byte:#x}");
            if want.2.is_ok() {
                assert_eq!(ours(set, "UTF-8", &want.1, 8).1, [byte], "{set} {byte:#x}");
            }
        }
    }
}

#[test]
fn code_pages_and_several_bytes() {
    for (set, text) in [
        ("CP1252", "Grüße €"),
        ("CP1251", "кошка"),
        ("EUC-JP", "日本語 テスト"),
        ("SHIFT_JIS", "日本語"),
        ("GBK", "中文"),
        ("GB18030", "中文 𝄞 é"),
        ("BIG5", "中文"),
        ("EUC-KR", "한국어"),
    ] {
        let (_, source, result) = host(set, "UTF-8", text.as_bytes(), 100).unwrap();
        assert_eq!(result, Ok(0), "{set}");
        assert_eq!(
            ours(set, "UTF-8", text.as_bytes(), 100),
            (text.len(), source.clone(), Ok(0)),
            "{set}"
        );
        assert_eq!(
            ours("UTF-8", set, &source, 100),
            (source.len(), text.as_bytes().to_vec(), Ok(0)),
            "{set}"
        );
        for len in 0..source.len() {
            assert_eq!(
                ours("UTF-8", set, &source[..len], 100),
                host("UTF-8", set, &source[..len], 100).unwrap(),
                "{set} {len}"
            );
        }
    }
}

#[test]
fn what_cannot_be_converted() {
    for (to, from, input) in [
        ("ASCII", "UTF-8", &b"a\xc3\xa9b"[..]),
        ("ISO-8859-1", "UTF-8", "a€".as_bytes()),
        ("UTF-8", "UTF-8", b"a\xff"),
        ("UTF-8", "UTF-8", b"a\xed\xa0\x80"),
        ("UTF-8", "UTF-8", b"a\xc3"),
        ("UTF-8", "UTF-16LE", b"a\0\x00\xdc"),
        ("UTF-8", "UTF-16LE", b"a\0\x00\xd8"),
        ("UTF-8", "UTF-16LE", b"a\0\x00\xd8a\0"),
        ("UTF-8", "UTF-32LE", b"a\0\0\0\0\0\x11\0"),
        ("UCS-2LE", "UTF-8", "a𝄞".as_bytes()),
        ("UTF-8", "ASCII", b"a\x80"),
        ("UTF-8", "EUC-JP", b"a\xffb"),
    ] {
        assert_eq!(
            ours(to, from, input, 20),
            host(to, from, input, 20).unwrap(),
            "{from} to {to} {input:?}"
        );
    }
    // The host takes it for a character.
    assert_eq!(
        ours("UTF-8", "UTF-8", b"\xf4\x90\x80\x80", 20),
        (0, Vec::new(), Err(libc::EILSEQ))
    );
    assert_eq!(
        ours("ASCII//TRANSLIT", "UTF-8", "a☃b".as_bytes(), 20),
        (5, b"a?b".to_vec(), Ok(1))
    );
    assert_eq!(
        ours("ASCII//IGNORE", "UTF-8", "a☃b".as_bytes(), 20),
        (5, b"ab".to_vec(), Err(libc::EILSEQ))
    );
    for (to, from) in [
        ("nothing", "UTF-8"),
        ("UTF-8", "nothing"),
        ("ISO-2022-JP", "UTF-8"),
        ("a-name-that-is-much-longer-than-any-character-set", "UTF-8"),
    ] {
        assert!(Converter::new(to.as_bytes(), from.as_bytes(), b"UTF-8").is_none());
    }
    assert!(Converter::new(b"", b"utf8", b"UTF-8").is_some());
}
