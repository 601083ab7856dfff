//! Files of the root volume while the driver of its disk is killed.
//!
//! Files stay open: who has one notices no more than that it takes longer. The runner looks for `kept` on the
//! image afterwards.

use alloc::{format, string::String, vec, vec::Vec};

use disk_image::{KEPT, Numbers, SECTOR, fill};
use guest_test::{Failure, Outcome, check, check_eq, explain, run};
use redox_rt::{
    Fd, Result,
    process::{self, Awaited, WaitFlags},
    sys,
};
use syscall::flag::{O_CREAT, O_RDONLY, O_RDWR, O_TRUNC};

use crate::{
    kill::{kill, pause, until_another},
    world::open,
};

/// Runs the group.
pub fn run() -> i32 {
    run!["root" =>
        an_open_file_goes_on, a_program_comes_from_the_disk_meanwhile, files_are_whole_under_load,
        the_bus_is_killed_too, what_is_synced_is_kept,
    ]
}

/// More than the file system keeps in memory, so that reading asks the disk.
const LARGE: usize = 24 << 20;
const PIECE: usize = 256 << 10;
const WORKERS: usize = 3;
/// As often as a unit is started again in a short time, less what other cases take.
const KILLS: usize = 3;
const DRIVER: &str = "virtio-blkd";

fn wait_for(pids: Vec<u32>) -> Outcome {
    for pid in pids {
        let ended = process::wait(Awaited::Child(pid), WaitFlags::empty())?;
        check_eq!(ended, Some((pid, 0)));
    }
    Ok(())
}

/// Starts a process that does this and exits with 0 if it went well.
fn aside(work: impl FnOnce() -> Outcome) -> Result<u32> {
    Ok(match process::fork()? {
        Some(pid) => pid,
        None => {
            let failed = work().is_err();
            if failed {
                explain();
            }
            redox_rt::exit(i32::from(failed))
        }
    })
}

fn write_all(file: &Fd, offset: usize, bytes: &[u8]) -> Outcome {
    let mut done = 0;
    while done < bytes.len() {
        let rest = bytes.get(done..).unwrap_or(&[]);
        let count = sys::write_at(file.raw(), rest, (offset + done) as u64, None)?;
        check!(count > 0, "nothing written at {}", offset + done);
        done += count;
    }
    Ok(())
}

fn check_piece(file: &Fd, generation: u64, offset: usize, buffer: &mut [u8]) -> Outcome {
    let count = file.read_full_at(buffer, offset as u64)?;
    check_eq!(count, buffer.len(), "at {offset}");
    let mut wanted = [0; SECTOR];
    for (sector, bytes) in ((offset / SECTOR) as u64..).zip(buffer.chunks(SECTOR)) {
        fill(generation, sector, &mut wanted);
        check!(
            Some(bytes) == wanted.get(..bytes.len()),
            "sector {sector} of generation {generation}"
        );
    }
    Ok(())
}

fn write_large(file: &Fd, generation: u64) -> Outcome {
    let mut piece = vec![0; PIECE];
    for offset in (0..LARGE).step_by(PIECE) {
        fill(generation, (offset / SECTOR) as u64, &mut piece);
        write_all(file, offset, &piece)?;
    }
    sys::fsync(file.raw())?;
    Ok(())
}

fn an_open_file_goes_on() -> Outcome {
    let file = open("/large", O_CREAT | O_RDWR | 0o644)?;
    write_large(&file, 9)?;
    let mut piece = vec![0; PIECE];
    for offset in (0..LARGE).step_by(3 << 20) {
        check_piece(&file, 9, offset, &mut piece)?;
        if offset == 6 << 20 {
            let old = kill(DRIVER)?;
            // While there is none, and when there is another.
            check_piece(&file, 9, LARGE - PIECE, &mut piece)?;
            until_another(DRIVER, old)?;
        }
    }
    Ok(())
}

/// The first process must not wait for files whose disk it is to bring back.
fn a_program_comes_from_the_disk_meanwhile() -> Outcome {
    let old = kill(DRIVER)?;
    let reader = aside(|| {
        let file = open("/large", O_RDONLY)?;
        let mut piece = vec![0; PIECE];
        check_piece(&file, 9, LARGE / 2, &mut piece)
    })?;
    until_another(DRIVER, old)?;
    wait_for(vec![reader])
}

/// Files of one process: some are written, synced and read again; one that is open all the time is looked into.
fn work(number: usize) -> Outcome {
    let large = open("/large", O_RDONLY)?;
    let mut random = Numbers::new(number as u64 + 1);
    let mut piece = vec![0; PIECE];
    let own = open(&name(number), O_CREAT | O_TRUNC | O_RDWR | 0o644)?;
    for round in 0..ROUNDS {
        let generation = generation(number, round);
        let len = (random.next() as usize % PIECE).max(1);
        let bytes = piece.get_mut(..len).unwrap_or(&mut []);
        fill(generation, 0, bytes);
        write_all(&own, 0, bytes)?;
        if round % 2 == 0 {
            sys::fsync(own.raw())?;
        }
        check_piece(&own, generation, 0, bytes)?;
        let offset = random.next() as usize % (LARGE / PIECE) * PIECE;
        check_piece(&large, 9, offset, &mut piece)?;
    }
    let whole = &mut piece;
    fill(generation(number, ROUNDS), 0, whole);
    write_all(&own, 0, whole)?;
    sys::fsync(own.raw())?;
    Ok(())
}

const ROUNDS: usize = 60;

fn name(number: usize) -> String {
    format!("/worker-{number}")
}

const fn generation(number: usize, round: usize) -> u64 {
    (100 + number * 1000 + round) as u64
}

/// The workers, while this kills.
fn under_load(kills: usize, victim: &str) -> Outcome {
    let mut workers = Vec::new();
    for number in 0..WORKERS {
        workers.push(aside(|| work(number))?);
    }
    for _ in 0..kills {
        pause(150);
        let old = kill(victim)?;
        until_another(victim, old)?;
    }
    wait_for(workers)?;
    let mut piece = vec![0; PIECE];
    for number in 0..WORKERS {
        let file = open(&name(number), O_RDONLY)?;
        check_piece(&file, generation(number, ROUNDS), 0, &mut piece)?;
    }
    Ok(())
}

fn files_are_whole_under_load() -> Outcome {
    under_load(KILLS, DRIVER)
}

fn the_bus_is_killed_too() -> Outcome {
    under_load(1, "pcid")
}

fn what_is_synced_is_kept() -> core::result::Result<(), Failure> {
    let mut data = vec![0; KEPT];
    fill(0, 0, &mut data);
    let file = open("/kept", O_CREAT | O_RDWR | 0o600)?;
    write_all(&file, 0, &data)?;
    sys::fsync(file.raw())?;
    Ok(())
}
