//! Path resolution in the file systems: every row of `tests/resolve-cases.toml`, with the flag on the
//! call and with the limit on the descriptor.

use alloc::{format, string::String};

use crate::races::a_directory_that_moves_is_no_way_out;
use cap_abi::resolve::{RESOLVE_BENEATH, RESOLVE_NO_SYMLINKS};
use guest_test::{Failure, Outcome, check, check_eq, check_error, fail};
use redox_rt::{Error, Fd, Result, fs, namespace as ns, sys};
use syscall::{
    EACCES, EAGAIN, EBADF, ELOOP, EPERM, EROFS,
    flag::{
        AT_REMOVEDIR, O_CREAT, O_DIRECTORY, O_EXCL, O_NOFOLLOW, O_NONBLOCK, O_RDONLY, O_RDWR,
        O_STAT, O_SYMLINK, O_WRONLY,
    },
};
use tree_fixture::{
    Build, build,
    cases::{Case, Expect, Flag, Which, cases, fixture},
};

pub fn run() -> i32 {
    guest_test::run!["files" =>
        every_row, every_row_in_the_initial_files, a_directory_that_moves_is_no_way_out, nothing_leaves_a_limited_directory, a_limit_stays,
        the_initial_files_cannot_be_changed, files_are_written_and_read, content_takes_blocks, a_limited_root_is_a_sandbox,
        a_limited_directory_has_pipes, mapped_files_are_the_same_files, locks_are_advisory, what_is_synced_stays,
    ]
}

/// A file system may do less than it is asked to.
fn write_all(file: &Fd, data: &[u8]) -> Result<()> {
    let mut rest = data;
    while !rest.is_empty() {
        rest = rest.get(file.write(rest)?..).unwrap_or(&[]);
    }
    Ok(())
}

/// Leaves a file that nobody has synced, for the runner to look for.
pub fn leave() -> i32 {
    let mut data = alloc::vec![0; disk_image::KEPT];
    disk_image::fill(0, 0, &mut data);
    let written =
        open("/kept", O_CREAT | O_WRONLY | 0o600).and_then(|file| write_all(&file, &data));
    match written {
        Ok(()) => redox_rt::println!("left"),
        Err(error) => redox_rt::eprintln!("test-user: /kept: {error}"),
    }
    i32::from(written.is_err())
}

/// The machine ends in the middle of things; the runner looks at the disk afterwards.
pub fn cut() -> i32 {
    let code = guest_test::run!["cut" => what_is_synced_stays, much_is_under_way];
    let machine = open("/scheme/kernel.sys", O_RDWR);
    // What the first process would say.
    redox_rt::println!("@done {code}");
    // Nothing is written back: the emulator is told to stop.
    match machine.and_then(|machine| machine.call(&[2, code as u64])) {
        Ok(_) => code,
        Err(error) => {
            redox_rt::eprintln!("test-user: ending the machine: {error}");
            1
        }
    }
}

/// Builds a tree below a directory.
struct Builder<'a>(&'a Fd);

impl Build for Builder<'_> {
    type Error = Error;

    fn dir(&mut self, path: &str, mode: u16) -> Result<()> {
        let flags = O_CREAT | O_DIRECTORY | O_RDONLY | usize::from(mode);
        self.0.open(path.as_bytes(), flags).map(drop)
    }

    fn file(&mut self, path: &str, data: &[u8]) -> Result<()> {
        let file = self.0.open(path.as_bytes(), O_CREAT | O_WRONLY | 0o644)?;
        if data.is_empty() {
            Ok(())
        } else {
            file.write_exact(data)
        }
    }

    fn link(&mut self, path: &str, target: &str) -> Result<()> {
        let link = self
            .0
            .open(path.as_bytes(), O_CREAT | O_SYMLINK | O_WRONLY)?;
        link.write_exact(target.as_bytes())
    }

    fn hard(&mut self, path: &str, existing: &str) -> Result<()> {
        let file = self.0.open(existing.as_bytes(), O_STAT)?;
        fs::linkat(file.raw(), self.0.raw(), path.as_bytes(), 0)
    }

    fn chmod(&mut self, path: &str, mode: u16) -> Result<()> {
        let directory = self.0.open(path.as_bytes(), O_STAT)?;
        fs::fchmod(directory.raw(), mode)
    }
}

pub fn open(path: &str, flags: usize) -> Result<Fd> {
    ns::open(path.as_bytes(), flags, sys::FD_ANY_UPPER).map(Fd::from_raw)
}

