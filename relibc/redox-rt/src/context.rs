//! The kernel's contexts, address spaces and descriptor tables as descriptors (`cap_abi::proc`).

use cap_abi::Rights;
use cap_abi::proc::{ADDRSPACE_OP_LABEL, GRANT_UNMARKED, SwitchAddrSpace, TIME_LEN};
use syscall::error::{Error, Result};
use syscall::flag::{ContextStatus, ContextVerb, FileTableVerb, MapFlags};
use syscall::{
    ADDRSPACE_OP_MMAP, ADDRSPACE_OP_MPROTECT, ADDRSPACE_OP_MUNMAP, ADDRSPACE_OP_TRANSFER,
    CtxtStsBuf, EIO, EnvRegisters, IntRegisters, ProcSchemeAttrs, SetSighandlerData,
};

use crate::fd::Fd;
use crate::sys;

/// A context's descriptor, borrowed: the number is somebody else's to close.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ContextRef(usize);

/// A context (thread), owned by its descriptor: when the last one is closed, a context that was
/// never started is destroyed.
#[derive(Debug)]
pub struct Context(Fd);

impl Context {
    /// A new context: not started, no address space, an empty descriptor table. `root` is the
    /// root of the kernel's proc scheme.
    pub fn new(root: &Fd) -> Result<Self> {
        root.open(b"new-context", 0).map(Self)
    }

    /// Takes ownership of a context's descriptor.
    #[must_use]
    pub const fn from_fd(fd: Fd) -> Self {
        Self(fd)
    }

    /// For calls.
    #[must_use]
    pub const fn get(&self) -> ContextRef {
        ContextRef(self.0.raw())
    }

    /// The descriptor.
    #[must_use]
    pub const fn fd(&self) -> &Fd {
        &self.0
    }

    /// The descriptor, given away.
    #[must_use]
    pub fn into_fd(self) -> Fd {
        self.0
    }
}

/// How a context stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Started, not ended.
    Alive,
    /// Not started yet.
    New,
    /// Stopped; can go on.
    Stopped,
    /// Ended by itself or by force: the status word it was ended with (see `rt_core::wait`).
    Ended(u32),
    /// Ended by an exception: its kind, code and address.
    Exception {
        /// The exception's number (x86-64: the vector).
        kind: usize,
        /// Its error code.
        code: usize,
        /// The address it was about.
        address: usize,
    },
}

impl ContextRef {
    /// Borrows a number.
    #[must_use]
    pub const fn new(fd: usize) -> Self {
        Self(fd)
    }

    /// The number.
    #[must_use]
    pub const fn raw(self) -> usize {
        self.0
    }

    /// One of the context's named handles.
    pub fn handle(self, name: &[u8]) -> Result<Fd> {
        sys::dup(self.0, name, sys::FD_ANY_UPPER).map(Fd::from_raw)
    }

    /// Its address space.
    pub fn address_space(self) -> Result<AddressSpace> {
        self.handle(b"addrspace").map(AddressSpace)
    }

    /// Its descriptor table.
    pub fn file_table(self) -> Result<FileTable> {
        self.handle(b"filetable").map(FileTable)
    }

    /// Lets it run in `space` from `ip` on, with the stack pointer `sp`. On the calling context it
    /// does not return.
    pub fn switch_address_space(self, space: &AddressSpace, sp: usize, ip: usize) -> Result<()> {
        SwitchHandle::of(self)?.switch(space, sp, ip)
    }

    /// In a fork without a process manager, the child is told apart by its context alone: it gets its
    /// parent's identity. With one (`process`), the manager has said what it is.
    pub(crate) fn set_attributes_if_kernel(self, parent: Self, process: Option<&Fd>) -> Result<()> {
        if process.is_some() {
            Ok(())
        } else {
            self.set_attributes(&parent.attributes()?)
        }
    }

    /// Gives it another descriptor table, at once.
    pub fn set_file_table(self, table: &FileTable) -> Result<()> {
        self.handle(b"current-filetable")?
            .write_exact(sys::bytes_of(&[table.0.raw()]))
    }

    /// Its integer registers; it must not be running.
    pub fn int_registers(self) -> Result<IntRegisters> {
        let mut regs = IntRegisters::default();
        self.handle(b"regs/int")?.read_exact(&mut regs)?;
        Ok(regs)
    }

    /// Sets its integer registers; it must not be running.
    pub fn set_int_registers(self, regs: &IntRegisters) -> Result<()> {
        self.handle(b"regs/int")?.write_exact(regs)
    }

