//! `cook image`: packages, files and users to a disk that boots.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use cookbook_core::fingerprint::Builder;
use cookbook_core::image::{Image, LoadError};
use cookbook_core::users;
use image::{Attributes, Contents, DiskImage, Layout};

use crate::plan::{Lock, Plan, recipe_of};
use crate::state::State;
use crate::tree::{ARCH, Tree};
use crate::{files, package, process};

/// What every disk needs to boot; installed whether the settings name them or not.
const BOOT: [&str; 3] = ["base-initfs", "bootloader", "kernel"];
/// Where the loader is in its package.
const LOADER: &str = "/usr/lib/boot/bootloader.efi";
/// Changes when the same settings and packages make another disk.
const WAY: &str = "1";

/// An image's settings, and where it is built.
#[derive(Debug)]
pub struct Settings {
    image: Image,
    folder: PathBuf,
}

impl Settings {
    /// Reads the settings `config`: a name in `config/`, or a path.
    pub fn read(tree: &Tree, config: &str) -> Result<Self> {
        let named = tree.top.join("config").join(format!("{config}.toml"));
        let file = if config.contains('/') || config.ends_with(".toml") {
            PathBuf::from(config)
        } else {
            named
        };
        if !file.is_file() {
            bail!(
                "there is no image `{config}`: {} is no file",
                file.display()
            );
        }
        let mut read = |path: &Path| {
            fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
        };
        let image = match Image::load(&file, &mut read) {
            Ok(image) => image,
            Err(LoadError::Read(error)) => return Err(error),
            Err(LoadError::Format(error)) => return Err(error.into()),
        };
        let name = file.file_stem().unwrap_or_default();
        Ok(Self {
            image,
            folder: tree.build().join(ARCH).join(name),
        })
    }

    /// The disk.
    pub fn disk(&self) -> PathBuf {
        self.folder.join("harddrive.img")
    }

    /// The packages to build.
    pub fn packages(&self) -> Vec<String> {
        let mut packages: Vec<String> = BOOT.iter().map(|name| (*name).to_owned()).collect();
        let named = self.image.installed().map(str::to_owned);
        packages.extend(named.filter(|name| !BOOT.contains(&name.as_str())));
        packages
    }
}

/// Builds the image's packages and its disk, if it is not up to date. Answers where the disk is.
pub fn build(tree: &Tree, config: &str) -> Result<PathBuf> {
    let settings = Settings::read(tree, config)?;
    let plan = Plan::new(tree, &settings.packages())?;
    let _lock = Lock::take(tree)?;
    plan.build()?;
    let disk = settings.disk();
    if write(tree, &settings, &plan)? {
        eprintln!("cook: {}", disk.display());
    }
    Ok(disk)
}

/// Writes the disk of packages that are built, unless it is up to date. Answers whether it was written.
///
/// `plan` may hold packages besides those that the settings install; they change nothing.
pub fn write(tree: &Tree, settings: &Settings, plan: &Plan<'_>) -> Result<bool> {
    let installed = plan.installed(settings.packages());
    let mut fingerprint = Builder::new("disk");
    fingerprint.part("way", WAY);
    for file in &settings.image.read {
        files::fingerprint(file, "settings", &mut fingerprint)?;
    }
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
    let disk = settings.disk();
    let stamp = settings.folder.join("harddrive.fingerprint");
    if disk.is_file() && fs::read_to_string(&stamp).is_ok_and(|old| old == fingerprint) {
        return Ok(false);
    }
    files::make_folder(&settings.folder)?;
    let used = is_used(&disk, &stamp);
    let mut root = image::Tree::new();
    let mut owners = BTreeMap::new();
    for name in &installed {
        package::install(tree, name, &mut root, &mut owners)?;
    }
    let key = Contents::Host(tree.public_key());
    root.put(&format!("/{}", pkg_core::KEY), Attributes::root(0o644), key)?;
    put_users(&settings.image, &mut root)?;
    put_files(&settings.image, &mut root)?;
    let loader = root
        .iter()
        .find(|(path, _)| *path == LOADER)
        .map(|(_, node)| node.contents.read())
        .with_context(|| format!("the package `bootloader` has no {LOADER}"))??
        .into_owned();
    let usual = Layout::default();
    let image = DiskImage {
        layout: Layout {
            disk_mib: settings
                .image
                .filesystem_size
                .map_or(usual.disk_mib, u64::from),
            esp_mib: settings
                .image
                .efi_partition_size
                .map_or(usual.esp_mib, u64::from),
        },
        loader: &loader,
        root: &root,
    };
    // A machine may be running from the old one: its file stays what it is.
    let partial = settings.folder.join("harddrive.partial");
    image
        .write(&partial)
        .with_context(|| format!("image {}", disk.display()))?;
    files::remove(&stamp)?;
    if used {
        let old = disk.with_added_extension("old");
        fs::rename(&disk, &old).with_context(|| format!("cannot write {}", old.display()))?;
        eprintln!(
            "cook: a machine has written to the old disk, which is now {}",
            old.display()
        );
    }
    fs::rename(&partial, &disk).with_context(|| format!("cannot write {}", disk.display()))?;
    files::write(&stamp, fingerprint.as_bytes())?;
    Ok(true)
}

