//! Signals in user space, by `redox_syscall::sigabi`.
//!
//! Kernel and process manager set pending bits; the kernel jumps to the trampoline when an unblocked
//! one is set and delivery is not inhibited. Everything else happens here: which signal comes next,
//! whose handler runs, on which stack, with which mask, and the way back. A program that never calls
//! [`init`] has none of this: its signals are its process manager's and its exceptions end it.
//!
//! Delivery is inhibited while the per-thread dispatch stack is in use. Handlers run with delivery on.

mod frame;
mod send;
mod unless;
mod wait;

use core::sync::atomic::{AtomicU8, AtomicU64, Ordering};

use libredox::protocol::{ProcCall, ThreadCall};
use rt_core::signal::{self as rules, Action, AlternateStack, Delivery};
use rt_core::wait as statuses;
use syscall::error::{Error, Result};
use syscall::flag::{ContextVerb, SigcontrolFlags};
use syscall::{
    EINTR, EINVAL, ESRCH, RawAction, SenderInfo, SetSighandlerData, SigProcControl, Sigcontrol,
};

pub use frame::{SigInfo, Ucontext};
pub use send::{kill, queue, raise, send_to_thread};
pub use unless::read_unless_handled;
pub use wait::{sigsuspend, sigsuspend_unless, wait_for, wait_for_unless};

use crate::context::{AddressSpace, ContextRef};
use crate::fd::Fd;
use crate::futex::{Mutex, MutexGuard};
use crate::memory::Mapping;
use crate::tcb::{SignalArea, Tcb};
use crate::{process, sys};

/// Length of the stack on which the next signal is chosen, in bytes. Nothing of the program runs on it.
const DISPATCH_STACK_LEN: usize = 16 << 10;

/// What the whole process shares with kernel and process manager.
static PROCESS: SigProcControl = SigProcControl {
    pending: AtomicU64::new(0),
    actions: [const {
        RawAction {
            first: AtomicU64::new(0),
            user_data: AtomicU64::new(0),
        }
    }; 64],
    sender_infos: [const { AtomicU64::new(0) }; 32],
};
/// Held by whoever changes an action.
static CHANGING: Mutex<()> = Mutex::new(());

/// Nobody changes an action until the guard is dropped: for a fork, whose child has the lock as it is.
pub(crate) fn hold() -> MutexGuard<'static, ()> {
    CHANGING.lock()
}

/// Whether [`init`] was called.
static READY: AtomicU8 = AtomicU8::new(0);

/// Takes signals over from the kernel: default actions except for those in `ignored`, and the mask
/// `blocked`. Called once, by the main thread.
pub fn init(ignored: u64, blocked: u64) -> Result<()> {
    frame::detect_avx();
    for signal in 1..=rules::COUNT as u8 {
        let mut action = Action::DEFAULT;
        if ignored & rules::bit(signal) & !rules::UNBLOCKABLE != 0 {
            action.handler = rules::Handler::Ignore;
        }
        store_action(signal, &action).map_err(Error::new)?;
    }
    let tcb = Tcb::current().ok_or(Error::new(ESRCH))?;
    let context = tcb.thread_fd().ok_or(Error::new(ESRCH))?;
    tcb.control.set_allowset(!(blocked & !rules::UNBLOCKABLE));
    READY.store(1, Ordering::Release);
    register(tcb, context)?;
    process::process_fd().map_or(Ok(()), |fd| tell_manager(fd, tcb))
}

/// In a program started by `exec`: signals that were pending before, and that it blocks, still are. What came with
/// them is not known any more.
pub fn keep_pending(signals: u64) {
    let blocked = Tcb::current().map_or(0, current_mask);
    PROCESS
        .pending
        .fetch_or(signals & blocked, Ordering::AcqRel);
}

/// Tells the process manager, through a process's descriptor, where the signal pages are.
fn tell_manager(process: usize, tcb: &Tcb) -> Result<()> {
    let addresses = [
        core::ptr::from_ref(&PROCESS) as u64,
        core::ptr::from_ref(&tcb.control) as u64,
    ];
    process::call_on(process, ProcCall::SyncSigPctl, &mut [], &addresses).map(drop)
}

