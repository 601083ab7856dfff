//! The first page tables: four levels, 2 MiB pages where they fit, everything writable and
//! executable. They live only until the kernel has its own.

use crate::{LARGE_PAGE, PAGE};

const PRESENT: u64 = 1 << 0;
const WRITABLE: u64 = 1 << 1;
const LARGE: u64 = 1 << 7;
const ADDRESS: u64 = 0x000f_ffff_ffff_f000;

/// Where table frames come from and how they are reached.
pub trait Tables {
    /// The physical address of a zeroed frame, or `None` when there is no more memory.
    fn allocate(&mut self) -> Option<u64>;
    /// The entry `index` (below 512) of the table at physical address `table`.
    fn read(&self, table: u64, index: usize) -> u64;
    /// Sets that entry.
    fn write(&mut self, table: u64, index: usize, entry: u64);
}

/// Why a range cannot be mapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MapError {
    /// No frame for a table.
    NoMemory,
    /// The range is not page-aligned, wraps around, or is not canonical.
    BadRange,
    /// This virtual address is mapped to something else already.
    Taken(u64),
}

/// A hierarchy of page tables.
#[derive(Clone, Copy, Debug)]
pub struct Space {
    root: u64,
}

impl Space {
    /// An empty one.
    pub fn new(tables: &mut impl Tables) -> Result<Self, MapError> {
        let root = tables.allocate().ok_or(MapError::NoMemory)?;
        Ok(Self { root })
    }

    /// The physical address of the top table, for CR3.
    pub const fn root(&self) -> u64 {
        self.root
    }

    /// Maps `len` bytes at `virt` to `phys`, all multiples of [`PAGE`]. Mapping a page again to the
    /// same place changes nothing. On an error, part of the range may be mapped.
    pub fn map(
        &self,
        tables: &mut impl Tables,
        virt: u64,
        phys: u64,
        len: u64,
    ) -> Result<(), MapError> {
        if len == 0 {
            return Ok(());
        }
        let last = virt.checked_add(len - 1).ok_or(MapError::BadRange)?;
        let last_phys = phys.checked_add(len - 1).ok_or(MapError::BadRange)?;
        let aligned = (virt | phys | len).is_multiple_of(PAGE);
        let one_half = is_canonical(virt) && is_canonical(last) && virt >> 63 == last >> 63;
        if !aligned || !one_half || last_phys > (ADDRESS | (PAGE - 1)) {
            return Err(MapError::BadRange);
        }
        let mut done = 0;
        while done < len {
            let (v, p) = (virt + done, phys + done);
            let large = (v | p).is_multiple_of(LARGE_PAGE) && len - done >= LARGE_PAGE;
            self.map_page(tables, v, p, large)?;
            done += if large { LARGE_PAGE } else { PAGE };
        }
        Ok(())
    }

    fn map_page(
        &self,
        tables: &mut impl Tables,
        virt: u64,
        phys: u64,
        large: bool,
    ) -> Result<(), MapError> {
        let leaf_level = usize::from(large);
        let mut table = self.root;
        for level in (leaf_level + 1..4).rev() {
            let index = index(virt, level);
            let entry = tables.read(table, index);
            table = if entry & PRESENT == 0 {
                let next = tables.allocate().ok_or(MapError::NoMemory)?;
                tables.write(table, index, next | PRESENT | WRITABLE);
                next
            } else if entry & LARGE != 0 {
                let inside = virt & (LARGE_PAGE - 1);
                let same = level == 1 && (entry & ADDRESS) + inside == phys;
                return if same {
                    Ok(())
                } else {
                    Err(MapError::Taken(virt))
                };
            } else {
                entry & ADDRESS
            };
        }
        let index = index(virt, leaf_level);
        let leaf = phys | PRESENT | WRITABLE | if large { LARGE } else { 0 };
        match tables.read(table, index) {
            0 => tables.write(table, index, leaf),
            entry if entry == leaf => {}
            _ => return Err(MapError::Taken(virt)),
        }
        Ok(())
    }

    /// What `virt` is mapped to.
    pub fn translate(&self, tables: &impl Tables, virt: u64) -> Option<u64> {
        if !is_canonical(virt) {
            return None;
        }
        let mut table = self.root;
        for level in (0..4).rev() {
            let entry = tables.read(table, index(virt, level));
            if entry & PRESENT == 0 {
                return None;
            }
            if level == 0 || entry & LARGE != 0 {
                let inside = (1u64 << (12 + 9 * level)) - 1;
                return Some((entry & ADDRESS & !inside) + (virt & inside));
            }
            table = entry & ADDRESS;
        }
        None
    }
}

const fn index(virt: u64, level: usize) -> usize {
    (virt >> (12 + 9 * level)) as usize & 511
}

const fn is_canonical(virt: u64) -> bool {
    let top = virt >> 47;
    top == 0 || top == 0x1_ffff
}
