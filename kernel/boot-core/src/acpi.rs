//! The few ACPI tables that a microkernel needs: where the interrupt controllers are, where the
//! power-management timer is, and how to turn the machine off. Layouts are those of the ACPI
//! specification 6.5, chapter 5. Everything else is for user space.

/// Bytes of the header that every table but the RSDP begins with.
pub const HEADER_LEN: usize = 36;

/// Bytes of the largest RSDP read here.
pub const RSDP_LEN: usize = 36;

fn u8_at(bytes: &[u8], at: usize) -> Option<u8> {
    bytes.get(at).copied()
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// Whether all bytes add up to zero, as those of every table must.
pub fn sums_to_zero(bytes: &[u8]) -> bool {
    bytes.iter().fold(0u8, |sum, b| sum.wrapping_add(*b)) == 0
}

/// The table of tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Root {
    /// RSDT at this address: 32-bit entries.
    Rsdt(u64),
    /// XSDT at this address: 64-bit entries.
    Xsdt(u64),
}

/// Reads the root pointer structure from its first [`RSDP_LEN`] bytes (20 suffice for revision 0);
/// `None` if signature or checksum are wrong.
pub fn rsdp(bytes: &[u8]) -> Option<Root> {
    let first = bytes.get(..20)?;
    if !first.starts_with(b"RSD PTR ") || !sums_to_zero(first) {
        return None;
    }
    if u8_at(bytes, 15)? >= 2 {
        let all = bytes.get(..RSDP_LEN)?;
        match u64_at(bytes, 24)? {
            0 => {}
            xsdt if sums_to_zero(all) => return Some(Root::Xsdt(xsdt)),
            _ => return None,
        }
    }
    match u32_at(bytes, 16)? {
        0 => None,
        rsdt => Some(Root::Rsdt(u64::from(rsdt))),
    }
}

/// Signature and total length from a table's first [`HEADER_LEN`] bytes; `None` when the length is
/// shorter than the header itself.
pub fn header(bytes: &[u8]) -> Option<([u8; 4], usize)> {
    let signature = *bytes.first_chunk()?;
    let len = usize::try_from(u32_at(bytes, 4)?).ok()?;
    (len >= HEADER_LEN).then_some((signature, len))
}

/// The addresses in an RSDT (`wide` false) or XSDT (`wide` true).
pub fn root_entries(table: &[u8], wide: bool) -> impl Iterator<Item = u64> + '_ {
    let size = if wide { 8 } else { 4 };
    table
        .get(HEADER_LEN..)
        .unwrap_or(&[])
        .chunks_exact(size)
        .filter_map(move |entry| {
            if wide {
                u64_at(entry, 0)
            } else {
                u32_at(entry, 0).map(u64::from)
            }
        })
}

/// One record of the MADT that concerns us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MadtEntry {
    /// A CPU: its APIC id, and whether it may be started.
    Cpu {
        /// APIC id.
        apic_id: u32,
        /// Enabled or enableable.
        usable: bool,
    },
    /// An I/O APIC.
    IoApic {
        /// Physical address of its registers.
        address: u32,
        /// The global interrupt number of its first input.
        gsi_base: u32,
    },
    /// An ISA interrupt that arrives elsewhere or otherwise than by default.
    Override {
        /// The ISA line.
        irq: u8,
        /// The global interrupt it is wired to.
        gsi: u32,
        /// How it signals.
        signal: Signal,
    },
    /// The local APIC's address, replacing the 32-bit one of the table's head.
    LocalApic(u64),
}

/// How an interrupt line signals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signal {
    /// Low is active.
    pub active_low: bool,
    /// The level counts, not the edge.
    pub level: bool,
}

impl Signal {
    /// ISA: rising edge.
    pub const ISA: Self = Self {
        active_low: false,
        level: false,
    };
    /// PCI: low level.
    pub const PCI: Self = Self {
        active_low: true,
        level: true,
    };

    /// From the MPS INTI flags of an ISA override, whose default is the bus's.
    fn from_flags(flags: u16) -> Self {
        Self {
            active_low: flags & 3 == 3,
            level: (flags >> 2) & 3 == 3,
        }
    }
}

