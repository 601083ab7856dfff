//! The namespace of the program, and where in it the program begins.

use alloc::{format, vec::Vec};

use cap_abi::Rights;
use contain_core::{Access, Plan};
use nsmgr_api::NsPermissions;
use redox_rt::{Error, Fd, Result, namespace as ns, println, sys};
use syscall::{
    EACCES, EBADF, ENODEV, ENOENT, EPERM,
    flag::{O_DIRECTORY, O_RDONLY},
};

use crate::Failure;

const FILE: &[u8] = b"file";

/// What the program will see.
pub struct World {
    /// Its namespace, if it has one.
    pub namespace: Option<Fd>,
    /// Its current directory, if it has one.
    pub directory: Option<Fd>,
    schemes: Vec<Vec<u8>>,
    places: Vec<(Vec<u8>, Access)>,
}

/// Opens a path of this process's.
pub fn open(path: &[u8], flags: usize) -> Result<Fd> {
    ns::open(path, flags, sys::FD_ANY_UPPER).map(Fd::from_raw)
}

impl World {
    /// Makes it.
    pub fn make(plan: &Plan<'_>) -> core::result::Result<Self, Failure> {
        let mut world = Self {
            namespace: None,
            directory: None,
            schemes: plan.schemes.iter().map(|name| name.to_vec()).collect(),
            places: Vec::new(),
        };
        if plan.schemes.is_empty() && plan.dirs.is_empty() {
            return Ok(world);
        }
        let own = ns::namespace()
            .ok_or_else(|| Failure::said("it has no namespace itself to give of".into()))?;
        let names = fork(own, &plan.schemes)?;
        let mut directories = Vec::new();
        let mut found = Vec::new();
        for dir in &plan.dirs {
            let shown = dir.path.escape_ascii();
            let opened = open(dir.path, O_RDONLY | O_DIRECTORY)
                .map_err(|error| Failure::own(format!("--dir {shown}"), error))?;
            world.places.push((place(dir.path, &opened)?, dir.access));
            let name = name_of(&opened).map_err(|error| {
                Failure::own(format!("--dir {shown}: what it is called"), error)
            })?;
            found.push(name);
            directories.push(opened);
        }
        contain_core::check(&world.places)
            .and_then(|()| contain_core::check_found(&world.places, &found))
            .map_err(|clash| Failure::said(format!("{clash}")))?;
        for ((path, access), directory) in world.places.iter().zip(directories) {
            bind(&names, path, *access, directory)?;
        }
        // It can look at its names, and that is all.
        let payload = nsmgr_api::shrink_payload(NsPermissions::LIST);
        let shrunk = ns::ask_for(names.raw(), &payload)
            .map_err(|error| Failure::own("taking permissions from the namespace", error))?;
        world.stand(&shrunk)?;
        world.namespace = Some(shrunk);
        Ok(world)
    }

    /// The current directory is the top. One that cannot be left would make absolute paths useless: the
    /// run-time asks them of such a directory.
    fn stand(&mut self, names: &Fd) -> core::result::Result<(), Failure> {
        if self.places.is_empty() {
            return Ok(());
        }
        let top = names
            .open(rt_core::path::FILE_PREFIX, O_RDONLY | O_DIRECTORY)
            .map_err(|error| Failure::own("its current directory", error))?;
        self.directory = Some(top);
        Ok(())
    }

    /// Shows what there is.
    pub fn show(&self) {
        if self.namespace.is_none() {
            println!("namespace: none");
        }
        for name in &self.schemes {
            println!("scheme:    {}", name.escape_ascii());
        }
        for (path, access) in &self.places {
            let how = match access {
                Access::Full => "",
                Access::ReadOnly => " (read-only)",
            };
            println!("directory: {}{how}", path.escape_ascii());
        }
        if self.directory.is_some() {
            println!("stands in: /");
        }
    }
}

/// A namespace with the names given, of those that this process has.
fn fork(own: usize, names: &[&[u8]]) -> core::result::Result<Fd, Failure> {
    ns::fork_namespace(own, names.iter().copied()).map_err(|error| {
        let missing = |name: &&&[u8]| {
            matches!(
                ns::fork_namespace(own, core::iter::once(**name)),
                Err(Error { errno: ENODEV })
            )
        };
        match names.iter().find(missing) {
            Some(name) => Failure::said(format!(
                "--scheme: `{}` is not bound here",
                name.escape_ascii()
            )),
            None => Failure::own("making a namespace", error),
        }
    })
}

/// The path at which a directory will be: as it was written, if that says it all.
fn place(written: &[u8], directory: &Fd) -> core::result::Result<Vec<u8>, Failure> {
    if let Some(path) = contain_core::plain(written)
        && !contain_core::is_in(&path, b"/scheme")
    {
        return Ok(path);
    }
    path_of(directory).map_err(|error| {
        let shown = written.escape_ascii();
        if error.errno == ENOENT {
            Failure::said(format!("--dir {shown}: this is no directory of files"))
        } else {
            Failure::own(format!("--dir {shown}: what it is called"), error)
        }
    })
}

/// What its file system calls a directory.
fn name_of(directory: &Fd) -> Result<Vec<u8>> {
    let mut path = [0; rt_core::path::MAX_LEN];
    let len = sys::fpath(directory.raw(), &mut path)?;
    let path = path.get(..len).ok_or(Error::new(EBADF))?;
    Ok(path.to_vec())
}

/// What the file system calls a directory; `ENOENT` if that does not lead there, because it is another
/// scheme's.
fn path_of(directory: &Fd) -> Result<Vec<u8>> {
    let path = name_of(directory)?;
    let path = path
        .strip_prefix(rt_core::path::FILE_PREFIX)
        .unwrap_or(&path);
    let path = contain_core::plain(path).unwrap_or_else(|| b"/".to_vec());
    let there = open(&path, O_RDONLY | O_DIRECTORY)?.stat()?;
    let here = directory.stat()?;
    if (there.st_dev, there.st_ino) == (here.st_dev, here.st_ino) {
        Ok(path)
    } else {
        Err(Error::new(ENOENT))
    }
}

fn bind(
    names: &Fd,
    path: &[u8],
    access: Access,
    directory: Fd,
) -> core::result::Result<(), Failure> {
    let rights = match access {
        Access::Full => Rights::FULL,
        Access::ReadOnly => Rights::READ_ONLY,
    };
    let payload = nsmgr_api::register_place_payload(rights, FILE, path);
    let shown = path.escape_ascii();
    let register = ns::ask_for(names.raw(), &payload).map_err(|error| match error.errno {
        EACCES => Failure::said(format!(
            "--dir {shown}: the namespace of this process may not bind names"
        )),
        _ => Failure::own(format!("--dir {shown}"), error),
    })?;
    match register.send(directory, &[]) {
        Ok(_) => Ok(()),
        Err(error) if error.errno == EPERM => Err(Failure::said(format!(
            "--dir {shown}: its file system cannot keep a program beneath a directory"
        ))),
        Err(error) => Err(Failure::own(format!("--dir {shown}"), error)),
    }
}
