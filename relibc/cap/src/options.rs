//! How something in a [`Dir`](crate::Dir) is opened.

bitflags::bitflags! {
    // The bits of `<sys/openat2.h>`.
    /// Further conditions on how a path is resolved. That it does not leave the directory is always one.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct Resolve: u64 {
        /// No symbolic link in any component.
        const NO_SYMLINKS = 0x04;
        /// The directory is `/`: absolute paths and links, and `..`, stay inside instead of being refused.
        const IN_ROOT = 0x10;
        /// No other file system.
        const NO_XDEV = 0x01;
    }
}

/// Like [`std::fs::OpenOptions`], for [`Dir::open_with`](crate::Dir::open_with).
///
/// ```no_run
/// use cuprite_cap::{Dir, OpenOptions, Resolve};
///
/// # fn main() -> std::io::Result<()> {
/// let dir = Dir::open_ambient("/srv/uploads")?;
/// let new = OpenOptions::new().write(true).create_new(true).resolve(Resolve::NO_SYMLINKS);
/// let file = dir.open_with("report.txt", &new)?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct OpenOptions {
    read: bool,
    write: bool,
    append: bool,
    truncate: bool,
    create: bool,
    create_new: bool,
    no_follow: bool,
    mode: u32,
    resolve: Resolve,
}

impl Default for OpenOptions {
    fn default() -> Self {
        Self::new()
    }
}

macro_rules! setters {
    ($($(#[$doc:meta])* $name:ident: $kind:ty),* $(,)?) => {$(
        $(#[$doc])*
        #[must_use]
        pub const fn $name(mut self, value: $kind) -> Self {
            self.$name = value;
            self
        }
    )*};
}

impl OpenOptions {
    /// Nothing is asked for yet.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            read: false,
            write: false,
            append: false,
            truncate: false,
            create: false,
            create_new: false,
            no_follow: false,
            mode: 0o666,
            resolve: Resolve::empty(),
        }
    }

    setters! {
        /// To be read.
        read: bool,
        /// To be written.
        write: bool,
        /// To be written at its end.
        append: bool,
        /// Emptied if it is there.
        truncate: bool,
        /// Made if it is not there.
        create: bool,
        /// Made; it is an error if it is there.
        create_new: bool,
        /// A link at the end of the path is an error.
        no_follow: bool,
        /// Permission bits of a file that is made, before the process's mask.
        mode: u32,
        /// How the path is resolved.
        resolve: Resolve,
    }

    pub(crate) const fn resolution(&self) -> Resolve {
        self.resolve
    }

    /// The flags and the mode of an open request. `None` for a contradiction.
    pub(crate) fn flags(&self) -> Option<(usize, u32)> {
        let writes = self.write || self.append;
        let creates = self.create || self.create_new;
        if !writes && (creates || self.truncate) || self.append && self.truncate {
            return None;
        }
        let access = match (self.read, writes) {
            (true, false) => crate::sys::O_RDONLY,
            (false, true) => crate::sys::O_WRONLY,
            (true, true) => crate::sys::O_RDWR,
            (false, false) => return None,
        };
        let chosen = [
            (self.append, crate::sys::O_APPEND),
            (self.truncate, crate::sys::O_TRUNC),
            (creates, crate::sys::O_CREAT),
            (self.create_new, crate::sys::O_EXCL),
            (self.no_follow, crate::sys::O_NOFOLLOW),
        ];
        let flags = chosen.into_iter().filter(|(is, _)| *is);
        let flags = flags.fold(access, |all, (_, flag)| all | flag);
        let mode = if creates { self.mode & 0o7777 } else { 0 };
        Some((flags, mode))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::*;

    #[test]
    fn flags() {
        let new = OpenOptions::new;
        let rows = [
            (new(), None),
            (new().read(true), Some((O_RDONLY, 0))),
            (new().write(true), Some((O_WRONLY, 0))),
            (new().read(true).write(true), Some((O_RDWR, 0))),
            (new().append(true), Some((O_WRONLY | O_APPEND, 0))),
            (new().read(true).append(true), Some((O_RDWR | O_APPEND, 0))),
            (new().append(true).truncate(true), None),
            (new().read(true).truncate(true), None),
            (new().read(true).create(true), None),
            (
                new().write(true).create(true).truncate(true),
                Some((O_WRONLY | O_CREAT | O_TRUNC, 0o666)),
            ),
            (
                new().write(true).create_new(true).mode(0o14777),
                Some((O_WRONLY | O_CREAT | O_EXCL, 0o4777)),
            ),
            (
                new().read(true).no_follow(true),
                Some((O_RDONLY | O_NOFOLLOW, 0)),
            ),
        ];
        for (options, want) in rows {
            assert_eq!(options.flags(), want, "{options:?}");
        }
    }
}
