//! An image's settings: `config/*.toml`.
//!
//! The format is `redox_installer`'s. Keys of it that concern what is not done here (prompting,
//! mounting, encryption) are read, and refused where they would promise something.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use toml::Spanned;

use crate::FormatError;

/// What a settings file and those that it includes say, the including one last.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Image {
    /// Size of the disk in MiB.
    pub filesystem_size: Option<u32>,
    /// Size of the EFI system partition in MiB.
    pub efi_partition_size: Option<u32>,
    /// Packages by name.
    pub packages: BTreeMap<String, PackageChoice>,
    /// Files, in order.
    pub files: Vec<FileEntry>,
    /// Users by name.
    pub users: BTreeMap<String, User>,
    /// Groups by name.
    pub groups: BTreeMap<String, Group>,
    /// Every file that was read.
    pub read: Vec<PathBuf>,
}

/// Where a package is taken from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PackageChoice {
    /// It is built by its recipe.
    Recipe,
    /// It is left out, whoever included it.
    Ignore,
}

/// A file, folder or link.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct FileEntry {
    /// Where.
    pub path: String,
    /// Contents, or a link's target.
    #[serde(default)]
    pub data: String,
    /// It is a symbolic link.
    #[serde(default)]
    pub symlink: bool,
    /// It is a directory.
    #[serde(default)]
    pub directory: bool,
    /// Permission bits.
    pub mode: Option<u32>,
    /// Owner.
    pub uid: Option<u32>,
    /// Group.
    pub gid: Option<u32>,
    /// Everything in the directory gets its owner and group too.
    #[serde(default)]
    pub recursive_chown: bool,
    /// It is written after the packages' files; here every entry is.
    #[serde(default)]
    pub postinstall: bool,
}

/// A user.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct User {
    /// The password; an empty one lets everybody in, none nobody.
    pub password: Option<String>,
    /// Number; the next free one from 1000 if not given.
    pub uid: Option<u32>,
    /// Main group; that of the user's name if not given.
    pub gid: Option<u32>,
    /// The person's name.
    pub name: Option<String>,
    /// Home directory.
    pub home: Option<String>,
    /// Program to run after login.
    pub shell: Option<String>,
}

/// A group.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Group {
    /// Number.
    pub gid: Option<u32>,
    /// Names of users.
    #[serde(default)]
    pub members: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    #[serde(default)]
    include: Vec<Spanned<PathBuf>>,
    #[serde(default)]
    general: General,
    #[serde(default)]
    packages: BTreeMap<String, Spanned<toml::Value>>,
    #[serde(default)]
    files: Vec<Spanned<FileEntry>>,
    #[serde(default)]
    users: BTreeMap<String, Spanned<User>>,
    #[serde(default)]
    groups: BTreeMap<String, Group>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct General {
    filesystem_size: Option<u32>,
    efi_partition_size: Option<u32>,
    skip_partitions: Option<Spanned<bool>>,
    encrypt_disk: Option<Spanned<String>>,
    // How upstream's tool goes about it; nothing of this changes what is on the disk.
    #[serde(rename = "prompt")]
    _prompt: Option<bool>,
    #[serde(rename = "cookbook")]
    _cookbook: Option<String>,
    #[serde(rename = "repo_binary")]
    _repo_binary: Option<bool>,
    #[serde(rename = "live_disk")]
    _live_disk: Option<bool>,
    #[serde(rename = "write_bootloader")]
    _write_bootloader: Option<String>,
    #[serde(rename = "no_mount")]
    _no_mount: Option<bool>,
}

impl Image {
    /// Reads `file` and what it includes, with `read` giving a file's text.
    pub fn load<E>(
        file: &Path,
        read: &mut impl FnMut(&Path) -> Result<String, E>,
    ) -> Result<Self, LoadError<E>> {
        let mut image = Self::default();
        image.merge(file, read, &mut Vec::new())?;
        Ok(image)
    }

