//! Published crates' own test suites, run in the guest by `cook cargo test`, and the page about them.
//!
//! The table names crates, and of each the tests that do not pass, with the reason. What fails and is not in the
//! table is a failure, and so is what is in the table and passes.

mod log;
mod page;
mod parts;
mod source;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use log::{Found, STATUS};
pub use parts::Which;

/// Where what a suite said is kept.
const LOGS: &str = "build/logs";

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
    /// Why only a part of its tests is run, if `args` or `only` say so.
    #[serde(default)]
    part: String,
    /// Whether tests, and the standard library that is built for them, are optimised. Without, they take too long
    /// where instructions are translated.
    #[serde(default)]
    release: bool,
    /// How many seconds each of its test programs, or parts, may take.
    #[serde(default = "usual_limit")]
    time_limit: u32,
    /// How many of its tests a machine runs, one after the other, before another one takes over. There is a machine
    /// for each test program otherwise.
    part_size: Option<NonZeroUsize>,
    /// Beginnings of the names of those tests that are run so, if not all are.
    #[serde(default)]
    only: Vec<String>,
    /// The environment of its tests.
    #[serde(default)]
    env: BTreeMap<String, String>,
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
    /// They pass now and then, by what happens to come first.
    #[serde(default)]
    sometimes: bool,
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

impl Table {
    /// Reads the table.
    pub fn read(path: &Path) -> Result<Self> {
        let text =
            fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        let mut table: Self = toml::from_str(&text).with_context(|| path.display().to_string())?;
        table.folder = path.parent().unwrap_or(Path::new("")).to_owned();
        for entry in &table.crates {
            if (entry.args.is_empty() && entry.only.is_empty()) != entry.part.is_empty() {
                bail!(
                    "{}: `{}`: `args` or `only`, and `part`, go together",
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
/// rows stay. Answers whether anything was not as the table says; the rows of such a crate stay, too.
pub fn run(table: &Table, names: &[String], page: &Path, which: &Which) -> Result<bool> {
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
        let found = found(table, entry, which).with_context(|| format!("crate {}", entry.name))?;
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

/// Runs what is to be run of a crate's suite, which the log tells, and says what the log says then.
fn found(table: &Table, entry: &Entry, which: &Which) -> Result<Found> {
    let path = Path::new(LOGS).join(format!("crate-{}.log", entry.name));
    let name = || path.display().to_string();
    let mut before = String::new();
    if *which != Which::All {
        let said = fs::read(&path).with_context(name)?;
        before = String::from_utf8_lossy(&said).into_owned();
    }
    if entry.part_size.is_none() && matches!(which, Which::Rest | Which::Only(_)) {
        bail!("its suite is not run in parts");
    }
    if *which != Which::None {
        fs::create_dir_all(LOGS).context(LOGS)?;
        let mut log = fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(&path)
            .with_context(name)?;
        if *which == Which::All {
            log.set_len(0).with_context(name)?;
        }
        let folder = source::prepare(entry, &table.folder)?;
        let mut run = |words: &[&str]| {
            let said = test(entry, &table.folder, &folder, words)?;
            log.write_all(said.as_bytes()).with_context(name)?;
            Ok(said)
        };
        match entry.part_size {
            None => run(&[]).map(drop)?,
            Some(size) => parts::run(which, size.get(), &entry.only, &before, run)?,
        }
    }
    let said = fs::read(&path).with_context(name)?;
    let said = String::from_utf8_lossy(&said);
    Ok(match entry.part_size {
        None => log::read(&said),
        Some(_) => log::read_parts(&said, &entry.only),
    })
}

/// Runs a crate's test programs in the guest, with some words more, and says what was said, and how it ended.
fn test(entry: &Entry, beside: &Path, folder: &Path, words: &[&str]) -> Result<String> {
    let top = std::env::current_dir().context("no current directory")?;
    let mut image = entry.image.clone();
    if image.contains('/') {
        image = top.join(beside).join(image).display().to_string();
    }
    let mut options = format!(
        "--config {image} --timeout {} --mem {}",
        entry.time_limit, entry.memory
    );
    for (name, value) in &entry.env {
        options += &format!(" --env {name}={value}");
    }
    let separator =
        (!words.is_empty() && !entry.args.iter().any(|arg| arg == "--")).then_some("--");
    let output = Command::new(top.join("cook"))
        .args(["cargo", "test", "--no-fail-fast"])
        .args(entry.release.then_some("--release"))
        .args(&entry.args)
        .args(separator)
        .args(words)
        .current_dir(folder)
        .env("COOK_EXEC", options)
        .stdin(Stdio::null())
        .output()
        .context("cannot start cook")?;
    let said = [&output.stdout[..], &output.stderr].concat();
    let status = output.status.code().unwrap_or(-1);
    Ok(format!(
        "{}\n{STATUS}{status}\n",
        String::from_utf8_lossy(&said)
    ))
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
    let sometimes = entry.group.iter().filter(|group| group.sometimes);
    let sometimes = sometimes.flat_map(|group| &group.tests);
    let sometimes: BTreeSet<&str> = sometimes.map(String::as_str).collect();
    for test in failing.difference(&sometimes) {
        if !found.failed.contains(*test) {
            problems.push(format!("{name}: `{test}` is said to fail, and did not"));
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::log::read;
    use super::log::tests::SAID;
    use super::page::{BEGIN, END, update};
    use super::*;

    fn entry(fails: &[&str]) -> Entry {
        Entry {
            name: "n".into(),
            version: "1.0.0".into(),
            args: Vec::new(),
            part: String::new(),
            release: false,
            time_limit: usual_limit(),
            part_size: None,
            only: Vec::new(),
            env: BTreeMap::new(),
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
            sometimes: false,
        }
    }

    #[test]
    fn the_table_is_exact() {
        let found = read(SAID);
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
        let now_and_then = Group {
            sometimes: true,
            ..group(&[both[1], "a"])
        };
        let grouped = Entry {
            group: vec![now_and_then],
            ..entry(&both[..1])
        };
        assert_eq!(judge(&grouped, &found), [""; 0]);
        assert_eq!(judge(&entry(&[]), &Found::default()), ["n: nothing passed"]);
        // A program that died while a test ran.
        let cut = read(SAID.split_once("test src").unwrap().0);
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
        let found = read(SAID);
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
