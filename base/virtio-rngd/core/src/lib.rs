//! A source of randomness without its I/O.
//!
//! | file | reading it gives |
//! |---|---|
//! | `0` | bytes of the device, at least one, at most [`MOST`] at a time |
//! | `fed` | how often the system's generator was given some, as text |
//!
//! Programs read `rand`, which is a generator of its own: it works without this, and what is fed to it is
//! mixed in, so that it gets no worse by a device that lies.
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

extern crate alloc;

use alloc::format;

use flat_folder::{Begun, Folder, Handle};
use scheme_core::reply;
use syscall::{
    Stat, StdFsCallKind,
    error::{self as errno},
    flag::{EventFlags, MODE_CHR, MODE_DIR, MODE_FILE, O_WRONLY},
    schemev2::{Cqe, Opcode, Sqe},
};

/// Most bytes that are asked of the device at once.
pub const MOST: usize = 256;
/// How many bytes the system's generator is given at once.
pub const FEED: usize = 32;
/// After how many seconds it is given some again.
pub const PERIOD: i64 = 300;

const NAMES: [&str; 2] = ["0", "fed"];

type Result<T> = core::result::Result<T, i32>;

/// What is to be done about a request.
#[derive(Debug)]
pub enum Action {
    /// Nothing.
    None,
    /// This is the answer.
    Answer(Cqe),
    /// It wants so many bytes.
    Read(usize),
    /// The request with this tag is to be given up.
    Cancel(u32),
}

#[derive(Clone, Copy, Debug)]
enum File {
    Bytes,
    Fed,
}

/// The scheme.
#[derive(Debug)]
pub struct Server {
    folder: Folder<File>,
    /// How often the system's generator was given some.
    pub fed: u64,
}

impl Default for Server {
    fn default() -> Self {
        Self::new()
    }
}

impl Server {
    /// Without handles.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            folder: Folder::new(true),
            fed: 0,
        }
    }

    /// Makes the scheme's root.
    ///
    /// # Errors
    /// `ENOMEM`.
    pub fn root(&mut self) -> Result<u64> {
        self.folder.root()
    }

    /// Takes a request.
    pub fn handle(&mut self, sqe: &Sqe, payload: &mut [u8]) -> Action {
        let answer = match self.folder.begin(sqe, payload, find) {
            Begun::Nothing => return Action::None,
            Begun::Answer(cqe) => return Action::Answer(cqe),
            Begun::Cancel(tag) => return Action::Cancel(tag),
            Begun::Goes(opcode) => self.step(opcode, sqe, payload),
        };
        answer.unwrap_or_else(|error| Action::Answer(reply::value(sqe.tag, Err(error))))
    }

    fn step(&self, opcode: Opcode, sqe: &Sqe, payload: &mut [u8]) -> Result<Action> {
        let [number, asked, len, a, b, c] = sqe.args;
        let handle = *self.folder.get(number)?;
        let value = match opcode {
            Opcode::Read => match handle {
                Handle::Root => Err(errno::EISDIR),
                Handle::File(File::Bytes) if len > 0 => {
                    return Ok(Action::Read((len as usize).min(MOST)));
                }
                Handle::File(File::Bytes) => Ok(0),
                Handle::File(File::Fed) => Ok(self.text(a, payload)),
            },
            Opcode::Fevent => {
                let ready = EventFlags::EVENT_READ;
                Ok((EventFlags::from_bits_truncate(asked as usize) & ready).bits())
            }
            Opcode::Fstat => stat(handle, payload),
            Opcode::Getdents => handle.list(payload, a, b, NAMES.iter()),
            Opcode::StdFsCall => match StdFsCallKind::try_from_raw(a as u8) {
                Some(StdFsCallKind::Fstat) => stat(handle, payload),
                Some(StdFsCallKind::Getdents) => handle.list(payload, c, b, NAMES.iter()),
                Some(StdFsCallKind::Fsync) => Ok(0),
                _ => Err(errno::EOPNOTSUPP),
            },
            Opcode::Write => Err(errno::EBADF),
            Opcode::Fsize | Opcode::Fsync | Opcode::Close => Ok(0),
            Opcode::Fcntl | Opcode::Dup => Err(errno::EINVAL),
            _ => Err(errno::EOPNOTSUPP),
        };
        value.map(|value| Action::Answer(reply::value(sqe.tag, Ok(value))))
    }

    /// Copies the count's text from an offset on.
    fn text(&self, offset: u64, into: &mut [u8]) -> usize {
        let text = format!("{}\n", self.fed);
        let rest = usize::try_from(offset)
            .ok()
            .and_then(|offset| text.as_bytes().get(offset..));
        let rest = rest.unwrap_or(&[]);
        for (place, byte) in into.iter_mut().zip(rest) {
            *place = *byte;
        }
        rest.len().min(into.len())
    }
}

