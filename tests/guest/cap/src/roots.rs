//! The roots of schemes that the C library holds: whatever happens to a name, the next open is answered as
//! the namespace has it then.

use std::ffi::{c_char, c_int};
use std::fs::{self, File};
use std::io::{ErrorKind, Read, Result};
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use cuprite_cap::{Dir, Namespace, Rights};

use crate::{Case, same, world};

pub const CASES: &[Case] = &[
    ("a_name_that_is_unbound", a_name_that_is_unbound),
    (
        "a_name_that_is_bound_to_something_else",
        a_name_that_is_bound_to_something_else,
    ),
    ("a_name_that_is_revoked", a_name_that_is_revoked),
    ("a_log_that_is_another_one", a_log_that_is_another_one),
    (
        "a_namespace_that_is_destroyed",
        a_namespace_that_is_destroyed,
    ),
    ("another_namespace", another_namespace),
    ("a_fork_has_its_own", a_fork_has_its_own),
    ("an_exec_finds_them_again", an_exec_finds_them_again),
    ("two_paths_of_one_scheme", two_paths_of_one_scheme),
    ("more_names_than_are_held", more_names_than_are_held),
    (
        "a_name_that_is_not_handed_out",
        a_name_that_is_not_handed_out,
    ),
    ("threads_while_a_name_changes", threads_while_a_name_changes),
    (
        "threads_while_the_namespace_changes",
        threads_while_the_namespace_changes,
    ),
    (
        "an_open_goes_to_the_scheme_at_once",
        an_open_goes_to_the_scheme_at_once,
    ),
];

/// How often something is done so that whatever can be held is.
const ENOUGH: usize = 4;

/// A folder with a file `which` that has the folder's name in it.
fn place(name: &str) -> (PathBuf, Dir) {
    let path = world::folder(name);
    fs::write(path.join("which"), name).expect("a file");
    let dir = Dir::open_ambient(&path).expect("the folder");
    (path, dir)
}

/// Runs in a namespace of its own with everything that there is, and comes back.
fn in_a_fork(then: impl FnOnce(&Namespace)) {
    let fork = Namespace::current()
        .and_then(|own| own.fork(["*"]))
        .expect("a fork");
    let control = own_copy(&fork);
    let former = fork.enter().expect("entering");
    let _back = Back(former);
    then(&control);
}

/// Goes back to a namespace, also when a case fails.
struct Back(Option<Namespace>);

impl Drop for Back {
    fn drop(&mut self) {
        if let Some(former) = self.0.take() {
            former.enter().expect("going back");
        }
    }
}

fn own_copy(namespace: &Namespace) -> Namespace {
    use std::os::fd::AsFd;
    let copy = namespace.as_fd().try_clone_to_owned().expect("a copy");
    Namespace::from_fd(copy)
}

fn which(name: &str) -> Result<String> {
    fs::read_to_string(format!("/scheme/{name}/which"))
}

#[track_caller]
fn is(name: &str, want: &str) {
    for _ in 0..ENOUGH {
        same(which(name).ok().as_deref(), Some(want));
    }
}

#[track_caller]
fn is_absent(name: &str) {
    for _ in 0..ENOUGH {
        let error = which(name).err().and_then(|e| e.raw_os_error());
        same(error, Some(libc::ENODEV));
    }
}

fn a_name_that_is_unbound() {
    let (_, a) = place("root-a");
    in_a_fork(|ns| {
        for _ in 0..3 {
            ns.bind_dir("here", &a, Rights::FULL).expect("binding");
            is("here", "root-a");
            let mut open = File::open("/scheme/here/which").expect("the file");
            ns.unbind("here").expect("unbinding");
            is_absent("here");
            // What was opened stays open.
            let mut text = String::new();
            open.read_to_string(&mut text).expect("reading");
            same(text.as_str(), "root-a");
        }
    });
}

