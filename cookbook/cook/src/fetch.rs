//! Getting sources: fetched once, verified always, patched.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::{Context, Result, bail};
use cookbook_core::recipe::{Origin, Source};
use sha2::{Digest, Sha256};

use crate::toolchain::Rust;
use crate::tree::Tree;
use crate::{archive, files, process};

/// The pools that Debian archives are looked for in, if apt is not set up for others.
const POOLS: [&str; 2] = [
    "http://deb.debian.org/debian/pool/main",
    "http://security.debian.org/debian-security/pool/updates/main",
];
/// A transfer of fewer bytes a second than this, for so many seconds, has stalled.
const SLOWEST: &str = "1000";
const PATIENCE: &str = "60";
/// How upstream archives in a pool are compressed.
const COMPRESSIONS: [&str; 3] = ["xz", "gz", "bz2"];

/// Whose source a recipe has.
#[derive(Debug)]
pub struct Chain {
    /// The recipe's folder, then that of the one whose source it has (`same_as`), and so on.
    pub recipes: Vec<PathBuf>,
    /// What the last of them says.
    pub source: Option<Source>,
}

impl Chain {
    /// Follows `same_as` from the recipe in the folder `recipe`.
    pub fn new(tree: &Tree, recipe: &Path, source: Option<&Source>) -> Result<Self> {
        let mut source = source.cloned();
        let mut last = recipe.to_owned();
        let mut recipes = Vec::new();
        loop {
            let folder = last
                .canonicalize()
                .with_context(|| format!("`same_as` {}", last.display()))?;
            let again = recipes.contains(&folder);
            recipes.push(folder.clone());
            if again {
                let names = recipes
                    .iter()
                    .map(|folder| folder.file_name().unwrap_or_default().to_string_lossy());
                bail!(
                    "`same_as` goes in a circle: {}",
                    names.collect::<Vec<_>>().join(" -> ")
                );
            }
            if recipes.len() > 1 {
                source = tree.recipe(&folder)?.0.source;
            }
            let Some(Origin::SameAs(other)) = source.as_ref().map(|source| &source.origin) else {
                return Ok(Self { recipes, source });
            };
            last = folder.join(other);
        }
    }

    /// The folder of the recipe that says where the source comes from.
    pub fn recipe(&self) -> &Path {
        self.recipes.last().map_or(Path::new(""), PathBuf::as_path)
    }
}

/// Where a recipe's source is, ready to be built.
#[derive(Debug)]
pub struct Fetched {
    /// The folder.
    pub folder: PathBuf,
    /// Whether it is the build's own, to be changed.
    pub own: bool,
    /// The checksum or commit that it came from, if it did not come from a folder.
    pub identifier: String,
}

