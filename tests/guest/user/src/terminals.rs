//! Terminals, and what they are sent.

use guest_test::{Outcome, check, check_eq, check_error};
use redox_rt::{
    Error, Fd, Result,
    process::{self, Awaited},
    sys, terminal,
};
use rt_core::wait;
use syscall::{
    CallFlags, EINVAL, EIO,
    flag::{O_DIRECTORY, O_RDONLY, O_RDWR},
};

use crate::files::open;
use crate::processes::{child, pipe, wait_for};

/// Of what is no session's descriptor nobody is asked anything: the terminal's own daemon would wait for itself.
pub fn a_terminal_is_sent_what_is_no_session() -> Outcome {
    let own = process::process_fd().ok_or(Error::new(EINVAL))?;
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

/// A process that held a descriptor of its own as its session's terminal would stay for ever.
pub fn a_session_is_sent_what_is_no_terminal() -> Outcome {
    let own = process::process_fd().ok_or(Error::new(EINVAL))?;
    let of_process = |name: &[u8]| sys::dup(own, name, sys::FD_ANY_UPPER).map(Fd::from_raw);
    let (itself, reference, other) = (of_process(b"")?, of_process(b"pidfd")?, pipe()?.0);
    let rows = [
        [&itself, &itself],
        [&reference, &reference],
        [&other, &itself],
        [&itself, &other],
    ];
    for (number, row) in rows.into_iter().enumerate() {
        let sent = sys::send_fds(own, &row.map(Fd::raw), CallFlags::FD_CLONE, &[]);
        check_error!(sent, EINVAL, "{number}");
    }
    Ok(())
}

/// A descriptor of the terminal, or of what the process manager lends, keeps neither the session nor the next one from
/// the terminal.
pub fn a_terminal_is_free_when_its_leader_has_ended() -> Outcome {
    let master = open("/scheme/pty", O_RDWR)?;
    let slave = master.dup(b"slave")?;
    let (ready, tell_ready) = pipe()?;
    let (go, tell_go) = pipe()?;
    let (said, say) = pipe()?;
    let others = [tell_go.raw(), said.raw()];
    // What is moved here is closed in this process: whoever waits at a pipe sees its end if the other one dies.
    let leader = child(move || {
        let lead = move || {
            for other in others {
                sys::close(other)?;
            }
            process::new_session()?;
            terminal::acquire(slave.raw())?;
            let own = process::process_fd().ok_or(Error::new(EINVAL))?;
            let lent = Fd::from_raw(sys::dup(own, b"tty", sys::FD_ANY_UPPER)?);
            child(move || outlive([master, slave, lent], &tell_ready, &go, &say))?;
            ready.read_exact(&mut [0])
        };
        i32::from(lead().is_err())
    })?;
    check_eq!(wait_for(Awaited::Child(leader))?, (leader, wait::exited(0)));
    tell_go.write_exact(b"g")?;
    let mut failed = [0xff];
    said.read_exact(&mut failed)?;
    check_eq!(failed, [0], "the first step that failed");
    check_eq!(said.read(&mut failed)?, 0);
    Ok(())
}

/// In a child of a session's leader: holds a terminal beyond the leader's end, and then wants it.
fn outlive([master, slave, lent]: [Fd; 3], ready: &Fd, go: &Fd, say: &Fd) -> i32 {
    let told = process::new_session().and_then(|_| {
        ready.write_exact(b"r")?;
        go.read_exact(&mut [0])
    });
    let ended = |error: Error| error.errno == EIO;
    let next = || terminal::acquire(master.dup(b"slave")?.raw());
    // No step waits, also where the terminal goes on.
    let steps = [
        told.is_ok(),
        slave.write(b"x").err().is_some_and(ended),
        lent.dup(b"tty").err().is_some_and(ended),
        next().is_ok(),
    ];
    let failed = steps.iter().position(|good| !good);
    let failed = failed.map_or(0, |step| step as u8 + 1);
    i32::from(say.write_exact(&[failed]).is_err())
}
