//! The thread that looks after units whose programs are among the initial files.
//!
//! It waits for no other files, since it may be the one to bring back what they are on: a disk's driver, or their
//! daemon. Whoever starts a program from them waits in the main thread, and is told of its children from here.

use alloc::{boxed::Box, vec::Vec};
use core::sync::atomic::{AtomicBool, AtomicI32, Ordering};

use redox_rt::{
    Error, Result, eprintln,
    futex::{self, Mutex},
    process::{self, Awaited, WaitFlags},
    sys,
    thread::{self, Source},
};
use syscall::{ECHILD, EINTR, TimeSpec};

use crate::watch::Watch;

/// Children that have ended and are not the keeper's, the first first.
static ENDED: Mutex<Vec<(u32, u32)>> = Mutex::new(Vec::new());
/// Counts changes of [`ENDED`].
static CHANGES: AtomicI32 = AtomicI32::new(0);
/// Whether there is a keeper.
static STARTED: AtomicBool = AtomicBool::new(false);

const STACK: usize = 256 << 10;
/// How long there may be no child, and then be one.
const PAUSE: TimeSpec = TimeSpec {
    tv_sec: 0,
    tv_nsec: 50_000_000,
};

/// Has units looked after from now on. Nobody else may wait for children after this; see [`wait_for`].
pub fn start(units: Watch) -> Result<()> {
    STARTED.store(true, Ordering::Release);
    let units = Box::into_raw(Box::new(units));
    let argument = units.expose_provenance();
    // SAFETY: `run` takes the address of a box, which is its from now on.
    let started = unsafe { thread::spawn_raw(Source::Manager, STACK, run, argument) };
    if started.is_err() {
        // SAFETY: it is the box of above, which nobody else has.
        drop(unsafe { Box::from_raw(units) });
    }
    started.map(drop)
}

extern "C" fn run(units: usize) {
    // SAFETY: `start` made this address from a box, for this thread only.
    let mut units =
        unsafe { Box::from_raw(core::ptr::with_exposed_provenance_mut::<Watch>(units)) };
    loop {
        // Of daemons that end while nothing is started, nothing is kept.
        redox_rt::namespace::forget_roots();
        // All who have ended are known before the first is started again.
        let flags = if units.is_settled() {
            WaitFlags::empty()
        } else {
            WaitFlags::WNOHANG
        };
        match process::wait(Awaited::Any, flags) {
            Ok(Some((pid, word))) => {
                if !units.ended(pid, word) {
                    tell(pid, word);
                }
                continue;
            }
            Ok(None) => {}
            Err(Error { errno: EINTR }) => continue,
            Err(Error { errno: ECHILD }) => {
                // A signal makes the pause shorter, which is no longer than it takes to look again.
                let _ = sys::nanosleep(&PAUSE);
            }
            Err(error) => {
                eprintln!("init: waiting: {error}");
                // As above; the children that have ended stay until they are waited for.
                let _ = sys::nanosleep(&PAUSE);
            }
        }
        units.start_one();
    }
}

fn tell(pid: u32, word: u32) {
    ENDED.lock().push((pid, word));
    CHANGES.fetch_add(1, Ordering::AcqRel);
    futex::wake(&raw const CHANGES, i32::MAX);
}

/// The next child that has ended and is not the keeper's, if there is one.
pub fn next() -> Option<(u32, u32)> {
    let mut ended = ENDED.lock();
    (!ended.is_empty()).then(|| ended.remove(0))
}

/// Waits until there is something for [`next`].
pub fn wait() {
    while_not(|ended| !ended.is_empty());
}

/// Waits for the end of one child, in any thread but the keeper's; answers its status word.
///
/// # Errors
/// Those of waiting, as long as there is no keeper.
pub fn wait_for(pid: u32) -> Result<u32> {
    if !STARTED.load(Ordering::Acquire) {
        return wait_here(pid);
    }
    let mut word = 0;
    while_not(|ended| match ended.iter().position(|one| one.0 == pid) {
        Some(place) => {
            word = ended.remove(place).1;
            true
        }
        None => false,
    });
    Ok(word)
}

/// The same in the keeper's thread, or before there is one.
///
/// # Errors
/// Those of waiting.
pub fn wait_here(pid: u32) -> Result<u32> {
    loop {
        match process::wait(Awaited::Child(pid), WaitFlags::empty()) {
            Ok(Some((_, word))) => return Ok(word),
            Ok(None) | Err(Error { errno: EINTR }) => {}
            Err(error) => return Err(error),
        }
    }
}

fn while_not(mut is_there: impl FnMut(&mut Vec<(u32, u32)>) -> bool) {
    loop {
        let seen = CHANGES.load(Ordering::Acquire);
        if is_there(&mut ENDED.lock()) {
            return;
        }
        // Woken, changed or interrupted: in every case look again.
        let _ = futex::wait(&CHANGES, seen, None);
    }
}
