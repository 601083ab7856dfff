//! Functions on the buses, and what their configuration space says.

use alloc::{format, string::String, vec::Vec};

use pci_types::{
    Bar, CommandRegister, ConfigRegionAccess, EndpointHeader, HeaderType, PciAddress, PciHeader,
    PciPciBridgeHeader,
    capability::{MsixCapability, PciCapability},
};

/// Bytes of a function's configuration space.
pub const CONFIG_LEN: u16 = 4096;
const PAGE: u64 = 4096;
const DEVICES: u8 = 32;
const FUNCTIONS: u8 = 8;
/// No list of capabilities is longer than there is room for.
const CAPABILITIES: usize = 48;
/// What a read of a function that is not there gives.
const ABSENT: u16 = 0xffff;
/// The lowest interrupt line register that means none.
const NO_LINE: u8 = 24;

/// Which function.
pub type Address = PciAddress;

/// Access to configuration space, of functions on buses that there are; elsewhere reads give ones.
pub trait Config {
    /// Reads a word; the offset is a multiple of 4 below [`CONFIG_LEN`].
    fn read(&self, address: Address, offset: u16) -> u32;
    /// Writes a word.
    fn write(&self, address: Address, offset: u16, value: u32);
}

/// What `pci_types` asks of it.
struct Access<'a, C>(&'a C);

#[allow(unsafe_code, reason = "the trait's methods are unsafe to implement")]
impl<C: Config> ConfigRegionAccess for Access<'_, C> {
    // SAFETY: nothing is asked of the caller; a `Config` takes every address and offset.
    unsafe fn read(&self, address: PciAddress, offset: u16) -> u32 {
        self.0.read(address, offset)
    }

    // SAFETY: as above.
    unsafe fn write(&self, address: PciAddress, offset: u16, value: u32) {
        self.0.write(address, offset, value);
    }
}

/// A function's name: `BB-DD.F` in hexadecimal digits.
#[must_use]
pub fn name(address: Address) -> String {
    let (bus, device, function) = (address.bus(), address.device(), address.function());
    format!("{bus:02x}-{device:02x}.{function}")
}

/// A function of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Function {
    /// Where it is.
    pub address: Address,
    /// Who made it.
    pub vendor: u16,
    /// What it is, to its vendor.
    pub device: u16,
    /// What it is to everybody: class, sub-class, interface.
    pub class: [u8; 3],
}

/// Physical addresses that a function answers to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// The first.
    pub base: u64,
    /// How many.
    pub size: u64,
}

/// What raises the interrupt of a function.
#[derive(Clone, Copy, Debug)]
pub enum Interrupt {
    /// A message: the table with the messages is at this physical address.
    Message {
        /// The capability, to switch it on and off.
        capability: MsixCapability,
        /// Where the table's first entry is.
        table: u64,
    },
    /// A line.
    Line(u8),
    /// Nothing that is known.
    None,
}

/// What a function has.
#[derive(Clone, Debug)]
pub struct Resources {
    /// The windows of its registers that a driver may have.
    pub bars: [Option<Window>; 6],
    /// Its interrupt.
    pub interrupt: Interrupt,
}

/// Finds every function, on bus `first` and the buses behind its bridges.
#[must_use]
pub fn scan(config: &impl Config, first: u8, last: u8) -> Vec<Function> {
    let mut found = Vec::new();
    let mut buses = alloc::vec![first];
    let mut seen = [false; 256];
    while let Some(bus) = buses.pop() {
        let Some(seen @ false) = seen.get_mut(usize::from(bus)) else {
            continue;
        };
        *seen = true;
        for device in 0..DEVICES {
            scan_device(config, bus, device, &mut |function, behind| {
                found.push(function);
                buses.extend(behind.filter(|bus| (first..=last).contains(bus)));
            });
        }
    }
    found.sort_by_key(|function| function.address);
    found
}

fn scan_device(
    config: &impl Config,
    bus: u8,
    device: u8,
    found: &mut impl FnMut(Function, Option<u8>),
) {
    for number in 0..FUNCTIONS {
        let header = PciHeader::new(Address::new(0, bus, device, number));
        let access = || Access(config);
        let (vendor, id) = header.id(access());
        if vendor != ABSENT {
            let (_, class, subclass, interface) = header.revision_and_class(access());
            let function = Function {
                address: header.address(),
                vendor,
                device: id,
                class: [class, subclass, interface],
            };
            let behind =
                PciPciBridgeHeader::from_header(PciHeader::new(header.address()), access())
                    .map(|bridge| bridge.secondary_bus_number(access()));
            found(function, behind);
        }
        // Only the first function is asked whether there are others.
        if number == 0 && (vendor == ABSENT || !header.has_multiple_functions(access())) {
            return;
        }
    }
}

