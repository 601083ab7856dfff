//! Drives the machine-dependent layer without a kernel on top: a few bytes of user code take every
//! way into the kernel, and the handlers here check what arrives. The command line chooses one of
//! the ends: none, `panic`, `fault`, `overflow`, `shutdown`, `reboot`, `nmi`.

use crate::arch::{self, TrapFrame, UserState, irq};
use alloc::boxed::Box;
use boot_info::BootInfo;
use core::alloc::{GlobalAlloc, Layout};
use core::arch::global_asm;
use core::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, AtomicUsize, Ordering::Relaxed};
use syscall::{EnvRegisters, IntRegisters};

macro_rules! say {
    ($($t:tt)*) => { arch::serial::print(format_args!($($t)*)) };
}

macro_rules! check {
    ($what:expr, $got:expr, $want:expr) => {{
        let (got, want) = ($got, $want);
        if got != want {
            say!("FAILED {}: got {:#x?}, want {:#x?}\n", $what, got, want);
            arch::debug_exit(1);
        }
    }};
}

struct Bump;
static NEXT: AtomicUsize = AtomicUsize::new(0);

// SAFETY: hands out disjoint, aligned pieces of the largest free region, which nobody else uses.
unsafe impl GlobalAlloc for Bump {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let at = NEXT.load(Relaxed).next_multiple_of(layout.align());
        NEXT.store(at.wrapping_add(layout.size()), Relaxed);
        at as *mut u8
    }
    unsafe fn dealloc(&self, _: *mut u8, _: Layout) {}
}

#[global_allocator]
static HEAP: Bump = Bump;

const CODE: u64 = 0x40_0000;
const STACK: u64 = 0x50_0000;
const STACK_TOP: u64 = STACK + 4096;

