//! Everything that depends on the machine. The rest of the kernel uses `arch::NAME` only.

mod x86_64;

pub use x86_64::*;
