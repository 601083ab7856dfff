//! The C ABI, built for the host, against the host's own C library.
#![feature(c_variadic)]

use relibc::{
    ctype, locale, math, net, options, patterns, search, stdio, stdlib, string, time, wchar,
};
use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::ptr::{null, null_mut};
use std::sync::Mutex;

/// The locale, `TZ` and the random generators are the process's.
static GLOBAL: Mutex<()> = Mutex::new(());

unsafe extern "C" {
    fn towlower(c: u32) -> u32;
    fn towupper(c: u32) -> u32;
    fn iswspace(c: u32) -> c_int;
    fn iswdigit(c: u32) -> c_int;
    fn iswcntrl(c: u32) -> c_int;
    fn mbrtowc(to: *mut i32, text: *const c_char, size: usize, state: *mut [u64; 2]) -> usize;
    fn wcrtomb(text: *mut c_char, c: i32, state: *mut [u64; 2]) -> usize;
    fn strverscmp(a: *const c_char, b: *const c_char) -> c_int;
    fn strcasestr(a: *const c_char, b: *const c_char) -> *mut c_char;
    fn random() -> i64;
    fn setstate(state: *mut c_char) -> *mut c_char;
    fn initstate(seed: u32, state: *mut c_char, size: usize) -> *mut c_char;
    fn rint(x: f64) -> f64;
}

struct Rng(u64);

impl Rng {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let x = (self.0 ^ self.0 >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let x = (x ^ x >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        x ^ x >> 31
    }
    fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }
    fn text(&mut self, alphabet: &[u8], max: u64) -> CString {
        CString::new(
            (0..self.below(max))
                .map(|_| alphabet[self.below(alphabet.len() as u64) as usize])
                .collect::<Vec<_>>(),
        )
        .unwrap()
    }
}

fn offset(base: *const c_char, at: *const c_char) -> Option<isize> {
    // SAFETY: both are in the same string, or `at` is null.
    (!at.is_null()).then(|| unsafe { at.offset_from(base) })
}

#[test]
fn string_functions_match_the_host() {
    let mut rng = Rng(1);
    for _ in 0..30_000 {
        let (a, b) = (rng.text(b"aAbBcC01.\xe9", 24), rng.text(b"aAb0\xe9", 4));
        let (p, q) = (a.as_ptr(), b.as_ptr());
        let c = c_int::from(*b.as_bytes().first().unwrap_or(&0));
        let n = rng.below(30) as usize;
        // SAFETY: C strings, and sizes within them.
        unsafe {
            let sign = |x: c_int| x.signum();
            assert_eq!(
                offset(p, string::strstr(p, q)),
                offset(p, libc::strstr(p, q)),
                "{a:?} {b:?}"
            );
            assert_eq!(
                offset(p, string::strcasestr(p, q)),
                offset(p, strcasestr(p, q)),
                "{a:?} {b:?}"
            );
            assert_eq!(
                offset(p, string::strchr(p, c)),
                offset(p, libc::strchr(p, c))
            );
            assert_eq!(
                offset(p, string::strrchr(p, c)),
                offset(p, libc::strrchr(p, c))
            );
            assert_eq!(
                offset(p, string::strpbrk(p, q)),
                offset(p, libc::strpbrk(p, q))
            );
            assert_eq!(string::strspn(p, q), libc::strspn(p, q));
            assert_eq!(string::strcspn(p, q), libc::strcspn(p, q));
            assert_eq!(sign(string::strcmp(p, q)), sign(libc::strcmp(p, q)));
            assert_eq!(sign(string::strncmp(p, q, n)), sign(libc::strncmp(p, q, n)));
            assert_eq!(sign(string::strcasecmp(p, q)), sign(libc::strcasecmp(p, q)));
            assert_eq!(
                sign(string::strncasecmp(p, q, n)),
                sign(libc::strncasecmp(p, q, n))
            );
            let size = a.as_bytes().len() + 1;
            let at = |r: *mut c_void| offset(p, r.cast());
            assert_eq!(
                at(string::memchr(p.cast(), c, size)),
                at(libc::memchr(p.cast(), c, size))
            );
            assert_eq!(
                at(string::memrchr(p.cast(), c, size)),
                at(libc::memrchr(p.cast(), c, size))
            );
            assert_eq!(
                at(string::memmem(p.cast(), size, q.cast(), b.as_bytes().len())),
                at(libc::memmem(p.cast(), size, q.cast(), b.as_bytes().len()))
            );
            let (mut x, mut y) = ([7u8; 64], [7u8; 64]);
            string::strncpy(x.as_mut_ptr().cast(), p, n);
            libc::strncpy(y.as_mut_ptr().cast(), p, n);
            assert_eq!(x, y);
            string::strcpy(x.as_mut_ptr().cast(), p);
            string::strncat(x.as_mut_ptr().cast(), q, n);
            libc::strcpy(y.as_mut_ptr().cast(), p);
            libc::strncat(y.as_mut_ptr().cast(), q, n);
            assert_eq!(x, y);
            let (v, w) = (rng.text(b"a0011.9", 7), rng.text(b"a0011.9", 7));
            assert_eq!(
                sign(string::strverscmp(v.as_ptr(), w.as_ptr())),
                sign(strverscmp(v.as_ptr(), w.as_ptr())),
                "{v:?} {w:?}"
            );
            // Tokens.
            let (mut t, mut u) = (
                a.clone().into_bytes_with_nul(),
                a.clone().into_bytes_with_nul(),
            );
            let (mut s, mut r) = (null_mut(), null_mut());
            let (mut first, mut other) = (t.as_mut_ptr().cast(), u.as_mut_ptr().cast());
            loop {
                let (g, h) = (
                    string::strtok_r(first, q, &mut s),
                    libc::strtok_r(other, q, &mut r),
                );
                (first, other) = (null_mut(), null_mut());
                if g.is_null() || h.is_null() {
                    assert_eq!(g.is_null(), h.is_null());
                    break;
                }
                assert_eq!(CStr::from_ptr(g), CStr::from_ptr(h));
            }
        }
    }
}