    /// Its FS and GS base.
    pub fn env_registers(self) -> Result<EnvRegisters> {
        let mut regs = EnvRegisters::default();
        self.handle(b"regs/env")?.read_exact(&mut regs)?;
        Ok(regs)
    }

    /// Sets FS and GS base; of a context that does not run, or of the caller.
    pub fn set_env_registers(self, regs: &EnvRegisters) -> Result<()> {
        self.handle(b"regs/env")?.write_exact(regs)
    }

    /// Names it and gives it its process's identity; only through a handle that may.
    pub fn set_attributes(self, attrs: &ProcSchemeAttrs) -> Result<()> {
        self.handle(b"attrs")?.write_exact(attrs)
    }

    /// Its process's identity.
    pub fn attributes(self) -> Result<ProcSchemeAttrs> {
        let mut attrs = ProcSchemeAttrs::default();
        self.handle(b"attrs")?.read_exact(&mut attrs)?;
        Ok(attrs)
    }

    /// Names the signal trampoline and the memory shared with the kernel.
    pub fn set_signal_handler(self, data: &SetSighandlerData) -> Result<()> {
        self.handle(b"sighandler")?.write_exact(data)
    }

    /// Starts it.
    pub fn start(self) -> Result<()> {
        self.handle(b"start")?.write_exact(&[0])
    }

    /// Stops, unstops, interrupts or kills it.
    pub fn tell(self, verb: ContextVerb) -> Result<()> {
        self.handle(b"status")?
            .write_exact(sys::bytes_of(&[verb as usize]))
    }

    /// How it stands.
    pub fn status(self) -> Result<Status> {
        read_status(&self.handle(b"status")?)
    }
}

/// How the context behind a `status` handle stands.
pub fn read_status(handle: &Fd) -> Result<Status> {
    let mut buf = CtxtStsBuf::default();
    handle.read_exact(&mut buf)?;
    known(&buf)
}

/// The same, and how long it has had the processor, in nanoseconds.
pub fn read_status_and_time(handle: &Fd) -> Result<(Status, u64)> {
    const STATUS: usize = size_of::<CtxtStsBuf>();
    let mut bytes = [0; STATUS + TIME_LEN];
    handle.read_exact(&mut bytes)?;
    let (status, time) = bytes.split_at(STATUS);
    let mut buf = CtxtStsBuf::default();
    buf.copy_from_slice(status);
    let time = time
        .first_chunk()
        .map_or(0, |time| u64::from_ne_bytes(*time));
    Ok((known(&buf)?, time))
}

fn known(buf: &CtxtStsBuf) -> Result<Status> {
    let excp = buf.excp;
    let is = |s: ContextStatus| buf.status == s as usize;
    Ok(
        if is(ContextStatus::Runnable) || is(ContextStatus::Blocked) {
            Status::Alive
        } else if is(ContextStatus::NotYetStarted) {
            Status::New
        } else if is(ContextStatus::Stopped) {
            Status::Stopped
        } else if is(ContextStatus::Dead) || is(ContextStatus::ForceKilled) {
            Status::Ended(excp.code as u32)
        } else if is(ContextStatus::UnhandledExcp) {
            Status::Exception {
                kind: excp.kind,
                code: excp.code,
                address: excp.address,
            }
        } else {
            return Err(Error::new(EIO));
        },
    )
}

/// An address space.
#[derive(Debug)]
pub struct AddressSpace(Fd);

impl AddressSpace {
    /// An empty one. `root` is the root of the kernel's proc scheme.
    pub fn new(root: &Fd) -> Result<Self> {
        root.open(b"new-addrspace", 0).map(Self)
    }

    /// An empty one, made with the authority of holding this one.
    pub fn new_empty(&self) -> Result<Self> {
        self.0.dup(b"empty").map(Self)
    }

    /// A copy-on-write copy.
    pub fn copy(&self) -> Result<Self> {
        self.0.dup(b"exclusive").map(Self)
    }

    /// The descriptor.
    #[must_use]
    pub const fn fd(&self) -> &Fd {
        &self.0
    }

    /// Names the program in it: the path at which it was found, at most
    /// `LABEL_MAX` bytes of it.
    pub fn set_label(&self, path: &[u8]) -> Result<()> {
        self.operate(&[ADDRSPACE_OP_LABEL, path.as_ptr() as usize, path.len()])
            .map(drop)
    }

    fn operate(&self, words: &[usize]) -> Result<usize> {
        self.0.write(sys::bytes_of(words))
    }

    /// Maps `fd` from `offset`, or zeroed memory for [`sys::ANONYMOUS`], and answers the address.
    pub fn map(
        &self,
        fd: usize,
        offset: usize,
        base: usize,
        len: usize,
        flags: MapFlags,
    ) -> Result<usize> {
        self.operate(&[ADDRSPACE_OP_MMAP, fd, offset, base, len, flags.bits()])
    }