/// Whether a machine may have written to a disk since it was made: its stamp is written after it.
fn is_used(disk: &Path, stamp: &Path) -> bool {
    let changed = |path: &Path| fs::metadata(path).and_then(|meta| meta.modified());
    match (changed(disk), changed(stamp)) {
        (Ok(disk), Ok(stamp)) => disk > stamp,
        (Ok(_), Err(_)) => true,
        (Err(_), _) => false,
    }
}

/// How often a copy is tried, and how long it waits for a machine to pause between.
const COPIES: u32 = 50;
const PAUSE: Duration = Duration::from_millis(100);
/// Times of files may be as coarse as this: what was written within it may have the same time.
const TICK: Duration = Duration::from_millis(20);

/// Copies a disk, which a machine may be running from, as it was at one moment: nothing was written to it while it
/// was copied. Such a copy is like a disk after a power cut, of which its file system makes what it always does.
pub fn copy(disk: &Path, to: &Path) -> Result<()> {
    let reading = || format!("cannot read {}", disk.display());
    let changed = || fs::metadata(disk).and_then(|meta| meta.modified());
    for _ in 0..COPIES {
        let before = changed().with_context(reading)?;
        // A time to come is no hint that it was now.
        let settled = before.elapsed().map_or(true, |age| age > TICK);
        if settled {
            // What is used of it, in no time where the file system can share it.
            let options = ["--reflink=auto", "--sparse=auto", "--"].map(OsStr::new);
            let paths = [disk.as_os_str(), to.as_os_str()];
            process::output(Path::new("cp"), &[&options[..], &paths].concat())?;
            if changed().with_context(reading)? == before {
                return Ok(());
            }
        }
        thread::sleep(PAUSE);
    }
    bail!(
        "{}: a machine that runs from it does not stop writing",
        disk.display()
    )
}

fn attributes(mode: u32, uid: u32, gid: u32) -> Attributes {
    Attributes {
        mode: (mode & 0o7777) as u16,
        uid,
        gid,
    }
}

fn put_users(image: &Image, root: &mut image::Tree) -> Result<()> {
    if image.users.is_empty() && image.groups.is_empty() {
        return Ok(());
    }
    let mut failure = None;
    let files = users::files(&image.users, &image.groups, |name, password| {
        hash(name, password).unwrap_or_else(|error| {
            failure = Some(error);
            String::new()
        })
    })?;
    if let Some(error) = failure {
        return Err(error);
    }
    for home in &files.homes {
        root.put(
            &home.path,
            attributes(0o700, home.uid, home.gid),
            Contents::Directory,
        )?;
    }
    for (path, mode, text) in [
        ("/etc/passwd", 0o644, files.passwd),
        ("/etc/shadow", 0o600, files.shadow),
        ("/etc/group", 0o644, files.group),
    ] {
        root.put(
            path,
            attributes(mode, 0, 0),
            Contents::Bytes(text.into_bytes()),
        )?;
    }
    Ok(())
}

/// A password as it stands in the shadow file. The salt comes from name and password, so that the same
/// settings make the same image; who wants a secret one sets the password on the machine.
fn hash(name: &str, password: &str) -> Result<String> {
    let mut salt = Builder::new("salt");
    salt.part("name", name).part("password", password);
    let salt = salt.finish().to_string();
    argon2::hash_encoded(
        password.as_bytes(),
        &salt.as_bytes()[..16],
        &argon2::Config::default(),
    )
    .with_context(|| format!("user `{name}`: cannot hash the password"))
}

fn put_files(image: &Image, root: &mut image::Tree) -> Result<()> {
    for entry in &image.files {
        let (contents, usual) = if entry.directory {
            (Contents::Directory, 0o755)
        } else if entry.symlink {
            (Contents::Link(entry.data.clone()), 0o777)
        } else {
            (Contents::Bytes(entry.data.clone().into_bytes()), 0o644)
        };
        let (uid, gid) = (entry.uid.unwrap_or(0), entry.gid.unwrap_or(0));
        let mode = entry.mode.unwrap_or(usual);
        root.put(&entry.path, attributes(mode, uid, gid), contents)?;
        if entry.recursive_chown {
            root.own(&entry.path, uid, gid);
        }
    }
    Ok(())
}
