//! The runner against a guest that says what it is told to.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

/// A folder with the guest and empty tables, and the runner's way into it.
struct Bench {
    folder: TempDir,
}

fn tool(name: &str, args: &[&str], folder: &Path) {
    let status = Command::new(name).args(args).current_dir(folder).status();
    assert!(
        status
            .unwrap_or_else(|e| panic!("{name}: {e} (make deps)"))
            .success(),
        "{name} {args:?}"
    );
}

impl Bench {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let source = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/echo.S");
        let source = source.to_str().unwrap();
        let target = "--target=x86_64-unknown-none-elf";
        tool(
            "clang",
            &[target, "-c", source, "-o", "echo.o"],
            folder.path(),
        );
        tool(
            "ld.lld",
            &["-Ttext=0x100000", "-e", "start", "echo.o", "-o", "echo"],
            folder.path(),
        );
        fs::write(folder.path().join("initfs.toml"), "").unwrap();
        Self { folder }
    }

    /// Writes a suite in which the guest says `script` and ends as `cmdline` tells.
    fn suite(&self, name: &str, settings: &str, cmdline: &str, script: &str) -> String {
        let path = self.folder.path().join(name);
        fs::write(&path, format!("\n{script}\n")).unwrap();
        format!(
            "[[suite]]\nname = '{name}'\ncmdline = '{cmdline}'\n{settings}\nfiles = {{ script = '{}' }}\n",
            path.display()
        )
    }

    fn run(&self, suites: &str, command: &[&str]) -> Output {
        fs::write(self.folder.path().join("suites.toml"), suites).unwrap();
        Command::new(env!("CARGO_BIN_EXE_test-runner"))
            .args([
                "--suites",
                "suites.toml",
                "--initfs",
                "initfs.toml",
                "--kernel",
                "echo",
                "--logs",
                "logs",
            ])
            .args(command)
            .current_dir(self.folder.path())
            .output()
            .unwrap()
    }
}

#[test]
fn verdicts_are_summed_up_and_logs_kept() {
    let bench = Bench::new();
    let good = bench.suite(
        "good",
        "",
        "q0",
        "hello\r\n@test plan 2\r\n@test ok a\r\n@test skip b: none here\r\n@done 0\r",
    );
    let output = bench.run(&good, &["test"]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}");
    assert!(text.starts_with("good: 1 passed, 1 skipped ("), "{text}");
    assert!(text.ends_with("\n1 passed, 0 failed\n"), "{text}");
    let log = fs::read_to_string(bench.folder.path().join("logs/good.serial")).unwrap();
    assert!(log.contains("hello"));

    let bad = bench.suite(
        "bad",
        "",
        "q3",
        "@test plan 2\n@test FAIL x: got 1, wanted 2\n@test ok y\n@done 1",
    );
    let reset = bench.suite("reset", "", "r", "@test plan 1\n@test ok z");
    let panic = bench.suite(
        "panic",
        "timeout = 50",
        "h",
        "@test plan 1\nkernel: panicked at cheese",
    );
    let output = bench.run(&format!("{good}{bad}{reset}{panic}"), &["test"]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1), "{text}");
    for expected in [
        "bad: 1 passed, 2 failed",
        "FAIL x: got 1, wanted 2",
        "FAIL the guest ended with status 1",
        "reset: 1 passed, 1 failed",
        "FAIL the machine stopped before @done",
        "FAIL kernel: panicked at cheese",
        "FAIL 1 tests announced, 0 reported",
        "  | kernel: panicked at cheese",
        "logs/bad.serial",
    ] {
        assert!(text.contains(expected), "{expected}\nis missing in\n{text}");
    }
    assert!(text.ends_with("\n3 passed, 5 failed\n"), "{text}");

    let output = bench.run(&format!("{good}{bad}"), &["test", "good"]);
    assert!(output.status.success());
    let output = bench.run(&good, &["test", "none"]);
    assert!(
        String::from_utf8(output.stderr)
            .unwrap()
            .contains("no suite named \"none\"; there are: good")
    );
}

#[test]
fn a_guest_that_never_ends_is_ended() {
    let bench = Bench::new();
    let suite = bench.suite("mute", "timeout = 1", "h", "@test plan 1");
    let output = bench.run(&suite, &["test"]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("FAIL still running after 1 s"), "{text}");
    assert_eq!(output.status.code(), Some(1));
    // One that is done but does not switch off is not at fault.
    let suite = bench.suite(
        "lazy",
        "timeout = 60",
        "h",
        "@test plan 1\n@test ok a\n@done 0",
    );
    let output = bench.run(&suite, &["test"]);
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stdout)
    );
}

#[test]
fn what_the_emulator_says_is_shown() {
    let bench = Bench::new();
    fs::write(bench.folder.path().join("echo"), "not a kernel").unwrap();
    let output = bench.run(&bench.suite("s", "", "q0", ""), &["test"]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("FAIL qemu-system-x86_64: "), "{text}");
    fs::remove_file(bench.folder.path().join("echo")).unwrap();
    let output = bench.run(&bench.suite("s", "", "q0", ""), &["test"]);
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(text.contains("echo is missing"), "{text}");
}

#[test]
fn benchmarks_write_results_and_a_table() {
    let bench = Bench::new();
    let at = |name: &str| bench.folder.path().join(name);
    let suite = bench.suite(
        "b",
        "bench = true\nicount = true",
        "q0",
        "@bench null-call 1234\n@bench open 99\n@done 0",
    );
    let command = [
        "bench",
        "--results",
        "r.json",
        "--baseline",
        "base.json",
        "--reference",
        "ref.json",
    ];
    let output = bench.run(&suite, &command);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}");
    assert!(
        text.contains("null-call         1,234         -     new\n"),
        "{text}"
    );
    assert!(text.contains("no baseline"), "{text}");
    let results = fs::read_to_string(at("r.json")).unwrap();
    assert_eq!(results, "{\n  \"null-call\": 1234,\n  \"open\": 99\n}\n");

    fs::write(at("base.json"), "{\"null-call\": 1000}").unwrap();
    fs::write(
        at("ref.json"),
        "{\"system\": \"S\", \"columns\": [\"c\"], \"operations\": {\"open\": [7]}}",
    )
    .unwrap();
    let text = String::from_utf8(bench.run(&suite, &command).stdout).unwrap();
    assert!(
        text.contains("null-call         1,234     1,000  +23.4 %  -\n"),
        "{text}"
    );
    assert!(
        text.contains("open                 99         -      new  7\n"),
        "{text}"
    );

    let broken = bench.suite("b", "bench = true", "q0", "@bench null-call 1\n@done 1");
    let output = bench.run(&broken, &command);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(fs::read_to_string(at("r.json")).unwrap(), results);
}
