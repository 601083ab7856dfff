// The cases, in a module that knows one version of the crate as `libredox`.

use super::{Case, same};
use libredox::call;
use libredox::data::TimeSpec;
use libredox::errno::*;
use libredox::flag::*;

pub const CASES: &[Case] = &[
    ("files", files),
    ("opening_below", opening_below),
    ("copies", copies),
    ("attributes", attributes),
    ("directories", directories),
    ("paths", paths),
    ("calls_of_schemes", calls_of_schemes),
    ("maps", maps),
    ("time", time),
    ("identity", identity),
    ("children", children),
    ("signals", signals),
    ("texts_of_errors", texts_of_errors),
    ("namespaces", namespaces),
    ("descriptors_that_are_none", descriptors_that_are_none),
];

const FOLDER: &str = "/tmp/libredox";

fn number<T>(result: libredox::error::Result<T>) -> Option<i32> {
    result.err().map(|e| e.errno())
}

/// The crate declares it and does not call it yet.
fn unlinkat(fd: usize, path: &str, flags: u32) -> libredox::error::Result<()> {
    unsafe extern "C" {
        fn redox_unlinkat_v0(fd: usize, path: *const u8, len: usize, flags: u32) -> usize;
    }
    // SAFETY: the path is borrowed for the time of the call.
    let answer = unsafe { redox_unlinkat_v0(fd, path.as_ptr(), path.len(), flags) };
    libredox::error::Error::demux(answer).map(drop)
}

/// Opens a fresh file.
fn file(name: &str) -> usize {
    std::fs::create_dir_all(FOLDER).expect("a folder");
    call::open(format!("{FOLDER}/{name}"), O_RDWR | O_CREAT | O_TRUNC, 0o644).expect("a file")
}

fn files() {
    let fd = file("files");
    same(call::write(fd, b"0123456789").ok(), Some(10));
    same(call::fstat(fd).map(|s| s.st_size).ok(), Some(10));
    same(call::ftruncate(fd, 4).ok(), Some(()));
    same(call::fsync(fd).ok(), Some(()));
    same(call::fdatasync(fd).ok(), Some(()));
    same(call::close(fd).ok(), Some(()));
    let fd = call::open(format!("{FOLDER}/files"), O_RDONLY, 0).expect("the file");
    let mut text = [0; 16];
    same(call::read(fd, &mut text).ok(), Some(4));
    same(&text[..4], b"0123");
    same(call::read(fd, &mut text).ok(), Some(0));
    same(number(call::write(fd, b"x")), Some(EBADF));
    same(call::close(fd).ok(), Some(()));
    same(number(call::close(fd)), Some(EBADF));
    let absent = call::open(format!("{FOLDER}/absent"), O_RDONLY, 0);
    same(number(absent), Some(ENOENT));
}

fn opening_below() {
    call::close(file("below")).expect("closing");
    let dir = call::open(FOLDER, O_RDONLY | O_DIRECTORY, 0).expect("the folder");
    let fd = call::openat(dir, "below", O_RDONLY, 0).expect("the file");
    same(call::fcntl(fd, libc::F_GETFL as usize, 0).map(|f| f & O_NONBLOCK as usize).ok(), Some(0));
    call::close(fd).expect("closing");
    let fd = call::openat(dir, "below", O_RDONLY, O_NONBLOCK as u32).expect("the file");
    let status = call::fcntl(fd, libc::F_GETFL as usize, 0).expect("flags");
    same(status & O_NONBLOCK as usize, O_NONBLOCK as usize);
    call::close(fd).expect("closing");
    same(number(call::openat(dir, "absent", O_RDONLY, 0)), Some(ENOENT));
    same(unlinkat(dir, "below", 0).ok(), Some(()));
    same(number(unlinkat(dir, "below", 0)), Some(ENOENT));
    call::close(dir).expect("closing");
}

