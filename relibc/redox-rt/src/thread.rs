//! Threads: contexts that share this process's address space and descriptor table.
//!
//! A thread that ends cannot unmap the stack it stands on. It makes its end known through its join
//! word and then waits, touching neither stack nor TCB any more, until somebody ends its context and
//! frees its memory: whoever joins it, or, when it is detached, the next detached thread to end or
//! the next thread to be started.

use core::ptr::NonNull;
use core::sync::atomic::{AtomicBool, AtomicI32, AtomicPtr, AtomicUsize, Ordering};

use rt_core::{PAGE_SIZE, page_ceil};
use syscall::error::{Error, Result};
use syscall::flag::{ContextVerb, MapFlags};
use syscall::number::SYS_FUTEX;
use syscall::{EDEADLK, EINVAL, ENOMEM, ESRCH, EnvRegisters, FUTEX_WAIT, FUTEX_WAKE};

use crate::context::Context;
use crate::fd::Fd;
use crate::memory::Mapping;
use crate::tcb::{self, Tcb};
use crate::{futex, process, sys};

/// How long a thread's stack is unless said otherwise, in bytes.
pub const STACK_LEN: usize = 2 << 20;

/// Join word: the thread runs and may be joined.
const JOINABLE: i32 = 0;
/// Join word: the thread runs, and nobody will join it.
const DETACHED: i32 = 1;
/// Join word: the thread has left its stack for good.
const ENDED: i32 = 2;
/// Join word: the thread was joinable until it began to end.
const ENDING: i32 = 3;

/// Threads that have not ended, the main thread among them.
static LIVE: AtomicUsize = AtomicUsize::new(1);
/// Whether another thread than the first one was ever started here.
static STARTED: AtomicBool = AtomicBool::new(false);
/// Detached threads that have ended, linked through their `start_argument`.
static ENDED_DETACHED: AtomicPtr<Tcb> = AtomicPtr::new(core::ptr::null_mut());
/// What ended threads wait on: it never changes.
static PARK: AtomicI32 = AtomicI32::new(0);

/// Where the contexts of new threads come from.
#[derive(Clone, Copy, Debug)]
pub enum Source<'a> {
    /// The process manager, asked through the process's own descriptor.
    Manager,
    /// The root of the kernel's proc scheme.
    Kernel(&'a Fd),
}

impl Source<'_> {
    /// A new context and, from the manager, the thread's descriptor, which keeps it until it is started.
    fn new_context(self) -> Result<(Context, Option<Fd>)> {
        match self {
            Self::Manager => {
                let process = process::process_fd().ok_or(Error::new(ESRCH))?;
                let ask = || sys::dup(process, b"new-thread", sys::FD_ANY_UPPER);
                let thread = crate::signal::again(ask)?;
                let thread = Fd::from_raw(thread);
                let context = Context::from_fd(crate::signal::again(|| thread.dup(b"context"))?);
                Ok((context, Some(thread)))
            }
            Self::Kernel(root) => {
                let context = Context::new(root)?;
                if let Some(own) = Tcb::current().and_then(Tcb::thread_fd) {
                    context.get().set_attributes(&own.attributes()?)?;
                }
                Ok((context, None))
            }
        }
    }
}

/// A thread that can be joined. Dropping it detaches the thread.
#[derive(Debug)]
pub struct Thread(NonNull<Tcb>);

// SAFETY: it is a name for a thread; what it points to is used through atomic fields only.
unsafe impl Send for Thread {}

/// The stack of a new thread.
#[derive(Clone, Copy, Debug)]
pub enum Stack {
    /// It is given back after the thread's end.
    Own {
        /// At least so many bytes.
        len: usize,
        /// Below them, at least so many that nobody can use; one page if it is less.
        guard: usize,
    },
    /// Address and length, multiples of 16, of memory that stays the caller's.
    Given(usize, usize),
}

/// Starts a thread in `entry(argument)`, with a stack of at least `stack_len` bytes above a page that nobody
/// can use.
///
/// # Safety
/// As [`spawn_on`].
pub unsafe fn spawn_raw(
    source: Source<'_>,
    stack_len: usize,
    entry: extern "C" fn(usize),
    argument: usize,
) -> Result<Thread> {
    // SAFETY: the caller's contract.
    unsafe {
        let (len, guard) = (stack_len, PAGE_SIZE);
        spawn_on(source, Stack::Own { len, guard }, entry, argument)
    }
}

