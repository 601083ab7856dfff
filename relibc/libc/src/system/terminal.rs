//! `<termios.h>`, `<pty.h>` and the requests of `ioctl`. What there is to a terminal is asked of
//! descriptors derived from it (`redox_rt::terminal`).

use alloc::vec::Vec;
use core::ffi::{c_char, c_int, c_ulong, c_void};

use redox_rt::signal::again;
use redox_rt::terminal::{FOREGROUND, SESSION, SETTINGS, SIZE};
use redox_rt::{Error, Fd, Result, sys, terminal};
use syscall::{EINVAL, ENOTTY};

use super::restartable;
use super::{code, cwd, fail, fd, file, give_text, int, pointer, process, report, unit};

type Termios = libc::termios;

/// Where pseudo-terminals come from.
const MULTIPLEXER: &[u8] = b"/scheme/pty";
/// Requests that the `libc` crate has no names for; the numbers are those of the header.
const TCSETSW: c_ulong = 0x5403;
const TCSETSF: c_ulong = 0x5404;
const TCSBRK: c_ulong = 0x5409;
const TCXONC: c_ulong = 0x540A;
const TIOCOUTQ: c_ulong = 0x5411;
const TIOCNOTTY: c_ulong = 0x5422;
const TIOCGSID: c_ulong = 0x5429;
const TIOCGPTN: c_ulong = 0x8004_5430;
const TIOCSPTLCK: c_ulong = 0x4004_5431;

/// `struct winsize`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct WindowSize {
    rows: u16,
    columns: u16,
    width: u16,
    height: u16,
}

fn derived(number: c_int, what: &[u8]) -> Result<Fd> {
    terminal::derived(fd(number)?, what)
}

/// # Safety
/// Any bytes must be a valid `T`, and every byte of one initialised.
unsafe fn get<T>(number: c_int, what: &[u8]) -> Result<T> {
    let mut value: T = core::mem::zeroed();
    let bytes = core::slice::from_raw_parts_mut((&raw mut value).cast::<u8>(), size_of::<T>());
    let place = derived(number, what)?;
    again(|| place.read_exact(bytes))?;
    Ok(value)
}

/// Asks anew what a stop in the background has interrupted.
///
/// # Safety
/// As [`get`].
unsafe fn set<T>(number: c_int, what: &[u8], value: &T) -> Result<()> {
    let bytes =
        core::slice::from_raw_parts(core::ptr::from_ref(value).cast::<u8>(), size_of::<T>());
    let target = derived(number, what)?;
    restartable(|| target.write_exact(bytes))
}

unsafe fn give<T>(number: c_int, what: &[u8], to: *mut c_void) -> Result<()> {
    get::<T>(number, what).map(|value| to.cast::<T>().write(value))
}

unsafe fn set_settings(number: c_int, when: c_int, new: *const Termios) -> Result<()> {
    if !matches!(when, libc::TCSANOW | libc::TCSADRAIN | libc::TCSAFLUSH) {
        return fail(EINVAL);
    }
    if when != libc::TCSANOW {
        drain(number)?;
    }
    if when == libc::TCSAFLUSH {
        set(number, b"flush", &libc::TCIFLUSH)?;
    }
    set(number, SETTINGS, &*new)
}

