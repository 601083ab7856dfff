//! The file system that packages are installed on.

use std::io;

use crate::Content;

/// What is at a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A file, or anything that is neither of the others.
    File,
    /// A link, with its target.
    Link(String),
    /// A folder.
    Folder,
}

/// A file system, by paths from its root without a leading slash.
pub trait Store {
    /// Nobody else who asks for this changes packages until the store goes; asking again changes nothing.
    /// [`io::ErrorKind::WouldBlock`] if somebody else does now.
    fn lock(&mut self) -> io::Result<()>;
    /// A file's contents.
    fn read(&self, path: &str) -> io::Result<Vec<u8>>;
    /// What is at a path, and its permission bits; a link is not followed. A folder is an error.
    fn get(&self, path: &str) -> io::Result<(Content, u32)>;
    /// What is at a path, if anything is; a link there is not followed.
    fn kind(&self, path: &str) -> io::Result<Option<Kind>>;
    /// The names in a folder, in order; none if it is not there.
    fn list(&self, path: &str) -> io::Result<Vec<String>>;
    /// Makes a file or link, with its contents on the disk when this returns.
    fn write(&mut self, path: &str, content: &Content, mode: u32) -> io::Result<()>;
    /// Makes a folder and those above it; they may be there.
    fn make_folder(&mut self, path: &str) -> io::Result<()>;
    /// Gives a file another name, in place of what has that name, at once.
    fn rename(&mut self, from: &str, to: &str) -> io::Result<()>;
    /// Removes a file or link.
    fn remove(&mut self, path: &str) -> io::Result<()>;
    /// Removes a folder if it is empty; answers whether it was.
    fn remove_folder(&mut self, path: &str) -> io::Result<bool>;
    /// Names in a folder are on the disk when this returns.
    fn sync(&mut self, path: &str) -> io::Result<()>;
}
