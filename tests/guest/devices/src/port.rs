//! A line to the host, which sends back what it is sent, as long as that is read.

use alloc::{format, string::String, vec};

use disk_image::fill;
use guest_test::{Outcome, check, check_eq, check_error, run};
use redox_rt::{
    Error, Fd, Result,
    event::Queue,
    process::{self, Awaited, ProcKillTarget, WaitFlags},
    sys,
};
use syscall::{EAGAIN, EINVAL, EIO, EISDIR, ENOENT, ESPIPE, flag::*};

use crate::world::{list, open, schemes};

/// Runs the group. The emulator drops what is sent through a console faster than the host takes it.
pub fn run(console: bool) -> i32 {
    if console {
        return run!["port" =>
            a_line_says_what_it_is, what_is_sent_comes_back, reading_waits, reading_need_not_wait,
            events_tell_what_has_come, a_killed_reader_takes_nothing,
        ];
    }
    run!["port" =>
        a_line_says_what_it_is, what_is_sent_comes_back, reading_waits, reading_need_not_wait,
        events_tell_what_has_come, a_full_line_holds_writers_up, a_killed_reader_takes_nothing,
        much_goes_both_ways,
    ]
}

fn path(file: &str) -> Result<String> {
    let lines = schemes("port.")?;
    let line = lines.first().ok_or(Error::new(ENOENT))?;
    Ok(format!("/scheme/{line}/{file}"))
}

/// The one port. The host's word that there is one comes after the driver has started.
fn line(flags: usize) -> Result<Fd> {
    loop {
        let names = list(&path("")?)?;
        if let Some(name) = names.first() {
            return open(&path(name)?, flags);
        }
        sys::sched_yield();
    }
}

/// Reads until the buffer is full.
fn read_all(file: &Fd, mut rest: &mut [u8]) -> Result<()> {
    while !rest.is_empty() {
        let count = file.read(rest)?;
        if count == 0 {
            return Err(Error::new(EIO));
        }
        rest = rest.get_mut(count..).unwrap_or(&mut []);
    }
    Ok(())
}

fn a_line_says_what_it_is() -> Outcome {
    let file = line(O_RDWR)?;
    check_eq!(list(&path("")?)?.len(), 1);
    check_eq!(file.stat()?.st_mode, MODE_CHR | 0o600);
    check_error!(sys::lseek(file.raw(), 0, SEEK_SET), ESPIPE);
    check_error!(open(&path("2")?, O_RDWR), ENOENT);
    check_error!(file.dup(b"x"), EINVAL);
    let root = open(&path("")?, O_RDONLY | O_DIRECTORY)?;
    check_error!(root.read(&mut [0; 8]), EISDIR);
    check_eq!(file.read(&mut [])?, 0);
    check_eq!(file.write(&[])?, 0);
    Ok(())
}

fn what_is_sent_comes_back() -> Outcome {
    let file = line(O_RDWR)?;
    for len in [1, 2, 511, 4096, 4097, 16_384, 16_385, 100_000] {
        let (mut sent, mut back) = (vec![0; len], vec![0; len]);
        fill(9, len as u64, &mut sent);
        check_eq!(file.write(&sent)?, len);
        read_all(&file, &mut back)?;
        check!(back == sent, "{len} bytes");
    }
    sys::fsync(file.raw())?;
    Ok(())
}

fn reading_waits() -> Outcome {
    let file = line(O_RDWR)?;
    let reader = match process::fork()? {
        Some(pid) => pid,
        None => {
            let mut word = [0; 4];
            let read = read_all(&file, &mut word);
            redox_rt::exit(i32::from(read.is_err() || word != *b"wake"));
        }
    };
    for byte in b"wake" {
        for _ in 0..10 {
            sys::sched_yield();
        }
        check_eq!(file.write(&[*byte])?, 1);
    }
    let ended = process::wait(Awaited::Child(reader), WaitFlags::empty())?;
    check_eq!(ended, Some((reader, 0)));
    Ok(())
}

fn reading_need_not_wait() -> Outcome {
    let file = line(O_RDWR | O_NONBLOCK)?;
    check_error!(file.read(&mut [0; 4]), EAGAIN);
    Ok(())
}

