//! Becoming another user. `sud` decides (`login_core::elevation`); `su` and `sudo` ask it.
//!
//! The scheme `su` has one file, `ask`. Who opens it and writes a request becomes that user: it is the process that
//! writes whose identity is changed, by the process manager. Then `dup(file, "namespace")` gives it the namespace
//! that `/etc/login_schemes.toml` gives the user. So a namespace without `su` cannot, whatever passwords are known.
#![no_std]

extern crate alloc;

use alloc::{format, string::String, vec, vec::Vec};

use login::{Typed, ask_secretly, open_first, read_users};
use login_core::{
    accounts::{self, Account},
    elevation::{Request, Wish},
    environment,
};
use redox_rt::{
    Error, Fd, eprintln, exec, namespace, process, spawn,
    spawn::{Command, Image},
    start::Start,
    sys,
};
use syscall::{
    EACCES, EAGAIN, ENODEV, ENOENT, EPERM,
    flag::{O_DIRECTORY, O_RDONLY, O_RDWR},
};

/// The scheme's one file.
pub const FILE: &str = "ask";
const ASK: &[u8] = b"/scheme/su/ask";
/// What a descriptor of it is asked for afterwards.
pub const NAMESPACE: &[u8] = b"namespace";
const SHELLS: [&str; 2] = ["/bin/sh", "/scheme/initfs/bin/sh0"];
const FOLDERS: [&str; 3] = ["/usr/bin", "/bin", "/scheme/initfs/bin"];

/// Becomes a user and runs a command, or that user's shell. Answers an exit code if it does not come to that.
pub fn run(name: &str, wish: Wish, start: &Start, command: &[&[u8]]) -> i32 {
    match prepare(name, wish) {
        Ok(account) => {
            let error = begin(&account, start, command);
            eprintln!("{name}: {}: {error}", account.name);
            126
        }
        Err(why) => {
            eprintln!("{name}: {why}");
            1
        }
    }
}

fn prepare(name: &str, wish: Wish) -> core::result::Result<Account, String> {
    let said = |error: Error| match error.errno {
        EACCES => String::from("wrong password"),
        EAGAIN => String::from("a wrong password was tried just now; wait a little"),
        EPERM => String::from("you are not in the group `sudo`"),
        ENODEV | ENOENT => String::from("this namespace does not have `su`"),
        _ => format!("{error}"),
    };
    let ask = namespace::open(ASK, O_RDWR, sys::FD_ANY_UPPER).map(Fd::from_raw);
    let ask = ask.map_err(said)?;
    let is_root = process::credentials().is_ok_and(|own| own.euid == 0);
    let password = if is_root {
        String::new()
    } else {
        match ask_secretly("Password: ").map_err(|error| format!("the terminal: {error}"))? {
            Typed::Line(line) => line,
            Typed::Nonsense | Typed::End => return Err(String::from("no password")),
        }
    };
    let target = match &wish {
        Wish::Become(user) => user.clone(),
        Wish::Rule => String::from("root"),
    };
    let request = Request {
        wish,
        password: password.into_bytes(),
    };
    ask.write_exact(&request.to_bytes()).map_err(said)?;
    let names = ask.dup(NAMESPACE);
    names
        .and_then(namespace::set_namespace)
        .map_err(|error| format!("{name}: the namespace of {target}: {error}"))?;
    // What is asked through the current directory is to be judged by who this is now.
    if namespace::reopen_directory().is_err() {
        match open_first(["/"], O_RDONLY | O_DIRECTORY).and_then(namespace::set_directory) {
            Ok(()) => {
                eprintln!("{name}: the current directory is not {target}'s to search: now in /")
            }
            Err(_) => namespace::drop_directory(),
        }
    }
    let passwd = read_users("passwd").unwrap_or_default();
    accounts::find(&passwd, &target).ok_or_else(|| format!("{target}: there is no such user"))
}

/// Runs in this process's place. Comes back only with an error.
fn begin(account: &Account, start: &Start, command: &[&[u8]]) -> Error {
    let terminal = start
        .env()
        .find_map(|text| text.to_str().ok()?.strip_prefix("TERM="))
        .unwrap_or("xterm");
    let own = Some(account.shell.as_str()).filter(|shell| !shell.is_empty());
    let shells: Vec<&str> = own.into_iter().chain(SHELLS).collect();
    let paths: Vec<String> = match command.first() {
        None => shells.iter().map(|path| String::from(*path)).collect(),
        Some(name) => match core::str::from_utf8(name) {
            Ok(name) if name.contains('/') => vec![String::from(name)],
            Ok(name) => FOLDERS.map(|folder| format!("{folder}/{name}")).into(),
            Err(_) => return Error::new(syscall::EILSEQ),
        },
    };
    let (path, file) = match exec::find_program(&paths) {
        Ok(found) => found,
        Err(error) => return error,
    };
    let shell = shells.first().copied().unwrap_or("");
    let args: Vec<&[u8]> = if command.is_empty() {
        vec![shell.as_bytes()]
    } else {
        command.to_vec()
    };
    let variables = environment(account, shell, terminal);
    let variables: Vec<&[u8]> = variables.iter().map(String::as_bytes).collect();
    let first = args.first().copied().unwrap_or(b"");
    let base = first.rsplit(|byte| *byte == b'/').next().unwrap_or(first);
    exec::exec(&Command {
        image: Image::File(&file),
        path: path.as_bytes(),
        args: &args,
        env: &variables,
        grants: &[],
        inherited: &[],
        namespace: None,
        directory: None,
        process: None,
        auxv: &[],
        blobs: &[],
        attributes: spawn::attributes(base, 0),
    })
}
