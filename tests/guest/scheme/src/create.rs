//! Sockets: how they are made, read and written, well and badly. The case is its own daemon here, and
//! other processes call it.

use alloc::vec::Vec;

use cap_abi::Rights;
use cap_abi::fcntl::{F_SCHEME_DECLARE, F_SCHEME_HOLDERS, F_SCHEME_OBJECT};
use cap_abi::scheme::{CREATE_SCHEME, FEATURE_RESOLVE};
use guest_test::{Outcome, check, check_eq, check_error};
use redox_rt::context::Status;
use redox_rt::fd::{create_scheme, create_scheme_fd};
use redox_rt::{Error, Fd, Result, sys};
use rt_core::wait::exited;
use syscall::error::*;
use syscall::flag::*;
use syscall::schemev2::{CqeOpcode, Opcode};

use crate::daemon::Daemon;
use crate::world::{
    Caller, Process, fcntl, leaves_nothing, map_at, raw, shared, unmap, until, world,
};
use core::sync::atomic::{AtomicU64, Ordering};

pub fn run() -> i32 {
    guest_test::run!["scheme.create" =>
        sockets_need_the_capability, own_descriptors_are_checked,
        a_daemon_knows_its_own_objects, features_are_declared_first,
        several_requests_are_read_at_once, a_socket_need_not_block,
        bad_read_buffers_lose_nothing, replies_and_reads_combine, bad_completions_change_nothing,
        completions_come_in_batches, tags_belong_to_one_call, successors_have_other_tags,
        a_window_moves_only_when_unused, a_window_moves_only_where_there_is_room,
        buffers_that_are_lent_keep_the_window, a_thread_that_waits_keeps_the_window,
        a_buffer_lent_on_ends_with_the_first_call,
        another_thread_takes_over_from_a_bad_buffer, a_socket_ends_with_who_has_sent_it,
    ]
}

/// The last descriptor of a scheme's socket is on its way in a call of that very scheme.
fn a_socket_ends_with_who_has_sent_it() -> Outcome {
    leaves_nothing(|| {
        let own = Own::new()?;
        let (socket, root) = (own.socket.raw(), own.root.raw());
        let caller = Caller::start(|| sys::send_fds(root, &[socket], CallFlags::FD_CLONE, &[]))?;
        caller.process.until_blocked()?;
        check_eq!(own.read()?.opcode(), Opcode::Sendfd as u8);
        drop(own);
        caller.process.kill()?;
        Ok(())
    })
}

/// A scheme whose daemon is this process.
pub struct Own {
    pub socket: Fd,
    pub root: Fd,
}

/// A request: its words and what its payload was, if short.
#[derive(Debug)]
pub struct Got {
    pub words: [u64; 8],
}

impl Got {
    pub const fn opcode(&self) -> u8 {
        self.words[0] as u8
    }
    pub const fn tag(&self) -> u32 {
        (self.words[0] >> 32) as u32
    }
}

/// A completion entry.
pub fn cqe(opcode: u8, tag: u32, result: usize) -> [u64; 2] {
    [u64::from(opcode) | u64::from(tag) << 32, result as u64]
}

impl Own {
    pub fn new() -> Result<Self> {
        let socket = create_scheme(&world().capability, 0)?;
        let root = create_scheme_fd(&socket, 1, 0, O_RDWR, 0)?;
        Ok(Self { socket, root })
    }

    pub fn nonblocking(&self, on: bool) -> Result<usize> {
        fcntl(self.socket.raw(), F_SETFL, if on { O_NONBLOCK } else { 0 })
    }

    /// Another process that makes one call.
    pub fn caller(&self, call: impl FnOnce(usize) -> Result<usize>) -> Result<Caller> {
        let (socket, root) = (self.socket.raw(), self.root.raw());
        Caller::start(|| {
            sys::close(socket)?;
            call(root)
        })
    }

    pub fn read(&self) -> Result<Got> {
        let mut words = [0; 8];
        let args = [self.socket.raw(), words.as_mut_ptr() as usize, 64, 0, 0, 0];
        match raw(syscall::SYS_READ, args)? {
            64 => Ok(Got { words }),
            _ => Err(Error::new(EIO)),
        }
    }

