//! The loop of a scheme daemon: requests in, answers out, one system call for both.
//!
//! What the daemon is about is its [`Handler`]; finding a request's bytes, keeping answers until they
//! are written, and closing what goes along with them is here. Bytes that a handler is shown cannot
//! change while it looks at them.
#![no_std]

extern crate alloc;

pub mod clock;
pub mod events;
pub mod own;

use alloc::vec::Vec;

use redox_rt::{
    Error, Result,
    fd::{Fd, create_scheme_fd},
    heap::Headroom,
    sys,
};
use scheme_core::{Payload, payload_of};
use syscall::{
    EINTR, EIO, ENOMEM,
    flag::{CallFlags, O_DIRECTORY, O_RDONLY},
    schemev2::{Cqe, CqeOpcode, NewFdFlags, Sqe, SqeFlags},
};

/// Most requests fetched at once.
const REQUESTS: usize = 8;
/// Answers and events that wait to be written; more are written at once.
const ANSWERS: usize = 16;
/// What the kernel copies; longer payloads are the caller's own memory, which it can change while it is
/// looked at.
const COPIED: usize = 4096;

/// The user for whom some memory is kept.
const SUPERUSER: u32 = 0;

const SQE: usize = size_of::<Sqe>();
const CQE: usize = size_of::<Cqe>();

/// What both directions of the system call share: room for requests, at the beginning of which answers are
/// put.
#[repr(C, align(8))]
struct Buffer([[u8; SQE]; REQUESTS]);

impl Buffer {
    const fn new() -> Self {
        Self([[0; SQE]; REQUESTS])
    }

    #[inline]
    fn bytes_mut(&mut self) -> &mut [u8] {
        self.0.as_flattened_mut()
    }

    /// Puts answers at the beginning.
    #[inline(always)]
    fn put(&mut self, answers: &[Cqe]) {
        let (places, _) = self.0.as_flattened_mut().as_chunks_mut::<CQE>();
        for (place, answer) in places.iter_mut().zip(answers) {
            let [a, b, c] = answer.extra_raw;
            let head = u32::from_ne_bytes([answer.flags, a, b, c]);
            let head = u64::from(head) | u64::from(answer.tag) << 32;
            *place = (u128::from(head) | u128::from(answer.result) << 64).to_ne_bytes();
        }
    }
}

// Answers are written from the memory that requests are read to.
const _: () = assert!(ANSWERS * CQE <= REQUESTS * SQE);

/// What a daemon does with requests.
pub trait Handler {
    /// Most bytes of input that a request may have. A handler is shown one byte more of a longer one,
    /// and is to refuse it.
    const LONGEST_INPUT: usize;

    /// Most memory that handling a request takes, of those of [`Handler::takes_memory`], with the bytes of its input.
    /// So much is there before one of another than the superuser's is handled, or it is refused with `ENOMEM`: it
    /// never takes what the kernel keeps for the programs of the superuser.
    const HEADROOM: usize = 0;

    /// Whether a request may take memory that is kept when it has been answered.
    #[inline(always)]
    fn takes_memory(_sqe: &Sqe) -> bool {
        false
    }

    /// For which user such a request does.
    fn user_of(&self, sqe: &Sqe) -> u32 {
        scheme_core::user_of(sqe).0
    }

    /// Takes a request. What is said to it is pushed to `out`, now or later.
    ///
    /// # Errors
    /// Those of the socket, which end the loop.
    fn handle(&mut self, sqe: &Sqe, payload: &mut [u8], out: &mut Answers<'_>) -> Result<()>;
}

/// Answers that wait to be written.
pub struct Answers<'a> {
    socket: &'a Fd,
    list: [Cqe; ANSWERS],
    count: usize,
}

