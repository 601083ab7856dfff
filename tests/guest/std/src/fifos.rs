//! Named pipes.

use std::ffi::{CString, c_char, c_int, c_short, c_ulong};
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use crate::processes::this;
use crate::{Case, same};

pub const CASES: &[Case] = &[
    (
        "an_open_waits_for_the_other_end",
        an_open_waits_for_the_other_end,
    ),
    ("who_does_not_wait_is_told", who_does_not_wait_is_told),
    ("many_who_wait_delay_nobody", many_who_wait_delay_nobody),
    ("ends_and_breaks", ends_and_breaks),
    ("small_writes_are_whole", small_writes_are_whole),
    ("a_large_write_is_whole", a_large_write_is_whole),
    ("each_byte_is_read_once", each_byte_is_read_once),
    ("poll_tells_what_is_ready", poll_tells_what_is_ready),
    ("its_name_can_go", its_name_can_go),
    ("it_is_no_file", it_is_no_file),
    ("who_is_killed_has_left", who_is_killed_has_left),
    ("children_read_and_write", children_read_and_write),
];

const ENXIO: i32 = 6;
const EINVAL: i32 = 22;
const ESPIPE: i32 = 29;
const O_NONBLOCK: i32 = 0x0004_0000;
const PIPE_BUF: usize = 4096;

#[repr(C)]
struct PollFd {
    fd: c_int,
    events: c_short,
    revents: c_short,
}

const POLLIN: c_short = 1;
const POLLOUT: c_short = 4;

unsafe extern "C" {
    fn mkfifo(path: *const c_char, mode: c_int) -> c_int;
    fn poll(fds: *mut PollFd, count: c_ulong, timeout: c_int) -> c_int;
}

/// A new pipe's path.
fn made() -> PathBuf {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let path = PathBuf::from(format!("/fifo-{number}"));
    let text = CString::new(path.to_str().expect("text")).expect("no NUL");
    // SAFETY: the text ends with a NUL, and lives as long as the call.
    let code = unsafe { mkfifo(text.as_ptr(), 0o640) };
    assert!(code == 0, "mkfifo: {}", io::Error::last_os_error());
    path
}

fn reader(path: &Path) -> File {
    File::open(path).expect("open to read")
}

fn writer(path: &Path) -> File {
    let opened = OpenOptions::new().write(true).open(path);
    opened.expect("open to write")
}

fn at_once(path: &Path, read: bool, write: bool) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(read).write(write).custom_flags(O_NONBLOCK);
    options.open(path)
}

fn code<T>(result: io::Result<T>) -> Option<i32> {
    result.err().and_then(|error| error.raw_os_error())
}

fn kind<T>(result: io::Result<T>) -> Option<ErrorKind> {
    result.err().map(|error| error.kind())
}

fn an_open_waits_for_the_other_end() {
    for reads in [true, false] {
        let path = made();
        let there = path.clone();
        let opening = thread::spawn(move || {
            if reads {
                reader(&there)
            } else {
                writer(&there)
            }
        });
        thread::sleep(Duration::from_millis(50));
        // Nobody else waits for it.
        let kind = fs::metadata(&path).expect("metadata").file_type();
        assert!(kind.is_fifo());
        assert!(!opening.is_finished());
        let (mut from, mut to) = if reads {
            let to = writer(&path);
            (opening.join().expect("a panic"), to)
        } else {
            let from = reader(&path);
            (from, opening.join().expect("a panic"))
        };
        to.write_all(b"through").expect("write");
        drop(to);
        let mut text = String::new();
        from.read_to_string(&mut text).expect("read");
        same(text.as_str(), "through");
    }
}

fn who_does_not_wait_is_told() {
    let path = made();
    same(code(at_once(&path, false, true)), Some(ENXIO));
    let mut from = at_once(&path, true, false).expect("open to read");
    let mut bytes = [0; 8];
    // Nobody writes.
    same(from.read(&mut bytes).ok(), Some(0));
    let mut to = at_once(&path, false, true).expect("open to write");
    same(kind(from.read(&mut bytes)), Some(ErrorKind::WouldBlock));
    same(to.write(b"abc").ok(), Some(3));
    same(from.read(&mut bytes).ok(), Some(3));
    let mut sum = 0;
    let full = loop {
        match to.write(&[1; 3000]) {
            Ok(count) => sum += count,
            Err(error) => break error.kind(),
        }
    };
    same(full, ErrorKind::WouldBlock);
    assert!(sum >= 60_000, "{sum}");
    drop((from, to));
    same(code(at_once(&path, false, true)), Some(ENXIO));
    // What was not read is gone.
    let mut both = at_once(&path, true, true).expect("open to do both");
    same(kind(both.read(&mut bytes)), Some(ErrorKind::WouldBlock));
    same(both.write(b"own").ok(), Some(3));
    same(both.read(&mut bytes).ok(), Some(3));
}

