//! `<stdio.h>`: streams over descriptors and memory.

mod device;
mod format;
mod io;
mod scan;

pub use device::Backend;
pub use format::*;
pub(crate) use format::{append_formatted, narrow as narrow_text};
pub use io::*;
pub use scan::*;

use crate::sys::{Lock, isatty, sched_yield};
use core::ffi::c_int;
use core::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use relibc_core::multibyte::State;
use relibc_core::stream::{Buffering, Stream};

/// A stream. C sees it as an incomplete type.
pub struct FILE {
    owner: AtomicUsize,
    depth: AtomicU32,
    pub(crate) stream: Stream<Backend>,
    /// The buffering has been settled: a terminal is line-buffered unless the program said otherwise.
    settled: bool,
    orientation: c_int,
    wide_state: State,
    /// Whether output may wait in it. Its holder says so, and who wants it to be the holder asks.
    writable: AtomicBool,
    next: *mut FILE,
    /// How many [`for_all`] have it. Like the two around it, the list's lock guards it.
    users: u32,
    /// It is out of the list, and whoever uses it last frees it.
    discarded: bool,
}

/// Guards the list of open streams.
static LIST: Lock = Lock::new();
static mut FIRST: *mut FILE = core::ptr::null_mut();

const fn standard(fd: c_int, readable: bool) -> FILE {
    FILE {
        owner: AtomicUsize::new(0),
        depth: AtomicU32::new(0),
        stream: Stream::new(Backend::Descriptor(fd), readable, !readable, false),
        settled: false,
        orientation: 0,
        wide_state: State {
            partial: 0,
            missing: 0,
        },
        writable: AtomicBool::new(!readable),
        next: core::ptr::null_mut(),
        users: 0,
        discarded: false,
    }
}

static mut INPUT: FILE = standard(0, true);
static mut OUTPUT: FILE = standard(1, false);
static mut ERROR: FILE = standard(2, false);

/// Standard input.
#[cfg_attr(target_os = "redox", unsafe(no_mangle))]
pub static mut stdin: *mut FILE = &raw mut INPUT;
/// Standard output.
#[cfg_attr(target_os = "redox", unsafe(no_mangle))]
pub static mut stdout: *mut FILE = &raw mut OUTPUT;
/// Standard error.
#[cfg_attr(target_os = "redox", unsafe(no_mangle))]
pub static mut stderr: *mut FILE = &raw mut ERROR;

/// A number that differs between threads: the address of something of the thread's own.
fn thread() -> usize {
    #[thread_local]
    static MARK: u8 = 0;
    &raw const MARK as usize
}

impl FILE {
    pub(crate) fn new(device: Backend, readable: bool, writable: bool, append: bool) -> *mut FILE {
        let file = alloc::boxed::Box::new(FILE {
            owner: AtomicUsize::new(0),
            depth: AtomicU32::new(0),
            stream: Stream::new(device, readable, writable, append),
            settled: false,
            orientation: 0,
            wide_state: State::default(),
            writable: AtomicBool::new(writable),
            next: core::ptr::null_mut(),
            users: 0,
            discarded: false,
        });
        let file = alloc::boxed::Box::into_raw(file);
        // SAFETY: the list is only touched under its lock.
        LIST.with(|| unsafe {
            (*file).next = FIRST;
            FIRST = file;
        });
        file
    }

    /// Takes the recursive lock.
    pub(crate) fn acquire(&self) {
        while !self.try_acquire() {
            // SAFETY: no preconditions.
            unsafe { sched_yield() };
        }
    }

    pub(crate) fn try_acquire(&self) -> bool {
        let me = thread();
        if self.owner.load(Ordering::Relaxed) == me {
            self.depth.fetch_add(1, Ordering::Relaxed);
            return true;
        }
        let taken = self
            .owner
            .compare_exchange(0, me, Ordering::Acquire, Ordering::Relaxed)
            .is_ok();
        if taken {
            self.depth.store(1, Ordering::Relaxed);
        }
        taken
    }

    pub(crate) fn release(&self) {
        if self.depth.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.owner.store(0, Ordering::Release);
        }
    }

    /// Settles the buffering before the first use.
    pub(crate) fn settle(&mut self) {
        if core::mem::replace(&mut self.settled, true) {
            return;
        }
        if let Backend::Descriptor(fd) = *self.stream.device() {
            let errno = crate::sys::last_error();
            let mode = if fd == 2 && core::ptr::eq(self, &raw const ERROR) {
                Buffering::None
            // SAFETY: any number may be asked about.
            } else if unsafe { isatty(fd) } == 1 {
                Buffering::Line
            } else {
                Buffering::Full
            };
            crate::sys::set_errno(errno);
            let _ = self.stream.set_buffering(mode, 0);
        }
    }
}

/// Runs `action` with the stream locked and ready.
pub(crate) unsafe fn locked<R>(file: *mut FILE, action: impl FnOnce(&mut FILE) -> R) -> R {
    held(file, |f| {
        f.settle();
        action(f)
    })
}

