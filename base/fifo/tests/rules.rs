//! What opening, reading, writing and closing named pipes comes to, and who waits for what.

mod common;

use common::{BOTH, NODE, Outcome, READ, WRITE, World, waits};
use fifo::{ATOMIC, CAPACITY, Error, Mode, TOTAL, Times};
use rand::{Rng, SeedableRng, rngs::StdRng};
use syscall::{TimeSpec, flag::EventFlags};

use Outcome::{Opened, Read, Refused, Wrote};

#[test]
fn an_open_waits_for_the_other_end() {
    // What is open already, what is opened, whether that waits.
    let table: [(&[Mode], Mode, bool); 9] = [
        (&[], READ, true),
        (&[], WRITE, true),
        (&[], BOTH, false),
        (&[READ], READ, true),
        (&[READ], WRITE, false),
        (&[READ], BOTH, false),
        (&[BOTH], READ, false),
        (&[BOTH], WRITE, false),
        (&[BOTH], BOTH, false),
    ];
    for (there, mode, waiting) in table {
        let mut world = World::default();
        for mode in there {
            world.end(*mode);
        }
        let (handle, outcome) = world.open(mode, true);
        if !waiting {
            assert_eq!(outcome, Opened(handle), "{there:?} {mode:?}");
            continue;
        }
        let tag = waits(outcome);
        assert_eq!(world.answers(), []);
        let (other, outcome) = world.open(if mode.read { WRITE } else { READ }, true);
        assert_eq!(outcome, Opened(other), "{there:?} {mode:?}");
        assert_eq!(world.answers(), [(tag, Opened(handle))]);
    }
}

#[test]
fn one_open_ends_the_wait_of_all() {
    for (mode, other) in [(READ, WRITE), (WRITE, READ), (READ, BOTH), (WRITE, BOTH)] {
        let mut world = World::default();
        let waiting: Vec<_> = (0..3)
            .map(|_| world.open(mode, true))
            .map(|(handle, outcome)| (waits(outcome), Opened(handle)))
            .collect();
        let (last, outcome) = world.open(other, true);
        assert_eq!(outcome, Opened(last));
        assert_eq!(world.answers(), waiting);
        // It counts even if it is gone before anybody looks.
        world.close(last);
        assert_eq!(world.answers(), []);
    }
}

#[test]
fn who_does_not_wait_needs_a_reader_to_write() {
    let mut world = World::default();
    assert_eq!(world.open(WRITE, false).1, Refused(Error::NobodyReads));
    assert_eq!(world.fifos.counts(), [0; 4]);
    let (_, outcome) = world.open(READ, true);
    let tag = waits(outcome);
    // A reader that waits for somebody is one.
    let (writer, outcome) = world.open(WRITE, false);
    assert_eq!(outcome, Opened(writer));
    assert!(matches!(world.answers()[..], [(of, Opened(_))] if of == tag));
}

#[test]
fn an_open_that_is_given_up_was_none() {
    let mut world = World::default();
    let (_, outcome) = world.open(READ, true);
    let tag = waits(outcome);
    assert!(world.cancel(tag));
    assert_eq!(world.answers(), [(tag, Refused(Error::Interrupted))]);
    assert!(!world.cancel(tag));
    assert_eq!(world.fifos.counts(), [0; 4]);
    assert_eq!(world.open(WRITE, false).1, Refused(Error::NobodyReads));
}

