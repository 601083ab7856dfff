//! Ending the machine.

use redox_rt::sys;
use syscall::{GlobalSchemes, TimeSpec};

use crate::roots::Roots;

/// Verbs of the kernel's `sys` root.
const SHUTDOWN: u64 = 1;
const DEBUG_EXIT: u64 = 2;

/// Ends the machine: with a code where the debug-exit device listens, otherwise by switching it off.
pub fn power_off(roots: &Roots, code: u8) -> ! {
    if let Ok(root) = roots.get(GlobalSchemes::Sys) {
        // Each comes back only when it did not work.
        let _ = root.call(&[DEBUG_EXIT, u64::from(code)]);
        let _ = root.call(&[SHUTDOWN]);
    }
    loop {
        let _ = sys::nanosleep(&TimeSpec {
            tv_sec: 3600,
            tv_nsec: 0,
        });
    }
}
