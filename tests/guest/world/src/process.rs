//! Other processes of the same program.

use guest_test::{Outcome, fail};
use redox_rt::context::{Context, ContextRef, Status};
use redox_rt::fork::{Forked, fork_into};
use redox_rt::{Fd, Result, event, sys};
use syscall::CtxtStsBuf;
use syscall::flag::{ContextStatus, ContextVerb};

use crate::{until, world};

/// Another process of this program. It is ended when the value is dropped.
pub struct Process {
    context: Context,
    status: Fd,
}

impl Process {
    /// Forks; the new process runs `body` and exits with its answer.
    pub fn start(body: impl FnOnce() -> i32) -> Result<Self> {
        let context = Context::new(&world().proc)?;
        match fork_into(&context, None)? {
            Forked::Child => {
                // What the parent holds is not the child's to close.
                core::mem::forget(context);
                redox_rt::exit(body())
            }
            Forked::Parent => {
                let status = context.get().handle(b"status")?;
                Ok(Self { context, status })
            }
        }
    }

    pub const fn context(&self) -> ContextRef {
        self.context.get()
    }

    /// Waits for its end.
    pub fn wait(&self) -> Result<Status> {
        event::wait_for_end(&world().event, self.context())
    }

    /// Waits for its end and checks that it exited with 0.
    pub fn succeeds(&self) -> Outcome {
        match self.wait()? {
            Status::Ended(0) => Ok(()),
            other => fail!("it ended as {other:?}"),
        }
    }

    pub fn tell(&self, verb: ContextVerb) -> Result<()> {
        self.status.write_exact(sys::bytes_of(&[verb as usize]))
    }

    /// Ends it by force.
    pub fn kill(&self) -> Result<()> {
        self.tell(ContextVerb::ForceKill)
    }

    /// Interrupts what it waits for.
    pub fn interrupt(&self) -> Result<()> {
        self.tell(ContextVerb::Interrupt)
    }

    /// Where it is in its life.
    pub fn state(&self) -> Result<usize> {
        let mut status = CtxtStsBuf::default();
        self.status.read_exact(&mut status)?;
        Ok(status.status)
    }

    /// Whether it waits for something.
    pub fn is_blocked(&self) -> Result<bool> {
        Ok(self.state()? == ContextStatus::Blocked as usize)
    }

    /// Lets it run until it waits for something.
    pub fn until_blocked(&self) -> Outcome {
        until("it waits", || self.is_blocked())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // One that has ended refuses.
        let _ = self.kill();
    }
}

/// Runs `body` in another process and checks that it works there.
pub fn elsewhere(body: impl FnOnce() -> Outcome) -> Outcome {
    let process = Process::start(|| match body() {
        Ok(()) => 0,
        Err(_) => {
            guest_test::explain();
            1
        }
    })?;
    process.succeeds()
}
