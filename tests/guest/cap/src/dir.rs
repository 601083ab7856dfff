//! `cuprite_cap::Dir`, rights and leases.

use std::fs::{self, File};
use std::io::{ErrorKind, Read, Result, Write};
use std::os::unix::fs::symlink;

use cuprite_cap::{Dir, Limit, OpenOptions, Resolve, Rights, lease};

use crate::{Case, same, world};

pub const CASES: &[Case] = &[
    (
        "files_are_made_read_and_removed",
        files_are_made_read_and_removed,
    ),
    ("folders_and_links", folders_and_links),
    ("nothing_leads_out", nothing_leads_out),
    ("options", options),
    ("rights_shrink", rights_shrink),
    (
        "what_is_opened_has_no_more_rights",
        what_is_opened_has_no_more_rights,
    ),
    ("a_lease_ends_everything", a_lease_ends_everything),
    ("only_a_directory_is_one", only_a_directory_is_one),
];

fn kind<T>(result: Result<T>) -> Option<ErrorKind> {
    result.err().map(|e| e.kind())
}

fn place(name: &str) -> Dir {
    Dir::open_ambient(world::folder(name)).expect("the folder")
}

fn names(dir: &Dir) -> Vec<String> {
    let entries = dir.read_dir().expect("reading");
    let mut names: Vec<_> = entries
        .map(|entry| {
            entry
                .expect("an entry")
                .file_name()
                .to_string_lossy()
                .into_owned()
        })
        .collect();
    names.sort();
    names
}

fn files_are_made_read_and_removed() {
    let dir = place("dir-files");
    dir.write("a", "text").expect("writing");
    same(dir.read("a").ok().as_deref(), Some(&b"text"[..]));
    same(dir.read_to_string("a").ok().as_deref(), Some("text"));
    dir.create("a").expect("emptying");
    same(dir.metadata("a").map(|m| m.len()).ok(), Some(0));
    same(names(&dir), vec!["a".to_owned()]);
    dir.rename("a", &dir, "b").expect("renaming");
    dir.hard_link("b", &dir, "c").expect("linking");
    same(names(&dir), vec!["b".to_owned(), "c".to_owned()]);
    dir.remove_file("b").expect("removing");
    dir.remove_file("c").expect("removing");
    same(kind(dir.open("b")), Some(ErrorKind::NotFound));
    same(dir.try_exists("b").ok(), Some(false));
    same(names(&dir), Vec::<String>::new());
}

fn folders_and_links() {
    let dir = place("dir-folders");
    dir.create_dir("sub").expect("a folder");
    same(kind(dir.create_dir("sub")), Some(ErrorKind::AlreadyExists));
    let sub = dir.open_dir("sub").expect("the folder");
    sub.write("f", "below").expect("writing");
    dir.symlink("sub/f", "link").expect("a link");
    same(dir.read_to_string("link").ok().as_deref(), Some("below"));
    same(dir.read_link("link").ok(), Some("sub/f".into()));
    assert!(dir.symlink_metadata("link").expect("a link").is_symlink());
    assert!(dir.metadata("link").expect("a file").is_file());
    dir.rename("sub/f", &sub, "g").expect("renaming");
    same(names(&sub), vec!["g".to_owned()]);
    // The folder itself, wherever it is.
    dir.rename("sub", &dir, "moved").expect("renaming");
    same(sub.read_to_string("g").ok().as_deref(), Some("below"));
    same(
        kind(dir.remove_dir("moved")),
        Some(ErrorKind::DirectoryNotEmpty),
    );
    sub.remove_file("g").expect("removing");
    dir.remove_dir("moved").expect("removing");
    assert!(sub.dir_metadata().expect("metadata").is_dir());
}

fn nothing_leads_out() {
    let top = world::folder("dir-out");
    fs::create_dir(top.join("in")).expect("a folder");
    fs::write(top.join("secret"), "secret").expect("a file");
    symlink("../secret", top.join("in/out")).expect("a link");
    symlink("..", top.join("in/up")).expect("a link");
    let absolute = top.join("secret");
    symlink(&absolute, top.join("in/absolute")).expect("a link");
    let dir = Dir::open_ambient(top.join("in")).expect("the folder");
    let denied = Some(ErrorKind::PermissionDenied);
    for path in ["../secret", "out", "up/secret", "absolute", "/etc", "."].map(std::path::Path::new)
    {
        if path != std::path::Path::new(".") {
            same(kind(dir.open(path)), denied);
            same(kind(dir.metadata(path)), denied);
            same(kind(dir.write(path, "x")), denied);
        }
    }
    same(kind(dir.open(&absolute)), denied);
    for path in ["..", "up", "../in", "/"] {
        same(kind(dir.open_dir(path)), denied);
    }
    same(kind(dir.create_dir("../new")), denied);
    same(kind(dir.symlink("x", "up/new")), denied);
    same(kind(dir.remove_file("up/secret")), denied);
    same(kind(dir.rename("up/secret", &dir, "mine")), denied);
    same(kind(dir.rename("out", &dir, "../mine")), denied);
    same(kind(dir.hard_link("up/secret", &dir, "mine")), denied);
    same(kind(dir.open("a\0b")), Some(ErrorKind::InvalidInput));
    same(
        fs::read_to_string(top.join("secret")).ok().as_deref(),
        Some("secret"),
    );
}

