//! Random histories: whatever is asked, every wait is answered once, contexts are told only what
//! makes sense, and nothing stays.

mod common;

use common::{Proc, Sim};
use libredox::protocol::ProcCall;
use procmgr_core::{Answer, Death, Made};
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Step {
    Fork(usize, bool),
    Thread(usize),
    Call(usize, u64, u64, u64, Vec<u8>),
    Dup(usize, usize),
    ReadReference(usize),
    Close(usize),
    Die(usize, u8),
    Cancel(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let target = prop_oneof![
        0u64..8,
        any::<u64>(),
        (1u64..8).prop_map(|group| group.wrapping_neg())
    ];
    let signal_or_flags = prop_oneof![0u64..66, Just(u64::MAX)];
    let payload = prop_oneof![
        Just(Vec::new()),
        Just(vec![0xff; 24]),
        Just(vec![1; 24]),
        proptest::collection::vec(any::<u8>(), 0..40)
    ];
    prop_oneof![
        4 => (any::<usize>(), prop::bool::weighted(0.8)).prop_map(|(p, s)| Step::Fork(p, s)),
        2 => any::<usize>().prop_map(Step::Thread),
        10 => (any::<usize>(), 0u64..21, target, signal_or_flags, payload)
            .prop_map(|(p, v, a, b, payload)| Step::Call(p, v, a, b, payload)),
        2 => (any::<usize>(), 0usize..6).prop_map(|(p, name)| Step::Dup(p, name)),
        1 => any::<usize>().prop_map(Step::ReadReference),
        2 => any::<usize>().prop_map(Step::Close),
        1 => (any::<usize>(), 1u8..65).prop_map(|(t, s)| Step::Die(t, s)),
        1 => any::<usize>().prop_map(Step::Cancel),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(600) })]

    #[test]
    fn nothing_stays_and_every_wait_is_answered(
        steps in proptest::collection::vec(step(), 0..150)
    ) {
        let (mut sim, init) = Sim::new();
        let mut processes: Vec<Proc> = vec![init];
        let mut others: Vec<u64> = Vec::new();
        let mut threads = Vec::new();
        let mut waiting: Vec<(u32, u32)> = Vec::new();
        for step in steps {
            let pick = |number: usize| processes[number % processes.len()];
            match step {
                Step::Fork(parent, start) => {
                    if let Ok(child) = sim.fork_unstarted(pick(parent)) {
                        if start {
                            sim.machine.started.insert(child.thread);
                            sim.machine.pages.insert(child.pid, Default::default());
                        }
                        processes.push(child);
                        threads.push(child.thread);
                    }
                }
                Step::Thread(of) => {
                    let who = pick(of);
                    if let Ok(Made::NewThread { handle, thread }) =
                        sim.manager.dup(who.handle, b"new-thread", 0)
                    {
                        sim.machine.started.insert(thread);
                        others.push(handle);
                        if who != init {
                            threads.push(thread);
                        }
                    }
                }
                Step::Call(of, verb, a, b, payload) => {
                    let who = pick(of);
                    // Init stays, and stays privileged, so that there is somebody to clean up.
                    let forbidden = [ProcCall::Exit as u64, ProcCall::SetResugid as u64];
                    if who == init && forbidden.contains(&verb) {
                        continue;
                    }
                    let (tag, answer) = sim.call_tagged(who.handle, [verb, a, b], &payload);
                    if let Ok(Answer::Later) = answer {
                        waiting.push((who.pid, tag));
                    }
                }
                Step::Dup(of, name) => {
                    let names = ["pidfd", "session", "thread-0", "pidfd-2", "pidfd-1", "nonsense"];
                    if let Ok(Made::Handle(handle)) =
                        sim.manager.dup(pick(of).handle, names[name].as_bytes(), 0)
                    {
                        others.push(handle);
                    }
                }
                Step::ReadReference(of) => {
                    if !others.is_empty() {
                        let handle = others[of % others.len()];
                        let tag = sim.tag();
                        if let Ok(Answer::Later) = sim.manager.read(handle, 8, true, tag) {
                            waiting.push((0, tag));
                        }
                    }
                }
                Step::Close(which) => {
                    if !others.is_empty() {
                        let handle = others.swap_remove(which % others.len());
                        sim.close(handle);
                    }
                    if which % 3 == 0 && processes.len() > 1 {
                        let which = 1 + which % (processes.len() - 1);
                        let process = processes.remove(which);
                        sim.close(process.handle);
                    }
                }
                Step::Die(which, signal) => {
                    let thread = threads.get(which % threads.len().max(1));
                    if let Some(thread) = thread.filter(|t| sim.machine.started.contains(t)) {
                        sim.died(*thread, Death::Exception(signal));
                    }
                }
                Step::Cancel(which) => {
                    if !waiting.is_empty() {
                        let (pid, tag) = waiting[which % waiting.len()];
                        sim.cancel(pid, tag);
                    }
                }
            }
        }
        // Everything ends: descriptors are closed, processes killed and waited for.
        for handle in others {
            sim.close(handle);
        }
        let pids: Vec<_> = sim.manager.pids().filter(|pid| *pid != 1).collect();
        for pid in pids {
            sim.machine.started.extend(threads.iter().copied());
            let _ = sim.kill_pid(init, pid, 9);
        }
        for process in &processes[1..] {
            sim.close(process.handle);
        }
        let nohang = 1;
        while let Ok((1.., _)) = sim.verb(init, ProcCall::Waitpid, 0, nohang) {}
        prop_assert_eq!(sim.verb(init, ProcCall::Waitpid, 0, nohang), Err(syscall::ECHILD));
        let [processes, _, groups, sessions, handles] = sim.manager.counts();
        prop_assert_eq!([processes, groups, sessions, handles], [1, 1, 1, 1]);
        for (pid, tag) in waiting {
            // What reads the end of init waits as long as init lives.
            if pid == 0 && !sim.replies.contains_key(&tag) {
                sim.cancel(pid, tag);
            }
            prop_assert!(sim.replies.contains_key(&tag), "wait {} has no answer", tag);
        }
    }
}
