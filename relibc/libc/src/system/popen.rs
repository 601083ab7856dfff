//! `popen` and `system`: commands for the shell.

use alloc::vec::Vec;
use core::ffi::{CStr, c_char, c_int};
use core::mem::MaybeUninit;
use core::ptr::null;

use redox_rt::signal;
use redox_rt::{Error, Result};
use rt_core::signal::{Action, Handler};
use syscall::{EACCES, ECHILD, EINTR, EINVAL, ELOOP, ENOENT, ENOEXEC, ENOMEM, ENOTDIR};

use super::fork::Mutex;
use super::spawn::{self, Actions, Place, SpawnAttributes};
use super::{environment, fail, file, int, pointer, process};
use crate::stdio::{self, FILE};

const SHELL: &CStr = c"/bin/sh";

/// A stream of `popen` and who is at its other end.
struct Piped {
    stream: usize,
    number: c_int,
    child: c_int,
}

static OPEN: Mutex<Vec<Piped>> = Mutex::new(Vec::new());

/// What nobody changes until it is dropped: for a fork. `None` while somebody does.
pub(crate) fn hold() -> Option<impl Sized> {
    OPEN.try_hold()
}

/// Starts the shell with a command.
unsafe fn shell(
    command: *const c_char,
    actions: *const Actions,
    attributes: *const SpawnAttributes,
) -> Result<c_int> {
    let args = [SHELL.as_ptr(), c"-c".as_ptr(), command, null()];
    let env = environment::current().cast_const().cast();
    let place = Place::Path(SHELL.as_ptr());
    spawn::start(place, actions, attributes, args.as_ptr(), env)
}

unsafe fn open(command: *const c_char, mode: &[u8]) -> Result<*mut FILE> {
    let (reading, cloexec) = match mode {
        b"r" => (true, false),
        b"w" => (false, false),
        b"re" => (true, true),
        b"we" => (false, true),
        _ => return fail(EINVAL),
    };
    let mut open = OPEN.lock();
    if open.try_reserve(1).is_err() {
        return fail(ENOMEM);
    }
    // Both ends close themselves in what other threads start; the child's is handed over by number.
    let [reader, writer] = file::make_pipe(libc::O_CLOEXEC)?;
    let (ours, theirs, wanted) = if reading {
        (reader, writer, 1)
    } else {
        (writer, reader, 0)
    };
    let mut actions = MaybeUninit::uninit();
    spawn::posix_spawn_file_actions_init(actions.as_mut_ptr());
    let actions = actions.as_mut_ptr();
    let mut full = spawn::posix_spawn_file_actions_adddup2(actions, theirs.raw() as c_int, wanted);
    // POSIX: the command has none of the streams that are open already.
    for piped in open.iter().filter(|piped| piped.number != wanted) {
        full |= spawn::posix_spawn_file_actions_addclose(actions, piped.number);
    }
    let child = if full == 0 {
        shell(command, actions, null())
    } else {
        fail(ENOMEM)
    };
    spawn::posix_spawn_file_actions_destroy(actions);
    let child = child?;
    let number = ours.into_raw() as c_int;
    if !cloexec {
        let _ = file::control_cloexec(number, false);
    }
    let how = if reading { c"r" } else { c"w" };
    let stream = stdio::fdopen(number, how.as_ptr());
    open.push(Piped {
        stream: stream as usize,
        number,
        child,
    });
    Ok(stream)
}

/// Waits for one child whatever signals come in between.
unsafe fn wait(child: c_int) -> Result<c_int> {
    loop {
        match process::wait_for(child, 0) {
            Err(e) if e.errno == EINTR => {}
            other => return other.map(|(_, word, _)| word),
        }
    }
}

/// What a shell that could not be run would have answered: `exit 127`.
const NO_SHELL: c_int = 127 << 8;

/// Whether it is the shell that cannot be run; otherwise there can be no new process.
fn cannot_run(e: &Error) -> bool {
    matches!(e.errno, EACCES | ELOOP | ENOENT | ENOEXEC | ENOTDIR)
}

unsafe fn run(command: *const c_char) -> Result<c_int> {
    let ignore = Action {
        handler: Handler::Ignore,
        ..Action::DEFAULT
    };
    let interrupt = signal::sigaction(libc::SIGINT, Some(&ignore))?;
    let quit = signal::sigaction(libc::SIGQUIT, Some(&ignore))?;
    let child = 1u64 << (libc::SIGCHLD - 1);
    let mask = signal::sigmask(Some((libc::SIG_BLOCK, child)))?;
    // The command gets the signals as they were, but for handlers, which it cannot have.
    let defaults = [(libc::SIGINT, interrupt), (libc::SIGQUIT, quit)]
        .iter()
        .filter(|(_, action)| action.handler != Handler::Ignore)
        .fold(0, |set, (number, _)| set | 1u64 << (number - 1));
    let attributes = SpawnAttributes::signals(defaults, mask);
    let result = match shell(command, null(), &attributes) {
        Ok(child) => wait(child),
        Err(e) if cannot_run(&e) => Ok(NO_SHELL),
        Err(e) => Err(e),
    };
    signal::sigaction(libc::SIGINT, Some(&interrupt))?;
    signal::sigaction(libc::SIGQUIT, Some(&quit))?;
    signal::sigmask(Some((libc::SIG_SETMASK, mask)))?;
    result
}

/// What a command writes to its standard output.
pub(crate) unsafe fn output_of(command: &[u8], with_errors: bool) -> Result<Vec<u8>> {
    let mut text = Vec::new();
    if !with_errors {
        text.extend_from_slice(b"exec 2>/dev/null\n");
    }
    text.extend_from_slice(command);
    text.push(0);
    let [reader, writer] = file::make_pipe(libc::O_CLOEXEC)?;
    let mut actions = MaybeUninit::uninit();
    spawn::posix_spawn_file_actions_init(actions.as_mut_ptr());
    let full =
        spawn::posix_spawn_file_actions_adddup2(actions.as_mut_ptr(), writer.raw() as c_int, 1);
    let child = if full == 0 {
        shell(text.as_ptr().cast(), actions.as_ptr(), null())
    } else {
        fail(ENOMEM)
    };
    spawn::posix_spawn_file_actions_destroy(actions.as_mut_ptr());
    let child = child?;
    drop(writer);
    let mut output = Vec::new();
    let mut chunk = [0u8; 1024];
    let read = loop {
        match super::restartable(|| reader.read(&mut chunk)) {
            Ok(0) => break Ok(()),
            Ok(n) => output.extend_from_slice(chunk.get(..n).unwrap_or(&[])),
            Err(e) if e.errno == EINTR => {}
            Err(e) => break Err(e),
        }
    };
    drop(reader);
    wait(child)?;
    read.map(|()| output)
}

c_api! {
    fn popen(command: *const c_char, mode: *const c_char) -> *mut FILE {
        pointer(open(command, CStr::from_ptr(mode).to_bytes()))
    }
    fn pclose(stream: *mut FILE) -> c_int {
        let found = {
            let mut open = OPEN.lock();
            let place = open.iter().position(|piped| piped.stream == stream as usize);
            place.map(|place| open.swap_remove(place))
        };
        let Some(piped) = found else {
            return int(fail(ECHILD));
        };
        stdio::fclose(stream);
        int(wait(piped.child).map(|word| word as usize))
    }
    fn system(command: *const c_char) -> c_int {
        if command.is_null() {
            return c_int::from(super::path::access(SHELL.as_ptr(), libc::X_OK) == 0);
        }
        int(run(command).map(|word| word as usize))
    }
}
