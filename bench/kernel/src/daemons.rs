//! The schemes that are called: one that answers, and one that redirects to it, each in a process of
//! its own.

use alloc::vec;
use core::mem::size_of;
use redox_rt::{
    Error, Fd, Result,
    context::Context,
    fd::{create_scheme, create_scheme_fd},
    fork::{Forked, fork_into},
};
use syscall::{
    flag::CallFlags,
    schemev2::{Cqe, CqeOpcode, Opcode, Sqe},
};

/// Root descriptors of the running daemons.
pub struct Daemons {
    /// Of the one that answers.
    pub direct: Fd,
    /// Of the one that redirects.
    pub redirecting: Fd,
}

/// Starts both.
pub fn start(proc: &Fd, capability: &Fd) -> Result<Daemons> {
    let content = vec![0x5a_u8; 1 << 20];
    let direct = serve(proc, capability, |sqe| answer(sqe, &content))?;
    let target = direct.raw();
    let redirecting = serve(proc, capability, |sqe| redirect(sqe, target))?;
    Ok(Daemons {
        direct,
        redirecting,
    })
}

/// Forks a process that answers the requests of a new scheme.
fn serve(proc: &Fd, capability: &Fd, mut handle: impl FnMut(&Sqe) -> Option<Cqe>) -> Result<Fd> {
    let socket = create_scheme(capability, cap_abi::scheme::FEATURE_RESOLVE)?;
    let root = create_scheme_fd(&socket, 1, 0, 0, 0)?;
    let child = Context::new(proc)?;
    match fork_into(&child, None)? {
        Forked::Parent => Ok(root),
        Forked::Child => {
            let error = run(&socket, &mut handle);
            redox_rt::eprintln!("bench-kernel: daemon: {error}");
            redox_rt::exit(1)
        }
    }
}

/// How many requests are read at once.
const BATCH: usize = 8;

/// Requests and the reply that goes in their place: the combined call takes one buffer for both.
#[repr(C)]
union Exchange {
    requests: [Sqe; BATCH],
    replies: [Cqe; BATCH],
}

fn run(socket: &Fd, handle: &mut impl FnMut(&Sqe) -> Option<Cqe>) -> Error {
    let mut exchange = Exchange {
        requests: [Sqe::default(); BATCH],
    };
    let mut writes = 0;
    loop {
        let address = (&raw mut exchange).cast::<u8>();
        // SAFETY: the union is as long as the slice says, and any bytes are valid for it.
        let bytes = unsafe { core::slice::from_raw_parts_mut(address, size_of::<Exchange>()) };
        let metadata = [0, writes as u64, BATCH as u64];
        let count = match redox_rt::sys::call_read_write(
            socket.raw(),
            bytes,
            CallFlags::empty(),
            &metadata,
        ) {
            Ok(count) => count.saturating_sub(writes),
            Err(error) => return error,
        };
        // SAFETY: the kernel has written `count` requests; the rest are what they were: integers.
        let requests = unsafe { exchange.requests };
        writes = 0;
        for sqe in requests.iter().take(count) {
            if let Some(cqe) = handle(sqe) {
                // SAFETY: replies are plain data; there are never more than requests.
                if let Some(place) = unsafe { exchange.replies.get_mut(writes) } {
                    *place = cqe;
                    writes += 1;
                }
            }
        }
    }
}

fn reply(sqe: &Sqe, flags: u8, result: u64, extra: u32) -> Option<Cqe> {
    let [a, b, c, _] = extra.to_le_bytes();
    Some(Cqe {
        flags,
        extra_raw: [a, b, c],
        tag: sqe.tag,
        result,
    })
}

fn answer(sqe: &Sqe, content: &[u8]) -> Option<Cqe> {
    let result = match Opcode::try_from_raw(sqe.opcode) {
        Some(Opcode::OpenAt) => 2,
        Some(Opcode::Read) => {
            let [_, base, len, ..] = sqe.args;
            let len = (len as usize).min(content.len());
            // SAFETY: the kernel has put the caller's buffer, of that length, at that address until the
            // request is answered; it does not overlap what this program holds.
            unsafe { core::ptr::copy_nonoverlapping(content.as_ptr(), base as *mut u8, len) };
            len as u64
        }
        Some(Opcode::CloseMsg) => return None,
        _ => 0,
    };
    reply(sqe, CqeOpcode::RespondRegular as u8, result, 0)
}

fn redirect(sqe: &Sqe, target: usize) -> Option<Cqe> {
    match Opcode::try_from_raw(sqe.opcode) {
        Some(Opcode::OpenAt) => reply(sqe, cap_abi::scheme::CQE_REDIRECT, target as u64, 0),
        Some(Opcode::CloseMsg) => None,
        _ => reply(sqe, CqeOpcode::RespondRegular as u8, 0, 0),
    }
}
