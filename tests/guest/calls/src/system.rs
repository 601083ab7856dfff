//! What the kernel tells of itself, its console, interrupts, and the platform's tables.

use alloc::string::String;
use alloc::vec::Vec;
use cap_abi::proc::{ADDRSPACE_OP_LABEL, LABEL_MAX};
use guest_test::{Outcome, check, check_eq, check_error};
use redox_rt::context::Context;
use redox_rt::{Fd, Result, sys};
use syscall::error::*;
use syscall::flag::*;
use syscall::{PAGE_SIZE, Stat};

use crate::world::*;

pub fn sys_files() -> i32 {
    guest_test::run!["sys" =>
        files_are_listed_and_have_sizes, numbers_are_consistent, contexts_are_told, randomness_varies,
        denials_are_counted, a_program_asks_where_it_was_found, the_console_writes,
    ]
}

pub fn irq() -> i32 {
    guest_test::run!["irq" =>
        lines_belong_to_one, vectors_run_out_and_come_back, vectors_have_messages,
        a_device_interrupts, the_platform_has_tables,
    ]
}

const FILES: [&str; 10] = [
    "uname", "objects", "memory", "cpu", "context", "waits", "stat", "denials", "exe", "random",
];

fn files_are_listed_and_have_sizes() -> Outcome {
    leaves_nothing(|| {
        let mut text = [0; 256];
        let len = sys::read_at(world().sys.raw(), &mut text, 0, None)?;
        let names: Vec<_> = core::str::from_utf8(&text[..len])
            .unwrap_or("")
            .lines()
            .collect();
        check_eq!(names, FILES);
        for name in FILES {
            let fd = world().sys.open(name.as_bytes(), O_RDONLY)?;
            let stat: Stat = fd.stat()?;
            check_eq!(stat.st_mode & MODE_TYPE, MODE_FILE);
            if ["random", "cpu", "exe"].contains(&name) {
                continue;
            }
            let text = sys_file(name.as_bytes())?;
            check!(text.ends_with('\n') && !text.is_empty(), "{name}");
        }
        // In pieces it is the same text.
        let whole = sys_file(b"uname")?;
        let fd = world().sys.open(b"uname", O_RDONLY)?;
        let mut pieces = String::new();
        let mut piece = [0; 3];
        loop {
            match fd.read(&mut piece)? {
                0 => break,
                n => pieces.push_str(core::str::from_utf8(&piece[..n]).unwrap_or("?")),
            }
        }
        check_eq!(pieces, whole);
        check!(
            whole.starts_with("Cuprite\n") && whole.contains("x86_64"),
            "{whole}"
        );
        Ok(())
    })
}

fn numbers_are_consistent() -> Outcome {
    for name in ["contexts", "spaces", "tables", "descriptions"] {
        check!(count(b"objects", name)? > 0, "{name}");
    }
    let of = |name| count(b"memory", name);
    let used = of("heap")? + of("tables")? + of("user")? + of("kernel")?;
    check!(of("free")? + used <= of("total")?, "{used} used");
    let before = of("user")?;
    let base = anonymous(64 * PAGE_SIZE, MAP_PRIVATE | PROT_READ | PROT_WRITE)?;
    for page in 0..64 {
        poke(base + page * PAGE_SIZE, 1);
    }
    let with = of("user")?;
    unmap(base, 64 * PAGE_SIZE)?;
    check!(with >= before + 64);
    check!(of("user")? < with);
    let cpu = sys_file(b"cpu")?;
    check!(cpu.lines().any(|line| line.starts_with("model ")), "{cpu}");
    check!(count(b"cpu", "tsc_hz")? > 1_000_000);
    let switches = count(b"cpu", "switches")?;
    sleep_ms(1)?;
    check!(count(b"cpu", "switches")? > switches);
    Ok(())
}

fn contexts_are_told() -> Outcome {
    // The one that asks has the processor, and waits for nothing.
    for (name, own) in [(&b"context"[..], "UR+"), (b"waits", "None")] {
        let text = sys_file(name)?;
        check!(text.starts_with("PID "), "{text}");
        let mut lines = text.lines().filter(|line| !line.trim().is_empty());
        check_eq!(
            lines.clone().count(),
            count(b"objects", "contexts")? + 1,
            "{text}"
        );
        check!(lines.clone().any(|line| line.contains("bootstrap")));
        let found = lines.find(|line| line.contains("test-calls") && line.contains(own));
        check!(found.is_some(), "{text}");
    }
    Ok(())
}

