//! `getaddrinfo` and `getnameinfo`: numbers, and the names of `/etc/hosts` and `/etc/services`. There is no
//! resolver to ask for others.

use alloc::boxed::Box;
use alloc::ffi::CString;
use core::ffi::{CStr, c_char, c_int};
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use core::ptr::null_mut;

use super::network;

const AI_PASSIVE: c_int = 1;
const AI_CANONNAME: c_int = 2;
const AI_NUMERICHOST: c_int = 4;
const AI_NUMERICSERV: c_int = 0x400;
const EAI_BADFLAGS: c_int = -1;
const EAI_NONAME: c_int = -2;
const EAI_AGAIN: c_int = -3;
const EAI_FAMILY: c_int = -6;
const EAI_SOCKTYPE: c_int = -7;
const EAI_SERVICE: c_int = -8;
const EAI_OVERFLOW: c_int = -12;
const NI_NAMEREQD: c_int = 8;
const KNOWN_FLAGS: c_int = 0x43f;

/// One allocation of `getaddrinfo`.
#[repr(C)]
struct Entry {
    info: libc::addrinfo,
    address: Address,
    /// What `ai_canonname` points to.
    canonical: Option<CString>,
}

#[repr(C)]
union Address {
    v4: libc::sockaddr_in,
    v6: libc::sockaddr_in6,
}

fn parse(text: &str) -> Option<IpAddr> {
    text.parse().ok()
}

fn entry(ip: IpAddr, port: u16, kind: c_int, protocol: c_int) -> Box<Entry> {
    // SAFETY: all bytes zero is valid for these structures of numbers and pointers.
    let (info, address) = unsafe { (core::mem::zeroed(), core::mem::zeroed()) };
    let mut entry = Box::new(Entry {
        info,
        address,
        canonical: None,
    });
    entry.info.ai_socktype = kind;
    entry.info.ai_protocol = protocol;
    // SAFETY: one field of the union is written whole.
    unsafe {
        match ip {
            IpAddr::V4(ip) => {
                entry.info.ai_family = libc::AF_INET;
                entry.info.ai_addrlen = size_of::<libc::sockaddr_in>();
                let address = &mut entry.address.v4;
                address.sin_family = libc::AF_INET as u16;
                address.sin_port = port.to_be();
                address.sin_addr.s_addr = u32::from_ne_bytes(ip.octets());
            }
            IpAddr::V6(ip) => {
                entry.info.ai_family = libc::AF_INET6;
                entry.info.ai_addrlen = size_of::<libc::sockaddr_in6>();
                let address = &mut entry.address.v6;
                address.sin6_family = libc::AF_INET6 as u16;
                address.sin6_port = port.to_be();
                address.sin6_addr.s6_addr = ip.octets();
            }
        }
    }
    entry.info.ai_addr = (&raw mut entry.address).cast();
    entry
}

unsafe fn string<'a>(text: *const c_char) -> Option<&'a str> {
    if text.is_null() {
        None
    } else {
        CStr::from_ptr(text).to_str().ok()
    }
}

unsafe fn look_up(
    node: *const c_char,
    service: *const c_char,
    hints: *const libc::addrinfo,
    out: *mut *mut libc::addrinfo,
) -> c_int {
    let (flags, family, kind, protocol) = match hints.as_ref() {
        Some(h) => (h.ai_flags, h.ai_family, h.ai_socktype, h.ai_protocol),
        None => (0, libc::AF_UNSPEC, 0, 0),
    };
    if flags & !KNOWN_FLAGS != 0 {
        return EAI_BADFLAGS;
    }
    if node.is_null() && service.is_null() {
        return EAI_NONAME;
    }
    if !matches!(
        kind,
        0 | libc::SOCK_STREAM | libc::SOCK_DGRAM | libc::SOCK_RAW
    ) {
        return EAI_SOCKTYPE;
    }
    let port = match (service.is_null(), string(service)) {
        (true, _) => 0,
        (_, Some(text)) => {
            let of_kind: Option<&[u8]> = match kind {
                1 => Some(b"tcp"),
                2 => Some(b"udp"),
                _ => None,
            };
            let by_name = flags & AI_NUMERICSERV == 0;
            let port = if by_name {
                network::port_of(text.as_bytes(), of_kind)
            } else {
                text.parse().ok()
            };
            match port {
                Some(port) => port,
                None if by_name => return EAI_SERVICE,
                None => return EAI_NONAME,
            }
        }
        _ => return EAI_SERVICE,
    };
    let accepts = |ip: &IpAddr| match family {
        libc::AF_UNSPEC => true,
        libc::AF_INET => ip.is_ipv4(),
        libc::AF_INET6 => ip.is_ipv6(),
        _ => false,
    };
    if !matches!(family, libc::AF_UNSPEC | libc::AF_INET | libc::AF_INET6) {
        return EAI_FAMILY;
    }
    let v6 = if flags & AI_PASSIVE != 0 {
        Ipv6Addr::UNSPECIFIED
    } else {
        Ipv6Addr::LOCALHOST
    };
    let v4 = if flags & AI_PASSIVE != 0 {
        Ipv4Addr::UNSPECIFIED
    } else {
        Ipv4Addr::LOCALHOST
    };
    let both = [IpAddr::V6(v6), IpAddr::V4(v4)];
    let local = [
        IpAddr::V6(Ipv6Addr::LOCALHOST),
        IpAddr::V4(Ipv4Addr::LOCALHOST),
    ];
    let (parsed, known);
    let mut canonical = None;
    let addresses: &[IpAddr] = match (node.is_null(), string(node)) {
        (true, _) => &both,
        (_, Some("localhost")) if flags & AI_NUMERICHOST == 0 => &local,
        (_, Some(text)) => match parse(text) {
            Some(ip) => {
                parsed = [ip];
                &parsed
            }
            None if flags & AI_NUMERICHOST == 0 => {
                (known, canonical) = network::addresses_of(text.as_bytes());
                if known.is_empty() {
                    // There is nobody else who could be asked.
                    return EAI_AGAIN;
                }
                &known
            }
            None => return EAI_NONAME,
        },
        _ => return EAI_NONAME,
    };
    // Each kind of socket by number: stream over TCP, datagram over UDP.
    let kinds = [(1, 6), (2, 17)];
    let mut list: *mut libc::addrinfo = null_mut();
    for &ip in addresses.iter().rev().filter(|ip| accepts(ip)) {
        for &(k, p) in kinds.iter().rev() {
            if (kind == 0 || kind == k) && (protocol == 0 || protocol == p) {
                let mut new = entry(ip, port, k, p);
                new.info.ai_next = list;
                list = Box::into_raw(new).cast();
            }
        }
    }
    if list.is_null() {
        return EAI_FAMILY;
    }
    if flags & AI_CANONNAME != 0 && !node.is_null() {
        let first = &mut *list.cast::<Entry>();
        let name = canonical.unwrap_or_else(|| CStr::from_ptr(node).into());
        first.info.ai_canonname = name.as_ptr().cast_mut();
        first.canonical = Some(name);
    }
    out.write(list);
    0
}

