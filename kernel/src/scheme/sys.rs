//! The `sys` scheme: what the kernel tells of itself, and turning the machine off.

mod contexts;

use super::{Kind, ops::Opened};
use crate::{
    arch,
    error::{Halt, Outcome, fail},
    kernel::Kernel,
};
use alloc::vec::Vec;
use core::fmt::{self, Write};
use kernel_core::listing;
use syscall::error::*;

/// A file of the scheme.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum File {
    /// Name and version of the system, a line each.
    Uname,
    /// How many kernel objects of each kind there are.
    Objects,
    /// Use of memory.
    Memory,
    /// The processor.
    Cpu,
    /// Contexts; see [`kernel_core::listing`].
    Context,
    /// What contexts wait for; likewise.
    Waits,
    /// What the processor has done, as Linux's `/proc/stat` has it.
    Stat,
    /// Refused calls, by cause.
    Denials,
    /// Where the caller's program was found.
    Exe,
    /// Entropy of the processor, as bytes, if it has a source.
    Random,
}

const FILES: [(&str, File); 10] = [
    ("uname", File::Uname),
    ("objects", File::Objects),
    ("memory", File::Memory),
    ("cpu", File::Cpu),
    ("context", File::Context),
    ("waits", File::Waits),
    ("stat", File::Stat),
    ("denials", File::Denials),
    ("exe", File::Exe),
    ("random", File::Random),
];

/// Opens a file by its name.
pub fn open(key: &[u8], flags: usize) -> Outcome<Opened> {
    if key.is_empty() {
        return Ok(Opened::positioned(Kind::Root(
            syscall::data::GlobalSchemes::Sys,
        )));
    }
    let file = FILES
        .iter()
        .find(|(name, _)| name.as_bytes() == key)
        .map(|(_, file)| *file);
    let file = file.ok_or(Halt::Errno(ENOENT))?;
    if flags & syscall::flag::O_WRONLY == syscall::flag::O_WRONLY {
        return fail(EACCES);
    }
    Ok(Opened::positioned(Kind::Sys(file)))
}

/// Text that grows as far as there is memory, and is cut off there.
#[derive(Default)]
struct Text {
    bytes: Vec<u8>,
}

impl Text {
    fn append(&mut self, bytes: &[u8]) -> fmt::Result {
        self.bytes
            .try_reserve(bytes.len())
            .map_err(|_| fmt::Error)?;
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }
}

impl Write for Text {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.append(text.as_bytes())
    }
}

/// Verbs of `SYS_CALL` on the root.
mod verb {
    pub const SHUTDOWN: u64 = 1;
    pub const DEBUG_EXIT: u64 = 2;
    pub const REBOOT: u64 = 3;
}

impl Kernel {
    fn render(&mut self, file: File) -> Result<Vec<u8>, fmt::Error> {
        let mut text = Text::default();
        match file {
            File::Uname => {
                let version = env!("CARGO_PKG_VERSION");
                write!(text, "Cuprite\n\n{version}\n\nx86_64\n")?;
            }
            File::Objects => {
                let (queues, subjects, registrations) = self.events.counts();
                writeln!(text, "contexts {}", self.contexts.len())?;
                writeln!(text, "spaces {}", self.spaces.len())?;
                writeln!(text, "tables {}", self.tables.len())?;
                writeln!(text, "descriptions {}", self.descriptions.len())?;
                writeln!(text, "schemes {}", self.schemes.len())?;
                writeln!(text, "leases {}", self.leases.len())?;
                writeln!(text, "pipes {}", self.pipes.len())?;
                writeln!(text, "maps {}", self.maps.len())?;
                writeln!(text, "blocks {}", self.blocks.len())?;
                writeln!(text, "timers {}", self.timers.len())?;
                writeln!(text, "queues {queues}")?;
                writeln!(text, "subjects {subjects}")?;
                writeln!(text, "registrations {registrations}")?;
            }
            File::Memory => {
                let stats = self.memory.stats();
                writeln!(text, "total {}", stats.total)?;
                writeln!(text, "free {}", stats.free)?;
                writeln!(text, "heap {}", stats.heap)?;
                writeln!(text, "tables {}", stats.tables)?;
                writeln!(text, "user {}", stats.user)?;
                writeln!(text, "kernel {}", stats.kernel)?;
                writeln!(text, "objects {}", stats.objects.objects)?;
                writeln!(text, "bytes {}", stats.objects.bytes)?;
            }
            File::Cpu => {
                let mut name = [0; 48];
                writeln!(text, "CPUs: 1")?;
                writeln!(text, "model {}", arch::cpu_name(&mut name))?;
                writeln!(text, "tsc_hz {}", arch::time::tsc_hz())?;
                writeln!(text, "switches {}", self.switches)?;
                writeln!(text, "nmis {}", arch::nmi_count())?;
            }
            File::Stat => self.tell_stat(&mut text)?,
            File::Denials => {
                let denials = self.denials;
                writeln!(text, "right {}", denials.right)?;
                writeln!(text, "revoked {}", denials.revoked)?;
                writeln!(text, "undeclared {}", denials.undeclared)?;
                writeln!(text, "capability {}", denials.capability)?;
            }
            File::Exe => {
                let space = self.spaces.get(self.current_space);
                let label = space.map_or(&[][..], |space| &space.label);
                text.append(label)?;
            }
            File::Context | File::Waits | File::Random => {}
        }
        Ok(text.bytes)
    }

