//! What happens when the kernel itself faults: everything known goes to the serial port, and the
//! machine stops.

use super::cpu::{self, BOOT_AREA};
use super::{power, regs, serial};
use core::arch::asm;
use core::fmt::Write;
use core::sync::atomic::Ordering;
use syscall::IntRegisters;

/// What [`power::debug_exit`] is given when the kernel has failed.
pub const FAILED: u8 = 0x7f;

unsafe extern "C" {
    static __kernel_start: [u8; 0];
    static __text_end: [u8; 0];
}

/// At most so many addresses of a backtrace are printed.
const BACKTRACE: usize = 32;

const NAMES: [&str; 32] = [
    "divide error",
    "debug",
    "non-maskable interrupt",
    "breakpoint",
    "overflow",
    "bound range",
    "invalid opcode",
    "device not available",
    "double fault",
    "vector 9",
    "invalid task state",
    "segment not present",
    "stack fault",
    "general protection",
    "page fault",
    "vector 15",
    "x87 floating point",
    "alignment check",
    "machine check",
    "SIMD floating point",
    "virtualization",
    "control protection",
    "vector 22",
    "vector 23",
    "vector 24",
    "vector 25",
    "vector 26",
    "vector 27",
    "hypervisor injection",
    "VMM communication",
    "security",
    "vector 31",
];

/// The name of an exception's vector.
pub fn exception_name(vector: usize) -> &'static str {
    NAMES.get(vector).copied().unwrap_or("unknown vector")
}

fn print_registers(r: &IntRegisters) {
    let mut out = serial::Unlocked;
    let _ = writeln!(
        out,
        "  rip {:016x}  rsp {:016x}  rflags {:08x}",
        r.rip, r.rsp, r.rflags
    );
    let _ = writeln!(
        out,
        "  rax {:016x}  rbx {:016x}  rcx {:016x}",
        r.rax, r.rbx, r.rcx
    );
    let _ = writeln!(
        out,
        "  rdx {:016x}  rsi {:016x}  rdi {:016x}",
        r.rdx, r.rsi, r.rdi
    );
    let _ = writeln!(
        out,
        "  rbp {:016x}  r8  {:016x}  r9  {:016x}",
        r.rbp, r.r8, r.r9
    );
    let _ = writeln!(
        out,
        "  r10 {:016x}  r11 {:016x}  r12 {:016x}",
        r.r10, r.r11, r.r12
    );
    let _ = writeln!(
        out,
        "  r13 {:016x}  r14 {:016x}  r15 {:016x}",
        r.r13, r.r14, r.r15
    );
    let _ = writeln!(
        out,
        "  cs {:04x}  ss {:04x}  cr2 {:016x}  cr3 {:016x}",
        r.cs,
        r.ss,
        regs::fault_address(),
        regs::root()
    );
}

/// Prints the words on the stack at `sp` and above that lie in the kernel's code. The kernel is
/// compiled without frame pointers, so some of them may be stale.
fn print_backtrace(sp: u64) {
    let mut out = serial::Unlocked;
    let text = (&raw const __kernel_start) as u64..(&raw const __text_end) as u64;
    // A stack pointer in the guard below a stack has overflowed that one.
    let reach = |(low, top): &(u64, u64)| low.saturating_sub(cpu::GUARD as u64)..*top;
    let stack = BOOT_AREA
        .stacks()
        .into_iter()
        .find(|stack| reach(stack).contains(&sp));
    let Some((low, top)) = stack else {
        let _ = writeln!(out, "  stack pointer outside the kernel's stacks");
        return;
    };
    let first = sp.max(low).saturating_add(7) & !7;
    let words = (first..top).step_by(8).map(|at| {
        // SAFETY: `at` is an aligned word within one of this CPU's stacks, which are always mapped
        // and never freed. A volatile read makes no claim about what the word is.
        unsafe { (at as *const u64).read_volatile() }
    });
    for word in words.filter(|w| text.contains(w)).take(BACKTRACE) {
        let _ = writeln!(out, "  called from {word:#x}");
    }
}

fn stop(what: &str, code: u64, registers: &IntRegisters) -> ! {
    let _ = writeln!(
        serial::Unlocked,
        "\nkernel: {what} in kernel mode, error code {code:#x}"
    );
    print_registers(registers);
    print_backtrace(registers.rsp as u64);
    power::debug_exit(FAILED)
}

/// Prints the return addresses above the caller and stops the machine; the end of a panic.
pub fn stop_after_panic() -> ! {
    let sp: u64;
    // SAFETY: reads a register.
    unsafe { asm!("mov {}, rsp", out(reg) sp, options(nomem, nostack, preserves_flags)) };
    print_backtrace(sp);
    power::debug_exit(FAILED)
}

/// The kernel caused an exception.
pub(super) extern "C" fn exception_from_kernel(
    code: u64,
    vector: usize,
    registers: &IntRegisters,
) -> ! {
    stop(exception_name(vector), code, registers)
}

pub(super) extern "C" fn double_fault(registers: &IntRegisters) {
    stop("double fault (stack overflow?)", 0, registers)
}

pub(super) extern "C" fn machine_check(registers: &IntRegisters) {
    stop("machine check", 0, registers)
}

/// A non-maskable interrupt: from a watchdog, a failing memory module or somebody at the machine's
/// console who wants to know where it is. It is reported and the machine goes on.
pub(super) extern "C" fn nmi(registers: &IntRegisters) {
    cpu::current().nmis().fetch_add(1, Ordering::Relaxed);
    let _ = writeln!(
        serial::Unlocked,
        "\nkernel: non-maskable interrupt at {:#x}, cs {:#x}, sp {:#x}",
        registers.rip,
        registers.cs,
        registers.rsp
    );
}

/// How many non-maskable interrupts this CPU has taken.
pub fn nmi_count() -> u64 {
    cpu::current().nmis().load(Ordering::Relaxed)
}

/// Reads the debug status register and clears it, as the CPU only ever sets bits in it.
pub(super) fn take_debug_status() -> u64 {
    let status: u64;
    // SAFETY: DR6 is status only. 0xffff_0ff0 is its value after reset.
    unsafe {
        asm!("mov {0}, dr6", "mov dr6, {1}", out(reg) status, in(reg) 0xffff_0ff0u64,
            options(nomem, nostack, preserves_flags));
    }
    status & 0xe00f
}

/// Turns all hardware breakpoints off.
pub(super) fn disarm_breakpoints() {
    // SAFETY: 0x400 is DR7 with no breakpoint enabled.
    unsafe {
        asm!("mov dr7, {}", in(reg) 0x400u64, options(nomem, nostack, preserves_flags));
    }
    take_debug_status();
}
