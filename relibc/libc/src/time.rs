//! The calendar part of `<time.h>`.

use crate::sys::{self, Lock, flags, getenv, set_errno};
use alloc::collections::BTreeSet;
use alloc::ffi::CString;
use alloc::vec::Vec;
use core::cell::Cell;
use core::ffi::{c_char, c_int, c_long};
use core::ptr::null_mut;
use relibc_core::errno;
use relibc_core::time::{self, PosixZone, Tm, Zone};

/// `struct tm`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct CTm {
    pub tm_sec: c_int,
    pub tm_min: c_int,
    pub tm_hour: c_int,
    pub tm_mday: c_int,
    pub tm_mon: c_int,
    pub tm_year: c_int,
    pub tm_wday: c_int,
    pub tm_yday: c_int,
    pub tm_isdst: c_int,
    pub tm_gmtoff: c_long,
    pub tm_zone: *const c_char,
}

const UTC: *const c_char = c"UTC".as_ptr();

/// Names of standard and daylight saving time.
#[cfg_attr(target_os = "redox", unsafe(no_mangle))]
pub static mut tzname: [*mut c_char; 2] = [UTC.cast_mut(), UTC.cast_mut()];
/// Seconds west of UTC.
#[cfg_attr(target_os = "redox", unsafe(no_mangle))]
pub static mut timezone: c_long = 0;
/// Whether the zone ever has daylight saving time.
#[cfg_attr(target_os = "redox", unsafe(no_mangle))]
pub static mut daylight: c_int = 0;

static LOCK: Lock = Lock::new();

/// What nobody changes until it is dropped: for a fork. `None` while somebody does.
#[cfg(target_os = "redox")]
pub(crate) fn hold() -> Option<impl Sized> {
    LOCK.try_hold()
}

static mut ZONE: Option<Zone> = None;
static mut SETTING: Option<Vec<u8>> = None;
/// Zone names live for ever: `tm_zone` and `tzname` point to them. There are few.
static mut NAMES: BTreeSet<CString> = BTreeSet::new();

unsafe fn intern(name: &str) -> *mut c_char {
    let Ok(name) = CString::new(name) else {
        return UTC.cast_mut();
    };
    let names = &mut NAMES;
    if let Some(known) = names.get(&name) {
        return known.as_ptr().cast_mut();
    }
    let address = name.as_ptr().cast_mut();
    names.insert(name);
    address
}

unsafe fn read_file(path: &[u8]) -> Option<Vec<u8>> {
    const LIMIT: usize = 1 << 20;
    let path = CString::new(path).ok()?;
    let fd = sys::open(path.as_ptr(), flags::O_RDONLY | flags::O_CLOEXEC);
    if fd < 0 {
        return None;
    }
    let mut data = Vec::new();
    let mut block = [0u8; 4096];
    let whole = loop {
        match usize::try_from(sys::read(fd, block.as_mut_ptr().cast(), block.len())) {
            Ok(0) => break true,
            Ok(n) if data.len() < LIMIT => data.extend_from_slice(&block[..n.min(4096)]),
            _ => break false,
        }
    };
    sys::close(fd);
    whole.then_some(data)
}

unsafe fn load(setting: &[u8]) -> Zone {
    let (name, only_file) = match setting.strip_prefix(b":") {
        Some(rest) => (rest, true),
        None => (setting, false),
    };
    if !only_file && let Some(rule) = PosixZone::parse(name) {
        return Zone::from_rule(rule);
    }
    let mut path = Vec::new();
    if name.is_empty() {
        return Zone::utc();
    }
    if !name.starts_with(b"/") {
        // A name must not lead out of the zones' folder.
        if name.split(|c| *c == b'/').any(|part| part == b"..") {
            return Zone::utc();
        }
        path.extend_from_slice(b"/usr/share/zoneinfo/");
    }
    path.extend_from_slice(name);
    read_file(&path)
        .and_then(|data| Zone::from_tzif(&data))
        .unwrap_or_else(Zone::utc)
}

