//! `cuprite_cap::Namespace`.

use std::io::ErrorKind;
use std::os::fd::{AsFd, IntoRawFd};
use std::sync::atomic::{AtomicBool, Ordering};

use cuprite_cap::{Dir, Namespace, Permissions, Rights};

use crate::{Case, same, world};

pub const CASES: &[Case] = &[
    ("names_are_listed_and_chosen", names_are_listed_and_chosen),
    ("permissions_shrink", permissions_shrink),
    (
        "a_directory_is_all_that_a_name_reaches",
        a_directory_is_all_that_a_name_reaches,
    ),
    ("a_name_is_bound_again", a_name_is_bound_again),
    ("a_namespace_is_bound_in_none", a_namespace_is_bound_in_none),
    (
        "what_is_bound_is_unbound_and_revoked",
        what_is_bound_is_unbound_and_revoked,
    ),
    (
        "a_refused_root_is_closed_once",
        a_refused_root_is_closed_once,
    ),
];

fn own() -> Namespace {
    Namespace::current().expect("a namespace")
}

fn names_are_listed_and_chosen() {
    let all = own().list().expect("listing");
    for name in ["file", "null", "rand"] {
        assert!(all.iter().any(|listed| listed == name), "{name} in {all:?}");
    }
    let few = own().fork(["null", "ran*"]).expect("a fork");
    let mut listed = few.list().expect("listing");
    listed.sort();
    same(listed, vec!["null".to_owned(), "rand".to_owned()]);
    let absent = own().fork(["nosuch"]).err().and_then(|e| e.raw_os_error());
    same(absent, Some(libc::ENODEV));
    let malformed = own().fork(["a/b"]).err().map(|e| e.kind());
    same(malformed, Some(ErrorKind::InvalidInput));
    same(
        own().fork::<&str>([]).and_then(|none| none.list()).ok(),
        Some(vec![]),
    );
}

fn permissions_shrink() {
    let fork = own().fork(["null"]).expect("a fork");
    let less = fork
        .shrink(Permissions::LIST | Permissions::DELETE)
        .expect("less");
    let denied = Some(ErrorKind::PermissionDenied);
    let dir = Dir::open_ambient(world::folder("ns-shrink")).expect("a folder");
    same(
        less.bind_dir("x", &dir, Rights::FULL)
            .err()
            .map(|e| e.kind()),
        denied,
    );
    let nothing = less.shrink(Permissions::empty()).expect("nothing");
    same(nothing.list().err().map(|e| e.kind()), denied);
    same(nothing.unbind("null").err().map(|e| e.kind()), denied);
    // No way back.
    let more = nothing.shrink(Permissions::all()).expect("no more");
    same(more.list().err().map(|e| e.kind()), denied);
    // They are one namespace: what one unbinds is gone for the other.
    less.unbind("null").expect("unbinding");
    same(fork.list().ok(), Some(vec![]));
}

fn a_directory_is_all_that_a_name_reaches() {
    let top = world::folder("ns-dir");
    std::fs::create_dir(top.join("in")).expect("a folder");
    std::fs::write(top.join("in/f"), "text").expect("a file");
    std::fs::write(top.join("secret"), "").expect("a file");
    let dir = Dir::open_ambient(top.join("in")).expect("the folder");
    let fork = own().fork::<&str>([]).expect("a fork");
    fork.bind_dir("file", &dir, Rights::READ_ONLY)
        .expect("binding");
    let root = fork.open_dir("file").expect("the root");
    same(root.read_to_string("f").ok().as_deref(), Some("text"));
    let denied = Some(ErrorKind::PermissionDenied);
    same(root.open("../secret").err().map(|e| e.kind()), denied);
    same(root.write("f", "x").err().map(|e| e.kind()), denied);
    let twice = fork.bind_dir("file", &dir, Rights::FULL).err();
    same(twice.map(|e| e.kind()), Some(ErrorKind::AlreadyExists));
}

