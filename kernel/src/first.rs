//! The first process: loaded by the kernel from the initfs, and the only one that ever is.
//!
//! It gets the root of every kernel scheme, the capability to create schemes, and the initfs; whatever
//! authority there is in the system comes from there.

use crate::{
    arch,
    context::{Context, Status},
    descriptor::{Denials, Description},
    error::{Halt, Outcome},
    kernel::{self, Kernel, Space, WaitTable},
    memory::{
        self,
        space::{AddrSpace, Prot, STANDING},
    },
    scheme::{
        Kind, debug::Console, event::WatchTable, irq::Irqs, proc::rings::SUSPECTS,
        user::MAX_CONTEXTS,
    },
};
use alloc::vec::Vec;
use boot_info::{BootInfo, Region};
use cap_abi::{Rights, auxv};
use core::{fmt, mem::size_of};
use kernel_core::{
    event::Events,
    lease::Leases,
    paging::USER_END,
    ring::Trial,
    runqueue::RunQueue,
    slab::{Id, Slab},
    table::Table,
    timer::Timers,
};
use rt_core::{
    elf::{ElfError, Plan},
    stack::{Blob, Content, StackError},
};
use syscall::{
    data::{GlobalSchemes, KernelSchemeInfo},
    flag::MapFlags,
};

/// The program's name in the initfs.
const PROGRAM: &str = "bootstrap";
/// Where the program's own addresses may be.
const PROGRAM_RANGE: core::ops::Range<usize> = 0x1_0000..0x4000_0000_0000;
/// Where the initfs is mapped.
const INITFS_BASE: usize = 0x5000_0000_0000;
/// Top of the initial stack.
const STACK_TOP: usize = 0x7fff_f000_0000;
/// Length of the initial stack.
const STACK_LEN: usize = 256 * 1024;
/// Longest initial contents of the stack.
const STACK_CONTENT: usize = 16 * 1024;
/// Length of an ELF64 program header.
const PROGRAM_HEADER_LEN: usize = 56;
/// Number of its descriptor of the capability to create schemes; the roots follow.
const CAPABILITY_FD: usize = 3;
/// The process id of the first process.
const FIRST_PID: u32 = 1;

const ROOTS: [GlobalSchemes; 9] = [
    GlobalSchemes::Debug,
    GlobalSchemes::Event,
    GlobalSchemes::Memory,
    GlobalSchemes::Pipe,
    GlobalSchemes::Irq,
    GlobalSchemes::Time,
    GlobalSchemes::Sys,
    GlobalSchemes::Proc,
    GlobalSchemes::Acpi,
];

/// Why the system cannot begin.
#[derive(Debug)]
pub enum Failure {
    /// Memory could not be set up.
    Memory(memory::InitError),
    /// The initfs cannot be read.
    Initfs(initfs::Error),
    /// It has no file for the first process.
    NoProgram,
    /// That file is no program.
    Program(ElfError),
    /// Its stack could not be made.
    Stack(StackError),
    /// A step failed with an error number.
    Step(&'static str, i32),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Memory(error) => write!(f, "memory: {error:?}"),
            Self::Initfs(error) => write!(f, "initfs: {error}"),
            Self::NoProgram => write!(f, "the initfs has no file `{PROGRAM}`"),
            Self::Program(error) => write!(f, "initfs file `{PROGRAM}`: {error}"),
            Self::Stack(error) => write!(f, "initial stack: {error}"),
            Self::Step(step, errno) => write!(f, "{step}: error {errno}"),
        }
    }
}

fn step(name: &'static str) -> impl Fn(Halt) -> Failure {
    move |halt| match halt {
        Halt::Errno(errno) => Failure::Step(name, errno),
        Halt::Blocked | Halt::Retry => Failure::Step(name, syscall::error::EIO),
    }
}

