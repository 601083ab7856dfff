//! The current directory is a descriptor; its text is for showing.

use std::fs::{self, File};
use std::io::{ErrorKind, Read};
use std::os::fd::AsRawFd;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use cuprite_cap::{Command, Dir, Rights};

use crate::{Case, c, same, world};

pub const CASES: &[Case] = &[
    (
        "relative_paths_follow_a_rename",
        relative_paths_follow_a_rename,
    ),
    (
        "relative_paths_follow_another_of_the_name",
        relative_paths_follow_another_of_the_name,
    ),
    ("a_removed_directory_is_empty", a_removed_directory_is_empty),
    ("fchdir_needs_no_path", fchdir_needs_no_path),
    (
        "threads_open_while_it_changes",
        threads_open_while_it_changes,
    ),
    (
        "it_survives_fork_exec_and_spawn",
        it_survives_fork_exec_and_spawn,
    ),
    (
        "without_a_namespace_it_serves",
        without_a_namespace_it_serves,
    ),
    ("a_confined_one_stays_so", a_confined_one_stays_so),
];

/// Runs with another current directory, and comes back.
fn within(path: &Path, then: impl FnOnce()) {
    let back = File::open("/").expect("the root");
    std::env::set_current_dir(path).expect("chdir");
    then();
    c::fchdir(back.as_raw_fd()).expect("fchdir");
    same(
        std::env::current_dir().ok().as_deref(),
        Some(Path::new("/")),
    );
}

fn relative_paths_follow_a_rename() {
    let top = world::folder("cwd-rename");
    fs::create_dir_all(top.join("before/sub")).expect("folders");
    fs::write(top.join("before/file"), "here").expect("a file");
    within(&top.join("before"), || {
        fs::rename(top.join("before"), top.join("after")).expect("renaming");
        same(fs::read_to_string("file").ok().as_deref(), Some("here"));
        fs::write("new", "made").expect("making a file");
        same(fs::exists(top.join("after/new")).ok(), Some(true));
        // `..` is where the directory is now.
        fs::create_dir(top.join("elsewhere")).expect("a folder");
        fs::rename(top.join("after"), top.join("elsewhere/inside")).expect("renaming");
        fs::write("../beside", "").expect("making a file");
        same(fs::exists(top.join("elsewhere/beside")).ok(), Some(true));
        std::env::set_current_dir("sub").expect("chdir below");
        same(fs::read_to_string("../file").ok().as_deref(), Some("here"));
    });
}

fn relative_paths_follow_another_of_the_name() {
    let top = world::folder("cwd-swap");
    for (folder, text) in [("a", "first"), ("b", "second")] {
        fs::create_dir(top.join(folder)).expect("a folder");
        fs::write(top.join(folder).join("file"), text).expect("a file");
    }
    within(&top.join("a"), || {
        fs::rename(top.join("a"), top.join("c")).expect("renaming");
        fs::rename(top.join("b"), top.join("a")).expect("renaming");
        // The text may say `a`; the file is that of the directory entered.
        same(fs::read_to_string("file").ok().as_deref(), Some("first"));
        same(
            fs::read_to_string("../a/file").ok().as_deref(),
            Some("second"),
        );
    });
}

fn a_removed_directory_is_empty() {
    let top = world::folder("cwd-removed");
    fs::create_dir(top.join("gone")).expect("a folder");
    within(&top.join("gone"), || {
        fs::remove_dir(top.join("gone")).expect("removing");
        let kind = |result: std::io::Result<()>| result.err().map(|e| e.kind());
        same(kind(fs::write("file", "")), Some(ErrorKind::NotFound));
        same(
            kind(File::open("file").map(drop)),
            Some(ErrorKind::NotFound),
        );
        // Another one of its name is another one.
        fs::create_dir(top.join("gone")).expect("a folder");
        fs::write(top.join("gone/file"), "").expect("a file");
        same(
            kind(File::open("file").map(drop)),
            Some(ErrorKind::NotFound),
        );
        assert!(fs::metadata(".").is_ok_and(|m| m.is_dir()));
    });
}

fn fchdir_needs_no_path() {
    let top = world::folder("cwd-fchdir");
    fs::create_dir(top.join("d")).expect("a folder");
    fs::write(top.join("d/file"), "there").expect("a file");
    let dir = File::open(top.join("d")).expect("the folder");
    // Its path is gone, and so is what would have made one of it.
    fs::rename(top.join("d"), top.join("moved")).expect("renaming");
    within(&top, || {
        c::fchdir(dir.as_raw_fd()).expect("fchdir");
        same(fs::read_to_string("file").ok().as_deref(), Some("there"));
        let file = File::open("file").expect("the file");
        same(c::fchdir(file.as_raw_fd()), Err(libc::ENOTDIR));
        same(c::fchdir(-1), Err(libc::EBADF));
    });
}

