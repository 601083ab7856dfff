//! What namespaces cost in the whole system: the caller, the kernel, the namespace manager and the
//! scheme behind the name together.
//!
//! Each operation is measured in a namespace of four names, in one of 16,384, and in the small one again
//! while there are 10,000 namespaces. Arguments choose operations; without any, all are measured.
#![no_std]
#![no_main]

extern crate alloc;

use alloc::{format, vec::Vec};

use bench_measure::measure;
use nsmgr_api::{self as api, NsPermissions, Verb};
use redox_rt::{
    Error, Fd, Result,
    fd::{create_scheme, create_scheme_fd},
    namespace as ns, process,
    start::Start,
    sys,
};
use scheme_core::reply;
use scheme_loop::{Answers, Handler};
use syscall::{
    CallFlags, ENOENT,
    flag::{O_RDONLY, O_RDWR},
    schemev2::{NewFdFlags, Opcode, Sqe, SqeFlags},
};

redox_rt::entry!(main);

/// Names of the great namespace.
const NAMES: usize = 16_384;
/// How many namespaces there are in the end.
const NAMESPACES: usize = 10_000;

fn main(start: &Start) -> i32 {
    bench_measure::choose(start);
    match run() {
        Ok(()) => 0,
        Err(error) => {
            redox_rt::eprintln!("bench-names: {error}");
            1
        }
    }
}

fn run() -> Result<()> {
    let own = ns::namespace().ok_or(Error::new(ENOENT))?;
    let daemon = serve()?;
    let small = ns::fork_namespace(own, [&b"null"[..], b"zero", b"rand"].into_iter())?;
    ns::register(small.raw(), b"bench", daemon.root.dup(b"")?.into_raw())?;
    operations("", &small)?;

    let great = ns::fork_namespace(small.raw(), core::iter::once(&b"*"[..]))?;
    let bind = [Verb::Bind as u64, u64::from(cap_abi::Rights::FULL.bits())];
    for number in 4..NAMES {
        let payload = api::bind_payload(b"bench", format!("name{number}").as_bytes());
        sys::call_write(great.raw(), &payload, CallFlags::empty(), &bind)?;
    }
    operations("-16384-names", &great)?;
    drop(great);

    let mut many = Vec::with_capacity(NAMESPACES);
    for _ in 0..NAMESPACES {
        many.push(ns::fork_namespace(
            small.raw(),
            core::iter::once(&b"*"[..]),
        )?);
    }
    operations("-10000-namespaces", &small)?;
    drop(many);
    daemon.stop()
}

fn operations(among: &str, names: &Fd) -> Result<()> {
    let open = |path: &[u8]| {
        sys::openat(names.raw(), path, O_RDONLY, cap_abi::FD_ANY).map(|fd| {
            let _ = sys::close(fd);
        })
    };
    open(b"/scheme/bench/file")?;
    measure(&format!("ns-open-close{among}"), || {
        open(b"/scheme/bench/file")
    });
    measure(&format!("ns-missing{among}"), || open(b"/scheme/absent"));
    let shrink = api::shrink_payload(NsPermissions::LIST);
    let fork = api::fork_payload([&b"bench"[..], b"null", b"zero"]);
    for (what, payload) in [("ns-shrink-close", &shrink), ("ns-fork-3-close", &fork)] {
        measure(&format!("{what}{among}"), || {
            sys::dup(names.raw(), payload, cap_abi::FD_ANY).map(sys::close)
        });
    }
    Ok(())
}

/// The scheme behind the name: it opens whatever it is asked for.
struct Opener;

impl Handler for Opener {
    const LONGEST_INPUT: usize = 64;

    fn handle(&mut self, sqe: &Sqe, _: &mut [u8], out: &mut Answers<'_>) -> Result<()> {
        if sqe.sqe_flags.contains(SqeFlags::ONEWAY) {
            return Ok(());
        }
        out.push(match Opcode::try_from_raw(sqe.opcode) {
            Some(Opcode::OpenAt) => reply::opened(sqe.tag, 1, NewFdFlags::empty()),
            _ => reply::value(sqe.tag, Ok(0)),
        })
    }
}

struct Daemon {
    root: Fd,
    pid: u32,
}

fn serve() -> Result<Daemon> {
    let path = b"/scheme/namespace/scheme-creation-cap";
    let capability = Fd::from_raw(ns::open(path, O_RDWR, sys::FD_ANY_UPPER)?);
    let socket = create_scheme(&capability, cap_abi::scheme::FEATURE_RESOLVE)?;
    let root = create_scheme_fd(&socket, 0, 0, O_RDWR, 0)?;
    match process::fork()? {
        Some(pid) => Ok(Daemon { root, pid }),
        None => {
            drop(root);
            let served = scheme_loop::serve(&socket, &mut Opener);
            redox_rt::exit(i32::from(served.is_err()))
        }
    }
}

impl Daemon {
    fn stop(self) -> Result<()> {
        let target = process::ProcKillTarget::SingleProc(self.pid as usize);
        process::kill(target, 9)
    }
}
