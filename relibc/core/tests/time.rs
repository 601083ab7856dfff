//! Times, zones and their texts against the host.

mod common;

use common::Rng;
use relibc_core::time::{
    PosixZone, Tm, Zone, asctime, break_down, make_time, seconds, strftime, strptime,
};
use std::ffi::{CStr, CString};
use std::sync::Mutex;

/// `TZ` is the process's.
static TZ: Mutex<()> = Mutex::new(());

// SAFETY: it is the host's C library's, with the type that POSIX gives it.
unsafe extern "C" {
    fn tzset();
}

fn host(tm: &Tm) -> libc::tm {
    // SAFETY: all zero is a value of it.
    let mut out: libc::tm = unsafe { std::mem::zeroed() };
    (
        out.tm_sec,
        out.tm_min,
        out.tm_hour,
        out.tm_mday,
        out.tm_mon,
        out.tm_year,
    ) = (tm.sec, tm.min, tm.hour, tm.mday, tm.mon, tm.year);
    (out.tm_wday, out.tm_yday, out.tm_isdst, out.tm_gmtoff) =
        (tm.wday, tm.yday, tm.isdst, tm.gmtoff);
    out
}

fn ours(tm: &libc::tm) -> Tm {
    Tm {
        sec: tm.tm_sec,
        min: tm.tm_min,
        hour: tm.tm_hour,
        mday: tm.tm_mday,
        mon: tm.tm_mon,
        year: tm.tm_year,
        wday: tm.tm_wday,
        yday: tm.tm_yday,
        isdst: tm.tm_isdst,
        gmtoff: tm.tm_gmtoff,
    }
}

fn set(zone: &str) {
    // SAFETY: the lock is held; nothing else here reads the environment.
    unsafe {
        std::env::set_var("TZ", zone);
        tzset();
    }
}

fn random_time(rng: &mut Rng) -> i64 {
    match rng.below(3) {
        0 => rng.below(8_000_000_000) as i64 - 4_000_000_000,
        1 => rng.below(2_000_000_000) as i64,
        _ => rng.below(1 << 37) as i64 - (1 << 36),
    }
}

fn zones() -> Vec<(String, Zone)> {
    let mut out: Vec<(String, Zone)> = [
        "UTC0",
        "EST5EDT,M3.2.0,M11.1.0",
        "CET-1CEST,M3.5.0,M10.5.0/3",
        "NZST-12NZDT,M9.5.0,M4.1.0/3",
        "<+0330>-3:30",
        "AAA3BBB,J60/0,J300",
        "XYZ-2:15:30UVW,59/1,299/4",
        "IST-1GMT0,M10.5.0,M3.5.0/1",
        "<-03>3<-02>,M3.5.0/-2,M10.5.0/-1",
    ]
    .iter()
    .map(|s| {
        (
            s.to_string(),
            Zone::from_rule(PosixZone::parse(s.as_bytes()).unwrap_or_else(|| panic!("{s}"))),
        )
    })
    .collect();
    for name in [
        "Europe/Berlin",
        "America/New_York",
        "Australia/Lord_Howe",
        "Asia/Kathmandu",
        "Africa/Casablanca",
        "Europe/Dublin",
        "America/Sao_Paulo",
        "Pacific/Apia",
        "Antarctica/Troll",
        "Asia/Gaza",
    ] {
        match std::fs::read(format!("/usr/share/zoneinfo/{name}")) {
            Ok(file) => out.push((
                name.to_string(),
                Zone::from_tzif(&file).unwrap_or_else(|| panic!("{name}")),
            )),
            Err(_) => eprintln!("{name}: the host has no such zone file, not compared"),
        }
    }
    out
}

#[test]
fn break_down_and_back_match_the_host() {
    let _lock = TZ.lock().unwrap_or_else(|e| e.into_inner());
    let mut rng = Rng(30);
    for (name, zone) in zones() {
        set(&name);
        for _ in 0..4_000 {
            let mut t = random_time(&mut rng);
            if !name.contains('/') || name.contains(',') {
                // The host computes no changes by rule for years before 1971.
                t = t.abs() + 366 * 86_400;
            }
            let mut want = host(&Tm::default());
            // SAFETY: both are ours.
            unsafe { libc::localtime_r(&t, &mut want) };
            let local = zone.at(t);
            let got = break_down(t, local.offset, local.dst).unwrap();
            // SAFETY: the host's name of the zone lives as long as TZ stays.
            let abbreviation = unsafe { CStr::from_ptr(want.tm_zone) }.to_str().unwrap();
            assert_eq!(
                (got, local.name),
                (ours(&want), abbreviation),
                "{name} at {t}"
            );
            // And back, except for the repeated hour, where the caller's flag decides.
            assert_eq!(
                make_time(&got, &zone).unwrap().0,
                {
                    let mut tm = want;
                    // SAFETY: ours.
                    unsafe { libc::mktime(&mut tm) }
                },
                "{name} mktime of {t}"
            );
        }
    }
}

