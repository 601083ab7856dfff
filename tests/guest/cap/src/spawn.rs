//! Children made from outside: `posix_spawn` with everything it can be told, and `cuprite_cap::Command`.

use std::ffi::{CStr, CString, c_char, c_int, c_short};
use std::fs::{self, File, Permissions};
use std::io::{Read, Seek, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::ptr::null;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use cuprite_cap::{Command, Dir, Limit, Namespace, Rights};

use crate::{Case, c, same, world};

pub const CASES: &[Case] = &[
    ("a_child_has_what_it_is_given", a_child_has_what_it_is_given),
    ("rights_of_what_is_given", rights_of_what_is_given),
    ("a_namespace_of_its_own", a_namespace_of_its_own),
    ("commands_are_checked", commands_are_checked),
    (
        "a_child_inherits_what_is_not_marked",
        a_child_inherits_what_is_not_marked,
    ),
    (
        "a_child_is_started_while_threads_open",
        a_child_is_started_while_threads_open,
    ),
    ("file_actions_in_order", file_actions_in_order),
    ("directories", directories),
    ("groups_sessions_and_signals", groups_sessions_and_signals),
    ("search_and_scripts", search_and_scripts),
    ("errors_come_from_the_call", errors_come_from_the_call),
    (
        "a_failed_spawn_leaves_nothing",
        a_failed_spawn_leaves_nothing,
    ),
];

type Actions = [usize; 2];
type Attributes = [u64; 8];

unsafe extern "C" {
    fn posix_spawn(
        pid: *mut c_int,
        path: *const c_char,
        actions: *const Actions,
        attributes: *const Attributes,
        args: *const *const c_char,
        env: *const *const c_char,
    ) -> c_int;
    fn posix_spawnp(
        pid: *mut c_int,
        file: *const c_char,
        actions: *const Actions,
        attributes: *const Attributes,
        args: *const *const c_char,
        env: *const *const c_char,
    ) -> c_int;
    fn posix_spawn_file_actions_init(actions: *mut Actions) -> c_int;
    fn posix_spawn_file_actions_destroy(actions: *mut Actions) -> c_int;
    fn posix_spawn_file_actions_addclose(actions: *mut Actions, fd: c_int) -> c_int;
    fn posix_spawn_file_actions_adddup2(actions: *mut Actions, from: c_int, to: c_int) -> c_int;
    fn posix_spawn_file_actions_addopen(
        actions: *mut Actions,
        fd: c_int,
        path: *const c_char,
        flags: c_int,
        mode: c_int,
    ) -> c_int;
    fn posix_spawn_file_actions_addchdir_np(actions: *mut Actions, path: *const c_char) -> c_int;
    fn posix_spawn_file_actions_addfchdir_np(actions: *mut Actions, fd: c_int) -> c_int;
    fn posix_spawnattr_init(attributes: *mut Attributes) -> c_int;
    fn posix_spawnattr_setflags(attributes: *mut Attributes, flags: c_short) -> c_int;
    fn posix_spawnattr_setpgroup(attributes: *mut Attributes, group: c_int) -> c_int;
    fn posix_spawnattr_setsigdefault(attributes: *mut Attributes, set: *const u64) -> c_int;
    fn posix_spawnattr_setsigmask(attributes: *mut Attributes, set: *const u64) -> c_int;
    fn posix_spawnattr_setschedpolicy(attributes: *mut Attributes, policy: c_int) -> c_int;
    fn posix_spawnattr_setschedparam(attributes: *mut Attributes, priority: *const c_int) -> c_int;
    fn sigprocmask(how: c_int, set: *const u64, old: *mut u64) -> c_int;
    fn getsid(pid: c_int) -> c_int;
    fn dup3(from: c_int, to: c_int, flags: c_int) -> c_int;
}

const SETPGROUP: c_short = 2;
const SETSIGDEF: c_short = 4;
const SETSIGMASK: c_short = 8;
const SETSCHEDPARAM: c_short = 16;
const SETSCHEDULER: c_short = 32;
const SETSID: c_short = 128;

/// A child in the making.
struct Spawn {
    actions: Actions,
    attributes: Attributes,
}

impl Spawn {
    fn new() -> Self {
        let (mut actions, mut attributes) = ([0; 2], [0; 8]);
        // SAFETY: both are as large as the C library's, of which the header tells programs, and nobody else has them.
        unsafe {
            same(posix_spawn_file_actions_init(&mut actions), 0);
            same(posix_spawnattr_init(&mut attributes), 0);
        }
        Self {
            actions,
            attributes,
        }
    }

    fn close(&mut self, fd: c_int) {
        same(self.try_close(fd), 0);
    }

    fn try_close(&mut self, fd: c_int) -> c_int {
        // SAFETY: `new` has initialised the actions; any number may be asked for.
        unsafe { posix_spawn_file_actions_addclose(&mut self.actions, fd) }
    }

    fn dup2(&mut self, from: c_int, to: c_int) {
        // SAFETY: `new` has initialised the actions; any numbers may be asked for.
        let error = unsafe { posix_spawn_file_actions_adddup2(&mut self.actions, from, to) };
        same(error, 0);
    }

    fn open(&mut self, fd: c_int, path: &CStr, flags: c_int) {
        // SAFETY: `new` has initialised the actions, and the path, a C string, is copied by the call.
        let error = unsafe {
            posix_spawn_file_actions_addopen(&mut self.actions, fd, path.as_ptr(), flags, 0o666)
        };
        same(error, 0);
    }

    fn chdir(&mut self, path: &CStr) {
        let at = path.as_ptr();
        // SAFETY: `new` has initialised the actions, and the path, a C string, is copied by the call.
        let error = unsafe { posix_spawn_file_actions_addchdir_np(&mut self.actions, at) };
        same(error, 0);
    }

    fn fchdir(&mut self, fd: c_int) {
        // SAFETY: `new` has initialised the actions; any number may be asked for.
        let error = unsafe { posix_spawn_file_actions_addfchdir_np(&mut self.actions, fd) };
        same(error, 0);
    }

    fn flags(&mut self, flags: c_short) {
        same(self.try_flags(flags), 0);
    }

    fn try_flags(&mut self, flags: c_short) -> c_int {
        // SAFETY: `new` has initialised the attributes; unknown flags are refused by the call.
        unsafe { posix_spawnattr_setflags(&mut self.attributes, flags) }
    }

    fn group(&mut self, group: c_int) {
        // SAFETY: `new` has initialised the attributes; the number is looked at when the child is made.
        unsafe { posix_spawnattr_setpgroup(&mut self.attributes, group) };
    }

    fn signals(&mut self, default: u64, mask: u64) {
        // SAFETY: `new` has initialised the attributes; the sets, 64 bits as in the C library, are copied.
        unsafe {
            posix_spawnattr_setsigdefault(&mut self.attributes, &default);
            posix_spawnattr_setsigmask(&mut self.attributes, &mask);
        }
    }

    fn scheduling(&mut self, policy: c_int, priority: c_int) {
        // SAFETY: `new` has initialised the attributes; `sched_param` is one number, which is copied.
        unsafe {
            posix_spawnattr_setschedpolicy(&mut self.attributes, policy);
            posix_spawnattr_setschedparam(&mut self.attributes, &priority);
        }
    }

    /// The child's number, or an error's.
    fn start(&self, path: &str, args: &[&str], search: bool) -> Result<c_int, c_int> {
        let path = CString::new(path).expect("a path");
        let args: Vec<CString> = args
            .iter()
            .map(|a| CString::new(*a).expect("text"))
            .collect();
        let args: Vec<*const c_char> = args.iter().map(|a| a.as_ptr()).chain([null()]).collect();
        let env = [c"MARK=set".as_ptr(), null()];
        let mut pid = -1;
        let call = if search { posix_spawnp } else { posix_spawn };
        // SAFETY: `new` has initialised actions and attributes; both arrays end with a null pointer, and what they
        // point to lives until the call is over.
        let error = unsafe {
            call(
                &mut pid,
                path.as_ptr(),
                &self.actions,
                &self.attributes,
                args.as_ptr(),
                env.as_ptr(),
            )
        };
        if error == 0 { Ok(pid) } else { Err(error) }
    }

    /// Runs a job of this program.
    fn job(&self, args: &[&str]) -> Result<c_int, c_int> {
        let args: Vec<&str> = ["test-cap", "child"]
            .into_iter()
            .chain(args.iter().copied())
            .collect();
        self.start(world::PROGRAM, &args, false)
    }
}

impl Drop for Spawn {
    fn drop(&mut self) {
        // SAFETY: `new` has initialised the actions, and nobody can use them after this.
        unsafe { posix_spawn_file_actions_destroy(&mut self.actions) };
    }
}

/// The exit code of a child, or a number beyond for a signal.
fn wait(pid: c_int) -> c_int {
    let mut status = 0;
    // SAFETY: the call writes one number, into `status`, and keeps no pointer.
    let ended = unsafe { libc::waitpid(pid, &mut status, 0) };
    same(ended, pid);
    if libc::WIFEXITED(status) {
        libc::WEXITSTATUS(status)
    } else {
        1000 + status
    }
}

/// Runs a job by `posix_spawn`; it must succeed.
#[track_caller]
pub fn posix_spawn_succeeds(args: &[&str]) {
    same(Spawn::new().job(args).map(wait), Ok(0));
}

/// The flags of a descriptor, if the number is open.
fn flags_of(fd: c_int) -> Option<c_int> {
    // SAFETY: the command takes no argument and changes nothing; a number that is not open is an error.
    let flags = unsafe { libc::fcntl(fd, libc::F_GETFD) };
    (flags != -1).then_some(flags)
}

/// Lets a descriptor, which Rust marks to be closed, survive an exec.
fn let_survive(file: &File) {
    // SAFETY: the command takes a mask and no pointer, and the number is the file's.
    let set = unsafe { libc::fcntl(file.as_raw_fd(), libc::F_SETFD, 0) };
    same(set, 0);
}

/// The open numbers below 64.
fn open_numbers() -> Vec<c_int> {
    (0..64).filter(|fd| flags_of(*fd).is_some()).collect()
}

/// In a child: tells on descriptor 1 what it has.
pub fn child(args: &[String]) -> i32 {
    let mut out = String::new();
    match args.first().map(String::as_str) {
        Some("without") => {
            let path = args.get(1).map_or("", String::as_str);
            let unwanted = fs::metadata(path).map(|file| (file.dev(), file.ino())).ok();
            let has_it = open_numbers().into_iter().any(|fd| {
                // SAFETY: nothing else in this process uses the number, and it is not closed here.
                let file = std::mem::ManuallyDrop::new(unsafe { File::from_raw_fd(fd) });
                file.metadata().is_ok_and(|file| {
                    let kind = file.file_type();
                    let end = fd > 2 && (kind.is_fifo() || kind.is_socket());
                    end || Some((file.dev(), file.ino())) == unwanted
                })
            });
            return i32::from(has_it || unwanted.is_none());
        }
        Some("numbers") => out = format!("{:?}", open_numbers()),
        Some("rights") => {
            for fd in args
                .iter()
                .skip(1)
                .filter_map(|fd| fd.parse::<c_int>().ok())
            {
                // SAFETY: nothing in this process owns the number, which the parent has given; it is not closed here,
                // and should it not be open, what is asked of it below is an error.
                let fd = std::mem::ManuallyDrop::new(unsafe { OwnedFd::from_raw_fd(fd) });
                let rights = fd.rights().map(|rights| rights.bits()).unwrap_or(0);
                out += &format!("{rights:x} ");
            }
        }
        Some("names") => {
            let names = Namespace::current().and_then(|own| own.list());
            let root = c::open("/", libc::O_RDONLY).map(drop);
            let cwd = c::open(".", libc::O_RDONLY).map(drop);
            out = format!("{:?} {root:?} {cwd:?}", names.map_err(|e| e.kind()));
        }
        Some("read") => {
            let mut text = String::new();
            let number = args.get(1).and_then(|n| n.parse().ok()).unwrap_or(0);
            // SAFETY: the parent has given the number to this process, in which nothing else owns or uses it.
            let mut file = unsafe { File::from_raw_fd(number) };
            if file.read_to_string(&mut text).is_err() {
                return 1;
            }
            out = text;
        }
        Some("cwd") => {
            let shown = std::env::current_dir().map(|path| path.display().to_string());
            out = format!("{shown:?} {:?}", fs::read_to_string("file").ok());
        }
        Some("identity") => {
            let (mut blocked, mut ignored) = (0u64, String::new());
            // SAFETY: without a new set or action the calls only write the present one, into a set of 64 bits and an
            // action whose fields may all be zero; the others take and return numbers.
            unsafe {
                sigprocmask(libc::SIG_BLOCK, null(), &mut blocked);
                for signal in [libc::SIGUSR1, libc::SIGUSR2, libc::SIGHUP] {
                    let mut action = std::mem::zeroed::<libc::sigaction>();
                    libc::sigaction(signal, null(), &mut action);
                    ignored += if action.sa_sigaction == libc::SIG_IGN {
                        "i"
                    } else {
                        "d"
                    };
                }
                let pid = libc::getpid();
                out = format!(
                    "{} {} {blocked:x} {ignored}",
                    libc::getpgid(0) == pid,
                    getsid(0) == pid
                );
            }
        }
        _ => return 99,
    }
    let _ = std::io::stdout().write_all(out.as_bytes());
    0
}

/// What a child writes to its descriptor 1.
fn output(file: &mut File) -> String {
    let mut text = String::new();
    file.rewind().expect("rewinding");
    file.read_to_string(&mut text).expect("reading");
    text
}

fn paper(name: &str) -> File {
    let path = world::folder(&format!("spawn-{name}")).join("out");
    File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(true)
        .open(path)
        .expect("a file")
}

fn program() -> File {
    File::open(world::PROGRAM).expect("this program")
}

fn a_child_has_what_it_is_given() {
    let mut out = paper("exact");
    let inherited = fs::File::open("/").expect("a descriptor");
    let_survive(&inherited);
    let program = program();
    let numbers = |command: Command<'_>, out: &mut File| {
        out.set_len(0).expect("emptying");
        out.rewind().expect("rewinding");
        let status = command
            .spawn()
            .and_then(|mut child| child.wait())
            .expect("a child");
        assert!(status.success(), "{status}");
        output(out)
    };
    let (stdin, stderr) = (std::io::stdin(), std::io::stderr());
    let base = || {
        Command::new(&program)
            .args(["test-cap", "child", "spawned", "numbers"])
            .grant(0, &stdin, Rights::FULL)
            .grant(2, &stderr, Rights::FULL)
    };
    let given = out.try_clone().expect("a copy");
    let command = base().grant(1, &given, Rights::FULL);
    same(numbers(command, &mut out).as_str(), "[0, 1, 2]");
    let command = base()
        .grant(1, &given, Rights::FULL)
        .grant(7, &inherited, Rights::FULL);
    same(numbers(command, &mut out).as_str(), "[0, 1, 2, 7]");
    // The last grant of a number counts.
    let command = base()
        .grant(1, &inherited, Rights::FULL)
        .grant(1, &given, Rights::FULL);
    same(numbers(command, &mut out).as_str(), "[0, 1, 2]");
}

