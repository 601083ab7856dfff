use std::format;
use std::string::{String, ToString};
use std::vec::Vec;

use super::*;

fn entry(name: &[u8]) -> Entry<'_> {
    Entry {
        pid: 17,
        euid: 1000,
        egid: 100,
        state: State::Blocked,
        wait: "Request",
        affinity: u128::MAX,
        time: 3_723_450_000_000,
        memory: 5 << 20,
        name,
    }
}

fn text(line: &Line) -> &str {
    core::str::from_utf8(line).unwrap()
}

#[test]
fn the_columns_are_where_others_look_for_them() {
    let expected = [
        "PID   EUID  EGID  ENS   STAT  CPU   AFFINITY   TIME        MEM     NAME",
        "17    1000  100   0     UB    #0               01:02:03.45 5 MB    ramfsd",
        "17    1000  100   0     UR+   #0    3          00:00:00.00 1023 B  ramfsd",
    ];
    let other = Entry {
        state: State::Running,
        affinity: 3,
        time: 9_999_999,
        memory: 1023,
        ..entry(b"ramfsd\0\0")
    };
    let lines = [header(), entry(b"ramfsd\0\0").line(), other.line()];
    for (line, expected) in lines.iter().zip(expected) {
        assert_eq!(text(line).trim_end(), expected);
        assert_eq!(line.last(), Some(&b'\n'));
    }
    assert_eq!(text(&wait_header()).trim_end(), "PID   WAIT    NAME");
    let waits = entry(b"ramfsd").wait_line();
    assert_eq!(text(&waits).trim_end(), "17    Request ramfsd");
}

#[test]
fn names_cannot_forge_lines() {
    let long = [b'x'; 40];
    for (name, shown) in [
        (&b""[..], ""),
        (b"two words", "two?words"),
        (b"a\n9 9 9 9 Ready None b", "a?9?9?9?9?Ready?None?b"),
        (b"\xff\x1b[2J", "??[2J"),
        (b"seen\0hidden", "seen"),
        (&long, &"x".repeat(NAME)),
    ] {
        for line in [entry(name).line(), entry(name).wait_line()] {
            assert_eq!(line.iter().filter(|byte| **byte == b'\n').count(), 1);
        }
        assert_eq!(
            text(&entry(name).line()).get(67..).map(str::trim_end),
            Some(shown)
        );
    }
}

/// Columns move to the right, and words stay apart.
#[test]
fn numbers_wider_than_their_columns() {
    let wide = Entry {
        pid: u32::MAX,
        euid: u32::MAX,
        egid: u32::MAX,
        memory: u64::MAX,
        ..entry(b"n")
    };
    let line = wide.line();
    let words: Vec<&str> = text(&line).split_ascii_whitespace().collect();
    let id = u32::MAX.to_string();
    let expected = [
        &id,
        &id,
        &id,
        "0",
        "UB",
        "#0",
        "01:02:03.45",
        "17179869183",
        "GB",
        "n",
    ];
    assert_eq!(words, expected);
    let all = Entry {
        affinity: 1 << 127,
        time: u64::MAX,
        name: &[b'n'; NAME],
        ..wide
    };
    assert_eq!(all.line().last(), Some(&b'\n'));
}

/// However the pieces are cut and whatever changes between them, whoever stays is found once, whole.
#[test]
fn pieces_of_a_changing_list() {
    let wait = ["None", "Socket", "Request", "Retry"];
    for piece in 1..LINE * 3 {
        let mut read = Vec::new();
        let mut turn = 0;
        while let Some((first, skip)) = place(read.len() as u64).filter(|at| at.0 < 40) {
            turn += 1;
            let lines = (first..40).flat_map(|index| {
                // Slots that are no multiple of three come and go.
                let there = index % 3 == 0 || (index + turn) % 2 == 0;
                let name = format!("context{index}");
                let of_it = Entry {
                    pid: index,
                    wait: wait[(index + turn) as usize % 4],
                    ..entry(name.as_bytes())
                };
                if there { of_it.wait_line() } else { VACANT }
            });
            read.extend(lines.skip(skip).take(piece));
        }
        let text = String::from_utf8(read).unwrap();
        for index in (0..40).step_by(3) {
            let name = format!("context{index}");
            let found = text.lines().filter(|line| {
                let mut words = line.split_ascii_whitespace();
                words.next() == Some(&format!("{index}")) && words.next_back() == Some(&name)
            });
            assert_eq!(found.count(), 1, "{name} in pieces of {piece}");
        }
    }
}
