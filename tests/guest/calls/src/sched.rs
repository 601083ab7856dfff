//! Who runs, and what of a context survives that others run in between.

use core::arch::asm;
use core::sync::atomic::Ordering::SeqCst;

use alloc::vec::Vec;
use guest_test::{Outcome, check, check_eq};
use redox_rt::context::Status;
use redox_rt::{Result, sys};
use syscall::flag::*;
use syscall::{PAGE_SIZE, SYS_YIELD};

use crate::world::*;

pub fn run() -> i32 {
    guest_test::run!["sched" =>
        spinning_processes_share_the_cpu, no_priority_starves_another, who_yields_goes_behind_all_others, vector_registers_survive,
        general_registers_survive_a_call, odd_flags_do_not_reach_the_kernel, odd_stacks_do_not_matter,
        segments_are_the_programs, a_call_at_the_end_of_memory_comes_back,
    ]
}

fn spinning_processes_share_the_cpu() -> Outcome {
    leaves_nothing(|| {
        let counters = words()?;
        let all: Vec<_> = (0..3_usize)
            .map(|n| {
                Process::start(|| {
                    loop {
                        counters[n].fetch_add(1, SeqCst);
                    }
                })
            })
            .collect::<Result<_>>()?;
        for _ in 0..3 {
            let before = [0, 1, 2].map(|n| counters[n].load(SeqCst));
            until("all count", || {
                Ok((0..3).all(|n| counters[n].load(SeqCst) > before[n]))
            })?;
        }
        drop(all);
        Ok(forget_words(counters)?)
    })
}

fn no_priority_starves_another() -> Outcome {
    leaves_nothing(|| {
        let counters = words()?;
        let all: Vec<_> = [0_u32, 10, 39]
            .into_iter()
            .enumerate()
            .map(|(n, priority)| {
                let process = Process::start(|| {
                    loop {
                        counters[n].fetch_add(1, SeqCst);
                    }
                })?;
                let mut attributes = process.context().attributes()?;
                attributes.prio = priority;
                process.context().set_attributes(&attributes)?;
                Ok(process)
            })
            .collect::<Result<_>>()?;
        for _ in 0..3 {
            let before = [0, 1, 2].map(|n| counters[n].load(SeqCst));
            until("all count", || {
                Ok((0..3).all(|n| counters[n].load(SeqCst) > before[n]))
            })?;
        }
        drop(all);
        Ok(forget_words(counters)?)
    })
}

/// Others that are ready run before the one that yields does again, even those that have used up their
/// time of this round.
fn who_yields_goes_behind_all_others() -> Outcome {
    leaves_nothing(|| {
        let ran = words()?;
        for _ in 0..20 {
            ran[0].store(0, SeqCst);
            let process = Process::start(|| {
                ran[0].store(1, SeqCst);
                0
            })?;
            // As many as time slices that it needs, on a slow machine.
            let mut yields = 0;
            while ran[0].load(SeqCst) == 0 {
                check!(yields < 50, "it has not run");
                sys::sched_yield();
                yields += 1;
            }
            process.succeeds()?;
        }
        Ok(forget_words(ran)?)
    })
}

/// Fills vector and x87 registers with a pattern, lets others run, and looks. 0 if all is as it was.
fn keep_vectors(seed: u64) -> i32 {
    for round in 0..2000_u64 {
        let value = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(round);
        let (first, last, x87): (u64, u64, u64);
        let mut stored = 0_u64;
        // SAFETY: all registers that are changed are declared; the x87 stack is left empty.
        unsafe {
            asm!(
                "movq xmm0, {v}", "movq xmm15, {v}", "pinsrq xmm15, {v}, 1",
                "mov [{m}], {v}", "fild qword ptr [{m}]",
                "mov eax, {number}", "syscall",
                "mov ecx, 2000", "3: dec ecx", "jnz 3b",
                "fistp qword ptr [{m}]",
                "movq {a}, xmm0", "pextrq {b}, xmm15, 1",
                v = in(reg) value >> 1, m = in(reg) &raw mut stored, number = const SYS_YIELD,
                a = lateout(reg) first, b = lateout(reg) last,
                out("rax") _, out("rcx") _, out("r11") _, out("xmm0") _, out("xmm15") _,
                out("st(0)") _, out("st(1)") _, out("st(2)") _, out("st(3)") _,
                out("st(4)") _, out("st(5)") _, out("st(6)") _, out("st(7)") _,
            );
        }
        x87 = stored;
        if [first, last, x87] != [value >> 1; 3] {
            return 1;
        }
    }
    0
}

fn vector_registers_survive() -> Outcome {
    leaves_nothing(|| {
        let all: Vec<_> = (1..=4)
            .map(|seed| Process::start(|| keep_vectors(seed)))
            .collect::<Result<_>>()?;
        for process in &all {
            process.succeeds()?;
        }
        Ok(())
    })
}

