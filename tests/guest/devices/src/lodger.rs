//! A daemon whose program is on a disk, and the first process, which is to bring it back together with what the
//! disk needs.

use guest_test::{Outcome, run};
use redox_rt::{
    Fd, Result, eprintln, fs,
    process::{self, ProcKillTarget},
    sys,
};
use syscall::flag::{O_CREAT, O_DIRECTORY, O_RDONLY, O_WRONLY};

use crate::{
    kill::{kill, pause, pid_of, until_another},
    world::open,
};

const SIGSTOP: i32 = 19;
const FILES: &str = "redoxfsd";
const DRIVER: &str = "virtio-blkd";
const LODGER: &str = "lodger";

/// Runs the group.
pub fn run() -> i32 {
    run!["lodger" =>
        it_comes_back, it_comes_back_with_its_files, it_comes_back_with_its_disk,
    ]
}

/// What the unit `install` does: puts this program on the disk.
pub fn install() -> i32 {
    match copy() {
        Ok(()) => 0,
        Err(error) => {
            eprintln!("test-devices: /usr/bin/{LODGER}: {error}");
            1
        }
    }
}

fn copy() -> Result<()> {
    for folder in ["/usr", "/usr/bin"] {
        open(folder, O_CREAT | O_DIRECTORY | O_RDONLY | 0o755)?;
    }
    let from = open("/scheme/initfs/bin/test-devices", O_RDONLY)?;
    let to = open("/usr/bin/lodger", O_CREAT | O_WRONLY | 0o755)?;
    let mut bytes = alloc::vec![0; 64 << 10];
    loop {
        let count = from.read(&mut bytes)?;
        let Some(rest) = bytes.get(..count).filter(|rest| !rest.is_empty()) else {
            break;
        };
        write_all(&to, rest)?;
    }
    fs::fchmod(to.raw(), 0o755)?;
    // Their daemon is to be killed soon.
    sys::fsync(to.raw())
}

fn write_all(file: &Fd, mut rest: &[u8]) -> Result<()> {
    while !rest.is_empty() {
        rest = rest.get(file.write(rest)?..).unwrap_or(&[]);
    }
    Ok(())
}

/// What the unit `lodger` does.
pub fn stay() -> ! {
    loop {
        pause(900);
    }
}

fn it_comes_back() -> Outcome {
    let old = kill(LODGER)?;
    until_another(LODGER, old)?;
    Ok(())
}

/// Whoever starts it has to wait for its file, whose daemon does nothing and then is gone.
fn comes_back_with(other: &str) -> Outcome {
    let other_old = pid_of(other)?.unwrap_or(0);
    process::kill(ProcKillTarget::SingleProc(other_old), SIGSTOP)?;
    let old = kill(LODGER)?;
    pause(300);
    process::kill(ProcKillTarget::SingleProc(other_old), 9)?;
    until_another(other, other_old)?;
    until_another(LODGER, old)?;
    Ok(())
}

fn it_comes_back_with_its_files() -> Outcome {
    comes_back_with(FILES)
}

fn it_comes_back_with_its_disk() -> Outcome {
    comes_back_with(DRIVER)
}
