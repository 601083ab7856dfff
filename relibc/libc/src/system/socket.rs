//! `<sys/socket.h>`: Unix sockets (`uds-api`). No scheme of the system makes others.
//!
//! A socket that is bound to a path has a name there (`S_IFSOCK`) with a token behind it, by which whoever may write
//! to that name connects.

mod message;

use alloc::vec::Vec;
use core::ffi::{c_int, c_void};

use redox_rt::signal::again;
use redox_rt::{Error, Fd, Result, process, sys};
use syscall::flag::{CallFlags, MODE_SOCK, O_WRONLY};
use syscall::{EADDRINUSE, EAFNOSUPPORT, ECONNREFUSED, EEXIST, EINVAL, EISDIR, ENXIO, EOPNOTSUPP};
use uds_api::{ADDRESS, Address, NAME, TOKEN, Token, flag, option, verb};

use super::restartable;
use super::thread::cancel::cancellable;
use super::{bytes, fail, fd, file, int, path, unit};

/// Neither the `libc` crate nor `syscall` has another name for it: "not a socket".
const ENOTSOCK: i32 = libc::ENOTSOCK;
const EPROTONOSUPPORT: i32 = libc::EPROTONOSUPPORT;

const STREAM: &[u8] = b"/scheme/uds_stream";
const DATAGRAM: &[u8] = b"/scheme/uds_dgram";
const PACKET: &[u8] = b"/scheme/uds_seqpacket";
/// As a flag of opening: the token behind a socket's name, not what it stands for.
const AS_SOCKET: usize = O_WRONLY | MODE_SOCK as usize;
/// Longest address: the family and the name.
const FAMILY: usize = size_of::<u16>();

const SO_DOMAIN: c_int = 39;
const SO_PROTOCOL: c_int = 38;
const SO_PASSCRED: c_int = 16;
const MSG_DONTWAIT: c_int = 64;

/// Where sockets of a kind come from, and the flags to open one with.
fn scheme(family: c_int, kind: c_int) -> Result<(&'static [u8], c_int)> {
    let mut flags = libc::O_RDWR;
    if kind & libc::SOCK_NONBLOCK != 0 {
        flags |= libc::O_NONBLOCK;
    }
    if kind & libc::SOCK_CLOEXEC != 0 {
        flags |= libc::O_CLOEXEC;
    }
    let kind = kind & !(libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC);
    match (family, kind) {
        (libc::AF_UNIX, libc::SOCK_STREAM) => Ok((STREAM, flags)),
        (libc::AF_UNIX, libc::SOCK_DGRAM) => Ok((DATAGRAM, flags)),
        (libc::AF_UNIX, libc::SOCK_SEQPACKET) => Ok((PACKET, flags)),
        (libc::AF_UNIX, 3) => fail(EPROTONOSUPPORT),
        (libc::AF_UNIX, _) => fail(EINVAL),
        (libc::AF_INET | libc::AF_INET6, _) if !(1..=5).contains(&kind) => fail(EINVAL),
        _ => fail(EAFNOSUPPORT),
    }
}

fn make(family: c_int, kind: c_int, protocol: c_int) -> Result<usize> {
    let (path, flags) = scheme(family, kind)?;
    if protocol != 0 {
        return fail(EPROTONOSUPPORT);
    }
    again(|| file::open_at(libc::AT_FDCWD, path, flags, 0))
}

fn is_socket(number: usize) -> bool {
    sys::fstat(number).is_ok_and(|stat| stat.st_mode & syscall::MODE_TYPE == syscall::MODE_SOCK)
}

/// Whether it is a socket that keeps messages apart.
pub(super) fn has_messages(number: usize) -> bool {
    is_socket(number) && !is_stream(number)
}

fn is_stream(number: usize) -> bool {
    let kind = ask(number, &mut [0; 12], &[verb::GET_OPTION, option::TYPE, 0]);
    kind == Ok(libc::SOCK_STREAM as usize)
}

/// Something that was asked of a socket. Of what is none, everything is `ENOTSOCK`.
fn of_socket<T>(number: usize, result: Result<T>) -> Result<T> {
    match result {
        Err(e)
            if matches!(
                e.errno,
                EOPNOTSUPP | EINVAL | syscall::ENOSYS | syscall::EPERM
            ) && !is_socket(number) =>
        {
            fail(ENOTSOCK)
        }
        other => other,
    }
}