fn many_who_wait_delay_nobody() {
    const MANY: usize = 40;
    let paths: Vec<PathBuf> = (0..MANY).map(|_| made()).collect();
    let waiting: Vec<_> = paths
        .iter()
        .map(|path| {
            let path = path.clone();
            thread::spawn(move || {
                let mut bytes = Vec::new();
                reader(&path).read_to_end(&mut bytes).expect("read");
                bytes
            })
        })
        .collect();
    thread::sleep(Duration::from_millis(100));
    fs::write("/meanwhile", b"written").expect("write");
    same(fs::read("/meanwhile").ok(), Some(b"written".to_vec()));
    fs::remove_file("/meanwhile").expect("remove");
    for (number, path) in paths.iter().enumerate() {
        let mut to = writer(path);
        to.write_all(number.to_string().as_bytes()).expect("write");
    }
    for (number, thread) in waiting.into_iter().enumerate() {
        let bytes = thread.join().expect("a panic");
        same(bytes, number.to_string().into_bytes());
    }
}

fn ends_and_breaks() {
    let path = made();
    let mut from = at_once(&path, true, false).expect("open");
    let (first, mut second) = (writer(&path), writer(&path));
    drop(first);
    second.write_all(b"x").expect("write");
    let mut bytes = [0; 8];
    same(from.read(&mut bytes).ok(), Some(1));
    same(kind(from.read(&mut bytes)), Some(ErrorKind::WouldBlock));
    drop(second);
    same(from.read(&mut bytes).ok(), Some(0));
    // Another writer comes.
    let mut third = writer(&path);
    third.write_all(b"yz").expect("write");
    same(from.read(&mut bytes).ok(), Some(2));
    drop(from);
    same(kind(third.write(b"x")), Some(ErrorKind::BrokenPipe));
    // One that waits for room breaks, too.
    let from = reader(&path);
    let writing = thread::spawn(move || third.write_all(&[0; 200_000]));
    thread::sleep(Duration::from_millis(50));
    drop(from);
    let ended = writing.join().expect("a panic");
    same(kind(ended), Some(ErrorKind::BrokenPipe));
}

