//! The tree of tables.

use super::{
    COUNT_ONE, ENTRIES, Entry, INDEX_BITS, LEVELS, PageRange, USER_END_PAGE, index_of, pages_of,
};
use crate::NoMemory;
use crate::frames::{Frame, Owner};
use crate::machine::Machine;

/// Where an entry is: a table and an index into it.
type Slot = (Frame, usize);

/// A page that was found by a walk. The page number is `usize::MAX` if there is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Found {
    page: usize,
    address: u64,
}

impl Found {
    const NONE: Self = Self {
        page: usize::MAX,
        address: 0,
    };
}

/// A table of level 0 and the way to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Leaf {
    /// What all its pages' numbers begin with: the number without the last nine bits.
    prefix: usize,
    /// The slots that point to the table of each level; the root has none.
    path: [Slot; LEVELS],
    table: Frame,
}

impl Leaf {
    /// The table and the slot that points to it.
    #[inline]
    const fn with_slot(&self) -> (Frame, Slot) {
        let [slot, ..] = self.path;
        (self.table, slot)
    }
}

/// A tree of page tables. Only the user half is ever changed here.
///
/// It remembers the last page that was looked up for reading and the last one for writing: the
/// kernel's copies go to the same few pages again and again. Every change of an entry forgets them.
/// It also remembers the last table that an entry was set in, as the next one is often there, until
/// any table may have been given back.
#[derive(Debug, PartialEq, Eq)]
pub struct PageTable {
    root: Frame,
    readable: Found,
    writable: Found,
    leaf: Option<Leaf>,
}

impl PageTable {
    /// An empty user half under a root that shares the kernel's half.
    ///
    /// # Errors
    /// No frame for the root.
    pub fn new<M: Machine>(m: &mut M) -> Result<Self, NoMemory> {
        let root = m.alloc(Owner::Table).ok_or(NoMemory)?;
        m.init_root(root);
        Ok(Self {
            root,
            readable: Found::NONE,
            writable: Found::NONE,
            leaf: None,
        })
    }

    /// The root table: what the processor's page-table register is loaded with.
    pub const fn root(&self) -> Frame {
        self.root
    }

    /// The entry of a user page.
    #[inline]
    pub fn get<M: Machine>(&self, m: &M, page: usize) -> Entry {
        let mut table = self.root;
        let mut level = LEVELS - 1;
        loop {
            let entry = Entry::from_bits(m.load(table, index_of(page, level)));
            if entry.is_empty() || level == 0 {
                return entry;
            }
            table = entry.table_frame();
            level = level.wrapping_sub(1);
        }
    }

    /// The physical address of a user page if it is memory and may be read, or written, as it is.
    #[inline(always)]
    pub fn translate<M: Machine>(&mut self, m: &M, page: usize, write: bool) -> Option<u64> {
        let found = if write {
            &self.writable
        } else {
            &self.readable
        };
        if found.page == page {
            return Some(found.address);
        }
        self.find(m, page, write)
    }

    #[inline(never)]
    fn find<M: Machine>(&mut self, m: &M, page: usize, write: bool) -> Option<u64> {
        if page >= USER_END_PAGE {
            return None;
        }
        let entry = self.get(m, page);
        let needed = if write {
            Entry::PRESENT | Entry::WRITE
        } else {
            Entry::PRESENT
        };
        if !entry.has(needed) || entry.has(Entry::DEVICE) {
            return None;
        }
        let found = if write {
            &mut self.writable
        } else {
            &mut self.readable
        };
        *found = Found {
            page,
            address: entry.address(),
        };
        Some(entry.address())
    }

    fn forget(&mut self) {
        self.readable = Found::NONE;
        self.writable = Found::NONE;
    }

    /// The first page of `range` that has an entry, and the entry.
    pub fn next<M: Machine>(&self, m: &M, range: PageRange) -> Option<(usize, Entry)> {
        let mut page = range.start;
        while page < range.end {
            let mut table = self.root;
            let mut level = LEVELS - 1;
            loop {
                let entry = Entry::from_bits(m.load(table, index_of(page, level)));
                if entry.is_empty() {
                    // On to the first page of the next entry of this table.
                    let step = pages_of(level);
                    page = (page & !step.wrapping_sub(1)).saturating_add(step);
                    break;
                }
                if level == 0 {
                    return Some((page, entry));
                }
                table = entry.table_frame();
                level = level.wrapping_sub(1);
            }
        }
        None
    }

