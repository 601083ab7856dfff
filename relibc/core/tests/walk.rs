//! Walks against the host's `nftw`, on a real tree with every kind of file.

use std::ffi::{CStr, CString, c_char, c_int};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::sync::Mutex;

use relibc_core::walk::{End, Files, Kind, Options, Visit, walk};

/// The current directory and the visitor's list are the process's.
static ALONE: Mutex<()> = Mutex::new(());
static SEEN: Mutex<Vec<(String, c_int, c_int, c_int)>> = Mutex::new(Vec::new());

#[repr(C)]
struct Place {
    base: c_int,
    level: c_int,
}

type Visitor = extern "C" fn(*const c_char, *const libc::stat, c_int, *const Place) -> c_int;

unsafe extern "C" {
    fn nftw(path: *const c_char, visit: Visitor, fds: c_int, flags: c_int) -> c_int;
}

extern "C" fn note(
    path: *const c_char,
    _: *const libc::stat,
    what: c_int,
    place: *const Place,
) -> c_int {
    // SAFETY: what `nftw` gives is valid during the call.
    let (path, place) = unsafe { (CStr::from_ptr(path), &*place) };
    let here = path.to_str().unwrap().to_string();
    SEEN.lock()
        .unwrap()
        .push((here, what, place.base, place.level));
    0
}

struct Host;

fn number(e: std::io::Error) -> i32 {
    e.raw_os_error().unwrap()
}

fn as_path(bytes: &[u8]) -> &Path {
    Path::new(std::ffi::OsStr::from_bytes(bytes))
}

impl Files for Host {
    type Status = (u64, u64, u32);

    fn status(&mut self, path: &[u8], follow: bool) -> Result<Self::Status, i32> {
        let path = as_path(path);
        let found = if follow {
            path.metadata()
        } else {
            path.symlink_metadata()
        };
        found.map(|m| (m.dev(), m.ino(), m.mode())).map_err(number)
    }
    fn names(&mut self, path: &[u8]) -> Result<Vec<Vec<u8>>, i32> {
        let entries = std::fs::read_dir(as_path(path)).map_err(number)?;
        Ok(entries
            .map(|e| e.unwrap().file_name().as_bytes().to_vec())
            .collect())
    }
    fn kind(status: &Self::Status) -> Kind {
        match status.2 & 0o170_000 {
            0o040_000 => Kind::Folder,
            0o120_000 => Kind::Link,
            _ => Kind::Other,
        }
    }
    fn identity(status: &Self::Status) -> (u64, u64) {
        (status.0, status.1)
    }
    fn enter(&mut self, _: &[u8]) -> Result<(), i32> {
        Ok(())
    }
}

fn tree(root: &Path) {
    for folder in ["a/b/c", "a/empty", "d", "locked"] {
        std::fs::create_dir_all(root.join(folder)).unwrap();
    }
    for file in ["a/1", "a/b/2", "a/b/c/3", "d/4", "top", "locked/hidden"] {
        std::fs::write(root.join(file), file).unwrap();
    }
    for (link, to) in [("dangling", "nowhere"), ("to-file", "top"), ("a/up", "..")] {
        std::os::unix::fs::symlink(to, root.join(link)).unwrap();
    }
}

fn ours(path: &str, options: Options) -> Result<Vec<(String, c_int, c_int, c_int)>, End> {
    let mut seen = Vec::new();
    walk(
        path.as_bytes(),
        options,
        &mut Host,
        &mut |_, path, _, what, base, level| {
            seen.push((
                String::from_utf8(path.to_vec()).unwrap(),
                what as c_int,
                base as c_int,
                level as c_int,
            ));
            0
        },
    )?;
    Ok(seen)
}

