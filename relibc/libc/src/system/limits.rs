//! What the system is called and how much of everything there is.

use alloc::vec::Vec;
use core::ffi::{c_char, c_int, c_long};

use libredox::protocol::ProcCall;
use redox_rt::{Result, process};
use syscall::{EINVAL, ENOSYS};

use super::users::read_file;
use super::{fail, unit};

/// `pathconf`: the same for every file system.
pub(crate) fn of_path(name: c_int) -> c_long {
    match name {
        0 => 127,               // _PC_LINK_MAX
        1 | 2 => 255,           // _PC_MAX_CANON, _PC_MAX_INPUT
        3 => 255,               // _PC_NAME_MAX
        4 | 5 => 4096,          // _PC_PATH_MAX, _PC_PIPE_BUF
        6 | 7 => 1,             // _PC_CHOWN_RESTRICTED, _PC_NO_TRUNC
        8 => 0,                 // _PC_VDISABLE
        13 => 64,               // _PC_FILESIZEBITS
        19 => 4096,             // _PC_SYMLINK_MAX
        20 => 1,                // _PC_2_SYMLINKS
        9..=12 | 14..=18 => -1, // no limit, or not offered
        _ => {
            super::report(redox_rt::Error::new(EINVAL));
            -1
        }
    }
}

/// The issue of POSIX that versions and options are of.
const ISSUE: c_long = 200_809;

/// Options whose names the `libc` crate does not have; the numbers are Linux's. `None` for other names.
fn of_option(name: c_int) -> Option<c_long> {
    match name {
        7 | 8 | 155 | 157 => Some(1), // _SC_JOB_CONTROL, _SC_SAVED_IDS, _SC_REGEXP, _SC_SHELL
        11 | 15 | 16 | 19 => Some(ISSUE), // _SC_TIMERS, _SC_FSYNC, _SC_MAPPED_FILES, _SC_MEMORY_PROTECTION
        21 | 22 | 46 => Some(ISSUE), // _SC_SEMAPHORES, _SC_SHARED_MEMORY_OBJECTS, _SC_2_VERSION
        67 | 68 | 82 => Some(ISSUE), // _SC_THREADS, _SC_THREAD_SAFE_FUNCTIONS, _SC_THREAD_PROCESS_SHARED
        77 | 78 => Some(ISSUE),      // _SC_THREAD_ATTR_STACKADDR, _SC_THREAD_ATTR_STACKSIZE
        133 | 137 => Some(ISSUE),    // _SC_BARRIERS, _SC_CLOCK_SELECTION
        138 | 139 | 149 => Some(ISSUE), // _SC_CPUTIME, _SC_THREAD_CPUTIME, _SC_MONOTONIC_CLOCK
        153 | 154 => Some(ISSUE),    // _SC_READER_WRITER_LOCKS, _SC_SPIN_LOCKS
        159 | 164 => Some(ISSUE),    // _SC_SPAWN, _SC_TIMEOUTS
        _ => None,
    }
}

/// `SIGRTMIN` to `SIGRTMAX` of `<signal.h>`.
const REALTIME_SIGNALS: c_long = 30;

