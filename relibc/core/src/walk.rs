//! Walking a file tree, as `ftw` and `nftw` do, without the files.
//!
//! Folders that are being read are kept as lists of names, so that the depth costs memory and no
//! descriptors.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;

/// What is asked of the file system.
pub trait Files {
    /// What is known of a file.
    type Status: Clone;

    /// Looks at a path, through a symbolic link if `follow`.
    fn status(&mut self, path: &[u8], follow: bool) -> Result<Self::Status, i32>;
    /// The names in a folder, without `.` and `..`.
    fn names(&mut self, path: &[u8]) -> Result<Vec<Vec<u8>>, i32>;
    /// What kind of file it is.
    fn kind(status: &Self::Status) -> Kind;
    /// Which file system it is on, and which file of that it is.
    fn identity(status: &Self::Status) -> (u64, u64);
    /// Goes into a folder, with `FTW_CHDIR`.
    fn enter(&mut self, path: &[u8]) -> Result<(), i32>;
}

/// The kinds that a walk tells apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A folder.
    Folder,
    /// A symbolic link.
    Link,
    /// Anything else.
    Other,
}

/// What the visitor is told of a path; the values are `FTW_*`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Visit {
    /// A file.
    File = 0,
    /// A folder, before what is in it.
    Folder = 1,
    /// A folder that cannot be read.
    Unreadable = 2,
    /// Nothing could be learnt of it.
    Unknown = 3,
    /// A symbolic link, not followed.
    Link = 4,
    /// A folder, after what is in it.
    FolderAfter = 5,
    /// A symbolic link to nothing.
    Dangling = 6,
}

/// What a caller says about a walk.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// Links are not followed (`FTW_PHYS`).
    pub physical: bool,
    /// What is on another file system is left out (`FTW_MOUNT`).
    pub one_file_system: bool,
    /// Each folder is entered while its contents are visited (`FTW_CHDIR`).
    pub change_directory: bool,
    /// A folder comes after its contents (`FTW_DEPTH`).
    pub contents_first: bool,
    /// As `ftw`: a link to nothing is [`Visit::Unknown`].
    pub old: bool,
}

/// Why a walk ended early.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The visitor answered something other than 0.
    Answer(i32),
    /// An error number.
    Error(i32),
}

const ENOENT: i32 = 2;
const EACCES: i32 = 13;
const ELOOP: i32 = 40;

/// A folder whose contents are being visited.
struct Open<S> {
    /// Length of its path.
    len: usize,
    names: Vec<Vec<u8>>,
    status: S,
}

/// Where the last component of a path begins.
fn base(path: &[u8]) -> usize {
    let end = path.iter().rposition(|&b| b != b'/').map_or(0, |at| at + 1);
    let head = path.get(..end).unwrap_or(&[]);
    head.iter().rposition(|&b| b == b'/').map_or(0, |at| at + 1)
}

/// Is given the files, a path, what is known of it, what it is, where its last component begins, and how deep
/// it is; anything but 0 ends the walk.
pub type Visitor<'v, F> =
    &'v mut dyn FnMut(&mut F, &[u8], Option<&<F as Files>::Status>, Visit, usize, usize) -> i32;

/// Visits `path` and everything below it. The visitor is given the path, what is known of it (`None` for
/// [`Visit::Unknown`]), what it is, where its last component begins, and how deep it is.
pub fn walk<F: Files>(
    path: &[u8],
    options: Options,
    files: &mut F,
    visit: Visitor<'_, F>,
) -> Result<(), End> {
    let trimmed = path
        .iter()
        .rposition(|&b| b != b'/')
        .map_or(path.len().min(1), |at| at + 1);
    let mut path = path.get(..trimmed).unwrap_or(&[]).to_vec();
    let mut open: Vec<Open<F::Status>> = Vec::new();
    let mut device = None;
    // Folders that have been told of: where links are followed, many paths may lead to one.
    let mut known = BTreeSet::new();
    let mut start = base(&path);
    let outside = match path.get(..start) {
        None | Some([]) => b".".to_vec(),
        Some(folder) => folder.to_vec(),
    };
    if options.change_directory {
        files.enter(&outside).map_err(End::Error)?;
    }
    loop {
        let level = open.len();
        let mut tell = |files: &mut F, path: &[u8], status: Option<&F::Status>, what| match visit(
            files, path, status, what, start, level,
        ) {
            0 => Ok(()),
            answer => Err(End::Answer(answer)),
        };
        let looked = match files.status(&path, !options.physical) {
            Err(ENOENT | ELOOP) if !options.physical => {
                files.status(&path, false).map(|status| (status, true))
            }
            other => other.map(|status| (status, false)),
        };
        match looked {
            Err(EACCES | ENOENT) if !open.is_empty() => tell(files, &path, None, Visit::Unknown)?,
            Err(error) => return Err(End::Error(error)),
            Ok((status, true)) => {
                let what = if options.old {
                    Visit::Unknown
                } else {
                    Visit::Dangling
                };
                tell(files, &path, Some(&status), what)?;
            }
            Ok((status, false)) => {
                let identity = F::identity(&status);
                let home = *device.get_or_insert(identity.0);
                let elsewhere = options.one_file_system && identity.0 != home;
                match F::kind(&status) {
                    _ if elsewhere => {}
                    Kind::Link => tell(files, &path, Some(&status), Visit::Link)?,
                    Kind::Other => tell(files, &path, Some(&status), Visit::File)?,
                    Kind::Folder if !options.physical && !known.insert(identity) => {}
                    Kind::Folder => match files.names(&path) {
                        Err(EACCES) => tell(files, &path, Some(&status), Visit::Unreadable)?,
                        Err(error) => return Err(End::Error(error)),
                        Ok(mut names) => {
                            if !options.contents_first {
                                tell(files, &path, Some(&status), Visit::Folder)?;
                            }
                            if options.change_directory {
                                files.enter(&path).map_err(End::Error)?;
                            }
                            names.reverse();
                            let len = path.len();
                            open.push(Open { len, names, status });
                        }
                    },
                }
            }
        }
        // On to the next name, and out of the folders that have none left.
        loop {
            let level = open.len();
            let Some(folder) = open.last_mut() else {
                return Ok(());
            };
            path.truncate(folder.len);
            if let Some(name) = folder.names.pop() {
                if path.last() != Some(&b'/') {
                    path.push(b'/');
                }
                start = path.len();
                path.extend_from_slice(&name);
                break;
            }
            let status = folder.status.clone();
            open.pop();
            if options.change_directory {
                let outer = open.last().and_then(|o| path.get(..o.len));
                files.enter(outer.unwrap_or(&outside)).map_err(End::Error)?;
            }
            if options.contents_first {
                let answer = visit(
                    files,
                    &path,
                    Some(&status),
                    Visit::FolderAfter,
                    base(&path),
                    level - 1,
                );
                if answer != 0 {
                    return Err(End::Answer(answer));
                }
            }
        }
    }
}
