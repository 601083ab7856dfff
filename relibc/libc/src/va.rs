//! `va_list` of the System V x86-64 ABI. Rust's own type fetches neither `long double` nor through a
//! pointer that a C caller passes, so arguments are read here.

use core::ffi::c_void;

/// One element of `__builtin_va_list`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct List {
    general: u32,
    vector: u32,
    overflow: *mut c_void,
    saved: *mut c_void,
}

const GENERAL_END: u32 = 6 * 8;
const VECTOR_END: u32 = GENERAL_END + 8 * 16;

impl List {
    unsafe fn overflow(&mut self, align: usize, size: usize) -> *mut u8 {
        let at = (self.overflow as usize).next_multiple_of(align);
        self.overflow = (at + size) as *mut c_void;
        at as *mut u8
    }

    /// The next argument of class INTEGER. Only the low 32 bits of an `int` are defined.
    pub unsafe fn word(&mut self) -> u64 {
        if self.general < GENERAL_END {
            let at = self.saved.cast::<u8>().add(self.general as usize);
            self.general += 8;
            at.cast::<u64>().read()
        } else {
            self.overflow(8, 8).cast::<u64>().read()
        }
    }

    /// The next `double`.
    pub unsafe fn double(&mut self) -> f64 {
        if self.vector < VECTOR_END {
            let at = self.saved.cast::<u8>().add(self.vector as usize);
            self.vector += 16;
            at.cast::<f64>().read()
        } else {
            self.overflow(8, 8).cast::<f64>().read()
        }
    }

    /// The next `long double`: ten bytes of sixteen.
    pub unsafe fn long_double(&mut self) -> [u8; 10] {
        self.overflow(16, 16).cast::<[u8; 10]>().read()
    }

    /// The next pointer.
    pub unsafe fn pointer<T>(&mut self) -> *mut T {
        self.word() as *mut T
    }
}
