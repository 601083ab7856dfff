//! Attributes of threads and of what synchronises them.

use core::ffi::{c_int, c_void};

use redox_rt::thread::STACK_LEN;
use syscall::{EINVAL, EOPNOTSUPP as ENOTSUP};

/// `pthread_attr_t`: 32 bytes.
#[repr(C, align(8))]
pub struct Attributes {
    stack_base: usize,
    stack_len: usize,
    guard_len: usize,
    priority: i32,
    detached: u8,
    inherit: u8,
    policy: u8,
    scope: u8,
}

const _: () = assert!(size_of::<Attributes>() == 32);

/// Nobody can use the page below a stack, nor less than that.
const GUARD_LEN: usize = rt_core::PAGE_SIZE;
/// Where a default is asked for with 0.
const DETACHED: c_int = 1;

impl Attributes {
    pub(crate) const fn new() -> Self {
        Self {
            stack_base: 0,
            stack_len: STACK_LEN,
            guard_len: GUARD_LEN,
            priority: 0,
            detached: 0,
            inherit: 0,
            policy: 0,
            scope: 0,
        }
    }

    pub(crate) const fn stack_len(&self) -> usize {
        self.stack_len
    }

    /// The memory that the program gives, if it does.
    pub(crate) const fn given_stack(&self) -> Option<(usize, usize)> {
        if self.stack_base == 0 {
            None
        } else {
            Some((self.stack_base, self.stack_len))
        }
    }

    pub(crate) const fn set_stack(&mut self, base: usize, len: usize) {
        self.stack_base = base;
        self.stack_len = len;
    }

    pub(crate) const fn guard_len(&self) -> usize {
        self.guard_len
    }

    pub(crate) const fn set_guard(&mut self, len: usize) {
        self.guard_len = len;
    }

    pub(crate) const fn set_detached(&mut self, is_detached: bool) {
        self.detached = is_detached as u8;
    }

    pub(crate) const fn is_detached(&self) -> bool {
        self.detached == DETACHED as u8
    }
}

/// Stores a setting that has to be 0 or 1.
fn choice(place: &mut u8, setting: c_int) -> c_int {
    match setting {
        0 | 1 => {
            *place = setting as u8;
            0
        }
        _ => EINVAL,
    }
}

/// Attributes of locks: `pthread_mutexattr_t`, `pthread_condattr_t` and the others begin with these
/// fields as far as they are long enough.
#[repr(C)]
pub struct MutexAttributes {
    pub(super) kind: c_int,
    pub(super) shared: c_int,
    ceiling: c_int,
    protocol: c_int,
    robust: c_int,
}

const _: () = assert!(size_of::<MutexAttributes>() == 20);

/// `pthread_condattr_t`.
#[repr(C)]
pub struct ConditionAttributes {
    pub(super) clock: c_int,
    shared: c_int,
}

