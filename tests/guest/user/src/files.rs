//! Path resolution in the file systems: every row of `tests/resolve-cases.toml`, with the flag on the
//! call and with the limit on the descriptor.

use alloc::{format, string::String};

use cap_abi::resolve::{RESOLVE_BENEATH, RESOLVE_NO_SYMLINKS};
use guest_test::{Outcome, check, check_eq, check_error, fail};
use redox_rt::{Error, Fd, Result, fs, namespace as ns, sys};
use syscall::{
    ELOOP, EPERM, EROFS,
    flag::{
        AT_REMOVEDIR, O_CREAT, O_DIRECTORY, O_EXCL, O_NOFOLLOW, O_RDONLY, O_RDWR, O_STAT,
        O_SYMLINK, O_WRONLY,
    },
};
use tree_fixture::{
    Build, build,
    cases::{Case, Expect, Flag, Which, cases, fixture},
};

pub fn run() -> i32 {
    guest_test::run!["files" =>
        every_row, nothing_leaves_a_limited_directory, a_limit_stays,
        the_initial_files_cannot_be_changed, files_are_written_and_read, a_limited_root_is_a_sandbox,
        what_is_synced_stays,
    ]
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

fn open(path: &str, flags: usize) -> Result<Fd> {
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

fn every_row() -> Outcome {
    let mut rows = 0;
    for (name, which) in [("rows-a", Which::Resolve), ("rows-b", Which::Policing)] {
        let top = fresh(name, which)?;
        for case in cases().iter().filter(|case| case.tree == which) {
            let start = top.open(case.start.as_bytes(), O_RDONLY | O_DIRECTORY)?;
            let plain = O_STAT | if case.no_follow { O_NOFOLLOW } else { 0 };
            let path = case.path.as_bytes();
            judge(&top, case, "call", start.open(path, plain | bits(case)))?;
            rows += 1;
            if case.flag == Flag::Beneath {
                start.limit_beneath()?;
                judge(&top, case, "descriptor", start.open(path, plain))?;
                let copy = start.dup(b"")?;
                judge(&top, case, "copy", copy.open(path, plain))?;
                let again = start.open(b".", O_RDONLY | O_DIRECTORY)?;
                judge(&top, case, "opened through it", again.open(path, plain))?;
            }
        }
    }
    check_eq!(rows, cases().len());
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
    let mut done = 0;
    while done < data.len() {
        done += file.write(data.get(done..).unwrap_or(&[]))?;
    }
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

/// The runner looks at the disk for it afterwards, if there is one.
fn what_is_synced_stays() -> Outcome {
    let mut data = alloc::vec![0; disk_image::KEPT];
    disk_image::fill(0, 0, &mut data);
    let file = open("/kept", O_CREAT | O_RDWR | 0o600)?;
    let mut done = 0;
    while done < data.len() {
        done += file.write(data.get(done..).unwrap_or(&[]))?;
    }
    sys::fsync(file.raw())?;
    let mut back = alloc::vec![0; data.len() + 1];
    check_eq!(file.read_full_at(&mut back, 0)?, data.len());
    check!(back.get(..data.len()) == Some(data.as_slice()));
    Ok(())
}
