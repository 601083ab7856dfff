//! What logs of runs say.

use std::collections::{BTreeMap, BTreeSet};

/// What stands before cargo's exit status, at the end of a log, or of a part of one.
pub(super) const STATUS: &str = "cook cargo test: exit status ";

/// What a run of one crate's tests found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) passed: u64,
    pub(super) ignored: u64,
    pub(super) failed: BTreeSet<String>,
    /// How many tests the programs said that they would run.
    pub(super) planned: u64,
    /// How many passed and failed of each module, if there are such.
    pub(super) modules: BTreeMap<String, (u64, u64)>,
    /// What is wrong beside single tests.
    pub(super) broken: Option<String>,
}

impl Found {
    fn add(&mut self, name: &str, outcome: Outcome) {
        let mut module = (0, 0);
        match outcome {
            Outcome::Passed => {
                self.passed += 1;
                module.0 = 1;
            }
            Outcome::Ignored => self.ignored += 1,
            Outcome::Failed => {
                self.failed.insert(name.to_owned());
                module.1 = 1;
            }
        }
        if let Some((name, _)) = name.split_once("::") {
            let counts = self.modules.entry(name.to_owned()).or_default();
            *counts = (counts.0 + module.0, counts.1 + module.1);
        }
    }
}

/// How a test ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Passed,
    Ignored,
    Failed,
}

/// What test programs said.
#[derive(Debug, Default)]
struct Said {
    tests: Vec<(String, Outcome)>,
    planned: u64,
    /// A test that has no outcome.
    begun: Option<String>,
}

/// What the log of a run says of it.
pub(super) fn read(said: &str) -> Found {
    let tests = parse(said);
    let mut found = Found {
        planned: tests.planned,
        ..Found::default()
    };
    for (name, outcome) in &tests.tests {
        found.add(name, *outcome);
    }
    let (said, status) = said.rsplit_once(STATUS).unwrap_or((said, "-1"));
    if status.trim() != "0" && found.failed.is_empty() {
        found.broken = Some(end(said));
    }
    found
}

/// What the log of a run in parts says: a list of the tests, and what each part said. A test with which a part came to
/// its end has failed; of one that was run again the last outcome counts.
pub(super) fn read_parts(said: &str, only: &[String]) -> Found {
    let tests: BTreeSet<String> = listed(said, only).into_iter().collect();
    let mut found = Found {
        planned: tests.len() as u64,
        ..Found::default()
    };
    let outcomes = parts(said).flat_map(outcomes);
    let outcomes: BTreeMap<String, Outcome> =
        outcomes.filter(|(name, _)| tests.contains(name)).collect();
    for (name, outcome) in &outcomes {
        found.add(name, *outcome);
    }
    let last = parts(said).last().unwrap_or(said);
    // A machine that comes to nothing matters while there is a test without an outcome.
    let complete = !tests.is_empty() && outcomes.len() == tests.len();
    if !complete && done_in_part(last).next().is_none() {
        found.broken = Some(end(last));
    }
    found
}

/// The tests that have an outcome in the log of a run in parts.
pub(super) fn done(said: &str) -> BTreeSet<String> {
    parts(said).flat_map(done_in_part).collect()
}

/// The tests that have an outcome in what one part said.
pub(super) fn done_in_part(part: &str) -> impl Iterator<Item = String> {
    outcomes(part).into_iter().map(|(name, _)| name)
}

/// The tests in the list with which the log of a run in parts begins: all, or those whose names begin as one of `only`.
pub(super) fn listed(said: &str, only: &[String]) -> Vec<String> {
    let list = said.split(STATUS).next().unwrap_or(said);
    let names = list.lines().filter_map(|line| line.strip_suffix(": test"));
    let kept = |name: &&str| only.is_empty() || only.iter().any(|prefix| name.starts_with(prefix));
    names.filter(kept).map(str::to_owned).collect()
}

/// What the parts of a run said.
fn parts(said: &str) -> impl Iterator<Item = &str> {
    // The list, and each part behind how the one before it ended.
    let parts = said.split(STATUS).skip(1);
    let parts = parts.filter_map(|part| part.split_once('\n').map(|(_, part)| part));
    parts.filter(|part| !part.trim().is_empty())
}

fn outcomes(part: &str) -> Vec<(String, Outcome)> {
    let mut said = parse(part);
    let cut = said.begun.map(|name| (name, Outcome::Failed));
    said.tests.extend(cut);
    said.tests
}

/// The last lines.
fn end(said: &str) -> String {
    let last: Vec<&str> = said.trim_end().lines().rev().take(12).collect();
    let last: Vec<&str> = last.into_iter().rev().collect();
    last.join("\n  | ")
}

