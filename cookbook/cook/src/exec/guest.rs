//! What the guest is given.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use exec_protocol::{FILES, File, FileKind, REQUEST, Request, encode_request};
use initfs::{Archive, Builder, Kind};

use super::Options;
use crate::files;
use crate::tree::Tree;

/// Where a command starts, and where files go.
const HOME: &str = "/root";

/// Units that read the console. It is the line to the host here, and what one of them took would be lost.
const CONSOLE_UNITS: [&str; 2] = ["etc/init.d/tty.service", "etc/init.d/console.service"];

/// A request, and the host files that it has numbers for.
#[derive(Debug)]
pub struct Prepared {
    request: Request,
    contents: Vec<PathBuf>,
}

/// What `options` ask for.
pub fn request(options: &Options) -> Result<Prepared> {
    let text = |word: &std::ffi::OsString| {
        let word = word.to_str().map(str::to_owned);
        word.context("the command's words are not UTF-8")
    };
    let mut words = options.command.iter().map(text);
    let command = words.next().context("no command")??;
    let mut request = Request {
        command,
        args: words.collect::<Result<_>>()?,
        folder: options.folder.clone().unwrap_or_else(|| HOME.to_owned()),
        ..Request::default()
    };
    for variable in &options.env {
        match variable.split_once('=') {
            Some((name, value)) if !name.is_empty() => {
                request.env.push((name.to_owned(), value.to_owned()));
            }
            _ => bail!("-e {variable}: not of the form NAME=VALUE"),
        }
    }
    for (path, mode) in [(HOME, 0o755), ("/tmp", 0o1777)] {
        request.files.push(File {
            path: path.to_owned(),
            mode,
            kind: FileKind::Folder,
        });
    }
    let mut prepared = Prepared {
        request,
        contents: Vec::new(),
    };
    for file in &options.files {
        let (host, guest) = split(file)?;
        prepared.make_way(&guest);
        prepared.put(&host, &guest, &options.without, true)?;
    }
    Ok(prepared)
}

/// Takes `HOST[:GUEST]` apart; a guest's path that ends with a slash is a folder to put it in.
fn split(file: &str) -> Result<(PathBuf, String)> {
    let (host, guest) = match file.rsplit_once(':') {
        Some((host, guest)) if guest.starts_with('/') => (host, guest.to_owned()),
        _ => (file, format!("{HOME}/")),
    };
    let host = Path::new(host);
    if !guest.ends_with('/') {
        return Ok((host.to_owned(), guest));
    }
    let whole = host
        .canonicalize()
        .with_context(|| format!("-f {}", host.display()))?;
    let name = whole.file_name().and_then(|name| name.to_str());
    match name {
        Some(name) => Ok((host.to_owned(), format!("{guest}{name}"))),
        None => bail!("-f {file}: say where it goes, as HOST:GUEST"),
    }
}

impl Prepared {
    /// Has the folders that lead to `guest` made.
    fn make_way(&mut self, guest: &str) {
        for (at, _) in guest.match_indices('/').skip(1) {
            let path = &guest[..at];
            if !self.request.files.iter().any(|file| file.path == path) {
                self.request.files.push(File {
                    path: path.to_owned(),
                    mode: 0o755,
                    kind: FileKind::Folder,
                });
            }
        }
    }

    /// Puts what is at `host` at `guest`, except what is called as one of `without`. A link that the caller
    /// named is followed; one in a folder stays a link.
    fn put(&mut self, host: &Path, guest: &str, without: &[String], named: bool) -> Result<()> {
        let reading = || format!("-f {}", host.display());
        let meta = if named {
            fs::metadata(host)
        } else {
            fs::symlink_metadata(host)
        };
        let meta = meta.with_context(reading)?;
        let mode = meta.permissions().mode() & 0o7777;
        let mut push = |kind| {
            self.request.files.push(File {
                path: guest.to_owned(),
                mode,
                kind,
            });
        };
        if meta.is_symlink() {
            let target = fs::read_link(host).with_context(reading)?;
            let target = target.to_str().with_context(reading)?;
            push(FileKind::Link(target.to_owned()));
        } else if meta.is_dir() {
            push(FileKind::Folder);
            for path in files::list(host)? {
                let name = path.file_name().and_then(|name| name.to_str());
                let name =
                    name.with_context(|| format!("{}: a name that is not UTF-8", path.display()))?;
                if without.iter().any(|other| other == name) {
                    continue;
                }
                self.put(
                    &path,
                    &format!("{}/{name}", guest.trim_end_matches('/')),
                    without,
                    false,
                )?;
            }
        } else if meta.is_file() {
            let number = u32::try_from(self.contents.len()).context("too many files")?;
            push(FileKind::Contents(number));
            self.contents.push(host.to_owned());
        } else {
            bail!("-f {}: neither file, folder nor link", host.display());
        }
        Ok(())
    }
}

/// Where the image's initial file system is.
fn base(tree: &Tree) -> PathBuf {
    tree.recipe_build("base-initfs").join("stage/boot/initfs")
}

/// Whether the image's initial file system has a file.
pub fn has(tree: &Tree, path: &str) -> Result<bool> {
    let base = base(tree);
    let bytes = fs::read(&base).with_context(|| format!("cannot read {}", base.display()))?;
    let archive =
        Archive::new(&bytes).map_err(|error| anyhow::anyhow!("{}: {error:?}", base.display()))?;
    Ok(archive.lookup(path).is_some())
}

/// Writes the initial file system of a run: the image's, the agent, the request and its files.
pub fn write_initfs(tree: &Tree, prepared: &Prepared, to: &Path) -> Result<()> {
    let base = base(tree);
    let agent = tree.recipe_build("execd").join("stage/usr/lib/exec/execd");
    let bytes = fs::read(&base).with_context(|| format!("cannot read {}", base.display()))?;
    let archive =
        Archive::new(&bytes).map_err(|error| anyhow::anyhow!("{}: {error:?}", base.display()))?;
    let mut builder = Builder::new();
    let kept = |path: &str| !path.is_empty() && !CONSOLE_UNITS.contains(&path);
    for entry in archive.entries().filter(|entry| kept(entry.path)) {
        match entry.kind {
            Kind::Directory => builder.directory(entry.path, entry.mode)?,
            Kind::File(data) => builder.file(entry.path, entry.mode, data.to_vec())?,
            Kind::Link(target) => builder.link(entry.path, target)?,
            // Nothing that is made here has devices.
            Kind::Other => continue,
        };
    }
    let read =
        |path: &Path| fs::read(path).with_context(|| format!("cannot read {}", path.display()));
    builder.file("bin/execd", 0o755, read(&agent)?)?;
    let request = encode_request(&prepared.request).context("the request is too long")?;
    builder.file(REQUEST, 0o644, request)?;
    for (number, host) in prepared.contents.iter().enumerate() {
        builder.file(&format!("{FILES}/{number}"), 0o644, read(host)?)?;
    }
    fs::write(to, builder.finish()).with_context(|| format!("cannot write {}", to.display()))
}
