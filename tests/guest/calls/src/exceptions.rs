//! What the CPU refuses: every kind of exception ends the context with its cause on record, or goes to
//! the handler.

use core::arch::asm;
use core::sync::atomic::Ordering::SeqCst;

use guest_test::{Outcome, check, check_eq};
use redox_rt::context::{Context, Status};
use redox_rt::{Result, sys};
use syscall::flag::*;
use syscall::{IntRegisters, PAGE_SIZE};

use crate::world::*;

pub fn run() -> i32 {
    guest_test::run!["exceptions" =>
        each_kind_is_reported, faults_tell_where, wild_registers_end_only_their_context,
        others_go_on_meanwhile,
    ]
}

const DIVIDE: usize = 0;
const DEBUG: usize = 1;
const BREAKPOINT: usize = 3;
const INVALID_OPCODE: usize = 6;
const PROTECTION: usize = 13;
const PAGE_FAULT: usize = 14;
const ALIGNMENT: usize = 17;
const SIMD: usize = 19;

/// How a process ends that does `body`: the exception's kind, code and address.
fn end_of(body: fn()) -> Result<Option<(usize, usize, usize)>> {
    let process = Process::start(|| {
        body();
        0
    })?;
    Ok(match process.wait()? {
        Status::Exception {
            kind,
            code,
            address,
        } => Some((kind, code, address)),
        _ => None,
    })
}

fn divide() {
    // SAFETY: raises the exception that the case is about; so do the others.
    unsafe {
        asm!("xor ecx, ecx", "xor edx, edx", "mov eax, 1", "div ecx", out("eax") _, out("ecx") _, out("edx") _)
    }
}
fn breakpoint() {
    // SAFETY: as above.
    unsafe { asm!("int3") }
}
fn undefined() {
    // SAFETY: as above.
    unsafe { asm!("ud2") }
}
fn halt() {
    // SAFETY: as above.
    unsafe { asm!("hlt") }
}
fn port() {
    // SAFETY: as above.
    unsafe { asm!("out 0x80, al", in("al") 0_u8) }
}
fn disable_interrupts() {
    // SAFETY: as above.
    unsafe { asm!("cli") }
}
fn software_interrupt() {
    // SAFETY: as above.
    unsafe { asm!("int 0x30") }
}
fn page_fault_vector() {
    // SAFETY: as above.
    unsafe { asm!("int 14") }
}
fn noncanonical() {
    let _ = peek(0x8000_0000_0000_0000 >> 1);
}
fn read_msr() {
    // SAFETY: as above.
    unsafe { asm!("rdmsr", in("ecx") 0xc000_0080_u32, out("eax") _, out("edx") _) }
}
fn write_control() {
    // SAFETY: as above.
    unsafe { asm!("mov cr0, {}", in(reg) 0_usize) }
}
fn single_step() {
    // SAFETY: as above.
    unsafe { asm!("pushfq", "or qword ptr [rsp], 0x100", "popfq", "nop", "nop") }
}
fn unaligned() {
    let words = [0_u64; 2];
    // SAFETY: as above.
    unsafe {
        asm!("pushfq", "or qword ptr [rsp], 0x40000", "popfq", "mov rax, [{} + 1]",
            in(reg) words.as_ptr(), out("rax") _)
    }
}
fn simd() {
    let control = 0x1f80_u32 & !(1 << 9);
    // SAFETY: as above.
    unsafe {
        asm!("ldmxcsr [{}]", "xorps xmm0, xmm0", "mov eax, 1", "cvtsi2ss xmm1, eax", "divss xmm1, xmm0",
            in(reg) &raw const control, out("eax") _, out("xmm0") _, out("xmm1") _)
    }
}

fn each_kind_is_reported() -> Outcome {
    let mut wrong = 0;
    type Row = (&'static str, fn(), &'static [usize]);
    let cases: &[Row] = &[
        ("divide", divide, &[DIVIDE]),
        ("breakpoint", breakpoint, &[BREAKPOINT]),
        ("undefined", undefined, &[INVALID_OPCODE]),
        ("halt", halt, &[PROTECTION]),
        ("port", port, &[PROTECTION]),
        ("cli", disable_interrupts, &[PROTECTION]),
        ("int 0x30", software_interrupt, &[PROTECTION]),
        ("int 14", page_fault_vector, &[PROTECTION]),
        ("non-canonical", noncanonical, &[PROTECTION]),
        ("rdmsr", read_msr, &[PROTECTION]),
        ("mov cr0", write_control, &[PROTECTION]),
        ("single step", single_step, &[DEBUG]),
    ];
    for (name, body, kinds) in cases {
        match end_of(*body)? {
            Some((kind, ..)) if kinds.contains(&kind) => {}
            other => {
                redox_rt::println!("  {name}: {other:?}");
                wrong += 1;
            }
        }
    }
    check_eq!(wrong, 0);
    // Emulators need not check alignment, nor raise what vector instructions can.
    for (body, expected) in [(unaligned as fn(), ALIGNMENT), (simd, SIMD)] {
        let end = end_of(body)?;
        check!(end.is_none_or(|(kind, ..)| kind == expected), "{end:?}");
    }
    Ok(())
}

