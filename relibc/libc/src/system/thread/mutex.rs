//! Mutexes: a lock of three states (Drepper, "Futexes Are Tricky", mutex 2), its holder and its kind.

use core::ffi::c_int;
use core::sync::atomic::{AtomicI32, AtomicU32, Ordering};

use redox_rt::{Result, futex, process};
use syscall::{EAGAIN, EBUSY, EDEADLK, EINVAL, EPERM};

use super::attributes::MutexAttributes;
use super::{fail, wait};
use crate::sys::Timespec;
use crate::system::code;

/// `pthread_mutex_t`: 12 bytes, all zero for a free one of the default kind.
#[repr(C)]
pub struct Mutex {
    word: AtomicI32,
    /// The holder, 0 for none; only kept by kinds that ask for it.
    owner: AtomicU32,
    /// The kind, [`SHARED`], and 8 bits further up how often the holder has locked it again.
    kind: AtomicU32,
}

const _: () = assert!(size_of::<Mutex>() == 12);

const FREE: i32 = 0;
const HELD: i32 = 1;
const CONTENDED: i32 = 2;
const ERRORCHECK: u32 = libc::PTHREAD_MUTEX_ERRORCHECK as u32;
const RECURSIVE: u32 = libc::PTHREAD_MUTEX_RECURSIVE as u32;
const KIND: u32 = 0x7f;
/// Between processes: a thread's number alone does not tell its holder.
const SHARED: u32 = 0x80;
const ONCE_MORE: u32 = 0x100;

/// How many bits of an owner between processes are its thread's; the process's are above.
const THREAD_BITS: u32 = (cap_abi::process::END_OF_PIDS - 1).leading_zeros();

/// Whether a mutex knows its holder.
const fn knows_holder(kind: u32) -> bool {
    matches!(kind & KIND, RECURSIVE | ERRORCHECK)
}

/// The calling thread as a holder.
fn holder(kind: u32) -> u32 {
    let thread = super::id();
    if kind & SHARED == 0 {
        return thread;
    }
    // All in one word, since nobody else could be told apart from the caller while two are read. Threads of one
    // process meet only if it has made as many between them as the bits can count.
    process::pid().unwrap_or(0) << THREAD_BITS | thread & ((1 << THREAD_BITS) - 1)
}

impl Mutex {
    /// What a lock by the holder itself means; `None` when somebody else or nobody holds it.
    fn again(&self, busy: i32) -> Option<Result<()>> {
        let kind = self.kind.load(Ordering::Relaxed);
        if !knows_holder(kind) || self.owner.load(Ordering::Relaxed) != holder(kind) {
            return None;
        }
        match kind & KIND {
            RECURSIVE if kind > u32::MAX - ONCE_MORE => Some(fail(EAGAIN)),
            RECURSIVE => {
                self.kind.store(kind + ONCE_MORE, Ordering::Relaxed);
                Some(Ok(()))
            }
            ERRORCHECK => Some(fail(busy)),
            _ => None,
        }
    }

    fn try_acquire(&self) -> bool {
        self.word
            .compare_exchange(FREE, HELD, Ordering::Acquire, Ordering::Relaxed)
            .is_ok()
    }

    /// Says who holds it, after it was acquired.
    fn own(&self) {
        let kind = self.kind.load(Ordering::Relaxed);
        if knows_holder(kind) {
            self.note_holder(kind);
        }
    }

    /// Apart, as is what else the plain kind does without.
    #[cold]
    fn note_holder(&self, kind: u32) {
        self.owner.store(holder(kind), Ordering::Relaxed);
    }

    pub(super) fn lock(&self, limit: Option<(c_int, &Timespec)>) -> Result<()> {
        if !self.try_acquire() {
            return self.wait_for(limit);
        }
        self.own();
        Ok(())
    }

    #[cold]
    fn wait_for(&self, limit: Option<(c_int, &Timespec)>) -> Result<()> {
        if let Some(answer) = self.again(EDEADLK) {
            return answer;
        }
        while self.word.swap(CONTENDED, Ordering::Acquire) != FREE {
            wait(&self.word, CONTENDED, limit)?;
        }
        self.own();
        Ok(())
    }

    fn try_lock(&self) -> Result<()> {
        if self.try_acquire() {
            self.own();
            return Ok(());
        }
        self.again(EBUSY).unwrap_or(fail(EBUSY))
    }

    pub(super) fn unlock(&self) -> Result<()> {
        let kind = self.kind.load(Ordering::Relaxed);
        if knows_holder(kind) {
            return self.unlock_by_holder(kind);
        }
        self.release();
        Ok(())
    }

    #[cold]
    fn unlock_by_holder(&self, kind: u32) -> Result<()> {
        if self.owner.load(Ordering::Relaxed) != holder(kind) {
            return fail(EPERM);
        }
        if kind >= ONCE_MORE {
            self.kind.store(kind - ONCE_MORE, Ordering::Relaxed);
            return Ok(());
        }
        self.owner.store(0, Ordering::Relaxed);
        self.release();
        Ok(())
    }

    fn release(&self) {
        if self.word.swap(FREE, Ordering::Release) == CONTENDED {
            futex::wake(&raw const self.word, 1);
        }
    }
}

c_api! {
    fn pthread_mutex_init(mutex: *mut Mutex, attributes: *const MutexAttributes) -> c_int {
        let kind = attributes.as_ref().map_or(libc::PTHREAD_MUTEX_DEFAULT as u32, |a| a.kind as u32 | if a.shared == 0 { 0 } else { SHARED });
        mutex.write(Mutex { word: AtomicI32::new(FREE), owner: AtomicU32::new(0), kind: AtomicU32::new(kind) });
        0
    }
    fn pthread_mutex_destroy(mutex: *mut Mutex) -> c_int {
        if (*mutex).word.load(Ordering::Relaxed) == FREE { 0 } else { EBUSY }
    }
    fn pthread_mutex_lock(mutex: *const Mutex) -> c_int { code((*mutex).lock(None)) }
    fn pthread_mutex_trylock(mutex: *const Mutex) -> c_int { code((*mutex).try_lock()) }
    fn pthread_mutex_timedlock(mutex: *const Mutex, time: *const Timespec) -> c_int {
        code((*mutex).lock(Some((libc::CLOCK_REALTIME, &*time))))
    }
    fn pthread_mutex_unlock(mutex: *const Mutex) -> c_int { code((*mutex).unlock()) }
    fn pthread_mutex_consistent(_mutex: *const Mutex) -> c_int {
        // There are no robust ones.
        EINVAL
    }
    fn pthread_mutex_getprioceiling(_mutex: *const Mutex, _ceiling: *mut c_int) -> c_int {
        // There are none with a ceiling.
        EINVAL
    }
    fn pthread_mutex_setprioceiling(_mutex: *mut Mutex, _ceiling: c_int, _old: *mut c_int) -> c_int { EINVAL }
}