fn a_program_asks_where_it_was_found() -> Outcome {
    leaves_nothing(|| {
        // The starter's word counts, and here nobody has said any.
        let file = world().sys.open(b"exe", O_RDONLY)?;
        let mut text = [0; 16];
        check_error!(file.read(&mut text), ENOENT);
        let context = Context::from_fd(world().proc.open(b"cur-context", 0)?);
        let own = context.get().address_space()?;
        own.set_label(b"/bin/a \xff")?;
        check_eq!(file.read(&mut text)?, 8);
        check_eq!(text.get(..8), Some(&b"/bin/a \xff"[..]));
        check_eq!(file.read(&mut text)?, 0);
        let long = [b'x'; LABEL_MAX + 1];
        check_error!(own.set_label(&long), ENAMETOOLONG);
        let unmapped = [ADDRSPACE_OP_LABEL, usize::MAX - 7, 4];
        check_error!(own.fd().write(sys::bytes_of(&unmapped)), EFAULT);
        // A copy is called the same, and what was refused has changed nothing.
        drop(own.copy()?);
        check_eq!(file.stat()?.st_size, 8);
        Ok(own.set_label(b"")?)
    })
}

fn randomness_varies() -> Outcome {
    let fd = world().sys.open(b"random", O_RDONLY)?;
    let (mut a, mut b) = ([0; 64], [0; 64]);
    match fd.read(&mut a) {
        Ok(64) => {
            check_eq!(fd.read(&mut b)?, 64);
            check!(a != b);
            check_eq!(fd.read(&mut [0; 1000])?, 256);
        }
        other => check_error!(other, ENODEV),
    }
    Ok(())
}

fn denials_are_counted() -> Outcome {
    let (right, revoked) = (count(b"denials", "right")?, count(b"denials", "revoked")?);
    let (read, _write) = pipe()?;
    let (derived, lease) = read.lease(cap_abi::Rights::empty())?;
    check_error!(derived.read(&mut [0]), EPERM);
    lease.revoke()?;
    check_error!(sys::fsync(derived.raw()), EPERM);
    check_error!(sys::dup(derived.raw(), b"", cap_abi::FD_ANY), ESTALE);
    check_eq!(count(b"denials", "right")?, right + 2);
    check_eq!(count(b"denials", "revoked")?, revoked + 1);
    Ok(())
}

fn the_console_writes() -> Outcome {
    leaves_nothing(|| {
        let console = world().debug.open(b"", O_RDWR | O_NONBLOCK)?;
        check_eq!(console.write(b"  a line of the console's\n")?, 26);
        check_eq!(console.write(b"")?, 0);
        check_eq!(sys::fevent(console.raw(), EVENT_WRITE)?, EVENT_WRITE);
        Ok(())
    })
}

fn open_line(key: &[u8]) -> Result<Fd> {
    world().irq.open(key, O_RDWR)
}

fn lines_belong_to_one() -> Outcome {
    leaves_nothing(|| {
        for round in 0..3 {
            let line = open_line(b"10")?;
            check_error!(open_line(b"10"), EBUSY, "round {round}");
            let copy = line.dup(b"")?;
            line.close()?;
            check_error!(open_line(b"10"), EBUSY);
            nonblocking(&copy, true)?;
            check_error!(copy.read(&mut [0; 8]), EAGAIN);
            check_error!(copy.write(&1_u64.to_le_bytes()), EINVAL);
            check_eq!(copy.write(&0_u64.to_le_bytes())?, 8);
        }
        for key in [
            &b"0"[..],
            b"2",
            b"4",
            b"24",
            b"31",
            b"32",
            b"+5",
            b" 5",
            b"05x",
            b"4294967301",
            b"MSI",
        ] {
            check!(
                matches!(open_line(key), Err(e) if e.errno == ENOENT),
                "{}",
                key.escape_ascii()
            );
        }
        Ok(())
    })
}

fn vectors_run_out_and_come_back() -> Outcome {
    leaves_nothing(|| {
        for _ in 0..3 {
            let mut all = Vec::new();
            let refused = loop {
                match open_line(b"msi") {
                    Ok(fd) => all.push(fd),
                    Err(e) => break e.errno,
                }
            };
            check_eq!((refused, all.len()), (ENOSPC, 64));
            let old = raw(
                syscall::SYS_OPENAT_INTO,
                [
                    world().irq.raw(),
                    b"msi".as_ptr() as usize,
                    3,
                    O_RDWR,
                    cap_abi::FD_ANY,
                    0,
                ],
            );
            check_error!(old, ENOSPC);
        }
        Ok(())
    })
}

