//! The daemon's end of a scheme: its socket.

use super::{Node, Readers, Scheme, Stage, window::Window};
use crate::{
    context::{ReadForm, SocketRead},
    descriptor::{Description, Entry},
    error::{Halt, Outcome, fail},
    kernel::Kernel,
    scheme::Kind,
};
use cap_abi::Rights;
use core::mem::size_of;
use kernel_core::{lease::LeaseId, queue::Queue, rights, slab::Id};
use syscall::{
    data::NewFdParams,
    error::*,
    flag::{CallFlags, SchemeSocketCall},
    schemev2::{Cqe, NewFdFlags, Sqe},
};

/// At most so many completions are handled in one call, so that no call is long.
const MAX_REPLIES: usize = 256;
/// Length of a request in bytes.
const SQE_SIZE: usize = size_of::<Sqe>();
/// Length of a reply in bytes.
const CQE_SIZE: usize = size_of::<Cqe>();

impl Kernel {
    /// `dup(capability, "create-scheme")`: a new scheme, of which the caller gets the socket, under
    /// the capability's lease.
    pub fn create_scheme(&mut self, lease: Option<LeaseId>, number: usize) -> Outcome {
        let space = self.current_space;
        let socket = self
            .descriptions
            .insert(Description::new(
                Kind::SchemeCapability,
                syscall::flag::O_RDWR,
            ))
            .map_err(|_| Halt::Errno(ENOMEM))?;
        let scheme = self.schemes.insert(Scheme {
            space,
            window: Window::new(),
            features: 0,
            rooted: false,
            queue: Queue::new(),
            readers: Readers::default(),
            socket,
            watched: false,
            lent: 0,
            stray_replies: 0,
        });
        let Ok(scheme) = scheme else {
            self.descriptions.remove(socket);
            return fail(ENOMEM);
        };
        self.retain_space(space);
        if let Some(description) = self.descriptions.get_mut(socket) {
            description.kind = Kind::Socket(scheme);
        }
        if let Some(lease) = lease {
            self.leases.retain(lease);
        }
        let entry = Entry {
            desc: socket,
            rights: Rights::FULL,
            lease,
            cloexec: false,
        };
        if let Err(halt) = self.open_window(scheme) {
            self.drop_entry(entry);
            return Err(halt);
        }
        self.place(self.current_table, number, entry)
            .inspect_err(|_| self.drop_entry(entry))
    }

    /// `dup(socket, NewFdParams)`: a descriptor of one of the scheme's own objects, under the
    /// socket's lease.
    pub fn create_own_fd(
        &mut self,
        id: Id<Scheme>,
        params: &NewFdParams,
        lease: Option<LeaseId>,
        number: usize,
    ) -> Outcome {
        let Some(scheme) = self.schemes.get_mut(id) else {
            return fail(ENODEV);
        };
        scheme.rooted = true;
        let kind = Kind::User {
            scheme: id,
            number: params.number as u64,
        };
        let mut description = Description::new(kind, params.flags);
        description.offset = params.offset;
        description.positioned =
            NewFdFlags::from_bits_truncate(params.internal_flags).contains(NewFdFlags::POSITIONED);
        self.install(description, Rights::FULL, lease, number, false)
    }

    /// `read(socket)`: requests.
    pub fn socket_read(
        &mut self,
        scheme: Id<Scheme>,
        base: usize,
        len: usize,
        nonblocking: bool,
    ) -> Outcome {
        self.next_requests(scheme, base, len / SQE_SIZE, ReadForm::Bytes, nonblocking)
    }

    /// `write(socket)`: replies. The result is how many bytes of them were taken.
    pub fn socket_write(&mut self, scheme: Id<Scheme>, base: usize, len: usize) -> Outcome {
        let count = self.replies(scheme, base, len / CQE_SIZE)?;
        Ok(count.saturating_mul(CQE_SIZE))
    }

    /// `SYS_CALL` on the socket: passing descriptors, or replies and then requests in one call, which need
    /// the rights that writing the ones and reading the others do.
    #[allow(clippy::too_many_arguments)]
    pub fn socket_call(
        &mut self,
        entry: &Entry,
        scheme: Id<Scheme>,
        base: usize,
        len: usize,
        flags: CallFlags,
        metadata: [u64; 3],
        nonblocking: bool,
    ) -> Outcome {
        let [verb, first, second] = metadata;
        if flags.contains(CallFlags::FD) {
            self.require(entry, Rights::TRANSFER)?;
            return match SchemeSocketCall::try_from_raw(verb as usize) {
                Some(SchemeSocketCall::ObtainFd) => {
                    self.obtain_fds(scheme, first as u32, base, len, flags)
                }
                Some(SchemeSocketCall::MoveFd) => {
                    self.move_fds(scheme, first as u32, base, len, flags)
                }
                None => fail(EINVAL),
            };
        }
        let (writes, reads) = (first as usize, second as usize);
        if verb != 0 || writes > len / CQE_SIZE || reads > len / SQE_SIZE {
            return fail(EINVAL);
        }
        self.require(entry, rights::socket_call(writes, reads))?;
        self.reply_handoff = true;
        let written = match writes {
            1 => self.reply_at(scheme, base).map(|()| 1),
            _ => self.replies(scheme, base, writes),
        };
        self.reply_handoff = false;
        let written = written?;
        if written < writes || reads == 0 {
            return Ok(written);
        }
        self.next_requests(
            scheme,
            base,
            reads,
            ReadForm::Count { written },
            nonblocking,
        )
    }

