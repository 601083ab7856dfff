//! `<iconv.h>`.

use alloc::boxed::Box;
use core::ffi::{c_char, c_int};
use core::slice::{from_raw_parts, from_raw_parts_mut};
use relibc_core::convert::{Converter, Stop};
use relibc_core::errno;
use relibc_core::multibyte::Charset;

use crate::string::bytes;
use crate::sys::set_errno;

c_api! {
    fn iconv_open(to: *const c_char, from: *const c_char) -> *mut Converter {
        let own: &[u8] = match crate::locale::charset() {
            Charset::Utf8 => b"UTF-8",
            Charset::C => b"ASCII",
        };
        match Converter::new(bytes(to), bytes(from), own) {
            Some(converter) => Box::into_raw(Box::new(converter)),
            None => {
                set_errno(errno::EINVAL);
                core::ptr::without_provenance_mut(usize::MAX)
            }
        }
    }
    fn iconv(converter: *mut Converter, from: *mut *mut c_char, from_left: *mut usize, to: *mut *mut c_char, to_left: *mut usize) -> usize {
        if converter.addr() == usize::MAX {
            set_errno(errno::EBADF);
            return usize::MAX;
        }
        let converter = &mut *converter;
        if from.is_null() || (*from).is_null() {
            converter.reset();
            return 0;
        }
        let input = from_raw_parts((*from).cast::<u8>(), *from_left);
        let output = from_raw_parts_mut((*to).cast::<u8>(), *to_left);
        let (taken, given, result) = converter.convert(input, output);
        *from = (*from).add(taken);
        *from_left -= taken;
        *to = (*to).add(given);
        *to_left -= given;
        result.unwrap_or_else(|stop| {
            set_errno(match stop {
                Stop::Incomplete => errno::EINVAL,
                Stop::Invalid => errno::EILSEQ,
                Stop::Full => errno::E2BIG,
            });
            usize::MAX
        })
    }
    fn iconv_close(converter: *mut Converter) -> c_int {
        if converter.addr() == usize::MAX {
            set_errno(errno::EBADF);
            return -1;
        }
        drop(Box::from_raw(converter));
        0
    }
}
