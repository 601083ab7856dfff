//! Asking somebody at the terminal that is standard input.

use alloc::{string::String, vec::Vec};

use login_core::secret::{gives_up, hidden};
use redox_rt::{Result, io, sys, terminal};
use syscall::EINTR;
use tty_core::Termios;

/// Longest answer in bytes.
const LONGEST: usize = 1024;

/// What was typed.
pub enum Typed {
    /// A line, without its end.
    Line(String),
    /// Something that is no text, or too long.
    Nonsense,
    /// Nothing more will come.
    End,
}

/// Asks for a line.
///
/// # Errors
/// Those of the terminal.
pub fn ask(prompt: &str) -> Result<Typed> {
    ask_unless(prompt, |_| false)
}

/// Asks for a line; one of which `given_up` says so is none.
fn ask_unless(prompt: &str, given_up: impl Fn(&[u8]) -> bool) -> Result<Typed> {
    io::print(1, format_args!("{prompt}"));
    let mut line = Vec::new();
    loop {
        let mut buffer = [0; 256];
        let count = match sys::read(0, &mut buffer) {
            Ok(0) if line.is_empty() => return Ok(Typed::End),
            Ok(count) => count,
            Err(error) if error.errno == EINTR => continue,
            Err(error) => return Err(error),
        };
        line.extend_from_slice(buffer.get(..count).unwrap_or(&[]));
        if given_up(&line) {
            if line.last() != Some(&b'\n') {
                io::print(1, format_args!("\n"));
            }
            return Ok(Typed::End);
        }
        if line.last() == Some(&b'\n') {
            line.pop();
        } else if count > 0 && line.len() <= LONGEST {
            continue;
        }
        let whole = line.len() <= LONGEST;
        let text = String::from_utf8(line).ok().filter(|_| whole);
        return Ok(text.map_or(Typed::Nonsense, Typed::Line));
    }
}

/// Asks for a line that is not shown. A key that would send a signal ends the question.
///
/// # Errors
/// Those of the terminal.
pub fn ask_secretly(prompt: &str) -> Result<Typed> {
    let place = terminal::derived(0, terminal::SETTINGS)?;
    let mut bytes = [0; Termios::LEN];
    place.read_exact(&mut bytes)?;
    let Some(shown) = Termios::from_bytes(&bytes) else {
        return ask(prompt);
    };
    place.write_exact(&hidden(&shown).to_bytes())?;
    let typed = ask_unless(prompt, |line| gives_up(&shown, line));
    place.write_exact(&bytes)?;
    typed
}
