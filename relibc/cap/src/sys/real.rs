//! On Cuprite: the C library's functions, those of `libredox` among them.

use std::ffi::{CStr, CString, c_char, c_int, c_short, c_uint, c_void};
use std::io::{Error, Result};
use std::os::fd::{AsRawFd, FromRawFd, IntoRawFd, OwnedFd, RawFd};
use std::ptr::{NonNull, null, null_mut};

use cap_abi::Rights;
use cap_abi::fcntl::{F_CAP_LEASE, FD_CLOEXEC, LEASE_REVOKE_ON_CLOSE, LeaseParams};

use super::Grant;

/// `CallFlags` of `redox_syscall`.
const CALL_WRITE: usize = 1 << 9;
const CALL_FD: usize = 1 << 11;
const CALL_FD_CLONE: usize = 1 << 13;

/// `<spawn.h>`'s flags.
const SETNAMESPACE: c_short = 0x100;
const SETDIRECTORY: c_short = 0x200;
const CLOEXEC_DEFAULT: c_short = 0x400;

/// `struct open_how`.
#[repr(C)]
struct OpenHow {
    flags: u64,
    mode: u64,
    resolve: u64,
}

/// `posix_spawn_file_actions_t`.
type Actions = [usize; 2];
/// `posix_spawnattr_t`.
type Attributes = [u64; 8];

unsafe extern "C" {
    fn redox_openat_v1(fd: usize, path: *const u8, len: usize, flags: u32, status: u32) -> usize;
    fn openat2(dir: c_int, path: *const c_char, how: *const OpenHow, size: usize) -> c_int;
    fn redox_dup_v1(fd: usize, payload: *const u8, len: usize) -> usize;
    fn redox_fcntl_v0(fd: usize, command: usize, argument: usize) -> usize;
    fn redox_close_v1(fd: usize) -> usize;
    fn redox_get_ns_v0() -> usize;
    fn redox_setns_v0(fd: usize) -> usize;
    fn redox_sys_call_v0(
        fd: usize,
        payload: *mut u8,
        len: usize,
        flags: usize,
        metadata: *const u64,
        metadata_len: usize,
    ) -> usize;
    fn fspawn_np(
        pid: *mut c_int,
        program: c_int,
        actions: *const Actions,
        attributes: *const Attributes,
        args: *const *const c_char,
        env: *const *const c_char,
    ) -> c_int;
    fn posix_spawn_file_actions_init(actions: *mut Actions) -> c_int;
    fn posix_spawn_file_actions_destroy(actions: *mut Actions) -> c_int;
    fn posix_spawn_file_actions_addgrant_np(
        actions: *mut Actions,
        from: c_int,
        to: c_int,
        rights: c_uint,
    ) -> c_int;
    fn posix_spawnattr_init(attributes: *mut Attributes) -> c_int;
    fn posix_spawnattr_setflags(attributes: *mut Attributes, flags: c_short) -> c_int;
    fn posix_spawnattr_setnamespace_np(attributes: *mut Attributes, fd: c_int) -> c_int;
    fn posix_spawnattr_setdirectory_np(attributes: *mut Attributes, fd: c_int) -> c_int;
}

/// An answer of a `redox_*` function: the last 4095 values are negated error numbers.
fn demux(answer: usize) -> Result<usize> {
    match answer.wrapping_neg() {
        errno @ 1..=4095 => Err(Error::from_raw_os_error(errno as i32)),
        _ => Ok(answer),
    }
}

/// A descriptor that such a function made for the caller.
fn made(answer: usize) -> Result<OwnedFd> {
    let fd = demux(answer)?;
    let fd = RawFd::try_from(fd).map_err(|_| Error::from_raw_os_error(libc::EMFILE))?;
    // SAFETY: it is open, and nobody else's.
    let fd = unsafe { OwnedFd::from_raw_fd(fd) };
    control(fd.as_raw_fd(), libc::F_SETFD as usize, FD_CLOEXEC)?;
    Ok(fd)
}

fn number(fd: RawFd) -> Result<usize> {
    usize::try_from(fd).map_err(|_| Error::from_raw_os_error(libc::EBADF))
}

/// An `fcntl` whose argument is a number.
pub fn control(fd: RawFd, command: usize, argument: usize) -> Result<usize> {
    // SAFETY: the commands used here take numbers.
    demux(unsafe { redox_fcntl_v0(number(fd)?, command, argument) })
}

pub fn lease(fd: RawFd, rights: Rights) -> Result<(OwnedFd, OwnedFd)> {
    let mut params = LeaseParams {
        derived: cap_abi::FD_ANY,
        lease: cap_abi::FD_ANY,
        rights: rights.bits(),
        flags: LEASE_REVOKE_ON_CLOSE,
    };
    let address = (&raw mut params) as usize;
    // SAFETY: the structure outlives the call, which is the one that fills it in.
    demux(unsafe { redox_fcntl_v0(number(fd)?, F_CAP_LEASE, address) })?;
    Ok((made(params.derived)?, made(params.lease)?))
}

