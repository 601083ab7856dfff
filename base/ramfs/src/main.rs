//! A file system in memory.
//!
//! `ramfsd NAME [MIB]`: the name its scheme is bound under, which decides about absolute links (`file`
//! is where plain absolute paths lead), and how much it holds. Its root belongs to user 0; everybody
//! may make files in it, and remove their own.
#![no_std]
#![no_main]

extern crate alloc;

use alloc::string::String;

use cap_abi::scheme::FEATURE_RESOLVE;
use redox_rt::{eprintln, start::Start, sys};
use shared_pages::SharedPages;
use syscall::flag::{CLOCK_REALTIME, O_CREAT, O_DIRECTORY, O_STAT};
use treefs::{Caller, Config, Error, Fs, MappedPages, TimeSpec, Tree};
use treefs_daemon::Service;
use treefs_server::Server;

redox_rt::entry!(main);

const MIB: u64 = 1 << 20;
/// How much it holds unless said otherwise.
const DEFAULT_MIB: u64 = 16;
/// Everybody may make files, and remove their own.
const ROOT_MODE: u16 = 0o1777;

/// Longer writes are done in part.
const LONGEST: usize = 1 << 16;
/// A write of that takes no more, with what leads to its pages; neither does a piece of a file that is no longer mapped.
const HEADROOM: usize = 3 << 17;

/// Nothing but a place for temporary files, if programs look for one here.
fn files(config: Config) -> Result<Fs<Tree<MappedPages<SharedPages>>>, Error> {
    let temporary = config.default;
    let mut fs = Fs::new(config, Caller::SUPERUSER, now())?;
    if temporary {
        let root = fs.open_root()?.handle;
        let flags = O_CREAT | O_DIRECTORY | O_STAT | usize::from(ROOT_MODE);
        let made = fs.openat(root, "tmp", flags, Caller::SUPERUSER, now())?;
        fs.close(made.handle);
        fs.close(root);
    }
    Ok(fs)
}

fn now() -> TimeSpec {
    sys::clock_gettime(CLOCK_REALTIME).unwrap_or_default()
}

fn main(start: &Start) -> i32 {
    let text = |n| start.arg(n).and_then(|arg| arg.to_str().ok());
    let Some(name) = text(1) else {
        eprintln!("ramfsd: usage: ramfsd NAME [MIB]");
        return 2;
    };
    let size = match text(2).map(str::parse) {
        None => DEFAULT_MIB,
        Some(Ok(mib)) => mib,
        Some(Err(_)) => {
            eprintln!("ramfsd: the size is not a number of MiB");
            return 2;
        }
    };
    let config = Config {
        max_bytes: size.saturating_mul(MIB),
        max_inodes: 1 << 16,
        max_handles: 1 << 16,
        device: scheme_loop::device_number(),
        scheme: String::from(name),
        default: name == "file",
        root_mode: ROOT_MODE,
    };
    let server = files(config)
        .map_err(|error| error.errno())
        .map(Server::new)
        .and_then(|mut server| server.root().map(|root| (server, root)));
    match server {
        Ok((server, root)) => {
            let mut service = Service::<_, LONGEST, HEADROOM, false>::new(server, now);
            scheme_loop::run("ramfsd", FEATURE_RESOLVE, root as u64, &mut service)
        }
        Err(errno) => {
            eprintln!("ramfsd: no root: error {errno}");
            1
        }
    }
}
