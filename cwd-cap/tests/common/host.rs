//! The host's directories through `O_PATH` descriptors, and Linux's own resolver.

use std::os::fd::{AsFd, OwnedFd};
use std::rc::Rc;

use cwd_cap::{Errno, NodeKind, Tree};
use rustix::fs::{
    AtFlags, FileType, Mode, OFlags, ResolveFlags, fstat, openat, openat2, readlinkat,
};

/// Device and inode number: what tells files of the host apart.
pub type Id = (u64, u64);

/// A file of the host, kept from going away by its descriptor.
#[derive(Clone, Debug)]
pub struct HostNode {
    pub fd: Rc<OwnedFd>,
    pub id: Id,
    pub kind: NodeKind,
}

impl PartialEq for HostNode {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

const PATH: OFlags = OFlags::PATH.union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

impl HostNode {
    pub fn from_fd(fd: OwnedFd) -> Result<Self, Errno> {
        let stat = fstat(&fd).map_err(errno)?;
        let kind = match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => NodeKind::Directory,
            FileType::Symlink => NodeKind::Link,
            _ => NodeKind::Other,
        };
        Ok(Self {
            fd: Rc::new(fd),
            id: (stat.st_dev, stat.st_ino),
            kind,
        })
    }

    pub fn open(path: &std::path::Path) -> Self {
        let fd = openat(rustix::fs::CWD, path, PATH, Mode::empty()).expect("open a host node");
        Self::from_fd(fd).expect("stat a host node")
    }
}

fn errno(e: rustix::io::Errno) -> Errno {
    Errno(e.raw_os_error())
}

/// The host as a [`Tree`]. Permissions are the kernel's.
pub struct HostTree;

impl Tree for HostTree {
    type Node = HostNode;
    type Caller = ();

    fn kind(&self, node: &HostNode) -> Result<NodeKind, Errno> {
        Ok(node.kind)
    }

    fn lookup(&self, dir: &HostNode, name: &str) -> Result<Option<(HostNode, NodeKind)>, Errno> {
        match openat(&*dir.fd, name, PATH, Mode::empty()) {
            Ok(fd) => {
                let node = HostNode::from_fd(fd)?;
                let kind = node.kind;
                Ok(Some((node, kind)))
            }
            Err(rustix::io::Errno::NOENT) => Ok(None),
            Err(e) => Err(errno(e)),
        }
    }

    fn parent(&self, dir: &HostNode) -> Result<Option<HostNode>, Errno> {
        let fd = openat(&*dir.fd, "..", PATH, Mode::empty()).map_err(errno)?;
        HostNode::from_fd(fd).map(Some)
    }

    fn read_link(&self, link: &HostNode) -> Result<Vec<u8>, Errno> {
        let target = readlinkat(&*link.fd, "", Vec::new()).map_err(errno)?;
        Ok(target.into_bytes())
    }

    fn may_search(&self, _dir: &HostNode, (): &()) -> Result<bool, Errno> {
        Ok(true)
    }

    fn device(&self, node: &HostNode) -> Result<u64, Errno> {
        Ok(node.id.0)
    }
}

/// openat2, again for as long as a rename somewhere on the host disturbs it.
pub fn linux_open(
    dir: impl AsFd,
    path: &str,
    flags: OFlags,
    resolve: ResolveFlags,
) -> Result<OwnedFd, i32> {
    let mode = if flags.contains(OFlags::CREATE) {
        Mode::from(0o600)
    } else {
        Mode::empty()
    };
    let flags = flags | OFlags::CLOEXEC;
    loop {
        let answer = if resolve.is_empty() {
            openat(&dir, path, flags, mode)
        } else {
            openat2(&dir, path, flags, mode, resolve)
        };
        match answer {
            Err(rustix::io::Errno::AGAIN) => {}
            Err(e) => return Err(e.raw_os_error()),
            Ok(fd) => return Ok(fd),
        }
    }
}

/// Whether this host has openat2.
pub fn has_openat2() -> bool {
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    let answer = openat2(
        rustix::fs::CWD,
        ".",
        flags,
        Mode::empty(),
        ResolveFlags::BENEATH,
    );
    !matches!(
        answer,
        Err(rustix::io::Errno::NOSYS | rustix::io::Errno::PERM)
    )
}

/// The identity of what a descriptor refers to.
pub fn id(fd: impl AsFd) -> Id {
    let stat = fstat(fd).expect("stat an open descriptor");
    (stat.st_dev, stat.st_ino)
}

/// The identity of the file at a path, a link not followed.
pub fn id_at(path: &std::path::Path) -> Id {
    let stat = rustix::fs::statat(rustix::fs::CWD, path, AtFlags::SYMLINK_NOFOLLOW);
    let stat = stat.unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    (stat.st_dev, stat.st_ino)
}

/// Linux's number for an error, as this system numbers it: an escape is `EPERM`.
pub fn ours(number: i32) -> i32 {
    const EXDEV: i32 = 18;
    const EPERM: i32 = 1;
    if number == EXDEV { EPERM } else { number }
}
