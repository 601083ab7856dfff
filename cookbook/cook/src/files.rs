//! Files and folders: copying, hashing, replacing.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use cookbook_core::fingerprint::Builder;

/// Makes a folder, with its parents.
pub fn make_folder(path: &Path) -> Result<()> {
    fs::create_dir_all(path).with_context(|| format!("cannot create {}", path.display()))
}

/// Makes a folder that has nothing in it.
pub fn make_empty(path: &Path) -> Result<()> {
    remove(path)?;
    make_folder(path)
}

/// Removes a file, a link, or a folder with everything in it; it need not be there, and somebody else may be
/// removing it as well.
pub fn remove(path: &Path) -> Result<()> {
    let removed = fs::symlink_metadata(path).and_then(|meta| {
        if meta.is_dir() {
            fs::remove_dir_all(path)
        } else {
            fs::remove_file(path)
        }
    });
    let removed = match removed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    };
    removed.with_context(|| format!("cannot remove {}", path.display()))
}

/// Writes a file, which changes only when it is complete, and not at all if nothing changes.
pub fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    if fs::read(path).is_ok_and(|old| old == bytes) {
        return Ok(());
    }
    if let Some(parent) = path.parent() {
        make_folder(parent)?;
    }
    let partial = path.with_added_extension(format!("{}.partial", std::process::id()));
    fs::write(&partial, bytes)
        .and_then(|()| fs::rename(&partial, path))
        .with_context(|| format!("cannot write {}", path.display()))
}

/// The entries of a folder, by name.
pub fn list(folder: &Path) -> Result<Vec<PathBuf>> {
    let reading = || format!("cannot read {}", folder.display());
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).with_context(reading)? {
        paths.push(entry.with_context(reading)?.path());
    }
    paths.sort();
    Ok(paths)
}

/// Every file and link below `folder`, as paths from there, in order.
pub fn walk(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut left = vec![PathBuf::new()];
    while let Some(relative) = left.pop() {
        for path in list(&folder.join(&relative))? {
            let name = relative.join(path.file_name().unwrap_or_default());
            let meta = fs::symlink_metadata(&path)
                .with_context(|| format!("cannot read {}", path.display()))?;
            if meta.is_dir() {
                left.push(name);
            } else {
                found.push(name);
            }
        }
    }
    found.sort();
    Ok(found)
}

/// Copies a file, a link, or a folder with everything in it.
pub fn copy(from: &Path, to: &Path) -> Result<()> {
    let copying = || format!("cannot copy {} to {}", from.display(), to.display());
    let meta = fs::symlink_metadata(from).with_context(copying)?;
    if meta.is_dir() {
        make_folder(to)?;
        for path in list(from)? {
            copy(&path, &to.join(path.file_name().unwrap_or_default()))?;
        }
        return Ok(());
    }
    if meta.is_symlink() {
        remove(to)?;
        let target = fs::read_link(from).with_context(copying)?;
        return symlink(target, to).with_context(copying);
    }
    fs::copy(from, to).map(drop).with_context(copying)?;
    // Its age says what is newer than it.
    let set = |time| File::options().write(true).open(to)?.set_modified(time);
    if let Ok(time) = meta.modified() {
        // A read-only file keeps the time of the copy, which is newer: what depends on it is done anew.
        let _: io::Result<()> = set(time);
    }
    Ok(())
}

/// Names that are never part of a source: what version control and interpreters leave.
const IGNORED: [&str; 2] = [".git", "__pycache__"];
/// Folders that builds leave at the top of a source. Deeper down they are somebody's own.
const BUILDS: [&str; 2] = ["target", "build"];

/// Adds a file, or everything in a folder, to what a build depends on: names, contents, and which
/// files can be executed.
pub fn fingerprint(path: &Path, name: &str, builder: &mut Builder) -> Result<()> {
    add(path, name, true, builder)
}

/// The same; `top` is whether builds may have left something in the folder.
fn add(path: &Path, name: &str, top: bool, builder: &mut Builder) -> Result<()> {
    let reading = || format!("cannot read {}", path.display());
    let meta = fs::symlink_metadata(path).with_context(reading)?;
    if meta.is_dir() {
        for path in list(path)? {
            let part = path.file_name().unwrap_or_default().to_string_lossy();
            let left = top && BUILDS.contains(&part.as_ref()) && path.is_dir();
            if !left && !IGNORED.contains(&part.as_ref()) {
                // A recipe's folder may have a source in it.
                let top = top && part == "source";
                add(&path, &format!("{name}/{part}"), top, builder)?;
            }
        }
    } else if meta.is_symlink() {
        let target = fs::read_link(path).with_context(reading)?;
        builder.part(name, target.as_os_str().as_encoded_bytes());
    } else if meta.is_file() {
        let executable = meta.permissions().mode() & 0o100 != 0;
        builder.part(name, [u8::from(executable)]);
        let mut hasher = blake3::Hasher::new();
        let mut file = File::open(path).with_context(reading)?;
        io::copy(&mut file, &mut hasher).with_context(reading)?;
        builder.part("contents", hasher.finalize().as_bytes());
    } else {
        bail!("{}: neither file, folder nor link", path.display());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_counts() {
        let folder = tempfile::tempdir().unwrap();
        let hash = || {
            let mut builder = Builder::new("test");
            fingerprint(folder.path(), "x", &mut builder).unwrap();
            builder.finish().to_string()
        };
        // Made one after the other, and whether each is to count.
        let rows = [
            ("target/a", false),
            ("build/a", false),
            ("source/build/a", false),
            ("source/.git/a", false),
            ("src/build/a", true),
            ("src/build/__pycache__/a", false),
            ("source/src/target", true),
            ("src/target", true),
        ];
        let mut last = hash();
        for (file, counts) in rows {
            write(&folder.path().join(file), b"a").unwrap();
            let now = hash();
            assert_eq!(now != last, counts, "{file}");
            last = now;
        }
        fs::remove_dir_all(folder.path().join("build")).unwrap();
        write(&folder.path().join("build"), b"a script").unwrap();
        assert_ne!(hash(), last);
    }
}