fn fresh(name: &str, which: Which) -> Result<Fd> {
    let top = format!("/{name}");
    let flags = O_CREAT | O_EXCL | O_DIRECTORY | O_RDONLY | 0o755;
    let directory = open(&top, flags)?;
    build(
        &fixture(which, &format!("{top}/root")),
        &mut Builder(&directory),
    )?;
    Ok(directory)
}

const fn bits(case: &Case) -> usize {
    match case.flag {
        Flag::Beneath => RESOLVE_BENEATH,
        Flag::NoSymlinks => RESOLVE_NO_SYMLINKS,
    }
}

/// What names a file to the end of the test.
fn identity(file: &Fd) -> Result<u64> {
    file.stat().map(|stat| stat.st_ino)
}

fn judge(top: &Fd, case: &Case, how: &str, got: Result<Fd>) -> Outcome {
    match (&case.expect, got) {
        (Expect::Resolves(None), Ok(_)) => {}
        (Expect::Resolves(Some(target)), Ok(found)) => {
            let path = format!("{}/{target}", case.start);
            let wanted = top.open(path.as_bytes(), O_STAT | O_NOFOLLOW)?;
            check_eq!(identity(&found)?, identity(&wanted)?, "{how} {case:?}");
        }
        (Expect::Escape, Err(error)) if error.errno == EPERM => {}
        (Expect::Loop, Err(error)) if error.errno == ELOOP => {}
        (_, got) => fail!("{how} {case:?}: {got:?}"),
    }
    Ok(())
}

/// Every row about one of the trees, in the directory that holds it; how many there are.
fn rows(top: &Fd, which: Which) -> core::result::Result<usize, Failure> {
    let all = cases();
    let rows = all.iter().filter(|case| case.tree == which);
    let mut count = 0;
    for case in rows {
        let start = top.open(case.start.as_bytes(), O_RDONLY | O_DIRECTORY)?;
        let plain = O_STAT | if case.no_follow { O_NOFOLLOW } else { 0 };
        let path = case.path.as_bytes();
        judge(top, case, "call", start.open(path, plain | bits(case)))?;
        count += 1;
        if case.flag == Flag::Beneath {
            start.limit_beneath()?;
            judge(top, case, "descriptor", start.open(path, plain))?;
            let copy = start.dup(b"")?;
            judge(top, case, "copy", copy.open(path, plain))?;
            let again = start.open(b".", O_RDONLY | O_DIRECTORY)?;
            judge(top, case, "opened through it", again.open(path, plain))?;
        }
    }
    Ok(count)
}

const TREES: [(&str, Which); 2] = [("rows-a", Which::Resolve), ("rows-b", Which::Policing)];

fn every_row() -> Outcome {
    let mut count = 0;
    for (name, which) in TREES {
        count += rows(&fresh(name, which)?, which)?;
    }
    check_eq!(count, cases().len());
    Ok(())
}

/// The runner has put the trees there.
fn every_row_in_the_initial_files() -> Outcome {
    let mut count = 0;
    for (name, which) in TREES {
        let path = format!("/scheme/initfs/fixture/{name}");
        count += rows(&open(&path, O_RDONLY | O_DIRECTORY)?, which)?;
    }
    check_eq!(count, cases().len());
    Ok(())
}

fn nothing_leaves_a_limited_directory() -> Outcome {
    let top = fresh("leaves", Which::Resolve)?;
    let escapes = cases();
    let escapes = escapes.iter().filter(|case| {
        case.tree == Which::Resolve && case.flag == Flag::Beneath && case.expect == Expect::Escape
    });
    for case in escapes {
        let start = top.open(case.start.as_bytes(), O_RDONLY | O_DIRECTORY)?;
        start.limit_beneath()?;
        let victim = start.open(b"victim", O_CREAT | O_RDWR | 0o644)?;
        let inside: String = format!("{}/new", case.path);
        for flags in [
            O_CREAT | O_RDWR,
            O_CREAT | O_DIRECTORY,
            O_CREAT | O_SYMLINK | O_WRONLY,
        ] {
            check_error!(start.open(inside.as_bytes(), flags), EPERM, "{case:?}");
        }
        for flags in [0, AT_REMOVEDIR] {
            let removed = sys::unlinkat(start.raw(), inside.as_bytes(), flags);
            check_error!(removed, EPERM, "{case:?}");
        }
        let linked = fs::linkat(victim.raw(), start.raw(), inside.as_bytes(), 0);
        check_error!(linked, EPERM, "{case:?}");
        let away = fs::renameat(start.raw(), b"victim", start.raw(), inside.as_bytes(), 0);
        check_error!(away, EPERM, "{case:?}");
        let here = fs::renameat(start.raw(), inside.as_bytes(), start.raw(), b"got", 0);
        check_error!(here, EPERM, "{case:?}");
    }
    Ok(())
}

