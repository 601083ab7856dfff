use std::vec;
use std::vec::Vec;

use proptest::prelude::*;

use super::*;

const USER: Range<usize> = 0x1_0000..0x7fff_ffff_f000;

/// Fields of one program header: kind, flags, offset, address, file length, memory length, alignment.
type Row = (u32, u32, u64, u64, u64, u64, u64);

/// A file of `len` bytes with the given headers.
fn file(entry: u64, rows: &[Row], len: usize) -> Vec<u8> {
    let mut f = vec![0; len.max(HEADER_LEN + rows.len() * PROGRAM_HEADER_LEN)];
    f[..7].copy_from_slice(b"\x7fELF\x02\x01\x01");
    let mut put = |at: usize, bytes: &[u8]| f[at..at + bytes.len()].copy_from_slice(bytes);
    put(16, &2u16.to_le_bytes());
    put(18, &62u16.to_le_bytes());
    put(20, &1u32.to_le_bytes());
    put(24, &entry.to_le_bytes());
    put(32, &64u64.to_le_bytes());
    put(54, &56u16.to_le_bytes());
    put(56, &(rows.len() as u16).to_le_bytes());
    for (i, &(kind, flags, offset, address, file_len, memory_len, align)) in rows.iter().enumerate()
    {
        let at = HEADER_LEN + i * PROGRAM_HEADER_LEN;
        put(at, &kind.to_le_bytes());
        put(at + 4, &flags.to_le_bytes());
        for (k, v) in [offset, address, address, file_len, memory_len, align]
            .into_iter()
            .enumerate()
        {
            put(at + 8 + 8 * k, &v.to_le_bytes());
        }
    }
    f
}

const TEXT: Row = (PT_LOAD, PF_R | PF_X, 0, 0x20_0000, 0x1000, 0x1000, 0x1000);
const DATA: Row = (
    PT_LOAD,
    PF_R | PF_W,
    0x1000,
    0x20_1000,
    0x800,
    0x3000,
    0x1000,
);

fn plan(entry: u64, rows: &[Row]) -> Result<Plan, ElfError> {
    Plan::of_file(&file(entry, rows, 0x2000), USER)
}

#[test]
fn an_ordinary_program() {
    let tls = (PT_TLS, PF_R, 0x1010, 0x20_1010, 0x20, 0x48, 16);
    let stack = (0x6474_e551, PF_R | PF_W, 0, 0, 0, 0, 0);
    let p = plan(0x20_0200, &[TEXT, DATA, tls, stack]).unwrap();
    assert_eq!(p.entry, 0x20_0200);
    assert_eq!(p.headers, 0x20_0040);
    assert_eq!(p.header_count, 4);
    assert_eq!(
        p.tls,
        Some(TlsTemplate {
            address: 0x20_1010,
            image_len: 0x20,
            block_len: 0x48,
            align: 16
        })
    );
    let loaded = file(0x20_0200, &[TEXT, DATA, tls], 0x2000);
    assert_eq!(
        loaded_tls(&loaded[HEADER_LEN..HEADER_LEN + 3 * PROGRAM_HEADER_LEN]),
        p.tls
    );
    assert_eq!(
        loaded_tls(&loaded[HEADER_LEN..HEADER_LEN + 2 * PROGRAM_HEADER_LEN]),
        None
    );
    let [text, data] = p.segments() else {
        panic!("two segments, not {}", p.segments().len())
    };
    assert_eq!(text.pages(), 0x20_0000..0x20_1000);
    assert!(text.protection.execute && !text.protection.write);
    assert_eq!(data.pages(), 0x20_1000..0x20_4000);
    assert_eq!(
        (data.file_offset, data.file_len, data.memory_len),
        (0x1000, 0x800, 0x3000)
    );
    assert_eq!(p.end(), 0x20_4000);
}

