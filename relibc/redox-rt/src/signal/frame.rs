//! The trampoline, and the memory in which an interrupted thread waits for its handler's return.
//!
//! At its entry every register but the instruction pointer and flags is the interrupted code's; those
//! two are in `Sigcontrol`. The state is saved on the thread's dispatch stack first, then
//! copied to where the handler runs, so that choosing a signal needs nothing of the program's stacks.
//!
//! The way back takes no system call. It cannot be one `iretq` either: emulated by QEMU before 9.1 it
//! faults at privilege level 3 while SMAP is on. The last instructions therefore jump through a word of
//! the TCB, and a signal that arrives among them finds the interrupted state as if they were done
//! ([`finish_return`]).

use core::mem::offset_of;
use core::sync::atomic::{AtomicU8, Ordering};

use syscall::Sigcontrol;

use super::Taken;
use crate::tcb::{SignalArea, Tcb};

/// C's `ucontext_t` for this system (the `libc` crate's layout).
#[repr(C, align(16))]
#[derive(Clone, Copy)]
pub struct Ucontext {
    padding: usize,
    link: usize,
    stack: usize,
    stack_flags: i32,
    stack_padding: i32,
    stack_len: usize,
    mask: u64,
    value: usize,
    code: i32,
    signal: i32,
    /// Upper halves of the 16 AVX registers.
    ymm_upper: [[u64; 2]; 16],
    /// `fxsave`'s image without the 48 bytes that it leaves to software, which hold r15 to rbx.
    fxsave: [[u64; 2]; 29],
    /// r15, r14, r13, r12, rbp, rbx, r11, r10, r9, r8, rax, rcx, rdx, rsi, rdi, rflags, rip, rsp.
    registers: [usize; 18],
}

const MACHINE: usize = offset_of!(Ucontext, ymm_upper);
const FX: usize = offset_of!(Ucontext, fxsave);
const REGS: usize = offset_of!(Ucontext, registers);
const RAX: usize = 10;
const RFLAGS: usize = 15;
const RIP: usize = 16;
const RSP: usize = 17;

const _: () = {
    assert!(MACHINE == 64 && FX == 320 && REGS == 784 && size_of::<Ucontext>() == 928);
};

impl Ucontext {
    /// Address of the instruction that is executed next after the handler.
    #[must_use]
    pub const fn instruction(&self) -> usize {
        self.registers[RIP]
    }

    /// Lets the interrupted code go on elsewhere.
    pub const fn set_instruction(&mut self, address: usize) {
        self.registers[RIP] = address;
    }

    /// Changes what the interrupted code has in rax, where the answers of calls are.
    pub(super) const fn set_result(&mut self, result: usize) {
        self.registers[RAX] = result;
    }

    /// The interrupted stack pointer.
    pub(super) const fn sp(&self) -> usize {
        self.registers[RSP]
    }
}

/// C's `siginfo_t` for this system (the `libc` crate's layout).
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct SigInfo {
    /// `si_signo`.
    pub signal: i32,
    /// `si_errno`: 0.
    pub errno: i32,
    /// `si_code`.
    pub code: i32,
    /// `si_pid`.
    pub pid: i32,
    /// `si_uid`.
    pub uid: u32,
    /// `si_addr`.
    pub address: usize,
    /// `si_status`.
    pub status: i32,
    /// `si_value`.
    pub value: usize,
}

/// What is on the handler's stack. The stack pointer stays at its beginning until the very end, so that
/// a signal that interrupts the way back puts its own frame below.
#[repr(C, align(16))]
pub struct Frame {
    /// Flags to go back with.
    flags: usize,
    /// Address of the handler; 0 when there is nothing to call.
    handler: usize,
    context: Ucontext,
    info: SigInfo,
}

const CONTEXT: usize = offset_of!(Frame, context);
const FRAME_REGS: usize = CONTEXT + REGS;

impl Frame {
    /// What is blocked once the handler has returned.
    pub(super) const fn mask(&self) -> u64 {
        self.context.mask
    }

    /// The interrupted state, which the handler may have changed.
    pub(super) const fn context(&self) -> &Ucontext {
        &self.context
    }

    /// Makes the frame ready to go back, with nothing to call. Only flags that user code may change come
    /// from it.
    pub(super) const fn prepare_return(&mut self) {
        /// Carry, parity, adjust, zero, sign, direction, overflow, alignment check, id.
        const USER_FLAGS: usize = 0x0024_0cd5;
        /// The reserved bit that is always set, and interrupts.
        const FIXED_FLAGS: usize = 0x202;
        self.handler = 0;
        self.flags = self.context.registers[RFLAGS] & USER_FLAGS | FIXED_FLAGS;
    }
}

