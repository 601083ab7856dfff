//! Rights of a descriptor-table entry.

bitflags::bitflags! {
    /// What may be done through one descriptor-table entry.
    ///
    /// A mask only ever shrinks: `dup` keeps it, a descriptor opened through another gets at most
    /// that one's rights, a transfer intersects it. The groups are Capsicum's (rights(4), FreeBSD)
    /// reduced to those a scheme can tell apart.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct Rights: u32 {
        /// `read`, and reading directory entries.
        const READ = 1 << 0;
        /// `write`.
        const WRITE = 1 << 1;
        /// `lseek`, and positioned reads and writes.
        const SEEK = 1 << 2;
        /// Map readable.
        const MAP_READ = 1 << 3;
        /// Map writable and shared.
        const MAP_WRITE = 1 << 4;
        /// Map executable.
        const MAP_EXEC = 1 << 5;
        /// `openat` of something that exists, for reading or as a path.
        const LOOKUP = 1 << 6;
        /// `openat` with `O_CREAT`.
        const CREATE = 1 << 7;
        /// `unlinkat`.
        const UNLINK = 1 << 8;
        /// `frenameat`, `flinkat`, `frename`, `flink`.
        const RENAME = 1 << 9;
        /// `fstat`, `fstatvfs`, `fpath`.
        const STAT = 1 << 10;
        /// `fchmod`, `fchown`, `futimens`.
        const ATTR = 1 << 11;
        /// `fsync`, `ftruncate`.
        const SYNC = 1 << 12;
        /// `fevent`.
        const EVENT = 1 << 13;
        /// `fcntl` that changes status flags, advisory locks.
        const FCNTL = 1 << 14;
        /// `SYS_CALL` with the scheme's own verbs.
        const CALL = 1 << 15;
        /// `dup` with a payload (asking the scheme for a derived object).
        const DUP = 1 << 16;
        /// Sending this descriptor to a scheme or another process, and descriptors through it.
        const TRANSFER = 1 << 17;
        /// Resolving to something outside the directory the descriptor names. Without it every
        /// request through the descriptor is `O_RESOLVE_BENEATH`.
        const ESCAPE = 1 << 18;
    }
}

impl Rights {
    /// Every right there is: what a freshly created root descriptor has.
    pub const FULL: Self = Self::all();

    /// Reading and finding, nothing that changes anything: `contain --dir PATH:ro`.
    pub const READ_ONLY: Self = Self::READ
        .union(Self::SEEK)
        .union(Self::MAP_READ)
        .union(Self::MAP_EXEC)
        .union(Self::LOOKUP)
        .union(Self::STAT)
        .union(Self::EVENT)
        .union(Self::TRANSFER);
}
