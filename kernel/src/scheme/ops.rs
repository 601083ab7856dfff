//! What calls do on the kernel's own objects.

use super::{Kind, dma, proc, sys};
use crate::{
    context::Context,
    descriptor::{Description, Entry},
    error::{Outcome, fail},
    kernel::{Kernel, Space, WaitKey},
    memory::space::Prot,
};
use core::mem::size_of;
use kernel_core::slab::Id;
use syscall::{
    data::{GlobalSchemes, Map, Stat},
    error::*,
    flag::*,
};

/// Longest key of any kernel object.
const MAX_KEY: usize = 64;

/// What opening a kernel object gave.
#[derive(Clone, Copy, Debug)]
pub struct Opened {
    /// The object.
    pub kind: Kind,
    /// The kernel keeps a position for it.
    pub positioned: bool,
}

/// Where a transfer takes place.
#[derive(Clone, Copy, Debug)]
pub struct At {
    /// The position; all ones when there is none.
    pub offset: u64,
    /// The caller gave it, rather than the description.
    pub explicit: bool,
}

impl Opened {
    /// An object without a position.
    pub const fn plain(kind: Kind) -> Self {
        Self {
            kind,
            positioned: false,
        }
    }

    /// An object with a position.
    pub const fn positioned(kind: Kind) -> Self {
        Self {
            kind,
            positioned: true,
        }
    }
}

impl Kernel {
    /// The description of something just opened.
    pub fn opened_description(&self, opened: Opened, flags: usize) -> Description {
        let mut description = Description::new(opened.kind, flags);
        description.positioned = opened.positioned;
        description
    }

    /// Opens the object that `kind` gives for a key in the running context's memory.
    pub fn kernel_open(
        &mut self,
        kind: Kind,
        flags: usize,
        key: usize,
        len: usize,
    ) -> Outcome<Opened> {
        let Some(id) = self.current else {
            return fail(ESRCH);
        };
        self.kernel_open_for(id, self.current_space, kind, flags, key, len)
    }

    /// The same for a key in the memory of the context that is served.
    pub fn kernel_open_for(
        &mut self,
        caller: Id<Context>,
        space: Id<Space>,
        kind: Kind,
        flags: usize,
        key: usize,
        len: usize,
    ) -> Outcome<Opened> {
        let mut buffer = [0; MAX_KEY];
        let Some(buffer) = buffer.get_mut(..len) else {
            return fail(ENOENT);
        };
        self.read_bytes(space, key, buffer)?;
        match kind {
            Kind::Root(scheme) => self.open_root(caller, scheme, buffer, flags),
            Kind::Proc(handle) => self.proc_open(caller, handle, buffer),
            _ => fail(ENOTDIR),
        }
    }

    fn open_root(
        &mut self,
        caller: Id<Context>,
        scheme: GlobalSchemes,
        key: &[u8],
        flags: usize,
    ) -> Outcome<Opened> {
        match scheme {
            GlobalSchemes::Debug => match key {
                b"" => Ok(Opened::plain(Kind::Debug)),
                _ => fail(ENOENT),
            },
            GlobalSchemes::Event => match key {
                b"" => self.event_open(),
                _ => fail(ENOENT),
            },
            GlobalSchemes::Pipe => match key {
                b"" => self.pipe_open(),
                _ => fail(ENOENT),
            },
            GlobalSchemes::Time => self.time_open(key),
            GlobalSchemes::Irq => self.irq_open(key),
            GlobalSchemes::Memory => self.memory_open(key),
            GlobalSchemes::Sys => sys::open(key, flags),
            GlobalSchemes::Acpi => self.acpi_open(key),
            GlobalSchemes::Proc => self.proc_open(caller, proc::Handle::Root, key),
            GlobalSchemes::Serio | GlobalSchemes::Dtb => fail(ENODEV),
        }
    }

