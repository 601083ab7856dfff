//! The namespace manager's rules, one test per rule.

mod common;

use cap_abi::{Rights, resolve::RESOLVE_NO_XDEV};
use common::{ROOT, USER, World, number};
use nsmgr_api::{self as api, ForkFlags, NsPermissions, RegisterFlags, UnbindFlags};
use nsmgr_core::{Caller, Cause, Limits, Open, Opened, Unlink};
use syscall::{error::*, flag::*};

fn errno<T: std::fmt::Debug>(result: Result<T, nsmgr_core::Error>) -> i32 {
    result.unwrap_err().errno
}

#[test]
fn opens_are_routed() {
    let mut world = World::with_names(&["file", "null"]);
    let file = world.root_of(world.first, "file").unwrap();
    let null = world.root_of(world.first, "null").unwrap();
    #[derive(Debug, PartialEq)]
    enum Is {
        To(u32, usize),
        HandOut(u32),
        Listing,
        Cap,
        No(i32),
    }
    use Is::*;
    let table = [
        ("/scheme/file/home/user/x", 0, To(file, 13)),
        ("/scheme/file/home", O_DIRECTORY, To(file, 13)),
        ("/scheme/file/", O_DIRECTORY, To(file, 13)),
        ("/scheme/null", 0, To(null, 12)),
        ("/scheme/null", O_DIRECTORY, HandOut(null)),
        ("scheme/null", O_DIRECTORY | O_CLOEXEC, HandOut(null)),
        ("/etc/passwd", 0, To(file, 1)),
        ("/", O_DIRECTORY, To(file, 1)),
        ("null:x", 0, To(null, 5)),
        ("", 0, Listing),
        ("/scheme", O_DIRECTORY, Listing),
        ("/scheme/", 0, Listing),
        ("/scheme", O_RDWR, No(EISDIR)),
        ("/scheme", O_CREAT, No(EISDIR)),
        ("/scheme/namespace/scheme-creation-cap", 0, Cap),
        ("/scheme/namespace", O_DIRECTORY, No(ENOENT)),
        ("/scheme/namespace/", 0, No(ENOENT)),
        ("/scheme/namespace/other", 0, No(ENOENT)),
        ("/scheme/tcp/1", 0, No(ENODEV)),
        ("/scheme/fil", 0, No(ENODEV)),
        ("/scheme/filee", O_DIRECTORY, No(ENODEV)),
        ("/scheme/../etc", 0, No(EINVAL)),
        ("/scheme/./file", 0, No(EINVAL)),
        ("/scheme/f*/x", 0, No(EINVAL)),
        ("relative", 0, No(EINVAL)),
        ("/scheme/fi\0le", 0, No(EINVAL)),
    ];
    const O_CLOEXEC: usize = 0x0100_0000;
    for (path, flags, expected) in table {
        let is = match world
            .manager
            .open(world.first, path.as_bytes(), flags, USER)
        {
            Ok(Open::Redirect { binding, suffix }) => To(number(&binding), suffix),
            Ok(Open::RootHandOut(hand_out)) => HandOut(number(&hand_out.binding)),
            Ok(Open::SchemeCreationCap) => Cap,
            Ok(Open::Handle(Opened { handle, .. })) => {
                world.manager.close(handle);
                Listing
            }
            Err(error) => No(error.errno),
        };
        assert_eq!(is, expected, "{path:?} {flags:#x}");
    }
    assert_eq!(
        errno(world.manager.open(world.first, b"/scheme/\xff/x", 0, USER)),
        EINVAL
    );
}

