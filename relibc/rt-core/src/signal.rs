//! Signals: actions, masks, alternate stacks, and what happens to the next signal.
//!
//! A mask has bit `n - 1` for signal `n`. Signals 1 to 32 are the standard ones, 33 to 64 realtime
//! ones. What is decided here follows POSIX.1-2017, "Signal Concepts".

use syscall::{EINVAL, ENOMEM, EPERM};

/// How many signals there are.
pub const COUNT: usize = 64;

/// The terminal's interrupt key.
pub const SIGINT: u8 = 2;
/// The terminal's quit key.
pub const SIGQUIT: u8 = 3;
/// An instruction that is none.
pub const SIGILL: u8 = 4;
/// A breakpoint or single step.
pub const SIGTRAP: u8 = 5;
/// Memory that is mapped but cannot be had.
pub const SIGBUS: u8 = 7;
/// Arithmetic.
pub const SIGFPE: u8 = 8;
/// Cannot be caught, blocked or ignored.
pub const SIGKILL: u8 = 9;
/// A bad memory access.
pub const SIGSEGV: u8 = 11;
/// A child's state changed.
pub const SIGCHLD: u8 = 17;
/// Continues a stopped process.
pub const SIGCONT: u8 = 18;
/// Cannot be caught, blocked or ignored.
pub const SIGSTOP: u8 = 19;
/// Stop from the terminal.
pub const SIGTSTP: u8 = 20;
/// Background read.
pub const SIGTTIN: u8 = 21;
/// Background write.
pub const SIGTTOU: u8 = 22;
/// Urgent data.
pub const SIGURG: u8 = 23;
/// The terminal's size changed.
pub const SIGWINCH: u8 = 28;

/// The mask bit of a signal; 0 for a number that is none.
#[must_use]
pub const fn bit(signal: u8) -> u64 {
    match signal {
        1..=64 => 1 << (signal - 1),
        _ => 0,
    }
}

/// The signals that no mask blocks.
pub const UNBLOCKABLE: u64 = bit(SIGKILL) | bit(SIGSTOP);

/// Checks a signal number from outside.
pub fn number(raw: i32) -> Result<u8, i32> {
    u8::try_from(raw)
        .ok()
        .filter(|n| (1..=COUNT as u8).contains(n))
        .ok_or(EINVAL)
}

/// What a signal does to a process that has not said otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Default {
    /// Ends it.
    Terminate,
    /// Nothing.
    Ignore,
    /// Stops it.
    Stop,
    /// Lets it go on; nothing when it is not stopped.
    Continue,
}

/// The default of a signal.
#[must_use]
pub const fn default_of(signal: u8) -> Default {
    match signal {
        SIGCHLD | SIGURG | SIGWINCH => Default::Ignore,
        SIGCONT => Default::Continue,
        SIGSTOP | SIGTSTP | SIGTTIN | SIGTTOU => Default::Stop,
        _ => Default::Terminate,
    }
}

/// Who handles a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Handler {
    /// Its default (`SIG_DFL`).
    Default,
    /// Nobody (`SIG_IGN`).
    Ignore,
    /// A function at this address.
    Function(usize),
}

impl Handler {
    /// From C's `sa_handler`: 0 is the default, 1 ignores.
    #[must_use]
    pub const fn from_c(raw: usize) -> Self {
        match raw {
            0 => Self::Default,
            1 => Self::Ignore,
            address => Self::Function(address),
        }
    }

    /// As C's `sa_handler`.
    #[must_use]
    pub const fn to_c(self) -> usize {
        match self {
            Self::Default => 0,
            Self::Ignore => 1,
            Self::Function(address) => address,
        }
    }
}

/// C's `sa_flags` for this system.
pub mod flags {
    /// Children leave no status behind.
    pub const SA_NOCLDWAIT: u32 = 0x0000_0002;
    /// A restorer is given; there is no use for one here.
    pub const SA_RESTORER: u32 = 0x0000_0004;
    /// The handler takes three arguments.
    pub const SA_SIGINFO: u32 = 0x0200_0000;
    /// On the alternate stack.
    pub const SA_ONSTACK: u32 = 0x0400_0000;
    /// Interrupted calls go on.
    pub const SA_RESTART: u32 = 0x0800_0000;
    /// The signal itself is not blocked while it is handled.
    pub const SA_NODEFER: u32 = 0x1000_0000;
    /// Back to the default when it is delivered.
    pub const SA_RESETHAND: u32 = 0x2000_0000;
    /// No signal for children that stop.
    pub const SA_NOCLDSTOP: u32 = 0x4000_0000;
    /// All of them.
    pub const ALL: u32 = SA_NOCLDWAIT
        | SA_RESTORER
        | SA_SIGINFO
        | SA_ONSTACK
        | SA_RESTART
        | SA_NODEFER
        | SA_RESETHAND
        | SA_NOCLDSTOP;
}

