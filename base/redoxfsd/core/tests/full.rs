//! A full disk, and files that somebody has mapped: nothing is set aside for what is written to their memory, and nothing
//! is told of it.

use std::cell::{Cell, RefCell};
use std::ops::Range;

use rand::{Rng, SeedableRng, rngs::StdRng};
use redoxfs::FileSystem;
use redoxfs_tree::{
    Volume,
    device::{Cache, Device},
};
use syscall::flag::{O_CREAT, O_RDWR};
use treefs::{Caller, Config, Error, Fs, Region, Store, TimeSpec};

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

thread_local! {
    /// How much more can be committed.
    static LEFT: Cell<usize> = const { Cell::new(usize::MAX) };
}

struct Shared(usize);

impl Drop for Shared {
    fn drop(&mut self) {
        LEFT.set(usize::MAX);
    }
}

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

    fn commit(&mut self, range: Range<usize>) -> bool {
        let len = range.len();
        let fits = LEFT.with(|left| left.get().checked_sub(len).map(|rest| left.set(rest)));
        fits.is_some()
    }

    fn room(_: usize) -> bool {
        true
    }

    fn release(&mut self, range: Range<usize>) {
        SHARED.with_borrow_mut(|bytes| bytes[range].fill(0xee));
    }

    fn read(&self, at: usize, buf: &mut [u8]) {
        SHARED.with_borrow(|bytes| buf.copy_from_slice(&bytes[at..at + buf.len()]));
    }

    fn write(&mut self, at: usize, data: &[u8]) {
        SHARED.with_borrow_mut(|bytes| bytes[at..at + data.len()].copy_from_slice(data));
    }
}

/// How much is committed of the memory that is mapped.
fn mapped_now() -> usize {
    usize::MAX - LEFT.get()
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
        fs.mmap(mapped, (0, MAPPED as u64), true, ROOT).unwrap();
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
        assert_eq!(fs.munmap(mapped), Err(Error::NoSpace));
        fs.close(filler);
        fs.unlinkat(root, "filler", 0, ROOT, NOW).unwrap();
        assert_eq!(fs.fsync(mapped), Ok(()));
        let mut got = vec![0; MAPPED];
        assert_eq!(fs.read(mapped, &mut got, 0, NOW), Ok(MAPPED));
        assert!(got == content);
        // Nor is it in memory any more.
        assert_eq!(mapped_now(), 0);
        Ok(())
    })
    .unwrap();
}

/// Fills a disk in some way, and empties it again.
fn fill_and_remove(
    fill: impl Fn(&mut Fs<Volume<'_, '_, Cache<Memory>, Shared>>, usize, &mut Vec<String>),
) {
    let disk = Cache::new(Memory(vec![0; SIZE]), 64);
    let mut disk = FileSystem::create(disk, None, 1, 0).unwrap();
    disk.tx(|tx| {
        let volume = Volume::<_, Shared>::new(tx, Config::default(), 1 << 20).unwrap();
        let mut fs = Fs::over(volume);
        let root = fs.open_root().unwrap().handle;
        let free = fs.fstatvfs(root).unwrap().f_bfree;
        let mut names = Vec::new();
        fill(&mut fs, root, &mut names);
        assert!(fs.store_mut().sync().is_ok());
        assert!(fs.fstatvfs(root).unwrap().f_bfree < free / 2);
        for name in &names {
            let done = fs.unlinkat(root, name, 0, ROOT, NOW);
            assert_eq!(done, Ok(()), "{name} of {}", names.len());
        }
        // But for what the list of nodes has grown to.
        let left = fs.fstatvfs(root).unwrap().f_bfree;
        assert!(left + 100 > free, "{left} of {free}");
        Ok(())
    })
    .unwrap();
}

/// Writes to a file until nothing fits any more.
fn fill_up(fs: &mut Fs<Volume<'_, '_, Cache<Memory>, Shared>>, file: usize) {
    let mut rng = StdRng::seed_from_u64(2);
    let mut at = 0;
    for len in [1 << 20, 1 << 12, 1] {
        let mut data = vec![0; len];
        rng.fill(&mut data[..]);
        while let Ok(count) = fs.write(file, &data, at, 0, ROOT, NOW) {
            at += count as u64;
        }
    }
}