fn a_limit_stays() -> Outcome {
    let top = fresh("stays", Which::Policing)?;
    let directory = top.open(b"root/subdir", O_RDONLY | O_DIRECTORY)?;
    check!(directory.open(b"../topfile", O_STAT).is_ok());
    directory.limit_beneath()?;
    check_error!(directory.open(b"../topfile", O_STAT), EPERM);
    check!(!directory.rights()?.contains(sys::Rights::ESCAPE));
    // Nothing widens it again.
    directory.limit(sys::Rights::FULL)?;
    check_error!(directory.open(b"../topfile", O_STAT), EPERM);
    let reopened = directory.open(b"", O_RDONLY | O_DIRECTORY)?;
    check_error!(reopened.open(b"../topfile", O_STAT), EPERM);
    Ok(())
}

fn the_initial_files_cannot_be_changed() -> Outcome {
    let folder = open("/scheme/initfs/etc", O_RDONLY | O_DIRECTORY)?;
    check_error!(folder.open(b"new", O_CREAT | O_WRONLY | 0o644), EROFS);
    check_error!(folder.open(b"init.d/zero.service", O_WRONLY), EROFS);
    check_error!(
        sys::unlinkat(folder.raw(), b"init.d/zero.service", 0),
        EROFS
    );
    check_error!(
        folder.open(b"../bin/init", O_RDONLY | RESOLVE_BENEATH),
        EPERM
    );
    check!(folder.open(b"../bin/init", O_RDONLY).is_ok());
    folder.limit_beneath()?;
    check_error!(folder.open(b"../bin/init", O_RDONLY), EPERM);
    check_error!(folder.open(b"/bin/init", O_RDONLY), EPERM);
    check!(
        folder
            .open(b"init.d/../init.d/zero.service", O_RDONLY)
            .is_ok()
    );
    Ok(())
}

fn files_are_written_and_read() -> Outcome {
    let file = open("/data", O_CREAT | O_RDWR | 0o644)?;
    // More than is copied for a call, more than a page, and not whole pages.
    let data: alloc::vec::Vec<u8> = (0..150_001_usize).map(|n| (n * 7 % 251) as u8).collect();
    write_all(&file, &data)?;
    check_eq!(file.stat()?.st_size, data.len() as u64);
    let mut back = alloc::vec![0; data.len() + 10];
    check_eq!(file.read_full_at(&mut back, 0)?, data.len());
    check!(back.get(..data.len()) == Some(data.as_slice()));
    fs::ftruncate(file.raw(), 10)?;
    check_eq!(sys::lseek(file.raw(), 0, syscall::SEEK_END)?, 10);
    sys::unlinkat(ns::namespace().ok_or(Error::new(EPERM))?, b"/data", 0)?;
    check_eq!(file.stat()?.st_nlink, 0);
    check_eq!(file.read_full_at(&mut back, 0)?, 10);
    Ok(())
}

/// Programs take a file of fewer blocks than bytes for one with holes.
fn content_takes_blocks() -> Outcome {
    let file = open("/blocks", O_CREAT | O_RDWR | 0o644)?;
    check_eq!(file.stat()?.st_blocks, 0);
    // What a file system cannot make shorter.
    let mut state = 1_u32;
    let mut noise = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    for len in [1, 500, 5000, 50_000] {
        let data: alloc::vec::Vec<u8> = (0..len).map(|_| noise()).collect();
        write_all(&file, &data)?;
        for when in ["written", "synced"] {
            let stat = file.stat()?;
            check!(
                stat.st_blocks * 512 >= stat.st_size,
                "{when} {}",
                stat.st_size
            );
            sys::fsync(file.raw())?;
        }
    }
    let namespace = ns::namespace().ok_or(Error::new(EPERM))?;
    sys::unlinkat(namespace, b"/blocks", 0).map(drop)?;
    Ok(())
}

