//! Boots test suites and benchmarks in QEMU and judges what they say on the serial line.
//!
//! [`judge`] knows the line protocol and decides; [`suites`] reads the table of suites and knows the
//! emulator's command line; [`drives`] makes disks and looks at them afterwards; [`qemu`] runs it; [`bench`]
//! lays out results. Only [`qemu`] and [`drives`] do anything to the outside world.
#![forbid(unsafe_code)]

pub mod bench;
pub mod drives;
pub mod judge;
pub mod qemu;
pub mod suites;