/// A recipe's source, fetched if it is not there, unpacked, patched and prepared in `build`.
pub fn source(tree: &Tree, chain: &Chain, build: &Path, log: &Path) -> Result<Fetched> {
    let recipe = chain.recipe();
    let in_place = |folder| Fetched {
        folder,
        own: false,
        identifier: String::new(),
    };
    let Some(source) = &chain.source else {
        return Ok(in_place(recipe.join("source")));
    };
    let to = build.join("source");
    let identifier = match &source.origin {
        Origin::Path { path, .. } => {
            let folder = recipe.join(path);
            let folder = folder
                .canonicalize()
                .with_context(|| format!("source folder {}", folder.display()))?;
            return Ok(in_place(folder));
        }
        Origin::SameAs(other) => bail!("`same_as` {other} was not followed"),
        Origin::Git { url, branch, rev } => {
            let place = place(Path::new(url));
            let _alone = alone(&place);
            git(tree, url, branch.as_deref(), rev.as_deref(), &to, log)?
        }
        Origin::Tar { url, blake3 } => {
            let name = url.rsplit('/').next().unwrap_or("archive");
            let place = blake3::hash(url.as_bytes()).to_hex();
            let file = tree.sources().join(format!("tar/{}-{name}", &place[..16]));
            let place = self::place(&file);
            let _alone = alone(&place);
            if !file.exists() {
                download(url, &file)?;
            }
            let found = hash_blake3(&file)?;
            match blake3 {
                Some(expected) => verify(&file, "blake3", expected, &found, url)?,
                None => eprintln!(
                    "cook: {}: no `blake3`; what came has {found}",
                    recipe.display()
                ),
            }
            archive::unpack(&file, &to)?;
            found
        }
        Origin::Crate {
            name,
            version,
            sha256,
        } => {
            let file = tree.sources().join(format!("crate/{name}-{version}.crate"));
            let place = place(&file);
            let _alone = alone(&place);
            if !file.exists() {
                crates_io(tree, name, version, &file)?;
            }
            let what = format!("crate {name} {version}");
            let found = check_sha256(&file, sha256.as_deref(), &what)?;
            archive::unpack(&file, &to)?;
            found
        }
        Origin::Debian {
            name,
            version,
            sha256,
        } => {
            let place = place(Path::new(&format!("debian/{name}-{version}")));
            let _alone = alone(&place);
            let file = debian(tree, name, version)?;
            let what = format!("Debian source {name} {version}");
            let found = check_sha256(&file, sha256.as_deref(), &what)?;
            archive::unpack(&file, &to)?;
            found
        }
    };
    for patch in &source.patches {
        apply(&recipe.join(patch), &to, log)?;
    }
    if let Some(script) = &source.script {
        let mut command = Command::new("bash");
        command.args(["-ec", script]).current_dir(&to);
        command
            .env("COOKBOOK_SOURCE", &to)
            .env("COOKBOOK_RECIPE", recipe);
        process::logged(&mut command, "the source's script", log)?;
    }
    Ok(Fetched {
        folder: to,
        own: true,
        identifier,
    })
}

/// The lock of a source, by its file or address.
fn place(source: &Path) -> Arc<Mutex<()>> {
    static PLACES: Mutex<BTreeMap<PathBuf, Arc<Mutex<()>>>> = Mutex::new(BTreeMap::new());
    let mut places = alone(&PLACES);
    Arc::clone(places.entry(source.to_owned()).or_default())
}

/// Keeps other recipes that are built at the same time from what they share with this one.
fn alone<T>(lock: &Mutex<T>) -> MutexGuard<'_, T> {
    // Whoever panicked left files at most, which are checked like any others.
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}

fn hash_blake3(file: &Path) -> Result<String> {
    let mut hasher = blake3::Hasher::new();
    let reading = || format!("cannot read {}", file.display());
    let mut open = File::open(file).with_context(reading)?;
    io::copy(&mut open, &mut hasher).with_context(reading)?;
    Ok(hasher.finalize().to_hex().to_string())
}

fn check_sha256(file: &Path, expected: Option<&str>, what: &str) -> Result<String> {
    let mut hasher = Sha256::new();
    let reading = || format!("cannot read {}", file.display());
    let mut open = File::open(file).with_context(reading)?;
    io::copy(&mut open, &mut hasher).with_context(reading)?;
    let found: String = hasher
        .finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    match expected {
        Some(expected) => verify(file, "sha256", expected, &found, what)?,
        None => bail!("{what}: the recipe has no `sha256`; what came has {found}"),
    }
    Ok(found)
}

/// Compares checksums. A file with a wrong one is removed: the next try fetches it again.
fn verify(file: &Path, kind: &str, expected: &str, found: &str, what: &str) -> Result<()> {
    if expected.eq_ignore_ascii_case(found) {
        return Ok(());
    }
    files::remove(file)?;
    bail!(
        "{what}: wrong checksum\n  the recipe says {kind} {expected}\n  what came has    {kind} {found}"
    )
}

