//! Published crates' own test suites, run in the guest by `cook cargo test`, and the page about them.
//!
//! The table names crates, and of each the tests that do not pass, with the reason. What fails and is not in the
//! table is a failure, and so is what is in the table and passes.

mod page;
mod source;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use serde::Deserialize;

/// Where what a suite said is kept.
const LOGS: &str = "build/logs";
/// What stands before cargo's exit status, at the end of a log.
const STATUS: &str = "cook cargo test: exit status ";

/// The crates to test.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Table {
    #[serde(rename = "crate")]
    crates: Vec<Entry>,
    /// The table's folder: files that it names are beside it.
    #[serde(skip)]
    folder: PathBuf,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    name: String,
    version: String,
    /// Further words for `cargo test`.
    #[serde(default)]
    args: Vec<String>,
    /// Why only a part of its tests is run, if `args` say so.
    #[serde(default)]
    part: String,
    /// Whether tests, and the standard library that is built for them, are optimised. Without, they take too long
    /// where instructions are translated.
    #[serde(default)]
    release: bool,
    /// How many seconds each of its test programs may take.
    #[serde(default = "usual_limit")]
    time_limit: u32,
    /// Memory of the machine in MiB.
    #[serde(default = "usual_memory")]
    memory: u32,
    /// The image that they run on: a name, or a file beside the table.
    #[serde(default = "usual_image")]
    image: String,
    /// Changes of the crate, files beside the table. Files in a folder of the crate's name beside the table take the
    /// place of its own.
    #[serde(default)]
    patches: Vec<PathBuf>,
    /// Crates that it is built with in a changed form.
    #[serde(default)]
    patched: Vec<Patched>,
    /// Whether the page counts by module, too.
    #[serde(default)]
    by_module: bool,
    /// Tests that do not pass, as they are called where they run, and the reasons.
    #[serde(default)]
    fails: BTreeMap<String, String>,
    /// The same for tests that have a reason in common.
    #[serde(default)]
    group: Vec<Group>,
}

/// Another crate, with patches.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Patched {
    name: String,
    version: String,
    patches: Vec<PathBuf>,
}

/// Tests that do not pass for one reason.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Group {
    reason: String,
    tests: BTreeSet<String>,
}

const fn usual_limit() -> u32 {
    600
}

const fn usual_memory() -> u32 {
    512
}

fn usual_image() -> String {
    "base".to_owned()
}

impl Entry {
    /// The tests that do not pass.
    fn failing(&self) -> BTreeSet<&str> {
        let grouped = self.group.iter().flat_map(|group| &group.tests);
        self.fails
            .keys()
            .chain(grouped)
            .map(String::as_str)
            .collect()
    }
}

/// What a run of one crate's tests found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Found {
    passed: u64,
    ignored: u64,
    failed: BTreeSet<String>,
    /// How many tests the programs said that they would run.
    planned: u64,
    /// How many passed and failed of each module, if there are such.
    modules: BTreeMap<String, (u64, u64)>,
    /// What is wrong beside single tests.
    broken: Option<String>,
}

impl Table {
    /// Reads the table.
    pub fn read(path: &Path) -> Result<Self> {
        let text =
            fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        let mut table: Self = toml::from_str(&text).with_context(|| path.display().to_string())?;
        table.folder = path.parent().unwrap_or(Path::new("")).to_owned();
        for entry in &table.crates {
            if entry.args.is_empty() != entry.part.is_empty() {
                bail!(
                    "{}: `{}`: `args` and `part` go together",
                    path.display(),
                    entry.name
                );
            }
            let grouped: usize = entry.group.iter().map(|group| group.tests.len()).sum();
            if entry.fails.len() + grouped != entry.failing().len() {
                bail!(
                    "{}: `{}`: a test has two reasons",
                    path.display(),
                    entry.name
                );
            }
        }
        Ok(table)
    }
}

/// Runs the suites of all crates, or those that are named, and writes what they found into `page`, where the others'
/// rows stay. Answers whether anything was not as the table says; the rows of such a crate stay, too. With `logs`, what
/// the last runs said is judged anew instead.
pub fn run(table: &Table, names: &[String], page: &Path, logs: bool) -> Result<bool> {
    for name in names {
        if !table.crates.iter().any(|entry| entry.name == *name) {
            bail!("the table has no crate `{name}`");
        }
    }
    let mut failed = false;
    for entry in &table.crates {
        if !names.is_empty() && !names.contains(&entry.name) {
            continue;
        }
        let found = if logs {
            let log = log(&entry.name);
            let said = fs::read(&log).with_context(|| format!("cannot read {}", log.display()))?;
            read(&String::from_utf8_lossy(&said))
        } else {
            let folder = source::prepare(entry, &table.folder)?;
            test(entry, &table.folder, &folder)?
        };
        let problems = judge(entry, &found);
        println!("crate {}: {} passed", entry.name, found.passed);
        for problem in &problems {
            failed = true;
            println!("  FAIL {problem}");
        }
        if problems.is_empty() {
            let text = fs::read_to_string(page)
                .with_context(|| format!("cannot read {}", page.display()))?;
            let text = page::update(&text, table, entry, &found)
                .with_context(|| page.display().to_string())?;
            fs::write(page, text).with_context(|| format!("cannot write {}", page.display()))?;
        }
    }
    Ok(failed)
}

