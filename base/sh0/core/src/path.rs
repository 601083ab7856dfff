//! The text of the current directory.

use alloc::{string::String, vec::Vec};

/// The path that `path` leads to from `from`, which is absolute: as a person reads it, without `.`, `..`
/// and empty parts. It is for showing; links are not followed.
#[must_use]
pub fn joined(from: &str, path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    let start = if path.starts_with('/') { "" } else { from };
    for part in start.split('/').chain(path.split('/')) {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            name => parts.push(name),
        }
    }
    let mut text = String::from("/");
    text.push_str(&parts.join("/"));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths() {
        let rows = [
            ("/", "a", "/a"),
            ("/a/b", "..", "/a"),
            ("/a", "../..", "/"),
            ("/a", "/x//y/", "/x/y"),
            ("/a", "./b/.", "/a/b"),
            ("/scheme/initfs", "bin", "/scheme/initfs/bin"),
            ("/a", "", "/a"),
        ];
        for (from, path, wanted) in rows {
            assert_eq!(joined(from, path), wanted, "{from} {path}");
        }
    }
}
