//! What a program's other threads have to say to its loop, by requests to its own scheme.

use redox_rt::{Fd, Result, eprintln, fd::create_scheme_fd, sys};
use scheme_core::{
    insist::{After, after},
    start::SOCKET,
};
use syscall::{TimeSpec, flag::O_RDWR};

/// How long nothing is tried again that has failed for a reason that may pass.
pub const PAUSE: TimeSpec = TimeSpec {
    tv_sec: 0,
    tv_nsec: 20_000_000,
};

/// A descriptor of one of this program's own handles, of a daemon that was started as
/// `scheme_core::start` says.
///
/// # Errors
/// Those of the socket.
pub fn own_handle(number: u64) -> Result<Fd> {
    let socket = core::mem::ManuallyDrop::new(Fd::from_raw(SOCKET));
    create_scheme_fd(&socket, number as usize, 0, O_RDWR, 0)
}

/// Makes a request until it has arrived, which it may do twice. `false`: there is no loop any more.
pub fn insist(name: &str, mut ask: impl FnMut() -> Result<()>) -> bool {
    let mut said = false;
    loop {
        let Err(error) = ask() else {
            return true;
        };
        match after(error.errno) {
            After::Again => {}
            After::Over => return false,
            After::Later => {
                if !said {
                    eprintln!("{name}: telling its own loop: {error}; tried again");
                    said = true;
                }
                // Interrupted it is only shorter.
                let _ = sys::nanosleep(&PAUSE);
            }
        }
    }
}