/// Sets up the kernel's state and the first process, which runs as soon as user mode is entered.
///
/// # Errors
/// [`Failure`]: there is no system then.
pub fn begin(info: &'static BootInfo) -> Result<(), Failure> {
    let mut memory = memory::from_boot().map_err(Failure::Memory)?;
    let space = AddrSpace::new(&mut memory)
        .map_err(|error| Failure::Step("first address space", error.errno()))?;
    let mut spaces = Slab::new();
    let space = spaces
        .insert(Space {
            memory: space,
            refs: 1,
            label: alloc::vec::Vec::new(),
        })
        .map_err(|_| Failure::Step("first address space", syscall::error::ENOMEM))?;
    let mut tables = Slab::new();
    let table = tables
        .insert(crate::descriptor::FileTable {
            entries: Table::new(),
            refs: 1,
            users: 1,
            trial: Trial::new(),
        })
        .map_err(|_| Failure::Step("first table", syscall::error::ENOMEM))?;
    let mut suspects = Vec::new();
    suspects
        .try_reserve_exact(SUSPECTS)
        .map_err(|_| Failure::Step("memory for suspects", syscall::error::ENOMEM))?;
    let kernel = Kernel {
        memory,
        contexts: Slab::with_limit(MAX_CONTEXTS),
        spaces,
        copies: Vec::new(),
        last_loan: STANDING,
        lent_on: Vec::new(),
        tables,
        descriptions: Slab::new(),
        schemes: Slab::new(),
        leases: Leases::new(),
        pipes: Slab::new(),
        blocks: Slab::new(),
        events: Events::new(),
        watched: WatchTable::new(),
        maps: Slab::new(),
        current: None,
        current_table: table,
        current_space: space,
        handoff: None,
        attention: true,
        reply_handoff: false,
        slice: crate::context::sched::Slice::default(),
        run: RunQueue::new(),
        waiters: WaitTable::new(),
        timers: Timers::new(),
        denials: Denials::default(),
        closing: None,
        chores: crate::chores::Chores::new(suspects),
        irqs: Irqs::new(),
        console: Console::new(),
        realtime_base: arch::time::realtime_at_boot_ns(),
        idle: {
            let mut idle = kernel_core::meter::Meter::new();
            idle.start(arch::ticks());
            idle
        },
        switches: 0,
    };
    kernel::install(kernel);
    kernel::with(|kernel| kernel.start_first(info, space, table))
        .unwrap_or(Err(Failure::Step("kernel state", syscall::error::EIO)))
}

impl Kernel {
    fn start_first(
        &mut self,
        info: &'static BootInfo,
        space: Id<Space>,
        table: Id<crate::descriptor::FileTable>,
    ) -> Result<(), Failure> {
        let image = memory::boot_region(&info.initfs);
        let archive = initfs::Archive::new(image).map_err(Failure::Initfs)?;
        let file = archive.lookup(PROGRAM).ok_or(Failure::NoProgram)?;
        let initfs::Kind::File(program) = file.kind else {
            return Err(Failure::NoProgram);
        };
        let plan = Plan::of_file(program, PROGRAM_RANGE).map_err(Failure::Program)?;
        self.load_program(space, program, &plan)
            .map_err(step("loading the first process"))?;
        self.map_image(space, &info.initfs)
            .map_err(step("mapping the initfs"))?;
        let roots = self.grant_roots().map_err(step("first descriptors"))?;
        let stack = self.first_stack(space, info, image.len(), &plan, &roots)?;
        let context = self.create_context().map_err(step("first context"))?;
        self.adopt(context, space, table, stack, plan.entry)
            .map_err(step("first context"))?;
        self.enqueue_ready(context);
        self.leave();
        Ok(())
    }

    fn load_program(&mut self, space: Id<Space>, file: &[u8], plan: &Plan) -> Outcome<()> {
        for segment in plan.segments() {
            let pages = segment.pages();
            let size = pages.end.saturating_sub(pages.start);
            let flags = MapFlags::PROT_READ
                | MapFlags::PROT_WRITE
                | MapFlags::MAP_PRIVATE
                | MapFlags::MAP_FIXED_NOREPLACE;
            self.map_anonymous(space, pages.start, size, flags)?;
            let from = segment.file_offset as usize;
            let to = from.saturating_add(segment.file_len);
            let contents = file.get(from..to).unwrap_or(&[]);
            self.write_bytes(space, segment.address, contents)?;
            let mut flags = MapFlags::empty();
            flags.set(MapFlags::PROT_READ, segment.protection.read);
            flags.set(MapFlags::PROT_WRITE, segment.protection.write);
            flags.set(MapFlags::PROT_EXEC, segment.protection.execute);
            self.protect(space, pages.start, size, flags)?;
        }
        Ok(())
    }

    /// Maps the initfs where it is: it stays out of the allocator for ever.
    fn map_image(&mut self, space: Id<Space>, image: &Region) -> Outcome<()> {
        let request = crate::memory::space::Request {
            address: INITFS_BASE,
            size: image.len as usize,
            flags: MapFlags::PROT_READ | MapFlags::MAP_SHARED | MapFlags::MAP_FIXED_NOREPLACE,
            min: 0,
        };
        let cache = crate::memory::space::Cache::WriteBack;
        self.change(space, |space, memory, released| {
            Ok(space.map_device(memory, &request, image.base, cache, Prot::ALL, released)?)
        })?;
        Ok(())
    }

    /// The capability and the roots, of which the numbers are returned. The standard descriptors are for
    /// the program to open.
    fn grant_roots(&mut self) -> Outcome<[KernelSchemeInfo; ROOTS.len()]> {
        let mut number = CAPABILITY_FD;
        let mut grant = |kernel: &mut Self, kind| {
            let mut description = Description::new(kind, syscall::flag::O_RDWR);
            description.positioned = kind == Kind::Root(GlobalSchemes::Sys);
            let fd = kernel.install(description, Rights::FULL, None, number, false)?;
            number = number.saturating_add(1);
            Ok::<usize, Halt>(fd)
        };
        grant(self, Kind::SchemeCapability)?;
        let mut infos = [KernelSchemeInfo::default(); ROOTS.len()];
        for (info, root) in infos.iter_mut().zip(ROOTS) {
            *info = KernelSchemeInfo {
                scheme_id: root as u8,
                fd: grant(self, Kind::Root(root))?,
            };
        }
        Ok(infos)
    }

