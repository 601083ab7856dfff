//! Asking at a terminal for what is not to be shown.

use tty_core::{
    Termios,
    termios::{ECHO, ECHONL, ISIG, VEOL, VEOL2, VINTR, VQUIT, VSUSP},
};

fn key(settings: &Termios, index: usize) -> u8 {
    settings.cc.get(index).copied().unwrap_or(0)
}

/// The settings under which a line is not shown. No key sends a signal: a program that one ends or stops would leave the
/// terminal like this. They are read instead ([`gives_up`]), and two of them end the line at once.
#[must_use]
pub fn hidden(shown: &Termios) -> Termios {
    let mut hidden = *shown;
    hidden.lflag = shown.lflag & !(ECHO | ISIG) | ECHONL;
    if shown.lflag & ISIG != 0 {
        for (end, signal) in [(VEOL, VINTR), (VEOL2, VSUSP)] {
            if let Some(place) = hidden.cc.get_mut(end) {
                *place = key(shown, signal);
            }
        }
    }
    hidden
}

/// Whether somebody has typed a key that sends a signal when lines are shown: they do not want to answer.
#[must_use]
pub fn gives_up(shown: &Termios, typed: &[u8]) -> bool {
    let signals = [VINTR, VQUIT, VSUSP].map(|index| key(shown, index));
    let is_signal = |byte: &u8| *byte != 0 && signals.contains(byte);
    shown.lflag & ISIG != 0 && typed.iter().any(is_signal)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tty_core::{Tty, WindowSize};

    #[test]
    fn keys_that_send_signals_are_read() {
        // What is typed, whether a line has come, and whether it is an answer.
        for (typed, came, answer) in [
            ("secret\n", true, true),
            ("sec", false, true),
            ("\x03", true, false),
            ("sec\x03", true, false),
            ("sec\x1a", true, false),
            // There is no third place among the settings.
            ("sec\x1c", false, false),
            ("sec\x1cret\n", true, false),
        ] {
            let mut tty = Tty::new(WindowSize::default());
            let shown = *tty.settings();
            tty.set(hidden(&shown));
            for byte in typed.bytes() {
                assert_eq!(tty.receive(byte, 0), None, "{typed:?}");
            }
            assert_eq!(tty.is_readable(), came, "{typed:?}");
            if came {
                let line = tty.read(100);
                assert_eq!(line, typed.as_bytes());
                assert_eq!(gives_up(&shown, &line), !answer, "{typed:?}");
                let echo = tty.take_output(100);
                assert!(!echo.iter().any(u8::is_ascii_graphic), "{typed:?}");
            }
        }
    }

    #[test]
    fn where_no_key_sends_signals_all_are_input() {
        let mut shown = Termios::default();
        shown.lflag &= !ISIG;
        assert_eq!(hidden(&shown).cc, shown.cc);
        assert!(!gives_up(&shown, b"a\x03"));
        // Keys that are switched off are no bytes.
        let mut shown = Termios::default();
        shown.cc[VQUIT] = 0;
        assert!(!gives_up(&shown, b"\0\x1c"));
    }
}
