//! A source of randomness, and the system's generator that it feeds.

use alloc::{format, string::String, vec::Vec};

use guest_test::{Outcome, check, check_eq, check_error, run};
use redox_rt::{
    Error, Result,
    process::{self, Awaited, ProcKillTarget, WaitFlags},
    sys,
};
use syscall::{EACCES, EBADF, ENOENT, flag::*};

use crate::world::{list, open, schemes, text};

/// Runs the group.
pub fn run() -> i32 {
    run!["random" => bytes_differ, the_generator_is_fed, many_ask_at_once]
}

fn path(file: &str) -> Result<String> {
    let sources = schemes("rng.")?;
    let source = sources.first().ok_or(Error::new(ENOENT))?;
    Ok(format!("/scheme/{source}/{file}"))
}

fn bytes_differ() -> Outcome {
    check_eq!(list(&path("")?)?, ["0", "fed"]);
    let file = open(&path("0")?, O_RDONLY)?;
    let mut all: Vec<[u8; 16]> = Vec::new();
    for _ in 0..50 {
        let mut bytes = [0; 16];
        check_eq!(file.read(&mut bytes)?, 16);
        check!(!all.contains(&bytes), "the same again");
        all.push(bytes);
    }
    let mut long = [0; 1000];
    let len = file.read(&mut long)?;
    check!(len > 0 && len <= 256, "{len}");
    check_error!(file.write(&long), EBADF);
    check_error!(open(&path("0")?, O_RDWR), EACCES);
    Ok(())
}

fn the_generator_is_fed() -> Outcome {
    while text(&path("fed")?)?.trim() == "0" {
        sys::sched_yield();
    }
    let file = open("/scheme/rand", O_RDONLY)?;
    let (mut one, mut other) = ([0; 32], [0; 32]);
    file.read(&mut one)?;
    file.read(&mut other)?;
    check!(one != other);
    Ok(())
}

/// Readers, some of which are killed while they wait.
fn many_ask_at_once() -> Outcome {
    let mut readers = Vec::new();
    for _ in 0..8 {
        match process::fork()? {
            Some(pid) => readers.push(pid),
            None => {
                let file = path("0").and_then(|path| open(&path, O_RDONLY));
                let good = file.is_ok_and(|file| {
                    (0..200).all(|_| file.read(&mut [0; 9]).is_ok_and(|len| len > 0))
                });
                redox_rt::exit(i32::from(!good));
            }
        }
    }
    let (killed, kept) = readers.split_at(4);
    for pid in killed {
        process::kill(ProcKillTarget::SingleProc(*pid as usize), 9)?;
        process::wait(Awaited::Child(*pid), WaitFlags::empty())?;
    }
    for pid in kept {
        let ended = process::wait(Awaited::Child(*pid), WaitFlags::empty())?;
        check_eq!(ended, Some((*pid, 0)));
    }
    Ok(())
}
