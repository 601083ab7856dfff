//! What `<netdb.h>` has of hosts, services and protocols, from `/etc/hosts`, `/etc/services` and
//! `/etc/protocols`, and `<net/if.h>`.

use alloc::ffi::CString;
use alloc::vec::Vec;
use core::ffi::{c_char, c_int, c_uint, c_void};
use core::net::IpAddr;
use core::ptr::null_mut;

use redox_rt::futex::Mutex;
use relibc_core::netdb::{Host, Protocol, Service};

use super::users::read_file;
use crate::string::bytes;
use crate::sys;

const HOST_NOT_FOUND: c_int = 1;
const NO_RECOVERY: c_int = 3;

#[thread_local]
static mut H_ERRNO: c_int = 0;

/// A structure's strings and lists: they live until the next answer of the same kind.
struct Answer {
    words: [usize; 5],
    texts: Vec<u8>,
    lists: Vec<usize>,
}

impl Answer {
    const NONE: Self = Self {
        words: [0; 5],
        texts: Vec::new(),
        lists: Vec::new(),
    };

    /// Lays out a name, the aliases and one more text, and answers their addresses.
    fn lay<'a>(
        &mut self,
        name: &'a [u8],
        aliases: impl Iterator<Item = &'a [u8]>,
        last: &'a [u8],
    ) -> [usize; 3] {
        self.texts.clear();
        self.lists.clear();
        let mut starts = Vec::new();
        for text in [name].into_iter().chain(aliases).chain([last]) {
            starts.push(self.texts.len());
            self.texts.extend_from_slice(text);
            self.texts.push(0);
        }
        let base = self.texts.as_ptr() as usize;
        let inner = starts.get(1..starts.len() - 1).unwrap_or(&[]);
        self.lists.extend(inner.iter().map(|at| base + at));
        self.lists.push(0);
        let last = base + starts.last().copied().unwrap_or(0);
        // A list of one, for addresses.
        self.lists.extend([last, 0]);
        [base, self.lists.as_ptr() as usize, last]
    }
}

static HOST: Mutex<Answer> = Mutex::new(Answer::NONE);
static SERVICE: Mutex<Answer> = Mutex::new(Answer::NONE);
static PROTOCOL: Mutex<Answer> = Mutex::new(Answer::NONE);

fn lines(data: &[u8]) -> impl Iterator<Item = &[u8]> {
    data.split(|&b| b == b'\n')
}

/// The port of a service, in the machine's byte order, from its name or its number.
pub(crate) fn port_of(name: &[u8], protocol: Option<&[u8]>) -> Option<u16> {
    let number = core::str::from_utf8(name).ok().and_then(|t| t.parse().ok());
    number.or_else(|| {
        let data = read_file(b"/etc/services").unwrap_or_default();
        let wanted =
            |s: &Service<'_>| s.names.contain(name) && protocol.is_none_or(|p| p == s.protocol);
        lines(&data)
            .filter_map(Service::parse)
            .find(wanted)
            .map(|s| s.port)
    })
}

/// The addresses of a name in `/etc/hosts`, and its official name.
pub(crate) fn addresses_of(name: &[u8]) -> (Vec<IpAddr>, Option<CString>) {
    let data = read_file(b"/etc/hosts").unwrap_or_default();
    let hosts = lines(&data).filter_map(Host::parse);
    let mut official = None;
    let found = hosts.filter(|h| h.is_called(name)).map(|h| {
        official = official
            .take()
            .or_else(|| CString::new(h.names.official).ok());
        h.address
    });
    (found.collect(), official)
}

