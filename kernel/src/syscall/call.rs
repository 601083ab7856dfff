//! `SYS_CALL`: a scheme's own verbs, standard file-system calls, and passing descriptors.

use crate::{
    descriptor::{Description, Entry},
    error::{Halt, Outcome, fail},
    kernel::Kernel,
    scheme::{
        Kind,
        user::{
            Call, RecvIntent, Scheme, Then,
            fds::{FD_SIZE, MAX_TRANSFER},
            payload::Direction,
        },
    },
};
use cap_abi::{
    Rights,
    resolve::{AT_FLAG_BENEATH, RESOLVE_BENEATH},
};
use core::mem::size_of;
use kernel_core::{rights, slab::Id};
use syscall::{
    data::{Stat, StatVfs, TimeSpec},
    error::*,
    flag::*,
    schemev2::Opcode,
};

/// Most metadata words of any call.
const MAX_METADATA: usize = 8;
/// Metadata words that fit a submission entry.
const SQE_METADATA: usize = 3;
/// The lower bits of a two-descriptor call's first argument count its descriptors.
const MULTIPLE_MASK: usize = 7;

impl Kernel {
    /// `SYS_CALL`.
    #[inline(never)]
    pub fn sys_call(
        &mut self,
        fd: usize,
        base: usize,
        len: usize,
        flags_and_count: usize,
        metadata: usize,
    ) -> Outcome {
        let count = flags_and_count & 0xff;
        let flags = CallFlags::from_bits(flags_and_count & !0xff).ok_or(Halt::Errno(EINVAL))?;
        const UNCOMMON: CallFlags = CallFlags::FD
            .union(CallFlags::CONSUME)
            .union(CallFlags::MULTIPLE_FDS2);
        if flags.intersects(UNCOMMON) || count > SQE_METADATA {
            return self.call_uncommonly(fd, base, len, flags, metadata, count);
        }
        let entry = self.entry(fd, Rights::empty())?;
        let description = self.description(entry.desc)?;
        let kind = description.kind;
        let nonblocking = description.nonblocking();
        let mut words = [0; SQE_METADATA];
        if count == SQE_METADATA {
            words = self.read_plain(self.current_space, metadata)?;
        } else if count > 0 {
            let filled = words.get_mut(..count).unwrap_or(&mut []);
            self.read_words(self.current_space, metadata, filled)?;
        }
        match kind {
            Kind::User { scheme, number } => {
                self.call_one(&entry, scheme, number, base, len, flags, words)
            }
            Kind::Socket(scheme) => {
                self.socket_call(&entry, scheme, base, len, flags, words, nonblocking)
            }
            kind => {
                let [a, b, c] = words;
                self.kernel_call(entry, kind, base, len, flags, &[a, b, c, 0, 0, 0, 0, 0])
            }
        }
    }

    /// Calls that pass descriptors, name two objects, give theirs up, or say much.
    #[cold]
    fn call_uncommonly(
        &mut self,
        fd: usize,
        base: usize,
        len: usize,
        flags: CallFlags,
        metadata: usize,
        count: usize,
    ) -> Outcome {
        if count > MAX_METADATA {
            return fail(EINVAL);
        }
        let mut words = [0; MAX_METADATA];
        let filled = words.get_mut(..count).unwrap_or(&mut []);
        self.read_words(self.current_space, metadata, filled)?;
        if flags.contains(CallFlags::MULTIPLE_FDS2) {
            return self.call_two(fd, base, len, flags, words, count);
        }
        let entry = self.entry(fd, Rights::empty())?;
        let description = self.description(entry.desc)?;
        let kind = description.kind;
        let [a, b, c, ..] = words;
        if let Kind::Socket(scheme) = kind {
            let nonblocking = description.nonblocking();
            return self.socket_call(&entry, scheme, base, len, flags, [a, b, c], nonblocking);
        }
        if flags.contains(CallFlags::CONSUME) {
            // The caller is still the running context when the call is on its way.
            self.attention = true;
        }
        let outcome = if flags.contains(CallFlags::FD) {
            self.pass_descriptors(entry, kind, base, len, flags, words, count)
        } else {
            match kind {
                Kind::User { .. } if count > SQE_METADATA => fail(EINVAL),
                Kind::User { scheme, number } => {
                    self.call_one(&entry, scheme, number, base, len, flags, [a, b, c])
                }
                kind => self.kernel_call(entry, kind, base, len, flags, &words),
            }
        };
        if flags.contains(CallFlags::CONSUME) && matches!(outcome, Ok(_) | Err(Halt::Blocked)) {
            // The request is ahead of the close in the scheme's queue.
            let _ = self.close_fd(fd);
        }
        outcome
    }