/// Finds out what a function has. It answers to nothing when this is over, and may not write to memory.
#[must_use]
pub fn resources(config: &impl Config, address: Address) -> Resources {
    let access = || Access(config);
    stop(config, address);
    let none = Resources {
        bars: [None; 6],
        interrupt: Interrupt::None,
    };
    let header = PciHeader::new(address);
    if header.header_type(access()) != HeaderType::Endpoint {
        return none;
    }
    let Some(endpoint) = EndpointHeader::from_header(header, access()) else {
        return none;
    };
    let mut all = [None; 6];
    let mut slots = 0..6_u8;
    while let Some(slot) = slots.next() {
        if is_reserved(config, address, slot) {
            continue;
        }
        let window = match endpoint.bar(slot, access()) {
            Some(Bar::Memory32 { address, size, .. }) => Some((u64::from(address), size.into())),
            Some(Bar::Memory64 { address, size, .. }) => {
                slots.next();
                Some((address, size))
            }
            Some(Bar::Io { .. }) | None => None,
        };
        if let (Some(place), Some((base, size))) = (all.get_mut(usize::from(slot)), window) {
            // What shares a page with another function's addresses cannot be given away alone.
            let whole = base != 0 && base % PAGE == 0 && size % PAGE == 0 && size != 0;
            let fits = base.checked_add(size).is_some();
            *place = (whole && fits).then_some(Window { base, size });
        }
    }
    let message = endpoint
        .capabilities(access())
        .take(CAPABILITIES)
        .find_map(|capability| match capability {
            PciCapability::MsiX(capability) => Some(capability),
            _ => None,
        });
    let line = match endpoint.interrupt(access()) {
        (1..=4, line) if line < NO_LINE => Interrupt::Line(line),
        _ => Interrupt::None,
    };
    let mut bars = all;
    let message = message.and_then(|capability| {
        let bar = usize::from(capability.table_bar());
        let window = all.get(bar).copied().flatten()?;
        let offset = u64::from(capability.table_offset());
        // Who can write to the table can have the device write anything anywhere.
        if let Some(bar) = bars.get_mut(bar) {
            *bar = None;
        }
        (offset < window.size)
            .then(|| window.base.checked_add(offset))
            .flatten()
            .map(|table| Interrupt::Message { capability, table })
    });
    Resources {
        bars,
        interrupt: message.unwrap_or(line),
    }
}

/// Whether a register has a type of memory that the specification keeps for the future.
fn is_reserved(config: &impl Config, address: Address, slot: u8) -> bool {
    let offset = 0x10_u16.saturating_add(u16::from(slot).saturating_mul(4));
    let value = config.read(address, offset);
    value & 1 == 0 && value & 2 != 0
}

/// Lets a function answer to its addresses and write to memory, and its line interrupt.
pub fn start(config: &impl Config, address: Address) {
    PciHeader::new(address).update_command(Access(config), |command| {
        (command | CommandRegister::MEMORY_ENABLE | CommandRegister::BUS_MASTER_ENABLE)
            .difference(CommandRegister::INTERRUPT_DISABLE)
    });
}

/// Lets a function answer to its addresses, and nothing else.
pub fn listen(config: &impl Config, address: Address) {
    PciHeader::new(address).update_command(Access(config), |command| {
        (command | CommandRegister::MEMORY_ENABLE | CommandRegister::INTERRUPT_DISABLE)
            .difference(CommandRegister::BUS_MASTER_ENABLE)
    });
}

/// Keeps a function from answering, from writing to memory, and from interrupting by its line.
pub fn stop(config: &impl Config, address: Address) {
    PciHeader::new(address).update_command(Access(config), |command| {
        (command | CommandRegister::INTERRUPT_DISABLE).difference(
            CommandRegister::MEMORY_ENABLE
                | CommandRegister::IO_ENABLE
                | CommandRegister::BUS_MASTER_ENABLE,
        )
    });
}

/// Whether messages are on.
pub fn sends_messages(config: &impl Config, capability: &MsixCapability) -> bool {
    capability.enabled(Access(config))
}

/// Switches messages on or off.
pub fn set_messages(config: &impl Config, mut capability: MsixCapability, on: bool) {
    capability.set_function_mask(!on, Access(config));
    capability.set_enabled(on, Access(config));
}

