//! What a comparison with the host cannot show: limits, listings in pieces, times, names in other
//! trees, and requests that no honest client makes.

mod common;

use cap_abi::resolve::{RESOLVE_BENEATH, RESOLVE_IN_ROOT, RESOLVE_NO_XDEV};
use common::{ROOT, Served, at, formatted, mounted};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use syscall::flag::{
    AT_REMOVEDIR, MODE_CHR, MODE_FIFO, MODE_SOCK, MODE_TYPE, O_APPEND, O_CREAT, O_DIRECTORY,
    O_EXCL, O_NOFOLLOW, O_RDONLY, O_RDWR, O_STAT, O_SYMLINK, O_TRUNC, O_WRONLY,
};
use tree_fixture::Build as _;
use treefs::{Borrowed, Caller, Config, Error, Fs, RenameFlags, TimeSpec, Tree};

const USER: Caller = Caller { uid: 10, gid: 20 };
const OTHER: Caller = Caller { uid: 11, gid: 21 };

fn served() -> Served {
    Served::new(Config::default())
}

fn limited(max_bytes: u64) -> Served {
    Served::new(Config {
        max_bytes,
        ..Config::default()
    })
}

#[test]
fn bytes_are_limited_and_given_back() {
    // One page and its entry fit, and half of another page is not enough.
    let mut served = limited(4096 + 64 + 1 + 2000);
    let file = served.open("f", O_CREAT | O_RDWR | 0o644).unwrap();
    assert_eq!(served.write(file, &[1; 5000], 0), Ok(4096));
    assert_eq!(served.write(file, &[1; 10], 4096), Err(Error::NoSpace));
    assert_eq!(served.write(file, &[2; 10], 4090), Ok(6));
    assert_eq!(served.fs.fsize(file), Ok(4096));
    let free = served.fs.fstatvfs(file).unwrap();
    assert_eq!((free.f_bsize, free.f_blocks, free.f_bfree), (4096, 1, 0));
    // A hole costs nothing, so it can be larger than what is left.
    served.fs.ftruncate(file, 1 << 40, ROOT, at(2)).unwrap();
    assert_eq!(served.fs.fstat(file).unwrap().st_blocks, 8);
    served.fs.ftruncate(file, 0, ROOT, at(2)).unwrap();
    assert_eq!(served.write(file, &[1; 10], 1 << 30), Ok(10));
    // Removed but open, it still counts; closed, it does not.
    served.unlink("f", 0).unwrap();
    assert_eq!(served.fs.usage().0.bytes, 4096);
    served.fs.close(file);
    assert_eq!(
        (served.fs.usage().0.bytes, served.fs.usage().0.inodes),
        (0, 1)
    );
}

#[test]
fn names_and_targets_count() {
    let mut served = limited(3 * 64 + 300);
    served.create("a", 0o644).unwrap();
    let long = "t".repeat(400);
    assert_eq!(served.symlink("l", &long), Err(Error::NoSpace));
    assert_eq!(served.unlink("l", 0), Err(Error::NotFound));
    served.symlink("l", &"t".repeat(100)).unwrap();
    assert_eq!(served.link("a", &"n".repeat(255)), Err(Error::NoSpace));
    served.link("a", "b").unwrap();
    for name in ["a", "b", "l"] {
        served.unlink(name, 0).unwrap();
    }
    assert_eq!(served.fs.usage().0.bytes, 0);
}

#[test]
fn inodes_and_handles_are_limited() {
    let mut served = Served::new(Config {
        max_inodes: 3,
        max_handles: 4,
        ..Config::default()
    });
    served.create("a", 0o644).unwrap();
    served.mkdir("d", 0o755).unwrap();
    assert_eq!(served.create("b", 0o644), Err(Error::NoSpace));
    assert_eq!(served.mkdir("e", 0o755), Err(Error::NoSpace));
    assert_eq!(served.symlink("l", "x"), Err(Error::NoSpace));
    served.link("a", "b").unwrap();
    let handles: Vec<usize> = (0..3).map(|_| served.open("a", O_STAT).unwrap()).collect();
    assert_eq!(served.open("a", O_STAT), Err(Error::TooManyHandles));
    assert_eq!(served.fs.dup(handles[0], 0), Err(Error::TooManyHandles));
    // Nothing is made when there is no handle to be had for it.
    served.unlink("d", AT_REMOVEDIR).unwrap();
    let got = served.open("new", O_CREAT | O_RDWR);
    assert_eq!(got, Err(Error::TooManyHandles));
    served.fs.close(handles[0]);
    assert_eq!(served.node("new", 0).unwrap_err().errno(), 2);
    let copy = served.fs.dup(handles[1], 0).unwrap();
    assert_ne!(copy.handle, handles[1]);
}