fn copies() {
    let fd = file("copies");
    let copy = call::dup(fd, []).expect("a copy");
    same(call::write(copy, b"abc").ok(), Some(3));
    // The position is shared.
    same(call::write(fd, b"d").ok(), Some(1));
    same(call::fstat(copy).map(|s| s.st_size).ok(), Some(4));
    same(dup2(fd, 60).ok(), Some(60));
    same(dup2(copy, 60).ok(), Some(60));
    same(call::write(60, b"e").ok(), Some(1));
    let high = call::fcntl(fd, F_DUPFD as usize, 70).expect("a copy");
    assert!(high >= 70);
    let marked = call::fcntl(fd, F_DUPFD_CLOEXEC as usize, 0).expect("a copy");
    let mark = call::fcntl(marked, F_GETFD as usize, 0).expect("a mark");
    same(mark & libc::FD_CLOEXEC as usize, libc::FD_CLOEXEC as usize);
    same(call::fcntl(marked, F_SETFD as usize, 0).is_ok(), true);
    same(call::fcntl(marked, F_GETFD as usize, 0).ok(), Some(0));
    for fd in [fd, copy, 60, high, marked] {
        same(call::close(fd).ok(), Some(()));
    }
    same(number(dup2(60, 61)), Some(EBADF));
}

fn attributes() {
    let fd = file("attributes");
    same(call::fchmod(fd, 0o600).ok(), Some(()));
    same(call::fstat(fd).map(|s| s.st_mode & 0o7777).ok(), Some(0o600));
    let stat = call::fstat(fd).expect("attributes");
    same(call::fchown(fd, stat.st_uid as u32, stat.st_gid as u32).ok(), Some(()));
    let times = [(1_000_000, 5), (2_000_000, 7)].map(|(tv_sec, tv_nsec)| TimeSpec { tv_sec, tv_nsec });
    same(call::futimens(fd, &times).ok(), Some(()));
    let stat = call::fstat(fd).expect("attributes");
    same((stat.st_atime, stat.st_mtime), (1_000_000, 2_000_000));
    let figures = call::fstatvfs(fd).expect("figures");
    assert!(figures.f_bsize > 0 && figures.f_blocks >= figures.f_bfree);
    call::close(fd).expect("closing");
}

fn directories() {
    for name in ["one", "two", "three"] {
        call::close(file(name)).expect("closing");
    }
    let dir = call::open(FOLDER, O_RDONLY | O_DIRECTORY, 0).expect("the folder");
    let mut names = Vec::new();
    let mut after = 0;
    loop {
        // Room for a few at a time only.
        let mut buffer = [0; 100];
        let len = call::getdents(dir, &mut buffer, after).expect("entries");
        if len == 0 {
            break;
        }
        let mut rest = &buffer[..len];
        while rest.len() > 19 {
            after = u64::from_ne_bytes(rest[8..16].try_into().expect("eight bytes"));
            let record = usize::from(u16::from_ne_bytes([rest[16], rest[17]]));
            let name = &rest[19..record];
            let name = name.split(|byte| *byte == 0).next().unwrap_or_default();
            names.push(String::from_utf8_lossy(name).into_owned());
            rest = &rest[record..];
        }
    }
    for name in ["one", "two", "three"] {
        assert!(names.iter().any(|listed| listed == name), "{name} in {names:?}");
    }
    call::close(dir).expect("closing");
}

fn paths() {
    let fd = file("paths");
    let dir = call::open(FOLDER, O_RDONLY | O_DIRECTORY, 0).expect("the folder");
    let mut buffer = [0; 256];
    let len = call::fpath(fd, &mut buffer).expect("a path");
    let path = String::from_utf8_lossy(&buffer[..len]).into_owned();
    assert!(path.ends_with("/tmp/libredox/paths"), "{path}");
    match call::relpathat(dir, fd, &mut buffer) {
        Ok(len) => same(&buffer[..len], b"paths"),
        // It is a scheme's to know that.
        Err(e) => same(e.errno(), EOPNOTSUPP),
    }
    call::close(fd).expect("closing");
    call::close(dir).expect("closing");
}

