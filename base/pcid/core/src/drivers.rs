//! Which program drives which function.
//!
//! ```toml
//! [[driver]]
//! vendor = 0x1af4
//! devices = [0x1001, 0x1042]
//! program = "virtio-blkd"         # in the initial file system
//! scheme = "disk"                 # the name is followed by .pci-BB-DD.F
//! schemes = ["event", "log"]      # what its namespace holds; nothing unless said
//! ```
//!
//! Instead of `vendor` and `devices`, `class = [1, 8]` (class, sub-class and interface, as many of them as
//! matter) takes every function of a kind. The first entry that fits decides.

use alloc::{
    format,
    string::{String, ToString},
    vec::Vec,
};
use core::fmt::Write;

use serde::Deserialize;

use crate::bus::{Function, name};

/// A driver.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Driver {
    vendor: Option<u16>,
    #[serde(default)]
    devices: Vec<u16>,
    #[serde(default)]
    class: Vec<u8>,
    program: String,
    scheme: String,
    #[serde(default)]
    schemes: Vec<String>,
}

/// The drivers that there are.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Drivers {
    #[serde(default)]
    driver: Vec<Driver>,
}

impl Driver {
    fn fits(&self, function: &Function) -> bool {
        let vendor = self.vendor.is_none_or(|vendor| vendor == function.vendor);
        let device = self.devices.is_empty() || self.devices.contains(&function.device);
        vendor && device && function.class.starts_with(&self.class)
    }

    /// What is wrong with an entry by itself.
    fn problem(&self) -> Option<&'static str> {
        let word = |text: &str| !text.is_empty() && !text.contains([' ', ',', '\n', '/']);
        if self.vendor.is_none() && self.class.is_empty() {
            return Some("neither `vendor` nor `class`");
        }
        if self.vendor.is_none() && !self.devices.is_empty() {
            return Some("`devices` without `vendor`");
        }
        if self.class.len() > 3 {
            return Some("`class` has more than three numbers");
        }
        if !word(&self.program) || !word(&self.scheme) {
            return Some("`program` and `scheme` are words");
        }
        let mut names = self.schemes.iter();
        (!names.all(|name| word(name))).then_some("`schemes` are words")
    }
}

impl Drivers {
    /// Reads a table.
    ///
    /// # Errors
    /// What is wrong, and in which line or entry.
    pub fn parse(text: &str) -> Result<Self, String> {
        let drivers: Self = toml::from_str(text).map_err(|error| {
            let before = error.span().and_then(|span| text.get(..span.start));
            let line = before.map_or(1, |text| text.split('\n').count());
            format!("line {line}: {}", error.message())
        })?;
        let mut entries = (1_u32..).zip(&drivers.driver);
        let problem = entries.find_map(|(index, driver)| Some((index, driver.problem()?)));
        match problem {
            Some((index, what)) => Err(format!("driver {index}: {what}")),
            None => Ok(drivers),
        }
    }

    /// The driver of a function.
    #[must_use]
    pub fn find(&self, function: &Function) -> Option<&Driver> {
        self.driver.iter().find(|driver| driver.fits(function))
    }

    /// Whether the function may still do what a driver told it that an earlier instance had started. Of virtio
    /// functions, which write to memory that drivers name, that is not left to the table.
    #[must_use]
    pub fn may_run(&self, function: &Function) -> bool {
        function.vendor == virtio_layout::VENDOR || self.find(function).is_some()
    }

