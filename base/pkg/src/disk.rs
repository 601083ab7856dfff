//! The file system of the machine.

use std::fs::{self, DirBuilder, File, Permissions};
use std::io::{self, ErrorKind, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt, symlink};
use std::path::PathBuf;

use pkg_core::{Content, Kind, STATE, Store};

/// What is locked, below [`STATE`].
const LOCK: &str = ".lock";

/// Everything below a folder.
#[derive(Debug)]
pub struct Disk {
    root: PathBuf,
    /// Locked as long as it is open.
    lock: Option<File>,
}

impl Disk {
    /// What is below a folder.
    pub const fn new(root: PathBuf) -> Self {
        Self { root, lock: None }
    }

    fn at(&self, path: &str) -> PathBuf {
        self.root.join(path)
    }
}

impl Store for Disk {
    fn lock(&mut self) -> io::Result<()> {
        if self.lock.is_some() {
            return Ok(());
        }
        self.make_folder(STATE)?;
        // Nobody else can open it, and so nobody else can keep it locked.
        let file = File::options()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(self.at(STATE).join(LOCK))?;
        // `File::lock` is not there for this system.
        // SAFETY: `flock` takes two numbers and touches no memory of ours; the descriptor is open.
        if unsafe { libc::flock(file.as_raw_fd(), libc::LOCK_EX | libc::LOCK_NB) } != 0 {
            return Err(io::Error::last_os_error());
        }
        self.lock = Some(file);
        Ok(())
    }

    fn kind(&self, path: &str) -> io::Result<Option<Kind>> {
        let path = self.at(path);
        let meta = match fs::symlink_metadata(&path) {
            Err(error)
                if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) =>
            {
                return Ok(None);
            }
            meta => meta?,
        };
        Ok(Some(if meta.is_dir() {
            Kind::Folder
        } else if meta.is_symlink() {
            Kind::Link(fs::read_link(&path)?.to_string_lossy().into_owned())
        } else {
            Kind::File
        }))
    }

    fn read(&self, path: &str) -> io::Result<Vec<u8>> {
        fs::read(self.at(path))
    }

    fn get(&self, path: &str) -> io::Result<(Content, u32)> {
        let path = self.at(path);
        let meta = fs::symlink_metadata(&path)?;
        let content = if meta.is_symlink() {
            let target = fs::read_link(&path)?;
            Content::Link(target.to_string_lossy().into_owned())
        } else {
            Content::File(fs::read(&path)?)
        };
        Ok((content, meta.permissions().mode()))
    }

    fn list(&self, path: &str) -> io::Result<Vec<String>> {
        let entries = match fs::read_dir(self.at(path)) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries?,
        };
        let mut names = Vec::new();
        for entry in entries {
            names.push(entry?.file_name().to_string_lossy().into_owned());
        }
        names.sort();
        Ok(names)
    }

    fn write(&mut self, path: &str, content: &Content, mode: u32) -> io::Result<()> {
        let path = self.at(path);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        match content {
            Content::Link(target) => symlink(target, &path),
            Content::File(bytes) => {
                let mut file = File::options()
                    .write(true)
                    .create_new(true)
                    .mode(0o600)
                    .open(&path)?;
                file.write_all(bytes)?;
                file.set_permissions(Permissions::from_mode(mode))?;
                file.sync_all()
            }
        }
    }

    fn make_folder(&mut self, path: &str) -> io::Result<()> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o755)
            .create(self.at(path))
    }

    fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.at(from), self.at(to))
    }

    fn remove(&mut self, path: &str) -> io::Result<()> {
        fs::remove_file(self.at(path))
    }

    fn remove_folder(&mut self, path: &str) -> io::Result<bool> {
        match fs::remove_dir(self.at(path)) {
            Err(error) if error.kind() == ErrorKind::DirectoryNotEmpty => Ok(false),
            removed => removed.map(|()| true),
        }
    }

    fn sync(&mut self, path: &str) -> io::Result<()> {
        File::open(self.at(path))?.sync_all()
    }
}