    /// Handles one reply from the running context's memory.
    #[inline]
    fn reply_at(&mut self, scheme: Id<Scheme>, address: usize) -> Outcome<()> {
        let cqe = self.read_cqe(address)?;
        self.reply(scheme, &cqe)
    }

    /// Handles replies from the running context's memory; gives how many were good. An error is told
    /// only when it is about the first.
    fn replies(&mut self, scheme: Id<Scheme>, base: usize, count: usize) -> Outcome {
        let mut done = 0_usize;
        while done < count.min(MAX_REPLIES) {
            let at = base.wrapping_add(done.wrapping_mul(CQE_SIZE));
            match self.reply_at(scheme, at) {
                Ok(()) => done = done.wrapping_add(1),
                Err(halt) if done == 0 => return Err(halt),
                Err(_) => break,
            }
        }
        Ok(done)
    }

    #[inline(always)]
    fn next_requests(
        &mut self,
        scheme: Id<Scheme>,
        buffer: usize,
        capacity: usize,
        form: ReadForm,
        nonblocking: bool,
    ) -> Outcome {
        if capacity == 0 {
            return fail(EINVAL);
        }
        let Some(mut target) = self.schemes.get_mut(scheme) else {
            return fail(ENODEV);
        };
        if target.space != self.current_space {
            self.move_window(scheme)?;
            target = self.schemes.get_mut(scheme).ok_or(Halt::Errno(ENODEV))?;
        }
        if !target.queue.is_empty() {
            let space = self.current_space;
            match self.drain(scheme, space, buffer, capacity) {
                Ok(0) => {}
                Ok(count) => return Ok(form.result(count)),
                Err(errno) => return fail(errno),
            }
            target = self.schemes.get_mut(scheme).ok_or(Halt::Errno(ENODEV))?;
        }
        if nonblocking {
            return match form {
                ReadForm::Count { written } if written > 0 => Ok(written),
                _ => fail(EAGAIN),
            };
        }
        let Some(id) = self.current else {
            return fail(ESRCH);
        };
        target.readers.push(&mut self.contexts, id);
        let read = SocketRead {
            scheme,
            buffer,
            capacity,
            form,
        };
        if let Some(context) = self.contexts.get_mut(id) {
            context.await_messages(read);
        }
        self.attention = true;
        Err(Halt::Blocked)
    }

    /// The last descriptor of the socket is gone: the scheme ends. Every caller, waiting or served, is
    /// answered `ENODEV`; later calls find nothing. Event queues that watch its objects say that there is
    /// something to be had: that error.
    pub fn close_scheme(&mut self, id: Id<Scheme>) {
        self.discard_messages(id);
        while let Some(reader) = self
            .schemes
            .get(id)
            .and_then(|scheme| scheme.readers.front())
        {
            self.wake_with(reader, Err(ENODEV));
        }
        self.answer_all_under_way(id);
        self.count_walk();
        // What those calls held may have been the scheme's own, and gone with a message to it.
        self.discard_messages(id);
        if let Some(mut scheme) = self.schemes.remove(id) {
            self.close_window(&mut scheme);
            self.release_space(scheme.space);
        }
        self.notify_end_of(id);
    }

    /// Empties the queue of a scheme that ends.
    fn discard_messages(&mut self, id: Id<Scheme>) {
        while let Some(node) = self.dequeue(id) {
            match node {
                Node::Call(caller) => self.finish(caller, Err(ENODEV)),
                Node::Cancel(_) => {}
                Node::Close(description) => {
                    self.descriptions.remove(description);
                }
                Node::Note(record) => {
                    self.maps.remove(record);
                }
            }
        }
    }

    /// Answers every call that the daemon has and will not answer any more. This walks all contexts:
    /// the price, paid when a daemon ends, of keeping no list of calls under way.
    fn answer_all_under_way(&mut self, scheme: Id<Scheme>) {
        let mut from = 0;
        while let Some(id) = self.contexts.next_from(from) {
            from = id.index().saturating_add(1);
            let under_way = self.contexts.get(id).is_some_and(|context| {
                let request = &context.request;
                request.stage == Stage::UnderWay && request.scheme == Some(scheme)
            });
            if under_way {
                self.finish(id, Err(ENODEV));
            }
        }
    }
}
