//! One run of the emulator.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

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

/// Ends the emulator when dropped, so that none outlives its run.
struct Machine(Child);

impl Drop for Machine {
    fn drop(&mut self) {
        // Errors mean that it has ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Runs the emulator with `args` until the guest is done or `timeout` seconds have passed. Everything
/// on the serial port goes to the file `log`; `progress` is told how many tests have reported and
/// how many are announced.
pub fn run(
    args: &[OsString],
    timeout: u64,
    log: &Path,
    mut progress: impl FnMut(u64, u64),
) -> Result<Outcome> {
    let mut file = File::create(log).with_context(|| format!("cannot write {}", log.display()))?;
    let started = Instant::now();
    let child = Command::new(QEMU)
        .args(args)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start {QEMU} (make deps installs it)"))?;
    let mut machine = Machine(child);
    let serial = machine.0.stdout.take().context("no serial port")?;
    let mut errors = machine.0.stderr.take().context("no error output")?;
    let errors = thread::spawn(move || {
        let mut text = String::new();
        // What cannot be read is not there to be shown.
        let _ = errors.read_to_string(&mut text);
        text
    });
    let (sender, lines) = mpsc::channel();
    thread::spawn(move || {
        let mut serial = BufReader::new(serial);
        let mut line = Vec::new();
        while serial
            .read_until(b'\n', &mut line)
            .is_ok_and(|read| read > 0)
        {
            if sender.send(std::mem::take(&mut line)).is_err() {
                break;
            }
        }
    });

    let mut judge = Judge::new();
    let mut tail = VecDeque::new();
    let limit = started + Duration::from_secs(timeout);
    let mut deadline = limit;
    let end = loop {
        let left = deadline.saturating_duration_since(Instant::now());
        match lines.recv_timeout(left) {
            Ok(bytes) => {
                file.write_all(&bytes)
                    .with_context(|| format!("cannot write {}", log.display()))?;
                let line = String::from_utf8_lossy(&bytes);
                match judge.line(&line) {
                    Step::Log => {}
                    Step::Progress => {
                        let (reported, planned) = judge.progress();
                        progress(reported, planned);
                    }
                    Step::Done | Step::Panic => deadline = limit.min(Instant::now() + GRACE),
                }
                if tail.len() == TAIL {
                    tail.pop_front();
                }
                tail.push_back(line.trim_end().to_owned());
            }
            // After its last word the guest may leave the machine running.
            Err(RecvTimeoutError::Timeout) if deadline < limit => break End::Stopped,
            Err(RecvTimeoutError::Timeout) => break End::TimedOut(timeout),
            Err(RecvTimeoutError::Disconnected) => {
                break match machine.0.wait().context("cannot wait for the emulator")? {
                    status if status.code().is_none() => End::Failed(format!("{QEMU}: {status}")),
                    _ => End::Stopped,
                };
            }
        }
    };
    drop(machine);
    // The emulator's exit status says little: the debug-exit device makes 1 of the guest's 0, which
    // is also what bad arguments give. But then the emulator says something.
    let errors = errors.join().unwrap_or_default();
    let end = match end {
        End::Stopped if !judge.is_done() && !errors.trim().is_empty() => {
            End::Failed(format!("{QEMU}: {}", errors.trim()))
        }
        end => end,
    };
    Ok(Outcome {
        report: judge.finish(end),
        tail: tail.into(),
        time: started.elapsed(),
    })
}
