//! The daemons that run, as the kernel lists contexts.

use alloc::{string::String, vec::Vec};

use guest_test::contexts;
use redox_rt::{
    Fd, Result, namespace as ns,
    process::{self, ProcKillTarget},
    sys,
};
use syscall::flag::O_RDONLY;

/// A process that serves a scheme.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Daemon {
    /// Its number.
    pub pid: u32,
    /// The program's name.
    pub name: String,
}

/// What is no daemon, or must not be killed.
const OTHERS: [&str; 4] = ["init", "procmgr", "nsmgr", "bootstrap"];

/// Those that run now: every process with another name than this one's, and none of [`OTHERS`]. The
/// kernel's servers have no number.
pub fn running() -> Result<Vec<Daemon>> {
    let text = read("/scheme/sys/context")?;
    let mut found: Vec<Daemon> = Vec::new();
    for it in contexts::listed(&text) {
        let daemon = it.pid != 0 && !OTHERS.contains(&it.name) && it.name != "test-soak";
        let known = found.iter().any(|other| other.pid == it.pid);
        if daemon && !it.ended && !known {
            found.push(Daemon {
                pid: it.pid,
                name: it.name.into(),
            });
        }
    }
    Ok(found)
}

/// Ends a process.
pub fn kill(pid: u32) -> Result<()> {
    process::kill(ProcKillTarget::SingleProc(pid as usize), 9)
}

/// The whole of a short text.
pub fn read(path: &str) -> Result<String> {
    let file = Fd::from_raw(ns::open(path.as_bytes(), O_RDONLY, sys::FD_ANY_UPPER)?);
    let mut text = Vec::new();
    loop {
        let mut piece = [0; 1024];
        let len = file.read_full_at(&mut piece, text.len() as u64)?;
        if len == 0 {
            return Ok(String::from_utf8_lossy(&text).into_owned());
        }
        text.extend_from_slice(piece.get(..len).unwrap_or(&[]));
    }
}
