//! Descriptors that one thread closes while another waits at them: the wait has an end, and nothing stays behind.

use std::ffi::{CString, c_char, c_int};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, IntoRawFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

use crate::{Case, same};

pub const CASES: &[Case] = &[
    ("a_read_at_a_socket", a_read_at_a_socket),
    ("a_write_to_a_socket", a_write_to_a_socket),
    ("an_accept", an_accept),
    ("a_read_at_a_named_pipe", a_read_at_a_named_pipe),
    ("a_read_at_a_pipe", a_read_at_a_pipe),
    ("a_write_to_a_pipe", a_write_to_a_pipe),
    ("a_lock", a_lock),
    (
        "a_number_given_to_another_pipe",
        a_number_given_to_another_pipe,
    ),
];

const EBADF: i32 = 9;
const LOCK_EX: c_int = 2;
const LOCK_NB: c_int = 4;
const O_NONBLOCK: i32 = 0x0004_0000;
/// Long enough for a thread to begin to wait.
const SOON: Duration = Duration::from_millis(100);
/// What has not ended by then does not.
const NEVER: Duration = Duration::from_secs(20);

// SAFETY: these are the C library's, with the types that its headers declare.
unsafe extern "C" {
    fn close(fd: c_int) -> c_int;
    fn flock(fd: c_int, how: c_int) -> c_int;
    fn accept(fd: c_int, address: *mut u8, len: *mut u32) -> c_int;
    fn dup2(fd: c_int, to: c_int) -> c_int;
    fn mkfifo(path: *const c_char, mode: c_int) -> c_int;
    fn read(fd: c_int, into: *mut u8, len: usize) -> isize;
    fn write(fd: c_int, from: *const u8, len: usize) -> isize;
}

/// The number of something that the tests below close by that.
fn number(of: impl Into<OwnedFd>) -> c_int {
    of.into().into_raw_fd()
}

fn shut(fd: c_int) {
    // SAFETY: the descriptor is one of those that `number` gave up.
    let code = unsafe { close(fd) };
    same(code, 0);
}

/// What a call answers, or its error.
fn outcome(code: isize) -> Result<isize, i32> {
    match code {
        -1 => Err(io::Error::last_os_error().raw_os_error().unwrap_or(0)),
        count => Ok(count),
    }
}

/// Does something in a thread, which waits by the time this returns.
fn waiting(what: fn(c_int) -> isize, at: c_int) -> Receiver<Result<isize, i32>> {
    let (tell, told) = mpsc::channel();
    thread::spawn(move || tell.send(outcome(what(at))));
    thread::sleep(SOON);
    assert!(told.try_recv().is_err(), "it does not wait");
    told
}

fn answer(told: &Receiver<Result<isize, i32>>) -> Result<isize, i32> {
    told.recv_timeout(NEVER).expect("it waits for ever")
}

fn read_some(fd: c_int) -> isize {
    let mut bytes = [0; 16];
    // SAFETY: there is room for as many bytes as are asked for.
    unsafe { read(fd, bytes.as_mut_ptr(), bytes.len()) }
}

/// Writes until there is an error; answers how much it wrote.
fn write_on(fd: c_int) -> isize {
    let bytes = [b'x'; 1000];
    let mut all = 0;
    loop {
        // SAFETY: there are as many bytes as are said.
        match unsafe { write(fd, bytes.as_ptr(), bytes.len()) } {
            -1 => return all,
            count => all += count,
        }
    }
}

fn a_read_at_a_socket() {
    let (one, mut other) = UnixStream::pair().expect("a pair");
    let one = number(one);
    let reads = waiting(read_some, one);
    shut(one);
    same(answer(&reads), Err(EBADF));
    same(other.read(&mut [0; 4]).expect("read"), 0);
}

fn a_write_to_a_socket() {
    let (one, mut other) = UnixStream::pair().expect("a pair");
    let one = number(one);
    let writes = waiting(write_on, one);
    shut(one);
    let written = answer(&writes).expect("a part of it");
    let mut got = Vec::new();
    other.read_to_end(&mut got).expect("read");
    same(got.len() as isize, written);
}

