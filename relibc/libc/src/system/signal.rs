//! `<signal.h>` on `redox_rt::signal`.

use core::ffi::{c_char, c_int, c_void};

use cap_abi::auxv;
use redox_rt::signal as rt;
use redox_rt::start::Start;
use redox_rt::{Error, Result, process};
use rt_core::signal::{Action, Handler, flags};
use syscall::{EAGAIN, EINVAL, TimeSpec};

use super::thread::cancel::{self, cancellable, is_wanted};
use super::{code, fail, unit};
use crate::sys::Timespec;

/// `si_code` of `sigqueue`'s signals and of a timer's.
const SI_QUEUE: c_int = -1;
pub(crate) const SI_TIMER: c_int = -2;

pub(crate) fn set(start: &Start) -> Result<()> {
    let mask = |tag| start.aux(tag).unwrap_or(0) as u64;
    rt::init(
        mask(auxv::AT_REDOX_SIGIGN),
        mask(auxv::AT_REDOX_SIGPROCMASK),
    )?;
    let pending = mask(auxv::AT_CUPRITE_SIGPENDING);
    if pending != 0 {
        rt::keep_pending(pending);
    }
    Ok(())
}

fn to_action(a: &libc::sigaction) -> Action {
    Action {
        handler: Handler::from_c(a.sa_sigaction),
        flags: a.sa_flags as u32,
        mask: a.sa_mask,
    }
}

fn to_c(a: &Action) -> libc::sigaction {
    // SAFETY: all bytes zero is valid.
    let mut out: libc::sigaction = unsafe { core::mem::zeroed() };
    out.sa_sigaction = a.handler.to_c();
    out.sa_flags = a.flags as c_int;
    out.sa_mask = a.mask;
    out
}

fn change_mask(how: c_int, new: *const u64, old: *mut u64) -> Result<()> {
    // SAFETY: the caller's sets, or null.
    unsafe {
        // The library's own signal is nobody's to block.
        let own = bit(cancel::SIGNAL)?;
        let before = rt::sigmask(new.as_ref().map(|&set| (how, set & !own)))?;
        if let Some(old) = old.as_mut() {
            *old = before;
        }
    }
    Ok(())
}

/// Runs `wait` with another mask, and tells it how many handlers had run before: it must not wait if there are
/// more. `EINTR` if a signal was pending that the mask lets through.
pub(crate) fn with_mask<T>(mask: *const u64, wait: impl FnOnce(usize) -> Result<T>) -> Result<T> {
    let handlers = rt::handlers_run();
    // SAFETY: the caller's set, or null.
    let Some(&mask) = (unsafe { mask.as_ref() }) else {
        return wait(handlers);
    };
    let before = rt::sigmask(Some((libc::SIG_SETMASK, mask)))?;
    // Whoever waits for that signal would wait for another one.
    let result = if rt::handlers_run() == handlers {
        wait(handlers)
    } else {
        fail(syscall::EINTR)
    };
    rt::sigmask(Some((libc::SIG_SETMASK, before)))?;
    result
}

/// Ends the process by `SIGABRT`, whatever its handler does.
pub(crate) fn abort() -> ! {
    let set = bit(libc::SIGABRT).unwrap_or(0);
    let _ = rt::sigmask(Some((libc::SIG_UNBLOCK, set)));
    let _ = rt::raise(libc::SIGABRT);
    // The handler came back, or there is none.
    let _ = rt::sigaction(libc::SIGABRT, Some(&Action::DEFAULT));
    let _ = rt::raise(libc::SIGABRT);
    redox_rt::exit::exit_with_status(rt_core::wait::signaled(libc::SIGABRT as u8))
}

fn bit(signal: c_int) -> Result<u64> {
    rt_core::signal::number(signal)
        .map(rt_core::signal::bit)
        .map_err(Error::new)
}

unsafe fn wait_for(
    set: *const u64,
    info: *mut libc::siginfo_t,
    limit: Option<TimeSpec>,
) -> Result<c_int> {
    let taken = cancellable(|| rt::wait_for_unless(is_wanted, *set, limit.as_ref()))?;
    if !info.is_null() {
        let mut out: libc::siginfo_t = core::mem::zeroed();
        out.si_signo = taken.signal;
        out.si_code = taken.code;
        out.si_pid = taken.pid;
        out.si_uid = taken.uid as c_int;
        out.si_addr = taken.address as *mut c_void;
        out.si_status = taken.status;
        out.si_value = libc::sigval {
            sival_ptr: taken.value as *mut c_void,
        };
        info.write(out);
    }
    Ok(taken.signal)
}

