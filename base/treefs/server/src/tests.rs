use super::*;
use cap_abi::scheme::LOCK_WAIT;
use syscall::flag::{O_CREAT, O_DIRECTORY, O_RDONLY, O_RDWR};
use treefs::{Config, SparsePages, Tree};

const NOW: TimeSpec = TimeSpec {
    tv_sec: 5,
    tv_nsec: 0,
};

/// No request here waits with bytes.
struct Nobody;

impl Requests for Nobody {
    fn take(&mut self, _: u32, _: usize, _: &mut [u8]) -> bool {
        false
    }

    fn give(&mut self, _: u32, _: usize, _: &[u8]) -> bool {
        false
    }
}

struct Client {
    server: Server<Tree<SparsePages>>,
    root: u64,
    /// What the kernel adds to every request.
    flags: u8,
    ids: u64,
}

impl Client {
    fn new() -> Self {
        let fs = Fs::new(Config::default(), Caller::SUPERUSER, NOW).unwrap();
        let mut server = Server::new(fs);
        let root = server.root().unwrap() as u64;
        Self {
            server,
            root,
            flags: 0,
            ids: 0,
        }
    }

    fn ask(&mut self, opcode: Opcode, args: [u64; 6], payload: &mut [u8]) -> i64 {
        let sqe = Sqe {
            opcode: opcode as u8,
            sqe_flags: SqeFlags::from_bits_retain(self.flags),
            tag: 3,
            args,
            ..Sqe::default()
        };
        let cqe = self.server.handle(&sqe, payload, NOW, &mut Nobody).unwrap();
        assert_eq!(cqe.tag, 3);
        cqe.result as i64
    }

    fn open(&mut self, dir: u64, path: &str, flags: usize) -> i64 {
        let mut path = path.as_bytes().to_vec();
        let args = [dir, 0, 0, flags as u64, 0, self.ids];
        self.ask(Opcode::OpenAt, args, &mut path)
    }

    fn standard(&mut self, handle: u64, kind: StdFsCallKind, arg: u64, payload: &mut [u8]) -> i64 {
        let header = size_of::<syscall::dirent::DirentHeader>() as u64;
        self.ask(
            Opcode::StdFsCall,
            [handle, 0, 0, kind as u64, arg, header],
            payload,
        )
    }

    fn names(&mut self, dir: u64, room: usize) -> Vec<String> {
        let (mut names, mut after) = (Vec::new(), 0);
        loop {
            let mut buffer = vec![0; room];
            let len = self.standard(dir, StdFsCallKind::Getdents, after, &mut buffer);
            assert!(len >= 0, "{len}");
            if len == 0 {
                return names;
            }
            let mut rest = &buffer[..len as usize];
            while !rest.is_empty() {
                after = u64::from_ne_bytes(rest[8..16].try_into().unwrap());
                let record = usize::from(u16::from_ne_bytes(rest[16..18].try_into().unwrap()));
                let name = &rest[size_of::<syscall::dirent::DirentHeader>()..record];
                let end = name.iter().position(|byte| *byte == 0).unwrap();
                names.push(String::from_utf8(name[..end].to_vec()).unwrap());
                rest = &rest[record..];
            }
        }
    }
}

#[test]
fn files_are_made_written_read_listed_and_removed() {
    let mut c = Client::new();
    let root = c.root;
    assert!(c.open(root, "d", O_CREAT | O_DIRECTORY | 0o755) >= 0);
    for n in 0..20 {
        let f = c.open(root, &format!("d/f{n}"), O_CREAT | O_RDWR | 0o644);
        assert!(f >= 0, "{f}");
        let mut data = *b"hello";
        assert_eq!(
            c.ask(Opcode::Write, [f as u64, 0, 0, 2, 0, 0], &mut data),
            5
        );
        let mut back = [9; 8];
        assert_eq!(c.ask(Opcode::Read, [f as u64, 0, 0, 0, 0, 0], &mut back), 7);
        assert_eq!(&back, b"\0\0hello\x09");
    }
    let d = c.open(root, "d", O_DIRECTORY | O_RDONLY) as u64;
    let wanted: Vec<_> = (0..20).map(|n| format!("f{n}")).collect();
    for room in [40, 64, 200, 4096] {
        assert_eq!(c.names(d, room), wanted, "{room}");
    }
    assert_eq!(c.standard(d, StdFsCallKind::Getdents, 0, &mut [0; 20]), -22);
    let mut name = *b"f7";
    assert_eq!(c.standard(d, StdFsCallKind::Unlinkat, 0, &mut name), 0);
    assert_eq!(c.names(d, 4096).len(), 19);
    assert_eq!(c.standard(d, StdFsCallKind::Unlinkat, 0, &mut name), -2);
}