/// `ioctl`.
pub(crate) unsafe fn control(
    number: c_int,
    request: c_ulong,
    argument: *mut c_void,
) -> Result<usize> {
    let word = argument.addr() as c_int;
    match request {
        libc::TCGETS => give::<Termios>(number, SETTINGS, argument)?,
        libc::TCSETS => set_settings(number, libc::TCSANOW, argument.cast())?,
        TCSETSW => set_settings(number, libc::TCSADRAIN, argument.cast())?,
        TCSETSF => set_settings(number, libc::TCSAFLUSH, argument.cast())?,
        libc::TCFLSH => flush(number, word)?,
        TCXONC => flow(number, word)?,
        TCSBRK => send_break(number)?,
        libc::TIOCGPGRP => give::<c_int>(number, FOREGROUND, argument)?,
        libc::TIOCSPGRP => set(number, FOREGROUND, &*argument.cast::<c_int>())?,
        TIOCGSID => give::<c_int>(number, SESSION, argument)?,
        libc::TIOCGWINSZ => give::<WindowSize>(number, SIZE, argument)?,
        libc::TIOCSWINSZ => set(number, SIZE, &*argument.cast::<WindowSize>())?,
        libc::FIONREAD => give::<c_int>(number, b"nread", argument)?,
        TIOCOUTQ => give::<c_int>(number, b"outq", argument)?,
        libc::TIOCSCTTY => terminal::acquire(fd(number)?)?,
        TIOCNOTTY => {
            derived(number, SETTINGS)?;
            terminal::release()?;
        }
        TIOCGPTN => argument.cast::<c_int>().write(pty_number(number)?),
        // A pseudo-terminal is its owner's from the beginning.
        TIOCSPTLCK => pty_number(number).map(drop)?,
        libc::FIOCLEX => file::control_cloexec(number, true)?,
        libc::FIONBIO => {
            let target = fd(number)?;
            let now = sys::fcntl(target, libc::F_GETFL as usize, 0)?;
            let bit = libc::O_NONBLOCK as usize;
            let new = if *argument.cast::<c_int>() != 0 {
                now | bit
            } else {
                now & !bit
            };
            sys::fcntl(target, libc::F_SETFL as usize, new)?;
        }
        _ => {
            sys::rights(fd(number)?)?;
            return fail(ENOTTY);
        }
    }
    Ok(0)
}

fn drain(number: c_int) -> Result<()> {
    derived(number, SETTINGS)?;
    let number = fd(number)?;
    restartable(|| sys::fsync(number))
}

fn flush(number: c_int, queues: c_int) -> Result<()> {
    // SAFETY: a number is bytes, and all bytes are one.
    unsafe { set(number, b"flush", &queues) }
}

fn flow(number: c_int, action: c_int) -> Result<()> {
    // SAFETY: a number is bytes, and all bytes are one.
    unsafe { set(number, b"flow", &action) }
}

/// There is no line that a break could be sent on; output goes out before.
fn send_break(number: c_int) -> Result<()> {
    drain(number)
}

fn name_of(number: c_int) -> Result<Vec<u8>> {
    derived(number, SETTINGS)?;
    cwd::path_of(fd(number)?)
}

unsafe fn name(number: c_int, buffer: *mut c_char, len: usize) -> Result<()> {
    give_text(&name_of(number)?, buffer, len)
}

/// The number of the pseudo-terminal that a descriptor is a side of.
fn pty_number(number: c_int) -> Result<c_int> {
    let path = name_of(number)?;
    let text = path.strip_prefix(rt_core::path::TERMINALS.1);
    let text = text.and_then(|text| core::str::from_utf8(text).ok());
    text.and_then(|text| text.parse().ok())
        .ok_or(Error::new(ENOTTY))
}

/// Opens a pseudo-terminal: master and slave.
unsafe fn open_pair(
    name: *mut c_char,
    settings: *const Termios,
    size: *const WindowSize,
) -> Result<[c_int; 2]> {
    let master = file::open_at(libc::AT_FDCWD, MULTIPLEXER, libc::O_RDWR, 0)?;
    let master = Fd::from_raw(master);
    let slave = Fd::from_raw(sys::dup(master.raw(), b"slave", sys::FD_ANY)?);
    let number = slave.raw() as c_int;
    if !name.is_null() {
        give_text(&name_of(number)?, name, usize::MAX)?;
    }
    if !settings.is_null() {
        set(number, SETTINGS, &*settings)?;
    }
    if !size.is_null() {
        set(number, SIZE, &*size)?;
    }
    Ok([master.into_raw() as c_int, slave.into_raw() as c_int])
}

/// Makes a terminal the controlling one of a new session, and standard input, output and error.
///
/// # Safety
/// As `dup2` and `close`.
unsafe fn log_in(number: c_int) -> Result<()> {
    process::setsid();
    terminal::acquire(fd(number)?)?;
    for to in 0..=2 {
        if file::dup2(number, to) == -1 {
            return fail(crate::sys::errno());
        }
    }
    if number > 2 {
        file::close(number);
    }
    Ok(())
}

