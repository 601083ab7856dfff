use cap_abi::Rights;
use cap_abi::fcntl as cap;
use cap_abi::resolve::{RESOLVE_BENEATH, RESOLVE_IN_ROOT};
use kernel_core::rights::{
    Missing, Requirement, SYSCALLS, call, check, child, dup, fcntl, map, map_limit, opcode, open,
    positioned, redirected, resolution, socket_call, std_fs, syscall,
};
use proptest::prelude::*;
use syscall::flag::*;
use syscall::number::*;
use syscall::schemev2::Opcode;

const NO: Rights = Rights::empty();

#[test]
fn system_calls() {
    use Requirement::{Call, Dup, Fcntl, Map, NoDescriptor, Open, Positioned, Rights as R};
    for (number, expected) in [
        (SYS_OPENAT_INTO, Open),
        (SYS_OPENAT_INTO2, Open),
        (SYS_UNLINKAT, R(Rights::UNLINK)),
        (SYS_CLOSE, R(NO)),
        (SYS_DUP_INTO, Dup),
        (SYS_DUP2, Dup),
        (SYS_READ, R(Rights::READ)),
        (SYS_READ2, Positioned(Rights::READ)),
        (SYS_WRITE, R(Rights::WRITE)),
        (SYS_WRITE2, Positioned(Rights::WRITE)),
        (SYS_LSEEK, R(Rights::SEEK)),
        (SYS_FCHOWN, R(Rights::ATTR)),
        (SYS_FCNTL, Fcntl),
        (SYS_FEVENT, R(Rights::EVENT)),
        (SYS_CALL, Call),
        (SYS_FMAP, Map),
        (SYS_FUNMAP, NoDescriptor),
        (SYS_MREMAP, NoDescriptor),
        (SYS_FLINK, R(Rights::RENAME | Rights::ESCAPE)),
        (SYS_FPATH, R(Rights::STAT)),
        (SYS_FRENAME, R(Rights::RENAME | Rights::ESCAPE)),
        (SYS_FSTAT, R(Rights::STAT)),
        (SYS_FSYNC, R(Rights::SYNC)),
        (SYS_CLOCK_GETTIME, NoDescriptor),
        (SYS_FUTEX, NoDescriptor),
        (SYS_MPROTECT, NoDescriptor),
        (SYS_NANOSLEEP, NoDescriptor),
        (SYS_YIELD, NoDescriptor),
    ] {
        assert_eq!(syscall(number), Some(expected), "{number:#x}");
    }
    assert_eq!(SYSCALLS.len(), 28);
    for number in [0, 1, usize::MAX, SYS_READ + 1] {
        assert_eq!(syscall(number), None);
    }
    let mut numbers: Vec<_> = SYSCALLS.iter().map(|row| row.0).collect();
    numbers.sort_unstable();
    numbers.dedup();
    assert_eq!(numbers.len(), SYSCALLS.len(), "a number has two rows");
}

#[test]
fn every_opcode_and_every_standard_call_has_a_requirement() {
    for raw in 0..=u8::MAX {
        if let Some(known) = Opcode::try_from_raw(raw) {
            assert!(opcode(known).is_some(), "{known:?}");
        }
        if let Some(kind) = StdFsCallKind::try_from_raw(raw) {
            assert_ne!(std_fs(kind), NO, "{kind:?}");
        }
    }
}

