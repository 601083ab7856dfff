//! Requests as the kernel sends them, and the answers as it reads them.

mod common;

use cap_abi::{Rights, scheme::CQE_REDIRECT};
use common::{Object, UID, World, result};
use nsmgr_api::{self as api, ForkFlags, RegisterFlags, UnbindFlags, Verb};
use nsmgr_core::Limits;
use nsmgr_server::payload_of;
use syscall::{
    StdFsCallKind,
    dirent::DirentIter,
    error::*,
    flag::*,
    schemev2::{CqeOpcode, Opcode, Sqe, SqeFlags},
};

const RESPOND_FD: u8 = CqeOpcode::RespondWithFd as u8;

#[test]
fn an_open_is_a_redirect_to_what_was_sent() {
    let mut world = World::new();
    world.bind(world.first, "file", 70).unwrap();
    let cqe = world.open(world.first, "/scheme/file/home/x", O_RDONLY).cqe;
    assert_eq!((cqe.flags, cqe.extra()), (CQE_REDIRECT, 13));
    assert_eq!(
        world.sim.object(cqe.result as usize),
        Object::Copy(Box::new(Object::Sent(70)), Rights::FULL)
    );
    let cqe = world.open(world.first, "/etc/passwd", O_RDONLY).cqe;
    assert_eq!((cqe.flags, cqe.extra()), (CQE_REDIRECT, 1));
    assert_eq!(
        result(&world.open(world.first, "/scheme/x", 0).cqe),
        Err(ENODEV)
    );
    assert_eq!(result(&world.open(999, "/scheme/x", 0).cqe), Err(EBADF));
    let mut path = b"/scheme/file/tmp/x".to_vec();
    let cqe = world
        .ask(Opcode::UnlinkAt, world.first, [0, 0, UID], &mut path)
        .cqe;
    assert_eq!((cqe.flags, cqe.extra()), (CQE_REDIRECT, 13));
    let mut path = b"/scheme/file".to_vec();
    assert_eq!(
        world.value(Opcode::UnlinkAt, world.first, [0, 0, UID], &mut path),
        Ok(0)
    );
    assert_eq!(
        result(&world.open(world.first, "/scheme/file/x", 0).cqe),
        Err(ENODEV)
    );
}

#[test]
fn roots_and_the_capability_are_handed_out_as_copies() {
    let mut world = World::new();
    world.bind(world.first, "file", 70).unwrap();
    let open = world.sim.0.borrow().open.len();
    let mut numbers = Vec::new();
    for path in [
        "/scheme/file",
        "/scheme/file",
        "/scheme/namespace/scheme-creation-cap",
    ] {
        let reply = world.open(world.first, path, O_DIRECTORY);
        assert_eq!(reply.cqe.flags, RESPOND_FD);
        let fd = reply.close.as_ref().expect("to be closed afterwards");
        assert_eq!(fd.0 as u64, reply.cqe.result);
        numbers.push(fd.0);
    }
    numbers.dedup();
    assert_eq!(numbers.len(), 3, "nobody gets another's");
    assert_eq!(
        world.sim.0.borrow().open.len(),
        open + 2,
        "what is kept is what further copies are made of"
    );

    let payload = api::register_with_payload(
        Rights::READ_ONLY.difference(Rights::TRANSFER),
        RegisterFlags::empty(),
        b"ro",
    );
    let handle = world.dup(world.first, &payload).unwrap();
    world.send(handle, 71).unwrap();
    assert_eq!(
        result(&world.open(world.first, "/scheme/ro", O_DIRECTORY).cqe),
        Err(EPERM)
    );
}

