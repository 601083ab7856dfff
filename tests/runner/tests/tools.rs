//! What people call by hand: the Makefile and the scripts in `tools/`.

use std::path::{Path, PathBuf};
use std::process::Command;

fn top() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// What is run is in `build/`, and has to be built there, wherever somebody has cargo put their own programs.
#[test]
fn make_keeps_settings_for_cargo_from_its_rules() {
    let settings = [
        "CARGO_TARGET_DIR",
        "CARGO_BUILD_TARGET",
        "CARGO_BUILD_BUILD_DIR",
        "RUSTC_WRAPPER",
    ];
    let output = Command::new("make")
        .current_dir(top())
        .args(["--silent", "--eval=shown: ; @env", "shown"])
        .envs(settings.map(|name| (name, "elsewhere")))
        .env("KEPT", "elsewhere")
        .env_remove("MAKEFLAGS")
        .output()
        .expect("make");
    let shown = String::from_utf8_lossy(&output.stdout);
    let elsewhere: Vec<&str> = shown
        .lines()
        .filter_map(|line| line.strip_suffix("=elsewhere"))
        .collect();
    assert_eq!(elsewhere, ["KEPT"], "{output:?}");
}

#[test]
fn fuzzing_ends() {
    for seconds in ["0", "00", "", "-1", "1x"] {
        let output = Command::new(top().join("tools/fuzz"))
            .arg(seconds)
            .output()
            .expect("tools/fuzz");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(
            !output.status.success() && said.contains("SECONDS"),
            "{seconds:?}: {said}"
        );
    }
}