/// How often something can be done, at most so often.
fn count(most: usize, mut done: impl FnMut(usize) -> bool) -> usize {
    (0..most).take_while(|number| done(*number)).count()
}

#[test]
fn one_user_leaves_room_to_others() {
    type Take = fn(&mut Served, usize) -> bool;
    // What is taken one by one, and how often a user can, another then, and the superuser at last.
    let rows: [(&str, Take, [usize; 3]); 6] = [
        (
            "handles",
            |served, _| served.open("file", O_STAT).is_ok(),
            // The root's handle is the superuser's.
            [16, 16, 31],
        ),
        (
            "files",
            |served, number| served.create(&format!("f{number}"), 0o600).is_ok(),
            [32, 26, 4],
        ),
        (
            "folders",
            |served, number| served.mkdir(&format!("d{number}"), 0o700).is_ok(),
            [32, 26, 4],
        ),
        (
            "names of somebody else's file",
            |served, number| served.link("file", &format!("{number:0191}")).is_ok(),
            [128, 112, 16],
        ),
        (
            "targets",
            |served, number| {
                served
                    .symlink(&format!("{number:063}"), &"t".repeat(3969))
                    .is_ok()
            },
            [8, 6, 1],
        ),
        (
            "pages",
            |served, number| {
                let name = format!("mine{}", served.caller.uid);
                let _ = served.create(&name, 0o600);
                let file = served.open(&name, O_WRONLY).unwrap();
                let done = served.write(file, b"x", number as u64 * 4096) == Ok(1);
                served.fs.close(file);
                done
            },
            [7, 7, 1],
        ),
    ];
    for (what, take, wanted) in rows {
        let mut served = Served::new(Config {
            max_bytes: 65536,
            max_inodes: 64,
            max_handles: 64,
            root_mode: 0o1777,
            ..Config::default()
        });
        served.create("file", 0o644).unwrap();
        let counts = [USER, OTHER, ROOT].map(|caller| {
            served.caller = caller;
            count(1000, |number| {
                take(&mut served, number + 1000 * caller.uid as usize)
            })
        });
        assert_eq!(counts, wanted, "{what}");
    }
}

#[test]
fn what_is_given_away_counts_for_whom_it_belongs_to() {
    let mut served = Served::new(Config {
        max_bytes: 65536,
        root_mode: 0o1777,
        ..Config::default()
    });
    served.create("a", 0o644).unwrap();
    let file = served.open("a", O_RDWR).unwrap();
    let (now, page) = (served.now, [1; 4096]);
    for number in 0..9 {
        assert_eq!(served.write(file, &page, number * 4096), Ok(4096));
    }
    served
        .fs
        .fchown(file, USER.uid, USER.gid, ROOT, now)
        .unwrap();
    // It is more than a user gets: there is no room for another byte of theirs.
    assert_eq!(served.write(file, &page, 9 * 4096), Err(Error::NoSpace));
    served
        .fs
        .fchown(file, OTHER.uid, OTHER.gid, ROOT, now)
        .unwrap();
    served
        .fs
        .fchown(file, ROOT.uid, ROOT.gid, ROOT, now)
        .unwrap();
    assert_eq!(served.write(file, &page, 9 * 4096), Ok(4096));
    served.fs.close(file);
    served.unlink("a", 0).unwrap();
    assert_eq!(served.fs.usage().0.bytes, 0);
    served.caller = USER;
    served.create("b", 0o644).unwrap();
    let file = served.open("b", O_RDWR).unwrap();
    assert_eq!(served.write(file, &page, 0), Ok(4096));
}

#[test]
fn a_listing_in_pieces_shows_what_stays_exactly_once() {
    let mut rng = StdRng::seed_from_u64(1);
    for round in 0..200 {
        let mut served = served();
        served.mkdir("d", 0o755).unwrap();
        let dir = served.open("d", O_RDONLY | O_DIRECTORY).unwrap();
        let stays: Vec<String> = (0..10).map(|n| format!("stays{n}")).collect();
        for (number, name) in stays.iter().enumerate() {
            served.create(&format!("d/goes{number}"), 0o644).unwrap();
            served.create(&format!("d/{name}"), 0o644).unwrap();
        }
        served.create("outside", 0o644).unwrap();
        let (mut seen, mut after, mut made) = (Vec::new(), 0, 0);
        loop {
            let mut piece = Vec::new();
            let most = rng.random_range(1..4);
            served
                .fs
                .getdents(dir, after, |entry| {
                    piece.push((entry.cookie, entry.name.to_owned()));
                    piece.len() < most
                })
                .unwrap();
            let Some((last, _)) = piece.last() else { break };
            after = *last;
            seen.extend(piece.into_iter().map(|(_, name)| name));
            // Of everything else, anything may happen.
            match rng.random_range(0..5) {
                0 if made < 20 => {
                    served.create(&format!("d/new{made}"), 0o644).unwrap();
                    made += 1;
                }
                1 => {
                    let _ = served.unlink(&format!("d/goes{}", rng.random_range(0..10)), 0);
                }
                2 => {
                    let name = format!("d/{}", stays[rng.random_range(0..10)]);
                    served
                        .rename("outside", &name, RenameFlags::EXCHANGE_BIT)
                        .unwrap();
                }
                3 => {
                    let name = format!("d/{}", stays[rng.random_range(0..10)]);
                    served.create("replacement", 0o644).unwrap();
                    served.rename("replacement", &name, 0).unwrap();
                }
                _ => {}
            }
        }
        for name in &stays {
            let times = seen.iter().filter(|other| *other == name).count();
            assert_eq!(times, 1, "round {round}: {name} in {seen:?}");
        }
        assert_eq!(served.list(dir, u64::MAX), Ok(Vec::new()));
    }
}

