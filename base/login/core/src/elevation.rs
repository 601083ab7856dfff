//! Becoming somebody else: who may, and how often it is tried.
//!
//! `su` takes the password of whom it becomes; `sudo` takes one's own, and membership in the group [`GROUP`]. The
//! superuser needs neither.

use alloc::{
    collections::BTreeMap,
    string::{String, ToString},
    vec::Vec,
};

use relibc_core::users;

use crate::{
    Failures,
    accounts::{self, Account},
    identity::Names,
};

/// Whose members may do everything by their own password.
pub const GROUP: &[u8] = b"sudo";
/// How many users' failures are remembered, by whose password; more are refused until some are forgotten.
const REMEMBERED: usize = 1024;

/// What somebody wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wish {
    /// To be this user, whose password it is.
    Become(String),
    /// To be the superuser; the password is one's own.
    Rule,
}

/// A wish with its password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// What is wanted.
    pub wish: Wish,
    /// The password.
    pub password: Vec<u8>,
}

/// The files about users.
#[derive(Clone, Copy, Debug)]
pub struct Files<'a> {
    /// `/etc/passwd`.
    pub passwd: &'a [u8],
    /// `/etc/shadow`.
    pub shadow: &'a [u8],
    /// `/etc/group`.
    pub group: &'a [u8],
}

/// Why not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The password is wrong, or there is no such user.
    Wrong,
    /// A wrong password was tried too short a time ago.
    TooSoon,
    /// Not in the group.
    NotAllowed,
}

impl Request {
    /// As bytes: the user's name, nothing for [`Wish::Rule`], then NUL and the password.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let name = match &self.wish {
            Wish::Become(name) => name.as_str(),
            Wish::Rule => "",
        };
        let mut bytes = Vec::from(name.as_bytes());
        bytes.push(0);
        bytes.extend_from_slice(&self.password);
        bytes
    }

    /// From bytes.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let end = bytes.iter().position(|byte| *byte == 0)?;
        let (name, rest) = bytes.split_at_checked(end)?;
        let name = core::str::from_utf8(name).ok()?;
        let wish = match name {
            "" => Wish::Rule,
            name if accounts::is_name(name) => Wish::Become(name.to_string()),
            _ => return None,
        };
        Some(Self {
            wish,
            password: Vec::from(rest.get(1..)?),
        })
    }
}

/// Decides, and remembers who has failed.
#[derive(Debug, Default)]
pub struct Gate {
    /// By user and by whose password it was that they did not know (empty: nobody's): failures so far, and the
    /// second before which nothing is tried. Who knows one password is not forgiven the guesses at another.
    failures: BTreeMap<(u32, String), (Failures, u64)>,
}

impl Gate {
    /// Nobody has failed.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            failures: BTreeMap::new(),
        }
    }

    /// Whom a user becomes who asks at this second. `is_right` compares a secret, if there is one, with a password.
    ///
    /// # Errors
    /// [`Refusal`].
    pub fn decide(
        &mut self,
        uid: u32,
        request: &Request,
        files: &Files<'_>,
        now: u64,
        is_right: impl FnOnce(Option<&str>, &[u8]) -> bool,
    ) -> Result<Account, Refusal> {
        let names = Names {
            passwd: files.passwd,
            group: files.group,
        };
        let (target, by) = match &request.wish {
            Wish::Become(name) => (Some(name.clone()), Some(name.clone())),
            Wish::Rule => (names.user(0), names.user(uid)),
        };
        let account = target.and_then(|name| accounts::find(files.passwd, &name));
        if uid == 0 {
            return account.ok_or(Refusal::Wrong);
        }
        if request.wish == Wish::Rule && !may_rule(files.group, by.as_deref()) {
            return Err(Refusal::NotAllowed);
        }
        let known = by.filter(|by| accounts::find(files.passwd, by).is_some());
        let secret = known
            .as_deref()
            .and_then(|by| accounts::secret(files.shadow, by));
        let who = (uid, known.unwrap_or_default());
        if self
            .failures
            .get(&who)
            .is_some_and(|(_, until)| now < *until)
        {
            return Err(Refusal::TooSoon);
        }
        // A user that there is not takes as long as one that there is.
        let right = is_right(secret, &request.password);
        match account.filter(|_| right) {
            Some(account) => {
                self.failures.remove(&who);
                Ok(account)
            }
            None => Err(self.failed(who, now)),
        }
    }

    fn failed(&mut self, who: (u32, String), now: u64) -> Refusal {
        if self.failures.len() >= REMEMBERED && !self.failures.contains_key(&who) {
            self.failures.retain(|_, (_, until)| now < *until);
            if self.failures.len() >= REMEMBERED {
                return Refusal::TooSoon;
            }
        }
        let (failures, until) = self.failures.entry(who).or_default();
        *until = now.saturating_add(failures.another().into());
        Refusal::Wrong
    }
}

