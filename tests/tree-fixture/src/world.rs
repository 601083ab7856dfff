//! A file system and a root of its own for one thread, so that a test can compare with Linux what
//! absolute paths and mounts do without the rest of the machine in view.
#![allow(
    unsafe_code,
    reason = "leaving a shared attribute is unsafe in general"
)]

use std::io;
use std::path::Path;

use rustix::mount::{MountFlags, MountPropagationFlags, mount, mount_change};
use rustix::process::{Uid, chdir, chroot};
use rustix::thread::{UnshareFlags, set_thread_res_uid, unshare_unsafe};

use crate::TempDir;

/// Gives the calling thread a mount namespace of its own in which a new, empty file system in
/// memory is at `at`. It is gone when the thread ends.
///
/// # Errors
/// Those of the system calls; without privileges, that they are needed.
pub fn mount_own(at: &Path) -> io::Result<()> {
    // SAFETY: only the file-system attributes (root, current directory, mask) and the mount
    // namespace are unshared. No descriptor table is, which is what other threads could trip over.
    unsafe { unshare_unsafe(UnshareFlags::FS | UnshareFlags::NEWNS)? };
    let all = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
    mount_change("/", all)?;
    mount_at(at)
}

/// Mounts another new file system at `at`, in a thread that has called [`mount_own`].
///
/// # Errors
/// Those of mounting.
pub fn mount_at(at: &Path) -> io::Result<()> {
    Ok(mount(
        "tree-fixture",
        at,
        "tmpfs",
        MountFlags::empty(),
        None,
    )?)
}

/// Makes `at` the calling thread's root and current directory, after [`mount_own`].
///
/// # Errors
/// Those of the system calls.
pub fn enter(at: &Path) -> io::Result<()> {
    chroot(at)?;
    Ok(chdir("/")?)
}

/// Whether [`mount_own`] works here.
pub fn is_possible() -> bool {
    let Ok(top) = TempDir::new("tree-fixture-probe") else {
        return false;
    };
    let at = top.path().to_path_buf();
    let probe = std::thread::spawn(move || mount_own(&at).is_ok());
    probe.join().unwrap_or(false)
}

/// While it lives, the calling thread acts as another user.
#[derive(Debug)]
pub struct AsUser(());

impl AsUser {
    /// Becomes `uid`; nothing to do for root.
    ///
    /// # Errors
    /// Those of the system call.
    pub fn new(uid: u32) -> io::Result<Option<Self>> {
        if uid == 0 {
            return Ok(None);
        }
        set_thread_res_uid(Uid::ROOT, Uid::from_raw(uid), Uid::ROOT)?;
        Ok(Some(Self(())))
    }
}

impl Drop for AsUser {
    fn drop(&mut self) {
        // The saved user is root, so this cannot fail.
        let _ = set_thread_res_uid(Uid::ROOT, Uid::ROOT, Uid::ROOT);
    }
}
