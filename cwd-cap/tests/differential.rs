//! Random trees and random paths: cwd-cap, over a mirrored tree in memory and over the host's
//! directories, against Linux's openat2 and openat. The only difference allowed is the number of an
//! escape.
//!
//! `CASES` sets how many cases run, `SEED` where they begin. A failure prints the seed and unit that
//! reproduce it.
//!
//! Every tree is built in a file system of its own that the thread is then confined to, so that
//! absolute paths mean the same to both sides; that needs privileges. Without them the cases that
//! depend on it (unconfined walks, mounts, another user's permissions) are left out and said to be.

mod common;

use std::collections::BTreeMap;
use std::path::Path as HostPath;

use common::host::{self, HostNode, HostTree, Id, linux_open};
use common::pure::{Caller, PureTree, SUPERUSER};
use common::{env_number, generator};
use cwd_cap::{
    Beneath, Errno, Error, Found, How, Intent, LINKS_MAX, NodeKind, Path, Root, Scope, Tree,
};
use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rustix::fs::{AtFlags, OFlags, ResolveFlags, unlinkat};
use rustix::process::{Gid, Uid};
use tree_fixture::world::{self, AsUser};
use tree_fixture::{Build, Entry, Fixture, HostBuilder, Item, TempDir, build};

const CASES_PER_TREE: u64 = 250;
/// The user besides root whose permissions are tried.
const USER: u32 = 1000;

const ELOOP: i32 = 40;

/// What the names of a long chain of links begin with.
const CHAIN: &str = "chain";

/// The directory that another file system is mounted on.
const MOUNT: &str = "m";

fn long_name() -> String {
    "n".repeat(cwd_cap::NAME_MAX)
}

fn name(rng: &mut StdRng) -> String {
    match rng.random_range(0..40) {
        0 => long_name(),
        1 => "\u{e9}t\u{e9}".to_owned(),
        2 => "...".to_owned(),
        3 => "a b".to_owned(),
        4 => MOUNT.to_owned(),
        _ => ["a", "b", "c", "d", "e", "f"]
            .choose(rng)
            .map_or_else(String::new, |name| (*name).to_owned()),
    }
}

fn slashes(rng: &mut StdRng) -> &'static str {
    match rng.random_range(0..12) {
        0 => "//",
        1 => "///",
        2 => "/./",
        _ => "/",
    }
}

/// A path to one of the entries, with detours.
fn detour(rng: &mut StdRng, entries: &[Entry]) -> String {
    let mut text = String::new();
    let entry = entries.choose(rng);
    for name in entry.iter().flat_map(|entry| entry.path.split('/')) {
        if !text.is_empty() {
            text.push_str(slashes(rng));
        }
        text.push_str(name);
        while rng.random_ratio(1, 6) {
            text.push_str(slashes(rng));
            text.push_str("..");
            text.push_str(slashes(rng));
            text.push_str(name);
        }
    }
    match rng.random_range(0..8) {
        0 => text.push_str("/.."),
        1 => text.push('/'),
        2 => text.push_str("/new"),
        3 => text.insert(0, '/'),
        _ => {}
    }
    text
}

/// A path, mostly of names that exist somewhere.
fn path(rng: &mut StdRng, entries: &[Entry]) -> String {
    if rng.random_bool(0.5) {
        return detour(rng, entries);
    }
    let mut text = String::new();
    match rng.random_range(0..60) {
        0 => return text,
        1 => return "./".repeat(rng.random_range(2040..2056)),
        2 => return format!("{}a", "/".repeat(rng.random_range(4085..4100))),
        3..=8 => text.push('/'),
        _ => {}
    }
    for _ in 0..rng.random_range(1..=4) {
        if !text.is_empty() && !text.ends_with('/') {
            text.push_str(slashes(rng));
        }
        match rng.random_range(0..20) {
            0..=3 => text.push_str(".."),
            4 => text.push('.'),
            5 => text.push_str("missing"),
            6 if rng.random_ratio(1, 4) => text.push_str(&"x".repeat(rng.random_range(254..258))),
            6..=10 if !entries.is_empty() => {
                // A whole path of the tree, as seen from its top.
                text.push_str(&entries[rng.random_range(0..entries.len())].path);
            }
            _ => text.push_str(&name(rng)),
        }
    }
    if rng.random_ratio(1, 6) {
        text.push_str(slashes(rng));
    }
    text
}