/// A namespace that one of its own names kept would never go.
#[test]
fn what_keeps_a_namespace_is_not_bound() {
    let mut world = World::new();
    let open = world.sim.0.borrow().open.len();
    let fork = world.dup(world.first, &api::fork_payload([])).unwrap();
    let other = world.dup(fork, &api::fork_payload([])).unwrap();
    let register = world.dup(fork, &api::issue_register_payload(b"x")).unwrap();
    let watch = world.dup(fork, &api::watch_payload()).unwrap();
    let status = world.server.status_root().unwrap();
    for own in [fork, other, world.first, register, watch] {
        for object in [
            Object::Own(own),
            Object::Copy(Box::new(Object::Own(own)), Rights::FULL),
        ] {
            assert_eq!(world.send_object(register, object), Err(ELOOP));
        }
    }
    // The status scheme keeps none.
    assert_eq!(world.send_object(register, Object::Own(status)), Ok(1));
    for handle in [register, watch, other, fork, status] {
        world.close(handle);
    }
    assert_eq!(world.sim.0.borrow().open.len(), open);
}

#[test]
fn a_root_serves_as_long_as_its_name() {
    let mut world = World::new();
    let open = world.sim.0.borrow().open.len();
    let fork_of_all = api::fork_payload([&b"*"[..]]);
    for round in 0..3 {
        world.bind(world.first, "file", 70 + round).unwrap();
        let fork = world.dup(world.first, &fork_of_all).unwrap();
        for ns in [world.first, world.first, fork] {
            let reply = world.open(ns, "/scheme/file", O_DIRECTORY);
            assert_eq!(reply.cqe.flags, RESPOND_FD);
        }
        // What the fork handed out is the fork's.
        let revoked = world.sim.0.borrow().revoked;
        let mut path = b"/scheme/file".to_vec();
        let unlink = world.value(Opcode::UnlinkAt, world.first, [0, 0, UID], &mut path);
        assert_eq!(unlink, Ok(0));
        assert_eq!(world.sim.0.borrow().revoked, revoked + 1);
        let mut name = b"file".to_vec();
        let verb = [Verb::Unbind as u64, 0, 0];
        assert_eq!(world.value(Opcode::Call, fork, verb, &mut name), Ok(0));
        assert_eq!(world.sim.0.borrow().revoked, revoked + 2);
        world.close(fork);
    }
    assert_eq!(world.sim.0.borrow().open.len(), open, "nothing is left");
    // A namespace that goes takes nothing along that it handed out.
    let revoked = world.sim.0.borrow().revoked;
    world.bind(world.first, "file", 80).unwrap();
    let fork = world.dup(world.first, &fork_of_all).unwrap();
    drop(world.open(fork, "/scheme/file", O_DIRECTORY));
    world.close(fork);
    assert_eq!(world.sim.0.borrow().revoked, revoked);
    assert_eq!(world.sim.0.borrow().open.len(), open + 2, "the binding's");
}

/// Has the daemon keep descriptors, as this user; gives a handle to be closed.
type Take = fn(&mut World, u64, usize) -> Result<u64, i32>;

/// Binds a name in a namespace that the superuser has made and left to the user.
fn take_name(world: &mut World, uid: u64, number: usize) -> Result<u64, i32> {
    let name = format!("{uid}-{number}");
    let payload = api::issue_register_payload(name.as_bytes());
    let handle = world.dup_as(uid, world.first, &payload)?;
    let sent = world.send(handle, 70);
    world.close(handle);
    sent.map(|_| u64::MAX)
}

/// Has a root handed out by a namespace of the user's own.
fn take_root(world: &mut World, uid: u64, _: usize) -> Result<u64, i32> {
    let ns = world.dup_as(uid, world.first, &api::fork_payload([&b"file"[..]]))?;
    let mut path = b"/scheme/file".to_vec();
    let args = [O_DIRECTORY as u64, 0, uid];
    let opened = world.value(Opcode::OpenAt, ns, args, &mut path);
    if opened.is_err() {
        world.close(ns);
    }
    opened.map(|_| ns)
}

fn take_lease(world: &mut World, uid: u64, _: usize) -> Result<u64, i32> {
    let mut payload = api::fork_with_payload(ForkFlags::DESTROYABLE, [&b"file"[..]]);
    let reply = world.ask(Opcode::Dup, world.first, [0, 0, uid], &mut payload);
    let fd = result(&reply.cqe)?;
    let Object::Copy(of, _) = world.sim.object(fd as usize) else {
        panic!()
    };
    let Object::Own(ns) = *of else { panic!() };
    Ok(ns)
}

