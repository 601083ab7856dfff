//! Barriers.

use core::ffi::{c_int, c_uint};
use core::sync::atomic::{AtomicI32, AtomicU32, Ordering};

use redox_rt::futex::{self, RawMutex};
use syscall::{EBUSY, EINVAL};

use super::wait;

/// `pthread_barrier_t`: 24 bytes.
#[repr(C)]
pub struct Barrier {
    lock: RawMutex,
    /// How many rounds are over.
    rounds: AtomicI32,
    arrived: AtomicU32,
    count: u32,
    /// How many of the rounds that are over have yet to see that, and [`WAITED_FOR`].
    leaving: AtomicI32,
    rest: u32,
}

const _: () = assert!(size_of::<Barrier>() == 24);
/// Whoever destroys the barrier waits for the last one to leave.
const WAITED_FOR: i32 = i32::MIN;
/// `PTHREAD_BARRIER_SERIAL_THREAD`.
const SERIAL: c_int = -1;

c_api! {
    fn pthread_barrier_init(barrier: *mut Barrier, _attributes: *const c_int, count: c_uint) -> c_int {
        if count == 0 {
            return EINVAL;
        }
        barrier.write(Barrier {
            lock: RawMutex::new(),
            rounds: AtomicI32::new(0),
            arrived: AtomicU32::new(0),
            count,
            leaving: AtomicI32::new(0),
            rest: 0,
        });
        0
    }
    fn pthread_barrier_destroy(barrier: *mut Barrier) -> c_int {
        let b = &*barrier;
        b.lock.acquire();
        let busy = b.arrived.load(Ordering::Relaxed) != 0;
        b.lock.release();
        if busy {
            return EBUSY;
        }
        // Those of the last round may still be on their way out, and would take the next barrier here for theirs.
        let mut leaving = b.leaving.fetch_or(WAITED_FOR, Ordering::Acquire) | WAITED_FOR;
        while leaving != WAITED_FOR {
            let _ = wait(&b.leaving, leaving, None);
            leaving = b.leaving.load(Ordering::Acquire);
        }
        b.leaving.store(0, Ordering::Relaxed);
        0
    }
    fn pthread_barrier_wait(barrier: *mut Barrier) -> c_int {
        let b = &*barrier;
        b.lock.acquire();
        let round = b.rounds.load(Ordering::Relaxed);
        let arrived = b.arrived.load(Ordering::Relaxed) + 1;
        if arrived == b.count {
            b.arrived.store(0, Ordering::Relaxed);
            b.leaving.fetch_add(b.count as i32 - 1, Ordering::Relaxed);
            b.rounds.store(round.wrapping_add(1), Ordering::Release);
            b.lock.release();
            futex::wake(&raw const b.rounds, i32::MAX);
            return SERIAL;
        }
        b.arrived.store(arrived, Ordering::Relaxed);
        b.lock.release();
        while b.rounds.load(Ordering::Acquire) == round {
            let _ = wait(&b.rounds, round, None);
        }
        // From here on the barrier may be gone: only its address counts.
        if b.leaving.fetch_sub(1, Ordering::Release) == WAITED_FOR | 1 {
            futex::wake(&raw const b.leaving, 1);
        }
        0
    }
}
