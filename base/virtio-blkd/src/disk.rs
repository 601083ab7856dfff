//! The device: its one queue, and memory for what is under way (virtio 1.2, section 5.2).

use alloc::vec::Vec;

use redox_rt::{Result, event::Queue};
use virtio::{
    Buffer, Device, DeviceType, Memory, Problem, TransportExt, VirtQueue, bitflags::bitflags,
};
use virtio_blkd_core::{
    Geometry, SECTOR,
    queue::{Kind, Part},
};

use crate::broken;

bitflags! {
    /// What the device and this driver agree on.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    struct Features: u64 {
        const READ_ONLY = 1 << 5;
        const BLOCK_SIZE = 1 << 6;
        const FLUSH = 1 << 9;
        const VERSION_1 = 1 << 32;
    }
}

/// Parts that can be under way at once. Each takes three descriptors.
pub const SLOTS: usize = 32;
/// Longest part in bytes.
pub const SLOT_LEN: usize = 64 << 10;

const QUEUE: u16 = 0;
const QUEUE_LEN: usize = 128;
const HEADER: usize = 16;
/// A header and a status byte.
const CONTROL: usize = 32;
const CAPACITY: usize = 0;
const BLOCK_LEN: usize = 20;
const STATUS_OK: u8 = 0;
const STATUS_NONE: u8 = 0xff;
/// What the queue's own structures take, at most.
const QUEUE_MEMORY: usize = 16 << 10;
const MEMORY: usize = SLOTS * SLOT_LEN + 4096 + QUEUE_MEMORY;

const _: () = assert!(SLOTS * 3 <= QUEUE_LEN && SLOTS * CONTROL <= 4096);

/// What the device is using.
#[derive(Clone, Copy, Debug)]
struct UnderWay {
    slot: usize,
    kind: Kind,
    len: usize,
}

/// The disk.
pub struct Disk {
    device: Device,
    queue: VirtQueue<Memory, QUEUE_LEN>,
    features: Features,
    geometry: Geometry,
    /// Headers and status bytes.
    control: Buffer,
    data: Vec<Buffer>,
    /// By the number that the device knows it by.
    under_way: [Option<UnderWay>; QUEUE_LEN],
    /// There is something that the device has not been told of.
    fresh: bool,
}

impl Disk {
    /// Starts the device. `events` will say with `data` when it interrupts.
    pub fn open(events: &Queue, data: usize) -> core::result::Result<Self, Problem> {
        let mut device = Device::open(DeviceType::Block, MEMORY)?;
        let transport = &mut device.transport;
        let features = transport.begin_init(Features::all());
        if !features.contains(Features::VERSION_1) {
            return Err(Problem::Device("it is older than virtio 1"));
        }
        let sectors =
            transport.read_consistent(|| transport.read_config_space::<[u8; 8]>(CAPACITY))?;
        let block = if features.contains(Features::BLOCK_SIZE) {
            u32::from_le_bytes(transport.read_config_space::<[u8; 4]>(BLOCK_LEN)?)
        } else {
            SECTOR as u32
        };
        let read_only = features.contains(Features::READ_ONLY);
        let geometry = Geometry::new(u64::from_le_bytes(sectors), block, read_only);
        let queue = VirtQueue::new(transport, QUEUE, false, false)?;
        device.interrupt.watch(events, data)?;
        device.transport.finish_init();
        let control = Memory::buffer(SLOTS * CONTROL)?;
        let slots = (0..SLOTS).map(|_| Memory::buffer(SLOT_LEN));
        let slots: core::result::Result<Vec<_>, _> = slots.collect();
        Ok(Self {
            device,
            queue,
            features,
            geometry,
            control,
            data: slots?,
            under_way: [None; QUEUE_LEN],
            fresh: false,
        })
    }

    /// What the device says it is.
    pub const fn geometry(&self) -> Geometry {
        self.geometry
    }

    /// Whether the device can be asked to flush; otherwise what it has done is on the medium.
    pub const fn can_flush(&self) -> bool {
        self.features.contains(Features::FLUSH)
    }

    /// The memory of a slot that is not under way; `None` of one that is.
    pub fn bytes(&mut self, slot: usize, len: usize) -> Option<&mut [u8]> {
        let busy = |under_way: &UnderWay| under_way.slot == slot;
        if self.under_way.iter().flatten().any(busy) {
            return None;
        }
        // SAFETY: the device is told of a slot's memory only by `start`, which notes that, and has done
        // with it when `next_done` takes the note away.
        unsafe { self.data.get_mut(slot)?.bytes() }.get_mut(..len)
    }

