//! The process manager's rules, one test per rule.

mod common;

use std::collections::BTreeMap;

use cap_abi::process::{SET_IDS_OF, TIMES, WAIT_KEEP, WAIT_NOT_ENDED};
use cap_abi::session::{CONTROL, Control, LEADER, control_word};
use common::{Proc, Sim};
use libredox::protocol::{PidfdCall, ProcCall, ProcKillTarget, RtSigInfo, ThreadCall, WaitFlags};
use procmgr_core::{Action, Answer, Data, Death, Made, State, THREADS, status};
use syscall::{error::*, flag::EventFlags};

const HUP: u8 = 1;
const INT: u8 = 2;
const KILL: u8 = 9;
const SEGV: u8 = 11;
const TERM: u8 = 15;
const CHLD: u8 = 17;
const CONT: u8 = 18;
const STOP: u8 = 19;
const TSTP: u8 = 20;
const TTIN: u8 = 21;
const RT: u8 = 40;

const NOHANG: u64 = WaitFlags::WNOHANG.bits() as u64;
const UNTRACED: u64 = WaitFlags::WUNTRACED.bits() as u64;
const CONTINUED: u64 = WaitFlags::WCONTINUED.bits() as u64;

fn of(pid: u32, word: u32) -> common::Reply {
    Ok((pid as usize, Some(word)))
}

#[test]
fn a_child_is_waited_for_once() {
    let (mut sim, init) = Sim::new();
    assert_eq!(sim.verb(init, ProcCall::Waitpid, 0, 0), Err(ECHILD));
    let child = sim.fork(init);
    assert_eq!(sim.verb(init, ProcCall::Waitpid, 0, NOHANG), Ok((0, None)));
    let waiting = sim.wait_later(init, ProcCall::Waitpid, 0, 0);
    sim.exit(child, status::exited(7));
    assert_eq!(sim.replies[&waiting], of(child.pid, status::exited(7)));
    assert!(sim.is_pending(1, CHLD));
    assert_eq!(sim.verb(init, ProcCall::Waitpid, 0, NOHANG), Err(ECHILD));
    sim.close(child.handle);
    assert_eq!(sim.manager.counts(), [1, 1, 1, 1, 1]);
}

/// What a wait that is answered at once says of the child's processor time.
fn waited(sim: &mut Sim, who: Proc, flags: u64) -> u64 {
    let metadata = [ProcCall::Waitpid as u64, 0, flags];
    match sim.call_tagged(who.handle, metadata, &[]).1 {
        Ok(Answer::Now(_, Data::Waited(_, used))) => used,
        other => panic!("{other:?}"),
    }
}

fn times(sim: &mut Sim, who: Proc) -> [u64; 2] {
    match sim.call_tagged(who.handle, [TIMES, 0, 0], &[]).1 {
        Ok(Answer::Now(0, Data::Times(times))) => times,
        other => panic!("{other:?}"),
    }
}

#[test]
fn processor_time_is_a_process_s_sum_and_a_child_s_when_it_is_waited_for() {
    let (mut sim, init) = Sim::new();
    let child = sim.fork(init);
    let Ok(Made::NewThread { thread, .. }) = sim.manager.dup(child.handle, b"new-thread", 0) else {
        panic!()
    };
    sim.machine.started.insert(thread);
    sim.machine
        .used
        .extend([(init.thread, 1000), (child.thread, 30), (thread, 4)]);
    assert_eq!(times(&mut sim, child), [34, 0]);
    // A thread's time stays when the thread ends.
    sim.died(thread, Death::Ended(0));
    assert_eq!(times(&mut sim, child), [34, 0]);
    let grandchild = sim.fork(child);
    sim.machine.used.insert(grandchild.thread, 500);
    assert_eq!(times(&mut sim, grandchild), [500, 0]);
    sim.exit(grandchild, status::exited(0));
    assert_eq!(times(&mut sim, child), [34, 0]);
    // Looking is not waiting.
    assert_eq!(waited(&mut sim, child, WAIT_KEEP), 500);
    assert_eq!(times(&mut sim, child), [34, 0]);
    assert_eq!(waited(&mut sim, child, 0), 500);
    assert_eq!(times(&mut sim, child), [34, 500]);
    // One that has stopped tells what it has used so far, and is no one's sum yet.
    sim.kill_pid(init, child.pid, STOP).unwrap();
    assert_eq!(waited(&mut sim, init, UNTRACED), 534);
    assert_eq!(times(&mut sim, init), [1000, 0]);
    let waiting = sim.wait_later(init, ProcCall::Waitpid, 0, 0);
    sim.kill_pid(init, child.pid, KILL).unwrap();
    assert_eq!(sim.replies[&waiting], of(child.pid, status::signaled(KILL)));
    assert_eq!(times(&mut sim, init), [1000, 534]);
}

#[test]
fn nobody_has_the_time_of_a_child_that_is_forgotten() {
    let (mut sim, init) = Sim::new();
    sim.machine.forgetful.insert(1);
    let child = sim.fork(init);
    sim.machine.used.insert(child.thread, 5);
    sim.exit(child, status::exited(0));
    assert_eq!(times(&mut sim, init), [0, 0]);
    // Init inherits what was its child's child.
    sim.machine.forgetful.clear();
    let child = sim.fork(init);
    let grandchild = sim.fork(child);
    sim.machine
        .used
        .extend([(child.thread, 7), (grandchild.thread, 11)]);
    sim.exit(child, status::exited(0));
    assert_eq!(waited(&mut sim, init, 0), 7);
    sim.exit(grandchild, status::exited(0));
    assert_eq!(waited(&mut sim, init, 0), 11);
    assert_eq!(times(&mut sim, init), [0, 18]);
}

#[test]
fn a_wait_may_leave_what_it_is_told_and_what_has_ended() {
    let (mut sim, init) = Sim::new();
    let child = sim.fork(init);
    sim.exit(child, status::exited(3));
    let told = of(child.pid, status::exited(3));
    // It will never stop again.
    assert_eq!(
        sim.verb(init, ProcCall::Waitpid, 0, NOHANG | WAIT_NOT_ENDED),
        Err(ECHILD)
    );
    for _ in 0..2 {
        assert_eq!(sim.verb(init, ProcCall::Waitpid, 0, WAIT_KEEP), told);
    }
    assert_eq!(sim.verb(init, ProcCall::Waitpid, 0, 0), told);
    assert_eq!(sim.verb(init, ProcCall::Waitpid, 0, WAIT_KEEP), Err(ECHILD));
    assert_eq!(sim.verb(init, ProcCall::Waitpid, 0, 0x20), Err(EINVAL));
}

#[test]
fn who_waits_for_a_child_to_stop_is_told_that_none_will() {
    let (mut sim, init) = Sim::new();
    let child = sim.fork(init);
    let (tag, answer) = sim.call_tagged(
        init.handle,
        [ProcCall::Waitpid as u64, 0, WAIT_NOT_ENDED],
        &[],
    );
    assert!(matches!(answer, Ok(Answer::Later)));
    sim.exit(child, status::exited(3));
    assert_eq!(sim.replies.get(&tag), Some(&Err(ECHILD)));
    assert_eq!(
        sim.verb(init, ProcCall::Waitpid, 0, 0),
        of(child.pid, status::exited(3))
    );
}

