//! How much a user may hold, and what nobody can reach any more.

mod world;

use syscall::{
    EAGAIN, ENFILE, ENOBUFS, ETOOMANYREFS,
    flag::{O_NONBLOCK, O_RDWR},
    schemev2::Opcode,
};
use uds_api::{HEADER, flag, verb};
use uds_server::Kind;
use world::{World, done};

/// Opens sockets for a user until there is an error.
fn sockets_of(world: &mut World, uid: u32) -> (Vec<u64>, i32) {
    world.uid = uid;
    let ids = u64::from(uid) | u64::from(uid) << 32;
    let args = [world.root, 0, 0, O_RDWR as u64, 0, ids];
    let mut handles = Vec::new();
    loop {
        match done(world.ask(Opcode::OpenAt, args, &mut [])) {
            Ok(handle) => handles.push(handle),
            Err(error) => return (handles, error),
        }
    }
}

#[test]
fn a_greedy_user_leaves_sockets_to_others() {
    let mut world = World::new(Kind::Stream);
    let (greedy, error) = sockets_of(&mut world, 1000);
    assert_eq!((greedy.len(), error), (1 << 12, ENFILE));
    assert_eq!(done(world.dup(greedy[0], "pair")), Err(ENFILE));
    for uid in [0, 1001] {
        world.uid = uid;
        let handle = world.socket();
        done(world.dup(handle, "pair")).unwrap();
    }
    let handles = world.server.counts().1;
    for handle in &greedy {
        world.close(*handle);
    }
    assert_eq!(world.server.counts().1, handles - greedy.len());
    assert_eq!(sockets_of(&mut world, 1000).0.len(), 1 << 12);
}

#[test]
fn a_greedy_user_leaves_descriptors_to_others() {
    let mut world = World::new(Kind::Datagram);
    let pair_of = |world: &mut World, uid| {
        world.uid = uid;
        world.pair()
    };
    let sixteen: Vec<u32> = (0..16).collect();
    let mut pairs = Vec::new();
    let refused = loop {
        let (from, to) = pair_of(&mut world, 1000);
        pairs.push((from, to));
        let sent = (0..8).find_map(|_| done(world.send_with(from, "x", &sixteen)).err());
        if let Some(error) = sent {
            break error;
        }
    };
    assert_eq!((refused, pairs.len()), (ETOOMANYREFS, 9));
    for uid in [0, 1001] {
        let (from, to) = pair_of(&mut world, uid);
        assert_eq!(done(world.send_with(from, "x", &sixteen)), Ok(1));
        let (_, numbers) = world.receive(to, 100, 16).unwrap();
        assert_eq!(world.fetch(to, numbers[3], 16), Ok(sixteen.clone()));
    }
    // What is received counts no longer, and neither does what goes with its socket.
    let (from, to) = pairs[0];
    let (_, numbers) = world.receive(to, 100, 16).unwrap();
    world.fetch(to, numbers[3], 16).unwrap();
    assert_eq!(done(world.send_with(from, "x", &sixteen)), Ok(1));
    world.close(pairs[1].1);
    let (other, _) = pairs[2];
    assert_eq!(done(world.send_with(other, "x", &sixteen)), Ok(1));
}

#[test]
fn a_greedy_user_leaves_memory_to_others() {
    // Of a kind of sockets: what is sent at once, until it would have to wait, and how much one user's sockets take.
    let rows = [
        (Kind::Stream, 1 << 16, EAGAIN),
        (Kind::Datagram, 1 << 16, EAGAIN),
        (Kind::Datagram, 1, EAGAIN),
    ];
    for (kind, len, full) in rows {
        let mut world = World::new(kind);
        world.uid = 1000;
        let text = "x".repeat(len);
        let (mut sent, mut pairs) = (0, Vec::new());
        for _ in 0..1000 {
            let (from, to) = world.pair();
            let mut here = 0;
            let error = loop {
                match done(world.write(from, &text, O_NONBLOCK)) {
                    Ok(count) => here += count as usize,
                    Err(error) => break error,
                }
            };
            assert!(error == full || error == ENOBUFS, "{kind:?}: {error}");
            sent += here;
            pairs.push((from, to, here));
        }
        // A quarter of 64 MiB, and then one page each.
        assert!(
            sent <= (16 << 20) + 1000 * 4096 + (1 << 18),
            "{kind:?}: {sent}"
        );
        // Each still has its turn, in small pieces.
        let (from, to, here) = pairs[999];
        assert!(here <= 4096, "{kind:?}: {here}");
        assert_eq!(done(world.write(from, "y", O_NONBLOCK)).is_err(), here > 0);
        while world.has_message(to) {
            world.receive(to, 1 << 16, 0).unwrap();
        }
        assert_eq!(done(world.write(from, "y", O_NONBLOCK)), Ok(1));
        // Another user has as much as ever.
        for uid in [0, 1001] {
            world.uid = uid;
            let (from, _) = world.pair();
            let count = done(world.write(from, &text, O_NONBLOCK));
            assert_eq!(count, Ok(len as u64), "{kind:?}");
        }
        // And so has the first, when the sockets are gone.
        for (from, to, _) in pairs {
            world.close(from);
            world.close(to);
        }
        world.uid = 1000;
        let (from, _) = world.pair();
        let count = done(world.write(from, &text, O_NONBLOCK));
        assert_eq!(count, Ok(len as u64), "{kind:?}");
    }
}

