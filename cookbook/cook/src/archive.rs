//! Unpacking source archives.

use std::fs::{self, File};
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, bail};
use flate2::read::MultiGzDecoder;
use tar::Archive;

use crate::{files, process};

/// How an archive is compressed, from its first bytes.
fn decompressor(start: &[u8]) -> Option<&'static str> {
    const KINDS: [(&[u8], &str); 4] = [
        (b"\xfd7zXZ\0", "xz"),
        (b"BZh", "bzip2"),
        (b"\x28\xb5\x2f\xfd", "zstd"),
        (b"LZIP", "lzip"),
    ];
    let found = KINDS.iter().find(|(magic, _)| start.starts_with(magic));
    found.map(|(_, program)| *program)
}

/// Unpacks the tar archive `archive` into the folder `to`, which is made anew. If everything in it is
/// in one folder, as usual, that folder's contents come to stand there.
pub fn unpack(archive: &Path, to: &Path) -> Result<()> {
    let opening = || format!("cannot read {}", archive.display());
    let mut start = Vec::new();
    let file = File::open(archive).with_context(opening)?;
    file.take(6).read_to_end(&mut start).with_context(opening)?;
    let partial = to.with_added_extension("partial");
    files::make_empty(&partial)?;
    let mut child = None;
    let file = File::open(archive).with_context(opening)?;
    let reader: Box<dyn Read> = if start.starts_with(&[0x1f, 0x8b]) {
        Box::new(MultiGzDecoder::new(BufReader::new(file)))
    } else if let Some(program) = decompressor(&start) {
        process::need(program, &format!("unpacking {}", archive.display()))?;
        let mut spawned = Command::new(program)
            .arg("-dc")
            .stdin(file)
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start {program}"))?;
        let output = spawned.stdout.take().context("no output")?;
        child = Some(spawned);
        Box::new(output)
    } else {
        Box::new(file)
    };
    let unpacked = entries(reader, &partial);
    // An archive that ends early is the decompressor's failure rather than tar's.
    let ended = child.as_mut().map(Child::wait).transpose();
    unpacked.with_context(|| format!("cannot unpack {}", archive.display()))?;
    if let Ok(Some(status)) = ended
        && !status.success()
        // The decompressor is cut off when it has more than tar wants to read.
        && status.code().is_some()
    {
        bail!(
            "cannot unpack {}: the decompressor failed ({status})",
            archive.display()
        );
    }
    files::remove(to)?;
    let top = top(&partial).with_context(|| format!("cannot unpack {}", archive.display()))?;
    fs::rename(top, to).with_context(|| format!("cannot create {}", to.display()))?;
    files::remove(&partial)
}

fn entries(reader: impl Read, to: &Path) -> Result<()> {
    let mut archive = Archive::new(reader);
    // Patches and configure scripts look at times; everything gets the same one, so that a generated
    // file never seems older than what it is generated from.
    archive.set_preserve_mtime(false);
    archive.set_overwrite(true);
    archive.unpack(to)?;
    Ok(())
}

/// The one folder in `folder`, if it is the only thing there, or else itself.
fn top(folder: &Path) -> Result<PathBuf> {
    let paths = files::list(folder)?;
    match paths.as_slice() {
        [only] if only.is_dir() && !only.is_symlink() => Ok(only.clone()),
        [] => bail!("there is nothing in it"),
        _ => Ok(folder.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::{Compression, write::GzEncoder};

    use super::*;

    fn archive(names: &[&str]) -> Vec<u8> {
        let mut builder = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
        for name in names {
            let mut header = tar::Header::new_gnu();
            header.set_size(name.len() as u64);
            header.set_mode(0o755);
            builder
                .append_data(&mut header, name, name.as_bytes())
                .unwrap();
        }
        builder.into_inner().unwrap().finish().unwrap()
    }

    #[test]
    fn layouts() {
        let rows: &[(&[&str], &[&str])] = &[
            (&["a-1/x", "a-1/b/y"], &["b/y", "x"]),
            (&["x", "b/y"], &["b/y", "x"]),
        ];
        for (packed, unpacked) in rows {
            let folder = tempfile::tempdir().unwrap();
            let (file, to) = (folder.path().join("f"), folder.path().join("to"));
            File::create(&file)
                .unwrap()
                .write_all(&archive(packed))
                .unwrap();
            // What was there before is gone.
            files::make_folder(&to.join("old")).unwrap();
            unpack(&file, &to).unwrap();
            let found = files::walk(&to).unwrap();
            assert_eq!(
                found,
                unpacked.iter().map(PathBuf::from).collect::<Vec<_>>()
            );
            assert!(!to.with_added_extension("partial").exists());
        }
    }

    #[test]
    fn broken() {
        let folder = tempfile::tempdir().unwrap();
        let (file, to) = (folder.path().join("f"), folder.path().join("to"));
        for bytes in [&archive(&["x"])[..20], b"no archive at all", b""] {
            fs::write(&file, bytes).unwrap();
            let error = unpack(&file, &to).unwrap_err();
            let message = format!("{error:#}");
            assert!(message.starts_with("cannot unpack"), "{message}");
            assert!(message.contains(&file.display().to_string()), "{message}");
            assert!(!to.exists());
        }
    }
}
