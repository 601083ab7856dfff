//! Symbolic links from one scheme's files to another's.
//!
//! A scheme follows the links among its own files. Where an absolute one leads to another scheme it can
//! only answer that the path goes on elsewhere (`EXDEV`). Which link that was, and what the path is from there
//! on, is found out here: the links that do not lead elsewhere stay what they are, so that `link/..` goes on
//! meaning what the scheme says.

use alloc::vec::Vec;

/// What is asked about paths, all of them from the same place as the one that is looked at.
pub trait Links {
    /// The target of the symbolic link that a path names; `None` if it names none.
    fn target(&mut self, path: &[u8]) -> Option<Vec<u8>>;
    /// Whether a path leads elsewhere when a link at its end is followed.
    fn leaves(&mut self, path: &[u8]) -> bool;
}

const ENAMETOOLONG: i32 = 36;
const ELOOP: i32 = 40;

/// How many links are followed in one path.
pub const LINKS_MAX: usize = 40;
/// Longest path.
const PATH_MAX: usize = 4096;

/// The absolute path that is meant by one that leads elsewhere; `None` if no link is the reason. `last`: a link
/// at the end is followed. `left` counts the links that may still be.
///
/// # Errors
/// `ELOOP`, `ENAMETOOLONG`.
pub fn onward(
    links: &mut impl Links,
    path: &[u8],
    last: bool,
    left: &mut usize,
) -> Result<Option<Vec<u8>>, i32> {
    let mut path = path.to_vec();
    let mut at = 0;
    while let Some((start, end)) = component(&path, at) {
        at = end;
        let (before, name) = (path.get(..start), path.get(start..end));
        let (upto, rest) = (path.get(..end), path.get(end..));
        let (Some(before), Some(name), Some(upto), Some(rest)) = (before, name, upto, rest) else {
            break;
        };
        if rest.is_empty() && !last {
            break;
        }
        if matches!(name, b"." | b"..") {
            continue;
        }
        let Some(target) = links.target(upto).filter(|target| !target.is_empty()) else {
            continue;
        };
        if !links.leaves(upto) {
            continue;
        }
        *left = left.checked_sub(1).ok_or(ELOOP)?;
        let absolute = target.first() == Some(&b'/');
        let before = if absolute { &[] } else { before };
        let meant = [before, &target, rest].concat();
        if meant.len() >= PATH_MAX {
            return Err(ENAMETOOLONG);
        }
        if absolute {
            return Ok(Some(meant));
        }
        // A link to a link: on from what it says.
        path = meant;
        at = start;
    }
    Ok(None)
}

/// Where the next component begins and ends.
fn component(path: &[u8], from: usize) -> Option<(usize, usize)> {
    let rest = path.get(from..)?;
    let start = from + rest.iter().position(|&b| b != b'/')?;
    let rest = path.get(start..)?;
    let len = rest.iter().position(|&b| b == b'/').unwrap_or(rest.len());
    Some((start, start + len))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::BTreeMap;

    /// Links by the paths that name them; a path leads elsewhere when following gets to an absolute target.
    struct Fake(BTreeMap<&'static str, &'static str>);

    impl Fake {
        fn at(&self, path: &[u8]) -> Option<&'static str> {
            self.0.get(core::str::from_utf8(path).unwrap()).copied()
        }
    }

    impl Links for Fake {
        fn target(&mut self, path: &[u8]) -> Option<Vec<u8>> {
            self.at(path).map(|target| target.as_bytes().to_vec())
        }
        fn leaves(&mut self, path: &[u8]) -> bool {
            let mut path = path.to_vec();
            for _ in 0..LINKS_MAX {
                let Some(target) = self.at(&path) else {
                    return false;
                };
                // `/own` is this tree's.
                if target.starts_with('/') {
                    return !target.starts_with("/own");
                }
                let folder = path.iter().rposition(|&b| b == b'/').map_or(0, |at| at + 1);
                path.truncate(folder);
                path.extend_from_slice(target.as_bytes());
            }
            true
        }
    }

    #[test]
    fn the_link_that_leads_elsewhere_is_found() {
        let links = BTreeMap::from([
            ("out", "/scheme/other/x"),
            ("slash", "/scheme/other/"),
            ("to-out", "out"),
            ("d/up", "../out"),
            ("in", "d"),
            ("in/deep", "/scheme/deep"),
            ("home", "/own/d"),
            ("loop", "loop"),
        ]);
        let cases: &[(&str, bool, Result<Option<&str>, i32>)] = &[
            ("out", true, Ok(Some("/scheme/other/x"))),
            ("out", false, Ok(None)),
            ("out/", false, Ok(Some("/scheme/other/x/"))),
            ("out/y", false, Ok(Some("/scheme/other/x/y"))),
            ("./out//y/..", true, Ok(Some("/scheme/other/x//y/.."))),
            ("slash/y", true, Ok(Some("/scheme/other//y"))),
            ("to-out/y", true, Ok(Some("/scheme/other/x/y"))),
            ("d/up/y", true, Ok(Some("/scheme/other/x/y"))),
            // What stays here is left to the scheme.
            ("in/deep/y", true, Ok(Some("/scheme/deep/y"))),
            ("home/out", true, Ok(None)),
            ("d/nothing", true, Ok(None)),
            ("..", true, Ok(None)),
            ("", true, Ok(None)),
            ("loop", true, Err(ELOOP)),
        ];
        for (path, last, want) in cases {
            let mut links = Fake(links.clone());
            // `..` is the fake's to understand.
            links.0.insert("d/../out", "/scheme/other/x");
            links.0.insert("./out", "/scheme/other/x");
            let mut left = LINKS_MAX;
            let got = onward(&mut links, path.as_bytes(), *last, &mut left);
            let want = want.map(|path| path.map(|path| path.as_bytes().to_vec()));
            assert_eq!(got, want, "{path}");
        }
    }

    #[test]
    fn what_is_too_much_is_refused() {
        let long: &'static str = alloc::string::String::leak("/x".repeat(2000));
        let mut links = Fake(BTreeMap::from([("long", long)]));
        let path = [b"long".as_slice(), &[b'/'; 200]].concat();
        let mut left = LINKS_MAX;
        assert_eq!(
            onward(&mut links, &path, true, &mut left),
            Err(ENAMETOOLONG)
        );
        let mut links = Fake(BTreeMap::from([("out", "/scheme/other")]));
        assert_eq!(onward(&mut links, b"out", true, &mut 0), Err(ELOOP));
    }
}
