//! What is in a file, and what of it is mapped.

use cwd_cap::Path;
use syscall::data::TimeSpec;
use syscall::flag::O_APPEND;

use super::{Fs, Handle, LONGEST_TOKEN};
use crate::access::Caller;
use crate::data::FileData;
use crate::error::Error;
use crate::node::{Kind, NodeId};
use crate::store::{Attr, Store};

impl<S: Store> Fs<S> {
    /// Reads a file, or a link's target.
    ///
    /// # Errors
    /// [`Error::IsDirectory`].
    pub fn read(
        &mut self,
        handle: usize,
        buf: &mut [u8],
        offset: u64,
        now: TimeSpec,
    ) -> Result<usize, Error> {
        let Handle {
            node, read, pipe, ..
        } = *self.handle(handle)?;
        if !read || pipe {
            return Err(Error::BadHandle);
        }
        let len = match self.store.attr(node)?.kind() {
            Kind::File => self.store.read(node, offset, buf)?,
            Kind::Link => {
                let target = self.store.target(node)?;
                crate::Borrowed(target.as_bytes()).read(offset, buf)
            }
            Kind::Directory => return Err(Error::IsDirectory),
            // Only of a socket is there a handle that can read.
            Kind::Special => self.store.read(node, offset, buf)?,
        };
        if len > 0 {
            self.store.accessed(node, now);
        }
        Ok(len)
    }

    /// Writes to a file at `offset`, or at its end if `fcntl_flags` has `O_APPEND`; writes as much
    /// as there is space for. On the handle that made a link or a socket's name: sets what it leads to, once and whole.
    ///
    /// # Errors
    /// [`Error::NoSpace`] if not a single byte fits, [`Error::TooLarge`].
    pub fn write(
        &mut self,
        handle: usize,
        buf: &[u8],
        offset: u64,
        fcntl_flags: u32,
        caller: Caller,
        now: TimeSpec,
    ) -> Result<usize, Error> {
        let number = handle as u64;
        let Handle {
            node,
            write,
            unwritten,
            pipe,
            ..
        } = *self.handle(handle)?;
        if unwritten {
            if self.store.attr(node)?.kind() == Kind::Link {
                self.set_target(node, buf, now)?;
            } else {
                self.set_token(node, buf)?;
            }
            if let Some(handle) = self.handles.get_mut(number) {
                handle.unwritten = false;
            }
            return Ok(buf.len());
        }
        if !write || pipe {
            return Err(Error::BadHandle);
        }
        self.writable()?;
        let offset = if fcntl_flags as usize & O_APPEND != 0 {
            self.store.attr(node)?.size
        } else {
            offset
        };
        if buf.is_empty() {
            return Ok(0);
        }
        let room = self.store.max_size().saturating_sub(offset);
        let len = usize::try_from(room).map_or(buf.len(), |room| room.min(buf.len()));
        let data = buf.get(..len).filter(|data| !data.is_empty());
        let written = self
            .store
            .write(node, offset, data.ok_or(Error::TooLarge)?)?;
        self.changed(node, caller, now)?;
        Ok(written)
    }

    /// Notes that `caller` has changed a file's content.
    fn changed(&mut self, node: NodeId, caller: Caller, now: TimeSpec) -> Result<(), Error> {
        let mut attr = self.store.attr(node)?;
        attr.touch(now);
        attr.changed_by(caller);
        self.store.set_attr(node, &attr)
    }

    /// Notes when what is behind a special file was last read and written. A tree that nobody may change keeps
    /// no such times.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Backend`].
    pub fn passed(
        &mut self,
        node: NodeId,
        read: Option<TimeSpec>,
        written: Option<TimeSpec>,
    ) -> Result<(), Error> {
        if self.store.read_only() {
            return Ok(());
        }
        if let Some(now) = written {
            let mut attr = self.store.attr(node)?;
            attr.touch(now);
            self.store.set_attr(node, &attr)?;
        }
        if let Some(now) = read {
            self.store.accessed(node, now);
        }
        Ok(())
    }

