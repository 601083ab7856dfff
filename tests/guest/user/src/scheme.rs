//! A scheme to be tested with: what is opened tells who opened it.

use redox_rt::{
    Fd, Result,
    fd::{create_scheme, create_scheme_fd},
    namespace as ns, process, sys,
};
use scheme_core::reply;
use scheme_loop::{Answers, Handler};
use syscall::{
    flag::O_RDWR,
    schemev2::{Cqe, CqeOpcode, NewFdFlags, Opcode, Sqe, SqeFlags},
};

struct Teller;

impl Handler for Teller {
    const LONGEST_INPUT: usize = 4096;

    fn handle(&mut self, sqe: &Sqe, payload: &mut [u8], out: &mut Answers<'_>) -> Result<()> {
        if sqe.sqe_flags.contains(SqeFlags::ONEWAY) {
            return Ok(());
        }
        let [handle, _, _, _, _, ids] = sqe.args;
        out.push(match Opcode::try_from_raw(sqe.opcode) {
            // Who opened it is its number.
            Some(Opcode::OpenAt) => {
                let who = sqe.caller << 32 | ids & 0xffff_ffff;
                reply::opened(sqe.tag, who, NewFdFlags::empty())
            }
            Some(Opcode::Read) if payload.len() >= 8 => {
                for (place, byte) in payload.iter_mut().zip(handle.to_ne_bytes()) {
                    *place = byte;
                }
                reply::value(sqe.tag, Ok(8))
            }
            // What no kernel takes for an answer: there is no such descriptor.
            Some(Opcode::Fsync) => nonsense(sqe.tag),
            Some(Opcode::Call) => {
                out.push(nonsense(sqe.tag))?;
                return out.flush();
            }
            _ => reply::value(sqe.tag, Err(syscall::EOPNOTSUPP)),
        })
    }
}

const fn nonsense(tag: u32) -> Cqe {
    Cqe {
        flags: CqeOpcode::RespondWithFd as u8,
        extra_raw: [0; 3],
        tag,
        result: 0xffff,
    }
}

/// Answers no open, ever.
struct Silent;

impl Handler for Silent {
    const LONGEST_INPUT: usize = 4096;

    fn handle(&mut self, sqe: &Sqe, _: &mut [u8], out: &mut Answers<'_>) -> Result<()> {
        let open = matches!(Opcode::try_from_raw(sqe.opcode), Some(Opcode::OpenAt));
        if open || sqe.sqe_flags.contains(SqeFlags::ONEWAY) {
            return Ok(());
        }
        out.push(reply::value(sqe.tag, Err(syscall::EOPNOTSUPP)))
    }
}

/// A scheme's root, served by another process until its root and all it opened are gone, at the latest
/// until this process kills it.
pub struct Served {
    /// The root.
    pub root: Fd,
    /// The process.
    pub pid: u32,
}

/// Starts one that answers.
pub fn serve() -> Result<Served> {
    serve_by(&mut Teller)
}

/// Starts one that answers no open.
pub fn serve_silently() -> Result<Served> {
    serve_by(&mut Silent)
}

fn serve_by(handler: &mut impl Handler) -> Result<Served> {
    let path = b"/scheme/namespace/scheme-creation-cap";
    let capability = Fd::from_raw(ns::open(path, O_RDWR, sys::FD_ANY_UPPER)?);
    let socket = create_scheme(&capability, 0)?;
    let root = create_scheme_fd(&socket, 0, 0, O_RDWR, 0)?;
    match process::fork()? {
        Some(pid) => Ok(Served { root, pid }),
        None => {
            drop(root);
            let served = scheme_loop::serve(&socket, handler);
            redox_rt::exit(i32::from(served.is_err()))
        }
    }
}

impl Served {
    /// Ends the process behind it.
    pub fn stop(self) -> Result<()> {
        let target = process::ProcKillTarget::SingleProc(self.pid as usize);
        process::kill(target, 9)?;
        process::wait(
            process::Awaited::Child(self.pid),
            process::WaitFlags::empty(),
        )
        .map(drop)
    }
}

/// What a file of it tells: process and user.
pub fn told(file: &Fd) -> Result<(u32, u32)> {
    let mut word = [0; 8];
    file.read_exact(&mut word)?;
    let word = u64::from_ne_bytes(word);
    Ok(((word >> 32) as u32, word as u32))
}
