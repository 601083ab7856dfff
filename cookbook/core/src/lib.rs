//! What recipes and images say, without touching a file.
//!
//! - [`recipe`]: `recipe.toml`, in the format of Redox's cookbook and with sources of our own.
//! - [`image`]: `config/*.toml`, in the format of `redox_installer`.
//! - [`graph`]: in which order recipes are built; cycles and missing ones by name.
//! - [`fingerprint`]: what a build depends on, as one hash.
//! - [`users`]: the user files of an image.
//! - [`cc`]: the C compiler's command line.
//! - [`stage`]: where an installed file belongs in a sysroot, and in which package.
//!
//! The promise: whatever text comes in, the answer is a value or one [`FormatError`] that names file,
//! line and key. Keys that nobody knows are errors, since they are usually typing errors.
#![forbid(unsafe_code)]

pub mod cc;
mod error;
pub mod fingerprint;
pub mod graph;
pub mod image;
pub mod recipe;
pub mod stage;
pub mod users;

pub use error::FormatError;
/// A package's metadata, as the package manager reads it.
pub use pkg::Package as Metadata;
/// A package's name: `NAME`, `NAME.PART`, and in dependencies `host:NAME`.
pub use pkg::PackageName;