fn rights_of_what_is_given() {
    let mut out = paper("rights");
    let given = out.try_clone().expect("a copy");
    let dir = Dir::open_ambient("/").expect("a folder");
    let program = program();
    let status = Command::new(&program)
        .args(["test-cap", "child", "spawned", "rights", "1", "3", "4", "5"])
        .grant(0, &std::io::stdin(), Rights::FULL)
        .grant(2, &std::io::stderr(), Rights::FULL)
        .grant(1, &given, Rights::WRITE | Rights::STAT)
        .grant(3, &dir, Rights::READ_ONLY)
        .grant(4, &dir, Rights::FULL)
        .grant(5, &dir, Rights::empty())
        .spawn()
        .and_then(|mut child| child.wait())
        .expect("a child");
    assert!(status.success(), "{status}");
    let escape = Rights::ESCAPE;
    let want = [
        Rights::WRITE | Rights::STAT,
        Rights::READ_ONLY.difference(escape),
        Rights::FULL.difference(escape),
        Rights::empty(),
    ];
    let want: String = want
        .iter()
        .map(|rights| format!("{:x} ", rights.bits()))
        .collect();
    same(output(&mut out), want);
}

fn a_namespace_of_its_own() {
    let mut out = paper("names");
    let given = out.try_clone().expect("a copy");
    let program = program();
    let few = Namespace::current()
        .and_then(|own| own.fork(["null"]))
        .expect("a fork");
    let dir = Dir::open_ambient(world::folder("spawn-names-cwd")).expect("a folder");
    let ends = |command: Command<'_>, out: &mut File, want: &str| {
        out.set_len(0).expect("emptying");
        out.rewind().expect("rewinding");
        let status = command
            .spawn()
            .and_then(|mut child| child.wait())
            .expect("a child");
        assert!(status.success(), "{status}");
        same(output(out).as_str(), want);
    };
    let (stdin, stderr) = (std::io::stdin(), std::io::stderr());
    let base = || {
        Command::new(&program)
            .args(["test-cap", "child", "spawned", "names"])
            .grant(0, &stdin, Rights::FULL)
            .grant(1, &given, Rights::FULL)
            .grant(2, &stderr, Rights::FULL)
    };
    ends(base(), &mut out, "Err(NotFound) Err(2) Err(2)");
    ends(
        base().namespace(&few),
        &mut out,
        "Ok([\"null\"]) Err(19) Err(2)",
    );
    ends(
        base().directory(&dir),
        &mut out,
        "Err(NotFound) Err(1) Ok(())",
    );
    // In a confined directory nothing is asked of the namespace by path.
    ends(
        base().namespace(&few).directory(&dir),
        &mut out,
        "Ok([\"null\"]) Err(1) Ok(())",
    );
}

