//! The ways into the kernel and out of it.
//!
//! # Rules
//!
//! Interrupts are off in the kernel, except where it waits for one and between parts of what it does while
//! nobody runs. A CPU runs
//! one piece of kernel code at a time, on one stack that is empty whenever user mode runs.
//! `GS` holds the user's base in user mode and this CPU's [`CpuBlock`](super::cpu) in the kernel.
//!
//! # Entry by `syscall`
//!
//! The CPU leaves RSP and GS as the user had them, so the first instructions run on neither. The
//! entry exchanges GS, finds the current context's frame through it, writes the registers there and
//! switches to the kernel stack. What may come in between:
//!
//! * Maskable interrupts: not, `FMASK` clears IF.
//! * NMI, machine check: run on stacks of their own and do not rely on GS (below).
//! * Debug exceptions: `FMASK` clears TF. A debug exception held back by `mov ss` or `pop ss`
//!   before `syscall` arrives at the kernel's first instruction. It comes from a data breakpoint
//!   (which the kernel never arms) or from TF (which `syscall` saved and cleared); should a CPU
//!   deliver one all the same, vector 1 has its own stack, does not rely on GS either, and a debug
//!   exception that interrupted the kernel is dropped after the breakpoints are disarmed.
//! * Page faults: not, the frame and the block are memory that is always mapped.
//! * Double fault: only by a broken kernel; own stack, fatal.
//!
//! # Entry by exception or interrupt from user mode
//!
//! The task state's RSP0 points to the end of the current frame's register block, so that the CPU
//! itself writes SS, RSP, RFLAGS, CS and RIP into it. The stub pushes the vector (and a zero where
//! the CPU pushed no error code) into the places of RSI and RDI, which are exchanged for the
//! registers; the remaining registers are pushed, and the frame is complete without a copy.
//! GS is exchanged only when CS says that the interrupted code was the user's. That is reliable,
//! because kernel code with the user's GS (the first instructions of `syscall`, the last before a
//! return) takes no exception that does not come through the vectors which ignore GS.
//!
//! # Vectors that may interrupt anything
//!
//! NMI, machine check, double fault and debug exceptions within the kernel find the CPU's block in
//! the top word of their own stack, save the GS base they find, and put it back afterwards. The
//! sign of the GS base proves nothing, since a program may load any address with `wrgsbase`.
//! An NMI handler takes no exception and makes no `iret` but its last, so NMIs do not nest.
//!
//! # Return
//!
//! Through the frame that is current *then*. If its `slow` is 0, by `sysretq`: everything but RAX is
//! as the user had it at `syscall`. When besides the same context returns that entered, R12-R15 and
//! RBP are still in their registers, because the handler is a C function. RIP is checked to
//! be in the lower half first, since `sysretq` to a non-canonical address faults in kernel mode
//! with the user's stack pointer on some CPUs.
//! Otherwise by `iretq`, popping straight out of the frame. That cannot fault: CS and SS are set
//! here, privileged flags are masked here, RIP is checked here (one that cannot be jumped to becomes
//! a general protection fault of the context), and a non-canonical RSP faults only when used.
//! `slow` is cleared on that way, so that every context runs with 0 there and `syscall` need not write
//! it; entries by exception or interrupt set it.
//! From the first pop to `iretq` RSP points into the frame: nothing can interrupt there but vectors
//! with their own stacks.

use super::cpu::gs;
use super::frame::{FIXED_RFLAGS, TrapFrame, USER_CS, USER_RFLAGS, USER_SS, offset};
use super::{fault, irq, regs};
use core::arch::global_asm;
use syscall::IntRegisters;

/// What becomes of a system call's caller.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct SyscallAnswer {
    /// The result.
    pub value: usize,
    /// 1: it is to be stored in the caller's frame, which still exists. 0: it is not.
    pub store: usize,
}

