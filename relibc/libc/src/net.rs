//! Internet addresses as text: `<arpa/inet.h>` and byte order.

use crate::string::bytes;
use crate::sys::set_errno;
use core::ffi::{c_char, c_int, c_void};
use core::net::{Ipv4Addr, Ipv6Addr};
use core::ptr::null;
use relibc_core::errno;

const AF_INET: c_int = 2;
const AF_INET6: c_int = 10;

/// `struct in6_addr`.
#[repr(C, align(4))]
#[derive(Debug, PartialEq, Eq)]
pub struct In6Addr(pub [u8; 16]);

/// The address of no host: of whoever is bound to it, any.
#[cfg_attr(target_os = "redox", unsafe(no_mangle))]
pub static in6addr_any: In6Addr = In6Addr(Ipv6Addr::UNSPECIFIED.octets());
/// This host.
#[cfg_attr(target_os = "redox", unsafe(no_mangle))]
pub static in6addr_loopback: In6Addr = In6Addr(Ipv6Addr::LOCALHOST.octets());

/// One to four parts, each decimal, octal or hexadecimal; the last one fills what is left.
fn parse_old(text: &[u8]) -> Option<u32> {
    let mut parts = [0u64; 4];
    let mut n = 0;
    let mut at = 0;
    loop {
        let parsed = relibc_core::integer::parse(|i| text.get(at + i).copied().unwrap_or(0), 0);
        if parsed.len == 0 || parsed.overflow || !text[at].is_ascii_digit() || n == 4 {
            return None;
        }
        parts[n] = parsed.magnitude;
        n += 1;
        at += parsed.len;
        match text.get(at) {
            None => break,
            Some(b'.') => at += 1,
            Some(c) if c.is_ascii_whitespace() => break,
            Some(_) => return None,
        }
    }
    let last = parts[n - 1];
    if last >> (8 * (5 - n)) != 0 || parts[..n - 1].iter().any(|p| *p > 255) {
        return None;
    }
    Some(
        parts[..n - 1]
            .iter()
            .enumerate()
            .fold(last as u32, |v, (i, p)| v | (*p as u32) << (24 - 8 * i)),
    )
}

unsafe fn copy(text: &str, buffer: *mut c_char, size: usize) -> *const c_char {
    if text.len() >= size {
        set_errno(errno::ENOSPC);
        return null();
    }
    core::ptr::copy_nonoverlapping(text.as_ptr(), buffer.cast(), text.len());
    *buffer.add(text.len()) = 0;
    buffer
}

c_api! {
    fn htonl(host: u32) -> u32 { host.to_be() }
    fn htons(host: u16) -> u16 { host.to_be() }
    fn ntohl(network: u32) -> u32 { u32::from_be(network) }
    fn ntohs(network: u16) -> u16 { u16::from_be(network) }
    fn inet_aton(text: *const c_char, address: *mut u32) -> c_int {
        match parse_old(bytes(text)) {
            Some(v) => {
                *address = v.to_be();
                1
            }
            None => 0,
        }
    }
    fn inet_addr(text: *const c_char) -> u32 { parse_old(bytes(text)).map_or(u32::MAX, u32::to_be) }
    fn inet_ntoa(address: u32) -> *mut c_char {
        #[thread_local]
        static mut TEXT: [c_char; 16] = [0; 16];
        inet_ntop(AF_INET, (&raw const address).cast(), (&raw mut TEXT).cast(), 16);
        (&raw mut TEXT).cast()
    }
    fn inet_pton(family: c_int, text: *const c_char, address: *mut c_void) -> c_int {
        let text = core::str::from_utf8(bytes(text)).unwrap_or("");
        let octets: &[u8] = match family {
            AF_INET => match text.parse::<Ipv4Addr>() {
                Ok(a) => &a.octets(),
                Err(_) => return 0,
            },
            AF_INET6 => match text.parse::<Ipv6Addr>() {
                Ok(a) => &a.octets(),
                Err(_) => return 0,
            },
            _ => {
                set_errno(errno::EAFNOSUPPORT);
                return -1;
            }
        };
        core::ptr::copy_nonoverlapping(octets.as_ptr(), address.cast(), octets.len());
        1
    }
    fn inet_ntop(family: c_int, address: *const c_void, buffer: *mut c_char, size: u32) -> *const c_char {
        match family {
            AF_INET => copy(&alloc::format!("{}", Ipv4Addr::from(*address.cast::<[u8; 4]>())), buffer, size as usize),
            AF_INET6 => copy(&alloc::format!("{}", Ipv6Addr::from(*address.cast::<[u8; 16]>())), buffer, size as usize),
            _ => {
                set_errno(errno::EAFNOSUPPORT);
                null()
            }
        }
    }
}
