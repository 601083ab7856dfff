//! What the cases are given, and what they share: the kernel's roots, raw calls, memory, other processes
//! and threads, and counts of kernel objects.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicUsize, Ordering};

use cap_abi::auxv;
use guest_test::{Outcome, check, fail};
use redox_rt::context::{Context, ContextRef, Status};
use redox_rt::fork::{Forked, fork_into};
use redox_rt::futex::Mutex;
use redox_rt::start::Start;
use redox_rt::{Error, Fd, Result, event, sys};
use syscall::flag::{ContextStatus, ContextVerb, MAP_SHARED, MapFlags, PROT_READ, PROT_WRITE};
use syscall::{CtxtStsBuf, EIO, GlobalSchemes, KernelSchemeInfo, Map, PAGE_SIZE, TimeSpec};

/// The authority that the program was started with.
pub struct World {
    pub proc: Fd,
    pub event: Fd,
    pub pipe: Fd,
    pub time: Fd,
    pub sys: Fd,
    pub memory: Fd,
    pub debug: Fd,
    pub irq: Fd,
    pub acpi: Fd,
    pub capability: Fd,
}

static WORLD: Mutex<Option<&'static World>> = Mutex::new(None);

/// Takes the roots from the auxiliary vector.
pub fn find(start: &Start) -> Option<()> {
    let address = start.aux(auxv::AT_CUPRITE_KERNEL_SCHEMES)?;
    let count = start.aux(auxv::AT_CUPRITE_KERNEL_SCHEMES_LEN)?;
    // SAFETY: the first process put the array there.
    let infos = unsafe { core::slice::from_raw_parts(address as *const KernelSchemeInfo, count) };
    let root = |scheme: GlobalSchemes| {
        let info = infos.iter().find(|i| i.scheme_id == scheme as u8)?;
        Some(Fd::from_raw(info.fd))
    };
    let world = World {
        proc: root(GlobalSchemes::Proc)?,
        event: root(GlobalSchemes::Event)?,
        pipe: root(GlobalSchemes::Pipe)?,
        time: root(GlobalSchemes::Time)?,
        sys: root(GlobalSchemes::Sys)?,
        memory: root(GlobalSchemes::Memory)?,
        debug: root(GlobalSchemes::Debug)?,
        irq: root(GlobalSchemes::Irq)?,
        acpi: root(GlobalSchemes::Acpi)?,
        capability: Fd::from_raw(start.aux(auxv::AT_CUPRITE_SCHEME_CAP)?),
    };
    *WORLD.lock() = Some(Box::leak(Box::new(world)));
    Some(())
}

pub fn world() -> &'static World {
    match *WORLD.lock() {
        Some(world) => world,
        None => unreachable!("set before any case runs"),
    }
}

/// A system call by number. The cases use it for calls that no typed wrapper lets through.
pub fn raw(number: usize, args: [usize; 6]) -> Result<usize> {
    // SAFETY: the cases pass addresses of their own memory, or bad ones, which the kernel refuses.
    unsafe { sys::raw(number, args) }
}

pub fn fcntl(fd: usize, command: usize, argument: usize) -> Result<usize> {
    raw(syscall::SYS_FCNTL, [fd, command, argument, 0, 0, 0])
}

/// Makes calls through the description of `fd` not wait, or wait.
pub fn nonblocking(fd: &Fd, on: bool) -> Result<()> {
    let flags = if on { syscall::flag::O_NONBLOCK } else { 0 };
    fcntl(fd.raw(), syscall::flag::F_SETFL, flags).map(drop)
}

/// A place that nothing else here is mapped at.
pub const PLACE: usize = 0x5000_0000_0000;

/// Maps `fd` (or nothing) at `address`.
pub fn map(
    fd: usize,
    offset: usize,
    address: usize,
    size: usize,
    flags: MapFlags,
) -> Result<usize> {
    let map = Map {
        offset,
        size,
        flags,
        address,
    };
    // SAFETY: the cases name places of their own.
    unsafe { sys::fmap(fd, &map) }
}

/// Anonymous memory somewhere.
pub fn anonymous(size: usize, flags: MapFlags) -> Result<usize> {
    map(sys::ANONYMOUS, 0, 0, size, flags)
}

pub fn unmap(address: usize, size: usize) -> Result<()> {
    // SAFETY: the cases have no references into the range.
    unsafe { sys::funmap(address, size) }
}