fn of_system(name: c_int) -> c_long {
    match name {
        libc::_SC_ARG_MAX => rt_core::stack::MAX_LEN as c_long,
        libc::_SC_CLK_TCK => super::time::TICKS,
        libc::_SC_NGROUPS_MAX => 65536,
        libc::_SC_OPEN_MAX => {
            limit(libc::RLIMIT_NOFILE).map_or(-1, |l| c_long::try_from(l.rlim_cur).unwrap_or(-1))
        }
        libc::_SC_STREAM_MAX | libc::_SC_CHILD_MAX => -1,
        libc::_SC_TZNAME_MAX => 255,
        libc::_SC_VERSION => ISSUE,
        libc::_SC_PAGESIZE => rt_core::PAGE_SIZE as c_long,
        85 => frames(b"total "), // _SC_PHYS_PAGES
        86 => frames(b"free "),  // _SC_AVPHYS_PAGES
        libc::_SC_RE_DUP_MAX => 255,
        libc::_SC_NPROCESSORS_CONF | libc::_SC_NPROCESSORS_ONLN => processors(),
        libc::_SC_GETGR_R_SIZE_MAX | libc::_SC_GETPW_R_SIZE_MAX => 1024,
        libc::_SC_LOGIN_NAME_MAX => 256,
        libc::_SC_TTY_NAME_MAX => 32,
        libc::_SC_SYMLOOP_MAX => 40,
        libc::_SC_HOST_NAME_MAX => 255,
        libc::_SC_SIGQUEUE_MAX => 32,
        libc::_SC_REALTIME_SIGNALS => ISSUE,
        31 => REALTIME_SIGNALS,         // _SC_RTSIG_MAX
        32 | 76 => -1,                  // _SC_SEM_NSEMS_MAX, _SC_THREAD_THREADS_MAX: no limit
        33 => c_long::from(c_int::MAX), // _SC_SEM_VALUE_MAX
        43 | 75 => 4096,                // _SC_LINE_MAX, _SC_THREAD_STACK_MIN
        60 | 74 => 1024,                // _SC_IOV_MAX, _SC_THREAD_KEYS_MAX
        73 => 4,                        // _SC_THREAD_DESTRUCTOR_ITERATIONS
        89 => 700,                      // _SC_XOPEN_VERSION
        _ => of_option(name).unwrap_or_else(|| {
            super::report(redox_rt::Error::new(EINVAL));
            -1
        }),
    }
}

/// The processors the kernel tells of; one, if it cannot be asked.
pub(crate) fn processors() -> c_long {
    let told = read_file(b"/scheme/sys/cpu").unwrap_or_default();
    let count = told
        .split(|&b| b == b'\n')
        .find_map(|line| line.strip_prefix(b"CPUs: "))
        .and_then(|count| core::str::from_utf8(count).ok()?.parse().ok());
    count.unwrap_or(1)
}

/// A count of page frames that the kernel tells of.
fn frames(name: &[u8]) -> c_long {
    let told = read_file(b"/scheme/sys/memory").unwrap_or_default();
    let count = told
        .split(|&b| b == b'\n')
        .find_map(|line| line.strip_prefix(name))
        .and_then(|count| core::str::from_utf8(count).ok()?.parse().ok());
    count.unwrap_or(-1)
}

/// A limit as the process manager keeps it.
fn limit(resource: c_int) -> Result<libc::rlimit> {
    if !(0..libc::RLIMIT_NLIMITS).contains(&resource) {
        return fail(EINVAL);
    }
    let mut payload = [0u8; 16];
    match process::call(ProcCall::Rlimit, &mut payload, &[resource as u64, 0]) {
        // Without a manager there is only what the run-time itself keeps to.
        Err(e) if e.errno == ENOSYS => Ok(libc::rlimit {
            rlim_cur: if resource == libc::RLIMIT_STACK {
                redox_rt::spawn::STACK_LEN as u64
            } else {
                libc::RLIM_INFINITY
            },
            rlim_max: libc::RLIM_INFINITY,
        }),
        Err(e) => Err(e),
        Ok(_) => {
            let word = |at: usize| {
                let mut bytes = [0; 8];
                bytes.copy_from_slice(&payload[at..at + 8]);
                u64::from_ne_bytes(bytes)
            };
            Ok(libc::rlimit {
                rlim_cur: word(0),
                rlim_max: word(8),
            })
        }
    }
}

fn set_limit(resource: c_int, new: &libc::rlimit) -> Result<()> {
    if !(0..libc::RLIMIT_NLIMITS).contains(&resource) || new.rlim_cur > new.rlim_max {
        return fail(EINVAL);
    }
    let mut payload = [0u8; 16];
    payload[..8].copy_from_slice(&new.rlim_cur.to_ne_bytes());
    payload[8..].copy_from_slice(&new.rlim_max.to_ne_bytes());
    process::call(ProcCall::Rlimit, &mut payload, &[resource as u64, 1]).map(drop)
}

fn put<const N: usize>(place: &mut [c_char; N], text: &[u8]) {
    place.fill(0);
    for (place, &byte) in place.iter_mut().zip(text.iter().take(N - 1)) {
        *place = byte as c_char;
    }
}