struct Text<'a> {
    buffer: &'a mut [u8],
    len: usize,
}

impl core::fmt::Write for Text<'_> {
    fn write_str(&mut self, s: &str) -> core::fmt::Result {
        // One byte stays for the NUL.
        let end = self.len + s.len();
        let place = self
            .buffer
            .get_mut(self.len..end + 1)
            .ok_or(core::fmt::Error)?;
        place[..s.len()].copy_from_slice(s.as_bytes());
        place[s.len()] = 0;
        self.len = end;
        Ok(())
    }
}

unsafe fn write_text(buffer: *mut c_char, len: u32, text: core::fmt::Arguments<'_>) -> c_int {
    if buffer.is_null() || len == 0 {
        return 0;
    }
    let buffer = core::slice::from_raw_parts_mut(buffer.cast(), len as usize);
    let mut out = Text { buffer, len: 0 };
    core::fmt::Write::write_fmt(&mut out, text).map_or(EAI_OVERFLOW, |()| 0)
}

c_api! {
    fn getaddrinfo(node: *const c_char, service: *const c_char, hints: *const libc::addrinfo, out: *mut *mut libc::addrinfo) -> c_int {
        look_up(node, service, hints, out)
    }
    fn freeaddrinfo(list: *mut libc::addrinfo) {
        let mut at = list;
        while !at.is_null() {
            let next = (*at).ai_next;
            drop(Box::from_raw(at.cast::<Entry>()));
            at = next;
        }
    }
    fn gai_strerror(error: c_int) -> *const c_char {
        let text = match error {
            0 => c"Success",
            EAI_BADFLAGS => c"Bad flags",
            EAI_NONAME => c"Name or service not known",
            EAI_AGAIN => c"No resolver to ask",
            -4 => c"Name resolution failed",
            -5 => c"No address for the name",
            EAI_FAMILY => c"Address family not supported",
            EAI_SOCKTYPE => c"Socket type not supported",
            EAI_SERVICE => c"Service not known",
            -9 => c"No address of that family for the name",
            -10 => c"Out of memory",
            -11 => c"System error",
            EAI_OVERFLOW => c"Buffer too small",
            _ => c"Unknown error",
        };
        text.as_ptr()
    }
    fn getnameinfo(address: *const libc::sockaddr, len: u32, node: *mut c_char, node_len: u32, service: *mut c_char, service_len: u32, flags: c_int) -> c_int {
        if flags & NI_NAMEREQD != 0 {
            return EAI_NONAME;
        }
        let (ip, port) = match c_int::from((*address).sa_family) {
            libc::AF_INET if len as usize >= size_of::<libc::sockaddr_in>() => {
                let a = &*address.cast::<libc::sockaddr_in>();
                (IpAddr::V4(Ipv4Addr::from(a.sin_addr.s_addr.to_ne_bytes())), a.sin_port)
            }
            libc::AF_INET6 if len as usize >= size_of::<libc::sockaddr_in6>() => {
                let a = &*address.cast::<libc::sockaddr_in6>();
                (IpAddr::V6(Ipv6Addr::from(a.sin6_addr.s6_addr)), a.sin6_port)
            }
            _ => return EAI_FAMILY,
        };
        match write_text(node, node_len, format_args!("{ip}")) {
            0 => write_text(service, service_len, format_args!("{}", u16::from_be(port))),
            error => error,
        }
    }
}
