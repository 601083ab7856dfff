//! `<pthread.h>` on the threads of `redox-rt`.

mod attributes;
mod barrier;
pub(crate) mod cancel;
pub(crate) mod clocks;
mod condition;
pub(crate) mod key;
mod mutex;
mod once;
mod rwlock;

pub(crate) use attributes::Attributes;

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::ffi::{CStr, c_char, c_int, c_void};
use core::ops::Deref;
use core::ptr::{NonNull, null_mut};
use core::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, AtomicUsize, Ordering};

use redox_rt::futex::{self, Mutex};
use redox_rt::signal::without_delivery;
use redox_rt::tcb::Tcb;
use redox_rt::thread::{self as rt, Source};
use redox_rt::{Error, Fd, Result, process, roots, sys};
use syscall::{EAGAIN, EDEADLK, EINVAL, ENOSYS, ERANGE, ESRCH, ETIMEDOUT, GlobalSchemes, TimeSpec};

use super::{code, fail};
use crate::sys::Timespec;

type Start = unsafe extern "C" fn(*mut c_void) -> *mut c_void;

/// A thread; `pthread_t` is its address. Two own it: the thread while it runs, and whoever may still
/// join or detach it; besides, whoever [keeps](Kept) it.
pub(crate) struct Thread {
    owners: AtomicU32,
    /// What locks know their holder by; never 0.
    id: u32,
    /// Absent once joined or detached.
    handle: Mutex<Option<rt::Thread>>,
    is_detached: AtomicBool,
    result: AtomicPtr<c_void>,
    /// Null until it is known, [`ENDED`] in the end.
    tcb: AtomicPtr<Tcb>,
    /// Held by who uses the control block, which the thread leaves no earlier.
    tcb_in_use: Mutex<()>,
    name: Mutex<[u8; NAME_LEN]>,
    start: Option<(Start, usize)>,
    /// Among [`RUNNING`]: the program's, or about to call something of the program's.
    is_counted: AtomicBool,
    cancellation: cancel::State,
}

const NAME_LEN: usize = 32;
const ENDED: *mut Tcb = core::ptr::dangling_mut();

impl Thread {
    /// Uses its control block, which stays until `with` is done; `None` if it is not known or has ended.
    fn with_block<T>(&self, with: impl FnOnce(&Tcb) -> T) -> Option<T> {
        // A handler in between might ask for the same thread.
        without_delivery(|| {
            let _in_use = self.tcb_in_use.lock();
            let tcb = self.tcb.load(Ordering::Acquire);
            let tcb = NonNull::new(tcb).filter(|tcb| tcb.as_ptr() != ENDED)?;
            // SAFETY: a block is freed after its thread's end, which waits in `forget_block`.
            Some(with(unsafe { tcb.as_ref() }))
        })
    }

    /// The thread is about to leave its control block.
    fn forget_block(&self) {
        without_delivery(|| {
            let _in_use = self.tcb_in_use.lock();
            self.tcb.store(ENDED, Ordering::Release);
        });
    }
}

/// A thread's record that stays until this is dropped: what a thread is asked for may be its end, and then it
/// may be joined before the asking is over.
struct Kept(*const Thread);

impl Kept {
    /// # Safety
    /// The record is there.
    unsafe fn new(thread: *const Thread) -> Self {
        (*thread).owners.fetch_add(1, Ordering::Relaxed);
        Self(thread)
    }
}

impl Deref for Kept {
    type Target = Thread;
    fn deref(&self) -> &Thread {
        // SAFETY: this is one of its owners.
        unsafe { &*self.0 }
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        // SAFETY: an owner's share, which is not used any more.
        unsafe { release(self.0) };
    }
}

static MAIN: Thread = Thread {
    owners: AtomicU32::new(2),
    id: 1,
    handle: Mutex::new(None),
    is_detached: AtomicBool::new(false),
    result: AtomicPtr::new(null_mut()),
    tcb: AtomicPtr::new(null_mut()),
    tcb_in_use: Mutex::new(()),
    name: Mutex::new([0; NAME_LEN]),
    start: None,
    is_counted: AtomicBool::new(true),
    cancellation: cancel::State::new(),
};
static NEXT_ID: AtomicU32 = AtomicU32::new(2);
/// Threads that keep the process: it ends with the last one.
static RUNNING: AtomicUsize = AtomicUsize::new(1);
static CONCURRENCY: AtomicUsize = AtomicUsize::new(0);

