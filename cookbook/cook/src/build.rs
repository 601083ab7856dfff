//! Building one recipe, in a folder of its own, with nothing but what it declares.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use cookbook_core::recipe::{Recipe, Template};
use cookbook_core::{Metadata, PackageName, stage};

use crate::state::State;
use crate::tree::{C_LIBRARY, TARGET, Tree};
use crate::{fetch, files, package, process, toolchain};

/// What stands before every recipe's script.
pub const PRELUDE: &str = include_str!("prelude.sh");

/// A moment after which nothing in a build's output is dated.
const EPOCH: &str = "315532800";

/// Variables of the caller's that builds see, beside what is set for them.
const KEPT: [&str; 12] = [
    "HOME",
    "CARGO_HOME",
    "RUSTUP_HOME",
    "TMPDIR",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "SSL_CERT_FILE",
    "CARGO_BUILD_JOBS",
];

/// A recipe, to be built.
#[derive(Clone, Debug)]
pub struct Job<'a> {
    /// The tree.
    pub tree: &'a Tree,
    /// The recipe's name.
    pub name: &'a str,
    /// Its folder.
    pub folder: &'a Path,
    /// What it says.
    pub recipe: &'a Recipe,
    /// The packages that its sysroot has: what it declares, and what those are built with.
    pub sysroot: &'a [String],
}

/// What came out of a build.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// The hash of everything.
    pub hash: String,
    /// The packages.
    pub packages: Vec<String>,
}

