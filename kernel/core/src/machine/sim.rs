//! A machine of vectors: counted frames, injected failures, and a translation cache that remembers
//! everything until told to forget.

use std::boxed::Box;
use std::collections::{BTreeMap, BTreeSet};
use std::vec::Vec;

use super::Machine;
use crate::frames::{Frame, Owner};
use crate::paging::{ENTRIES, Entry, LEVELS, PAGE_SHIFT, PAGE_SIZE, index_of};

/// What the kernel half of every root holds.
pub const KERNEL_ENTRY: u64 = 0x7777_0003;

/// A frame in use.
#[derive(Debug)]
pub struct SimFrame {
    /// How many references it has.
    pub references: u32,
    /// What it is for.
    pub owner: Owner,
    /// What is in it.
    pub data: Box<[u8; PAGE_SIZE]>,
}

/// The machine.
#[derive(Debug, Default)]
pub struct Sim {
    /// Frames in use, by number.
    pub frames: BTreeMap<u32, SimFrame>,
    next: u32,
    /// So many more allocations succeed, then all fail; `None` for no limit.
    pub budget: Option<usize>,
    /// Cached translations: (root, page) to the entry at the time.
    pub cache: BTreeMap<(Frame, usize), Entry>,
    /// How many frames were copied.
    pub copies: usize,
    /// How often all translations of a space were forgotten.
    pub full_flushes: usize,
    /// Tables of spaces that exist, which were given back and that the processor may still know.
    pub stale_tables: Vec<Frame>,
    roots: BTreeSet<Frame>,
}

impl Sim {
    /// One without any frame in use.
    pub fn new() -> Self {
        Self {
            next: 1,
            ..Self::default()
        }
    }

    /// How many frames are in use for this.
    pub fn live(&self, owner: Owner) -> usize {
        self.frames
            .values()
            .filter(|frame| frame.owner == owner)
            .count()
    }

    fn spend(&mut self) -> bool {
        match &mut self.budget {
            None => true,
            Some(0) => false,
            Some(left) => {
                *left -= 1;
                true
            }
        }
    }

    fn add(&mut self, number: u32, owner: Owner) {
        // Fresh memory is not zero, so that a missing `zero` shows.
        let data = Box::new([0xa5; PAGE_SIZE]);
        self.frames.insert(
            number,
            SimFrame {
                references: 1,
                owner,
                data,
            },
        );
    }

    fn data(&self, address: u64) -> &[u8] {
        let frame = Frame::containing(address).unwrap();
        &self.frames[&frame.number()].data[address as usize % PAGE_SIZE..]
    }

    fn data_mut(&mut self, address: u64) -> &mut [u8] {
        let frame = Frame::containing(address).unwrap();
        let frame = self.frames.get_mut(&frame.number()).unwrap();
        &mut frame.data[address as usize % PAGE_SIZE..]
    }

    /// The entries of the user half below `root`: (page, entry), after checking the tables' shape.
    pub fn walk(&self, root: Frame) -> Vec<(usize, Entry)> {
        for index in ENTRIES / 2..ENTRIES {
            assert_eq!(
                self.load(root, index),
                KERNEL_ENTRY,
                "kernel half of {root:?}"
            );
        }
        let mut found = Vec::new();
        self.walk_table(root, LEVELS - 1, 0, &mut found);
        found
    }

    fn walk_table(&self, table: Frame, level: usize, first: usize, out: &mut Vec<(usize, Entry)>) {
        let user = if level == LEVELS - 1 {
            ENTRIES / 2
        } else {
            ENTRIES
        };
        for index in 0..user {
            let entry = Entry::from_bits(self.load(table, index));
            if entry.is_empty() {
                continue;
            }
            let page = first + (index << (9 * level));
            if level == 0 {
                out.push((page, entry));
                continue;
            }
            let below = entry.frame().unwrap();
            assert_eq!(self.frames[&below.number()].owner, Owner::Table);
            let held = (0..ENTRIES).filter(|&i| self.load(below, i) != 0).count();
            assert!(held > 0, "an empty table at page {page:#x}, level {level}");
            assert_eq!(
                held as u64,
                (entry.bits() >> 52) & 0x3ff,
                "count at level {level}"
            );
            self.walk_table(below, level - 1, page, out);
        }
    }

