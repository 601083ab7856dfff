//! Taking requests apart.

use alloc::{format, vec::Vec};

use gen_slab::Key;
use scheme_core::{Incoming, incoming, reply, user_of, waits};
use syscall::{
    Stat, StdFsCallKind, error as errno,
    flag::{EventFlags, MODE_CHR, O_DIRECTORY, O_RDONLY, O_STAT, O_WRONLY},
    schemev2::{Cqe, NewFdFlags, Opcode, Sqe},
};
use tty_core::WindowSize;

use crate::{
    Kind, Result, Server, Sessions,
    attribute::Attribute,
    terminal::{Done, Role, SIGTTIN, SIGTTOU, Terminal},
};

enum Said {
    Value(usize),
    Bytes(Vec<u8>),
    Opened(u64),
    Later,
}

/// A handle's particulars, which a request is answered by.
#[derive(Clone, Copy)]
struct Target {
    raw: u64,
    key: Option<Key>,
    role: Role,
}

impl<S> Server<S> {
    /// Answers a request at a time in nanoseconds, unless it waits or wants no answer. What else is to
    /// be said: [`Server::take_effects`].
    pub fn handle(
        &mut self,
        sqe: &Sqe,
        payload: &mut [u8],
        now: u64,
        sessions: &mut impl Sessions<Session = S>,
    ) -> Option<Cqe> {
        let opcode = match incoming(sqe) {
            Incoming::Closed(handle) => {
                self.close(handle, now, sessions);
                return None;
            }
            Incoming::Cancelled(tag) => {
                self.cancel(tag);
                return None;
            }
            Incoming::Unmapped(_) | Incoming::Message => return None,
            Incoming::Asked(opcode) => opcode,
        };
        let said = opcode.and_then(|opcode| self.answer(opcode, sqe, payload, now, sessions));
        Some(match said {
            Ok(Said::Later) => return None,
            Ok(Said::Value(value)) => reply::value(sqe.tag, Ok(value)),
            Ok(Said::Opened(handle)) => reply::opened(sqe.tag, handle, NewFdFlags::empty()),
            Ok(Said::Bytes(bytes)) => {
                let mut count = 0_usize;
                for (place, byte) in payload.iter_mut().zip(bytes) {
                    *place = byte;
                    count = count.saturating_add(1);
                }
                reply::value(sqe.tag, Ok(count))
            }
            Err(error) => reply::value(sqe.tag, Err(error)),
        })
    }

    fn cancel(&mut self, tag: u32) {
        let keys: Vec<Key> = self.terminals.iter().map(|(key, _)| key).collect();
        for key in keys {
            if let Some(terminal) = self.terminals.get_mut(key)
                && terminal.cancel(tag, &mut self.effects)
            {
                return;
            }
        }
    }

    fn answer(
        &mut self,
        opcode: Opcode,
        sqe: &Sqe,
        payload: &mut [u8],
        now: u64,
        sessions: &mut impl Sessions<Session = S>,
    ) -> Result<Said> {
        let [raw, first, second, a, ..] = sqe.args;
        let handle = self.handles.get(Key::from_raw(raw)).ok_or(errno::EBADF)?;
        let target = Target {
            raw,
            key: handle.terminal,
            role: handle.role,
        };
        let user = user_of(sqe);
        let caller = sqe.caller as u32;
        match opcode {
            Opcode::OpenAt => self.open(target, payload, a as usize, user),
            Opcode::Dup => self.dup(target, payload, user.0, caller),
            Opcode::Read => self.read(target, payload.len(), waits(sqe), sqe, now, sessions),
            Opcode::Write => self.write(target, payload, waits(sqe), sqe, now, sessions),
            Opcode::Sendfd => self.acquire(target, caller, sqe.tag, sessions),
            Opcode::Fevent => self.watch(raw, first as usize),
            Opcode::Fpath => self.path(target),
            Opcode::Fstat => self.stat(target, payload),
            Opcode::Fchown => self.chown(target, user, first as u32, second as u32),
            Opcode::StdFsCall => match StdFsCallKind::try_from_raw(a as u8) {
                Some(StdFsCallKind::Fstat) => self.stat(target, payload),
                Some(StdFsCallKind::Fsync) => Ok(Said::Value(0)),
                _ => Err(errno::EOPNOTSUPP),
            },
            Opcode::Fsize => Err(errno::ESPIPE),
            Opcode::Fsync | Opcode::Close => Ok(Said::Value(0)),
            Opcode::Fcntl => Err(errno::EINVAL),
            _ => Err(errno::EOPNOTSUPP),
        }
    }

    fn terminal(&mut self, target: Target) -> Result<&mut Terminal<S>> {
        let key = target.key.ok_or(errno::EBADF)?;
        self.terminals.get_mut(key).ok_or(errno::EBADF)
    }

