//! Kernel files, good and bad.

use boot_core::kernel::{BadKernel, MAX_IMAGE, Plan, Segment};
use proptest::prelude::*;

const UP: u64 = 0xffff_ffff_8000_0000;
const EXEC: u32 = 5;
const DATA: u32 = 6;

#[derive(Clone, Copy)]
struct Load {
    flags: u32,
    offset: u64,
    virt: u64,
    phys: u64,
    file_len: u64,
    len: u64,
}

/// A statically linked x86-64 ELF file of 0x300 bytes, whose byte `i` above the headers is `i`.
fn elf(entry: u64, loads: &[Load]) -> Vec<u8> {
    let mut file: Vec<u8> = (0..0x300u32).map(|i| i as u8).collect();
    file[..16].copy_from_slice(b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0");
    let mut put = |at: usize, bytes: &[u8]| file[at..at + bytes.len()].copy_from_slice(bytes);
    put(16, &2u16.to_le_bytes());
    put(18, &62u16.to_le_bytes());
    put(20, &1u32.to_le_bytes());
    put(24, &entry.to_le_bytes());
    put(32, &64u64.to_le_bytes());
    put(40, &[0; 12]);
    put(52, &64u16.to_le_bytes());
    put(54, &56u16.to_le_bytes());
    put(56, &(loads.len() as u16).to_le_bytes());
    put(58, &[64, 0, 0, 0, 0, 0]);
    for (i, load) in loads.iter().enumerate() {
        let at = 64 + 56 * i;
        put(at, &1u32.to_le_bytes());
        put(at + 4, &load.flags.to_le_bytes());
        let words = [
            load.offset,
            load.virt,
            load.phys,
            load.file_len,
            load.len,
            4096,
        ];
        for (j, word) in words.iter().enumerate() {
            put(at + 8 + 8 * j, &word.to_le_bytes());
        }
    }
    file
}

const TEXT: Load = Load {
    flags: EXEC,
    offset: 0x200,
    virt: UP + 0x20_1000,
    phys: 0x20_1000,
    file_len: 0x80,
    len: 0x80,
};
const BSS: Load = Load {
    flags: DATA,
    offset: 0x280,
    virt: UP + 0x20_2010,
    phys: 0x20_2010,
    file_len: 8,
    len: 0x2000,
};
const STUB: Load = Load {
    flags: EXEC,
    offset: 0x180,
    virt: 0x20_0000,
    phys: 0x20_0000,
    file_len: 0x10,
    len: 0x10,
};

#[test]
fn a_kernel_with_a_stub_is_laid_out_by_physical_address() {
    let file = elf(TEXT.virt + 4, &[TEXT, BSS, STUB]);
    let plan = Plan::new(&file).unwrap();
    assert_eq!(plan.entry, TEXT.virt + 4);
    assert_eq!(plan.size, 0x5000);
    let segment = |load: Load, virt| Segment {
        file: load.offset as usize..(load.offset + load.file_len) as usize,
        offset: load.phys - 0x20_0000,
        len: load.len,
        virt,
    };
    assert_eq!(
        plan.segments,
        [
            segment(STUB, None),
            segment(TEXT, Some(TEXT.virt)),
            segment(BSS, Some(BSS.virt))
        ]
    );

    let mut image = vec![0xaa; plan.size as usize];
    plan.load(&file, &mut image);
    assert_eq!(image[..0x10], file[0x180..0x190]);
    assert_eq!(image[0x1000..0x1080], file[0x200..0x280]);
    assert_eq!(image[0x2010..0x2018], file[0x280..0x288]);
    let zeros = image.iter().filter(|&&byte| byte == 0).count();
    let filled = file[0x180..0x190]
        .iter()
        .chain(&file[0x200..0x288])
        .filter(|&&b| b != 0)
        .count();
    assert_eq!(zeros, image.len() - filled);
}

#[test]
fn a_bad_kernel_is_named() {
    let with = |change: fn(&mut Load)| {
        let mut text = TEXT;
        change(&mut text);
        elf(TEXT.virt, &[text])
    };
    let good = || elf(TEXT.virt, &[TEXT]);
    let patched = |at: usize, value: u8| {
        let mut file = good();
        file[at] = value;
        file
    };
    let cases: Vec<(&str, Vec<u8>, BadKernel)> = vec![
        ("empty", vec![], BadKernel::NotElf),
        ("text", b"#!/bin/sh\n".repeat(20), BadKernel::NotElf),
        (
            "cut in the program headers",
            good()[..100].to_vec(),
            BadKernel::NotElf,
        ),
        ("32-bit", patched(4, 1), BadKernel::WrongMachine),
        ("big-endian", patched(5, 2), BadKernel::WrongMachine),
        ("AArch64", patched(18, 183), BadKernel::WrongMachine),
        (
            "position-independent",
            patched(16, 3),
            BadKernel::NotExecutable,
        ),
        ("relocatable", patched(16, 1), BadKernel::NotExecutable),
        ("no segments", elf(TEXT.virt, &[]), BadKernel::Empty),
        (
            "only empty segments",
            with(|t| (t.len, t.file_len) = (0, 0)),
            BadKernel::Empty,
        ),
        (
            "contents past the end",
            with(|t| t.offset = 0x2c0),
            BadKernel::BadContents(TEXT.virt),
        ),
        (
            "contents wrap",
            with(|t| t.offset = u64::MAX),
            BadKernel::BadContents(TEXT.virt),
        ),
        (
            "more file than memory",
            with(|t| t.len = 0x7f),
            BadKernel::BadContents(TEXT.virt),
        ),
        (
            "pages do not match",
            with(|t| t.phys += 1),
            BadKernel::BadAddress(TEXT.virt),
        ),
        (
            "virtual wrap",
            with(|t| t.len = 0x8000_0000),
            BadKernel::BadAddress(TEXT.virt),
        ),
        (
            "physical wrap",
            with(|t| (t.phys, t.len) = (u64::MAX - 0xfff, 0x1001)),
            BadKernel::BadAddress(TEXT.virt),
        ),
        (
            "overlap",
            elf(
                TEXT.virt,
                &[
                    TEXT,
                    Load {
                        virt: TEXT.virt + 0x7f,
                        phys: TEXT.phys + 0x7f,
                        ..BSS
                    },
                ],
            ),
            BadKernel::Overlap(TEXT.virt + 0x7f),
        ),
        (
            "too big",
            elf(
                TEXT.virt,
                &[
                    TEXT,
                    Load {
                        phys: TEXT.phys + MAX_IMAGE,
                        virt: BSS.virt - 0x10,
                        ..BSS
                    },
                ],
            ),
            BadKernel::TooBig(MAX_IMAGE + 0x2000),
        ),
        (
            "entry outside",
            elf(TEXT.virt + 0x80, &[TEXT]),
            BadKernel::BadEntry(TEXT.virt + 0x80),
        ),
        (
            "entry in data",
            elf(BSS.virt, &[TEXT, BSS]),
            BadKernel::BadEntry(BSS.virt),
        ),
        (
            "entry in the stub",
            elf(STUB.virt, &[STUB, TEXT]),
            BadKernel::BadEntry(STUB.virt),
        ),
    ];
    for (name, file, error) in cases {
        assert_eq!(Plan::new(&file), Err(error), "{name}");
    }
}

proptest! {
    #[test]
    fn damage_never_panics(at in 0usize..0x300, value in any::<u8>(), cut in 0usize..0x300) {
        let mut file = elf(TEXT.virt, &[TEXT, BSS, STUB]);
        file[at] = value;
        file.truncate(0x300 - cut % 0x20);
        if let Ok(plan) = Plan::new(&file) {
            prop_assert!(plan.size <= MAX_IMAGE + 4096);
            let mut image = vec![0; plan.size as usize];
            plan.load(&file, &mut image);
            for segment in &plan.segments {
                prop_assert!(segment.offset + segment.len <= plan.size);
            }
        }
    }
}
