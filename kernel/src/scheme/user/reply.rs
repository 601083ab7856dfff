//! Answers on their way back from a scheme.

use super::{
    Node, Open, RecvIntent, Scheme, Stage, TAG_INDEX_MASK, Then,
    payload::{Direction, Payload, Placed},
};
use crate::{
    context::{Context, Status, Wait},
    descriptor::{Denial, Entry, FileTable},
    error::{Halt, Outcome, fail, mux},
    kernel::Kernel,
    scheme::Kind,
};
use cap_abi::{Rights, resolve::RESOLVE_BENEATH, scheme as protocol};
use kernel_core::{
    lease::LeaseId,
    rights,
    slab::Id,
    wire::{counted, demux},
};
use syscall::{
    error::*,
    flag::EventFlags,
    schemev2::{Cqe, CqeOpcode, NewFdFlags, Opcode},
};

impl Kernel {
    /// The context whose call of `scheme` has this tag, if it is with the daemon.
    #[inline]
    fn tagged(&self, scheme: Id<Scheme>, tag: u32) -> Option<Id<Context>> {
        let (id, context) = self.contexts.by_index(tag & TAG_INDEX_MASK)?;
        let request = &context.request;
        (request.stage == Stage::UnderWay
            && request.sqe.tag == tag
            && request.scheme == Some(scheme))
        .then_some(id)
    }

    /// Handles one completion entry that the running context wrote to the socket of `scheme`. An
    /// answer that matches no call under way is counted and dropped: its caller may have gone.
    ///
    /// # Errors
    /// Of the entry itself, told to the daemon; the call stays open: `EINVAL` for an opcode that is
    /// none, `EBADF` or `EPERM` for a descriptor that the daemon does not have or may not pass on.
    #[inline]
    pub fn reply(&mut self, scheme: Id<Scheme>, cqe: &Cqe) -> Outcome<()> {
        let opcode = cqe.flags & 7;
        if opcode == CqeOpcode::SendFevent as u8 {
            let flags = EventFlags::from_bits_truncate(cqe.tag as usize);
            self.notify_number(scheme, cqe.result, flags);
            return Ok(());
        }
        let Some(caller) = self.tagged(scheme, cqe.tag) else {
            if let Some(scheme) = self.schemes.get_mut(scheme) {
                scheme.stray_replies = scheme.stray_replies.wrapping_add(1);
            }
            return Ok(());
        };
        if opcode == CqeOpcode::RespondRegular as u8 {
            let result = demux(cqe.result);
            if let Ok(number) = result {
                self.name_object(caller, number as u64, cqe);
            }
            self.finish(caller, result);
            return Ok(());
        }
        self.reply_specially(scheme, caller, opcode, cqe)
    }

    #[cold]
    fn reply_specially(
        &mut self,
        scheme: Id<Scheme>,
        caller: Id<Context>,
        opcode: u8,
        cqe: &Cqe,
    ) -> Outcome<()> {
        if opcode == protocol::CQE_REDIRECT {
            return self.redirect(scheme, caller, cqe.result as usize, cqe.extra() as usize);
        }
        match CqeOpcode::try_from_raw(opcode) {
            Some(CqeOpcode::RespondAndNotifyOnDetach) => {
                let result = demux(cqe.result);
                if result.is_ok() {
                    self.mark_detach(scheme, caller);
                }
                self.finish(caller, result);
                Ok(())
            }
            Some(CqeOpcode::RespondWithFd) => {
                match self.entry(cqe.result as usize, Rights::TRANSFER) {
                    Ok(entry) => {
                        self.retain_entry(entry)?;
                        self.finish_with_entry(caller, entry);
                    }
                    Err(halt) => self.pass_revoked_on(caller, halt)?,
                }
                Ok(())
            }
            Some(CqeOpcode::RespondWithMultipleFds) => {
                let Some(context) = self.contexts.get(caller) else {
                    return Ok(());
                };
                let Then::RecvFd(recv) = context.request.then else {
                    return fail(EINVAL);
                };
                let moved = context.request.transfer.len();
                if moved as u64 != cqe.result || moved > recv.count {
                    return fail(EINVAL);
                }
                if moved == 0 {
                    // Without descriptors it is an answer that makes none, not even of an object.
                    if let Some(context) = self.contexts.get_mut(caller) {
                        context.request.then = Then::Value;
                    }
                    self.give_up(Then::RecvFd(recv));
                }
                self.finish(caller, Ok(moved));
                Ok(())
            }
            Some(CqeOpcode::ObtainFd) => self.obtain_by_reply(scheme, caller, cqe),
            _ => fail(EINVAL),
        }
    }