fn find(name: &str, flags: usize) -> Result<File> {
    let file = match name {
        "0" => File::Bytes,
        "fed" => File::Fed,
        _ => return Err(errno::ENOENT),
    };
    if flags & O_WRONLY == 0 {
        Ok(file)
    } else {
        Err(errno::EACCES)
    }
}

fn stat(handle: Handle<File>, payload: &mut [u8]) -> Result<usize> {
    let stat = Stat {
        st_mode: match handle {
            Handle::Root => MODE_DIR | 0o500,
            Handle::File(File::Bytes) => MODE_CHR | 0o400,
            Handle::File(File::Fed) => MODE_FILE | 0o400,
        },
        st_nlink: 1,
        st_blksize: 4096,
        ..Stat::default()
    };
    reply::stat(payload, &stat)
}

#[cfg(test)]
mod tests {
    use super::*;
    use syscall::flag::O_DIRECTORY;

    struct Client {
        server: Server,
        root: u64,
    }

    impl Client {
        fn new() -> Self {
            let mut server = Server::new();
            let root = server.root().unwrap();
            Self { server, root }
        }

        fn ask(&mut self, opcode: Opcode, args: [u64; 6], payload: &mut [u8]) -> Action {
            let sqe = Sqe {
                opcode: opcode as u8,
                args,
                ..Sqe::default()
            };
            self.server.handle(&sqe, payload)
        }

        fn value(&mut self, opcode: Opcode, args: [u64; 6], payload: &mut [u8]) -> i64 {
            match self.ask(opcode, args, payload) {
                Action::Answer(cqe) => cqe.result as i64,
                other => panic!("{other:?}"),
            }
        }

        fn open(&mut self, path: &str, flags: usize) -> i64 {
            let mut path = path.as_bytes().to_vec();
            let args = [self.root, 0, 0, flags as u64, 0, 0];
            self.value(Opcode::OpenAt, args, &mut path)
        }
    }

    #[test]
    fn bytes_are_the_devices_and_not_too_many() {
        let mut c = Client::new();
        let file = c.open("0", 0) as u64;
        for (len, wanted) in [(1, 1), (256, 256), (u64::MAX, MOST)] {
            let action = c.ask(Opcode::Read, [file, 0, len, 0, 0, 0], &mut []);
            assert!(matches!(action, Action::Read(n) if n == wanted), "{len}");
        }
        assert_eq!(c.value(Opcode::Read, [file, 0, 0, 0, 0, 0], &mut []), 0);
    }

    #[test]
    fn the_count_is_text() {
        let mut c = Client::new();
        c.server.fed = 17;
        let file = c.open("fed", 0) as u64;
        let mut text = [0; 9];
        for (offset, wanted) in [(0, "17\n"), (1, "7\n"), (3, ""), (u64::MAX, "")] {
            let len = c.value(Opcode::Read, [file, 0, 9, offset, 0, 0], &mut text);
            assert_eq!(&text[..len as usize], wanted.as_bytes());
        }
        assert_eq!(
            c.value(Opcode::Read, [file, 0, 1, 0, 0, 0], &mut text[..1]),
            1
        );
    }

    #[test]
    fn opens_are_refused_for_their_reason() {
        let mut c = Client::new();
        let rows = [
            ("1", 0, errno::ENOENT),
            ("0", O_DIRECTORY, errno::ENOTDIR),
            ("0", O_WRONLY, errno::EACCES),
            ("", O_WRONLY, errno::EISDIR),
        ];
        for (path, flags, error) in rows {
            assert_eq!(c.open(path, flags), -i64::from(error), "{path}");
        }
    }

    #[test]
    fn any_request_is_answered() {
        let mut c = Client::new();
        let files = [c.root, c.open("0", 0) as u64, c.open("fed", 0) as u64, 99];
        for opcode in 0..=64 {
            let Some(opcode) = Opcode::try_from_raw(opcode) else {
                continue;
            };
            for handle in files {
                for kind in [0, 5, u64::MAX] {
                    let args = [handle, 1, 2, kind, u64::MAX, u64::MAX];
                    let action = c.ask(opcode, args, &mut [0; 3]);
                    assert!(!matches!(action, Action::None), "{opcode:?}");
                }
            }
        }
    }
}
