//! Where a virtio device's registers are, as its PCI capabilities say (virtio 1.2, section 4.1.4).
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects
    )
)]

use core::fmt;

/// The vendor of every virtio device.
pub const VENDOR: u16 = 0x1af4;
/// Offset of the device status in the common registers. Writing 0 resets the device; it reads as 0 when
/// that is done.
pub const STATUS: u32 = 20;

/// A range of a BAR.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Which BAR.
    pub bar: u8,
    /// Offset in it.
    pub offset: u32,
    /// Length in bytes.
    pub len: u32,
}

/// Where everything is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// The common registers.
    pub common: Place,
    /// What queues are notified through.
    pub notify: Place,
    /// Distance in bytes of two queues' notification addresses, for each unit of their offset.
    pub multiplier: u32,
    /// The interrupt status.
    pub isr: Place,
    /// The registers of this kind of device, if it has any.
    pub device: Option<Place>,
}

/// Why a function's registers cannot be found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// It has no such capability, or a malformed one.
    Missing(&'static str),
    /// The distance between notification addresses is odd.
    Multiplier(u32),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(what) => write!(f, "no virtio capability for the {what} registers"),
            Self::Multiplier(value) => {
                write!(
                    f,
                    "notification addresses are {value} bytes apart, which is odd"
                )
            }
        }
    }
}

const COMMON_LEN: u32 = 56;
const STATUS_REGISTER: usize = 6;
const HAS_LIST: u16 = 1 << 4;
const LIST: usize = 0x34;
const ID_VENDOR_SPECIFIC: u8 = 9;
/// No list is longer than configuration space has room for.
const MOST: usize = 48;

fn u8_at(config: &[u8], at: usize) -> Option<u8> {
    config.get(at).copied()
}

fn u32_at(config: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*config.get(at..)?.first_chunk()?))
}

/// The places of a function's capability records in its configuration space.
fn records(config: &[u8]) -> impl Iterator<Item = usize> + '_ {
    let status = config
        .get(STATUS_REGISTER..)
        .and_then(|rest| rest.first_chunk())
        .map_or(0, |bytes| u16::from_le_bytes(*bytes));
    let first = u8_at(config, LIST).filter(|_| status & HAS_LIST != 0);
    let mut next = first.unwrap_or(0);
    core::iter::from_fn(move || {
        let at = usize::from(next & !3);
        next = u8_at(config, at.checked_add(1)?)?;
        (at != 0).then_some(at)
    })
    .take(MOST)
}

/// Reads a function's configuration space (its first 256 bytes).
///
/// # Errors
/// [`Error`].
pub fn find(config: &[u8]) -> Result<Layout, Error> {
    let mut places = [None; 4];
    let mut multiplier = 0;
    for at in records(config) {
        let Some((kind, place, extra)) = record(config, at) else {
            continue;
        };
        // The first of a kind is the one that the device prefers.
        let slot = usize::from(kind).checked_sub(1);
        if let Some(slot @ None) = slot.and_then(|index| places.get_mut(index)) {
            *slot = Some(place);
            if kind == 2 {
                multiplier = extra.ok_or(Error::Missing("notification"))?;
            }
        }
    }
    let [common, notify, isr, device] = places;
    if multiplier % 2 != 0 {
        return Err(Error::Multiplier(multiplier));
    }
    let at_least = |place: Option<Place>, len, what| {
        place
            .filter(|place| place.len >= len)
            .ok_or(Error::Missing(what))
    };
    Ok(Layout {
        common: at_least(common, COMMON_LEN, "common")?,
        notify: at_least(notify, 2, "notification")?,
        multiplier,
        isr: at_least(isr, 1, "interrupt")?,
        device,
    })
}

/// One record: which structure it is about, where that is, and the word behind.
fn record(config: &[u8], at: usize) -> Option<(u8, Place, Option<u32>)> {
    const SHORT: u8 = 16;
    const LONG: u8 = 20;
    let field = |offset: usize| u8_at(config, at.checked_add(offset)?);
    let word = |offset: usize| u32_at(config, at.checked_add(offset)?);
    let len = field(2)?;
    let bar = field(4)?;
    if field(0)? != ID_VENDOR_SPECIFIC || len < SHORT || bar >= 6 {
        return None;
    }
    let place = Place {
        bar,
        offset: word(8)?,
        len: word(12)?,
    };
    place.offset.checked_add(place.len)?;
    Some((field(3)?, place, word(16).filter(|_| len >= LONG)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Configuration space with these records: identifier, length, kind, BAR, offset, length, word behind.
    fn config(records: &[(u8, u8, u8, u8, u32, u32, u32)]) -> Vec<u8> {
        let mut bytes = vec![0; 256];
        bytes[6] = 1 << 4;
        let mut link = LIST;
        for (index, &(id, len, kind, bar, offset, size, extra)) in records.iter().enumerate() {
            let at = 0x40 + 0x18 * index;
            bytes[link] = at as u8;
            bytes[at] = id;
            link = at + 1;
            bytes[at + 2] = len;
            bytes[at + 3] = kind;
            bytes[at + 4] = bar;
            for (place, word) in [(8, offset), (12, size), (16, extra)] {
                bytes[at + place..at + place + 4].copy_from_slice(&word.to_le_bytes());
            }
        }
        bytes
    }

    const GOOD: [(u8, u8, u8, u8, u32, u32, u32); 5] = [
        (9, 20, 5, 0, 0, 0, 0),
        (9, 20, 2, 4, 0x3000, 0x1000, 4),
        (9, 16, 4, 4, 0x2000, 0x1000, 0),
        (9, 16, 3, 4, 0x1000, 0x1000, 0),
        (9, 16, 1, 4, 0, 0x1000, 0),
    ];

    #[test]
    fn a_device_says_where_its_registers_are() {
        let place = |offset| Place {
            bar: 4,
            offset,
            len: 0x1000,
        };
        let wanted = Layout {
            common: place(0),
            notify: place(0x3000),
            multiplier: 4,
            isr: place(0x1000),
            device: Some(place(0x2000)),
        };
        assert_eq!(find(&config(&GOOD)), Ok(wanted));
    }

    #[test]
    fn the_first_of_a_kind_counts() {
        let mut records = GOOD.to_vec();
        records.push((9, 16, 1, 2, 0x8000, 0x1000, 0));
        assert_eq!(find(&config(&records)), find(&config(&GOOD)));
    }

    #[test]
    fn what_is_wrong_is_said() {
        type Change = fn(&mut Vec<(u8, u8, u8, u8, u32, u32, u32)>);
        let rows: [(Change, Error); 7] = [
            (|r| r.truncate(4), Error::Missing("common")),
            (|r| r[4].0 = 5, Error::Missing("common")),
            (|r| r[4].1 = 12, Error::Missing("common")),
            (|r| r[4].3 = 6, Error::Missing("common")),
            (|r| r[4].5 = 20, Error::Missing("common")),
            (|r| r[1].1 = 16, Error::Missing("notification")),
            (|r| r[1].6 = 3, Error::Multiplier(3)),
        ];
        for (change, error) in rows {
            let mut records = GOOD.to_vec();
            change(&mut records);
            assert_eq!(find(&config(&records)), Err(error));
        }
        let mut none = config(&GOOD);
        none[6] = 0;
        assert_eq!(find(&none), Err(Error::Missing("common")));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read(bytes in prop::collection::vec(any::<u8>(), 0..256)) {
            let _ = find(&bytes);
        }
    }
}
