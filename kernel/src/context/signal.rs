//! Signals and exceptions, as `syscall::sigabi` has them.
//!
//! Pending signals, masks and actions are in pages that the program shares with the process manager.
//! The kernel reads two words there, and jumps.

use super::{Context, SignalState};
use crate::kernel::Kernel;
use core::sync::atomic::Ordering;
use kernel_core::slab::Id;
use syscall::{Exception, SigProcControl, Sigcontrol, flag::SigcontrolFlags};

impl Kernel {
    /// The thread's part of the signal state.
    fn thread_control(&self, signal: &SignalState) -> &Sigcontrol {
        self.memory.shared_record(signal.thread_frame, signal.thread_offset)
    }

    /// The process's part of the signal state.
    fn process_control(&self, signal: &SignalState) -> &SigProcControl {
        self.memory.shared_record(signal.proc_frame, 0)
    }

    /// Whether a signal is pending that the context neither blocks nor puts off.
    pub fn signal_deliverable(&self, id: Id<Context>) -> bool {
        let Some(signal) = self.contexts.get(id).and_then(|context| context.signal) else {
            return false;
        };
        let control = self.thread_control(&signal);
        let inhibited = control.control_flags.load(Ordering::Acquire)
            & SigcontrolFlags::INHIBIT_DELIVERY.bits()
            != 0;
        !inhibited && control.currently_pending_unblocked(self.process_control(&signal)) != 0
    }

    /// Makes the context go to its signal trampoline, if there is a signal for it.
    pub fn deliver_signal(&mut self, id: Id<Context>) {
        let deliverable = self.signal_deliverable(id);
        let Some(context) = self.contexts.get_mut(id) else { return };
        context.interrupted = false;
        let Some(signal) = context.signal else { return };
        if !deliverable {
            return;
        }
        let (ip, flags) = (context.state.frame.ip(), context.state.frame.flags());
        context.state.frame.set_ip(signal.user_handler);
        let control = self.thread_control(&signal);
        control.saved_ip.set(ip);
        control.saved_archdep_reg.set(flags);
        let bits = control.control_flags.load(Ordering::Relaxed);
        control
            .control_flags
            .store(bits | SigcontrolFlags::INHIBIT_DELIVERY.bits(), Ordering::Release);
    }

    /// An exception in user mode: the program's handler gets it, if there is one and it is not what
    /// failed; otherwise the context ends with the exception as its cause.
    pub fn raise_exception(&mut self, exception: Exception) {
        let Some(id) = self.current else { return };
        let Some(context) = self.contexts.get_mut(id) else { return };
        let (ip, flags) = (context.state.frame.ip(), context.state.frame.flags());
        if let Some(signal) = context.signal
            && signal.excp_handler != 0
        {
            let bits = self.thread_control(&signal).control_flags.load(Ordering::Acquire);
            if bits & SigcontrolFlags::HANDLING_EXCEPTION.bits() == 0 {
                let (code, address) = exception.pack();
                let control = self.thread_control(&signal);
                control.saved_ip.set(ip);
                control.saved_archdep_reg.set(flags);
                control.saved_excp_code.set(code);
                control.saved_excp_addr.set(address);
                let flags =
                    SigcontrolFlags::HANDLING_EXCEPTION | SigcontrolFlags::INHIBIT_DELIVERY;
                control.control_flags.store(bits | flags.bits(), Ordering::Release);
                if let Some(context) = self.contexts.get_mut(id) {
                    context.state.frame.set_ip(signal.excp_handler);
                }
                return;
            }
        }
        if let Some(context) = self.contexts.get_mut(id) {
            context.exception = exception;
            let name = context.attrs.debug_name;
            let (kind, code, address) = (exception.kind, exception.code, exception.address);
            let sp = context.state.frame.sp();
            crate::arch::log(format_args!(
                "context {} ({}): exception {kind} code {code:#x} address {address:#x} ip {ip:#x} sp {sp:#x}: ended\n",
                id.index(),
                printable(&name),
            ));
        }
        self.kill(id);
    }
}

/// The text of a zero-padded name.
pub fn printable(name: &[u8]) -> &str {
    let end = name.iter().position(|byte| *byte == 0).unwrap_or(name.len());
    name.get(..end).and_then(|name| core::str::from_utf8(name).ok()).unwrap_or("?")
}
