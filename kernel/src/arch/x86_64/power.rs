//! Ending it: back to the host, off, or again.

use super::platform::platform;
use super::regs::{inb, outb};
use core::arch::asm;
use x86_64::instructions::port::Port;

/// QEMU's `isa-debug-exit` device, where tests put it.
const DEBUG_EXIT: u16 = 0xf4;

/// Ends QEMU with exit status `code << 1 | 1`, given `-device isa-debug-exit,iobase=0xf4`; on a
/// machine without that device, stops this CPU for good.
pub fn debug_exit(code: u8) -> ! {
    // SAFETY: no PC has another device at this port; at worst the write is lost.
    unsafe { outb(DEBUG_EXIT, code) };
    halt()
}

/// Stops this CPU for good.
pub fn halt() -> ! {
    loop {
        // SAFETY: with interrupts off nothing of the kernel runs any more.
        unsafe { asm!("cli", "hlt", options(nomem, nostack)) };
    }
}

/// Turns the machine off by ACPI (soft-off, S5); returns if it has no such power management or
/// does not obey.
pub fn shutdown() {
    const SLEEP_ENABLE: u16 = 1 << 13;
    const SCI_ENABLE: u16 = 1;
    let info = platform();
    let (Some(fadt), Some((type_a, type_b))) = (info.fadt, info.sleep_type_off) else {
        return;
    };
    if fadt.pm1a_control == 0 {
        return;
    }
    let mut a = Port::<u16>::new(fadt.pm1a_control);
    // SAFETY: the ports are those that the firmware's tables name for this purpose, and nothing is
    // to run after the last write.
    unsafe {
        if a.read() & SCI_ENABLE == 0 && fadt.smi_command != 0 && fadt.acpi_enable != 0 {
            outb(fadt.smi_command, fadt.acpi_enable);
            let _ = (0..1_000_000).find(|_| a.read() & SCI_ENABLE != 0);
        }
        a.write(u16::from(type_a) << 10 | SLEEP_ENABLE);
        if fadt.pm1b_control != 0 {
            Port::<u16>::new(fadt.pm1b_control).write(u16::from(type_b) << 10 | SLEEP_ENABLE);
        }
        // The machine may take a moment.
        let _ = (0..1_000_000).find(|_| a.read() == u16::MAX);
    }
}

/// Starts the machine again: by ACPI's reset register, the chipset's, or the keyboard controller,
/// and if all are deaf by a triple fault.
pub fn reboot() -> ! {
    const CHIPSET_RESET: u16 = 0xcf9;
    const KEYBOARD: u16 = 0x64;
    // SAFETY: each of these resets the machine or does nothing that matters to a kernel which has
    // stopped. Loading an empty interrupt table and raising an exception shuts the CPU down, which
    // every PC answers with a reset.
    unsafe {
        if let Some((port, value)) = platform().fadt.and_then(|f| f.reset) {
            outb(port, value);
        }
        outb(CHIPSET_RESET, 0x02);
        outb(CHIPSET_RESET, 0x0e);
        let _ = (0..100_000).find(|_| inb(KEYBOARD) & 2 == 0);
        outb(KEYBOARD, 0xfe);
        let _ = (0..1_000_000).find(|_| inb(KEYBOARD) == 0xfe);
        let empty = [0u16; 5];
        asm!("lidt [{}]", "int3", in(reg) empty.as_ptr(), options(noreturn));
    }
}