#[test]
fn reads_end_when_the_last_writer_goes() {
    let mut world = World::default();
    let reader = world.end(READ);
    assert_eq!(world.read(reader, 9, true), Read(vec![]));
    let (one, two) = (world.end(WRITE), world.end(WRITE));
    assert_eq!(world.read(reader, 9, false), Refused(Error::WouldBlock));
    let tags = [
        waits(world.read(reader, 3, true)),
        waits(world.read(reader, 9, true)),
        waits(world.read(reader, 9, true)),
    ];
    assert_eq!(world.write(one, b"abcde", true), Wrote(5));
    let first = [
        (tags[0], Read(b"abc".into())),
        (tags[1], Read(b"de".into())),
    ];
    assert_eq!(world.answers(), first);
    world.close(one);
    assert_eq!(world.answers(), []);
    world.close(two);
    assert_eq!(world.answers(), [(tags[2], Read(vec![]))]);
    // What is there is read before the end is told.
    let writer = world.end(WRITE);
    assert_eq!(world.write(writer, b"last", false), Wrote(4));
    world.close(writer);
    assert_eq!(world.read(reader, 9, true), Read(b"last".into()));
    assert_eq!(world.read(reader, 9, true), Read(vec![]));
}

#[test]
fn writes_break_when_the_last_reader_goes() {
    let mut world = World::default();
    let reader = world.end(READ);
    let writer = world.end(WRITE);
    assert_eq!(world.write(writer, &[1; CAPACITY], true), Wrote(CAPACITY));
    let some = vec![2; CAPACITY];
    let (partly, not) = (
        waits(world.write(writer, &some, true)),
        waits(world.write(writer, b"x", true)),
    );
    assert_eq!(world.read(reader, 100, true), Read(vec![1; 100]));
    assert_eq!(world.answers(), []);
    world.close(reader);
    let broken = [(partly, Wrote(100)), (not, Refused(Error::Broken))];
    assert_eq!(world.answers(), broken);
    assert_eq!(world.write(writer, b"x", true), Refused(Error::Broken));
    assert_eq!(world.write(writer, b"", true), Wrote(0));
    // The next reader finds what was left.
    let reader = world.end(READ);
    let left = CAPACITY - 100;
    assert_eq!(world.read(reader, left, true), Read(vec![1; left]));
    world.close(writer);
    world.close(reader);
    assert_eq!(world.fifos.counts(), [0; 4]);
}

#[test]
fn small_writes_are_whole_and_in_turn() {
    let mut world = World::default();
    let (reader, writer) = (world.end(READ), world.end(WRITE));
    let filled = CAPACITY - 10;
    assert_eq!(world.write(writer, &vec![0; filled], true), Wrote(filled));
    let refused = Refused(Error::WouldBlock);
    assert_eq!(world.write(writer, &[1; 11], false), refused);
    assert_eq!(world.write(writer, &[1; ATOMIC], false), refused);
    let tag = waits(world.write(writer, &[1; ATOMIC], true));
    // Whoever comes later does not overtake.
    assert_eq!(world.write(writer, &[2; 1], false), refused);
    let second = waits(world.write(writer, &[2; 1], true));
    assert_eq!(
        world.read(reader, ATOMIC - 11, true),
        Read(vec![0; ATOMIC - 11])
    );
    assert_eq!(world.answers(), []);
    assert_eq!(world.read(reader, 2, true), Read(vec![0; 2]));
    assert_eq!(world.answers(), [(tag, Wrote(ATOMIC)), (second, Wrote(1))]);
    // A large one is done in part by who does not wait.
    let (reader, writer) = (world.end(READ), writer);
    let _ = world.read(reader, CAPACITY, true);
    assert_eq!(
        world.write(writer, &[3; CAPACITY + 1], false),
        Wrote(CAPACITY)
    );
}

