//! Requests of the scheme.

use alloc::{string::String, vec::Vec};

use gen_slab::{Key, Slab};
use scheme_core::{Incoming, incoming, listing, reply};
use syscall::{
    Stat, StdFsCallKind,
    error::{self as errno},
    flag::{MODE_CHR, MODE_DIR, MODE_FILE, O_DIRECTORY, O_WRONLY},
    schemev2::{Cqe, NewFdFlags, Opcode, Sqe},
};

use crate::bus::{CONFIG_LEN, Function, name};

/// The list of functions and their drivers.
pub const FUNCTIONS: &str = "functions";

const PAGE: u64 = 4096;
/// Most handles at once.
const HANDLES: usize = 1 << 12;

type Result<T> = core::result::Result<T, i32>;

/// What the scheme does to the machine. Functions are numbered as in the list given to [`Server::new`].
pub trait Machine {
    /// A descriptor, to be handed to a driver.
    type Fd;

    /// Finds out what a function has, and readies it for a driver.
    ///
    /// # Errors
    /// `EIO` for a device that does not stop.
    fn claim(&mut self, function: usize) -> Result<()>;
    /// A window on a register of a claimed function; `None` when there is none for drivers.
    ///
    /// # Errors
    /// An error number.
    fn window(&mut self, function: usize, bar: usize) -> Result<Option<Self::Fd>>;
    /// The interrupt of a claimed function.
    ///
    /// # Errors
    /// `ENODEV` when it has none, `EBUSY` when it is another's.
    fn interrupt(&mut self, function: usize) -> Result<Self::Fd>;
    /// Memory for a claimed function.
    ///
    /// # Errors
    /// `ENOMEM`, also for more than a function may have.
    fn block(&mut self, function: usize, size: u64) -> Result<Self::Fd>;
    /// Reads configuration space.
    fn read_config(&mut self, function: usize, offset: u64, into: &mut [u8]) -> usize;
    /// Nobody holds a function any more: stops it, and takes back what it had.
    fn release(&mut self, function: usize);
}

/// What is said to a request.
#[derive(Debug)]
pub enum Answer<Fd> {
    /// Nothing.
    None,
    /// This.
    Entry(Cqe),
    /// A descriptor, for the request with this tag.
    Descriptor(u32, Fd),
}

#[derive(Clone, Copy, Debug)]
enum Handle {
    Root,
    List,
    Function(usize),
}

enum Opened<Fd> {
    Handle(Handle),
    Descriptor(Fd),
}

/// The scheme.
pub struct Server<M: Machine> {
    machine: M,
    functions: Vec<Function>,
    list: String,
    handles: Slab<Handle>,
    held: Vec<bool>,
}

impl<M: Machine> Server<M> {
    /// Serves these functions, of which `list` says more.
    pub fn new(machine: M, functions: Vec<Function>, list: String) -> Self {
        let held = functions.iter().map(|_| false).collect();
        Self {
            machine,
            functions,
            list,
            handles: Slab::new(),
            held,
        }
    }

    /// Makes the scheme's root.
    ///
    /// # Errors
    /// `ENOMEM`.
    pub fn root(&mut self) -> Result<u64> {
        self.insert(Handle::Root)
    }

    /// A handle is gone; a function that was opened through it can be opened again.
    fn close(&mut self, handle: u64) {
        if let Some(Handle::Function(index)) = self.handles.remove(Key::from_raw(handle)) {
            self.machine.release(index);
            if let Some(held) = self.held.get_mut(index) {
                *held = false;
            }
        }
    }

    /// Answers a request.
    pub fn handle(&mut self, sqe: &Sqe, payload: &mut [u8]) -> Answer<M::Fd> {
        let [handle, _, _, flags, ..] = sqe.args;
        let opcode = match incoming(sqe) {
            Incoming::Closed(handle) => {
                self.close(handle);
                return Answer::None;
            }
            Incoming::Unmapped(_) | Incoming::Cancelled(_) | Incoming::Message => {
                return Answer::None;
            }
            Incoming::Asked(opcode) => opcode,
        };
        let answer = match opcode {
            Ok(Opcode::OpenAt) => match self.open(handle, payload, flags as usize) {
                Ok(Opened::Descriptor(fd)) => return Answer::Descriptor(sqe.tag, fd),
                Ok(Opened::Handle(handle)) => self
                    .insert_opened(handle)
                    .map(|number| reply::opened(sqe.tag, number, NewFdFlags::POSITIONED)),
                Err(error) => Err(error),
            },
            opcode => opcode
                .and_then(|opcode| self.answer(opcode, sqe, payload))
                .map(|value| reply::value(sqe.tag, Ok(value))),
        };
        Answer::Entry(answer.unwrap_or_else(|error| reply::value(sqe.tag, Err(error))))
    }

