//! Named shared memory, as requests of the scheme protocol ask for it.
//!
//! An object is bytes that several processes map. It is there as long as it has a name, a descriptor, or a
//! mapping somewhere. Names are flat; whose an object is, and who may open it, is as with files.
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

use alloc::{collections::BTreeMap, format, string::String};
use core::ops::Range;

use gen_slab::{Key, Slab};
use scheme_core::{Incoming, incoming, reply, user_of};
use syscall::{
    Stat, StdFsCallKind, error as errno,
    flag::{
        EventFlags, MODE_FILE, MapFlags, O_CREAT, O_DIRECTORY, O_EXCL, O_RDONLY, O_STAT, O_TRUNC,
        O_WRONLY,
    },
    schemev2::{Cqe, NewFdFlags, Opcode, Sqe},
};
use user_shares::{SUPERUSER, Shares};

type Result<T> = core::result::Result<T, i32>;

/// An object's bytes. They stay where they are, however long it becomes.
pub trait Memory: Sized {
    /// Room for an object of this length at most, all zeros.
    ///
    /// # Errors
    /// An error number.
    fn reserve(longest: usize) -> Result<Self>;
    /// Copies bytes out. Whoever has the object mapped may be writing to them.
    fn read(&self, at: usize, to: &mut [u8]);
    /// Copies bytes in; `false` if there is no memory for them, and some of them may have been copied.
    fn write(&mut self, at: usize, from: &[u8]) -> bool;
    /// Makes bytes zeros, which takes no memory.
    fn clear(&mut self, range: Range<usize>);
    /// Makes whole pages zeros that take no memory, which nobody has mapped. Whether that was possible; they may
    /// be as they were.
    fn renew(&mut self, pages: Range<usize>) -> bool;
    /// Where the bytes are, in the daemon's memory.
    fn address(&self) -> u64;
}

/// Longest object, in bytes.
pub const LONGEST: usize = 64 << 20;
/// Length of all objects together.
const ALL: u64 = 256 << 20;
/// Most objects, and handles.
const OBJECTS: u64 = 1 << 12;
const HANDLES: u64 = 1 << 15;
/// Longest name.
const NAME: usize = 255;
const PAGE: usize = 4096;

struct Object<M> {
    memory: M,
    len: usize,
    /// Up to where something but zeros may be.
    used: usize,
    /// Bytes of its owner's share: its pages behind the end take memory until they are given back.
    charged: usize,
    mode: u16,
    owner: (u32, u32),
    /// Its name, as long as it has one.
    name: Option<String>,
    handles: usize,
    mappings: usize,
}

struct Handle {
    role: Role,
    /// Who opened it.
    user: u32,
}

#[derive(Clone, Copy)]
enum Role {
    Root,
    Object { key: Key, read: bool, write: bool },
}

/// Objects and their handles.
pub struct Server<M> {
    /// What `st_dev` says.
    device: u64,
    objects: Slab<Object<M>>,
    names: BTreeMap<String, Key>,
    handles: Slab<Handle>,
    /// Mappings that came of a handle, which may be closed before they are gone: whose they are, and how many.
    mapped: BTreeMap<u64, (Key, usize)>,
    /// Objects, and their bytes, count for whose they are.
    of_objects: Shares,
    of_bytes: Shares,
    of_handles: Shares,
}

impl<M: Memory> Server<M> {
    /// Without objects. Their `st_dev` is `device`, which no other daemon may have: by that and `st_ino` programs tell
    /// whether two files are one.
    #[must_use]
    pub const fn new(device: u64) -> Self {
        Self {
            device,
            objects: Slab::new(),
            names: BTreeMap::new(),
            handles: Slab::new(),
            mapped: BTreeMap::new(),
            of_objects: Shares::new(OBJECTS),
            of_bytes: Shares::new(ALL),
            of_handles: Shares::new(HANDLES),
        }
    }

    /// Makes the scheme's root.
    ///
    /// # Errors
    /// `ENOMEM`.
    pub fn root(&mut self) -> Result<u64> {
        self.open_handle(SUPERUSER, Role::Root)
    }

    /// How many objects and handles there are.
    #[must_use]
    pub fn counts(&self) -> (usize, usize) {
        (self.objects.len(), self.handles.len())
    }