fn commands_are_checked() {
    let program = program();
    let invalid = Some(std::io::ErrorKind::InvalidInput);
    let kind = |command: Command<'_>| command.spawn().err().map(|e| e.kind());
    same(kind(Command::new(&program).arg("a\0b")), invalid);
    same(kind(Command::new(&program).env("A=B", "")), invalid);
    same(
        kind(Command::new(&program).grant(-1, &program, Rights::FULL)),
        invalid,
    );
    let folder = File::open("/").expect("a folder");
    same(kind(Command::new(&folder).arg("x")).is_some(), true);
    let text = world::folder("spawn-checked").join("text");
    fs::write(&text, "no program").expect("a file");
    let file = File::open(&text).expect("the file");
    for (mode, want) in [(0o644, libc::EACCES), (0o755, libc::ENOEXEC)] {
        fs::set_permissions(&text, Permissions::from_mode(mode)).expect("its mode");
        let error = Command::new(&file).arg("x").spawn().err();
        same(error.and_then(|e| e.raw_os_error()), Some(want));
    }
}

fn a_child_inherits_what_is_not_marked() {
    let mut out = paper("inherit");
    let kept = fs::File::open("/").expect("a descriptor");
    let marked = fs::File::open("/").expect("a descriptor");
    let_survive(&kept);
    let mut spawn = Spawn::new();
    spawn.dup2(out.as_raw_fd(), 1);
    same(spawn.job(&["spawned", "numbers"]).map(wait), Ok(0));
    let mut want: Vec<c_int> = open_numbers();
    want.retain(|fd| flags_of(*fd).is_some_and(|flags| flags & libc::FD_CLOEXEC == 0));
    assert!(want.contains(&kept.as_raw_fd()) && !want.contains(&marked.as_raw_fd()));
    same(output(&mut out), format!("{want:?}"));
}

