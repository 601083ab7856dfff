//! System calls: from registers to the kernel's operations and back.

pub mod call;
pub mod file;
pub mod futex;
pub mod map;
pub mod open;
pub mod time;

use crate::{
    error::{Halt, Outcome, fail, mux},
    kernel::{Kernel, WaitKey},
};
use syscall::{error::ENOSYS, number::*};

impl Kernel {
    /// Performs again the system call that the running context's registers still describe, and that it waited with
    /// for a change of `key`, and stores its result unless the context waits once more.
    pub fn repeat_call(&mut self, key: WaitKey) {
        let Some(context) = self.this() else { return };
        let number = context.state.frame.number();
        let [a, b, c, d, e, _] = context.state.frame.args();
        let outcome = match self.check_repeated(key) {
            Ok(()) => self.dispatch(number, a, b, c, d, e),
            Err(halt) => Err(halt),
        };
        let result = match outcome {
            Ok(value) => value,
            Err(Halt::Errno(errno)) => mux(Err(errno)),
            Err(Halt::Blocked | Halt::Retry) => return,
        };
        if let Some(context) = self.this() {
            context.state.frame.set_result(result);
        }
    }

    /// Ends a part of a call that takes long. The context makes the same call again from user mode, where
    /// interrupts come in between and others may run; what is done by then must not need to be done again.
    pub fn go_on_later<T>(&mut self) -> Outcome<T> {
        if let Some(context) = self.this() {
            context.state.frame.make_call_again();
        }
        Err(Halt::Blocked)
    }

    /// Performs a system call of the running context.
    ///
    /// # Errors
    /// `ENOSYS` for a number that is none; those of the call.
    #[inline]
    pub fn dispatch(
        &mut self,
        number: usize,
        a: usize,
        b: usize,
        c: usize,
        d: usize,
        e: usize,
    ) -> Outcome {
        match number {
            SYS_READ => self.sys_read(a, b, c),
            SYS_WRITE => self.sys_write(a, b, c),
            SYS_CALL => self.sys_call(a, b, c, d, e),
            SYS_OPENAT_INTO2 => self.sys_openat(a, b, c, d, e),
            SYS_OPENAT_INTO => self.sys_openat_first(a, b, c, d, e),
            SYS_UNLINKAT => self.sys_unlinkat(a, b, c, d),
            SYS_CLOSE => self.sys_close(a),
            SYS_DUP_INTO => self.sys_dup_into(a, b, c, d),
            SYS_DUP2 => self.sys_dup2(a, b, c, d),
            SYS_READ2 => self.sys_read2(a, b, c, d, e),
            SYS_WRITE2 => self.sys_write2(a, b, c, d, e),
            SYS_LSEEK => self.sys_lseek(a, b, c),
            SYS_FCHOWN => self.sys_fchown(a, b, c),
            SYS_FCNTL => self.sys_fcntl(a, b, c),
            SYS_FEVENT => self.sys_fevent(a, b),
            SYS_FMAP => self.sys_fmap(a, b, c),
            SYS_FUNMAP => self.sys_funmap(a, b),
            SYS_MREMAP => self.sys_mremap(a, b, c, d, e),
            SYS_FLINK => self.sys_flink(a, b, c),
            SYS_FPATH => self.sys_fpath(a, b, c),
            SYS_FRENAME => self.sys_frename(a, b, c),
            SYS_FSTAT => self.sys_fstat(a, b, c),
            SYS_FSYNC => self.sys_fsync(a),
            SYS_CLOCK_GETTIME => self.sys_clock_gettime(a, b),
            SYS_FUTEX => self.sys_futex(a, b, c, d, e),
            SYS_MPROTECT => self.sys_mprotect(a, b, c),
            SYS_NANOSLEEP => self.sys_nanosleep(a, b),
            SYS_YIELD => self.sys_yield(),
            _ => fail(ENOSYS),
        }
    }
}
