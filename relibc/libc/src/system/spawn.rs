//! `<spawn.h>`: a new process, made from outside.
//!
//! Nothing runs in the child before its program does. The file actions are carried out on a list of what
//! the child will have, and with directories and files opened here; attributes become requests that are
//! made through the child's own process descriptor, or entries of its auxiliary vector. The child begins
//! with an empty descriptor table, and gets what is on the list.

use alloc::boxed::Box;
use alloc::ffi::CString;
use alloc::vec::Vec;
use core::ffi::{CStr, c_char, c_int, c_short, c_uint};

use cap_abi::Rights;
use cap_abi::auxv::{AT_REDOX_SIGIGN, AT_REDOX_SIGPROCMASK, AT_REDOX_UMASK};
use libredox::protocol::ProcCall;
use redox_rt::context::FileTable;
use redox_rt::spawn::{Command, Grant, Role};
use redox_rt::tcb::Tcb;
use redox_rt::{Error, Fd, Result, namespace, process as rt, signal, sys};
use rt_core::path::{Own, own};
use syscall::flag::{O_DIRECTORY, O_STAT, UPPER_FDTBL_TAG};
use syscall::{EBADF, EINVAL, ENOMEM, ESRCH};

use super::path::at_directory;
use super::process::{Program, strings};
use super::{code, cwd, fail, fd, file, text};

/// What is done to the child's descriptors before its program runs.
enum Action {
    Close(usize),
    Dup2(usize, usize),
    Grant(usize, usize, Rights),
    Open(usize, CString, c_int, c_int),
    Chdir(CString),
    Fchdir(usize),
}

/// `posix_spawn_file_actions_t`.
#[repr(C)]
pub struct Actions {
    list: *mut Vec<Action>,
    reserved: usize,
}

/// `posix_spawnattr_t`.
#[repr(C)]
pub struct SpawnAttributes {
    defaults: u64,
    mask: u64,
    group: c_int,
    flags: c_short,
    policy: c_short,
    priority: c_int,
    namespace: c_int,
    directory: c_int,
    rest: [u32; 7],
}

const _: () = assert!(size_of::<SpawnAttributes>() == 64);
const RESETIDS: c_short = 1;
const SETPGROUP: c_short = 2;
const SETSIGDEF: c_short = 4;
const SETSIGMASK: c_short = 8;
const SETSCHEDPARAM: c_short = 16;
const SETSCHEDULER: c_short = 32;
const SETSID: c_short = 128;
const SCHED_OTHER: c_short = 0;
/// Ours.
const SETNAMESPACE: c_short = 0x100;
const SETDIRECTORY: c_short = 0x200;
const CLOEXEC_DEFAULT: c_short = 0x400;
const KNOWN: c_short = RESETIDS
    | SETPGROUP
    | SETSIGDEF
    | SETSIGMASK
    | SETSCHEDPARAM
    | SETSCHEDULER
    | SETSID
    | SETNAMESPACE
    | SETDIRECTORY
    | CLOEXEC_DEFAULT;

impl SpawnAttributes {
    const NONE: Self = Self {
        defaults: 0,
        mask: 0,
        group: 0,
        flags: 0,
        policy: 0,
        priority: 0,
        namespace: -1,
        directory: -1,
        rest: [0; 7],
    };

    /// Signals that have their default, and what is blocked.
    pub(crate) const fn signals(defaults: u64, mask: u64) -> Self {
        Self {
            defaults,
            mask,
            flags: SETSIGDEF | SETSIGMASK,
            ..Self::NONE
        }
    }

    const fn has(&self, flag: c_short) -> bool {
        self.flags & flag != 0
    }

