//! Contexts: threads of execution.
//!
//! A context has no kernel stack. While it does not run, everything about it is data: its registers,
//! and what it waits for ([`Wait`]). Whoever makes that come true stores the result into the saved
//! registers and calls [`Kernel::wake`](crate::kernel::Kernel::wake).

pub mod life;
pub mod sched;
pub mod signal;

use crate::{
    arch::UserState,
    descriptor::FileTable,
    kernel::{Space, WaitKey},
    memory::Frame,
    scheme::user::{Node, Request},
};
use kernel_core::{
    list::Link,
    meter::Meter,
    ring::Trial,
    runqueue::{RunState, Runnable},
    slab::Id,
};
use syscall::{Exception, data::ProcSchemeAttrs};

/// Where a context is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Made, and never started.
    New,
    /// Runs, or is in the run queue.
    Ready,
    /// Waits, as [`Context::wait`] says.
    Blocked,
    /// Ended. Its memory and descriptors are gone; the record stays while a descriptor or an
    /// unanswered request refers to it.
    Dead,
}

/// What a blocked context waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// Nothing.
    None,
    /// The answer to [`Context::request`].
    Request,
    /// A request on a scheme socket; see [`SocketRead`].
    Socket(SocketRead),
    /// A change of some object after which the call is made again. The context is in a
    /// [`WaitQueue`](crate::kernel::WaitQueue) of that object.
    Retry,
    /// A futex, in the bucket list of the futex table; with an optional deadline.
    Futex,
    /// The deadline alone; where to store the remaining time if interrupted.
    Sleep {
        /// When to wake, in nanoseconds of the monotonic clock.
        until: u64,
        /// User address of the remaining-time record, or 0.
        remaining: usize,
    },
}

/// A daemon waiting for requests: where they go and what it is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SocketRead {
    /// The scheme whose socket it is.
    pub scheme: Id<crate::scheme::user::Scheme>,
    /// User address for the requests.
    pub buffer: usize,
    /// How many fit.
    pub capacity: usize,
    /// What the result counts: bytes (`read`), or entries on top of the replies already written.
    pub form: ReadForm,
}

/// The two ways to ask for requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadForm {
    /// `read`: the result is in bytes.
    Bytes,
    /// The combined call: the result counts replies written plus requests read.
    Count {
        /// Replies written.
        written: usize,
    },
}

/// What the kernel knows of a context's signal handling; see `syscall::sigabi`.
#[derive(Clone, Copy, Debug)]
pub struct SignalState {
    /// Where to jump for a signal.
    pub user_handler: usize,
    /// Where to jump for an exception, or 0.
    pub excp_handler: usize,
    /// The frame that holds the thread's `Sigcontrol`, retained.
    pub thread_frame: Frame,
    /// Offset of it in the frame.
    pub thread_offset: usize,
    /// The frame that holds the process's `SigProcControl`, retained.
    pub proc_frame: Frame,
    /// User address of the thread's `Sigcontrol`.
    pub thread_addr: usize,
    /// User address of the process's `SigProcControl`.
    pub proc_addr: usize,
}

/// A thread of execution.
pub struct Context {
    /// Registers while it is not running. The CPU's entry code stores straight into their frame.
    pub state: UserState,
    /// Its part in the run queue.
    pub run: RunState<Context>,
    /// Ticks of the time-stamp counter that it has had the CPU; runs while it is the current one.
    pub meter: Meter,
    /// Where it is in its life.
    pub status: Status,
    /// Stopped by its controller: not run even when ready.
    pub stopped: bool,
    /// What it waits for.
    pub wait: Wait,
    /// Make the system call again before returning to user mode: this has changed, which it waited for.
    pub repeats: Option<WaitKey>,
    /// Look for deliverable signals before returning to user mode.
    pub interrupted: bool,
    /// Its address space.
    pub space: Option<Id<Space>>,
    /// Physical address of that space's root table; 0 without one.
    pub root: u64,
    /// Its descriptor table.
    pub table: Option<Id<FileTable>>,
    /// The request it has made of a user scheme.
    pub request: Request,
    /// Signal handling, once set up.
    pub signal: Option<SignalState>,
    /// Who it is to schemes, its priority and its name.
    pub attrs: ProcSchemeAttrs,
    /// The exception that ended it, or zeros.
    pub exception: Exception,
    /// Ended by [`syscall::ContextVerb::ForceKill`] rather than by an exception.
    pub killed: bool,
    /// How many descriptions refer to it.
    pub handles: u32,
    /// CPUs it may run on.
    pub affinity: u128,
    /// Lowest address that a map without a fixed address gets.
    pub mmap_min: usize,
    /// The deadline of what it waits for.
    pub timer: Option<kernel_core::timer::TimerId<sched::Alarm>>,
    /// Links of the wait queue it is in.
    pub queue: Link<Context>,
    /// The wait queue it is in.
    pub waiting_in: Option<WaitPlace>,
    /// The memory of the shared word that it waits at, which nobody else gets meanwhile: a waiter is known by the
    /// word's place there.
    pub pinned: Option<Frame>,
    /// Next in its scheme's message queue.
    pub next_message: Option<Node>,
    /// For finding out whether anybody can reach it.
    pub trial: Trial<crate::scheme::proc::rings::Node>,
}

/// Which wait queue a context is in, so that it can be taken out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WaitPlace {
    /// Readers of a scheme socket.
    Socket(Id<crate::scheme::user::Scheme>),
    /// Waiters of a kernel object.
    Object(WaitKey),
}

impl kernel_core::list::HasLink<0> for Context {
    fn link(&self) -> &Link<Self> {
        &self.queue
    }
    fn link_mut(&mut self) -> &mut Link<Self> {
        &mut self.queue
    }
}

impl Runnable for Context {
    fn run(&self) -> &RunState<Self> {
        &self.run
    }
    fn run_mut(&mut self) -> &mut RunState<Self> {
        &mut self.run
    }
}