    /// `read`.
    pub fn sys_file_read(&mut self, file: File, base: usize, len: usize, offset: u64) -> Outcome {
        match file {
            File::Random => return self.read_random(base, len),
            File::Context | File::Waits => return self.read_contexts(file, base, len, offset),
            _ => {}
        }
        // What has ended does not count, although giving it back is put off.
        if matches!(file, File::Objects | File::Memory) && self.call_for_chores() {
            return self.go_on_later();
        }
        let bytes = self.render(file).map_err(|_| Halt::Errno(ENOMEM))?;
        if file == File::Exe && bytes.is_empty() {
            return fail(ENOENT);
        }
        let rest = usize::try_from(offset)
            .ok()
            .and_then(|offset| bytes.get(offset..));
        let rest = rest.unwrap_or(&[]);
        let part = rest.get(..len).unwrap_or(rest);
        self.write_bytes(self.current_space, base, part)?;
        Ok(part.len())
    }

    fn read_random(&mut self, base: usize, len: usize) -> Outcome {
        let mut done = 0_usize;
        while done < len.min(256) {
            let Some(word) = arch::hardware_random() else {
                return if done > 0 { Ok(done) } else { fail(ENODEV) };
            };
            let bytes = word.to_le_bytes();
            let part = bytes.get(..len.wrapping_sub(done)).unwrap_or(&bytes);
            self.write_bytes(self.current_space, base.wrapping_add(done), part)?;
            done = done.wrapping_add(part.len());
        }
        Ok(done)
    }

    /// The size of a file.
    pub fn sys_file_size(&mut self, file: File) -> Outcome {
        if matches!(file, File::Context | File::Waits) {
            return Ok((self.context_lines() as usize).saturating_mul(listing::LINE));
        }
        Ok(self.render(file).map_err(|_| Halt::Errno(ENOMEM))?.len())
    }

    /// `read` of the root: the names of the files, a line each.
    pub fn sys_list(&mut self, base: usize, len: usize, offset: u64) -> Outcome {
        let mut text = Text::default();
        for (name, _) in FILES {
            writeln!(text, "{name}").map_err(|_| Halt::Errno(ENOMEM))?;
        }
        let rest = usize::try_from(offset)
            .ok()
            .and_then(|offset| text.bytes.get(offset..));
        let rest = rest.unwrap_or(&[]);
        let part = rest.get(..len).unwrap_or(rest);
        self.write_bytes(self.current_space, base, part)?;
        Ok(part.len())
    }

    /// `SYS_CALL` on the root: `[1]` turns the machine off, `[2, code]` ends the emulator with a
    /// status, `[3]` restarts.
    pub fn sys_root_call(&mut self, metadata: &[u64; 8]) -> Outcome {
        let [verb, code, ..] = *metadata;
        match verb {
            verb::SHUTDOWN => {
                arch::shutdown();
                fail(EIO)
            }
            verb::DEBUG_EXIT => arch::debug_exit(code as u8),
            verb::REBOOT => arch::reboot(),
            _ => fail(EINVAL),
        }
    }
}