    /// `dup` with a payload on a kernel object.
    pub fn kernel_dup(&mut self, kind: Kind, base: usize, len: usize) -> Outcome<Opened> {
        let Some(caller) = self.current else {
            return fail(ESRCH);
        };
        let mut buffer = [0; MAX_KEY];
        let Some(buffer) = buffer.get_mut(..len) else {
            return fail(EINVAL);
        };
        self.read_bytes(self.current_space, base, buffer)?;
        match kind {
            Kind::Pipe(pipe, end) => self.pipe_dup(pipe, end, buffer),
            Kind::Proc(handle) => self.proc_open(caller, handle, buffer),
            Kind::Root(scheme) => self.open_root(caller, scheme, buffer, O_RDONLY),
            _ => fail(EINVAL),
        }
    }

    /// `read` of a kernel object.
    pub fn kernel_read(
        &mut self,
        kind: Kind,
        base: usize,
        len: usize,
        at: At,
        nonblocking: bool,
    ) -> Outcome {
        match kind {
            Kind::Socket(scheme) => self.socket_read(scheme, base, len, nonblocking),
            Kind::Event(queue) => self.event_read(queue, base, len, nonblocking),
            Kind::Pipe(pipe, end) => self.pipe_read(pipe, end, base, len, nonblocking),
            Kind::Debug => self.debug_read(base, len, nonblocking),
            Kind::Time(clock) => self.time_read(clock, base, len),
            Kind::Irq(line) => self.irq_read(line, base, len, nonblocking),
            Kind::Sys(file) => self.sys_file_read(file, base, len, at.offset),
            Kind::Proc(handle) => self.proc_read(handle, base, len, at),
            Kind::Root(scheme) => self.root_read(scheme, base, len, at.offset),
            Kind::User { .. } | Kind::SchemeCapability | Kind::Lease(_) | Kind::Memory(_) => {
                fail(EBADF)
            }
        }
    }

    /// `write` of a kernel object.
    pub fn kernel_write(
        &mut self,
        entry: Entry,
        kind: Kind,
        base: usize,
        len: usize,
        at: At,
        nonblocking: bool,
    ) -> Outcome {
        match kind {
            Kind::Socket(scheme) => self.socket_write(scheme, base, len),
            Kind::Event(queue) => self.event_write(queue, base, len),
            Kind::Pipe(pipe, end) => self.pipe_write(pipe, end, base, len, nonblocking),
            Kind::Debug => self.debug_write(base, len),
            Kind::Time(clock) => self.time_write(entry.desc, clock, base, len),
            Kind::Irq(line) => self.irq_write(line, base, len),
            Kind::Proc(handle) => self.proc_write(entry, handle, base, len, at),
            Kind::User { .. }
            | Kind::SchemeCapability
            | Kind::Lease(_)
            | Kind::Memory(_)
            | Kind::Sys(_)
            | Kind::Root(_) => fail(EBADF),
        }
    }

    /// `SYS_CALL` on a kernel object.
    pub fn kernel_call(
        &mut self,
        entry: Entry,
        kind: Kind,
        base: usize,
        len: usize,
        flags: CallFlags,
        metadata: &[u64; 8],
    ) -> Outcome {
        use cap_abi::Rights;
        if flags.contains(CallFlags::STD_FS) {
            let [call, ..] = metadata;
            return match StdFsCallKind::try_from_raw(*call as u8) {
                Some(StdFsCallKind::Fstat) => {
                    self.require(&entry, Rights::STAT)?;
                    if len != size_of::<Stat>() {
                        return fail(EINVAL);
                    }
                    let stat = self.kernel_stat(kind)?;
                    self.write_stat(self.current_space, base, &stat)?;
                    Ok(0)
                }
                Some(StdFsCallKind::Fsync) => {
                    self.require(&entry, Rights::SYNC)?;
                    Ok(0)
                }
                _ => fail(EOPNOTSUPP),
            };
        }
        self.require(&entry, Rights::CALL)?;
        match kind {
            Kind::Proc(handle) => self.proc_call(handle, metadata),
            Kind::Root(GlobalSchemes::Sys) => self.sys_root_call(metadata),
            Kind::Root(GlobalSchemes::Acpi) => self.acpi_call(base, len, metadata),
            Kind::Root(GlobalSchemes::Memory) => self.memory_root_call(metadata),
            Kind::Memory(source) => self.memory_call(source, base, len),
            Kind::Irq(line) => self.irq_call(line, base, len),
            _ => fail(EOPNOTSUPP),
        }
    }

