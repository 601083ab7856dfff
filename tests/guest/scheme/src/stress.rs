//! Many of everything, over and over: what is made must go again without a trace.

use alloc::vec::Vec;
use core::sync::atomic::{AtomicUsize, Ordering};

use cap_abi::Rights;
use cap_abi::fcntl::LeaseParams;
use guest_test::{Outcome, check, check_eq, check_error};
use redox_rt::context::{AddressSpace, Context, Status};
use redox_rt::fd::{create_scheme, create_scheme_fd};
use redox_rt::{Fd, Result, event, println, sys};
use syscall::error::*;
use syscall::flag::*;
use syscall::schemev2::{Opcode, Sqe};

use crate::create::cqe;
use crate::daemon::{Daemon, close_others};
use crate::world::{
    Caller, Process, Random, count, counts, fcntl, leaves_nothing, map_at, now, raw, shared, unmap,
    world,
};

pub fn run() -> i32 {
    guest_test::run!["scheme.stress" =>
        a_thousand_schemes, objects_in_cycles, schemes_in_cycles, calls_in_cycles,
        stuck_callers_delay_nobody_else, who_never_waits_is_preempted,
    ]
}

const SCHEMES: usize = 1000;
const DAEMONS: usize = 4;
const CALLERS: usize = 4;

/// What the processes of the first case tell each other.
#[repr(C)]
struct Plan {
    ended: [AtomicUsize; SCHEMES],
    stop: AtomicUsize,
    calls: AtomicUsize,
    refused: AtomicUsize,
}

fn call(fd: usize, word: usize) -> Result<usize> {
    sys::call_write(fd, &word.to_ne_bytes(), CallFlags::empty(), &[word as u64])
}

/// Serves many sockets; one whose end is planned is closed instead of answered.
fn serve_many(first: usize, sockets: &[usize], plan: &Plan) -> Result<()> {
    let queue = event::Queue::new(&world().event)?;
    for (i, socket) in sockets.iter().enumerate() {
        queue.watch(*socket, EventFlags::EVENT_READ, i)?;
    }
    let mut open = sockets.len();
    while open > 0 {
        let i = queue.next()?.data;
        let Some(&socket) = sockets.get(i) else {
            continue;
        };
        loop {
            let mut words = [0_u64; 8];
            let buffer = words.as_mut_ptr() as usize;
            match raw(
                syscall::SYS_READ,
                [socket, buffer, size_of::<Sqe>(), 0, 0, 0],
            ) {
                Ok(_) => {}
                // Of a socket that is closed there may be events left.
                Err(e) if e.errno == EAGAIN || e.errno == EBADF => break,
                Err(e) => return Err(e),
            }
            if plan.ended[first + i].load(Ordering::SeqCst) != 0 {
                sys::close(socket)?;
                open -= 1;
                break;
            }
            if words[0] as u8 != Opcode::Call as u8 {
                continue;
            }
            // SAFETY: the request's buffer is there until the answer.
            let word = unsafe { (words[2] as *const u64).read_unaligned() };
            let good = word == words[4] && words[3] == 8;
            let result = if good {
                first + i
            } else {
                (EIO as usize).wrapping_neg()
            };
            let answer = cqe(0, (words[0] >> 32) as u32, result);
            raw(
                syscall::SYS_WRITE,
                [socket, answer.as_ptr() as usize, 16, 0, 0, 0],
            )?;
        }
    }
    Ok(())
}

/// Calls at random until told to stop. Only schemes whose end was planned may be gone.
fn call_many(seed: u64, roots: &[usize], plan: &Plan) -> Result<()> {
    let mut random = Random(seed);
    while plan.stop.load(Ordering::SeqCst) == 0 {
        let i = random.below(roots.len());
        match call(roots[i], random.next() as usize) {
            Ok(answer) if answer == i => {
                plan.calls.fetch_add(1, Ordering::SeqCst);
            }
            Err(e) if e.errno == ENODEV && plan.ended[i].load(Ordering::SeqCst) != 0 => {
                plan.refused.fetch_add(1, Ordering::SeqCst);
            }
            Ok(_) => return Err(redox_rt::Error::new(EIO)),
            Err(e) => return Err(e),
        }
    }
    Ok(())
}

