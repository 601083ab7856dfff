//! Commands as process groups, of which one has the terminal.

use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use redox_rt::{
    Fd, Result,
    process::{self, Awaited, ProcKillTarget, WaitFlags},
    signal,
    spawn::Command,
    terminal,
};
use rt_core::signal::{self as rules, SIGCONT, SIGINT, SIGQUIT, SIGTSTP, SIGTTIN, SIGTTOU};
use rt_core::wait;
use syscall::EINTR;

/// Whether this shell leads the foreground of a terminal.
static HAS_TERMINAL: AtomicBool = AtomicBool::new(false);

/// Looks whether standard input is this session's terminal. If it is, its keys are for the commands, and
/// what keeps the background off it does nothing to the shell.
pub fn take_terminal() {
    if terminal::foreground(0).is_err() {
        return;
    }
    let ignored = [SIGINT, SIGQUIT, SIGTSTP, SIGTTIN, SIGTTOU];
    let ignored = ignored
        .into_iter()
        .map(rules::bit)
        .fold(0, |all, bit| all | bit);
    if let Err(error) = signal::init(ignored, 0) {
        // The keys would end the shell.
        redox_rt::eprintln!("sh0: ignoring signals: {error}");
    }
    let own = process::group(0).and_then(|group| terminal::set_foreground(0, group));
    HAS_TERMINAL.store(own.is_ok(), Ordering::Relaxed);
}

/// The command that was stopped last.
static STOPPED: AtomicU32 = AtomicU32::new(0);

/// The lower bits of the status of a process that was stopped.
const STOP: u32 = 0x7f;

fn has_terminal() -> bool {
    HAS_TERMINAL.load(Ordering::Relaxed)
}

/// A command that has not started yet.
pub struct Child {
    process: Fd,
    pid: u32,
}

impl Child {
    /// Makes it.
    pub fn new() -> Result<Self> {
        let process = process::new_child()?;
        let pid = process::number_of(&process)?;
        if has_terminal() {
            process::set_group(pid, pid)?;
        }
        Ok(Self { process, pid })
    }

    /// Its process number.
    pub const fn pid(&self) -> u32 {
        self.pid
    }

    /// Starts it in the foreground and waits until it has ended or been stopped; answers its status word.
    pub fn run(&self, command: &Command<'_>) -> Result<u32> {
        let process = self.process.dup(b"")?;
        in_foreground(self.pid, || {
            process::spawn_as(process, command)?;
            wait_for(self.pid)
        })
    }
}

/// Says how a command has ended, unless that is the usual way; answers its exit code.
pub fn report(name: &str, pid: u32, word: u32) -> u8 {
    if word & STOP == STOP {
        STOPPED.store(pid, Ordering::Relaxed);
        redox_rt::eprintln!("{name}: stopped; `fg {pid}` lets it go on");
    } else if word & STOP != 0 {
        redox_rt::eprintln!("{name}: ended by signal {}", word & STOP);
    }
    wait::shell_code(word)
}

/// The command that was stopped last, if there is one.
pub fn stopped() -> Option<u32> {
    Some(STOPPED.load(Ordering::Relaxed)).filter(|pid| *pid != 0)
}

/// Lets a command that was stopped go on, in the foreground; answers its status word.
pub fn go_on(pid: u32) -> Result<u32> {
    let group = process::group(pid)?;
    in_foreground(group, || {
        // From here on keys are the command's, and not before.
        redox_rt::println!("{pid} goes on");
        process::kill(ProcKillTarget::ProcGroup(group as usize), SIGCONT.into())?;
        wait_for(pid)
    })
}

/// Does something while a group has the terminal.
fn in_foreground<T>(group: u32, run: impl FnOnce() -> Result<T>) -> Result<T> {
    if !has_terminal() {
        return run();
    }
    let own = process::group(0)?;
    terminal::set_foreground(0, group)?;
    let done = run();
    terminal::set_foreground(0, own)?;
    done
}

fn wait_for(pid: u32) -> Result<u32> {
    loop {
        match process::wait(Awaited::Child(pid), WaitFlags::WUNTRACED) {
            Ok(Some((_, word))) => return Ok(word),
            Ok(None) => {}
            Err(error) if error.errno == EINTR => {}
            Err(error) => return Err(error),
        }
    }
}
