//! The commands that the shell itself knows.

use alloc::{string::String, vec, vec::Vec};

use redox_rt::{Error, Fd, Result, fs, namespace, process, process::ProcKillTarget, sys};
use syscall::{
    EINVAL, EIO, ENOENT,
    dirent::DirentIter,
    flag::{
        AT_REMOVEDIR, MODE_DIR, MODE_SYMLINK, MODE_TYPE, O_CREAT, O_DIRECTORY, O_RDONLY, O_STAT,
        O_SYMLINK,
    },
};

use crate::{Shell, job, run::open};

type Builtin = fn(&mut Shell, &[&str], usize) -> Result<()>;

const TABLE: [(&str, &str, Builtin); 12] = [
    ("cat", "FILE…: writes files out", cat),
    ("cd", "[DIRECTORY]: goes there", cd),
    ("echo", "WORD…: writes words out", echo),
    (
        "fg",
        "[PID]: lets a program that was stopped go on",
        foreground,
    ),
    ("help", "lists this", help),
    ("kill", "PID [SIGNAL]: sends a signal, 15 unless said", kill),
    ("ls", "[-l] [PATH…]: lists directories", ls),
    ("mkdir", "DIRECTORY…: makes directories", mkdir),
    ("ns", "lists the names of the namespace", names),
    ("pwd", "writes out where this is", pwd),
    ("rm", "FILE…: removes files, and empty directories", rm),
    ("status", "writes out how the last command ended", status),
];

/// Runs a command, if it is one of these.
pub fn run(shell: &mut Shell, name: &str, args: &[&str], out: usize) -> Option<Result<()>> {
    let (_, _, command) = TABLE.iter().find(|(known, ..)| *known == name)?;
    Some(command(shell, args, out))
}