#[test]
fn mktime_of_odd_fields_matches_the_host() {
    let _lock = TZ.lock().unwrap_or_else(|e| e.into_inner());
    let mut rng = Rng(31);
    for (name, zone) in zones() {
        set(&name);
        let by_rule = !name.contains('/') || name.contains(',');
        for _ in 0..3_000 {
            let mut field = |n: u64, around: i32| rng.below(n) as i32 - around;
            let tm = Tm {
                sec: field(4000, 2000),
                min: field(200, 100),
                hour: field(100, 50),
                mday: field(80, 40),
                mon: field(60, 30),
                year: field(130, 0) + if by_rule { 80 } else { 20 },
                isdst: -1,
                ..Tm::default()
            };
            let mut want = host(&tm);
            // SAFETY: ours.
            let t = unsafe { libc::mktime(&mut want) };
            let (got, normal) = make_time(&tm, &zone).unwrap();
            let shown = |t: i64| {
                let l = zone.at(t);
                seconds(&break_down(t, l.offset, l.dst).unwrap())
            };
            // In a repeated hour either time is right; in a skipped one, either side of the gap.
            if got != t {
                let exact = shown(got) == seconds(&tm);
                let skipped = shown(got) != seconds(&tm) && shown(t) != seconds(&tm);
                assert!(exact || skipped, "{name}: {tm:?} is {got}, host {t}");
            } else {
                assert_eq!(normal, ours(&want), "{name}: {tm:?}");
            }
            let mut utc = host(&tm);
            // SAFETY: ours.
            assert_eq!(seconds(&tm), unsafe { libc::timegm(&mut utc) });
        }
    }
}

#[test]
fn insisting_on_the_other_kind_of_time_shifts_it() {
    let _lock = TZ.lock().unwrap_or_else(|e| e.into_inner());
    for name in ["EST5EDT,M3.2.0,M11.1.0", "CET-1CEST,M3.5.0,M10.5.0/3"] {
        set(name);
        let zone = Zone::from_rule(PosixZone::parse(name.as_bytes()).unwrap());
        for mon in 0..12 {
            for isdst in 0..2 {
                let tm = Tm {
                    mday: 15,
                    mon,
                    year: 110,
                    hour: 12,
                    isdst,
                    ..Tm::default()
                };
                let mut want = host(&tm);
                // SAFETY: ours.
                let t = unsafe { libc::mktime(&mut want) };
                assert_eq!(
                    make_time(&tm, &zone).unwrap(),
                    (t, ours(&want)),
                    "{name} {tm:?}"
                );
            }
        }
    }
}

#[test]
fn strftime_matches_the_host() {
    let _lock = TZ.lock().unwrap_or_else(|e| e.into_inner());
    set("CET-1CEST,M3.5.0,M10.5.0/3");
    let zone = Zone::from_rule(PosixZone::parse(b"CET-1CEST,M3.5.0,M10.5.0/3").unwrap());
    let mut rng = Rng(32);
    for _ in 0..30_000 {
        let t = if rng.below(10) == 0 {
            rng.below(1 << 50) as i64
        } else {
            random_time(&mut rng)
        };
        let local = zone.at(t);
        let tm = break_down(t, local.offset, local.dst).unwrap();
        // The host pads the century only from year 1000 on.
        if tm.year < -900 {
            continue;
        }
        let mut format = String::new();
        for _ in 0..3 {
            let flag = if rng.below(4) == 0 {
                rng.pick(&["_", "-", "0", "^", "#", "E", "O", "10", "_5", "^12", "06"])
            } else {
                ""
            };
            let c = rng.pick(b"aAbBcCdDeFgGhHIjklmMnprRsStTuUVwWxXyYzZ%") as char;
            // The modifiers belong to certain conversions only; elsewhere the host copies them.
            let flag = match flag {
                "E" if !"cCxXyY".contains(c) => "",
                "O" if !"deHImMSuUVwWy".contains(c) => "",
                f => f,
            };
            // Composite conversions with a flag, and padded newlines, are the host's own extensions.
            let flag = if "cDFrRTxXnt+zp%ZsYCG".contains(c) && !matches!(flag, "E" | "O") {
                ""
            } else {
                flag
            };
            format += &format!("{flag}%{c}").replacen(&format!("{flag}%"), &format!("%{flag}"), 1);
            format.push(' ');
        }
        let f = CString::new(format.clone()).unwrap();
        let mut want = host(&tm);
        let name = CString::new(local.name).unwrap();
        want.tm_zone = name.as_ptr();
        let mut buffer = vec![0u8; 1024];
        // SAFETY: the buffer's length is given.
        let n =
            unsafe { libc::strftime(buffer.as_mut_ptr().cast(), buffer.len(), f.as_ptr(), &want) };
        let got = strftime(format.as_bytes(), &tm, local.name.as_bytes(), &|tm| {
            make_time(tm, &zone).map_or(-1, |(t, _)| t)
        });
        assert_eq!(
            String::from_utf8(got).unwrap(),
            String::from_utf8(buffer[..n].to_vec()).unwrap(),
            "{format:?} of {tm:?}"
        );
    }
}

