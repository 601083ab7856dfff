//! What the rest of the library is built on: the functions that the system's part defines, `errno`,
//! and Rust's own needs.

use core::ffi::{c_char, c_int, c_long, c_void};
use relibc_core::errno::Errno;

/// `struct timespec`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Timespec {
    /// Seconds.
    pub tv_sec: i64,
    /// Nanoseconds.
    pub tv_nsec: c_long,
}

unsafe extern "C" {
    pub fn malloc(size: usize) -> *mut c_void;
    pub fn realloc(memory: *mut c_void, size: usize) -> *mut c_void;
    pub fn free(memory: *mut c_void);
    pub fn posix_memalign(memory: *mut *mut c_void, alignment: usize, size: usize) -> c_int;
    pub fn abort() -> !;
    pub fn open(path: *const c_char, flags: c_int, ...) -> c_int;
    pub fn close(fd: c_int) -> c_int;
    pub fn read(fd: c_int, buffer: *mut c_void, size: usize) -> isize;
    pub fn write(fd: c_int, buffer: *const c_void, size: usize) -> isize;
    pub fn lseek(fd: c_int, offset: i64, whence: c_int) -> i64;
    pub fn fcntl(fd: c_int, command: c_int, ...) -> c_int;
    pub fn isatty(fd: c_int) -> c_int;
    pub fn getenv(name: *const c_char) -> *mut c_char;
    pub fn sched_yield() -> c_int;
}

/// Open flags as the target has them.
#[cfg(target_os = "redox")]
pub mod flags {
    use core::ffi::c_int;
    pub const O_RDONLY: c_int = 0x0001_0000;
    pub const O_WRONLY: c_int = 0x0002_0000;
    pub const O_RDWR: c_int = 0x0003_0000;
    pub const O_APPEND: c_int = 0x0008_0000;
    pub const O_CLOEXEC: c_int = 0x0100_0000;
    pub const O_CREAT: c_int = 0x0200_0000;
    pub const O_TRUNC: c_int = 0x0400_0000;
    pub const O_EXCL: c_int = 0x0800_0000;
    pub const F_SETFL: c_int = 4;
    pub const F_GETFL: c_int = 3;
    pub const F_SETFD: c_int = 2;
    pub const FD_CLOEXEC: c_int = 0x0100_0000;
}
/// Open flags of the Linux host that runs the tests.
#[cfg(not(target_os = "redox"))]
pub mod flags {
    use core::ffi::c_int;
    pub const O_RDONLY: c_int = 0;
    pub const O_WRONLY: c_int = 1;
    pub const O_RDWR: c_int = 2;
    pub const O_APPEND: c_int = 0o2000;
    pub const O_CLOEXEC: c_int = 0o2000000;
    pub const O_CREAT: c_int = 0o100;
    pub const O_TRUNC: c_int = 0o1000;
    pub const O_EXCL: c_int = 0o200;
    pub const F_SETFL: c_int = 4;
    pub const F_GETFL: c_int = 3;
    pub const F_SETFD: c_int = 2;
    pub const FD_CLOEXEC: c_int = 1;
}

#[thread_local]
static mut ERRNO: c_int = 0;

c_api! {
    fn __errno_location() -> *mut c_int {
        &raw mut ERRNO
    }

    fn __errno() -> *mut c_int {
        &raw mut ERRNO
    }
}

/// This thread's `errno`, as last set by the system's part.
pub fn errno() -> c_int {
    #[cfg(target_os = "redox")]
    // SAFETY: a thread-local of this thread.
    unsafe {
        ERRNO
    }
    #[cfg(not(target_os = "redox"))]
    {
        unsafe extern "C" {
            #[link_name = "__errno_location"]
            fn host() -> *mut c_int;
        }
        // SAFETY: the host's own thread-local.
        unsafe { *host() }
    }
}

/// Sets `errno`.
pub fn set_errno(e: Errno) {
    #[cfg(target_os = "redox")]
    // SAFETY: a thread-local of this thread.
    unsafe {
        ERRNO = e.0;
    }
    #[cfg(not(target_os = "redox"))]
    {
        unsafe extern "C" {
            #[link_name = "__errno_location"]
            fn host() -> *mut c_int;
        }
        // SAFETY: the host's own thread-local.
        unsafe { *host() = e.0 }
    }
}

/// The last error of a system function.
pub fn last_error() -> Errno {
    Errno(errno())
}

#[thread_local]
static SHIELDS: core::cell::Cell<u32> = core::cell::Cell::new(0);

