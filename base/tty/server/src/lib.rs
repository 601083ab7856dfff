//! Requests of the scheme protocol, answered from terminals.
//!
//! One server is either the console (one terminal, whose other side is the daemon itself) or a scheme of
//! pseudo-terminals, whose other sides are descriptors too:
//!
//! | path | console | pseudo-terminals |
//! |---|---|---|
//! | empty | the terminal | a new terminal's master |
//! | `N` | | terminal N |
//!
//! `dup` with a name gives what else there is to a terminal. Values are read and written as the
//! structures of `<termios.h>` and `<sys/ioctl.h>`, numbers as 4 bytes (8, if there is room).
//!
//! | name | of | is |
//! |---|---|---|
//! | `termios` | both sides | `struct termios` |
//! | `winsize` | both | `struct winsize` |
//! | `pgrp` | both | the group in the foreground |
//! | `sid` | both | the session |
//! | `flush` | both | written: `TCIFLUSH` and the like |
//! | `flow` | both | written: `TCOOFF` and the like |
//! | `nread`, `outq` | both | how much input, and output, waits |
//! | `sctty` | terminal | is sent a session's descriptor (`cap_abi::session`) by its leader: this is its controlling terminal |
//! | `controlling` | terminal | for the process manager to keep, and nobody else: when it goes, so has the session |
//! | `lent` | terminal | for the process manager to give the session's processes, who can only `dup` it |
//! | `tty` | terminal, lent | the terminal, opened again |
//! | `slave` | master | the terminal |
//!
//! A terminal is its owner's to open, and the superuser's. After its session, every descriptor of it is
//! at its end (`read` 0, `write` `EIO`), so that who logs in next is alone with it.
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

mod attribute;
mod request;
mod terminal;

use alloc::vec::Vec;

use cap_abi::session::Control;
use gen_slab::{Key, Slab};
use syscall::{error as errno, flag::EventFlags};
use tty_core::WindowSize;
use user_shares::{SUPERUSER, Shares};

use terminal::{Handle, Role, Terminal};

type Result<T> = core::result::Result<T, i32>;

/// What is asked of the process manager. None of it waits for anything but that.
///
/// What [`Sessions::receive`] takes may be a descriptor of anything, also of this server itself:
/// [`Sessions::leader`] asks nobody but the process manager, and nothing else is asked before it has answered.
pub trait Sessions {
    /// A session's descriptor; closed when dropped.
    type Session;
    /// Takes the descriptor that is being sent with a request.
    ///
    /// # Errors
    /// An error number.
    fn receive(&mut self, tag: u32) -> Result<Self::Session>;
    /// Who leads a session.
    ///
    /// # Errors
    /// `EINVAL` for what is no session's descriptor.
    fn leader(&mut self, session: &Self::Session) -> Result<u32>;
    /// Signals a group of a session. Signal 0 only asks whether it is one.
    ///
    /// # Errors
    /// An error number.
    fn signal(&mut self, session: &Self::Session, signal: u8, group: u32) -> Result<()>;
    /// Whether a process may use the terminal; stops it by a signal if not.
    ///
    /// # Errors
    /// An error number, for a process of another session.
    fn control(
        &mut self,
        session: &Self::Session,
        process: u32,
        foreground: u32,
        signal: u8,
    ) -> Result<Control>;
}

/// What is said to somebody who is not being answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// A request that waited has its answer, with these bytes.
    Reply(u32, Result<usize>, Vec<u8>),
    /// These events hold of a handle from now on.
    Event(u64, EventFlags),
}

/// What a server serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Console,
    Pty,
}

/// Most handles at once.
const HANDLES: u64 = 1 << 16;
/// Most pseudo-terminals at once, and the part (1 in so many) of one user who is not the superuser.
const TERMINALS: u64 = 1 << 12;
const USERS_PART: u64 = 16;

