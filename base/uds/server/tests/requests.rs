//! Requests as the kernel sends them.

mod world;

use syscall::{
    EACCES, EADDRINUSE, EAGAIN, EBADF, ECONNREFUSED, EDESTADDRREQ, EINTR, EINVAL, EISCONN,
    EMSGSIZE, ENOENT, ENOTCONN, EPERM, EPIPE, Stat,
    flag::{EventFlags, O_NONBLOCK, O_RDWR},
    schemev2::{Opcode, Sqe, SqeFlags},
};
use uds_api::{ADDRESS, TOKEN, flag, option, verb};
use uds_server::Kind;
use world::{World, address, done};

#[test]
fn a_connection() {
    let mut world = World::new(Kind::Stream);
    let (listener, token) = world.listener(8);
    assert_eq!(done(world.dup(listener, "accept-nonblock")), Err(EAGAIN));
    let accept = world.dup(listener, "accept").unwrap_err();
    let client = world.socket();
    assert_eq!(world.read(client), Err(ENOTCONN));
    assert_eq!(done(world.write(client, "x", 0)), Err(ENOTCONN));
    assert_eq!(done(world.connect(client, token, b"/tmp/s", 0)), Ok(0));
    let server = world.opened[&accept];
    assert_eq!(
        done(world.connect(client, token, b"/tmp/s", 0)),
        Err(EISCONN)
    );
    let reader = world.read_later(server);
    assert_eq!(done(world.write(client, "hello", 0)), Ok(5));
    assert_eq!(world.replies[&reader], (Ok(5), b"hello".to_vec()));
    done(world.write(server, "a", 0)).unwrap();
    done(world.write(server, "b", 0)).unwrap();
    assert_eq!(world.read(client), Ok("ab".into()));
    assert_eq!(world.read(client), Err(EAGAIN));
    // Names of both sides.
    let mut name = [0; 100];
    let len = done(world.call(client, [verb::PEER_NAME, 0, 0], &mut name)).unwrap();
    assert_eq!(&name[..len as usize], b"/tmp/s");
    let own = done(world.call(server, [verb::NAME, 0, 0], &mut name));
    assert_eq!(own, Ok(6));
    assert_eq!(
        done(world.call(server, [verb::PEER_NAME, 0, 0], &mut name)),
        Ok(0)
    );
    // Its name stays with those who were connected with it.
    let late = world.socket();
    done(world.connect(late, token, b"/tmp/s", 0)).unwrap();
    let short = done(world.dup(listener, "accept")).unwrap();
    world.close(short);
    let len = done(world.call(late, [verb::PEER_NAME, 0, 0], &mut name)).unwrap();
    assert_eq!(&name[..len as usize], b"/tmp/s");
    world.close(late);
    // The end.
    let reader = world.read_later(server);
    world.close(client);
    assert_eq!(world.replies[&reader], (Ok(0), Vec::new()));
    assert_eq!(done(world.write(server, "x", 0)), Err(EPIPE));
    world.close(server);
    world.close(listener);
    assert_eq!(world.server.counts(), (0, 1));
    let late = world.socket();
    assert_eq!(
        done(world.connect(late, token, b"/tmp/s", 0)),
        Err(ECONNREFUSED)
    );
}

#[test]
fn a_queue_of_connections() {
    let mut world = World::new(Kind::Stream);
    let (listener, token) = world.listener(2);
    let clients = [(); 4].map(|()| world.socket());
    for client in &clients[..2] {
        assert_eq!(done(world.connect(*client, token, b"", 0)), Ok(0));
    }
    // One can be written to before it is accepted.
    done(world.write(clients[0], "early", 0)).unwrap();
    let again = done(world.connect(clients[2], token, b"", flag::NONBLOCK));
    assert_eq!(again, Err(EAGAIN));
    let third = world.connect(clients[2], token, b"", 0).unwrap_err();
    let fourth = world.connect(clients[3], token, b"", 0).unwrap_err();
    let first = done(world.dup(listener, "accept")).unwrap();
    assert_eq!(world.read(first), Ok("early".into()));
    assert_eq!(world.replies[&third].0, Ok(0));
    assert!(!world.replies.contains_key(&fourth));
    world.close(listener);
    assert_eq!(world.replies[&fourth].0, Err(ECONNREFUSED));
    // Those that were never accepted see the end.
    assert_eq!(world.read(clients[1]), Ok(String::new()));
    assert_eq!(world.read(clients[0]), Err(EAGAIN));
    for client in clients {
        world.close(client);
    }
    world.close(first);
    assert_eq!(world.server.counts(), (0, 1));
}

