//! A directory as a capability.

use std::ffi::{OsStr, OsString};
use std::fs::{File, Metadata};
use std::io::{self, Error, ErrorKind, Read, Result, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::options::OpenOptions;
use crate::rights::Limit;
use crate::sys;

/// An open directory. Every path is relative to it, and none leads out of it: not by `..`, not by an
/// absolute path, not by a link, and not because somebody renames something meanwhile. An attempt is
/// [`PermissionDenied`](ErrorKind::PermissionDenied).
///
/// It is the directory itself, not its path: renaming it changes nothing.
///
/// ```no_run
/// use cuprite_cap::{Dir, Limit, Rights};
///
/// # fn main() -> std::io::Result<()> {
/// let home = Dir::open_ambient("/home/user")?;
/// home.write("notes", "buy milk")?;
/// let project = home.open_dir("project")?;
/// project.limit(Rights::READ_ONLY)?;
/// assert!(project.read("../notes").is_err());
/// for entry in project.read_dir()? {
///     println!("{}", entry?.file_name().display());
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Dir(OwnedFd);

impl Dir {
    /// Opens a directory by a path of the process's namespace or current directory: with everything that the
    /// process may reach.
    ///
    /// # Errors
    /// As [`File::open`]; `PermissionDenied` when its scheme cannot confine anything.
    pub fn open_ambient(path: impl AsRef<Path>) -> Result<Self> {
        File::open(path).and_then(|file| Self::from_fd(file.into()))
    }

    /// Confines a directory's descriptor.
    ///
    /// # Errors
    /// `NotADirectory`; `PermissionDenied` when its scheme cannot confine anything.
    pub fn from_fd(fd: OwnedFd) -> Result<Self> {
        let file = File::from(fd);
        if !file.metadata()?.is_dir() {
            return Err(ErrorKind::NotADirectory.into());
        }
        file.limit_beneath()?;
        Ok(Self(file.into()))
    }

    fn ask(&self, path: &Path, flags: usize) -> Result<OwnedFd> {
        sys::open_at(self.0.as_raw_fd(), bytes(path)?, flags, 0, 0)
    }

    /// Opens a file for reading.
    ///
    /// # Errors
    /// As [`File::open`].
    pub fn open(&self, path: impl AsRef<Path>) -> Result<File> {
        self.open_with(path, &OpenOptions::new().read(true))
    }

    /// Opens a file for writing, empty; makes it if it is not there.
    ///
    /// # Errors
    /// As [`File::create`].
    pub fn create(&self, path: impl AsRef<Path>) -> Result<File> {
        let options = OpenOptions::new().write(true).create(true);
        self.open_with(path, &options.truncate(true))
    }

    /// Opens a file.
    ///
    /// # Errors
    /// `InvalidInput` for options that contradict each other, and what a file system answers.
    pub fn open_with(&self, path: impl AsRef<Path>, options: &OpenOptions) -> Result<File> {
        let flags = options.flags();
        let (flags, mode) = flags.ok_or_else(|| Error::from(ErrorKind::InvalidInput))?;
        let resolve = options.resolution().bits();
        let path = bytes(path.as_ref())?;
        sys::open_at(self.0.as_raw_fd(), path, flags, mode, resolve).map(File::from)
    }

    /// Opens a directory in this one. It is confined to itself.
    ///
    /// # Errors
    /// As [`Self::open`], and `NotADirectory`.
    pub fn open_dir(&self, path: impl AsRef<Path>) -> Result<Self> {
        let flags = sys::O_RDONLY | sys::O_DIRECTORY;
        self.ask(path.as_ref(), flags).and_then(Self::from_fd)
    }

    /// Makes a directory.
    ///
    /// # Errors
    /// As [`std::fs::create_dir`].
    pub fn create_dir(&self, path: impl AsRef<Path>) -> Result<()> {
        sys::make_dir_at(self.0.as_raw_fd(), bytes(path.as_ref())?)
    }

    /// What a path is, links followed.
    ///
    /// # Errors
    /// As [`std::fs::metadata`].
    pub fn metadata(&self, path: impl AsRef<Path>) -> Result<Metadata> {
        File::from(self.ask(path.as_ref(), sys::O_STAT)?).metadata()
    }

    /// What a path is; a link is a link.
    ///
    /// # Errors
    /// As [`std::fs::symlink_metadata`].
    pub fn symlink_metadata(&self, path: impl AsRef<Path>) -> Result<Metadata> {
        let flags = sys::O_STAT | sys::O_NOFOLLOW;
        File::from(self.ask(path.as_ref(), flags)?).metadata()
    }

    /// What this directory itself is.
    ///
    /// # Errors
    /// When it may not be asked.
    pub fn dir_metadata(&self) -> Result<Metadata> {
        File::from(self.0.try_clone()?).metadata()
    }

    /// Whether there is something at a path. An error other than `NotFound` is one.
    ///
    /// # Errors
    /// As [`Self::metadata`].
    pub fn try_exists(&self, path: impl AsRef<Path>) -> Result<bool> {
        match self.metadata(path) {
            Ok(_) => Ok(true),
            Err(e) if e.kind() == ErrorKind::NotFound => Ok(false),
            Err(e) => Err(e),
        }
    }

    /// What is in this directory, `.` and `..` left out.
    ///
    /// # Errors
    /// When it may not be read.
    pub fn read_dir(&self) -> Result<ReadDir> {
        let own = self.ask(Path::new("."), sys::O_RDONLY | sys::O_DIRECTORY)?;
        sys::Entries::new(own).map(ReadDir)
    }

    /// Renames something to a path in `to`, which is of the same scheme.
    ///
    /// # Errors
    /// As [`std::fs::rename`].
    pub fn rename(
        &self,
        from: impl AsRef<Path>,
        to_dir: &Self,
        to: impl AsRef<Path>,
    ) -> Result<()> {
        let (from, to) = (bytes(from.as_ref())?, bytes(to.as_ref())?);
        sys::rename_at(self.0.as_raw_fd(), from, to_dir.0.as_raw_fd(), to)
    }

    /// Gives a file a second name, in `to_dir`.
    ///
    /// # Errors
    /// As [`std::fs::hard_link`].
    pub fn hard_link(
        &self,
        from: impl AsRef<Path>,
        to_dir: &Self,
        to: impl AsRef<Path>,
    ) -> Result<()> {
        let (from, to) = (bytes(from.as_ref())?, bytes(to.as_ref())?);
        sys::link_at(self.0.as_raw_fd(), from, to_dir.0.as_raw_fd(), to)
    }

    /// Removes a file.
    ///
    /// # Errors
    /// As [`std::fs::remove_file`].
    pub fn remove_file(&self, path: impl AsRef<Path>) -> Result<()> {
        sys::unlink_at(self.0.as_raw_fd(), bytes(path.as_ref())?, false)
    }

    /// Removes an empty directory.
    ///
    /// # Errors
    /// As [`std::fs::remove_dir`].
    pub fn remove_dir(&self, path: impl AsRef<Path>) -> Result<()> {
        sys::unlink_at(self.0.as_raw_fd(), bytes(path.as_ref())?, true)
    }

    /// Makes a link. What it points to may be anything: links are checked when they are followed.
    ///
    /// # Errors
    /// As [`std::os::unix::fs::symlink`].
    pub fn symlink(&self, target: impl AsRef<Path>, path: impl AsRef<Path>) -> Result<()> {
        let target = bytes(target.as_ref())?;
        sys::symlink_at(target, self.0.as_raw_fd(), bytes(path.as_ref())?)
    }

    /// Where a link points to.
    ///
    /// # Errors
    /// As [`std::fs::read_link`].
    pub fn read_link(&self, path: impl AsRef<Path>) -> Result<std::path::PathBuf> {
        let flags = sys::O_SYMLINK | sys::O_RDONLY;
        let mut text = Vec::new();
        File::from(self.ask(path.as_ref(), flags)?).read_to_end(&mut text)?;
        Ok(OsStr::from_bytes(&text).into())
    }

    /// A file's contents.
    ///
    /// # Errors
    /// As [`std::fs::read`].
    pub fn read(&self, path: impl AsRef<Path>) -> Result<Vec<u8>> {
        let mut contents = Vec::new();
        self.open(path)?.read_to_end(&mut contents)?;
        Ok(contents)
    }

    /// A file's contents as text.
    ///
    /// # Errors
    /// As [`std::fs::read_to_string`].
    pub fn read_to_string(&self, path: impl AsRef<Path>) -> Result<String> {
        io::read_to_string(self.open(path)?)
    }

    /// Writes a file anew.
    ///
    /// # Errors
    /// As [`std::fs::write`].
    pub fn write(&self, path: impl AsRef<Path>, contents: impl AsRef<[u8]>) -> Result<()> {
        self.create(path)?.write_all(contents.as_ref())
    }

    /// Another descriptor of the same directory.
    ///
    /// # Errors
    /// When there is no room for one more.
    pub fn try_clone(&self) -> Result<Self> {
        self.0.try_clone().map(Self)
    }
}

impl AsFd for Dir {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl From<Dir> for OwnedFd {
    fn from(dir: Dir) -> Self {
        dir.0
    }
}

fn bytes(path: &Path) -> Result<&[u8]> {
    let bytes = path.as_os_str().as_bytes();
    if bytes.contains(&0) {
        return Err(ErrorKind::InvalidInput.into());
    }
    Ok(bytes)
}

/// The entries of a directory.
#[derive(Debug)]
pub struct ReadDir(sys::Entries);

/// One entry.
#[derive(Clone, Debug)]
pub struct DirEntry {
    name: OsString,
    inode: u64,
}

impl DirEntry {
    /// Its name.
    #[must_use]
    pub fn file_name(&self) -> &OsStr {
        &self.name
    }

    /// Its number in the file system.
    #[must_use]
    pub const fn inode(&self) -> u64 {
        self.inode
    }
}

impl Iterator for ReadDir {
    type Item = Result<DirEntry>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let entry = self.0.next_entry().transpose()?;
            match entry {
                Ok((name, _)) if name == b"." || name == b".." => {}
                other => {
                    return Some(other.map(|(name, inode)| DirEntry {
                        name: OsStr::from_bytes(&name).to_owned(),
                        inode,
                    }));
                }
            }
        }
    }
}
