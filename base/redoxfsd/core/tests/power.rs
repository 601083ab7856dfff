//! The power goes, at every moment of a random workload: what was synced before is there afterwards, and
//! nothing that makes no sense.
//!
//! The disk keeps what was flushed. Of what was written since, any part may be there, in any order; a write may
//! be there in part. `SEQUENCES` sets how many workloads are tried, `SEED` where they begin.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use redoxfs::FileSystem;
use redoxfs_tree::{
    Volume,
    device::{Cache, Device},
    recover,
};
use syscall::flag::{
    AT_REMOVEDIR, MODE_DIR, MODE_TYPE, O_CREAT, O_DIRECTORY, O_RDONLY, O_RDWR, O_TRUNC,
};
use treefs::{Caller, Config, Fs, NoRegion, Store, TimeSpec};

const ROOT: Caller = Caller::SUPERUSER;
/// Large enough that nothing is committed for want of space.
const SIZE: usize = 16 << 20;
const SECTOR: usize = 512;

const NOW: TimeSpec = TimeSpec {
    tv_sec: 9,
    tv_nsec: 0,
};

enum Event {
    Write(usize, Vec<u8>),
    Flush,
    /// So many syncs have been done.
    Synced(usize),
}

/// A disk that remembers how it became what it is.
struct Recorder {
    bytes: Vec<u8>,
    log: Rc<RefCell<Vec<Event>>>,
}

impl Device for Recorder {
    fn read(&mut self, offset: u64, buf: &mut [u8]) -> Result<(), i32> {
        let at = offset as usize;
        buf.copy_from_slice(&self.bytes[at..at + buf.len()]);
        Ok(())
    }

    fn write(&mut self, offset: u64, data: &[u8]) -> Result<(), i32> {
        let at = offset as usize;
        self.bytes[at..at + data.len()].copy_from_slice(data);
        self.log.borrow_mut().push(Event::Write(at, data.to_vec()));
        Ok(())
    }

    fn flush(&mut self) -> Result<(), i32> {
        self.log.borrow_mut().push(Event::Flush);
        Ok(())
    }

    fn size(&mut self) -> Result<u64, i32> {
        Ok(self.bytes.len() as u64)
    }
}

/// Every path, and of a file what is in it.
type Tree = BTreeMap<String, Option<Vec<u8>>>;

fn tree<S: Store>(fs: &mut Fs<S>) -> Tree {
    let mut tree = Tree::new();
    let mut left = vec![String::new()];
    let root = fs.open_root().unwrap().handle;
    while let Some(dir) = left.pop() {
        let handle = fs.openat(root, &dir, O_RDONLY | O_DIRECTORY, ROOT, NOW);
        let handle = handle.unwrap().handle;
        let mut entries = Vec::new();
        let take = |entry: treefs::DirEntry<'_>| {
            entries.push((format!("{dir}/{}", entry.name), entry.mode_type));
            true
        };
        fs.getdents(handle, 0, take).unwrap();
        fs.close(handle);
        for (path, mode) in entries {
            let path = path.trim_start_matches('/').to_owned();
            if mode & MODE_TYPE == MODE_DIR {
                left.push(path.clone());
                tree.insert(path, None);
                continue;
            }
            let file = fs.openat(root, &path, O_RDONLY, ROOT, NOW).unwrap().handle;
            let mut content = vec![0; fs.fsize(file).unwrap() as usize];
            assert_eq!(fs.read(file, &mut content, 0, NOW).unwrap(), content.len());
            fs.close(file);
            tree.insert(path, Some(content));
        }
    }
    fs.close(root);
    tree
}

fn mounted<D: Device, T>(
    device: D,
    body: impl FnOnce(&mut Fs<Volume<'_, '_, Cache<D>>>) -> T,
) -> Result<T, redoxfs_tree::DiskError> {
    let mut fs = FileSystem::open(Cache::new(device, 64), None, Some(0), false)?;
    fs.tx(|tx| {
        recover(tx)?;
        let mut fs = Fs::over(Volume::<_, NoRegion>::new(tx, Config::default(), 1 << 20).unwrap());
        Ok(body(&mut fs))
    })
}

fn path(rng: &mut StdRng) -> String {
    let name = |rng: &mut StdRng| ["a", "b", "c", "d"][rng.random_range(0..4)];
    match rng.random_range(0..3) {
        0 => format!("{}/{}", name(rng), name(rng)),
        _ => name(rng).to_owned(),
    }
}