#[test]
fn who_may_connect_and_who_it_is() {
    let mut world = World::new(Kind::Stream);
    world.uid = 5;
    world.caller = 50;
    let listener = world.socket();
    let token = world.bind(listener, b"/x", 0o600).unwrap();
    done(world.call(listener, [verb::LISTEN, 4, 0], &mut [])).unwrap();
    world.uid = 6;
    world.caller = 60;
    let stranger = world.socket();
    assert_eq!(done(world.connect(stranger, token, b"/x", 0)), Err(EACCES));
    let guess = done(world.connect(stranger, [9; TOKEN], b"/x", 0));
    assert_eq!(guess, Err(ECONNREFUSED));
    world.uid = 5;
    world.caller = 70;
    let client = world.socket();
    assert_eq!(
        world.option(client, option::PEER_CREDENTIALS),
        Err(ENOTCONN)
    );
    done(world.connect(client, token, b"/x", 0)).unwrap();
    let server = done(world.dup(listener, "accept")).unwrap();
    for (socket, pid) in [(client, 50_u32), (server, 70)] {
        let mut bytes = [0; 12];
        let metadata = [verb::GET_OPTION, option::PEER_CREDENTIALS, 0];
        done(world.call(socket, metadata, &mut bytes)).unwrap();
        let wanted = [pid, 5, 5].map(u32::to_ne_bytes).concat();
        assert_eq!(bytes.to_vec(), wanted);
    }
    assert_eq!(world.option(listener, option::ACCEPTS), Ok(1));
    assert_eq!(world.option(client, option::TYPE), Ok(1));
    assert!(world.option(client, 999).is_err());
}

#[test]
fn names_are_used_once() {
    let mut world = World::new(Kind::Stream);
    let [a, b] = [(); 2].map(|()| world.socket());
    assert_eq!(world.bind(a, b"", 0), Err(EINVAL));
    assert_eq!(
        done(world.call(a, [verb::LISTEN, 1, 0], &mut [])),
        Err(EDESTADDRREQ)
    );
    world.bind(a, b"\0name", 0o777).unwrap();
    assert_eq!(world.bind(a, b"\0other", 0), Err(EINVAL));
    assert_eq!(world.bind(b, b"\0name", 0), Err(EADDRINUSE));
    assert_eq!(
        done(world.connect(b, [0; TOKEN], b"\0name", 0)),
        Err(ECONNREFUSED)
    );
    done(world.call(a, [verb::LISTEN, 1, 0], &mut [])).unwrap();
    assert_eq!(done(world.connect(b, [0; TOKEN], b"\0name", 0)), Ok(0));
    world.close(a);
    let c = world.socket();
    assert!(world.bind(c, b"\0name", 0).is_ok());
}

#[test]
fn descriptors_go_along() {
    let mut world = World::new(Kind::Stream);
    let (a, b) = world.pair();
    done(world.write(a, "before", 0)).unwrap();
    assert_eq!(done(world.send_with(a, "with", &[7, 8, 9])), Ok(4));
    done(world.write(a, "behind", 0)).unwrap();
    let (text, numbers) = world.receive(b, 100, 10).unwrap();
    assert_eq!((text.as_str(), numbers[1]), ("before<", 0));
    let (text, numbers) = world.receive(b, 100, 2).unwrap();
    assert_eq!((text.as_str(), &numbers[1..3]), ("with<", &[2, 1][..]));
    assert_eq!(world.fetch(b, numbers[3] + 1, 2), Err(EINVAL));
    assert_eq!(world.fetch(a, numbers[3], 2), Err(EINVAL));
    assert_eq!(world.fetch(b, numbers[3], 2), Ok(vec![7, 8]));
    assert_eq!(world.fetch(b, numbers[3], 2), Err(EINVAL));
    // Who only reads does not get them.
    done(world.send_with(a, "!", &[1])).unwrap();
    assert_eq!(world.read(b), Ok("behind".into()));
    assert_eq!(world.read(b), Ok("!".into()));
}