    /// Asks, as the child, for what the process manager keeps.
    fn apply(&self, child: &Fd) -> Result<()> {
        let ask = |verb, payload: &mut [u8], args: &[u64]| {
            rt::call_on(child.raw(), verb, payload, args).map(drop)
        };
        let other_policy = self.has(SETSCHEDULER) && self.policy != SCHED_OTHER;
        let scheduled = self.has(SETSCHEDULER) || self.has(SETSCHEDPARAM);
        if other_policy || scheduled && self.priority != 0 {
            // There is one policy, which has no priorities.
            return fail(EINVAL);
        }
        if self.has(SETSID) {
            ask(ProcCall::Setsid, &mut [], &[])?;
        }
        if self.has(SETPGROUP) {
            let group = u64::try_from(self.group).map_err(|_| Error::new(EINVAL))?;
            ask(ProcCall::Setpgid, &mut [], &[0, group])?;
        }
        if self.has(RESETIDS) {
            let own = rt::credentials()?;
            let ids = [u32::MAX, own.ruid, u32::MAX, u32::MAX, own.rgid, u32::MAX];
            let mut payload = [0u8; 24];
            for (place, id) in payload.chunks_exact_mut(4).zip(ids) {
                place.copy_from_slice(&id.to_ne_bytes());
            }
            ask(ProcCall::SetResugid, &mut payload, &[])?;
        }
        Ok(())
    }

    /// Entries of the auxiliary vector: signals and the file mode mask.
    fn auxv(&self) -> [(usize, usize); 3] {
        let (mut ignored, mut blocked) = signal::inherited();
        if self.has(SETSIGDEF) {
            ignored &= !self.defaults;
        }
        if self.has(SETSIGMASK) {
            blocked = self.mask;
        }
        [
            (AT_REDOX_SIGIGN, ignored as usize),
            (AT_REDOX_SIGPROCMASK, blocked as usize),
            (AT_REDOX_UMASK, usize::from(rt::umask())),
        ]
    }
}

/// A descriptor that the child will have, unless it is marked.
struct Entry {
    grant: Grant,
    cloexec: bool,
    /// As this process has it then; no action has named it.
    inherited: bool,
}

/// The numbers that POSIX knows of. They are read at once: other threads open and close meanwhile.
fn open_numbers(table: &FileTable) -> Result<Vec<usize>> {
    let mut numbers = Vec::new();
    for len in (0..).map(|doubled| 64usize << doubled) {
        numbers.try_reserve(len).map_err(|_| Error::new(ENOMEM))?;
        numbers.resize(len, 0);
        let count = table.numbers(&mut numbers, 0)?;
        let private = numbers.iter().position(|n| n & UPPER_FDTBL_TAG != 0);
        if count < len || private.is_some() {
            numbers.truncate(private.unwrap_or(count).min(count));
            break;
        }
    }
    Ok(numbers)
}

/// What the child will have, as the file actions change it.
struct World {
    entries: Vec<Entry>,
    /// Opened for the child.
    opened: Vec<Fd>,
    /// Its current directory, if that is not this process's.
    directory: Option<Fd>,
    changed_directory: bool,
}

impl World {
    /// What this process has. With `nothing`, everything counts as marked.
    fn new(nothing: bool) -> Result<Self> {
        let mut world = Self {
            entries: Vec::new(),
            opened: Vec::new(),
            directory: None,
            changed_directory: false,
        };
        let own = Tcb::current()
            .and_then(Tcb::thread_fd)
            .ok_or(Error::new(ESRCH))?;
        let table = own.file_table()?;
        for number in open_numbers(&table)? {
            // SAFETY: the command takes no argument.
            let flags = unsafe { sys::fcntl(number, libc::F_GETFD as usize, 0) };
            // Another thread may have closed it since.
            if let Ok(flags) = flags {
                let cloexec = nothing || flags & cap_abi::fcntl::FD_CLOEXEC != 0;
                world.put(number, number, Rights::FULL, cloexec)?;
            }
        }
        for entry in &mut world.entries {
            entry.inherited = true;
        }
        Ok(world)
    }

    fn put(&mut self, from: usize, to: usize, rights: Rights, cloexec: bool) -> Result<()> {
        let grant = Grant { from, to, rights };
        let entry = Entry {
            grant,
            cloexec,
            inherited: false,
        };
        if let Some(old) = self.entries.iter_mut().find(|e| e.grant.to == to) {
            *old = entry;
            return Ok(());
        }
        self.entries
            .try_reserve(1)
            .map_err(|_| Error::new(ENOMEM))?;
        self.entries.push(entry);
        Ok(())
    }

    /// Whether the child has at this number what this process has there.
    fn keeps(&self, number: usize) -> bool {
        let same = |e: &Entry| e.grant.to == number && e.grant.from == number && !e.cloexec;
        self.entries.iter().any(same)
    }

