//! A daemon on the published `redox-scheme` crate as it is: nothing of ours is needed to serve.

use alloc::string::String;
use alloc::vec::Vec;

use guest_test::{Outcome, check, check_eq, check_error};
use redox_rt::fd::create_scheme_fd;
use redox_rt::{Fd, sys};
use redox_scheme::scheme::{SchemeState, SchemeSync};
use redox_scheme::{
    CallerCtx, OpenResult, RequestKind, Response, SendFdRequest, SignalBehavior, Socket,
};
use syscall::error::*;
use syscall::flag::*;
use syscall::schemev2::NewFdFlags;
use syscall::{Stat, StatVfs};

use crate::daemon::close_others;
use crate::world::{GID, PID, Process, UID, fcntl, leaves_nothing, world};

pub fn run() -> i32 {
    guest_test::run!["scheme.unmodified" => files_of_an_unmodified_daemon, both_ways_to_wait]
}

/// Files of bytes, by name.
struct Files {
    files: Vec<(String, Vec<u8>)>,
    closed: usize,
    received: Option<usize>,
}

impl Files {
    fn file(&mut self, id: usize) -> Result<&mut Vec<u8>> {
        let file = id.checked_sub(10).and_then(|i| self.files.get_mut(i));
        file.map(|(_, bytes)| bytes).ok_or(Error::new(EBADF))
    }
}

impl SchemeSync for Files {
    fn openat(
        &mut self,
        dir: usize,
        path: &str,
        flags: usize,
        _fcntl_flags: u32,
        ctx: &CallerCtx,
    ) -> Result<OpenResult> {
        if dir != 1 || (ctx.pid, ctx.uid, ctx.gid) != (PID as usize, UID, GID) {
            return Err(Error::new(EACCES));
        }
        let found = self.files.iter().position(|(name, _)| name == path);
        let index = match found {
            Some(index) => index,
            None if flags & O_CREAT != 0 => {
                self.files.push((String::from(path), Vec::new()));
                self.files.len() - 1
            }
            None => return Err(Error::new(ENOENT)),
        };
        Ok(OpenResult::ThisScheme {
            number: index + 10,
            flags: NewFdFlags::POSITIONED,
        })
    }

    fn unlinkat(&mut self, dir: usize, path: &str, _flags: usize, _ctx: &CallerCtx) -> Result<()> {
        let found = self
            .files
            .iter()
            .position(|(name, _)| name == path && dir == 1);
        self.files.remove(found.ok_or(Error::new(ENOENT))?);
        Ok(())
    }

    fn dup(&mut self, id: usize, buf: &[u8], _ctx: &CallerCtx) -> Result<OpenResult> {
        match buf {
            b"again" => Ok(OpenResult::ThisScheme {
                number: id,
                flags: NewFdFlags::POSITIONED,
            }),
            b"taken" => Ok(OpenResult::OtherScheme {
                fd: self.received.take().ok_or(Error::new(ENOENT))?,
            }),
            _ => Err(Error::new(EINVAL)),
        }
    }

    fn read(
        &mut self,
        id: usize,
        buf: &mut [u8],
        offset: u64,
        _flags: u32,
        _ctx: &CallerCtx,
    ) -> Result<usize> {
        let bytes = self.file(id)?.get(offset as usize..).unwrap_or(&[]);
        let count = bytes.len().min(buf.len());
        buf[..count].copy_from_slice(&bytes[..count]);
        Ok(count)
    }

    fn write(
        &mut self,
        id: usize,
        buf: &[u8],
        offset: u64,
        _flags: u32,
        _ctx: &CallerCtx,
    ) -> Result<usize> {
        let bytes = self.file(id)?;
        let end = offset as usize + buf.len();
        if bytes.len() < end {
            bytes.resize(end, 0);
        }
        bytes[offset as usize..end].copy_from_slice(buf);
        Ok(buf.len())
    }

    fn fsize(&mut self, id: usize, _ctx: &CallerCtx) -> Result<u64> {
        Ok(self.file(id)?.len() as u64)
    }

    fn fstat(&mut self, id: usize, stat: &mut Stat, _ctx: &CallerCtx) -> Result<()> {
        stat.st_size = self.file(id)?.len() as u64;
        stat.st_mode = syscall::MODE_FILE | 0o600;
        Ok(())
    }

    fn fstatvfs(&mut self, _id: usize, stat: &mut StatVfs, _ctx: &CallerCtx) -> Result<()> {
        stat.f_bsize = 4096;
        Ok(())
    }

    fn fpath(&mut self, id: usize, buf: &mut [u8], _ctx: &CallerCtx) -> Result<usize> {
        let name = id.checked_sub(10).and_then(|i| self.files.get(i));
        let name = name.ok_or(Error::new(EBADF))?.0.as_bytes();
        let count = name.len().min(buf.len());
        buf[..count].copy_from_slice(&name[..count]);
        Ok(count)
    }

    fn ftruncate(&mut self, id: usize, len: u64, _ctx: &CallerCtx) -> Result<()> {
        self.file(id)?.resize(len as usize, 0);
        Ok(())
    }

    fn fsync(&mut self, id: usize, _ctx: &CallerCtx) -> Result<()> {
        self.file(id).map(|_| ())
    }

    fn call(
        &mut self,
        _id: usize,
        payload: &mut [u8],
        metadata: &[u64],
        _ctx: &CallerCtx,
    ) -> Result<usize> {
        payload.reverse();
        Ok(metadata.iter().sum::<u64>() as usize + self.closed * 1000)
    }

