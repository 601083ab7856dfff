//! Random arguments: mostly values at which something begins or ends, sometimes anything.

use core::sync::atomic::Ordering;

use redox_rt::{USER, sys};
use syscall::UPPER_FDTBL_TAG;
use syscall::number::*;

/// The splitmix64 generator: the same seed gives the same calls.
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    pub fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit.max(1) as u64) as usize
    }

    pub fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    fn pick<T: Copy>(&mut self, from: &[T], otherwise: T) -> T {
        let i = self.below(from.len());
        from.get(i).copied().unwrap_or(otherwise)
    }
}

const CALLS: [usize; 28] = [
    SYS_OPENAT_INTO,
    SYS_OPENAT_INTO2,
    SYS_UNLINKAT,
    SYS_CLOSE,
    SYS_DUP_INTO,
    SYS_DUP2,
    SYS_READ,
    SYS_READ2,
    SYS_WRITE,
    SYS_WRITE2,
    SYS_LSEEK,
    SYS_FCHOWN,
    SYS_FCNTL,
    SYS_FEVENT,
    SYS_CALL,
    SYS_FMAP,
    SYS_FUNMAP,
    SYS_MREMAP,
    SYS_FLINK,
    SYS_FPATH,
    SYS_FRENAME,
    SYS_FSTAT,
    SYS_FSYNC,
    SYS_CLOCK_GETTIME,
    SYS_FUTEX,
    SYS_MPROTECT,
    SYS_NANOSLEEP,
    SYS_YIELD,
];

/// Where the calls may map, unmap and write: nothing of the program is there.
pub const ZONE: usize = 0x2000_0000_0000;
/// How much of it is mapped at the beginning of every round.
pub const ARENA: usize = 16 * 4096;
/// Length of the zone.
pub const ZONE_LEN: usize = 16 << 20;

/// The descriptors that there are in the beginning.
pub const READ_END: usize = 3;
pub const WRITE_END: usize = 4;

fn number(r: &mut Random) -> usize {
    let valid = r.pick(&CALLS, SYS_YIELD);
    match r.below(20) {
        0 => r.next() as usize,
        1 => valid ^ 1 << r.below(64),
        2 => r.below(1024),
        _ => valid,
    }
}

fn descriptor(r: &mut Random) -> usize {
    match r.below(12) {
        0..=3 => READ_END,
        4..=6 => WRITE_END,
        7 => r.below(16),
        8 => UPPER_FDTBL_TAG + r.below(16),
        9 => r.pick(
            &[
                sys::FD_ANY,
                sys::FD_ANY_UPPER,
                usize::MAX - 2,
                1 << 20,
                1 << 61,
            ],
            0,
        ),
        10 => (ZONE + 8 * r.below(64)) | r.below(8),
        _ => r.next() as usize,
    }
}

fn pointer(r: &mut Random) -> usize {
    match r.below(16) {
        0..=6 => ZONE + r.below(ARENA),
        7 => ZONE + 4096 * r.below(20),
        8 => ZONE + ARENA - r.below(64),
        9 => ZONE + 4096 * r.below(16) + 4096 - r.below(64),
        // The program's own text, which may be read.
        10 => descriptor as *const () as usize & !7,
        11 => r.pick(
            &[
                0,
                1,
                0xfff,
                0x1000,
                0xffff,
                USER.end - 1,
                USER.end,
                USER.end - 4096,
            ],
            0,
        ),
        12 => 0xffff_8000_0000_0000 + r.below(1 << 30),
        13 => 0xffff_ffff_8000_0000 + r.below(1 << 24),
        14 => usize::MAX - r.below(8192),
        _ => r.next() as usize,
    }
}

fn length(r: &mut Random) -> usize {
    match r.below(10) {
        0..=3 => r.pick(
            &[0, 1, 4, 5, 7, 8, 9, 16, 24, 31, 32, 33, 64, 72, 100, 128],
            0,
        ),
        4..=5 => r.pick(&[4095, 4096, 4097, 8192, 65_536, 65_537, 1 << 20], 0),
        6 => r.below(10_000),
        7 => r.pick(
            &[
                1 << 30,
                1 << 31,
                1 << 32,
                1 << 40,
                1 << 46,
                1 << 47,
                1 << 63,
            ],
            0,
        ),
        8 => usize::MAX - r.below(10_000),
        _ => r.next() as usize,
    }
}

fn flags(r: &mut Random) -> usize {
    match r.below(6) {
        0 => 0,
        1 => 1 << r.below(64),
        2 => 1 << r.below(32) | 1 << r.below(32),
        3 => r.below(16),
        4 => r.pick(
            &[
                0x4000,
                0x4001,
                0x4002,
                0x4003,
                0x4004,
                0x4010,
                1030,
                0x1001,
                0x0003_0000,
            ],
            0,
        ),
        _ => r.next() as usize,
    }
}

fn any(r: &mut Random) -> usize {
    match r.below(5) {
        0 => descriptor(r),
        1 => pointer(r),
        2 => length(r),
        3 => flags(r),
        _ => r.next() as usize,
    }
}

/// A system call: its number and arguments.
pub fn call(r: &mut Random) -> (usize, [usize; 6]) {
    let number = number(r);
    let usual: [fn(&mut Random) -> usize; 6] = match number {
        SYS_FUNMAP | SYS_MPROTECT => [pointer, length, flags, any, any, any],
        SYS_MREMAP => [pointer, length, pointer, length, flags, any],
        SYS_FUTEX => [pointer, flags, any, any, pointer, any],
        SYS_CLOCK_GETTIME | SYS_NANOSLEEP => [flags, pointer, any, any, any, any],
        SYS_DUP_INTO => [descriptor, pointer, length, descriptor, any, any],
        SYS_DUP2 => [descriptor, descriptor, pointer, length, any, any],
        SYS_OPENAT_INTO | SYS_OPENAT_INTO2 => [descriptor, pointer, length, flags, descriptor, any],
        SYS_FCNTL => [descriptor, flags, any, any, any, any],
        SYS_CALL => [descriptor, pointer, length, flags, pointer, any],
        _ => [descriptor, pointer, length, flags, any, any],
    };
    let mut args = [0; 6];
    for (arg, usual) in args.iter_mut().zip(usual) {
        *arg = if r.one_in(8) { any(r) } else { usual(r) };
    }
    (number, args)
}

/// Words to find in memory: as arguments of calls, they lead somewhere.
pub fn word(r: &mut Random) -> u64 {
    match r.below(8) {
        0 => u64::from_le_bytes(*b"write\0\0\0"),
        1 => u64::from_le_bytes(*b"read\0\0\0\0"),
        2 => r.below(4) as u64,
        _ => any(r) as u64,
    }
}

/// Counts of shared memory go up by this much at a time.
pub fn bump(counter: &core::sync::atomic::AtomicUsize) {
    counter.fetch_add(1, Ordering::Relaxed);
}
