//! A disk that goes on when its driver was started again.
//!
//! A driver that has died takes its descriptors with it: they answer `ENODEV`, or `ESTALE` if they were under
//! a lease. The disk itself is still there, and so is everything that the driver had answered for. So the
//! file is opened again, for as long as it takes a driver to start, and what was asked is asked again: reading
//! and writing at offsets, and flushing, come to the same when done twice.
//!
//! A flush covers what was written through a driver that is dead: the disk's own cache outlives drivers.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects
    )
)]

extern crate alloc;

use alloc::string::String;

use syscall::error::{EINTR, EIO, ENODEV, ENOENT, ESTALE};

type Result<T> = core::result::Result<T, i32>;

/// What a disk is reached through.
pub trait System {
    /// An open file.
    type File;

    /// Opens a file for reading, and perhaps writing; with its size in bytes.
    ///
    /// # Errors
    /// An error number.
    fn open(&mut self, path: &str, write: bool) -> Result<(Self::File, u64)>;
    /// Reads at an offset; how much.
    ///
    /// # Errors
    /// An error number.
    fn read(&mut self, file: &Self::File, offset: u64, into: &mut [u8]) -> Result<usize>;
    /// Writes at an offset; how much.
    ///
    /// # Errors
    /// An error number.
    fn write(&mut self, file: &Self::File, offset: u64, from: &[u8]) -> Result<usize>;
    /// Has everything written before on the medium.
    ///
    /// # Errors
    /// An error number.
    fn flush(&mut self, file: &Self::File) -> Result<()>;
    /// Lets a number of milliseconds pass.
    fn pause(&mut self, milliseconds: u32);
}

/// The first pause before a file is opened again, and the longest.
const SHORTEST: u32 = 2;
const LONGEST: u32 = 100;
/// For how long it is tried, in all.
const PATIENCE: u32 = 10_000;

/// Whether an error means that the driver has died.
const fn is_death(errno: i32) -> bool {
    matches!(errno, ENODEV | ESTALE)
}

/// A file of a disk's scheme.
pub struct Disk<S: System> {
    system: S,
    path: String,
    write: bool,
    size: u64,
    /// Nothing while there is no driver.
    file: Option<S::File>,
}

impl<S: System> Disk<S> {
    /// Opens a file, for writing too if that is wanted.
    ///
    /// # Errors
    /// An error number.
    pub fn open(mut system: S, path: &str, write: bool) -> Result<Self> {
        let (file, size) = system.open(path, write)?;
        Ok(Self {
            system,
            path: String::from(path),
            write,
            size,
            file: Some(file),
        })
    }

    /// Its size in bytes.
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// Fills a buffer from an offset on.
    ///
    /// # Errors
    /// An error number; `EIO` also when the file ends before.
    pub fn read(&mut self, offset: u64, into: &mut [u8]) -> Result<()> {
        let mut done = 0_usize;
        while let Some(rest) = into.get_mut(done..).filter(|rest| !rest.is_empty()) {
            let at = offset.saturating_add(done as u64);
            let count = self.again(|system, file| system.read(file, at, rest))?;
            done = done.saturating_add(some(count)?);
        }
        Ok(())
    }

    /// Writes all of a buffer at an offset.
    ///
    /// # Errors
    /// An error number; `EIO` also when the file ends before.
    pub fn write(&mut self, offset: u64, from: &[u8]) -> Result<()> {
        let mut done = 0_usize;
        while let Some(rest) = from.get(done..).filter(|rest| !rest.is_empty()) {
            let at = offset.saturating_add(done as u64);
            let count = self.again(|system, file| system.write(file, at, rest))?;
            done = done.saturating_add(some(count)?);
        }
        Ok(())
    }

    /// Has everything written before on the medium.
    ///
    /// # Errors
    /// An error number.
    pub fn flush(&mut self) -> Result<()> {
        self.again(|system, file| system.flush(file))
    }

