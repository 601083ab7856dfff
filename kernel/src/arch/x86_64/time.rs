//! Clocks: nanoseconds since boot from the time-stamp counter, the date from the CMOS clock, and an
//! alarm.

use super::cpu::{self, features};
use super::platform::platform;
use super::regs::{cpuid, inb, outb, tsc};
use super::{lapic, serial};
use core::sync::atomic::{AtomicU64, Ordering};
use kernel_boot_core::clock::{self, Date, NANOS, Scale};
use x86_64::instructions::port::Port;

// Written once by `init`.
static TSC_AT_BOOT: AtomicU64 = AtomicU64::new(0);
static TSC_TO_NS: AtomicU64 = AtomicU64::new(1 << 32);
static NS_TO_ALARM: AtomicU64 = AtomicU64::new(1 << 32);
static TSC_HZ: AtomicU64 = AtomicU64::new(0);
static REALTIME_AT_BOOT: AtomicU64 = AtomicU64::new(0);

/// How long a measurement takes, as a fraction of a second.
const WINDOWS_PER_SECOND: u64 = 300;

/// A clock of known frequency that is slow to read.
#[derive(Clone, Copy)]
enum Reference {
    /// ACPI's timer at this port; 24 bits are enough.
    PowerManagement(u16),
    /// Channel 2 of the old interval timer, which drives the speaker.
    Interval,
}

impl Reference {
    fn hz(self) -> u64 {
        match self {
            Self::PowerManagement(_) => 3_579_545,
            Self::Interval => 1_193_182,
        }
    }

    fn start(self) {
        if matches!(self, Self::Interval) {
            // SAFETY: nobody else uses channel 2: gate on, speaker off; count down from 65,536 over
            // and over.
            unsafe {
                outb(0x61, (inb(0x61) & !2) | 1);
                outb(0x43, 0xb4);
                outb(0x42, 0);
                outb(0x42, 0);
            }
        }
    }

    /// A count that goes up, in its low bits.
    fn read(self) -> u32 {
        // SAFETY: reading these clocks changes nothing but the interval timer's latch, which is ours.
        unsafe {
            match self {
                Self::PowerManagement(port) => Port::<u32>::new(port).read(),
                Self::Interval => {
                    outb(0x43, 0x80);
                    let low = inb(0x42);
                    u32::from(u16::from_le_bytes([low, inb(0x42)])).wrapping_neg()
                }
            }
        }
    }

    /// Ticks from one reading to another.
    fn between(self, from: u32, to: u32) -> u64 {
        let bits = match self {
            Self::PowerManagement(_) => 0xff_ffff,
            Self::Interval => 0xffff,
        };
        u64::from(to.wrapping_sub(from) & bits)
    }

    /// The moment of a change: time-stamp counter and reading. Of several the one that is known
    /// best, because a machine may be interrupted by its host.
    fn edge(self) -> Option<(u64, u32)> {
        const TRIES: usize = 4;
        const PATIENCE: usize = 100_000;
        let once = |_| {
            let first = self.read();
            (0..PATIENCE).find_map(|_| {
                let before = tsc();
                let now = self.read();
                let width = tsc().wrapping_sub(before);
                (now != first).then_some((width, before.wrapping_add(width >> 1), now))
            })
        };
        let best = (0..TRIES)
            .filter_map(once)
            .min_by_key(|(width, ..)| *width)?;
        Some((best.1, best.2))
    }

    /// One measurement of the time-stamp counter's frequency.
    fn measure(self) -> Option<u64> {
        const SPIN: usize = 10_000;
        const PATIENCE: usize = 1_000_000;
        self.start();
        let (tsc_start, start) = self.edge()?;
        let window = self.hz() / WINDOWS_PER_SECOND;
        (0..PATIENCE).find(|_| {
            for _ in 0..SPIN {
                core::hint::spin_loop();
            }
            self.between(start, self.read()) >= window
        })?;
        let (tsc_end, end) = self.edge()?;
        clock::frequency(
            tsc_end.wrapping_sub(tsc_start),
            self.between(start, end),
            self.hz(),
        )
    }
}

