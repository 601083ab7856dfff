//! Reading, waiting, and the status scheme.
//!
//! The status scheme is read-only and reached by whoever holds (a descriptor derived from) its root:
//! `denials` follows the log, `counters` counts refusals by cause, `counts` counts objects.

use core::fmt::Write;

use alloc::{rc::Rc, string::String, vec::Vec};

use gen_slab::Key;
use syscall::{error as errno, flag::EventFlags};

use crate::{
    error::{Cause, Error},
    handle::{Handle, Kind, Waiting},
    manager::{Caller, Manager},
    route::Opened,
};

const FILES: [&str; 3] = ["denials", "counters", "counts"];

impl<R, L> Manager<R, L> {
    /// Makes the root of the status scheme.
    ///
    /// # Errors
    /// `ENOMEM`, `EMFILE`.
    pub fn status_root(&mut self, caller: Caller) -> Result<u64, Error> {
        self.new_handle(Kind::Status, caller)
    }

    pub(crate) fn open_status(&mut self, path: &[u8], caller: Caller) -> Result<Opened, Error> {
        match path {
            b"" | b"." => Ok(Opened {
                handle: self.status_root(caller)?,
                positioned: true,
            }),
            b"denials" => {
                let cursor = self.log.oldest();
                let kind = Kind::Denials {
                    cursor,
                    waiting: Waiting::No,
                };
                Ok(Opened {
                    handle: self.new_handle(kind, caller)?,
                    positioned: false,
                })
            }
            b"counters" => {
                let mut text = Vec::new();
                self.log.write_counters(&mut text);
                self.new_text(text.into_boxed_slice(), caller)
            }
            b"counts" => {
                let text = self.counts().into_bytes();
                self.new_text(text.into_boxed_slice(), caller)
            }
            _ => Err(Error::NO_SUCH_OBJECT),
        }
    }

    pub(crate) fn list_status(from: u64, take: &mut impl FnMut(u64, u64, &str) -> bool) {
        for (next, name) in (1..).zip(FILES) {
            if next > from && !take(next, 0, name) {
                break;
            }
        }
    }

    /// One line per kind of object: `kind count`.
    #[must_use]
    pub fn counts(&self) -> String {
        let (pids, uids) = self.quota.clients();
        let bindings = Rc::strong_count(&self.bindings).saturating_sub(1);
        let mut text = String::new();
        let _ = write!(
            text,
            "handles {}\nnamespaces {}\nnames-charged {}\nbindings {}\nroots {}\nprocesses {}\nusers {}\n",
            self.handles.len(),
            self.namespaces.len(),
            self.quota.names(),
            bindings,
            self.roots.held(),
            pids,
            uids,
        );
        text
    }

    /// Answers `read`: appends at most `limit` bytes to `out`. `offset` counts for texts only.
    ///
    /// # Errors
    /// `EAGAIN` when there is nothing new, `EISDIR`, `EBADF`, `EINVAL` if `limit` is too small for a
    /// watch handle's answer.
    pub fn read(
        &mut self,
        handle: u64,
        offset: u64,
        limit: usize,
        out: &mut Vec<u8>,
    ) -> Result<(), Error> {
        const NOTHING: Error = Error::new(errno::EAGAIN, Cause::WrongHandle);
        let handle = self
            .handles
            .get_mut(Key::from_raw(handle))
            .ok_or(Error::BAD_HANDLE)?;
        match &mut handle.kind {
            Kind::Watch { ns, seen, waiting } => {
                waiting.read();
                let namespace = self.namespaces.get(*ns).ok_or(Error::BAD_HANDLE)?;
                let now = namespace.generation;
                if *seen == now {
                    return Err(NOTHING);
                }
                if limit < size_of::<u64>() {
                    return Err(Error::MALFORMED);
                }
                *seen = now;
                out.extend_from_slice(&now.to_ne_bytes());
                Ok(())
            }
            Kind::Denials { cursor, waiting } => {
                waiting.read();
                let limit = out.len().saturating_add(limit);
                let before = out.len();
                self.log.read_lines(cursor, limit, out);
                if out.len() > before {
                    Ok(())
                } else if *cursor == self.log.next() {
                    Err(NOTHING)
                } else {
                    // Not even one line fits.
                    Err(Error::MALFORMED)
                }
            }
            Kind::Text(text) => {
                let from = usize::try_from(offset)
                    .unwrap_or(usize::MAX)
                    .min(text.len());
                let rest = text.get(from..).unwrap_or_default();
                out.extend_from_slice(rest.get(..limit).unwrap_or(rest));
                Ok(())
            }
            Kind::Access { .. } | Kind::List { .. } | Kind::Place { .. } | Kind::Status => {
                Err(Error::new(errno::EISDIR, Cause::WrongHandle))
            }
            Kind::Register { .. } => Err(Error::BAD_HANDLE),
        }
    }

