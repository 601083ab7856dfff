//! Lines of `/etc/passwd` and `/etc/group`, in Redox's form (fields end with `;`) and in the older one
//! of Unix (`:`, with a password behind the name).

/// A user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct User<'a> {
    /// Name.
    pub name: &'a [u8],
    /// Number.
    pub uid: u32,
    /// Number of the group.
    pub gid: u32,
    /// Full name and the like.
    pub gecos: &'a [u8],
    /// Home directory.
    pub home: &'a [u8],
    /// Program that a login starts.
    pub shell: &'a [u8],
}

/// A group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Group<'a> {
    /// Name.
    pub name: &'a [u8],
    /// Number.
    pub gid: u32,
    /// Members' names, separated by commas.
    pub members: &'a [u8],
}

impl<'a> Group<'a> {
    /// The members' names.
    pub fn members(&self) -> impl Iterator<Item = &'a [u8]> + Clone + use<'a> {
        self.members
            .split(|&b| b == b',')
            .filter(|name| !name.is_empty())
    }
}

fn number(text: &[u8]) -> Option<u32> {
    core::str::from_utf8(text).ok()?.parse().ok()
}

/// The fields behind the name, the password of the older form left out.
fn fields(line: &[u8]) -> Option<(&[u8], impl Iterator<Item = &[u8]>)> {
    let old = !line.contains(&b';');
    let separator = if old { b':' } else { b';' };
    let mut fields = line.split(move |&b| b == separator);
    let name = fields
        .next()
        .filter(|name| !name.is_empty() && !name.starts_with(b"#"))?;
    if old {
        fields.next()?;
    }
    Some((name, fields))
}

/// A line of `/etc/passwd`; `None` for one that is none.
#[must_use]
pub fn user(line: &[u8]) -> Option<User<'_>> {
    let (name, mut fields) = fields(line)?;
    Some(User {
        name,
        uid: number(fields.next()?)?,
        gid: number(fields.next()?)?,
        gecos: fields.next()?,
        home: fields.next()?,
        shell: fields.next().unwrap_or(b""),
    })
}

/// A line of `/etc/group`; `None` for one that is none. In Redox's form an `x` may stand for the
/// password.
#[must_use]
pub fn group(line: &[u8]) -> Option<Group<'_>> {
    let (name, mut fields) = fields(line)?;
    let mut gid = fields.next()?;
    if gid == b"x" {
        gid = fields.next()?;
    }
    Some(Group {
        name,
        gid: number(gid)?,
        members: fields.next().unwrap_or(b""),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    #[test]
    fn users() {
        let root = User {
            name: b"root",
            uid: 0,
            gid: 0,
            gecos: b"root",
            home: b"/root",
            shell: b"/bin/sh",
        };
        let rows: &[(&[u8], Option<User<'_>>)] = &[
            (b"root;0;0;root;/root;/bin/sh", Some(root)),
            (b"root:x:0:0:root:/root:/bin/sh", Some(root)),
            (b"root;0;0;root;/root", Some(User { shell: b"", ..root })),
            (b"root;zero;0;root;/root;/bin/sh", None),
            (b"root;4294967296;0;root;/root;/bin/sh", None),
            (b"root;0;0", None),
            (b";0;0;root;/root;/bin/sh", None),
            (b"# root;0;0;root;/root;/bin/sh", None),
            (b"", None),
        ];
        for (line, want) in rows {
            assert_eq!(user(line), *want, "{}", line.escape_ascii());
        }
    }

    #[test]
    fn groups() {
        let sudo = Group {
            name: b"sudo",
            gid: 1,
            members: b"user,admin",
        };
        let rows: &[(&[u8], Option<Group<'_>>)] = &[
            (b"sudo;1;user,admin", Some(sudo)),
            (b"sudo;x;1;user,admin", Some(sudo)),
            (b"sudo:x:1:user,admin", Some(sudo)),
            (
                b"sudo;1",
                Some(Group {
                    members: b"",
                    ..sudo
                }),
            ),
            (b"sudo;x", None),
            (b"sudo", None),
        ];
        for (line, want) in rows {
            assert_eq!(group(line), *want, "{}", line.escape_ascii());
        }
        let members: Vec<_> = Group {
            members: b",user,,admin",
            ..sudo
        }
        .members()
        .collect();
        assert_eq!(members, [&b"user"[..], b"admin"]);
    }
}
