//! From the first instruction to `main`, and from `exit` to the end.

use alloc::vec::Vec;
use core::ffi::{c_char, c_int, c_void};

use redox_rt::start::Start;

use super::fork::Mutex;
use super::{cwd, environment, fork, signal, thread, timer, unwind};
use crate::sys::Lock;

core::arch::global_asm!(
    ".globl _start",
    ".type _start, @function",
    "_start:",
    ".cfi_startproc",
    ".cfi_undefined rip",
    "xor ebp, ebp",
    "mov rdi, rsp",
    "and rsp, -16",
    "call {begin}",
    "ud2",
    ".cfi_endproc",
    begin = sym begin,
);

/// The program's name as it was called.
#[unsafe(no_mangle)]
pub static mut program_invocation_name: *mut c_char = c"".as_ptr().cast_mut();
/// The same without its folders.
#[unsafe(no_mangle)]
pub static mut program_invocation_short_name: *mut c_char = c"".as_ptr().cast_mut();

type Initializer = unsafe extern "C" fn(c_int, *const *const u8, *const *const u8);

unsafe extern "C" {
    fn main(count: c_int, arguments: *const *const u8, environment: *mut *mut c_char) -> c_int;
    // Set by the linker around the tables of constructors and destructors.
    static __preinit_array_start: [Initializer; 0];
    static __preinit_array_end: [Initializer; 0];
    static __init_array_start: [Initializer; 0];
    static __init_array_end: [Initializer; 0];
    static __fini_array_start: [unsafe extern "C" fn(); 0];
    static __fini_array_end: [unsafe extern "C" fn(); 0];
}

unsafe extern "C" fn begin(sp: *const usize) -> ! {
    let start = Start::from_stack(sp);
    if let Err(e) = redox_rt::start::init(&start) {
        redox_rt::eprintln!("start: no thread-local storage: {e}");
        redox_rt::exit(127);
    }
    unwind::set(&start);
    environment::set(&start);
    cwd::set(&start);
    thread::adopt_main();
    if let Err(e) = signal::set(&start) {
        redox_rt::eprintln!("start: no signals: {e}");
        redox_rt::exit(127);
    }
    timer::resume_alarm(&start);
    let (count, arguments) = start.argv();
    if count > 0 {
        program_invocation_name = (*arguments).cast_mut().cast();
        let slash = crate::string::strrchr(program_invocation_name, c_int::from(b'/'));
        program_invocation_short_name = if slash.is_null() {
            program_invocation_name
        } else {
            slash.add(1)
        };
    }
    let initializers = [
        (__preinit_array_start.as_ptr(), __preinit_array_end.as_ptr()),
        (__init_array_start.as_ptr(), __init_array_end.as_ptr()),
    ];
    for (mut at, end) in initializers {
        while at < end {
            (*at)(count as c_int, arguments, environment::current().cast());
            at = at.add(1);
        }
    }
    exit(main(count as c_int, arguments, environment::current()))
}

/// A function to be called at the end.
#[derive(Clone, Copy)]
enum Last {
    Plain(unsafe extern "C" fn()),
    With(unsafe extern "C" fn(*mut c_void), usize),
}

static AT_EXIT: Mutex<Vec<Last>> = Mutex::new(Vec::new());
static AT_QUICK_EXIT: Mutex<Vec<Last>> = Mutex::new(Vec::new());
/// Held by the thread that ends the process.
static ENDING: Lock = Lock::new();

/// What nobody changes until it is dropped: for a fork. `None` while somebody does.
pub(crate) fn hold() -> Option<impl Sized> {
    AT_EXIT.try_hold().zip(AT_QUICK_EXIT.try_hold())
}

/// In the child of a fork: the thread that ended the process is not in it.
///
/// # Safety
/// There is no other thread.
pub(crate) unsafe fn forget_ending() {
    ENDING.open();
}

fn add(list: &Mutex<Vec<Last>>, last: Last) -> c_int {
    let mut list = list.lock();
    if list.try_reserve(1).is_err() {
        return -1;
    }
    list.push(last);
    0
}

/// Calls the functions, last one first; one that is added meanwhile comes next.
unsafe fn run(list: &Mutex<Vec<Last>>) {
    loop {
        let next = list.lock().pop();
        match next {
            Some(Last::Plain(function)) => function(),
            Some(Last::With(function, argument)) => function(argument as *mut c_void),
            None => break,
        }
    }
}

c_api! {
    fn atexit(function: unsafe extern "C" fn()) -> c_int { add(&AT_EXIT, Last::Plain(function)) }
    fn at_quick_exit(function: unsafe extern "C" fn()) -> c_int { add(&AT_QUICK_EXIT, Last::Plain(function)) }
    fn __cxa_atexit(function: unsafe extern "C" fn(*mut c_void), argument: *mut c_void, _module: *mut c_void) -> c_int {
        add(&AT_EXIT, Last::With(function, argument as usize))
    }
    fn exit(status: c_int) -> ! {
        // Cancelled in a function that it calls, the thread would wait here for itself.
        thread::cancel::end();
        // A second thread that exits waits here for the end that the first one makes.
        let _ending = ENDING.hold();
        // Keys' values go with threads, and none ends here.
        thread::destroy_variables();
        run(&AT_EXIT);
        let (first, mut at) = (__fini_array_start.as_ptr(), __fini_array_end.as_ptr());
        while at > first {
            at = at.sub(1);
            (*at)();
        }
        crate::stdio::finish(fork::patiently_for_stream);
        redox_rt::exit(status)
    }
    fn _exit(status: c_int) -> ! { redox_rt::exit(status) }
    fn _Exit(status: c_int) -> ! { redox_rt::exit(status) }
    fn quick_exit(status: c_int) -> ! {
        run(&AT_QUICK_EXIT);
        redox_rt::exit(status)
    }
    fn abort() -> ! { signal::abort() }
}

/// What C++ and Rust know this program's module by: its address.
#[unsafe(no_mangle)]
pub static __dso_handle: u8 = 0;