#[test]
fn a_listing_is_a_directory_of_names() {
    let mut world = World::with_names(&["file", "null"]);
    let Ok(Open::Handle(Opened { handle: list, .. })) =
        world
            .manager
            .open(world.first, b"/scheme", O_DIRECTORY, USER)
    else {
        panic!()
    };
    assert_eq!(world.sorted(list), ["file", "null"]);
    assert!(matches!(
        world.manager.open(list, b"file/x", 0, USER),
        Ok(Open::Redirect { suffix: 5, .. })
    ));
    assert!(matches!(
        world.manager.open(list, b"file", O_DIRECTORY, USER),
        Ok(Open::RootHandOut(_))
    ));
    assert!(matches!(
        world.manager.open(list, b".", 0, USER),
        Ok(Open::Handle(_))
    ));
    assert_eq!(errno(world.manager.open(list, b"..", 0, USER)), EINVAL);
    assert_eq!(errno(world.manager.open(list, b"/file", 0, USER)), EINVAL);
    assert_eq!(
        errno(world.manager.open(list, b"file/x", RESOLVE_NO_XDEV, USER)),
        EPERM
    );
    // It makes nothing: that is for the namespace itself.
    assert_eq!(errno(world.fork(list, &["file"])), EINVAL);
}

#[test]
fn each_permission_guards_its_operation() {
    let mut world = World::with_names(&["file"]);
    type Op = fn(&mut World, u64) -> Result<(), nsmgr_core::Error>;
    let operations: [(&str, NsPermissions, Op); 9] = [
        ("list", NsPermissions::LIST, |w, ns| w.listing(ns).map(drop)),
        ("open listing", NsPermissions::LIST, |w, ns| {
            w.manager.open(ns, b"/scheme", 0, USER).map(drop)
        }),
        ("watch", NsPermissions::LIST, |w, ns| {
            w.dup(ns, &api::watch_payload()).map(drop)
        }),
        ("register", NsPermissions::INSERT, |w, ns| {
            w.dup(ns, &api::issue_register_payload(b"new")).map(drop)
        }),
        ("bind", NsPermissions::INSERT, |w, ns| {
            let payload = api::bind_payload(b"file", b"alias");
            w.manager.bind(ns, 1, &payload, USER)
        }),
        ("unbind", NsPermissions::DELETE, |w, ns| {
            w.manager.unbind(ns, 0, b"file", USER).map(drop)
        }),
        ("unlink", NsPermissions::DELETE, |w, ns| {
            w.manager.unlink(ns, b"/scheme/file", 0, USER).map(drop)
        }),
        ("destroy", NsPermissions::DELETE, |w, ns| {
            w.manager.destroy(ns, USER).map(drop)
        }),
        ("creation cap", NsPermissions::SCHEME_CREATE, |w, ns| {
            w.manager
                .open(ns, b"/scheme/namespace/scheme-creation-cap", 0, USER)
                .map(drop)
        }),
    ];
    for (what, needed, operation) in operations {
        for bits in 0..16 {
            let held = NsPermissions::from_bits_truncate(bits);
            let flags = ForkFlags::DESTROYABLE;
            let fork = api::fork_with_payload(flags, [&b"*"[..]]);
            let own = world.dup(world.first, &fork).unwrap();
            let shrunk = world.shrink(own, held).unwrap();
            let result = operation(&mut world, shrunk);
            if held.contains(needed) {
                result.unwrap_or_else(|error| panic!("{what} with {held:?}: {error}"));
            } else {
                assert_eq!(errno(result), EACCES, "{what} with {held:?}");
            }
            world.manager.close(shrunk);
            world.manager.close(own);
        }
    }
}

#[test]
fn a_child_has_at_most_its_parents_permissions() {
    let mut world = World::with_names(&["file"]);
    for bits in 0..16 {
        let held = NsPermissions::from_bits_truncate(bits);
        let parent = world.shrink(world.first, held).unwrap();
        let fork = world.fork(parent, &["*"]).unwrap();
        let grown = world.shrink(parent, NsPermissions::all()).unwrap();
        for child in [fork, grown] {
            let may = [
                (NsPermissions::LIST, world.listing(child).is_ok()),
                (
                    NsPermissions::INSERT,
                    world.dup(child, &api::issue_register_payload(b"n")).is_ok(),
                ),
                (
                    NsPermissions::SCHEME_CREATE,
                    world
                        .manager
                        .open(child, b"/scheme/namespace/scheme-creation-cap", 0, USER)
                        .is_ok(),
                ),
            ];
            for (permission, may) in may {
                assert_eq!(may, held.contains(permission), "{held:?} {permission:?}");
            }
        }
        assert_eq!(
            world.manager.unbind(fork, 0, b"file", USER).is_ok(),
            held.contains(NsPermissions::DELETE)
        );
    }
}

