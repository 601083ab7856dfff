//! One user's process takes of everything as much as it gets; another user, and the superuser, still get some, and when
//! the process has ended so does the first.

use alloc::{format, string::String, vec::Vec};

use guest_test::{Outcome, check, check_eq, fail};
use nsmgr_api::{self as api, ForkFlags};
use redox_rt::{
    Error, Fd, Result, fs, namespace as ns,
    process::{self, Awaited, ProcKillTarget, WaitFlags},
    sys,
};
use rt_core::wait;
use syscall::{
    CallFlags, EAGAIN, ECHILD, EMFILE, ENFILE, ENODEV, ENOLCK, ENOMEM, ENOSPC, StdFsCallKind,
    flag::{O_CREAT, O_DIRECTORY, O_EXCL, O_RDONLY, O_RDWR, O_STAT, O_WRONLY},
};

use crate::files::open;

pub fn run() -> i32 {
    guest_test::run!["greedy" => everybody_else_still_gets_some]
}

/// Users without privileges.
const GREEDY: u32 = 1234;
const MODEST: u32 = 1235;
const SIGKILL: i32 = 9;

/// What somebody has taken.
#[derive(Default)]
struct Taken {
    fds: Vec<Fd>,
    /// Of files that are only named.
    names: Vec<String>,
}

struct Row {
    what: &'static str,
    /// Takes one more, the so manieth of a user.
    take: fn(&mut Taken, u32, usize) -> Result<()>,
    /// How it is refused when there is no more.
    refused: i32,
    /// How many one user gets, at least and at most.
    count: (usize, usize),
}

fn take_open(taken: &mut Taken, path: &str, flags: usize) -> Result<()> {
    taken.fds.push(open(path, flags)?);
    Ok(())
}

fn name(kind: &str, user: u32, number: usize) -> String {
    format!("{kind}-{user}-{number}")
}

/// Makes an object of shared memory that is one quarter as long as one may be.
fn take_memory(taken: &mut Taken, user: u32, number: usize) -> Result<()> {
    let path = format!("/scheme/shm/{}", name("long", user, number));
    let object = open(&path, O_CREAT | O_EXCL | O_RDWR | 0o600)?;
    let done = fs::ftruncate(object.raw(), 16 << 20);
    if done.is_ok() {
        taken.fds.push(object);
    }
    taken.names.push(path);
    done
}

fn take_lock(taken: &mut Taken, user: u32, number: usize) -> Result<()> {
    const OF_THE_FILE: u64 = 1 << 63;
    if taken.fds.is_empty() {
        let path = format!("/{}", name("locked", user, 0));
        taken.fds.push(open(&path, O_CREAT | O_RDWR | 0o600)?);
        taken.names.push(path);
    }
    let file = taken.fds.last().ok_or(Error::new(EAGAIN))?;
    let lock = StdFsCallKind::Lock as u64;
    let metadata = [lock, (2 * number as u64) | OF_THE_FILE, 1];
    sys::call(file.raw(), CallFlags::STD_FS, &metadata).map(drop)
}

/// Writes to a file of its own.
fn take_bytes(taken: &mut Taken, user: u32, _: usize) -> Result<()> {
    static PIECE: [u8; 1 << 16] = [1; 1 << 16];
    if taken.fds.is_empty() {
        let path = format!("/{}", name("bytes", user, 0));
        taken.fds.push(open(&path, O_CREAT | O_WRONLY | 0o600)?);
        taken.names.push(path);
    }
    let file = taken.fds.last().ok_or(Error::new(EAGAIN))?;
    let mut rest = &PIECE[..];
    while !rest.is_empty() {
        let written = file.write(rest)?;
        rest = rest.get(written..).unwrap_or(&[]);
    }
    Ok(())
}

fn take_namespace(taken: &mut Taken, _: u32, _: usize) -> Result<()> {
    let own = ns::namespace().ok_or(Error::new(ENODEV))?;
    let fork = ns::fork_namespace(own, [&b"null"[..]].into_iter())?;
    taken.fds.push(fork);
    Ok(())
}

