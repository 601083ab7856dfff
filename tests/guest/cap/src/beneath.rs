//! `AT_RESOLVE_BENEATH` on every call that takes a directory, and the same calls on a directory that has
//! been confined.

use std::fs;
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::fs::symlink;

use crate::c::{self, Answer};
use crate::{Case, same, world};

pub const CASES: &[Case] = &[
    ("every_call_with_the_flag", every_call_with_the_flag),
    (
        "every_call_on_a_confined_directory",
        every_call_on_a_confined_directory,
    ),
    ("both_ends_of_two_path_calls", both_ends_of_two_path_calls),
    ("following_is_not_confining", following_is_not_confining),
    ("unknown_flags", unknown_flags),
    ("confinement_is_inherited", confinement_is_inherited),
];

type Call = (&'static str, fn(RawFd, &str, i32) -> Answer);

/// Calls on something that exists.
const ON_EXISTING: &[Call] = &[
    ("fstatat", |dir, path, flags| {
        c::stat(dir, path, flags).map(drop)
    }),
    ("faccessat", |dir, path, flags| {
        c::faccessat(dir, path, flags)
    }),
    ("fchmodat", |dir, path, flags| c::fchmodat(dir, path, flags)),
    ("fchownat", |dir, path, flags| c::fchownat(dir, path, flags)),
    ("utimensat", |dir, path, flags| {
        c::utimensat(dir, path, flags)
    }),
    ("renameat, old", |dir, path, flags| {
        c::renameat(dir, path, dir, "renamed", flags)?;
        c::renameat(dir, "renamed", dir, path, flags)
    }),
    ("linkat, old", |dir, path, flags| {
        c::linkat(dir, path, dir, "linked", flags | libc::AT_SYMLINK_FOLLOW)?;
        c::unlinkat(dir, "linked", flags)
    }),
];

/// Calls that make something, and take it away again.
const ON_NEW: &[Call] = &[
    ("mkdirat", |dir, path, flags| {
        c::mkdirat(dir, path, flags)?;
        c::unlinkat(dir, path, flags | libc::AT_REMOVEDIR)
    }),
    ("symlinkat, readlinkat", |dir, path, flags| {
        c::symlinkat("anything", dir, path, flags)?;
        same(c::readlinkat(dir, path, flags).as_deref(), Ok("anything"));
        c::unlinkat(dir, path, flags)
    }),
    ("renameat, new", |dir, path, flags| {
        c::renameat(dir, "file", dir, path, flags)?;
        c::renameat(dir, path, dir, "file", flags)
    }),
    ("linkat, new", |dir, path, flags| {
        c::linkat(dir, "file", dir, path, flags)?;
        c::unlinkat(dir, path, flags)
    }),
];

/// Calls on a link itself.
const ON_LINK: &[Call] = &[
    ("readlinkat", |dir, path, flags| {
        c::readlinkat(dir, path, flags).map(drop)
    }),
    ("unlinkat", |dir, path, flags| {
        c::unlinkat(dir, path, flags)?;
        c::symlinkat("x", dir, path, flags)
    }),
];

fn tree(name: &str) -> std::os::fd::OwnedFd {
    let top = world::folder(name);
    fs::create_dir_all(top.join("in/sub")).expect("folders");
    for file in ["in/file", "in/sub/file", "outside"] {
        fs::write(top.join(file), file).expect("a file");
    }
    symlink("x", top.join("outside-link")).expect("a link");
    symlink("x", top.join("in/link")).expect("a link");
    symlink("..", top.join("in/up")).expect("a link");
    symlink("sub", top.join("in/down")).expect("a link");
    let path = top.join("in");
    let path = path.to_str().expect("UTF-8");
    c::open(path, libc::O_RDONLY | libc::O_DIRECTORY).expect("a folder")
}

fn every_call(dir: RawFd, flags: i32, absolute: &str) {
    let mut wrong = Vec::new();
    let mut check = |(name, call): &Call, path: &str, want: Answer| {
        let got = call(dir, path, flags);
        if got != want {
            wrong.push(format!("{name} {path:?}: expected {want:?}, got {got:?}"));
        }
    };
    for call in ON_EXISTING {
        for path in ["file", "sub/file", "down/file", "sub/../file"] {
            check(call, path, Ok(()));
        }
        for path in [
            "../outside",
            "up/outside",
            "up/in/file",
            "sub/../../outside",
        ] {
            check(call, path, Err(libc::EPERM));
        }
        check(call, &format!("{absolute}/file"), Err(libc::EPERM));
    }
    for call in ON_NEW {
        for path in ["new", "sub/new", "down/new"] {
            check(call, path, Ok(()));
        }
        for path in ["../new", "up/new", "up/in/new"] {
            check(call, path, Err(libc::EPERM));
        }
        check(call, &format!("{absolute}/new"), Err(libc::EPERM));
    }
    for call in ON_LINK {
        check(call, "link", Ok(()));
        for path in ["../outside-link", "up/outside-link"] {
            check(call, path, Err(libc::EPERM));
        }
    }
    assert!(wrong.is_empty(), "{}: {}", wrong.len(), wrong.join("; "));
}

fn every_call_with_the_flag() {
    let dir = tree("flag");
    let absolute = format!("{}/in", world::base().join("cap-flag").display());
    every_call(dir.as_raw_fd(), c::AT_RESOLVE_BENEATH, &absolute);
}

fn every_call_on_a_confined_directory() {
    let dir = tree("sticky");
    c::confine(dir.as_raw_fd()).expect("confining");
    let absolute = format!("{}/in", world::base().join("cap-sticky").display());
    every_call(dir.as_raw_fd(), 0, &absolute);
}

fn both_ends_of_two_path_calls() {
    let dir = tree("ends");
    let dir = dir.as_raw_fd();
    let flag = c::AT_RESOLVE_BENEATH;
    type Two = fn(RawFd, &str, RawFd, &str, i32) -> Answer;
    for (name, call) in [
        ("renameat", c::renameat as Two),
        ("linkat", c::linkat as Two),
    ] {
        for (from, to) in [
            ("../outside", "new"),
            ("file", "../new"),
            ("up/outside", "up/new"),
        ] {
            assert_eq!(
                call(dir, from, dir, to, flag),
                Err(libc::EPERM),
                "{name} {from} {to}"
            );
        }
    }
    same(
        fs::exists(world::base().join("cap-ends/outside")).ok(),
        Some(true),
    );
    same(
        fs::exists(world::base().join("cap-ends/new")).ok(),
        Some(false),
    );
}

/// The two flags of `linkat` are two.
fn following_is_not_confining() {
    let dir = tree("follow");
    let dir = dir.as_raw_fd();
    same(c::symlinkat("file", dir, "to-file", 0), Ok(()));
    same(
        c::linkat(dir, "to-file", dir, "followed", libc::AT_SYMLINK_FOLLOW),
        Ok(()),
    );
    same(
        c::linkat(dir, "to-file", dir, "itself", c::AT_RESOLVE_BENEATH),
        Ok(()),
    );
    let file = c::stat(dir, "file", 0);
    same(c::stat(dir, "followed", libc::AT_SYMLINK_NOFOLLOW), file);
    same(c::readlinkat(dir, "itself", 0).as_deref(), Ok("file"));
    // Following alone may lead anywhere.
    same(
        c::linkat(
            dir,
            "../outside",
            dir,
            "from-outside",
            libc::AT_SYMLINK_FOLLOW,
        ),
        Ok(()),
    );
}

fn unknown_flags() {
    let dir = tree("unknown");
    let dir = dir.as_raw_fd();
    for (name, call) in ON_EXISTING.iter().chain(ON_NEW).chain(ON_LINK) {
        let path = if ON_NEW.iter().any(|(new, _)| new == name) {
            "new"
        } else {
            "link"
        };
        let got = call(dir, path, 1 << 20);
        assert_eq!(got, Err(libc::EINVAL), "{name}");
    }
}

fn confinement_is_inherited() {
    let dir = tree("inherited");
    c::confine(dir.as_raw_fd()).expect("confining");
    let folder = libc::O_RDONLY | libc::O_DIRECTORY;
    let sub = c::openat(dir.as_raw_fd(), "sub", folder).expect("sub");
    let copy = sub.try_clone().expect("a copy");
    for fd in [&sub, &copy] {
        let fd = fd.as_raw_fd();
        same(c::openat(fd, "..", folder).map(drop), Err(libc::EPERM));
        same(
            c::openat(fd, "../file", libc::O_RDONLY).map(drop),
            Err(libc::EPERM),
        );
        same(c::openat(fd, "file", libc::O_RDONLY).map(drop), Ok(()));
        // It cannot be given back.
        same(c::confine(fd), Ok(()));
    }
}
