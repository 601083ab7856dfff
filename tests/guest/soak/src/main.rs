//! The system while its daemons are killed. Arguments: how many opens the soak makes.
//!
//! Every daemon but the process manager and the namespace manager can be killed, and is there again: the
//! names lead to a new one, in namespaces forked before as well. What was open stays dead, and what
//! `ramfs` held is gone, because it was in the memory of a process that is gone.
#![no_std]
#![no_main]

extern crate alloc;

mod counts;
mod daemons;
mod load;

use alloc::{format, vec::Vec};
use core::sync::atomic::{AtomicU32, Ordering};

use guest_test::{Outcome, check, check_eq, fail};
use redox_rt::{
    Fd, Result, namespace as ns, println,
    process::{self, WaitFlags},
    start::Start,
    sys,
};
use syscall::{
    TimeSpec,
    flag::{O_DIRECTORY, O_RDONLY},
};

redox_rt::entry!(main);

/// How many opens the soak makes.
static OPENS: AtomicU32 = AtomicU32::new(100_000);
/// Processes and namespaces of the soak.
const PROCESSES: u32 = 32;
/// Names that have a daemon, and a path in each that can be opened.
pub const NAMES: [(&str, &str); 6] = [
    ("zero", "/scheme/zero"),
    ("null", "/scheme/null"),
    ("rand", "/scheme/rand"),
    ("log", "/scheme/log"),
    ("file", "/scheme/file/"),
    ("initfs", "/scheme/initfs/bin/init"),
];

/// The programs behind them.
const SERVERS: [&str; 3] = ["initfsd", "ramfsd", "smallfs"];

fn main(start: &Start) -> i32 {
    let opens = start
        .arg(1)
        .and_then(|arg| arg.to_str().ok())
        .and_then(|text| text.parse().ok());
    if let Some(opens) = opens {
        OPENS.store(opens, Ordering::Relaxed);
    }
    guest_test::run!["soak" =>
        each_daemon_can_be_killed, a_daemon_is_killed_again_and_again,
        nothing_is_left_of_a_million_opens,
    ]
}

/// A namespace with the names of all daemons.
pub fn heir() -> Result<Fd> {
    let own = ns::namespace().ok_or(redox_rt::Error::new(syscall::ENOENT))?;
    ns::fork_namespace(own, NAMES.iter().map(|(name, _)| name.as_bytes()))
}

/// The first namespace.
pub fn own() -> Result<Fd> {
    let own = ns::namespace().ok_or(redox_rt::Error::new(syscall::ENOENT))?;
    sys::dup(own, b"", sys::FD_ANY_UPPER).map(Fd::from_raw)
}

pub fn open(names: &Fd, path: &str) -> Result<Fd> {
    names.open(path.as_bytes(), O_RDONLY)
}

pub fn pause(milliseconds: i32) {
    // A signal makes it shorter.
    let _ = sys::nanosleep(&TimeSpec {
        tv_sec: 0,
        tv_nsec: milliseconds * 1_000_000,
    });
}

/// Waits until every name leads somewhere again; the suite's time is the limit.
fn until_all_are_back(names: &Fd) {
    for (_, path) in NAMES {
        while open(names, path).is_err() {
            pause(10);
        }
    }
}

/// Kills one daemon and waits until there is another one and every name works.
fn kill_and_wait(names: &Fd, victim: &daemons::Daemon) -> Outcome {
    let before = daemons::running()?;
    let held: Vec<Fd> = NAMES
        .iter()
        .map(|(_, path)| open(names, path))
        .collect::<Result<_>>()?;
    daemons::kill(victim.pid)?;
    while daemons::running()?
        .iter()
        .any(|daemon| daemon.pid == victim.pid)
    {
        pause(5);
    }
    let same = |list: &[daemons::Daemon]| {
        list.iter()
            .filter(|daemon| daemon.name == victim.name)
            .count()
    };
    while same(&daemons::running()?) < same(&before) {
        pause(10);
    }
    until_all_are_back(names);
    // What was open at the one that was killed is dead, and all else lives.
    let dead = held
        .iter()
        .filter(|fd| {
            matches!(fd.stat(), Err(error) if matches!(error.errno, syscall::ENODEV | syscall::ESTALE))
        })
        .count();
    let asked = SERVERS.contains(&victim.name.as_str());
    check_eq!(dead, usize::from(asked), "{}", victim.name);
    Ok(())
}

fn each_daemon_can_be_killed() -> Outcome {
    let names = heir()?;
    let daemons = daemons::running()?;
    for name in SERVERS {
        check!(daemons.iter().any(|daemon| daemon.name == name), "{name}");
    }
    for daemon in &daemons {
        println!("killing {} ({})", daemon.name, daemon.pid);
        kill_and_wait(&names, daemon)?;
    }
    // Whoever forks now finds them too.
    until_all_are_back(&heir()?);
    let root = names.open(b"/scheme/file", O_RDONLY | O_DIRECTORY)?;
    check!(root.open(b"", O_RDONLY | O_DIRECTORY).is_ok());
    Ok(())
}

fn a_daemon_is_killed_again_and_again() -> Outcome {
    let names = heir()?;
    for _ in 0..2 {
        let Some(daemon) = daemons::running()?
            .into_iter()
            .find(|daemon| daemon.name == "ramfsd")
        else {
            fail!("no ramfsd");
        };
        kill_and_wait(&names, &daemon)?;
    }
    Ok(())
}

fn nothing_is_left_of_a_million_opens() -> Outcome {
    // What is made once and kept is made before counting.
    load::run(PROCESSES, PROCESSES * 8)?;
    // A namespace is charged for changes until it is charged for all its names.
    let own = own()?;
    for turn in 0..64 {
        load::change_names(&own, turn)?;
    }
    drop(own);
    until_all_are_back(&heir()?);
    let before = counts::settled()?;
    let opens = OPENS.load(Ordering::Relaxed);
    let killed = load::run(PROCESSES, opens)?;
    println!("{opens} opens, {killed} daemons killed");
    until_all_are_back(&heir()?);
    let _ = process::wait(process::Awaited::Any, WaitFlags::WNOHANG);
    match counts::wait_for(&before)? {
        None => Ok(()),
        Some(now) => {
            for (was, is) in before
                .lines()
                .zip(now.lines())
                .filter(|(was, is)| was != is)
            {
                println!("  before: {was}; after: {is}");
            }
            fail!("something is left: {}", format!("{now:?}"))
        }
    }
}
