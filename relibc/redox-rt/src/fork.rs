//! A copy of the process.

use cap_abi::Rights;
use syscall::error::{Error, Result};
use syscall::{ESRCH, EnvRegisters};

use crate::context::Context;
use crate::fd::Fd;
use crate::signal::again;
use crate::tcb::Tcb;
use crate::{process, signal};

/// Which of the two processes this is.
#[derive(Debug)]
pub enum Forked {
    /// The one that called.
    Parent,
    /// The new one.
    Child,
}

/// What the copying needs while the registers are saved on the stack.
struct Job<'a> {
    context: &'a Context,
    process: Option<&'a Fd>,
    result: Result<()>,
}

/// Makes `context`, which is new and has neither address space nor descriptors, a copy of the calling
/// process: its memory copied on write, its descriptors, this thread's registers. `process` is the
/// child's process descriptor, if there is a manager; the child has it where the parent has its own.
///
/// The child has one thread, the calling one; what other threads held stays held in it.
pub fn fork_into(context: &Context, process: Option<&Fd>) -> Result<Forked> {
    let mut job = Job {
        context,
        process,
        result: Ok(()),
    };
    let inhibited = Tcb::current().is_some_and(signal::is_inhibited);
    // SAFETY: `copy` is called with the job, which outlives the call.
    let answer = unsafe { fork_point(copy, &raw mut job) };
    if answer == 0 {
        // The child's descriptors have the parent's numbers; only cached facts differ.
        process::set_process_fd(process::process_fd());
        if let Some(tcb) = Tcb::current()
            && !inhibited
        {
            // The copy was made while nothing could be delivered.
            signal::allow_delivery(tcb);
        }
        return Ok(Forked::Child);
    }
    job.result.map(|()| Forked::Parent)
}

/// Saves what a called function must preserve, calls `copy(job, stack pointer)`, and returns 1; in the
/// child, which starts at the second half with that stack pointer, it returns 0.
#[unsafe(naked)]
unsafe extern "C" fn fork_point(
    copy: unsafe extern "C" fn(*mut Job<'_>, usize),
    job: *mut Job<'_>,
) -> usize {
    core::arch::naked_asm!(
        "push rbp",
        "push rbx",
        "push r12",
        "push r13",
        "push r14",
        "push r15",
        "sub rsp, 8",
        "stmxcsr [rsp]",
        "fnstcw [rsp + 4]",
        "mov rax, rdi",
        "mov rdi, rsi",
        "mov rsi, rsp",
        "call rax",
        "mov eax, 1",
        "jmp 2f",
        ".globl __redox_rt_fork_child",
        "__redox_rt_fork_child:",
        "xor eax, eax",
        "2:",
        "ldmxcsr [rsp]",
        "fldcw [rsp + 4]",
        "add rsp, 8",
        "pop r15",
        "pop r14",
        "pop r13",
        "pop r12",
        "pop rbx",
        "pop rbp",
        "ret",
    )
}

unsafe extern "C" {
    fn __redox_rt_fork_child();
}

/// # Safety
/// `job` must be valid; `sp` the stack pointer that [`fork_point`] continues with.
unsafe extern "C" fn copy(job: *mut Job<'_>, sp: usize) {
    // SAFETY: the caller's contract; in the child's copy of memory this reference is not used.
    let job = unsafe { &mut *job };
    job.result = signal::without_delivery(|| copy_process(job.context, job.process, sp));
}

fn copy_process(context: &Context, process: Option<&Fd>, sp: usize) -> Result<()> {
    let tcb = Tcb::current().ok_or(Error::new(ESRCH))?;
    let own = tcb.thread_fd().ok_or(Error::new(ESRCH))?;
    let new = context.get();
    new.set_attributes_if_kernel(own, process)?;
    let own_table = own.file_table()?;
    let table = own_table.copy()?;
    // What the copy should not have: this function's own handles.
    for number in [
        Some(own_table.fd().raw()),
        Some(context.fd().raw()),
        process.map(Fd::raw),
    ]
    .into_iter()
    .flatten()
    {
        table.close_number(number)?;
    }
    table.grant(
        context.fd().raw(),
        own.raw(),
        Rights::FULL.difference(Rights::ATTR),
    )?;
    if let (Some(process), Some(number)) = (process, process::process_fd()) {
        table.grant(process.raw(), number, Rights::FULL)?;
    }
    new.set_file_table(&table)?;
    new.set_env_registers(&EnvRegisters {
        fsbase: tcb.address() as u64,
        gsbase: 0,
    })?;
    let space = again(|| own.address_space()?.copy())?;
    signal::forget_pending_in(&space, tcb)?;
    new.switch_address_space(&space, sp, __redox_rt_fork_child as *const () as usize)?;
    // After the switch: handlers are handlers of an address space.
    again(|| signal::register_copy(new, process))?;
    new.start()
}