fn calls_of_schemes() {
    use libredox::protocol::NsDup;
    // A file system has no verbs of its own.
    let fd = file("calls");
    let mut payload = [0u8; 8];
    let flags = || libredox_flags();
    let results = [
        call::call_ro(fd, &mut payload, flags(), &[77]),
        call::call_wo(fd, &[0; 8], flags(), &[77]),
        call::call_rw(fd, &mut payload.clone(), flags(), &[77]),
    ];
    for result in results {
        let errno = number(result);
        assert!(matches!(errno, Some(EOPNOTSUPP | EINVAL | ENOSYS)), "{errno:?}");
    }
    // Two descriptors of two schemes are not one call's.
    let ns = call::getns().expect("a namespace");
    let two: &[usize] = &[fd, ns];
    same(number(call::call_ro(two, &mut payload, flags(), &[77])), Some(EXDEV));
    // A payload that means something: a namespace with fewer permissions.
    let verb = (NsDup::ShrinkPermissions as usize).to_ne_bytes();
    let less = call::dup(ns, [verb, 0usize.to_ne_bytes()].concat()).expect("less");
    same(number(call::openat(less, "/scheme", O_RDONLY | O_DIRECTORY, 0)), Some(EACCES));
    // A token is a socket's.
    assert!(call::get_socket_token(fd, &mut payload).is_err());
    for fd in [fd, less] {
        call::close(fd).expect("closing");
    }
}

fn libredox_flags() -> syscall::CallFlags {
    syscall::CallFlags::empty()
}

fn maps() {
    let fd = file("maps");
    call::write(fd, &[7; 4096]).expect("writing");
    let args = |flags, fd| call::MmapArgs {
        addr: core::ptr::null_mut(),
        length: 5000,
        prot: PROT_READ | PROT_WRITE,
        flags,
        fd,
        offset: 0,
    };
    // SAFETY: new memory, used within its bounds, and unmapped once.
    unsafe {
        let memory = call::mmap(args(MAP_PRIVATE | libc::MAP_ANON as u32, usize::MAX)).expect("memory");
        let bytes = memory.cast::<u8>();
        same(bytes.add(4999).read(), 0);
        bytes.add(4999).write(9);
        same(call::munmap(memory, 5000).ok(), Some(()));
        if let Ok(memory) = call::mmap(call::MmapArgs { length: 4096, ..args(MAP_PRIVATE, fd) }) {
            same(memory.cast::<u8>().read(), 7);
            call::munmap(memory, 4096).expect("unmapping");
        }
        same(number(call::mmap(args(MAP_PRIVATE, 1 << 20))), Some(EBADF));
        same(number(call::mmap(call::MmapArgs { prot: 0x80, ..args(MAP_PRIVATE, fd) })), Some(EINVAL));
    }
    call::close(fd).expect("closing");
}

fn time() {
    for clock in [CLOCK_MONOTONIC, CLOCK_REALTIME] {
        let first = call::clock_gettime(clock).expect("a time");
        let second = call::clock_gettime(clock).expect("a time");
        assert!((first.tv_sec, first.tv_nsec) <= (second.tv_sec, second.tv_nsec));
    }
    same(number(call::clock_gettime(12345)), Some(EINVAL));
}

fn identity() {
    same(call::getpid().ok(), Some(std::process::id() as usize));
    // SAFETY: these answer numbers.
    let (user, effective, group) = unsafe { (libc::getuid(), libc::geteuid(), libc::getgid()) };
    same(call::getruid().ok(), Some(user as usize));
    same(call::geteuid().ok(), Some(effective as usize));
    same(call::getrgid().ok(), Some(group as usize));
    same(call::getegid().ok(), Some(group as usize));
    let mut meta = [0; size_of::<libredox::protocol::ProcMeta>()];
    assert!(call::get_proc_credentials(1 << 20, 1, &mut meta).is_err());
    // Those of others are told by a file of `proc`.
    let flags = libc::O_RDONLY;
    let all = libredox::Fd::open("/scheme/proc/proc-creds-capability", flags, 0).expect("proc");
    call::get_proc_credentials(all.raw(), 1, &mut meta).expect("those of the first");
    same(u32::from_ne_bytes([meta[0], meta[1], meta[2], meta[3]]), 1);
    same(number(call::get_proc_credentials(all.raw(), 1 << 14, &mut meta)), Some(ESRCH));
    same(number(call::kill(1 << 14, SIGKILL as u32)), Some(ESRCH));
    // Namespaces have no numbers, but for none and the present one.
    same(number(call::setrens(1, 1)), Some(EINVAL));
    same(call::setrens(usize::MAX, usize::MAX).ok(), Some(0));
    assert!(call::getns().is_ok());
    // SAFETY: the child ends without coming back.
    let pid = unsafe { libc::fork() };
    if pid == 0 {
        let none = call::setrens(0, 0) == Ok(0) && call::getns().is_err();
        let nothing = |path| number(call::open(path, flags, 0)) == Some(ENOENT);
        let nothing = nothing("/scheme/null") && nothing("/") && nothing(".");
        // SAFETY: nothing is left to be done.
        unsafe { libc::_exit(i32::from(!(none && nothing))) };
    }
    let mut status = -1;
    same(call::waitpid(pid as usize, &mut status, 0).ok(), Some(pid as usize));
    same(status, 0);
}

