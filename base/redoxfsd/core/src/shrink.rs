//! Making files shorter, and giving all their blocks back.
//!
//! The crate's own way has two faults that matter here: it leaves the last record of a file whose size is
//! not a whole number of records in place, so that its blocks are lost and its bytes appear again when
//! the file grows; and it visits every record that a file could have, present or not, which in a file
//! of one byte at an offset of a petabyte takes for ever.

use redoxfs::{BlockList, BlockPtr, Disk, Node, RecordRaw, Transaction, TreeData};
use redoxfs_errors::error::Result;

/// Entries of a list of pointers.
const ENTRIES: u64 = 256;

/// Records that a file can have: as many as its node has room for pointers to.
pub const MOST_RECORDS: u64 = {
    let list = ENTRIES;
    128 + 64 * list + 32 * list * list + 16 * list * list * list + 8 * list * list * list * list
};

/// A pointer's way to records.
trait Level: Sized {
    /// Records behind one pointer.
    const SPAN: u64;

    /// The last record present among the first `end` behind `ptr`.
    fn last<D: Disk>(
        tx: &mut Transaction<'_, D>,
        ptr: BlockPtr<Self>,
        end: u64,
    ) -> Result<Option<u64>>;
}

impl Level for RecordRaw {
    const SPAN: u64 = 1;

    fn last<D: Disk>(
        _: &mut Transaction<'_, D>,
        ptr: BlockPtr<Self>,
        end: u64,
    ) -> Result<Option<u64>> {
        Ok((!ptr.is_null() && end > 0).then_some(0))
    }
}

impl<T: Level> Level for BlockList<T> {
    const SPAN: u64 = ENTRIES * T::SPAN;

    fn last<D: Disk>(
        tx: &mut Transaction<'_, D>,
        ptr: BlockPtr<Self>,
        end: u64,
    ) -> Result<Option<u64>> {
        if ptr.is_null() {
            return Ok(None);
        }
        let list = tx.read_block(ptr)?;
        let ptrs = list.data().ptrs;
        last_of(tx, &ptrs, end)
    }
}

fn last_of<T: Level, D: Disk>(
    tx: &mut Transaction<'_, D>,
    ptrs: &[BlockPtr<T>],
    end: u64,
) -> Result<Option<u64>> {
    for (index, ptr) in ptrs.iter().enumerate().rev() {
        let start = (index as u64).saturating_mul(T::SPAN);
        if ptr.is_null() || start >= end {
            continue;
        }
        if let Some(found) = T::last(tx, *ptr, end.saturating_sub(start))? {
            return Ok(Some(start.saturating_add(found)));
        }
    }
    Ok(None)
}

/// The last record present among the first `end`.
fn last_record<D: Disk>(
    tx: &mut Transaction<'_, D>,
    node: &TreeData<Node>,
    end: u64,
) -> Result<Option<u64>> {
    let Some(levels) = node.data().level_data() else {
        return Ok(None);
    };
    let (level0, level1, level2) = (levels.level0, levels.level1, levels.level2);
    let (level3, level4) = (levels.level3, levels.level4);
    let second = level0.len() as u64;
    let third = second.saturating_add((level1.len() as u64).saturating_mul(ENTRIES));
    let span = ENTRIES.saturating_mul(ENTRIES);
    let fourth = third.saturating_add((level2.len() as u64).saturating_mul(span));
    let span = span.saturating_mul(ENTRIES);
    let fifth = fourth.saturating_add((level3.len() as u64).saturating_mul(span));
    macro_rules! search {
        ($($level:ident from $start:expr),*) => {
            $(if end > $start
                && let Some(found) = last_of(tx, &$level, end.saturating_sub($start))?
            {
                return Ok(Some($start.saturating_add(found)));
            })*
        };
    }
    search!(level4 from fifth, level3 from fourth, level2 from third, level1 from second);
    last_of(tx, &level0, end)
}

/// Makes `node` `size` bytes long, which is less than it was, and frees every record beyond. The node is
/// changed in memory only.
pub fn shrink<D: Disk>(
    tx: &mut Transaction<'_, D>,
    node: &mut TreeData<Node>,
    size: u64,
) -> Result<()> {
    let record = node.data().record_level().bytes();
    if !node.data().has_inline_data() {
        let keep = size.div_ceil(record);
        while let Some(last) = last_record(tx, node, MOST_RECORDS)?.filter(|last| *last >= keep) {
            let start = last.saturating_mul(record);
            node.data_mut().set_size(start.saturating_add(record));
            tx.truncate_node_inner(node, start)?;
        }
    }
    node.data_mut().set_size(size);
    Ok(())
}
