//! The namespace and the current directory: two descriptors that belong to the process.
//!
//! Both come from the auxiliary vector and may be absent: a process without a namespace can name
//! nothing, one without a current directory has no relative paths. Both numbers are owned here; what
//! replaces them is dropped only when the caller takes it.
//!
//! An absolute path is asked of the namespace, which sends the question on to the scheme. The roots of
//! schemes that are used again and again are asked for and held (`rt_core::root_cache`), so that the
//! question goes to the scheme at once. The namespace's word stays the last: it revokes the roots that it
//! handed out when their name is bound no more, or to something else. Then the path is asked of the
//! namespace again.

use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use cap_abi::Rights;
use libredox::protocol::NsDup;
use rt_core::path::{self, Own, Route};
use rt_core::root_cache::{Held, Lookup, RootCache};
use syscall::error::{Error, Result};
use syscall::flag::{CallFlags, O_DIRECTORY, O_STAT};
use syscall::{E2BIG, ENAMETOOLONG, ENODEV, ENOENT, ENXIO, ESTALE};

use crate::fd::Fd;
use crate::signal::again;
use crate::sys;
use crate::tcb::NONE;

static NAMESPACE: AtomicUsize = AtomicUsize::new(NONE);
static DIRECTORY: AtomicUsize = AtomicUsize::new(NONE);
/// Whether the current directory may not be left: its descriptor lacks `Rights::ESCAPE`.
static CONFINED: AtomicBool = AtomicBool::new(false);
/// Roots of the namespace's schemes.
static ROOTS: RootCache = RootCache::new(|root| {
    // Nobody could do anything about an error.
    let _ = sys::close(root);
});

fn load(slot: &AtomicUsize) -> Option<usize> {
    match slot.load(Ordering::Acquire) {
        NONE => None,
        fd => Some(fd),
    }
}

fn swap(slot: &AtomicUsize, fd: Option<Fd>) -> Option<Fd> {
    match slot.swap(fd.map_or(NONE, Fd::into_raw), Ordering::AcqRel) {
        NONE => None,
        old => Some(Fd::from_raw(old)),
    }
}

/// The namespace's descriptor.
#[must_use]
pub fn namespace() -> Option<usize> {
    load(&NAMESPACE)
}

/// Replaces the namespace and hands the former one back.
pub fn set_namespace(fd: Option<Fd>) -> Option<Fd> {
    let old = swap(&NAMESPACE, fd);
    // After the exchange: a root that is asked for from now on is the new one's.
    ROOTS.begin_epoch();
    old
}

/// Closes the schemes' roots that are held.
pub fn forget_roots() {
    ROOTS.forget();
}

/// The current directory's descriptor.
#[must_use]
pub fn directory() -> Option<usize> {
    load(&DIRECTORY)
}

/// Replaces the current directory and hands the former one back.
pub fn set_directory(fd: Option<Fd>) -> Option<Fd> {
    let old = swap(&DIRECTORY, fd);
    look_at_confinement();
    old
}

/// Makes resolution beneath sticky on the current directory, for good: absolute paths, too, are
/// refused from now on. `ENOENT` without one.
pub fn confine_directory() -> Result<()> {
    sys::limit_beneath(directory().ok_or(Error::new(ENOENT))?)?;
    look_at_confinement();
    Ok(())
}

/// Whether the current directory may not be left.
#[must_use]
pub fn is_confined() -> bool {
    CONFINED.load(Ordering::Relaxed)
}

/// Asks for the current directory's rights, which only [`set_directory`] and [`confine_directory`]
/// change. A descriptor that cannot be asked counts as confined.
fn look_at_confinement() {
    let confined = directory()
        .is_some_and(|fd| !sys::rights(fd).is_ok_and(|rights| rights.contains(Rights::ESCAPE)));
    CONFINED.store(confined, Ordering::Relaxed);
}

/// A name in the form that a namespace understands: a prefix and the path behind it.
struct Joined {
    buf: [u8; path::FILE_PREFIX.len() + path::MAX_LEN],
    len: usize,
}

