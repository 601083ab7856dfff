//! Processes: `fork`, `exec`, waiting, and who one is.

use alloc::vec::Vec;
use core::ffi::{CStr, c_char, c_int, c_uint};

use cap_abi::auxv::{AT_REDOX_CWD_LEN, AT_REDOX_CWD_PTR};
use libredox::protocol::O_CLOEXEC;
use libredox::protocol::{ProcCall, ProcMeta, WaitFlags};
use redox_rt::spawn::{self, Command, Image};
use redox_rt::{Error, Fd, Result, namespace, process, sys};
use rt_core::stack::Blob;
use syscall::flag::{O_NONBLOCK, O_RDONLY};
use syscall::{E2BIG, EACCES, ECHILD, EINVAL, ENAMETOOLONG, ENOENT, ENOEXEC, ENOSYS, ENOTDIR};

use super::fork::Mutex;
use super::path::{at_directory, named};
use super::restartable;
use super::{environment, fail, int, text, unit};

type Handler = unsafe extern "C" fn();

/// What `pthread_atfork` has registered: before, in the parent, in the child.
static HANDLERS: Mutex<Vec<[Option<Handler>; 3]>> = Mutex::new(Vec::new());

/// What nobody changes until it is dropped: for a fork. `None` while somebody does.
pub(crate) fn hold() -> Option<impl Sized> {
    HANDLERS.try_hold()
}

/// A new process with one thread, a copy of the calling one. Answers the child's number, 0 in it.
pub(crate) unsafe fn fork_process() -> Result<usize> {
    let handlers: Vec<[Option<Handler>; 3]> = HANDLERS.lock().clone();
    for before in handlers.iter().rev().filter_map(|h| h[0]) {
        before();
    }
    let is_child = |result: &Result<_>| matches!(result, Ok(None));
    let result = super::fork::quietly(process::fork, is_child);
    let which = if is_child(&result) { 2 } else { 1 };
    for after in handlers.iter().filter_map(|h| h[which]) {
        after();
    }
    result.map(|child| child.map_or(0, |pid| pid as usize))
}

/// The strings of a null-terminated array.
pub(crate) unsafe fn strings<'a>(array: *const *const c_char) -> Result<Vec<&'a [u8]>> {
    let mut list = Vec::new();
    if array.is_null() {
        return Ok(list);
    }
    for i in 0.. {
        let string = *array.add(i);
        if string.is_null() {
            break;
        }
        if list.try_reserve(1).is_err() {
            return fail(E2BIG);
        }
        list.push(CStr::from_ptr(string).to_bytes());
    }
    Ok(list)
}

/// How often an interpreter may be interpreted itself.
const INTERPRETERS: usize = 4;
/// How much of a file is looked at for `#!`.
const LINE: usize = 256;

/// A program and its one argument.
type Interpreter = (Vec<u8>, Option<Vec<u8>>);

/// The interpreter that a script's first line names.
fn interpreter(file: &Fd) -> Result<Option<Interpreter>> {
    let mut head = [0u8; LINE];
    let len = file.read_full_at(&mut head, 0)?;
    let Some(line) = head.get(..len).and_then(|h| h.strip_prefix(b"#!")) else {
        return Ok(None);
    };
    let line = line
        .split(|&b| b == b'\n')
        .next()
        .unwrap_or(&[])
        .trim_ascii();
    let end = line
        .iter()
        .position(|b| b" \t".contains(b))
        .unwrap_or(line.len());
    let (name, rest) = line.split_at(end);
    if name.is_empty() {
        return fail(ENOEXEC);
    }
    let rest = rest.trim_ascii();
    Ok(Some((
        name.to_vec(),
        (!rest.is_empty()).then(|| rest.to_vec()),
    )))
}

fn open_program(directory: Option<&Fd>, path: &[u8]) -> Result<Fd> {
    // A named pipe is refused, not waited for.
    let flags = O_RDONLY | O_NONBLOCK | O_CLOEXEC;
    let open = |base, rest: &[u8]| named(base, rest, flags);
    executable(Fd::from_raw(at_directory(directory, path, open)?))
}

