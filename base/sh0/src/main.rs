//! A small shell for the console, for as long as there is no other.
//!
//! It has what it was given: a namespace, a current directory, a terminal or the bare console. What it runs
//! gets the same; on a terminal each command is a process group of its own, in the foreground.
#![no_std]
#![no_main]

extern crate alloc;

mod builtin;
mod console;
mod job;
mod run;

use alloc::{string::String, vec::Vec};

use redox_rt::{namespace, println, start::Start, sys};

redox_rt::entry!(main);

/// What the shell knows.
pub struct Shell {
    /// The current directory's text, for showing.
    directory: String,
    /// The last command's exit code.
    status: u8,
}

fn main(start: &Start) -> i32 {
    let mut shell = Shell {
        directory: directory(),
        status: 0,
    };
    // A command line of its own: `sh0 -c 'COMMAND'`, for scripts and tests.
    let mut args = start.args().skip(1).map(core::ffi::CStr::to_bytes);
    if args.next() == Some(b"-c") {
        for line in args {
            if let Some(code) = shell.line(line) {
                return i32::from(code);
            }
        }
        return i32::from(shell.status);
    }
    println!("Cuprite. `help` lists what this shell knows.");
    job::take_terminal();
    let mut console = console::Console::new();
    loop {
        let prompt = alloc::format!("{} # ", shell.directory);
        let Some(line) = console.line(&prompt) else {
            return i32::from(shell.status);
        };
        if let Some(code) = shell.line(&line) {
            return i32::from(code);
        }
    }
}

/// What the current directory is called.
fn directory() -> String {
    let mut buffer = [0; 1024];
    let path = namespace::directory().and_then(|fd| {
        let len = sys::fpath(fd, &mut buffer).ok()?;
        core::str::from_utf8(buffer.get(..len)?).ok()
    });
    let path = path.unwrap_or("/");
    match path.strip_prefix("/scheme/file") {
        Some("") => String::from("/"),
        Some(rest) if rest.starts_with('/') => String::from(rest),
        _ => String::from(path),
    }
}

impl Shell {
    /// Runs a line; answers an exit code if it ends the shell.
    fn line(&mut self, line: &[u8]) -> Option<u8> {
        let parsed = core::str::from_utf8(line).map(sh0_core::parse);
        let command = match parsed {
            Ok(Ok(command)) => command,
            Ok(Err(sh0_core::Error::Quote)) => return self.refuse("a quotation mark is missing"),
            Ok(Err(sh0_core::Error::Output)) => return self.refuse("one file belongs behind `>`"),
            Err(_) => return self.refuse("the line is not UTF-8"),
        };
        let words: Vec<&str> = command.words.iter().map(String::as_str).collect();
        let (name, args) = words.split_first()?;
        if *name == "exit" {
            let code = args.first().and_then(|code| code.parse().ok());
            return Some(code.unwrap_or(self.status));
        }
        let output = command.output.as_ref();
        let done = run::with_output(output, |out| match builtin::run(self, name, args, out) {
            Some(done) => done.map(|()| 0),
            None => run::program(name, args, out),
        });
        self.status = match done {
            Ok(code) => code,
            Err(failure) => {
                redox_rt::eprintln!("{name}: {failure}");
                1
            }
        };
        None
    }

    fn refuse(&mut self, why: &str) -> Option<u8> {
        redox_rt::eprintln!("sh0: {why}");
        self.status = 2;
        None
    }
}