impl Joined {
    fn new(prefix: &[u8], rest: &[u8]) -> Result<Self> {
        let mut joined = Self {
            buf: [0; _],
            len: 0,
        };
        for part in [prefix, rest] {
            let end = joined.len + part.len();
            joined
                .buf
                .get_mut(joined.len..end)
                .ok_or(Error::new(ENAMETOOLONG))?
                .copy_from_slice(part);
            joined.len = end;
        }
        Ok(joined)
    }

    fn get(&self) -> &[u8] {
        self.buf.get(..self.len).unwrap_or(&[])
    }
}

/// Calls `ask` with the descriptor that a path is asked of and the path to ask it for. `ENOENT`
/// when the process has no such descriptor. In a confined current directory every path is asked of
/// that directory, which refuses the absolute ones.
///
/// `ask` is called again when the root that it was called with turns out to serve no more (`ESTALE`,
/// `ENODEV`): what it does must not have an effect when it answers one of these.
pub fn with_route<T>(path: &[u8], ask: impl FnMut(usize, &[u8]) -> Result<T>) -> Result<T> {
    follow(path, path::route(path).map_err(Error::new)?, ask)
}

/// [`with_route`] of a path that comes from a C string.
pub fn with_text_route<T>(path: &[u8], ask: impl FnMut(usize, &[u8]) -> Result<T>) -> Result<T> {
    follow(path, path::route_of_text(path).map_err(Error::new)?, ask)
}

fn follow<T>(
    path: &[u8],
    route: Route<'_>,
    mut ask: impl FnMut(usize, &[u8]) -> Result<T>,
) -> Result<T> {
    let absent = Error::new(ENOENT);
    if is_confined() {
        return ask(directory().ok_or(absent)?, path);
    }
    if let Route::Current(p) = route {
        return ask(directory().ok_or(absent)?, p);
    }
    let Some(namespace) = namespace() else {
        return match route {
            Route::Namespace(p) => {
                let (root, rest) = crate::roots::route(p).ok_or(absent)?;
                ask(root, rest)
            }
            _ => Err(absent),
        };
    };
    if let Some((name, rest)) = path::below_root(route)
        && let Some(held) = held_root(name, false)
    {
        match ask(held.root(), rest) {
            Err(e) if is_stale(e) => held.retire(),
            other => return other,
        }
    }
    match route {
        // The namespace would take the second component for a scheme's name.
        Route::File(p) if p.starts_with(b"//") => {
            ask(namespace, Joined::new(path::FILE_PREFIX, p)?.get())
        }
        Route::PseudoTerminal(number) => {
            ask(namespace, Joined::new(path::TERMINALS.1, number)?.get())
        }
        Route::Namespace(p) | Route::File(p) | Route::Current(p) => ask(namespace, p),
    }
}

/// Whether an answer may be that of a root whose name is bound no more, or bound to another scheme.
#[must_use]
pub const fn is_stale(error: Error) -> bool {
    matches!(error.errno, ESTALE | ENODEV)
}

/// The root of the scheme that an absolute path belongs to, held, and the path below it. `None` when the
/// path is not below a root, or the namespace does not hand it out.
pub fn root_of(path: &[u8]) -> Result<Option<(Held<'static>, &[u8])>> {
    let route = path::route(path).map_err(Error::new)?;
    let Some((name, rest)) = path::below_root(route) else {
        return Ok(None);
    };
    Ok(held_root(name, true).map(|held| (held, rest)))
}

/// A scheme's root, if it is held or is worth asking for and can be had; `eager` makes every one worth it.
fn held_root(name: &[u8], eager: bool) -> Option<Held<'static>> {
    let epoch = match ROOTS.look_up(name, eager) {
        Lookup::Hit(held) => return Some(held),
        Lookup::Ask(epoch) => epoch,
        Lookup::Miss => return None,
    };
    hand_out(name, epoch)
}

#[cold]
fn hand_out(name: &[u8], epoch: usize) -> Option<Held<'static>> {
    // Looked at after the epoch: it is that epoch's namespace or a later one's, never an earlier one's.
    let namespace = namespace()?;
    let path = Joined::new(b"/scheme/", name).ok()?;
    let flags = O_DIRECTORY | O_STAT;
    let asked = again(|| sys::openat(namespace, path.get(), flags, sys::FD_ANY_UPPER));
    let Ok(root) = asked else {
        ROOTS.refused(name);
        return None;
    };
    match ROOTS.hold(name, root, epoch) {
        Ok(Lookup::Hit(held)) => Some(held),
        Ok(_) => None,
        Err(root) => {
            drop(Fd::from_raw(root));
            None
        }
    }
}