/// Terminals and their handles.
pub struct Server<S> {
    kind: Kind,
    name: &'static str,
    /// What `st_dev` says.
    device: u64,
    terminals: Slab<Terminal<S>>,
    handles: Slab<Handle>,
    /// Terminals count for who made them, whoever they belong to now.
    of_terminals: Shares,
    of_handles: Shares,
    effects: Vec<Effect>,
    /// The number of the next session that gets a terminal.
    serial: u64,
}

impl<S> Server<S> {
    const fn new(kind: Kind, name: &'static str, device: u64) -> Self {
        Self {
            kind,
            name,
            device,
            terminals: Slab::new(),
            handles: Slab::new(),
            of_terminals: Shares::in_parts(TERMINALS, USERS_PART),
            of_handles: Shares::new(HANDLES),
            effects: Vec::new(),
            serial: 0,
        }
    }

    /// Serves pseudo-terminals under this scheme's name. `device` is what `st_dev` says of them, which no other daemon may
    /// have: by that and `st_ino` programs tell whether two files are one.
    #[must_use]
    pub const fn pseudo(name: &'static str, device: u64) -> Self {
        Self::new(Kind::Pty, name, device)
    }

    /// Serves a console under this scheme's name, with `device` as for [`Server::pseudo`]. Input is [`Server::input`],
    /// output [`Server::output`].
    ///
    /// # Errors
    /// `ENOMEM`.
    pub fn console(name: &'static str, device: u64, size: WindowSize) -> Result<Self> {
        let mut server = Self::new(Kind::Console, name, device);
        let mut terminal = Terminal::new(0, (0, 0), size);
        // The line is its other side, and does not go.
        terminal.masters = 1;
        server.add_terminal(terminal)?;
        Ok(server)
    }

    /// Makes the scheme's root.
    ///
    /// # Errors
    /// `ENOMEM`.
    pub fn root(&mut self) -> Result<u64> {
        self.open_handle(SUPERUSER, None, Role::Root, true, true)
    }

    /// What is to be said since this was last asked.
    pub fn take_effects(&mut self) -> Vec<Effect> {
        core::mem::take(&mut self.effects)
    }

    fn add_terminal(&mut self, terminal: Terminal<S>) -> Result<Key> {
        let maker = terminal.maker;
        if !self.of_terminals.take(maker, 1) {
            return Err(errno::ENOSPC);
        }
        self.terminals.insert(terminal).map_err(|_| {
            self.of_terminals.give_back(maker, 1);
            errno::ENOMEM
        })
    }

    fn remove_terminal(&mut self, key: Key) -> Option<Terminal<S>> {
        let terminal = self.terminals.remove(key)?;
        self.of_terminals.give_back(terminal.maker, 1);
        Some(terminal)
    }

    fn open_handle(
        &mut self,
        user: u32,
        terminal: Option<Key>,
        role: Role,
        read: bool,
        write: bool,
    ) -> Result<u64> {
        if !self.of_handles.take(user, 1) {
            return Err(errno::ENFILE);
        }
        let generation = match terminal.and_then(|key| self.terminals.get_mut(key)) {
            Some(terminal) => {
                match role {
                    Role::Master => terminal.masters = terminal.masters.saturating_add(1),
                    Role::Slave => terminal.slave_opened(),
                    _ => {}
                }
                terminal.generation
            }
            None => 0,
        };
        let handle = Handle {
            user,
            terminal,
            role,
            generation,
            read,
            write,
            asked: EventFlags::empty(),
        };
        match self.handles.insert(handle) {
            Ok(key) => Ok(key.raw()),
            Err(handle) => {
                self.uncount(&handle);
                Err(errno::ENOMEM)
            }
        }
    }

    /// Takes a handle out of its user's and its terminal's counts.
    fn uncount(&mut self, handle: &Handle) {
        self.of_handles.give_back(handle.user, 1);
        let Some(terminal) = handle.terminal.and_then(|key| self.terminals.get_mut(key)) else {
            return;
        };
        match handle.role {
            Role::Master => terminal.masters = terminal.masters.saturating_sub(1),
            Role::Slave if handle.generation == terminal.generation => {
                terminal.slaves = terminal.slaves.saturating_sub(1);
            }
            _ => {}
        }
    }

