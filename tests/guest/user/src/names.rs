//! The namespace manager's rules.

use alloc::{string::String, vec, vec::Vec};

use cap_abi::Rights;
use guest_test::{Outcome, check, check_eq, check_error, contexts};
use nsmgr_api::{self as api, ForkFlags, NsPermissions, UnbindFlags, Verb};
use redox_rt::{
    Error, Fd, Result, event::Queue, fs, namespace as ns, process, process::Awaited, sys,
};
use syscall::{
    E2BIG, EACCES, EAGAIN, EEXIST, EINVAL, EIO, EMFILE, ENODEV, ENOENT, ENOMEM, EOPNOTSUPP, EPERM,
    ESTALE, EventFlags, F_GETFL, F_SETFL,
    dirent::DirentIter,
    flag::{CallFlags, O_DIRECTORY, O_NONBLOCK, O_RDONLY, O_RDWR, StdFsCallKind},
};

use crate::scheme;

pub fn run() -> i32 {
    guest_test::run!["names" =>
        a_path_is_opened_where_its_name_leads, the_listing_is_stable_and_resumes,
        what_is_not_bound_is_no_device, without_a_namespace_nothing_is_found,
        a_fork_holds_what_was_named, unknown_names_are_told, permissions_only_shrink,
        a_register_handle_binds_once, malformed_payloads_are_refused,
        the_scheme_sees_the_true_caller, roots_share_nothing, revoking_ends_what_was_opened,
        a_destroyed_namespace_takes_everything_along, a_dead_scheme_is_no_device,
        a_daemon_that_is_started_again_is_found_in_every_fork, an_alias_leads_to_the_new_daemon,
        a_namespace_can_be_watched, a_hundred_stuck_callers_delay_nobody,
        a_greedy_client_hurts_only_itself, what_cannot_be_sent_on_is_refused,
        a_daemon_survives_its_bad_answers,
    ]
}

fn own() -> Result<usize> {
    ns::namespace().ok_or(Error::new(ENOENT))
}

fn at(namespace: usize, path: &str, flags: usize) -> Result<Fd> {
    sys::openat(namespace, path.as_bytes(), flags, sys::FD_ANY_UPPER).map(Fd::from_raw)
}

fn ask(namespace: usize, payload: &[u8]) -> Result<Fd> {
    sys::dup(namespace, payload, sys::FD_ANY_UPPER).map(Fd::from_raw)
}

fn fork(namespace: usize, names: &[&str]) -> Result<Fd> {
    let names = names.iter().map(|name| name.as_bytes());
    ask(namespace, &api::fork_payload(names))
}

/// What the kernel takes for no answer is an error of that call alone.
fn a_daemon_survives_its_bad_answers() -> Outcome {
    let served = scheme::serve()?;
    let file = served.root.open(b"", O_RDWR)?;
    for _ in 0..3 {
        check_error!(sys::fsync(file.raw()), EIO);
        check_error!(
            sys::call_write(file.raw(), b"x", CallFlags::empty(), &[]),
            EIO
        );
        check_eq!(scheme::told(&file)?.0, process::pid()?);
    }
    drop(file);
    served.stop()?;
    Ok(())
}

/// The manager answers some calls of others by sending them on, which only opens and unlinks can be.
fn what_cannot_be_sent_on_is_refused() -> Outcome {
    let namespace = own()?;
    let unlink = [StdFsCallKind::Unlinkat as u64, 0, 0];
    for standard in [CallFlags::WRITE, CallFlags::READ | CallFlags::WRITE] {
        let flags = CallFlags::STD_FS | standard;
        for path in ["/scheme/event/x", "event:x"] {
            check_error!(
                sys::call_write(namespace, path.as_bytes(), flags, &unlink),
                EOPNOTSUPP,
                "{path}"
            );
        }
    }
    at(namespace, "/scheme/event", O_RDWR).map(drop)?;
    Ok(())
}