/// Makes the zone that `TZ` names current; without `TZ` it is `/etc/localtime`.
unsafe fn refresh() -> &'static Zone {
    let variable = getenv(c"TZ".as_ptr());
    let setting = (!variable.is_null()).then(|| crate::string::bytes(variable).to_vec());
    let zone = &mut ZONE;
    if zone.is_none() || SETTING != setting {
        let saved = sys::last_error();
        let new = match &setting {
            Some(text) => load(text),
            None => load(b":/etc/localtime"),
        };
        set_errno(saved);
        *zone = Some(new);
        SETTING = setting;
    }
    let zone = zone.get_or_insert_with(Zone::utc);
    let (std, dst, west, any) = zone.summary();
    tzname = [intern(std), intern(dst)];
    timezone = west;
    daylight = c_int::from(any);
    zone
}

fn to_core(tm: &CTm) -> Tm {
    Tm {
        sec: tm.tm_sec,
        min: tm.tm_min,
        hour: tm.tm_hour,
        mday: tm.tm_mday,
        mon: tm.tm_mon,
        year: tm.tm_year,
        wday: tm.tm_wday,
        yday: tm.tm_yday,
        isdst: tm.tm_isdst,
        gmtoff: tm.tm_gmtoff,
    }
}

fn to_c(tm: &Tm, zone: *const c_char) -> CTm {
    CTm {
        tm_sec: tm.sec,
        tm_min: tm.min,
        tm_hour: tm.hour,
        tm_mday: tm.mday,
        tm_mon: tm.mon,
        tm_year: tm.year,
        tm_wday: tm.wday,
        tm_yday: tm.yday,
        tm_isdst: tm.isdst,
        tm_gmtoff: tm.gmtoff,
        tm_zone: zone,
    }
}

unsafe fn store(out: *mut CTm, tm: Option<(Tm, *const c_char)>) -> *mut CTm {
    match tm {
        Some((tm, name)) => {
            *out = to_c(&tm, name);
            out
        }
        None => {
            set_errno(errno::EOVERFLOW);
            null_mut()
        }
    }
}

static mut BROKEN: CTm = to_c_zero();
static mut TEXT: [c_char; 64] = [0; 64];

const fn to_c_zero() -> CTm {
    CTm {
        tm_sec: 0,
        tm_min: 0,
        tm_hour: 0,
        tm_mday: 0,
        tm_mon: 0,
        tm_year: 0,
        tm_wday: 0,
        tm_yday: 0,
        tm_isdst: 0,
        tm_gmtoff: 0,
        tm_zone: UTC,
    }
}

unsafe fn local(at: i64) -> Option<(Tm, *const c_char)> {
    LOCK.with(|| {
        let zone = refresh();
        let now = zone.at(at);
        time::break_down(at, now.offset, now.dst).map(|tm| (tm, intern(now.name).cast_const()))
    })
}

unsafe fn format_time(format: &[u8], tm: *const CTm) -> Vec<u8> {
    let tm = &*tm;
    let zone: &[u8] = if tm.tm_isdst < 0 {
        b""
    } else if tm.tm_zone.is_null() {
        // A program that knows C's members only leaves it so: the current zone's name is meant.
        let names = LOCK.with(|| {
            refresh();
            tzname
        });
        crate::string::bytes(names[usize::from(tm.tm_isdst > 0)])
    } else {
        crate::string::bytes(tm.tm_zone)
    };
    time::strftime(format, &to_core(tm), zone, &|tm| {
        // SAFETY: the lock is held, so nobody else replaces the zone meanwhile.
        LOCK.with(|| unsafe { time::make_time(tm, refresh()) })
            .map_or(-1, |(t, _)| t)
    })
}