#[thread_local]
static mut CURRENT: *const Thread = &raw const MAIN;

/// A destructor of a thread-local variable.
type Destructor = unsafe extern "C" fn(*mut c_void);

#[thread_local]
static mut DESTRUCTORS: Vec<(Destructor, *mut c_void)> = Vec::new();

/// `struct __pthread_cleanup`.
#[repr(C)]
pub struct Cleanup {
    routine: unsafe extern "C" fn(*mut c_void),
    argument: *mut c_void,
    previous: *mut Cleanup,
}

#[thread_local]
static mut CLEANUP: *mut Cleanup = null_mut();

pub(crate) fn current() -> &'static Thread {
    // SAFETY: a thread's record lives as long as it runs.
    unsafe { &*CURRENT }
}

/// The calling thread's number among this process's threads.
pub(crate) fn id() -> u32 {
    current().id
}

pub(crate) fn adopt_main() {
    if let Some(tcb) = Tcb::current() {
        MAIN.tcb
            .store(core::ptr::from_ref(tcb).cast_mut(), Ordering::Relaxed);
    }
    // SAFETY: nobody knows of the main thread but by this record.
    *MAIN.handle.lock() = unsafe { rt::Thread::current() };
}

/// In a forked child: the calling thread is the only one.
pub(crate) fn alone() {
    RUNNING.store(1, Ordering::Relaxed);
    let own = current();
    own.is_counted.store(true, Ordering::Relaxed);
    let is_named = own.name.try_lock().is_some();
    // SAFETY: this is the only thread, which is in no function that uses them. It can be joined if its
    // parent's could, also if another thread was about to: what is forgotten is the handle of that one.
    unsafe {
        let handle = rt::Thread::current();
        let owners = 1 + u32::from(handle.is_some());
        own.owners.store(owners, Ordering::Relaxed);
        own.handle.renew(handle);
        own.tcb_in_use.renew(());
        if !is_named {
            own.name.renew([0; NAME_LEN]);
        }
    }
    rt::forget_others();
}

/// Runs the destructors of the calling thread's variables.
pub(crate) unsafe fn destroy_variables() {
    while let Some((destructor, variable)) = (*(&raw mut DESTRUCTORS)).pop() {
        destructor(variable);
    }
}

unsafe fn release(thread: *const Thread) {
    if (*thread).owners.fetch_sub(1, Ordering::AcqRel) == 1 && thread != &raw const MAIN {
        drop(Box::from_raw(thread.cast_mut()));
    }
}

/// The calling thread keeps the process no longer, which ends if no other one does.
unsafe fn uncount() {
    let was_counted = current().is_counted.swap(false, Ordering::Relaxed);
    if was_counted && RUNNING.fetch_sub(1, Ordering::AcqRel) == 1 {
        super::start::exit(0);
    }
}

/// Calls something of the program's on a thread of the library's, which keeps the process meanwhile.
pub(crate) unsafe fn counted(call: impl FnOnce()) {
    RUNNING.fetch_add(1, Ordering::Relaxed);
    current().is_counted.store(true, Ordering::Relaxed);
    call();
    uncount();
}

unsafe fn finish(value: *mut c_void) -> ! {
    // A handler or destructor may call what is a cancellation point: it is not to end the thread again.
    cancel::end();
    while !CLEANUP.is_null() {
        let record = CLEANUP;
        CLEANUP = (*record).previous;
        ((*record).routine)((*record).argument);
    }
    destroy_variables();
    key::run_destructors();
    // A key's destructor may have used a variable that has one.
    destroy_variables();
    drop(core::mem::take(&mut *(&raw mut DESTRUCTORS)));
    // The process does not end while a destructor runs.
    uncount();
    let own = CURRENT;
    // A handler would find no record from here on.
    let _ = redox_rt::signal::sigmask(Some((libc::SIG_SETMASK, !0)));
    (*own).forget_block();
    clocks::forget(&*own);
    (*own).result.store(value, Ordering::Release);
    release(own);
    rt::end_current()
}

extern "C" fn begin(record: usize) {
    // SAFETY: the creator passes the record it made, of which this thread is an owner.
    unsafe {
        let own = record as *const Thread;
        CURRENT = own;
        if let Some(tcb) = Tcb::current() {
            (*own)
                .tcb
                .store(core::ptr::from_ref(tcb).cast_mut(), Ordering::Release);
        }
        let value = match (*own).start {
            Some((start, argument)) => start(argument as *mut c_void),
            None => null_mut(),
        };
        finish(value)
    }
}

