//! Pipes between processes: order, atomicity, waiting and the end of either side.

use alloc::vec::Vec;
use core::sync::atomic::Ordering::SeqCst;

use guest_test::{Outcome, check, check_eq, check_error};
use redox_rt::{Fd, sys};
use syscall::error::*;
use syscall::flag::EventFlags;

use crate::world::*;

pub fn run() -> i32 {
    guest_test::run!["pipe" =>
        bytes_come_in_order, small_writes_stay_whole, records_of_many_writers_do_not_mix,
        a_read_waits_for_a_write, a_write_waits_for_room, the_end_reaches_every_reader,
        the_end_reaches_every_writer, every_byte_has_one_reader, ends_are_opened_and_counted,
        readiness_follows_the_contents,
    ]
}

const CAPACITY: usize = 65_536;

fn bytes_come_in_order() -> Outcome {
    leaves_nothing(|| {
        let (read, write) = pipe()?;
        nonblocking(&read, true)?;
        nonblocking(&write, true)?;
        let (mut sent, mut received) = (0_usize, 0_usize);
        let mut buffer = [0_u8; 9000];
        for round in 0..400_usize {
            let size = (round * 977) % buffer.len();
            for (i, byte) in buffer.iter_mut().enumerate().take(size) {
                *byte = (((sent + i) * 31) >> 3) as u8;
            }
            sent += write.write(&buffer[..size]).unwrap_or(0);
            let wanted = (round * 613) % buffer.len();
            let got = read.read(&mut buffer[..wanted]).unwrap_or(0);
            for (i, byte) in buffer.iter().enumerate().take(got) {
                check_eq!(
                    *byte,
                    (((received + i) * 31) >> 3) as u8,
                    "byte {}",
                    received + i
                );
            }
            received += got;
        }
        check!(received > CAPACITY);
        Ok(())
    })
}

fn small_writes_stay_whole() -> Outcome {
    leaves_nothing(|| {
        let (read, write) = pipe()?;
        nonblocking(&write, true)?;
        let big = [7_u8; 4096];
        for _ in 0..CAPACITY / 4096 - 1 {
            check_eq!(write.write(&big)?, 4096);
        }
        check_eq!(write.write(&big[..3996])?, 3996);
        // 100 bytes of room.
        check_error!(write.write(&big), EAGAIN);
        check_error!(write.write(&big[..101]), EAGAIN);
        check_eq!(write.write(&[8; 5000])?, 100);
        check_error!(write.write(&[8]), EAGAIN);
        check_error!(write.write(&[8; 5000]), EAGAIN);
        // A page less, and a whole write fits again.
        let mut page = [0; 4096];
        check_eq!(read.read(&mut page)?, 4096);
        check_eq!(write.write(&big)?, 4096);
        let mut total = 0;
        write.close()?;
        loop {
            match read.read(&mut page)? {
                0 => break,
                n => total += n,
            }
        }
        check_eq!(total, CAPACITY);
        Ok(())
    })
}

/// Children that each write records of one size, which must arrive whole.
fn records_of_many_writers_do_not_mix() -> Outcome {
    leaves_nothing(|| {
        const RECORDS: usize = 64;
        const SIZE: usize = 3000;
        let (read, write) = pipe()?;
        let writers: Vec<_> = (1..=4_u8)
            .map(|id| {
                Process::start(|| {
                    let wrote = (0..RECORDS).all(|_| write.write(&[id; SIZE]) == Ok(SIZE));
                    i32::from(!wrote)
                })
            })
            .collect::<Result<_, _>>()?;
        write.close()?;
        let mut counts = [0_usize; 5];
        let mut record = [0; SIZE];
        loop {
            let mut have = 0;
            while have < SIZE {
                match read.read(&mut record[have..])? {
                    0 => break,
                    n => have += n,
                }
            }
            if have == 0 {
                break;
            }
            check_eq!(have, SIZE);
            let id = record[0];
            check!(
                record.iter().all(|&byte| byte == id),
                "a record of writer {id} is torn"
            );
            counts[usize::from(id)] += 1;
        }
        check_eq!(counts, [0, RECORDS, RECORDS, RECORDS, RECORDS]);
        for writer in &writers {
            writer.succeeds()?;
        }
        Ok(())
    })
}

fn a_read_waits_for_a_write() -> Outcome {
    leaves_nothing(|| {
        let (read, write) = pipe()?;
        let reader = Process::start(|| {
            let mut buffer = [0; 8];
            i32::from(!(read.read(&mut buffer) == Ok(3) && buffer.starts_with(b"abc")))
        })?;
        reader.until_blocked()?;
        check_eq!(write.write(b"abc")?, 3);
        reader.succeeds()
    })
}

fn a_write_waits_for_room() -> Outcome {
    leaves_nothing(|| {
        let (read, write) = pipe()?;
        nonblocking(&write, true)?;
        while write.write(&[1; 4096]).is_ok() {}
        nonblocking(&write, false)?;
        let writer = Process::start(|| i32::from(write.write(b"end") != Ok(3)))?;
        writer.until_blocked()?;
        let mut page = [0; 4096];
        check_eq!(read.read(&mut page)?, 4096);
        writer.succeeds()
    })
}

