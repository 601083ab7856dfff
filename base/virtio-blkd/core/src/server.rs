//! Requests of the scheme.

use alloc::{format, string::String, vec::Vec};

use flat_folder::{Begun, Folder, Handle};
use scheme_core::reply;
use syscall::{
    Stat, StdFsCallKind,
    error::{self as errno},
    flag::{MODE_DIR, O_RDONLY, O_WRONLY},
    schemev2::{Cqe, Opcode, Sqe},
};

use crate::{Extent, Geometry, SECTOR, gpt::Partition, queue::Kind};

/// A block device, in a mode.
const MODE_BLOCK: u16 = 0x6000;
type Result<T> = core::result::Result<T, i32>;

/// What is to be done about a request.
#[derive(Debug)]
pub enum Action {
    /// Nothing.
    None,
    /// This is the answer.
    Answer(Cqe),
    /// It is for the device: so many bytes of its payload, from a sector on.
    Submit {
        /// What to do.
        kind: Kind,
        /// The first sector.
        sector: u64,
        /// How many bytes.
        len: usize,
    },
}

/// What a request is about, as far as it is not its own bytes.
enum Step {
    Value(usize),
    Device(Kind, u64, usize),
}

/// A file that is open.
#[derive(Clone, Copy, Debug)]
struct Open {
    file: usize,
    read: bool,
    write: bool,
}

#[derive(Debug)]
struct File {
    name: String,
    extent: Extent,
}

/// The scheme.
#[derive(Debug)]
pub struct Server {
    geometry: Geometry,
    files: Vec<File>,
    folder: Folder<Open>,
}

impl Server {
    /// Serves a disk with these partitions.
    #[must_use]
    pub fn new(geometry: Geometry, partitions: &[Partition]) -> Self {
        let whole = File {
            name: String::from("0"),
            extent: Extent {
                first: 0,
                count: geometry.sectors,
            },
        };
        let parts = partitions.iter().map(|partition| File {
            name: format!("0p{}", partition.number),
            extent: partition.extent,
        });
        Self {
            geometry,
            files: core::iter::once(whole).chain(parts).collect(),
            folder: Folder::new(true),
        }
    }

    /// Makes the scheme's root.
    ///
    /// # Errors
    /// `ENOMEM`.
    pub fn root(&mut self) -> Result<u64> {
        self.folder.root()
    }

    /// Takes a request. Its payload is needed only if it is neither read nor written as a file's bytes.
    pub fn handle(&mut self, sqe: &Sqe, payload: &mut [u8]) -> Action {
        let (files, read_only) = (&self.files, self.geometry.read_only);
        let find = |name: &str, flags: usize| {
            let file = files.iter().position(|file| file.name == name);
            let open = Open {
                file: file.ok_or(errno::ENOENT)?,
                read: flags & O_RDONLY != 0,
                write: flags & O_WRONLY != 0,
            };
            if open.write && read_only {
                return Err(errno::EROFS);
            }
            Ok(open)
        };
        let answer = match self.folder.begin(sqe, payload, find) {
            Begun::Answer(cqe) => return Action::Answer(cqe),
            // What the device does is not given up.
            Begun::Nothing | Begun::Cancel(_) => return Action::None,
            Begun::Goes(opcode) => self.step(opcode, sqe, payload),
        };
        match answer {
            Ok(Step::Device(kind, sector, len)) => Action::Submit { kind, sector, len },
            Ok(Step::Value(value)) => Action::Answer(reply::value(sqe.tag, Ok(value))),
            Err(error) => Action::Answer(reply::value(sqe.tag, Err(error))),
        }
    }

