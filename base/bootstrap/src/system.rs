//! The system: the servers that everything else stands on, and `init`.
//!
//! Order and authority:
//!
//! | program | has |
//! |---|---|
//! | `procmgr` | its socket, the proc root, the event root |
//! | `nsmgr` | its socket, the scheme-creation capability |
//! | `initfsd` | its socket, a register handle, the archive; process number 2, a child of `init` |
//! | `init` | the first namespace, process number 1 |
//!
//! `initfsd` is started again when it ends.
//!
//! The roots of the kernel's schemes are bound in the first namespace. A program gets at what a name
//! does not give by itself (physical memory, interrupts, contexts, firmware, switching off) only if the
//! namespace it is given has that name.

use bootstrap_core::CommandLine;
use cap_abi::scheme::FEATURE_RESOLVE;
use cap_abi::{Rights, auxv};
use initfs::{Archive, Kind};
use libredox::protocol::ProcCall;
use nsmgr_api::{UnbindFlags, Verb};
use redox_rt::context::{AddressSpace, Context, Status, read_status};
use redox_rt::event::Queue;
use redox_rt::fd::{create_scheme, create_scheme_fd};
use redox_rt::spawn::{self, Command, FIRST_FREE, Grant, Image, Role};
use redox_rt::start::Start;
use redox_rt::{Error, Fd, Result, eprintln, namespace, process, sys};
use syscall::flag::{
    CLOCK_MONOTONIC, CallFlags, EventFlags, MapFlags, O_DIRECTORY, O_RDONLY, O_RDWR,
};
use syscall::{GlobalSchemes, ProcSchemeAttrs, TimeSpec};

use crate::first::{Failure, report, step};
use crate::roots::Roots;

/// Where a server finds the archive.
const INITFS_ADDRESS: usize = 0x6000_0000_0000;

/// The name of the initial files.
const INITFS: &[u8] = b"initfs";

/// The path of the program that the rest is started by.
const INIT: &[u8] = b"/scheme/initfs/bin/init";

/// Names in the first namespace of the kernel's schemes. `sys` can be looked at, and `kernel.sys` also
/// ends the machine.
const NAMES: [(&[u8], GlobalSchemes, Rights); 10] = {
    use GlobalSchemes::{Acpi, Debug, Event, Irq, Memory, Pipe, Proc, Sys, Time};
    const ALL: Rights = Rights::FULL;
    [
        (b"debug", Debug, ALL),
        (b"event", Event, ALL),
        (b"memory", Memory, ALL),
        (b"pipe", Pipe, ALL),
        (b"irq", Irq, ALL),
        (b"time", Time, ALL),
        (b"sys", Sys, ALL.difference(Rights::CALL)),
        (b"kernel.sys", Sys, ALL),
        (b"kernel.proc", Proc, ALL),
        (b"kernel.acpi", Acpi, ALL),
    ]
};

/// What must not end, and what may.
struct Watched {
    name: &'static str,
    status: Fd,
    vital: bool,
}

/// What is needed to start a server.
struct Starter<'a> {
    roots: &'a Roots,
    archive: Archive<'a>,
    image: &'a [u8],
}