fn list_in_pieces(namespace: usize, room: usize) -> Result<Vec<String>> {
    let listing = at(namespace, "/scheme", O_RDONLY | O_DIRECTORY)?;
    let (mut names, mut after) = (Vec::new(), 0);
    loop {
        let mut buffer = vec![0; room];
        let len = fs::getdents(listing.raw(), &mut buffer, after)?;
        if len == 0 {
            return Ok(names);
        }
        for entry in DirentIter::new(buffer.get(..len).unwrap_or(&[])) {
            let (header, name) = entry.map_err(|_| Error::new(syscall::EIO))?;
            after = header.next_opaque_id;
            let name = name.split(|byte| *byte == 0).next().unwrap_or(&[]);
            names.push(String::from_utf8_lossy(name).into_owned());
        }
    }
}

fn a_path_is_opened_where_its_name_leads() -> Outcome {
    let ns = own()?;
    for path in ["/scheme/zero", "/scheme/zero/", "scheme/zero", "zero:"] {
        let zero = at(ns, path, O_RDONLY)?;
        let mut bytes = [7; 16];
        check_eq!(zero.read(&mut bytes)?, 16, "{path}");
        check_eq!(bytes, [0; 16], "{path}");
    }
    let motd = at(ns, "/scheme/initfs/etc/init.d/zero.service", O_RDONLY)?;
    let mut text = [0; 6];
    motd.read_exact(&mut text)?;
    check_eq!(&text, b"[unit]");
    // A kernel scheme too, whose objects have no names.
    check!(at(ns, "/scheme/event", O_RDWR).is_ok());
    Ok(())
}

fn the_listing_is_stable_and_resumes() -> Outcome {
    let ns = own()?;
    let all = list_in_pieces(ns, 4096)?;
    for name in [
        "debug",
        "file",
        "initfs",
        "kernel.proc",
        "memory",
        "null",
        "rand",
        "zero",
    ] {
        check!(all.iter().any(|listed| listed == name), "{name}");
    }
    for room in [48, 64, 100, 4096] {
        check_eq!(list_in_pieces(ns, room)?, all, "{room}");
    }
    let listing = at(ns, "/scheme", O_RDONLY | O_DIRECTORY)?;
    check_error!(fs::getdents(listing.raw(), &mut [0; 20], 0), EINVAL);
    Ok(())
}

fn what_is_not_bound_is_no_device() -> Outcome {
    let ns = own()?;
    for path in [
        "/scheme/nosuch",
        "/scheme/nosuch/x",
        "nosuch:x",
        "/scheme/zer",
        "/scheme/zeros",
    ] {
        check_error!(at(ns, path, O_RDONLY), ENODEV, "{path}");
        check_error!(sys::unlinkat(ns, path.as_bytes(), 0), ENODEV, "{path}");
    }
    Ok(())
}

fn without_a_namespace_nothing_is_found() -> Outcome {
    let own = ns::namespace().ok_or(Error::new(ENOENT))?;
    let kept = Fd::from_raw(sys::dup(own, b"", sys::FD_ANY_UPPER)?);
    ns::drop_namespace();
    let absent = ns::open(b"/scheme/zero", O_RDONLY, sys::FD_ANY_UPPER);
    let file = ns::open(b"/", O_RDONLY, sys::FD_ANY_UPPER);
    let gone = ns::namespace().is_none();
    // Its number is nobody else's, and nothing can be done with what is there.
    let other = Fd::from_raw(sys::dup(kept.raw(), b"", sys::FD_ANY_UPPER)?);
    let there = sys::rights(own);
    let asked = sys::openat(own, b"/scheme/zero", O_RDONLY, sys::FD_ANY_UPPER);
    ns::set_namespace(kept)?;
    check!(gone);
    check!(other.raw() != own);
    check_eq!(there?, cap_abi::Rights::empty());
    check_error!(asked, syscall::EPERM);
    check_eq!(ns::namespace(), Some(own));
    check_error!(absent, ENOENT);
    check_error!(file, ENOENT);
    check!(
        ns::open(b"/scheme/zero", O_RDONLY, sys::FD_ANY_UPPER)
            .map(Fd::from_raw)
            .is_ok()
    );
    Ok(())
}