    fn get(&self, number: usize) -> Result<Grant> {
        let entry = self.entries.iter().find(|e| e.grant.to == number);
        entry.map(|e| e.grant).ok_or(Error::new(EBADF))
    }

    fn carry_out(&mut self, action: &Action) -> Result<()> {
        match action {
            // That it is closed already is no error.
            Action::Close(number) => self.entries.retain(|e| e.grant.to != *number),
            Action::Dup2(from, to) => {
                let Grant { from, rights, .. } = self.get(*from)?;
                self.put(from, *to, rights, false)?;
            }
            Action::Grant(from, to, keep) => {
                // Of this process, whatever other actions have done to the number.
                sys::rights(*from)?;
                self.put(*from, *to, *keep, false)?;
            }
            Action::Open(to, path, flags, mode) => {
                let raw = file::kernel_flags(*flags, *mode)?;
                let cloexec = *flags & libc::O_CLOEXEC != 0;
                let path = path.to_bytes();
                // Where nothing may be named outside a directory, neither may this.
                let own = own(path).filter(|_| !namespace::is_confined());
                if let Some(Own::Descriptor(number)) = own {
                    // The child's, as the actions before have left it.
                    let Grant { from, rights, .. } = self.get(number)?;
                    return self.put(from, *to, rights, cloexec);
                }
                let new = match own {
                    Some(_) => namespace::open(path, raw, sys::FD_ANY_UPPER)?,
                    None => self.open(path, raw)?,
                };
                let new = Fd::from_raw(new);
                self.opened.try_reserve(1).map_err(|_| Error::new(ENOMEM))?;
                self.put(new.raw(), *to, Rights::FULL, cloexec)?;
                self.opened.push(new);
            }
            Action::Chdir(path) => {
                let new = self.open(path.to_bytes(), O_DIRECTORY | O_STAT)?;
                self.enter(Fd::from_raw(new))?;
            }
            Action::Fchdir(number) => {
                let from = self.get(*number)?.from;
                self.enter(Fd::from_raw(sys::dup(from, b"", sys::FD_ANY_UPPER)?))?;
            }
        }
        Ok(())
    }

    fn open(&self, path: &[u8], flags: usize) -> Result<usize> {
        at_directory(self.directory.as_ref(), path, |base, rest| {
            sys::openat(base, rest, flags, sys::FD_ANY_UPPER)
        })
    }

    fn enter(&mut self, directory: Fd) -> Result<()> {
        if directory.stat()?.st_mode & syscall::MODE_TYPE != syscall::MODE_DIR {
            return fail(syscall::ENOTDIR);
        }
        // A child of a confined process is confined.
        if namespace::is_confined() {
            directory.limit_beneath()?;
        }
        self.directory = Some(directory);
        self.changed_directory = true;
        Ok(())
    }
}

fn role(from: usize) -> Role {
    let rights = Rights::FULL;
    Role { from, rights }
}

/// A descriptor that an attribute names; -1 means none.
fn named(number: c_int) -> Result<Option<usize>> {
    if number == -1 {
        return Ok(None);
    }
    fd(number).map(Some)
}

/// Where the program of a new process is.
#[derive(Clone, Copy)]
pub(crate) enum Place {
    /// At a path.
    Path(*const c_char),
    /// Where a search of PATH finds it.
    Search(*const c_char),
    /// In an open file.
    Open(c_int),
}

impl Place {
    unsafe fn find(self, world: &World, args: &[&[u8]]) -> Result<Program> {
        let directory = world.directory.as_ref();
        match self {
            Self::Path(path) => Program::at(directory, text(path)?, args),
            Self::Search(file) => Program::find(directory, text(file)?, args),
            Self::Open(number) => {
                let number = fd(number)?;
                Program::open(directory, number, world.keeps(number), args)
            }
        }
    }
}