/// Binds an alias in the superuser's namespace, and asks for something behind it.
fn take_alias(world: &mut World, uid: u64, number: usize) -> Result<u64, i32> {
    let alias = format!("alias-{uid}-{number}");
    let verb = [Verb::Bind as u64, u64::from(Rights::FULL.bits()), 0];
    let mut payload = api::bind_payload(b"file", alias.as_bytes());
    world.value(Opcode::Call, world.first, verb, &mut payload)?;
    let mut path = format!("/scheme/{alias}/x").into_bytes();
    // A standard call does not say who asks.
    let (opcode, args) = if number.is_multiple_of(2) || uid != 1000 {
        (Opcode::OpenAt, [0, 0, uid])
    } else {
        let unlink = StdFsCallKind::Unlinkat as u64;
        (Opcode::StdFsCall, [unlink, 0, 0])
    };
    world.value(opcode, world.first, args, &mut path)?;
    Ok(u64::MAX)
}

#[test]
fn a_user_leaves_descriptors_to_others() {
    let takes: [(Take, usize); 4] = [
        (take_name, 16),
        (take_root, 16),
        (take_lease, 16),
        // Half of them are charged to whoever does not say who it is.
        (take_alias, 32),
    ];
    for (take, most) in takes {
        let mut world = World::with_limits(Limits {
            roots: 64,
            ..Limits::default()
        });
        // The superuser's.
        let payload = api::issue_register_payload(b"file");
        let register = world.dup_as(0, world.first, &payload).unwrap();
        world.send(register, 70).unwrap();
        world.close(register);
        let before = world.sim.0.borrow().open.len();
        let mut held = Vec::new();
        let mut all_of = |world: &mut World, uid| {
            for number in 0.. {
                match take(world, uid, number) {
                    Ok(handle) => held.push(handle),
                    Err(error) => {
                        assert_eq!(error, ENOMEM);
                        return number;
                    }
                }
            }
            0
        };
        assert_eq!(all_of(&mut world, 1000), most);
        let open = world.sim.0.borrow().open.len();
        assert!(open - before <= 2 * most);
        assert!(take(&mut world, 1000, 1000).is_err());
        assert_eq!(world.sim.0.borrow().open.len(), open, "refused for nothing");
        for uid in 1001..1004 {
            let count = all_of(&mut world, uid);
            assert!(count <= 16 && (count > 0 || uid == 1003), "{count}");
        }
        // One of what is left to the superuser is the root that was bound first.
        assert!((3..=4).contains(&all_of(&mut world, 0)));
        // What goes with the users' own namespaces is there for others again.
        if held.iter().all(|handle| *handle != u64::MAX) {
            for handle in held {
                world.close(handle);
            }
            assert_eq!(world.sim.0.borrow().open.len(), before);
            assert!(take(&mut world, 1000, 1000).is_ok());
        }
    }
}

#[test]
fn bindings_have_the_rights_that_were_asked_for() {
    let mut world = World::new();
    let payload = api::register_with_payload(Rights::FULL, RegisterFlags::BENEATH, b"dir");
    let handle = world.dup(world.first, &payload).unwrap();
    // A scheme that does not honour beneath: nothing is bound, nothing is left, and it may be tried
    // again with another descriptor.
    let open = world.sim.0.borrow().open.len();
    world.sim.0.borrow_mut().fail_next = Some(EBADF);
    assert_eq!(world.send(handle, 80), Err(EBADF));
    assert_eq!(world.sim.0.borrow().open.len(), open);
    world.send(handle, 81).unwrap();
    assert_eq!(world.send(handle, 82), Err(EPERM));
    let cqe = world.open(world.first, "/scheme/dir/x", 0).cqe;
    let limited = Rights::FULL.difference(Rights::ESCAPE);
    assert_eq!(
        world.sim.object(cqe.result as usize),
        Object::Copy(Box::new(Object::Sent(81)), limited)
    );
    let rights = u64::from(Rights::READ_ONLY.bits());
    let mut payload = api::bind_payload(b"dir", b"view");
    let verb = Verb::Bind as u64;
    assert_eq!(
        world.value(Opcode::Call, world.first, [verb, rights, 0], &mut payload),
        Ok(0)
    );
    let cqe = world.open(world.first, "/scheme/view/x", 0).cqe;
    assert!(matches!(
        world.sim.object(cqe.result as usize),
        Object::Copy(of, Rights::READ_ONLY) if matches!(*of, Object::Copy(..))
    ));
    assert_eq!(
        world.value(Opcode::Sendfd, handle, [2, 0, UID], &mut []),
        Err(EINVAL)
    );
    assert_eq!(world.send(world.first, 83), Err(EACCES));
}

