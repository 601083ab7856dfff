//! Random operations on a treefs and on a tmpfs of the host: every answer, every number of an
//! error, every byte and every attribute agree.
//!
//! `SEQUENCES` sets how many trees are tried, `SEED` where they begin; a failure prints both and the
//! operation. Needs to be root on Linux, for a file system and a root directory of its own.

mod common;

use std::os::fd::OwnedFd;

use common::{Served, env_number, formatted, mounted};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use rustix::fs::{self as host, AtFlags, Mode, OFlags, RenameFlags};
use rustix::process::{Gid, Uid};
use syscall::flag::{
    AT_REMOVEDIR, O_APPEND, O_CREAT, O_DIRECTORY, O_EXCL, O_NOFOLLOW, O_RDONLY, O_RDWR, O_STAT,
    O_SYMLINK, O_TRUNC, O_WRONLY,
};
use tree_fixture::TempDir;
use tree_fixture::world::{self, AsUser};
use treefs::{Caller, Config, SparsePages, Store, Tree};

const USER: u32 = 1000;
const OPERATIONS: u32 = 400;

/// What an operation came to, as both sides can say it.
#[derive(Debug, PartialEq)]
enum Answer {
    Done,
    Bytes(Vec<u8>),
    Count(usize),
    Names(Vec<String>),
    Stat {
        mode: u16,
        links: u32,
        owner: u32,
        size: Option<u64>,
    },
    Error(i32),
}

/// The same file or directory on both sides.
struct Pair {
    ours: usize,
    theirs: OwnedFd,
}

struct Both<'s, S = Tree<SparsePages>> {
    served: &'s mut Served<S>,
    /// Lengths of names that both sides take, or both do not.
    lengths: &'static [usize],
    /// Whether directories count the links to them.
    counts: bool,
    dirs: Vec<Pair>,
    files: Vec<Pair>,
}

fn name(rng: &mut StdRng) -> &'static str {
    ["a", "b", "c", "d", "e"][rng.random_range(0..5)]
}

fn path(rng: &mut StdRng, lengths: &[usize]) -> String {
    let mut text = String::new();
    if rng.random_ratio(1, 12) {
        text.push('/');
    }
    let length = [1, 1, 1, 2, 2, 3][rng.random_range(0..6)];
    for number in 0..length {
        if number > 0 {
            text.push('/');
        }
        match rng.random_range(0..30) {
            0 | 1 => text.push_str(".."),
            2 => text.push('.'),
            3 if rng.random_ratio(1, 6) => {
                text.push_str(&"n".repeat(*lengths.choose(rng).unwrap_or(&1)))
            }
            _ => text.push_str(name(rng)),
        }
    }
    if rng.random_ratio(1, 12) {
        text.push('/');
    }
    text
}

fn mode(rng: &mut StdRng) -> u16 {
    // Sticky directories are not writable for everyone here: of those that are, Linux restricts
    // more than POSIX says (fs.protected_*).
    *[
        0o755, 0o755, 0o770, 0o1770, 0o700, 0o555, 0o644, 0o4755, 0o000,
    ]
    .choose(rng)
    .unwrap_or(&0o755)
}

fn ours<T>(result: Result<T, treefs::Error>, answer: impl FnOnce(T) -> Answer) -> Answer {
    result.map_or_else(|error| Answer::Error(error.errno()), answer)
}

fn theirs<T>(result: rustix::io::Result<T>, answer: impl FnOnce(T) -> Answer) -> Answer {
    result.map_or_else(|error| Answer::Error(error.raw_os_error()), answer)
}

fn done<T>(_: T) -> Answer {
    Answer::Done
}

fn permissions(mode: u16) -> Mode {
    Mode::from_bits_retain(u32::from(mode))
}

fn our_stat(stat: treefs::Stat) -> Answer {
    let is_dir = stat.st_mode & syscall::flag::MODE_TYPE == syscall::flag::MODE_DIR;
    Answer::Stat {
        mode: stat.st_mode,
        links: stat.st_nlink,
        owner: stat.st_uid,
        size: (!is_dir).then_some(stat.st_size),
    }
}

fn their_stat(stat: host::Stat) -> Answer {
    let mode = stat.st_mode as u16;
    let is_dir = mode & syscall::flag::MODE_TYPE == syscall::flag::MODE_DIR;
    Answer::Stat {
        mode,
        links: stat.st_nlink as u32,
        owner: stat.st_uid,
        size: (!is_dir).then_some(stat.st_size as u64),
    }
}