/// Starts a thread in `entry(argument)`.
///
/// # Safety
/// `entry` must be sound to run on another thread with this argument, and what the argument refers to
/// must live long enough. A stack that is given must be writable and used by nothing else until the thread
/// has been joined.
pub unsafe fn spawn_on(
    source: Source<'_>,
    stack: Stack,
    entry: extern "C" fn(usize),
    argument: usize,
) -> Result<Thread> {
    reap();
    let own = Tcb::current()
        .and_then(Tcb::thread_fd)
        .ok_or(Error::new(ESRCH))?;
    let own_stack = match stack {
        Stack::Given(..) => None,
        Stack::Own { len, guard } => {
            let guard = page_ceil(guard.max(1)).ok_or(Error::new(ENOMEM))?;
            let len = len.checked_add(guard).ok_or(Error::new(ENOMEM))?;
            let stack = Mapping::new(len)?;
            // SAFETY: the pages belong to this mapping, which nothing uses yet.
            unsafe { sys::mprotect(stack.address(), guard, MapFlags::PROT_NONE) }?;
            Some((stack, guard))
        }
    };
    let (base, len) = match (&own_stack, stack) {
        (Some((own, _)), _) => (own.address(), own.len()),
        (None, Stack::Given(base, len)) => (base, len),
        (None, Stack::Own { .. }) => return Err(Error::new(EINVAL)),
    };
    let words = first_words(entry as usize, argument, float_environment());
    if len < PAGE_SIZE || !base.is_multiple_of(16) || !len.is_multiple_of(16) {
        return Err(Error::new(EINVAL));
    }
    let top = base.checked_add(len).ok_or(Error::new(EINVAL))?;
    // SAFETY: the last bytes of a stack that nothing uses yet: it was just mapped, or the caller says so.
    unsafe {
        core::ptr::copy_nonoverlapping(words.as_ptr(), (top - words.len()) as *mut u8, words.len())
    };
    let (context, thread) = source.new_context()?;
    context.get().set_file_table(&own.file_table()?)?;
    let block = Block(tcb::allocate(context.fd().raw())?);
    // SAFETY: just allocated; the new thread does not run yet.
    let new = unsafe { block.0.as_ref() };
    new.stack.store(base, Ordering::Relaxed);
    new.stack_len.store(len, Ordering::Relaxed);
    let guard = own_stack.as_ref().map_or(0, |(_, guard)| *guard);
    new.stack_guard.store(guard, Ordering::Relaxed);
    context.get().set_env_registers(&EnvRegisters {
        fsbase: new.address() as u64,
        gsbase: 0,
    })?;
    context.get().switch_address_space(
        &own.address_space()?,
        top - words.len(),
        thread_entry as *const () as usize,
    )?;
    // After the switch: handlers are handlers of an address space.
    crate::signal::inherit(new, context.get())?;
    if let Some(thread) = &thread {
        crate::signal::tell_manager_of_thread(thread, new)?;
    }
    STARTED.store(true, Ordering::Relaxed);
    LIVE.fetch_add(1, Ordering::Relaxed);
    if let Err(e) = context.get().start() {
        LIVE.fetch_sub(1, Ordering::Relaxed);
        return Err(e);
    }
    // From here on the thread owns its stack, block and descriptor; `free` gives them back.
    if let Some((stack, _)) = own_stack {
        stack.forget();
    }
    let _ = context.into_fd().into_raw();
    Ok(Thread(block.keep()))
}

/// What `thread_entry` finds on its stack: the function, its argument, its floating-point environment, and a word
/// so that the stack stays a multiple of 16.
fn first_words(entry: usize, argument: usize, environment: u64) -> [u8; 32] {
    let mut bytes = [0; 32];
    let words = [entry as u64, argument as u64, environment];
    for (place, word) in bytes.chunks_exact_mut(8).zip(words) {
        place.copy_from_slice(&word.to_ne_bytes());
    }
    bytes
}

/// The calling thread's floating-point environment, which POSIX has new threads inherit: MXCSR, and above it the
/// x87 unit's control word.
fn float_environment() -> u64 {
    let mut environment = 0_u64;
    // SAFETY: the instructions write four bytes and two, which lie in the variable.
    unsafe {
        core::arch::asm!(
            "stmxcsr [{at}]",
            "fnstcw [{at} + 4]",
            at = in(reg) &raw mut environment,
            options(nostack, preserves_flags),
        );
    }
    environment
}

/// A new TCB until its thread runs.
struct Block(NonNull<Tcb>);

impl Block {
    fn keep(self) -> NonNull<Tcb> {
        let tcb = self.0;
        core::mem::forget(self);
        tcb
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        // SAFETY: no thread was started on it.
        unsafe { free_block(self.0) };
    }
}

#[unsafe(naked)]
extern "C" fn thread_entry() {
    core::arch::naked_asm!(
        "xor ebp, ebp",
        "pop rax",
        "pop rdi",
        "ldmxcsr [rsp]",
        "fldcw [rsp + 4]",
        "call rax",
        "call {end}",
        "ud2",
        end = sym end_current_c,
    )
}

