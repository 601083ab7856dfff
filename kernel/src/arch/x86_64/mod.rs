//! The x86-64 PC. This file lists what the rest of the kernel may use; each item is described where
//! it is defined.
//!
//! By the time `crate::start` runs, everything here is set up, interrupts are off, the stack is the
//! boot CPU's kernel stack, and nothing has been allocated from the heap. The rest of the kernel
//! provides these functions, `extern "C"` and not mangled, all called with interrupts off:
//!
//! * `kernel_syscall(a, b, c, d, e, number)`, which answers a [`SyscallAnswer`];
//! * `kernel_page_fault(address: usize, code: usize)`;
//! * `kernel_exception(kind: usize, code: usize, address: usize)`, the kind being the vector and the
//!   address that of the instruction;
//! * `kernel_idle() -> bool`, before the CPU waits for an interrupt;
//! * `kernel_irq(number: usize)`: line 0 to 23, or message interrupt from [`irq::MESSAGE_FIRST`] on;
//! * `kernel_timer()`;
//! * `kernel_serial_input(byte: u8)`.
//!
//! When one of the first three returns, or one of the others that interrupted user mode, the frame
//! set by [`set_current_frame`] (usually through [`switch_to`]) is returned through. With none, the
//! CPU waits for an interrupt, runs its handler and looks again; [`idle`] does the same under the
//! caller's control.

mod boot;
mod cpu;
mod descriptors;
mod entry;
mod fault;
mod fpu;
mod frame;
pub mod irq;
mod kmap;
mod lapic;
pub mod paging;
mod platform;
mod power;
mod pvh;
mod regs;
pub mod serial;
mod switch;
pub mod time;

pub use boot::{free_memory, managed_ranges};
pub use cpu::{
    Features, cpu_id, cpu_name, current_frame, features, hardware_random, set_current_frame,
};
pub use entry::{SyscallAnswer, enter_user, idle};
pub use fault::{FAILED, exception_name, nmi_count, stop_after_panic};
pub use fpu::FpuArea;
pub use frame::TrapFrame;
pub use kmap::{DIRECT_MAP, DIRECT_MAP_LEN, kernel_root};
pub use platform::{Platform, platform, root_pointer};
pub use power::{debug_exit, halt, reboot, shutdown};
pub use regs::{flush_page, ticks, tsc};
pub use serial::{print as log, write as serial_write};
pub use switch::{UserState, load_root, loaded_root, release, switch_to};
pub use time::{arm_timer, now_ns, ticks_to_ns};