#[test]
fn a_zombie_keeps_its_status_until_it_is_waited_for() {
    let (mut sim, init) = Sim::new();
    let child = sim.fork(init);
    sim.exit(child, status::exited(3));
    sim.close(child.handle);
    assert_eq!(sim.manager.state(child.pid), Some(State::Zombie(0x300)));
    assert_eq!(sim.kill_pid(init, child.pid, KILL), Ok((0, None)));
    assert_eq!(
        sim.verb(init, ProcCall::Waitpid, child.pid.into(), NOHANG),
        of(child.pid, 0x300)
    );
    assert_eq!(sim.manager.state(child.pid), None);
    assert_eq!(sim.kill_pid(init, child.pid, 0), Err(ESRCH));
}

#[test]
fn waits_choose_their_child() {
    let (mut sim, init) = Sim::new();
    let [a, b, c] = [sim.fork(init), sim.fork(init), sim.fork(init)];
    let group = u64::from(b.pid);
    sim.verb(b, ProcCall::Setpgid, 0, 0).unwrap();
    sim.verb(init, ProcCall::Setpgid, c.pid.into(), group)
        .unwrap();
    let other = sim.fork(a);
    assert_eq!(
        sim.verb(init, ProcCall::Waitpid, other.pid.into(), 0),
        Err(ECHILD)
    );
    assert_eq!(sim.verb(init, ProcCall::Waitpgid, 999, 0), Err(ECHILD));
    let for_b = sim.wait_later(init, ProcCall::Waitpid, b.pid.into(), 0);
    let for_group = sim.wait_later(init, ProcCall::Waitpgid, group, 0);
    let for_mine = sim.wait_later(init, ProcCall::Waitpgid, 0, 0);
    sim.exit(a, 0);
    assert_eq!(sim.replies[&for_mine], of(a.pid, 0));
    assert_eq!(sim.replies.len(), 1);
    sim.exit(c, 0);
    assert_eq!(sim.replies[&for_group], of(c.pid, 0));
    sim.exit(b, status::signaled(TERM));
    assert_eq!(sim.replies[&for_b], of(b.pid, 15));
    // `other` was a's child and is init's now.
    sim.exit(other, 0);
    assert_eq!(sim.verb(init, ProcCall::Waitpid, 0, 0), of(other.pid, 0));
    assert_eq!(sim.verb(init, ProcCall::Waitpid, 0, 0), Err(ECHILD));
    assert_eq!(sim.verb(init, ProcCall::Waitpid, 0, 1 << 9), Err(EINVAL));
}

#[test]
fn a_wait_for_nobody_fails_when_the_last_candidate_goes() {
    let (mut sim, init) = Sim::new();
    let child = sim.fork(init);
    let one = sim.wait_later(init, ProcCall::Waitpid, 0, 0);
    let two = sim.wait_later(init, ProcCall::Waitpid, 0, 0);
    sim.exit(child, 0);
    assert_eq!(sim.replies[&one], of(child.pid, 0));
    assert_eq!(sim.replies[&two], Err(ECHILD));
}

#[test]
fn a_cancelled_wait_is_interrupted() {
    let (mut sim, init) = Sim::new();
    let child = sim.fork(init);
    let waiting = sim.wait_later(init, ProcCall::Waitpid, 0, 0);
    sim.cancel(1, waiting);
    sim.cancel(1, waiting);
    assert_eq!(sim.replies[&waiting], Err(EINTR));
    sim.exit(child, 0);
    assert_eq!(sim.verb(init, ProcCall::Waitpid, 0, 0), of(child.pid, 0));
}

#[test]
fn stops_and_continuations_are_told_once_to_who_asks() {
    let (mut sim, init) = Sim::new();
    let child = sim.fork(init);
    let all = sim.wait_later(init, ProcCall::Waitpid, 0, (UNTRACED | CONTINUED) as usize);
    let end = sim.wait_later(init, ProcCall::Waitpid, 0, 0);
    sim.kill_pid(init, child.pid, STOP).unwrap();
    assert!(sim.stopped.contains(&child.thread));
    assert_eq!(sim.replies[&all], of(child.pid, status::stopped(STOP)));
    assert_eq!(
        sim.verb(init, ProcCall::Waitpid, 0, NOHANG | UNTRACED),
        Ok((0, None))
    );
    // A second stop is no change.
    sim.kill_pid(init, child.pid, STOP).unwrap();
    assert_eq!(
        sim.verb(init, ProcCall::Waitpid, 0, NOHANG | UNTRACED),
        Ok((0, None))
    );
    sim.kill_pid(init, child.pid, CONT).unwrap();
    assert!(sim.stopped.is_empty());
    assert_eq!(
        sim.verb(init, ProcCall::Waitpid, 0, NOHANG | UNTRACED),
        Ok((0, None))
    );
    assert_eq!(
        sim.verb(init, ProcCall::Waitpid, 0, NOHANG | CONTINUED),
        of(child.pid, status::CONTINUED)
    );
    assert!(!sim.replies.contains_key(&end));
    sim.machine.pending.clear();
    sim.machine.no_child_stop.insert(1);
    sim.kill_pid(init, child.pid, STOP).unwrap();
    assert!(!sim.is_pending(1, CHLD));
    // A stopped process can be ended.
    sim.kill_pid(init, child.pid, KILL).unwrap();
    assert_eq!(sim.replies[&end], of(child.pid, status::signaled(KILL)));
    assert!(sim.is_pending(1, CHLD));
}

#[test]
fn orphans_belong_to_init() {
    let (mut sim, init) = Sim::new();
    let parent = sim.fork(init);
    let [alive, dead] = [sim.fork(parent), sim.fork(parent)];
    sim.exit(dead, status::exited(4));
    sim.exit(parent, 0);
    assert_eq!(sim.verb(alive, ProcCall::Getppid, 0, 0), Ok((1, None)));
    let mut seen = BTreeMap::new();
    while let Ok((pid, Some(word))) = sim.verb(init, ProcCall::Waitpid, 0, NOHANG) {
        seen.insert(pid as u32, word);
    }
    assert_eq!(seen, BTreeMap::from([(dead.pid, 0x400), (parent.pid, 0)]));
    sim.exit(alive, 0);
    assert_eq!(sim.verb(init, ProcCall::Waitpid, 0, 0), of(alive.pid, 0));
}

#[test]
fn a_parent_that_does_not_care_leaves_no_zombies() {
    let (mut sim, init) = Sim::new();
    sim.machine.forgetful.insert(1);
    let [a, b] = [sim.fork(init), sim.fork(init)];
    let waiting = sim.wait_later(init, ProcCall::Waitpid, 0, 0);
    sim.exit(a, 0);
    assert_eq!(
        sim.manager.state(a.pid),
        Some(State::Zombie(0)),
        "its handle is open"
    );
    sim.close(a.handle);
    assert_eq!(sim.manager.state(a.pid), None);
    assert!(!sim.replies.contains_key(&waiting));
    sim.exit(b, 0);
    assert_eq!(sim.replies[&waiting], Err(ECHILD));
}