/// The frequency as the CPU or a hypervisor states it.
fn stated_frequency() -> Option<u64> {
    const HYPERVISOR: u32 = 1 << 31;
    let crystal = cpuid(0x15, 0);
    let ratio = u64::from(crystal.ebx).checked_mul(u64::from(crystal.ecx))?;
    let by_crystal = ratio
        .checked_div(u64::from(crystal.eax))
        .filter(|hz| *hz != 0);
    by_crystal.or_else(|| {
        let virtual_machine = cpuid(1, 0).ecx & HYPERVISOR != 0;
        let khz = if virtual_machine {
            cpuid(0x4000_0010, 0).eax
        } else {
            0
        };
        u64::from(khz).checked_mul(1_000).filter(|hz| *hz != 0)
    })
}

fn measured_frequency() -> Option<u64> {
    let power_management = platform()
        .fadt
        .map(|f| f.pm_timer)
        .filter(|port| *port != 0);
    let candidates = [
        power_management.map(Reference::PowerManagement),
        Some(Reference::Interval),
    ];
    candidates.into_iter().flatten().find_map(|reference| {
        let mut hz = [0u64; 3];
        for slot in &mut hz {
            *slot = reference.measure()?;
        }
        hz.sort_unstable();
        Some(clock::snap(hz[1])).filter(|hz| *hz >= 1_000_000)
    })
}

/// Finds out how fast the clocks go and what time it is.
pub(super) fn init() {
    let stated = stated_frequency();
    let hz = stated.or_else(measured_frequency).unwrap_or_else(|| {
        serial::print(format_args!(
            "kernel: no clock to measure time with; assuming 1 GHz\n"
        ));
        NANOS
    });
    TSC_HZ.store(hz, Ordering::Relaxed);
    if let Some(scale) = Scale::between(hz, NANOS) {
        TSC_TO_NS.store(scale.raw(), Ordering::Relaxed);
    }
    TSC_AT_BOOT.store(tsc(), Ordering::Relaxed);
    let alarm_hz = if features().tsc_deadline {
        hz
    } else {
        alarm_frequency(hz)
    };
    if let Some(scale) = Scale::between(NANOS, alarm_hz) {
        NS_TO_ALARM.store(scale.raw(), Ordering::Relaxed);
    }
    lapic::ready_timer();
    let seconds = cmos_seconds().unwrap_or(0);
    let at_boot = seconds.saturating_mul(NANOS).saturating_sub(now_ns());
    REALTIME_AT_BOOT.store(at_boot, Ordering::Relaxed);
}

/// The frequency of the local APIC's counter, by the time-stamp counter.
fn alarm_frequency(tsc_hz: u64) -> u64 {
    lapic::start_counting();
    let (start, from) = (tsc(), lapic::counted());
    let window = tsc_hz / WINDOWS_PER_SECOND;
    while tsc().wrapping_sub(start) < window {
        core::hint::spin_loop();
    }
    let (end, to) = (tsc(), lapic::counted());
    let ticks = u64::from(to.wrapping_sub(from));
    let measured = clock::frequency(ticks, end.wrapping_sub(start), tsc_hz);
    measured
        .map(clock::snap)
        .filter(|hz| *hz != 0)
        .unwrap_or(tsc_hz)
}

/// Nanoseconds since the clocks were set up at boot; never goes back.
#[inline]
pub fn now_ns() -> u64 {
    let ticks = tsc().wrapping_sub(TSC_AT_BOOT.load(Ordering::Relaxed));
    Scale::from_raw(TSC_TO_NS.load(Ordering::Relaxed)).apply(ticks)
}

/// Nanoseconds that so many ticks of the time-stamp counter take.
pub fn ticks_to_ns(ticks: u64) -> u64 {
    Scale::from_raw(TSC_TO_NS.load(Ordering::Relaxed)).apply(ticks)
}