fn children() {
    // SAFETY: the child ends without coming back.
    let pid = unsafe { libc::fork() };
    if pid == 0 {
        // SAFETY: nothing is left to be done.
        unsafe { libc::_exit(42) };
    }
    let mut status = -1;
    same(call::waitpid(pid as usize, &mut status, 0).ok(), Some(pid as usize));
    same(libredox::protocol::wexitstatus(status as usize), 42);
    same(number(call::waitpid(pid as usize, &mut status, 0)), Some(ECHILD));
    // SAFETY: as above.
    let pid = unsafe { libc::fork() };
    if pid == 0 {
        loop {
            // SAFETY: it waits for a signal.
            unsafe { libc::pause() };
        }
    }
    same(call::waitpid(pid as usize, &mut status, WNOHANG as i32).ok(), Some(0));
    same(call::kill(pid as usize, SIGKILL as u32).ok(), Some(()));
    same(call::waitpid(pid as usize, &mut status, 0).ok(), Some(pid as usize));
    same(libredox::protocol::wtermsig(status as usize), SIGKILL as usize);
    same(number(call::kill(999_999, 0)), Some(ESRCH));
}

fn signals() {
    static SEEN: core::sync::atomic::AtomicUsize = core::sync::atomic::AtomicUsize::new(0);
    extern "C" fn handle(_: i32) {
        SEEN.fetch_add(1, core::sync::atomic::Ordering::Relaxed);
    }
    // SAFETY: all bytes zero are an action and a set.
    let (mut action, mut former, mut set, mut old) = unsafe {
        (
            core::mem::zeroed::<libredox::data::SigAction>(),
            core::mem::zeroed::<libredox::data::SigAction>(),
            core::mem::zeroed::<libredox::data::SigSet>(),
            core::mem::zeroed::<libredox::data::SigSet>(),
        )
    };
    action.sa_sigaction = handle as *const () as usize;
    same(call::sigaction(SIGUSR1, Some(&action), Some(&mut former)).ok(), Some(()));
    same(call::sigaction(SIGUSR1, None, Some(&mut action)).ok(), Some(()));
    same(action.sa_sigaction, handle as *const () as usize);
    // SAFETY: a set to be changed.
    unsafe { libc::sigaddset((&raw mut set).cast(), SIGUSR1) };
    same(call::sigprocmask(SIG_BLOCK, Some(&set), Some(&mut old)).ok(), Some(()));
    // SAFETY: a signal that is blocked and has a handler.
    unsafe { libc::raise(SIGUSR1) };
    let seen = || SEEN.load(core::sync::atomic::Ordering::Relaxed);
    same(seen(), 0);
    same(call::sigprocmask(SIG_SETMASK, Some(&old), None).ok(), Some(()));
    same(seen(), 1);
    same(call::sigaction(SIGUSR1, Some(&former), None).ok(), Some(()));
    same(number(call::sigaction(SIGKILL, Some(&action), None)), Some(EINVAL));
    same(number(call::sigprocmask(99, Some(&set), None)), Some(EINVAL));
}