    /// The next request that wants an answer.
    pub fn request(&self) -> Result<Got> {
        loop {
            let got = self.read()?;
            if got.words[0] >> 8 & 1 == 0 {
                return Ok(got);
            }
        }
    }

    pub fn write(&self, entries: &[[u64; 2]]) -> Result<usize> {
        let args = [
            self.socket.raw(),
            entries.as_ptr() as usize,
            size_of_val(entries),
            0,
            0,
            0,
        ];
        raw(syscall::SYS_WRITE, args)
    }

    pub fn answer(&self, got: &Got, result: usize) -> Outcome {
        check_eq!(self.write(&[cqe(0, got.tag(), result)])?, 16);
        Ok(())
    }

    /// The combined call on `buffer`.
    fn both(&self, buffer: &mut [u64], metadata: &[u64]) -> Result<usize> {
        let (base, len) = (buffer.as_mut_ptr() as usize, size_of_val(buffer));
        let flags = (CallFlags::READ | CallFlags::WRITE).bits() | metadata.len();
        let metadata = metadata.as_ptr() as usize;
        raw(
            syscall::SYS_CALL,
            [self.socket.raw(), base, len, flags, metadata, 0],
        )
    }
}

fn fsync(fd: usize) -> Result<usize> {
    sys::fsync(fd).map(|()| 0)
}

fn sockets_need_the_capability() -> Outcome {
    leaves_nothing(|| {
        let capability = &world().capability;
        for payload in [
            &b"create-schem"[..],
            b"create-scheme ",
            b"CREATE-SCHEME",
            b"x",
            &[0; 13],
        ] {
            check_error!(capability.dup(payload), EINVAL);
        }
        check_error!(capability.dup(&[b'x'; 8192]), EINVAL);
        let [address, len] = [0x10, CREATE_SCHEME.len()];
        check_error!(
            raw(
                syscall::SYS_DUP_INTO,
                [capability.raw(), address, len, sys::FD_ANY, 0, 0]
            ),
            EFAULT
        );
        let copy = capability.dup(b"")?;
        copy.dup(CREATE_SCHEME)?.close()?;
        copy.limit(Rights::FULL.difference(Rights::DUP))?;
        check_error!(copy.dup(CREATE_SCHEME), EPERM);
        let closed = copy.raw();
        copy.close()?;
        check_error!(sys::dup(closed, CREATE_SCHEME, sys::FD_ANY), EBADF);
        let own = Own::new()?;
        check_error!(own.socket.dup(CREATE_SCHEME), EINVAL);
        for root in [&world().pipe, &world().event, &world().sys, &world().memory] {
            check_error!(root.dup(CREATE_SCHEME), ENOENT);
        }
        // A number that is taken makes no scheme.
        check_error!(
            sys::dup(capability.raw(), CREATE_SCHEME, own.root.raw()),
            EEXIST
        );
        // Neither can the capability be read, written, mapped or called.
        check_error!(capability.read(&mut [0; 64]), EBADF);
        check_error!(capability.write(&[0; 64]), EBADF);
        check_error!(
            sys::call(capability.raw(), CallFlags::empty(), &[0]),
            EOPNOTSUPP
        );
        Ok(())
    })
}

fn own_descriptors_are_checked() -> Outcome {
    leaves_nothing(|| {
        let own = Own::new()?;
        for len in [0_usize, 1, 8, 24, 31, 33, 64] {
            let payload = [0_u8; 64];
            if let Some(payload) = payload.get(..len).filter(|p| !p.is_empty()) {
                check_error!(own.socket.dup(payload), EINVAL, "{len} bytes");
            }
        }
        let args = [own.socket.raw(), 0x10, 32, sys::FD_ANY, 0, 0];
        check_error!(raw(syscall::SYS_DUP_INTO, args), EFAULT);
        let fd = create_scheme_fd(&own.socket, 9, 1234, O_RDONLY | O_NONBLOCK, 1)?;
        check_eq!(sys::lseek(fd.raw(), 0, SEEK_CUR)?, 1234);
        check_eq!(fcntl(fd.raw(), F_GETFL, 0)?, O_RDONLY | O_NONBLOCK);
        check_eq!(fd.rights()?, Rights::FULL);
        let fd = create_scheme_fd(&own.socket, 9, 1234, O_RDONLY, 0)?;
        check_error!(sys::lseek(fd.raw(), 0, SEEK_CUR), ESPIPE);
        own.socket.limit(Rights::FULL.difference(Rights::DUP))?;
        check_error!(create_scheme_fd(&own.socket, 9, 0, O_RDONLY, 0), EPERM);
        Ok(())
    })
}

