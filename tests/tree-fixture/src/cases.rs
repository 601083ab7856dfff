//! The rows of `tests/resolve-cases.toml`, each with the tree it is about.
//!
//! A row says what a walk does; [`Case::flag`] says which flag it is asked with. A file system's
//! test runs every row with the flag on the call and, where descriptors can carry it, with the flag
//! set on the descriptor.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use crate::{Entry, Fixture, Item};

/// The table's text.
pub const TABLE: &str = include_str!("../../resolve-cases.toml");

/// Which rule a row is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flag {
    /// Beneath the descriptor.
    Beneath,
    /// No symbolic link at all.
    NoSymlinks,
}

/// What must happen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expect {
    /// It resolves. With a path: to what that path names, links not followed.
    Resolves(Option<String>),
    /// Refused as an escape.
    Escape,
    /// Refused as a link.
    Loop,
}

/// One row.
#[derive(Clone, Debug)]
pub struct Case {
    /// Section and list the row is from.
    pub family: &'static str,
    /// Which tree: an index for [`fixture`].
    pub tree: Which,
    /// Path from the top of the tree to the directory that is the descriptor.
    pub start: &'static str,
    /// The path to resolve.
    pub path: String,
    /// The flag it is asked with.
    pub flag: Flag,
    /// Whether a link in the last component is not followed.
    pub no_follow: bool,
    /// What must happen.
    pub expect: Expect,
}

/// The table's two trees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// `[tree]`
    Resolve,
    /// `[policing]`
    Policing,
}

/// The directory, inside the place where a tree is built, that the table calls `root`.
pub const ROOT_NAME: &str = "root";

fn table() -> toml::Table {
    match TABLE.parse() {
        Ok(table) => table,
        Err(error) => panic!("tests/resolve-cases.toml: {error}"),
    }
}

fn at<'t>(table: &'t toml::Table, keys: &[&str]) -> &'t toml::Value {
    let mut keys_left = keys.iter();
    let first = keys_left.next().and_then(|key| table.get(*key));
    let value = keys_left.fold(first, |value, key| value.and_then(|v| v.get(*key)));
    match value {
        Some(value) => value,
        None => panic!("tests/resolve-cases.toml has no {keys:?}"),
    }
}

fn strings(table: &toml::Table, keys: &[&str]) -> Vec<String> {
    let list = at(table, keys).as_array();
    let texts = list.map(|list| list.iter().filter_map(|v| v.as_str()));
    match texts {
        Some(texts) => texts.map(ToString::to_string).collect(),
        None => panic!("tests/resolve-cases.toml: {keys:?} is no list"),
    }
}

fn pairs(table: &toml::Table, keys: &[&str]) -> Vec<(String, String)> {
    match at(table, keys).as_table() {
        Some(entries) => entries
            .iter()
            .filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_string())))
            .collect(),
        None => panic!("tests/resolve-cases.toml: {keys:?} is no table"),
    }
}

/// The tree `which`, below [`ROOT_NAME`], which will be found at the absolute path `root`.
pub fn fixture(which: Which, root: &str) -> Fixture {
    let table = table();
    let mut entries = Fixture::new();
    let below = |path: &str| alloc::format!("{ROOT_NAME}/{path}");
    entries.push(Entry::new(ROOT_NAME, Item::Dir(0o755)));
    let section = match which {
        Which::Resolve => "tree",
        Which::Policing => "policing",
    };
    if which == Which::Resolve {
        for path in strings(&table, &[section, "dirs"]) {
            entries.push(Entry::new(&below(&path), Item::Dir(0o755)));
        }
    }
    for path in strings(&table, &[section, "files"]) {
        entries.push(Entry::new(&below(&path), Item::File(Vec::new())));
    }
    for (path, target) in pairs(&table, &[section, "links"]) {
        let target = target
            .replace("{root_name}", ROOT_NAME)
            .replace("{root}", root);
        entries.push(Entry::new(&below(&path), Item::Link(target)));
    }
    entries
}

/// Every row.
pub fn cases() -> Vec<Case> {
    let table = table();
    let mut all = Vec::new();
    let mut add = |family, tree, start, flag, no_follow, path: String, expect| {
        all.push(Case {
            family,
            tree,
            start,
            path,
            flag,
            no_follow,
            expect,
        });
    };
    let (resolve, policing) = (Which::Resolve, Which::Policing);
    for path in strings(&table, &["beneath", "escape"]) {
        let expect = Expect::Escape;
        add(
            "beneath.escape",
            resolve,
            ROOT_NAME,
            Flag::Beneath,
            false,
            path,
            expect,
        );
    }
    for (path, target) in pairs(&table, &["beneath", "ok"]) {
        let expect = Expect::Resolves(Some(target));
        add(
            "beneath.ok",
            resolve,
            ROOT_NAME,
            Flag::Beneath,
            false,
            path,
            expect,
        );
    }
    for (list, family, no_follow, expect) in [
        ("loop", "no_symlinks.loop", false, Expect::Loop),
        ("ok", "no_symlinks.ok", false, Expect::Resolves(None)),
        (
            "nofollow_ok",
            "no_symlinks.nofollow_ok",
            true,
            Expect::Resolves(None),
        ),
        (
            "nofollow_loop",
            "no_symlinks.nofollow_loop",
            true,
            Expect::Loop,
        ),
    ] {
        for path in strings(&table, &["no_symlinks", list]) {
            // Found links and plain paths resolve to what they name.
            let expect = match &expect {
                Expect::Resolves(_) => Expect::Resolves(Some(path.clone())),
                other => other.clone(),
            };
            add(
                family,
                resolve,
                ROOT_NAME,
                Flag::NoSymlinks,
                no_follow,
                path,
                expect,
            );
        }
    }
    for (section, start, families) in [
        (
            "from_root",
            "root",
            ["policing.from_root.ok", "policing.from_root.escape"],
        ),
        (
            "from_subdir",
            "root/subdir",
            ["policing.from_subdir.ok", "policing.from_subdir.escape"],
        ),
    ] {
        for path in strings(&table, &["policing", section, "ok"]) {
            let expect = Expect::Resolves(None);
            add(
                families[0],
                policing,
                start,
                Flag::Beneath,
                false,
                path,
                expect,
            );
        }
        for path in strings(&table, &["policing", section, "escape"]) {
            add(
                families[1],
                policing,
                start,
                Flag::Beneath,
                false,
                path,
                Expect::Escape,
            );
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_read() {
        let all = cases();
        let count = |family| all.iter().filter(|case| case.family == family).count();
        let families = [
            ("beneath.escape", 18),
            ("beneath.ok", 5),
            ("no_symlinks.loop", 7),
            ("no_symlinks.ok", 4),
            ("no_symlinks.nofollow_ok", 3),
            ("no_symlinks.nofollow_loop", 2),
            ("policing.from_root.ok", 12),
            ("policing.from_root.escape", 13),
            ("policing.from_subdir.ok", 2),
            ("policing.from_subdir.escape", 5),
        ];
        for (family, rows) in families {
            assert_eq!(count(family), rows, "{family}");
        }
        let rows: usize = families.iter().map(|(_, rows)| rows).sum();
        assert_eq!(all.len(), rows);
        assert_eq!(fixture(Which::Resolve, "/r").len(), 1 + 4 + 1 + 13);
        assert_eq!(fixture(Which::Policing, "/r").len(), 1 + 2 + 14);
    }
}
