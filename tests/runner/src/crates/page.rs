//! The page with what the suites came to.

use anyhow::{Context, Result, bail};

use super::{Entry, Found, Table};

/// Between these lines of the page stands what the last run found.
pub(super) const BEGIN: &str = "<!-- begin: make test-crates -->";
pub(super) const END: &str = "<!-- end -->";

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
    if entry.by_module {
        for (module, (passed, failed)) in &found.modules {
            text += &format!("| | {module} | {passed} | {failed} | | |\n");
        }
    }
    for (test, reason) in &entry.fails {
        text += &format!("| | | | `{test}` | | {reason} |\n");
    }
    for group in &entry.group {
        let tests: Vec<String> = group.tests.iter().map(|test| format!("`{test}`")).collect();
        text += &format!("| | | | {} | | {} |\n", tests.join(", "), group.reason);
    }
    text
}

/// Puts a crate's rows into the page. Those of the others stay, if the table has them, in its order.
pub(super) fn update(page: &str, table: &Table, new: &Entry, found: &Found) -> Result<String> {
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