fn a_thousand_schemes() -> Outcome {
    leaves_nothing(|| {
        // SAFETY: atomics alone.
        let plan: &'static Plan = unsafe { shared() }?;
        let mut sockets = Vec::new();
        let mut roots = Vec::new();
        for i in 0..SCHEMES {
            let socket = create_scheme(&world().capability, 0)?;
            fcntl(socket.raw(), F_SETFL, O_NONBLOCK)?;
            roots.push(create_scheme_fd(&socket, i, 0, O_RDWR, 0)?);
            sockets.push(socket);
        }
        check!(count(b"objects", "schemes")? >= SCHEMES);
        let socket_numbers: Vec<usize> = sockets.iter().map(Fd::raw).collect();
        let root_numbers: Vec<usize> = roots.iter().map(Fd::raw).collect();
        let share = SCHEMES / DAEMONS;
        let daemons: Vec<Process> = (0..DAEMONS)
            .map(|d| {
                let part = &socket_numbers[d * share..(d + 1) * share];
                Process::start(|| {
                    close_others(part);
                    i32::from(serve_many(d * share, part, plan).is_err())
                })
            })
            .collect::<Result<_>>()?;
        drop(sockets);
        let callers: Vec<Process> = (0..CALLERS)
            .map(|c| {
                Process::start(|| {
                    close_others(&root_numbers);
                    match call_many(c as u64 + 1, &root_numbers, plan) {
                        Ok(()) => 0,
                        Err(e) => e.errno,
                    }
                })
            })
            .collect::<Result<_>>()?;
        for (i, root) in roots.iter().enumerate() {
            check_eq!(call(root.raw(), i * 31)?, i);
        }
        let mut order: Vec<usize> = (0..SCHEMES).collect();
        let mut random = Random(2024);
        for i in (1..SCHEMES).rev() {
            order.swap(i, random.below(i + 1));
        }
        for (n, &i) in order.iter().enumerate() {
            plan.ended[i].store(1, Ordering::SeqCst);
            check_error!(call(roots[i].raw(), 1), ENODEV);
            check_error!(call(roots[i].raw(), 1), ENODEV);
            if n % 10 == 0 {
                sys::sched_yield();
            }
        }
        plan.stop.store(1, Ordering::SeqCst);
        let good = Status::Ended(rt_core::wait::exited(0));
        for process in callers.iter().chain(&daemons) {
            check_eq!(process.wait()?, good);
        }
        let (calls, refused) = (
            plan.calls.load(Ordering::SeqCst),
            plan.refused.load(Ordering::SeqCst),
        );
        println!("schemes: {calls} calls answered, {refused} refused while schemes ended");
        check!(calls > 0);
        drop(roots);
        unmap(core::ptr::from_ref(plan) as usize, size_of::<Plan>())?;
        Ok(())
    })
}

/// Numbers of the kernel's memory that a cycle must not change.
fn memory() -> Result<Vec<usize>> {
    let all = counts(b"memory")?;
    Ok(all.iter().map(|(_, value)| *value).collect())
}

/// Runs a cycle many times; memory must be what it was after the first few.
fn cycle(name: &str, times: usize, mut once: impl FnMut() -> Outcome) -> Outcome {
    let mut before = Vec::new();
    for _ in 0..3 {
        for _ in 0..10 {
            once()?;
        }
        before = memory()?;
    }
    for _ in 0..times {
        once()?;
    }
    let after = memory()?;
    check_eq!(after, before, "{name}");
    Ok(())
}

const CYCLES: usize = 10_000;