#[test]
fn all_threads_end_before_the_process_has_ended() {
    let (mut sim, init) = Sim::new();
    let child = sim.fork(init);
    let Ok(Made::NewThread { handle, thread }) = sim.manager.dup(child.handle, b"new-thread", 0)
    else {
        panic!()
    };
    sim.machine.started.insert(thread);
    sim.slow_death = true;
    sim.exit(child, status::exited(1));
    assert_eq!(sim.killed.len(), 2);
    assert_eq!(sim.manager.state(child.pid), Some(State::Exiting(0x100)));
    assert_eq!(sim.verb(init, ProcCall::Waitpid, 0, NOHANG), Ok((0, None)));
    assert_eq!(sim.verb(child, ProcCall::Getppid, 0, 0), Err(ESRCH));
    sim.died(child.thread, Death::Ended(0x100));
    assert_eq!(sim.verb(init, ProcCall::Waitpid, 0, NOHANG), Ok((0, None)));
    sim.died(thread, Death::Exception(SEGV));
    assert_eq!(
        sim.verb(init, ProcCall::Waitpid, 0, NOHANG),
        of(child.pid, 0x100)
    );
    sim.close(handle);
    sim.close(child.handle);
    assert_eq!(sim.manager.counts(), [1, 1, 1, 1, 1]);
}

#[test]
fn contexts_that_die_on_their_own() {
    let (mut sim, init) = Sim::new();
    // One thread of two ends: the process lives.
    let child = sim.fork(init);
    let Ok(Made::NewThread { thread, .. }) = sim.manager.dup(child.handle, b"new-thread", 0) else {
        panic!()
    };
    sim.machine.started.insert(thread);
    sim.died(thread, Death::Ended(0));
    assert_eq!(sim.manager.state(child.pid), Some(State::Running));
    // An exception in one thread is the end of all.
    let Ok(Made::NewThread { thread, .. }) = sim.manager.dup(child.handle, b"new-thread", 0) else {
        panic!()
    };
    sim.machine.started.insert(thread);
    sim.died(thread, Death::Exception(SEGV));
    assert_eq!(
        sim.verb(init, ProcCall::Waitpid, 0, NOHANG),
        of(child.pid, 11)
    );
    // The only thread ends with a status of its own.
    let child = sim.fork(init);
    sim.died(child.thread, Death::Ended(status::exited(9)));
    assert_eq!(
        sim.verb(init, ProcCall::Waitpid, 0, NOHANG),
        of(child.pid, 0x900)
    );
}

#[test]
fn a_child_that_is_never_started_leaves_nothing() {
    let (mut sim, init) = Sim::new();
    let before = sim.manager.counts();
    let child = sim.fork_unstarted(init).unwrap();
    let waiting = sim.wait_later(init, ProcCall::Waitpid, 0, 0);
    // Who makes it may have named signal pages for it, which are not those of the number's next process.
    sim.machine.pages.insert(child.pid, BTreeMap::new());
    sim.close(child.handle);
    assert!(!sim.machine.pages.contains_key(&child.pid));
    assert!(sim.killed.contains_key(&child.thread));
    assert_eq!(sim.replies[&waiting], Err(ECHILD));
    assert_eq!(sim.manager.counts(), before);
    // The same for a thread.
    let Ok(Made::NewThread { handle, .. }) = sim.manager.dup(init.handle, b"new-thread", 0) else {
        panic!()
    };
    sim.close(handle);
    assert_eq!(sim.manager.counts(), before);
    // A running process outlives its handles.
    let child = sim.fork(init);
    sim.close(child.handle);
    assert_eq!(sim.manager.state(child.pid), Some(State::Running));
}

#[test]
fn signals_reach_a_thread_that_takes_them() {
    let (mut sim, init) = Sim::new();
    let child = sim.fork(init);
    let Ok(Made::NewThread { handle, thread }) = sim.manager.dup(child.handle, b"new-thread", 0)
    else {
        panic!()
    };
    sim.machine.started.insert(thread);
    sim.machine
        .blocked
        .entry(child.thread)
        .or_default()
        .insert(TERM);
    sim.kill_pid(init, child.pid, TERM).unwrap();
    assert_eq!(sim.interrupted, [thread]);
    assert!(sim.is_pending(child.pid, TERM));
    assert_eq!(sim.machine.senders.last(), Some(&(child.pid, TERM, 1)));
    // Blocked everywhere: pending, nobody is disturbed.
    sim.machine.blocked.entry(thread).or_default().insert(INT);
    sim.machine
        .blocked
        .entry(child.thread)
        .or_default()
        .insert(INT);
    sim.kill_pid(init, child.pid, INT).unwrap();
    assert_eq!(sim.interrupted, [thread]);
    assert!(sim.is_pending(child.pid, INT));
    // Ignored: nothing.
    sim.machine
        .pages
        .get_mut(&child.pid)
        .unwrap()
        .insert(HUP, Action::Ignore);
    sim.kill_pid(init, child.pid, HUP).unwrap();
    assert!(!sim.is_pending(child.pid, HUP));
    // One thread alone.
    let to_thread = |signal: u8| [ThreadCall::SignalThread as u64, signal.into(), 0];
    sim.call(handle, to_thread(TERM)).unwrap();
    assert_eq!(sim.interrupted, [thread, thread]);
    assert_eq!(sim.call(handle, to_thread(65)), Err(EINVAL));
    sim.call(handle, to_thread(STOP)).unwrap();
    assert_eq!(sim.stopped.len(), 2, "stops are for the whole process");
    sim.call(handle, to_thread(HUP)).unwrap();
    // Without a page the default action is taken at once.
    let plain = sim.fork_unstarted(init).unwrap();
    sim.machine.started.insert(plain.thread);
    sim.kill_pid(init, plain.pid, CHLD).unwrap();
    assert_eq!(sim.manager.state(plain.pid), Some(State::Running));
    sim.kill_pid(init, plain.pid, TERM).unwrap();
    assert_eq!(sim.manager.state(plain.pid), Some(State::Zombie(15)));
}

#[test]
fn a_signal_that_came_during_a_stop_is_looked_at_afterwards() {
    let (mut sim, init) = Sim::new();
    let child = sim.fork(init);
    sim.kill_pid(init, child.pid, STOP).unwrap();
    sim.machine.post_for_test(child, TERM);
    sim.kill_pid(init, child.pid, TERM).unwrap();
    assert!(!sim.interrupted.contains(&child.thread));
    sim.kill_pid(init, child.pid, CONT).unwrap();
    assert!(sim.interrupted.contains(&child.thread));
}

impl common::Machine {
    fn post_for_test(&mut self, to: Proc, signal: u8) {
        self.thread_pending
            .entry(to.thread)
            .or_default()
            .insert(signal);
    }
}

#[test]
fn stop_and_continue_take_each_other_back() {
    let (mut sim, init) = Sim::new();
    let child = sim.fork(init);
    sim.kill_pid(init, child.pid, TSTP).unwrap();
    assert!(sim.is_pending(child.pid, TSTP), "it is handled");
    sim.kill_pid(init, child.pid, CONT).unwrap();
    assert!(!sim.is_pending(child.pid, TSTP));
    assert!(sim.is_pending(child.pid, CONT));
    sim.kill_pid(init, child.pid, TSTP).unwrap();
    assert!(!sim.is_pending(child.pid, CONT));
}