extern "C" fn end_current_c() -> ! {
    end_current()
}

impl Thread {
    /// The thread's block.
    #[must_use]
    pub fn tcb(&self) -> NonNull<Tcb> {
        self.0
    }

    /// Makes a thread of its block's address again, as [`Thread::into_raw`] gave it.
    ///
    /// # Safety
    /// The thread must be joinable, and nobody else may join or detach it.
    #[must_use]
    pub const unsafe fn from_raw(tcb: NonNull<Tcb>) -> Self {
        Self(tcb)
    }

    /// The calling thread, unless it has been detached or ends.
    ///
    /// # Safety
    /// Nobody else may join or detach it.
    #[must_use]
    pub unsafe fn current() -> Option<Self> {
        let own = Tcb::current()?;
        (own.join.load(Ordering::Acquire) == JOINABLE).then(|| Self(NonNull::from(own)))
    }

    /// The block's address; the thread is neither joined nor detached.
    #[must_use]
    pub const fn into_raw(self) -> NonNull<Tcb> {
        let tcb = self.0;
        core::mem::forget(self);
        tcb
    }

    /// Waits for the thread's end and frees what it had. `EDEADLK` for the calling thread itself.
    pub fn join(self) -> Result<()> {
        // SAFETY: the block lives until it is freed, which only a join or a detach leads to.
        let tcb = unsafe { self.0.as_ref() };
        if Tcb::current().is_some_and(|own| core::ptr::eq(own, tcb)) {
            return Err(Error::new(EDEADLK));
        }
        self.wait_unless(|| false);
        let block = self.into_raw();
        // SAFETY: it has ended, and this was the only right to join it.
        unsafe { free(block) };
        Ok(())
    }
}

impl Thread {
    /// Waits for its end, or until `stop` says so after an interruption; whether it has ended.
    pub fn wait_unless(&self, stop: impl Fn() -> bool) -> bool {
        // SAFETY: the block lives until it is freed, which only a join or a detach leads to.
        let tcb = unsafe { self.0.as_ref() };
        loop {
            match tcb.join.load(Ordering::Acquire) {
                ENDED => return true,
                // Woken or not: look again.
                now => drop(futex::wait(&tcb.join, now, None)),
            }
            if stop() {
                return tcb.join.load(Ordering::Acquire) == ENDED;
            }
        }
    }
}

impl Drop for Thread {
    fn drop(&mut self) {
        // SAFETY: as in `join`.
        let tcb = unsafe { self.0.as_ref() };
        if tcb
            .join
            .compare_exchange(JOINABLE, DETACHED, Ordering::AcqRel, Ordering::Acquire)
            .is_err()
        {
            await_end(tcb);
            // SAFETY: it has ended, and this was the only right to join it.
            unsafe { free(self.0) };
        }
    }
}

/// Whether there is no other thread than the calling one.
#[must_use]
pub fn is_alone() -> bool {
    LIVE.load(Ordering::Acquire) == 1
}

/// In the child of a fork: the calling thread is the only one there is.
pub fn forget_others() {
    LIVE.store(1, Ordering::Relaxed);
    STARTED.store(false, Ordering::Relaxed);
    // Their contexts are not this process's; what memory they had stays as it is.
    ENDED_DETACHED.store(core::ptr::null_mut(), Ordering::Relaxed);
}

/// Ends every other thread of the process, also those that wait to be joined, before another program takes its
/// place. What they held stays held.
pub(crate) fn end_others() -> Result<()> {
    let Some(process) = process::process_fd().filter(|_| STARTED.load(Ordering::Relaxed)) else {
        return Ok(());
    };
    let own = Tcb::current().ok_or(Error::new(ESRCH))?.address() as u64;
    // The manager's list has those that have ended until it learns of it, and grows as long as one can start others.
    loop {
        let mut alone = true;
        for index in 0.. {
            let Some(context) = process::nth_thread(process, index)? else {
                break;
            };
            let base = context.get().env_registers().map(|env| env.fsbase);
            if base != Ok(own) {
                alone = false;
                // It may have ended meanwhile.
                let _ = context.get().tell(ContextVerb::ForceKill);
            }
        }
        if alone {
            return Ok(());
        }
        sys::sched_yield();
    }
}

/// Address and length of a thread's stack, and how much below it nobody can use; of the main thread's, which its
/// starter made.
#[must_use]
pub fn stack_of(tcb: &Tcb) -> (usize, usize, usize) {
    let guard = tcb.stack_guard.load(Ordering::Relaxed);
    match tcb.stack_len.load(Ordering::Relaxed) {
        0 => (
            crate::spawn::STACK_TOP - crate::spawn::STACK_LEN,
            crate::spawn::STACK_LEN,
            0,
        ),
        len => (
            tcb.stack.load(Ordering::Relaxed) + guard,
            len - guard,
            guard,
        ),
    }
}

