//! The registers of a virtio device on PCI (virtio 1.2, section 4.1.4).

use redox_rt::{Fd, sys};
use syscall::{
    Map, TimeSpec,
    flag::{MapFlags, O_RDWR},
};
use virtio_drivers::{
    PhysAddr,
    transport::{self, DeviceStatus, DeviceType, InterruptStatus},
};
use virtio_layout::{Layout, Place};
use zerocopy::{FromBytes, Immutable, IntoBytes};

use crate::{Problem, refused};

/// Offsets of the common registers.
mod common {
    pub const DEVICE_FEATURE_SELECT: usize = 0;
    pub const DEVICE_FEATURE: usize = 4;
    pub const DRIVER_FEATURE_SELECT: usize = 8;
    pub const DRIVER_FEATURE: usize = 12;
    pub const CONFIG_VECTOR: usize = 16;
    pub const STATUS: usize = 20;
    pub const CONFIG_GENERATION: usize = 21;
    pub const QUEUE_SELECT: usize = 22;
    pub const QUEUE_SIZE: usize = 24;
    pub const QUEUE_VECTOR: usize = 26;
    pub const QUEUE_ENABLE: usize = 28;
    pub const QUEUE_NOTIFY_OFFSET: usize = 30;
    pub const QUEUE_DESCRIPTORS: usize = 32;
    pub const QUEUE_DRIVER: usize = 40;
    pub const QUEUE_DEVICE: usize = 48;
}

/// Queues that notifications are remembered for.
const QUEUES: usize = 16;
/// How long a reset may take, in steps of a millisecond.
const PATIENCE: u32 = 1000;
const MILLISECOND: i32 = 1_000_000;

/// A structure of registers, mapped for as long as the process lives.
#[derive(Clone, Copy, Debug)]
struct Registers {
    base: usize,
    len: usize,
}

impl Registers {
    /// A register's address; `None` outside or unaligned.
    fn place<T>(self, offset: usize) -> Option<*mut T> {
        let end = offset.checked_add(size_of::<T>())?;
        let address = self.base.checked_add(offset)?;
        let good = end <= self.len && address.is_multiple_of(align_of::<T>());
        good.then_some(address as *mut T)
    }

    /// Reads a register; zero for one that is not there.
    fn read<T: Copy + Default>(self, offset: usize) -> T {
        // SAFETY: the place is in registers that stay mapped, and aligned; registers have any value.
        self.place(offset)
            .map_or_else(T::default, |place: *mut T| unsafe { place.read_volatile() })
    }

    /// Writes a register, if it is there.
    fn write<T>(self, offset: usize, value: T) {
        if let Some(place) = self.place::<T>(offset) {
            // SAFETY: as for `read`. What the device does upon it is within what it may do at all: reach
            // the memory whose addresses it was told.
            unsafe { place.write_volatile(value) };
        }
    }
}

/// The registers.
#[derive(Debug)]
pub struct Transport {
    kind: DeviceType,
    common: Registers,
    notify: Registers,
    multiplier: u32,
    isr: Registers,
    config: Option<Registers>,
    /// Offsets in `notify`, by queue.
    notify_at: [Option<usize>; QUEUES],
    message: bool,
}

/// What a register of message numbers reads as if the device has none for it.
const NO_VECTOR: u16 = 0xffff;

impl Transport {
    pub(crate) fn open(
        kind: DeviceType,
        function: &Fd,
        layout: &Layout,
        message: bool,
    ) -> Result<Self, Problem> {
        let mut bars = [None; 6];
        let mut find = |place: Place| -> Result<Registers, Problem> {
            let slot = bars
                .get_mut(usize::from(place.bar))
                .ok_or(Problem::Registers)?;
            let bar = match *slot {
                Some(bar) => bar,
                None => *slot.insert(map_bar(function, place.bar, bar_need(layout, place.bar))?),
            };
            let Registers { base, len } = bar;
            let (offset, size) = (place.offset as usize, place.len as usize);
            if offset.checked_add(size).is_none_or(|end| end > len) {
                return Err(Problem::Registers);
            }
            Ok(Registers {
                base: base + offset,
                len: size,
            })
        };
        Ok(Self {
            kind,
            common: find(layout.common)?,
            notify: find(layout.notify)?,
            multiplier: layout.multiplier,
            isr: find(layout.isr)?,
            config: layout.device.map(find).transpose()?,
            notify_at: [None; QUEUES],
            message,
        })
    }

    /// Resets the device and waits until it says that it has.
    ///
    /// # Errors
    /// [`Problem::Device`] when it does not.
    pub fn reset(&mut self) -> Result<(), Problem> {
        self.common.write(common::STATUS, 0_u8);
        for _ in 0..PATIENCE {
            if self.common.read::<u8>(common::STATUS) == 0 {
                return Ok(());
            }
            let wait = TimeSpec {
                tv_sec: 0,
                tv_nsec: MILLISECOND,
            };
            // Woken early, it only looks earlier.
            let _ = sys::nanosleep(&wait);
        }
        Err(Problem::Device("it does not reset"))
    }

    fn select(&self, queue: u16) {
        self.common.write(common::QUEUE_SELECT, queue);
    }
}