fn suspend(mask: u64) -> Result<()> {
    cancellable(|| Err(rt::sigsuspend_unless(is_wanted, mask)))
}

unsafe fn print(signal: c_int, prefix: *const c_char) {
    let text = core::ffi::CStr::from_ptr(crate::string::strsignal(signal)).to_bytes();
    let text = text.escape_ascii();
    if prefix.is_null() || *prefix == 0 {
        redox_rt::eprintln!("{text}");
    } else {
        redox_rt::eprintln!(
            "{}: {text}",
            core::ffi::CStr::from_ptr(prefix).to_bytes().escape_ascii()
        );
    }
}

c_api! {
    fn sigemptyset(set: *mut u64) -> c_int { set.write(0); 0 }
    fn sigfillset(set: *mut u64) -> c_int { set.write(!0); 0 }
    fn sigaddset(set: *mut u64, signal: c_int) -> c_int { unit(bit(signal).map(|b| *set |= b)) }
    fn sigdelset(set: *mut u64, signal: c_int) -> c_int { unit(bit(signal).map(|b| *set &= !b)) }
    fn sigismember(set: *const u64, signal: c_int) -> c_int {
        super::int(bit(signal).map(|b| usize::from(*set & b != 0)))
    }
    fn sigaction(signal: c_int, new: *const libc::sigaction, old: *mut libc::sigaction) -> c_int {
        let new = new.as_ref().map(to_action);
        unit(rt::sigaction(signal, new.as_ref()).map(|before| {
            if let Some(old) = old.as_mut() {
                *old = to_c(&before);
            }
        }))
    }
    fn signal(signal: c_int, handler: usize) -> usize {
        let new = Action { handler: Handler::from_c(handler), flags: flags::SA_RESTART, mask: 0 };
        match rt::sigaction(signal, Some(&new)) {
            Ok(before) => before.handler.to_c(),
            Err(e) => { super::report(e); libc::SIG_ERR }
        }
    }
    fn siginterrupt(signal: c_int, interrupt: c_int) -> c_int {
        unit(rt::sigaction(signal, None).and_then(|mut action| {
            if interrupt != 0 { action.flags &= !flags::SA_RESTART } else { action.flags |= flags::SA_RESTART }
            rt::sigaction(signal, Some(&action)).map(drop)
        }))
    }
    fn sigprocmask(how: c_int, new: *const u64, old: *mut u64) -> c_int { unit(change_mask(how, new, old)) }
    fn pthread_sigmask(how: c_int, new: *const u64, old: *mut u64) -> c_int { code(change_mask(how, new, old)) }
    fn sigpending(set: *mut u64) -> c_int {
        let mut blocked = 0;
        unit(change_mask(libc::SIG_BLOCK, core::ptr::null(), &mut blocked).map(|()| set.write(rt::sigpending() & blocked)))
    }
    fn sigsuspend(set: *const u64) -> c_int { unit(suspend(*set)) }
    fn pause() -> c_int {
        let mut mask = 0;
        unit(change_mask(libc::SIG_BLOCK, core::ptr::null(), &mut mask).and_then(|()| suspend(mask)))
    }
    fn sigpause(signal: c_int) -> c_int {
        let mut mask = 0;
        unit(change_mask(libc::SIG_BLOCK, core::ptr::null(), &mut mask)
            .and_then(|()| suspend(mask & !bit(signal)?)))
    }
    fn sigaltstack(new: *const libc::stack_t, old: *mut libc::stack_t) -> c_int {
        let new = new.as_ref().map(|s| (s.ss_sp as usize, s.ss_size, s.ss_flags));
        unit(rt::sigaltstack(new).map(|(before, flags)| {
            if let Some(old) = old.as_mut() {
                *old = libc::stack_t { ss_sp: before.base as *mut c_void, ss_flags: flags, ss_size: before.len };
            }
        }))
    }
    fn raise(signal: c_int) -> c_int { unit(rt::raise(signal)) }
    fn kill(pid: c_int, signal: c_int) -> c_int {
        unit(match rt::kill(pid as isize, signal) {
            // Without a process manager there is one process that can be told.
            Err(e) if e.errno == syscall::ENOSYS && process::pid().is_ok_and(|own| own as c_int == pid) => {
                if signal == 0 { Ok(()) } else { rt::raise(signal) }
            }
            other => other,
        })
    }
    fn killpg(group: c_int, signal: c_int) -> c_int {
        if group < 0 { unit(fail(EINVAL)) } else { kill(-group, signal) }
    }
    fn sigqueue(pid: c_int, signal: c_int, value: *mut c_void) -> c_int {
        // Unlike `kill`, it reaches no groups.
        unit(if pid > 0 { rt::queue(pid as isize, signal, SI_QUEUE, value as usize) } else { fail(syscall::ESRCH) })
    }
    fn sigwait(set: *const u64, signal: *mut c_int) -> c_int {
        loop {
            match wait_for(set, core::ptr::null_mut(), None) {
                Ok(taken) => { signal.write(taken); return 0; }
                Err(e) if e.errno == syscall::EINTR => {}
                Err(e) => return e.errno,
            }
        }
    }
    fn sigwaitinfo(set: *const u64, info: *mut libc::siginfo_t) -> c_int {
        super::int(wait_for(set, info, None).map(|s| s as usize))
    }
    fn sigtimedwait(set: *const u64, info: *mut libc::siginfo_t, time: *const Timespec) -> c_int {
        let limit = match time.as_ref() {
            Some(t) if !(0..1_000_000_000).contains(&t.tv_nsec) => return unit(fail(EINVAL)),
            Some(t) => Some(TimeSpec { tv_sec: t.tv_sec, tv_nsec: t.tv_nsec as i32 }),
            None => None,
        };
        super::int(match wait_for(set, info, limit) {
            Err(e) if e.errno == syscall::ETIMEDOUT => fail(EAGAIN),
            other => other.map(|s| s as usize),
        })
    }
    fn psignal(signal: c_int, prefix: *const c_char) { print(signal, prefix) }
    fn psiginfo(info: *const libc::siginfo_t, prefix: *const c_char) { print((*info).si_signo, prefix) }
}

