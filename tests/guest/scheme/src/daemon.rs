//! A scheme daemon in a process of its own that does as it is told.
//!
//! It writes down every message it gets, and answers requests as [`Shared::reply`] says. A request on
//! its control object makes it perform any system call, with addresses in memory that both sides have
//! at the same place; so a case decides exactly what a daemon does, and sees what it was told.

use alloc::vec::Vec;
use core::sync::atomic::{AtomicU8, AtomicU64, AtomicUsize, Ordering};

use guest_test::{Outcome, check_eq, fail};
use redox_rt::fd::create_scheme_fd;
use redox_rt::tcb::Tcb;
use redox_rt::{Error, Fd, Result, fd, sys};
use syscall::EIO;
use syscall::error::ENODEV;
use syscall::flag::{CallFlags, O_RDWR};
use syscall::schemev2::{CqeOpcode, Opcode};

use crate::world::{Process, pattern, raw, shared, unmap, until, world};

/// Number of the object behind [`Daemon::root`].
pub const ROOT: usize = 1;
/// Number of the object behind [`Daemon::control`].
const CONTROL: usize = 0xc0;

/// How many messages are remembered.
const LOG: usize = 512;
/// How many bytes of a payload are remembered.
const HEAD: usize = 96;

/// Do not answer.
pub const HOLD: usize = 1;
/// Answer with `reply`.
const ANSWER: usize = 0;

/// What a case and its daemon tell each other.
#[repr(C)]
pub struct Shared {
    logged: AtomicUsize,
    log: [Logged; LOG],
    /// What to do with requests.
    mode: AtomicUsize,
    /// Completion entry to answer with; the tag is put in. All ones for `result` in [`ECHO`].
    head: AtomicU64,
    result: AtomicU64,
    /// What to fill buffers with, up to how many bytes; 0 for not at all.
    fill_seed: AtomicUsize,
    fill_len: AtomicUsize,
    /// What buffers are compared with; 0 for not at all.
    expect: AtomicUsize,
    /// A system call to make: number, arguments, result.
    remote: [AtomicUsize; 8],
    /// For arguments of remote calls.
    pub scratch: [AtomicU64; 1024],
}

#[repr(C)]
struct Logged {
    words: [AtomicU64; 8],
    payload: [AtomicU8; HEAD],
    /// First byte that is not as expected; all ones if there is none.
    mismatch: AtomicUsize,
    /// Bytes around the buffer, in its pages, that are not zero (only where pages are lent).
    stray: AtomicUsize,
}

/// A message as a daemon got it.
#[derive(Clone, Copy, Debug)]
pub struct Message {
    pub opcode: u8,
    pub flags: u8,
    pub tag: u32,
    pub args: [u64; 6],
    pub caller: u64,
    /// What the beginning of the payload was.
    pub payload: [u8; HEAD],
    pub mismatch: Option<usize>,
    pub stray: usize,
}

impl Message {
    /// The payload, if it is short.
    pub fn text(&self) -> &[u8] {
        self.payload.get(..self.args[2] as usize).unwrap_or(&[])
    }
}

pub struct Daemon {
    process: Option<Process>,
    /// Object [`ROOT`].
    pub root: Fd,
    control: Option<Fd>,
    /// Number of the socket in the daemon's table.
    pub socket: usize,
    pub shared: &'static Shared,
}

impl Daemon {
    pub fn start() -> Result<Self> {
        Self::with_features(0)
    }

    /// One that has declared `cap_abi::scheme::FEATURE_*`.
    pub fn with_features(features: usize) -> Result<Self> {
        let socket = fd::create_scheme(&world().capability, features)?;
        let root = create_scheme_fd(&socket, ROOT, 0, O_RDWR, 0)?;
        let control = create_scheme_fd(&socket, CONTROL, 0, O_RDWR, 0)?;
        // SAFETY: atomics alone.
        let shared: &'static Shared = unsafe { shared() }?;
        let number = socket.raw();
        let process = Process::start(|| {
            close_others(&[number]);
            serve(number, shared)
        })?;
        // The child's alone from here on.
        drop(socket);
        let daemon = Self {
            process: Some(process),
            root,
            control: Some(control),
            socket: number,
            shared,
        };
        daemon.answer(0);
        daemon.remote(syscall::SYS_YIELD, [0; 6])?;
        Ok(daemon)
    }

