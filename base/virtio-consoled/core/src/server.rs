//! Requests of the scheme.

use alloc::{
    string::{String, ToString},
    vec::Vec,
};

use flat_folder::{Begun, Folder, Handle};
use scheme_core::reply;
use syscall::{
    Stat, StdFsCallKind,
    error::{self as errno},
    flag::{EventFlags, MODE_CHR, MODE_DIR, O_NONBLOCK, O_RDONLY, O_WRONLY},
    schemev2::{Cqe, Opcode, Sqe},
};

type Result<T> = core::result::Result<T, i32>;

/// What is to be done about a request.
#[derive(Debug)]
pub enum Action {
    /// Nothing.
    None,
    /// This is the answer.
    Answer(Cqe),
    /// It reads from the port with this index; whether it may wait.
    Read(usize, bool),
    /// It writes; whether it may wait.
    Write(usize, bool),
    /// It waits until everything written is with the host.
    Sync(usize),
    /// The request with this tag is to be given up.
    Cancel(u32),
}

#[derive(Clone, Copy, Debug)]
struct File {
    port: usize,
    read: bool,
    write: bool,
    interest: EventFlags,
}

/// The scheme.
#[derive(Debug)]
pub struct Server {
    folder: Folder<File>,
    names: Vec<String>,
}

impl Default for Server {
    fn default() -> Self {
        Self::new()
    }
}

