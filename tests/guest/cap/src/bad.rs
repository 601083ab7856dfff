//! Bad input is answered with an error number, by every function that takes a path or a descriptor, and
//! so is a descriptor table that is full.

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::fs;
use std::mem::MaybeUninit;
use std::ptr::{null, null_mut};

use crate::{Case, c, same, world};

pub const CASES: &[Case] = &[
    ("paths", paths),
    ("null_paths", null_paths),
    ("descriptors", descriptors),
    ("a_full_table", a_full_table),
];

unsafe extern "C" {
    fn posix_spawn(
        pid: *mut c_int,
        path: *const c_char,
        actions: *const [usize; 2],
        attributes: *const [u64; 8],
        args: *const *const c_char,
        env: *const *const c_char,
    ) -> c_int;
    fn mkfifo(path: *const c_char, mode: c_int) -> c_int;
    fn pathconf(path: *const c_char, name: c_int) -> i64;
    fn lchown(path: *const c_char, user: c_int, group: c_int) -> c_int;
    fn mkfifoat(dir: c_int, path: *const c_char, mode: c_int) -> c_int;
    fn openat2(dir: c_int, path: *const c_char, how: *const c_void, size: usize) -> c_int;
    fn statfs(path: *const c_char, out: *mut [u64; 16]) -> c_int;
    fn lutimes(path: *const c_char, times: *const [libc::timeval; 2]) -> c_int;
    fn lchmod(path: *const c_char, mode: c_int) -> c_int;
    fn nftw(path: *const c_char, each: Visit, depth: c_int, flags: c_int) -> c_int;
    fn scandir(
        path: *const c_char,
        list: *mut *mut *mut libc::dirent,
        filter: usize,
        order: usize,
    ) -> c_int;
    fn fexecve(fd: c_int, args: *const *const c_char, env: *const *const c_char) -> c_int;
    fn fspawn_np(
        pid: *mut c_int,
        fd: c_int,
        actions: *const [usize; 2],
        attributes: *const [u64; 8],
        args: *const *const c_char,
        env: *const *const c_char,
    ) -> c_int;
    fn fdatasync(fd: c_int) -> c_int;
    fn dup3(fd: c_int, to: c_int, flags: c_int) -> c_int;
    fn posix_fadvise(fd: c_int, at: i64, len: i64, advice: c_int) -> c_int;
    fn posix_fallocate(fd: c_int, at: i64, len: i64) -> c_int;
    fn popen(command: *const c_char, mode: *const c_char) -> *mut libc::FILE;
}

type Visit = extern "C" fn(*const c_char, *const libc::stat, c_int, *mut c_void) -> c_int;

/// Goes on after what is told to be there, and stops at everything else, with its error.
extern "C" fn visit(_: *const c_char, _: *const libc::stat, kind: c_int, _: *mut c_void) -> c_int {
    const NO_STAT: c_int = 3;
    if kind == NO_STAT { -1 } else { 0 }
}

/// An address at which nobody listens.
fn unix_address() -> libc::sockaddr_un {
    // SAFETY: all bytes zero is an address without a family.
    let mut address: libc::sockaddr_un = unsafe { std::mem::zeroed() };
    address.sun_family = libc::AF_UNIX as _;
    address.sun_path[0] = b'x' as _;
    address
}

/// Rows of a table: a name, marks, and a call of the C library in terms of its argument.
macro_rules! calls {
    (|$path:ident: path| $($name:literal: $call:expr,)*) => {
        [$(($name, |path: Option<&CStr>| {
            let $path = path.map_or(null(), CStr::as_ptr);
            // SAFETY: what a call in these tables passes besides the path is valid. The path is a C string, or null,
            // which is what the library is tested with.
            unsafe { $call }
        })),*]
    };
    (|$fd:ident: number| $($name:literal: $call:expr,)*) => {
        [$(($name, |$fd: c_int| {
            // SAFETY: what a call in these tables passes besides the number is valid. No number that is passed is
            // another owner's: none of them is open.
            unsafe { $call }
        })),*]
    };
    (|| $($name:literal $numbered:literal: $call:expr,)*) => {
        [$(($name, $numbered, || {
            // SAFETY: what a call in these tables passes is valid.
            unsafe { $call }
        })),*]
    };
}