impl Answers<'_> {
    /// Has an answer or event written, at the latest before the next requests are fetched.
    ///
    /// # Errors
    /// Those of the socket.
    #[inline]
    pub fn push(&mut self, cqe: Cqe) -> Result<()> {
        if self.count == ANSWERS {
            self.flush()?;
        }
        if let Some(place) = self.list.get_mut(self.count) {
            *place = cqe;
            self.count += 1;
        }
        Ok(())
    }

    /// Writes an answer that names a descriptor, then closes that.
    ///
    /// # Errors
    /// Those of the socket.
    pub fn push_with(&mut self, cqe: Cqe, fd: Fd) -> Result<()> {
        self.push(cqe)?;
        let written = self.flush();
        drop(fd);
        written
    }

    fn waiting(&self) -> &[Cqe] {
        self.list.get(..self.count).unwrap_or(&[])
    }

    /// Puts the answers at the beginning of a buffer; gives their number.
    #[inline(always)]
    fn stage(&mut self, buffer: &mut Buffer) -> usize {
        buffer.put(self.waiting());
        core::mem::take(&mut self.count)
    }

    /// Writes the answers without waiting for requests.
    ///
    /// # Errors
    /// Those of the socket.
    #[inline]
    pub fn flush(&mut self) -> Result<()> {
        if self.count == 0 {
            return Ok(());
        }
        self.write_waiting()
    }

    #[cold]
    fn write_waiting(&mut self) -> Result<()> {
        let mut buffer = Buffer::new();
        while self.count > 0 {
            let staged = self.stage(&mut buffer);
            let bytes = buffer.bytes_mut().get(..staged * CQE).unwrap_or(&[]);
            let written = self.socket.write(bytes);
            self.count = staged;
            match written {
                Ok(0) => return Err(Error::new(EIO)),
                Ok(written) => self.forget_first(written / CQE),
                Err(error) => self.after(error)?,
            }
        }
        Ok(())
    }

    /// The first answers have been written.
    #[cold]
    #[inline(never)]
    fn forget_first(&mut self, written: usize) {
        let written = written.min(self.count);
        self.list.copy_within(written..self.count, 0);
        self.count -= written;
    }

    /// After a call that has written nothing: answers are written again unless it was interrupted, but one that the
    /// kernel refuses, which is the first, says an error to its caller instead. What a daemon gets wrong about one
    /// request ends nobody else's.
    ///
    /// # Errors
    /// The socket's, when it is not about an answer.
    #[cold]
    #[inline(never)]
    fn after(&mut self, error: Error) -> Result<()> {
        if error.errno == EINTR {
            return Ok(());
        }
        let Some(first) = self.list.first_mut().filter(|_| self.count > 0) else {
            return Err(error);
        };
        let refused = Cqe {
            flags: CqeOpcode::RespondRegular as u8,
            extra_raw: [0; 3],
            tag: first.tag,
            result: Error::mux(Err(Error::new(EIO))) as u64,
        };
        let is_event = first.flags == CqeOpcode::SendFevent as u8;
        if is_event {
            self.forget_first(1);
        } else if (first.flags, first.result) == (refused.flags, refused.result) {
            return Err(error);
        } else {
            *first = refused;
        }
        Ok(())
    }
}

/// Serves until the socket ends.
///
/// # Errors
/// Those of the socket.
pub fn serve<H: Handler>(socket: &Fd, handler: &mut H) -> Result<()> {
    let mut buffer = Buffer::new();
    let mut answers = Answers {
        socket,
        list: [Cqe::default(); ANSWERS],
        count: 0,
    };
    let mut copy = Vec::new();
    let mut headroom = Headroom::new(H::HEADROOM);
    loop {
        let staged = answers.stage(&mut buffer);
        let metadata = [0, staged as u64, REQUESTS as u64];
        let done = match sys::call_read_write(
            socket.raw(),
            buffer.bytes_mut(),
            CallFlags::empty(),
            &metadata,
        ) {
            Ok(done) => done,
            // What has been written already finds no call under way the second time.
            Err(error) => {
                answers.count = staged;
                answers.after(error)?;
                continue;
            }
        };
        let Some(fetched) = done.checked_sub(staged) else {
            if done == 0 {
                return Ok(());
            }
            answers.count = staged;
            answers.forget_first(done);
            continue;
        };
        if fetched == 0 && staged == 0 {
            return Ok(());
        }
        for bytes in buffer.0.iter().take(fetched) {
            let sqe = request(bytes);
            let takes = H::HEADROOM > 0 && H::takes_memory(&sqe);
            if takes && !make_room(&mut headroom, handler, &sqe) {
                answers.push(scheme_core::reply::value(sqe.tag, Err(ENOMEM)))?;
                continue;
            }
            let payload = payload_bytes(&sqe, &mut copy, H::LONGEST_INPUT);
            handler.handle(&sqe, payload, &mut answers)?;
            if takes {
                // Where there is none now, the next one hears of it.
                let _ = headroom.ensure();
            }
        }
    }
}

/// Gives a request the memory that it may take; `false` if there is none and it has to be refused.
#[cold]
#[inline(never)]
fn make_room<H: Handler>(headroom: &mut Headroom, handler: &H, sqe: &Sqe) -> bool {
    if handler.user_of(sqe) == SUPERUSER {
        return true;
    }
    let ensured = headroom.ensure().is_ok();
    headroom.give();
    // What is only told cannot be refused.
    ensured || sqe.sqe_flags.contains(SqeFlags::ONEWAY)
}