fn texts_of_errors() {
    let mut room = [0; 64];
    let (text, len) = call::strerror(ENOENT as u16, &mut room).expect("a text");
    assert!(!text.is_empty());
    same(text.len(), len);
    let whole = text.to_owned();
    let mut little = [0; 4];
    let (cut, len) = call::strerror(ENOENT as u16, &mut little).expect("a text");
    same(cut, &whole[..4]);
    same(len, whole.len());
}

fn namespaces() {
    let ns = call::getns().expect("a namespace");
    same(call::getens().ok(), Some(ns));
    let names = [b"null".as_slice(), b"rand"].map(ioslice::IoSlice::new);
    let fork = call::mkns(&names).expect("a fork");
    let open = |ns, path: &str| call::openat(ns, path, O_RDWR, 0).map(|fd| call::close(fd).is_ok());
    same(open(fork, "/scheme/null").ok(), Some(true));
    same(number(open(fork, "/scheme/zero")), Some(ENODEV));
    // What is sent to be bound is gone here.
    let null = call::openat(ns, "/scheme/null", O_RDWR, 0).expect("null");
    same(number(call::register_scheme_to_ns(fork, "mine", null)), None);
    same(number(call::close(null)), Some(EBADF));
    same(open(fork, "/scheme/mine").ok(), Some(true));
    let null = call::openat(ns, "/scheme/null", O_RDWR, 0).expect("null");
    same(number(call::register_scheme_to_ns(fork, "mine", null)), Some(EEXIST));
    // What was refused stays.
    same(call::close(null).ok(), Some(()));
    let former = call::setns(fork).expect("a former one");
    let inside = (
        open_absolute("/scheme/mine"),
        open_absolute("/scheme/zero"),
        open_absolute("/tmp"),
    );
    let back = call::setns(former).expect("the fork");
    same(inside, (None, Some(ENODEV), Some(ENODEV)));
    same(open_absolute("/tmp"), None);
    same(call::close(back).ok(), Some(()));
    same(number(call::mkns(&[ioslice::IoSlice::new(b"nosuch")])), Some(ENODEV));
}

fn open_absolute(path: &str) -> Option<i32> {
    match call::open(path, O_RDONLY, 0) {
        Ok(fd) => {
            call::close(fd).expect("closing");
            None
        }
        Err(e) => Some(e.errno()),
    }
}

fn descriptors_that_are_none() {
    let mut buffer = [0; 64];
    let times = [TimeSpec { tv_sec: 0, tv_nsec: 0 }; 2];
    for fd in [usize::MAX, 1 << 20, 1 << 62 | 12345] {
        let answers = [
            ("openat", number(call::openat(fd, "x", O_RDONLY, 0))),
            ("dup", number(call::dup(fd, []))),
            ("read", number(call::read(fd, &mut buffer))),
            ("write", number(call::write(fd, b"x"))),
            ("fchmod", number(call::fchmod(fd, 0))),
            ("fchown", number(call::fchown(fd, 0, 0))),
            ("getdents", number(call::getdents(fd, &mut buffer, 0))),
            ("fstat", number(call::fstat(fd))),
            ("fstatvfs", number(call::fstatvfs(fd))),
            ("fsync", number(call::fsync(fd))),
            ("fdatasync", number(call::fdatasync(fd))),
            ("ftruncate", number(call::ftruncate(fd, 0))),
            ("futimens", number(call::futimens(fd, &times))),
            ("unlinkat", number(unlinkat(fd, "x", 0))),
            ("fpath", number(call::fpath(fd, &mut buffer))),
            ("relpathat", number(call::relpathat(fd, fd, &mut buffer))),
            ("close", number(call::close(fd))),
            ("call_ro", number(call::call_ro(fd, &mut buffer, libredox_flags(), &[]))),
            ("fcntl", number(call::fcntl(fd, F_GETFD as usize, 0))),
            ("register", number(call::register_scheme_to_ns(fd, "x", 0))),
            ("dup2", number(dup2(fd, 60))),
        ];
        for (name, errno) in answers {
            assert_eq!(errno, Some(EBADF), "{name} {fd:#x}");
        }
    }
}
