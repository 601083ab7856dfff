//! Files and directories under names that nobody else has.

use core::ffi::{c_char, c_int};
use core::ptr::null_mut;

use redox_rt::Result;
use syscall::{EEXIST, EINVAL};

use super::{fail, file, int, pointer, random, text};

const LETTERS: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
const PLACES: usize = 6;
const ATTEMPTS: usize = 100;

/// Replaces the six X before the last `suffix` bytes until `make` finds that the name is free.
unsafe fn with_names<T>(
    pattern: *mut c_char,
    suffix: c_int,
    mut make: impl FnMut() -> Result<T>,
) -> Result<T> {
    let len = text(pattern)?.len();
    let start = usize::try_from(suffix)
        .ok()
        .and_then(|suffix| len.checked_sub(suffix)?.checked_sub(PLACES));
    let Some(start) = start else {
        return fail(EINVAL);
    };
    let places = core::slice::from_raw_parts_mut(pattern.add(start).cast::<u8>(), PLACES);
    if places != b"XXXXXX" {
        return fail(EINVAL);
    }
    for _ in 0..ATTEMPTS {
        let mut noise = [0u8; PLACES];
        random::fill(&mut noise)?;
        for (place, byte) in places.iter_mut().zip(noise) {
            *place = LETTERS[usize::from(byte) % LETTERS.len()];
        }
        match make() {
            Err(e) if e.errno == EEXIST => {}
            other => return other,
        }
    }
    fail(EEXIST)
}

/// `L_tmpnam` of `<stdio.h>`.
const LENGTH: usize = 20;
const PATTERN: &[u8; LENGTH] = b"/tmp/tempnamXXXXXX\0\0";

unsafe fn make_file(pattern: *mut c_char, suffix: c_int, flags: c_int) -> c_int {
    let flags = flags & !libc::O_ACCMODE | libc::O_RDWR | libc::O_CREAT | libc::O_EXCL;
    int(with_names(pattern, suffix, || {
        file::open_at(libc::AT_FDCWD, text(pattern)?, flags, 0o600)
    }))
}

c_api! {
    fn mkstemp(pattern: *mut c_char) -> c_int { make_file(pattern, 0, 0) }
    fn mkostemp(pattern: *mut c_char, flags: c_int) -> c_int { make_file(pattern, 0, flags) }
    fn mkstemps(pattern: *mut c_char, suffix: c_int) -> c_int { make_file(pattern, suffix, 0) }
    fn mkostemps(pattern: *mut c_char, suffix: c_int, flags: c_int) -> c_int { make_file(pattern, suffix, flags) }
    fn mkdtemp(pattern: *mut c_char) -> *mut c_char {
        pointer(with_names(pattern, 0, || match super::path::mkdir(pattern, 0o700) {
            -1 => fail(crate::sys::errno()),
            _ => Ok(pattern),
        }))
    }
    fn mktemp(pattern: *mut c_char) -> *mut c_char {
        let found = with_names(pattern, 0, || match super::path::access(pattern, libc::F_OK) {
            -1 => Ok(()),
            _ => fail(EEXIST),
        });
        if found.is_err() {
            // As POSIX has it: the empty string.
            pattern.write(0);
        }
        pattern
    }
    fn tmpnam(name: *mut c_char) -> *mut c_char {
        static PLACE: redox_rt::futex::Mutex<[u8; LENGTH]> = redox_rt::futex::Mutex::new([0; LENGTH]);
        let mut own = PLACE.lock();
        let place = if name.is_null() { own.as_mut_ptr().cast() } else { name };
        core::ptr::copy_nonoverlapping(PATTERN.as_ptr(), place.cast(), LENGTH);
        mktemp(place);
        if *place == 0 { null_mut() } else { place }
    }
    fn tempnam(directory: *const c_char, prefix: *const c_char) -> *mut c_char {
        let set = super::environment::get(b"TMPDIR");
        let given = (!directory.is_null()).then(|| crate::string::bytes(directory));
        let is_folder = |path: &[u8]| super::path::find(libc::AT_FDCWD, path, 0)
            .and_then(|f| f.stat())
            .is_ok_and(|s| s.st_mode & syscall::MODE_TYPE == syscall::MODE_DIR);
        let folder = set.into_iter().chain(given).find(|path| is_folder(path)).unwrap_or(b"/tmp");
        let prefix = if prefix.is_null() { b"" } else { crate::string::bytes(prefix) };
        let prefix = prefix.get(..5).unwrap_or(prefix);
        let pattern = [folder, b"/", prefix, b"XXXXXX"].concat();
        pointer(super::allocate_text(&pattern).and_then(|path| {
            mktemp(path);
            if *path == 0 {
                crate::sys::free(path.cast());
                return fail(EEXIST);
            }
            Ok(path)
        }))
    }
    fn tmpfile() -> *mut crate::stdio::FILE {
        let mut pattern = *b"/tmp/fileXXXXXX\0";
        let number = mkostemp(pattern.as_mut_ptr().cast(), libc::O_CLOEXEC);
        if number == -1 {
            return null_mut();
        }
        super::path::unlink(pattern.as_ptr().cast());
        crate::stdio::fdopen(number, c"w+".as_ptr())
    }
}