    #[inline]
    #[allow(clippy::too_many_arguments)]
    fn call_one(
        &mut self,
        entry: &Entry,
        scheme: Id<Scheme>,
        number: u64,
        base: usize,
        len: usize,
        flags: CallFlags,
        [a, mut b, c]: [u64; SQE_METADATA],
    ) -> Outcome {
        let mut takes_path = false;
        let (opcode, direction) = if flags.contains(CallFlags::STD_FS) {
            let kind = StdFsCallKind::try_from_raw(a as u8).ok_or(Halt::Errno(EOPNOTSUPP))?;
            self.require(entry, rights::std_fs(kind))?;
            if matches!(kind, StdFsCallKind::Frenameat | StdFsCallKind::Flinkat) {
                return fail(EINVAL);
            }
            takes_path = kind == StdFsCallKind::Unlinkat;
            if takes_path {
                b = self.resolve_flags(scheme, entry, b as usize)? as u64;
                if b as usize & RESOLVE_BENEATH != 0 {
                    b |= u64::from(AT_FLAG_BENEATH);
                }
            }
            (Opcode::StdFsCall, direction_of(kind, len)?)
        } else {
            self.require(entry, Rights::CALL)?;
            let direction = match (
                flags.contains(CallFlags::READ),
                flags.contains(CallFlags::WRITE),
            ) {
                (false, false) | (true, true) => Direction::Both,
                (true, false) => Direction::OutAll,
                (false, true) => Direction::In,
            };
            (Opcode::Call, direction)
        };
        let mut call =
            Call::verb(scheme, entry, opcode, number, [a, b, c]).with(base, len, direction);
        if takes_path {
            call = call.on_path(b as usize, base, len);
        }
        self.call_scheme(call.then(answer_of(direction)))
    }

    /// Fails, and counts it, unless the entry has the right.
    #[inline]
    pub fn require(&mut self, entry: &Entry, need: Rights) -> Outcome<()> {
        if entry.rights.contains(need) {
            Ok(())
        } else {
            self.deny(crate::descriptor::Denial::Right)
        }
    }

    /// A call that names two objects of one scheme: the first argument points to their numbers.
    fn call_two(
        &mut self,
        numbers: usize,
        base: usize,
        len: usize,
        flags: CallFlags,
        words: [u64; MAX_METADATA],
        count: usize,
    ) -> Outcome {
        if numbers & MULTIPLE_MASK != 2 || flags.intersects(CallFlags::FD | CallFlags::CONSUME) {
            return fail(EINVAL);
        }
        let mut fds = [0_u64; 2];
        self.read_words(self.current_space, numbers & !MULTIPLE_MASK, &mut fds)?;
        let [first, second] = fds.map(|fd| fd as usize);
        let [kind, mut argument, ..] = words;
        let standard = flags.contains(CallFlags::STD_FS);
        let (opcode, need, direction) = if standard {
            if count > SQE_METADATA {
                return fail(EINVAL);
            }
            let kind = StdFsCallKind::try_from_raw(kind as u8).ok_or(Halt::Errno(EOPNOTSUPP))?;
            let direction = match kind {
                StdFsCallKind::Frenameat | StdFsCallKind::Flinkat => Direction::In,
                StdFsCallKind::Relpathat => Direction::Out,
                _ => return fail(EINVAL),
            };
            (Opcode::StdFsCall, rights::std_fs(kind), direction)
        } else {
            if count > 2 {
                return fail(EINVAL);
            }
            (Opcode::Call, Rights::CALL, Direction::Both)
        };
        let a = self.entry(first, need)?;
        let b = self.entry(second, need)?;
        let (kind_a, kind_b) = (
            self.description(a.desc)?.kind,
            self.description(b.desc)?.kind,
        );
        let (
            Kind::User { scheme, number },
            Kind::User {
                scheme: other,
                number: second,
            },
        ) = (kind_a, kind_b)
        else {
            return fail(EOPNOTSUPP);
        };
        if scheme != other {
            return fail(EXDEV);
        }
        let mut beneath = !(a.rights & b.rights).contains(Rights::ESCAPE);
        if standard && direction == Direction::In {
            let asked = argument & u64::from(AT_FLAG_BENEATH) != 0;
            beneath |= asked;
            if beneath {
                self.resolve_flags(scheme, &a, RESOLVE_BENEATH)?;
                argument |= u64::from(AT_FLAG_BENEATH);
            }
        }
        let words = [kind, argument, second];
        let mut call = Call::verb(scheme, &a, opcode, number, words).with(base, len, direction);
        call.multiple_ids = true;
        call.beneath = beneath;
        self.call_scheme(call.then(answer_of(direction)))
    }