#[test]
fn unbinding_and_destroying_revoke() {
    let mut world = World::new();
    let first = world.first;
    world.bind(first, "file", 70).unwrap();
    let call = |world: &mut World, ns, verb: Verb, arg: u64, payload: &[u8]| {
        world.value(
            Opcode::Call,
            ns,
            [verb as u64, arg, 0],
            &mut payload.to_vec(),
        )
    };
    let fork = api::fork_with_payload(ForkFlags::DESTROYABLE, [&b"*"[..]]);
    let mut payload = fork.clone();
    let reply = world.ask(Opcode::Dup, world.first, [0, 0, UID], &mut payload);
    assert_eq!(reply.cqe.flags, RESPOND_FD);
    let Object::Copy(of, Rights::FULL) = world.sim.object(reply.cqe.result as usize) else {
        panic!()
    };
    let Object::Own(ns) = *of else { panic!() };
    drop(reply);
    assert_eq!(
        call(
            &mut world,
            ns,
            Verb::Unbind,
            UnbindFlags::REVOKE.bits(),
            b"file"
        ),
        Err(EPERM)
    );
    assert_eq!(call(&mut world, ns, Verb::Destroy, 1, b""), Err(EINVAL));
    assert_eq!(call(&mut world, ns, Verb::Destroy, 0, b""), Ok(0));
    assert_eq!(world.sim.0.borrow().revoked, 1);
    assert_eq!(
        result(&world.open(ns, "/scheme/file/x", 0).cqe),
        Err(ESTALE)
    );
    world.close(ns);
    let revoke = UnbindFlags::REVOKE.bits();
    assert_eq!(
        call(&mut world, first, Verb::Unbind, revoke, b"file"),
        Ok(0)
    );
    assert_eq!(world.sim.0.borrow().revoked, 2);
    assert_eq!(
        call(&mut world, first, Verb::Destroy, 0, b""),
        Err(EOPNOTSUPP)
    );
    assert_eq!(
        world.value(Opcode::Call, world.first, [0, 0, 0], &mut []),
        Err(EINVAL)
    );
    assert_eq!(
        world.sim.0.borrow().open.len(),
        1,
        "only the creation capability"
    );
    // Failures on the way leave nothing either.
    world.sim.0.borrow_mut().fail_next = Some(ENFILE);
    assert_eq!(world.dup(first, &fork), Err(ENFILE));
    assert_eq!(world.sim.0.borrow().open.len(), 1);
}

const ENFILE: i32 = 23;