#[test]
fn a_path_is_told_as_programs_find_it() {
    for (default, root, file) in [
        (true, "/", "/a/b"),
        (false, "/scheme/other", "/scheme/other/a/b"),
    ] {
        let mut served = Served::new(Config {
            scheme: "other".to_string(),
            default,
            ..Config::default()
        });
        served.mkdir("a", 0o755).unwrap();
        served.mkdir("a/b", 0o755).unwrap();
        let paths = [".", "a/b"].map(|path| {
            let handle = served.open(path, O_STAT | O_DIRECTORY).unwrap();
            served.fs.fpath(handle).unwrap()
        });
        assert_eq!(paths, [root, file]);
    }
}

#[test]
fn handles_are_nodes() {
    let mut served = served();
    for path in ["a", "a/b", "c"] {
        served.mkdir(path, 0o755).unwrap();
    }
    let b = served.open("a/b", O_STAT | O_DIRECTORY).unwrap();
    assert_eq!(served.fs.fpath(b).unwrap(), "/a/b");
    served.rename("a/b", "c/d", 0).unwrap();
    assert_eq!(served.fs.fpath(b).unwrap(), "/c/d");
    served
        .make("c/d/f", O_CREAT | O_EXCL | O_RDWR | 0o600)
        .unwrap();
    let f = served.open_at(b, "f", O_RDWR).unwrap();
    assert_eq!(served.fs.relpathat(f, b).unwrap(), "f");
    assert_eq!(served.fs.relpathat(b, b).unwrap(), ".");
    let a = served.open("a", O_STAT).unwrap();
    assert_eq!(served.fs.relpathat(f, a), Err(Error::NotFound));
    let c = served.node("c", 0).unwrap();
    let up = served.open_at(b, "..", O_STAT).unwrap();
    assert_eq!(served.fs.node(up).unwrap().number(), c);
    // Removed while open: it can still be used, and there is nothing in it.
    served.unlink("c/d/f", 0).unwrap();
    served.unlink("c/d", AT_REMOVEDIR).unwrap();
    assert_eq!(served.write(f, b"late", 0), Ok(4));
    assert_eq!(served.read(f, 9, 0).unwrap(), b"late");
    assert_eq!(served.fs.fstat(f).unwrap().st_nlink, 0);
    assert_eq!(served.fs.fstat(b).unwrap().st_nlink, 0);
    assert_eq!(served.fs.fpath(f), Err(Error::NotFound));
    let made = served.open_at(b, "x", O_CREAT | O_RDWR);
    assert_eq!(made.unwrap_err().errno(), 2);
    assert_eq!(served.open_at(b, "f", O_STAT).unwrap_err().errno(), 2);
    let old = served.open_at(b, "", O_STAT).unwrap();
    served.fs.close(old);
    // Its parent may go first.
    for handle in [up, a] {
        served.fs.close(handle);
    }
    served.unlink("c", AT_REMOVEDIR).unwrap();
    assert_eq!(served.open_at(b, "..", O_STAT).unwrap_err().errno(), 2);
    served.fs.close(b);
    served.fs.close(f);
    served.unlink("a", AT_REMOVEDIR).unwrap();
    let (usage, handles) = served.fs.usage();
    assert_eq!((usage.inodes, usage.bytes, handles), (1, 0, 1));
    // Numbers of closed handles mean nothing.
    assert_eq!(served.fs.fstat(b).unwrap_err(), Error::BadHandle);
    served.fs.close(b);
}