    /// Size in bytes, as `fstat` tells it.
    ///
    /// # Errors
    /// `EBADF`.
    pub fn size(&self, handle: u64) -> Result<usize, Error> {
        Ok(match &self.handle(handle)?.kind {
            Kind::Text(text) => text.len(),
            _ => 0,
        })
    }

    /// Answers `fevent`: which of the events asked for hold now. For those that do not, the handle
    /// will come out of [`Self::next_ready`].
    ///
    /// # Errors
    /// `EPERM` for a handle that has no events, `EBADF`.
    pub fn fevent(&mut self, handle: u64, asked: EventFlags) -> Result<EventFlags, Error> {
        let key = Key::from_raw(handle);
        let Some(Handle { kind, .. }) = self.handles.get_mut(key) else {
            return Err(Error::BAD_HANDLE);
        };
        let wants = asked.contains(EventFlags::EVENT_READ);
        let ready = match kind {
            Kind::Watch { ns, seen, waiting } => {
                let generation = self.namespaces.get(*ns).map_or(0, |ns| ns.generation);
                let ready = *seen != generation;
                *waiting = Waiting::after_request(wants, ready);
                ready
            }
            Kind::Denials { cursor, waiting } => {
                if wants && *waiting == Waiting::No {
                    self.followers
                        .try_reserve(1)
                        .map_err(|_| Error::new(errno::ENOMEM, Cause::MemoryLimit))?;
                    self.followers.push(key);
                } else if !wants {
                    self.followers.retain(|follower| *follower != key);
                }
                let ready = *cursor != self.log.next();
                *waiting = Waiting::after_request(wants, ready);
                ready
            }
            _ => return Err(Error::new(errno::EPERM, Cause::WrongHandle)),
        };
        Ok(if ready && wants {
            EventFlags::EVENT_READ
        } else {
            EventFlags::EVENT_NONE
        })
    }

    /// A namespace has changed.
    pub(crate) fn changed(&mut self, ns: Key) {
        let Some(namespace) = self.namespaces.get_mut(ns) else {
            return;
        };
        namespace.generation = namespace.generation.wrapping_add(1);
        let Some(watchers) = namespace.rare().map(|rare| &rare.watchers) else {
            return;
        };
        if watchers.is_empty() || self.ready.try_reserve(watchers.len()).is_err() {
            return;
        }
        for watcher in watchers {
            if let Some(Handle {
                kind: Kind::Watch { waiting, .. },
                ..
            }) = self.handles.get_mut(*watcher)
                && waiting.tell()
            {
                self.ready.push(watcher.raw());
            }
        }
    }

    /// The denial log has grown.
    pub(crate) fn wake_followers(&mut self) {
        if !self.followers.is_empty() {
            self.wake_each_follower();
        }
    }

    #[inline(never)]
    fn wake_each_follower(&mut self) {
        if self.ready.try_reserve(self.followers.len()).is_err() {
            return;
        }
        for follower in &self.followers {
            if let Some(Handle {
                kind: Kind::Denials { waiting, .. },
                ..
            }) = self.handles.get_mut(*follower)
                && waiting.tell()
            {
                self.ready.push(follower.raw());
            }
        }
    }
}
