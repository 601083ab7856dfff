//! Where the files of a recipe go.

/// Folders that stand at the top of a sysroot as well as under `usr`, so that scripts find what they
/// look for in either place.
pub const SHARED: [&str; 4] = ["bin", "include", "lib", "share"];

/// The place in a sysroot of a package's file.
pub fn sysroot_path(path: &str) -> String {
    let first = path.split('/').next().unwrap_or(path);
    if SHARED.contains(&first) {
        format!("usr/{path}")
    } else {
        path.to_owned()
    }
}

/// Whether `path` matches `pattern`: `?` is one character and `*` any number of them but no `/`;
/// `**` is any number of characters, and as a component also of components.
pub fn matches(pattern: &str, path: &str) -> bool {
    let pattern = pattern.trim_start_matches('/').as_bytes();
    let path = path.trim_start_matches('/').as_bytes();
    // Which prefixes of the path the pattern so far matches: no backtracking, whatever the pattern.
    let mut now = vec![false; path.len() + 1];
    now[0] = true;
    let mut at = 0;
    while at < pattern.len() {
        let rest = &pattern[at..];
        let mut next = vec![false; path.len() + 1];
        if rest.starts_with(b"**") {
            at += 2;
            let mut any = false;
            for (index, reached) in now.iter().enumerate() {
                any |= reached;
                next[index] = any;
            }
            // `a/**/b` matches `a/b` too: the slash behind it may stand for none.
            if rest.get(2) == Some(&b'/') && (at == 2 || pattern[at - 3] == b'/') {
                at += 1;
                let any = next.clone();
                next = now.clone();
                for (index, byte) in path.iter().enumerate() {
                    next[index + 1] |= any[index] && *byte == b'/';
                }
            }
        } else if rest[0] == b'*' {
            at += 1;
            let mut any = false;
            for index in 0..=path.len() {
                any |= now[index];
                next[index] = any;
                any &= path.get(index) != Some(&b'/');
            }
        } else {
            at += 1;
            for (index, byte) in path.iter().enumerate() {
                let fits = *byte == rest[0] || rest[0] == b'?' && *byte != b'/';
                next[index + 1] = now[index] && fits;
            }
        }
        now = next;
    }
    now[path.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
        let rows = [
            ("usr/bin/x", "usr/bin/x", true),
            ("/usr/bin/x", "usr/bin/x", true),
            ("usr/bin/*", "usr/bin/x", true),
            ("usr/bin/*", "usr/bin/x/y", false),
            ("usr/*", "usr/bin/x", false),
            ("usr/**", "usr/bin/x", true),
            ("usr/**/x", "usr/bin/x", true),
            ("usr/**/x", "usr/x", true),
            ("usr/**/x", "usr/ax", false),
            ("**/x", "x", true),
            ("**/x", "a/b/x", true),
            ("**", "a/b", true),
            ("*.h", "a.h", true),
            ("*.h", "a/b.h", false),
            ("usr/lib/lib?.a", "usr/lib/libz.a", true),
            ("usr/lib/lib?.a", "usr/lib/lib/.a", false),
            ("usr/bin/x", "usr/bin/xy", false),
            ("", "", true),
            ("", "a", false),
            ("a*b*c", "aXbYc", true),
            ("a*b*c", "aXcYb", false),
        ];
        for (pattern, path, expected) in rows {
            assert_eq!(matches(pattern, path), expected, "{pattern} {path}");
        }
    }

    #[test]
    fn sysroot() {
        let rows = [
            ("usr/lib/libz.a", "usr/lib/libz.a"),
            ("lib/libz.a", "usr/lib/libz.a"),
            ("include/z.h", "usr/include/z.h"),
            ("etc/x", "etc/x"),
            ("library/x", "library/x"),
        ];
        for (path, expected) in rows {
            assert_eq!(sysroot_path(path), expected);
        }
    }
}