fn an_accept() {
    let path = "/closing-socket";
    let listener = number(UnixListener::bind(path).expect("bind"));
    let accepts = waiting(
        // SAFETY: nobody's address is wanted.
        |fd| unsafe { accept(fd, std::ptr::null_mut(), std::ptr::null_mut()) } as isize,
        listener,
    );
    shut(listener);
    same(answer(&accepts), Err(EBADF));
    assert!(UnixStream::connect(path).is_err());
    fs::remove_file(path).expect("remove");
}

fn a_read_at_a_named_pipe() {
    let path = "/closing-fifo";
    let text = CString::new(path).expect("no NUL");
    // SAFETY: the text ends with a NUL, and lives as long as the call.
    same(unsafe { mkfifo(text.as_ptr(), 0o600) }, 0);
    let mut options = OpenOptions::new();
    let opened = options.read(true).custom_flags(O_NONBLOCK).open(path);
    let first = opened.expect("open to read");
    let mut writer = File::options().write(true).open(path).expect("writer");
    // One that waits: the first does not.
    let reader = number(File::open(path).expect("open to read"));
    drop(first);
    let reads = waiting(read_some, reader);
    shut(reader);
    same(answer(&reads), Err(EBADF));
    assert!(writer.write(b"x").is_err(), "nobody reads");
    fs::remove_file(path).expect("remove");
}

fn a_read_at_a_pipe() {
    let (from, mut to) = io::pipe().expect("a pipe");
    let from = number(from);
    let reads = waiting(read_some, from);
    shut(from);
    same(answer(&reads), Err(EBADF));
    assert!(to.write(b"x").is_err(), "nobody reads");
}

fn a_write_to_a_pipe() {
    let (mut from, to) = io::pipe().expect("a pipe");
    let to = number(to);
    let writes = waiting(write_on, to);
    shut(to);
    let written = answer(&writes).expect("a part of it");
    let mut got = Vec::new();
    from.read_to_end(&mut got).expect("read");
    same(got.len() as isize, written);
}

fn a_lock() {
    let path = "/closing-lock";
    let open = || {
        let mut options = OpenOptions::new();
        let file = options.read(true).write(true).create(true).open(path);
        file.expect("open")
    };
    // SAFETY: the descriptors are open files.
    let lock = |fd: c_int, how| outcome(unsafe { flock(fd, how) } as isize);
    let has = open();
    same(lock(has.as_raw_fd(), LOCK_EX), Ok(0));
    let waits = number(open());
    // SAFETY: as above.
    let locks = waiting(|fd| unsafe { flock(fd, LOCK_EX) } as isize, waits);
    shut(waits);
    same(answer(&locks), Err(EBADF));
    drop(has);
    let next = open();
    same(lock(next.as_raw_fd(), LOCK_EX | LOCK_NB), Ok(0));
    fs::remove_file(path).expect("remove");
}

/// The first byte of what there is.
fn read_one(fd: c_int) -> isize {
    let mut byte = 0;
    // SAFETY: there is room for the one byte.
    match unsafe { read(fd, &raw mut byte, 1) } {
        1 => byte.into(),
        other => other,
    }
}

/// Before a thread goes on that waited, the number of what it waited at is given to something else. It may have read
/// before that, but never from the other.
fn a_number_given_to_another_pipe() {
    for _ in 0..5 {
        let (from, mut to) = io::pipe().expect("a pipe");
        let (mut other, mut to_other) = io::pipe().expect("another pipe");
        to_other.write_all(b"other").expect("room");
        let from = number(from);
        let reads = waiting(read_one, from);
        to.write_all(b"x").expect("room");
        // SAFETY: both are open descriptors.
        same(unsafe { dup2(other.as_raw_fd(), from) }, from);
        match answer(&reads) {
            Ok(byte) => same(byte, b'x'.into()),
            Err(error) => same(error, EBADF),
        }
        shut(from);
        drop(to_other);
        let mut left = String::new();
        other.read_to_string(&mut left).expect("read");
        same(left.as_str(), "other");
    }
}
