//! Starting a daemon until it is ready: a scheme's, until its name is bound, or one that says so itself.

use alloc::format;

use init_core::{NOTIFY, Unit};
use nsmgr_api::{UnbindFlags, Verb};
use redox_rt::{Error, Fd, Result, event::Queue, fd::create_scheme, namespace as ns, process, sys};
use scheme_core::start::{DEVICE, REGISTER, SOCKET};
use syscall::{
    EAGAIN, EINTR, ENODEV, EPIPE, EventFlags,
    flag::{CallFlags, O_DIRECTORY, O_RDONLY, O_RDWR},
};

use crate::{namespace, program::Program};

const CAPABILITY: &[u8] = b"/scheme/namespace/scheme-creation-cap";
const EVENTS: &[u8] = b"/scheme/event";
const PIPES: &[u8] = b"/scheme/pipe";

/// Starts a unit's daemon and waits until its scheme can be named, or it has ended (`ENODEV`).
/// `made` is told its process in between.
pub fn start_scheme(unit: &Unit, scheme: &str, made: &dyn Fn(u32)) -> Result<()> {
    let names = namespace()?;
    vacate(names, scheme)?;
    let open = |path, flags| ns::open(path, flags, sys::FD_ANY_UPPER).map(Fd::from_raw);
    let socket = create_scheme(&open(CAPABILITY, O_RDWR)?, 0)?;
    let register = Fd::from_raw(ns::register_handle(names, scheme.as_bytes())?);
    let queue = Queue::from_fd(open(EVENTS, O_RDWR)?);
    let payload = nsmgr_api::watch_payload();
    let changes = Fd::from_raw(sys::dup(names, &payload, sys::FD_ANY_UPPER)?);
    queue.watch(changes.raw(), EventFlags::EVENT_READ, 0)?;
    let device = unit
        .device
        .as_ref()
        .map(|path| open(path.as_bytes(), O_RDONLY));
    let device = device.transpose()?;
    let mut program = Program::service(unit)?
        .give(&socket, SOCKET)
        .give(&register, REGISTER);
    if let Some(device) = &device {
        program = program.give(device, DEVICE);
    }
    let pid = program.start()?;
    made(pid);
    // Its end is the scheme's: nobody else holds the socket.
    drop((program, socket, register, device));
    let daemon = process::reference(Some(pid))?;
    queue.watch(daemon.fd().raw(), EventFlags::EVENT_READ, 1)?;
    let root = format!("/scheme/{scheme}");
    loop {
        // With this flag the namespace answers, and does not ask the scheme.
        match open(root.as_bytes(), O_RDONLY | O_DIRECTORY) {
            Err(error) if error.errno == ENODEV => {}
            Ok(_) => return Ok(()),
            Err(error) => return Err(error),
        }
        if queue.next()?.data == 1 {
            return Err(Error::new(ENODEV));
        }
        let mut generation = [0; size_of::<u64>()];
        match changes.read(&mut generation) {
            Err(error) if error.errno != EAGAIN => return Err(error),
            _ => {}
        }
    }
}

/// The first descriptor behind the usual ones.
const FIRST: usize = 3;

/// Starts a unit's daemon and waits until it has written to the pipe that it is told of, or never will: it has closed it
/// or ended (`EPIPE`). `made` is told its process in between.
pub fn start_notifying(unit: &Unit, made: &dyn Fn(u32)) -> Result<()> {
    let open = |path| ns::open(path, O_RDONLY, sys::FD_ANY_UPPER).map(Fd::from_raw);
    let pipe = open(PIPES)?.dup(b"")?;
    let end = pipe.dup(b"write")?;
    let queue = Queue::from_fd(open(EVENTS)?);
    queue.watch(pipe.raw(), EventFlags::EVENT_READ, 0)?;
    let program = Program::service(unit)?
        .give(&end, FIRST)
        .tell(format!("{NOTIFY}={FIRST}"));
    let pid = program.start()?;
    made(pid);
    drop((program, end));
    let daemon = process::reference(Some(pid))?;
    queue.watch(daemon.fd().raw(), EventFlags::EVENT_READ, 1)?;
    // Whoever it has started may hold the pipe too, and say so.
    let ready = loop {
        match queue.next() {
            Ok(event) => break event.data == 0,
            Err(error) if error.errno == EINTR => {}
            Err(error) => return Err(error),
        }
    };
    if !ready {
        return Err(Error::new(EPIPE));
    }
    loop {
        match pipe.read(&mut [0]) {
            Ok(0) => return Err(Error::new(EPIPE)),
            Ok(_) => return Ok(()),
            Err(error) if error.errno == EINTR => {}
            Err(error) => return Err(error),
        }
    }
}

/// Makes the name of a daemon that has ended vacant: what it is bound to next is found in every
/// namespace that inherited the name.
fn vacate(names: usize, scheme: &str) -> Result<()> {
    unbind(names, scheme, UnbindFlags::VACATE)
}

/// Ends the name of a daemon that is not started again, in every namespace that inherited it.
pub fn give_up(scheme: &str) -> Result<()> {
    unbind(namespace()?, scheme, UnbindFlags::REVOKE)
}

fn unbind(names: usize, scheme: &str, how: UnbindFlags) -> Result<()> {
    let verb = [Verb::Unbind as u64, how.bits()];
    match sys::call_write(names, scheme.as_bytes(), CallFlags::empty(), &verb) {
        Err(error) if error.errno != ENODEV => Err(error),
        _ => Ok(()),
    }
}
