//! The program that the command line names: finding it, starting it, waiting for it.

use core::fmt;

use bootstrap_core::CommandLine;
use cap_abi::{Rights, auxv};
use initfs::{Archive, Kind};
use redox_rt::context::{AddressSpace, Context, Status};
use redox_rt::memory::Mapping;
use redox_rt::spawn::{self, Command, FIRST_FREE, Grant, Image};
use redox_rt::start::Start;
use redox_rt::{Error, event, println, sys};
use rt_core::stack::Blob;
use rt_core::wait;
use syscall::flag::MapFlags;
use syscall::{GlobalSchemes, KernelSchemeInfo};

use crate::roots::{MAX_ROOTS, Roots};

/// Why nothing could be run.
pub enum Failure<'a> {
    /// No initfs was handed over.
    NoInitfs,
    /// The initfs cannot be read.
    Initfs(::initfs::Error),
    /// The command line has too many arguments.
    CommandLine,
    /// The initfs has no such file.
    NotFound(&'a [u8]),
    /// A step on the way to the program's end failed.
    Step(&'static str, Error),
}

impl fmt::Display for Failure<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoInitfs => f.write_str("the kernel handed over no initfs"),
            Self::Initfs(e) => e.fmt(f),
            Self::CommandLine => f.write_str("command line: too many arguments behind `--`"),
            Self::NotFound(name) => write!(f, "the initfs has no file `{}`", name.escape_ascii()),
            Self::Step(step, e) => write!(f, "{step}: {e}"),
        }
    }
}

pub fn step<'a>(name: &'static str) -> impl Fn(Error) -> Failure<'a> {
    move |e| Failure::Step(name, e)
}

/// Where a program with `grant=all` finds its copy of the initfs.
const INITFS_ADDRESS: usize = 0x6000_0000_0000;

/// Whether the command line names a program to be started in place of the system.
pub fn is_asked_for(start: &Start) -> bool {
    start
        .aux_bytes(auxv::AT_CUPRITE_CMDLINE, auxv::AT_CUPRITE_CMDLINE_LEN)
        .and_then(|line| CommandLine::parse(line).ok())
        .is_some_and(|line| line.init.is_some())
}

/// Runs the program to its end and answers the exit code as a shell would show it.
pub fn run(start: &Start, roots: &Roots) -> Result<u8, Failure<'static>> {
    let image = start
        .aux_bytes(auxv::AT_CUPRITE_INITFS, auxv::AT_CUPRITE_INITFS_LEN)
        .ok_or(Failure::NoInitfs)?;
    let line = start
        .aux_bytes(auxv::AT_CUPRITE_CMDLINE, auxv::AT_CUPRITE_CMDLINE_LEN)
        .unwrap_or(b"");
    let command_line = CommandLine::parse(line).map_err(|_| Failure::CommandLine)?;
    let archive = Archive::new(image).map_err(Failure::Initfs)?;
    let init = command_line.init.unwrap_or(b"init");
    let program = core::str::from_utf8(init)
        .ok()
        .and_then(|path| archive.lookup(path))
        .and_then(|entry| match entry.kind {
            Kind::File(bytes) => Some(bytes),
            _ => None,
        })
        .ok_or(Failure::NotFound(init))?;
    let context = start_program(roots, init, &command_line, program, image)?;
    let status = event::wait_for_end(
        roots
            .get(GlobalSchemes::Event)
            .map_err(step("event root"))?,
        context.get(),
    )
    .map_err(step("waiting for the program"))?;
    Ok(report(init, status))
}

