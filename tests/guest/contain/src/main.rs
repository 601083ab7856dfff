//! `contain`, from outside: each row is a command line and what the program inside is to find.
#![no_std]
#![no_main]

extern crate alloc;

use alloc::{format, string::String, vec, vec::Vec};

use cap_abi::Rights;
use guest_test::{Outcome, check, check_eq};
use redox_rt::{
    Error, Fd, Result, namespace as ns,
    process::{self, Awaited, ProcKillTarget, WaitFlags},
    spawn::{self, Command, Grant, Image, Role},
    start::Start,
    sys,
};
use rt_core::wait;
use syscall::ENOENT;
use syscall::flag::{O_CREAT, O_DIRECTORY, O_RDONLY, O_RDWR};

redox_rt::entry!(main);

/// Where commands are searched for. In the first two folders are files of the name that are no programs.
const SEARCHED: &[u8] = b"PATH=/c/nosuch:/c/mine/file:/c/folders:/c/files:/scheme/initfs/bin";
const PROBE: &str = "/scheme/initfs/bin/contain-probe";

fn main(_: &Start) -> i32 {
    guest_test::run!["contain" =>
        nothing_named_is_nothing_there, schemes_are_those_named, directories_are_those_named,
        a_read_only_directory_is_not_changed, a_directory_cannot_be_left,
        descriptors_are_not_inherited, processes_outside_are_unknown, the_environment_is_what_is_said,
        where_it_stands, ends_are_passed_on, signals_are_passed_on, mistakes_are_told,
        what_is_no_program_is_not_found, what_it_would_do_is_shown,
    ]
}

fn open(path: &str, flags: usize) -> Result<Fd> {
    ns::open(path.as_bytes(), flags, sys::FD_ANY_UPPER).map(Fd::from_raw)
}

/// Starts `contain` with a directory where its standard input should be and another further up.
fn start(args: &[&str], out: usize) -> Result<u32> {
    let program = open("/scheme/initfs/bin/contain", O_RDONLY)?;
    let secret = open("/c/secret", O_RDONLY | O_DIRECTORY)?;
    let grant = |from, to| Grant {
        from,
        to,
        rights: Rights::FULL,
    };
    let role = |from: Option<usize>| {
        from.map(|from| Role {
            from,
            rights: Rights::FULL,
        })
    };
    let words: Vec<&[u8]> = core::iter::once("contain")
        .chain(args.iter().copied())
        .map(str::as_bytes)
        .collect();
    process::spawn(&Command {
        image: Image::File(&program),
        path: &[],
        args: &words,
        env: &[b"OUTSIDE=1", SEARCHED],
        grants: &[
            grant(secret.raw(), 0),
            grant(out, 1),
            grant(2, 2),
            grant(secret.raw(), 7),
        ],
        inherited: &[],
        namespace: role(ns::namespace()),
        directory: role(ns::directory()),
        process: None,
        auxv: &[],
        blobs: &[],
        attributes: spawn::attributes(b"contain", 0),
    })
}

fn wait_for(pid: u32) -> Result<u32> {
    let waited = process::wait(Awaited::Child(pid), WaitFlags::empty())?;
    Ok(waited.map_or(u32::MAX, |(_, word)| word))
}

fn make_files() -> Result<()> {
    for path in ["/c", "/c/mine", "/c/mine/in", "/c/shared", "/c/secret"] {
        match open(path, O_CREAT | O_DIRECTORY | O_RDONLY | 0o755) {
            Err(error) if error.errno != syscall::EEXIST => return Err(error),
            _ => (),
        }
    }
    for (path, text) in [
        ("/c/mine/file", "mine"),
        ("/c/shared/file", "shared"),
        ("/c/secret/file", "secret"),
    ] {
        let file = open(path, O_CREAT | O_RDWR | 0o644)?;
        file.write_exact(text.as_bytes())?;
    }
    for (path, target) in [
        ("/c/mine/up", "../secret/file"),
        ("/c/mine/root", "/c/secret/file"),
        ("/c/mine/good", "in/../file"),
        ("/c/to-mine", "/c/mine"),
    ] {
        let flags = O_CREAT | syscall::O_SYMLINK | syscall::O_EXCL | O_RDWR | 0o777;
        if let Ok(link) = open(path, flags) {
            link.write_exact(target.as_bytes())?;
        }
    }
    Ok(())
}

/// Runs the probe in a container; `attempts` are its arguments.
fn inside(options: &[&str], attempts: &[&str]) -> Outcome {
    make_files()?;
    let mut args = options.to_vec();
    args.extend(["--", PROBE]);
    args.extend(attempts);
    let word = wait_for(start(&args, 1)?)?;
    check_eq!(word, wait::exited(0), "{options:?}");
    Ok(())
}

