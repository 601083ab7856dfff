//! The user files.

use alloc::{string::String, vec::Vec};

/// Longest login name.
const LONGEST: usize = 32;

/// What `/etc/passwd` says of a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// The login name.
    pub name: String,
    /// Its number.
    pub uid: u32,
    /// The number of its group.
    pub gid: u32,
    /// The home directory.
    pub home: String,
    /// The program that a login starts.
    pub shell: String,
}

/// Whether something that was typed can be a login name.
#[must_use]
pub fn is_name(name: &str) -> bool {
    let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    !name.is_empty() && name.len() <= LONGEST && !name.starts_with('-') && name.chars().all(good)
}

fn lines(file: &[u8]) -> impl Iterator<Item = &[u8]> {
    file.split(|byte| *byte == b'\n')
}

/// Finds a user in `/etc/passwd`.
#[must_use]
pub fn find(passwd: &[u8], name: &str) -> Option<Account> {
    let user = lines(passwd)
        .filter_map(relibc_core::users::user)
        .find(|user| user.name == name.as_bytes())?;
    let text = |bytes: &[u8]| core::str::from_utf8(bytes).ok().map(String::from);
    Some(Account {
        name: String::from(name),
        uid: user.uid,
        gid: user.gid,
        home: text(user.home)?,
        shell: text(user.shell)?,
    })
}

/// The separator of a file's lines: that of Redox, or the older one.
fn separator(line: &[u8]) -> u8 {
    if line.contains(&b';') { b';' } else { b':' }
}

/// What stands for a user in `/etc/shadow`.
#[must_use]
pub fn secret<'a>(shadow: &'a [u8], name: &str) -> Option<&'a str> {
    lines(shadow).find_map(|line| {
        let separator = separator(line);
        let mut fields = line.split(|byte| *byte == separator);
        let is_name = fields.next() == Some(name.as_bytes());
        let secret = fields.next().filter(|_| is_name)?;
        core::str::from_utf8(secret).ok()
    })
}

/// `/etc/shadow` with another secret for a user; `None` if the user is not in it.
#[must_use]
pub fn with_secret(shadow: &[u8], name: &str, secret: &str) -> Option<Vec<u8>> {
    let mut found = false;
    let mut new = Vec::new();
    for line in shadow.split_inclusive(|byte| *byte == b'\n') {
        let separator = separator(line);
        let field = line.split(|byte| *byte == separator).next();
        if field == Some(name.as_bytes()) {
            found = true;
            for part in [name.as_bytes(), &[separator], secret.as_bytes(), b"\n"] {
                new.extend_from_slice(part);
            }
        } else {
            new.extend_from_slice(line);
        }
    }
    found.then_some(new)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &[u8] =
        b"root;0;0;root;/root;/bin/sh\nuser;1000;1001;A User;/home/user;/bin/ion\nbad;x;0;;/;\n";
    const SHADOW: &[u8] = b"root;$argon2id$x\nuser;\nlocked;!\n";

    #[test]
    fn users_are_found() {
        let user = find(PASSWD, "user").unwrap();
        assert_eq!((user.uid, user.gid), (1000, 1001));
        assert_eq!(
            (user.home.as_str(), user.shell.as_str()),
            ("/home/user", "/bin/ion")
        );
        for name in ["", "bad", "use", "users", "user;1000"] {
            assert_eq!(find(PASSWD, name), None, "{name:?}");
        }
    }

    #[test]
    fn secrets_are_found_and_changed() {
        let rows = [
            ("root", Some("$argon2id$x")),
            ("user", Some("")),
            ("locked", Some("!")),
            ("use", None),
            ("", None),
        ];
        for (name, wanted) in rows {
            assert_eq!(secret(SHADOW, name), wanted, "{name:?}");
        }
        assert_eq!(secret(b"user:abc:1:2", "user"), Some("abc"));
        let new = with_secret(SHADOW, "user", "new").unwrap();
        assert_eq!(new, b"root;$argon2id$x\nuser;new\nlocked;!\n");
        assert_eq!(with_secret(SHADOW, "nobody", "new"), None);
        assert_eq!(with_secret(b"a;b", "a", "c").unwrap(), b"a;c\n");
    }

    #[test]
    fn names() {
        let rows = [
            ("root", true),
            ("a.b-c_1", true),
            ("", false),
            ("-a", false),
            ("a b", false),
            ("a;b", false),
            ("\u{1b}[A", false),
            ("é", false),
            (&"a".repeat(33), false),
        ];
        for (name, wanted) in rows {
            assert_eq!(is_name(name), wanted, "{name:?}");
        }
    }
}
