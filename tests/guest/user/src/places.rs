//! Names that are bound to several directories, each at its own path.

use alloc::{string::String, vec::Vec};

use cap_abi::{Rights, resolve};
use guest_test::{Outcome, check, check_eq, check_error};
use nsmgr_api::{self as api, UnbindFlags, Verb};
use redox_rt::{Error, Fd, Result, fs, namespace as ns, sys};
use syscall::{
    EBUSY, EISDIR, ENODEV, ENOENT, EPERM, EROFS, ESTALE,
    dirent::DirentIter,
    flag::{CallFlags, MODE_DIR, MODE_TYPE, O_CREAT, O_DIRECTORY, O_RDONLY, O_RDWR},
};

pub fn run() -> i32 {
    guest_test::run!["places" =>
        each_is_at_its_own_path, nothing_else_is_there, a_place_cannot_be_left,
        what_leads_there_is_a_directory, a_limited_directory_stays_limited, rights_are_the_places,
        unbinding_a_place_ends_it, places_above_a_whole_scheme, what_only_led_to_places_becomes_one,
    ]
}

fn own() -> Result<usize> {
    ns::namespace().ok_or(Error::new(ENOENT))
}

fn at(directory: &Fd, path: &str, flags: usize) -> Result<Fd> {
    directory.open(path.as_bytes(), flags)
}

fn list(directory: &Fd) -> Result<Vec<String>> {
    let (mut names, mut after) = (Vec::new(), 0);
    loop {
        let mut buffer = [0; 512];
        let len = fs::getdents(directory.raw(), &mut buffer, after)?;
        if len == 0 {
            names.sort();
            return Ok(names);
        }
        for entry in DirentIter::new(buffer.get(..len).unwrap_or(&[])) {
            let (header, name) = entry.map_err(|_| Error::new(syscall::EIO))?;
            after = header.next_opaque_id;
            let name = name.split(|byte| *byte == 0).next().unwrap_or(&[]);
            if !matches!(name, b"." | b"..") {
                names.push(String::from_utf8_lossy(name).into_owned());
            }
        }
    }
}

fn make_directory(path: &str) -> Result<()> {
    let flags = O_CREAT | O_DIRECTORY | O_RDONLY | 0o755;
    ns::open(path.as_bytes(), flags, sys::FD_ANY_UPPER)
        .map(Fd::from_raw)
        .map(drop)
}

fn write(path: &str, text: &str) -> Result<()> {
    let flags = O_CREAT | O_RDWR | 0o644;
    let file = Fd::from_raw(ns::open(path.as_bytes(), flags, sys::FD_ANY_UPPER)?);
    file.write_exact(text.as_bytes())
}

fn read(file: &Fd) -> Result<String> {
    let mut text = [0; 64];
    let len = file.read(&mut text)?;
    Ok(String::from_utf8_lossy(text.get(..len).unwrap_or(&[])).into_owned())
}

fn bind(ns: &Fd, path: &str, rights: Rights) -> Result<()> {
    let flags = O_RDONLY | O_DIRECTORY;
    let directory = Fd::from_raw(ns::open(path.as_bytes(), flags, sys::FD_ANY_UPPER)?);
    let payload = api::register_place_payload(rights, b"file", path.as_bytes());
    let register = ns::ask_for(ns.raw(), &payload)?;
    register.send(directory, &[]).map(drop)
}

/// A namespace with two directories; beside them is what it must not reach.
fn world() -> Result<Fd> {
    for path in [
        "/t",
        "/t/home",
        "/t/home/me",
        "/t/home/me/in",
        "/t/home/you",
        "/t/tmp",
    ] {
        match make_directory(path) {
            Err(error) if error.errno != syscall::EEXIST => return Err(error),
            _ => (),
        }
    }
    write("/t/home/me/file", "mine")?;
    write("/t/home/you/file", "yours")?;
    write("/t/tmp/file", "everybody's")?;
    let ns = ns::fork_namespace(own()?, core::iter::empty())?;
    bind(&ns, "/t/home/me", Rights::FULL)?;
    bind(&ns, "/t/tmp", Rights::READ_ONLY)?;
    Ok(ns)
}

fn each_is_at_its_own_path() -> Outcome {
    let ns = world()?;
    for (path, text) in [
        ("/t/home/me/file", "mine"),
        ("/scheme/file/t/home/me/file", "mine"),
        ("file:/t/home/me/file", "mine"),
        ("/t/home/me/in/../file", "mine"),
        ("/t/home/../home/me/file", "mine"),
        ("/t/./tmp/file", "everybody's"),
    ] {
        check_eq!(read(&at(&ns, path, O_RDONLY)?)?, text, "{path}");
    }
    let made = at(&ns, "/t/home/me/in/made", O_CREAT | O_RDWR | 0o644)?;
    made.write_exact(b"made")?;
    check!(
        ns::open(b"/t/home/me/in/made", O_RDONLY, sys::FD_ANY_UPPER)
            .map(Fd::from_raw)
            .is_ok()
    );
    sys::unlinkat(ns.raw(), b"/t/home/me/in/made", 0)?;
    check_error!(at(&ns, "/t/home/me/in/made", O_RDONLY), ENOENT);
    Ok(())
}