#[test]
fn who_may_signal() {
    let (mut sim, init) = Sim::new();
    let [a, b] = [sim.fork(init), sim.fork(init)];
    let become_user = |id: u32| [id; 6].map(u32::to_ne_bytes).concat();
    let set = [ProcCall::SetResugid as u64, 0, 0];
    sim.call_with(a.handle, set, &become_user(1000)).unwrap();
    sim.call_with(b.handle, set, &become_user(1001)).unwrap();
    assert_eq!(sim.attributes_set, [a.thread, b.thread]);
    let attributes = sim.manager.attributes(a.thread).unwrap();
    assert_eq!((attributes.euid, attributes.egid), (1000, 1000));
    assert_eq!(sim.call_with(a.handle, set, &become_user(0)), Err(EPERM));
    assert_eq!(sim.call_with(a.handle, set, &[0; 23]), Err(EINVAL));
    assert_eq!(sim.kill_pid(a, b.pid, TERM), Err(EPERM));
    assert_eq!(sim.kill_pid(a, b.pid, 0), Err(EPERM));
    assert_eq!(sim.kill_pid(a, 1, KILL), Err(EPERM));
    assert_eq!(sim.kill_pid(a, b.pid, CONT), Ok((0, None)), "same session");
    sim.verb(b, ProcCall::Setsid, 0, 0).unwrap();
    assert_eq!(sim.kill_pid(a, b.pid, CONT), Err(EPERM));
    assert_eq!(sim.kill_pid(init, b.pid, 0), Ok((0, None)));
    assert_eq!(sim.kill_pid(init, 999, 0), Err(ESRCH));
    assert_eq!(sim.kill_pid(init, b.pid, 65), Err(EINVAL));
    // Init is not ended, not even by root.
    let root = sim.fork(init);
    assert_eq!(sim.kill_pid(root, 1, KILL), Err(EPERM));
    assert_eq!(sim.kill_pid(root, 1, STOP), Err(EPERM));
    sim.machine.pages.remove(&1);
    sim.kill_pid(root, 1, TERM).unwrap();
    assert_eq!(sim.manager.state(1), Some(State::Running));
}

#[test]
fn targets_of_kill() {
    let (mut sim, init) = Sim::new();
    let [a, b, c] = [sim.fork(init), sim.fork(init), sim.fork(init)];
    sim.verb(a, ProcCall::Setpgid, 0, 0).unwrap();
    sim.verb(init, ProcCall::Setpgid, b.pid.into(), a.pid.into())
        .unwrap();
    sim.kill(c, ProcKillTarget::ProcGroup(a.pid as usize), HUP)
        .unwrap();
    let pending = |sim: &Sim, signal| [a, b, c].map(|p| sim.is_pending(p.pid, signal));
    assert_eq!(pending(&sim, HUP), [true, true, false]);
    sim.kill(a, ProcKillTarget::ThisGroup, INT).unwrap();
    assert_eq!(pending(&sim, INT), [true, true, false]);
    assert!(!sim.is_pending(1, INT));
    sim.kill(c, ProcKillTarget::All, TERM).unwrap();
    assert_eq!(pending(&sim, TERM), [true, true, false]);
    assert!(!sim.is_pending(1, TERM));
    assert_eq!(
        sim.kill(a, ProcKillTarget::ProcGroup(12345), TERM),
        Err(ESRCH)
    );
    // A group that contains the sender is ended as a whole.
    sim.kill(a, ProcKillTarget::ThisGroup, KILL).unwrap();
    assert_eq!(sim.manager.state(a.pid), Some(State::Zombie(9)));
    assert_eq!(sim.manager.state(b.pid), Some(State::Zombie(9)));
}

#[test]
fn queued_signals_keep_their_order_and_what_they_carry() {
    let (mut sim, init) = Sim::new();
    let child = sim.fork(init);
    let payload = |arg: usize| {
        let mut bytes = value(arg);
        bytes[12..20].fill(0xee);
        bytes
    };
    let queue = [ProcCall::Sigq as u64, child.pid.into(), RT.into()];
    for arg in 1..=3 {
        sim.call_with(init.handle, queue, &payload(arg)).unwrap();
    }
    assert_eq!(
        sim.call_with(init.handle, queue, &payload(1)[1..]),
        Err(EINVAL)
    );
    for arg in 1..=3 {
        sim.machine.pending.get_mut(&child.pid).unwrap().clear();
        let (_, answer) =
            sim.call_tagged(child.handle, [ProcCall::Sigdeq as u64, RT.into(), 0], &[]);
        let Ok(Answer::Now(0, Data::Signal(info))) = answer else {
            panic!("{answer:?}")
        };
        assert_eq!((info.arg, info.code, info.pid, info.uid), (arg, -1, 1, 0));
        assert_eq!(
            sim.is_pending(child.pid, RT),
            arg < 3,
            "pending again while more are queued"
        );
    }
    assert_eq!(sim.verb(child, ProcCall::Sigdeq, RT.into(), 0), Err(EAGAIN));
    let mut sent = 0;
    while sim.call_with(init.handle, queue, &payload(0)).is_ok() {
        sent += 1;
        assert!(sent < 10_000, "the queue has no end");
    }
    assert_eq!(sim.call_with(init.handle, queue, &payload(0)), Err(EAGAIN));
}

/// `RtSigInfo` as `sigqueue` sends it.
fn value(arg: usize) -> [u8; size_of::<RtSigInfo>()] {
    let mut bytes = [0; size_of::<RtSigInfo>()];
    bytes[..8].copy_from_slice(&arg.to_ne_bytes());
    bytes[8..12].copy_from_slice(&(-1i32).to_ne_bytes());
    bytes
}

/// Takes a pending signal as the library does: its value, or `None` when it came alone.
fn take(sim: &mut Sim, who: Proc, signal: u8) -> Option<usize> {
    assert!(sim.is_pending(who.pid, signal));
    if sim.machine.in_queue[&(who.pid, signal)] {
        let metadata = [ProcCall::Sigdeq as u64, signal.into(), 0];
        let (_, answer) = sim.call_tagged(who.handle, metadata, &[]);
        let Ok(Answer::Now(0, Data::Signal(info))) = answer else {
            panic!("{answer:?}")
        };
        assert_eq!((info.code, info.pid, info.uid), (-1, 1, 0));
        assert!(!sim.is_pending(who.pid, signal), "taken by being asked for");
        Some(info.arg)
    } else {
        take_alone(sim, who, signal);
        None
    }
}

fn take_alone(sim: &mut Sim, who: Proc, signal: u8) {
    let pending = sim.machine.pending.get_mut(&who.pid).unwrap();
    assert!(pending.remove(&signal));
}

