//! The local APIC: end of interrupt, and this CPU's timer.

use super::cpu::{self, features};
use super::platform::platform;
use super::regs::{self, msr};
use super::{kmap, power, serial};
use core::sync::atomic::{AtomicBool, AtomicPtr, Ordering};

/// Registers, by their offset in memory; in x2APIC mode their number is the offset divided by 16.
#[derive(Clone, Copy)]
enum Register {
    Id = 0x20,
    TaskPriority = 0x80,
    EndOfInterrupt = 0xb0,
    Spurious = 0xf0,
    /// The first of eight.
    InService = 0x100,
    Timer = 0x320,
    Thermal = 0x330,
    Performance = 0x340,
    Pin0 = 0x350,
    Pin1 = 0x360,
    Error = 0x370,
    InitialCount = 0x380,
    CurrentCount = 0x390,
    Divide = 0x3e0,
}

/// Vector of the timer.
pub(super) const TIMER: u8 = 0xf0;
/// Vector of an interrupt that vanished before it was taken; needs no end of interrupt.
pub(super) const SPURIOUS: u8 = 0xff;

const MASKED: u32 = 1 << 16;
const DEADLINE_MODE: u32 = 2 << 17;
const NON_MASKABLE: u32 = 4 << 8;
const DIVIDE_BY_1: u32 = 0b1011;

/// The registers in memory; null in x2APIC mode.
static REGISTERS: AtomicPtr<u8> = AtomicPtr::new(core::ptr::null_mut());
static DEADLINE: AtomicBool = AtomicBool::new(false);

fn read(register: Register) -> u32 {
    read_nth(register, 0)
}

/// Reads the register `n` places after `register`.
fn read_nth(register: Register, n: u8) -> u32 {
    let number = (register as u32).wrapping_add(u32::from(n) << 4);
    let base = REGISTERS.load(Ordering::Relaxed);
    // SAFETY: in x2APIC mode the register exists under this number; otherwise `base` is the
    // mapped register page and the offset lies within it. Reading has no side effect.
    unsafe {
        if base.is_null() {
            regs::read_msr(msr::X2APIC.wrapping_add(number >> 4)) as u32
        } else {
            base.wrapping_add(number as usize)
                .cast::<u32>()
                .read_volatile()
        }
    }
}

#[inline]
fn write(register: Register, value: u32) {
    let base = REGISTERS.load(Ordering::Relaxed);
    // SAFETY: as for `read`; the values written here only concern interrupts whose vectors have
    // handlers.
    unsafe {
        if base.is_null() {
            regs::write_msr(
                msr::X2APIC.wrapping_add(register as u32 >> 4),
                u64::from(value),
            );
        } else {
            base.wrapping_add(register as usize)
                .cast::<u32>()
                .write_volatile(value);
        }
    }
}

/// Switches this CPU's APIC on, everything masked but the non-maskable pin.
///
/// # Safety
/// Once on each CPU, with interrupts off and the interrupt table loaded.
pub(super) unsafe fn init() {
    const ENABLE: u64 = 1 << 11;
    const X2: u64 = 1 << 10;
    let x2apic = features().x2apic;
    if !x2apic && REGISTERS.load(Ordering::Relaxed).is_null() {
        match kmap::map_device(platform().local_apic, 4096) {
            Some(registers) => REGISTERS.store(registers, Ordering::Relaxed),
            None => {
                serial::print_in_panic(format_args!("kernel: no room to map the local APIC\n"));
                power::debug_exit(super::fault::FAILED);
            }
        }
    }
    // SAFETY: the register exists on every x86-64 CPU; x2APIC mode is entered only if CPUID has it,
    // through the enabled state, as the architecture asks.
    unsafe {
        let base = regs::read_msr(msr::APIC_BASE) | ENABLE;
        regs::write_msr(msr::APIC_BASE, base);
        if x2apic {
            regs::write_msr(msr::APIC_BASE, base | X2);
        }
    }
    for register in [
        Register::Timer,
        Register::Thermal,
        Register::Performance,
        Register::Pin0,
        Register::Error,
    ] {
        // A vector below 16 is an error even in a masked register.
        write(register, MASKED | u32::from(SPURIOUS));
    }
    write(Register::Pin1, NON_MASKABLE);
    write(Register::Spurious, 1 << 8 | u32::from(SPURIOUS));
    write(Register::TaskPriority, 0);
    write(Register::EndOfInterrupt, 0);
    let id = read(Register::Id);
    let id = if x2apic { id } else { id >> 24 };
    cpu::current().apic_id().store(id, Ordering::Relaxed);
}

/// Tells the APIC that the interrupt being handled is done with.
#[inline]
pub(super) fn end_of_interrupt() {
    write(Register::EndOfInterrupt, 0);
}

/// Whether the APIC waits for the end of an interrupt with this vector. Of the spurious ones it
/// does not.
pub(super) fn in_service(vector: u8) -> bool {
    read_nth(Register::InService, vector >> 5) >> (vector & 31) & 1 != 0
}

/// Lets the timer count down from its largest value, without interrupting.
pub(super) fn start_counting() {
    write(Register::Divide, DIVIDE_BY_1);
    write(Register::Timer, MASKED | u32::from(TIMER));
    write(Register::InitialCount, u32::MAX);
}

/// Ticks since [`start_counting`].
pub(super) fn counted() -> u32 {
    u32::MAX.wrapping_sub(read(Register::CurrentCount))
}

/// Makes the timer ready to be armed, in the mode that compares with the time-stamp counter if
/// there is one; returns whether.
pub(super) fn ready_timer() -> bool {
    let deadline = features().tsc_deadline;
    DEADLINE.store(deadline, Ordering::Relaxed);
    let mode = if deadline { DEADLINE_MODE } else { 0 };
    write(Register::InitialCount, 0);
    write(Register::Timer, mode | u32::from(TIMER));
    // The first write of a deadline must not overtake the write above.
    // SAFETY: a fence changes nothing.
    unsafe { core::arch::asm!("mfence", options(nostack, preserves_flags)) };
    deadline
}

/// Whether [`arm`] takes a value of the time-stamp counter rather than a count of timer ticks.
#[inline]
pub(super) fn deadline_mode() -> bool {
    DEADLINE.load(Ordering::Relaxed)
}

/// Makes the timer interrupt once; 0 stops it.
#[inline]
pub(super) fn arm_deadline(tsc: u64) {
    // SAFETY: the register exists, `ready_timer` found it.
    unsafe { regs::write_msr(msr::TSC_DEADLINE, tsc) };
}

/// Makes the timer interrupt once after so many ticks; 0 stops it.
#[inline]
pub(super) fn arm_count(ticks: u32) {
    write(Register::InitialCount, ticks);
}
