//! A terminal with those who use it.

use alloc::{
    collections::{BTreeSet, VecDeque},
    vec::Vec,
};

use cap_abi::session::Control;
use gen_slab::Key;
use libredox::protocol;
use syscall::{error as errno, flag::EventFlags};
use tty_core::{Signal, Tty, Wait, WindowSize};

use crate::{Effect, Result, Sessions, attribute::Attribute};

const SIGHUP: u8 = protocol::SIGHUP as u8;
const SIGINT: u8 = protocol::SIGINT as u8;
const SIGQUIT: u8 = protocol::SIGQUIT as u8;
const SIGCONT: u8 = protocol::SIGCONT as u8;
const SIGTSTP: u8 = protocol::SIGTSTP as u8;
pub const SIGTTIN: u8 = protocol::SIGTTIN as u8;
pub const SIGTTOU: u8 = protocol::SIGTTOU as u8;
const SIGWINCH: u8 = protocol::SIGWINCH as u8;

/// What a handle is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// What the others are opened through.
    Root,
    /// The other side of a terminal.
    Master,
    /// A terminal.
    Slave,
    /// A terminal as the process manager keeps it, for the session with this serial number. Whoever else had it
    /// could keep the session from its end.
    Controlling(u64),
    /// What the process manager gives the session's processes, to open the terminal through.
    Lent,
    /// Something about a terminal; whether it is asked from the other side.
    Attribute(Attribute, bool),
}

/// An open handle.
#[derive(Debug)]
pub struct Handle {
    /// Who opened it.
    pub user: u32,
    pub terminal: Option<Key>,
    pub role: Role,
    /// The terminal's when it was opened: it is at its end when that has gone on.
    pub generation: u32,
    pub read: bool,
    pub write: bool,
    pub asked: EventFlags,
}

/// A session whose controlling terminal this is.
struct Attached<S> {
    session: S,
    leader: u32,
    foreground: u32,
    serial: u64,
}

/// A request that waits.
struct Waiting {
    tag: u32,
    /// It came through the other side.
    master: bool,
    generation: u32,
    what: What,
}

enum What {
    Read { room: usize, began: u64 },
    Write { bytes: Vec<u8>, done: usize },
}

/// A terminal.
pub struct Terminal<S> {
    pub number: u32,
    /// User and group.
    pub owner: (u32, u32),
    /// Who made it.
    pub maker: u32,
    pub tty: Tty,
    pub masters: usize,
    /// Handles of this generation.
    pub slaves: usize,
    /// Whether there ever was one.
    opened: bool,
    pub generation: u32,
    attached: Option<Attached<S>>,
    waiting: VecDeque<Waiting>,
    /// When the first of those who wait with a time limit is to be answered.
    pub deadline: Option<u64>,
    /// Handles with somebody who wants to know their events.
    pub watchers: BTreeSet<u64>,
}

/// How a request goes on.
pub enum Done {
    Now(Vec<u8>),
    Count(usize),
    Later,
}

impl<S> Terminal<S> {
    pub fn new(number: u32, owner: (u32, u32), size: WindowSize) -> Self {
        Self {
            number,
            owner,
            maker: owner.0,
            tty: Tty::new(size),
            masters: 0,
            slaves: 0,
            opened: false,
            generation: 0,
            attached: None,
            waiting: VecDeque::new(),
            deadline: None,
            watchers: BTreeSet::new(),
        }
    }

    pub fn slave_opened(&mut self) {
        self.slaves = self.slaves.saturating_add(1);
        self.opened = true;
    }

    /// Whether nothing comes from a handle any more, nor goes.
    pub fn is_over(&self, handle: &Handle) -> bool {
        match handle.role {
            Role::Master => self.opened && self.slaves == 0,
            Role::Slave | Role::Attribute(_, false) => {
                self.masters == 0 || handle.generation != self.generation
            }
            _ => false,
        }
    }

    pub fn readiness(&self, handle: &Handle) -> EventFlags {
        let mut ready = EventFlags::empty();
        let master = handle.role == Role::Master;
        let (read, write) = if master {
            (self.tty.has_output(), self.tty.takes(b' '))
        } else {
            (self.tty.is_readable(), self.tty.is_writable())
        };
        let over = self.is_over(handle);
        ready.set(EventFlags::EVENT_READ, read || over);
        ready.set(EventFlags::EVENT_WRITE, write || over);
        ready
    }