/// The machine's name: the first line of `/etc/hostname`.
fn host_name() -> Vec<u8> {
    let text = read_file(b"/etc/hostname").unwrap_or_default();
    let line = text
        .split(|&b| b == b'\n')
        .next()
        .unwrap_or(&[])
        .trim_ascii();
    if line.is_empty() {
        b"localhost".to_vec()
    } else {
        line.to_vec()
    }
}

c_api! {
    fn sysconf(name: c_int) -> c_long { of_system(name) }
    fn getpagesize() -> c_int { rt_core::PAGE_SIZE as c_int }
    fn getdtablesize() -> c_int {
        // Without a limit it is as large as a number can be.
        c_int::try_from(of_system(libc::_SC_OPEN_MAX)).ok().filter(|&n| n > 0).unwrap_or(c_int::MAX)
    }
    fn confstr(name: c_int, buffer: *mut c_char, len: usize) -> usize {
        let text: &[u8] = match name {
            0 => super::process::DEFAULT_PATH,
            1 | 4 | 5 | 1116..=1147 => b"",
            _ => {
                super::report(redox_rt::Error::new(EINVAL));
                return 0;
            }
        };
        if !buffer.is_null() && len > 0 {
            let copied = text.len().min(len - 1);
            core::ptr::copy_nonoverlapping(text.as_ptr(), buffer.cast(), copied);
            buffer.add(copied).write(0);
        }
        text.len() + 1
    }
    fn uname(out: *mut libc::utsname) -> c_int {
        // The kernel tells name, node, version, an empty line and the machine; it is asked because
        // a program may run on another one than it was built for.
        let told = read_file(b"/scheme/sys/uname").unwrap_or_default();
        let mut lines = told.split(|&b| b == b'\n');
        let mut next = |default: &'static [u8]| lines.next().filter(|l| !l.is_empty()).unwrap_or(default).to_vec();
        let (system, _, release, version, machine) = (next(b"Cuprite"), next(b""), next(b""), next(b""), next(b"x86_64"));
        out.write_bytes(0, 1);
        let out = &mut *out;
        put(&mut out.sysname, &system);
        put(&mut out.nodename, &host_name());
        put(&mut out.release, &release);
        put(&mut out.version, &version);
        put(&mut out.machine, &machine);
        0
    }
    fn gethostname(buffer: *mut c_char, len: usize) -> c_int {
        unit(super::give_text(&host_name(), buffer, len).map_err(|_| redox_rt::Error::new(syscall::ENAMETOOLONG)))
    }
    fn getdomainname(buffer: *mut c_char, len: usize) -> c_int { unit(super::give_text(b"", buffer, len)) }
    fn sethostname(_name: *const c_char, _len: usize) -> c_int {
        // The name is a file's contents, which who may can write.
        unit(fail(syscall::EPERM))
    }
    fn getloadavg(averages: *mut f64, count: c_int) -> c_int {
        // Nobody keeps averages over time.
        let _ = (averages, count);
        -1
    }
    fn getrlimit(resource: c_int, out: *mut libc::rlimit) -> c_int { unit(limit(resource).map(|l| out.write(l))) }
    fn setrlimit(resource: c_int, new: *const libc::rlimit) -> c_int { unit(set_limit(resource, &*new)) }
    fn getrusage(who: c_int, out: *mut libc::rusage) -> c_int {
        if !matches!(who, libc::RUSAGE_SELF | libc::RUSAGE_CHILDREN | libc::RUSAGE_BOTH | libc::RUSAGE_THREAD) {
            return unit(fail(EINVAL));
        }
        // The processor time is all that is counted; what the kernel does for a process is part of it.
        let time = if who == libc::RUSAGE_THREAD {
            super::time::now(super::time::OF_THREAD).map(|t| t.tv_sec as u64 * 1_000_000_000 + t.tv_nsec as u64)
        } else {
            super::time::used().map(|[own, children]| match who {
                libc::RUSAGE_SELF => own,
                libc::RUSAGE_CHILDREN => children,
                _ => own.saturating_add(children),
            })
        };
        out.write_bytes(0, 1);
        // Without a process manager there is no sum.
        (*out).ru_utime = super::time::timeval(time.unwrap_or(0));
        0
    }
}
