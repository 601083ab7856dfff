//! Names that are bound to several directories.

mod common;

use cap_abi::{
    Rights,
    resolve::{RESOLVE_BENEATH, RESOLVE_IN_ROOT, RESOLVE_NO_XDEV},
};
use common::{USER, World, number};
use nsmgr_api::{self as api, NsPermissions, UnbindFlags};
use nsmgr_core::{Error, Limits, Open, Opened, PLACES_MAX, Unlink};
use syscall::{error::*, flag::*};

const REVOKE: u64 = UnbindFlags::REVOKE.bits();

fn errno<T: std::fmt::Debug>(result: Result<T, Error>) -> i32 {
    result.unwrap_err().errno
}

#[derive(Debug, PartialEq)]
enum Is {
    To(u32, usize),
    Here(String),
    No(i32),
}
use Is::*;

fn open(world: &mut World, handle: u64, path: &str, flags: usize) -> Is {
    match world.manager.open(handle, path.as_bytes(), flags, USER) {
        Ok(Open::Redirect { binding, suffix }) => To(number(&binding), suffix),
        Ok(Open::Handle(Opened { handle, .. })) => {
            let path = world.manager.path(handle).unwrap();
            assert!(world.manager.is_directory(handle).unwrap());
            world.manager.close(handle);
            Here(path)
        }
        Ok(other) => panic!("{other:?}"),
        Err(error) => No(error.errno),
    }
}

fn unbind(
    world: &mut World,
    ns: u64,
    flags: u64,
    name: &str,
    path: &str,
) -> Result<Vec<u32>, Error> {
    let payload = api::place_payload(name.as_bytes(), path.as_bytes());
    let unbound = world.manager.unbind_place(ns, flags, &payload, USER)?;
    Ok(unbound.revoke.iter().map(|fd| fd.0).collect())
}

#[test]
fn paths_of_a_namespace_lead_to_places() {
    let mut world = World::with_names(&["null"]);
    let first = world.first;
    let project = world
        .bind_place(first, "file", "/home/user/project")
        .unwrap();
    let tmp = world.bind_place(first, "file", "/tmp").unwrap();
    let here = |path: &str| Here(path.to_owned());
    let table = [
        ("/scheme/file/home/user/project/a/b", 0, To(project, 31)),
        ("/home/user/project/a/b", 0, To(project, 19)),
        ("file:/tmp/x", 0, To(tmp, 10)),
        ("/tmp", O_CREAT, To(tmp, 4)),
        ("/", O_DIRECTORY, here("/scheme/file")),
        ("/scheme/file", O_DIRECTORY, here("/scheme/file")),
        ("/scheme/file", 0, here("/scheme/file")),
        ("/home", O_DIRECTORY, here("/scheme/file/home")),
        ("/home/user/..", 0, here("/scheme/file/home")),
        ("/home", O_RDWR, No(EISDIR)),
        ("/home", O_CREAT, No(EISDIR)),
        ("/home", O_CREAT | O_EXCL, No(EEXIST)),
        ("/home/new", O_CREAT | O_RDWR, No(EROFS)),
        ("/home/new/deeper", O_CREAT | O_RDWR, No(ENOENT)),
        ("/home/other/x", 0, No(ENOENT)),
        ("/etc/passwd", 0, No(ENOENT)),
        ("/home/user/project/../../../etc", 0, To(project, 19)),
        ("/../../tmp/x", 0, To(tmp, 11)),
        // What a path of a namespace leads to is not another file system to it.
        ("/tmp/x", RESOLVE_NO_XDEV, To(tmp, 5)),
        ("/scheme/other/x", 0, No(ENODEV)),
    ];
    for (path, flags, expected) in table {
        let is = open(&mut world, first, path, flags);
        assert_eq!(is, expected, "{path:?} {flags:#x}");
    }
}