/// Fetches `url` to `file`, which is there only when it is complete.
fn download(url: &str, file: &Path) -> Result<()> {
    process::need("curl", "fetching sources")?;
    if let Some(parent) = file.parent() {
        files::make_folder(parent)?;
    }
    let partial = file.with_added_extension(format!("{}.partial", std::process::id()));
    let output = Command::new("curl")
        .args(["--fail", "--silent", "--show-error", "--location"])
        .args(["--retry", "3", "--connect-timeout", "30"])
        // A minute of next to nothing is a failure.
        .args(["--speed-limit", SLOWEST, "--speed-time", PATIENCE])
        .arg("--output")
        .arg(&partial)
        .arg(url)
        .output()
        .context("cannot start curl")?;
    if !output.status.success() {
        files::remove(&partial)?;
        let why = String::from_utf8_lossy(&output.stderr);
        bail!("cannot fetch {url}: {}", why.trim());
    }
    fs::rename(&partial, file).with_context(|| format!("cannot write {}", file.display()))
}

/// Copies a crate's archive to `file`, from among those that cargo has fetched.
fn crates_io(tree: &Tree, name: &str, version: &str, file: &Path) -> Result<()> {
    let rust = Rust::find(tree)?;
    let mut cargo = Command::new(&rust.cargo);
    cargo.env("RUSTC", &rust.rustc);
    let found = published_crates::archive(cargo, name, version)?;
    if let Some(parent) = file.parent() {
        files::make_folder(parent)?;
    }
    let partial = file.with_added_extension(format!("{}.partial", std::process::id()));
    fs::copy(&found, &partial)
        .and_then(|_| fs::rename(&partial, file))
        .with_context(|| format!("cannot write {}", file.display()))
}

/// The upstream archive of a Debian source package, from the pool: the pool keeps it as long as any
/// release has the package in this version, whatever became of Debian's own changes.
fn debian(tree: &Tree, name: &str, version: &str) -> Result<PathBuf> {
    let folder = tree.sources().join("debian");
    let names: Vec<String> = COMPRESSIONS
        .iter()
        .map(|ending| format!("{name}_{version}.orig.tar.{ending}"))
        .collect();
    let cached = names.iter().map(|name| folder.join(name));
    if let Some(file) = cached.clone().find(|file| file.exists()) {
        return Ok(file);
    }
    let section = match name
        .strip_prefix("lib")
        .and_then(|rest| rest.chars().next())
    {
        Some(letter) => format!("lib{letter}"),
        None => name.chars().take(1).collect(),
    };
    let mut failures = String::new();
    for pool in pools() {
        for (name_in_pool, file) in names.iter().zip(cached.clone()) {
            match download(&format!("{pool}/{section}/{name}/{name_in_pool}"), &file) {
                Ok(()) => return Ok(file),
                Err(error) => failures.push_str(&format!("\n  {error:#}")),
            }
        }
    }
    bail!("Debian source {name} {version}: no pool has its upstream archive{failures}")
}

/// The mirror that apt is set up for, then Debian's own.
fn pools() -> Vec<String> {
    let mut pools = Vec::new();
    if let Ok(mirror) = std::env::var("COOK_DEBIAN_MIRROR") {
        pools.push(format!("{}/pool/main", mirror.trim_end_matches('/')));
    }
    for file in apt_lists() {
        let text = fs::read_to_string(file).unwrap_or_default();
        for word in text
            .lines()
            .filter(|line| !line.trim_start().starts_with('#'))
            .flat_map(str::split_whitespace)
        {
            let word = word.trim_end_matches('/');
            let pool = if word.starts_with("http") && word.ends_with("/debian") {
                format!("{word}/pool/main")
            } else if word.starts_with("http") && word.ends_with("/debian-security") {
                format!("{word}/pool/updates/main")
            } else {
                continue;
            };
            if !pools.contains(&pool) {
                pools.push(pool);
            }
        }
    }
    for pool in POOLS {
        if !pools.iter().any(|have| have == pool) {
            pools.push(pool.to_owned());
        }
    }
    pools
}

