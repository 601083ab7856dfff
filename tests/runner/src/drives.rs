//! Disks of the machine: what they hold before a run, and what they must hold after it.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use disk_image::{SECTOR, fill, writes};
use serde::Deserialize;

use crate::cuts;

/// A disk.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Drive {
    /// Its size in MiB.
    pub megabytes: u64,
    /// What it holds.
    #[serde(default)]
    pub content: Content,
    /// It cannot be written.
    #[serde(default)]
    pub read_only: bool,
    /// Sectors that cannot be read.
    #[serde(default)]
    pub bad_reads: Vec<u64>,
    /// Sectors that cannot be written.
    #[serde(default)]
    pub bad_writes: Vec<u64>,
    /// Further options of the device, as the emulator takes them.
    #[serde(default)]
    pub options: Vec<String>,
    /// What it must hold afterwards.
    pub expect: Option<Expect>,
}

/// What a disk holds.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Content {
    /// Zeros.
    #[default]
    Zeros,
    /// Sectors of generation 0 (`disk_image::fill`).
    Sectors,
    /// Two partitions: sectors 2048 to 6143 and 8192 to 10239.
    Partitions,
    /// An empty RedoxFS volume.
    Volume,
    /// What `cook repo` made.
    Packages,
}

/// The disk that `cook repo` makes.
const PACKAGES: &str = "build/x86_64/repo.img";

/// What a disk must hold.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Expect {
    /// What it held, and over it the writes of this seed (`disk_image::writes`).
    Writes(u64),
    /// A volume with a file of this name in its root, of [`KEPT`] bytes of generation 0.
    Kept(String),
    /// A volume that, whenever the power had gone, would have all of the package of this name or nothing of it
    /// ([`crate::cuts`]).
    AllOrNothing(String),
}

/// Bytes of a file that is looked for after a run.
pub const KEPT: usize = disk_image::KEPT;

impl Drive {
    fn bytes(&self) -> u64 {
        self.megabytes << 20
    }

    /// Writes the image, and what else the emulator has to read.
    pub fn make(&self, files: &Files) -> Result<()> {
        let path = &files.image;
        let context = || format!("cannot write {}", path.display());
        let mut file = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(true)
            .open(path)
            .with_context(context)?;
        file.set_len(self.bytes()).with_context(context)?;
        match self.content {
            Content::Zeros => {}
            Content::Sectors => file.write_all(&self.sectors()).with_context(context)?,
            Content::Partitions => partition(&mut file).with_context(context)?,
            Content::Volume => {
                let disk = redoxfs::DiskIo(&mut file);
                let made = redoxfs::FileSystem::create(disk, None, 0, 0);
                made.map_err(|error| anyhow::anyhow!("{error}"))
                    .with_context(context)?;
            }
            Content::Packages => {
                let bytes =
                    fs::read(PACKAGES).with_context(|| format!("cannot read {PACKAGES}"))?;
                if bytes.len() as u64 > self.bytes() {
                    bail!("{PACKAGES} is larger than {} MiB", self.megabytes);
                }
                file.write_all(&bytes).with_context(context)?;
            }
        }
        let rules = self.rules();
        if !rules.is_empty() {
            fs::write(&files.rules, rules)
                .with_context(|| format!("cannot write {}", files.rules.display()))?;
        }
        if self.is_logged() {
            for (file, what) in [
                (&files.before, fs::copy(path, &files.before).map(drop)),
                (&files.log, File::create(&files.log).map(drop)),
            ] {
                what.with_context(|| format!("cannot write {}", file.display()))?;
            }
        }
        Ok(())
    }

    /// Whether the emulator keeps a log of what is written.
    fn is_logged(&self) -> bool {
        matches!(self.expect, Some(Expect::AllOrNothing(_)))
    }

    fn sectors(&self) -> Vec<u8> {
        let mut bytes = vec![0; self.bytes() as usize];
        fill(0, 0, &mut bytes);
        bytes
    }

    /// The errors, as the emulator's `blkdebug` reads them.
    fn rules(&self) -> String {
        let kinds = [("read", &self.bad_reads), ("write", &self.bad_writes)];
        let rules = kinds.iter().flat_map(|(kind, sectors)| {
            sectors.iter().map(move |sector| {
                format!(
                    "[inject-error]\nevent = \"none\"\niotype = \"{kind}\"\nerrno = \"5\"\nsector = \"{sector}\"\n"
                )
            })
        });
        rules.collect()
    }

