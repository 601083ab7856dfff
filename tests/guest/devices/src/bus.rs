//! The bus: what it lists, and what it keeps to itself.

use alloc::format;

use guest_test::{Outcome, check, check_eq, check_error, run};
use syscall::{EACCES, EBUSY, EINVAL, ENOENT, ENOMEM, ENOTDIR, ENXIO, Map, flag::*};

use crate::world::{list, open, schemes, text};
use redox_rt::{Fd, Result, sys};

/// Runs the group.
pub fn run() -> i32 {
    run!["bus" =>
        functions_are_listed, every_disk_has_a_driver, a_driven_function_is_taken,
        a_function_gives_what_is_its_own, windows_end_where_they_end, blocks_are_memory,
    ]
}

/// A function that nobody drives: the host bridge is on every machine of this kind.
const FREE: &str = "00-00.0";

fn functions_are_listed() -> Outcome {
    let names = list("/scheme/pci/")?;
    let listed = text("/scheme/pci/functions")?;
    check_eq!(listed.lines().count() + 1, names.len());
    for line in listed.lines() {
        let name = line.split(' ').next().unwrap_or("");
        check!(names.iter().any(|other| other == name), "{name}");
    }
    check!(
        listed.contains("00-00.0 8086:29c0 060000 - - -"),
        "{listed}"
    );
    check_error!(open("/scheme/pci/functions", O_RDWR), EACCES);
    check_error!(open("/scheme/pci/ff-1f.7", O_RDONLY), ENOENT);
    check_error!(open("/scheme/pci/functions/x", O_RDONLY), ENOENT);
    Ok(())
}

fn every_disk_has_a_driver() -> Outcome {
    let listed = text("/scheme/pci/functions")?;
    let disks = schemes("disk.")?;
    check_eq!(listed.matches("virtio-blkd").count(), disks.len());
    for disk in disks {
        check!(listed.contains(&disk), "{disk}");
    }
    Ok(())
}

fn a_driven_function_is_taken() -> Outcome {
    let disk = schemes("disk.pci-")?.remove(0);
    let name = disk.trim_start_matches("disk.pci-");
    check_error!(open(&format!("/scheme/pci/{name}"), O_RDONLY), EBUSY);
    Ok(())
}

fn a_function_gives_what_is_its_own() -> Outcome {
    let function = open(&format!("/scheme/pci/{FREE}"), O_RDONLY)?;
    check_error!(open(&format!("/scheme/pci/{FREE}"), O_RDONLY), EBUSY);
    let mut id = [0; 4];
    check_eq!(function.read_full_at(&mut id, 0)?, 4);
    check_eq!(id, [0x86, 0x80, 0xc0, 0x29]);
    check_error!(function.write(&id), syscall::EBADF);
    check_error!(function.open(b"bar0", O_RDWR), ENXIO);
    check_error!(function.open(b"bar9", O_RDWR), ENOENT);
    check_error!(function.open(b"irq", O_RDWR), syscall::ENODEV);
    check_error!(function.open(b"dma/1", O_RDWR), EINVAL);
    check_error!(function.open(b"dma/100000000", O_RDWR), ENOMEM);
    drop(function);
    drop(open(&format!("/scheme/pci/{FREE}"), O_RDONLY)?);
    check_error!(open(&format!("/scheme/pci/{FREE}"), O_DIRECTORY), ENOTDIR);
    Ok(())
}

fn map(fd: &Fd, offset: usize, size: usize) -> Result<usize> {
    let map = Map {
        offset,
        size,
        flags: MapFlags::MAP_SHARED | MapFlags::PROT_READ | MapFlags::PROT_WRITE,
        address: 0,
    };
    // SAFETY: the kernel chooses a range that nothing uses.
    unsafe { sys::fmap(fd.raw(), &map) }
}

fn unmap(base: usize, size: usize) -> Result<()> {
    // SAFETY: what was mapped there is used by nobody.
    unsafe { sys::funmap(base, size) }
}

/// The high-precision timer's registers are one page.
fn windows_end_where_they_end() -> Outcome {
    let window = open("/scheme/memory/physical@uc/fed00000/1000", O_RDWR)?;
    let base = map(&window, 0, 4096)?;
    unmap(base, 4096)?;
    for (offset, size) in [
        (0, 8192),
        (4096, 4096),
        (4096, 1),
        (usize::MAX - 4095, 4096),
        (0, 4097),
    ] {
        check_error!(map(&window, offset, size), EINVAL, "{offset:#x} {size}");
    }
    for (path, error) in [
        ("physical@uc/fed00000/800", EINVAL),
        ("physical@uc/fed00001/1000", EINVAL),
        ("physical@uc/fed00000/0", EINVAL),
        ("physical@uc/0fed00000/1000", EINVAL),
        ("physical@uc/FED00000/1000", EINVAL),
        ("physical@uc/fffffffffffff000/1000", EINVAL),
        ("physical@uc/fed00000", ENOENT),
        ("physical@uc/fed00000/1000/1", ENOENT),
        ("zeroed/1000", ENOENT),
        ("physical@wb/1000000/1000", syscall::EPERM),
        ("physical@uc/0/10000000000", syscall::EPERM),
        // The kernel's image, an I/O APIC, the local APIC.
        ("physical@wb/200000/1000", syscall::EPERM),
        ("physical@uc/fec00000/1000", syscall::EPERM),
        ("physical@uc/fee00000/1000", syscall::EPERM),
        ("dma/", EINVAL),
        ("dma/0", EINVAL),
        ("dma/401000", ENOMEM),
    ] {
        check_error!(
            open(&format!("/scheme/memory/{path}"), O_RDWR),
            error,
            "{path}"
        );
    }
    Ok(())
}

fn blocks_are_memory() -> Outcome {
    let count = |name: &str| -> Result<u64> {
        let text = text("/scheme/sys/objects")?;
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        Ok(line.and_then(|n| n.trim().parse().ok()).unwrap_or(u64::MAX))
    };
    let before = count("blocks ")?;
    let block = open("/scheme/memory/dma/3000", O_RDWR)?;
    let (one, other) = (map(&block, 0, 0x3000)?, map(&block, 0, 0x1000)?);
    check_error!(map(&block, 0, 0x4000), EINVAL);
    check_error!(map(&block, 0x1000, 0x1000), EINVAL);
    // SAFETY: both are mapped, and the same memory.
    let seen = unsafe {
        (one as *mut u64).write_volatile(0x1234);
        (other as *const u64).read_volatile()
    };
    check_eq!(seen, 0x1234);
    let mut address = [0; 8];
    sys::call_read(block.raw(), &mut address, CallFlags::empty(), &[])?;
    check_eq!(u64::from_ne_bytes(address) % 4096, 0);
    check!(u64::from_ne_bytes(address) != 0);
    check_error!(
        sys::call_read(block.raw(), &mut address[..4], CallFlags::empty(), &[]),
        EINVAL
    );
    unmap(one, 0x3000)?;
    unmap(other, 0x1000)?;
    check_eq!(count("blocks ")?, before + 1);
    // Without a descriptor it is left behind until somebody says that no device uses it.
    drop(block);
    check_eq!(count("blocks ")?, before + 1);
    let memory = open("/scheme/memory", O_RDONLY | O_DIRECTORY)?;
    check_error!(sys::call(memory.raw(), CallFlags::empty(), &[2]), EINVAL);
    check_eq!(sys::call(memory.raw(), CallFlags::empty(), &[1])?, 1);
    check_eq!(count("blocks ")?, before);
    Ok(())
}
