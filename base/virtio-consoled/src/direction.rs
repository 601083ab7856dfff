//! One direction of a line: a queue and the buffers that go through it.

use alloc::vec::Vec;

use redox_rt::Result;
use virtio::{Buffer, Device, Memory, Problem, TransportExt, VirtQueue};

use crate::broken;

const QUEUE_LEN: usize = 32;

/// Which way bytes go.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// From the host.
    In,
    /// To the host.
    Out,
}

/// One direction.
pub struct Direction {
    queue: VirtQueue<Memory, QUEUE_LEN>,
    number: u16,
    way: Way,
    slots: Vec<Buffer>,
    /// The slots that the device has, by the number that it knows them by; with their lengths.
    under_way: [Option<(usize, usize)>; QUEUE_LEN],
    /// There is something that the device has not been told of.
    fresh: bool,
}

impl Direction {
    /// Sets a queue up; it has no slots yet.
    pub fn new(device: &mut Device, number: u16, way: Way) -> core::result::Result<Self, Problem> {
        Ok(Self {
            queue: VirtQueue::new(&mut device.transport, number, false, false)?,
            number,
            way,
            slots: Vec::new(),
            under_way: [None; QUEUE_LEN],
            fresh: false,
        })
    }

    /// Gives it slots, at most as many as the queue has places.
    pub fn add_slots(&mut self, count: usize, len: usize) -> core::result::Result<(), Problem> {
        for _ in self.slots.len()..count.min(QUEUE_LEN) {
            self.slots.push(Memory::buffer(len)?);
        }
        Ok(())
    }

    /// The bytes of a slot that the device does not have.
    pub fn bytes(&mut self, slot: usize) -> Option<&mut [u8]> {
        let taken = |under_way: &(usize, usize)| under_way.0 == slot;
        if self.under_way.iter().flatten().any(taken) {
            return None;
        }
        // SAFETY: the device has a slot from `hand` until `next_done`, which note it in `under_way`.
        Some(unsafe { self.slots.get_mut(slot)?.bytes() })
    }

    /// Hands the beginning of a slot that the device does not have to the device. Whether it could be.
    pub fn hand(&mut self, slot: usize, len: usize) -> bool {
        if self.bytes(slot).is_none() {
            return false;
        }
        let Some(buffer) = self.slots.get_mut(slot) else {
            return false;
        };
        // SAFETY: the device does not have the slot; it is left alone until `next_done` finds the token, and
        // lives as long as the process.
        let token = unsafe {
            let Some(bytes) = buffer.bytes().get_mut(..len) else {
                return false;
            };
            match self.way {
                Way::In => self.queue.add(&[], &mut [bytes]),
                Way::Out => self.queue.add(&[bytes], &mut []),
            }
        };
        let Ok(token) = token else {
            return false;
        };
        if let Some(place) = self.under_way.get_mut(usize::from(token)) {
            *place = Some((slot, len));
        }
        self.fresh = true;
        true
    }

    /// The next slot that the device has done with, and how many bytes it has written.
    pub fn next_done(&mut self) -> Result<Option<(usize, usize)>> {
        let Some(token) = self.queue.peek_used() else {
            return Ok(None);
        };
        let place = self.under_way.get_mut(usize::from(token));
        let Some((slot, len)) = place.and_then(Option::take) else {
            redox_rt::eprintln!("virtio-consoled: the device has done what it was not asked to");
            return Err(broken());
        };
        let buffer = self.slots.get_mut(slot).ok_or(broken())?;
        // SAFETY: they are the bytes of `hand`, which the device has done with.
        let written = unsafe {
            let bytes = buffer.bytes().get_mut(..len).ok_or(broken())?;
            match self.way {
                Way::In => self.queue.pop_used(token, &[], &mut [bytes]),
                Way::Out => self.queue.pop_used(token, &[bytes], &mut []),
            }
        };
        let written = written.map_err(|_| broken())?;
        Ok(Some((slot, (written as usize).min(len))))
    }

    /// Tells the device what it has not been told of.
    pub fn notify(&mut self, device: &mut Device) {
        if core::mem::take(&mut self.fresh) && self.queue.should_notify() {
            device.transport.notify(self.number);
        }
    }
}
