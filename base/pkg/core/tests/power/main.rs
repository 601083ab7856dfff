//! Changes on a disk that loses its power at any moment, and forgets any of what was not synced.

mod disk;
mod shapes;

use std::collections::BTreeMap;

use disk::{Disk, Files};
use pkg_core::{Content, Error, Fault, KEY, Manager, STATE, Store};
use pkgar_core::dryoc::classic::crypto_sign::{crypto_sign_detached, crypto_sign_seed_keypair};
use pkgar_core::{Architecture, Entry, Header, HeaderFlags, Mode, Packaging};

/// A package file with these files, signed by the owner of `seed`.
fn package(seed: u8, files: &[(&str, &str)]) -> Vec<u8> {
    let (public, secret) = crypto_sign_seed_keypair(&[seed; 32]);
    let mut entries = Vec::new();
    let mut data: Vec<u8> = Vec::new();
    for (path, text) in files {
        let (mode, text) = match text.strip_prefix("-> ") {
            Some(target) => (Mode::SYMLINK | Mode::from_bits_retain(0o777), target),
            None => (Mode::FILE | Mode::from_bits_retain(0o755), *text),
        };
        let mut entry = Entry::new_uninit(path.as_bytes(), mode).unwrap();
        entry.init(
            *blake3::hash(text.as_bytes()).as_bytes(),
            data.len() as u64,
            text.len() as u64,
        );
        data.extend(text.as_bytes());
        entries.push(entry);
    }
    let table: Vec<u8> = entries
        .iter()
        .flat_map(|entry| bytemuck::bytes_of(entry).to_vec())
        .collect();
    let mut header = Header {
        signature: [0; 64],
        public_key: public,
        blake3: *blake3::hash(&table).as_bytes(),
        count: entries.len() as u32,
        flags: HeaderFlags::latest(Architecture::X86_64, Packaging::Uncompressed),
    };
    let mut signature = [0; 64];
    crypto_sign_detached(&mut signature, &bytemuck::bytes_of(&header)[64..], &secret).unwrap();
    header.signature = signature;
    let mut bytes = bytemuck::bytes_of(&header).to_vec();
    bytes.extend(table);
    bytes.extend(data);
    bytes
}

fn metadata(name: &str, version: &str, depends: &[&str]) -> Vec<u8> {
    format!("name = '{name}'\nversion = '{version}'\ntarget = 't'\ndepends = {depends:?}\n")
        .into_bytes()
}

/// A folder of packages.
type Repo = BTreeMap<String, Vec<u8>>;

/// Name, version, dependencies, files.
type Package<'a> = (&'a str, &'a str, &'a [&'a str], &'a [(&'a str, &'a str)]);

fn repo(packages: &[Package]) -> Repo {
    let mut repo = Repo::new();
    for (name, version, depends, files) in packages {
        repo.insert(format!("{name}.pkgar"), package(1, files));
        repo.insert(format!("{name}.toml"), metadata(name, version, depends));
    }
    repo
}

fn system() -> Files {
    let (public, _) = crypto_sign_seed_keypair(&[1; 32]);
    let digits: String = public.iter().map(|byte| format!("{byte:02x}")).collect();
    let key = Content::File(format!("pkey = \"{digits}\"\n").into_bytes());
    let own = Content::File(b"mine".to_vec());
    Files::from([
        (KEY.to_owned(), (key, 0o644)),
        ("etc/own".to_owned(), (own, 0o600)),
    ])
}

fn install(disk: Disk, repo: &Repo, names: &[&str]) -> (Result<Vec<String>, Error>, Disk) {
    let mut manager = match Manager::open(disk.clone()) {
        Ok(manager) => manager,
        Err(error) => return (Err(error), disk),
    };
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let result = manager.install(&names, |file| Ok(repo.get(file).cloned()));
    (result, manager.store().clone())
}

