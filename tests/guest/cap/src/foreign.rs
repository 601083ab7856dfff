//! A file system's daemon that is not ours: that of the crate `redoxfs`, which knows nothing of limits. It serves
//! the volume of the machine's second disk; the first is the root.

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::process::Command;
use std::thread;
use std::time::Duration;

use crate::{Case, c, same};

pub const CASES: &[Case] = &[
    ("it_mounts", it_mounts),
    ("files_are_files", files_are_files),
    (
        "nothing_is_asked_of_it_beneath",
        nothing_is_asked_of_it_beneath,
    ),
    ("the_root_is_another", the_root_is_another),
    ("it_ends", it_ends),
];

const PROGRAM: &str = "/scheme/initfs/ports/redoxfs/usr/bin/redoxfs";
const MOUNTED: &str = "/scheme/second";

fn at(path: &str) -> String {
    format!("{MOUNTED}/{path}")
}

/// What is in its root directory, which is not its root: without the slash the namespace hands that out, and such a
/// daemon only opens through it.
fn names() -> Vec<String> {
    let entries = fs::read_dir(at("")).expect("its root directory");
    let mut names: Vec<String> = entries
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

/// It goes into the background when it serves.
fn it_mounts() {
    let bound = fs::read_dir("/scheme").expect("names");
    let mut disks: Vec<String> = bound
        .filter_map(|name| name.ok()?.file_name().into_string().ok())
        .filter(|name| name.starts_with("disk."))
        .collect();
    disks.sort();
    let disk = format!("/scheme/{}/0", disks.get(1).expect("a second disk"));
    let status = Command::new(PROGRAM).args([&disk, "second"]).status();
    assert!(status.expect("starting it").success());
    same(names(), Vec::<String>::new());
}

fn files_are_files() {
    let mut data = vec![0; disk_image::KEPT];
    disk_image::fill(0, 0, &mut data);
    let mut file = File::options()
        .read(true)
        .write(true)
        .create_new(true)
        .open(at("kept"))
        .expect("a new file");
    file.write_all(&data).expect("writing");
    file.sync_all().expect("syncing");
    file.seek(SeekFrom::Start(0)).expect("seeking");
    let mut found = Vec::new();
    file.read_to_end(&mut found).expect("reading");
    assert!(found == data, "{} bytes", found.len());
    same(file.metadata().expect("stat").size(), data.len() as u64);
    let again = File::options()
        .create_new(true)
        .write(true)
        .open(at("kept"));
    same(
        again.err().and_then(|e| e.raw_os_error()),
        Some(libc::EEXIST),
    );

    fs::create_dir(at("folder")).expect("a folder");
    fs::write(at("folder/a"), "text").expect("a file in it");
    fs::rename(at("folder/a"), at("folder/b")).expect("renaming");
    fs::hard_link(at("folder/b"), at("link")).expect("linking");
    same(fs::metadata(at("link")).expect("stat").nlink(), 2);
    fs::set_permissions(at("link"), fs::Permissions::from_mode(0o600)).expect("chmod");
    same(
        fs::metadata(at("folder/b")).expect("stat").mode() & 0o777,
        0o600,
    );
    std::os::unix::fs::symlink("folder/b", at("soft")).expect("a symbolic link");
    same(
        fs::read_to_string(at("soft")).expect("through it"),
        "text".to_owned(),
    );
    same(
        fs::read_link(at("soft")).expect("it").to_str(),
        Some("folder/b"),
    );
    File::options()
        .write(true)
        .open(at("folder/b"))
        .and_then(|file| file.set_len(2))
        .expect("truncating");
    same(
        fs::read_to_string(at("link")).expect("the rest"),
        "te".to_owned(),
    );
    same(
        names(),
        ["folder", "kept", "link", "soft"]
            .map(String::from)
            .to_vec(),
    );
    let full = fs::remove_dir(at("folder"));
    same(
        full.err().and_then(|e| e.raw_os_error()),
        Some(libc::ENOTEMPTY),
    );
    for name in ["folder/b", "link", "soft"] {
        fs::remove_file(at(name)).expect(name);
    }
    fs::remove_dir(at("folder")).expect("an empty folder");
}

/// The kernel does not ask a daemon that has not said that it honours limits.
fn nothing_is_asked_of_it_beneath() {
    let read = libc::O_RDONLY;
    let dir = c::open(MOUNTED, read | libc::O_DIRECTORY).expect("its root");
    let dir = dir.as_raw_fd();
    assert!(c::openat(dir, "kept", read).is_ok());
    same(
        c::openat(dir, "kept", read | c::O_RESOLVE_BENEATH).err(),
        Some(libc::EPERM),
    );
    for resolve in [
        c::RESOLVE_BENEATH,
        c::RESOLVE_NO_SYMLINKS,
        c::RESOLVE_IN_ROOT,
    ] {
        let got = c::resolving(dir, "kept", read, resolve);
        same(got.err(), Some(libc::EPERM));
    }
    same(c::confine(dir).err(), Some(libc::EPERM));
    assert!(c::openat(dir, "kept", read).is_ok(), "it is as it was");
}

fn the_root_is_another() {
    fs::write("/mine", "mine").expect("a file of the root");
    assert!(fs::metadata(at("mine")).is_err());
    assert!(fs::metadata("/kept").is_err());
}

/// Its own signal handler has it end at the next request.
fn it_ends() {
    let listed = fs::read_to_string("/scheme/sys/context").expect("contexts");
    let mut lines = listed.lines().map(str::split_ascii_whitespace);
    let pid = lines
        .find(|words| words.clone().next_back() == Some("redoxfs"))
        .and_then(|mut words| words.next()?.parse().ok());
    // SAFETY: a signal to another process.
    let killed = unsafe { libc::kill(pid.expect("its process"), libc::SIGTERM) };
    same(killed, 0);
    for _ in 0..500 {
        match fs::metadata(at("kept")) {
            Err(error) if error.raw_os_error() == Some(libc::ENODEV) => return,
            _ => thread::sleep(Duration::from_millis(10)),
        }
    }
    panic!("it is still there");
}
