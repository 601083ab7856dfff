//! The first process.
//!
//! The kernel maps it from the initfs and hands it everything there is: the scheme-creation
//! capability, the roots of the kernel's schemes, and the initfs image. From here on authority only
//! ever gets less: whatever is started gets an exact list of descriptors.
//!
//! It starts the system, or in its place the program that the command line names, waits for the end of
//! `init` or of that program, prints `@done CODE` (the exit code as a shell would show it), and ends the
//! machine with that code.
#![no_std]
#![no_main]

mod first;
mod machine;
mod roots;
mod system;

use redox_rt::start::Start;
use redox_rt::{eprintln, println};

use roots::Roots;

redox_rt::entry!(main);

fn main(start: &Start) -> i32 {
    let roots = match Roots::from_start(start) {
        Ok(roots) => roots,
        // Without the debug scheme there is nobody to tell.
        Err(_) => return 126,
    };
    let ended = if first::is_asked_for(start) {
        first::run(start, &roots)
    } else {
        system::run(start, &roots)
    };
    let code = match ended {
        Ok(code) => code,
        Err(failure) => {
            eprintln!("bootstrap: {failure}");
            125
        }
    };
    println!("@done {code}");
    machine::power_off(&roots, code)
}