// What the rest of the kernel provides. All run with interrupts off on the kernel stack.
unsafe extern "C" {
    /// A context made a system call. Its registers are in the current frame; what the call is about is
    /// handed over as well, to save looking there.
    safe fn kernel_syscall(
        a: usize,
        b: usize,
        c: usize,
        d: usize,
        e: usize,
        number: usize,
    ) -> SyscallAnswer;
    /// A context touched `address` in a way that its page table does not allow; `code` is the
    /// CPU's error code (bit 0: page present, 1: write, 2: user, 3: reserved bit, 4: fetch).
    safe fn kernel_page_fault(address: usize, code: usize);
    /// A context caused exception `kind` (the vector) with the CPU's error code (for vector 1: the
    /// debug status register) at instruction `address`.
    safe fn kernel_exception(kind: usize, code: usize, address: usize);
    /// Nobody is ready to run. Does a part of what was put off; `true`: there is more, or somebody is ready
    /// now.
    safe fn kernel_idle() -> bool;
}

/// The error codes that the CPU pushes, as a bit for each of the first 32 vectors.
const WITH_CODE: u32 = 1 << 8
    | 1 << 10
    | 1 << 11
    | 1 << 12
    | 1 << 13
    | 1 << 14
    | 1 << 17
    | 1 << 21
    | 1 << 29
    | 1 << 30;

/// Bytes between the stubs of two vectors.
const STUB: u64 = 16;