/// Several threads receive, and fetch what came with their messages when others have received more.
#[test]
fn descriptors_wait_for_who_has_received_them() {
    let mut world = World::new(Kind::Stream);
    let (a, b) = world.pair();
    let mut receive = |fds: &[u32]| {
        done(world.send_with(a, "!", fds)).unwrap();
        let (_, numbers) = world.receive(b, 1, 9).unwrap();
        numbers[3]
    };
    let (first, second) = (receive(&[1, 2]), receive(&[3]));
    receive(&[]);
    assert_eq!(world.fetch(b, second, 9), Ok(vec![3]));
    assert_eq!(world.fetch(b, first, 9), Ok(vec![1, 2]));
    assert_eq!(world.fetch(b, first, 9), Err(EINVAL));
    // Of what is never fetched the oldest go.
    let numbers = [(); 100].map(|()| {
        done(world.send_with(a, "!", &[5])).unwrap();
        world.receive(b, 1, 9).unwrap().1[3]
    });
    assert_eq!(world.fetch(b, numbers[0], 1), Err(EINVAL));
    assert_eq!(world.fetch(b, numbers[99], 1), Ok(vec![5]));
    assert_eq!(world.fetch(b, numbers[98], 1), Ok(vec![5]));
}

#[test]
fn both_directions_end_apart() {
    let mut world = World::new(Kind::Stream);
    let (a, b) = world.pair();
    let shut = |world: &mut World, socket, how| {
        done(world.call(socket, [verb::SHUT_DOWN, how, 0], &mut []))
    };
    done(world.write(a, "last", 0)).unwrap();
    let reader = world.read_later(a);
    assert_eq!(shut(&mut world, a, 1), Ok(0));
    assert_eq!(done(world.write(a, "x", 0)), Err(EPIPE));
    assert_eq!(world.read(b), Ok("last".into()));
    assert_eq!(world.read(b), Ok(String::new()));
    done(world.write(b, "back", 0)).unwrap();
    assert_eq!(world.replies[&reader].1, b"back");
    assert_eq!(shut(&mut world, a, 0), Ok(0));
    assert_eq!(done(world.write(b, "x", 0)), Err(EPIPE));
    assert_eq!(world.read(a), Ok(String::new()));
    assert_eq!(shut(&mut world, a, 3), Err(EINVAL));
    let idle = world.socket();
    assert_eq!(shut(&mut world, idle, 2), Err(ENOTCONN));
}

#[test]
fn writers_wait_for_room_and_time() {
    let mut world = World::new(Kind::Stream);
    let (a, b) = world.pair();
    let big = "x".repeat(100_000);
    let writer = world.write(a, &big, 0).unwrap_err();
    assert_eq!(done(world.write(a, "y", O_NONBLOCK)), Err(EAGAIN));
    let behind = world.write(a, "end", 0).unwrap_err();
    let mut got = String::new();
    while let Ok(text) = world.read(b) {
        got += &text;
    }
    assert_eq!(got, big + "end");
    assert_eq!(world.replies[&writer].0, Ok(100_000));
    assert_eq!(world.replies[&behind].0, Ok(3));
    // Time.
    done(world.call(b, [verb::SET_OPTION, option::RECEIVE_TIME, 50], &mut [])).unwrap();
    assert_eq!(world.option(b, option::RECEIVE_TIME), Ok(50));
    world.now = 7;
    let reader = world.read_later(b);
    assert_eq!(world.server.deadline(), Some(57));
    world.server.tick(56);
    world.after();
    assert!(!world.replies.contains_key(&reader));
    world.server.tick(57);
    world.after();
    assert_eq!(world.replies[&reader].0, Err(EAGAIN));
    assert_eq!(world.server.deadline(), None);
    // Taken back.
    let reader = world.read_later(b);
    let sqe = Sqe {
        opcode: Opcode::Cancel as u8,
        sqe_flags: SqeFlags::ONEWAY,
        tag: reader,
        ..Sqe::default()
    };
    world.server.handle(&sqe, &mut [], 0, &mut world.outside);
    world.after();
    assert_eq!(world.replies[&reader].0, Err(EINTR));
}

