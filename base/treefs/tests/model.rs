//! Random operations on a treefs and on a model too simple to be wrong: a map from whole paths to
//! what is there. Runs anywhere; the comparison with a real file system is in `against_host.rs`.

mod common;

use std::collections::BTreeMap;

use common::{Served, env_number, formatted, mounted};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use syscall::error::{EEXIST, EINVAL, EISDIR, ENOENT, ENOTDIR, ENOTEMPTY, EPERM};
use syscall::flag::{AT_REMOVEDIR, O_DIRECTORY, O_NOFOLLOW, O_RDONLY, O_RDWR, O_SYMLINK};
use treefs::{Config, RenameFlags, Store};

#[derive(Clone, Debug, PartialEq)]
enum Thing {
    Dir,
    /// An index into the contents: hard links share it.
    File(usize),
    Link(String),
}

/// Paths begin with `/`; the root itself is not in the map.
#[derive(Default)]
struct Model {
    things: BTreeMap<String, Thing>,
    contents: Vec<Vec<u8>>,
}

type Errno = i32;

fn below(path: &str, dir: &str) -> bool {
    path.strip_prefix(dir)
        .is_some_and(|rest| rest.starts_with('/'))
}

impl Model {
    fn is_empty(&self, dir: &str) -> bool {
        !self.things.keys().any(|path| below(path, dir))
    }

    /// Whether everything above `path` is a directory.
    fn above(&self, path: &str) -> Result<(), Errno> {
        for (at, _) in path.match_indices('/').skip(1) {
            match self.things.get(&path[..at]) {
                Some(Thing::Dir) => {}
                Some(_) => return Err(ENOTDIR),
                None => return Err(ENOENT),
            }
        }
        Ok(())
    }

    fn add(&mut self, path: &str, thing: Thing) -> Result<(), Errno> {
        self.above(path)?;
        if self.things.contains_key(path) {
            return Err(EEXIST);
        }
        self.things.insert(path.to_owned(), thing);
        Ok(())
    }

    fn create(&mut self, path: &str) -> Result<(), Errno> {
        self.add(path, Thing::File(self.contents.len()))?;
        self.contents.push(Vec::new());
        Ok(())
    }

    fn hard(&mut self, old: &str, new: &str) -> Result<(), Errno> {
        self.above(old)?;
        let thing = self.things.get(old).ok_or(ENOENT)?.clone();
        self.above(new)?;
        if self.things.contains_key(new) {
            return Err(EEXIST);
        }
        if thing == Thing::Dir {
            return Err(EPERM);
        }
        self.things.insert(new.to_owned(), thing);
        Ok(())
    }

    fn write(&mut self, path: &str, offset: usize, data: &[u8]) -> Result<(), Errno> {
        self.above(path)?;
        match self.things.get(path).ok_or(ENOENT)? {
            Thing::Dir => Err(EISDIR),
            Thing::Link(_) => Err(syscall::error::ELOOP),
            Thing::File(file) => {
                let content = &mut self.contents[*file];
                let end = content.len().max(offset + data.len());
                content.resize(end, 0);
                content[offset..offset + data.len()].copy_from_slice(data);
                Ok(())
            }
        }
    }

    fn remove(&mut self, path: &str, dir: bool) -> Result<(), Errno> {
        self.above(path)?;
        match (self.things.get(path).ok_or(ENOENT)?, dir) {
            (Thing::Dir, false) => return Err(EISDIR),
            (Thing::File(_) | Thing::Link(_), true) => return Err(ENOTDIR),
            (Thing::Dir, true) if !self.is_empty(path) => return Err(ENOTEMPTY),
            _ => {}
        }
        self.things.remove(path);
        Ok(())
    }