fn a_name_that_is_bound_to_something_else() {
    let (_, a) = place("root-a");
    let (_, b) = place("root-b");
    in_a_fork(|ns| {
        for round in 0..6 {
            let (dir, want) = if round % 2 == 0 {
                (&a, "root-a")
            } else {
                (&b, "root-b")
            };
            ns.bind_dir("here", dir, Rights::FULL).expect("binding");
            is("here", want);
            ns.unbind("here").expect("unbinding");
        }
    });
}

fn a_name_that_is_revoked() {
    let (_, a) = place("root-a");
    in_a_fork(|ns| {
        ns.bind_dir("here", &a, Rights::FULL).expect("binding");
        is("here", "root-a");
        let mut open = File::open("/scheme/here/which").expect("the file");
        ns.revoke("here").expect("revoking");
        is_absent("here");
        let error = open.read_to_string(&mut String::new()).err();
        same(error.and_then(|e| e.raw_os_error()), Some(libc::ESTALE));
        ns.bind_dir("here", &a, Rights::FULL).expect("binding");
        is("here", "root-a");
    });
}

fn a_log_that_is_another_one() {
    let output = world::run("log", &[]);
    // What the log does not get is written to standard error.
    let lost = String::from_utf8_lossy(&output.stderr).into_owned();
    same((output.status.code(), lost.as_str()), (Some(0), ""));
}

/// Logs before and after the log has become another one.
pub fn log(_: &[String]) -> i32 {
    unsafe extern "C" {
        fn openlog(name: *const c_char, options: c_int, facility: c_int);
        fn syslog(priority: c_int, format: *const c_char, ...);
    }
    const LOG_CONS: c_int = 2;
    const LOG_ERR: c_int = 3;
    in_a_fork(|ns| {
        let _ = ns.unbind("log");
        // SAFETY: a null pointer stands for the program's name; the formats take nothing.
        unsafe {
            openlog(std::ptr::null(), LOG_CONS, 0);
            for _ in 0..2 {
                ns.bind_again("null", "log", Rights::FULL).expect("binding");
                syslog(LOG_ERR, c"a line".as_ptr());
                ns.revoke("log").expect("revoking");
            }
        }
    });
    0
}

fn a_namespace_that_is_destroyed() {
    let (path, _) = place("root-a");
    let which = path.join("which");
    let fork = Namespace::current()
        .and_then(|own| own.fork_destroyable(["*"]))
        .expect("a fork");
    let control = own_copy(&fork);
    let former = fork.enter().expect("entering").expect("a former one");
    let read = || fs::read_to_string(&which);
    let before: Vec<_> = (0..ENOUGH).map(|_| read().is_ok()).collect();
    let destroyed = control.destroy();
    let after: Vec<_> = (0..ENOUGH)
        .map(|_| read().err().and_then(|e| e.raw_os_error()))
        .collect();
    former.enter().expect("going back");
    same(before, vec![true; ENOUGH]);
    destroyed.expect("destroying");
    same(after, vec![Some(libc::ESTALE); ENOUGH]);
    same(read().ok().as_deref(), Some("root-a"));
}

fn another_namespace() {
    let (path, a) = place("root-a");
    let which = path.join("which");
    same(fs::read_to_string(&which).ok().as_deref(), Some("root-a"));
    let own = Namespace::current().expect("a namespace");
    // `file` is something else there: the same absolute path names nothing, a shorter one does.
    let other = own.fork(["rand", "null"]).expect("a fork");
    other.bind_dir("file", &a, Rights::FULL).expect("binding");
    let nothing = own.fork(["null"]).expect("a fork");
    let former = other.enter().expect("entering").expect("a former one");
    let in_other: Vec<_> = (0..ENOUGH)
        .map(|_| {
            (
                fs::read_to_string("/which").ok(),
                fs::read_to_string(&which).is_ok(),
            )
        })
        .collect();
    nothing.enter().expect("entering");
    let in_nothing: Vec<_> = (0..ENOUGH)
        .map(|_| {
            fs::read_to_string("/which")
                .err()
                .and_then(|e| e.raw_os_error())
        })
        .collect();
    former.enter().expect("going back");
    same(in_other, vec![(Some("root-a".to_owned()), false); ENOUGH]);
    same(in_nothing, vec![Some(libc::ENODEV); ENOUGH]);
    for _ in 0..ENOUGH {
        same(fs::read_to_string(&which).ok().as_deref(), Some("root-a"));
    }
}