const MADE: usize = O_CREAT | O_RDWR | 0o644;

#[test]
fn a_full_disk_lets_files_be_removed() {
    fill_and_remove(|fs, root, names| {
        for name in ["empty", "small", "large"] {
            let file = fs.openat(root, name, MADE, ROOT, NOW).unwrap().handle;
            match name {
                "small" => drop(fs.write(file, b"x", 0, 0, ROOT, NOW)),
                "large" => fill_up(fs, file),
                _ => {}
            }
            fs.close(file);
            names.push(name.into());
        }
    });
}

#[test]
fn many_small_files_and_names_can_be_removed_as_well() {
    fill_and_remove(|fs, root, names| {
        let large = fs.openat(root, "large", MADE, ROOT, NOW).unwrap().handle;
        for number in 0.. {
            let name = format!("{number}-{}", "x".repeat(200));
            let Ok(opened) = fs.openat(root, &name, MADE, ROOT, NOW) else {
                break;
            };
            let _ = fs.write(opened.handle, &[b'x'; 5000], 0, 0, ROOT, NOW);
            fs.close(opened.handle);
            names.push(name);
        }
        // What creating leaves.
        fill_up(fs, large);
        fs.close(large);
        names.push("large".into());
    });
}

#[test]
fn a_file_that_fills_a_disk_can_be_cut_or_removed_while_it_is_open() {
    for cut in [true, false] {
        fill_and_remove(|fs, root, names| {
            for name in ["small", "large"] {
                names.push(name.into());
            }
            let small = fs.openat(root, "small", MADE, ROOT, NOW).unwrap().handle;
            let large = fs.openat(root, "large", MADE, ROOT, NOW).unwrap().handle;
            fill_up(fs, large);
            let before = fs.fstatvfs(root).unwrap().f_bfree;
            if cut {
                fs.ftruncate(large, 1 << 20, ROOT, NOW).unwrap();
            } else {
                fs.unlinkat(root, "large", 0, ROOT, NOW).unwrap();
                fs.close(large);
                names.pop();
            }
            assert!(fs.fstatvfs(root).unwrap().f_bfree > before + 1000);
            fill_up(fs, small);
            fs.close(small);
            if cut {
                fs.close(large);
            }
        });
    }
}

/// The crate divides a full list of names by their number: of short ones that come first, and long ones, it loses the
/// last. Whoever may make names may not stop the disk by that.
#[test]
fn a_name_that_the_crate_loses_can_be_removed() {
    let order = |name: &String| seahash::hash(name.as_bytes()) as u32;
    let mut names: Vec<String> = (b'a'..=b'z')
        .flat_map(|a| (b'a'..=b'z').map(move |b| String::from_utf8(vec![a, b]).unwrap()))
        .collect();
    names.sort_by_key(order);
    names.truncate(16);
    let after = names.iter().map(order).max().unwrap();
    let long = (0..).map(|i| format!("{i:0>252}"));
    names.extend(long.filter(|name| order(name) > after).take(16));
    let disk = Cache::new(Memory(vec![0; SIZE]), 64);
    let mut disk = FileSystem::create(disk, None, 1, 0).unwrap();
    disk.tx(|tx| {
        let volume = Volume::<_, Shared>::new(tx, Config::default(), 1 << 20).unwrap();
        let mut fs = Fs::over(volume);
        let root = fs.open_root().unwrap().handle;
        let free = |fs: &mut Fs<Volume<_, Shared>>| {
            assert_eq!(fs.fsync(root), Ok(()));
            fs.fstatvfs(root).unwrap().f_bfree
        };
        let before = free(&mut fs);
        for _ in 0..20 {
            for name in &names {
                let made = fs.openat(root, name, MADE, ROOT, NOW).unwrap().handle;
                fs.close(made);
            }
            for name in &names {
                assert_eq!(fs.unlinkat(root, name, 0, ROOT, NOW), Ok(()), "{name}");
            }
        }
        assert!(free(&mut fs) + 16 > before, "blocks are lost");
        Ok(())
    })
    .unwrap();
}