#[test]
fn a_fork_holds_what_was_listed() {
    let mut world = World::with_names(&["file", "tty0", "tty1", "ttx", "null"]);
    let table: &[(&[&str], &[&str])] = &[
        (&[], &[]),
        (&["file"], &["file"]),
        (&["file", "file"], &["file"]),
        (&["tty*"], &["tty0", "tty1"]),
        (
            &["tt*", "tty*", "tty0", "null"],
            &["null", "ttx", "tty0", "tty1"],
        ),
        (&["zzz*"], &[]),
        (&["file*"], &["file"]),
        (&["*"], &["file", "null", "ttx", "tty0", "tty1"]),
        (
            &["a*", "*", "file"],
            &["file", "null", "ttx", "tty0", "tty1"],
        ),
    ];
    for (asked, expected) in table {
        let fork = world.fork(world.first, asked).unwrap();
        assert_eq!(world.sorted(fork), *expected, "{asked:?}");
        for name in *expected {
            assert_eq!(world.root_of(fork, name), world.root_of(world.first, name));
        }
        assert_eq!(errno(world.root_of(fork, "absent")), ENODEV);
    }
    for asked in ["", ".", "..", "a/b", "a*b", "**", "a\0", "a:b", "namespace"] {
        assert_eq!(
            errno(world.fork(world.first, &["file", asked])),
            EINVAL,
            "{asked:?}"
        );
    }
    let invalid = api::fork_with_payload(ForkFlags::SKIP_UNKNOWN, [&b"\xff"[..]]);
    assert_eq!(errno(world.dup(world.first, &invalid)), EINVAL);
    for asked in [&["absent"][..], &["file", "absent"], &["*", "absent"]] {
        assert_eq!(errno(world.fork(world.first, asked)), ENODEV, "{asked:?}");
        let payload = api::fork_with_payload(
            ForkFlags::SKIP_UNKNOWN,
            asked.iter().map(|name| name.as_bytes()),
        );
        assert!(world.dup(world.first, &payload).is_ok(), "{asked:?}");
    }
}

#[test]
fn forks_are_independent() {
    let mut world = World::with_names(&["a", "b"]);
    let fork = world.fork(world.first, &["*"]).unwrap();
    world.manager.unbind(fork, 0, b"a", USER).unwrap();
    world.bind(fork, "c").unwrap();
    world.bind(world.first, "d").unwrap();
    assert_eq!(world.sorted(world.first), ["a", "b", "d"]);
    assert_eq!(world.sorted(fork), ["b", "c"]);
}

#[test]
fn a_register_handle_binds_once() {
    let mut world = World::new();
    let handle = world
        .dup(world.first, &api::issue_register_payload(b"disk"))
        .unwrap();
    let second = world
        .dup(world.first, &api::issue_register_payload(b"disk"))
        .unwrap();
    world.send(handle).unwrap();
    assert_eq!(errno(world.send(handle)), EPERM);
    assert_eq!(errno(world.send(second)), EEXIST);
    world.manager.unbind(world.first, 0, b"disk", USER).unwrap();
    assert_eq!(errno(world.send(handle)), EPERM);
    assert_eq!(errno(world.root_of(world.first, "disk")), ENODEV);
    world.send(second).unwrap();
    assert!(world.root_of(world.first, "disk").is_ok());
    // Only register handles take descriptors.
    assert_eq!(
        errno(world.manager.begin_register(world.first, USER)),
        EACCES
    );
    // And they do nothing else.
    assert_eq!(
        errno(world.manager.open(handle, b"/scheme/disk", 0, USER)),
        ENOTDIR
    );
    assert_eq!(errno(world.fork(handle, &["*"])), EINVAL);
    assert!(world.listing(handle).is_err());
}