/// Has a namespace of its own hand out a root, and closes that.
fn take_root(taken: &mut Taken, user: u32, number: usize) -> Result<()> {
    take_namespace(taken, user, number)?;
    let fork = taken.fds.last().ok_or(Error::new(EAGAIN))?;
    let flags = O_RDONLY | O_DIRECTORY;
    let root = sys::openat(fork.raw(), b"/scheme/null", flags, sys::FD_ANY_UPPER);
    root.map(Fd::from_raw).map(drop)
}

/// Binds a name in a namespace of its own.
fn take_name(taken: &mut Taken, user: u32, number: usize) -> Result<()> {
    if taken.fds.is_empty() {
        let null = open("/scheme/null", O_RDWR)?;
        take_namespace(taken, user, number)?;
        taken.fds.push(null);
    }
    let [names, null] = &taken.fds[..] else {
        return Err(Error::new(EAGAIN));
    };
    let name = name("name", user, number);
    let handle = Fd::from_raw(ns::register_handle(names.raw(), name.as_bytes())?);
    sys::send_fds(handle.raw(), &[null.raw()], CallFlags::FD_CLONE, &[]).map(drop)
}

fn take_destroyable(taken: &mut Taken, _: u32, _: usize) -> Result<()> {
    let own = ns::namespace().ok_or(Error::new(ENODEV))?;
    let payload = api::fork_with_payload(ForkFlags::DESTROYABLE, [&b"null"[..]]);
    taken.fds.push(ns::ask_for(own, &payload)?);
    Ok(())
}

/// A quarter of the roots that the namespace manager keeps. The user may have been the first to ask for one in
/// the namespace that everybody here has.
const ROOTS: (usize, usize) = (6900, 7000);

const ROWS: [Row; 15] = [
    Row {
        what: "terminals",
        take: |taken, _, _| take_open(taken, "/scheme/pty", O_RDWR),
        refused: ENOSPC,
        count: (256, 256),
    },
    Row {
        what: "files of one file system",
        take: |taken, _, _| take_open(taken, "/scheme/null", O_RDWR),
        refused: ENFILE,
        count: (1 << 14, 1 << 14),
    },
    Row {
        what: "shared memory by name",
        take: |taken, user, number| {
            let path = format!("/scheme/shm/{}", name("short", user, number));
            drop(open(&path, O_CREAT | O_EXCL | O_RDWR | 0o600)?);
            taken.names.push(path);
            Ok(())
        },
        refused: ENOSPC,
        count: (1 << 10, 1 << 10),
    },
    Row {
        what: "bytes of shared memory",
        take: take_memory,
        refused: ENOSPC,
        count: (4, 4),
    },
    Row {
        what: "open files",
        take: |taken, _, _| take_open(taken, "/", O_STAT),
        refused: EMFILE,
        count: (1 << 14, 1 << 14),
    },
    Row {
        what: "initial files",
        take: |taken, _, _| take_open(taken, "/scheme/initfs/etc", O_STAT),
        refused: EMFILE,
        count: (1 << 14, 1 << 14),
    },
    Row {
        what: "becoming another",
        take: |taken, _, _| take_open(taken, "/scheme/su/ask", O_RDWR),
        refused: ENFILE,
        count: (1 << 10, 1 << 10),
    },
    Row {
        what: "locks",
        take: take_lock,
        refused: ENOLCK,
        count: (4095, 4095),
    },
    Row {
        what: "bytes of files",
        take: take_bytes,
        refused: ENOSPC,
        count: (100, 128),
    },
    Row {
        what: "sockets",
        take: |taken, _, _| take_open(taken, "/scheme/uds_stream", O_RDWR),
        refused: ENFILE,
        count: (4096, 4096),
    },
    Row {
        what: "namespaces",
        take: take_namespace,
        refused: EMFILE,
        count: (1 << 14, 1 << 14),
    },
    Row {
        what: "names",
        take: take_name,
        refused: ENOMEM,
        count: ROOTS,
    },
    Row {
        what: "roots handed out",
        take: take_root,
        refused: ENOMEM,
        count: ROOTS,
    },
    Row {
        what: "namespaces that can be destroyed",
        take: take_destroyable,
        refused: ENOMEM,
        count: ROOTS,
    },
    Row {
        what: "processes that do not run",
        take: |taken, _, _| {
            taken.fds.push(process::new_child()?);
            Ok(())
        },
        refused: EAGAIN,
        count: (3990, 4000),
    },
];