#[test]
fn a_daemon_that_is_started_again_is_found_under_its_names() {
    let mut world = World::new();
    let first = world.first;
    world.bind(first, "net", 70).unwrap();
    let call = |world: &mut World, verb: Verb, arg: u64, payload: &[u8]| {
        let args = [verb as u64, arg, 0];
        world.value(Opcode::Call, first, args, &mut payload.to_vec())
    };
    let rights = u64::from(Rights::READ_ONLY.bits());
    call(
        &mut world,
        Verb::Bind,
        rights,
        &api::bind_payload(b"net", b"alias"),
    )
    .unwrap();
    let fork = world.dup(first, &api::fork_payload([&b"*"[..]])).unwrap();
    let behind = |world: &mut World, path: &str| {
        let cqe = world.open(fork, path, 0).cqe;
        result(&cqe).map(|fd| world.sim.object(fd as usize))
    };
    let copy = |of, rights| Object::Copy(Box::new(of), rights);
    for number in [70, 71, 72] {
        let root = copy(Object::Sent(number), Rights::FULL);
        assert_eq!(behind(&mut world, "/scheme/net/x").as_ref(), Ok(&root));
        let alias = copy(root, Rights::READ_ONLY);
        assert_eq!(behind(&mut world, "/scheme/alias/x"), Ok(alias));
        let revoked = world.sim.0.borrow().revoked;
        call(&mut world, Verb::Unbind, UnbindFlags::VACATE.bits(), b"net").unwrap();
        assert_eq!(world.sim.0.borrow().revoked, revoked + 1);
        for path in ["/scheme/net/x", "/scheme/net", "/scheme/alias/x"] {
            assert_eq!(behind(&mut world, path), Err(ENODEV));
        }
        world.bind(first, "net", number + 1).unwrap();
    }
    // Deriving fails: the caller is told, and the next one tries again.
    let open = world.sim.0.borrow().open.len();
    world.sim.0.borrow_mut().fail_next = Some(ENFILE);
    assert_eq!(behind(&mut world, "/scheme/alias/x"), Err(ENFILE));
    assert_eq!(world.sim.0.borrow().open.len(), open);
    assert!(behind(&mut world, "/scheme/alias/x").is_ok());
}

#[test]
fn places_are_beneath_their_directories() {
    let mut world = World::new();
    let payload = api::register_place_payload(Rights::FULL, b"file", b"/home/user");
    let register = world.dup(world.first, &payload).unwrap();
    world.sim.0.borrow_mut().fail_next = Some(EBADF);
    assert_eq!(world.send(register, 80), Err(EBADF));
    world.send(register, 81).unwrap();
    let cqe = world.open(world.first, "/home/user/x", 0).cqe;
    assert_eq!((cqe.flags, cqe.extra()), (CQE_REDIRECT, 11));
    let limited = Rights::FULL.difference(Rights::ESCAPE);
    assert_eq!(
        world.sim.object(cqe.result as usize),
        Object::Copy(Box::new(Object::Sent(81)), limited)
    );
    let home = result(&world.open(world.first, "/home", O_DIRECTORY).cqe).unwrap();
    let mut path = [0; 32];
    assert_eq!(
        world.value(Opcode::Fpath, home, [0, 0, UID], &mut path),
        Ok(17)
    );
    assert!(path.starts_with(b"/scheme/file/home\0"));
    let mut stat = vec![0; size_of::<syscall::Stat>()];
    world
        .value(Opcode::Fstat, home, [0, 0, UID], &mut stat)
        .unwrap();
    let mut buffer = vec![0; 200];
    let got = world
        .value(Opcode::Getdents, home, [19, 0, UID], &mut buffer)
        .unwrap();
    let entries: Vec<_> = DirentIter::new(&buffer[..got as usize])
        .map(|entry| {
            entry
                .unwrap()
                .1
                .split(|byte| *byte == 0)
                .next()
                .unwrap()
                .to_vec()
        })
        .collect();
    assert_eq!(entries, [b"user"]);
    // Through a descriptor that is limited to what is beneath it, the kernel says so.
    let limited = |world: &mut World, path: &str| {
        let mut path = path.as_bytes().to_vec();
        let sqe = Sqe {
            opcode: Opcode::OpenAt as u8,
            sqe_flags: SqeFlags::from_bits_retain(cap_abi::scheme::SQE_BENEATH),
            args: [home, 0x1000, path.len() as u64, 0, 0, UID],
            ..Sqe::default()
        };
        let reply = world.raw(&sqe, &mut path).unwrap();
        result(&reply.cqe).map(drop)
    };
    assert_eq!(limited(&mut world, "user/x"), Ok(()));
    assert_eq!(limited(&mut world, ".."), Err(EPERM));
    assert_eq!(limited(&mut world, "/home"), Err(EPERM));
    let revoked = world.sim.0.borrow().revoked;
    let args = [Verb::UnbindPlace as u64, UnbindFlags::REVOKE.bits(), 0];
    let mut payload = api::place_payload(b"file", b"/home/user");
    assert_eq!(
        world.value(Opcode::Call, world.first, args, &mut payload),
        Ok(0)
    );
    assert_eq!(world.sim.0.borrow().revoked, revoked + 1);
    assert_eq!(
        result(&world.open(world.first, "/home/user/x", 0).cqe),
        Err(ENODEV)
    );
}

