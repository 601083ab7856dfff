//! A scheme that is one folder of files, as drivers serve: its handles, and what is the same of every request.
//!
//! [`Folder::begin`] does what needs no file: closing, opening, refusing. What is left is a request of a file or of
//! the folder, which the scheme answers itself.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects
    )
)]

use gen_slab::{Key, Slab};
use scheme_core::{Incoming, incoming, listing, reply, user_of};
use syscall::{
    error as errno,
    flag::{O_DIRECTORY, O_WRONLY},
    schemev2::{Cqe, NewFdFlags, Opcode, Sqe},
};
use user_shares::{SUPERUSER, Shares};

type Result<T> = core::result::Result<T, i32>;

/// Most handles at once.
pub const HANDLES: u64 = 1 << 12;

/// What a descriptor refers to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Handle<F> {
    /// The folder.
    Root,
    /// A file, with what the scheme keeps of its being open.
    File(F),
}

/// What has become of a request.
#[derive(Debug)]
pub enum Begun {
    /// It wants no answer.
    Nothing,
    /// This is the answer.
    Answer(Cqe),
    /// The request with this tag is to be given up.
    Cancel(u32),
    /// It is the scheme's to answer.
    Goes(Opcode),
}

/// The folder's handles.
#[derive(Debug)]
pub struct Folder<F> {
    /// Each with the user who opened it.
    handles: Slab<(Handle<F>, u32)>,
    shares: Shares,
    /// What new descriptors are.
    flags: NewFdFlags,
}

impl<F> Folder<F> {
    /// Without handles. Files have offsets, which come with each request, if they are `positioned`.
    #[must_use]
    pub const fn new(positioned: bool) -> Self {
        Self {
            handles: Slab::new(),
            shares: Shares::new(HANDLES),
            flags: if positioned {
                NewFdFlags::POSITIONED
            } else {
                NewFdFlags::empty()
            },
        }
    }

    /// Makes a handle of the folder.
    ///
    /// # Errors
    /// `ENFILE`, `ENOMEM`.
    pub fn root(&mut self) -> Result<u64> {
        self.insert(Handle::Root, SUPERUSER)
    }

    fn insert(&mut self, handle: Handle<F>, user: u32) -> Result<u64> {
        if !self.shares.take(user, 1) {
            return Err(errno::ENFILE);
        }
        self.handles
            .insert((handle, user))
            .map(Key::raw)
            .map_err(|_| {
                self.shares.give_back(user, 1);
                errno::ENOMEM
            })
    }

    /// Takes a request as far as no file is needed. `find` answers what is to be kept of a file that is opened.
    pub fn begin(
        &mut self,
        sqe: &Sqe,
        payload: &[u8],
        find: impl FnOnce(&str, usize) -> Result<F>,
    ) -> Begun {
        let [handle, _, _, flags, ..] = sqe.args;
        let opcode = match incoming(sqe) {
            Incoming::Cancelled(tag) => return Begun::Cancel(tag),
            Incoming::Closed(handle) => {
                if let Some((_, user)) = self.handles.remove(Key::from_raw(handle)) {
                    self.shares.give_back(user, 1);
                }
                return Begun::Nothing;
            }
            Incoming::Unmapped(_) | Incoming::Message => return Begun::Nothing,
            Incoming::Asked(opcode) => opcode,
        };
        let refused = |error| Begun::Answer(reply::value(sqe.tag, Err(error)));
        match opcode {
            Ok(Opcode::OpenAt) => {
                match self.open(handle, payload, flags as usize, user_of(sqe).0, find) {
                    Ok(number) => Begun::Answer(reply::opened(sqe.tag, number, self.flags)),
                    Err(error) => refused(error),
                }
            }
            Ok(opcode) => Begun::Goes(opcode),
            Err(error) => refused(error),
        }
    }

    fn open(
        &mut self,
        dir: u64,
        path: &[u8],
        flags: usize,
        user: u32,
        find: impl FnOnce(&str, usize) -> Result<F>,
    ) -> Result<u64> {
        if !matches!(self.get(dir)?, Handle::Root) {
            return Err(errno::ENOTDIR);
        }
        let path = core::str::from_utf8(path).map_err(|_| errno::EINVAL)?;
        if path.is_empty() || path == "." {
            return if flags & O_WRONLY == 0 {
                self.insert(Handle::Root, user)
            } else {
                Err(errno::EISDIR)
            };
        }
        let file = find(path, flags)?;
        if flags & O_DIRECTORY == O_DIRECTORY {
            return Err(errno::ENOTDIR);
        }
        self.insert(Handle::File(file), user)
    }

    /// What a descriptor refers to.
    ///
    /// # Errors
    /// `EBADF`.
    pub fn get(&self, number: u64) -> Result<&Handle<F>> {
        let key = Key::from_raw(number);
        let handle = self.handles.get(key).map(|(handle, _)| handle);
        handle.ok_or(errno::EBADF)
    }

    /// The same, to change it.
    ///
    /// # Errors
    /// `EBADF`.
    pub fn get_mut(&mut self, number: u64) -> Result<&mut Handle<F>> {
        let key = Key::from_raw(number);
        let handle = self.handles.get_mut(key).map(|(handle, _)| handle);
        handle.ok_or(errno::EBADF)
    }

    /// Every file that is open, with its handle's number.
    pub fn files(&self) -> impl Iterator<Item = (u64, &F)> {
        self.handles
            .iter()
            .filter_map(|(key, (handle, _))| match handle {
                Handle::Root => None,
                Handle::File(file) => Some((key.raw(), file)),
            })
    }
}

