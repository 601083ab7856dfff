//! A name whose daemon ends and is started again.

mod common;

use cap_abi::Rights;
use common::{USER, World, number};
use nsmgr_api::{self as api, NsPermissions, RegisterFlags, UnbindFlags};
use nsmgr_core::{Cause, Error, Open};
use syscall::error::*;

const VACATE: u64 = UnbindFlags::VACATE.bits();
const REVOKE: u64 = UnbindFlags::REVOKE.bits();

fn vacate(world: &mut World, ns: u64, name: &str) -> Result<Vec<u32>, Error> {
    let vacated = world.manager.unbind(ns, VACATE, name.as_bytes(), USER)?;
    Ok(vacated.revoke.iter().map(|fd| fd.0).collect())
}

fn errno<T: std::fmt::Debug>(result: Result<T, Error>) -> i32 {
    result.unwrap_err().errno
}

#[test]
fn a_new_root_is_found_in_every_fork() {
    let mut world = World::with_names(&["file", "net"]);
    let first = world.first;
    let child = world.fork(first, &["net"]).unwrap();
    let grandchild = world.fork(child, &["*"]).unwrap();
    let old = world.root_of(first, "net").unwrap();
    assert_eq!(vacate(&mut world, first, "net").unwrap(), [old]);
    assert!(!world.alive.borrow().contains(&old), "it is closed");
    let while_vacant = world.fork(child, &["net"]).unwrap();
    let all = [first, child, grandchild, while_vacant];
    for ns in all {
        let error = world.root_of(ns, "net").unwrap_err();
        assert_eq!((error.errno, error.cause), (ENODEV, Cause::Vacant));
        assert!(world.sorted(ns).contains(&"net".to_owned()));
    }
    let new = world.bind(first, "net").unwrap();
    for ns in all {
        assert_eq!(world.root_of(ns, "net").unwrap(), new);
    }
    assert_eq!(errno(world.bind(first, "net")), EEXIST);
    // As often as it takes.
    for _ in 0..3 {
        vacate(&mut world, first, "net").unwrap();
        let new = world.bind(first, "net").unwrap();
        assert_eq!(world.root_of(grandchild, "net").unwrap(), new);
    }
    assert_eq!(world.count("bindings"), 2);
}

#[test]
fn only_where_it_was_bound() {
    let mut world = World::with_names(&["net"]);
    let first = world.first;
    let child = world.fork(first, &["net"]).unwrap();
    assert_eq!(errno(vacate(&mut world, child, "net")), EPERM);
    let lister = world.shrink(first, NsPermissions::LIST).unwrap();
    assert_eq!(errno(vacate(&mut world, lister, "net")), EACCES);
    assert_eq!(errno(vacate(&mut world, first, "nosuch")), ENODEV);
    vacate(&mut world, first, "net").unwrap();
    // An heir cannot put its own in the place of what is to come.
    assert_eq!(errno(world.bind(child, "net")), EEXIST);
    let elsewhere = world.bind(first, "net").unwrap();
    assert_eq!(world.root_of(child, "net").unwrap(), elsewhere);
    // A fork that took the name away, or has its own, keeps its decision.
    world.manager.unbind(child, 0, b"net", USER).unwrap();
    let own = world.bind(child, "net").unwrap();
    vacate(&mut world, first, "net").unwrap();
    world.bind(first, "net").unwrap();
    assert_eq!(world.root_of(child, "net").unwrap(), own);
}

#[test]
fn it_comes_back_with_the_rights_it_had() {
    let mut world = World::new();
    let first = world.first;
    let register = |world: &mut World, rights| {
        let payload = api::register_with_payload(rights, RegisterFlags::empty(), b"ro");
        let handle = world.dup(first, &payload).unwrap();
        let sent = world.send(handle);
        world.manager.close(handle);
        sent
    };
    register(&mut world, Rights::READ_ONLY).unwrap();
    vacate(&mut world, first, "ro").unwrap();
    assert_eq!(errno(register(&mut world, Rights::FULL)), EEXIST);
    register(&mut world, Rights::READ_ONLY).unwrap();
    assert_eq!(world.rights_of(first, "ro"), Rights::READ_ONLY);
}

#[test]
fn giving_up_ends_it_for_good() {
    let mut world = World::with_names(&["net"]);
    let first = world.first;
    let child = world.fork(first, &["net"]).unwrap();
    vacate(&mut world, first, "net").unwrap();
    assert_eq!(
        vacate(&mut world, first, "net").unwrap(),
        [],
        "twice is once"
    );
    world.manager.unbind(first, REVOKE, b"net", USER).unwrap();
    assert!(world.sorted(child).is_empty());
    world.bind(first, "net").unwrap();
    let error = world.root_of(child, "net").unwrap_err();
    assert_eq!((error.errno, error.cause), (ENODEV, Cause::NotBound));
}

#[test]
fn an_alias_follows() {
    let mut world = World::with_names(&["net"]);
    let first = world.first;
    let rights = u64::from(Rights::READ_ONLY.bits());
    let bind = |world: &mut World, ns, old: &[u8], new: &[u8]| {
        world
            .manager
            .bind(ns, rights, &api::bind_payload(old, new), USER)
    };
    bind(&mut world, first, b"net", b"alias").unwrap();
    let child = world.fork(first, &["alias"]).unwrap();
    // What the shell around this library does with a binding that has no root of its own yet.
    let resolve = |world: &mut World, ns| {
        let opened = world.manager.open(ns, b"/scheme/alias/x", 0, USER).unwrap();
        let Open::Redirect { binding, .. } = opened else {
            panic!()
        };
        if binding.root().is_none() {
            let source = binding.source().unwrap();
            let from = source.root().map(|root| root.0);
            let made = world.fd();
            let number = made.0;
            drop(binding.keep(made));
            return (from, number);
        }
        (None, number(&binding))
    };
    let net = world.root_of(first, "net").unwrap();
    let (from, made) = resolve(&mut world, child);
    assert_eq!(from, Some(net));
    assert_eq!(resolve(&mut world, first), (None, made), "one for all");
    vacate(&mut world, first, "net").unwrap();
    let new = world.bind(first, "net").unwrap();
    let (from, again) = resolve(&mut world, child);
    assert_eq!(from, Some(new));
    assert_ne!(again, made);
    assert!(!world.alive.borrow().contains(&made));
    // It is not itself one that is started again.
    assert_eq!(errno(vacate(&mut world, first, "alias")), EOPNOTSUPP);
    let mut last = b"alias".to_vec();
    let mut count = 0;
    loop {
        let next = [&last[..], b"+"].concat();
        match bind(&mut world, first, &last, &next) {
            Ok(()) => (count, last) = (count + 1, next),
            Err(error) => {
                assert_eq!(error.errno, EMLINK);
                break;
            }
        }
    }
    assert_eq!(count, 15);
}

#[test]
fn watchers_see_it_go_and_come() {
    let mut world = World::with_names(&["net"]);
    let first = world.first;
    let watch = world.dup(first, &api::watch_payload()).unwrap();
    let changed = |world: &mut World| {
        let mut out = Vec::new();
        world.manager.read(watch, 0, 8, &mut out).is_ok()
    };
    assert!(!changed(&mut world));
    vacate(&mut world, first, "net").unwrap();
    assert!(changed(&mut world));
    world.bind(first, "net").unwrap();
    assert!(changed(&mut world));
    assert!(!changed(&mut world));
}
