//! The user files: `/etc/passwd`, `/etc/shadow` and `/etc/group`, as `redox_users` reads them.

use std::collections::BTreeMap;
use std::fmt::Write;

use crate::image::{Group, User};

/// The first number that is given to a user or group without one.
const FIRST: u32 = 1000;
/// What nobody's password hashes to.
const LOCKED: &str = "!";
/// The program after login of a user without one.
const SHELL: &str = "/bin/sh";

/// What is to be written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Files {
    /// `/etc/passwd`.
    pub passwd: String,
    /// `/etc/shadow`.
    pub shadow: String,
    /// `/etc/group`.
    pub group: String,
    /// Home directories with their owners.
    pub homes: Vec<Home>,
}

/// A home directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Home {
    /// Where.
    pub path: String,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
}

/// Two users, or two groups, have one number.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{kind} `{first}` and `{second}` both have number {number}")]
pub struct Clash {
    kind: &'static str,
    first: String,
    second: String,
    number: u32,
}

/// Writes the files. `hash` makes of a user's name and password what stands in the shadow file.
///
/// Without a password nobody can log in as a user; with an empty one everybody can. A user without a group is in
/// one of its own name, and a group that is named in the settings keeps its members.
pub fn files(
    users: &BTreeMap<String, User>,
    groups: &BTreeMap<String, Group>,
    mut hash: impl FnMut(&str, &str) -> String,
) -> Result<Files, Clash> {
    let mut files = Files::default();
    let mut uids = Numbers::new("users", users.iter().map(|(name, user)| (name, user.uid)))?;
    let mut gids = Numbers::new(
        "groups",
        groups.iter().map(|(name, group)| (name, group.gid)),
    )?;
    let mut all: BTreeMap<u32, (String, Vec<String>)> = BTreeMap::new();
    let mut numbers = BTreeMap::new();
    for (name, group) in groups {
        let gid = match group.gid {
            Some(gid) => gid,
            // Where it can be had: the number of the user of that name.
            None => gids.next(users.get(name).and_then(|user| user.gid.or(user.uid)), name),
        };
        numbers.insert(name.as_str(), gid);
        all.insert(gid, (name.clone(), group.members.clone()));
    }
    for (name, user) in users {
        let uid = user.uid.unwrap_or_else(|| uids.next(None, name));
        let gid = match (user.gid, numbers.get(name.as_str())) {
            (Some(gid), _) => gid,
            (None, Some(gid)) => *gid,
            (None, None) => gids.next(Some(uid), name),
        };
        let (_, members) = all.entry(gid).or_insert_with(|| (name.clone(), Vec::new()));
        if !members.contains(name) {
            members.push(name.clone());
        }
        let home = match (&user.home, uid) {
            (Some(home), _) => home.clone(),
            (None, 0) => "/root".to_owned(),
            (None, _) => format!("/home/{name}"),
        };
        let person = user.name.as_ref().unwrap_or(name);
        let shell = user.shell.as_deref().unwrap_or(SHELL);
        let secret = match user.password.as_deref() {
            None => LOCKED.to_owned(),
            Some("") => String::new(),
            Some(password) => hash(name, password),
        };
        // Writing to a string does not fail.
        let _ = writeln!(files.passwd, "{name};{uid};{gid};{person};{home};{shell}");
        let _ = writeln!(files.shadow, "{name};{secret}");
        files.homes.push(Home {
            path: home,
            uid,
            gid,
        });
    }
    for (gid, (name, members)) in all {
        let _ = writeln!(files.group, "{name};x;{gid};{}", members.join(","));
    }
    Ok(files)
}

/// Numbers that are taken.
struct Numbers(BTreeMap<u32, String>);

