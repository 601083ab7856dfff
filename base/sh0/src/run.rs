//! Running programs, and where output goes.

use alloc::{format, string::String, vec, vec::Vec};

use cap_abi::Rights;
use redox_rt::{
    Fd, Result, namespace, process,
    spawn::{self, Command, Grant, Image, Role},
    sys,
};
use syscall::flag::{O_APPEND, O_CREAT, O_RDONLY, O_TRUNC, O_WRONLY};

use crate::job;

/// Opens a path as a private descriptor.
pub fn open(path: &str, flags: usize) -> Result<Fd> {
    namespace::open(path.as_bytes(), flags, sys::FD_ANY_UPPER).map(Fd::from_raw)
}

/// Runs something with the descriptor that its output goes to.
pub fn with_output(
    output: Option<&(String, bool)>,
    run: impl FnOnce(usize) -> Result<u8>,
) -> Result<u8> {
    let Some((path, append)) = output else {
        return run(1);
    };
    let how = if *append { O_APPEND } else { O_TRUNC };
    let mode = usize::from(0o666 & !process::umask());
    let file = open(path, O_WRONLY | O_CREAT | how | mode)?;
    run(file.raw())
}

/// Runs a program to its end. A name without `/` is one of `/bin`, or of the initial file system.
pub fn program(name: &str, args: &[&str], out: usize) -> Result<u8> {
    let (file, path) = if name.contains('/') {
        (open(name, O_RDONLY)?, String::from(name))
    } else {
        let installed = format!("/bin/{name}");
        match open(&installed, O_RDONLY) {
            Ok(file) => (file, installed),
            Err(_) => {
                let initial = format!("/scheme/initfs/bin/{name}");
                (open(&initial, O_RDONLY)?, initial)
            }
        }
    };
    let words: Vec<&[u8]> = core::iter::once(name)
        .chain(args.iter().copied())
        .map(str::as_bytes)
        .collect();
    let role = |fd: Option<usize>| {
        fd.map(|from| Role {
            from,
            rights: Rights::FULL,
        })
    };
    let grants = vec![(0, 0), (out, 1), (2, 2)];
    let grants: Vec<Grant> = grants
        .into_iter()
        .map(|(from, to)| Grant {
            from,
            to,
            rights: Rights::FULL,
        })
        .collect();
    let child = job::Child::new()?;
    let command = Command {
        image: Image::File(&file),
        path: path.as_bytes(),
        args: &words,
        env: &[],
        grants: &grants,
        inherited: &[],
        namespace: role(namespace::namespace()),
        directory: role(namespace::directory()),
        process: None,
        auxv: &[],
        blobs: &[],
        attributes: spawn::attributes(name.as_bytes(), 0),
    };
    let ended = child.run(&command)?;
    Ok(job::report(name, child.pid(), ended))
}
