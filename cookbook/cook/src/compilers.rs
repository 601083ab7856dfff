//! The compilers for the target, as the host's programs call them: `cook cc`, `cook cargo`, `cook env`, and the
//! same under names like `x86_64-unknown-redox-gcc`.

use std::ffi::OsString;
use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, bail};
use cookbook_core::cc::{self, Plan};

use crate::output;
use crate::toolchain::{self, Rust};
use crate::tree::{TARGET, Tree};

/// Words of cargo's command line behind which a program is run in the guest.
const RUN: &str = "--run";

/// The sysroot that the environment says, or else the tree's.
fn sysroot(tree: &Tree) -> PathBuf {
    let said = std::env::var_os("CUPRITE_SYSROOT").map(PathBuf::from);
    said.unwrap_or_else(|| tree.sysroot())
}

/// If this program was called by a name of the target's, does what that name stands for.
pub fn by_name(program: &str, args: &[OsString]) -> Option<Result<ExitCode>> {
    let name = Path::new(program).file_name()?.to_str()?;
    let tool = name.strip_prefix(TARGET)?.strip_prefix('-')?;
    let run = || {
        let tree = Tree::find()?;
        match tool {
            "gcc" | "cc" | "clang" => cc(&tree, args),
            "cpp" => {
                let mut all = vec![OsString::from("-E")];
                all.extend_from_slice(args);
                cc(&tree, &all)
            }
            "cargo" if args.first().is_some_and(|arg| arg == RUN) => {
                in_guest(&tree, args.get(1..).unwrap_or(&[]))
            }
            "cargo" => cargo(&tree, args),
            "pkg-config" => pkg_config(&tree, args),
            _ => bail!("{name}: no such tool"),
        }
    };
    Some(run())
}

/// The C compiler.
pub fn cc(tree: &Tree, args: &[OsString]) -> Result<ExitCode> {
    let sysroot = sysroot(tree);
    let mut words = Vec::new();
    for arg in args {
        let arg = arg.to_str().context("an argument that is not UTF-8")?;
        match arg.strip_prefix('@') {
            // A word with an at sign that names no file is a word, as for other compilers.
            Some(file) if Path::new(file).is_file() => {
                let text = fs::read_to_string(file)
                    .with_context(|| format!("cannot read the response file {file}"))?;
                words.extend(cc::response(&text));
            }
            _ => words.push(arg.to_owned()),
        }
    }
    let map = std::env::var("CUPRITE_PREFIX_MAP").unwrap_or_default();
    let sysroot_text = sysroot
        .to_str()
        .context("the sysroot's path is not UTF-8")?;
    match cc::plan(&words, sysroot_text, &map) {
        Plan::Print(line) => {
            output::say(&format!("{line}\n"))?;
            Ok(ExitCode::SUCCESS)
        }
        Plan::Refuse(why) => {
            eprintln!("cook cc: {why}");
            Ok(ExitCode::FAILURE)
        }
        Plan::Run(words) => {
            toolchain::need_sysroot(&sysroot)?;
            replace_by(Command::new("clang").args(words))
        }
    }
}

/// The archiver.
pub fn ar(args: &[OsString]) -> Result<ExitCode> {
    replace_by(Command::new("llvm-ar").args(args))
}

/// pkg-config, which finds what is in the sysroot and nothing of the host's.
fn pkg_config(tree: &Tree, args: &[OsString]) -> Result<ExitCode> {
    let sysroot = sysroot(tree);
    let Some(program) = toolchain::find("pkg-config").or_else(|| toolchain::find("pkgconf")) else {
        bail!("pkg-config is not installed (apt-get install pkgconf)");
    };
    let folders = ["usr/lib/pkgconfig", "usr/share/pkgconfig"].map(|f| sysroot.join(f));
    let folders = std::env::join_paths(folders).context("the sysroot's path has a colon in it")?;
    let mut command = Command::new(program);
    command.arg("--static").args(args);
    command
        .env("PKG_CONFIG_LIBDIR", folders)
        .env("PKG_CONFIG_PATH", "");
    command.env("PKG_CONFIG_SYSROOT_DIR", &sysroot);
    replace_by(&mut command)
}

/// cargo for the target, in whatever folder.
pub fn cargo(tree: &Tree, args: &[OsString]) -> Result<ExitCode> {
    let rust = Rust::find(tree)?;
    let sysroot = sysroot(tree);
    toolchain::need_sysroot(&sysroot)?;
    let build = tree.cargo_build();
    toolchain::forget_older_programs(&build, &sysroot.join("lib/libc.a"))?;
    let mut command = Command::new(&rust.cargo);
    command.args(args);
    command
        .env("CUPRITE_TOP", &tree.top)
        .env("CUPRITE_SYSROOT", &sysroot);
    command.envs(toolchain::cargo_environment(tree, &rust));
    let rust_bin = rust.rustc.parent().unwrap_or(Path::new("/usr/bin"));
    let path = toolchain::search_path(&[&toolchain::binaries(tree)?, &tree.tools(), rust_bin])?;
    command.env("PATH", path);
    replace_by(&mut command)
}

