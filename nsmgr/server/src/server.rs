//! The answers.

use core::cell::Ref;

use alloc::{rc::Rc, vec::Vec};

use cap_abi::{Rights, resolve::RESOLVE_BENEATH, scheme::CQE_REDIRECT};
use nsmgr_api::Verb;
use nsmgr_core::{
    Binding, Caller, Dup, Error, HandOut, Limits, Manager, Open, Opened, Unbound, Unlink,
};
use syscall::{
    Stat, StdFsCallKind,
    dirent::{DirEntry, DirentBuf, DirentKind},
    error as errno,
    flag::{EventFlags, MODE_DIR, MODE_FILE},
    schemev2::{Cqe, CqeOpcode, NewFdFlags, Opcode, Sqe, SqeFlags},
};

/// The greatest suffix offset that a redirect can carry, and so the longest path that is taken.
const LONGEST_PATH: usize = (1 << 24) - 1;

/// Who is charged for a root that is made for a request which does not say who asks. It is not whoever the
/// namespace was made by: that may be the superuser, who leaves it to another.
const SOMEBODY: u32 = u32::MAX;

/// What can be done with descriptors. Nothing here asks another scheme.
pub trait Kernel {
    /// A descriptor of the daemon's; closed when dropped.
    type Fd;
    /// Takes the descriptor that is being sent with a request.
    ///
    /// # Errors
    /// The kernel's error number.
    fn receive(&mut self, tag: u32) -> Result<Self::Fd, i32>;
    /// Derives a copy with at most `rights`, and what revokes it (which dropping it does not), on behalf of a user.
    ///
    /// # Errors
    /// The kernel's error number.
    fn lease(
        &mut self,
        fd: &Self::Fd,
        rights: Rights,
        uid: u32,
    ) -> Result<(Self::Fd, Self::Fd), i32>;
    /// Takes the right to escape from a descriptor.
    ///
    /// # Errors
    /// `EPERM` when its scheme does not honour that.
    fn beneath(&mut self, fd: &Self::Fd) -> Result<(), i32>;
    /// Revokes a lease.
    fn revoke(&mut self, lease: Self::Fd);
    /// Makes a descriptor of the daemon's own scheme.
    ///
    /// # Errors
    /// The kernel's error number.
    fn own(&mut self, number: u64) -> Result<Self::Fd, i32>;
    /// Derives a copy, and what revokes it without revoking what was opened through it, on behalf of a user.
    ///
    /// # Errors
    /// The kernel's error number.
    fn issue(&mut self, fd: &Self::Fd, uid: u32) -> Result<(Self::Fd, Self::Fd), i32>;
    /// A copy, for a user, that shares neither status flags nor position with the original, and that is revoked
    /// with it. What is opened through either is revoked by the same.
    ///
    /// # Errors
    /// The kernel's error number.
    fn copy(&mut self, fd: &Self::Fd, uid: u32) -> Result<Self::Fd, i32>;
    /// Which of the daemon's own objects a descriptor is of, if it is of one.
    ///
    /// # Errors
    /// The kernel's error number.
    fn own_object(&mut self, fd: &Self::Fd) -> Result<Option<u64>, i32>;
    /// A descriptor's number.
    fn number(&self, fd: &Self::Fd) -> usize;
}

/// What a name is bound to: a revocable copy of what was sent, and what revokes it.
#[derive(Debug)]
pub struct Root<F> {
    derived: F,
    lease: F,
}

/// An answer to be written.
pub struct Reply<F> {
    /// What to write.
    pub cqe: Cqe,
    /// To be closed once it has been written.
    pub close: Option<F>,
}

/// The namespace manager behind its socket.
pub struct Server<K: Kernel> {
    manager: Manager<Root<K::Fd>, K::Fd>,
    creation_cap: K::Fd,
    scratch: Vec<u8>,
}

/// An answer before it is put in the kernel's form.
enum Answer<F> {
    Value(usize),
    Opened(Opened),
    Redirect { root: usize, suffix: usize },
    Descriptor(F),
}

impl<K: Kernel> Server<K> {
    /// A namespace manager that holds the scheme-creation capability. `keys` are random.
    #[must_use]
    pub fn new(limits: Limits, keys: (u64, u64), creation_cap: K::Fd) -> Self {
        Self {
            manager: Manager::new(limits, keys),
            creation_cap,
            scratch: Vec::new(),
        }
    }