#[test]
fn a_directory_that_leads_to_places_can_be_stood_in() {
    let mut world = World::new();
    let first = world.first;
    let project = world
        .bind_place(first, "file", "/home/user/project")
        .unwrap();
    let tmp = world.bind_place(first, "file", "/tmp").unwrap();
    let Ok(Open::Handle(Opened {
        handle: home,
        positioned: true,
    })) = world.manager.open(first, b"/home", O_DIRECTORY, USER)
    else {
        panic!()
    };
    let table = [
        ("user/project/x", 0, To(project, 13)),
        ("", 0, Here("/scheme/file/home".into())),
        (".", O_DIRECTORY, Here("/scheme/file/home".into())),
        ("..", 0, Here("/scheme/file".into())),
        ("../tmp/x", 0, To(tmp, 7)),
        ("..", RESOLVE_BENEATH, No(EPERM)),
        ("../tmp/x", RESOLVE_BENEATH, No(EPERM)),
        ("/tmp/x", RESOLVE_BENEATH, No(EPERM)),
        ("user/project/x", RESOLVE_BENEATH, To(project, 13)),
        ("user/project/x", RESOLVE_NO_XDEV, No(EPERM)),
        ("user/project/x", RESOLVE_IN_ROOT, No(EPERM)),
        (
            "../user",
            RESOLVE_IN_ROOT,
            Here("/scheme/file/home/user".into()),
        ),
        (
            "user",
            RESOLVE_NO_XDEV,
            Here("/scheme/file/home/user".into()),
        ),
        ("new", O_CREAT, No(EROFS)),
    ];
    for (path, flags, expected) in table {
        assert_eq!(
            open(&mut world, home, path, flags),
            expected,
            "{path:?} {flags:#x}"
        );
    }
    assert_eq!(world.sorted(home), ["user"]);
    let inodes: Vec<u64> = ["/", "/home", "/home/user"]
        .iter()
        .map(|path| {
            let Ok(Open::Handle(opened)) = world.manager.open(first, path.as_bytes(), 0, USER)
            else {
                panic!()
            };
            world.manager.inode(opened.handle)
        })
        .collect();
    let different: std::collections::BTreeSet<_> = inodes.iter().collect();
    assert!(different.len() == 3 && !inodes.contains(&0), "{inodes:?}");
    let mut listed = Vec::new();
    let list = world.manager.list(home, 0, USER, |_, inode, _| {
        listed.push(inode);
        true
    });
    list.unwrap();
    assert_eq!(listed, inodes[2..], "a listing tells what fstat tells");
    // It is no namespace.
    assert_eq!(errno(world.fork(home, &["*"])), EINVAL);
    // What it led to is gone: so is the directory.
    unbind(&mut world, first, 0, "file", "/home/user/project").unwrap();
    assert_eq!(open(&mut world, home, "", 0), No(ENOENT));
    assert_eq!(open(&mut world, home, "/tmp/x", 0), No(ENOENT));
    unbind(&mut world, first, 0, "file", "/tmp").unwrap();
    assert_eq!(open(&mut world, home, "", 0), No(ENODEV));
}

#[test]
fn a_listing_of_places_resumes() {
    let mut world = World::new();
    let first = world.first;
    for number in 0..PLACES_MAX {
        world
            .bind_place(first, "file", &format!("/d/p{number}"))
            .unwrap();
    }
    assert_eq!(errno(world.bind_place(first, "file", "/d/more")), ENOSPC);
    let Ok(Open::Handle(Opened { handle, .. })) = world.manager.open(first, b"/d", 0, USER) else {
        panic!()
    };
    let whole = world.listing(handle).unwrap();
    assert_eq!(whole.len(), PLACES_MAX);
    let (mut position, mut all) = (0, Vec::new());
    loop {
        let before = all.len();
        let list = world.manager.list(handle, position, USER, |next, _, name| {
            if all.len() == before + 5 {
                return false;
            }
            position = next;
            all.push(name.to_owned());
            true
        });
        list.unwrap();
        if all.len() == before {
            break;
        }
        // Names that come and go meanwhile change nothing for the others.
        let _ = unbind(&mut world, first, 0, "file", "/d/p0");
    }
    all.retain(|name| name != "p0");
    let expected: Vec<_> = whole.into_iter().filter(|name| name != "p0").collect();
    assert_eq!(all, expected);
}

#[test]
fn what_leads_to_places_is_not_unlinked() {
    let mut world = World::new();
    let first = world.first;
    world.bind_place(first, "file", "/home/user").unwrap();
    let table = [
        ("/home/user/x", Ok(11)),
        ("/scheme/file/home/user/x", Ok(23)),
        ("/home/user", Err(EBUSY)),
        ("/home/user/", Err(EBUSY)),
        ("/home", Err(EBUSY)),
        ("/", Err(EBUSY)),
        ("/etc", Err(ENOENT)),
    ];
    for (path, expected) in table {
        let got = match world.manager.unlink(first, path.as_bytes(), 0, USER) {
            Ok(Unlink::Redirect { suffix, .. }) => Ok(suffix),
            Ok(Unlink::Removed) => panic!(),
            Err(error) => Err(error.errno),
        };
        assert_eq!(got, expected, "{path}");
    }
}

