//! Where the machine-dependent layer calls in, and how the kernel begins.

use crate::{
    arch::{self, SyscallAnswer},
    context::Context,
    error::{Halt, Outcome, mux},
    kernel::{self, Kernel},
    memory::space::Access,
    scheme::user::payload::Direction,
};
use syscall::{Exception, error::ENOSYS, number::*};

/// Vector of a page fault, as the kind of an exception.
const PAGE_FAULT: usize = 14;

/// Bits of a page fault's code.
mod code {
    pub const WRITE: usize = 1 << 1;
    /// A table's entry has bits that this processor reserves: an address that it cannot have.
    pub const RESERVED: usize = 1 << 3;
    pub const FETCH: usize = 1 << 4;
}

/// Runs `f`, then decides who goes on. With nobody ready the frame is taken from the CPU, which then
/// waits for interrupts.
#[inline]
fn enter<T>(f: impl FnOnce(&mut Kernel) -> T) -> Option<T> {
    kernel::with(|kernel| {
        let result = f(kernel);
        leave(kernel);
        result
    })
}

#[inline]
fn leave(kernel: &mut Kernel) {
    if kernel.chores.due {
        kernel.do_chores();
    }
    if !kernel.leave() {
        // SAFETY: no frame at all is always allowed.
        unsafe { arch::set_current_frame(core::ptr::null_mut()) };
    }
}

/// Nothing is to be stored: the caller waits, or its result is where it belongs already.
const NO_ANSWER: SyscallAnswer = SyscallAnswer { value: 0, store: 0 };

#[unsafe(no_mangle)]
extern "C" fn kernel_syscall(
    a: usize,
    b: usize,
    c: usize,
    d: usize,
    e: usize,
    number: usize,
) -> SyscallAnswer {
    match number {
        SYS_CALL => call(a, b, c, d, e),
        SYS_OPENAT_INTO2 => open(a, b, c, d, e),
        SYS_READ2 => read(a, b, c, d, e),
        SYS_WRITE2 => write(a, b, c, d, e),
        SYS_READ => read(a, b, c, usize::MAX, usize::MAX),
        SYS_WRITE => write(a, b, c, usize::MAX, usize::MAX),
        SYS_DUP_INTO => duplicate(a, b, c, d),
        SYS_CLOSE => close(a),
        _ => perform(a, b, c, d, e, number),
    }
}

/// Any call.
#[inline(never)]
fn perform(a: usize, b: usize, c: usize, d: usize, e: usize, number: usize) -> SyscallAnswer {
    let answer = enter(|kernel| answer_of(kernel.dispatch(number, a, b, c, d, e)));
    answer.unwrap_or(NO_ANSWER)
}

#[inline]
const fn answer_of(outcome: Outcome) -> SyscallAnswer {
    match outcome {
        // A context that is gone by now has ended itself, which is never answered.
        Ok(value) => SyscallAnswer { value, store: 1 },
        Err(Halt::Errno(errno)) => SyscallAnswer {
            value: mux(Err(errno)),
            store: 1,
        },
        Err(Halt::Blocked | Halt::Retry) => NO_ANSWER,
    }
}

/// A call that mostly goes straight to another program, which then runs: that is tried first.
#[inline(always)]
fn try_directly(
    direct: impl FnOnce(&mut Kernel) -> Option<()>,
    full: impl FnOnce(&mut Kernel) -> Outcome,
) -> SyscallAnswer {
    let answer = kernel::with(|kernel| {
        if direct(kernel).is_some() {
            return NO_ANSWER;
        }
        let answer = answer_of(full(kernel));
        leave(kernel);
        answer
    });
    answer.unwrap_or(NO_ANSWER)
}

#[inline(never)]
fn call(a: usize, b: usize, c: usize, d: usize, e: usize) -> SyscallAnswer {
    try_directly(|kernel| kernel.call_directly(a, b, c, d, e), in_full)
}

#[inline(never)]
fn open(a: usize, b: usize, c: usize, d: usize, e: usize) -> SyscallAnswer {
    try_directly(|kernel| kernel.open_directly(a, b, c, d, e), in_full)
}

#[inline(never)]
fn duplicate(a: usize, b: usize, c: usize, d: usize) -> SyscallAnswer {
    try_directly(|kernel| kernel.duplicate_directly(a, b, c, d), in_full)
}