/// If the last instructions of a way back were interrupted: makes their end the interrupted state. Before
/// the jump, the stack pointer still is the frame's; at the jump, everything but the instruction pointer
/// is in place.
pub(super) fn finish_return(interrupted: &mut Ucontext, tcb: &Tcb) {
    let ip = interrupted.instruction();
    let first = (&raw const __redox_rt_return_first) as usize;
    let jump = (&raw const __redox_rt_return_jump) as usize;
    if ip == jump {
        interrupted.set_instruction(tcb.signal.return_ip.load(Ordering::Relaxed));
    } else if (first..jump).contains(&ip) {
        // SAFETY: among these instructions the stack pointer is the address of a frame.
        let frame = unsafe { &*(interrupted.sp() as *const Frame) };
        interrupted.ymm_upper = frame.context.ymm_upper;
        interrupted.fxsave = frame.context.fxsave;
        interrupted.registers = frame.context.registers;
    }
}

unsafe extern "C" {
    static __redox_rt_return_first: u8;
    static __redox_rt_return_jump: u8;
}

/// Puts a frame at `at`: the interrupted state, the mask to go back to, and whom to call.
///
/// # Safety
/// The memory from `at` on must be free for a frame; a fault there is a double fault, which ends the thread.
pub(super) unsafe fn place(
    at: usize,
    interrupted: &Ucontext,
    mask: u64,
    call: Option<(usize, &Taken)>,
) -> *mut Frame {
    let frame = at as *mut Frame;
    let info = call.map_or(SigInfo::default(), |(_, t)| SigInfo {
        signal: i32::from(t.signal),
        errno: 0,
        code: t.code,
        pid: t.sender.pid as i32,
        uid: t.sender.ruid,
        address: t.address,
        status: 0,
        value: t.value,
    });
    let mut context = Ucontext {
        link: 0,
        mask,
        value: info.value,
        code: info.code,
        signal: info.signal,
        ..*interrupted
    };
    if call.is_some() {
        super::unless::prevent(&mut context);
    }
    // SAFETY: the caller answers for the memory.
    unsafe {
        frame.write(Frame {
            flags: 0,
            handler: call.map_or(0, |(handler, _)| handler),
            context,
            info,
        })
    };
    frame
}

/// 1 when the AVX registers exist and the kernel keeps them.
static HAS_AVX: AtomicU8 = AtomicU8::new(0);

/// Finds out whether there are AVX registers to save.
pub(super) fn detect_avx() {
    /// OSXSAVE and AVX in leaf 1's ecx.
    const NEEDED: u32 = 1 << 27 | 1 << 28;
    if core::arch::x86_64::__cpuid(1).ecx & NEEDED != NEEDED {
        return;
    }
    let low: u32;
    // SAFETY: OSXSAVE says that the instruction is there.
    unsafe {
        core::arch::asm!("xgetbv", in("ecx") 0, out("eax") low, out("edx") _, options(nomem, nostack))
    };
    // SSE and AVX state are enabled.
    HAS_AVX.store(u8::from(low & 6 == 6), Ordering::Relaxed);
}

/// All exceptions masked, rounding to nearest.
static INITIAL_MXCSR: u32 = 0x1f80;

const SCRATCH: usize = offset_of!(Tcb, signal) + offset_of!(SignalArea, scratch);
const DISPATCH: usize = offset_of!(Tcb, signal) + offset_of!(SignalArea, dispatch_stack);
const RETURN_IP: usize = offset_of!(Tcb, signal) + offset_of!(SignalArea, return_ip);
const SAVED_IP: usize = offset_of!(Tcb, control) + offset_of!(Sigcontrol, saved_ip);
const SAVED_FLAGS: usize = offset_of!(Tcb, control) + offset_of!(Sigcontrol, saved_archdep_reg);
const CONTROL_FLAGS: usize = offset_of!(Tcb, control) + offset_of!(Sigcontrol, control_flags);

/// Joins the lines for the upper halves of the AVX registers.
macro_rules! each_ymm {
    ($($op:literal),+) => {
        concat!($($op, "\n"),+)
    };
}

const INHIBIT_AND_EXCEPTION: usize = syscall::SigcontrolFlags::INHIBIT_DELIVERY.bits()
    | syscall::SigcontrolFlags::HANDLING_EXCEPTION.bits();

/// Enters the trampoline as the kernel does, with the return of this function as what was interrupted.
///
/// # Safety
/// Delivery must be inhibited, and the thread's dispatch stack be there.
#[unsafe(naked)]
pub(super) unsafe extern "C" fn deliver_to_self() {
    core::arch::naked_asm!(
        "pushfq",
        "pop rax",
        "mov fs:[{saved_flags}], rax",
        "lea rax, [rip + 2f]",
        "mov fs:[{saved_ip}], rax",
        "jmp {on_signal}",
        "2:",
        "ret",
        saved_flags = const SAVED_FLAGS,
        saved_ip = const SAVED_IP,
        on_signal = sym on_signal,
    )
}

