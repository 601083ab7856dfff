//! Requests that make no sense, of everything that drivers and the bus serve. Whatever they answer, they live.

use alloc::{format, string::String, vec, vec::Vec};

use disk_image::Numbers;
use guest_test::{Outcome, check_eq, contexts, run};
use redox_rt::{Error, Fd, Result, fs, sys};
use syscall::{ENODEV, Map, error::EINTR, flag::*};

use crate::world::{list, open, schemes, text};

/// Runs the group.
pub fn run() -> i32 {
    run!["strange" => nothing_ends_a_daemon]
}

const ROUNDS: u32 = 6000;
const DAEMONS: [&str; 4] = ["pcid", "virtio-blkd", "virtio-consoled", "virtio-rngd"];

/// The daemons' processes.
fn daemons() -> Result<Vec<u32>> {
    let listed = text("/scheme/sys/context")?;
    let daemons = contexts::listed(&listed).filter(|it| DAEMONS.contains(&it.name) && !it.ended);
    Ok(daemons.map(|it| it.pid).collect())
}

/// Something of everything that is served.
fn victims() -> Result<Vec<(String, usize)>> {
    let first = |prefix| -> Result<String> {
        let all = schemes(prefix)?;
        all.into_iter().next().ok_or(Error::new(ENODEV))
    };
    let (disk, port, rng) = (first("disk.")?, first("port.")?, first("rng.")?);
    let mut number = list(&format!("/scheme/{port}/"))?;
    while number.is_empty() {
        sys::sched_yield();
        number = list(&format!("/scheme/{port}/"))?;
    }
    let root = O_RDONLY | O_DIRECTORY;
    Ok(vec![
        (String::from("/scheme/pci/"), root),
        (String::from("/scheme/pci/functions"), O_RDONLY),
        (String::from("/scheme/pci/00-00.0"), O_RDONLY),
        (format!("/scheme/{disk}/"), root),
        (format!("/scheme/{disk}/0"), O_RDWR),
        (format!("/scheme/{port}/"), root),
        (
            format!("/scheme/{port}/{}", number.concat()),
            O_RDWR | O_NONBLOCK,
        ),
        (format!("/scheme/{rng}/"), root),
        (format!("/scheme/{rng}/0"), O_RDONLY),
        (format!("/scheme/{rng}/fed"), O_RDONLY),
    ])
}

fn nothing_ends_a_daemon() -> Outcome {
    let before = daemons()?;
    check_eq!(before.len(), DAEMONS.len());
    let victims = victims()?;
    let mut files: Vec<Option<Fd>> = victims.iter().map(|_| None).collect();
    let mut numbers = Numbers::new(11);
    let mut buffer = vec![0; 5000];
    for _ in 0..ROUNDS {
        let index = numbers.next() as usize % victims.len();
        let Some((slot, (path, flags))) = files.get_mut(index).zip(victims.get(index)) else {
            continue;
        };
        if slot.is_none() {
            *slot = Some(open(path, *flags)?);
        }
        let Some(file) = slot else {
            continue;
        };
        match strange(file, &mut numbers, &mut buffer) {
            Err(Error { errno: ENODEV }) if daemons()? != before => break,
            Ok(()) | Err(_) => {}
        }
        // Sometimes it is closed, perhaps with an answer on its way.
        if numbers.next().is_multiple_of(32) {
            *slot = None;
        }
    }
    check_eq!(daemons()?, before);
    drop(files);
    for (path, flags) in &victims {
        let file = open(path, *flags)?;
        file.stat()?;
    }
    Ok(())
}

/// One request.
fn strange(file: &Fd, numbers: &mut Numbers, buffer: &mut [u8]) -> Result<()> {
    let kind = numbers.next() % 14;
    let len = match numbers.next() % 4 {
        0 => 0,
        1 => numbers.next() as usize % 32,
        2 => 512,
        _ => numbers.next() as usize % buffer.len(),
    };
    let bytes = buffer.get_mut(..len).unwrap_or(&mut []);
    for byte in bytes.iter_mut() {
        *byte = b"0123456789abcdef/.-\0\xffirqdmbr"[numbers.next() as usize % 28];
    }
    let word = match numbers.next() % 4 {
        0 => numbers.next(),
        1 => u64::MAX - numbers.next() % 600,
        2 => numbers.next() % 4096 * 512,
        _ => numbers.next() % 16,
    };
    let (short, flags) = (bytes.len().min(60), numbers.next() as usize);
    let name = bytes.get(..short).unwrap_or(&[]);
    match kind {
        0 => file
            .open(name, flags & (O_RDWR | O_DIRECTORY | O_CREAT | O_NONBLOCK))
            .map(drop),
        1 => sys::read_at(file.raw(), bytes, word, None).map(drop),
        2 => sys::write_at(file.raw(), bytes, word, None).map(drop),
        3 => file.read(bytes).map(drop),
        4 => file.dup(name).map(drop),
        5 => sys::unlinkat(file.raw(), name, 0),
        6 => sys::call_write(file.raw(), bytes, CallFlags::empty(), &[word, 1]).map(drop),
        7 => sys::call_read(file.raw(), bytes, CallFlags::empty(), &[word]).map(drop),
        8 => sys::call_read_write(file.raw(), bytes, CallFlags::STD_FS, &[word % 20, 7]).map(drop),
        9 => fs::getdents(file.raw(), bytes, word).map(drop),
        10 => fs::ftruncate(file.raw(), word),
        11 => sys::fevent(file.raw(), EventFlags::from_bits_truncate(flags)).map(drop),
        // SAFETY: these commands take no pointer.
        12 => unsafe { sys::fcntl(file.raw(), 0x5000 + flags % 64, word as usize) }.map(drop),
        _ => {
            let map = Map {
                offset: word as usize & !0xfff,
                size: len.max(1),
                flags: MapFlags::MAP_SHARED | MapFlags::PROT_READ,
                address: 0,
            };
            // SAFETY: the kernel chooses a range that nothing uses.
            let base = unsafe { sys::fmap(file.raw(), &map) }?;
            // SAFETY: what was mapped there is used by nobody.
            unsafe { sys::funmap(base, map.size) }
        }
    }
    .or_else(|error| {
        if error.errno == EINTR {
            Ok(())
        } else {
            Err(error)
        }
    })
}
