//! What a confined process can name, and what it cannot.

mod common;

use cap_abi::process::{CONFINE, COUNTS, SET_IDS_OF};
use common::{Proc, Sim};
use libredox::protocol::{ProcCall, ProcKillTarget};
use procmgr_core::{Answer, Data, status};
use syscall::error::*;

const TERM: u8 = 15;
const CONT: u8 = 18;

/// What one process tries on another by its number.
fn tries(sim: &mut Sim, from: Proc, to: Proc) -> Vec<(&'static str, Result<(), i32>)> {
    let pid = u64::from(to.pid);
    let unit = |reply: common::Reply| reply.map(drop);
    let name = format!("pidfd-{pid}");
    let reference = sim.manager.dup(from.handle, name.as_bytes(), 0);
    if let Ok(procmgr_core::Made::Handle(handle)) = reference {
        sim.close(handle);
    }
    vec![
        ("kill 0", unit(sim.kill_pid(from, to.pid, 0))),
        ("continue", unit(sim.kill_pid(from, to.pid, CONT))),
        ("reference", reference.map(drop).map_err(|error| error.0)),
        (
            "credentials",
            unit(sim.verb(from, ProcCall::GetProcCredentials, pid, 0)),
        ),
        (
            "priority",
            unit(sim.verb(from, ProcCall::GetProcPriority, pid, 0)),
        ),
        (
            "renice",
            unit(sim.verb(from, ProcCall::SetProcPriority, pid, 30)),
        ),
        (
            "group",
            unit(sim.verb(from, ProcCall::Setpgid, pid, u64::MAX)),
        ),
        ("session", unit(sim.verb(from, ProcCall::Getsid, pid, 0))),
    ]
}

fn reaches(sim: &mut Sim, from: Proc, to: Proc) -> bool {
    let results = tries(sim, from, to);
    let can = results.iter().all(|(_, result)| result.is_ok());
    let cannot = results.iter().all(|(_, result)| *result == Err(ESRCH));
    assert!(can || cannot, "{} to {}: {results:?}", from.pid, to.pid);
    can
}

#[test]
fn a_confined_process_knows_those_in_its_cell() {
    let (mut sim, init) = Sim::new();
    let shell = sim.fork(init);
    let outer = sim.fork(shell);
    sim.call(outer.handle, [CONFINE, 0, 0]).unwrap();
    let child = sim.fork(outer);
    let inner = sim.fork_unstarted(outer).unwrap();
    // Whoever makes a process may confine it before it starts.
    sim.call(inner.handle, [CONFINE, 0, 0]).unwrap();
    sim.machine.started.insert(inner.thread);
    let other = sim.fork(shell);
    sim.call(other.handle, [CONFINE, 0, 0]).unwrap();
    let all = [init, shell, outer, child, inner, other];
    let table = [
        (init, [1, 1, 1, 1, 1, 1]),
        (shell, [1, 1, 1, 1, 1, 1]),
        (outer, [0, 0, 1, 1, 1, 0]),
        (child, [0, 0, 1, 1, 1, 0]),
        (inner, [0, 0, 0, 0, 1, 0]),
        (other, [0, 0, 0, 0, 0, 1]),
    ];
    for (from, expected) in table {
        let can = all.map(|to| u8::from(reaches(&mut sim, from, to)));
        assert_eq!(can, expected, "from {}", from.pid);
    }
}

#[test]
fn signals_to_many_stay_inside() {
    let (mut sim, init) = Sim::new();
    let shell = sim.fork(init);
    let confined = sim.fork(shell);
    sim.call(confined.handle, [CONFINE, 0, 0]).unwrap();
    let child = sim.fork(confined);
    for target in [
        ProcKillTarget::All,
        ProcKillTarget::ThisGroup,
        ProcKillTarget::ProcGroup(1),
    ] {
        sim.kill(confined, target, TERM).unwrap();
        for (process, told) in [(init, false), (shell, false), (child, true)] {
            let pending = sim
                .machine
                .pending
                .get_mut(&process.pid)
                .is_some_and(|pending| pending.remove(&TERM));
            assert_eq!(pending, told, "{target:?} {}", process.pid);
        }
    }
    let alone = sim.fork(shell);
    sim.verb(alone, ProcCall::Setpgid, 0, 0).unwrap();
    let group = ProcKillTarget::ProcGroup(alone.pid as usize);
    assert_eq!(sim.kill(confined, group, TERM), Err(ESRCH));
    assert_eq!(
        sim.verb(confined, ProcCall::Setpgid, 0, alone.pid.into()),
        Err(EPERM),
        "nor can it join them"
    );
    assert!(sim.verb(confined, ProcCall::Setpgid, 0, 0).is_ok());
}