impl Job<'_> {
    /// Builds the recipe and writes its packages.
    pub fn run(&self) -> Result<Output> {
        // Whatever ends this, what is left is not what the last build left.
        State::forget(self.tree, self.name)?;
        let log = self.tree.log(self.name);
        if let Some(parent) = log.parent() {
            files::make_folder(parent)?;
        }
        fs::write(&log, "").with_context(|| format!("cannot write {}", log.display()))?;
        let build = self.tree.recipe_build(self.name);
        files::make_folder(&build)?;
        let folder = |name: &str| -> Result<PathBuf> {
            let folder = build.join(name);
            files::make_empty(&folder)?;
            Ok(folder)
        };
        let stage_folder = folder("stage")?;
        for old in parts(&build)? {
            files::remove(&old)?;
        }
        let mut identifier = String::new();
        if let Some(script) = script(&self.recipe.template)? {
            let sysroot = folder("sysroot")?;
            fill_sysroot(self.tree, self.sysroot, &sysroot)?;
            let chain = fetch::Chain::new(self.tree, self.folder, self.recipe.source.as_ref())?;
            let source = fetch::source(self.tree, &chain, &build, &log)?;
            identifier = source.identifier;
            if source.own {
                prepare(&source.folder, &chain.recipes)?;
            }
            let work = folder("build")?;
            self.run_script(
                &script,
                &source.folder,
                &work,
                &stage_folder,
                &sysroot,
                &log,
            )?;
            strip(&stage_folder)?;
        }
        package::normalise(&stage_folder)?;
        self.write_packages(&build, &stage_folder, &identifier)
    }

    fn run_script(
        &self,
        script: &str,
        source: &Path,
        work: &Path,
        stage: &Path,
        sysroot: &Path,
        log: &Path,
    ) -> Result<()> {
        process::need("bash", "building recipes")?;
        let mut variables = toolchain::c_environment(self.tree, sysroot)?;
        if let Ok(rust) = toolchain::Rust::find(self.tree) {
            variables.extend(toolchain::cargo_environment(self.tree, &rust));
            toolchain::forget_older_programs(
                &self.tree.cargo_build(),
                &sysroot.join("lib/libc.a"),
            )?;
        }
        let jobs = std::thread::available_parallelism().map_or(1, usize::from);
        let paths = [
            ("COOKBOOK_ROOT", self.tree.top.as_path()),
            ("COOKBOOK_RECIPE", self.folder),
            ("COOKBOOK_SOURCE", source),
            ("COOKBOOK_BUILD", work),
            ("COOKBOOK_STAGE", stage),
            ("COOKBOOK_SYSROOT", sysroot),
            // A source that asks git for its revision is not told this tree's.
            ("GIT_CEILING_DIRECTORIES", &self.tree.build()),
            ("CARGO_TARGET_DIR", &work.join("target")),
        ];
        for (name, path) in paths {
            variables.insert(name.to_owned(), path.as_os_str().to_owned());
        }
        // What programs keep of the place where they were built; of several that fit, the last counts.
        let mut places = Vec::new();
        places.extend(published_crates::cargo_home().map(|home| (home, "cargo")));
        places.push((self.tree.top.clone(), "cuprite"));
        places.push((sysroot.to_owned(), "sysroot"));
        places.push((work.to_owned(), "build"));
        // What is built where it is has the same name whoever builds it.
        if !self.tree.top.starts_with(source) {
            places.push((source.to_owned(), self.name));
        }
        let map = prefix_map(&places);
        let words = [
            ("TARGET", TARGET),
            ("COOKBOOK_MAKE_JOBS", &jobs.to_string()),
            ("SOURCE_DATE_EPOCH", EPOCH),
            ("LC_ALL", "C"),
            ("TZ", "UTC"),
            ("CPPFLAGS", &format!("-I{}/include", sysroot.display())),
            ("LDFLAGS", &format!("-static -L{}/lib", sysroot.display())),
            ("CUPRITE_PREFIX_MAP", &map),
        ];
        for (name, word) in words {
            variables.insert(name.to_owned(), OsString::from(word));
        }
        let text = format!("{PRELUDE}\nset -x\n{script}\n");
        let mut command = Command::new("bash");
        command.args(["--noprofile", "--norc", "-c", &text, self.name]);
        command.env_clear().current_dir(work);
        for name in KEPT {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        command.envs(variables);
        process::logged(&mut command, "the build", log)
    }

    /// Splits the optional packages' files off and writes all packages.
    fn write_packages(&self, build: &Path, stage: &Path, identifier: &str) -> Result<Output> {
        let metadata = |name: &str, depends: &[PackageName]| -> Result<Metadata> {
            Ok(Metadata {
                name: PackageName::new(name).with_context(|| format!("package `{name}`"))?,
                version: self.recipe.version.clone().unwrap_or_default(),
                target: TARGET.to_owned(),
                source_identifier: identifier.to_owned(),
                depends: depends.to_vec(),
                ..Metadata::default()
            })
        };
        let mut stages: Vec<(Metadata, PathBuf)> = Vec::new();
        for optional in &self.recipe.optional {
            let name = format!("{}.{}", self.name, optional.name);
            let folder = build.join(format!("stage.{}", optional.name));
            files::make_empty(&folder)?;
            for file in files::walk(stage)? {
                let path = file.to_string_lossy();
                if !optional
                    .files
                    .iter()
                    .any(|pattern| stage::matches(pattern, &path))
                {
                    continue;
                }
                let to = folder.join(&file);
                if let Some(parent) = to.parent() {
                    files::make_folder(parent)?;
                }
                fs::rename(stage.join(&file), &to)
                    .with_context(|| format!("cannot move {}", to.display()))?;
            }
            stages.push((metadata(&name, &optional.dependencies)?, folder));
        }
        stages.push((
            metadata(self.name, &self.recipe.run_dependencies)?,
            stage.to_owned(),
        ));
        let mut packages = BTreeMap::new();
        for (metadata, folder) in stages {
            let name = metadata.name.as_str().to_owned();
            packages.insert(name, package::write(self.tree, &folder, metadata)?);
        }
        package::remove_others(self.tree, self.name, |name| packages.contains_key(name))?;
        let mut hash = cookbook_core::fingerprint::Builder::new("output");
        for (name, package) in &packages {
            hash.part(name, package);
        }
        Ok(Output {
            hash: hash.finish().to_string(),
            packages: packages.into_keys().collect(),
        })
    }
}

