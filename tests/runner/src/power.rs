//! Machines whose power goes: the emulator is killed while the guest writes, again and again, and so that there
//! are more moments than starts, it is also stopped for as long as it takes to copy its disk.
//!
//! Every image is mounted by the crate `redoxfs` on this side and must hold what the guest has said is synced
//! ([`disk_image::power`]); the one that the emulator left is what the next machine starts with, which looks for
//! the same with the system's own file system.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc::RecvTimeoutError;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, Result, anyhow, bail};
use disk_image::Numbers;
use disk_image::power::{self, State};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use redoxfs::{DiskFile, FileSystem, Node, TreePtr};
use serde::Deserialize;

use crate::judge::{Failure, Report};
use crate::qemu::Machine;

/// How often the power goes.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cut {
    /// How many machines are started and killed.
    pub rounds: u32,
    /// How many copies of the disk are made of each.
    pub copies: u32,
}

/// A disk that has been through so many machines is made anew.
pub const ROUNDS_OF_A_DISK: u32 = 8;
/// Within how many milliseconds of being watched a moment falls.
const LATEST: u64 = 2000;

/// What the guest has said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Heard {
    /// What is synced.
    pub synced: State,
    /// Whether it has found what it was told of, and writes.
    pub begun: bool,
    /// What it has found wrong.
    pub wrong: Option<String>,
}

impl Heard {
    /// Takes a line.
    pub fn line(&mut self, line: &str) {
        let line = line.trim_end();
        if let Some(wrong) = line.strip_prefix("@wrong ") {
            self.wrong = Some(wrong.to_owned());
        } else if let Some(words) = line.strip_prefix("@begins ") {
            self.begun = true;
            self.take(words);
        } else if let Some(word) = line.strip_prefix("@synced ") {
            self.take(word);
        } else if line.contains("panicked at") {
            self.wrong = Some(line.to_owned());
        }
    }

    fn take(&mut self, words: &str) {
        if !words.split(' ').all(|word| self.synced.hear(word)) {
            self.wrong = Some(format!("not understood: {words}"));
        }
    }
}

/// One machine, and what it is told to do.
pub struct Round<'a> {
    /// Its disk.
    pub image: &'a Path,
    /// Where copies go.
    pub folder: &'a Path,
    /// Where what it says goes.
    pub log: &'a Path,
    /// How many copies are made.
    pub copies: u32,
    /// After how long it is taken for hung, when it says nothing that is waited for.
    pub timeout: Duration,
}

impl Round<'_> {
    /// Runs the emulator until its power goes. What was synced before is known to the guest, and goes
    /// on from there.
    ///
    /// # Errors
    /// What cannot be done on this side.
    pub fn run(
        &self,
        emulator: &mut Command,
        number: u32,
        before: State,
        moments: &mut Numbers,
        report: &mut Report,
    ) -> Result<State> {
        let mut machine = Machine::start(emulator, false)?;
        let mut heard = Heard {
            synced: before,
            ..Heard::default()
        };
        let mut log = Vec::new();
        let found = self.watch(&mut machine, &mut log, &mut heard, moments, number, report);
        // Its power goes.
        drop(machine);
        fs::write(self.log, &log)
            .with_context(|| format!("cannot write {}", self.log.display()))?;
        found?;
        if let Some(wrong) = heard.wrong {
            fail(report, format!("round-{number}.guest"), wrong);
            bail!("the guest cannot go on; see {}", self.log.display());
        }
        report.passed += 1;
        let left = self.folder.join("left");
        fs::copy(self.image, &left).context("cannot copy the disk")?;
        judge(
            report,
            format!("round-{number}.killed"),
            &left,
            &heard.synced,
        );
        Ok(heard.synced)
    }

    fn watch(
        &self,
        machine: &mut Machine,
        log: &mut Vec<u8>,
        heard: &mut Heard,
        moments: &mut Numbers,
        number: u32,
        report: &mut Report,
    ) -> Result<()> {
        let begun = self.hear(machine, log, heard, self.timeout, true)?;
        if heard.wrong.is_some() {
            return Ok(());
        }
        if !begun {
            let timeout = self.timeout.as_secs();
            bail!(
                "the guest has not begun after {timeout} s; see {}",
                self.log.display()
            );
        }
        for copy in 1..=self.copies {
            self.hear(machine, log, heard, moment(moments), false)?;
            if heard.wrong.is_some() {
                return Ok(());
            }
            let path = self.folder.join(format!("copy-{copy}"));
            let synced = heard.synced;
            copy_of_stopped(machine, self.image, &path)?;
            judge(
                report,
                format!("round-{number}.copy-{copy}"),
                &path,
                &synced,
            );
        }
        self.hear(machine, log, heard, moment(moments), false)?;
        Ok(())
    }

    /// Listens for so long, or until the guest has begun; whether it has.
    fn hear(
        &self,
        machine: &mut Machine,
        log: &mut Vec<u8>,
        heard: &mut Heard,
        time: Duration,
        until_begun: bool,
    ) -> Result<bool> {
        let end = Instant::now() + time;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let bytes = match machine.serial.recv_timeout(left) {
                Ok(bytes) => bytes,
                Err(RecvTimeoutError::Timeout) => return Ok(heard.begun),
                Err(RecvTimeoutError::Disconnected) => {
                    if heard.wrong.is_none() {
                        heard.wrong = Some("the machine ended by itself".to_owned());
                    }
                    return Ok(heard.begun);
                }
            };
            for byte in bytes {
                log.push(byte);
                if byte == b'\n' {
                    let start = log[..log.len() - 1].iter().rposition(|b| *b == b'\n');
                    let line = &log[start.map_or(0, |at| at + 1)..];
                    heard.line(&String::from_utf8_lossy(line));
                }
            }
            if heard.wrong.is_some() || (until_begun && heard.begun) {
                return Ok(heard.begun);
            }
        }
    }
}