    fn set_token(&mut self, node: NodeId, token: &[u8]) -> Result<(), Error> {
        self.writable()?;
        if token.is_empty() || token.len() > LONGEST_TOKEN {
            return Err(Error::Invalid("what leads to a socket: its length"));
        }
        let written = self.store.write(node, 0, token)?;
        if written == token.len() {
            Ok(())
        } else {
            Err(Error::NoSpace)
        }
    }

    fn set_target(&mut self, node: NodeId, target: &[u8], now: TimeSpec) -> Result<(), Error> {
        self.writable()?;
        let text = Path::new(target)?.as_str();
        if text.is_empty() {
            return Err(Error::Invalid("target of a link: empty"));
        }
        let mut attr: Attr = self.store.attr(node)?;
        if attr.kind() != Kind::Link {
            return Err(Error::BadHandle);
        }
        if attr.size != 0 {
            return Err(Error::Invalid("target of a link: already written"));
        }
        self.store.set_target(node, text)?;
        attr.touch(now);
        self.store.set_attr(node, &attr)
    }

    /// Makes a file that size.
    ///
    /// # Errors
    /// [`Error::TooLarge`]; [`Error::BadHandle`] if it was not opened for writing; [`Error::Invalid`] for a pipe.
    pub fn ftruncate(
        &mut self,
        handle: usize,
        size: u64,
        caller: Caller,
        now: TimeSpec,
    ) -> Result<(), Error> {
        let Handle {
            node, write, pipe, ..
        } = *self.handle(handle)?;
        if !write {
            return Err(Error::BadHandle);
        }
        if pipe {
            return Err(Error::Invalid("kind of file: a pipe has no size"));
        }
        self.set_size(node, size, caller, now)
    }

    pub(super) fn set_size(
        &mut self,
        node: NodeId,
        size: u64,
        caller: Caller,
        now: TimeSpec,
    ) -> Result<(), Error> {
        self.writable()?;
        if size > self.store.max_size() {
            return Err(Error::TooLarge);
        }
        self.store.set_size(node, size)?;
        self.changed(node, caller, now)
    }

    /// What was written is safe from a loss of power.
    ///
    /// # Errors
    /// [`Error::Backend`].
    pub fn fsync(&mut self, handle: usize) -> Result<(), Error> {
        let node = self.handle(handle)?.node;
        self.store.sync_node(node)
    }

    /// Memory that is a file's content, for the caller to map; see [`Store::map`]. What is mapped stays until
    /// [`Fs::munmap`], also when the handle is closed.
    ///
    /// # Errors
    /// [`Error::Denied`] if the handle was not opened for this.
    pub fn mmap(
        &mut self,
        handle: usize,
        (offset, len): (u64, u64),
        writable: bool,
        caller: Caller,
    ) -> Result<usize, Error> {
        let Handle {
            node, read, write, ..
        } = *self.handle(handle)?;
        if !read || writable && !write {
            return Err(Error::Denied);
        }
        if self.store.attr(node)?.kind() != Kind::File {
            return Err(Error::Invalid("kind of file: it cannot be mapped"));
        }
        let page = crate::PAGE as u64;
        let whole = len.checked_next_multiple_of(page).ok_or(Error::NoMemory)?;
        if !offset.is_multiple_of(page) || len == 0 {
            return Err(Error::Invalid("range to be mapped"));
        }
        self.store.opened(node)?;
        match self.store.map(node, (offset, whole), writable, caller.uid) {
            Ok(address) => {
                let count = &mut self.maps.entry(handle).or_insert((node, 0)).1;
                *count = count.saturating_add(1);
                Ok(address)
            }
            Err(error) => {
                self.store.closed(node);
                Err(error)
            }
        }
    }

    /// A mapping made through a handle is gone, which may itself be gone. Unknown numbers are ignored.
    ///
    /// # Errors
    /// Those of writing back what the mapping's users wrote.
    pub fn munmap(&mut self, handle: usize) -> Result<(), Error> {
        let Some((node, count)) = self.maps.get_mut(&handle) else {
            return Ok(());
        };
        let node = *node;
        *count = count.saturating_sub(1);
        if *count == 0 {
            self.maps.remove(&handle);
        }
        let done = self.store.unmapped(node);
        self.store.closed(node);
        done
    }
}
