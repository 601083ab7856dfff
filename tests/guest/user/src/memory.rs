//! One user's process takes all the memory there is, and goes on asking daemons of the superuser's for more; nobody but
//! that user's programs lacks any for what everybody needs.

use alloc::vec::Vec;

use guest_test::{Outcome, check, check_eq};
use redox_rt::{Error, Fd, Result, fs, memory::Mapping, sys};
use rt_core::wait;
use syscall::{
    EAGAIN, EMSGSIZE, ENFILE, ENOBUFS, ENOMEM, ENOSPC, Map, MapFlags, PAGE_SIZE,
    flag::{O_CREAT, O_DIRECTORY, O_NONBLOCK, O_RDONLY, O_RDWR, O_TRUNC},
};

use crate::files::open;
use crate::greedy::{child_of, end_of, pipe};

pub fn run() -> i32 {
    guest_test::run!["memory" => who_takes_all_of_it_ends_nobody]
}

const HUNGRY: u32 = 1234;
const MODEST: u32 = 1235;
const PIECE: usize = 1 << 16;
/// How often more is asked for when there is none.
const AGAIN: usize = 500;

static BYTES: [u8; PIECE] = [7; PIECE];

/// What is opened while there is memory.
struct Files {
    written: Fd,
    mapped: Fd,
    shared: Fd,
    socket: Fd,
}

impl Files {
    fn open() -> Result<Self> {
        let new = |path| open(path, O_CREAT | O_TRUNC | O_RDWR | 0o600);
        let files = Self {
            written: new("/open/hungry")?,
            mapped: new("/open/hungry-mapped")?,
            shared: open("/scheme/shm/hungry", O_CREAT | O_RDWR | 0o600)?,
            socket: open("/scheme/uds_stream", O_RDWR | O_NONBLOCK)?,
        };
        fs::ftruncate(files.mapped.raw(), 1 << 28)?;
        fs::ftruncate(files.shared.raw(), SHARED as u64)?;
        Ok(files)
    }
}

/// How long the object of shared memory is.
const SHARED: usize = 48 << 20;
/// How much is left to daemons at first.
const LEFT: usize = 16;

/// A way to have memory taken.
type Way = fn(&Files) -> Result<()>;

const WAYS: [(&str, Way); 5] = [
    ("writes to a file", writes),
    ("writes to a file that is mapped", writes_to_mapped),
    ("many files", makes_files),
    ("shared memory", writes_to_shared),
    ("messages", sends),
];

/// Does something again and again, also when it fails, as long as it fails because there is no more.
fn again(mut f: impl FnMut(usize) -> Result<()>) -> Result<()> {
    let mut refused = 0;
    for number in 0.. {
        match f(number) {
            Ok(()) => {}
            Err(Error {
                errno: ENOMEM | ENOSPC | ENFILE | EAGAIN | ENOBUFS | EMSGSIZE,
                ..
            }) => refused += 1,
            Err(error) => return Err(error),
        }
        if refused == AGAIN || number == 20 * AGAIN {
            break;
        }
    }
    Ok(())
}

fn writes(files: &Files) -> Result<()> {
    again(|_| files.written.write(&BYTES).map(drop))
}

fn writes_to_mapped(files: &Files) -> Result<()> {
    let mut mapped = 0;
    again(|number| {
        let map = Map {
            offset: number * PIECE,
            size: PIECE,
            flags: MapFlags::PROT_READ | MapFlags::PROT_WRITE | MapFlags::MAP_SHARED,
            address: 0,
        };
        // SAFETY: a new mapping replaces nothing.
        unsafe { sys::fmap(files.mapped.raw(), &map) }?;
        mapped += PIECE;
        Ok(())
    })?;
    again(|number| {
        let at = (number * PIECE) % mapped.max(1 << 20);
        sys::write_at(files.mapped.raw(), &BYTES, at as u64, None).map(drop)
    })
}

fn makes_files(_: &Files) -> Result<()> {
    again(|number| {
        let name = alloc::format!("/open/hungry-{number}");
        open(&name, O_CREAT | O_RDWR | 0o600).map(drop)
    })
}

