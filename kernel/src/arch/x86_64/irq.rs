//! Interrupts for user-space drivers.
//!
//! Numbers 0 to 23 are lines: up to 15 the ISA interrupts, wherever the machine has wired them, from
//! 16 the global interrupts of the same number. A line that signals by level is masked when it
//! fires and stays so until its driver acknowledges; one that signals by edge is not, since an edge
//! that came meanwhile would be lost. From [`MESSAGE_FIRST`] on come interrupts by message (MSI), of
//! which a driver takes as many as it needs.

use super::platform::{IO_APICS, platform};
use super::regs::outb;
use super::{cpu, kmap, lapic, serial, time};
use core::sync::atomic::{AtomicPtr, AtomicU32, AtomicU64, Ordering};
use kernel_boot_core::acpi::Signal;

/// How many lines there are.
pub const LINES: usize = 24;
/// The number of the first message interrupt.
pub const MESSAGE_FIRST: usize = 32;
/// How many message interrupts there are.
pub const MESSAGES: usize = 64;

/// Vector of line 0.
const LINE_VECTOR: usize = 0x30;
/// Vector of the first message interrupt.
const MESSAGE_VECTOR: usize = 0x50;
/// Vectors that the old interrupt controllers are told to use for what they must not send.
const PIC_VECTOR: u8 = 0x20;

const LINE_END: usize = LINE_VECTOR + LINES - 1;
const MESSAGE_END: usize = MESSAGE_VECTOR + MESSAGES - 1;
const TIMER: usize = lapic::TIMER as usize;

unsafe extern "C" {
    /// Interrupt `number` fired: a line, or a message from [`MESSAGE_FIRST`] on.
    safe fn kernel_irq(number: usize);
    /// The deadline of [`time::arm_timer`] has come.
    safe fn kernel_timer();
}

/// A line's place in an I/O APIC.
struct Line {
    /// The controller's registers, null if the line leads nowhere.
    controller: AtomicPtr<u32>,
    /// The redirection entry's low half, without the mask bit.
    entry: AtomicU32,
    /// Which input of the controller.
    input: AtomicU32,
}

static LINE: [Line; LINES] = [const {
    Line {
        controller: AtomicPtr::new(core::ptr::null_mut()),
        entry: AtomicU32::new(0),
        input: AtomicU32::new(0),
    }
}; LINES];

/// A bit for each message interrupt that is taken.
static MESSAGES_TAKEN: AtomicU64 = AtomicU64::new(0);

const MASKED: u32 = 1 << 16;
const LEVEL: u32 = 1 << 15;
const ACTIVE_LOW: u32 = 1 << 13;

/// I/O APIC registers are reached by writing their number to the first word and using the fifth.
const DATA: usize = 4;
const VERSION: u32 = 1;
const REDIRECTION: u32 = 0x10;

fn write_io_apic(controller: *mut u32, register: u32, value: u32) {
    // SAFETY: `controller` points to the mapped registers of an I/O APIC, uncached. The value only
    // concerns interrupts whose vectors have handlers.
    unsafe {
        controller.write_volatile(register);
        controller.wrapping_add(DATA).write_volatile(value);
    }
}

fn read_io_apic(controller: *mut u32, register: u32) -> u32 {
    // SAFETY: as above.
    unsafe {
        controller.write_volatile(register);
        controller.wrapping_add(DATA).read_volatile()
    }
}

fn set_entry(line: &Line, mask: u32) {
    let controller = line.controller.load(Ordering::Relaxed);
    if !controller.is_null() {
        let input = line.input.load(Ordering::Relaxed);
        let low = REDIRECTION.wrapping_add(input.wrapping_mul(2));
        write_io_apic(controller, low, line.entry.load(Ordering::Relaxed) | mask);
    }
}

/// Silences the old controllers, sets all inputs of the I/O APICs up masked, and opens the
/// console's line.
///
/// # Safety
/// Once, on the boot CPU, interrupts off, its local APIC on.
pub(super) unsafe fn init() {
    // SAFETY: nobody else uses the two 8259 controllers. They are given vectors that have handlers,
    // for the interrupts that they can claim even when masked.
    unsafe {
        for (port, vector, wiring) in [(0x20, PIC_VECTOR, 4), (0xa0, PIC_VECTOR | 8, 2)] {
            outb(port, 0x11);
            outb(port | 1, vector);
            outb(port | 1, wiring);
            outb(port | 1, 1);
            outb(port | 1, 0xff);
        }
    }
    let info = platform();
    let mut controllers = [(core::ptr::null_mut::<u32>(), 0u32, 0u32); IO_APICS];
    for (slot, (address, gsi_base)) in controllers.iter_mut().zip(info.io_apics.iter().flatten()) {
        let Some(registers) = kmap::map_device(*address, 0x20) else {
            continue;
        };
        let registers = registers.cast::<u32>();
        let inputs = ((read_io_apic(registers, VERSION) >> 16) & 0xff).wrapping_add(1);
        for input in 0..inputs {
            write_io_apic(
                registers,
                REDIRECTION.wrapping_add(input.wrapping_mul(2)),
                MASKED,
            );
        }
        *slot = (registers, *gsi_base, inputs);
    }
    let destination = cpu::current().apic_id().load(Ordering::Relaxed) << 24;
    for ((number, vector), line) in (0u32..).zip(LINE_VECTOR as u32..).zip(&LINE) {
        let isa = info.isa.get(number as usize).copied();
        let (gsi, signal) = isa.unwrap_or((number, Signal::PCI));
        let home = controllers.iter().find_map(|(registers, base, inputs)| {
            let input = gsi.checked_sub(*base).filter(|input| input < inputs)?;
            Some((*registers, input))
        });
        let Some((registers, input)) = home else {
            continue;
        };
        let low = if signal.active_low { ACTIVE_LOW } else { 0 };
        let level = if signal.level { LEVEL } else { 0 };
        line.entry.store(vector | low | level, Ordering::Relaxed);
        line.input.store(input, Ordering::Relaxed);
        line.controller.store(registers, Ordering::Relaxed);
        let high = REDIRECTION
            .wrapping_add(input.wrapping_mul(2))
            .wrapping_add(1);
        write_io_apic(registers, high, destination);
    }
    unmask(serial::LINE);
}