#[test]
fn opcodes() {
    use Requirement::{Positioned, Rights as R};
    for (op, expected) in [
        (Opcode::Close, R(NO)),
        (Opcode::CloseMsg, R(NO)),
        (Opcode::Detach, R(NO)),
        (Opcode::Cancel, R(NO)),
        (Opcode::Munmap, R(NO)),
        (Opcode::Dup, Requirement::Dup),
        (Opcode::Read, Positioned(Rights::READ)),
        (Opcode::Write, Positioned(Rights::WRITE)),
        (Opcode::Fsize, R(Rights::SEEK)),
        (Opcode::Fchmod, R(Rights::ATTR)),
        (Opcode::Futimens, R(Rights::ATTR)),
        (Opcode::Fcntl, Requirement::Fcntl),
        (Opcode::Fevent, R(Rights::EVENT)),
        (Opcode::Sendfd, R(Rights::TRANSFER)),
        (Opcode::Recvfd, R(Rights::TRANSFER)),
        (Opcode::Fpath, R(Rights::STAT)),
        (Opcode::Ftruncate, R(Rights::SYNC)),
        (Opcode::MmapPrep, Requirement::Map),
        (Opcode::Getdents, R(Rights::READ)),
        (Opcode::Call, R(Rights::CALL)),
        (Opcode::OpenAt, Requirement::Open),
        (Opcode::UnlinkAt, R(Rights::UNLINK)),
        (Opcode::StdFsCall, Requirement::StdFs),
    ] {
        assert_eq!(opcode(op), Some(expected), "{op:?}");
    }
}

#[test]
fn a_confined_descriptor_stays_so() {
    let confined = Rights::FULL.difference(Rights::ESCAPE);
    for (rights, flags, expected) in [
        (Rights::FULL, O_RDONLY, O_RDONLY),
        (Rights::FULL, RESOLVE_BENEATH, RESOLVE_BENEATH),
        (Rights::FULL, RESOLVE_IN_ROOT, RESOLVE_IN_ROOT),
        (confined, O_RDONLY, O_RDONLY | RESOLVE_BENEATH),
        (confined, RESOLVE_BENEATH, RESOLVE_BENEATH),
        (confined, RESOLVE_IN_ROOT, RESOLVE_IN_ROOT),
        (Rights::empty(), 0, RESOLVE_BENEATH),
    ] {
        assert_eq!(resolution(rights, flags), expected, "{rights:?} {flags:#x}");
    }
}

#[test]
fn opening() {
    let lookup = Rights::LOOKUP;
    for (flags, expected) in [
        (0, lookup),
        (O_STAT, lookup),
        (O_DIRECTORY | O_NOFOLLOW, lookup),
        (O_RDONLY, lookup | Rights::READ),
        (O_WRONLY, lookup | Rights::WRITE),
        (O_RDWR, lookup | Rights::READ | Rights::WRITE),
        (O_CREAT, lookup | Rights::CREATE),
        (
            O_CREAT | O_EXCL | O_WRONLY,
            lookup | Rights::CREATE | Rights::WRITE,
        ),
        (
            O_RDONLY | O_TRUNC,
            lookup | Rights::READ | Rights::WRITE | Rights::SYNC,
        ),
        (
            cap_abi::resolve::RESOLVE_MASK | O_RDONLY,
            lookup | Rights::READ,
        ),
    ] {
        assert_eq!(open(flags), expected, "{flags:#x}");
    }
    assert_eq!(child(Rights::READ_ONLY), Rights::READ_ONLY);
    assert_eq!(
        redirected(Rights::READ | Rights::STAT, Rights::STAT | Rights::WRITE),
        Rights::STAT
    );
}

#[test]
fn mapping() {
    use MapFlags as M;
    let read = Rights::MAP_READ;
    for (flags, expected) in [
        (M::PROT_NONE | M::MAP_PRIVATE, read),
        (M::PROT_READ | M::MAP_SHARED, read),
        (M::PROT_WRITE | M::MAP_SHARED, read | Rights::MAP_WRITE),
        (M::PROT_WRITE, read | Rights::MAP_WRITE),
        (M::PROT_READ | M::PROT_WRITE | M::MAP_PRIVATE, read),
        (M::PROT_EXEC | M::MAP_PRIVATE, read | Rights::MAP_EXEC),
    ] {
        assert_eq!(map(flags), expected, "{flags:?}");
    }
    let read_only = Rights::READ_ONLY;
    for (rights, flags, expected) in [
        (
            Rights::FULL,
            M::MAP_SHARED,
            M::PROT_READ | M::PROT_WRITE | M::PROT_EXEC,
        ),
        (read_only, M::MAP_SHARED, M::PROT_READ | M::PROT_EXEC),
        (
            read_only,
            M::MAP_PRIVATE,
            M::PROT_READ | M::PROT_WRITE | M::PROT_EXEC,
        ),
        (read, M::MAP_PRIVATE, M::PROT_READ | M::PROT_WRITE),
        (
            Rights::MAP_WRITE | Rights::MAP_EXEC,
            M::MAP_SHARED,
            M::empty(),
        ),
    ] {
        assert_eq!(map_limit(rights, flags), expected, "{rights:?} {flags:?}");
    }
}