fn socket_fd(number: c_int) -> Result<usize> {
    let number = fd(number)?;
    sys::rights(number)?;
    Ok(number)
}

fn ask(number: usize, payload: &mut [u8], metadata: &[u64]) -> Result<usize> {
    let asked = again(|| sys::call_read_write(number, payload, CallFlags::empty(), metadata));
    of_socket(number, asked)
}

/// Whether a call may not wait: the descriptor says so, or the call does.
fn nonblock(number: usize, flags: c_int) -> Result<u64> {
    // SAFETY: the command takes no argument.
    let status = unsafe { sys::fcntl(number, libc::F_GETFL as usize, 0) }?;
    let off = status & libc::O_NONBLOCK as usize == 0 && flags & MSG_DONTWAIT == 0;
    Ok(if off { 0 } else { flag::NONBLOCK })
}

/// The name in a C address.
unsafe fn name_of<'a>(address: *const libc::sockaddr, len: u32) -> Result<&'a [u8]> {
    let all = bytes(address.cast(), len as usize)?;
    let (family, name) = all
        .split_first_chunk::<FAMILY>()
        .ok_or(Error::new(EINVAL))?;
    if c_int::from(u16::from_ne_bytes(*family)) != libc::AF_UNIX {
        return fail(EAFNOSUPPORT);
    }
    // A path ends at its NUL; an abstract name begins with one.
    let name = match name.first() {
        None | Some(0) => name,
        Some(_) => name.split(|&b| b == 0).next().unwrap_or(name),
    };
    if name.len() > NAME {
        return fail(EINVAL);
    }
    Ok(name)
}

/// Fills a C address.
unsafe fn give_name(name: &[u8], address: *mut libc::sockaddr, len: *mut u32) {
    if address.is_null() || len.is_null() {
        return;
    }
    let mut all = Vec::from((libc::AF_UNIX as u16).to_ne_bytes());
    all.extend_from_slice(name);
    if name.first().is_some_and(|&b| b != 0) {
        all.push(0);
    }
    let room = (*len as usize).min(all.len());
    core::ptr::copy_nonoverlapping(all.as_ptr(), address.cast::<u8>(), room);
    len.write(all.len() as u32);
}

/// The token behind the name at a path.
fn token_at(name: &[u8]) -> Result<Token> {
    let open = |base, rest: &[u8]| path::named(base, rest, AS_SOCKET);
    let file = match path::at(libc::AT_FDCWD, name, false, path::Last::Followed, open) {
        Ok(file) => Fd::from_raw(file),
        // What is there is no socket's name.
        Err(e) if matches!(e.errno, EINVAL | EISDIR | ENXIO) => return fail(ECONNREFUSED),
        Err(e) => return Err(e),
    };
    let mut token = [0; TOKEN];
    match again(|| file.read(&mut token)) {
        Ok(TOKEN) => Ok(token),
        _ => fail(ECONNREFUSED),
    }
}

/// The address that a name stands for.
fn resolve(name: &[u8]) -> Result<[u8; ADDRESS]> {
    let mut address = Address {
        name,
        ..Address::default()
    };
    if !name.is_empty() && !address.is_abstract() {
        address.token = token_at(name)?;
    }
    Ok(address.to_bytes())
}

unsafe fn bind_to(number: c_int, address: *const libc::sockaddr, len: u32) -> Result<()> {
    let number = socket_fd(number)?;
    let name = name_of(address, len)?;
    let mode = 0o777 & !u64::from(process::umask());
    let address = Address {
        name,
        ..Address::default()
    };
    let mut payload = address.to_bytes();
    let metadata = [verb::BIND, mode, 0];
    if name.is_empty() || address.is_abstract() {
        return ask(number, &mut payload, &metadata).map(drop);
    }
    let file = match path::make(libc::AT_FDCWD, name, AS_SOCKET, 0o777, 0) {
        Ok(file) => file,
        Err(e) if e.errno == EEXIST => return fail(EADDRINUSE),
        Err(e) => return Err(e),
    };
    let bound = ask(number, &mut payload, &metadata)
        .and_then(|_| again(|| file.write_exact(payload.get(..TOKEN).unwrap_or(&[]))));
    if bound.is_err() {
        // What cannot be removed stays, and nobody can connect by it.
        let _ = path::unlink_at(libc::AT_FDCWD, name, 0);
    }
    bound
}

