//! Places for cases, and processes that cases start.

use std::fs;
use std::io::ErrorKind;
use std::path::PathBuf;
use std::process::{Command, Output};

/// Where the file system under test is, `/tmp` unless TEST_DIR says something else.
pub fn base() -> PathBuf {
    std::env::var_os("TEST_DIR").map_or(PathBuf::from("/tmp"), PathBuf::from)
}

/// An empty directory for a case.
pub fn folder(name: &str) -> PathBuf {
    let path = base().join(format!("cap-{name}"));
    match fs::remove_dir_all(&path) {
        Err(e) if e.kind() != ErrorKind::NotFound => panic!("{}: {e}", path.display()),
        _ => {}
    }
    fs::create_dir_all(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    path
}

/// This program's file.
pub const PROGRAM: &str = "/scheme/initfs/bin/test-cap";

type Job = fn(&[String]) -> i32;

const JOBS: &[(&str, Job)] = &[
    ("true", |_| 0),
    ("resolve", crate::resolve::child),
    ("cwd", crate::cwd::child),
    ("full", crate::bad::child),
    ("roots", crate::roots::child),
    ("spawned", crate::spawn::child),
    ("log", crate::roots::log),
];

/// What this program does as a child: the exit code, or `None` when it is none.
pub fn child() -> Option<i32> {
    let mut args = std::env::args().skip(1);
    if args.next().as_deref() != Some("child") {
        return None;
    }
    let job = args.next()?;
    let rest: Vec<String> = args.collect();
    // A script that this program interprets is a job of its own.
    if job.starts_with('/') {
        return Some(SCRIPT);
    }
    let found = JOBS.iter().find(|(name, _)| *name == job);
    Some(found.map_or(99, |(_, run)| run(&rest)))
}

/// What interpreting a script comes to.
pub const SCRIPT: i32 = 42;

/// Runs a job in a process of its own.
pub fn run(job: &str, args: &[&str]) -> Output {
    let mut command = Command::new(PROGRAM);
    let output = command.args(["child", job]).args(args).output();
    output.unwrap_or_else(|e| panic!("{PROGRAM}: {e}"))
}

/// Runs a job in a process of its own, which must succeed.
#[track_caller]
pub fn succeeds(job: &str, args: &[&str]) {
    let output = run(job, args);
    assert!(
        output.status.success(),
        "{job} {args:?}: {}: {}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
}