global_asm!(
    ".pushsection .rodata.user, \"a\"",
    ".balign 16",
    "user_code:",
    // 1: every register arrives, every register comes back.
    "mov rbx, 0xb0b", "mov rbp, 0xb1b", "mov r12, 12", "mov r13, 13", "mov r14, 14", "mov r15, 15",
    "mov rdi, 1", "mov rsi, 2", "mov rdx, 3", "mov r10, 4", "mov r8, 5", "mov r9, 6",
    "mov eax, 1", "syscall",
    "cmp rax, 0x1234", "jne 9f", "cmp rbx, 0xb0b", "jne 9f", "cmp rbp, 0xb1b", "jne 9f",
    "cmp r12, 12", "jne 9f", "cmp r13, 13", "jne 9f", "cmp r14, 14", "jne 9f", "cmp r15, 15", "jne 9f",
    "cmp rdi, 1", "jne 9f", "cmp rsi, 2", "jne 9f", "cmp rdx, 3", "jne 9f", "cmp r10, 4", "jne 9f",
    "cmp r8, 5", "jne 9f", "cmp r9, 6", "jne 9f", "cmp rsp, {stack_top}", "jne 9f",
    // 2, 3: the cost of a call that does nothing.
    "lfence", "rdtsc", "mov r12, rax", "mov eax, 2", "syscall", "lfence", "rdtsc",
    "sub rax, r12", "mov rdi, rax", "mov eax, 3", "syscall",
    // 4: the same returned by iretq.
    "lfence", "rdtsc", "mov r12, rax", "mov eax, 4", "syscall", "lfence", "rdtsc",
    "sub rax, r12", "mov rdi, rax", "mov eax, 3", "syscall",
    // Exceptions. The handler skips them by the length in R13 and checks the kind in R14.
    "mov r13, 2", "mov r14, 6", "ud2",
    "mov r13, 0", "mov r14, 3", "int3",
    "mov r13, 2", "mov r14, 0", "xor ecx, ecx", "div ecx",
    "mov r13, 1", "mov r14, 13", "hlt",
    "mov r13, 2", "mov r14, 13", "int 0x80",
    "mov r13, 2", "mov r14, 13", "int 0x30",
    "mov r13, 8", "mov r14, 14", "mov r15, 6", "mov rdi, 0x10", "mov [0x10], rax",
    "mov r13, 2", "mov r14, 14", "mov r15, 5", "mov rdi, 0xffffffff80200000", "mov al, [rdi]",
    "mov r13, 2", "mov r14, 14", "mov r15, 4", "mov rdi, 0xffffffffff600000", "mov al, [rdi]",
    "mov r13, 2", "mov r14, 14", "mov r15, 7", "mov rdi, {code}", "mov [rdi], al",
    "mov r13, 0x1000", "mov r14, 14", "mov r15, 0x15", "mov rdi, {stack}", "lea r12, [rip + 2f]",
    "jmp rdi", "2:",
    // Single step.
    "mov r13, 0", "mov r14, 1", "pushfq", "or qword ptr [rsp], 0x100", "popfq", "nop", "nop",
    "pushfq", "pop rax", "test eax, 0x100", "jnz 9f",
    // The same across a system call.
    "mov r13, 0", "mov r14, 1", "mov r15, 0x77", "pushfq", "or qword ptr [rsp], 0x100", "popfq",
    // A selector that may be loaded, and direction flag set: the kernel must not care.
    "mov eax, 0x23", "mov ss, eax", "std", "mov eax, 2", "syscall", "pushfq", "pop rax", "cld",
    "mov r15, 0", "nop", "test eax, 0x400", "jz 9f",
    // 5: an instruction pointer that cannot be.
    "mov r14, 13", "lea r12, [rip + 3f]", "mov eax, 5", "syscall", "ud2", "3:",
    // 6: the floating-point state is this context's own; 7 is what the other does.
    "mov rax, 0x1111222233334444", "movq xmm7, rax", "fld1", "mov eax, 6", "syscall",
    "movq rcx, xmm7", "mov rax, 0x1111222233334444", "cmp rcx, rax", "jne 9f",
    "fld1", "fcomip st(0), st(1)", "jne 9f", "fstp st(0)",
    // Initial state of a fresh context is checked by the other one. Thread pointer: 0x2a is at CODE-independent place on the stack page.
    "cmp qword ptr fs:[8], 0x2a", "jne 9f",
    // 8: a timer tick in user mode.
    "lea r12, [rip + 4f]", "mov eax, 8", "syscall", "5: inc rcx", "jmp 5b", "4:",
    // 9: nothing to run until the timer ticks. 10: waiting inside a call. 11: an interrupt line.
    "mov eax, 9", "syscall", "mov eax, 10", "syscall", "mov eax, 11", "syscall",
    // 12: the end.
    "mov eax, 12", "syscall",
    "6: mov eax, 2", "syscall", "jmp 6b",
    "9: mov eax, 99", "syscall",
    ".balign 16",
    "user_other:",
    // A fresh context: nothing leaks in.
    "movq rax, xmm7", "test rax, rax", "jnz 9b",
    "or rbx, rbp", "or rbx, r15", "or rbx, rdi", "or rbx, r8", "or rbx, r11", "or rbx, rcx", "jnz 9b",
    "sub rsp, 16", "fnstcw [rsp]", "cmp word ptr [rsp], 0x37f", "jne 9b",
    "stmxcsr [rsp]", "cmp dword ptr [rsp], 0x1f80", "jne 9b",
    "fldz", "fldz", "fldz", "fldpi", "pcmpeqd xmm7, xmm7", "mov eax, 7", "syscall", "jmp 9b",
    "user_end:",
    ".popsection",
    stack_top = const STACK_TOP,
    stack = const STACK,
    code = const CODE,
);

unsafe extern "C" {
    static user_code: [u8; 0];
    static user_other: [u8; 0];
    static user_end: [u8; 0];
}

static FIRST: AtomicPtr<UserState> = AtomicPtr::new(core::ptr::null_mut());
static SECOND: AtomicPtr<UserState> = AtomicPtr::new(core::ptr::null_mut());
static TABLE: AtomicU64 = AtomicU64::new(0);
static DEADLINE: AtomicU64 = AtomicU64::new(0);
static TICKS: AtomicUsize = AtomicUsize::new(0);
static LINE_FIRED: AtomicUsize = AtomicUsize::new(0);
static EXCEPTIONS: AtomicUsize = AtomicUsize::new(0);
static WAITING: AtomicBool = AtomicBool::new(false);
static INFO: spin::Once<&'static BootInfo> = spin::Once::new();

