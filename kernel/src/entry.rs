//! Where the machine-dependent layer calls in, and how the kernel begins.

use crate::{
    arch::{self, SyscallAnswer},
    context::Context,
    error::{Halt, mux},
    kernel::{self, Kernel},
    memory::space::Access,
};
use syscall::Exception;

/// Vector of a page fault, as the kind of an exception.
const PAGE_FAULT: usize = 14;

/// Bits of a page fault's code.
mod code {
    pub const WRITE: usize = 1 << 1;
    pub const FETCH: usize = 1 << 4;
}

/// Runs `f`, then decides who goes on. With nobody ready the frame is taken from the CPU, which then
/// waits for interrupts.
#[inline]
fn enter<T>(f: impl FnOnce(&mut Kernel) -> T) -> Option<T> {
    kernel::with(|kernel| {
        let result = f(kernel);
        if kernel.chores.due {
            kernel.do_chores();
        }
        if !kernel.leave() {
            // SAFETY: no frame at all is always allowed.
            unsafe { arch::set_current_frame(core::ptr::null_mut()) };
        }
        result
    })
}

#[unsafe(no_mangle)]
extern "C" fn kernel_syscall(
    a: usize,
    b: usize,
    c: usize,
    d: usize,
    e: usize,
    number: usize,
) -> SyscallAnswer {
    const NONE: SyscallAnswer = SyscallAnswer { value: 0, store: 0 };
    let answer = enter(|kernel| match kernel.dispatch(number, a, b, c, d, e) {
        // A context that is gone by now has ended itself, which is never answered.
        Ok(value) => SyscallAnswer { value, store: 1 },
        Err(Halt::Errno(errno)) => SyscallAnswer {
            value: mux(Err(errno)),
            store: 1,
        },
        Err(Halt::Blocked | Halt::Retry) => NONE,
    });
    answer.unwrap_or(NONE)
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
        if !kernel.page_fault(address, access) {
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
    /// Loads the running context's space again after it was given another.
    pub fn load_current(&mut self) {
        let Some(id) = self.current else { return };
        let Some(context) = self.contexts.get_mut(id) else {
            return;
        };
        let root = context.root;
        context.state.save();
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
