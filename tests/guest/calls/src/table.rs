//! The table of calls (`call-table`) against the kernel.

use alloc::vec::Vec;
use call_table::{Arg, CASES, DESCRIPTORS, Expect, Fd as Name, POINTERS, SCHEME_ERROR, Use};
use cap_abi::{FD_ANY_UPPER, Rights};
use guest_test::{Outcome, check_eq};
use redox_rt::fd::{create_scheme, create_scheme_fd};
use redox_rt::{Error, Fd, Result, println, sys};
use syscall::error::*;
use syscall::flag::*;
use syscall::{PAGE_SIZE, UPPER_FDTBL_TAG};

use crate::world::*;

pub fn run() -> i32 {
    guest_test::run!["calls" =>
        every_case_answers_as_listed, bad_descriptors_are_refused, bad_addresses_are_refused,
        refusals_leave_nothing,
    ]
}

/// Everything that the table's names stand for.
struct Fixture {
    fds: Vec<(Name, Fd)>,
    fresh: usize,
    room: usize,
    read_only: usize,
    forbidden: usize,
    daemon: Process,
}

const CLOSED: usize = 40_000;

impl Fixture {
    fn new() -> core::result::Result<Self, guest_test::Failure> {
        let w = world();
        let (read, write) = pipe()?;
        let (full_read, full) = pipe()?;
        let (broken_read, broken) = pipe()?;
        let (ended, ended_write) = pipe()?;
        broken_read.close()?;
        ended_write.close()?;
        let queue = w.event.open(b"", O_RDWR)?;
        let console = w.debug.open(b"", O_RDWR)?;
        let line = w.irq.open(b"8", O_RDWR)?;
        let socket = create_scheme(&w.capability, 0)?;
        let other = create_scheme_fd(&socket, 1, 0, O_RDWR, 0)?;
        for fd in [&read, &write, &full, &queue, &console, &line, &socket] {
            nonblocking(fd, true)?;
        }
        while full.write(&[0; PAGE_SIZE]).is_ok() {}

        let orphan_socket = create_scheme(&w.capability, 0)?;
        let orphan = create_scheme_fd(&orphan_socket, 1, 0, O_RDWR, 0)?;
        orphan_socket.close()?;
        let served = create_scheme(&w.capability, 0)?;
        let object = create_scheme_fd(&served, 1, 0, O_RDWR, 0)?;
        let daemon = Process::start(|| {
            // Else the object would keep its own daemon waiting.
            let _ = sys::close(object.raw());
            serve(&served)
        })?;
        served.close()?;

        let powerless = read.dup(b"")?;
        powerless.limit(Rights::empty())?;
        let (revoked, lease) = read.lease(Rights::FULL)?;
        lease.revoke()?;
        let (leased, lease) = read.lease(Rights::FULL)?;
        leased.close()?;
        let lease_copy = lease.fd().dup(b"")?;

        let ended_context = w.proc.open(b"new-context", 0)?;
        let dead = ended_context.dup(b"status")?;
        dead.write_exact(sys::bytes_of(&[ContextVerb::ForceKill as usize]))?;
        let context = w.proc.open(b"cur-context", 0)?;
        let aspect = |name: &[u8]| context.dup(name);

        // Far from everything else, so that nothing comes to be behind it.
        let flags = MAP_PRIVATE | PROT_READ | PROT_WRITE | MAP_FIXED_NOREPLACE;
        let room = map(sys::ANONYMOUS, 0, PLACE, PAGE_SIZE, flags)?;
        let read_only = anonymous(PAGE_SIZE, MAP_PRIVATE | PROT_READ)?;
        let forbidden = anonymous(PAGE_SIZE, MAP_PRIVATE)?;
        let fds = alloc::vec![
            (Name::Status, aspect(b"status")?),
            (Name::Attrs, aspect(b"attrs")?),
            (Name::Registers, aspect(b"regs/int")?),
            (Name::Affinity, aspect(b"sched-affinity")?),
            (Name::Space, aspect(b"addrspace")?),
            (Name::Table, aspect(b"filetable")?),
            (Name::Context, context),
            (Name::Dead, dead),
            (Name::Powerless, powerless),
            (Name::Revoked, revoked),
            (Name::Orphan, orphan),
            (Name::PipeRead, read),
            (Name::PipeWrite, write),
            (Name::PipeFull, full),
            (Name::Fresh, full_read),
            (Name::PipeBroken, broken),
            (Name::PipeEnded, ended),
            (Name::Queue, queue),
            (Name::Clock, w.time.open(b"4", O_RDWR)?),
            (Name::Console, console),
            (Name::Line, line),
            (Name::Vector, w.irq.open(b"msi", O_RDWR)?),
            (Name::Zeroed, w.memory.open(b"zeroed", O_RDWR)?),
            (Name::Physical, w.memory.open(b"physical", O_RDWR)?),
            (Name::Translation, w.memory.open(b"translation", O_RDWR)?),
            (Name::Uname, w.sys.open(b"uname", O_RDONLY)?),
            (Name::Capability, w.capability.dup(b"")?),
            (Name::Socket, socket),
            (Name::Other, other),
            (Name::Object, object),
            (Name::Lease, lease_copy),
            (Name::PipeRoot, w.pipe.dup(b"")?),
            (Name::EventRoot, w.event.dup(b"")?),
            (Name::TimeRoot, w.time.dup(b"")?),
            (Name::DebugRoot, w.debug.dup(b"")?),
            (Name::IrqRoot, w.irq.dup(b"")?),
            (Name::MemoryRoot, w.memory.dup(b"")?),
            (Name::SysRoot, w.sys.dup(b"")?),
            (Name::ProcRoot, w.proc.dup(b"")?),
            (Name::AcpiRoot, w.acpi.dup(b"")?),
        ];
        Ok(Self {
            fds,
            fresh: 0,
            room,
            read_only,
            forbidden,
            daemon,
        })
    }

