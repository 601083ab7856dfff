//! Runs inside `contain` and tries what its arguments say, one each: `WHAT|OBJECT|EXPECTED`, where
//! EXPECTED is `ok`, an error number, or what is to be found. Ends with 0 if all came out so; says what
//! did not on standard error and ends with 1.
//!
//! `exit|N` ends at once with N, `sleep|` never.
#![no_std]
#![no_main]

extern crate alloc;

use alloc::{format, string::String, vec::Vec};

use redox_rt::{
    Error, Fd, Result, eprintln, fs, namespace as ns,
    process::{self, ProcKillTarget},
    start::Start,
    sys,
};
use syscall::{
    EBADF, EINVAL, EIO, TimeSpec,
    dirent::DirentIter,
    flag::{F_GETFD, O_CREAT, O_DIRECTORY, O_RDONLY, O_RDWR, UPPER_FDTBL_TAG},
};

redox_rt::entry!(main);

fn main(start: &Start) -> i32 {
    let mut status = 0;
    for arg in start.args().skip(1) {
        let text = arg.to_str().unwrap_or("");
        let mut words = text.split('|');
        let [what, object, expected] = [(); 3].map(|()| words.next().unwrap_or(""));
        match what {
            "exit" => return object.parse().unwrap_or(99),
            "sleep" => loop {
                let _ = sys::nanosleep(&TimeSpec {
                    tv_sec: 1000,
                    tv_nsec: 0,
                });
            },
            _ => (),
        }
        let got = match attempt(start, what, object) {
            Ok(found) => found,
            Err(error) => format!("{}", error.errno),
        };
        if got != expected {
            eprintln!("  {what} {object}: expected {expected}, got {got}");
            status = 1;
        }
    }
    status
}

fn attempt(start: &Start, what: &str, object: &str) -> Result<String> {
    let open = |flags| ns::open(object.as_bytes(), flags, sys::FD_ANY_UPPER).map(Fd::from_raw);
    let number = || object.parse::<usize>().map_err(|_| Error::new(EINVAL));
    let mode = 0o644;
    match what {
        "read" => {
            let mut text = [0; 64];
            let len = open(O_RDONLY)?.read(&mut text)?;
            let text = text.get(..len).unwrap_or(&[]);
            return Ok(String::from_utf8_lossy(text).into_owned());
        }
        "open" => drop(open(O_RDONLY)?),
        "write" => drop(open(O_RDWR)?),
        "create" => drop(open(O_RDWR | O_CREAT | mode)?),
        "unlink" => {
            ns::with_route(object.as_bytes(), |dir, path| sys::unlinkat(dir, path, 0))?;
        }
        "list" => return list(&open(O_RDONLY | O_DIRECTORY)?),
        // A descriptor that it was started with leads somewhere.
        "at0" => drop(Fd::from_raw(sys::openat(
            0,
            object.as_bytes(),
            O_RDONLY,
            sys::FD_ANY_UPPER,
        )?)),
        // There is none but those that a program is started with.
        "extra" => {
            let open = |fd: usize| {
                // SAFETY: the command only asks.
                unsafe { sys::fcntl(fd, F_GETFD, 0) }.is_ok()
            };
            let found = (3..128)
                .chain((4..128).map(|n| UPPER_FDTBL_TAG | n))
                .find(|fd| open(*fd));
            return Ok(found.map_or_else(|| "none".into(), |fd| format!("{fd:#x}")));
        }
        "signal" => process::kill(ProcKillTarget::SingleProc(number()?), 0)?,
        "reference" => drop(process::reference(Some(number()? as u32))?),
        "credentials" => {
            let own = process::process_fd().ok_or(Error::new(EBADF))?;
            process::credentials_of(own, number()?)?;
        }
        "kill-all" => process::kill(ProcKillTarget::All, 9)?,
        "group-of" => drop(process::group(number()? as u32)?),
        "ask-process" => {
            let own = process::process_fd().ok_or(Error::new(EBADF))?;
            drop(Fd::from_raw(sys::dup(
                own,
                object.as_bytes(),
                sys::FD_ANY_UPPER,
            )?));
        }
        "child" => {
            let Some(pid) = process::fork()? else {
                redox_rt::exit(5);
            };
            let waited = process::wait(process::Awaited::Child(pid), process::WaitFlags::empty())?;
            return Ok(format!("{}", waited.map_or(0, |(_, word)| word >> 8)));
        }
        "names" => {
            let listing = ns::open(b"/scheme", O_RDONLY | O_DIRECTORY, sys::FD_ANY_UPPER)?;
            return list(&Fd::from_raw(listing));
        }
        "register" => {
            let own = ns::namespace().ok_or(Error::new(EBADF))?;
            drop(Fd::from_raw(ns::register_handle(own, object.as_bytes())?));
        }
        "unbind" => {
            let own = ns::namespace().ok_or(Error::new(EBADF))?;
            let verb = [nsmgr_api::Verb::Unbind as u64, 0];
            sys::call_write(own, object.as_bytes(), syscall::CallFlags::empty(), &verb)?;
        }
        "fork" => {
            let own = ns::namespace().ok_or(Error::new(EBADF))?;
            drop(ns::fork_namespace(
                own,
                core::iter::once(object.as_bytes()),
            )?);
        }
        "variables" => {
            let all: Vec<String> = start
                .env()
                .map(|variable| variable.to_string_lossy().into_owned())
                .collect();
            return Ok(all.join(","));
        }
        "stands" => {
            let mut path = [0; 256];
            let directory = ns::directory().ok_or(Error::new(syscall::ENOENT))?;
            let len = sys::fpath(directory, &mut path)?;
            let path = path.get(..len).unwrap_or(&[]);
            return Ok(String::from_utf8_lossy(path).into_owned());
        }
        _ => return Err(Error::new(EINVAL)),
    }
    Ok("ok".into())
}

fn list(directory: &Fd) -> Result<String> {
    let (mut names, mut after) = (Vec::new(), 0);
    loop {
        let mut buffer = [0; 1024];
        let len = fs::getdents(directory.raw(), &mut buffer, after)?;
        if len == 0 {
            names.sort();
            return Ok(names.join(","));
        }
        for entry in DirentIter::new(buffer.get(..len).unwrap_or(&[])) {
            let (header, name) = entry.map_err(|_| Error::new(EIO))?;
            after = header.next_opaque_id;
            let name = name.split(|byte| *byte == 0).next().unwrap_or(&[]);
            if !matches!(name, b"." | b"..") {
                names.push(String::from_utf8_lossy(name).into_owned());
            }
        }
    }
}
