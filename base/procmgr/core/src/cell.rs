//! What a confined process can name.
//!
//! A cell is a set of processes that know only each other and the cells made inside. Whoever is in none
//! knows everybody. A process enters a new cell by its own request, or by that of whoever makes it
//! before it starts, and its children are born where it is.

use alloc::rc::Rc;

use syscall::error as errno;

use crate::{
    manager::{ESRCH, Errno, Manager},
    process::{Pid, Process},
};

/// How deep cells may be in each other.
const DEPTH_MAX: u8 = 16;

/// A cell, with those it is in.
#[derive(Debug)]
pub(crate) struct Cell {
    around: Option<Rc<Self>>,
    depth: u8,
}

impl Process {
    /// Whether this process can name the other one.
    pub fn reaches(&self, other: &Self) -> bool {
        let Some(own) = &self.cell else { return true };
        let mut cell = other.cell.as_ref();
        while let Some(at) = cell {
            if Rc::ptr_eq(at, own) {
                return true;
            }
            cell = at.around.as_ref();
        }
        false
    }
}

impl<T> Manager<T> {
    /// Puts a process in a new cell inside its present one.
    ///
    /// # Errors
    /// `EAGAIN` when that would be too deep; `ESRCH`.
    pub(crate) fn confine(&mut self, pid: Pid) -> Result<(), Errno> {
        let process = self.live_mut(pid)?;
        let around = process.cell.take();
        let depth = around
            .as_ref()
            .map_or(0, |cell| cell.depth.saturating_add(1));
        if depth >= DEPTH_MAX {
            process.cell = around;
            return Err(Errno(errno::EAGAIN));
        }
        process.cell = Some(Rc::new(Cell { around, depth }));
        Ok(())
    }

    /// Another process that the caller can name; `ESRCH`, as if there were none, if it cannot.
    pub(crate) fn named(&self, caller: Pid, target: Pid) -> Result<&Process, Errno> {
        let from = self.find(caller).ok_or(ESRCH)?;
        self.find(target).filter(|to| from.reaches(to)).ok_or(ESRCH)
    }

    /// Whether a process can name its session's leader: otherwise the session is not its own.
    pub(crate) fn owns_session(&self, process: &Process) -> bool {
        process.cell.is_none()
            || self
                .find(process.sid)
                .is_some_and(|leader| process.reaches(leader))
    }

    /// Whether the caller can name a member of a group.
    pub(crate) fn knows_group(&self, caller: &Process, group: Pid) -> bool {
        caller.cell.is_none()
            || self.groups.get(&group).is_some_and(|members| {
                let mut members = members.iter().filter_map(|pid| self.find(*pid));
                members.any(|member| caller.reaches(member))
            })
    }
}
