//! The environment of a session.

use alloc::{format, string::String, vec::Vec};

use crate::accounts::Account;

/// Where programs are looked for.
const PATH: &str = "/usr/bin:/bin";

/// The environment that a user's first program has, `NAME=value` each. What stands in the files is cut at
/// a NUL, which could not be passed on.
#[must_use]
pub fn environment(account: &Account, shell: &str, terminal: &str) -> Vec<String> {
    let values = [
        ("HOME", account.home.as_str()),
        ("SHELL", shell),
        ("USER", account.name.as_str()),
        ("LOGNAME", account.name.as_str()),
        ("PATH", PATH),
        ("TERM", terminal),
    ];
    let whole = |value: &str| value.chars().take_while(|c| *c != '\0').collect::<String>();
    let all = values.iter();
    all.map(|(name, value)| format!("{name}={}", whole(value)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_knows_whose_it_is() {
        let account = Account {
            name: "user".into(),
            uid: 1,
            gid: 2,
            home: "/home/us\0er".into(),
            shell: "/bin/sh".into(),
        };
        let all = environment(&account, "/bin/ion", "xterm");
        for wanted in [
            "HOME=/home/us",
            "SHELL=/bin/ion",
            "USER=user",
            "LOGNAME=user",
            "TERM=xterm",
        ] {
            assert!(all.iter().any(|line| line == wanted), "{wanted}: {all:?}");
        }
    }
}
