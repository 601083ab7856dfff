//! Directories that are renamed while paths lead through them.

use guest_test::{Failure, Outcome, check, check_error, fail};
use redox_rt::{
    Fd, Result, fs,
    process::{self, Awaited, ProcKillTarget, WaitFlags},
    sys,
};
use syscall::{
    ENOENT, EPERM,
    flag::{O_CREAT, O_DIRECTORY, O_EXCL, O_RDONLY, O_RDWR, O_STAT, O_WRONLY},
};

use crate::files::open;

/// How often each path is asked for.
const TIMES: u32 = 1500;

fn directory(parent: &Fd, name: &[u8]) -> Result<Fd> {
    parent.open(name, O_CREAT | O_DIRECTORY | O_RDONLY | 0o755)
}

/// Moves `jail/x/y` out and back, until it is killed.
fn move_about(top: &Fd) -> Result<()> {
    loop {
        fs::renameat(top.raw(), b"jail/x/y", top.raw(), b"y", 0)?;
        sys::sched_yield();
        fs::renameat(top.raw(), b"y", top.raw(), b"jail/x/y", 0)?;
        sys::sched_yield();
    }
}

/// What is asked of a descriptor that is limited to `jail` finds what is in `jail`, or nothing. While `y` is out,
/// its `..` is `top`, from where two steps up and down lead to other files of the same names.
pub fn a_directory_that_moves_is_no_way_out() -> Outcome {
    let top = open("/races", O_CREAT | O_EXCL | O_DIRECTORY | O_RDONLY | 0o755)?;
    let jail = directory(&top, b"jail")?;
    let x = directory(&jail, b"x")?;
    let y = directory(&x, b"y")?;
    let make = |parent: &Fd, name: &[u8]| parent.open(name, O_CREAT | O_RDWR | 0o644);
    let mine = make(&jail, b"file")?.stat()?.st_ino;
    let also = make(&x, b"file")?.stat()?.st_ino;
    make(&top, b"file")?;
    make(&open("/", O_RDONLY | O_DIRECTORY)?, b"file")?;
    let reopened = jail.open(b"", O_RDONLY | O_DIRECTORY)?;
    reopened.limit_beneath()?;
    let attacker = match process::fork()? {
        Some(pid) => pid,
        None => {
            let failed = move_about(&top);
            redox_rt::eprintln!("races: {failed:?}");
            redox_rt::exit(1)
        }
    };
    let outcome = look(&reopened, mine, also);
    process::kill(ProcKillTarget::SingleProc(attacker as usize), 9)?;
    process::wait(Awaited::Child(attacker), WaitFlags::empty())?;
    outcome?;
    // Whoever stood in it does not get out by it either, and nothing was made outside.
    y.limit_beneath()?;
    for path in [&b".."[..], b"../file", b"../../file"] {
        check_error!(y.open(path, O_STAT), EPERM, "{}", path.escape_ascii());
    }
    check_error!(top.open(b"made", O_STAT), ENOENT);
    check_error!(open("/made", O_STAT), ENOENT);
    Ok(())
}

fn look(jail: &Fd, mine: u64, also: u64) -> core::result::Result<(), Failure> {
    // What each may find.
    let rows: [(&[u8], u64); 5] = [
        (b"x/y/../../file", mine),
        (b"x/y/../file", also),
        (b"x/y/../../../jail/file", 0),
        (b"x/y/../../../file", 0),
        (b"x/../x/y/../../x/file", also),
    ];
    let (mut found, mut missed) = (0, 0);
    for turn in 0..TIMES {
        for (path, wanted) in rows {
            match jail.open(path, O_STAT) {
                Ok(file) => {
                    let number = file.stat()?.st_ino;
                    if number != wanted {
                        fail!("{} found {number}, not {wanted}", path.escape_ascii());
                    }
                    found += 1;
                }
                Err(error) if matches!(error.errno, ENOENT | EPERM) => missed += 1,
                Err(error) => fail!("{}: {error}", path.escape_ascii()),
            }
        }
        for path in [&b"x/y/../../made"[..], b"x/y/../made", b"x/y/made"] {
            match jail.open(path, O_CREAT | O_WRONLY | 0o644) {
                Ok(_) => {}
                Err(error) if matches!(error.errno, ENOENT | EPERM) => {}
                Err(error) => fail!("{}: {error}", path.escape_ascii()),
            }
        }
        if turn % 64 == 0 {
            sys::sched_yield();
        }
    }
    // Otherwise nothing has been shown.
    check!(found > 0 && missed > 0, "{found} found, {missed} missed");
    Ok(())
}