fn a_fork_holds_what_was_named() -> Outcome {
    let ns = own()?;
    let rows: &[(&[&str], &[&str])] = &[
        (&["zero"], &["zero"]),
        (&["ze*", "null"], &["null", "zero"]),
        (&["kernel.*"], &["kernel.acpi", "kernel.proc", "kernel.sys"]),
        (&["nosuch*"], &[]),
        (&[], &[]),
    ];
    for (named, held) in rows {
        let fork = fork(ns, named)?;
        let mut names = list_in_pieces(fork.raw(), 4096)?;
        names.sort();
        check_eq!(names, *held, "{named:?}");
        for name in ["zero", "null", "rand"] {
            let path = alloc::format!("/scheme/{name}");
            let got = at(fork.raw(), &path, O_RDONLY);
            if held.contains(&name) {
                check!(got.is_ok(), "{named:?} {name}");
            } else {
                check_error!(got, ENODEV, "{named:?} {name}");
            }
        }
    }
    let everything = fork(ns, &["*"])?;
    check_eq!(
        list_in_pieces(everything.raw(), 4096)?.len(),
        list_in_pieces(ns, 4096)?.len()
    );
    // Whoever has little can give no more.
    let little = fork(ns, &["zero"])?;
    check_error!(fork(little.raw(), &["zero", "null"]), ENODEV);
    check_eq!(
        list_in_pieces(fork(little.raw(), &["*"])?.raw(), 4096)?,
        ["zero"]
    );
    Ok(())
}

fn unknown_names_are_told() -> Outcome {
    let ns = own()?;
    check_error!(fork(ns, &["zero", "nosuch"]), ENODEV);
    let names = [&b"zero"[..], b"nosuch"];
    let lenient = ask(ns, &api::fork_with_payload(ForkFlags::SKIP_UNKNOWN, names))?;
    check_eq!(list_in_pieces(lenient.raw(), 4096)?, ["zero"]);
    Ok(())
}

fn permissions_only_shrink() -> Outcome {
    let ns = own()?;
    let blind = ask(ns, &api::shrink_payload(NsPermissions::empty()))?;
    let fork_of_blind = fork(blind.raw(), &["*"])?;
    let lister = ask(ns, &api::shrink_payload(NsPermissions::LIST))?;
    let regrown = ask(blind.raw(), &api::shrink_payload(NsPermissions::all()));
    for (which, fd) in [("shrunk", &blind), ("its fork", &fork_of_blind)] {
        check_error!(
            at(fd.raw(), "/scheme", O_RDONLY | O_DIRECTORY),
            EACCES,
            "{which}"
        );
        check_error!(ns::register_handle(fd.raw(), b"test-x"), EACCES, "{which}");
        let capability = "/scheme/namespace/scheme-creation-cap";
        check_error!(at(fd.raw(), capability, O_RDWR), EACCES, "{which}");
        check!(at(fd.raw(), "/scheme/zero", O_RDONLY).is_ok(), "{which}");
    }
    check!(at(lister.raw(), "/scheme", O_RDONLY | O_DIRECTORY).is_ok());
    check_error!(ns::register_handle(lister.raw(), b"test-x"), EACCES);
    if let Ok(regrown) = regrown {
        check_error!(at(regrown.raw(), "/scheme", O_RDONLY | O_DIRECTORY), EACCES);
    }
    Ok(())
}

fn a_register_handle_binds_once() -> Outcome {
    let ns = fork(own()?, &["zero"])?;
    let served = scheme::serve()?;
    let first = Fd::from_raw(ns::register_handle(ns.raw(), b"test-once")?);
    check_error!(at(ns.raw(), "/scheme/test-once", O_RDONLY), ENODEV);
    first.send(served.root.dup(b"")?, &[])?;
    check!(at(ns.raw(), "/scheme/test-once", O_RDONLY).is_ok());
    check_error!(first.send(served.root.dup(b"")?, &[]), EPERM);
    check_error!(
        ns::register(ns.raw(), b"test-once", served.root.dup(b"")?.into_raw()),
        EEXIST
    );
    sys::call_write(
        ns.raw(),
        b"test-once",
        CallFlags::empty(),
        &[Verb::Unbind as u64, 0],
    )?;
    check_error!(first.send(served.root.dup(b"")?, &[]), EPERM);
    check_error!(at(ns.raw(), "/scheme/test-once", O_RDONLY), ENODEV);
    // The parent never had it.
    check_error!(at(own()?, "/scheme/test-once", O_RDONLY), ENODEV);
    served.stop()?;
    Ok(())
}