fn a_daemon_knows_its_own_objects() -> Outcome {
    leaves_nothing(|| {
        let sockets = [(); 2].map(|()| create_scheme(&world().capability, 0));
        let [socket, other] = sockets;
        let (socket, other) = (socket?, other?);
        for number in [0, 7, 1 << 40] {
            let object = create_scheme_fd(&socket, number, 0, O_RDONLY, 0)?;
            check_eq!(fcntl(socket.raw(), F_SCHEME_HOLDERS, object.raw())?, 1);
            let copy = object.dup(b"")?;
            copy.limit(Rights::empty())?;
            for fd in [&object, &copy] {
                check_eq!(fcntl(socket.raw(), F_SCHEME_OBJECT, fd.raw())?, number);
                check_error!(fcntl(other.raw(), F_SCHEME_OBJECT, fd.raw()), EXDEV);
                check_error!(fcntl(fd.raw(), F_SCHEME_OBJECT, fd.raw()), EINVAL);
                check_eq!(fcntl(socket.raw(), F_SCHEME_HOLDERS, fd.raw())?, 2);
                check_error!(fcntl(other.raw(), F_SCHEME_HOLDERS, fd.raw()), EXDEV);
            }
        }
        for fd in [&world().pipe, &socket, &other] {
            check_error!(fcntl(socket.raw(), F_SCHEME_OBJECT, fd.raw()), EXDEV);
            check_error!(fcntl(socket.raw(), F_SCHEME_HOLDERS, fd.raw()), EXDEV);
        }
        check_error!(fcntl(socket.raw(), F_SCHEME_OBJECT, usize::MAX >> 8), EBADF);
        Ok(())
    })
}

fn features_are_declared_first() -> Outcome {
    leaves_nothing(|| {
        let socket = create_scheme(&world().capability, 0)?;
        for unknown in [2, 4, 3, usize::MAX, 1 << 32] {
            check_error!(fcntl(socket.raw(), F_SCHEME_DECLARE, unknown), EINVAL);
        }
        check_eq!(fcntl(socket.raw(), F_SCHEME_DECLARE, FEATURE_RESOLVE)?, 0);
        check_eq!(fcntl(socket.raw(), F_SCHEME_DECLARE, 0)?, 0);
        check_eq!(fcntl(socket.raw(), F_SCHEME_DECLARE, FEATURE_RESOLVE)?, 0);
        let root = create_scheme_fd(&socket, 1, 0, O_RDWR, 0)?;
        check_error!(fcntl(socket.raw(), F_SCHEME_DECLARE, 0), EBUSY);
        check_error!(
            fcntl(socket.raw(), F_SCHEME_DECLARE, FEATURE_RESOLVE),
            EBUSY
        );
        check_error!(fcntl(root.raw(), F_SCHEME_DECLARE, FEATURE_RESOLVE), EINVAL);
        check_error!(
            fcntl(world().pipe.raw(), F_SCHEME_DECLARE, FEATURE_RESOLVE),
            EINVAL
        );
        check_error!(
            fcntl(usize::MAX >> 8, F_SCHEME_DECLARE, FEATURE_RESOLVE),
            EBADF
        );
        // No longer a question of order once the descriptor is gone.
        drop(root);
        check_error!(fcntl(socket.raw(), F_SCHEME_DECLARE, 0), EBUSY);
        Ok(())
    })
}