fn a_namespace_is_bound_in_none() {
    let fork = own().fork(["null"]).expect("a fork");
    let other = own().fork(["null"]).expect("a fork");
    for bound in [&fork, &other] {
        let copy = bound.as_fd().try_clone_to_owned().expect("a copy");
        let refused = fork.bind("it", copy).err().and_then(|e| e.raw_os_error());
        same(refused, Some(libc::ELOOP));
    }
    same(fork.list().ok(), Some(vec!["null".to_owned()]));
}

fn a_name_is_bound_again() {
    let dir = Dir::open_ambient(world::folder("ns-again")).expect("a folder");
    dir.write("f", "text").expect("writing");
    let fork = own().fork::<&str>([]).expect("a fork");
    fork.bind_dir("one", &dir, Rights::FULL).expect("binding");
    fork.bind_again("one", "two", Rights::READ_ONLY)
        .expect("binding again");
    let (one, two) = (
        fork.open_dir("one").expect("one"),
        fork.open_dir("two").expect("two"),
    );
    one.write("f", "other").expect("writing");
    same(two.read_to_string("f").ok().as_deref(), Some("other"));
    same(
        two.write("f", "").err().map(|e| e.kind()),
        Some(ErrorKind::PermissionDenied),
    );
    let absent = fork.bind_again("none", "three", Rights::FULL).err();
    same(absent.and_then(|e| e.raw_os_error()), Some(libc::ENODEV));
}

fn what_is_bound_is_unbound_and_revoked() {
    let dir = Dir::open_ambient(world::folder("ns-revoke")).expect("a folder");
    dir.write("f", "text").expect("writing");
    let home = own().fork::<&str>([]).expect("a fork");
    home.bind("it", dir.as_fd().try_clone_to_owned().expect("a copy"))
        .expect("binding");
    let heir = home.fork(["it"]).expect("a fork");
    let seen = heir.open_dir("it").expect("the folder");
    same(
        heir.revoke("it").err().map(|e| e.kind()),
        Some(ErrorKind::PermissionDenied),
    );
    home.unbind("it").expect("unbinding");
    assert!(seen.open("f").is_ok() && heir.open_dir("it").is_ok());
    home.bind("it", dir.as_fd().try_clone_to_owned().expect("a copy"))
        .expect("binding");
    let seen = home.open_dir("it").expect("the folder");
    home.revoke("it").expect("revoking");
    let stale = seen.open("f").err().and_then(|e| e.raw_os_error());
    same(stale, Some(libc::ESTALE));
    let absent = home.open_dir("it").err().and_then(|e| e.raw_os_error());
    same(absent, Some(libc::ENODEV));
    let not_destroyable = home.destroy().err().and_then(|e| e.raw_os_error());
    same(not_destroyable, Some(libc::EOPNOTSUPP));
}

fn a_refused_root_is_closed_once() {
    let dir = Dir::open_ambient(world::folder("ns-refused")).expect("a folder");
    let fork = own().fork(["null"]).expect("a fork");
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        // Whoever closes a number twice closes what has been opened at it in between.
        let other = scope.spawn(|| {
            let mut lost = 0;
            while !over.load(Ordering::Relaxed) {
                if let Ok(copy) = dir.as_fd().try_clone_to_owned() {
                    std::thread::yield_now();
                    // SAFETY: it is closed here, and nowhere else.
                    lost += i32::from(unsafe { libc::close(copy.into_raw_fd()) } != 0);
                }
            }
            lost
        });
        let refused = |_| {
            let copy = dir.as_fd().try_clone_to_owned()?;
            fork.bind("null", copy)
        };
        let all = (0..500)
            .map(refused)
            .all(|r| r.is_err_and(|e| e.kind() == ErrorKind::AlreadyExists));
        over.store(true, Ordering::Relaxed);
        same(other.join().ok(), Some(0));
        assert!(all, "a refusal for another reason");
    });
}