#[test]
fn forks_have_places_of_their_own() {
    let mut world = World::new();
    let first = world.first;
    let a = world.bind_place(first, "file", "/a").unwrap();
    let fork = world.fork(first, &["file"]).unwrap();
    let b = world.bind_place(fork, "file", "/b").unwrap();
    assert_eq!(errno(world.bind_place(fork, "file", "/a")), EEXIST);
    assert_eq!(open(&mut world, fork, "/a/x", 0), To(a, 3));
    assert_eq!(open(&mut world, fork, "/b/x", 0), To(b, 3));
    assert_eq!(open(&mut world, first, "/b/x", 0), No(ENOENT));
    // Only the namespace where a place was bound ends it for all.
    assert_eq!(errno(unbind(&mut world, fork, REVOKE, "file", "/a")), EPERM);
    let whole = world.manager.unbind(fork, REVOKE, b"file", USER);
    assert_eq!(errno(whole), EPERM);
    assert_eq!(
        unbind(&mut world, first, REVOKE, "file", "/a").unwrap(),
        [a]
    );
    assert_eq!(open(&mut world, fork, "/b/x", 0), To(b, 3));
    let opened = world.manager.open(fork, b"/a/x", 0, USER).unwrap();
    assert!(
        matches!(opened, Open::Redirect { binding, .. } if binding.root().is_none()),
        "what has ended leads nowhere"
    );
    assert_eq!(errno(unbind(&mut world, first, 0, "file", "/a")), ENODEV);
    assert_eq!(errno(unbind(&mut world, fork, 0, "file", "/c")), ENOENT);
    let vacate = UnbindFlags::VACATE.bits();
    assert_eq!(
        errno(unbind(&mut world, fork, vacate, "file", "/b")),
        EINVAL
    );
    assert_eq!(
        errno(world.manager.unbind(fork, vacate, b"file", USER)),
        EOPNOTSUPP
    );
    let weak = world.shrink(fork, NsPermissions::LIST).unwrap();
    assert_eq!(errno(unbind(&mut world, weak, 0, "file", "/b")), EACCES);
    assert_eq!(errno(world.bind_place(weak, "file", "/c")), EACCES);
}

#[test]
fn a_whole_scheme_gets_places_above_it() {
    let mut world = World::with_names(&["file"]);
    let first = world.first;
    let whole = world.root_of(first, "file").unwrap();
    let fork = world.fork(first, &["file"]).unwrap();
    let mine = world.bind_place(fork, "file", "/home/me").unwrap();
    let table = [
        ("/etc/passwd", To(whole, 1)),
        ("/home", To(whole, 1)),
        ("/home/me/x", To(mine, 9)),
        ("/", To(whole, 1)),
    ];
    for (path, expected) in table {
        assert_eq!(open(&mut world, fork, path, 0), expected, "{path}");
    }
    // Its root is not handed out any more: a client that kept it would miss the place.
    let opened = open(&mut world, fork, "/scheme/file", O_DIRECTORY);
    assert_eq!(opened, Here("/scheme/file".into()));
    let handed_out = world
        .manager
        .open(first, b"/scheme/file", O_DIRECTORY, USER);
    assert!(matches!(handed_out, Ok(Open::RootHandOut(_))));
    // The daemon behind it is started again: the fork finds it.
    let vacate = UnbindFlags::VACATE.bits();
    drop(world.manager.unbind(first, vacate, b"file", USER).unwrap());
    let new = world.bind(first, "file").unwrap();
    assert_eq!(open(&mut world, fork, "/etc", 0), To(new, 1));
}

#[test]
fn an_alias_of_places_has_them_all_with_fewer_rights() {
    let mut world = World::new();
    let first = world.first;
    world.bind_place(first, "file", "/a").unwrap();
    world.bind_place(first, "file", "/b/c").unwrap();
    let rights = u64::from(Rights::READ_ONLY.bits());
    let payload = api::bind_payload(b"file", b"view");
    world.manager.bind(first, rights, &payload, USER).unwrap();
    for path in ["/scheme/view/a/x", "/scheme/view/b/c/x"] {
        let Ok(Open::Redirect { binding, .. }) =
            world.manager.open(first, path.as_bytes(), 0, USER)
        else {
            panic!()
        };
        assert_eq!(binding.rights(), Rights::READ_ONLY);
        assert!(binding.source().is_some());
    }
}

#[test]
fn places_are_charged_and_freed() {
    let mut world = World::with_limits(Limits {
        names_per_uid: 20,
        ..Limits::default()
    });
    let first = world.first;
    let before = world.manager.counts();
    let ns = world.fork(first, &[]).unwrap();
    for number in 0..10 {
        world
            .bind_place(ns, "file", &format!("/p{number}"))
            .unwrap();
    }
    // Ten places, and as many names as the namespace may own nodes of.
    let charged = world.count("names-charged");
    assert!((11..=13).contains(&charged), "{charged}");
    for _ in 0..50 {
        unbind(&mut world, ns, 0, "file", "/p3").unwrap();
        world.bind_place(ns, "file", "/p3").unwrap();
    }
    assert_eq!(world.count("names-charged"), charged);
    let fork = world.fork(ns, &["*"]).unwrap();
    assert_eq!(world.count("names-charged"), charged, "they are shared");
    assert_eq!(errno(world.bind_place(fork, "file", "/more")), ENOMEM);
    let Ok(Open::Handle(Opened { handle, .. })) = world.manager.open(ns, b"/", 0, USER) else {
        panic!()
    };
    for handle in [ns, fork, handle] {
        world.manager.close(handle);
    }
    assert_eq!(world.manager.counts(), before);
    assert!(world.alive.borrow().is_empty());
}
