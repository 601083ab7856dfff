//! A full disk, and files that somebody has mapped: nothing is set aside for what is written to their memory.

use std::cell::RefCell;

use rand::{Rng, SeedableRng, rngs::StdRng};
use redoxfs::FileSystem;
use redoxfs_tree::{
    Volume,
    device::{Cache, Device},
};
use syscall::flag::{O_CREAT, O_RDWR};
use treefs::{Caller, Config, Error, Fs, Region, TimeSpec};

const ROOT: Caller = Caller::SUPERUSER;
const SIZE: usize = 16 << 20;
const MAPPED: usize = 8 << 20;

const NOW: TimeSpec = TimeSpec {
    tv_sec: 9,
    tv_nsec: 0,
};

struct Memory(Vec<u8>);

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

thread_local! {
    /// The memory that is mapped, as those see it who have mapped it.
    static SHARED: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

struct Shared(usize);

impl Region for Shared {
    fn reserve(len: usize) -> Option<Self> {
        SHARED.set(vec![0; len]);
        Some(Self(len))
    }

    fn address(&self) -> usize {
        0
    }

    fn capacity(&self) -> usize {
        self.0
    }

    fn read(&self, at: usize, buf: &mut [u8]) {
        SHARED.with_borrow(|bytes| buf.copy_from_slice(&bytes[at..at + buf.len()]));
    }

    fn write(&mut self, at: usize, data: &[u8]) {
        SHARED.with_borrow_mut(|bytes| bytes[at..at + data.len()].copy_from_slice(data));
    }
}

#[test]
fn a_mapped_file_that_does_not_fit_is_no_one_else_s_error() {
    let mut rng = StdRng::seed_from_u64(1);
    let disk = Cache::new(Memory(vec![0; SIZE]), 64);
    let mut disk = FileSystem::create(disk, None, 1, 0).unwrap();
    disk.tx(|tx| {
        let volume = Volume::<_, Shared>::new(tx, Config::default(), 1 << 20).unwrap();
        let mut fs = Fs::over(volume);
        let root = fs.open_root().unwrap().handle;
        let mut file = |name: &str| {
            let flags = O_CREAT | O_RDWR | 0o644;
            let opened = fs.openat(root, name, flags, ROOT, NOW);
            opened.unwrap().handle
        };
        let (mapped, other, filler) = (file("mapped"), file("other"), file("filler"));
        fs.ftruncate(mapped, MAPPED as u64, ROOT, NOW).unwrap();
        fs.mmap(mapped, 0, MAPPED as u64, true).unwrap();
        let mut data = vec![0; 1 << 20];
        let mut at = 0;
        while fs.fstatvfs(root).unwrap().f_bfree > 1000 {
            rng.fill(&mut data[..]);
            at += fs.write(filler, &data, at, 0, ROOT, NOW).unwrap() as u64;
        }
        // More than there is room for.
        let mut content = vec![0; MAPPED];
        rng.fill(&mut content[..]);
        SHARED.with_borrow_mut(|bytes| bytes[..MAPPED].copy_from_slice(&content));
        for number in 0..3 {
            assert_eq!(fs.write(other, b"x", number, 0, ROOT, NOW), Ok(1));
            assert_eq!(fs.fsync(other), Ok(()));
            assert_eq!(fs.fsync(mapped), Err(Error::NoSpace));
            assert!(fs.fstatvfs(root).is_ok());
        }
        // What did not fit has waited, also without the mapping.
        fs.munmap(mapped).unwrap();
        fs.close(filler);
        fs.unlinkat(root, "filler", 0, ROOT, NOW).unwrap();
        assert_eq!(fs.fsync(mapped), Ok(()));
        let mut got = vec![0; MAPPED];
        assert_eq!(fs.read(mapped, &mut got, 0, NOW), Ok(MAPPED));
        assert!(got == content);
        Ok(())
    })
    .unwrap();
}