#[test]
fn bounded_copies_and_errors() {
    // SAFETY: buffers of the sizes given.
    unsafe {
        let mut b = [0x55u8; 8];
        assert_eq!(
            string::strlcpy(b.as_mut_ptr().cast(), c"hello world".as_ptr(), 6),
            11
        );
        assert_eq!(&b[..6], b"hello\0");
        assert_eq!(
            string::strlcat(b.as_mut_ptr().cast(), c"xyz".as_ptr(), 8),
            8
        );
        assert_eq!(&b, b"helloxy\0");
        assert_eq!(
            string::strlcat(b.as_mut_ptr().cast(), c"xyz".as_ptr(), 3),
            6
        );
        assert_eq!(string::strerror_r(2, b.as_mut_ptr().cast(), 8), 34);
        assert_eq!(&b, b"No such\0");
        for n in [1, 2, 9, 11, 22, 34] {
            assert_eq!(
                CStr::from_ptr(string::strerror(n)),
                CStr::from_ptr(libc::strerror(n))
            );
        }
        assert_eq!(
            CStr::from_ptr(string::strerror(4000)),
            c"Unknown error 4000"
        );
    }
}

#[test]
fn character_classes_match_the_host() {
    let _lock = GLOBAL.lock().unwrap_or_else(|e| e.into_inner());
    // SAFETY: the lock is held.
    unsafe { assert!(!libc::setlocale(libc::LC_ALL, c"C.UTF-8".as_ptr()).is_null()) };
    let mut cases: Vec<u32> = Vec::new();
    for c in 0..0x11_0000u32 {
        // SAFETY: no preconditions.
        unsafe {
            assert_eq!(ctype::iswdigit(c) != 0, iswdigit(c) != 0, "digit {c:x}");
            if c < 0x80 {
                assert_eq!(ctype::iswspace(c) != 0, iswspace(c) != 0, "space {c:x}");
                assert_eq!(ctype::iswcntrl(c) != 0, iswcntrl(c) != 0, "cntrl {c:x}");
            }
            // Case mappings differ only where the two were made for different versions of Unicode.
            if ctype::towlower(c) != towlower(c) || ctype::towupper(c) != towupper(c) {
                cases.push(c);
            }
        }
    }
    // Letters that Unicode got after the host's version.
    let later = |c: &u32| matches!(*c, 0x19b | 0x264 | 0x1c89 | 0x1c8a | 0xa7cb..=0xa7dc | 0x10d50..=0x10d85 | 0x16ea0..=0x16ed3);
    cases.retain(|c| !later(c));
    assert!(cases.is_empty(), "case mappings differ: {cases:x?}");
    for c in -1..256 {
        // SAFETY: within the functions' domain.
        unsafe {
            libc::setlocale(libc::LC_ALL, c"C".as_ptr());
            assert_eq!(ctype::isalnum(c) != 0, libc::isalnum(c) != 0);
            assert_eq!(ctype::ispunct(c) != 0, libc::ispunct(c) != 0);
            assert_eq!(ctype::isspace(c) != 0, libc::isspace(c) != 0);
            assert_eq!(ctype::isprint(c) != 0, libc::isprint(c) != 0);
            assert_eq!(ctype::iscntrl(c) != 0, libc::iscntrl(c) != 0);
            assert_eq!(ctype::isxdigit(c) != 0, libc::isxdigit(c) != 0);
            assert_eq!(ctype::toupper(c), libc::toupper(c));
            assert_eq!(ctype::tolower(c), libc::tolower(c));
        }
    }
}