/// The same for a thread that does not run yet, through its own descriptor.
pub(crate) fn tell_manager_of_thread(thread: &Fd, tcb: &Tcb) -> Result<()> {
    if READY.load(Ordering::Acquire) == 0 {
        return Ok(());
    }
    let verb = ThreadCall::SyncSigTctl as u64;
    thread
        .call(&[verb, core::ptr::from_ref(&tcb.control) as u64])
        .map(drop)
}

/// Gives a thread its dispatch stack and tells the kernel of it.
fn register(tcb: &Tcb, context: ContextRef) -> Result<()> {
    if tcb.signal.dispatch_stack.load(Ordering::Relaxed) == 0 {
        let stack = Mapping::new(DISPATCH_STACK_LEN)?;
        tcb.signal
            .dispatch_stack
            .store(stack.address() + stack.len(), Ordering::Relaxed);
        stack.forget();
    }
    context.set_signal_handler(&SetSighandlerData {
        user_handler: frame::on_signal as *const () as usize,
        excp_handler: frame::on_exception as *const () as usize,
        thread_control_addr: core::ptr::from_ref(&tcb.control) as usize,
        proc_control_addr: core::ptr::from_ref(&PROCESS) as usize,
    })
}

/// Sets signals up for a thread that does not run yet: the mask of the calling one, no alternate stack.
pub(crate) fn inherit(new: &Tcb, context: ContextRef) -> Result<()> {
    if READY.load(Ordering::Acquire) == 0 {
        return Ok(());
    }
    new.control
        .set_allowset(Tcb::current().map_or(!0, |own| allowed(&own.control)));
    register(new, context)
}

/// The same handlers for the context of a forked child, whose memory is a copy of this one's.
pub(crate) fn register_copy(context: ContextRef, process: Option<&Fd>) -> Result<()> {
    match Tcb::current() {
        Some(tcb) if READY.load(Ordering::Acquire) != 0 => {
            register(tcb, context)?;
            process.map_or(Ok(()), |process| tell_manager(process.raw(), tcb))
        }
        _ => Ok(()),
    }
}

/// What a program started by `exec` inherits: the signals ignored and the signals blocked.
#[must_use]
pub fn inherited() -> (u64, u64) {
    let ignored = (1..=rules::COUNT as u8)
        .filter(|&n| load_action(n).handler == rules::Handler::Ignore)
        .fold(0, |set, n| set | rules::bit(n));
    (ignored, Tcb::current().map_or(0, current_mask))
}

/// In the memory that the child of a fork will have: nothing is pending. It is done before the child runs
/// and before anybody can send it a signal, so that none is forgotten that is its own.
pub(crate) fn forget_pending_in(space: &AddressSpace, tcb: &Tcb) -> Result<()> {
    space.write(&0u64.to_ne_bytes(), PROCESS.pending.as_ptr() as usize)?;
    for word in &tcb.control.word {
        let allowed = word.load(Ordering::Relaxed) & !0xffff_ffff;
        space.write(&allowed.to_ne_bytes(), word.as_ptr() as usize)?;
    }
    Ok(())
}

/// Blocks everything and inhibits delivery for good: the thread is about to end.
pub(crate) fn silence(tcb: &Tcb) {
    inhibit(&tcb.control);
    tcb.control.set_allowset(0);
}

/// Gives a dead thread's dispatch stack back.
pub(crate) fn free_dispatch_stack(tcb: &Tcb) {
    let top = tcb.signal.dispatch_stack.load(Ordering::Relaxed);
    if top != 0 {
        // SAFETY: the stack was mapped by `register` for this thread, which has ended.
        let _ = unsafe { sys::funmap(top - DISPATCH_STACK_LEN, DISPATCH_STACK_LEN) };
    }
}

