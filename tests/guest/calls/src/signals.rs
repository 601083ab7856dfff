//! Signals by `syscall::sigabi`: who is interrupted, what is delivered when, and handlers of exceptions.

use core::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use guest_test::{Outcome, check, check_eq, check_error};
use redox_rt::context::Status;
use redox_rt::fd::create_scheme;
use redox_rt::signal::{self, SigInfo, Ucontext};
use redox_rt::tcb::Tcb;
use redox_rt::{Result, sys};
use rt_core::signal::flags::SA_SIGINFO;
use rt_core::signal::{Action, Handler};
use syscall::error::*;
use syscall::flag::*;
use syscall::{PAGE_SIZE, TimeSpec};

use crate::world::*;

pub fn run() -> i32 {
    guest_test::run!["signals" =>
        every_wait_is_interrupted, the_rest_of_a_sleep_is_told, a_handler_runs_out_of_every_wait,
        a_handler_runs_without_a_call, delivery_can_be_put_off, nothing_pending_changes_nothing,
        exceptions_reach_their_handler, a_fault_in_the_handler_ends_it, bad_control_pages_are_refused,
    ]
}

static HANDLED: AtomicUsize = AtomicUsize::new(0);

extern "C" fn handle(_: i32, _: &SigInfo, _: &mut Ucontext) {
    HANDLED.fetch_add(1, SeqCst);
}

extern "C" fn leave(_: i32, _: &SigInfo, _: &mut Ucontext) {
    redox_rt::exit(0);
}

const SIGNAL: i32 = 10;
const FAULT: i32 = 11;

fn on(signal: i32, handler: extern "C" fn(i32, &SigInfo, &mut Ucontext)) -> Result<()> {
    signal::init(0, 0)?;
    let action = Action {
        handler: Handler::Function(handler as *const () as usize),
        flags: SA_SIGINFO,
        mask: 0,
    };
    signal::sigaction(signal, Some(&action)).map(drop)
}

/// Sends a signal as a process manager does: a pending bit in the target's control page, and a word to
/// the kernel.
fn send(process: &Process) -> Outcome {
    let Some(tcb) = Tcb::current() else {
        guest_test::fail!("no control block")
    };
    let place = &raw const tcb.control.word[0] as u64;
    let space = process.context().handle(b"addrspace")?;
    let mut word = [0; 8];
    check_eq!(sys::read_at(space.raw(), &mut word, place, None)?, 8);
    let word = u64::from_le_bytes(word) | 1 << (SIGNAL - 1);
    check_eq!(
        sys::write_at(space.raw(), &word.to_le_bytes(), place, None)?,
        8
    );
    Ok(process.tell(ContextVerb::Interrupt)?)
}

type Wait = fn() -> Result<usize>;

/// Every way to wait that this process has alone.
const WAITS: &[(&str, Wait)] = &[
    ("reading a pipe", || {
        let (read, _write) = pipe()?;
        read.read(&mut [0; 8])
    }),
    ("writing a pipe", || {
        let (_read, write) = pipe()?;
        loop {
            write.write(&[0; PAGE_SIZE])?;
        }
    }),
    ("reading an event queue", || {
        world().event.open(b"", O_RDWR)?.read(&mut [0; 24])
    }),
    ("reading an interrupt", || {
        world().irq.open(b"msi", O_RDWR)?.read(&mut [0; 8])
    }),
    ("reading the console", || {
        world().debug.open(b"", O_RDWR)?.read(&mut [0; 8])
    }),
    ("reading a socket", || {
        create_scheme(&world().capability, 0)?.read(&mut [0; 64])
    }),
    ("a futex", || {
        let word = 0_u32;
        raw(
            syscall::SYS_FUTEX,
            [&raw const word as usize, FUTEX_WAIT, 0, 0, 0, 0],
        )
    }),
    ("a futex with a deadline", || {
        let word = 0_u64;
        let until = TimeSpec {
            tv_sec: 1 << 40,
            tv_nsec: 0,
        };
        raw(
            syscall::SYS_FUTEX,
            [
                &raw const word as usize,
                FUTEX_WAIT64,
                0,
                &raw const until as usize,
                0,
                0,
            ],
        )
    }),
    ("sleeping", || {
        let time = TimeSpec {
            tv_sec: 1 << 40,
            tv_nsec: 0,
        };
        raw(
            syscall::SYS_NANOSLEEP,
            [&raw const time as usize, 0, 0, 0, 0, 0],
        )
    }),
];

fn every_wait_is_interrupted() -> Outcome {
    leaves_nothing(|| {
        for (name, wait) in WAITS {
            check_error!(told(ContextVerb::Interrupt, wait)?, EINTR, "{name}");
        }
        Ok(())
    })
}

fn the_rest_of_a_sleep_is_told() -> Outcome {
    leaves_nothing(|| {
        let answer = words()?;
        let process = Process::start(|| {
            let time = TimeSpec {
                tv_sec: 1000,
                tv_nsec: 0,
            };
            match sys::nanosleep(&time) {
                Err((e, left)) if e.errno == EINTR => {
                    answer[0].store(left.tv_sec as usize, SeqCst);
                    0
                }
                _ => 1,
            }
        })?;
        process.until_blocked()?;
        process.tell(ContextVerb::Interrupt)?;
        process.succeeds()?;
        let left = answer[0].load(SeqCst);
        check!((1..1000).contains(&left), "{left}");
        Ok(forget_words(answer)?)
    })
}