/// A request as it is in memory.
#[inline(always)]
fn request(bytes: &[u8; SQE]) -> Sqe {
    let (words, _) = bytes.as_chunks::<8>();
    let mut words = words.iter().map(|word| u64::from_ne_bytes(*word));
    let mut next = || words.next().unwrap_or(0);
    let head = next();
    Sqe {
        opcode: head as u8,
        sqe_flags: SqeFlags::from_bits_retain((head >> 8) as u8),
        _rsvd: (head >> 16) as u16,
        tag: (head >> 32) as u32,
        args: [next(), next(), next(), next(), next(), next()],
        caller: next(),
    }
}

/// The bytes that a request points to. What a handler reads cannot change under its eyes: it is
/// memory that the kernel copied to, or a copy made here.
#[inline(always)]
fn payload_bytes<'a>(sqe: &Sqe, copy: &'a mut Vec<u8>, longest: usize) -> &'a mut [u8] {
    let Payload { address, len } = payload_of(sqe);
    if len == 0 {
        return &mut [];
    }
    let memory = core::ptr::with_exposed_provenance_mut::<u8>(address);
    if len <= COPIED || scheme_core::is_output(sqe) {
        // SAFETY: the kernel gives the address of `len` bytes that are this request's until it is
        // answered, and no two requests' overlap. What is longer than a page is only written here.
        return unsafe { core::slice::from_raw_parts_mut(memory, len) };
    }
    // One byte more than may be says that it is too long.
    let len = len.min(longest.saturating_add(1));
    copy.clear();
    if copy.try_reserve(len).is_err() {
        return &mut [];
    }
    // SAFETY: as above, the memory is there; its owner may write to it meanwhile, so that it is read
    // as bytes that mean nothing, through a pointer, once. The copy has room for `len` bytes, all of
    // which are written.
    unsafe {
        core::ptr::copy_nonoverlapping(memory, copy.as_mut_ptr(), len);
        copy.set_len(len);
    }
    copy.as_mut_slice()
}

/// A request that is answered later, with bytes for its caller.
#[derive(Debug)]
pub struct Parked {
    tag: u32,
    payload: Payload,
}

impl Parked {
    /// Keeps what is needed to answer a request.
    ///
    /// # Safety
    /// The request must not be answered, except through [`Parked::answer`].
    #[must_use]
    pub unsafe fn new(sqe: &Sqe) -> Self {
        Self {
            tag: sqe.tag,
            payload: payload_of(sqe),
        }
    }

    /// Fills the caller's payload from its beginning, as far as there is room, and gives the answer.
    ///
    /// # Errors
    /// Those of the socket.
    pub fn answer(
        self,
        result: core::result::Result<usize, i32>,
        data: &[u8],
        out: &mut Answers<'_>,
    ) -> Result<()> {
        let len = data.len().min(self.payload.len);
        if len > 0 {
            let memory = core::ptr::with_exposed_provenance_mut::<u8>(self.payload.address);
            // SAFETY: the memory is the request's until it is answered, which it has not been; it has
            // at least `len` bytes, none of which are the daemon's.
            unsafe { core::ptr::copy_nonoverlapping(data.as_ptr(), memory, len) };
        }
        out.push(scheme_core::reply::value(self.tag, result))
    }
}

/// What a daemon gives as `st_dev` of its files, by which and `st_ino` programs tell whether two files are one: its
/// process's number, which no other daemon has meanwhile.
#[must_use]
pub fn device_number() -> u64 {
    redox_rt::process::pid().map_or(0, u64::from)
}

/// What a daemon does that was started as `scheme_core::start` says: declares its features, makes
/// itself known by its root, and serves. Answers its exit code; errors are written to descriptor 2.
pub fn run<H: Handler>(name: &str, features: usize, root: u64, handler: &mut H) -> i32 {
    run_with(name, features, root, |socket| serve(socket, handler))
}

/// The same for a daemon that serves in its own way.
pub fn run_with(
    name: &str,
    features: usize,
    root: u64,
    serve: impl FnOnce(&Fd) -> Result<()>,
) -> i32 {
    let socket = Fd::from_raw(scheme_core::start::SOCKET);
    let register = Fd::from_raw(scheme_core::start::REGISTER);
    if let Err(error) = publish(&socket, register, features, root) {
        redox_rt::eprintln!("{name}: making itself known: {error}");
        return 1;
    }
    match serve(&socket) {
        Ok(()) => 0,
        Err(error) => {
            redox_rt::eprintln!("{name}: its socket: {error}");
            1
        }
    }
}

fn publish(socket: &Fd, register: Fd, features: usize, root: u64) -> Result<()> {
    if features != 0 {
        sys::declare_features(socket.raw(), features)?;
    }
    let positioned = NewFdFlags::POSITIONED.bits();
    let root = create_scheme_fd(socket, root as usize, 0, O_RDONLY | O_DIRECTORY, positioned)?;
    register.send(root, &[]).map(drop)
}
