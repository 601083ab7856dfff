//! Files, in the file system that TEST_DIR names (`/tmp` unless it is set).

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt, symlink};
use std::path::PathBuf;
use std::time::SystemTime;

use crate::{Case, same};

pub const CASES: &[Case] = &[
    ("write_read_append", write_read_append),
    ("seek_and_positions", seek_and_positions),
    ("truncate_and_grow", truncate_and_grow),
    ("exclusive_creation", exclusive_creation),
    ("directories", directories),
    ("rename_moves", rename_moves),
    ("links", links),
    ("metadata", metadata),
    ("remove_all", remove_all),
    ("current_directory", current_directory),
    ("canonicalize", canonicalize),
    ("copy", copy),
];

/// An empty directory for a case.
fn folder(name: &str) -> PathBuf {
    let base = std::env::var_os("TEST_DIR").map_or(PathBuf::from("/tmp"), PathBuf::from);
    let path = base.join(format!("std-{name}"));
    match fs::remove_dir_all(&path) {
        Err(e) if e.kind() != ErrorKind::NotFound => panic!("{}: {e}", path.display()),
        _ => {}
    }
    fs::create_dir_all(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    path
}

fn write_read_append() {
    let path = folder("write").join("file");
    fs::write(&path, "first\n").expect("write");
    let mut file = OpenOptions::new().append(true).open(&path).expect("open");
    file.write_all(b"second\n").expect("append");
    drop(file);
    same(
        fs::read_to_string(&path).expect("read").as_str(),
        "first\nsecond\n",
    );
}

fn seek_and_positions() {
    let path = folder("seek").join("file");
    let mut file = File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(true)
        .open(path)
        .expect("open");
    file.write_all(b"0123456789").expect("write");
    same(file.seek(SeekFrom::Start(3)).ok(), Some(3));
    let mut two = [0; 2];
    file.read_exact(&mut two).expect("read");
    same(&two, b"34");
    same(file.seek(SeekFrom::End(-1)).ok(), Some(9));
    file.read_at(&mut two, 6).expect("read_at");
    same(&two, b"67");
    file.write_at(b"ab", 1).expect("write_at");
    same(file.stream_position().ok(), Some(9));
    file.rewind().expect("rewind");
    let mut all = String::new();
    file.read_to_string(&mut all).expect("read");
    same(all.as_str(), "0ab3456789");
    same(
        file.seek(SeekFrom::Current(-100)).err().map(|e| e.kind()),
        Some(ErrorKind::InvalidInput),
    );
}

fn truncate_and_grow() {
    let path = folder("truncate").join("file");
    fs::write(&path, [1; 5000]).expect("write");
    let file = File::options().write(true).open(&path).expect("open");
    file.set_len(10).expect("shrink");
    file.set_len(20).expect("grow");
    let data = fs::read(&path).expect("read");
    same(data, [[1; 10], [0; 10]].concat());
}

fn exclusive_creation() {
    let path = folder("exclusive").join("file");
    File::create_new(&path).expect("the first");
    same(
        File::create_new(&path).err().map(|e| e.kind()),
        Some(ErrorKind::AlreadyExists),
    );
}

fn directories() {
    let base = folder("directories");
    for name in ["b", "a", "c"] {
        fs::write(base.join(name), name).expect("write");
    }
    fs::create_dir(base.join("d")).expect("create_dir");
    let mut entries: Vec<(String, bool)> = fs::read_dir(&base)
        .expect("read_dir")
        .map(|e| e.expect("entry"))
        .map(|e| {
            (
                e.file_name().into_string().expect("utf-8"),
                e.file_type().expect("type").is_dir(),
            )
        })
        .collect();
    entries.sort();
    let want = [("a", false), ("b", false), ("c", false), ("d", true)];
    same(entries, want.map(|(n, d)| (n.to_string(), d)).to_vec());
    same(
        fs::create_dir(base.join("d")).err().map(|e| e.kind()),
        Some(ErrorKind::AlreadyExists),
    );
    same(
        fs::remove_dir(&base).err().map(|e| e.kind()),
        Some(ErrorKind::DirectoryNotEmpty),
    );
    same(
        fs::remove_file(base.join("no")).err().map(|e| e.kind()),
        Some(ErrorKind::NotFound),
    );
}

fn rename_moves() {
    let base = folder("rename");
    fs::create_dir(base.join("from")).expect("create_dir");
    fs::write(base.join("from/file"), "text").expect("write");
    fs::write(base.join("other"), "old").expect("write");
    fs::rename(base.join("from/file"), base.join("other")).expect("rename");
    same(
        fs::read_to_string(base.join("other"))
            .expect("read")
            .as_str(),
        "text",
    );
    assert!(!base.join("from/file").exists());
    fs::rename(base.join("from"), base.join("to")).expect("rename a directory");
    assert!(base.join("to").is_dir());
}

fn links() {
    let base = folder("links");
    fs::write(base.join("file"), "text").expect("write");
    symlink("file", base.join("soft")).expect("symlink");
    same(
        fs::read_link(base.join("soft")).expect("read_link"),
        PathBuf::from("file"),
    );
    same(
        fs::read_to_string(base.join("soft"))
            .expect("read")
            .as_str(),
        "text",
    );
    assert!(
        fs::symlink_metadata(base.join("soft"))
            .expect("lstat")
            .is_symlink()
    );
    assert!(fs::metadata(base.join("soft")).expect("stat").is_file());
    fs::hard_link(base.join("file"), base.join("hard")).expect("hard_link");
    let [a, b] = ["file", "hard"].map(|n| fs::metadata(base.join(n)).expect("stat"));
    same((a.ino(), a.nlink()), (b.ino(), 2));
    symlink("loop", base.join("loop")).expect("symlink");
    same(
        fs::metadata(base.join("loop"))
            .err()
            .and_then(|e| e.raw_os_error()),
        Some(40),
    );
}

fn metadata() {
    let path = folder("metadata").join("file");
    fs::write(&path, "12345").expect("write");
    let stat = fs::metadata(&path).expect("stat");
    same((stat.len(), stat.is_file()), (5, true));
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).expect("chmod");
    same(fs::metadata(&path).expect("stat").mode() & 0o777, 0o640);
    let written = fs::metadata(&path)
        .expect("stat")
        .modified()
        .expect("modified");
    assert!(written <= SystemTime::now());
}