// `setjmp` saves what a called function preserves, and where it was called: rbx, rbp, r12 to r15, rsp,
// rip. `sigsetjmp` saves behind them whether there is a mask, and the mask.
core::arch::global_asm!(
    ".globl setjmp, _setjmp, longjmp, _longjmp, sigsetjmp, siglongjmp",
    ".type setjmp, @function",
    ".type sigsetjmp, @function",
    ".type longjmp, @function",
    ".type siglongjmp, @function",
    "setjmp:",
    "_setjmp:",
    "mov [rdi], rbx",
    "mov [rdi + 8], rbp",
    "mov [rdi + 16], r12",
    "mov [rdi + 24], r13",
    "mov [rdi + 32], r14",
    "mov [rdi + 40], r15",
    "lea rdx, [rsp + 8]",
    "mov [rdi + 48], rdx",
    "mov rdx, [rsp]",
    "mov [rdi + 56], rdx",
    "xor eax, eax",
    "ret",
    "longjmp:",
    "_longjmp:",
    "mov eax, esi",
    "cmp eax, 1",
    "adc eax, 0",
    "mov rbx, [rdi]",
    "mov rbp, [rdi + 8]",
    "mov r12, [rdi + 16]",
    "mov r13, [rdi + 24]",
    "mov r14, [rdi + 32]",
    "mov r15, [rdi + 40]",
    "mov rsp, [rdi + 48]",
    "jmp qword ptr [rdi + 56]",
    "sigsetjmp:",
    "mov [rdi + 64], rsi",
    "test esi, esi",
    "jz setjmp",
    "push rdi",
    "lea rdi, [rdi + 72]",
    "call {save}",
    "pop rdi",
    "jmp setjmp",
    "siglongjmp:",
    "cmp dword ptr [rdi + 64], 0",
    "je longjmp",
    "push rdi",
    "push rsi",
    "sub rsp, 8",
    "mov rdi, [rdi + 72]",
    "call {restore}",
    "add rsp, 8",
    "pop rsi",
    "pop rdi",
    "jmp longjmp",
    save = sym save_mask,
    restore = sym restore_mask,
);

unsafe extern "C" fn save_mask(place: *mut u64) {
    place.write(rt::sigmask(None).unwrap_or(0));
}

extern "C" fn restore_mask(mask: u64) {
    let _ = rt::sigmask(Some((libc::SIG_SETMASK, mask)));
}