global_asm!(
    // One stub for each vector, at equal distances. 0x6a is `push imm8`, 0x68 `push imm32`: an
    // assembler symbol as an immediate operand would be read as a memory operand.
    ".pushsection .text.entry, \"ax\"",
    ".balign 16",
    ".global vector_stubs",
    "vector_stubs:",
    ".set vector, 0",
    ".rept 32",
    ".balign 16",
    ".if !(({with_code} >> vector) & 1)",
    ".byte 0x6a, 0",
    ".endif",
    ".byte 0x6a, vector",
    "jmp exception_entry",
    ".set vector, vector + 1",
    ".endr",
    ".rept 224",
    ".balign 16",
    ".byte 0x68",
    ".long vector",
    "jmp interrupt_entry",
    ".set vector, vector + 1",
    ".endr",
    // --- syscall ---
    ".balign 64",
    ".global syscall_entry",
    "syscall_entry:",
    "swapgs",
    "mov gs:[{scratch}], rbx",
    "mov rbx, gs:[{frame}]",
    "mov [rbx + {rsp}], rsp",
    "mov rsp, gs:[{stack_top}]",
    "mov [rbx + {rip}], rcx",
    "mov rcx, gs:[{scratch}]",
    "mov [rbx + {rbx}], rcx",
    "mov [rbx + {rflags}], r11",
    "mov [rbx + {rax}], rax",
    "mov [rbx + {rdi}], rdi",
    "mov [rbx + {rsi}], rsi",
    "mov [rbx + {rdx}], rdx",
    "mov [rbx + {r10}], r10",
    "mov [rbx + {r8}], r8",
    "mov [rbx + {r9}], r9",
    "mov [rbx + {rbp}], rbp",
    "mov [rbx + {r12}], r12",
    "mov [rbx + {r13}], r13",
    "mov [rbx + {r14}], r14",
    "mov [rbx + {r15}], r15",
    "mov rcx, r10",
    "mov r9, rax",
    "call {kernel_syscall}",
    // The answer is the caller's, whoever goes on now.
    "test edx, edx",
    "jz 2f",
    "mov [rbx + {rax}], rax",
    "2:",
    "cmp rbx, gs:[{frame}]",
    "jne exit_to_user",
    "cmp qword ptr [rbx + {slow}], 0",
    "jne exit_slow",
    "exit_fast:",
    "mov rcx, [rbx + {rip}]",
    "mov rdx, rcx",
    "shr rdx, 47",
    "jnz exit_slow",
    "mov r11, [rbx + {rflags}]",
    "mov rax, [rbx + {rax}]",
    "mov rdi, [rbx + {rdi}]",
    "mov rsi, [rbx + {rsi}]",
    "mov rdx, [rbx + {rdx}]",
    "mov r10, [rbx + {r10}]",
    "mov r8, [rbx + {r8}]",
    "mov r9, [rbx + {r9}]",
    "mov rsp, [rbx + {rsp}]",
    "mov rbx, [rbx + {rbx}]",
    "swapgs",
    "sysretq",
    // --- exit ---
    ".balign 16",
    ".global exit_to_user",
    "exit_to_user:",
    "mov rbx, gs:[{frame}]",
    "test rbx, rbx",
    "jz exit_idle",
    "cmp qword ptr [rbx + {slow}], 0",
    "jne exit_slow",
    "mov rbp, [rbx + {rbp}]",
    "mov r12, [rbx + {r12}]",
    "mov r13, [rbx + {r13}]",
    "mov r14, [rbx + {r14}]",
    "mov r15, [rbx + {r15}]",
    "jmp exit_fast",
    "exit_slow:",
    "mov rax, [rbx + {rip}]",
    "shr rax, 47",
    "jnz exit_bad_rip",
    "mov rax, [rbx + {rflags}]",
    "and eax, {user_rflags}",
    "or rax, [rbx + {privilege}]",
    "or rax, {fixed_rflags}",
    "mov [rbx + {rflags}], rax",
    "mov qword ptr [rbx + {cs}], {user_cs}",
    "mov qword ptr [rbx + {ss}], {user_ss}",
    "mov qword ptr [rbx + {slow}], 0",
    "mov rsp, rbx",
    "pop r15",
    "pop r14",
    "pop r13",
    "pop r12",
    "pop rbp",
    "pop rbx",
    "pop r11",
    "pop r10",
    "pop r9",
    "pop r8",
    "pop rax",
    "pop rcx",
    "pop rdx",
    "pop rsi",
    "pop rdi",
    "swapgs",
    "iretq",
    "exit_bad_rip:",
    // The context is at fault for where it, or who sets its registers, wants to go on.
    "mov rsp, gs:[{stack_top}]",
    "mov edi, 13",
    "xor esi, esi",
    "mov rdx, [rbx + {rip}]",
    "call {kernel_exception}",
    "jmp exit_to_user",
    "exit_idle:",
    "mov rsp, gs:[{stack_top}]",
    "call {kernel_idle}",
    "test al, al",
    "jnz 3f",
    // `sti` takes effect after the next instruction, so no interrupt slips in before `hlt`.
    "sti",
    "hlt",
    "cli",
    "jmp exit_to_user",
    // Interrupts come between two parts of what is done while nobody runs.
    "3:",
    "sti",
    "nop",
    "cli",
    "jmp exit_to_user",
    // --- exceptions ---
    ".balign 16",
    "exception_entry:",
    "xchg rsi, [rsp]",
    "xchg rdi, [rsp + 8]",
    "push rdx",
    "push rcx",
    "push rax",
    "push r8",
    "push r9",
    "push r10",
    "push r11",
    "push rbx",
    "push rbp",
    "push r12",
    "push r13",
    "push r14",
    "push r15",
    "test byte ptr [rsp + {cs}], 3",
    "jz exception_in_kernel",
    "swapgs",
    "mov qword ptr [rsp + {slow}], 1",
    "mov rsp, gs:[{stack_top}]",
    "push 2",
    "popfq",
    "call {exception_from_user}",
    "jmp exit_to_user",
    "exception_in_kernel:",
    "mov rdx, rsp",
    "and rsp, -16",
    "push 2",
    "popfq",
    "call {exception_from_kernel}",
    "ud2",
    // --- interrupts ---
    ".balign 16",
    "interrupt_entry:",
    "test byte ptr [rsp + 16], 3",
    "jz interrupt_in_kernel",
    "xchg rdi, [rsp]",
    "push rsi",
    "push rdx",
    "push rcx",
    "push rax",
    "push r8",
    "push r9",
    "push r10",
    "push r11",
    "push rbx",
    "push rbp",
    "push r12",
    "push r13",
    "push r14",
    "push r15",
    "swapgs",
    "mov qword ptr [rsp + {slow}], 1",
    "mov rsp, gs:[{stack_top}]",
    "push 2",
    "popfq",
    "call {interrupt}",
    "jmp exit_to_user",
    // Only while the CPU waits for work: GS is the kernel's, the stack is aligned by the CPU.
    "interrupt_in_kernel:",
    "push rax",
    "push rcx",
    "push rdx",
    "push rsi",
    "push rdi",
    "push r8",
    "push r9",
    "push r10",
    "push r11",
    "mov rdi, [rsp + 72]",
    "sub rsp, 8",
    "cld",
    "call {interrupt}",
    "add rsp, 8",
    "pop r11",
    "pop r10",
    "pop r9",
    "pop r8",
    "pop rdi",
    "pop rsi",
    "pop rdx",
    "pop rcx",
    "pop rax",
    "add rsp, 8",
    "iretq",
    // --- vectors with their own stacks ---
    // The block's address is in the word above what the CPU pushed, 160 bytes above the registers
    // once these are saved. RBX keeps the GS base of the interrupted code.
    ".macro own_stack_entry handler",
    "push rdi",
    "push rsi",
    "push rdx",
    "push rcx",
    "push rax",
    "push r8",
    "push r9",
    "push r10",
    "push r11",
    "push rbx",
    "push rbp",
    "push r12",
    "push r13",
    "push r14",
    "push r15",
    "push 2",
    "popfq",
    "mov ecx, {gs_base}",
    "rdmsr",
    "mov ebx, eax",
    "shl rdx, 32",
    "or rbx, rdx",
    "mov eax, [rsp + 160]",
    "mov edx, [rsp + 164]",
    "wrmsr",
    "mov rdi, rsp",
    "call \\handler",
    "mov ecx, {gs_base}",
    "mov eax, ebx",
    "mov rdx, rbx",
    "shr rdx, 32",
    "wrmsr",
    "pop r15",
    "pop r14",
    "pop r13",
    "pop r12",
    "pop rbp",
    "pop rbx",
    "pop r11",
    "pop r10",
    "pop r9",
    "pop r8",
    "pop rax",
    "pop rcx",
    "pop rdx",
    "pop rsi",
    "pop rdi",
    "iretq",
    ".endm",
    ".balign 16",
    ".global nmi_entry",
    "nmi_entry:",
    "own_stack_entry {nmi}",
    ".balign 16",
    ".global machine_check_entry",
    "machine_check_entry:",
    "own_stack_entry {machine_check}",
    ".balign 16",
    ".global double_fault_entry",
    "double_fault_entry:",
    "add rsp, 8",
    "own_stack_entry {double_fault}",
    ".balign 16",
    ".global debug_entry",
    "debug_entry:",
    "test byte ptr [rsp + 8], 3",
    "jz debug_in_kernel",
    // From user mode: move what the CPU pushed into the frame and go on as if it had been pushed
    // there. The scratch word is free, since no system call is on its way in.
    "swapgs",
    "push rax",
    "push rdi",
    "mov rdi, gs:[{frame}]",
    "mov rax, [rsp + 16]",
    "mov [rdi + {rip}], rax",
    "mov rax, [rsp + 24]",
    "mov [rdi + {cs}], rax",
    "mov rax, [rsp + 32]",
    "mov [rdi + {rflags}], rax",
    "mov rax, [rsp + 40]",
    "mov [rdi + {rsp}], rax",
    "mov rax, [rsp + 48]",
    "mov [rdi + {ss}], rax",
    "add rdi, {rip}",
    "mov gs:[{scratch}], rdi",
    "pop rdi",
    "pop rax",
    "mov rsp, gs:[{scratch}]",
    "swapgs",
    "push 0",
    "push 1",
    "jmp exception_entry",
    "debug_in_kernel:",
    "own_stack_entry {debug}",
    ".popsection",
    with_code = const WITH_CODE,
    scratch = const gs::SCRATCH,
    frame = const gs::FRAME,
    stack_top = const gs::STACK_TOP,
    r15 = const offset::R15,
    r14 = const offset::R14,
    r13 = const offset::R13,
    r12 = const offset::R12,
    rbp = const offset::RBP,
    rbx = const offset::RBX,
    r10 = const offset::R10,
    r9 = const offset::R9,
    r8 = const offset::R8,
    rax = const offset::RAX,
    rdx = const offset::RDX,
    rsi = const offset::RSI,
    rdi = const offset::RDI,
    rip = const offset::RIP,
    cs = const offset::CS,
    rflags = const offset::RFLAGS,
    rsp = const offset::RSP,
    ss = const offset::SS,
    slow = const offset::SLOW,
    privilege = const offset::PRIVILEGE,
    user_rflags = const USER_RFLAGS,
    fixed_rflags = const FIXED_RFLAGS,
    user_cs = const USER_CS,
    user_ss = const USER_SS,
    gs_base = const regs::msr::GS_BASE,
    kernel_syscall = sym kernel_syscall,
    kernel_exception = sym kernel_exception,
    kernel_idle = sym kernel_idle,
    exception_from_user = sym exception_from_user,
    exception_from_kernel = sym fault::exception_from_kernel,
    interrupt = sym irq::interrupt,
    nmi = sym fault::nmi,
    machine_check = sym fault::machine_check,
    double_fault = sym fault::double_fault,
    debug = sym debug_in_kernel,
);