fn a_limited_root_is_a_sandbox() -> Outcome {
    use nsmgr_api::RegisterFlags;
    let top = fresh("sandbox", Which::Resolve)?;
    let root = top.open(b"root", O_RDONLY | O_DIRECTORY)?;
    let names = nsmgr_api::fork_payload([&b"zero"[..]]);
    let own = ns::namespace().ok_or(Error::new(EPERM))?;
    let names = Fd::from_raw(sys::dup(own, &names, sys::FD_ANY_UPPER)?);
    let read = sys::Rights::READ_ONLY;
    let request = nsmgr_api::register_with_payload(read, RegisterFlags::BENEATH, b"file");
    names.dup(&request)?.send(root, &[])?;
    let open = |path: &[u8], flags| names.open(path, flags);
    check!(open(b"/etc/passwd", O_RDONLY).is_ok());
    check!(open(b"/scheme/file/etc/passwd", O_RDONLY).is_ok());
    for path in [&b"/../secret"[..], b"/cheeky/self", b"/abssym", b"/.."] {
        check_error!(open(path, O_STAT), EPERM, "{}", path.escape_ascii());
    }
    check_error!(open(b"/new", O_CREAT | O_WRONLY | 0o644), EPERM);
    check_error!(sys::unlinkat(names.raw(), b"/etc/passwd", 0), EPERM);
    let handed = open(b"/scheme/file", O_RDONLY | O_DIRECTORY)?;
    check_error!(handed.open(b"..", O_STAT), EPERM);
    check_error!(handed.open(b"new", O_CREAT | O_WRONLY), EPERM);
    Ok(())
}

fn a_limited_directory_has_pipes() -> Outcome {
    let pipe = usize::from(syscall::MODE_FIFO | 0o600);
    let top = fresh("pipes", Which::Resolve)?;
    let root = top.open(b"root", O_RDONLY | O_DIRECTORY)?;
    drop(top.open(b"secret-pipe", O_CREAT | O_EXCL | O_STAT | pipe)?);
    root.limit_beneath()?;
    drop(root.open(b"pipe", O_CREAT | O_EXCL | O_STAT | pipe)?);
    check_error!(root.open(b"../secret-pipe", O_RDWR), EPERM);
    let reader = root.open(b"pipe", O_RDONLY | O_NONBLOCK)?;
    let writer = root.open(b"pipe", O_WRONLY)?;
    writer.write_exact(b"inside")?;
    let mut bytes = [0; 9];
    check_eq!(reader.read(&mut bytes)?, 6);
    // What a directory's descriptor may not, the ends that are opened through it may not.
    root.limit(sys::Rights::READ_ONLY)?;
    check_error!(root.open(b"pipe", O_WRONLY), EPERM);
    check_error!(root.open(b"pipe", O_RDWR), EPERM);
    check!(root.open(b"pipe", O_RDONLY).is_ok());
    check_error!(reader.write(b"x"), EBADF);
    Ok(())
}

/// The runner looks at the disk for it afterwards, if there is one.
fn what_is_synced_stays() -> Outcome {
    let mut data = alloc::vec![0; disk_image::KEPT];
    disk_image::fill(0, 0, &mut data);
    let mut back = alloc::vec![0; data.len() + 1];
    // On a disk that has been through this before.
    if let Ok(file) = open("/kept", O_RDONLY) {
        check_eq!(file.read_full_at(&mut back, 0)?, data.len());
        check!(back.get(..data.len()) == Some(data.as_slice()));
        redox_rt::eprintln!("it was there");
    }
    let file = open("/kept", O_CREAT | O_RDWR | 0o600)?;
    write_all(&file, &data)?;
    sys::fsync(file.raw())?;
    check_eq!(file.read_full_at(&mut back, 0)?, data.len());
    check!(back.get(..data.len()) == Some(data.as_slice()));
    Ok(())
}

const PAGE: usize = 4096;

/// The word at the beginning of a page of a mapping, which others may change.
fn word(address: usize, page: usize) -> &'static core::sync::atomic::AtomicU64 {
    let at = core::ptr::with_exposed_provenance(address + page * PAGE);
    // SAFETY: the cases look only at words of pages that they have mapped, aligned, while they are.
    unsafe { &*at }
}

fn map(file: &Fd, pages: usize, flags: syscall::MapFlags) -> Result<usize> {
    let map = syscall::Map {
        offset: 0,
        size: pages * PAGE,
        flags: syscall::MapFlags::PROT_READ | flags,
        address: 0,
    };
    // SAFETY: a new mapping replaces nothing.
    unsafe { sys::fmap(file.raw(), &map) }
}