/// Runs a crate's suite in the guest.
fn test(entry: &Entry, beside: &Path, folder: &Path) -> Result<Found> {
    let top = std::env::current_dir().context("no current directory")?;
    let mut image = entry.image.clone();
    if image.contains('/') {
        image = top.join(beside).join(image).display().to_string();
    }
    let output = Command::new(top.join("cook"))
        .args(["cargo", "test", "--no-fail-fast"])
        .args(entry.release.then_some("--release"))
        .args(&entry.args)
        .current_dir(folder)
        .env(
            "COOK_EXEC",
            format!(
                "--config {image} --timeout {} --mem {}",
                entry.time_limit, entry.memory
            ),
        )
        .stdin(Stdio::null())
        .output()
        .context("cannot start cook")?;
    let log = log(&entry.name);
    let status = format!("\n{STATUS}{}\n", output.status.code().unwrap_or(-1));
    let said = [&output.stdout[..], &output.stderr, status.as_bytes()].concat();
    fs::create_dir_all(LOGS)
        .and_then(|()| fs::write(&log, &said))
        .with_context(|| format!("cannot write {}", log.display()))?;
    Ok(read(&String::from_utf8_lossy(&said)))
}

/// Where the log of a crate's last run is.
fn log(name: &str) -> PathBuf {
    Path::new(LOGS).join(format!("crate-{name}.log"))
}

/// What a log says of a run.
fn read(said: &str) -> Found {
    let mut found = parse(said);
    let (said, status) = said.rsplit_once(STATUS).unwrap_or((said, "-1"));
    if status.trim() != "0" && found.failed.is_empty() {
        let last: Vec<&str> = said.trim_end().lines().rev().take(12).collect();
        let last: Vec<&str> = last.into_iter().rev().collect();
        found.broken = Some(last.join("\n  | "));
    }
    found
}

