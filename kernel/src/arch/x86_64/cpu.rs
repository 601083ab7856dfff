//! The block of data that each CPU owns, reached through `GS`, and what the CPU can do.

use super::descriptors::{Gdt, Tss};
use super::frame::{TrapFrame, offset};
use core::arch::asm;
use core::cell::UnsafeCell;
use core::mem::offset_of;
use core::sync::atomic::{AtomicPtr, AtomicU32, AtomicU64, Ordering};
use spin::Once;

/// Bytes of a CPU's kernel stack.
const STACK: usize = 64 * 1024;
/// Bytes of a stack for one of the exceptions that have their own.
const SMALL_STACK: usize = 8 * 1024;
/// Bytes of an unmapped guard.
pub(super) const GUARD: usize = 4096;

/// One CPU's data. `GS` points here whenever kernel code other than an entry's first and last
/// instructions runs.
///
/// Fields are atomics with relaxed accesses: only the owning CPU touches them, but its own
/// interrupt handlers do so in between.
#[repr(C, align(64))]
pub struct CpuBlock {
    /// The block's own address, so that `GS` can be turned into a pointer.
    this: AtomicPtr<CpuBlock>,
    /// The frame to be filled at the next entry from user mode, and to return through.
    frame: AtomicPtr<TrapFrame>,
    /// Top of the kernel stack.
    stack_top: AtomicU64,
    /// One word for the entry code while it has no register to spare.
    scratch: AtomicU64,
    /// Physical address of the page table in `CR3`.
    root: AtomicU64,
    /// The deadline for which the timer is armed, `u64::MAX` for none.
    deadline: AtomicU64,
    /// Non-maskable interrupts taken.
    nmis: AtomicU64,
    /// Number of this CPU, from 0. An odd number of 32-bit words lies before the task state, so
    /// that its stack pointers are 8-byte aligned.
    id: AtomicU32,
    pub(super) tss: Tss,
    /// Its local APIC's id.
    apic_id: AtomicU32,
    pub(super) gdt: Gdt,
}

const _: () = assert!((offset_of!(CpuBlock, tss) + Tss::RSP0).is_multiple_of(8));

/// Offsets into [`CpuBlock`] for the entry code.
pub(super) mod gs {
    use super::{CpuBlock, Tss, offset_of};
    pub const FRAME: usize = offset_of!(CpuBlock, frame);
    pub const STACK_TOP: usize = offset_of!(CpuBlock, stack_top);
    pub const SCRATCH: usize = offset_of!(CpuBlock, scratch);
    pub const THIS: usize = offset_of!(CpuBlock, this);
    pub const RSP0: usize = offset_of!(CpuBlock, tss) + Tss::RSP0;
}

/// The memory that one CPU needs: stacks, each below an unmapped guard page, and its block.
///
/// The last word of each exception stack holds the block's address: handlers that may interrupt
/// kernel code at any instruction cannot trust `GS` and find the block there.
#[repr(C, align(4096))]
pub(super) struct CpuArea {
    guard_main: Page,
    main: UnsafeCell<[u8; STACK]>,
    guard_double_fault: Page,
    double_fault: UnsafeCell<[u8; SMALL_STACK]>,
    guard_nmi: Page,
    nmi: UnsafeCell<[u8; SMALL_STACK]>,
    guard_machine_check: Page,
    machine_check: UnsafeCell<[u8; SMALL_STACK]>,
    guard_debug: Page,
    debug: UnsafeCell<[u8; SMALL_STACK]>,
    pub(super) block: CpuBlock,
}

#[repr(C, align(4096))]
struct Page(UnsafeCell<[u8; GUARD]>);

// SAFETY: the byte arrays are stacks: the CPU that owns the area uses them through its stack
// pointer, and no Rust reference to their contents is ever made. The block's fields are atomics, or
// written only by `descriptors::load` before the CPU uses them.
unsafe impl Sync for CpuArea {}

/// Exceptions with a stack of their own, in the order of the TSS's interrupt stack table.
#[derive(Clone, Copy)]
pub(super) enum OwnStack {
    DoubleFault = 1,
    Nmi = 2,
    MachineCheck = 3,
    Debug = 4,
}

/// The area of the CPU that the firmware started.
pub(super) static BOOT_AREA: CpuArea = CpuArea::new();

