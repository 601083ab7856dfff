//! Processes.

use std::ffi::{c_char, c_int, c_void};
use std::ptr::{null, null_mut};

use crate::measure::{good, measure_few};

unsafe extern "C" {
    fn posix_spawn(
        child: *mut c_int,
        path: *const c_char,
        actions: *const c_void,
        attributes: *const c_void,
        args: *const *mut c_char,
        env: *const *mut c_char,
    ) -> c_int;
}

fn wait(child: i32) {
    let mut status = 0;
    // SAFETY: the status has room.
    assert_eq!(unsafe { libc::waitpid(child, &mut status, 0) }, child);
    assert_eq!(status, 0);
}

pub fn run() {
    measure_few("fork-exit-wait", || {
        // SAFETY: the child does nothing but end.
        match unsafe { libc::fork() } {
            // SAFETY: as above.
            0 => unsafe { libc::_exit(0) },
            child => wait(good(child)),
        }
    });
    let program = c"/scheme/initfs/bin/bench-true";
    let args = [program.as_ptr().cast_mut(), null_mut()];
    measure_few("spawn-exit-wait", || {
        let mut child = 0;
        // SAFETY: C strings, a null-terminated array, room for the number.
        let error = unsafe {
            posix_spawn(
                &mut child,
                program.as_ptr(),
                null(),
                null(),
                args.as_ptr(),
                [null_mut()].as_ptr(),
            )
        };
        assert_eq!(error, 0);
        wait(child);
    });
    measure_few("std-command-exit-wait", || {
        let program = program.to_str().expect("a name");
        let status = std::process::Command::new(program).status();
        assert!(status.expect("a child").success());
    });
}