    /// Answers a request, unless it wants no answer.
    pub fn handle(&mut self, sqe: &Sqe, payload: &mut [u8]) -> Option<Cqe> {
        let [handle, ..] = sqe.args;
        let opcode = match incoming(sqe) {
            Incoming::Closed(handle) => {
                self.close(handle);
                return None;
            }
            Incoming::Unmapped(handle) => {
                self.unmapped(handle);
                return None;
            }
            Incoming::Cancelled(_) | Incoming::Message => return None,
            Incoming::Asked(opcode) => opcode,
        };
        if let Ok(Opcode::OpenAt) = opcode {
            return Some(match self.open(handle, payload, sqe) {
                Ok(handle) => reply::opened(sqe.tag, handle, NewFdFlags::POSITIONED),
                Err(error) => reply::value(sqe.tag, Err(error)),
            });
        }
        let answer = opcode.and_then(|opcode| self.answer(opcode, sqe, payload));
        Some(reply::value(sqe.tag, answer))
    }

    fn open_handle(&mut self, user: u32, role: Role) -> Result<u64> {
        if !self.of_handles.take(user, 1) {
            return Err(errno::ENFILE);
        }
        let inserted = self.handles.insert(Handle { role, user });
        inserted.map(Key::raw).map_err(|_| {
            self.of_handles.give_back(user, 1);
            errno::ENOMEM
        })
    }

    fn role(&self, handle: u64) -> Option<Role> {
        let handle = self.handles.get(Key::from_raw(handle))?;
        Some(handle.role)
    }

    fn object(&mut self, key: Key) -> Result<&mut Object<M>> {
        self.objects.get_mut(key).ok_or(errno::EBADF)
    }

    fn open(&mut self, dir: u64, path: &[u8], sqe: &Sqe) -> Result<u64> {
        let [_, _, _, flags, ..] = sqe.args;
        let flags = flags as usize;
        let user = user_of(sqe);
        match self.role(dir) {
            Some(Role::Root) => {}
            Some(Role::Object { .. }) => return Err(errno::ENOTDIR),
            None => return Err(errno::EBADF),
        }
        let has = |flag: usize| flags & flag == flag;
        if has(O_DIRECTORY) {
            return Err(errno::ENOTDIR);
        }
        let name = name(path)?;
        // Nothing is made that there is no handle for.
        if self.of_handles.room(user.0) == 0 {
            return Err(errno::ENFILE);
        }
        let (read, write) = (has(O_RDONLY), has(O_WRONLY));
        let key = match self.names.get(name).copied() {
            Some(_) if has(O_CREAT | O_EXCL) => return Err(errno::EEXIST),
            Some(key) => {
                let object = self.object(key)?;
                let want = if read { 0o4 } else { 0 } | if write || has(O_TRUNC) { 0o2 } else { 0 };
                if !has(O_STAT) && !object.admits(user, want) {
                    return Err(errno::EACCES);
                }
                key
            }
            None if has(O_CREAT) => self.create(name, flags as u16 & 0o777, user)?,
            None => return Err(errno::ENOENT),
        };
        let stat_only = has(O_STAT);
        let role = Role::Object {
            key,
            read: read && !stat_only,
            write: write && !stat_only,
        };
        let handle = self.open_handle(user.0, role);
        if handle.is_ok() {
            let object = self.object(key)?;
            object.handles = object.handles.saturating_add(1);
            if has(O_TRUNC) && !stat_only {
                self.resize(key, 0)?;
            }
        } else {
            self.forget_if_unused(key);
        }
        handle
    }

    fn create(&mut self, name: &str, mode: u16, owner: (u32, u32)) -> Result<Key> {
        if !self.of_objects.take(owner.0, 1) {
            return Err(errno::ENOSPC);
        }
        let made = self.insert(name, mode, owner);
        if made.is_err() {
            self.of_objects.give_back(owner.0, 1);
        }
        made
    }

    fn insert(&mut self, name: &str, mode: u16, owner: (u32, u32)) -> Result<Key> {
        let object = Object {
            memory: M::reserve(LONGEST)?,
            len: 0,
            used: 0,
            charged: 0,
            mode,
            owner,
            name: Some(String::from(name)),
            handles: 0,
            mappings: 0,
        };
        let key = self.objects.insert(object).map_err(|_| errno::ENOMEM)?;
        self.names.insert(String::from(name), key);
        Ok(key)
    }

    fn resize(&mut self, key: Key, len: usize) -> Result<()> {
        let object = self.objects.get_mut(key).ok_or(errno::EBADF)?;
        let more = len.saturating_sub(object.charged) as u64;
        if len > LONGEST || !self.of_bytes.take(object.owner.0, more) {
            return Err(errno::ENOSPC);
        }
        object.charged = object.charged.max(len);
        object.len = len;
        self.give_back(key);
        let object = self.object(key)?;
        let used = object.used;
        if len < used {
            object.memory.clear(len..used);
            object.used = len;
        }
        Ok(())
    }

