//! Where configuration space is: ACPI's table MCFG (PCI firmware specification 3.3, section 4.1.2).

use alloc::vec::Vec;
use core::fmt;

use kernel_boot_core::acpi::{
    HEADER_LEN, RSDP_LEN, Root, header, root_entries, rsdp, sums_to_zero,
};

/// Longest table that is read.
const LONGEST: usize = 1 << 16;
/// Most tables that a root table may list.
const TABLES: usize = 256;
const ENTRY: usize = 16;
/// The entries come behind the header and eight reserved bytes.
const ENTRIES: usize = HEADER_LEN + 8;

/// Configuration space of some buses, in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ecam {
    /// Physical address of bus 0, whether or not that is one of them.
    pub base: u64,
    /// The first bus.
    pub first: u8,
    /// The last bus.
    pub last: u8,
}

/// Why there is no configuration space.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// Reading failed with this error number: another time it may not.
    Unread(i32),
    /// The root pointer, the root table or MCFG has a wrong form or checksum.
    Unusable(&'static str),
    /// There is no MCFG, or it lists no bus of segment 0.
    None,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unread(errno) => write!(f, "ACPI: reading a table: error {errno}"),
            Self::Unusable(what) => write!(f, "ACPI: the {what} is not usable"),
            Self::None => f.write_str("ACPI describes no PCI configuration space"),
        }
    }
}

/// Finds the configuration space of segment 0. `read` gives physical memory.
///
/// # Errors
/// [`Error`].
pub fn find_ecam(
    root_pointer: u64,
    mut read: impl FnMut(u64, usize) -> Result<Vec<u8>, i32>,
) -> Result<Ecam, Error> {
    let bad = Error::Unusable("root pointer");
    let pointer = read(root_pointer, RSDP_LEN).map_err(Error::Unread)?;
    let (address, wide) = match rsdp(&pointer).ok_or(bad)? {
        Root::Rsdt(address) => (address, false),
        Root::Xsdt(address) => (address, true),
    };
    let root = table(address, "root table", &mut read)?;
    // Others' tables need not be readable, but one that is not may be MCFG.
    let mut none = Error::None;
    for address in root_entries(&root, wide).take(TABLES) {
        let named = match read(address, HEADER_LEN) {
            Ok(bytes) => header(&bytes),
            Err(errno) => {
                none = Error::Unread(errno);
                continue;
            }
        };
        if named.is_some_and(|(signature, _)| signature == *b"MCFG") {
            let mcfg = table(address, "table MCFG", &mut read)?;
            return ecam(&mcfg).ok_or(Error::None);
        }
    }
    Err(none)
}

fn table(
    address: u64,
    what: &'static str,
    read: &mut impl FnMut(u64, usize) -> Result<Vec<u8>, i32>,
) -> Result<Vec<u8>, Error> {
    let bad = Error::Unusable(what);
    let start = read(address, HEADER_LEN).map_err(Error::Unread)?;
    let (_, len) = header(&start)
        .filter(|(_, len)| *len <= LONGEST)
        .ok_or(bad)?;
    let bytes = read(address, len).map_err(Error::Unread)?;
    if sums_to_zero(&bytes) {
        Ok(bytes)
    } else {
        Err(bad)
    }
}