fn page() -> *mut u64 {
    // SAFETY: the layout is not empty.
    let page = unsafe {
        alloc::alloc::alloc(Layout::from_size_align(4096, 4096).unwrap_or(Layout::new::<u64>()))
    };
    // SAFETY: just allocated, 4096 bytes.
    unsafe { page.write_bytes(0, 4096) };
    page.cast()
}

fn phys(page: *mut u64) -> u64 {
    page as u64 - arch::DIRECT_MAP
}

fn user_table() -> u64 {
    let (root, l3, l2, l1_code, l1_stack) = (page(), page(), page(), page(), page());
    let (code, stack) = (page(), page());
    let (start, end) = (
        (&raw const user_code) as usize,
        (&raw const user_end) as usize,
    );
    check!("user code fits", end - start < 4096, true);
    // SAFETY: all are own pages; the kernel's root is in the direct map.
    unsafe {
        core::ptr::copy_nonoverlapping(start as *const u8, code.cast(), end - start);
        stack.add(1).write(0x2a);
        let kernel = (arch::DIRECT_MAP + arch::kernel_root()) as *const u64;
        core::ptr::copy_nonoverlapping(kernel.add(256), root.add(256), 256);
        root.write(phys(l3) | 7);
        l3.write(phys(l2) | 7);
        l2.add(2).write(phys(l1_code) | 7);
        l1_code.write(phys(code) | 5);
        l2.add((STACK >> 21) as usize & 511)
            .write(phys(l1_stack) | 7);
        l1_stack
            .add((STACK >> 12) as usize & 511)
            .write(phys(stack) | 7 | if arch::features().nx { 1 << 63 } else { 0 });
        // Code and stack share a table when they lie in the same 2 MiB.
        if CODE >> 21 == STACK >> 21 {
            l2.add(2).write(phys(l1_code) | 7);
            l1_code
                .add((STACK >> 12) as usize & 511)
                .write(phys(stack) | 7 | if arch::features().nx { 1 << 63 } else { 0 });
        }
    }
    phys(root)
}

fn state(entry: u64) -> *mut UserState {
    let Some(mut s) = UserState::new(entry as usize, STACK_TOP as usize) else {
        arch::debug_exit(2)
    };
    check!(
        "base of the upper half refused",
        s.set_env(&EnvRegisters {
            fsbase: 1 << 63,
            gsbase: 0
        }),
        false
    );
    check!(
        "bases",
        s.set_env(&EnvRegisters {
            fsbase: STACK,
            gsbase: STACK + 8
        }),
        true
    );
    Box::into_raw(Box::new(s))
}

