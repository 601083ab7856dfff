//! Children that have exactly what they are given.

use std::ffi::{CString, OsStr};
use std::io::{Error, ErrorKind, Result};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

use cap_abi::Rights;

use crate::dir::Dir;
use crate::namespace::Namespace;
use crate::sys;

/// A program to be started, and everything that it will have: the descriptors granted, a namespace and a
/// current directory if they are named, arguments and environment. Nothing is inherited.
///
/// Programs of Rust's `std` expect to find the numbers 0, 1 and 2 open: where one is not, they open the null
/// device in its place, and end at once if they have no namespace to find it in.
///
/// ```no_run
/// use cuprite_cap::{Command, Namespace, Rights};
///
/// # fn main() -> std::io::Result<()> {
/// let program = std::fs::File::open("/usr/bin/sort")?;
/// let text = std::fs::File::open("/etc/passwd")?;
/// let status = Command::new(&program)
///     .arg("sort")
///     .grant(0, &text, Rights::READ)
///     .grant(1, &std::io::stdout(), Rights::WRITE)
///     .grant(2, &std::io::stderr(), Rights::WRITE)
///     .namespace(&Namespace::current()?.fork(["rand"])?)
///     .spawn()?
///     .wait()?;
/// assert!(status.success());
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Command<'a> {
    program: BorrowedFd<'a>,
    args: Vec<CString>,
    env: Vec<CString>,
    grants: Vec<sys::Grant>,
    namespace: Option<RawFd>,
    directory: Option<RawFd>,
    /// The first thing that was wrong.
    error: Option<ErrorKind>,
}

impl<'a> Command<'a> {
    /// A program's file, open for reading. The first argument is its name.
    #[must_use]
    pub fn new(program: &'a impl AsFd) -> Self {
        Self {
            program: program.as_fd(),
            args: Vec::new(),
            env: Vec::new(),
            grants: Vec::new(),
            namespace: None,
            directory: None,
            error: None,
        }
    }

    fn text(&mut self, text: &[u8]) -> CString {
        CString::new(text).unwrap_or_else(|_| {
            self.error.get_or_insert(ErrorKind::InvalidInput);
            CString::default()
        })
    }

    /// Adds an argument.
    #[must_use]
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        let text = self.text(arg.as_ref().as_bytes());
        self.args.push(text);
        self
    }

    /// Adds arguments.
    #[must_use]
    pub fn args<A: AsRef<OsStr>>(self, args: impl IntoIterator<Item = A>) -> Self {
        args.into_iter().fold(self, Self::arg)
    }

    /// Adds a variable of the environment.
    #[must_use]
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        let (name, value) = (name.as_ref().as_bytes(), value.as_ref().as_bytes());
        if name.is_empty() || name.contains(&b'=') {
            self.error.get_or_insert(ErrorKind::InvalidInput);
        }
        let text = self.text(&[name, b"=", value].concat());
        self.env.push(text);
        self
    }

    /// Gives the child a copy of a descriptor as `number`, with at most `rights`. The last grant of a
    /// number counts.
    #[must_use]
    pub fn grant(mut self, number: RawFd, fd: &'a impl AsFd, rights: Rights) -> Self {
        if number < 0 {
            self.error.get_or_insert(ErrorKind::InvalidInput);
        }
        self.grants.push(sys::Grant {
            from: fd.as_fd().as_raw_fd(),
            to: number,
            rights,
        });
        self
    }

    /// Gives the child a namespace.
    #[must_use]
    pub fn namespace(mut self, namespace: &'a Namespace) -> Self {
        self.namespace = Some(namespace.as_fd().as_raw_fd());
        self
    }

    /// Gives the child a current directory, which it cannot leave.
    #[must_use]
    pub fn directory(mut self, directory: &'a Dir) -> Self {
        self.directory = Some(directory.as_fd().as_raw_fd());
        self
    }

    /// Starts the child.
    ///
    /// # Errors
    /// `InvalidInput` for a NUL in a text or a negative number; what is wrong with the program.
    pub fn spawn(&self) -> Result<Child> {
        if let Some(kind) = self.error {
            return Err(kind.into());
        }
        let pid = sys::spawn(
            self.program.as_raw_fd(),
            &self.args,
            &self.env,
            &self.grants,
            [self.namespace, self.directory],
        )?;
        Ok(Child { pid, status: None })
    }
}

/// A child process. Dropping it does not end it.
#[derive(Debug)]
pub struct Child {
    pid: u32,
    status: Option<ExitStatus>,
}

impl Child {
    /// Its number.
    #[must_use]
    pub const fn id(&self) -> u32 {
        self.pid
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// When somebody else has waited for it.
    pub fn wait(&mut self) -> Result<ExitStatus> {
        if let Some(status) = self.status {
            return Ok(status);
        }
        loop {
            let mut word = 0;
            // SAFETY: the word is valid for the time of the call.
            let pid = unsafe { libc::waitpid(self.pid.cast_signed(), &mut word, 0) };
            if pid != -1 {
                let status = ExitStatus::from_raw(word);
                self.status = Some(status);
                return Ok(status);
            }
            let error = Error::last_os_error();
            if error.kind() != ErrorKind::Interrupted {
                return Err(error);
            }
        }
    }

    /// Ends it by force; it still has to be waited for.
    ///
    /// # Errors
    /// `InvalidInput` when it was waited for already.
    pub fn kill(&mut self) -> Result<()> {
        if self.status.is_some() {
            return Err(ErrorKind::InvalidInput.into());
        }
        // SAFETY: a system call on numbers.
        match unsafe { libc::kill(self.pid.cast_signed(), libc::SIGKILL) } {
            0 => Ok(()),
            _ => Err(Error::last_os_error()),
        }
    }
}
