//! What is left to do after a loss of power.

use redoxfs::{Disk, Transaction};
use redoxfs_errors::error::Result;

use crate::shrink::shrink;

/// Frees files that were removed while they were open: to be done before a volume is used. The crate's own way
/// loses blocks, see [`crate::shrink`].
///
/// # Errors
/// Those of the disk.
pub fn recover<D: Disk>(tx: &mut Transaction<'_, D>) -> Result<()> {
    let mut next = tx.header.release;
    let mut any = false;
    while !next.is_null() {
        let list = tx.read_block(next)?;
        let entries = list.data().entries;
        for entry in entries.into_iter().filter(|entry| !entry.is_null()) {
            let mut node = tx.read_tree(entry)?;
            if !node.data().is_dir() {
                shrink(tx, &mut node, 0)?;
                tx.sync_tree(node)?;
            }
        }
        any = true;
        next = list.data().prev;
    }
    if any {
        tx.release_unused_nodes()?;
        tx.sync(false)?;
    }
    Ok(())
}