    fn on_close(&mut self, id: usize) {
        self.closed += usize::from(id >= 10);
    }
}

impl Files {
    fn take(&mut self, socket: &Socket, request: &SendFdRequest) -> Result<usize> {
        let mut fds = [usize::MAX];
        request.obtain_fd(socket, FobtainFdFlags::empty(), &mut fds)?;
        self.received = Some(fds[0]);
        Ok(request.num_fds())
    }
}

/// Serves until the socket's last caller is gone, as daemons do.
fn serve(socket: &Socket, combined: bool) -> Result<()> {
    let mut files = Files {
        files: Vec::new(),
        closed: 0,
        received: None,
    };
    let mut state = SchemeState::new();
    let mut next = socket.next_request(SignalBehavior::Restart)?;
    while let Some(request) = next.take() {
        let response = match request.kind() {
            RequestKind::Call(call) => Some(call.handle_sync(&mut files, &mut state)),
            RequestKind::SendFd(request) => {
                let taken = files.take(socket, &request);
                Some(Response::new(taken, request))
            }
            RequestKind::OnClose { id } => {
                files.on_close(id);
                None
            }
            _ => None,
        };
        next = match response {
            Some(response) if combined => {
                let (_, next) = socket
                    .write_response_and_await_next_request(SignalBehavior::Restart, response)?;
                next
            }
            Some(response) => {
                socket.write_response(response, SignalBehavior::Restart)?;
                socket.next_request(SignalBehavior::Restart)?
            }
            None => socket.next_request(SignalBehavior::Restart)?,
        };
    }
    Ok(())
}

fn with_daemon(combined: bool, case: fn(&Fd) -> Outcome) -> Outcome {
    // The socket is made in the daemon; its root comes back over a scheme that both know: here simply
    // by making both before the fork.
    let socket = Fd::from_raw(sys::dup(
        world().capability.raw(),
        cap_abi::scheme::CREATE_SCHEME,
        sys::FD_ANY,
    )?);
    let root = create_scheme_fd(&socket, 1, 0, O_RDWR, 0)?;
    let number = socket.raw();
    let daemon = Process::start(|| {
        close_others(&[number]);
        // SAFETY: the number is this process's alone.
        let socket = unsafe { Socket::from_fd(libredox::Fd::new(number)) };
        i32::from(serve(&socket, combined).is_err())
    })?;
    drop(socket);
    let outcome = case(&root);
    drop(root);
    daemon.kill()?;
    daemon.wait()?;
    outcome
}

fn exercise(root: &Fd) -> Outcome {
    check_error!(root.open(b"file", O_RDWR), ENOENT);
    let fd = root.open(b"file", O_RDWR | O_CREAT)?;
    check_eq!(fd.write(b"hello, ")?, 7);
    check_eq!(fd.write(b"world")?, 5);
    check_eq!(sys::lseek(fd.raw(), -5, SEEK_END)?, 7);
    let mut buf = [0; 16];
    check_eq!(fd.read(&mut buf)?, 5);
    check_eq!(&buf[..5], b"world");
    check_eq!(sys::read_at(fd.raw(), &mut buf, 3, None)?, 9);
    let stat = fd.stat()?;
    check_eq!(
        (stat.st_size, stat.st_mode),
        (12, syscall::MODE_FILE | 0o600)
    );
    let big: Vec<u8> = (0..300_000_u32).map(|i| (i * 7) as u8).collect();
    check_eq!(sys::write_at(fd.raw(), &big, 1, None)?, big.len());
    let mut back = alloc::vec![0; big.len()];
    check_eq!(sys::read_at(fd.raw(), &mut back, 1, None)?, big.len());
    check!(back == big);
    check_eq!(sys::fpath(fd.raw(), &mut buf)?, 4);
    check_eq!(&buf[..4], b"file");
    let words = [StdFsCallKind::Ftruncate as u64, 3, 0];
    sys::call(fd.raw(), CallFlags::STD_FS, &words)?;
    check_eq!(fd.stat()?.st_size, 3);
    sys::fsync(fd.raw())?;
    let again = fd.dup(b"again")?;
    check_eq!(again.read(&mut buf)?, 3);
    check_error!(fd.dup(b"otherwise"), EINVAL);
    let mut text = *b"abc";
    let closed = sys::call_read_write(fd.raw(), &mut text, CallFlags::empty(), &[1, 2, 3])?;
    check_eq!((closed, &text), (6, b"cba"));
    drop(again);
    check_eq!(
        sys::call_read_write(fd.raw(), &mut text, CallFlags::empty(), &[1])?,
        1001
    );
    // A descriptor there and back.
    let read = world().pipe.open(b"", O_RDWR)?;
    let write = read.dup(b"write")?;
    check_eq!(fd.send(write, &[])?, 1);
    let write = fd.dup(b"taken")?;
    check_eq!(write.write(b"through")?, 7);
    check_eq!(read.read(&mut buf)?, 7);
    check_error!(sys::fchown(fd.raw(), 1, 1), EOPNOTSUPP);
    check_error!(fcntl(fd.raw(), 99, 0), EOPNOTSUPP);
    sys::unlinkat(root.raw(), b"file", 0)?;
    check_error!(sys::unlinkat(root.raw(), b"file", 0), ENOENT);
    check_error!(fd.read(&mut buf), EBADF);
    Ok(())
}

fn files_of_an_unmodified_daemon() -> Outcome {
    leaves_nothing(|| with_daemon(false, exercise))
}

fn both_ways_to_wait() -> Outcome {
    leaves_nothing(|| with_daemon(true, exercise))
}