/// Nanoseconds from 1970 to the moment where [`now_ns`] was 0, by the CMOS clock, which counts
/// whole seconds; 0 if it could not be read.
pub fn realtime_at_boot_ns() -> u64 {
    REALTIME_AT_BOOT.load(Ordering::Relaxed)
}

/// Ticks per second of the time-stamp counter.
pub fn tsc_hz() -> u64 {
    TSC_HZ.load(Ordering::Relaxed)
}

/// Has `kernel_timer` called at `deadline`, in nanoseconds as [`now_ns`] counts them, or soon if that
/// has passed; `None` disarms. There is one alarm for each CPU; a new deadline replaces the old. The
/// alarm may come early when the deadline is farther away than the hardware counts (seconds) or the
/// [`clock::ALARM_HORIZON`], so the handler looks at the clock and arms again.
#[inline]
pub fn arm_timer(deadline: Option<u64>) {
    let armed = cpu::current().deadline();
    let wanted = deadline.unwrap_or(u64::MAX);
    if armed.load(Ordering::Relaxed) == wanted {
        return;
    }
    armed.store(wanted, Ordering::Relaxed);
    let scale = Scale::from_raw(NS_TO_ALARM.load(Ordering::Relaxed));
    if lapic::deadline_mode() {
        let at_boot = TSC_AT_BOOT.load(Ordering::Relaxed);
        let at = |ns| at_boot.wrapping_add(clock::alarm_tick(scale, now_ns(), ns));
        lapic::arm_deadline(deadline.map_or(0, at));
    } else {
        let count = |ns| {
            let ticks = clock::alarm_ticks(scale, now_ns(), ns);
            u32::try_from(ticks).unwrap_or(u32::MAX)
        };
        lapic::arm_count(deadline.map_or(0, count));
    }
}

/// The alarm went off: it is no longer armed.
pub(super) fn fired() {
    cpu::current().deadline().store(u64::MAX, Ordering::Relaxed);
}

fn cmos(register: u8) -> u8 {
    // SAFETY: the CMOS clock belongs to this module while booting; reading a register changes
    // nothing. Bit 7 of the index port, which would mask NMIs, stays clear.
    unsafe {
        outb(0x70, register);
        inb(0x71)
    }
}

fn cmos_fields(century: u8) -> [u8; 7] {
    let century = if century == 0 { 0 } else { cmos(century) };
    [
        cmos(0),
        cmos(2),
        cmos(4),
        cmos(7),
        cmos(8),
        cmos(9),
        century,
    ]
}

/// The CMOS clock's date and time as seconds since 1970, taking it for UTC.
fn cmos_seconds() -> Option<u64> {
    const UPDATING: u8 = 1 << 7;
    const BINARY: u8 = 1 << 2;
    const HOURS_24: u8 = 1 << 1;
    const AFTERNOON: u8 = 1 << 7;
    const PATIENCE: usize = 100_000;
    let register = platform().fadt.map_or(0, |f| f.century);
    // A value is good if no update was on its way and reading again gives the same.
    let fields = (0..PATIENCE).find_map(|_| {
        if cmos(0x0a) & UPDATING != 0 {
            return None;
        }
        let first = cmos_fields(register);
        (cmos(0x0a) & UPDATING == 0 && first == cmos_fields(register)).then_some(first)
    })?;
    let format = cmos(0x0b);
    let decode = |byte: u8| {
        if format & BINARY != 0 {
            u32::from(byte)
        } else {
            clock::from_bcd(byte)
        }
    };
    let [second, minute, hour, day, month, year, century] = fields;
    let hour = if format & HOURS_24 != 0 {
        decode(hour)
    } else {
        let half = if hour & AFTERNOON != 0 { 12 } else { 0 };
        decode(hour & !AFTERNOON)
            .checked_rem(12)?
            .checked_add(half)?
    };
    let century = match decode(century) {
        c @ 19..=29 => c,
        _ => 20,
    };
    clock::unix_seconds(&Date {
        year: century.checked_mul(100)?.checked_add(decode(year))?,
        month: decode(month),
        day: decode(day),
        hour,
        minute: decode(minute),
        second: decode(second),
    })
}