/// Where the kernel goes for a pending signal. Until the handler runs, an exception ends the context:
/// the dispatch stack is in use.
#[unsafe(naked)]
pub(super) unsafe extern "C" fn on_signal() {
    core::arch::naked_asm!(
        "mov fs:[{scratch}], rsp",
        "mov rsp, fs:[{dispatch}]",
        "sub rsp, {size}",
        "mov [rsp + {regs} + 10*8], rax",
        "or qword ptr fs:[{control_flags}], {flags}",
        "lea rax, [rip + {choose}]",
        "jmp {common}",
        scratch = const SCRATCH,
        dispatch = const DISPATCH,
        size = const size_of::<Ucontext>(),
        regs = const REGS,
        control_flags = const CONTROL_FLAGS,
        flags = const INHIBIT_AND_EXCEPTION,
        choose = sym super::choose,
        common = sym common,
    )
}

/// Where the kernel goes for an exception.
#[unsafe(naked)]
pub(super) unsafe extern "C" fn on_exception() {
    core::arch::naked_asm!(
        "mov fs:[{scratch}], rsp",
        "mov rsp, fs:[{dispatch}]",
        "sub rsp, {size}",
        "mov [rsp + {regs} + 10*8], rax",
        "or qword ptr fs:[{control_flags}], {flags}",
        "lea rax, [rip + {choose}]",
        "jmp {common}",
        scratch = const SCRATCH,
        dispatch = const DISPATCH,
        size = const size_of::<Ucontext>(),
        regs = const REGS,
        control_flags = const CONTROL_FLAGS,
        flags = const INHIBIT_AND_EXCEPTION,
        choose = sym super::choose_for_exception,
        common = sym common,
    )
}

