//! Sources that are repositories or other recipes', and how much is built at once.

mod tree;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use tree::{Tree, custom};

/// Runs git in a folder, as somebody whose settings are not asked for. Answers what it printed.
fn git(folder: &Path, args: &[&str]) -> String {
    let output = Command::new("git")
        .args(["-c", "user.name=t", "-c", "user.email=t@t"])
        .args(["-c", "init.defaultBranch=main"])
        .args(args)
        .current_dir(folder)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "git {args:?}: {said}");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

#[test]
fn repositories() {
    let tree = Tree::new();
    let upstream = tree.top().join("upstream");
    fs::create_dir(&upstream).unwrap();
    git(&upstream, &["init", "--quiet"]);
    let mut commits = Vec::new();
    for text in ["one", "two"] {
        fs::write(upstream.join("text"), text).unwrap();
        git(&upstream, &["add", "text"]);
        git(&upstream, &["commit", "--quiet", "-m", text]);
        commits.push(git(&upstream, &["rev-parse", "HEAD"]));
    }
    git(&upstream, &["branch", "old", &commits[0]]);
    git(&upstream, &["tag", "v1", &commits[0]]);
    let recipe = |keys: &str| {
        format!(
            "[source]\ngit = 'file://{}'\n{keys}\n{}",
            upstream.display(),
            custom("cp $COOKBOOK_SOURCE/text $COOKBOOK_STAGE/text")
        )
    };
    let staged = |name: &str| {
        let path = tree.top().join(format!("build/recipes/{name}/stage/text"));
        fs::read_to_string(path).unwrap()
    };
    let rev = |rev: &str| format!("rev = '{rev}'");
    let rows = [
        ("newest", String::new(), "two", &commits[1]),
        ("branch", "branch = 'old'".to_owned(), "one", &commits[0]),
        ("tag", rev("v1"), "one", &commits[0]),
        ("commit", rev(&commits[0]), "one", &commits[0]),
    ];
    for (name, keys, text, commit) in &rows {
        tree.recipe(name, &recipe(keys));
        tree.good(&["cook", name]);
        assert_eq!(staged(name), *text, "{name}");
        let metadata = fs::read_to_string(tree.top().join(format!("repo/x86_64/{name}.toml")));
        assert!(metadata.unwrap().contains(commit.as_str()), "{name}");
    }
    tree.recipe("missing", &recipe("rev = 'v9'"));
    let said = tree.bad(&["cook", "missing"]);
    assert!(
        said.contains("recipe `missing`") && said.contains("has no `v9`"),
        "{said}"
    );

    // What is there is not asked for again, and what another recipe has is shared.
    fs::rename(&upstream, tree.top().join("gone")).unwrap();
    tree.recipe("second", &recipe(&rev(&commits[1])));
    tree.recipe(
        "shared",
        &format!(
            "[source]\nsame_as = '../second'\n{}",
            custom("cp $COOKBOOK_SOURCE/text $COOKBOOK_STAGE/text")
        ),
    );
    tree.good(&["cook", "second", "shared"]);
    assert_eq!(
        (staged("second"), staged("shared")),
        ("two".into(), "two".into())
    );
    // What asks for what is newest has to be able to ask.
    tree.recipe("newest", &recipe("branch = 'main'"));
    let said = tree.bad(&["cook", "newest"]);
    assert!(
        said.contains("recipe `newest`") && said.contains("upstream"),
        "{said}"
    );
}

/// What came from a registry: verified before it is unpacked, thrown away if it is something else, and never taken
/// without a checksum.
#[test]
fn checksums() {
    let tree = Tree::new();
    let wrong = "0".repeat(64);
    // The checksum of what stands in for an archive.
    let right = "8f434346648f6b96df89dda901c5176b10a6d83961dd3c1ac88b59b2dc327aa4";
    let rows = [
        ("crate", "crate/thing-1.2.crate", "crate thing 1.2"),
        (
            "debian",
            "debian/thing_1.2.orig.tar.gz",
            "Debian source thing 1.2",
        ),
    ];
    for (kind, file, what) in rows {
        let recipe = |sum: &str| {
            format!(
                "[source]\n{kind} = 'thing'\nversion = '1.2'\n{sum}\n{}",
                custom("true")
            )
        };
        let cached = tree.write(&format!("build/sources/{file}"), "hi");
        tree.recipe(kind, &recipe(""));
        let said = tree.bad(&["cook", kind]);
        let message =
            format!("recipe `{kind}`: {what}: the recipe has no `sha256`; what came has {right}");
        assert!(said.contains(&message), "{said}");
        tree.recipe(kind, &recipe(&format!("sha256 = '{right}'")));
        let said = tree.bad(&["cook", kind]);
        assert!(said.contains("cannot unpack"), "{said}");
        tree.recipe(kind, &recipe(&format!("sha256 = '{wrong}'")));
        let said = tree.bad(&["cook", kind]);
        for part in [
            &format!("recipe `{kind}`: {what}: wrong checksum"),
            &wrong,
            right,
        ] {
            assert!(said.contains(part), "{part:?} is not in: {said}");
        }
        assert!(!cached.exists(), "{kind}");
    }
}