/// The local APIC's address as the MADT's fixed part says.
pub fn madt_local_apic(table: &[u8]) -> Option<u64> {
    u32_at(table, 36).map(u64::from)
}

/// The records of a MADT that concern us; the walk ends at the first malformed one.
pub fn madt_entries(table: &[u8]) -> impl Iterator<Item = MadtEntry> + '_ {
    let mut rest = table.get(44..).unwrap_or(&[]);
    core::iter::from_fn(move || {
        let len = usize::from(u8_at(rest, 1)?);
        if len < 2 {
            return None;
        }
        let entry = rest.get(..len)?;
        rest = rest.get(len..)?;
        Some(madt_entry(entry))
    })
    .flatten()
}

fn madt_entry(entry: &[u8]) -> Option<MadtEntry> {
    match u8_at(entry, 0)? {
        0 => Some(MadtEntry::Cpu {
            apic_id: u32::from(u8_at(entry, 3)?),
            usable: u32_at(entry, 4)? & 3 != 0,
        }),
        1 => Some(MadtEntry::IoApic {
            address: u32_at(entry, 4)?,
            gsi_base: u32_at(entry, 8)?,
        }),
        2 => Some(MadtEntry::Override {
            irq: u8_at(entry, 3)?,
            gsi: u32_at(entry, 4)?,
            signal: Signal::from_flags(u16_at(entry, 8)?),
        }),
        5 => Some(MadtEntry::LocalApic(u64_at(entry, 4)?)),
        9 => Some(MadtEntry::Cpu {
            apic_id: u32_at(entry, 4)?,
            usable: u32_at(entry, 8)? & 3 != 0,
        }),
        _ => None,
    }
}

/// What the FADT says about power management. Ports are I/O ports, 0 when absent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fadt {
    /// Physical address of the DSDT.
    pub dsdt: u64,
    /// Port that takes `acpi_enable` to leave legacy mode.
    pub smi_command: u16,
    /// The value that does so.
    pub acpi_enable: u8,
    /// Control register of the first power-management block.
    pub pm1a_control: u16,
    /// Control register of the second.
    pub pm1b_control: u16,
    /// Port of the 3.579545 MHz timer.
    pub pm_timer: u16,
    /// The timer has 32 bits, not 24.
    pub pm_timer_wide: bool,
    /// Reset register: an I/O port and the value to write.
    pub reset: Option<(u16, u8)>,
    /// CMOS register that holds the century, 0 when there is none.
    pub century: u8,
}

/// Reads a FADT; `None` if it is too short to be one.
pub fn fadt(table: &[u8]) -> Option<Fadt> {
    let port = |at| {
        u32_at(table, at)
            .and_then(|p| u16::try_from(p).ok())
            .unwrap_or(0)
    };
    let flags = u32_at(table, 112)?;
    let wide_dsdt = u64_at(table, 140).filter(|a| *a != 0);
    let reset_supported = flags & (1 << 10) != 0 && u8_at(table, 116) == Some(1);
    let reset_port = u64_at(table, 120).and_then(|p| u16::try_from(p).ok());
    let reset = reset_port
        .filter(|p| reset_supported && *p != 0)
        .zip(u8_at(table, 128));
    Some(Fadt {
        dsdt: wide_dsdt.or(u32_at(table, 40).map(u64::from))?,
        smi_command: port(48),
        acpi_enable: u8_at(table, 52)?,
        pm1a_control: port(64),
        pm1b_control: port(68),
        pm_timer: if u8_at(table, 91)? == 4 { port(76) } else { 0 },
        pm_timer_wide: flags & (1 << 8) != 0,
        reset,
        century: u8_at(table, 108)?,
    })
}

/// The sleep types that mean "off": the first two elements of the package named `_S5_` in a DSDT,
/// to be written to the first and second power-management block.
///
/// The name is looked for as bytes, since every firmware spells this object as a literal package of
/// integers, as the specification asks of it.
pub fn sleep_type_off(dsdt: &[u8]) -> Option<(u8, u8)> {
    const NAME_OP: u8 = 0x08;
    let body = dsdt.get(HEADER_LEN..)?;
    body.windows(4).enumerate().find_map(|(at, window)| {
        let before = at.checked_sub(1).and_then(|i| u8_at(body, i))?;
        let rooted =
            before == b'\\' && at.checked_sub(2).and_then(|i| u8_at(body, i)) == Some(NAME_OP);
        if window != b"_S5_" || (before != NAME_OP && !rooted) {
            return None;
        }
        sleep_package(body.get(at.checked_add(4)?..)?)
    })
}