fn executable(file: Fd) -> Result<Fd> {
    let stat = file.stat()?;
    if stat.st_mode & syscall::MODE_TYPE != syscall::MODE_FILE || stat.st_mode & 0o111 == 0 {
        return fail(EACCES);
    }
    Ok(file)
}

/// A program that is ready to be run: its headers have been read.
pub(crate) struct Program {
    file: Fd,
    args: Vec<Vec<u8>>,
    name: Vec<u8>,
}

impl Program {
    /// A program from its file, or that of the interpreter which it names.
    fn from_file(
        directory: Option<&Fd>,
        mut file: Fd,
        path: &[u8],
        args: &[&[u8]],
    ) -> Result<Self> {
        let mut name: Vec<u8> = path.to_vec();
        let mut args: Vec<Vec<u8>> = args.iter().map(|a| a.to_vec()).collect();
        for _ in 0..INTERPRETERS {
            let Some((program, argument)) = interpreter(&file)? else {
                break;
            };
            file = open_program(directory, &program)?;
            let rest = args.into_iter().skip(1);
            args = [program.clone()]
                .into_iter()
                .chain(argument)
                .chain([name])
                .chain(rest)
                .collect();
            name = program;
        }
        // Whoever reads the headers wrongly finds out before anything has changed.
        Image::File(&file).plan()?;
        Ok(Self { file, args, name })
    }

    /// The program in an open file. The interpreter of a script opens it by its number, if `stays` says that the
    /// number will be there.
    pub(crate) fn open(
        directory: Option<&Fd>,
        number: usize,
        stays: bool,
        args: &[&[u8]],
    ) -> Result<Self> {
        let file = executable(Fd::from_raw(sys::dup(number, b"", sys::FD_ANY_UPPER)?))?;
        let name = match (interpreter(&file)?, stays) {
            (None, _) => args.first().copied().unwrap_or_default().to_vec(),
            (Some(_), true) => alloc::format!("/dev/fd/{number}").into_bytes(),
            (Some(_), false) => return fail(ENOENT),
        };
        Self::from_file(directory, file, &name, args)
    }

    /// The program at a path below `directory`, or the current directory without one.
    pub(crate) fn at(directory: Option<&Fd>, path: &[u8], args: &[&[u8]]) -> Result<Self> {
        Self::from_file(directory, open_program(directory, path)?, path, args)
    }

    /// What a search of PATH finds, or a path with a slash in it. What is no program is a script of the
    /// shell.
    pub(crate) fn find(directory: Option<&Fd>, file: &[u8], args: &[&[u8]]) -> Result<Self> {
        if file.is_empty() {
            return fail(ENOENT);
        }
        let or_script = |path: &[u8]| match Self::at(directory, path, args) {
            Err(e) if e.errno == ENOEXEC => {
                let rest = args.iter().skip(1).copied();
                let args: Vec<&[u8]> = [SHELL, path].into_iter().chain(rest).collect();
                Self::at(directory, SHELL, &args)
            }
            other => other,
        };
        if file.contains(&b'/') {
            return or_script(file);
        }
        if file.len() > NAME_MAX {
            return fail(ENAMETOOLONG);
        }
        // SAFETY: the environment's strings are valid as C's rule has it.
        let search = unsafe { environment::get(b"PATH") }.unwrap_or(DEFAULT_PATH);
        let mut result = Error::new(ENOENT);
        for folder in search.split(|&b| b == b':') {
            let folder: &[u8] = if folder.is_empty() { b"." } else { folder };
            match or_script(&[folder, b"/", file].concat()) {
                Err(e) if matches!(e.errno, ENOENT | ENOTDIR | syscall::ENODEV) => {}
                Err(e) if e.errno == EACCES => result = e,
                other => return other,
            }
        }
        Err(result)
    }

