//! Tables: what is typed, what a program reads, what is seen.

use tty_core::{
    Flow, Queues, Signal, Termios, Tty, Wait, WindowSize,
    termios::{
        ECHO, ECHOE, ECHOK, ECHONL, ICANON, ICRNL, IGNCR, INLCR, ISIG, ISTRIP, IXON, NOFLSH, OCRNL,
        OLCUC, ONLCR, ONLRET, ONOCR, OPOST, VEOL, VERASE, VMIN, VTIME,
    },
};

fn tty(change: impl FnOnce(&mut Termios)) -> Tty {
    let mut tty = Tty::new(WindowSize::default());
    let mut settings = Termios::default();
    change(&mut settings);
    tty.set(settings);
    tty
}

fn keys(tty: &mut Tty, keys: &[u8]) -> Vec<Signal> {
    keys.iter().filter_map(|key| tty.receive(*key, 0)).collect()
}

fn reads(tty: &mut Tty) -> Vec<String> {
    let mut list = Vec::new();
    while tty.is_readable() {
        list.push(text(&tty.read(10_000)));
    }
    list
}

fn shown(tty: &mut Tty) -> String {
    text(&tty.take_output(usize::MAX))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap_or_else(|e| format!("{:?}", e.as_bytes()))
}

#[test]
fn lines() {
    // Typed, read, seen.
    let rows: &[(&str, &[&str], &str)] = &[
        ("ls\r", &["ls\n"], "ls\r\n"),
        ("a\nb\n", &["a\n", "b\n"], "a\r\nb\r\n"),
        ("ab\x7fc\r", &["ac\n"], "ab\x08 \x08c\r\n"),
        ("\x7f\x7fx\r", &["x\n"], "x\r\n"),
        ("é\x7fx\r", &["x\n"], "é\x08 \x08x\r\n"),
        ("日\x7fx\r", &["x\n"], "日\x08 \x08\x08 \x08x\r\n"),
        ("e\u{301}\x7f\x7fx\r", &["x\n"], "e\u{301}\x08 \x08x\r\n"),
        ("\x01\x7fx\r", &["x\n"], "^A\x08 \x08\x08 \x08x\r\n"),
        (
            "ab\t\x7fc\r",
            &["abc\n"],
            "ab\t\x08 \x08\x08 \x08\x08 \x08\x08 \x08\x08 \x08\x08 \x08c\r\n",
        ),
        (
            "one two  \x17x\r",
            &["one x\n"],
            "one two  \x08 \x08\x08 \x08\x08 \x08\x08 \x08\x08 \x08x\r\n",
        ),
        ("ab\x15c\r", &["c\n"], "ab\x08 \x08\x08 \x08c\r\n"),
        ("ab\x12c\r", &["abc\n"], "ab^R\r\nabc\r\n"),
        ("a\x16\x03b\r", &["a\x03b\n"], "a^\x08^Cb\r\n"),
        ("a\x16\x7f\r", &["a\x7f\n"], "a^\x08^?\r\n"),
        ("\x04", &[""], ""),
        ("ab\x04c\r", &["ab", "c\n"], "abc\r\n"),
        ("a\x04\x04", &["a", ""], "a"),
        ("not yet", &[], "not yet"),
    ];
    for (typed, read, seen) in rows {
        let mut tty = tty(|_| {});
        assert_eq!(keys(&mut tty, typed.as_bytes()), [], "{typed:?}");
        assert_eq!(shown(&mut tty), *seen, "{typed:?}");
        assert_eq!(reads(&mut tty), *read, "{typed:?}");
    }
}