#[test]
fn an_ordinary_signal_brings_what_the_first_of_its_kind_came_with() {
    let (mut sim, init) = Sim::new();
    let child = sim.fork(init);
    let queue = |sim: &mut Sim, signal: u8, arg| {
        let metadata = [ProcCall::Sigq as u64, child.pid.into(), signal.into()];
        sim.call_with(init.handle, metadata, &value(arg)).unwrap();
    };
    let empty = |sim: &mut Sim, signal: u8| {
        assert_eq!(
            sim.verb(child, ProcCall::Sigdeq, signal.into(), 0),
            Err(EAGAIN)
        );
    };
    // More than fit into any queue.
    for arg in 1..1000 {
        queue(&mut sim, HUP, arg);
        sim.kill_pid(init, child.pid, HUP).unwrap();
        assert_eq!(take(&mut sim, child, HUP), Some(arg));
        empty(&mut sim, HUP);
    }
    for arg in 1..1000 {
        queue(&mut sim, HUP, arg);
    }
    sim.kill_pid(init, child.pid, RT)
        .expect("a queue that the others do not fill");
    assert_eq!(take(&mut sim, child, HUP), Some(1));
    // It was first, and alone.
    sim.kill_pid(init, child.pid, HUP).unwrap();
    queue(&mut sim, HUP, 7);
    assert_eq!(take(&mut sim, child, HUP), None);
    empty(&mut sim, HUP);
    // Taken by a program that does not ask: the next one is its own.
    queue(&mut sim, HUP, 8);
    take_alone(&mut sim, child, HUP);
    sim.kill_pid(init, child.pid, HUP).unwrap();
    assert_eq!(take(&mut sim, child, HUP), None);
    empty(&mut sim, HUP);
    queue(&mut sim, HUP, 9);
    take_alone(&mut sim, child, HUP);
    queue(&mut sim, HUP, 10);
    assert_eq!(take(&mut sim, child, HUP), Some(10));
    // What is taken back, or never becomes pending, leaves nothing.
    queue(&mut sim, TSTP, 11);
    queue(&mut sim, CONT, 12);
    empty(&mut sim, TSTP);
    queue(&mut sim, TSTP, 13);
    empty(&mut sim, CONT);
    queue(&mut sim, STOP, 14);
    empty(&mut sim, STOP);
    let page = sim.machine.pages.get_mut(&child.pid).unwrap();
    page.insert(INT, Action::Ignore);
    queue(&mut sim, INT, 15);
    empty(&mut sim, INT);
}

#[test]
fn a_program_that_is_executed_finds_nothing_queued() {
    let (mut sim, init) = Sim::new();
    let child = sim.fork(init);
    for signal in [HUP, RT] {
        let metadata = [ProcCall::Sigq as u64, child.pid.into(), signal.into()];
        sim.call_with(init.handle, metadata, &value(1)).unwrap();
    }
    sim.machine.pending.clear();
    sim.verb(child, ProcCall::DisableSetpgid, 0, 0).unwrap();
    for signal in [HUP, RT] {
        assert_eq!(
            sim.verb(child, ProcCall::Sigdeq, signal.into(), 0),
            Err(EAGAIN)
        );
    }
}

#[test]
fn groups_and_sessions() {
    let (mut sim, init) = Sim::new();
    let shell = sim.fork(init);
    assert_eq!(
        sim.verb(init, ProcCall::Setsid, 0, 0),
        Err(EPERM),
        "a leader"
    );
    let sid = u64::from(shell.pid);
    assert_eq!(
        sim.verb(shell, ProcCall::Setsid, 0, 0),
        Ok((shell.pid as usize, None))
    );
    assert_eq!(sim.verb(shell, ProcCall::Setsid, 0, 0), Err(EPERM));
    assert_eq!(
        sim.verb(shell, ProcCall::Setpgid, 0, 0),
        Err(EPERM),
        "a session leader"
    );
    let [a, b] = [sim.fork(shell), sim.fork(shell)];
    let ask = u64::MAX;
    assert_eq!(
        sim.verb(a, ProcCall::Setpgid, 0, ask),
        Ok((shell.pid as usize, None))
    );
    assert_eq!(
        sim.verb(shell, ProcCall::Setpgid, a.pid.into(), 0),
        Ok((0, None))
    );
    assert_eq!(
        sim.verb(shell, ProcCall::Setpgid, a.pid.into(), ask),
        Ok((a.pid as usize, None))
    );
    assert_eq!(
        sim.verb(shell, ProcCall::Setpgid, b.pid.into(), a.pid.into()),
        Ok((0, None))
    );
    assert_eq!(
        sim.verb(b, ProcCall::Setpgid, 0, 777),
        Err(EPERM),
        "no such group"
    );
    assert_eq!(
        sim.verb(b, ProcCall::Setpgid, 0, 1),
        Err(EPERM),
        "another session's"
    );
    assert_eq!(
        sim.verb(b, ProcCall::Setpgid, a.pid.into(), 0),
        Err(ESRCH),
        "not its child"
    );
    sim.verb(b, ProcCall::DisableSetpgid, 0, 0).unwrap();
    assert_eq!(
        sim.verb(shell, ProcCall::Setpgid, b.pid.into(), sid),
        Err(EACCES)
    );
    assert_eq!(
        sim.verb(b, ProcCall::Getsid, 0, 0),
        Ok((shell.pid as usize, None))
    );
    assert_eq!(sim.verb(b, ProcCall::Getsid, 1, 0), Ok((1, None)));
    assert_eq!(sim.verb(b, ProcCall::Getsid, 999, 0), Err(ESRCH));
    let grandchild = sim.fork(a);
    sim.verb(grandchild, ProcCall::Setsid, 0, 0).unwrap();
    assert_eq!(
        sim.verb(a, ProcCall::Setpgid, grandchild.pid.into(), 0),
        Err(EPERM)
    );
}

#[test]
fn an_orphaned_group_with_stopped_members_is_hung_up() {
    let (mut sim, init) = Sim::new();
    let shell = sim.fork(init);
    sim.verb(shell, ProcCall::Setsid, 0, 0).unwrap();
    let [job, idle] = [sim.fork(shell), sim.fork(shell)];
    for one in [job, idle] {
        sim.verb(one, ProcCall::Setpgid, 0, 0).unwrap();
        sim.machine
            .pages
            .get_mut(&one.pid)
            .unwrap()
            .insert(TSTP, Action::Stop);
    }
    sim.kill_pid(shell, job.pid, TSTP).unwrap();
    assert!(sim.stopped.contains(&job.thread));
    sim.exit(shell, 0);
    assert!(sim.is_pending(job.pid, HUP) && sim.is_pending(job.pid, CONT));
    assert!(!sim.stopped.contains(&job.thread));
    assert!(
        !sim.is_pending(idle.pid, HUP),
        "none of its members is stopped"
    );
    // Nobody could continue it: a terminal's stop does nothing to an orphaned group.
    sim.kill_pid(init, idle.pid, TSTP).unwrap();
    assert!(!sim.stopped.contains(&idle.thread));
    sim.kill_pid(init, idle.pid, STOP).unwrap();
    assert!(sim.stopped.contains(&idle.thread));
}

