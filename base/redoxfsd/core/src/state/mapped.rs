//! Files that others have mapped.

use alloc::collections::btree_map::Entry;

use redoxfs::Disk;
use treefs::{Error, NodeId, Region, Window};

use super::{Result, State, failed, number};

/// Most bytes of memory that is mapped, of all files together. All of it is compared with what is on the disk whenever
/// that is written, and nobody else is served meanwhile.
pub const MOST_MAPPED: u64 = 1 << 30;

/// The memory of a file that is mapped.
#[derive(Debug)]
pub struct Mapped<R> {
    pub window: Window<R>,
    /// Others may have written to it since it was looked at.
    writable: bool,
}

impl<D: Disk, R: Region> State<'_, '_, D, R> {
    /// See [`treefs::Store::map`].
    pub fn map(
        &mut self,
        node: NodeId,
        (offset, len): (u64, u64),
        writable: bool,
        payer: u32,
    ) -> Result<usize> {
        if writable {
            self.may_change()?;
        }
        let id = number(node);
        let cached = self.get(node)?;
        let (size, valid) = (cached.attr.size, cached.valid);
        let end = offset.checked_add(len).ok_or(Error::NoMemory)?;
        let mapped = match self.windows.entry(id) {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(entry) => entry.insert(Mapped {
                window: Window::new(end, size)?,
                writable: false,
            }),
        };
        let (tx, records) = (&mut *self.tx, &mut self.records);
        let room = self.of_mapped.room(payer);
        let cost = match mapped.window.missing(offset, len) {
            Ok(cost) if cost > room => Err(Error::NoMemory),
            cost => cost,
        };
        let made = cost.and_then(|cost| {
            let address = mapped.window.map(offset, len, payer, |at, piece| {
                let len = size.saturating_sub(at).min(piece.len() as u64);
                let piece = piece.get_mut(..len as usize).unwrap_or_default();
                records.read(tx, (id, valid), at, piece).map_err(failed)
            })?;
            Ok((address, cost))
        });
        match made {
            Ok((address, cost)) => {
                self.of_mapped.take_anyway(payer, cost);
                mapped.writable |= writable;
                Ok(address)
            }
            Err(error) => {
                if mapped.window.bytes() == 0 {
                    self.windows.remove(&id);
                }
                Err(error)
            }
        }
    }

    /// See [`treefs::Store::unmapped`]. What cannot be taken for the file's content now is when it is written next.
    pub fn unmapped(&mut self, node: NodeId) -> Result<()> {
        let id = number(node);
        let mapped = self.windows.get_mut(&id);
        if !mapped.is_some_and(|mapped| mapped.window.unmap()) {
            return Ok(());
        }
        self.look_at_window(id)?;
        self.close_window(id);
        Ok(())
    }

    /// Lets the memory of a file go that nobody has mapped, all of which has been looked at.
    pub fn close_window(&mut self, id: u32) {
        let mapped = self.windows.get(&id);
        if mapped.is_some_and(|mapped| !mapped.window.is_mapped()) {
            self.drop_window(id);
        }
    }

    /// Lets the memory of a file go.
    pub fn drop_window(&mut self, id: u32) {
        if let Some(mapped) = self.windows.remove(&id) {
            for (payer, bytes) in mapped.window.payers() {
                self.of_mapped.give_back(payer, bytes);
            }
        }
    }

    /// Takes what others have written to a mapped file for its content. Of much of it some is written to the disk
    /// meanwhile.
    pub fn look_at_window(&mut self, id: u32) -> Result<()> {
        let mut from = 0;
        while let Some(next) = self.look_at_some(id, from)? {
            from = next;
            self.write_out()?;
            if self.unwritten.contains_key(&id) {
                // What that has freed is there now for what did not fit.
                self.write_out()?;
            }
            if let Some(error) = self.unwritten.get(&id) {
                return Err(*error);
            }
        }
        Ok(())
    }

    /// Begins at a place; answers where to go on when what has been taken is written.
    fn look_at_some(&mut self, id: u32, from: u64) -> Result<Option<u64>> {
        let Some(cached) = self.nodes.get(&id) else {
            return Ok(None);
        };
        let (size, valid) = (cached.attr.size, cached.valid);
        let Some(mapped) = self.windows.get(&id).filter(|mapped| mapped.writable) else {
            return Ok(None);
        };
        let mut differ = false;
        let window = (&mapped.window, size);
        let taken = self
            .records
            .take_window(self.tx, (id, valid), window, from, &mut differ);
        if differ && let Some(cached) = self.nodes.get_mut(&id) {
            // It was at some time since this was last done.
            cached.attr.touch(self.now);
        }
        // Also what did not fit when this was last done.
        if differ || self.records.unreserved(id) > 0 {
            if self.dirty.insert(id) {
                self.unreserved.insert(id);
            }
            self.changed = true;
        }
        taken.map_err(failed)
    }
}