#[inline(never)]
fn close(fd: usize) -> SyscallAnswer {
    let answer = enter(|kernel| {
        answer_of(match kernel.close_directly(fd) {
            Some(()) => Ok(0),
            None => kernel.sys_close(fd),
        })
    });
    answer.unwrap_or(NO_ANSWER)
}

/// The call that the running context's registers describe: what has been tried need not keep its arguments.
#[inline(never)]
fn in_full(kernel: &mut Kernel) -> Outcome {
    let Some(context) = kernel.this() else {
        return Err(Halt::Blocked);
    };
    let number = context.state.frame.number();
    let [a, b, c, d, e, _] = context.state.frame.args();
    match number {
        SYS_CALL => kernel.sys_call(a, b, c, d, e),
        SYS_OPENAT_INTO2 => kernel.sys_openat(a, b, c, d, e),
        SYS_DUP_INTO => kernel.sys_dup_into(a, b, c, d),
        _ => Err(Halt::Errno(ENOSYS)),
    }
}

/// Reads and writes with all ones for `d` and `e` are those at the description's position, with its flags.
#[inline(never)]
fn read(a: usize, b: usize, c: usize, d: usize, e: usize) -> SyscallAnswer {
    try_directly(
        |kernel| kernel.transfer_directly(a, b, c, (d, e), Direction::Out),
        |kernel| kernel.sys_read2(a, b, c, d, e),
    )
}

#[inline(never)]
fn write(a: usize, b: usize, c: usize, d: usize, e: usize) -> SyscallAnswer {
    try_directly(
        |kernel| kernel.transfer_directly(a, b, c, (d, e), Direction::In),
        |kernel| kernel.sys_write2(a, b, c, d, e),
    )
}

#[unsafe(no_mangle)]
extern "C" fn kernel_page_fault(address: usize, code: usize) {
    enter(|kernel| {
        let access = if code & code::FETCH != 0 {
            Access::Exec
        } else if code & code::WRITE != 0 {
            Access::Write
        } else {
            Access::Read
        };
        if code & code::RESERVED != 0 || !kernel.page_fault(address, access) {
            kernel.raise_exception(Exception {
                kind: PAGE_FAULT,
                code,
                address,
            });
        }
    });
}

#[unsafe(no_mangle)]
extern "C" fn kernel_exception(kind: usize, code: usize, address: usize) {
    enter(|kernel| {
        kernel.raise_exception(Exception {
            kind,
            code,
            address,
        })
    });
}

/// Nobody is ready to run. Does a part of what was put off; `true`: there is more, or somebody is ready now.
#[unsafe(no_mangle)]
extern "C" fn kernel_idle() -> bool {
    enter(Kernel::call_for_chores).unwrap_or(false)
}

#[unsafe(no_mangle)]
extern "C" fn kernel_irq(number: usize) {
    enter(|kernel| kernel.irq_fired(number as u32));
}

#[unsafe(no_mangle)]
extern "C" fn kernel_timer() {
    enter(Kernel::timer_fired);
}

#[unsafe(no_mangle)]
extern "C" fn kernel_serial_input(byte: u8) {
    enter(|kernel| kernel.console_input(byte));
}

/// Gives the CPU to a context: page table, registers, and the frame that the way out goes through.
#[inline]
pub fn load(context: &mut Context, root: u64) {
    // SAFETY: `root` is the root of the context's own space, which the context keeps alive; when the
    // space ends while loaded, `release_space` loads the kernel's. Contexts do not move, and one that is
    // removed from the slab is not current: `kill` takes the frame from the CPU first. No reference to the
    // frame outlives the kernel's lock.
    unsafe { arch::switch_to(None, &mut context.state, root) };
}

impl Kernel {
    /// Loads the running context's space again after it was given another, to run another program: nothing
    /// is left of what was in its floating-point and vector registers.
    pub fn load_new_program(&mut self) {
        let Some(id) = self.current else { return };
        let Some(context) = self.contexts.get_mut(id) else {
            return;
        };
        let root = context.root;
        context.state.save();
        context.state.fpu.reset();
        load(context, root);
    }

    /// Makes an access possible, if the mapping allows it.
    fn page_fault(&mut self, address: usize, access: Access) -> bool {
        match self.spaces.get_mut(self.current_space) {
            Some(space) => space
                .memory
                .fault(&mut self.memory, address, access)
                .is_ok(),
            None => false,
        }
    }
}