/// Starts a program in a new process and answers its number.
pub(crate) unsafe fn start(
    place: Place,
    actions: *const Actions,
    attributes: *const SpawnAttributes,
    args: *const *const c_char,
    env: *const *const c_char,
) -> Result<c_int> {
    let (args, env) = (strings(args)?, strings(env)?);
    let attributes = attributes.as_ref().unwrap_or(&SpawnAttributes::NONE);
    let mut world = World::new(attributes.has(CLOEXEC_DEFAULT))?;
    let mut has_directory = true;
    if attributes.has(SETDIRECTORY) {
        match named(attributes.directory)? {
            Some(number) => {
                world.enter(Fd::from_raw(sys::dup(number, b"", sys::FD_ANY_UPPER)?))?;
            }
            None => has_directory = false,
        }
    }
    if let Some(list) = actions.as_ref().and_then(|a| a.list.as_ref()) {
        for action in list {
            world.carry_out(action)?;
        }
    }
    let program = place.find(&world, &args)?;
    world.entries.retain(|entry| !entry.cloexec);
    let (inherited, others): (Vec<_>, Vec<_>) =
        world.entries.iter().partition(|entry| entry.inherited);
    let inherited: Vec<usize> = inherited.iter().map(|entry| entry.grant.to).collect();
    let grants: Vec<Grant> = others.iter().map(|entry| entry.grant).collect();
    let namespace = if attributes.has(SETNAMESPACE) {
        named(attributes.namespace)?
    } else {
        namespace::namespace()
    };
    let directory = match &world.directory {
        Some(directory) => Some(directory.raw()),
        None => namespace::directory().filter(|_| has_directory),
    };
    let shown = match &world.directory {
        Some(directory) if world.changed_directory => {
            cwd::path_of(directory.raw()).unwrap_or_default()
        }
        _ => cwd::text_for_exec(),
    };
    let auxv = attributes.auxv();
    let child = rt::new_child()?;
    attributes.apply(&child)?;
    program.with_command(&env, &shown, |command| {
        let command = Command {
            grants: &grants,
            inherited: &inherited,
            namespace: namespace.map(role),
            directory: directory.map(role),
            auxv: &auxv,
            ..*command
        };
        rt::spawn_as(child, &command).map(|pid| pid as c_int)
    })
}

unsafe fn add(actions: *mut Actions, action: Action) -> c_int {
    let list = &mut *(*actions).list;
    if list.try_reserve(1).is_err() {
        return ENOMEM;
    }
    list.push(action);
    0
}

unsafe fn copied(path: *const c_char) -> CString {
    CStr::from_ptr(path).into()
}

/// Adds an action on a descriptor's number.
unsafe fn add_on(
    actions: *mut Actions,
    number: c_int,
    action: impl FnOnce(usize) -> Action,
) -> c_int {
    fd(number).map_or_else(|e| e.errno, |n| add(actions, action(n)))
}