/// The signals that a thread does not block.
fn allowed(control: &Sigcontrol) -> u64 {
    let [low, high] = [0, 1].map(|i: usize| {
        control
            .word
            .get(i)
            .map_or(0, |w| w.load(Ordering::Relaxed) >> 32)
    });
    low | high << 32
}

fn inhibit(control: &Sigcontrol) {
    let flags = control.control_flags.load(Ordering::Relaxed);
    control.control_flags.store(
        flags | SigcontrolFlags::INHIBIT_DELIVERY.bits(),
        Ordering::Release,
    );
}

/// Allows delivery again, and delivers what has become deliverable meanwhile.
fn uninhibit(control: &Sigcontrol) {
    allow(control);
    deliver_now(control);
}

fn allow(control: &Sigcontrol) {
    let flags = control.control_flags.load(Ordering::Relaxed);
    let off = SigcontrolFlags::INHIBIT_DELIVERY | SigcontrolFlags::HANDLING_EXCEPTION;
    control
        .control_flags
        .store(flags & !off.bits(), Ordering::Release);
}

/// Delivers what is pending and not blocked, as the kernel would: it looks only when a context is
/// interrupted, and whoever did that may have done it while delivery was inhibited.
fn deliver_now(control: &Sigcontrol) {
    let inhibited = SigcontrolFlags::INHIBIT_DELIVERY.bits();
    while control.control_flags.load(Ordering::Relaxed) & inhibited == 0
        && READY.load(Ordering::Acquire) != 0
        && control.currently_pending_unblocked(&PROCESS) != 0
    {
        inhibit(control);
        // SAFETY: delivery is inhibited, so that the dispatch stack and the saved words are free; the
        // trampoline comes back here, and allows delivery before.
        unsafe { frame::deliver_to_self() };
    }
}

fn raw_action(signal: u8) -> Option<&'static RawAction> {
    PROCESS.actions.get(usize::from(signal).checked_sub(1)?)
}

fn store_action(signal: u8, action: &Action) -> core::result::Result<(), i32> {
    let [first, mask] = rules::pack(signal, action)?;
    let raw = raw_action(signal).ok_or(EINVAL)?;
    // Readers take the mask between two equal readings of the first word.
    raw.first.store(PARKED, Ordering::Release);
    raw.user_data.store(mask, Ordering::Release);
    raw.first.store(first, Ordering::Release);
    Ok(())
}

/// First word of an action that is being changed: neither a handler nor a flag has this form.
const PARKED: u64 = 1 << 47;

fn load_action(signal: u8) -> Action {
    let Some(raw) = raw_action(signal) else {
        return Action::DEFAULT;
    };
    loop {
        let first = raw.first.load(Ordering::Acquire);
        let mask = raw.user_data.load(Ordering::Acquire);
        if first != PARKED && raw.first.load(Ordering::Acquire) == first {
            return rules::unpack([first, mask]);
        }
        core::hint::spin_loop();
    }
}

/// `sigaction`: answers the former action, and sets a new one if there is one. `EINVAL` for a signal
/// that is none, and for a new action of `SIGKILL` or `SIGSTOP`.
pub fn sigaction(signal: i32, new: Option<&Action>) -> Result<Action> {
    let signal = rules::number(signal).map_err(Error::new)?;
    without_delivery(|| {
        let _guard = CHANGING.lock();
        let old = load_action(signal);
        if let Some(new) = new {
            if rules::bit(signal) & rules::UNBLOCKABLE != 0 {
                return Err(Error::new(EINVAL));
            }
            store_action(signal, new).map_err(Error::new)?;
        }
        Ok(old)
    })
}

/// Runs something that no handler of this thread may interrupt.
pub fn without_delivery<T>(f: impl FnOnce() -> T) -> T {
    let Some(tcb) = Tcb::current() else {
        return f();
    };
    let before = tcb.control.control_flags.load(Ordering::Relaxed);
    if before & SigcontrolFlags::INHIBIT_DELIVERY.bits() != 0 {
        return f();
    }
    inhibit(&tcb.control);
    let result = f();
    uninhibit(&tcb.control);
    result
}

