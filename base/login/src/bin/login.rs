//! `login`: asks who is at the terminal that is its standard input, and becomes that user's session.
//!
//! The session's leader is this process from the beginning to the end: the shell runs in its place. It
//! has the namespace that `/etc/login_schemes.toml` gives the user, and nothing of the one that `login`
//! had.
#![no_std]
#![no_main]

extern crate alloc;

use alloc::{format, string::String, vec::Vec};

use login::{Typed, ask, ask_secretly, namespace_of, open_first, read_text, read_users};
use login_core::{
    Failures,
    accounts::{self, Account},
    environment, password,
};
use redox_rt::{
    Error, Fd, Result, eprintln, exec, io, namespace, process, spawn,
    spawn::{Command, Image},
    start::Start,
    sys, terminal,
};
use syscall::{
    EINTR, TimeSpec,
    flag::{O_DIRECTORY, O_RDONLY},
};

redox_rt::entry!(main);

/// The shell of somebody whose own is not there.
const SHELLS: [&str; 2] = ["/bin/sh", "/scheme/initfs/bin/sh0"];
/// The directory of somebody whose own is not there.
const HOMES: [&str; 2] = ["/", "/scheme/initfs/"];
/// What terminals are taken for.
const TERM: &str = "xterm";

fn main(_: &Start) -> i32 {
    // It leads a session already if whoever started it has seen to that.
    let _ = process::new_session();
    if let Err(error) = terminal::acquire(0) {
        eprintln!("login: taking the terminal: {error}");
        return 1;
    }
    match identify() {
        Ok(Some((account, failures))) => {
            greet(failures);
            let error = begin(&account);
            eprintln!("login: {}: {error}", account.name);
            1
        }
        Ok(None) => 0,
        Err(error) => {
            eprintln!("login: {error}");
            1
        }
    }
}

/// Asks until somebody is who they say; `None` at the end of input.
fn identify() -> Result<Option<(Account, Failures)>> {
    let mut failures = Failures::new();
    show("issue");
    loop {
        let name = match ask("login: ")? {
            Typed::Line(name) if name.is_empty() => continue,
            Typed::Line(name) => name,
            Typed::Nonsense => String::new(),
            Typed::End => return Ok(None),
        };
        let shadow = read_users("shadow").unwrap_or_default();
        let account = Some(name.as_str())
            .filter(|name| accounts::is_name(name))
            .and_then(|name| accounts::find(&read_users("passwd").unwrap_or_default(), name));
        let secret = account
            .as_ref()
            .and_then(|account| accounts::secret(&shadow, &account.name));
        let typed = match secret {
            Some("") => Typed::Line(String::new()),
            _ => ask_secretly("Password: ")?,
        };
        let right = match typed {
            Typed::Line(typed) => password::is_right(secret, typed.as_bytes()),
            Typed::Nonsense => false,
            Typed::End => return Ok(None),
        };
        match account {
            Some(account) if right => return Ok(Some((account, failures))),
            _ => sleep(failures.another()),
        }
        io::print(1, format_args!("Login incorrect\n"));
    }
}

fn sleep(seconds: u32) {
    let mut left = TimeSpec {
        tv_sec: seconds.into(),
        tv_nsec: 0,
    };
    while let Err((error, rest)) = sys::nanosleep(&left)
        && error.errno == EINTR
    {
        left = rest;
    }
}

/// Shows a file, if there is one.
fn show(name: &str) {
    if let Ok(text) = read_text(name) {
        io::print(1, format_args!("{text}"));
    }
}

fn greet(failures: Failures) {
    match failures.count() {
        0 => {}
        1 => io::print(1, format_args!("An attempt before this one failed.\n")),
        count => io::print(
            1,
            format_args!("{count} attempts before this one failed.\n"),
        ),
    }
    show("motd");
}

/// Becomes the session. Comes back only with an error.
fn begin(account: &Account) -> Error {
    match prepare(account) {
        Ok((shell, path)) => {
            let base = path.rsplit('/').next().unwrap_or(&path);
            let name = format!("-{base}");
            let variables = environment(account, &path, TERM);
            let variables: Vec<&[u8]> = variables.iter().map(String::as_bytes).collect();
            exec::exec(&Command {
                image: Image::File(&shell),
                path: path.as_bytes(),
                args: &[name.as_bytes()],
                env: &variables,
                grants: &[],
                inherited: &[],
                namespace: None,
                directory: None,
                process: None,
                auxv: &[],
                blobs: &[],
                attributes: spawn::attributes(base.as_bytes(), 0),
            })
        }
        Err(error) => error,
    }
}

/// Gives up everything that the user is not to have; answers the shell and its path.
fn prepare(account: &Account) -> Result<(Fd, String)> {
    let names = namespace_of("login", account)?;
    // The terminal is the user's while the session lasts. What is no terminal has no owner to change.
    let _ = sys::fchown(0, account.uid, account.gid);
    namespace::set_namespace(names)?;
    namespace::drop_directory();
    let (user, group) = (Some(account.uid), Some(account.gid));
    process::set_ids([user, user, user, group, group, group])?;
    let flags = O_RDONLY | O_DIRECTORY;
    let home = match open_first([account.home.as_str()], flags) {
        Ok(home) => home,
        Err(error) => {
            eprintln!("login: {}: {error}", account.home);
            open_first(HOMES, flags)?
        }
    };
    namespace::set_directory(home)?;
    let own = Some(account.shell.as_str()).filter(|shell| !shell.is_empty());
    let (path, shell) = exec::find_program(own.into_iter().chain(SHELLS))?;
    Ok((shell, String::from(path)))
}
