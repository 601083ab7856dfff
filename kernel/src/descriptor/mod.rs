//! Descriptors and the open file descriptions behind them.
//!
//! A descriptor is an entry of a table: a description, rights, perhaps a lease. Everything that a
//! system call does begins with [`Kernel::entry`], the one place where a number that a program
//! made up becomes authority.

pub mod control;

use crate::{
    error::{Halt, Outcome, fail},
    kernel::Kernel,
    scheme::{
        Kind,
        proc::{Handle, rings},
        user::Node,
    },
};
use cap_abi::Rights;
use kernel_core::{
    event::SubjectId,
    lease::LeaseId,
    list::{HasLink, Link},
    ring::Trial,
    slab::Id,
    table::{self, InsertError},
};
use syscall::{error::*, flag::*};

/// An entry of a descriptor table.
pub type Entry = table::Entry<Description>;

/// A descriptor table that one or more contexts share.
pub struct FileTable {
    /// The entries.
    pub entries: table::Table<Description>,
    /// How many contexts and handles refer to it.
    pub refs: u32,
    /// How many of these are contexts that were started.
    pub users: u32,
    /// For finding out whether anybody can reach it.
    pub trial: Trial<rings::Node>,
}

impl FileTable {
    /// Puts `entry` at `number`; see [`Kernel::place`].
    ///
    /// # Errors
    /// [`InsertError`].
    #[inline]
    pub fn place(&mut self, number: usize, entry: Entry) -> Result<usize, InsertError> {
        match number {
            cap_abi::FD_ANY => self.entries.insert_lowest(entry),
            cap_abi::FD_ANY_UPPER => self.entries.insert_upper(entry),
            _ => self.entries.insert_at(number, entry).map(|()| number),
        }
    }
}

/// An open file description: what `dup` shares.
pub struct Description {
    /// How many entries, and messages under way, refer to it.
    pub refs: u32,
    /// The object behind it.
    pub kind: Kind,
    /// Status flags: those of `O_FCNTL_MASK`, and the access mode it was opened with.
    pub flags: u32,
    /// Position, for descriptions that have one.
    pub offset: u64,
    /// Whether the kernel keeps the position.
    pub positioned: bool,
    /// Tell the scheme when an entry of some process goes away.
    pub notify_detach: bool,
    /// Event registrations exist for it.
    pub subject: Option<SubjectId>,
    /// Links of those that event queues watch.
    pub watch: Link<Description>,
    /// The description that this one is a leased copy of, and keeps: the object hears of that one's end
    /// only.
    pub origin: Option<Id<Description>>,
    /// Next in its scheme's message queue, once the last entry is gone.
    pub next_message: Option<Node>,
    /// Next among those that are to be closed once the one that is being closed is done with.
    pub next_closing: Option<Id<Description>>,
    /// For finding out whether anybody can reach the object of a handle.
    pub trial: Trial<rings::Node>,
}

impl Description {
    /// A description with one reference.
    pub fn new(kind: Kind, flags: usize) -> Self {
        Self {
            refs: 1,
            kind,
            flags: (flags & (O_FCNTL_MASK | O_ACCMODE)) as u32,
            offset: 0,
            positioned: false,
            notify_detach: false,
            subject: None,
            watch: Link::new(),
            origin: None,
            next_message: None,
            next_closing: None,
            trial: Trial::new(),
        }
    }

    /// Whether something else than its object concerns its end: watchers, or another description.
    #[inline]
    pub const fn is_entangled(&self) -> bool {
        self.subject.is_some() || self.origin.is_some()
    }

    /// Whether calls through it should not wait.
    pub fn nonblocking(&self) -> bool {
        self.flags as usize & O_NONBLOCK != 0
    }
}

/// What of [`cap_abi::rights`] a refused call lacked, or why else it was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Denial {
    /// A right is missing on the entry.
    Right,
    /// The entry's lease was revoked.
    Revoked,
    /// Beneath resolution is required, and the daemon has not declared it.
    Undeclared,
    /// The caller lacks the capability that the operation takes.
    Capability,
}

/// How many calls were refused, by cause, since boot.
#[derive(Clone, Copy, Debug, Default)]
pub struct Denials {
    /// [`Denial::Right`].
    pub right: u64,
    /// [`Denial::Revoked`].
    pub revoked: u64,
    /// [`Denial::Undeclared`].
    pub undeclared: u64,
    /// [`Denial::Capability`].
    pub capability: u64,
}

