//! Random requests that do not wait, to a named pipe here and to one of the host: every answer, every byte
//! and what is ready agree.

mod common;

use std::os::fd::OwnedFd;

use common::{BOTH, Outcome, READ, WRITE, World};
use fifo::{ATOMIC, Error, Mode};
use rand::{Rng, SeedableRng, rngs::StdRng};
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    fs::{CWD, FileType, Mode as Permissions, OFlags, mknodat, open},
    io::Errno,
};
use syscall::flag::EventFlags;
use tree_fixture::TempDir;

/// What both may hold. Both hold more; how a host's pipe is filled up is its own affair.
const MOST: usize = 30_000;

struct Pair {
    ours: usize,
    theirs: OwnedFd,
    mode: Mode,
}

const fn flags(mode: Mode) -> OFlags {
    match mode {
        BOTH => OFlags::RDWR,
        WRITE => OFlags::WRONLY,
        _ => OFlags::RDONLY,
    }
}

const fn error(errno: Errno) -> Outcome {
    Outcome::Refused(match errno {
        Errno::NXIO => Error::NobodyReads,
        Errno::PIPE => Error::Broken,
        Errno::AGAIN => Error::WouldBlock,
        _ => Error::BadHandle,
    })
}

fn ready(theirs: &OwnedFd, mode: Mode) -> EventFlags {
    let mut fds = [PollFd::new(theirs, PollFlags::IN | PollFlags::OUT)];
    let now = Timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    poll(&mut fds, Some(&now)).unwrap();
    let said = fds[0].revents();
    let mut ready = EventFlags::empty();
    // What the host has flags of its own for is here that there is an answer.
    let reads = PollFlags::IN | PollFlags::HUP;
    let writes = PollFlags::OUT | PollFlags::ERR;
    ready.set(EventFlags::EVENT_READ, mode.read && said.intersects(reads));
    ready.set(
        EventFlags::EVENT_WRITE,
        mode.write && said.intersects(writes),
    );
    ready
}

#[test]
fn the_host_answers_the_same() {
    let folder = TempDir::new("fifo").unwrap();
    for seed in 0..2000_u64 {
        let path = folder.path().join(format!("f{seed}"));
        let permissions = Permissions::RUSR | Permissions::WUSR;
        mknodat(CWD, &path, FileType::Fifo, permissions, 0).unwrap();
        let mut rng = StdRng::seed_from_u64(seed);
        let mut world = World::default();
        let mut pairs: Vec<Pair> = Vec::new();
        for step in 0..60 {
            let at = format!("seed {seed}, step {step}");
            let action = rng.random_range(0..8);
            if action < 2 && pairs.len() < 5 {
                let mode = [READ, WRITE, BOTH][rng.random_range(0..3)];
                let (ours, outcome) = world.open(mode, false);
                let flags = flags(mode) | OFlags::NONBLOCK;
                match open(&path, flags, Permissions::empty()) {
                    Ok(theirs) => {
                        assert_eq!(outcome, Outcome::Opened(ours), "{at}: open {mode:?}");
                        pairs.push(Pair { ours, theirs, mode });
                    }
                    Err(errno) => assert_eq!(outcome, error(errno), "{at}: open {mode:?}"),
                }
                continue;
            }
            if pairs.is_empty() {
                continue;
            }
            let place = rng.random_range(0..pairs.len());
            let Pair { ours, theirs, mode } = &pairs[place];
            match action {
                0 | 1 => {
                    let pair = pairs.swap_remove(place);
                    world.close(pair.ours);
                }
                2 | 3 => {
                    let mut into = vec![0; rng.random_range(0..2 * ATOMIC)];
                    let outcome = world.read(*ours, into.len(), false);
                    let theirs = match rustix::io::read(theirs, &mut into) {
                        Ok(count) => Outcome::Read(into[..count].to_vec()),
                        Err(errno) => error(errno),
                    };
                    assert_eq!(outcome, theirs, "{at}: read {mode:?}");
                }
                4 | 5 => {
                    let len = rng.random_range(0..2 * ATOMIC);
                    if world.fifos.counts()[3] + len > MOST {
                        continue;
                    }
                    let bytes: Vec<u8> = (0..len).map(|_| rng.random()).collect();
                    let outcome = world.write(*ours, &bytes, false);
                    let theirs = match rustix::io::write(theirs, &bytes) {
                        Ok(count) => Outcome::Wrote(count),
                        Err(errno) => error(errno),
                    };
                    assert_eq!(outcome, theirs, "{at}: write {mode:?} {len}");
                }
                _ => {
                    let all = EventFlags::EVENT_READ | EventFlags::EVENT_WRITE;
                    let here = world.fifos.watch(*ours, all).unwrap();
                    assert_eq!(here, ready(theirs, *mode), "{at}: ready {mode:?}");
                }
            }
            world.said();
        }
        std::fs::remove_file(&path).unwrap();
    }
}