pub fn start(info: &'static BootInfo) -> ! {
    INFO.call_once(|| info);
    let f = arch::features();
    say!(
        "{}\n{f:?}\n{:?}\n",
        arch::cpu_name(&mut [0; 48]),
        arch::platform()
    );
    say!(
        "tsc {} Hz, realtime {} s, now {} ns\n",
        arch::time::tsc_hz(),
        arch::time::realtime_at_boot_ns() / 1_000_000_000,
        arch::now_ns()
    );
    let mut total = 0;
    for r in info.regions() {
        say!(
            "  map {:#x}+{:#x} {:?}\n",
            r.region.base,
            r.region.len,
            r.kind()
        );
    }
    let mut best = (0, 0);
    for r in arch::free_memory() {
        say!("  free {:#x}+{:#x}\n", r.base, r.len);
        total += r.len;
        if r.len > best.1 {
            best = (r.base, r.len);
        }
        // SAFETY: free memory in the direct map.
        unsafe {
            for at in [r.base, r.base + r.len - 8] {
                ((arch::DIRECT_MAP + at) as *mut u64).write_volatile(0x55);
            }
        }
    }
    NEXT.store((arch::DIRECT_MAP + best.0) as usize, Relaxed);
    say!(
        "free {} KiB, initfs {:?}, kernel {:?}\n",
        total >> 10,
        info.initfs,
        info.kernel
    );
    // SAFETY: the loader's regions are in the direct map.
    unsafe {
        let initfs = core::slice::from_raw_parts(
            (arch::DIRECT_MAP + info.initfs.base) as *const u8,
            info.initfs.len as usize,
        );
        check!("initfs", initfs, b"hello\n");
    }
    say!("cmdline {:?}\n", cmdline());
    let (a, b) = (arch::now_ns(), arch::now_ns());
    check!("clock goes on", a < b, true);
    say!("random {:?}\n", arch::hardware_random().is_some());
    check!(
        "messages",
        (0..64)
            .map(|_| irq::allocate_message())
            .all(|m| m.is_some()),
        true
    );
    check!("no more messages", irq::allocate_message(), None);
    irq::free_message(40);
    check!("message again", irq::allocate_message(), Some(40));
    match cmdline() {
        // SAFETY: none; it is to fault.
        c if c.contains("fault") => unsafe { (0xdead_0000 as *mut u64).write_volatile(1) },
        // SAFETY: none; it is to fault.
        c if c.contains("text") => unsafe {
            ((start as *const () as usize) as *mut u8).write_volatile(1)
        },
        c if c.contains("overflow") => {
            say!("{}", overflow(1))
        }
        _ => {}
    }
    TABLE.store(user_table(), Relaxed);
    let other = (&raw const user_other) as u64 - (&raw const user_code) as u64;
    let (first, second) = (state(CODE), state(CODE + other));
    FIRST.store(first, Relaxed);
    SECOND.store(second, Relaxed);
    // SAFETY: the states are never freed.
    unsafe { arch::switch_to(None, &mut *first, TABLE.load(Relaxed)) };
    arch::enter_user()
}

#[inline(never)]
#[allow(unconditional_recursion)]
fn overflow(n: usize) -> usize {
    let x = [n; 64];
    core::hint::black_box(&x);
    overflow(n + 1) + x[n & 63]
}

fn cmdline() -> &'static str {
    let r = INFO.get().map(|i| i.cmdline).unwrap_or_default();
    if r.len == 0 {
        return "";
    }
    // SAFETY: in the direct map.
    let bytes = unsafe {
        core::slice::from_raw_parts((arch::DIRECT_MAP + r.base) as *const u8, r.len as usize)
    };
    core::str::from_utf8(bytes).unwrap_or("?")
}

fn frame() -> &'static mut TrapFrame {
    // SAFETY: the current frame is one of the two, which live for ever; one reference at a time.
    unsafe { &mut *arch::current_frame() }
}

fn states() -> (&'static mut UserState, &'static mut UserState) {
    // SAFETY: as above.
    unsafe { (&mut *FIRST.load(Relaxed), &mut *SECOND.load(Relaxed)) }
}

#[unsafe(no_mangle)]
extern "C" fn kernel_syscall() {
    let f = frame();
    match f.number() {
        1 => {
            check!("args", f.args(), [1, 2, 3, 4, 5, 6]);
            let r = f.registers();
            check!(
                "saved",
                [r.rbx, r.rbp, r.r12, r.r13, r.r14, r.r15, r.rsp],
                [0xb0b, 0xb1b, 12, 13, 14, 15, STACK_TOP as usize]
            );
            check!(
                "selectors",
                (r.cs, r.ss, r.rcx == r.rip, r.r11 == r.rflags),
                (0x2b, 0x23, true, true)
            );
            f.set_result(0x1234);
        }
        2 => {}
        3 => say!("  {} ticks\n", f.args()[0]),
        4 => f.slow = 1,
        5 => {
            EXCEPTIONS.fetch_add(1000, Relaxed);
            f.set_ip(0x8000_0000_0000);
        }
        6 => {
            let (a, b) = states();
            // SAFETY: never freed.
            unsafe { arch::switch_to(Some(a), b, TABLE.load(Relaxed)) };
            let regs = a.fpu.registers();
            check!("xmm7", (regs.xmm_space[7]) as u64, 0x1111_2222_3333_4444);
            check!("one on the x87 stack", (regs.st_space[0]) as u64, 1 << 63);
            let mut copy = regs;
            copy.mxcsr = 0xffff_ffff;
            let mut other = a.fpu.try_clone();
            if let Some(o) = &mut other {
                o.set_registers(&copy);
                o.restore();
            }
            b.fpu.restore();
        }
        7 => {
            let (a, b) = states();
            check!(
                "second is current",
                core::ptr::from_mut(f),
                &raw mut b.frame
            );
            // SAFETY: never freed.
            unsafe { arch::switch_to(Some(b), a, TABLE.load(Relaxed)) };
        }
        8 => alarm(1_000_000),
        9 => {
            alarm(2_000_000);
            WAITING.store(true, Relaxed);
            arch::release(Some(states().0));
        }
        10 => {
            let before = TICKS.load(Relaxed);
            alarm(500_000);
            while TICKS.load(Relaxed) == before {
                arch::idle();
            }
        }
        11 => {
            // SAFETY: the interval timer's channel 0 is nobody's; one shot in about 1 ms.
            unsafe {
                use x86_64::instructions::port::Port;
                Port::<u8>::new(0x43).write(0x30);
                Port::<u8>::new(0x40).write(0xa0);
                Port::<u8>::new(0x40).write(4);
            }
            irq::unmask(0);
            while LINE_FIRED.load(Relaxed) == 0 {
                arch::idle();
            }
            irq::mask(0);
            if cmdline().contains("edu") {
                edu();
            }
        }
        12 => finish(),
        n => {
            say!(
                "FAILED: system call {n} at {:#x}: {:#x?}\n",
                f.ip(),
                f.registers()
            );
            arch::debug_exit(1);
        }
    }
}