    /// Accesses a page as the processor would: by the cached translation if there is one.
    pub fn cpu_access(&mut self, root: Frame, address: usize, write: bool) -> Option<u64> {
        let page = address >> PAGE_SHIFT;
        let allows = |entry: &Entry| {
            entry.has(Entry::PRESENT | Entry::USER) && (!write || entry.has(Entry::WRITE))
        };
        let entry = match self.cache.get(&(root, page)) {
            Some(&entry) if allows(&entry) => entry,
            _ => {
                let mut table = root;
                for level in (1..LEVELS).rev() {
                    let entry = Entry::from_bits(self.load(table, index_of(page, level)));
                    if entry.is_empty() {
                        return None;
                    }
                    table = entry.frame().unwrap();
                }
                let entry = Entry::from_bits(self.load(table, index_of(page, 0)));
                if !allows(&entry) {
                    return None;
                }
                self.cache.insert((root, page), entry);
                entry
            }
        };
        Some(entry.address() + (address % PAGE_SIZE) as u64)
    }
}

impl Machine for Sim {
    fn alloc(&mut self, owner: Owner) -> Option<Frame> {
        if !self.spend() {
            return None;
        }
        let number = self.next;
        self.next += 1;
        self.add(number, owner);
        Some(Frame::new(number))
    }

    fn alloc_contiguous(&mut self, order: u8, owner: Owner) -> Option<Frame> {
        if !self.spend() {
            return None;
        }
        let count = 1 << order;
        let first = self.next.next_multiple_of(count);
        self.next = first + count;
        for number in first..self.next {
            self.add(number, owner);
        }
        Some(Frame::new(first))
    }

    fn retain(&mut self, frame: Frame) -> bool {
        self.frames.get_mut(&frame.number()).unwrap().references += 1;
        true
    }

    fn release(&mut self, frame: Frame) {
        let record = self
            .frames
            .get_mut(&frame.number())
            .expect("release of a free frame");
        record.references -= 1;
        if record.references > 0 {
            return;
        }
        let gone = self.frames.remove(&frame.number()).unwrap();
        if self.roots.remove(&frame) {
            self.stale_tables.clear();
        } else if gone.owner == Owner::Table {
            self.stale_tables.push(frame);
        }
    }

    fn references(&self, frame: Frame) -> u32 {
        self.frames
            .get(&frame.number())
            .map_or(0, |frame| frame.references)
    }

    fn zero(&mut self, frame: Frame) {
        self.data_mut(frame.address()).fill(0);
    }

    fn copy_frame(&mut self, from: Frame, to: Frame) {
        self.copies += 1;
        let data = *self.frames[&from.number()].data;
        self.data_mut(to.address()).copy_from_slice(&data);
    }

    fn load(&self, table: Frame, index: usize) -> u64 {
        let at = table.address() + 8 * index as u64;
        u64::from_le_bytes(self.data(at)[..8].try_into().unwrap())
    }

    fn store(&mut self, table: Frame, index: usize, entry: u64) {
        let at = table.address() + 8 * index as u64;
        self.data_mut(at)[..8].copy_from_slice(&entry.to_le_bytes());
    }

    fn init_root(&mut self, root: Frame) {
        self.roots.insert(root);
        self.zero(root);
        for index in ENTRIES / 2..ENTRIES {
            self.store(root, index, KERNEL_ENTRY);
        }
    }

    fn read(&self, address: u64, into: &mut [u8]) {
        into.copy_from_slice(&self.data(address)[..into.len()]);
    }

    fn write(&mut self, address: u64, from: &[u8]) {
        self.data_mut(address)[..from.len()].copy_from_slice(from);
    }

    fn copy(&mut self, from: u64, to: u64, len: usize) {
        let bytes = self.data(from)[..len].to_vec();
        self.write(to, &bytes);
    }

    fn flush_tables(&mut self, _root: Frame) {
        self.stale_tables.clear();
    }

    fn flush_page(&mut self, root: Frame, address: usize) {
        self.stale_tables.clear();
        self.cache.remove(&(root, address >> PAGE_SHIFT));
    }

    fn flush_all(&mut self, root: Frame) {
        self.stale_tables.clear();
        self.full_flushes += 1;
        self.cache.retain(|&(cached, _), _| cached != root);
    }
}
