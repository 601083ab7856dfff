//! The process manager.
//!
//! A thin shell: the rules are `procmgr-core`'s. Here are the contexts (made with the root of the
//! kernel's proc scheme, which only this program and whoever started it hold), the signal pages shared
//! with the processes, and the socket. It has no namespace and asks no other scheme anything.
//!
//! Contexts end by themselves. A second thread waits for that on an event queue and passes it on as a
//! request to this very scheme, so that everything that happens, happens in one loop.
//!
//! It ends when its socket does: 0, or 1 after an error, which it writes to descriptor 2 if it has one.
#![no_std]
#![no_main]

extern crate alloc;

mod machine;
mod notice;
mod pages;
mod service;

use procmgr_core::{END_OF_PIDS, Manager, start as contract};
use redox_rt::{eprintln, fd::Fd, start::Start};

use service::Service;

redox_rt::entry!(main);

fn main(_: &Start) -> i32 {
    let socket = Fd::from_raw(contract::SOCKET);
    let mut manager = Manager::new(END_OF_PIDS);
    // The numbers that the starter made descriptors for.
    let roots = (manager.root(), manager.named_root());
    if roots != (Ok(contract::ROOT), Ok(contract::NAMED_ROOT)) {
        eprintln!("procmgr: its first handles are {roots:?}, which nobody has descriptors for");
        return 1;
    }
    let proc_root = Fd::from_raw(contract::PROC_ROOT);
    let queue = match notice::start(&socket, &proc_root, &Fd::from_raw(contract::EVENT_ROOT)) {
        Ok(queue) => queue,
        Err(error) => {
            eprintln!("procmgr: watching contexts: {error}");
            return 1;
        }
    };
    let mut service = Service::new(manager, proc_root, queue, &socket);
    match scheme_loop::serve(&socket, &mut service) {
        Ok(()) => 0,
        Err(error) => {
            eprintln!("procmgr: its socket: {error}");
            1
        }
    }
}