/// One random operation; it may fail.
fn step<S: Store>(fs: &mut Fs<S>, root: usize, open: &mut Vec<usize>, rng: &mut StdRng) {
    let (one, two) = (path(rng), path(rng));
    match rng.random_range(0..10) {
        0 => {
            let flags = O_CREAT | O_DIRECTORY | O_RDONLY | 0o755;
            if let Ok(made) = fs.openat(root, &one, flags, ROOT, NOW) {
                fs.close(made.handle);
            }
        }
        1..=5 => {
            let truncate = if rng.random_ratio(1, 4) { O_TRUNC } else { 0 };
            let flags = O_CREAT | O_RDWR | truncate | 0o644;
            let Ok(file) = fs.openat(root, &one, flags, ROOT, NOW) else {
                return;
            };
            let long = rng.random_ratio(1, 6);
            let most = if long { 200_000 } else { 5_000 };
            let mut data = vec![0; rng.random_range(1..most)];
            rng.fill(&mut data[..]);
            let offset = rng.random_range(0..most) as u64;
            let _ = fs.write(file.handle, &data, offset, 0, ROOT, NOW);
            if rng.random_ratio(1, 3) {
                let size = rng.random_range(0..most) as u64;
                let _ = fs.ftruncate(file.handle, size, ROOT, NOW);
            }
            // Some stay open, so that they are removed while they are.
            if rng.random_ratio(1, 4) {
                open.push(file.handle);
            } else {
                fs.close(file.handle);
            }
        }
        6 => {
            let _ = fs.unlinkat(root, &one, 0, ROOT, NOW);
        }
        7 => {
            let _ = fs.unlinkat(root, &one, AT_REMOVEDIR, ROOT, NOW);
        }
        8 => {
            let flags = rng.random_range(0..3);
            let _ = fs.frenameat((root, &one), (root, &two), flags, ROOT, NOW);
        }
        _ if !open.is_empty() => {
            let handle = open.swap_remove(rng.random_range(0..open.len()));
            fs.close(handle);
        }
        _ => {}
    }
}

/// The disk if the power goes before the log's `cut`-th event.
fn broken(durable: &[u8], pending: &[(usize, &[u8])], rng: &mut StdRng) -> Vec<u8> {
    let mut bytes = durable.to_vec();
    let mut some: Vec<_> = pending.iter().filter(|_| rng.random_bool(0.5)).collect();
    some.shuffle(rng);
    for (at, data) in some {
        let whole = rng.random_bool(0.7);
        for (n, sector) in data.chunks(SECTOR).enumerate() {
            if whole || rng.random_bool(0.5) {
                let at = at + n * SECTOR;
                bytes[at..at + sector.len()].copy_from_slice(sector);
            }
        }
    }
    bytes
}

#[test]
fn what_was_synced_is_there() {
    let number = |name: &str, default| {
        let text = std::env::var(name).ok();
        text.map_or(default, |text| text.parse().unwrap())
    };
    let (seed, sequences): (u64, u64) = (number("SEED", 1), number("SEQUENCES", 6));
    for sequence in 0..sequences {
        let mut rng = StdRng::seed_from_u64(seed << 32 | sequence);
        let log = Rc::new(RefCell::new(Vec::new()));
        let empty = {
            let device = Recorder {
                bytes: vec![0; SIZE],
                log: Rc::clone(&log),
            };
            let mut fs = FileSystem::create(Cache::new(device, 64), None, 1, 0).unwrap();
            fs.disk.device_mut().bytes.clone()
        };
        log.borrow_mut().clear();
        let device = Recorder {
            bytes: empty.clone(),
            log: Rc::clone(&log),
        };
        let states = mounted(device, |fs| {
            let root = fs.open_root().unwrap().handle;
            let mut states = vec![tree(fs)];
            let mut open = Vec::new();
            for number in 0..60 {
                step(fs, root, &mut open, &mut rng);
                if number % 4 == 3 || rng.random_ratio(1, 4) {
                    states.push(tree(fs));
                    fs.fsync(root).unwrap();
                    log.borrow_mut().push(Event::Synced(states.len() - 1));
                }
            }
            states
        })
        .unwrap();
        let log = log.borrow();
        let (mut durable, mut pending, mut synced) = (empty, Vec::new(), 0);
        let mut found_next = 0;
        for (cut, event) in log.iter().enumerate() {
            for _ in 0..2 {
                let bytes = broken(&durable, &pending, &mut rng);
                let label = format!("SEED={seed} sequence {sequence} cut {cut}");
                let device = Recorder {
                    bytes,
                    log: Rc::default(),
                };
                #[allow(clippy::redundant_closure)] // `tree` itself is not general enough
                let found = mounted(device, |fs| tree(fs))
                    .unwrap_or_else(|error| panic!("{label}: {error}"));
                let here = found == states[synced];
                let next = states.get(synced + 1) == Some(&found);
                assert!(here || next, "{label}: neither state {synced} nor the next");
                found_next += u32::from(next && !here);
            }
            match event {
                Event::Write(at, data) => pending.push((*at, data.as_slice())),
                Event::Flush => {
                    for (at, data) in pending.drain(..) {
                        durable[at..at + data.len()].copy_from_slice(data);
                    }
                }
                Event::Synced(number) => synced = *number,
            }
        }
        // The last moments of a sync are among the cuts.
        assert!(states.len() < 5 || found_next > 0);
    }
}