fn several_requests_are_read_at_once() -> Outcome {
    leaves_nothing(|| {
        let own = Own::new()?;
        let callers = [0, 1, 2, 3, 4].map(|_| own.caller(fsync));
        for caller in &callers {
            match caller {
                Ok(caller) => caller.process.until_blocked()?,
                Err(e) => return Err(guest_test::Failure::from(*e)),
            }
        }
        let mut buffer = [[0_u64; 8]; 8];
        let base = buffer.as_mut_ptr() as usize;
        // Room for three and a half.
        let read = raw(syscall::SYS_READ, [own.socket.raw(), base, 224, 0, 0, 0])?;
        check_eq!(read, 192);
        check_eq!(buffer[3], [0; 8], "more was written than was told");
        let rest = base + 192;
        check_eq!(
            raw(syscall::SYS_READ, [own.socket.raw(), rest, 320, 0, 0, 0])?,
            128
        );
        let mut tags: Vec<u32> = buffer[..5]
            .iter()
            .map(|sqe| (sqe[0] >> 32) as u32)
            .collect();
        let entries: Vec<[u64; 2]> = tags
            .iter()
            .enumerate()
            .map(|(i, tag)| cqe(0, *tag, i + 10))
            .collect();
        check!(
            buffer[..5]
                .iter()
                .all(|sqe| sqe[0] as u8 == Opcode::Fsync as u8)
        );
        tags.sort_unstable();
        tags.dedup();
        check_eq!(tags.len(), 5);
        check_eq!(own.write(&entries)?, 80);
        let mut results = Vec::new();
        for caller in callers.into_iter().flatten() {
            results.push(caller.result()?);
        }
        results.sort_unstable();
        check_eq!(results, [0, 0, 0, 0, 0]);
        Ok(())
    })
}

fn a_socket_need_not_block() -> Outcome {
    leaves_nothing(|| {
        let own = Own::new()?;
        own.nonblocking(true)?;
        check_error!(own.read(), EAGAIN);
        let mut buffer = [0; 8];
        check_error!(own.both(&mut buffer, &[0, 0, 1]), EAGAIN);
        let caller = own.caller(fsync)?;
        caller.process.until_blocked()?;
        let got = own.read()?;
        check_eq!(got.opcode(), Opcode::Fsync as u8);
        check_error!(own.read(), EAGAIN);
        // The reply counts although there is nothing to read.
        buffer[..2].copy_from_slice(&cqe(0, got.tag(), 0));
        check_eq!(own.both(&mut buffer, &[0, 1, 1])?, 1);
        check_eq!(caller.result()?, 0);
        own.nonblocking(false)?;
        Ok(())
    })
}

fn bad_read_buffers_lose_nothing() -> Outcome {
    leaves_nothing(|| {
        let own = Own::new()?;
        let caller = own.caller(fsync)?;
        caller.process.until_blocked()?;
        let socket = own.socket.raw();
        let page = map_at(0, 8192, MapFlags::MAP_PRIVATE)?;
        // SAFETY: the range is this case's alone.
        unsafe { sys::mprotect(page, 4096, MapFlags::PROT_READ) }?;
        unmap(page + 4096, 4096)?;
        for len in [0, 1, 63] {
            check_error!(raw(syscall::SYS_READ, [socket, page, len, 0, 0, 0]), EINVAL);
        }
        for bad in [
            0,
            0x10,
            page,
            page + 4096 - 32,
            page + 4096,
            usize::MAX - 4095,
            1 << 47,
            1 << 63,
        ] {
            check_error!(
                raw(syscall::SYS_READ, [socket, bad, 64, 0, 0, 0]),
                EFAULT,
                "{bad:#x}"
            );
        }
        unmap(page, 4096)?;
        let got = own.read()?;
        own.answer(&got, 7)?;
        check_eq!(caller.result()?, 0);
        // A reader that waits with a bad buffer is told, and the request goes to the next.
        let (proc_socket, bad) = (socket, 0x10);
        let reader = Caller::start(|| raw(syscall::SYS_READ, [proc_socket, bad, 64, 0, 0, 0]))?;
        reader.process.until_blocked()?;
        let caller = own.caller(fsync)?;
        check_error!(reader.result(), EFAULT);
        let got = own.read()?;
        own.answer(&got, 0)?;
        check_eq!(caller.result()?, 0);
        Ok(())
    })
}