/// Reads configuration space from `offset`; gives how much.
pub fn read_config(config: &impl Config, address: Address, offset: u64, into: &mut [u8]) -> usize {
    let mut count = 0_usize;
    for (place, at) in into.iter_mut().zip(offset..u64::from(CONFIG_LEN)) {
        let word = config.read(address, at as u16 & !3);
        let [a, b, c, d] = word.to_le_bytes();
        *place = match at % 4 {
            0 => a,
            1 => b,
            2 => c,
            _ => d,
        };
        count = count.saturating_add(1);
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;
    use std::collections::BTreeMap;

    /// A machine's functions: configuration space, and which bits of it can be written.
    #[derive(Default)]
    struct Fake {
        functions: RefCell<BTreeMap<u32, [u32; 64]>>,
        sizes: BTreeMap<(u32, u16), u32>,
    }

    fn key(address: Address) -> u32 {
        u32::from(address.bus()) << 16
            | u32::from(address.device()) << 8
            | u32::from(address.function())
    }

    impl Config for Fake {
        fn read(&self, address: Address, offset: u16) -> u32 {
            let functions = self.functions.borrow();
            let words = functions.get(&key(address));
            words.map_or(u32::MAX, |words| {
                words.get(usize::from(offset / 4)).copied().unwrap_or(0)
            })
        }

        fn write(&self, address: Address, offset: u16, value: u32) {
            let mut functions = self.functions.borrow_mut();
            let words = functions.get_mut(&key(address)).expect("a function");
            let word = &mut words[usize::from(offset / 4)];
            let writable = match offset {
                0x10..0x28 => self
                    .sizes
                    .get(&(key(address), offset))
                    .copied()
                    .unwrap_or(0),
                _ => u32::MAX,
            };
            *word = *word & !writable | value & writable;
        }
    }

    impl Fake {
        fn add(&mut self, address: Address, id: (u16, u16), class: u32) -> &mut Self {
            let mut words = [0; 64];
            words[0] = u32::from(id.1) << 16 | u32::from(id.0);
            words[2] = class << 8;
            self.functions.get_mut().insert(key(address), words);
            self
        }

        fn set(&mut self, address: Address, offset: u16, value: u32) -> &mut Self {
            let words = self.functions.get_mut().get_mut(&key(address)).unwrap();
            words[usize::from(offset / 4)] = value;
            self
        }

        fn writable(&mut self, address: Address, offset: u16, mask: u32) -> &mut Self {
            self.sizes.insert((key(address), offset), mask);
            self
        }

        /// A virtio function with registers at 0x8_c000_0000 (BAR 4) and messages in BAR 1.
        fn virtio(&mut self, address: Address, device: u16) -> &mut Self {
            self.add(address, (0x1af4, device), 0x01_0000)
                .set(address, 0x04, 1 << 20 | 0x107)
                .set(address, 0x10, 0xc001)
                .set(address, 0x14, 0xfebd_1000)
                .writable(address, 0x14, 0xffff_f000)
                .set(address, 0x20, 0xc000_000c)
                .writable(address, 0x20, 0xffff_c000)
                .set(address, 0x24, 8)
                .writable(address, 0x24, 0xffff_ffff)
                .set(address, 0x34, 0x98)
                .set(address, 0x98, 0x8001 << 16 | 0x11)
                .set(address, 0x9c, 0x801)
                .set(address, 0xa0, 0xc01)
                .set(address, 0x3c, 0x010b)
        }
    }

    fn at(bus: u8, device: u8, function: u8) -> Address {
        Address::new(0, bus, device, function)
    }

    #[test]
    fn functions_are_found_behind_bridges_and_once() {
        let mut fake = Fake::default();
        fake.add(at(0, 0, 0), (0x8086, 0x29c0), 0x06_0000)
            .add(at(0, 31, 0), (0x8086, 0x2918), 0x06_0100)
            .set(at(0, 31, 0), 0x0c, 1 << 23)
            .add(at(0, 31, 2), (0x8086, 0x2922), 0x01_0601)
            .add(at(0, 2, 0), (0x1b36, 0x000c), 0x06_0400)
            .set(at(0, 2, 0), 0x0c, 1 << 16)
            .set(at(0, 2, 0), 0x18, 0x0003_0300)
            .virtio(at(3, 0, 0), 0x1042)
            // A bridge that leads back, one beyond the last bus, and functions nobody has announced.
            .add(at(3, 1, 0), (1, 1), 0x06_0400)
            .set(at(3, 1, 0), 0x0c, 1 << 16)
            .add(at(3, 2, 0), (1, 1), 0x06_0400)
            .set(at(3, 2, 0), 0x0c, 1 << 16)
            .set(at(3, 2, 0), 0x18, 0x00ff_ff00)
            .add(at(0xff, 0, 0), (2, 2), 0)
            .add(at(0, 0, 1), (2, 2), 0);
        let found: Vec<String> = scan(&fake, 0, 0x3f)
            .iter()
            .map(|f| name(f.address))
            .collect();
        let wanted = [
            "00-00.0", "00-02.0", "00-1f.0", "00-1f.2", "03-00.0", "03-01.0", "03-02.0",
        ];
        assert_eq!(found, wanted);
        let all = scan(&fake, 0, 0x3f);
        let disk = all.iter().find(|f| f.vendor == 0x1af4).unwrap();
        assert_eq!((disk.device, disk.class), (0x1042, [1, 0, 0]));
    }

    #[test]
    fn what_a_function_has_is_found_and_left_as_it_was() {
        let mut fake = Fake::default();
        fake.virtio(at(0, 3, 0), 0x1042);
        let before = *fake.functions.get_mut().first_key_value().unwrap().1;
        let found = resources(&fake, at(0, 3, 0));
        let registers = Window {
            base: 0x8_c000_0000,
            size: 0x4000,
        };
        // Ports are no memory; the register with the table of messages is nobody's.
        assert_eq!(found.bars, [None, None, None, None, Some(registers), None]);
        let Interrupt::Message { table, .. } = found.interrupt else {
            panic!("{:?}", found.interrupt);
        };
        assert_eq!(table, 0xfebd_1800);
        let mut after = *fake.functions.get_mut().first_key_value().unwrap().1;
        assert_eq!(after[1] & 0xffff, 0x500);
        after[1] = before[1];
        // The low bits of a register cannot be written.
        assert_eq!(after[5..9], [before[5], 0, 0, before[8]]);
    }

    #[test]
    fn a_function_without_messages_has_its_line() {
        let rows = [
            (0x010b, Some(11)),
            (0x000b, None),
            (0x01ff, None),
            (0x050b, None),
        ];
        for (word, line) in rows {
            let mut fake = Fake::default();
            fake.virtio(at(0, 3, 0), 0x1042)
                .set(at(0, 3, 0), 0x34, 0)
                .set(at(0, 3, 0), 0x3c, word);
            let found = resources(&fake, at(0, 3, 0));
            match (found.interrupt, line) {
                (Interrupt::Line(a), Some(b)) if a == b => {}
                (Interrupt::None, None) => {}
                other => panic!("{other:?}"),
            }
            assert!(found.bars[1].is_some());
        }
    }

    #[test]
    fn odd_registers_are_nobodys() {
        let rows: [(u32, u32); 4] = [
            (0xfebd_1002, 0xffff_f000), // reserved type
            (0, 0xffff_f000),           // no address
            (0xfebd_1100, 0xffff_ff00), // part of a page
            (0xfebd_1000, 0),           // not there
        ];
        for (value, mask) in rows {
            let mut fake = Fake::default();
            fake.virtio(at(0, 3, 0), 0x1042)
                .set(at(0, 3, 0), 0x34, 0)
                .set(at(0, 3, 0), 0x14, value)
                .writable(at(0, 3, 0), 0x14, mask);
            if mask == 0 {
                fake.set(at(0, 3, 0), 0x14, 0);
            }
            assert_eq!(resources(&fake, at(0, 3, 0)).bars[1], None, "{value:#x}");
        }
        let mut bridge = Fake::default();
        bridge
            .virtio(at(0, 3, 0), 1)
            .set(at(0, 3, 0), 0x0c, 1 << 16);
        assert_eq!(resources(&bridge, at(0, 3, 0)).bars, [None; 6]);
    }

    #[test]
    fn a_function_starts_and_stops() {
        let mut fake = Fake::default();
        fake.virtio(at(0, 3, 0), 0x1042);
        let command = |fake: &Fake| fake.read(at(0, 3, 0), 4) & 0xffff;
        for (change, wanted) in [
            (stop as fn(&Fake, Address), 0x500),
            (listen, 0x502),
            (start, 0x106),
        ] {
            change(&fake, at(0, 3, 0));
            assert_eq!(command(&fake), wanted);
        }
    }

    #[test]
    fn configuration_space_is_read_in_any_piece() {
        let mut fake = Fake::default();
        fake.virtio(at(0, 3, 0), 0x1042);
        let mut bytes = [0; 7];
        assert_eq!(read_config(&fake, at(0, 3, 0), 1, &mut bytes), 7);
        assert_eq!(bytes, [0x1a, 0x42, 0x10, 0x07, 0x01, 0x10, 0x00]);
        assert_eq!(read_config(&fake, at(0, 3, 0), 4094, &mut bytes), 2);
        assert_eq!(read_config(&fake, at(0, 3, 0), u64::MAX, &mut bytes), 0);
    }
}
