//! Where requests and bytes go to.

use crate::{
    context::{Context, SocketRead},
    descriptor::Description,
    kernel::Space,
    memory::{
        Frame, Memory,
        user::{Span, Target, UserSlice},
    },
    scheme::user::{Node, Scheme, submit::one_way},
};
use kernel_core::{
    slab::{Id, Slab},
    wire::{self, sqe_words},
};
use syscall::schemev2::Opcode;

/// Words of a submission entry, and of two.
const SQE: usize = wire::SQE_WORDS;
const TWO_SQES: usize = 2 * SQE;

/// Where a request goes to in the daemon's memory.
pub enum Place<'a> {
    /// Alone.
    One(Target<'a, [u64; SQE]>),
    /// Behind the message that a description of this object is closed.
    Two(Target<'a, [u64; TWO_SQES]>, u64),
}

impl<'a> Place<'a> {
    /// Finds the place for a request, and for the message that goes along.
    #[inline(always)]
    pub fn find(
        space: &'a mut Space,
        memory: &Memory,
        descriptions: &Slab<Description>,
        read: SocketRead,
        ahead: Option<Id<Description>>,
    ) -> Option<Self> {
        let space = &mut space.memory;
        let Some(closed) = ahead else {
            return Target::find(space, memory, read.buffer).map(Self::One);
        };
        if read.capacity < 2 {
            return None;
        }
        let number = descriptions.get(closed)?.kind.user_number();
        let target = Target::find(space, memory, read.buffer)?;
        Some(Self::Two(target, number))
    }

    /// Writes the request, and tells how many entries there are.
    #[inline(always)]
    pub fn write(self, request: [u64; SQE]) -> usize {
        match self {
            Self::One(place) => {
                place.write(&request);
                1
            }
            Self::Two(place, number) => {
                let message = one_way(Opcode::CloseMsg, [number, 0, 0, 0, 0, 0], 0);
                place.write(&both(sqe_words(&message), request));
                2
            }
        }
    }
}

impl Scheme {
    /// The thread that waits for requests, if it is one, and the description of whose end it is to be told
    /// first. `None`: more is queued.
    #[inline(always)]
    pub fn way(&self) -> Option<(Id<Context>, Option<Id<Description>>)> {
        let reader = self.readers.only()?;
        match self.queue.front() {
            None => Some((reader, None)),
            Some(Node::Close(id)) => {
                self.queue.only()?;
                Some((reader, Some(id)))
            }
            Some(_) => None,
        }
    }
}

/// Copies a caller's bytes, a page at most, to a slot.
#[inline(always)]
pub fn take_in(
    space: &mut Space,
    memory: &mut Memory,
    base: usize,
    len: usize,
    frame: Frame,
) -> Option<()> {
    if let Some(span) = Span::find(&mut space.memory, memory, base, len, false) {
        span.copy_to(memory, frame);
        return Some(());
    }
    let slice = UserSlice::new(base, len).ok()?;
    let copied = space.memory.copy_in_frame(memory, slice, frame.address());
    copied.ok()
}

/// Copies bytes of a slot, a page at most, to the caller.
#[inline(always)]
pub fn give_out(
    space: &mut Space,
    memory: &mut Memory,
    base: usize,
    len: usize,
    frame: Frame,
) -> Option<()> {
    if let Some(span) = Span::find(&mut space.memory, memory, base, len, true) {
        span.copy_from(memory, frame);
        return Some(());
    }
    let slice = UserSlice::new(base, len).ok()?;
    let copied = space.memory.copy_out_frame(memory, slice, frame.address());
    copied.ok()
}

/// Two entries, one behind the other.
#[inline(always)]
fn both(first: [u64; SQE], second: [u64; SQE]) -> [u64; TWO_SQES] {
    let [a, b, c, d, e, f, g, h] = first;
    let [i, j, k, l, m, n, o, p] = second;
    [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p]
}