    pub fn process(&self) -> Result<&Process> {
        self.process.as_ref().ok_or(Error::new(EIO))
    }

    /// Makes the daemon perform a system call.
    pub fn remote(&self, number: usize, args: [usize; 6]) -> Result<usize> {
        let [first, rest @ .., result] = &self.shared.remote;
        first.store(number, Ordering::SeqCst);
        for (place, arg) in rest.iter().zip(args) {
            place.store(arg, Ordering::SeqCst);
        }
        let control = self.control.as_ref().ok_or(Error::new(ENODEV))?;
        sys::call(control.raw(), CallFlags::empty(), &[])?;
        Error::demux(result.load(Ordering::SeqCst))
    }

    /// Address of the scratch memory, in both processes.
    pub fn scratch(&self) -> usize {
        self.shared.scratch.as_ptr() as usize
    }

    pub fn poke(&self, index: usize, value: u64) {
        if let Some(word) = self.shared.scratch.get(index) {
            word.store(value, Ordering::SeqCst);
        }
    }

    pub fn peek(&self, index: usize) -> u64 {
        let word = self.shared.scratch.get(index);
        word.map_or(0, |word| word.load(Ordering::SeqCst))
    }

    /// Makes the daemon write a completion entry; the result is how many bytes were taken.
    pub fn complete(&self, opcode: u8, extra: u32, tag: u32, result: u64) -> Result<usize> {
        self.poke(
            0,
            u64::from(opcode) | u64::from(extra) << 8 | u64::from(tag) << 32,
        );
        self.poke(1, result);
        self.remote(
            syscall::SYS_WRITE,
            [self.socket, self.scratch(), 16, 0, 0, 0],
        )
    }

    /// Answers a held request with a number.
    pub fn complete_with(&self, tag: u32, result: Result<usize>) -> Outcome {
        let result = Error::mux(result) as u64;
        check_eq!(
            self.complete(CqeOpcode::RespondRegular as u8, 0, tag, result)?,
            16
        );
        Ok(())
    }

    /// From now on requests are answered with this number.
    pub fn answer(&self, result: usize) {
        self.answer_as(CqeOpcode::RespondRegular as u8, 0, result as u64);
    }

    /// From now on requests are answered with this error.
    pub fn refuse(&self, errno: i32) {
        self.answer((errno as usize).wrapping_neg());
    }

    /// From now on requests are answered with this completion entry.
    pub fn answer_as(&self, opcode: u8, extra: u32, result: u64) {
        self.shared
            .head
            .store(u64::from(opcode) | u64::from(extra) << 8, Ordering::SeqCst);
        self.shared.result.store(result, Ordering::SeqCst);
        self.shared.mode.store(ANSWER, Ordering::SeqCst);
    }

    /// From now on requests are not answered.
    pub fn hold(&self) {
        self.shared.mode.store(HOLD, Ordering::SeqCst);
    }

    /// From now on buffers are filled with a pattern, up to `len` bytes.
    pub fn fill(&self, seed: usize, len: usize) {
        self.shared.fill_seed.store(seed, Ordering::SeqCst);
        self.shared.fill_len.store(len, Ordering::SeqCst);
    }

    /// From now on buffers are compared with a pattern.
    pub fn expect(&self, seed: usize) {
        self.shared.expect.store(seed, Ordering::SeqCst);
    }

    /// How many messages there were.
    pub fn logged(&self) -> usize {
        self.shared.logged.load(Ordering::SeqCst)
    }

    fn message(&self, index: usize) -> Option<Message> {
        let entry = self.shared.log.get(index % LOG)?;
        let [head, args @ .., caller] = &entry.words;
        let head = head.load(Ordering::SeqCst);
        let mut message = Message {
            opcode: head as u8,
            flags: (head >> 8) as u8,
            tag: (head >> 32) as u32,
            args: [0; 6],
            caller: caller.load(Ordering::SeqCst),
            payload: [0; HEAD],
            mismatch: Some(entry.mismatch.load(Ordering::SeqCst)).filter(|m| *m != usize::MAX),
            stray: entry.stray.load(Ordering::SeqCst),
        };
        for (to, from) in message.args.iter_mut().zip(args) {
            *to = from.load(Ordering::SeqCst);
        }
        for (to, from) in message.payload.iter_mut().zip(&entry.payload) {
            *to = from.load(Ordering::SeqCst);
        }
        Some(message)
    }

