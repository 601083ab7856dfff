//! Auxiliary-vector entries that a new program finds on its stack (above `envp`), besides ELF's own
//! `AT_PHDR` (3), `AT_PHENT` (4), `AT_PHNUM` (5), `AT_ENTRY` (9) and `AT_NULL` (0).

/// Address of the current directory's text (not NUL-terminated).
pub const AT_REDOX_CWD_PTR: usize = 32;
/// Length of the current directory's text.
pub const AT_REDOX_CWD_LEN: usize = 33;
/// Ignored-signal mask inherited over `exec` (64 bits).
pub const AT_REDOX_SIGIGN: usize = 34;
/// Blocked-signal mask inherited over `exec` (64 bits).
pub const AT_REDOX_SIGPROCMASK: usize = 36;
/// File mode creation mask.
pub const AT_REDOX_UMASK: usize = 40;
/// Descriptor of the process (from the process manager), or of the thread when there is none.
pub const AT_REDOX_PROC_FD: usize = 41;
/// Descriptor of the main thread's context (from the kernel's proc scheme).
pub const AT_REDOX_THR_FD: usize = 42;
/// Namespace descriptor; absent when the program has none.
pub const AT_REDOX_NS_FD: usize = 43;
/// Current-directory descriptor; absent when the program has none.
pub const AT_REDOX_CWD_FD: usize = 44;
/// Signals that were pending when `exec` began, all of them blocked (64 bits); absent when there are none.
pub const AT_CUPRITE_SIGPENDING: usize = 72;
/// When the alarm is due that was set before `exec`, in nanoseconds of the monotonic clock; absent when there is none.
pub const AT_CUPRITE_ALARM: usize = 73;
/// How often it is due from then on, in nanoseconds; 0 for once.
pub const AT_CUPRITE_ALARM_INTERVAL: usize = 74;
/// A descriptor that the program's start closes; may occur more than once (left over from `exec`).
pub const AT_CUPRITE_CLOSE_FD: usize = 71;
/// Descriptor of the scheme-creation capability; only the first process has it.
pub const AT_CUPRITE_SCHEME_CAP: usize = 64;
/// Address of an array of `KernelSchemeInfo` (first process only).
pub const AT_CUPRITE_KERNEL_SCHEMES: usize = 65;
/// Number of elements of that array.
pub const AT_CUPRITE_KERNEL_SCHEMES_LEN: usize = 66;
/// Address at which the initfs image is mapped read-only (first process only).
pub const AT_CUPRITE_INITFS: usize = 67;
/// Length of the initfs image in bytes.
pub const AT_CUPRITE_INITFS_LEN: usize = 68;
/// Address of the kernel command line (UTF-8, not NUL-terminated; first process only).
pub const AT_CUPRITE_CMDLINE: usize = 69;
/// Length of the command line.
pub const AT_CUPRITE_CMDLINE_LEN: usize = 70;
