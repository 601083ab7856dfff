//! The kernel's state, all of it, and how it is reached.
//!
//! The kernel runs with interrupts off, under one lock, on the stack of the CPU it was entered on,
//! and never waits: `&mut Kernel` goes down from the entry point to wherever it is needed, and
//! Rust's borrow rules do what a set of finer locks would have to.

use crate::{
    access::lend::LentOn,
    arch,
    context::Context,
    descriptor::{Denials, Description, FileTable},
    memory::{
        Memory,
        space::{AddrSpace, Copying},
    },
    scheme::{
        Kind,
        memory::MapRecord,
        pipe::{End, Pipe},
        user::Scheme,
    },
};
use alloc::vec::Vec;
use core::num::NonZeroU32;
use kernel_core::{
    event::{Events, QueueId},
    lease::Leases,
    list::List,
    runqueue::RunQueue,
    slab::{Id, Slab},
};

/// An address space that contexts and handles share.
pub struct Space {
    /// The mappings.
    pub memory: AddrSpace,
    /// How many contexts, handles and scheme windows refer to it.
    pub refs: u32,
    /// Where its program was found, as user space says; nothing if it has not said.
    pub label: Vec<u8>,
}

/// The state of the whole system.
pub struct Kernel {
    /// Physical memory.
    pub memory: Memory,
    /// Threads.
    pub contexts: Slab<Context>,
    /// Address spaces.
    pub spaces: Slab<Space>,
    /// Copies of spaces that contexts have begun.
    pub copies: Vec<(Id<Context>, Id<Space>, Copying)>,
    /// The number of the last buffer that was lent.
    pub last_loan: NonZeroU32,
    /// Buffers that were lent to a daemon, which has lent them to another.
    pub lent_on: Vec<LentOn>,
    /// Descriptor tables.
    pub tables: Slab<FileTable>,
    /// Open file descriptions.
    pub descriptions: Slab<Description>,
    /// Anonymous schemes that live in user space.
    pub schemes: Slab<Scheme>,
    /// Leases.
    pub leases: Leases,
    /// Pipes.
    pub pipes: Slab<Pipe>,
    /// Memory that devices may write to.
    pub blocks: Slab<crate::scheme::dma::Block>,
    /// Event queues.
    pub events: Events,
    /// Descriptions that event queues watch.
    pub watched: crate::scheme::event::WatchTable,
    /// Mappings of user schemes' memory that their schemes are to hear the end of.
    pub maps: Slab<MapRecord>,
    /// The context whose registers the CPU holds, when one does.
    pub current: Option<Id<Context>>,
    /// Its descriptor table.
    pub current_table: Id<FileTable>,
    /// Its address space.
    pub current_space: Id<Space>,
    /// The context to run next without regard to the queue, because a message was handed to it.
    pub handoff: Option<Id<Context>>,
    /// Something other than returning to the same context is to be done on the way out.
    pub attention: bool,
    /// The reply that is handled ends the daemon's call, so that its caller may run next.
    pub reply_handoff: bool,
    /// Time slices.
    pub slice: crate::context::sched::Slice,
    /// Ready contexts.
    pub run: RunQueue<Context>,
    /// Contexts that wait for objects to change.
    pub waiters: WaitTable,
    /// Deadlines.
    pub timers: crate::context::sched::Timers,
    /// While a description is being closed: the first of those that are to be closed after it.
    pub closing: Option<Option<Id<Description>>>,
    /// What was put off.
    pub chores: crate::chores::Chores,
    /// Refused calls.
    pub denials: Denials,
    /// Interrupt lines in user hands.
    pub irqs: crate::scheme::irq::Irqs,
    /// Console input not yet read.
    pub console: crate::scheme::debug::Console,
    /// Real time at monotonic zero, in nanoseconds since 1970.
    pub realtime_base: u64,
    /// Ticks that the processor had nothing to do; runs while there is no current context.
    pub idle: kernel_core::meter::Meter,
    /// Context switches since boot.
    pub switches: u64,
}

/// What a context may wait for a change of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WaitKey {
    /// The futex word at this physical address.
    Futex(u64),
    /// The futex word at this address of the space with this raw id.
    PrivateFutex(u64, usize),
    /// Room in the pipe.
    PipeWrite(Id<Pipe>),
    /// Data in the pipe.
    PipeRead(Id<Pipe>),
    /// Events in the queue.
    Event(QueueId),
    /// An interrupt on the line.
    Irq(u32),
    /// Console input.
    Console,
    /// Nothing but a signal or a kill ends it.
    Never,
}

impl WaitKey {
    /// What a call through a descriptor of this kind waits for, if any does.
    pub const fn of(kind: Kind) -> Option<Self> {
        match kind {
            Kind::Pipe(pipe, End::Read) => Some(Self::PipeRead(pipe)),
            Kind::Pipe(pipe, End::Write) => Some(Self::PipeWrite(pipe)),
            Kind::Event(queue) => Some(Self::Event(queue)),
            Kind::Irq(line) => Some(Self::Irq(line)),
            Kind::Debug => Some(Self::Console),
            _ => None,
        }
    }
}

const BUCKETS: usize = 256;

/// Contexts that wait, by what they wait for. Fixed in size, so that waiting never needs memory.
pub struct WaitTable {
    buckets: [List<Context>; BUCKETS],
}

impl Default for WaitTable {
    fn default() -> Self {
        Self::new()
    }
}

impl WaitTable {
    /// An empty table.
    pub const fn new() -> Self {
        Self {
            buckets: [const { List::new() }; BUCKETS],
        }
    }

    /// The bucket of a key.
    pub fn bucket(&mut self, key: WaitKey) -> &mut List<Context> {
        let (kind, value) = match key {
            WaitKey::Futex(address) => (1, address >> 2),
            WaitKey::PrivateFutex(space, address) => (2, space.wrapping_add(address as u64 >> 2)),
            WaitKey::PipeWrite(id) => (3, id.raw()),
            WaitKey::PipeRead(id) => (4, id.raw()),
            WaitKey::Event(id) => (5, id.raw()),
            WaitKey::Irq(line) => (6, u64::from(line)),
            WaitKey::Console => (7, 0),
            WaitKey::Never => (8, 0),
        };
        let hash = value
            .wrapping_mul(0x9e37_79b9_7f4a_7c15)
            .wrapping_add(u64::wrapping_mul(kind, 0x517c_c1b7_2722_0a95));
        let index = (hash >> 56) as usize;
        let [first, rest @ ..] = &mut self.buckets;
        match index.checked_sub(1).and_then(|index| rest.get_mut(index)) {
            Some(bucket) => bucket,
            None => first,
        }
    }
}

static KERNEL: spin::Mutex<Option<Kernel>> = spin::Mutex::new(None);

/// Puts the kernel's state in place, once, at boot.
pub fn install(kernel: Kernel) {
    *KERNEL.lock() = Some(kernel);
}

/// Runs `f` on the kernel's state. Before [`install`] nothing happens.
#[inline]
pub fn with<R>(f: impl FnOnce(&mut Kernel) -> R) -> Option<R> {
    KERNEL.lock().as_mut().map(f)
}

impl Kernel {
    /// The running context.
    #[inline]
    pub fn this(&mut self) -> Option<&mut Context> {
        self.contexts.get_mut(self.current?)
    }

    /// Nanoseconds of the monotonic clock.
    #[inline]
    pub fn now(&self) -> u64 {
        arch::now_ns()
    }
}
