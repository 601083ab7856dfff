//! Sending and receiving.

use alloc::vec;
use alloc::vec::Vec;
use core::ffi::{c_int, c_void};

use redox_rt::{Error, Fd, Result, sys};
use syscall::EINVAL;
use syscall::flag::CallFlags;
use uds_api::{DESCRIPTORS, HEADER, Header, flag, verb};

use super::super::thread::cancel::cancellable;
use super::super::{bytes, bytes_mut, fail, fd, file, restartable, size};
use super::{
    ENOTSOCK, MSG_DONTWAIT, give_name, is_socket, is_stream, name_of, nonblock, of_socket, resolve,
    socket_fd,
};

/// Most data of one message.
const LONGEST: usize = 1 << 16;
const MSG_TRUNC: c_int = 32;
const MSG_CTRUNC: c_int = 8;
const MSG_PEEK: c_int = 2;
const MSG_NOSIGNAL: c_int = 0x4000;
const MSG_WAITALL: c_int = 256;
const MSG_CMSG_CLOEXEC: c_int = 0x4000_0000;
const SCM_RIGHTS: c_int = 1;

/// `struct cmsghdr`.
#[repr(C)]
#[derive(Clone, Copy)]
struct ControlHeader {
    len: usize,
    level: c_int,
    kind: c_int,
}

const CONTROL: usize = size_of::<ControlHeader>();

/// Sends a message: bytes, descriptors that stay open here, and to whom, if not to whom it is connected with.
fn send_message(
    number: usize,
    data: &[u8],
    fds: &[usize],
    to: &[u8],
    flags: c_int,
) -> Result<usize> {
    let mut payload = Vec::from(resolve(to)?);
    payload.extend_from_slice(data);
    let metadata = [verb::SEND, nonblock(number, flags)?, 0];
    let none = CallFlags::empty();
    if fds.is_empty() {
        let sent = restartable(|| sys::call_write(number, &payload, none, &metadata));
        return of_socket(number, sent);
    }
    let ticket = of_socket(number, sys::dup(number, b"ticket", sys::FD_ANY_UPPER))?;
    let ticket = Fd::from_raw(ticket);
    sys::send_fds(ticket.raw(), fds, CallFlags::FD_CLONE, &[])?;
    restartable(|| sys::call_write(ticket.raw(), &payload, none, &metadata))
}

fn send_to(number: c_int, data: &[u8], flags: c_int, to: &[u8]) -> Result<usize> {
    let number = socket_fd(number)?;
    if to.is_empty() && flags & MSG_DONTWAIT == 0 {
        if !is_socket(number) {
            return fail(ENOTSOCK);
        }
        return file::written_whole(data, |rest| restartable(|| sys::write(number, rest)));
    }
    // A stream takes what fits; a datagram that is longer is refused by its length.
    let data = data.get(..=LONGEST).unwrap_or(data);
    send_message(number, data, &[], to, flags)
}

/// A message that was received.
struct Received {
    data: Vec<u8>,
    whole: usize,
    name: Vec<u8>,
    descriptors: usize,
    lost: usize,
    ticket: u64,
}

impl Received {
    /// The length that is answered: with `MSG_TRUNC` the message's, also of what there was no room for.
    fn told(&self, flags: c_int) -> usize {
        if flags & MSG_TRUNC != 0 {
            self.whole
        } else {
            self.data.len()
        }
    }
}

fn receive(number: usize, room: usize, flags: c_int, most: usize) -> Result<Received> {
    let mut buffer = vec![0; HEADER + room.min(LONGEST)];
    let mut bits = nonblock(number, flags)?;
    if flags & MSG_PEEK != 0 {
        bits |= flag::PEEK;
    }
    let metadata = [verb::RECEIVE, bits, most as u64];
    let none = CallFlags::empty();
    let len = restartable(|| sys::call_read(number, &mut buffer, none, &metadata));
    let len = of_socket(number, len)?;
    let (header, data) = buffer
        .get(..len)
        .and_then(Header::split)
        .ok_or(Error::new(syscall::EIO))?;
    Ok(Received {
        data: data.to_vec(),
        whole: header.whole as usize,
        name: header.name.to_vec(),
        descriptors: header.descriptors as usize,
        lost: header.lost as usize,
        ticket: u64::from(header.ticket),
    })
}

