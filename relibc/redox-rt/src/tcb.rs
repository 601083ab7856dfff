//! The thread control block, and getting a thread's thread-local storage in place.
//!
//! The FS base points to it. Its layout is part of the contract with the C library, which keeps its
//! own per-thread state in [`Tcb::library`] or behind [`Tcb::library_record`]:
//!
//! | offset | field |
//! |---|---|
//! | 0x00 | address of the block itself (the x86-64 ABI's `%fs:0`) |
//! | 0x10 | the same once more |
//! | 0x28 | stack-protector canary (`%fs:0x28`, as compilers for the System V ABI expect) |
//! | 0x38 | [`Tcb::library_record`] |
//! | 0x40 | descriptor of the thread's context |
//! | 0x48, 0x50 | address and length of the allocation that holds TLS and this block |
//! | 0x58, 0x60 | address and length of the stack, 0 when it is not this thread's to unmap |
//! | 0x68 | join state, a futex |
//! | 0x70 | start argument |
//! | 0x78 | length of the stack's guard, with which it begins; 0 when the stack is the program's memory |
//! | 0x80 | [`SignalArea`]: the signal trampoline's memory |
//! | 0x200 | `Sigcontrol`, shared with the kernel; inside one page |
//! | 0x400 | [`Tcb::library`] |

use core::ptr::NonNull;
use core::sync::atomic::{AtomicI32, AtomicPtr, AtomicU8, AtomicUsize, Ordering};

use rt_core::elf::TlsTemplate;
use syscall::error::{Error, Result};
use syscall::{EBADF, ENOMEM, EnvRegisters, Sigcontrol};

use crate::context::ContextRef;
use crate::memory::Mapping;

/// Length of [`Tcb::library`].
pub const LIBRARY_LEN: usize = 0xc00;

/// The block. All fields that change after its making are atomic: other threads look at some.
#[repr(C, align(4096))]
pub struct Tcb {
    this: *const Tcb,
    reserved: usize,
    this_again: *const Tcb,
    reserved2: [usize; 2],
    /// The stack-protector canary.
    pub canary: AtomicUsize,
    reserved3: usize,
    /// The C library's own record of this thread, if it has one.
    pub library_record: AtomicPtr<u8>,
    thread_fd: AtomicUsize,
    pub(crate) allocation: AtomicUsize,
    pub(crate) allocation_len: AtomicUsize,
    pub(crate) stack: AtomicUsize,
    pub(crate) stack_len: AtomicUsize,
    pub(crate) join: AtomicI32,
    pub(crate) start_argument: AtomicUsize,
    /// How much of the stack, from its address on, nobody can use; 0 when it is memory of the program's.
    pub(crate) stack_guard: AtomicUsize,
    /// The signal trampoline's memory.
    pub signal: SignalArea,
    /// What kernel and thread tell each other about signals.
    pub control: Sigcontrol,
    padding: [u8; 0x400 - 0x200 - size_of::<Sigcontrol>()],
    /// Zeroed memory for the C library.
    pub library: [u8; LIBRARY_LEN],
}

/// Scratch memory of the signal trampoline, and the thread's alternate stack.
#[repr(C)]
pub struct SignalArea {
    /// Interrupted stack pointer, and registers saved until there is a stack to put them on.
    pub(crate) scratch: [AtomicUsize; 8],
    /// Top of the small stack on which the next signal is chosen; 0 before signals are set up.
    pub(crate) dispatch_stack: AtomicUsize,
    /// `sigaltstack`: address and length, 0 for none.
    pub(crate) alternate: AtomicUsize,
    pub(crate) alternate_len: AtomicUsize,
    /// How many handlers without `SA_RESTART` were called.
    pub(crate) interruptions: AtomicUsize,
    /// Mask to go back to when the handler that `sigsuspend` waits for has returned.
    pub(crate) suspended_mask: AtomicUsize,
    /// 1 while `sigsuspend` waits for a handler, a futex.
    pub(crate) suspended: AtomicI32,
    /// Where the last instruction of a way back jumps to.
    pub(crate) return_ip: AtomicUsize,
    /// How many handlers were called.
    pub(crate) handlers: AtomicUsize,
    /// Signals that `wait_for` takes instead of their handlers; 0 when it does not wait.
    pub(crate) awaited: AtomicUsize,
    /// 1 while `wait_for` waits, a futex.
    pub(crate) waiting: AtomicI32,
    /// What `wait_for` was waiting for: signal and code; process and user; value; address.
    pub(crate) received: [AtomicUsize; 4],
    rest: [usize; 26],
}

const _: () = {
    use core::mem::offset_of;
    assert!(offset_of!(Tcb, canary) == 0x28);
    assert!(offset_of!(Tcb, library_record) == 0x38);
    assert!(offset_of!(Tcb, thread_fd) == 0x40);
    assert!(offset_of!(Tcb, join) == 0x68);
    assert!(offset_of!(Tcb, signal) == 0x80);
    assert!(offset_of!(Tcb, control) == 0x200);
    assert!(offset_of!(Tcb, library) == 0x400);
    assert!(size_of::<Tcb>() == 4096);
};

/// As a descriptor: there is none.
pub const NONE: usize = usize::MAX;