    /// The messages since there were `mark`.
    pub fn since(&self, mark: usize) -> Vec<Message> {
        (mark..self.logged())
            .filter_map(|index| self.message(index))
            .collect()
    }

    /// The messages of one kind since there were `mark`.
    pub fn of_kind(&self, mark: usize, opcode: Opcode) -> Vec<Message> {
        let mut all = self.since(mark);
        all.retain(|message| message.opcode == opcode as u8);
        all
    }

    /// The one request of a kind since `mark`.
    pub fn one(
        &self,
        mark: usize,
        opcode: Opcode,
    ) -> core::result::Result<Message, guest_test::Failure> {
        let all = self.of_kind(mark, opcode);
        match all.as_slice() {
            [one] => Ok(*one),
            _ => fail!(
                "{opcode:?}: {} messages, of all {}",
                all.len(),
                self.since(mark).len()
            ),
        }
    }

    /// Waits for so many messages of a kind since `mark`.
    pub fn until(&self, mark: usize, opcode: Opcode, count: usize) -> Outcome {
        until("messages", || self.of_kind(mark, opcode).len() >= count)
    }

    /// Makes sure that the daemon has read every message posted so far.
    pub fn settle(&self) -> Outcome {
        for _ in 0..3 {
            self.remote(syscall::SYS_YIELD, [0; 6])?;
        }
        Ok(())
    }

    /// Opens an object of this number, for reading and writing.
    pub fn open(&self, number: usize) -> Result<Fd> {
        self.open_with(&self.root, number, 0)
    }

    /// Opens an object of this number, with the kernel keeping its position.
    pub fn open_positioned(&self, number: usize) -> Result<Fd> {
        self.open_with(&self.root, number, 1)
    }

    pub fn open_with(&self, dir: &Fd, number: usize, extra: u32) -> Result<Fd> {
        self.answer_as(CqeOpcode::RespondRegular as u8, extra, number as u64);
        dir.open(b"x", O_RDWR)
    }

    /// Ends the daemon's process.
    pub fn kill(&mut self) -> Outcome {
        self.control = None;
        if let Some(process) = self.process.take() {
            // It may have ended before.
            let _ = process.kill();
            process.wait()?;
        }
        Ok(())
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.kill();
        let _ = unmap(
            core::ptr::from_ref(self.shared) as usize,
            size_of::<Shared>(),
        );
    }
}

/// Closes what a fork inherited and a daemon should not hold: descriptors of other daemons, first of all.
pub fn close_others(keep: &[usize]) {
    let w = world();
    let roots = [
        0,
        1,
        2,
        w.proc.raw(),
        w.event.raw(),
        w.pipe.raw(),
        w.time.raw(),
        w.sys.raw(),
        w.memory.raw(),
        w.capability.raw(),
    ];
    let Some(own) = Tcb::current().and_then(Tcb::thread_fd) else {
        return;
    };
    let Ok(table) = own.file_table() else { return };
    let mut numbers = [0; 4096];
    let count = table.numbers(&mut numbers, 0).unwrap_or(0);
    for &number in numbers.get(..count).unwrap_or(&[]) {
        let kept = keep.contains(&number)
            || roots.contains(&number)
            || number == own.raw()
            || number == table.fd().raw();
        if !kept {
            let _ = sys::close(number);
        }
    }
}

/// Whether requests of this kind have a buffer.
fn has_payload(opcode: u8) -> bool {
    matches!(
        Opcode::try_from_raw(opcode),
        Some(
            Opcode::OpenAt
                | Opcode::UnlinkAt
                | Opcode::Dup
                | Opcode::Read
                | Opcode::Write
                | Opcode::Fpath
                | Opcode::Frename
                | Opcode::Flink
                | Opcode::Fstat
                | Opcode::Call
                | Opcode::StdFsCall
        )
    )
}

