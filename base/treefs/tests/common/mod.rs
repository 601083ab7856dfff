//! What the tests of this crate share.
#![allow(dead_code, reason = "each test program uses its own part")]

use redoxfs::{BLOCK_SIZE, FileSystem};
use redoxfs_tree::{
    Volume,
    device::{Cache, Device},
};
use syscall::flag::{O_CREAT, O_DIRECTORY, O_EXCL, O_NOFOLLOW, O_RDWR, O_STAT, O_SYMLINK};
use tree_fixture::Build;
use treefs::{Caller, Config, Error, Fs, NoRegion, SparsePages, Store, TimeSpec, Tree};

pub const ROOT: Caller = Caller::SUPERUSER;

pub fn at(second: i64) -> TimeSpec {
    TimeSpec {
        tv_sec: second,
        tv_nsec: 7,
    }
}

/// The number in the environment variable `name`, or `default`.
pub fn env_number(name: &str, default: u64) -> u64 {
    match std::env::var(name) {
        Ok(text) => text
            .parse()
            .unwrap_or_else(|_| panic!("{name}={text:?} is no number")),
        Err(_) => default,
    }
}

/// A disk in memory.
pub struct Memory(pub Vec<u8>);

impl Device for Memory {
    fn read(&mut self, offset: u64, buf: &mut [u8]) -> Result<(), i32> {
        let at = offset as usize;
        buf.copy_from_slice(&self.0[at..at + buf.len()]);
        Ok(())
    }

    fn write(&mut self, offset: u64, data: &[u8]) -> Result<(), i32> {
        let at = offset as usize;
        self.0[at..at + data.len()].copy_from_slice(data);
        Ok(())
    }

    fn flush(&mut self) -> Result<(), i32> {
        Ok(())
    }

    fn size(&mut self) -> Result<u64, i32> {
        Ok(self.0.len() as u64)
    }
}

/// An empty volume of so many MiB.
pub fn formatted(mib: usize) -> Vec<u8> {
    let disk = Cache::new(Memory(vec![0; mib << 20]), 64);
    let mut fs = FileSystem::create(disk, None, 1, 0).unwrap();
    fs.cleanup().unwrap();
    std::mem::take(&mut fs.disk.device_mut().0)
}

/// Mounts a volume, has something done there, and unmounts it; answers how many blocks are free then.
pub fn mounted<T>(
    image: &mut Vec<u8>,
    config: &Config,
    body: impl FnOnce(&mut Served<Volume<'_, '_, Cache<Memory>>>) -> T,
) -> (T, u64) {
    let disk = Cache::new(Memory(std::mem::take(image)), 64);
    let mut fs = FileSystem::open(disk, None, Some(0), true).unwrap();
    let done = fs.tx(|tx| {
        let volume = Volume::<_, NoRegion>::new(tx, config.clone(), 1 << 20).unwrap();
        let mut served = Served::over(Fs::over(volume));
        let done = body(&mut served);
        served.fs.store_mut().sync().unwrap();
        Ok(done)
    });
    fs.cleanup().unwrap();
    assert_eq!(
        fs.header.size() / BLOCK_SIZE,
        fs.disk.device_mut().0.len() as u64 / BLOCK_SIZE
    );
    let free = fs.allocator().free();
    *image = std::mem::take(&mut fs.disk.device_mut().0);
    (done.unwrap(), free)
}

/// A file system, its root handle, and the user whose requests are made.
pub struct Served<S = Tree<SparsePages>> {
    pub fs: Fs<S>,
    pub root: usize,
    pub caller: Caller,
    pub now: TimeSpec,
}

impl Served {
    pub fn new(config: Config) -> Self {
        Self::over(Fs::new(config, ROOT, at(1)).unwrap())
    }
}

impl<S: Store> Served<S> {
    pub fn over(mut fs: Fs<S>) -> Self {
        let root = fs.open_root().unwrap().handle;
        Self {
            fs,
            root,
            caller: ROOT,
            now: at(1),
        }
    }

    pub fn open(&mut self, path: &str, flags: usize) -> Result<usize, Error> {
        self.open_at(self.root, path, flags)
    }

    pub fn open_at(&mut self, dir: usize, path: &str, flags: usize) -> Result<usize, Error> {
        let opened = self.fs.openat(dir, path, flags, self.caller, self.now)?;
        Ok(opened.handle)
    }

    /// Opens and closes at once.
    pub fn make(&mut self, path: &str, flags: usize) -> Result<(), Error> {
        let handle = self.open(path, flags)?;
        self.fs.close(handle);
        Ok(())
    }