#[test]
fn a_limited_descriptor_confines_every_way_to_name() {
    let mut c = Client::new();
    let root = c.root;
    c.open(root, "in", O_CREAT | O_DIRECTORY | 0o755);
    c.open(root, "out", O_CREAT | O_RDWR | 0o644);
    let dir = c.open(root, "in", O_DIRECTORY | O_RDONLY) as u64;
    let file = c.open(dir, "f", O_CREAT | O_RDWR | 0o644) as u64;
    assert!(c.open(dir, "../out", O_RDONLY) >= 0);
    assert_eq!(c.open(dir, "../out", O_RDONLY | RESOLVE_BENEATH), -1);
    c.flags = SQE_BENEATH;
    assert_eq!(c.open(dir, "../out", O_RDONLY), -1);
    // It is listed like any other.
    assert_eq!(c.names(dir, 64), ["f"]);
    let mut path = *b"../out";
    assert_eq!(c.ask(Opcode::UnlinkAt, [dir, 0, 0, 0, 0, 0], &mut path), -1);
    assert_eq!(c.standard(dir, StdFsCallKind::Unlinkat, 0, &mut path), -1);
    c.flags |= SqeFlags::MULTIPLE_IDS.bits();
    let rename = StdFsCallKind::Frenameat as u64;
    let mut names = *b"f\0../f";
    assert_eq!(
        c.ask(Opcode::StdFsCall, [dir, 0, 0, rename, 0, dir], &mut names),
        -1
    );
    let link = StdFsCallKind::Flinkat as u64;
    let mut name = *b"../f";
    assert_eq!(
        c.ask(Opcode::StdFsCall, [file, 0, 0, link, 0, dir], &mut name),
        -1
    );
    let mut name = *b"g";
    assert_eq!(
        c.ask(Opcode::StdFsCall, [file, 0, 0, link, 0, dir], &mut name),
        0
    );
}

#[test]
fn standard_calls_are_judged_by_who_opened() {
    let mut c = Client::new();
    let root = c.root;
    let own = c.open(root, "f", O_CREAT | O_RDWR | 0o666) as u64;
    c.ids = 7;
    let other = c.open(root, "f", O_RDWR) as u64;
    assert_eq!(c.standard(other, StdFsCallKind::Fchmod, 0o600, &mut []), -1);
    assert_eq!(c.standard(own, StdFsCallKind::Fchmod, 0o600, &mut []), 0);
    assert_eq!(c.open(root, "f", O_RDWR), -13);
}

#[test]
fn the_root_that_everybody_has_lends_nobody_the_superusers_rights() {
    let mut c = Client::new();
    let root = c.root;
    let closed = c.open(root, "closed", O_CREAT | O_DIRECTORY | 0o755) as u64;
    c.open(closed, "f", O_CREAT | O_RDWR | 0o600);
    c.open(root, "open", O_CREAT | O_DIRECTORY | 0o777);
    let target = c.open(closed, "f", O_RDWR) as u64;
    c.ids = 7 | 7 << 32;
    let own = c.open(root, "open", O_DIRECTORY | O_RDONLY) as u64;
    c.open(own, "g", O_CREAT | O_RDWR | 0o600);
    c.ids = 8 | 8 << 32;
    let others = c.open(root, "open", O_DIRECTORY | O_RDONLY) as u64;
    let (rename, link) = (StdFsCallKind::Frenameat, StdFsCallKind::Flinkat);
    let two = SqeFlags::MULTIPLE_IDS.bits();
    // (flags, kind, first, second, text, answer)
    let rows = [
        (0, StdFsCallKind::Unlinkat, root, 0, "closed/f", -13),
        (0, StdFsCallKind::Fchmod, root, 0o777, "", -1),
        (two, rename, root, root, "closed/f\0open/f", -13),
        (two, rename, closed, root, "f\0open/f", -13),
        (two, rename, root, closed, "open/g\0g", -13),
        (two, rename, closed, own, "f\0f", -13),
        (two, rename, own, others, "g\0h", -1),
        (two, link, target, root, "closed/h", -13),
        (two, link, target, own, "../closed/h", -13),
        (two, rename, own, own, "g\0h", 0),
        (two, rename, closed, closed, "f\0h", 0),
        (two, rename, own, closed, "h\0../open/i", 0),
    ];
    for (flags, kind, first, second, text, answer) in rows {
        c.flags = flags;
        let (argument, second) = if flags == two {
            (0, second)
        } else {
            (second, 0)
        };
        let args = [first, 0, 0, kind as u64, argument, second];
        let said = c.ask(Opcode::StdFsCall, args, &mut text.as_bytes().to_vec());
        assert_eq!(said, answer, "{kind:?} {first} {text:?}");
    }
}