#[test]
fn multibyte_conversion_matches_the_host() {
    let _lock = GLOBAL.lock().unwrap_or_else(|e| e.into_inner());
    let mut rng = Rng(2);
    // SAFETY: the lock is held; buffers are as large as said.
    unsafe {
        libc::setlocale(libc::LC_ALL, c"C.UTF-8".as_ptr());
        assert_eq!(
            CStr::from_ptr(locale::setlocale(6, c"C.UTF-8".as_ptr())),
            c"C.UTF-8"
        );
        for _ in 0..200_000 {
            let bytes: Vec<u8> = (0..6)
                .map(|_| {
                    [
                        0x41, 0x80, 0xBF, 0xC2, 0xE0, 0xE4, 0xED, 0xA0, 0x9F, 0xF0, 0xF4, 0x8F,
                        0x90, 0,
                    ][rng.below(14) as usize]
                })
                .collect();
            let mut ours = relibc_core::multibyte::State::default();
            let mut theirs = [0u64; 2];
            let mut at = 0;
            while at < bytes.len() {
                let n = (rng.below(3) as usize + 1).min(bytes.len() - at);
                let (mut x, mut y) = (-1, -1);
                let a = wchar::mbrtowc(&mut x, bytes[at..].as_ptr().cast(), n, &mut ours);
                let b = mbrtowc(&mut y, bytes[at..].as_ptr().cast(), n, &mut theirs);
                // The host sees an impossible second byte only at the character's end in a few cases.
                if a != b && (a == usize::MAX || b == usize::MAX) {
                    break;
                }
                assert_eq!((a, x), (b, y), "{bytes:x?} at {at} of {n}");
                if a == usize::MAX {
                    break;
                }
                at += if a == usize::MAX - 1 { n } else { a.max(1) };
            }
        }
        // The host goes on encoding past the last code point, U+10FFFF.
        for c in (0..0x11_0000).chain([-1]) {
            let (mut x, mut y) = ([0 as c_char; 8], [0 as c_char; 8]);
            assert_eq!(
                wchar::wcrtomb(x.as_mut_ptr(), c, null_mut()),
                wcrtomb(y.as_mut_ptr(), c, &mut [0; 2]),
                "{c:x}"
            );
            assert_eq!(x, y);
        }
        let mut wide = [0i32; 16];
        assert_eq!(wchar::mbstowcs(wide.as_mut_ptr(), c"aé中".as_ptr(), 16), 3);
        assert_eq!(&wide[..4], &[0x61, 0xe9, 0x4e2d, 0]);
        let mut narrow = [0u8; 16];
        assert_eq!(
            wchar::wcstombs(narrow.as_mut_ptr().cast(), wide.as_ptr(), 3),
            3
        );
        assert_eq!(&narrow[..3], "aé".as_bytes());
        assert_eq!(
            (
                wchar::wcwidth(0x4e2d),
                wchar::wcwidth(0x301),
                wchar::wcwidth(7),
                wchar::wcwidth(0x61)
            ),
            (2, 0, -1, 1)
        );
        let mut units = [0u16; 2];
        let mut state = relibc_core::multibyte::State::default();
        assert_eq!(
            wchar::mbrtoc16(&mut units[0], c"😀".as_ptr(), 4, &mut state),
            4
        );
        assert_eq!(
            wchar::mbrtoc16(&mut units[1], c"".as_ptr(), 1, &mut state),
            usize::MAX - 2
        );
        assert_eq!(units, [0xd83d, 0xde00]);
        let mut text = [0u8; 8];
        let mut state = relibc_core::multibyte::State::default();
        assert_eq!(
            wchar::c16rtomb(text.as_mut_ptr().cast(), units[0], &mut state),
            0
        );
        assert_eq!(
            wchar::c16rtomb(text.as_mut_ptr().cast(), units[1], &mut state),
            4
        );
        assert_eq!(&text[..4], "😀".as_bytes());
        locale::setlocale(6, c"C".as_ptr());
        assert!(locale::setlocale(6, c"xx_YY".as_ptr()).is_null());
        assert_eq!(wchar::mbstowcs(wide.as_mut_ptr(), c"é".as_ptr(), 16), 2);
        locale::setlocale(1, c"C.UTF-8".as_ptr());
        let mixed = CStr::from_ptr(locale::setlocale(6, null())).to_owned();
        locale::setlocale(6, c"C".as_ptr());
        assert!(!locale::setlocale(6, mixed.as_ptr()).is_null());
        assert_eq!(CStr::from_ptr(locale::nl_langinfo(0)), c"UTF-8");
        locale::setlocale(6, c"C".as_ptr());
    }
}