/// One thread waits, and another of its process closes what it waits at.
#[test]
fn what_waits_at_a_socket_that_is_closed_has_its_answer() {
    let mut world = World::new(Kind::Stream);
    let (a, b) = world.pair();
    let reader = world.read_later(a);
    let writer = world.write(a, &"x".repeat(100_000), 0).unwrap_err();
    let (listener, token) = world.listener(1);
    let accepting = world.dup(listener, "accept").unwrap_err();
    let (full, full_token) = world.listener(1);
    let clients = [(); 3].map(|()| world.socket());
    let connecting = clients.map(|client| world.connect(client, full_token, b"", 0));
    let connecting: Vec<u32> = connecting.into_iter().filter_map(Result::err).collect();
    assert!(!connecting.is_empty(), "{token:?}");
    for handle in [a, listener].into_iter().chain(clients) {
        world.close(handle);
    }
    assert_eq!(world.replies[&reader].0, Err(EBADF));
    // Part of it is at the other side.
    assert!(matches!(world.replies[&writer].0, Ok(count) if count < 100_000));
    assert_eq!(world.replies[&accepting].0, Err(EBADF));
    for tag in connecting {
        assert_eq!(world.replies[&tag].0, Err(EBADF));
    }
    world.close(b);
    world.close(full);
    assert_eq!(world.server.counts(), (0, 1));
}

#[test]
fn datagrams() {
    let mut world = World::new(Kind::Datagram);
    let [a, b] = [(); 2].map(|()| world.socket());
    let token = world.bind(a, b"/a", 0o777).unwrap();
    world.bind(b, b"\0b", 0o777).unwrap();
    assert_eq!(done(world.write(b, "x", 0)), Err(EDESTADDRREQ));
    assert!(done(world.call(a, [verb::LISTEN, 1, 0], &mut [])).is_err());
    let send = |world: &mut World, to: Vec<u8>, text: &str| {
        let mut payload = to;
        payload.extend_from_slice(text.as_bytes());
        done(world.call(b, [verb::SEND, flag::NONBLOCK, 0], &mut payload))
    };
    assert_eq!(send(&mut world, address(token, b"/a"), "hello"), Ok(5));
    assert_eq!(send(&mut world, address(token, b"/a"), ""), Ok(0));
    assert_eq!(
        send(&mut world, address([9; TOKEN], b"/a"), "x"),
        Err(ECONNREFUSED)
    );
    let long = "x".repeat(65_537);
    assert_eq!(
        send(&mut world, address(token, b"/a"), &long),
        Err(EMSGSIZE)
    );
    let (text, numbers) = world.receive(a, 3, 0).unwrap();
    assert_eq!((text.as_str(), numbers[0]), ("hel<\0b", 5));
    assert_eq!(world.receive(a, 3, 0).unwrap().0, "<\0b");
    assert_eq!(world.receive(a, 3, 0), Err(EAGAIN));
    // Connected: a receiver that is known, and gone some time.
    assert_eq!(done(world.connect(b, token, b"/a", 0)), Ok(0));
    assert_eq!(done(world.write(b, "known", 0)), Ok(5));
    assert_eq!(world.read(a), Ok("known".into()));
    let mut count = 0;
    while done(world.write(b, "more", O_NONBLOCK)).is_ok() {
        count += 1;
    }
    assert!((10..1000).contains(&count), "{count}");
    let writer = world.write(b, "waits", 0).unwrap_err();
    world.read(a).unwrap();
    assert_eq!(world.replies[&writer].0, Ok(5));
    let writer = world.write(b, "waits", 0).unwrap_err();
    world.close(a);
    assert_eq!(world.replies[&writer].0, Err(ECONNREFUSED));
    assert_eq!(done(world.write(b, "x", 0)), Err(ECONNREFUSED));
    // No address disconnects.
    assert_eq!(done(world.connect(b, [0; TOKEN], b"", 0)), Ok(0));
    assert_eq!(done(world.write(b, "x", 0)), Err(EDESTADDRREQ));
    let (c, d) = world.pair();
    assert_eq!(done(world.send_with(c, "fd", &[3])), Ok(2));
    let (text, numbers) = world.receive(d, 10, 5).unwrap();
    assert_eq!((text.as_str(), numbers[1]), ("fd<", 1));
    assert_eq!(world.fetch(d, numbers[3], 1), Ok(vec![3]));
}

