//! The buffers of requests, on their way between the caller's memory and the daemon's.
//!
//! Up to a page is copied into a slot of the daemon's window. Of more than that, the whole pages are
//! mapped into the daemon for the time of the call, and the ragged ends are copied.

use super::Scheme;
use crate::{
    context::Context,
    error::{Outcome, fail},
    kernel::{Kernel, Space},
    memory::{Frame, PAGE_SIZE, user::UserSlice},
};
use kernel_core::slab::Id;
use syscall::error::*;

/// Which way the bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the caller to the daemon.
    In,
    /// From the daemon to the caller; the answer says how many.
    Out,
    /// From the daemon to the caller, all of them, when it answers without an error.
    OutAll,
    /// Both ways.
    Both,
}

/// The caller's buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Payload {
    /// None.
    None,
    /// Bytes of the caller's memory.
    Bytes {
        /// Their address.
        base: usize,
        /// How many.
        len: usize,
        /// Which way.
        direction: Direction,
        /// They must be UTF-8, because daemons take them for that.
        text: bool,
    },
}

/// Where a buffer is in the daemon's space.
#[derive(Clone, Copy, Debug)]
pub enum Placed {
    /// Nowhere.
    Nowhere,
    /// In this slot of the window.
    Slot(u32),
    /// Mapped.
    Mapped(Mapped),
}

/// A buffer of which whole pages are mapped into the daemon.
#[derive(Clone, Copy, Debug)]
pub struct Mapped {
    /// The daemon's space.
    pub space: Id<Space>,
    /// Address of the first page in the daemon's space.
    pub base: usize,
    /// Length of the whole mapping in bytes.
    pub size: usize,
    /// The page that holds the ragged beginning, and how many bytes of it.
    pub head: Option<(Frame, usize)>,
    /// The page that holds the ragged end, and how many bytes of it.
    pub tail: Option<(Frame, usize)>,
}

impl Kernel {
    /// Puts the request's buffer where the daemon can see it; gives address and length.
    ///
    /// # Errors
    /// What the *caller* is to be told: `EFAULT`, `EINVAL` (not UTF-8), `ENOMEM`.
    #[inline]
    pub fn place_payload(
        &mut self,
        caller: Id<Context>,
        caller_space: Id<Space>,
        scheme: Id<Scheme>,
    ) -> Outcome<(usize, usize)> {
        let Some(context) = self.contexts.get_mut(caller) else {
            return fail(ESRCH);
        };
        let Payload::Bytes { base, len, direction, text } = context.request.payload else {
            return Ok((0, 0));
        };
        let Some(target) = self.schemes.get_mut(scheme) else {
            return fail(ENODEV);
        };
        if len == 0 {
            return Ok((target.window.base(), 0));
        }
        if len > PAGE_SIZE {
            return self.map_payload(caller, caller_space, scheme, base, len, direction, text);
        }
        let slot = self.take_slot(scheme)?;
        let copied = match direction {
            Direction::In | Direction::Both => {
                self.copy_to_frame(caller_space, base, len, slot.frame, text)
            }
            Direction::OutAll => {
                self.zero_frame(slot.frame, len);
                Ok(())
            }
            Direction::Out => Ok(()),
        };
        if let Err(halt) = copied {
            self.give_slot(scheme, slot.index);
            return Err(halt);
        }
        if let Some(context) = self.contexts.get_mut(caller) {
            context.request.placed = Placed::Slot(slot.index);
        }
        Ok((slot.address, len))
    }

    /// Takes the buffer back from the daemon. With `copy`, the caller gets the first so many bytes of
    /// an outward buffer.
    ///
    /// # Errors
    /// `EFAULT` if the caller's memory has gone meanwhile. The buffer is taken back all the same.
    #[inline]
    pub fn unplace_payload(&mut self, caller: Id<Context>, copy: Option<usize>) -> Outcome<()> {
        let Some(context) = self.contexts.get_mut(caller) else {
            return Ok(());
        };
        let request = &mut context.request;
        let placed = core::mem::replace(&mut request.placed, Placed::Nowhere);
        let (payload, scheme, space) = (request.payload, request.scheme, context.space);
        let Some(scheme) = scheme else { return Ok(()) };
        match placed {
            Placed::Nowhere => Ok(()),
            Placed::Slot(index) => {
                let mut outcome = Ok(());
                if let (Some(count), Some(space), Payload::Bytes { base, len, direction, .. }) =
                    (copy, space, payload)
                {
                    let count = match direction {
                        Direction::In => 0,
                        Direction::Out => count.min(len),
                        Direction::OutAll | Direction::Both => len,
                    };
                    if count > 0
                        && let Some(frame) = self.slot_frame(scheme, index)
                    {
                        outcome = self.copy_from_frame(frame, 0, space, base, count);
                    }
                }
                self.give_slot(scheme, index);
                outcome
            }
            Placed::Mapped(mapped) => self.unmap_payload(mapped, space, payload, copy),
        }
    }