/// Runs a command in the environment that `./configure && make` needs to build for the target.
pub fn env(tree: &Tree, command: &[OsString]) -> Result<ExitCode> {
    let sysroot = sysroot(tree);
    toolchain::need_sysroot(&sysroot)?;
    let mut variables = toolchain::c_environment(tree, &sysroot)?;
    variables.insert(
        "CPPFLAGS".into(),
        format!("-I{}/include", sysroot.display()).into(),
    );
    variables.insert(
        "LDFLAGS".into(),
        format!("-static -L{}/lib", sysroot.display()).into(),
    );
    variables.insert("TARGET".into(), TARGET.into());
    match command.split_first() {
        None => {
            let lines: String = variables
                .iter()
                .map(|(name, value)| format!("{name}={}\n", value.display()))
                .collect();
            output::say(&lines)?;
            Ok(ExitCode::SUCCESS)
        }
        Some((program, args)) => replace_by(Command::new(program).args(args).envs(variables)),
    }
}

/// What cargo runs in place of a program that it has built: the program, in the guest, with its arguments.
///
/// A test finds what tests expect: it, its package and the package's programs are at the paths that they have here, what
/// cargo says of them is in its environment, and it begins in the package's folder. Other programs are in `/root`.
fn in_guest(tree: &Tree, args: &[OsString]) -> Result<ExitCode> {
    let (program, args) = args.split_first().context("no program to run")?;
    let program = std::path::absolute(program).context("the program's path")?;
    let path = text(&program)?;
    let mut options = crate::exec::Options::from_environment()?;
    if is_test(&program) {
        let package = std::env::current_dir().context("no current folder")?;
        let package = text(&package)?;
        options.files.push(format!("{package}:{package}"));
        let mut place = program.clone();
        let variables = std::env::vars_os();
        let words = variables.filter_map(|(name, value)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        });
        for (name, value) in said_by_cargo(words) {
            if name.starts_with(PROGRAM) {
                options.files.push(format!("{value}:{value}"));
                place = beside(Path::new(&value), &program);
            }
            options.env.push(format!("{name}={value}"));
        }
        options.files.push(format!("{path}:{}", text(&place)?));
        options.folder = Some(package.to_owned());
        options.without = WITHOUT.map(str::to_owned).to_vec();
        options.command = vec![place.into_os_string()];
    } else {
        let name = program.file_name().unwrap_or_default();
        options.files.push(path.to_owned());
        options.command = vec![Path::new("/root").join(name).into_os_string()];
    }
    options.command.extend_from_slice(args);
    Ok(crate::exec::run(tree, &options))
}

fn text(path: &Path) -> Result<&str> {
    path.to_str()
        .with_context(|| format!("{}: a path that is not UTF-8", path.display()))
}

/// What the variables that say where a package's programs are begin with.
const PROGRAM: &str = "CARGO_BIN_EXE_";

/// Variables in which cargo tells a test of its package.
fn said_by_cargo(
    variables: impl Iterator<Item = (String, String)>,
) -> impl Iterator<Item = (String, String)> {
    variables.filter(|(name, _)| {
        ["CARGO_MANIFEST_", "CARGO_PKG_", PROGRAM]
            .iter()
            .any(|prefix| name.starts_with(prefix))
    })
}

/// Where cargo has a test when it keeps nothing in another folder: many a test looks for the program that it
/// tests in the folder above its own.
fn beside(program: &Path, test: &Path) -> PathBuf {
    let folder = program.parent().unwrap_or(Path::new("/"));
    folder
        .join("deps")
        .join(test.file_name().unwrap_or_default())
}

/// Folders of a package that its tests have no use for.
const WITHOUT: [&str; 2] = ["target", ".git"];

/// Whether a program is a test: of those cargo and rustdoc say so by where they put them.
fn is_test(program: &Path) -> bool {
    let folder = program.parent().and_then(Path::file_name);
    folder.is_some_and(|name| {
        name == "deps" || name == "out" || name.to_string_lossy().starts_with("rustdoctest")
    })
}

/// Becomes another program.
fn replace_by(command: &mut Command) -> Result<ExitCode> {
    let error = command.exec();
    let program = command.get_program().display().to_string();
    Err(error)
        .with_context(|| format!("cannot start {program} (make deps installs what is missing)"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests() {
        let rows = [
            ("/b/target/debug/deps/t-1", true),
            ("/b/debug/build/t/1/out/t", true),
            ("/tmp/rustdoctestXyz/rust_out", true),
            ("/b/target/debug/t", false),
        ];
        for (path, test) in rows {
            assert_eq!(is_test(Path::new(path)), test, "{path}");
        }
    }

    #[test]
    fn what_tests_are_told() {
        let rows = [
            ("CARGO_BIN_EXE_a-b", true),
            ("CARGO_MANIFEST_DIR", true),
            ("CARGO_PKG_NAME", true),
            ("CARGO", false),
            ("CARGO_HOME", false),
            ("CARGO_BUILD_TARGET", false),
            ("HOME", false),
        ];
        for (name, told) in rows {
            let all = [(name.to_owned(), "x".to_owned())].into_iter();
            assert_eq!(said_by_cargo(all).count() == 1, told, "{name}");
        }
        assert_eq!(
            beside(
                Path::new("/a/target/debug/rg"),
                Path::new("/b/debug/deps/t-1")
            ),
            Path::new("/a/target/debug/deps/t-1")
        );
    }
}
