//! Reading an image back: what is on its root file system.

use std::fs::File;
use std::io;
use std::path::Path;

use gpt::disk::LogicalBlockSize;
use redoxfs::{FileSystem, Node, TreePtr};

use crate::rootfs::Partition;
use crate::{Attributes, Contents, Error, Tree};

/// The largest file that is read.
const LONGEST: u64 = 1 << 32;

/// The root file system of the image at `path`.
pub fn root(path: &Path) -> Result<Tree, Error> {
    let failed = |source: io::Error| Error::Disk {
        what: "disk image",
        source,
    };
    let file = File::open(path).map_err(Error::host(path))?;
    let table = gpt::GptConfig::new()
        .open_from_device(&file)
        .map_err(|error| failed(io::Error::other(error)))?;
    let block = LogicalBlockSize::Lb512;
    let partitions = table.partitions();
    let partition = partitions
        .values()
        .find(|partition| partition.name == "root")
        .ok_or_else(|| failed(io::Error::other("no partition `root`")))?;
    let start = partition.bytes_start(block).map_err(failed)?;
    let len = partition.bytes_len(block).map_err(failed)?;
    files(Partition::new(&file, start, len))
}

/// The file system that takes up the whole of the image at `path`.
pub fn volume(path: &Path) -> Result<Tree, Error> {
    let file = File::open(path).map_err(Error::host(path))?;
    let len = file.metadata().map_err(Error::host(path))?.len();
    files(Partition::new(&file, 0, len))
}

fn files(partition: Partition<'_>) -> Result<Tree, Error> {
    let failed = |source: io::Error| Error::Disk {
        what: "file system",
        source,
    };
    let wrong = |error: syscall::Error| failed(io::Error::from_raw_os_error(error.errno));
    let mut fs = FileSystem::open(partition, None, Some(0), false).map_err(wrong)?;
    let mut found: Vec<(String, Attributes, Contents)> = Vec::new();
    let mut open = vec![(String::new(), TreePtr::<Node>::root())];
    fs.tx(|tx| {
        while let Some((path, ptr)) = open.pop() {
            let node = tx.read_tree(ptr)?;
            let data = node.data();
            let contents = if data.is_dir() {
                let mut children = Vec::new();
                tx.child_nodes(ptr, &mut children)?;
                for child in &children {
                    let name = child.name().ok_or(syscall::Error::new(syscall::EIO))?;
                    open.push((format!("{path}/{name}"), child.node_ptr()));
                }
                Contents::Directory
            } else {
                let len = Some(data.size()).filter(|size| *size <= LONGEST);
                let len = len.ok_or(syscall::Error::new(syscall::EIO))?;
                let mut bytes = vec![0; len as usize];
                let read = tx.read_node_inner(&node, 0, &mut bytes)?;
                bytes.truncate(read);
                if data.is_symlink() {
                    Contents::Link(String::from_utf8_lossy(&bytes).into_owned())
                } else {
                    Contents::Bytes(bytes)
                }
            };
            let attributes = Attributes {
                mode: data.mode() & Node::MODE_PERM,
                uid: data.uid(),
                gid: data.gid(),
            };
            found.push((path, attributes, contents));
        }
        Ok(())
    })
    .map_err(wrong)?;
    let mut tree = Tree::new();
    // Parents first, which `put` would make up otherwise.
    found.sort_by(|(a, ..), (b, ..)| a.cmp(b));
    for (path, attributes, contents) in found.into_iter().filter(|(path, ..)| !path.is_empty()) {
        tree.put(&path, attributes, contents)?;
    }
    Ok(tree)
}
