//! Terminals: settings, size and foreground group are asked of the descriptor's scheme through derived
//! descriptors, `dup(fd, "termios")`, `"winsize"` and `"pgrp"`.

use core::ffi::{c_char, c_int, c_ulong, c_void};
use core::ptr::null_mut;

use redox_rt::{Error, Fd, Result, sys};
use syscall::{EINVAL, ENOTTY};

use super::{cwd, fail, fd, give_text, int, unit};

type Termios = libc::termios;

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
    let number = fd(number)?;
    sys::rights(number)?;
    sys::dup(number, what, sys::FD_ANY_UPPER)
        .map(Fd::from_raw)
        .map_err(|_| Error::new(ENOTTY))
}

/// # Safety
/// Any bytes must be a valid `T`, and every byte of one initialised.
unsafe fn get<T>(number: c_int, what: &[u8]) -> Result<T> {
    let mut value: T = core::mem::zeroed();
    let bytes = core::slice::from_raw_parts_mut((&raw mut value).cast::<u8>(), size_of::<T>());
    derived(number, what)?.read_exact(bytes)?;
    Ok(value)
}

/// # Safety
/// As [`get`].
unsafe fn set<T>(number: c_int, what: &[u8], value: &T) -> Result<()> {
    let bytes =
        core::slice::from_raw_parts(core::ptr::from_ref(value).cast::<u8>(), size_of::<T>());
    derived(number, what)?.write_exact(bytes)
}

/// `ioctl`.
pub(crate) unsafe fn control(
    number: c_int,
    request: c_ulong,
    argument: *mut c_void,
) -> Result<usize> {
    match request {
        libc::TCGETS => {
            get::<Termios>(number, b"termios").map(|t| argument.cast::<Termios>().write(t))?
        }
        libc::TCSETS => set(number, b"termios", &*argument.cast::<Termios>())?,
        libc::TCFLSH => set(number, b"flush", &(argument as usize))?,
        libc::TIOCGPGRP => {
            get::<c_int>(number, b"pgrp").map(|g| argument.cast::<c_int>().write(g))?
        }
        libc::TIOCSPGRP => set(number, b"pgrp", &*argument.cast::<c_int>())?,
        libc::TIOCGWINSZ => {
            get::<WindowSize>(number, b"winsize").map(|w| argument.cast::<WindowSize>().write(w))?
        }
        libc::TIOCSWINSZ => set(number, b"winsize", &*argument.cast::<WindowSize>())?,
        libc::TIOCSCTTY => set(number, b"sctty", &0usize)?,
        libc::FIOCLEX => super::file::control_cloexec(number, true)?,
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

unsafe fn name(number: c_int, buffer: *mut c_char, len: usize) -> Result<()> {
    derived(number, b"termios")?;
    give_text(&cwd::path_of(fd(number)?)?, buffer, len)
}

const CS8: u32 = 0o1400;
const CSIZE: u32 = 0o1400;
const PARENB: u32 = 0o10000;
const INPUT_RAW: u32 = 0o1 | 0o2 | 0o10 | 0o40 | 0o100 | 0o200 | 0o400 | 0o1000;
const LOCAL_RAW: u32 = 0x80 | 0x100 | 0x8 | 0x10 | 0x400;
const OPOST: u32 = 1;
const VMIN: usize = 16;
const VTIME: usize = 17;

c_api! {
    fn isatty(number: c_int) -> c_int {
        match derived(number, b"termios") {
            Ok(_) => 1,
            Err(e) => { super::report(e); 0 }
        }
    }
    fn tcgetattr(number: c_int, out: *mut Termios) -> c_int { unit(get::<Termios>(number, b"termios").map(|t| out.write(t))) }
    fn tcsetattr(number: c_int, when: c_int, new: *const Termios) -> c_int {
        unit(match when {
            libc::TCSANOW => set(number, b"termios", &*new),
            libc::TCSADRAIN => sys_drain(number).and_then(|()| set(number, b"termios", &*new)),
            libc::TCSAFLUSH => sys_drain(number)
                .and_then(|()| set(number, b"flush", &(libc::TCIFLUSH as usize)))
                .and_then(|()| set(number, b"termios", &*new)),
            _ => fail(EINVAL),
        })
    }
    fn tcdrain(number: c_int) -> c_int { unit(derived(number, b"termios").and_then(|_| sys_drain(number))) }
    fn tcflush(number: c_int, queue: c_int) -> c_int {
        unit(if (0..=2).contains(&queue) { set(number, b"flush", &(queue as usize)) } else { fail(EINVAL) })
    }
    fn tcgetpgrp(number: c_int) -> c_int { int(get::<c_int>(number, b"pgrp").map(|g| g as usize)) }
    fn tcsetpgrp(number: c_int, group: c_int) -> c_int { unit(set(number, b"pgrp", &group)) }
    fn tcgetsid(number: c_int) -> c_int {
        match derived(number, b"termios") {
            Ok(_) => super::process::getsid(0),
            Err(e) => unit(Err(e)),
        }
    }
    fn tcgetwinsize(number: c_int, out: *mut WindowSize) -> c_int { unit(get::<WindowSize>(number, b"winsize").map(|w| out.write(w))) }
    fn tcsetwinsize(number: c_int, size: *const WindowSize) -> c_int { unit(set(number, b"winsize", &*size)) }
    fn ttyname_r(number: c_int, buffer: *mut c_char, len: usize) -> c_int { super::code(name(number, buffer, len)) }
    fn ttyname(number: c_int) -> *mut c_char {
        static NAME: redox_rt::futex::Mutex<[u8; 256]> = redox_rt::futex::Mutex::new([0; 256]);
        let place = NAME.lock().as_mut_ptr().cast::<c_char>();
        match name(number, place, 256) {
            Ok(()) => place,
            Err(e) => { super::report(e); null_mut() }
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

fn sys_drain(number: c_int) -> Result<()> {
    match sys::fsync(fd(number)?) {
        // A terminal without a queue has nothing to wait for.
        Err(e) if matches!(e.errno, syscall::EOPNOTSUPP | EINVAL | syscall::ENOSYS) => Ok(()),
        other => other,
    }
}