/// [`receive`], with `MSG_WAITALL` of a stream again until there is no room left or nothing more comes; what comes
/// with descriptors is the last.
fn receive_waiting(number: usize, room: usize, flags: c_int, most: usize) -> Result<Received> {
    let mut all = receive(number, room, flags, most)?;
    if flags & MSG_WAITALL == 0 || flags & MSG_PEEK != 0 || !is_stream(number) {
        return Ok(all);
    }
    while !all.data.is_empty() && all.data.len() < room && all.descriptors + all.lost == 0 {
        // What has come already counts.
        let Ok(next) = receive(number, room - all.data.len(), flags, most) else {
            break;
        };
        if next.data.is_empty() {
            break;
        }
        if all.data.try_reserve(next.data.len()).is_err() {
            return fail(syscall::ENOMEM);
        }
        all.data.extend_from_slice(&next.data);
        all.whole += next.whole;
        (all.descriptors, all.lost, all.ticket) = (next.descriptors, next.lost, next.ticket);
    }
    Ok(all)
}

/// Receives until there is no room left or nothing more comes.
fn receive_all(number: usize, buffer: &mut [u8]) -> Result<usize> {
    let mut done = 0;
    while let Some(rest) = buffer.get_mut(done..).filter(|rest| !rest.is_empty()) {
        match restartable(|| sys::read(number, rest)) {
            Ok(0) => break,
            Ok(count) => done += count,
            Err(_) if done > 0 => break,
            Err(e) => return Err(e),
        }
    }
    Ok(done)
}

unsafe fn receive_from(
    number: c_int,
    buffer: &mut [u8],
    flags: c_int,
    address: *mut libc::sockaddr,
    len: *mut u32,
) -> Result<usize> {
    let number = socket_fd(number)?;
    let plain = flags & (MSG_PEEK | MSG_DONTWAIT | MSG_TRUNC) == 0 && address.is_null();
    if plain {
        if !is_socket(number) {
            return fail(ENOTSOCK);
        }
        if flags & MSG_WAITALL != 0 && is_stream(number) {
            return receive_all(number, buffer);
        }
        return restartable(|| sys::read(number, buffer));
    }
    let received = receive_waiting(number, buffer.len(), flags, 0)?;
    for (place, byte) in buffer.iter_mut().zip(&received.data) {
        *place = *byte;
    }
    give_name(&received.name, address, len);
    Ok(received.told(flags))
}

unsafe fn parts<'a>(message: &libc::msghdr) -> Result<&'a [libc::iovec]> {
    let count = message.msg_iovlen;
    if count == 0 {
        return Ok(&[]);
    }
    if count > 1024 || message.msg_iov.is_null() {
        return fail(libc::EMSGSIZE);
    }
    Ok(core::slice::from_raw_parts(message.msg_iov, count))
}

/// The descriptors in a message's control data.
unsafe fn descriptors(message: &libc::msghdr) -> Result<Vec<usize>> {
    let mut list = Vec::new();
    if message.msg_control.is_null() {
        return Ok(list);
    }
    let mut rest = bytes(message.msg_control, message.msg_controllen)?;
    while rest.len() >= CONTROL {
        // SAFETY: there are that many bytes, and any bytes make such a header.
        let header = rest.as_ptr().cast::<ControlHeader>().read_unaligned();
        let data = rest.get(CONTROL..header.len).ok_or(Error::new(EINVAL))?;
        if header.level != libc::SOL_SOCKET || header.kind != SCM_RIGHTS {
            return fail(EINVAL);
        }
        for number in data.chunks_exact(size_of::<c_int>()) {
            let number = number.try_into().map_or(-1, c_int::from_ne_bytes);
            let number = fd(number)?;
            sys::rights(number)?;
            list.push(number);
        }
        let next = header.len.next_multiple_of(size_of::<usize>());
        rest = rest.get(next..).unwrap_or(&[]);
    }
    if list.len() > DESCRIPTORS {
        return fail(EINVAL);
    }
    Ok(list)
}

unsafe fn send_parts(number: c_int, message: &libc::msghdr, flags: c_int) -> Result<usize> {
    let number = socket_fd(number)?;
    let mut data = Vec::new();
    let mut total = 0_usize;
    for part in parts(message)? {
        let part = bytes(part.iov_base.cast_const(), part.iov_len)?;
        // A stream takes what fits; a datagram that is longer is refused by its length.
        let room = (LONGEST + 1).saturating_sub(data.len());
        data.extend_from_slice(part.get(..room.min(part.len())).unwrap_or(&[]));
        total = total.saturating_add(part.len());
    }
    let fds = descriptors(message)?;
    let to = match message.msg_name.is_null() {
        true => &[],
        false => name_of(message.msg_name.cast_const().cast(), message.msg_namelen)?,
    };
    let sent = send_message(number, &data, &fds, to, flags)?;
    if sent < data.len() || total == sent || nonblock(number, flags)? != 0 {
        return Ok(sent);
    }
    // A stream, of which not more went at once: whoever may wait sends all.
    let mut done = sent;
    let mut before = sent;
    for part in parts(message)? {
        let part = bytes(part.iov_base.cast_const(), part.iov_len)?;
        let rest = part.get(before..).unwrap_or(&[]);
        before = before.saturating_sub(part.len());
        if rest.is_empty() {
            continue;
        }
        // An error is the next call's.
        let write = |rest: &[u8]| restartable(|| sys::write(number, rest));
        let count = file::written_whole(rest, write).unwrap_or(0);
        done += count;
        if count < rest.len() {
            break;
        }
    }
    Ok(done)
}

