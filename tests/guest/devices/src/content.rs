//! What disks hold. Disk 0 is 16 MiB of generation 0, and takes the writes of seed 1; disk 1 is the same,
//! and can only be read; disk 2 has partitions.

use alloc::{vec, vec::Vec};

use disk_image::{LONGEST, SECTOR, fill, writes};
use guest_test::{Outcome, check, check_eq, check_error, run};
use redox_rt::{
    Fd, fs,
    process::{self, Awaited, WaitFlags},
    sys,
};
use syscall::{EACCES, EINVAL, EISDIR, ENOENT, ENOSPC, ENOTDIR, EROFS, flag::*};

use crate::world::{disk, list, open};

/// Runs the group.
pub fn run() -> i32 {
    run!["content" =>
        a_disk_says_what_it_is, what_is_there_is_read, transfers_are_of_whole_sectors,
        the_end_is_the_end, partitions_are_parts, a_disk_that_is_read_only_is_not_written,
        many_read_at_once, a_thousand_writes_are_there,
    ]
}

const SIZE: u64 = 16 << 20;
const SEED: u64 = 1;

fn whole(flags: usize) -> redox_rt::Result<Fd> {
    open(&disk(0, "0")?, flags)
}

fn a_disk_says_what_it_is() -> Outcome {
    check_eq!(list(&disk(0, "")?)?, ["0"]);
    let file = whole(O_RDWR)?;
    let stat = file.stat()?;
    check_eq!(stat.st_size, SIZE);
    check_eq!(stat.st_blksize, SECTOR as u32);
    check_eq!(stat.st_mode, 0o060_600);
    check_eq!(sys::lseek(file.raw(), 0, SEEK_END)?, SIZE);
    check_error!(open(&disk(0, "0p1")?, O_RDONLY), ENOENT);
    check_error!(open(&disk(0, "0")?, O_RDONLY | O_DIRECTORY), ENOTDIR);
    check_error!(open(&disk(0, "0/x")?, O_RDONLY), ENOENT);
    let root = open(&disk(0, "")?, O_RDONLY | O_DIRECTORY)?;
    check_error!(root.read(&mut [0; SECTOR]), EISDIR);
    check_error!(fs::ftruncate(file.raw(), 0), EINVAL);
    Ok(())
}

/// Whether bytes are those of a generation from a sector on.
fn is(bytes: &[u8], generation: u64, sector: u64) -> bool {
    let mut wanted = vec![0; bytes.len()];
    fill(generation, sector, &mut wanted);
    bytes == wanted
}

fn what_is_there_is_read() -> Outcome {
    let file = whole(O_RDONLY)?;
    // At the position, which moves.
    let mut bytes = [0; 3 * SECTOR];
    for sector in [0, 3, 6] {
        check_eq!(file.read(&mut bytes)?, bytes.len());
        check!(is(&bytes, 0, sector), "sector {sector}");
    }
    check_eq!(sys::lseek(file.raw(), 0, SEEK_CUR)?, 9 * SECTOR as u64);
    // At offsets, in lengths around those of pages and of the driver's parts.
    for len in [1, 7, 8, 9, 127, 128, 129, 1000, 8192] {
        let mut bytes = vec![0xa5; len * SECTOR];
        let sector = 10_001;
        let done = sys::read_at(file.raw(), &mut bytes, sector * SECTOR as u64, None)?;
        check_eq!(done, bytes.len());
        check!(is(&bytes, 0, sector), "{len} sectors");
    }
    Ok(())
}

fn transfers_are_of_whole_sectors() -> Outcome {
    let file = whole(O_RDWR)?;
    let mut bytes = [0; 2 * SECTOR];
    for (offset, len) in [
        (0, 1),
        (0, SECTOR - 1),
        (0, SECTOR + 1),
        (1, SECTOR),
        (SIZE - 1, SECTOR),
    ] {
        let part = bytes.get_mut(..len).unwrap_or(&mut []);
        check_error!(sys::read_at(file.raw(), part, offset, None), EINVAL);
        check_error!(sys::write_at(file.raw(), part, offset, None), EINVAL);
    }
    check_eq!(sys::read_at(file.raw(), &mut [], 0, None)?, 0);
    let read_only = whole(O_RDONLY)?;
    check_error!(read_only.write(&bytes), syscall::EBADF);
    Ok(())
}

fn the_end_is_the_end() -> Outcome {
    let file = whole(O_RDWR)?;
    let mut bytes = [0; 4 * SECTOR];
    let last = SIZE - SECTOR as u64;
    check_eq!(sys::read_at(file.raw(), &mut bytes, last, None)?, SECTOR);
    check!(is(&bytes[..SECTOR], 0, last / SECTOR as u64));
    check_eq!(sys::read_at(file.raw(), &mut bytes, SIZE, None)?, 0);
    check_eq!(sys::read_at(file.raw(), &mut bytes, 1 << 62, None)?, 0);
    check_error!(sys::write_at(file.raw(), &bytes, SIZE, None), ENOSPC);
    // What is there is written again.
    fill(0, last / SECTOR as u64, &mut bytes);
    check_eq!(sys::write_at(file.raw(), &bytes, last, None)?, SECTOR);
    Ok(())
}