/// Whatever other threads open and close meanwhile: a child can be started, and has nothing that is marked.
fn a_child_is_started_while_threads_open() {
    let folder = world::folder("spawn-threads");
    let (plain, marked) = (folder.join("plain"), folder.join("marked"));
    fs::write(&plain, "").expect("a file");
    fs::write(&marked, "").expect("a file");
    let done = AtomicBool::new(false);
    let open_and_close = || {
        while !done.load(Ordering::Relaxed) {
            let file = File::open(&plain).expect("the plain file");
            let_survive(&file);
            drop(file);
            let file = File::open(&marked).expect("the marked file");
            // Whatever makes a marked descriptor makes it marked.
            // SAFETY: the calls take numbers, and room for two; what they make is closed here.
            unsafe {
                let copy = dup3(file.as_raw_fd(), 50, libc::O_CLOEXEC);
                let mut ends = [-1; 4];
                libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC);
                let kind = libc::SOCK_STREAM | libc::SOCK_CLOEXEC;
                libc::socketpair(libc::AF_UNIX, kind, 0, ends[2..].as_mut_ptr());
                for fd in ends.into_iter().chain([copy]).filter(|fd| *fd >= 0) {
                    libc::close(fd);
                }
            }
        }
    };
    let path = marked.to_str().expect("a path in UTF-8");
    let ends: Vec<_> = thread::scope(|scope| {
        let threads = [scope.spawn(open_and_close), scope.spawn(open_and_close)];
        let child = |_| Spawn::new().job(&["spawned", "without", path]).map(wait);
        let ends = (0..30).map(child).collect();
        done.store(true, Ordering::Relaxed);
        for thread in threads {
            thread.join().expect("a thread");
        }
        ends
    });
    same(ends, vec![Ok(0); 30]);
}

