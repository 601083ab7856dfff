//! Floating-point and vector state: saved and restored with every switch of contexts. The kernel
//! uses no such register itself.

use super::cpu::features;
use super::regs::cpuid;
use alloc::alloc::{Layout, alloc_zeroed, dealloc};
use core::arch::asm;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use syscall::FloatRegisters;

/// Bytes of the area that `fxsave` writes; also the first part of what `xsave` writes.
const LEGACY: usize = 512;
/// Where `xsave` says which components it wrote.
const STATE_BITS: usize = 512;
const ALIGN: usize = 64;
const X87: u64 = 1;
const SSE: u64 = 2;
const AVX: u64 = 4;
const AVX512: u64 = 7 << 5;

const FCW_INITIAL: u16 = 0x37f;
const MXCSR_INITIAL: u32 = 0x1f80;
/// The MXCSR bits of a CPU that does not name them.
const MXCSR_MASK_DEFAULT: u32 = 0xffbf;

// Written once by `init` on the boot CPU, before any area exists.
static AREA_LEN: AtomicUsize = AtomicUsize::new(LEGACY);
/// Components that `xsave` handles; 0: the CPU has only `fxsave`.
static COMPONENTS: AtomicU32 = AtomicU32::new(0);
static MXCSR_MASK: AtomicU32 = AtomicU32::new(MXCSR_MASK_DEFAULT);

/// Switches the units on, on this CPU.
///
/// # Safety
/// Once on each CPU, before it runs a context.
pub(super) unsafe fn init() {
    let supported = u64::from(cpuid(0xd, 0).eax) | u64::from(cpuid(0xd, 0).edx) << 32;
    let avx512 = if supported & AVX512 == AVX512 && supported & AVX != 0 {
        AVX512
    } else {
        0
    };
    let components = (supported & (X87 | SSE | AVX)) | avx512;
    // Without AVX there is nothing that `fxsave` does not save. (QEMU 7.2, told to have `xsave` and no
    // `xsaveopt`, takes bit 18 of CR4 for a reserved one and tries to set it for ever.)
    let xsave = features().xsave && components & AVX != 0;
    // SAFETY: CR4: `fxsave` (bit 9), SIMD exceptions (bit 10), and `xsave` (bit 18)
    // where CPUID has it; XCR0 then gets components that CPUID lists, in a combination that the
    // architecture allows. CR0 is right already (`kmap::activate`).
    unsafe {
        asm!("mov {t}, cr4", "or {t}, {set}", "mov cr4, {t}", t = out(reg) _,
            set = in(reg) if xsave { 0x4_0600u64 } else { 0x600 }, options(nostack));
        if xsave {
            asm!("xsetbv", in("ecx") 0, in("eax") components as u32, in("edx") 0,
                options(nostack, nomem));
            COMPONENTS.store(components as u32, Ordering::Relaxed);
            let len = usize::try_from(cpuid(0xd, 0).ebx).unwrap_or(0);
            AREA_LEN.store(len.max(LEGACY.saturating_add(64)), Ordering::Relaxed);
        }
        let mut image = LegacyImage([0; LEGACY]);
        asm!("fninit", "fxsave64 [{}]", in(reg) &mut image, options(nostack));
        let mask = image.0.get(28..).and_then(|b| b.first_chunk()).copied();
        match mask.map(u32::from_le_bytes) {
            None | Some(0) => {}
            Some(mask) => MXCSR_MASK.store(mask, Ordering::Relaxed),
        }
    }
}

#[repr(C, align(16))]
struct LegacyImage([u8; LEGACY]);

/// A context's floating-point and vector registers while they are not in the CPU.
#[derive(Debug)]
pub struct FpuArea {
    area: NonNull<u8>,
    len: usize,
}

// SAFETY: the area is owned by this value alone, like a Box's.
unsafe impl Send for FpuArea {}
// SAFETY: no method changes the area through a shared reference.
unsafe impl Sync for FpuArea {}

impl FpuArea {
    fn layout(len: usize) -> Option<Layout> {
        Layout::from_size_align(len, ALIGN).ok()
    }

    /// The state of a new program: registers zero, exceptions masked, rounding to nearest. `None`
    /// when memory is out.
    pub fn new_initial() -> Option<Self> {
        let len = AREA_LEN.load(Ordering::Relaxed);
        let layout = Self::layout(len)?;
        // SAFETY: the length is not zero.
        let area = NonNull::new(unsafe { alloc_zeroed(layout) })?;
        let mut this = Self { area, len };
        this.write_initial();
        Some(this)
    }

    /// A copy, for a context that begins as a copy of another.
    pub fn try_clone(&self) -> Option<Self> {
        let copy = Self::new_initial()?;
        // SAFETY: both areas have `len` bytes and belong to different allocations.
        unsafe {
            copy.area
                .copy_from_nonoverlapping(self.area, self.len.min(copy.len))
        };
        Some(copy)
    }

