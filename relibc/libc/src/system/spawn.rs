//! `<spawn.h>`: a fork, the actions in the child, and its exec. What goes wrong in the child comes back
//! through a pipe.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::ffi::{CStr, c_char, c_int, c_short};

use alloc::ffi::CString;
use redox_rt::{Error, Result};
use rt_core::signal::Action as SignalAction;
use syscall::{EBADF, ENOMEM};

use super::{code, fail, process};

/// What the child does before its program runs.
enum Action {
    Close(c_int),
    Dup2(c_int, c_int),
    Open(c_int, CString, c_int, c_int),
    Chdir(CString),
    Fchdir(c_int),
}

/// `posix_spawn_file_actions_t`.
#[repr(C)]
pub struct Actions {
    list: *mut Vec<Action>,
    reserved: usize,
}

/// `posix_spawnattr_t`.
#[repr(C)]
pub struct SpawnAttributes {
    defaults: u64,
    mask: u64,
    group: c_int,
    flags: c_short,
    rest: [u64; 5],
}

const _: () = assert!(size_of::<SpawnAttributes>() == 64);
const SETPGROUP: c_short = 2;
const SETSIGDEF: c_short = 4;
const SETSIGMASK: c_short = 8;
const RESETIDS: c_short = 1;
const SETSID: c_short = 128;

impl SpawnAttributes {
    /// Signals that have their default, and what is blocked.
    pub(crate) const fn signals(defaults: u64, mask: u64) -> Self {
        Self {
            defaults,
            mask,
            group: 0,
            flags: SETSIGDEF | SETSIGMASK,
            rest: [0; 5],
        }
    }
}

impl Action {
    unsafe fn carry_out(&self) -> Result<()> {
        let done = match self {
            // That it is closed already is no error.
            Self::Close(fd) => {
                super::file::close(*fd);
                return Ok(());
            }
            Self::Dup2(from, to) if from == to => {
                super::file::control_cloexec(*from, false)?;
                return Ok(());
            }
            Self::Dup2(from, to) => super::file::dup2(*from, *to),
            Self::Open(to, path, flags, mode) => {
                let new =
                    super::file::open_at(libc::AT_FDCWD, path.to_bytes(), *flags, *mode)? as c_int;
                if new != *to {
                    let moved = super::file::dup2(new, *to);
                    super::file::close(new);
                    moved
                } else {
                    new
                }
            }
            Self::Chdir(path) => return super::cwd::change(path.to_bytes()),
            Self::Fchdir(fd) => return super::cwd::change_fd(*fd),
        };
        if done == -1 {
            fail(crate::sys::errno())
        } else {
            Ok(())
        }
    }
}

unsafe fn become_it(
    path: *const c_char,
    search: bool,
    actions: *const Actions,
    attributes: *const SpawnAttributes,
    args: *const *const c_char,
    env: *const *const c_char,
) -> Result<()> {
    let failed = |answer: c_int| {
        if answer == -1 {
            fail(crate::sys::errno())
        } else {
            Ok(())
        }
    };
    if let Some(a) = attributes.as_ref() {
        if a.flags & SETSID != 0 {
            failed(process::setsid())?;
        }
        if a.flags & SETPGROUP != 0 {
            failed(process::setpgid(0, a.group))?;
        }
        if a.flags & RESETIDS != 0 {
            failed(process::setegid(process::getgid()))?;
            failed(process::seteuid(process::getuid()))?;
        }
        if a.flags & SETSIGDEF != 0 {
            for signal in (1..=64).filter(|n| a.defaults >> (n - 1) & 1 != 0) {
                // Those that cannot be changed have their default anyway.
                let _ = redox_rt::signal::sigaction(signal, Some(&SignalAction::DEFAULT));
            }
        }
        if a.flags & SETSIGMASK != 0 {
            redox_rt::signal::sigmask(Some((libc::SIG_SETMASK, a.mask)))?;
        }
    }
    if let Some(list) = actions.as_ref().and_then(|a| a.list.as_ref()) {
        for action in list {
            action.carry_out()?;
        }
    }
    if search {
        process::execvpe(path, args, env);
    } else {
        process::execve(path, args, env);
    }
    fail(crate::sys::errno())
}

/// Starts a program in a new process and answers its number.
pub(crate) unsafe fn start(
    path: *const c_char,
    search: bool,
    actions: *const Actions,
    attributes: *const SpawnAttributes,
    args: *const *const c_char,
    env: *const *const c_char,
) -> Result<c_int> {
    let [reader, writer] = super::file::make_private_pipe()?;
    match process::fork_process()? {
        0 => {
            drop(reader);
            let error = become_it(path, search, actions, attributes, args, env);
            let errno = error.err().map_or(0, |e| e.errno);
            let _ = writer.write(&errno.to_ne_bytes());
            redox_rt::exit(127)
        }
        child => {
            drop(writer);
            let mut errno = [0u8; 4];
            match reader.read(&mut errno) {
                Ok(4) => {
                    let _ = process::wait_for(child as c_int, 0);
                    Err(Error::new(i32::from_ne_bytes(errno)))
                }
                _ => Ok(child as c_int),
            }
        }
    }
}