impl HasLink for Description {
    fn link(&self) -> &Link<Self> {
        &self.watch
    }
    fn link_mut(&mut self) -> &mut Link<Self> {
        &mut self.watch
    }
}

impl From<InsertError> for Halt {
    fn from(error: InsertError) -> Self {
        Halt::Errno(match error {
            InsertError::Occupied => EEXIST,
            InsertError::OutOfRange => EBADF,
            InsertError::NoMemory => ENOMEM,
            InsertError::Full => EMFILE,
        })
    }
}

impl Kernel {
    /// Counts a refusal and gives its error number.
    #[cold]
    pub fn deny<T>(&mut self, cause: Denial) -> Outcome<T> {
        let (counter, errno) = match cause {
            Denial::Right => (&mut self.denials.right, EPERM),
            Denial::Revoked => (&mut self.denials.revoked, ESTALE),
            Denial::Undeclared => (&mut self.denials.undeclared, EPERM),
            Denial::Capability => (&mut self.denials.capability, EPERM),
        };
        *counter = counter.saturating_add(1);
        fail(errno)
    }

    /// The entry `fd` of the running context's table, if it grants `need` and its lease is live.
    ///
    /// # Errors
    /// `EBADF` if there is none, `EPERM` without the right, `ESTALE` after revocation.
    #[inline(always)]
    pub fn entry(&mut self, fd: usize, need: Rights) -> Outcome<Entry> {
        let Some(table) = self.tables.get(self.current_table) else {
            return fail(EBADF);
        };
        let Some(entry) = table.entries.get(fd) else {
            return fail(EBADF);
        };
        let entry = *entry;
        if !entry.rights.contains(need) {
            return self.deny(Denial::Right);
        }
        if entry.lease.is_some() && !self.leases.is_live(entry.lease) {
            return self.deny(Denial::Revoked);
        }
        Ok(entry)
    }

    /// The description of an entry. Entries keep theirs alive, so this fails for none in a table.
    #[inline]
    pub fn description(&mut self, id: Id<Description>) -> Outcome<&mut Description> {
        self.descriptions.get_mut(id).ok_or(Halt::Errno(EBADF))
    }

    /// The table of the running context.
    pub fn table(&mut self) -> Outcome<&mut FileTable> {
        self.tables
            .get_mut(self.current_table)
            .ok_or(Halt::Errno(EBADF))
    }

    /// Puts `entry` at `number` of `table`: a number, [`cap_abi::FD_ANY`] or
    /// [`cap_abi::FD_ANY_UPPER`]. The entry's references become the table's.
    pub fn place(&mut self, table: Id<FileTable>, number: usize, entry: Entry) -> Outcome {
        let table = self.tables.get_mut(table).ok_or(Halt::Errno(EBADF))?;
        Ok(table.place(number, entry)?)
    }

    /// Puts a new description behind a new entry of the running context's table. On failure its object
    /// is given up.
    pub fn install(
        &mut self,
        description: Description,
        rights: Rights,
        lease: Option<LeaseId>,
        number: usize,
        cloexec: bool,
    ) -> Outcome {
        let kind = description.kind;
        let desc = match self.descriptions.insert(description) {
            Ok(desc) => desc,
            Err(_) => {
                self.close_object(kind);
                return fail(ENOMEM);
            }
        };
        if let Some(lease) = lease {
            self.leases.retain(lease);
        }
        let entry = Entry {
            desc,
            rights,
            lease,
            cloexec,
        };
        self.place(self.current_table, number, entry)
            .inspect_err(|_| self.drop_entry(entry))
    }

    /// The lease that something falls under which is opened through `entry`. The caller owns one use.
    #[inline]
    pub fn lease_for_opened(&mut self, entry: &Entry) -> Outcome<Option<LeaseId>> {
        match entry.lease {
            None => Ok(None),
            Some(lease) => Ok(self.leases.for_opened(lease)?),
        }
    }

    /// Gives up one use of a lease.
    pub fn release_lease(&mut self, lease: Option<LeaseId>) {
        if let Some(lease) = lease {
            self.leases.release(lease);
        }
    }

