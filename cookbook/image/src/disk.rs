//! The disk: partition table, EFI system partition, root partition.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Cursor, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;

use fatfs::{FileSystem, FormatVolumeOptions, FsOptions};
use gpt::disk::LogicalBlockSize;
use gpt::mbr::ProtectiveMBR;
use gpt::partition::Partition as GptPartition;
use gpt::partition_types;
use uuid::Uuid;

use crate::rootfs::{self, Partition};
use crate::{Error, MIB, Tree};

const SECTOR: u64 = 512;
/// What comes before the first partition, and after the last: room for the partition tables.
const TABLE_MIB: u64 = 1;
/// Below this a RedoxFS cannot hold even its own structures.
const MIN_ROOT_MIB: u64 = 2;
/// Where UEFI firmware looks for a loader on a disk it knows nothing of.
const LOADER_FOLDERS: [&str; 2] = ["EFI", "EFI/BOOT"];
const LOADER_PATH: &str = "EFI/BOOT/BOOTX64.EFI";

/// Sizes, in MiB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// The whole disk.
    pub disk_mib: u64,
    /// The EFI system partition.
    pub esp_mib: u64,
}

impl Default for Layout {
    fn default() -> Self {
        Self {
            disk_mib: 64,
            esp_mib: 2,
        }
    }
}

/// What a disk is made of.
#[derive(Clone, Copy, Debug)]
pub struct DiskImage<'a> {
    /// Sizes.
    pub layout: Layout,
    /// The UEFI program to boot.
    pub loader: &'a [u8],
    /// The root file system.
    pub root: &'a Tree,
}

/// Identifiers that formats want unique, from a hash of everything on the disk.
struct Ids(blake3::Hash);

impl Ids {
    fn new(image: &DiskImage<'_>) -> Result<Self, Error> {
        let mut hash = blake3::Hasher::new();
        let mut field = |bytes: &[u8]| {
            hash.update(&(bytes.len() as u64).to_le_bytes());
            hash.update(bytes);
        };
        field(&image.layout.disk_mib.to_le_bytes());
        field(&image.layout.esp_mib.to_le_bytes());
        field(image.loader);
        for (path, node) in image.root.iter() {
            let attributes = node.attributes;
            field(path.as_bytes());
            field(&(node.contents.mode_type() | attributes.mode).to_le_bytes());
            field(&attributes.uid.to_le_bytes());
            field(&attributes.gid.to_le_bytes());
            field(&node.contents.read()?);
        }
        Ok(Self(hash.finalize()))
    }

    fn bytes(&self, purpose: &str) -> [u8; 16] {
        let hash = blake3::keyed_hash(self.0.as_bytes(), purpose.as_bytes());
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&hash.as_bytes()[..16]);
        bytes
    }

    fn uuid(&self, purpose: &str) -> Uuid {
        uuid::Builder::from_custom_bytes(self.bytes(purpose)).into_uuid()
    }
}

/// Has `write` make a file that comes to stand at `path` when it is complete.
fn replace(path: &Path, write: impl FnOnce(&Path) -> Result<(), Error>) -> Result<(), Error> {
    let partial = path.with_added_extension("partial");
    let result =
        write(&partial).and_then(|()| fs::rename(&partial, path).map_err(Error::host(path)));
    if result.is_err() {
        // The error to report is the first one.
        let _ = fs::remove_file(&partial);
    }
    result
}

/// A new file of `mib` MiB, all zeros.
fn create(path: &Path, mib: u64) -> Result<File, Error> {
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(true)
        .open(path)
        .map_err(Error::host(path))?;
    file.set_len(mib * MIB).map_err(Error::host(path))?;
    Ok(file)
}

/// Writes a disk of `mib` MiB that is one file system with what is in `tree`, and has the number `id`. `path` changes
/// only when it is complete.
pub fn write_volume(path: &Path, tree: &Tree, mib: u64, id: [u8; 16]) -> Result<(), Error> {
    replace(path, |path| {
        let file = create(path, mib)?;
        rootfs::write(Partition::new(&file, 0, mib * MIB), tree, id)
    })
}