impl CpuArea {
    const fn new() -> Self {
        const fn page() -> Page {
            Page(UnsafeCell::new([0; GUARD]))
        }
        Self {
            guard_main: page(),
            main: UnsafeCell::new([0; STACK]),
            guard_double_fault: page(),
            double_fault: UnsafeCell::new([0; SMALL_STACK]),
            guard_nmi: page(),
            nmi: UnsafeCell::new([0; SMALL_STACK]),
            guard_machine_check: page(),
            machine_check: UnsafeCell::new([0; SMALL_STACK]),
            guard_debug: page(),
            debug: UnsafeCell::new([0; SMALL_STACK]),
            block: CpuBlock {
                this: AtomicPtr::new(core::ptr::null_mut()),
                frame: AtomicPtr::new(core::ptr::null_mut()),
                stack_top: AtomicU64::new(0),
                scratch: AtomicU64::new(0),
                root: AtomicU64::new(0),
                deadline: AtomicU64::new(0),
                nmis: AtomicU64::new(0),
                id: AtomicU32::new(0),
                tss: Tss::new(),
                apic_id: AtomicU32::new(0),
                gdt: Gdt::new(),
            },
        }
    }

    /// Addresses of the guard pages, to be left unmapped.
    pub(super) fn guards(&self) -> [u64; 5] {
        [
            &self.guard_main,
            &self.guard_double_fault,
            &self.guard_nmi,
            &self.guard_machine_check,
            &self.guard_debug,
        ]
        .map(|page| page.0.get() as u64)
    }

    /// The stacks, main one first, as (lowest address, top).
    pub(super) fn stacks(&self) -> [(u64, u64); 5] {
        let small = |cell: &UnsafeCell<[u8; SMALL_STACK]>| {
            let base = cell.get() as u64;
            (base, base.wrapping_add(SMALL_STACK as u64))
        };
        let main = self.main.get() as u64;
        [
            (main, main.wrapping_add(STACK as u64)),
            small(&self.double_fault),
            small(&self.nmi),
            small(&self.machine_check),
            small(&self.debug),
        ]
    }

    /// Fills the block and the words on top of the exception stacks, and makes `GS` point to it.
    ///
    /// # Safety
    /// To be called once per area, by the CPU that will own it, before it takes an interrupt. The
    /// caller runs on the area's main stack or on one that is none of its.
    pub(super) unsafe fn adopt(&'static self, id: u32) {
        let block = &self.block;
        let this = core::ptr::from_ref(block).cast_mut();
        block.this.store(this, Ordering::Relaxed);
        let [(_, main_top), own @ ..] = self.stacks();
        block.stack_top.store(main_top, Ordering::Relaxed);
        block.deadline.store(u64::MAX, Ordering::Relaxed);
        block.id.store(id, Ordering::Relaxed);
        block.tss.set_rsp0(main_top);
        for (i, (_, top)) in (1u8..).zip(own) {
            let word = top.wrapping_sub(16);
            // SAFETY: the word lies within the exception stack, which nobody uses yet, and is
            // aligned, the stack being 16-byte aligned.
            unsafe { (word as *mut u64).write(this as u64) };
            block.tss.set_own_stack(i, word);
        }
        // SAFETY: the block is static and not otherwise pointed to by GS; from here on `current`
        // works on this CPU.
        unsafe { super::regs::write_gs_base(this as u64) };
    }
}

/// Where in a [`CpuArea`] the main stack's top is, for the entry code.
pub(super) const STACK_TOP_OFFSET: usize = offset_of!(CpuArea, main) + STACK;

/// This CPU's block.
#[inline]
pub(super) fn current() -> &'static CpuBlock {
    let block: *const CpuBlock;
    // SAFETY: GS points to this CPU's block from `adopt` on, whose first field is its own address;
    // the load has no side effect. The block is static, so the reference may live for ever.
    unsafe {
        asm!("mov {}, gs:[{}]", out(reg) block, const gs::THIS,
            options(nostack, preserves_flags, readonly, pure));
        &*block
    }
}

/// The frame that the next return to user mode goes through; null when there is none.
#[inline]
pub fn current_frame() -> *mut TrapFrame {
    let frame: *mut TrapFrame;
    // SAFETY: as for `current`.
    unsafe {
        asm!("mov {}, gs:[{}]", out(reg) frame, const gs::FRAME,
            options(nostack, preserves_flags, readonly));
    }
    frame
}

/// Makes `frame` the one through which this CPU returns to user mode and which the next entry from
/// there fills. With null, leaving the kernel waits for an interrupt instead, hands it to its
/// handler, and then asks again which frame is current.
///
/// # Safety
/// The frame must stay where it is, mapped, and not be referred to by anything else while user mode
/// runs, until another is set. Its context's address space must be the loaded one before the
/// kernel is left.
#[inline]
pub unsafe fn set_current_frame(frame: *mut TrapFrame) {
    let top = frame.wrapping_byte_add(offset::TOP);
    // SAFETY: writes two words of this CPU's block; the CPU reads the second when it next leaves
    // user mode, by which time the frame is what the caller promises.
    unsafe {
        asm!("mov gs:[{}], {}", "mov gs:[{}], {}",
            const gs::FRAME, in(reg) frame, const gs::RSP0, in(reg) top,
            options(nostack, preserves_flags));
    }
}

