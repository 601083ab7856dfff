//! The `scanf` family.

use super::io::before_reading;
use super::{BYTES, FILE, WIDE, format::narrow, oriented, stdin};
use crate::sys::{malloc, set_errno};
use crate::va::List;
use core::ffi::{c_char, c_int};
use relibc_core::errno::{self, Errno};
use relibc_core::multibyte::{Decoded, State, decode, encode};
use relibc_core::scanf::{self, Host, Outcome, Store};

/// Where input comes from: bytes, or wide characters.
trait Source {
    fn peek(&mut self) -> Result<Option<u32>, Errno>;
    fn consume(&mut self);
}

impl Source for &mut FILE {
    fn peek(&mut self) -> Result<Option<u32>, Errno> {
        // SAFETY: the stream is locked.
        unsafe { before_reading(self) };
        Ok(self.stream.fill()?.first().copied().map(u32::from))
    }
    fn consume(&mut self) {
        self.stream.consume(1);
    }
}

/// A stream by wide characters. One that was looked at only goes back into the stream at the end.
struct Wide<'f> {
    file: &'f mut FILE,
    next: Option<u32>,
}

impl Source for Wide<'_> {
    fn peek(&mut self) -> Result<Option<u32>, Errno> {
        let charset = crate::locale::charset();
        while self.next.is_none() {
            // SAFETY: the stream is locked.
            unsafe { before_reading(self.file) };
            let state = &mut self.file.wide_state;
            let step = match self.file.stream.fill()?.first() {
                Some(&byte) => decode(charset, state, &[byte]),
                None if *state == State::default() => return Ok(None),
                None => {
                    *state = State::default();
                    Decoded::Invalid
                }
            };
            self.file.stream.consume(1);
            match step {
                Decoded::Char(c, _) => self.next = Some(c),
                Decoded::Incomplete => {}
                Decoded::Invalid => {
                    self.file.stream.set_error();
                    return Err(errno::EILSEQ);
                }
            }
        }
        Ok(self.next)
    }
    fn consume(&mut self) {
        self.next = None;
    }
}

impl Drop for Wide<'_> {
    fn drop(&mut self) {
        let mut buffer = [0; 4];
        let next = self.next.take();
        let n = next.and_then(|c| encode(crate::locale::charset(), c, &mut buffer));
        for &byte in buffer[..n.unwrap_or(0)].iter().rev() {
            // It has just been read, and is unread where it was.
            let _ = self.file.stream.unget(byte);
        }
    }
}

/// A C string, narrow or wide, read no further than the scan goes.
struct Text<T>(*const T);

impl Source for Text<u8> {
    fn peek(&mut self) -> Result<Option<u32>, Errno> {
        // SAFETY: within the string, whose zero is never passed.
        let b = unsafe { *self.0 };
        Ok((b != 0).then_some(u32::from(b)))
    }
    fn consume(&mut self) {
        // SAFETY: `peek` has seen a byte that is not the end.
        self.0 = unsafe { self.0.add(1) };
    }
}

impl Source for Text<u32> {
    fn peek(&mut self) -> Result<Option<u32>, Errno> {
        // SAFETY: within the string, whose zero is never passed.
        let c = unsafe { *self.0 };
        Ok((c != 0).then_some(c))
    }
    fn consume(&mut self) {
        // SAFETY: `peek` has seen a character that is not the end.
        self.0 = unsafe { self.0.add(1) };
    }
}

struct Call<S> {
    source: S,
    list: *mut List,
    start: List,
}

impl<S: Source> Host for Call<S> {
    fn peek(&mut self) -> Result<Option<u32>, Errno> {
        self.source.peek()
    }
    fn consume(&mut self) {
        self.source.consume();
    }
    fn store(&mut self, position: usize, value: Store<'_>, allocate: bool) -> Result<(), Errno> {
        // SAFETY: every argument is a pointer to an object of the type its conversion names.
        unsafe {
            let mut target: *mut u8 = if position == 0 {
                (*self.list).pointer()
            } else {
                let mut list = self.start;
                for _ in 1..position {
                    list.word();
                }
                list.pointer()
            };
            let (data, unit, zero): (&[u8], usize, bool) = match &value {
                Store::Bytes(b, z) => (b, 1, *z),
                Store::Wide(w, z) => (
                    core::slice::from_raw_parts(w.as_ptr().cast(), w.len() * 4),
                    4,
                    *z,
                ),
                _ => (&[], 0, false),
            };
            if unit > 0 && allocate {
                let memory = malloc(data.len() + unit).cast::<u8>();
                if memory.is_null() {
                    return Err(errno::ENOMEM);
                }
                target.cast::<*mut u8>().write(memory);
                target = memory;
            }
            match value {
                Store::Int(size, v) => {
                    core::ptr::copy_nonoverlapping(v.to_le_bytes().as_ptr(), target, size)
                }
                Store::Float(v) => target.cast::<f32>().write(v),
                Store::Double(v) => target.cast::<f64>().write(v),
                Store::LongDouble(v) => target.cast::<[u8; 10]>().write(v),
                Store::Bytes(..) | Store::Wide(..) => {
                    core::ptr::copy_nonoverlapping(data.as_ptr(), target, data.len());
                    if zero {
                        target.add(data.len()).write_bytes(0, unit);
                    }
                }
            }
        }
        Ok(())
    }
}

unsafe fn run(source: impl Source, format: &[u8], list: *mut List, wide: bool) -> c_int {
    let mut call = Call {
        source,
        list,
        start: *list,
    };
    match scanf::scan(&mut call, format, crate::locale::charset(), wide) {
        Outcome::Assigned(n) => n,
        Outcome::End(e) => {
            if let Some(e) = e {
                set_errno(e);
            }
            -1
        }
    }
}

c_api! {
    fn vfscanf(file: *mut FILE, format: *const c_char, list: *mut List) -> c_int { oriented(file, BYTES, |f| run(f, crate::string::bytes(format), list, false)) }
    fn vscanf(format: *const c_char, list: *mut List) -> c_int { vfscanf(stdin, format, list) }
    fn vsscanf(text: *const c_char, format: *const c_char, list: *mut List) -> c_int { run(Text(text.cast::<u8>()), crate::string::bytes(format), list, false) }
    fn vfwscanf(file: *mut FILE, format: *const i32, list: *mut List) -> c_int {
        let Some(format) = narrow(format) else { return -1 };
        oriented(file, WIDE, |f| {
            if f.orientation == 0 {
                f.orientation = 1;
            }
            run(Wide { file: f, next: None }, &format, list, true)
        })
    }
    fn vwscanf(format: *const i32, list: *mut List) -> c_int { vfwscanf(stdin, format, list) }
    fn vswscanf(text: *const i32, format: *const i32, list: *mut List) -> c_int {
        let Some(format) = narrow(format) else { return -1 };
        run(Text(text.cast::<u32>()), &format, list, true)
    }
}

c_variadic_api! {
    fn scanf(format: *const c_char; list) -> c_int { vfscanf(stdin, format, list) }
    fn fscanf(file: *mut FILE, format: *const c_char; list) -> c_int { vfscanf(file, format, list) }
    fn sscanf(text: *const c_char, format: *const c_char; list) -> c_int { vsscanf(text, format, list) }
    fn wscanf(format: *const i32; list) -> c_int { vfwscanf(stdin, format, list) }
    fn fwscanf(file: *mut FILE, format: *const i32; list) -> c_int { vfwscanf(file, format, list) }
    fn swscanf(text: *const i32, format: *const i32; list) -> c_int { vswscanf(text, format, list) }
}
