//! Pages of the kernel's, and of callers, in the spaces of daemons.

use crate::{
    error::{Outcome, fail},
    kernel::{Kernel, Space},
    memory::{
        Frame, PAGE_SIZE,
        space::{Lend, Loan, Prot, Request, STANDING, Terms},
    },
    scheme::user::payload::Mapped,
};
use core::num::NonZeroU32;
use kernel_core::{machine::Machine, slab::Id};
use syscall::{error::*, flag::MapFlags};

/// Windows and lent buffers are put above this, out of the way of a program's own choices.
const WINDOW_MIN: usize = 0x7000_0000_0000;

/// How much of one buffer its daemon can have lent on at a time, each time counted: all of it ends in one
/// step.
const MAX_LENT_ON: usize = 64 << 20;

/// A buffer that is part of another.
#[derive(Clone, Copy, Debug)]
pub struct LentOn {
    /// The number of the buffer that the pages were first lent in.
    outer: NonZeroU32,
    /// Its own number.
    loan: NonZeroU32,
    /// Where they are now.
    space: Id<Space>,
    base: usize,
    size: usize,
}

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
        // A failure leaves the daemon with a mapping of its own: what is lent is never part of a larger region,
        // so that taking it out needs no memory.
        let _ = self.unmap(id, base, size);
    }

    /// Maps a new zeroed frame at a page of a reserved range. The kernel keeps one reference to it.
    pub fn lend_frame(
        &mut self,
        id: Id<Space>,
        address: usize,
        writable: bool,
        loan: NonZeroU32,
    ) -> Outcome<Frame> {
        let Some(frame) = self.memory.alloc_zeroed() else {
            return fail(ENOMEM);
        };
        let lent = self.lend_frame_inner(id, address, writable, frame, loan);
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
        loan: NonZeroU32,
    ) -> Outcome<()> {
        let loan = Loan::of_frames(&mut self.memory, &[frame])?.for_call(loan);
        let request = fixed(address, PAGE_SIZE, writable);
        let terms = Terms {
            record: None,
            offset: 0,
            max: limits(writable),
        };
        // The daemon may have mapped there what another scheme wants to hear the end of.
        self.map_loan_in(id, &request, loan, &terms).map(drop)
    }

    /// A number for a buffer to be lent. They come again after four thousand million.
    pub fn next_loan(&mut self) -> NonZeroU32 {
        let next = self.last_loan.checked_add(1);
        self.last_loan = next.unwrap_or(STANDING.saturating_add(1));
        self.last_loan
    }

    /// Maps pages of one space at a reserved place in another, for the time of a call.
    pub fn lend_pages(
        &mut self,
        from: Id<Space>,
        base: usize,
        size: usize,
        (to, at): (Id<Space>, usize),
        writable: bool,
        number: NonZeroU32,
    ) -> Outcome<()> {
        let Some(source) = self.spaces.get_mut(from) else {
            return fail(EFAULT);
        };
        if writable && !source.memory.allows(base, size, Prot::WRITE) {
            return fail(EFAULT);
        }
        let loan = source
            .memory
            .lend(&mut self.memory, base, size, Lend::Call(number))?;
        let outer = loan.call().filter(|first| *first != number);
        if let Some(outer) = outer
            && !self.may_lend_on(outer, size)
        {
            loan.release(&mut self.memory);
            return fail(ENOMEM);
        }
        let terms = Terms {
            record: None,
            offset: 0,
            max: limits(writable),
        };
        let request = fixed(at, size, writable);
        self.map_loan_in(to, &request, loan, &terms)?;
        if let Some(outer) = outer {
            self.lent_on.push(LentOn {
                outer,
                loan: number,
                space: to,
                base: at,
                size,
            });
        }
        Ok(())
    }

    /// Whether more of a buffer can be lent on; there is room to take note of it then.
    fn may_lend_on(&mut self, outer: NonZeroU32, size: usize) -> bool {
        let same = self.lent_on.iter().filter(|on| on.outer == outer);
        let already = same.fold(0, |sum: usize, on| sum.saturating_add(on.size));
        already.saturating_add(size) <= MAX_LENT_ON && self.lent_on.try_reserve(1).is_ok()
    }

    /// A buffer has gone back: it is not lent on any more, and whoever has it from its daemon loses it.
    #[cold]
    fn end_lent_on(&mut self, mapped: &Mapped) {
        let (spaces, memory) = (&mut self.spaces, &mut self.memory);
        self.lent_on.retain(|on| {
            if on.outer != mapped.loan {
                return on.loan != mapped.loan;
            }
            if let Some(space) = spaces.get_mut(on.space) {
                space.memory.revoke(memory, on.base, on.size, on.outer);
            }
            false
        });
    }

    /// Takes a lent buffer out of the daemon's space.
    pub fn return_pages(&mut self, mapped: Mapped) {
        self.unreserve_in(mapped.space, mapped.base, mapped.size);
        if !self.lent_on.is_empty() {
            self.end_lent_on(&mapped);
        }
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