#[test]
fn handles_do_what_they_were_opened_for() {
    let mut served = served();
    let now = at(1);
    served.mkdir("d", 0o755).unwrap();
    served.create("f", 0o644).unwrap();
    served.symlink("l", "f").unwrap();
    let bad = Some(Error::BadHandle);
    let read = served.open("f", O_RDONLY).unwrap();
    assert_eq!(served.write(read, b"x", 0).err(), bad);
    assert_eq!(served.fs.ftruncate(read, 0, ROOT, now).err(), bad);
    let write = served.open("f", O_WRONLY).unwrap();
    assert_eq!(served.read(write, 1, 0).err(), bad);
    let path = served.open("f", O_STAT | O_RDWR).unwrap();
    assert_eq!(served.read(path, 1, 0).err(), bad);
    assert_eq!(served.write(path, b"x", 0).err(), bad);
    assert_eq!(served.list(read, 0), Err(Error::NotDirectory));
    let dir = served.open("d", O_STAT | O_DIRECTORY).unwrap();
    assert_eq!(served.list(dir, 0).err(), bad);
    let dir = served.open("d", O_RDONLY).unwrap();
    assert_eq!(served.read(dir, 1, 0), Err(Error::IsDirectory));
    assert_eq!(served.open("d", O_RDWR), Err(Error::IsDirectory));
    assert_eq!(
        served.open("f", O_SYMLINK | O_RDONLY).unwrap_err().errno(),
        22
    );
    let link = served.open("l", O_SYMLINK | O_RDONLY).unwrap();
    assert_eq!(served.read(link, 9, 0).unwrap(), b"f");
    assert_eq!(served.write(link, b"x", 0).err(), bad);
    assert_eq!(
        served.open("l", O_NOFOLLOW | O_RDONLY).unwrap_err().errno(),
        40
    );
    // Appending goes by the flags of the request.
    let flags = O_APPEND as u32;
    for _ in 0..2 {
        let got = served.fs.write(write, b"ab", 100, flags, ROOT, now);
        assert_eq!(got, Ok(2));
    }
    assert_eq!(served.read(read, 9, 0).unwrap(), b"abab");
}

#[test]
fn a_links_target_is_written_once_and_checked() {
    let mut served = served();
    let long = "t".repeat(4096);
    for target in ["", "a\0b", &long] {
        let link = served.open("l", O_CREAT | O_SYMLINK).unwrap();
        let got = served.write(link, target.as_bytes(), 0);
        assert!(matches!(got.unwrap_err().errno(), 22 | 36), "{target:?}");
        // Until it has a target it leads nowhere.
        assert_eq!(served.node("l", 0).unwrap_err().errno(), 2);
        served.node("l", O_NOFOLLOW).unwrap();
        served.fs.close(link);
        assert_eq!(served.unlink("l", 0), Err(Error::NotFound));
    }
    assert_eq!(served.fs.usage().0.bytes, 0);
    let link = served.open("l", O_CREAT | O_SYMLINK).unwrap();
    served.rename("l", "m", 0).unwrap();
    served.fs.close(link);
    assert_eq!(served.unlink("m", 0), Err(Error::NotFound));
    let link = served.open("l", O_CREAT | O_SYMLINK).unwrap();
    assert_eq!(served.write(link, b"\xff", 0).unwrap_err().errno(), 22);
    assert_eq!(served.write(link, b"target", 0), Ok(6));
    assert_eq!(served.write(link, b"again", 0), Err(Error::BadHandle));
    assert_eq!(served.symlink("l", "x"), Err(Error::Exists));
}

