//! `<syslog.h>`: lines for the scheme `log`.

use alloc::vec::Vec;
use core::ffi::{c_char, c_int};

use redox_rt::{Fd, namespace, process, sys};
use relibc_core::errno::Errno;

use super::fork::Mutex;
use crate::stdio;
use crate::string::{bytes, strerror};
use crate::va::List;

const PID: c_int = 1;
const CONS: c_int = 2;
const NDELAY: c_int = 8;
const PERROR: c_int = 32;

struct Settings {
    name: Option<Vec<u8>>,
    options: c_int,
    mask: c_int,
    log: Option<Fd>,
}

static SETTINGS: Mutex<Settings> = Mutex::new(Settings {
    name: None,
    options: 0,
    mask: 0xff,
    log: None,
});

/// What nobody changes until it is dropped: for a fork. `None` while somebody does.
pub(crate) fn hold() -> Option<impl Sized> {
    SETTINGS.try_hold()
}

const LEVELS: [&[u8]; 8] = [
    b"emergency",
    b"alert",
    b"critical",
    b"error",
    b"warning",
    b"notice",
    b"info",
    b"debug",
];

/// Replaces `%m`, which `printf` has too, but for `errno` as it was when the message was made.
fn with_error(format: &[u8], error: c_int) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = format;
    while let Some((&b, tail)) = rest.split_first() {
        rest = tail;
        out.push(b);
        let Some((&next, tail)) = rest.split_first().filter(|_| b == b'%') else {
            continue;
        };
        rest = tail;
        if next == b'm' {
            out.pop();
            // SAFETY: a number's text, which ends with a zero.
            let text = unsafe { bytes(strerror(error)) };
            for &b in text {
                out.push(b);
                if b == b'%' {
                    out.push(b);
                }
            }
        } else {
            out.push(next);
        }
    }
    out
}

impl Settings {
    fn open(&mut self) {
        if self.log.is_none() {
            let flags = syscall::O_WRONLY | libredox::protocol::O_CLOEXEC;
            self.log = namespace::open(b"/scheme/log", flags, sys::FD_ANY_UPPER)
                .ok()
                .map(Fd::from_raw);
        }
    }

    fn put(&mut self, line: &[u8]) -> bool {
        self.open();
        let log = self.log.as_ref();
        let written = log.is_some_and(|log| log.write_exact(line).is_ok());
        if !written {
            self.log = None;
        }
        written
    }
}

unsafe fn write(priority: c_int, format: *const c_char, list: *mut List) {
    let error = crate::sys::errno();
    let mut settings = SETTINGS.lock();
    if priority & !0x3ff != 0 || settings.mask & 1 << (priority & 7) == 0 {
        return;
    }
    let mut message = Vec::new();
    stdio::append_formatted(&mut message, &with_error(bytes(format), error), list);
    while message.last() == Some(&b'\n') {
        message.pop();
    }
    let name = match &settings.name {
        Some(name) => name.clone(),
        None => bytes(super::start::program_invocation_short_name).to_vec(),
    };
    let mut line = name;
    if settings.options & PID != 0 {
        line.extend_from_slice(alloc::format!("[{}]", process::pid().unwrap_or(0)).as_bytes());
    }
    let level = LEVELS.get((priority & 7) as usize).copied().unwrap_or(b"");
    for part in [b": ", level, b": ", &message, b"\n"] {
        line.extend_from_slice(part);
    }
    // One that was open may be of a log that is gone: another may have taken its place.
    let was_open = settings.log.is_some();
    let written = settings.put(&line) || was_open && settings.put(&line);
    if settings.options & PERROR != 0 || !written && settings.options & CONS != 0 {
        // Without the log, standard error is what a console can be reached by.
        crate::sys::shielded(|| crate::sys::write(2, line.as_ptr().cast(), line.len()));
    }
    crate::sys::set_errno(Errno(error));
}

c_variadic_api! {
    fn syslog(priority: c_int, format: *const c_char; list) -> () { write(priority, format, list) }
}

c_api! {
    fn vsyslog(priority: c_int, format: *const c_char, list: *mut List) { write(priority, format, list) }
    fn openlog(name: *const c_char, options: c_int, _facility: c_int) {
        // One log has the messages of all facilities.
        let mut settings = SETTINGS.lock();
        settings.name = (!name.is_null()).then(|| bytes(name).to_vec());
        settings.options = options;
        if options & NDELAY != 0 {
            settings.open();
        }
    }
    fn closelog() {
        let mut settings = SETTINGS.lock();
        settings.log = None;
        settings.name = None;
    }
    fn setlogmask(mask: c_int) -> c_int {
        let mut settings = SETTINGS.lock();
        let before = settings.mask;
        if mask != 0 {
            settings.mask = mask & 0xff;
        }
        before
    }
}
