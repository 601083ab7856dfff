//! Drivers that are killed while they work. Disk 0 is 16 MiB of generation 0, and takes the writes of seed 2.

use alloc::{string::String, vec, vec::Vec};

use disk_client::{Disk, Redox};
use disk_image::{LONGEST, SECTOR, fill, writes};
use guest_test::{Failure, Outcome, check, check_eq, run};
use redox_rt::{
    Error, Fd, Result,
    process::{self, Awaited, WaitFlags},
    sys,
};
use syscall::{ENODEV, ENOSPC, ESTALE, flag::*};

use crate::{
    kill::{TRIES, kill, pause, pid_of, until_another},
    world::{disk, open, text},
};

/// Runs the group.
pub fn run() -> i32 {
    run!["restart" =>
        a_killed_driver_comes_back, what_was_open_says_that_its_driver_is_gone,
        writes_go_on_while_drivers_are_killed, a_killed_bus_comes_back_with_its_drivers,
        nothing_is_left_behind,
    ]
}

const SEED: u64 = 2;
const SIZE: u64 = 16 << 20;

fn failed(errno: i32) -> Failure {
    Failure::new(format_args!("error {errno}"))
}

fn client() -> Result<Disk<Redox>> {
    // Just after a restart there may be no name.
    for _ in 0..TRIES {
        let opened = disk(0, "0").and_then(|path| {
            let opened = Disk::open(Redox, &path, true);
            opened.map_err(Error::new)
        });
        match opened {
            Err(error) if error.errno == ENODEV => pause(5),
            opened => return opened,
        }
    }
    Err(Error::new(ENODEV))
}

fn check_sector(disk: &mut Disk<Redox>, generation: u64, sector: u64) -> Outcome {
    let (mut bytes, mut wanted) = ([0; SECTOR], [0; SECTOR]);
    disk.read(sector * SECTOR as u64, &mut bytes)
        .map_err(failed)?;
    fill(generation, sector, &mut wanted);
    check!(bytes == wanted, "sector {sector}");
    Ok(())
}

fn a_killed_driver_comes_back() -> Outcome {
    let mut client = client()?;
    check_eq!(client.size(), SIZE);
    check_sector(&mut client, 0, 7)?;
    let old = kill("virtio-blkd")?;
    check_sector(&mut client, 0, 8)?;
    until_another("virtio-blkd", old)?;
    check_sector(&mut client, 0, 9)?;
    Ok(())
}

fn what_was_open_says_that_its_driver_is_gone() -> Outcome {
    let file = open(&disk(0, "0")?, O_RDWR)?;
    let old = kill("virtio-blkd")?;
    until_another("virtio-blkd", old)?;
    // The second, once its scheme's name is another's.
    let gone = |errno: i32| errno == ENODEV || errno == ESTALE;
    let read = file.read(&mut [0; SECTOR]);
    check!(read.is_err_and(|error| gone(error.errno)), "{read:?}");
    let synced = sys::fsync(file.raw());
    check!(synced.is_err_and(|error| gone(error.errno)), "{synced:?}");
    let mut client = client()?;
    check_sector(&mut client, 0, 10)?;
    Ok(())
}

/// One process writes, reads and flushes, while this one kills drivers. The runner looks at the image.
fn writes_go_on_while_drivers_are_killed() -> Outcome {
    let writer = match process::fork()? {
        Some(pid) => pid,
        None => redox_rt::exit(i32::from(write_everything().is_err())),
    };
    // As often as it is started again, with what has been done above.
    for _ in 0..3 {
        pause(60);
        let old = kill("virtio-blkd")?;
        until_another("virtio-blkd", old)?;
        check_sector(&mut client()?, 0, 3)?;
    }
    let ended = process::wait(Awaited::Child(writer), WaitFlags::empty())?;
    check_eq!(ended, Some((writer, 0)));
    Ok(())
}

fn write_everything() -> core::result::Result<(), ()> {
    let mut client = client().map_err(drop)?;
    let mut bytes = vec![0; LONGEST as usize * SECTOR];
    let mut back = vec![0; LONGEST as usize * SECTOR];
    for write in writes(SEED, SIZE / SECTOR as u64) {
        let len = write.count as usize * SECTOR;
        let (part, back) = (
            bytes.get_mut(..len).ok_or(())?,
            back.get_mut(..len).ok_or(())?,
        );
        fill(write.generation, write.sector, part);
        let offset = write.sector * SECTOR as u64;
        client.write(offset, part).map_err(drop)?;
        client.read(offset, back).map_err(drop)?;
        if back != part {
            return Err(());
        }
        if write.generation % 50 == 0 {
            client.flush().map_err(drop)?;
        }
    }
    client.flush().map_err(drop)
}

fn a_killed_bus_comes_back_with_its_drivers() -> Outcome {
    let mut client = client()?;
    let driver = pid_of("virtio-blkd")?;
    let old = kill("pcid")?;
    until_another("pcid", old)?;
    let (mut bytes, sector) = ([0; SECTOR], SIZE / SECTOR as u64 - 1);
    client
        .read(sector * SECTOR as u64, &mut bytes)
        .map_err(failed)?;
    client
        .write(sector * SECTOR as u64, &bytes)
        .map_err(failed)?;
    client.flush().map_err(failed)?;
    until_another("virtio-blkd", driver.unwrap_or(0))?;
    Ok(())
}

/// How many interrupts by message can be had.
fn messages() -> Result<usize> {
    let mut all: Vec<Fd> = Vec::new();
    loop {
        match open("/scheme/irq/msi", O_RDWR) {
            Ok(fd) => all.push(fd),
            Err(error) if error.errno == ENOSPC => return Ok(all.len()),
            Err(error) => return Err(error),
        }
    }
}

fn blocks() -> Result<String> {
    let objects = text("/scheme/sys/objects")?;
    let line = objects.lines().find(|line| line.starts_with("blocks "));
    Ok(String::from(line.unwrap_or("")))
}

/// Every driver has one block and one message, dead ones have none.
fn nothing_is_left_behind() -> Outcome {
    let (before, free) = (blocks()?, messages()?);
    check_eq!(before, "blocks 1");
    check_eq!(free, 63);
    let old = kill("pcid")?;
    until_another("pcid", old)?;
    let mut client = client()?;
    client.read(0, &mut [0; SECTOR]).map_err(failed)?;
    check_eq!(blocks()?, before);
    check_eq!(messages()?, free);
    Ok(())
}
