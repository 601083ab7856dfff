//! Archives of crates from crates.io.
//!
//! cargo fetches them: its settings (mirrors, proxies, being offline) count, it compares what comes with the checksum
//! of the registry's index, and what it has fetched once is not fetched again.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Why there is no archive.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Nothing says where cargo keeps what it fetches.
    #[error("neither CARGO_HOME nor HOME is set, one of which says where cargo keeps crates")]
    NoHome,
    /// cargo cannot be started.
    #[error("cannot start cargo: {0}")]
    NoCargo(io::Error),
    /// A folder of cargo's cannot be read.
    #[error("cannot read {}: {source}", folder.display())]
    Unreadable {
        /// Which.
        folder: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// cargo did not fetch it.
    #[error("cannot fetch crate {name} {version}: {said}")]
    NotFetched {
        /// The crate's name.
        name: String,
        /// The version that is wanted, exactly.
        version: String,
        /// What cargo said.
        said: String,
    },
}

/// Where cargo keeps what it fetches: `CARGO_HOME`, else `.cargo` in the home folder.
pub fn cargo_home() -> Option<PathBuf> {
    home_of(std::env::var_os("CARGO_HOME"), std::env::var_os("HOME"))
}

fn home_of(cargo_home: Option<OsString>, home: Option<OsString>) -> Option<PathBuf> {
    let set = |value: Option<OsString>| value.filter(|value| !value.is_empty());
    set(cargo_home)
        .map(PathBuf::from)
        .or_else(|| Some(Path::new(&set(home)?).join(".cargo")))
}

/// The archive (`.crate`, a compressed tar file) of a crate, among cargo's files: to be read, not to be changed.
/// `cargo` starts cargo, which not every toolchain calls so.
///
/// # Errors
///
/// There is no such crate or version, the registry cannot be reached, or cargo not be started.
pub fn archive(mut cargo: Command, name: &str, version: &str) -> Result<PathBuf, Error> {
    let home = cargo_home().ok_or(Error::NoHome)?;
    if let Some(archive) = cached(&home, name, version)? {
        return Ok(archive);
    }
    let output = cargo
        .args(["info", "--quiet", "--registry", "crates-io"])
        .arg(format!("{name}@{version}"))
        // In no workspace, where a name could mean something else.
        .current_dir(std::env::temp_dir())
        .output()
        .map_err(Error::NoCargo)?;
    cached(&home, name, version)?.ok_or_else(|| Error::NotFetched {
        name: name.to_owned(),
        version: version.to_owned(),
        said: String::from_utf8_lossy(&output.stderr).trim().to_owned(),
    })
}

/// A crate's archive among those that cargo has, in the first registry's folder (by name) that has one.
fn cached(home: &Path, name: &str, version: &str) -> Result<Option<PathBuf>, Error> {
    let cache = home.join("registry/cache");
    let unreadable = |source| Error::Unreadable {
        folder: cache.clone(),
        source,
    };
    let registries = match fs::read_dir(&cache) {
        Ok(registries) => registries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unreadable(error)),
    };
    let wanted = format!("{name}-{version}.crate");
    let mut found = Vec::new();
    for registry in registries {
        let archive = registry.map_err(unreadable)?.path().join(&wanted);
        if archive.is_file() {
            found.push(archive);
        }
    }
    Ok(found.into_iter().min())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_home_of_cargo_is_what_is_set() {
        let rows = [
            (Some("/c"), Some("/h"), Some("/c")),
            (None, Some("/h"), Some("/h/.cargo")),
            (Some(""), Some("/h"), Some("/h/.cargo")),
            (None, Some(""), None),
            (None, None, None),
        ];
        for (cargo_home, home, expected) in rows {
            let found = home_of(cargo_home.map(Into::into), home.map(Into::into));
            assert_eq!(
                found,
                expected.map(PathBuf::from),
                "{cargo_home:?} {home:?}"
            );
        }
    }

    #[test]
    fn what_cargo_has_is_found_in_any_registry() {
        let home = tempfile::tempdir().unwrap();
        assert_eq!(cached(home.path(), "one", "1.0.0").unwrap(), None);
        let cache = home.path().join("registry/cache");
        for (registry, file) in [
            ("b", "one-1.0.0.crate"),
            ("a", "two-1.0.0.crate"),
            ("c", "one-1.0.0.crate"),
        ] {
            fs::create_dir_all(cache.join(registry)).unwrap();
            fs::write(cache.join(registry).join(file), b"").unwrap();
        }
        fs::create_dir_all(cache.join("a/one-1.0.0.crate")).unwrap();
        let rows = [
            ("one", "1.0.0", Some("b/one-1.0.0.crate")),
            ("two", "1.0.0", Some("a/two-1.0.0.crate")),
            ("one", "1.0.1", None),
            ("on", "e-1.0.0", None),
        ];
        for (name, version, expected) in rows {
            let found = cached(home.path(), name, version).unwrap();
            assert_eq!(
                found,
                expected.map(|file| cache.join(file)),
                "{name} {version}"
            );
        }
    }

    #[test]
    fn a_cache_that_is_no_folder_is_told() {
        let home = tempfile::tempdir().unwrap();
        fs::create_dir_all(home.path().join("registry")).unwrap();
        fs::write(home.path().join("registry/cache"), b"").unwrap();
        let error = cached(home.path(), "one", "1.0.0").unwrap_err().to_string();
        assert!(error.contains("registry/cache"), "{error}");
    }
}