fn file_actions_in_order() {
    let mut out = paper("actions");
    let folder = world::folder("spawn-actions-in");
    fs::write(folder.join("a"), "first").expect("a file");
    fs::write(folder.join("b"), "second").expect("a file");
    let name =
        |file: &str| CString::new(folder.join(file).to_str().expect("UTF-8")).expect("a path");
    let (a, b) = (
        File::open(folder.join("a")).expect("a"),
        File::open(folder.join("b")).expect("b"),
    );
    let (a_fd, b_fd) = (a.as_raw_fd(), b.as_raw_fd());
    let mut read = |make: &dyn Fn(&mut Spawn), from: &str| {
        out.set_len(0).expect("emptying");
        out.rewind().expect("rewinding");
        // A copy in a child has the same position.
        let (mut again_a, mut again_b) = (&a, &b);
        again_a.rewind().expect("rewinding");
        again_b.rewind().expect("rewinding");
        let mut spawn = Spawn::new();
        make(&mut spawn);
        spawn.dup2(out.as_raw_fd(), 1);
        let status = spawn.job(&["spawned", "read", from]).map(wait);
        (status, output(&mut out))
    };
    // A marked descriptor is given by being duplicated, onto itself too.
    same(read(&|s| s.dup2(a_fd, 9), "9"), (Ok(0), "first".into()));
    same(
        read(&|s| s.dup2(a_fd, a_fd), &a_fd.to_string()),
        (Ok(0), "first".into()),
    );
    // One after the other: the second dup2 sees what the first has done.
    let swap = |s: &mut Spawn| {
        s.dup2(a_fd, 20);
        s.dup2(b_fd, 21);
        s.dup2(20, 22);
        s.dup2(21, 20);
        s.dup2(22, 21);
    };
    same(read(&swap, "20"), (Ok(0), "second".into()));
    same(read(&swap, "21"), (Ok(0), "first".into()));
    same(
        read(&|s| s.open(8, &name("b"), libc::O_RDONLY), "8"),
        (Ok(0), "second".into()),
    );
    // Opened at a number that is taken, and closed again.
    let replaced = |s: &mut Spawn| {
        s.dup2(a_fd, 8);
        s.open(8, &name("b"), libc::O_RDONLY);
    };
    same(read(&replaced, "8"), (Ok(0), "second".into()));
    let closed = |s: &mut Spawn| {
        s.dup2(a_fd, 8);
        s.close(8);
        s.close(63);
    };
    same(read(&closed, "8").0, Ok(1));
    // Where the file is depends on the directory changed to before.
    let there = |s: &mut Spawn| {
        s.chdir(&CString::new(folder.to_str().expect("UTF-8")).expect("a path"));
        s.open(8, c"b", libc::O_RDONLY);
    };
    same(read(&there, "8"), (Ok(0), "second".into()));
    let new = |s: &mut Spawn| {
        s.open(
            8,
            &name("new"),
            libc::O_WRONLY | libc::O_CREAT | libc::O_EXCL,
        )
    };
    same(read(&new, "8").0, Ok(1));
    same(fs::exists(folder.join("new")).ok(), Some(true));
}