fn serve(socket: usize, shared: &Shared) -> i32 {
    let mut sqe = [0_u64; 8];
    loop {
        let buffer = sqe.as_mut_ptr() as usize;
        match raw(syscall::SYS_READ, [socket, buffer, 64, 0, 0, 0]) {
            Ok(64) => {}
            Err(e) if e.errno == syscall::EINTR => continue,
            _ => return 1,
        }
        let [head, number, .., _] = sqe;
        let (opcode, flags, tag) = (head as u8, (head >> 8) as u8, head >> 32);
        if opcode == Opcode::Call as u8 && number == CONTROL as u64 {
            perform(shared);
            respond(socket, [tag << 32, 0]);
            continue;
        }
        log(shared, &sqe);
        if flags & 1 == 0 && shared.mode.load(Ordering::SeqCst) == ANSWER {
            let head = shared.head.load(Ordering::SeqCst) | tag << 32;
            respond(socket, [head, shared.result.load(Ordering::SeqCst)]);
        }
    }
}

fn respond(socket: usize, cqe: [u64; 2]) {
    let _ = raw(
        syscall::SYS_WRITE,
        [socket, cqe.as_ptr() as usize, 16, 0, 0, 0],
    );
}

fn perform(shared: &Shared) {
    let [number, args @ .., result] = &shared.remote;
    let args: [usize; 6] = args.each_ref().map(|arg| arg.load(Ordering::SeqCst));
    let outcome = raw(number.load(Ordering::SeqCst), args);
    result.store(Error::mux(outcome), Ordering::SeqCst);
}

fn log(shared: &Shared, sqe: &[u64; 8]) {
    let index = shared.logged.load(Ordering::SeqCst);
    let Some(entry) = shared.log.get(index % LOG) else {
        return;
    };
    for (to, from) in entry.words.iter().zip(sqe) {
        to.store(*from, Ordering::SeqCst);
    }
    let [head, _, base, len, ..] = *sqe;
    let (mut mismatch, mut stray) = (usize::MAX, 0);
    if has_payload(head as u8) && len > 0 {
        // SAFETY: the kernel has put the request's buffer there until the answer.
        (mismatch, stray) = unsafe { inspect(shared, entry, base as usize, len as usize) };
    }
    entry.mismatch.store(mismatch, Ordering::SeqCst);
    entry.stray.store(stray, Ordering::SeqCst);
    shared.logged.store(index + 1, Ordering::SeqCst);
}

/// # Safety
/// The buffer must be readable, and writable if it is to be filled.
unsafe fn inspect(shared: &Shared, entry: &Logged, base: usize, len: usize) -> (usize, usize) {
    // SAFETY: the caller's contract.
    let bytes = unsafe { core::slice::from_raw_parts(base as *const u8, len) };
    for (to, from) in entry.payload.iter().zip(bytes) {
        to.store(*from, Ordering::SeqCst);
    }
    let mut mismatch = usize::MAX;
    let expect = shared.expect.load(Ordering::SeqCst);
    if expect != 0 {
        let wrong = bytes
            .iter()
            .enumerate()
            .find(|&(i, b)| *b != pattern(expect, i));
        mismatch = wrong.map_or(usize::MAX, |(i, _)| i);
    }
    let mut stray = 0;
    if len > 4096 {
        let (first, end) = (base & !4095, base + len);
        let outside = (first..base).chain(end..end.next_multiple_of(4096));
        for address in outside {
            // SAFETY: in the same pages as the buffer, which are mapped as a whole.
            stray += usize::from(unsafe { (address as *const u8).read_volatile() } != 0);
        }
    }
    let seed = shared.fill_seed.load(Ordering::SeqCst);
    let fill = shared.fill_len.load(Ordering::SeqCst).min(len);
    if seed != 0 {
        // SAFETY: the caller's contract; the shared reference above is used no more.
        let bytes = unsafe { core::slice::from_raw_parts_mut(base as *mut u8, fill) };
        for (i, byte) in bytes.iter_mut().enumerate() {
            *byte = pattern(seed, i);
        }
    }
    (mismatch, stray)
}