    /// Makes the first namespace; gives its number.
    ///
    /// # Errors
    /// See `nsmgr_core::Manager::first_namespace`.
    pub fn first_namespace(&mut self) -> Result<u64, Error> {
        self.manager.first_namespace(Caller::default())
    }

    /// Makes the root of the status scheme; gives its number.
    ///
    /// # Errors
    /// See `nsmgr_core::Manager::status_root`.
    pub fn status_root(&mut self) -> Result<u64, Error> {
        self.manager.status_root(Caller::default())
    }

    /// The next event to be written, of those that requests so far have caused.
    pub fn next_event(&mut self) -> Option<Cqe> {
        let handle = self.manager.next_ready()?;
        Some(Cqe {
            flags: CqeOpcode::SendFevent as u8,
            extra_raw: [0; 3],
            tag: EventFlags::EVENT_READ.bits() as u32,
            result: handle,
        })
    }

    /// Answers a request, unless it is one that wants no answer.
    pub fn handle(
        &mut self,
        sqe: &Sqe,
        payload: &mut [u8],
        kernel: &mut K,
    ) -> Option<Reply<K::Fd>> {
        let opcode = Opcode::try_from_raw(sqe.opcode);
        if let Some(Opcode::CloseMsg | Opcode::Close) = opcode {
            let [handle, ..] = sqe.args;
            self.manager.close(handle);
        }
        let no_answer = matches!(
            opcode,
            Some(Opcode::CloseMsg | Opcode::Cancel | Opcode::Detach)
        );
        if no_answer || sqe.sqe_flags.contains(SqeFlags::ONEWAY) {
            return None;
        }
        let answer = match opcode {
            Some(opcode) => self.answer(opcode, sqe, payload, kernel),
            None => Err(errno::ENOSYS),
        };
        while let Some(Root { lease, .. }) = self.manager.take_ended() {
            kernel.revoke(lease);
        }
        Some(reply(sqe.tag, answer, kernel))
    }

    fn answer(
        &mut self,
        opcode: Opcode,
        sqe: &Sqe,
        payload: &mut [u8],
        kernel: &mut K,
    ) -> Result<Answer<K::Fd>, i32> {
        let [handle, _, _, arg3, arg4, ids] = sqe.args;
        let flags = sqe.sqe_flags.bits();
        if flags & SqeFlags::MULTIPLE_IDS.bits() != 0 {
            return Err(errno::EOPNOTSUPP);
        }
        // The kernel's own bit says that the request came through a limited descriptor. A namespace
        // has no outside; a directory that leads to places has. Where a redirect leads to, the kernel
        // applies the limits itself.
        let beneath = if flags & cap_abi::scheme::SQE_BENEATH == 0 {
            0
        } else {
            RESOLVE_BENEATH
        };
        let caller = Caller {
            pid: sqe.caller as usize,
            uid: ids as u32,
        };
        match opcode {
            Opcode::OpenAt => self.open(handle, payload, arg3 as usize | beneath, caller, kernel),
            Opcode::UnlinkAt => {
                let flags = arg3 as usize | beneath;
                self.unlink(handle, (payload, flags), caller, caller.uid, kernel)
            }
            Opcode::Dup => self.dup(handle, payload, caller, kernel),
            Opcode::Sendfd => {
                if arg3 != 1 {
                    return Err(errno::EINVAL);
                }
                self.receive(handle, sqe.tag, caller, kernel)
            }
            Opcode::Call => {
                let caller = Caller {
                    uid: self.manager.owner(handle),
                    ..caller
                };
                self.call(handle, [arg3, arg4], payload, caller, kernel)
            }
            Opcode::Getdents => self.getdents(handle, payload, arg3, arg4, caller),
            Opcode::Read => self.read(handle, payload, arg3),
            Opcode::Fstat => self.stat(handle, payload),
            Opcode::Fsize => self.manager.size(handle).map(Answer::Value).map_err(number),
            Opcode::Fevent => {
                let [_, asked, ..] = sqe.args;
                let asked = EventFlags::from_bits_truncate(asked as usize);
                let ready = self.manager.fevent(handle, asked).map_err(number)?;
                Ok(Answer::Value(ready.bits()))
            }
            Opcode::Fpath => {
                let path = self.manager.path(handle).map_err(number)?;
                Ok(Answer::Value(copy_out(path.as_bytes(), payload)))
            }
            Opcode::StdFsCall => match StdFsCallKind::try_from_raw(arg3 as u8) {
                Some(StdFsCallKind::Unlinkat) => {
                    let caller = Caller {
                        uid: self.manager.owner(handle),
                        ..caller
                    };
                    let flags = arg4 as usize | beneath;
                    self.unlink(handle, (payload, flags), caller, SOMEBODY, kernel)
                }
                Some(StdFsCallKind::Fstat) => self.stat(handle, payload),
                Some(StdFsCallKind::Getdents) => self.getdents(handle, payload, ids, arg4, caller),
                _ => Err(errno::EOPNOTSUPP),
            },
            Opcode::Close | Opcode::Fcntl | Opcode::Fsync => Ok(Answer::Value(0)),
            Opcode::Write | Opcode::Ftruncate => Err(errno::EBADF),
            Opcode::Fchmod | Opcode::Fchown | Opcode::Futimens => Err(errno::EPERM),
            Opcode::Recvfd | Opcode::Flink | Opcode::Frename | Opcode::Fstatvfs => {
                Err(errno::EOPNOTSUPP)
            }
            _ => Err(errno::ENOSYS),
        }
    }