#[test]
fn what_is_written_to_mapped_memory_changes_the_times() {
    let at = |tv_sec| TimeSpec { tv_sec, tv_nsec: 0 };
    let disk = Cache::new(Memory(vec![0; 4 * SIZE]), 64);
    let mut disk = FileSystem::create(disk, None, 1, 0).unwrap();
    disk.tx(|tx| {
        let volume = Volume::<_, Shared>::new(tx, Config::default(), 1 << 20).unwrap();
        let mut fs = Fs::over(volume);
        let root = fs.open_root().unwrap().handle;
        let file = fs.openat(root, "f", MADE, ROOT, NOW).unwrap().handle;
        assert_eq!(fs.write(file, &[1; 5000], 0, 0, ROOT, NOW), Ok(5000));
        fs.mmap(file, (0, 8192), true, ROOT).unwrap();
        let put = |byte: u8| SHARED.with_borrow_mut(|bytes| bytes[4500] = byte);
        let times = |fs: &Fs<Volume<_, Shared>>| {
            let stat = fs.fstat(file).unwrap();
            (stat.st_mtime, stat.st_ctime)
        };
        fs.store_mut().clock(at(20));
        assert_eq!(fs.fsync(file), Ok(()));
        assert_eq!(times(&fs), (9, 9), "nothing was written");
        put(2);
        assert_eq!(fs.fsync(file), Ok(()));
        assert_eq!(times(&fs), (20, 20));
        fs.store_mut().clock(at(21));
        assert_eq!(fs.fsync(file), Ok(()));
        assert_eq!(times(&fs), (20, 20), "nothing was since");
        // A time that is set after it was written to.
        put(3);
        let set = [at(5); 2];
        fs.futimens(file, &set, ROOT, at(21)).unwrap();
        fs.store_mut().clock(at(22));
        assert_eq!(fs.fsync(file), Ok(()));
        assert_eq!(times(&fs), (5, 21));
        put(4);
        fs.store_mut().clock(at(23));
        assert_eq!(fs.fsync(file), Ok(()));
        assert_eq!(times(&fs), (23, 23));
        // Another attribute is set when so much has gathered that it is committed first, the file with it.
        for gathered in 40..64_u8 {
            let now = 100 + u64::from(gathered);
            put(gathered);
            fs.store_mut().clock(at(now as i64));
            for i in 0..gathered {
                let name = format!("f{gathered}-{i}");
                let other = fs.openat(root, &name, MADE, ROOT, NOW).unwrap();
                fs.close(other.handle);
            }
            fs.fchmod(file, 0o600, ROOT, at(now as i64)).unwrap();
            assert_eq!(fs.fsync(file), Ok(()));
            assert_eq!(times(&fs), (now, now), "{gathered}");
        }
        put(5);
        fs.store_mut().clock(at(200));
        fs.munmap(file).unwrap();
        assert_eq!(times(&fs), (200, 200));
        Ok(())
    })
    .unwrap();
}