    fn open(
        &mut self,
        target: Target,
        path: &[u8],
        flags: usize,
        user: (u32, u32),
    ) -> Result<Said> {
        if target.role != Role::Root {
            return Err(errno::ENOTDIR);
        }
        if flags & O_DIRECTORY == O_DIRECTORY {
            return Err(errno::ENOTDIR);
        }
        let stat = flags & O_STAT == O_STAT;
        let (read, write) = (flags & O_RDONLY != 0, flags & O_WRONLY != 0);
        let (read, write) = (read && !stat, write && !stat);
        let text = core::str::from_utf8(path).map_err(|_| errno::ENOENT)?;
        let text = text.trim_matches('/');
        let number = match (self.kind, text) {
            (Kind::Pty, "" | "ptmx") => return self.new_pty(user, read, write),
            (Kind::Console, "") => 0,
            (_, text) => text.parse().map_err(|_| errno::ENOENT)?,
        };
        let found = self
            .terminals
            .iter()
            .find(|(_, terminal)| terminal.number == number && terminal.masters > 0)
            .map(|(key, terminal)| (key, terminal.owner.0));
        let (key, owner) = found.ok_or(errno::ENOENT)?;
        if user.0 != 0 && user.0 != owner {
            return Err(errno::EACCES);
        }
        self.open_handle(user.0, Some(key), Role::Slave, read, write)
            .map(Said::Opened)
    }

    fn new_pty(&mut self, user: (u32, u32), read: bool, write: bool) -> Result<Said> {
        let mut numbers: Vec<u32> = self.terminals.iter().map(|(_, t)| t.number).collect();
        numbers.sort_unstable();
        let taken = numbers.iter().zip(0..).take_while(|(a, b)| **a == *b);
        let number = taken.count() as u32;
        let key = self.add_terminal(Terminal::new(number, user, WindowSize::default()))?;
        let opened = self.open_handle(user.0, Some(key), Role::Master, read, write);
        if opened.is_err() {
            self.remove_terminal(key);
        }
        opened.map(Said::Opened)
    }

    fn dup(&mut self, target: Target, name: &[u8], user: u32, caller: u32) -> Result<Said> {
        let handle = self.handles.get(Key::from_raw(target.raw));
        let handle = handle.ok_or(errno::EBADF)?;
        let key = target.key.ok_or(errno::EINVAL)?;
        let terminal = self.terminals.get(key).ok_or(errno::EBADF)?;
        let master = match target.role {
            Role::Master => true,
            Role::Slave | Role::Lent => false,
            Role::Root | Role::Controlling(_) | Role::Attribute(..) => return Err(errno::EINVAL),
        };
        if !master && (terminal.masters == 0 || handle.generation != terminal.generation) {
            return Err(errno::EIO);
        }
        let role = match name {
            b"tty" if !master => Role::Slave,
            b"slave" if master => Role::Slave,
            b"controlling" if target.role == Role::Slave => {
                Role::Controlling(terminal.led_by(caller).ok_or(errno::EPERM)?)
            }
            b"lent" if target.role == Role::Slave => {
                terminal.led_by(caller).ok_or(errno::EPERM)?;
                Role::Lent
            }
            _ => {
                let attribute = Attribute::named(name).ok_or(errno::EINVAL)?;
                if attribute == Attribute::Acquire && target.role != Role::Slave {
                    return Err(errno::EINVAL);
                }
                Role::Attribute(attribute, master)
            }
        };
        self.open_handle(user, Some(key), role, true, true)
            .map(Said::Opened)
    }

    fn read(
        &mut self,
        target: Target,
        room: usize,
        wait: bool,
        sqe: &Sqe,
        now: u64,
        sessions: &mut impl Sessions<Session = S>,
    ) -> Result<Said> {
        let handle = self.handles.get(Key::from_raw(target.raw));
        let handle = handle.ok_or(errno::EBADF)?;
        let key = target.key.ok_or(errno::EISDIR)?;
        if let Role::Attribute(attribute, _) = target.role {
            let terminal = self.terminals.get(key).ok_or(errno::EBADF)?;
            if terminal.is_over(handle) {
                return Err(errno::EIO);
            }
            return self.get_attribute(key, attribute, room).map(Said::Bytes);
        }
        if !handle.read || !matches!(target.role, Role::Master | Role::Slave) {
            return Err(errno::EBADF);
        }
        let terminal = self.terminals.get_mut(key).ok_or(errno::EBADF)?;
        if target.role == Role::Slave && !terminal.is_over(handle) {
            terminal.may(sqe.caller as u32, SIGTTIN, sessions)?;
        }
        let done = terminal.read(handle, sqe.tag, room, wait, now)?;
        if let Done::Now(_) = done {
            // There may be room now for who waits to write.
            self.settle(key, now, sessions);
        }
        Ok(match done {
            Done::Now(bytes) => Said::Bytes(bytes),
            Done::Count(count) => Said::Value(count),
            Done::Later => Said::Later,
        })
    }

