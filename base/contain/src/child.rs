//! The program's start, its signals and its end.

use alloc::vec::Vec;

use cap_abi::Rights;
use contain_core::Plan;
use libredox::protocol::{
    SIGALRM, SIGCHLD, SIGCONT, SIGHUP, SIGINT, SIGPIPE, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2,
    SIGWINCH,
};
use redox_rt::{
    Error, Fd, Result,
    process::{self, Awaited, Reference, WaitFlags},
    signal,
    spawn::{self, Command, Grant, Image, Role},
    sys,
};
use rt_core::{
    signal::{Action, Handler, bit},
    wait,
};
use syscall::ENOEXEC;

use crate::{Failure, world::World};

/// Signals that are passed on to the program.
const PASSED_ON: [usize; 10] = [
    SIGHUP, SIGINT, SIGQUIT, SIGUSR1, SIGUSR2, SIGPIPE, SIGALRM, SIGTERM, SIGCONT, SIGWINCH,
];

/// What standard input, output and error do not give: a descriptor of a directory among them leads
/// nowhere.
const NOT_BY_STDIO: Rights = Rights::LOOKUP
    .union(Rights::CREATE)
    .union(Rights::UNLINK)
    .union(Rights::RENAME)
    .union(Rights::ESCAPE);

/// `SIG_BLOCK` and `SIG_UNBLOCK`.
const BLOCK: i32 = 0;
const UNBLOCK: i32 = 1;

extern "C" fn nothing(_: i32) {}

/// Runs the program, which was found at `path`, to its end, and answers its exit status or ends as it did.
pub fn run(
    plan: &Plan<'_>,
    world: &World,
    program: &Fd,
    path: &[u8],
) -> core::result::Result<i32, Failure> {
    let name = plan.command.first().copied().unwrap_or_default();
    // From before it starts, so that no signal gets lost.
    let all = hold_signals().map_err(|error| Failure::own("holding signals", error))?;
    let pid = start(plan, world, program, path).map_err(|error| match error.errno {
        ENOEXEC => Failure::command(name, error),
        _ => Failure::own("starting the command", error),
    })?;
    let child =
        process::reference(Some(pid)).map_err(|error| Failure::own("the command", error))?;
    let word = attend(pid, &child, all).map_err(|error| Failure::own("the command", error))?;
    let signal = word & 0x7f;
    if signal != 0 {
        end_by(signal as i32);
    }
    Ok(i32::from(wait::shell_code(word)))
}

fn start(plan: &Plan<'_>, world: &World, program: &Fd, path: &[u8]) -> Result<u32> {
    let child = process::new_child()?;
    process::confine(child.raw())?;
    let stdio = Rights::FULL.difference(NOT_BY_STDIO);
    let grants: Vec<Grant> = (0..3)
        .filter(|fd| sys::rights(*fd).is_ok())
        .map(|fd| Grant {
            from: fd,
            to: fd,
            rights: stdio,
        })
        .collect();
    let role = |fd: Option<&Fd>| {
        fd.map(|fd| Role {
            from: fd.raw(),
            rights: Rights::FULL,
        })
    };
    let base = path.rsplit(|byte| *byte == b'/').next().unwrap_or(path);
    process::spawn_as(
        child,
        &Command {
            image: Image::File(program),
            path,
            args: &plan.command,
            env: &plan.env,
            grants: &grants,
            inherited: &[],
            namespace: role(world.namespace.as_ref()),
            directory: role(world.directory.as_ref()),
            process: None,
            auxv: &[],
            blobs: &[],
            attributes: spawn::attributes(base, 0),
        },
    )
}

/// Blocks what is passed on and the news of the child, and answers the set.
fn hold_signals() -> Result<u64> {
    signal::init(0, 0)?;
    let told = Action {
        handler: Handler::Function(nothing as *const () as usize),
        ..Action::DEFAULT
    };
    // By default these do nothing, and what does nothing is not told.
    for number in [SIGCHLD, SIGCONT, SIGWINCH] {
        signal::sigaction(number as i32, Some(&told))?;
    }
    let passed: u64 = PASSED_ON.iter().map(|number| bit(*number as u8)).sum();
    let all = passed | bit(SIGCHLD as u8);
    signal::sigmask(Some((BLOCK, all)))?;
    Ok(all)
}

/// Passes signals on until the program has ended; answers its status word.
fn attend(pid: u32, child: &Reference, set: u64) -> Result<u32> {
    loop {
        match process::wait(Awaited::Child(pid), WaitFlags::WNOHANG) {
            Ok(Some((_, word))) => return Ok(word),
            Ok(None) => (),
            Err(Error {
                errno: syscall::EINTR,
            }) => continue,
            Err(error) => return Err(error),
        }
        match signal::wait_for(set, None) {
            Ok(info) if info.signal == SIGCHLD as i32 => (),
            // What a terminal sends, which is nobody, the program gets from it as well.
            Ok(info) if info.pid == 0 => (),
            Ok(info) => {
                // It may have ended meanwhile.
                let _ = child.signal(info.signal);
            }
            Err(Error {
                errno: syscall::EINTR,
            }) => (),
            Err(error) => return Err(error),
        }
    }
}

/// Ends this process by a signal. Comes back only for one that does not end processes.
fn end_by(number: i32) {
    let _ = signal::sigaction(number, Some(&Action::DEFAULT));
    let _ = signal::sigmask(Some((UNBLOCK, u64::MAX)));
    let _ = signal::raise(number);
}