fn directories() {
    let mut out = paper("directories");
    let folder = world::folder("spawn-directories-in");
    fs::create_dir(folder.join("sub")).expect("a folder");
    fs::write(folder.join("sub/file"), "there").expect("a file");
    let sub = File::open(folder.join("sub")).expect("the folder");
    let path = CString::new(folder.to_str().expect("UTF-8")).expect("a path");
    let shown = format!(
        "Ok({:?}) Some(\"there\")",
        folder.join("sub").display().to_string()
    );
    let mut run = |make: &dyn Fn(&mut Spawn)| {
        out.set_len(0).expect("emptying");
        out.rewind().expect("rewinding");
        let mut spawn = Spawn::new();
        make(&mut spawn);
        spawn.dup2(out.as_raw_fd(), 1);
        let status = spawn.job(&["spawned", "cwd"]).map(wait);
        (status, output(&mut out))
    };
    let chdir = |s: &mut Spawn| {
        s.chdir(&path);
        s.chdir(c"sub");
    };
    same(run(&chdir), (Ok(0), shown.clone()));
    same(run(&|s| s.fchdir(sub.as_raw_fd())), (Ok(0), shown));
    same(run(&|s| s.chdir(c"/no/such/folder")).0, Err(libc::ENOENT));
    same(run(&|s| s.fchdir(63)).0, Err(libc::EBADF));
    // This process is where it was.
    same(
        std::env::current_dir().ok().as_deref(),
        Some(std::path::Path::new("/")),
    );
}