    /// The session and the group in the foreground.
    pub fn session(&self) -> Option<(u32, u32)> {
        self.attached
            .as_ref()
            .map(|attached| (attached.leader, attached.foreground))
    }

    /// A byte comes in.
    pub fn receive(&mut self, byte: u8, now: u64, sessions: &mut impl Sessions<Session = S>) {
        if let Some(signal) = self.take(byte, now) {
            self.signal(signal, sessions);
        }
    }

    /// Takes a byte of input, and answers the signal that it asks for.
    fn take(&mut self, byte: u8, now: u64) -> Option<u8> {
        self.tty.receive(byte, now).map(|signal| match signal {
            Signal::Interrupt => SIGINT,
            Signal::Quit => SIGQUIT,
            Signal::Suspend => SIGTSTP,
        })
    }

    /// Signals whoever is in the foreground.
    fn signal(&self, signal: u8, sessions: &mut impl Sessions<Session = S>) {
        if let Some(attached) = &self.attached {
            // A group that has ended takes no signal, and misses none.
            let _ = sessions.signal(&attached.session, signal, attached.foreground);
        }
    }

    pub fn resize(&mut self, size: WindowSize, sessions: &mut impl Sessions<Session = S>) {
        if self.tty.resize(size) {
            self.signal(SIGWINCH, sessions);
        }
    }

    /// Whether a process may do something that `signal` keeps the background from. Of a session whose
    /// terminal this is not, everybody may.
    ///
    /// # Errors
    /// `EINTR` for one that has been stopped; `EIO` where that would be for good, or for one that wants to
    /// read and does not mind the signal.
    pub fn may(
        &self,
        process: u32,
        signal: u8,
        sessions: &mut impl Sessions<Session = S>,
    ) -> Result<()> {
        let Some(attached) = &self.attached else {
            return Ok(());
        };
        let foreground = attached.foreground;
        match sessions.control(&attached.session, process, foreground, signal) {
            Ok(Control::Stopped) => Err(errno::EINTR),
            Ok(Control::Insensitive) if signal == SIGTTIN => Err(errno::EIO),
            Ok(Control::Orphaned) => Err(errno::EIO),
            Ok(Control::Foreground | Control::Insensitive) | Err(_) => Ok(()),
        }
    }

    /// Becomes a session's controlling terminal.
    ///
    /// # Errors
    /// `EPERM` unless its leader asks and the terminal is free; `EINVAL` for what is no session.
    pub fn attach(
        &mut self,
        caller: u32,
        session: S,
        serial: u64,
        sessions: &mut impl Sessions<Session = S>,
    ) -> Result<()> {
        if self.attached.is_some() {
            return Err(errno::EPERM);
        }
        let leader = sessions.leader(&session)?;
        if leader != caller {
            return Err(errno::EPERM);
        }
        self.attached = Some(Attached {
            session,
            leader,
            foreground: leader,
            serial,
        });
        Ok(())
    }

    /// The serial number of the session that a process leads.
    pub fn led_by(&self, caller: u32) -> Option<u64> {
        let attached = self.attached.as_ref()?;
        (attached.leader == caller).then_some(attached.serial)
    }

    /// Puts a group in the foreground.
    ///
    /// # Errors
    /// `ENOTTY` for a process of another session, `EPERM` for a group of another.
    pub fn set_foreground(
        &mut self,
        caller: u32,
        group: u32,
        sessions: &mut impl Sessions<Session = S>,
    ) -> Result<()> {
        let attached = self.attached.as_mut().ok_or(errno::ENOTTY)?;
        let (session, foreground) = (&attached.session, attached.foreground);
        match sessions.control(session, caller, foreground, SIGTTOU) {
            Ok(Control::Foreground | Control::Insensitive) => {}
            Ok(Control::Stopped) => return Err(errno::EINTR),
            Ok(Control::Orphaned) => return Err(errno::EIO),
            Err(_) => return Err(errno::ENOTTY),
        }
        sessions
            .signal(session, 0, group)
            .map_err(|_| errno::EPERM)?;
        attached.foreground = group;
        Ok(())
    }

