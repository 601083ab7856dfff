//! The UEFI loader.
//!
//! It looks for a RedoxFS partition on the disk that it was itself booted from, reads
//! `/boot/kernel` (ELF), `/boot/initfs` and, if it is there, `/boot/cmdline` (UTF-8) from it, and
//! starts the kernel as `boot_info` describes. What it decides is decided in `boot-core`; this is
//! the firmware's side. Every failure is one message on the firmware's console, and a return to the
//! firmware, which goes on with its next boot option.
#![no_main]
#![no_std]

extern crate alloc;

mod files;
mod handover;
mod partition;

use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use boot_core::kernel::Plan;
use uefi::{Status, boot, entry, println};

/// A failure, in words for whoever sits at the console.
type Result<T> = core::result::Result<T, String>;

const KERNEL: &str = "/boot/kernel";
const INITFS: &str = "/boot/initfs";
const CMDLINE: &str = "/boot/cmdline";

/// How long a failure's message stays before the firmware goes on.
const MESSAGE_TIME: Duration = Duration::from_secs(5);

#[entry]
fn main() -> Status {
    let error = match load() {
        Ok(boot) => boot.start(),
        Err(error) => error,
    };
    println!("loader: {error}");
    boot::stall(MESSAGE_TIME);
    Status::LOAD_ERROR
}

fn load() -> Result<handover::Boot> {
    let mut root = partition::find_root()?;
    let kernel = root.read(KERNEL)?;
    let plan = Plan::new(&kernel).map_err(|error| root.describe(KERNEL, error))?;
    let initfs = root.read(INITFS)?;
    let cmdline = command_line(&mut root)?;
    println!(
        "loader: {root}: kernel {} KiB, initfs {} KiB",
        kernel.len().div_ceil(1024),
        initfs.len().div_ceil(1024)
    );
    handover::Boot::new(&plan, &kernel, &initfs, &cmdline)
}

fn command_line(root: &mut files::Root) -> Result<Vec<u8>> {
    let mut line = root.read_if_there(CMDLINE)?.unwrap_or_default();
    line.truncate(line.trim_ascii_end().len());
    match core::str::from_utf8(&line) {
        Ok(_) => Ok(line),
        Err(error) => Err(root.describe(CMDLINE, error)),
    }
}