fn objects_in_cycles() -> Outcome {
    leaves_nothing(|| {
        let w = world();
        cycle("pipes", CYCLES, || {
            let read = w.pipe.open(b"", O_RDWR)?;
            let write = read.dup(b"write")?;
            write.write(b"x")?;
            Ok(())
        })?;
        cycle("queues", CYCLES, || {
            let read = w.pipe.open(b"", O_RDWR)?;
            let queue = event::Queue::new(&w.event)?;
            queue.watch(read.raw(), EventFlags::EVENT_READ, 1)?;
            Ok(())
        })?;
        cycle("contexts", CYCLES, || {
            drop(Context::new(&w.proc)?);
            Ok(())
        })?;
        cycle("spaces", CYCLES, || {
            drop(AddressSpace::new(&w.proc)?);
            Ok(())
        })?;
        cycle("tables", CYCLES, || {
            let context = Context::new(&w.proc)?;
            let table = context.get().file_table()?;
            table.grant(w.pipe.raw(), 5, Rights::FULL)?;
            drop(table.new_empty()?);
            drop(table.copy()?);
            // One that holds itself.
            table.grant(table.fd().raw(), 6, Rights::FULL)?;
            Ok(())
        })?;
        cycle("leases", CYCLES, || {
            let mut params = LeaseParams {
                derived: sys::FD_ANY_UPPER,
                lease: sys::FD_ANY_UPPER,
                rights: Rights::FULL.bits(),
                flags: 0,
            };
            sys::lease(w.pipe.raw(), &mut params)?;
            let (derived, control) = (Fd::from_raw(params.derived), Fd::from_raw(params.lease));
            let read = derived.open(b"", O_RDWR)?;
            sys::revoke(control.raw())?;
            drop(read);
            Ok(())
        })?;
        cycle("clocks", CYCLES, || {
            drop(w.time.open(b"4", O_RDWR)?);
            Ok(())
        })?;
        cycle("alarms", CYCLES, || {
            let queue = event::Queue::new(&w.event)?;
            let never = syscall::TimeSpec {
                tv_sec: 1 << 40,
                tv_nsec: 0,
            };
            let words = [
                syscall::flag::EVENT_TIMEOUT_ID,
                EventFlags::EVENT_READ.bits(),
                (&raw const never) as usize,
            ];
            queue.fd().write_exact(sys::bytes_of(&words))?;
            Ok(())
        })?;
        cycle("vectors", CYCLES, || {
            drop(w.irq.open(b"msi", O_RDWR)?);
            Ok(())
        })?;
        cycle("adjacent memory", CYCLES, || {
            let memory = w.memory.open(b"contiguous", O_RDWR)?;
            let map = syscall::Map {
                offset: 0,
                size: 4 * 4096,
                flags: MapFlags::MAP_SHARED | MapFlags::PROT_READ | MapFlags::PROT_WRITE,
                address: 0,
            };
            // SAFETY: the kernel chooses the place.
            let address = unsafe { sys::fmap(memory.raw(), &map) }?;
            unmap(address, 4 * 4096)?;
            Ok(())
        })?;
        cycle("files of the kernel", CYCLES, || {
            drop(w.sys.open(b"uname", O_RDONLY)?);
            Ok(())
        })?;
        cycle("maps", CYCLES, || {
            let address = map_at(0, 3 * 4096, MapFlags::MAP_PRIVATE)?;
            // SAFETY: just mapped.
            unsafe { ((address + 4096) as *mut u8).write_volatile(1) };
            unmap(address, 3 * 4096)?;
            Ok(())
        })?;
        cycle("processes", 300, || {
            let process = Process::start(|| 0)?;
            process.wait()?;
            Ok(())
        })
    })
}

fn schemes_in_cycles() -> Outcome {
    leaves_nothing(|| {
        cycle("schemes", CYCLES, || {
            let socket = create_scheme(&world().capability, 0)?;
            drop(create_scheme_fd(&socket, 1, 0, O_RDWR, 0)?);
            Ok(())
        })?;
        cycle("daemons", 100, || {
            let mut d = Daemon::start()?;
            drop(d.open(5)?);
            d.kill()
        })
    })
}

fn calls_in_cycles() -> Outcome {
    leaves_nothing(|| {
        let d = Daemon::start()?;
        let fd = d.open(5)?;
        d.answer(6);
        cycle("opens", CYCLES, || {
            drop(d.root.open(b"some/path", O_RDWR)?);
            Ok(())
        })?;
        cycle("reads", CYCLES, || {
            fd.read(&mut [0; 64])?;
            Ok(())
        })?;
        let pipe = world().pipe.raw();
        cycle("descriptors sent", CYCLES, || {
            sys::send_fds(fd.raw(), &[pipe], CallFlags::FD_CLONE, &[])?;
            Ok(())
        })?;
        d.answer(d.scratch() & !4095);
        cycle("mapped objects", CYCLES / 10, || {
            let flags = MapFlags::PROT_READ | MapFlags::MAP_SHARED;
            // SAFETY: the kernel chooses the place.
            let address = unsafe {
                sys::fmap(
                    fd.raw(),
                    &syscall::Map {
                        offset: 0,
                        size: 4096,
                        flags,
                        address: 0,
                    },
                )
            }?;
            unmap(address, 4096)?;
            d.settle()
        })
    })
}

