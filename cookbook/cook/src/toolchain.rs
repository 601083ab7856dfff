//! The compilers, and the environment in which they build for the target.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context, Result, bail};
use cookbook_core::cc;
use cookbook_core::fingerprint::Builder;

use crate::files;
use crate::process;
use crate::tree::{TARGET, Tree};

/// How programs with `std` are compiled: the same words as in `tools/guest-cargo`, since cargo builds
/// `std` anew for others.
pub const RUSTFLAGS: [&str; 11] = [
    "-Cpanic=unwind",
    "-Crelocation-model=static",
    "-Ctarget-feature=+crt-static",
    "-Clinker=guest-ld",
    "-Clinker-flavor=ld.lld",
    "-Clink-arg=-e_start",
    "-Clink-arg=-static",
    "-Clink-arg=--no-pie",
    "-Clink-arg=--gc-sections",
    "-Clink-arg=--eh-frame-hdr",
    "--cfg=cuprite_std",
];

/// Programs under the target's name, and what each is: a part of this program, or one of LLVM's.
const BINARIES: [(&str, Shim); 15] = [
    ("gcc", Shim::Own),
    ("cc", Shim::Own),
    ("clang", Shim::Own),
    ("cpp", Shim::Own),
    ("cargo", Shim::Own),
    ("pkg-config", Shim::Own),
    ("ld", Shim::Host("ld.lld")),
    ("ar", Shim::Host("llvm-ar")),
    ("ranlib", Shim::Host("llvm-ranlib")),
    ("nm", Shim::Host("llvm-nm")),
    ("strip", Shim::Host("llvm-strip")),
    ("objcopy", Shim::Host("llvm-objcopy")),
    ("objdump", Shim::Host("llvm-objdump")),
    ("readelf", Shim::Host("llvm-readelf")),
    ("strings", Shim::Host("llvm-strings")),
];

#[derive(Clone, Copy)]
enum Shim {
    Own,
    Host(&'static str),
}

/// A Rust toolchain with the standard library's sources.
#[derive(Clone, Debug)]
pub struct Rust {
    /// The compiler.
    pub rustc: PathBuf,
    /// cargo.
    pub cargo: PathBuf,
}

impl Rust {
    /// The one that `tools/rust-env` finds.
    pub fn find(tree: &Tree) -> Result<Self> {
        // `tools/deps` keeps what was found, which is quicker than finding it.
        let cached = fs::read_to_string(tree.build().join(".rust-env")).unwrap_or_default();
        if let Some(rust) = cached.lines().nth(2).and_then(Self::parse)
            && rust.rustc.is_file()
            && rust.cargo.is_file()
        {
            return Ok(rust);
        }
        let printed = process::output::<&str>(&tree.tools().join("rust-env"), &[])?;
        Self::parse(&printed).with_context(|| format!("tools/rust-env printed {printed:?}"))
    }

    fn parse(line: &str) -> Option<Self> {
        let value = |name: &str| {
            let word = line
                .split_whitespace()
                .find_map(|word| word.strip_prefix(name));
            word.map(PathBuf::from)
        };
        Some(Self {
            rustc: value("RUSTC=")?,
            cargo: value("CARGO=")?,
        })
    }
}

/// Variables of the environment.
pub type Variables = BTreeMap<String, OsString>;

/// Puts host programs under the target's name into one folder, and answers it.
pub fn binaries(tree: &Tree) -> Result<PathBuf> {
    let folder = tree.bin();
    files::make_folder(&folder)?;
    let own = std::env::current_exe().context("cannot find this program")?;
    for (name, shim) in BINARIES {
        let target = match shim {
            Shim::Own => own.clone(),
            Shim::Host(program) => match find(program) {
                Some(path) => path,
                None => continue,
            },
        };
        let link = folder.join(format!("{TARGET}-{name}"));
        if fs::read_link(&link).is_ok_and(|old| old == target) {
            continue;
        }
        // Another build may be doing the same, here or in another process.
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let partial = folder.join(format!(".{name}.{}.{number}", std::process::id()));
        files::remove(&partial)?;
        symlink(&target, &partial)
            .and_then(|()| fs::rename(&partial, &link))
            .with_context(|| format!("cannot write {}", link.display()))?;
    }
    Ok(folder)
}

/// Where a program is in the search path.
pub fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let mut found = std::env::split_paths(&path).map(|folder| folder.join(program));
    found.find(|file| file.is_file())
}