#[test]
fn a_terminal_belongs_to_a_session() {
    let (mut sim, init) = Sim::new();
    let shell = sim.fork(init);
    let child = sim.fork(shell);
    assert_eq!(
        sim.manager.set_terminal(child.pid, "pty"),
        Err(procmgr_core::Errno(EPERM))
    );
    sim.verb(shell, ProcCall::Setsid, 0, 0).unwrap();
    let job = sim.fork(shell);
    assert_eq!(sim.verb(job, ProcCall::ControlTerm, 0, 0), Err(ENXIO));
    assert!(sim.manager.dup(job.handle, b"tty", 0).is_err());
    sim.manager.set_terminal(shell.pid, "pty").unwrap();
    assert!(sim.manager.set_terminal(shell.pid, "other").is_err());
    assert_eq!(sim.manager.terminal(job.pid), Ok(&"pty"));
    assert_eq!(
        sim.manager.dup(job.handle, b"tty", 0),
        Ok(Made::Terminal(job.pid))
    );
    assert!(
        sim.manager.terminal(child.pid).is_err(),
        "another session's"
    );
    assert_eq!(sim.verb(job, ProcCall::ControlTerm, 1, 0), Err(EPERM));
    // The terminal signals groups of its session, and no others.
    sim.verb(job, ProcCall::Setpgid, 0, 0).unwrap();
    let Ok(Made::Handle(session)) = sim.manager.dup(shell.handle, b"session", 0) else {
        panic!()
    };
    let send = |group: u32| [PidfdCall::SendSignal as u64, INT.into(), group.into()];
    sim.call(session, send(job.pid)).unwrap();
    assert!(sim.is_pending(job.pid, INT) && !sim.is_pending(shell.pid, INT));
    assert_eq!(sim.call(session, send(1)), Err(EPERM));
    // Whose processes they are does not matter, so that it sends only what a terminal does, for the leader.
    let become_user = [1000_u32; 6].map(u32::to_ne_bytes).concat();
    let set = [ProcCall::SetResugid as u64, 0, 0];
    sim.call_with(shell.handle, set, &become_user).unwrap();
    for signal in 0..=RT {
        let sends = matches!(signal, 0 | HUP | INT | 3 | CONT | TSTP | TTIN | 22 | 28);
        let wanted = if sends { Ok((0, None)) } else { Err(EPERM) };
        let verb = [PidfdCall::SendSignal as u64, signal.into(), job.pid.into()];
        assert_eq!(sim.call(session, verb), wanted, "{signal}");
        let word = control_word(shell.pid, signal);
        let asked = sim.call(session, [CONTROL, shell.pid.into(), word]);
        let wanted = matches!(signal, TTIN | 22)
            .then_some((0, None))
            .ok_or(EINVAL);
        assert_eq!(asked, wanted, "{signal}");
    }
    assert_eq!(
        sim.manager.dup(job.handle, b"session", 0),
        Err(procmgr_core::Errno(EPERM))
    );
    sim.exit(shell, 0);
    assert_eq!(sim.verb(job, ProcCall::ControlTerm, 0, 0), Err(ENXIO));
    sim.exit(job, 0);
    for one in [shell, job] {
        sim.close(one.handle);
    }
    while sim.verb(init, ProcCall::Waitpid, 0, NOHANG) != Ok((0, None)) {}
    let [.., sessions, _] = sim.manager.counts();
    assert_eq!(sessions, 2, "the handle keeps the session's number");
    sim.close(session);
    let [.., sessions, _] = sim.manager.counts();
    assert_eq!(sessions, 1);
}

#[test]
fn a_terminal_asks_who_may_use_it() {
    let (mut sim, init) = Sim::new();
    let shell = sim.fork(init);
    sim.verb(shell, ProcCall::Setsid, 0, 0).unwrap();
    let Ok(Made::Handle(session)) = sim.manager.dup(shell.handle, b"session", 0) else {
        panic!()
    };
    let [front, back, deaf, numb] = [(); 4].map(|()| sim.fork(shell));
    for job in [front, back, deaf, numb] {
        sim.verb(job, ProcCall::Setpgid, 0, 0).unwrap();
    }
    let page = sim.machine.pages.get_mut(&deaf.pid).unwrap();
    page.insert(TTIN, Action::Ignore);
    let blocked = sim.machine.blocked.entry(numb.thread).or_default();
    blocked.insert(TTIN);
    for job in [back, deaf, numb] {
        let page = sim.machine.pages.get_mut(&job.pid).unwrap();
        page.entry(TTIN).or_insert(Action::Stop);
    }
    assert_eq!(
        sim.call(session, [LEADER, 0, 0]),
        Ok((shell.pid as usize, None))
    );
    let ask = |sim: &mut Sim, pid: u32| {
        sim.call(
            session,
            [CONTROL, pid.into(), control_word(front.pid, TTIN)],
        )
    };
    let rows = [
        (front, Ok(Control::Foreground)),
        (back, Ok(Control::Stopped)),
        (deaf, Ok(Control::Insensitive)),
        (numb, Ok(Control::Insensitive)),
        (init, Err(ESRCH)),
    ];
    for (process, wanted) in rows {
        let got = ask(&mut sim, process.pid);
        assert_eq!(got, wanted.map(|c| (c as usize, None)), "{wanted:?}");
    }
    let stopped = |sim: &Sim, job: Proc| sim.stopped.contains(&job.thread);
    assert!(stopped(&sim, back) && !stopped(&sim, deaf) && !stopped(&sim, numb));
    assert_eq!(ask(&mut sim, 999), Err(ESRCH));
    let bad = [CONTROL, back.pid.into(), control_word(front.pid, 65)];
    assert_eq!(sim.call(session, bad), Err(EINVAL));
    sim.kill_pid(init, back.pid, CONT).unwrap();
    // Without the shell nobody could continue it.
    sim.exit(shell, 0);
    let orphaned = Control::Orphaned as usize;
    assert_eq!(ask(&mut sim, back.pid), Ok((orphaned, None)));
    assert!(!stopped(&sim, back));
}

/// What is no session, or is asked on behalf of nobody's process, has no leader.
#[test]
fn a_process_and_a_session_are_asked_at_once() {
    let (mut sim, init) = Sim::new();
    let shell = sim.fork(init);
    sim.verb(shell, ProcCall::Setsid, 0, 0).unwrap();
    let mut dup = |name: &[u8]| match sim.manager.dup(shell.handle, name, 0) {
        Ok(Made::Handle(handle)) => handle,
        other => panic!("{other:?}"),
    };
    let (session, reference) = (dup(b"session"), dup(b"pidfd"));
    let rows = [
        ([init.handle, session], LEADER, Ok(shell.pid as usize)),
        ([init.handle, session], CONTROL, Err(EINVAL)),
        ([init.handle, shell.handle], LEADER, Err(EINVAL)),
        ([init.handle, reference], LEADER, Err(EINVAL)),
        ([session, session], LEADER, Err(EINVAL)),
        ([init.handle, u64::MAX], LEADER, Err(EBADF)),
    ];
    for (handles, verb, wanted) in rows {
        let got = match sim.manager.call_two(handles, verb) {
            Ok(Answer::Now(value, Data::None)) => Ok(value),
            Ok(other) => panic!("{other:?}"),
            Err(error) => Err(error.0),
        };
        assert_eq!(got, wanted, "{handles:?} {verb}");
    }
}