fn malformed_payloads_are_refused() -> Outcome {
    let ns = own()?;
    let word = |value: usize| value.to_ne_bytes();
    let good = api::fork_payload([&b"zero"[..]]);
    let mut payloads: Vec<Vec<u8>> = vec![vec![0; 1], vec![0xff; 7], vec![0xff; 9], vec![0; 17]];
    for discriminant in [
        0,
        1,
        2,
        3,
        99,
        0x100,
        0x101,
        0x102,
        0x103,
        0x104,
        usize::MAX,
    ] {
        for len in [0, 1, usize::MAX, isize::MAX as usize] {
            let mut payload = word(discriminant).to_vec();
            payload.extend_from_slice(&word(len));
            payload.extend_from_slice(b"zero/..");
            payloads.push(payload);
        }
    }
    for cut in 1..good.len() {
        payloads.push(good.get(..cut).unwrap_or(&[]).to_vec());
    }
    for name in [
        &b""[..],
        b".",
        b"..",
        b"a/b",
        b"a\0",
        b"a*",
        b"namespace",
        b"\xff",
        &[b'a'; 256],
    ] {
        payloads.push(api::issue_register_payload(name));
    }
    let mut refused = 0;
    for payload in &payloads {
        match ask(ns, payload) {
            // An empty list of names, and an empty set of permissions, mean something.
            Ok(_) => {}
            Err(error) => {
                refused += 1;
                let known = matches!(error.errno, EINVAL | E2BIG | ENODEV);
                check!(known, "{}: {error}", payload.escape_ascii());
            }
        }
        check!(
            at(ns, "/scheme/zero", O_RDONLY).is_ok(),
            "{}",
            payload.escape_ascii()
        );
    }
    check!(
        refused > payloads.len() / 2,
        "{refused} of {}",
        payloads.len()
    );
    for name in [&b""[..], b".", b"..", b"a/b", b"a*", b"namespace"] {
        check_error!(
            ask(ns, &api::issue_register_payload(name)),
            EINVAL,
            "{}",
            name.escape_ascii()
        );
    }
    for verb in [0, 1, 0xff, 0x103, u64::MAX] {
        check_error!(
            sys::call(ns, CallFlags::empty(), &[verb, 0]),
            EINVAL,
            "{verb}"
        );
    }
    Ok(())
}

fn the_scheme_sees_the_true_caller() -> Outcome {
    let ns = fork(own()?, &["zero"])?;
    let served = scheme::serve()?;
    ns::register(ns.raw(), b"test-teller", served.root.dup(b"")?.into_raw())?;
    let file = at(ns.raw(), "/scheme/test-teller", O_RDONLY)?;
    check_eq!(scheme::told(&file)?, (process::pid()?, 0));
    let Some(child) = process::fork()? else {
        let told = process::set_ids([Some(1234), Some(1234), Some(1234), None, None, None])
            .and_then(|()| at(ns.raw(), "/scheme/test-teller", O_RDONLY))
            .and_then(|file| scheme::told(&file));
        let good = told.is_ok() && told == process::pid().map(|pid| (pid, 1234));
        redox_rt::exit(if good { 7 } else { 1 })
    };
    let ended = process::wait(Awaited::Child(child), process::WaitFlags::empty())?;
    check_eq!(ended, Some((child, rt_core::wait::exited(7))));
    served.stop()?;
    Ok(())
}

fn roots_share_nothing() -> Outcome {
    let ns = own()?;
    let status = |fd: &Fd| {
        // SAFETY: the command takes no argument.
        unsafe { sys::fcntl(fd.raw(), F_GETFL, 0) }
    };
    let one = at(ns, "/scheme/file", O_RDONLY | O_DIRECTORY)?;
    let two = at(ns, "/scheme/file", O_RDONLY | O_DIRECTORY)?;
    let before = status(&two)?;
    // SAFETY: the argument is a mask.
    unsafe { sys::fcntl(one.raw(), F_SETFL, O_NONBLOCK) }?;
    sys::lseek(one.raw(), 5, syscall::SEEK_SET)?;
    check!(status(&one)? & O_NONBLOCK != 0);
    check_eq!(status(&two)?, before);
    check_eq!(sys::lseek(two.raw(), 0, syscall::SEEK_CUR)?, 0);
    let three = at(ns, "/scheme/file", O_RDONLY | O_DIRECTORY)?;
    check_eq!(status(&three)?, before);
    // Closing one closes nothing for the others, nor for the scheme.
    drop((one, two));
    let mut buffer = [0; 512];
    check!(fs::getdents(three.raw(), &mut buffer, 0).is_ok());
    check!(at(ns, "/scheme/file/", O_RDONLY | O_DIRECTORY).is_ok());
    Ok(())
}