use flags::{SA_NOCLDSTOP, SA_NODEFER, SA_ONSTACK, SA_RESETHAND};

/// What `sigaction` sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Action {
    /// Who.
    pub handler: Handler,
    /// `SA_*`.
    pub flags: u32,
    /// What is blocked meanwhile, besides the signal itself.
    pub mask: u64,
}

impl Action {
    /// What every signal begins with.
    pub const DEFAULT: Self = Self {
        handler: Handler::Default,
        flags: 0,
        mask: 0,
    };
}

/// Told to kernel and process manager in a packed action's first word: the signal is ignored.
const IGNORED: u64 = 1 << 63;
/// Likewise: the signal stops the process (`SIGTSTP` and its kin), or stopped children are not told of
/// (`SIGCHLD`).
const SPECIFIC: u64 = 1 << 62;
/// Handlers are addresses of the lower half.
const ADDRESS: u64 = (1 << 47) - 1;
/// `SA_*` flags as they are packed, from this bit on; `SA_NOCLDSTOP` is [`SPECIFIC`] as well.
const FLAGS_SHIFT: u32 = 48;
const PACKED_FLAGS: [u32; 7] = [
    flags::SA_NOCLDWAIT,
    flags::SA_SIGINFO,
    flags::SA_ONSTACK,
    flags::SA_RESTART,
    flags::SA_NODEFER,
    flags::SA_RESETHAND,
    flags::SA_NOCLDSTOP,
];

/// An action as the two words of `redox_syscall::sigabi::RawAction`. `EINVAL` for a handler that is
/// no user address.
pub fn pack(signal: u8, action: &Action) -> Result<[u64; 2], i32> {
    let handler = action.handler.to_c() as u64;
    if handler & !ADDRESS != 0 {
        return Err(EINVAL);
    }
    let mut first = handler;
    for (i, flag) in PACKED_FLAGS.iter().enumerate() {
        if action.flags & flag != 0 {
            first |= 1 << (FLAGS_SHIFT + i as u32);
        }
    }
    let by_default = matches!(action.handler, Handler::Default);
    let ignored = matches!(action.handler, Handler::Ignore)
        || by_default && matches!(default_of(signal), Default::Ignore | Default::Continue);
    if ignored {
        first |= IGNORED;
    }
    let stops = by_default && signal != SIGSTOP && default_of(signal) == Default::Stop;
    if stops || signal == SIGCHLD && action.flags & SA_NOCLDSTOP != 0 {
        first |= SPECIFIC;
    }
    Ok([first, action.mask & !UNBLOCKABLE])
}

/// The action that [`pack`] made the words of.
#[must_use]
pub fn unpack(words: [u64; 2]) -> Action {
    let [first, mask] = words;
    let mut flags = 0;
    for (i, flag) in PACKED_FLAGS.iter().enumerate() {
        if first & (1 << (FLAGS_SHIFT + i as u32)) != 0 {
            flags |= flag;
        }
    }
    Action {
        handler: Handler::from_c((first & ADDRESS) as usize),
        flags,
        mask,
    }
}

/// `sigprocmask`: the new mask. `how` is C's `SIG_BLOCK` (0), `SIG_UNBLOCK` (1) or `SIG_SETMASK` (2).
pub fn change_mask(old: u64, how: i32, set: u64) -> Result<u64, i32> {
    let new = match how {
        0 => old | set,
        1 => old & !set,
        2 => set,
        _ => return Err(EINVAL),
    };
    Ok(new & !UNBLOCKABLE)
}

/// The signal of a set that is delivered first: the lowest number, so that standard signals come
/// before realtime ones and those in their order.
#[must_use]
pub fn first_of(set: u64) -> Option<u8> {
    (set != 0).then(|| set.trailing_zeros() as u8 + 1)
}

/// An alternate stack, as `sigaltstack` sets it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AlternateStack {
    /// Lowest address.
    pub base: usize,
    /// Length; 0 when there is none.
    pub len: usize,
}

/// C's `SS_ONSTACK`.
pub const SS_ONSTACK: i32 = 1;
/// C's `SS_DISABLE`.
pub const SS_DISABLE: i32 = 2;
/// Shortest alternate stack, C's `MINSIGSTKSZ`: a frame and a handler of some size.
pub const MIN_STACK: usize = 2048;