fn ecam(mcfg: &[u8]) -> Option<Ecam> {
    let entries = mcfg.get(ENTRIES..)?.chunks_exact(ENTRY);
    entries.into_iter().find_map(|entry| {
        let (base, rest) = entry.split_first_chunk()?;
        let &[segment_low, segment_high, first, last, ..] = rest else {
            return None;
        };
        let base = u64::from_le_bytes(*base);
        let good = segment_low == 0 && segment_high == 0 && first <= last && base % 4096 == 0;
        // The last byte of the last bus has an address.
        base.checked_add(256 << 20)?;
        good.then_some(Ecam { base, first, last })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Memory(Vec<(u64, Vec<u8>)>);

    const UNREAD: i32 = 12;

    impl Memory {
        fn read(&self, address: u64, len: usize) -> Result<Vec<u8>, i32> {
            let has = |base: u64, bytes: &[u8]| {
                let at = usize::try_from(address.checked_sub(base)?).ok()?;
                bytes.get(at..at + len).map(<[u8]>::to_vec)
            };
            let mut found = self.0.iter().filter_map(|(base, bytes)| has(*base, bytes));
            found.next().ok_or(UNREAD)
        }
    }

    fn fix(bytes: &mut [u8], at: usize) {
        bytes[at] = 0;
        let sum = bytes.iter().fold(0u8, |sum, byte| sum.wrapping_add(*byte));
        bytes[at] = 0u8.wrapping_sub(sum);
    }

    fn with_header(signature: &[u8; 4], body: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0; HEADER_LEN];
        bytes[..4].copy_from_slice(signature);
        bytes.extend_from_slice(body);
        let len = bytes.len() as u32;
        bytes[4..8].copy_from_slice(&len.to_le_bytes());
        fix(&mut bytes, 9);
        bytes
    }

    fn entry(base: u64, segment: u16, first: u8, last: u8) -> Vec<u8> {
        let mut bytes = base.to_le_bytes().to_vec();
        bytes.extend(segment.to_le_bytes());
        bytes.extend([first, last, 0, 0, 0, 0]);
        bytes
    }

    fn machine(wide: bool, entries: &[Vec<u8>]) -> Memory {
        let mut pointer = vec![0; RSDP_LEN];
        pointer[..8].copy_from_slice(b"RSD PTR ");
        let root_at: u64 = 0x2000;
        if wide {
            pointer[15] = 2;
            pointer[20..24].copy_from_slice(&36u32.to_le_bytes());
            pointer[24..32].copy_from_slice(&root_at.to_le_bytes());
        } else {
            pointer[16..20].copy_from_slice(&(root_at as u32).to_le_bytes());
        }
        fix(&mut pointer[..20], 8);
        fix(&mut pointer, 32);
        let mut body = vec![0; 8];
        body.extend(entries.concat());
        let list: Vec<u8> = [0x3000u64, 0x4000]
            .iter()
            .flat_map(|at| at.to_le_bytes()[..if wide { 8 } else { 4 }].to_vec())
            .collect();
        let root = with_header(if wide { b"XSDT" } else { b"RSDT" }, &list);
        Memory(vec![
            (0x1000, pointer),
            (root_at, root),
            (0x3000, with_header(b"APIC", &[0; 8])),
            (0x4000, with_header(b"MCFG", &body)),
        ])
    }

    #[test]
    fn configuration_space_is_found() {
        let wanted = Ecam {
            base: 0xb000_0000,
            first: 0,
            last: 255,
        };
        for wide in [false, true] {
            let machine = machine(
                wide,
                &[entry(1 << 30, 1, 0, 9), entry(0xb000_0000, 0, 0, 255)],
            );
            assert_eq!(
                find_ecam(0x1000, |at, len| machine.read(at, len)),
                Ok(wanted)
            );
        }
    }

    #[test]
    fn what_is_wrong_is_said() {
        let good = || machine(true, &[entry(0xb000_0000, 0, 0, 255)]);
        type Change = fn(&mut Memory);
        let rows: [(Change, Error); 10] = [
            (|m| m.0[0].1[0] = 0, Error::Unusable("root pointer")),
            (|m| m.0[1].1[9] ^= 1, Error::Unusable("root table")),
            (|m| drop(m.0.remove(1)), Error::Unread(UNREAD)),
            (|m| drop(m.0.remove(3)), Error::Unread(UNREAD)),
            (|m| m.0[3].1.truncate(HEADER_LEN), Error::Unread(UNREAD)),
            // Not MCFG, as far as is known.
            (
                |m| {
                    m.0.remove(2);
                    m.0[2].1[0] = b'X';
                },
                Error::Unread(UNREAD),
            ),
            (|m| m.0[3].1[9] ^= 1, Error::Unusable("table MCFG")),
            (|m| m.0[3].1[0] = b'X', Error::None),
            (|m| m.0[3].1 = with_header(b"MCFG", &[0; 9]), Error::None),
            (
                |m| m.0[3].1 = with_header(b"MCFG", &[vec![0; 8], entry(1, 0, 0, 9)].concat()),
                Error::None,
            ),
        ];
        for (change, error) in rows {
            let mut machine = good();
            change(&mut machine);
            assert_eq!(
                find_ecam(0x1000, |at, len| machine.read(at, len)),
                Err(error)
            );
        }
        assert_eq!(find_ecam(0, |_, _| Err(5)), Err(Error::Unread(5)));
        // What is not read beside MCFG is not missed.
        let mut machine = good();
        machine.0.remove(2);
        assert!(find_ecam(0x1000, |at, len| machine.read(at, len)).is_ok());
    }
}