    /// Sends descriptors to an object, or receives some from it.
    #[allow(clippy::too_many_arguments)]
    fn pass_descriptors(
        &mut self,
        entry: Entry,
        kind: Kind,
        base: usize,
        len: usize,
        flags: CallFlags,
        words: [u64; MAX_METADATA],
        count: usize,
    ) -> Outcome {
        let Kind::User { scheme, number } = kind else {
            return fail(EOPNOTSUPP);
        };
        let fds = len / FD_SIZE;
        let [a, b, ..] = words;
        self.require(&entry, Rights::TRANSFER)?;
        if !len.is_multiple_of(FD_SIZE) || fds == 0 || fds > MAX_TRANSFER {
            return fail(EINVAL);
        }
        match (
            flags.contains(CallFlags::WRITE),
            flags.contains(CallFlags::READ),
        ) {
            (true, false) => {
                if count > 1 {
                    return fail(EINVAL);
                }
                let mut send = SendFdFlags::empty();
                send.set(
                    SendFdFlags::EXCLUSIVE,
                    flags.contains(CallFlags::FD_EXCLUSIVE),
                );
                send.set(SendFdFlags::CLONE, flags.contains(CallFlags::FD_CLONE));
                let entries = self.collect_entries(
                    base,
                    fds,
                    flags.contains(CallFlags::FD_CLONE),
                    flags.contains(CallFlags::FD_EXCLUSIVE),
                )?;
                if let Some(context) = self.this() {
                    context.request.transfer = entries;
                }
                let args = [number, send.bits() as u64, a, fds as u64, 0, 0];
                let call = Call::plain(scheme, &entry, Opcode::Sendfd, args).then(Then::SendFd);
                let caller = self.current;
                self.call_scheme(call).inspect_err(|halt| {
                    if let (Halt::Errno(_), Some(caller)) = (halt, caller) {
                        self.drop_transfer(caller);
                    }
                })
            }
            (false, true) => {
                if count > 2 {
                    return fail(EINVAL);
                }
                let mut receive = RecvFdFlags::empty();
                receive.set(RecvFdFlags::UPPER_TBL, flags.contains(CallFlags::FD_UPPER));
                receive.set(RecvFdFlags::CLOEXEC, flags.contains(CallFlags::FD_CLOEXEC));
                let lease = self.lease_for_opened(&entry)?;
                let Ok(description) = self
                    .descriptions
                    .insert(Description::new(Kind::User { scheme, number: 0 }, O_RDWR))
                else {
                    self.release_lease(lease);
                    return fail(ENOMEM);
                };
                let args = [number, receive.bits() as u64, fds as u64, a, b, 0];
                let mut call = Call::plain(scheme, &entry, Opcode::Recvfd, args);
                call.credentials = false;
                call.then = Then::RecvFd(RecvIntent {
                    buffer: base,
                    count: fds,
                    description,
                    upper: flags.contains(CallFlags::FD_UPPER),
                    cloexec: flags.contains(CallFlags::FD_CLOEXEC),
                    manual: false,
                    rights: entry.rights,
                    lease,
                });
                self.call_scheme(call)
            }
            _ => fail(EINVAL),
        }
    }
}

/// What an answer is: of an outward buffer, how much of it was filled.
const fn answer_of(direction: Direction) -> Then {
    match direction {
        Direction::Out => Then::Count,
        Direction::In | Direction::OutAll | Direction::Both => Then::Value,
    }
}

/// Which way the payload of a standard call goes.
///
/// # Errors
/// `EINVAL` for a length that the call cannot have; daemons rely on it.
fn direction_of(kind: StdFsCallKind, len: usize) -> Outcome<Direction> {
    let exact = |size: usize, direction| {
        if len == size {
            Ok(direction)
        } else {
            fail(EINVAL)
        }
    };
    match kind {
        StdFsCallKind::Fstat => exact(size_of::<Stat>(), Direction::OutAll),
        StdFsCallKind::Fstatvfs => exact(size_of::<StatVfs>(), Direction::OutAll),
        StdFsCallKind::Futimens => exact(TIMES, Direction::In),
        StdFsCallKind::GetLock => exact(LOCK, Direction::OutAll),
        StdFsCallKind::Getdents => Ok(Direction::Out),
        StdFsCallKind::Unlinkat => Ok(Direction::In),
        _ => Ok(Direction::Both),
    }
}

const TIMES: usize = 2 * size_of::<TimeSpec>();
/// Length of what is told of a lock.
const LOCK: usize = 2 * size_of::<u64>();