fn remove_all() {
    let base = folder("remove");
    fs::create_dir_all(base.join("a/b/c")).expect("create_dir_all");
    fs::write(base.join("a/b/file"), "x").expect("write");
    symlink("/", base.join("a/root")).expect("symlink");
    fs::remove_dir_all(base.join("a")).expect("remove_dir_all");
    assert!(!base.join("a").exists());
}

fn current_directory() {
    let base = folder("cwd");
    let before = std::env::current_dir().ok();
    std::env::set_current_dir(&base).expect("chdir");
    same(std::env::current_dir().expect("getcwd"), base.clone());
    fs::write("here", "x").expect("write");
    assert!(base.join("here").exists());
    // It is a descriptor: the directory may move.
    let moved = base.with_extension("moved");
    let _ = fs::remove_dir_all(&moved);
    fs::rename(&base, &moved).expect("rename");
    same(fs::read_to_string("here").expect("read").as_str(), "x");
    same(std::env::current_dir().expect("getcwd"), moved.clone());
    // One that is not there any more has no path.
    fs::remove_dir_all(&moved).expect("remove_dir_all");
    let gone = std::env::current_dir().expect_err("a removed directory has no path");
    same(gone.kind(), std::io::ErrorKind::NotFound);
    if let Some(before) = before {
        std::env::set_current_dir(before).expect("chdir back");
    }
}

fn canonicalize() {
    let base = folder("canonical");
    fs::create_dir(base.join("d")).expect("create_dir");
    symlink("d", base.join("l")).expect("symlink");
    let real = fs::canonicalize(base.join("l/../l/.")).expect("canonicalize");
    same(real, base.join("d"));
}

fn copy() {
    let base = folder("copy");
    let data: Vec<u8> = (0..20_000).map(|i| i as u8).collect();
    fs::write(base.join("a"), &data).expect("write");
    same(fs::copy(base.join("a"), base.join("b")).ok(), Some(20_000));
    assert!(fs::read(base.join("b")).expect("read") == data);
}