/// `pthread_sigmask`: answers the former mask, and changes it if `change` says how (`SIG_*`) and by what.
pub fn sigmask(change: Option<(i32, u64)>) -> Result<u64> {
    let tcb = Tcb::current().ok_or(Error::new(ESRCH))?;
    let old = !allowed(&tcb.control) & !rules::UNBLOCKABLE;
    if let Some((how, set)) = change {
        let new = rules::change_mask(old, how, set).map_err(Error::new)?;
        tcb.control.set_allowset(!new);
        deliver_now(&tcb.control);
    }
    Ok(old)
}

/// How many handlers the calling thread has run.
#[must_use]
pub fn handlers_run() -> usize {
    Tcb::current().map_or(0, |tcb| tcb.signal.handlers.load(Ordering::Relaxed))
}

/// `sigpending`: what waits for this thread or the process.
#[must_use]
pub fn sigpending() -> u64 {
    let thread = Tcb::current().map_or(0, |tcb| {
        let [low, high] = [0, 1].map(|i: usize| {
            tcb.control
                .word
                .get(i)
                .map_or(0, |w| w.load(Ordering::Relaxed) & 0xffff_ffff)
        });
        low | high << 32
    });
    thread | PROCESS.pending.load(Ordering::Relaxed)
}

fn alternate(area: &SignalArea) -> AlternateStack {
    AlternateStack {
        base: area.alternate.load(Ordering::Relaxed),
        len: area.alternate_len.load(Ordering::Relaxed),
    }
}

/// `sigaltstack`: the former stack with C's flags; sets a new one (address, length, flags) if there is one.
pub fn sigaltstack(new: Option<(usize, usize, i32)>) -> Result<(AlternateStack, i32)> {
    let tcb = Tcb::current().ok_or(Error::new(ESRCH))?;
    let here = 0u8;
    let sp = (&raw const here) as usize;
    let old = alternate(&tcb.signal);
    if let Some((base, len, flags)) = new {
        let stack = old.replace(sp, base, len, flags).map_err(Error::new)?;
        without_delivery(|| {
            tcb.signal.alternate.store(stack.base, Ordering::Relaxed);
            tcb.signal.alternate_len.store(stack.len, Ordering::Relaxed);
        });
    }
    Ok((old, old.c_flags(sp)))
}

/// Calls until no signal interrupts it: for all that POSIX has no `EINTR` for. A request that was interrupted has done
/// nothing, and what waits is interrupted by a signal once, when it comes, also if its delivery is put off.
pub fn again<T>(mut call: impl FnMut() -> Result<T>) -> Result<T> {
    loop {
        match call() {
            Err(Error { errno: EINTR }) => {}
            result => return result,
        }
    }
}

/// Calls again what a handler with `SA_RESTART` has interrupted.
pub fn restartable<T>(call: impl FnMut() -> Result<T>) -> Result<T> {
    restartable_unless(|| false, call)
}

/// [`restartable`], but when `stop` says so after an interruption, that is the answer.
pub fn restartable_unless<T>(
    stop: impl Fn() -> bool,
    mut call: impl FnMut() -> Result<T>,
) -> Result<T> {
    loop {
        let count =
            || Tcb::current().map_or(0, |tcb| tcb.signal.interruptions.load(Ordering::Relaxed));
        let before = count();
        match call() {
            Err(e) if e.errno == EINTR && count() == before && !stop() => {}
            result => return result,
        }
    }
}

/// Word and bit of a signal that is pending for a thread.
fn thread_bit(control: &Sigcontrol, signal: u8) -> Option<(&AtomicU64, u64)> {
    let index = usize::from(signal).checked_sub(1)?;
    Some((control.word.get(index / 32)?, 1 << (index % 32)))
}

/// A signal taken out of the pending ones.
struct Taken {
    signal: u8,
    code: i32,
    sender: SenderInfo,
    value: usize,
    address: usize,
}

/// C's `si_code` of signals from `kill` and `raise`.
const SI_USER: i32 = 0;