fn another_thread_takes_over_from_a_bad_buffer() -> Outcome {
    leaves_nothing(|| {
        // Two processes of one window: threads would do the same, with less isolation.
        let own = Own::new()?;
        // SAFETY: atomics alone.
        let memory: &'static [AtomicU64; 512] = unsafe { shared() }?;
        let socket = own.socket.raw();
        let serve = move || -> i32 {
            let good = memory.as_ptr() as usize;
            let bad = thread([syscall::SYS_READ, socket, 0x10, 64]);
            let waits = thread([syscall::SYS_READ, socket, good, 64]);
            let (Ok(bad), Ok(waits)) = (bad, waits) else {
                return 1;
            };
            memory[8].store(1, Ordering::SeqCst);
            let first = bad.join();
            let second = waits.join();
            let tag = memory[0].load(Ordering::SeqCst) >> 32;
            let answer = cqe(0, tag as u32, 0);
            let _ = raw(
                syscall::SYS_WRITE,
                [socket, answer.as_ptr() as usize, 16, 0, 0, 0],
            );
            i32::from(first.is_err() || second.is_err())
        };
        let daemon = Process::start(serve)?;
        until("two threads", || memory[8].load(Ordering::SeqCst) == 1)?;
        for _ in 0..50 {
            sys::sched_yield();
        }
        let caller = own.caller(fsync)?;
        check_eq!(caller.result()?, 0);
        daemon.wait()?;
        unmap(memory.as_ptr() as usize, size_of_val(memory))?;
        Ok(())
    })
}

/// A thread that makes one system call: its number and arguments.
fn thread(call: [usize; 4]) -> Result<redox_rt::thread::Thread> {
    extern "C" fn make(argument: usize) {
        // SAFETY: the words live until the thread is joined: they are leaked.
        let [number, a, b, c] = unsafe { *(argument as *const [usize; 4]) };
        let _ = raw(number, [a, b, c, 0, 0, 0]);
    }
    let words = alloc::boxed::Box::leak(alloc::boxed::Box::new(call));
    let source = redox_rt::thread::Source::Kernel(&world().proc);
    // SAFETY: the argument is what the function expects.
    unsafe { redox_rt::thread::spawn_raw(source, 64 << 10, make, words.as_ptr() as usize) }
}

fn replies_and_reads_combine() -> Outcome {
    leaves_nothing(|| {
        let own = Own::new()?;
        let first = own.caller(fsync)?;
        first.process.until_blocked()?;
        let got = own.read()?;
        let mut buffer = [0_u64; 24];
        for (metadata, what) in [
            (&[1, 0, 1][..], "a verb that is none"),
            (&[u64::MAX, 0, 1], "a verb that is none"),
            (&[0, 13, 0], "more replies than fit"),
            (&[0, 0, 4], "more requests than fit"),
            (&[0, u64::MAX, 0], "too many replies"),
            (&[0, 1 << 60, 1 << 60], "a product that overflows"),
        ] {
            check_error!(own.both(&mut buffer, metadata), EINVAL, "{what}");
        }
        check!(!first.is_done());
        let second = own.caller(fsync)?;
        second.process.until_blocked()?;
        buffer[..2].copy_from_slice(&cqe(0, got.tag(), 0));
        check_eq!(own.both(&mut buffer, &[0, 1, 3])?, 2);
        check_eq!(first.result()?, 0);
        check_eq!(buffer[0] as u8, Opcode::Fsync as u8);
        // A bad reply is an error of its own, and nothing is read.
        let tag = (buffer[0] >> 32) as u32;
        let third = own.caller(fsync)?;
        third.process.until_blocked()?;
        buffer[..2].copy_from_slice(&cqe(7, tag, 0));
        check_error!(own.both(&mut buffer, &[0, 1, 1]), EINVAL);
        buffer[..2].copy_from_slice(&cqe(0, tag, 0));
        check_eq!(own.both(&mut buffer, &[0, 1, 0])?, 1);
        check_eq!(second.result()?, 0);
        let got = own.read()?;
        own.answer(&got, 0)?;
        check_eq!(third.result()?, 0);
        Ok(())
    })
}