#[test]
fn a_binding_has_at_most_the_rights_of_its_source() {
    let mut world = World::with_names(&["file"]);
    let first = world.first;
    let payload = api::register_with_payload(Rights::READ_ONLY, RegisterFlags::BENEATH, b"dir");
    let register = world.dup(first, &payload).unwrap();
    let ticket = world.manager.begin_register(register, USER).unwrap();
    assert!(ticket.beneath);
    assert_eq!(ticket.rights, Rights::READ_ONLY);
    world.send(register).unwrap();

    let alias = api::bind_payload(b"dir", b"dir2");
    let asked = u64::from((Rights::READ | Rights::WRITE).bits());
    world.manager.bind(first, asked, &alias, USER).unwrap();
    assert_eq!(world.rights_of(first, "dir2"), Rights::READ);
    assert_eq!(
        errno(world.manager.bind(first, asked, &alias, USER)),
        EEXIST
    );
    let absent = api::bind_payload(b"absent", b"x");
    assert_eq!(
        errno(world.manager.bind(first, asked, &absent, USER)),
        ENODEV
    );
    for bad in [
        api::bind_payload(b"file", b".."),
        api::bind_payload(b"file", b"namespace"),
        vec![],
        [api::bind_payload(b"file", b"x"), vec![0]].concat(),
    ] {
        assert_eq!(errno(world.manager.bind(first, 1, &bad, USER)), EINVAL);
    }
    assert_eq!(
        errno(world.manager.bind(first, 1 << 32, &alias, USER)),
        EINVAL
    );
}

#[test]
fn revocation_reaches_every_fork_and_only_from_home() {
    let mut world = World::with_names(&["file", "net"]);
    let fork = world.fork(world.first, &["*"]).unwrap();
    let grandchild = world.fork(fork, &["net"]).unwrap();
    let revoke = UnbindFlags::REVOKE.bits();
    assert_eq!(
        errno(world.manager.unbind(fork, revoke, b"net", USER)),
        EPERM
    );
    assert!(world.root_of(fork, "net").is_ok());
    let root = world.root_of(world.first, "net").unwrap();
    let unbound = world
        .manager
        .unbind(world.first, revoke, b"net", USER)
        .unwrap();
    assert_eq!(
        unbound.revoke.iter().map(|fd| fd.0).collect::<Vec<_>>(),
        [root]
    );
    drop(unbound);
    for ns in [world.first, fork, grandchild] {
        assert_eq!(errno(world.root_of(ns, "net")), ENODEV);
        assert!(!world.sorted(ns).contains(&"net".to_owned()));
    }
    assert_eq!(errno(world.fork(fork, &["net"])), ENODEV);
    assert!(!world.alive.borrow().contains(&root), "the root is closed");
    // The name can be bound anew where the old binding was inherited.
    world.bind(fork, "net").unwrap();
    assert!(world.root_of(fork, "net").is_ok());
    assert_eq!(
        errno(world.manager.unbind(world.first, 1 << 9, b"file", USER)),
        EINVAL
    );
}

#[test]
fn a_destroyed_namespace_is_gone_for_every_handle() {
    let mut world = World::with_names(&["file"]);
    assert_eq!(errno(world.manager.destroy(world.first, USER)), EOPNOTSUPP);
    let payload = api::fork_with_payload(ForkFlags::DESTROYABLE, [&b"*"[..]]);
    let ns = world.dup(world.first, &payload).unwrap();
    let shrunk = world.shrink(ns, NsPermissions::LIST).unwrap();
    let register = world.dup(ns, &api::issue_register_payload(b"x")).unwrap();
    let watch = world.dup(ns, &api::watch_payload()).unwrap();
    assert_eq!(world.manager.fevent(watch, EVENT_READ).unwrap(), EVENT_NONE);
    let lease = world.manager.destroy(ns, USER).unwrap();
    drop(lease);
    assert_eq!(world.manager.next_ready(), Some(watch));
    assert_eq!(errno(world.root_of(ns, "file")), ESTALE);
    assert_eq!(errno(world.listing(shrunk)), ESTALE);
    assert_eq!(errno(world.send(register)), ESTALE);
    assert_eq!(errno(world.fork(ns, &["*"])), ESTALE);
    assert_eq!(errno(world.manager.destroy(ns, USER)), ESTALE);
    assert!(world.root_of(world.first, "file").is_ok());
    for handle in [ns, shrunk, register, watch] {
        world.manager.close(handle);
    }
    assert_eq!(world.count("namespaces"), 1);
}