impl Starter<'_> {
    /// Starts a program that the process manager does not know.
    fn server(
        &self,
        path: &'static str,
        grants: &[(usize, usize)],
        aux: &[(usize, usize)],
    ) -> Result<Watched> {
        self.program(path, None, grants, aux)
    }

    /// Starts a program, as a process of the process manager's if there is one.
    fn program(
        &self,
        path: &'static str,
        process: Option<&Fd>,
        grants: &[(usize, usize)],
        aux: &[(usize, usize)],
    ) -> Result<Watched> {
        let name = path.rsplit('/').next().unwrap_or(path);
        let found = self.archive.lookup(path).map(|entry| entry.kind);
        let Some(Kind::File(program)) = found else {
            return Err(Error::new(syscall::ENOENT));
        };
        let mut list = [Grant {
            from: 2,
            to: 2,
            rights: Rights::FULL,
        }; MAX_GRANTS];
        for (place, (from, to)) in list.iter_mut().skip(1).zip(grants) {
            (place.from, place.to) = (*from, *to);
        }
        let proc_root = self.roots.get(GlobalSchemes::Proc)?;
        let context = match process {
            Some(process) => {
                let mut text = [0; 32];
                let text = text.get_mut(..name.len()).unwrap_or(&mut []);
                text.copy_from_slice(name.as_bytes());
                process::call_on(process.raw(), ProcCall::Rename, text, &[])?;
                Context::from_fd(process.dup(b"context-0")?)
            }
            None => Context::new(proc_root)?,
        };
        let space = AddressSpace::new(proc_root)?;
        if aux.iter().any(|(tag, _)| *tag == auxv::AT_CUPRITE_INITFS) {
            self.show_archive(&space)?;
        }
        let command = Command {
            image: Image::Bytes(program),
            path: &[],
            args: &[name.as_bytes()],
            env: &[],
            grants: list.get(..=grants.len()).unwrap_or(&[]),
            inherited: &[],
            namespace: None,
            directory: None,
            process: process.map(|process| Role {
                from: process.raw(),
                rights: Rights::FULL,
            }),
            auxv: aux,
            blobs: &[],
            // Number 0, if it is no process: nobody can signal it then.
            attributes: spawn::attributes(name.as_bytes(), 0),
        };
        let status = context.get().handle(b"status")?;
        spawn::start_in(&context, &space, &command)?;
        Ok(Watched {
            name,
            status,
            vital: false,
        })
    }

    /// Maps the archive's own pages, read-only.
    fn show_archive(&self, space: &AddressSpace) -> Result<()> {
        let own = redox_rt::tcb::Tcb::current()
            .and_then(redox_rt::tcb::Tcb::thread_fd)
            .ok_or(Error::new(syscall::ESRCH))?
            .address_space()?;
        let flags = MapFlags::MAP_SHARED | MapFlags::MAP_FIXED_NOREPLACE | MapFlags::PROT_READ;
        let at = self.image.as_ptr() as usize;
        let len = rt_core::page_ceil(self.image.len()).ok_or(Error::new(syscall::EFBIG))?;
        space
            .map(own.fd().raw(), at, INITFS_ADDRESS, len, flags)
            .map(drop)
    }
}

const MAX_GRANTS: usize = 6;

/// Starts everything and waits for the end of `init`, whose exit code it answers.
pub fn run(start: &Start, roots: &Roots) -> core::result::Result<u8, Failure<'static>> {
    let image = start
        .aux_bytes(auxv::AT_CUPRITE_INITFS, auxv::AT_CUPRITE_INITFS_LEN)
        .ok_or(Failure::NoInitfs)?;
    let line = start
        .aux_bytes(auxv::AT_CUPRITE_CMDLINE, auxv::AT_CUPRITE_CMDLINE_LEN)
        .unwrap_or(b"");
    let line = CommandLine::parse(line).map_err(|_| Failure::CommandLine)?;
    if line.verbose {
        tell(roots).map_err(step("asking the kernel"))?;
    }
    let starter = Starter {
        roots,
        archive: Archive::new(image).map_err(Failure::Initfs)?,
        image,
    };
    let ([processes, named], procmgr) =
        start_procmgr(&starter).map_err(step("starting procmgr"))?;
    let (names, nsmgr) = start_nsmgr(&starter).map_err(step("starting nsmgr"))?;
    bind_roots(roots, &names).map_err(step("binding the kernel's schemes"))?;
    bind(&names, b"proc", named).map_err(step("binding `proc`"))?;
    let first = processes
        .dup(b"first")
        .map_err(step("making the first process"))?;
    drop(processes);
    let initfsd = || start_initfsd(&starter, &first, &names);
    let files = initfsd().map_err(step("starting initfsd"))?;
    let own = first.dup(b"").map_err(step("the first process"))?;
    let init = start_init(&line, own, &names).map_err(step("starting init"))?;
    let event = roots
        .get(GlobalSchemes::Event)
        .map_err(step("event root"))?;
    let again = || {
        let verb = [Verb::Unbind as u64, UnbindFlags::VACATE.bits()];
        sys::call_write(names.raw(), INITFS, CallFlags::empty(), &verb)?;
        initfsd()
    };
    let time = roots.get(GlobalSchemes::Time).map_err(step("time root"))?;
    let programs = &mut [procmgr, nsmgr, files, init];
    watch(event, time, programs, again).map_err(step("watching the system"))
}

/// Says what the kernel tells of itself and of the machine.
fn tell(roots: &Roots) -> Result<()> {
    let sys = roots.get(GlobalSchemes::Sys)?;
    for name in ["uname", "cpu", "memory"] {
        let file = sys.open(name.as_bytes(), O_RDONLY)?;
        let mut text = [0; 512];
        let len = file.read(&mut text)?;
        let text = text.get(..len).unwrap_or(&[]).trim_ascii_end();
        for line in text
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty())
        {
            eprintln!("{name}: {}", line.escape_ascii());
        }
    }
    Ok(())
}

