//! The panic handler of programs without `std`.

use core::panic::PanicInfo;

/// Reports on standard error and ends the process as `abort` would.
#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    crate::eprintln!("{info}");
    crate::exit::exit_with_status(rt_core::wait::signaled(SIGABRT))
}

const SIGABRT: u8 = libredox::protocol::SIGABRT as u8;
