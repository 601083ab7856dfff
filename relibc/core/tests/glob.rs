//! `glob` against the host's, on a tree of real files.

mod common;

use std::ffi::{CStr, CString};
use std::fs;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use common::Rng;
use relibc_core::glob::{Files, Options, expand};
use relibc_core::multibyte::Charset;

/// The host's files below a folder, which stands for the current one.
struct Host {
    base: PathBuf,
    refused: Vec<Vec<u8>>,
}

impl Host {
    fn path(&self, path: &[u8]) -> PathBuf {
        self.base.join(std::ffi::OsStr::from_bytes(path))
    }
}

impl Files for Host {
    type Error = Vec<u8>;

    fn names(&mut self, folder: &[u8]) -> Result<Vec<Vec<u8>>, Vec<u8>> {
        if self.refused.iter().any(|refused| refused == folder) {
            return Err(folder.to_vec());
        }
        let mut names = vec![b".".to_vec(), b"..".to_vec()];
        match fs::read_dir(self.path(folder)) {
            Ok(list) => names.extend(list.map(|entry| entry.unwrap().file_name().into_vec())),
            Err(_) => names.clear(),
        }
        Ok(names)
    }
    fn exists(&mut self, path: &[u8]) -> bool {
        fs::symlink_metadata(self.path(path)).is_ok()
    }
    fn is_folder(&mut self, path: &[u8]) -> bool {
        self.path(path).is_dir()
    }
}

/// A tree with what matters to patterns, made once per test.
fn tree(name: &str) -> PathBuf {
    let base = std::env::temp_dir().join(format!("relibc-{name}-{}", std::process::id()));
    let _ = fs::remove_dir_all(&base);
    for folder in ["a", "ab/x", "ab/y.d", "b", ".h"] {
        fs::create_dir_all(base.join(folder)).unwrap();
    }
    for file in [
        "a1", "*b", "[a]", "ab/f", "ab/x/g", "b/a", ".h/a", "a/.k", "b?",
    ] {
        fs::write(base.join(file), "").unwrap();
    }
    symlink("ab", base.join("l")).unwrap();
    symlink("nothing", base.join("broken")).unwrap();
    base
}

fn ours(base: &Path, pattern: &[u8], flags: i32) -> Vec<Vec<u8>> {
    let options = Options {
        no_escape: flags & libc::GLOB_NOESCAPE != 0,
        mark: flags & libc::GLOB_MARK != 0,
        charset: Charset::C,
    };
    let mut files = Host {
        base: base.to_path_buf(),
        refused: Vec::new(),
    };
    let mut paths = expand(pattern, options, &mut files).unwrap();
    paths.sort();
    paths
}

/// The host's answer, with the tree's place in front of the pattern and taken away again.
fn theirs(base: &Path, pattern: &[u8], flags: i32) -> Vec<Vec<u8>> {
    let place = [base.as_os_str().as_bytes(), b"/"].concat();
    let full = CString::new([&place, pattern].concat()).unwrap();
    // SAFETY: a string, and a structure that `glob` fills and `globfree` empties.
    unsafe {
        let mut out: libc::glob_t = std::mem::zeroed();
        let status = libc::glob(full.as_ptr(), flags, None, &mut out);
        assert!(status == 0 || status == libc::GLOB_NOMATCH);
        let mut paths: Vec<Vec<u8>> = (0..out.gl_pathc)
            .map(|i| CStr::from_ptr(*out.gl_pathv.add(i)).to_bytes()[place.len()..].to_vec())
            .collect();
        libc::globfree(&mut out);
        paths.sort();
        paths
    }
}

/// Of several slashes the host keeps some; which is nobody's concern.
fn comparable(paths: &[Vec<u8>]) -> Vec<String> {
    let mut paths: Vec<String> = paths
        .iter()
        .map(|path| path.escape_ascii().to_string())
        .collect();
    for path in &mut paths {
        while path.contains("//") {
            *path = path.replace("//", "/");
        }
    }
    paths
}

#[test]
fn random_patterns_find_what_the_host_finds() {
    let base = tree("glob-random");
    let mut rng = Rng(7);
    let pieces = [
        "a", "b", "ab", "*", "?", "[ab]", "[!a]", ".", "..", "/", "/", "\\*", "\\a", ".h", "x",
        "[", "l", "broken",
    ];
    for _ in 0..20_000 {
        let pattern: String = (0..1 + rng.below(6)).map(|_| rng.pick(&pieces)).collect();
        // The first's answer begins within the tree's place; to the second the host answers with a path that
        // is not there.
        if pattern.starts_with('/') || pattern.contains("broken/") {
            continue;
        }
        let flags = [0, libc::GLOB_MARK, libc::GLOB_NOESCAPE][rng.below(3) as usize];
        let got = ours(&base, pattern.as_bytes(), flags);
        let want = theirs(&base, pattern.as_bytes(), flags);
        assert_eq!(
            comparable(&got),
            comparable(&want),
            "{pattern:?} with flags {flags}"
        );
    }
    fs::remove_dir_all(base).unwrap();
}

#[test]
fn a_folder_that_is_refused_ends_the_search() {
    let base = tree("glob-refused");
    let options = Options {
        no_escape: false,
        mark: false,
        charset: Charset::C,
    };
    let mut files = Host {
        base: base.clone(),
        refused: vec![b"ab/".to_vec()],
    };
    assert_eq!(expand(b"*/*", options, &mut files), Err(b"ab/".to_vec()));
    assert_eq!(
        expand(b"a/.*k", options, &mut files),
        Ok(vec![b"a/.k".to_vec()])
    );
    fs::remove_dir_all(base).unwrap();
}

#[test]
fn nothing_is_no_path() {
    let base = tree("glob-nothing");
    assert!(ours(&base, b"", 0).is_empty());
    assert!(ours(&base, b"none/*", 0).is_empty());
    fs::remove_dir_all(base).unwrap();
}