#[test]
fn senseless_requests_are_refused() {
    let mut c = Client::new();
    let root = c.root;
    for opcode in 0..=u8::MAX {
        let Some(opcode) = Opcode::try_from_raw(opcode) else {
            continue;
        };
        for handle in [root, 99, u64::MAX] {
            for flags in [0, SqeFlags::MULTIPLE_IDS.bits(), SQE_BENEATH] {
                c.flags = flags;
                for len in [0, 1, 7, 100] {
                    let args = [handle, 1, 2, u64::MAX, u64::MAX, u64::MAX];
                    c.ask(opcode, args, &mut vec![0xff; len]);
                }
            }
        }
    }
    // One of those requests closed the root.
    let mut c = Client::new();
    let root = c.root;
    assert_eq!(c.ask(Opcode::Read, [99, 0, 0, 0, 0, 0], &mut [0; 4]), -9);
    assert_eq!(
        c.ask(Opcode::Fstat, [root, 0, 0, 0, 0, 0], &mut [0; 4]),
        -22
    );
}

#[test]
fn a_closed_handle_is_gone() {
    let mut c = Client::new();
    let file = c.open(c.root, "f", O_CREAT | O_RDWR | 0o644) as u64;
    let sqe = Sqe {
        opcode: Opcode::CloseMsg as u8,
        sqe_flags: SqeFlags::ONEWAY,
        args: [file, 0, 0, 0, 0, 0],
        ..Sqe::default()
    };
    assert!(c.server.handle(&sqe, &mut [], NOW, &mut Nobody).is_none());
    assert_eq!(c.ask(Opcode::Fsize, [file, 0, 0, 0, 0, 0], &mut []), -9);
    assert_eq!(c.server.openers.len(), 1);
}

/// A request for a lock by a process: its answer, if it comes at once.
fn lock(
    c: &mut Client,
    kind: StdFsCallKind,
    handle: i64,
    pid: u64,
    words: [u64; 2],
) -> Option<i64> {
    let mut found = [0; 16];
    let sqe = Sqe {
        opcode: Opcode::StdFsCall as u8,
        tag: pid as u32,
        args: [handle as u64, 0, 0, kind as u64, words[0], words[1]],
        caller: pid,
        ..Sqe::default()
    };
    let cqe = c.server.handle(&sqe, &mut found, NOW, &mut Nobody)?;
    assert_eq!(cqe.tag, pid as u32);
    Some(cqe.result as i64)
}

fn message(c: &mut Client, opcode: Opcode, handle: i64, pid: u64) -> Option<Cqe> {
    let sqe = Sqe {
        opcode: opcode as u8,
        sqe_flags: SqeFlags::ONEWAY,
        tag: pid as u32,
        args: [handle as u64, 0, 0, 0, 0, 0],
        caller: pid,
        ..Sqe::default()
    };
    c.server.handle(&sqe, &mut [], NOW, &mut Nobody)
}