/// Takes the next deliverable signal, the thread's own before the process's.
fn take_next(tcb: &Tcb) -> Option<Taken> {
    loop {
        let signal = rules::first_of(tcb.control.currently_pending_unblocked(&PROCESS))?;
        let index = usize::from(signal) - 1;
        let (word, bit) = thread_bit(&tcb.control, signal)?;
        let sent = |infos: &[AtomicU64]| Taken {
            signal,
            code: SI_USER,
            sender: SenderInfo::from_raw(infos.get(index).map_or(0, |w| w.load(Ordering::Relaxed))),
            value: 0,
            address: 0,
        };
        if word.fetch_and(!bit, Ordering::AcqRel) & bit != 0 {
            return Some(sent(&tcb.control.sender_infos));
        }
        let taken = |pending: u64| pending & rules::bit(signal) == 0;
        if taken(PROCESS.pending.load(Ordering::Acquire)) {
            // Another thread was faster.
            continue;
        }
        // The sender is one as long as the signal is pending, and whoever is told what came with an ordinary
        // signal has taken it thereby.
        let mut next = sent(&PROCESS.sender_infos);
        let in_queue = next.sender.ruid == cap_abi::process::SENDER_IN_QUEUE;
        if in_queue && queued_info(&mut next) {
            return Some(next);
        }
        if taken(
            PROCESS
                .pending
                .fetch_and(!rules::bit(signal), Ordering::AcqRel),
        ) {
            continue;
        }
        if index >= PROCESS.sender_infos.len() {
            queued_info(&mut next);
        }
        return Some(next);
    }
}

/// Fetches what came with a signal from the manager's queue. `false`: there was nothing.
fn queued_info(taken: &mut Taken) -> bool {
    // `libredox::protocol::RtSigInfo`: the value, a code, user and process.
    let mut bytes = [0u8; size_of::<libredox::protocol::RtSigInfo>()];
    if process::call(ProcCall::Sigdeq, &mut bytes, &[u64::from(taken.signal)]).is_err() {
        return false;
    }
    let word = |at: usize| {
        bytes
            .get(at..at + 4)
            .and_then(|b| b.try_into().ok())
            .map_or(0, u32::from_ne_bytes)
    };
    taken.value = word(0) as usize | (word(4) as usize) << 32;
    taken.code = word(8) as i32;
    taken.sender = SenderInfo {
        ruid: word(12),
        pid: word(16),
    };
    true
}

/// Called by the trampoline on the dispatch stack, delivery inhibited: chooses a signal and puts the
/// frame in place, from which the trampoline goes on.
extern "C" fn choose(interrupted: &mut Ucontext) -> *mut frame::Frame {
    let Some(tcb) = Tcb::current() else {
        crate::exit::exit_with_status(statuses::signaled(rules::SIGSEGV))
    };
    frame::finish_return(interrupted, tcb);
    while let Some(taken) = take_next(tcb) {
        if let Some(frame) = prepare(tcb, interrupted, &taken) {
            return frame;
        }
    }
    // Nothing to do: a frame without a handler leads straight back.
    match rules::frame(
        interrupted.sp(),
        false,
        AlternateStack::default(),
        size_of::<frame::Frame>(),
    ) {
        // SAFETY: below the interrupted function's red zone the stack is free.
        Some(at) => unsafe { frame::place(at, interrupted, current_mask(tcb), None) },
        None => end(rules::SIGSEGV),
    }
}

/// Called by the exception trampoline: the same for the signal of an exception, which ends the
/// process when nobody handles it.
extern "C" fn choose_for_exception(interrupted: &mut Ucontext) -> *mut frame::Frame {
    let Some(tcb) = Tcb::current() else {
        crate::exit::exit_with_status(statuses::signaled(rules::SIGSEGV))
    };
    let packed = tcb.control.saved_excp_code.get();
    let exception = syscall::Exception::unpack(packed, tcb.control.saved_excp_addr.get());
    let (signal, code) = rules::of_exception(exception.kind);
    let blocked = current_mask(tcb) & rules::bit(signal) != 0;
    let taken = Taken {
        signal,
        code,
        sender: SenderInfo { pid: 0, ruid: 0 },
        value: 0,
        address: if signal == rules::SIGSEGV {
            exception.address
        } else {
            interrupted.instruction()
        },
    };
    // An exception cannot be put off or ignored: the instruction would only fail again.
    if blocked {
        end(signal);
    }
    prepare(tcb, interrupted, &taken).unwrap_or_else(|| end(signal))
}