    fn insert(&mut self, handle: Handle) -> Result<u64> {
        if self.handles.len() >= HANDLES {
            return Err(errno::EMFILE);
        }
        self.handles
            .insert(handle)
            .map(Key::raw)
            .map_err(|_| errno::ENOMEM)
    }

    /// A function is claimed last, so that it is released if and only if it has a handle.
    fn insert_opened(&mut self, handle: Handle) -> Result<u64> {
        let number = self.insert(handle)?;
        if let Handle::Function(index) = handle {
            if let Err(error) = self.machine.claim(index) {
                self.handles.remove(Key::from_raw(number));
                return Err(error);
            }
            if let Some(held) = self.held.get_mut(index) {
                *held = true;
            }
        }
        Ok(number)
    }

    fn open(&mut self, dir: u64, path: &[u8], flags: usize) -> Result<Opened<M::Fd>> {
        let dir = *self.handles.get(Key::from_raw(dir)).ok_or(errno::EBADF)?;
        let path = core::str::from_utf8(path).map_err(|_| errno::EINVAL)?;
        match dir {
            Handle::Root => self.open_name(path, flags).map(Opened::Handle),
            Handle::Function(index) => self.open_part(index, path).map(Opened::Descriptor),
            Handle::List => Err(errno::ENOTDIR),
        }
    }

    fn open_name(&self, path: &str, flags: usize) -> Result<Handle> {
        if path.is_empty() || path == "." {
            return Ok(Handle::Root);
        }
        if flags & O_DIRECTORY == O_DIRECTORY {
            return Err(errno::ENOTDIR);
        }
        if path == FUNCTIONS {
            let writes = flags & O_WRONLY != 0;
            return if writes {
                Err(errno::EACCES)
            } else {
                Ok(Handle::List)
            };
        }
        let mut functions = self.functions.iter();
        let index = functions
            .position(|function| name(function.address) == path)
            .ok_or(errno::ENOENT)?;
        match self.held.get(index) {
            Some(false) => Ok(Handle::Function(index)),
            _ => Err(errno::EBUSY),
        }
    }

    fn open_part(&mut self, index: usize, path: &str) -> Result<M::Fd> {
        if path == "irq" {
            return self.machine.interrupt(index);
        }
        if let Some(size) = path.strip_prefix("dma/") {
            let good = !size.starts_with(['+', '0']);
            let size = u64::from_str_radix(size, 16).map_err(|_| errno::EINVAL)?;
            if !good || size % PAGE != 0 {
                return Err(errno::EINVAL);
            }
            return self.machine.block(index, size);
        }
        let bar = match path.strip_prefix("bar").map(str::as_bytes) {
            Some([digit @ b'0'..=b'5']) => usize::from(digit.wrapping_sub(b'0')),
            _ => return Err(errno::ENOENT),
        };
        self.machine.window(index, bar)?.ok_or(errno::ENXIO)
    }

    fn answer(&mut self, opcode: Opcode, sqe: &Sqe, payload: &mut [u8]) -> Result<usize> {
        let [handle, _, _, a, b, c] = sqe.args;
        let handle = *self
            .handles
            .get(Key::from_raw(handle))
            .ok_or(errno::EBADF)?;
        match opcode {
            Opcode::Read => match handle {
                Handle::Root => Err(errno::EISDIR),
                Handle::List => Ok(copy_from(self.list.as_bytes(), a, payload)),
                Handle::Function(index) => Ok(self.machine.read_config(index, a, payload)),
            },
            Opcode::Write => Err(errno::EBADF),
            Opcode::Fsize => Ok(self.size(handle)),
            Opcode::Fstat => self.stat(handle, payload),
            Opcode::Getdents => self.list(handle, payload, a, b),
            Opcode::StdFsCall => match StdFsCallKind::try_from_raw(a as u8) {
                Some(StdFsCallKind::Fstat) => self.stat(handle, payload),
                Some(StdFsCallKind::Getdents) => self.list(handle, payload, c, b),
                Some(StdFsCallKind::Fsync) => Ok(0),
                _ => Err(errno::EOPNOTSUPP),
            },
            Opcode::Fsync | Opcode::Close => Ok(0),
            Opcode::Fcntl | Opcode::Dup => Err(errno::EINVAL),
            Opcode::Fevent => Err(errno::EPERM),
            _ => Err(errno::EOPNOTSUPP),
        }
    }

    fn size(&self, handle: Handle) -> usize {
        match handle {
            Handle::Root => 0,
            Handle::List => self.list.len(),
            Handle::Function(_) => usize::from(CONFIG_LEN),
        }
    }