    /// Does something until it does not fail because of the driver's death.
    fn again<T>(&mut self, mut ask: impl FnMut(&mut S, &S::File) -> Result<T>) -> Result<T> {
        let mut waited = 0_u32;
        let mut pause = SHORTEST;
        loop {
            let failed = match self.file.take() {
                Some(file) => match ask(&mut self.system, &file) {
                    Err(EINTR) => {
                        self.file = Some(file);
                        continue;
                    }
                    // The file is closed: its scheme is gone.
                    Err(errno) if is_death(errno) => errno,
                    other => {
                        self.file = Some(file);
                        return other;
                    }
                },
                None => ENODEV,
            };
            if waited >= PATIENCE {
                return Err(failed);
            }
            match self.system.open(&self.path, self.write) {
                // Another disk in its place is another disk.
                Ok((_, size)) if size != self.size => return Err(EIO),
                Ok((file, _)) => self.file = Some(file),
                // A driver that has just started may not know its partitions' names yet.
                Err(errno) if is_death(errno) || matches!(errno, ENOENT | EINTR) => {
                    self.system.pause(pause);
                    waited = waited.saturating_add(pause);
                    pause = pause.saturating_mul(2).min(LONGEST);
                }
                Err(errno) => return Err(errno),
            }
        }
    }
}