    fn open(
        &mut self,
        handle: u64,
        path: &[u8],
        flags: usize,
        caller: Caller,
        kernel: &mut K,
    ) -> Result<Answer<K::Fd>, i32> {
        if path.len() > LONGEST_PATH {
            return Err(errno::ENAMETOOLONG);
        }
        match self
            .manager
            .open(handle, path, flags, caller)
            .map_err(number)?
        {
            Open::Redirect { binding, suffix } => {
                self.redirect(&binding, suffix, caller.uid, kernel)
            }
            Open::RootHandOut(hand_out) => self.hand_out(hand_out, caller.uid, kernel),
            Open::SchemeCreationCap => kernel
                .copy(&self.creation_cap, caller.uid)
                .map(Answer::Descriptor),
            Open::Handle(opened) => Ok(Answer::Opened(opened)),
        }
    }

    fn hand_out(
        &mut self,
        hand_out: HandOut<Root<K::Fd>>,
        uid: u32,
        kernel: &mut K,
    ) -> Result<Answer<K::Fd>, i32> {
        if !hand_out.binding.rights().contains(Rights::TRANSFER) {
            return Err(errno::EPERM);
        }
        if let Some(issued) = self.manager.issued(&hand_out) {
            match kernel.copy(&issued.derived, uid) {
                // The binding has got another root in the meantime.
                Err(errno::ESTALE) => {}
                copy => return copy.map(Answer::Descriptor),
            }
        }
        let issued = {
            let root = root(&self.manager, &hand_out.binding, uid, kernel)?;
            let (derived, lease) = kernel.issue(&root.derived, uid)?;
            Root { derived, lease }
        };
        let copy = kernel.copy(&issued.derived, uid)?;
        self.manager.issue(hand_out, issued, uid).map_err(number)?;
        Ok(Answer::Descriptor(copy))
    }

    fn unlink(
        &mut self,
        handle: u64,
        (path, flags): (&[u8], usize),
        caller: Caller,
        charged: u32,
        kernel: &mut K,
    ) -> Result<Answer<K::Fd>, i32> {
        if path.len() > LONGEST_PATH {
            return Err(errno::ENAMETOOLONG);
        }
        match self
            .manager
            .unlink(handle, path, flags, caller)
            .map_err(number)?
        {
            Unlink::Redirect { binding, suffix } => {
                self.redirect(&binding, suffix, charged, kernel)
            }
            Unlink::Removed => Ok(Answer::Value(0)),
        }
    }

    fn redirect(
        &self,
        binding: &Rc<Binding<Root<K::Fd>>>,
        suffix: usize,
        uid: u32,
        kernel: &mut K,
    ) -> Result<Answer<K::Fd>, i32> {
        let root = root(&self.manager, binding, uid, kernel)?;
        Ok(Answer::Redirect {
            root: kernel.number(&root.derived),
            suffix,
        })
    }