#[test]
fn owners_groups_and_modes() {
    let mut served = served();
    served.mkdir("shared", 0o777).unwrap();
    let shared = served.open("shared", O_STAT).unwrap();
    served.fs.fchmod(shared, 0o3777, ROOT, at(2)).unwrap();
    served.fs.fchown(shared, 0, 77, ROOT, at(2)).unwrap();
    served.caller = USER;
    served.create("shared/f", 0o4755).unwrap();
    served.mkdir("shared/d", 0o755).unwrap();
    let f = served.stat("shared/f", 0).unwrap();
    let d = served.stat("shared/d", 0).unwrap();
    assert_eq!((f.st_uid, f.st_gid, f.st_mode & 0o7777), (10, 77, 0o4755));
    assert_eq!((d.st_uid, d.st_gid, d.st_mode & 0o7777), (10, 77, 0o2755));
    // Writing by anyone but root takes set-id away.
    let handle = served.open("shared/f", O_RDWR).unwrap();
    served.write(handle, b"x", 0).unwrap();
    assert_eq!(served.fs.fstat(handle).unwrap().st_mode & 0o7777, 0o755);
    // Set-group only for members.
    served.fs.fchmod(handle, 0o2755, USER, at(2)).unwrap();
    assert_eq!(served.fs.fstat(handle).unwrap().st_mode & 0o7777, 0o755);
    for (uid, gid, caller, want) in [
        (11, 77, USER, Err(Error::NotOwner)),
        (10, 21, USER, Err(Error::NotOwner)),
        (10, 20, OTHER, Err(Error::NotOwner)),
        (10, 20, USER, Ok(())),
        (u32::MAX, u32::MAX, USER, Ok(())),
        (11, 21, ROOT, Ok(())),
        (10, 20, ROOT, Ok(())),
    ] {
        assert_eq!(served.fs.fchown(handle, uid, gid, caller, at(3)), want);
    }
    let refused = served.fs.fchmod(handle, 0o777, OTHER, at(3));
    assert_eq!(refused, Err(Error::NotOwner));
    // Sticky: neither the directory's nor the file's owner.
    served.caller = OTHER;
    assert_eq!(served.unlink("shared/f", 0), Err(Error::NotOwner));
    assert_eq!(
        served.rename("shared/f", "shared/g", 0),
        Err(Error::NotOwner)
    );
    assert_eq!(served.open("shared/f", O_WRONLY), Err(Error::Denied));
    served.create("shared/mine", 0o600).unwrap();
    assert_eq!(
        served.rename("shared/mine", "shared/f", 0),
        Err(Error::NotOwner)
    );
    served.caller = USER;
    assert_eq!(served.open("shared/mine", O_RDONLY), Err(Error::Denied));
    served.unlink("shared/f", 0).unwrap();
}

#[test]
fn times() {
    const NOW: i32 = 0x3fff_ffff;
    const OMIT: i32 = 0x3fff_fffe;
    let mut served = served();
    served.create("f", 0o646).unwrap();
    let file = served.open("f", O_RDWR).unwrap();
    let time = |sec, nsec| TimeSpec {
        tv_sec: sec,
        tv_nsec: nsec,
    };
    let mut set = |times: &[TimeSpec], caller, second| {
        let done = served.fs.futimens(file, times, caller, at(second));
        let stat = served.fs.fstat(file).unwrap();
        done.map(|()| (stat.st_atime, stat.st_mtime, stat.st_ctime))
    };
    assert_eq!(set(&[time(5, 0), time(6, 1)], ROOT, 10), Ok((5, 6, 10)));
    assert_eq!(set(&[time(0, OMIT), time(7, 0)], ROOT, 11), Ok((5, 7, 11)));
    assert_eq!(
        set(&[time(0, NOW), time(0, OMIT)], ROOT, 12),
        Ok((12, 7, 12))
    );
    assert_eq!(
        set(&[time(0, OMIT), time(0, OMIT)], OTHER, 13),
        Ok((12, 7, 12))
    );
    assert_eq!(set(&[], ROOT, 14), Ok((14, 14, 14)));
    // Whoever may write may set the present, and nothing else.
    assert_eq!(
        set(&[time(0, NOW), time(0, NOW)], OTHER, 15),
        Ok((15, 15, 15))
    );
    assert_eq!(
        set(&[time(1, 0), time(0, NOW)], OTHER, 16),
        Err(Error::NotOwner)
    );
    for bad in [-1, 1_000_000_000, i32::MAX, i32::MIN] {
        let got = set(&[time(0, bad), time(0, 0)], ROOT, 17);
        assert_eq!(got.unwrap_err().errno(), 22, "{bad}");
    }
    assert_eq!(set(&[time(1, 0)], ROOT, 17).unwrap_err().errno(), 22);
    served.now = at(20);
    served.write(file, b"x", 0).unwrap();
    served.now = at(21);
    served.read(file, 1, 0).unwrap();
    let stat = served.fs.fstat(file).unwrap();
    assert_eq!((stat.st_atime, stat.st_mtime, stat.st_ctime), (21, 20, 20));
    served.now = at(22);
    served.create("g", 0o600).unwrap();
    assert_eq!(served.stat(".", 0).unwrap().st_mtime, 22);
    served.now = at(23);
    served.rename("g", "h", 0).unwrap();
    assert_eq!(served.stat("h", 0).unwrap().st_ctime, 23);
    assert_eq!(served.stat(".", 0).unwrap().st_mtime, 23);
}

#[test]
fn special_files_are_names_only() {
    let mut served = served();
    for kind in [MODE_FIFO, MODE_SOCK] {
        let path = format!("s{kind}");
        let flags = O_CREAT | O_EXCL | O_STAT | usize::from(kind | 0o600);
        served.make(&path, flags).unwrap();
        assert_eq!(served.stat(&path, 0).unwrap().st_mode & MODE_TYPE, kind);
        if kind == MODE_SOCK {
            assert_eq!(served.open(&path, O_RDWR), Err(Error::NoDevice));
        }
        served.unlink(&path, 0).unwrap();
    }
    let flags = O_CREAT | O_EXCL | usize::from(MODE_CHR);
    assert_eq!(served.open("c", flags).unwrap_err().errno(), 22);
}