/// A link's target: a path that is not empty and not too long for a link.
fn target(rng: &mut StdRng, entries: &[Entry]) -> String {
    loop {
        let text = path(rng, entries);
        if !text.is_empty() && text.len() < cwd_cap::PATH_MAX - 1 {
            return text;
        }
    }
}

fn random_fixture(rng: &mut StdRng, mounts: bool, modes: bool) -> Fixture {
    let mut entries = Fixture::new();
    let mut dirs = vec![String::new()];
    let mut used = std::collections::BTreeSet::new();
    if mounts && rng.random_bool(0.7) {
        used.insert(MOUNT.to_owned());
        entries.push(Entry::new(MOUNT, Item::Dir(0o755)));
        dirs.push(MOUNT.to_owned());
    }
    for _ in 0..rng.random_range(3..40) {
        // The newest directories are the likeliest, so that trees grow deep.
        let newest = rng.random_bool(0.4);
        let above = if newest {
            dirs.last()
        } else {
            dirs.choose(rng)
        };
        let above = above.cloned().unwrap_or_default();
        let own = name(rng);
        let path = if above.is_empty() {
            own
        } else {
            format!("{above}/{own}")
        };
        if path.len() > 1500 || !used.insert(path.clone()) {
            continue;
        }
        let device = |path: &str| path.starts_with("m/");
        let item = match rng.random_range(0..20) {
            0..=7 => {
                dirs.push(path.clone());
                let modes = if modes {
                    &[0o755, 0o755, 0o755, 0o700, 0o070, 0o111, 0o600, 0o000][..]
                } else {
                    &[0o755]
                };
                Item::Dir(*modes.choose(rng).unwrap_or(&0o755))
            }
            8..=9 => Item::File(Vec::new()),
            10 => {
                let files = entries.iter().filter(|entry| {
                    !matches!(entry.item, Item::Dir(_)) && device(&entry.path) == device(&path)
                });
                match files.collect::<Vec<_>>().choose(rng) {
                    Some(entry) => Item::Hard(entry.path.clone()),
                    None => Item::File(Vec::new()),
                }
            }
            _ => Item::Link(target(rng, &entries)),
        };
        entries.push(Entry::new(&path, item));
    }
    // Chains of links around the limit.
    if rng.random_ratio(1, 6) {
        let length = rng.random_range(37..44);
        for i in 0..length {
            let to = if i == 0 {
                ".".to_owned()
            } else {
                format!("{CHAIN}{}", i - 1)
            };
            entries.push(Entry::new(&format!("{CHAIN}{i}"), Item::Link(to)));
        }
    }
    entries
}

/// Builds on the host and mounts the other file system when its directory is made.
struct Mounting<'a> {
    builder: HostBuilder,
    top: &'a HostPath,
    mounts: bool,
}

impl Build for Mounting<'_> {
    type Error = std::io::Error;

    fn dir(&mut self, path: &str, mode: u16) -> std::io::Result<()> {
        self.builder.dir(path, mode)?;
        if self.mounts && path == MOUNT {
            let at = self.top.join(path);
            world::mount_at(&at)?;
        }
        Ok(())
    }
    fn file(&mut self, path: &str, data: &[u8]) -> std::io::Result<()> {
        self.builder.file(path, data)
    }
    fn link(&mut self, path: &str, target: &str) -> std::io::Result<()> {
        self.builder.link(path, target)
    }
    fn hard(&mut self, path: &str, existing: &str) -> std::io::Result<()> {
        self.builder.hard(path, existing)
    }
    fn chmod(&mut self, path: &str, mode: u16) -> std::io::Result<()> {
        self.builder.chmod(path, mode)
    }
}

/// One question.
#[derive(Debug)]
struct Case {
    start: String,
    path: String,
    resolve: ResolveFlags,
    how: How,
    caller: Caller,
}