fn writes_to_shared(files: &Files) -> Result<()> {
    let object = files.shared.raw();
    again(|number| {
        let at = (number * PIECE) % SHARED;
        sys::write_at(object, &BYTES, at as u64, None).map(drop)
    })?;
    let mut bytes = [0; PAGE_SIZE];
    for at in (0..SHARED as u64).step_by(PAGE_SIZE) {
        sys::read_at(object, &mut bytes, at, None)?;
    }
    // What was never written to is cut off and comes again.
    fs::ftruncate(object, 1)?;
    fs::ftruncate(object, SHARED as u64)
}

fn sends(files: &Files) -> Result<()> {
    let mut kept = Vec::new();
    again(|_| {
        let other = files.socket.dup(b"pair");
        if let Ok(other) = other {
            kept.push(other);
        }
        files.socket.write(&BYTES).map(drop)
    })
}

/// Takes all the memory that a user can have, and keeps it.
fn take_all() -> Vec<Mapping> {
    let mut all = Vec::with_capacity(1 << 11);
    for size in [1 << 20, PAGE_SIZE] {
        while all.len() < all.capacity()
            && let Ok(piece) = Mapping::new(size)
            && piece.commit(0..size).is_ok()
        {
            all.push(piece);
        }
    }
    all
}

/// What this program itself will use of its stack and heap.
#[inline(never)]
fn take_own() {
    core::hint::black_box([1_u8; 1 << 16]);
    core::hint::black_box(alloc::vec![1_u8; 1 << 19]);
}

fn be_hungry(say: &Fd, hear: &Fd) -> i32 {
    take_own();
    let files = match Files::open() {
        Ok(files) => files,
        Err(error) => {
            redox_rt::eprintln!("its files: {error}");
            return 126;
        }
    };
    let mut all = take_all();
    let large = all.iter().filter(|piece| piece.len() > PAGE_SIZE).count();
    let mut code = 0;
    for kept in [large.saturating_sub(LEFT), usize::MAX] {
        // First with some that daemons can get, which they and this program race for; then with none.
        all.truncate(kept);
        if kept == usize::MAX {
            all.extend(take_all());
        }
        for (number, (what, way)) in WAYS.iter().enumerate() {
            if let Err(error) = way(&files) {
                redox_rt::eprintln!("{what}: {error}");
                code |= 1 << number;
            }
        }
    }
    if say.write_exact(&[all.len().min(255) as u8]).is_err() || hear.read_exact(&mut [0]).is_err() {
        return 127;
    }
    code
}

/// What every program does that is not short of memory.
fn lives() -> i32 {
    let done = || -> Result<()> {
        let mut memory = Mapping::new(2 << 20)?;
        memory.bytes().fill(1);
        let file = open("/open/lives", O_CREAT | O_TRUNC | O_RDWR | 0o666)?;
        file.write_exact(b"here")?;
        let mut got = [0; 4];
        sys::read_at(file.raw(), &mut got, 0, None)?;
        open("/scheme/rand", O_RDONLY)?.read_exact(&mut got)?;
        redox_rt::namespace::with_route(b"/open/lives", |fd, path| sys::unlinkat(fd, path, 0))
    };
    match done() {
        Ok(()) => 0,
        Err(error) => {
            redox_rt::eprintln!("does not live: {error}");
            1
        }
    }
}

fn who_takes_all_of_it_ends_nobody() -> Outcome {
    let everybodys = open("/open", O_CREAT | O_DIRECTORY | 0o700)?;
    fs::fchmod(everybodys.raw(), 0o777)?;
    let (heard, say) = pipe()?;
    let (hear, tell) = pipe()?;
    let hungry = child_of(HUNGRY, || be_hungry(&say, &hear))?;
    drop((say, hear));
    let mut pieces = [0];
    heard.read_exact(&mut pieces)?;
    check!(pieces[0] > 10, "{pieces:?}");
    // Everything but that user is as ever.
    for _ in 0..3 {
        let root = child_of(0, lives)?;
        check_eq!(end_of(root)?, wait::exited(0));
    }
    tell.write_exact(&[1])?;
    check_eq!(end_of(hungry)?, wait::exited(0));
    let user = child_of(MODEST, lives)?;
    check_eq!(end_of(user)?, wait::exited(0));
    Ok(())
}