fn finish() {
    // Whether loading SS delays the trap of a single step or swallows it is up to the CPU.
    check!(
        "exceptions",
        matches!(EXCEPTIONS.load(Relaxed), 1019 | 1020),
        true
    );
    say!("arch self-test passed, {} ns\n", arch::now_ns());
    match cmdline() {
        c if c.contains("panic") => panic!("as told"),
        c if c.contains("shutdown") => {
            arch::shutdown();
            arch::debug_exit(3)
        }
        c if c.contains("reboot") => arch::reboot(),
        c if c.contains("nmi") => {}
        c if c.contains("input") => loop {
            arch::idle();
        },
        _ => arch::debug_exit(0),
    }
}

fn alarm(ns: u64) {
    let at = arch::now_ns() + ns;
    DEADLINE.store(at, Relaxed);
    arch::arm_timer(Some(at));
}

#[unsafe(no_mangle)]
extern "C" fn kernel_timer() {
    let now = arch::now_ns();
    check!("not early", now >= DEADLINE.load(Relaxed), true);
    say!("  timer {} ns late\n", now - DEADLINE.load(Relaxed));
    TICKS.fetch_add(1, Relaxed);
    if WAITING.swap(false, Relaxed) {
        check!("nobody is current", arch::current_frame().is_null(), true);
        // SAFETY: never freed.
        unsafe { arch::switch_to(None, states().0, TABLE.load(Relaxed)) };
    } else if TICKS.load(Relaxed) == 1 {
        let f = frame();
        let next = f.registers().r12;
        check!("in the loop", f.ip() < next && next - f.ip() < 8, true);
        f.set_ip(next);
    }
}

fn exception(kind: usize) {
    EXCEPTIONS.fetch_add(1, Relaxed);
    let f = frame();
    let r: IntRegisters = f.registers();
    if kind != r.r14 {
        say!("at {:#x} {:#x?}\n", f.ip(), r);
    }
    check!("exception kind", kind, r.r14);
    match r.r13 {
        0x1000 => f.set_ip(r.r12),
        len => f.set_ip(f.ip() + len),
    }
    if kind == 1 && r.r15 != 0x77 {
        f.set_single_step(false);
    }
}

#[unsafe(no_mangle)]
extern "C" fn kernel_page_fault(address: usize, code: usize) {
    let r = frame().registers();
    check!("fault", (address, code), (r.rdi, r.r15));
    exception(14);
}

#[unsafe(no_mangle)]
extern "C" fn kernel_exception(kind: usize, _code: usize, address: usize) {
    let f = frame();
    check!("exception address", address, f.ip());
    if f.ip() == 0x8000_0000_0000 {
        check!("bad ip", kind, 13);
        f.set_ip(f.registers().r12);
        return;
    }
    exception(kind);
}

