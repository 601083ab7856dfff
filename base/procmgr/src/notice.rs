//! Telling the loop that a context has changed.

use alloc::boxed::Box;

use redox_rt::{
    Result,
    event::Queue,
    fd::{Fd, create_scheme_fd},
    thread::{self, Source},
};

/// Number of the handle that notices come through. No handle of the rules has it: theirs are below 2^56.
pub const HANDLE: u64 = 1 << 60;

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
    while let Ok(event) = watch.queue.next() {
        // The answer says nothing; an error means that the socket is gone, and this thread with it.
        let _ = watch.own.call(&[event.data as u64]);
    }
}