/// Has a child do something as a user, and answers its number.
pub fn child_of(user: u32, body: impl FnOnce() -> i32) -> Result<u32> {
    if let Some(pid) = process::fork()? {
        return Ok(pid);
    }
    let ids = [Some(user), Some(user), Some(user), None, None, None];
    redox_rt::exit(process::set_ids(ids).map_or(126, |()| body()))
}

pub fn end_of(pid: u32) -> Result<u32> {
    let ended = process::wait(Awaited::Child(pid), WaitFlags::empty())?;
    ended.map(|ended| ended.1).ok_or(Error::new(ECHILD))
}

/// Whether a user gets one more.
fn gets_one(row: &Row, user: u32) -> Result<bool> {
    let pid = child_of(user, || {
        let mut taken = Taken::default();
        let got = (row.take)(&mut taken, user, usize::MAX >> 8);
        remove(&taken);
        i32::from(got.is_err())
    })?;
    Ok(end_of(pid)? == wait::exited(0))
}

fn remove(taken: &Taken) {
    for name in &taken.names {
        // It may be another's by now.
        let _ = ns::with_route(name.as_bytes(), |fd, path| sys::unlinkat(fd, path, 0));
    }
}

/// Takes until there is no more, says how many that was, and keeps them until it is told to end: by a signal, or, when
/// there are names, by a byte.
fn be_greedy(row: &Row, said: &Fd, told: &Fd) -> i32 {
    let mut taken = Taken::default();
    let mut count = 0;
    let error = loop {
        match (row.take)(&mut taken, GREEDY, count) {
            Ok(()) => count += 1,
            Err(error) => break error.errno,
        }
    };
    let words = [count as u64, error as u64];
    let words = words.map(u64::to_ne_bytes).concat();
    if said.write_exact(&words).is_err() || told.read_exact(&mut [0]).is_err() {
        return 1;
    }
    remove(&taken);
    0
}

pub fn pipe() -> Result<(Fd, Fd)> {
    let reader = open("/scheme/pipe", O_RDONLY)?.dup(b"")?;
    let writer = reader.dup(b"write")?;
    Ok((reader, writer))
}

fn everybody_else_still_gets_some() -> Outcome {
    for row in &ROWS {
        let (heard, say) = pipe()?;
        let (hear, tell) = pipe()?;
        let greedy = child_of(GREEDY, || be_greedy(row, &say, &hear))?;
        drop((say, hear));
        let mut words = [0; 16];
        heard.read_exact(&mut words)?;
        let (count, errno) = words.split_at(8);
        let word = |bytes: &[u8]| bytes.first_chunk().map_or(0, |w| u64::from_ne_bytes(*w));
        let (count, errno) = (word(count) as usize, word(errno) as i32);
        let (least, most) = row.count;
        if !(least..=most).contains(&count) || errno != row.refused {
            fail!("{}: {count}, then error {errno}", row.what);
        }
        for user in [MODEST, 0] {
            check!(gets_one(row, user)?, "{}: user {user} gets none", row.what);
        }
        tell.write_exact(&[1])?;
        check_eq!(end_of(greedy)?, wait::exited(0), "{}", row.what);
        check!(gets_one(row, GREEDY)?, "{}: something is left", row.what);
        // And when it is killed instead.
        if row.what == "sockets" {
            let (heard, say) = pipe()?;
            let (hear, tell) = pipe()?;
            let greedy = child_of(GREEDY, || be_greedy(row, &say, &hear))?;
            heard.read_exact(&mut words)?;
            process::kill(ProcKillTarget::SingleProc(greedy as usize), SIGKILL)?;
            check_eq!(
                end_of(greedy)?,
                wait::signaled(SIGKILL as u8),
                "{}",
                row.what
            );
            drop(tell);
            check!(gets_one(row, GREEDY)?, "{}: something is left", row.what);
        }
    }
    Ok(())
}