#[test]
fn a_write_longer_than_what_is_shown_goes_through_whole() {
    let mut world = World::default();
    let (reader, writer) = (world.end(READ), world.end(WRITE));
    let bytes: Vec<u8> = (0..5 * CAPACITY).map(|n| (n / 7) as u8).collect();
    let tag = waits(world.write_shown(writer, &bytes, true, CAPACITY + 1));
    let mut got = Vec::new();
    while got.len() < bytes.len() {
        match world.read(reader, 10_000, true) {
            Read(some) => got.extend(some),
            other => panic!("{other:?}"),
        }
    }
    assert!(got == bytes);
    assert_eq!(world.answers(), [(tag, Wrote(bytes.len()))]);
    // The same to those who wait already.
    let tags: Vec<_> = (0..3)
        .map(|_| waits(world.read(reader, CAPACITY, true)))
        .collect();
    let shown = world.write_shown(writer, &bytes[..3 * CAPACITY], true, CAPACITY + 1);
    assert_eq!(shown, Wrote(3 * CAPACITY));
    let parts = tags.into_iter().zip(bytes.chunks(CAPACITY));
    let parts: Vec<_> = parts.map(|(tag, part)| (tag, Read(part.into()))).collect();
    assert!(world.answers() == parts);
}

#[test]
fn memory_that_is_not_there_concerns_its_request_only() {
    let mut world = World::default();
    let (reader, writer) = (world.end(READ), world.end(WRITE));
    let tag = waits(world.read(reader, 4, true));
    world.memory.0.remove(&tag);
    assert_eq!(world.write(writer, b"abcd", true), Wrote(4));
    assert_eq!(world.answers(), [(tag, Refused(Error::Fault))]);
    assert_eq!(world.read(reader, 9, true), Read(b"abcd".into()));
    assert_eq!(world.write(writer, &[1; CAPACITY], true), Wrote(CAPACITY));
    let tag = waits(world.write(writer, &[2; 3000], true));
    world.memory.0.get_mut(&tag).unwrap().truncate(2000);
    assert_eq!(world.read(reader, CAPACITY, true), Read(vec![1; CAPACITY]));
    assert_eq!(world.answers(), [(tag, Refused(Error::Fault))]);
    assert_eq!(world.read(reader, 9, false), Refused(Error::WouldBlock));
}

#[test]
fn each_end_does_what_it_was_opened_for() {
    let mut world = World::default();
    let (reader, writer) = (world.end(READ), world.end(WRITE));
    let refused = Refused(Error::BadHandle);
    assert_eq!(world.write(reader, b"x", true), refused);
    assert_eq!(world.read(writer, 1, true), refused);
    assert_eq!(world.read(99, 1, true), refused);
    assert_eq!(world.fifos.copy(99, 100), Err(Error::BadHandle));
    world.fifos.copy(writer, 100).unwrap();
    world.close(writer);
    assert_eq!(world.write(100, b"x", true), Wrote(1));
    assert_eq!(world.read(reader, 1, true), Read(b"x".into()));
    let tag = waits(world.read(reader, 1, true));
    world.close(reader);
    assert_eq!(world.answers(), [(tag, refused)]);
}

#[test]
fn who_watches_is_told_once_there_is_something() {
    let (read, write) = (EventFlags::EVENT_READ, EventFlags::EVENT_WRITE);
    let mut world = World::default();
    let reader = world.end(READ);
    let watch = |world: &mut World, handle| world.fifos.watch(handle, read | write);
    // There has been no writer whose end could be told of.
    assert_eq!(watch(&mut world, reader), Ok(EventFlags::empty()));
    let writer = world.end(WRITE);
    assert_eq!(watch(&mut world, writer), Ok(write));
    assert_eq!(world.said().1, []);
    assert_eq!(world.write(writer, &[0; CAPACITY], true), Wrote(CAPACITY));
    assert_eq!(world.said().1, [(reader, read)]);
    assert_eq!(watch(&mut world, writer), Ok(EventFlags::empty()));
    let _ = world.read(reader, ATOMIC - 1, true);
    assert_eq!(world.said().1, []);
    let _ = world.read(reader, 1, true);
    assert_eq!(world.said().1, [(writer, write)]);
    let _ = world.read(reader, CAPACITY, true);
    world.said();
    world.close(writer);
    assert_eq!(world.said().1, [(reader, read)]);
    let writer = world.end(WRITE);
    assert_eq!(watch(&mut world, writer), Ok(write));
    world.close(reader);
    assert_eq!(world.said().1, [(writer, write)]);
    assert_eq!(watch(&mut world, 99), Err(Error::BadHandle));
}