#[test]
fn a_pipe_is_opened_by_its_permissions_and_is_elsewhere() {
    let mut served = served();
    served.now = at(10);
    let flags = O_CREAT | O_EXCL | O_STAT | usize::from(MODE_FIFO | 0o640);
    served.make("p", flags).unwrap();
    let open = |served: &mut Served, flags| {
        let (root, caller, now) = (served.root, served.caller, served.now);
        served.fs.openat(root, "p", flags, caller, now)
    };
    // Its size is nobody's to change.
    let end = open(&mut served, O_RDWR | O_CREAT | O_TRUNC | 0o600).unwrap();
    assert!(end.pipe);
    let end = end.handle;
    assert_eq!(served.read(end, 1, 0), Err(Error::BadHandle));
    assert_eq!(served.write(end, b"x", 0), Err(Error::BadHandle));
    let (root, now) = (ROOT, served.now);
    let size = served.fs.ftruncate(end, 0, root, now);
    assert_eq!(size.unwrap_err().errno(), 22);
    assert!(
        served
            .fs
            .mmap(end, (0, 1), false, Caller::SUPERUSER)
            .is_err()
    );
    let dup = served.fs.dup(end, 0).unwrap();
    assert!(dup.pipe);
    let looked_at = open(&mut served, O_STAT).unwrap();
    assert!(!looked_at.pipe);
    let node = looked_at.node;
    served.fs.passed(node, None, Some(at(20))).unwrap();
    served.fs.passed(node, Some(at(30)), None).unwrap();
    let stat = served.stat("p", 0).unwrap();
    assert_eq!((stat.st_atime, stat.st_mtime, stat.st_ctime), (30, 20, 20));
    assert_eq!(stat.st_mode, MODE_FIFO | 0o640);
    served.chmod("p", 0o240).unwrap();
    served.fs.seal();
    for (caller, may) in [(USER, false), (OTHER, false), (ROOT, true)] {
        served.caller = caller;
        for flags in [O_RDONLY, O_WRONLY, O_RDWR] {
            let opened = open(&mut served, flags).map(|opened| opened.pipe);
            let wanted = if may { Ok(true) } else { Err(Error::Denied) };
            assert_eq!(opened, wanted, "{caller:?} {flags:#x}");
        }
    }
}

#[test]
fn a_sockets_name_leads_to_it() {
    let mut served = served();
    let new = O_CREAT | O_EXCL | usize::from(MODE_SOCK | 0o755);
    let socket = usize::from(MODE_SOCK);
    let made = served.open("s", new | O_WRONLY).unwrap();
    // Before it is written there is nothing behind it, and it is written once.
    let early = served.open("s", O_RDWR | socket).unwrap();
    assert_eq!(served.read(early, 100, 0).unwrap(), b"");
    let long = [b'x'; treefs::LONGEST_TOKEN + 1];
    for wrong in [&b""[..], &long] {
        assert!(served.write(made, wrong, 0).is_err());
    }
    assert_eq!(served.write(made, b"token", 0), Ok(5));
    assert_eq!(served.write(made, b"other", 0), Err(Error::BadHandle));
    assert_eq!(served.read(made, 100, 0), Err(Error::BadHandle));
    assert_eq!(served.read(early, 100, 0).unwrap(), b"token");
    assert_eq!(served.write(early, b"other", 0), Err(Error::BadHandle));
    let stat = served.stat("s", 0).unwrap();
    assert_eq!((stat.st_mode & MODE_TYPE, stat.st_size), (MODE_SOCK, 0));
    // To whoever does not ask for a socket it is a name; to who may not write, not even that.
    for flags in [O_RDONLY, O_RDWR, O_WRONLY | O_TRUNC] {
        assert_eq!(served.open("s", flags), Err(Error::NoDevice));
    }
    served.caller = OTHER;
    assert_eq!(served.open("s", O_WRONLY | socket), Err(Error::Denied));
    let looked_at = served.open("s", O_RDONLY | socket).unwrap();
    assert_eq!(served.read(looked_at, 100, 0), Err(Error::BadHandle));
    served.caller = ROOT;
    served.create("f", 0o644).unwrap();
    served.mkdir("d", 0o755).unwrap();
    served.symlink("l", "s").unwrap();
    for other in ["f", "d"] {
        let error = served.open(other, O_WRONLY | socket).unwrap_err();
        assert_eq!(error.errno(), 22, "{other}");
    }
    let through = served.open("l", O_WRONLY | socket).unwrap();
    assert_eq!(served.read(through, 100, 0).unwrap(), b"token");
    // Made without being opened for it, it leads nowhere.
    let none = served.open("t", new | O_STAT).unwrap();
    assert_eq!(served.write(none, b"token", 0), Err(Error::BadHandle));
    served.unlink("s", 0).unwrap();
    assert_eq!(served.read(early, 100, 0).unwrap(), b"token");
}

