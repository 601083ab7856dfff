//! UEFI device paths, as bytes: which partitions lie on one disk.
//!
//! A path is a sequence of nodes (type, sub-type, 16-bit length with the header, data) up to an end
//! node. A partition's path is its disk's path with one node more, of type 4 ("media"), sub-type 1
//! ("hard drive"). See the UEFI specification 2.10, chapter 10.

const MEDIA: u8 = 4;
const HARD_DRIVE: u8 = 1;
const END: u8 = 0x7f;

/// Whether two device paths name partitions of the same disk.
pub fn on_one_disk(a: &[u8], b: &[u8]) -> bool {
    match (disk(a), disk(b)) {
        (Some(a), Some(b)) => a == b,
        _ => false,
    }
}

/// The number of the partition on its disk, counted from 1, if `path` names a partition.
pub fn partition_number(path: &[u8]) -> Option<u32> {
    let node = path.get(disk(path)?.len()..)?;
    let number = node.get(4..8)?.try_into().ok()?;
    Some(u32::from_le_bytes(number))
}

/// The path of the disk on which the partition `path` lies: everything before its hard-drive node,
/// which must be the last. `None` if `path` is not a partition's.
fn disk(path: &[u8]) -> Option<&[u8]> {
    let mut at = 0;
    loop {
        let node = path.get(at..)?;
        let &[kind, sub_kind, low, high, ..] = node else {
            return None;
        };
        let len = usize::from(u16::from_le_bytes([low, high]));
        if kind == END || len < 4 {
            return None;
        }
        if kind == MEDIA && sub_kind == HARD_DRIVE {
            let next = path.get(at.checked_add(len)?..)?;
            return (next.first() == Some(&END))
                .then(|| path.get(..at))
                .flatten();
        }
        at = at.checked_add(len)?;
    }
}
