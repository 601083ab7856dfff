//! What there is to a terminal besides its bytes.

use alloc::vec::Vec;

use gen_slab::Key;
use syscall::error as errno;
use tty_core::{Flow, Queues, Termios, WindowSize};

use crate::{
    Result, Server, Sessions,
    terminal::{SIGTTOU, Terminal},
};

/// What can be read or written about a terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attribute {
    Settings,
    Size,
    Foreground,
    Session,
    Flush,
    Flow,
    Available,
    Pending,
    Acquire,
}

impl Attribute {
    pub fn named(name: &[u8]) -> Option<Self> {
        Some(match name {
            b"termios" => Self::Settings,
            b"winsize" => Self::Size,
            b"pgrp" => Self::Foreground,
            b"sid" => Self::Session,
            b"flush" => Self::Flush,
            b"flow" => Self::Flow,
            b"nread" => Self::Available,
            b"outq" => Self::Pending,
            b"sctty" => Self::Acquire,
            _ => return None,
        })
    }
}

/// A number as its reader wants it.
fn number(value: usize, room: usize) -> Vec<u8> {
    if room < size_of::<u64>() {
        Vec::from((value as u32).to_ne_bytes())
    } else {
        Vec::from((value as u64).to_ne_bytes())
    }
}

/// A number as its writer gives it: the lower half counts.
fn parse_number(bytes: &[u8]) -> Result<u32> {
    let word = bytes.first_chunk().ok_or(errno::EINVAL)?;
    Ok(u32::from_ne_bytes(*word))
}

impl<S> Server<S> {
    /// Reads an attribute.
    pub(crate) fn get_attribute(
        &self,
        key: Key,
        attribute: Attribute,
        room: usize,
    ) -> Result<Vec<u8>> {
        let terminal = self.terminals.get(key).ok_or(errno::EBADF)?;
        let session = || terminal.session().ok_or(errno::ENOTTY);
        Ok(match attribute {
            Attribute::Settings => Vec::from(terminal.tty.settings().to_bytes()),
            Attribute::Size => Vec::from(terminal.tty.size().to_bytes()),
            Attribute::Foreground => number(session()?.1 as usize, room),
            Attribute::Session => number(session()?.0 as usize, room),
            Attribute::Available => number(terminal.tty.available(), room),
            Attribute::Pending => number(terminal.tty.pending_output(), room),
            Attribute::Flush | Attribute::Flow | Attribute::Acquire => return Err(errno::EINVAL),
        })
    }

    /// Writes an attribute, on behalf of a process; from the other side nobody is in the background.
    pub(crate) fn set_attribute(
        &mut self,
        key: Key,
        attribute: Attribute,
        master: bool,
        caller: u32,
        bytes: &[u8],
        sessions: &mut impl Sessions<Session = S>,
    ) -> Result<()> {
        let terminal = self.terminals.get_mut(key).ok_or(errno::EBADF)?;
        let mut may = |terminal: &Terminal<S>| match master {
            true => Ok(()),
            false => terminal.may(caller, SIGTTOU, sessions),
        };
        match attribute {
            Attribute::Settings => {
                let settings = Termios::from_bytes(bytes).ok_or(errno::EINVAL)?;
                may(terminal)?;
                terminal.tty.set(settings);
            }
            Attribute::Size => {
                let size = WindowSize::from_bytes(bytes).ok_or(errno::EINVAL)?;
                terminal.resize(size, sessions);
            }
            Attribute::Foreground => {
                return terminal.set_foreground(caller, parse_number(bytes)?, sessions);
            }
            Attribute::Flush => {
                let queues = match parse_number(bytes)? {
                    0 => Queues::Input,
                    1 => Queues::Output,
                    2 => Queues::Both,
                    _ => return Err(errno::EINVAL),
                };
                may(terminal)?;
                terminal.tty.flush(queues);
            }
            Attribute::Flow => {
                let flow = match parse_number(bytes)? {
                    0 => Flow::StopOutput,
                    1 => Flow::StartOutput,
                    2 => Flow::StopInput,
                    3 => Flow::StartInput,
                    _ => return Err(errno::EINVAL),
                };
                may(terminal)?;
                terminal.tty.flow(flow);
            }
            Attribute::Session | Attribute::Available | Attribute::Pending | Attribute::Acquire => {
                return Err(errno::EINVAL);
            }
        }
        Ok(())
    }
}
