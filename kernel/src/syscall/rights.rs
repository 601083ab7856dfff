//! The rights that calls take, where they depend on arguments.

use cap_abi::Rights;
use syscall::flag::*;

/// What opening with these flags takes of the descriptor it goes through.
#[inline]
pub const fn to_open(flags: usize) -> Rights {
    let mut need = Rights::LOOKUP;
    if flags & O_CREAT != 0 {
        need = need.union(Rights::CREATE);
    }
    if flags & O_RDONLY != 0 {
        need = need.union(Rights::READ);
    }
    if flags & (O_WRONLY | O_TRUNC) != 0 {
        need = need.union(Rights::WRITE);
    }
    need
}

/// What mapping with these flags takes.
pub const fn to_map(flags: MapFlags) -> Rights {
    let mut need = Rights::empty();
    if flags.contains(MapFlags::PROT_READ) {
        need = need.union(Rights::MAP_READ);
    }
    if flags.contains(MapFlags::PROT_WRITE) && flags.contains(MapFlags::MAP_SHARED) {
        need = need.union(Rights::MAP_WRITE);
    }
    if flags.contains(MapFlags::PROT_EXEC) {
        need = need.union(Rights::MAP_EXEC);
    }
    need
}

/// What a standard file-system call takes.
pub const fn to_call_fs(kind: StdFsCallKind) -> Rights {
    match kind {
        StdFsCallKind::Fchmod | StdFsCallKind::Fchown | StdFsCallKind::Futimens => Rights::ATTR,
        StdFsCallKind::Getdents => Rights::READ,
        StdFsCallKind::Fstat | StdFsCallKind::Fstatvfs | StdFsCallKind::Relpathat => Rights::STAT,
        StdFsCallKind::Fsync => Rights::SYNC,
        StdFsCallKind::Ftruncate => Rights::SYNC.union(Rights::WRITE),
        StdFsCallKind::Unlinkat => Rights::UNLINK,
        StdFsCallKind::Lock | StdFsCallKind::Unlock | StdFsCallKind::GetLock => Rights::FCNTL,
        StdFsCallKind::Frenameat | StdFsCallKind::Flinkat => Rights::RENAME,
    }
}