/// Opens; `resolve` are the flags of `<sys/openat2.h>`.
pub fn open_at(dir: RawFd, path: &[u8], flags: usize, mode: u32, resolve: u64) -> Result<OwnedFd> {
    let path = c_string(path)?;
    let how = OpenHow {
        flags: (flags | FD_CLOEXEC) as u64,
        mode: u64::from(mode),
        resolve,
    };
    // SAFETY: a C string and a structure of this size.
    let fd = unsafe { openat2(dir, path.as_ptr(), &how, size_of::<OpenHow>()) };
    unit(fd)?;
    // SAFETY: it is open, and nobody else's.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Asks a namespace, whatever the process's own is.
pub fn open_in_namespace(namespace: RawFd, path: &[u8], flags: usize) -> Result<OwnedFd> {
    let namespace = number(namespace)?;
    // SAFETY: the path is borrowed for the time of the call.
    made(unsafe { redox_openat_v1(namespace, path.as_ptr(), path.len(), flags as u32, 0) })
}

pub fn make_dir_at(dir: RawFd, path: &[u8]) -> Result<()> {
    let path = c_string(path)?;
    // SAFETY: a C string.
    unit(unsafe { libc::mkdirat(dir, path.as_ptr(), 0o777) })
}

pub fn symlink_at(target: &[u8], dir: RawFd, path: &[u8]) -> Result<()> {
    let (target, path) = (c_string(target)?, c_string(path)?);
    // SAFETY: C strings.
    unit(unsafe { libc::symlinkat(target.as_ptr(), dir, path.as_ptr()) })
}

fn c_string(path: &[u8]) -> Result<CString> {
    CString::new(path).map_err(|_| Error::from_raw_os_error(libc::EINVAL))
}

fn unit(answer: c_int) -> Result<()> {
    if answer == -1 {
        Err(Error::last_os_error())
    } else {
        Ok(())
    }
}

pub fn rename_at(from_dir: RawFd, from: &[u8], to_dir: RawFd, to: &[u8]) -> Result<()> {
    let (from, to) = (c_string(from)?, c_string(to)?);
    // SAFETY: C strings.
    unit(unsafe { libc::renameat(from_dir, from.as_ptr(), to_dir, to.as_ptr()) })
}

pub fn link_at(from_dir: RawFd, from: &[u8], to_dir: RawFd, to: &[u8]) -> Result<()> {
    let (from, to) = (c_string(from)?, c_string(to)?);
    // SAFETY: C strings.
    unit(unsafe { libc::linkat(from_dir, from.as_ptr(), to_dir, to.as_ptr(), 0) })
}

pub fn unlink_at(dir: RawFd, path: &[u8], directory: bool) -> Result<()> {
    let path = c_string(path)?;
    let flags = if directory { libc::AT_REMOVEDIR } else { 0 };
    // SAFETY: a C string.
    unit(unsafe { libc::unlinkat(dir, path.as_ptr(), flags) })
}

pub fn current_namespace() -> Result<OwnedFd> {
    // SAFETY: it takes nothing.
    let namespace = demux(unsafe { redox_get_ns_v0() });
    let namespace = namespace.map_err(|_| Error::from_raw_os_error(libc::ENOENT))?;
    // SAFETY: a call without a payload.
    made(unsafe { redox_dup_v1(namespace, null(), 0) })
}

pub fn set_namespace(fd: OwnedFd) -> Result<Option<OwnedFd>> {
    // SAFETY: it becomes the library's, unless there is an error.
    let old = demux(unsafe { redox_setns_v0(number(fd.as_raw_fd())?) })?;
    let _ = fd.into_raw_fd();
    if old == 0 {
        return Ok(None);
    }
    // The former one has a private number, which does not fit; this is a copy of it.
    // SAFETY: a call without a payload.
    let copy = made(unsafe { redox_dup_v1(old, null(), 0) });
    // SAFETY: it was given to the caller, who has the copy.
    unsafe { redox_close_v1(old) };
    // One that has been destroyed cannot be copied.
    Ok(copy.ok())
}

pub fn dup(fd: RawFd, payload: &[u8]) -> Result<OwnedFd> {
    // SAFETY: the payload is borrowed for the time of the call.
    made(unsafe { redox_dup_v1(number(fd)?, payload.as_ptr(), payload.len()) })
}

pub fn call(fd: RawFd, payload: &[u8], metadata: &[u64]) -> Result<()> {
    let fd = number(fd)?;
    // SAFETY: payload and metadata are borrowed for the time of the call, which only reads them.
    let answer = unsafe {
        redox_sys_call_v0(
            fd,
            payload.as_ptr().cast_mut(),
            payload.len(),
            CALL_WRITE,
            metadata.as_ptr(),
            metadata.len(),
        )
    };
    demux(answer).map(drop)
}

/// Sends a descriptor, which is gone afterwards.
pub fn send(fd: RawFd, sent: OwnedFd) -> Result<()> {
    let mut payload = number(sent.as_raw_fd())?.to_ne_bytes();
    let fd = number(fd)?;
    // What is sent is gone also when the message is refused, but not when the call is: a copy goes, and the
    // number is closed here, once.
    // SAFETY: the payload is the number of an open descriptor.
    let answer = unsafe {
        redox_sys_call_v0(
            fd,
            payload.as_mut_ptr(),
            payload.len(),
            CALL_WRITE | CALL_FD | CALL_FD_CLONE,
            null(),
            0,
        )
    };
    demux(answer).map(drop)
}

fn code(answer: c_int) -> Result<()> {
    match answer {
        0 => Ok(()),
        errno => Err(Error::from_raw_os_error(errno)),
    }
}

struct OwnedActions(Actions);

impl Drop for OwnedActions {
    fn drop(&mut self) {
        // SAFETY: they have been initialised.
        unsafe { posix_spawn_file_actions_destroy(&mut self.0) };
    }
}

fn pointers(texts: &[CString]) -> Vec<*const c_char> {
    let texts = texts.iter().map(|text| text.as_ptr());
    texts.chain([null()]).collect()
}

/// Starts a program with these descriptors, namespace and current directory, and nothing else.
pub fn spawn(
    program: RawFd,
    args: &[CString],
    env: &[CString],
    grants: &[Grant],
    [namespace, directory]: [Option<RawFd>; 2],
) -> Result<u32> {
    let mut actions = OwnedActions([0; 2]);
    let mut attributes: Attributes = [0; 8];
    let mut pid = 0;
    // SAFETY: both objects are initialised first; arrays end with a null pointer and live until the end.
    unsafe {
        code(posix_spawn_file_actions_init(&mut actions.0))?;
        for grant in grants {
            code(posix_spawn_file_actions_addgrant_np(
                &mut actions.0,
                grant.from,
                grant.to,
                grant.rights.bits(),
            ))?;
        }
        code(posix_spawnattr_init(&mut attributes))?;
        let flags = CLOEXEC_DEFAULT | SETNAMESPACE | SETDIRECTORY;
        code(posix_spawnattr_setflags(&mut attributes, flags))?;
        let (namespace, directory) = (namespace.unwrap_or(-1), directory.unwrap_or(-1));
        code(posix_spawnattr_setnamespace_np(&mut attributes, namespace))?;
        code(posix_spawnattr_setdirectory_np(&mut attributes, directory))?;
        code(fspawn_np(
            &mut pid,
            program,
            &actions.0,
            &attributes,
            pointers(args).as_ptr(),
            pointers(env).as_ptr(),
        ))?;
    }
    Ok(pid.cast_unsigned())
}

/// The entries of an open directory.
#[derive(Debug)]
pub struct Entries(NonNull<c_void>);

// SAFETY: the stream is used through one owner only.
unsafe impl Send for Entries {}

impl Entries {
    pub fn new(directory: OwnedFd) -> Result<Self> {
        let fd = directory.into_raw_fd();
        // SAFETY: the descriptor is the stream's from now on.
        let stream = unsafe { libc::fdopendir(fd) };
        NonNull::new(stream.cast()).map(Self).ok_or_else(|| {
            let error = Error::last_os_error();
            // SAFETY: the stream did not take it.
            drop(unsafe { OwnedFd::from_raw_fd(fd) });
            error
        })
    }

    /// Name and number of the next entry.
    pub fn next_entry(&mut self) -> Result<Option<(Vec<u8>, u64)>> {
        // SAFETY: the stream is open; the entry is valid until the next call, before which it is copied.
        unsafe {
            *libc::__errno_location() = 0;
            let entry = libc::readdir(self.0.as_ptr().cast());
            if entry == null_mut() {
                let error = Error::last_os_error();
                return match error.raw_os_error() {
                    Some(0) | None => Ok(None),
                    Some(_) => Err(error),
                };
            }
            let name = CStr::from_ptr((&raw const (*entry).d_name).cast());
            Ok(Some((name.to_bytes().to_vec(), (*entry).d_ino)))
        }
    }
}

impl Drop for Entries {
    fn drop(&mut self) {
        // SAFETY: it is open, and closed once.
        unsafe { libc::closedir(self.0.as_ptr().cast()) };
    }
}
