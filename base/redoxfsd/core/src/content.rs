//! Contents of files: records in memory, written back on commit.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use redoxfs::{BLOCK_SIZE, Disk, Node, RECORD_SIZE, Transaction, TreeData, TreePtr};
use redoxfs_errors::error::{self as errno, Error};
use treefs::{Region, Window};

use crate::shrink::shrink;

/// Most blocks that writing a record takes: its own and the lists that lead to it.
pub const RECORD_BLOCKS: u64 = RECORD_SIZE / BLOCK_SIZE + 5;

#[derive(Debug)]
struct Record {
    /// The beginning of it; the rest is zeros.
    bytes: Vec<u8>,
    dirty: bool,
    /// Blocks are set aside for writing it.
    reserved: bool,
    used: u64,
}

/// So many records of a file with no blocks set aside wait to be written at most, as far as that can be.
const MOST_TAKEN: u64 = 8;
/// What a record takes in memory besides its bytes, about.
const RECORD_COST: usize = 256;

/// Records in memory, by node and place.
#[derive(Debug)]
pub struct Records {
    records: BTreeMap<(u32, u64), Record>,
    bytes: usize,
    most: usize,
    clock: u64,
}

/// A piece of a range: the record, where in it the piece begins, how long it is.
pub fn pieces(offset: u64, len: usize) -> impl Iterator<Item = (u64, usize, usize)> {
    let (mut at, mut left) = (offset, len);
    core::iter::from_fn(move || {
        if left == 0 {
            return None;
        }
        let record = at.checked_div(RECORD_SIZE)?;
        let begin = at.checked_rem(RECORD_SIZE)? as usize;
        let count = left.min((RECORD_SIZE as usize).saturating_sub(begin));
        at = at.saturating_add(count as u64);
        left = left.saturating_sub(count);
        Some((record, begin, count))
    })
}

type Result<T> = core::result::Result<T, Error>;

impl Records {
    /// Keeps about `most` bytes that are on the disk too.
    pub const fn new(most: usize) -> Self {
        Self {
            records: BTreeMap::new(),
            bytes: 0,
            most,
            clock: 0,
        }
    }

    /// The record, read from the disk where the file's first `valid` bytes are.
    fn load<D: Disk>(
        &mut self,
        tx: &mut Transaction<'_, D>,
        key: (u32, u64),
        valid: u64,
    ) -> Result<&mut Record> {
        self.clock = self.clock.wrapping_add(1);
        if !self.records.contains_key(&key) {
            let start = key.1.saturating_mul(RECORD_SIZE);
            let len = valid.saturating_sub(start).min(RECORD_SIZE) as usize;
            let mut bytes = Vec::new();
            bytes
                .try_reserve_exact(len)
                .map_err(|_| Error::new(errno::ENOMEM))?;
            bytes.resize(len, 0);
            if len > 0 {
                let node = tx.read_tree(TreePtr::<Node>::new(key.0))?;
                tx.read_node_inner(&node, start, &mut bytes)?;
            }
            self.make_room(len);
            self.bytes = self.bytes.saturating_add(len).saturating_add(RECORD_COST);
            let record = Record {
                bytes,
                dirty: false,
                reserved: false,
                used: 0,
            };
            self.records.insert(key, record);
        }
        let record = self.records.get_mut(&key).ok_or(Error::new(errno::EIO))?;
        record.used = self.clock;
        Ok(record)
    }

    /// If `more` bytes do not fit: lets clean records go, oldest first, until they do and an eighth is free, so that
    /// this is done once for many.
    fn make_room(&mut self, more: usize) {
        if self.bytes.saturating_add(more) <= self.most {
            return;
        }
        let clean = self.records.iter().filter(|(_, record)| !record.dirty);
        let mut oldest: Vec<_> = clean.map(|(key, record)| (record.used, *key)).collect();
        oldest.sort_unstable();
        let kept = self.most.saturating_sub(self.most / 8);
        for (_, key) in oldest {
            if self.bytes.saturating_add(more) <= kept {
                return;
            }
            self.remove(key);
        }
    }

    fn remove(&mut self, key: (u32, u64)) {
        if let Some(record) = self.records.remove(&key) {
            let cost = record.bytes.len().saturating_add(RECORD_COST);
            self.bytes = self.bytes.saturating_sub(cost);
        }
    }