/// What the test programs said.
fn parse(text: &str) -> Found {
    let mut found = Found::default();
    // A test without an outcome so far.
    let mut begun = None;
    for line in text.lines() {
        let running = line
            .strip_prefix("running ")
            .and_then(|rest| rest.split_once(' '));
        if let Some((count, "test" | "tests")) = running {
            found.planned += count.parse().unwrap_or(0);
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
        let mut module = (0, 0);
        match outcome.split(',').next().unwrap_or(outcome) {
            "ok" => {
                found.passed += 1;
                module.0 = 1;
            }
            "ignored" => found.ignored += 1,
            "FAILED" => {
                found.failed.insert(name.to_owned());
                module.1 = 1;
            }
            _ => {
                begun = Some(name);
                continue;
            }
        }
        if let Some((name, _)) = name.split_once("::") {
            let counts = found.modules.entry(name.to_owned()).or_default();
            *counts = (counts.0 + module.0, counts.1 + module.1);
        }
    }
    found
}

/// What is not as the table says.
fn judge(entry: &Entry, found: &Found) -> Vec<String> {
    let name = &entry.name;
    let mut problems = Vec::new();
    if let Some(broken) = &found.broken {
        problems.push(format!(
            "{name}: the suite did not run to its end:\n  | {broken}"
        ));
    }
    if found.passed == 0 {
        problems.push(format!("{name}: nothing passed"));
    }
    let outcomes = found.passed + found.ignored + found.failed.len() as u64;
    if outcomes != found.planned {
        problems.push(format!(
            "{name}: {} tests were to run, and {outcomes} have an outcome",
            found.planned
        ));
    }
    let failing = entry.failing();
    for test in &found.failed {
        if !failing.contains(test.as_str()) {
            problems.push(format!("{name}: `{test}`"));
        }
    }
    for test in failing {
        if !found.failed.contains(test) {
            problems.push(format!("{name}: `{test}` is said to fail, and did not"));
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::page::{BEGIN, END, update};
    use super::*;

    const SAID: &str = "\
running 3 tests
test a ... ok
test b::c - should panic ... ok
test b::d ... FAILED
running 2 tests
test e ... ignored, takes long
test src/lib.rs - f (line 3) ... FAILED
test result: FAILED. 2 passed; 2 failed
";

    fn entry(fails: &[&str]) -> Entry {
        Entry {
            name: "n".into(),
            version: "1.0.0".into(),
            args: Vec::new(),
            part: String::new(),
            release: false,
            time_limit: usual_limit(),
            memory: usual_memory(),
            image: usual_image(),
            patches: Vec::new(),
            patched: Vec::new(),
            by_module: false,
            fails: fails.iter().map(|f| ((*f).into(), "so".into())).collect(),
            group: Vec::new(),
        }
    }

    fn group(tests: &[&str]) -> Group {
        Group {
            reason: "as well".into(),
            tests: tests.iter().map(|test| (*test).into()).collect(),
        }
    }

    #[test]
    fn outcomes_are_counted() {
        let found = parse(SAID);
        assert_eq!((found.passed, found.ignored), (2, 1));
        let failed: Vec<&str> = found.failed.iter().map(String::as_str).collect();
        assert_eq!(failed, ["b::d", "src/lib.rs - f (line 3)"]);
        assert_eq!(found.planned, 5);
        assert_eq!(found.modules["b"], (1, 1));
    }

    #[test]
    fn tests_may_write_between_name_and_outcome() {
        let said = "running 3 tests\ntest a ... noise\nmore\nok\ntest b ... x\nFAILED\ntest c ... y\ntest d ... ok\nok\n";
        let found = parse(said);
        let failed: Vec<&str> = found.failed.iter().map(String::as_str).collect();
        assert_eq!((found.passed, failed), (2, vec!["b"]));
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
    fn the_table_is_exact() {
        let found = parse(SAID);
        let both = ["b::d", "src/lib.rs - f (line 3)"];
        assert_eq!(judge(&entry(&both), &found), [""; 0]);
        assert_eq!(
            judge(&entry(&["b::d"]), &found),
            ["n: `src/lib.rs - f (line 3)`"]
        );
        let more = [both[0], both[1], "a"];
        assert_eq!(
            judge(&entry(&more), &found),
            ["n: `a` is said to fail, and did not"]
        );
        let grouped = Entry {
            group: vec![group(&both[1..])],
            ..entry(&both[..1])
        };
        assert_eq!(judge(&grouped, &found), [""; 0]);
        assert_eq!(judge(&entry(&[]), &Found::default()), ["n: nothing passed"]);
        // A program that died while a test ran.
        let cut = parse(SAID.split_once("test src").unwrap().0);
        assert_eq!(
            judge(&entry(&["b::d"]), &cut),
            ["n: 5 tests were to run, and 4 have an outcome"]
        );
    }

    #[test]
    fn the_page_has_the_rows_of_those_that_were_run() {
        let named = |name: &str| Entry {
            name: name.into(),
            ..entry(&["b::d"])
        };
        let table = Table {
            crates: ["a", "n", "z"].map(named).into(),
            folder: PathBuf::new(),
        };
        let page = format!("# A\n{BEGIN}\n{END}\nend\n");
        let found = parse(SAID);
        let page = update(&page, &table, &named("z"), &found).unwrap();
        let page = update(&page, &table, &named("a"), &found).unwrap();
        let better = Found {
            passed: 9,
            ..found.clone()
        };
        let page = update(&page, &table, &named("z"), &better).unwrap();
        assert!(page.starts_with("# A\n") && page.ends_with("-->\nend\n"));
        let rows: Vec<&str> = page.lines().filter(|line| line.starts_with("| ")).collect();
        assert_eq!(
            rows,
            [
                "| crate | version | passed | failed | ignored | |",
                "| a | 1.0.0 | 2 | 2 | 1 |  |",
                "| | | | `b::d` | | so |",
                "| z | 1.0.0 | 9 | 2 | 1 |  |",
                "| | | | `b::d` | | so |",
            ]
        );
        let detailed = Entry {
            by_module: true,
            group: vec![group(&["e", "f"])],
            ..named("a")
        };
        let page = update(&page, &table, &detailed, &found).unwrap();
        let rows: Vec<&str> = page.lines().filter(|line| line.starts_with("| ")).collect();
        assert_eq!(
            rows[1..5],
            [
                "| a | 1.0.0 | 2 | 2 | 1 |  |",
                "| | b | 1 | 1 | | |",
                "| | | | `b::d` | | so |",
                "| | | | `e`, `f` | | as well |",
            ]
        );
        // Of what the table has no more, or in another version, nothing stays.
        let mut other = table.clone();
        other.crates.remove(0);
        other.crates.iter_mut().for_each(|e| e.version = "2".into());
        let page = update(&page, &other, &other.crates[0], &found).unwrap();
        assert!(
            page.contains("| n | 2 | 2 |") && !page.contains("| a |") && !page.contains("| z |")
        );
        assert!(update("nothing", &table, &named("a"), &found).is_err());
    }
}
