//! What there is too little of: descriptors, kernel memory. One process takes all of it, is told so, and
//! after its end everything is as before.

use core::sync::atomic::Ordering::SeqCst;

use cap_abi::{FD_ANY, FD_ANY_UPPER};
use guest_test::{Outcome, check, check_eq, check_error};
use redox_rt::context::Status;
use redox_rt::fd::create_scheme;
use redox_rt::{Fd, Result, println, sys};
use syscall::error::*;
use syscall::flag::*;

use crate::world::*;

pub fn run() -> i32 {
    guest_test::run!["exhaustion" =>
        descriptors_run_out_and_come_back, kernel_memory_runs_out_and_comes_back,
        making_and_closing_leaves_nothing,
    ]
}

fn descriptors_run_out_and_come_back() -> Outcome {
    leaves_nothing(|| {
        elsewhere(|| {
            let (read, _write) = pipe()?;
            let fd = read.raw();
            let mut last = 0;
            while let Ok(number) = sys::dup(fd, b"", FD_ANY) {
                last = number;
            }
            check_eq!(last, 65_535);
            let key = b"uname";
            let root = world().sys.raw();
            check_error!(sys::dup(fd, b"", FD_ANY), EMFILE);
            check_error!(sys::dup(fd, b"write", FD_ANY), EMFILE);
            check_error!(sys::dup2(fd, FD_ANY, b""), EMFILE);
            check_error!(fcntl(fd, F_DUPFD, 0), EMFILE);
            check_error!(sys::openat(root, key, O_RDONLY, FD_ANY), EMFILE);
            check_error!(sys::openat_old(root, key, O_RDONLY, FD_ANY), EMFILE);
            check_error!(sys::dup(fd, b"", 65_535), EEXIST);
            // Replacing needs no new number, and the private half is another.
            check_eq!(sys::dup2(fd, 65_535, b"")?, 65_535);
            let private = sys::dup(fd, b"", FD_ANY_UPPER)?;
            sys::close(private)?;
            // What is closed is free again, lowest first.
            for number in [40_000, 30_000, 50_000] {
                sys::close(number)?;
            }
            check_eq!(fcntl(fd, F_DUPFD, 35_000)?, 40_000);
            check_eq!(sys::dup(fd, b"", FD_ANY)?, 30_000);
            check_eq!(sys::openat(root, key, O_RDONLY, FD_ANY)?, 50_000);
            check_error!(sys::dup(fd, b"", FD_ANY), EMFILE);
            Ok(())
        })
    })
}

/// A way to make kernel objects that stay as long as their descriptor.
type Make = fn() -> Result<()>;

fn keep(fd: Fd) {
    let _ = fd.into_raw();
}

const MAKERS: &[(&str, Make)] = &[
    ("pipes", || {
        let (read, write) = pipe()?;
        nonblocking(&write, true)?;
        // The pages are taken from the kernel as well.
        while write.write(&[0; 4096]).is_ok() {}
        keep(read);
        keep(write);
        Ok(())
    }),
    ("contexts", || {
        world().proc.open(b"new-context", 0).map(keep)
    }),
    ("spaces", || {
        world().proc.open(b"new-addrspace", 0).map(keep)
    }),
    ("copies of spaces", || {
        let own = world().proc.open(b"cur-context", 0)?.dup(b"addrspace")?;
        own.dup(b"exclusive").map(keep)
    }),
    ("tables", || {
        let own = world().proc.open(b"cur-context", 0)?.dup(b"filetable")?;
        own.dup(b"copy").map(keep)
    }),
    ("schemes", || {
        create_scheme(&world().capability, 0).map(keep)
    }),
    ("alarms", || {
        let queue = world().event.open(b"", O_RDWR)?;
        let never = [1_u64 << 40, 0];
        let event = [EVENT_TIMEOUT_ID as u64, 1, never.as_ptr() as u64];
        let args = [queue.raw(), event.as_ptr() as usize, 24, 0, 0, 0];
        loop {
            match raw(syscall::SYS_WRITE, args) {
                Ok(_) => {}
                Err(e) if e.errno == ENOSPC => break,
                Err(e) => return Err(e),
            }
        }
        keep(queue);
        Ok(())
    }),
    ("leases", || {
        let (derived, lease) = world().pipe.lease(cap_abi::Rights::FULL)?;
        keep(derived);
        core::mem::forget(lease);
        Ok(())
    }),
];

fn kernel_memory_runs_out_and_comes_back() -> Outcome {
    let objects = counts(b"objects")?;
    let free = count(b"memory", "free")?;
    for (name, make) in MAKERS {
        let answer = words()?;
        let hungry = Process::start(|| {
            // A program's own memory is not what is to run out.
            let refused = loop {
                match make() {
                    Ok(()) => answer[1].fetch_add(1, SeqCst),
                    Err(e) => break e.errno,
                };
            };
            answer[0].store(refused as usize, SeqCst);
            0
        })?;
        // Without memory for the descriptor that its end takes, it ends by an exception.
        let end = hungry.wait()?;
        check!(
            matches!(end, Status::Ended(0) | Status::Exception { .. }),
            "{name}: {end:?}"
        );
        let (refused, made) = (answer[0].load(SeqCst) as i32, answer[1].load(SeqCst));
        println!("  {name}: {made}, then error {refused}");
        // Its own next page may be what there is no memory for.
        let starved = refused == 0 && matches!(end, Status::Exception { kind: 14, .. });
        check!(
            starved || [ENOMEM, EMFILE].contains(&refused),
            "{name}: {refused} after {made}"
        );
        check!(made > 5, "{name}: only {made}");
        drop(hungry);
        forget_words(answer)?;
        same_objects(&objects)?;
        let now = count(b"memory", "free")?;
        check!(
            now + 64 > free,
            "{name}: {free} frames free before, {now} after"
        );
    }
    Ok(())
}

fn making_and_closing_leaves_nothing() -> Outcome {
    let round = || -> Outcome {
        for _ in 0..500 {
            let (read, write) = pipe()?;
            write.write(&[0; 100])?;
            let queue = world().event.open(b"", O_RDWR)?;
            let context = world().proc.open(b"new-context", 0)?;
            let space = world().proc.open(b"new-addrspace", 0)?;
            let table = context.dup(b"filetable")?.dup(b"empty")?;
            let clock = world().time.open(b"4", O_RDWR)?;
            let socket = create_scheme(&world().capability, 0)?;
            let (derived, lease) = read.lease(cap_abi::Rights::FULL)?;
            drop((
                write, queue, space, table, clock, socket, derived, lease, context,
            ));
        }
        Ok(())
    };
    // The first round may leave memory that is kept for use.
    round()?;
    let (objects, bytes) = (counts(b"objects")?, count(b"memory", "bytes")?);
    let free = count(b"memory", "free")?;
    for _ in 0..20 {
        round()?;
    }
    same_objects(&objects)?;
    check_eq!(count(b"memory", "bytes")?, bytes);
    check_eq!(count(b"memory", "free")?, free);
    Ok(())
}