#[test]
fn settings_for_input() {
    type Row<'a> = (fn(&mut Termios), &'a str, &'a [&'a str], &'a str);
    let rows: &[Row<'_>] = &[
        (|s| s.iflag &= !ICRNL, "a\rb\n", &["a\rb\n"], "a^Mb\r\n"),
        (|s| s.iflag |= IGNCR, "a\r\n", &["a\n"], "a\r\n"),
        (
            |s| s.iflag = INLCR | s.iflag & !ICRNL,
            "a\nb\x04",
            &["a\rb"],
            "a^Mb",
        ),
        (|s| s.iflag |= ISTRIP, "\u{e1}\r", &["C!\n"], "C!\r\n"),
        (|s| s.lflag &= !ECHO, "secret\r", &["secret\n"], ""),
        (
            |s| s.lflag = ECHONL | s.lflag & !ECHO,
            "secret\r",
            &["secret\n"],
            "\r\n",
        ),
        (|s| s.lflag &= !ECHOE, "ab\x7f\r", &["a\n"], "ab^?\r\n"),
        (
            |s| s.lflag &= !ECHOE,
            "ab\x15c\r",
            &["c\n"],
            "ab^U\r\nc\r\n",
        ),
        (
            |s| s.lflag &= !(ECHOE | ECHOK),
            "ab\x15c\r",
            &["c\n"],
            "ab^Uc\r\n",
        ),
        (|s| s.cc[VEOL] = b';', "a;b\r", &["a;", "b\n"], "a;b\r\n"),
        (
            |s| s.cc[VERASE] = 8,
            "ab\x08\r",
            &["a\n"],
            "ab\x08 \x08\r\n",
        ),
        (|s| s.cc[VERASE] = 0, "a\0\r", &["a\0\n"], "a^@\r\n"),
        (
            |s| s.lflag &= !tty_core::termios::IEXTEN,
            "a b\x17\x16\r",
            &["a b\x17\x16\n"],
            "a b^W^V\r\n",
        ),
        (|s| s.lflag &= !ISIG, "\x03\r", &["\x03\n"], "^C\r\n"),
        (|s| s.lflag &= !ICANON, "a\x7f\r", &["a\x7f\n"], "a^?\r\n"),
        (
            |s| {
                s.lflag &= !(ICANON | ECHO | ISIG);
                s.iflag = 0;
            },
            "\x03\r\x04\x13",
            &["\x03\r\x04\x13"],
            "",
        ),
    ];
    for (index, (change, typed, read, seen)) in rows.iter().enumerate() {
        let mut tty = tty(change);
        keys(&mut tty, typed.as_bytes());
        assert_eq!(shown(&mut tty), *seen, "row {index}");
        assert_eq!(reads(&mut tty), *read, "row {index}");
    }
}

#[test]
fn signals() {
    type Row<'a> = (
        fn(&mut Termios),
        &'a str,
        &'a [Signal],
        &'a [&'a str],
        &'a str,
    );
    let rows: &[Row<'_>] = &[
        (|_| {}, "\x03", &[Signal::Interrupt], &[], "^C"),
        (|_| {}, "\x1c", &[Signal::Quit], &[], "^\\"),
        (|_| {}, "ab\n\x1a", &[Signal::Suspend], &[], "ab\r\n^Z"),
        // What was typed before is dropped, and what was to be seen.
        (
            |_| {},
            "ab\ncd\x03x\n",
            &[Signal::Interrupt],
            &["x\n"],
            "^Cx\r\n",
        ),
        (
            |s| s.lflag |= NOFLSH,
            "a\nb\x03c\n",
            &[Signal::Interrupt],
            &["a\n", "bc\n"],
            "a\r\nb^Cc\r\n",
        ),
        (
            |s| s.lflag &= !(ICANON | ECHO),
            "ab\x03c",
            &[Signal::Interrupt],
            &["c"],
            "",
        ),
    ];
    for (index, (change, typed, sent, read, seen)) in rows.iter().enumerate() {
        let mut tty = tty(change);
        assert_eq!(keys(&mut tty, typed.as_bytes()), *sent, "row {index}");
        assert_eq!(shown(&mut tty), *seen, "row {index}");
        assert_eq!(reads(&mut tty), *read, "row {index}");
    }
}

#[test]
fn output() {
    let rows: &[(u32, &str, &str)] = &[
        (OPOST | ONLCR, "a\nb", "a\r\nb"),
        (ONLCR, "a\nb", "a\nb"),
        (OPOST, "a\nb\r", "a\nb\r"),
        (OPOST | OCRNL, "a\rb", "a\nb"),
        (OPOST | ONOCR, "\ra\rb", "a\rb"),
        (OPOST | ONOCR | ONLRET, "a\n\rb", "a\nb"),
        (OPOST | OLCUC, "aé", "Aé"),
    ];
    for (flags, written, seen) in rows {
        let mut tty = tty(|s| s.oflag = *flags);
        assert_eq!(tty.write(written.as_bytes()), written.len());
        assert_eq!(shown(&mut tty), *seen, "{flags:o} {written:?}");
    }
}