#[test]
fn variadic_formatting_matches_the_host() {
    // More arguments than registers of either kind.
    // SAFETY: the formats name what is passed.
    unsafe {
        let f = c"%d %s %g %ld %c %f %x %lld %e %5.2f|%-8s|%u %g %g %g %g %g %g %d %s %hhd %p";
        let (mut a, mut b) = ([0u8; 512], [0u8; 512]);
        macro_rules! call {
            ($function:path, $buffer:expr) => {
                $function(
                    $buffer.as_mut_ptr().cast(),
                    512,
                    f.as_ptr(),
                    1,
                    c"two".as_ptr(),
                    3.5f64,
                    4i64,
                    53,
                    6.25f64,
                    0x7fu32,
                    -8i64,
                    9e9f64,
                    10.126f64,
                    c"left".as_ptr(),
                    12u32,
                    1.0f64,
                    2.0f64,
                    3.0f64,
                    4.0f64,
                    5.0f64,
                    1e100f64,
                    -13,
                    c"end".as_ptr(),
                    300,
                    0x1234usize as *const u8,
                )
            };
        }
        assert_eq!(call!(stdio::snprintf, a), call!(libc::snprintf, b));
        assert_eq!(a, b);
        // Truncation: the length is the whole text's.
        let mut small = [1u8; 4];
        assert_eq!(
            stdio::snprintf(
                small.as_mut_ptr().cast(),
                3,
                c"%s".as_ptr(),
                c"hello".as_ptr()
            ),
            5
        );
        assert_eq!(&small, b"he\0\x01");
        assert_eq!(stdio::snprintf(null_mut(), 0, c"%d".as_ptr(), 12345), 5);
        let mut text = null_mut();
        assert_eq!(
            stdio::asprintf(&mut text, c"%2$s%1$d".as_ptr(), 7, c"x".as_ptr()),
            2
        );
        assert_eq!(CStr::from_ptr(text), c"x7");
        libc::free(text.cast());
        let mut wide = [0i32; 16];
        let format: Vec<i32> = "%d-%ls\0".chars().map(|c| c as i32).collect();
        assert_eq!(
            stdio::swprintf(
                wide.as_mut_ptr(),
                16,
                format.as_ptr(),
                5,
                [0x61i32, 0x62, 0].as_ptr()
            ),
            4
        );
        assert_eq!(&wide[..5], &[0x35, 0x2d, 0x61, 0x62, 0]);
        assert_eq!(
            stdio::swprintf(
                wide.as_mut_ptr(),
                4,
                format.as_ptr(),
                5,
                [0x61i32, 0x62, 0].as_ptr()
            ),
            -1
        );
        let (mut i, mut d, mut s) = (0i32, 0f64, [0 as c_char; 8]);
        assert_eq!(
            stdio::sscanf(
                c"12 3.5e2 word rest".as_ptr(),
                c"%d %lf %7s".as_ptr(),
                &mut i,
                &mut d,
                s.as_mut_ptr()
            ),
            3
        );
        assert_eq!((i, d, CStr::from_ptr(s.as_ptr())), (12, 350.0, c"word"));
        let mut allocated: *mut c_char = null_mut();
        assert_eq!(
            stdio::sscanf(c"alloc".as_ptr(), c"%ms".as_ptr(), &mut allocated),
            1
        );
        assert_eq!(CStr::from_ptr(allocated), c"alloc");
        libc::free(allocated.cast());
    }
}