impl<'s, S: Store> Both<'s, S> {
    fn new(served: &'s mut Served<S>, lengths: &'static [usize], counts: bool) -> Self {
        let theirs = host::openat(host::CWD, "/", OFlags::PATH, Mode::empty()).unwrap();
        let dirs = vec![Pair {
            ours: served.root,
            theirs,
        }];
        Self {
            served,
            lengths,
            counts,
            dirs,
            files: Vec::new(),
        }
    }

    /// Opens on both sides; keeps what was opened if `keep`.
    fn open(
        &mut self,
        dir: usize,
        path: &str,
        flags: (usize, OFlags),
        mode: u16,
        uid: u32,
        keep: bool,
    ) -> (Answer, Answer) {
        let got = self
            .served
            .open_at(self.dirs[dir].ours, path, flags.0 | usize::from(mode));
        let host = {
            let _user = AsUser::new(uid).unwrap();
            let flags = flags.1 | OFlags::CLOEXEC;
            host::openat(&self.dirs[dir].theirs, path, flags, permissions(mode))
        };
        let answers = (
            ours(got.as_ref().map_err(|e| *e), done),
            theirs(host.as_ref().map_err(|e| *e), done),
        );
        match (got, host) {
            (Ok(ours), Ok(theirs)) if keep => {
                let pair = Pair { ours, theirs };
                let into = if flags.1.contains(OFlags::DIRECTORY) {
                    &mut self.dirs
                } else {
                    &mut self.files
                };
                into.push(pair);
                if into.len() > 8 {
                    let old = into.remove(1);
                    self.served.fs.close(old.ours);
                }
            }
            (Ok(ours), _) => self.served.fs.close(ours),
            _ => {}
        }
        answers
    }