    /// Fills `buf` with what is at `offset` of a file, all of which is inside it.
    pub fn read<D: Disk>(
        &mut self,
        tx: &mut Transaction<'_, D>,
        (id, valid): (u32, u64),
        offset: u64,
        buf: &mut [u8],
    ) -> Result<()> {
        let mut rest = buf;
        for (number, begin, count) in pieces(offset, rest.len()) {
            let (now, later) = rest.split_at_mut_checked(count).unwrap_or_default();
            // Of a hole nothing is kept.
            let known = self.records.contains_key(&(id, number));
            if !known && number.saturating_mul(RECORD_SIZE) >= valid {
                now.fill(0);
                rest = later;
                continue;
            }
            let record = self.load(tx, (id, number), valid)?;
            let there = record.bytes.get(begin..).unwrap_or(&[]);
            let len = there.len().min(now.len());
            let (filled, zeros) = now.split_at_mut_checked(len).unwrap_or_default();
            filled.copy_from_slice(there.get(..len).unwrap_or(&[]));
            zeros.fill(0);
            rest = later;
        }
        Ok(())
    }

    /// Whether the record at a place waits to be written.
    pub fn is_dirty(&self, id: u32, number: u64) -> bool {
        self.records
            .get(&(id, number))
            .is_some_and(|record| record.dirty)
    }

    /// Whether blocks are set aside for writing the record at a place.
    pub fn is_reserved(&self, id: u32, number: u64) -> bool {
        self.records
            .get(&(id, number))
            .is_some_and(|record| record.dirty && record.reserved)
    }

    /// How many of a file's records wait to be written and have no blocks set aside.
    pub fn unreserved(&self, id: u32) -> u64 {
        let records = self.records.range((id, 0)..=(id, u64::MAX));
        records.filter(|(_, it)| it.dirty && !it.reserved).count() as u64
    }

    /// Blocks are set aside for so many of those, the first ones.
    pub fn grant(&mut self, id: u32, count: u64) {
        let records = self.records.range_mut((id, 0)..=(id, u64::MAX));
        let without = records.filter(|(_, it)| it.dirty && !it.reserved);
        for (_, record) in without.take(usize::try_from(count).unwrap_or(usize::MAX)) {
            record.reserved = true;
        }
    }

    /// Nothing is set aside any more.
    pub fn revoke(&mut self) {
        for record in self.records.values_mut() {
            record.reserved = false;
        }
    }

    /// Puts bytes into one record, for which blocks are set aside if `reserved`.
    pub fn write<D: Disk>(
        &mut self,
        tx: &mut Transaction<'_, D>,
        (id, valid): (u32, u64),
        (number, begin): (u64, usize),
        data: &[u8],
        reserved: bool,
    ) -> Result<()> {
        // What is written over need not be read.
        let covers = begin == 0 && data.len() as u64 == RECORD_SIZE;
        let record = self.load(tx, (id, number), if covers { 0 } else { valid })?;
        let end = begin.saturating_add(data.len());
        let more = end.saturating_sub(record.bytes.len());
        if more > 0 {
            record
                .bytes
                .try_reserve(more)
                .map_err(|_| Error::new(errno::ENOMEM))?;
            record.bytes.resize(end, 0);
        }
        if let Some(place) = record.bytes.get_mut(begin..end) {
            place.copy_from_slice(data);
        }
        record.dirty = true;
        record.reserved |= reserved;
        self.bytes = self.bytes.saturating_add(more);
        self.make_room(0);
        Ok(())
    }

    /// Makes the records what a window says of a file of `size` bytes, as far as they differ, with no blocks set aside
    /// for them, from the record at `from` on, until so many of them wait to be written that this has to be done first;
    /// answers where to go on then. `differ` is whether any do, also after an error.
    pub fn take_window<D: Disk, R: Region>(
        &mut self,
        tx: &mut Transaction<'_, D>,
        file: (u32, u64),
        (window, size): (&Window<R>, u64),
        from: u64,
        differ: &mut bool,
    ) -> Result<Option<u64>> {
        let (mut new, mut old) = (Vec::new(), Vec::new());
        let mut from = from;
        let mut taken = self.unreserved(file.0);
        while let Some(held) = window.held(from, size) {
            if taken >= MOST_TAKEN {
                return Ok(Some(from));
            }
            let number = held.start.checked_div(RECORD_SIZE).unwrap_or(0);
            let at = number.saturating_mul(RECORD_SIZE);
            let len = size.saturating_sub(at).min(RECORD_SIZE) as usize;
            for bytes in [&mut new, &mut old] {
                bytes.clear();
                bytes
                    .try_reserve(len)
                    .map_err(|_| Error::new(errno::ENOMEM))?;
                bytes.resize(len, 0);
            }
            self.read(tx, file, at, &mut old)?;
            new.copy_from_slice(&old);
            window.read(at, &mut new);
            if new != old {
                self.write(tx, file, (number, 0), &new, false)?;
                *differ = true;
                taken = taken.saturating_add(1);
            }
            from = at.saturating_add(RECORD_SIZE);
        }
        Ok(None)
    }

