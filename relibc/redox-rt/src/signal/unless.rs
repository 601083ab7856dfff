//! A wait that a handler which comes before it prevents.
//!
//! Between a look whether a handler has run and the system call, another one may run, and the wait would
//! not know of it. The look and the call are therefore a few instructions whose addresses are known: a
//! handler that interrupts them before the call is made lets them go on behind it, with `EINTR`.

use core::mem::offset_of;

use syscall::EINTR;
use syscall::error::Result;
use syscall::number::SYS_READ;

use super::frame::Ucontext;
use crate::sys;
use crate::tcb::{SignalArea, Tcb};

const HANDLERS: usize = offset_of!(Tcb, signal) + offset_of!(SignalArea, handlers);
/// The answer of an interrupted call.
const INTERRUPTED: isize = -(EINTR as isize);

/// [`sys::read`], or `EINTR` if the calling thread has run a handler since
/// [`handlers_run`](super::handlers_run) said `handlers`.
pub fn read_unless_handled(fd: usize, buf: &mut [u8], handlers: usize) -> Result<usize> {
    if Tcb::current().is_none() {
        return sys::read(fd, buf);
    }
    // SAFETY: the thread has a TCB, and the buffer is borrowed for the time of the call.
    sys::demux(unsafe { look_and_read(fd, buf.as_mut_ptr(), buf.len(), handlers) })
}

/// The kernel's answer to a read, or [`INTERRUPTED`].
///
/// # Safety
/// The thread must have a TCB, and the buffer be the caller's to have written.
#[unsafe(naked)]
unsafe extern "C" fn look_and_read(fd: usize, buf: *mut u8, len: usize, handlers: usize) -> usize {
    core::arch::naked_asm!(
        ".globl __redox_rt_unless_first",
        "__redox_rt_unless_first:",
        "cmp rcx, fs:[{handlers}]",
        // A move leaves the flags alone.
        "mov rax, {interrupted}",
        "jne __redox_rt_unless_done",
        "mov rax, {read}",
        ".globl __redox_rt_unless_call",
        "__redox_rt_unless_call:",
        "syscall",
        ".globl __redox_rt_unless_done",
        "__redox_rt_unless_done:",
        "ret",
        handlers = const HANDLERS,
        interrupted = const INTERRUPTED,
        read = const SYS_READ,
    )
}

unsafe extern "C" {
    static __redox_rt_unless_first: u8;
    static __redox_rt_unless_call: u8;
    static __redox_rt_unless_done: u8;
}

/// If `interrupted`, for whose thread a handler is about to run, is about to make such a call: it goes on
/// behind it. A call that has been made answers for itself.
pub(super) fn prevent(interrupted: &mut Ucontext) {
    let first = (&raw const __redox_rt_unless_first) as usize;
    let call = (&raw const __redox_rt_unless_call) as usize;
    if (first..=call).contains(&interrupted.instruction()) {
        interrupted.set_instruction((&raw const __redox_rt_unless_done) as usize);
        interrupted.set_result(INTERRUPTED as usize);
    }
}
