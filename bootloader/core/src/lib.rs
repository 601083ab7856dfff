//! What a boot loader decides, apart from the firmware it runs on: where an ELF kernel's segments
//! go ([`kernel`]), what the first page tables hold ([`paging`]), what the firmware's memory map
//! means ([`memory`]), and which partitions lie on the disk it came from ([`device_path`]).
//!
//! Everything here is total: a damaged kernel file or a nonsensical memory map ends in an error that
//! says what is wrong, or in less usable memory, never in a panic.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod device_path;
pub mod kernel;
pub mod memory;
pub mod paging;

/// Bytes in a page.
pub const PAGE: u64 = 4096;
/// Bytes that one entry of a page directory maps.
pub const LARGE_PAGE: u64 = 2 << 20;
