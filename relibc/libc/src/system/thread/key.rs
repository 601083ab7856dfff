//! Thread-specific values.

use alloc::vec::Vec;
use core::ffi::{c_int, c_void};
use core::ptr::null_mut;

use syscall::{EAGAIN, EINVAL, ENOMEM};

use crate::system::fork::Mutex;

type Destructor = unsafe extern "C" fn(*mut c_void);

/// `PTHREAD_KEYS_MAX` and `PTHREAD_DESTRUCTOR_ITERATIONS` of `<limits.h>`.
const MAX: usize = 1024;
const ROUNDS: usize = 4;

#[derive(Clone, Copy, Default)]
struct Key {
    used: bool,
    /// Values of a deleted key do not show when its number is used again.
    generation: u32,
    destructor: Option<Destructor>,
}

/// Keys by their number less one: 0 is no key.
static KEYS: Mutex<Vec<Key>> = Mutex::new(Vec::new());

#[thread_local]
static mut VALUES: Vec<(u32, *mut c_void)> = Vec::new();

/// What nobody changes until it is dropped: for a fork. `None` while somebody does.
pub(crate) fn hold() -> Option<impl Sized> {
    KEYS.try_hold()
}

fn find(key: usize) -> Option<Key> {
    let keys = KEYS.lock();
    keys.get(key.checked_sub(1)?).copied().filter(|k| k.used)
}

pub(super) unsafe fn run_destructors() {
    let values = &mut *(&raw mut VALUES);
    for _ in 0..ROUNDS {
        let mut called = false;
        let mut key = 1;
        while let Some(&(generation, value)) = values.get(key - 1) {
            if !value.is_null() {
                values[key - 1].1 = null_mut();
                let current = find(key).filter(|k| k.generation == generation);
                if let Some(destructor) = current.and_then(|k| k.destructor) {
                    called = true;
                    destructor(value);
                }
            }
            key += 1;
        }
        if !called {
            break;
        }
    }
    drop(core::mem::take(values));
}

c_api! {
    fn pthread_key_create(key: *mut usize, destructor: Option<Destructor>) -> c_int {
        let mut keys = KEYS.lock();
        let index = match keys.iter().position(|k| !k.used) {
            Some(index) => index,
            None if keys.len() < MAX => {
                if keys.try_reserve(1).is_err() {
                    return ENOMEM;
                }
                keys.push(Key::default());
                keys.len() - 1
            }
            None => return EAGAIN,
        };
        keys[index] = Key { used: true, generation: keys[index].generation.wrapping_add(1), destructor };
        key.write(index + 1);
        0
    }
    fn pthread_key_delete(key: usize) -> c_int {
        let mut keys = KEYS.lock();
        match key.checked_sub(1).and_then(|index| keys.get_mut(index)) {
            Some(k) if k.used => { k.used = false; 0 }
            _ => EINVAL,
        }
    }
    fn pthread_getspecific(key: usize) -> *mut c_void {
        let values = &*(&raw const VALUES);
        match key.checked_sub(1).and_then(|index| values.get(index)) {
            Some(&(generation, value)) if !value.is_null() && find(key).is_some_and(|k| k.generation == generation) => value,
            _ => null_mut(),
        }
    }
    fn pthread_setspecific(key: usize, value: *const c_void) -> c_int {
        let Some(current) = find(key) else { return EINVAL };
        let values = &mut *(&raw mut VALUES);
        if values.len() < key {
            if values.try_reserve(key - values.len()).is_err() {
                return ENOMEM;
            }
            values.resize(key, (0, null_mut()));
        }
        values[key - 1] = (current.generation, value.cast_mut());
        0
    }
}
