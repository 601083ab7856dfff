//! The tables of `tests/ports` as far as a host can tell: what they expect of a shell and of the utilities is
//! what the host's own do.

use std::path::{Path, PathBuf};
use std::process::Command;

fn top() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Runs a table with the host's shell and answers the lines of its report.
fn report(table: &str) -> Vec<String> {
    let ports = top().join("tests/ports");
    let output = Command::new("/bin/sh")
        .arg(ports.join("run.sh"))
        .arg(ports.join(table))
        .env("root", "/nowhere")
        .env("LC_ALL", "C")
        .output()
        .unwrap();
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .map(str::to_owned)
        .collect()
}

/// A shell of the host that is dash, as it is on Debian.
fn host_has_dash() -> bool {
    std::fs::canonicalize("/bin/sh").is_ok_and(|path| path.ends_with("dash"))
}

#[test]
fn the_hosts_dash_does_what_the_table_says() {
    if !host_has_dash() {
        return;
    }
    let lines = report("dash.sh");
    let failed: Vec<_> = lines
        .iter()
        .filter(|line| line.contains(" FAIL "))
        .collect();
    assert!(failed.is_empty(), "{failed:#?}");
    let passed = lines.iter().filter(|line| line.contains(" ok ")).count();
    assert_eq!(lines.first().cloned(), Some(format!("@test plan {passed}")));
    assert!(passed > 100);
}

/// Of the utilities' table only what needs our own package may fail, and what a system without device files refuses.
#[test]
fn the_hosts_utilities_do_what_the_table_says() {
    if !host_has_dash() {
        return;
    }
    let ours_alone = [
        "coreutils.count_of_utilities",
        "coreutils.env",
        "coreutils.mknod_of_a_device",
    ];
    let lines = report("coreutils.sh");
    let failed: Vec<_> = lines
        .iter()
        .filter_map(|line| line.strip_prefix("@test FAIL "))
        .filter(|line| {
            !ours_alone
                .iter()
                .any(|name| line.starts_with(&format!("{name}:")))
        })
        .collect();
    assert!(failed.is_empty(), "{failed:#?}");
}

#[test]
fn every_port_but_libraries_has_a_table() {
    let mut recipes: Vec<String> = std::fs::read_dir(top().join("recipes/ports"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        // Tests of another one, which its table runs.
        .filter(|name| !name.ends_with("-tests"))
        .collect();
    recipes.sort();
    let missing: Vec<_> = recipes
        .iter()
        .filter(|name| !top().join(format!("tests/ports/{name}.sh")).is_file())
        .collect();
    assert_eq!(
        missing,
        ["nano", "ncurses", "redoxfs"],
        "of the first two there is nothing to see without a terminal; redoxfs has a suite of its own"
    );
}
