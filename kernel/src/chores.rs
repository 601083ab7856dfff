//! What takes long and nobody waits for: it is done in parts, one on each way out of the kernel while there
//! is something left, and one after the other while nobody is ready to run.

use crate::{
    descriptor::{Description, FileTable},
    kernel::Kernel,
    scheme::proc::rings::{STEPS, Suspect},
};
use alloc::vec::Vec;
use kernel_core::{slab::Id, table::Table};

/// How many entries of tables are closed in one stay in the kernel, about.
const CLOSE_PART: u32 = 1024;
/// How many steps are taken in one stay of removing leases that have ended.
const LEASE_STEPS: usize = 1024;
/// With so many suspects one does not wait for a better moment.
const MANY_SUSPECTS: usize = 48;

/// What is left to do.
pub struct Chores {
    /// Something is to be done on this way out of the kernel.
    pub due: bool,
    /// Suspects are to be looked at.
    rings_due: bool,
    /// What may be out of everybody's reach.
    pub suspects: Vec<Suspect>,
    /// One of the large is to be looked at.
    large_due: bool,
    /// Suspects from which too much can be reached to look at it in one stay.
    pub large: Vec<Suspect>,
    /// How many references are followed from a large one in one stay.
    pub large_steps: usize,
    /// Tables that nobody has any more, and the processes that had them.
    tables: Vec<(Table<Description>, u32)>,
    /// How many entries may be closed before the rest is put off.
    close: u32,
}

impl Chores {
    /// None, with room for suspects.
    pub const fn new(suspects: Vec<Suspect>) -> Self {
        Self {
            due: false,
            rings_due: false,
            suspects,
            large_due: false,
            large: Vec::new(),
            large_steps: STEPS,
            tables: Vec::new(),
            close: CLOSE_PART,
        }
    }
}

impl Kernel {
    /// Whether something that has ended still takes memory.
    pub fn is_clearing(&self) -> bool {
        !self.chores.suspects.is_empty()
            || !self.chores.large.is_empty()
            || !self.chores.tables.is_empty()
            || self.leases.is_clearing()
            || self.memory.has_remains()
    }

    /// Sees to it that something is done on this way out, if there is something. `true`: there is.
    pub fn call_for_chores(&mut self) -> bool {
        let clearing = self.is_clearing();
        if clearing {
            self.chores.due = true;
            self.chores.rings_due = true;
            self.chores.large_due = !self.chores.large.is_empty();
        }
        clearing
    }

    /// Suspects are looked at by the end of the slice at the latest.
    pub fn note_suspect(&mut self) {
        if self.chores.suspects.len() >= MANY_SUSPECTS {
            self.chores.due = true;
            self.chores.rings_due = true;
        } else {
            self.arm_for_chores();
        }
    }

    /// Does a part of what there is to do.
    #[cold]
    pub fn do_chores(&mut self) {
        self.chores.due = false;
        self.chores.close = CLOSE_PART;
        while self.chores.close > 0
            && let Some((entries, pid)) = self.chores.tables.pop()
        {
            self.close_entries(entries, pid);
        }
        if core::mem::take(&mut self.chores.rings_due) && !self.end_rings() {
            self.chores.rings_due = true;
            self.chores.due = true;
        }
        if core::mem::take(&mut self.chores.large_due) && !self.end_large_ring() {
            self.chores.large_due = true;
            self.chores.due = true;
        }
        self.leases.clear_part(LEASE_STEPS);
        if self.memory.free_remains() || self.leases.is_clearing() {
            self.chores.due = true;
        }
    }

    /// What closes an entry has walked over all contexts: it counts as many entries.
    pub fn count_walk(&mut self) {
        const WALK: u32 = 128;
        self.chores.close = self.chores.close.saturating_sub(WALK);
    }

    /// Closes every entry of a table that was the process `pid`'s. Of a large one the rest is left for later.
    pub fn close_entries(&mut self, mut entries: Table<Description>, pid: u32) {
        loop {
            if self.chores.close == 0 && self.chores.tables.try_reserve(1).is_ok() {
                self.chores.tables.push((entries, pid));
                self.chores.due = true;
                return;
            }
            let Some((_, entry)) = entries.pop_first() else {
                return;
            };
            self.chores.close = self.chores.close.saturating_sub(1);
            self.detach(entry, pid);
            self.drop_entry(entry);
        }
    }

    /// Closes every entry of a table that may have handles.
    pub fn empty_table(&mut self, id: Id<FileTable>, pid: u32) {
        if let Some(table) = self.tables.get_mut(id) {
            let entries = core::mem::replace(&mut table.entries, Table::new());
            self.close_entries(entries, pid);
        }
    }
}