    fn merge<E>(
        &mut self,
        file: &Path,
        read: &mut impl FnMut(&Path) -> Result<String, E>,
        open: &mut Vec<PathBuf>,
    ) -> Result<(), LoadError<E>> {
        let text = read(file).map_err(LoadError::Read)?;
        let raw: Raw =
            toml::from_str(&text).map_err(|error| FormatError::toml(file, &text, &error))?;
        let wrong = |span, message: String| FormatError::new(file, &text, Some(span), message);
        open.push(file.to_owned());
        for include in &raw.include {
            let path = normal(
                &file
                    .parent()
                    .unwrap_or(Path::new(""))
                    .join(include.get_ref()),
            );
            if open.contains(&path) {
                return Err(wrong(
                    include.span(),
                    format!("`{}` includes itself", include.get_ref().display()),
                )
                .into());
            }
            self.merge(&path, read, open)?;
        }
        open.pop();
        self.read.push(file.to_owned());

        let general = raw.general;
        if let Some(key) = general.skip_partitions.filter(|skip| *skip.get_ref()) {
            return Err(wrong(
                key.span(),
                "`skip_partitions`: images have partitions".into(),
            )
            .into());
        }
        if let Some(key) = general.encrypt_disk.filter(|p| !p.get_ref().is_empty()) {
            return Err(wrong(
                key.span(),
                "`encrypt_disk`: images are not encrypted".into(),
            )
            .into());
        }
        self.filesystem_size = general.filesystem_size.or(self.filesystem_size);
        self.efi_partition_size = general.efi_partition_size.or(self.efi_partition_size);
        for (name, value) in raw.packages {
            let choice = choice(value.get_ref()).ok_or_else(|| {
                wrong(
                    value.span(),
                    format!(
                        "package `{name}`: expected `{{}}`, \"recipe\", \"source\" or \"ignore\""
                    ),
                )
            })?;
            self.packages.insert(name, choice);
        }
        for entry in raw.files {
            let at = entry.span();
            let entry = entry.into_inner();
            if entry.symlink && entry.directory {
                return Err(
                    wrong(at, format!("`{}`: both symlink and directory", entry.path)).into(),
                );
            }
            self.files.push(entry);
        }
        for (name, user) in raw.users {
            let strings = [
                &user.get_ref().name,
                &user.get_ref().home,
                &user.get_ref().shell,
            ];
            // Fields of the user file stand between semicolons, on one line.
            let bad = |text: &str| text.contains([';', '\n']);
            if bad(&name) || strings.into_iter().flatten().any(|text| bad(text)) {
                return Err(wrong(
                    user.span(),
                    format!("user `{name}`: neither `;` nor a line's end can stand in a field"),
                )
                .into());
            }
            self.users.insert(name, user.into_inner());
        }
        self.groups.extend(raw.groups);
        Ok(())
    }

    /// The packages to install.
    pub fn installed(&self) -> impl Iterator<Item = &str> {
        self.packages
            .iter()
            .filter(|(_, choice)| **choice == PackageChoice::Recipe)
            .map(|(name, _)| name.as_str())
    }
}

/// Why settings cannot be had.
#[derive(Debug)]
pub enum LoadError<E> {
    /// A file cannot be read.
    Read(E),
    /// A file does not say what it should.
    Format(FormatError),
}

impl<E> From<FormatError> for LoadError<E> {
    fn from(error: FormatError) -> Self {
        Self::Format(error)
    }
}

impl<E: std::fmt::Display> std::fmt::Display for LoadError<E> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Read(error) => error.fmt(f),
            Self::Format(error) => error.fmt(f),
        }
    }
}

impl<E: std::fmt::Debug + std::fmt::Display> std::error::Error for LoadError<E> {}