fn visible(disk: &Disk) -> BTreeMap<&str, String> {
    let shown = |content: &Content| match content {
        Content::File(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        Content::Link(target) => format!("-> {target}"),
    };
    let files = disk
        .tree
        .files
        .iter()
        .filter(|(path, _)| !path.starts_with(STATE) && *path != KEY);
    files
        .map(|(path, (content, _))| (path.as_str(), shown(content)))
        .collect()
}

fn old_repo() -> Repo {
    repo(&[
        (
            "lua",
            "1",
            &["libc"],
            &[
                ("usr/bin/lua", "lua 1"),
                ("usr/bin/luac", "-> lua"),
                ("usr/share/lua/old", "x"),
            ],
        ),
        ("libc", "1", &[], &[("usr/lib/libc.a", "libc 1")]),
    ])
}

fn new_repo() -> Repo {
    repo(&[
        (
            "lua",
            "2",
            &["libc"],
            &[
                ("usr/bin/lua", "lua 2"),
                ("usr/bin/luac", "-> lua"),
                ("usr/share/lua/new", "y"),
            ],
        ),
        ("libc", "2", &[], &[("usr/lib/libc.a", "libc 2")]),
    ])
}

#[test]
fn install_update_remove() {
    let (done, disk) = install(Disk::new(system()), &old_repo(), &["lua"]);
    assert_eq!(done.unwrap(), ["libc", "lua"]);
    let seen = visible(&disk);
    assert_eq!(seen["usr/bin/lua"], "lua 1");
    assert_eq!(seen["usr/bin/luac"], "-> lua");
    assert_eq!(seen.len(), 5);
    // The same again: nothing.
    let (done, disk) = install(disk, &old_repo(), &["lua"]);
    assert_eq!(done.unwrap(), [""; 0]);
    let (done, disk) = install(disk, &new_repo(), &["lua"]);
    assert_eq!(done.unwrap(), ["libc", "lua"]);
    let seen = visible(&disk);
    assert_eq!(seen["usr/share/lua/new"], "y");
    assert!(!seen.contains_key("usr/share/lua/old"));

    let mut manager = Manager::open(disk).unwrap();
    let installed = manager.installed().unwrap();
    assert_eq!(installed["lua"].metadata.version, "2");
    let error = manager.remove(&["libc".to_owned()]).unwrap_err();
    assert_eq!(error.to_string(), "`lua` depends on `libc`");
    manager
        .remove(&["libc".to_owned(), "lua".to_owned()])
        .unwrap();
    assert_eq!(
        visible(manager.store()).into_keys().collect::<Vec<_>>(),
        ["etc/own"]
    );
    assert_eq!(manager.store().list(STATE).unwrap(), [".new"]);
    let error = manager.remove(&["lua".to_owned()]).unwrap_err();
    assert_eq!(error.to_string(), "`lua` is not installed");
}

#[test]
fn verify() {
    let (_, mut disk) = install(Disk::new(system()), &old_repo(), &["lua"]);
    disk.tree.files.get_mut("usr/bin/lua").unwrap().0 = Content::File(b"lua 1, changed".to_vec());
    disk.tree.files.get_mut("usr/bin/luac").unwrap().0 = Content::File(b"lua".to_vec());
    disk.tree.files.get_mut("usr/lib/libc.a").unwrap().1 = 0o777;
    disk.tree.files.remove("usr/share/lua/old");
    let manager = Manager::open(disk).unwrap();
    let installed = manager.installed().unwrap();
    let faults = |name: &str| manager.verify(&installed[name].package);
    let fault = |path: &str, fault| (path.to_owned(), fault);
    assert_eq!(
        faults("libc"),
        [fault("usr/lib/libc.a", Fault::Mode(0o777))]
    );
    assert_eq!(
        faults("lua"),
        [
            fault("usr/bin/lua", Fault::Changed),
            // A file with the target in it is no link.
            fault("usr/bin/luac", Fault::Changed),
            fault("usr/share/lua/old", Fault::Missing),
        ]
    );
}

#[test]
fn refusals() {
    let flipped = |at: usize| {
        let mut repo = old_repo();
        let file = repo.get_mut("lua.pkgar").unwrap();
        let at = if at == usize::MAX { file.len() - 1 } else { at };
        file[at] ^= 1;
        repo
    };
    let with = |files: &[(&str, &str)]| repo(&[("lua", "1", &[], files)]);
    let mut foreign = old_repo();
    foreign.insert("lua.pkgar".into(), package(2, &[("usr/bin/lua", "other")]));
    let mut short = old_repo();
    short.get_mut("lua.pkgar").unwrap().truncate(140);
    let mut lonely = old_repo();
    lonely.remove("libc.pkgar");
    let rows = [
        ("a changed header", flipped(100), "the signature is not"),
        ("a changed entry", flipped(200), "wrong checksum"),
        ("a changed file", flipped(usize::MAX), "wrong checksum"),
        ("another's key", foreign, "the signature is not"),
        ("a short file", short, "ends too early"),
        ("a path out", with(&[("../x", "")]), "leaves the root"),
        ("an absolute path", with(&[("/x", "")]), "leaves the root"),
        (
            "the state",
            with(&[("var/lib/packages/x", "")]),
            "not for packages",
        ),
        (
            "two with one file",
            repo(&[
                ("lua", "1", &["a"], &[("usr/x", "")]),
                ("a", "1", &[], &[("usr/x", "")]),
            ]),
            "belongs to `a`",
        ),
        (
            "a missing dependency",
            lonely,
            "there is no package `libc`, which `lua` depends on",
        ),
        ("nothing", Repo::new(), "there is no package `lua`"),
    ];
    for (what, repo, message) in rows {
        let disk = Disk::new(system());
        let before = visible(&disk).len();
        let (result, disk) = install(disk, &repo, &["lua"]);
        let error = result.unwrap_err().to_string();
        assert!(error.contains(message), "{what}: {error}");
        assert_eq!(visible(&disk).len(), before, "{what}");
    }
}

/// The power goes at every operation of an update, and of the recovery after it, and any part of what was
/// not synced is lost: then everything is old, or everything is new.
#[test]
fn power_cuts() {
    let (_, before) = install(Disk::new(system()), &old_repo(), &["lua"]);
    let (_, after) = install(before.clone(), &new_repo(), &["lua"]);
    let (old, new) = (visible(&before), visible(&after));
    let before = Disk::with(before.tree.clone());
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    let mut bit = move || {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random & 1 == 0
    };
    let (mut olds, mut news, mut cuts) = (0, 0, 0);
    for cut in 0.. {
        let mut disk = before.clone();
        disk.power = cut;
        let (result, cut_disk) = install(disk, &new_repo(), &["lua"]);
        if result.is_ok() {
            break;
        }
        cuts += 1;
        for _ in 0..40 {
            // And again while it recovers.
            let mut disk = cut_disk.after(&mut bit);
            for power in [3, 9, 27, usize::MAX] {
                disk.power = power;
                let recovered = Manager::recover(&mut disk);
                if power != usize::MAX {
                    disk = disk.after(&mut bit);
                } else {
                    recovered.unwrap();
                }
            }
            let seen = visible(&disk);
            let manager = Manager::open(disk.clone()).unwrap();
            let version = manager.installed().unwrap()["lua"].metadata.version.clone();
            if seen == old {
                assert_eq!(version, "1", "cut {cut}");
                olds += 1;
            } else {
                assert_eq!(seen, new, "cut {cut}");
                assert_eq!(version, "2", "cut {cut}");
                news += 1;
            }
            assert!(
                !manager
                    .store()
                    .list(STATE)
                    .unwrap()
                    .iter()
                    .any(|name| name.starts_with(".j"))
            );
        }
    }
    assert!(
        cuts > 20 && olds > 0 && news > 0,
        "{cuts} cuts, {olds} old, {news} new"
    );
}