    /// The file ends at `size`: nothing is known of what was beyond.
    pub fn cut(&mut self, id: u32, size: u64) {
        let first = size.checked_div(RECORD_SIZE).unwrap_or(0);
        let within = size.checked_rem(RECORD_SIZE).unwrap_or(0) as usize;
        if let Some(record) = self.records.get_mut(&(id, first)) {
            let before = record.bytes.len();
            record.bytes.truncate(within);
            self.bytes = self
                .bytes
                .saturating_sub(before.saturating_sub(record.bytes.len()));
        }
        let from = if within == 0 {
            first
        } else {
            first.saturating_add(1)
        };
        let beyond: Vec<_> = self
            .records
            .range((id, from)..=(id, u64::MAX))
            .map(|(key, _)| *key)
            .collect();
        for key in beyond {
            self.remove(key);
        }
    }

    /// Nothing is to be written of a file, or known.
    pub fn forget(&mut self, id: u32) {
        self.cut(id, 0);
    }

    /// How much of a file of `size` bytes is in records that wait to be written, behind the first `valid` bytes,
    /// which have their blocks.
    pub fn waiting(&self, id: u32, valid: u64, size: u64) -> u64 {
        let records = self.records.range((id, 0)..=(id, u64::MAX));
        let waiting = records.filter(|(_, record)| record.dirty);
        waiting.fold(0, |sum: u64, ((_, number), _)| {
            let start = number.saturating_mul(RECORD_SIZE);
            let end = start.saturating_add(RECORD_SIZE).min(size);
            let len = end.saturating_sub(start.max(valid));
            sum.saturating_add(len.next_multiple_of(BLOCK_SIZE))
        })
    }

    /// Keeps the records of some nodes.
    pub fn retain(&mut self, stays: impl Fn(u32) -> bool) {
        self.records.retain(|(id, _), _| stays(*id));
        let costs = self.records.values();
        self.bytes = costs
            .map(|it| it.bytes.len().saturating_add(RECORD_COST))
            .sum();
    }

    /// Makes the node on the disk what the file is: `size` bytes, of which the disk's first `valid` are right
    /// where no record says otherwise. The node is changed in memory. At the first record that no blocks are set aside
    /// for it is `ENOSPC`.
    pub fn write_back<D: Disk>(
        &mut self,
        tx: &mut Transaction<'_, D>,
        node: &mut TreeData<Node>,
        size: u64,
        valid: u64,
    ) -> Result<()> {
        let id = node.id();
        if valid < node.data().size() {
            shrink(tx, node, valid)?;
        }
        let old = node.data().size();
        // The crate fills the last record with zeros when the file grows, which is for nothing if that
        // record is written anyway.
        let last = old.checked_div(RECORD_SIZE).unwrap_or(0);
        if size > old && old.checked_rem(RECORD_SIZE) != Some(0) && !self.is_dirty(id, last) {
            tx.truncate_node_inner(node, size)?;
        }
        let dirty = self.records.range_mut((id, 0)..=(id, u64::MAX));
        for ((_, number), record) in dirty.filter(|(_, record)| record.dirty) {
            if !record.reserved {
                return Err(Error::new(errno::ENOSPC));
            }
            let mut start = number.saturating_mul(RECORD_SIZE);
            let len = size.saturating_sub(start).min(RECORD_SIZE) as usize;
            let before = record.bytes.len();
            record
                .bytes
                .try_reserve(len.saturating_sub(before))
                .map_err(|_| Error::new(errno::ENOMEM))?;
            record.bytes.resize(len, 0);
            self.bytes = self.bytes.saturating_sub(before).saturating_add(len);
            tx.write_node_inner(node, &mut start, &record.bytes)?;
            (record.dirty, record.reserved) = (false, false);
        }
        if node.data().size() != size {
            tx.truncate_node_inner(node, size)?;
        }
        Ok(())
    }
}
