//! Files where folders are, links on the way, and whoever else is at work.

use std::collections::BTreeSet;

use pkg_core::{Content, Error, KEY, Manager, STATE, Store};

use crate::disk::{Disk, Tree};
use crate::{Repo, install, repo, system, visible};

/// What stands in the files of tables here.
const X: &str = "x";

fn one(name: &str, version: &str, files: &[(&str, &str)]) -> Repo {
    repo(&[(name, version, &[], files)])
}

fn remove(disk: Disk, names: &[&str]) -> (Result<(), Error>, Disk) {
    let mut manager = Manager::open(disk).unwrap();
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let result = manager.remove(&names);
    (result, manager.store().clone())
}

/// The system's disk, with links and folders of its own.
fn disk(links: &[(&str, &str)], folders: &[&str]) -> Disk {
    let mut files = system();
    for (path, target) in links {
        let target = Content::Link((*target).to_owned());
        files.insert((*path).to_owned(), (target, 0o777));
    }
    // Something in each makes it and those above it.
    for folder in folders {
        let nothing = Content::File(Vec::new());
        files.insert(format!("{folder}/"), (nothing, 0));
    }
    let mut tree = Disk::new(files).tree;
    tree.files.retain(|path, _| !path.ends_with('/'));
    Disk::with(tree)
}

/// Folders but for those above the state and the key.
fn folders(disk: &Disk) -> Vec<&str> {
    let above = |folder: &str| {
        let below = format!("{folder}/");
        STATE.starts_with(&below) || KEY.starts_with(&below)
    };
    let folders = disk.tree.folders.iter().map(String::as_str);
    folders
        .filter(|folder| !folder.starts_with(STATE) && !above(folder))
        .collect()
}

fn names(disk: &Disk) -> Vec<&str> {
    let mut names = visible(disk);
    names.remove("etc/own");
    names.into_keys().collect()
}

#[test]
fn what_cannot_be_done_is_refused_before_it_counts() {
    let links = [
        ("bin", "usr/bin"),
        ("kept", "/var/lib/packages"),
        ("up", "usr/../scheme/file/etc"),
        ("round", "round"),
    ];
    type Rows<'a> = &'a [(&'a [(&'a str, &'a str)], &'a str)];
    let rows: Rows = &[
        (&[("usr/bin/sd", X)], "/usr/bin/sd: is a folder"),
        (
            &[("usr", X)],
            "/usr, a folder for `other`, is a file of `p`",
        ),
        (&[("bin/sd", X)], "/usr/bin/sd: is a folder"),
        (&[("etc/own/x", X)], "/etc/own: is no folder"),
        (&[("bin", X)], "/bin: is a link that is no package's"),
        (&[("round/x", X)], "/round: too many links"),
        (
            &[("a", X), ("a/b", X)],
            "/a, a folder for `p`, is a file of `p`",
        ),
        (&[("a/b/c", X), ("a", "-> etc")], "is a file of `p`"),
        (
            &[("usr/bin/x", X), ("bin/x", X)],
            "/usr/bin/x of `p` belongs to `p`",
        ),
        (
            &[("bin/theirs", X)],
            "/usr/bin/theirs of `p` belongs to `other`",
        ),
        (&[("usr/bin/theirs/x", X)], "/usr/bin/theirs: is no folder"),
        (
            &[("opt", X)],
            "/opt, a folder for `other`, is a file of `p`",
        ),
        (&[("kept/other.toml", X)], "which is not for packages"),
        (&[("up/own", X)], "which is not for packages"),
        (&[("scheme/file/etc/own", X)], "is not for packages"),
        (&[("dev/null", X)], "is not for packages"),
        (
            &[("a", "-> var/lib/packages"), ("a/other.toml", X)],
            "is a file of `p`",
        ),
    ];
    let other = one("other", "1", &[("usr/bin/theirs", X), ("opt/x", X)]);
    let (done, before) = install(disk(&links, &["usr/bin", "usr/bin/sd"]), &other, &["other"]);
    done.unwrap();
    for (files, message) in rows {
        let (result, after) = install(before.clone(), &one("p", "1", files), &["p"]);
        let error = format!("/{}", result.unwrap_err());
        assert!(error.contains(message), "{files:?}: {error}");
        let (done, after) = install(after, &one("q", "1", &[("usr/q", X)]), &["q"]);
        done.unwrap();
        assert_eq!(
            visible(&after).len(),
            visible(&before).len() + 1,
            "{files:?}"
        );
    }
}