#[test]
fn locks_are_given_waited_for_and_lost() {
    use StdFsCallKind::{GetLock, Lock, Unlock};
    const EX: u64 = 1 << 63;
    const FILE: u64 = 1 << 63;
    let mut c = Client::new();
    let file = c.open(c.root, "file", O_CREAT | O_RDWR | 0o644);
    let other = c.open(c.root, "file", O_RDONLY);
    let again = errno::EAGAIN as i64;
    let rows = [
        ("exclusive", Lock, file, 1, [10, 10 | EX], 0),
        ("another's", Lock, file, 2, [15, 1 | EX], -again),
        ("shared with it", Lock, other, 2, [15, 1], -again),
        ("beside it", Lock, other, 2, [20, 5], 0),
        ("its own again", Lock, file, 1, [12, 2], 0),
        ("the shared part", Lock, other, 2, [12, 2], 0),
        ("whose", GetLock, file, 3, [10, 1 | EX], 1),
        (
            "whose is shared",
            GetLock,
            file,
            3,
            [21, 1],
            -i64::from(errno::ESRCH),
        ),
        (
            "not open for that",
            Lock,
            other,
            4,
            [100, 1 | EX],
            -i64::from(errno::EBADF),
        ),
        (
            "too long",
            Lock,
            file,
            4,
            [i64::MAX as u64, 2],
            -i64::from(errno::EINVAL),
        ),
        ("the file's", Lock, other, 5, [200 | FILE, 5 | EX], 0),
        ("the file's own", Lock, other, 6, [200 | FILE, 5], 0),
        (
            "the other file's",
            Lock,
            file,
            6,
            [200 | FILE, 5 | EX],
            -again,
        ),
        ("unlocked in part", Unlock, file, 1, [10, 2], 0),
        ("where it was", Lock, file, 3, [10, 2 | EX], 0),
    ];
    for (what, kind, handle, pid, words, want) in rows {
        assert_eq!(lock(&mut c, kind, handle, pid, words), Some(want), "{what}");
    }
    // Two wait, in their order, for what process 1 still has; one of them gives up.
    for pid in [7, 8, 9] {
        assert_eq!(
            lock(&mut c, Lock, file, pid, [14, 2 | EX | LOCK_WAIT]),
            None
        );
    }
    let cancelled = message(&mut c, Opcode::Cancel, 0, 8).unwrap();
    assert_eq!(cancelled.result as i64, -i64::from(errno::EINTR));
    assert!(c.server.next_ready().is_none());
    // Another descriptor of the same file is given up by its process.
    assert!(message(&mut c, Opcode::Detach, other, 1).is_none());
    let first = c.server.next_ready().unwrap();
    assert_eq!((first.tag, first.result), (7, 0));
    assert!(c.server.next_ready().is_none());
    assert_eq!(lock(&mut c, Unlock, file, 7, [0, 0]), Some(0));
    assert_eq!(c.server.next_ready().unwrap().tag, 9);
    // The file's locks go with its handle.
    message(&mut c, Opcode::CloseMsg, other, 5);
    assert_eq!(lock(&mut c, Lock, file, 6, [200 | FILE, 5 | EX]), Some(0));
}

/// One thread waits for a lock, and another of its process closes the file: whoever comes next must not find the
/// file locked for ever.
#[test]
fn no_lock_is_given_through_a_handle_that_is_closed() {
    use StdFsCallKind::{Lock, Unlock};
    const EX: u64 = 1 << 63;
    const FILE: u64 = 1 << 63;
    let all_of_it = [("the file's", FILE), ("a process's", 0)];
    for (what, whose) in all_of_it {
        let mut c = Client::new();
        let files = [(); 3].map(|()| c.open(c.root, "file", O_CREAT | O_RDWR | 0o644));
        let [has, waits, next] = files;
        let wanted = [whose, EX];
        assert_eq!(lock(&mut c, Lock, has, 1, wanted), Some(0), "{what}");
        let waiting = lock(&mut c, Lock, waits, 2, [whose, EX | LOCK_WAIT]);
        assert_eq!(waiting, None, "{what}");
        message(&mut c, Opcode::CloseMsg, waits, 2);
        let told = c.server.next_ready().unwrap();
        let answer = (told.tag, told.result as i64);
        assert_eq!(answer, (2, -i64::from(errno::EBADF)), "{what}");
        assert_eq!(lock(&mut c, Unlock, has, 1, [whose, 0]), Some(0), "{what}");
        assert!(c.server.next_ready().is_none(), "{what}");
        assert_eq!(lock(&mut c, Lock, next, 3, wanted), Some(0), "{what}");
    }
}