    fn stat(&self, handle: Handle, payload: &mut [u8]) -> Result<usize> {
        let stat = Stat {
            st_mode: match handle {
                Handle::Root => MODE_DIR | 0o500,
                Handle::List => MODE_FILE | 0o400,
                Handle::Function(_) => MODE_CHR | 0o600,
            },
            st_nlink: 1,
            st_size: self.size(handle) as u64,
            st_blksize: 4096,
            ..Stat::default()
        };
        reply::stat(payload, &stat)
    }

    fn list(&self, handle: Handle, buffer: &mut [u8], header: u64, after: u64) -> Result<usize> {
        let Handle::Root = handle else {
            return Err(errno::ENOTDIR);
        };
        let functions = self.functions.iter().map(|function| name(function.address));
        let names = core::iter::once(String::from(FUNCTIONS)).chain(functions);
        listing::fill(buffer, header, after, names)
    }
}

/// Copies what there is from an offset on.
fn copy_from(bytes: &[u8], offset: u64, into: &mut [u8]) -> usize {
    let rest = usize::try_from(offset)
        .ok()
        .and_then(|offset| bytes.get(offset..));
    let mut count = 0_usize;
    for (place, byte) in into.iter_mut().zip(rest.unwrap_or(&[])) {
        *place = *byte;
        count = count.saturating_add(1);
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bus::Address;
    use crate::drivers::Drivers;
    use std::collections::BTreeSet;
    use syscall::schemev2::SqeFlags;

    #[derive(Default)]
    struct Fake {
        log: Vec<String>,
        stuck: BTreeSet<usize>,
    }

    impl Machine for Fake {
        type Fd = String;
        fn claim(&mut self, function: usize) -> Result<()> {
            if self.stuck.contains(&function) {
                return Err(errno::EIO);
            }
            self.log.push(format!("claim {function}"));
            Ok(())
        }
        fn window(&mut self, function: usize, bar: usize) -> Result<Option<String>> {
            Ok((bar == 4).then(|| format!("window {function} {bar}")))
        }
        fn interrupt(&mut self, function: usize) -> Result<String> {
            Ok(format!("irq {function}"))
        }
        fn block(&mut self, function: usize, size: u64) -> Result<String> {
            Ok(format!("block {function} {size}"))
        }
        fn read_config(&mut self, function: usize, offset: u64, into: &mut [u8]) -> usize {
            into.fill(function as u8 + offset as u8);
            into.len()
        }
        fn release(&mut self, function: usize) {
            self.log.push(format!("release {function}"));
        }
    }

    struct Client {
        server: Server<Fake>,
        root: u64,
    }

    impl Client {
        fn new() -> Self {
            let function = |device| Function {
                address: Address::new(0, 0, device, 0),
                vendor: 1,
                device: 2,
                class: [3, 4, 5],
            };
            let functions = vec![function(2), function(3)];
            let list = Drivers::default().list(&functions);
            let mut server = Server::new(Fake::default(), functions, list);
            let root = server.root().unwrap();
            Self { server, root }
        }

        fn ask(&mut self, opcode: Opcode, args: [u64; 6], payload: &mut [u8]) -> Answer<String> {
            let sqe = Sqe {
                opcode: opcode as u8,
                args,
                tag: 7,
                ..Sqe::default()
            };
            self.server.handle(&sqe, payload)
        }

        fn value(&mut self, opcode: Opcode, args: [u64; 6], payload: &mut [u8]) -> i64 {
            match self.ask(opcode, args, payload) {
                Answer::Entry(cqe) => cqe.result as i64,
                other => panic!("{other:?}"),
            }
        }

        fn open(&mut self, dir: u64, path: &str, flags: usize) -> i64 {
            let mut path = path.as_bytes().to_vec();
            self.value(Opcode::OpenAt, [dir, 0, 0, flags as u64, 0, 0], &mut path)
        }

        fn part(&mut self, dir: u64, path: &str) -> core::result::Result<String, i64> {
            let mut path = path.as_bytes().to_vec();
            match self.ask(Opcode::OpenAt, [dir, 0, 0, 0, 0, 0], &mut path) {
                Answer::Descriptor(7, fd) => Ok(fd),
                Answer::Entry(cqe) => Err(cqe.result as i64),
                other => panic!("{other:?}"),
            }
        }

        fn close(&mut self, handle: u64) {
            let sqe = Sqe {
                opcode: Opcode::CloseMsg as u8,
                sqe_flags: SqeFlags::ONEWAY,
                args: [handle, 0, 0, 0, 0, 0],
                ..Sqe::default()
            };
            assert!(matches!(self.server.handle(&sqe, &mut []), Answer::None));
        }
    }

    #[test]
    fn a_function_is_one_drivers_until_it_is_given_up() {
        let mut c = Client::new();
        let root = c.root;
        let first = c.open(root, "00-02.0", 0);
        assert!(first > 0);
        assert_eq!(c.open(root, "00-02.0", 0), -i64::from(errno::EBUSY));
        assert!(c.open(root, "00-03.0", 0) > 0);
        c.close(first as u64);
        // Closing what is closed changes nothing.
        c.close(first as u64);
        assert!(c.open(root, "00-02.0", 0) > 0);
        let log = ["claim 0", "claim 1", "release 0", "claim 0"];
        assert_eq!(c.server.machine.log, log);
    }

    #[test]
    fn a_device_that_does_not_stop_is_nobodys() {
        let mut c = Client::new();
        let root = c.root;
        c.server.machine.stuck.insert(1);
        for _ in 0..2 {
            assert_eq!(c.open(root, "00-03.0", 0), -i64::from(errno::EIO));
        }
        assert!(c.server.machine.log.is_empty());
    }

    #[test]
    fn parts_are_opened_by_name() {
        let mut c = Client::new();
        let root = c.root;
        let f = c.open(root, "00-03.0", 0) as u64;
        let no = |error: i32| Err(-i64::from(error));
        let rows = [
            ("irq", Ok("irq 1")),
            ("bar4", Ok("window 1 4")),
            ("dma/1000", Ok("block 1 4096")),
            ("bar1", no(errno::ENXIO)),
            ("bar6", no(errno::ENOENT)),
            ("bar", no(errno::ENOENT)),
            ("", no(errno::ENOENT)),
            ("00-02.0", no(errno::ENOENT)),
            ("dma/", no(errno::EINVAL)),
            ("dma/0", no(errno::EINVAL)),
            ("dma/+1000", no(errno::EINVAL)),
            ("dma/800", no(errno::EINVAL)),
            ("dma/10000000000000000", no(errno::EINVAL)),
        ];
        for (path, wanted) in rows {
            assert_eq!(c.part(f, path), wanted.map(String::from), "{path}");
        }
    }

    #[test]
    fn opens_are_refused_for_their_reason() {
        let mut c = Client::new();
        let root = c.root;
        let list = c.open(root, FUNCTIONS, 0) as u64;
        let rows = [
            (root, "00-04.0", 0, errno::ENOENT),
            (root, "00-02.0/bar4", 0, errno::ENOENT),
            (root, "00-02.0", O_DIRECTORY, errno::ENOTDIR),
            (root, FUNCTIONS, O_WRONLY, errno::EACCES),
            (list, "x", 0, errno::ENOTDIR),
            (99, "", 0, errno::EBADF),
        ];
        for (dir, path, flags, error) in rows {
            assert_eq!(c.open(dir, path, flags), -i64::from(error), "{path}");
        }
        let mut bytes = [0xff];
        let args = [root, 0, 0, 0, 0, 0];
        let answer = c.value(Opcode::OpenAt, args, &mut bytes);
        assert_eq!(answer, -i64::from(errno::EINVAL));
    }

    #[test]
    fn the_list_and_configuration_space_are_read() {
        let mut c = Client::new();
        let root = c.root;
        let list = c.open(root, FUNCTIONS, 0) as u64;
        let mut text = [0; 100];
        let len = c.value(Opcode::Read, [list, 0, 0, 0, 0, 0], &mut text) as usize;
        let wanted = "00-02.0 0001:0002 030405 - - -\n00-03.0 0001:0002 030405 - - -\n";
        assert_eq!(&text[..len], wanted.as_bytes());
        let rest = c.value(Opcode::Read, [list, 0, 0, 60, 0, 0], &mut text) as usize;
        assert_eq!(text[..rest], wanted.as_bytes()[60..]);
        let past = c.value(Opcode::Read, [list, 0, 0, u64::MAX, 0, 0], &mut text);
        assert_eq!(past, 0);
        let f = c.open(root, "00-03.0", 0) as u64;
        assert_eq!(c.value(Opcode::Read, [f, 0, 0, 5, 0, 0], &mut text[..4]), 4);
        assert_eq!(text[..4], [6; 4]);
        let write = c.value(Opcode::Write, [f, 0, 0, 5, 0, 0], &mut text[..4]);
        assert_eq!(write, -i64::from(errno::EBADF));
        assert_eq!(c.value(Opcode::Fsize, [f, 0, 0, 0, 0, 0], &mut []), 4096);
    }

    #[test]
    fn any_request_is_answered() {
        let mut c = Client::new();
        for opcode in 0..=64 {
            let Some(opcode) = Opcode::try_from_raw(opcode) else {
                continue;
            };
            for handle in [c.root, 99] {
                for kind in [0, 5, u64::MAX] {
                    let args = [handle, 1, 2, kind, u64::MAX, u64::MAX];
                    match c.ask(opcode, args, &mut [0; 3]) {
                        Answer::None => panic!("{opcode:?}"),
                        Answer::Entry(_) | Answer::Descriptor(..) => {}
                    }
                }
            }
            c = Client::new();
        }
    }
}