fn the_end_reaches_every_reader() -> Outcome {
    leaves_nothing(|| {
        let (read, write) = pipe()?;
        let readers: Vec<_> = (0..3)
            .map(|_| {
                Process::start(|| {
                    let _ = sys::close(write.raw());
                    i32::from(read.read(&mut [0; 8]) != Ok(0))
                })
            })
            .collect::<Result<_, _>>()?;
        for reader in &readers {
            reader.until_blocked()?;
        }
        write.close()?;
        for reader in &readers {
            reader.succeeds()?;
        }
        Ok(())
    })
}

fn the_end_reaches_every_writer() -> Outcome {
    leaves_nothing(|| {
        let (read, write) = pipe()?;
        nonblocking(&write, true)?;
        while write.write(&[1; 4096]).is_ok() {}
        nonblocking(&write, false)?;
        let writers: Vec<_> = (0..3)
            .map(|_| {
                Process::start(|| {
                    let _ = sys::close(read.raw());
                    i32::from(!matches!(write.write(b"x"), Err(e) if e.errno == EPIPE))
                })
            })
            .collect::<Result<_, _>>()?;
        for writer in &writers {
            writer.until_blocked()?;
        }
        read.close()?;
        for writer in &writers {
            writer.succeeds()?;
        }
        check_error!(write.write(b"x"), EPIPE);
        Ok(())
    })
}

fn every_byte_has_one_reader() -> Outcome {
    leaves_nothing(|| {
        const TOTAL: usize = 200_000;
        let (read, write) = pipe()?;
        let taken = words()?;
        let readers: Vec<_> = (0..4_usize)
            .map(|n| {
                Process::start(|| {
                    let _ = sys::close(write.raw());
                    let mut buffer = [0; 700];
                    while let Ok(count @ 1..) = read.read(&mut buffer) {
                        taken[n].fetch_add(count, SeqCst);
                    }
                    0
                })
            })
            .collect::<Result<_, _>>()?;
        let mut sent = 0;
        while sent < TOTAL {
            sent += write.write(&[5; 1000])?;
        }
        write.close()?;
        for reader in &readers {
            reader.succeeds()?;
        }
        check_eq!(taken.iter().map(|n| n.load(SeqCst)).sum::<usize>(), sent);
        Ok(forget_words(taken)?)
    })
}

/// A pipe has as many writers as were asked for; `dup` without a payload is the same one.
fn ends_are_opened_and_counted() -> Outcome {
    leaves_nothing(|| {
        let read = world().pipe.open(b"", syscall::flag::O_RDWR)?;
        // Nobody has asked for a writing end yet.
        check_eq!(read.read(&mut [0; 8])?, 0);
        let writers: [Fd; 3] = [
            read.dup(b"write")?,
            read.dup(b"write")?,
            read.dup(b"write")?,
        ];
        let copy = writers[0].dup(b"")?;
        nonblocking(&read, true)?;
        for writer in writers {
            check_error!(read.read(&mut [0; 8]), EAGAIN);
            writer.close()?;
        }
        check_error!(read.read(&mut [0; 8]), EAGAIN);
        check_eq!(copy.write(b"last")?, 4);
        // Another reading end is a reader of its own.
        let second = read.dup(b"read")?;
        // A writing end gives none.
        check_error!(copy.dup(b"read"), EBADF);
        read.close()?;
        check_eq!(copy.write(b" words")?, 6);
        copy.close()?;
        let mut buffer = [0; 16];
        check_eq!(second.read(&mut buffer)?, 10);
        check_eq!(&buffer[..10], b"last words");
        check_eq!(second.read(&mut buffer)?, 0);
        Ok(())
    })
}

fn readiness_follows_the_contents() -> Outcome {
    let both = EventFlags::EVENT_READ | EventFlags::EVENT_WRITE;
    let (none, can_read, can_write) = (
        EventFlags::empty(),
        EventFlags::EVENT_READ,
        EventFlags::EVENT_WRITE,
    );
    let (read, write) = pipe()?;
    nonblocking(&write, true)?;
    check_eq!(sys::fevent(read.raw(), both)?, none);
    check_eq!(sys::fevent(write.raw(), both)?, can_write);
    write.write(b"x")?;
    check_eq!(sys::fevent(read.raw(), both)?, can_read);
    check_eq!(sys::fevent(read.raw(), can_write)?, none);
    while write.write(&[1; 4096]).is_ok() {}
    // Less than an atomic write fits.
    check_eq!(sys::fevent(write.raw(), both)?, none);
    read.read(&mut [0; 4096])?;
    check_eq!(sys::fevent(write.raw(), both)?, can_write);
    let end = write.raw();
    read.close()?;
    check_eq!(sys::fevent(end, both)?, can_write);
    let (read, write) = pipe()?;
    write.close()?;
    check_eq!(sys::fevent(read.raw(), both)?, can_read);
    Ok(())
}