#[test]
fn links_to_other_schemes() {
    for (default, scheme) in [(true, "file"), (false, "ramfs")] {
        let mut served = Served::new(Config {
            default,
            scheme: scheme.to_owned(),
            ..Config::default()
        });
        served.mkdir("d", 0o755).unwrap();
        served.create("d/f", 0o644).unwrap();
        let own = format!("/scheme/{scheme}/d/f");
        let elsewhere = [1, 18];
        for (target, errno) in [
            (own.as_str(), 0),
            ("//scheme/./other/d/f", elsewhere[1]),
            ("/scheme/", elsewhere[1]),
            ("/scheme/../d/f", elsewhere[1]),
            ("/d/f", if default { 0 } else { elsewhere[1] }),
            ("/schemes/x", if default { 2 } else { elsewhere[1] }),
            ("../d/f", if default { 0 } else { elsewhere[1] }),
        ] {
            served.symlink("l", target).unwrap();
            let got = served.node("l", 0).map_or_else(|e| e.errno(), |_| 0);
            assert_eq!(got, errno, "{target:?} on {scheme}");
            // Whatever it would lead to, it is not taken from a limited descriptor, and with no
            // error that a C library would answer by resolving it elsewhere.
            let got = served.node("l", RESOLVE_BENEATH);
            assert_eq!(got.unwrap_err().errno(), elsewhere[0], "{target:?}");
            if errno == elsewhere[1] {
                let got = served.node("l", RESOLVE_NO_XDEV);
                assert_eq!(got.unwrap_err().errno(), elsewhere[0], "{target:?}");
            }
            served.unlink("l", 0).unwrap();
        }
    }
}

#[test]
fn a_sealed_tree_of_borrowed_bytes() {
    let mut fs: Fs<Tree<Borrowed<'static>>> = Fs::new(Config::default(), ROOT, at(1)).unwrap();
    fs.add_file("hello", Borrowed(b"hello, world"), 0o444, at(1))
        .unwrap();
    let twice = fs.add_file("hello", Borrowed(b""), 0o444, at(1));
    assert_eq!(twice, Err(Error::Exists));
    fs.seal();
    let root = fs.open_root().unwrap().handle;
    let now = at(2);
    let file = fs.openat(root, "hello", O_RDONLY, ROOT, now).unwrap();
    let mut buf = [0; 20];
    assert_eq!(fs.read(file.handle, &mut buf, 7, now), Ok(5));
    assert_eq!(&buf[..5], b"world");
    assert_eq!(fs.fstat(file.handle).unwrap().st_atime, 1);
    assert_eq!(
        fs.store().data(file.node).map(|data| data.0.len()),
        Some(12)
    );
    let refused = Some(Error::ReadOnly);
    for flags in [O_RDWR, O_TRUNC | O_RDONLY, O_WRONLY] {
        assert_eq!(fs.openat(root, "hello", flags, ROOT, now).err(), refused);
    }
    for flags in [O_CREAT | O_RDWR, O_CREAT | O_DIRECTORY, O_CREAT | O_SYMLINK] {
        assert_eq!(fs.openat(root, "new", flags, ROOT, now).err(), refused);
    }
    let handle = file.handle;
    assert_eq!(fs.unlinkat(root, "hello", 0, ROOT, now).err(), refused);
    let got = fs.frenameat((root, "hello"), (root, "x"), 0, ROOT, now);
    assert_eq!(got.err(), refused);
    assert_eq!(fs.flinkat(handle, root, "x", 0, ROOT, now).err(), refused);
    assert_eq!(fs.fchmod(handle, 0o777, ROOT, now).err(), refused);
    assert_eq!(fs.fchown(handle, 1, 1, ROOT, now).err(), refused);
    assert_eq!(fs.futimens(handle, &[], ROOT, now).err(), refused);
}

