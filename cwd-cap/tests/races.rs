//! Directories that move while a walk is among them.
//!
//! The allowed-outcome method: whatever the interleaving, a confined walk ends in something that was
//! inside at some moment of it, or in one of a listed set of errors. Anything else is an escape.

mod common;

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path as HostPath;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use common::host::{self, HostNode, HostTree, Id};
use common::pure::{Body, PureTree, Rename, SUPERUSER, TOP};
use common::{env_number, generator};
use cwd_cap::{
    Beneath, Errno, ErrorKind, Found, How, Intent, NodeKind, Path, Root, Scope, Tree, resolve,
};
use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rustix::fs::{CWD, RenameFlags, renameat_with};
use tree_fixture::{Fixture, HostBuilder, TempDir, build, tree};

/// A tree whose directory `in` walks are confined to, with places outside for things to be moved.
fn random_tree(rng: &mut StdRng) -> (PureTree, Vec<String>) {
    let mut tree = PureTree::new();
    let mut paths = vec!["in".to_owned(), "out".to_owned()];
    let Ok(()) = build(
        &tree! { "in" => dir, "out" => dir, "secret" => file, "out/secret" => file },
        &mut tree,
    );
    for number in 0..rng.random_range(6..24) {
        let above = paths.choose(rng).cloned().unwrap_or_default();
        let path = format!("{above}/{}", ["a", "b", "c"][rng.random_range(0..3)]);
        if tree_has(&tree, &path) {
            continue;
        }
        let entry = match rng.random_range(0..5) {
            0 => tree! { path.as_str() => file },
            1 => {
                let to = ["..", "../..", "b/..", "../c", "../b/.."][number % 5];
                tree! { path.as_str() => link(to) }
            }
            _ => {
                paths.push(path.clone());
                tree! { path.as_str() => dir }
            }
        };
        let Ok(()) = build_entry(&entry, &mut tree);
    }
    tree.counts_moves = rng.random_bool(0.5);
    (tree, paths)
}

fn tree_has(tree: &PureTree, path: &str) -> bool {
    let (above, name) = path.rsplit_once('/').unwrap_or(("", path));
    match &tree.nodes.borrow()[tree.at(above)].body {
        Body::Dir { children, .. } => children.contains_key(name),
        _ => false,
    }
}

/// Adds one entry whose directory exists.
fn build_entry(entry: &Fixture, tree: &mut PureTree) -> Result<(), std::convert::Infallible> {
    use tree_fixture::{Build, Item};
    for entry in entry {
        match &entry.item {
            Item::File(data) => tree.file(&entry.path, data)?,
            Item::Link(target) => tree.link(&entry.path, target)?,
            _ => tree.dir(&entry.path, 0o755)?,
        }
    }
    Ok(())
}

/// Down to some directory, up again, and on.
fn random_path(rng: &mut StdRng, paths: &[String]) -> String {
    let inside: Vec<&str> = paths
        .iter()
        .filter_map(|path| path.strip_prefix("in/"))
        .collect();
    let mut names: Vec<&str> = inside.choose(rng).into_iter().copied().collect();
    let depth = names.iter().map(|path| path.split('/').count()).sum();
    names.extend(std::iter::repeat_n("..", rng.random_range(0..=depth)));
    for _ in 0..rng.random_range(0..3) {
        names.push(["a", "b", "c", ".."][rng.random_range(0..4)]);
    }
    if names.is_empty() {
        names.push("a");
    }
    names.join("/")
}

fn random_rename(rng: &mut StdRng, tree: &PureTree) -> Rename {
    let nodes = tree.nodes.borrow();
    let dirs: Vec<usize> = (0..nodes.len())
        .filter(|node| matches!(nodes[*node].body, Body::Dir { .. }))
        .collect();
    let mut entries = Vec::new();
    for dir in &dirs {
        if let Body::Dir { children, .. } = &nodes[*dir].body {
            entries.extend(children.keys().map(|name| (*dir, name.clone())));
        }
    }
    Rename {
        at: 0,
        // The later an entry was made, the deeper it is.
        from: entries
            .iter()
            .rev()
            .take(entries.len() / 2 + 1)
            .collect::<Vec<_>>()
            .choose(rng)
            .map_or((TOP, String::new()), |place| (*place).clone()),
        to: (
            dirs.choose(rng).copied().unwrap_or(TOP),
            ["a", "b", "c", "moved"][rng.random_range(0..4)].to_owned(),
        ),
    }
}