#[test]
fn what_all_hold_is_limited() {
    let mut world = World::default();
    let full = TOTAL / CAPACITY;
    let mut open = |node: u64, handle, mode| {
        let fifos = &mut world.fifos;
        let request = (0, false);
        fifos
            .open(request, handle, node, mode, &mut world.memory)
            .unwrap();
    };
    for n in 0..=full {
        open(n as u64, n, BOTH);
    }
    for n in 0..full {
        assert_eq!(world.write(n, &[1; CAPACITY], false), Wrote(CAPACITY));
    }
    let last = full;
    assert_eq!(world.write(last, &[1; CAPACITY], false), Wrote(ATOMIC));
    assert_eq!(
        world.write(last, &[1; 1], false),
        Refused(Error::WouldBlock)
    );
    // It goes on with what is read from it.
    let tag = waits(world.write(last, &[2; ATOMIC], true));
    assert_eq!(world.read(last, ATOMIC, true), Read(vec![1; ATOMIC]));
    assert_eq!(world.answers(), [(tag, Wrote(ATOMIC))]);
    world.close(0);
    let more = CAPACITY - ATOMIC;
    assert_eq!(world.write(last, &[1; CAPACITY], false), Wrote(more));
    for n in 1..=full {
        world.close(n);
    }
    assert_eq!(world.fifos.counts(), [0; 4]);
}

#[test]
fn times_are_those_of_the_last_bytes() {
    let at = |second| TimeSpec {
        tv_sec: second,
        tv_nsec: 0,
    };
    let mut world = World::default();
    let (reader, writer) = (world.end(READ), world.end(WRITE));
    assert_eq!(world.fifos.take_times(NODE), Times::default());
    world.now = at(5);
    assert_eq!(world.write(writer, b"x", true), Wrote(1));
    world.now = at(6);
    assert_eq!(world.read(reader, 1, true), Read(b"x".into()));
    world.now = at(7);
    assert_eq!(world.read(reader, 1, false), Refused(Error::WouldBlock));
    let times = Times {
        read: Some(at(6)),
        written: Some(at(5)),
    };
    assert_eq!(world.fifos.take_times(NODE), times);
    assert_eq!(world.fifos.take_times(NODE), Times::default());
}

/// A request that waits in the test below.
enum Pending {
    Read,
    Write(usize),
}