unsafe fn connect_to(number: c_int, address: *const libc::sockaddr, len: u32) -> Result<()> {
    let number = socket_fd(number)?;
    let all = bytes(address.cast(), len as usize)?;
    let unspecified = all.first_chunk() == Some(&(libc::AF_UNSPEC as u16).to_ne_bytes());
    let mut payload = if unspecified {
        Address::default().to_bytes()
    } else {
        let name = name_of(address, len)?;
        if name.is_empty() {
            return fail(EINVAL);
        }
        resolve(name)?
    };
    let metadata = [verb::CONNECT, nonblock(number, 0)?, 0];
    let none = CallFlags::empty();
    // It may wait for room in a queue, which a signal ends.
    let asked = restartable(|| sys::call_read_write(number, &mut payload, none, &metadata));
    of_socket(number, asked).map(drop)
}

unsafe fn accept_from(
    number: c_int,
    address: *mut libc::sockaddr,
    len: *mut u32,
    flags: c_int,
) -> Result<usize> {
    if flags & !(libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC) != 0 {
        return fail(EINVAL);
    }
    let number = socket_fd(number)?;
    let how: &[u8] = match nonblock(number, 0)? {
        0 => b"accept",
        _ => b"accept-nonblock",
    };
    let new = file::lowest(flags & libc::SOCK_CLOEXEC != 0, |at| {
        of_socket(number, restartable(|| sys::dup(number, how, at)))
    })?;
    if flags & libc::SOCK_NONBLOCK != 0 {
        let status = libc::O_NONBLOCK as usize;
        sys::fcntl(new.raw(), libc::F_SETFL as usize, status)?;
    }
    if !address.is_null() {
        let mut name = [0; NAME];
        let count = ask(new.raw(), &mut name, &[verb::PEER_NAME, 0, 0])?;
        give_name(name.get(..count).unwrap_or(&[]), address, len);
    }
    Ok(new.into_raw())
}

unsafe fn name_by(
    number: c_int,
    asked: u64,
    address: *mut libc::sockaddr,
    len: *mut u32,
) -> Result<()> {
    let mut name = [0; NAME];
    let count = ask(socket_fd(number)?, &mut name, &[asked, 0, 0])?;
    give_name(name.get(..count).unwrap_or(&[]), address, len);
    Ok(())
}

unsafe fn give_option(value: &[u8], to: *mut c_void, len: *mut u32) -> Result<()> {
    if to.is_null() || len.is_null() {
        return fail(syscall::EFAULT);
    }
    let count = (*len as usize).min(value.len());
    core::ptr::copy_nonoverlapping(value.as_ptr(), to.cast::<u8>(), count);
    len.write(count as u32);
    Ok(())
}

unsafe fn get_option(
    number: c_int,
    level: c_int,
    name: c_int,
    to: *mut c_void,
    len: *mut u32,
) -> Result<()> {
    let number = socket_fd(number)?;
    if !is_socket(number) {
        return fail(ENOTSOCK);
    }
    if level != libc::SOL_SOCKET {
        return fail(libc::ENOPROTOOPT);
    }
    let fixed = match name {
        SO_DOMAIN => Some(libc::AF_UNIX),
        SO_PROTOCOL | SO_PASSCRED => Some(0),
        _ => None,
    };
    if let Some(value) = fixed {
        return give_option(&value.to_ne_bytes(), to, len);
    }
    let asked = u64::try_from(name).map_err(|_| Error::new(libc::ENOPROTOOPT))?;
    let mut payload = [0; 12];
    let value = ask(number, &mut payload, &[verb::GET_OPTION, asked, 0])?;
    match asked {
        option::PEER_CREDENTIALS => give_option(&payload, to, len),
        option::RECEIVE_TIME | option::SEND_TIME => {
            let (seconds, rest) = (value / SECOND, value % SECOND);
            let words = [seconds as i64, (rest / 1000) as i64].map(i64::to_ne_bytes);
            give_option(words.as_flattened(), to, len)
        }
        _ => give_option(&(value as c_int).to_ne_bytes(), to, len),
    }
}

const SECOND: usize = 1_000_000_000;

