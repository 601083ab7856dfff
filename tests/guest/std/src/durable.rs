//! What is on the disk when a call that promises it returns. The disk is read as it is, past the file system.

use std::ffi::{c_int, c_void};
use std::fs::{self, File};
use std::io::{ErrorKind, Read, Write};
use std::os::fd::AsRawFd;
use std::ptr;

use crate::{Case, same};

pub const CASES: &[Case] = &[
    ("what_was_written_anywhere", what_was_written_anywhere),
    ("what_was_written_to_memory", what_was_written_to_memory),
];

/// Length of the files.
const LEN: usize = 40_000;
/// So much of one is looked for.
const MARK: usize = 24;
const PROT_READ: c_int = 4;
const PROT_WRITE: c_int = 2;
const MAP_SHARED: c_int = 1;
const MS_SYNC: c_int = 4;

unsafe extern "C" {
    fn sync();
    fn mmap(
        at: *mut c_void,
        len: usize,
        prot: c_int,
        flags: c_int,
        fd: c_int,
        from: i64,
    ) -> *mut c_void;
    fn msync(at: *mut c_void, len: usize, flags: c_int) -> c_int;
    fn munmap(at: *mut c_void, len: usize) -> c_int;
}

/// Bytes that nobody has written before, and that do not get shorter by compressing them.
fn fresh() -> Vec<u8> {
    let mut bytes = vec![0; LEN];
    let mut source = File::open("/dev/urandom").expect("random bytes");
    source.read_exact(&mut bytes).expect("random bytes");
    bytes
}

/// Whether the beginning of some bytes is anywhere on a disk.
fn on_a_disk(bytes: &[u8]) -> bool {
    let mark = &bytes[..MARK];
    let schemes = fs::read_dir("/scheme").expect("schemes");
    let names = schemes.map(|entry| entry.expect("a scheme").file_name());
    let names = names.filter_map(|name| name.into_string().ok());
    let mut disks = 0;
    for name in names.filter(|name| name.starts_with("disk.")) {
        disks += 1;
        let mut disk = File::open(format!("/scheme/{name}/0")).expect("a disk");
        // What is read, behind the end of what was read before.
        let mut window = vec![0; MARK + (1 << 16)];
        loop {
            let count = match disk.read(&mut window[MARK..]) {
                Ok(0) => break,
                Ok(count) => count,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => panic!("reading the disk: {error}"),
            };
            if window[..MARK + count].windows(MARK).any(|at| at == mark) {
                return true;
            }
            window.copy_within(count..count + MARK, 0);
        }
    }
    assert!(disks > 0, "there is no disk");
    false
}

fn what_was_written_anywhere() {
    let path = "/durable-file";
    let bytes = fresh();
    let mut file = File::create(path).expect("create");
    file.write_all(&bytes).expect("write");
    drop(file);
    // SAFETY: it has no conditions.
    unsafe { sync() };
    assert!(on_a_disk(&bytes), "it is not there");
    assert!(!on_a_disk(&fresh()), "everything is there");
    fs::remove_file(path).expect("remove");
}

fn what_was_written_to_memory() {
    let path = "/durable-map";
    let file = File::options()
        .read(true)
        .write(true)
        .create_new(true)
        .open(path);
    let file = file.expect("create");
    file.set_len(LEN as u64).expect("a length");
    file.sync_all().expect("fsync");
    let changed = || {
        let file = fs::metadata(path).expect("metadata");
        file.modified().expect("a time")
    };
    let before = changed();
    let bytes = fresh();
    // SAFETY: a new mapping at a place of the system's choice, of a file of this length.
    let memory = unsafe {
        mmap(
            ptr::null_mut(),
            LEN,
            PROT_READ | PROT_WRITE,
            MAP_SHARED,
            file.as_raw_fd(),
            0,
        )
    };
    assert!(
        memory as isize != -1,
        "mmap: {}",
        std::io::Error::last_os_error()
    );
    drop(file);
    // SAFETY: the mapping has that length, and is nobody else's.
    unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), memory.cast(), LEN) };
    // SAFETY: as above.
    same(unsafe { msync(memory, LEN, MS_SYNC) }, 0);
    assert!(on_a_disk(&bytes), "it is not there");
    assert!(changed() > before, "its time is as it was");
    // SAFETY: nothing refers to the mapping any more.
    same(unsafe { munmap(memory, LEN) }, 0);
    fs::remove_file(path).expect("remove");
}
