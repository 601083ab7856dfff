//! The conformance tables that the system is tested with (`tests/guest/c/conform`) are what the host's C
//! library answers. `CONFORM_WRITE=1 cargo test -p relibc-core --test conform` writes them anew.

use std::path::{Path, PathBuf};
use std::process::Command;

const SECTIONS: [&str; 16] = [
    "math",
    "long_math",
    "complex",
    "environment",
    "text",
    "wide",
    "convert",
    "print",
    "scan",
    "streams",
    "time",
    "patterns",
    "tables",
    "words",
    "files",
    "misc",
];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/guest/c/conform")
}

#[test]
fn the_tables_are_the_hosts() {
    let work = std::env::temp_dir().join(format!("relibc-conform-{}", std::process::id()));
    std::fs::create_dir_all(&work).unwrap();
    let sources = std::fs::read_dir(folder())
        .unwrap()
        .map(|e| e.unwrap().path());
    let sources = sources.filter(|p| p.extension().is_some_and(|e| e == "c"));
    let built = Command::new("clang")
        .args([
            "-std=gnu11",
            "-O1",
            "-w",
            "-fno-builtin",
            "-frounding-math",
            "-ffp-contract=off",
            "-D_GNU_SOURCE",
        ])
        .args(sources)
        .args(["-lm", "-o"])
        .arg(work.join("conform"))
        .output()
        .unwrap_or_else(|e| panic!("clang: {e} (make deps installs it)"));
    assert!(
        built.status.success(),
        "{}",
        String::from_utf8_lossy(&built.stderr)
    );
    let mut wrong = Vec::new();
    for name in SECTIONS {
        let output = Command::new(work.join("conform"))
            .args(["print", name])
            .arg(work.join("scratch"))
            .current_dir(&work)
            .output()
            .unwrap();
        assert!(output.status.success(), "{name}: {:?}", output.status);
        let path = folder().join("expected").join(format!("{name}.txt"));
        if std::env::var_os("CONFORM_WRITE").is_some() {
            std::fs::write(&path, &output.stdout).unwrap();
        }
        let table = std::fs::read(&path).unwrap_or_default();
        let rows = |bytes: &[u8]| {
            bytes
                .split(|&b| b == b'\n')
                .map(|l| String::from_utf8_lossy(l).into_owned())
                .collect::<Vec<_>>()
        };
        let (have, want) = (rows(&table), rows(&output.stdout));
        assert!(want.len() > 20, "{name}: {} rows", want.len());
        for (n, pair) in have
            .iter()
            .zip(&want)
            .enumerate()
            .filter(|(_, (a, b))| a != b)
            .take(5)
        {
            wrong.push(format!(
                "{name} row {}: table {:?}, host {:?}",
                n + 1,
                pair.0,
                pair.1
            ));
        }
        if have.len() != want.len() {
            wrong.push(format!("{name}: {} rows, host {}", have.len(), want.len()));
        }
    }
    std::fs::remove_dir_all(&work).unwrap();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