#[test]
fn directories_are_read_in_pieces() {
    let mut world = World::new();
    let mut expected = Vec::new();
    for number in 0..50 {
        let name = format!("scheme{number}");
        world.bind(world.first, &name, number).unwrap();
        expected.push(name);
    }
    let list = result(&world.open(world.first, "/scheme", O_DIRECTORY).cqe).unwrap();
    let getdents = StdFsCallKind::Getdents as u64;
    for (size, standard) in [(64, false), (100, true), (4096, false), (4096, true)] {
        let (mut names, mut position) = (Vec::new(), 0);
        loop {
            let mut buffer = vec![0; size];
            let (opcode, args) = if standard {
                (Opcode::StdFsCall, [getdents, position, 19])
            } else {
                (Opcode::Getdents, [19, position, UID])
            };
            let got = world.value(opcode, list, args, &mut buffer).unwrap();
            for entry in DirentIter::new(&buffer[..got as usize]) {
                let (header, name) = entry.unwrap();
                position = header.next_opaque_id;
                // Records are padded with NUL.
                let name = name.split(|byte| *byte == 0).next().unwrap();
                names.push(String::from_utf8(name.to_vec()).unwrap());
            }
            if got == 0 {
                break;
            }
        }
        names.sort();
        let mut expected = expected.clone();
        expected.sort();
        assert_eq!(names, expected, "buffers of {size}");
    }
    assert_eq!(
        world.value(Opcode::Getdents, list, [19, 0, UID], &mut [0; 20]),
        Err(EINVAL)
    );
    assert_eq!(
        world.value(Opcode::Getdents, list, [18, 0, UID], &mut [0; 99]),
        Err(EINVAL)
    );
    let mut stat = vec![0; size_of::<syscall::Stat>()];
    assert_eq!(
        world.value(Opcode::Fstat, list, [0, 0, UID], &mut stat),
        Ok(0)
    );
    assert_eq!(
        world.value(Opcode::Fstat, list, [0, 0, UID], &mut stat[1..]),
        Err(EINVAL)
    );
    let mut path = [0; 32];
    assert_eq!(
        world.value(Opcode::Fpath, list, [0, 0, UID], &mut path),
        Ok(7)
    );
    assert!(path.starts_with(b"/scheme\0"));
}

#[test]
fn watchers_get_events() {
    let mut world = World::new();
    let watch = world.dup(world.first, &api::watch_payload()).unwrap();
    let fevent = |world: &mut World| {
        let sqe = Sqe {
            opcode: Opcode::Fevent as u8,
            args: [watch, EventFlags::EVENT_READ.bits() as u64, 0, 0, 0, UID],
            ..Sqe::default()
        };
        result(&world.raw(&sqe, &mut []).unwrap().cqe)
    };
    assert_eq!(fevent(&mut world), Ok(0));
    let mut buffer = [0; 8];
    assert_eq!(
        world.value(Opcode::Read, watch, [0, 0, UID], &mut buffer),
        Err(EAGAIN)
    );
    world.bind(world.first, "a", 1).unwrap();
    let event = world.server.next_event().unwrap();
    assert_eq!(event.flags, CqeOpcode::SendFevent as u8);
    assert_eq!(
        (event.result, event.tag),
        (watch, EventFlags::EVENT_READ.bits() as u32)
    );
    assert!(world.server.next_event().is_none());
    assert_eq!(
        world.value(Opcode::Read, watch, [0, 0, UID], &mut buffer),
        Ok(8)
    );
}