fn a_fork_has_its_own() {
    let (_, a) = place("root-a");
    in_a_fork(|ns| {
        ns.bind_dir("here", &a, Rights::FULL).expect("binding");
        is("here", "root-a");
        // SAFETY: the child ends without coming back.
        let pid = unsafe { libc::fork() };
        if pid == 0 {
            let reads = which("here").is_ok();
            let unbound = ns.unbind("here").is_ok();
            let gone = which("here").err().and_then(|e| e.raw_os_error()) == Some(libc::ENODEV);
            // SAFETY: nothing is left to be done.
            unsafe { libc::_exit(i32::from(!(reads && unbound && gone))) };
        }
        let mut status = 0;
        // SAFETY: room for the status.
        same(unsafe { libc::waitpid(pid, &mut status, 0) }, pid);
        same(status, 0);
        // It is the same namespace.
        is_absent("here");
    });
}

fn an_exec_finds_them_again() {
    let (_, a) = place("root-a");
    in_a_fork(|ns| {
        ns.bind_dir("here", &a, Rights::FULL).expect("binding");
        is("here", "root-a");
        world::succeeds("roots", &["here", "root-a"]);
        ns.unbind("here").expect("unbinding");
        world::succeeds("roots", &["here"]);
    });
}

pub fn child(args: &[String]) -> i32 {
    let (Some(name), want) = (args.first(), args.get(1)) else {
        return 99;
    };
    for _ in 0..ENOUGH {
        if which(name).ok().as_ref() != want {
            eprintln!("{name} is not {want:?}");
            return 1;
        }
    }
    0
}

fn two_paths_of_one_scheme() {
    let (path, a) = place("root-a");
    let (_, b) = place("root-b");
    in_a_fork(|ns| {
        for (dir, want) in [(&a, "root-a"), (&b, "root-b")] {
            ns.bind_dir("here", dir, Rights::FULL).expect("binding");
            for _ in 0..ENOUGH {
                fs::rename("/scheme/here/which", "/scheme/here/moved").expect("renaming");
                fs::hard_link("/scheme/here/moved", "/scheme/here/which").expect("linking");
                fs::remove_file("/scheme/here/moved").expect("removing");
            }
            is("here", want);
            ns.unbind("here").expect("unbinding");
            let error = fs::rename("/scheme/here/which", "/scheme/here/moved").err();
            same(error.and_then(|e| e.raw_os_error()), Some(libc::ENODEV));
        }
    });
    same(fs::exists(path.join("which")).ok(), Some(true));
    let error = fs::rename(path.join("which"), "/scheme/rand/which").err();
    same(error.map(|e| e.kind()), Some(ErrorKind::CrossesDevices));
}

fn more_names_than_are_held() {
    let dirs: Vec<_> = (0..24).map(|n| place(&format!("root-{n}"))).collect();
    in_a_fork(|ns| {
        for (n, (_, dir)) in dirs.iter().enumerate() {
            ns.bind_dir(&format!("n{n}"), dir, Rights::FULL)
                .expect("binding");
        }
        for round in 0..ENOUGH {
            for n in 0..dirs.len() {
                let n = (n * 7 + round) % dirs.len();
                is(&format!("n{n}"), &format!("root-{n}"));
            }
        }
        let longest = "n".repeat(255);
        ns.bind_dir(&longest, &dirs[0].1, Rights::FULL)
            .expect("binding");
        is(&longest, "root-0");
    });
}