#[test]
fn a_session_of_others_is_not_its_own() {
    let (mut sim, init) = Sim::new();
    sim.manager.set_terminal(1, "tty").unwrap();
    let confined = sim.fork(init);
    assert!(sim.manager.dup(confined.handle, b"tty", 0).is_ok());
    sim.call(confined.handle, [CONFINE, 0, 0]).unwrap();
    let error = |result: Result<procmgr_core::Made, procmgr_core::Errno>| result.unwrap_err().0;
    assert_eq!(error(sim.manager.dup(confined.handle, b"tty", 0)), ENXIO);
    assert_eq!(
        error(sim.manager.dup(confined.handle, b"session", 0)),
        EPERM
    );
    assert_eq!(sim.verb(confined, ProcCall::ControlTerm, 0, 0), Err(ENXIO));
    // One that it begins itself is.
    let child = sim.fork(confined);
    sim.verb(child, ProcCall::Setsid, 0, 0).unwrap();
    assert!(sim.manager.dup(child.handle, b"session", 0).is_ok());
    sim.manager.set_terminal(child.pid, "pty").unwrap();
    assert!(sim.manager.dup(child.handle, b"tty", 0).is_ok());
}

#[test]
fn it_lives_and_ends_like_any_other() {
    let (mut sim, init) = Sim::new();
    let before = sim.manager.counts();
    let confined = sim.fork(init);
    sim.call(confined.handle, [CONFINE, 0, 0]).unwrap();
    let child = sim.fork(confined);
    sim.exit(child, status::exited(3));
    let waited = sim.verb(confined, ProcCall::Waitpid, child.pid.into(), 0);
    assert_eq!(waited, Ok((child.pid as usize, Some(status::exited(3)))));
    // An orphan of it is still confined.
    let orphan = sim.fork(confined);
    sim.exit(confined, status::exited(0));
    sim.verb(init, ProcCall::Waitpid, confined.pid.into(), 0)
        .unwrap();
    assert!(!reaches(&mut sim, orphan, init));
    assert!(reaches(&mut sim, init, orphan));
    sim.exit(orphan, status::exited(0));
    sim.verb(init, ProcCall::Waitpid, 0, 0).unwrap();
    for process in [confined, child, orphan] {
        sim.close(process.handle);
    }
    assert_eq!(sim.manager.counts(), before);
}

#[test]
fn credentials_are_told_by_a_file() {
    let (mut sim, init) = Sim::new();
    let root = sim.manager.named_root().unwrap();
    let before = sim.manager.counts();
    let open = |sim: &mut Sim, handle, path: &[u8]| sim.manager.open_named(handle, path, 0);
    for path in [
        &b""[..],
        b"/",
        b"proc-creds",
        b"proc-creds-capability/",
        b"1",
    ] {
        let error = open(&mut sim, root, path).unwrap_err();
        assert_eq!(error.0, syscall::ENOENT, "{}", path.escape_ascii());
    }
    let error = open(&mut sim, init.handle, b"proc-creds-capability").unwrap_err();
    assert_eq!(error.0, syscall::ENOTDIR);
    let all = open(&mut sim, root, b"/proc-creds-capability").unwrap();
    // Whoever they are, and whatever the asking process is.
    let confined = sim.fork(init);
    sim.call(confined.handle, [CONFINE, 0, 0]).unwrap();
    let ask = |sim: &mut Sim, pid: u64| {
        let verb = [ProcCall::GetProcCredentials as u64, pid, 0];
        match sim.call_tagged(all, verb, &[]).1 {
            Ok(Answer::Now(0, Data::Meta(meta))) => Ok(meta.pid),
            Ok(other) => panic!("{other:?}"),
            Err(error) => Err(error.0),
        }
    };
    assert_eq!(ask(&mut sim, 1), Ok(1));
    assert_eq!(ask(&mut sim, confined.pid.into()), Ok(confined.pid));
    assert_eq!(ask(&mut sim, 99), Err(ESRCH));
    for verb in [ProcCall::Kill, ProcCall::SetResugid, ProcCall::Exit] {
        assert!(sim.call(all, [verb as u64, 1, 9]).is_err());
    }
    assert!(sim.manager.dup(all, b"fork", 0).is_err());
    sim.exit(confined, status::exited(0));
    sim.verb(init, ProcCall::Waitpid, 0, 0).unwrap();
    sim.close(confined.handle);
    assert_eq!(ask(&mut sim, confined.pid.into()), Err(ESRCH));
    sim.close(all);
    assert_eq!(sim.manager.counts(), before);
}