    /// The emulator's arguments for the `index`-th disk.
    pub fn qemu_args(&self, index: usize, files: &Files) -> Vec<OsString> {
        // A comma in a value is written twice.
        let escaped = |path: &Path| path.to_string_lossy().replace(',', ",,");
        let image = escaped(&files.image);
        let read_only = if self.read_only { ",readonly=on" } else { "" };
        let drive = if self.is_logged() {
            let log = escaped(&files.log);
            format!(
                "if=none,id=drive{index},driver=blklogwrites,file.driver=file,file.filename={image},\
                 log.driver=file,log.filename={log}"
            )
        } else if self.rules().is_empty() {
            format!("if=none,id=drive{index},format=raw{read_only},file={image}")
        } else {
            let rules = escaped(&files.rules);
            format!("if=none,id=drive{index},format=raw{read_only},file=blkdebug:{rules}:{image}")
        };
        let mut device = format!("virtio-blk-pci,drive=drive{index}");
        for option in &self.options {
            device += ",";
            device += option;
        }
        let words = ["-drive".to_owned(), drive, "-device".to_owned(), device];
        words.into_iter().map(OsString::from).collect()
    }

    /// What is wrong with the image after a run.
    pub fn check(&self, files: &Files) -> Result<Option<String>> {
        let seed = match &self.expect {
            None => return Ok(None),
            Some(Expect::Writes(seed)) => *seed,
            Some(Expect::Kept(name)) => return kept(&files.image, name),
            Some(Expect::AllOrNothing(name)) => {
                return cuts::check(&files.before, &files.log, name);
            }
        };
        if self.content != Content::Sectors {
            bail!("`expect` needs a disk of sectors");
        }
        let mut wanted = self.sectors();
        for write in writes(seed, self.bytes() / SECTOR as u64) {
            let range = write.sector as usize..(write.sector + write.count) as usize;
            let bytes = &mut wanted[range.start * SECTOR..range.end * SECTOR];
            fill(write.generation, write.sector, bytes);
        }
        let mut found = Vec::new();
        File::open(&files.image)
            .and_then(|mut file| file.read_to_end(&mut found))
            .with_context(|| format!("cannot read {}", files.image.display()))?;
        let sectors = wanted.chunks(SECTOR).zip(found.chunks(SECTOR));
        let bad: Vec<usize> = (0..)
            .zip(sectors)
            .filter(|(_, (wanted, found))| wanted != found)
            .map(|(sector, _)| sector)
            .collect();
        Ok(match bad.first() {
            None if found.len() == wanted.len() => None,
            None => Some(format!("{} bytes long afterwards", found.len())),
            Some(first) => Some(format!(
                "{} sectors are wrong afterwards, the first is {first}",
                bad.len()
            )),
        })
    }
}

/// What is wrong with a volume that must hold a file.
fn kept(image: &Path, name: &str) -> Result<Option<String>> {
    let failed =
        |error: redoxfs_errors::error::Error| anyhow::anyhow!("{}: {error}", image.display());
    let disk = redoxfs::DiskFile::open(image).map_err(failed)?;
    let mut fs = redoxfs::FileSystem::open(disk, None, Some(0), false).map_err(failed)?;
    let mut found = vec![0; KEPT + 1];
    let read = fs.tx(|tx| {
        let node = tx.find_node(redoxfs::TreePtr::root(), name)?;
        tx.read_node_inner(&node, 0, &mut found)
    });
    let mut wanted = vec![0; KEPT];
    fill(0, 0, &mut wanted);
    Ok(match read {
        Err(error) => Some(format!("`{name}` cannot be read afterwards: {error}")),
        Ok(len) if found.get(..len) != Some(&wanted[..]) => {
            Some(format!("`{name}` is wrong afterwards, {len} bytes long"))
        }
        Ok(_) => None,
    })
}

fn partition(file: &mut File) -> Result<()> {
    use gpt::{GptConfig, disk::LogicalBlockSize, partition_types::LINUX_FS};
    let mut disk = GptConfig::new()
        .writable(true)
        .logical_block_size(LogicalBlockSize::Lb512)
        .create_from_device(file, None)?;
    for (id, first, sectors) in [(1, 2048, 4096), (2, 8192, 2048)] {
        disk.add_partition_at("", id, first, sectors, LINUX_FS, 0)?;
    }
    disk.write()?;
    Ok(())
}

