//! Starting a program with what its unit says.

use alloc::{string::String, vec, vec::Vec};

use cap_abi::Rights;
use init_core::Unit;
use redox_rt::{
    Error, Fd, Result, namespace as ns, process,
    spawn::{self, Command, Grant, Image, Role},
    sys,
};
use syscall::{
    ENODEV, ENOENT, ESTALE, TimeSpec,
    flag::{O_DIRECTORY, O_RDONLY},
};

use crate::namespace;

/// How often a start is tried whose files have no daemon, and the pause in between.
const TRIES: u32 = 40;
const PAUSE: TimeSpec = TimeSpec {
    tv_sec: 0,
    tv_nsec: 50_000_000,
};

/// A program and what it will have.
pub struct Program<'a> {
    cmd: &'a [u8],
    /// Where it is looked for, in this order.
    paths: Vec<String>,
    args: Vec<&'a [u8]>,
    env: Vec<String>,
    grants: Vec<Grant>,
    namespace: Option<Names>,
    directory: bool,
}

/// The namespace of a program.
enum Names {
    /// This process's own.
    Own(usize),
    /// One made for it.
    Forked(Fd),
}

impl Names {
    const fn raw(&self) -> usize {
        match self {
            Self::Own(fd) => *fd,
            Self::Forked(fd) => fd.raw(),
        }
    }
}

const fn grant(from: usize, to: usize) -> Grant {
    Grant {
        from,
        to,
        rights: Rights::FULL,
    }
}

impl<'a> Program<'a> {
    /// A unit's program with standard output and error, and no namespace.
    pub fn bare(unit: &'a Unit) -> Self {
        let args = unit.service.args.iter().map(|arg| arg.as_bytes());
        Self {
            cmd: unit.service.cmd.as_bytes(),
            paths: unit.programs(),
            args: args.collect(),
            env: unit.environment(),
            grants: vec![grant(1, 1), grant(2, 2)],
            namespace: None,
            directory: false,
        }
    }

    /// A unit's program with the namespace that the unit says, if it says one.
    pub fn service(unit: &'a Unit) -> Result<Self> {
        let mut program = Self::bare(unit);
        let names = &unit.service.schemes;
        if !names.is_empty() {
            let names = names.iter().map(|name| name.as_bytes());
            let forked = ns::fork_namespace(namespace()?, names)?;
            program.namespace = Some(Names::Forked(forked));
        }
        Ok(program)
    }

    /// The same with standard input and a current directory.
    pub fn console(unit: &'a Unit) -> Result<Self> {
        let mut program = Self::service(unit)?;
        program.grants.push(grant(0, 0));
        program.directory = true;
        Ok(program)
    }

    /// A command with everything that this process has.
    pub fn command(cmd: &'a str, args: &[&'a [u8]]) -> Self {
        Self {
            cmd: cmd.as_bytes(),
            paths: init_core::programs(cmd, false),
            args: args.to_vec(),
            env: Vec::new(),
            grants: vec![grant(0, 0), grant(1, 1), grant(2, 2)],
            namespace: ns::namespace().map(Names::Own),
            directory: true,
        }
    }

    /// Hands it a descriptor too, which it finds at `to`.
    pub fn give(mut self, fd: &Fd, to: usize) -> Self {
        self.grants.push(grant(fd.raw(), to));
        self
    }

    /// Adds a variable to its environment.
    pub fn tell(mut self, variable: String) -> Self {
        self.env.push(variable);
        self
    }

    /// Starts it and answers its process. The daemon of the files that it comes from may just be being
    /// started again itself: that is waited for, for a while.
    pub fn start(&self) -> Result<u32> {
        let mut tries = 0;
        loop {
            match self.try_start() {
                Err(error) if matches!(error.errno, ENODEV | ESTALE) && tries < TRIES => {
                    tries += 1;
                    // A signal makes the pause shorter.
                    let _ = sys::nanosleep(&PAUSE);
                }
                other => return other,
            }
        }
    }

    fn try_start(&self) -> Result<u32> {
        let open = |path: &[u8], flags| ns::open(path, flags, sys::FD_ANY_UPPER).map(Fd::from_raw);
        let mut found = Err(Error::new(ENOENT));
        for path in &self.paths {
            found = open(path.as_bytes(), O_RDONLY).map(|file| (file, path));
            if found.is_ok() {
                break;
            }
        }
        let (file, path) = found?;
        // Plain absolute paths lead to the files; before there are any, to the initial ones.
        let directory = if self.directory {
            let flags = O_RDONLY | O_DIRECTORY;
            let root = open(b"/", flags).or_else(|_| open(b"/scheme/initfs/", flags));
            Some(root?)
        } else {
            None
        };
        let mut args = vec![self.cmd];
        args.extend(&self.args);
        let env: Vec<&[u8]> = self.env.iter().map(|text| text.as_bytes()).collect();
        let role = |from| Role {
            from,
            rights: Rights::FULL,
        };
        process::spawn(&Command {
            image: Image::File(&file),
            path: path.as_bytes(),
            args: &args,
            env: &env,
            grants: &self.grants,
            inherited: &[],
            namespace: self.namespace.as_ref().map(|names| role(names.raw())),
            directory: directory.as_ref().map(|fd| role(fd.raw())),
            process: None,
            auxv: &[],
            blobs: &[],
            attributes: spawn::attributes(self.cmd, 0),
        })
    }
}