unsafe extern "C" {
    static vector_stubs: [u8; 0];
    fn syscall_entry();
    fn nmi_entry();
    fn machine_check_entry();
    fn double_fault_entry();
    fn debug_entry();
}

/// The entry address of a vector that has no stack of its own.
pub(super) fn stub(vector: u8) -> u64 {
    let base = (&raw const vector_stubs) as u64;
    base.wrapping_add(u64::from(vector).wrapping_mul(STUB))
}

macro_rules! addresses {
    ($($name:ident $symbol:ident)*) => {
        $(pub(super) fn $name() -> u64 { $symbol as *const () as u64 })*
    };
}
addresses! {
    syscall_address syscall_entry
    nmi_address nmi_entry
    machine_check_address machine_check_entry
    double_fault_address double_fault_entry
    debug_address debug_entry
}

/// `RFLAGS` bits that `syscall` clears: TF, IF, DF, IOPL, NT, RF, VM, AC, ID.
pub(super) const FMASK: u64 = 0x27_7700;

extern "C" fn exception_from_user(code: usize, vector: usize) {
    match vector {
        14 => kernel_page_fault(regs::fault_address() as usize, code),
        1 => kernel_exception(vector, fault::take_debug_status() as usize, current_ip()),
        _ => kernel_exception(vector, code, current_ip()),
    }
}