fn stuck_callers_delay_nobody_else() -> Outcome {
    leaves_nothing(|| {
        const STUCK: usize = 100;
        const CALLS: usize = 1000;
        let (stuck, lively) = (Daemon::start()?, Daemon::start()?);
        let fd = lively.open(5)?;
        lively.answer(3);
        // Context switches, not time: the same work must need the same number.
        let switches = || -> core::result::Result<usize, guest_test::Failure> {
            let before = count(b"cpu", "switches")?;
            for i in 0..CALLS {
                check_eq!(call(fd.raw(), i)?, 3);
            }
            Ok(count(b"cpu", "switches")? - before)
        };
        let alone = switches()?;
        stuck.hold();
        let mark = stuck.logged();
        let root = stuck.root.raw();
        let callers: Vec<Caller> = (0..STUCK)
            .map(|i| Caller::start(|| call(root, i)))
            .collect::<Result<_>>()?;
        crate::world::until("all stuck", || stuck.logged() >= mark + STUCK)?;
        let crowded = switches()?;
        println!(
            "switches for {CALLS} calls: {alone} alone, {crowded} beside {STUCK} stuck callers"
        );
        check!(
            crowded <= alone + alone / 10,
            "{alone} alone, {crowded} in the crowd"
        );
        for caller in &callers {
            check!(!caller.is_done());
        }
        drop(stuck);
        for caller in &callers {
            check_error!(caller.result(), ENODEV);
        }
        Ok(())
    })
}

fn who_never_waits_is_preempted() -> Outcome {
    leaves_nothing(|| {
        // SAFETY: atomics alone.
        let words: &'static [AtomicUsize; 512] = unsafe { shared() }?;
        let [stop, ..] = words;
        let spin = || {
            while stop.load(Ordering::SeqCst) == 0 {
                core::hint::spin_loop();
            }
            0
        };
        // One spins, and others end: an end must not leave the first alone with the processor. This
        // process gives up its time whenever it can, so that the spinning one is chosen before it.
        let spinner = Process::start(spin)?;
        for _ in 0..30 {
            let brief = Process::start(|| 0)?;
            for _ in 0..8 {
                sys::sched_yield();
            }
            brief.wait()?;
        }
        stop.store(1, Ordering::SeqCst);
        spinner.wait()?;
        stop.store(0, Ordering::SeqCst);
        // A timer is set for long after; somebody is woken, wakes this process, and then spins.
        let sleeper = Process::start(|| {
            let long = syscall::TimeSpec {
                tv_sec: 1_000_000,
                tv_nsec: 0,
            };
            i32::from(sys::nanosleep(&long).is_ok())
        })?;
        sleeper.until_blocked()?;
        let pipe = || -> Result<(Fd, Fd)> {
            let read = world().pipe.open(b"", O_RDWR)?;
            let write = read.dup(b"write")?;
            Ok((read, write))
        };
        let ((to, wake), (from, answer)) = (pipe()?, pipe()?);
        let spinner = Process::start(|| {
            let _ = to.read(&mut [0; 1]);
            let _ = answer.write(b"x");
            // A hundred time slices. A timer that is set for longer than the processor can count fires
            // some seconds early, so that much more would hide that nothing else is set.
            let Ok(begin) = now() else { return 2 };
            loop {
                for _ in 0..1000 {
                    core::hint::spin_loop();
                }
                let time = now();
                if stop.load(Ordering::SeqCst) != 0 {
                    return 0;
                }
                if time.is_ok_and(|time| time > begin + 1_000_000_000) {
                    return 1;
                }
            }
        })?;
        spinner.until_blocked()?;
        wake.write(b"x")?;
        check_eq!(from.read(&mut [0; 1])?, 1);
        stop.store(1, Ordering::SeqCst);
        let preempted = Status::Ended(rt_core::wait::exited(0));
        check_eq!(spinner.wait()?, preempted);
        sleeper.kill()?;
        sleeper.wait()?;
        unmap(words.as_ptr() as usize, size_of_val(words))?;
        Ok(())
    })
}
