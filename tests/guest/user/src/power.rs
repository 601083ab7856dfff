//! Writing until the power goes. What is on the disk is said line by line; the runner, which ends the machine
//! without a warning, hands it back to the next machine, which begins by looking for it.

use alloc::{format, string::String, vec, vec::Vec};

use disk_image::{
    Numbers,
    power::{self, KEEP, LONGEST_LOG, State},
};
use redox_rt::{
    Error, Fd, Result, eprintln, fs, namespace as ns, println, process, start::Start, sys,
};
use syscall::{
    EIO, ENOENT,
    flag::{CLOCK_MONOTONIC, O_CREAT, O_DIRECTORY, O_RDONLY, O_RDWR, O_TRUNC, O_WRONLY},
};

/// Longest write. A file system may do less than it is asked to; of so little it does all or nothing.
const PIECE: usize = 64 << 10;

/// Never returns if all goes well.
pub fn run(start: &Start) -> i32 {
    let mut synced = State::default();
    for word in start.args().skip(2).filter_map(|arg| arg.to_str().ok()) {
        if !synced.hear(word) {
            eprintln!("test-user: power: `{word}` is no state");
            return 2;
        }
    }
    let found = power::check(&synced, |name| {
        read(name).map_err(|error| format!("{error}"))
    });
    let state = match found {
        Ok(state) => state,
        Err(wrong) => {
            println!("@wrong {wrong}");
            return 1;
        }
    };
    println!("@begins {state}");
    let failed = match process::fork() {
        Ok(None) => make_noise(),
        Ok(Some(_)) => write(state),
        Err(error) => Err(error),
    };
    println!("@wrong {failed:?}");
    1
}

fn open(name: &str, flags: usize) -> Result<Fd> {
    ns::open(format!("/{name}").as_bytes(), flags, sys::FD_ANY_UPPER).map(Fd::from_raw)
}

fn read(name: &str) -> Result<Option<Vec<u8>>> {
    let file = match open(name, O_RDONLY) {
        Err(error) if error.errno == ENOENT => return Ok(None),
        other => other?,
    };
    let mut bytes = vec![0; file.stat()?.st_size as usize];
    let len = file.read_full_at(&mut bytes, 0)?;
    if len == bytes.len() {
        Ok(Some(bytes))
    } else {
        Err(Error::new(EIO))
    }
}

fn write_at(file: &Fd, offset: u64, bytes: &[u8]) -> Result<()> {
    let mut offset = offset;
    for piece in bytes.chunks(PIECE) {
        if sys::write_at(file.raw(), piece, offset, None)? != piece.len() {
            return Err(Error::new(EIO));
        }
        offset += piece.len() as u64;
    }
    Ok(())
}

fn make(name: &str, bytes: &[u8]) -> Result<Fd> {
    let file = open(name, O_CREAT | O_TRUNC | O_WRONLY | 0o600)?;
    write_at(&file, 0, bytes)?;
    Ok(file)
}

fn seed() -> Result<u64> {
    let now = sys::clock_gettime(CLOCK_MONOTONIC)?;
    Ok(now.tv_sec as u64 ^ now.tv_nsec as u64)
}

fn write(mut state: State) -> Result<()> {
    let root = open("", O_RDONLY | O_DIRECTORY)?;
    let log = open("log", O_CREAT | O_RDWR | 0o600)?;
    let fixed = open("fixed", O_CREAT | O_RDWR | 0o600)?;
    let mut random = Numbers::new(seed()?);
    loop {
        match random.next() % 4 {
            0 if state.log < LONGEST_LOG => {
                let mut bytes = vec![0; 1 + (random.next() % 60_000) as usize];
                power::log_bytes(state.log, &mut bytes);
                write_at(&log, state.log, &bytes)?;
                sys::fsync(log.raw())?;
                state.log += bytes.len() as u64;
                println!("@synced log={}", state.log);
            }
            0 | 1 => {
                write_at(&fixed, 0, &power::fixed_bytes(state.fixed + 1))?;
                sys::fsync(fixed.raw())?;
                state.fixed += 1;
                println!("@synced fixed={}", state.fixed);
            }
            2 => {
                let next = make("next", &power::current_bytes(state.current + 1))?;
                sys::fsync(next.raw())?;
                fs::renameat(root.raw(), b"next", root.raw(), b"current", 0)?;
                sys::fsync(root.raw())?;
                state.current += 1;
                println!("@synced current={}", state.current);
            }
            _ => {
                let number = state.many + 1;
                if let Some(old) = number.checked_sub(KEEP).filter(|old| *old > 0) {
                    remove(&root, &power::many_name(old))?;
                }
                let name: String = power::many_name(number);
                let file = make(&name, &power::many_bytes(number))?;
                sys::fsync(file.raw())?;
                state.many = number;
                println!("@synced many={number}");
            }
        }
    }
}

/// One that went before the power did is not there to be removed.
fn remove(root: &Fd, name: &str) -> Result<()> {
    match sys::unlinkat(root.raw(), name.as_bytes(), 0) {
        Err(error) if error.errno != ENOENT => Err(error),
        _ => Ok(()),
    }
}

/// Another process's files, which nobody syncs.
fn make_noise() -> Result<()> {
    let root = open("", O_RDONLY | O_DIRECTORY)?;
    let mut random = Numbers::new(seed()?);
    let mut bytes = vec![0; 300_000];
    loop {
        let name = format!("noise-{}", random.next() % 8);
        let len = (random.next() % bytes.len() as u64) as usize;
        let part = bytes.get_mut(..len).unwrap_or(&mut []);
        disk_image::fill(random.next(), 0, part);
        drop(make(&name, part)?);
        if random.next().is_multiple_of(4) {
            remove(&root, &name)?;
        }
    }
}