fn current_ip() -> usize {
    let frame: *const TrapFrame = super::cpu::current_frame();
    // SAFETY: an exception from user mode has just filled the current frame, whose owner keeps it
    // in place and unaliased while user mode runs (`set_current_frame`).
    unsafe { frame.as_ref() }.map_or(0, TrapFrame::ip)
}

/// A debug exception whose cause was prepared in user mode and which hit the kernel: see the
/// module's notes on `mov ss`. Disarming the breakpoints keeps it from coming again.
extern "C" fn debug_in_kernel(_registers: &IntRegisters) {
    fault::disarm_breakpoints();
}

/// Leaves the kernel for the first time on this CPU, through the current frame; with none, waits
/// for interrupts until there is one. What is on the stack is forgotten.
pub fn enter_user() -> ! {
    // SAFETY: the stack pointer becomes this CPU's empty kernel stack, which the exit path expects;
    // nothing of the caller's frame is used afterwards.
    unsafe {
        core::arch::asm!("mov rsp, gs:[{}]", "jmp exit_to_user", const gs::STACK_TOP,
            options(noreturn));
    }
}

/// Waits for an interrupt and lets its handler run, nested in the caller.
///
/// The caller must hold no reference to what handlers use (`kernel_irq`, `kernel_timer`,
/// `kernel_serial_input`), and has checked that there is nothing to do. That check and the wait
/// cannot be separated by an interrupt: they are off until the CPU waits.
pub fn idle() {
    // SAFETY: handlers preserve all registers; the stack below RSP is free, because the red zone is
    // not used on this target and the asm may use the stack.
    unsafe { core::arch::asm!("sti", "hlt", "cli") };
}