fn may_rule(group: &[u8], name: Option<&str>) -> bool {
    let lines = group.split(|byte| *byte == b'\n');
    let group = lines.filter_map(users::group).find(|g| g.name == GROUP);
    let (Some(group), Some(name)) = (group, name) else {
        return false;
    };
    let mut members = group.members();
    members.any(|member| member == name.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILES: Files<'_> = Files {
        passwd:
            b"root;0;0;;/root;/bin/sh\nann;10;10;;/home/ann;/bin/sh\nbob;11;11;;/home/bob;/bin/sh\n",
        shadow: b"root;r\nann;a\nbob;b\n",
        group: b"sudo;x;27;ann,eve\nother;x;28;bob\n",
    };

    fn ask(
        gate: &mut Gate,
        uid: u32,
        name: &str,
        password: &str,
        now: u64,
    ) -> Result<u32, Refusal> {
        let wish = if name.is_empty() {
            Wish::Rule
        } else {
            Wish::Become(name.to_string())
        };
        let request = Request {
            wish,
            password: password.as_bytes().to_vec(),
        };
        let right = |secret: Option<&str>, typed: &[u8]| secret.map(str::as_bytes) == Some(typed);
        let account = gate.decide(uid, &request, &FILES, now, right);
        account.map(|account| account.uid)
    }

    #[test]
    fn who_may_become_whom() {
        let wrong = Err(Refusal::Wrong);
        let rows = [
            // Who, whom, by which password.
            (10, "root", "r", Ok(0)),
            (10, "root", "a", wrong),
            (10, "bob", "b", Ok(11)),
            (10, "eve", "", wrong),
            (0, "bob", "", Ok(11)),
            (0, "eve", "", wrong),
            (10, "", "a", Ok(0)),
            (10, "", "r", wrong),
            (11, "", "b", Err(Refusal::NotAllowed)),
            (11, "", "r", Err(Refusal::NotAllowed)),
            (99, "", "", Err(Refusal::NotAllowed)),
            (99, "ann", "a", Ok(10)),
            (0, "", "", Ok(0)),
        ];
        for (uid, name, password, wanted) in rows {
            let got = ask(&mut Gate::new(), uid, name, password, 0);
            assert_eq!(got, wanted, "{uid} {name} {password}");
        }
    }

    #[test]
    fn who_fails_waits_longer_each_time() {
        let mut gate = Gate::new();
        let mut now = 100;
        for wait in [1, 2, 4, 8] {
            assert_eq!(ask(&mut gate, 10, "root", "x", now), Err(Refusal::Wrong));
            let soon = ask(&mut gate, 10, "root", "r", now + wait - 1);
            assert_eq!(soon, Err(Refusal::TooSoon));
            // Others do not wait for it.
            assert_eq!(ask(&mut gate, 11, "root", "r", now), Ok(0));
            now += wait;
        }
        assert_eq!(ask(&mut gate, 10, "root", "r", now), Ok(0));
        assert_eq!(ask(&mut gate, 10, "root", "x", now), Err(Refusal::Wrong));
        assert_eq!(ask(&mut gate, 10, "root", "r", now + 1), Ok(0), "forgiven");
        // One's own password makes guesses at another's no cheaper.
        now += 10;
        assert_eq!(ask(&mut gate, 10, "root", "x", now), Err(Refusal::Wrong));
        assert_eq!(ask(&mut gate, 10, "ann", "a", now), Ok(10));
        assert_eq!(
            ask(&mut gate, 10, "root", "x", now + 1),
            Err(Refusal::Wrong)
        );
        assert_eq!(
            ask(&mut gate, 10, "root", "x", now + 2),
            Err(Refusal::TooSoon)
        );
    }

    #[test]
    fn what_is_remembered_has_a_limit() {
        let mut gate = Gate::new();
        for uid in 1..=REMEMBERED as u32 {
            assert_eq!(ask(&mut gate, uid, "root", "x", 0), Err(Refusal::Wrong));
        }
        let another = REMEMBERED as u32 + 1;
        let soon = Err(Refusal::TooSoon);
        assert_eq!(ask(&mut gate, another, "root", "x", 0), soon);
        let wrong = Err(Refusal::Wrong);
        assert_eq!(ask(&mut gate, another, "root", "x", 1), wrong);
    }

    #[test]
    fn requests_are_bytes() {
        for (name, password) in [("root", "p\0w"), ("", ""), ("a.b", "x")] {
            let wish = if name.is_empty() {
                Wish::Rule
            } else {
                Wish::Become(name.to_string())
            };
            let request = Request {
                wish,
                password: password.as_bytes().to_vec(),
            };
            assert_eq!(Request::parse(&request.to_bytes()), Some(request));
        }
        for bytes in [&b""[..], b"root", b"a b\0", b"-x\0", b"\xff\0"] {
            assert_eq!(Request::parse(bytes), None, "{}", bytes.escape_ascii());
        }
    }
}