    /// Notes the object number of an answer that makes a descriptor.
    #[inline]
    fn name_object(&mut self, caller: Id<Context>, number: u64, cqe: &Cqe) {
        let Some(context) = self.contexts.get(caller) else {
            return;
        };
        let id = match context.request.then {
            Then::Open(open) => open.description,
            Then::RecvFd(recv) => recv.description,
            _ => return,
        };
        let [flags, ..] = cqe.extra_raw;
        if let Some(description) = self.descriptions.get_mut(id) {
            description.kind.set_user_number(number);
            description.positioned =
                NewFdFlags::from_bits_truncate(flags).contains(NewFdFlags::POSITIONED);
        }
    }

    /// Notes that the scheme is to hear when the process of `caller` gives up a descriptor of the object that
    /// its call was of. If it has none any more, that is now.
    fn mark_detach(&mut self, scheme: Id<Scheme>, caller: Id<Context>) {
        let Some(context) = self.contexts.get(caller) else {
            return;
        };
        let sqe = &context.request.sqe;
        let [number, ..] = sqe.args;
        let pid = sqe.caller as u32;
        let table = context.table.or_else(|| self.table_of_process(pid));
        let mut marked = false;
        if let Some(table) = table.and_then(|table| self.tables.get(table)) {
            for (_, entry) in table.entries.iter() {
                if let Some(description) = self.descriptions.get_mut(entry.desc)
                    && description.kind == (Kind::User { scheme, number })
                {
                    description.notify_detach = true;
                    marked = true;
                }
            }
        }
        if !marked {
            self.tell_detached(scheme, number, pid);
        }
    }

    /// The descriptor table of a process one of whose threads is dead; the others may live. This walks all
    /// contexts.
    fn table_of_process(&self, pid: u32) -> Option<Id<FileTable>> {
        let mut from = 0;
        while let Some(id) = self.contexts.next_from(from) {
            from = id.index().saturating_add(1);
            if let Some(context) = self.contexts.get(id)
                && context.attrs.pid == pid
                && context.table.is_some()
            {
                return context.table;
            }
        }
        None
    }

    /// Ends the call of `caller` with an answer, from the daemon or from here, and wakes it.
    #[inline]
    pub fn finish(&mut self, caller: Id<Context>, result: Result<usize, i32>) {
        let Some(context) = self.contexts.get_mut(caller) else {
            return;
        };
        let request = &mut context.request;
        if request.cancelled {
            return self.finish_cancelled(caller, result);
        }
        request.stage = Stage::Idle;
        let then = core::mem::replace(&mut request.then, Then::Value);
        let result = match then {
            Then::Count | Then::Advance(_) => counted(result, request.payload.size()),
            _ => result,
        };
        let copied = match request.placed {
            Placed::Nowhere => Ok(()),
            _ => self.unplace_payload(caller, result.ok()),
        };
        let result = match copied {
            Err(Halt::Errno(errno)) if result.is_ok() => Err(errno),
            _ => result,
        };
        let result = match then {
            Then::Value | Then::Count => result,
            Then::Advance(id) => {
                if let (Ok(count), Some(description)) = (result, self.descriptions.get_mut(id)) {
                    description.offset = description.offset.saturating_add(count as u64);
                }
                result
            }
            then => self.conclude(caller, then, result),
        };
        self.answer(caller, result);
    }

    /// The end of a call that was to be abandoned.
    #[cold]
    fn finish_cancelled(&mut self, caller: Id<Context>, result: Result<usize, i32>) {
        let abandoned = self.forget_cancellation(caller);
        // A daemon that gave up says ECANCELED; the program is told that a signal came in between.
        let result = if result == Err(ECANCELED) {
            Err(EINTR)
        } else {
            result
        };
        if !abandoned {
            return self.finish(caller, result);
        }
        let _ = self.unplace_payload(caller, None);
        let Some(context) = self.contexts.get_mut(caller) else {
            return;
        };
        let then = core::mem::replace(&mut context.request.then, Then::Value);
        context.request.reset();
        let transfer = core::mem::take(&mut context.request.transfer);
        let made = result.is_ok() && transfer.is_empty();
        for entry in transfer {
            self.drop_entry(entry);
        }
        self.disown(then, made);
        self.reap(caller);
    }