    /// Sets the entry of a user page (not to [`Entry::EMPTY`]) and returns the one before. Tables
    /// are added as needed.
    ///
    /// # Errors
    /// No frame for a table; nothing has changed.
    pub fn set<M: Machine>(
        &mut self,
        m: &mut M,
        page: usize,
        entry: Entry,
    ) -> Result<Entry, NoMemory> {
        self.forget();
        debug_assert!(!entry.is_empty() && page < USER_END_PAGE);
        let (table, slot) = match &self.leaf {
            Some(leaf) if leaf.prefix == page >> INDEX_BITS => leaf.with_slot(),
            _ => self.leaf(m, page)?.with_slot(),
        };
        let index = index_of(page, 0);
        let old = Entry::from_bits(m.load(table, index));
        m.store(table, index, entry.bits());
        if old.is_empty() {
            add_one(m, slot);
        }
        Ok(old)
    }

    /// Sets the entries of a range of pages, none of which has one, to what `entries` says. It should
    /// have one for each; what is left when it has fewer stays empty.
    ///
    /// # Errors
    /// No frame for a table; the pages whose entries were taken from `entries` have been set.
    pub fn set_run<M: Machine>(
        &mut self,
        m: &mut M,
        range: PageRange,
        entries: &mut impl Iterator<Item = Entry>,
    ) -> Result<(), NoMemory> {
        self.forget();
        let mut page = range.start;
        while page < range.end {
            let Leaf { path, table, .. } = self.leaf(m, page)?;
            let last = range.end.min((page | (ENTRIES - 1)).saturating_add(1));
            let mut added = 0_i64;
            for entry in entries.take(last.saturating_sub(page)) {
                m.store(table, index_of(page, 0), entry.bits());
                added = added.saturating_add(1);
                page = page.saturating_add(1);
            }
            add_count(m, &path, 0, added);
            if page < last {
                self.prune(m, 0, &path);
                break;
            }
        }
        Ok(())
    }

    /// The table that holds the entry of a page. Tables are added as needed; the last may be empty.
    fn leaf<M: Machine>(&mut self, m: &mut M, page: usize) -> Result<Leaf, NoMemory> {
        let prefix = page >> INDEX_BITS;
        if let Some(leaf) = self.leaf.filter(|leaf| leaf.prefix == prefix) {
            return Ok(leaf);
        }
        let mut path: [Slot; LEVELS] = [(self.root, 0); LEVELS];
        let mut table = self.root;
        let mut level = LEVELS - 1;
        while level > 0 {
            let slot = (table, index_of(page, level));
            let mut next = Entry::from_bits(m.load(slot.0, slot.1));
            if next.is_empty() {
                let Some(frame) = m.alloc(Owner::Table) else {
                    self.prune(m, level, &path);
                    return Err(NoMemory);
                };
                m.zero(frame);
                next = Entry::table(frame, 0);
                m.store(slot.0, slot.1, next.bits());
                add_count(m, &path, level, 1);
            }
            level = level.wrapping_sub(1);
            if let Some(place) = path.get_mut(level) {
                *place = slot;
            }
            table = next.table_frame();
        }
        let leaf = Leaf {
            prefix,
            path,
            table,
        };
        self.leaf = Some(leaf);
        Ok(leaf)
    }

    /// Removes tables that hold nothing, from the table of `level` upwards.
    fn prune<M: Machine>(&mut self, m: &mut M, mut level: usize, path: &[Slot; LEVELS]) {
        self.leaf = None;
        while level < LEVELS - 1 {
            let Some(&(table, index)) = path.get(level) else {
                return;
            };
            let entry = Entry::from_bits(m.load(table, index));
            if entry.is_empty() || entry.count() != 0 {
                return;
            }
            m.store(table, index, 0);
            m.release(entry.table_frame());
            m.flush_tables(self.root);
            level = level.wrapping_add(1);
            add_count(m, path, level, -1);
        }
    }