impl AlternateStack {
    /// Whether a stack pointer is on it.
    #[must_use]
    pub fn contains(&self, sp: usize) -> bool {
        // A full-descending stack's pointer may equal the end when it is empty.
        self.len != 0
            && sp
                .checked_sub(self.base)
                .is_some_and(|at| at != 0 && at <= self.len)
    }

    /// C's `ss_flags` for it.
    #[must_use]
    pub fn c_flags(&self, sp: usize) -> i32 {
        if self.len == 0 {
            SS_DISABLE
        } else if self.contains(sp) {
            SS_ONSTACK
        } else {
            0
        }
    }

    /// `sigaltstack`: checks a new one while the stack pointer is `sp`. `EPERM` when the old one is in
    /// use, `EINVAL` for unknown flags, `ENOMEM` for one that is too short or beyond the address space.
    pub fn replace(&self, sp: usize, base: usize, len: usize, c_flags: i32) -> Result<Self, i32> {
        if self.contains(sp) {
            return Err(EPERM);
        }
        match c_flags {
            SS_DISABLE => Ok(Self::default()),
            0 | SS_ONSTACK if len < MIN_STACK || base.checked_add(len).is_none() => Err(ENOMEM),
            0 | SS_ONSTACK => Ok(Self { base, len }),
            _ => Err(EINVAL),
        }
    }
}

/// What to do with a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// Nothing.
    Nothing,
    /// End the process because of it.
    Terminate,
    /// Stop the process.
    Stop,
    /// Call a function.
    Call(Call),
}

/// How a handler is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Call {
    /// Where it is.
    pub handler: usize,
    /// What is blocked while it runs.
    pub mask: u64,
    /// Where its frame begins: a multiple of 16, with room for the frame above.
    pub frame: usize,
    /// Whether the action goes back to the default now.
    pub reset: bool,
}

/// The part of the stack below the stack pointer that a function may use without saying so.
pub const RED_ZONE: usize = 128;

/// Decides what happens to `signal` in a thread with this action, mask, stack pointer and alternate
/// stack, and where a frame of `frame_len` bytes goes. A stack pointer without room for the frame
/// above address 0 terminates.
#[must_use]
pub fn deliver(
    signal: u8,
    action: &Action,
    mask: u64,
    sp: usize,
    alternate: AlternateStack,
    frame_len: usize,
) -> Delivery {
    let handler = match action.handler {
        Handler::Ignore => return Delivery::Nothing,
        Handler::Default => {
            return match default_of(signal) {
                Default::Terminate => Delivery::Terminate,
                Default::Stop => Delivery::Stop,
                Default::Ignore | Default::Continue => Delivery::Nothing,
            };
        }
        Handler::Function(address) => address,
    };
    let own = if action.flags & SA_NODEFER == 0 {
        bit(signal)
    } else {
        0
    };
    match frame(sp, action.flags & SA_ONSTACK != 0, alternate, frame_len) {
        Some(frame) => Delivery::Call(Call {
            handler,
            mask: (mask | action.mask | own) & !UNBLOCKABLE,
            frame,
            reset: action.flags & SA_RESETHAND != 0,
        }),
        None => Delivery::Terminate,
    }
}

/// Where a frame of `len` bytes goes: on the alternate stack if it is wanted, there and not in use,
/// otherwise below the stack pointer's red zone.
#[must_use]
pub fn frame(
    sp: usize,
    on_alternate: bool,
    alternate: AlternateStack,
    len: usize,
) -> Option<usize> {
    let top = if on_alternate && alternate.len != 0 && !alternate.contains(sp) {
        alternate.base.checked_add(alternate.len)?
    } else {
        sp.checked_sub(RED_ZONE)?
    };
    let frame = top.checked_sub(len)? & !15;
    (frame != 0).then_some(frame)
}

/// The signal of an x86-64 exception, and its `si_code`.
#[must_use]
pub const fn of_exception(vector: usize) -> (u8, i32) {
    match vector {
        // Divide error: FPE_INTDIV.
        0 => (SIGFPE, 1),
        // x87 and SIMD: FPE_FLTINV, the usual one.
        16 | 19 => (SIGFPE, 7),
        // Debug and breakpoint: TRAP_TRACE, TRAP_BRKPT.
        1 => (SIGTRAP, 2),
        3 => (SIGTRAP, 1),
        // Invalid opcode, no device: ILL_ILLOPN.
        6 | 7 => (SIGILL, 2),
        // Alignment check: BUS_ADRALN.
        17 => (SIGBUS, 1),
        // Page fault: SEGV_MAPERR.
        14 => (SIGSEGV, 1),
        // General protection and the rest: no address is known.
        _ => (SIGSEGV, 128),
    }
}

#[cfg(test)]
mod tests;