fn groups_sessions_and_signals() {
    let mut out = paper("attributes");
    let mut run = |make: &dyn Fn(&mut Spawn)| {
        out.set_len(0).expect("emptying");
        out.rewind().expect("rewinding");
        let mut spawn = Spawn::new();
        make(&mut spawn);
        spawn.dup2(out.as_raw_fd(), 1);
        let status = spawn.job(&["spawned", "identity"]).map(wait);
        (status, output(&mut out))
    };
    let told = |group: bool, session: bool, blocked: u64, actions: &str| {
        (Ok(0), format!("{group} {session} {blocked:x} {actions}"))
    };
    // SAFETY: no function is installed that a signal could call.
    unsafe { libc::signal(libc::SIGUSR1, libc::SIG_IGN) };
    same(run(&|_| ()), told(false, false, 0, "idd"));
    same(
        run(&|s| {
            s.flags(SETPGROUP);
            s.group(0);
        }),
        told(true, false, 0, "idd"),
    );
    same(run(&|s| s.flags(SETSID)), told(true, true, 0, "idd"));
    let set = 1u64 << (libc::SIGUSR1 - 1) | 1 << (libc::SIGHUP - 1);
    same(
        run(&|s| {
            s.flags(SETSIGDEF | SETSIGMASK);
            s.signals(set, set);
        }),
        told(false, false, set, "ddd"),
    );
    // SAFETY: no function is installed that a signal could call.
    unsafe { libc::signal(libc::SIGUSR1, libc::SIG_DFL) };
    let scheduled = |policy: c_int, priority: c_int| {
        move |s: &mut Spawn| {
            s.flags(SETSCHEDULER | SETSCHEDPARAM);
            s.scheduling(policy, priority);
        }
    };
    same(run(&scheduled(0, 0)), told(false, false, 0, "ddd"));
    same(run(&scheduled(1, 0)).0, Err(libc::EINVAL));
    same(run(&scheduled(0, 5)).0, Err(libc::EINVAL));
    let bad = |s: &mut Spawn| {
        s.flags(SETPGROUP);
        s.group(-5);
    };
    same(run(&bad).0, Err(libc::EINVAL));
}