pub fn protect(address: usize, size: usize, flags: MapFlags) -> Result<()> {
    // SAFETY: the cases rely on no access there.
    unsafe { sys::mprotect(address, size, flags) }
}

/// Reads memory that a case has mapped.
pub fn peek(address: usize) -> u64 {
    // SAFETY: the cases name words of memory of theirs.
    unsafe { core::ptr::with_exposed_provenance::<u64>(address).read_volatile() }
}

/// Writes to memory that a case has mapped.
pub fn poke(address: usize, value: u64) {
    // SAFETY: as above, and nothing else refers to it.
    unsafe { core::ptr::with_exposed_provenance_mut::<u64>(address).write_volatile(value) }
}

/// Whether the kernel can read, and write, the byte at `address` on this process's behalf.
pub fn access(address: usize) -> Result<(bool, bool)> {
    let (read, write) = pipe()?;
    let can_read = raw(syscall::SYS_WRITE, [write.raw(), address, 1, 0, 0, 0]).is_ok();
    if !can_read {
        write.write(b"x")?;
    }
    let can_write = raw(syscall::SYS_READ, [read.raw(), address, 1, 0, 0, 0]).is_ok();
    Ok((can_read, can_write))
}

/// Memory of zeros that forks share, at the same address in all of them. It stays for good.
///
/// # Safety
/// `T` must be made of atomics alone, for which zeros are valid.
pub unsafe fn shared<T>() -> Result<&'static T> {
    let address = anonymous(
        size_of::<T>().next_multiple_of(PAGE_SIZE),
        MAP_SHARED | PROT_READ | PROT_WRITE,
    )?;
    // SAFETY: fresh zeroed memory of sufficient size at a page boundary, never unmapped; the caller
    // answers for the type.
    Ok(unsafe { &*(address as *const T) })
}

/// Numbers that forks share.
pub type Words = [AtomicUsize; 16];

pub fn words() -> Result<&'static Words> {
    // SAFETY: atomics alone.
    unsafe { shared() }
}

pub fn forget_words(words: &'static Words) -> Result<()> {
    unmap(core::ptr::from_ref(words) as usize, PAGE_SIZE)
}

/// A new pipe: reading and writing end.
pub fn pipe() -> Result<(Fd, Fd)> {
    let read = world().pipe.open(b"", syscall::flag::O_RDWR)?;
    let write = read.dup(b"write")?;
    Ok((read, write))
}

pub fn sleep_ms(ms: i32) -> Result<()> {
    let time = TimeSpec {
        tv_sec: i64::from(ms / 1000),
        tv_nsec: ms % 1000 * 1_000_000,
    };
    sys::nanosleep(&time).map_err(|(error, _)| error)
}

/// Nanoseconds of the monotonic clock.
pub fn now() -> Result<u64> {
    let time = sys::clock_gettime(syscall::flag::CLOCK_MONOTONIC)?;
    Ok(time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64)
}

/// A time of the monotonic clock so many milliseconds from now.
pub fn in_ms(ms: u64) -> Result<TimeSpec> {
    let at = now()? + ms * 1_000_000;
    Ok(TimeSpec {
        tv_sec: (at / 1_000_000_000) as i64,
        tv_nsec: (at % 1_000_000_000) as i32,
    })
}

/// Another process of this program.
pub struct Process {
    context: Context,
    status: Fd,
}

impl Process {
    /// Forks; the new process runs `body` and exits with its answer.
    pub fn start(body: impl FnOnce() -> i32) -> Result<Self> {
        let context = Context::new(&world().proc)?;
        match fork_into(&context, None)? {
            Forked::Child => {
                // What the parent holds is not the child's to close.
                core::mem::forget(context);
                redox_rt::exit(body())
            }
            Forked::Parent => {
                let status = context.get().handle(b"status")?;
                Ok(Self { context, status })
            }
        }
    }

    pub const fn context(&self) -> ContextRef {
        self.context.get()
    }

    /// Waits for its end.
    pub fn wait(&self) -> Result<Status> {
        event::wait_for_end(&world().event, self.context())
    }

    /// Waits for its end and checks that it exited with 0.
    pub fn succeeds(&self) -> Outcome {
        match self.wait()? {
            Status::Ended(0) => Ok(()),
            other => fail!("it ended as {other:?}"),
        }
    }

