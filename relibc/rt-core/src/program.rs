//! Which file is the program that a name means.

use syscall::{
    ENODEV, ENOENT, ENOTDIR, Stat,
    error::{Error, Result},
    flag::{MODE_FILE, MODE_TYPE},
};

/// Whether a user in a group may run a file: a regular one, with permission to execute for them.
#[must_use]
pub const fn may_run(file: &Stat, user: u32, group: u32) -> bool {
    let bits = match () {
        () if user == 0 => 0o111,
        () if user == file.st_uid => 0o100,
        () if group == file.st_gid => 0o010,
        () => 0o001,
    };
    file.st_mode & MODE_TYPE == MODE_FILE && file.st_mode & bits != 0
}

/// The first of some paths at which `open` finds a program, and that.
///
/// # Errors
/// Of one that is there and cannot be run, the last such; `ENOENT` if there is none.
pub fn first<P, T>(
    paths: impl IntoIterator<Item = P>,
    mut open: impl FnMut(&P) -> Result<T>,
) -> Result<(P, T)> {
    let mut last = Error::new(ENOENT);
    for path in paths {
        match open(&path) {
            Ok(program) => return Ok((path, program)),
            Err(error) if matches!(error.errno, ENOENT | ENOTDIR | ENODEV) => {}
            Err(error) => last = error,
        }
    }
    Err(last)
}

#[cfg(test)]
mod tests {
    use super::*;
    use syscall::{
        EACCES,
        flag::{MODE_DIR, MODE_FIFO},
    };

    #[test]
    fn who_may_run_what() {
        const OWNER: (u32, u32) = (7, 70);
        for (mode, user, group, may) in [
            (MODE_FILE | 0o755, 8, 80, true),
            (MODE_FILE | 0o644, 7, 70, false),
            (MODE_FILE | 0o644, 0, 0, false),
            (MODE_FILE | 0o001, 0, 0, true),
            // The first that is meant decides alone.
            (MODE_FILE | 0o611, 7, 70, false),
            (MODE_FILE | 0o701, 8, 70, false),
            (MODE_FILE | 0o710, 8, 70, true),
            (MODE_FILE | 0o710, 8, 80, false),
            (MODE_FILE | 0o100, 7, 80, true),
            (MODE_DIR | 0o755, 0, 0, false),
            (MODE_FIFO | 0o755, 7, 70, false),
        ] {
            let file = Stat {
                st_mode: mode,
                st_uid: OWNER.0,
                st_gid: OWNER.1,
                ..Stat::default()
            };
            assert_eq!(may_run(&file, user, group), may, "{mode:o} {user} {group}");
        }
    }

    #[test]
    fn the_search_goes_on() {
        type Row = (&'static [i32], core::result::Result<usize, i32>);
        let rows: [Row; 6] = [
            (&[], Err(ENOENT)),
            (&[ENOENT, ENODEV, ENOTDIR], Err(ENOENT)),
            (&[ENOENT, 0, EACCES], Ok(1)),
            (&[EACCES, 0], Ok(1)),
            (&[EACCES, ENOENT], Err(EACCES)),
            (&[ENOTDIR, EACCES], Err(EACCES)),
        ];
        for (answers, want) in rows {
            let found = first(0..answers.len(), |place| match answers[*place] {
                0 => Ok(()),
                errno => Err(Error::new(errno)),
            });
            let found = found.map(|(place, ())| place).map_err(|error| error.errno);
            assert_eq!(found, want, "{answers:?}");
        }
    }
}