impl Server {
    /// Without ports.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            folder: Folder::new(false),
            names: Vec::new(),
        }
    }

    /// There is one more port, whose index is the number of those before.
    pub fn add_port(&mut self, number: u32) {
        self.names.push(number.to_string());
    }

    /// Makes the scheme's root.
    ///
    /// # Errors
    /// `ENOMEM`.
    pub fn root(&mut self) -> Result<u64> {
        self.folder.root()
    }

    /// Takes a request. `ready` says what can be done without waiting at a port.
    pub fn handle(
        &mut self,
        sqe: &Sqe,
        payload: &mut [u8],
        ready: impl FnOnce(usize) -> EventFlags,
    ) -> Action {
        let names = &self.names;
        let find = |name: &str, flags: usize| {
            let port = names.iter().position(|other| other == name);
            Ok(File {
                port: port.ok_or(errno::ENOENT)?,
                read: flags & O_RDONLY != 0,
                write: flags & O_WRONLY != 0,
                interest: EventFlags::empty(),
            })
        };
        let answer = match self.folder.begin(sqe, payload, find) {
            Begun::Nothing => return Action::None,
            Begun::Answer(cqe) => return Action::Answer(cqe),
            Begun::Cancel(tag) => return Action::Cancel(tag),
            Begun::Goes(opcode) => self.step(opcode, sqe, payload, ready),
        };
        answer.unwrap_or_else(|error| Action::Answer(reply::value(sqe.tag, Err(error))))
    }

    /// The handles that want to hear that this can be done now at a port.
    pub fn interested(
        &self,
        index: usize,
        ready: EventFlags,
    ) -> impl Iterator<Item = (u64, EventFlags)> + '_ {
        self.folder.files().filter_map(move |(number, file)| {
            let both = file.interest & ready;
            (file.port == index && !both.is_empty()).then_some((number, both))
        })
    }

    fn step(
        &mut self,
        opcode: Opcode,
        sqe: &Sqe,
        payload: &mut [u8],
        ready: impl FnOnce(usize) -> EventFlags,
    ) -> Result<Action> {
        let [number, asked, len, a, b, _] = sqe.args;
        let value = |value| Action::Answer(reply::value(sqe.tag, Ok(value)));
        let waits = b as usize & O_NONBLOCK == 0;
        let Handle::File(File {
            port,
            read,
            write,
            interest,
        }) = self.folder.get_mut(number)?
        else {
            return self.step_root(opcode, sqe, payload);
        };
        match opcode {
            Opcode::Read if !*read => Err(errno::EBADF),
            Opcode::Write if !*write => Err(errno::EBADF),
            Opcode::Read | Opcode::Write if len == 0 => Ok(value(0)),
            Opcode::Read => Ok(Action::Read(*port, waits)),
            Opcode::Write => Ok(Action::Write(*port, waits)),
            Opcode::Fevent => {
                let mut possible = EventFlags::empty();
                possible.set(EventFlags::EVENT_READ, *read);
                possible.set(EventFlags::EVENT_WRITE, *write);
                *interest = EventFlags::from_bits_truncate(asked as usize) & possible;
                Ok(value((*interest & ready(*port)).bits()))
            }
            Opcode::Fstat => stat(MODE_CHR | 0o600, payload).map(value),
            Opcode::Fsync => Ok(Action::Sync(*port)),
            Opcode::StdFsCall => match StdFsCallKind::try_from_raw(a as u8) {
                Some(StdFsCallKind::Fstat) => stat(MODE_CHR | 0o600, payload).map(value),
                Some(StdFsCallKind::Fsync) => Ok(Action::Sync(*port)),
                Some(StdFsCallKind::Getdents) => Err(errno::ENOTDIR),
                _ => Err(errno::EOPNOTSUPP),
            },
            Opcode::Close => Ok(value(0)),
            Opcode::Fsize => Err(errno::ESPIPE),
            Opcode::Getdents => Err(errno::ENOTDIR),
            Opcode::Fcntl | Opcode::Dup | Opcode::Ftruncate => Err(errno::EINVAL),
            _ => Err(errno::EOPNOTSUPP),
        }
    }

    fn step_root(&self, opcode: Opcode, sqe: &Sqe, payload: &mut [u8]) -> Result<Action> {
        let [_, _, _, a, b, c] = sqe.args;
        let list = |payload: &mut [u8], header, after| {
            Handle::<File>::Root.list(payload, header, after, self.names.iter())
        };
        let value = match opcode {
            Opcode::Read | Opcode::Write => Err(errno::EISDIR),
            Opcode::Fevent => Err(errno::EPERM),
            Opcode::Fstat => stat(MODE_DIR | 0o500, payload),
            Opcode::Getdents => list(payload, a, b),
            Opcode::StdFsCall => match StdFsCallKind::try_from_raw(a as u8) {
                Some(StdFsCallKind::Fstat) => stat(MODE_DIR | 0o500, payload),
                Some(StdFsCallKind::Getdents) => list(payload, c, b),
                Some(StdFsCallKind::Fsync) => Ok(0),
                _ => Err(errno::EOPNOTSUPP),
            },
            Opcode::Fsync | Opcode::Close => Ok(0),
            Opcode::Fsize => Err(errno::ESPIPE),
            Opcode::Fcntl | Opcode::Dup => Err(errno::EINVAL),
            _ => Err(errno::EOPNOTSUPP),
        };
        value.map(|value| Action::Answer(reply::value(sqe.tag, Ok(value))))
    }
}

fn stat(mode: u16, payload: &mut [u8]) -> Result<usize> {
    let stat = Stat {
        st_mode: mode,
        st_nlink: 1,
        st_blksize: 4096,
        ..Stat::default()
    };
    reply::stat(payload, &stat)
}

#[cfg(test)]
mod tests {
    use super::*;
    use syscall::{flag::O_DIRECTORY, schemev2::SqeFlags};

    const READY: EventFlags = EventFlags::EVENT_READ;
    const BOTH: usize = O_RDONLY | O_WRONLY;

    struct Client {
        server: Server,
        root: u64,
    }

    impl Client {
        fn new() -> Self {
            let mut server = Server::new();
            let root = server.root().unwrap();
            server.add_port(0);
            server.add_port(3);
            Self { server, root }
        }

