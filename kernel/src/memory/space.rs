//! Address spaces: [`kernel_core::space`] on real memory.

pub use kernel_core::frames::Frame;
pub use kernel_core::paging::{Cache, PageRange, Prot};
pub use kernel_core::space::{
    Access, AddrSpace, Kind, Lend, Loan, Mapped, OnRelease, Region, Request, Segv, SpaceError,
    Terms,
};

use crate::arch::paging;

/// Makes the processor run in a space.
///
/// # Safety
/// The space must not be destroyed while it is active; switch away from it first.
pub unsafe fn activate(space: &AddrSpace) {
    let root = space.root();
    if paging::active_root() != root {
        // SAFETY: the root of a space has the kernel's half since it was made, and user operations do not
        // touch that; the caller keeps the space alive.
        unsafe { paging::activate(root) };
    }
}