fn partitions_are_parts() -> Outcome {
    let mut names = list(&disk(2, "")?)?;
    names.sort();
    check_eq!(names, ["0", "0p1", "0p2"]);
    let all = open(&disk(2, "0")?, O_RDWR)?;
    for (name, first, count) in [("0p1", 2048, 4096), ("0p2", 8192, 2048)] {
        let part = open(&disk(2, name)?, O_RDWR)?;
        check_eq!(part.stat()?.st_size, count * SECTOR as u64, "{name}");
        let mut bytes = [0; 2 * SECTOR];
        fill(77, first, &mut bytes);
        check_eq!(sys::write_at(part.raw(), &bytes, 0, None)?, bytes.len());
        let mut back = [0; 2 * SECTOR];
        sys::read_at(all.raw(), &mut back, first * SECTOR as u64, None)?;
        check!(back == bytes, "{name}");
        // Its neighbour is out of reach.
        let end = count * SECTOR as u64;
        check_eq!(
            sys::write_at(part.raw(), &bytes, end - SECTOR as u64, None)?,
            SECTOR
        );
        check_error!(sys::write_at(part.raw(), &bytes, end, None), ENOSPC);
        check_eq!(sys::read_at(part.raw(), &mut back, end, None)?, 0);
    }
    Ok(())
}

fn a_disk_that_is_read_only_is_not_written() -> Outcome {
    let path = disk(1, "0")?;
    check_error!(open(&path, O_RDWR), EROFS);
    check_error!(open(&path, O_WRONLY), EROFS);
    let file = open(&path, O_RDONLY)?;
    check_eq!(file.stat()?.st_mode, 0o060_400);
    let mut bytes = [0; SECTOR];
    check_eq!(file.read(&mut bytes)?, SECTOR);
    check!(is(&bytes, 0, 0));
    check!(EACCES != EROFS);
    Ok(())
}

/// Waits for children; how many did not exit with 0.
fn failures(pids: Vec<u32>) -> redox_rt::Result<usize> {
    let mut failed = 0;
    for pid in pids {
        let ended = process::wait(Awaited::Child(pid), WaitFlags::empty())?;
        failed += usize::from(ended.is_none_or(|(_, word)| word != 0));
    }
    Ok(failed)
}

fn many_read_at_once() -> Outcome {
    let mut readers = Vec::new();
    for reader in 0..8_u64 {
        match process::fork()? {
            Some(pid) => readers.push(pid),
            None => redox_rt::exit(i32::from(!reads_well(reader))),
        }
    }
    check_eq!(failures(readers)?, 0);
    Ok(())
}

/// Reads here and there, long and short.
fn reads_well(reader: u64) -> bool {
    let Ok(file) = whole(O_RDONLY) else {
        return false;
    };
    let mut numbers = disk_image::Numbers::new(reader);
    (0..40).all(|_| {
        let len = (numbers.next() % 300 + 1) as usize;
        let sector = numbers.next() % (SIZE / SECTOR as u64 - 300);
        let mut bytes = vec![0; len * SECTOR];
        let done = sys::read_at(file.raw(), &mut bytes, sector * SECTOR as u64, None);
        done == Ok(bytes.len()) && is(&bytes, 0, sector)
    })
}

/// The runner looks at the image afterwards, too.
fn a_thousand_writes_are_there() -> Outcome {
    let file = whole(O_RDWR)?;
    let sectors = SIZE / SECTOR as u64;
    let mut bytes = vec![0; LONGEST as usize * SECTOR];
    let mut latest = vec![0_u64; sectors as usize];
    for write in writes(SEED, sectors) {
        let part = bytes
            .get_mut(..write.count as usize * SECTOR)
            .unwrap_or(&mut []);
        fill(write.generation, write.sector, part);
        let done = sys::write_at(file.raw(), part, write.sector * SECTOR as u64, None)?;
        check_eq!(done, part.len());
        let range = write.sector as usize..(write.sector + write.count) as usize;
        latest
            .get_mut(range)
            .unwrap_or(&mut [])
            .fill(write.generation);
    }
    sys::fsync(file.raw())?;
    let mut bytes = vec![0; 64 * SECTOR];
    for (index, generations) in (0_u64..).zip(latest.chunks(64)) {
        let first = index * 64;
        sys::read_at(file.raw(), &mut bytes, first * SECTOR as u64, None)?;
        for ((sector, generation), bytes) in (first..).zip(generations).zip(bytes.chunks(SECTOR)) {
            check!(is(bytes, *generation, sector), "sector {sector}");
        }
    }
    Ok(())
}