    /// Takes `path` and everything below it out, with `path` cut off the names.
    fn take(&mut self, path: &str) -> Vec<(String, Thing)> {
        let names: Vec<String> = self
            .things
            .keys()
            .filter(|name| *name == path || below(name, path))
            .cloned()
            .collect();
        let cut = |name: String| {
            let thing = self.things.remove(&name);
            thing.map(|thing| (name[path.len()..].to_owned(), thing))
        };
        names.into_iter().filter_map(cut).collect()
    }

    fn put(&mut self, path: &str, things: Vec<(String, Thing)>) {
        for (name, thing) in things {
            self.things.insert(format!("{path}{name}"), thing);
        }
    }

    fn rename(&mut self, old: &str, new: &str, flags: u32) -> Result<(), Errno> {
        self.above(old)?;
        self.above(new)?;
        let source = self.things.get(old).ok_or(ENOENT)?.clone();
        let target = self.things.get(new).cloned();
        let exchange = flags == RenameFlags::EXCHANGE_BIT;
        if flags == RenameFlags::NOREPLACE_BIT && target.is_some() {
            return Err(EEXIST);
        }
        if exchange && target.is_none() {
            return Err(ENOENT);
        }
        if below(new, old) {
            return Err(EINVAL);
        }
        if below(old, new) {
            return Err(if exchange { EINVAL } else { ENOTEMPTY });
        }
        // Two names of one file or link; every link has a target of its own.
        let same = source != Thing::Dir && target.as_ref() == Some(&source);
        if same || old == new {
            return Ok(());
        }
        if exchange {
            let (one, other) = (self.take(old), self.take(new));
            self.put(new, one);
            self.put(old, other);
            return Ok(());
        }
        match (source == Thing::Dir, target) {
            (true, Some(Thing::File(_) | Thing::Link(_))) => return Err(ENOTDIR),
            (false, Some(Thing::Dir)) => return Err(EISDIR),
            (true, Some(Thing::Dir)) if !self.is_empty(new) => return Err(ENOTEMPTY),
            _ => {}
        }
        self.things.remove(new);
        let things = self.take(old);
        self.put(new, things);
        Ok(())
    }
}

/// Everything there is below a directory, as the model has it.
fn snapshot<S: Store>(
    served: &mut Served<S>,
    dir: &str,
    into: &mut BTreeMap<String, Thing>,
    model: &Model,
) {
    let place = if dir.is_empty() { "/" } else { dir };
    let handle = served.open(place, O_RDONLY | O_DIRECTORY).unwrap();
    let mut entries = Vec::new();
    served
        .fs
        .getdents(handle, 0, |entry| {
            entries.push((entry.name.to_owned(), entry.kind));
            true
        })
        .unwrap();
    served.fs.close(handle);
    for (name, kind) in entries {
        let path = format!("{dir}/{name}");
        let thing = match kind {
            treefs::Kind::Directory => {
                snapshot(served, &path, into, model);
                Thing::Dir
            }
            treefs::Kind::Link => {
                let link = served.open(&path, O_SYMLINK | O_RDONLY).unwrap();
                let target = served.read(link, 4096, 0).unwrap();
                served.fs.close(link);
                Thing::Link(String::from_utf8(target).unwrap())
            }
            _ => {
                // Contents are compared here; which file it is, by what the model says.
                let file = served.open(&path, O_RDONLY).unwrap();
                let content = served.read(file, 100_000, 0).unwrap();
                served.fs.close(file);
                match model.things.get(&path) {
                    Some(Thing::File(index)) => {
                        assert!(content == model.contents[*index], "content of {path}");
                        Thing::File(*index)
                    }
                    other => panic!("{path} is a file, not {other:?}"),
                }
            }
        };
        into.insert(path, thing);
    }
}

fn path(rng: &mut StdRng) -> String {
    let mut path = String::new();
    for _ in 0..rng.random_range(1..4) {
        path.push('/');
        path.push(rng.random_range(b'a'..b'd') as char);
    }
    path
}

