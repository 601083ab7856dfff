//! What an ordinary program pays for files, processes and threads, in the whole system: every instruction
//! that the machine carries out counts, those of kernel and daemons too.
//!
//! Arguments choose operations; without any, all are measured.

mod files;
mod measure;
mod processes;
mod threads;

fn main() {
    files::run();
    processes::run();
    threads::run();
}