#[test]
fn wide_scans_put_back_characters() {
    let _lock = GLOBAL.lock().unwrap_or_else(|e| e.into_inner());
    let wide = |text: &str| -> Vec<i32> { text.chars().map(|c| c as i32).chain([0]).collect() };
    let path = std::env::temp_dir().join(format!("relibc-wide-{}", std::process::id()));
    std::fs::write(&path, "7é8x").unwrap();
    let name = CString::new(path.to_str().unwrap()).unwrap();
    // SAFETY: formats and texts end with a zero, and every argument has its conversion's type.
    unsafe {
        locale::setlocale(6, c"C.UTF-8".as_ptr());
        let f = stdio::fopen(name.as_ptr(), c"r".as_ptr());
        let mut n = 0i32;
        assert_eq!(stdio::fwscanf(f, wide("%d").as_ptr(), &mut n), 1);
        assert_eq!((n, stdio::fgetwc(f)), (7, 0xe9));
        assert_eq!(stdio::fwscanf(f, wide("%dx").as_ptr(), &mut n), 1);
        assert_eq!((n, stdio::fgetwc(f)), (8, u32::MAX));
        stdio::fclose(f);
        let mut s = [0 as c_char; 8];
        let none = stdio::swscanf(wide("ö").as_ptr(), wide("%[ä]").as_ptr(), s.as_mut_ptr());
        assert_eq!(none, 0);
        let some = stdio::swscanf(wide("öäx").as_ptr(), wide("%2s").as_ptr(), s.as_mut_ptr());
        assert_eq!((some, CStr::from_ptr(s.as_ptr())), (1, c"öä"));
        locale::setlocale(6, c"C".as_ptr());
    }
    std::fs::remove_file(&path).unwrap();
}

#[test]
fn rounding_follows_the_environment() {
    // SAFETY: the mode is put back; it is this thread's.
    unsafe {
        for (mode, down, up) in [
            (0, "2", "-2"),
            (0x400, "2", "-3"),
            (0x800, "3", "-2"),
            (0xc00, "2", "-2"),
        ] {
            assert_eq!(math::fesetround(mode), 0);
            assert_eq!(math::fegetround(), mode);
            let mut a = [0u8; 16];
            stdio::snprintf(
                a.as_mut_ptr().cast(),
                16,
                c"%.0f %.0f".as_ptr(),
                2.5f64,
                -2.5f64,
            );
            let text = CStr::from_ptr(a.as_ptr().cast())
                .to_str()
                .unwrap()
                .to_string();
            let (x, want) = (math::rint(2.3), rint(2.3));
            math::fesetround(0);
            assert_eq!(text, format!("{down} {up}"), "mode {mode:x}");
            assert_eq!(x, want, "mode {mode:x}");
        }
        assert_eq!(math::fesetround(1), -1);
        math::feclearexcept(61);
        assert_eq!(math::fetestexcept(61), 0);
        math::feraiseexcept(4);
        assert_eq!(math::fetestexcept(61), 4);
        math::feclearexcept(4);
        assert_eq!(math::fetestexcept(61), 0);
    }
}