    /// Gives back pages behind an object's end. Whoever has it mapped keeps them.
    fn give_back(&mut self, key: Key) {
        let Some(object) = self.objects.get_mut(key) else {
            return;
        };
        let less = object.charged.saturating_sub(object.len);
        if less == 0 || object.mappings > 0 {
            return;
        }
        let first = object.len.next_multiple_of(PAGE);
        let end = object.charged.next_multiple_of(PAGE);
        if first < end && !object.memory.renew(first..end) {
            return;
        }
        object.used = object.used.min(first);
        object.charged = object.len;
        self.of_bytes.give_back(object.owner.0, less as u64);
    }

    fn close(&mut self, handle: u64) {
        let Some(Handle { role, user }) = self.handles.remove(Key::from_raw(handle)) else {
            return;
        };
        self.of_handles.give_back(user, 1);
        if let Role::Object { key, .. } = role
            && let Some(object) = self.objects.get_mut(key)
        {
            object.handles = object.handles.saturating_sub(1);
            self.forget_if_unused(key);
        }
    }

    /// A mapping that came of a handle is gone.
    fn unmapped(&mut self, handle: u64) {
        let Some((key, count)) = self.mapped.get_mut(&handle) else {
            return;
        };
        let key = *key;
        *count = count.saturating_sub(1);
        if *count == 0 {
            self.mapped.remove(&handle);
        }
        if let Some(object) = self.objects.get_mut(key) {
            object.mappings = object.mappings.saturating_sub(1);
            self.forget_if_unused(key);
            self.give_back(key);
        }
    }

    fn forget_if_unused(&mut self, key: Key) {
        let unused = |object: &Object<M>| {
            object.name.is_none() && object.handles == 0 && object.mappings == 0
        };
        if self.objects.get(key).is_some_and(unused)
            && let Some(object) = self.objects.remove(key)
        {
            self.of_bytes
                .give_back(object.owner.0, object.charged as u64);
            self.of_objects.give_back(object.owner.0, 1);
        }
    }

    fn unlink(&mut self, dir: u64, path: &[u8], user: u32) -> Result<usize> {
        if !matches!(self.role(dir), Some(Role::Root)) {
            return Err(errno::EBADF);
        }
        let name = name(path)?;
        let key = self.names.get(name).copied().ok_or(errno::ENOENT)?;
        let object = self.object(key)?;
        if user != 0 && user != object.owner.0 {
            return Err(errno::EPERM);
        }
        object.name = None;
        self.names.remove(name);
        self.forget_if_unused(key);
        Ok(0)
    }

    fn answer(&mut self, opcode: Opcode, sqe: &Sqe, payload: &mut [u8]) -> Result<usize> {
        let [handle, first, second, a, b, ids] = sqe.args;
        let (key, read, write) = match self.role(handle).ok_or(errno::EBADF)? {
            Role::Object { key, read, write } => (key, read, write),
            Role::Root if matches!(opcode, Opcode::UnlinkAt) => {
                return self.unlink(handle, payload, ids as u32);
            }
            Role::Root => return Err(errno::EBADF),
        };
        let allowed = |may: bool| if may { Ok(()) } else { Err(errno::EBADF) };
        match opcode {
            Opcode::Read => {
                allowed(read)?;
                Ok(self.object(key)?.read(a, payload))
            }
            Opcode::Write => {
                allowed(write)?;
                self.write(key, a, payload)
            }
            Opcode::Fsize => Ok(self.object(key)?.len),
            Opcode::MmapPrep => {
                let flags = MapFlags::from_bits_truncate(second as usize);
                let shared = flags.contains(MapFlags::MAP_SHARED);
                let may = read && (write || !shared || !flags.contains(MapFlags::PROT_WRITE));
                if !may {
                    return Err(errno::EACCES);
                }
                let address = self.map(key, a, first)?;
                let (_, count) = self.mapped.entry(handle).or_insert((key, 0));
                *count = count.saturating_add(1);
                Ok(address)
            }
            Opcode::Munmap | Opcode::Close | Opcode::Fsync => Ok(0),
            Opcode::Fstat => self.stat(key, payload),
            Opcode::Fpath => {
                let object = self.object(key)?;
                let path = format!("/scheme/shm/{}", object.name.as_deref().unwrap_or_default());
                let count = path.len().min(payload.len());
                for (place, byte) in payload.iter_mut().zip(path.bytes()) {
                    *place = byte;
                }
                Ok(count)
            }
            Opcode::Fevent => {
                let ready = EventFlags::EVENT_READ | EventFlags::EVENT_WRITE;
                Ok((EventFlags::from_bits_truncate(first as usize) & ready).bits())
            }
            Opcode::StdFsCall => match StdFsCallKind::try_from_raw(a as u8) {
                Some(StdFsCallKind::Fstat) => self.stat(key, payload),
                Some(StdFsCallKind::Fsync) => Ok(0),
                Some(StdFsCallKind::Ftruncate) => {
                    if !write {
                        return Err(errno::EINVAL);
                    }
                    let len = usize::try_from(b).map_err(|_| errno::EINVAL)?;
                    self.resize(key, len).map(|()| 0)
                }
                _ => Err(errno::EOPNOTSUPP),
            },
            Opcode::Fcntl | Opcode::Dup => Err(errno::EINVAL),
            _ => Err(errno::EOPNOTSUPP),
        }
    }