#[test]
fn what_is_mapped_is_what_takes_memory() {
    const PAGE: usize = 4096;
    const FILE: usize = 100 * PAGE + 50;
    let user = Caller { uid: 5, gid: 5 };
    let disk = Cache::new(Memory(vec![0; SIZE]), 64);
    let mut disk = FileSystem::create(disk, None, 1, 0).unwrap();
    disk.tx(|tx| {
        let volume = Volume::<_, Shared>::new(tx, Config::default(), 1 << 20).unwrap();
        let mut fs = Fs::over(volume);
        let root = fs.open_root().unwrap().handle;
        let file = fs.openat(root, "f", MADE, ROOT, NOW).unwrap().handle;
        let mut content: Vec<u8> = (0..FILE).map(|i| (i % 251) as u8).collect();
        assert_eq!(fs.write(file, &content, 0, 0, ROOT, NOW), Ok(FILE));
        assert_eq!(fs.fsync(file), Ok(()));
        let map = |fs: &mut Fs<Volume<'_, '_, _, Shared>>, page: usize, pages: usize, who| {
            let range = ((page * PAGE) as u64, (pages * PAGE) as u64);
            fs.mmap(file, range, true, who)
        };
        // As far as there is memory, and the first mapping of a page takes it.
        LEFT.set(5 * PAGE);
        assert_eq!(map(&mut fs, 40, 6, user), Err(Error::NoMemory));
        LEFT.set(5 * PAGE);
        assert_eq!(map(&mut fs, 40, 2, user), Ok(40 * PAGE));
        assert_eq!(map(&mut fs, 39, 3, user), Ok(39 * PAGE));
        assert_eq!(map(&mut fs, 99, 2, user), Ok(99 * PAGE));
        assert_eq!(LEFT.get(), 0);
        assert_eq!(map(&mut fs, 40, 1, ROOT), Ok(40 * PAGE));
        assert_eq!(map(&mut fs, 38, 2, ROOT), Err(Error::NoMemory));
        SHARED.with_borrow(|bytes| {
            for pages in [39 * PAGE..42 * PAGE, 99 * PAGE..FILE] {
                assert_eq!(bytes[pages.clone()], content[pages]);
            }
        });
        // By whom it is written to, and where, makes no difference.
        let mut put = |range: Range<usize>, byte: u8| {
            SHARED.with_borrow_mut(|bytes| bytes[range.clone()].fill(byte));
            content[range].fill(byte);
        };
        put(40 * PAGE + 7..41 * PAGE, 1);
        put(100 * PAGE..FILE, 2);
        let (from, len) = (38 * PAGE + 9, 5 * PAGE);
        assert_eq!(
            fs.write(file, &vec![3; len], from as u64, 0, ROOT, NOW),
            Ok(len)
        );
        content[from..from + len].fill(3);
        SHARED.with_borrow(|bytes| assert_eq!(bytes[39 * PAGE..42 * PAGE], [3; 3 * PAGE]));
        SHARED.with_borrow_mut(|bytes| bytes[41 * PAGE] = 4);
        content[41 * PAGE] = 4;
        let same = |fs: &mut Fs<Volume<'_, '_, _, Shared>>, content: &[u8]| {
            let mut got = vec![0; FILE + 9];
            let len = content.len();
            assert_eq!(fs.read(file, &mut got, 0, NOW), Ok(len));
            assert!(got[..len] == *content);
        };
        same(&mut fs, &content);
        assert_eq!(fs.fsync(file), Ok(()));
        same(&mut fs, &content);
        // Cut within what is mapped, and longer again.
        content.truncate(40 * PAGE + 9);
        content.resize(FILE, 0);
        for size in [40 * PAGE + 9, FILE] {
            fs.ftruncate(file, size as u64, ROOT, NOW).unwrap();
        }
        SHARED.with_borrow_mut(|bytes| bytes[99 * PAGE + 1] = 5);
        content[99 * PAGE + 1] = 5;
        same(&mut fs, &content);
        for _ in 0..4 {
            assert_eq!(fs.munmap(file), Ok(()));
        }
        same(&mut fs, &content);
        // A user has a part of what may be mapped, of all files together.
        LEFT.set(usize::MAX);
        let part = (1 << 28) / PAGE;
        assert_eq!(map(&mut fs, 0, part + 1, user), Err(Error::NoMemory));
        assert_eq!(map(&mut fs, 0, 200, user), Ok(0));
        assert_eq!(map(&mut fs, 100, part - 99, user), Err(Error::NoMemory));
        assert_eq!(fs.munmap(file), Ok(()));
        for (offset, len) in [(1, 4096), (0, 0), (u64::MAX - 4095, 4096), (0, u64::MAX)] {
            let refused = fs.mmap(file, (offset, len), true, ROOT);
            assert!(
                matches!(refused, Err(Error::Invalid(_) | Error::NoMemory)),
                "{offset} {len}"
            );
        }
        same(&mut fs, &content);
        Ok(())
    })
    .unwrap();
}