fn random_case(rng: &mut StdRng, entries: &[Entry], privileged: bool) -> Case {
    let dirs: Vec<&Entry> = entries
        .iter()
        .filter(|entry| matches!(entry.item, Item::Dir(_)) || rng.random_ratio(1, 30))
        .collect();
    let start = match dirs.choose(rng) {
        Some(entry) if rng.random_bool(0.6) => entry.path.clone(),
        _ => String::new(),
    };
    let mut resolve = match rng.random_range(0..5) {
        0 | 1 => ResolveFlags::BENEATH,
        2 | 3 => ResolveFlags::IN_ROOT,
        _ if privileged => ResolveFlags::empty(),
        _ => ResolveFlags::BENEATH,
    };
    resolve.set(ResolveFlags::NO_SYMLINKS, rng.random_ratio(1, 6));
    resolve.set(ResolveFlags::NO_XDEV, privileged && rng.random_ratio(1, 4));
    let scoped = ResolveFlags::BENEATH | ResolveFlags::IN_ROOT;
    // See `linux_path` for why not every combination is asked as another user.
    let any_user = resolve.intersects(scoped) || !resolve.contains(ResolveFlags::NO_XDEV);
    let caller = if privileged && any_user && rng.random_ratio(1, 3) {
        Caller { uid: USER, gid: 0 }
    } else {
        SUPERUSER
    };
    // What opening for I/O checks at the end of the walk is not the walk's business.
    let intent = match rng.random_range(0..8) {
        _ if caller.uid != 0 => Intent::Find,
        0..=3 => Intent::Find,
        4..=5 => Intent::Open,
        6 => Intent::Create { exclusive: false },
        _ => Intent::Create { exclusive: true },
    };
    let create = matches!(intent, Intent::Create { .. });
    let how = How {
        no_symlinks: resolve.contains(ResolveFlags::NO_SYMLINKS),
        no_xdev: resolve.contains(ResolveFlags::NO_XDEV),
        no_follow: rng.random_ratio(1, 3),
        directory: !create && rng.random_ratio(1, 5),
        empty_path: false,
        intent,
    };
    // Half of the paths lead from where the walk begins.
    let below: Vec<Entry> = if rng.random_bool(0.5) && !start.is_empty() {
        let prefix = format!("{start}/");
        let inside = entries.iter().filter_map(|entry| {
            let rest = entry.path.strip_prefix(&prefix)?;
            Some(Entry::new(rest, entry.item.clone()))
        });
        inside.collect()
    } else {
        entries.to_vec()
    };
    Case {
        path: path(rng, &below),
        start,
        resolve,
        how,
        caller,
    }
}

fn scope<N: Clone + PartialEq>(resolve: ResolveFlags, start: N, root: N) -> Scope<N> {
    if resolve.contains(ResolveFlags::BENEATH) {
        Beneath::new(start).into()
    } else if resolve.contains(ResolveFlags::IN_ROOT) {
        Root::new(start).into()
    } else {
        Scope::unconfined_unchecked(start, root)
    }
}

fn ask<T: Tree>(
    tree: &T,
    start: T::Node,
    root: T::Node,
    case: &Case,
    caller: &T::Caller,
) -> Result<Found<T::Node>, Error> {
    let path = Path::new(case.path.as_bytes())?;
    let scope = scope(case.resolve, start, root);
    cwd_cap::resolve(tree, &scope, path, case.how, caller)
}

/// An answer that both sides can give: a file, or a name created in a directory.
#[derive(Debug, PartialEq)]
enum Answer {
    File(Id),
    Created(Id, String),
    Error(i32),
}

fn answer<N>(found: Result<Found<N>, Error>, id: impl Fn(N) -> Id) -> Answer {
    match found {
        Ok(Found::Existing(found)) => Answer::File(id(found.node)),
        Ok(Found::Missing(missing)) => Answer::Created(id(missing.dir), missing.name),
        Err(error) => Answer::Error(error.errno()),
    }
}

/// The path to ask Linux with.
///
/// In a walk that may not cross mounts, Linux compares the mount of an absolute link's directory
/// with that of the process's root, but until something else has made it look up the root it
/// compares with nothing, and refuses links that cross no mount. An absolute path makes it look.
fn linux_path(case: &Case, start: &HostNode) -> String {
    let scoped = ResolveFlags::BENEATH | ResolveFlags::IN_ROOT;
    let absolute = format!("/{}/{}", case.start, case.path);
    let affected = case.resolve.contains(ResolveFlags::NO_XDEV)
        && !case.resolve.intersects(scoped)
        && case.caller.uid == 0
        && start.kind == NodeKind::Directory
        && !case.path.is_empty()
        && !case.path.starts_with('/')
        && absolute.len() < cwd_cap::PATH_MAX
        && case.start.split('/').next() != Some(MOUNT);
    if affected {
        absolute
    } else {
        case.path.clone()
    }
}

