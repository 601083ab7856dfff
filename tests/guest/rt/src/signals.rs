//! Signals that a thread sends to itself, and its exceptions.

use alloc::vec;
use core::sync::atomic::{AtomicI32, AtomicUsize, Ordering};

use guest_test::{Outcome, check, check_eq, check_error};
use redox_rt::signal::{self, SigInfo, Ucontext};
use rt_core::signal::flags::{SA_NODEFER, SA_ONSTACK, SA_RESETHAND, SA_SIGINFO};
use rt_core::signal::{Action, Handler, SIGSEGV, bit};
use syscall::{ContextVerb, EINTR, EINVAL, EPERM};

const SIGUSR1: i32 = 10;
const SIGUSR2: i32 = 12;
const SIGTERM: i32 = 15;
const BLOCK: i32 = 0;
const UNBLOCK: i32 = 1;

static CALLS: AtomicUsize = AtomicUsize::new(0);
static LAST: AtomicI32 = AtomicI32::new(0);
static MASK: AtomicUsize = AtomicUsize::new(0);
static STACK: AtomicUsize = AtomicUsize::new(0);
static DEPTH: AtomicUsize = AtomicUsize::new(0);

pub fn run() -> i32 {
    if let Err(e) = signal::init(0, 0) {
        redox_rt::eprintln!("test-rt: signals: {e}");
        return 3;
    }
    guest_test::run!["signals" =>
        handler_runs_with_its_mask, blocked_ones_wait, actions_are_answered, bad_numbers_are_refused,
        once_only, registers_survive, on_the_alternate_stack, nested, a_storm_needs_little_stack, suspend_takes_one,
        a_bad_access_can_be_handled, a_computation_survives,
    ]
}

fn action(handler: extern "C" fn(i32, &SigInfo, &mut Ucontext), flags: u32, mask: u64) -> Action {
    Action {
        handler: Handler::Function(handler as *const () as usize),
        flags: flags | SA_SIGINFO,
        mask,
    }
}

fn reset() {
    for word in [&CALLS, &MASK, &STACK, &DEPTH] {
        word.store(0, Ordering::SeqCst);
    }
    LAST.store(0, Ordering::SeqCst);
}

extern "C" fn note(signal: i32, info: &SigInfo, _: &mut Ucontext) {
    let here = 0u8;
    STACK.store((&raw const here) as usize, Ordering::SeqCst);
    CALLS.fetch_add(1, Ordering::SeqCst);
    LAST.store(
        if info.signal == signal { signal } else { -1 },
        Ordering::SeqCst,
    );
    MASK.store(
        signal::sigmask(None).unwrap_or(0) as usize,
        Ordering::SeqCst,
    );
}

fn handler_runs_with_its_mask() -> Outcome {
    reset();
    signal::sigaction(SIGUSR1, Some(&action(note, 0, bit(12))))?;
    signal::raise(SIGUSR1)?;
    check_eq!(CALLS.load(Ordering::SeqCst), 1);
    check_eq!(LAST.load(Ordering::SeqCst), SIGUSR1);
    check_eq!(MASK.load(Ordering::SeqCst) as u64, bit(10) | bit(12));
    check_eq!(signal::sigmask(None)?, 0);
    Ok(())
}

fn blocked_ones_wait() -> Outcome {
    reset();
    signal::sigaction(SIGUSR1, Some(&action(note, 0, 0)))?;
    signal::sigmask(Some((BLOCK, bit(10))))?;
    signal::raise(SIGUSR1)?;
    signal::raise(SIGUSR1)?;
    check_eq!(CALLS.load(Ordering::SeqCst), 0);
    check_eq!(signal::sigpending(), bit(10));
    signal::sigmask(Some((UNBLOCK, bit(10))))?;
    check_eq!(
        CALLS.load(Ordering::SeqCst),
        1,
        "standard signals do not queue"
    );
    check_eq!(signal::sigpending(), 0);
    Ok(())
}

fn actions_are_answered() -> Outcome {
    let set = action(note, SA_ONSTACK, bit(3));
    signal::sigaction(SIGUSR2, Some(&set))?;
    check_eq!(signal::sigaction(SIGUSR2, Some(&Action::DEFAULT))?, set);
    check_eq!(signal::sigaction(SIGUSR2, None)?, Action::DEFAULT);
    Ok(())
}

fn bad_numbers_are_refused() -> Outcome {
    for signal in [0, -1, 65, 9, 19] {
        check_error!(
            signal::sigaction(signal, Some(&Action::DEFAULT)),
            EINVAL,
            "{signal}"
        );
    }
    check_error!(signal::raise(65), EINVAL);
    check_error!(signal::sigmask(Some((3, 0))), EINVAL);
    Ok(())
}

fn once_only() -> Outcome {
    reset();
    signal::sigaction(SIGUSR1, Some(&action(note, SA_RESETHAND, 0)))?;
    signal::raise(SIGUSR1)?;
    check_eq!(CALLS.load(Ordering::SeqCst), 1);
    check_eq!(signal::sigaction(SIGUSR1, None)?.handler, Handler::Default);
    Ok(())
}