impl World {
    /// Sends descriptors of the scheme's own handles, each of which has one more from then on.
    fn send_own(&mut self, from: u64, handles: &[u64]) {
        let mut fds = Vec::new();
        for handle in handles {
            let fd = 1000 + self.outside.own.len() as u32;
            self.outside.own.insert(fd, *handle);
            *self.outside.holders.entry(*handle).or_insert(1) += 1;
            fds.push(fd);
        }
        assert_eq!(done(self.send_with(from, "x", &fds)), Ok(1));
    }

    /// Whoever has a descriptor of a handle that was sent closes it; the kernel says nothing, since there are more.
    fn drop_own(&mut self, handle: u64) {
        *self.outside.holders.get_mut(&handle).unwrap() -= 1;
    }

    /// A socket of no interest comes and goes, and with it what nobody can reach.
    fn something_ends(&mut self) {
        let other = self.socket();
        self.close(other);
    }

    /// Whether a message waits.
    fn has_message(&mut self, handle: u64) -> bool {
        let mut payload = vec![0; HEADER + 100];
        let metadata = [verb::RECEIVE, flag::NONBLOCK | flag::PEEK, 16];
        done(self.call(handle, metadata, &mut payload)).is_ok_and(|len| len > HEADER as u64)
    }
}

#[test]
fn what_only_its_own_messages_reach_is_dropped() {
    // Of two pairs, (a, x) and (b, y): what is sent by x and y, so that it waits at a and b, which of a and b
    // somebody still has, and at which a message is left.
    type Row = (&'static [usize], &'static [usize], [bool; 2], [bool; 2]);
    let rows: [Row; 7] = [
        (&[0], &[1], [false, false], [false, false]),
        (&[1], &[0], [false, false], [false, false]),
        (&[1], &[0], [true, false], [true, true]),
        (&[0], &[1], [true, false], [true, false]),
        (&[0, 1], &[1], [true, false], [true, true]),
        (&[0, 1], &[1], [false, true], [false, true]),
        (&[0, 0, 1], &[0, 1], [false, false], [false, false]),
    ];
    for (to_a, to_b, held, left) in rows {
        let mut world = World::new(Kind::Datagram);
        let pairs = [world.pair(), world.pair()];
        let ends = pairs.map(|(end, _)| end);
        for ((_, from), sent) in pairs.iter().zip([to_a, to_b]) {
            let sent: Vec<u64> = sent.iter().map(|one| ends[*one]).collect();
            world.send_own(*from, &sent);
        }
        world.something_ends();
        assert!(ends.iter().all(|end| world.has_message(*end)));
        for (end, _) in ends.iter().zip(held).filter(|(_, held)| !held) {
            world.drop_own(*end);
        }
        world.something_ends();
        let found = ends.map(|end| world.has_message(end));
        assert_eq!(found, left, "{to_a:?} {to_b:?} {held:?}");
    }
}

#[test]
fn a_listener_in_a_connection_that_it_never_accepts_is_dropped() {
    let mut world = World::new(Kind::Stream);
    let (listener, token) = world.listener(8);
    let client = world.socket();
    done(world.connect(client, token, b"/tmp/s", 0)).unwrap();
    world.send_own(client, &[listener]);
    world.something_ends();
    let accepted = done(world.dup(listener, "accept-nonblock")).unwrap();
    assert!(world.has_message(accepted));
    let other = world.socket();
    done(world.connect(other, token, b"/tmp/s", 0)).unwrap();
    world.send_own(other, &[listener]);
    world.close(accepted);
    // The one that went with the accepted connection, and the one that somebody had.
    world.drop_own(listener);
    world.drop_own(listener);
    world.something_ends();
    let accepted = done(world.dup(listener, "accept-nonblock")).unwrap();
    assert!(!world.has_message(accepted));
}

#[test]
fn rings_do_not_use_up_what_a_user_has() {
    let mut world = World::new(Kind::Datagram);
    world.uid = 1000;
    for _ in 0..2000 {
        let (end, from) = world.pair();
        world.send_own(from, &[end]);
        world.drop_own(end);
        if !world.has_message(end) {
            // What the kernel says when the daemon has dropped the last descriptor.
            world.close(end);
        }
        world.close(from);
    }
}