/// Starts a thread of the program's, which is counted, or of the library's, which does not keep the process.
pub(crate) unsafe fn spawn(
    attributes: &Attributes,
    start: Start,
    argument: usize,
    is_counted: bool,
) -> Result<*const Thread> {
    let root;
    let source = match (process::process_fd(), roots::root(GlobalSchemes::Proc)) {
        (Some(_), _) => Source::Manager,
        (None, Some(fd)) => {
            // It is not this function's to close.
            root = core::mem::ManuallyDrop::new(Fd::from_raw(fd));
            Source::Kernel(&root)
        }
        (None, None) => return fail(ENOSYS),
    };
    let record = Box::into_raw(Box::new(Thread {
        owners: AtomicU32::new(2),
        id: NEXT_ID.fetch_add(1, Ordering::Relaxed),
        handle: Mutex::new(None),
        is_detached: AtomicBool::new(attributes.is_detached()),
        result: AtomicPtr::new(null_mut()),
        tcb: AtomicPtr::new(null_mut()),
        tcb_in_use: Mutex::new(()),
        name: Mutex::new([0; NAME_LEN]),
        start: Some((start, argument)),
        is_counted: AtomicBool::new(is_counted),
        cancellation: cancel::State::new(),
    }));
    RUNNING.fetch_add(is_counted.into(), Ordering::Relaxed);
    // Held until the handle is in its place, in case the new thread detaches itself at once.
    let mut handle = (*record).handle.lock();
    let stack = match attributes.given_stack() {
        Some((base, len)) => rt::Stack::Given(base, len),
        None => rt::Stack::Own {
            len: attributes.stack_len(),
            guard: attributes.guard_len(),
        },
    };
    let spawned = rt::spawn_on(source, stack, begin, record as usize);
    if let Ok(thread) = &spawned {
        // Whoever asks for the thread need not wait until it has begun. It may have ended, too.
        let tcb = &(*record).tcb;
        let _ = tcb.compare_exchange(
            null_mut(),
            thread.tcb().as_ptr(),
            Ordering::AcqRel,
            Ordering::Relaxed,
        );
    }
    match spawned {
        Ok(_thread) if attributes.is_detached() => {
            drop(handle);
            release(record);
        }
        Ok(thread) => {
            *handle = Some(thread);
        }
        Err(e) => {
            drop(handle);
            RUNNING.fetch_sub(is_counted.into(), Ordering::Relaxed);
            drop(Box::from_raw(record));
            return Err(if e.errno == syscall::ENOMEM {
                Error::new(EAGAIN)
            } else {
                e
            });
        }
    }
    Ok(record)
}

/// What is left until an absolute time; `ETIMEDOUT` when nothing is.
pub(crate) fn until(clock: c_int, time: &Timespec) -> Result<TimeSpec> {
    if !(0..1_000_000_000).contains(&time.tv_nsec) {
        return fail(EINVAL);
    }
    let now = sys::clock_gettime(usize::try_from(clock).map_err(|_| Error::new(EINVAL))?)?;
    let nanoseconds = |s: i64, n: i64| i128::from(s) * 1_000_000_000 + i128::from(n);
    let left = nanoseconds(time.tv_sec, time.tv_nsec) - nanoseconds(now.tv_sec, now.tv_nsec.into());
    if left <= 0 {
        return fail(ETIMEDOUT);
    }
    Ok(TimeSpec {
        tv_sec: i64::try_from(left / 1_000_000_000).unwrap_or(i64::MAX),
        tv_nsec: (left % 1_000_000_000) as i32,
    })
}

/// Waits while `word` is `expected`, to an absolute time if there is one. Comes back without an error
/// also for no reason; `ETIMEDOUT` and `EINVAL` are told.
pub(crate) fn wait(
    word: &core::sync::atomic::AtomicI32,
    expected: i32,
    limit: Option<(c_int, &Timespec)>,
) -> Result<()> {
    let left = limit.map(|(clock, time)| until(clock, time)).transpose()?;
    match futex::wait(word, expected, left.as_ref()) {
        Err(e) if e.errno == ETIMEDOUT => Err(e),
        _ => Ok(()),
    }
}