/// The program's TLS template, for new threads; a null `align` field says there is none.
static TEMPLATE: [AtomicUsize; 4] = [const { AtomicUsize::new(0) }; 4];
/// Whether a TCB is in place in the main thread.
static READY: AtomicU8 = AtomicU8::new(0);

fn template() -> Option<TlsTemplate> {
    let [address, image_len, block_len, align] =
        [0, 1, 2, 3].map(|i: usize| TEMPLATE.get(i).map_or(0, |w| w.load(Ordering::Acquire)));
    (align != 0).then_some(TlsTemplate {
        address,
        image_len,
        block_len,
        align,
    })
}

impl Tcb {
    /// The calling thread's block, or `None` before the main thread has one.
    #[must_use]
    pub fn current() -> Option<&'static Self> {
        if READY.load(Ordering::Relaxed) == 0 {
            return None;
        }
        let this: *const Self;
        // SAFETY: once READY is set, every thread's FS base is its TCB, whose first word is its address.
        unsafe {
            core::arch::asm!("mov {}, fs:[0]", out(reg) this, options(nostack, readonly, preserves_flags));
        }
        // SAFETY: the block lives as long as its thread, and only that thread gets this reference.
        Some(unsafe { &*this })
    }

    /// Address of the block: the thread pointer.
    #[must_use]
    pub fn address(&self) -> usize {
        core::ptr::from_ref(self) as usize
    }

    /// Descriptor of the thread's context, if it was given one.
    #[must_use]
    pub fn thread_fd(&self) -> Option<ContextRef> {
        match self.thread_fd.load(Ordering::Relaxed) {
            NONE => None,
            fd => Some(ContextRef::new(fd)),
        }
    }

    /// Names the descriptor of the thread's context.
    pub fn set_thread_fd(&self, fd: usize) {
        self.thread_fd.store(fd, Ordering::Relaxed);
    }
}

/// Allocates the TLS block and TCB of a new thread, whose context descriptor is `thread_fd`.
pub fn allocate(thread_fd: usize) -> Result<NonNull<Tcb>> {
    let template = template();
    let layout =
        rt_core::tls::layout(template.as_ref(), size_of::<Tcb>()).ok_or(Error::new(ENOMEM))?;
    let mut memory = Mapping::new(layout.len)?;
    if let Some(t) = template {
        // SAFETY: the template was checked against the program's own segments when it was set, and
        // the image is never written after the program is loaded (it is not the block of any thread).
        let image = unsafe { core::slice::from_raw_parts(t.address as *const u8, t.image_len) };
        memory
            .bytes()
            .get_mut(layout.image..)
            .and_then(|b| b.get_mut(..t.image_len))
            .ok_or(Error::new(ENOMEM))?
            .copy_from_slice(image);
    }
    let (base, len) = (memory.address(), memory.len());
    let tcb = (base + layout.tcb) as *mut Tcb;
    // SAFETY: the block lies inside the fresh mapping at a page boundary. It is zero, which is valid
    // for every field; the fields set here are set through raw pointers before anyone else sees it.
    unsafe {
        (&raw mut (*tcb).this).write(tcb);
        (&raw mut (*tcb).this_again).write(tcb);
        (*tcb).thread_fd.store(thread_fd, Ordering::Relaxed);
        (*tcb).allocation.store(base, Ordering::Relaxed);
        (*tcb).allocation_len.store(len, Ordering::Relaxed);
    }
    memory.forget();
    NonNull::new(tcb).ok_or(Error::new(ENOMEM))
}

/// Gives the main thread its block. Called once, before any other thread exists.
///
/// # Safety
/// `template` must describe this very program.
pub(crate) unsafe fn init_main(template: Option<TlsTemplate>, thread_fd: usize) -> Result<()> {
    if let Some(t) = template {
        for (word, value) in TEMPLATE
            .iter()
            .zip([t.address, t.image_len, t.block_len, t.align])
        {
            word.store(value, Ordering::Release);
        }
    }
    let tcb = allocate(thread_fd)?;
    // SAFETY: the block is initialised; the main thread has had no thread-local variable so far.
    unsafe { set_thread_pointer(tcb.as_ptr() as usize, thread_fd) }?;
    READY.store(1, Ordering::Release);
    Ok(())
}

/// Whether the kernel lets user space write the FS base: it does when the CPU can.
#[must_use]
pub fn has_fsgsbase() -> bool {
    core::arch::x86_64::__cpuid(0).eax >= 7 && core::arch::x86_64::__cpuid_count(7, 0).ebx & 1 != 0
}

/// # Safety
/// `address` must be an initialised TCB that lives as long as the thread.
unsafe fn set_thread_pointer(address: usize, thread_fd: usize) -> Result<()> {
    if has_fsgsbase() {
        // SAFETY: the kernel enables FSGSBASE whenever the CPU has it; the caller answers for the address.
        unsafe {
            core::arch::asm!("wrfsbase {}", in(reg) address, options(nostack, preserves_flags))
        };
        return Ok(());
    }
    if thread_fd == NONE {
        return Err(Error::new(EBADF));
    }
    ContextRef::new(thread_fd).set_env_registers(&EnvRegisters {
        fsbase: address as u64,
        gsbase: 0,
    })
}