fn mapped_files_are_the_same_files() -> Outcome {
    use core::sync::atomic::Ordering::SeqCst;
    use syscall::MapFlags;
    let file = open("/mapped", O_CREAT | O_RDWR | 0o644)?;
    let write = MapFlags::PROT_WRITE;
    sys::write_at(file.raw(), &1_u64.to_ne_bytes(), 0, None)?;
    fs::ftruncate(file.raw(), 3 * PAGE as u64)?;
    let shared = map(&file, 3, MapFlags::MAP_SHARED | write)?;
    let again = map(&file, 3, MapFlags::MAP_SHARED)?;
    let private = map(&file, 3, MapFlags::MAP_PRIVATE | write)?;
    check_eq!(word(shared, 0).load(SeqCst), 1);
    // Through memory, to a read; through a write, to memory.
    word(shared, 2).store(2, SeqCst);
    check_eq!(word(again, 2).load(SeqCst), 2);
    let mut bytes = [0; 8];
    check_eq!(file.read_full_at(&mut bytes, 2 * PAGE as u64)?, 8);
    check_eq!(u64::from_ne_bytes(bytes), 2);
    sys::write_at(file.raw(), &3_u64.to_ne_bytes(), PAGE as u64, None)?;
    check_eq!(word(shared, 1).load(SeqCst), 3);
    word(private, 0).store(4, SeqCst);
    check_eq!(word(shared, 0).load(SeqCst), 1);
    // The file is there until nobody has it.
    sys::unlinkat(ns::namespace().ok_or(Error::new(EPERM))?, b"/mapped", 0)?;
    let reader = file.open(b"", O_RDONLY)?;
    drop(file);
    word(shared, 0).store(5, SeqCst);
    for address in [shared, again, private] {
        // SAFETY: nothing refers to the mapping any more.
        unsafe { sys::funmap(address, 3 * PAGE) }?;
    }
    for (page, value) in [(0, 5), (1, 3), (2, 2)] {
        check_eq!(reader.read_full_at(&mut bytes, page * PAGE as u64)?, 8);
        check_eq!(u64::from_ne_bytes(bytes), value, "page {page}");
    }
    check_error!(map(&reader, 1, MapFlags::MAP_SHARED | write), EACCES);
    Ok(())
}

/// Locks of open files, of which a process can have two.
fn locks_are_advisory() -> Outcome {
    use syscall::{
        CallFlags,
        StdFsCallKind::{self, GetLock, Lock, Unlock},
    };
    const OF_THE_FILE: u64 = 1 << 63;
    const EXCLUSIVE: u64 = 1 << 63;
    let ask = |file: &Fd, kind: StdFsCallKind, start: u64, word: u64, found: &mut [u64]| {
        let flags = CallFlags::STD_FS | CallFlags::READ | CallFlags::WRITE;
        let metadata = [kind as u64, start | OF_THE_FILE, word];
        let len = size_of_val(found);
        // SAFETY: the payload is `found`.
        unsafe { sys::call_raw(file.raw(), found.as_mut_ptr().cast(), len, flags, &metadata) }
    };
    let one = open("/locked", O_CREAT | O_RDWR | 0o644)?;
    let two = open("/locked", O_RDWR)?;
    ask(&one, Lock, 10, 10 | EXCLUSIVE, &mut [])?;
    check_error!(ask(&two, Lock, 15, 1, &mut []), EAGAIN);
    ask(&two, Lock, 20, 0, &mut [])?;
    let mut found = [0; 2];
    check_eq!(ask(&two, GetLock, 0, 0, &mut found)?, 0);
    check_eq!(found, [10, 10 | EXCLUSIVE]);
    ask(&one, Unlock, 12, 8, &mut [])?;
    ask(&two, Lock, 12, 1 | EXCLUSIVE, &mut [])?;
    // They go with the file.
    drop(two);
    ask(&one, Lock, 0, EXCLUSIVE, &mut [])?;
    Ok(())
}

/// More than is kept in memory, nothing of which is synced; then some time, in which it is committed, begins to
/// be, or not.
fn much_is_under_way() -> Outcome {
    const FILES: usize = 40;
    let mut data = alloc::vec![0; 150_000];
    for number in 0..FILES {
        let file = open(&format!("/under-way-{number}"), O_CREAT | O_WRONLY | 0o600)?;
        disk_image::fill(1, number as u64 * 1000, &mut data);
        write_all(&file, &data)?;
    }
    let now = sys::clock_gettime(syscall::flag::CLOCK_MONOTONIC)?;
    let wait = syscall::TimeSpec {
        tv_sec: i64::from(now.tv_nsec % 6),
        tv_nsec: now.tv_nsec,
    };
    sys::nanosleep(&wait).map_err(|(error, _)| error)?;
    Ok(())
}