#[test]
fn output_is_held() {
    let mut tty = tty(|_| {});
    tty.write(b"one");
    keys(&mut tty, b"\x13");
    assert!(!tty.has_output());
    assert_eq!(shown(&mut tty), "");
    assert_eq!(tty.pending_output(), 3);
    keys(&mut tty, b"\x11");
    assert_eq!(shown(&mut tty), "one");
    tty.flow(Flow::StopOutput);
    tty.write(b"two");
    assert_eq!(shown(&mut tty), "");
    tty.flow(Flow::StartOutput);
    assert_eq!(shown(&mut tty), "two");
    tty.flow(Flow::StopInput);
    tty.flow(Flow::StartInput);
    assert_eq!(shown(&mut tty), "\x13\x11");
    // Switching flow control off, or a signal, lets go.
    tty.flow(Flow::StopOutput);
    let settings = *tty.settings();
    tty.set(Termios {
        iflag: settings.iflag & !IXON,
        ..settings
    });
    tty.write(b"three");
    assert_eq!(shown(&mut tty), "three");
}

#[test]
fn a_read_takes_part_of_a_line() {
    let mut tty = tty(|_| {});
    keys(&mut tty, b"abcdef\nxy\n");
    let parts: Vec<_> = [2, 3, 10, 10].map(|room| text(&tty.read(room))).into();
    assert_eq!(parts, ["ab", "cde", "f\n", "xy\n"]);
}

#[test]
fn nothing_is_lost_between_modes() {
    let mut tty = tty(|s| s.lflag &= !ECHO);
    keys(&mut tty, b"one\ntw");
    let lines = *tty.settings();
    let raw = Termios {
        lflag: lines.lflag & !ICANON,
        ..lines
    };
    tty.set(raw);
    keys(&mut tty, b"o");
    assert_eq!(tty.available(), 7);
    assert_eq!(text(&tty.read(2)), "on");
    tty.set(lines);
    assert_eq!(reads(&mut tty), ["e\ntwo"]);
    keys(&mut tty, b"x\n");
    tty.flush(Queues::Output);
    assert_eq!(reads(&mut tty), ["x\n"]);
    keys(&mut tty, b"x\ny");
    tty.flush(Queues::Input);
    assert!(!tty.is_readable());
}

#[test]
fn least_number_and_time() {
    const TENTH: u64 = 100_000_000;
    // VMIN, VTIME, room; bytes with their times; began, now; the answer.
    type Row<'a> = (u8, u8, usize, &'a [u64], u64, u64, Wait);
    let rows: &[Row<'_>] = &[
        (0, 0, 10, &[], 5, 5, Wait::Ready),
        (1, 0, 10, &[], 5, 5, Wait::Input),
        (1, 0, 10, &[1], 5, 5, Wait::Ready),
        (3, 0, 10, &[1, 2], 5, 5, Wait::Input),
        (3, 0, 2, &[1, 2], 5, 5, Wait::Ready),
        (0, 2, 10, &[], 5, 6, Wait::Until(5 + 2 * TENTH)),
        (0, 2, 10, &[], 5, 5 + 2 * TENTH, Wait::Ready),
        (0, 2, 10, &[6], 5, 7, Wait::Ready),
        // Between bytes: not before there is one.
        (3, 2, 10, &[], 5, 5 + 9 * TENTH, Wait::Input),
        (3, 2, 10, &[7], 5, 8, Wait::Until(7 + 2 * TENTH)),
        (3, 2, 10, &[1], 5, 8, Wait::Until(5 + 2 * TENTH)),
        (3, 2, 10, &[7], 5, 7 + 2 * TENTH, Wait::Ready),
        (3, 2, 10, &[7, 8, 9], 5, 9, Wait::Ready),
    ];
    for (index, (min, time, room, bytes, began, now, wanted)) in rows.iter().enumerate() {
        let mut tty = tty(|s| {
            s.lflag &= !ICANON;
            s.cc[VMIN] = *min;
            s.cc[VTIME] = *time;
        });
        for at in *bytes {
            tty.receive(b'x', *at);
        }
        assert_eq!(tty.poll(*room, *began, *now), *wanted, "row {index}");
    }
    let mut lines = tty(|_| {});
    assert_eq!(lines.poll(1, 0, u64::MAX), Wait::Input);
    keys(&mut lines, b"\x04");
    assert_eq!(lines.poll(1, 0, 0), Wait::Ready);
}

