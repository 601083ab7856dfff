//! Who somebody is, in words: what `id`, `groups` and `whoami` say.

use alloc::{
    format,
    string::{String, ToString},
    vec::Vec,
};

use relibc_core::users;

/// What the files say about users and groups.
#[derive(Clone, Copy, Debug)]
pub struct Names<'a> {
    /// `/etc/passwd`.
    pub passwd: &'a [u8],
    /// `/etc/group`.
    pub group: &'a [u8],
}

/// The numbers of a process, or those that a user's first process has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Numbers {
    /// Real user.
    pub ruid: u32,
    /// Effective user.
    pub euid: u32,
    /// Real group.
    pub rgid: u32,
    /// Effective group.
    pub egid: u32,
}

/// What is to be said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum What {
    #[default]
    Everything,
    User,
    Group,
    Groups,
}

/// The arguments of `id`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Asked<'a> {
    what: What,
    names: bool,
    real: bool,
    /// Of whom; else of the process that asks.
    pub user: Option<&'a str>,
}

fn lines(file: &[u8]) -> impl Iterator<Item = &[u8]> {
    file.split(|byte| *byte == b'\n')
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

impl<'a> Names<'a> {
    /// A user's name.
    #[must_use]
    pub fn user(&self, uid: u32) -> Option<String> {
        let found = lines(self.passwd).filter_map(users::user);
        let mut found = found.filter(|user| user.uid == uid);
        found.next().map(|user| text(user.name))
    }

    /// A group's name.
    fn group(&self, gid: u32) -> Option<String> {
        let found = lines(self.group).filter_map(users::group);
        let mut found = found.filter(|group| group.gid == gid);
        found.next().map(|group| text(group.name))
    }

    /// The numbers that a user has after logging in.
    #[must_use]
    pub fn numbers(&self, name: &str) -> Option<Numbers> {
        let user = lines(self.passwd)
            .filter_map(users::user)
            .find(|user| user.name == name.as_bytes())?;
        Some(Numbers {
            ruid: user.uid,
            euid: user.uid,
            rgid: user.gid,
            egid: user.gid,
        })
    }

    /// The numbers of the groups that a user is in, the own one first.
    fn groups(&self, uid: u32, own: u32) -> Vec<u32> {
        let mut all = Vec::from([own]);
        if let Some(name) = self.user(uid) {
            let member = |group: &users::Group<'_>| {
                let mut members = group.members();
                members.any(|member| member == name.as_bytes())
            };
            let groups = lines(self.group).filter_map(users::group).filter(member);
            for group in groups {
                if !all.contains(&group.gid) {
                    all.push(group.gid);
                }
            }
        }
        all
    }

    /// The names of a user's groups, as `groups` says them; the number of one that has none.
    #[must_use]
    pub fn group_names(&self, numbers: Numbers) -> String {
        let asked = Asked {
            what: What::Groups,
            names: true,
            ..Asked::default()
        };
        asked.answer(self, numbers)
    }
}

