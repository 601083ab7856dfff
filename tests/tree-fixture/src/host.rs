//! Trees in real directories.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::{format, process};

use crate::Build;

/// Builds in a real directory with `std`.
#[derive(Clone, Debug)]
pub struct HostBuilder {
    top: PathBuf,
}

impl HostBuilder {
    /// Builds in `top`, which exists.
    pub fn new(top: &Path) -> Self {
        Self {
            top: top.to_path_buf(),
        }
    }
}

#[cfg(unix)]
impl Build for HostBuilder {
    type Error = io::Error;

    fn dir(&mut self, path: &str, mode: u16) -> io::Result<()> {
        fs::create_dir(self.top.join(path))?;
        self.chmod(path, mode)
    }

    fn file(&mut self, path: &str, data: &[u8]) -> io::Result<()> {
        fs::write(self.top.join(path), data)
    }

    fn link(&mut self, path: &str, target: &str) -> io::Result<()> {
        std::os::unix::fs::symlink(target, self.top.join(path))
    }

    fn hard(&mut self, path: &str, existing: &str) -> io::Result<()> {
        fs::hard_link(self.top.join(existing), self.top.join(path))
    }

    fn chmod(&mut self, path: &str, mode: u16) -> io::Result<()> {
        use std::os::unix::fs::PermissionsExt;
        let mode = fs::Permissions::from_mode(u32::from(mode));
        fs::set_permissions(self.top.join(path), mode)
    }
}

/// A fresh directory that is removed with its content when dropped.
#[derive(Debug)]
pub struct TempDir(PathBuf);

impl TempDir {
    /// Makes one, in memory (`/dev/shm`) where the host has that.
    ///
    /// # Errors
    /// Those of making a directory.
    pub fn new(purpose: &str) -> io::Result<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let shm = Path::new("/dev/shm");
        let base = if shm.is_dir() {
            shm.to_path_buf()
        } else {
            std::env::temp_dir()
        };
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = base.join(format!("{purpose}-{}-{number}", process::id()));
        fs::create_dir(&path)?;
        Ok(Self(path))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        // Left behind if it cannot be removed: a test's outcome does not depend on it.
        let _ = fs::remove_dir_all(&self.0);
    }
}
