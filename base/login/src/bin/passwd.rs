//! `passwd USER`: sets a user's password. Whoever may write `/etc/shadow` may.
#![no_std]
#![no_main]

extern crate alloc;

use login::{Typed, ask_secretly, open_first, read, replace};
use login_core::{accounts, password};
use redox_rt::{eprintln, start::Start};
use syscall::flag::O_RDONLY;

redox_rt::entry!(main);

fn main(start: &Start) -> i32 {
    let name = start.arg(1).and_then(|name| name.to_str().ok());
    let Some(name) = name.filter(|name| accounts::is_name(name)) else {
        eprintln!("passwd: usage: passwd USER");
        return 2;
    };
    match change(name) {
        Ok(()) => 0,
        Err(why) => {
            eprintln!("passwd: {why}");
            1
        }
    }
}

enum Failure {
    System(&'static str, redox_rt::Error),
    Said(&'static str),
}

impl core::fmt::Display for Failure {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::System(what, error) => write!(f, "{what}: {error}"),
            Self::Said(what) => f.write_str(what),
        }
    }
}

fn change(name: &str) -> Result<(), Failure> {
    use Failure::{Said, System};
    let at = |what| move |error| System(what, error);
    let shadow = read("shadow").map_err(at("/etc/shadow"))?;
    if accounts::secret(&shadow, name).is_none() {
        return Err(Said("there is no such user"));
    }
    let ask = |prompt| match ask_secretly(prompt).map_err(at("the terminal"))? {
        Typed::Line(line) => Ok(line),
        Typed::Nonsense => Err(Said("that is no text, or too long")),
        Typed::End => Err(Said("given up")),
    };
    let new = ask("New password: ")?;
    if ask("Again: ")? != new {
        return Err(Said("the two are not the same; nothing is changed"));
    }
    let mut salt = [0; password::SALT];
    open_first(["/scheme/rand"], O_RDONLY)
        .and_then(|random| random.read_exact(&mut salt))
        .map_err(at("/scheme/rand"))?;
    let secret = password::hash_of(new.as_bytes(), &salt).ok_or(Said("there is no memory"))?;
    let shadow = accounts::with_secret(&shadow, name, &secret);
    let shadow = shadow.ok_or(Said("there is no such user"))?;
    replace("shadow", &shadow).map_err(at("/etc/shadow"))
}