/// Every interleaving of one rename with one walk: the rename happens before each of the walk's
/// questions in turn.
#[test]
fn one_rename_at_every_moment() {
    let rounds = env_number("CASES", 20_000);
    let seed = env_number("SEED", 1);
    let (mut found, mut refused, mut moved) = (0, 0, 0);
    for unit in 0..rounds {
        let mut rng = generator(seed, unit);
        let (tree, paths) = random_tree(&mut rng);
        let before = tree.nodes.borrow().clone();
        let start = tree.at("in");
        let rename = random_rename(&mut rng, &tree);
        let text = random_path(&mut rng, &paths);
        let in_root = rng.random_bool(0.3);
        let scope: Scope<usize> = if in_root {
            Root::new(start).into()
        } else {
            Beneath::new(start).into()
        };
        let how = How {
            intent: if rng.random_ratio(1, 4) {
                Intent::Create { exclusive: false }
            } else {
                Intent::Find
            },
            ..How::default()
        };
        for at in 0.. {
            *tree.nodes.borrow_mut() = before.clone();
            tree.questions.set(0);
            *tree.pending.borrow_mut() = Some(Rename {
                at,
                ..rename.clone()
            });
            let path = Path::new(text.as_bytes()).unwrap();
            let got = resolve(&tree, &scope, path, how, &SUPERUSER);
            let happened = tree.pending.borrow_mut().take().is_none();
            let node = match got {
                Ok(Found::Existing(existing)) => Some(existing.node),
                Ok(Found::Missing(missing)) => Some(missing.dir),
                Err(error) => {
                    match error.kind() {
                        ErrorKind::Moved => moved += 1,
                        ErrorKind::Escape if !in_root => refused += 1,
                        ErrorKind::NotFound
                        | ErrorKind::NotDirectory
                        | ErrorKind::IsDirectory
                        | ErrorKind::TooManyLinks => refused += 1,
                        other => panic!("SEED={seed} unit {unit} at {at}: {other:?}"),
                    }
                    None
                }
            };
            if let Some(node) = node {
                found += 1;
                let after = tree.inside(start, node);
                *tree.nodes.borrow_mut() = before.clone();
                assert!(
                    after || tree.inside(start, node),
                    "SEED={seed} unit {unit} at {at}: {text:?} left the directory: {rename:?}"
                );
            }
            if !happened {
                break;
            }
        }
    }
    println!("SEED={seed}: {found} found, {refused} refused, {moved} moved");
    assert!(found > rounds / 4 && refused > rounds / 4 && moved > rounds / 100);
}

/// A directory that is moved out while the walk is in it: `..` does not follow it.
#[test]
fn dotdot_does_not_follow_a_moved_directory() {
    let inside = Ok("in/a/f");
    let moved = Err(ErrorKind::Moved);
    // The rename happens after `at` of the walk's questions. A tree that counts moves is asked only
    // for names; one that does not is asked at every `..`, and at the end, where it leads.
    for (path, at, counting, not_counting) in [
        // Before the walk looks the directory up: it is not there.
        (
            "a/b/..",
            1,
            Err(ErrorKind::NotFound),
            Err(ErrorKind::NotFound),
        ),
        // While the walk is in it.
        ("a/b/../f", 2, inside, moved),
        ("a/b/c/../../f", 2, moved, moved),
        ("a/b/c/../../f", 3, inside, moved),
        ("a/b/c/../../../a/f", 2, moved, moved),
        // After the walk has left it.
        ("a/b/../f", 3, inside, inside),
        // Staying in it after it has moved is not more than a descriptor of it would allow, but
        // the walk does not end outside.
        ("a/b/c/g", 2, moved, moved),
        ("a/b/c/g", 4, Ok("in/a/b/c/g"), moved),
    ] {
        for (counts_moves, want) in [(true, counting), (false, not_counting)] {
            let mut tree = PureTree::new();
            let Ok(()) = build(
                &tree! { "in/a/b/c/g" => file, "in/a/f" => file, "out/f" => file },
                &mut tree,
            );
            tree.counts_moves = counts_moves;
            let start = tree.at("in");
            let want = want.map(|path| tree.at(path));
            *tree.pending.borrow_mut() = Some(Rename {
                at,
                from: (tree.at("in/a"), "b".to_owned()),
                to: (tree.at("out"), "b".to_owned()),
            });
            let text = path;
            let path = Path::new(path.as_bytes()).unwrap();
            let got = Beneath::new(start).resolve(&tree, path, How::default(), &SUPERUSER);
            let got = got.map_err(|e| e.kind()).map(|found| match found {
                Found::Existing(existing) => existing.node,
                Found::Missing(missing) => panic!("{missing:?}"),
            });
            assert_eq!(got, want, "{text:?} moved at {at}, counts: {counts_moves}");
        }
    }
}