fn revoking_ends_what_was_opened() -> Outcome {
    let ns = fork(own()?, &["zero"])?;
    let served = scheme::serve()?;
    ns::register(ns.raw(), b"test-gone", served.root.dup(b"")?.into_raw())?;
    let heir = fork(ns.raw(), &["test-gone"])?;
    let file = at(ns.raw(), "/scheme/test-gone", O_RDONLY)?;
    let inherited = at(heir.raw(), "/scheme/test-gone", O_RDONLY)?;
    let root = at(heir.raw(), "/scheme/test-gone", O_RDONLY | O_DIRECTORY)?;
    let revoke = [Verb::Unbind as u64, UnbindFlags::REVOKE.bits()];
    let unbind = |fd: &Fd| sys::call_write(fd.raw(), b"test-gone", CallFlags::empty(), &revoke);
    check_error!(unbind(&heir), EPERM);
    check!(scheme::told(&file).is_ok());
    unbind(&ns)?;
    check_error!(scheme::told(&file), ESTALE);
    check_error!(scheme::told(&inherited), ESTALE);
    check_error!(root.open(b"", O_RDONLY), ESTALE);
    check_error!(at(ns.raw(), "/scheme/test-gone", O_RDONLY), ENODEV);
    served.stop()?;
    Ok(())
}

fn a_destroyed_namespace_takes_everything_along() -> Outcome {
    let payload = api::fork_with_payload(ForkFlags::DESTROYABLE, [&b"zero"[..]]);
    let ns = ask(own()?, &payload)?;
    let file = at(ns.raw(), "/scheme/zero", O_RDONLY)?;
    let below = fork(ns.raw(), &["zero"])?;
    let file_below = at(below.raw(), "/scheme/zero", O_RDONLY)?;
    let mut byte = [0];
    check_eq!(file.read(&mut byte)?, 1);
    sys::call(ns.raw(), CallFlags::empty(), &[Verb::Destroy as u64, 0])?;
    check_error!(file.read(&mut byte), ESTALE);
    check_error!(file_below.read(&mut byte), ESTALE);
    check_error!(at(ns.raw(), "/scheme/zero", O_RDONLY), ESTALE);
    check_error!(at(below.raw(), "/scheme/zero", O_RDONLY), ESTALE);
    check!(at(own()?, "/scheme/zero", O_RDONLY).is_ok());
    Ok(())
}

fn a_dead_scheme_is_no_device() -> Outcome {
    let ns = fork(own()?, &["zero"])?;
    let served = scheme::serve()?;
    ns::register(ns.raw(), b"test-dead", served.root.dup(b"")?.into_raw())?;
    let file = at(ns.raw(), "/scheme/test-dead", O_RDONLY)?;
    check!(scheme::told(&file).is_ok());
    served.stop()?;
    check_error!(scheme::told(&file), ENODEV);
    check_error!(at(ns.raw(), "/scheme/test-dead", O_RDONLY), ENODEV);
    Ok(())
}

fn unbind(ns: &Fd, name: &str, how: UnbindFlags) -> Result<usize> {
    let verb = [Verb::Unbind as u64, how.bits()];
    sys::call_write(ns.raw(), name.as_bytes(), CallFlags::empty(), &verb)
}