/// `same_as` of a folder, by way of another recipe: what is in the folder counts, and a circle is told.
#[test]
fn the_source_of_another() {
    let tree = Tree::new();
    tree.write("own/text", "one");
    let script = custom("cp $COOKBOOK_SOURCE/text $COOKBOOK_STAGE/text");
    for (name, source) in [
        ("first", "path = '../../../own'"),
        ("second", "same_as = '../first'"),
        ("third", "same_as = '../second'"),
        ("self", "same_as = '.'"),
        ("a", "same_as = '../b'"),
        ("b", "same_as = '../a'"),
    ] {
        tree.recipe(name, &format!("[source]\n{source}\n{script}"));
    }
    for text in ["one", "two"] {
        tree.write("own/text", text);
        tree.good(&["cook", "third"]);
        let staged = tree.top().join("build/recipes/third/stage/text");
        assert_eq!(fs::read_to_string(staged).unwrap(), text);
    }
    for (name, circle) in [("self", "self -> self"), ("a", "a -> b -> a")] {
        let said = tree.bad(&["cook", name]);
        let message = format!("recipe `{name}`: `same_as` goes in a circle: {circle}");
        assert!(said.contains(&message), "{said}");
    }
}

/// Two recipes, built at the same time, that are the first to want one repository.
#[test]
fn one_source_of_two() {
    let tree = Tree::new();
    let upstream = tree.top().join("upstream");
    fs::create_dir(&upstream).unwrap();
    git(&upstream, &["init", "--quiet"]);
    for number in 0..200 {
        fs::write(upstream.join(number.to_string()), number.to_string()).unwrap();
    }
    git(&upstream, &["add", "."]);
    git(&upstream, &["commit", "--quiet", "-m", "all"]);
    for name in ["one", "two"] {
        let source = format!("[source]\ngit = 'file://{}'\n", upstream.display());
        let build = custom("cp $COOKBOOK_SOURCE/199 $COOKBOOK_STAGE");
        tree.recipe(name, &format!("{source}{build}c_library = false\n"));
    }
    tree.good(&["cook", "one", "two"]);
}

/// Crates come by the toolchain's own cargo, whatever it is called.
#[test]
fn crates_come_by_the_cargo_that_builds() {
    let tree = Tree::new();
    tree.write(
        "bin/cargo-9.99",
        "#!/bin/sh\nplace=$CARGO_HOME/registry/cache/mirror\n\
         mkdir -p $place && printf hi >$place/thing-1.2.crate\n",
    );
    tree.write("bin/rustc-9.99", "");
    let bin = tree.top().join("bin");
    let cargo = bin.join("cargo-9.99");
    fs::set_permissions(&cargo, fs::Permissions::from_mode(0o755)).unwrap();
    tree.write(
        "build/.rust-env",
        &format!(
            "\n\nRUSTC={0}/rustc-9.99 CARGO={0}/cargo-9.99\n",
            bin.display()
        ),
    );
    let right = "8f434346648f6b96df89dda901c5176b10a6d83961dd3c1ac88b59b2dc327aa4";
    tree.recipe(
        "thing",
        &format!(
            "[source]\ncrate = 'thing'\nversion = '1.2'\nsha256 = '{right}'\n{}",
            custom("true")
        ),
    );
    let output = tree
        .command(&["cook", "thing"])
        .env("CARGO_HOME", tree.top().join("cargo"))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    // What came is the right file, which is no archive.
    assert!(said.contains("cannot unpack"), "{said}");
}

/// Every build counts those that run beside it; the first two wait until they have met.
#[test]
fn two_at_a_time() {
    let tree = Tree::new();
    let place = tree.top().join("running");
    fs::create_dir(&place).unwrap();
    let script = format!(
        "cd {}\ntouch $0.runs\n\
         for i in $(seq 200); do\n\
         count=$(ls | grep -c runs)\n[ $count = 1 ] || touch met\n[ ! -e met ] || break\nsleep 0.1\n\
         done\necho $count >$COOKBOOK_STAGE/seen\nrm $0.runs",
        place.display()
    );
    let names = ["a", "b", "c", "d", "e"];
    for name in names {
        tree.recipe(name, &custom(&script));
    }
    tree.good(&[&["cook"] as &[&str], &names].concat());
    let seen = names.map(|name| {
        let path = tree.top().join(format!("build/recipes/{name}/stage/seen"));
        fs::read_to_string(path).unwrap()
    });
    assert!(
        seen.iter()
            .all(|count| ["1\n", "2\n"].contains(&count.as_str())),
        "{seen:?}"
    );
    assert!(seen.iter().any(|count| count == "2\n"), "{seen:?}");
}