/// Whatever is asked in whatever order: bytes come out as they went in, small writes in one piece, nobody
/// waits who could go on, and nothing is left.
#[test]
fn bytes_come_out_as_they_went_in() {
    for seed in 0..100 {
        let mut rng = StdRng::seed_from_u64(seed);
        let mut world = World::default();
        // Both ends stay open, so that nothing is lost.
        let keeper = world.end(BOTH);
        let mut ends = vec![(keeper, BOTH)];
        let mut pending: Vec<(u32, Pending)> = Vec::new();
        // What each write has, and how much of it was taken, in the order of their coming.
        let mut writes: Vec<(Vec<u8>, Option<usize>)> = Vec::new();
        let mut got = Vec::new();
        for step in 0..300_u32 {
            let (handle, mode) = ends[rng.random_range(0..ends.len())];
            let wait = rng.random_bool(0.5);
            match rng.random_range(0..10) {
                0 if ends.len() < 6 => {
                    let mode = [READ, WRITE, BOTH][rng.random_range(0..3)];
                    let (handle, outcome) = world.open(mode, wait);
                    assert_eq!(outcome, Opened(handle), "seed {seed}, step {step}");
                    ends.push((handle, mode));
                }
                1 if handle != keeper => {
                    // One with a request under way is not closed by its kernel.
                    let free = pending.is_empty();
                    if free {
                        world.close(handle);
                        ends.retain(|end| end.0 != handle);
                    }
                }
                2 if !pending.is_empty() => {
                    let at = rng.random_range(0..pending.len());
                    assert!(world.cancel(pending[at].0), "seed {seed}, step {step}");
                }
                3..6 if mode.read => {
                    let room = rng.random_range(1..40_000);
                    match world.read(handle, room, wait) {
                        Read(bytes) => got.extend(bytes),
                        Outcome::Waits(tag) => pending.push((tag, Pending::Read)),
                        Refused(Error::WouldBlock) => assert!(!wait),
                        other => panic!("seed {seed}, step {step}: {other:?}"),
                    }
                }
                6.. if mode.write => {
                    let most = [20, 2 * ATOMIC, 3 * CAPACITY][rng.random_range(0..3)];
                    let len = rng.random_range(1..most);
                    let bytes: Vec<u8> = (0..len).map(|_| rng.random()).collect();
                    let shown = if len > CAPACITY { CAPACITY + 1 } else { len };
                    let outcome = world.write_shown(handle, &bytes, wait, shown);
                    let number = writes.len();
                    writes.push((bytes, None));
                    match outcome {
                        Wrote(count) => writes[number].1 = Some(count),
                        Outcome::Waits(tag) => pending.push((tag, Pending::Write(number))),
                        Refused(Error::WouldBlock) if !wait => writes[number].1 = Some(0),
                        other => panic!("seed {seed}, step {step}: {other:?}"),
                    }
                }
                _ => {}
            }
            for (tag, outcome) in world.answers() {
                let place = pending.iter().position(|one| one.0 == tag).unwrap();
                match (pending.remove(place).1, outcome) {
                    (Pending::Read, Read(bytes)) => got.extend(bytes),
                    (Pending::Write(number), Wrote(count)) => writes[number].1 = Some(count),
                    (Pending::Write(number), Refused(Error::Interrupted)) => {
                        writes[number].1 = Some(0);
                    }
                    (Pending::Read, Refused(Error::Interrupted)) => {}
                    (_, other) => panic!("seed {seed}, step {step}: {other:?}"),
                }
            }
            let held = world.fifos.counts()[3];
            assert!(held <= CAPACITY);
            let reads = pending.iter().any(|one| matches!(one.1, Pending::Read));
            assert!(!reads || held == 0, "seed {seed}, step {step}: reads wait");
            let first = pending.iter().find_map(|one| match one.1 {
                Pending::Write(number) => Some(number),
                _ => None,
            });
            if let Some(number) = first {
                let len = writes[number].0.len();
                let least = if len <= ATOMIC { len } else { 1 };
                assert!(
                    CAPACITY - held < least,
                    "seed {seed}, step {step}: a write of {len} waits though {held} are held"
                );
            }
        }
        loop {
            match world.read(keeper, CAPACITY, false) {
                Read(bytes) => got.extend(bytes),
                Refused(Error::WouldBlock) => break,
                other => panic!("seed {seed}: {other:?}"),
            }
            for (tag, outcome) in world.answers() {
                let place = pending.iter().position(|one| one.0 == tag).unwrap();
                match (pending.remove(place).1, outcome) {
                    (Pending::Write(number), Wrote(count)) => writes[number].1 = Some(count),
                    (_, other) => panic!("seed {seed}: {other:?}"),
                }
            }
        }
        let mut wanted = Vec::new();
        for (bytes, done) in &writes {
            let done = done.unwrap();
            let whole = done == 0 || done == bytes.len();
            assert!(whole || bytes.len() > ATOMIC, "seed {seed}");
            wanted.extend(&bytes[..done]);
        }
        assert!(got == wanted, "seed {seed}: other bytes");
        for (tag, _) in &pending {
            assert!(world.cancel(*tag));
        }
        world.answers();
        for (handle, _) in ends {
            world.close(handle);
        }
        assert_eq!(world.answers(), []);
        assert_eq!(world.fifos.counts(), [0; 4], "seed {seed}");
    }
}