const DIRS: &[&str] = &["--dir", "/c/mine", "--dir", "/c/shared:ro"];

fn nothing_named_is_nothing_there() -> Outcome {
    inside(
        &[],
        &[
            "open|/|2",
            "open|/c/mine/file|2",
            "open|/scheme/zero|2",
            "open|/scheme/file/c|2",
            "open|/scheme|2",
            "open|file|2",
            "create|/new|2",
            "unlink|/c/mine/file|2",
            "extra||none",
            "variables||",
            "stands||2",
            "child||5",
        ],
    )
}

fn schemes_are_those_named() -> Outcome {
    inside(
        &["--scheme", "zero", "--scheme", "nul*"],
        &[
            "names||null,zero",
            "open|/scheme/zero|ok",
            "open|/dev/null|ok",
            "open|/scheme/rand|19",
            "open|/scheme/file/c|19",
            "open|/c/mine/file|19",
            "open|/scheme/kernel.proc|19",
            "open|/scheme/initfs/bin/init|19",
            "open|/scheme/namespace/scheme-creation-cap|13",
            "register|new|13",
            "unbind|zero|13",
            "fork|zero|ok",
            "fork|rand|19",
        ],
    )
}

fn directories_are_those_named() -> Outcome {
    inside(
        DIRS,
        &[
            "names||file",
            "read|/c/mine/file|mine",
            "read|/scheme/file/c/mine/file|mine",
            "read|/c/shared/file|shared",
            "list|/|c",
            "list|/c|mine,shared",
            "list|/c/mine|file,good,in,root,up",
            "open|/c/secret|2",
            "open|/c/secret/file|2",
            "open|/scheme/file/c/secret/file|2",
            "open|/etc|2",
            "open|/scheme/initfs/bin/init|19",
            "create|/c/mine/new|ok",
            "unlink|/c/mine/new|ok",
            "create|/c/new|30",
            "create|/new|30",
            "unlink|/c/mine|16",
            "register|new|13",
        ],
    )
}

fn a_read_only_directory_is_not_changed() -> Outcome {
    inside(
        &["--dir", "/c/shared:ro", "--dir", "/c/mine"],
        &[
            "read|/c/shared/file|shared",
            "write|/c/shared/file|1",
            "create|/c/shared/new|1",
            "unlink|/c/shared/file|1",
            "write|/c/mine/file|ok",
        ],
    )?;
    inside(
        &["--dir", "/:ro", "--dir", "/c/mine"],
        &[
            "read|/c/secret/file|secret",
            "write|/c/secret/file|1",
            "create|/new|1",
            "write|/c/mine/file|ok",
            "write|/c/mine/../mine/file|1",
        ],
    )
}

fn a_directory_cannot_be_left() -> Outcome {
    inside(
        DIRS,
        &[
            "open|/c/mine/..|1",
            "open|/c/mine/../secret/file|1",
            "open|/c/mine/in/../../secret/file|1",
            "open|/c/mine/up|1",
            "open|/c/mine/root|1",
            "read|/c/mine/good|mine",
            "read|/c/../c/mine/file|mine",
            "open|/c/../../secret|2",
            "open|/../scheme/zero|2",
        ],
    )
}

fn descriptors_are_not_inherited() -> Outcome {
    inside(
        DIRS,
        &[
            "extra||none",
            "at0|file|1",
            "at0||1",
            "at0|..|1",
            "at0|/c/secret/file|1",
        ],
    )
}

fn processes_outside_are_unknown() -> Outcome {
    let own = process::pid()?;
    let attempts: Vec<String> = [1, own]
        .iter()
        .flat_map(|pid| {
            ["signal", "reference", "credentials", "group-of"].map(|what| format!("{what}|{pid}|3"))
        })
        .chain(
            [
                "kill-all||3",
                "ask-process|session|1",
                "ask-process|tty|6",
                "child||5",
            ]
            .map(String::from),
        )
        .collect();
    let attempts: Vec<&str> = attempts.iter().map(String::as_str).collect();
    inside(&[], &attempts)?;
    inside(DIRS, &attempts)
}

fn the_environment_is_what_is_said() -> Outcome {
    inside(
        &["--env", "A=1", "--env", "B=x=y"],
        &["variables||A=1,B=x=y"],
    )
}