    /// Calls `f` with every page of `range` that has an entry, in ascending order, and puts the
    /// entry it returns in place; [`Entry::EMPTY`] removes the page. Tables that become empty are
    /// given back. Takes a step for every entry of the tables under `range`.
    ///
    /// # Errors
    /// The first error of `f` ends the visit; pages before it have been changed.
    pub fn visit<M: Machine, E>(
        &mut self,
        m: &mut M,
        range: PageRange,
        f: &mut impl FnMut(&mut M, usize, Entry) -> Result<Entry, E>,
    ) -> Result<(), E> {
        self.forget();
        self.leaf = None;
        let mut removed = 0;
        let whole = Below {
            table: self.root,
            level: LEVELS - 1,
            first: 0,
            count: u64::MAX,
        };
        visit_table(m, self.root, whole, range, &mut removed, f)
    }

    /// As [`Self::visit`], and puts the second entry that `f` returns, which is not empty, into `other` at
    /// the same page, where there must be none.
    ///
    /// # Errors
    /// The first error of `f`, or no frame for a table of `other`, ends the visit; both entries of every page
    /// before are in place.
    pub fn visit_into<M: Machine, E: From<NoMemory>>(
        &mut self,
        m: &mut M,
        range: PageRange,
        other: &mut Self,
        f: &mut impl FnMut(&mut M, usize, Entry) -> Result<(Entry, Entry), E>,
    ) -> Result<(), E> {
        other.forget();
        let mut run = Run {
            prefix: usize::MAX,
            table: other.root,
            added: 0,
        };
        let visited = self.visit(m, range, &mut |m, page, entry| {
            if page >> INDEX_BITS != run.prefix {
                other.end_run(m, &mut run);
                run.table = other.leaf(m, page)?.table;
                run.prefix = page >> INDEX_BITS;
            }
            let (ours, theirs) = f(m, page, entry)?;
            m.store(run.table, index_of(page, 0), theirs.bits());
            run.added = run.added.wrapping_add(1);
            Ok::<_, E>(ours)
        });
        other.end_run(m, &mut run);
        visited
    }

    /// Counts what a run has added to the table that was looked up last. One that is empty still is given
    /// back.
    fn end_run<M: Machine>(&mut self, m: &mut M, run: &mut Run) {
        if let Some(leaf) = self.leaf
            && leaf.prefix == run.prefix
        {
            add_count(m, &leaf.path, 0, run.added);
            if run.added == 0 {
                self.prune(m, 0, &leaf.path);
            }
        }
        run.prefix = usize::MAX;
        run.added = 0;
    }

    /// Gives back tables of the user half, and calls `f` with every entry of theirs that names a page, until
    /// at least `limit` pages are gone; with the last of them the root, too, and the answer is `true`. A
    /// table is not left half empty, so that it may be up to 511 pages more. Nothing else can be done with
    /// the tables once this has begun.
    pub fn free_part<M: Machine>(
        &mut self,
        m: &mut M,
        limit: usize,
        f: &mut impl FnMut(&mut M, Entry),
    ) -> bool {
        let mut left = limit.max(1);
        let whole = Below {
            table: self.root,
            level: LEVELS - 1,
            first: 0,
            count: u64::MAX,
        };
        let done = free_table(m, whole, &mut left, f);
        if done {
            m.release(self.root);
        }
        done
    }
}

/// Entries that are being added to one table of level 0.
struct Run {
    /// As [`Leaf::prefix`]; all ones for none.
    prefix: usize,
    table: Frame,
    added: i64,
}

/// A table on the way down.
#[derive(Clone, Copy)]
struct Below {
    table: Frame,
    level: usize,
    /// The first page under it.
    first: usize,
    /// How many entries it has, as far as that is known: not more than that.
    count: u64,
}

impl Below {
    /// The table that its entry `entry` at `index` points to.
    const fn below(&self, index: usize, entry: Entry) -> Self {
        Self {
            table: entry.table_frame(),
            level: self.level.wrapping_sub(1),
            first: self
                .first
                .wrapping_add(pages_of(self.level).wrapping_mul(index)),
            count: entry.count(),
        }
    }

