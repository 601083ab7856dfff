//! Disks of the running system, which go on when their driver was started again; see [`disk_client_core`].
#![no_std]

pub use disk_client_core::Disk;

use disk_client_core::System;
use redox_rt::{Fd, namespace, sys};
use syscall::{
    TimeSpec,
    flag::{O_RDONLY, O_RDWR},
};

type Result<T> = core::result::Result<T, i32>;

/// The running system.
#[derive(Clone, Copy, Debug, Default)]
pub struct Redox;

impl System for Redox {
    type File = Fd;

    fn open(&mut self, path: &str, write: bool) -> Result<(Fd, u64)> {
        let flags = if write { O_RDWR } else { O_RDONLY };
        let file = namespace::open(path.as_bytes(), flags, sys::FD_ANY_UPPER)
            .map(Fd::from_raw)
            .map_err(|error| error.errno)?;
        let size = file.stat().map_err(|error| error.errno)?.st_size;
        Ok((file, size))
    }

    fn read(&mut self, file: &Fd, offset: u64, into: &mut [u8]) -> Result<usize> {
        sys::read_at(file.raw(), into, offset, None).map_err(|error| error.errno)
    }

    fn write(&mut self, file: &Fd, offset: u64, from: &[u8]) -> Result<usize> {
        sys::write_at(file.raw(), from, offset, None).map_err(|error| error.errno)
    }

    fn flush(&mut self, file: &Fd) -> Result<()> {
        sys::fsync(file.raw()).map_err(|error| error.errno)
    }

    fn pause(&mut self, milliseconds: u32) {
        let time = TimeSpec {
            tv_sec: i64::from(milliseconds.wrapping_div(1000)),
            tv_nsec: (milliseconds.wrapping_rem(1000) as i32).saturating_mul(1_000_000),
        };
        // A signal makes it shorter.
        let _ = sys::nanosleep(&time);
    }
}
