//! Address spaces: [`kernel_core::space`] on real memory.

pub use kernel_core::frames::Frame;
pub use kernel_core::paging::{Cache, PageRange, Prot};
pub use kernel_core::space::{
    Access, AddrSpace, Copying, Kind, Lend, Loan, Mapped, OnRelease, Progress, Region, Request,
    STANDING, Segv, SpaceError, Terms,
};
