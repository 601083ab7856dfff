//! Files of the scheme `file`, which is in memory.

use std::ffi::CStr;
use std::mem::MaybeUninit;

use crate::measure::{good, measure};

const FOLDER: &CStr = c"/bench";
const ABSOLUTE: &CStr = c"/bench/file";
const RELATIVE: &CStr = c"file";
const FLAGS: i32 = libc::O_RDONLY;
/// `O_RESOLVE_BENEATH` of `<fcntl.h>`.
const BENEATH: i32 = 0x1000;

fn open_close(dir: i32, path: &CStr, flags: i32) {
    // SAFETY: the path is a C string; the descriptor is this function's own.
    unsafe {
        let fd = good(libc::openat(dir, path.as_ptr(), flags));
        good(libc::close(fd));
    }
}

fn stat(path: &CStr) {
    let mut stat = MaybeUninit::<libc::stat>::uninit();
    // SAFETY: the path is a C string, the structure has room.
    good(unsafe { libc::stat(path.as_ptr(), stat.as_mut_ptr()) });
}

pub fn run() {
    std::fs::create_dir("/bench").expect("a folder");
    std::fs::write("/bench/file", [7; 8192]).expect("a file");
    // SAFETY: the path is a C string.
    let folder = good(unsafe { libc::open(FOLDER.as_ptr(), FLAGS | libc::O_DIRECTORY) });
    measure("open-close", || open_close(libc::AT_FDCWD, ABSOLUTE, FLAGS));
    measure("open-close-from-folder", || {
        open_close(folder, RELATIVE, FLAGS)
    });
    // What an absolute path costs beyond the same path from a descriptor of its root.
    // SAFETY: as above.
    let root = good(unsafe { libc::open(c"/".as_ptr(), FLAGS | libc::O_DIRECTORY) });
    measure("open-close-from-root", || {
        open_close(root, c"bench/file", FLAGS)
    });
    measure("open-beneath-close", || {
        open_close(folder, RELATIVE, FLAGS | BENEATH)
    });
    std::env::set_current_dir("/bench").expect("changing the directory");
    measure("open-close-relative", || {
        open_close(libc::AT_FDCWD, RELATIVE, FLAGS)
    });
    measure("stat", || stat(ABSOLUTE));
    // SAFETY: as above.
    let file = good(unsafe { libc::open(ABSOLUTE.as_ptr(), FLAGS) });
    let mut page = [0u8; 4096];
    measure("read-4k", || {
        // SAFETY: the buffer has room.
        let len = unsafe { libc::pread(file, page.as_mut_ptr().cast(), page.len(), 0) };
        assert_eq!(len, 4096);
    });
    for fd in [folder, root, file] {
        // SAFETY: these are this function's own, and the last to use them.
        good(unsafe { libc::close(fd) });
    }
    std::env::set_current_dir("/").expect("changing the directory");
    std::fs::remove_dir_all("/bench").expect("removing the folder");
}