    /// The daemon has answered a call that was to be cancelled, and need not be told so any more. Whether the
    /// caller is dead.
    fn forget_cancellation(&mut self, caller: Id<Context>) -> bool {
        let Some(context) = self.contexts.get_mut(caller) else {
            return true;
        };
        let request = &mut context.request;
        request.cancelled = false;
        let (abandoned, stage, scheme) = (request.abandoned, request.stage, request.scheme);
        if stage == Stage::UnderWay
            && let Some(scheme) = scheme
        {
            self.unqueue(scheme, Node::Cancel(caller));
        }
        abandoned
    }

    /// Gives up the continuation of a call whose caller is gone, or cannot be served. An object that the
    /// daemon made for it is closed.
    pub(super) fn disown(&mut self, then: Then, made: bool) {
        match then {
            Then::Open(Open {
                description, lease, ..
            })
            | Then::RecvFd(RecvIntent {
                description, lease, ..
            }) if made => {
                self.release_lease(lease);
                self.release_description(description);
            }
            Then::Map(map) if made => self.release_map(map.record, usize::MAX),
            then => self.give_up(then),
        }
    }

    /// Does what an answered call asks for beyond its number.
    fn conclude(
        &mut self,
        caller: Id<Context>,
        then: Then,
        result: Result<usize, i32>,
    ) -> Result<usize, i32> {
        let value = match result {
            Ok(value) => value,
            Err(errno) => {
                self.give_up(then);
                self.drop_transfer(caller);
                return Err(errno);
            }
        };
        let outcome = match then {
            Then::Value | Then::Count | Then::Advance(_) => Ok(value),
            Then::SeekEnd(id, displacement) => self.seek_to_end(id, value, displacement),
            Then::Open(open) => {
                let entry = Entry {
                    desc: open.description,
                    rights: open.rights,
                    lease: open.lease,
                    cloexec: open.cloexec,
                };
                self.place_for(caller, &open, entry)
            }
            Then::Map(map) => self.finish_map(caller, map, value),
            Then::Watch(watch) => {
                Ok(self.watch_answered(watch.description, EventFlags::from_bits_truncate(value)))
            }
            Then::SendFd => {
                self.drop_transfer(caller);
                Ok(value)
            }
            Then::RecvFd(recv) => self.finish_receive(caller, recv),
        };
        outcome.map_err(|halt| match halt {
            Halt::Errno(errno) => errno,
            Halt::Blocked | Halt::Retry => EIO,
        })
    }

    /// Puts the entry that an open made where its caller wanted it.
    pub fn place_for(&mut self, caller: Id<Context>, open: &Open, entry: Entry) -> Outcome {
        let Some(table) = self.contexts.get(caller).and_then(|context| context.table) else {
            self.drop_entry(entry);
            return fail(ESRCH);
        };
        if open.replace {
            return self.replace_entry(table, open.number, entry);
        }
        self.place(table, open.number, entry)
            .inspect_err(|_| self.drop_entry(entry))
    }

