//! Where the unwinder finds its tables: the program's own headers.

use core::ffi::{c_char, c_int, c_void};
use core::sync::atomic::{AtomicUsize, Ordering};

use redox_rt::start::Start;
use unwinding::custom_eh_frame_finder::{
    EhFrameFinder, FrameInfo, FrameInfoKind, set_custom_eh_frame_finder,
};

const AT_PHDR: usize = 3;
const AT_PHNUM: usize = 5;
const PT_LOAD: u32 = 1;
const PT_GNU_EH_FRAME: u32 = 0x6474_e550;

/// `Elf64_Phdr`.
#[repr(C)]
pub struct ProgramHeader {
    kind: u32,
    flags: u32,
    offset: u64,
    address: u64,
    physical: u64,
    file_len: u64,
    memory_len: u64,
    align: u64,
}

/// `struct dl_phdr_info`.
#[repr(C)]
pub struct ObjectInfo {
    base: usize,
    name: *const c_char,
    headers: *const ProgramHeader,
    count: u16,
    added: u64,
    removed: u64,
    tls_module: usize,
    tls_data: *mut c_void,
}

static HEADERS: AtomicUsize = AtomicUsize::new(0);
static COUNT: AtomicUsize = AtomicUsize::new(0);

fn headers() -> &'static [ProgramHeader] {
    let (address, count) = (
        HEADERS.load(Ordering::Acquire),
        COUNT.load(Ordering::Acquire),
    );
    if address == 0 {
        return &[];
    }
    // SAFETY: the loader put them in memory with the program, which stays.
    unsafe { core::slice::from_raw_parts(address as *const ProgramHeader, count) }
}

struct Finder;

// SAFETY: what is answered is the linker's table of this program, which is never changed.
unsafe impl EhFrameFinder for Finder {
    fn find(&self, pc: usize) -> Option<FrameInfo> {
        let within = |h: &&ProgramHeader| {
            h.kind == PT_LOAD && (pc as u64).wrapping_sub(h.address) < h.memory_len
        };
        let text = headers().iter().find(within)?;
        let table = headers().iter().find(|h| h.kind == PT_GNU_EH_FRAME)?;
        Some(FrameInfo {
            text_base: Some(text.address as usize),
            kind: FrameInfoKind::EhFrameHdr(table.address as usize),
        })
    }
}

pub(crate) fn set(start: &Start) {
    if let (Some(headers), Some(count)) = (start.aux(AT_PHDR), start.aux(AT_PHNUM)) {
        HEADERS.store(headers, Ordering::Release);
        COUNT.store(count, Ordering::Release);
    }
    // It is called once, before anything can unwind.
    let _ = set_custom_eh_frame_finder(&Finder);
}

c_api! {
    fn dl_iterate_phdr(each: unsafe extern "C" fn(*mut ObjectInfo, usize, *mut c_void) -> c_int, data: *mut c_void) -> c_int {
        let list = headers();
        let mut info = ObjectInfo {
            base: 0,
            name: c"".as_ptr(),
            headers: list.as_ptr(),
            count: list.len() as u16,
            added: 1,
            removed: 0,
            tls_module: 0,
            tls_data: core::ptr::null_mut(),
        };
        each(&mut info, size_of::<ObjectInfo>(), data)
    }
}