unsafe fn take_handle(thread: *const Thread) -> Result<rt::Thread> {
    if thread.is_null() {
        return fail(ESRCH);
    }
    (*thread).handle.lock().take().ok_or(Error::new(EINVAL))
}

c_api! {
    fn pthread_create(thread: *mut *const Thread, attributes: *const Attributes, start: Start, argument: *mut c_void) -> c_int {
        let default = Attributes::new();
        let attributes = attributes.as_ref().unwrap_or(&default);
        code(spawn(attributes, start, argument as usize, true).map(|new| thread.write(new)))
    }
    fn pthread_join(thread: *const Thread, value: *mut *mut c_void) -> c_int {
        if thread == CURRENT {
            return EDEADLK;
        }
        cancel::look();
        code(take_handle(thread).and_then(|handle| {
            // Not while the handle is out of its place.
            let ended = cancel::within_point(|| !cancel::is_due() && handle.wait_unless(cancel::is_wanted));
            if !ended {
                // The thread that waits is to end; the other one can still be joined.
                *(*thread).handle.lock() = Some(handle);
                cancel::look();
                return fail(syscall::EINTR);
            }
            handle.join()?;
            if !value.is_null() {
                value.write((*thread).result.load(Ordering::Acquire));
            }
            release(thread);
            Ok(())
        }))
    }
    fn pthread_detach(thread: *const Thread) -> c_int {
        code(take_handle(thread).map(|handle| {
            drop(handle);
            (*thread).is_detached.store(true, Ordering::Relaxed);
            release(thread);
        }))
    }
    fn pthread_self() -> *const Thread { CURRENT }
    fn pthread_equal(a: *const Thread, b: *const Thread) -> c_int { c_int::from(a == b) }
    fn pthread_exit(value: *mut c_void) -> ! { finish(value) }
    fn __pthread_cleanup_push(record: *mut Cleanup) {
        (*record).previous = CLEANUP;
        CLEANUP = record;
    }
    fn __pthread_cleanup_pop(record: *mut Cleanup, execute: c_int) {
        CLEANUP = (*record).previous;
        if execute != 0 {
            ((*record).routine)((*record).argument);
        }
    }
    fn __cxa_thread_atexit_impl(destructor: Destructor, variable: *mut c_void, _module: *mut c_void) -> c_int {
        (*(&raw mut DESTRUCTORS)).push((destructor, variable));
        0
    }
    fn pthread_kill(thread: *const Thread, signal: c_int) -> c_int {
        if thread == CURRENT {
            return if signal == 0 { 0 } else { code(redox_rt::signal::raise(signal)) };
        }
        let sent = Kept::new(thread).with_block(|tcb| match signal {
            0 => Ok(()),
            _ => redox_rt::signal::send_to_thread(tcb, signal),
        });
        code(sent.unwrap_or(fail(ESRCH)))
    }
    fn pthread_setname_np(thread: *const Thread, name: *const c_char) -> c_int {
        let bytes = CStr::from_ptr(name).to_bytes();
        if bytes.len() >= NAME_LEN {
            return ERANGE;
        }
        let mut own = (*thread).name.lock();
        own.fill(0);
        own[..bytes.len()].copy_from_slice(bytes);
        0
    }
    fn pthread_getname_np(thread: *const Thread, name: *mut c_char, len: usize) -> c_int {
        let own = *(*thread).name.lock();
        let text = own.split(|&b| b == 0).next().unwrap_or(&[]);
        code(super::give_text(text, name, len))
    }
    fn pthread_getconcurrency() -> c_int { CONCURRENCY.load(Ordering::Relaxed) as c_int }
    fn pthread_setconcurrency(level: c_int) -> c_int {
        match usize::try_from(level) {
            Ok(level) => { CONCURRENCY.store(level, Ordering::Relaxed); 0 }
            Err(_) => EINVAL,
        }
    }
    fn gettid() -> c_int { id() as c_int }
    fn sched_yield() -> c_int { sys::sched_yield(); 0 }
    fn pthread_getattr_np(thread: *const Thread, attributes: *mut Attributes) -> c_int {
        let mut new = Attributes::new();
        if let Some((base, len, guard)) = (*thread).with_block(rt::stack_of) {
            new.set_stack(base, len);
            new.set_guard(guard);
        }
        new.set_detached((*thread).is_detached.load(Ordering::Relaxed));
        attributes.write(new);
        0
    }
}
