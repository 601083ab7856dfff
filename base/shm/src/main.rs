//! Named shared memory: the scheme `shm`, for `shm_open`.
#![no_std]
#![no_main]

extern crate alloc;

use core::ops::Range;

use redox_rt::{Result, eprintln, memory::Mapping, start::Start};
use scheme_loop::{Answers, Handler};
use shm_core::{Memory, Server};
use syscall::{PAGE_SIZE, schemev2::Sqe};

redox_rt::entry!(main);

/// An object's pages: addresses are reserved for all it may become. Memory comes when it is used, out of what is kept
/// for nobody.
struct Pages(Mapping);

impl Pages {
    /// Where some bytes are, if they are in the object and have memory.
    fn place(&self, at: usize, len: usize) -> Option<*mut u8> {
        let end = at.checked_add(len)?;
        let address = self.0.address().checked_add(at)?;
        self.0.commit(at..end).ok()?;
        Some(core::ptr::with_exposed_provenance_mut(address))
    }

    /// Does something with each page's part of a range, where it is and how long; with `None` for one that has no
    /// memory, nor gets any: it was never written to.
    fn each(&self, range: Range<usize>, mut f: impl FnMut(Option<*mut u8>, usize)) {
        let mut at = range.start;
        while at < range.end {
            let len = (PAGE_SIZE - at % PAGE_SIZE).min(range.end - at);
            f(self.place(at, len), len);
            at += len;
        }
    }
}

impl Memory for Pages {
    fn reserve(longest: usize) -> core::result::Result<Self, i32> {
        Mapping::new(longest).map(Self).map_err(|error| error.errno)
    }

    fn read(&self, at: usize, to: &mut [u8]) {
        if let Some(from) = self.place(at, to.len()) {
            // SAFETY: the bytes are in the mapping, and not in what is written to. Other processes may
            // write to them meanwhile; they are bytes and nothing else.
            unsafe { core::ptr::copy_nonoverlapping(from, to.as_mut_ptr(), to.len()) };
            return;
        }
        let mut rest = to;
        self.each(at..at + rest.len(), |from, len| {
            let (now, later) = core::mem::take(&mut rest).split_at_mut(len);
            match from {
                // SAFETY: as above, of one page.
                Some(from) => unsafe {
                    core::ptr::copy_nonoverlapping(from, now.as_mut_ptr(), len);
                },
                None => now.fill(0),
            }
            rest = later;
        });
    }

    fn write(&mut self, at: usize, from: &[u8]) -> bool {
        let Some(to) = self.place(at, from.len()) else {
            return false;
        };
        // SAFETY: as above; nobody in this process refers to the bytes.
        unsafe { core::ptr::copy_nonoverlapping(from.as_ptr(), to, from.len()) };
        true
    }

    fn clear(&mut self, range: Range<usize>) {
        self.each(range, |to, len| {
            if let Some(to) = to {
                // SAFETY: as above.
                unsafe { core::ptr::write_bytes(to, 0, len) };
            }
        });
    }

    fn renew(&mut self, pages: Range<usize>) -> bool {
        self.0.renew(pages).is_ok()
    }

    fn address(&self) -> u64 {
        self.0.address() as u64
    }
}

struct Service(Server<Pages>);

impl Handler for Service {
    // Longer writes are done in part.
    const LONGEST_INPUT: usize = 1 << 16;

    fn handle(&mut self, sqe: &Sqe, payload: &mut [u8], out: &mut Answers<'_>) -> Result<()> {
        match self.0.handle(sqe, payload) {
            Some(cqe) => out.push(cqe),
            None => Ok(()),
        }
    }
}

fn main(_: &Start) -> i32 {
    let mut server = Server::new(scheme_loop::device_number());
    match server.root() {
        Ok(root) => scheme_loop::run("shm", 0, root, &mut Service(server)),
        Err(errno) => {
            eprintln!("shm: no root: error {errno}");
            1
        }
    }
}
