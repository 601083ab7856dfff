//! Changes on a disk that loses its power at any moment, and forgets any of what was not synced.

use std::collections::BTreeMap;
use std::io;

use pkg_core::{Content, Error, Fault, KEY, Manager, STATE, Store};
use pkgar_core::dryoc::classic::crypto_sign::{crypto_sign_detached, crypto_sign_seed_keypair};
use pkgar_core::{Architecture, Entry, Header, HeaderFlags, Mode, Packaging};

type Files = BTreeMap<String, (Content, u32)>;

/// What changes names on the disk.
#[derive(Clone, Debug)]
enum Change {
    Write(String, Content, u32),
    Rename(String, String),
    Remove(String),
}

impl Change {
    fn apply(&self, files: &mut Files) {
        match self {
            Self::Write(path, content, mode) => {
                files.insert(path.clone(), (content.clone(), *mode));
            }
            Self::Rename(from, to) => {
                if let Some(file) = files.remove(from) {
                    files.insert(to.clone(), file);
                }
            }
            Self::Remove(path) => {
                files.remove(path);
            }
        }
    }

    fn folder(&self) -> &str {
        let (Self::Write(path, ..) | Self::Rename(_, path) | Self::Remove(path)) = self;
        path.rsplit_once('/').map_or("", |(folder, _)| folder)
    }
}

/// A disk, whose power is cut after so many operations.
#[derive(Clone, Debug)]
struct Disk {
    /// As programs see it.
    files: Files,
    /// What is on it for sure.
    synced: Files,
    /// What came since then.
    pending: Vec<Change>,
    /// Operations until the power goes.
    power: usize,
}

impl Disk {
    fn new(files: Files) -> Self {
        Self {
            synced: files.clone(),
            files,
            pending: Vec::new(),
            power: usize::MAX,
        }
    }

    fn tick(&mut self) -> io::Result<()> {
        self.power = self
            .power
            .checked_sub(1)
            .ok_or_else(|| io::Error::other("no power"))?;
        Ok(())
    }

    fn change(&mut self, change: Change) -> io::Result<()> {
        self.tick()?;
        change.apply(&mut self.files);
        self.pending.push(change);
        Ok(())
    }

    /// What is there when the power is back: of what was not synced, what `keeps` says.
    fn after(&self, mut keeps: impl FnMut() -> bool) -> Self {
        let mut files = self.synced.clone();
        for change in self.pending.iter().filter(|_| keeps()) {
            change.apply(&mut files);
        }
        Self::new(files)
    }
}

fn none() -> io::Error {
    io::ErrorKind::NotFound.into()
}

impl Store for Disk {
    fn read(&self, path: &str) -> io::Result<Vec<u8>> {
        match self.files.get(path) {
            Some((Content::File(bytes), _)) => Ok(bytes.clone()),
            _ => Err(none()),
        }
    }

    fn get(&self, path: &str) -> io::Result<(Content, u32)> {
        self.files.get(path).cloned().ok_or_else(none)
    }

    fn list(&self, path: &str) -> io::Result<Vec<String>> {
        let prefix = format!("{path}/");
        let names = self
            .files
            .keys()
            .filter_map(|file| file.strip_prefix(&prefix));
        Ok(names
            .filter(|name| !name.contains('/'))
            .map(str::to_owned)
            .collect())
    }

    fn write(&mut self, path: &str, content: &Content, mode: u32) -> io::Result<()> {
        self.change(Change::Write(path.to_owned(), content.clone(), mode))
    }

    fn make_folder(&mut self, _: &str) -> io::Result<()> {
        self.tick()
    }

    fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        if !self.files.contains_key(from) {
            return Err(none());
        }
        self.change(Change::Rename(from.to_owned(), to.to_owned()))
    }

    fn remove(&mut self, path: &str) -> io::Result<()> {
        if !self.files.contains_key(path) {
            return Err(none());
        }
        self.change(Change::Remove(path.to_owned()))
    }

    fn remove_folder(&mut self, path: &str) -> io::Result<bool> {
        self.tick()?;
        let prefix = format!("{path}/");
        Ok(!self.files.keys().any(|file| file.starts_with(&prefix)))
    }

    fn sync(&mut self, path: &str) -> io::Result<()> {
        self.tick()?;
        let pending = std::mem::take(&mut self.pending);
        for change in pending {
            if change.folder() == path {
                change.apply(&mut self.synced);
            } else {
                self.pending.push(change);
            }
        }
        Ok(())
    }
}

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
    assert_eq!(manager.store().list(STATE).unwrap(), [""; 0]);
    let error = manager.remove(&["lua".to_owned()]).unwrap_err();
    assert_eq!(error.to_string(), "`lua` is not installed");
}

#[test]
fn verify() {
    let (_, mut disk) = install(Disk::new(system()), &old_repo(), &["lua"]);
    disk.files.get_mut("usr/bin/lua").unwrap().0 = Content::File(b"lua 1, changed".to_vec());
    disk.files.get_mut("usr/bin/luac").unwrap().0 = Content::File(b"lua".to_vec());
    disk.files.get_mut("usr/lib/libc.a").unwrap().1 = 0o777;
    disk.files.remove("usr/share/lua/old");
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
    let before = Disk::new(before.files.clone());
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
                    .any(|name| name.starts_with('.'))
            );
        }
    }
    assert!(
        cuts > 20 && olds > 0 && news > 0,
        "{cuts} cuts, {olds} old, {news} new"
    );
}