    fn kept(&self, name: Name) -> usize {
        let found = self.fds.iter().find(|(n, _)| *n == name);
        found.map_or(CLOSED, |(_, fd)| fd.raw())
    }

    fn number(&mut self, name: Name) -> Result<usize> {
        Ok(match name {
            Name::Closed => CLOSED,
            Name::Huge => 1 << 40,
            Name::Negative => usize::MAX - 4,
            Name::PrivateClosed => UPPER_FDTBL_TAG | CLOSED,
            Name::PrivateHuge => UPPER_FDTBL_TAG | 1 << 40,
            Name::Fresh => {
                self.fresh = sys::dup(self.kept(Name::PipeRead), b"", FD_ANY_UPPER)?;
                self.fresh
            }
            kept => self.kept(kept),
        })
    }

    fn argument(&mut self, arg: Arg, space: &mut [usize; 4]) -> Result<usize> {
        Ok(match arg {
            Arg::N(value) => value,
            Arg::F(name) => self.number(name)?,
            Arg::T(bytes) => bytes.as_ptr() as usize,
            Arg::W(words) => words.as_ptr() as usize,
            Arg::Room => self.room,
            Arg::ReadOnly => self.read_only,
            Arg::Forbidden => self.forbidden,
            Arg::Numbers(args, low) => {
                for (place, arg) in space.iter_mut().zip(args) {
                    *place = self.argument(*arg, &mut [0; 4])?;
                }
                space.as_ptr() as usize | low
            }
        })
    }

    fn call(&mut self, call: usize, args: &[Arg; 5]) -> Result<Result<usize>> {
        // The word that futex calls look at.
        poke(self.room, 0);
        let mut space = [0; 4];
        let mut values = [0; 6];
        for (value, arg) in values.iter_mut().zip(args) {
            *value = self.argument(*arg, &mut space)?;
        }
        Ok(raw(call, values))
    }

    /// Puts back what a case may have changed.
    fn restore(&mut self) -> Result<()> {
        if self.fresh != 0 {
            let _ = sys::close(self.fresh);
            self.fresh = 0;
        }
        while sys::read(self.kept(Name::PipeRead), &mut [0; 64]).is_ok() {}
        sys::lseek(self.kept(Name::Uname), 0, SEEK_SET)?;
        sys::lseek(self.kept(Name::Space), 0, SEEK_SET)?;
        sys::lseek(self.kept(Name::Table), 0, SEEK_SET).map(drop)
    }
}

impl Drop for Fixture {
    fn drop(&mut self) {
        for page in [self.room, self.read_only, self.forbidden] {
            let _ = unmap(page, PAGE_SIZE);
        }
        let _ = self.daemon.tell(ContextVerb::ForceKill);
    }
}

/// Answers every request with the same error.
fn serve(socket: &Fd) -> i32 {
    let mut request = [0_u64; 8];
    loop {
        let args = [
            socket.raw(),
            request.as_mut_ptr() as usize,
            size_of_val(&request),
            0,
            0,
            0,
        ];
        if raw(syscall::SYS_READ, args).is_err() {
            return 1;
        }
        let [head, ..] = request;
        if head >> 8 & 1 == 0 {
            let tag = head & !0xffff_ffff;
            let reply = [tag, Error::mux(Err(Error::new(SCHEME_ERROR))) as u64];
            let args = [
                socket.raw(),
                reply.as_ptr() as usize,
                size_of_val(&reply),
                0,
                0,
                0,
            ];
            let _ = raw(syscall::SYS_WRITE, args);
        }
    }
}