impl<'a> Asked<'a> {
    /// From the arguments of `id`.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn parse(args: impl Iterator<Item = &'a str>) -> Result<Self, String> {
        let mut asked = Self::default();
        for arg in args {
            let letters = arg.strip_prefix('-').filter(|rest| !rest.is_empty());
            let Some(letters) = letters else {
                if asked.user.replace(arg).is_some() {
                    return Err(format!("`{arg}`: more than one user"));
                }
                continue;
            };
            for letter in letters.chars() {
                let what = match letter {
                    'u' => What::User,
                    'g' => What::Group,
                    'G' => What::Groups,
                    'n' => {
                        asked.names = true;
                        continue;
                    }
                    'r' => {
                        asked.real = true;
                        continue;
                    }
                    _ => return Err(format!("-{letter}: no such option")),
                };
                if asked.what != What::Everything && asked.what != what {
                    return Err("only one of -u, -g and -G".to_string());
                }
                asked.what = what;
            }
        }
        if asked.what == What::Everything && (asked.names || asked.real) {
            return Err("-n and -r need one of -u, -g and -G".to_string());
        }
        Ok(asked)
    }

    /// What is said about somebody with these numbers.
    #[must_use]
    pub fn answer(&self, names: &Names<'_>, numbers: Numbers) -> String {
        let Numbers {
            ruid,
            euid,
            rgid,
            egid,
        } = numbers;
        let say = |number: u32, name: Option<String>| match name {
            Some(name) if self.names => name,
            _ => number.to_string(),
        };
        let (uid, gid) = if self.real {
            (ruid, rgid)
        } else {
            (euid, egid)
        };
        let groups = names.groups(ruid, egid);
        match self.what {
            What::User => say(uid, names.user(uid)),
            What::Group => say(gid, names.group(gid)),
            What::Groups => {
                let all = groups.iter().map(|gid| say(*gid, names.group(*gid)));
                all.collect::<Vec<_>>().join(" ")
            }
            What::Everything => {
                let both = |number: u32, name: Option<String>| match name {
                    Some(name) => format!("{number}({name})"),
                    None => number.to_string(),
                };
                let mut said = Vec::from([
                    format!("uid={}", both(ruid, names.user(ruid))),
                    format!("gid={}", both(rgid, names.group(rgid))),
                ]);
                if euid != ruid {
                    said.push(format!("euid={}", both(euid, names.user(euid))));
                }
                if egid != rgid {
                    said.push(format!("egid={}", both(egid, names.group(egid))));
                }
                let all = groups.iter().map(|gid| both(*gid, names.group(*gid)));
                said.push(format!("groups={}", all.collect::<Vec<_>>().join(",")));
                said.join(" ")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: Names<'_> = Names {
        passwd: b"root;0;0;root;/root;/bin/sh\nuser;1000;1001;A User;/home/user;/bin/sh\n",
        group: b"root;x;0;root\nuser;x;1001;\nsudo;x;27;root,user\naudio;x;29;users\n",
    };

    const USER: Numbers = Numbers {
        ruid: 1000,
        euid: 1000,
        rgid: 1001,
        egid: 1001,
    };

    #[test]
    fn somebody_is_said() {
        let other = Numbers {
            ruid: 7,
            euid: 0,
            rgid: 8,
            egid: 0,
        };
        let rows = [
            (
                "",
                USER,
                "uid=1000(user) gid=1001(user) groups=1001(user),27(sudo)",
            ),
            (
                "",
                other,
                "uid=7 gid=8 euid=0(root) egid=0(root) groups=0(root)",
            ),
            ("-u", USER, "1000"),
            ("-un", USER, "user"),
            ("-u -r", other, "7"),
            ("-n -r -u", other, "7"),
            ("-u", other, "0"),
            ("-g", USER, "1001"),
            ("-gn", other, "root"),
            ("-gr", other, "8"),
            ("-G", USER, "1001 27"),
            ("-Gn", USER, "user sudo"),
        ];
        for (args, numbers, wanted) in rows {
            let asked = Asked::parse(args.split_ascii_whitespace()).unwrap();
            assert_eq!(asked.answer(&NAMES, numbers), wanted, "{args}");
        }
        assert_eq!(NAMES.group_names(USER), "user sudo");
        assert_eq!(NAMES.numbers("user"), Some(USER));
        assert_eq!(NAMES.numbers("use"), None);
        assert_eq!(NAMES.user(0).as_deref(), Some("root"));
        assert_eq!(NAMES.user(1), None);
    }

    #[test]
    fn arguments_are_understood_or_refused() {
        let parse = |args: &'static str| Asked::parse(args.split_ascii_whitespace());
        assert_eq!(parse("-u root").unwrap().user, Some("root"));
        for args in ["-x", "-ug", "-u -G", "-n", "-r", "a b"] {
            assert!(parse(args).is_err(), "{args}");
        }
    }
}
