//! Drives the machine-dependent layer without a kernel on top.
use crate::arch;
use boot_info::BootInfo;
use core::alloc::{GlobalAlloc, Layout};
use core::sync::atomic::{AtomicUsize, Ordering};

struct Bump;
static NEXT: AtomicUsize = AtomicUsize::new(0);

// SAFETY: hands out disjoint, aligned pieces of the first free region, which nobody else uses.
unsafe impl GlobalAlloc for Bump {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let at = NEXT
            .load(Ordering::Relaxed)
            .next_multiple_of(layout.align());
        NEXT.store(at.wrapping_add(layout.size()), Ordering::Relaxed);
        at as *mut u8
    }
    unsafe fn dealloc(&self, _: *mut u8, _: Layout) {}
}

#[global_allocator]
static HEAP: Bump = Bump;

pub fn start(info: &'static BootInfo) -> ! {
    arch::serial::print(format_args!("hello {:?}\n", info.kernel));
    arch::debug_exit(0)
}

macro_rules! handlers { ($($name:ident($($a:ident: $t:ty),*))*) => {$(
    #[unsafe(no_mangle)] extern "C" fn $name($($a: $t),*) { let _ = ($($a,)*); }
)*}}
handlers! { kernel_syscall() kernel_page_fault(a: usize, b: usize) kernel_exception(a: usize, b: usize, c: usize)
kernel_irq(a: usize) kernel_timer() kernel_serial_input(a: u8) }
