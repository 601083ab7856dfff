//! Every row of `tests/resolve-cases.toml`, asked through C functions: with the flag on the call and with
//! the flag on the descriptor, from a limited descriptor, a limited current directory, a process without
//! a namespace, and with both.

use std::fs;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use cuprite_cap::{Command, Rights};
use tree_fixture::HostBuilder;
use tree_fixture::cases::{Case as Row, Expect, Flag, Which, cases, fixture};

use crate::{Case, c, same, world};

pub const CASES: &[Case] = &[
    ("rows_from_a_descriptor", rows_from_a_descriptor),
    (
        "rows_from_the_current_directory",
        rows_from_the_current_directory,
    ),
    ("rows_without_a_namespace", rows_without_a_namespace),
    (
        "rows_without_a_namespace_from_the_current_directory",
        rows_without_both,
    ),
    ("in_root", in_root),
    ("openat2_arguments", openat2_arguments),
];

/// The same rows in the initial file system, where the runner has put the trees.
pub const INITIAL: &[Case] = &[
    ("rows_from_a_descriptor", || {
        initial(rows_from_a_descriptor);
    }),
    ("rows_from_the_current_directory", || {
        initial(rows_from_the_current_directory);
    }),
    ("rows_without_a_namespace", || {
        initial(rows_without_a_namespace);
    }),
    (
        "rows_without_a_namespace_from_the_current_directory",
        || initial(rows_without_both),
    ),
];

/// Whether it is about the initial file system.
static IS_INITIAL: AtomicBool = AtomicBool::new(false);

fn initial(case: fn()) {
    IS_INITIAL.store(true, Ordering::Relaxed);
    case();
}

fn trees() -> [(Which, String); 2] {
    if IS_INITIAL.load(Ordering::Relaxed) {
        let place = |name| format!("/scheme/initfs/fixture/{name}");
        return [
            (Which::Resolve, place("rows-a")),
            (Which::Policing, place("rows-b")),
        ];
    }
    let place = |name: &str| world::base().join(format!("cap-rows-{name}"));
    let text = |path: std::path::PathBuf| path.to_str().expect("UTF-8").to_owned();
    [
        (Which::Resolve, text(place("resolve"))),
        (Which::Policing, text(place("policing"))),
    ]
}

/// Builds both trees where they are to be.
fn build() {
    if IS_INITIAL.load(Ordering::Relaxed) {
        return;
    }
    for (which, place) in trees() {
        let name = place.rsplit("cap-").next().expect("a name");
        let folder = world::folder(name);
        let root = format!("{place}/root");
        let tree = fixture(which, &root);
        tree_fixture::build(&tree, &mut HostBuilder::new(&folder)).expect("a tree");
    }
}

fn place_of(row: &Row) -> String {
    let [(_, resolve), (_, policing)] = trees();
    match row.tree {
        Which::Resolve => resolve,
        Which::Policing => policing,
    }
}

/// How a row is asked.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Way {
    /// By a flag of `openat2`.
    Openat2,
    /// By a flag of `openat`.
    Openat,
    /// By what the directory has become.
    Sticky,
}

/// Asks one row of `dir`, which is the row's start, and says what is wrong.
fn ask(row: &Row, way: Way, dir: RawFd, root: RawFd) -> Result<(), String> {
    let mut flags = libc::O_RDONLY | libc::O_PATH;
    if row.no_follow {
        flags |= libc::O_NOFOLLOW;
    }
    let got = match (way, row.flag) {
        (Way::Openat2, Flag::Beneath) => c::resolving(dir, &row.path, flags, c::RESOLVE_BENEATH),
        (_, Flag::NoSymlinks) => c::resolving(dir, &row.path, flags, c::RESOLVE_NO_SYMLINKS),
        (Way::Openat, Flag::Beneath) => c::openat(dir, &row.path, flags | c::O_RESOLVE_BENEATH),
        (Way::Sticky, Flag::Beneath) => c::openat(dir, &row.path, flags),
    };
    let node = got.and_then(|fd: OwnedFd| c::fstat(fd.as_raw_fd()));
    match (&row.expect, &node) {
        (Expect::Escape, Err(libc::EPERM)) | (Expect::Loop, Err(libc::ELOOP)) => Ok(()),
        (Expect::Resolves(None), Ok(_)) => Ok(()),
        (Expect::Resolves(Some(target)), Ok(node)) => {
            // The table's paths are from the tree's root, which is where its rows start, too.
            let want = c::stat(root, target, libc::AT_SYMLINK_NOFOLLOW);
            if want.as_ref() == Ok(node) {
                Ok(())
            } else {
                Err(format!(
                    "{} {:?} {way:?}: another node",
                    row.family, row.path
                ))
            }
        }
        (want, got) => Err(format!(
            "{} {:?} {way:?}: expected {want:?}, got {got:?}",
            row.family, row.path
        )),
    }
}

