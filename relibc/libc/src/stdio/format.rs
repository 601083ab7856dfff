//! The `printf` family.

use super::{BYTES, FILE, WIDE, oriented, stdout};
use crate::sys::{self, last_error, set_errno};
use crate::va::List;
use alloc::vec::Vec;
use core::ffi::{c_char, c_int};
use core::slice::from_raw_parts;
use relibc_core::errno::{self, Errno};
use relibc_core::float::Float;
use relibc_core::multibyte::{Decoded, State, decode, encode};
use relibc_core::printf::{self, Host, Options, Type, Value};
use relibc_core::stream::Buffering;

struct Call<'c> {
    list: *mut List,
    put: &'c mut dyn FnMut(&[u8]) -> Result<(), Errno>,
}

impl Host for Call<'_> {
    fn argument(&mut self, kind: Type) -> Value {
        // SAFETY: the caller's arguments have the types its format names.
        unsafe {
            let list = &mut *self.list;
            match kind {
                Type::Int => Value::Int(i64::from(list.word() as i32)),
                Type::Long => Value::Int(list.word() as i64),
                Type::Pointer => Value::Pointer(list.word() as usize),
                Type::Double => Value::Float(Float::from_f64(list.double())),
                Type::LongDouble => Value::Float(Float::from_f80(list.long_double())),
            }
        }
    }
    fn string(&mut self, address: usize, limit: usize) -> Vec<u8> {
        // SAFETY: a string of the caller's, ended by a zero or by the precision.
        unsafe {
            let text = address as *const c_char;
            from_raw_parts(text.cast(), crate::string::strnlen(text, limit)).to_vec()
        }
    }
    fn wide_string(&mut self, address: usize, limit: usize) -> Vec<u32> {
        // SAFETY: as for `string`.
        unsafe {
            let text = address as *const i32;
            from_raw_parts(text.cast(), crate::wchar::wcsnlen(text, limit)).to_vec()
        }
    }
    fn store(&mut self, address: usize, size: usize, value: i64) {
        // SAFETY: the caller's object of that size.
        unsafe {
            core::ptr::copy_nonoverlapping(value.to_le_bytes().as_ptr(), address as *mut u8, size)
        };
    }
    fn put(&mut self, text: &[u8]) -> Result<(), Errno> {
        (self.put)(text)
    }
}

/// The direction that `fesetround` chose, from the SSE control word.
fn rounding() -> relibc_core::float::Rounding {
    use relibc_core::float::Rounding;
    match crate::math::control() >> 13 & 3 {
        1 => Rounding::Down,
        2 => Rounding::Up,
        3 => Rounding::Zero,
        _ => Rounding::Nearest,
    }
}

unsafe fn run(
    format: &[u8],
    list: *mut List,
    wide: bool,
    put: &mut dyn FnMut(&[u8]) -> Result<(), Errno>,
) -> c_int {
    let options = Options {
        charset: crate::locale::charset(),
        wide,
        rounding: rounding(),
        errno: last_error().0,
    };
    match printf::format(&mut Call { list, put }, format, options) {
        Ok(n) => n,
        Err(e) => {
            set_errno(e);
            -1
        }
    }
}

fn append(out: &mut Vec<u8>, piece: &[u8]) -> Result<(), Errno> {
    out.try_reserve(piece.len()).map_err(|_| errno::ENOMEM)?;
    out.extend_from_slice(piece);
    Ok(())
}

/// How much text is put together for one write: more than that, as a width can ask for, goes out in parts.
const GATHERED: usize = 8192;

/// Formats for what has no buffer of its own: it gets text at once rather than a write for each piece.
unsafe fn gathered(
    format: &[u8],
    list: *mut List,
    wide: bool,
    write: &mut dyn FnMut(&[u8]) -> Result<(), Errno>,
) -> c_int {
    let mut text = Vec::new();
    let n = run(format, list, wide, &mut |piece| {
        append(&mut text, piece)?;
        if text.len() >= GATHERED {
            let written = write(&text);
            text.clear();
            return written;
        }
        Ok(())
    });
    match write(&text) {
        Ok(()) => n,
        Err(e) => {
            set_errno(e);
            -1
        }
    }
}

unsafe fn to_stream(file: *mut FILE, format: &[u8], list: *mut List, wide: bool) -> c_int {
    oriented(file, if wide { WIDE } else { BYTES }, |f| {
        if f.stream.buffering() == Buffering::None {
            return gathered(format, list, wide, &mut |text| f.stream.write(text).1);
        }
        run(format, list, wide, &mut |piece| f.stream.write(piece).1)
    })
}

/// Appends formatted text.
pub(crate) unsafe fn append_formatted(out: &mut Vec<u8>, format: &[u8], list: *mut List) -> c_int {
    run(format, list, false, &mut |piece| append(out, piece))
}

/// A wide format or string as multibyte text.
pub(crate) unsafe fn narrow(text: *const i32) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    for c in crate::wchar::wide(text) {
        let mut buffer = [0; 4];
        let Some(n) = encode(crate::locale::charset(), *c as u32, &mut buffer) else {
            set_errno(errno::EILSEQ);
            return None;
        };
        out.extend_from_slice(&buffer[..n]);
    }
    Some(out)
}