    fn step(&self, opcode: Opcode, sqe: &Sqe, payload: &mut [u8]) -> Result<Step> {
        let [number, _, len, a, b, c] = sqe.args;
        let handle = *self.folder.get(number)?;
        match opcode {
            Opcode::Read => self.transfer(handle, Kind::Read, a, len),
            Opcode::Write => self.transfer(handle, Kind::Write, a, len),
            Opcode::Fsize => Ok(Step::Value(self.size(handle) as usize)),
            Opcode::Fstat => self.stat(handle, number, payload),
            Opcode::Getdents => self.list(handle, payload, a, b),
            Opcode::Fsync => self.flush(handle),
            Opcode::StdFsCall => match StdFsCallKind::try_from_raw(a as u8) {
                Some(StdFsCallKind::Fstat) => self.stat(handle, number, payload),
                Some(StdFsCallKind::Getdents) => self.list(handle, payload, c, b),
                Some(StdFsCallKind::Fsync) => self.flush(handle),
                Some(StdFsCallKind::Ftruncate) => Err(errno::EINVAL),
                _ => Err(errno::EOPNOTSUPP),
            },
            Opcode::Close => Ok(Step::Value(0)),
            Opcode::Fcntl | Opcode::Dup | Opcode::Ftruncate => Err(errno::EINVAL),
            // Always ready, like files.
            Opcode::Fevent => Err(errno::EPERM),
            _ => Err(errno::EOPNOTSUPP),
        }
    }

    fn extent(&self, handle: Handle<Open>) -> Option<Extent> {
        match handle {
            Handle::Root => None,
            Handle::File(Open { file, .. }) => self.files.get(file).map(|file| file.extent),
        }
    }

    /// In bytes.
    fn size(&self, handle: Handle<Open>) -> u64 {
        self.extent(handle)
            .map_or(0, |extent| extent.count.saturating_mul(SECTOR))
    }

    fn transfer(&self, handle: Handle<Open>, kind: Kind, offset: u64, len: u64) -> Result<Step> {
        let extent = self.extent(handle).ok_or(errno::EISDIR)?;
        match (handle, kind) {
            (Handle::File(Open { read: true, .. }), Kind::Read)
            | (Handle::File(Open { write: true, .. }), Kind::Write) => {}
            _ => return Err(errno::EBADF),
        }
        let block = u64::from(self.geometry.block);
        let aligned = |value: u64| value.is_multiple_of(block);
        if !aligned(offset) || !aligned(len) {
            return Err(errno::EINVAL);
        }
        let rest = self.size(handle).saturating_sub(offset);
        let len = len.min(rest);
        if len == 0 {
            let full = kind == Kind::Write && rest == 0;
            return if full {
                Err(errno::ENOSPC)
            } else {
                Ok(Step::Value(0))
            };
        }
        let sector = extent.first.saturating_add(offset.wrapping_div(SECTOR));
        let len = usize::try_from(len).map_err(|_| errno::EINVAL)?;
        Ok(Step::Device(kind, sector, len))
    }

    fn flush(&self, handle: Handle<Open>) -> Result<Step> {
        match handle {
            Handle::Root => Ok(Step::Value(0)),
            Handle::File(_) => Ok(Step::Device(Kind::Flush, 0, 0)),
        }
    }

    fn stat(&self, handle: Handle<Open>, number: u64, payload: &mut [u8]) -> Result<Step> {
        let write = if self.geometry.read_only { 0 } else { 0o200 };
        let size = self.size(handle);
        let stat = Stat {
            st_ino: match handle {
                Handle::Root => number.min(1),
                Handle::File(Open { file, .. }) => (file as u64).saturating_add(2),
            },
            st_mode: match handle {
                Handle::Root => MODE_DIR | 0o500,
                Handle::File(_) => MODE_BLOCK | 0o400 | write,
            },
            st_nlink: 1,
            st_size: size,
            st_blksize: self.geometry.block,
            st_blocks: size.wrapping_div(SECTOR),
            ..Stat::default()
        };
        reply::stat(payload, &stat).map(Step::Value)
    }