#[test]
fn the_same_as_the_hosts() {
    let _alone = ALONE.lock().unwrap();
    let root = std::env::temp_dir().join(format!("relibc-walk-{}", std::process::id()));
    tree(&root);
    std::fs::set_permissions(root.join("locked"), PermissionsExt::from_mode(0o000)).unwrap();
    let path = root.to_str().unwrap().to_string();
    for (flags, options) in [
        (
            1,
            Options {
                physical: true,
                ..Options::default()
            },
        ),
        (0, Options::default()),
        (
            9,
            Options {
                physical: true,
                contents_first: true,
                ..Options::default()
            },
        ),
        (
            8,
            Options {
                contents_first: true,
                ..Options::default()
            },
        ),
        (
            3,
            Options {
                physical: true,
                one_file_system: true,
                ..Options::default()
            },
        ),
    ] {
        for start in [
            path.clone(),
            format!("{path}/"),
            format!("{path}/top"),
            format!("{path}/dangling"),
            format!("{path}/a"),
        ] {
            SEEN.lock().unwrap().clear();
            let text = CString::new(start.clone()).unwrap();
            // SAFETY: a path and a visitor of the right type.
            let answer = unsafe { nftw(text.as_ptr(), note, 20, flags) };
            let mut host = core::mem::take(&mut *SEEN.lock().unwrap());
            assert_eq!(answer, 0, "{start} {flags}");
            let mut own = ours(&start, options).unwrap();
            // A folder's names come in any order.
            host.sort();
            own.sort();
            assert_eq!(own, host, "{start} {flags}");
        }
    }
    assert_eq!(
        ours(&format!("{path}/none"), Options::default()),
        Err(End::Error(2))
    );
    let stopped = walk(
        path.as_bytes(),
        Options::default(),
        &mut Host,
        &mut |_, _, _, what, _, _| {
            if what == Visit::File { 7 } else { 0 }
        },
    );
    assert_eq!(stopped, Err(End::Answer(7)));
    std::fs::set_permissions(root.join("locked"), PermissionsExt::from_mode(0o755)).unwrap();
    std::fs::remove_dir_all(&root).unwrap();
}

/// Which paths lead to a folder first depends on the order of names; that each is told of once does not.
#[test]
fn a_folder_that_many_links_lead_to_is_visited_once() {
    let _alone = ALONE.lock().unwrap();
    let root = std::env::temp_dir().join(format!("relibc-walk-links-{}", std::process::id()));
    tree(&root);
    for (link, to) in [
        ("to-folder", "d"),
        ("again", "d"),
        ("d/around", "../a"),
        ("a/b/to-d", "../../d"),
    ] {
        std::os::unix::fs::symlink(to, root.join(link)).unwrap();
    }
    let path = root.to_str().unwrap();
    for (flags, contents_first) in [(0, false), (8, true)] {
        let options = Options {
            contents_first,
            ..Options::default()
        };
        let own = ours(path, options).unwrap();
        SEEN.lock().unwrap().clear();
        let text = CString::new(path).unwrap();
        // SAFETY: a path and a visitor of the right type.
        assert_eq!(unsafe { nftw(text.as_ptr(), note, 20, flags) }, 0);
        let host = core::mem::take(&mut *SEEN.lock().unwrap());
        // What is there, whatever it was called.
        let things = |seen: &[(String, c_int, c_int, c_int)]| {
            let mut all: Vec<_> = seen
                .iter()
                .map(|(name, what, ..)| (Path::new(name).canonicalize().ok(), *what))
                .collect();
            all.sort();
            all
        };
        assert_eq!(things(&own), things(&host), "{flags}");
        let folders = own.iter().filter(|(_, what, ..)| *what != 0 && *what != 6);
        // The root, a, a/b, a/b/c, a/empty, d, locked.
        assert_eq!(folders.count(), 7, "{own:?}");
    }
    std::fs::remove_dir_all(&root).unwrap();
}

/// Here the host gives up.
#[test]
fn a_link_to_itself_is_a_dangling_one() {
    let _alone = ALONE.lock().unwrap();
    let root = std::env::temp_dir().join(format!("relibc-walk-loop-{}", std::process::id()));
    tree(&root);
    std::os::unix::fs::symlink("loop", root.join("loop")).unwrap();
    let path = root.to_str().unwrap();
    let seen = ours(path, Options::default()).unwrap();
    let looped = seen.iter().find(|(p, ..)| *p == format!("{path}/loop"));
    assert_eq!(looped.map(|s| s.1), Some(6));
    std::fs::remove_dir_all(&root).unwrap();
}

#[test]
fn contents_come_between() {
    let _alone = ALONE.lock().unwrap();
    let root = std::env::temp_dir().join(format!("relibc-walk-order-{}", std::process::id()));
    tree(&root);
    let path = root.to_str().unwrap();
    let seen = ours(
        path,
        Options {
            physical: true,
            contents_first: true,
            ..Options::default()
        },
    )
    .unwrap();
    let at = |name: &str| {
        seen.iter()
            .position(|(p, ..)| p == &format!("{path}{name}"))
            .unwrap()
    };
    assert!(
        at("/a/b/c/3") < at("/a/b/c")
            && at("/a/b/c") < at("/a/b")
            && at("/a/b") < at("/a")
            && at("/a") < at("")
    );
    std::fs::remove_dir_all(&root).unwrap();
}