#[test]
fn strptime_reads_what_strftime_writes() {
    let mut rng = Rng(33);
    for _ in 0..5_000 {
        let t = rng.below(4_000_000_000) as i64;
        let tm = break_down(t, 0, false).unwrap();
        for format in [
            "%Y-%m-%d %H:%M:%S",
            "%a, %d %b %Y %T %z",
            "%A %B %e %I:%M:%S %p %Y",
            "%c",
            "%s",
            "%Y %j %T",
            "%C%y%m%d%H%M%S",
            "%D %r",
        ] {
            if format == "%D %r" && !(1969..2069).contains(&(tm.year + 1900)) {
                continue;
            }
            let text = strftime(format.as_bytes(), &tm, b"UTC", &|tm| seconds(tm));
            let mut back = Tm::default();
            let n = strptime(&text, format.as_bytes(), &mut back, &|t| {
                break_down(t, 0, false)
            });
            assert_eq!(
                (n, back),
                (Some(text.len()), tm),
                "{format:?} of {}",
                String::from_utf8_lossy(&text)
            );
        }
    }
    for (text, format) in [
        ("13", "%m"),
        ("x", "%d"),
        ("25:00", "%R"),
        ("", "%Y"),
        ("1", "%q"),
        ("+1", "%z"),
        ("Fooday", "%a"),
    ] {
        assert_eq!(
            strptime(
                text.as_bytes(),
                format.as_bytes(),
                &mut Tm::default(),
                &|_| None
            ),
            None,
            "{text:?} by {format:?}"
        );
    }
}

#[test]
fn a_rule_can_mean_daylight_saving_time_always() {
    let zone = Zone::from_rule(PosixZone::parse(b"EST5EDT,0/0,J365/25").unwrap());
    let mut rng = Rng(35);
    for _ in 0..2_000 {
        assert!(zone.at(random_time(&mut rng)).dst);
    }
    for year in 1970..2040 {
        let new_year = relibc_core::time::days(year, 0, 1) * 86_400 + 4 * 3600;
        assert!(
            (-7200..7200)
                .step_by(600)
                .all(|d| zone.at(new_year + d).dst),
            "{year}"
        );
    }
}

#[test]
fn asctime_and_bad_zones() {
    let tm = break_down(1_000_000_000, 0, false).unwrap();
    assert_eq!(asctime(&tm), b"Sun Sep  9 01:46:40 2001\n");
    for bad in [
        "",
        "A",
        "AB1",
        "ABC",
        "ABC25",
        "ABC1DEF,",
        "ABC1DEF,M13.1.1,M1.1.1",
        "ABC1DEF,M1.1.1",
        "<AB1",
        "ABC1:60",
        "ABC1DEF,M3.2.0,M11.1.0x",
        ":foo",
    ] {
        assert_eq!(PosixZone::parse(bad.as_bytes()), None, "{bad:?}");
    }
}

#[test]
fn damaged_zone_files_are_refused_or_read_but_never_panic() {
    let Ok(file) = std::fs::read("/usr/share/zoneinfo/Europe/Berlin") else {
        return;
    };
    let mut rng = Rng(34);
    for _ in 0..20_000 {
        let mut data = file.clone();
        for _ in 0..rng.below(4) + 1 {
            let at = rng.below(data.len() as u64) as usize;
            data[at] = rng.next() as u8;
        }
        data.truncate(rng.below(file.len() as u64 + 1) as usize);
        if let Some(zone) = Zone::from_tzif(&data) {
            let t = random_time(&mut rng);
            let _ = zone.summary();
            if let Some(tm) = break_down(t, zone.at(t).offset, false) {
                let _ = make_time(&tm, &zone);
            }
        }
    }
}
