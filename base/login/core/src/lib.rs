//! Who may log in, and what they get then, without any I/O.
//!
//! * [`accounts`] reads `/etc/passwd` and `/etc/shadow` in the form of the crate `redox_users`.
//! * [`password`] checks and makes what stands in the latter: Argon2, as a PHC string.
//! * [`schemes`] reads `/etc/login_schemes.toml`: which names a user's namespace has.
//! * [`elevation`] says who may become somebody else.
//! * [`identity`] says who somebody is.
//! * [`secret`] says how a terminal asks for what is not shown.
//! * [`Failures`] says how long to wait after a wrong password.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects
    )
)]

extern crate alloc;

pub mod accounts;
pub mod elevation;
mod environment;
mod failures;
pub mod identity;
pub mod password;
pub mod schemes;
pub mod secret;

pub use environment::environment;
pub use failures::Failures;