fn faults_tell_where() -> Outcome {
    let read_only = anonymous(PAGE_SIZE, MAP_PRIVATE | PROT_READ)?;
    let code = anonymous(PAGE_SIZE, MAP_PRIVATE | PROT_READ | PROT_WRITE)?;
    let fault = |body: &dyn Fn()| -> Result<Option<(usize, usize, usize)>> {
        let process = Process::start(|| {
            body();
            0
        })?;
        Ok(match process.wait()? {
            Status::Exception {
                kind,
                code,
                address,
            } => Some((kind, code, address)),
            _ => None,
        })
    };
    // Bits of the code: present, write, user, fetch.
    check_eq!(
        fault(&|| {
            let _ = peek(0x1238);
        })?,
        Some((PAGE_FAULT, 0b100, 0x1238))
    );
    check_eq!(
        fault(&|| poke(0x1238, 1))?,
        Some((PAGE_FAULT, 0b110, 0x1238))
    );
    let kernel = 0xffff_8000_0000_0008;
    let end = fault(&|| {
        let _ = peek(kernel);
    })?;
    check!(
        matches!(end, Some((PAGE_FAULT, _, address)) if address == kernel),
        "{end:?}"
    );
    let end = fault(&|| poke(read_only + 8, 1))?;
    check!(
        matches!(end, Some((PAGE_FAULT, code, address)) if address == read_only + 8 && code & 2 != 0),
        "{end:?}"
    );
    poke(code, 0xc3);
    let end = fault(&|| {
        // SAFETY: the page cannot be executed; the call faults.
        let function: extern "C" fn() = unsafe { core::mem::transmute(code) };
        function();
    })?;
    check!(
        matches!(end, Some((PAGE_FAULT, bits, address)) if address == code && bits & 16 != 0),
        "{end:?}"
    );
    protect(code, PAGE_SIZE, PROT_READ | PROT_EXEC)?;
    check_eq!(
        fault(&|| {
            // SAFETY: the page holds a return instruction.
            let function: extern "C" fn() = unsafe { core::mem::transmute(code) };
            function();
        })?,
        None
    );
    unmap(code, PAGE_SIZE)?;
    Ok(unmap(read_only, PAGE_SIZE)?)
}

/// Contexts with registers that no program could have: whatever becomes of them, it stays with them.
fn wild_registers_end_only_their_context() -> Outcome {
    leaves_nothing(|| {
        let wild = [
            IntRegisters {
                rip: 1 << 63,
                ..Default::default()
            },
            IntRegisters {
                rip: 0x0000_8000_0000_0000,
                ..Default::default()
            },
            IntRegisters {
                rip: 0x0000_7fff_ffff_ffff,
                ..Default::default()
            },
            IntRegisters {
                rip: usize::MAX,
                rsp: usize::MAX,
                ..Default::default()
            },
            IntRegisters {
                rip: 0xffff_8000_0000_0000,
                rsp: 0xffff_8000_0000_1000,
                ..Default::default()
            },
            IntRegisters {
                rip: 0x1000,
                cs: 0x8,
                ss: 0x10,
                rflags: usize::MAX,
                ..Default::default()
            },
            IntRegisters {
                cs: usize::MAX,
                ss: usize::MAX,
                ..Default::default()
            },
        ];
        for registers in wild {
            let context = Context::new(&world().proc)?;
            let space = redox_rt::context::AddressSpace::new(&world().proc)?;
            context
                .get()
                .switch_address_space(&space, registers.rsp, registers.rip)?;
            context.get().set_int_registers(&registers)?;
            let read = context.get().int_registers()?;
            check!(
                read.cs & 3 == 3 && read.ss & 3 == 3,
                "{:#x} {:#x}",
                read.cs,
                read.ss
            );
            check_eq!(read.rflags & 0x3000, 0, "I/O privilege");
            context.get().start()?;
            let end = redox_rt::event::wait_for_end(&world().event, context.get())?;
            check!(
                matches!(
                    end,
                    Status::Exception {
                        kind: PROTECTION | PAGE_FAULT,
                        ..
                    }
                ),
                "{end:?}"
            );
        }
        Ok(())
    })
}

/// Crashes in a row, while another process counts.
fn others_go_on_meanwhile() -> Outcome {
    leaves_nothing(|| {
        let words = words()?;
        let counter = Process::start(|| {
            loop {
                words[0].fetch_add(1, SeqCst);
                sys::sched_yield();
            }
        })?;
        for _ in 0..20 {
            let before = words[0].load(SeqCst);
            check!(matches!(end_of(undefined)?, Some((INVALID_OPCODE, ..))));
            until("the other process counts", || {
                Ok(words[0].load(SeqCst) > before)
            })?;
        }
        drop(counter);
        Ok(forget_words(words)?)
    })
}