#[test]
fn random_operations_agree_with_the_model() {
    let seed = env_number("SEED", 1);
    for round in 0..env_number("SEQUENCES", 300) {
        let mut served = Served::new(Config::default());
        let mut model = Model::default();
        operate(&mut served, &mut model, (seed, round));
        same(&mut served, &model, (seed, round));
    }
}

/// On a disk, mounted again in between.
#[test]
fn a_volume_agrees_with_the_model() {
    let seed = env_number("SEED", 1);
    let config = Config::default();
    for round in 0..env_number("SEQUENCES", 300) / 10 {
        let mut image = formatted(16);
        let ((), empty) = mounted(&mut image, &config, |_| ());
        let mut model = Model::default();
        for part in 0..3 {
            let label = (seed, round << 8 | part);
            mounted(&mut image, &config, |served| {
                operate(served, &mut model, label);
                same(served, &model, label);
            });
            mounted(&mut image, &config, |served| same(served, &model, label));
        }
        let ((), free) = mounted(&mut image, &config, |served| {
            let mut names: Vec<&String> = model.things.keys().collect();
            names.sort_unstable_by_key(|name| std::cmp::Reverse(name.len()));
            for name in names {
                let is_dir = model.things[name] == Thing::Dir;
                let flags = if is_dir { AT_REMOVEDIR } else { 0 };
                served.unlink(name, flags).unwrap();
            }
        });
        assert_eq!(free, empty, "SEED={seed} sequence {round}: blocks lost");
    }
}

fn same<S: Store>(served: &mut Served<S>, model: &Model, (seed, round): (u64, u64)) {
    let mut found = BTreeMap::new();
    snapshot(served, "", &mut found, model);
    assert_eq!(found, model.things, "SEED={seed} sequence {round}");
}

fn operate<S: Store>(served: &mut Served<S>, model: &mut Model, (seed, round): (u64, u64)) {
    let mut rng = StdRng::seed_from_u64(seed << 32 | round);
    for step in 0..200 {
        let (one, two) = (path(&mut rng), path(&mut rng));
        let (what, ours, want) = match rng.random_range(0..10) {
            0..=1 => (
                "mkdir",
                served.mkdir(&one, 0o755),
                model.add(&one, Thing::Dir),
            ),
            2 => ("create", served.create(&one, 0o644), model.create(&one)),
            3 => {
                // Nothing is ever resolved through these.
                let target = format!("/nowhere/{step}");
                let ours = served.symlink(&one, &target);
                ("symlink", ours, model.add(&one, Thing::Link(target)))
            }
            4 => ("link", served.link(&one, &two), model.hard(&one, &two)),
            5 => {
                let offset = rng.random_range(0..9000);
                let data = vec![rng.random::<u8>(); rng.random_range(1..5000)];
                let handle = served.open(&one, O_RDWR | O_NOFOLLOW);
                let ours = handle.and_then(|handle| {
                    let done = served.write(handle, &data, offset as u64);
                    served.fs.close(handle);
                    done.map(|count| assert_eq!(count, data.len()))
                });
                ("write", ours, model.write(&one, offset, &data))
            }
            6 => ("unlink", served.unlink(&one, 0), model.remove(&one, false)),
            7 => {
                let ours = served.unlink(&one, AT_REMOVEDIR);
                ("rmdir", ours, model.remove(&one, true))
            }
            _ => {
                let flags = rng.random_range(0..3);
                let ours = served.rename(&one, &two, flags);
                ("rename", ours, model.rename(&one, &two, flags))
            }
        };
        // Going through a link to nowhere: the model calls it no directory.
        let ours = ours.map_err(|e| e.errno());
        let through_link = [&one, &two].iter().any(|path| {
            path.match_indices('/')
                .skip(1)
                .any(|(at, _)| matches!(model.things.get(&path[..at]), Some(Thing::Link(_))))
        });
        if !(through_link && ours == Err(ENOENT) && want == Err(ENOTDIR)) {
            assert_eq!(
                ours, want,
                "SEED={seed} sequence {round} step {step}: {what} {one} {two}"
            );
        }
    }
}