/// Orientations of streams: to bytes, or to wide characters. 0 is none yet.
const BYTES: c_int = -1;
const WIDE: c_int = 1;

/// [`locked`] for what is of an orientation, which a stream without one gets by it.
pub(crate) unsafe fn oriented<R>(
    file: *mut FILE,
    orientation: c_int,
    action: impl FnOnce(&mut FILE) -> R,
) -> R {
    locked(file, |f| {
        if f.orientation == 0 {
            f.orientation = orientation;
        }
        action(f)
    })
}

/// Runs `action` with the stream locked, which may be about to go or to become another one.
unsafe fn held<R>(file: *mut FILE, action: impl FnOnce(&mut FILE) -> R) -> R {
    (*file).acquire();
    let result = crate::sys::shielded(|| action(&mut *file));
    (*file).release();
    result
}

/// Calls `each` with every open stream, the standard ones first. The list's lock must be held.
#[cfg(target_os = "redox")]
unsafe fn for_each(mut each: impl FnMut(&FILE)) {
    for file in [&raw const INPUT, &raw const OUTPUT, &raw const ERROR] {
        each(&*file);
    }
    let mut at = FIRST;
    while !at.is_null() {
        each(&*at);
        at = (*at).next;
    }
}

/// The streams, locked as far as that was possible: for a fork.
#[cfg(target_os = "redox")]
pub(crate) struct Held(Option<crate::sys::Holding<'static>>);

/// The list of streams, which nobody changes until what is answered is dropped. `None` while somebody does.
#[cfg(target_os = "redox")]
pub(crate) fn hold_list() -> Option<crate::sys::Holding<'static>> {
    LIST.try_hold()
}

/// Locks each stream of the list, if that is held. `patiently` tells whether something came true that may do
/// so when it is tried again.
#[cfg(target_os = "redox")]
pub(crate) fn hold(
    list: Option<crate::sys::Holding<'static>>,
    patiently: impl Fn(&dyn Fn() -> bool) -> bool,
) -> Held {
    if list.is_some() {
        // SAFETY: the list is locked. What a locked stream is found out by is atomic.
        unsafe {
            for_each(|file| {
                patiently(&|| file.try_acquire());
            });
        }
    }
    Held(list)
}

#[cfg(target_os = "redox")]
impl Held {
    /// Unlocks them; in the child also what threads had locked that are not in it.
    pub(crate) fn release(self, in_child: bool) {
        if self.0.is_none() {
            return;
        }
        let me = thread();
        let unlock = |file: &FILE| match file.owner.load(Ordering::Relaxed) {
            owner if owner == me => file.release(),
            _ if in_child => {
                file.depth.store(0, Ordering::Relaxed);
                file.owner.store(0, Ordering::Release);
            }
            _ => {}
        };
        // SAFETY: the list is still locked, and has the streams that it had.
        unsafe { for_each(unlock) };
    }
}

/// Calls `each` with every open stream, the standard ones first. One that is closed meanwhile stays until then.
unsafe fn for_all(mut each: impl FnMut(*mut FILE)) {
    let mut files = alloc::vec![&raw mut INPUT, &raw mut OUTPUT, &raw mut ERROR];
    LIST.with(|| {
        let mut at = FIRST;
        while !at.is_null() {
            (*at).users += 1;
            files.push(at);
            at = (*at).next;
        }
    });
    for (i, &file) in files.iter().enumerate() {
        each(file);
        if i >= STANDARD {
            leave(file);
        }
    }
}

/// The standard streams are not in the list.
const STANDARD: usize = 3;

/// A [`for_all`] does not use the stream any more.
unsafe fn leave(file: *mut FILE) {
    let unused = LIST.with(|| {
        (*file).users -= 1;
        (*file).discarded && (*file).users == 0
    });
    if unused {
        drop(alloc::boxed::Box::from_raw(file));
    }
}

/// Takes a stream out of the list and frees it.
pub(crate) unsafe fn discard(file: *mut FILE) {
    let mut unused = false;
    LIST.with(|| {
        let mut link = &raw mut FIRST;
        while !(*link).is_null() {
            if *link == file {
                *link = (*file).next;
                (*file).discarded = true;
                unused = (*file).users == 0;
                break;
            }
            link = &raw mut (**link).next;
        }
    });
    if unused {
        drop(alloc::boxed::Box::from_raw(file));
    }
}

/// At the end of the process: writes out what waits, and gives what was read ahead back to files. `patiently` is as
/// [`hold`] has it; a stream that only reads, and whose thread may be waiting for its device, is left to it.
#[cfg(target_os = "redox")]
pub(crate) unsafe fn finish(patiently: impl Fn(&dyn Fn() -> bool) -> bool) {
    for_all(|file| {
        if (*file).writable.load(Ordering::Relaxed) {
            (*file).acquire();
        } else if !patiently(&|| (*file).try_acquire()) {
            return;
        }
        // Nobody is told where the memory of `open_memstream` is: who was to be told may be gone.
        let _ = crate::sys::shielded(|| (*file).stream.flush());
        (*file).release();
    });
}