fn search_and_scripts() {
    use std::os::unix::fs::PermissionsExt;
    let folder = world::folder("spawn-search");
    let executable = |name: &str, text: &str| {
        fs::write(folder.join(name), text).expect("a file");
        let mode = fs::Permissions::from_mode(0o755);
        fs::set_permissions(folder.join(name), mode).expect("a mode");
    };
    let interpreted = format!("#!{} child\n", world::PROGRAM);
    executable("script", &interpreted);
    let script = folder.join("script");
    let script = script.to_str().expect("UTF-8");
    let start = |name, search| Spawn::new().start(name, &["script"], search).map(wait);
    same(start(script, false), Ok(world::SCRIPT));
    let former = std::env::var_os("PATH");
    // SAFETY: the cases run one after the other in the only thread, so that nobody reads the environment meanwhile.
    unsafe { std::env::set_var("PATH", format!("/no/such:{}", folder.display())) };
    same(
        Spawn::new().start("nosuch", &["x"], true),
        Err(libc::ENOENT),
    );
    same(start("script", true), Ok(world::SCRIPT));
    fs::write(folder.join("plain"), "").expect("a file");
    fs::set_permissions(folder.join("plain"), fs::Permissions::from_mode(0o644)).expect("a mode");
    same(Spawn::new().start("plain", &["x"], true), Err(libc::EACCES));
    match former {
        // SAFETY: the only thread is this one.
        Some(path) => unsafe { std::env::set_var("PATH", path) },
        // SAFETY: the only thread is this one.
        None => unsafe { std::env::remove_var("PATH") },
    }
}

fn errors_come_from_the_call() {
    let start = |path: &str| Spawn::new().start(path, &["x"], false);
    same(start("/no/such/program"), Err(libc::ENOENT));
    same(start("/"), Err(libc::EACCES));
    same(start(""), Err(libc::ENOENT));
    same(start(&"x".repeat(5000)), Err(libc::ENAMETOOLONG));
    let mut spawn = Spawn::new();
    spawn.dup2(63, 1);
    same(spawn.job(&["true"]), Err(libc::EBADF));
    let mut spawn = Spawn::new();
    spawn.open(5, c"/no/such/file", libc::O_RDONLY);
    same(spawn.job(&["true"]), Err(libc::ENOENT));
    same(spawn.try_close(-1), libc::EBADF);
    same(spawn.try_flags(0x4000), libc::EINVAL);
}

fn a_failed_spawn_leaves_nothing() {
    let before = open_numbers();
    for _ in 0..50 {
        let mut spawn = Spawn::new();
        spawn.flags(SETPGROUP);
        spawn.group(999_999);
        // No such group in this session: the child has been made by then.
        assert!(spawn.job(&["true"]).is_err());
    }
    same(open_numbers(), before);
    // SAFETY: without a place for the status the call writes nothing.
    let child = unsafe { libc::waitpid(-1, std::ptr::null_mut(), libc::WNOHANG) };
    // There is no child to wait for.
    same(child, -1);
    same(c::errno(), libc::ECHILD);
}
