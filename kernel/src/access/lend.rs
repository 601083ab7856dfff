//! Pages of the kernel's, and of callers, in the spaces of daemons.

use crate::{
    error::{Outcome, fail},
    kernel::{Kernel, Space},
    memory::{
        Frame, PAGE_SIZE,
        space::{Lend, Loan, Prot, Request, Terms},
    },
    scheme::user::payload::Mapped,
};
use kernel_core::{machine::Machine, slab::Id};
use syscall::{error::*, flag::MapFlags};

/// Windows and lent buffers are put above this, out of the way of a program's own choices.
const WINDOW_MIN: usize = 0x7000_0000_0000;

const READ_WRITE: MapFlags = MapFlags::PROT_READ.union(MapFlags::PROT_WRITE);

impl Kernel {
    /// Reserves a range in a space, in which nothing can be accessed. It is private, because a copy
    /// of a space gets all pages of what is shared, touched or not.
    pub fn reserve_in(&mut self, id: Id<Space>, size: usize) -> Outcome {
        let Some(space) = self.spaces.get_mut(id) else {
            return fail(EFAULT);
        };
        let request = Request {
            address: 0,
            size,
            flags: MapFlags::PROT_NONE | MapFlags::MAP_PRIVATE,
            min: WINDOW_MIN,
        };
        Ok(space
            .memory
            .map_anon(&mut self.memory, &request, &mut |_| {})?)
    }

    /// Unmaps a range again, whatever is in it by now.
    pub fn unreserve_in(&mut self, id: Id<Space>, base: usize, size: usize) {
        // A failure leaves the daemon with a mapping of its own dead window.
        let _ = self.unmap(id, base, size);
    }

    /// Maps a new zeroed frame at a page of a reserved range. The kernel keeps one reference to it.
    pub fn lend_frame(&mut self, id: Id<Space>, address: usize, writable: bool) -> Outcome<Frame> {
        let Some(frame) = self.memory.alloc_zeroed() else {
            return fail(ENOMEM);
        };
        let lent = self.lend_frame_inner(id, address, writable, frame);
        if lent.is_err() {
            self.memory.release(frame);
        }
        lent.map(|()| frame)
    }

    fn lend_frame_inner(
        &mut self,
        id: Id<Space>,
        address: usize,
        writable: bool,
        frame: Frame,
    ) -> Outcome<()> {
        let loan = Loan::of_frames(&mut self.memory, &[frame])?.for_call();
        let request = fixed(address, PAGE_SIZE, writable);
        let terms = Terms {
            record: None,
            offset: 0,
            max: limits(writable),
        };
        // The daemon may have mapped there what another scheme wants to hear the end of.
        self.map_loan_in(id, &request, loan, &terms).map(drop)
    }

    /// Maps pages of one space at a reserved range of another, for the time of a call.
    pub fn lend_pages(
        &mut self,
        from: Id<Space>,
        base: usize,
        size: usize,
        to: Id<Space>,
        at: usize,
        writable: bool,
    ) -> Outcome<()> {
        let Some(source) = self.spaces.get_mut(from) else {
            return fail(EFAULT);
        };
        if writable && !source.memory.allows(base, size, Prot::WRITE) {
            return fail(EFAULT);
        }
        let loan = source
            .memory
            .lend(&mut self.memory, base, size, Lend::Call)?;
        let terms = Terms {
            record: None,
            offset: 0,
            max: limits(writable),
        };
        let request = fixed(at, size, writable);
        self.map_loan_in(to, &request, loan, &terms).map(drop)
    }

    /// Takes a lent buffer out of the daemon's space.
    pub fn return_pages(&mut self, mapped: Mapped) {
        self.unreserve_in(mapped.space, mapped.base, mapped.size);
        self.release_lent_frames(mapped);
    }

    /// Gives up the kernel's references to the ragged ends of a lent buffer.
    pub fn release_lent_frames(&mut self, mapped: Mapped) {
        for (frame, _) in [mapped.head, mapped.tail].into_iter().flatten() {
            self.memory.release(frame);
        }
    }
}

const fn fixed(address: usize, size: usize, writable: bool) -> Request {
    let flags = if writable {
        READ_WRITE
    } else {
        MapFlags::PROT_READ
    };
    Request {
        address,
        size,
        flags: flags.union(MapFlags::MAP_FIXED),
        min: 0,
    }
}

const fn limits(writable: bool) -> Prot {
    if writable {
        Prot::READ.union(Prot::WRITE)
    } else {
        Prot::READ
    }
}
