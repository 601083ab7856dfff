//! `<pwd.h>` and `<grp.h>` from `/etc/passwd` and `/etc/group`.

use alloc::vec::Vec;
use core::ffi::{c_char, c_int};
use core::ptr::null_mut;

use libredox::protocol::O_CLOEXEC;
use redox_rt::signal::restartable;
use redox_rt::{Error, Fd, Result, namespace, process, sys};
use relibc_core::users::{Group, User, group, user};
use syscall::flag::O_RDONLY;
use syscall::{ENOENT, ERANGE};

use super::fork::Mutex;
use super::{code, text};

/// `struct group`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct CGroup {
    name: *mut c_char,
    password: *mut c_char,
    gid: c_int,
    members: *mut *mut c_char,
}

pub(crate) fn read_file(path: &[u8]) -> Result<Vec<u8>> {
    let flags = O_RDONLY | O_CLOEXEC;
    let file = Fd::from_raw(restartable(|| {
        namespace::open(path, flags, sys::FD_ANY_UPPER)
    })?);
    let mut data = Vec::new();
    let mut chunk = [0u8; 1024];
    loop {
        match restartable(|| file.read(&mut chunk))? {
            0 => return Ok(data),
            n => data.extend_from_slice(chunk.get(..n).unwrap_or(&[])),
        }
    }
}

fn lines(data: &[u8]) -> impl Iterator<Item = &[u8]> {
    data.split(|&b| b == b'\n')
}

/// A caller's buffer that is filled from the front.
struct Room {
    at: *mut u8,
    left: usize,
}

impl Room {
    unsafe fn take(&mut self, len: usize, align: usize) -> Result<*mut u8> {
        let skip = self.at.align_offset(align);
        let need = skip.checked_add(len).filter(|&n| n <= self.left);
        let need = need.ok_or(Error::new(ERANGE))?;
        let place = self.at.add(skip);
        self.at = self.at.add(need);
        self.left -= need;
        Ok(place)
    }

    unsafe fn string(&mut self, text: &[u8]) -> Result<*mut c_char> {
        let place = self.take(text.len() + 1, 1)?;
        core::ptr::copy_nonoverlapping(text.as_ptr(), place, text.len());
        place.add(text.len()).write(0);
        Ok(place.cast())
    }
}

unsafe fn fill_user(user: &User<'_>, entry: *mut libc::passwd, room: &mut Room) -> Result<()> {
    entry.write(libc::passwd {
        pw_name: room.string(user.name)?,
        pw_passwd: room.string(b"x")?,
        pw_uid: user.uid as _,
        pw_gid: user.gid as _,
        pw_gecos: room.string(user.gecos)?,
        pw_dir: room.string(user.home)?,
        pw_shell: room.string(user.shell)?,
    });
    Ok(())
}

unsafe fn fill_group(group: &Group<'_>, entry: *mut CGroup, room: &mut Room) -> Result<()> {
    let count = group.members().count();
    let word = size_of::<*mut c_char>();
    let members = room.take((count + 1) * word, word)?.cast::<*mut c_char>();
    for (i, member) in group.members().enumerate() {
        members.add(i).write(room.string(member)?);
    }
    members.add(count).write(null_mut());
    entry.write(CGroup {
        name: room.string(group.name)?,
        password: room.string(b"x")?,
        gid: group.gid as c_int,
        members,
    });
    Ok(())
}

