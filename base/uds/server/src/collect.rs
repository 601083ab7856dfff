//! Finding sockets that only messages can reach which nobody can receive.
//!
//! A descriptor of a socket can be in a message that waits at that socket, perhaps by way of others. When its senders
//! have closed theirs, the daemon's own descriptors are all that is left, and the kernel tells of no end. So from time
//! to time all descriptors of the scheme's own that are on their way are counted: an object of which others have
//! descriptors, too, is alive, and so is everything in messages that wait at what is alive. What messages wait at the
//! rest is dropped, and with that the rest.

use alloc::{
    collections::{BTreeMap, BTreeSet},
    vec::Vec,
};

use gen_slab::Key;

use crate::{
    Server, World,
    quota::{Of, Passed},
    socket::{Role, Socket, State, What},
};

/// A look at everything is due when so many sockets have ended as are this part of the descriptors that are looked at.
const PART: usize = 64;

impl<F> Server<F> {
    /// A socket has ended: looks for what nobody can reach, if that is due.
    pub(crate) fn collect_if_due(&mut self, world: &impl World<Fd = F>) {
        self.ended = self.ended.saturating_add(1);
        let own = self.quota.count(Of::Own);
        if own > 0 && self.ended.saturating_mul(PART) >= own {
            self.collect(world);
        }
    }

    /// Drops the messages that wait at sockets which nobody can reach.
    pub(crate) fn collect(&mut self, world: &impl World<Fd = F>) {
        self.ended = 0;
        let (mut on_the_way, mut within) = (BTreeMap::new(), BTreeMap::<_, Vec<u64>>::new());
        self.each_own(|holder, own, fd| {
            let (count, _) = on_the_way.entry(own).or_insert((0_usize, fd));
            *count = count.saturating_add(1);
            within.entry(holder).or_default().push(own);
        });
        let mut lost: BTreeSet<u64> = on_the_way
            .into_iter()
            .filter(|(_, (count, fd))| world.holders(fd) <= *count)
            .map(|(own, _)| own)
            .collect();
        let mut alive: Vec<u64> = within
            .keys()
            .filter(|holder| !lost.contains(holder))
            .copied()
            .collect();
        while let Some(holder) = alive.pop() {
            for own in within.get(&holder).into_iter().flatten() {
                if lost.remove(own) {
                    alive.push(*own);
                }
            }
        }
        for handle in lost {
            self.drop_messages(handle);
        }
    }

    /// Every descriptor of the scheme's own that is on its way, with the handle that it could be received by, and the
    /// one that it is of.
    fn each_own<'a>(&'a self, mut each: impl FnMut(u64, u64, &'a F)) {
        let mut all = |holder, passed: &'a Passed<F>| {
            if let Some(own) = passed.own {
                each(holder, own, &passed.fd);
            }
        };
        for (handle, held) in self.handles.iter() {
            let handle = handle.raw();
            match &held.role {
                Role::Ticket(_, fds) => fds.iter().for_each(|passed| all(handle, passed)),
                Role::Socket(key) => {
                    for socket in self.reached_by(*key) {
                        messages(socket).for_each(|passed| all(handle, passed));
                    }
                }
                Role::Root | Role::Available(_) => {}
            }
        }
    }

    /// A socket, and those that wait there to be accepted.
    fn reached_by(&self, key: Key) -> impl Iterator<Item = &Socket<F>> {
        let socket = self.sockets.get(key);
        let waiting = socket.and_then(|socket| match &socket.state {
            State::Listening { queue, .. } => Some(queue),
            _ => None,
        });
        let waiting = waiting.into_iter().flatten();
        socket
            .into_iter()
            .chain(waiting.filter_map(|key| self.sockets.get(*key)))
    }

    fn drop_messages(&mut self, handle: u64) {
        let handle = Key::from_raw(handle);
        match self.handles.get_mut(handle).map(|handle| &mut handle.role) {
            Some(Role::Ticket(_, fds)) => fds.clear(),
            Some(Role::Socket(key)) => {
                let mut keys = alloc::vec![*key];
                if let Some(socket) = self.sockets.get(*key)
                    && let State::Listening { queue, .. } = &socket.state
                {
                    keys.extend(queue);
                }
                for key in keys {
                    if let Some(socket) = self.sockets.get_mut(key) {
                        socket.inbox.clear();
                        socket.taken.clear();
                        self.changed.push_back(key);
                        self.changed.extend(socket.interested.drain(..));
                    }
                }
            }
            _ => {}
        }
    }
}

/// Everything that is in messages at a socket, or about to be sent from it.
fn messages<F>(socket: &Socket<F>) -> impl Iterator<Item = &Passed<F>> {
    let sending = socket.waiting.iter().filter_map(|one| match &one.what {
        What::Send(sending) => Some(&sending.fds),
        _ => None,
    });
    let waiting = socket.inbox.descriptors();
    waiting
        .chain(socket.taken.iter().flat_map(|(_, fds)| fds))
        .chain(sending.into_iter().flatten())
}