fn nothing_else_is_there() -> Outcome {
    let ns = world()?;
    for path in [
        "/t/home/you/file",
        "/t/home/you",
        "/etc",
        "/t/home/m",
        "/t/home/mee",
        "/t/file",
    ] {
        check_error!(at(&ns, path, O_RDONLY), ENOENT, "{path}");
        check_error!(
            sys::unlinkat(ns.raw(), path.as_bytes(), 0),
            ENOENT,
            "{path}"
        );
    }
    for (path, errno) in [
        ("/t/new", EROFS),
        ("/new", EROFS),
        ("/t/home/new", EROFS),
        ("/t/new/deeper", ENOENT),
        ("/t/home", EISDIR),
    ] {
        check_error!(at(&ns, path, O_CREAT | O_RDWR | 0o644), errno, "{path}");
    }
    for path in ["/t", "/t/home", "/t/home/me", "/t/tmp/", "/"] {
        check_error!(
            sys::unlinkat(ns.raw(), path.as_bytes(), syscall::AT_REMOVEDIR),
            EBUSY,
            "{path}"
        );
    }
    check_error!(at(&ns, "/scheme/zero", O_RDONLY), ENODEV);
    Ok(())
}

fn a_place_cannot_be_left() -> Outcome {
    let ns = world()?;
    for path in [
        "/t/home/me/..",
        "/t/home/me/../you/file",
        "/t/home/me/../me/file",
        "/t/home/me/in/../../you/file",
        "/t/home/me/../../../t/home/you/file",
    ] {
        check_error!(at(&ns, path, O_RDONLY), EPERM, "{path}");
    }
    // Nor by a link.
    for (name, target) in [
        ("up", "../you/file"),
        ("root", "/t/home/you/file"),
        ("good", "in/../file"),
    ] {
        let path = alloc::format!("/t/home/me/{name}");
        let flags = O_CREAT | syscall::O_SYMLINK | syscall::O_EXCL | O_RDWR | 0o777;
        if let Ok(link) = ns::open(path.as_bytes(), flags, sys::FD_ANY_UPPER) {
            Fd::from_raw(link).write_exact(target.as_bytes())?;
        }
    }
    check_error!(at(&ns, "/t/home/me/up", O_RDONLY), EPERM);
    check_error!(at(&ns, "/t/home/me/root", O_RDONLY), EPERM);
    check_eq!(read(&at(&ns, "/t/home/me/good", O_RDONLY)?)?, "mine");
    let me = at(&ns, "/t/home/me", O_RDONLY | O_DIRECTORY)?;
    check!(!me.rights()?.contains(Rights::ESCAPE));
    check_error!(at(&me, "..", O_RDONLY), EPERM);
    check_error!(at(&me, "/t/home/you/file", O_RDONLY), EPERM);
    check_error!(at(&me, "in/../../you", O_RDONLY), EPERM);
    check!(at(&me, "in/..", O_RDONLY).is_ok());
    Ok(())
}

fn what_leads_there_is_a_directory() -> Outcome {
    let ns = world()?;
    for (path, names) in [
        ("/", &["t"][..]),
        ("/scheme/file", &["t"]),
        ("/t", &["home", "tmp"]),
        ("/t/home/", &["me"]),
        ("/t/home/me", &["file", "good", "in", "root", "up"]),
    ] {
        let directory = at(&ns, path, O_RDONLY | O_DIRECTORY)?;
        check_eq!(list(&directory)?, names, "{path}");
        check_eq!(directory.stat()?.st_mode & MODE_TYPE, MODE_DIR, "{path}");
    }
    let home = at(&ns, "/t/home", O_RDONLY | O_DIRECTORY)?;
    let mut text = [0; 64];
    let len = sys::fpath(home.raw(), &mut text)?;
    check_eq!(text.get(..len).unwrap_or(&[]), b"/scheme/file/t/home");
    check_eq!(read(&at(&home, "me/file", O_RDONLY)?)?, "mine");
    check_eq!(read(&at(&home, "../tmp/file", O_RDONLY)?)?, "everybody's");
    check_error!(at(&home, "you/file", O_RDONLY), ENOENT);
    check_error!(home.write(b"x"), syscall::EBADF);
    // As a current directory.
    let before = Fd::from_raw(sys::dup(
        ns::directory().ok_or(Error::new(ENOENT))?,
        b"",
        sys::FD_ANY_UPPER,
    )?);
    ns::set_directory(home)?;
    let file = ns::open(b"me/in/../file", O_RDONLY, sys::FD_ANY_UPPER).map(Fd::from_raw);
    let missing = ns::open(b"you", O_RDONLY, sys::FD_ANY_UPPER).map(Fd::from_raw);
    ns::set_directory(before)?;
    check_eq!(read(&file?)?, "mine");
    check_error!(missing, ENOENT);
    Ok(())
}

