//! Configuration space in memory, mapped bus by bus as it is looked at.

use alloc::vec::Vec;
use core::cell::{Cell, RefCell};

use pcid_core::{Address, Config, acpi::Ecam, bus::CONFIG_LEN};
use redox_rt::Error;

use crate::physical::Registers;

const BUS: usize = 1 << 20;

/// The configuration space of the machine.
#[derive(Default)]
pub struct Space {
    ecam: Option<Ecam>,
    buses: RefCell<Vec<(u8, Option<Registers>)>>,
    failed: Cell<Option<Error>>,
}

impl Space {
    /// Where ACPI says it is.
    pub fn new(ecam: Ecam) -> Self {
        Self {
            ecam: Some(ecam),
            buses: RefCell::default(),
            failed: Cell::default(),
        }
    }

    /// Why a bus could not be looked at, if there is one that could not.
    pub fn failed(&self) -> Option<Error> {
        self.failed.get()
    }

    fn with<R>(&self, address: Address, f: impl FnOnce(&Registers, usize) -> R) -> Option<R> {
        let ecam = self.ecam?;
        let bus = address.bus();
        if !(ecam.first..=ecam.last).contains(&bus) {
            return None;
        }
        let mut buses = self.buses.borrow_mut();
        let index = match buses.iter().position(|(number, _)| *number == bus) {
            Some(index) => index,
            None => {
                let base = ecam.base + u64::from(bus) * BUS as u64;
                // A bus that cannot be mapped shows no functions.
                let registers = Registers::map(base, BUS);
                let registers = registers.map_err(|error| self.failed.set(Some(error)));
                buses.push((bus, registers.ok()));
                buses.len() - 1
            }
        };
        let registers = buses.get(index)?.1.as_ref()?;
        let function = usize::from(address.device()) << 3 | usize::from(address.function());
        Some(f(registers, function * usize::from(CONFIG_LEN)))
    }
}

impl Config for Space {
    fn read(&self, address: Address, offset: u16) -> u32 {
        self.with(address, |registers, base| {
            registers.read32(base + usize::from(offset))
        })
        .unwrap_or(u32::MAX)
    }

    fn write(&self, address: Address, offset: u16, value: u32) {
        self.with(address, |registers, base| {
            registers.write32(base + usize::from(offset), value);
        });
    }
}