    /// Maps a kernel object, with never more than `limit`.
    pub fn kernel_map(&mut self, kind: Kind, space: Id<Space>, map: &Map, limit: Prot) -> Outcome {
        // A private mapping needs no right to write, so that one which is shared must not pass for it.
        if map
            .flags
            .contains(MapFlags::MAP_SHARED | MapFlags::MAP_PRIVATE)
        {
            return fail(EINVAL);
        }
        match kind {
            Kind::Memory(source) => self.memory_map(source, space, map, limit),
            Kind::Proc(proc::Handle::Space(source)) => self.proc_map(source, space, map, limit),
            _ => fail(ENODEV),
        }
    }

    /// The size of a kernel object that has one.
    pub fn kernel_size(&mut self, kind: Kind) -> Outcome {
        match kind {
            Kind::Sys(file) => self.sys_file_size(file),
            _ => fail(ESPIPE),
        }
    }

    /// `fstat` of a kernel object.
    pub fn kernel_stat(&mut self, kind: Kind) -> Outcome<Stat> {
        let mode = match kind {
            Kind::Pipe(..) => MODE_FIFO | 0o600,
            Kind::Root(_) => MODE_DIR | 0o500,
            Kind::Sys(_) => MODE_FILE | 0o444,
            _ => MODE_CHR | 0o600,
        };
        let size = match kind {
            Kind::Sys(_) => self.kernel_size(kind)? as u64,
            _ => 0,
        };
        Ok(Stat {
            st_mode: mode,
            st_nlink: 1,
            st_size: size,
            st_blksize: 4096,
            ..Stat::default()
        })
    }

    /// Which events are on at an object now.
    pub fn kernel_readiness(&mut self, id: Id<Description>, kind: Kind) -> EventFlags {
        match kind {
            Kind::Socket(scheme) => match self.schemes.get(scheme) {
                Some(scheme) if scheme.queue.is_empty() => EventFlags::empty(),
                _ => EventFlags::EVENT_READ,
            },
            Kind::Pipe(pipe, end) => self.pipe_readiness(pipe, end),
            Kind::Event(queue) => self.event_readiness(queue),
            Kind::Time(_) => self.clock_readiness(id),
            Kind::Irq(line) => self.irq_readiness(line),
            Kind::Debug => self.debug_readiness(),
            Kind::Proc(handle) => self.proc_readiness(handle),
            _ => EventFlags::empty(),
        }
    }

    /// A description of a kernel object is gone. Another thread may wait at it, whose wait ends when it makes its call
    /// again.
    pub fn kernel_close(&mut self, kind: Kind) {
        if let Some(key) = WaitKey::of(kind) {
            self.wake_waiters(key);
        }
        match kind {
            Kind::Pipe(pipe, end) => self.pipe_close(pipe, end),
            Kind::Event(queue) => self.event_close(queue),
            Kind::Irq(line) => self.irq_close(line),
            Kind::Proc(handle) => self.proc_close(handle),
            Kind::Time(clock) => self.cancel_alarm(clock),
            kind => {
                if let Some(block) = dma::block_of(kind) {
                    self.dma_close(block);
                }
            }
        }
    }

    /// Reading a root lists the keys that can be opened, where that is a fixed list.
    fn root_read(
        &mut self,
        scheme: GlobalSchemes,
        base: usize,
        len: usize,
        offset: u64,
    ) -> Outcome {
        match scheme {
            GlobalSchemes::Sys => self.sys_list(base, len, offset),
            _ => fail(EISDIR),
        }
    }
}
