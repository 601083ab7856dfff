//! Pipes: descriptors that exist without any file system.

use std::fs::File;
use std::io::{Read, Write, pipe};
use std::os::fd::{AsRawFd, OwnedFd};
use std::thread;

use crate::{Case, same};

pub const CASES: &[Case] = &[
    ("carries_bytes", carries_bytes),
    ("ends_when_closed", ends_when_closed),
    ("broken_pipe_is_told", broken_pipe_is_told),
    ("clones_share", clones_share),
    ("numbers_are_the_lowest_free", numbers_are_the_lowest_free),
    ("is_no_terminal", is_no_terminal),
];

fn carries_bytes() {
    let (mut reader, mut writer) = pipe().expect("pipe");
    let data: Vec<u8> = (0..100_000u32).map(|i| (i * 7) as u8).collect();
    let sent = data.clone();
    let thread = thread::spawn(move || writer.write_all(&sent));
    let mut got = Vec::new();
    reader.read_to_end(&mut got).expect("read");
    thread.join().expect("a panic").expect("write");
    assert!(got == data, "{} bytes of {}", got.len(), data.len());
}

fn ends_when_closed() {
    let (mut reader, writer) = pipe().expect("pipe");
    drop(writer);
    same(reader.read(&mut [0; 8]).ok(), Some(0));
}

fn broken_pipe_is_told() {
    let (reader, mut writer) = pipe().expect("pipe");
    drop(reader);
    same(
        writer.write(b"x").err().map(|e| e.kind()),
        Some(std::io::ErrorKind::BrokenPipe),
    );
}

fn clones_share() {
    let (mut reader, writer) = pipe().expect("pipe");
    let mut copy = writer.try_clone().expect("try_clone");
    drop(writer);
    copy.write_all(b"through the copy").expect("write");
    drop(copy);
    let mut text = String::new();
    reader.read_to_string(&mut text).expect("read");
    same(text.as_str(), "through the copy");
}

fn numbers_are_the_lowest_free() {
    let (a, b) = pipe().expect("pipe");
    let (c, d) = pipe().expect("pipe");
    let free = b.as_raw_fd();
    drop(b);
    let copy = File::from(OwnedFd::from(c.try_clone().expect("try_clone")));
    same(copy.as_raw_fd(), free);
    drop((a, c, d));
}

fn is_no_terminal() {
    use std::io::IsTerminal;
    let (reader, _writer) = pipe().expect("pipe");
    assert!(!File::from(OwnedFd::from(reader)).is_terminal());
}