/// Whoever opens below the current directory while it changes finds what is in the one or in the other, and
/// nothing of what is opened elsewhere at the same time.
fn threads_open_while_it_changes() {
    let top = world::folder("cwd-threads");
    for folder in ["a", "b"] {
        fs::create_dir(top.join(folder)).expect("a folder");
        fs::write(top.join(folder).join("file"), folder).expect("a file");
    }
    fs::create_dir(top.join("elsewhere")).expect("a folder");
    within(&top.join("a"), || {
        let done = AtomicBool::new(false);
        let open = || {
            while !done.load(Ordering::Relaxed) {
                let text = fs::read_to_string("file");
                assert!(matches!(text.as_deref(), Ok("a" | "b")), "{text:?}");
                let size = fs::metadata("file").map(|file| file.len());
                assert!(matches!(size, Ok(1)), "{size:?}");
            }
        };
        let elsewhere = || {
            while !done.load(Ordering::Relaxed) {
                fs::metadata(top.join("elsewhere")).expect("the folder elsewhere");
            }
        };
        thread::scope(|scope| {
            let threads = [scope.spawn(open), scope.spawn(open), scope.spawn(elsewhere)];
            for round in 0..1500 {
                let to = if round % 2 == 0 { "../b" } else { "../a" };
                std::env::set_current_dir(to).expect("chdir");
            }
            done.store(true, Ordering::Relaxed);
            for thread in threads {
                thread.join().expect("a thread");
            }
        });
    });
}

fn it_survives_fork_exec_and_spawn() {
    let top = world::folder("cwd-inherited");
    fs::create_dir(top.join("before")).expect("a folder");
    fs::write(top.join("before/file"), "inherited").expect("a file");
    within(&top.join("before"), || {
        fs::rename(top.join("before"), top.join("after")).expect("renaming");
        // fork and exec.
        world::succeeds("cwd", &["read", "inherited"]);
        // posix_spawn, through `system`.
        let command = c"/scheme/initfs/bin/test-cap child cwd read inherited";
        // There may be no shell to run it by: then spawn is tested elsewhere.
        if fs::exists("/bin/sh").unwrap_or(false) {
            // SAFETY: a C string.
            same(unsafe { libc::system(command.as_ptr()) }, 0);
        }
        crate::spawn::posix_spawn_succeeds(&["cwd", "read", "inherited"]);
    });
}

fn without_a_namespace_it_serves() {
    let top = world::folder("cwd-alone");
    fs::create_dir(top.join("sub")).expect("a folder");
    fs::write(top.join("file"), "below").expect("a file");
    let dir = Dir::open_ambient(&top).expect("the folder");
    let program = File::open(world::PROGRAM).expect("this program");
    let status = Command::new(&program)
        .args(["test-cap", "child", "cwd", "alone"])
        .grant(0, &std::io::stdin(), Rights::FULL)
        .grant(1, &std::io::stdout(), Rights::FULL)
        .grant(2, &std::io::stderr(), Rights::FULL)
        .directory(&dir)
        .spawn()
        .and_then(|mut child| child.wait())
        .expect("a child");
    assert!(status.success(), "{status}");
    same(
        fs::read_to_string(top.join("made")).ok().as_deref(),
        Some("by the child"),
    );
}

fn a_confined_one_stays_so() {
    let top = world::folder("cwd-confined");
    fs::create_dir_all(top.join("in/sub")).expect("folders");
    fs::write(top.join("outside"), "").expect("a file");
    within(&top.join("in"), || world::succeeds("cwd", &["confined"]));
}

pub fn child(args: &[String]) -> i32 {
    let wrong = |what: &str| {
        eprintln!("{what}");
        1
    };
    let open = |path| c::open(path, libc::O_RDONLY).map(drop);
    match args.first().map(String::as_str) {
        Some("read") => match fs::read_to_string("file") {
            Ok(text) if args.get(1) == Some(&text) => 0,
            other => wrong(&format!("{other:?}")),
        },
        Some("alone") => {
            let mut text = String::new();
            let read = File::open("file").and_then(|mut file| file.read_to_string(&mut text));
            if read.is_err() || text != "below" {
                return wrong(&format!("file: {read:?} {text:?}"));
            }
            if let Err(e) = fs::write("made", "by the child") {
                return wrong(&format!("made: {e}"));
            }
            if open("/tmp") != Err(libc::EPERM) || open("..") != Err(libc::EPERM) {
                return wrong("it can be left");
            }
            if let Err(e) = std::env::set_current_dir("sub") {
                return wrong(&format!("sub: {e}"));
            }
            // Not even what was below before is now.
            if open("../file") != Err(libc::EPERM) {
                return wrong("it can be left from below");
            }
            0
        }
        Some("confined") => {
            let up = c::open("..", libc::O_RDONLY | libc::O_DIRECTORY);
            let Ok(up) = up else {
                return wrong("no folder above");
            };
            if c::confine(c::CWD).is_err() {
                return wrong("it cannot be confined");
            }
            for path in [
                "..",
                "../outside",
                "/",
                "/tmp",
                "/dev/null",
                "/scheme/rand",
                "/scheme",
            ] {
                if open(path) != Err(libc::EPERM) {
                    return wrong(path);
                }
            }
            // A process started from here is confined, too.
            // SAFETY: the child ends without coming back.
            let pid = unsafe { libc::fork() };
            if pid == 0 {
                let escapes = open("..") != Err(libc::EPERM);
                // SAFETY: nothing is left to be done.
                unsafe { libc::_exit(i32::from(escapes)) };
            }
            let mut status = 0;
            // SAFETY: room for the status.
            if unsafe { libc::waitpid(pid, &mut status, 0) } != pid || status != 0 {
                return wrong("the child of a fork is not confined");
            }
            // A directory that is held may be entered, and is confined then.
            if c::fchdir(up.as_raw_fd()).is_err() || open("outside").is_err() {
                return wrong("a folder that is held cannot be entered");
            }
            if open("..") != Err(libc::EPERM) {
                return wrong("entering another folder sets free");
            }
            0
        }
        _ => 99,
    }
}