c_api! {
    fn tzset() { LOCK.with(|| { refresh(); }); }
    fn gmtime_r(at: *const i64, out: *mut CTm) -> *mut CTm { store(out, time::break_down(*at, 0, false).map(|tm| (tm, UTC))) }
    fn gmtime(at: *const i64) -> *mut CTm { gmtime_r(at, &raw mut BROKEN) }
    fn localtime_r(at: *const i64, out: *mut CTm) -> *mut CTm { store(out, local(*at)) }
    fn localtime(at: *const i64) -> *mut CTm { localtime_r(at, &raw mut BROKEN) }
    fn timegm(tm: *mut CTm) -> i64 {
        let at = time::seconds(&to_core(&*tm));
        if store(tm, time::break_down(at, 0, false).map(|t| (t, UTC))).is_null() { -1 } else { at }
    }
    fn mktime(tm: *mut CTm) -> i64 {
        let made = LOCK.with(|| {
            let zone = refresh();
            time::make_time(&to_core(&*tm), zone).map(|(at, t)| (at, t, intern(zone.at(at).name).cast_const()))
        });
        match made {
            Some((at, t, name)) => {
                *tm = to_c(&t, name);
                at
            }
            None => {
                set_errno(errno::EOVERFLOW);
                -1
            }
        }
    }
    fn timelocal(tm: *mut CTm) -> i64 { mktime(tm) }
    fn difftime(later: i64, earlier: i64) -> f64 { later.wrapping_sub(earlier) as f64 }
    fn strftime(buffer: *mut c_char, size: usize, format: *const c_char, tm: *const CTm) -> usize {
        let text = format_time(crate::string::bytes(format), tm);
        if text.len() >= size {
            return 0;
        }
        core::ptr::copy_nonoverlapping(text.as_ptr(), buffer.cast(), text.len());
        *buffer.add(text.len()) = 0;
        text.len()
    }
    fn strftime_l(buffer: *mut c_char, size: usize, format: *const c_char, tm: *const CTm, _locale: *mut core::ffi::c_void) -> usize {
        strftime(buffer, size, format, tm)
    }
    fn wcsftime(buffer: *mut i32, size: usize, format: *const i32, tm: *const CTm) -> usize {
        let Some(format) = crate::stdio::narrow_text(format) else { return 0 };
        let text = relibc_core::fnmatch::characters(&format_time(&format, tm), crate::locale::charset());
        if text.len() >= size {
            return 0;
        }
        core::ptr::copy_nonoverlapping(text.as_ptr().cast(), buffer, text.len());
        *buffer.add(text.len()) = 0;
        text.len()
    }
    fn strptime(text: *const c_char, format: *const c_char, tm: *mut CTm) -> *mut c_char {
        let mut out = to_core(&*tm);
        let name = Cell::new((*tm).tm_zone);
        let broken_down = |at| {
            // SAFETY: `local` takes the lock that guards the zone.
            let (tm, zone) = unsafe { local(at) }?;
            name.set(zone);
            Some(tm)
        };
        let used = time::strptime(crate::string::bytes(text), crate::string::bytes(format), &mut out, &broken_down);
        match used {
            Some(n) => {
                *tm = to_c(&out, name.get());
                text.add(n).cast_mut()
            }
            None => null_mut(),
        }
    }
    fn asctime_r(tm: *const CTm, buffer: *mut c_char) -> *mut c_char {
        // 26 bytes are what POSIX makes callers provide.
        let text = time::asctime(&to_core(&*tm));
        if text.len() > 25 {
            set_errno(errno::EOVERFLOW);
            return null_mut();
        }
        core::ptr::copy_nonoverlapping(text.as_ptr(), buffer.cast(), text.len());
        *buffer.add(text.len()) = 0;
        buffer
    }
    fn asctime(tm: *const CTm) -> *mut c_char { asctime_r(tm, (&raw mut TEXT).cast()) }
    fn ctime_r(at: *const i64, buffer: *mut c_char) -> *mut c_char {
        let mut tm = to_c_zero();
        if localtime_r(at, &mut tm).is_null() { null_mut() } else { asctime_r(&tm, buffer) }
    }
    fn ctime(at: *const i64) -> *mut c_char { ctime_r(at, (&raw mut TEXT).cast()) }
}
