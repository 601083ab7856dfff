//! Terminals. `ttyd console` makes the serial line one, `ttyd pty` serves pseudo-terminals.
//!
//! A thin shell: what a terminal does is `tty-core`, what is said to requests is `tty-server`. Here are
//! the line, the clock, and the descriptors of sessions through which the process manager is asked. The
//! process manager never asks a terminal anything, so that the two cannot wait for each other.
#![no_std]
#![no_main]

extern crate alloc;

mod line;
mod service;
mod sessions;

use redox_rt::{eprintln, start::Start};
use tty_core::WindowSize;
use tty_server::Server;

use service::Service;

redox_rt::entry!(main);

/// What a serial line is taken for, until somebody says otherwise.
const SIZE: WindowSize = WindowSize {
    rows: 24,
    columns: 80,
    width: 0,
    height: 0,
};

fn main(start: &Start) -> i32 {
    let device = scheme_loop::device_number();
    let (name, server) = match start.arg(1).map(core::ffi::CStr::to_bytes) {
        Some(b"console") => ("console", Server::console("console", device, SIZE)),
        Some(b"pty") => ("pty", Ok(Server::pseudo("pty", device))),
        _ => {
            eprintln!("ttyd: usage: ttyd console|pty");
            return 2;
        }
    };
    let made = server.and_then(|mut server| server.root().map(|root| (server, root)));
    let (server, root) = match made {
        Ok(made) => made,
        Err(errno) => {
            eprintln!("{name}: no root: error {errno}");
            return 1;
        }
    };
    let line = match name {
        "console" => match line::open() {
            Ok(line) => Some(line),
            Err(error) => {
                eprintln!("console: the line: {error}");
                return 1;
            }
        },
        _ => None,
    };
    scheme_loop::run(name, 0, root, &mut Service::new(server, line))
}
