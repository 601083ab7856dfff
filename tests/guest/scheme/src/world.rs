//! What the cases are given, and what they share: the kernel's roots, shared memory, other
//! processes, and counts of kernel objects.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicUsize, Ordering};

use cap_abi::auxv;
use guest_test::{Outcome, fail};
use redox_rt::context::{Context, Status};
use redox_rt::fork::{Forked, fork_into};
use redox_rt::futex::Mutex;
use redox_rt::start::Start;
use redox_rt::{Error, Fd, Result, event, sys};
use syscall::flag::{ContextStatus, ContextVerb, MapFlags};
use syscall::{CtxtStsBuf, EIO, GlobalSchemes, KernelSchemeInfo, Map};

/// The authority that the program was started with.
pub struct World {
    pub proc: Fd,
    pub event: Fd,
    pub pipe: Fd,
    pub time: Fd,
    pub sys: Fd,
    pub memory: Fd,
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

/// Memory of zeros that forks share, at the same address in all of them. It stays for good.
///
/// # Safety
/// `T` must be made of atomics alone, for which zeros are valid.
pub unsafe fn shared<T>() -> Result<&'static T> {
    let address = map_at(0, size_of::<T>(), MapFlags::MAP_SHARED)?;
    // SAFETY: fresh zeroed memory of sufficient size at a page boundary, never unmapped; the caller
    // answers for the type.
    Ok(unsafe { &*(address as *const T) })
}

/// Anonymous memory for reading and writing.
pub fn map_at(address: usize, len: usize, flags: MapFlags) -> Result<usize> {
    let map = Map {
        offset: 0,
        size: len.next_multiple_of(4096),
        flags: flags | MapFlags::PROT_READ | MapFlags::PROT_WRITE,
        address,
    };
    // SAFETY: the callers name addresses that nothing uses.
    unsafe { sys::fmap(sys::ANONYMOUS, &map) }
}

/// Unmaps what a case has mapped.
pub fn unmap(address: usize, len: usize) -> Result<()> {
    // SAFETY: the callers have no references into the range.
    unsafe { sys::funmap(address, len.next_multiple_of(4096)) }
}

/// A system call by number. The cases use it for calls that no typed wrapper lets through.
pub fn raw(number: usize, args: [usize; 6]) -> Result<usize> {
    // SAFETY: the cases pass addresses of their own memory, or bad ones, which the kernel refuses.
    unsafe { sys::raw(number, args) }
}

pub fn fcntl(fd: usize, command: usize, argument: usize) -> Result<usize> {
    raw(syscall::SYS_FCNTL, [fd, command, argument, 0, 0, 0])
}

/// Who cases are to schemes, unless they say otherwise.
pub const PID: u32 = 42;
pub const UID: u32 = 1001;
pub const GID: u32 = 1002;

/// Gives the running process an identity.
pub fn identify(pid: u32, uid: u32, gid: u32) -> Result<()> {
    let own = Context::from_fd(world().proc.open(b"cur-context", 0)?);
    let mut attrs = own.get().attributes()?;
    attrs.pid = pid;
    attrs.euid = uid;
    attrs.egid = gid;
    own.get().set_attributes(&attrs)
}