/// A transfer of nothing is the end of the file.
const fn some(count: usize) -> Result<usize> {
    if count == 0 { Err(EIO) } else { Ok(count) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;
    use std::rc::Rc;
    use syscall::error::{EACCES, ENOSPC};

    /// A disk whose drivers die when told.
    #[derive(Default)]
    struct World {
        bytes: Vec<u8>,
        /// Files of an earlier driver are dead.
        driver: u32,
        /// What happens, in order, one for each call; then nothing.
        script: Vec<Event>,
        paused: u32,
        opens: u32,
        flushed: u32,
    }

    #[derive(Clone, Copy, PartialEq, Eq)]
    enum Event {
        Fine,
        /// The driver dies before it has done anything; a new one is there.
        Dies(i32),
        /// The driver dies when it has done what was asked.
        DiesAfter,
        Fails(i32),
        /// There is no driver when the file is opened.
        Missing(i32),
        Grows,
    }
    use Event::*;

    #[derive(Clone)]
    struct Fake(Rc<RefCell<World>>);

    impl Fake {
        fn new(script: &[Event]) -> Self {
            Self(Rc::new(RefCell::new(World {
                bytes: vec![0; 4096],
                script: script.iter().rev().copied().collect(),
                ..World::default()
            })))
        }

        /// What happens to a call through a file.
        fn step(&self, file: u32, mut act: impl FnMut(&mut World) -> usize) -> Result<usize> {
            let world = &mut *self.0.borrow_mut();
            if file != world.driver {
                return Err(ENODEV);
            }
            match world.script.pop().unwrap_or(Fine) {
                Fine | Missing(_) | Grows => Ok(act(world)),
                Fails(errno) => Err(errno),
                Dies(errno) => {
                    world.driver += 1;
                    Err(errno)
                }
                DiesAfter => {
                    act(world);
                    world.driver += 1;
                    Err(ENODEV)
                }
            }
        }
    }

    impl System for Fake {
        type File = u32;
        fn open(&mut self, _: &str, _: bool) -> Result<(u32, u64)> {
            let world = &mut *self.0.borrow_mut();
            world.opens += 1;
            if world.opens > 1 {
                match world.script.last() {
                    Some(&Missing(errno)) => {
                        world.script.pop();
                        return Err(errno);
                    }
                    Some(Grows) => {
                        world.script.pop();
                        world.bytes.push(0);
                    }
                    _ => {}
                }
            }
            Ok((world.driver, world.bytes.len() as u64))
        }
        fn read(&mut self, file: &u32, offset: u64, into: &mut [u8]) -> Result<usize> {
            self.step(*file, |world| {
                let rest = world.bytes.get(offset as usize..).unwrap_or(&[]);
                let len = rest.len().min(into.len()).min(1000);
                into[..len].copy_from_slice(&rest[..len]);
                len
            })
        }
        fn write(&mut self, file: &u32, offset: u64, from: &[u8]) -> Result<usize> {
            self.step(*file, |world| {
                let rest = world.bytes.get_mut(offset as usize..).unwrap_or(&mut []);
                let len = rest.len().min(from.len()).min(1000);
                rest[..len].copy_from_slice(&from[..len]);
                len
            })
        }
        fn flush(&mut self, file: &u32) -> Result<()> {
            self.step(*file, |world| {
                world.flushed += 1;
                0
            })
            .map(drop)
        }
        fn pause(&mut self, milliseconds: u32) {
            self.0.borrow_mut().paused += milliseconds;
        }
    }

    fn disk(script: &[Event]) -> (Disk<Fake>, Fake) {
        let fake = Fake::new(script);
        (Disk::open(fake.clone(), "disk", true).unwrap(), fake)
    }

    #[test]
    fn what_a_dead_driver_did_not_do_is_done_again() {
        let rows: [&[Event]; 7] = [
            &[],
            &[Dies(ENODEV)],
            &[Dies(ESTALE), Dies(ENODEV), Dies(ENODEV)],
            &[Fine, DiesAfter, Fine, DiesAfter],
            &[
                Dies(ENODEV),
                Missing(ENODEV),
                Missing(ESTALE),
                Missing(ENOENT),
            ],
            &[Fails(EINTR), Dies(ENODEV), Missing(EINTR)],
            &[
                Dies(ENODEV),
                Dies(ENODEV),
                Missing(ENODEV),
                Fine,
                Dies(ENODEV),
            ],
        ];
        for script in rows {
            let (mut disk, fake) = disk(script);
            let data: Vec<u8> = (0..3000).map(|n| n as u8).collect();
            disk.write(500, &data).unwrap();
            assert_eq!(fake.0.borrow().bytes[500..3500], data);
            let mut back = vec![0; 3000];
            disk.read(500, &mut back).unwrap();
            assert_eq!(back, data);
            disk.flush().unwrap();
            assert_eq!(fake.0.borrow().flushed, 1);
        }
    }

    #[test]
    fn other_errors_are_told() {
        let rows: [(&[Event], i32, bool); 5] = [
            (&[Fails(EIO)], EIO, true),
            (&[Fails(ENOSPC)], ENOSPC, true),
            (&[Dies(ENODEV), Missing(EACCES)], EACCES, true),
            (&[Dies(ENODEV), Grows], EIO, false),
            (&[Fine, Fails(EIO)], EIO, true),
        ];
        for (script, errno, goes_on) in rows {
            let (mut disk, _) = disk(script);
            assert_eq!(disk.write(0, &[1; 2000]), Err(errno));
            assert_eq!(disk.write(0, &[1; 2000]).is_ok(), goes_on);
        }
    }

    #[test]
    fn the_end_is_an_error() {
        let (mut disk, _) = disk(&[]);
        assert_eq!(disk.size(), 4096);
        assert_eq!(disk.read(4090, &mut [0; 10]), Err(EIO));
        assert_eq!(disk.write(5000, &[0; 10]), Err(EIO));
        assert_eq!(disk.read(5000, &mut []), Ok(()));
    }

    #[test]
    fn patience_ends_and_begins_again() {
        let mut script = vec![Dies(ENODEV)];
        script.extend([Missing(ENODEV); 1000]);
        let (mut disk, fake) = disk(&script);
        assert_eq!(disk.flush(), Err(ENODEV));
        let paused = fake.0.borrow().paused;
        assert!((PATIENCE..PATIENCE + LONGEST).contains(&paused), "{paused}");
        assert_eq!(disk.flush(), Err(ENODEV));
        fake.0.borrow_mut().script.clear();
        assert_eq!(disk.flush(), Ok(()));
    }
}