/// Whether a driver may have this line: it exists, and the kernel does not use it.
pub fn is_available(line: usize) -> bool {
    /// The old timer and the old cascade, which no device uses.
    const UNUSED: [usize; 2] = [0, 2];
    line != serial::LINE
        && !UNUSED.contains(&line)
        && LINE
            .get(line)
            .is_some_and(|l| !l.controller.load(Ordering::Relaxed).is_null())
}

/// Lets a line interrupt; a number without a line is ignored.
pub fn unmask(line: usize) {
    if let Some(line) = LINE.get(line) {
        set_entry(line, 0);
    }
}

/// Keeps a line from interrupting.
pub fn mask(line: usize) {
    if let Some(line) = LINE.get(line) {
        set_entry(line, MASKED);
    }
}

/// The driver has dealt with an interrupt, and the next may come. Does nothing for what is not
/// masked when it fires: edges and messages.
pub fn acknowledge(number: usize) {
    if let Some(line) = LINE
        .get(number)
        .filter(|l| l.entry.load(Ordering::Relaxed) & LEVEL != 0)
    {
        set_entry(line, 0);
    }
}

/// Takes a message interrupt for a driver and returns its number; `None` when all are taken.
pub fn allocate_message() -> Option<usize> {
    let taken = MESSAGES_TAKEN.load(Ordering::Relaxed);
    let index = taken.trailing_ones();
    let bit = 1u64.checked_shl(index)?;
    MESSAGES_TAKEN.store(taken | bit, Ordering::Relaxed);
    MESSAGE_FIRST.checked_add(index as usize)
}

/// Gives a message interrupt back. Its device must have stopped sending it.
pub fn free_message(number: usize) {
    let index = number
        .checked_sub(MESSAGE_FIRST)
        .and_then(|i| u32::try_from(i).ok());
    if let Some(bit) = index.and_then(|i| 1u64.checked_shl(i)) {
        MESSAGES_TAKEN.fetch_and(!bit, Ordering::Relaxed);
    }
}

/// The address and the value that a device writes to raise message interrupt `number` on this CPU.
pub fn message(number: usize) -> Option<(u64, u32)> {
    let index = number
        .checked_sub(MESSAGE_FIRST)
        .filter(|i| *i < MESSAGES)?;
    let apic_id = cpu::current().apic_id().load(Ordering::Relaxed);
    let address = 0xfee0_0000u64 | u64::from(apic_id & 0xff) << 12;
    Some((address, MESSAGE_VECTOR.checked_add(index)? as u32))
}

/// Every interrupt ends up here, from user mode or from a CPU that waits.
pub(super) extern "C" fn interrupt(vector: usize) {
    match vector {
        TIMER => {
            lapic::end_of_interrupt();
            time::fired();
            kernel_timer();
        }
        LINE_VECTOR..=LINE_END => {
            let number = vector.wrapping_sub(LINE_VECTOR);
            if number == serial::LINE {
                lapic::end_of_interrupt();
                serial::interrupt();
                return;
            }
            if let Some(line) = LINE.get(number)
                && line.entry.load(Ordering::Relaxed) & LEVEL != 0
            {
                set_entry(line, MASKED);
            }
            lapic::end_of_interrupt();
            kernel_irq(number);
        }
        MESSAGE_VECTOR..=MESSAGE_END => {
            lapic::end_of_interrupt();
            kernel_irq(
                vector
                    .wrapping_sub(MESSAGE_VECTOR)
                    .wrapping_add(MESSAGE_FIRST),
            );
        }
        // Spurious, from the local APIC or the old controllers; or from a device that still sends
        // what the firmware told it to, which blocks others until it is answered.
        _ => {
            if u8::try_from(vector).is_ok_and(lapic::in_service) {
                lapic::end_of_interrupt();
            }
        }
    }
}