#[test]
fn the_true_caller_is_in_the_log() {
    let mut world = World::new();
    let status = world.server.status_root().unwrap();
    assert_eq!(
        (world.first, status),
        (api::start::FIRST_NAMESPACE, api::start::STATUS_ROOT)
    );
    let _ = world.open(world.first, "/scheme/secret/x", 0);
    let log = result(&world.open(status, "denials", 0).cqe).unwrap();
    let mut text = [0; 200];
    let got = world
        .value(Opcode::Read, log, [0, 0, UID], &mut text)
        .unwrap();
    let text = core::str::from_utf8(&text[..got as usize]).unwrap();
    assert!(text.contains("pid=7 uid=1000 "), "{text}");
    assert!(text.contains("name=\"/scheme/secret/x\""), "{text}");
}

#[test]
fn every_request_that_wants_an_answer_gets_one() {
    let mut world = World::new();
    for opcode in 0..=255u8 {
        for flags in [
            0,
            SqeFlags::ONEWAY.bits(),
            SqeFlags::MULTIPLE_IDS.bits(),
            0x80,
        ] {
            let sqe = Sqe {
                opcode,
                sqe_flags: SqeFlags::from_bits_retain(flags),
                tag: 42,
                args: [world.first, 0, 0, 0, 0, 0],
                ..Sqe::default()
            };
            let payload = payload_of(&sqe);
            assert_eq!(payload.len, 0);
            let reply = world.raw(&sqe, &mut []);
            let one_way = flags == SqeFlags::ONEWAY.bits()
                || matches!(
                    Opcode::try_from_raw(opcode),
                    Some(Opcode::CloseMsg | Opcode::Cancel | Opcode::Detach)
                );
            assert_eq!(reply.is_none(), one_way, "{opcode} {flags:#x}");
            if let Some(reply) = reply {
                assert_eq!(reply.cqe.tag, 42);
            }
            // `Close` and `CloseMsg` close.
            if matches!(opcode, 3 | 27) {
                world.first = world.server.first_namespace().unwrap();
            }
        }
    }
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig {
        failure_persistence: None,
        ..proptest::prelude::ProptestConfig::with_cases(400)
    })]

    #[test]
    fn meaningless_requests_leave_nothing(
        requests in proptest::collection::vec(
            (0u8..40, 0u8..4, 0u64..6, proptest::array::uniform3(0u64..0x110),
             proptest::collection::vec(proptest::prelude::any::<u8>(), 0..64), 0usize..4),
            1..60)
    ) {
        let mut world = World::new();
        world.bind(world.first, "file", 1).unwrap();
        let open = world.sim.0.borrow().open.len();
        let mut handles = vec![world.first];
        for (opcode, flags, handle, args, tail, shape) in requests {
            let mut payload = match shape {
                0 => b"/scheme/file".to_vec(),
                1 => api::fork_with_payload(ForkFlags::DESTROYABLE, [&b"*"[..]]),
                2 => api::issue_register_payload(b"x"),
                _ => tail,
            };
            let [a, b, c] = args;
            let target = handles[handle as usize % handles.len()];
            let sqe = Sqe {
                opcode,
                sqe_flags: SqeFlags::from_bits_retain(flags),
                tag: 9,
                args: [target, 0x1000, payload.len() as u64, a, b, c],
                ..Sqe::default()
            };
            let makes = matches!(
                Opcode::try_from_raw(opcode),
                Some(Opcode::OpenAt | Opcode::Dup)
            );
            if let Some(reply) = world.raw(&sqe, &mut payload) {
                proptest::prop_assert_eq!(reply.cqe.tag, 9);
                let made = result(&reply.cqe);
                match reply.cqe.flags {
                    0 if makes => handles.extend(made),
                    RESPOND_FD => {
                        let object = world.sim.object(reply.cqe.result as usize);
                        if let Object::Copy(of, _) = object
                            && let Object::Own(number) = *of
                        {
                            handles.push(number);
                        }
                    }
                    _ => (),
                }
            }
            while world.server.next_event().is_some() {}
        }
        for handle in handles {
            world.close(handle);
        }
        let left = world.sim.0.borrow().open.len();
        proptest::prop_assert!(left <= open, "{} descriptors are left", left);
        proptest::prop_assert!(left == 1, "{} descriptors are left", left);
    }
}