/// The script that a template stands for; none for what is not built.
fn script(template: &Template) -> Result<Option<String>> {
    let quoted = |words: &[String]| {
        let words = words
            .iter()
            .map(|word| format!("'{}'", word.replace('\'', r"'\''")));
        words.collect::<Vec<_>>().join(" ")
    };
    Ok(Some(match template {
        Template::None => return Ok(None),
        Template::Remote => {
            bail!("template `remote`: there is no server with packages of this system")
        }
        Template::Custom { script } => script.clone(),
        Template::Configure { flags } => {
            format!(
                "COOKBOOK_CONFIGURE_FLAGS+=({})\ncookbook_configure",
                quoted(flags)
            )
        }
        Template::Cmake { flags } => {
            format!("COOKBOOK_CMAKE_FLAGS+=({})\ncookbook_cmake", quoted(flags))
        }
        Template::Meson { flags } => {
            format!("COOKBOOK_MESON_FLAGS+=({})\ncookbook_meson", quoted(flags))
        }
        Template::Cargo {
            path,
            flags,
            packages,
            examples,
        } => {
            let mut lines = Vec::new();
            if let Some(path) = path {
                lines.push(format!(
                    "PACKAGE_PATH={}",
                    quoted(std::slice::from_ref(path))
                ));
            }
            for (kind, names) in [("package", packages), ("example", examples)] {
                for name in names {
                    let installed = match kind {
                        "example" => format!(
                            "\"$(basename \"$COOKBOOK_RECIPE\")_\"{}",
                            quoted(std::slice::from_ref(name))
                        ),
                        _ => quoted(std::slice::from_ref(name)),
                    };
                    lines.push(format!(
                        "cookbook_cargo_install {kind} {} {installed} {}",
                        quoted(std::slice::from_ref(name)),
                        quoted(flags)
                    ));
                }
            }
            if packages.is_empty() && examples.is_empty() {
                lines.push(format!("cookbook_cargo {}", quoted(flags)));
            }
            lines.join("\n")
        }
    }))
}

fn prefix_map(pairs: &[(PathBuf, &str)]) -> String {
    let pairs = pairs
        .iter()
        .map(|(from, to)| format!("{}=/{to}", from.display()));
    pairs.collect::<Vec<_>>().join(":")
}

/// Makes a fetched source ready: with the lock file of the first of `recipes` that has one, with one date for every file (a
/// generated file must not seem older than what it is generated from, nor a changed one as old as before),
/// and with the tree's own cargo profile, which shares one `std` among all programs.
fn prepare(source: &Path, recipes: &[PathBuf]) -> Result<()> {
    let mut locks = recipes.iter().map(|recipe| recipe.join("Cargo.lock"));
    if let Some(lock) = locks.find(|lock| lock.is_file()) {
        files::copy(&lock, &source.join("Cargo.lock"))?;
    }
    let manifest = source.join("Cargo.toml");
    if manifest.is_file() {
        let text = fs::read_to_string(&manifest)
            .with_context(|| format!("cannot read {}", manifest.display()))?;
        if let Ok(mut table) = text.parse::<toml::Table>() {
            let mut release = toml::Table::new();
            release.insert("debug".into(), 1.into());
            release.insert("opt-level".into(), 3.into());
            let mut profile = toml::Table::new();
            profile.insert("release".into(), release.into());
            table.insert("profile".into(), profile.into());
            let text = toml::to_string(&table).context("cannot write a manifest")?;
            files::write(&manifest, text.as_bytes())?;
        }
    }
    let now = std::time::SystemTime::now();
    for file in files::walk(source)? {
        let path = source.join(file);
        if !path.is_symlink() {
            fs::File::open(&path)
                .and_then(|file| file.set_modified(now))
                .with_context(|| format!("cannot change {}", path.display()))?;
        }
    }
    Ok(())
}

