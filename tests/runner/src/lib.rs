//! Boots test suites and benchmarks in QEMU and judges what they say on the serial line.
//!
//! [`dialog`] is somebody at the console, in a suite that has one;
//! [`judge`] knows the line protocol and decides; [`suites`] reads the table of suites and knows the
//! emulator's command line; [`drives`] makes disks and looks at them afterwards, [`fixture`] makes trees of files,
//! [`ports`] is the other end of lines to the host; [`qemu`] runs the emulator, [`power`] kills it at work; [`cuts`]
//! looks at what a disk holds whenever the power goes; [`bench`] lays out results; [`readme`] and [`crates`] run
//! what people would. Only [`qemu`], [`power`], [`drives`], [`ports`] and these two do anything to the outside world.
#![forbid(unsafe_code)]

pub mod bench;
pub mod crates;
pub mod cuts;
pub mod dialog;
pub mod drives;
pub mod fixture;
pub mod judge;
pub mod ports;
pub mod power;
pub mod qemu;
pub mod readme;
pub mod suites;