c_api! {
    fn vfprintf(file: *mut FILE, format: *const c_char, list: *mut List) -> c_int { to_stream(file, crate::string::bytes(format), list, false) }
    fn vprintf(format: *const c_char, list: *mut List) -> c_int { vfprintf(stdout, format, list) }
    fn vdprintf(fd: c_int, format: *const c_char, list: *mut List) -> c_int {
        gathered(crate::string::bytes(format), list, false, &mut |mut text| {
            while !text.is_empty() {
                match usize::try_from(sys::write(fd, text.as_ptr().cast(), text.len())) {
                    Ok(done) if done > 0 => text = text.get(done..).unwrap_or(&[]),
                    _ => return Err(last_error()),
                }
            }
            Ok(())
        })
    }
    fn vsnprintf(buffer: *mut c_char, size: usize, format: *const c_char, list: *mut List) -> c_int {
        let mut at = 0;
        let n = run(crate::string::bytes(format), list, false, &mut |piece| {
            let n = piece.len().min(size.saturating_sub(at + 1));
            if n > 0 {
                core::ptr::copy_nonoverlapping(piece.as_ptr(), buffer.cast::<u8>().add(at), n);
                at += n;
            }
            Ok(())
        });
        if size > 0 {
            *buffer.add(at) = 0;
        }
        n
    }
    fn vsprintf(buffer: *mut c_char, format: *const c_char, list: *mut List) -> c_int { vsnprintf(buffer, usize::MAX, format, list) }
    fn vasprintf(text: *mut *mut c_char, format: *const c_char, list: *mut List) -> c_int {
        let mut out = Vec::new();
        let n = run(crate::string::bytes(format), list, false, &mut |piece| append(&mut out, piece));
        if n < 0 {
            return -1;
        }
        let memory = sys::malloc(out.len() + 1).cast::<u8>();
        if memory.is_null() {
            return -1;
        }
        core::ptr::copy_nonoverlapping(out.as_ptr(), memory, out.len());
        *memory.add(out.len()) = 0;
        *text = memory.cast();
        n
    }
    fn vfwprintf(file: *mut FILE, format: *const i32, list: *mut List) -> c_int {
        match narrow(format) {
            Some(format) => to_stream(file, &format, list, true),
            None => -1,
        }
    }
    fn vwprintf(format: *const i32, list: *mut List) -> c_int { vfwprintf(stdout, format, list) }
    fn vswprintf(buffer: *mut i32, size: usize, format: *const i32, list: *mut List) -> c_int {
        let Some(format) = narrow(format) else { return -1 };
        let mut text = Vec::new();
        // What has as many bytes as the buffer has room for is too long already.
        let most = size.saturating_mul(4);
        let n = run(&format, list, true, &mut |piece| {
            if text.len() < most { append(&mut text, piece) } else { Ok(()) }
        });
        let (mut rest, mut at) = (&text[..], 0);
        while n >= 0 && !rest.is_empty() && at + 1 < size {
            match decode(crate::locale::charset(), &mut State::default(), rest) {
                Decoded::Char(c, used) => {
                    *buffer.add(at) = c as i32;
                    rest = &rest[used..];
                }
                _ => break,
            }
            at += 1;
        }
        if size > 0 {
            *buffer.add(at) = 0;
        }
        if n < 0 || !rest.is_empty() || size == 0 {
            if n >= 0 {
                set_errno(errno::EOVERFLOW);
            }
            return -1;
        }
        n
    }
    fn __assert_fail(condition: *const c_char, file: *const c_char, line: c_int, function: *const c_char) -> ! {
        let text = |s: *const c_char| alloc::string::String::from_utf8_lossy(crate::string::bytes(s)).into_owned();
        let message = alloc::format!("{}:{line}: {}: assertion `{}' failed\n\0", text(file), text(function), text(condition));
        super::fputs(message.as_ptr().cast(), super::stderr);
        sys::abort()
    }
}

c_variadic_api! {
    fn printf(format: *const c_char; list) -> c_int { vfprintf(stdout, format, list) }
    fn fprintf(file: *mut FILE, format: *const c_char; list) -> c_int { vfprintf(file, format, list) }
    fn dprintf(fd: c_int, format: *const c_char; list) -> c_int { vdprintf(fd, format, list) }
    fn sprintf(buffer: *mut c_char, format: *const c_char; list) -> c_int { vsprintf(buffer, format, list) }
    fn snprintf(buffer: *mut c_char, size: usize, format: *const c_char; list) -> c_int { vsnprintf(buffer, size, format, list) }
    fn asprintf(text: *mut *mut c_char, format: *const c_char; list) -> c_int { vasprintf(text, format, list) }
    fn wprintf(format: *const i32; list) -> c_int { vfwprintf(stdout, format, list) }
    fn fwprintf(file: *mut FILE, format: *const i32; list) -> c_int { vfwprintf(file, format, list) }
    fn swprintf(buffer: *mut i32, size: usize, format: *const i32; list) -> c_int { vswprintf(buffer, size, format, list) }
}