fn options() {
    let dir = place("dir-options");
    dir.write("f", "12345").expect("writing");
    dir.symlink("f", "link").expect("a link");
    let new = OpenOptions::new;
    let mut file = dir
        .open_with("f", &new().append(true).read(true))
        .expect("appending");
    file.write_all(b"6").expect("writing");
    same(dir.read_to_string("f").ok().as_deref(), Some("123456"));
    let exists = dir.open_with("f", &new().write(true).create_new(true));
    same(kind(exists), Some(ErrorKind::AlreadyExists));
    same(
        kind(dir.open_with("f", &new())),
        Some(ErrorKind::InvalidInput),
    );
    let no_links = new().read(true).resolve(Resolve::NO_SYMLINKS);
    let looped = dir.open_with("link", &no_links);
    same(
        looped.err().and_then(|e| e.raw_os_error()),
        Some(libc::ELOOP),
    );
    assert!(dir.open_with("f", &no_links).is_ok());
    let in_root = new().read(true).resolve(Resolve::IN_ROOT);
    assert!(dir.open_with("/../f", &in_root).is_ok());
    assert!(
        dir.open_with("f", &new().read(true).resolve(Resolve::NO_XDEV))
            .is_ok()
    );
}

fn rights_shrink() {
    let dir = place("dir-rights");
    dir.write("f", "text").expect("writing");
    let mut file = dir
        .open_with("f", &OpenOptions::new().read(true).write(true))
        .expect("a file");
    let other = file.try_clone().expect("a copy");
    same(
        file.limit(Rights::READ | Rights::STAT).ok(),
        Some(Rights::READ | Rights::STAT),
    );
    same(
        file.limit(Rights::FULL).ok(),
        Some(Rights::READ | Rights::STAT),
    );
    let mut text = String::new();
    file.read_to_string(&mut text).expect("reading");
    same(kind(file.write(b"x")), Some(ErrorKind::PermissionDenied));
    same(kind(file.sync_all()), Some(ErrorKind::PermissionDenied));
    // A copy made before keeps what it has; one made now does not get it back.
    assert!(other.rights().expect("rights").contains(Rights::WRITE));
    let copy = file.try_clone().expect("a copy");
    same(copy.rights().ok(), Some(Rights::READ | Rights::STAT));
}

fn what_is_opened_has_no_more_rights() {
    let dir = place("dir-inherit");
    dir.create_dir("sub").expect("a folder");
    dir.write("sub/f", "text").expect("writing");
    dir.limit(Rights::READ_ONLY).expect("limiting");
    let denied = Some(ErrorKind::PermissionDenied);
    same(dir.read_to_string("sub/f").ok().as_deref(), Some("text"));
    same(kind(dir.write("sub/f", "x")), denied);
    same(kind(dir.remove_file("sub/f")), denied);
    same(kind(dir.create_dir("new")), denied);
    let sub = dir.open_dir("sub").expect("the folder");
    same(kind(sub.create("g")), denied);
    same(kind(sub.rename("f", &sub, "g")), denied);
    let file = sub.open("f").expect("the file");
    assert!(
        !file
            .rights()
            .expect("rights")
            .intersects(Rights::WRITE | Rights::ESCAPE)
    );
}

fn a_lease_ends_everything() {
    let dir = place("dir-lease");
    dir.write("f", "text").expect("writing");
    for explicitly in [true, false] {
        let (copy, lease) = lease(&dir, Rights::FULL).expect("a lease");
        let leased = Dir::from_fd(copy).expect("a folder");
        let mut file = leased.open("f").expect("a file");
        assert!(file.read(&mut [0]).is_ok());
        if explicitly {
            lease.revoke().expect("revoking");
        } else {
            drop(lease);
        }
        let stale = |e: std::io::Error| e.raw_os_error() == Some(libc::ESTALE);
        assert!(leased.open("f").is_err_and(stale));
        assert!(file.read(&mut [0]).is_err_and(stale));
        assert!(dir.open("f").is_ok());
    }
}

fn only_a_directory_is_one() {
    let path = world::folder("dir-not").join("f");
    fs::write(&path, "").expect("a file");
    same(
        kind(Dir::open_ambient(&path)),
        Some(ErrorKind::NotADirectory),
    );
    let file = File::open(&path).expect("the file");
    same(
        kind(Dir::from_fd(file.into())),
        Some(ErrorKind::NotADirectory),
    );
}