fn bad_completions_change_nothing() -> Outcome {
    leaves_nothing(|| {
        let own = Own::new()?;
        let socket = own.socket.raw();
        let caller = own.caller(fsync)?;
        caller.process.until_blocked()?;
        let got = own.read()?;
        let tag = got.tag();
        check_error!(own.write(&[cqe(7, tag, 0)]), EINVAL);
        check_error!(
            own.write(&[cqe(CqeOpcode::RespondWithFd as u8, tag, 0x7fff)]),
            EBADF
        );
        check_error!(
            own.write(&[cqe(CqeOpcode::RespondWithMultipleFds as u8, tag, 0)]),
            EINVAL
        );
        check_error!(own.write(&[cqe(CqeOpcode::ObtainFd as u8, tag, 0)]), EINVAL);
        check_error!(raw(syscall::SYS_WRITE, [socket, 0x10, 16, 0, 0, 0]), EFAULT);
        check_eq!(raw(syscall::SYS_WRITE, [socket, 0x10, 15, 0, 0, 0])?, 0);
        // Answers to calls that do not exist are taken and mean nothing.
        for other in [tag ^ 1 << 20, tag ^ 1, u32::MAX, 0xf_ffff] {
            if other != tag {
                check_eq!(own.write(&[cqe(0, other, 5)])?, 16, "{other:#x}");
            }
        }
        // So are events of objects that nobody watches.
        check_eq!(
            own.write(&[cqe(CqeOpcode::SendFevent as u8, u32::MAX, usize::MAX)])?,
            16
        );
        check!(!caller.is_done() && caller.process.is_blocked()?);
        own.answer(&got, 0)?;
        check_eq!(caller.result()?, 0);
        // The same answer again comes too late.
        own.answer(&got, 0)?;
        Ok(())
    })
}

fn completions_come_in_batches() -> Outcome {
    leaves_nothing(|| {
        let own = Own::new()?;
        let (mut callers, mut tags) = (Vec::new(), Vec::new());
        for _ in 0..3 {
            let caller =
                own.caller(|fd| sys::fevent(fd, EventFlags::EVENT_READ).map(|flags| flags.bits()))?;
            caller.process.until_blocked()?;
            tags.push(own.read()?.tag());
            callers.push(caller);
        }
        // The first two are good; the third is not told of, for its turn comes again.
        let entries = [
            cqe(0, tags[0], 1),
            cqe(0, tags[1], 1),
            cqe(7, tags[2], 1),
            cqe(0, tags[2], 1),
        ];
        check_eq!(own.write(&entries)?, 32);
        check!(!callers[2].is_done());
        check_error!(own.write(&entries[2..]), EINVAL);
        check_eq!(own.write(&entries[3..])?, 16);
        for caller in callers {
            check_eq!(caller.result()?, 1);
        }
        // More than are handled in one call.
        let many: Vec<[u64; 2]> = (0..1000).map(|_| cqe(0, u32::MAX, 0)).collect();
        check_eq!(own.write(&many)?, 256 * 16);
        Ok(())
    })
}

fn tags_belong_to_one_call() -> Outcome {
    leaves_nothing(|| {
        let (own, other) = (Own::new()?, Own::new()?);
        let foreign = other.socket.raw();
        let caller = own.caller(|fd| {
            sys::close(foreign)?;
            fsync(fd)?;
            fsync(fd)
        })?;
        caller.process.until_blocked()?;
        let first = own.read()?;
        // Through the wrong socket.
        check_eq!(other.write(&[cqe(0, first.tag(), 0)])?, 16);
        check!(caller.process.is_blocked()?);
        own.answer(&first, 0)?;
        let second = own.request()?;
        check!(first.tag() != second.tag());
        // The same answer does not do for the second call.
        own.answer(&first, 0)?;
        check!(!caller.is_done());
        own.answer(&second, 0)?;
        check_eq!(caller.result()?, 0);
        Ok(())
    })
}