    /// One random operation: what it was, our answer, the host's.
    fn step(&mut self, rng: &mut StdRng) -> (String, Answer, Answer) {
        let uid = if rng.random_ratio(1, 4) { USER } else { 0 };
        self.served.caller = Caller { uid, gid: 0 };
        let caller = self.served.caller;
        let now = self.served.now;
        let dir = if rng.random_bool(0.5) {
            rng.random_range(0..self.dirs.len())
        } else {
            0
        };
        let other = rng.random_range(0..self.dirs.len());
        let (one, two) = (path(rng, self.lengths), path(rng, self.lengths));
        // In a removed directory Linux finds nothing before it finds a name too long.
        let long = |text: &str| text.len() > 250;
        let (dir, other) = if long(&one) || long(&two) {
            (0, 0)
        } else {
            (dir, other)
        };
        let mode = mode(rng);
        let our_dir = self.dirs[dir].ours;
        let our_other = self.dirs[other].ours;
        let label = |what: &str| format!("{what} as {uid}: {dir}:{one:?} {other}:{two:?} {mode:o}");
        match rng.random_range(0..24) {
            0..=3 => {
                let flags = O_CREAT | O_EXCL | O_DIRECTORY | O_STAT | usize::from(mode);
                let got = self.served.open_at(our_dir, &one, flags);
                if let Ok(handle) = got {
                    self.served.fs.close(handle);
                }
                let _user = AsUser::new(uid).unwrap();
                let host = host::mkdirat(&self.dirs[dir].theirs, &*one, permissions(mode));
                (label("mkdir"), ours(got, done), theirs(host, done))
            }
            4..=6 => {
                // Linux guards files in others' sticky directories more than POSIX says.
                let exclusive = uid != 0 || rng.random_bool(0.3);
                let mut flags = (O_CREAT | O_RDWR, OFlags::CREATE | OFlags::RDWR);
                if exclusive {
                    flags = (flags.0 | O_EXCL, flags.1 | OFlags::EXCL);
                }
                if rng.random_ratio(1, 4) {
                    flags = (flags.0 | O_TRUNC, flags.1 | OFlags::TRUNC);
                }
                let (a, b) = self.open(dir, &one, flags, mode, uid, true);
                (label(&format!("create {flags:?}")), a, b)
            }
            7..=8 => {
                let mut flags = match rng.random_range(0..5) {
                    0 => (O_STAT, OFlags::PATH),
                    1 => (O_WRONLY, OFlags::WRONLY),
                    2 => (O_RDWR, OFlags::RDWR),
                    3 => (O_RDWR | O_TRUNC, OFlags::RDWR | OFlags::TRUNC),
                    _ => (O_RDONLY, OFlags::RDONLY),
                };
                if rng.random_ratio(1, 4) {
                    flags = (flags.0 | O_NOFOLLOW, flags.1 | OFlags::NOFOLLOW);
                }
                let keep = !flags.1.contains(OFlags::PATH);
                let (a, b) = self.open(dir, &one, flags, 0, uid, keep);
                (label(&format!("open {flags:?}")), a, b)
            }
            9..=10 => {
                let flags = (O_DIRECTORY | O_RDONLY, OFlags::DIRECTORY | OFlags::RDONLY);
                let (a, b) = self.open(dir, &one, flags, 0, uid, true);
                (label("open directory"), a, b)
            }
            11..=12 => {
                let got = self.served.symlink_at(our_dir, &one, &two);
                let _user = AsUser::new(uid).unwrap();
                let host = host::symlinkat(&*two, &self.dirs[dir].theirs, &*one);
                (label("symlink"), ours(got, done), theirs(host, done))
            }
            13 => {
                let got = self.served.open_at(our_dir, &one, O_SYMLINK | O_RDONLY);
                let got = got.and_then(|handle| {
                    let target = self.served.read(handle, 4096, 0);
                    self.served.fs.close(handle);
                    target
                });
                let _user = AsUser::new(uid).unwrap();
                let host = host::readlinkat(&self.dirs[dir].theirs, &*one, Vec::new());
                let host = theirs(host, |target| Answer::Bytes(target.into_bytes()));
                (label("readlink"), ours(got, Answer::Bytes), host)
            }
            14 => {
                // As root: Linux lets others link only what they own (fs.protected_hardlinks).
                self.served.caller = common::ROOT;
                let target = self.served.open_at(our_dir, &one, O_STAT | O_NOFOLLOW);
                let got = target.and_then(|target| {
                    let caller = common::ROOT;
                    let fs = &mut self.served.fs;
                    let done = fs.flinkat(target, our_other, &two, 0, caller, now);
                    fs.close(target);
                    done
                });
                let (a, b) = (&self.dirs[dir].theirs, &self.dirs[other].theirs);
                let host = host::linkat(a, &*one, b, &*two, AtFlags::empty());
                (label("link"), ours(got, done), theirs(host, done))
            }
            15..=16 => {
                let rmdir = rng.random_bool(0.4);
                let flags = if rmdir { AT_REMOVEDIR } else { 0 };
                let got = self.served.fs.unlinkat(our_dir, &one, flags, caller, now);
                let _user = AsUser::new(uid).unwrap();
                let flags = if rmdir {
                    AtFlags::REMOVEDIR
                } else {
                    AtFlags::empty()
                };
                let host = host::unlinkat(&self.dirs[dir].theirs, &*one, flags);
                let what = if rmdir { "rmdir" } else { "unlink" };
                (label(what), ours(got, done), theirs(host, done))
            }
            17..=19 => {
                let flags = [
                    RenameFlags::empty(),
                    RenameFlags::NOREPLACE,
                    RenameFlags::EXCHANGE,
                ][rng.random_range(0..3)];
                let (old, new) = ((our_dir, &*one), (our_other, &*two));
                let got = self
                    .served
                    .fs
                    .frenameat(old, new, flags.bits(), caller, now);
                let _user = AsUser::new(uid).unwrap();
                let (a, b) = (&self.dirs[dir].theirs, &self.dirs[other].theirs);
                let host = host::renameat_with(a, &*one, b, &*two, flags);
                let what = format!("rename {flags:?}");
                (label(&what), ours(got, done), theirs(host, done))
            }
            20 => {
                let change_owner = uid == 0 && rng.random_bool(0.5);
                let handle = self.served.open_at(our_dir, &one, O_STAT);
                let got = handle.and_then(|handle| {
                    let fs = &mut self.served.fs;
                    let done = if change_owner {
                        fs.fchown(handle, USER, u32::MAX, caller, now)
                    } else {
                        fs.fchmod(handle, mode, caller, now)
                    };
                    fs.close(handle);
                    done
                });
                let _user = AsUser::new(uid).unwrap();
                let at = &self.dirs[dir].theirs;
                let host = if change_owner {
                    let owner = Some(Uid::from_raw(USER));
                    host::chownat(at, &*one, owner, None::<Gid>, AtFlags::empty())
                } else {
                    host::chmodat(at, &*one, permissions(mode), AtFlags::empty())
                };
                let what = if change_owner { "chown" } else { "chmod" };
                (label(what), ours(got, done), theirs(host, done))
            }
            21 => {
                let flags = if rng.random_bool(0.5) { O_NOFOLLOW } else { 0 };
                let got = self.served.open_at(our_dir, &one, O_STAT | flags);
                let got = got.and_then(|handle| {
                    let stat = self.served.fs.fstat(handle);
                    self.served.fs.close(handle);
                    stat
                });
                let _user = AsUser::new(uid).unwrap();
                let flags = if flags == 0 {
                    AtFlags::empty()
                } else {
                    AtFlags::SYMLINK_NOFOLLOW
                };
                let host = host::statat(&self.dirs[dir].theirs, &*one, flags);
                (label("stat"), ours(got, our_stat), theirs(host, their_stat))
            }
            22 => self.list(other),
            _ => self.io(rng),
        }
    }

