//! The namespace that a user has.

use login_core::{
    accounts::Account,
    schemes::{self, NARROWEST, Schemes},
};
use nsmgr_api::ForkFlags;
use redox_rt::{Error, Fd, Result, eprintln, namespace, sys};
use syscall::ENOENT;

use crate::files::read_text;

const FILE: &str = "login_schemes.toml";

/// The user's namespace, forked from this process's; the user is charged for it. If what the file says cannot
/// be had, it is the narrowest one; `program` says so on descriptor 2.
///
/// # Errors
/// Those of forking it.
pub fn namespace_of(program: &str, account: &Account) -> Result<Fd> {
    let said = match read_text(FILE) {
        Ok(text) => schemes::parse(&text).unwrap_or_else(|error| {
            eprintln!("{program}: /etc/{FILE}: {error}");
            Schemes::default()
        }),
        Err(error) => {
            eprintln!("{program}: /etc/{FILE}: {error}");
            Schemes::default()
        }
    };
    fork(account.uid, &said.of(&account.name)).or_else(|error| {
        eprintln!("{program}: the namespace of {}: {error}", account.name);
        fork(account.uid, &NARROWEST)
    })
}

fn fork(user: u32, names: &[&str]) -> Result<Fd> {
    let own = namespace::namespace().ok_or(Error::new(ENOENT))?;
    let names = names.iter().map(|name| name.as_bytes());
    let payload = nsmgr_api::fork_for_payload(user, ForkFlags::SKIP_UNKNOWN, names);
    sys::dup(own, &payload, sys::FD_ANY_UPPER).map(Fd::from_raw)
}
