//! Many processes that open, in many namespaces, while daemons are killed and names come and go.

use alloc::{format, vec::Vec};

use guest_test::{Failure, check_eq};
use nsmgr_api::{self as api, NsPermissions, UnbindFlags, Verb};
use redox_rt::{
    Fd, Result, namespace as ns,
    process::{self, Awaited, WaitFlags},
    sys,
};
use rt_core::wait;
use syscall::{
    ECHILD, EEXIST, EINTR, ENODEV, ENOENT, ESTALE,
    flag::{CallFlags, O_DIRECTORY, O_RDONLY},
};

use crate::{NAMES, PLAIN, daemons, heir, open, own, pause};

/// What an open may answer while what it is asked of is being killed.
const ACCEPTED: [i32; 4] = [ENODEV, ESTALE, ENOENT, EINTR];

/// Pause between two kills in milliseconds: a unit that ends too often is given up.
const BETWEEN_KILLS: i32 = 1600;

/// A repeatable sequence that differs from process to process.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit.max(1) as u64) as usize
    }
}

/// Makes `opens` opens by `processes` processes, each in a namespace of its own, and kills daemons until
/// they have ended. Answers how many were killed.
pub fn run(processes: u32, opens: u32) -> core::result::Result<u32, Failure> {
    let own = own()?;
    let mut workers = Vec::new();
    for number in 0..processes {
        match process::fork()? {
            Some(pid) => workers.push(pid),
            None => {
                let done = work(number, opens / processes);
                if let Err(error) = &done {
                    redox_rt::eprintln!("worker {number}: {error}");
                }
                redox_rt::exit(i32::from(done.is_err()))
            }
        }
    }
    let (mut killed, mut turn, mut waited) = (0, 0, 0);
    while !workers.is_empty() {
        match process::wait(Awaited::Any, WaitFlags::WNOHANG) {
            Ok(Some((pid, word))) => {
                if workers.contains(&pid) {
                    check_eq!(word, wait::exited(0), "worker {pid}");
                }
                workers.retain(|worker| *worker != pid);
                continue;
            }
            Ok(None) => (),
            Err(error) if error.errno == ECHILD => break,
            Err(error) => return Err(error.into()),
        }
        change_names(&own, turn)?;
        pause(50);
        (turn, waited) = (turn + 1, waited + 50);
        if waited >= BETWEEN_KILLS {
            waited = 0;
            let running = daemons::running()?;
            let at = killed as usize % running.len().max(1);
            // One that has just ended is not there to be killed.
            if let Some(daemon) = running.get(at)
                && daemons::kill(daemon.pid).is_ok()
            {
                killed += 1;
            }
        }
    }
    Ok(killed)
}

/// Binds and unbinds a name in the first namespace, which the workers' have inherited or not.
pub fn change_names(own: &Fd, turn: u32) -> Result<()> {
    let name = format!("soak{}", turn % 4);
    let payload = api::bind_payload(b"event", name.as_bytes());
    let rights = u64::from(cap_abi::Rights::READ_ONLY.bits());
    match sys::call_write(
        own.raw(),
        &payload,
        CallFlags::empty(),
        &[Verb::Bind as u64, rights],
    ) {
        Err(error) if error.errno != EEXIST => return Err(error),
        _ => (),
    }
    let revoke = [Verb::Unbind as u64, UnbindFlags::REVOKE.bits()];
    sys::call_write(own.raw(), name.as_bytes(), CallFlags::empty(), &revoke).map(drop)
}

fn work(number: u32, opens: u32) -> Result<()> {
    let names = heir()?;
    let mut random = Random(0x9e37_79b9_7f4a_7c15 ^ u64::from(number + 1) << 32);
    let mut held: Vec<Fd> = Vec::new();
    let mut done = 0;
    while done < opens {
        let result = match random.below(64) {
            0 => other_requests(&names, &mut random).map(|()| None),
            1 => names
                .open(b"/scheme/file", O_RDONLY | O_DIRECTORY)
                .map(Some),
            2..6 => open(&names, "/scheme/absent").map(Some),
            _ => {
                let (_, path, _) = NAMES.get(random.below(PLAIN)).unwrap_or(&NAMES[0]);
                open(&names, path).map(Some)
            }
        };
        done += 1;
        match result {
            Ok(Some(fd)) if random.below(4) == 0 => held.push(fd),
            Ok(_) => (),
            Err(error) if ACCEPTED.contains(&error.errno) => (),
            Err(error) => return Err(error),
        }
        if held.len() > 8 {
            held.swap_remove(random.below(8));
        }
    }
    Ok(())
}

/// What else is asked of a namespace.
fn other_requests(names: &Fd, random: &mut Random) -> Result<()> {
    let call = |payload: &[u8], verb: [u64; 2]| {
        sys::call_write(names.raw(), payload, CallFlags::empty(), &verb).map(drop)
    };
    match random.below(6) {
        0 => drop(ns::fork_namespace(
            names.raw(),
            core::iter::once(&b"*"[..]),
        )?),
        1 => drop(ns::fork_namespace(
            names.raw(),
            [&b"zero"[..], b"file"].into_iter(),
        )?),
        2 => drop(ns::ask_for(
            names.raw(),
            &api::shrink_payload(NsPermissions::LIST),
        )?),
        3 => drop(ns::ask_for(names.raw(), &api::watch_payload())?),
        4 => {
            let rights = u64::from(cap_abi::Rights::FULL.bits());
            call(
                &api::bind_payload(b"zero", b"own"),
                [Verb::Bind as u64, rights],
            )?;
            let opened = open(names, "/scheme/own").map(drop);
            call(b"own", [Verb::Unbind as u64, UnbindFlags::REVOKE.bits()])?;
            opened?;
        }
        _ => {
            let directory = open(names, "/scheme/file/")?;
            let place = format!("/place{}", random.below(3));
            let all = cap_abi::Rights::FULL;
            let child = ns::fork_namespace(names.raw(), core::iter::once(&b"zero"[..]))?;
            let payload = api::register_place_payload(all, b"file", place.as_bytes());
            ns::ask_for(child.raw(), &payload)?.send(directory, &[])?;
            open(&child, &place)?;
        }
    }
    Ok(())
}
