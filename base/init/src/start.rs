//! Starting a unit, in a thread of its own: whatever it waits for, nobody else does.

use alloc::{boxed::Box, vec::Vec};

use init_core::{Kind, Unit};
use redox_rt::{
    Result, eprintln,
    thread::{self, Source, Thread},
};

use crate::{
    bus,
    keeper::{Event, KEEPER},
    program::Program,
    ready,
};

/// What a start has come to.
pub enum Made {
    /// A process; it does not count as started yet.
    Process(u32),
    /// The unit counts as started, or in the case of a oneshot it runs; these are the drivers of what it lists.
    Ready(Vec<Unit>),
    /// It has failed, and that has been reported.
    Failed,
}

struct Job {
    unit: Unit,
    number: u64,
}

const STACK: usize = 256 << 10;

/// Begins to start a unit; the keeper is told what that comes to by this number, the last of it right before the
/// thread ends.
pub fn begin(unit: &Unit, number: u64) -> Result<Thread> {
    let job = Box::into_raw(Box::new(Job {
        unit: unit.clone(),
        number,
    }));
    let argument = job.expose_provenance();
    // SAFETY: `run` takes the address of a box, which is its from now on.
    let started = unsafe { thread::spawn_raw(Source::Manager, STACK, run, argument) };
    if started.is_err() {
        // SAFETY: it is the box of above, which nobody else has.
        drop(unsafe { Box::from_raw(job) });
    }
    started
}

extern "C" fn run(job: usize) {
    // SAFETY: `begin` made this address from a box, for this thread only.
    let job = unsafe { Box::from_raw(core::ptr::with_exposed_provenance_mut::<Job>(job)) };
    // Of daemons that have ended meanwhile nothing is kept.
    redox_rt::namespace::forget_roots();
    let tell = |made| KEEPER.tell(Event::Start(job.number, made));
    let made = match bring_up(&job.unit, &|pid| tell(Made::Process(pid))) {
        Ok(()) => Made::Ready(bus::drivers(&job.unit)),
        Err(error) => {
            if !job.unit.optional {
                eprintln!("init: {}: {error}", job.unit.name);
            }
            Made::Failed
        }
    };
    tell(made);
}

/// Starts a unit that is no console, until it counts as started; a oneshot, until it runs.
fn bring_up(unit: &Unit, made: &dyn Fn(u32)) -> Result<()> {
    match &unit.service.kind {
        Kind::Scheme(scheme) | Kind::Bus(scheme) => ready::start_scheme(unit, scheme, made),
        Kind::Notify => ready::start_notifying(unit, made),
        Kind::Daemon | Kind::Oneshot | Kind::Console => Program::service(unit)?.start().map(made),
    }
}
