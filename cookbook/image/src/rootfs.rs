//! The root file system, through the `redoxfs` crate.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use redoxfs::{BLOCK_SIZE, FileSystem, HEADER_RING, Transaction, TreePtr};
use syscall::error::{EIO, ENOSPC, Error as Errno};

use crate::{Error, MIB, Node, Tree};

/// After how many bytes of new contents the transaction is written out, to bound memory.
const FLUSH: usize = 16 << 20;

/// A partition as a window of the image file.
pub(crate) struct Partition<'a> {
    file: &'a File,
    start: u64,
    len: u64,
}

impl<'a> Partition<'a> {
    pub(crate) fn new(file: &'a File, start: u64, len: u64) -> Self {
        Self { file, start, len }
    }

    fn offset(&self, block: u64, len: usize) -> Result<u64, Errno> {
        let at = block.checked_mul(BLOCK_SIZE).ok_or(Errno::new(EIO))?;
        match at.checked_add(len as u64) {
            Some(end) if end <= self.len => Ok(self.start + at),
            _ => Err(Errno::new(EIO)),
        }
    }
}

impl redoxfs::Disk for Partition<'_> {
    unsafe fn read_at(&mut self, block: u64, buffer: &mut [u8]) -> Result<usize, Errno> {
        let offset = self.offset(block, buffer.len())?;
        self.file.read_exact_at(buffer, offset).map_err(errno)?;
        Ok(buffer.len())
    }

    unsafe fn write_at(&mut self, block: u64, buffer: &[u8]) -> Result<usize, Errno> {
        let offset = self.offset(block, buffer.len())?;
        self.file.write_all_at(buffer, offset).map_err(errno)?;
        Ok(buffer.len())
    }

    fn size(&mut self) -> Result<u64, Errno> {
        Ok(self.len)
    }
}

fn errno(error: io::Error) -> Errno {
    Errno::new(error.raw_os_error().unwrap_or(EIO))
}

/// Makes a RedoxFS file system with the contents of `tree` on `partition`, with `id` as its UUID.
pub(crate) fn write(partition: Partition<'_>, tree: &Tree, id: [u8; 16]) -> Result<(), Error> {
    let size = partition.len;
    let failed = |path: &str, error: Errno| {
        if error.errno == ENOSPC {
            return match tree.size() {
                Ok(needed) => Error::Full {
                    path: path.to_owned(),
                    needed: needed.div_ceil(MIB),
                    size: size / MIB,
                },
                Err(error) => error,
            };
        }
        Error::Root {
            path: path.to_owned(),
            source: io::Error::from_raw_os_error(error.errno),
        }
    };
    let mut fs = FileSystem::create(partition, None, 0, 0).map_err(|e| failed("/", e))?;

    // The transaction's closure can only return an errno: the real error is kept beside it.
    let mut outcome = Ok(());
    let committed = fs.tx(|tx| {
        outcome = fill(tx, tree, &failed);
        match &outcome {
            Ok(()) => Ok(()),
            Err(_) => Err(Errno::new(EIO)),
        }
    });
    outcome?;
    committed.map_err(|e| failed("/", e))?;
    fs.cleanup().map_err(|e| failed("/", e))?;
    set_id(&mut fs, id).map_err(|e| failed("/", e))
}

fn fill(
    tx: &mut Transaction<'_, Partition<'_>>,
    tree: &Tree,
    failed: &impl Fn(&str, Errno) -> Error,
) -> Result<(), Error> {
    let mut directories = BTreeMap::from([("", TreePtr::root())]);
    let mut unwritten = 0;
    for (path, node) in tree.iter() {
        let (parent, name) = path.rsplit_once('/').unwrap_or(("", path));
        let Some(&parent) = directories.get(parent) else {
            return Err(Error::BadPath(path.to_owned()));
        };
        let data = node.contents.read()?;
        let ptr = put(tx, parent, name, node, &data).map_err(|e| failed(path, e))?;
        if matches!(node.contents, crate::Contents::Directory) {
            directories.insert(path, ptr);
        }
        unwritten += data.len();
        if unwritten >= FLUSH {
            tx.sync(false).map_err(|e| failed(path, e))?;
            unwritten = 0;
        }
    }
    Ok(())
}

fn put(
    tx: &mut Transaction<'_, Partition<'_>>,
    parent: TreePtr<redoxfs::Node>,
    name: &str,
    node: &Node,
    data: &[u8],
) -> Result<TreePtr<redoxfs::Node>, Errno> {
    let mode = node.contents.mode_type() | node.attributes.mode & redoxfs::Node::MODE_PERM;
    let mut made = tx.create_node(parent, name, mode, 0, 0)?;
    let ptr = made.ptr();
    made.data_mut().set_uid(node.attributes.uid);
    made.data_mut().set_gid(node.attributes.gid);
    tx.sync_tree(made)?;
    if !data.is_empty() {
        tx.write_node(ptr, 0, data, 0, 0)?;
    }
    Ok(ptr)
}

/// Replaces the random identifier that creating chose, in every place of the header ring.
fn set_id(fs: &mut FileSystem<Partition<'_>>, id: [u8; 16]) -> Result<(), Errno> {
    for _ in 0..HEADER_RING {
        fs.tx(|tx| {
            tx.header.uuid = id;
            tx.header_changed = true;
            Ok(())
        })?;
    }
    Ok(())
}