/// Finds a user; whether there is one.
unsafe fn find_user(
    matches: impl Fn(&User<'_>) -> bool,
    entry: *mut libc::passwd,
    room: &mut Room,
) -> Result<bool> {
    let data = none_if_absent(read_file(b"/etc/passwd"))?;
    match lines(&data).filter_map(user).find(|u| matches(u)) {
        Some(found) => fill_user(&found, entry, room).map(|()| true),
        None => Ok(false),
    }
}

unsafe fn find_group(
    matches: impl Fn(&Group<'_>) -> bool,
    entry: *mut CGroup,
    room: &mut Room,
) -> Result<bool> {
    let data = none_if_absent(read_file(b"/etc/group"))?;
    match lines(&data).filter_map(group).find(|g| matches(g)) {
        Some(found) => fill_group(&found, entry, room).map(|()| true),
        None => Ok(false),
    }
}

/// A system without the file has no users.
fn none_if_absent(data: Result<Vec<u8>>) -> Result<Vec<u8>> {
    match data {
        Err(e) if matches!(e.errno, ENOENT | syscall::ENODEV) => Ok(Vec::new()),
        other => other,
    }
}

/// What the functions without a buffer of the caller's answer: one place for all of them, which grows.
struct Place<T> {
    entry: T,
    buffer: Vec<u8>,
    /// How many entries `getpwent` or `getgrent` has told.
    next: usize,
}

static USER: Mutex<Place<[u64; 7]>> = Mutex::new(Place {
    entry: [0; 7],
    buffer: Vec::new(),
    next: 0,
});
static GROUP: Mutex<Place<[u64; 4]>> = Mutex::new(Place {
    entry: [0; 4],
    buffer: Vec::new(),
    next: 0,
});

/// What nobody changes until it is dropped: for a fork. `None` while somebody does.
pub(crate) fn hold() -> Option<impl Sized> {
    USER.try_hold().zip(GROUP.try_hold())
}

const _: () = assert!(size_of::<libc::passwd>() <= 56 && size_of::<CGroup>() <= 32);

fn in_place<E, W>(
    place: &mut Place<W>,
    find: impl Fn(*mut E, &mut Room) -> Result<bool>,
) -> *mut E {
    let entry = (&raw mut place.entry).cast::<E>();
    loop {
        let mut room = Room {
            at: place.buffer.as_mut_ptr(),
            left: place.buffer.len(),
        };
        match find(entry, &mut room) {
            Ok(true) => return entry,
            Ok(false) => return null_mut(),
            Err(e) if e.errno == ERANGE => {
                let len = (place.buffer.len() * 2).max(1024);
                place.buffer.resize(len, 0);
            }
            Err(e) => {
                super::report(e);
                return null_mut();
            }
        }
    }
}

unsafe fn answer<T>(found: Result<bool>, entry: *mut T, result: *mut *mut T) -> c_int {
    result.write(if matches!(found, Ok(true)) {
        entry
    } else {
        null_mut()
    });
    code(found.map(drop))
}

/// The login name: LOGNAME, or the real user's.
unsafe fn login() -> Result<Vec<u8>> {
    if let Some(name) = super::environment::get(b"LOGNAME").filter(|n| !n.is_empty()) {
        return Ok(name.to_vec());
    }
    let own = process::credentials()?.ruid;
    let data = none_if_absent(read_file(b"/etc/passwd"))?;
    let found = lines(&data).filter_map(user).find(|u| u.uid == own);
    found.map(|u| u.name.to_vec()).ok_or(Error::new(ENOENT))
}

/// The home of a user, of the calling one for the empty name.
pub(crate) fn home_of(name: &[u8]) -> Option<Vec<u8>> {
    let own = process::credentials().ok()?.ruid;
    let data = read_file(b"/etc/passwd").ok()?;
    let wanted = |u: &User<'_>| {
        if name.is_empty() {
            u.uid == own
        } else {
            u.name == name
        }
    };
    lines(&data)
        .filter_map(user)
        .find(wanted)
        .map(|u| u.home.to_vec())
}

c_api! {
    fn getpwnam(name: *const c_char) -> *mut libc::passwd {
        let Ok(name) = text(name) else { return null_mut() };
        in_place(&mut USER.lock(), |entry, room| find_user(|u| u.name == name, entry, room))
    }
    fn getpwuid(uid: c_int) -> *mut libc::passwd {
        in_place(&mut USER.lock(), |entry, room| find_user(|u| u.uid == uid as u32, entry, room))
    }
    fn getpwnam_r(name: *const c_char, entry: *mut libc::passwd, buffer: *mut c_char, len: usize, result: *mut *mut libc::passwd) -> c_int {
        let mut room = Room { at: buffer.cast(), left: len };
        answer(text(name).and_then(|name| find_user(|u| u.name == name, entry, &mut room)), entry, result)
    }
    fn getpwuid_r(uid: c_int, entry: *mut libc::passwd, buffer: *mut c_char, len: usize, result: *mut *mut libc::passwd) -> c_int {
        let mut room = Room { at: buffer.cast(), left: len };
        answer(find_user(|u| u.uid == uid as u32, entry, &mut room), entry, result)
    }
    fn setpwent() { USER.lock().next = 0; }
    fn endpwent() { USER.lock().next = 0; }
    fn getpwent() -> *mut libc::passwd {
        let mut place = USER.lock();
        let index = place.next;
        place.next += 1;
        in_place(&mut place, |entry, room| {
            let data = none_if_absent(read_file(b"/etc/passwd"))?;
            match lines(&data).filter_map(user).nth(index) {
                Some(found) => fill_user(&found, entry, room).map(|()| true),
                None => Ok(false),
            }
        })
    }
    fn getgrnam(name: *const c_char) -> *mut CGroup {
        let Ok(name) = text(name) else { return null_mut() };
        in_place(&mut GROUP.lock(), |entry, room| find_group(|g| g.name == name, entry, room))
    }
    fn getgrgid(gid: c_int) -> *mut CGroup {
        in_place(&mut GROUP.lock(), |entry, room| find_group(|g| g.gid == gid as u32, entry, room))
    }
    fn getgrnam_r(name: *const c_char, entry: *mut CGroup, buffer: *mut c_char, len: usize, result: *mut *mut CGroup) -> c_int {
        let mut room = Room { at: buffer.cast(), left: len };
        answer(text(name).and_then(|name| find_group(|g| g.name == name, entry, &mut room)), entry, result)
    }
    fn getgrgid_r(gid: c_int, entry: *mut CGroup, buffer: *mut c_char, len: usize, result: *mut *mut CGroup) -> c_int {
        let mut room = Room { at: buffer.cast(), left: len };
        answer(find_group(|g| g.gid == gid as u32, entry, &mut room), entry, result)
    }
    fn setgrent() { GROUP.lock().next = 0; }
    fn endgrent() { GROUP.lock().next = 0; }
    fn getgrent() -> *mut CGroup {
        let mut place = GROUP.lock();
        let index = place.next;
        place.next += 1;
        in_place(&mut place, |entry, room| {
            let data = none_if_absent(read_file(b"/etc/group"))?;
            match lines(&data).filter_map(group).nth(index) {
                Some(found) => fill_group(&found, entry, room).map(|()| true),
                None => Ok(false),
            }
        })
    }
    fn getgrouplist(name: *const c_char, first: c_int, list: *mut c_int, count: *mut c_int) -> c_int {
        let Ok(name) = text(name) else { return -1 };
        let data = none_if_absent(read_file(b"/etc/group")).unwrap_or_default();
        let member = |g: &Group<'_>| g.gid != first as u32 && g.members().any(|m| m == name);
        let groups = lines(&data).filter_map(group).filter(member).map(|g| g.gid as c_int);
        let mut total = 0;
        for gid in [first].into_iter().chain(groups) {
            if total < *count {
                list.add(total as usize).write(gid);
            }
            total += 1;
        }
        let room = core::mem::replace(&mut *count, total);
        if total > room { -1 } else { total }
    }
    fn initgroups(_name: *const c_char, group: c_int) -> c_int { super::process::setgroups(1, &group) }
    fn getlogin_r(buffer: *mut c_char, len: usize) -> c_int { code(login().and_then(|name| super::give_text(&name, buffer, len))) }
    fn getlogin() -> *mut c_char {
        static NAME: Mutex<[u8; 256]> = Mutex::new([0; 256]);
        let mut name = NAME.lock();
        let place = name.as_mut_ptr().cast::<c_char>();
        match login().and_then(|text| super::give_text(&text, place, 256)) {
            Ok(()) => place,
            Err(e) => { super::report(e); null_mut() }
        }
    }
}