    fn first_stack(
        &mut self,
        space: Id<Space>,
        info: &BootInfo,
        image_len: usize,
        plan: &Plan,
        roots: &[KernelSchemeInfo],
    ) -> Result<usize, Failure> {
        let mut table = [0_u8; 16 * ROOTS.len()];
        for (place, root) in table
            .chunks_exact_mut(size_of::<KernelSchemeInfo>())
            .zip(roots)
        {
            if let Some((first, rest)) = place.split_first_mut() {
                *first = root.scheme_id;
                if let Some(fd) = rest.get_mut(7..) {
                    fd.copy_from_slice(&root.fd.to_le_bytes());
                }
            }
        }
        let vector = [
            (3, plan.headers),
            (4, PROGRAM_HEADER_LEN),
            (5, plan.header_count),
            (9, plan.entry),
            (auxv::AT_CUPRITE_SCHEME_CAP, CAPABILITY_FD),
            (auxv::AT_CUPRITE_INITFS, INITFS_BASE),
            (auxv::AT_CUPRITE_INITFS_LEN, image_len),
            (auxv::AT_REDOX_THR_FD, THREAD_FD),
        ];
        let blobs = [
            Blob {
                address_tag: auxv::AT_CUPRITE_KERNEL_SCHEMES,
                len_tag: auxv::AT_CUPRITE_KERNEL_SCHEMES_LEN,
                unit: size_of::<KernelSchemeInfo>(),
                data: &table,
            },
            Blob {
                address_tag: auxv::AT_CUPRITE_CMDLINE,
                len_tag: auxv::AT_CUPRITE_CMDLINE_LEN,
                unit: 1,
                data: memory::boot_region(&info.cmdline),
            },
        ];
        let content = Content {
            args: &[PROGRAM.as_bytes()],
            env: &[],
            auxv: &vector,
            blobs: &blobs,
        };
        let mut buffer = alloc::vec::Vec::new();
        let size = content.size().map_err(Failure::Stack)?;
        buffer
            .try_reserve_exact(size.min(STACK_CONTENT))
            .map_err(|_| Failure::Step("first stack", syscall::error::ENOMEM))?;
        buffer.resize(size.min(STACK_CONTENT), 0);
        let pointer = content
            .build(&mut buffer, STACK_TOP)
            .map_err(Failure::Stack)?;
        let flags = MapFlags::PROT_READ
            | MapFlags::PROT_WRITE
            | MapFlags::MAP_PRIVATE
            | MapFlags::MAP_FIXED_NOREPLACE;
        let base = STACK_TOP.saturating_sub(STACK_LEN);
        self.map_anonymous(space, base, STACK_LEN, flags)
            .map_err(step("first stack"))?;
        let used = STACK_TOP.saturating_sub(pointer);
        let from = buffer.len().saturating_sub(used);
        let contents = buffer.get(from..).unwrap_or(&[]);
        self.write_bytes(space, pointer, contents)
            .map_err(step("first stack"))?;
        Ok(pointer)
    }

    /// Gives a new context the space, the table and a descriptor of itself, ready to run.
    fn adopt(
        &mut self,
        id: Id<Context>,
        space: Id<Space>,
        table: Id<crate::descriptor::FileTable>,
        stack: usize,
        entry: usize,
    ) -> Outcome<()> {
        let root = self.root_of(space);
        let context = self
            .contexts
            .get_mut(id)
            .ok_or(Halt::Errno(syscall::error::ESRCH))?;
        context.root = root;
        let old = context.table.replace(table);
        context.space = Some(space);
        context.state.frame.set_ip(entry);
        context.state.frame.set_sp(stack);
        context.status = Status::Ready;
        context.attrs.pid = FIRST_PID;
        for (place, byte) in context.attrs.debug_name.iter_mut().zip(PROGRAM.bytes()) {
            *place = byte;
        }
        if let Some(old) = old {
            self.leave_table(old, false, FIRST_PID);
        }
        self.install_thread(id)
    }

    fn install_thread(&mut self, id: Id<Context>) -> Outcome<()> {
        let handle = self.context_handle(id, crate::scheme::proc::Aspect::Whole)?;
        let description = Description::new(Kind::Proc(handle), syscall::flag::O_RDWR);
        self.install(description, Rights::FULL, None, THREAD_FD, false)?;
        Ok(())
    }
}

/// Number of the first process's descriptor of its own context.
const THREAD_FD: usize = CAPABILITY_FD + 1 + ROOTS.len();

const _: () = assert!(STACK_TOP < USER_END && size_of::<KernelSchemeInfo>() == 16);