    /// Unmaps. Unsafe operations on the caller's own space are refused by nobody: this handle must
    /// be another's, or the range unused.
    ///
    /// # Safety
    /// When this is the calling context's own space, nothing may refer to the range.
    pub unsafe fn unmap(&self, base: usize, len: usize) -> Result<()> {
        self.operate(&[ADDRSPACE_OP_MUNMAP, base, len]).map(drop)
    }

    /// Changes access.
    ///
    /// # Safety
    /// When this is the calling context's own space, nothing may rely on an access that is taken away.
    pub unsafe fn protect(&self, base: usize, len: usize, flags: MapFlags) -> Result<()> {
        self.operate(&[ADDRSPACE_OP_MPROTECT, base, len, flags.bits()])
            .map(drop)
    }

    /// Moves the caller's pages here.
    pub fn take(
        &self,
        mapping: crate::memory::Mapping,
        base: usize,
        flags: MapFlags,
    ) -> Result<()> {
        self.operate(&[
            ADDRSPACE_OP_TRANSFER,
            mapping.address(),
            mapping.len(),
            base,
            flags.bits(),
        ])?;
        mapping.forget();
        Ok(())
    }

    /// Copies bytes to an address.
    pub fn write(&self, mut data: &[u8], mut address: usize) -> Result<()> {
        while !data.is_empty() {
            match sys::write_at(self.0.raw(), data, address as u64, None)? {
                0 => return Err(Error::new(EIO)),
                n => {
                    data = data.get(n..).unwrap_or(&[]);
                    address = address.wrapping_add(n);
                }
            }
        }
        Ok(())
    }
}

/// A descriptor table.
#[derive(Debug)]
pub struct FileTable(Fd);

impl FileTable {
    /// An empty one, made with the authority of holding this one.
    pub fn new_empty(&self) -> Result<Self> {
        self.0.dup(b"empty").map(Self)
    }

    /// A copy with every entry.
    pub fn copy(&self) -> Result<Self> {
        self.0.dup(b"copy").map(Self)
    }

    /// The descriptor.
    #[must_use]
    pub const fn fd(&self) -> &Fd {
        &self.0
    }

    /// Puts a copy of the caller's `fd` there as `number`, with at most `rights`.
    pub fn grant(&self, fd: usize, number: usize, rights: Rights) -> Result<usize> {
        self.0.call(&[
            FileTableVerb::Dup2 as u64,
            fd as u64,
            number as u64,
            u64::from(rights.bits()),
        ])
    }

    /// Puts a copy of the caller's `fd` there as the same number. `EBADF` if it is closed or marked
    /// close-on-exec.
    pub fn inherit(&self, fd: usize) -> Result<usize> {
        self.0.call(&[
            FileTableVerb::Dup2 as u64,
            fd as u64,
            fd as u64,
            u64::from(Rights::FULL.bits()),
            GRANT_UNMARKED as u64,
        ])
    }

    /// Its open numbers, in ascending order from the `skip`th on; answers how many were filled in.
    pub fn numbers(&self, numbers: &mut [usize], skip: usize) -> Result<usize> {
        const WORD: usize = size_of::<usize>();
        // SAFETY: integers as the bytes they are made of; any bytes make integers.
        let bytes = unsafe {
            core::slice::from_raw_parts_mut(numbers.as_mut_ptr().cast(), size_of_val(numbers))
        };
        self.0
            .read_full_at(bytes, (skip * WORD) as u64)
            .map(|len| len / WORD)
    }

    /// Closes a number in it.
    pub fn close_number(&self, number: usize) -> Result<()> {
        self.0
            .call(&[FileTableVerb::Close as u64, number as u64])
            .map(drop)
    }
}

/// A context's `current-addrspace` handle, opened before it is used.
#[derive(Debug)]
pub(crate) struct SwitchHandle(Fd);

impl SwitchHandle {
    pub(crate) fn of(context: ContextRef) -> Result<Self> {
        context.handle(b"current-addrspace").map(Self)
    }

    pub(crate) const fn raw(&self) -> usize {
        self.0.raw()
    }

    pub(crate) fn switch(&self, space: &AddressSpace, sp: usize, ip: usize) -> Result<()> {
        let words = SwitchAddrSpace {
            addrspace: space.0.raw(),
            sp,
            ip,
        };
        self.0
            .write_exact(sys::bytes_of(&[words.addrspace, words.sp, words.ip]))
    }
}
