//! A virtio device as its driver gets it: registers, memory that the device reaches, an interrupt.
//!
//! A driver is started with its function of the bus at [`scheme_core::start::DEVICE`], and opens the rest
//! through that. Queues are those of the crate `virtio-drivers`, over [`Transport`].
#![no_std]

extern crate alloc;

mod interrupt;
mod memory;
mod transport;

use core::fmt;

use redox_rt::{Error, Fd};

pub use bitflags;
pub use interrupt::Interrupt;
pub use memory::{Buffer, Memory};
pub use transport::Transport;
pub use virtio_drivers::{
    queue::VirtQueue,
    transport::{DeviceType, Transport as TransportExt},
};

/// Why a device cannot be driven.
#[derive(Debug)]
pub enum Problem {
    /// The system refused something.
    System(&'static str, Error),
    /// Its registers cannot be found.
    Layout(virtio_layout::Error),
    /// Its registers are not where it says.
    Registers,
    /// It does not do what it should.
    Device(&'static str),
    /// A queue cannot be set up.
    Queue(virtio_drivers::Error),
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::System(what, error) => write!(f, "{what}: {error}"),
            Self::Layout(error) => error.fmt(f),
            Self::Registers => f.write_str("its registers lie outside of its addresses"),
            Self::Device(what) => f.write_str(what),
            Self::Queue(error) => write!(f, "queue: {error}"),
        }
    }
}

impl From<virtio_layout::Error> for Problem {
    fn from(error: virtio_layout::Error) -> Self {
        Self::Layout(error)
    }
}

impl From<virtio_drivers::Error> for Problem {
    fn from(error: virtio_drivers::Error) -> Self {
        Self::Queue(error)
    }
}

/// Names what the system refused.
pub(crate) fn refused(what: &'static str) -> impl Fn(Error) -> Problem {
    move |error| Problem::System(what, error)
}

/// A device that has been reset.
pub struct Device {
    /// The function; as long as it is open, it is this driver's.
    pub function: Fd,
    /// Its registers.
    pub transport: Transport,
    /// Its interrupt.
    pub interrupt: Interrupt,
}

impl Device {
    /// Opens the device that this driver was started for, which is of this kind, and gets `memory` bytes for what the device is to
    /// reach, at most 4 MiB. Only the first call of a process can succeed.
    ///
    /// # Errors
    /// [`Problem`].
    pub fn open(kind: DeviceType, memory: usize) -> Result<Self, Problem> {
        let function = Fd::from_raw(scheme_core::start::DEVICE);
        let mut config = [0; 256];
        let len = function
            .read_full_at(&mut config, 0)
            .map_err(refused("configuration space"))?;
        let config = config.get(..len).unwrap_or(&[]);
        let layout = virtio_layout::find(config)?;
        Memory::open(&function, memory)?;
        let interrupt = Interrupt::open(&function)?;
        let mut transport = Transport::open(kind, &function, &layout, interrupt.is_message())?;
        transport.reset()?;
        Ok(Self {
            function,
            transport,
            interrupt,
        })
    }
}
