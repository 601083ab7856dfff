//! Path-resolution flags.
//!
//! They travel in the 64-bit `flags` word of `OpenAt` and `UnlinkAt` requests, above the 32 bits of
//! POSIX flags. Meanings are those of Linux's openat2(2); the errors are this system's: an escape is
//! `EPERM`, a link that may not be followed is `ELOOP`.

/// Never resolve to anything outside the directory descriptor.
pub const RESOLVE_BENEATH: usize = 1 << 32;
/// Follow no symbolic link at all, in no component.
pub const RESOLVE_NO_SYMLINKS: usize = 1 << 33;
/// Treat the directory descriptor as `/`: absolute paths and `..` stay inside.
pub const RESOLVE_IN_ROOT: usize = 1 << 34;
/// Do not leave the file system the directory descriptor is on.
pub const RESOLVE_NO_XDEV: usize = 1 << 35;

/// Every resolution flag. The kernel refuses (`EPERM`) any of them on a scheme whose daemon has not
/// declared [`crate::scheme::FEATURE_RESOLVE`].
pub const RESOLVE_MASK: usize =
    RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_IN_ROOT | RESOLVE_NO_XDEV;

/// C's `O_RESOLVE_BENEATH`: the bit that programs pass in `open`'s `int`, which the C library turns
/// into [`RESOLVE_BENEATH`]. All 16 upper bits are taken; this one is unused by Redox's file modes
/// in `open`.
pub const C_O_RESOLVE_BENEATH: u32 = 0x1000;
/// C's `AT_RESOLVE_BENEATH` for the other `*at` functions: a bit that none of Redox's `AT_*` and `RENAME_*`
/// flags has (FreeBSD's value is `AT_SYMLINK_FOLLOW` here).
pub const C_AT_RESOLVE_BENEATH: u32 = 0x8000;

/// In the 32-bit flags of `Frenameat` and `Flinkat` requests: [`RESOLVE_BENEATH`].
pub const AT_FLAG_BENEATH: u32 = 1 << 31;