fn successors_have_other_tags() -> Outcome {
    leaves_nothing(|| {
        // Each process is gone before the next is made, so that this is likely to have its place.
        let own = Own::new()?;
        let mut tags = Vec::new();
        for _ in 0..8 {
            let caller = own.caller(fsync)?;
            let got = own.request()?;
            tags.push(got.tag());
            own.answer(&got, 0)?;
            check_eq!(caller.result()?, 0);
        }
        tags.sort_unstable();
        tags.dedup();
        check_eq!(tags.len(), 8);
        Ok(())
    })
}

fn write_hello(fd: usize) -> Result<usize> {
    sys::write(fd, b"hello")
}

fn a_window_moves_only_when_unused() -> Outcome {
    leaves_nothing(|| {
        let own = Own::new()?;
        let first = own.caller(write_hello)?;
        first.process.until_blocked()?;
        let got = own.read()?;
        // The copy of this process reads: its window would be in the way of what is under way here.
        let socket = own.socket.raw();
        fcntl(socket, F_SETFL, O_NONBLOCK)?;
        let mut words = [0_u64; 8];
        let buffer = words.as_mut_ptr() as usize;
        let read = move || raw(syscall::SYS_READ, [socket, buffer, 64, 0, 0, 0]);
        check_error!(Caller::start(read)?.result(), EXDEV);
        own.answer(&got, 5)?;
        check_eq!(first.result()?, 5);
        check_error!(Caller::start(read)?.result(), EAGAIN);
        fcntl(socket, F_SETFL, 0)?;
        // Now it is the copy's.
        let daemon = Process::start(|| {
            let Ok(got) = own.read() else { return 1 };
            let (address, len) = (got.words[2] as usize, got.words[3] as usize);
            // SAFETY: the request's buffer is there until the answer.
            let bytes = unsafe { core::slice::from_raw_parts(address as *const u8, len) };
            let result = if bytes == b"hello" { 5 } else { EIO as usize };
            i32::from(own.answer(&got, result).is_err())
        })?;
        let second = own.caller(write_hello)?;
        check_eq!(second.result()?, 5);
        daemon.wait()?;
        // And back.
        let third = own.caller(write_hello)?;
        third.process.until_blocked()?;
        let got = own.read()?;
        own.answer(&got, 5)?;
        check_eq!(third.result()?, 5);
        Ok(())
    })
}

/// Answers one request in a space that first has no room for the window.
fn serve_in_a_full_space(own: &Own) -> Outcome {
    /// Where windows are, and how large they are.
    const PLACE: usize = 0x7000_0000_0000;
    const WINDOW: usize = 16_384 * 4096;
    let context = world().proc.open(b"cur-context", 0)?;
    let lowest = context.dup(b"mmap-min-addr")?;
    let mut old = [0; 8];
    lowest.read_exact(&mut old)?;
    lowest.write_exact(&PLACE.to_le_bytes())?;
    let (mut size, mut last) = (1 << 43, 0);
    while size >= WINDOW {
        match map_at(0, size, MapFlags::MAP_PRIVATE) {
            Ok(address) => last = address,
            Err(_) => size /= 2,
        }
    }
    lowest.write_exact(&old)?;
    check_error!(own.read(), ENOMEM);
    check_error!(own.read(), ENOMEM, "the window did not half move");
    unmap(last, WINDOW)?;
    let got = own.read()?;
    let (address, len) = (got.words[2] as usize, got.words[3] as usize);
    check_eq!(address, last, "it is where there is room");
    // SAFETY: the request's buffer is there until the answer.
    let bytes = unsafe { core::slice::from_raw_parts(address as *const u8, len) };
    check_eq!(bytes, b"hello");
    own.answer(&got, len)
}

