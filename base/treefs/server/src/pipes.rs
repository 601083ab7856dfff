//! Requests about named pipes.

use fifo::{Mode, Requests, Said, Step, Times};
use scheme_core::{payload_of, reply, user_of, waits};
use syscall::{
    EventFlags, error as errno,
    schemev2::{NewFdFlags, Opcode, Sqe},
};
use treefs::{NodeId, Opened, Store, TimeSpec};

use crate::{Answer, Result, Server, number};

/// What the kernel says of an object without a position.
const NOWHERE: u64 = u64::MAX;

const fn answer(step: core::result::Result<Step, fifo::Error>) -> Result<Answer> {
    match step {
        Ok(Step::Done(count)) => Ok(Answer::Value(count)),
        Ok(Step::Waits) => Ok(Answer::Later),
        Err(error) => Err(error.errno()),
    }
}

impl<S: Store> Server<S> {
    /// Opens what is behind the name that a handle was just opened for.
    pub(crate) fn open_pipe(
        &mut self,
        sqe: &Sqe,
        opened: Opened,
        requests: &mut impl Requests,
    ) -> Result<Answer> {
        let Opened { handle, node, .. } = opened;
        let (read, write) = self.fs.access(handle).map_err(number)?;
        let mode = Mode { read, write };
        let node = node.number();
        match self
            .fifos
            .open((sqe.tag, waits(sqe)), handle, node, mode, requests)
        {
            Ok(Step::Done(_)) => Ok(Answer::OpenedPipe(handle)),
            Ok(Step::Waits) => Ok(Answer::Later),
            Err(error) => {
                self.forget(handle);
                Err(error.errno())
            }
        }
    }

    /// Answers what a pipe answers differently from a file; `None` for all else.
    pub(crate) fn of_pipe(
        &mut self,
        opcode: Opcode,
        sqe: &Sqe,
        handle: usize,
        payload: &mut [u8],
        now: TimeSpec,
        requests: &mut impl Requests,
    ) -> Option<Result<Answer>> {
        let [_, first, _, offset, ..] = sqe.args;
        Some(match opcode {
            Opcode::Read | Opcode::Write if offset != NOWHERE => Err(errno::ESPIPE),
            Opcode::Read => {
                let request = (sqe.tag, waits(sqe));
                answer(self.fifos.read(request, handle, payload, now, requests))
            }
            Opcode::Write => {
                let what = (&*payload, payload_of(sqe).len);
                answer(
                    self.fifos
                        .write((sqe.tag, waits(sqe)), handle, what, now, requests),
                )
            }
            Opcode::Dup if payload.is_empty() => self.copy_pipe(handle, user_of(sqe).0),
            Opcode::Fevent => {
                let asked = EventFlags::from_bits_truncate(first as usize);
                match self.fifos.watch(handle, asked) {
                    Ok(ready) => Ok(Answer::Value(ready.bits())),
                    Err(error) => Err(error.errno()),
                }
            }
            Opcode::Fsize => Err(errno::ESPIPE),
            Opcode::Fsync => Err(errno::EINVAL),
            _ => return None,
        })
    }

    fn copy_pipe(&mut self, handle: usize, uid: u32) -> Result<Answer> {
        let copy = self.fs.dup(handle, uid).map_err(number)?.handle;
        self.openers.insert(copy, self.opener(handle));
        match self.fifos.copy(handle, copy) {
            Ok(()) => Ok(Answer::OpenedPipe(copy)),
            Err(error) => {
                self.forget(copy);
                Err(error.errno())
            }
        }
    }

    /// A handle is about to be closed.
    pub(crate) fn close_pipe(&mut self, handle: usize, requests: &mut impl Requests) {
        if self.fifos.node_of(handle).is_some() {
            if let Ok(node) = self.fs.node(handle) {
                self.note_times(node);
            }
            self.fifos.close(handle, requests);
        }
    }

    /// Notes of a node when bytes last went through the pipe behind it.
    pub(crate) fn note_times(&mut self, node: NodeId) {
        let Times { read, written } = self.fifos.take_times(node.number());
        // Of a failure there is nobody to be told.
        let _ = self.fs.passed(node, read, written);
    }

    fn forget(&mut self, handle: usize) {
        self.openers.remove(&handle);
        self.fs.close(handle);
    }

    /// Makes answers and events of what the pipes say.
    pub(crate) fn note_said(&mut self) {
        while let Some(said) = self.fifos.next_said() {
            let cqe = match said {
                Said::Answer(tag, result) => reply::value(tag, result.map_err(fifo::Error::errno)),
                Said::Opened(tag, handle) => reply::opened(tag, handle as u64, NewFdFlags::empty()),
                Said::NotOpened(tag, handle) => {
                    self.forget(handle);
                    reply::value(tag, Err(errno::EINTR))
                }
                Said::Event(handle, events) => reply::event(handle as u64, events),
            };
            self.ready.push_back(cqe);
        }
    }
}