/// A process that has closed its last descriptor is told of as detached after the handle's end, if it was so when
/// its lock was given.
#[test]
fn a_process_s_locks_go_with_the_handle_they_were_asked_through() {
    use StdFsCallKind::{Lock, Unlock};
    const EX: u64 = 1 << 63;
    let mut c = Client::new();
    let files = [(); 3].map(|()| c.open(c.root, "file", O_CREAT | O_RDWR | 0o644));
    let [has, waits, next] = files;
    assert_eq!(lock(&mut c, Lock, has, 1, [0, 1 | EX]), Some(0));
    assert_eq!(lock(&mut c, Lock, has, 3, [5, 1 | EX]), Some(0));
    let waiting = lock(&mut c, Lock, waits, 2, [0, 1 | EX | LOCK_WAIT]);
    assert_eq!(waiting, None);
    assert_eq!(lock(&mut c, Unlock, has, 1, [0, 1]), Some(0));
    let given = c.server.next_ready().unwrap();
    assert_eq!((given.tag, given.result), (2, 0));
    message(&mut c, Opcode::CloseMsg, waits, 0);
    message(&mut c, Opcode::Detach, waits, 2);
    assert_eq!(lock(&mut c, Lock, next, 4, [0, 1 | EX]), Some(0));
    // Those through others stay.
    let other = lock(&mut c, Lock, next, 4, [5, 1 | EX]);
    assert_eq!(other, Some(-i64::from(errno::EAGAIN)));
}

#[test]
fn who_would_wait_for_itself_is_told() {
    use StdFsCallKind::{Lock, Unlock};
    const EX: u64 = 1 << 63;
    const FILE: u64 = 1 << 63;
    let deadlock = Some(-i64::from(errno::EDEADLK));
    // Who asks for which byte of two files, and how; and what comes of it.
    type Row = (u64, usize, u64, u64, Option<i64>);
    let cases: [(&str, &[Row]); 6] = [
        (
            "two of two",
            &[
                (1, 0, 5, EX, Some(0)),
                (2, 1, 5, EX, Some(0)),
                (1, 1, 5, EX, None),
                (2, 0, 5, EX, deadlock),
                (2, 0, 6, EX, Some(0)),
            ],
        ),
        (
            "three of three",
            &[
                (1, 0, 1, EX, Some(0)),
                (2, 0, 2, EX, Some(0)),
                (3, 0, 3, EX, Some(0)),
                (1, 0, 2, EX, None),
                (2, 0, 3, 0, None),
                (3, 0, 1, 0, deadlock),
            ],
        ),
        (
            "two that share it want it alone",
            &[
                (1, 0, 1, 0, Some(0)),
                (2, 0, 1, 0, Some(0)),
                (1, 0, 1, EX, None),
                (2, 0, 1, EX, deadlock),
            ],
        ),
        (
            "one of two in the way waits for it",
            &[
                (1, 0, 1, 0, Some(0)),
                (2, 0, 1, 0, Some(0)),
                (3, 1, 1, EX, Some(0)),
                (2, 1, 1, EX, None),
                (3, 0, 1, EX, deadlock),
            ],
        ),
        (
            "a long way, and no circle",
            &[
                (1, 0, 1, EX, Some(0)),
                (2, 0, 2, EX, Some(0)),
                (2, 0, 1, EX, None),
                (3, 0, 2, EX, None),
                (4, 0, 2, EX, None),
            ],
        ),
        (
            "files' locks are nobody's",
            &[
                (1, 0, 1 | FILE, EX, Some(0)),
                (2, 1, 1 | FILE, EX, Some(0)),
                (1, 1, 1 | FILE, 0, None),
                (2, 0, 1 | FILE, 0, None),
            ],
        ),
    ];
    for (what, rows) in cases {
        let mut c = Client::new();
        let open = |c: &mut Client, name| c.open(c.root, name, O_CREAT | O_RDWR | 0o644);
        let files = [open(&mut c, "one"), open(&mut c, "two")];
        for (at, (pid, file, start, kind, want)) in rows.iter().enumerate() {
            let words = [*start, 1 | kind | LOCK_WAIT];
            // A descriptor of a file's own that waits is asked for through another.
            let handle = match (start & FILE, want) {
                (FILE, None) => open(&mut c, ["one", "two"][*file]),
                _ => files[*file],
            };
            let got = lock(&mut c, Lock, handle, *pid, words);
            assert_eq!(got, *want, "{what}, {at}");
        }
        // Nothing has gone wrong: they get it when it is given up.
        for pid in 1..5 {
            for handle in files {
                lock(&mut c, Unlock, handle, pid, [0, 0]);
            }
        }
        let waited = rows.iter().filter(|row| row.4.is_none()).count();
        if rows[0].2 & FILE == 0 {
            let mut given = 0;
            while c.server.next_ready().is_some() {
                given += 1;
                for handle in files {
                    for pid in 1..5 {
                        lock(&mut c, Unlock, handle, pid, [0, 0]);
                    }
                }
            }
            assert_eq!(given, waited, "{what}");
        }
    }
}