fn a_handler_runs_out_of_every_wait() -> Outcome {
    leaves_nothing(|| {
        for (name, wait) in WAITS {
            let process = Process::start(|| {
                if on(SIGNAL, handle).is_err() {
                    return 1;
                }
                match wait() {
                    Err(e) if e.errno == EINTR => i32::from(HANDLED.load(SeqCst) != 1) * 2,
                    _ => 3,
                }
            })?;
            process.until_blocked()?;
            send(&process)?;
            let end = process.wait()?;
            check_eq!(end, Status::Ended(0), "{name}");
        }
        Ok(())
    })
}

fn a_handler_runs_without_a_call() -> Outcome {
    leaves_nothing(|| {
        let ready = words()?;
        let process = Process::start(|| {
            if on(SIGNAL, handle).is_err() {
                return 1;
            }
            ready[0].store(1, SeqCst);
            while HANDLED.load(SeqCst) == 0 {
                core::hint::spin_loop();
            }
            0
        })?;
        until("it spins", || Ok(ready[0].load(SeqCst) == 1))?;
        send(&process)?;
        process.succeeds()?;
        Ok(forget_words(ready)?)
    })
}

fn delivery_can_be_put_off() -> Outcome {
    leaves_nothing(|| {
        let process = Process::start(|| {
            if on(SIGNAL, handle).is_err() {
                return 1;
            }
            let (inside, result) = signal::without_delivery(|| {
                let time = TimeSpec {
                    tv_sec: 1000,
                    tv_nsec: 0,
                };
                let result = sys::nanosleep(&time);
                (HANDLED.load(SeqCst), result)
            });
            // The wait ends all the same, so that who put it off can look.
            let interrupted = matches!(result, Err((e, _)) if e.errno == EINTR);
            sys::sched_yield();
            i32::from(inside != 0 || !interrupted || HANDLED.load(SeqCst) != 1)
        })?;
        process.until_blocked()?;
        send(&process)?;
        process.succeeds()
    })
}

/// Told to look for signals when there are none, a running context goes on as if nothing had happened.
fn nothing_pending_changes_nothing() -> Outcome {
    leaves_nothing(|| {
        let numbers = words()?;
        let process = Process::start(|| {
            if on(SIGNAL, handle).is_err() {
                return 1;
            }
            let mut sum = 0_usize;
            for n in 0..3_000_000_usize {
                sum = core::hint::black_box(sum.wrapping_mul(31).wrapping_add(n));
                numbers[0].store(n, SeqCst);
            }
            numbers[1].store(sum, SeqCst);
            HANDLED.load(SeqCst) as i32
        })?;
        until("it runs", || Ok(numbers[0].load(SeqCst) > 0))?;
        while process.tell(ContextVerb::Interrupt).is_ok() {
            sys::sched_yield();
        }
        process.succeeds()?;
        let mut sum = 0_usize;
        for n in 0..3_000_000_usize {
            sum = sum.wrapping_mul(31).wrapping_add(n);
        }
        check_eq!(numbers[1].load(SeqCst), sum);
        Ok(forget_words(numbers)?)
    })
}

fn exceptions_reach_their_handler() -> Outcome {
    leaves_nothing(|| {
        let process = Process::start(|| {
            if on(FAULT, leave).is_err() {
                return 1;
            }
            let _ = peek(0x1238);
            2
        })?;
        process.succeeds()
    })
}

/// Breaks, which tells it apart from what was handled.
#[unsafe(naked)]
extern "C" fn breaks() {
    core::arch::naked_asm!("int3", "ud2")
}

fn a_fault_in_the_handler_ends_it() -> Outcome {
    leaves_nothing(|| {
        let process = Process::start(|| {
            let Ok(page) = anonymous(2 * PAGE_SIZE, MAP_PRIVATE | PROT_READ | PROT_WRITE) else {
                return 1;
            };
            let Ok(own) = world().proc.open(b"cur-context", 0) else {
                return 1;
            };
            let Ok(handle) = own.dup(b"sighandler") else {
                return 1;
            };
            let words = [
                breaks as *const () as usize,
                breaks as *const () as usize,
                page,
                page + PAGE_SIZE,
            ];
            if handle.write_exact(sys::bytes_of(&words)).is_err() {
                return 1;
            }
            let _ = peek(0x1238);
            2
        })?;
        let end = process.wait()?;
        check!(matches!(end, Status::Exception { kind: 3, .. }), "{end:?}");
        Ok(())
    })
}

fn bad_control_pages_are_refused() -> Outcome {
    leaves_nothing(|| {
        elsewhere(|| {
            let page = anonymous(3 * PAGE_SIZE, MAP_PRIVATE | PROT_READ | PROT_WRITE)?;
            let read_only = page + 2 * PAGE_SIZE;
            protect(read_only, PAGE_SIZE, PROT_READ)?;
            let handle = world().proc.open(b"cur-context", 0)?.dup(b"sighandler")?;
            let set =
                |thread, process| handle.write(sys::bytes_of(&[0x1000, 0x1000, thread, process]));
            check_error!(set(page + 8, page + PAGE_SIZE), EINVAL);
            check_error!(set(page, page + 16), EINVAL);
            check_error!(set(page + PAGE_SIZE - 16, page + PAGE_SIZE), EINVAL);
            check_error!(set(0x1000_0000_0000, page), EFAULT);
            check_error!(set(page, 0x1000_0000_0000), EFAULT);
            check!(set(1 << 63, page).is_err());
            check!(set(page, 1 << 63).is_err());
            check_error!(set(read_only, page), EFAULT);
            check_error!(handle.write(&[0; 31]), EINVAL);
            Ok(())
        })
    })
}
