//! The end of the process.

use libredox::protocol::ProcCall;
use rt_core::wait;
use syscall::flag::ContextVerb;

use crate::process;
use crate::sys;
use crate::tcb::Tcb;

/// Ends the process with an exit code, of which the low 8 bits count.
pub fn exit(code: i32) -> ! {
    exit_with_status(wait::exited(code))
}

/// Ends the process with a status word (see `rt_core::wait`). With a process manager it ends all
/// threads; without one, this thread's context, which then is all the kernel knows of.
pub fn exit_with_status(status: u32) -> ! {
    if let Some(fd) = process::process_fd() {
        let verb = [ProcCall::Exit as u64, u64::from(status)];
        let _ = crate::signal::again(|| sys::call(fd, syscall::CallFlags::empty(), &verb));
    }
    end_context(status)
}

/// Ends the calling context: its `status` handle is told to kill it, and why.
pub(crate) fn end_context(status: u32) -> ! {
    if let Some(context) = Tcb::current().and_then(Tcb::thread_fd)
        && let Ok(handle) = context.handle(b"status")
    {
        let _ = handle.write(sys::bytes_of(&[
            ContextVerb::ForceKill as usize,
            status as usize,
        ]));
    }
    loop {
        // SAFETY: an invalid instruction ends the context when nothing else did: its exception is
        // unhandled or, if handled, comes back here.
        unsafe { core::arch::asm!("ud2", options(nomem, nostack)) };
    }
}