fn message(fd: &Fd) -> Result<[u64; 2]> {
    let mut words = [0_u64; 2];
    raw(
        syscall::SYS_CALL,
        [fd.raw(), words.as_mut_ptr() as usize, 16, 0, 0, 0],
    )?;
    Ok(words)
}

fn vectors_have_messages() -> Outcome {
    leaves_nothing(|| {
        let (a, b) = (open_line(b"msi")?, open_line(b"msi")?);
        let ([to_a, data_a], [to_b, data_b]) = (message(&a)?, message(&b)?);
        // The local APIC's range; each its own vector.
        check_eq!([to_a >> 20, to_b >> 20], [0xfee, 0xfee]);
        check!(data_a != data_b);
        check!((32..255).contains(&data_a) && (32..255).contains(&data_b));
        Ok(())
    })
}

/// Registers of the high-precision event timer, and what its first timer takes.
mod hpet {
    pub const BASE: usize = 0xfed0_0000;
    pub const CONFIG: usize = 0x10;
    pub const STATUS: usize = 0x20;
    pub const COUNTER: usize = 0xf0;
    pub const TIMER: usize = 0x100;
    pub const COMPARATOR: usize = 0x108;
    /// Level-triggered, enabled, to interrupt line 20.
    pub const LINE: u64 = 20;
    pub const ARMED: u64 = 1 << 1 | 1 << 2 | LINE << 9;
}

/// A real device: the event timer, mapped by its physical address, interrupts line 20.
fn a_device_interrupts() -> Outcome {
    leaves_nothing(|| {
        let memory = world().memory.open(b"physical@uc", O_RDWR)?;
        let flags = MAP_SHARED | PROT_READ | PROT_WRITE;
        let base = map(memory.raw(), hpet::BASE, 0, PAGE_SIZE, flags)?;
        let line = open_line(b"20")?;
        let queue = redox_rt::event::Queue::new(&world().event)?;
        queue.watch(line.raw(), EVENT_READ, 20)?;
        let (config, timer) = (peek(base + hpet::CONFIG), peek(base + hpet::TIMER));
        for round in 1..=3_u64 {
            poke(
                base + hpet::COMPARATOR,
                peek(base + hpet::COUNTER) + 100_000,
            );
            poke(base + hpet::TIMER, hpet::ARMED);
            poke(base + hpet::CONFIG, config | 1);
            let mut count = [0; 8];
            if round == 2 {
                // By way of a queue.
                check_eq!(queue.next()?.data, 20);
            }
            line.read_exact(&mut count)?;
            check_eq!(u64::from_le_bytes(count), round);
            check_eq!(sys::fevent(line.raw(), EVENT_READ)?, EVENT_READ);
            // The device is silenced before its line is acknowledged; more than has come cannot be.
            poke(base + hpet::STATUS, 1);
            poke(base + hpet::TIMER, hpet::ARMED & !(1 << 2));
            check_error!(line.write(&(round + 1).to_le_bytes()), EINVAL);
            line.write_exact(&count)?;
            check_eq!(sys::fevent(line.raw(), EVENT_READ)?, EventFlags::empty());
        }
        poke(base + hpet::TIMER, timer);
        poke(base + hpet::CONFIG, config);
        Ok(unmap(base, PAGE_SIZE)?)
    })
}

fn the_platform_has_tables() -> Outcome {
    leaves_nothing(|| {
        let mut pointer = [0; 8];
        let args = [world().acpi.raw(), pointer.as_mut_ptr() as usize, 8];
        let verb = [AcpiVerb::ReadRxsdt as u64];
        let [fd, base, len] = args;
        check_eq!(
            raw(
                syscall::SYS_CALL,
                [fd, base, len, 1, verb.as_ptr() as usize, 0]
            )?,
            8
        );
        check_eq!(
            raw(syscall::SYS_CALL, [fd, 0, 0, 1, verb.as_ptr() as usize, 0])?,
            8
        );
        let physical = u64::from_le_bytes(pointer) as usize;
        let memory = world().memory.open(b"physical", O_RDWR)?;
        let page = physical & !(PAGE_SIZE - 1);
        let here = map(memory.raw(), page, 0, PAGE_SIZE, MAP_SHARED | PROT_READ)?;
        check_eq!(
            peek(here + physical % PAGE_SIZE).to_le_bytes(),
            *b"RSD PTR "
        );
        unmap(here, PAGE_SIZE)?;
        Ok(())
    })
}
