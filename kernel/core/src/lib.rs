//! The kernel's data structures and decisions, without hardware.
//!
//! What the kernel needs to decide (who may do what, who is woken, where memory goes, in which
//! order requests are served) is decided here, by plain data structures that run and are tested on
//! any host. The kernel itself adds the machine: page tables in memory, registers, interrupts,
//! copies.
//!
//! # What this crate promises
//!
//! - **No panic.** No input, however wrong, makes a function panic. Indexing, unwrapping and
//!   unchecked arithmetic are denied outside tests.
//! - **No unbounded surprise.** Each operation says what it costs when that is not constant.
//!   Nothing recurses, so the stack depth does not depend on data.
//! - **Allocation can fail.** Everything that may need memory answers [`NoMemory`] (or an error
//!   that contains it) and leaves the structure as it was. Nothing aborts.
//! - **Ids, not pointers.** Objects refer to each other by [`slab::Id`], which carries a
//!   generation. A stale id finds nothing; it never finds somebody else's object.
//! - **What was taken is given back.** Structures shrink when they empty; their tests count.
//!
//! # What it refuses
//!
//! - `unsafe`, global state, locks and interior mutability: callers hand in `&mut`.
//! - Knowledge of names or paths, and of the machine.
//! - Waiting: a structure says that somebody has to wait or may go on; the kernel does it.
#![no_std]
#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects,
        clippy::panic
    )
)]

extern crate alloc;
#[cfg(any(test, feature = "sim"))]
extern crate std;

pub mod event;
pub mod frames;
pub mod heap;
pub mod lease;
pub mod list;
pub mod listing;
pub mod machine;
pub mod meter;
pub mod paging;
pub mod pipe;
pub mod queue;
pub mod rights;
pub mod ring;
pub mod runqueue;
pub mod slab;
pub mod space;
pub mod table;
pub mod timer;
pub mod user;
pub mod vmap;
pub mod wire;

/// Memory for the kernel's own structures is exhausted (`ENOMEM`). The operation had no effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoMemory;

impl From<alloc::collections::TryReserveError> for NoMemory {
    fn from(_: alloc::collections::TryReserveError) -> Self {
        Self
    }
}