impl Numbers {
    fn new<'a>(
        kind: &'static str,
        given: impl Iterator<Item = (&'a String, Option<u32>)>,
    ) -> Result<Self, Clash> {
        let mut taken = BTreeMap::new();
        for (name, number) in given {
            let Some(number) = number else { continue };
            if let Some(first) = taken.insert(number, name.clone()) {
                return Err(Clash {
                    kind,
                    first,
                    second: name.clone(),
                    number,
                });
            }
        }
        Ok(Self(taken))
    }

    /// A free number: `wanted`, or else the next from [`FIRST`].
    fn next(&mut self, wanted: Option<u32>, name: &str) -> u32 {
        let free = |number: &u32| !self.0.contains_key(number);
        let number = wanted
            .filter(free)
            .or_else(|| (FIRST..=u32::MAX).find(free))
            .unwrap_or(u32::MAX);
        self.0.insert(number, name.to_owned());
        number
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(password: Option<&str>, uid: Option<u32>, gid: Option<u32>) -> User {
        User {
            password: password.map(str::to_owned),
            uid,
            gid,
            ..User::default()
        }
    }

    #[test]
    fn the_usual() {
        let users = BTreeMap::from([
            (
                "root".into(),
                User {
                    shell: Some("/bin/dash".into()),
                    ..user(Some("x"), Some(0), Some(0))
                },
            ),
            (
                "user".into(),
                User {
                    name: Some("A User".into()),
                    ..user(Some(""), None, None)
                },
            ),
            ("nobody".into(), user(None, Some(98), None)),
        ]);
        let groups = BTreeMap::from([(
            "sudo".into(),
            Group {
                gid: Some(1),
                members: vec!["user".into()],
            },
        )]);
        let files = files(&users, &groups, |name, password| {
            format!("{name}+{password}")
        })
        .unwrap();
        assert_eq!(
            files.passwd,
            "nobody;98;98;nobody;/home/nobody;/bin/sh\nroot;0;0;root;/root;/bin/dash\n\
             user;1000;1000;A User;/home/user;/bin/sh\n"
        );
        assert_eq!(files.shadow, "nobody;!\nroot;root+x\nuser;\n");
        assert_eq!(
            files.group,
            "root;x;0;root\nsudo;x;1;user\nnobody;x;98;nobody\nuser;x;1000;user\n"
        );
        assert_eq!(
            files.homes[2],
            Home {
                path: "/home/user".into(),
                uid: 1000,
                gid: 1000
            }
        );
    }

    #[test]
    fn numbers() {
        type Row<'a> = (&'a [(&'a str, Option<u32>, Option<u32>)], &'a str);
        let rows: &[Row] = &[
            (
                &[("a", None, None), ("b", None, None)],
                "a;1000;1000\nb;1001;1001\n",
            ),
            (
                &[("a", None, None), ("b", Some(1000), None)],
                "a;1001;1001\nb;1000;1000\n",
            ),
            (
                &[("a", Some(5), Some(7)), ("b", Some(7), None)],
                "a;5;7\nb;7;1000\n",
            ),
        ];
        for (given, expected) in rows {
            let users = given
                .iter()
                .map(|(n, u, g)| ((*n).to_owned(), user(None, *u, *g)))
                .collect();
            // A main group that a user names is not free for another's own.
            let groups = BTreeMap::from([(
                "seven".to_owned(),
                Group {
                    gid: Some(7),
                    members: vec![],
                },
            )]);
            let files = files(&users, &groups, |_, _| String::new()).unwrap();
            let ids: String = files
                .passwd
                .lines()
                .map(|line| line.split(';').take(3).collect::<Vec<_>>().join(";") + "\n")
                .collect();
            assert_eq!(&ids, expected);
        }
    }

    #[test]
    fn clashes() {
        let users = BTreeMap::from([
            ("a".into(), user(None, Some(5), None)),
            ("b".into(), user(None, Some(5), None)),
        ]);
        let error = files(&users, &BTreeMap::new(), |_, _| String::new()).unwrap_err();
        assert_eq!(error.to_string(), "users `a` and `b` both have number 5");
    }
}
