//! The socket: requests in, answers out, one system call for both.

use alloc::vec::Vec;

use nsmgr_api::MAX_PAYLOAD;
use nsmgr_server::{Kernel, Payload, Server, payload_of};
use redox_rt::{Error, Result, fd::Fd, sys};
use syscall::{
    EINTR, EIO,
    flag::CallFlags,
    schemev2::{Cqe, Opcode, Sqe},
};

/// Most requests fetched at once.
const REQUESTS: usize = 8;
/// Answers and events that wait to be written; more are written at once.
const ANSWERS: usize = 16;
/// What the kernel copies; longer payloads are the caller's own memory, which it can change while it is
/// looked at.
const COPIED: usize = 4096;

const SQE: usize = size_of::<Sqe>();
const CQE: usize = size_of::<Cqe>();

/// What both directions of the system call share.
struct Buffer([u8; REQUESTS * SQE]);

// Answers are written from the memory that requests are read to.
const _: () = assert!(ANSWERS * CQE <= REQUESTS * SQE);

/// Answers that wait to be written.
struct Answers {
    list: [Cqe; ANSWERS],
    count: usize,
}

impl Answers {
    fn push(&mut self, socket: &Fd, cqe: Cqe) -> Result<()> {
        if self.count == ANSWERS {
            self.write(socket)?;
        }
        if let Some(place) = self.list.get_mut(self.count) {
            *place = cqe;
            self.count += 1;
        }
        Ok(())
    }

    fn waiting(&self) -> &[Cqe] {
        self.list.get(..self.count).unwrap_or(&[])
    }

    /// Puts the answers at the beginning of a buffer; gives their number.
    fn stage(&mut self, buffer: &mut Buffer) -> usize {
        for (place, cqe) in buffer.0.chunks_exact_mut(CQE).zip(self.waiting()) {
            place.copy_from_slice(cqe);
        }
        core::mem::take(&mut self.count)
    }

    /// Writes the answers without waiting for requests.
    fn write(&mut self, socket: &Fd) -> Result<()> {
        let mut buffer = Buffer([0; _]);
        let mut rest = 0..self.stage(&mut buffer) * CQE;
        while let Some(bytes) = buffer.0.get(rest.clone()).filter(|bytes| !bytes.is_empty()) {
            match socket.write(bytes) {
                Ok(0) => return Err(Error::new(EIO)),
                Ok(written) => rest.start += written,
                Err(error) if error.errno == EINTR => (),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// Serves until the socket ends.
pub fn serve<K: Kernel>(socket: &Fd, server: &mut Server<K>, kernel: &mut K) -> Result<()> {
    let mut buffer = Buffer([0; _]);
    let mut answers = Answers {
        list: [Cqe::default(); ANSWERS],
        count: 0,
    };
    let mut copy = Vec::new();
    loop {
        let staged = answers.stage(&mut buffer);
        let metadata = [0, staged as u64, REQUESTS as u64];
        let done = match sys::call_read_write(
            socket.raw(),
            &mut buffer.0,
            CallFlags::empty(),
            &metadata,
        ) {
            Ok(done) => done,
            // Nothing has been written then.
            Err(error) if error.errno == EINTR => {
                answers.count = staged;
                continue;
            }
            Err(error) => return Err(error),
        };
        let Some(fetched) = done.checked_sub(staged) else {
            return Ok(());
        };
        if fetched == 0 && staged == 0 {
            return Ok(());
        }
        for bytes in buffer.0.chunks_exact(SQE).take(fetched) {
            let mut sqe = Sqe::default();
            sqe.copy_from_slice(bytes);
            let payload = payload_bytes(&sqe, &mut copy);
            if let Some(reply) = server.handle(&sqe, payload, kernel) {
                answers.push(socket, reply.cqe)?;
                if reply.close.is_some() {
                    // What goes along with an answer is closed only when the answer is out.
                    answers.write(socket)?;
                }
            }
            while let Some(event) = server.next_event() {
                answers.push(socket, event)?;
            }
        }
    }
}

/// The bytes that a request points to. What the server reads cannot change under its eyes: it is
/// memory that the kernel copied to, or a copy made here.
fn payload_bytes<'a>(sqe: &Sqe, copy: &'a mut Vec<u8>) -> &'a mut [u8] {
    let Payload { address, len } = payload_of(sqe);
    if len == 0 {
        return &mut [];
    }
    let is_output = matches!(
        Opcode::try_from_raw(sqe.opcode),
        Some(Opcode::Read | Opcode::Getdents | Opcode::Fpath | Opcode::Fstat | Opcode::Fstatvfs)
    );
    let memory = core::ptr::with_exposed_provenance_mut::<u8>(address);
    if len <= COPIED || is_output {
        // SAFETY: the kernel gives the address of `len` bytes that are this request's until it is
        // answered, and no two requests' overlap. What is longer than a page is only written here.
        return unsafe { core::slice::from_raw_parts_mut(memory, len) };
    }
    // One byte more than may be says that it is too long.
    let len = len.min(MAX_PAYLOAD + 1);
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
