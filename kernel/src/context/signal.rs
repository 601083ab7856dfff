//! Signals and exceptions, as `syscall::sigabi` has them.
//!
//! Pending signals, masks and actions are in pages that the program shares with the process manager.
//! The kernel reads two words there, and jumps.

use super::Context;
use crate::kernel::Kernel;
use core::sync::atomic::Ordering;
use kernel_core::slab::Id;
use syscall::{Exception, flag::SigcontrolFlags};

impl Kernel {
    /// Whether a signal is pending that the context neither blocks nor puts off.
    pub fn signal_deliverable(&self, id: Id<Context>) -> bool {
        let Some(signal) = self.contexts.get(id).and_then(|context| context.signal) else {
            return false;
        };
        let thread = self
            .memory
            .thread_signals(signal.thread_frame, signal.thread_offset);
        let process = self.memory.process_signals(signal.proc_frame);
        let (Some(thread), Some(process)) = (thread, process) else {
            return false;
        };
        let inhibited = thread.control_flags.load(Ordering::Acquire)
            & SigcontrolFlags::INHIBIT_DELIVERY.bits()
            != 0;
        !inhibited && thread.currently_pending_unblocked(process) != 0
    }

    /// Makes the context go to its signal trampoline, if there is a signal for it.
    pub fn deliver_signal(&mut self, id: Id<Context>) {
        let deliverable = self.signal_deliverable(id);
        let Some(context) = self.contexts.get_mut(id) else {
            return;
        };
        context.interrupted = false;
        let Some(signal) = context.signal else { return };
        if !deliverable {
            return;
        }
        let interrupted = context.state.frame.registers();
        context.state.frame.set_ip(signal.user_handler);
        let control = self
            .memory
            .thread_signals(signal.thread_frame, signal.thread_offset);
        let Some(control) = control else { return };
        control.saved_ip.set(interrupted.rip);
        control.saved_archdep_reg.set(interrupted.rflags);
        let bits = control.control_flags.load(Ordering::Relaxed);
        control.control_flags.store(
            bits | SigcontrolFlags::INHIBIT_DELIVERY.bits(),
            Ordering::Release,
        );
    }

    /// Hands an exception to the program's handler, if there is one and it is not what failed.
    fn hand_exception(&mut self, id: Id<Context>, exception: Exception) -> bool {
        let Some(context) = self.contexts.get_mut(id) else {
            return false;
        };
        let Some(signal) = context.signal.filter(|signal| signal.excp_handler != 0) else {
            return false;
        };
        let control = self
            .memory
            .thread_signals(signal.thread_frame, signal.thread_offset);
        let Some(control) = control else { return false };
        let bits = control.control_flags.load(Ordering::Acquire);
        if bits & SigcontrolFlags::HANDLING_EXCEPTION.bits() != 0 {
            return false;
        }
        let interrupted = context.state.frame.registers();
        let (code, address) = exception.pack();
        control.saved_ip.set(interrupted.rip);
        control.saved_archdep_reg.set(interrupted.rflags);
        control.saved_excp_code.set(code);
        control.saved_excp_addr.set(address);
        let flags = SigcontrolFlags::HANDLING_EXCEPTION | SigcontrolFlags::INHIBIT_DELIVERY;
        control
            .control_flags
            .store(bits | flags.bits(), Ordering::Release);
        context.state.frame.set_ip(signal.excp_handler);
        true
    }

    /// An exception in user mode: the program's handler gets it, or the context ends with the exception
    /// as its cause.
    pub fn raise_exception(&mut self, exception: Exception) {
        let Some(id) = self.current else { return };
        if self.hand_exception(id, exception) {
            return;
        }
        if let Some(context) = self.contexts.get_mut(id) {
            context.exception = exception;
            let (ip, sp) = (context.state.frame.ip(), context.state.frame.sp());
            let name = context.attrs.debug_name;
            let (kind, code, address) = (exception.kind, exception.code, exception.address);
            crate::arch::serial::print(format_args!(
                "kernel: {} (context {}, process {}): {}, code {code:#x}, address {address:#x}, \
                 ip {ip:#x}, sp {sp:#x}: ended\n",
                kernel_core::listing::Name(&name),
                id.index(),
                context.attrs.pid,
                crate::arch::exception_name(kind),
            ));
        }
        self.kill(id);
    }
}