c_api! {
    fn pthread_attr_init(value: *mut Attributes) -> c_int { value.write(Attributes::new()); 0 }
    fn pthread_attr_destroy(_value: *mut Attributes) -> c_int { 0 }
    fn pthread_attr_getdetachstate(value: *const Attributes, result: *mut c_int) -> c_int { result.write(c_int::from((*value).detached)); 0 }
    fn pthread_attr_setdetachstate(value: *mut Attributes, setting: c_int) -> c_int { choice(&mut (*value).detached, setting) }
    fn pthread_attr_getguardsize(value: *const Attributes, result: *mut usize) -> c_int { result.write((*value).guard_len); 0 }
    fn pthread_attr_setguardsize(value: *mut Attributes, setting: usize) -> c_int { (*value).set_guard(setting); 0 }
    fn pthread_attr_getinheritsched(value: *const Attributes, result: *mut c_int) -> c_int { result.write(c_int::from((*value).inherit)); 0 }
    fn pthread_attr_setinheritsched(value: *mut Attributes, setting: c_int) -> c_int { choice(&mut (*value).inherit, setting) }
    fn pthread_attr_getschedpolicy(value: *const Attributes, result: *mut c_int) -> c_int { result.write(c_int::from((*value).policy)); 0 }
    fn pthread_attr_setschedpolicy(value: *mut Attributes, setting: c_int) -> c_int {
        match setting { 0 => { (*value).policy = 0; 0 } 1 | 2 => ENOTSUP, _ => EINVAL }
    }
    fn pthread_attr_getscope(value: *const Attributes, result: *mut c_int) -> c_int { result.write(c_int::from((*value).scope)); 0 }
    fn pthread_attr_setscope(value: *mut Attributes, setting: c_int) -> c_int {
        match setting { 0 => { (*value).scope = 0; 0 } 1 => ENOTSUP, _ => EINVAL }
    }
    fn pthread_attr_getstacksize(value: *const Attributes, result: *mut usize) -> c_int { result.write((*value).stack_len); 0 }
    fn pthread_attr_setstacksize(value: *mut Attributes, setting: usize) -> c_int {
        if setting < libc::PTHREAD_STACK_MIN { return EINVAL; }
        (*value).stack_len = setting;
        0
    }
    fn pthread_attr_getstack(value: *const Attributes, address: *mut *mut c_void, len: *mut usize) -> c_int {
        address.write((*value).stack_base as *mut c_void);
        len.write((*value).stack_len);
        0
    }
    fn pthread_attr_setstack(value: *mut Attributes, address: *mut c_void, len: usize) -> c_int {
        let base = address as usize;
        if len < libc::PTHREAD_STACK_MIN || !base.is_multiple_of(16) || !len.is_multiple_of(16) || base.checked_add(len).is_none() {
            return EINVAL;
        }
        (*value).set_stack(base, len);
        0
    }
    fn pthread_attr_getschedparam(value: *const Attributes, parameter: *mut c_int) -> c_int { parameter.write((*value).priority); 0 }
    fn pthread_attr_setschedparam(value: *mut Attributes, parameter: *const c_int) -> c_int {
        if *parameter != 0 { return ENOTSUP; }
        (*value).priority = 0;
        0
    }

    fn pthread_mutexattr_init(value: *mut MutexAttributes) -> c_int {
        value.write(MutexAttributes { kind: libc::PTHREAD_MUTEX_DEFAULT, shared: 0, ceiling: 0, protocol: 0, robust: 1 });
        0
    }
    fn pthread_mutexattr_destroy(_value: *mut MutexAttributes) -> c_int { 0 }
    fn pthread_mutexattr_gettype(value: *const MutexAttributes, result: *mut c_int) -> c_int { result.write((*value).kind); 0 }
    fn pthread_mutexattr_settype(value: *mut MutexAttributes, setting: c_int) -> c_int {
        if !(0..=3).contains(&setting) { return EINVAL; }
        (*value).kind = setting;
        0
    }
    fn pthread_mutexattr_getpshared(value: *const MutexAttributes, result: *mut c_int) -> c_int { result.write((*value).shared); 0 }
    fn pthread_mutexattr_setpshared(value: *mut MutexAttributes, setting: c_int) -> c_int { shared(&mut (*value).shared, setting) }
    fn pthread_mutexattr_getprotocol(value: *const MutexAttributes, result: *mut c_int) -> c_int { result.write((*value).protocol); 0 }
    fn pthread_mutexattr_setprotocol(_value: *mut MutexAttributes, setting: c_int) -> c_int {
        match setting { 0 => 0, 1 | 2 => ENOTSUP, _ => EINVAL }
    }
    fn pthread_mutexattr_getprioceiling(value: *const MutexAttributes, result: *mut c_int) -> c_int { result.write((*value).ceiling); 0 }
    fn pthread_mutexattr_setprioceiling(value: *mut MutexAttributes, setting: c_int) -> c_int {
        // Of the one scheduling policy, 0 is the only priority.
        if setting != 0 { return EINVAL; }
        (*value).ceiling = setting;
        0
    }
    fn pthread_mutexattr_getrobust(value: *const MutexAttributes, result: *mut c_int) -> c_int { result.write((*value).robust); 0 }
    fn pthread_mutexattr_setrobust(_value: *mut MutexAttributes, setting: c_int) -> c_int {
        match setting { 1 => 0, 0 => ENOTSUP, _ => EINVAL }
    }

    fn pthread_condattr_init(value: *mut ConditionAttributes) -> c_int {
        value.write(ConditionAttributes { clock: libc::CLOCK_REALTIME, shared: 0 });
        0
    }
    fn pthread_condattr_destroy(_value: *mut ConditionAttributes) -> c_int { 0 }
    fn pthread_condattr_getclock(value: *const ConditionAttributes, result: *mut c_int) -> c_int { result.write((*value).clock); 0 }
    fn pthread_condattr_setclock(value: *mut ConditionAttributes, setting: c_int) -> c_int {
        if !matches!(setting, libc::CLOCK_REALTIME | libc::CLOCK_MONOTONIC) { return EINVAL; }
        (*value).clock = setting;
        0
    }
    fn pthread_condattr_getpshared(value: *const ConditionAttributes, result: *mut c_int) -> c_int { result.write((*value).shared); 0 }
    fn pthread_condattr_setpshared(value: *mut ConditionAttributes, setting: c_int) -> c_int { shared(&mut (*value).shared, setting) }

    fn pthread_rwlockattr_init(value: *mut u8) -> c_int { value.write(0); 0 }
    fn pthread_rwlockattr_destroy(_value: *mut u8) -> c_int { 0 }
    fn pthread_rwlockattr_getpshared(value: *const u8, result: *mut c_int) -> c_int { result.write(c_int::from(*value)); 0 }
    fn pthread_rwlockattr_setpshared(value: *mut u8, setting: c_int) -> c_int { choice(&mut *value, setting) }
    fn pthread_barrierattr_init(value: *mut c_int) -> c_int { value.write(0); 0 }
    fn pthread_barrierattr_destroy(_value: *mut c_int) -> c_int { 0 }
    fn pthread_barrierattr_getpshared(value: *const c_int, result: *mut c_int) -> c_int { result.write(*value); 0 }
    fn pthread_barrierattr_setpshared(value: *mut c_int, setting: c_int) -> c_int { shared(&mut *value, setting) }
}

/// The kernel's waiting goes by physical memory: every lock works between processes.
fn shared(place: &mut c_int, setting: c_int) -> c_int {
    match setting {
        0 | 1 => {
            *place = setting;
            0
        }
        _ => EINVAL,
    }
}
