//! `<err.h>`: messages on standard error.

use alloc::vec::Vec;
use core::ffi::{c_char, c_int};
use relibc_core::errno::Errno;

use crate::stdio;
use crate::string::{bytes, strerror};
use crate::sys::{errno, set_errno};
use crate::va::List;

#[cfg(target_os = "redox")]
unsafe extern "C" {
    static program_invocation_short_name: *mut c_char;
    fn exit(status: c_int) -> !;
}

#[cfg(target_os = "redox")]
unsafe fn program() -> &'static [u8] {
    bytes(program_invocation_short_name)
}
#[cfg(not(target_os = "redox"))]
unsafe fn program() -> &'static [u8] {
    b"test"
}
#[cfg(not(target_os = "redox"))]
fn exit(status: c_int) -> ! {
    std::process::exit(status)
}

/// `PROGRAM: MESSAGE: ERROR`, the last part with a number of one.
unsafe fn message(format: *const c_char, list: *mut List, error: Option<c_int>) {
    let mut line: Vec<u8> = program().to_vec();
    line.extend_from_slice(b": ");
    if !format.is_null() {
        stdio::append_formatted(&mut line, bytes(format), list);
        if error.is_some() {
            line.extend_from_slice(b": ");
        }
    }
    if let Some(error) = error {
        line.extend_from_slice(bytes(strerror(error)));
    }
    line.push(b'\n');
    stdio::fwrite(line.as_ptr().cast(), 1, line.len(), stdio::stderr);
    if let Some(error) = error {
        set_errno(Errno(error));
    }
}

c_variadic_api! {
    fn warn(format: *const c_char; list) -> () { message(format, list, Some(errno())) }
    fn warnx(format: *const c_char; list) -> () { message(format, list, None) }
    fn err(status: c_int, format: *const c_char; list) -> ! { message(format, list, Some(errno())); exit(status) }
    fn errx(status: c_int, format: *const c_char; list) -> ! { message(format, list, None); exit(status) }
}

c_api! {
    fn vwarn(format: *const c_char, list: *mut List) { message(format, list, Some(errno())) }
    fn vwarnx(format: *const c_char, list: *mut List) { message(format, list, None) }
    fn verr(status: c_int, format: *const c_char, list: *mut List) -> ! { message(format, list, Some(errno())); exit(status) }
    fn verrx(status: c_int, format: *const c_char, list: *mut List) -> ! { message(format, list, None); exit(status) }
}