#[test]
fn files_are_read_and_written() {
    let folder = std::env::temp_dir().join(format!("relibc-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("file");
    let name = CString::new(path.to_str().unwrap()).unwrap();
    // SAFETY: streams are closed once, buffers have the sizes given.
    unsafe {
        let f = stdio::fopen(name.as_ptr(), c"w+".as_ptr());
        assert!(!f.is_null());
        assert_eq!(
            stdio::fprintf(f, c"line %d\n%s".as_ptr(), 1, c"second line\n".as_ptr()),
            19
        );
        assert_eq!(stdio::fputs(c"last".as_ptr(), f), 1);
        assert_eq!(stdio::ftell(f), 23);
        stdio::rewind(f);
        let mut buffer = [0 as c_char; 32];
        assert_eq!(
            CStr::from_ptr(stdio::fgets(buffer.as_mut_ptr(), 32, f)),
            c"line 1\n"
        );
        assert_eq!(
            CStr::from_ptr(stdio::fgets(buffer.as_mut_ptr(), 7, f)),
            c"second"
        );
        assert_eq!(stdio::ungetc(b'X'.into(), f), b'X'.into());
        let (mut line, mut size) = (null_mut(), 0);
        assert_eq!(stdio::getline(&mut line, &mut size, f), 7);
        assert_eq!(CStr::from_ptr(line), c"X line\n");
        assert_eq!(stdio::getline(&mut line, &mut size, f), 4);
        assert_eq!(stdio::getline(&mut line, &mut size, f), -1);
        assert_eq!(
            (stdio::feof(f), stdio::ferror(f), stdio::fgetc(f)),
            (1, 0, -1)
        );
        libc::free(line.cast());
        assert_eq!(stdio::fseek(f, -4, 2), 0);
        assert_eq!(stdio::fwrite(c"LAST!".as_ptr().cast(), 1, 5, f), 5);
        assert_eq!(stdio::fclose(f), 0);
        assert_eq!(std::fs::read(&path).unwrap(), b"line 1\nsecond line\nLAST!");
        let f = stdio::fopen(name.as_ptr(), c"a".as_ptr());
        stdio::fputc(b'+'.into(), f);
        assert_eq!(stdio::fgetc(f), -1);
        assert_eq!(stdio::ferror(f), 1);
        let f = stdio::freopen(name.as_ptr(), c"r".as_ptr(), f);
        assert_eq!(stdio::fseek(f, -2, 2), 0);
        assert_eq!(
            (stdio::fgetc(f), stdio::fgetc(f)),
            (b'!'.into(), b'+'.into())
        );
        stdio::fclose(f);
        assert!(stdio::fopen(c"/nonexistent/x".as_ptr(), c"r".as_ptr()).is_null());
        assert_eq!(std::io::Error::last_os_error().raw_os_error(), Some(2));
        assert!(stdio::fopen(name.as_ptr(), c"q".as_ptr()).is_null());
        let mut memory = [b'.'; 8];
        let m = stdio::fmemopen(memory.as_mut_ptr().cast(), 8, c"w".as_ptr());
        stdio::fputs(c"abc".as_ptr(), m);
        stdio::fclose(m);
        assert_eq!(&memory[..5], b"abc\0.");
        let (mut address, mut length) = (null_mut(), 0);
        let m = stdio::open_memstream(&mut address, &mut length);
        for i in 0..1000 {
            stdio::fprintf(m, c"%d,".as_ptr(), i);
        }
        stdio::fflush(m);
        assert_eq!((length, *address.add(length)), (3890, 0));
        stdio::fclose(m);
        let text: String = (0..1000).map(|i| format!("{i},")).collect();
        assert_eq!(CStr::from_ptr(address).to_str().unwrap(), text);
        libc::free(address.cast());
    }
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn random_generators_match_the_host() {
    let _lock = GLOBAL.lock().unwrap_or_else(|e| e.into_inner());
    // SAFETY: states of the sizes given, aligned as words.
    unsafe {
        for size in [8, 32, 64, 128, 256, 200] {
            for seed in [0, 1, 42, u32::MAX] {
                let (mut a, mut b) = ([0u32; 64], [0u32; 64]);
                stdlib::initstate(seed, a.as_mut_ptr().cast(), size);
                let old = initstate(seed, b.as_mut_ptr().cast(), size);
                for _ in 0..200 {
                    assert_eq!(stdlib::random(), random(), "{size} {seed}");
                }
                stdlib::setstate((&raw mut DEFAULT).cast());
                setstate(old);
            }
        }
        stdlib::srand48(77);
        libc::srand48(77);
        for _ in 0..200 {
            assert_eq!(stdlib::drand48(), libc::drand48());
            assert_eq!(stdlib::lrand48(), libc::lrand48());
            assert_eq!(stdlib::mrand48(), libc::mrand48());
        }
    }
}

static mut DEFAULT: [u32; 32] = [3; 32];

unsafe extern "C" fn ascending(a: *const c_void, b: *const c_void) -> c_int {
    // SAFETY: elements and keys are words.
    unsafe { (*a.cast::<u32>()).cmp(&*b.cast::<u32>()) as c_int }
}

#[test]
fn sorting_and_trees() {
    let mut rng = Rng(3);
    for _ in 0..200 {
        let mut v: Vec<u32> = (0..rng.below(300)).map(|_| rng.below(200) as u32).collect();
        let mut want = v.clone();
        want.sort_unstable();
        // SAFETY: the array's own size; keys outlive the tree.
        unsafe {
            let mut root = null_mut();
            for k in &v {
                let node = search::tsearch((k as *const u32).cast(), &mut root, ascending);
                assert_eq!(**node.cast::<*const u32>(), *k);
            }
            for k in 0..200u32 {
                let found = search::tfind((&raw const k).cast(), &root, ascending);
                assert_eq!(!found.is_null(), v.contains(&k));
            }
            let mut left: std::collections::BTreeSet<u32> = v.iter().copied().collect();
            for _ in 0..100 {
                let k = rng.below(200) as u32;
                assert_eq!(
                    !search::tdelete((&raw const k).cast(), &mut root, ascending).is_null(),
                    left.remove(&k)
                );
            }
            for k in 0..200u32 {
                assert_eq!(
                    !search::tfind((&raw const k).cast(), &root, ascending).is_null(),
                    left.contains(&k)
                );
            }
            search::tdestroy(root, None);
            stdlib::qsort(v.as_mut_ptr().cast(), v.len(), 4, ascending);
        }
        assert_eq!(v, want);
    }
    // SAFETY: keys are C strings that outlive the table.
    unsafe {
        assert_eq!(search::hcreate(10), 1);
        let entry = |k: &CStr, d: usize| search::Entry {
            key: k.as_ptr().cast_mut(),
            data: d as *mut c_void,
        };
        assert_eq!((*search::hsearch(entry(c"one", 1), 1)).data as usize, 1);
        assert_eq!((*search::hsearch(entry(c"one", 2), 1)).data as usize, 1);
        assert!(search::hsearch(entry(c"two", 0), 0).is_null());
        search::hdestroy();
    }
}

#[test]
fn regular_expressions_options_and_times() {
    let _lock = GLOBAL.lock().unwrap_or_else(|e| e.into_inner());
    // SAFETY: objects are initialised by the functions that are given them.
    unsafe {
        let mut r = std::mem::zeroed::<patterns::CRegex>();
        assert_eq!(patterns::regcomp(&mut r, c"(b+)c".as_ptr(), 1), 0);
        let mut m = [patterns::CMatch { rm_so: 0, rm_eo: 0 }; 3];
        assert_eq!(
            patterns::regexec(&r, c"abbc".as_ptr(), 3, m.as_mut_ptr(), 0),
            0
        );
        assert_eq!(m.map(|m| (m.rm_so, m.rm_eo)), [(1, 4), (1, 3), (-1, -1)]);
        assert_eq!(patterns::regexec(&r, c"x".as_ptr(), 0, null_mut(), 0), 1);
        patterns::regfree(&mut r);
        assert_eq!(patterns::regcomp(&mut r, c"(".as_ptr(), 1), 8);
        assert_eq!(patterns::fnmatch(c"*.c".as_ptr(), c"a.c".as_ptr(), 0), 0);
        let args = [c"p", c"-a", c"x", c"-b1", c"--", c"-c"];
        let mut argv: Vec<*mut c_char> = args.iter().map(|a| a.as_ptr().cast_mut()).collect();
        options::optind = 0;
        let mut got = Vec::new();
        loop {
            let c = options::getopt(6, argv.as_mut_ptr(), c"ab:".as_ptr());
            if c < 0 {
                break;
            }
            got.push((
                c as u8 as char,
                (!options::optarg.is_null())
                    .then(|| CStr::from_ptr(options::optarg).to_str().unwrap()),
            ));
        }
        let index = options::optind;
        assert_eq!((got, index), (vec![('a', None), ('b', Some("1"))], 4));
        std::env::set_var("TZ", "CET-1CEST,M3.5.0,M10.5.0/3");
        let mut tm = std::mem::zeroed::<time::CTm>();
        let at = 1_500_000_000;
        time::localtime_r(&at, &mut tm);
        let mut text = [0 as c_char; 64];
        assert_eq!(
            time::strftime(text.as_mut_ptr(), 64, c"%F %T %Z %z".as_ptr(), &tm),
            30
        );
        assert_eq!(
            CStr::from_ptr(text.as_ptr()),
            c"2017-07-14 04:40:00 CEST +0200"
        );
        assert_eq!(time::mktime(&mut tm), at);
        assert_eq!(
            CStr::from_ptr(time::ctime(&at)),
            c"Fri Jul 14 04:40:00 2017\n"
        );
        time::tzset();
        let (west, any) = (time::timezone, time::daylight);
        assert_eq!((west, any), (-3600, 1));
        std::env::set_var("TZ", "../../etc/passwd");
        time::localtime_r(&at, &mut tm);
        assert_eq!((tm.tm_hour, CStr::from_ptr(tm.tm_zone)), (2, c"UTC"));
        assert!(time::gmtime(&i64::MAX).is_null());
    }
}

#[test]
fn mathematics_is_close_to_the_host() {
    let mut rng = Rng(4);
    let ulps = |a: f64, b: f64| {
        if a == b || (a.is_nan() && b.is_nan()) {
            0
        } else {
            (a.to_bits() as i64)
                .wrapping_sub(b.to_bits() as i64)
                .unsigned_abs()
        }
    };
    for _ in 0..20_000 {
        let x = (rng.next() as f64 / u64::MAX as f64 - 0.5) * 40.0;
        // SAFETY: no preconditions.
        unsafe {
            for (name, got, want) in [
                ("sin", math::sin(x), x.sin()),
                ("cos", math::cos(x), x.cos()),
                ("tan", math::tan(x), x.tan()),
                ("exp", math::exp(x), x.exp()),
                ("log", math::log(x.abs()), x.abs().ln()),
                ("atan", math::atan(x), x.atan()),
                ("cbrt", math::cbrt(x), x.cbrt()),
                ("sqrt", math::sqrt(x.abs()), x.abs().sqrt()),
                ("pow", math::pow(x.abs(), 1.5), x.abs().powf(1.5)),
                ("floor", math::floor(x), x.floor()),
                ("rint", math::rint(x), rint(x)),
                ("sinh", math::sinh(x), x.sinh()),
                ("hypot", math::hypot(x, 3.0), x.hypot(3.0)),
                ("fmod", math::fmod(x, 0.7), x % 0.7),
            ] {
                assert!(
                    ulps(got, want) <= 2,
                    "{name}({x:e}) is {got:e}, host {want:e}"
                );
            }
        }
    }
}

#[test]
fn internet_addresses() {
    // SAFETY: buffers of the sizes given.
    unsafe {
        for (text, want) in [
            (c"127.0.0.1", Some(0x7f00_0001)),
            (c"1.2", Some(0x0100_0002)),
            (c"0x7f.1", Some(0x7f00_0001)),
            (c"010.0.0.1", Some(0x0800_0001)),
            (c"4294967295", Some(u32::MAX)),
            (c"1.2.3.256", None),
            (c"", None),
            (c"1.2.3.4.5", None),
            (c"a", None),
            (c"1..2", None),
        ] {
            let mut a = 0;
            assert_eq!(
                (net::inet_aton(text.as_ptr(), &mut a) == 1).then_some(u32::from_be(a)),
                want,
                "{text:?}"
            );
        }
        let mut address = [0u8; 16];
        assert_eq!(
            net::inet_pton(10, c"fe80::1:2".as_ptr(), address.as_mut_ptr().cast()),
            1
        );
        let mut text = [0 as c_char; 46];
        assert_eq!(
            CStr::from_ptr(net::inet_ntop(
                10,
                address.as_ptr().cast(),
                text.as_mut_ptr(),
                46
            )),
            c"fe80::1:2"
        );
        assert!(net::inet_ntop(10, address.as_ptr().cast(), text.as_mut_ptr(), 5).is_null());
        assert_eq!(
            net::inet_pton(2, c"1.2.3".as_ptr(), address.as_mut_ptr().cast()),
            0
        );
        assert_eq!(
            net::inet_pton(99, c"1.2.3.4".as_ptr(), address.as_mut_ptr().cast()),
            -1
        );
        assert_eq!(net::htonl(1), 0x0100_0000);
    }
}