/// How many bytes of a register's addresses the layout speaks of, in whole pages.
fn bar_need(layout: &Layout, bar: u8) -> usize {
    let places = [layout.common, layout.notify, layout.isr];
    let ends = places
        .into_iter()
        .chain(layout.device)
        .filter(|place| place.bar == bar)
        .map(|place| place.offset as usize + place.len as usize);
    ends.max().unwrap_or(0).next_multiple_of(4096)
}

fn map_bar(function: &Fd, bar: u8, len: usize) -> Result<Registers, Problem> {
    let name = [b'b', b'a', b'r', b'0' + bar];
    let window = function.open(&name, O_RDWR).map_err(refused("registers"))?;
    let map = Map {
        offset: 0,
        size: len,
        flags: MapFlags::MAP_SHARED | MapFlags::PROT_READ | MapFlags::PROT_WRITE,
        address: 0,
    };
    // SAFETY: without MAP_FIXED the kernel chooses a range that nothing uses.
    let base = unsafe { sys::fmap(window.raw(), &map) }.map_err(refused("mapping registers"))?;
    Ok(Registers { base, len })
}

impl transport::Transport for Transport {
    fn device_type(&self) -> DeviceType {
        self.kind
    }

    fn read_device_features(&mut self) -> u64 {
        let half = |index: u32| {
            self.common.write(common::DEVICE_FEATURE_SELECT, index);
            u64::from(self.common.read::<u32>(common::DEVICE_FEATURE))
        };
        half(0) | half(1) << 32
    }

    fn write_driver_features(&mut self, features: u64) {
        for (index, half) in [(0_u32, features), (1, features >> 32)] {
            self.common.write(common::DRIVER_FEATURE_SELECT, index);
            self.common.write(common::DRIVER_FEATURE, half as u32);
        }
    }

    fn max_queue_size(&mut self, queue: u16) -> u32 {
        self.select(queue);
        self.common.read::<u16>(common::QUEUE_SIZE).into()
    }

    fn notify(&mut self, queue: u16) {
        if let Some(Some(offset)) = self.notify_at.get(usize::from(queue)) {
            self.notify.write(*offset, queue);
        }
    }

    fn get_status(&self) -> DeviceStatus {
        DeviceStatus::from_bits_truncate(self.common.read::<u8>(common::STATUS).into())
    }

    fn set_status(&mut self, status: DeviceStatus) {
        self.common.write(common::STATUS, status.bits() as u8);
    }

    fn set_guest_page_size(&mut self, _: u32) {}

    fn requires_legacy_layout(&self) -> bool {
        false
    }

    fn queue_set(
        &mut self,
        queue: u16,
        size: u32,
        descriptors: PhysAddr,
        driver_area: PhysAddr,
        device_area: PhysAddr,
    ) {
        self.select(queue);
        self.common.write(common::QUEUE_SIZE, size as u16);
        let vector = if self.message { 0 } else { NO_VECTOR };
        self.common.write(common::QUEUE_VECTOR, vector);
        self.common.write(common::CONFIG_VECTOR, NO_VECTOR);
        for (register, address) in [
            (common::QUEUE_DESCRIPTORS, descriptors),
            (common::QUEUE_DRIVER, driver_area),
            (common::QUEUE_DEVICE, device_area),
        ] {
            // Both halves by themselves: not every device takes eight bytes at once.
            self.common.write(register, address as u32);
            self.common.write(register + 4, (address >> 32) as u32);
        }
        let offset = usize::from(self.common.read::<u16>(common::QUEUE_NOTIFY_OFFSET));
        if let Some(place) = self.notify_at.get_mut(usize::from(queue)) {
            *place = offset.checked_mul(self.multiplier as usize);
        }
        self.common.write(common::QUEUE_ENABLE, 1_u16);
    }

    fn queue_unset(&mut self, _: u16) {}

    fn queue_used(&mut self, queue: u16) -> bool {
        self.select(queue);
        self.common.read::<u16>(common::QUEUE_ENABLE) != 0
    }

    fn ack_interrupt(&mut self) -> InterruptStatus {
        InterruptStatus::from_bits_retain(self.isr.read::<u8>(0).into())
    }

    fn read_config_generation(&self) -> u32 {
        self.common.read::<u8>(common::CONFIG_GENERATION).into()
    }

    fn read_config_space<T: FromBytes + IntoBytes>(
        &self,
        offset: usize,
    ) -> virtio_drivers::Result<T> {
        let config = self
            .config
            .ok_or(virtio_drivers::Error::ConfigSpaceMissing)?;
        let mut value = T::new_zeroed();
        for (at, byte) in (offset..).zip(value.as_mut_bytes()) {
            if at >= config.len {
                return Err(virtio_drivers::Error::ConfigSpaceTooSmall);
            }
            *byte = config.read(at);
        }
        Ok(value)
    }

    fn write_config_space<T: IntoBytes + Immutable>(
        &mut self,
        offset: usize,
        value: T,
    ) -> virtio_drivers::Result<()> {
        let config = self
            .config
            .ok_or(virtio_drivers::Error::ConfigSpaceMissing)?;
        for (at, byte) in (offset..).zip(value.as_bytes()) {
            if at >= config.len {
                return Err(virtio_drivers::Error::ConfigSpaceTooSmall);
            }
            config.write(at, *byte);
        }
        Ok(())
    }
}