#[test]
fn files_become_folders_and_back() {
    let shapes: &[&[(&str, &str)]] = &[
        &[("usr/x", X)],
        &[("usr/x/y", X), ("usr/x/z/a", X)],
        &[("usr/x", "-> v"), ("usr/v/y", X)],
        &[("usr/v", "-> x"), ("usr/x/y", X)],
        &[("usr/x/y/z", X)],
    ];
    for old in shapes {
        for new in shapes {
            let before = disk(&[("bin", "usr")], &[]);
            let (done, after) = install(before.clone(), &one("p", "1", old), &["p"]);
            done.unwrap();
            let (done, after) = install(after, &one("p", "2", new), &["p"]);
            assert!(done.is_ok(), "{old:?} {new:?} {done:?}");
            let mut expected: Vec<&str> = new.iter().map(|(path, _)| *path).collect();
            expected.push("bin");
            expected.sort_unstable();
            assert_eq!(names(&after), expected, "{old:?} {new:?}");
            let (done, after) = remove(after, &["p"]);
            done.unwrap();
            assert_eq!(visible(&after), visible(&before), "{old:?} {new:?}");
            assert_eq!(folders(&after), folders(&before), "{old:?} {new:?}");
        }
    }
}

/// The same file by another way is neither removed nor another's.
#[test]
fn one_file_by_two_ways() {
    let before = disk(&[("bin", "usr/bin")], &["usr/bin"]);
    let (done, after) = install(before, &one("p", "1", &[("bin/x", "1")]), &["p"]);
    done.unwrap();
    let (done, after) = install(after, &one("p", "2", &[("usr/bin/x", "2")]), &["p"]);
    done.unwrap();
    assert_eq!(visible(&after)["usr/bin/x"], "2");
    let (done, after) = remove(after, &["p"]);
    done.unwrap();
    assert_eq!(names(&after), ["bin"]);
}

#[test]
fn folders_go_that_were_made_for_packages() {
    let before = disk(&[], &["usr/lib/init.d"]);
    let p = one("p", "1", &[("usr/lib/init.d/p", X), ("usr/share/p/x", X)]);
    let q = one("q", "1", &[("usr/share/q/x", X)]);
    let (done, after) = install(before.clone(), &p, &["p"]);
    done.unwrap();
    let (done, after) = install(after, &q, &["q"]);
    done.unwrap();
    let (done, after) = remove(after, &["p"]);
    done.unwrap();
    assert_eq!(
        folders(&after),
        [
            "usr",
            "usr/lib",
            "usr/lib/init.d",
            "usr/share",
            "usr/share/q"
        ]
    );
    let (done, after) = remove(after, &["q"]);
    done.unwrap();
    assert_eq!(folders(&after), folders(&before));
}

/// A change that counts and is not finished.
fn unfinished() -> (Disk, Repo) {
    let new = one("p", "1", &[("usr/a", X), ("usr/b", X), ("usr/c", X)]);
    for power in 0..200 {
        let mut disk = disk(&[], &[]);
        disk.power = power;
        let (result, disk) = install(disk, &new, &["p"]);
        if names(&disk) == ["usr/a"] {
            return (disk.killed(), new);
        }
        assert!(result.is_err(), "never half done");
    }
    panic!("never half done");
}

#[test]
fn who_reads_changes_nothing() {
    let (disk, _) = unfinished();
    // The disk panics if it is changed without the lock.
    let manager = Manager::open(disk.clone()).unwrap();
    assert!(manager.is_unfinished().unwrap());
    assert!(manager.installed().unwrap().is_empty());
    assert_eq!(manager.store().tree, disk.tree);
    let mut recovered = disk;
    assert!(Manager::recover(&mut recovered).unwrap());
    let manager = Manager::open(recovered).unwrap();
    assert!(!manager.is_unfinished().unwrap());
    let package = &manager.installed().unwrap()["p"].package;
    assert_eq!(manager.verify(package), []);
}

#[test]
fn one_change_at_a_time() {
    let (mut disk, new) = unfinished();
    disk.busy = true;
    let tree = disk.tree.clone();
    let (result, after) = install(disk.clone(), &new, &["p"]);
    assert!(matches!(result, Err(Error::Busy)));
    assert_eq!(after.tree, tree);
    assert!(matches!(remove(disk.clone(), &["p"]).0, Err(Error::Busy)));
    assert!(matches!(Manager::recover(&mut disk), Err(Error::Busy)));
    assert_eq!(disk.tree, tree);
}

#[test]
fn a_lost_file_is_told_and_does_not_stay_in_the_way() {
    let (mut disk, new) = unfinished();
    let staged = format!("{STATE}/.new");
    for name in disk.list(&staged).unwrap() {
        let file = disk.tree.files[&format!("{staged}/{name}")].clone();
        if file.0 == Content::File(X.into()) {
            disk.tree.files.remove(&format!("{staged}/{name}"));
        }
    }
    let error = Manager::recover(&mut disk).unwrap_err().to_string();
    assert!(error.contains("/usr/b, /usr/c"), "{error}");
    assert!(!Manager::recover(&mut disk).unwrap());
    // It is installed, so it is taken out and put in again.
    let (done, disk) = remove(disk, &["p"]);
    done.unwrap();
    let (done, disk) = install(disk, &new, &["p"]);
    done.unwrap();
    assert_eq!(names(&disk), ["usr/a", "usr/b", "usr/c"]);
}

struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 >> 8
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    fn one<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len() as u64) as usize]
    }

    fn files(&mut self) -> Vec<(&'static str, &'static str)> {
        const PATHS: [&str; 14] = [
            "a", "b", "c", "a/a", "a/b", "b/a", "b/b", "c/a", "a/a/a", "a/b/a", "b/a/a", "b/b/b",
            "c/a/b", "d/a",
        ];
        const TEXTS: [&str; 8] = ["1", "2", "3", "-> a", "-> b", "-> /c", "-> ../b", "-> a/b"];
        let count = 1 + self.below(4);
        let paths: BTreeSet<&str> = (0..count).map(|_| *self.one(&PATHS)).collect();
        let text = |path| (path, *self.one(&TEXTS));
        paths.into_iter().map(text).collect()
    }
}

fn seen(disk: &Disk) -> Tree {
    let mut tree = disk.tree.clone();
    tree.files.retain(|path, _| !path.starts_with('.'));
    tree
}

/// Packages of any shapes on a system of any shape, and the power goes, or the program is ended, at any moment of a
/// change and of the recovery after it: everything is old or everything new, and what is refused leaves all as it
/// was.
#[test]
fn any_shape_any_moment() {
    let (mut cuts, mut changes) = (0, 0);
    for seed in 1..200 {
        let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15_u64.wrapping_mul(seed));
        let links = [("b", "a"), ("c", "/a/b"), ("a/b", "../d")];
        let links: Vec<_> = links
            .into_iter()
            .filter(|_| numbers.below(4) == 0)
            .collect();
        let own = ["a", "a/a", "d"];
        let own: Vec<_> = own.into_iter().filter(|_| numbers.below(5) == 0).collect();
        let mut before = disk(&links, &own);
        let versions: Vec<Repo> = ["1", "2"]
            .iter()
            .map(|version| {
                let (p, q) = (numbers.files(), numbers.files());
                repo(&[("p", version, &[], &p), ("q", version, &[], &q)])
            })
            .collect();
        for name in ["p", "q"] {
            let (result, after) = install(before.clone(), &versions[0], &[name]);
            if result.is_err() {
                assert_eq!(names(&after), names(&before), "{seed}");
            }
            before = after;
        }
        let before = Disk::with(before.tree.clone());
        let wanted: &[&str] = numbers.one(&[&["p"] as &[_], &["q"], &["p", "q"]]);
        let removes = numbers.below(3) == 0;
        let change = |disk: Disk| {
            if removes {
                return remove(disk, wanted);
            }
            let (result, disk) = install(disk, &versions[1], wanted);
            (result.map(drop), disk)
        };
        let (result, after) = change(before.clone());
        if result.is_err() {
            assert_eq!(names(&after), names(&before), "{seed}: {result:?}");
            continue;
        }
        changes += 1;
        let manager = Manager::open(after.clone()).unwrap();
        for (name, installed) in manager.installed().unwrap() {
            // A link of one may be on the way to another's files, by way of a link of the system's.
            if !wanted.contains(&name.as_str()) {
                continue;
            }
            let faults = manager.verify(&installed.package);
            assert_eq!(faults, [], "{seed}: {name}");
        }
        let (old, new) = (seen(&before), seen(&after));
        for cut in 0..1000 {
            let mut disk = before.clone();
            disk.power = cut;
            let (result, cut_disk) = change(disk);
            if result.is_ok() {
                break;
            }
            cuts += 1;
            for way in 0..4 {
                let mut disk = match way {
                    0 => cut_disk.killed(),
                    _ => cut_disk.after(|| numbers.below(2) == 0),
                };
                for power in [5, 11, usize::MAX] {
                    disk.power = power;
                    let recovered = Manager::recover(&mut disk);
                    if power == usize::MAX {
                        recovered.unwrap_or_else(|error| panic!("{seed}, cut {cut}: {error}"));
                    } else {
                        disk = match way {
                            1 | 2 => disk.after(|| numbers.below(2) == 0),
                            _ => disk.killed(),
                        };
                    }
                }
                let is = seen(&disk);
                if is.files != old.files {
                    assert!(is.files == new.files, "{seed}, cut {cut}, way {way}");
                    assert_eq!(is.folders, new.folders, "{seed}, cut {cut}, way {way}");
                }
            }
        }
    }
    assert!(
        cuts > 300 && changes > 15,
        "{cuts} cuts of {changes} changes"
    );
}