const CS8: u32 = 0o1400;
const CSIZE: u32 = 0o1400;
const PARENB: u32 = 0o10000;
const INPUT_RAW: u32 = 0o1 | 0o2 | 0o10 | 0o40 | 0o100 | 0o200 | 0o400 | 0o1000;
const LOCAL_RAW: u32 = 0x80 | 0x100 | 0x8 | 0x10 | 0x400;
const OPOST: u32 = 1;
const VMIN: usize = 16;
const VTIME: usize = 17;

/// Longest line that `getpass` reads.
const PASSWORD: usize = 256;

/// Reads a line from the terminal, or from standard input without one, without showing it.
unsafe fn password(prompt: *const c_char, out: &mut [u8; PASSWORD]) -> Result<usize> {
    let terminal = file::open_at(
        libc::AT_FDCWD,
        b"/dev/tty",
        libc::O_RDWR | libc::O_CLOEXEC,
        0,
    )
    .map(redox_rt::Fd::from_raw)
    .ok();
    let (input, output) = terminal
        .as_ref()
        .map_or((libc::STDIN_FILENO, libc::STDERR_FILENO), |t| {
            (t.raw() as c_int, t.raw() as c_int)
        });
    let shown: Option<Termios> = get(input, SETTINGS).ok();
    if let Some(mut hidden) = shown {
        hidden.c_lflag = hidden.c_lflag & !(libc::ECHO | libc::ISIG) | libc::ICANON;
        set_settings(input, libc::TCSAFLUSH, &hidden)?;
    }
    let text = super::text(prompt)?;
    let _ = restartable(|| sys::write(output as usize, text));
    let mut len = 0;
    let result = loop {
        let mut byte = [0u8];
        match restartable(|| sys::read(input as usize, &mut byte)) {
            Ok(0) => break Ok(len),
            Ok(_) if byte[0] == b'\n' => break Ok(len),
            // What is too long is not told.
            Ok(_) if len < PASSWORD - 1 => {
                out[len] = byte[0];
                len += 1;
            }
            Ok(_) => {}
            Err(e) => break Err(e),
        }
    };
    if let Some(shown) = shown {
        set_settings(input, libc::TCSAFLUSH, &shown)?;
        let _ = restartable(|| sys::write(output as usize, b"\n"));
    }
    result
}