    /// The other side is gone.
    pub fn cut_off(&mut self, sessions: &mut impl Sessions<Session = S>) {
        if let Some(attached) = self.attached.take() {
            let mut groups = BTreeSet::from([attached.leader]);
            groups.insert(attached.foreground);
            for group in groups {
                for signal in [SIGHUP, SIGCONT] {
                    let _ = sessions.signal(&attached.session, signal, group);
                }
            }
        }
    }

    /// The session's leader has ended, or has given the terminal up.
    pub fn session_ended(
        &mut self,
        serial: u64,
        is_console: bool,
        sessions: &mut impl Sessions<Session = S>,
    ) {
        if self
            .attached
            .as_ref()
            .is_none_or(|attached| attached.serial != serial)
        {
            return;
        }
        for signal in [SIGHUP, SIGCONT] {
            self.signal(signal, sessions);
        }
        self.attached = None;
        self.generation = self.generation.wrapping_add(1);
        self.slaves = 0;
        self.tty.reset();
        if is_console {
            self.owner = (0, 0);
        }
    }

    /// A read; it may wait.
    ///
    /// # Errors
    /// `EAGAIN` if it would have to and may not, `ENOMEM`.
    pub fn read(
        &mut self,
        handle: &Handle,
        tag: u32,
        room: usize,
        wait: bool,
        now: u64,
    ) -> Result<Done> {
        if room == 0 {
            return Ok(Done::Count(0));
        }
        let master = handle.role == Role::Master;
        if let Some(bytes) = self.try_read(master, handle.generation, room, now, now) {
            return Ok(Done::Now(bytes));
        }
        if !wait {
            if !master && self.tty.is_readable() {
                return Ok(Done::Now(self.tty.read(room)));
            }
            let nothing = !master && self.tty.reads_nothing();
            return if nothing {
                Ok(Done::Count(0))
            } else {
                Err(errno::EAGAIN)
            };
        }
        self.wait(tag, handle, What::Read { room, began: now })?;
        if let Wait::Until(at) = self.tty.poll(room, now, now) {
            self.deadline = Some(self.deadline.map_or(at, |first| first.min(at)));
        }
        Ok(Done::Later)
    }

    fn wait(&mut self, tag: u32, handle: &Handle, what: What) -> Result<()> {
        self.waiting.try_reserve(1).map_err(|_| errno::ENOMEM)?;
        self.waiting.push_back(Waiting {
            tag,
            master: handle.role == Role::Master,
            generation: handle.generation,
            what,
        });
        Ok(())
    }

    /// What a read gets, if it need not wait.
    fn try_read(
        &mut self,
        master: bool,
        generation: u32,
        room: usize,
        began: u64,
        now: u64,
    ) -> Option<Vec<u8>> {
        if master {
            let over = self.opened && self.slaves == 0;
            return (self.tty.has_output() || over).then(|| self.tty.take_output(room));
        }
        if generation != self.generation {
            return Some(Vec::new());
        }
        let ready = self.masters == 0 || self.tty.poll(room, began, now) == Wait::Ready;
        ready.then(|| self.tty.read(room))
    }

    /// A write; it may wait.
    ///
    /// # Errors
    /// `EIO` when nobody would see it, `EAGAIN` if it would have to wait and may not, `ENOMEM`.
    pub fn write(
        &mut self,
        handle: &Handle,
        tag: u32,
        bytes: &[u8],
        wait: bool,
        now: u64,
        sessions: &mut impl Sessions<Session = S>,
    ) -> Result<Done> {
        let master = handle.role == Role::Master;
        if !master && self.is_over(handle) {
            return Err(errno::EIO);
        }
        let done = if master {
            self.type_in(bytes, now, sessions)
        } else {
            self.tty.write(bytes)
        };
        let rest = bytes.get(done..).unwrap_or(&[]);
        match (rest.is_empty(), wait, done) {
            (true, ..) => Ok(Done::Count(done)),
            (_, false, 0) => Err(errno::EAGAIN),
            (_, false, _) => Ok(Done::Count(done)),
            (_, true, _) => {
                let mut bytes = Vec::new();
                bytes.try_reserve(rest.len()).map_err(|_| errno::ENOMEM)?;
                bytes.extend_from_slice(rest);
                self.wait(tag, handle, What::Write { bytes, done })?;
                Ok(Done::Later)
            }
        }
    }