    pub fn mkdir(&mut self, path: &str, mode: u16) -> Result<(), Error> {
        let flags = O_CREAT | O_EXCL | O_DIRECTORY | O_STAT;
        self.make(path, flags | usize::from(mode))
    }

    pub fn create(&mut self, path: &str, mode: u16) -> Result<(), Error> {
        self.make(path, O_CREAT | O_EXCL | O_RDWR | usize::from(mode))
    }

    pub fn symlink_at(&mut self, dir: usize, path: &str, target: &str) -> Result<(), Error> {
        let handle = self.open_at(dir, path, O_CREAT | O_EXCL | O_SYMLINK)?;
        let (caller, now) = (self.caller, self.now);
        let done = self.fs.write(handle, target.as_bytes(), 0, 0, caller, now);
        self.fs.close(handle);
        done.map(|_| ())
    }

    pub fn symlink(&mut self, path: &str, target: &str) -> Result<(), Error> {
        self.symlink_at(self.root, path, target)
    }

    pub fn link(&mut self, old: &str, new: &str) -> Result<(), Error> {
        let target = self.open(old, O_STAT | O_NOFOLLOW)?;
        let (root, caller, now) = (self.root, self.caller, self.now);
        let done = self.fs.flinkat(target, root, new, 0, caller, now);
        self.fs.close(target);
        done
    }

    pub fn unlink(&mut self, path: &str, flags: usize) -> Result<(), Error> {
        let (root, caller, now) = (self.root, self.caller, self.now);
        self.fs.unlinkat(root, path, flags, caller, now)
    }

    pub fn rename(&mut self, old: &str, new: &str, flags: u32) -> Result<(), Error> {
        let (root, caller, now) = (self.root, self.caller, self.now);
        self.fs
            .frenameat((root, old), (root, new), flags, caller, now)
    }

    pub fn write(&mut self, handle: usize, data: &[u8], offset: u64) -> Result<usize, Error> {
        let (caller, now) = (self.caller, self.now);
        self.fs.write(handle, data, offset, 0, caller, now)
    }

    pub fn read(&mut self, handle: usize, len: usize, offset: u64) -> Result<Vec<u8>, Error> {
        let mut buf = vec![0xaa; len];
        let got = self.fs.read(handle, &mut buf, offset, self.now)?;
        buf.truncate(got);
        Ok(buf)
    }

    /// Identity and link target or so: the node behind a path.
    pub fn node(&mut self, path: &str, flags: usize) -> Result<u64, Error> {
        let handle = self.open(path, O_STAT | flags)?;
        let node = self.fs.node(handle).unwrap();
        self.fs.close(handle);
        Ok(node.number())
    }

    pub fn stat(&mut self, path: &str, flags: usize) -> Result<treefs::Stat, Error> {
        let handle = self.open(path, O_STAT | flags)?;
        let stat = self.fs.fstat(handle);
        self.fs.close(handle);
        stat
    }

    /// Names in a directory, in the order of the listing.
    pub fn list(&self, handle: usize, after: u64) -> Result<Vec<(u64, String)>, Error> {
        let mut names = Vec::new();
        self.fs.getdents(handle, after, |entry| {
            names.push((entry.cookie, entry.name.to_owned()));
            true
        })?;
        Ok(names)
    }
}

impl<S: Store> Build for Served<S> {
    type Error = Error;

    fn dir(&mut self, path: &str, mode: u16) -> Result<(), Error> {
        self.mkdir(path, mode)
    }
    fn file(&mut self, path: &str, data: &[u8]) -> Result<(), Error> {
        let handle = self.open(path, O_CREAT | O_EXCL | O_RDWR | 0o644)?;
        if !data.is_empty() {
            assert_eq!(self.write(handle, data, 0)?, data.len());
        }
        self.fs.close(handle);
        Ok(())
    }
    fn link(&mut self, path: &str, target: &str) -> Result<(), Error> {
        self.symlink(path, target)
    }
    fn hard(&mut self, path: &str, existing: &str) -> Result<(), Error> {
        Self::link(self, existing, path)
    }
    fn chmod(&mut self, path: &str, mode: u16) -> Result<(), Error> {
        let handle = self.open(path, O_STAT)?;
        let (caller, now) = (self.caller, self.now);
        let done = self.fs.fchmod(handle, mode, caller, now);
        self.fs.close(handle);
        done
    }
}
