//! Processes: the program starts itself.

use std::io::{Read, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Command, Stdio};

use crate::{Case, same};

pub const CASES: &[Case] = &[
    ("status", status),
    ("executable_is_known", executable_is_known),
    ("output", output),
    ("input", input),
    ("environment_is_passed", environment_is_passed),
    ("absent_program", absent_program),
    ("killed_by_a_signal", killed_by_a_signal),
    ("aborted", aborted),
    ("current_dir_is_passed", current_dir_is_passed),
    ("pre_exec_runs", pre_exec_runs),
];

/// What this program does as a child: the exit code, or `None` when it is none.
pub fn child() -> Option<i32> {
    let mut args = std::env::args().skip(1);
    if args.next().as_deref() != Some("child") {
        return None;
    }
    match args.next().as_deref() {
        Some("exit") => args.next().and_then(|code| code.parse().ok()),
        Some("print") => {
            println!("to standard output");
            eprintln!("to standard error");
            Some(0)
        }
        Some("echo") => {
            let mut text = String::new();
            std::io::stdin().read_to_string(&mut text).ok()?;
            print!("{}", text.to_uppercase());
            Some(0)
        }
        Some("env") => {
            let vars: Vec<_> = std::env::vars().map(|(n, v)| format!("{n}={v}")).collect();
            print!("{}", vars.join(" "));
            Some(0)
        }
        Some("cwd") => {
            print!("{}", std::env::current_dir().ok()?.display());
            Some(0)
        }
        Some("exe") => {
            print!("{}", std::env::current_exe().ok()?.display());
            Some(0)
        }
        Some("wait") => loop {
            std::thread::park();
        },
        Some(job @ ("fifo-read" | "fifo-write")) => Some(crate::fifos::child(job, &args.next()?)),
        Some("abort") => std::process::abort(),
        _ => Some(99),
    }
}

pub fn this(job: &str) -> Command {
    let mut command = Command::new("/scheme/initfs/bin/test-std");
    command.args(["child", job]);
    command
}

fn status() {
    for code in [0, 1, 42, 255] {
        let status = this("exit").arg(code.to_string()).status().expect("status");
        same(status.code(), Some(code));
    }
}

fn executable_is_known() {
    let folder = "/scheme/initfs/bin";
    let run = |program: &str, job: &str| {
        let mut child = Command::new(program);
        let output = child.args(["child", job]).current_dir(folder).output();
        String::from_utf8_lossy(&output.expect("output").stdout).into_owned()
    };
    let path = "/scheme/initfs/bin/test-std";
    let here = run(path, "cwd");
    // As it was said: where `..` leads is known only while it is looked up.
    for (program, expected) in [
        (path, path.to_owned()),
        ("./test-std", format!("{here}/test-std")),
        (".././bin/test-std", format!("{here}/.././bin/test-std")),
    ] {
        same(run(program, "exe"), expected);
    }
}

fn output() {
    let output = this("print").output().expect("output");
    same(output.stdout.as_slice(), b"to standard output\n");
    same(output.stderr.as_slice(), b"to standard error\n");
}

fn input() {
    let mut child = this("echo")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("spawn");
    child
        .stdin
        .take()
        .expect("stdin")
        .write_all(b"lower case")
        .expect("write");
    let output = child.wait_with_output().expect("wait");
    same(output.stdout.as_slice(), b"LOWER CASE");
}

fn environment_is_passed() {
    let output = this("env")
        .env_clear()
        .env("A", "1")
        .env("B", "two")
        .output()
        .expect("output");
    same(output.stdout.as_slice(), b"A=1 B=two");
}

fn absent_program() {
    let error = Command::new("/no/such/program")
        .spawn()
        .err()
        .map(|e| e.kind());
    same(error, Some(std::io::ErrorKind::NotFound));
}

fn killed_by_a_signal() {
    let mut child = this("wait").spawn().expect("spawn");
    child.kill().expect("kill");
    same(child.wait().expect("wait").signal(), Some(9));
}

fn aborted() {
    let status = this("abort").stderr(Stdio::null()).status();
    // Without a null device standard error stays.
    let status = status.or_else(|_| this("abort").status()).expect("status");
    same(status.signal(), Some(6));
}

fn current_dir_is_passed() {
    let Ok(here) = std::env::current_dir() else {
        panic!("no current directory");
    };
    let output = this("cwd").output().expect("output");
    same(
        String::from_utf8_lossy(&output.stdout).into_owned(),
        here.display().to_string(),
    );
}

fn pre_exec_runs() {
    let (mut reader, writer) = std::io::pipe().expect("pipe");
    let mut command = this("exit");
    command.arg("0");
    let mut end = writer.try_clone().expect("try_clone");
    // SAFETY: a write to a pipe may be done between fork and exec.
    unsafe { command.pre_exec(move || end.write_all(b"x")) };
    same(command.status().expect("status").code(), Some(0));
    drop((command, writer));
    let mut text = Vec::new();
    reader.read_to_end(&mut text).expect("read");
    same(text.as_slice(), b"x");
}