/// What Linux answers. Something created is found by name, checked and removed again.
fn linux(
    case: &Case,
    expected: &Answer,
    start: &HostNode,
    dirs: &BTreeMap<Id, HostNode>,
) -> Answer {
    let mut flags = match case.how.intent {
        Intent::Find => OFlags::PATH,
        Intent::Open => OFlags::RDONLY,
        Intent::Create { exclusive } => {
            let mut flags = OFlags::CREATE;
            flags.set(OFlags::EXCL, exclusive);
            flags
        }
    };
    flags.set(OFlags::NOFOLLOW, case.how.no_follow);
    flags.set(OFlags::DIRECTORY, case.how.directory);
    let opened = {
        let _user = AsUser::new(case.caller.uid).expect("become another user");
        linux_open(&*start.fd, &linux_path(case, start), flags, case.resolve)
    };
    let fd = match opened {
        Ok(fd) => fd,
        Err(number) => return Answer::Error(host::ours(number)),
    };
    let id = host::id(&fd);
    if let Answer::Created(dir, name) = expected
        && let Some(dir) = dirs.get(dir)
        && let Ok(stat) = rustix::fs::statat(&*dir.fd, name.as_str(), AtFlags::SYMLINK_NOFOLLOW)
        && (stat.st_dev, stat.st_ino) == id
    {
        unlinkat(&*dir.fd, name.as_str(), AtFlags::empty()).expect("remove what was created");
        return Answer::Created(dir.id, name.clone());
    }
    Answer::File(id)
}

/// The same question through shorter chains of links; every link of the chain leads to the top.
///
/// Linux first walks without taking references and, where it cannot go on like that, begins again
/// but goes on counting links. A path with more than half of the links allowed may then get ELOOP.
/// Ours counts the links of the path.
fn shortened(case: &Case) -> Case {
    let mut path = case.path.clone();
    for number in (1..44).rev() {
        let less = u32::saturating_sub(number, LINKS_MAX / 2);
        path = path.replace(&format!("{CHAIN}{number}/"), &format!("{CHAIN} {less}/"));
        if let Some(before) = path.strip_suffix(&format!("{CHAIN}{number}")) {
            path = format!("{before}{CHAIN} {less}");
        }
    }
    Case {
        path: path.replace("chain ", CHAIN),
        start: case.start.clone(),
        ..*case
    }
}

/// How often each outcome was seen: a test in which nothing resolves would prove nothing.
#[derive(Default)]
struct Tally(BTreeMap<String, u64>);

impl Tally {
    fn count(&mut self, answer: &Answer) {
        let key = match answer {
            Answer::File(_) => "file".to_owned(),
            Answer::Created(..) => "created".to_owned(),
            Answer::Error(number) => format!("errno {number}"),
        };
        self.count_as(&key);
    }

    fn count_as(&mut self, key: &str) {
        *self.0.entry(key.to_owned()).or_default() += 1;
    }
}