#[test]
fn unlink_removes_a_name_or_is_passed_on() {
    let mut world = World::with_names(&["file", "null"]);
    let first = world.first;
    assert!(matches!(
        world.manager.unlink(first, b"/scheme/file/tmp/x", 0, USER),
        Ok(Unlink::Redirect { suffix: 13, .. })
    ));
    assert!(matches!(
        world.manager.unlink(first, b"/tmp/x", 0, USER),
        Ok(Unlink::Redirect { suffix: 1, .. })
    ));
    assert!(matches!(
        world.manager.unlink(first, b"/scheme/null", 0, USER),
        Ok(Unlink::Removed)
    ));
    let table = [
        (&b"/scheme/null"[..], ENODEV),
        (b"/scheme/null/x", ENODEV),
        (b"/scheme", EISDIR),
        (b"", EISDIR),
        (b"/scheme/namespace", EINVAL),
        (b"/scheme/..", EINVAL),
        (b"x", EINVAL),
    ];
    for (path, expected) in table {
        assert_eq!(errno(world.manager.unlink(first, path, 0, USER)), expected);
    }
}

#[test]
fn listing_resumes_in_pieces() {
    let names: Vec<String> = (0..500).map(|number| format!("name{number}")).collect();
    let mut world = World::with_names(&names.iter().map(String::as_str).collect::<Vec<_>>());
    let first = world.first;
    let whole = world.listing(first).unwrap();
    assert_eq!(whole.len(), 500);
    for piece in [1, 2, 7, 499] {
        let (mut position, mut all) = (0, Vec::new());
        loop {
            let before = all.len();
            world
                .manager
                .list(first, position, USER, |next, _, name| {
                    // As in a buffer: the name that does not fit comes again.
                    if all.len() == before + piece {
                        return false;
                    }
                    position = next;
                    all.push(name.to_owned());
                    true
                })
                .unwrap();
            if all.len() == before {
                break;
            }
        }
        assert_eq!(all, whole, "pieces of {piece}");
    }
}

#[test]
fn a_listing_in_pieces_shows_what_stays_exactly_once() {
    for round in 0..50_u32 {
        let mut world = World::new();
        let first = world.first;
        let stays: Vec<String> = (0..60).map(|number| format!("stays{number}")).collect();
        let mut goes: Vec<String> = (0..60).map(|number| format!("goes{number}")).collect();
        for name in stays.iter().chain(&goes) {
            world.bind(first, name).unwrap();
        }
        let mut random = round;
        let mut next = |below: usize| {
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (random >> 8) as usize % below
        };
        let (mut position, mut seen) = (0, Vec::new());
        loop {
            let (before, piece) = (seen.len(), 1 + next(5));
            let from = position;
            let take = |next: u64, _: u64, name: &str| {
                if seen.len() == before + piece {
                    return false;
                }
                position = next;
                seen.push(name.to_owned());
                true
            };
            world.manager.list(first, from, USER, take).unwrap();
            if seen.len() == before {
                break;
            }
            // Names come and go, one of them again and again, also what was listed last.
            for _ in 0..next(4) {
                let gone = goes.swap_remove(next(goes.len()));
                world
                    .manager
                    .unbind(first, 0, gone.as_bytes(), USER)
                    .unwrap();
                let name = match next(3) {
                    0 => gone,
                    _ => format!("new{}", next(1_000_000)),
                };
                if world.bind(first, &name).is_ok() {
                    goes.push(name);
                }
            }
            // It ends, however many come meanwhile.
            assert!(seen.len() < 10_000);
        }
        let mut there: Vec<&String> = seen.iter().filter(|name| stays.contains(name)).collect();
        assert_eq!(there.len(), stays.len(), "round {round}: {seen:?}");
        there.sort();
        there.dedup();
        assert_eq!(there.len(), stays.len(), "round {round}: {seen:?}");
    }
}