    fn stat(&mut self, key: Key, payload: &mut [u8]) -> Result<usize> {
        let device = self.device;
        let object = self.object(key)?;
        let stat = Stat {
            st_dev: device,
            // No other object has the key; 0 looks like no file.
            st_ino: key.raw().saturating_add(1),
            st_mode: MODE_FILE | object.mode,
            st_nlink: u32::from(object.name.is_some()),
            st_uid: object.owner.0,
            st_gid: object.owner.1,
            st_size: object.len as u64,
            st_blksize: PAGE as u32,
            st_blocks: (object.len.div_ceil(512)) as u64,
            ..Stat::default()
        };
        reply::stat(payload, &stat)
    }

    fn write(&mut self, key: Key, offset: u64, bytes: &[u8]) -> Result<usize> {
        let start = usize::try_from(offset).map_err(|_| errno::EFBIG)?;
        let end = start.checked_add(bytes.len()).ok_or(errno::EFBIG)?;
        if bytes.is_empty() {
            return Ok(0);
        }
        let before = self.object(key)?.len;
        if end > before {
            self.resize(key, end)?;
        }
        let object = self.object(key)?;
        object.used = object.used.max(end);
        if !object.memory.write(start, bytes) {
            if end > before {
                self.resize(key, before)?;
            }
            return Err(errno::ENOMEM);
        }
        Ok(bytes.len())
    }

    /// Answers where a part of an object is, for mapping it. Whoever maps it may write to whole pages.
    fn map(&mut self, key: Key, offset: u64, len: u64) -> Result<usize> {
        let object = self.object(key)?;
        let whole = object.len.next_multiple_of(PAGE) as u64;
        let end = offset.checked_add(len).ok_or(errno::EINVAL)?;
        if len == 0
            || !offset.is_multiple_of(PAGE as u64)
            || end.next_multiple_of(PAGE as u64) > whole
        {
            return Err(errno::ENXIO);
        }
        object.mappings = object.mappings.saturating_add(1);
        object.used = object.used.max(end.next_multiple_of(PAGE as u64) as usize);
        let address = object.memory.address().saturating_add(offset);
        usize::try_from(address).map_err(|_| errno::ENOMEM)
    }
}

impl<M: Memory> Object<M> {
    fn admits(&self, (uid, gid): (u32, u32), want: u16) -> bool {
        let shift = match (uid == self.owner.0, gid == self.owner.1) {
            (true, _) => 6,
            (_, true) => 3,
            _ => 0,
        };
        uid == 0 || self.mode.wrapping_shr(shift) & want == want
    }

    fn read(&self, offset: u64, buffer: &mut [u8]) -> usize {
        let start = usize::try_from(offset).unwrap_or(usize::MAX).min(self.len);
        let count = self.len.saturating_sub(start).min(buffer.len());
        if let Some(place) = buffer.get_mut(..count) {
            self.memory.read(start, place);
        }
        count
    }
}

fn name(path: &[u8]) -> Result<&str> {
    let text = core::str::from_utf8(path).map_err(|_| errno::EINVAL)?;
    let name = text.trim_start_matches('/');
    if name.is_empty() || name.contains(['/', '\0']) || matches!(name, "." | "..") {
        return Err(errno::EINVAL);
    }
    if name.len() > NAME {
        return Err(errno::ENAMETOOLONG);
    }
    Ok(name)
}

#[cfg(test)]
mod tests;