c_api! {
    fn posix_spawn(pid: *mut c_int, path: *const c_char, actions: *const Actions, attributes: *const SpawnAttributes, args: *const *const c_char, env: *const *const c_char) -> c_int {
        code(start(Place::Path(path), actions, attributes, args, env).map(|child| if !pid.is_null() { pid.write(child) }))
    }
    fn posix_spawnp(pid: *mut c_int, file: *const c_char, actions: *const Actions, attributes: *const SpawnAttributes, args: *const *const c_char, env: *const *const c_char) -> c_int {
        code(start(Place::Search(file), actions, attributes, args, env).map(|child| if !pid.is_null() { pid.write(child) }))
    }
    fn fspawn_np(pid: *mut c_int, number: c_int, actions: *const Actions, attributes: *const SpawnAttributes, args: *const *const c_char, env: *const *const c_char) -> c_int {
        code(start(Place::Open(number), actions, attributes, args, env).map(|child| if !pid.is_null() { pid.write(child) }))
    }
    fn posix_spawn_file_actions_init(actions: *mut Actions) -> c_int {
        actions.write(Actions { list: Box::into_raw(Box::default()), reserved: 0 });
        0
    }
    fn posix_spawn_file_actions_destroy(actions: *mut Actions) -> c_int {
        drop(Box::from_raw((*actions).list));
        (*actions).list = core::ptr::null_mut();
        0
    }
    fn posix_spawn_file_actions_addclose(actions: *mut Actions, number: c_int) -> c_int { add_on(actions, number, Action::Close) }
    fn posix_spawn_file_actions_adddup2(actions: *mut Actions, from: c_int, to: c_int) -> c_int {
        fd(from).map_or_else(|e| e.errno, |from| add_on(actions, to, |to| Action::Dup2(from, to)))
    }
    fn posix_spawn_file_actions_addgrant_np(actions: *mut Actions, from: c_int, to: c_int, rights: c_uint) -> c_int {
        let Some(rights) = Rights::from_bits(rights) else { return EINVAL };
        fd(from).map_or_else(|e| e.errno, |from| add_on(actions, to, |to| Action::Grant(from, to, rights)))
    }
    fn posix_spawn_file_actions_addopen(actions: *mut Actions, number: c_int, path: *const c_char, flags: c_int, mode: c_int) -> c_int {
        add_on(actions, number, |n| Action::Open(n, copied(path), flags, mode))
    }
    fn posix_spawn_file_actions_addchdir_np(actions: *mut Actions, path: *const c_char) -> c_int { add(actions, Action::Chdir(copied(path))) }
    fn posix_spawn_file_actions_addfchdir_np(actions: *mut Actions, number: c_int) -> c_int { add_on(actions, number, Action::Fchdir) }
    fn posix_spawn_file_actions_addchdir(actions: *mut Actions, path: *const c_char) -> c_int { add(actions, Action::Chdir(copied(path))) }
    fn posix_spawn_file_actions_addfchdir(actions: *mut Actions, number: c_int) -> c_int { add_on(actions, number, Action::Fchdir) }
    fn posix_spawnattr_init(attributes: *mut SpawnAttributes) -> c_int { attributes.write(SpawnAttributes::NONE); 0 }
    fn posix_spawnattr_destroy(_attributes: *mut SpawnAttributes) -> c_int { 0 }
    fn posix_spawnattr_getflags(attributes: *const SpawnAttributes, flags: *mut c_short) -> c_int { flags.write((*attributes).flags); 0 }
    fn posix_spawnattr_setflags(attributes: *mut SpawnAttributes, flags: c_short) -> c_int {
        if flags & !KNOWN != 0 {
            return EINVAL;
        }
        (*attributes).flags = flags;
        0
    }
    fn posix_spawnattr_getpgroup(attributes: *const SpawnAttributes, group: *mut c_int) -> c_int { group.write((*attributes).group); 0 }
    fn posix_spawnattr_setpgroup(attributes: *mut SpawnAttributes, group: c_int) -> c_int { (*attributes).group = group; 0 }
    fn posix_spawnattr_getsigdefault(attributes: *const SpawnAttributes, set: *mut u64) -> c_int { set.write((*attributes).defaults); 0 }
    fn posix_spawnattr_setsigdefault(attributes: *mut SpawnAttributes, set: *const u64) -> c_int { (*attributes).defaults = *set; 0 }
    fn posix_spawnattr_getsigmask(attributes: *const SpawnAttributes, set: *mut u64) -> c_int { set.write((*attributes).mask); 0 }
    fn posix_spawnattr_setsigmask(attributes: *mut SpawnAttributes, set: *const u64) -> c_int { (*attributes).mask = *set; 0 }
    fn posix_spawnattr_getschedpolicy(attributes: *const SpawnAttributes, policy: *mut c_int) -> c_int { policy.write(c_int::from((*attributes).policy)); 0 }
    fn posix_spawnattr_setschedpolicy(attributes: *mut SpawnAttributes, policy: c_int) -> c_int {
        c_short::try_from(policy).map_or(EINVAL, |policy| { (*attributes).policy = policy; 0 })
    }
    // `struct sched_param` is one number.
    fn posix_spawnattr_getschedparam(attributes: *const SpawnAttributes, priority: *mut c_int) -> c_int { priority.write((*attributes).priority); 0 }
    fn posix_spawnattr_setschedparam(attributes: *mut SpawnAttributes, priority: *const c_int) -> c_int { (*attributes).priority = *priority; 0 }
    fn posix_spawnattr_setnamespace_np(attributes: *mut SpawnAttributes, number: c_int) -> c_int { (*attributes).namespace = number; 0 }
    fn posix_spawnattr_setdirectory_np(attributes: *mut SpawnAttributes, number: c_int) -> c_int { (*attributes).directory = number; 0 }
}