fn moment(moments: &mut Numbers) -> Duration {
    Duration::from_millis(moments.next() % LATEST)
}

/// A seed for moments that differ from run to run: what is tested are all of them.
#[must_use]
pub fn any_seed() -> u64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    now.map_or(1, |time| time.as_nanos() as u64)
}

fn fail(report: &mut Report, name: String, reason: String) {
    report.failures.push(Failure { name, reason });
}

fn judge(report: &mut Report, name: String, image: &Path, synced: &State) {
    match look(image, synced) {
        Ok(_) => report.passed += 1,
        Err(wrong) => fail(report, name, format!("{wrong} (synced: {synced})")),
    }
    // It is in a folder that goes anyway.
    let _ = fs::remove_file(image);
}

/// Mounts an image and looks at its files.
///
/// # Errors
/// What is wrong with it.
pub fn look(image: &Path, synced: &State) -> Result<State, String> {
    let failed = |error: redoxfs_errors::error::Error| format!("mounting: {error}");
    let disk = DiskFile::open(image).map_err(failed)?;
    let mut fs = FileSystem::open(disk, None, Some(0), false).map_err(failed)?;
    power::check(synced, |name| {
        let read = fs.tx(|tx| {
            let node = tx.find_node(TreePtr::<Node>::root(), name)?;
            let mut bytes = vec![0; node.data().size() as usize];
            let len = tx.read_node_inner(&node, 0, &mut bytes)?;
            bytes.truncate(len);
            Ok(bytes)
        });
        match read {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.errno == redoxfs_errors::error::ENOENT => Ok(None),
            Err(error) => Err(format!("{error}")),
        }
    })
}

/// Copies the disk of a machine that does nothing meanwhile.
fn copy_of_stopped(machine: &Machine, from: &Path, to: &PathBuf) -> Result<()> {
    let pid = machine.pid();
    let process = i32::try_from(pid)
        .ok()
        .map(Pid::from_raw)
        .ok_or_else(|| anyhow!("{pid} is no process"))?;
    kill(process, Signal::SIGSTOP).context("cannot stop the emulator")?;
    while !is_stopped(pid)? {
        std::thread::sleep(Duration::from_millis(1));
    }
    let copied = fs::copy(from, to).context("cannot copy the disk");
    kill(process, Signal::SIGCONT).context("cannot let the emulator go on")?;
    copied.map(drop)
}

/// Whether every thread of a process has stopped.
fn is_stopped(pid: u32) -> Result<bool> {
    let tasks = format!("/proc/{pid}/task");
    for task in fs::read_dir(&tasks).with_context(|| tasks.clone())? {
        // One that has just ended does nothing.
        let Ok(stat) = fs::read_to_string(task?.path().join("stat")) else {
            continue;
        };
        let state = stat
            .rsplit(") ")
            .next()
            .and_then(|rest| rest.chars().next());
        if !matches!(state, Some('T' | 'Z' | 'X')) {
            return Ok(false);
        }
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_guest_is_heard() {
        let mut heard = Heard::default();
        for line in [
            "boot",
            "@begins log=1 fixed=2 current=3 many=4\r",
            "@synced many=5",
        ] {
            heard.line(line);
        }
        let synced = State {
            log: 1,
            fixed: 2,
            current: 3,
            many: 5,
        };
        let wanted = Heard {
            synced,
            begun: true,
            wrong: None,
        };
        assert_eq!(heard, wanted);
        for line in [
            "@wrong all of it",
            "@synced nothing",
            "kernel: panicked at x",
        ] {
            let mut heard = Heard::default();
            heard.line(line);
            assert!(heard.wrong.is_some(), "{line}");
        }
    }

    #[test]
    fn an_image_is_looked_at() {
        let folder = tempfile::tempdir().unwrap();
        let image = folder.path().join("image");
        fs::File::create(&image).unwrap().set_len(16 << 20).unwrap();
        assert!(
            look(&image, &State::default())
                .unwrap_err()
                .starts_with("mounting")
        );
        let disk = DiskFile::open(&image).unwrap();
        let mut fs = FileSystem::create(disk, None, 0, 0).unwrap();
        assert_eq!(look(&image, &State::default()), Ok(State::default()));
        let data = power::current_bytes(7);
        let made = fs.tx(|tx| {
            let mode = Node::MODE_FILE | 0o600;
            let node = tx.create_node(TreePtr::root(), "current", mode, 0, 0)?;
            tx.write_node(node.ptr(), 0, &data, 0, 0)
        });
        assert_eq!(made, Ok(data.len()));
        drop(fs);
        let synced = State {
            current: 6,
            ..State::default()
        };
        assert_eq!(look(&image, &synced).unwrap().current, 7);
        let more = State {
            current: 8,
            ..synced
        };
        assert!(look(&image, &more).unwrap_err().starts_with("current: its"));
    }
}
