//! Starting programs: what a new process has is exactly what is written in its [`Command`].
//!
//! A new process begins with an empty descriptor table and an empty address space. The image is
//! checked and planned in `rt_core::elf`, the stack built in `rt_core::stack`; here they are only
//! put in place.

use cap_abi::{Rights, auxv};
use rt_core::elf::{self, Plan, Protection, Segment};
use rt_core::stack::{Blob, Content};
use rt_core::{PAGE_SIZE, page_floor};
use syscall::error::{Error, Result};
use syscall::flag::{MapFlags, UPPER_FDTBL_TAG};
use syscall::{E2BIG, EBADF, EINVAL, ENOEXEC, ESTALE, ProcSchemeAttrs};

use crate::context::{AddressSpace, Context, FileTable};
use crate::fd::Fd;
use crate::memory::Mapping;
use crate::{USER, sys};

/// Where a new program's stack ends. A page above it stays free.
pub const STACK_TOP: usize = USER.end - PAGE_SIZE;
/// How long a main thread's stack is unless said otherwise, in bytes. Its pages are made when touched.
pub const STACK_LEN: usize = 8 << 20;

/// Private descriptor numbers that a new process finds its own descriptors at. Grants of private
/// numbers begin at [`FIRST_FREE`].
const THREAD: usize = UPPER_FDTBL_TAG;
const PROCESS: usize = UPPER_FDTBL_TAG + 1;
const NAMESPACE: usize = UPPER_FDTBL_TAG + 2;
const DIRECTORY: usize = UPPER_FDTBL_TAG + 3;
/// The lowest private number that a [`Grant`] may name.
pub const FIRST_FREE: usize = UPPER_FDTBL_TAG + 16;

/// Where the program comes from.
#[derive(Clone, Copy, Debug)]
pub enum Image<'a> {
    /// The whole file, in this process's memory.
    Bytes(&'a [u8]),
    /// A file that can be read at offsets.
    File(&'a Fd),
}

impl Image<'_> {
    fn len(&self) -> Result<u64> {
        match self {
            Self::Bytes(b) => Ok(b.len() as u64),
            Self::File(fd) => fd.stat().map(|s| s.st_size),
        }
    }

    /// Fills `buf` from `offset`; `ENOEXEC` when the file ends before.
    fn read(&self, buf: &mut [u8], offset: u64) -> Result<()> {
        let short = Error::new(ENOEXEC);
        match self {
            Self::Bytes(b) => {
                let start = usize::try_from(offset).map_err(|_| short)?;
                let source = b
                    .get(start..)
                    .and_then(|b| b.get(..buf.len()))
                    .ok_or(short)?;
                buf.copy_from_slice(source);
                Ok(())
            }
            Self::File(fd) if fd.read_full_at(buf, offset)? == buf.len() => Ok(()),
            Self::File(_) => Err(short),
        }
    }

    /// Reads and checks the headers; `ENOEXEC` for anything that cannot be run.
    pub fn plan(&self) -> Result<Plan> {
        let bad = |_| Error::new(ENOEXEC);
        let mut head = [0; elf::HEADER_LEN];
        self.read(&mut head, 0)?;
        let header = elf::Header::parse(&head).map_err(bad)?;
        let mut table = [0; elf::MAX_PROGRAM_HEADERS * elf::PROGRAM_HEADER_LEN];
        let table = table
            .get_mut(..header.table_len())
            .ok_or(Error::new(ENOEXEC))?;
        self.read(table, header.table_offset())?;
        // A program may not reach into the pages that its stack will have.
        let user = USER.start..STACK_TOP - STACK_LEN;
        Plan::new(&header, table, self.len()?, user).map_err(bad)
    }
}

/// A descriptor for the new process.
#[derive(Clone, Copy, Debug)]
pub struct Grant {
    /// Number in this process; it stays open here.
    pub from: usize,
    /// Number in the new one.
    pub to: usize,
    /// At most these rights.
    pub rights: Rights,
}

/// A descriptor of a fixed role for the new process.
#[derive(Clone, Copy, Debug)]
pub struct Role {
    /// Number in this process; it stays open here.
    pub from: usize,
    /// At most these rights.
    pub rights: Rights,
}