/// The environment in which C programs are configured and built.
pub fn c_environment(tree: &Tree, sysroot: &Path) -> Result<Variables> {
    let bin = binaries(tree)?;
    let mut variables = Variables::new();
    let mut set = |name: &str, value: &OsStr| variables.insert(name.to_owned(), value.to_owned());
    let tool = |name: &str| OsString::from(format!("{TARGET}-{name}"));
    for (variable, name) in [
        ("CC", "gcc"),
        ("LD", "ld"),
        ("AR", "ar"),
        ("RANLIB", "ranlib"),
        ("NM", "nm"),
        ("STRIP", "strip"),
        ("OBJCOPY", "objcopy"),
        ("OBJDUMP", "objdump"),
        ("READELF", "readelf"),
        ("PKG_CONFIG", "pkg-config"),
    ] {
        set(variable, &tool(name));
    }
    // Programs that are run during a build are the host's.
    for variable in ["CC_FOR_BUILD", "BUILD_CC", "HOSTCC"] {
        set(variable, OsStr::new("cc"));
    }
    set("CFLAGS", OsStr::new("-O2"));
    set("CUPRITE_TOP", tree.top.as_os_str());
    set("CUPRITE_SYSROOT", sysroot.as_os_str());
    set("PKG_CONFIG_SYSROOT_DIR", sysroot.as_os_str());
    let folders = ["usr/lib/pkgconfig", "usr/share/pkgconfig"].map(|f| sysroot.join(f));
    let folders = std::env::join_paths(folders).context("the tree's path has a colon in it")?;
    set("PKG_CONFIG_LIBDIR", &folders);
    set("PKG_CONFIG_PATH", OsStr::new(""));
    set("PATH", &search_path(&[&bin, &tree.tools()])?);
    Ok(variables)
}

/// The environment in which cargo builds for the target, to be added to [`c_environment`].
pub fn cargo_environment(tree: &Tree, rust: &Rust) -> Variables {
    let mut variables = Variables::new();
    let mut set = |name: &str, value: &OsStr| variables.insert(name.to_owned(), value.to_owned());
    set("RUSTC", rust.rustc.as_os_str());
    set("RUSTC_WRAPPER", OsStr::new("guest-rustc"));
    set("RUSTC_BOOTSTRAP", OsStr::new("1"));
    set(
        "CARGO_ENCODED_RUSTFLAGS",
        OsStr::new(&RUSTFLAGS.join("\u{1f}")),
    );
    // Examples in documentation are programs too, which rustdoc links.
    set(
        "CARGO_ENCODED_RUSTDOCFLAGS",
        OsStr::new(&RUSTFLAGS.join("\u{1f}")),
    );
    set("CARGO_BUILD_TARGET", OsStr::new(TARGET));
    set("CARGO_UNSTABLE_BUILD_STD", OsStr::new("std,panic_unwind"));
    set("CARGO_BUILD_BUILD_DIR", tree.cargo_build().as_os_str());
    let upper = TARGET.to_uppercase().replace('-', "_");
    let lower = TARGET.replace('-', "_");
    set(&format!("CC_{lower}"), OsStr::new(&format!("{TARGET}-gcc")));
    set(&format!("AR_{lower}"), OsStr::new(&format!("{TARGET}-ar")));
    set(
        &format!("CARGO_TARGET_{upper}_RUNNER"),
        OsStr::new(&format!("{TARGET}-cargo --run")),
    );
    // For build scripts, which are the host's.
    set("HOST_CC", OsStr::new("cc"));
    set("PKG_CONFIG_ALLOW_CROSS", OsStr::new("1"));
    variables
}

/// The search path with `folders` in front.
pub fn search_path(folders: &[&Path]) -> Result<OsString> {
    let old = std::env::var_os("PATH").unwrap_or_default();
    let folders = folders.iter().map(|folder| folder.to_path_buf());
    let all = folders.chain(std::env::split_paths(&old));
    std::env::join_paths(all).context("the tree's path has a colon in it")
}