fn start_program(
    roots: &Roots,
    init: &[u8],
    line: &CommandLine<'_>,
    program: &[u8],
    initfs: &[u8],
) -> Result<Context, Failure<'static>> {
    let mut args = [init; 1 + bootstrap_core::MAX_ARGS];
    for (place, arg) in args.iter_mut().skip(1).zip(line.args()) {
        *place = arg;
    }
    let args = args.get(..=line.args().len()).unwrap_or(&[]);
    let everything = line.grant_all.then(|| Everything::new(roots));
    let stdio = [0, 1, 2].map(|n| Grant {
        from: n,
        to: n,
        rights: Rights::FULL,
    });
    let mut grants = [Grant {
        from: 0,
        to: 0,
        rights: Rights::empty(),
    }; 3 + 1 + MAX_ROOTS];
    let mut count = 0;
    for grant in stdio
        .into_iter()
        .chain(everything.iter().flat_map(Everything::grants))
    {
        if let Some(place) = grants.get_mut(count) {
            *place = grant;
            count += 1;
        }
    }
    let blob = everything.as_ref().map(|e| Blob {
        address_tag: auxv::AT_CUPRITE_KERNEL_SCHEMES,
        len_tag: auxv::AT_CUPRITE_KERNEL_SCHEMES_LEN,
        unit: size_of::<KernelSchemeInfo>(),
        data: sys::bytes_of(e.infos()),
    });
    let vector = [
        (auxv::AT_CUPRITE_SCHEME_CAP, FIRST_FREE),
        (auxv::AT_CUPRITE_INITFS, INITFS_ADDRESS),
        (auxv::AT_CUPRITE_INITFS_LEN, initfs.len()),
    ];
    let command = Command {
        image: Image::Bytes(program),
        path: &[],
        args,
        env: &[],
        grants: grants.get(..count).unwrap_or(&[]),
        inherited: &[],
        namespace: None,
        directory: None,
        process: None,
        auxv: if line.grant_all { &vector } else { &[] },
        blobs: blob.as_slice(),
        attributes: spawn::attributes(init, FIRST_PID),
    };
    let proc_root = roots.get(GlobalSchemes::Proc).map_err(step("proc root"))?;
    let context = Context::new(proc_root).map_err(step("new context"))?;
    let space = AddressSpace::new(proc_root).map_err(step("new address space"))?;
    if line.grant_all {
        let mut copy = Mapping::new(initfs.len()).map_err(step("copying the initfs"))?;
        if let Some(place) = copy.bytes().get_mut(..initfs.len()) {
            place.copy_from_slice(initfs);
        }
        let flags = MapFlags::MAP_PRIVATE | MapFlags::MAP_FIXED_NOREPLACE | MapFlags::PROT_READ;
        space
            .take(copy, INITFS_ADDRESS, flags)
            .map_err(step("passing the initfs on"))?;
    }
    spawn::start_in(&context, &space, &command).map_err(step("starting the program"))?;
    Ok(context)
}

/// Process number of the first program; the first process itself is 1.
const FIRST_PID: u32 = 2;

/// What `grant=all` adds: the scheme-creation capability at [`FIRST_FREE`], and behind it the roots.
struct Everything {
    /// `KernelSchemeInfo`s as the new program will read them, each a word for the scheme's number
    /// (of which the low byte counts) and one for the descriptor.
    words: [usize; 2 * MAX_ROOTS],
    from: [usize; MAX_ROOTS],
    len: usize,
    scheme_capability: usize,
}

impl Everything {
    fn new(roots: &Roots) -> Self {
        let mut all = Self {
            words: [0; _],
            from: [0; _],
            len: 0,
            scheme_capability: roots.scheme_capability().raw(),
        };
        let places = all.words.chunks_exact_mut(2).zip(&mut all.from);
        for ((i, (id, fd)), (words, from)) in roots.iter().enumerate().zip(places) {
            words.copy_from_slice(&[id, FIRST_FREE + 1 + i]);
            *from = fd.raw();
            all.len = i + 1;
        }
        all
    }

    fn infos(&self) -> &[usize] {
        self.words.get(..2 * self.len).unwrap_or(&[])
    }

    fn grants(&self) -> impl Iterator<Item = Grant> {
        let froms = core::iter::once(self.scheme_capability)
            .chain(self.from.iter().copied().take(self.len));
        froms.enumerate().map(|(i, from)| Grant {
            from,
            to: FIRST_FREE + i,
            rights: Rights::FULL,
        })
    }
}

/// Says how a program ended, and answers the exit code as a shell would show it.
pub fn report(name: &[u8], status: Status) -> u8 {
    match status {
        Status::Ended(word) => wait::shell_code(word),
        Status::Exception {
            kind,
            code,
            address,
        } => {
            println!(
                "@crash {}: exception {kind}, code {code:#x}, address {address:#x}",
                name.escape_ascii()
            );
            wait::shell_code(wait::signaled(SIGSEGV))
        }
        other => {
            println!("@crash {}: {other:?}", name.escape_ascii());
            wait::shell_code(wait::signaled(SIGKILL))
        }
    }
}

const SIGSEGV: u8 = 11;
const SIGKILL: u8 = 9;
