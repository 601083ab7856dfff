//! Terminals, and what they are sent.

use guest_test::{Outcome, check, check_eq, check_error};
use redox_rt::{Fd, Result, process, sys, terminal};
use syscall::{
    EINVAL,
    flag::{O_DIRECTORY, O_RDONLY, O_RDWR},
};

use crate::files::open;

/// Of what is no session's descriptor nobody is asked anything: the terminal's own daemon would wait for itself.
pub fn a_terminal_is_sent_what_is_no_session() -> Outcome {
    let own = process::process_fd().ok_or(redox_rt::Error::new(EINVAL))?;
    let of_process = |name: &[u8]| sys::dup(own, name, sys::FD_ANY_UPPER).map(Fd::from_raw);
    let master = open("/scheme/pty", O_RDWR)?;
    let slave = master.dup(b"slave")?;
    let things: [Result<Fd>; 6] = [
        master.dup(b""),
        slave.dup(b""),
        slave.dup(b"sctty"),
        of_process(b"pidfd"),
        open("/scheme/pipe", O_RDONLY),
        open("/", O_RDONLY | O_DIRECTORY),
    ];
    for (number, thing) in things.into_iter().enumerate() {
        check_error!(slave.dup(b"sctty")?.send(thing?, &[]), EINVAL, "{number}");
    }
    check!(terminal::is_terminal(slave.raw()));
    check_eq!(master.write(b"x\n")?, 2);
    let mut line = [0; 8];
    check_eq!(slave.read(&mut line)?, 2);
    Ok(())
}