/// Requests of every kind with any numbers: each is answered, and afterwards nothing is left over.
#[test]
fn senseless_requests_are_answered() {
    let mut rng = StdRng::seed_from_u64(2);
    let long = "x".repeat(5000);
    let paths = [
        "",
        "/",
        ".",
        "..",
        "a",
        "a/b",
        "b",
        "a/",
        "l",
        "l/x",
        "../..",
        "a\0",
        &long,
        "\u{10ffff}",
        "/scheme",
        "a//..//b/.",
    ];
    for _ in 0..50 {
        let mut served = Served::new(Config {
            max_bytes: 100_000,
            max_inodes: 30,
            max_handles: 20,
            ..Config::default()
        });
        let mut handles = vec![served.root];
        for _ in 0..2000 {
            let mut number = || match rng.random_range(0..8) {
                0 => rng.random::<u64>(),
                1 => 1 << rng.random_range(0..64),
                2 => u64::MAX - rng.random_range(0..3),
                _ => rng.random_range(0..10_000),
            };
            let (n, m, k) = (number(), number(), number());
            let handle = match rng.random_range(0..10) {
                0 => rng.random::<u64>() as usize,
                _ => handles[rng.random_range(0..handles.len())],
            };
            let second = handles[rng.random_range(0..handles.len())];
            let path = paths[rng.random_range(0..paths.len())];
            let other = paths[rng.random_range(0..paths.len())];
            let caller = [ROOT, USER, OTHER][rng.random_range(0..3)];
            let now = TimeSpec {
                tv_sec: n as i64,
                tv_nsec: m as i32,
            };
            let fs = &mut served.fs;
            match rng.random_range(0..16) {
                0..=5 => {
                    let mut flags = 0o777;
                    for flag in [
                        O_CREAT,
                        O_EXCL,
                        O_DIRECTORY,
                        O_SYMLINK,
                        O_STAT,
                        O_TRUNC,
                        O_RDWR,
                        O_NOFOLLOW,
                        RESOLVE_BENEATH,
                        RESOLVE_IN_ROOT,
                    ] {
                        if rng.random_ratio(1, 3) {
                            flags |= flag;
                        }
                    }
                    if rng.random_ratio(1, 10) {
                        flags ^= k as usize;
                    }
                    if let Ok(opened) = fs.openat(handle, path, flags, caller, now) {
                        handles.push(opened.handle);
                    }
                }
                6 => {
                    let flags = if rng.random_bool(0.5) {
                        AT_REMOVEDIR
                    } else {
                        n as usize
                    };
                    let _ = fs.unlinkat(handle, path, flags, caller, now);
                }
                7 => {
                    let flags = if rng.random_bool(0.8) {
                        (n % 3) as u32
                    } else {
                        m as u32
                    };
                    let _ = fs.frenameat((handle, path), (second, other), flags, caller, now);
                }
                8 => {
                    let _ = fs.flinkat(handle, second, path, (n % 2) as u32, caller, now);
                }
                9 => {
                    let mut buf = vec![0; rng.random_range(0..9000)];
                    let _ = fs.read(handle, &mut buf, n, now);
                }
                10..=11 => {
                    let buf = vec![b'a'; rng.random_range(0..9000)];
                    let _ = fs.write(handle, &buf, n, m as u32, caller, now);
                }
                12 => {
                    let _ = fs.ftruncate(handle, n, caller, now);
                    let _ = fs.futimens(handle, &[now, now], caller, now);
                }
                13 => {
                    let _ = fs.fchmod(handle, n as u16, caller, now);
                    let _ = fs.fchown(handle, m as u32, k as u32, caller, now);
                }
                14 => {
                    let _ = (fs.fstat(handle), fs.fstatvfs(handle), fs.fpath(handle));
                    let _ = (fs.relpathat(handle, second), fs.fsize(handle));
                    let _ = fs.getdents(handle, n, |_| m % 2 == 0);
                    let (usage, handles) = fs.usage();
                    // A rename to a longer name may pass the limit.
                    assert!(usage.bytes <= 100_000 + 255 * 30);
                    assert!(usage.inodes <= 30 && handles <= 20);
                }
                _ if handle != served.root => {
                    fs.close(handle);
                    handles.retain(|other| *other != handle);
                }
                _ => {}
            }
        }
        for handle in handles {
            served.fs.close(handle);
        }
        let (_, left) = served.fs.usage();
        assert_eq!(left, 0);
    }
}

#[test]
fn a_disk_takes_names_with_colons() {
    let (mut image, config) = (formatted(8), Config::default());
    mounted(&mut image, &config, |served| {
        // The name that is used meanwhile.
        served.create("\u{1}new", 0o644).unwrap();
        assert_eq!(served.create("a:b", 0o644), Err(Error::Exists));
        served.unlink("\u{1}new", 0).unwrap();
        served.create("a:b", 0o644).unwrap();
        served.mkdir("c:d", 0o755).unwrap();
        served.create("after", 0o644).unwrap();
    });
    mounted(&mut image, &config, |served| {
        for name in ["a:b", "c:d", "after"] {
            served.node(name, 0).unwrap();
        }
        assert_eq!(served.node("\u{1}new", 0).unwrap_err().errno(), 2);
    });
}
