//! Boots test suites and benchmarks in QEMU and judges what they say on the serial line.
//!
//! [`dialog`] is somebody at the console, in a suite that has one; [`judge`] knows the line protocol and decides; [`suites`] reads the table of suites and knows the
//! emulator's command line; [`qemu`] runs it; [`bench`] lays out results. Only [`qemu`] does
//! anything to the outside world.
#![forbid(unsafe_code)]

pub mod bench;
pub mod dialog;
pub mod judge;
pub mod qemu;
pub mod suites;