/// Ends the calling thread; the process, when it is the last one.
pub fn end_current() -> ! {
    if LIVE.fetch_sub(1, Ordering::AcqRel) == 1 {
        crate::exit(0);
    }
    let Some(tcb) = Tcb::current() else {
        crate::exit(0)
    };
    crate::signal::silence(tcb);
    let own = NonNull::from(tcb);
    let detached = tcb
        .join
        .compare_exchange(JOINABLE, ENDING, Ordering::AcqRel, Ordering::Acquire)
        .is_err();
    if detached {
        reap();
        let mut next = ENDED_DETACHED.load(Ordering::Acquire);
        loop {
            tcb.start_argument.store(next as usize, Ordering::Relaxed);
            match ENDED_DETACHED.compare_exchange_weak(
                next,
                own.as_ptr(),
                Ordering::AcqRel,
                Ordering::Acquire,
            ) {
                Ok(_) => break,
                Err(now) => next = now,
            }
        }
        // In the list it may be taken out at once, but `reap` waits for the join word.
    }
    // SAFETY: nothing of this thread's memory is used after the store.
    unsafe { leave(&raw const tcb.join, &raw const PARK) }
}

/// Stores [`ENDED`] to the join word, wakes who waits for it, and waits on `park` for ever, all
/// without the stack: from the store on, the memory of this thread may be gone.
#[unsafe(naked)]
unsafe extern "C" fn leave(join: *const AtomicI32, park: *const AtomicI32) -> ! {
    core::arch::naked_asm!(
        "mov r12, rsi",
        "mov eax, {ended}",
        "xchg [rdi], eax",
        "mov eax, {futex}",
        "mov esi, {wake}",
        "mov edx, 0x7fffffff",
        "xor r10d, r10d",
        "xor r8d, r8d",
        "syscall",
        "2:",
        "mov eax, {futex}",
        "mov rdi, r12",
        "mov esi, {wait}",
        "xor edx, edx",
        "xor r10d, r10d",
        "xor r8d, r8d",
        "syscall",
        "jmp 2b",
        ended = const ENDED,
        futex = const SYS_FUTEX,
        wake = const FUTEX_WAKE,
        wait = const FUTEX_WAIT,
    )
}

/// Frees the detached threads that have ended.
fn reap() {
    let mut at = ENDED_DETACHED.swap(core::ptr::null_mut(), Ordering::AcqRel);
    while let Some(tcb) = NonNull::new(at) {
        // SAFETY: a block in the list lives until it is taken out, which the swap above did.
        let block = unsafe { tcb.as_ref() };
        at = block.start_argument.load(Ordering::Relaxed) as *mut Tcb;
        await_end(block);
        // SAFETY: it has ended, and nobody joins a detached thread.
        unsafe { free(tcb) };
    }
}

/// Waits for a thread that is a few instructions from its end.
fn await_end(tcb: &Tcb) {
    while tcb.join.load(Ordering::Acquire) != ENDED {
        sys::sched_yield();
    }
}

/// # Safety
/// The thread must have ended, and the caller must be the only one to know of it.
unsafe fn free(tcb: NonNull<Tcb>) {
    // SAFETY: the caller's contract.
    let block = unsafe { tcb.as_ref() };
    if let Some(context) = block.thread_fd() {
        // It waits for ever; without this it would do so on memory that is gone.
        let _ = context.tell(ContextVerb::ForceKill);
        let _ = sys::close(context.raw());
    }
    let (stack, stack_len) = (
        block.stack.load(Ordering::Relaxed),
        block.stack_len.load(Ordering::Relaxed),
    );
    if stack_len != 0 && block.stack_guard.load(Ordering::Relaxed) != 0 {
        // SAFETY: the thread has left its stack, and the stack was made by `spawn_raw`.
        let _ = unsafe { sys::funmap(stack, stack_len) };
    }
    // SAFETY: the caller's contract.
    unsafe { free_block(tcb) };
}

/// # Safety
/// No thread may use the block.
unsafe fn free_block(tcb: NonNull<Tcb>) {
    // SAFETY: the caller's contract.
    let block = unsafe { tcb.as_ref() };
    crate::signal::free_dispatch_stack(block);
    let (base, len) = (
        block.allocation.load(Ordering::Relaxed),
        block.allocation_len.load(Ordering::Relaxed),
    );
    // SAFETY: the allocation was made by `tcb::allocate` for this block alone.
    let _ = unsafe { sys::funmap(base, len) };
}
