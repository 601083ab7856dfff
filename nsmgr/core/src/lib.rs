//! The namespace manager's routing, without any I/O.
//!
//! What this library promises:
//!
//! * It decides and never waits. An open is answered with *where to ask* ([`Open::Redirect`]); no
//!   other scheme is ever called.
//! * No input ends it. Paths, names, payloads and handle numbers come from clients and are
//!   allegations until the one validating constructor of each has accepted them ([`Name`],
//!   [`path::parse`], [`payload::parse`]).
//! * Authority only shrinks. A namespace made from another, by whatever way, has at most its
//!   parent's permissions; a binding made from another has at most its rights.
//! * Cost depends on neither the number of names nor of namespaces. A namespace is a persistent hash
//!   trie ([`map::Map`]); a fork shares the parent's nodes.
//! * Everything a client makes is charged to that client and freed when its descriptors go.
//!
//! What it refuses to know: descriptors. A binding holds a value of a type `R` chosen by the shell,
//! which closes its descriptor when dropped.
#![cfg_attr(not(test), no_std)]
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

mod binding;
mod change;
pub mod denial;
mod error;
mod handle;
mod manager;
pub mod map;
mod name;
mod namespace;
pub mod path;
pub mod payload;
mod place;
mod quota;
mod register;
mod roots;
mod route;
mod status;

pub use binding::Binding;
pub use change::Dup;
pub use error::{Cause, Error};
pub use manager::{Caller, Manager};
pub use name::{Name, Wanted};
pub use place::{PLACES_MAX, PlacePath, Places};
pub use quota::Limits;
pub use register::{Ticket, Unbound};
pub use route::{HandOut, Open, Opened, Unlink};
