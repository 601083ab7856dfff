//! Calls and answers that go straight from one program to the other.
//!
//! Most calls find a thread of the daemon waiting, and most answers end the daemon's turn. Then all that takes
//! part is looked up once, all that could be against it is looked at first, and nothing is done unless all of
//! it can be. What is done here, [`submit`](super::submit), [`reply`](super::reply) and
//! [`socket`](super::socket) do as well, in every case: `None` says that they have to.

mod answer;
mod call;
mod place;

use crate::{descriptor::Entry, kernel::Kernel};

impl Kernel {
    /// Whether a program can go on in another's place: nothing else is to be done on the way out. (Where
    /// somebody has been handed something, there is attention to be paid.)
    #[inline(always)]
    const fn nothing_else_is_due(&self) -> bool {
        !(self.attention | self.chores.due)
    }

    /// The entry of a descriptor, if its lease is live.
    #[inline(always)]
    fn live_entry(&mut self, fd: usize) -> Option<Entry> {
        let entry = *self.tables.get(self.current_table)?.entries.get(fd)?;
        let live = entry.lease.is_none() || self.leases.is_live(entry.lease);
        live.then_some(entry)
    }
}