unsafe fn set_option(
    number: c_int,
    level: c_int,
    name: c_int,
    from: *const c_void,
    len: u32,
) -> Result<()> {
    let number = socket_fd(number)?;
    if !is_socket(number) {
        return fail(ENOTSOCK);
    }
    if level != libc::SOL_SOCKET {
        return fail(libc::ENOPROTOOPT);
    }
    let value = bytes(from, len as usize)?;
    let asked = u64::try_from(name).map_err(|_| Error::new(libc::ENOPROTOOPT))?;
    let word = match asked {
        option::RECEIVE_TIME | option::SEND_TIME => {
            if value.len() < size_of::<libc::timeval>() {
                return fail(EINVAL);
            }
            let time = from.cast::<libc::timeval>().read_unaligned();
            if !(0..1_000_000).contains(&time.tv_usec) {
                return fail(syscall::EDOM);
            }
            let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
            let all = seconds.saturating_mul(SECOND as u64);
            all.saturating_add(time.tv_usec as u64 * 1000)
        }
        _ => value
            .first_chunk()
            .map_or(Err(Error::new(EINVAL)), |word| {
                Ok(c_int::from_ne_bytes(*word) as u64)
            })?,
    };
    match name {
        // They mean nothing between processes of one machine.
        libc::SO_REUSEADDR | libc::SO_KEEPALIVE | libc::SO_BROADCAST => Ok(()),
        _ => ask(number, &mut [], &[verb::SET_OPTION, asked, word]).map(drop),
    }
}

unsafe fn make_pair(
    family: c_int,
    kind: c_int,
    protocol: c_int,
    pair: *mut [c_int; 2],
) -> Result<()> {
    let one = Fd::from_raw(make(family, kind, protocol)?);
    let two = file::lowest(kind & libc::SOCK_CLOEXEC != 0, |at| {
        again(|| sys::dup(one.raw(), b"pair", at))
    })?;
    if kind & libc::SOCK_NONBLOCK != 0 {
        sys::fcntl(two.raw(), libc::F_SETFL as usize, libc::O_NONBLOCK as usize)?;
    }
    pair.write([one.into_raw() as c_int, two.into_raw() as c_int]);
    Ok(())
}

c_api! {
    fn socket(family: c_int, kind: c_int, protocol: c_int) -> c_int { int(make(family, kind, protocol)) }
    fn socketpair(family: c_int, kind: c_int, protocol: c_int, pair: *mut [c_int; 2]) -> c_int { unit(make_pair(family, kind, protocol, pair)) }
    fn accept(number: c_int, address: *mut libc::sockaddr, len: *mut u32) -> c_int { int(cancellable(|| accept_from(number, address, len, 0))) }
    fn accept4(number: c_int, address: *mut libc::sockaddr, len: *mut u32, flags: c_int) -> c_int { int(cancellable(|| accept_from(number, address, len, flags))) }
    fn bind(number: c_int, address: *const libc::sockaddr, len: u32) -> c_int { unit(bind_to(number, address, len)) }
    fn connect(number: c_int, address: *const libc::sockaddr, len: u32) -> c_int { unit(cancellable(|| connect_to(number, address, len))) }
    fn listen(number: c_int, backlog: c_int) -> c_int {
        let backlog = u64::try_from(backlog).unwrap_or(0);
        unit(socket_fd(number).and_then(|s| ask(s, &mut [], &[verb::LISTEN, backlog, 0])).map(drop))
    }
    fn shutdown(number: c_int, how: c_int) -> c_int {
        let how = how as u32;
        unit(socket_fd(number).and_then(|s| ask(s, &mut [], &[verb::SHUT_DOWN, how.into(), 0])).map(drop))
    }
    fn sockatmark(number: c_int) -> c_int {
        unit(socket_fd(number).and_then(|s| fail(if is_socket(s) { EINVAL } else { ENOTSOCK })))
    }
    fn getpeername(number: c_int, address: *mut libc::sockaddr, len: *mut u32) -> c_int { unit(name_by(number, verb::PEER_NAME, address, len)) }
    fn getsockname(number: c_int, address: *mut libc::sockaddr, len: *mut u32) -> c_int { unit(name_by(number, verb::NAME, address, len)) }
    fn getsockopt(number: c_int, level: c_int, name: c_int, value: *mut c_void, len: *mut u32) -> c_int { unit(get_option(number, level, name, value, len)) }
    fn setsockopt(number: c_int, level: c_int, name: c_int, value: *const c_void, len: u32) -> c_int { unit(set_option(number, level, name, value, len)) }
}