#[test]
fn a_connected_datagram_socket_hears_its_other_side_only() {
    let mut world = World::new(Kind::Datagram);
    let [a, b, stranger] = [(); 3].map(|()| world.socket());
    let to_a = world.bind(a, b"/a", 0o777).unwrap();
    let to_b = world.bind(b, b"/b", 0o777).unwrap();
    let send = |world: &mut World, text: &str| {
        let mut payload = address(to_a, b"/a");
        payload.extend_from_slice(text.as_bytes());
        world.call(stranger, [verb::SEND, 0, 0], &mut payload)
    };
    assert_eq!(done(send(&mut world, "before")), Ok(6));
    let waiting = loop {
        if let Err(tag) = send(&mut world, "more") {
            break tag;
        }
    };
    assert_eq!(done(world.connect(a, to_b, b"/b", 0)), Ok(0));
    assert_eq!(world.replies[&waiting].0, Err(EPERM));
    assert_eq!(world.read(a), Ok("before".into()));
    assert_eq!(done(send(&mut world, "x")), Err(EPERM));
    assert_eq!(done(world.connect(stranger, to_a, b"/a", 0)), Err(EPERM));
    while world.receive(a, 10, flag::NONBLOCK).is_ok() {}
    assert_eq!(done(world.connect(b, to_a, b"/a", 0)), Ok(0));
    assert_eq!(done(world.write(b, "its own", 0)), Ok(7));
    assert_eq!(world.read(a), Ok("its own".into()));
    // One whose other side has ended waits, and may have another.
    world.close(b);
    assert_eq!(world.receive(a, 10, flag::NONBLOCK), Err(EAGAIN));
    let read = EventFlags::EVENT_READ.bits() as u64;
    let ready = world.ask(Opcode::Fevent, [a, read, 0, 0, 0, 0], &mut []);
    assert_eq!(done(ready), Ok(0));
    assert_eq!(done(send(&mut world, "x")), Err(EPERM));
    assert_eq!(done(world.connect(a, [0; TOKEN], b"", 0)), Ok(0));
    assert_eq!(done(send(&mut world, "again")), Ok(5));
    assert_eq!(world.read(a), Ok("again".into()));
}

#[test]
fn connections_of_messages() {
    let mut world = World::new(Kind::Packet);
    let (listener, token) = world.listener(8);
    let client = world.socket();
    assert_eq!(done(world.write(client, "x", 0)), Err(ENOTCONN));
    assert_eq!(world.read(client), Err(ENOTCONN));
    assert_eq!(done(world.connect(client, token, b"/s", 0)), Ok(0));
    let server = done(world.dup(listener, "accept")).unwrap();
    assert_eq!(done(world.connect(client, token, b"/s", 0)), Err(EISCONN));
    // Messages stay apart, and what there is no room for is lost.
    for text in ["one", "", "three"] {
        assert_eq!(done(world.write(client, text, 0)), Ok(text.len() as u64));
    }
    assert_eq!(world.read(server), Ok("one".into()));
    assert_eq!(world.read(server), Ok(String::new()));
    let (text, numbers) = world.receive(server, 2, 0).unwrap();
    assert_eq!((text.as_str(), numbers[0]), ("th<", 5));
    assert_eq!(world.read(server), Err(EAGAIN));
    let long = "x".repeat(65_537);
    assert_eq!(done(world.write(client, &long, 0)), Err(EMSGSIZE));
    // All of a message waits, or none of it.
    while done(world.write(client, &"x".repeat(100), O_NONBLOCK)).is_ok() {}
    let writer = world.write(client, &"y".repeat(100), 0).unwrap_err();
    let mut read = 0;
    while !world.replies.contains_key(&writer) {
        assert_eq!(world.read(server).unwrap().len(), 100);
        read += 1;
    }
    assert!(read > 0);
    assert_eq!(world.replies[&writer].0, Ok(100));
    world.close(client);
    while world.read(server).unwrap().len() == 100 {}
    assert_eq!(world.read(server), Ok(String::new()), "the end");
    assert_eq!(done(world.write(server, "x", 0)), Err(EPIPE));
}

