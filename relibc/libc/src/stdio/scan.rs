//! The `scanf` family.

use super::{FILE, format::narrow, locked, stdin};
use crate::sys::{malloc, set_errno};
use crate::va::List;
use core::ffi::{c_char, c_int};
use relibc_core::errno::{self, Errno};
use relibc_core::scanf::{self, Host, Outcome, Store};

/// Where input comes from.
trait Source {
    fn peek(&mut self) -> Result<Option<u8>, Errno>;
    fn consume(&mut self);
}

impl Source for &mut FILE {
    fn peek(&mut self) -> Result<Option<u8>, Errno> {
        Ok(self.stream.fill()?.first().copied())
    }
    fn consume(&mut self) {
        self.stream.consume(1);
    }
}

/// A C string, read no further than the scan goes.
struct Text(*const c_char);

impl Source for Text {
    fn peek(&mut self) -> Result<Option<u8>, Errno> {
        // SAFETY: within the string, whose zero is never passed.
        let b = unsafe { *self.0 } as u8;
        Ok((b != 0).then_some(b))
    }
    fn consume(&mut self) {
        // SAFETY: `peek` has seen a byte that is not the end.
        self.0 = unsafe { self.0.add(1) };
    }
}

struct Call<S> {
    source: S,
    list: *mut List,
    start: List,
}

impl<S: Source> Host for Call<S> {
    fn peek(&mut self) -> Result<Option<u8>, Errno> {
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

unsafe fn run(source: impl Source, format: &[u8], list: *mut List) -> c_int {
    let mut call = Call {
        source,
        list,
        start: *list,
    };
    match scanf::scan(&mut call, format, crate::locale::charset()) {
        Outcome::Assigned(n) => n,
        Outcome::End(e) => {
            if let Some(e) = e {
                set_errno(e);
            }
            -1
        }
    }
}

/// A wide format for the narrow engine: `%c`, `%s` and `%[` without a length store multibyte text in
/// both families, so the conversions mean the same.
unsafe fn wide_format(format: *const i32) -> Option<alloc::vec::Vec<u8>> {
    narrow(format)
}

c_api! {
    fn vfscanf(file: *mut FILE, format: *const c_char, list: *mut List) -> c_int { locked(file, |f| run(f, crate::string::bytes(format), list)) }
    fn vscanf(format: *const c_char, list: *mut List) -> c_int { vfscanf(stdin, format, list) }
    fn vsscanf(text: *const c_char, format: *const c_char, list: *mut List) -> c_int { run(Text(text), crate::string::bytes(format), list) }
    fn vfwscanf(file: *mut FILE, format: *const i32, list: *mut List) -> c_int {
        match wide_format(format) {
            Some(format) => locked(file, |f| run(f, &format, list)),
            None => -1,
        }
    }
    fn vwscanf(format: *const i32, list: *mut List) -> c_int { vfwscanf(stdin, format, list) }
    fn vswscanf(text: *const i32, format: *const i32, list: *mut List) -> c_int {
        let (Some(mut text), Some(format)) = (narrow(text), wide_format(format)) else { return -1 };
        text.push(0);
        run(Text(text.as_ptr().cast()), &format, list)
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
