//! Address spaces: [`kernel_core::space`] on real memory.

pub use kernel_core::frames::Frame;
pub use kernel_core::paging::{Cache, PageRange, Prot};
pub use kernel_core::space::{
    Access, AddrSpace, Kind, Lend, Loan, Mapped, OnRelease, Region, Request, Segv, SpaceError,
    Terms,
};