/// What an attacker does over and over while the victim walks.
type Attack = fn(&HostPath);

struct Scenario {
    name: &'static str,
    attack: Attack,
    /// Whether walks have to notice that they cannot go on safely.
    moves: bool,
    /// Paths the victim walks, from `top/root`.
    paths: &'static [&'static str],
}

fn exchange(top: &HostPath, one: &str, other: &str) {
    // An exchange that fails only because another one is half-way is tried again next time.
    let _ = renameat_with(
        CWD,
        top.join(one),
        CWD,
        top.join(other),
        RenameFlags::EXCHANGE,
    );
}

const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "directory with absolute link",
        moves: true,
        attack: |top| exchange(top, "root/a/b", "root/absolute"),
        paths: &[
            "a/b/secret",
            "a/b/c/secret",
            "a/b/../secret",
            "a/b/c/../../secret",
        ],
    },
    Scenario {
        name: "directory with link upwards",
        moves: false,
        attack: |top| exchange(top, "root/a/b", "root/a/up"),
        paths: &[
            "a/b/secret",
            "a/b/outside/secret",
            "a/b/c/../secret",
            "a/up/secret",
        ],
    },
    Scenario {
        name: "directory with file",
        moves: true,
        attack: |top| exchange(top, "root/a/b", "root/file"),
        paths: &["a/b/secret", "a/b/../secret", "a/b/c/..", "file/secret"],
    },
    Scenario {
        name: "directory moved out and back",
        moves: true,
        attack: |top| exchange(top, "root/a/b/c", "outside/c"),
        paths: &[
            "a/b/c/../../../secret",
            "a/b/c/../secret",
            "a/b/c/../../secret",
            "a/b/c/d/../../secret",
            "a/b/c/d/../../../secret",
        ],
    },
    Scenario {
        name: "root moved away",
        moves: false,
        attack: |top| exchange(top, "root", "outside/other"),
        paths: &[
            "a/b/../secret",
            "..",
            "../secret",
            "a/../../secret",
            "a/b/c/../../../secret",
        ],
    },
];

/// The host's directories, with the attack also in the middle of every walk, on average before each
/// fourth question: the outcome does not depend on how the host schedules the attacker's thread.
struct Attacked<'a> {
    scenario: &'a Scenario,
    top: &'a HostPath,
    rng: RefCell<StdRng>,
}

impl Attacked<'_> {
    fn attack(&self) {
        if self.rng.borrow_mut().random_ratio(1, 4) {
            (self.scenario.attack)(self.top);
        }
    }
}

impl Tree for Attacked<'_> {
    type Node = HostNode;
    type Caller = ();

    fn kind(&self, node: &HostNode) -> Result<NodeKind, Errno> {
        HostTree.kind(node)
    }
    fn lookup(&self, dir: &HostNode, name: &str) -> Result<Option<(HostNode, NodeKind)>, Errno> {
        self.attack();
        HostTree.lookup(dir, name)
    }
    fn parent(&self, dir: &HostNode) -> Result<Option<HostNode>, Errno> {
        self.attack();
        HostTree.parent(dir)
    }
    fn read_link(&self, link: &HostNode) -> Result<Vec<u8>, Errno> {
        self.attack();
        HostTree.read_link(link)
    }
    fn may_search(&self, dir: &HostNode, caller: &()) -> Result<bool, Errno> {
        HostTree.may_search(dir, caller)
    }
}

