//! Runs a program with exactly the schemes and directories that are named.
//!
//! The program gets a namespace that was made for it, and can neither change it nor make schemes;
//! its standard input, output and error, without the rights that a directory gives; and a place among
//! the processes from which it reaches only those that it starts. What the arguments mean is decided in
//! `contain-core`.
#![no_std]
#![no_main]

extern crate alloc;

mod child;
mod world;

use alloc::{format, string::String, vec::Vec};
use core::ffi::CStr;

use contain_core::{Asked, Plan};
use redox_rt::{Error, Fd, eprintln, exec, println, start::Start};

redox_rt::entry!(main);

/// `contain` itself has failed.
const FAILED: i32 = 125;
const CANNOT_RUN: i32 = 126;
const NOT_FOUND: i32 = 127;

/// What went wrong, and the exit status that says so.
pub struct Failure {
    status: i32,
    message: String,
}

impl Failure {
    /// Something that `contain` does failed.
    pub fn own(what: impl core::fmt::Display, error: Error) -> Self {
        Self::said(format!("{what}: {error}"))
    }

    /// The same, in words.
    pub const fn said(message: String) -> Self {
        Self {
            status: FAILED,
            message,
        }
    }

    /// The command is not there, or cannot be run.
    pub fn command(name: &[u8], error: Error) -> Self {
        let status = match error.errno {
            syscall::ENOENT | syscall::ENODEV => NOT_FOUND,
            _ => CANNOT_RUN,
        };
        let what = match error.errno {
            syscall::ENOEXEC => "this is no program that can be loaded",
            syscall::ENOENT | syscall::ENODEV => "there is no such command",
            _ => "",
        };
        let name = name.escape_ascii();
        let message = if what.is_empty() {
            format!("{name}: {error}")
        } else {
            format!("{name}: {what}")
        };
        Self { status, message }
    }
}

fn main(start: &Start) -> i32 {
    let args: Vec<&[u8]> = start.args().skip(1).map(CStr::to_bytes).collect();
    let plan = match contain_core::parse(&args) {
        Ok(Asked::Run(plan)) => plan,
        Ok(Asked::Help) => {
            println!("{}", contain_core::HELP.trim_end());
            return 0;
        }
        Err(wrong) => {
            eprintln!("contain: {wrong}; `contain --help` tells more");
            return FAILED;
        }
    };
    run(&plan, start).unwrap_or_else(|failure| {
        eprintln!("contain: {}", failure.message);
        failure.status
    })
}

fn run(plan: &Plan<'_>, start: &Start) -> Result<i32, Failure> {
    let world = world::World::make(plan)?;
    let name = plan.command.first().copied().unwrap_or_default();
    let (path, program) = find(name, start)?;
    if plan.dry_run {
        println!("command:   {}", path.escape_ascii());
        world.show();
        for variable in &plan.env {
            println!("variable:  {}", variable.escape_ascii());
        }
        return Ok(0);
    }
    child::run(plan, &world, &program, &path)
}

/// Finds a command as a shell does.
fn find(name: &[u8], start: &Start) -> Result<(Vec<u8>, Fd), Failure> {
    const USUAL: &[u8] = b"/usr/bin:/bin:/scheme/initfs/bin";
    if name.contains(&b'/') {
        return exec::open_program(name)
            .map(|file| (name.to_vec(), file))
            .map_err(|error| Failure::command(name, error));
    }
    let path = start
        .env()
        .find_map(|variable| variable.to_bytes().strip_prefix(b"PATH="))
        .unwrap_or(USUAL);
    let paths = path.split(|byte| *byte == b':').map(|folder| {
        let folder = if folder.is_empty() { b"." } else { folder };
        [folder, b"/", name].concat()
    });
    exec::find_program(paths).map_err(|error| Failure::command(name, error))
}