fn a_window_moves_only_where_there_is_room() -> Outcome {
    leaves_nothing(|| {
        let own = Own::new()?;
        own.nonblocking(true)?;
        let caller = own.caller(write_hello)?;
        caller.process.until_blocked()?;
        let daemon = Process::start(|| i32::from(serve_in_a_full_space(&own).is_err()))?;
        check_eq!(daemon.wait()?, Status::Ended(exited(0)));
        check_eq!(caller.result()?, 5);
        Ok(())
    })
}

fn buffers_that_are_lent_keep_the_window() -> Outcome {
    leaves_nothing(|| {
        let own = Own::new()?;
        let long = own.caller(|fd| sys::write(fd, &[0x77; 3 * 4096]))?;
        long.process.until_blocked()?;
        let got = own.read()?;
        let socket = own.socket.raw();
        fcntl(socket, F_SETFL, O_NONBLOCK)?;
        let mut words = [0_u64; 8];
        let buffer = words.as_mut_ptr() as usize;
        let read = move || raw(syscall::SYS_READ, [socket, buffer, 64, 0, 0, 0]);
        check_error!(Caller::start(read)?.result(), EXDEV);
        let (address, len) = (got.words[2] as usize, got.words[3] as usize);
        // SAFETY: the request's buffer is there until the answer.
        let bytes = unsafe { core::slice::from_raw_parts(address as *const u8, len) };
        check!(bytes.len() == 3 * 4096 && bytes.iter().all(|byte| *byte == 0x77));
        own.answer(&got, len)?;
        check_eq!(long.result()?, len);
        check_error!(Caller::start(read)?.result(), EAGAIN);
        Ok(())
    })
}

/// Passes part of a buffer on to `object`, and answers before that does, when `step` says so.
fn answer_too_early(own: &Own, object: usize, step: &AtomicU64) -> Outcome {
    let got = own.request()?;
    let (address, len) = (got.words[2] as usize, got.words[3] as usize);
    let whole = address.next_multiple_of(4096);
    let inner = thread([syscall::SYS_WRITE, object, whole, 2 * 4096])?;
    until("the first look", || step.load(Ordering::SeqCst) == 1)?;
    own.answer(&got, len)?;
    inner.join()?;
    Ok(())
}

/// A daemon may pass a buffer on, but whoever has it from there has it no longer than the daemon itself.
fn a_buffer_lent_on_ends_with_the_first_call() -> Outcome {
    leaves_nothing(|| {
        let (own, d) = (Own::new()?, Daemon::start()?);
        let object = d.open(6)?;
        // SAFETY: atomics alone.
        let step: &'static AtomicU64 = unsafe { shared() }?;
        d.hold();
        let mark = d.logged();
        let proxy =
            Process::start(|| i32::from(answer_too_early(&own, object.raw(), step).is_err()))?;
        let caller = own.caller(|fd| sys::write(fd, &[0x77; 3 * 4096]))?;
        d.until(mark, Opcode::Write, 1)?;
        let m = d.one(mark, Opcode::Write)?;
        let space = d.process()?.context().handle(b"addrspace")?;
        let mut seen = [0; 8];
        let mut look = || {
            sys::read_at(space.raw(), &mut seen, m.args[1], None)?;
            Ok::<_, Error>(seen)
        };
        check_eq!(look()?, [0x77; 8]);
        step.store(1, Ordering::SeqCst);
        check_eq!(caller.result()?, 3 * 4096);
        check_eq!(look()?, [0; 8]);
        d.complete_with(m.tag, Ok(2 * 4096))?;
        check_eq!(proxy.wait()?, Status::Ended(exited(0)));
        unmap(core::ptr::from_ref(step) as usize, size_of_val(step))?;
        Ok(())
    })
}

fn a_thread_that_waits_keeps_the_window() -> Outcome {
    leaves_nothing(|| {
        let own = Own::new()?;
        let daemon = Process::start(|| match own.read() {
            Ok(got) => i32::from(own.answer(&got, 5).is_err()),
            Err(_) => 1,
        })?;
        daemon.until_blocked()?;
        check_error!(own.read(), EXDEV);
        let caller = own.caller(write_hello)?;
        check_eq!(caller.result()?, 5);
        daemon.wait()?;
        Ok(())
    })
}