/// Another process of this program.
pub struct Process(Option<Context>);

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
            Forked::Parent => Ok(Self(Some(context))),
        }
    }

    fn context(&self) -> Result<&Context> {
        self.0.as_ref().ok_or(Error::new(EIO))
    }

    /// Waits for its end.
    pub fn wait(&self) -> Result<Status> {
        event::wait_for_end(&world().event, self.context()?.get())
    }

    /// Ends it by force.
    pub fn kill(&self) -> Result<()> {
        self.context()?.get().tell(ContextVerb::ForceKill)
    }

    /// Interrupts what it waits for.
    pub fn interrupt(&self) -> Result<()> {
        self.context()?.get().tell(ContextVerb::Interrupt)
    }

    /// Whether it waits for something.
    pub fn is_blocked(&self) -> Result<bool> {
        let handle = self.context()?.get().handle(b"status")?;
        let mut status = CtxtStsBuf::default();
        handle.read_exact(&mut status)?;
        Ok(status.status == ContextStatus::Blocked as usize)
    }

    /// Lets it run until it waits for something.
    pub fn until_blocked(&self) -> Outcome {
        for _ in 0..100_000 {
            if self.is_blocked()? {
                return Ok(());
            }
            sys::sched_yield();
        }
        fail!("it never waits")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Some(context) = self.0.take() {
            // One that has ended refuses.
            let _ = context.get().tell(ContextVerb::ForceKill);
        }
    }
}

/// A process that makes one call and leaves its result.
pub struct Caller {
    pub process: Process,
    answer: &'static Answer,
}

/// Of shared memory.
pub struct Answer {
    done: AtomicUsize,
    value: AtomicUsize,
}

impl Caller {
    pub fn start(call: impl FnOnce() -> Result<usize>) -> Result<Self> {
        // SAFETY: atomics alone.
        let answer: &'static Answer = unsafe { shared() }?;
        let process = Process::start(|| {
            answer.value.store(Error::mux(call()), Ordering::SeqCst);
            answer.done.store(1, Ordering::SeqCst);
            0
        })?;
        Ok(Self { process, answer })
    }

    pub fn is_done(&self) -> bool {
        self.answer.done.load(Ordering::SeqCst) != 0
    }

    /// The call's result; `EIO` if the process ended without one.
    pub fn result(&self) -> Result<usize> {
        self.process.wait()?;
        if !self.is_done() {
            return Err(Error::new(EIO));
        }
        Error::demux(self.answer.value.load(Ordering::SeqCst))
    }
}

impl Drop for Caller {
    fn drop(&mut self) {
        let address = core::ptr::from_ref(self.answer) as usize;
        let _ = self.process.kill();
        let _ = unmap(address, size_of::<Answer>());
    }
}

/// Lets others run until `condition` holds.
pub fn until(what: &str, mut condition: impl FnMut() -> bool) -> Outcome {
    for _ in 0..200_000 {
        if condition() {
            return Ok(());
        }
        sys::sched_yield();
    }
    fail!("waited in vain: {what}")
}

/// Numbers that the kernel tells of itself, by name.
pub fn counts(file: &[u8]) -> Result<Vec<(String, usize)>> {
    let fd = world().sys.open(file, syscall::flag::O_RDONLY)?;
    let mut text = [0; 1024];
    let len = fd.read_full_at(&mut text, 0)?;
    let text = core::str::from_utf8(text.get(..len).unwrap_or(&[])).unwrap_or("");
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

/// Fails unless the kernel's object counts become what they were. Processes that were killed and
/// messages under way may need a moment.
pub fn same_objects(before: &[(String, usize)]) -> Outcome {
    let mut last = Vec::new();
    for _ in 0..2000 {
        last = counts(b"objects")?;
        if last == before {
            return Ok(());
        }
        sys::sched_yield();
    }
    for ((name, was), (_, is)) in before.iter().zip(&last) {
        if was != is {
            fail!("{name}: {was} before, {is} after");
        }
    }
    fail!("counts of different kinds")
}

/// Runs a case and checks that no kernel object is left of it.
pub fn leaves_nothing(case: fn() -> Outcome) -> Outcome {
    let before = counts(b"objects")?;
    case()?;
    same_objects(&before)
}

/// The byte at `index` of a test pattern.
pub const fn pattern(seed: usize, index: usize) -> u8 {
    (seed.wrapping_mul(89) ^ index.wrapping_mul(31) ^ (index >> 8).wrapping_mul(7)) as u8
}

/// Repeatable random numbers: the splitmix64 generator.
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    pub fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit as u64) as usize
    }
}
