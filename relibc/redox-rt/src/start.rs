//! From the first instruction to `main`.

use core::ffi::CStr;

use cap_abi::auxv;
use rt_core::elf::TlsTemplate;
use syscall::error::Result;

use crate::tcb::NONE;
use crate::{fd::Fd, namespace, process, tcb};

/// ELF's entries of the auxiliary vector.
const AT_PHDR: usize = 3;
const AT_PHENT: usize = 4;
const AT_PHNUM: usize = 5;

/// What the program was started with. It stays valid, and unchanged by this crate, as long as the
/// process lives.
#[derive(Clone, Copy, Debug)]
pub struct Start {
    args: *const *const u8,
    arg_count: usize,
    env: *const *const u8,
    aux: *const [usize; 2],
}

// SAFETY: it points to memory that exists for the whole life of the process and that is only read.
unsafe impl Send for Start {}
// SAFETY: as above.
unsafe impl Sync for Start {}

impl Start {
    /// Reads the initial stack.
    ///
    /// # Safety
    /// `sp` must be the stack pointer at the program's entry.
    #[must_use]
    pub unsafe fn from_stack(sp: *const usize) -> Self {
        // SAFETY: the System V ABI's layout of the initial stack, built by whoever started the
        // program: argc, argv, 0, envp, 0, auxv.
        unsafe {
            let arg_count = *sp;
            let args = sp.add(1).cast::<*const u8>();
            let env = args.add(arg_count + 1);
            let mut end = env;
            while !(*end).is_null() {
                end = end.add(1);
            }
            Self {
                args,
                arg_count,
                env,
                aux: end.add(1).cast(),
            }
        }
    }

    /// The arguments, the program's name first.
    pub fn args(&self) -> impl ExactSizeIterator<Item = &'static CStr> + '_ {
        (0..self.arg_count).map(|i| {
            // SAFETY: `i` is below argc, and every argument is a C string that is never freed.
            unsafe { CStr::from_ptr((*self.args.add(i)).cast()) }
        })
    }

    /// One argument.
    #[must_use]
    pub fn arg(&self, index: usize) -> Option<&'static CStr> {
        self.args().nth(index)
    }

    /// The environment's strings, `NAME=VALUE`.
    pub fn env(&self) -> impl Iterator<Item = &'static CStr> + '_ {
        (0..).map_while(|i| {
            // SAFETY: the list ends with a null pointer, at which this iterator ends too.
            unsafe {
                let p = *self.env.add(i);
                (!p.is_null()).then(|| CStr::from_ptr(p.cast()))
            }
        })
    }

    /// The argument vector as C sees it: a null pointer after the last.
    #[must_use]
    pub const fn argv(&self) -> (usize, *const *const u8) {
        (self.arg_count, self.args)
    }

    /// The environment as C sees it: a null pointer after the last.
    #[must_use]
    pub const fn envp(&self) -> *const *const u8 {
        self.env
    }

    /// The auxiliary vector, without its end.
    pub fn auxv(&self) -> impl Iterator<Item = (usize, usize)> + '_ {
        (0..).map_while(|i| {
            // SAFETY: the vector ends with AT_NULL, at which this iterator ends too.
            let [tag, value] = unsafe { *self.aux.add(i) };
            (tag != 0).then_some((tag, value))
        })
    }

    /// One value of the auxiliary vector.
    #[must_use]
    pub fn aux(&self, tag: usize) -> Option<usize> {
        self.auxv().find(|&(t, _)| t == tag).map(|(_, v)| v)
    }

    /// Memory that two entries name, one its address and one its length.
    #[must_use]
    pub fn aux_bytes(&self, address_tag: usize, len_tag: usize) -> Option<&'static [u8]> {
        let (address, len) = (self.aux(address_tag)?, self.aux(len_tag)?);
        if address == 0 {
            return None;
        }
        // SAFETY: whoever started the program put the entries there, as it put the program; the
        // memory stays mapped and unchanged.
        Some(unsafe { core::slice::from_raw_parts(address as *const u8, len) })
    }

    /// The program's TLS template, found through its own program headers.
    fn tls_template(&self) -> Option<TlsTemplate> {
        let (headers, count) = (self.aux(AT_PHDR)?, self.aux(AT_PHNUM)?);
        if headers == 0 || self.aux(AT_PHENT)? != rt_core::elf::PROGRAM_HEADER_LEN {
            return None;
        }
        let len = count.checked_mul(rt_core::elf::PROGRAM_HEADER_LEN)?;
        // SAFETY: the loader checked that the headers lie inside a loaded segment.
        let table = unsafe { core::slice::from_raw_parts(headers as *const u8, len) };
        rt_core::elf::loaded_tls(table)
    }
}

/// Makes the process's state from what it was started with: descriptors, then thread-local storage.
/// Called once, before anything else of this crate.
///
/// # Safety
/// `start` must be this program's own, and no other thread may exist.
pub unsafe fn init(start: &Start) -> Result<()> {
    let thread = start.aux(auxv::AT_REDOX_THR_FD).unwrap_or(NONE);
    process::set_process_fd(start.aux(auxv::AT_REDOX_PROC_FD).filter(|&fd| fd != thread));
    let [namespace, directory] = [auxv::AT_REDOX_NS_FD, auxv::AT_REDOX_CWD_FD];
    namespace::init(start.aux(namespace), start.aux(directory));
    crate::roots::set(start);
    for (_, left_over) in start
        .auxv()
        .filter(|&(tag, _)| tag == auxv::AT_CUPRITE_CLOSE_FD)
    {
        drop(Fd::from_raw(left_over));
    }
    if let Some(mask) = start.aux(auxv::AT_REDOX_UMASK) {
        process::set_umask(mask as u16);
    }
    // SAFETY: the template is this program's; the caller answers for the rest.
    unsafe { tcb::init_main(start.tls_template(), thread) }
}

/// What the entry code calls: sets the process up, runs `main`, ends with its answer.
///
/// # Safety
/// Only to be called by the entry code, with the initial stack pointer.
pub unsafe fn run(sp: *const usize, main: fn(&Start) -> i32) -> ! {
    // SAFETY: the caller passes the initial stack pointer, once, at the very beginning.
    let start = unsafe { Start::from_stack(sp) };
    // SAFETY: as above.
    match unsafe { init(&start) } {
        Ok(()) => crate::exit(main(&start)),
        Err(e) => {
            crate::eprintln!("start: no thread-local storage: {e}");
            crate::exit(127)
        }
    }
}

/// Makes a function of the form `fn main(start: &redox_rt::start::Start) -> i32` the program.
#[macro_export]
macro_rules! entry {
    ($main:path) => {
        ::core::arch::global_asm!(
            ".globl _start",
            "_start:",
            "xor ebp, ebp",
            "mov rdi, rsp",
            "and rsp, -16",
            "call {run}",
            "ud2",
            run = sym __redox_rt_run,
        );

        extern "C" fn __redox_rt_run(sp: *const usize) -> ! {
            let main: fn(&$crate::start::Start) -> i32 = $main;
            // SAFETY: called by the entry code above, with the initial stack pointer.
            unsafe { $crate::start::run(sp, main) }
        }
    };
}