/// This CPU's number, from 0.
pub fn cpu_id() -> u32 {
    current().id.load(Ordering::Relaxed)
}

impl CpuBlock {
    pub(super) fn root(&self) -> &AtomicU64 {
        &self.root
    }
    pub(super) fn deadline(&self) -> &AtomicU64 {
        &self.deadline
    }
    pub(super) fn nmis(&self) -> &AtomicU64 {
        &self.nmis
    }
    pub(super) fn apic_id(&self) -> &AtomicU32 {
        &self.apic_id
    }
}

/// What the CPU can do that matters to the kernel.
#[derive(Clone, Copy, Debug, Default)]
pub struct Features {
    /// Execute-disable bit in page tables.
    pub nx: bool,
    /// 1 GiB pages.
    pub gib_pages: bool,
    /// Machine check exceptions.
    pub machine_check: bool,
    /// Supervisor-mode execution prevention.
    pub smep: bool,
    /// Supervisor-mode access prevention.
    pub smap: bool,
    /// User-mode instruction prevention.
    pub umip: bool,
    /// `rdfsbase` and its kin.
    pub fsgsbase: bool,
    /// `xsave` and its kin.
    pub xsave: bool,
    /// Global pages.
    pub global_pages: bool,
    /// Page attribute table.
    pub pat: bool,
    /// x2APIC mode.
    pub x2apic: bool,
    /// The local APIC's timer can compare with the time-stamp counter.
    pub tsc_deadline: bool,
    /// The time-stamp counter ticks at one rate in all power states.
    pub invariant_tsc: bool,
    /// `rdrand`.
    pub rdrand: bool,
    /// `rdseed`.
    pub rdseed: bool,
}

static FEATURES: Once<Features> = Once::new();

/// The CPU's features.
pub fn features() -> &'static Features {
    FEATURES.call_once(read_features)
}

fn read_features() -> Features {
    use super::regs::cpuid;
    let bit = |word: u32, n: u32| (word >> n) & 1 != 0;
    let base = cpuid(1, 0);
    let extended = cpuid(7, 0);
    let amd = cpuid(0x8000_0001, 0);
    Features {
        nx: bit(amd.edx, 20),
        gib_pages: bit(amd.edx, 26),
        machine_check: bit(base.edx, 7),
        smep: bit(extended.ebx, 7),
        smap: bit(extended.ebx, 20),
        umip: bit(extended.ecx, 2),
        fsgsbase: bit(extended.ebx, 0),
        xsave: bit(base.ecx, 26),
        global_pages: bit(base.edx, 13),
        pat: bit(base.edx, 16),
        x2apic: bit(base.ecx, 21),
        tsc_deadline: bit(base.ecx, 24),
        invariant_tsc: bit(cpuid(0x8000_0007, 0).edx, 8),
        rdrand: bit(base.ecx, 30),
        rdseed: bit(extended.ebx, 18),
    }
}

/// The CPU's name as it gives it, in a buffer that the caller lends; empty when it has none.
pub fn cpu_name(buffer: &mut [u8; 48]) -> &str {
    use super::regs::cpuid;
    if cpuid(0x8000_0000, 0).eax >= 0x8000_0004 {
        for (leaf, bytes) in (0x8000_0002u32..).zip(buffer.as_chunks_mut::<16>().0) {
            let r = cpuid(leaf, 0);
            for (word, out) in [r.eax, r.ebx, r.ecx, r.edx]
                .iter()
                .zip(bytes.as_chunks_mut::<4>().0)
            {
                *out = word.to_le_bytes();
            }
        }
    }
    let end = buffer.iter().position(|b| *b == 0).unwrap_or(buffer.len());
    let text = buffer.get(..end).unwrap_or(&[]);
    core::str::from_utf8(text).unwrap_or("").trim()
}

/// A number from the CPU's own random source, the seed source if it has both; `None` without one or
/// when it gives nothing several times running.
pub fn hardware_random() -> Option<u64> {
    const TRIES: usize = 16;
    let f = features();
    let seed = || {
        let (value, ok): (u64, u8);
        // SAFETY: only run if the instruction exists; it writes a register and the flags.
        unsafe {
            asm!("rdseed {}", "setc {}", out(reg) value, out(reg_byte) ok,
                options(nomem, nostack));
        }
        (ok != 0).then_some(value)
    };
    let random = || {
        let (value, ok): (u64, u8);
        // SAFETY: as above.
        unsafe {
            asm!("rdrand {}", "setc {}", out(reg) value, out(reg_byte) ok,
                options(nomem, nostack));
        }
        (ok != 0).then_some(value)
    };
    let seeded = if f.rdseed {
        (0..TRIES).find_map(|_| seed())
    } else {
        None
    };
    seeded.or_else(|| {
        if f.rdrand {
            (0..TRIES).find_map(|_| random())
        } else {
            None
        }
    })
}