    fn dup(
        &mut self,
        handle: u64,
        payload: &[u8],
        caller: Caller,
        kernel: &mut K,
    ) -> Result<Answer<K::Fd>, i32> {
        match self.manager.dup(handle, payload, caller).map_err(number)? {
            Dup::Handle(handle) => Ok(Answer::Opened(Opened {
                handle,
                positioned: false,
            })),
            Dup::LeasedHandle(handle) => {
                // Once there is a descriptor, its going is what frees the handle.
                let own = kernel.own(handle).inspect_err(|_| {
                    self.manager.close(handle);
                })?;
                let (derived, lease) = kernel.lease(&own, Rights::FULL, caller.uid)?;
                self.manager.keep_lease(handle, lease).map_err(number)?;
                Ok(Answer::Descriptor(derived))
            }
        }
    }

    /// A descriptor is being sent to a handle.
    fn receive(
        &mut self,
        handle: u64,
        tag: u32,
        caller: Caller,
        kernel: &mut K,
    ) -> Result<Answer<K::Fd>, i32> {
        let ticket = self
            .manager
            .begin_register(handle, caller)
            .map_err(number)?;
        let sent = kernel.receive(tag)?;
        if let Some(own) = kernel.own_object(&sent)? {
            self.manager
                .check_own_root(handle, own, caller)
                .map_err(number)?;
        }
        let root = derive(kernel, &sent, ticket.rights, caller.uid)?;
        if ticket.beneath {
            kernel.beneath(&root.derived)?;
        }
        self.manager
            .finish_register(handle, root, caller)
            .map_err(number)?;
        Ok(Answer::Value(1))
    }

    fn call(
        &mut self,
        handle: u64,
        metadata: [u64; 2],
        payload: &[u8],
        caller: Caller,
        kernel: &mut K,
    ) -> Result<Answer<K::Fd>, i32> {
        let [verb, argument] = metadata;
        match Verb::try_from_raw(verb).ok_or(errno::EINVAL)? {
            Verb::Bind => self
                .manager
                .bind(handle, argument, payload, caller)
                .map_err(number)?,
            Verb::Unbind => {
                let unbound = self
                    .manager
                    .unbind(handle, argument, payload, caller)
                    .map_err(number)?;
                revoke(kernel, unbound);
            }
            Verb::UnbindPlace => {
                let unbound = self
                    .manager
                    .unbind_place(handle, argument, payload, caller)
                    .map_err(number)?;
                revoke(kernel, unbound);
            }
            Verb::Destroy => {
                if argument != 0 || !payload.is_empty() {
                    return Err(errno::EINVAL);
                }
                let lease = self.manager.destroy(handle, caller).map_err(number)?;
                kernel.revoke(lease);
            }
        }
        Ok(Answer::Value(0))
    }

    fn getdents(
        &mut self,
        handle: u64,
        buffer: &mut [u8],
        header_size: u64,
        from: u64,
        caller: Caller,
    ) -> Result<Answer<K::Fd>, i32> {
        let header_size = u16::try_from(header_size).map_err(|_| errno::EINVAL)?;
        let mut entries = DirentBuf::new(buffer, header_size).ok_or(errno::EINVAL)?;
        let (mut any, mut failed) = (false, None);
        self.manager
            .list(handle, from, caller, |next, inode, name| {
                let entry = DirEntry {
                    inode,
                    next_opaque_id: next,
                    name,
                    kind: if inode == 0 {
                        DirentKind::Unspecified
                    } else {
                        DirentKind::Directory
                    },
                };
                match entries.entry(entry) {
                    Ok(()) => any = true,
                    Err(error) => failed = Some(error.errno),
                }
                failed.is_none()
            })
            .map_err(number)?;
        match failed {
            // The buffer is full. It must take one entry at least.
            Some(error) if !any => Err(error),
            _ => Ok(Answer::Value(entries.finalize())),
        }
    }

    fn read(&mut self, handle: u64, buffer: &mut [u8], offset: u64) -> Result<Answer<K::Fd>, i32> {
        self.scratch.clear();
        self.manager
            .read(handle, offset, buffer.len(), &mut self.scratch)
            .map_err(number)?;
        Ok(Answer::Value(copy_out(&self.scratch, buffer)))
    }