fn sleep_package(bytes: &[u8]) -> Option<(u8, u8)> {
    const PACKAGE_OP: u8 = 0x12;
    let (op, rest) = bytes.split_first()?;
    // The two high bits of a package length say how many bytes follow the first.
    let (lead, rest) = rest.split_first()?;
    let rest = rest.get(usize::from(lead >> 6)..)?;
    let (count, rest) = rest.split_first()?;
    if *op != PACKAGE_OP || *count < 1 {
        return None;
    }
    let (first, rest) = small_integer(rest)?;
    let second = if *count > 1 {
        small_integer(rest)?.0
    } else {
        0
    };
    Some((first, second))
}

/// An AML integer constant that fits in the three bits of a sleep type.
fn small_integer(bytes: &[u8]) -> Option<(u8, &[u8])> {
    let (op, rest) = bytes.split_first()?;
    let (value, size) = match op {
        0x00 => (0, 0),
        0x01 => (1, 0),
        0x0a => (u64::from(u8_at(rest, 0)?), 1),
        0x0b => (u64::from(u16_at(rest, 0)?), 2),
        0x0c => (u64::from(u32_at(rest, 0)?), 4),
        _ => return None,
    };
    let value = u8::try_from(value).ok().filter(|v| *v < 8)?;
    Some((value, rest.get(size..)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::vec;
    use std::vec::Vec;

    fn fix_sum(bytes: &mut [u8], at: usize) {
        bytes[at] = 0;
        let sum = bytes.iter().fold(0u8, |s, b| s.wrapping_add(*b));
        bytes[at] = 0u8.wrapping_sub(sum);
    }

    fn rsdp_bytes(revision: u8, rsdt: u32, xsdt: u64) -> Vec<u8> {
        let mut b = vec![0u8; 36];
        b[..8].copy_from_slice(b"RSD PTR ");
        b[15] = revision;
        b[16..20].copy_from_slice(&rsdt.to_le_bytes());
        b[20..24].copy_from_slice(&36u32.to_le_bytes());
        b[24..32].copy_from_slice(&xsdt.to_le_bytes());
        fix_sum(&mut b[..20], 8);
        fix_sum(&mut b, 32);
        b
    }

    #[test]
    fn root_pointers() {
        assert_eq!(
            rsdp(&rsdp_bytes(0, 0x1000, 0x2000)),
            Some(Root::Rsdt(0x1000))
        );
        assert_eq!(
            rsdp(&rsdp_bytes(0, 0x1000, 0)[..20]),
            Some(Root::Rsdt(0x1000))
        );
        assert_eq!(
            rsdp(&rsdp_bytes(2, 0x1000, 0x2000)),
            Some(Root::Xsdt(0x2000))
        );
        assert_eq!(rsdp(&rsdp_bytes(2, 0x1000, 0)), Some(Root::Rsdt(0x1000)));
        assert_eq!(rsdp(&rsdp_bytes(0, 0, 0)), None);
        let mut bad = rsdp_bytes(2, 0x1000, 0x2000);
        bad[30] ^= 1;
        assert_eq!(rsdp(&bad), None);
        bad[0] = b'X';
        assert_eq!(rsdp(&bad), None);
    }

    #[test]
    fn root_tables() {
        let mut t = vec![0u8; HEADER_LEN];
        t.extend([1, 0, 0, 0, 2, 0, 0, 0, 9]);
        assert_eq!(root_entries(&t, false).collect::<Vec<_>>(), [1, 2]);
        assert_eq!(root_entries(&t, true).collect::<Vec<_>>(), [0x2_0000_0001]);
        assert_eq!(root_entries(&t[..4], true).count(), 0);
    }

    #[test]
    fn headers() {
        let mut t = vec![0u8; HEADER_LEN];
        t[..4].copy_from_slice(b"APIC");
        t[4] = 35;
        assert_eq!(header(&t), None);
        t[4] = 36;
        assert_eq!(header(&t), Some((*b"APIC", 36)));
        assert_eq!(header(b"APIC"), None);
    }

    #[test]
    fn madt() {
        let mut t = vec![0u8; 44];
        t[36..40].copy_from_slice(&0xfee0_0000u32.to_le_bytes());
        t.extend([0, 8, 0, 3, 1, 0, 0, 0]);
        t.extend([1, 12, 0, 0, 0, 0, 0xc0, 0xfe, 24, 0, 0, 0]);
        t.extend([2, 10, 0, 9, 20, 0, 0, 0, 0x0f, 0]);
        t.extend([77, 3, 0]);
        t.extend([5, 12, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8]);
        t.extend([9, 16, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        t.extend([2, 0]);
        assert_eq!(madt_local_apic(&t), Some(0xfee0_0000));
        assert_eq!(
            madt_entries(&t).collect::<Vec<_>>(),
            [
                MadtEntry::Cpu {
                    apic_id: 3,
                    usable: true
                },
                MadtEntry::IoApic {
                    address: 0xfec0_0000,
                    gsi_base: 24
                },
                MadtEntry::Override {
                    irq: 9,
                    gsi: 20,
                    signal: Signal {
                        active_low: true,
                        level: true
                    }
                },
                MadtEntry::LocalApic(0x0807_0605_0403_0201),
                MadtEntry::Cpu {
                    apic_id: 0x100,
                    usable: false
                },
            ]
        );
    }

    #[test]
    fn fadt_fields() {
        let mut t = vec![0u8; 148];
        let put32 = |t: &mut Vec<u8>, at: usize, v: u32| {
            t[at..at + 4].copy_from_slice(&v.to_le_bytes());
        };
        put32(&mut t, 40, 0x1234);
        put32(&mut t, 48, 0xb2);
        put32(&mut t, 64, 0x604);
        put32(&mut t, 76, 0x608);
        t[91] = 4;
        t[108] = 0x32;
        put32(&mut t, 112, 1 << 10 | 1 << 8);
        t[116] = 1;
        put32(&mut t, 120, 0xcf9);
        t[128] = 0xf;
        let f = fadt(&t).unwrap();
        assert_eq!(
            (f.dsdt, f.smi_command, f.pm1a_control, f.pm_timer),
            (0x1234, 0xb2, 0x604, 0x608)
        );
        assert_eq!(
            (f.reset, f.century, f.pm_timer_wide),
            (Some((0xcf9, 0xf)), 0x32, true)
        );
        t[140] = 7;
        assert_eq!(fadt(&t).unwrap().dsdt, 7);
        t[116] = 0;
        assert_eq!(fadt(&t).unwrap().reset, None);
        assert_eq!(fadt(&t[..116]).unwrap().reset, None);
        assert_eq!(fadt(&t[..100]), None);
    }

    #[test]
    fn sleep_types() {
        let dsdt = |body: &[u8]| {
            let mut t = vec![0u8; HEADER_LEN];
            t.extend(body);
            sleep_type_off(&t)
        };
        assert_eq!(dsdt(b"\x08_S5_\x12\x06\x04\x00\x00\x00\x00"), Some((0, 0)));
        assert_eq!(
            dsdt(b"xx\x08\\_S5_\x12\x0a\x04\x0a\x05\x0a\x07\x00\x00"),
            Some((5, 7))
        );
        assert_eq!(dsdt(b"\x08_S5_\x12\x47\x00\x01\x0a\x05"), Some((5, 0)));
        assert_eq!(dsdt(b"\x08_S5_\x12\x06\x04\x0a\x09\x00"), None);
        assert_eq!(dsdt(b"\x14_S5_\x12\x06\x04\x00\x00"), None);
        assert_eq!(dsdt(b"\x08_S5_\x12"), None);
        assert_eq!(dsdt(b""), None);
    }

    proptest! {
        #[test]
        fn no_bytes_make_a_decoder_fail(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = rsdp(&bytes);
            let _ = header(&bytes);
            prop_assert!(root_entries(&bytes, true).count() <= bytes.len() / 8);
            prop_assert!(madt_entries(&bytes).count() <= bytes.len() / 2);
            let _ = fadt(&bytes);
            if let Some((a, b)) = sleep_type_off(&bytes) {
                prop_assert!(a < 8 && b < 8);
            }
        }
    }
}
