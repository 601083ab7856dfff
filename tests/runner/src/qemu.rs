//! One run of the emulator.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use nix::{
    sys::signal::{Signal, killpg},
    unistd::Pid,
};

use crate::dialog::{Act, Dialog};
use crate::judge::{End, Judge, Report, Step};

/// The emulator.
pub const QEMU: &str = "qemu-system-x86_64";
/// How long a guest may go on after its last word, or after a panic.
const GRACE: Duration = Duration::from_secs(3);
/// How many of the last lines are kept for the summary.
const TAIL: usize = 25;

/// What a run left.
#[derive(Debug)]
pub struct Outcome {
    /// The verdict.
    pub report: Report,
    /// The last lines on the serial port.
    pub tail: Vec<String>,
    /// How long it took on the host's clock.
    pub time: Duration,
}

/// A running emulator. It is killed when this is dropped, so that none outlives its run, nor
/// what it was started by.
#[derive(Debug)]
pub struct Machine {
    child: Child,
    keyboard: Option<ChildStdin>,
    /// What comes out of the serial port, until the emulator ends.
    pub serial: Receiver<Vec<u8>>,
    errors: Option<JoinHandle<String>>,
}

impl Machine {
    /// Starts the emulator, or what starts it, with something to type on if that is wanted.
    pub fn start(command: &mut Command, keyboard: bool) -> Result<Self> {
        let program = command.get_program().to_string_lossy().into_owned();
        let mut child = command
            .process_group(0)
            .stdin(if keyboard {
                Stdio::piped()
            } else {
                Stdio::null()
            })
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start {program} (make deps installs it)"))?;
        let keyboard = child.stdin.take();
        let serial = child.stdout.take();
        let errors = child.stderr.take().map(|mut errors| {
            thread::spawn(move || {
                let mut text = String::new();
                // What cannot be read is not there to be shown.
                let _ = errors.read_to_string(&mut text);
                text
            })
        });
        let (sender, lines) = mpsc::channel();
        let machine = Self {
            child,
            keyboard,
            serial: lines,
            errors,
        };
        let mut serial = serial.context("no serial port")?;
        thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(count @ 1..) = serial.read(&mut buffer) {
                if sender.send(buffer[..count].to_vec()).is_err() {
                    break;
                }
            }
        });
        Ok(machine)
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Kills the emulator; what it has said about itself.
    fn end(mut self) -> String {
        self.kill();
        let errors = self.errors.take();
        errors
            .and_then(|errors| errors.join().ok())
            .unwrap_or_default()
    }

    fn kill(&mut self) {
        // Errors mean that it has ended already.
        let group = i32::try_from(self.child.id()).ok().map(Pid::from_raw);
        let _ = group.map(|group| killpg(group, Signal::SIGKILL));
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Runs `command`, the emulator or something that starts it, until the guest is done or `timeout` seconds have
/// passed; with a dialog, until that is. Everything on the serial port goes to the file `log`; `progress` is told
/// how many tests have reported and how many are announced.
pub fn run(
    command: &mut Command,
    mut dialog: Option<Dialog>,
    timeout: u64,
    log: &Path,
    mut progress: impl FnMut(u64, u64),
) -> Result<Outcome> {
    let mut file = File::create(log).with_context(|| format!("cannot write {}", log.display()))?;
    let started = Instant::now();
    let program = command.get_program().to_string_lossy().into_owned();
    let mut machine = Machine::start(command, dialog.is_some())?;

    let mut judge = Judge::new();
    if let Some(dialog) = &dialog {
        judge.line(&dialog.plan());
    }
    let mut line = Vec::new();
    let mut tail = VecDeque::new();
    let limit = started + Duration::from_secs(timeout);
    let mut deadline = limit;
    let end = loop {
        let left = deadline.saturating_duration_since(Instant::now());
        match machine.serial.recv_timeout(left) {
            Ok(bytes) => {
                file.write_all(&bytes)
                    .with_context(|| format!("cannot write {}", log.display()))?;
                let mut steps = Vec::new();
                for byte in &bytes {
                    line.push(*byte);
                    if *byte != b'\n' {
                        continue;
                    }
                    let text = String::from_utf8_lossy(&line);
                    steps.push(judge.line(&text));
                    if tail.len() == TAIL {
                        tail.pop_front();
                    }
                    tail.push_back(text.trim_end().to_owned());
                    line.clear();
                }
                for act in dialog.iter_mut().flat_map(|dialog| dialog.hear(&bytes)) {
                    match act {
                        Act::Tell(text) => steps.push(judge.line(&text)),
                        // A machine that has ended is told nothing, and judged below.
                        Act::Send(text) => {
                            if let Some(keyboard) = &mut machine.keyboard {
                                let _ = keyboard.write_all(text.as_bytes());
                                let _ = keyboard.flush();
                            }
                        }
                    }
                }
                for step in steps {
                    match step {
                        Step::Log => {}
                        Step::Progress => {
                            let (reported, planned) = judge.progress();
                            progress(reported, planned);
                        }
                        Step::Done if dialog.is_some() => deadline = Instant::now(),
                        Step::Done | Step::Panic => deadline = limit.min(Instant::now() + GRACE),
                    }
                }
            }
            // After its last word the guest may leave the machine running.
            Err(RecvTimeoutError::Timeout) if deadline < limit => break End::Stopped,
            Err(RecvTimeoutError::Timeout) => break End::TimedOut(timeout),
            Err(RecvTimeoutError::Disconnected) => {
                let status = machine
                    .child
                    .wait()
                    .context("cannot wait for the emulator")?;
                // What a guest writes to the device that ends the emulator never makes 0.
                for line in dialog.iter_mut().flat_map(|d| d.end(status.success())) {
                    judge.line(&line);
                }
                break match status {
                    status if status.code().is_none() => {
                        End::Failed(format!("{program}: {status}"))
                    }
                    _ => End::Stopped,
                };
            }
        }
    };
    let errors = machine.end();
    tail.extend((!line.is_empty()).then(|| String::from_utf8_lossy(&line).into_owned()));
    if let Some(text) = dialog.and_then(|dialog| dialog.give_up()) {
        judge.line(&text);
    }
    // The emulator's exit status says little: the debug-exit device makes 1 of the guest's 0, which
    // is also what bad arguments give. But then the emulator says something.
    let end = match end {
        End::Stopped if !judge.is_done() && !errors.trim().is_empty() => {
            End::Failed(format!("{program}: {}", errors.trim()))
        }
        end => end,
    };
    Ok(Outcome {
        report: judge.finish(end),
        tail: tail.into(),
        time: started.elapsed(),
    })
}
