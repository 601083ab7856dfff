//! Starts what the units say.
#![no_std]
#![no_main]

extern crate alloc;

use redox_rt::{process, println, start::Start, namespace, fs};

redox_rt::entry!(main);

fn main(_: &Start) -> i32 {
    println!("init: pid {:?} parent {:?} ids {:?}", process::pid(), process::parent(), process::credentials());
    let ns = namespace::namespace().unwrap();
    let mut buf = [0u8; 4096];
    println!("list: {:?}", fs::getdents(ns, &mut buf, 0));
    for n in 0..3 {
        match process::fork() {
            Ok(None) => { println!("child: pid {:?} parent {:?}", process::pid(), process::parent()); redox_rt::exit(n) }
            Ok(Some(pid)) => println!("forked {pid}"),
            Err(e) => println!("fork: {e}"),
        }
        println!("wait: {:?}", process::wait(process::Awaited::Any, libredox_flags()));
    }
    0
}

fn libredox_flags() -> redox_rt::process::WaitFlags { redox_rt::process::WaitFlags::empty() }