fn small_writes_are_whole() {
    let path = made();
    let mut from = at_once(&path, true, false).expect("open");
    let threads: Vec<_> = (0..4_u8)
        .map(|number| {
            let mut to = writer(&path);
            thread::spawn(move || {
                for _ in 0..30 {
                    same(to.write(&[number; PIPE_BUF]).expect("write"), PIPE_BUF);
                }
            })
        })
        .collect();
    let mut all = Vec::new();
    let mut part = vec![0; 10_000];
    while all.len() < 4 * 30 * PIPE_BUF {
        match from.read(&mut part) {
            Ok(count) => all.extend_from_slice(&part[..count]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => thread::yield_now(),
            Err(error) => panic!("read: {error}"),
        }
    }
    for thread in threads {
        thread.join().expect("a panic");
    }
    for piece in all.chunks(PIPE_BUF) {
        assert!(piece.iter().all(|byte| *byte == piece[0]), "mixed");
    }
}

fn a_large_write_is_whole() {
    let path = made();
    let data: Vec<u8> = (0..700_000_u32).map(|n| (n * 7 / 5) as u8).collect();
    let (sent, there) = (data.clone(), path.clone());
    // One call.
    let writing = thread::spawn(move || writer(&there).write(&sent));
    let mut got = Vec::new();
    reader(&path).read_to_end(&mut got).expect("read");
    same(writing.join().expect("a panic").ok(), Some(data.len()));
    assert!(got == data, "{} bytes of {}", got.len(), data.len());
}

fn each_byte_is_read_once() {
    let path = made();
    let keeper = at_once(&path, true, true).expect("open");
    let threads: Vec<_> = (0..3)
        .map(|_| {
            let mut from = reader(&path);
            thread::spawn(move || {
                let (mut sum, mut part) = (0, [0; 700]);
                loop {
                    match from.read(&mut part).expect("read") {
                        0 => return sum,
                        count => sum += part[..count].iter().map(|b| u64::from(*b)).sum::<u64>(),
                    }
                }
            })
        })
        .collect();
    let mut to = writer(&path);
    drop(keeper);
    let data: Vec<u8> = (0..150_000_u32).map(|n| n as u8).collect();
    to.write_all(&data).expect("write");
    drop(to);
    let got: u64 = threads
        .into_iter()
        .map(|t| t.join().expect("a panic"))
        .sum();
    same(got, data.iter().map(|b| u64::from(*b)).sum());
}

/// What is ready of one descriptor.
fn ready(file: &File, events: c_short, timeout: c_int) -> c_short {
    let mut one = PollFd {
        fd: file.as_raw_fd(),
        events,
        revents: 0,
    };
    // SAFETY: one record, which lives as long as the call.
    let count = unsafe { poll(&raw mut one, 1, timeout) };
    assert!(count >= 0, "poll: {}", io::Error::last_os_error());
    one.revents & events
}

fn poll_tells_what_is_ready() {
    let path = made();
    let mut from = at_once(&path, true, false).expect("open");
    // That nobody has come yet is no end.
    same(ready(&from, POLLIN, 0), 0);
    let mut to = writer(&path);
    same(ready(&to, POLLOUT, 0), POLLOUT);
    same(ready(&from, POLLIN, 0), 0);
    let there = path.clone();
    let later = thread::spawn(move || {
        thread::sleep(Duration::from_millis(30));
        writer(&there).write(b"x").expect("write")
    });
    same(ready(&from, POLLIN, 10_000), POLLIN);
    same(later.join().expect("a panic"), 1);
    same(from.read(&mut [0; 8]).ok(), Some(1));
    same(ready(&from, POLLIN, 0), 0);
    to.write_all(&[0; 1 << 16]).expect("write");
    same(ready(&to, POLLOUT, 0), 0);
    same(from.read(&mut [0; PIPE_BUF]).ok(), Some(PIPE_BUF));
    same(ready(&to, POLLOUT, 10_000), POLLOUT);
    while from.read(&mut [0; PIPE_BUF]).is_ok() {}
    drop(to);
    same(ready(&from, POLLIN, 10_000), POLLIN);
    same(from.read(&mut [0; 8]).ok(), Some(0));
}

fn its_name_can_go() {
    let path = made();
    let mut from = at_once(&path, true, false).expect("open");
    let mut to = writer(&path);
    fs::rename(&path, "/fifo-moved").expect("rename");
    drop(writer(Path::new("/fifo-moved")));
    fs::hard_link("/fifo-moved", "/fifo-linked").expect("link");
    fs::remove_file("/fifo-moved").expect("remove");
    to.write_all(b"a").expect("write");
    writer(Path::new("/fifo-linked"))
        .write_all(b"b")
        .expect("write");
    fs::remove_file("/fifo-linked").expect("remove");
    to.write_all(b"c").expect("write");
    let mut bytes = [0; 8];
    same(from.read(&mut bytes).ok(), Some(3));
    same(&bytes[..3], b"abc");
    same(from.metadata().expect("metadata").nlink(), 0);
    same(kind(fs::metadata(&path)), Some(ErrorKind::NotFound));
}

fn it_is_no_file() {
    use std::io::{Seek, SeekFrom};
    use std::os::unix::fs::FileExt;
    let path = made();
    let mut both = at_once(&path, true, true).expect("open");
    let open = both.metadata().expect("metadata");
    let named = fs::symlink_metadata(&path).expect("metadata");
    for what in [&open, &named] {
        assert!(what.file_type().is_fifo());
        same(what.mode() & 0o7777, 0o640);
        same(what.len(), 0);
    }
    same((open.dev(), open.ino()), (named.dev(), named.ino()));
    same(code(both.seek(SeekFrom::Start(0))), Some(ESPIPE));
    same(code(both.read_at(&mut [0; 4], 0)), Some(ESPIPE));
    same(code(both.write_at(&[0; 4], 0)), Some(ESPIPE));
    same(code(both.set_len(0)), Some(EINVAL));
    same(code(both.sync_all()), Some(EINVAL));
    // What opens a file and cuts it is welcome.
    File::create(&path)
        .expect("create")
        .write_all(b"x")
        .expect("write");
    same(both.read(&mut [0; 8]).ok(), Some(1));
    let mut program = std::process::Command::new(&path);
    same(kind(program.status()), Some(ErrorKind::PermissionDenied));
}

fn who_is_killed_has_left() {
    for job in ["fifo-read", "fifo-write"] {
        let path = made();
        let mut child = this(job)
            .arg(&path)
            .stdout(Stdio::piped())
            .spawn()
            .expect("spawn");
        let mut said = child.stdout.take().expect("a pipe");
        same(said.read(&mut [0; 1]).ok(), Some(1));
        // It is about to wait, or waits.
        thread::sleep(Duration::from_millis(100));
        child.kill().expect("kill");
        child.wait().expect("wait");
        same(code(at_once(&path, false, true)), Some(ENXIO));
        let mut from = at_once(&path, true, false).expect("open");
        same(from.read(&mut [0; 8]).ok(), Some(0));
    }
}

fn children_read_and_write() {
    let path = made();
    let mut one = this("fifo-write")
        .arg(&path)
        .stdout(Stdio::null())
        .spawn()
        .expect("spawn");
    let two = this("fifo-read").arg(&path).output().expect("output");
    assert!(one.wait().expect("wait").success());
    same(
        String::from_utf8_lossy(&two.stdout).as_ref(),
        ".from the other",
    );
}

/// What this program does as a child.
pub fn child(job: &str, path: &str) -> i32 {
    print!(".");
    let said = io::stdout().flush();
    let done = said.and_then(|()| match job {
        "fifo-read" => io::copy(&mut File::open(path)?, &mut io::stdout()).map(drop),
        _ => writer(Path::new(path)).write_all(b"from the other"),
    });
    i32::from(done.is_err())
}