/// Where a disk's files are.
#[derive(Clone, Debug)]
pub struct Files {
    image: PathBuf,
    rules: PathBuf,
    /// What it held.
    before: PathBuf,
    /// What was written to it.
    log: PathBuf,
}

impl Files {
    /// For the `index`-th disk, in a folder.
    pub fn new(folder: &Path, index: usize) -> Self {
        Self {
            image: folder.join(format!("drive{index}.img")),
            rules: folder.join(format!("drive{index}.rules")),
            before: folder.join(format!("drive{index}.before")),
            log: folder.join(format!("drive{index}.log")),
        }
    }

    /// The image.
    pub fn image(&self) -> &Path {
        &self.image
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drive(text: &str) -> Drive {
        toml::from_str(&format!("megabytes = 6\n{text}")).unwrap()
    }

    fn args(drive: &Drive) -> String {
        let files = Files::new(Path::new("/a,b"), 1);
        let args = drive.qemu_args(1, &files);
        let words: Vec<_> = args.iter().map(|word| word.to_string_lossy()).collect();
        words.join(" ")
    }

    #[test]
    fn the_emulator_is_told() {
        let plain = "-drive if=none,id=drive1,format=raw,file=/a,,b/drive1.img -device virtio-blk-pci,drive=drive1";
        assert_eq!(args(&drive("")), plain);
        let rows = [
            ("read_only = true", "format=raw,readonly=on,file="),
            (
                "bad_reads = [7]",
                "file=blkdebug:/a,,b/drive1.rules:/a,,b/drive1.img",
            ),
            ("options = ['vectors=0']", "drive=drive1,vectors=0"),
            (
                "expect = { all-or-nothing = 'lua' }",
                "driver=blklogwrites,file.driver=file,file.filename=/a,,b/drive1.img,log.driver=file,log.filename=/a,,b/drive1.log",
            ),
        ];
        for (text, wanted) in rows {
            let args = args(&drive(text));
            assert!(args.contains(wanted), "{args}");
        }
    }

    #[test]
    fn images_are_made_and_checked() {
        let folder = tempfile::tempdir().unwrap();
        let files = Files::new(folder.path(), 0);
        let disk = drive("content = 'sectors'\nexpect = { writes = 3 }");
        disk.make(&files).unwrap();
        assert!(disk.check(&files).unwrap().unwrap().contains("wrong"));
        let mut bytes = fs::read(&files.image).unwrap();
        for write in writes(3, disk.bytes() / SECTOR as u64) {
            let at = write.sector as usize * SECTOR;
            let end = at + write.count as usize * SECTOR;
            fill(write.generation, write.sector, &mut bytes[at..end]);
        }
        fs::write(&files.image, &bytes).unwrap();
        assert_eq!(disk.check(&files).unwrap(), None);
        bytes[SECTOR * 9] ^= 1;
        fs::write(&files.image, &bytes).unwrap();
        assert!(disk.check(&files).unwrap().unwrap().contains("first is 9"));
        bytes[SECTOR * 9] ^= 1;
        bytes.truncate(bytes.len() - SECTOR);
        fs::write(&files.image, &bytes).unwrap();
        assert!(disk.check(&files).unwrap().is_some());
    }

    #[test]
    fn partitions_are_where_they_should_be() {
        let folder = tempfile::tempdir().unwrap();
        let files = Files::new(folder.path(), 0);
        drive("content = 'partitions'").make(&files).unwrap();
        let file = File::open(&files.image).unwrap();
        let disk = gpt::GptConfig::new().open_from_device(file).unwrap();
        let list: Vec<_> = disk
            .partitions()
            .values()
            .map(|p| (p.first_lba, p.last_lba))
            .collect();
        assert_eq!(list, [(2048, 6143), (8192, 10239)]);
    }

    #[test]
    fn errors_are_rules() {
        let disk = drive("bad_reads = [1, 2]\nbad_writes = [3]");
        assert_eq!(disk.rules().matches("inject-error").count(), 3);
        assert!(
            disk.rules()
                .contains("iotype = \"write\"\nerrno = \"5\"\nsector = \"3\"")
        );
    }
}