    /// The list of functions that the scheme shows, a line each: name, vendor and device, class, program,
    /// scheme, names of its namespace; `-` for nothing.
    #[must_use]
    pub fn list(&self, functions: &[Function]) -> String {
        let mut text = String::new();
        for function in functions {
            let Function { vendor, device, .. } = function;
            let [class, subclass, interface] = function.class;
            let name = name(function.address);
            let driver = self.find(function);
            let (program, scheme, names) = driver.map_or_else(
                || ("-", "-".to_string(), "-".to_string()),
                |driver| {
                    let names = match driver.schemes.as_slice() {
                        [] => "-".to_string(),
                        names => names.join(","),
                    };
                    let scheme = format!("{}.pci-{name}", driver.scheme);
                    (driver.program.as_str(), scheme, names)
                },
            );
            // Writing to a string does not fail.
            let _ = writeln!(
                text,
                "{name} {vendor:04x}:{device:04x} {class:02x}{subclass:02x}{interface:02x} {program} {scheme} {names}"
            );
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bus::Address;

    const TABLE: &str = r#"
        [[driver]]
        vendor = 0x1af4
        devices = [0x1001, 0x1042]
        program = "virtio-blkd"
        scheme = "disk"
        schemes = ["event", "log"]
        [[driver]]
        class = [1]
        program = "other"
        scheme = "disk"
    "#;

    fn function(vendor: u16, device: u16, class: [u8; 3]) -> Function {
        Function {
            address: Address::new(0, 2, 0x1f, 3),
            vendor,
            device,
            class,
        }
    }

    #[test]
    fn the_first_that_fits_drives() {
        let drivers = Drivers::parse(TABLE).unwrap();
        let rows = [
            (function(0x1af4, 0x1042, [1, 0, 0]), Some("virtio-blkd")),
            (function(0x1af4, 0x1041, [1, 0, 0]), Some("other")),
            (function(0x1af4, 0x1041, [2, 0, 0]), None),
            (function(0x8086, 0x1042, [1, 6, 1]), Some("other")),
        ];
        for (function, wanted) in rows {
            let found = drivers.find(&function).map(|d| d.program.as_str());
            assert_eq!(found, wanted, "{function:?}");
        }
    }

    #[test]
    fn virtio_functions_may_run_whatever_the_table_says() {
        let drivers = Drivers::parse(TABLE).unwrap();
        let rows = [
            (&drivers, function(0x1af4, 0x1041, [2, 0, 0]), true),
            (&drivers, function(0x8086, 0x1042, [1, 6, 1]), true),
            (&drivers, function(0x8086, 0x1042, [2, 0, 0]), false),
            (
                &Drivers::default(),
                function(0x1af4, 0x1042, [1, 0, 0]),
                true,
            ),
            (
                &Drivers::default(),
                function(0x8086, 0x1042, [1, 6, 1]),
                false,
            ),
        ];
        for (drivers, function, wanted) in rows {
            assert_eq!(drivers.may_run(&function), wanted, "{function:?}");
        }
    }

    #[test]
    fn the_list_says_what_is_started() {
        let functions = [
            function(0x1af4, 0x1042, [1, 0, 0]),
            function(1, 2, [1, 6, 1]),
            function(1, 2, [3, 0, 0]),
        ];
        let list = Drivers::parse(TABLE).unwrap().list(&functions);
        let wanted = "\
            02-1f.3 1af4:1042 010000 virtio-blkd disk.pci-02-1f.3 event,log\n\
            02-1f.3 0001:0002 010601 other disk.pci-02-1f.3 -\n\
            02-1f.3 0001:0002 030000 - - -\n";
        assert_eq!(list, wanted);
    }

    #[test]
    fn what_is_wrong_is_said_with_its_place() {
        let driver = |keys: &str| format!("[[driver]]\nprogram = 'a'\nscheme = 'b'\n{keys}");
        let rows = [
            ("[[driver]]\nvendor = 1".to_string(), "line 1: "),
            (driver("vendor = 0x10000"), "line 4: "),
            (driver("vender = 1"), "line 4: "),
            (driver(""), "driver 1: neither"),
            (driver("class = [1]\ndevices = [1]"), "driver 1: `devices`"),
            (driver("class = [1, 2, 3, 4]"), "driver 1: `class`"),
            (
                driver("class = [1]\nschemes = ['a b']"),
                "driver 1: `schemes`",
            ),
            (
                "[[driver]]\nvendor = 1\nprogram = 'a/b'\nscheme = 'b'".to_string(),
                "driver 1: `program`",
            ),
        ];
        for (text, wanted) in rows {
            let error = Drivers::parse(&text).unwrap_err();
            assert!(error.contains(wanted), "{text}: {error}");
        }
        assert_eq!(Drivers::parse(""), Ok(Drivers::default()));
    }
}