    /// Puts the state of a new program into the area, as `exec` does.
    pub fn reset(&mut self) {
        self.bytes_mut().fill(0);
        self.write_initial();
    }

    /// With no component marked as present `xrstor` initialises all; MXCSR it takes from memory in
    /// any case, and `fxrstor` takes everything.
    fn write_initial(&mut self) {
        self.put(0, FCW_INITIAL.to_le_bytes());
        self.put(24, MXCSR_INITIAL.to_le_bytes());
    }

    fn bytes(&self) -> &[u8] {
        // SAFETY: the area has `len` initialised bytes; `self` is borrowed for as long.
        unsafe { core::slice::from_raw_parts(self.area.as_ptr(), self.len) }
    }

    fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: as above, and exclusively.
        unsafe { core::slice::from_raw_parts_mut(self.area.as_ptr(), self.len) }
    }

    fn put<const N: usize>(&mut self, at: usize, value: [u8; N]) {
        if let Some(place) = self
            .bytes_mut()
            .get_mut(at..)
            .and_then(|b| b.first_chunk_mut())
        {
            *place = value;
        }
    }

    fn word(&self, at: usize) -> u64 {
        let bytes = self
            .bytes()
            .get(at..)
            .and_then(|b| b.first_chunk())
            .copied();
        bytes.map_or(0, u64::from_le_bytes)
    }

    /// Stores what the CPU has in its registers.
    #[inline]
    pub fn save(&mut self) {
        let components = COMPONENTS.load(Ordering::Relaxed);
        // SAFETY: the area is aligned to 64 bytes and as long as the CPU says its components need;
        // the instruction is one that the CPU has.
        unsafe {
            if components == 0 {
                asm!("fxsave64 [{}]", in(reg) self.area.as_ptr(), options(nostack, preserves_flags));
            } else {
                asm!("xsave64 [{}]", in(reg) self.area.as_ptr(), in("eax") components, in("edx") 0,
                    options(nostack, preserves_flags));
            }
        }
    }

    /// Loads the CPU's registers.
    #[inline]
    pub fn restore(&self) {
        let components = COMPONENTS.load(Ordering::Relaxed);
        // SAFETY: as for `save`. The area's contents are what `save` wrote or this module composed:
        // no reserved bit of MXCSR or of the header is set, so the instruction does not fault.
        unsafe {
            if components == 0 {
                asm!("fxrstor64 [{}]", in(reg) self.area.as_ptr(),
                    options(nostack, readonly, preserves_flags));
            } else {
                asm!("xrstor64 [{}]", in(reg) self.area.as_ptr(), in("eax") components,
                    in("edx") 0, options(nostack, readonly, preserves_flags));
            }
        }
    }

    /// The x87 and SSE registers, for a debugger. The context is not running, and its state saved.
    pub fn registers(&self) -> FloatRegisters {
        let mut regs = FloatRegisters::default();
        let len = regs.len();
        if let Some(source) = self.bytes().get(..len) {
            regs.copy_from_slice(source);
        }
        if COMPONENTS.load(Ordering::Relaxed) != 0 {
            // A component that is not marked is in its initial state, whatever the bytes say.
            let present = self.word(STATE_BITS);
            let mxcsr = (regs.mxcsr, regs.mxcsr_mask);
            if present & X87 == 0 {
                let xmm = regs.xmm_space;
                regs = FloatRegisters {
                    fcw: FCW_INITIAL,
                    xmm_space: xmm,
                    ..Default::default()
                };
                (regs.mxcsr, regs.mxcsr_mask) = mxcsr;
            }
            if present & SSE == 0 {
                regs.xmm_space = [0; 16];
            }
        }
        regs
    }

    /// Replaces the x87 and SSE registers. Bits that the CPU does not know are dropped; the upper
    /// halves of wider vector registers stay.
    pub fn set_registers(&mut self, regs: &FloatRegisters) {
        let mask = MXCSR_MASK.load(Ordering::Relaxed);
        let mut regs = *regs;
        regs.mxcsr &= mask;
        regs.mxcsr_mask = mask;
        let len = regs.len();
        if let Some(place) = self.bytes_mut().get_mut(..len) {
            place.copy_from_slice(&regs);
        }
        if COMPONENTS.load(Ordering::Relaxed) != 0 {
            let present = self.word(STATE_BITS) | X87 | SSE;
            self.put(STATE_BITS, present.to_le_bytes());
        }
    }
}

impl Drop for FpuArea {
    fn drop(&mut self) {
        if let Some(layout) = Self::layout(self.len) {
            // SAFETY: allocated in `new_initial` with this layout.
            unsafe { dealloc(self.area.as_ptr(), layout) };
        }
    }
}
