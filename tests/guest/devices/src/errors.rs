//! Disks that fail: disk 0 cannot read sector 100 nor write sector 200.

use alloc::vec;

use disk_image::{SECTOR, fill};
use guest_test::{Outcome, check, check_eq, check_error, run};
use redox_rt::sys;
use syscall::{EIO, flag::O_RDWR};

use crate::world::{disk, open};

/// Runs the group.
pub fn run() -> i32 {
    run!["errors" => a_bad_sector_is_an_error, others_go_on]
}

const LEN: u64 = SECTOR as u64;

fn a_bad_sector_is_an_error() -> Outcome {
    let file = open(&disk(0, "0")?, O_RDWR)?;
    let mut bytes = [0; SECTOR];
    for _ in 0..3 {
        check_error!(sys::read_at(file.raw(), &mut bytes, 100 * LEN, None), EIO);
        check_error!(sys::write_at(file.raw(), &bytes, 200 * LEN, None), EIO);
    }
    // One bad part of many spoils the whole.
    let mut long = vec![0; 4000 * SECTOR];
    check_error!(sys::read_at(file.raw(), &mut long, 0, None), EIO);
    check_eq!(
        sys::read_at(file.raw(), &mut long, 101 * LEN, None)?,
        long.len()
    );
    Ok(())
}

fn others_go_on() -> Outcome {
    let file = open(&disk(0, "0")?, O_RDWR)?;
    let (mut bytes, mut back) = ([0; SECTOR], [0; SECTOR]);
    for sector in [99, 101, 199, 201] {
        fill(5, sector, &mut bytes);
        check_eq!(
            sys::write_at(file.raw(), &bytes, sector * LEN, None)?,
            SECTOR
        );
        check_eq!(
            sys::read_at(file.raw(), &mut back, sector * LEN, None)?,
            SECTOR
        );
        check!(back == bytes, "sector {sector}");
    }
    sys::fsync(file.raw())?;
    Ok(())
}