    /// Answers a call with a descriptor of the daemon's. The entry's references are this function's.
    fn finish_with_entry(&mut self, caller: Id<Context>, entry: Entry) {
        let Some(context) = self.contexts.get_mut(caller) else {
            return self.drop_entry(entry);
        };
        let request = &context.request;
        if request.cancelled && request.abandoned {
            self.drop_entry(entry);
            return self.finish_cancelled(caller, Err(ECANCELED));
        }
        if request.cancelled {
            self.forget_cancellation(caller);
        }
        let Some(context) = self.contexts.get_mut(caller) else {
            return self.drop_entry(entry);
        };
        match core::mem::replace(&mut context.request.then, Then::Value) {
            Then::Open(open) => {
                // What makes room for the descriptor may be the last one of the scheme's socket, whose end
                // answers every call that the daemon still has.
                context.request.stage = Stage::Idle;
                let _ = self.unplace_payload(caller, None);
                self.descriptions.remove(open.description);
                let result = match self.attenuate(entry, open.rights, open.lease) {
                    Ok(mut entry) => {
                        entry.cloexec = open.cloexec;
                        self.place_for(caller, &open, entry)
                    }
                    Err(halt) => Err(halt),
                };
                let result = result.map_err(|halt| match halt {
                    Halt::Errno(errno) => errno,
                    _ => EIO,
                });
                self.finish(caller, result);
            }
            Then::RecvFd(recv) => {
                let transfer = &mut context.request.transfer;
                let stored = if transfer.len() >= recv.count {
                    // The caller has room for those only that were moved before.
                    Err(EIO)
                } else {
                    transfer.try_reserve(1).map_err(|_| ENOMEM)
                };
                if stored.is_ok() {
                    transfer.push(entry);
                }
                context.request.then = Then::RecvFd(recv);
                if stored.is_err() {
                    self.drop_entry(entry);
                }
                self.finish(caller, stored.map(|()| 1));
            }
            then => {
                // No other call can be answered with a descriptor.
                context.request.then = then;
                self.drop_entry(entry);
                self.finish(caller, Err(EIO));
            }
        }
    }

    /// Limits an entry by rights and by a lease, whose reference moves into it.
    pub fn attenuate(
        &mut self,
        mut entry: Entry,
        rights: Rights,
        lease: Option<LeaseId>,
    ) -> Outcome<Entry> {
        entry.rights &= rights;
        match (entry.lease, lease) {
            (_, None) => {}
            (None, Some(lease)) => entry.lease = Some(lease),
            (Some(own), Some(lease)) => {
                let joined = self.leases.join(own, lease);
                self.leases.release(own);
                self.leases.release(lease);
                match joined {
                    Ok(joined) => entry.lease = Some(joined),
                    Err(error) => {
                        entry.lease = None;
                        self.drop_entry(entry);
                        return Err(error.into());
                    }
                }
            }
        }
        Ok(entry)
    }

    /// Stores the result of the call that `caller` waits for and lets it go on.
    #[inline]
    pub fn answer(&mut self, caller: Id<Context>, result: Result<usize, i32>) {
        let Some(context) = self.contexts.get_mut(caller) else {
            return;
        };
        if context.status != Status::Blocked {
            return;
        }
        context.state.frame.set_result(mux(result));
        context.wait = Wait::None;
        context.status = Status::Ready;
        if self.reply_handoff && self.handoff.is_none() && !context.stopped {
            self.handoff = Some(caller);
            self.attention = true;
        } else if self.current != Some(caller) {
            self.enqueue_ready(caller);
        }
    }

    /// That a descriptor of the daemon's has been revoked by whoever gave it is no mistake of the daemon's:
    /// the caller is told.
    #[cold]
    fn pass_revoked_on(&mut self, caller: Id<Context>, halt: Halt) -> Outcome<()> {
        if !matches!(halt, Halt::Errno(ESTALE)) {
            return Err(halt);
        }
        self.finish(caller, Err(ESTALE));
        Ok(())
    }