fn a_name_that_is_not_handed_out() {
    let (_, a) = place("root-a");
    in_a_fork(|ns| {
        let rights = Rights::FULL.difference(Rights::TRANSFER);
        ns.bind_dir("here", &a, rights).expect("binding");
        is("here", "root-a");
        for _ in 0..300 {
            same(which("here").ok().as_deref(), Some("root-a"));
        }
        ns.unbind("here").expect("unbinding");
        is_absent("here");
    });
}

fn threads_while_a_name_changes() {
    let (_, a) = place("root-a");
    let (_, b) = place("root-b");
    in_a_fork(|ns| {
        let done = AtomicBool::new(false);
        thread::scope(|scope| {
            let readers: Vec<_> = (0..3)
                .map(|_| {
                    scope.spawn(|| {
                        let mut read = 0;
                        while !done.load(Ordering::Relaxed) || read == 0 {
                            match which("here") {
                                Ok(text) if text == "root-a" || text == "root-b" => read += 1,
                                Ok(text) => panic!("read {text:?}"),
                                // Nothing is bound in between.
                                Err(e) => same(e.raw_os_error(), Some(libc::ENODEV)),
                            }
                        }
                    })
                })
                .collect();
            for round in 0..100 {
                let dir = if round % 2 == 0 { &a } else { &b };
                ns.bind_dir("here", dir, Rights::FULL).expect("binding");
                thread::yield_now();
                if round < 99 {
                    ns.unbind("here").expect("unbinding");
                }
            }
            done.store(true, Ordering::Relaxed);
            for reader in readers {
                reader.join().expect("a reader");
            }
        });
    });
}

/// Whoever opens while another namespace is entered, and the former one closed, is answered by one of them.
fn threads_while_the_namespace_changes() {
    let (path, a) = place("root-a");
    in_a_fork(|ns| {
        ns.bind_dir("here", &a, Rights::FULL).expect("binding");
        let done = AtomicBool::new(false);
        let open = || {
            while !done.load(Ordering::Relaxed) {
                // The namespace is asked for this whatever roots are held.
                let root = fs::metadata("/scheme/here");
                assert!(root.as_ref().is_ok_and(|file| file.is_dir()), "{root:?}");
                same(which("here").ok().as_deref(), Some("root-a"));
            }
        };
        let elsewhere = || {
            while !done.load(Ordering::Relaxed) {
                fs::metadata(&path).expect("the folder");
            }
        };
        thread::scope(|scope| {
            let threads = [scope.spawn(open), scope.spawn(open), scope.spawn(elsewhere)];
            for _ in 0..400 {
                let next = ns.fork(["*"]).expect("a fork");
                drop(next.enter().expect("entering"));
            }
            done.store(true, Ordering::Relaxed);
            for thread in threads {
                thread.join().expect("a thread");
            }
        });
    });
}

/// How often the processor has gone from one context to another.
fn switches() -> u64 {
    let text = fs::read_to_string("/scheme/sys/cpu").expect("/scheme/sys/cpu");
    let line = text.lines().find(|line| line.contains("switches"));
    let number = line.and_then(|line| {
        line.split(|c: char| !c.is_ascii_digit())
            .rfind(|w| !w.is_empty())
    });
    number
        .and_then(|n| n.parse().ok())
        .unwrap_or_else(|| panic!("no switches in {text:?}"))
}

fn an_open_goes_to_the_scheme_at_once() {
    let (path, dir) = place("root-a");
    let which = path.join("which");
    let folder: OwnedFd = dir.into();
    let count = |mut open: Box<dyn FnMut()>| {
        open();
        open();
        let before = switches();
        (0..200).for_each(|_| open());
        switches() - before
    };
    let absolute = count(Box::new(move || {
        drop(File::open(&which).expect("the file"))
    }));
    let relative = count(Box::new(move || {
        use std::os::fd::AsRawFd;
        drop(crate::c::openat(folder.as_raw_fd(), "which", libc::O_RDONLY).expect("the file"));
    }));
    // A namespace in between would double the number. Clocks may add a few.
    assert!(
        absolute < relative + relative / 2,
        "{absolute} switches, {relative} from a folder"
    );
}