impl<F> Handle<F> {
    /// Fills a buffer with the names in the folder; see [`listing::fill`].
    ///
    /// # Errors
    /// `ENOTDIR` of a file; `EINVAL`.
    pub fn list<S: AsRef<str>>(
        &self,
        buffer: &mut [u8],
        header: u64,
        after: u64,
        names: impl Iterator<Item = S>,
    ) -> Result<usize> {
        match self {
            Self::Root => listing::fill(buffer, header, after, names),
            Self::File(_) => Err(errno::ENOTDIR),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use syscall::schemev2::SqeFlags;

    fn sqe(opcode: Opcode, handle: u64, flags: usize) -> Sqe {
        Sqe {
            opcode: opcode as u8,
            tag: 7,
            args: [handle, 0, 0, flags as u64, 0, 0],
            ..Sqe::default()
        }
    }

    fn open(folder: &mut Folder<u8>, dir: u64, path: &[u8], flags: usize) -> Result<u64> {
        open_as(folder, 0, dir, path, flags)
    }

    fn open_as(
        folder: &mut Folder<u8>,
        user: u32,
        dir: u64,
        path: &[u8],
        flags: usize,
    ) -> Result<u64> {
        let find = |name: &str, _: usize| match name {
            "a" => Ok(1),
            "closed" => Err(errno::EACCES),
            _ => Err(errno::ENOENT),
        };
        let mut sqe = sqe(Opcode::OpenAt, dir, flags);
        sqe.args[5] = user.into();
        match folder.begin(&sqe, path, find) {
            Begun::Answer(cqe) if (cqe.result as i64) < 0 => Err(-(cqe.result as i64) as i32),
            Begun::Answer(cqe) => Ok(cqe.result),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn opens_are_refused_for_their_reason() {
        let mut folder = Folder::new(true);
        let root = folder.root().unwrap();
        let file = open(&mut folder, root, b"a", 0).unwrap();
        assert_eq!(folder.get(file), Ok(&Handle::File(1)));
        let again = open(&mut folder, root, b".", O_DIRECTORY).unwrap();
        assert_eq!(folder.get(again), Ok(&Handle::Root));
        let rows: [(u64, &[u8], usize, i32); 8] = [
            (root, b"b", 0, errno::ENOENT),
            (root, b"closed", O_DIRECTORY, errno::EACCES),
            (root, b"a", O_DIRECTORY, errno::ENOTDIR),
            (root, b"", O_WRONLY, errno::EISDIR),
            (root, b"\xff", 0, errno::EINVAL),
            (file, b"", 0, errno::ENOTDIR),
            (99, b"a", 0, errno::EBADF),
            (u64::MAX, b"a", 0, errno::EBADF),
        ];
        for (dir, path, flags, wanted) in rows {
            let got = open(&mut folder, dir, path, flags);
            assert_eq!(got, Err(wanted), "{}", path.escape_ascii());
        }
        let all: Vec<_> = folder.files().collect();
        assert_eq!(all, [(file, &1)]);
    }

    #[test]
    fn handles_end_and_have_a_limit() {
        let mut folder = Folder::new(false);
        let root = folder.root().unwrap();
        let file = open(&mut folder, root, b"a", 0).unwrap();
        let mut close = sqe(Opcode::CloseMsg, file, 0);
        close.sqe_flags = SqeFlags::ONEWAY;
        let none = |_: &str, _: usize| Err(errno::ENOENT);
        assert!(matches!(folder.begin(&close, b"", none), Begun::Nothing));
        assert_eq!(folder.get(file), Err(errno::EBADF));
        // Closing it again harms nobody.
        assert!(matches!(folder.begin(&close, b"", none), Begun::Nothing));
        let mut opened = Vec::new();
        for (user, most) in [(5, HANDLES / 4), (6, HANDLES / 4), (0, HANDLES / 2 - 1)] {
            for _ in 0..most {
                opened.push(open_as(&mut folder, user, root, b"a", 0).unwrap());
            }
            let refused = open_as(&mut folder, user, root, b"", O_DIRECTORY);
            assert_eq!(refused, Err(errno::ENFILE), "{user}");
        }
        for handle in opened {
            close.args[0] = handle;
            folder.begin(&close, b"", none);
        }
        assert!(open_as(&mut folder, 5, root, b"a", 0).is_ok());
    }

    #[test]
    fn the_rest_is_the_schemes() {
        let mut folder = Folder::<u8>::new(true);
        let none = |_: &str, _: usize| Err(errno::ENOENT);
        let mut ask = |sqe: &Sqe| folder.begin(sqe, b"", none);
        let begun = ask(&sqe(Opcode::Read, 5, 0));
        assert!(matches!(begun, Begun::Goes(Opcode::Read)));
        let mut cancel = sqe(Opcode::Cancel, 0, 0);
        cancel.sqe_flags = SqeFlags::ONEWAY;
        assert!(matches!(ask(&cancel), Begun::Cancel(7)));
        let mut unknown = sqe(Opcode::Read, 0, 0);
        unknown.opcode = 200;
        let mut many = sqe(Opcode::Read, 0, 0);
        many.sqe_flags = SqeFlags::MULTIPLE_IDS;
        for (sqe, wanted) in [(unknown, errno::ENOSYS), (many, errno::EOPNOTSUPP)] {
            let Begun::Answer(cqe) = ask(&sqe) else {
                panic!("{wanted}");
            };
            assert_eq!(cqe.result as i64, -i64::from(wanted));
        }
    }
}
