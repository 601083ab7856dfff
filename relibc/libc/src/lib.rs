//! The C ABI of the C library.
//!
//! House rules:
//!
//! - Algorithms live in `relibc-core`; what is here turns pointers into slices, keeps the state that C
//!   makes global, and reports through `errno`.
//! - Every function's contract is the one that the C standard or POSIX gives it. A caller that keeps
//!   it makes the function sound; that is why whole functions are unsafe and their bodies are not
//!   argued block by block.
//! - What asks the system is declared in [`sys`] and defined by the system's part of the library.
//! - Symbols are exported for the target only. Built for a host the same functions are ordinary Rust
//!   functions beside the host's C library, which the tests compare them with.
// Without this LLVM knows what functions of these names do and calls one from another, or from itself:
// `stpcpy` whose result nobody needs is made `strcpy`, also in `strcpy`.
#![cfg_attr(target_os = "redox", no_std, no_builtins)]
#![feature(c_variadic, thread_local)]
#![allow(
    unsafe_op_in_unsafe_fn,
    clippy::missing_safety_doc,
    clippy::undocumented_unsafe_blocks,
    clippy::deref_addrof,
    static_mut_refs
)]
#![allow(non_upper_case_globals, non_camel_case_types)]

extern crate alloc;

/// Defines C functions: exported under their own names on the target.
macro_rules! c_api {
    ($($(#[$meta:meta])* fn $name:ident($($arg:ident: $kind:ty),* $(,)?) $(-> $result:ty)? $body:block)*) => {$(
        $(#[$meta])*
        #[cfg_attr(target_os = "redox", unsafe(no_mangle))]
        pub unsafe extern "C" fn $name($($arg: $kind),*) $(-> $result)? $body
    )*};
}

/// Defines variadic C functions; the arguments arrive as a `va_list`.
macro_rules! c_variadic_api {
    ($(fn $name:ident($($arg:ident: $kind:ty),*; $list:ident) -> $result:ty $body:block)*) => {$(
        #[cfg_attr(target_os = "redox", unsafe(no_mangle))]
        pub unsafe extern "C" fn $name($($arg: $kind,)* mut arguments: ...) -> $result {
            let $list: *mut crate::va::List = (&raw mut arguments).cast();
            $body
        }
    )*};
}

pub mod ctype;
pub mod err;
pub mod iconv;
pub mod locale;
pub mod math;
pub mod mntent;
pub mod net;
pub mod options;
pub mod patterns;
pub mod search;
pub mod stdio;
pub mod stdlib;
pub mod string;
pub mod sys;
#[cfg(target_os = "redox")]
mod system;
pub mod time;
pub mod va;
pub mod wchar;
