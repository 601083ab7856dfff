//! A scheme's window: pages of the kernel's that the daemon has mapped, one for the payload of each
//! small request under way.
//!
//! The daemon's address range is reserved when the scheme is made. Pages are added when more requests
//! are under way than ever before, and stay: what a daemon costs is bounded by the most it had to do
//! at once, and a call of a payload changes no page table.

use super::Scheme;
use crate::{
    error::{Halt, Outcome, fail},
    kernel::Kernel,
    memory::{Frame, PAGE_SIZE, space::STANDING},
};
use alloc::vec::Vec;
use kernel_core::{machine::Machine, slab::Id};
use syscall::error::*;

/// How many requests with a payload can be under way at a scheme.
pub const MAX_SLOTS: u32 = 16_384;
/// Bytes of the range that they are in.
const SIZE: usize = MAX_SLOTS as usize * PAGE_SIZE;

/// The window of one scheme.
pub struct Window {
    base: usize,
    frames: Vec<Frame>,
    free: Vec<u32>,
}

/// A slot that a request has taken.
#[derive(Clone, Copy, Debug)]
pub struct Slot {
    /// Which.
    pub index: u32,
    /// The page behind it.
    pub frame: Frame,
    /// Its address in the daemon's space.
    pub address: usize,
}

impl Default for Window {
    fn default() -> Self {
        Self::new()
    }
}

impl Window {
    /// A window that is nowhere yet.
    pub const fn new() -> Self {
        Self {
            base: 0,
            frames: Vec::new(),
            free: Vec::new(),
        }
    }

    /// Address of the first slot in the daemon's space.
    pub const fn base(&self) -> usize {
        self.base
    }

    /// A free slot among those that there are.
    #[inline]
    pub fn take(&mut self) -> Option<Slot> {
        let slot = self.next()?;
        self.free.pop();
        Some(slot)
    }

    /// The slot that [`Window::take`] would take.
    #[inline]
    pub fn next(&self) -> Option<Slot> {
        let index = *self.free.last()?;
        let frame = self.frames.get(index as usize)?;
        Some(Slot {
            index,
            frame: *frame,
            address: self.address(index),
        })
    }

    /// The page behind a slot.
    #[inline]
    pub fn frame(&self, index: u32) -> Option<Frame> {
        self.frames.get(index as usize).copied()
    }

    /// Gives a slot back. There is room for every slot since it was made.
    #[inline]
    pub fn give(&mut self, index: u32) {
        self.free.push(index);
    }

    fn address(&self, index: u32) -> usize {
        self.base
            .wrapping_add((index as usize).wrapping_mul(PAGE_SIZE))
    }
}

impl Kernel {
    /// Reserves the range of a new scheme's window in its daemon's space.
    pub fn open_window(&mut self, scheme: Id<Scheme>) -> Outcome<()> {
        let Some(target) = self.schemes.get(scheme) else {
            return fail(ENODEV);
        };
        let base = self.reserve_in(target.space, SIZE)?;
        if let Some(target) = self.schemes.get_mut(scheme) {
            target.window.base = base;
        }
        Ok(())
    }

    /// One more slot.
    ///
    /// # Errors
    /// `ENOMEM` when there is no memory for it, `EAGAIN` when there are too many.
    #[cold]
    pub fn grow_window(&mut self, scheme: Id<Scheme>) -> Outcome<Slot> {
        let Some(target) = self.schemes.get_mut(scheme) else {
            return fail(ENODEV);
        };
        let window = &mut target.window;
        let index = window.frames.len() as u32;
        if index >= MAX_SLOTS {
            return fail(EAGAIN);
        }
        window
            .frames
            .try_reserve(1)
            .map_err(|_| Halt::Errno(ENOMEM))?;
        // Room to give every slot back without allocating.
        let missing = window
            .frames
            .len()
            .saturating_add(1)
            .saturating_sub(window.free.capacity());
        if missing > 0 {
            let len = window.free.len();
            let wanted = window.frames.capacity().saturating_sub(len);
            window
                .free
                .try_reserve(wanted)
                .map_err(|_| Halt::Errno(ENOMEM))?;
        }
        let address = window.address(index);
        let space = target.space;
        let frame = self.lend_frame(space, address, true, STANDING)?;
        match self.schemes.get_mut(scheme) {
            Some(target) if target.window.frames.len() == index as usize => {
                target.window.frames.push(frame);
                Ok(Slot {
                    index,
                    frame,
                    address,
                })
            }
            // What the daemon had mapped there was another scheme's, whose daemon was told of its end, and the
            // window has grown for that.
            _ => {
                self.memory.release(frame);
                fail(ENOMEM)
            }
        }
    }

    /// Gives a slot back.
    #[inline]
    pub fn give_slot(&mut self, scheme: Id<Scheme>, index: u32) {
        if let Some(target) = self.schemes.get_mut(scheme) {
            target.window.give(index);
        }
    }

    /// The page behind a slot.
    #[inline]
    pub fn slot_frame(&self, scheme: Id<Scheme>, index: u32) -> Option<Frame> {
        self.schemes.get(scheme)?.window.frame(index)
    }

    /// Moves the window to the running context's space: the daemon has forked, or given its socket
    /// away.
    ///
    /// # Errors
    /// `EXDEV` while a thread waits, or a request with a buffer is under way, in the old space; `ENOMEM`
    /// when there is no room in the new one. Nothing has changed then.
    #[cold]
    pub fn move_window(&mut self, id: Id<Scheme>) -> Outcome<()> {
        let space = self.current_space;
        let Some(scheme) = self.schemes.get_mut(id) else {
            return fail(ENODEV);
        };
        let window = &scheme.window;
        if !scheme.readers.is_empty() || scheme.lent > 0 || window.free.len() != window.frames.len()
        {
            return fail(EXDEV);
        }
        // A window without a range would be taken for one at whatever is at the old address.
        let base = self.reserve_in(space, SIZE)?;
        self.retain_space(space);
        let Some(scheme) = self.schemes.get_mut(id) else {
            return fail(ENODEV);
        };
        let old = core::mem::replace(&mut scheme.space, space);
        let old_base = core::mem::replace(&mut scheme.window.base, base);
        let frames = core::mem::take(&mut scheme.window.frames);
        scheme.window.free.clear();
        for frame in frames {
            self.memory.release(frame);
        }
        self.unreserve_in(old, old_base, SIZE);
        self.release_space(old);
        Ok(())
    }

    /// Takes the window out of the daemon's space and frees its pages.
    pub fn close_window(&mut self, scheme: &mut Scheme) {
        if scheme.window.base != 0 {
            self.unreserve_in(scheme.space, scheme.window.base, SIZE);
        }
        for frame in core::mem::take(&mut scheme.window.frames) {
            self.memory.release(frame);
        }
    }
}
