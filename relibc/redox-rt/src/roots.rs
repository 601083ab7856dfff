//! The roots of the kernel's schemes, for a process that was handed them: the first one, and programs
//! that run in its place before there is a namespace.
//!
//! Without a namespace such a process reaches a root by the name it has everywhere, `/scheme/event`
//! and so on: what it names this way it holds. `/scheme/rand` is the `random` file of the `sys` root.

use core::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};

use cap_abi::auxv;
use syscall::{GlobalSchemes, KernelSchemeInfo};

use crate::start::Start;

static ROOTS: AtomicPtr<KernelSchemeInfo> = AtomicPtr::new(core::ptr::null_mut());
static COUNT: AtomicUsize = AtomicUsize::new(0);

/// Takes note of what the process was started with.
pub(crate) fn set(start: &Start) {
    let table = start.aux(auxv::AT_CUPRITE_KERNEL_SCHEMES);
    let count = start.aux(auxv::AT_CUPRITE_KERNEL_SCHEMES_LEN);
    if let (Some(address @ 1..), Some(count)) = (table, count) {
        ROOTS.store(address as *mut KernelSchemeInfo, Ordering::Release);
        COUNT.store(count, Ordering::Release);
    }
}

fn roots() -> &'static [KernelSchemeInfo] {
    let (roots, count) = (ROOTS.load(Ordering::Acquire), COUNT.load(Ordering::Acquire));
    if roots.is_null() {
        return &[];
    }
    // SAFETY: whoever started the program put the table there for it; it stays, and is only read.
    unsafe { core::slice::from_raw_parts(roots, count) }
}

/// The root of one scheme, if the process was handed it.
#[must_use]
pub fn root(scheme: GlobalSchemes) -> Option<usize> {
    let of = |info: &&KernelSchemeInfo| info.scheme_id == scheme as u8;
    roots().iter().find(of).map(|info| info.fd)
}

/// Where `/scheme/NAME/REST` leads among the roots: a root and the path to ask it for.
pub(crate) fn route(path: &[u8]) -> Option<(usize, &[u8])> {
    let path = path.strip_prefix(b"/scheme/")?;
    let end = path.iter().position(|&b| b == b'/').unwrap_or(path.len());
    let (name, rest) = path.split_at_checked(end)?;
    if name == b"rand" {
        return Some((root(GlobalSchemes::Sys)?, b"random"));
    }
    let named = |info: &&KernelSchemeInfo| {
        GlobalSchemes::try_from_raw(info.scheme_id)
            .is_some_and(|scheme| scheme.as_str().as_bytes() == name)
    };
    let info = roots().iter().find(named)?;
    Some((info.fd, rest.strip_prefix(b"/").unwrap_or(rest)))
}
