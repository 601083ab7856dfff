//! Memory, thread-local storage, start.

use alloc::vec::Vec;
use core::cell::Cell;
use core::sync::atomic::{AtomicI32, Ordering};

use guest_test::{Outcome, check, check_eq, check_error, fail};
use redox_rt::futex::{self, Mutex};
use redox_rt::start::Start;
use redox_rt::sys;
use redox_rt::tcb::Tcb;
use syscall::{EAGAIN, EBADF, TimeSpec};

pub fn run(start: &Start) -> i32 {
    if start.arg(0).is_none() {
        return 3;
    }
    guest_test::run!["alone" =>
        heap_grows_and_moves, thread_locals_have_their_initial_values, tcb_is_where_it_says,
        futex_compares, mutex_excludes_itself, bad_descriptors_are_errors,
    ]
}

fn heap_grows_and_moves() -> Outcome {
    let mut all: Vec<Vec<u64>> = Vec::new();
    for round in 0..200u64 {
        let mut v = Vec::new();
        for i in 0..round * 13 {
            v.push(round ^ i);
        }
        all.push(v);
    }
    let big: Vec<u8> = alloc::vec![7; 3 << 20];
    check!(big.iter().all(|&b| b == 7));
    for (round, v) in all.iter().enumerate() {
        check!(
            v.iter()
                .enumerate()
                .all(|(i, &x)| x == round as u64 ^ i as u64),
            "round {round}"
        );
    }
    Ok(())
}

#[thread_local]
static SET: Cell<u64> = Cell::new(0x1234_5678_9abc_def0);
#[thread_local]
static ZERO: Cell<[u8; 100]> = Cell::new([0; 100]);

fn thread_locals_have_their_initial_values() -> Outcome {
    check_eq!(SET.get(), 0x1234_5678_9abc_def0);
    check_eq!(ZERO.get(), [0; 100]);
    SET.set(1);
    check_eq!(SET.get(), 1);
    Ok(())
}

fn tcb_is_where_it_says() -> Outcome {
    let Some(tcb) = Tcb::current() else {
        fail!("no block")
    };
    check_eq!(tcb.address() % rt_core::PAGE_SIZE, 0);
    let local = core::ptr::from_ref(&SET) as usize;
    check!(local < tcb.address(), "variables lie below the block");
    check!(tcb.library.iter().all(|&b| b == 0));
    Ok(())
}

fn futex_compares() -> Outcome {
    let word = AtomicI32::new(5);
    check_error!(futex::wait(&word, 4, None), EAGAIN);
    let short = TimeSpec {
        tv_sec: 0,
        tv_nsec: 1_000_000,
    };
    check!(
        futex::wait(&word, 5, Some(&short)).is_err(),
        "nobody wakes it"
    );
    check_eq!(futex::wake(&raw const word, 1), 0);
    check_eq!(word.load(Ordering::Relaxed), 5);
    Ok(())
}

fn mutex_excludes_itself() -> Outcome {
    let mutex = Mutex::new(1);
    {
        let mut guard = mutex.lock();
        *guard += 1;
    }
    check_eq!(*mutex.lock(), 2);
    Ok(())
}

fn bad_descriptors_are_errors() -> Outcome {
    for fd in [77_777, sys::FD_ANY, sys::FD_ANY_UPPER, 1 << 62 | 99_999] {
        check_error!(sys::read(fd, &mut [0]), EBADF, "{fd:#x}");
        check_error!(sys::close(fd), EBADF, "{fd:#x}");
        check_error!(sys::dup(fd, b"", sys::FD_ANY), EBADF, "{fd:#x}");
    }
    Ok(())
}