/// Runs something during which the thread must not be cancelled, since it holds a lock of the library's.
pub fn shielded<R>(section: impl FnOnce() -> R) -> R {
    SHIELDS.set(SHIELDS.get() + 1);
    let result = section();
    SHIELDS.set(SHIELDS.get() - 1);
    result
}

/// Whether the thread is in no [`shielded`] section.
pub fn is_cancellable() -> bool {
    SHIELDS.get() == 0
}

#[thread_local]
static INSIDE: core::cell::Cell<u32> = core::cell::Cell::new(0);

/// That this thread is about to take one of the library's locks, or has it, for as long as this exists. What
/// a signal handler interrupts there does not go on before the handler returns.
#[derive(Debug)]
pub struct Inside(());

impl Inside {
    /// Before the lock is asked for.
    pub fn enter() -> Inside {
        INSIDE.set(INSIDE.get() + 1);
        Inside(())
    }

    /// Whether there is one of this thread's.
    pub fn is_somewhere() -> bool {
        INSIDE.get() != 0
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        INSIDE.set(INSIDE.get() - 1);
    }
}

/// A spinning lock for short sections; yields while it waits.
pub struct Lock(core::sync::atomic::AtomicBool);

impl Lock {
    /// An open lock.
    pub const fn new() -> Lock {
        Lock(core::sync::atomic::AtomicBool::new(false))
    }

    /// Closes it if it is open, until what is answered is dropped.
    pub fn try_hold(&self) -> Option<Holding<'_>> {
        let closed = self.0.swap(true, core::sync::atomic::Ordering::Acquire);
        (!closed).then_some(Holding(self))
    }

    /// Opens it, whoever has closed it.
    pub fn open(&self) {
        self.0.store(false, core::sync::atomic::Ordering::Release);
    }

    /// Waits until it is open, and closes it until what is answered is dropped.
    pub fn hold(&self) -> Holding<'_> {
        loop {
            if let Some(holding) = self.try_hold() {
                return holding;
            }
            // SAFETY: no preconditions.
            unsafe { sched_yield() };
        }
    }

    /// Runs `section` alone, in which the thread is not cancelled.
    pub fn with<R>(&self, section: impl FnOnce() -> R) -> R {
        let _inside = Inside::enter();
        let _holding = self.hold();
        shielded(section)
    }
}

/// A closed [`Lock`], which is opened when this is dropped.
pub struct Holding<'a>(&'a Lock);

impl Drop for Holding<'_> {
    fn drop(&mut self) {
        self.0.open();
    }
}

impl Default for Lock {
    fn default() -> Self {
        Lock::new()
    }
}

/// Rust's allocations inside the library are C's.
#[cfg(target_os = "redox")]
mod runtime {
    use super::{abort, free, malloc, posix_memalign, realloc, write};
    use core::alloc::{GlobalAlloc, Layout};
    use core::fmt::Write;

    struct CAllocator;

    // SAFETY: `malloc` aligns to 16, `posix_memalign` to what is asked; both are released by `free`.
    unsafe impl GlobalAlloc for CAllocator {
        unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
            if layout.align() <= 16 {
                return malloc(layout.size()).cast();
            }
            let mut memory = core::ptr::null_mut();
            if posix_memalign(&mut memory, layout.align(), layout.size()) == 0 {
                memory.cast()
            } else {
                core::ptr::null_mut()
            }
        }
        unsafe fn dealloc(&self, memory: *mut u8, _: Layout) {
            free(memory.cast());
        }
        unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
            if layout.align() <= 16 {
                return realloc(memory.cast(), size).cast();
            }
            let new = self.alloc(Layout::from_size_align_unchecked(size, layout.align()));
            if !new.is_null() {
                core::ptr::copy_nonoverlapping(memory, new, layout.size().min(size));
                self.dealloc(memory, layout);
            }
            new
        }
    }

    #[global_allocator]
    static ALLOCATOR: CAllocator = CAllocator;

    struct Standard;
    impl Write for Standard {
        fn write_str(&mut self, text: &str) -> core::fmt::Result {
            // SAFETY: the slice is valid. Nothing is to be done about a failure.
            unsafe { write(2, text.as_ptr().cast(), text.len()) };
            Ok(())
        }
    }

    #[panic_handler]
    fn panic(info: &core::panic::PanicInfo) -> ! {
        let _ = writeln!(Standard, "C library: {info}");
        // SAFETY: no preconditions.
        unsafe { abort() }
    }
}
