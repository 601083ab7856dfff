//! Putting the files that the command is to find where it is to find them.

use std::fs::{self, DirBuilder, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt, symlink};
use std::path::Path;

use exec_protocol::{FILES, File, FileKind};

/// Makes a file, folder or link; what is there already is replaced, except a folder.
pub fn put(file: &File) -> Result<(), String> {
    put_one(file).map_err(|error| format!("{}: {error}", file.path))
}

fn put_one(file: &File) -> io::Result<()> {
    let path = Path::new(&file.path);
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    match &file.kind {
        FileKind::Folder => match DirBuilder::new().mode(file.mode).create(path) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
            made => made,
        },
        FileKind::Link(target) => {
            forget(path)?;
            symlink(target, path)
        }
        FileKind::Contents(number) => {
            forget(path)?;
            fs::copy(format!("/scheme/initfs/{FILES}/{number}"), path)?;
            fs::set_permissions(path, Permissions::from_mode(file.mode))
        }
    }
}

fn forget(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}