fn current_mask(tcb: &Tcb) -> u64 {
    !allowed(&tcb.control) & !rules::UNBLOCKABLE
}

/// Stops the process; without a manager, this thread, which then is all the kernel knows of.
fn stop(tcb: &Tcb) {
    if process::process_fd().is_some() {
        if let Ok(pid) = process::pid() {
            let own = libredox::protocol::ProcKillTarget::SingleProc(pid as usize);
            let _ = process::kill(own, i32::from(rules::SIGSTOP));
        }
    } else if let Some(context) = tcb.thread_fd() {
        let _ = context.tell(ContextVerb::Stop);
    }
}

fn end(signal: u8) -> ! {
    crate::exit::exit_with_status(statuses::signaled(signal))
}

/// Carries out what the rules say; `None` when no handler is to be called.
fn prepare(tcb: &Tcb, interrupted: &Ucontext, taken: &Taken) -> Option<*mut frame::Frame> {
    if wait::hand_over(tcb, taken) {
        return None;
    }
    let action = load_action(taken.signal);
    let mask = current_mask(tcb);
    let call = match rules::deliver(
        taken.signal,
        &action,
        mask,
        interrupted.sp(),
        alternate(&tcb.signal),
        size_of::<frame::Frame>(),
    ) {
        Delivery::Nothing => return None,
        Delivery::Terminate => end(taken.signal),
        Delivery::Stop => {
            stop(tcb);
            return None;
        }
        Delivery::Call(call) => call,
    };
    if call.reset {
        // The lock is not taken: its holder may be the thread that was interrupted. Should another
        // change meet this one, one of the two wins.
        let _ = store_action(
            taken.signal,
            &Action {
                handler: rules::Handler::Default,
                ..action
            },
        );
    }
    tcb.signal.handlers.fetch_add(1, Ordering::Relaxed);
    if action.flags & rules::flags::SA_RESTART == 0 {
        tcb.signal.interruptions.fetch_add(1, Ordering::Relaxed);
    }
    let restore = if tcb.signal.suspended.swap(0, Ordering::Relaxed) != 0 {
        tcb.signal.suspended_mask.load(Ordering::Relaxed) as u64
    } else {
        mask
    };
    tcb.control.set_allowset(!call.mask);
    // SAFETY: the rules keep the frame below the red zone, or on the alternate stack while it is unused.
    Some(unsafe {
        frame::place(
            call.frame,
            interrupted,
            restore,
            Some((call.handler, taken)),
        )
    })
}

/// Called by the trampoline on the frame's stack: the dispatch stack is free again.
extern "C" fn begin_handler() {
    if let Some(tcb) = Tcb::current() {
        uninhibit(&tcb.control);
    }
}

/// Called by the trampoline when the handler has returned: the mask that the frame says, which the
/// handler may have changed. A signal that is deliverable then gets its frame in the place of this one,
/// so that a storm of signals does not grow the stack. Answers the frame to go on with.
extern "C" fn end_handler(frame: &mut frame::Frame) -> *mut frame::Frame {
    let Some(tcb) = Tcb::current() else {
        end(rules::SIGSEGV)
    };
    loop {
        inhibit(&tcb.control);
        tcb.control
            .set_allowset(!(frame.mask() & !rules::UNBLOCKABLE));
        while let Some(taken) = take_next(tcb) {
            let interrupted = *frame.context();
            if let Some(next) = prepare(tcb, &interrupted, &taken) {
                return next;
            }
        }
        frame.prepare_return();
        allow(&tcb.control);
        if tcb.control.currently_pending_unblocked(&PROCESS) == 0 {
            return frame;
        }
    }
}
