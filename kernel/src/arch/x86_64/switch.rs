//! Which context's address space, registers and thread pointers the CPU has loaded.

use super::cpu::{self, features};
use super::fpu::FpuArea;
use super::frame::TrapFrame;
use super::regs::{self, msr};
use core::arch::asm;
use core::sync::atomic::{AtomicBool, Ordering};
use syscall::EnvRegisters;

/// The CPU has `rdfsbase` and its kin. Written once, by `init`.
static BASE_INSTRUCTIONS: AtomicBool = AtomicBool::new(false);

/// Finds out how the bases of FS and GS are to be set.
pub(super) fn init() {
    BASE_INSTRUCTIONS.store(features().fsgsbase, Ordering::Relaxed);
}

/// All of a context's state that the CPU holds while it runs, but its address space.
///
/// It must not move while it is current, because the entry code writes into `frame`; keep it in a
/// pinned or boxed place.
#[derive(Debug)]
pub struct UserState {
    /// Integer registers.
    pub frame: TrapFrame,
    /// Base of FS, the thread pointer. Up to date while the context is not loaded.
    fs_base: u64,
    /// Base of GS as the program sees it.
    gs_base: u64,
    /// Floating-point and vector registers. Up to date while the context is not loaded.
    pub fpu: FpuArea,
}

/// Whether `address` is one that a segment base may have here: in the lower half.
fn user_base(address: u64) -> bool {
    address >> 47 == 0
}

impl UserState {
    /// A new context that begins at `ip` with stack pointer `sp`; `None` when memory is out.
    pub fn new(ip: usize, sp: usize) -> Option<Self> {
        let fpu = FpuArea::new_initial()?;
        Some(Self {
            frame: TrapFrame::new(ip, sp),
            fs_base: 0,
            gs_base: 0,
            fpu,
        })
    }

    /// The segment bases. If the context is loaded, [`UserState::save`] it first.
    pub fn env(&self) -> EnvRegisters {
        EnvRegisters {
            fsbase: self.fs_base,
            gsbase: self.gs_base,
        }
    }

    /// Replaces the segment bases; `false`, and nothing changed, if one is not an address of the
    /// user half. If the context is loaded, [`UserState::load`] it afterwards.
    #[must_use]
    pub fn set_env(&mut self, env: &EnvRegisters) -> bool {
        let (fs, gs) = (env.fsbase, env.gsbase);
        let valid = user_base(fs) && user_base(gs);
        if valid {
            (self.fs_base, self.gs_base) = (fs, gs);
        }
        valid
    }

    /// Stores what the CPU holds of this context, which it goes on holding.
    #[inline]
    pub fn save(&mut self) {
        self.fpu.save();
        // Without these instructions a program cannot change the bases by itself.
        if BASE_INSTRUCTIONS.load(Ordering::Relaxed) {
            // SAFETY: the instructions are there and on. The kernel does not use FS. The program's
            // GS base is the one in reserve; in between, GS is the program's while the kernel runs,
            // as it is at a `syscall`, and nothing that may come then relies on it.
            unsafe {
                asm!("rdfsbase {}", out(reg) self.fs_base, options(nomem, nostack, preserves_flags));
                asm!("swapgs", "rdgsbase {}", "swapgs", out(reg) self.gs_base,
                    options(nomem, nostack, preserves_flags));
            }
        }
    }

    /// Makes the CPU hold this context's registers. Both bases are written in any case: what the CPU
    /// has there is another context's, which may have changed it by loading a selector.
    #[inline]
    pub fn load(&self) {
        self.fpu.restore();
        // SAFETY: the bases are canonical: `set_env` checks them, and `wrfsbase` and `wrgsbase`
        // fault otherwise. Neither is used by the kernel. On the exchange of GS see `save`.
        unsafe {
            if BASE_INSTRUCTIONS.load(Ordering::Relaxed) {
                asm!("wrfsbase {fs}", "swapgs", "wrgsbase {gs}", "swapgs",
                    fs = in(reg) self.fs_base, gs = in(reg) self.gs_base,
                    options(nomem, nostack, preserves_flags));
            } else {
                regs::write_msr(msr::FS_BASE, self.fs_base);
                regs::write_msr(msr::KERNEL_GS_BASE, self.gs_base);
            }
        }
    }
}

/// Loads the page table at physical address `root` unless it is loaded already.
///
/// # Safety
/// Its upper half is the kernel's (`kernel_root`), and it stays valid until another is loaded.
#[inline]
pub unsafe fn load_root(root: u64) {
    let loaded = cpu::current().root();
    if loaded.load(Ordering::Relaxed) != root {
        loaded.store(root, Ordering::Relaxed);
        // SAFETY: the caller's promise.
        unsafe { regs::load_root(root) };
    }
}

/// Physical address of the loaded page table.
#[inline]
pub fn loaded_root() -> u64 {
    cpu::current().root().load(Ordering::Relaxed)
}

/// Takes the CPU from context `from` (`None`: nobody's state is loaded, or it may be lost) and
/// gives it to `to`, whose address space is the page table at `root`. The next return to user mode
/// is `to`'s.
///
/// # Safety
/// `root` as for [`load_root`]; `to` stays in place, with no reference to its frame in use while
/// user mode runs, until the CPU is given to another or [`release`] is called.
#[inline]
pub unsafe fn switch_to(from: Option<&mut UserState>, to: &mut UserState, root: u64) {
    if let Some(from) = from {
        from.save();
    }
    // SAFETY: the caller's promises.
    unsafe {
        load_root(root);
        to.load();
        cpu::set_current_frame(&raw mut to.frame);
    }
}

/// Leaves the CPU to nobody: stores `from`'s state if given, loads the kernel's own page table, so
/// that `from`'s may be freed, and makes the return to user mode wait for interrupts.
pub fn release(from: Option<&mut UserState>) {
    if let Some(from) = from {
        from.save();
    }
    // SAFETY: the kernel's table lives for ever; null is always allowed as a frame.
    unsafe {
        load_root(super::kmap::kernel_root());
        cpu::set_current_frame(core::ptr::null_mut());
    }
}