impl DiskImage<'_> {
    /// Writes the image to `path`, which changes only when the image is complete.
    pub fn write(&self, path: &Path) -> Result<(), Error> {
        replace(path, |path| self.write_new(path))
    }

    fn write_new(&self, path: &Path) -> Result<(), Error> {
        let Layout { disk_mib, esp_mib } = self.layout;
        let root_mib = disk_mib
            .checked_sub(esp_mib + 2 * TABLE_MIB)
            .filter(|&size| esp_mib > 0 && size >= MIN_ROOT_MIB)
            .ok_or(Error::NoRoom {
                size: disk_mib,
                esp: esp_mib,
            })?;
        let esp_start = TABLE_MIB * MIB;
        let root_start = esp_start + esp_mib * MIB;
        let ids = Ids::new(self)?;

        let mut file = create(path, disk_mib)?;
        write_table(
            &mut file,
            &ids,
            &[
                ("EFI", partition_types::EFI, esp_start, esp_mib * MIB),
                (
                    "root",
                    partition_types::LINUX_FS,
                    root_start,
                    root_mib * MIB,
                ),
            ],
        )
        .map_err(|source| Error::Disk {
            what: "partition table",
            source,
        })?;
        let esp = self.esp(&ids)?;
        file.write_all_at(&esp, esp_start)
            .map_err(Error::host(path))?;
        let partition = Partition::new(&file, root_start, root_mib * MIB);
        rootfs::write(partition, self.root, ids.bytes("root file system"))
    }

    /// The EFI system partition: a FAT file system with the loader.
    fn esp(&self, ids: &Ids) -> Result<Vec<u8>, Error> {
        let size = self.layout.esp_mib * MIB;
        let mut volume = Cursor::new(vec![0; size as usize]);
        let [a, b, c, d, ..] = ids.bytes("EFI system partition");
        let options = FormatVolumeOptions::new()
            .volume_id(u32::from_le_bytes([a, b, c, d]))
            .volume_label(*b"CUPRITE EFI");
        let write = |volume: &mut Cursor<Vec<u8>>| -> io::Result<bool> {
            fatfs::format_volume(&mut *volume, options)?;
            let fs = FileSystem::new(&mut *volume, FsOptions::new().time_provider(&FirstDay))?;
            let root = fs.root_dir();
            for folder in LOADER_FOLDERS {
                root.create_dir(folder)?;
            }
            let stats = fs.stats()?;
            let free = u64::from(stats.free_clusters()) * u64::from(stats.cluster_size());
            if free < self.loader.len() as u64 {
                return Ok(false);
            }
            let mut file = root.create_file(LOADER_PATH)?;
            file.write_all(self.loader)?;
            file.flush()?;
            drop((file, root));
            fs.unmount()?;
            Ok(true)
        };
        match write(&mut volume) {
            Ok(true) => Ok(volume.into_inner()),
            Ok(false) => Err(Error::EspFull {
                size: self.layout.esp_mib,
                loader: (self.loader.len() as u64).div_ceil(1024),
            }),
            Err(source) => Err(Error::Disk {
                what: "EFI system partition",
                source,
            }),
        }
    }
}

/// Dates every file to the first day that FAT knows, whatever the clock says.
#[derive(Debug)]
struct FirstDay;

impl fatfs::TimeProvider for FirstDay {
    fn get_current_date(&self) -> fatfs::Date {
        fatfs::Date {
            year: 1980,
            month: 1,
            day: 1,
        }
    }

    fn get_current_date_time(&self) -> fatfs::DateTime {
        fatfs::DateTime {
            date: self.get_current_date(),
            time: fatfs::Time {
                hour: 0,
                min: 0,
                sec: 0,
                millis: 0,
            },
        }
    }
}

fn write_table(
    file: &mut File,
    ids: &Ids,
    partitions: &[(&str, partition_types::Type, u64, u64)],
) -> io::Result<()> {
    let sectors = file.metadata()?.len() / SECTOR;
    // The protective entry covers the disk without its own sector, as far as 32 bits go.
    let protected = u32::try_from(sectors - 1).unwrap_or(u32::MAX);
    ProtectiveMBR::with_lb_size(protected)
        .overwrite_lba0(file)
        .map_err(io::Error::other)?;
    let mut disk = gpt::GptConfig::new()
        .writable(true)
        .logical_block_size(LogicalBlockSize::Lb512)
        .create_from_device(file, Some(ids.uuid("disk")))
        .map_err(io::Error::other)?;
    let mut entries = BTreeMap::new();
    for (number, (name, kind, start, len)) in (1..).zip(partitions) {
        let entry = GptPartition {
            part_type_guid: kind.clone(),
            part_guid: ids.uuid(name),
            first_lba: start / SECTOR,
            last_lba: (start + len) / SECTOR - 1,
            flags: 0,
            name: (*name).to_owned(),
        };
        entries.insert(number, entry);
    }
    disk.update_partitions(entries).map_err(io::Error::other)?;
    disk.write().map_err(io::Error::other)?;
    Ok(())
}
