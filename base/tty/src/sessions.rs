//! Asking the process manager, through the descriptors of sessions that terminals are sent.

use cap_abi::session::{CONTROL, Control, LEADER, control_word};
use libredox::protocol::PidfdCall;
use redox_rt::{Fd, process, sys};
use scheme_core::start::SOCKET;
use syscall::{
    EINVAL,
    flag::{CallFlags, SchemeSocketCall},
};
use tty_server::Sessions;

type Result<T> = core::result::Result<T, i32>;

/// The process manager.
pub struct Manager;

fn ask(session: &Fd, metadata: &[u64]) -> Result<usize> {
    session.call(metadata).map_err(|error| error.errno)
}

impl Sessions for Manager {
    type Session = Fd;

    fn receive(&mut self, tag: u32) -> Result<Fd> {
        let mut fds = [0];
        let metadata = [SchemeSocketCall::ObtainFd as u64, u64::from(tag)];
        sys::receive_fds(SOCKET, &mut fds, CallFlags::FD_UPPER, &metadata)
            .map_err(|error| error.errno)?;
        let [fd] = fds;
        Ok(Fd::from_raw(fd))
    }

    fn leader(&mut self, session: &Fd) -> Result<u32> {
        // Together with this process's own descriptor: whoever else serves the one that was sent, which may be this very
        // thread, is not asked.
        let own = process::process_fd().ok_or(EINVAL)?;
        let fds = [own, session.raw()];
        // SAFETY: there is no payload.
        let asked = unsafe {
            sys::call_multiple(
                &fds,
                core::ptr::null_mut(),
                0,
                CallFlags::empty(),
                &[LEADER],
            )
        };
        let leader = asked.map_err(|_| EINVAL)?;
        u32::try_from(leader).map_err(|_| EINVAL)
    }

    fn signal(&mut self, session: &Fd, signal: u8, group: u32) -> Result<()> {
        let verb = PidfdCall::SendSignal as u64;
        ask(session, &[verb, signal.into(), group.into()]).map(drop)
    }

    fn control(
        &mut self,
        session: &Fd,
        process: u32,
        foreground: u32,
        signal: u8,
    ) -> Result<Control> {
        let word = control_word(foreground, signal);
        let answer = ask(session, &[CONTROL, process.into(), word])?;
        Control::try_from_raw(answer).ok_or(EINVAL)
    }
}