    pub fn tell(&self, verb: ContextVerb) -> Result<()> {
        self.status.write_exact(sys::bytes_of(&[verb as usize]))
    }

    /// Where it is in its life.
    pub fn state(&self) -> Result<usize> {
        let mut status = CtxtStsBuf::default();
        self.status.read_exact(&mut status)?;
        Ok(status.status)
    }

    /// Lets it run until it waits for something.
    pub fn until_blocked(&self) -> Outcome {
        until("it waits", || {
            Ok(self.state()? == ContextStatus::Blocked as usize)
        })
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // One that has ended refuses.
        let _ = self.tell(ContextVerb::ForceKill);
    }
}

/// Lets others run until `condition` holds.
pub fn until(what: &str, mut condition: impl FnMut() -> Result<bool>) -> Outcome {
    for round in 0..20_000 {
        if condition()? {
            return Ok(());
        }
        if round % 16 == 15 {
            sleep_ms(1)?;
        } else {
            sys::sched_yield();
        }
    }
    fail!("waited in vain: {what}")
}

/// The text of a file of the sys scheme.
pub fn sys_file(name: &[u8]) -> Result<String> {
    let fd = world().sys.open(name, syscall::flag::O_RDONLY)?;
    let mut text = alloc::vec![0; 16 * 1024];
    let len = fd.read_full_at(&mut text, 0)?;
    text.truncate(len);
    String::from_utf8(text).map_err(|_| Error::new(EIO))
}

/// Numbers that the kernel tells of itself, by name.
pub fn counts(file: &[u8]) -> Result<Vec<(String, usize)>> {
    let text = sys_file(file)?;
    let pairs = text.lines().filter_map(|line| line.split_once(' '));
    Ok(pairs
        .filter_map(|(name, value)| Some((String::from(name), value.parse().ok()?)))
        .collect())
}

/// One of the numbers.
pub fn count(file: &[u8], name: &str) -> Result<usize> {
    let all = counts(file)?;
    let found = all.iter().find(|(n, _)| n == name).map(|(_, value)| *value);
    found.ok_or(Error::new(EIO))
}

/// Fails unless the kernel's object counts become what they were.
pub fn same_objects(before: &[(String, usize)]) -> Outcome {
    let mut last = Vec::new();
    for _ in 0..500 {
        last = counts(b"objects")?;
        if last == before {
            return Ok(());
        }
        sleep_ms(1)?;
    }
    for ((name, was), (_, is)) in before.iter().zip(&last) {
        if was != is {
            fail!("{name}: {was} before, {is} after");
        }
    }
    fail!("counts of different kinds")
}

/// Runs a case and checks that no kernel object is left of it.
pub fn leaves_nothing(case: impl FnOnce() -> Outcome) -> Outcome {
    let before = counts(b"objects")?;
    case()?;
    same_objects(&before)
}

/// Runs `body` in another process and checks that it works there.
pub fn elsewhere(body: impl FnOnce() -> Outcome) -> Outcome {
    let process = Process::start(|| match body() {
        Ok(()) => 0,
        Err(_) => {
            guest_test::explain();
            1
        }
    })?;
    process.succeeds()
}

/// Makes `call` in another process that is then told to `verb`, once it waits; gives the call's result.
pub fn told(verb: ContextVerb, call: impl FnOnce() -> Result<usize>) -> Result<Result<usize>> {
    let answer = words()?;
    let process = Process::start(|| {
        answer[1].store(Error::mux(call()), Ordering::SeqCst);
        answer[0].store(1, Ordering::SeqCst);
        0
    })?;
    if process.until_blocked().is_err() {
        return Err(Error::new(EIO));
    }
    process.tell(verb)?;
    process.wait()?;
    let result = sys::demux(answer[1].load(Ordering::SeqCst));
    let done = answer[0].load(Ordering::SeqCst);
    forget_words(answer)?;
    if done == 1 {
        Ok(result)
    } else {
        Err(Error::new(EIO))
    }
}

/// Checks that two words are what they should be, for cases in other processes.
pub fn all_are(address: usize, len: usize, value: u64) -> Outcome {
    for at in (address..address + len).step_by(8) {
        check!(peek(at) == value, "at {at:#x}");
    }
    Ok(())
}