fn general_registers_survive_a_call() -> Outcome {
    for number in [SYS_YIELD, syscall::SYS_CLOCK_GETTIME, syscall::SYS_CLOSE, 0] {
        let mut kept = [0_usize; 12];
        // SAFETY: the calls get arguments that are harmless or refused; what is changed is declared.
        unsafe {
            asm!(
                "push rbx", "push rbp",
                "mov rdi, 1001", "mov rsi, 1002", "mov rdx, 1003", "mov r10, 1004", "mov r8, 1005",
                "mov r9, 1006", "mov rbx, 1007", "mov rbp, 1008", "mov r13, 1009", "mov r14, 1010",
                "mov r15, 1011",
                "syscall",
                "mov [r12], rdi", "mov [r12 + 8], rsi", "mov [r12 + 16], rdx", "mov [r12 + 24], r10",
                "mov [r12 + 32], r8", "mov [r12 + 40], r9", "mov [r12 + 48], rbx", "mov [r12 + 56], rbp",
                "mov [r12 + 64], r13", "mov [r12 + 72], r14", "mov [r12 + 80], r15",
                "pop rbp", "pop rbx",
                inlateout("rax") number => _, in("r12") kept.as_mut_ptr(),
                out("rdi") _, out("rsi") _, out("rdx") _, out("r10") _, out("r8") _, out("r9") _,
                out("r13") _, out("r14") _, out("r15") _, out("rcx") _, out("r11") _,
            );
        }
        check_eq!(
            kept[..11],
            [
                1001, 1002, 1003, 1004, 1005, 1006, 1007, 1008, 1009, 1010, 1011
            ]
        );
    }
    Ok(())
}

/// The direction flag, the nested-task flag and the alignment-check flag, set by a program at a call.
fn odd_flags_do_not_reach_the_kernel() -> Outcome {
    leaves_nothing(|| {
        for flag in [1_usize << 10, 1 << 14, 1 << 18, 1 << 21] {
            elsewhere(|| {
                let (read, write) = pipe()?;
                let from = [0x5a_u8; 600];
                let mut into = [0_u8; 600];
                let call = |number: usize, fd: usize, buffer: usize| {
                    let result: usize;
                    // SAFETY: the buffers have that length; the flags are put back before Rust goes on.
                    unsafe {
                        asm!(
                            "pushfq", "or [rsp], {flag}", "popfq", "syscall",
                            "pushfq", "and qword ptr [rsp], {clear}", "popfq",
                            flag = in(reg) flag, clear = const !0x24_4400_i32,
                            inlateout("rax") number => result,
                            in("rdi") fd, in("rsi") buffer, in("rdx") 600, out("rcx") _, out("r11") _,
                        );
                    }
                    result
                };
                check_eq!(
                    call(syscall::SYS_WRITE, write.raw(), from.as_ptr() as usize),
                    600
                );
                check_eq!(call(syscall::SYS_YIELD, 0, 0), 0);
                check_eq!(
                    call(syscall::SYS_READ, read.raw(), into.as_mut_ptr() as usize),
                    600
                );
                check_eq!(into, from, "flag {flag:#x}");
                Ok(())
            })?;
        }
        Ok(())
    })
}

fn odd_stacks_do_not_matter() -> Outcome {
    for stack in [0_usize, 8, 1 << 47, 0xffff_8000_0000_0000, usize::MAX] {
        for number in [SYS_YIELD, 0] {
            // SAFETY: nothing uses the stack until its pointer is back.
            unsafe {
                asm!(
                    "mov r12, rsp", "mov rsp, {stack}", "syscall", "mov rsp, r12",
                    stack = in(reg) stack, inlateout("rax") number => _,
                    out("r12") _, out("rcx") _, out("r11") _,
                );
            }
        }
    }
    Ok(())
}

/// A program may load its segment registers; the kernel finds its own data all the same.
fn segments_are_the_programs() -> Outcome {
    leaves_nothing(|| {
        elsewhere(|| {
            for _ in 0..100 {
                // SAFETY: GS is not used by the run-time, DS and ES not by 64-bit code.
                unsafe {
                    asm!("xor eax, eax", "mov gs, ax", "mov ds, ax", "mov es, ax",
                        "mov eax, {number}", "syscall",
                        number = const SYS_YIELD, out("rax") _, out("rcx") _, out("r11") _);
                }
                let _ = now()?;
            }
            Ok(())
        })
    })
}

/// The address behind the last instruction of user memory is no address to return to.
fn a_call_at_the_end_of_memory_comes_back() -> Outcome {
    leaves_nothing(|| {
        const LAST: usize = 0x7fff_ffff_e000;
        let process = Process::start(|| {
            let flags = MAP_PRIVATE | PROT_READ | PROT_WRITE | MAP_FIXED;
            let Ok(page) = map(sys::ANONYMOUS, 0, LAST, PAGE_SIZE, flags) else {
                return 1;
            };
            // SAFETY: the last two bytes of the page: a system call.
            unsafe {
                core::ptr::with_exposed_provenance_mut::<u16>(page + PAGE_SIZE - 2).write(0x050f);
            }
            if protect(page, PAGE_SIZE, PROT_READ | PROT_EXEC).is_err() {
                return 2;
            }
            // SAFETY: does not come back.
            unsafe {
                asm!("jmp {}", in(reg) page + PAGE_SIZE - 2, in("rax") SYS_YIELD, options(noreturn));
            }
        })?;
        let end = process.wait()?;
        check!(
            matches!(end, Status::Exception { kind: 13 | 14, .. }),
            "{end:?}"
        );
        Ok(())
    })
}
