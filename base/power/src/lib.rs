//! The machine's end: what has been written to files is on the disk first.
//!
//! It takes the name `kernel.sys`, which is as good as the machine; a namespace without it cannot.
#![no_std]

use redox_rt::{Fd, Result, eprintln, namespace, sys};
use syscall::flag::{O_DIRECTORY, O_RDONLY, O_RDWR};

/// What the machine does at its end, as the kernel's sys scheme numbers it.
#[derive(Clone, Copy, Debug)]
pub enum End {
    /// It is switched off.
    Off = 1,
    /// It begins again.
    Again = 3,
}

fn open(path: &[u8], flags: usize) -> Result<Fd> {
    namespace::open(path, flags, sys::FD_ANY_UPPER).map(Fd::from_raw)
}

/// Ends the machine. Answers an exit code, if it does not.
pub fn end(name: &str, how: End) -> i32 {
    let machine = match open(b"/scheme/kernel.sys", O_RDWR) {
        Ok(machine) => machine,
        Err(error) => {
            eprintln!("{name}: /scheme/kernel.sys: {error}");
            return 1;
        }
    };
    let files = open(b"/", O_RDONLY | O_DIRECTORY).and_then(|root| sys::fsync(root.raw()));
    if let Err(error) = files
        && error.errno != syscall::ENODEV
    {
        // Better to say so, and let somebody look, than to lose what is not on the disk.
        eprintln!("{name}: writing files back: {error}");
        return 1;
    }
    match machine.call(&[how as u64]) {
        Ok(_) => 0,
        Err(error) => {
            eprintln!("{name}: {error}");
            1
        }
    }
}