unsafe fn service(wanted: impl Fn(&Service<'_>) -> bool) -> *mut c_void {
    let data = read_file(b"/etc/services").unwrap_or_default();
    let Some(found) = lines(&data).filter_map(Service::parse).find(wanted) else {
        return null_mut();
    };
    let mut answer = SERVICE.lock();
    let [name, aliases, protocol] =
        answer.lay(found.names.official, found.names.aliases(), found.protocol);
    answer.words = [name, aliases, found.port.to_be() as usize, protocol, 0];
    answer.words.as_mut_ptr().cast()
}

unsafe fn protocol(wanted: impl Fn(&Protocol<'_>) -> bool) -> *mut c_void {
    let data = read_file(b"/etc/protocols").unwrap_or_default();
    let Some(found) = lines(&data).filter_map(Protocol::parse).find(wanted) else {
        return null_mut();
    };
    let mut answer = PROTOCOL.lock();
    let [name, aliases, _] = answer.lay(found.names.official, found.names.aliases(), b"");
    answer.words = [name, aliases, found.number as usize, 0, 0];
    answer.words.as_mut_ptr().cast()
}

unsafe fn host(name: &[u8], aliases: &[&[u8]], address: IpAddr) -> *mut c_void {
    let (family, octets) = match address {
        IpAddr::V4(ip) => (libc::AF_INET, ip.octets().to_vec()),
        IpAddr::V6(ip) => (libc::AF_INET6, ip.octets().to_vec()),
    };
    let mut answer = HOST.lock();
    let [name, list, _] = answer.lay(name, aliases.iter().copied(), &octets);
    let addresses = list + (aliases.len() + 1) * size_of::<usize>();
    let kinds = family as usize | octets.len() << 32;
    answer.words = [name, list, kinds, addresses, 0];
    answer.words.as_mut_ptr().cast()
}

unsafe fn unknown(error: c_int) -> *mut c_void {
    H_ERRNO = error;
    null_mut()
}

/// A protocol's name as C gives it, or none.
unsafe fn filter<'a>(protocol: *const c_char) -> Option<&'a [u8]> {
    (!protocol.is_null()).then(|| bytes(protocol))
}

unsafe fn error_text(error: c_int) -> &'static core::ffi::CStr {
    match error {
        0 => c"Success",
        HOST_NOT_FOUND => c"Host not known",
        2 => c"No answer for now",
        NO_RECOVERY => c"Name look-up failed",
        4 => c"No address for the name",
        _ => c"Unknown error",
    }
}

c_api! {
    fn __h_errno_location() -> *mut c_int { &raw mut H_ERRNO }
    fn hstrerror(error: c_int) -> *const c_char { error_text(error).as_ptr() }
    fn herror(prefix: *const c_char) {
        let text = error_text(H_ERRNO).to_bytes().escape_ascii();
        if prefix.is_null() || *prefix == 0 {
            redox_rt::eprintln!("{text}");
        } else {
            redox_rt::eprintln!("{}: {text}", bytes(prefix).escape_ascii());
        }
    }
    fn gethostbyname(name: *const c_char) -> *mut c_void {
        let name = bytes(name);
        if let Some(ip) = core::str::from_utf8(name).ok().and_then(|t| t.parse::<core::net::Ipv4Addr>().ok()) {
            return host(name, &[], IpAddr::V4(ip));
        }
        let data = read_file(b"/etc/hosts").unwrap_or_default();
        let wanted = |h: &Host<'_>| h.address.is_ipv4() && h.is_called(name);
        match lines(&data).filter_map(Host::parse).find(wanted) {
            Some(h) => host(h.names.official, &h.names.aliases().collect::<Vec<_>>(), h.address),
            None if name.eq_ignore_ascii_case(b"localhost") => host(b"localhost", &[], IpAddr::V4(core::net::Ipv4Addr::LOCALHOST)),
            None => unknown(HOST_NOT_FOUND),
        }
    }
    fn gethostbyaddr(address: *const c_void, len: u32, family: c_int) -> *mut c_void {
        let wanted = match (family, len) {
            (libc::AF_INET, 4) => IpAddr::from(address.cast::<[u8; 4]>().read()),
            (libc::AF_INET6, 16) => IpAddr::from(address.cast::<[u8; 16]>().read()),
            _ => return unknown(NO_RECOVERY),
        };
        let data = read_file(b"/etc/hosts").unwrap_or_default();
        match lines(&data).filter_map(Host::parse).find(|h| h.address == wanted) {
            Some(h) => host(h.names.official, &h.names.aliases().collect::<Vec<_>>(), wanted),
            None if wanted.is_loopback() => host(b"localhost", &[], wanted),
            None => unknown(HOST_NOT_FOUND),
        }
    }
    fn getservbyname(name: *const c_char, protocol: *const c_char) -> *mut c_void {
        let (name, protocol) = (bytes(name), filter(protocol));
        service(|s| s.names.contain(name) && protocol.is_none_or(|p| p == s.protocol))
    }
    fn getservbyport(port: c_int, protocol: *const c_char) -> *mut c_void {
        let (port, protocol) = (u16::from_be(port as u16), filter(protocol));
        service(|s| s.port == port && protocol.is_none_or(|p| p == s.protocol))
    }
    fn getprotobyname(name: *const c_char) -> *mut c_void {
        let name = bytes(name);
        protocol(|p| p.names.contain(name))
    }
    fn getprotobynumber(number: c_int) -> *mut c_void { protocol(|p| c_int::from(p.number) == number) }

    // There are no interfaces: no scheme has a network.
    fn if_nametoindex(_name: *const c_char) -> c_uint {
        sys::set_errno(relibc_core::errno::Errno(syscall::ENODEV));
        0
    }
    fn if_indextoname(_index: c_uint, _name: *mut c_char) -> *mut c_char {
        sys::set_errno(relibc_core::errno::Errno(syscall::ENXIO));
        null_mut()
    }
    fn if_nameindex() -> *mut [usize; 2] {
        // A list that has nothing but its end.
        sys::malloc(16).cast::<[usize; 2]>().as_mut().map_or(null_mut(), |end| {
            *end = [0; 2];
            core::ptr::from_mut(end)
        })
    }
    fn if_freenameindex(list: *mut [usize; 2]) { sys::free(list.cast()) }
}