#[test]
fn the_superuser_says_who_another_is() {
    let (mut sim, init) = Sim::new();
    let (user, confined) = (sim.fork(init), sim.fork(init));
    sim.call(confined.handle, [CONFINE, 0, 0]).unwrap();
    let ids = |words: [u32; 6]| words.map(u32::to_ne_bytes).concat();
    let all = |id| ids([id; 6]);
    let set = |sim: &mut Sim, who: Proc, of: u64, payload: &[u8]| {
        let verb = [SET_IDS_OF, of, 0];
        sim.call_tagged(who.handle, verb, payload).1.map(drop)
    };
    let error = |result: Result<(), procmgr_core::Errno>| result.unwrap_err().0;
    let target = u64::from(user.pid);
    assert_eq!(error(set(&mut sim, confined, target, &all(5))), EPERM);
    assert_eq!(error(set(&mut sim, init, 99, &all(5))), ESRCH);
    assert_eq!(error(set(&mut sim, init, target, &all(5)[..20])), EINVAL);
    set(&mut sim, init, target, &all(1000)).unwrap();
    assert_eq!(error(set(&mut sim, user, target, &all(0))), EPERM);
    assert_eq!(error(set(&mut sim, user, 1, &all(1000))), EPERM);
    // What is not said stays, and it is the process's from then on.
    let keep = u32::MAX;
    let some = ids([keep, 0, keep, keep, 7, keep]);
    set(&mut sim, init, target, &some).unwrap();
    let thread = sim.manager.thread(user.pid, 0).unwrap();
    let attributes = sim.manager.attributes(thread).unwrap();
    assert_eq!((attributes.euid, attributes.egid), (0, 7));
}

#[test]
fn counts_are_for_who_may_know_everybody() {
    let (mut sim, init) = Sim::new();
    let counts = sim.manager.counts();
    let ask = |sim: &mut Sim, who: Proc| match sim.call_tagged(who.handle, [COUNTS, 0, 0], &[]) {
        (_, Ok(Answer::Now(0, Data::Counts(counts)))) => Ok(counts),
        (_, Err(error)) => Err(error.0),
        other => panic!("{other:?}"),
    };
    assert_eq!(ask(&mut sim, init), Ok(counts));
    let child = sim.fork(init);
    sim.call(child.handle, [CONFINE, 0, 0]).unwrap();
    assert_eq!(ask(&mut sim, child), Err(EPERM));
    let user = sim.fork(init);
    let ids = [1000_u32; 6].map(u32::to_ne_bytes).concat();
    sim.call_with(user.handle, [ProcCall::SetResugid as u64, 0, 0], &ids)
        .unwrap();
    assert_eq!(ask(&mut sim, user), Err(EPERM));
}

#[test]
fn cells_are_not_endlessly_deep() {
    let (mut sim, init) = Sim::new();
    let process = sim.fork(init);
    let mut depth = 0;
    while sim.call(process.handle, [CONFINE, 0, 0]).is_ok() {
        depth += 1;
    }
    assert_eq!(depth, 16);
    assert_eq!(sim.call(process.handle, [CONFINE, 0, 0]), Err(EAGAIN));
    assert!(
        !reaches(&mut sim, process, init),
        "and it is still confined"
    );
}