unsafe fn receive_parts(number: c_int, message: &mut libc::msghdr, flags: c_int) -> Result<usize> {
    let number = socket_fd(number)?;
    let room = parts(message)?
        .iter()
        .fold(0_usize, |all, part| all.saturating_add(part.iov_len));
    let control = message.msg_controllen;
    let most = match message.msg_control.is_null() {
        true => 0,
        false => control.saturating_sub(CONTROL) / size_of::<c_int>(),
    };
    let received = receive_waiting(number, room, flags, most.min(DESCRIPTORS))?;
    let mut rest = received.data.as_slice();
    for part in parts(message)? {
        let (now, later) = rest.split_at(part.iov_len.min(rest.len()));
        core::ptr::copy_nonoverlapping(now.as_ptr(), part.iov_base.cast::<u8>(), now.len());
        rest = later;
    }
    if !message.msg_name.is_null() {
        give_name(
            &received.name,
            message.msg_name.cast(),
            &raw mut message.msg_namelen,
        );
    }
    let mut fds = vec![0; received.descriptors];
    let mut lost = received.lost > 0;
    if !fds.is_empty() && flags & MSG_PEEK == 0 {
        let mut how = CallFlags::empty();
        how.set(CallFlags::FD_CLOEXEC, flags & MSG_CMSG_CLOEXEC != 0);
        let came = sys::receive_fds(number, &mut fds, how, &[received.ticket]);
        lost |= came != Ok(fds.len());
        fds.truncate(came.unwrap_or(0));
    }
    message.msg_controllen = 0;
    if !fds.is_empty() {
        let header = ControlHeader {
            len: CONTROL + fds.len() * size_of::<c_int>(),
            level: libc::SOL_SOCKET,
            kind: SCM_RIGHTS,
        };
        let place = message.msg_control.cast::<u8>();
        place.cast::<ControlHeader>().write_unaligned(header);
        let numbers = place.add(CONTROL).cast::<c_int>();
        for (index, number) in fds.iter().enumerate() {
            numbers.add(index).write_unaligned(*number as c_int);
        }
        message.msg_controllen = header.len.next_multiple_of(size_of::<usize>()).min(control) as _;
    }
    message.msg_flags = 0;
    if received.whole > received.data.len() {
        message.msg_flags |= MSG_TRUNC;
    }
    if lost {
        message.msg_flags |= MSG_CTRUNC;
    }
    Ok(received.told(flags))
}

unsafe fn target<'a>(address: *const libc::sockaddr, len: u32) -> Result<&'a [u8]> {
    if address.is_null() {
        return Ok(&[]);
    }
    name_of(address, len)
}

/// Who sends to a socket whose other end is gone gets `SIGPIPE`, unless the flags say no.
fn signalled(result: Result<usize>, flags: c_int) -> Result<usize> {
    if flags & MSG_NOSIGNAL != 0 {
        result
    } else {
        file::signalled(result)
    }
}
c_api! {
    fn recv(number: c_int, buffer: *mut c_void, len: usize, flags: c_int) -> isize {
        size(bytes_mut(buffer, len).and_then(|b| cancellable(|| receive_from(number, b, flags, core::ptr::null_mut(), core::ptr::null_mut()))))
    }
    fn recvfrom(number: c_int, buffer: *mut c_void, len: usize, flags: c_int, address: *mut libc::sockaddr, address_len: *mut u32) -> isize {
        size(bytes_mut(buffer, len).and_then(|b| cancellable(|| receive_from(number, b, flags, address, address_len))))
    }
    fn recvmsg(number: c_int, message: *mut libc::msghdr, flags: c_int) -> isize { size(cancellable(|| receive_parts(number, &mut *message, flags))) }
    fn send(number: c_int, buffer: *const c_void, len: usize, flags: c_int) -> isize {
        size(signalled(bytes(buffer, len).and_then(|data| cancellable(|| send_to(number, data, flags, &[]))), flags))
    }
    fn sendto(number: c_int, buffer: *const c_void, len: usize, flags: c_int, address: *const libc::sockaddr, address_len: u32) -> isize {
        size(signalled(bytes(buffer, len).and_then(|data| cancellable(|| send_to(number, data, flags, target(address, address_len)?))), flags))
    }
    fn sendmsg(number: c_int, message: *const libc::msghdr, flags: c_int) -> isize { size(signalled(cancellable(|| send_parts(number, &*message, flags)), flags)) }
}