/// The compilers as part of what a build depends on: other files or newer ones are others.
pub fn fingerprint(tree: &Tree, builder: &mut Builder) -> Result<()> {
    let mut programs: Vec<PathBuf> = ["clang", "ld.lld", "llvm-ar"]
        .into_iter()
        .filter_map(find)
        .collect();
    // A tree without Rust builds what does not need it.
    if let Ok(rust) = Rust::find(tree) {
        programs.extend([rust.rustc, rust.cargo]);
    }
    for program in programs {
        let program = program.canonicalize().unwrap_or(program);
        let meta =
            fs::metadata(&program).with_context(|| format!("cannot read {}", program.display()))?;
        let state = format!("{} {} {}", program.display(), meta.len(), meta.mtime());
        builder.part("program", state);
    }
    builder.part("flags", RUSTFLAGS.join(" "));
    builder.part("C flags", cc::flags().collect::<Vec<_>>().join(" "));
    for script in ["guest-ld", "guest-rustc", "std/make", "std/libs_redox.rs"] {
        let path = tree.tools().join(script);
        if path.is_file() {
            files::fingerprint(&path, script, builder)?;
        }
    }
    Ok(())
}

/// Makes cargo link anew what it linked before the C library changed: it does not know that programs
/// are made of one.
pub fn forget_older_programs(build: &Path, library: &Path) -> Result<()> {
    let Ok(changed) = fs::metadata(library).and_then(|meta| meta.modified()) else {
        return Ok(());
    };
    for profile in ["release", "debug"] {
        let folder = build.join(TARGET).join(profile).join(".fingerprint");
        // A package's folder has what cargo knows of its parts. Another build may be removing the same.
        let packages = list_if_there(&folder)?;
        let files = packages.iter().map(|package| list_if_there(package));
        for path in files.collect::<Result<Vec<_>>>()?.concat() {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let linked = ["bin-", "test-", "example-", "bench-"];
            if !linked.iter().any(|prefix| name.starts_with(prefix)) {
                continue;
            }
            let time = fs::metadata(&path).and_then(|meta| meta.modified());
            if time.is_ok_and(|time| time <= changed) {
                files::remove(&path)?;
            }
        }
    }
    Ok(())
}

/// The entries of a folder; none if it is not there, or no folder.
fn list_if_there(folder: &Path) -> Result<Vec<PathBuf>> {
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let listed = files::list(folder);
    if listed.is_err() && !folder.is_dir() {
        return Ok(Vec::new());
    }
    listed
}

/// Fails unless there is a C library to link with.
pub fn need_sysroot(sysroot: &Path) -> Result<()> {
    if sysroot.join("lib/libc.a").is_file() {
        return Ok(());
    }
    bail!(
        "{} has no C library: make sysroot builds it",
        sysroot.display()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Other flags than those of `tools/guest-cargo` would build `std` a second time.
    #[test]
    fn flags_are_those_of_the_script() {
        let script = include_str!("../../../tools/guest-cargo");
        assert!(script.contains(&format!("flags=\"{}\"", RUSTFLAGS.join(" "))));
    }

    #[test]
    fn older_programs_are_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let build = folder.path();
        let package = build.join(TARGET).join("release/.fingerprint/a-1");
        for name in ["bin-a", "bin-a.json", "lib-a", "dep-lib-a"] {
            files::write(&package.join(name), b"x").unwrap();
        }
        // Neither a folder without anything nor what is no folder is in the way.
        files::make_folder(&package.with_file_name("b-1")).unwrap();
        files::write(&package.with_file_name("file"), b"x").unwrap();
        let library = build.join("libc.a");
        forget_older_programs(build, &library).unwrap();
        assert!(package.join("bin-a").exists());
        let file = fs::File::create(&library).unwrap();
        let later = std::time::SystemTime::now() + std::time::Duration::from_secs(9);
        file.set_modified(later).unwrap();
        forget_older_programs(build, &library).unwrap();
        let left = files::list(&package).unwrap();
        assert_eq!(left, ["dep-lib-a", "lib-a"].map(|name| package.join(name)));
    }

    #[test]
    fn rust_env() {
        let rust = Rust::parse("RUSTC=/a/rustc CARGO=/b/cargo").unwrap();
        assert_eq!(rust.rustc, Path::new("/a/rustc"));
        assert_eq!(rust.cargo, Path::new("/b/cargo"));
        assert!(Rust::parse("RUSTC=/a/rustc").is_none());
    }
}