        fn ask(&mut self, opcode: Opcode, args: [u64; 6], payload: &mut [u8]) -> Action {
            let sqe = Sqe {
                opcode: opcode as u8,
                args,
                tag: 3,
                ..Sqe::default()
            };
            self.server.handle(&sqe, payload, |_| READY)
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
    fn transfers_may_wait_unless_they_may_not() {
        let mut c = Client::new();
        let file = c.open("3", BOTH) as u64;
        for (flags, waits) in [(0, true), (O_NONBLOCK, false)] {
            let args = [file, 0, 5, u64::MAX, flags as u64, 0];
            let read = c.ask(Opcode::Read, args, &mut []);
            assert!(matches!(read, Action::Read(1, w) if w == waits), "{read:?}");
            let write = c.ask(Opcode::Write, args, &mut []);
            assert!(
                matches!(write, Action::Write(1, w) if w == waits),
                "{write:?}"
            );
        }
        for opcode in [Opcode::Read, Opcode::Write] {
            assert_eq!(c.value(opcode, [file, 0, 0, 0, 0, 0], &mut []), 0);
            let root = c.root;
            let answer = c.value(opcode, [root, 0, 1, 0, 0, 0], &mut []);
            assert_eq!(answer, -i64::from(errno::EISDIR));
        }
        let reader = c.open("0", O_RDONLY) as u64;
        let answer = c.value(Opcode::Write, [reader, 0, 1, 0, 0, 0], &mut []);
        assert_eq!(answer, -i64::from(errno::EBADF));
    }

    #[test]
    fn interest_is_answered_and_remembered() {
        let mut c = Client::new();
        let (read, write) = (EventFlags::EVENT_READ, EventFlags::EVENT_WRITE);
        let all = (read | write).bits() as u64;
        let reader = c.open("0", O_RDONLY) as u64;
        let file = c.open("0", BOTH) as u64;
        for handle in [reader, file] {
            let answer = c.value(Opcode::Fevent, [handle, all, 0, 0, 0, 0], &mut []);
            assert_eq!(answer, READY.bits() as i64);
        }
        let told = |c: &Client, ready| c.server.interested(0, ready).collect::<Vec<_>>();
        assert_eq!(told(&c, read), [(reader, read), (file, read)]);
        assert_eq!(told(&c, write), [(file, write)]);
        assert_eq!(c.server.interested(1, read).count(), 0);
        assert_eq!(c.value(Opcode::Fevent, [file, 0, 0, 0, 0, 0], &mut []), 0);
        assert!(told(&c, write).is_empty());
    }

    #[test]
    fn a_cancellation_names_its_request() {
        let mut c = Client::new();
        let sqe = Sqe {
            opcode: Opcode::Cancel as u8,
            sqe_flags: SqeFlags::ONEWAY,
            tag: 3,
            ..Sqe::default()
        };
        let action = c.server.handle(&sqe, &mut [], |_| READY);
        assert!(matches!(action, Action::Cancel(3)));
    }

    #[test]
    fn opens_are_refused_for_their_reason() {
        let mut c = Client::new();
        let rows = [
            ("1", 0, errno::ENOENT),
            ("0/", 0, errno::ENOENT),
            ("0", O_DIRECTORY, errno::ENOTDIR),
            ("", O_WRONLY, errno::EISDIR),
        ];
        for (path, flags, error) in rows {
            assert_eq!(c.open(path, flags), -i64::from(error), "{path}");
        }
    }

    #[test]
    fn any_request_is_answered() {
        let mut c = Client::new();
        let file = c.open("0", BOTH) as u64;
        for opcode in 0..=64 {
            let Some(opcode) = Opcode::try_from_raw(opcode) else {
                continue;
            };
            for handle in [c.root, file, 99] {
                for kind in [0, 5, u64::MAX] {
                    let args = [handle, 1, 2, kind, u64::MAX, u64::MAX];
                    let action = c.ask(opcode, args, &mut [0; 3]);
                    assert!(!matches!(action, Action::None), "{opcode:?}");
                }
            }
        }
    }
}