#[test]
fn watchers_are_told_once_until_they_read() {
    let mut world = World::with_names(&["a"]);
    let first = world.first;
    let watch = world.dup(first, &api::watch_payload()).unwrap();
    let read = |world: &mut World, limit| {
        let mut out = Vec::new();
        world.manager.read(watch, 0, limit, &mut out).map(|()| out)
    };
    assert_eq!(errno(read(&mut world, 8)), EAGAIN);
    assert_eq!(world.manager.fevent(watch, EVENT_READ).unwrap(), EVENT_NONE);
    world.bind(first, "b").unwrap();
    world.bind(first, "c").unwrap();
    assert_eq!(world.manager.next_ready(), Some(watch));
    assert_eq!(world.manager.next_ready(), None);
    assert_eq!(errno(read(&mut world, 7)), EINVAL);
    let generation = read(&mut world, 8).unwrap();
    assert_eq!(errno(read(&mut world, 8)), EAGAIN);
    world.manager.unbind(first, 0, b"b", USER).unwrap();
    assert_eq!(world.manager.next_ready(), Some(watch));
    assert_eq!(world.manager.fevent(watch, EVENT_READ).unwrap(), EVENT_READ);
    assert_ne!(read(&mut world, 8).unwrap(), generation);
    assert_eq!(world.manager.fevent(watch, EVENT_NONE).unwrap(), EVENT_NONE);
    world.manager.unbind(first, 0, b"c", USER).unwrap();
    assert_eq!(world.manager.next_ready(), None);
    // A fork is another namespace.
    let fork = world.fork(first, &["*"]).unwrap();
    read(&mut world, 8).unwrap();
    world.bind(fork, "z").unwrap();
    assert_eq!(errno(read(&mut world, 8)), EAGAIN);
}

#[test]
fn denials_are_counted_and_followed() {
    let mut world = World::with_names(&["file"]);
    let status = world.manager.status_root(ROOT).unwrap();
    let open = |world: &mut World, name: &[u8]| match world.manager.open(status, name, 0, ROOT) {
        Ok(Open::Handle(Opened { handle, .. })) => handle,
        other => panic!("{other:?}"),
    };
    let denials = open(&mut world, b"denials");
    assert_eq!(
        world.listing(status).unwrap(),
        ["denials", "counters", "counts"]
    );
    assert_eq!(
        world.manager.fevent(denials, EVENT_READ).unwrap(),
        EVENT_NONE
    );
    let quiet = world.shrink(world.first, NsPermissions::empty()).unwrap();
    let _ = world.root_of(quiet, "net");
    let _ = world.listing(quiet);
    assert_eq!(world.manager.next_ready(), Some(denials));
    assert_eq!(world.manager.next_ready(), None);
    let mut text = Vec::new();
    world.manager.read(denials, 0, 4096, &mut text).unwrap();
    let text = String::from_utf8(text).unwrap();
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines.len(), 2, "{text}");
    assert!(lines[0].contains("pid=7 uid=1000"), "{text}");
    assert!(
        lines[0].ends_with("cause=not-bound name=\"/scheme/net/x\""),
        "{text}"
    );
    assert!(lines[1].contains("cause=may-not-list"), "{text}");
    let mut out = Vec::new();
    assert_eq!(
        errno(world.manager.read(denials, 0, 4096, &mut out)),
        EAGAIN
    );
    assert_eq!(world.manager.denials().count(Cause::NotBound), 1);

    let counters = open(&mut world, b"counters");
    let mut text = Vec::new();
    world.manager.read(counters, 0, 12, &mut text).unwrap();
    assert_eq!(text, b"not-bound 1\n");
    let size = world.manager.size(counters).unwrap();
    world.manager.read(counters, 12, 4096, &mut text).unwrap();
    assert_eq!(text.len(), size);
    assert_eq!(errno(world.manager.open(status, b"other", 0, ROOT)), ENOENT);
    assert_eq!(errno(world.manager.open(denials, b"x", 0, ROOT)), ENOTDIR);
}

