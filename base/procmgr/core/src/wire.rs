//! What a `SYS_CALL` asks of the process manager.
//!
//! Metadata of calls on a control handle; the first word is a `libredox::protocol::ProcCall`. The
//! payload is read or written as the last column says.
//!
//! | verb | metadata behind it | answer | payload |
//! |---|---|---|---|
//! | `Waitpid` | child or 0 for any, `WaitFlags` | the child, or 0 | out: status (`usize`); with room for it the processor time that the child and those it waited for have used, in nanoseconds (`u64`) |
//! | `Waitpgid` | group or 0 for the caller's, `WaitFlags` | the child, or 0 | out: the same |
//! | `Exit` | status word | none | |
//! | `SetResugid` | | 0 | in: 6 `u32`: real, effective, saved user, the same for groups; `u32::MAX` keeps |
//! | `Setpgid` | target or 0, group or 0; `usize::MAX` asks | 0, or the group | |
//! | `Getsid` | target or 0 | the session | |
//! | `Setsid` | | the session | |
//! | `Getppid` | | the parent | |
//! | `Kill` | `ProcKillTarget`, signal | 0 | |
//! | `Sigq` | `ProcKillTarget`, signal | 0 | in: `RtSigInfo`; `pid` and `uid` are the sender's, whatever it says |
//! | `Sigdeq` | signal | 0 | out: `RtSigInfo`; an ordinary signal is not pending any more, see `cap_abi::process::SENDER_IN_QUEUE` |
//! | `SyncSigPctl` | address of the `SigProcControl`, address of the first thread's `Sigcontrol` | 0 | the shell's affair |
//! | `Rename` | | 0 | in: at most 32 bytes |
//! | `DisableSetpgid` | | 0 | the process has executed a program |
//! | `GetProcCredentials` | process or 0 | 0 | out: `ProcMeta` |
//! | `SetProcPriority` | target or 0, priority 0 to 39 (`nice` + 20) | 0 | |
//! | `GetProcPriority` | target or 0 | the priority | |
//! | `ControlTerm` | 0 asks, 1 gives it up | 0 | a terminal is *sent* to the handle (sendfd), as two descriptors: what is kept, and what `tty` copies |
//! | `cap_abi::process::CONFINE` | | 0 | |
//! | `cap_abi::process::COUNTS` | | 0 | out: 5 `u64` |
//! | `cap_abi::process::TIMES` | | 0 | out: 2 `u64` |
//! | `cap_abi::process::SET_IDS_OF` | process | 0 | in: as `SetResugid` |
//! | `Rlimit` | resource, 0 reads or 1 sets | 0 | out or in: `Rlimit` |
//!
//! The flags of a wait are `WaitFlags` and `cap_abi::process::WAIT_*`.
//!
//! On a reference: `[PidfdCall::SendSignal, signal]`, `EPERM` where its maker could not. On a session handle:
//! `[PidfdCall::SendSignal, signal, group]`, for signals that terminals send, and what `cap_abi::session` says. On a
//! thread handle: `[ThreadCall::SignalThread, signal]` and `[ThreadCall::SyncSigTctl, address of its Sigcontrol]` (the
//! shell's affair). On a control handle and a session handle at once: `[cap_abi::session::LEADER]`.
//!
//! The addresses are in the process's own memory; it names them again after `fork` and `exec`.

use cap_abi::process::{CONFINE, COUNTS, SET_IDS_OF, TIMES, WAIT_KEEP, WAIT_NOT_ENDED};
use cap_abi::session;
use libredox::protocol::{PidfdCall, ProcCall, ProcKillTarget, RtSigInfo, ThreadCall, WaitFlags};

use crate::{
    credentials::SetIds,
    manager::{EINVAL, EPERM, ESRCH, Errno},
    process::{Awaited, Limits, NAME_LEN, Pid, RESOURCES},
    signal::{SIGNALS, SIGTTIN, SIGTTOU, is_a_terminals},
    status,
};

/// A well-formed call on a control handle.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Call {
    Wait(Awaited, WaitFlags),
    Exit(u32),
    SetIds(SetIds),
    SetIdsOf(Pid, SetIds),
    SetGroup(Pid, Pid),
    GetGroup(Pid),
    GetSession(Pid),
    NewSession,
    GetParent,
    Kill(ProcKillTarget, u8, Option<RtSigInfo>),
    Dequeue(u8),
    Rename([u8; NAME_LEN]),
    Executed,
    Credentials(Pid),
    SetPriority(Pid, u8),
    GetPriority(Pid),
    HasTerminal,
    DropTerminal,
    Confine,
    Counts,
    Times,
    GetLimits(usize),
    SetLimits(usize, Limits),
}