unsafe fn add(actions: *mut Actions, action: Action) -> c_int {
    let list = &mut *(*actions).list;
    if list.try_reserve(1).is_err() {
        return ENOMEM;
    }
    list.push(action);
    0
}

fn open_number(number: c_int) -> Result<c_int> {
    if number < 0 { fail(EBADF) } else { Ok(number) }
}

unsafe fn copied(path: *const c_char) -> CString {
    CStr::from_ptr(path).into()
}

c_api! {
    fn posix_spawn(pid: *mut c_int, path: *const c_char, actions: *const Actions, attributes: *const SpawnAttributes, args: *const *const c_char, env: *const *const c_char) -> c_int {
        code(start(path, false, actions, attributes, args, env).map(|child| if !pid.is_null() { pid.write(child) }))
    }
    fn posix_spawnp(pid: *mut c_int, file: *const c_char, actions: *const Actions, attributes: *const SpawnAttributes, args: *const *const c_char, env: *const *const c_char) -> c_int {
        code(start(file, true, actions, attributes, args, env).map(|child| if !pid.is_null() { pid.write(child) }))
    }
    fn posix_spawn_file_actions_init(actions: *mut Actions) -> c_int {
        actions.write(Actions { list: Box::into_raw(Box::default()), reserved: 0 });
        0
    }
    fn posix_spawn_file_actions_destroy(actions: *mut Actions) -> c_int {
        drop(Box::from_raw((*actions).list));
        (*actions).list = core::ptr::null_mut();
        0
    }
    fn posix_spawn_file_actions_addclose(actions: *mut Actions, number: c_int) -> c_int {
        open_number(number).map_or_else(|e| e.errno, |n| add(actions, Action::Close(n)))
    }
    fn posix_spawn_file_actions_adddup2(actions: *mut Actions, from: c_int, to: c_int) -> c_int {
        open_number(from.min(to)).map_or_else(|e| e.errno, |_| add(actions, Action::Dup2(from, to)))
    }
    fn posix_spawn_file_actions_addopen(actions: *mut Actions, number: c_int, path: *const c_char, flags: c_int, mode: c_int) -> c_int {
        open_number(number).map_or_else(|e| e.errno, |n| add(actions, Action::Open(n, copied(path), flags, mode)))
    }
    fn posix_spawn_file_actions_addchdir_np(actions: *mut Actions, path: *const c_char) -> c_int { add(actions, Action::Chdir(copied(path))) }
    fn posix_spawn_file_actions_addfchdir_np(actions: *mut Actions, number: c_int) -> c_int {
        open_number(number).map_or_else(|e| e.errno, |n| add(actions, Action::Fchdir(n)))
    }
    fn posix_spawnattr_init(attributes: *mut SpawnAttributes) -> c_int { attributes.write_bytes(0, 1); 0 }
    fn posix_spawnattr_destroy(_attributes: *mut SpawnAttributes) -> c_int { 0 }
    fn posix_spawnattr_getflags(attributes: *const SpawnAttributes, flags: *mut c_short) -> c_int { flags.write((*attributes).flags); 0 }
    fn posix_spawnattr_setflags(attributes: *mut SpawnAttributes, flags: c_short) -> c_int {
        if flags & !(RESETIDS | SETPGROUP | SETSIGDEF | SETSIGMASK | SETSID) != 0 {
            return syscall::EINVAL;
        }
        (*attributes).flags = flags;
        0
    }
    fn posix_spawnattr_getpgroup(attributes: *const SpawnAttributes, group: *mut c_int) -> c_int { group.write((*attributes).group); 0 }
    fn posix_spawnattr_setpgroup(attributes: *mut SpawnAttributes, group: c_int) -> c_int { (*attributes).group = group; 0 }
    fn posix_spawnattr_getsigdefault(attributes: *const SpawnAttributes, set: *mut u64) -> c_int { set.write((*attributes).defaults); 0 }
    fn posix_spawnattr_setsigdefault(attributes: *mut SpawnAttributes, set: *const u64) -> c_int { (*attributes).defaults = *set; 0 }
    fn posix_spawnattr_getsigmask(attributes: *const SpawnAttributes, set: *mut u64) -> c_int { set.write((*attributes).mask); 0 }
    fn posix_spawnattr_setsigmask(attributes: *mut SpawnAttributes, set: *const u64) -> c_int { (*attributes).mask = *set; 0 }
}