#[test]
fn refusals() {
    let with = |f: fn(&mut Row)| {
        let mut row = DATA;
        f(&mut row);
        row
    };
    let cases: &[(&str, &[Row], ElfError)] = &[
        ("no load", &[(4, 4, 0, 0, 0, 0, 0)], ElfError::NoSegments),
        (
            "interpreter",
            &[TEXT, (PT_INTERP, 4, 0, 0, 0, 0, 1)],
            ElfError::Dynamic,
        ),
        (
            "file > memory",
            &[TEXT, with(|r| r.5 = 0x7ff)],
            ElfError::Segment("longer in the file than in memory"),
        ),
        (
            "past the end",
            &[TEXT, with(|r| r.2 = 0x2000)],
            ElfError::Truncated("segments"),
        ),
        (
            "offset wraps",
            &[TEXT, with(|r| r.2 = u64::MAX - 0xfff)],
            ElfError::Truncated("segments"),
        ),
        (
            "align 3",
            &[TEXT, with(|r| r.6 = 3)],
            ElfError::Segment("alignment is no power of two"),
        ),
        (
            "skewed",
            &[TEXT, with(|r| r.3 += 8)],
            ElfError::Segment("address and file offset disagree modulo the alignment"),
        ),
        (
            "kernel half",
            &[TEXT, with(|r| r.3 = 0xffff_8000_0000_1000)],
            ElfError::Segment("outside the user's addresses"),
        ),
        (
            "wraps",
            &[TEXT, with(|r| r.5 = u64::MAX - 0x1000)],
            ElfError::Segment("outside the user's addresses"),
        ),
        (
            "null page",
            &[TEXT, with(|r| r.3 = 0x1000)],
            ElfError::Segment("outside the user's addresses"),
        ),
        (
            "same page",
            &[TEXT, with(|r| r.3 = 0x20_0000)],
            ElfError::Segment("overlaps or is below the one before it"),
        ),
        (
            "descending",
            &[TEXT, with(|r| r.3 = 0x10_0000)],
            ElfError::Segment("overlaps or is below the one before it"),
        ),
        (
            "two TLS",
            &[
                TEXT,
                DATA,
                (PT_TLS, 4, 0x1000, 0x20_1000, 8, 8, 8),
                (PT_TLS, 4, 0x1000, 0x20_1000, 8, 8, 8),
            ],
            ElfError::Tls("more than one template"),
        ),
        (
            "TLS image",
            &[TEXT, DATA, (PT_TLS, 4, 0x1000, 0x20_1000, 9, 8, 8)],
            ElfError::Tls("image longer than the block"),
        ),
        (
            "TLS outside",
            &[TEXT, DATA, (PT_TLS, 4, 0x1000, 0x20_17f9, 8, 8, 8)],
            ElfError::Tls("image is not inside a loaded segment"),
        ),
        (
            "TLS align",
            &[TEXT, DATA, (PT_TLS, 4, 0x1000, 0x20_1000, 8, 8, 0x2000)],
            ElfError::Tls("alignment is no power of two up to a page"),
        ),
        (
            "TLS huge",
            &[TEXT, DATA, (PT_TLS, 4, 0x1000, 0x20_1000, 8, 1 << 40, 8)],
            ElfError::Tls("too long"),
        ),
    ];
    for (name, rows, want) in cases {
        assert_eq!(plan(0x20_0200, rows).as_ref(), Err(want), "{name}");
    }
    for entry in [0, 0x1f_ffff, 0x20_1000, u64::MAX] {
        assert_eq!(
            plan(entry, &[TEXT, DATA]),
            Err(ElfError::Entry),
            "entry {entry:#x}"
        );
    }
    let many: Vec<Row> = (0..17)
        .map(|i| (PT_LOAD, PF_R | PF_X, 0, 0x20_0000 + i * 0x1000, 0, 1, 1))
        .collect();
    assert_eq!(
        plan(0x20_0000, &many),
        Err(ElfError::TooMany("loadable segments"))
    );
    assert!(plan(0x20_0000, &many[..16]).is_ok());
}

#[test]
fn header_fields() {
    let good = file(0x20_0200, &[TEXT, DATA], 0x2000);
    let cases: &[(usize, &[u8], ElfError)] = &[
        (0, b"MZ", ElfError::NotElf),
        (4, &[1], ElfError::Foreign("not 64-bit")),
        (5, &[2], ElfError::Foreign("not little-endian")),
        (6, &[0], ElfError::Foreign("unknown ELF version")),
        (20, &[2], ElfError::Foreign("unknown ELF version")),
        (18, &[183], ElfError::Foreign("not for x86-64")),
        (16, &[1], ElfError::NotExecutable),
        (16, &[3], ElfError::NotExecutable),
        (54, &[32], ElfError::Foreign("program header size")),
        (56, &[0], ElfError::NoSegments),
        (56, &[65], ElfError::TooMany("program headers")),
        (56, &[255, 255], ElfError::TooMany("program headers")),
        (32, &[0xff; 8], ElfError::Truncated("program headers")),
        (32, &[0, 0x20], ElfError::Truncated("program headers")),
    ];
    for (at, bytes, want) in cases {
        let mut f = good.clone();
        f[*at..at + bytes.len()].copy_from_slice(bytes);
        assert_eq!(Plan::of_file(&f, USER).as_ref(), Err(want), "byte {at}");
    }
    for len in 0..HEADER_LEN {
        assert!(Header::parse(&good[..len]).is_err(), "{len} bytes");
    }
    assert_eq!(
        Plan::of_file(&good[..0x100], USER),
        Err(ElfError::Truncated("segments"))
    );
}

proptest! {
    /// Whatever the bytes: no panic, and what is accepted keeps every promise the loader relies on.
    #[test]
    fn accepted_means_safe(rows in proptest::collection::vec(
        (prop_oneof![Just(PT_LOAD), Just(PT_TLS), any::<u32>()], 0u32..8,
         0u64..0x3000, prop_oneof![0u64..0x40_0000, any::<u64>()], 0u64..0x2000, 0u64..0x8000, prop_oneof![Just(0u64), Just(1), Just(0x1000), any::<u64>()]), 1..6),
        entry in 0u64..0x40_0000)
    {
        let f = file(entry, &rows, 0x2000);
        if let Ok(p) = Plan::of_file(&f, USER) {
            let mut end = USER.start;
            for s in p.segments() {
                prop_assert!(s.pages().start >= end);
                end = s.pages().end;
                prop_assert!(s.file_len <= s.memory_len);
                prop_assert!(s.file_offset as usize + s.file_len <= f.len());
                prop_assert!(s.pages().start <= s.address && s.address + s.memory_len <= end);
            }
            prop_assert!(end <= USER.end);
            prop_assert!(p.segments().iter().any(|s| s.protection.execute && p.entry >= s.address && p.entry - s.address < s.memory_len));
            if let Some(t) = p.tls {
                prop_assert!(t.image_len <= t.block_len && t.align.is_power_of_two());
            }
        }
    }

    #[test]
    fn noise_is_refused_quietly(noise in proptest::collection::vec(any::<u8>(), 0..600)) {
        let _ = Plan::of_file(&noise, USER);
    }

    #[test]
    fn one_flipped_byte(at in 0usize..240, value: u8) {
        let mut f = file(0x20_0200, &[TEXT, DATA], 0x2000);
        f[at] = value;
        let _ = Plan::of_file(&f, USER);
    }
}