fn events_tell_what_has_come() -> Outcome {
    let file = line(O_RDWR | O_NONBLOCK)?;
    let queue = Queue::from_fd(open("/scheme/event", O_RDWR)?);
    queue.watch(file.raw(), EventFlags::EVENT_READ, 1)?;
    for round in 0..20_u8 {
        check_eq!(file.write(&[round; 3])?, 3);
        let mut back = [0; 3];
        let mut len = 0;
        while len < back.len() {
            check_eq!(queue.next()?.data, 1);
            match file.read(back.get_mut(len..).unwrap_or(&mut [])) {
                Ok(count) => len += count,
                Err(error) if error.errno == EAGAIN => {}
                Err(error) => return Err(error.into()),
            }
        }
        check_eq!(back, [round; 3]);
    }
    queue.watch(file.raw(), EventFlags::EVENT_WRITE, 2)?;
    check_eq!(queue.next()?.data, 2);
    Ok(())
}

/// What nobody reads is not taken from the host, which then takes nothing either.
fn a_full_line_holds_writers_up() -> Outcome {
    let file = line(O_RDWR | O_NONBLOCK)?;
    let queue = Queue::from_fd(open("/scheme/event", O_RDWR)?);
    queue.watch(file.raw(), EventFlags::EVENT_WRITE, 0)?;
    let mut piece = vec![0; 10_000];
    let most = 16 << 20;
    let mut sent = 0_usize;
    let mut quiet = 0;
    // Full is what stays so.
    while quiet < 200 && sent < most {
        fill(4, (sent / 10_000) as u64, &mut piece);
        match file.write(piece.get(sent % 10_000..).unwrap_or(&[])) {
            Ok(count) => (sent, quiet) = (sent + count, 0),
            Err(error) if error.errno == EAGAIN => {
                quiet += 1;
                let wait = syscall::TimeSpec {
                    tv_sec: 0,
                    tv_nsec: 5_000_000,
                };
                let _ = sys::nanosleep(&wait);
            }
            Err(error) => return Err(error.into()),
        }
    }
    check!(sent > 100_000, "{sent}");
    check!(sent < most, "the host takes everything");
    // All of it comes back, and the line works on.
    let reader = line(O_RDONLY)?;
    let mut back = vec![0; 10_000];
    let mut left = sent;
    let mut number = 0;
    while left > 0 {
        let len = left.min(10_000);
        let back = back.get_mut(..len).unwrap_or(&mut []);
        read_all(&reader, back)?;
        fill(4, number, &mut piece);
        check!(piece.starts_with(back), "piece {number}");
        number += 1;
        left -= len;
    }
    sys::fsync(file.raw())?;
    Ok(())
}

fn a_killed_reader_takes_nothing() -> Outcome {
    let file = line(O_RDWR)?;
    for _ in 0..5 {
        let reader = match process::fork()? {
            Some(pid) => pid,
            None => {
                let _ = file.read(&mut [0; 16]);
                redox_rt::exit(0);
            }
        };
        for _ in 0..20 {
            sys::sched_yield();
        }
        process::kill(ProcKillTarget::SingleProc(reader as usize), 9)?;
        process::wait(Awaited::Child(reader), WaitFlags::empty())?;
    }
    check_eq!(file.write(b"still here")?, 10);
    let mut back = [0; 10];
    read_all(&file, &mut back)?;
    check_eq!(&back, b"still here");
    Ok(())
}

/// One process writes what another reads.
fn much_goes_both_ways() -> Outcome {
    const PIECE: usize = 50_000;
    const PIECES: u64 = 80;
    let file = line(O_RDWR)?;
    let writer = match process::fork()? {
        Some(pid) => pid,
        None => {
            let mut piece = vec![0; PIECE];
            let done = (0..PIECES).all(|number| {
                fill(6, number * 1000, &mut piece);
                file.write(&piece) == Ok(PIECE)
            });
            redox_rt::exit(i32::from(!done));
        }
    };
    let (mut piece, mut back) = (vec![0; PIECE], vec![0; PIECE]);
    for number in 0..PIECES {
        read_all(&file, &mut back)?;
        fill(6, number * 1000, &mut piece);
        check!(back == piece, "piece {number}");
    }
    let ended = process::wait(Awaited::Child(writer), WaitFlags::empty())?;
    check_eq!(ended, Some((writer, 0)));
    Ok(())
}