/// What to start, and everything it will have.
#[derive(Clone, Copy, Debug)]
pub struct Command<'a> {
    /// The program.
    pub image: Image<'a>,
    /// Where it was found, for itself to ask (`/scheme/sys/exe`); empty if nobody knows.
    pub path: &'a [u8],
    /// Arguments, the name first.
    pub args: &'a [&'a [u8]],
    /// Environment.
    pub env: &'a [&'a [u8]],
    /// Descriptors. A number named twice is an error (`EINVAL`), as is a private number below
    /// [`FIRST_FREE`].
    pub grants: &'a [Grant],
    /// Descriptors that it has as this process has them, at the same numbers. One that is closed by now,
    /// revoked or marked close-on-exec, is left out: other threads open and close while this one starts a program. No
    /// grant may have one of these numbers.
    pub inherited: &'a [usize],
    /// The namespace, if it shall have one.
    pub namespace: Option<Role>,
    /// The current directory, if it shall have one.
    pub directory: Option<Role>,
    /// Its process descriptor from the process manager, if there is one.
    pub process: Option<Role>,
    /// Further entries of the auxiliary vector.
    pub auxv: &'a [(usize, usize)],
    /// Data behind further entries of the auxiliary vector.
    pub blobs: &'a [Blob<'a>],
    /// Identity and name, where no process manager says what they are.
    pub attributes: ProcSchemeAttrs,
}

/// Identity of user and group 0, with a name for debugging (cut to what fits).
#[must_use]
pub fn attributes(name: &[u8], pid: u32) -> ProcSchemeAttrs {
    let mut attrs = ProcSchemeAttrs {
        pid,
        prio: DEFAULT_PRIORITY,
        ..Default::default()
    };
    for (place, byte) in attrs.debug_name.iter_mut().zip(name) {
        *place = *byte;
    }
    attrs
}

/// The middle of the 40 priorities.
pub const DEFAULT_PRIORITY: u32 = 20;

/// Starts a program. Answers its context, whose `status` handle tells when it has ended.
pub fn spawn(root: &Fd, command: &Command<'_>) -> Result<Context> {
    let context = Context::new(root)?;
    let space = AddressSpace::new(root)?;
    start_in(&context, &space, command)?;
    Ok(context)
}

/// Fills a new context and an empty address space from `command` and starts it.
pub fn start_in(context: &Context, space: &AddressSpace, command: &Command<'_>) -> Result<()> {
    let table = context.get().file_table()?;
    // The program may do what it likes with its own thread, but not give itself an identity.
    table.grant(
        context.fd().raw(),
        THREAD,
        Rights::FULL.difference(Rights::ATTR),
    )?;
    grant_all(&table, command)?;
    let numbers = Numbers {
        thread: THREAD,
        process: command.process.map(|_| PROCESS),
        namespace: command.namespace.map(|_| NAMESPACE),
        directory: command.directory.map(|_| DIRECTORY),
    };
    let entry = load(space, command, &numbers)?;
    if command.process.is_none() {
        context.get().set_attributes(&command.attributes)?;
    }
    context
        .get()
        .switch_address_space(space, entry.sp, entry.ip)?;
    context.get().start()
}

fn grant_all(table: &FileTable, command: &Command<'_>) -> Result<()> {
    for (i, grant) in command.grants.iter().enumerate() {
        let earlier = command.grants.get(..i).unwrap_or(&[]);
        let reserved = grant.to & UPPER_FDTBL_TAG != 0 && grant.to < FIRST_FREE;
        if reserved || earlier.iter().any(|g| g.to == grant.to) {
            return Err(Error::new(EINVAL));
        }
        table.grant(grant.from, grant.to, grant.rights)?;
    }
    for &number in command.inherited {
        match table.inherit(number) {
            Err(e) if matches!(e.errno, EBADF | ESTALE) => {}
            done => drop(done?),
        }
    }
    for (role, number) in [
        (command.process, PROCESS),
        (command.namespace, NAMESPACE),
        (command.directory, DIRECTORY),
    ] {
        if let Some(role) = role {
            table.grant(role.from, number, role.rights)?;
        }
    }
    Ok(())
}

/// Numbers at which a program finds the descriptors of a fixed role.
#[derive(Clone, Copy, Debug)]
pub struct Numbers {
    /// Its main thread's context.
    pub thread: usize,
    /// Its process, if there is a manager.
    pub process: Option<usize>,
    /// Its namespace, if it has one.
    pub namespace: Option<usize>,
    /// Its current directory, if it has one.
    pub directory: Option<usize>,
}