#[test]
fn a_greedy_client_hurts_only_itself() {
    let mut world = World::with_names(&["file"]);
    let greedy = Caller { pid: 50, uid: 1001 };
    let fork = api::fork_payload([&b"*"[..]]);
    let (mut handles, mut refused) = (Vec::new(), 0);
    for _ in 0..100_000 {
        match world.dup_as(world.first, &fork, greedy) {
            Ok(handle) => handles.push(handle),
            Err(error) => {
                assert!(matches!(error.errno, EMFILE | ENOMEM), "{error}");
                refused += 1;
            }
        }
    }
    assert_eq!(handles.len() + refused, 100_000);
    assert!(refused > 0);
    assert!(world.fork(world.first, &["file"]).is_ok());
    assert!(world.dup_as(world.first, &fork, ROOT).is_ok());
    for handle in handles {
        world.manager.close(handle);
    }
    assert!(world.dup_as(world.first, &fork, greedy).is_ok());
}

#[test]
fn names_are_charged_to_whoever_holds_them() {
    let mut world = World::with_limits(Limits {
        names_per_uid: 10,
        ..Limits::default()
    });
    let first = world.first;
    for number in 0..10 {
        world.bind(first, &number.to_string()).unwrap();
    }
    assert_eq!(errno(world.bind(first, "more")), ENOMEM);
    // A fork that shares costs its maker nothing; one with its own nodes, and changes, do.
    let shared = world.fork(first, &["*"]).unwrap();
    let own = world.fork(first, &["0", "1", "2", "3", "4", "5"]).unwrap();
    assert_eq!(errno(world.fork(first, &["0", "1", "2", "3", "4"])), ENOMEM);
    for number in 0..4 {
        world
            .manager
            .unbind(shared, 0, number.to_string().as_bytes(), USER)
            .unwrap();
    }
    assert_eq!(
        errno(world.manager.unbind(shared, 0, b"5", USER).map(drop)),
        ENOMEM
    );
    world.manager.close(shared);
    let shared = world.fork(own, &["*"]).unwrap();
    world.manager.close(own);
    // A name that comes and goes is not charged again each time.
    for _ in 0..100 {
        world.bind(shared, "again").unwrap();
        world.manager.unbind(shared, 0, b"again", USER).unwrap();
    }
}

#[test]
fn a_namespace_that_is_left_to_a_user_is_charged_to_that_one() {
    let mut world = World::with_limits(Limits {
        names_per_uid: 10,
        ..Limits::default()
    });
    let root = Caller { pid: 2, uid: 0 };
    let register = api::issue_register_payload(b"0");
    let handle = world.dup_as(world.first, &register, root).unwrap();
    world.send(handle).unwrap();
    let fork_for = |user| api::fork_for_payload(user, ForkFlags::SKIP_UNKNOWN, [&b"0"[..]]);
    // Only the superuser makes others pay.
    for (user, refused) in [(0, true), (1001, true), (USER.uid, false)] {
        let made = world.dup(world.first, &fork_for(user));
        assert_eq!(made.is_err_and(|error| error.errno == EACCES), refused);
    }
    let session = world
        .dup_as(world.first, &fork_for(USER.uid), root)
        .unwrap();
    assert_eq!(world.manager.owner(session), USER.uid);
    let full = u64::from(Rights::FULL.bits());
    let mut aliases = (0..20).map(|number| {
        let alias = format!("alias-{number}");
        let payload = api::bind_payload(b"0", alias.as_bytes());
        world.manager.bind(session, full, &payload, USER)
    });
    assert!(aliases.any(|bound| bound.is_err_and(|error| error.errno == ENOMEM)));
    // Which is nothing to the superuser.
    let own = (1..8).map(|number| number.to_string());
    for name in own {
        let register = api::issue_register_payload(name.as_bytes());
        let handle = world.dup_as(world.first, &register, root).unwrap();
        world.send(handle).unwrap();
    }
}

