//! The device: a queue of empty buffers that it fills (virtio 1.2, section 5.4).

use redox_rt::{Result, event::Queue};
use virtio::{
    Buffer, Device, DeviceType, Memory, Problem, TransportExt, VirtQueue, bitflags::bitflags,
};
use virtio_rngd_core::MOST;

use crate::broken;

bitflags! {
    /// What the device and this driver agree on.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    struct Features: u64 {
        const VERSION_1 = 1 << 32;
    }
}

const QUEUE: u16 = 0;
const QUEUE_LEN: usize = 8;
const MEMORY: usize = 4 * 4096;

/// The source.
pub struct Source {
    device: Device,
    queue: VirtQueue<Memory, QUEUE_LEN>,
    buffer: Buffer,
    /// What the device is filling the buffer for: token and length.
    under_way: Option<(u16, usize)>,
}

impl Source {
    /// Starts the device. `events` will say with `data` when it interrupts.
    pub fn open(events: &Queue, data: usize) -> core::result::Result<Self, Problem> {
        let mut device = Device::open(DeviceType::EntropySource, MEMORY)?;
        let features = device.transport.begin_init(Features::all());
        if !features.contains(Features::VERSION_1) {
            return Err(Problem::Device("it is older than virtio 1"));
        }
        let queue = VirtQueue::new(&mut device.transport, QUEUE, false, false)?;
        device.interrupt.watch(events, data)?;
        device.transport.finish_init();
        Ok(Self {
            device,
            queue,
            buffer: Memory::buffer(MOST)?,
            under_way: None,
        })
    }

    /// Whether it is asked for something.
    pub const fn is_busy(&self) -> bool {
        self.under_way.is_some()
    }

    /// Asks for up to so many bytes. Not to be called while it is busy.
    pub fn ask(&mut self, len: usize) -> Result<()> {
        // SAFETY: the device does not have the buffer, since it is not busy.
        let bytes = unsafe { self.buffer.bytes() };
        let bytes = bytes.get_mut(..len.min(MOST)).ok_or(broken())?;
        let len = bytes.len();
        // SAFETY: the buffer lives as long as the process and is left alone until `take` finds the token.
        let token = unsafe { self.queue.add(&[], &mut [bytes]) }.map_err(|_| broken())?;
        self.under_way = Some((token, len));
        if self.queue.should_notify() {
            self.device.transport.notify(QUEUE);
        }
        Ok(())
    }

    /// The device has interrupted: shows `f` what it gave, if it did, and forgets that.
    pub fn take(&mut self, f: impl FnOnce(&[u8]) -> Result<()>) -> Result<()> {
        let device = &mut self.device;
        let done = device.interrupt.acknowledge(&mut device.transport);
        done.map_err(|problem| {
            redox_rt::eprintln!("virtio-rngd: {problem}");
            broken()
        })?;
        let (Some(used), Some((token, len))) = (self.queue.peek_used(), self.under_way) else {
            return Ok(());
        };
        if used != token {
            return Err(broken());
        }
        // SAFETY: the device has said that it has done with the buffer, which is that of `ask`.
        let bytes = unsafe { self.buffer.bytes() };
        let bytes = bytes.get_mut(..len).ok_or(broken())?;
        // SAFETY: as above.
        let written = unsafe { self.queue.pop_used(token, &[], &mut [&mut *bytes]) };
        let written = written.map_err(|_| broken())? as usize;
        self.under_way = None;
        let shown = f(bytes.get(..written.min(len)).unwrap_or(&[]));
        bytes.fill(0);
        shown
    }
}