/// Where to start.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// Stack pointer.
    pub sp: usize,
    /// Instruction pointer.
    pub ip: usize,
}

/// Puts a program and its stack into an empty address space.
pub fn load(space: &AddressSpace, command: &Command<'_>, numbers: &Numbers) -> Result<Entry> {
    let plan = command.image.plan()?;
    if !command.path.is_empty() {
        space.set_label(command.path)?;
    }
    for segment in plan.segments() {
        load_segment(space, &command.image, segment)?;
    }
    let writable = MapFlags::MAP_PRIVATE
        | MapFlags::MAP_FIXED_NOREPLACE
        | MapFlags::PROT_READ
        | MapFlags::PROT_WRITE;
    space.map(
        sys::ANONYMOUS,
        0,
        STACK_TOP - STACK_LEN,
        STACK_LEN,
        writable,
    )?;
    let sp = build_stack(space, command, numbers, &plan)?;
    Ok(Entry { sp, ip: plan.entry })
}

fn flags(protection: Protection) -> MapFlags {
    let mut flags = MapFlags::MAP_PRIVATE | MapFlags::MAP_FIXED_NOREPLACE;
    flags.set(MapFlags::PROT_READ, protection.read);
    flags.set(MapFlags::PROT_WRITE, protection.write);
    flags.set(MapFlags::PROT_EXEC, protection.execute);
    flags
}

/// Maps a segment: pages with contents are filled here and moved over, the rest is made there.
fn load_segment(space: &AddressSpace, image: &Image<'_>, segment: &Segment) -> Result<()> {
    let pages = segment.pages();
    let bad = Error::new(ENOEXEC);
    let flags = flags(segment.protection);
    let file_end = segment.address.checked_add(segment.file_len).ok_or(bad)?;
    let filled_end = if segment.file_len == 0 {
        pages.start
    } else {
        rt_core::page_ceil(file_end).ok_or(bad)?
    };
    if filled_end > pages.start {
        let mut memory = Mapping::new(filled_end - pages.start)?;
        let skip = segment.address - page_floor(segment.address);
        let target = memory
            .bytes()
            .get_mut(skip..)
            .and_then(|b| b.get_mut(..segment.file_len))
            .ok_or(bad)?;
        image.read(target, segment.file_offset)?;
        space.take(memory, pages.start, flags)?;
    }
    if pages.end > filled_end {
        space.map(sys::ANONYMOUS, 0, filled_end, pages.end - filled_end, flags)?;
    }
    Ok(())
}

/// How many entries of the auxiliary vector a command may add.
const MAX_AUX: usize = 48;

fn build_stack(
    space: &AddressSpace,
    command: &Command<'_>,
    numbers: &Numbers,
    plan: &Plan,
) -> Result<usize> {
    let own = [
        Some((3, plan.headers)),
        Some((4, elf::PROGRAM_HEADER_LEN)),
        Some((5, plan.header_count)),
        Some((6, PAGE_SIZE)),
        Some((9, plan.entry)),
        Some((auxv::AT_REDOX_THR_FD, numbers.thread)),
        Some((
            auxv::AT_REDOX_PROC_FD,
            numbers.process.unwrap_or(numbers.thread),
        )),
        numbers.namespace.map(|fd| (auxv::AT_REDOX_NS_FD, fd)),
        numbers.directory.map(|fd| (auxv::AT_REDOX_CWD_FD, fd)),
    ];
    let mut vector = [(0, 0); MAX_AUX];
    let mut len = 0;
    for pair in own
        .into_iter()
        .flatten()
        .chain(command.auxv.iter().copied())
    {
        *vector.get_mut(len).ok_or(Error::new(E2BIG))? = pair;
        len += 1;
    }
    let content = Content {
        args: command.args,
        env: command.env,
        auxv: vector.get(..len).unwrap_or(&[]),
        blobs: command.blobs,
    };
    let errno = |e: rt_core::stack::StackError| Error::new(e.errno());
    let mut memory = Mapping::new(content.size().map_err(errno)?)?;
    let sp = content.build(memory.bytes(), STACK_TOP).map_err(errno)?;
    let used = STACK_TOP - sp;
    let skip = memory.len() - used;
    space.write(memory.bytes().get(skip..).unwrap_or(&[]), sp)?;
    Ok(sp)
}
