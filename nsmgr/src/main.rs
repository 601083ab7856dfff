//! The namespace manager.
//!
//! A thin shell: it reads requests from its socket, lets `nsmgr-server` answer them, and writes the
//! answers with the same system call that fetches the next requests. It holds its socket, the
//! scheme-creation capability and what was sent to it, has no namespace itself, and asks nobody
//! anything.
//!
//! Its starter makes the socket (declaring `FEATURE_RESOLVE`) and, from it, the descriptors of the
//! first namespace and of the status scheme, whose numbers are fixed (`nsmgr_api::start`). So there
//! is nothing to hand back, and no moment at which the namespace exists without its manager's socket.
//!
//! It ends when the socket does: 0, or 1 after an error, which it writes to descriptor 2 if it has one.
#![no_std]
#![no_main]

extern crate alloc;

mod handler;
mod kernel;

use cap_abi::auxv::AT_CUPRITE_SCHEME_CAP;
use nsmgr_api::start::{FIRST_NAMESPACE, SOCKET, STATUS_ROOT};
use nsmgr_core::Limits;
use nsmgr_server::Server;
use redox_rt::{eprintln, fd::Fd, start::Start, sys};
use syscall::flag::{CLOCK_MONOTONIC, CLOCK_REALTIME};

use handler::Service;
use kernel::System;

redox_rt::entry!(main);

fn main(start: &Start) -> i32 {
    let Some(capability) = start.aux(AT_CUPRITE_SCHEME_CAP) else {
        eprintln!("nsmgr: it was started without the scheme-creation capability");
        return 1;
    };
    let socket = Fd::from_raw(SOCKET);
    let system = System { socket: &socket };
    let mut server = Server::new(Limits::default(), keys(start), Fd::from_raw(capability));
    // The numbers that the starter made descriptors for.
    let numbers = (server.first_namespace(), server.status_root());
    if numbers != (Ok(FIRST_NAMESPACE), Ok(STATUS_ROOT)) {
        eprintln!("nsmgr: its first handles are {numbers:?}, which nobody has descriptors for");
        return 1;
    }
    match scheme_loop::serve(&socket, &mut Service { server, system }) {
        Ok(()) => 0,
        Err(error) => {
            eprintln!("nsmgr: its socket: {error}");
            1
        }
    }
}

/// Keys of the hash of names. From `AT_RANDOM` if the starter gives any; otherwise from the clocks,
/// which makes names that collide hard to find but not impossible. They would cost their finder a
/// share of the space for names, and nobody else more than a longer list to search.
fn keys(start: &Start) -> (u64, u64) {
    const AT_RANDOM: usize = 25;
    if let Some(address) = start.aux(AT_RANDOM).filter(|address| *address != 0) {
        // SAFETY: by the System V ABI the entry is the address of 16 bytes, which whoever started the
        // program put there and which stay as they are.
        let bytes: [u8; 16] =
            unsafe { core::ptr::with_exposed_provenance::<[u8; 16]>(address).read() };
        let number = u128::from_ne_bytes(bytes);
        return (number as u64, (number >> 64) as u64);
    }
    let clock = |id| {
        sys::clock_gettime(id).map_or(0, |time| {
            (time.tv_sec as u64)
                .wrapping_mul(1_000_000_007)
                .wrapping_add(time.tv_nsec as u64)
        })
    };
    (clock(CLOCK_REALTIME), clock(CLOCK_MONOTONIC))
}