/// Asks every row of a descriptor; `enter` says what a row's start and its tree's root are asked through.
fn ask_all(enter: impl Fn(&Row) -> (OwnedFd, OwnedFd)) {
    let rows = cases();
    let mut asked = 0;
    let mut wrong = Vec::new();
    for way in [Way::Openat2, Way::Openat, Way::Sticky] {
        // The flag of `openat` is the same; there is no such flag, and no such mark, for links.
        let rows = rows
            .iter()
            .filter(|row| way == Way::Openat2 || row.flag == Flag::Beneath);
        for row in rows {
            let (start, root) = enter(row);
            if way == Way::Sticky {
                c::confine(start.as_raw_fd()).expect("confining");
            }
            wrong.extend(ask(row, way, start.as_raw_fd(), root.as_raw_fd()).err());
            asked += 1;
        }
    }
    assert!(asked > 150, "only {asked} rows");
    assert!(wrong.is_empty(), "{}: {}", wrong.len(), wrong.join("; "));
}

fn directory(path: &str) -> OwnedFd {
    c::open(path, libc::O_RDONLY | libc::O_DIRECTORY).expect("a directory")
}

fn start_and_root(row: &Row) -> (OwnedFd, OwnedFd) {
    let place = place_of(row);
    (
        directory(&format!("{place}/{}", row.start)),
        directory(&format!("{place}/root")),
    )
}

fn rows_from_a_descriptor() {
    build();
    ask_all(start_and_root);
}

/// A confined current directory stays so: each row that confines it is a process.
fn rows_from_the_current_directory() {
    build();
    let how = if IS_INITIAL.load(Ordering::Relaxed) {
        "initial-cwd"
    } else {
        "cwd"
    };
    world::succeeds("resolve", &[how]);
}

fn without_namespace(how: &str) {
    build();
    let program = fs::File::open(world::PROGRAM).expect("this program");
    let (_, resolve) = &trees()[0];
    let (_, policing) = &trees()[1];
    let [a, b, c] = [
        directory(&format!("{resolve}/root")),
        directory(&format!("{policing}/root")),
        directory(&format!("{policing}/root/subdir")),
    ];
    let status = Command::new(&program)
        .args(["test-cap", "child", "resolve", how])
        .grant(0, &std::io::stdin(), Rights::FULL)
        .grant(1, &std::io::stdout(), Rights::FULL)
        .grant(2, &std::io::stderr(), Rights::FULL)
        .grant(10, &a, Rights::FULL)
        .grant(11, &b, Rights::FULL)
        .grant(12, &c, Rights::FULL)
        .spawn()
        .and_then(|mut child| child.wait())
        .expect("a child");
    assert!(status.success(), "{status}");
}

fn rows_without_a_namespace() {
    without_namespace("given");
}

fn rows_without_both() {
    without_namespace("given-cwd");
}

/// In a process of its own. What is confined by one row must not be so for the next: for the current
/// directory there is a process for each.
pub fn child(args: &[String]) -> i32 {
    let given = |row: &Row| {
        let number = match (row.tree, row.start) {
            (Which::Resolve, _) => 10,
            (Which::Policing, "root") => 11,
            (Which::Policing, _) => 12,
        };
        let root = if number == 12 { 11 } else { number };
        // Opened anew, so that a mark on it is its own.
        let again = |fd| c::openat(fd, ".", libc::O_RDONLY | libc::O_DIRECTORY).expect("itself");
        (again(number), again(root))
    };
    let forked = |enter: &dyn Fn(&Row) -> (OwnedFd, OwnedFd)| {
        // A process for each row: once confined, always confined.
        let rows = cases();
        let mut wrong = 0;
        for row in rows.iter() {
            for way in [Way::Openat2, Way::Openat, Way::Sticky] {
                if way != Way::Openat2 && row.flag != Flag::Beneath {
                    continue;
                }
                // SAFETY: the child ends without coming back; there are no other threads.
                let pid = unsafe { libc::fork() };
                if pid == 0 {
                    let (start, root) = enter(row);
                    c::fchdir(start.as_raw_fd()).expect("fchdir");
                    if way == Way::Sticky {
                        c::confine(c::CWD).expect("confining");
                    }
                    let answer = ask(row, way, c::CWD, root.as_raw_fd());
                    if let Err(text) = &answer {
                        eprintln!("{text}");
                    }
                    // SAFETY: nothing is left to be done.
                    unsafe { libc::_exit(i32::from(answer.is_err())) };
                }
                let mut status = 0;
                // SAFETY: room for the status.
                let waited = unsafe { libc::waitpid(pid, &mut status, 0) };
                if waited != pid || status != 0 {
                    wrong += 1;
                }
            }
        }
        i32::from(wrong > 0)
    };
    match args.first().map(String::as_str) {
        Some("cwd") => forked(&start_and_root),
        Some("initial-cwd") => {
            IS_INITIAL.store(true, Ordering::Relaxed);
            forked(&start_and_root)
        }
        Some("given") => {
            if c::open("/tmp", libc::O_RDONLY).err() != Some(libc::ENOENT) {
                eprintln!("there is a namespace");
                return 1;
            }
            ask_all(given);
            0
        }
        Some("given-cwd") => forked(&given),
        _ => 99,
    }
}

