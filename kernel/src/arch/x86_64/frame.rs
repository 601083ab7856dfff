//! A context's integer registers while it is not running.

use syscall::IntRegisters;

/// Selector of the user's 64-bit code segment.
pub const USER_CS: usize = 0x2b;
/// Selector of the user's data and stack segment.
pub const USER_SS: usize = 0x23;

/// `RFLAGS` bits that a user may set as it likes: CF PF AF ZF SF TF DF OF RF AC ID.
pub const USER_RFLAGS: usize = 0x25_0dd5;
/// `RFLAGS` bits that are always set in user mode: interrupts on, and the one that reads as 1.
pub const FIXED_RFLAGS: usize = 0x202;
/// Length of the `syscall` instruction.
const SYSCALL_LEN: usize = 2;
/// `RFLAGS` bits that let a program use I/O ports.
const IOPL: u64 = 3 << 12;

/// The registers of a context at its last entry into the kernel; the entry code writes them here
/// and nowhere else, and the exit code reads them from here.
///
/// While the kernel runs and `slow` is 0, the context came in by the `syscall` instruction: the `rcx`, `r11`, `cs` and
/// `ss` fields are out of date (the instruction itself destroyed the first two, the others are
/// constants), and the exit code may assume that nothing but `rax` was changed. Every method that
/// changes another register therefore brings them up to date and sets `slow`. Use
/// [`TrapFrame::registers`] and [`TrapFrame::set_registers`] for the whole set.
///
/// The end of `regs` must be 16-byte aligned, since the CPU pushes the last five of them itself
/// when it takes an interrupt in user mode.
#[repr(C, align(16))]
#[derive(Clone, Copy, Debug, Default)]
pub struct TrapFrame {
    /// The registers.
    pub regs: IntRegisters,
    /// Not 0: leave by `iretq`, which restores every register.
    pub slow: u64,
    /// `RFLAGS` bits added to what the user may set: 0 or [`IOPL`].
    privilege: u64,
}

impl TrapFrame {
    /// A context that begins at `ip` with stack pointer `sp` and all else zero.
    pub fn new(ip: usize, sp: usize) -> Self {
        let mut frame = Self {
            slow: 1,
            ..Self::default()
        };
        frame.regs.rip = ip;
        frame.regs.rsp = sp;
        frame.regs.rflags = FIXED_RFLAGS;
        frame.regs.cs = USER_CS;
        frame.regs.ss = USER_SS;
        frame
    }

    /// The system call number.
    #[inline]
    pub fn number(&self) -> usize {
        self.regs.rax
    }

    /// The system call's arguments.
    #[inline]
    pub fn args(&self) -> [usize; 6] {
        let r = &self.regs;
        [r.rdi, r.rsi, r.rdx, r.r10, r.r8, r.r9]
    }

    /// Sets what the system call returns.
    #[inline]
    pub fn set_result(&mut self, value: usize) {
        self.regs.rax = value;
    }

    /// Where the context will go on.
    #[inline]
    pub fn ip(&self) -> usize {
        self.regs.rip
    }

    /// Its stack pointer.
    #[inline]
    pub fn sp(&self) -> usize {
        self.regs.rsp
    }

    /// Its flags register.
    #[inline]
    pub fn flags(&self) -> usize {
        self.regs.rflags
    }

    /// Makes the context go on at `ip`. An address that the CPU cannot jump to makes it fault with
    /// general protection, there and then.
    pub fn set_ip(&mut self, ip: usize) {
        self.make_slow();
        self.regs.rip = ip;
    }

    /// Makes the context, which is in a system call that has stored nothing yet, go back to the
    /// instruction that made the call.
    pub fn make_call_again(&mut self) {
        self.make_slow();
        self.regs.rip = self.regs.rip.wrapping_sub(SYSCALL_LEN);
    }

    /// Gives the context another stack pointer.
    pub fn set_sp(&mut self, sp: usize) {
        self.make_slow();
        self.regs.rsp = sp;
    }

    /// The registers, all up to date, for changing one of those that have no method here.
    pub fn regs_mut(&mut self) -> &mut IntRegisters {
        self.make_slow();
        &mut self.regs
    }

    /// All registers as the context sees them.
    pub fn registers(&self) -> IntRegisters {
        let mut copy = *self;
        copy.make_slow();
        copy.regs
    }

    /// Replaces all registers. Segment selectors and privileged flags stay as they are.
    pub fn set_registers(&mut self, regs: &IntRegisters) {
        self.slow = 1;
        self.regs = *regs;
        self.regs.cs = USER_CS;
        self.regs.ss = USER_SS;
        self.regs.rflags = (regs.rflags & USER_RFLAGS) | FIXED_RFLAGS | self.privilege as usize;
    }

    /// Whether the context may use I/O ports (`ContextVerb::Iopl`). With it comes the power to
    /// turn interrupts off.
    pub fn set_io_privilege(&mut self, allowed: bool) {
        self.make_slow();
        self.privilege = if allowed { IOPL } else { 0 };
    }

    /// Single-steps the context (`RFLAGS.TF`) or stops doing so.
    pub fn set_single_step(&mut self, on: bool) {
        const TF: usize = 1 << 8;
        self.make_slow();
        self.regs.rflags = if on {
            self.regs.rflags | TF
        } else {
            self.regs.rflags & !TF
        };
    }

    /// Whether the frame is of user mode; every context's is once it has run.
    pub fn user_mode(&self) -> bool {
        self.slow == 0 || self.regs.cs & 3 == 3
    }

    fn make_slow(&mut self) {
        if self.slow == 0 {
            self.slow = 1;
            self.regs.rcx = self.regs.rip;
            self.regs.r11 = self.regs.rflags;
            self.regs.cs = USER_CS;
            self.regs.ss = USER_SS;
        }
    }
}

/// Offsets that the entry and exit code use.
pub(super) mod offset {
    use super::TrapFrame;
    use core::mem::offset_of;
    use syscall::IntRegisters;

    macro_rules! offsets {
        ($($name:ident $reg:ident)*) => {
            $(pub const $name: usize = offset_of!(TrapFrame, regs) + offset_of!(IntRegisters, $reg);)*
        };
    }
    offsets! {
        R15 r15 R14 r14 R13 r13 R12 r12 RBP rbp RBX rbx R10 r10 R9 r9 R8 r8 RAX rax RDX rdx RSI rsi
        RDI rdi RIP rip CS cs RFLAGS rflags RSP rsp SS ss
    }
    pub const SLOW: usize = offset_of!(TrapFrame, slow);
    pub const PRIVILEGE: usize = offset_of!(TrapFrame, privilege);
    /// Where the CPU's own push of SS ends.
    pub const TOP: usize = SS + 8;

    // The pushes and pops of the entry code rely on this order, the CPU's pushes on the alignment.
    const _: () = {
        assert!(R15 == 0 && RBP == 32 && RBX == 40 && R8 == 72 && RAX == 80);
        assert!(RDX == 96 && RSI == 104 && RDI == 112 && RIP == 120 && CS == 128);
        assert!(RFLAGS == 136 && RSP == 144 && SS == 152 && TOP.is_multiple_of(16));
    };
}
