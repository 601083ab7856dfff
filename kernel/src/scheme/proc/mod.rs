//! The `proc` scheme: contexts, address spaces and descriptor tables as descriptors. `cap_abi::proc` is
//! its description.

mod context;
pub mod rings;
mod space;
mod table;

use super::{
    Kind,
    ops::{At, Opened},
};
use crate::{
    context::{Context, Status},
    descriptor::{Entry, FileTable},
    error::{Outcome, fail},
    kernel::{Kernel, Space},
    memory::space::AddrSpace,
};
use kernel_core::slab::Id;
use rings::Node;
use syscall::{error::*, flag::EventFlags};

/// An object of the scheme.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Handle {
    /// The root.
    Root,
    /// A context, by one of its aspects.
    Context(Id<Context>, Aspect),
    /// An address space.
    Space(Id<Space>),
    /// A descriptor table.
    Table(Id<FileTable>),
}

/// What of a context a descriptor is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aspect {
    /// The context itself.
    Whole,
    /// General registers.
    Int,
    /// Floating-point registers.
    Float,
    /// Segment bases.
    Env,
    /// Signal handling.
    Signals,
    /// Identity, priority, name.
    Attrs,
    /// Status and control.
    Status,
    /// Starting.
    Start,
    /// Which address space it runs in.
    CurrentSpace,
    /// Which descriptor table it uses.
    CurrentTable,
    /// CPUs it may run on.
    Affinity,
    /// Lowest address of maps.
    MmapMin,
}

impl Handle {
    /// What the watch table sorts it by.
    pub const fn watch_key(self) -> u64 {
        match self {
            Self::Context(id, _) => id.raw(),
            _ => 0,
        }
    }
}

impl Kernel {
    /// `openat` on an object of the scheme.
    pub fn proc_open(
        &mut self,
        caller: Id<Context>,
        handle: Handle,
        key: &[u8],
    ) -> Outcome<Opened> {
        let kind = match (handle, key) {
            (Handle::Root, b"new-context") => {
                let id = self.create_context()?;
                self.context_handle(id, Aspect::Whole)?
            }
            (Handle::Root, b"cur-context") => self.context_handle(caller, Aspect::Whole)?,
            (Handle::Root, b"new-addrspace") | (Handle::Space(_), b"empty") => {
                let space = AddrSpace::new(&mut self.memory)?;
                Handle::Space(self.create_space(space)?)
            }
            (Handle::Context(id, Aspect::Whole), key) => self.open_aspect(id, key)?,
            (Handle::Space(id), b"exclusive") => Handle::Space(self.clone_space_call(caller, id)?),
            (Handle::Table(_), b"empty") => {
                Handle::Table(self.create_table(kernel_core::table::Table::new())?)
            }
            (Handle::Table(id), b"copy") => Handle::Table(self.copy_table(id)?),
            (Handle::Root | Handle::Space(_) | Handle::Table(_), _) => return fail(ENOENT),
            (Handle::Context(..), _) => return fail(ENOTDIR),
        };
        let positioned = matches!(kind, Handle::Space(_) | Handle::Table(_));
        Ok(Opened {
            kind: Kind::Proc(kind),
            positioned,
        })
    }

    /// `read`.
    pub fn proc_read(&mut self, handle: Handle, base: usize, len: usize, at: At) -> Outcome {
        match handle {
            Handle::Root => fail(EISDIR),
            Handle::Space(id) => {
                if at.explicit {
                    self.copy_foreign(id, at.offset as usize, base, len, false)
                } else {
                    self.list_grants(id, base, len, at.offset)
                }
            }
            Handle::Table(id) => self.list_table(id, base, len, at.offset),
            Handle::Context(id, aspect) => self.read_aspect(id, aspect, base, len),
        }
    }

    /// `write`.
    pub fn proc_write(
        &mut self,
        entry: Entry,
        handle: Handle,
        base: usize,
        len: usize,
        at: At,
    ) -> Outcome {
        match handle {
            Handle::Root | Handle::Table(_) => fail(EBADF),
            Handle::Space(id) if at.explicit => {
                self.copy_foreign(id, at.offset as usize, base, len, true)
            }
            Handle::Space(id) => self.space_operation(id, base, len),
            Handle::Context(id, aspect) => self.write_aspect(entry, id, aspect, base, len),
        }
    }

    /// Whether a context is dead or stopped.
    pub fn proc_readiness(&self, handle: Handle) -> EventFlags {
        match handle {
            Handle::Context(id, Aspect::Status) => match self.contexts.get(id) {
                Some(context) if context.status != Status::Dead && !context.stopped => {
                    EventFlags::empty()
                }
                _ => EventFlags::EVENT_READ,
            },
            _ => EventFlags::empty(),
        }
    }

    /// The last descriptor of an object is gone.
    pub fn proc_close(&mut self, handle: Handle) {
        match handle {
            Handle::Root => {}
            Handle::Space(id) => self.release_space(id),
            Handle::Table(id) => self.release_table(id),
            Handle::Context(id, _) => {
                if let Some(context) = self.contexts.get_mut(id) {
                    context.handles = context.handles.saturating_sub(1);
                    if context.handles > 0 {
                        self.end_if_out_of_reach(Node::context(id));
                    }
                    self.reap(id);
                }
            }
        }
    }
}