fn a_daemon_that_is_started_again_is_found_in_every_fork() -> Outcome {
    let path = "/scheme/test-again";
    let ns = fork(own()?, &["zero"])?;
    let mut served = scheme::serve()?;
    ns::register(ns.raw(), b"test-again", served.root.dup(b"")?.into_raw())?;
    let zero = at(own()?, "/scheme/zero", O_RDONLY | O_DIRECTORY)?;
    ns::register(ns.raw(), b"test-other", zero.into_raw())?;
    let heir = fork(ns.raw(), &["test-again", "test-other"])?;
    let heirs_heir = fork(heir.raw(), &["*"])?;
    for _ in 0..3 {
        let file = at(heir.raw(), path, O_RDONLY)?;
        let root = at(heir.raw(), path, O_RDONLY | O_DIRECTORY)?;
        check!(scheme::told(&file).is_ok());
        served.stop()?;
        check_error!(scheme::told(&file), ENODEV);
        check_error!(root.open(b"", O_RDONLY), ENODEV);
        check_error!(at(heir.raw(), path, O_RDONLY), ENODEV);
        check_error!(unbind(&heir, "test-again", UnbindFlags::VACATE), EPERM);
        unbind(&ns, "test-again", UnbindFlags::VACATE)?;
        check_error!(at(heir.raw(), path, O_RDONLY | O_DIRECTORY), ENODEV);
        let other = at(heir.raw(), "/scheme/test-other", O_RDONLY | O_DIRECTORY)?;
        let handle = Fd::from_raw(ns::register_handle(heir.raw(), b"test-again")?);
        check_error!(handle.send(other, &[]), EEXIST);
        served = scheme::serve()?;
        ns::register(ns.raw(), b"test-again", served.root.dup(b"")?.into_raw())?;
        for ns in [&ns, &heir, &heirs_heir] {
            check!(scheme::told(&at(ns.raw(), path, O_RDONLY)?).is_ok());
            check!(
                at(ns.raw(), path, O_RDONLY | O_DIRECTORY)?
                    .open(b"", O_RDONLY)
                    .is_ok()
            );
        }
        // What was opened before stays dead.
        check!(scheme::told(&file).is_err());
        check!(root.open(b"", O_RDONLY).is_err());
    }
    unbind(&ns, "test-again", UnbindFlags::REVOKE)?;
    check_eq!(list_in_pieces(heir.raw(), 4096)?, ["test-other"]);
    served.stop()?;
    Ok(())
}

fn an_alias_leads_to_the_new_daemon() -> Outcome {
    let ns = fork(own()?, &["zero"])?;
    let mut served = scheme::serve()?;
    ns::register(ns.raw(), b"test-name", served.root.dup(b"")?.into_raw())?;
    // A scheme that does not honour limits is not asked without the right to escape.
    let rights = u64::from(Rights::READ_ONLY.union(Rights::ESCAPE).bits());
    let payload = api::bind_payload(b"test-name", b"test-alias");
    let bind = [Verb::Bind as u64, rights];
    sys::call_write(ns.raw(), &payload, CallFlags::empty(), &bind)?;
    let heir = fork(ns.raw(), &["test-alias"])?;
    for _ in 0..2 {
        let file = at(heir.raw(), "/scheme/test-alias", O_RDONLY)?;
        check!(scheme::told(&file).is_ok());
        check_error!(file.write(b"x"), EPERM);
        unbind(&ns, "test-name", UnbindFlags::VACATE)?;
        check_error!(scheme::told(&file), ESTALE);
        check_error!(at(heir.raw(), "/scheme/test-alias", O_RDONLY), ENODEV);
        served.stop()?;
        served = scheme::serve()?;
        ns::register(ns.raw(), b"test-name", served.root.dup(b"")?.into_raw())?;
    }
    served.stop()?;
    Ok(())
}

fn a_namespace_can_be_watched() -> Outcome {
    let ns = fork(own()?, &["zero", "null"])?;
    let watch = ask(ns.raw(), &api::watch_payload())?;
    let queue = Queue::from_fd(at(own()?, "/scheme/event", O_RDWR)?);
    queue.watch(watch.raw(), EventFlags::EVENT_READ, 77)?;
    let mut generation = [0; 8];
    check_error!(watch.read(&mut generation), EAGAIN);
    let mut seen = Vec::new();
    for round in 0..3 {
        match round {
            0 => unbind(&ns, "null", UnbindFlags::empty()).map(drop)?,
            1 => {
                let zero = at(own()?, "/scheme/zero", O_RDONLY | O_DIRECTORY)?;
                ns::register(ns.raw(), b"null", zero.into_raw())?;
            }
            _ => unbind(&ns, "null", UnbindFlags::VACATE).map(drop)?,
        }
        check_eq!(queue.next()?.data, 77, "{round}");
        check_eq!(watch.read(&mut generation)?, 8, "{round}");
        check!(!seen.contains(&generation), "{round}");
        seen.push(generation);
        check_error!(watch.read(&mut generation), EAGAIN, "{round}");
    }
    let blind = ask(ns.raw(), &api::shrink_payload(NsPermissions::INSERT))?;
    check_error!(ask(blind.raw(), &api::watch_payload()), EACCES);
    Ok(())
}