fn in_root() {
    build();
    let [(_, resolve), _] = trees();
    let root = directory(&format!("{resolve}/root"));
    let passwd = c::stat(root.as_raw_fd(), "etc/passwd", 0).expect("etc/passwd");
    let rows = [
        "/etc/passwd",
        "abssym",
        "../../etc/passwd",
        "cheeky/dotdotlink",
        "cheeky/garbagelink",
        "abscheeky/abspasswd",
    ];
    for confined in [false, true] {
        if confined {
            c::confine(root.as_raw_fd()).expect("confining");
        }
        for path in rows {
            let fd = c::resolving(root.as_raw_fd(), path, libc::O_RDONLY, c::RESOLVE_IN_ROOT);
            let node = fd.and_then(|fd| c::fstat(fd.as_raw_fd()));
            assert_eq!(node, Ok(passwd), "{path} {confined}");
        }
    }
    std::env::set_current_dir(format!("{resolve}/root")).expect("chdir");
    let fd = c::resolving(c::CWD, "/etc/passwd", libc::O_RDONLY, c::RESOLVE_IN_ROOT);
    same(fd.and_then(|fd| c::fstat(fd.as_raw_fd())), Ok(passwd));
    std::env::set_current_dir("/").expect("chdir");
}

fn openat2_arguments() {
    let folder = world::folder("openat2");
    let folder = folder.to_str().expect("UTF-8");
    fs::write(Path::new(folder).join("f"), "x").expect("a file");
    let dir = directory(folder);
    let dir = dir.as_raw_fd();
    let read = c::OpenHow {
        flags: libc::O_RDONLY as u64,
        ..Default::default()
    };
    let make = |mode| c::OpenHow {
        flags: (libc::O_WRONLY | libc::O_CREAT | libc::O_EXCL) as u64,
        mode,
        ..Default::default()
    };
    let with = |resolve| c::OpenHow { resolve, ..read };
    let rows = [
        ("f", read, Ok(())),
        ("f", with(c::RESOLVE_NO_MAGICLINKS), Ok(())),
        ("f", with(c::RESOLVE_NO_XDEV), Ok(())),
        ("f", with(c::RESOLVE_CACHED), Err(libc::EAGAIN)),
        ("f", with(0x40), Err(libc::EINVAL)),
        ("f", with(1 << 40), Err(libc::EINVAL)),
        (
            "f",
            with(c::RESOLVE_BENEATH | c::RESOLVE_IN_ROOT),
            Err(libc::EINVAL),
        ),
        (
            "f",
            c::OpenHow {
                mode: 0o600,
                ..read
            },
            Err(libc::EINVAL),
        ),
        (
            "f",
            c::OpenHow {
                flags: read.flags | 1 << 40,
                ..read
            },
            Err(libc::EINVAL),
        ),
        (
            "f",
            c::OpenHow {
                flags: read.flags | 1,
                ..read
            },
            Err(libc::EINVAL),
        ),
        ("new", make(0o600), Ok(())),
        ("new", make(0o600), Err(libc::EEXIST)),
        ("newer", make(0o17777), Err(libc::EINVAL)),
        ("", read, Err(libc::ENOENT)),
    ];
    for (path, how, want) in rows {
        let got = c::openat2(dir, path, how).map(drop);
        assert_eq!(
            got, want,
            "{path} {:#x} {:#o} {:#x}",
            how.flags, how.mode, how.resolve
        );
    }
    let zeros = c::OpenHow::default();
    let size = size_of::<c::OpenHow>();
    let sized = |how: &[c::OpenHow], size| c::openat2_sized(dir, "f", how, size).map(drop);
    same(sized(&[read], size - 1), Err(libc::EINVAL));
    same(sized(&[read], 0), Err(libc::EINVAL));
    same(sized(&[read, zeros], size + 8), Ok(()));
    same(sized(&[read, read], 2 * size), Err(libc::E2BIG));
    same(c::openat2(-1, "f", read).map(drop), Err(libc::EBADF));
}
