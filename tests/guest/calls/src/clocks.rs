//! Clocks, sleeping and waking in time. Nothing here asserts how long anything takes, only that nothing
//! comes too early or out of order.

use cap_abi::Rights;
use cap_abi::fcntl::{LEASE_FRESH_DESCRIPTION, LeaseParams};
use cap_abi::proc::CLOCK_THREAD_CPUTIME;
use guest_test::{Outcome, check, check_eq, check_error};
use redox_rt::context::{Context, read_status_and_time};
use redox_rt::{Fd, Result, sys};
use syscall::TimeSpec;
use syscall::error::*;
use syscall::flag::*;

use crate::world::*;

pub fn run() -> i32 {
    guest_test::run!["time" =>
        clocks_go_forward, both_ways_to_ask_agree, the_real_clock_is_a_date, sleep_is_long_enough,
        past_times_are_due, alarms_are_replaced, alarms_end_with_their_clock, real_alarms_fire,
        only_who_runs_is_charged, nothing_is_charged_twice,
    ]
}

fn nanoseconds(time: &TimeSpec) -> u64 {
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

fn clocks_go_forward() -> Outcome {
    for clock in [CLOCK_MONOTONIC, CLOCK_REALTIME, CLOCK_THREAD_CPUTIME] {
        let mut last = 0;
        for _ in 0..2000 {
            let time = sys::clock_gettime(clock)?;
            check!((0..1_000_000_000).contains(&time.tv_nsec));
            check!(nanoseconds(&time) >= last);
            last = nanoseconds(&time);
        }
    }
    Ok(())
}

/// How long the calling context has had the processor.
fn own_time() -> Result<u64> {
    Ok(nanoseconds(&sys::clock_gettime(CLOCK_THREAD_CPUTIME)?))
}

/// Keeps the processor for a while.
fn keep_busy(nanoseconds: u64) -> Result<()> {
    let end = own_time()? + nanoseconds;
    while own_time()? < end {
        core::hint::spin_loop();
    }
    Ok(())
}

/// A process that waits for a byte and then never again.
fn spins_when_told(read: &redox_rt::Fd) -> Result<Process> {
    Process::start(|| {
        let _ = read.read(&mut [0]);
        loop {
            core::hint::spin_loop();
        }
    })
}

fn only_who_runs_is_charged() -> Outcome {
    leaves_nothing(|| {
        let (read, write) = pipe()?;
        let process = spins_when_told(&read)?;
        process.until_blocked()?;
        let status = process.context().handle(b"status")?;
        let time = || read_status_and_time(&status).map(|told| told.1);
        let before = time()?;
        check!(before > 0);
        sleep_ms(3)?;
        keep_busy(2_000_000)?;
        check_eq!(time()?, before);
        write.write(b"x")?;
        until("its time grows", || Ok(time()? > before + 2_000_000))?;
        process.tell(ContextVerb::Stop)?;
        let stopped = time()?;
        keep_busy(1_000_000)?;
        check_eq!(time()?, stopped);
        process.kill()?;
        process.wait()?;
        check_eq!(time()?, stopped);
        check_error!(status.read(&mut [0; 33]), EINVAL);
        check_error!(status.read(&mut [0; 48]), EINVAL);
        // One that was never started has had nothing.
        let new = Context::new(&world().proc)?;
        check_eq!(read_status_and_time(&new.get().handle(b"status")?)?.1, 0);
        Ok(())
    })
}

fn nothing_is_charged_twice() -> Outcome {
    leaves_nothing(|| {
        let (read, write) = pipe()?;
        let process = spins_when_told(&read)?;
        let status = process.context().handle(b"status")?;
        let theirs = || read_status_and_time(&status).map(|told| told.1);
        write.write(b"x")?;
        for _ in 0..20 {
            let now = || sys::clock_gettime(CLOCK_MONOTONIC).map(|time| nanoseconds(&time));
            let (begin, mine, other) = (now()?, own_time()?, theirs()?);
            keep_busy(300_000)?;
            sys::sched_yield();
            let (other, mine, end) = (theirs()? - other, own_time()? - mine, now()?);
            // A count of ticks is cut off to nanoseconds.
            check!(
                mine + other <= end - begin + 10,
                "{mine} and {other} in {}",
                end - begin
            );
        }
        Ok(())
    })
}

fn read_clock(key: &[u8]) -> Result<u64> {
    let clock = world().time.open(key, O_RDONLY)?;
    let mut words = [0_u64; 2];
    raw(
        syscall::SYS_READ,
        [clock.raw(), words.as_mut_ptr() as usize, 16, 0, 0, 0],
    )?;
    Ok(words[0] * 1_000_000_000 + words[1])
}

fn both_ways_to_ask_agree() -> Outcome {
    for (key, clock) in [(b"1", CLOCK_REALTIME), (b"4", CLOCK_MONOTONIC)] {
        let before = nanoseconds(&sys::clock_gettime(clock)?);
        let between = read_clock(key)?;
        let after = nanoseconds(&sys::clock_gettime(clock)?);
        check!(
            before <= between && between <= after,
            "{before} {between} {after}"
        );
    }
    Ok(())
}

fn the_real_clock_is_a_date() -> Outcome {
    // After 2024 and before 2100, which is what the machine's clock is set to.
    let seconds = sys::clock_gettime(CLOCK_REALTIME)?.tv_sec;
    check!(
        (1_704_067_200..4_102_444_800).contains(&seconds),
        "{seconds}"
    );
    Ok(())
}

fn sleep_is_long_enough() -> Outcome {
    leaves_nothing(|| {
        for ns in [0, 1, 1000, 1_000_000, 7_000_000] {
            let before = now()?;
            sys::nanosleep(&TimeSpec {
                tv_sec: 0,
                tv_nsec: ns,
            })
            .map_err(|(e, _)| e)?;
            check!(now()? >= before + ns as u64, "{ns}");
        }
        Ok(())
    })
}

fn past_times_are_due() -> Outcome {
    leaves_nothing(|| {
        for key in [b"1", b"4"] {
            let clock = world().time.open(key, O_RDWR)?;
            check_eq!(sys::fevent(clock.raw(), EVENT_READ)?, EventFlags::empty());
            clock.write_exact(sys::bytes_of(&[0, 1]))?;
            check_eq!(sys::fevent(clock.raw(), EVENT_READ)?, EVENT_READ);
            // Setting another takes the old one back.
            clock.write_exact(sys::bytes_of(&[1 << 40, 0]))?;
            check_eq!(sys::fevent(clock.raw(), EVENT_READ)?, EventFlags::empty());
        }
        Ok(())
    })
}

fn alarms_are_replaced() -> Outcome {
    leaves_nothing(|| {
        let before = count(b"objects", "timers")?;
        let clock = world().time.open(b"4", O_RDWR)?;
        for n in 0..100 {
            clock.write_exact(sys::bytes_of(&[(1 << 40) + n, 0]))?;
        }
        check_eq!(count(b"objects", "timers")?, before + 1);
        Ok(())
    })
}

fn alarms_end_with_their_clock() -> Outcome {
    leaves_nothing(|| {
        for _ in 0..100 {
            let clock = world().time.open(b"1", O_RDWR)?;
            // The largest time there is.
            clock.write_exact(sys::bytes_of(&[isize::MAX as usize, 999_999_999]))?;
            let copy = clock.dup(b"")?;
            // A copy with a description of its own has an alarm of its own.
            let mut params = LeaseParams {
                derived: sys::FD_ANY_UPPER,
                lease: sys::FD_ANY_UPPER,
                rights: Rights::FULL.bits(),
                flags: LEASE_FRESH_DESCRIPTION,
            };
            sys::lease(clock.raw(), &mut params)?;
            let (fresh, lease) = (Fd::from_raw(params.derived), Fd::from_raw(params.lease));
            fresh.write_exact(sys::bytes_of(&[isize::MAX as usize, 0]))?;
            drop((fresh, lease));
            clock.close()?;
            check_eq!(sys::fevent(copy.raw(), EVENT_READ)?, EventFlags::empty());
        }
        Ok(())
    })
}

fn real_alarms_fire() -> Outcome {
    leaves_nothing(|| {
        let clock = world().time.open(b"1", O_RDWR)?;
        let queue = redox_rt::event::Queue::new(&world().event)?;
        queue.watch(clock.raw(), EVENT_READ, 1)?;
        let at = nanoseconds(&sys::clock_gettime(CLOCK_REALTIME)?) + 3_000_000;
        let words = [(at / 1_000_000_000) as usize, (at % 1_000_000_000) as usize];
        clock.write_exact(sys::bytes_of(&words))?;
        queue.next()?;
        check!(nanoseconds(&sys::clock_gettime(CLOCK_REALTIME)?) >= at);
        check_error!(clock.write(&[0; 15]), EINVAL);
        Ok(())
    })
}