    /// Takes one more reference for a copy of `entry`.
    pub fn retain_entry(&mut self, entry: Entry) -> Outcome<()> {
        let description = self
            .descriptions
            .get_mut(entry.desc)
            .ok_or(Halt::Errno(EBADF))?;
        description.refs = description.refs.checked_add(1).ok_or(Halt::Errno(EMFILE))?;
        if let Some(lease) = entry.lease {
            self.leases.retain(lease);
        }
        Ok(())
    }

    /// Gives up the references of an entry that is in no table.
    pub fn drop_entry(&mut self, entry: Entry) {
        if let Some(lease) = entry.lease {
            self.leases.release(lease);
        }
        self.release_description(entry.desc);
    }

    /// Gives up one reference to a description; the last one closes it.
    ///
    /// Closing an object can give up further descriptions: those of a table whose last handle it was,
    /// and so on, as deep as a program likes. They wait in a list, so that the kernel's stack does not
    /// grow with it. An object of a user scheme gives up nothing.
    #[inline]
    pub fn release_description(&mut self, id: Id<Description>) {
        let Some(description) = self.descriptions.get_mut(id) else {
            return;
        };
        description.refs = description.refs.saturating_sub(1);
        if description.refs > 0 {
            if let Kind::Proc(Handle::Context(..) | Handle::Table(_)) = description.kind {
                self.suspect(rings::Suspect::Handle(id));
            }
            return;
        }
        let (kind, entangled) = (description.kind, description.is_entangled());
        if let Kind::User { .. } = kind {
            self.close_description(id, kind, entangled);
        } else {
            self.close_in_turn(id);
        }
    }

    fn close_in_turn(&mut self, id: Id<Description>) {
        if let Some(waiting) = &mut self.closing {
            if let Some(description) = self.descriptions.get_mut(id) {
                description.next_closing = waiting.replace(id);
            }
            return;
        }
        let mut next = Some(id);
        while let Some(id) = next {
            let Some(description) = self.descriptions.get_mut(id) else {
                break;
            };
            let (kind, entangled) = (description.kind, description.is_entangled());
            self.closing = Some(description.next_closing.take());
            self.close_description(id, kind, entangled);
            next = self.closing.take().flatten();
        }
        self.closing = None;
    }

    /// Takes a reference to a table.
    pub fn retain_table(&mut self, id: Id<FileTable>) {
        if let Some(table) = self.tables.get_mut(id) {
            table.refs = table.refs.saturating_add(1);
        }
    }

    /// Notes that a context that has a reference to a table is started.
    pub fn use_table(&mut self, id: Id<FileTable>) {
        if let Some(table) = self.tables.get_mut(id) {
            table.users = table.users.saturating_add(1);
        }
    }

    /// Gives up a context's reference to a table. After the last one that was `started` every entry is
    /// closed, even if there are handles: what a program has open ends with it.
    /// `pid` is the process.
    pub fn leave_table(&mut self, id: Id<FileTable>, started: bool, pid: u32) {
        if started && let Some(table) = self.tables.get_mut(id) {
            table.users = table.users.saturating_sub(1);
            if table.users == 0 {
                self.empty_table(id, pid);
            }
        }
        self.release_table(id);
    }

    /// Gives up a table's reference; the last one closes every entry.
    pub fn release_table(&mut self, id: Id<FileTable>) {
        let Some(table) = self.tables.get_mut(id) else {
            return;
        };
        table.refs = table.refs.saturating_sub(1);
        if table.refs > 0 {
            return self.suspect(rings::Suspect::Table(id));
        }
        if let Some(table) = self.tables.remove(id) {
            let pid = self.this().map_or(0, |context| context.attrs.pid);
            self.close_entries(table.entries, pid);
        }
    }

    /// Removes the entry `fd` from the running context's table and gives up its references.
    pub fn close_fd(&mut self, fd: usize) -> Outcome {
        let entry = self.table()?.entries.remove(fd).ok_or(Halt::Errno(EBADF))?;
        if let Some(lease) = entry.lease {
            self.leases.release(lease);
        }
        let Some(description) = self.descriptions.get_mut(entry.desc) else {
            return Ok(0);
        };
        if description.notify_detach {
            self.detach_here(entry);
        }
        self.release_description(entry.desc);
        Ok(0)
    }
}