/// With the root of processes, and that of the scheme `proc`.
fn start_procmgr(starter: &Starter<'_>) -> Result<([Fd; 2], Watched)> {
    use procmgr_core::start::{EVENT_ROOT, NAMED_ROOT, PROC_ROOT, ROOT, SOCKET};
    let socket = create_scheme(starter.roots.scheme_capability(), 0)?;
    let root = create_scheme_fd(&socket, ROOT as usize, 0, O_RDWR, 0)?;
    let named = create_scheme_fd(&socket, NAMED_ROOT as usize, 0, O_RDONLY | O_DIRECTORY, 0)?;
    let proc = starter.roots.get(GlobalSchemes::Proc)?;
    let event = starter.roots.get(GlobalSchemes::Event)?;
    let grants = [
        (socket.raw(), SOCKET),
        (proc.raw(), PROC_ROOT),
        (event.raw(), EVENT_ROOT),
    ];
    let watched = starter.server("bin/procmgr", &grants, &[])?;
    let watched = Watched {
        vital: true,
        ..watched
    };
    Ok(([root, named], watched))
}

fn start_nsmgr(starter: &Starter<'_>) -> Result<(Fd, Watched)> {
    use nsmgr_api::start::{FIRST_NAMESPACE, SOCKET, STATUS_ROOT};
    let capability = starter.roots.scheme_capability();
    let socket = create_scheme(capability, FEATURE_RESOLVE)?;
    let names = create_scheme_fd(&socket, FIRST_NAMESPACE as usize, 0, O_RDWR, 0)?;
    let status = create_scheme_fd(&socket, STATUS_ROOT as usize, 0, O_RDONLY, 0)?;
    let grants = [(socket.raw(), SOCKET), (capability.raw(), FIRST_FREE + 1)];
    let aux = [(auxv::AT_CUPRITE_SCHEME_CAP, FIRST_FREE + 1)];
    let watched = starter.server("bin/nsmgr", &grants, &aux)?;
    drop(socket);
    bind(&names, b"nsmgr", status)?;
    let watched = Watched {
        vital: true,
        ..watched
    };
    Ok((names, watched))
}

fn bind(names: &Fd, name: &[u8], root: Fd) -> Result<()> {
    let handle = Fd::from_raw(namespace::register_handle(names.raw(), name)?);
    handle.send(root, &[]).map(drop)
}

fn bind_roots(roots: &Roots, names: &Fd) -> Result<()> {
    for (name, scheme, rights) in NAMES {
        // Not every machine has them all.
        if let Ok(root) = roots.get(scheme) {
            let copy = root.dup(b"")?;
            copy.limit(rights)?;
            bind(names, name, copy)?;
        }
    }
    Ok(())
}

/// Starts the daemon of the initial files as a child of the first process: whoever may signal that can
/// end it.
fn start_initfsd(starter: &Starter<'_>, first: &Fd, names: &Fd) -> Result<Watched> {
    use scheme_core::start::{REGISTER, SOCKET};
    let socket = create_scheme(starter.roots.scheme_capability(), 0)?;
    let register = Fd::from_raw(namespace::register_handle(names.raw(), INITFS)?);
    let grants = [(socket.raw(), SOCKET), (register.raw(), REGISTER)];
    let aux = [
        (auxv::AT_CUPRITE_INITFS, INITFS_ADDRESS),
        (auxv::AT_CUPRITE_INITFS_LEN, starter.image.len()),
    ];
    let process = first.dup(b"fork")?;
    let watched = starter.program("bin/initfsd", Some(&process), &grants, &aux)?;
    wait_until_bound(names, b"/scheme/initfs/", &watched)?;
    Ok(watched)
}

/// A daemon binds its name itself; it does so at once, or ends.
fn wait_until_bound(names: &Fd, path: &[u8], daemon: &Watched) -> Result<()> {
    loop {
        match names.open(path, O_RDONLY | O_DIRECTORY) {
            Err(error) if error.errno == syscall::ENODEV => {}
            other => return other.map(drop),
        }
        if !is_alive(&daemon.status) {
            return Err(Error::new(syscall::ENODEV));
        }
        sys::sched_yield();
    }
}

fn is_alive(status: &Fd) -> bool {
    matches!(
        read_status(status),
        Ok(Status::Alive | Status::New | Status::Stopped)
    )
}

/// Longest variable of the environment of `init`.
const MAX_VARIABLE: usize = 64;

/// `ROOT=` and a volume's number; nothing of a number that is none.
fn root_variable<'a>(uuid: &[u8], room: &'a mut [u8; MAX_VARIABLE]) -> Option<&'a [u8]> {
    const NAME: &[u8] = b"ROOT=";
    let text = room.get_mut(..NAME.len() + uuid.len())?;
    let (name, value) = text.split_at_mut_checked(NAME.len())?;
    name.copy_from_slice(NAME);
    value.copy_from_slice(uuid);
    Some(text)
}