/// Words of metadata; those not sent are 0.
pub type Metadata = [u64; 3];

pub(crate) fn process_call(metadata: Metadata, payload: &[u8]) -> Result<Call, Errno> {
    let [verb, a, b] = metadata;
    match verb {
        CONFINE => return Ok(Call::Confine),
        COUNTS => return Ok(Call::Counts),
        TIMES => return Ok(Call::Times),
        SET_IDS_OF => return Ok(Call::SetIdsOf(pid(a)?, set_ids(payload)?)),
        _ => (),
    }
    let verb = usize::try_from(verb)
        .ok()
        .and_then(ProcCall::try_from_raw)
        .ok_or(EINVAL)?;
    Ok(match verb {
        ProcCall::Waitpid if a == 0 => Call::Wait(Awaited::Any, wait_flags(b)?),
        ProcCall::Waitpid => Call::Wait(Awaited::Process(pid(a)?), wait_flags(b)?),
        ProcCall::Waitpgid => Call::Wait(Awaited::Group(pid(a)?), wait_flags(b)?),
        ProcCall::Exit => Call::Exit(status::final_word(a).ok_or(EINVAL)?),
        ProcCall::SetResugid => Call::SetIds(set_ids(payload)?),
        ProcCall::Setpgid if b == u64::MAX => Call::GetGroup(pid(a)?),
        ProcCall::Setpgid => Call::SetGroup(pid(a)?, Pid::try_from(b).map_err(|_| EINVAL)?),
        ProcCall::Getsid => Call::GetSession(pid(a)?),
        ProcCall::Setsid => Call::NewSession,
        ProcCall::Getppid => Call::GetParent,
        ProcCall::Kill => Call::Kill(target(a), signal(b)?, None),
        ProcCall::Sigq => Call::Kill(target(a), signal(b)?, Some(signal_info(payload)?)),
        ProcCall::Sigdeq => Call::Dequeue(signal(a)?),
        ProcCall::Rename => Call::Rename(name(payload)?),
        ProcCall::DisableSetpgid => Call::Executed,
        ProcCall::GetProcCredentials => Call::Credentials(pid(a)?),
        ProcCall::SetProcPriority => {
            let priority = u8::try_from(b).ok().filter(|priority| *priority < 40);
            Call::SetPriority(pid(a)?, priority.ok_or(EINVAL)?)
        }
        ProcCall::GetProcPriority => Call::GetPriority(pid(a)?),
        ProcCall::ControlTerm if a == 0 => Call::HasTerminal,
        ProcCall::ControlTerm if a == 1 => Call::DropTerminal,
        ProcCall::Rlimit => {
            let resource = usize::try_from(a).ok().filter(|number| *number < RESOURCES);
            let resource = resource.ok_or(EINVAL)?;
            match b {
                0 => Call::GetLimits(resource),
                1 => Call::SetLimits(resource, limits(payload)?),
                _ => return Err(EINVAL),
            }
        }
        // Namespaces are descriptors and not numbers; signal pages are the shell's affair.
        ProcCall::Setrens | ProcCall::SyncSigPctl | ProcCall::ControlTerm => return Err(EINVAL),
    })
}

/// `[SendSignal, signal, group]`: the signal and the third word.
pub(crate) fn reference_call(metadata: Metadata) -> Result<(u8, u64), Errno> {
    let [verb, number, group] = metadata;
    match usize::try_from(verb).ok().and_then(PidfdCall::try_from_raw) {
        Some(PidfdCall::SendSignal) => Ok((signal(number)?, group)),
        None => Err(EINVAL),
    }
}

/// `[GetProcCredentials, process]`: the process.
pub(crate) fn credentials_call(metadata: Metadata) -> Result<Pid, Errno> {
    let [verb, target, _] = metadata;
    match usize::try_from(verb).ok().and_then(ProcCall::try_from_raw) {
        Some(ProcCall::GetProcCredentials) => pid(target),
        _ => Err(EINVAL),
    }
}

