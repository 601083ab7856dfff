//! Where the running program's code is, for names in backtraces: the program alone, since nothing is loaded beside
//! it. The C library tells its program headers (`dl_iterate_phdr`), the system its file (`current_exe`).

use super::mystd::env;
use super::{Library, LibrarySegment};
use alloc::vec::Vec;
use core::ffi::{c_int, c_void};
use core::slice;

/// `dl_phdr_info` as far as it is needed; see relibc's `link.h`.
#[repr(C)]
struct ObjectInfo {
    base: usize,
    name: *const u8,
    headers: *const ProgramHeader,
    count: u16,
}

/// `Elf64_Phdr`.
#[repr(C)]
struct ProgramHeader {
    kind: u32,
    flags: u32,
    offset: u64,
    address: u64,
    physical_address: u64,
    file_len: u64,
    memory_len: u64,
    alignment: u64,
}

type Each = unsafe extern "C" fn(*mut ObjectInfo, usize, *mut c_void) -> c_int;

unsafe extern "C" {
    fn dl_iterate_phdr(each: Each, data: *mut c_void) -> c_int;
}

pub(super) fn native_libraries() -> Vec<Library> {
    let mut libraries = Vec::new();
    // SAFETY: `note` is called before this returns, with the list that it is given here.
    unsafe { dl_iterate_phdr(note, (&raw mut libraries).cast()) };
    libraries
}

/// # Safety
/// `info` is the C library's, and `libraries` a list of libraries that nobody else uses.
unsafe extern "C" fn note(info: *mut ObjectInfo, _: usize, libraries: *mut c_void) -> c_int {
    // SAFETY: As the caller promises.
    let (info, libraries) = unsafe { (&*info, &mut *libraries.cast::<Vec<Library>>()) };
    let headers = if info.headers.is_null() {
        &[]
    } else {
        // SAFETY: The headers are mapped as long as the program runs.
        unsafe { slice::from_raw_parts(info.headers, usize::from(info.count)) }
    };
    let Ok(file) = env::current_exe() else {
        return 0;
    };
    const PT_LOAD: u32 = 1;
    libraries.push(Library {
        name: file.into(),
        segments: headers
            .iter()
            .filter(|header| header.kind == PT_LOAD)
            .map(|header| LibrarySegment {
                stated_virtual_memory_address: header.address as usize,
                len: header.memory_len as usize,
            })
            .collect(),
        bias: info.base,
    });
    0
}