fn write_all(fd: usize, mut bytes: &[u8]) -> Result<()> {
    while !bytes.is_empty() {
        match sys::write(fd, bytes) {
            Ok(0) => return Err(Error::new(EIO)),
            Ok(count) => bytes = bytes.get(count..).unwrap_or(&[]),
            Err(error) if error.errno == syscall::EINTR => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn echo(_: &mut Shell, args: &[&str], out: usize) -> Result<()> {
    let mut line = args.join(" ");
    line.push('\n');
    write_all(out, line.as_bytes())
}

fn help(_: &mut Shell, _: &[&str], out: usize) -> Result<()> {
    for (name, what, _) in TABLE {
        write_all(out, alloc::format!("{name} {what}\n").as_bytes())?;
    }
    let rest = "exit [CODE]: ends the shell\nNAME WORD…: runs a program\n… > FILE, … >> FILE: output to a file\n";
    write_all(out, rest.as_bytes())
}

fn cat(_: &mut Shell, args: &[&str], out: usize) -> Result<()> {
    for path in args {
        let file = open(path, O_RDONLY)?;
        let mut buffer = vec![0; 4096];
        loop {
            let len = file.read(&mut buffer)?;
            if len == 0 {
                break;
            }
            write_all(out, buffer.get(..len).unwrap_or(&[]))?;
        }
    }
    Ok(())
}

fn cd(shell: &mut Shell, args: &[&str], _: usize) -> Result<()> {
    let path = args.first().copied().unwrap_or("/");
    let directory = open(path, O_RDONLY | O_DIRECTORY)?;
    namespace::set_directory(directory)?;
    shell.directory = sh0_core::joined(&shell.directory, path);
    Ok(())
}

fn pwd(shell: &mut Shell, _: &[&str], out: usize) -> Result<()> {
    write_all(out, alloc::format!("{}\n", shell.directory).as_bytes())
}

fn status(shell: &mut Shell, _: &[&str], out: usize) -> Result<()> {
    write_all(out, alloc::format!("{}\n", shell.status).as_bytes())
}

fn names(_: &mut Shell, _: &[&str], out: usize) -> Result<()> {
    let fd = namespace::namespace().ok_or(Error::new(ENOENT))?;
    let listing = sys::openat(fd, b"/scheme", O_RDONLY | O_DIRECTORY, sys::FD_ANY_UPPER)?;
    let mut list = entries(&Fd::from_raw(listing))?;
    list.sort();
    list.push(String::new());
    write_all(out, list.join("\n").as_bytes())
}

fn ls(shell: &mut Shell, args: &[&str], out: usize) -> Result<()> {
    let (long, paths) = match args.split_first() {
        Some((&"-l", rest)) => (true, rest),
        _ => (false, args),
    };
    if paths.is_empty() {
        return list(&open(".", O_RDONLY | O_DIRECTORY)?, long, out);
    }
    for path in paths {
        let node = open(path, O_STAT)?;
        if node.stat()?.st_mode & MODE_TYPE == MODE_DIR {
            list(&open(path, O_RDONLY | O_DIRECTORY)?, long, out)?;
        } else {
            let name = sh0_core::joined(&shell.directory, path);
            write_all(out, line(&node, &name, long)?.as_bytes())?;
        }
    }
    Ok(())
}

fn list(directory: &Fd, long: bool, out: usize) -> Result<()> {
    let mut names = entries(directory)?;
    names.sort();
    for name in names {
        let shown = if long {
            let node = directory
                .open(name.as_bytes(), O_STAT)
                .or_else(|_| directory.open(name.as_bytes(), O_STAT | O_SYMLINK));
            // A namespace lists names that are no files of it.
            node.and_then(|node| line(&node, &name, long))
        } else {
            Err(Error::new(ENOENT))
        };
        let shown = shown.unwrap_or_else(|_| alloc::format!("{name}\n"));
        write_all(out, shown.as_bytes())?;
    }
    Ok(())
}

fn line(node: &Fd, name: &str, long: bool) -> Result<String> {
    if !long {
        return Ok(alloc::format!("{name}\n"));
    }
    let stat = node.stat()?;
    let kind = match stat.st_mode & MODE_TYPE {
        MODE_DIR => 'd',
        MODE_SYMLINK => 'l',
        _ => '-',
    };
    let mode = stat.st_mode & 0o7777;
    let (uid, gid, size) = (stat.st_uid, stat.st_gid, stat.st_size);
    Ok(alloc::format!(
        "{kind}{mode:04o} {uid:5} {gid:5} {size:9} {name}\n"
    ))
}

fn entries(directory: &Fd) -> Result<Vec<String>> {
    let mut names = Vec::new();
    let mut after = 0;
    loop {
        let mut buffer = vec![0; 4096];
        let len = fs::getdents(directory.raw(), &mut buffer, after)?;
        if len == 0 {
            return Ok(names);
        }
        for entry in DirentIter::new(buffer.get(..len).unwrap_or(&[])) {
            let (header, name) = entry.map_err(|_| Error::new(EIO))?;
            after = header.next_opaque_id;
            // Records are padded with NUL.
            let name = name.split(|byte| *byte == 0).next().unwrap_or(&[]);
            names.push(String::from_utf8_lossy(name).into_owned());
        }
    }
}

fn mkdir(_: &mut Shell, args: &[&str], _: usize) -> Result<()> {
    let mode = usize::from(0o777 & !process::umask());
    for path in args {
        open(
            path,
            O_CREAT | O_DIRECTORY | syscall::flag::O_EXCL | O_STAT | mode,
        )?;
    }
    Ok(())
}

fn rm(_: &mut Shell, args: &[&str], _: usize) -> Result<()> {
    for path in args {
        namespace::with_route(path.as_bytes(), |dir, path| {
            match sys::unlinkat(dir, path, 0) {
                Err(error) if matches!(error.errno, syscall::EISDIR | syscall::EPERM) => {
                    sys::unlinkat(dir, path, AT_REMOVEDIR)
                }
                done => done,
            }
        })?;
    }
    Ok(())
}

fn foreground(shell: &mut Shell, args: &[&str], _: usize) -> Result<()> {
    let pid = match args.first() {
        Some(text) => text.parse().ok(),
        None => job::stopped(),
    };
    let pid = pid.ok_or(Error::new(EINVAL))?;
    let word = job::go_on(pid)?;
    shell.status = job::report(&alloc::format!("{pid}"), pid, word);
    Ok(())
}

fn kill(_: &mut Shell, args: &[&str], _: usize) -> Result<()> {
    let number = |text: &&str| text.parse::<usize>().map_err(|_| Error::new(EINVAL));
    let pid = args.first().map_or(Err(Error::new(EINVAL)), number)?;
    let signal = args.get(1).map_or(Ok(15), number)?;
    process::kill(ProcKillTarget::SingleProc(pid), signal as i32)
}