/// Opens a path that names something the process has already (`path::own`): a copy of the descriptor, or
/// its controlling terminal. `None` for every other path.
pub fn open_own(path: &[u8], out: usize) -> Option<Result<usize>> {
    if is_confined() {
        return None;
    }
    Some(match path::own(path)? {
        Own::Descriptor(number) => sys::dup(number, b"", out),
        Own::Terminal => controlling_terminal(out),
    })
}

/// What the process manager keeps is asked for a descriptor of its own, so that it alone decides how long
/// the session has the terminal.
fn controlling_terminal(out: usize) -> Result<usize> {
    let process = crate::process::process_fd().ok_or(Error::new(ENXIO))?;
    let kept = Fd::from_raw(again(|| sys::dup(process, b"tty", sys::FD_ANY_UPPER))?);
    again(|| sys::dup(kept.raw(), b"tty", out))
}

/// Opens a path; `out` is the number to put it at ([`sys::FD_ANY`] and the like).
pub fn open(path: &[u8], flags: usize, out: usize) -> Result<usize> {
    if let Some(done) = open_own(path, out) {
        return done;
    }
    with_route(path, |dir, p| sys::openat(dir, p, flags, out))
}

/// Binds a scheme to a name in a namespace that may insert: asks for a register handle of that name
/// and sends it the scheme's root, which leaves this process if that works and stays if it does not.
pub fn register(namespace: usize, name: &[u8], root: usize) -> Result<()> {
    let handle = Fd::from_raw(register_handle(namespace, name)?);
    // A descriptor that is sent is gone also when the message is refused: a copy goes.
    again(|| sys::send_fds(handle.raw(), &[root], CallFlags::FD_CLONE, &[]))?;
    sys::close(root)
}

/// What a namespace makes of a request, as a private descriptor (see `nsmgr-api`).
pub fn ask_for(namespace: usize, request: &[u8]) -> Result<Fd> {
    again(|| sys::dup(namespace, request, sys::FD_ANY_UPPER)).map(Fd::from_raw)
}

/// A descriptor that binds a name, once, to the scheme whose root is sent to it.
pub fn register_handle(namespace: usize, name: &[u8]) -> Result<usize> {
    let mut request = [0u8; size_of::<usize>() + 256];
    let (verb, rest) = request.split_at_mut(size_of::<usize>());
    verb.copy_from_slice(&(NsDup::IssueRegister as usize).to_ne_bytes());
    rest.get_mut(..name.len())
        .ok_or(Error::new(ENAMETOOLONG))?
        .copy_from_slice(name);
    let request = request
        .get(..size_of::<usize>() + name.len())
        .unwrap_or(&[]);
    again(|| sys::dup(namespace, request, sys::FD_ANY_UPPER))
}

/// A new namespace with the named schemes of this one; `prefix*` names every one that begins so.
pub fn fork_namespace<'a>(
    namespace: usize,
    names: impl Iterator<Item = &'a [u8]> + Clone,
) -> Result<Fd> {
    const WORD: usize = size_of::<usize>();
    let total = names
        .clone()
        .try_fold(WORD, |sum, n| sum.checked_add(n.len())?.checked_add(WORD));
    let mut memory = crate::memory::Mapping::new(total.ok_or(Error::new(E2BIG))?)?;
    let mut len = 0;
    let mut push = |bytes: &[u8]| {
        if let Some(place) = memory.bytes().get_mut(len..len + bytes.len()) {
            place.copy_from_slice(bytes);
            len += bytes.len();
        }
    };
    push(&(NsDup::ForkNs as usize).to_ne_bytes());
    for name in names {
        push(&name.len().to_ne_bytes());
        push(name);
    }
    let payload = memory.bytes().get(..len).unwrap_or(&[]);
    again(|| sys::dup(namespace, payload, sys::FD_ANY_UPPER)).map(Fd::from_raw)
}