#[test]
fn a_reference_waits_polls_and_kills() {
    let (mut sim, init) = Sim::new();
    let child = sim.fork(init);
    let Ok(Made::Handle(fd)) = sim.manager.dup(child.handle, b"pidfd", 0) else {
        panic!()
    };
    let Ok(Made::Handle(same)) = sim.manager.dup(fd, b"pidfd", 0) else {
        panic!()
    };
    let read = EventFlags::EVENT_READ;
    assert_eq!(
        sim.manager.fevent(fd, read).unwrap().0,
        EventFlags::EVENT_NONE
    );
    assert_eq!(sim.manager.read(fd, 8, false, 900).unwrap_err().0, EAGAIN);
    assert_eq!(sim.manager.read(fd, 7, true, 900).unwrap_err().0, EINVAL);
    assert!(matches!(
        sim.manager.read(fd, 8, true, 901),
        Ok(Answer::Later)
    ));
    assert!(matches!(
        sim.manager.read(same, 8, true, 902),
        Ok(Answer::Later)
    ));
    sim.cancel(1, 902);
    assert_eq!(sim.replies[&902], Err(EINTR));
    let send = |signal: u8| [PidfdCall::SendSignal as u64, signal.into(), 0];
    assert_eq!(sim.call(fd, send(65)), Err(EINVAL));
    assert_eq!(sim.call(fd, [7, 0, 0]), Err(EINVAL));
    assert!(
        sim.manager.dup(fd, b"fork", 0).is_err(),
        "a reference is not the process"
    );
    sim.call(fd, send(KILL)).unwrap();
    assert_eq!(sim.replies[&901], Ok((8, Some(9))));
    assert_eq!(sim.ready, [fd]);
    assert_eq!(sim.manager.fevent(same, read).unwrap().0, read);
    // Reading does not take the status from the parent, nor waiting from the reader.
    assert!(matches!(
        sim.manager.read(fd, 8, false, 903),
        Ok(Answer::Now(8, Data::Status(9)))
    ));
    assert_eq!(sim.verb(init, ProcCall::Waitpid, 0, 0), of(child.pid, 9));
    assert!(matches!(
        sim.manager.read(fd, 8, true, 904),
        Ok(Answer::Now(..))
    ));
    assert_eq!(sim.call(fd, send(0)), Err(ESRCH));
    for handle in [fd, same, child.handle] {
        sim.close(handle);
    }
    assert_eq!(sim.manager.counts(), [1, 1, 1, 1, 1]);
    // By number, for those who may.
    let [a, b] = [sim.fork(init), sim.fork(init)];
    let name = format!("pidfd-{}", b.pid);
    assert!(sim.manager.dup(a.handle, name.as_bytes(), 0).is_ok());
    let set = [ProcCall::SetResugid as u64, 0, 0];
    sim.call_with(a.handle, set, &[5u32; 6].map(u32::to_ne_bytes).concat())
        .unwrap();
    assert_eq!(
        sim.manager.dup(a.handle, name.as_bytes(), 0).unwrap_err().0,
        EPERM
    );
    assert_eq!(
        sim.manager.dup(a.handle, b"pidfd-999", 0).unwrap_err().0,
        ESRCH
    );
}

/// Also a parent's, of a child that has become somebody else.
#[test]
fn a_reference_signals_as_its_maker_could() {
    let (mut sim, init) = Sim::new();
    let parent = user(&mut sim, init, 5);
    let child = sim.fork(parent);
    let reference = |sim: &mut Sim, maker: Proc| {
        let name = format!("pidfd-{}", child.pid);
        match sim.manager.dup(maker.handle, name.as_bytes(), 0) {
            Ok(Made::Handle(handle)) => handle,
            other => panic!("{other:?}"),
        }
    };
    let send = |sim: &mut Sim, fd: u64, signal: u8| {
        sim.call(fd, [PidfdCall::SendSignal as u64, signal.into(), 0])
    };
    let root = sim.fork(init);
    let (early, of_root) = (reference(&mut sim, parent), reference(&mut sim, root));
    assert_eq!(send(&mut sim, early, INT), Ok((0, None)));
    // What su does; and the other maker gives its privilege up.
    let set = [SET_IDS_OF, child.pid.into(), 0];
    sim.call_with(init.handle, set, &[0; 24]).unwrap();
    let set = [ProcCall::SetResugid as u64, 0, 0];
    sim.call_with(root.handle, set, &[5_u32; 6].map(u32::to_ne_bytes).concat())
        .unwrap();
    let late = reference(&mut sim, parent);
    let Ok(Made::Handle(copy)) = sim.manager.dup(early, b"pidfd", 0) else {
        panic!()
    };
    for fd in [early, late, copy] {
        for signal in [0, TERM, KILL] {
            assert_eq!(send(&mut sim, fd, signal), Err(EPERM), "{signal}");
        }
    }
    assert!(!sim.is_pending(child.pid, TERM));
    assert_eq!(send(&mut sim, of_root, KILL), Ok((0, None)));
    // Its end is its parent's to know.
    assert!(matches!(
        sim.manager.read(late, 8, false, 900),
        Ok(Answer::Now(8, Data::Status(9)))
    ));
}

#[test]
fn numbers_are_not_used_while_somebody_has_them() {
    let (mut sim, init) = Sim::new();
    let mut manager = procmgr_core::Manager::<()>::new(5);
    let root = manager.root().unwrap();
    let Ok(Made::NewThread { handle, .. }) = manager.dup(root, b"first", 0) else {
        panic!()
    };
    let made: Vec<_> = (0..4)
        .map(|_| manager.dup(handle, b"fork", 0).is_ok())
        .collect();
    assert_eq!(made, [true, true, true, false]);
    assert_eq!(manager.dup(handle, b"fork", 0).unwrap_err().0, EAGAIN);
    assert!(manager.dup(root, b"first", 0).is_err());
    // A group keeps its leader's number.
    let leader = sim.fork(init);
    sim.verb(leader, ProcCall::Setpgid, 0, 0).unwrap();
    let member = sim.fork(leader);
    sim.exit(leader, 0);
    sim.close(leader.handle);
    sim.verb(init, ProcCall::Waitpid, leader.pid.into(), 0)
        .unwrap();
    assert_eq!(
        sim.verb(member, ProcCall::Setpgid, 0, u64::MAX),
        Ok((leader.pid as usize, None))
    );
    for _ in 0..1 << 15 {
        let other = sim.fork_unstarted(init).unwrap();
        assert_ne!(other.pid, leader.pid);
        sim.close(other.handle);
    }
}

/// A user that has made as many processes or threads as it can keeps nobody else from making more.
#[test]
fn something_is_left_for_others() {
    type Make = fn(&mut Sim, Proc) -> Result<(), i32>;
    fn made(sim: &mut Sim, of: Proc, how: &[u8]) -> Result<u64, i32> {
        let made = sim.manager.dup(of.handle, how, 0);
        let made = made.map_err(|error| error.0)?;
        let Made::NewThread { handle, thread } = made else {
            panic!("{made:?}")
        };
        // It goes on by itself.
        sim.machine.started.insert(thread);
        Ok(handle)
    }
    let fork: Make = |sim, of| {
        let handle = made(sim, of, b"fork")?;
        sim.close(handle);
        Ok(())
    };
    let thread: Make = |sim, of| {
        let handle = made(sim, of, b"new-thread")?;
        sim.close(handle);
        Ok(())
    };
    for (name, make) in [("processes", fork), ("threads", thread)] {
        let (mut sim, init) = Sim::new();
        let users: Vec<Proc> = (7..13).map(|uid| user(&mut sim, init, uid)).collect();
        let all_of = |sim: &mut Sim, of: Proc| {
            let made = (0..=THREADS).take_while(|_| make(sim, of).is_ok());
            made.count()
        };
        let counts: Vec<usize> = users.iter().map(|user| all_of(&mut sim, *user)).collect();
        let quarter = THREADS / 4 - 1;
        assert_eq!(counts[..3], [quarter; 3], "{name}");
        assert!(counts[3] > 0 && counts[5] == 0, "{name}: {counts:?}");
        assert_eq!(make(&mut sim, users[0]), Err(EAGAIN), "{name}");
        assert_eq!(all_of(&mut sim, init), THREADS / 16, "{name}");
        // The privileged have an end as well.
        assert_eq!(sim.manager.counts()[1], THREADS, "{name}");
    }
}

