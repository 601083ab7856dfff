//! Lists and counts of contexts.

use super::File;
use crate::{
    arch,
    context::{Context, Status, Wait},
    error::Outcome,
    kernel::Kernel,
    memory::PAGE_SIZE,
};
use core::fmt::{self, Write};
use kernel_core::listing::{self, Entry, Line, State};

/// How many lines are written before others may run: a reader gets the rest with its next read.
const LINES_AT_ONCE: usize = 256;

/// Nanoseconds in the unit that times since boot are told in.
const HUNDREDTH: u64 = 10_000_000;

impl Kernel {
    /// How many lines a list has: the names of the columns, and all up to the last context.
    pub(super) fn context_lines(&self) -> u32 {
        // One chunk without a context may be kept at the end: few slots are looked at.
        let slots = u32::try_from(self.contexts.capacity()).unwrap_or(u32::MAX);
        let last = (0..slots).rev().find_map(|at| self.contexts.by_index(at));
        last.map_or(1, |(id, _)| id.index().saturating_add(2))
    }

    /// `read` of [`File::Context`] or [`File::Waits`].
    pub(super) fn read_contexts(
        &mut self,
        file: File,
        base: usize,
        len: usize,
        offset: u64,
    ) -> Outcome {
        let lines = self.context_lines();
        let Some((first, mut skipped)) = listing::place(offset).filter(|at| at.0 < lines) else {
            return Ok(0);
        };
        let mut done = 0_usize;
        for number in (first..lines).take(LINES_AT_ONCE) {
            let line = self.context_line(file, number);
            let part = line.get(skipped..).unwrap_or(&[]);
            let part = part.get(..len.wrapping_sub(done)).unwrap_or(part);
            if part.is_empty() {
                break;
            }
            self.write_bytes(self.current_space, base.wrapping_add(done), part)?;
            (done, skipped) = (done.wrapping_add(part.len()), 0);
        }
        Ok(done)
    }

    fn context_line(&self, file: File, number: u32) -> Line {
        let waits = file == File::Waits;
        let Some(index) = number.checked_sub(1) else {
            return if waits {
                listing::wait_header()
            } else {
                listing::header()
            };
        };
        let Some((id, context)) = self.contexts.by_index(index) else {
            return listing::VACANT;
        };
        let entry = self.entry_of(context, self.current == Some(id));
        if waits {
            entry.wait_line()
        } else {
            entry.line()
        }
    }

    fn entry_of<'a>(&self, context: &'a Context, running: bool) -> Entry<'a> {
        let space = context.space.and_then(|id| self.spaces.get(id));
        let pages = space.map_or(0, |space| space.memory.page_count());
        Entry {
            pid: context.attrs.pid,
            euid: context.attrs.euid,
            egid: context.attrs.egid,
            state: match context.status {
                Status::Dead => State::Ended,
                Status::New => State::Stopped,
                _ if running => State::Running,
                _ if context.stopped => State::Stopped,
                Status::Ready => State::Ready,
                Status::Blocked => State::Blocked,
            },
            wait: match context.wait {
                Wait::None => "None",
                Wait::Request => "Request",
                Wait::Socket(_) => "Socket",
                Wait::Retry => "Retry",
                Wait::Futex => "Futex",
                Wait::Sleep { .. } => "Sleep",
            },
            affinity: context.affinity,
            time: arch::ticks_to_ns(context.meter.total(running.then(arch::tsc))),
            memory: (pages as u64).saturating_mul(PAGE_SIZE as u64),
            name: &context.attrs.debug_name,
        }
    }

    /// The text of [`File::Stat`]: of the processor and of the only one there is, hundredths of seconds since boot
    /// that were spent for programs, for those of low priority, in the kernel, idle, and in interrupts. What the
    /// kernel does for a program counts as that program's, and so do interrupts.
    pub(super) fn tell_stat(&self, text: &mut impl Write) -> fmt::Result {
        let now = self.now();
        // Whoever reads this is running.
        let idle = arch::ticks_to_ns(self.idle.total(None)).min(now);
        let busy = now.saturating_sub(idle) / HUNDREDTH;
        let idle = idle / HUNDREDTH;
        for name in ["cpu ", "cpu0"] {
            writeln!(text, "{name} {busy} 0 0 {idle} 0")?;
        }
        let blocked = self
            .contexts
            .iter()
            .filter(|(_, context)| context.status == Status::Blocked);
        let ready = self
            .contexts
            .iter()
            .filter(|(_, context)| context.status == Status::Ready);
        writeln!(text, "ctxt {}", self.switches)?;
        writeln!(text, "btime {}", self.realtime_base / 1_000_000_000)?;
        writeln!(text, "procs_running {}", ready.count())?;
        writeln!(text, "procs_blocked {}", blocked.count())
    }
}
