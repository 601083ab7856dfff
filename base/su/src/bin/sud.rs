//! `sud`: decides who becomes whom. It runs as the superuser, with the whole namespace.
#![no_std]
#![no_main]

extern crate alloc;

use flat_folder::{Begun, Folder, Handle};
use login::{namespace_of, read_users};
use login_core::{
    accounts::Account,
    elevation::{Files, Gate, Refusal, Request},
    password,
};
use redox_rt::{Result, eprintln, process, start::Start, sys};
use scheme_core::reply;
use scheme_loop::{Answers, Handler};
use su::{FILE, NAMESPACE};
use syscall::{
    Stat, StdFsCallKind, error as errno,
    flag::{CLOCK_MONOTONIC, MODE_CHR, MODE_DIR},
    schemev2::{Opcode, Sqe},
};

redox_rt::entry!(main);

/// Somebody who asks.
struct Session {
    /// Who opened the file.
    uid: u32,
    /// Whom which process has become.
    granted: Option<(u32, Account)>,
}

struct Service {
    folder: Folder<Session>,
    gate: Gate,
}

type Step<T> = core::result::Result<T, i32>;

fn now() -> u64 {
    // Without a clock nothing is ever forgiven.
    sys::clock_gettime(CLOCK_MONOTONIC).map_or(0, |time| time.tv_sec.max(0) as u64)
}

impl Service {
    fn session(&mut self, number: u64) -> Step<&mut Session> {
        match self.folder.get_mut(number)? {
            Handle::Root => Err(errno::EISDIR),
            Handle::File(session) => Ok(session),
        }
    }

    fn step(&mut self, opcode: Opcode, sqe: &Sqe, payload: &mut [u8]) -> Step<usize> {
        let [number, _, _, a, b, c] = sqe.args;
        match opcode {
            Opcode::Write => self.ask(number, sqe.caller as u32, payload),
            Opcode::Read => self.session(number).map(|_| 0),
            Opcode::Fstat => self.stat(number, payload),
            Opcode::Getdents => self.list(number, payload, a, b),
            Opcode::StdFsCall => match StdFsCallKind::try_from_raw(a as u8) {
                Some(StdFsCallKind::Fstat) => self.stat(number, payload),
                Some(StdFsCallKind::Getdents) => self.list(number, payload, c, b),
                _ => Err(errno::EOPNOTSUPP),
            },
            Opcode::Close | Opcode::Fsync => Ok(0),
            Opcode::Fcntl => Err(errno::EINVAL),
            Opcode::Fevent => Err(errno::EPERM),
            _ => Err(errno::EOPNOTSUPP),
        }
    }

    fn ask(&mut self, number: u64, pid: u32, payload: &[u8]) -> Step<usize> {
        let uid = self.session(number)?.uid;
        let request = Request::parse(payload).ok_or(errno::EINVAL)?;
        let read = |name| read_users(name).map_err(|error| error.errno);
        let (passwd, shadow, group) = (read("passwd")?, read("shadow")?, read("group")?);
        let files = Files {
            passwd: &passwd,
            shadow: &shadow,
            group: &group,
        };
        let decided = self
            .gate
            .decide(uid, &request, &files, now(), password::is_right);
        let account = decided.map_err(|refusal| match refusal {
            Refusal::Wrong => errno::EACCES,
            Refusal::TooSoon => errno::EAGAIN,
            Refusal::NotAllowed => errno::EPERM,
        })?;
        let (user, group) = (Some(account.uid), Some(account.gid));
        process::set_ids_of(pid, [user, user, user, group, group, group])
            .map_err(|error| error.errno)?;
        self.session(number)?.granted = Some((pid, account));
        Ok(payload.len())
    }

    /// The namespace of whom a process has become.
    fn names(&mut self, sqe: &Sqe, payload: &[u8]) -> Step<redox_rt::Fd> {
        let [number, ..] = sqe.args;
        if payload != NAMESPACE {
            return Err(errno::EINVAL);
        }
        match &self.session(number)?.granted {
            Some((pid, account)) if *pid == sqe.caller as u32 => {
                namespace_of("sud", account).map_err(|error| error.errno)
            }
            _ => Err(errno::EACCES),
        }
    }

    fn stat(&self, number: u64, payload: &mut [u8]) -> Step<usize> {
        let st_mode = match self.folder.get(number)? {
            Handle::Root => MODE_DIR | 0o555,
            Handle::File(_) => MODE_CHR | 0o666,
        };
        let stat = Stat {
            st_mode,
            st_nlink: 1,
            ..Stat::default()
        };
        reply::stat(payload, &stat)
    }

    fn list(&self, number: u64, payload: &mut [u8], header: u64, after: u64) -> Step<usize> {
        let handle = self.folder.get(number)?;
        handle.list(payload, header, after, [FILE].iter())
    }
}

impl Handler for Service {
    const LONGEST_INPUT: usize = 4096;

    fn handle(&mut self, sqe: &Sqe, payload: &mut [u8], out: &mut Answers<'_>) -> Result<()> {
        let [.., ids] = sqe.args;
        let find = |name: &str, _: usize| {
            let session = Session {
                uid: ids as u32,
                granted: None,
            };
            if name == FILE {
                Ok(session)
            } else {
                Err(errno::ENOENT)
            }
        };
        match self.folder.begin(sqe, payload, find) {
            Begun::Nothing | Begun::Cancel(_) => Ok(()),
            Begun::Answer(cqe) => out.push(cqe),
            Begun::Goes(Opcode::Dup) => match self.names(sqe, payload) {
                Ok(fd) => out.push_with(reply::descriptor(sqe.tag, fd.raw()), fd),
                Err(error) => out.push(reply::value(sqe.tag, Err(error))),
            },
            Begun::Goes(opcode) => {
                let result = self.step(opcode, sqe, payload);
                out.push(reply::value(sqe.tag, result))
            }
        }
    }
}

fn main(_: &Start) -> i32 {
    let mut folder = Folder::new(false);
    let root = match folder.root() {
        Ok(root) => root,
        Err(error) => {
            eprintln!("sud: no root: error {error}");
            return 1;
        }
    };
    let mut service = Service {
        folder,
        gate: Gate::new(),
    };
    scheme_loop::run("sud", 0, root, &mut service)
}