#[test]
fn events() {
    let (read, write) = (
        EventFlags::EVENT_READ.bits(),
        EventFlags::EVENT_WRITE.bits(),
    );
    let watch = |world: &mut World, handle| {
        let both = (read | write) as u64;
        done(world.ask(Opcode::Fevent, [handle, both, 0, 0, 0, 0], &mut []))
    };
    let mut world = World::new(Kind::Stream);
    let (listener, token) = world.listener(4);
    assert_eq!(watch(&mut world, listener), Ok(0));
    let client = world.socket();
    assert_eq!(watch(&mut world, client), Ok(0));
    done(world.connect(client, token, b"", 0)).unwrap();
    assert!(world.events.contains(&(listener, read)));
    let server = done(world.dup(listener, "accept")).unwrap();
    assert_eq!(watch(&mut world, server), Ok(write as u64));
    world.events.clear();
    done(world.write(server, "x", 0)).unwrap();
    assert!(world.events.contains(&(client, read | write)));
    world.events.clear();
    while done(world.write(server, &"x".repeat(9999), O_NONBLOCK)).is_ok() {}
    assert_eq!(watch(&mut world, server), Ok(0));
    while world.read(client).is_ok() {}
    assert!(world.events.contains(&(server, write)));
    world.events.clear();
    world.close(client);
    assert!(world.events.contains(&(server, read | write)));
}

#[test]
fn malformed_requests_are_refused() {
    for kind in [Kind::Stream, Kind::Datagram, Kind::Packet] {
        let mut world = World::new(kind);
        let socket = world.socket();
        let (one, _) = world.pair();
        for handle in [socket, one, world.root, 1 << 40] {
            for asked in [verb::BIND, verb::CONNECT, verb::SEND] {
                let short = &mut [0; ADDRESS - 1];
                assert!(done(world.call(handle, [asked, 0, 0], short)).is_err());
            }
            assert!(done(world.call(handle, [7777, 0, 0], &mut [])).is_err());
            assert!(done(world.dup(handle, "nonsense")).is_err());
            assert!(done(world.dup(handle, "\u{fe}")).is_err());
        }
        let mut path = *b"x";
        let args = [world.root, 0, 0, O_RDWR as u64, 0, 0];
        assert_eq!(
            done(world.ask(Opcode::OpenAt, args, &mut path)),
            Err(ENOENT)
        );
        assert_eq!(world.read(1 << 40), Err(EBADF));
        let mut stat = Stat::default();
        done(world.ask(Opcode::Fstat, [one, 0, 0, 0, 0, 0], &mut stat)).unwrap();
        assert_eq!(stat.st_mode & 0o170_000, 0o140_000);
        let ticket = done(world.dup(one, "ticket")).unwrap();
        let args = [ticket, 0, 0, 254, 0, 0];
        assert_eq!(done(world.ask(Opcode::Sendfd, args, &mut [])), Err(EINVAL));
        // A room too small for a header gets nothing, and loses no stream.
        if kind == Kind::Stream {
            let metadata = [verb::RECEIVE, flag::NONBLOCK, 0];
            assert_eq!(done(world.call(one, metadata, &mut [0; 10])), Ok(0));
        }
    }
}
