//! Drivers: started for what a bus lists, ended with the bus.
//!
//! Only the bus knows when a device has stopped and its memory can be used for something else. So while there
//! is no bus there is no driver either: a new one stops every device before it hands out any.

use alloc::{format, string::String, vec, vec::Vec};

use init_core::{Kind, Unit};

use redox_rt::{
    Error, Fd, Result, eprintln, namespace as ns,
    process::{self, Awaited, ProcKillTarget, WaitFlags},
    sys,
};
use syscall::flag::O_RDONLY;

use crate::{Running, bring_up, start_again};

/// Longest list of functions in bytes.
const LONGEST: u64 = 1 << 16;
const SIGKILL: i32 = 9;

/// Starts the drivers of what a bus lists; nothing for a unit that is no bus.
pub fn start_drivers(unit: &Unit) -> Vec<Running> {
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
    let drivers = init_core::drivers(bus, &list).into_iter();
    drivers
        .filter_map(|mut driver| {
            driver.initial = unit.initial;
            let first = bring_up(&driver);
            let mut running = Running::new(driver, 0);
            // One that ends before it counts as started has ended like any other.
            running.pid = match first {
                Ok(pid) => pid,
                Err(()) => start_again(&mut running, false),
            }?;
            Some(running)
        })
        .collect()
}

/// Ends the drivers of a bus that has ended.
pub fn end_drivers(unit: &Unit, running: &mut Vec<Running>) {
    let Kind::Bus(bus) = &unit.service.kind else {
        return;
    };
    let prefix = format!("/scheme/{bus}/");
    running.retain(|driver| {
        let device = driver.unit.device.as_ref();
        let of_bus = device.is_some_and(|path| path.starts_with(&prefix));
        if of_bus && let Err(error) = end(driver.pid) {
            eprintln!("init: {}: ending it: {error}", driver.unit.name);
        }
        !of_bus
    });
}

/// Kills a child and waits for its end.
fn end(pid: u32) -> Result<()> {
    process::kill(ProcKillTarget::SingleProc(pid as usize), SIGKILL)?;
    loop {
        match process::wait(Awaited::Child(pid), WaitFlags::empty()) {
            Err(error) if error.errno == syscall::EINTR => {}
            other => return other.map(drop),
        }
    }
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
