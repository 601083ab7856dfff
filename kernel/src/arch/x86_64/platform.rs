//! What the firmware's ACPI tables say about the machine, or what a PC has when they say nothing.

use super::kmap::with_physical;
use super::serial;
use kernel_boot_core::acpi::{self, Fadt, MadtEntry, Root, Signal};
use spin::Once;

/// Interrupt controllers that are used.
pub(super) const IO_APICS: usize = 4;
/// A table longer than this is not looked at.
const MAX_TABLE: usize = 512 * 1024;

/// The machine as described.
#[derive(Clone, Copy, Debug)]
pub struct Platform {
    /// Physical address of the ACPI root pointer, 0 without one.
    pub rsdp: u64,
    /// Physical address of the local APICs' registers.
    pub local_apic: u64,
    /// I/O APICs: physical address, first global interrupt.
    pub io_apics: [Option<(u64, u32)>; IO_APICS],
    /// For each ISA interrupt the global one it is wired to and how it signals.
    pub isa: [(u32, Signal); 16],
    /// CPUs that may be started, the running one included.
    pub cpus: u32,
    /// Power management.
    pub fadt: Option<Fadt>,
    /// What to write to turn the machine off.
    pub sleep_type_off: Option<(u8, u8)>,
}

impl Platform {
    /// A PC without tables.
    fn plain(rsdp: u64) -> Self {
        Self {
            rsdp,
            local_apic: 0xfee0_0000,
            io_apics: [Some((0xfec0_0000, 0)), None, None, None],
            isa: core::array::from_fn(|irq| (irq as u32, Signal::ISA)),
            cpus: 1,
            fadt: None,
            sleep_type_off: None,
        }
    }
}

static PLATFORM: Once<Platform> = Once::new();

/// The machine as described by its firmware.
pub fn platform() -> &'static Platform {
    PLATFORM.call_once(|| Platform::plain(0))
}

/// Physical address of the ACPI root pointer, if the machine has one.
pub fn root_pointer() -> Option<u64> {
    Some(platform().rsdp).filter(|rsdp| *rsdp != 0)
}

/// Reads the tables that hang on the root pointer at `rsdp`; with 0, looks for one where a BIOS
/// puts it. Called once, before anybody asks for [`platform`].
pub(super) fn discover(rsdp: u64) {
    PLATFORM.call_once(|| {
        let rsdp = if rsdp == 0 {
            scan_bios().unwrap_or(0)
        } else {
            rsdp
        };
        let mut found = Platform::plain(rsdp);
        if rsdp != 0 && read_tables(rsdp, &mut found).is_none() {
            serial::print(format_args!(
                "kernel: ACPI tables at {rsdp:#x} are not usable\n"
            ));
        }
        found
    });
}

fn scan_bios() -> Option<u64> {
    const BIOS: u64 = 0xe_0000;
    const LEN: usize = 0x2_0000;
    const STEP: usize = 16;
    with_physical(BIOS, LEN, |bytes| {
        let starts = (0..LEN).step_by(STEP);
        let at = starts
            .into_iter()
            .find(|at| bytes.get(*at..).is_some_and(|b| acpi::rsdp(b).is_some()))?;
        BIOS.checked_add(at as u64)
    })?
}

/// Shows a whole table whose checksum is right.
fn with_table<R>(address: u64, look: impl FnOnce([u8; 4], &[u8]) -> R) -> Option<R> {
    let (signature, len) = with_physical(address, acpi::HEADER_LEN, acpi::header)??;
    if len > MAX_TABLE {
        return None;
    }
    with_physical(address, len, |table| {
        acpi::sums_to_zero(table).then(|| look(signature, table))
    })?
}

fn read_tables(rsdp: u64, platform: &mut Platform) -> Option<()> {
    /// Tables that a root table may list; more are ignored.
    const TABLES: usize = 64;
    let root = with_physical(rsdp, acpi::RSDP_LEN, acpi::rsdp)??;
    let (address, wide) = match root {
        Root::Rsdt(address) => (address, false),
        Root::Xsdt(address) => (address, true),
    };
    let mut tables = [0u64; TABLES];
    with_table(address, |_, root| {
        for (slot, entry) in tables.iter_mut().zip(acpi::root_entries(root, wide)) {
            *slot = entry;
        }
    })?;
    for address in tables.into_iter().filter(|a| *a != 0) {
        with_table(address, |signature, table| match &signature {
            b"APIC" => read_madt(table, platform),
            b"FACP" => platform.fadt = acpi::fadt(table),
            _ => {}
        });
    }
    if let Some(dsdt) = platform.fadt.map(|f| f.dsdt).filter(|a| *a != 0) {
        platform.sleep_type_off = with_table(dsdt, |_, dsdt| acpi::sleep_type_off(dsdt)).flatten();
    }
    Some(())
}

fn read_madt(table: &[u8], platform: &mut Platform) {
    if let Some(address) = acpi::madt_local_apic(table) {
        platform.local_apic = address;
    }
    let mut cpus = 0u32;
    let mut io_apics = [None; IO_APICS];
    let mut slots = io_apics.iter_mut();
    for entry in acpi::madt_entries(table) {
        match entry {
            MadtEntry::Cpu { usable, .. } => cpus = cpus.saturating_add(u32::from(usable)),
            MadtEntry::IoApic { address, gsi_base } => {
                if let Some(slot) = slots.next() {
                    *slot = Some((u64::from(address), gsi_base));
                }
            }
            MadtEntry::Override { irq, gsi, signal } => {
                if let Some(slot) = platform.isa.get_mut(usize::from(irq)) {
                    *slot = (gsi, signal);
                }
            }
            MadtEntry::LocalApic(address) => platform.local_apic = address,
        }
    }
    platform.cpus = cpus.max(1);
    platform.io_apics = io_apics;
}
