//! The interrupt of a device.

use redox_rt::{Fd, event::Queue, sys};
use syscall::{
    EAGAIN, EOPNOTSUPP,
    flag::{CallFlags, EventFlags, O_NONBLOCK, O_RDWR},
};

use crate::{Problem, Transport, TransportExt, refused};

/// The interrupt of a device.
#[derive(Debug)]
pub struct Interrupt {
    fd: Fd,
    message: bool,
}

impl Interrupt {
    pub(crate) fn open(function: &Fd) -> Result<Self, Problem> {
        let fd = function
            .open(b"irq", O_RDWR | O_NONBLOCK)
            .map_err(refused("interrupt"))?;
        let mut words = [0; 2 * size_of::<u64>()];
        let message = match sys::call_read(fd.raw(), &mut words, CallFlags::empty(), &[]) {
            Ok(_) => true,
            Err(error) if error.errno == EOPNOTSUPP => false,
            Err(error) => return Err(refused("interrupt")(error)),
        };
        if !message {
            // What is handed over may have lost its flags on the way.
            // SAFETY: this command takes no pointer.
            let set = unsafe { sys::fcntl(fd.raw(), syscall::flag::F_SETFL, O_RDWR | O_NONBLOCK) };
            set.map_err(refused("interrupt"))?;
        }
        Ok(Self { fd, message })
    }

    /// Whether it is a message, and not a line.
    pub(crate) const fn is_message(&self) -> bool {
        self.message
    }

    /// Has a queue say when it comes, with `data`.
    ///
    /// # Errors
    /// [`Problem::System`].
    pub fn watch(&self, queue: &Queue, data: usize) -> Result<(), Problem> {
        queue
            .watch(self.fd.raw(), EventFlags::EVENT_READ, data)
            .map_err(refused("watching the interrupt"))
    }

    /// To be called when it has come, before the queues are looked at: a line is let go, and may come again.
    ///
    /// # Errors
    /// [`Problem::System`].
    pub fn acknowledge(&self, transport: &mut Transport) -> Result<(), Problem> {
        if self.message {
            return Ok(());
        }
        let mut count = [0; size_of::<u64>()];
        match self.fd.read(&mut count) {
            Ok(_) => {}
            Err(error) if error.errno == EAGAIN => return Ok(()),
            Err(error) => return Err(refused("interrupt")(error)),
        }
        // Reading the status takes the line back.
        let _ = transport.ack_interrupt();
        self.fd
            .write_exact(&count)
            .map_err(refused("acknowledging the interrupt"))
    }
}