/// Collects wrong answers: all are printed, the last is the failure.
struct Wrong(usize);

impl Wrong {
    fn note(
        &mut self,
        call: usize,
        what: &dyn core::fmt::Debug,
        expected: &dyn core::fmt::Debug,
        got: Result<usize>,
    ) {
        self.0 += 1;
        let got = got.map_err(|error| error.errno);
        println!("  call {call:#x} {what:?}: expected {expected:?}, got {got:?}");
    }

    fn outcome(&self) -> Outcome {
        check_eq!(self.0, 0, "wrong answers; see above");
        Ok(())
    }
}

/// Whether an answer is as expected; undoes what it made.
fn judge(fixture: &Fixture, expect: Expect, got: Result<usize>) -> bool {
    match (expect, got) {
        (Expect::Is(expected), Ok(value)) => expected == value,
        (Expect::Works, Ok(_)) => true,
        (Expect::Opens, Ok(number)) => sys::close(number).is_ok(),
        (Expect::Maps, Ok(address)) => unmap(address, PAGE_SIZE).is_ok(),
        (Expect::Answered, Err(error)) => error.errno == SCHEME_ERROR,
        (Expect::Fails(errno), Err(error)) => error.errno == errno,
        (_, Ok(number)) if number != fixture.kept(Name::Queue) => {
            let _ = sys::close(number);
            false
        }
        _ => false,
    }
}

fn every_case_answers_as_listed() -> Outcome {
    let mut fixture = Fixture::new()?;
    let mut wrong = Wrong(0);
    for case in CASES {
        let got = fixture.call(case.call, &case.args)?;
        if !judge(&fixture, case.expect, got) {
            wrong.note(case.call, &case.args, &case.expect, got);
        }
        fixture.restore()?;
    }
    wrong.outcome()
}

fn bad_descriptors_are_refused() -> Outcome {
    let mut fixture = Fixture::new()?;
    let mut wrong = Wrong(0);
    for row in DESCRIPTORS {
        let mut names = alloc::vec![
            (Name::Closed, EBADF),
            (Name::Huge, EBADF),
            (Name::Negative, EBADF),
            (Name::PrivateClosed, EBADF),
            (Name::PrivateHuge, EBADF),
        ];
        if row.right {
            names.push((Name::Powerless, EPERM));
        }
        if row.lease {
            names.push((Name::Revoked, ESTALE));
        }
        if row.scheme {
            names.push((Name::Orphan, ENODEV));
        }
        for (name, errno) in names {
            let mut args = row.args;
            if let Some(place) = args.get_mut(row.at) {
                *place = Arg::F(name);
            }
            let got = fixture.call(row.call, &args)?;
            if !matches!(got, Err(error) if error.errno == errno) {
                wrong.note(row.call, &args, &errno, got);
            }
            fixture.restore()?;
        }
    }
    wrong.outcome()
}

fn bad_addresses_are_refused() -> Outcome {
    let mut fixture = Fixture::new()?;
    let mut wrong = Wrong(0);
    let last = fixture.room + PAGE_SIZE - 1;
    let everywhere = [
        0,
        8,
        0x1000,
        0x4000_0000_0000,
        0x7fff_ffff_f000,
        0x8000_0000_0000,
        0xffff_7fff_ffff_fff8,
        0xffff_8000_0000_0000,
        0xffff_ffff_8020_0000,
        usize::MAX - 7,
        fixture.forbidden,
    ];
    for row in POINTERS {
        let more: &[usize] = match row.used {
            Use::In => &[last, usize::MAX],
            Use::Out => &[last, usize::MAX, fixture.read_only],
            Use::Aligned => &[],
        };
        for &address in everywhere.iter().chain(more) {
            let optional = row.call == syscall::SYS_FUTEX && row.at == 3;
            if optional && address == 0 {
                continue;
            }
            let mut args = row.args;
            if let Some(place) = args.get_mut(row.at) {
                *place = Arg::N(address);
            }
            let got = fixture.call(row.call, &args)?;
            if !matches!(got, Err(error) if error.errno == EFAULT) {
                wrong.note(row.call, &args, &EFAULT, got);
            }
            fixture.restore()?;
        }
    }
    wrong.outcome()
}

/// The whole table once more, with a look at what is left of it.
fn refusals_leave_nothing() -> Outcome {
    let before = counts(b"objects")?;
    every_case_answers_as_listed()?;
    bad_descriptors_are_refused()?;
    bad_addresses_are_refused()?;
    same_objects(&before)
}