fn where_it_stands() -> Outcome {
    make_files()?;
    let stand = |path: &str| ns::set_directory(open(path, O_RDONLY | O_DIRECTORY)?);
    let own = ns::directory().ok_or(Error::new(ENOENT))?;
    let before = Fd::from_raw(sys::dup(own, b"", sys::FD_ANY_UPPER)?);
    stand("/c/mine/in")?;
    let within = inside(
        DIRS,
        &[
            "stands||/scheme/file",
            "read|c/mine/file|mine",
            "open|file|2",
            "open|../file|2",
        ],
    );
    // A path that is not absolute is taken from here.
    stand("/c/mine")?;
    let relative = inside(
        &["--dir", "."],
        &["stands||/scheme/file", "read|/c/mine/file|mine"],
    );
    stand("/c/secret")?;
    let without = inside(
        DIRS,
        &[
            "open|file|2",
            "open|c/secret/file|2",
            "read|c/shared/file|shared",
        ],
    );
    ns::set_directory(before)?;
    within.and(relative).and(without)
}

fn ends_are_passed_on() -> Outcome {
    make_files()?;
    for code in ["0", "1", "7", "255"] {
        let word = wait_for(start(&["--", PROBE, &format!("exit|{code}")], 1)?)?;
        check_eq!(word, wait::exited(code.parse().unwrap_or(99)));
    }
    Ok(())
}

fn signals_are_passed_on() -> Outcome {
    make_files()?;
    for signal in [1, 2, 10, 15] {
        let pid = start(&["--", PROBE, "sleep|"], 1)?;
        // It takes a while until it passes signals on; before, the default is its end too.
        process::kill(ProcKillTarget::SingleProc(pid as usize), signal)?;
        check_eq!(wait_for(pid)?, wait::signaled(signal as u8), "{signal}");
    }
    Ok(())
}

fn mistakes_are_told() -> Outcome {
    make_files()?;
    let rows: &[(&[&str], i32)] = &[
        (&[], 125),
        (&["--schema", "x", "ls"], 125),
        (&["--scheme", "nosuch", "--", PROBE], 125),
        (&["--dir", "/c/nosuch", "--", PROBE], 125),
        (&["--dir", "/c/mine/file", "--", PROBE], 125),
        (&["--dir", "/scheme/zero", "--", PROBE], 125),
        (
            &["--dir", "/c/mine", "--dir", "/c/mine/in:ro", "--", PROBE],
            125,
        ),
        (
            &["--dir", "/c/to-mine", "--dir", "/c/mine/in:ro", "--", PROBE],
            125,
        ),
        (
            &["--dir", "/c/to-mine:ro", "--dir", "/c/mine", "--", PROBE],
            125,
        ),
        (&["--", "/c/nosuch"], 127),
        (&["--", "nosuch"], 127),
        (&["--", "/c/mine/file"], 126),
        (&["--help"], 0),
    ];
    for (args, status) in rows {
        let word = wait_for(start(args, 2)?)?;
        check_eq!(word, wait::exited(*status), "{args:?}");
    }
    Ok(())
}

fn what_is_no_program_is_not_found() -> Outcome {
    make_files()?;
    for folder in ["/c/folders", "/c/folders/contain-probe", "/c/files"] {
        open(folder, O_CREAT | O_DIRECTORY | O_RDONLY | 0o755)?;
    }
    for file in ["/c/files/contain-probe", "/c/files/only-text"] {
        open(file, O_CREAT | O_RDWR | 0o644)?;
    }
    let rows: &[(&[&str], i32)] = &[
        (&["--", "contain-probe", "exit|3"], 3),
        (&["--", "only-text"], 126),
        (&["--dry-run", "--", "only-text"], 126),
        (&["--dry-run", "--", "/c/files/only-text"], 126),
        (&["--dry-run", "--", "/c/folders"], 126),
        (&["--", "nosuch"], 127),
    ];
    for (args, status) in rows {
        let word = wait_for(start(args, 2)?)?;
        check_eq!(word, wait::exited(*status), "{args:?}");
    }
    Ok(())
}

fn what_it_would_do_is_shown() -> Outcome {
    make_files()?;
    let path = "/c/shown";
    let out = open(path, O_CREAT | O_RDWR | 0o644)?;
    let args = [
        "--dry-run",
        "--scheme",
        "zero",
        "--dir",
        "/c//shared/:ro",
        "--env",
        "A=1",
        "--",
        PROBE,
        "x",
    ];
    check_eq!(wait_for(start(&args, out.raw())?)?, wait::exited(0));
    let mut text = vec![0; 1000];
    let len = out.read_full_at(&mut text, 0)?;
    let text = String::from_utf8_lossy(text.get(..len).unwrap_or(&[])).into_owned();
    for line in [
        "scheme:    zero",
        "directory: /c/shared (read-only)",
        "variable:  A=1",
        "stands in: /",
    ] {
        check!(text.lines().any(|shown| shown == line), "{line}: {text}");
    }
    Ok(())
}