fn choice(value: &toml::Value) -> Option<PackageChoice> {
    match value {
        toml::Value::Table(table) if table.is_empty() => Some(PackageChoice::Recipe),
        toml::Value::String(text) => match text.as_str() {
            // There is no server with packages: what is wanted from one is built, as upstream falls back to.
            "recipe" | "source" | "local" | "binary" => Some(PackageChoice::Recipe),
            "ignore" => Some(PackageChoice::Ignore),
            _ => None,
        },
        _ => None,
    }
}

/// The path without `.` and, where it can be seen from the text, without `..`.
fn normal(path: &Path) -> PathBuf {
    use std::path::Component;
    let mut normal = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir
                if matches!(normal.components().next_back(), Some(Component::Normal(_))) =>
            {
                normal.pop();
            }
            other => normal.push(other),
        }
    }
    normal
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(files: &[(&str, &str)]) -> Result<Image, String> {
        let mut read = |path: &Path| {
            let found = files.iter().find(|(name, _)| Path::new(name) == path);
            found
                .map(|(_, text)| (*text).to_owned())
                .ok_or_else(|| format!("{}: not found", path.display()))
        };
        Image::load(Path::new(files[0].0), &mut read).map_err(|error| error.to_string())
    }

    #[test]
    fn later_files_win() {
        let image = load(&[
            (
                "c/a.toml",
                "include = ['b.toml', '../d/e.toml']\n[general]\nfilesystem_size = 96\n\
                 [packages]\nx = 'ignore'\ny = {}\n[[files]]\npath = '/etc/b'\ndata = 'own'\n\
                 [users.root]\nuid = 0\n[groups.sudo]\ngid = 1\nmembers = ['user']\n",
            ),
            (
                "c/b.toml",
                "[general]\nfilesystem_size = 64\nefi_partition_size = 4\nprompt = false\n\
                 [packages]\nx = {}\nz = 'recipe'\nl = 'local'\nb = 'binary'\ns = 'source'\n[[files]]\npath = '/etc/b'\n\
                 [users.root]\npassword = 'x'\nuid = 7\n",
            ),
            ("d/e.toml", ""),
        ])
        .unwrap();
        assert_eq!(image.filesystem_size, Some(96));
        assert_eq!(image.efi_partition_size, Some(4));
        assert_eq!(
            image.installed().collect::<Vec<_>>(),
            ["b", "l", "s", "y", "z"]
        );
        assert_eq!(image.files.len(), 2);
        assert_eq!(image.files[1].data, "own");
        assert_eq!(image.users["root"].uid, Some(0));
        assert_eq!(image.users["root"].password, None);
        assert_eq!(image.groups["sudo"].members, ["user"]);
        let read: Vec<_> = image.read.iter().map(|p| p.to_str().unwrap()).collect();
        assert_eq!(read, ["c/b.toml", "d/e.toml", "c/a.toml"]);
    }

    #[test]
    fn errors() {
        let rows: &[(&str, &str)] = &[
            (
                "[general]\nfilesystem_sise = 1",
                "a:2: unknown field `filesystem_sise`",
            ),
            ("\n[pakages]", "a:2: unknown field `pakages`"),
            ("[packages]\nx = 'remote'", "a:2: package `x`: expected"),
            (
                "[packages]\nx = { git = 'y' }",
                "a:2: package `x`: expected",
            ),
            (
                "[[files]]\npath = '/x'\nsymlink = true\ndirectory = true",
                "a:1: `/x`: both symlink and directory",
            ),
            (
                "[[files]]\npath = '/x'\ncontents = ''",
                "a:3: unknown field `contents`",
            ),
            ("[users.x]\nname = 'a;b'", "a:1: user `x`: neither"),
            (
                "[general]\nskip_partitions = true",
                "a:2: `skip_partitions`",
            ),
            ("[general]\nencrypt_disk = 'x'", "a:2: `encrypt_disk`"),
            ("include = ['a']", "a:1: `a` includes itself"),
            ("include = ['x']", "x: not found"),
        ];
        for (text, message) in rows {
            let error = load(&[("a", text)]).unwrap_err();
            assert!(error.starts_with(message), "{text}: {error}");
        }
    }
}
