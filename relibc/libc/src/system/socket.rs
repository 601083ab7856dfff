//! `<sys/socket.h>`: no scheme of the system makes sockets, so no descriptor is one.

use core::ffi::{c_int, c_void};

use redox_rt::{Result, sys};
use syscall::{EAFNOSUPPORT, EINVAL};

use super::{fail, fd, size, unit};

/// Neither the `libc` crate nor `syscall` has another name for it: "not a socket".
const ENOTSOCK: i32 = libc::ENOTSOCK;

fn none<T>(family: c_int, kind: c_int) -> Result<T> {
    let kind = kind & !(libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC);
    match family {
        libc::AF_UNIX | libc::AF_INET | libc::AF_INET6 if !(1..=5).contains(&kind) => fail(EINVAL),
        _ => fail(EAFNOSUPPORT),
    }
}

/// An operation on a descriptor: it is open, and no socket.
fn not_a_socket<T>(number: c_int) -> Result<T> {
    sys::rights(fd(number)?)?;
    fail(ENOTSOCK)
}

c_api! {
    fn socket(family: c_int, kind: c_int, _protocol: c_int) -> c_int { unit(none(family, kind)) }
    fn socketpair(family: c_int, kind: c_int, _protocol: c_int, _pair: *mut [c_int; 2]) -> c_int { unit(none(family, kind)) }
    fn accept(number: c_int, _address: *mut libc::sockaddr, _len: *mut u32) -> c_int { unit(not_a_socket(number)) }
    fn accept4(number: c_int, _address: *mut libc::sockaddr, _len: *mut u32, _flags: c_int) -> c_int { unit(not_a_socket(number)) }
    fn bind(number: c_int, _address: *const libc::sockaddr, _len: u32) -> c_int { unit(not_a_socket(number)) }
    fn connect(number: c_int, _address: *const libc::sockaddr, _len: u32) -> c_int { unit(not_a_socket(number)) }
    fn listen(number: c_int, _backlog: c_int) -> c_int { unit(not_a_socket(number)) }
    fn shutdown(number: c_int, _how: c_int) -> c_int { unit(not_a_socket(number)) }
    fn sockatmark(number: c_int) -> c_int { unit(not_a_socket(number)) }
    fn getpeername(number: c_int, _address: *mut libc::sockaddr, _len: *mut u32) -> c_int { unit(not_a_socket(number)) }
    fn getsockname(number: c_int, _address: *mut libc::sockaddr, _len: *mut u32) -> c_int { unit(not_a_socket(number)) }
    fn getsockopt(number: c_int, _level: c_int, _name: c_int, _value: *mut c_void, _len: *mut u32) -> c_int { unit(not_a_socket(number)) }
    fn setsockopt(number: c_int, _level: c_int, _name: c_int, _value: *const c_void, _len: u32) -> c_int { unit(not_a_socket(number)) }
    fn recv(number: c_int, _buffer: *mut c_void, _len: usize, _flags: c_int) -> isize { size(not_a_socket(number)) }
    fn recvfrom(number: c_int, _buffer: *mut c_void, _len: usize, _flags: c_int, _address: *mut libc::sockaddr, _address_len: *mut u32) -> isize { size(not_a_socket(number)) }
    fn recvmsg(number: c_int, _message: *mut libc::msghdr, _flags: c_int) -> isize { size(not_a_socket(number)) }
    fn send(number: c_int, _buffer: *const c_void, _len: usize, _flags: c_int) -> isize { size(not_a_socket(number)) }
    fn sendto(number: c_int, _buffer: *const c_void, _len: usize, _flags: c_int, _address: *const libc::sockaddr, _address_len: u32) -> isize { size(not_a_socket(number)) }
    fn sendmsg(number: c_int, _message: *const libc::msghdr, _flags: c_int) -> isize { size(not_a_socket(number)) }
}