#[test]
fn a_socket_needs_what_the_directions_need() {
    for (replies, requests, expected) in [
        (0, 0, NO),
        (1, 0, Rights::WRITE),
        (0, 1, Rights::READ),
        (1, 1, Rights::READ | Rights::WRITE),
        (256, 32, Rights::READ | Rights::WRITE),
    ] {
        assert_eq!(socket_call(replies, requests), expected);
    }
}

#[test]
fn commands_copies_and_calls() {
    for command in [
        F_DUPFD,
        F_GETFD,
        F_SETFD,
        F_GETFL,
        F_GET_SCHEMEID,
        cap::F_CAP_GET_RIGHTS,
        cap::F_CAP_LIMIT,
        cap::F_CAP_BENEATH,
        cap::F_CAP_LEASE,
        cap::F_CAP_REVOKE,
        cap::F_SCHEME_DECLARE,
        cap::F_SCHEME_OBJECT,
        cap::F_SCHEME_HOLDERS,
    ] {
        assert_eq!(fcntl(command), NO, "{command:#x}");
    }
    for command in [F_SETFL, 5, 0x4005, usize::MAX] {
        assert_eq!(fcntl(command), Rights::FCNTL, "{command:#x}");
    }
    assert_eq!(dup(0), NO);
    assert_eq!(dup(1), Rights::DUP);
    assert_eq!(positioned(Rights::READ, usize::MAX), Rights::READ);
    assert_eq!(positioned(Rights::READ, 0), Rights::READ | Rights::SEEK);
    let read = CallFlags::READ;
    for (flags, first, expected) in [
        (read, 0, Some(Rights::CALL)),
        (CallFlags::FD | CallFlags::WRITE, 0, Some(Rights::TRANSFER)),
        (CallFlags::FD | read, 0, Some(Rights::TRANSFER)),
        (CallFlags::STD_FS, 0, None),
        (CallFlags::STD_FS, 9, None),
        (CallFlags::STD_FS, 1, Some(Rights::ATTR)),
        (CallFlags::STD_FS, 0xffff_ff03, Some(Rights::READ)),
        (CallFlags::STD_FS, 4, Some(Rights::STAT)),
        (CallFlags::STD_FS, 6, Some(Rights::SYNC)),
        (CallFlags::STD_FS, 10, Some(Rights::UNLINK)),
        (CallFlags::STD_FS, 12, Some(Rights::FCNTL)),
        (
            CallFlags::STD_FS | CallFlags::MULTIPLE_FDS2,
            15,
            Some(Rights::RENAME),
        ),
    ] {
        assert_eq!(call(flags, first), expected, "{flags:?} {first}");
    }
}

proptest! {
    #[test]
    fn a_refusal_names_exactly_what_is_missing(held in any::<u32>(), needed in any::<u32>()) {
        let (held, needed) = (Rights::from_bits_truncate(held), Rights::from_bits_truncate(needed));
        match check(held, needed) {
            Ok(()) => prop_assert!(held.contains(needed)),
            Err(Missing(missing)) => {
                prop_assert!(!missing.is_empty());
                prop_assert_eq!(missing & held, NO);
                prop_assert_eq!(check(held | missing, needed), Ok(()));
            }
        }
    }

    #[test]
    fn a_mapping_within_its_limit_is_one_that_could_have_been_made(
        rights in any::<u32>(), flags in any::<usize>(),
    ) {
        let rights = Rights::from_bits_truncate(rights);
        let share = MapFlags::from_bits_truncate(flags) & (MapFlags::MAP_PRIVATE | MapFlags::MAP_SHARED);
        let limit = map_limit(rights, share);
        prop_assert!(limit.is_empty() || rights.contains(map(limit | share)));
    }
}
