//! Telling the loop that a context has changed.
//!
//! Nobody would ever hear of an end that is lost here. So nothing ends this thread but the end of the loop; and when
//! the queue cannot say which contexts have changed, the loop is told to look at all of them.

use alloc::boxed::Box;

use redox_rt::{
    Result, eprintln,
    event::Queue,
    fd::{Fd, create_scheme_fd},
    sys,
    thread::{self, Source},
};
use scheme_loop::own::{PAUSE, insist};

/// Number of the handle that notices come through. No handle of the rules has it: theirs are below 2^56.
pub const HANDLE: u64 = 1 << 60;
/// In place of a thread: any of them may have changed. No thread has this number.
pub const ANY: u64 = u64::MAX;

struct Watch {
    queue: &'static Queue,
    own: Fd,
}

/// Makes the queue, and starts the thread that reads it.
pub fn start(socket: &Fd, proc_root: &Fd, event_root: &Fd) -> Result<&'static Queue> {
    let queue: &'static Queue = Box::leak(Box::new(Queue::new(event_root)?));
    let own = create_scheme_fd(socket, HANDLE as usize, 0, 0, 0)?;
    let watch = Box::leak(Box::new(Watch { queue, own }));
    // SAFETY: the function takes the address of a `Watch`, which lives for ever and is not changed.
    let thread = unsafe {
        thread::spawn_raw(
            Source::Kernel(proc_root),
            thread::STACK_LEN,
            pass_on,
            core::ptr::from_ref(watch).expose_provenance(),
        )
    }?;
    drop(thread);
    Ok(queue)
}

extern "C" fn pass_on(watch: usize) {
    // SAFETY: see `start`.
    let watch = unsafe { &*core::ptr::with_exposed_provenance::<Watch>(watch) };
    loop {
        let changed = watch.queue.next().map_or_else(
            |error| {
                eprintln!("procmgr: what has ended: {error}");
                // Interrupted it is only shorter.
                let _ = sys::nanosleep(&PAUSE);
                ANY
            },
            |event| event.data as u64,
        );
        if !insist("procmgr", || watch.own.call(&[changed]).map(drop)) {
            return;
        }
    }
}
