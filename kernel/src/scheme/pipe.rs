//! The `pipe` scheme. Opening it gives the reading end; `dup` of that with `write` gives the other.

use super::{Kind, ops::Opened};
use crate::{
    error::{Halt, Outcome, fail},
    kernel::{Kernel, WaitKey},
    memory::{Frame, KernelPages},
};
use kernel_core::{
    pipe::{self, PipeError},
    slab::Id,
};
use syscall::{error::*, flag::EventFlags};

pub use pipe::End;

/// A pipe whose bytes are in frames.
pub type Pipe = pipe::Pipe<Frame>;

impl From<PipeError<Halt>> for Halt {
    fn from(error: PipeError<Halt>) -> Self {
        match error {
            PipeError::WouldBlock => Self::Errno(EAGAIN),
            PipeError::NoReader => Self::Errno(EPIPE),
            PipeError::NoMemory => Self::Errno(ENOMEM),
            PipeError::Copy(halt) => halt,
        }
    }
}

impl Kernel {
    /// A new pipe; gives its reading end. The writing end counts as open once it was asked for.
    pub fn pipe_open(&mut self) -> Outcome<Opened> {
        let mut pipe = Pipe::new();
        pipe.close(End::Write);
        let id = self.pipes.insert(pipe)?;
        Ok(Opened::plain(Kind::Pipe(id, End::Read)))
    }

    /// `dup` with a payload on an end. Whoever writes to a pipe is not thereby to see what others write.
    pub fn pipe_dup(&mut self, id: Id<Pipe>, from: End, payload: &[u8]) -> Outcome<Opened> {
        let end = match (from, payload) {
            (End::Read, b"read") => End::Read,
            (End::Write, b"read") => return fail(EBADF),
            (_, b"write") => End::Write,
            _ => return fail(EINVAL),
        };
        self.pipes.get_mut(id).ok_or(Halt::Errno(EBADF))?.open(end);
        Ok(Opened::plain(Kind::Pipe(id, end)))
    }

    /// `read`.
    pub fn pipe_read(
        &mut self,
        id: Id<Pipe>,
        end: End,
        base: usize,
        len: usize,
        nonblocking: bool,
    ) -> Outcome {
        if end != End::Read {
            return fail(EBADF);
        }
        let pipe = self.pipes.get_mut(id).ok_or(Halt::Errno(EBADF))?;
        let space = self
            .spaces
            .get_mut(self.current_space)
            .ok_or(Halt::Errno(EFAULT))?;
        let memory = &mut self.memory;
        let outcome = pipe.read(&mut KernelPages, len, |done, part| {
            let slice = crate::memory::user::UserSlice::new(base.wrapping_add(done), part.len())?;
            space.memory.copy_out(memory, slice, part)?;
            Ok(())
        });
        match outcome {
            Err(PipeError::WouldBlock) if !nonblocking => self.wait_for(WaitKey::PipeRead(id)),
            Err(error) => Err(error.into()),
            Ok(count) => {
                if count > 0 {
                    self.wake_waiters(WaitKey::PipeWrite(id));
                    self.notify_kind(Kind::Pipe(id, End::Write), EventFlags::EVENT_WRITE);
                }
                Ok(count)
            }
        }
    }

    /// `write`. It writes what fits and waits only when nothing does.
    pub fn pipe_write(
        &mut self,
        id: Id<Pipe>,
        end: End,
        base: usize,
        len: usize,
        nonblocking: bool,
    ) -> Outcome {
        if end != End::Write {
            return fail(EBADF);
        }
        let pipe = self.pipes.get_mut(id).ok_or(Halt::Errno(EBADF))?;
        let space = self
            .spaces
            .get_mut(self.current_space)
            .ok_or(Halt::Errno(EFAULT))?;
        let memory = &mut self.memory;
        let outcome = pipe.write(&mut KernelPages, len, |done, part| {
            let slice = crate::memory::user::UserSlice::new(base.wrapping_add(done), part.len())?;
            space.memory.copy_in(memory, slice, part)?;
            Ok(())
        });
        match outcome {
            Err(PipeError::WouldBlock) if !nonblocking => self.wait_for(WaitKey::PipeWrite(id)),
            Err(error) => Err(error.into()),
            Ok(count) => {
                if count > 0 {
                    self.wake_waiters(WaitKey::PipeRead(id));
                    self.notify_kind(Kind::Pipe(id, End::Read), EventFlags::EVENT_READ);
                }
                Ok(count)
            }
        }
    }

    /// What an end can do without waiting.
    pub fn pipe_readiness(&self, id: Id<Pipe>, end: End) -> EventFlags {
        self.pipes
            .get(id)
            .map_or(EventFlags::empty(), |pipe| pipe.poll(end))
    }

    /// The last descriptor of an end's description is gone.
    pub fn pipe_close(&mut self, id: Id<Pipe>, end: End) {
        let Some(pipe) = self.pipes.get_mut(id) else {
            return;
        };
        if !pipe.close(end) {
            return;
        }
        let is_closed = pipe.is_closed();
        if is_closed {
            if let Some(mut pipe) = self.pipes.remove(id) {
                pipe.dispose(&mut KernelPages);
            }
            return;
        }
        match end {
            End::Read => {
                self.wake_waiters(WaitKey::PipeWrite(id));
                self.notify_kind(Kind::Pipe(id, End::Write), EventFlags::EVENT_WRITE);
            }
            End::Write => {
                self.wake_waiters(WaitKey::PipeRead(id));
                self.notify_kind(Kind::Pipe(id, End::Read), EventFlags::EVENT_READ);
            }
        }
    }
}
