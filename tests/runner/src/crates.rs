//! Published crates' own test suites, run in the guest by `cook cargo test`, and the page about them.
//!
//! The table names crates, and of each the tests that do not pass, with the reason. What fails and is not in the
//! table is a failure, and so is what is in the table and passes.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use serde::Deserialize;

/// Between these lines of the page stands what the last run found.
const BEGIN: &str = "<!-- begin: make test-crates -->";
const END: &str = "<!-- end -->";

/// The crates to test.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Table {
    #[serde(rename = "crate")]
    crates: Vec<Entry>,
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
    /// Tests that do not pass, as they are called where they run, and the reasons.
    #[serde(default)]
    fails: BTreeMap<String, String>,
}

const fn usual_limit() -> u32 {
    600
}

/// What a run of one crate's tests found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Found {
    passed: u64,
    ignored: u64,
    failed: BTreeSet<String>,
    /// What is wrong beside single tests.
    broken: Option<String>,
}

impl Table {
    /// Reads the table.
    pub fn read(path: &Path) -> Result<Self> {
        let text =
            fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        let table: Self = toml::from_str(&text).with_context(|| path.display().to_string())?;
        for entry in &table.crates {
            if entry.args.is_empty() != entry.part.is_empty() {
                bail!(
                    "{}: `{}`: `args` and `part` go together",
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
pub fn run(table: &Table, names: &[String], page: &Path) -> Result<bool> {
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
        let folder = fetch(entry)?;
        let found = test(entry, &folder)?;
        let problems = judge(entry, &found);
        println!("crate {}: {} passed", entry.name, found.passed);
        for problem in &problems {
            failed = true;
            println!("  FAIL {problem}");
        }
        if problems.is_empty() {
            let text = fs::read_to_string(page)
                .with_context(|| format!("cannot read {}", page.display()))?;
            let text =
                update(&text, table, entry, &found).with_context(|| page.display().to_string())?;
            fs::write(page, text).with_context(|| format!("cannot write {}", page.display()))?;
        }
    }
    Ok(failed)
}

/// The crate as it was published, in a folder of its own.
fn fetch(entry: &Entry) -> Result<PathBuf> {
    let full = format!("{}-{}", entry.name, entry.version);
    let top = std::env::current_dir().context("no current directory")?;
    let folder = top.join("build/crates").join(&full);
    if folder.is_dir() {
        return Ok(folder);
    }
    // cargo verifies what it fetches; a package that needs the crate has it do so.
    let user = tempfile::tempdir().context("cannot create a temporary folder")?;
    let manifest = format!(
        "[package]\nname = \"user\"\nedition = \"2021\"\n[dependencies]\n{} = \"={}\"\n[workspace]\n",
        entry.name, entry.version
    );
    fs::create_dir(user.path().join("src"))?;
    fs::write(user.path().join("src/lib.rs"), "")?;
    fs::write(user.path().join("Cargo.toml"), manifest)?;
    let status = Command::new("cargo")
        .args(["vendor", "--quiet", "--versioned-dirs"])
        .current_dir(user.path())
        .stdout(Stdio::null())
        .status()
        .context("cannot start cargo")?;
    if !status.success() {
        bail!("`{full}` cannot be fetched");
    }
    fs::create_dir_all(folder.parent().unwrap_or(&folder))?;
    let status = Command::new("cp")
        .arg("-R")
        .arg(user.path().join("vendor").join(&full))
        .arg(&folder)
        .status()
        .context("cannot start cp")?;
    if !status.success() {
        bail!("`{full}` cannot be copied");
    }
    Ok(folder)
}

/// Runs a crate's suite in the guest.
fn test(entry: &Entry, folder: &Path) -> Result<Found> {
    let cook = std::env::current_dir()
        .context("no current directory")?
        .join("cook");
    let output = Command::new(cook)
        .args(["cargo", "test", "--no-fail-fast"])
        .args(entry.release.then_some("--release"))
        .args(&entry.args)
        .current_dir(folder)
        .env(
            "COOK_EXEC",
            format!("--config base --timeout {}", entry.time_limit),
        )
        .stdin(Stdio::null())
        .output()
        .context("cannot start cook")?;
    let said = String::from_utf8_lossy(&output.stdout);
    let mut found = parse(&said);
    if !output.status.success() && found.failed.is_empty() {
        let errors = String::from_utf8_lossy(&output.stderr);
        let last: Vec<&str> = errors.lines().rev().take(12).collect();
        let last: Vec<&str> = last.into_iter().rev().collect();
        found.broken = Some(last.join("\n  | "));
    }
    Ok(found)
}

/// What the test programs said.
fn parse(text: &str) -> Found {
    let mut found = Found::default();
    for line in text.lines() {
        let Some((name, outcome)) = line
            .strip_prefix("test ")
            .and_then(|rest| rest.rsplit_once(" ... "))
        else {
            continue;
        };
        // Behind the name of an example there can be how it is treated.
        let name = name.split(" - should panic").next().unwrap_or(name);
        match outcome.split(',').next().unwrap_or(outcome) {
            "ok" => found.passed += 1,
            "ignored" => found.ignored += 1,
            "FAILED" => drop(found.failed.insert(name.to_owned())),
            _ => {}
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
    for test in &found.failed {
        if !entry.fails.contains_key(test) {
            problems.push(format!("{name}: `{test}`"));
        }
    }
    for test in entry.fails.keys() {
        if !found.failed.contains(test) {
            problems.push(format!("{name}: `{test}` is said to fail, and did not"));
        }
    }
    problems
}

/// A crate's line of the page, and the reasons below it.
fn row(entry: &Entry, found: &Found) -> String {
    let optimised = entry.release.then_some("optimised");
    let part = Some(entry.part.as_str()).filter(|part| !part.is_empty());
    let remarks: Vec<&str> = optimised.into_iter().chain(part).collect();
    let mut text = format!(
        "| {} | {} | {} | {} | {} | {} |\n",
        entry.name,
        entry.version,
        found.passed,
        found.failed.len(),
        found.ignored,
        remarks.join("; ")
    );
    for (test, reason) in &entry.fails {
        text += &format!("| | | | `{test}` | | {reason} |\n");
    }
    text
}

/// Puts a crate's rows into the page. Those of the others stay, if the table has them, in its order.
fn update(page: &str, table: &Table, new: &Entry, found: &Found) -> Result<String> {
    const HEAD: &str =
        "| crate | version | passed | failed | ignored | |\n|---|---|---|---|---|---|\n";
    let (before, rest) = page.split_once(BEGIN).context("no place for the table")?;
    let (old, after) = rest
        .split_once(END)
        .context("no end of the table's place")?;
    let mut blocks: Vec<(String, String)> = Vec::new();
    for line in old.trim().lines().skip(HEAD.lines().count()) {
        let mut cells = line.split('|').map(str::trim).skip(1);
        match (cells.next(), cells.next(), blocks.last_mut()) {
            (Some(""), _, Some((_, block))) => *block += &format!("{line}\n"),
            (Some(name), Some(version), _) => {
                blocks.push((format!("{name} {version}"), format!("{line}\n")));
            }
            _ => bail!("a row that is none: {line}"),
        }
    }
    let mut rows = String::new();
    for entry in &table.crates {
        let key = format!("{} {}", entry.name, entry.version);
        if entry.name == new.name {
            rows += &row(new, found);
        } else if let Some((_, block)) = blocks.iter().find(|(known, _)| *known == key) {
            rows += block;
        }
    }
    Ok(format!("{before}{BEGIN}\n\n{HEAD}{rows}\n{END}{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAID: &str = "\
running 3 tests
test a ... ok
test b::c - should panic ... ok
test b::d ... FAILED
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
            fails: fails.iter().map(|f| ((*f).into(), "so".into())).collect(),
        }
    }

    #[test]
    fn outcomes_are_counted() {
        let found = parse(SAID);
        assert_eq!((found.passed, found.ignored), (2, 1));
        let failed: Vec<&str> = found.failed.iter().map(String::as_str).collect();
        assert_eq!(failed, ["b::d", "src/lib.rs - f (line 3)"]);
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
        assert_eq!(judge(&entry(&[]), &Found::default()), ["n: nothing passed"]);
    }

    #[test]
    fn the_page_has_the_rows_of_those_that_were_run() {
        let named = |name: &str| Entry {
            name: name.into(),
            ..entry(&["b::d"])
        };
        let table = Table {
            crates: ["a", "n", "z"].map(named).into(),
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
