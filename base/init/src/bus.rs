//! Drivers: started for what a bus lists, ended with the bus.
//!
//! Only the bus knows when a device has stopped and its memory can be used for something else. So while there
//! is no bus there is no driver either: a new one stops every device before it hands out any.

use alloc::{format, string::String, vec, vec::Vec};

use init_core::{Kind, Unit};

use redox_rt::{
    Error, Fd, Result, eprintln, namespace as ns,
    process::{self, ProcKillTarget},
    sys,
};
use syscall::flag::O_RDONLY;

/// Longest list of functions in bytes.
const LONGEST: u64 = 1 << 16;
const SIGKILL: i32 = 9;

/// The drivers of what a bus lists; none for a unit that is no bus.
pub fn drivers(unit: &Unit) -> Vec<Unit> {
    let Kind::Bus(bus) = &unit.service.kind else {
        return Vec::new();
    };
    let list = match read_list(bus) {
        Ok(list) => list,
        Err(error) => {
            eprintln!("init: {}: its functions: {error}", unit.name);
            return Vec::new();
        }
    };
    let mut drivers = init_core::drivers(bus, &list);
    for driver in &mut drivers {
        driver.initial = unit.initial;
        driver.requires.clone_from(&unit.requires);
    }
    drivers
}

/// Whether a unit is the driver of a function of a bus.
pub fn is_driver(bus: &Unit, unit: &Unit) -> bool {
    let Kind::Bus(bus) = &bus.service.kind else {
        return false;
    };
    let prefix = format!("/scheme/{bus}/");
    let device = unit.device.as_ref();
    device.is_some_and(|path| path.starts_with(&prefix))
}

/// Kills a child.
pub fn end(pid: u32) -> Result<()> {
    process::kill(ProcKillTarget::SingleProc(pid as usize), SIGKILL)
}

fn read_list(bus: &str) -> Result<String> {
    let path = format!("/scheme/{bus}/functions");
    let list = Fd::from_raw(ns::open(path.as_bytes(), O_RDONLY, sys::FD_ANY_UPPER)?);
    let size = list.stat()?.st_size;
    if size > LONGEST {
        return Err(Error::new(syscall::EFBIG));
    }
    let mut bytes = vec![0; size as usize];
    let len = list.read_full_at(&mut bytes, 0)?;
    bytes.truncate(len);
    String::from_utf8(bytes).map_err(|_| Error::new(syscall::EILSEQ))
}
