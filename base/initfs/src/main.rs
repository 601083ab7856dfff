//! The initial file system's daemon: serves the archive that it is started with (`AT_CUPRITE_INITFS`).
//!
//! It has its socket, a register handle and the archive in its memory; nothing else.
#![no_std]
#![no_main]

extern crate alloc;

use cap_abi::{auxv, scheme::FEATURE_RESOLVE};
use redox_rt::{eprintln, start::Start, sys};
use syscall::flag::CLOCK_REALTIME;
use treefs::TimeSpec;
use treefs_daemon::Service;
use treefs_server::Server;

redox_rt::entry!(main);

/// No request needs more.
const LONGEST: usize = 1 << 16;

fn main(start: &Start) -> i32 {
    let bytes = start.aux_bytes(auxv::AT_CUPRITE_INITFS, auxv::AT_CUPRITE_INITFS_LEN);
    let archive = match bytes.map(initfs::Archive::new) {
        Some(Ok(archive)) => archive,
        Some(Err(error)) => {
            eprintln!("initfsd: {error}");
            return 1;
        }
        None => {
            eprintln!("initfsd: it was started without an archive");
            return 1;
        }
    };
    let now = sys::clock_gettime(CLOCK_REALTIME).unwrap_or_default();
    let mut server = match initfs_tree::fill(&archive, now) {
        Ok(fs) => Server::new(fs),
        Err(refused) => {
            eprintln!("{refused}");
            return 1;
        }
    };
    let root = match server.root() {
        Ok(root) => root,
        Err(errno) => {
            eprintln!("initfsd: no root: error {errno}");
            return 1;
        }
    };
    // Nothing here changes, so that nothing needs the time.
    let mut service = Service::<_, LONGEST, 0, false>::new(server, TimeSpec::default);
    scheme_loop::run("initfsd", FEATURE_RESOLVE, root as u64, &mut service)
}