    fn list(
        &self,
        handle: Handle<Open>,
        buffer: &mut [u8],
        header: u64,
        after: u64,
    ) -> Result<Step> {
        let names = self.files.iter().map(|file| file.name.as_str());
        handle.list(buffer, header, after, names).map(Step::Value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use syscall::{flag::O_DIRECTORY, schemev2::SqeFlags};

    struct Client {
        server: Server,
        root: u64,
    }

    impl Client {
        fn new(block: u32, read_only: bool) -> Self {
            let geometry = Geometry::new(1000, block, read_only);
            let partitions = [Partition {
                number: 3,
                extent: Extent {
                    first: 80,
                    count: 16,
                },
            }];
            let mut server = Server::new(geometry, &partitions);
            let root = server.root().unwrap();
            Self { server, root }
        }

        fn ask(&mut self, opcode: Opcode, args: [u64; 6], payload: &mut [u8]) -> Action {
            let sqe = Sqe {
                opcode: opcode as u8,
                args,
                ..Sqe::default()
            };
            self.server.handle(&sqe, payload)
        }

        fn value(&mut self, opcode: Opcode, args: [u64; 6], payload: &mut [u8]) -> i64 {
            match self.ask(opcode, args, payload) {
                Action::Answer(cqe) => cqe.result as i64,
                other => panic!("{other:?}"),
            }
        }

        fn open(&mut self, path: &str, flags: usize) -> i64 {
            let mut path = path.as_bytes().to_vec();
            let args = [self.root, 0, 0, flags as u64, 0, 0];
            self.value(Opcode::OpenAt, args, &mut path)
        }

        /// Sector and length for the device, or the answer.
        fn transfer(
            &mut self,
            file: u64,
            opcode: Opcode,
            offset: u64,
            len: u64,
        ) -> core::result::Result<(u64, usize), i64> {
            match self.ask(opcode, [file, 0, len, offset, 0, 0], &mut []) {
                Action::Submit { sector, len, .. } => Ok((sector, len)),
                Action::Answer(cqe) => Err(cqe.result as i64),
                Action::None => panic!(),
            }
        }
    }

    const BOTH: usize = O_RDONLY | O_WRONLY;

    fn no<T>(error: i32) -> core::result::Result<T, i64> {
        Err(-i64::from(error))
    }

    #[test]
    fn transfers_lie_in_their_file() {
        let mut c = Client::new(512, false);
        let (disk, part) = (c.open("0", BOTH) as u64, c.open("0p3", BOTH) as u64);
        use Opcode::{Read, Write};
        let rows = [
            (disk, Read, 0, 512, Ok((0, 512))),
            (disk, Write, 512 * 999, 4096, Ok((999, 512))),
            (disk, Read, 512 * 1000, 512, Err(0)),
            (disk, Write, 512 * 1000, 512, no(errno::ENOSPC)),
            (disk, Read, u64::MAX - 511, 512, Err(0)),
            (part, Read, 0, 512, Ok((80, 512))),
            (part, Write, 512 * 15, 1024, Ok((95, 512))),
            (part, Write, 512 * 16, 512, no(errno::ENOSPC)),
            (part, Write, 512 * 8, 0, Err(0)),
            (part, Read, 1, 512, no(errno::EINVAL)),
            (part, Read, 0, 511, no(errno::EINVAL)),
            (part, Read, u64::MAX, 512, no(errno::EINVAL)),
            (c.root, Read, 0, 512, no(errno::EISDIR)),
            (99, Read, 0, 512, no(errno::EBADF)),
        ];
        for (file, opcode, offset, len, wanted) in rows {
            let got = c.transfer(file, opcode, offset, len);
            assert_eq!(got, wanted, "{opcode:?} {offset} {len}");
        }
    }

    #[test]
    fn blocks_are_the_devices() {
        let mut c = Client::new(4096, false);
        let disk = c.open("0", BOTH) as u64;
        assert_eq!(c.transfer(disk, Opcode::Read, 512, 4096), no(errno::EINVAL));
        assert_eq!(c.transfer(disk, Opcode::Read, 0, 512), no(errno::EINVAL));
        assert_eq!(c.transfer(disk, Opcode::Read, 4096, 4096), Ok((8, 4096)));
    }

    #[test]
    fn what_was_not_opened_for_is_refused() {
        let mut c = Client::new(512, false);
        let rows = [
            (O_RDONLY, Opcode::Write),
            (O_WRONLY, Opcode::Read),
            (0, Opcode::Read),
        ];
        for (flags, opcode) in rows {
            let file = c.open("0", flags) as u64;
            assert_eq!(c.transfer(file, opcode, 0, 512), no(errno::EBADF));
        }
        let mut c = Client::new(512, true);
        assert_eq!(c.open("0", O_WRONLY), -i64::from(errno::EROFS));
        assert!(c.open("0p3", O_RDONLY) > 0);
    }

    #[test]
    fn opens_are_refused_for_their_reason() {
        let mut c = Client::new(512, false);
        let rows = [
            ("0p1", 0, errno::ENOENT),
            ("1", 0, errno::ENOENT),
            ("0/", 0, errno::ENOENT),
            ("0", O_DIRECTORY, errno::ENOTDIR),
            ("", O_WRONLY, errno::EISDIR),
        ];
        for (path, flags, error) in rows {
            assert_eq!(c.open(path, flags), -i64::from(error), "{path}");
        }
        let file = c.open("0", O_RDONLY) as u64;
        let answer = c.value(Opcode::OpenAt, [file, 0, 0, 0, 0, 0], &mut []);
        assert_eq!(answer, -i64::from(errno::ENOTDIR));
        for _ in 0..2 {
            let sqe = Sqe {
                opcode: Opcode::CloseMsg as u8,
                sqe_flags: SqeFlags::ONEWAY,
                args: [file, 0, 0, 0, 0, 0],
                ..Sqe::default()
            };
            assert!(matches!(c.server.handle(&sqe, &mut []), Action::None));
        }
        assert_eq!(c.transfer(file, Opcode::Read, 0, 512), no(errno::EBADF));
    }

    #[test]
    fn files_say_what_they_are() {
        let mut c = Client::new(4096, true);
        let rows = [("0", 1000 * 512), ("0p3", 16 * 512)];
        for (name, size) in rows {
            let file = c.open(name, O_RDONLY) as u64;
            let mut stat = Stat::default();
            assert_eq!(c.value(Opcode::Fstat, [file, 0, 0, 0, 0, 0], &mut stat), 0);
            assert_eq!((stat.st_size, stat.st_blksize), (size, 4096));
            assert_eq!(stat.st_mode, 0o060_400);
            let answer = c.value(Opcode::Fsize, [file, 0, 0, 0, 0, 0], &mut []);
            assert_eq!(answer as u64, size);
            let short = c.value(Opcode::Fstat, [file, 0, 0, 0, 0, 0], &mut [0; 8]);
            assert_eq!(short, -i64::from(errno::EINVAL));
        }
    }

    #[test]
    fn fsync_is_the_devices() {
        let mut c = Client::new(512, false);
        let file = c.open("0", O_RDONLY) as u64;
        let sync = StdFsCallKind::Fsync as u64;
        for (opcode, kind) in [(Opcode::Fsync, 0), (Opcode::StdFsCall, sync)] {
            let action = c.ask(opcode, [file, 0, 0, kind, 0, 0], &mut []);
            let wanted = matches!(
                action,
                Action::Submit {
                    kind: Kind::Flush,
                    len: 0,
                    ..
                }
            );
            assert!(wanted, "{action:?}");
        }
    }

    #[test]
    fn any_request_is_answered() {
        let mut c = Client::new(512, false);
        let file = c.open("0", BOTH) as u64;
        for opcode in 0..=64 {
            // What is cancelled is answered, not the wish that it be.
            let opcode = Opcode::try_from_raw(opcode).filter(|op| !matches!(op, Opcode::Cancel));
            let Some(opcode) = opcode else {
                continue;
            };
            for handle in [c.root, file, 99] {
                for kind in [0, 5, u64::MAX] {
                    let args = [handle, 1, 2, kind, u64::MAX, u64::MAX];
                    let action = c.ask(opcode, args, &mut [0; 3]);
                    assert!(!matches!(action, Action::None), "{opcode:?}");
                }
            }
        }
    }
}