    /// Calls `start` with everything that is known about the new program: image, arguments, environment,
    /// the current directory's text `cwd` and its name.
    pub(crate) fn with_command<T>(
        &self,
        env: &[&[u8]],
        cwd: &[u8],
        start: impl FnOnce(&Command<'_>) -> T,
    ) -> T {
        let args: Vec<&[u8]> = self.args.iter().map(Vec::as_slice).collect();
        let blobs = [Blob {
            address_tag: AT_REDOX_CWD_PTR,
            len_tag: AT_REDOX_CWD_LEN,
            unit: 1,
            data: cwd,
        }];
        start(&Command {
            image: Image::File(&self.file),
            path: &self.path(cwd),
            args: &args,
            env,
            grants: &[],
            inherited: &[],
            namespace: None,
            directory: None,
            process: None,
            auxv: &[],
            blobs: if cwd.is_empty() { &[] } else { &blobs },
            attributes: spawn::attributes(self.base_name(), 0),
        })
    }

    /// The name as an absolute path, where `cwd` is the current directory's text.
    fn path(&self, cwd: &[u8]) -> Vec<u8> {
        let mut name = self.name.as_slice();
        if name.is_empty() || name.starts_with(b"/") {
            return self.name.clone();
        }
        if cwd.is_empty() {
            return Vec::new();
        }
        while let Some(rest) = name.strip_prefix(b"./") {
            name = rest;
        }
        let folder = cwd.strip_suffix(b"/").unwrap_or(cwd);
        [folder, b"/", name].concat()
    }

    fn base_name(&self) -> &[u8] {
        self.name.rsplit(|&b| b == b'/').next().unwrap_or(&[])
    }

    /// Runs it in the place of this program; comes back with an error only.
    fn run(&self, env: &[&[u8]]) -> Error {
        // The manager's list shows the name; that it cannot is no reason not to run.
        let base = self.base_name();
        let mut shown = base.get(..base.len().min(32)).unwrap_or(&[]).to_vec();
        let _ = process::call(ProcCall::Rename, &mut shown, &[]);
        let alarm = super::timer::alarm_for_exec();
        let auxv = alarm.as_ref().map_or(&[][..], |pairs| pairs);
        self.with_command(env, &super::cwd::text_for_exec(), |command| {
            redox_rt::exec::exec(&Command { auxv, ..*command })
        })
    }
}

/// The longest name of a file: no folder has a longer one.
const NAME_MAX: usize = 255;
/// Where programs are looked for without a PATH.
pub(crate) const DEFAULT_PATH: &[u8] = b"/usr/bin:/bin";
const SHELL: &[u8] = b"/bin/sh";

unsafe fn exec_c(
    path: *const c_char,
    args: *const *const c_char,
    env: *const *const c_char,
    search: bool,
) -> c_int {
    unit((|| {
        let (path, args, env) = (text(path)?, strings(args)?, strings(env)?);
        let program = if search {
            Program::find(None, path, &args)?
        } else {
            Program::at(None, path, &args)?
        };
        Err(program.run(&env))
    })())
}

/// The arguments of `execl` and the like, its null pointer included.
unsafe fn listed(first: *const c_char, list: *mut crate::va::List) -> Vec<*const c_char> {
    let mut args = Vec::new();
    let mut next = first;
    loop {
        args.push(next);
        if next.is_null() {
            return args;
        }
        next = (*list).pointer();
    }
}

/// Waits for a child: POSIX's `pid` and options. The child, 0 when there is nothing to tell yet; its status word;
/// the processor time that it and the children it has waited for have used, in nanoseconds.
pub(crate) fn wait_for(pid: c_int, options: c_int) -> Result<(usize, c_int, u64)> {
    let flags = usize::try_from(options)
        .ok()
        .filter(|bits| {
            let ours = (cap_abi::process::WAIT_KEEP | cap_abi::process::WAIT_NOT_ENDED) as usize;
            WaitFlags::from_bits(bits & !ours).is_some()
        })
        .ok_or(Error::new(EINVAL))? as u64;
    let (verb, target) = match pid {
        -1 => (ProcCall::Waitpid, 0),
        0 => (ProcCall::Waitpgid, 0),
        1.. => (ProcCall::Waitpid, pid as u64),
        _ => (ProcCall::Waitpgid, u64::from(pid.unsigned_abs())),
    };
    let mut told = [0u8; 16];
    let child = restartable(|| process::call(verb, &mut told, &[target, flags]));
    let (status, used) = told.split_at(8);
    let word = |bytes: &[u8]| bytes.first_chunk().map_or(0, |w| u64::from_ne_bytes(*w));
    match child {
        Err(e) if e.errno == ENOSYS => fail(ECHILD),
        other => other.map(|child| (child, word(status) as c_int, word(used))),
    }
}

pub(crate) unsafe fn wait_c(pid: c_int, status: *mut c_int, options: c_int) -> c_int {
    wait_and_account(pid, status, options, core::ptr::null_mut())
}

unsafe fn wait_and_account(
    pid: c_int,
    status: *mut c_int,
    options: c_int,
    usage: *mut libc::rusage,
) -> c_int {
    int(
        super::thread::cancel::cancellable(|| wait_for(pid, options)).map(|(child, word, used)| {
            if !status.is_null() && child != 0 {
                status.write(word);
            }
            if !usage.is_null() && child != 0 {
                usage.write_bytes(0, 1);
                (*usage).ru_utime = super::time::timeval(used);
            }
            child
        }),
    )
}

/// `waitid`: fills in what is told of the child; nothing when there is nothing yet.
unsafe fn wait_id(
    kind: c_int,
    id: c_uint,
    info: *mut libc::siginfo_t,
    options: c_int,
) -> Result<()> {
    const EXITED: c_int = 4;
    const KNOWN: c_int = libc::WNOHANG | libc::WUNTRACED | EXITED | libc::WCONTINUED | KEEP_IT;
    const KEEP_IT: c_int = cap_abi::process::WAIT_KEEP as c_int;
    let states = EXITED | libc::WUNTRACED | libc::WCONTINUED;
    if options & !KNOWN != 0 || options & states == 0 {
        return fail(EINVAL);
    }
    let pid = match (kind, c_int::try_from(id)) {
        (0, _) => -1,
        (1, Ok(pid)) if pid > 0 => pid,
        (2, Ok(0)) => 0,
        (2, Ok(group)) if group > 1 => -group,
        _ => return fail(EINVAL),
    };
    let mut flags = options & !EXITED;
    if options & EXITED == 0 {
        flags |= cap_abi::process::WAIT_NOT_ENDED as c_int;
    }
    let (child, word, _) = wait_for(pid, flags)?;
    if info.is_null() {
        return Ok(());
    }
    info.write_bytes(0, 1);
    if child != 0 {
        let info = &mut *info;
        info.si_signo = libc::SIGCHLD;
        info.si_pid = child as c_int;
        // CLD_EXITED, CLD_KILLED, CLD_DUMPED, CLD_STOPPED, CLD_CONTINUED.
        (info.si_code, info.si_status) = if word == 0xffff {
            (6, libc::SIGCONT)
        } else if word & 0xff == 0x7f {
            (5, word >> 8 & 0xff)
        } else if word & 0x7f == 0 {
            (1, word >> 8 & 0xff)
        } else {
            (if word & 0x80 != 0 { 3 } else { 2 }, word & 0x7f)
        };
    }
    Ok(())
}

fn who(pick: fn(&ProcMeta) -> u32) -> c_int {
    process::credentials().map_or(-1, |meta| pick(&meta) as c_int)
}

/// Changes identities: real, effective, saved user, the same for groups; `KEEP` leaves one as it is.
fn set_ids(ids: [u32; 6]) -> c_int {
    let mut payload = [0u8; 24];
    for (place, id) in payload.chunks_exact_mut(4).zip(ids) {
        place.copy_from_slice(&id.to_ne_bytes());
    }
    unit(
        process::call(ProcCall::SetResugid, &mut payload, &[]).map(|_| {
            // One that may not be searched any more stays what it was.
            let _ = namespace::reopen_directory();
        }),
    )
}

const KEEP: u32 = u32::MAX;

/// `setuid`: all three for the superuser, the effective one otherwise.
fn set_one(id: c_int, group: bool) -> c_int {
    let id = id as u32;
    let all = process::credentials().is_ok_and(|meta| meta.euid == 0);
    let others = if all { id } else { KEEP };
    set_ids(if group {
        [KEEP, KEEP, KEEP, others, id, others]
    } else {
        [others, id, others, KEEP, KEEP, KEEP]
    })
}

/// `setreuid`: with a new real identity, or an effective one that is not the former real one, the saved one becomes
/// the effective one as well, so that there is no way back to privileges that are given up.
fn set_two(real: c_int, effective: c_int, group: bool) -> c_int {
    let (real, effective) = (real as u32, effective as u32);
    let old = match process::credentials() {
        Ok(meta) if group => [meta.rgid, meta.egid],
        Ok(meta) => [meta.ruid, meta.euid],
        Err(e) => return unit(Err(e)),
    };
    let saved = match effective {
        KEEP if real == KEEP => KEEP,
        KEEP => old[1],
        _ if real == KEEP && effective == old[0] => KEEP,
        _ => effective,
    };
    set_ids(if group {
        [KEEP, KEEP, KEEP, real, effective, saved]
    } else {
        [real, effective, saved, KEEP, KEEP, KEEP]
    })
}

fn ask(verb: ProcCall, args: &[u64]) -> c_int {
    int(process::call(verb, &mut [], args))
}

c_variadic_api! {
    fn execl(path: *const c_char, first: *const c_char; list) -> c_int {
        exec_c(path, listed(first, list).as_ptr(), environment::current().cast_const().cast(), false)
    }
    fn execlp(file: *const c_char, first: *const c_char; list) -> c_int {
        exec_c(file, listed(first, list).as_ptr(), environment::current().cast_const().cast(), true)
    }
    fn execle(path: *const c_char, first: *const c_char; list) -> c_int {
        let args = listed(first, list);
        exec_c(path, args.as_ptr(), (*list).pointer::<*const c_char>(), false)
    }
}

c_api! {
    fn fork() -> c_int { int(fork_process()) }
    fn vfork() -> c_int { int(fork_process()) }
    fn pthread_atfork(before: Option<Handler>, parent: Option<Handler>, child: Option<Handler>) -> c_int {
        let mut handlers = HANDLERS.lock();
        if handlers.try_reserve(1).is_err() {
            return syscall::ENOMEM;
        }
        handlers.push([before, parent, child]);
        0
    }
    fn execve(path: *const c_char, args: *const *const c_char, env: *const *const c_char) -> c_int { exec_c(path, args, env, false) }
    fn execv(path: *const c_char, args: *const *const c_char) -> c_int { exec_c(path, args, environment::current().cast_const().cast(), false) }
    fn execvp(file: *const c_char, args: *const *const c_char) -> c_int { exec_c(file, args, environment::current().cast_const().cast(), true) }
    fn execvpe(file: *const c_char, args: *const *const c_char, env: *const *const c_char) -> c_int { exec_c(file, args, env, true) }
    fn fexecve(number: c_int, args: *const *const c_char, env: *const *const c_char) -> c_int {
        unit((|| {
            let number = super::fd(number)?;
            let (args, env) = (strings(args)?, strings(env)?);
            let flags = sys::fcntl(number, libc::F_GETFD as usize, 0)?;
            let stays = flags & cap_abi::fcntl::FD_CLOEXEC == 0;
            Err(Program::open(None, number, stays, &args)?.run(&env))
        })())
    }
    fn waitpid(pid: c_int, status: *mut c_int, options: c_int) -> c_int { wait_c(pid, status, options) }
    fn waitid(kind: c_int, id: c_uint, info: *mut libc::siginfo_t, options: c_int) -> c_int {
        unit(super::thread::cancel::cancellable(|| wait_id(kind, id, info, options)))
    }
    fn wait(status: *mut c_int) -> c_int { wait_c(-1, status, 0) }
    fn wait3(status: *mut c_int, options: c_int, usage: *mut libc::rusage) -> c_int { wait4(-1, status, options, usage) }
    fn wait4(pid: c_int, status: *mut c_int, options: c_int, usage: *mut libc::rusage) -> c_int {
        wait_and_account(pid, status, options, usage)
    }
    fn getpid() -> c_int { process::pid().map_or(-1, |pid| pid as c_int) }
    fn getppid() -> c_int {
        // Without a process manager nobody knows.
        process::call(ProcCall::Getppid, &mut [], &[]).map_or(0, |pid| pid as c_int)
    }
    fn getuid() -> c_int { who(|m| m.ruid) }
    fn geteuid() -> c_int { who(|m| m.euid) }
    fn getgid() -> c_int { who(|m| m.rgid) }
    fn getegid() -> c_int { who(|m| m.egid) }
    fn getresuid(real: *mut c_int, effective: *mut c_int, saved: *mut c_int) -> c_int {
        unit(process::credentials().map(|m| { real.write(m.ruid as c_int); effective.write(m.euid as c_int); saved.write(m.suid as c_int); }))
    }
    fn getresgid(real: *mut c_int, effective: *mut c_int, saved: *mut c_int) -> c_int {
        unit(process::credentials().map(|m| { real.write(m.rgid as c_int); effective.write(m.egid as c_int); saved.write(m.sgid as c_int); }))
    }
    fn setuid(user: c_int) -> c_int { set_one(user, false) }
    fn setgid(group: c_int) -> c_int { set_one(group, true) }
    fn seteuid(user: c_int) -> c_int { set_ids([KEEP, user as u32, KEEP, KEEP, KEEP, KEEP]) }
    fn setegid(group: c_int) -> c_int { set_ids([KEEP, KEEP, KEEP, KEEP, group as u32, KEEP]) }
    fn setreuid(real: c_int, effective: c_int) -> c_int { set_two(real, effective, false) }
    fn setregid(real: c_int, effective: c_int) -> c_int { set_two(real, effective, true) }
    fn setresuid(real: c_int, effective: c_int, saved: c_int) -> c_int { set_ids([real as u32, effective as u32, saved as u32, KEEP, KEEP, KEEP]) }
    fn setresgid(real: c_int, effective: c_int, saved: c_int) -> c_int { set_ids([KEEP, KEEP, KEEP, real as u32, effective as u32, saved as u32]) }
    fn getgroups(count: c_int, list: *mut c_int) -> c_int {
        // A process has no groups but its own.
        int(if count < 0 { fail(EINVAL) } else { let _ = list; Ok(0) })
    }
    fn setgroups(count: usize, list: *const c_int) -> c_int {
        let own = who(|m| m.egid);
        let same = count == 0 || (count == 1 && *list == own);
        unit(if same { Ok(()) } else { fail(syscall::EPERM) })
    }
    fn getpgid(pid: c_int) -> c_int { ask(ProcCall::Setpgid, &[pid as u64, u64::MAX]) }
    fn getpgrp() -> c_int { getpgid(0) }
    fn setpgid(pid: c_int, group: c_int) -> c_int {
        if group < 0 { unit(fail(EINVAL)) } else { ask(ProcCall::Setpgid, &[pid as u64, group as u64]) }
    }
    fn setpgrp() -> c_int { setpgid(0, 0) }
    fn getsid(pid: c_int) -> c_int { ask(ProcCall::Getsid, &[pid as u64]) }
    fn setsid() -> c_int { ask(ProcCall::Setsid, &[]) }
    fn getpriority(which: c_int, who: c_uint) -> c_int {
        if which != libc::PRIO_PROCESS {
            return unit(fail(EINVAL));
        }
        match process::call(ProcCall::GetProcPriority, &mut [], &[u64::from(who)]) {
            Ok(priority) => priority as c_int - 20,
            Err(e) => { super::report(e); -1 }
        }
    }
    fn setpriority(which: c_int, who: c_uint, value: c_int) -> c_int {
        if which != libc::PRIO_PROCESS {
            return unit(fail(EINVAL));
        }
        unit(process::call(ProcCall::SetProcPriority, &mut [], &[u64::from(who), (value.clamp(-20, 19) + 20) as u64]).map(drop))
    }
    fn nice(increment: c_int) -> c_int {
        let now = getpriority(libc::PRIO_PROCESS, 0);
        let new = now.saturating_add(increment).clamp(-20, 19);
        if setpriority(libc::PRIO_PROCESS, 0, new) == -1 { -1 } else { new }
    }
}