    #[cold]
    #[allow(clippy::too_many_arguments)]
    fn map_payload(
        &mut self,
        caller: Id<Context>,
        caller_space: Id<Space>,
        scheme: Id<Scheme>,
        base: usize,
        len: usize,
        direction: Direction,
        text: bool,
    ) -> Outcome<(usize, usize)> {
        if text {
            // No text that a scheme takes is longer than a page.
            return fail(ENAMETOOLONG);
        }
        let Some(daemon) = self.schemes.get(scheme).map(|scheme| scheme.space) else {
            return fail(ENODEV);
        };
        UserSlice::new(base, len)?;
        let end = base.wrapping_add(len);
        let offset = base % PAGE_SIZE;
        let first = base.wrapping_sub(offset);
        let pages_end = end.next_multiple_of(PAGE_SIZE);
        let size = pages_end.wrapping_sub(first);
        let head_len = if offset == 0 { 0 } else { PAGE_SIZE.wrapping_sub(offset) };
        let tail_len = end % PAGE_SIZE;
        let inner = first.wrapping_add(if head_len > 0 { PAGE_SIZE } else { 0 });
        let inner_end = end.wrapping_sub(tail_len);
        let writable = direction != Direction::In;
        let target = self.reserve_in(daemon, size)?;
        let mut mapped = Mapped { space: daemon, base: target, size, head: None, tail: None };
        let copy_in = matches!(direction, Direction::In | Direction::Both);
        let mut attempt = || -> Outcome<()> {
            if head_len > 0 {
                let frame = self.lend_frame(daemon, target, writable)?;
                mapped.head = Some((frame, head_len));
                if copy_in {
                    self.copy_to_frame_at(caller_space, base, head_len, frame, offset)?;
                }
            }
            if inner_end > inner {
                let at = target.wrapping_add(inner.wrapping_sub(first));
                self.lend_pages(
                    caller_space,
                    inner,
                    inner_end.wrapping_sub(inner),
                    daemon,
                    at,
                    writable,
                )?;
            }
            if tail_len > 0 {
                let at = target.wrapping_add(size).wrapping_sub(PAGE_SIZE);
                let frame = self.lend_frame(daemon, at, writable)?;
                mapped.tail = Some((frame, tail_len));
                if copy_in {
                    self.copy_to_frame_at(caller_space, inner_end, tail_len, frame, 0)?;
                }
            }
            Ok(())
        };
        if let Err(halt) = attempt() {
            self.return_pages(mapped);
            return Err(halt);
        }
        if let Some(context) = self.contexts.get_mut(caller) {
            context.request.placed = Placed::Mapped(mapped);
        }
        Ok((target.wrapping_add(offset), len))
    }

    #[cold]
    fn unmap_payload(
        &mut self,
        mapped: Mapped,
        caller_space: Option<Id<Space>>,
        payload: Payload,
        copy: Option<usize>,
    ) -> Outcome<()> {
        let mut outcome = Ok(());
        if let (Some(count), Some(space), Payload::Bytes { base, len, direction, .. }) =
            (copy, caller_space, payload)
            && direction != Direction::In
        {
            let count = if direction == Direction::Out { count.min(len) } else { len };
            if let Some((frame, len)) = mapped.head {
                let offset = PAGE_SIZE.wrapping_sub(len);
                outcome = self.copy_from_frame(frame, offset, space, base, len.min(count));
            }
            if let Some((frame, tail)) = mapped.tail {
                let before = len.wrapping_sub(tail);
                let wanted = count.saturating_sub(before).min(tail);
                if wanted > 0 {
                    let at = base.wrapping_add(before);
                    outcome = outcome.and(self.copy_from_frame(frame, 0, space, at, wanted));
                }
            }
        }
        self.return_pages(mapped);
        outcome
    }
}