fn attacked_tree() -> Fixture {
    tree! {
        "root/secret" => file("inside"),
        "root/file" => file("inside"),
        "root/a/secret" => file("inside"),
        "root/a/b/secret" => file("inside"),
        "root/a/b/c/secret" => file("inside"),
        "root/a/b/c/d/secret" => file("inside"),
        "root/absolute" => link("/etc"),
        "root/a/up" => link("../.."),
        "secret" => file("outside"),
        "outside/secret" => file("outside"),
        "outside/c/d/secret" => file("visitor"),
        "outside/c/secret" => file("visitor"),
        "outside/other/secret" => file("outside"),
        "outside/other/a/secret" => file("outside"),
    }
}

/// Identities of everything at `path` and below.
fn identities(path: &HostPath, into: &mut BTreeSet<Id>) {
    into.insert(host::id_at(path));
    if fs::symlink_metadata(path).unwrap().is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            identities(&entry.unwrap().path(), into);
        }
    }
}

/// What one scenario came to.
#[derive(Debug, Default)]
struct Outcome {
    found: u64,
    escapes_refused: u64,
    moved: u64,
    other: u64,
}

fn run(scenario: &Scenario, rounds: u64) -> Outcome {
    let top = TempDir::new("cwd-cap-race").unwrap();
    build(&attacked_tree(), &mut HostBuilder::new(top.path())).unwrap();
    // Everything that is inside at some moment: what begins there, and what the attacker moves in.
    let mut inside = BTreeSet::new();
    identities(&top.path().join("root"), &mut inside);
    if scenario.name.starts_with("directory moved out") {
        identities(&top.path().join("outside/c"), &mut inside);
    }
    let root = HostNode::open(&top.path().join("root"));
    let attacked = Attacked {
        scenario,
        top: top.path(),
        rng: RefCell::new(generator(env_number("SEED", 1), rounds)),
    };
    let stop = AtomicBool::new(false);
    let attacks = AtomicU64::new(0);
    let mut outcome = Outcome::default();
    std::thread::scope(|threads| {
        threads.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                (scenario.attack)(top.path());
                attacks.fetch_add(1, Ordering::Relaxed);
            }
        });
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            for round in 0..rounds {
                let text = scenario.paths[round as usize % scenario.paths.len()];
                let in_root = round % 7 == 0;
                let path = Path::new(text.as_bytes()).unwrap();
                let how = How::default();
                let got = if in_root {
                    Root::new(root.clone()).resolve(&attacked, path, how, &())
                } else {
                    Beneath::new(root.clone()).resolve(&attacked, path, how, &())
                };
                match got {
                    Ok(Found::Existing(existing)) => {
                        let id = existing.node.id;
                        assert!(
                            inside.contains(&id),
                            "{}: {text:?} came to {id:?}, which was never inside",
                            scenario.name
                        );
                        outcome.found += 1;
                    }
                    Ok(Found::Missing(missing)) => panic!("{missing:?}"),
                    Err(error) => match (error.kind(), error.errno()) {
                        (ErrorKind::Escape, _) if !in_root => outcome.escapes_refused += 1,
                        (ErrorKind::Moved, _) => outcome.moved += 1,
                        // ENOENT and ENOTDIR, ours or the kernel's.
                        (_, 2 | 20) => outcome.other += 1,
                        _ => panic!("{}: {text:?}: {error}", scenario.name),
                    },
                }
            }
        }));
        stop.store(true, Ordering::Relaxed);
        if let Err(panic) = result {
            std::panic::resume_unwind(panic);
        }
    });
    println!(
        "{}: {} attacks, {outcome:?}",
        scenario.name,
        attacks.load(Ordering::Relaxed)
    );
    outcome
}

#[test]
fn renames_on_the_host_during_walks() {
    let rounds = env_number("RACES", 20_000);
    for scenario in SCENARIOS {
        let outcome = run(scenario, rounds);
        let all = outcome.found + outcome.escapes_refused + outcome.moved + outcome.other;
        assert_eq!(all, rounds, "{}", scenario.name);
        let name = scenario.name;
        assert!(outcome.found > rounds / 100, "{name}: {outcome:?}");
        assert_eq!(
            outcome.moved > rounds / 100,
            scenario.moves,
            "{name}: {outcome:?}"
        );
    }
}