/// Builds one tree and asks about it.
fn unit(seed: u64, unit: u64, count: u64, privileged: bool, at: &HostPath) -> Tally {
    let mut rng = generator(seed, unit);
    let entries = random_fixture(&mut rng, privileged, privileged);
    let label = format!("SEED={seed} unit {unit}");
    let mut pure = PureTree::new();
    let Ok(()) = build(&entries, &mut pure);
    if privileged {
        world::mount_own(at).unwrap_or_else(|e| panic!("{label}: mount: {e}"));
    }
    let mut builder = Mounting {
        builder: HostBuilder::new(at),
        top: at,
        mounts: privileged,
    };
    build(&entries, &mut builder).unwrap_or_else(|e| panic!("{label}: {e}: {entries:?}"));
    let mut ids: BTreeMap<usize, Id> = BTreeMap::new();
    let mut dirs: BTreeMap<Id, HostNode> = BTreeMap::new();
    let mut learn = |node: usize, path: &HostPath| {
        let host = HostNode::open(path);
        ids.insert(node, host.id);
        if host.kind == NodeKind::Directory {
            dirs.insert(host.id, host);
        }
    };
    learn(common::pure::TOP, at);
    for entry in &entries {
        let node = pure.at(&entry.path);
        learn(node, &at.join(&entry.path));
        if matches!(entry.item, Item::Dir(_)) && privileged && rng.random_bool(0.3) {
            let mut nodes = pure.nodes.borrow_mut();
            nodes[node].uid = USER;
            let path = at.join(&entry.path);
            let owner = (Some(Uid::from_raw(USER)), Some(Gid::ROOT));
            rustix::fs::chown(path, owner.0, owner.1).expect("give a directory away");
        }
    }
    let top_device = ids[&common::pure::TOP].0;
    for (node, id) in &ids {
        let mut nodes = pure.nodes.borrow_mut();
        nodes[*node].device = u64::from(id.0 != top_device);
    }
    if privileged {
        world::enter(at).expect("confine the thread");
    }
    let open_start = |path: &str| {
        let place = if privileged {
            HostPath::new("/").join(path)
        } else {
            at.join(path)
        };
        HostNode::open(&place)
    };
    let root = open_start("");
    let mut tally = Tally::default();
    for number in 0..count {
        let case = random_case(&mut rng, &entries, privileged);
        let start = open_start(&case.start);
        let (from, top) = (pure.at(&case.start), common::pure::TOP);
        pure.links_read.set(0);
        let mine = ask(&pure, from, top, &case, &case.caller);
        let mine = answer(mine, |node| ids[&node]);
        let mut theirs = linux(&case, &mine, &start, &dirs);
        let links = pure.links_read.get();
        let restarted = links > LINKS_MAX / 2 && theirs == Answer::Error(ELOOP);
        if restarted && mine != theirs {
            theirs = linux(&shortened(&case), &mine, &start, &dirs);
            tally.count_as("walks that Linux restarts");
        }
        assert_eq!(
            mine, theirs,
            "{label} case {number}: ours, then Linux's: {case:?} in {entries:?}"
        );
        if case.caller.uid == 0 && number % 2 == 0 {
            let over_host = ask(&HostTree, start, root.clone(), &case, &());
            let over_host = answer(over_host, |node| node.id);
            assert_eq!(
                over_host, theirs,
                "{label} case {number}: over the host, then Linux's: {case:?} in {entries:?}"
            );
        }
        tally.count(&mine);
    }
    tally
}

#[test]
fn random_paths_resolve_as_on_linux() {
    if !host::has_openat2() {
        common::skipped("differential test: this kernel has no openat2");
        return;
    }
    let privileged = world::is_possible();
    if !privileged {
        common::skipped("differential test: unconfined walks, mounts, other users (not root)");
    }
    let cases = env_number("CASES", 20_000);
    let seed = env_number("SEED", 1);
    let mut total = Tally::default();
    let mut left = cases;
    let mut number = 0;
    while left > 0 {
        let count = left.min(CASES_PER_TREE);
        let top = TempDir::new("cwd-cap-diff").unwrap();
        let at = top.path().to_path_buf();
        // A thread of its own: it cannot leave the world it makes.
        let thread = std::thread::spawn(move || unit(seed, number, count, privileged, &at));
        match thread.join() {
            Ok(tally) => {
                for (key, seen) in tally.0 {
                    *total.0.entry(key).or_default() += seen;
                }
            }
            Err(panic) => std::panic::resume_unwind(panic),
        }
        left -= count;
        number += 1;
    }
    println!("SEED={seed} CASES={cases}: {:?}", total.0);
    if cases >= 20_000 {
        let mut wanted = vec!["file", "created", "errno 1", "errno 2", "errno 17"];
        wanted.extend(["errno 20", "errno 21", "errno 36", "errno 40"]);
        if privileged {
            wanted.push("errno 13");
        }
        for key in wanted {
            let seen = total.0.get(key).copied().unwrap_or(0);
            assert!(seen >= cases / 1000, "too few of {key}: {:?}", total.0);
        }
    }
}

/// The numbers this test compares are Linux's own.
#[test]
fn error_numbers_are_the_hosts() {
    use cwd_cap::ErrorKind;
    for (kind, number) in [
        (ErrorKind::NotFound, rustix::io::Errno::NOENT),
        (ErrorKind::NotDirectory, rustix::io::Errno::NOTDIR),
        (ErrorKind::TooManyLinks, rustix::io::Errno::LOOP),
        (ErrorKind::NameTooLong, rustix::io::Errno::NAMETOOLONG),
        (ErrorKind::SearchDenied, rustix::io::Errno::ACCESS),
        (ErrorKind::Moved, rustix::io::Errno::AGAIN),
        (ErrorKind::Backend(Errno(5)), rustix::io::Errno::IO),
    ] {
        assert_eq!(kind.errno(), number.raw_os_error());
    }
}