    fn stat(&self, handle: u64, buffer: &mut [u8]) -> Result<Answer<K::Fd>, i32> {
        let directory = self.manager.is_directory(handle).map_err(number)?;
        let stat = Stat {
            st_ino: self.manager.inode(handle),
            st_mode: if directory {
                MODE_DIR | 0o555
            } else {
                MODE_FILE | 0o444
            },
            st_nlink: 1,
            st_size: self.manager.size(handle).map_err(number)? as u64,
            st_blksize: 4096,
            ..Stat::default()
        };
        if buffer.len() < stat.len() {
            return Err(errno::EINVAL);
        }
        copy_out(&stat, buffer);
        Ok(Answer::Value(0))
    }
}

/// The root of a binding; made anew if its source has another one than it was made from.
fn root<'b, K: Kernel>(
    manager: &Manager<Root<K::Fd>, K::Fd>,
    binding: &'b Rc<Binding<Root<K::Fd>>>,
    uid: u32,
    kernel: &mut K,
) -> Result<Ref<'b, Root<K::Fd>>, i32> {
    match binding.root() {
        Some(root) => Ok(root),
        None => make_root(manager, binding, uid, kernel),
    }
}

/// Makes the root of a binding, which this user is charged for if nobody is yet.
#[inline(never)]
fn make_root<'b, K: Kernel>(
    manager: &Manager<Root<K::Fd>, K::Fd>,
    binding: &'b Rc<Binding<Root<K::Fd>>>,
    uid: u32,
    kernel: &mut K,
) -> Result<Ref<'b, Root<K::Fd>>, i32> {
    // The chain of sources is short (`nsmgr_core` sees to that).
    let source = binding.source().ok_or(errno::ENODEV)?;
    let from = root(manager, source, uid, kernel)?;
    manager.charge(binding, uid).map_err(number)?;
    let made = derive(kernel, &from.derived, binding.rights(), uid)?;
    drop(from);
    drop(binding.keep(made));
    binding.root().ok_or(errno::ENODEV)
}

fn revoke<K: Kernel>(kernel: &mut K, unbound: Unbound<Root<K::Fd>>) {
    for Root { lease, .. } in unbound.revoke {
        kernel.revoke(lease);
    }
}

fn derive<K: Kernel>(
    kernel: &mut K,
    from: &K::Fd,
    rights: Rights,
    uid: u32,
) -> Result<Root<K::Fd>, i32> {
    let (derived, lease) = kernel.lease(from, rights, uid)?;
    Ok(Root { derived, lease })
}

const fn number(error: Error) -> i32 {
    error.errno
}

/// Copies as much as there is room for, and tells how much that was.
fn copy_out(from: &[u8], to: &mut [u8]) -> usize {
    let length = from.len().min(to.len());
    if let (Some(to), Some(from)) = (to.get_mut(..length), from.get(..length)) {
        to.copy_from_slice(from);
    }
    length
}

/// Puts an answer in the kernel's form.
fn reply<K: Kernel>(tag: u32, answer: Result<Answer<K::Fd>, i32>, kernel: &K) -> Reply<K::Fd> {
    let mut cqe = Cqe {
        flags: CqeOpcode::RespondRegular as u8,
        extra_raw: [0; 3],
        tag,
        result: 0,
    };
    let mut close = None;
    match answer {
        Ok(Answer::Value(value)) => cqe.result = value as u64,
        Ok(Answer::Opened(Opened { handle, positioned })) => {
            cqe.result = handle;
            let flags = if positioned {
                NewFdFlags::POSITIONED
            } else {
                NewFdFlags::empty()
            };
            cqe.extra_raw = [flags.bits(), 0, 0];
        }
        Ok(Answer::Redirect { root, suffix }) => {
            let [low, middle, high, ..] = (suffix as u32).to_ne_bytes();
            cqe.flags = CQE_REDIRECT;
            cqe.result = root as u64;
            cqe.extra_raw = [low, middle, high];
        }
        Ok(Answer::Descriptor(fd)) => {
            cqe.flags = CqeOpcode::RespondWithFd as u8;
            cqe.result = kernel.number(&fd) as u64;
            close = Some(fd);
        }
        Err(error) => cqe.result = i64::from(error).wrapping_neg() as u64,
    }
    Reply { cqe, close }
}