fn a_limited_directory_stays_limited() -> Outcome {
    let ns = world()?;
    let home = at(&ns, "/t/home", O_RDONLY | O_DIRECTORY)?;
    for (path, errno) in [
        ("..", EPERM),
        ("../tmp/file", EPERM),
        ("/t/tmp/file", EPERM),
    ] {
        let flags = O_RDONLY | resolve::RESOLVE_BENEATH;
        check_error!(at(&home, path, flags), errno, "{path}");
    }
    check!(at(&home, "me/file", O_RDONLY | resolve::RESOLVE_BENEATH).is_ok());
    check_error!(
        at(&home, "me/file", O_RDONLY | resolve::RESOLVE_NO_XDEV),
        EPERM
    );
    // What is in a place would have to take this directory for its root.
    let in_root = O_RDONLY | resolve::RESOLVE_IN_ROOT;
    check_error!(at(&home, "../../me/file", in_root), EPERM);
    check!(at(&home, "../..", in_root).is_ok());
    home.limit_beneath()?;
    check_error!(at(&home, "..", O_RDONLY), EPERM);
    check_error!(at(&home, "/t/tmp/file", O_RDONLY), EPERM);
    check_eq!(read(&at(&home, "me/file", O_RDONLY)?)?, "mine");
    Ok(())
}

fn rights_are_the_places() -> Outcome {
    let ns = world()?;
    check_eq!(read(&at(&ns, "/t/tmp/file", O_RDONLY)?)?, "everybody's");
    for flags in [O_RDWR, O_CREAT | O_RDWR | 0o644] {
        check_error!(at(&ns, "/t/tmp/file", flags), EPERM, "{flags:#x}");
    }
    check_error!(at(&ns, "/t/tmp/new", O_CREAT | O_RDWR | 0o644), EPERM);
    check_error!(sys::unlinkat(ns.raw(), b"/t/tmp/file", 0), EPERM);
    let tmp = at(&ns, "/t/tmp", O_RDONLY | O_DIRECTORY)?;
    check_error!(at(&tmp, "file", O_RDWR), EPERM);
    Ok(())
}

fn unbinding_a_place_ends_it() -> Outcome {
    let ns = world()?;
    let heir = ns::fork_namespace(ns.raw(), [&b"file"[..]].into_iter())?;
    let file = at(&heir, "/t/home/me/file", O_RDONLY)?;
    let payload = api::place_payload(b"file", b"/t/home/me");
    let verb = [Verb::UnbindPlace as u64, UnbindFlags::REVOKE.bits()];
    let unbind = |ns: &Fd| sys::call_write(ns.raw(), &payload, CallFlags::empty(), &verb);
    check_error!(unbind(&heir), EPERM);
    unbind(&ns)?;
    check_error!(read(&file), ESTALE);
    check_error!(at(&ns, "/t/home/me/file", O_RDONLY), ENOENT);
    check_error!(at(&ns, "/t/home", O_RDONLY), ENOENT);
    check!(at(&heir, "/t/home/me/file", O_RDONLY).is_err());
    check_eq!(read(&at(&heir, "/t/tmp/file", O_RDONLY)?)?, "everybody's");
    Ok(())
}

/// A descriptor of a directory that led to places, at the path of a place: the empty path is that place.
fn what_only_led_to_places_becomes_one() -> Outcome {
    let ns = world()?;
    let above = at(&ns, "/t/home", O_RDONLY | O_DIRECTORY)?;
    check_error!(at(&above, "you/file", O_RDONLY), ENOENT);
    bind(&ns, "/t/home", Rights::FULL)?;
    check_eq!(
        list(&at(&above, "", O_RDONLY | O_DIRECTORY)?)?,
        ["me", "you"]
    );
    check_eq!(read(&at(&above, "you/file", O_RDONLY)?)?, "yours");
    Ok(())
}

fn places_above_a_whole_scheme() -> Outcome {
    drop(world()?);
    let ns = ns::fork_namespace(own()?, [&b"file"[..]].into_iter())?;
    bind(&ns, "/t/tmp", Rights::READ_ONLY)?;
    check_eq!(read(&at(&ns, "/t/home/you/file", O_RDONLY)?)?, "yours");
    check_error!(at(&ns, "/t/tmp/file", O_RDWR), EPERM);
    check_eq!(read(&at(&ns, "/t/tmp/file", O_RDONLY)?)?, "everybody's");
    // The root that is handed out leads there too.
    let root = at(&ns, "/scheme/file", O_RDONLY | O_DIRECTORY)?;
    check_error!(at(&root, "t/tmp/file", O_RDWR), EPERM);
    check_eq!(read(&at(&root, "t/home/you/file", O_RDWR)?)?, "yours");
    Ok(())
}
