//! Calls that name something in two places: `rename` and `link`.

use core::ffi::{c_char, c_int, c_uint};

use cap_abi::Rights;
use cap_abi::resolve::{AT_FLAG_BENEATH, C_AT_RESOLVE_BENEATH};
use redox_rt::signal::again;
use redox_rt::{Error, Fd, Result, fs, namespace, sys};
use rt_core::path::Route;
use rt_core::root_cache::Held;
use syscall::flag::{O_DIRECTORY, O_STAT};
use syscall::{EACCES, EMFILE, ENFILE, ENOENT, ENOMEM, EXDEV};

use super::path::{AT_BENEATH, CWD, NOFOLLOW, find, is_beneath, only};
use super::{fail, fd, text, unit};

/// A directory to name something in, for calls that take two of them.
enum Base {
    Given(usize),
    Opened(Fd),
    /// A scheme's root, and what this process has opened of it.
    Root(Held<'static>, Option<Fd>),
}

impl Base {
    fn fd(&self) -> usize {
        match self {
            Self::Given(fd) => *fd,
            Self::Opened(fd) => fd.raw(),
            Self::Root(held, own) => own.as_ref().map_or(held.root(), Fd::raw),
        }
    }

    /// After an error that may mean that the scheme's root serves no more; answers whether another is
    /// to be asked.
    fn give_up_if(self, error: Error) -> bool {
        match self {
            Self::Root(held, _) if namespace::is_stale(error) => {
                held.retire();
                true
            }
            _ => false,
        }
    }
}

/// Does something that answers an error together with whether it is worth being done again; it is, once.
fn once_more(
    mut what: impl FnMut() -> Result<core::result::Result<(), (Error, bool)>>,
) -> Result<()> {
    match what()? {
        Err((_, true)) => what()?.map_err(|(error, _)| error),
        other => other.map_err(|(error, _)| error),
    }
}

const fn or_itself(path: &[u8]) -> &[u8] {
    if path.is_empty() { b"." } else { path }
}

/// A directory, opened by who this process is now: a call with two descriptors says nothing of its caller,
/// so that a scheme judges by who opened them. `None` if the scheme does not open a directory itself.
fn opened_now(dir: usize) -> Result<Option<Fd>> {
    let flags = O_DIRECTORY | O_STAT;
    match again(|| sys::openat(dir, b".", flags, sys::FD_ANY_UPPER)) {
        Ok(own) => Ok(Some(Fd::from_raw(own))),
        Err(e) if matches!(e.errno, EACCES | EMFILE | ENFILE | ENOMEM) => Err(e),
        // Whatever else there is to be said, the call itself says it.
        Err(_) => Ok(None),
    }
}

/// The descriptor for a path in a call with two descriptors, which a namespace cannot pass on: of an
/// absolute path it is its scheme's root.
fn base(dir: c_int, path: &[u8], beneath: bool) -> Result<(Base, &[u8])> {
    if path.is_empty() {
        return fail(ENOENT);
    }
    let given = match dir {
        libc::AT_FDCWD => namespace::directory().ok_or(Error::new(ENOENT)),
        _ => fd(dir),
    };
    let confined = match dir {
        libc::AT_FDCWD => namespace::is_confined(),
        _ => matches!(fd(dir).and_then(sys::rights), Ok(r) if !r.contains(Rights::ESCAPE)),
    };
    if path.first() != Some(&b'/') || beneath || confined {
        let given = given?;
        let own = opened_now(given)?;
        return Ok((own.map_or(Base::Given(given), Base::Opened), path));
    }
    if let Some((held, rest)) = namespace::root_of(path)? {
        let own = opened_now(held.root())?;
        return Ok((Base::Root(held, own), or_itself(rest)));
    }
    let (root, rest) = match rt_core::path::route(path).map_err(Error::new)? {
        Route::Namespace(p) => {
            let name = p.get(b"/scheme/".len()..).ok_or(Error::new(EXDEV))?;
            let end = name.iter().position(|&b| b == b'/').unwrap_or(name.len());
            p.split_at(b"/scheme/".len() + end)
        }
        // A device is nothing that could be renamed, nor a name to give.
        Route::PseudoTerminal(_) => return fail(EXDEV),
        Route::File(p) | Route::Current(p) => (rt_core::path::FILE_PREFIX, p),
    };
    let from = rest.iter().position(|&b| b != b'/').unwrap_or(rest.len());
    let flags = O_DIRECTORY | O_STAT;
    let root = Fd::from_raw(again(|| namespace::open(root, flags, sys::FD_ANY_UPPER))?);
    let own = opened_now(root.raw())?;
    Ok((
        Base::Opened(own.unwrap_or(root)),
        or_itself(rest.split_at(from).1),
    ))
}

/// `renameat` with `RENAME_*` flags and `AT_RESOLVE_BENEATH`.
unsafe fn rename_at(
    old_dir: c_int,
    old: *const c_char,
    new_dir: c_int,
    new: *const c_char,
    flags: u32,
) -> Result<()> {
    let (old, new) = (text(old)?, text(new)?);
    let beneath = flags & C_AT_RESOLVE_BENEATH != 0;
    let bits = if beneath { AT_FLAG_BENEATH } else { 0 };
    let flags = flags & !C_AT_RESOLVE_BENEATH | bits;
    once_more(|| {
        let (from, old) = base(old_dir, old, beneath)?;
        let (to, new) = base(new_dir, new, beneath)?;
        let renamed = fs::renameat(from.fd(), old, to.fd(), new, flags);
        Ok(renamed.map_err(|e| (e, from.give_up_if(e) | to.give_up_if(e))))
    })
}

unsafe fn link_at(
    old_dir: c_int,
    old: *const c_char,
    new_dir: c_int,
    new: *const c_char,
    flags: c_int,
) -> Result<()> {
    only(
        flags,
        libc::AT_SYMLINK_FOLLOW | libc::AT_EMPTY_PATH | AT_BENEATH,
    )?;
    let follow = flags & libc::AT_SYMLINK_FOLLOW != 0;
    let how = if follow { 0 } else { NOFOLLOW };
    let (old, new) = (text(old)?, text(new)?);
    let target = find(old_dir, old, flags & !libc::AT_SYMLINK_FOLLOW | how)?;
    let beneath = is_beneath(flags);
    let bits = if beneath { AT_FLAG_BENEATH } else { 0 };
    once_more(|| {
        let (to, new) = base(new_dir, new, beneath)?;
        let linked = fs::linkat(target.raw(), to.fd(), new, bits);
        Ok(linked.map_err(|e| (e, to.give_up_if(e))))
    })
}

c_api! {
    fn link(old: *const c_char, new: *const c_char) -> c_int { unit(link_at(CWD, old, CWD, new, 0)) }
    fn linkat(old_dir: c_int, old: *const c_char, new_dir: c_int, new: *const c_char, flags: c_int) -> c_int { unit(link_at(old_dir, old, new_dir, new, flags)) }
    fn rename(old: *const c_char, new: *const c_char) -> c_int { unit(rename_at(CWD, old, CWD, new, 0)) }
    fn renameat(old_dir: c_int, old: *const c_char, new_dir: c_int, new: *const c_char) -> c_int { unit(rename_at(old_dir, old, new_dir, new, 0)) }
    fn renameat2(old_dir: c_int, old: *const c_char, new_dir: c_int, new: *const c_char, flags: c_uint) -> c_int { unit(rename_at(old_dir, old, new_dir, new, flags)) }
}
