//! The system while its daemons are killed. Argument: how many opens the soak makes; `disk` for no soak, on a
//! machine whose files are on a disk.
//!
//! Every daemon but the process manager and the namespace manager can be killed, and is there again: the
//! names lead to a new one, in namespaces forked before as well. What was open stays dead, and what
//! `ramfs` held is gone, because it was in the memory of a process that is gone; what was synced to a disk is not.
#![no_std]
#![no_main]

extern crate alloc;

mod counts;
mod daemons;
mod load;

use alloc::{format, vec, vec::Vec};
use core::sync::atomic::{AtomicU32, Ordering};

use guest_test::{Failure, Outcome, check, check_eq, fail};
use redox_rt::{
    Fd, Result, namespace as ns, println,
    process::{self, WaitFlags},
    start::Start,
    sys,
};
use syscall::{
    TimeSpec,
    flag::{O_CREAT, O_DIRECTORY, O_NONBLOCK, O_RDONLY, O_RDWR},
};

redox_rt::entry!(main);

/// How many opens the soak makes.
static OPENS: AtomicU32 = AtomicU32::new(100_000);
/// Processes and namespaces of the soak.
const PROCESSES: u32 = 32;
/// Names that have a daemon, and a path in each that can be opened, with flags.
pub const NAMES: [(&str, &str, usize); 12] = [
    ("zero", "/scheme/zero", O_RDONLY),
    ("null", "/scheme/null", O_RDONLY),
    ("rand", "/scheme/rand", O_RDONLY),
    ("log", "/scheme/log", O_RDONLY),
    ("file", "/scheme/file/", O_RDONLY),
    ("initfs", "/scheme/initfs/bin/init", O_RDONLY),
    ("shm", "/scheme/shm/soak", O_CREAT | O_RDWR | 0o600),
    ("uds_stream", "/scheme/uds_stream", O_RDWR),
    ("uds_dgram", "/scheme/uds_dgram", O_RDWR),
    ("uds_seqpacket", "/scheme/uds_seqpacket", O_RDWR),
    // A new terminal, and the one there is.
    ("pty", "/scheme/pty", O_RDWR),
    ("console", "/scheme/console", O_RDWR | O_NONBLOCK),
];
/// How many of them can be opened any number of times.
pub const PLAIN: usize = 6;

/// The programs behind them.
const SERVERS: [&str; 7] = [
    "initfsd", "ramfsd", "redoxfsd", "shmd", "smallfs", "ttyd", "udsd",
];
/// Those of which a machine has one.
const FILES: [&str; 2] = ["ramfsd", "redoxfsd"];

fn main(start: &Start) -> i32 {
    let argument = start.arg(1).and_then(|arg| arg.to_str().ok());
    if argument == Some("disk") {
        return guest_test::run!["disk" =>
            each_daemon_can_be_killed, a_daemon_is_killed_again_and_again,
            what_was_synced_outlives_its_daemon,
        ];
    }
    if let Some(opens) = argument.and_then(|text| text.parse().ok()) {
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
    ns::fork_namespace(own, NAMES.iter().map(|(name, ..)| name.as_bytes()))
}

/// The first namespace.
pub fn own() -> Result<Fd> {
    let own = ns::namespace().ok_or(redox_rt::Error::new(syscall::ENOENT))?;
    sys::dup(own, b"", sys::FD_ANY_UPPER).map(Fd::from_raw)
}

pub fn open(names: &Fd, path: &str) -> Result<Fd> {
    names.open(path.as_bytes(), O_RDONLY)
}

/// One of each of [`NAMES`].
fn open_all(names: &Fd) -> Result<Vec<Fd>> {
    let opened = NAMES
        .iter()
        .map(|(_, path, flags)| names.open(path.as_bytes(), *flags));
    opened.collect()
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
    for (_, path, flags) in NAMES {
        while names.open(path.as_bytes(), flags).is_err() {
            pause(10);
        }
    }
}

/// Kills one daemon and waits until there is another one and every name works.
fn kill_and_wait(names: &Fd, victim: &daemons::Daemon) -> Outcome {
    let before = daemons::running()?;
    let held = open_all(names)?;
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

/// A daemon, or the one that has taken its place: drivers end with their bus.
fn present(daemon: &daemons::Daemon) -> Result<daemons::Daemon> {
    loop {
        let running = daemons::running()?;
        let same = running.iter().find(|other| other.pid == daemon.pid);
        let other = running.iter().find(|other| other.name == daemon.name);
        if let Some(found) = same.or(other) {
            return Ok(found.clone());
        }
        pause(10);
    }
}

fn each_daemon_can_be_killed() -> Outcome {
    let names = heir()?;
    let daemons = daemons::running()?;
    for name in SERVERS {
        let there = daemons.iter().any(|daemon| daemon.name == name);
        check!(there || FILES.contains(&name), "{name}");
    }
    for daemon in &daemons {
        let daemon = present(daemon)?;
        println!("killing {} ({})", daemon.name, daemon.pid);
        kill_and_wait(&names, &daemon)?;
    }
    // Whoever forks now finds them too.
    until_all_are_back(&heir()?);
    let root = names.open(b"/scheme/file", O_RDONLY | O_DIRECTORY)?;
    check!(root.open(b"", O_RDONLY | O_DIRECTORY).is_ok());
    Ok(())
}

/// The daemon of `file`.
fn of_the_files() -> core::result::Result<daemons::Daemon, Failure> {
    let found = daemons::running()?
        .into_iter()
        .find(|daemon| FILES.contains(&daemon.name.as_str()));
    found.ok_or(Failure::new(format_args!("no daemon serves files")))
}

fn a_daemon_is_killed_again_and_again() -> Outcome {
    let names = heir()?;
    for _ in 0..2 {
        kill_and_wait(&names, &of_the_files()?)?;
    }
    Ok(())
}

fn what_was_synced_outlives_its_daemon() -> Outcome {
    let names = heir()?;
    let file = names.open(b"/scheme/file/kept", O_CREAT | O_RDWR | 0o600)?;
    let mut wanted = vec![0; disk_image::KEPT];
    disk_image::fill(0, 0, &mut wanted);
    let mut done = 0;
    while let Some(rest) = wanted.get(done..).filter(|rest| !rest.is_empty()) {
        done += sys::write_at(file.raw(), rest, done as u64, None)?;
    }
    sys::fsync(file.raw())?;
    kill_and_wait(&names, &of_the_files()?)?;
    let file = open(&names, "/scheme/file/kept")?;
    let mut found = vec![0; wanted.len() + 1];
    check_eq!(file.read_full_at(&mut found, 0)?, wanted.len());
    check!(found.get(..wanted.len()) == Some(wanted.as_slice()));
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