    /// Hands a part to the device, which hears of it with [`Self::notify`]. `false` if it cannot be.
    pub fn start(&mut self, part: &Part) -> bool {
        let (slot, len) = (part.slot, part.len);
        let kind: u32 = match part.kind {
            Kind::Read => 0,
            Kind::Write => 1,
            Kind::Flush => 4,
        };
        let Some(data) = self.data.get_mut(slot) else {
            return false;
        };
        // SAFETY: the slot is free, so that the device uses neither its data nor its control bytes.
        let (control, data) = unsafe { (self.control.bytes(), data.bytes()) };
        let control = control.get_mut(slot * CONTROL..(slot + 1) * CONTROL);
        let Some((header, status)) = control.and_then(|c| c.split_at_mut_checked(HEADER)) else {
            return false;
        };
        let [k, s] = [
            (0, &kind.to_le_bytes()[..]),
            (8, &part.sector.to_le_bytes()),
        ];
        for (at, bytes) in [k, s] {
            if let Some(place) = header.get_mut(at..at + bytes.len()) {
                place.copy_from_slice(bytes);
            }
        }
        let (Some(status), Some(data)) = (status.get_mut(..1), data.get_mut(..len)) else {
            return false;
        };
        status.fill(STATUS_NONE);
        // SAFETY: the buffers live as long as the process and are left alone until `next_done` finds the
        // token.
        let token = unsafe {
            match part.kind {
                Kind::Read => self.queue.add(&[header], &mut [data, status]),
                Kind::Write => self.queue.add(&[header, data], &mut [status]),
                Kind::Flush => self.queue.add(&[header], &mut [status]),
            }
        };
        let Ok(token) = token else {
            return false;
        };
        let under_way = UnderWay {
            slot,
            kind: part.kind,
            len,
        };
        if let Some(place) = self.under_way.get_mut(usize::from(token)) {
            *place = Some(under_way);
        }
        self.fresh = true;
        true
    }

    /// Tells the device what it has not been told of.
    pub fn notify(&mut self) {
        if core::mem::take(&mut self.fresh) && self.queue.should_notify() {
            self.device.transport.notify(QUEUE);
        }
    }

    /// The device has interrupted.
    pub fn acknowledge(&mut self) -> Result<()> {
        let done = self
            .device
            .interrupt
            .acknowledge(&mut self.device.transport);
        done.map_err(|problem| {
            redox_rt::eprintln!("virtio-blkd: {problem}");
            broken()
        })
    }

    /// The next slot that the device has done with, and whether it did well.
    pub fn next_done(&mut self) -> Result<Option<(usize, bool)>> {
        let Some(token) = self.queue.peek_used() else {
            return Ok(None);
        };
        let place = self.under_way.get_mut(usize::from(token));
        let Some(UnderWay { slot, kind, len }) = place.and_then(Option::take) else {
            redox_rt::eprintln!("virtio-blkd: the device has done what it was not asked to");
            return Err(broken());
        };
        let data = self.data.get_mut(slot).ok_or(broken())?;
        // SAFETY: the device has said that it has done with them.
        let (control, data) = unsafe { (self.control.bytes(), data.bytes()) };
        let control = control
            .get_mut(slot * CONTROL..(slot + 1) * CONTROL)
            .and_then(|control| control.split_at_mut_checked(HEADER));
        let (header, status) = control.ok_or(broken())?;
        let (status, _) = status.split_at_mut_checked(1).ok_or(broken())?;
        let data = data.get_mut(..len).ok_or(broken())?;
        // SAFETY: they are the buffers of `start`, in the same order.
        let popped = unsafe {
            match kind {
                Kind::Read => self.queue.pop_used(token, &[header], &mut [data, status]),
                Kind::Write => self.queue.pop_used(token, &[header, data], &mut [status]),
                Kind::Flush => self.queue.pop_used(token, &[header], &mut [status]),
            }
        };
        popped.map_err(|_| broken())?;
        Ok(Some((slot, status.first() == Some(&STATUS_OK))))
    }

    /// Reads sectors and waits for them: before there are requests. Whether it could.
    pub fn read_now(&mut self, events: &Queue, sector: u64, into: &mut [u8]) -> bool {
        for (index, chunk) in (0..).zip(into.chunks_mut(SLOT_LEN)) {
            let part = Part {
                slot: 0,
                kind: Kind::Read,
                sector: sector + index * (SLOT_LEN as u64 / SECTOR),
                offset: 0,
                len: chunk.len(),
            };
            if !self.start(&part) {
                return false;
            }
            self.notify();
            let done = loop {
                match self.next_done() {
                    Ok(None) => {}
                    Ok(Some((_, well))) => break well,
                    Err(_) => return false,
                }
                if events.next().is_err() || self.acknowledge().is_err() {
                    return false;
                }
            };
            let Some(bytes) = self.bytes(0, chunk.len()).filter(|_| done) else {
                return false;
            };
            chunk.copy_from_slice(bytes);
        }
        true
    }
}