    /// Sends the call of `caller` on to the object behind a descriptor of the answering daemon.
    #[inline]
    fn redirect(
        &mut self,
        scheme: Id<Scheme>,
        caller: Id<Context>,
        fd: usize,
        suffix: usize,
    ) -> Outcome<()> {
        let entry = match self.entry(fd, Rights::empty()) {
            Ok(entry) => entry,
            Err(halt) => return self.pass_revoked_on(caller, halt),
        };
        let Some(kind) = self.descriptions.get(entry.desc).map(|target| target.kind) else {
            return fail(EBADF);
        };
        let Some(context) = self.contexts.get_mut(caller) else {
            return Ok(());
        };
        let request = &mut context.request;
        if request.cancelled {
            self.finish_cancelled(caller, Err(ECANCELED));
            return Ok(());
        }
        let opening = request.sqe.opcode == Opcode::OpenAt as u8;
        if !opening && request.sqe.opcode != Opcode::UnlinkAt as u8 {
            // It is the caller who has asked for what cannot be sent on.
            self.finish(caller, Err(EOPNOTSUPP));
            return Ok(());
        }
        let (base, len) = match request.payload {
            Payload::Bytes {
                base,
                len,
                direction: Direction::In,
                text: true,
            } => (base, len),
            // An empty path.
            _ => (0, 0),
        };
        let rest = len.checked_sub(suffix).ok_or(Halt::Errno(EINVAL))?;
        if request.redirects >= protocol::REDIRECT_LIMIT {
            self.finish(caller, Err(ELOOP));
            return Ok(());
        }
        request.redirects = request.redirects.wrapping_add(1);
        let [_, _, _, flags, ..] = request.sqe.args;
        let flags = flags as usize;
        let need = if opening {
            rights::open(flags)
        } else {
            Rights::UNLINK
        };
        if !entry.rights.contains(need) {
            let _ = self.deny::<()>(Denial::Right);
            self.finish(caller, Err(EPERM));
            return Ok(());
        }
        let flags = rights::resolution(entry.rights, flags);
        // A path is not longer than a page, so that it is in a slot, if anywhere.
        if let Placed::Slot(index) = request.placed {
            request.placed = Placed::Nowhere;
            if let Some(scheme) = self.schemes.get_mut(scheme) {
                scheme.window.give(index);
            }
        }
        let base = base.wrapping_add(suffix);
        request.payload = Payload::Bytes {
            base,
            len: rest,
            direction: Direction::In,
            text: true,
        };
        // What is opened is limited by this descriptor as well as by the one it was asked through.
        let mut made = None;
        let mut lease = None;
        if let Then::Open(open) = &mut request.then {
            open.rights &= entry.rights;
            made = Some(open.description);
            lease = entry.lease.map(|_| open.lease);
        }
        let Kind::User {
            scheme: next,
            number,
        } = kind
        else {
            if let Some(own) = lease
                && let Err(errno) = self.limit_lease(caller, &entry, own)
            {
                self.finish(caller, Err(errno));
                return Ok(());
            }
            self.open_in_kernel(caller, kind, flags, base, rest);
            return Ok(());
        };
        request.scheme = Some(next);
        request.sequence = request.sequence.wrapping_add(1) & 0xfff;
        request.sqe.tag = request.tag(caller.index());
        if flags & RESOLVE_BENEATH != 0 {
            let bits = request.sqe.sqe_flags.bits() | protocol::SQE_BENEATH;
            request.sqe.sqe_flags = syscall::schemev2::SqeFlags::from_bits_retain(bits);
        }
        let [object, _, _, word, ..] = &mut request.sqe.args;
        *object = number;
        *word = flags as u64;
        if let Some(description) = made.and_then(|id| self.descriptions.get_mut(id)) {
            description.kind = Kind::User {
                scheme: next,
                number: 0,
            };
        }
        if let Some(own) = lease
            && let Err(errno) = self.limit_lease(caller, &entry, own)
        {
            self.finish(caller, Err(errno));
            return Ok(());
        }
        let Some(target) = self.schemes.get(next) else {
            self.finish(caller, Err(ENODEV));
            return Ok(());
        };
        if !target.honours(flags) {
            let _ = self.deny::<()>(Denial::Undeclared);
            self.finish(caller, Err(EPERM));
            return Ok(());
        }
        let route = target.route();
        self.send_by(caller, next, route, true);
        Ok(())
    }

    /// Lets what `caller` opens fall under the lease that `entry` demands, besides the one, `own`, that it
    /// falls under already.
    fn limit_lease(
        &mut self,
        caller: Id<Context>,
        entry: &Entry,
        own: Option<LeaseId>,
    ) -> Result<(), i32> {
        let both = self.lease_for_opened(entry).and_then(|lease| {
            let (Some(own), Some(lease)) = (own, lease) else {
                return Ok(own.or(lease));
            };
            let joined = self.leases.join(own, lease);
            self.leases.release(lease);
            let joined = joined?;
            self.leases.release(own);
            Ok(Some(joined))
        });
        let both = both.map_err(|halt| match halt {
            Halt::Errno(errno) => errno,
            Halt::Blocked | Halt::Retry => EIO,
        })?;
        if let Some(context) = self.contexts.get_mut(caller)
            && let Then::Open(open) = &mut context.request.then
        {
            open.lease = both;
        }
        Ok(())
    }
}