type OnPath = (&'static str, fn(Option<&CStr>) -> c_int);

/// An answer that is 0 or an error number, as one that is -1 with `errno`.
fn code(error: c_int) -> c_int {
    if error == 0 {
        0
    } else {
        // SAFETY: it is this thread's.
        unsafe { *libc::__errno_location() = error };
        -1
    }
}

fn pointer<T>(answer: *mut T) -> c_int {
    if answer.is_null() { -1 } else { 0 }
}

/// Each on a path as its last component.
const ON_PATH: &[OnPath] = &calls![|p: path|
    "open": libc::open(p, libc::O_RDONLY),
    "open, making": libc::open(p, libc::O_WRONLY | libc::O_CREAT | libc::O_EXCL, 0o600),
    "openat": libc::openat(c::CWD, p, libc::O_RDONLY),
    "stat": libc::stat(p, MaybeUninit::uninit().as_mut_ptr()),
    "lstat": libc::lstat(p, MaybeUninit::uninit().as_mut_ptr()),
    "fstatat": libc::fstatat(c::CWD, p, MaybeUninit::uninit().as_mut_ptr(), 0),
    "statvfs": libc::statvfs(p, MaybeUninit::uninit().as_mut_ptr()),
    "access": libc::access(p, libc::R_OK),
    "mkdir": libc::mkdir(p, 0o700),
    "mkfifo": mkfifo(p, 0o700),
    "rmdir": libc::rmdir(p),
    "unlink": libc::unlink(p),
    "remove": libc::remove(p),
    "rename, old": libc::rename(p, c"new".as_ptr()),
    "rename, new": libc::rename(c"file".as_ptr(), p),
    "link, old": libc::link(p, c"new".as_ptr()),
    "link, new": libc::link(c"file".as_ptr(), p),
    "symlink, path": libc::symlink(c"x".as_ptr(), p),
    "readlink": {
        libc::readlink(p, [0; 8].as_mut_ptr(), 8) as c_int
    },
    "chmod": libc::chmod(p, 0o600),
    "chown": libc::chown(p, !0, !0),
    "lchown": lchown(p, -1, -1),
    "truncate": libc::truncate(p, 0),
    "utimes": libc::utimes(p, null()),
    "chdir": libc::chdir(p),
    "opendir": pointer(libc::opendir(p)),
    "realpath": pointer(libc::realpath(p, null_mut())),
    "pathconf": pathconf(p, libc::_PC_NAME_MAX) as c_int,
    "fopen": pointer(libc::fopen(p, c"r".as_ptr())),
    "creat": libc::creat(p, 0o600),
    "openat2": openat2(c::CWD, p, [libc::O_RDONLY as u64, 0, 0].as_ptr().cast(), size_of::<[u64; 3]>()),
    "statfs": statfs(p, &mut [0; 16]),
    "faccessat": libc::faccessat(c::CWD, p, libc::F_OK, 0),
    "mkdirat": libc::mkdirat(c::CWD, p, 0o700),
    "mkfifoat": mkfifoat(c::CWD, p, 0o700),
    "mknod": libc::mknod(p, libc::S_IFREG as _, 0),
    "unlinkat": libc::unlinkat(c::CWD, p, 0),
    "renameat, old": libc::renameat(c::CWD, p, c::CWD, c"new".as_ptr()),
    "renameat, new": libc::renameat(c::CWD, c"file".as_ptr(), c::CWD, p),
    "linkat, old": libc::linkat(c::CWD, p, c::CWD, c"new".as_ptr(), 0),
    "linkat, new": libc::linkat(c::CWD, c"file".as_ptr(), c::CWD, p, 0),
    "symlinkat": libc::symlinkat(c"x".as_ptr(), c::CWD, p),
    "readlinkat": {
        libc::readlinkat(c::CWD, p, [0; 8].as_mut_ptr(), 8) as c_int
    },
    "fchmodat": libc::fchmodat(c::CWD, p, 0o600, 0),
    "lchmod": lchmod(p, 0o600),
    "fchownat": libc::fchownat(c::CWD, p, !0, !0, 0),
    "utimensat": libc::utimensat(c::CWD, p, [libc::timespec { tv_sec: 1, tv_nsec: 0 }; 2].as_ptr(), 0),
    "utime": libc::utime(p, null()),
    "lutimes": lutimes(p, null()),
    "scandir": scandir(p, &mut null_mut(), 0, 0),
    "nftw": nftw(p, visit, 4, 1),
    "execvp": libc::execvp(p, [null::<c_char>()].as_ptr()),
    "execv": libc::execv(p, [null::<c_char>()].as_ptr()),
    "posix_spawn": {
        let none = [null()].as_ptr();
        code(posix_spawn(&mut 0, p, null(), null(), none, none))
    },
];

fn call(call: fn(Option<&CStr>) -> c_int, path: Option<&CStr>) -> Option<c_int> {
    (call(path) == -1).then(c::errno)
}

fn paths() {
    let folder = world::folder("bad-paths");
    fs::write(folder.join("file"), "").expect("a file");
    std::env::set_current_dir(&folder).expect("chdir");
    let long = |len| vec![b'a'; len];
    let deep = |len: usize| b"./".repeat(len / 2);
    let absolute = [b"/".as_slice(), &long(4096)].concat();
    let absent = [libc::ENOENT].as_slice();
    let too_long = [libc::ENAMETOOLONG].as_slice();
    // A scheme may have names of text only.
    let not_text = [libc::ENOENT, libc::EINVAL, libc::EILSEQ].as_slice();
    let rows: &[(&str, Vec<u8>, &[c_int])] = &[
        ("empty", vec![], absent),
        ("a component of 256 bytes", long(256), too_long),
        ("4097 bytes", deep(4098)[..4097].to_vec(), too_long),
        ("4097 bytes from the root", absolute, too_long),
        ("100000 bytes", long(100_000), too_long),
        ("below a file", b"file/x".to_vec(), &[libc::ENOTDIR]),
        ("below nothing", b"absent/x".to_vec(), absent),
        (
            "not UTF-8, below nothing",
            b"\xff\xfe/\x80".to_vec(),
            not_text,
        ),
        (
            "no such scheme",
            b"/scheme/nosuch/x".to_vec(),
            &[libc::ENODEV],
        ),
        (
            "no scheme's name",
            b"/scheme/\xff/x".to_vec(),
            &[libc::EINVAL, libc::ENODEV],
        ),
    ];
    let mut wrong = Vec::new();
    for (what, path, want) in rows {
        let path = CString::new(path.as_slice()).expect("no NUL");
        for (name, function) in ON_PATH {
            let got = call(*function, Some(&path));
            let crosses = name.contains(',') && what.contains("scheme") && got == Some(libc::EXDEV);
            if !got.is_some_and(|errno| want.contains(&errno)) && !crosses {
                wrong.push(format!("{name}, {what}: expected {want:?}, got {got:?}"));
            }
        }
    }
    std::env::set_current_dir("/").expect("chdir");
    assert!(wrong.is_empty(), "{}: {}", wrong.len(), wrong.join("; "));
    // Names that are not UTF-8 are names, or refused; nothing ends of them.
    let odd = CString::new(&b"/tmp/\xff\xfe"[..]).expect("no NUL");
    let made = call(ON_PATH[1].1, Some(&odd));
    assert!(
        matches!(made, None | Some(libc::EINVAL | libc::EILSEQ)),
        "{made:?}"
    );
    if made.is_none() {
        // SAFETY: a C string.
        same(unsafe { libc::unlink(odd.as_ptr()) }, 0);
    }
}

fn null_paths() {
    for (name, function) in ON_PATH {
        let got = call(*function, None);
        // POSIX gives `realpath` an error of its own.
        let want = if *name == "realpath" {
            libc::EINVAL
        } else {
            libc::EFAULT
        };
        assert_eq!(got, Some(want), "{name}");
    }
}

type OnFd = (&'static str, fn(c_int) -> c_int);

const ON_FD: &[OnFd] = &calls![|fd: number|
    "close": libc::close(fd),
    "read": {
        libc::read(fd, [0u8; 4].as_mut_ptr().cast(), 4) as c_int
    },
    "write": {
        libc::write(fd, [0u8; 4].as_ptr().cast(), 4) as c_int
    },
    "pread": {
        libc::pread(fd, [0u8; 4].as_mut_ptr().cast(), 4, 0) as c_int
    },
    "pwrite": {
        libc::pwrite(fd, [0u8; 4].as_ptr().cast(), 4, 0) as c_int
    },
    "lseek": libc::lseek(fd, 0, libc::SEEK_SET) as c_int,
    "fstat": libc::fstat(fd, MaybeUninit::uninit().as_mut_ptr()),
    "fstatvfs": libc::fstatvfs(fd, MaybeUninit::uninit().as_mut_ptr()),
    "fchmod": libc::fchmod(fd, 0),
    "fchown": libc::fchown(fd, 0, 0),
    "ftruncate": libc::ftruncate(fd, 0),
    "fsync": libc::fsync(fd),
    "fchdir": libc::fchdir(fd),
    "dup": libc::dup(fd),
    "dup2": libc::dup2(fd, 60),
    "dup2, itself": libc::dup2(fd, fd),
    "fcntl": libc::fcntl(fd, libc::F_GETFL),
    "ioctl": libc::ioctl(fd, 0x5413, null::<c_void>()),
    "isatty": libc::isatty(fd) - 1,
    "openat": libc::openat(fd, c"x".as_ptr(), libc::O_RDONLY),
    "unlinkat": libc::unlinkat(fd, c"x".as_ptr(), 0),
    "mkdirat": libc::mkdirat(fd, c"x".as_ptr(), 0),
    "renameat": libc::renameat(fd, c"x".as_ptr(), fd, c"y".as_ptr()),
    "fdopendir": pointer(libc::fdopendir(fd)),
    "fdopen": pointer(libc::fdopen(fd, c"r".as_ptr())),
    "readv": {
        libc::readv(fd, [libc::iovec { iov_base: [0u8; 4].as_mut_ptr().cast(), iov_len: 4 }].as_ptr(), 1) as c_int
    },
    "writev": {
        libc::writev(fd, [libc::iovec { iov_base: [0u8; 4].as_mut_ptr().cast(), iov_len: 4 }].as_ptr(), 1) as c_int
    },
    "fdatasync": fdatasync(fd),
    "futimens": libc::futimens(fd, null()),
    "flock": libc::flock(fd, libc::LOCK_SH),
    "lockf": libc::lockf(fd, libc::F_TLOCK, 0),
    "posix_fadvise": code(posix_fadvise(fd, 0, 0, 0)),
    "posix_fallocate": code(posix_fallocate(fd, 0, 1)),
    "dup3": dup3(fd, 60, 0),
    "fcntl, a copy": libc::fcntl(fd, libc::F_DUPFD, 0),
    "fpathconf": libc::fpathconf(fd, libc::_PC_PIPE_BUF) as c_int,
    "tcgetattr": libc::tcgetattr(fd, MaybeUninit::uninit().as_mut_ptr()),
    "tcgetpgrp": libc::tcgetpgrp(fd),
    "ttyname_r": code(libc::ttyname_r(fd, [0; 64].as_mut_ptr(), 64)),
    "epoll_ctl": {
        libc::epoll_ctl(fd, libc::EPOLL_CTL_ADD, 1, &mut libc::epoll_event { events: 0, u64: 0, _pad: 0 })
    },
    "epoll_wait": {
        libc::epoll_wait(fd, &mut libc::epoll_event { events: 0, u64: 0, _pad: 0 }, 1, 0)
    },
    "fexecve": fexecve(fd, [null()].as_ptr(), [null()].as_ptr()),
    "fspawn_np": code(fspawn_np(&mut 0, fd, null(), null(), [null()].as_ptr(), [null()].as_ptr())),
    "bind": libc::bind(fd, std::ptr::from_ref(&unix_address()).cast(), size_of::<libc::sockaddr_un>() as u32),
    "connect": libc::connect(fd, std::ptr::from_ref(&unix_address()).cast(), size_of::<libc::sockaddr_un>() as u32),
    "listen": libc::listen(fd, 1),
    "accept": libc::accept(fd, null_mut(), null_mut()),
    "getsockname": libc::getsockname(fd, std::ptr::from_mut(&mut unix_address()).cast(), &mut 110),
    "getpeername": libc::getpeername(fd, std::ptr::from_mut(&mut unix_address()).cast(), &mut 110),
    "getsockopt": libc::getsockopt(fd, libc::SOL_SOCKET, libc::SO_ERROR, std::ptr::from_mut(&mut 0i32).cast(), &mut 4),
    "setsockopt": libc::setsockopt(fd, libc::SOL_SOCKET, libc::SO_RCVBUF, std::ptr::from_ref(&0i32).cast(), 4),
    "shutdown": libc::shutdown(fd, libc::SHUT_RD),
    "recv": {
        libc::recv(fd, [0u8; 4].as_mut_ptr().cast(), 4, 0) as c_int
    },
    "send": {
        libc::send(fd, [0u8; 4].as_ptr().cast(), 4, 0) as c_int
    },
    "fstatat": libc::fstatat(fd, c"x".as_ptr(), MaybeUninit::uninit().as_mut_ptr(), 0),
    "faccessat": libc::faccessat(fd, c"x".as_ptr(), libc::F_OK, 0),
    "fchmodat": libc::fchmodat(fd, c"x".as_ptr(), 0o600, 0),
    "fchownat": libc::fchownat(fd, c"x".as_ptr(), !0, !0, 0),
    "utimensat": libc::utimensat(fd, c"x".as_ptr(), null(), 0),
    "linkat": libc::linkat(fd, c"x".as_ptr(), fd, c"y".as_ptr(), 0),
    "symlinkat": libc::symlinkat(c"x".as_ptr(), fd, c"y".as_ptr()),
    "readlinkat": {
        libc::readlinkat(fd, c"x".as_ptr(), [0; 8].as_mut_ptr(), 8) as c_int
    },
    "mkfifoat": mkfifoat(fd, c"x".as_ptr(), 0o600),
    "openat2": openat2(fd, c"x".as_ptr(), [libc::O_RDONLY as u64, 0, 0].as_ptr().cast(), size_of::<[u64; 3]>()),
    "mmap": {
        let at = libc::mmap(null_mut(), 4096, libc::PROT_READ, libc::MAP_PRIVATE, fd, 0);
        if at == libc::MAP_FAILED { -1 } else { 0 }
    },
];

fn descriptors() {
    for fd in [-1, -2, i32::MIN, 63, 65_535, i32::MAX] {
        for (name, function) in ON_FD {
            let failed = function(fd) == -1;
            assert!(
                failed && c::errno() == libc::EBADF,
                "{name} {fd}: {failed} {}",
                c::errno()
            );
        }
    }
}

type OnNothing = (&'static str, bool, fn() -> c_int);

/// Functions that need a new descriptor; those marked need one of POSIX's numbers.
const ON_FULL: &[OnNothing] = &calls![||
    "open" true: libc::open(c"/tmp".as_ptr(), libc::O_RDONLY),
    "open, making" true: libc::open(c"/tmp/full".as_ptr(), libc::O_WRONLY | libc::O_CREAT, 0o600),
    "dup" true: libc::dup(1),
    "pipe" true: {
        libc::pipe([0; 2].as_mut_ptr())
    },
    "fopen" true: pointer(libc::fopen(c"/tmp/full".as_ptr(), c"w".as_ptr())),
    "epoll_create1" true: libc::epoll_create1(0),
    "socket" true: libc::socket(libc::AF_UNIX, libc::SOCK_STREAM, 0),
    "socketpair" true: {
        libc::socketpair(libc::AF_UNIX, libc::SOCK_STREAM, 0, [0; 2].as_mut_ptr())
    },
    "mkstemp" true: libc::mkstemp(c"/tmp/full-XXXXXX".to_owned().into_raw()),
    "tmpfile" true: pointer(libc::tmpfile()),
    "popen" true: pointer(popen(c"true".as_ptr(), c"r".as_ptr())),
    "shm_open" true: libc::shm_open(c"/full".as_ptr(), libc::O_CREAT | libc::O_RDWR, 0o600),
    "fcntl, a copy" true: libc::fcntl(1, libc::F_DUPFD, 0),
    "dup2" false: libc::dup2(1, 99),
    "opendir" false: {
        let stream = libc::opendir(c"/tmp".as_ptr());
        if !stream.is_null() {
            libc::closedir(stream);
        }
        pointer(stream)
    },
    "stat" false: libc::stat(c"/tmp".as_ptr(), MaybeUninit::uninit().as_mut_ptr()),
    "chdir" false: libc::chdir(c"/tmp".as_ptr()),
    "fork" false: {
        match libc::fork() {
            0 => libc::_exit(0),
            -1 => -1,
            child => libc::waitpid(child, &mut 0, 0),
        }
    },
    "poll" false: {
        let mut about = libc::pollfd {
            fd: 1,
            events: libc::POLLOUT,
            revents: 0,
        };
        libc::poll(&mut about, 1, 0)
    },
];

fn a_full_table() {
    world::succeeds("full", &[]);
}

/// In a process of its own: fills the descriptor table, and calls everything that needs one more.
pub fn child(_: &[String]) -> i32 {
    let base = std::fs::File::open("/tmp").expect("a descriptor");
    use std::os::fd::AsRawFd;
    let base = base.as_raw_fd();
    let mut made = 0;
    let errno = loop {
        // SAFETY: a copy that is kept.
        if unsafe { libc::dup(base) } == -1 {
            break c::errno();
        }
        made += 1;
    };
    let mut wrong = String::new();
    if errno != libc::EMFILE || made < 1000 {
        wrong += &format!("{made} copies, then {errno}; ");
    }
    for round in 0..2 {
        for (name, numbered, function) in ON_FULL {
            let answer = function();
            let refusals = [libc::EMFILE, libc::ENFILE, libc::ENOMEM, libc::EAGAIN];
            let refused = answer == -1 && refusals.contains(&c::errno());
            if !refused && (answer == -1 || *numbered) {
                wrong += &format!("{name} {round}: {answer} {}; ", c::errno());
            }
        }
        // Whether there is room for a thread's own descriptors or not, nothing ends.
        if let Ok(thread) = std::thread::Builder::new().spawn(|| ()) {
            let _ = thread.join();
        }
    }
    // With room again everything works again.
    for fd in 100..200 {
        // SAFETY: copies made above.
        unsafe { libc::close(fd) };
    }
    // SAFETY: a C string.
    let fd = unsafe { libc::open(c"/tmp".as_ptr(), libc::O_RDONLY) };
    let thread = std::thread::spawn(|| 7).join().ok();
    if fd == -1 || thread != Some(7) {
        wrong += "it does not recover";
    }
    if wrong.is_empty() {
        return 0;
    }
    eprintln!("{wrong}");
    1
}
