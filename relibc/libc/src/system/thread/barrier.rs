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
    rest: [u32; 2],
}

const _: () = assert!(size_of::<Barrier>() == 24);
/// `PTHREAD_BARRIER_SERIAL_THREAD`.
const SERIAL: c_int = -1;

c_api! {
    fn pthread_barrier_init(barrier: *mut Barrier, _attributes: *const c_int, count: c_uint) -> c_int {
        if count == 0 {
            return EINVAL;
        }
        barrier.write(Barrier { lock: RawMutex::new(), rounds: AtomicI32::new(0), arrived: AtomicU32::new(0), count, rest: [0; 2] });
        0
    }
    fn pthread_barrier_destroy(barrier: *mut Barrier) -> c_int {
        // Those of the last round may still be on their way out.
        (*barrier).lock.acquire();
        let busy = (*barrier).arrived.load(Ordering::Relaxed) != 0;
        (*barrier).lock.release();
        if busy { EBUSY } else { 0 }
    }
    fn pthread_barrier_wait(barrier: *mut Barrier) -> c_int {
        let b = &*barrier;
        b.lock.acquire();
        let round = b.rounds.load(Ordering::Relaxed);
        let arrived = b.arrived.load(Ordering::Relaxed) + 1;
        if arrived == b.count {
            b.arrived.store(0, Ordering::Relaxed);
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
        0
    }
}
