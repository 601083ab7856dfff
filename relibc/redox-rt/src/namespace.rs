//! The namespace and the current directory: two descriptors that belong to the process.
//!
//! Both come from the auxiliary vector and may be absent: a process without a namespace can name
//! nothing, one without a current directory has no relative paths. Each keeps its number for good
//! ([`Role`]): another directory is put at the number of the former one, so that a thread which has read
//! the number and has not used it yet finds the one or the other there, and never something else.
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
use syscall::flag::{CallFlags, O_DIRECTORY, O_STAT, UPPER_FDTBL_TAG};
use syscall::{E2BIG, EBADF, ENAMETOOLONG, ENODEV, ENOENT, ENXIO, ESRCH, ESTALE};

use crate::context::AddressSpace;
use crate::fd::Fd;
use crate::futex::{Mutex, MutexGuard};
use crate::signal::{again, without_delivery};
use crate::sys;
use crate::tcb::{NONE, Tcb};

static NAMESPACE: Role = Role::none();
static DIRECTORY: Role = Role::none();
/// The copy of the namespace that the program was told of, which may get it back. Nothing here is asked of it.
static TOLD: AtomicUsize = AtomicUsize::new(NONE);
/// Whether the current directory may not be left: its descriptor lacks `Rights::ESCAPE`.
static CONFINED: AtomicBool = AtomicBool::new(false);
/// Held by whoever changes one of these.
static CHANGING: Mutex<()> = Mutex::new(());
/// Roots of the namespace's schemes.
static ROOTS: RootCache = RootCache::new(|root| {
    // Nobody could do anything about an error.
    let _ = sys::close(root);
});

/// A descriptor with a purpose. Its number is read without a lock, so that it is never free again once it
/// was in use: what was opened there meanwhile would be taken for it.
struct Role {
    number: AtomicUsize,
    /// The number when there is no such descriptor any more; nothing can be done with what is there.
    kept: AtomicUsize,
}

impl Role {
    const fn none() -> Self {
        Self {
            number: AtomicUsize::new(NONE),
            kept: AtomicUsize::new(NONE),
        }
    }

    fn get(&self) -> Option<usize> {
        match self.number.load(Ordering::Acquire) {
            NONE => None,
            number => Some(number),
        }
    }

    /// Puts another descriptor in the former one's place. To be called by who holds [`CHANGING`], as the
    /// next one.
    fn put(&self, fd: &Fd) -> Result<()> {
        let kept = self.kept.load(Ordering::Relaxed);
        let number = match self.get().unwrap_or(kept) {
            NONE => sys::dup(fd.raw(), b"", sys::FD_ANY_UPPER)?,
            number => sys::dup2(fd.raw(), number, b"")?,
        };
        self.number.store(number, Ordering::Release);
        Ok(())
    }

    fn clear(&self) {
        let number = self.number.swap(NONE, Ordering::AcqRel);
        if number == NONE {
            return;
        }
        self.kept.store(number, Ordering::Relaxed);
        // What cannot be done is no worse than a descriptor without rights that stays open.
        let _ = sys::limit(number, Rights::empty());
        let _ = nothing().and_then(|space| sys::dup2(space.fd().raw(), number, b""));
    }
}

/// An address space with nothing in it, that nothing can be done with.
fn nothing() -> Result<AddressSpace> {
    let thread = Tcb::current()
        .and_then(Tcb::thread_fd)
        .ok_or(Error::new(ESRCH))?;
    let space = thread.address_space()?.new_empty()?;
    space.fd().limit(Rights::empty())?;
    Ok(space)
}

/// Changes the roles. No handler comes in between, which might want to do the same.
fn changing<T>(change: impl FnOnce() -> T) -> T {
    without_delivery(|| {
        let _guard = CHANGING.lock();
        change()
    })
}

/// Takes what the program was started with. No other thread exists yet.
pub(crate) fn init(namespace: Option<usize>, directory: Option<usize>) {
    for (role, number) in [(&NAMESPACE, namespace), (&DIRECTORY, directory)] {
        role.number.store(number.unwrap_or(NONE), Ordering::Release);
    }
    look_at_confinement();
}

/// Nobody changes the roles until the guard is dropped: for a fork, whose child has the lock as it is.
pub(crate) fn hold() -> MutexGuard<'static, ()> {
    CHANGING.lock()
}

/// The namespace's descriptor.
#[must_use]
pub fn namespace() -> Option<usize> {
    NAMESPACE.get()
}

/// Makes another namespace the process's.
pub fn set_namespace(fd: Fd) -> Result<()> {
    changing(|| {
        put_namespace(&fd)?;
        drop(take_told());
        Ok(())
    })
}

