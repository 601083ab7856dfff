//! The `acpi` scheme: where the firmware's tables are, for whoever drives the platform.

use super::ops::Opened;
use crate::{
    arch,
    error::{Outcome, fail},
    kernel::Kernel,
};
use core::mem::size_of;
use syscall::{error::*, flag::AcpiVerb};

impl Kernel {
    /// Nothing below the root can be opened.
    pub fn acpi_open(&mut self, _key: &[u8]) -> Outcome<Opened> {
        fail(ENOENT)
    }

    /// `SYS_CALL` on the root: `ReadRxsdt` copies the physical address of the root pointer; the tables
    /// are read through the memory scheme.
    pub fn acpi_call(&mut self, base: usize, len: usize, metadata: &[u64; 8]) -> Outcome {
        let [verb, ..] = *metadata;
        match AcpiVerb::try_from_raw(verb) {
            Some(AcpiVerb::ReadRxsdt) => {
                let pointer = arch::platform().rsdp;
                if pointer == 0 {
                    return fail(ENODEV);
                }
                if len >= size_of::<u64>() {
                    self.write_word(self.current_space, base, pointer as usize)?;
                }
                Ok(size_of::<u64>())
            }
            Some(AcpiVerb::CheckShutdown) => Ok(0),
            Some(AcpiVerb::Msr) => fail(EOPNOTSUPP),
            None => fail(EINVAL),
        }
    }
}