/// The folders in a recipe's build that have the files of optional packages.
fn parts(build: &Path) -> Result<Vec<PathBuf>> {
    let mut parts = files::list(build)?;
    parts.retain(|path| {
        let name = path.file_name().unwrap_or_default();
        name.to_string_lossy().starts_with("stage.")
    });
    Ok(parts)
}

/// Puts the files of packages into a sysroot, with `include` and `lib` also at its top.
fn fill_sysroot(tree: &Tree, packages: &[String], sysroot: &Path) -> Result<()> {
    for shared in stage::SHARED {
        files::make_folder(&sysroot.join("usr").join(shared))?;
        std::os::unix::fs::symlink(format!("usr/{shared}"), sysroot.join(shared))
            .with_context(|| format!("cannot write {}", sysroot.display()))?;
    }
    for name in packages {
        let stage_folder = tree.recipe_build(name).join("stage");
        let mut folders = vec![stage_folder];
        // What was split off is part of what there is to build with.
        folders.extend(parts(&tree.recipe_build(name))?);
        for folder in folders {
            for file in files::walk(&folder)? {
                let to = sysroot.join(stage::sysroot_path(&file.to_string_lossy()));
                if let Some(parent) = to.parent() {
                    files::make_folder(parent)?;
                }
                files::copy(&folder.join(&file), &to)?;
            }
        }
    }
    Ok(())
}

/// Takes the debugging information out of programs.
fn strip(stage: &Path) -> Result<()> {
    for file in files::walk(stage)? {
        let path = stage.join(file);
        if path.is_symlink() || !is_program(&path)? {
            continue;
        }
        let Some(tool) = toolchain::find("llvm-strip") else {
            bail!("stripping programs needs llvm-strip, which is not installed (make deps)");
        };
        process::output(&tool, &[path.as_os_str()])?;
    }
    Ok(())
}

/// Whether a file is an ELF file that can be executed.
fn is_program(path: &Path) -> Result<bool> {
    use std::io::Read;
    let mut start = Vec::new();
    fs::File::open(path)
        .and_then(|file| file.take(18).read_to_end(&mut start))
        .with_context(|| format!("cannot read {}", path.display()))?;
    let kind = start.get(16..18);
    Ok(start.starts_with(b"\x7fELF") && (kind == Some(&[2, 0]) || kind == Some(&[3, 0])))
}

/// Whether a recipe is built with the C library.
pub fn needs_c_library(name: &str, recipe: &Recipe) -> bool {
    name != C_LIBRARY && recipe.c_library && recipe.template != Template::None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts() {
        let list = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        let rows = [
            (Template::None, None),
            (
                Template::Configure {
                    flags: list(&["--x=a b", "it's"]),
                },
                Some("COOKBOOK_CONFIGURE_FLAGS+=('--x=a b' 'it'\\''s')\ncookbook_configure"),
            ),
            (
                Template::Cargo {
                    path: Some("cli".into()),
                    flags: list(&["-F", "x"]),
                    packages: vec![],
                    examples: vec![],
                },
                Some("PACKAGE_PATH='cli'\ncookbook_cargo '-F' 'x'"),
            ),
            (
                Template::Cargo {
                    path: None,
                    flags: vec![],
                    packages: list(&["p"]),
                    examples: list(&["e"]),
                },
                Some(
                    "cookbook_cargo_install package 'p' 'p' \n\
                     cookbook_cargo_install example 'e' \"$(basename \"$COOKBOOK_RECIPE\")_\"'e' ",
                ),
            ),
        ];
        for (template, expected) in rows {
            assert_eq!(
                script(&template).unwrap().as_deref(),
                expected,
                "{template:?}"
            );
        }
        assert!(script(&Template::Remote).is_err());
    }
}
