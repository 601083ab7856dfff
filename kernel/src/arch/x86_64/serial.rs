//! The first serial port (COM1): the machine's console.
//!
//! Output is polled, sixteen bytes for each look at the status register. Input comes by interrupt
//! and goes to the kernel byte by byte.

use super::regs::{inb, outb};
use core::arch::asm;
use core::fmt::{self, Write};
use core::sync::atomic::{AtomicBool, Ordering};

const PORT: u16 = 0x3f8;
const INTERRUPT_ENABLE: u16 = PORT + 1;
const FIFO_CONTROL: u16 = PORT + 2;
const LINE_CONTROL: u16 = PORT + 3;
const MODEM_CONTROL: u16 = PORT + 4;
const LINE_STATUS: u16 = PORT + 5;

/// Line status: a byte has arrived.
const DATA_READY: u8 = 1;
/// Line status: the transmitter can take a whole FIFO.
const TRANSMIT_EMPTY: u8 = 1 << 5;
/// Bytes in the FIFO.
const FIFO: usize = 16;
/// The port's interrupt line.
pub(super) const LINE: usize = 4;
/// Looks at the status register before a port is given up: more than 16 bytes take at 9,600 baud.
const PATIENCE: usize = 1_000_000;

static PRESENT: AtomicBool = AtomicBool::new(false);
static BUSY: AtomicBool = AtomicBool::new(false);

unsafe extern "C" {
    /// A byte arrived on the console.
    safe fn kernel_serial_input(byte: u8);
}

/// Sets the port to 115,200 baud, 8 data bits, no parity, FIFO on, interrupts off. Without a port
/// there, all later calls do nothing.
pub(super) fn init() {
    // SAFETY: nobody but this module uses COM1's ports; its device does no DMA.
    unsafe {
        outb(INTERRUPT_ENABLE, 0);
        outb(LINE_CONTROL, 0x80);
        outb(PORT, 1);
        outb(INTERRUPT_ENABLE, 0);
        outb(LINE_CONTROL, 0x03);
        outb(FIFO_CONTROL, 0x07);
        outb(MODEM_CONTROL, 0x0b);
        PRESENT.store(inb(LINE_STATUS) != 0xff, Ordering::Relaxed);
    }
}

/// Lets the port interrupt when a byte arrives.
pub(super) fn enable_input() {
    if PRESENT.load(Ordering::Relaxed) {
        // SAFETY: as in `init`.
        unsafe { outb(INTERRUPT_ENABLE, 1) };
    }
}

/// Takes what has arrived and hands it to the kernel; at most a few FIFOs full, so that a sender
/// cannot hold the CPU.
pub(super) fn interrupt() {
    for _ in 0..FIFO.saturating_mul(4) {
        // SAFETY: as in `init`; reading the data register takes the byte out of the FIFO.
        let byte = unsafe {
            if inb(LINE_STATUS) & DATA_READY == 0 {
                return;
            }
            inb(PORT)
        };
        kernel_serial_input(byte);
    }
    // More is waiting. The line counts by its rising edge and is still up: lower and raise it.
    // SAFETY: as in `init`.
    unsafe {
        outb(INTERRUPT_ENABLE, 0);
        outb(INTERRUPT_ENABLE, 1);
    }
}

fn transmit(bytes: &[u8]) {
    if !PRESENT.load(Ordering::Relaxed) {
        return;
    }
    for chunk in bytes.chunks(FIFO) {
        // SAFETY: as in `init`.
        let ready = |_: &usize| unsafe { inb(LINE_STATUS) } & TRANSMIT_EMPTY != 0;
        if (0..PATIENCE).find(ready).is_none() {
            return;
        }
        // SAFETY: reads `chunk`'s bytes and writes them to the data register, for which the FIFO
        // has room. The direction flag is clear in Rust code.
        unsafe {
            asm!("rep outsb", inout("rcx") chunk.len() => _, inout("rsi") chunk.as_ptr() => _,
                in("dx") PORT, options(readonly, nostack, preserves_flags));
        }
    }
}

/// Writes bytes as they are.
pub fn write(bytes: &[u8]) {
    // Another CPU's line is waited for; a CPU that died in the middle of one is not.
    let free = |_: &usize| !BUSY.swap(true, Ordering::Acquire);
    let _ = (0..PATIENCE).find(free);
    transmit(bytes);
    BUSY.store(false, Ordering::Release);
}

/// Splits text at its newlines, which a terminal wants preceded by a carriage return.
fn lines(text: &str, mut put: impl FnMut(&[u8])) {
    for line in text.split_inclusive('\n') {
        match line.strip_suffix('\n') {
            Some(body) => {
                put(body.as_bytes());
                put(b"\r\n");
            }
            None => put(line.as_bytes()),
        }
    }
}

/// The console for the kernel's own messages.
pub struct Console;

impl Write for Console {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        lines(text, write);
        Ok(())
    }
}

/// The same without waiting for another writer: for handlers that may have interrupted one, and
/// for a kernel that is about to stop.
pub(super) struct Unlocked;

impl Write for Unlocked {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        lines(text, transmit);
        Ok(())
    }
}

/// Writes a message of the kernel's.
pub fn print(message: fmt::Arguments) {
    let _ = Console.write_fmt(message);
}

/// Writes a message of a kernel that has failed, whoever holds the console.
pub fn print_in_panic(message: fmt::Arguments) {
    let _ = Unlocked.write_fmt(message);
}
