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
    syscall::file::MAX_TRANSFER,
};
use core::num::NonZeroU32;
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

impl Payload {
    /// How many bytes it is.
    #[inline]
    pub const fn size(&self) -> usize {
        match self {
            Self::None => 0,
            Self::Bytes { len, .. } => *len,
        }
    }
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
    pub head: Option<(Frame, u32)>,
    /// The page that holds the ragged end, and how many bytes of it.
    pub tail: Option<(Frame, u32)>,
    /// Its number among all buffers.
    pub loan: NonZeroU32,
}

impl Kernel {
    /// Puts a request's buffer where the daemon can see it; gives address and length, and what to take
    /// it back by.
    ///
    /// # Errors
    /// What the *caller* is to be told: `EFAULT`, `EINVAL` (not UTF-8), `ENOMEM`.
    #[inline]
    pub fn place_payload(
        &mut self,
        caller_space: Id<Space>,
        payload: Payload,
        scheme: Id<Scheme>,
    ) -> Outcome<(usize, usize, Placed)> {
        let Payload::Bytes {
            base,
            len,
            direction,
            text,
        } = payload
        else {
            return Ok((0, 0, Placed::Nowhere));
        };
        if len > PAGE_SIZE {
            return self.map_payload(caller_space, scheme, base, len, direction, text);
        }
        let Some(target) = self.schemes.get_mut(scheme) else {
            return fail(ENODEV);
        };
        if len == 0 {
            return Ok((target.window.base(), 0, Placed::Nowhere));
        }
        let slot = match target.window.take() {
            Some(slot) => slot,
            None => self.grow_window(scheme)?,
        };
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
        Ok((slot.address, len, Placed::Slot(slot.index)))
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
                if let (
                    Some(count),
                    Some(space),
                    Payload::Bytes {
                        base,
                        len,
                        direction,
                        ..
                    },
                ) = (copy, space, payload)
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
            Placed::Mapped(mapped) => {
                if let Some(scheme) = self.schemes.get_mut(scheme) {
                    scheme.lent = scheme.lent.saturating_sub(1);
                }
                self.unmap_payload(mapped, space, payload, copy)
            }
        }
    }

    #[cold]
    fn map_payload(
        &mut self,
        caller_space: Id<Space>,
        scheme: Id<Scheme>,
        base: usize,
        len: usize,
        direction: Direction,
        text: bool,
    ) -> Outcome<(usize, usize, Placed)> {
        if text {
            // No text that a scheme takes is longer than a page.
            return fail(ENAMETOOLONG);
        }
        let Some(daemon) = self.schemes.get(scheme).map(|scheme| scheme.space) else {
            return fail(ENODEV);
        };
        if len > MAX_TRANSFER {
            return fail(EMSGSIZE);
        }
        UserSlice::new(base, len)?;
        let end = base.wrapping_add(len);
        let offset = base % PAGE_SIZE;
        let first = base.wrapping_sub(offset);
        let pages_end = end.next_multiple_of(PAGE_SIZE);
        let size = pages_end.wrapping_sub(first);
        let head_len = if offset == 0 {
            0
        } else {
            PAGE_SIZE.wrapping_sub(offset)
        };
        let tail_len = end % PAGE_SIZE;
        let inner = first.wrapping_add(if head_len > 0 { PAGE_SIZE } else { 0 });
        let inner_end = end.wrapping_sub(tail_len);
        let writable = direction != Direction::In;
        let target = self.reserve_in(daemon, size)?;
        let loan = self.next_loan();
        let mut mapped = Mapped {
            space: daemon,
            base: target,
            size,
            head: None,
            tail: None,
            loan,
        };
        let copy_in = matches!(direction, Direction::In | Direction::Both);
        let mut attempt = || -> Outcome<()> {
            if head_len > 0 {
                let frame = self.lend_frame(daemon, target, writable, loan)?;
                mapped.head = Some((frame, head_len as u32));
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
                    (daemon, at),
                    writable,
                    loan,
                )?;
            }
            if tail_len > 0 {
                let at = target.wrapping_add(size).wrapping_sub(PAGE_SIZE);
                let frame = self.lend_frame(daemon, at, writable, loan)?;
                mapped.tail = Some((frame, tail_len as u32));
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
        if let Some(scheme) = self.schemes.get_mut(scheme) {
            scheme.lent = scheme.lent.saturating_add(1);
        }
        Ok((target.wrapping_add(offset), len, Placed::Mapped(mapped)))
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
        if let (
            Some(count),
            Some(space),
            Payload::Bytes {
                base,
                len,
                direction,
                ..
            },
        ) = (copy, caller_space, payload)
            && direction != Direction::In
        {
            let count = if direction == Direction::Out {
                count.min(len)
            } else {
                len
            };
            if let Some((frame, len)) = mapped.head {
                let len = len as usize;
                let offset = PAGE_SIZE.wrapping_sub(len);
                outcome = self.copy_from_frame(frame, offset, space, base, len.min(count));
            }
            if let Some((frame, tail)) = mapped.tail {
                let tail = tail as usize;
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