#[test]
fn roots_are_charged_to_whoever_has_them_kept() {
    let mut world = World::with_limits(Limits {
        roots: 64,
        ..Limits::default()
    });
    // A namespace that the superuser made and left to a user.
    let first = world.first;
    let binds = |world: &mut World, name: &str| world.bind(first, name).map(drop);
    for number in 0..16 {
        binds(&mut world, &number.to_string()).unwrap();
    }
    let open = world.alive.borrow().len();
    assert_eq!(errno(binds(&mut world, "more")), ENOMEM);
    assert_eq!(errno(world.bind_place(first, "places", "/p")), ENOMEM);
    let destroyable = api::fork_with_payload(ForkFlags::DESTROYABLE, [&b"0"[..]]);
    assert_eq!(errno(world.dup(first, &destroyable)), ENOMEM);
    assert_eq!(world.alive.borrow().len(), open);
    // Shared names, and aliases that nobody has asked for, keep nothing more.
    let fork = world.fork(first, &["*"]).unwrap();
    let alias = api::bind_payload(b"0", b"alias");
    let full = u64::from(Rights::FULL.bits());
    world.manager.bind(fork, full, &alias, USER).unwrap();
    assert_eq!(world.count("roots"), 16);
    // Another user, and the superuser.
    for uid in [1001, 0] {
        let caller = Caller { pid: 8, uid };
        let register = api::issue_register_payload(format!("of-{uid}").as_bytes());
        let handle = world.dup_as(first, &register, caller).unwrap();
        world.send(handle).unwrap();
    }
    // What is vacant keeps its place; what is gone, or has ended wherever it is inherited, does not.
    let unbind = |world: &mut World, flags: UnbindFlags, name: &str| {
        let unbound = world
            .manager
            .unbind(first, flags.bits(), name.as_bytes(), USER);
        drop(unbound.unwrap());
    };
    unbind(&mut world, UnbindFlags::VACATE, "1");
    assert_eq!(errno(binds(&mut world, "more")), ENOMEM);
    binds(&mut world, "1").unwrap();
    unbind(&mut world, UnbindFlags::empty(), "2");
    assert_eq!(errno(binds(&mut world, "more")), ENOMEM);
    unbind(&mut world, UnbindFlags::REVOKE, "3");
    binds(&mut world, "more").unwrap();
    world.manager.close(fork);
    binds(&mut world, "still-more").unwrap();
    assert_eq!(errno(binds(&mut world, "too-much")), ENOMEM);
}

#[test]
fn everything_is_freed_when_the_handles_go() {
    let mut world = World::with_names(&["a", "b", "c"]);
    let before = (world.manager.counts(), world.alive.borrow().len());
    let payload = api::fork_with_payload(ForkFlags::DESTROYABLE, [&b"*"[..]]);
    let fork = world.dup(world.first, &payload).unwrap();
    let grandchild = world.fork(fork, &["a", "b"]).unwrap();
    world.bind(fork, "d").unwrap();
    world.bind(grandchild, "e").unwrap();
    let others = [
        world.shrink(fork, NsPermissions::LIST).unwrap(),
        world.dup(fork, &api::watch_payload()).unwrap(),
        world
            .dup(fork, &api::issue_register_payload(b"never"))
            .unwrap(),
    ];
    world.manager.close(fork);
    assert_eq!(world.count("namespaces"), 3, "a shrunk handle keeps it");
    for handle in others {
        world.manager.close(handle);
    }
    assert_eq!(world.count("namespaces"), 2);
    world.manager.close(grandchild);
    world.manager.close(grandchild);
    world.manager.close(u64::MAX);
    assert_eq!((world.manager.counts(), world.alive.borrow().len()), before);
    world.manager.close(world.first);
    assert!(world.alive.borrow().is_empty());
    assert_eq!(world.count("bindings"), 0);
    assert_eq!(world.count("users"), 0);
}