extern "C" fn spoil(_: i32, _: &SigInfo, _: &mut Ucontext) {
    CALLS.fetch_add(1, Ordering::SeqCst);
    // SAFETY: every register named here is declared as changed.
    unsafe {
        core::arch::asm!(
            "mov rax, -1", "mov rcx, -1", "mov rdx, -1", "mov rsi, -1", "mov rdi, -1", "mov r8, -1", "mov r9, -1",
            "mov r10, -1", "mov r11, -1", "pcmpeqd xmm0, xmm0", "pcmpeqd xmm7, xmm7", "pcmpeqd xmm15, xmm15",
            out("rax") _, out("rcx") _, out("rdx") _, out("rsi") _, out("rdi") _, out("r8") _, out("r9") _,
            out("r10") _, out("r11") _, out("xmm0") _, out("xmm7") _, out("xmm15") _,
        );
    }
}

/// A handler changes everything it may; the interrupted code sees only what the system call says it changes.
fn registers_survive() -> Outcome {
    reset();
    signal::sigaction(SIGUSR1, Some(&action(spoil, 0, 0)))?;
    signal::sigmask(Some((BLOCK, bit(10))))?;
    signal::raise(SIGUSR1)?;
    let Some(tcb) = redox_rt::tcb::Tcb::current() else {
        guest_test::fail!("no block")
    };
    tcb.control.set_allowset(!0);
    let Some(context) = tcb.thread_fd() else {
        guest_test::fail!("no context")
    };
    let status = context.handle(b"status")?;
    let verb = ContextVerb::Interrupt as usize;
    let (fd, data) = (status.raw(), &raw const verb as usize);
    let mut words = [0usize; 9];
    let lanes: [u64; 3];
    // SAFETY: the call changes rax, rcx and r11 only; what lies below the stack pointer is given back.
    unsafe {
        let (x0, x7, x15): (u64, u64, u64);
        core::arch::asm!(
            "mov [r12 + 64], rsp",
            "mov rdx, 8", "mov r8, 14", "mov r9, 15", "mov r10, 16",
            "mov r13, 100", "movq xmm0, r13", "mov r13, 107", "movq xmm7, r13", "mov r13, 115", "movq xmm15, r13",
            "mov qword ptr [rsp - 8], 17",
            "mov eax, {number}",
            "syscall",
            "mov [r12], rdx", "mov [r12 + 8], rsi", "mov [r12 + 16], rdi", "mov [r12 + 24], r8", "mov [r12 + 32], r9",
            "mov [r12 + 40], r10",
            "mov rax, [rsp - 8]",
            "mov [r12 + 48], rax",
            "mov [r12 + 56], rsp",
            number = const syscall::SYS_WRITE,
            in("r12") words.as_mut_ptr(),
            inout("rdi") fd => _, inout("rsi") data => _,
            out("rax") _, out("rcx") _, out("r11") _, out("rdx") _, out("r8") _, out("r9") _,
            out("r10") _, out("r13") _, out("xmm0") x0, out("xmm7") x7, out("xmm15") x15,
        );
        lanes = [x0, x7, x15];
    }
    check_eq!(CALLS.load(Ordering::SeqCst), 1);
    check_eq!(words[..6], [8, data, fd, 14, 15, 16]);
    check_eq!(words[6], 17, "the red zone");
    check_eq!(words[7], words[8], "the stack pointer");
    check_eq!(lanes, [100, 107, 115]);
    Ok(())
}

fn on_the_alternate_stack() -> Outcome {
    reset();
    let memory = vec![0u8; 32 << 10];
    let base = memory.as_ptr() as usize;
    signal::sigaltstack(Some((base, memory.len(), 0)))?;
    signal::sigaction(SIGUSR1, Some(&action(note, SA_ONSTACK, 0)))?;
    signal::raise(SIGUSR1)?;
    let at = STACK.load(Ordering::SeqCst);
    check!(
        (base..base + memory.len()).contains(&at),
        "{at:#x} is not on it"
    );
    signal::sigaction(SIGUSR1, Some(&action(note, 0, 0)))?;
    signal::raise(SIGUSR1)?;
    let at = STACK.load(Ordering::SeqCst);
    check!(
        !(base..base + memory.len()).contains(&at),
        "{at:#x} is on it"
    );
    signal::sigaction(SIGUSR2, Some(&action(change_stack, SA_ONSTACK, 0)))?;
    signal::raise(SIGUSR2)?;
    check_eq!(LAST.load(Ordering::SeqCst), EPERM, "it is in use");
    signal::sigaltstack(Some((0, 0, rt_core::signal::SS_DISABLE)))?;
    check_eq!(signal::sigaltstack(None)?.1, rt_core::signal::SS_DISABLE);
    Ok(())
}