fn start_init(line: &CommandLine<'_>, process: Fd, names: &Fd) -> Result<Watched> {
    let program = names.open(INIT, O_RDONLY)?;
    let directory = names.open(b"/scheme/initfs/", O_RDONLY | O_DIRECTORY)?;
    let status =
        Fd::from_raw(sys::dup(process.raw(), b"context-0", sys::FD_ANY_UPPER)?).dup(b"status")?;
    let mut args = [&b"init"[..]; 1 + bootstrap_core::MAX_ARGS];
    for (place, arg) in args.iter_mut().skip(1).zip(line.args()) {
        *place = arg;
    }
    let mut variable = [0; MAX_VARIABLE];
    let root = line
        .root
        .and_then(|uuid| root_variable(uuid, &mut variable));
    let verbose: Option<&[u8]> = line.verbose.then_some(b"VERBOSE=1");
    let mut env: [&[u8]; 2] = [&[]; 2];
    let mut count = 0;
    for (place, variable) in env.iter_mut().zip(root.into_iter().chain(verbose)) {
        *place = variable;
        count += 1;
    }
    let role = |fd: &Fd| {
        Some(Role {
            from: fd.raw(),
            rights: Rights::FULL,
        })
    };
    let stdio = [0, 1, 2].map(|n| Grant {
        from: n,
        to: n,
        rights: Rights::FULL,
    });
    let command = Command {
        image: Image::File(&program),
        path: &[],
        args: args.get(..=line.args().len()).unwrap_or(&[]),
        env: env.get(..count).unwrap_or(&[]),
        grants: &stdio,
        inherited: &[],
        namespace: role(names),
        directory: role(&directory),
        process: None,
        auxv: &[],
        blobs: &[],
        attributes: name(b"init"),
    };
    process::spawn_as(process, &command)?;
    Ok(Watched {
        name: "init",
        status,
        vital: true,
    })
}

fn name(name: &[u8]) -> ProcSchemeAttrs {
    spawn::attributes(name, 0)
}

/// The clock for pauses, as the root of the time scheme names it.
const CLOCK: &[u8] = b"4";
/// What an event of the pause's clock comes with; no program has this number.
const PAUSE_OVER: usize = usize::MAX;
/// How long it is until what could not be started is tried again.
const PAUSE: TimeSpec = TimeSpec {
    tv_sec: 1,
    tv_nsec: 0,
};

/// A clock whose event comes when a pause is over, as long as it is kept.
fn pause(queue: &Queue, time_root: &Fd) -> Result<Fd> {
    let clock = time_root.open(CLOCK, O_RDWR)?;
    let now = sys::clock_gettime(CLOCK_MONOTONIC)?;
    clock.write_exact(&TimeSpec {
        tv_sec: now.tv_sec.saturating_add(PAUSE.tv_sec),
        ..now
    })?;
    queue.watch(clock.raw(), EventFlags::EVENT_READ, PAUSE_OVER)?;
    Ok(clock)
}

/// Waits until something vital has ended; what is not is reported, and started again by `again`, as often as it
/// takes.
fn watch(
    event_root: &Fd,
    time_root: &Fd,
    programs: &mut [Watched],
    again: impl Fn() -> Result<Watched>,
) -> Result<u8> {
    let queue = Queue::new(event_root)?;
    for (index, program) in programs.iter().enumerate() {
        queue.watch(program.status.raw(), EventFlags::EVENT_READ, index)?;
    }
    // What is to be tried again, and the clock that says when.
    let mut waiting: Option<(usize, Fd)> = None;
    loop {
        let event = queue.next()?;
        let tried = if event.data == PAUSE_OVER {
            waiting.take()
        } else {
            None
        };
        let index = tried.as_ref().map_or(event.data, |(index, _)| *index);
        let Some(program) = programs.get_mut(index) else {
            continue;
        };
        if is_alive(&program.status) {
            continue;
        }
        let status = read_status(&program.status)?;
        if program.name == "init" {
            return Ok(report(program.name.as_bytes(), status));
        }
        if tried.is_none() {
            eprintln!("bootstrap: {} has ended: {status:?}", program.name);
        }
        if program.vital {
            return Ok(125);
        }
        match again() {
            Ok(started) => *program = started,
            Err(error) => {
                eprintln!("bootstrap: {}: starting it again: {error}", program.name);
                let clock = loop {
                    match pause(&queue, time_root) {
                        Ok(clock) => break clock,
                        // What is short for a clock is short for a program.
                        Err(_) => drop(sys::nanosleep(&PAUSE)),
                    }
                };
                waiting = Some((index, clock));
                continue;
            }
        }
        queue.watch(program.status.raw(), EventFlags::EVENT_READ, index)?;
    }
}
