//! Segment, task-state and interrupt descriptor tables.

use super::cpu::{CpuArea, OwnStack};
use super::entry;
use core::arch::asm;
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// Selector of the kernel's code segment.
pub const KERNEL_CS: u16 = 0x08;
/// Selector of the task state.
const TSS_SELECTOR: u16 = 0x30;
/// What `STAR` holds in its upper half: `syscall` loads CS from bits 32.. and SS from the next
/// descriptor; `sysretq` takes SS 8 and CS 16 above bits 48...
pub const STAR: u64 = (0x1b << 48) | ((KERNEL_CS as u64) << 32);

/// A 64-bit task state: stack pointers, by 32-bit words because its fields are not aligned.
#[repr(C)]
pub struct Tss([AtomicU32; 26]);

impl Tss {
    /// Offset of the stack pointer for entries from user mode.
    pub const RSP0: usize = 4;
    const RSP0_WORD: usize = Self::RSP0 / 4;
    const IST_WORD: usize = 9;
    const IO_MAP_WORD: usize = 25;

    pub const fn new() -> Self {
        Self([const { AtomicU32::new(0) }; 26])
    }

    fn set_word(&self, at: usize, value: u32) {
        if let Some(word) = self.0.get(at) {
            word.store(value, Ordering::Relaxed);
        }
    }

    fn set_pair(&self, at: usize, value: u64) {
        self.set_word(at, value as u32);
        self.set_word(at.saturating_add(1), (value >> 32) as u32);
    }

    /// Sets the stack for entries from user mode.
    pub fn set_rsp0(&self, top: u64) {
        self.set_pair(Self::RSP0_WORD, top);
    }

    /// Sets the stack of entry `index` (1 to 7) of the interrupt stack table.
    pub fn set_own_stack(&self, index: u8, top: u64) {
        let offset = usize::from(index).saturating_sub(1).saturating_mul(2);
        self.set_pair(Self::IST_WORD.saturating_add(offset), top);
    }

    /// Puts the I/O permission map beyond the segment's limit: no port is allowed by it.
    fn deny_ports(&self) {
        self.set_word(Self::IO_MAP_WORD, (size_of::<Self>() as u32) << 16);
    }
}

/// The global descriptor table.
#[repr(C)]
pub struct Gdt([AtomicU64; 8]);

impl Gdt {
    pub const fn new() -> Self {
        Self([const { AtomicU64::new(0) }; 8])
    }

    fn fill(&self, tss: u64) {
        const CODE: u64 = 0x00af_9b00_0000_ffff;
        const DATA: u64 = 0x00cf_9300_0000_ffff;
        const USER: u64 = 3 << 45;
        const AVAILABLE_TSS: u64 = 0x89 << 40;
        let limit = (size_of::<Tss>() as u64).wrapping_sub(1);
        let low = limit | (tss & 0xff_ffff) << 16 | AVAILABLE_TSS | ((tss >> 24) & 0xff) << 56;
        // Slot 3, where `sysret` to 32-bit code would look, stays empty: a program cannot enter
        // compatibility mode by a far jump either.
        let words = [0, CODE, DATA, 0, DATA | USER, CODE | USER, low, tss >> 32];
        for (slot, word) in self.0.iter().zip(words) {
            slot.store(word, Ordering::Relaxed);
        }
    }
}

/// The interrupt descriptor table: two words for each of the 256 vectors. All CPUs share it.
#[repr(C, align(4096))]
struct Idt([AtomicU64; 512]);

static IDT: Idt = Idt([const { AtomicU64::new(0) }; 512]);

impl Idt {
    /// An interrupt gate: the CPU clears IF on the way in.
    fn set(&self, vector: u8, handler: u64, user_may: bool, stack: u64) {
        const PRESENT_GATE: u64 = 0x8e << 40;
        let privilege = if user_may { 3 << 45 } else { 0 };
        let low = (handler & 0xffff)
            | u64::from(KERNEL_CS) << 16
            | stack << 32
            | PRESENT_GATE
            | privilege
            | ((handler >> 16) & 0xffff) << 48;
        let at = usize::from(vector).wrapping_mul(2);
        if let [first, second] = self.0.get(at..).unwrap_or(&[]).get(..2).unwrap_or(&[]) {
            first.store(low, Ordering::Relaxed);
            second.store(handler >> 32, Ordering::Relaxed);
        }
    }
}

/// What `lgdt` and `lidt` take.
#[repr(C, packed)]
struct TablePointer {
    limit: u16,
    base: u64,
}

/// Loads the descriptor tables of this CPU, filling the shared interrupt table on the way.
///
/// # Safety
/// `area` has been adopted by this CPU (see `CpuArea::adopt`); interrupts are off.
pub(super) unsafe fn load(area: &'static CpuArea) {
    let block = &area.block;
    block.tss.deny_ports();
    block.gdt.fill(core::ptr::from_ref(&block.tss) as u64);
    fill_idt();
    let gdt = TablePointer {
        limit: (size_of::<Gdt>() as u16).wrapping_sub(1),
        base: core::ptr::from_ref(&block.gdt) as u64,
    };
    let idt = TablePointer {
        limit: (size_of::<Idt>() as u16).wrapping_sub(1),
        base: core::ptr::from_ref(&IDT) as u64,
    };
    // SAFETY: both tables are static and filled. Reloading CS by a far return keeps a flat 64-bit
    // code segment; null data selectors are what kernel code runs with after any interrupt. FS and
    // GS selectors are cleared before their bases are written below. The task state is marked
    // available, as `ltr` wants it.
    unsafe {
        asm!(
            "lgdt [{gdt}]",
            "push {cs}",
            "lea {tmp}, [rip + 2f]",
            "push {tmp}",
            "retfq",
            "2:",
            "xor {tmp:e}, {tmp:e}",
            "mov ds, {tmp:x}",
            "mov es, {tmp:x}",
            "mov ss, {tmp:x}",
            "mov fs, {tmp:x}",
            "mov gs, {tmp:x}",
            "lldt {tmp:x}",
            "lidt [{idt}]",
            "ltr {tss:x}",
            gdt = in(reg) &gdt,
            idt = in(reg) &idt,
            cs = in(reg) u64::from(KERNEL_CS),
            tss = in(reg) TSS_SELECTOR,
            tmp = out(reg) _,
            options(preserves_flags),
        );
        super::regs::write_gs_base(core::ptr::from_ref(block) as u64);
    }
}

fn fill_idt() {
    for vector in 0..=255u8 {
        // `int3` and `into` are for programs to use; all other vectors answer `int n` from user
        // mode with a general protection fault.
        IDT.set(vector, entry::stub(vector), matches!(vector, 3 | 4), 0);
    }
    for (vector, handler, stack) in [
        (1, entry::debug_address(), OwnStack::Debug),
        (2, entry::nmi_address(), OwnStack::Nmi),
        (8, entry::double_fault_address(), OwnStack::DoubleFault),
        (18, entry::machine_check_address(), OwnStack::MachineCheck),
    ] {
        IDT.set(vector, handler, false, stack as u64);
    }
}