extern "C" fn change_stack(_: i32, _: &SigInfo, _: &mut Ucontext) {
    let errno = signal::sigaltstack(Some((0, 0, rt_core::signal::SS_DISABLE)))
        .map_or_else(|e| e.errno, |_| 0);
    LAST.store(errno, Ordering::SeqCst);
}

extern "C" fn again(signal: i32, _: &SigInfo, _: &mut Ucontext) {
    let depth = DEPTH.fetch_add(1, Ordering::SeqCst) + 1;
    if depth < 5 {
        let _ = signal::raise(signal);
    }
    CALLS.fetch_add(1, Ordering::SeqCst);
}

fn nested() -> Outcome {
    reset();
    signal::sigaction(SIGUSR1, Some(&action(again, SA_NODEFER, 0)))?;
    signal::raise(SIGUSR1)?;
    check_eq!(CALLS.load(Ordering::SeqCst), 5);
    Ok(())
}

/// How often the storm's handler has run, and the lowest stack address it saw.
const STORM: usize = 20_000;

extern "C" fn storm(signal: i32, _: &SigInfo, _: &mut Ucontext) {
    let here = 0u8;
    STACK.fetch_min((&raw const here) as usize, Ordering::SeqCst);
    if CALLS.fetch_add(1, Ordering::SeqCst) + 1 < STORM {
        // Blocked until this handler returns, and delivered right then.
        let _ = signal::raise(signal);
    }
}

fn a_storm_needs_little_stack() -> Outcome {
    reset();
    STACK.store(usize::MAX, Ordering::SeqCst);
    let here = 0u8;
    let top = (&raw const here) as usize;
    signal::sigaction(SIGTERM, Some(&action(storm, 0, 0)))?;
    signal::raise(SIGTERM)?;
    check_eq!(CALLS.load(Ordering::SeqCst), STORM);
    let used = top - STACK.load(Ordering::SeqCst);
    check!(used < 64 << 10, "{used} bytes");
    Ok(())
}

fn suspend_takes_one() -> Outcome {
    reset();
    signal::sigaction(SIGUSR1, Some(&action(note, 0, 0)))?;
    signal::sigmask(Some((BLOCK, bit(10))))?;
    signal::raise(SIGUSR1)?;
    check_eq!(signal::sigsuspend(0).errno, EINTR);
    check_eq!(CALLS.load(Ordering::SeqCst), 1);
    check_eq!(
        signal::sigmask(None)?,
        bit(10),
        "the mask is the former one again"
    );
    signal::sigmask(Some((UNBLOCK, bit(10))))?;
    check_eq!(CALLS.load(Ordering::SeqCst), 1);
    Ok(())
}

extern "C" fn skip(_: i32, info: &SigInfo, context: &mut Ucontext) {
    CALLS.fetch_add(1, Ordering::SeqCst);
    MASK.store(info.address, Ordering::SeqCst);
    // The instruction below is three bytes long: mov (%rax), %rax.
    context.set_instruction(context.instruction() + 3);
}

fn a_bad_access_can_be_handled() -> Outcome {
    reset();
    signal::sigaction(i32::from(SIGSEGV), Some(&action(skip, 0, 0)))?;
    for _ in 0..3 {
        // SAFETY: it faults, and the handler goes on behind it.
        unsafe {
            core::arch::asm!("mov rax, [rax]", inout("rax") 0x123usize => _, options(nostack))
        };
    }
    check_eq!(CALLS.load(Ordering::SeqCst), 3);
    check_eq!(MASK.load(Ordering::SeqCst), 0x123);
    signal::sigaction(i32::from(SIGSEGV), Some(&Action::DEFAULT))?;
    Ok(())
}

extern "C" fn churn(_: i32, _: &SigInfo, _: &mut Ucontext) {
    CALLS.fetch_add(1, Ordering::SeqCst);
    core::hint::black_box(mix(3, 20));
}

/// A computation in integer and floating-point registers, with a known result.
#[inline(never)]
fn mix(seed: u64, rounds: u64) -> (u64, f64) {
    let (mut a, mut b, mut x) = (seed, 0x9e37_79b9_7f4a_7c15u64, 1.0f64);
    for i in 0..rounds {
        a = (a ^ (a >> 30)).wrapping_mul(b).rotate_left((i & 31) as u32);
        b = b.wrapping_add(a | 1);
        x = x * 0.75 + (i as f64) * 0.5;
    }
    (a ^ b, x)
}

/// Handlers run between the steps of a computation, and under an emulator that sends signals at every
/// instruction, inside them.
fn a_computation_survives() -> Outcome {
    const SIGPWR: i32 = 30;
    reset();
    let want = mix(17, 500);
    signal::sigaction(SIGPWR, Some(&action(churn, 0, 0)))?;
    for round in 0..100 {
        check_eq!(mix(17, 500), want, "round {round}");
        signal::raise(SIGPWR)?;
    }
    signal::sigaction(SIGPWR, Some(&Action::DEFAULT))?;
    check!(CALLS.load(Ordering::SeqCst) >= 100);
    Ok(())
}