/// A child that has become a user.
fn user(sim: &mut Sim, parent: Proc, uid: u32) -> Proc {
    let user = sim.fork(parent);
    let set = [ProcCall::SetResugid as u64, 0, 0];
    let ids = [uid; 6].map(u32::to_ne_bytes).concat();
    sim.call_with(user.handle, set, &ids).unwrap();
    user
}

/// Nothing is left of a process but a descriptor, which keeps its number from others.
#[test]
fn numbers_that_are_kept_count() {
    let (mut sim, init) = Sim::new();
    let mut kept = Vec::new();
    let mut keep = |sim: &mut Sim, of: Proc| -> Result<(), i32> {
        let made = sim.fork_unstarted(of).map_err(|error| error.0)?;
        let name = format!("pidfd-{}", made.pid);
        let reference = sim.manager.dup(of.handle, name.as_bytes(), 0);
        let Made::Handle(reference) = reference.map_err(|error| error.0)? else {
            panic!()
        };
        kept.push(reference);
        sim.close(made.handle);
        Ok(())
    };
    // One process may not have so many descriptors.
    let greedy = [(); 3].map(|()| user(&mut sim, init, 7));
    let refused = greedy.map(|of| {
        let mut refused = (0..1 << 15).find_map(|_| keep(&mut sim, of).err());
        refused.take().expect("they have no end")
    });
    assert_eq!(refused, [EMFILE, EAGAIN, EAGAIN]);
    let modest = user(&mut sim, init, 8);
    for of in [modest, init] {
        assert_eq!(keep(&mut sim, of), Ok(()));
    }
    for reference in kept {
        sim.close(reference);
    }
    assert!(sim.fork_unstarted(greedy[0]).is_ok());
}

#[test]
fn references_of_references_have_an_end() {
    let (mut sim, init) = Sim::new();
    let Ok(Made::Handle(one)) = sim.manager.dup(init.handle, b"pidfd", 0) else {
        panic!()
    };
    let mut made = Vec::new();
    let refused = loop {
        match sim.manager.dup(one, b"pidfd", 7) {
            Ok(Made::Handle(handle)) => made.push(handle),
            other => break other.unwrap_err().0,
        }
        assert!(made.len() < 1 << 18, "they have no end");
    };
    assert_eq!(refused, ENFILE);
    for user in [8, 0] {
        let other = sim.manager.dup(one, b"pidfd", user);
        let Ok(Made::Handle(other)) = other else {
            panic!("{user}: {other:?}")
        };
        sim.close(other);
    }
    for handle in made {
        sim.close(handle);
    }
    assert!(sim.manager.dup(one, b"pidfd", 7).is_ok());
}

#[test]
fn limits_and_priorities() {
    let (mut sim, init) = Sim::new();
    let user = sim.fork(init);
    let set = [ProcCall::SetResugid as u64, 0, 0];
    sim.call_with(user.handle, set, &[7u32; 6].map(u32::to_ne_bytes).concat())
        .unwrap();
    let pair = |soft: u64, hard: u64| [soft, hard].map(u64::to_ne_bytes).concat();
    let nproc = [ProcCall::Rlimit as u64, 6, 1];
    sim.call_with(user.handle, nproc, &pair(2, 2)).unwrap();
    assert_eq!(sim.call_with(user.handle, nproc, &pair(2, 3)), Err(EPERM));
    assert_eq!(sim.call_with(user.handle, nproc, &pair(2, 1)), Err(EINVAL));
    assert_eq!(sim.call_with(user.handle, nproc, &[0; 15]), Err(EINVAL));
    assert_eq!(sim.verb(user, ProcCall::Rlimit, 99, 0), Err(EINVAL));
    let (_, answer) = sim.call_tagged(user.handle, [ProcCall::Rlimit as u64, 6, 0], &[]);
    assert!(matches!(answer, Ok(Answer::Now(0, Data::Limits(l))) if (l.soft, l.hard) == (2, 2)));
    let child = sim.fork(user);
    assert_eq!(sim.fork_unstarted(user).unwrap_err().0, EAGAIN);
    assert!(sim.fork_unstarted(init).is_ok(), "others are not limited");
    sim.exit(child, 0);
    sim.verb(user, ProcCall::Waitpid, 0, 0).unwrap();
    assert!(sim.fork_unstarted(user).is_ok());

    assert_eq!(
        sim.verb(user, ProcCall::GetProcPriority, 0, 0),
        Ok((20, None))
    );
    sim.verb(user, ProcCall::SetProcPriority, 0, 30).unwrap();
    assert_eq!(
        sim.verb(user, ProcCall::SetProcPriority, 0, 29),
        Err(EACCES)
    );
    assert_eq!(sim.verb(user, ProcCall::SetProcPriority, 1, 30), Err(EPERM));
    assert_eq!(
        sim.verb(user, ProcCall::SetProcPriority, 0, 40),
        Err(EINVAL)
    );
    sim.verb(init, ProcCall::SetProcPriority, user.pid.into(), 0)
        .unwrap();
    assert_eq!(sim.manager.attributes(user.thread).unwrap().priority, 0);
    sim.call_with(user.handle, [ProcCall::Rename as u64, 0, 0], b"name")
        .unwrap();
    assert!(
        sim.manager
            .attributes(user.thread)
            .unwrap()
            .name
            .starts_with(b"name\0")
    );
    assert_eq!(
        sim.call_with(user.handle, [ProcCall::Rename as u64, 0, 0], &[b'a'; 33]),
        Err(EINVAL)
    );
    // Credentials are told of oneself and one's children.
    assert!(sim.verb(user, ProcCall::GetProcCredentials, 0, 0).is_ok());
    assert_eq!(
        sim.verb(user, ProcCall::GetProcCredentials, 1, 0),
        Err(EPERM)
    );
    assert!(
        sim.verb(init, ProcCall::GetProcCredentials, user.pid.into(), 0)
            .is_ok()
    );
}

#[test]
fn handles_of_one_maker_are_limited() {
    let (mut sim, init) = Sim::new();
    let greedy = sim.fork(init);
    let mut made = Vec::new();
    let error = loop {
        match sim.manager.dup(greedy.handle, b"pidfd", 0) {
            Ok(Made::Handle(handle)) => made.push(handle),
            Ok(other) => panic!("{other:?}"),
            Err(error) => break error,
        }
        assert!(made.len() < 100_000);
    };
    assert_eq!(error.0, EMFILE);
    assert!(sim.manager.dup(init.handle, b"pidfd", 0).is_ok());
    sim.close(made.pop().unwrap());
    assert!(sim.manager.dup(greedy.handle, b"pidfd", 0).is_ok());
}