fn a_hundred_stuck_callers_delay_nobody() -> Outcome {
    const STUCK: usize = 100;
    let ns = fork(own()?, &["zero", "event"])?;
    let silent = scheme::serve_silently()?;
    ns::register(ns.raw(), b"test-silent", silent.root.dup(b"")?.into_raw())?;
    let mut stuck = Vec::new();
    for _ in 0..STUCK {
        match process::fork()? {
            Some(pid) => stuck.push(pid),
            None => {
                let answer = at(ns.raw(), "/scheme/test-silent/x", O_RDONLY);
                let told = matches!(answer, Err(error) if error.errno == ENODEV);
                redox_rt::exit(if told { 7 } else { 1 })
            }
        }
    }
    // They are there; nobody has been answered.
    while waiting_opens()? < STUCK {
        sys::sched_yield();
    }
    for _ in 0..50 {
        check!(at(ns.raw(), "/scheme/zero", O_RDONLY).is_ok());
        check_error!(at(ns.raw(), "/scheme/absent", O_RDONLY), ENODEV);
        let child = fork(ns.raw(), &["*"])?;
        check!(at(child.raw(), "/scheme/zero", O_RDONLY).is_ok());
        check_eq!(list_in_pieces(child.raw(), 4096)?.len(), 3);
    }
    let served = scheme::serve()?;
    ns::register(ns.raw(), b"test-quick", served.root.dup(b"")?.into_raw())?;
    check!(scheme::told(&at(ns.raw(), "/scheme/test-quick", O_RDONLY)?).is_ok());
    served.stop()?;
    let waited = process::wait(Awaited::Any, process::WaitFlags::WNOHANG)?;
    check_eq!(waited, None, "all of them still wait");
    silent.stop()?;
    for pid in stuck {
        let ended = process::wait(Awaited::Child(pid), process::WaitFlags::empty())?;
        check_eq!(ended, Some((pid, rt_core::wait::exited(7))));
    }
    Ok(())
}

/// How many contexts of this program wait for a scheme's answer.
fn waiting_opens() -> Result<usize> {
    let file = at(own()?, "/scheme/sys/waits", O_RDONLY)?;
    let mut text = vec![0; 32 << 10];
    let len = file.read_full_at(&mut text, 0)?;
    let text = String::from_utf8_lossy(text.get(..len).unwrap_or(&[])).into_owned();
    let own = contexts::waiting(&text).filter(|it| it.name == "test-user" && it.wait == "Request");
    Ok(own.count())
}

fn a_greedy_client_hurts_only_itself() -> Outcome {
    let counts = || -> Result<String> {
        let file = at(own()?, "/scheme/nsmgr/counts", O_RDONLY)?;
        let mut text = vec![0; 1024];
        let len = file.read_full_at(&mut text, 0)?;
        Ok(String::from_utf8_lossy(text.get(..len).unwrap_or(&[])).into_owned())
    };
    let before = counts()?;
    let Some(child) = process::fork()? else {
        let own = own().unwrap_or(0);
        let mut held = Vec::new();
        let mut answer = 1;
        for _ in 0..100_000 {
            match fork(own, &["*"]) {
                Ok(made) => held.push(made),
                Err(error) => {
                    let told = matches!(error.errno, EMFILE | ENOMEM);
                    answer = if told && held.len() > 1000 { 7 } else { 2 };
                    break;
                }
            }
        }
        // Others are not refused anything; this process says so itself, by forking no more.
        redox_rt::exit(answer)
    };
    // While it does so, this one is served.
    for _ in 0..20 {
        check!(fork(own()?, &["zero"]).is_ok());
        sys::sched_yield();
    }
    let ended = process::wait(Awaited::Child(child), process::WaitFlags::empty())?;
    check_eq!(ended, Some((child, rt_core::wait::exited(7))));
    check!(fork(own()?, &["*"]).is_ok());
    let mut after = counts()?;
    for _ in 0..1000 {
        if after == before {
            break;
        }
        sys::sched_yield();
        after = counts()?;
    }
    check_eq!(after, before);
    Ok(())
}
