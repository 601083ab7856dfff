//! Processes, namespaces, time and texts.

use libredox::protocol::{ProcCall, ProcMeta};
use syscall::{EBADF, EINVAL, ENOSYS};

use super::{Raw, bytes, bytes_mut, err, mux, mux_unit};
use crate::fd::Fd;
use crate::{namespace, process, sys};

/// The process number.
#[unsafe(no_mangle)]
pub extern "C" fn redox_get_pid_v1() -> Raw {
    mux(process::pid().map(|pid| pid as usize))
}

fn credential(pick: fn(&ProcMeta) -> u32) -> Raw {
    mux(process::credentials().map(|meta| pick(&meta) as usize))
}

/// The effective user.
#[unsafe(no_mangle)]
pub extern "C" fn redox_get_euid_v1() -> Raw {
    credential(|m| m.euid)
}

/// The real user.
#[unsafe(no_mangle)]
pub extern "C" fn redox_get_ruid_v1() -> Raw {
    credential(|m| m.ruid)
}

/// The effective group.
#[unsafe(no_mangle)]
pub extern "C" fn redox_get_egid_v1() -> Raw {
    credential(|m| m.egid)
}

/// The real group.
#[unsafe(no_mangle)]
pub extern "C" fn redox_get_rgid_v1() -> Raw {
    credential(|m| m.rgid)
}

/// The effective namespace, which is a descriptor here, as the real one is.
#[unsafe(no_mangle)]
pub extern "C" fn redox_get_ens_v0() -> Raw {
    redox_get_ns_v0()
}

/// The namespace's descriptor; `EBADF` when the process has none.
#[unsafe(no_mangle)]
pub extern "C" fn redox_get_ns_v0() -> Raw {
    mux(namespace::told_namespace())
}

/// # Safety
/// The caller's contract: the two words of a slice.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn redox_get_proc_credentials_v1(
    fd: usize,
    pid: usize,
    base: *mut u8,
    len: usize,
) -> Raw {
    // SAFETY: the caller's contract.
    let buf = unsafe { bytes_mut(base, len) };
    mux(process::call_on(
        fd,
        ProcCall::GetProcCredentials,
        buf,
        &[pid as u64],
    ))
}

/// Namespaces have no numbers here. What the old ones had is none at all, 0, with which no path means anything
/// any more, and all ones for the present one.
#[unsafe(no_mangle)]
pub extern "C" fn redox_setrens_v1(rns: usize, ens: usize) -> Raw {
    mux(match (rns, ens) {
        (usize::MAX, usize::MAX) => Ok(0),
        (0, 0) => {
            namespace::drop_namespace();
            namespace::drop_directory();
            Ok(0)
        }
        _ => err(EINVAL),
    })
}

/// # Safety
/// The caller's contract: `count` names.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn redox_mkns_v1(names: *const libc::iovec, count: usize, flags: u32) -> Raw {
    if flags != 0 {
        return mux(err(EINVAL));
    }
    let Some(current) = namespace::namespace() else {
        return mux(err(EBADF));
    };
    let names = if count == 0 {
        &[]
    } else {
        // SAFETY: the caller's contract.
        unsafe { core::slice::from_raw_parts(names, count) }
    };
    let names = names.iter().map(|name| {
        // SAFETY: by the caller's contract each of the vectors is a name: so many readable bytes, for as long as the call
        // takes, which keeps none of them.
        unsafe { bytes(name.iov_base.cast(), name.iov_len) }
    });
    mux(namespace::fork_namespace(current, names).map(Fd::into_raw))
}

/// Takes another namespace, and answers the former one's descriptor, which is the caller's from now
/// on; 0 when there was none (a namespace is never descriptor 0: it is a private one). On an error `fd` stays
/// the caller's.
#[unsafe(no_mangle)]
pub extern "C" fn redox_setns_v0(fd: usize) -> Raw {
    mux(match namespace::exchange_namespace(Fd::from_raw(fd)) {
        Ok(former) => Ok(former.map_or(0, Fd::into_raw)),
        Err((error, fd)) => {
            let _ = fd.into_raw();
            Err(error)
        }
    })
}

/// # Safety
/// The caller's contract.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn redox_register_scheme_to_ns_v0(
    ns: usize,
    name: *const u8,
    len: usize,
    root: usize,
) -> Raw {
    // SAFETY: the caller's contract.
    mux_unit(namespace::register(ns, unsafe { bytes(name, len) }, root))
}

/// Sends a signal.
#[unsafe(no_mangle)]
pub extern "C" fn redox_kill_v1(pid: usize, signal: u32) -> Raw {
    mux(process::call(
        ProcCall::Kill,
        &mut [],
        &[pid as u64, u64::from(signal)],
    ))
}

/// # Safety
/// The caller's contract: `status` is writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn redox_waitpid_v1(pid: usize, status: *mut i32, options: u32) -> Raw {
    let mut word = [0u8; size_of::<usize>()];
    let answer = process::call(
        ProcCall::Waitpid,
        &mut word,
        &[pid as u64, u64::from(options)],
    );
    if answer.is_ok() && !status.is_null() {
        // SAFETY: the caller's contract.
        unsafe { status.write(usize::from_ne_bytes(word) as i32) };
    }
    mux(answer)
}

/// # Safety
/// The caller's contract.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn redox_clock_gettime_v1(clock: usize, out: *mut libc::timespec) -> Raw {
    mux_unit(sys::clock_gettime(clock).map(|t| {
        // SAFETY: the caller's contract.
        unsafe {
            out.write(libc::timespec {
                tv_sec: t.tv_sec,
                tv_nsec: i64::from(t.tv_nsec),
            })
        }
    }))
}

/// # Safety
/// The caller's contract: `len` is in and out, the buffer's length and the text's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn redox_strerror_v1(base: *mut u8, len: *mut usize, error: u32) -> Raw {
    let Some(text) = syscall::error::STR_ERROR.get(error as usize) else {
        return mux(err(EINVAL));
    };
    // SAFETY: the caller's contract.
    let buf = unsafe { bytes_mut(base, *len) };
    // A text that does not fit is cut; all of them are ASCII.
    let copied = text.len().min(buf.len());
    for (place, byte) in buf.iter_mut().zip(text.bytes()) {
        *place = byte;
    }
    // SAFETY: the caller's contract.
    unsafe { len.write(text.len()) };
    copied
}

/// Memory policies of NUMA machines: this kernel has one memory.
#[unsafe(no_mangle)]
pub extern "C" fn redox_numa_set_mem_policy_v0(_policy: *const u8, _len: usize) -> Raw {
    mux(err(ENOSYS))
}

/// Memory policies of NUMA machines: this kernel has one memory.
#[unsafe(no_mangle)]
pub extern "C" fn redox_numa_get_mem_policy_v0(_policy: *mut u8, _len: usize) -> Raw {
    mux(err(ENOSYS))
}