    /// How many of its entries may be for user pages.
    const fn entries(&self) -> usize {
        if self.level == LEVELS - 1 {
            ENTRIES / 2
        } else {
            ENTRIES
        }
    }
}

/// Frees what is under a table, but not the table itself. `false`: not all, because `left` is used up.
/// Recursion ends after [`LEVELS`].
fn free_table<M: Machine>(
    m: &mut M,
    at: Below,
    left: &mut usize,
    f: &mut impl FnMut(&mut M, Entry),
) -> bool {
    let mut entries = at.count;
    let mut index = 0;
    while index < at.entries() && entries > 0 {
        let entry = Entry::from_bits(m.load(at.table, index));
        if entry.is_empty() {
            index = m.find_entry(at.table, index.wrapping_add(1), at.entries());
            continue;
        }
        entries = entries.wrapping_sub(1);
        if at.level == 0 {
            *left = left.saturating_sub(1);
            f(m, entry);
        } else {
            if *left == 0 {
                return false;
            }
            let below = at.below(index, entry);
            if !free_table(m, below, left, f) {
                return false;
            }
            m.store(at.table, index, 0);
            m.release(below.table);
        }
        index = index.wrapping_add(1);
    }
    true
}

/// Counts one entry more of a table of level 0 in the slot that points to it.
#[inline]
fn add_one<M: Machine>(m: &mut M, (table, index): Slot) {
    let entry = m.load(table, index).wrapping_add(COUNT_ONE);
    m.store(table, index, entry);
}

/// Changes the number of entries of the table of `level` on `path` as its parent counts it.
fn add_count<M: Machine>(m: &mut M, path: &[Slot; LEVELS], level: usize, change: i64) {
    if level >= LEVELS - 1 {
        return;
    }
    if let Some(&(table, index)) = path.get(level) {
        let entry = m.load(table, index);
        let entry = entry.wrapping_add_signed(change.wrapping_mul(COUNT_ONE as i64));
        m.store(table, index, entry);
    }
}

/// Visits the part of `range` under a table of the space with this root; adds to `removed` how many of the table's own entries were
/// removed. Recursion ends after [`LEVELS`].
fn visit_table<M: Machine, E>(
    m: &mut M,
    root: Frame,
    at: Below,
    range: PageRange,
    removed: &mut u64,
    f: &mut impl FnMut(&mut M, usize, Entry) -> Result<Entry, E>,
) -> Result<(), E> {
    let Below {
        table,
        level,
        first,
        count,
    } = at;
    let covered = first.saturating_add(pages_of(level).saturating_mul(ENTRIES));
    let from = range.start.max(first);
    let last = range.end.min(covered).wrapping_sub(1);
    let mut index = index_of(from, level);
    let end = index_of(last, level).wrapping_add(1);
    // How many are still to come is known only from the table's beginning.
    let mut entries = if index == 0 { count } else { u64::MAX };
    while index < end && entries > 0 {
        let entry = Entry::from_bits(m.load(table, index));
        if entry.is_empty() {
            index = m.find_entry(table, index.wrapping_add(1), end);
            continue;
        }
        entries = entries.wrapping_sub(1);
        if level == 0 {
            let new = f(m, first.wrapping_add(index), entry)?;
            if new != entry {
                m.store(table, index, new.bits());
                *removed = removed.wrapping_add(u64::from(new.is_empty()));
            }
        } else {
            let below = at.below(index, entry);
            let mut gone = 0;
            let result = visit_table(m, root, below, range, &mut gone, f);
            if gone > 0 {
                let count = below.count.saturating_sub(gone);
                if count == 0 {
                    m.store(table, index, 0);
                    m.release(below.table);
                    m.flush_tables(root);
                    *removed = removed.wrapping_add(1);
                } else {
                    m.store(table, index, Entry::table(below.table, count).bits());
                }
            }
            result?;
        }
        index = index.wrapping_add(1);
    }
    Ok(())
}