#[unsafe(no_mangle)]
extern "C" fn kernel_irq(number: usize) {
    if cmdline().contains("edu") && number != 0 {
        EDU_NUMBER.store(number, Relaxed);
    } else {
        check!("line", number, 0);
    }
    LINE_FIRED.fetch_add(1, Relaxed);
}

#[unsafe(no_mangle)]
extern "C" fn kernel_serial_input(byte: u8) {
    say!("[{byte:02x}]");
    if byte == b'q' {
        arch::debug_exit(4);
    }
}

static EDU_NUMBER: AtomicUsize = AtomicUsize::new(0);

fn pci(slot: u32, register: u32, write: Option<u32>) -> u32 {
    use x86_64::instructions::port::Port;
    // SAFETY: configuration mechanism 1.
    unsafe {
        Port::<u32>::new(0xcf8).write(1 << 31 | slot << 11 | register);
        if let Some(value) = write {
            Port::<u32>::new(0xcfc).write(value);
        }
        Port::<u32>::new(0xcfc).read()
    }
}

/// QEMU's `edu` device interrupts when told to: by level on a line, then by message.
fn edu() {
    let Some(slot) = (0..32).find(|s| pci(*s, 0, None) == 0x11e8_1234) else {
        say!("FAILED: no edu device\n");
        arch::debug_exit(1)
    };
    let bar = u64::from(pci(slot, 0x10, None) & !15);
    check!(
        "device registers are not managed",
        arch::managed_ranges().any(|r| r.base <= bar && bar < r.base + r.len),
        false
    );
    // SAFETY: a supervisor page in this test's own table, at an address that nothing else uses.
    let registers = unsafe {
        let root = (arch::DIRECT_MAP + TABLE.load(Relaxed)) as *mut u64;
        let down = |t: *mut u64, i: usize| {
            (arch::DIRECT_MAP + (t.add(i).read() & 0xf_ffff_f000)) as *mut u64
        };
        let l1 = down(down(down(root, 0), 0), 2);
        l1.add(9).write(bar | 0x1b);
        arch::flush_page(CODE + 0x9000);
        (CODE + 0x9000) as *mut u32
    };
    // SAFETY: `edu` registers: 0x60 raises, 0x64 acknowledges.
    let (raise, lower) = unsafe { (registers.byte_add(0x60), registers.byte_add(0x64)) };
    let wait = |n: usize| {
        while LINE_FIRED.load(Relaxed) < n {
            arch::idle();
        }
    };
    (16..24).for_each(irq::unmask);
    // SAFETY: as above.
    unsafe { raise.write_volatile(1) };
    wait(2);
    let line = EDU_NUMBER.load(Relaxed);
    say!("  edu: line {line}\n");
    // Still raised, but masked: only the acknowledgement lets it fire again.
    alarm(1_000_000);
    arch::idle();
    check!("masked until acknowledged", LINE_FIRED.load(Relaxed), 2);
    irq::acknowledge(line);
    wait(3);
    // SAFETY: as above.
    unsafe { lower.write_volatile(1) };
    irq::acknowledge(line);
    alarm(1_000_000);
    arch::idle();
    check!("quiet", LINE_FIRED.load(Relaxed), 3);
    let Some((address, data)) = irq::message(50) else {
        arch::debug_exit(1)
    };
    let mut cap = pci(slot, 0x34, None) & 0xff;
    while pci(slot, cap, None) & 0xff != 5 {
        cap = pci(slot, cap, None) >> 8 & 0xff;
    }
    let wide = pci(slot, cap, None) >> 23 & 1;
    pci(slot, cap + 4, Some(address as u32));
    pci(slot, cap + 8, Some(0));
    pci(slot, cap + 8 + 4 * wide, Some(data));
    let control = pci(slot, cap, None);
    pci(slot, cap, Some(control | 1 << 16));
    let command = pci(slot, 4, None);
    pci(slot, 4, Some(command | 4));
    // SAFETY: as above.
    unsafe { raise.write_volatile(1) };
    wait(4);
    check!("message number", EDU_NUMBER.load(Relaxed), 50);
    say!("  edu: message {}\n", 50);
}
