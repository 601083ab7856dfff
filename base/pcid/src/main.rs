//! The PCI bus. It is the one program that reaches physical memory and every interrupt, and gives each driver
//! its function's part of them (`pcid_core` says what a driver sees).
//!
//! Its namespace needs `memory`, `irq`, `kernel.acpi` and `initfs` (the table of drivers).
#![no_std]
#![no_main]

extern crate alloc;

mod ecam;
mod function;
mod physical;

use alloc::{string::String, vec, vec::Vec};

use pcid_core::{
    acpi, bus,
    drivers::Drivers,
    server::{Answer, Server},
};
use redox_rt::{Error, Fd, Result, eprintln, namespace, start::Start, sys};
use scheme_core::reply;
use scheme_loop::{Answers, Handler};
use syscall::{
    flag::{AcpiVerb, CallFlags, O_DIRECTORY, O_RDONLY},
    schemev2::Sqe,
};

use ecam::Space;
use function::Functions;

redox_rt::entry!(main);

const DRIVERS: &[u8] = b"/scheme/initfs/etc/pci.toml";
const LONGEST_TABLE: u64 = 1 << 16;

struct Service(Server<Functions>);

impl Handler for Service {
    const LONGEST_INPUT: usize = 256;

    fn handle(&mut self, sqe: &Sqe, payload: &mut [u8], out: &mut Answers<'_>) -> Result<()> {
        match self.0.handle(sqe, payload) {
            Answer::None => Ok(()),
            Answer::Entry(cqe) => out.push(cqe),
            Answer::Descriptor(tag, fd) => out.push_with(reply::descriptor(tag, fd.raw()), fd),
        }
    }
}

fn main(_: &Start) -> i32 {
    // What could not be looked at may be running: nothing is freed under it, and `init` has another try.
    let functions = match find() {
        Ok(functions) => functions,
        Err(why) => {
            eprintln!("pcid: {why}");
            return 1;
        }
    };
    let text = match read_table() {
        Ok(text) => text,
        Err(error) => {
            eprintln!("pcid: {}: {error}", DRIVERS.escape_ascii());
            return 1;
        }
    };
    let drivers = Drivers::parse(&text).unwrap_or_else(|why| {
        eprintln!("pcid: {}: {why}", DRIVERS.escape_ascii());
        Drivers::default()
    });
    // A machine without the bus has an empty one.
    let (list, machine) = functions.unwrap_or_default();
    // What runs on without a driver may not write to memory that nobody keeps for it any more.
    let machine = Functions::new(machine, &list, |function| drivers.may_run(function));
    let text = drivers.list(&list);
    let mut server = Server::new(machine, list, text);
    match server.root() {
        Ok(root) => scheme_loop::run("pcid", 0, root, &mut Service(server)),
        Err(errno) => {
            eprintln!("pcid: no root: error {errno}");
            1
        }
    }
}

type Found = Option<(Vec<bus::Function>, Space)>;

/// Finds the bus and everything on it. Without ACPI, or with tables that are of no use, there is none.
fn find() -> core::result::Result<Found, String> {
    let Some(pointer) = root_pointer().map_err(|error| alloc::format!("{error}"))? else {
        return Ok(None);
    };
    let read = |address, len| physical::read(address, len).map_err(|error| error.errno);
    let ecam = match acpi::find_ecam(pointer, read) {
        Ok(ecam) => ecam,
        Err(error @ acpi::Error::Unread(_)) => return Err(alloc::format!("{error}")),
        Err(error) => {
            eprintln!("pcid: {error}");
            return Ok(None);
        }
    };
    let space = Space::new(ecam);
    let list = bus::scan(&space, ecam.first, ecam.last);
    match space.failed() {
        Some(error) => Err(alloc::format!("a bus cannot be looked at: {error}")),
        None => Ok(Some((list, space))),
    }
}

fn root_pointer() -> Result<Option<u64>> {
    let acpi = open(b"/scheme/kernel.acpi", O_RDONLY | O_DIRECTORY)?;
    let mut word = [0; size_of::<u64>()];
    let verb = [AcpiVerb::ReadRxsdt as u64];
    match sys::call_read(acpi.raw(), &mut word, CallFlags::empty(), &verb) {
        Ok(_) => Ok(Some(u64::from_ne_bytes(word))),
        Err(error) if error.errno == syscall::ENODEV => Ok(None),
        Err(error) => Err(error),
    }
}

fn open(path: &[u8], flags: usize) -> Result<Fd> {
    namespace::open(path, flags, sys::FD_ANY_UPPER).map(Fd::from_raw)
}

fn read_table() -> Result<String> {
    let file = open(DRIVERS, O_RDONLY)?;
    let size = file.stat()?.st_size;
    if size > LONGEST_TABLE {
        return Err(Error::new(syscall::EFBIG));
    }
    let mut bytes = vec![0; size as usize];
    let len = file.read_full_at(&mut bytes, 0)?;
    bytes.truncate(len);
    String::from_utf8(bytes).map_err(|_| Error::new(syscall::EILSEQ))
}
