//! `cook repo`: packages on a disk of their own, from which a machine can install them.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};
use cookbook_core::fingerprint::Builder;
use image::{Attributes, Contents};

use crate::files;
use crate::plan::{Lock, Plan, recipe_of};
use crate::state::State;
use crate::tree::{ARCH, Tree};

/// The number by which the guest knows the disk (config/repo.service): the text `cuprite packages`.
const ID: [u8; 16] = *b"cuprite packages";
/// What the file system needs beside the files: so many MiB, and a part of their length.
const ROOM: u64 = 4;
const PART: u64 = 32;
/// Changes when the same packages make another disk.
const WAY: &str = "1";

/// Builds packages, with those that are installed together with them, and the disk that they are on, unless it is
/// up to date. Answers where the disk is.
pub fn build(tree: &Tree, packages: &[String]) -> Result<PathBuf> {
    let plan = Plan::new(tree, packages)?;
    let _lock = Lock::take(tree)?;
    plan.build()?;
    let folder = tree.build().join(ARCH);
    let (disk, stamp) = (folder.join("repo.img"), folder.join("repo.fingerprint"));
    let installed = plan.installed(packages.iter().cloned());
    let mut fingerprint = Builder::new("repo");
    fingerprint.part("way", WAY);
    for name in &installed {
        let state = State::read(tree, recipe_of(name))
            .with_context(|| format!("recipe `{name}` is not built"))?;
        fingerprint.part(name, state.output);
        // What it says of itself is no part of what came out.
        let metadata = tree.package(name).with_extension("toml");
        files::fingerprint(&metadata, "metadata", &mut fingerprint)?;
    }
    files::fingerprint(&tree.public_key(), "key", &mut fingerprint)?;
    let fingerprint = fingerprint.finish().to_string();
    if disk.is_file() && fs::read_to_string(&stamp).is_ok_and(|old| old == fingerprint) {
        return Ok(disk);
    }
    files::make_folder(&folder)?;
    files::remove(&stamp)?;
    let mut root = image::Tree::new();
    let mut put = |path: PathBuf| -> Result<()> {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let to = format!("/{name}");
        root.put(&to, Attributes::root(0o644), Contents::Host(path.clone()))?;
        Ok(())
    };
    for name in &installed {
        let package = tree.package(name);
        put(package.with_extension("toml"))?;
        put(package)?;
    }
    put(tree.public_key())?;
    let size = root.size()?;
    let mib = (size + size / PART).div_ceil(image::MIB) + ROOM;
    image::write_volume(&disk, &root, mib, ID)
        .with_context(|| format!("disk {}", disk.display()))?;
    files::write(&stamp, fingerprint.as_bytes())?;
    eprintln!("cook: {}", disk.display());
    Ok(disk)
}
