//! The recipes of the system's own parts say which folders of this tree they read, so that a change elsewhere
//! builds nothing. Whatever they leave out would not be built again when it changes: what cargo reads for their
//! packages, and the configurations that their scripts name, must be among what they say.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Component, Path, PathBuf};

use cook::tree::Tree;
use cookbook_core::recipe::{Origin, Template};
use toml::Table;

fn top() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .canonicalize()
        .unwrap()
}

fn read(path: &Path) -> Table {
    let text = fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    text.parse()
        .unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// A path without `..`, which the tree's are without links.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => drop(plain.pop()),
            part => plain.push(part),
        }
    }
    plain
}

/// Folders of the packages that a package is built of, itself included.
fn packages(top: &Path, folder: &Path, found: &mut BTreeSet<PathBuf>) {
    if !found.insert(folder.to_owned()) {
        return;
    }
    let manifest = read(&top.join(folder).join("Cargo.toml"));
    let mut tables = vec![&manifest];
    let targets = manifest.get("target").and_then(toml::Value::as_table);
    tables.extend(
        targets
            .into_iter()
            .flat_map(|all| all.values())
            .filter_map(|v| v.as_table()),
    );
    for table in tables {
        for kind in ["dependencies", "build-dependencies"] {
            let Some(needs) = table.get(kind).and_then(toml::Value::as_table) else {
                continue;
            };
            for need in needs.values() {
                assert!(
                    need.get("workspace").is_none(),
                    "{}: follow these too",
                    folder.display()
                );
                if let Some(path) = need.get("path").and_then(toml::Value::as_str) {
                    packages(top, &plain(&folder.join(path)), found);
                }
            }
        }
    }
}

/// Where the packages of a workspace are.
fn members(top: &Path, workspace: &str) -> Vec<(String, PathBuf)> {
    let manifest = read(&top.join(workspace).join("Cargo.toml"));
    let list = manifest["workspace"]["members"].as_array().unwrap();
    let folders = list
        .iter()
        .map(|member| plain(&Path::new(workspace).join(member.as_str().unwrap())));
    folders
        .map(|folder| {
            let package = read(&top.join(&folder).join("Cargo.toml"));
            (
                package["package"]["name"].as_str().unwrap().to_owned(),
                folder,
            )
        })
        .collect()
}

/// Words of a script that begin with `start`, from there on.
fn words<'a>(script: &'a str, start: &str) -> Vec<&'a str> {
    let end = |c: char| !(c.is_ascii_alphanumeric() || "-_./".contains(c));
    script
        .match_indices(start)
        .map(|(at, _)| script[at..].split(end).next().unwrap())
        .collect()
}

#[test]
fn what_own_recipes_read() {
    let top = top();
    let tree = Tree::find().unwrap();
    let guest = members(&top, "guest");
    let host = members(&top, "");
    let folder_of = |all: &[(String, PathBuf)], name: &str| {
        let found = all.iter().find(|(package, _)| package == name);
        found
            .unwrap_or_else(|| panic!("no package {name}"))
            .1
            .clone()
    };
    for name in [
        "kernel",
        "bootloader",
        "relibc",
        "execd",
        "base",
        "base-initfs",
    ] {
        let (recipe, _) = tree.recipe(tree.recipe_folder(name).unwrap()).unwrap();
        let Some(Origin::Path { inputs, .. }) = recipe.source.map(|source| source.origin) else {
            panic!("{name} is not built of this tree");
        };
        let Template::Custom { script } = &recipe.template else {
            panic!("{name} has no script");
        };
        let mut needed: BTreeSet<PathBuf> = words(script, "tools/")
            .into_iter()
            .map(PathBuf::from)
            .collect();
        assert!(!needed.is_empty(), "{name} calls nothing");
        needed.extend(["guest/Cargo.toml", "guest/Cargo.lock"].map(PathBuf::from));
        let mut built: BTreeSet<PathBuf> = BTreeSet::new();
        // Packages by name, and those that a configuration lists.
        for line in script.lines() {
            let words: Vec<&str> = line.split_whitespace().collect();
            let after = words
                .iter()
                .position(|word| *word == "-p")
                .map(|at| words[at + 1]);
            if line.contains("guest-cargo") {
                built.insert(folder_of(&guest, after.unwrap()));
            } else if line.contains("host-cargo") {
                built.insert(folder_of(&host, after.unwrap()));
                needed.extend(["Cargo.toml", "Cargo.lock"].map(PathBuf::from));
            } else if line.contains("guest-programs") && !line.contains("$(") {
                built.insert(folder_of(&guest, words[1]));
            } else if line.contains("make-sysroot") {
                built.insert(folder_of(&guest, "relibc"));
                needed.insert("relibc/include".into());
            }
        }
        for config in words(script, "config/") {
            let list = image::Programs::read(&top.join(config)).unwrap();
            built.extend(list.packages().into_iter().map(|p| folder_of(&guest, p)));
            needed.extend(list.files.values().cloned());
            needed.insert(config.into());
        }
        assert!(!built.is_empty(), "{name} builds nothing");
        for folder in built {
            packages(&top, &folder, &mut needed);
        }
        for path in &needed {
            let covered = inputs.iter().any(|input| path.starts_with(input));
            assert!(
                covered,
                "recipe {name} reads {}, which is not among its inputs",
                path.display()
            );
        }
        // A name that is nowhere any more would keep the recipe from being built at all.
        for input in &inputs {
            assert!(
                top.join(input).exists(),
                "recipe {name}: there is no {input}"
            );
            let used = needed.iter().any(|path| path.starts_with(input));
            assert!(used, "recipe {name} reads nothing of {input}");
        }
    }
}