    /// Lists a directory by its descriptor.
    fn list(&mut self, at: usize) -> (String, Answer, Answer) {
        let pair = &self.dirs[at];
        let got = self.served.list(pair.ours, 0).map(|names| {
            let mut names: Vec<String> = names.into_iter().map(|(_, name)| name).collect();
            names.sort();
            names
        });
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let host = host::openat(&pair.theirs, ".", flags, Mode::empty());
        let host = host.and_then(|fd| {
            let mut names = Vec::new();
            for entry in host::Dir::read_from(fd)? {
                let name = entry?.file_name().to_string_lossy().into_owned();
                if name != "." && name != ".." {
                    names.push(name);
                }
            }
            names.sort();
            Ok(names)
        });
        (
            format!("list {at}"),
            ours(got, Answer::Names),
            theirs(host, Answer::Names),
        )
    }

    /// Reads, writes, truncates or examines an open file.
    fn io(&mut self, rng: &mut StdRng) -> (String, Answer, Answer) {
        let Some(at) = (!self.files.is_empty()).then(|| rng.random_range(0..self.files.len()))
        else {
            return (String::new(), Answer::Done, Answer::Done);
        };
        let (caller, now) = (self.served.caller, self.served.now);
        let offset = [0, 1, 4095, 4096, 5000, 70_000][rng.random_range(0..6)];
        let len = [1, 3, 4096, 9000][rng.random_range(0..4)];
        let handle = self.files[at].ours;
        let fd = &self.files[at].theirs;
        let fs = &mut self.served.fs;
        let label = |what: &str| format!("{what} file {at}: {len} at {offset}");
        match rng.random_range(0..6) {
            0..=1 => {
                let data = vec![rng.random::<u8>(); len];
                let got = fs.write(handle, &data, offset, 0, caller, now);
                let _user = AsUser::new(caller.uid).unwrap();
                let host = rustix::io::pwrite(fd, &data, offset);
                (
                    label("write"),
                    ours(got, Answer::Count),
                    theirs(host, Answer::Count),
                )
            }
            2..=3 => {
                let mut buf = vec![0; len];
                let got = fs.read(handle, &mut buf, offset, now);
                let got = got.map(|count| buf[..count].to_vec());
                let mut buf = vec![0; len];
                let host = rustix::io::pread(fd, &mut buf, offset);
                let host = theirs(host, |count: usize| Answer::Bytes(buf[..count].to_vec()));
                (label("read"), ours(got, Answer::Bytes), host)
            }
            4 => {
                let got = fs.ftruncate(handle, offset, caller, now);
                let _user = AsUser::new(caller.uid).unwrap();
                let host = host::ftruncate(fd, offset);
                let mut host = theirs(host, done);
                // Linux says EINVAL for a descriptor that is not open for writing, as POSIX allows;
                // ours says EBADF, as POSIX also does and Redox's programs know it.
                if host == Answer::Error(22) {
                    host = Answer::Error(9);
                }
                (label("truncate"), ours(got, done), host)
            }
            _ => {
                let (got, host) = (fs.fstat(handle), host::fstat(fd));
                (
                    label("fstat"),
                    ours(got, our_stat),
                    theirs(host, their_stat),
                )
            }
        }
    }

