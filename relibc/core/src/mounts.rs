//! Lines of `/etc/fstab` and `/etc/mtab`: six fields, in which spaces and the like are octal escapes.

use alloc::vec::Vec;

/// A line, taken apart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mount {
    /// What is mounted, where, of what type, with what options.
    pub texts: [Vec<u8>; 4],
    /// How often it is dumped, and in which round it is checked.
    pub numbers: [i32; 2],
}

fn unescape(field: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = field;
    while let Some((&b, tail)) = rest.split_first() {
        rest = tail;
        if b == b'\\'
            && let [a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', tail @ ..] = rest
        {
            out.push((a - b'0') << 6 | (b - b'0') << 3 | (c - b'0'));
            rest = tail;
        } else if b == b'\\' && rest.first() == Some(&b'\\') {
            out.push(b);
            rest = rest.get(1..).unwrap_or(&[]);
        } else {
            out.push(b);
        }
    }
    out
}

/// A field as it is written.
#[must_use]
pub fn escape(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    for &b in text {
        match b {
            b' ' => out.extend_from_slice(b"\\040"),
            b'\t' => out.extend_from_slice(b"\\011"),
            b'\n' => out.extend_from_slice(b"\\012"),
            b'#' => out.extend_from_slice(b"\\043"),
            b'\\' => out.extend_from_slice(b"\\134"),
            other => out.push(other),
        }
    }
    out
}

/// Takes a line apart; `None` for an empty one and a comment.
#[must_use]
pub fn parse(line: &[u8]) -> Option<Mount> {
    let mut fields = line
        .split(|b| matches!(b, b' ' | b'\t'))
        .filter(|f| !f.is_empty());
    let first = fields.next().filter(|f| f.first() != Some(&b'#'))?;
    let mut text = |first: Option<&[u8]>| unescape(first.or_else(|| fields.next()).unwrap_or(&[]));
    let texts = [text(Some(first)), text(None), text(None), text(None)];
    let mut number = || {
        let field = fields.next().and_then(|f| core::str::from_utf8(f).ok());
        field.and_then(|f| f.parse().ok()).unwrap_or(0)
    };
    let numbers = [number(), number()];
    Some(Mount { texts, numbers })
}

/// Whether options have one, alone or with a value: where it begins.
#[must_use]
pub fn find_option(options: &[u8], option: &[u8]) -> Option<usize> {
    let mut at = 0;
    for part in options.split(|&b| b == b',') {
        let name = part.split(|&b| b == b'=').next().unwrap_or(&[]);
        if name == option || part == option {
            return Some(at);
        }
        at += part.len() + 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines() {
        let m = parse(b"/dev/sda1\t/a\\040b ext4 rw,noatime 1 2").unwrap();
        assert_eq!(
            m.texts,
            [&b"/dev/sda1"[..], b"/a b", b"ext4", b"rw,noatime"].map(<[u8]>::to_vec)
        );
        assert_eq!(m.numbers, [1, 2]);
        assert_eq!(parse(b"  # comment"), None);
        assert_eq!(parse(b""), None);
        assert_eq!(parse(b"one").unwrap().texts[1], b"");
        for text in [&b"a b\tc\nd\\e#"[..], b"", b"plain"] {
            assert_eq!(unescape(&escape(text)), text);
        }
        assert_eq!(find_option(b"rw,size=5,noatime", b"noatime"), Some(10));
        assert_eq!(find_option(b"rw,size=5", b"size"), Some(3));
        assert_eq!(find_option(b"rw,size=5", b"siz"), None);
    }
}