/// A well-formed call on a session handle.
#[derive(Clone, Copy, Debug)]
pub(crate) enum SessionCall {
    Signal(u8, Pid),
    Leader,
    /// The process, the group in the foreground, and what the background is stopped by.
    Control(Pid, Pid, u8),
}

pub(crate) fn session_call(metadata: Metadata) -> Result<SessionCall, Errno> {
    let [verb, a, b] = metadata;
    match verb {
        session::LEADER => Ok(SessionCall::Leader),
        session::CONTROL => {
            let (foreground, number) = session::control_parts(b);
            if !matches!(number, SIGTTIN | SIGTTOU) {
                return Err(EINVAL);
            }
            Ok(SessionCall::Control(pid(a)?, foreground, number))
        }
        _ => {
            let (number, group) = reference_call(metadata)?;
            if !is_a_terminals(number) {
                return Err(EPERM);
            }
            Ok(SessionCall::Signal(number, pid(group)?))
        }
    }
}

/// `[SignalThread, signal]`: the signal.
pub(crate) fn thread_call(metadata: Metadata) -> Result<u8, Errno> {
    let [verb, number, _] = metadata;
    match usize::try_from(verb)
        .ok()
        .and_then(ThreadCall::try_from_raw)
    {
        Some(ThreadCall::SignalThread) => signal(number),
        Some(ThreadCall::SyncSigTctl) | None => Err(EINVAL),
    }
}

fn pid(raw: u64) -> Result<Pid, Errno> {
    Pid::try_from(raw).map_err(|_| ESRCH)
}

fn target(raw: u64) -> ProcKillTarget {
    ProcKillTarget::from_raw(raw as usize)
}

fn signal(raw: u64) -> Result<u8, Errno> {
    u8::try_from(raw)
        .ok()
        .filter(|signal| *signal <= SIGNALS)
        .ok_or(EINVAL)
}

fn wait_flags(raw: u64) -> Result<WaitFlags, Errno> {
    let standard = usize::try_from(raw & !(WAIT_KEEP | WAIT_NOT_ENDED)).map_err(|_| EINVAL)?;
    WaitFlags::from_bits(standard).ok_or(EINVAL)?;
    Ok(WaitFlags::from_bits_retain(raw as usize))
}

fn name(payload: &[u8]) -> Result<[u8; NAME_LEN], Errno> {
    let mut name = [0; NAME_LEN];
    name.get_mut(..payload.len())
        .ok_or(EINVAL)?
        .copy_from_slice(payload);
    Ok(name)
}

fn set_ids(payload: &[u8]) -> Result<SetIds, Errno> {
    let (words, rest) = payload.as_chunks::<4>();
    let [ruid, euid, suid, rgid, egid, sgid] = words else {
        return Err(EINVAL);
    };
    if !rest.is_empty() {
        return Err(EINVAL);
    }
    let id = |bytes: &[u8; 4]| Some(u32::from_ne_bytes(*bytes)).filter(|id| *id != u32::MAX);
    Ok(SetIds {
        ruid: id(ruid),
        euid: id(euid),
        suid: id(suid),
        rgid: id(rgid),
        egid: id(egid),
        sgid: id(sgid),
    })
}

fn limits(payload: &[u8]) -> Result<Limits, Errno> {
    let (words, rest) = payload.as_chunks::<8>();
    match (words, rest) {
        ([soft, hard], []) => Ok(Limits {
            soft: u64::from_ne_bytes(*soft),
            hard: u64::from_ne_bytes(*hard),
        }),
        _ => Err(EINVAL),
    }
}

fn signal_info(payload: &[u8]) -> Result<RtSigInfo, Errno> {
    if payload.len() != size_of::<RtSigInfo>() {
        return Err(EINVAL);
    }
    let word = |at: usize| -> Result<[u8; 4], Errno> {
        payload
            .get(at..)
            .and_then(<[u8]>::first_chunk)
            .copied()
            .ok_or(EINVAL)
    };
    let arg = payload.first_chunk().copied().ok_or(EINVAL)?;
    Ok(RtSigInfo {
        arg: usize::from_ne_bytes(arg),
        code: i32::from_ne_bytes(word(core::mem::offset_of!(RtSigInfo, code))?),
        uid: u32::from_ne_bytes(word(core::mem::offset_of!(RtSigInfo, uid))?),
        pid: u32::from_ne_bytes(word(core::mem::offset_of!(RtSigInfo, pid))?),
    })
}