    /// Removes everything and closes everything: nothing may be left.
    fn clear(mut self) {
        self.served.caller = common::ROOT;
        for pair in self.files.drain(..).chain(self.dirs.drain(1..)) {
            self.served.fs.close(pair.ours);
        }
        fn empty<S: Store>(served: &mut Served<S>, dir: &str) {
            let handle = served.open(dir, O_RDONLY | O_DIRECTORY).unwrap();
            let names = served.list(handle, 0).unwrap();
            served.fs.close(handle);
            for (_, name) in names {
                let path = format!("{dir}/{name}");
                match served.unlink(&path, 0) {
                    Err(treefs::Error::IsDirectory) => {
                        empty(served, &path);
                        served.unlink(&path, AT_REMOVEDIR).unwrap();
                    }
                    other => other.unwrap(),
                }
            }
        }
        empty(self.served, ".");
        assert_eq!(self.served.fs.open_handles(), 1);
    }
}

fn in_memory(seed: u64, number: u64) -> (u64, u64) {
    let mut served = Served::new(Config::default());
    let both = Both::new(&mut served, &[254, 255, 256, 257], true);
    let counts = sequence(both, seed, number);
    let usage = served.fs.usage().0;
    assert_eq!((usage.bytes, usage.inodes), (0, 1));
    counts
}

/// Names are shorter there, and nobody counts the directories in a directory.
fn on_a_disk(seed: u64, number: u64) -> (u64, u64) {
    let mut image = formatted(16);
    let config = Config {
        root_mode: 0o755,
        ..Config::default()
    };
    let ((), empty) = mounted(&mut image, &config, |_| ());
    let (counts, free) = mounted(&mut image, &config, |served| {
        sequence(
            Both::new(served, &[251, 252, 256, 257], false),
            seed,
            number,
        )
    });
    assert_eq!(free, empty, "SEED={seed} sequence {number}: blocks lost");
    counts
}

fn sequence<S: Store>(mut both: Both<'_, S>, seed: u64, number: u64) -> (u64, u64) {
    let mut rng = StdRng::seed_from_u64(seed << 32 | number);
    let (mut succeeded, mut failed) = (0, 0);
    for operation in 0..OPERATIONS {
        let (label, mut mine, mut other) = both.step(&mut rng);
        for answer in [&mut mine, &mut other] {
            match answer {
                Answer::Stat {
                    links, size: None, ..
                } if !both.counts => *links = 0,
                _ => {}
            }
        }
        assert_eq!(
            mine, other,
            "SEED={seed} sequence {number} operation {operation}: {label}: ours, then the host's"
        );
        match mine {
            Answer::Error(_) => failed += 1,
            _ => succeeded += 1,
        }
    }
    both.clear();
    (succeeded, failed)
}

#[test]
fn random_operations_answer_as_on_tmpfs() {
    compare(in_memory, env_number("SEQUENCES", 300));
}

#[test]
fn a_volume_answers_as_tmpfs() {
    compare(on_a_disk, env_number("SEQUENCES", 300) / 6);
}

fn compare(sequence: fn(u64, u64) -> (u64, u64), sequences: u64) {
    if !world::is_possible() {
        use std::io::Write;
        let _ = writeln!(
            std::io::stderr(),
            "SKIPPED: treefs against tmpfs (not root)"
        );
        return;
    }
    // O_APPEND travels with each write and has its own test.
    assert_ne!(O_APPEND, 0);
    rustix::process::umask(Mode::empty());
    let seed = env_number("SEED", 1);
    let (mut succeeded, mut failed) = (0, 0);
    for number in 0..sequences {
        let top = TempDir::new("treefs").unwrap();
        let at = top.path().to_path_buf();
        let thread = std::thread::spawn(move || {
            world::mount_own(&at).unwrap();
            host::chmod(&at, Mode::from_bits_retain(0o755)).unwrap();
            world::enter(&at).unwrap();
            sequence(seed, number)
        });
        match thread.join() {
            Ok((well, badly)) => {
                succeeded += well;
                failed += badly;
            }
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }
    println!("SEED={seed}: {succeeded} succeeded, {failed} failed");
    assert!(
        succeeded > failed / 4,
        "{succeeded} succeeded, {failed} failed"
    );
}