    /// Input from the other side: as much as there is room for.
    fn type_in(
        &mut self,
        bytes: &[u8],
        now: u64,
        sessions: &mut impl Sessions<Session = S>,
    ) -> usize {
        let mut count = 0_usize;
        let mut sent = 0_u64;
        for byte in bytes {
            if !self.tty.takes(*byte) {
                break;
            }
            // A signal is sent once, however many bytes ask for it: whom it is pending for gets it once anyway.
            if let Some(signal) = self.take(*byte, now)
                && sent & 1 << signal == 0
            {
                sent |= 1 << signal;
                self.signal(signal, sessions);
            }
            count = count.saturating_add(1);
        }
        count
    }

    /// Answers whoever need not wait any longer.
    pub fn settle(
        &mut self,
        now: u64,
        sessions: &mut impl Sessions<Session = S>,
        effects: &mut Vec<Effect>,
    ) {
        loop {
            let before = self.waiting.len();
            let mut waiting = core::mem::take(&mut self.waiting);
            self.deadline = None;
            waiting.retain_mut(|one| !self.advance(one, now, sessions, effects));
            self.waiting = waiting;
            // Who reads makes room for who writes.
            if self.waiting.len() == before {
                return;
            }
        }
    }

    /// Goes on with a request; whether it is answered.
    fn advance(
        &mut self,
        one: &mut Waiting,
        now: u64,
        sessions: &mut impl Sessions<Session = S>,
        effects: &mut Vec<Effect>,
    ) -> bool {
        match &mut one.what {
            What::Read { room, began } => {
                match self.try_read(one.master, one.generation, *room, *began, now) {
                    Some(bytes) => {
                        effects.push(Effect::Reply(one.tag, Ok(bytes.len()), bytes));
                        true
                    }
                    None => {
                        if !one.master
                            && let Wait::Until(at) = self.tty.poll(*room, *began, now)
                        {
                            self.deadline = Some(self.deadline.map_or(at, |first| first.min(at)));
                        }
                        false
                    }
                }
            }
            What::Write { bytes, done } => {
                let over = !one.master && (self.masters == 0 || one.generation != self.generation);
                let count = match (one.master, over) {
                    (true, _) => self.type_in(bytes, now, sessions),
                    (false, true) => 0,
                    (false, false) => self.tty.write(bytes),
                };
                bytes.drain(..count);
                *done = done.saturating_add(count);
                let result = match (bytes.is_empty(), over, *done) {
                    (true, ..) => Ok(*done),
                    (_, true, 0) => Err(errno::EIO),
                    (_, true, done) => Ok(done),
                    _ => return false,
                };
                effects.push(Effect::Reply(one.tag, result, Vec::new()));
                true
            }
        }
    }

    /// Nobody has it open any more; who waits nevertheless, in a thread whose process has closed it, is told so.
    pub fn abandon(&mut self, effects: &mut Vec<Effect>) {
        for one in self.waiting.drain(..) {
            effects.push(given_up(one.tag, &one.what, errno::EBADF));
        }
    }

    /// Whoever asked does not wait any longer. Tells whether there was one.
    pub fn cancel(&mut self, tag: u32, effects: &mut Vec<Effect>) -> bool {
        let Some(place) = self.waiting.iter().position(|one| one.tag == tag) else {
            return false;
        };
        if let Some(one) = self.waiting.remove(place) {
            effects.push(given_up(tag, &one.what, errno::EINTR));
        }
        true
    }
}

/// The answer to a request that does not go on.
const fn given_up(tag: u32, what: &What, error: i32) -> Effect {
    let result = match what {
        What::Write { done, .. } if *done > 0 => Ok(*done),
        _ => Err(error),
    };
    Effect::Reply(tag, result, Vec::new())
}