/// The rest of both: rax is the function that chooses, the stack pointer a [`Ucontext`] with rax saved.
#[unsafe(naked)]
unsafe extern "C" fn common() {
    core::arch::naked_asm!(
        "mov [rsp + {regs} + 11*8], rcx",
        "mov [rsp + {regs} + 12*8], rdx",
        "mov [rsp + {regs} + 13*8], rsi",
        "mov [rsp + {regs} + 14*8], rdi",
        "mov rcx, fs:[{saved_flags}]",
        "mov [rsp + {regs} + 15*8], rcx",
        "mov rcx, fs:[{saved_ip}]",
        "mov [rsp + {regs} + 16*8], rcx",
        "mov rcx, fs:[{scratch}]",
        "mov [rsp + {regs} + 17*8], rcx",
        "fxsave64 [rsp + {fx}]",
        // After fxsave: these lie in the bytes that it leaves to software.
        "mov [rsp + {regs} + 0*8], r15",
        "mov [rsp + {regs} + 1*8], r14",
        "mov [rsp + {regs} + 2*8], r13",
        "mov [rsp + {regs} + 3*8], r12",
        "mov [rsp + {regs} + 4*8], rbp",
        "mov [rsp + {regs} + 5*8], rbx",
        "mov [rsp + {regs} + 6*8], r11",
        "mov [rsp + {regs} + 7*8], r10",
        "mov [rsp + {regs} + 8*8], r9",
        "mov [rsp + {regs} + 9*8], r8",
        "mov rdi, rsp",
        "cmp byte ptr [rip + {has_avx}], 0",
        "je 2f",
        "lea rcx, [rsp + {ymm}]",
        each_ymm!(
            "vextractf128 [rcx + 0*16], ymm0, 1", "vextractf128 [rcx + 1*16], ymm1, 1",
            "vextractf128 [rcx + 2*16], ymm2, 1", "vextractf128 [rcx + 3*16], ymm3, 1",
            "vextractf128 [rcx + 4*16], ymm4, 1", "vextractf128 [rcx + 5*16], ymm5, 1",
            "vextractf128 [rcx + 6*16], ymm6, 1", "vextractf128 [rcx + 7*16], ymm7, 1",
            "vextractf128 [rcx + 8*16], ymm8, 1", "vextractf128 [rcx + 9*16], ymm9, 1",
            "vextractf128 [rcx + 10*16], ymm10, 1", "vextractf128 [rcx + 11*16], ymm11, 1",
            "vextractf128 [rcx + 12*16], ymm12, 1", "vextractf128 [rcx + 13*16], ymm13, 1",
            "vextractf128 [rcx + 14*16], ymm14, 1", "vextractf128 [rcx + 15*16], ymm15, 1",
            "vzeroupper"
        ),
        "2:",
        "cld",
        "call rax",
        // The frame, on the stack that the handler runs on.
        "5:",
        "mov rsp, rax",
        "mov rbx, rax",
        "call {begin}",
        "mov rax, [rbx + {handler}]",
        "test rax, rax",
        "jz 3f",
        "mov edi, [rbx + {info}]",
        "lea rsi, [rbx + {info}]",
        "lea rdx, [rbx + {context}]",
        "cld",
        // The ABI has the x87 stack empty at a call, and a full one or MMX values may be in it; the other
        // arithmetic state starts as a thread's does. `fxrstor64` brings back what was interrupted.
        "fninit",
        "ldmxcsr [rip + {mxcsr}]",
        "call rax",
        "3:",
        "mov rdi, rbx",
        "call {end}",
        "cmp qword ptr [rax + {handler}], 0",
        "jne 5b",
        "cmp byte ptr [rip + {has_avx}], 0",
        "fxrstor64 [rbx + {context} + {fx}]",
        "je 4f",
        "lea rcx, [rbx + {context} + {ymm}]",
        each_ymm!(
            "vinsertf128 ymm0, ymm0, [rcx + 0*16], 1", "vinsertf128 ymm1, ymm1, [rcx + 1*16], 1",
            "vinsertf128 ymm2, ymm2, [rcx + 2*16], 1", "vinsertf128 ymm3, ymm3, [rcx + 3*16], 1",
            "vinsertf128 ymm4, ymm4, [rcx + 4*16], 1", "vinsertf128 ymm5, ymm5, [rcx + 5*16], 1",
            "vinsertf128 ymm6, ymm6, [rcx + 6*16], 1", "vinsertf128 ymm7, ymm7, [rcx + 7*16], 1",
            "vinsertf128 ymm8, ymm8, [rcx + 8*16], 1", "vinsertf128 ymm9, ymm9, [rcx + 9*16], 1",
            "vinsertf128 ymm10, ymm10, [rcx + 10*16], 1", "vinsertf128 ymm11, ymm11, [rcx + 11*16], 1",
            "vinsertf128 ymm12, ymm12, [rcx + 12*16], 1", "vinsertf128 ymm13, ymm13, [rcx + 13*16], 1",
            "vinsertf128 ymm14, ymm14, [rcx + 14*16], 1", "vinsertf128 ymm15, ymm15, [rcx + 15*16], 1"
        ),
        "4:",
        "mov rsp, rbx",
        "popfq",
        "mov rsp, rbx",
        // From here on only moves, which leave the flags alone.
        ".globl __redox_rt_return_first",
        "__redox_rt_return_first:",
        "mov rax, [rbx + {frame_regs} + 16*8]",
        "mov fs:[{return_ip}], rax",
        "mov r15, [rbx + {frame_regs} + 0*8]",
        "mov r14, [rbx + {frame_regs} + 1*8]",
        "mov r13, [rbx + {frame_regs} + 2*8]",
        "mov r12, [rbx + {frame_regs} + 3*8]",
        "mov rbp, [rbx + {frame_regs} + 4*8]",
        "mov r11, [rbx + {frame_regs} + 6*8]",
        "mov r10, [rbx + {frame_regs} + 7*8]",
        "mov r9, [rbx + {frame_regs} + 8*8]",
        "mov r8, [rbx + {frame_regs} + 9*8]",
        "mov rax, [rbx + {frame_regs} + 10*8]",
        "mov rcx, [rbx + {frame_regs} + 11*8]",
        "mov rdx, [rbx + {frame_regs} + 12*8]",
        "mov rsi, [rbx + {frame_regs} + 13*8]",
        "mov rdi, [rbx + {frame_regs} + 14*8]",
        "mov rbx, [rbx + {frame_regs} + 5*8]",
        "mov rsp, [rsp + {frame_regs} + 17*8]",
        ".globl __redox_rt_return_jump",
        "__redox_rt_return_jump:",
        "jmp qword ptr fs:[{return_ip}]",
        regs = const REGS,
        fx = const FX,
        ymm = const MACHINE,
        saved_flags = const SAVED_FLAGS,
        saved_ip = const SAVED_IP,
        scratch = const SCRATCH,
        return_ip = const RETURN_IP,
        has_avx = sym HAS_AVX,
        mxcsr = sym INITIAL_MXCSR,
        begin = sym super::begin_handler,
        end = sym super::end_handler,
        handler = const offset_of!(Frame, handler),
        info = const offset_of!(Frame, info),
        context = const CONTEXT,
        frame_regs = const FRAME_REGS,
    )
}
