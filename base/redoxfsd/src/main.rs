//! Files on a disk: mounts a RedoxFS volume and serves it.
//!
//! `redoxfsd NAME PATH [live]`, `redoxfsd NAME any [UUID]`: NAME is the name its scheme is bound under, which
//! decides about absolute links (`file` is where plain absolute paths lead). PATH is that of a file or partition;
//! with `live` the volume is read into memory, and what is changed is forgotten. `any` is the first partition of
//! the disks in the namespace that holds a volume, or the volume with that number.
//!
//! What is written is on the disk after `fsync`, and otherwise within seconds.
#![no_std]
#![no_main]

extern crate alloc;

mod disk;

use alloc::string::String;

use cap_abi::scheme::FEATURE_RESOLVE;
use redox_rt::{
    Error, Result, eprintln,
    fd::create_scheme_fd,
    start::Start,
    sys,
    thread::{self, Source},
};
use redoxfs::FileSystem;
use redoxfs_tree::{Volume, device::Cache};
use scheme_core::start::SOCKET;
use shared_pages::SharedPages;
use syscall::flag::{CLOCK_REALTIME, O_DIRECTORY, O_RDONLY};
use treefs::{Config, Fs, TimeSpec};
use treefs_daemon::Service;
use treefs_server::Server;

use disk::Disk;

redox_rt::entry!(main);

/// Blocks of trees and directories kept in memory.
const BLOCKS: usize = 2048;
/// Bytes of contents kept in memory.
const CONTENTS: usize = 16 << 20;
/// How long what was written may wait.
const COMMIT: TimeSpec = TimeSpec {
    tv_sec: 5,
    tv_nsec: 0,
};

/// Longer writes are done in part.
const LONGEST: usize = 1 << 17;
/// A write of that takes no more: two records, and what is written to make room for them.
const HEADROOM: usize = 1 << 20;

fn now() -> TimeSpec {
    sys::clock_gettime(CLOCK_REALTIME).unwrap_or_default()
}

fn main(start: &Start) -> i32 {
    let text = |n| start.arg(n).and_then(|arg| arg.to_str().ok());
    let (Some(name), Some(source)) = (text(1), text(2)) else {
        eprintln!("redoxfsd: usage: redoxfsd NAME PATH [live] or redoxfsd NAME any [UUID]");
        return 2;
    };
    let found;
    let path = if source == "any" {
        let uuid = match text(3).map(|text| number(text.as_bytes())) {
            Some(None) => {
                eprintln!("redoxfsd: the volume's number is no UUID");
                return 2;
            }
            uuid => uuid.flatten(),
        };
        found = disk::find(uuid);
        match &found {
            Some(path) => path,
            // There may be none.
            None => return 3,
        }
    } else {
        source
    };
    let opened = if text(3) == Some("live") {
        Disk::copy(path).map(|disk| (disk, true))
    } else {
        Disk::open(path)
    };
    let (disk, writable) = match opened {
        Ok(opened) => opened,
        Err(error) => {
            eprintln!("redoxfsd: {path}: {error}");
            return 1;
        }
    };
    let config = Config {
        max_handles: 1 << 16,
        device: scheme_loop::device_number(),
        scheme: String::from(name),
        default: name == "file",
        ..Config::default()
    };
    match mount(disk, writable, config) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("redoxfsd: {path}: mounting it: {error}");
            1
        }
    }
}

fn mount(disk: Disk, writable: bool, config: Config) -> Result<i32> {
    let plain = |error: redoxfs_tree::DiskError| Error::new(error.errno);
    let mut fs = FileSystem::open(Cache::new(disk, BLOCKS), None, Some(0), false).map_err(plain)?;
    let mut code = 1;
    let served = fs.tx(|tx| {
        if writable {
            redoxfs_tree::recover(tx)?;
        }
        code = serve(tx, writable, config);
        Ok(())
    });
    served.map_err(plain)?;
    Ok(code)
}

fn serve(tx: &mut redoxfs::Transaction<'_, Cache<Disk>>, writable: bool, config: Config) -> i32 {
    let volume = match Volume::<_, SharedPages>::new(tx, config, CONTENTS) {
        Ok(mut volume) => {
            if !writable {
                volume.seal();
            }
            volume
        }
        Err(error) => {
            eprintln!("redoxfsd: no root directory: {error}");
            return 1;
        }
    };
    let mut server = Server::new(Fs::over(volume));
    let roots = server.root().and_then(|first| Ok((first, server.root()?)));
    let (root, own) = match roots {
        Ok(roots) => roots,
        Err(errno) => {
            eprintln!("redoxfsd: no root: error {errno}");
            return 1;
        }
    };
    // Before there is any descriptor.
    let declared = sys::declare_features(SOCKET, FEATURE_RESOLVE);
    let ready = declared.and_then(|()| {
        if writable {
            commit_now_and_then(own)
        } else {
            Ok(())
        }
    });
    if let Err(error) = ready {
        eprintln!("redoxfsd: a thread that commits: {error}");
        return 1;
    }
    let mut service = Service::<_, LONGEST, HEADROOM, true>::new(server, now);
    let code = scheme_loop::run("redoxfsd", 0, root as u64, &mut service);
    match service.server_mut().sync() {
        Ok(()) => code,
        Err(errno) => {
            eprintln!("redoxfsd: the last commit: error {errno}");
            1
        }
    }
}

/// Starts a thread that asks for a commit every few seconds, like any client.
fn commit_now_and_then(root: usize) -> Result<()> {
    extern "C" fn run(root: usize) {
        loop {
            // Interrupted or not, it is only a matter of when.
            let _ = sys::nanosleep(&COMMIT);
            if sys::fsync(root).is_err_and(|error| error.errno == syscall::ENODEV) {
                return;
            }
        }
    }
    let socket = core::mem::ManuallyDrop::new(redox_rt::Fd::from_raw(SOCKET));
    let root = create_scheme_fd(&socket, root, 0, O_RDONLY | O_DIRECTORY, 0)?;
    let root = core::mem::ManuallyDrop::new(root).raw();
    // SAFETY: the thread uses nothing but the number of a descriptor, which stays open.
    unsafe { thread::spawn_raw(Source::Manager, STACK, run, root) }.map(drop)
}

const STACK: usize = 16 << 10;

/// A volume's number, written as usual: hexadecimal digits, with hyphens.
fn number(text: &[u8]) -> Option<[u8; 16]> {
    let mut bytes = [0; 16];
    let mut digits = text.iter().filter(|digit| **digit != b'-');
    for byte in &mut bytes {
        for _ in 0..2 {
            let digit = char::from(*digits.next()?).to_digit(16)?;
            *byte = *byte << 4 | digit as u8;
        }
    }
    digits.next().is_none().then_some(bytes)
}