fn apt_lists() -> Vec<PathBuf> {
    let mut lists = vec![PathBuf::from("/etc/apt/sources.list")];
    lists.extend(files::list(Path::new("/etc/apt/sources.list.d")).unwrap_or_default());
    lists
}

/// Fetches a repository and checks a commit out. Answers the commit.
fn git(
    tree: &Tree,
    url: &str,
    branch: Option<&str>,
    rev: Option<&str>,
    to: &Path,
    log: &Path,
) -> Result<String> {
    process::need("git", "a git source")?;
    let place = blake3::hash(url.as_bytes()).to_hex();
    let mirror = tree.sources().join(format!("git/{}.git", &place[..16]));
    let run = |args: &[&str], folder: Option<&Path>| {
        let mut command = Command::new("git");
        if let Some(folder) = folder {
            command.arg("-C").arg(folder);
        }
        command.args(args).env("GIT_TERMINAL_PROMPT", "0");
        command.env("GIT_HTTP_LOW_SPEED_LIMIT", SLOWEST);
        command.env("GIT_HTTP_LOW_SPEED_TIME", PATIENCE);
        process::logged(&mut command, &format!("git {} ({url})", args[0]), log)
    };
    let wanted = rev.or(branch).unwrap_or("HEAD");
    let commit = |folder: &Path| -> Result<String> {
        let commit = process::output(
            Path::new("git"),
            &[
                "-C",
                &folder.to_string_lossy(),
                "rev-parse",
                "--verify",
                "--quiet",
                &format!("{wanted}^{{commit}}"),
            ],
        )?;
        Ok(commit.trim().to_owned())
    };
    if !mirror.exists() {
        let partial = mirror.with_added_extension("partial");
        files::remove(&partial)?;
        files::make_folder(&tree.sources().join("git"))?;
        run(
            &[
                "clone",
                "--mirror",
                "--quiet",
                url,
                &partial.to_string_lossy(),
            ],
            None,
        )?;
        fs::rename(&partial, &mirror)
            .with_context(|| format!("cannot write {}", mirror.display()))?;
    } else if rev.is_none() || commit(&mirror).is_err() {
        run(&["remote", "update", "--prune"], Some(&mirror))?;
    }
    let commit = commit(&mirror).with_context(|| format!("{url} has no `{wanted}`"))?;
    files::remove(to)?;
    run(
        &[
            "clone",
            "--quiet",
            "--no-checkout",
            &mirror.to_string_lossy(),
            &to.to_string_lossy(),
        ],
        None,
    )?;
    run(&["checkout", "--quiet", "--detach", &commit], Some(to))?;
    if to.join(".gitmodules").exists() {
        run(
            &["submodule", "update", "--init", "--recursive", "--quiet"],
            Some(to),
        )?;
    }
    Ok(commit)
}

/// Applies a patch file to the source in `folder`.
fn apply(patch: &Path, folder: &Path, log: &Path) -> Result<()> {
    process::need("patch", "a recipe with patches")?;
    let file =
        File::open(patch).with_context(|| format!("cannot read the patch {}", patch.display()))?;
    let output = Command::new("patch")
        .args([
            "--strip=1",
            "--forward",
            "--batch",
            "--no-backup-if-mismatch",
        ])
        .arg("--directory")
        .arg(folder)
        .stdin(file)
        .output()
        .context("cannot start patch")?;
    let said = String::from_utf8_lossy(&output.stdout);
    let all = format!(
        "patch {}\n{said}{}",
        patch.display(),
        String::from_utf8_lossy(&output.stderr)
    );
    append(log, &all)?;
    if output.status.success() {
        return Ok(());
    }
    let shown: Vec<String> = said.lines().map(|line| format!("  | {line}")).collect();
    bail!(
        "patch {} does not apply:\n{}",
        patch.display(),
        shown.join("\n")
    )
}

fn append(log: &Path, text: &str) -> Result<()> {
    use std::io::Write;
    File::options()
        .create(true)
        .append(true)
        .open(log)
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .with_context(|| format!("cannot write {}", log.display()))
}
