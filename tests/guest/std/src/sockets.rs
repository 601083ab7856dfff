//! Unix sockets.

use std::fs::remove_file;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::thread;
use std::time::Duration;

use crate::{Case, same};

pub const CASES: &[Case] = &[
    ("connections_carry_bytes", connections_carry_bytes),
    ("many_connections", many_connections),
    ("pairs", pairs),
    (
        "nobody_waits_who_does_not_want_to",
        nobody_waits_who_does_not_want_to,
    ),
    ("reading_has_its_time", reading_has_its_time),
    ("datagrams_have_senders", datagrams_have_senders),
    ("there_is_no_internet", there_is_no_internet),
];

fn connections_carry_bytes() {
    let path = "/std-stream";
    let listener = UnixListener::bind(path).expect("bind");
    let data: Vec<u8> = (0..300_000u32).map(|i| (i * 7) as u8).collect();
    let sent = data.clone();
    let client = thread::spawn(move || {
        let mut stream = UnixStream::connect(path).expect("connect");
        stream.write_all(&sent).expect("write");
        stream
            .shutdown(std::net::Shutdown::Write)
            .expect("shutdown");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("read");
        let name = stream.peer_addr().expect("peer");
        same(name.as_pathname().and_then(|p| p.to_str()), Some(path));
        answer
    });
    let (mut stream, address) = listener.accept().expect("accept");
    assert!(address.is_unnamed());
    let mut got = Vec::new();
    stream.read_to_end(&mut got).expect("read");
    assert!(got == data, "{} bytes of {}", got.len(), data.len());
    stream.write_all(b"thanks").expect("write");
    drop(stream);
    same(client.join().expect("a panic").as_str(), "thanks");
    same(
        UnixListener::bind(path).err().map(|e| e.kind()),
        Some(ErrorKind::AddrInUse),
    );
    drop(listener);
    same(
        UnixStream::connect(path).err().map(|e| e.kind()),
        Some(ErrorKind::ConnectionRefused),
    );
    remove_file(path).expect("remove");
    same(
        UnixStream::connect(path).err().map(|e| e.kind()),
        Some(ErrorKind::NotFound),
    );
}

fn many_connections() {
    let path = "/std-many";
    let listener = UnixListener::bind(path).expect("bind");
    let clients: Vec<_> = (0..20u8)
        .map(|number| {
            thread::spawn(move || {
                let mut stream = UnixStream::connect(path).expect("connect");
                stream.write_all(&[number]).expect("write");
                let mut answer = [0];
                stream.read_exact(&mut answer).expect("read");
                same(answer, [number + 1]);
            })
        })
        .collect();
    for _ in 0..clients.len() {
        let (mut stream, _) = listener.accept().expect("accept");
        let mut number = [0];
        stream.read_exact(&mut number).expect("read");
        stream.write_all(&[number[0] + 1]).expect("write");
    }
    for client in clients {
        client.join().expect("a panic");
    }
    remove_file(path).expect("remove");
}

fn pairs() {
    let (mut one, mut two) = UnixStream::pair().expect("pair");
    one.write_all(b"a").expect("write");
    let mut copy = two.try_clone().expect("clone");
    let mut got = [0];
    copy.read_exact(&mut got).expect("read");
    same(&got, b"a");
    drop(copy);
    two.write_all(b"b").expect("write");
    drop(two);
    let mut rest = String::new();
    one.read_to_string(&mut rest).expect("read");
    same(rest.as_str(), "b");
    same(
        one.write(b"x").err().map(|e| e.kind()),
        Some(ErrorKind::BrokenPipe),
    );
    same(one.take_error().expect("no error").is_none(), true);
}

fn nobody_waits_who_does_not_want_to() {
    let path = "/std-nonblocking";
    let listener = UnixListener::bind(path).expect("bind");
    listener.set_nonblocking(true).expect("nonblocking");
    same(
        listener.accept().err().map(|e| e.kind()),
        Some(ErrorKind::WouldBlock),
    );
    let mut client = UnixStream::connect(path).expect("connect");
    client.set_nonblocking(true).expect("nonblocking");
    same(
        client.read(&mut [0]).err().map(|e| e.kind()),
        Some(ErrorKind::WouldBlock),
    );
    listener.accept().expect("accept");
    remove_file(path).expect("remove");
}

fn reading_has_its_time() {
    let (mut one, _two) = UnixStream::pair().expect("pair");
    let time = Some(Duration::from_millis(20));
    one.set_read_timeout(time).expect("set");
    same(one.read_timeout().expect("get"), time);
    same(
        one.read(&mut [0]).err().map(|e| e.kind()),
        Some(ErrorKind::WouldBlock),
    );
}

fn datagrams_have_senders() {
    let (a, b) = ("/std-dgram-a", "/std-dgram-b");
    let one = UnixDatagram::bind(a).expect("bind");
    let two = UnixDatagram::bind(b).expect("bind");
    one.send_to(b"hello", b).expect("send");
    let mut buffer = [0; 16];
    let (len, from) = two.recv_from(&mut buffer).expect("receive");
    same(&buffer[..len], b"hello");
    same(from.as_pathname().and_then(|p| p.to_str()), Some(a));
    two.connect(a).expect("connect");
    two.send(b"back").expect("send");
    same(one.recv(&mut buffer).ok(), Some(4));
    for path in [a, b] {
        remove_file(path).expect("remove");
    }
}

fn there_is_no_internet() {
    assert!(TcpStream::connect(("127.0.0.1", 80)).is_err());
}