    fn write(
        &mut self,
        target: Target,
        bytes: &[u8],
        wait: bool,
        sqe: &Sqe,
        now: u64,
        sessions: &mut impl Sessions<Session = S>,
    ) -> Result<Said> {
        let handle = self.handles.get(Key::from_raw(target.raw));
        let handle = handle.ok_or(errno::EBADF)?;
        let key = target.key.ok_or(errno::EISDIR)?;
        let caller = sqe.caller as u32;
        let terminal = self.terminals.get_mut(key).ok_or(errno::EBADF)?;
        if let Role::Attribute(attribute, master) = target.role {
            if terminal.is_over(handle) {
                return Err(errno::EIO);
            }
            self.set_attribute(key, attribute, master, caller, bytes, sessions)?;
            self.settle(key, now, sessions);
            return Ok(Said::Value(bytes.len()));
        }
        if !handle.write || !matches!(target.role, Role::Master | Role::Slave) {
            return Err(errno::EBADF);
        }
        if target.role == Role::Slave && terminal.tty.stops_background_output() {
            terminal.may(caller, SIGTTOU, sessions)?;
        }
        let done = terminal.write(handle, sqe.tag, bytes, wait, now, sessions)?;
        self.settle(key, now, sessions);
        Ok(match done {
            Done::Count(count) => Said::Value(count),
            Done::Now(_) | Done::Later => Said::Later,
        })
    }

    /// A session's descriptor is sent: its leader wants the terminal.
    fn acquire(
        &mut self,
        target: Target,
        caller: u32,
        tag: u32,
        sessions: &mut impl Sessions<Session = S>,
    ) -> Result<Said> {
        if target.role != Role::Attribute(Attribute::Acquire, false) {
            return Err(errno::EINVAL);
        }
        let session = sessions.receive(tag)?;
        let serial = self.serial;
        self.serial = serial.wrapping_add(1);
        self.terminal(target)?
            .attach(caller, session, serial, sessions)?;
        Ok(Said::Value(1))
    }

    fn watch(&mut self, raw: u64, asked: usize) -> Result<Said> {
        let handle = self.handles.get_mut(Key::from_raw(raw));
        let handle = handle.ok_or(errno::EBADF)?;
        if !matches!(handle.role, Role::Master | Role::Slave) {
            return Err(errno::EPERM);
        }
        let all = EventFlags::EVENT_READ | EventFlags::EVENT_WRITE;
        handle.asked = EventFlags::from_bits_truncate(asked) & all;
        let terminal = handle.terminal.and_then(|key| self.terminals.get_mut(key));
        let terminal = terminal.ok_or(errno::EBADF)?;
        if handle.asked.is_empty() {
            terminal.watchers.remove(&raw);
        } else {
            terminal.watchers.insert(raw);
        }
        let ready = terminal.readiness(handle) & handle.asked;
        Ok(Said::Value(ready.bits()))
    }

    fn path(&mut self, target: Target) -> Result<Said> {
        let (kind, name) = (self.kind, self.name);
        let path = match (kind, target.key) {
            (Kind::Pty, Some(_)) => {
                let number = self.terminal(target)?.number;
                format!("/scheme/{name}/{number}")
            }
            _ => format!("/scheme/{name}"),
        };
        Ok(Said::Bytes(path.into_bytes()))
    }

    fn stat(&mut self, target: Target, payload: &mut [u8]) -> Result<Said> {
        let (number, owner) = match target.key {
            Some(_) => {
                let terminal = self.terminal(target)?;
                (terminal.number, terminal.owner)
            }
            None => (0, (0, 0)),
        };
        let stat = Stat {
            st_dev: self.device,
            st_ino: u64::from(number).wrapping_add(1),
            st_mode: MODE_CHR | 0o620,
            st_nlink: 1,
            st_uid: owner.0,
            st_gid: owner.1,
            st_blksize: 4096,
            ..Stat::default()
        };
        reply::stat(payload, &stat).map(Said::Value)
    }

    fn chown(&mut self, target: Target, user: (u32, u32), uid: u32, gid: u32) -> Result<Said> {
        let terminal = self.terminal(target)?;
        if user.0 != 0 {
            return Err(errno::EPERM);
        }
        let pick = |new: u32, old: u32| if new == u32::MAX { old } else { new };
        terminal.owner = (pick(uid, terminal.owner.0), pick(gid, terminal.owner.1));
        Ok(Said::Value(0))
    }
}
