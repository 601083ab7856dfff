//! The instruction counts in the documentation are those of `bench/baseline.json`.

use std::{collections::BTreeMap, fs, path::Path};

use test_runner::bench::grouped;

/// A page, how one of its tables' rows begins, and the operations that its columns are of.
const ROWS: &[(&str, &str, &[&str])] = &[
    ("architecture", "null call", &["null-call"]),
    ("architecture", "fcntl", &["fcntl"]),
    ("architecture", "dup + close", &["dup-close"]),
    (
        "architecture",
        "yield to another process",
        &["context-switch"],
    ),
    ("architecture", "page fault, first touch", &["page-fault"]),
    (
        "architecture",
        "pipe, one byte there and back",
        &["pipe-ping-pong"],
    ),
    (
        "architecture",
        "empty call of a user scheme, there and back",
        &["user-call"],
    ),
    (
        "architecture",
        "open + close on a user scheme",
        &["user-open-close"],
    ),
    (
        "architecture",
        "the same through a redirect",
        &["redirect-open-close"],
    ),
    (
        "architecture",
        "16-byte read from a user scheme",
        &["user-read-16"],
    ),
    ("architecture", "4 KiB read", &["user-read-4k"]),
    ("architecture", "1 MiB read", &["user-read-1m"]),
    (
        "architecture",
        "context create + destroy",
        &["context-create-destroy"],
    ),
    (
        "architecture",
        "address space create + destroy",
        &["space-create-destroy"],
    ),
    (
        "architecture",
        "address space copy + destroy, for each page",
        &["space-copy-page"],
    ),
    (
        "architecture",
        "fork + exit + wait, of a program of 200 pages",
        &["fork-exit-wait"],
    ),
    (
        "architecture",
        "open + close of a file, by libc",
        &["open-close"],
    ),
    (
        "architecture",
        "the same, beneath an open folder",
        &["open-beneath-close"],
    ),
    ("architecture", "stat, by libc", &["stat"]),
    ("architecture", "spawn + exit + wait", &["spawn-exit-wait"]),
    (
        "architecture",
        "`std`: command + exit + wait",
        &["std-command-exit-wait"],
    ),
    (
        "architecture",
        "`std`: thread, create + join",
        &["thread-create-join"],
    ),
    ("architecture", "mutex, lock + unlock", &["mutex"]),
    ("architecture", "the same, contended", &["mutex-contended"]),
    (
        "namespaces",
        "open a file of a user scheme through the namespace + close",
        &[
            "ns-open-close",
            "ns-open-close-16384-names",
            "ns-open-close-10000-namespaces",
        ],
    ),
    (
        "namespaces",
        "a name that is not bound",
        &[
            "ns-missing",
            "ns-missing-16384-names",
            "ns-missing-10000-namespaces",
        ],
    ),
    (
        "namespaces",
        "shrink + close",
        &[
            "ns-shrink-close",
            "ns-shrink-close-16384-names",
            "ns-shrink-close-10000-namespaces",
        ],
    ),
    (
        "namespaces",
        "fork of 3 names + close",
        &[
            "ns-fork-3-close",
            "ns-fork-3-close-16384-names",
            "ns-fork-3-close-10000-namespaces",
        ],
    ),
];

/// The goals that the namespace manager's operations have, by the documentation's fifth column.
fn goal(cells: &[&str]) -> Option<u64> {
    cells.get(4)?.replace(',', "").parse().ok()
}

fn read(path: &str) -> String {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    fs::read_to_string(top.join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

#[test]
fn the_documentation_tells_the_counts() {
    let baseline: BTreeMap<String, u64> =
        serde_json::from_str(&read("bench/baseline.json")).unwrap();
    let mut wrong = Vec::new();
    for (page, label, operations) in ROWS {
        let text = read(&format!("docs/{page}.md"));
        let rows: Vec<Vec<&str>> = text
            .lines()
            .filter_map(|line| line.strip_prefix("| "))
            .map(|line| line.split('|').map(str::trim).collect::<Vec<_>>())
            .filter(|cells| cells.first() == Some(label))
            .collect();
        let [cells] = &rows[..] else {
            panic!("{page}.md has {} rows `{label}`", rows.len());
        };
        for (column, operation) in operations.iter().enumerate() {
            let counted = grouped(baseline[*operation]);
            if cells.get(column + 1) != Some(&counted.as_str()) {
                wrong.push(format!(
                    "docs/{page}.md, `{label}`: {operation} is {counted}"
                ));
            }
        }
        if *page == "namespaces" {
            assert!(goal(cells).is_some(), "`{label}` has no goal");
            let counted = baseline[operations[0]];
            assert!(
                goal(cells) >= Some(counted),
                "`{label}`: {counted} is above the goal"
            );
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
