//! `getty TERMINAL`: lets people log in on a terminal, one after the other, for ever.
#![no_std]
#![no_main]

extern crate alloc;

use cap_abi::Rights;
use redox_rt::{
    Error, Fd, Result, eprintln, namespace,
    process::{self, Awaited, WaitFlags},
    spawn::{self, Command, Grant, Image, Role},
    start::Start,
    sys,
};
use syscall::{
    EINTR, TimeSpec,
    flag::{CLOCK_MONOTONIC, O_RDONLY, O_RDWR},
};

redox_rt::entry!(main);

const LOGIN: [&str; 2] = ["/bin/login", "/scheme/initfs/bin/login"];
/// A session that is over sooner, in seconds, is followed by a pause as long: something is wrong.
const SHORTEST: i64 = 1;

fn main(start: &Start) -> i32 {
    let Some(terminal) = start.arg(1).map(core::ffi::CStr::to_bytes) else {
        eprintln!("getty: usage: getty TERMINAL");
        return 2;
    };
    loop {
        let began = seconds();
        if let Err(error) = session(terminal) {
            eprintln!("getty: {}: {error}", terminal.escape_ascii());
        }
        if seconds() - began < SHORTEST {
            pause();
        }
    }
}

fn seconds() -> i64 {
    sys::clock_gettime(CLOCK_MONOTONIC).map_or(0, |time| time.tv_sec)
}

fn pause() {
    let mut left = TimeSpec {
        tv_sec: SHORTEST,
        tv_nsec: 0,
    };
    while let Err((error, rest)) = sys::nanosleep(&left)
        && error.errno == EINTR
    {
        left = rest;
    }
}

/// Lets one person log in, and waits until the session's first program has ended.
fn session(path: &[u8]) -> Result<()> {
    let terminal = namespace::open(path, O_RDWR, sys::FD_ANY_UPPER).map(Fd::from_raw)?;
    let program = login::open_first(LOGIN, O_RDONLY)?;
    let grants = [0, 1, 2].map(|to| Grant {
        from: terminal.raw(),
        to,
        rights: Rights::FULL,
    });
    let role = |fd: Option<usize>| {
        fd.map(|from| Role {
            from,
            rights: Rights::FULL,
        })
    };
    let pid = process::spawn(&Command {
        image: Image::File(&program),
        path: &[],
        args: &[b"login"],
        env: &[],
        grants: &grants,
        inherited: &[],
        namespace: role(namespace::namespace()),
        directory: role(namespace::directory()),
        process: None,
        auxv: &[],
        blobs: &[],
        attributes: spawn::attributes(b"login", 0),
    })?;
    drop((terminal, program));
    loop {
        match process::wait(Awaited::Child(pid), WaitFlags::empty()) {
            Err(Error { errno: EINTR }) | Ok(None) => {}
            done => return done.map(drop),
        }
    }
}
