//! Packages: `pkgar` files, signed with a key of this tree's own.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use anyhow::{Context, Result, bail};
use cookbook_core::Metadata;
use image::{Attributes, Contents};
use pkgar::PackageFile;
use pkgar::ext::{EntryExt, PackageSrcExt};
use pkgar_core::{Architecture, HEADER_SIZE, Header, HeaderFlags, Mode, PackageSrc, Packaging};
use pkgar_keys::{PublicKeyFile, SecretKeyFile};

use crate::files;
use crate::plan::recipe_of;
use crate::tree::Tree;

/// Makes the key that packages are signed with, if there is none. Nobody else can read it.
pub fn ensure_key(tree: &Tree) -> Result<()> {
    let (secret, public) = (tree.secret_key(), tree.public_key());
    if secret.exists() && public.exists() {
        return Ok(());
    }
    let writing = |path: &Path| format!("cannot write the key {}", path.display());
    for path in [&secret, &public] {
        if let Some(parent) = path.parent() {
            files::make_folder(parent)?;
        }
    }
    if !secret.exists() {
        let (_, key) = SecretKeyFile::new();
        let partial = secret.with_added_extension("partial");
        files::remove(&partial)?;
        let file = File::options()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&partial)
            .with_context(|| writing(&secret))?;
        key.write(file).with_context(|| writing(&secret))?;
        fs::rename(&partial, &secret).with_context(|| writing(&secret))?;
    }
    let key = SecretKeyFile::open(&secret)
        .with_context(|| format!("cannot read the key {}", secret.display()))?;
    let key = key
        .public_key_file()
        .with_context(|| format!("the key {} is encrypted", secret.display()))?;
    let mut text = Vec::new();
    key.write(&mut text).with_context(|| writing(&public))?;
    files::write(&public, &text)
}

/// Gives everything in a stage the modes that it is to have whatever the umask was: 0755 for what can be
/// executed, 0644 for the rest; set-user-id and set-group-id stay.
pub fn normalise(stage: &Path) -> Result<()> {
    for name in files::walk(stage)? {
        let path = stage.join(name);
        let changing = || format!("cannot change {}", path.display());
        let meta = fs::symlink_metadata(&path).with_context(changing)?;
        if meta.is_symlink() {
            continue;
        }
        let mode = meta.permissions().mode();
        let usual = if mode & 0o111 != 0 { 0o755 } else { 0o644 };
        let wanted = usual | mode & 0o6000;
        if mode & 0o7777 != wanted {
            fs::set_permissions(&path, fs::Permissions::from_mode(wanted))
                .with_context(changing)?;
        }
    }
    Ok(())
}

/// Writes the package of the files in `stage`, and beside it what `metadata` says, with hash and sizes
/// filled in. Answers the hash, which is that of names, modes and contents.
pub fn write(tree: &Tree, stage: &Path, mut metadata: Metadata) -> Result<String> {
    let name = metadata.name.as_str().to_owned();
    let file = tree.package(&name);
    files::make_folder(&tree.repo())?;
    let partial = file.with_added_extension("partial");
    pkgar::create_with_flags(
        tree.secret_key(),
        &partial,
        stage,
        HeaderFlags::latest(Architecture::X86_64, Packaging::Uncompressed),
    )
    .with_context(|| format!("cannot write the package {}", file.display()))?;
    let header = header(&partial)?;
    metadata.blake3 = blake3::Hash::from(header.blake3).to_hex().to_string();
    metadata.network_size = size(&partial)?;
    let mut storage = 0;
    for path in files::walk(stage)? {
        storage += size(&stage.join(path))?;
    }
    metadata.storage_size = storage;
    fs::rename(&partial, &file).with_context(|| format!("cannot write {}", file.display()))?;
    files::write(
        &tree.repo().join(format!("{name}.toml")),
        metadata.to_toml().as_bytes(),
    )?;
    Ok(metadata.blake3)
}

/// Removes the packages of a recipe that it does not make any more.
pub fn remove_others(tree: &Tree, recipe: &str, made: impl Fn(&str) -> bool) -> Result<()> {
    for path in files::list(&tree.repo())? {
        let file = path.file_name().unwrap_or_default().to_string_lossy();
        let name = [".pkgar", ".toml"]
            .iter()
            .find_map(|ending| file.strip_suffix(ending));
        if let Some(name) = name
            && recipe_of(name) == recipe
            && !made(name)
        {
            files::remove(&path)?;
        }
    }
    Ok(())
}

fn size(path: &Path) -> Result<u64> {
    let meta = fs::symlink_metadata(path);
    Ok(meta
        .with_context(|| format!("cannot read {}", path.display()))?
        .len())
}

/// A package's header, whose signature is checked with the key that it names.
fn header(file: &Path) -> Result<Header> {
    let reading = || format!("cannot read the package {}", file.display());
    let mut bytes = [0; HEADER_SIZE];
    File::open(file)
        .and_then(|mut file| file.read_exact(&mut bytes))
        .with_context(reading)?;
    let mut key = [0; 32];
    key.copy_from_slice(&bytes[64..96]);
    Ok(*Header::new(&bytes, &key).with_context(reading)?)
}

/// Puts a package's files into an image, with its signature and their checksums verified, and what a
/// package manager wants to know of an installed package.
///
/// `owners` are the packages that files came from so far: no two have the same one.
pub fn install(
    tree: &Tree,
    name: &str,
    root: &mut image::Tree,
    owners: &mut BTreeMap<String, String>,
) -> Result<()> {
    let file = tree.package(name);
    let reading = || format!("cannot read the package {}", file.display());
    let key = PublicKeyFile::open(tree.public_key())
        .with_context(|| format!("cannot read the key {}", tree.public_key().display()))?;
    let mut package = PackageFile::new(&file, &key.pkey).with_context(reading)?;
    let entries = package.read_entries().with_context(reading)?;
    for entry in &entries {
        let path = entry.check_path().with_context(reading)?;
        let path = format!("/{}", path.to_str().with_context(reading)?);
        if let Some(other) = owners.insert(path.clone(), name.to_owned()) {
            bail!("the packages `{other}` and `{name}` both have the file {path}");
        }
        let mode = entry.mode().with_context(reading)?;
        let mut data = Vec::new();
        let mut reader = package.data_reader(entry).with_context(reading)?;
        let read = reader.read_to_end(&mut data);
        reader.finish(&mut package).with_context(reading)?;
        read.with_context(reading)?;
        if blake3::hash(&data) != entry.blake3() {
            bail!(
                "the package {}: {path} has a wrong checksum",
                file.display()
            );
        }
        let (contents, permissions) = if mode.kind() == Mode::SYMLINK {
            let target = String::from_utf8(data).with_context(reading)?;
            (Contents::Link(target), 0o777)
        } else {
            (Contents::Bytes(data), mode.perm().bits() as u16)
        };
        root.put(&path, Attributes::root(permissions), contents)?;
    }
    // What the package manager in the guest knows an installed package by.
    let head = package.header().total_size().with_context(reading)?;
    let bytes = fs::read(&file).with_context(reading)?;
    let head = bytes.get(..head).with_context(reading)?.to_vec();
    let metadata = tree.repo().join(format!("{name}.toml"));
    for (ending, contents) in [
        ("pkgar_head", Contents::Bytes(head)),
        ("toml", Contents::Host(metadata)),
    ] {
        let path = format!("/{}/{name}.{ending}", pkg_core::STATE);
        root.put(&path, Attributes::root(0o644), contents)?;
    }
    Ok(())
}