    /// Input of the console comes in at a time, in nanoseconds.
    pub fn input(&mut self, bytes: &[u8], now: u64, sessions: &mut impl Sessions<Session = S>) {
        let Some((key, _)) = self.terminals.iter().next() else {
            return;
        };
        if let Some(terminal) = self.terminals.get_mut(key) {
            for byte in bytes {
                terminal.receive(*byte, now, sessions);
            }
        }
        self.settle(key, now, sessions);
    }

    /// Takes what the console is to show.
    pub fn output(&mut self, now: u64, sessions: &mut impl Sessions<Session = S>) -> Vec<u8> {
        let Some((key, _)) = self.terminals.iter().next() else {
            return Vec::new();
        };
        let Some(terminal) = self.terminals.get_mut(key) else {
            return Vec::new();
        };
        let bytes = terminal.tty.take_output(usize::MAX);
        if !bytes.is_empty() {
            self.settle(key, now, sessions);
        }
        bytes
    }

    /// When the next read's time is up, in nanoseconds.
    #[must_use]
    pub fn deadline(&self) -> Option<u64> {
        let deadlines = self.terminals.iter();
        deadlines
            .filter_map(|(_, terminal)| terminal.deadline)
            .min()
    }

    /// It is so late: answers the reads whose time is up.
    pub fn tick(&mut self, now: u64, sessions: &mut impl Sessions<Session = S>) {
        let due: Vec<Key> = self
            .terminals
            .iter()
            .filter(|(_, terminal)| terminal.deadline.is_some_and(|at| at <= now))
            .map(|(key, _)| key)
            .collect();
        for key in due {
            self.settle(key, now, sessions);
        }
    }

    /// How many terminals and handles there are.
    #[must_use]
    pub fn counts(&self) -> (usize, usize) {
        (self.terminals.len(), self.handles.len())
    }

    /// Something has changed about a terminal: whoever waits for that is told.
    fn settle(&mut self, key: Key, now: u64, sessions: &mut impl Sessions<Session = S>) {
        if let Some(terminal) = self.terminals.get_mut(key) {
            terminal.settle(now, sessions, &mut self.effects);
            let watchers: Vec<u64> = terminal.watchers.iter().copied().collect();
            for raw in watchers {
                self.report(raw);
            }
        }
    }

    /// Tells a handle's watchers what holds of it.
    fn report(&mut self, raw: u64) {
        let Some(handle) = self.handles.get(Key::from_raw(raw)) else {
            return;
        };
        let terminal = handle.terminal.and_then(|key| self.terminals.get(key));
        let ready = terminal.map_or(EventFlags::empty(), |terminal| terminal.readiness(handle));
        let told = ready & handle.asked;
        if !told.is_empty() {
            self.effects.push(Effect::Event(raw, told));
        }
    }

    fn close(&mut self, raw: u64, now: u64, sessions: &mut impl Sessions<Session = S>) {
        let Some(handle) = self.handles.remove(Key::from_raw(raw)) else {
            return;
        };
        self.uncount(&handle);
        let Some(key) = handle.terminal else {
            return;
        };
        let kind = self.kind;
        let Some(terminal) = self.terminals.get_mut(key) else {
            return;
        };
        terminal.watchers.remove(&raw);
        match handle.role {
            Role::Master if terminal.masters == 0 => terminal.cut_off(sessions),
            Role::Controlling(serial) => {
                terminal.session_ended(serial, kind == Kind::Console, sessions);
            }
            _ => {}
        }
        self.settle(key, now, sessions);
        if kind == Kind::Pty {
            self.forget_if_unused(key);
        }
    }

    fn forget_if_unused(&mut self, key: Key) {
        let Some(terminal) = self.terminals.get(key) else {
            return;
        };
        if terminal.masters == 0
            && !self
                .handles
                .iter()
                .any(|(_, handle)| handle.terminal == Some(key))
            && let Some(mut terminal) = self.remove_terminal(key)
        {
            terminal.abandon(&mut self.effects);
        }
    }
}
