//! The serial line: the scheme `debug`, which this program's namespace has if it is to be the console.

use redox_rt::{
    Fd, Result, eprintln,
    exit::exit,
    namespace, sys,
    thread::{self, Source},
};
use syscall::{EINTR, flag::O_RDWR};

use scheme_loop::own::{insist, own_handle};

use crate::service::INPUT;

const PATH: &[u8] = b"/scheme/debug";

/// The line.
pub struct Line(Fd);

/// Opens the line and starts the thread that reads it, which passes on what comes in as a request to this
/// very scheme.
pub fn open() -> Result<Line> {
    let line = namespace::open(PATH, O_RDWR, sys::FD_ANY_UPPER).map(Fd::from_raw)?;
    let own = own_handle(INPUT)?;
    let ends = alloc::boxed::Box::leak(alloc::boxed::Box::new((line.dup(b"")?, own)));
    // SAFETY: the function takes the address of two descriptors that live for ever and are not changed.
    let thread = unsafe {
        thread::spawn_raw(
            Source::Manager,
            thread::STACK_LEN,
            pass_on,
            core::ptr::from_ref(ends).expose_provenance(),
        )
    }?;
    drop(thread);
    Ok(Line(line))
}

extern "C" fn pass_on(ends: usize) {
    // SAFETY: see `open`.
    let (line, own) = unsafe { &*core::ptr::with_exposed_provenance::<(Fd, Fd)>(ends) };
    let mut buffer = [0; 64];
    loop {
        let count = match line.read(&mut buffer) {
            Ok(count) if count > 0 => count,
            Err(error) if error.errno == EINTR => continue,
            // A console that hears nothing any more is of no use to anybody; another may hear again.
            Ok(_) => {
                eprintln!("ttyd: the line has ended");
                exit(1);
            }
            Err(error) => {
                eprintln!("ttyd: reading the line: {error}");
                exit(1);
            }
        };
        let bytes = buffer.get(..count).unwrap_or(&[]);
        if !insist("ttyd", || own.write_exact(bytes)) {
            return;
        }
    }
}

impl Line {
    /// Shows bytes. The line takes whatever it is given; if it does not, they are lost.
    pub fn write(&self, bytes: &[u8]) {
        let mut rest = bytes;
        while !rest.is_empty() {
            match self.0.write(rest) {
                Ok(count) if count > 0 => rest = rest.get(count..).unwrap_or(&[]),
                Err(error) if error.errno == EINTR => {}
                _ => return,
            }
        }
    }
}