fn put_namespace(fd: &Fd) -> Result<()> {
    NAMESPACE.put(fd)?;
    // After the exchange: a root that is asked for from now on is the new one's.
    ROOTS.begin_epoch();
    Ok(())
}

/// [`set_namespace`] that hands the former one back, if there was one that has not ended. It hands `fd` back
/// when that cannot be the namespace.
pub fn exchange_namespace(fd: Fd) -> core::result::Result<Option<Fd>, (Error, Fd)> {
    changing(|| {
        let former = match take_told() {
            None => namespace().and_then(|number| copy_of(number).ok()),
            told => told,
        };
        if let Err(e) = put_namespace(&fd) {
            TOLD.store(former.map_or(NONE, Fd::into_raw), Ordering::Relaxed);
            return Err((e, fd));
        }
        if fd.raw() & UPPER_FDTBL_TAG != 0 {
            TOLD.store(fd.into_raw(), Ordering::Relaxed);
        }
        Ok(former)
    })
}

/// From now on the process has no namespace.
pub fn drop_namespace() {
    changing(|| {
        NAMESPACE.clear();
        drop(take_told());
        ROOTS.begin_epoch();
    });
}

fn take_told() -> Option<Fd> {
    match TOLD.swap(NONE, Ordering::Relaxed) {
        NONE => None,
        told => Some(Fd::from_raw(told)),
    }
}

fn copy_of(number: usize) -> Result<Fd> {
    sys::dup(number, b"", sys::FD_ANY_UPPER).map(Fd::from_raw)
}

/// The number of the namespace for the program to know. It is not the one that paths are asked of:
/// whoever takes another namespace may close this one, or keep it and take it again. `EBADF` without a
/// namespace.
pub fn told_namespace() -> Result<usize> {
    changing(|| {
        let number = namespace().ok_or(Error::new(EBADF))?;
        let told = match take_told() {
            Some(told) => told,
            None => copy_of(number)?,
        };
        TOLD.store(told.raw(), Ordering::Relaxed);
        Ok(told.into_raw())
    })
}

/// Closes what is held besides the two descriptors: the schemes' roots, the namespace's copy. It takes no lock.
pub(crate) fn forget_copies() {
    drop(take_told());
    forget_roots();
}

/// Closes the schemes' roots that are held.
pub fn forget_roots() {
    ROOTS.forget();
}

/// The current directory's descriptor.
#[must_use]
pub fn directory() -> Option<usize> {
    DIRECTORY.get()
}

/// Makes another directory the current one, whatever the former one was.
pub fn set_directory(fd: Fd) -> Result<()> {
    changing(|| {
        let put = DIRECTORY.put(&fd);
        look_at_confinement();
        put
    })
}

/// Makes another directory the current one. In a process that may not leave its current directory it
/// cannot be left either.
pub fn enter(fd: Fd) -> Result<()> {
    changing(|| {
        if is_confined() {
            fd.limit_beneath()?;
        }
        let put = DIRECTORY.put(&fd);
        look_at_confinement();
        put
    })
}

/// Opens the current directory once more, for a process that has become somebody else: schemes judge some
/// calls by who opened the descriptor. A process with no directory has nothing to open.
///
/// # Errors
/// `EACCES` if the directory may not be searched by whom the process is now, or what the scheme says; the
/// current directory is the same descriptor as before then.
pub fn reopen_directory() -> Result<()> {
    let Some(old) = directory() else {
        return Ok(());
    };
    let flags = O_DIRECTORY | O_STAT;
    enter(Fd::from_raw(again(|| {
        sys::openat(old, b".", flags, sys::FD_ANY_UPPER)
    })?))
}

/// From now on there is no current directory.
pub fn drop_directory() {
    changing(|| {
        DIRECTORY.clear();
        look_at_confinement();
    });
}

/// Makes resolution beneath sticky on the current directory, for good: absolute paths, too, are
/// refused from now on. `ENOENT` without one.
pub fn confine_directory() -> Result<()> {
    changing(|| {
        sys::limit_beneath(directory().ok_or(Error::new(ENOENT))?)?;
        look_at_confinement();
        Ok(())
    })
}

/// Whether the current directory may not be left.
#[must_use]
pub fn is_confined() -> bool {
    CONFINED.load(Ordering::Relaxed)
}

/// Asks for the current directory's rights, which change only here. A descriptor that cannot be asked
/// counts as confined.
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

/// What the process manager lends is no terminal itself, and is asked for one. What it keeps, which decides how
/// long the session has the terminal, it gives nobody.
fn controlling_terminal(out: usize) -> Result<usize> {
    let process = crate::process::process_fd().ok_or(Error::new(ENXIO))?;
    let lent = Fd::from_raw(again(|| sys::dup(process, b"tty", sys::FD_ANY_UPPER))?);
    again(|| sys::dup(lent.raw(), b"tty", out))
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