/// What the test programs said.
fn parse(text: &str) -> Said {
    let mut said = Said::default();
    // A test without an outcome so far.
    let mut begun = None;
    for line in text.lines() {
        let running = line
            .strip_prefix("running ")
            .and_then(|rest| rest.split_once(' '));
        if let Some((count, "test" | "tests")) = running {
            said.planned += count.parse().unwrap_or(0);
        }
        let outcome = line
            .strip_prefix("test ")
            .and_then(|rest| rest.rsplit_once(" ... "));
        let (name, outcome) = match (outcome, begun.take()) {
            (Some((name, outcome)), _) => (name, outcome),
            // What a test writes past the harness stands between its name and how it ended.
            (None, Some(name)) if ["ok", "FAILED"].contains(&line) => (name, line),
            (None, before) => {
                begun = before;
                continue;
            }
        };
        // Behind the name of an example there can be how it is treated.
        let name = name.split(" - should panic").next().unwrap_or(name);
        let outcome = match outcome.split(',').next().unwrap_or(outcome) {
            "ok" => Outcome::Passed,
            "ignored" => Outcome::Ignored,
            "FAILED" => Outcome::Failed,
            _ => {
                begun = Some(name);
                continue;
            }
        };
        said.tests.push((name.to_owned(), outcome));
    }
    said.begun = begun.map(str::to_owned);
    said
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in super::super) const SAID: &str = "\
running 3 tests
test a ... ok
test b::c - should panic ... ok
test b::d ... FAILED
running 2 tests
test e ... ignored, takes long
test src/lib.rs - f (line 3) ... FAILED
test result: FAILED. 2 passed; 2 failed
";

    fn names(tests: &BTreeSet<String>) -> Vec<&str> {
        tests.iter().map(String::as_str).collect()
    }

    #[test]
    fn outcomes_are_counted() {
        let found = read(SAID);
        assert_eq!((found.passed, found.ignored), (2, 1));
        assert_eq!(names(&found.failed), ["b::d", "src/lib.rs - f (line 3)"]);
        assert_eq!(found.planned, 5);
        assert_eq!(found.modules["b"], (1, 1));
    }

    #[test]
    fn tests_may_write_between_name_and_outcome() {
        let said = "running 3 tests\ntest a ... noise\nmore\nok\ntest b ... x\nFAILED\ntest c ... y\ntest d ... ok\nok\n";
        let found = read(said);
        assert_eq!((found.passed, names(&found.failed)), (2, vec!["b"]));
    }

    #[test]
    fn how_a_run_ended_is_in_the_log() {
        let ended = |status: &str| {
            read(&format!(
                "running 1 test\ntest a ... ok\nlast words\n\n{status}"
            ))
        };
        assert_eq!(ended("cook cargo test: exit status 0\n").broken, None);
        for status in ["cook cargo test: exit status 101\n", ""] {
            let broken = ended(status).broken.unwrap();
            assert!(broken.ends_with("last words"), "{broken}");
        }
    }

    #[test]
    fn parts_are_joined() {
        const LIST: &str =
            "a::x: test\na::y: test\nb: test\nc: test\n\n4 tests, 0 benchmarks\n   Compiling\n";
        let status = |status: i32| format!("\n{STATUS}{status}\n");
        // The machine of the first part ended with a test.
        let first = "running 3 tests\ntest a::x ... ok\ntest a::y ...    Running t\ncook exec: the time is up\n";
        let second = "running 2 tests\ntest b ... ok\ntest c ... ignored\n";
        let third = "running 1 test\ntest b ... FAILED\n";
        let log = [LIST, &status(0), first, &status(101), second, &status(0)].concat();
        assert_eq!(listed(&log, &[]), ["a::x", "a::y", "b", "c"]);
        let found = read_parts(&log, &[]);
        assert_eq!((found.planned, found.passed, found.ignored), (4, 2, 1));
        assert_eq!(names(&found.failed), ["a::y"]);
        assert_eq!(found.modules["a"], (1, 1));
        assert_eq!(found.broken, None);
        assert_eq!(done(&log).len(), 4);
        let some = read_parts(&log, &["a::x".into(), "c".into()]);
        assert_eq!((some.planned, some.passed, some.failed.len()), (2, 1, 0));
        // What was run once more counts as it ended then.
        let found = read_parts(&[&log, third, &status(101)].concat(), &[]);
        assert_eq!((found.passed, names(&found.failed)), (1, vec!["a::y", "b"]));
        // A machine that came to no test, and a list of nothing but errors.
        let more = ["d: test\n", &log, "no machine\n", &status(101)].concat();
        let found = read_parts(&more, &[]);
        assert_eq!(found.broken.as_deref(), Some("no machine"));
        // Which is no matter when all have an outcome that are asked for.
        let found = read_parts(&more, &["a::".into(), "b".into()]);
        assert_eq!((found.planned, found.broken), (3, None));
        let none = ["error: no such thing\n", &status(101)].concat();
        assert_eq!((listed(&none, &[]).len(), done(&none).len()), (0, 0));
        assert!(
            read_parts(&none, &[])
                .broken
                .unwrap()
                .contains("no such thing")
        );
    }
}