c_api! {
    fn getpass(prompt: *const c_char) -> *mut c_char {
        static PLACE: redox_rt::futex::Mutex<[u8; PASSWORD]> = redox_rt::futex::Mutex::new([0; PASSWORD]);
        let mut place = PLACE.lock();
        place.fill(0);
        let start = place.as_mut_ptr().cast();
        super::pointer(password(prompt, &mut place).map(|_| start))
    }
    fn isatty(number: c_int) -> c_int {
        match derived(number, SETTINGS) {
            Ok(_) => 1,
            Err(e) => { report(e); 0 }
        }
    }
    fn tcgetattr(number: c_int, out: *mut Termios) -> c_int { unit(get::<Termios>(number, SETTINGS).map(|t| out.write(t))) }
    fn tcsetattr(number: c_int, when: c_int, new: *const Termios) -> c_int { unit(set_settings(number, when, new)) }
    fn tcdrain(number: c_int) -> c_int { unit(drain(number)) }
    fn tcflush(number: c_int, queue: c_int) -> c_int { unit(flush(number, queue)) }
    fn tcflow(number: c_int, action: c_int) -> c_int { unit(flow(number, action)) }
    fn tcsendbreak(number: c_int, _duration: c_int) -> c_int { unit(send_break(number)) }
    fn tcgetpgrp(number: c_int) -> c_int { int(get::<c_int>(number, FOREGROUND).map(|g| g as usize)) }
    fn tcsetpgrp(number: c_int, group: c_int) -> c_int {
        unit(if group < 0 { fail(EINVAL) } else { set(number, FOREGROUND, &group) })
    }
    fn tcgetsid(number: c_int) -> c_int { int(get::<c_int>(number, SESSION).map(|s| s as usize)) }
    fn tcgetwinsize(number: c_int, out: *mut WindowSize) -> c_int { unit(get::<WindowSize>(number, SIZE).map(|w| out.write(w))) }
    fn tcsetwinsize(number: c_int, size: *const WindowSize) -> c_int { unit(set(number, SIZE, &*size)) }
    fn ttyname_r(number: c_int, buffer: *mut c_char, len: usize) -> c_int { code(name(number, buffer, len)) }
    fn ttyname(number: c_int) -> *mut c_char {
        static NAME: redox_rt::futex::Mutex<[u8; 256]> = redox_rt::futex::Mutex::new([0; 256]);
        let place = NAME.lock().as_mut_ptr().cast::<c_char>();
        pointer(name(number, place, 256).map(|()| place))
    }
    fn ctermid(buffer: *mut c_char) -> *mut c_char {
        static PATH: &core::ffi::CStr = c"/dev/tty";
        if buffer.is_null() {
            return PATH.as_ptr().cast_mut();
        }
        core::ptr::copy_nonoverlapping(PATH.as_ptr(), buffer, PATH.count_bytes() + 1);
        buffer
    }
    fn posix_openpt(flags: c_int) -> c_int {
        const GOOD: c_int = libc::O_ACCMODE | libc::O_NOCTTY | libc::O_CLOEXEC | libc::O_NONBLOCK;
        int(if flags & !GOOD == 0 { file::open_at(libc::AT_FDCWD, MULTIPLEXER, flags, 0) } else { fail(EINVAL) })
    }
    fn grantpt(number: c_int) -> c_int { unit(pty_number(number).map(drop)) }
    fn unlockpt(number: c_int) -> c_int { unit(pty_number(number).map(drop)) }
    fn ptsname_r(number: c_int, buffer: *mut c_char, len: usize) -> c_int {
        code(pty_number(number).and_then(|_| name(number, buffer, len)))
    }
    fn ptsname(number: c_int) -> *mut c_char {
        static NAME: redox_rt::futex::Mutex<[u8; 256]> = redox_rt::futex::Mutex::new([0; 256]);
        let place = NAME.lock().as_mut_ptr().cast::<c_char>();
        pointer(pty_number(number).and_then(|_| name(number, place, 256)).map(|()| place))
    }
    fn openpty(master: *mut c_int, slave: *mut c_int, name: *mut c_char, settings: *const Termios, size: *const WindowSize) -> c_int {
        unit(open_pair(name, settings, size).map(|[a, b]| {
            master.write(a);
            slave.write(b);
        }))
    }
    fn login_tty(number: c_int) -> c_int { unit(log_in(number)) }
    fn forkpty(master: *mut c_int, name: *mut c_char, settings: *const Termios, size: *const WindowSize) -> c_int {
        let [ours, theirs] = match open_pair(name, settings, size) {
            Ok(pair) => pair,
            Err(e) => { report(e); return -1; }
        };
        match process::fork_process() {
            Ok(0) => {
                file::close(ours);
                if log_in(theirs).is_err() {
                    redox_rt::exit(1);
                }
                0
            }
            Ok(child) => {
                file::close(theirs);
                master.write(ours);
                child as c_int
            }
            Err(e) => {
                file::close(ours);
                file::close(theirs);
                report(e);
                -1
            }
        }
    }
    fn cfgetispeed(settings: *const Termios) -> u32 { (*settings).c_ispeed }
    fn cfgetospeed(settings: *const Termios) -> u32 { (*settings).c_ospeed }
    fn cfsetispeed(settings: *mut Termios, speed: u32) -> c_int { unit(if speed <= 0o36 { (*settings).c_ispeed = speed; Ok(()) } else { fail(EINVAL) }) }
    fn cfsetospeed(settings: *mut Termios, speed: u32) -> c_int { unit(if speed <= 0o36 { (*settings).c_ospeed = speed; Ok(()) } else { fail(EINVAL) }) }
    fn cfsetspeed(settings: *mut Termios, speed: u32) -> c_int { if cfsetispeed(settings, speed) == 0 { cfsetospeed(settings, speed) } else { -1 } }
    fn cfmakeraw(settings: *mut Termios) {
        let s = &mut *settings;
        s.c_iflag &= !INPUT_RAW;
        s.c_oflag &= !OPOST;
        s.c_lflag &= !LOCAL_RAW;
        s.c_cflag = s.c_cflag & !(CSIZE | PARENB) | CS8;
        s.c_cc[VMIN] = 1;
        s.c_cc[VTIME] = 0;
    }
}
