//! Path names by pattern: `glob` without the files.

use alloc::vec::Vec;

use crate::fnmatch::{Flags, characters, is_magic, matches, unescape};
use crate::multibyte::Charset;

/// What is asked of the file system.
pub trait Files {
    /// Why the search is given up.
    type Error;

    /// The names in a folder; `.` is written for the current one. A folder that cannot be read has none,
    /// unless that is a reason to give up.
    fn names(&mut self, folder: &[u8]) -> Result<Vec<Vec<u8>>, Self::Error>;
    /// Whether something is there, be it a link to nothing.
    fn exists(&mut self, path: &[u8]) -> bool;
    /// Whether a folder is there, or a link to one.
    fn is_folder(&mut self, path: &[u8]) -> bool;
}

/// What a caller of `glob` says about a pattern.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// A backslash is an ordinary character.
    pub no_escape: bool,
    /// Folders get a slash at the end.
    pub mark: bool,
    /// How bytes are characters.
    pub charset: Charset,
}

/// The paths that match `pattern`, unsorted.
pub fn expand<F: Files>(
    pattern: &[u8],
    options: Options,
    files: &mut F,
) -> Result<Vec<Vec<u8>>, F::Error> {
    let mut rest = pattern;
    let mut paths = alloc::vec![Vec::new()];
    // Whether the paths so far are known to be there.
    let mut found = false;
    while !rest.is_empty() && !paths.is_empty() {
        let slashes = rest.iter().take_while(|&&b| b == b'/').count();
        if slashes > 0 {
            for path in &mut paths {
                path.extend_from_slice(&rest[..slashes]);
            }
            rest = &rest[slashes..];
            // What came from a folder's list need not be a folder.
            if found {
                paths.retain(|path| files.is_folder(path));
            }
            continue;
        }
        let end = rest.iter().position(|&b| b == b'/').unwrap_or(rest.len());
        let (component, after) = rest.split_at(end);
        rest = after;
        if is_magic(component, options.no_escape) {
            paths = match_in_folders(&paths, component, options, files)?;
            found = true;
        } else {
            let name = unescape(component, options.no_escape);
            for path in &mut paths {
                path.extend_from_slice(&name);
            }
            found = false;
        }
    }
    if !found {
        paths.retain(|path| !path.is_empty() && files.exists(path));
    }
    if options.mark {
        for path in &mut paths {
            if path.last() != Some(&b'/') && files.is_folder(path) {
                path.push(b'/');
            }
        }
    }
    Ok(paths)
}

fn match_in_folders<F: Files>(
    folders: &[Vec<u8>],
    pattern: &[u8],
    options: Options,
    files: &mut F,
) -> Result<Vec<Vec<u8>>, F::Error> {
    let flags = Flags {
        no_escape: options.no_escape,
        period: true,
        ..Flags::default()
    };
    let pattern = characters(pattern, options.charset);
    let mut paths = Vec::new();
    for folder in folders {
        let listed: &[u8] = if folder.is_empty() { b"." } else { folder };
        for name in files.names(listed)? {
            if matches(&pattern, &characters(&name, options.charset), flags) {
                paths.push([folder.as_slice(), &name].concat());
            }
        }
    }
    Ok(paths)
}
