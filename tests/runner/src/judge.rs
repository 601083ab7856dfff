//! What a guest said on its serial line, and what it is worth.
//!
//! A line that begins with `@` is for the judge; the rest is log:
//!
//! | line | meaning |
//! |---|---|
//! | `@test plan N` | N more tests will report; several plans add up |
//! | `@test ok NAME` | a test passed |
//! | `@test FAIL NAME: REASON` | a test failed |
//! | `@test skip NAME: REASON` | a test did not apply |
//! | `@bench NAME INSTRUCTIONS` | a benchmark's result |
//! | `@done STATUS` | nothing follows; STATUS is 0 if the guest is content |
//!
//! A line of log in which the kernel says that it panicked or cannot start fails the run and ends it
//! soon, and so does UEFI firmware's complaint that the loader failed.
//!
//! NAME has no white space, and each is reported once. A run is good if the plan was kept exactly,
//! no test failed, and `@done 0` was the last word.

use std::collections::{BTreeMap, BTreeSet};

/// What means, on a line of log, that there will be no `@done`: the kernel's last words, and UEFI
/// firmware's when a loader gives up.
const FATAL: [&str; 4] = [
    "kernel: panicked at",
    "kernel: cannot boot",
    "kernel: cannot start",
    "bdsdxe: failed to start",
];

/// Gathers lines, then judges.
#[derive(Debug, Default)]
pub struct Judge {
    planned: Option<u64>,
    names: BTreeSet<String>,
    passed: u64,
    skipped: u64,
    failures: Vec<Failure>,
    benches: BTreeMap<String, u64>,
    problems: Vec<String>,
    done: Option<u64>,
    panicked: bool,
}

/// A failed test.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The test.
    pub name: String,
    /// What it said.
    pub reason: String,
}

/// How the machine stopped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// The guest ended the emulator, or it ended itself.
    Stopped,
    /// The run's time was up after so many seconds.
    TimedOut(u64),
    /// The emulator failed, with its own words.
    Failed(String),
}

/// The verdict on a run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Tests that passed.
    pub passed: u64,
    /// Tests that did not apply.
    pub skipped: u64,
    /// Tests that failed.
    pub failures: Vec<Failure>,
    /// What is wrong with the run itself, each as good as a failed test.
    pub problems: Vec<String>,
    /// Instructions by benchmark.
    pub benches: BTreeMap<String, u64>,
}

impl Report {
    /// How many failures it counts for.
    pub fn failed(&self) -> u64 {
        (self.failures.len() + self.problems.len()) as u64
    }
}

/// What a line changes for whoever watches the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Nothing.
    Log,
    /// A test or benchmark reported.
    Progress,
    /// The last word.
    Done,
    /// Kernel or loader gave up: there will be a few lines more, but no `@done`.
    Panic,
}

impl Judge {
    /// One that has heard nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next line, without its line feed.
    pub fn line(&mut self, line: &str) -> Step {
        let line = line.trim_end();
        let Some(command) = line.strip_prefix('@') else {
            return self.log(line);
        };
        if self.done.is_some() {
            self.problems.push(format!("after @done: {line}"));
            return Step::Log;
        }
        match self.command(command) {
            Some(step) => step,
            None => {
                self.problems.push(format!("not understood: {line}"));
                Step::Log
            }
        }
    }

    /// How many tests have reported, and how many are to come in all.
    pub fn progress(&self) -> (u64, u64) {
        (self.reported(), self.planned.unwrap_or(0))
    }

    /// Whether the guest has said its last word.
    pub fn is_done(&self) -> bool {
        self.done.is_some()
    }

    /// The verdict.
    pub fn finish(mut self, end: End) -> Report {
        let reported = self.reported();
        match end {
            End::TimedOut(seconds) => self
                .problems
                .push(format!("still running after {seconds} s")),
            End::Failed(why) => self.problems.push(why),
            End::Stopped if self.done.is_none() && !self.panicked => self
                .problems
                .push("the machine stopped before @done".to_owned()),
            End::Stopped => {}
        }
        match self.done {
            None | Some(0) => {}
            Some(status) => self
                .problems
                .push(format!("the guest ended with status {status}")),
        }
        match self.planned {
            None if reported > 0 => self.problems.push("no @test plan".to_owned()),
            None if self.benches.is_empty() && self.problems.is_empty() => {
                self.problems
                    .push("neither tests nor benchmarks".to_owned());
            }
            Some(planned) if planned != reported => self
                .problems
                .push(format!("{planned} tests announced, {reported} reported")),
            _ => {}
        }
        Report {
            passed: self.passed,
            skipped: self.skipped,
            failures: self.failures,
            problems: self.problems,
            benches: self.benches,
        }
    }

    fn reported(&self) -> u64 {
        self.passed + self.skipped + self.failures.len() as u64
    }

    fn log(&mut self, line: &str) -> Step {
        let lower = line.to_ascii_lowercase();
        if self.panicked || !FATAL.iter().any(|words| lower.contains(words)) {
            return Step::Log;
        }
        self.panicked = true;
        self.problems.push(line.trim().to_owned());
        Step::Panic
    }

    fn command(&mut self, command: &str) -> Option<Step> {
        let (word, rest) = command.split_once(' ')?;
        match word {
            "test" => self.test(rest),
            "bench" => {
                let (name, count) = rest.split_once(' ')?;
                let name = self.new_name("bench ", name)?;
                self.benches.insert(name, count.trim().parse().ok()?);
                Some(Step::Progress)
            }
            "done" => {
                self.done = Some(rest.parse().ok()?);
                Some(Step::Done)
            }
            _ => None,
        }
    }

    fn test(&mut self, rest: &str) -> Option<Step> {
        let (verdict, rest) = rest.split_once(' ')?;
        match verdict {
            "plan" => {
                let more = rest.parse().ok()?;
                self.planned = Some(self.planned.unwrap_or(0).checked_add(more)?);
            }
            "ok" => {
                self.new_name("", rest)?;
                self.passed += 1;
            }
            "FAIL" => {
                let (name, reason) = rest.split_once(':').unwrap_or((rest, ""));
                let name = self.new_name("", name)?;
                let reason = reason.trim().to_owned();
                self.failures.push(Failure { name, reason });
            }
            "skip" => {
                let (name, _) = rest.split_once(':').unwrap_or((rest, ""));
                self.new_name("", name)?;
                self.skipped += 1;
            }
            _ => return None,
        }
        Some(Step::Progress)
    }

    /// `name`, if it is one and was not reported before.
    fn new_name(&mut self, kind: &str, name: &str) -> Option<String> {
        let good = !name.is_empty() && !name.contains(char::is_whitespace);
        (good && self.names.insert(format!("{kind}{name}"))).then(|| name.to_owned())
    }
}