#[test]
fn there_are_limits() {
    let mut tty = tty(|s| s.lflag &= !ECHO);
    // A line that is too long is cut, and can be ended.
    keys(&mut tty, &[b'a'; 10_000]);
    keys(&mut tty, b"\n");
    let line = tty.read(20_000);
    assert_eq!(line.len(), 4096);
    assert!(line.ends_with(b"a\n"));
    // Lines, and ends of file, that nobody reads.
    for byte in [b'\n', 4, b'x'] {
        for _ in 0..100_000 {
            tty.receive(byte, 0);
        }
        assert!(tty.available() <= 1 << 14, "{byte}");
    }
    assert!(!tty.takes(b'x'));
    assert!(tty.takes(3) && tty.takes(0x13));
    assert_eq!(keys(&mut tty, b"\x03"), [Signal::Interrupt]);
    assert!(tty.takes(b'x'));
    // Output that nobody takes.
    let mut written = 0;
    loop {
        match tty.write(&[b'\n'; 1000]) {
            0 => break,
            count => written += count,
        }
    }
    assert!(!tty.is_writable());
    assert!(tty.pending_output() <= 1 << 14);
    assert!(written > 8000, "{written}");
}

mod properties {
    use super::*;
    use proptest::prelude::*;

    /// The screen of what is shown: only printable ASCII, backspace, carriage return and line feed.
    fn screen(shown: &[u8]) -> Vec<u8> {
        let mut line: Vec<u8> = Vec::new();
        let mut at = 0;
        for byte in shown {
            match byte {
                8 => at = usize::saturating_sub(at, 1),
                b'\r' => at = 0,
                b'\n' => {
                    line.clear();
                    at = 0;
                }
                _ => {
                    if at < line.len() {
                        line[at] = *byte;
                    } else {
                        line.push(*byte);
                    }
                    at += 1;
                }
            }
        }
        line.truncate(at);
        line
    }

    proptest! {
        #[test]
        fn what_is_seen_is_what_will_be_read(
            typed in proptest::collection::vec(
                prop_oneof![4 => b' '..0x7f, 2 => Just(0x7f), 1 => Just(0x17), 1 => Just(0x15)],
                0..60,
            )
        ) {
            let mut tty = tty(|_| {});
            keys(&mut tty, &typed);
            let seen = screen(&tty.take_output(usize::MAX));
            keys(&mut tty, b"\n");
            let mut read = tty.read(1000);
            prop_assert_eq!(read.pop(), Some(b'\n'));
            prop_assert_eq!(text(&seen), text(&read));
        }

        #[test]
        fn nothing_ends_it(
            typed in proptest::collection::vec(any::<u8>(), 0..300),
            flags in any::<[u32; 3]>(),
            rooms in proptest::collection::vec(0..40usize, 10),
        ) {
            let mut tty = tty(|s| {
                s.iflag = flags[0];
                s.oflag = flags[1];
                s.lflag = flags[2];
            });
            for (index, byte) in typed.iter().enumerate() {
                tty.receive(*byte, index as u64);
                tty.write(&[*byte]);
                if *byte < 40 {
                    let mut settings = *tty.settings();
                    settings.lflag ^= ICANON;
                    tty.set(settings);
                    tty.read(rooms[usize::from(*byte) % 10]);
                }
                let _ = tty.poll(usize::from(*byte), 0, index as u64);
                tty.take_output(usize::from(*byte) / 2);
            }
        }
    }
}
