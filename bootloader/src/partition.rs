//! Which partition to boot from.

use alloc::format;
use alloc::vec::Vec;

use boot_core::device_path;
use uefi::Handle;
use uefi::boot::{self, OpenProtocolAttributes, OpenProtocolParams, ScopedProtocol};
use uefi::proto::ProtocolPointer;
use uefi::proto::device_path::DevicePath;
use uefi::proto::loaded_image::LoadedImage;
use uefi::proto::media::block::BlockIO;

use crate::Result;
use crate::files::{Disk, Root};

/// Opens the file system of the first partition, by number, that holds one and lies on the disk from
/// which the firmware loaded this program.
pub fn find_root() -> Result<Root> {
    let image = open::<LoadedImage>(boot::image_handle())
        .map_err(|error| format!("cannot find out where it was loaded from: {error}"))?;
    let device = image.device().ok_or("not loaded from a device")?;
    let own_path = path(device).ok_or("the device it was loaded from has no path")?;
    if device_path::partition_number(&own_path).is_none() {
        return Err("not loaded from a partition of a disk".into());
    }

    let handles = boot::find_handles::<BlockIO>()
        .map_err(|error| format!("the firmware lists no disks: {error}"))?;
    let mut partitions: Vec<(u32, Handle)> = handles
        .into_iter()
        .filter_map(|handle| {
            let path = path(handle)?;
            let number = device_path::partition_number(&path)?;
            device_path::on_one_disk(&own_path, &path).then_some((number, handle))
        })
        .collect();
    partitions.sort_by_key(|&(number, _)| number);

    for &(number, handle) in &partitions {
        let block_io = open::<BlockIO>(handle)
            .map_err(|error| format!("partition {number}: cannot be opened: {error}"))?;
        let Some(disk) = Disk::new(block_io)? else {
            continue;
        };
        if let Some(root) = Root::open(disk, number)? {
            return Ok(root);
        }
    }
    let numbers: Vec<u32> = partitions.iter().map(|&(number, _)| number).collect();
    Err(format!(
        "no RedoxFS file system on the disk it was loaded from (looked at partitions {numbers:?})"
    ))
}

fn path(handle: Handle) -> Option<Vec<u8>> {
    let path = open::<DevicePath>(handle).ok()?;
    Some(path.as_bytes().to_vec())
}

/// Opens a protocol without taking it from whoever else uses it.
fn open<P: ProtocolPointer + ?Sized>(handle: Handle) -> uefi::Result<ScopedProtocol<P>> {
    let params = OpenProtocolParams {
        handle,
        agent: boot::image_handle(),
        controller: None,
    };
    // SAFETY: 1. The firmware does not know of this use, so the handle must stay valid by itself:
    // nothing here removes devices or disconnects drivers, and the firmware does so only when asked.
    // 2. No other program runs meanwhile that could use the protocol at the same time.
    unsafe { boot::open_protocol(params, OpenProtocolAttributes::GetProtocol) }
}
