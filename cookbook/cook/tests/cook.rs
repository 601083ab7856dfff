//! The tool on trees of its own, with recipes that need nothing but a shell: what it builds, what it does not
//! build again, and how each thing that can go wrong ends in one message.

mod tree;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;

use tree::{Tree, custom};

#[test]
fn nothing_is_built_twice() {
    let tree = Tree::new();
    let script =
        "mkdir -p $COOKBOOK_STAGE/usr/lib\ncp $COOKBOOK_SOURCE/text $COOKBOOK_STAGE/usr/lib/a";
    let recipe = |script: &str| {
        format!(
            "[source]\npath = 'own'\ninputs = ['text']\n{}",
            custom(script)
        )
    };
    tree.recipe("a", &recipe(script));
    tree.write("recipes/x/a/own/text", "one");
    tree.write("recipes/x/a/own/other", "one");
    let user = "cp $COOKBOOK_SYSROOT/lib/a $COOKBOOK_STAGE/copy\ntest ! -e $COOKBOOK_SYSROOT/lib/c";
    tree.recipe("b", &format!("{}dependencies = ['a']\n", custom(user)));
    tree.recipe(
        "c",
        &custom("install -D /dev/null $COOKBOOK_STAGE/usr/lib/c"),
    );

    let said = tree.good(&["cook", "b", "c"]);
    for name in ["relibc", "a", "b", "c"] {
        assert!(said.contains(&format!("cook: {name} done")), "{said}");
    }
    assert_eq!(tree.good(&["cook", "b", "c"]), "");

    // Each change, and what is built because of it.
    type Change<'a> = (&'a str, &'a dyn Fn(), &'a [&'a str]);
    let same = format!("{script}\n# A remark.");
    let changes: &[Change<'_>] = &[
        (
            "an input",
            &|| drop(tree.write("recipes/x/a/own/text", "two")),
            &["a", "b"],
        ),
        // What comes out is the same: whoever needs it is as fresh as before.
        ("the recipe", &|| tree.recipe("a", &recipe(&same)), &["a"]),
        (
            "a lost package",
            &|| fs::remove_file(tree.top().join("repo/x86_64/c.pkgar")).unwrap(),
            &["c"],
        ),
    ];
    for (what, change, expected) in changes {
        change();
        let said = tree.good(&["cook", "b", "c"]);
        let mut built: Vec<&str> = said
            .lines()
            .filter_map(|line| {
                line.strip_prefix("cook: ")?
                    .split(" done")
                    .next()
                    .filter(|n| !n.contains(' '))
            })
            .collect();
        built.sort_unstable();
        built.dedup();
        assert_eq!(&built, expected, "{what}: {said}");
        assert_eq!(tree.good(&["cook", "b", "c"]), "", "{what}");
    }
    let package = fs::read_to_string(tree.top().join("repo/x86_64/b.toml")).unwrap();
    assert!(package.contains("name = \"b\""), "{package}");
}

/// A build that fails leaves nothing that counts as built, not even for the recipe as it was before.
#[test]
fn a_failure_forgets_what_was_built() {
    let tree = Tree::new();
    let good = custom("install -D /dev/null $COOKBOOK_STAGE/usr/lib/a");
    tree.recipe("a", &good);
    let user = custom("test -f $COOKBOOK_SYSROOT/lib/a");
    tree.recipe("b", &format!("{user}dependencies = ['a']\n"));
    tree.good(&["cook", "a"]);
    tree.recipe("a", &custom("false"));
    tree.bad(&["cook", "a"]);
    tree.recipe("a", &good);
    let said = tree.good(&["cook", "b"]);
    assert!(said.contains("cook: a done"), "{said}");
}

#[test]
fn a_list_may_be_read_in_part() {
    let tree = Tree::new();
    for number in 0..400 {
        // More, together, than a pipe holds.
        tree.recipe(&format!("{}{number}", "long".repeat(50)), &custom("true"));
    }
    let mut running = tree
        .command(&["list"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(running.stdout.take());
    let output = running.wait_with_output().unwrap();
    assert!(output.status.success(), "{:?}", output.status);
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
}

#[test]
fn what_goes_wrong_is_said_once() {
    let tree = Tree::new();
    let archive = tree.write("archive.tar", "not the archive that was meant");
    let sum = "0".repeat(64);
    let tar = format!(
        "[source]\ntar = 'file://{}'\nblake3 = '{sum}'\n",
        archive.display()
    );
    tree.recipe("sum", &format!("{tar}{}", custom("true")));
    tree.recipe("typing", "[build]\ntemplate = 'custom'\nscirpt = 'true'\n");
    tree.recipe("fails", &custom("echo the compiler says so\nfalse"));
    tree.recipe(
        "needs",
        "[build]\ntemplate = 'custom'\nscript = 'true'\ndependencies = ['nowhere']\n",
    );
    tree.recipe("runs", "[package]\ndependencies = ['nobody']\n");
    tree.recipe(
        "one",
        "[build]\ntemplate = 'custom'\nscript = 'true'\ndependencies = ['two']\n",
    );
    tree.recipe(
        "two",
        "[build]\ntemplate = 'custom'\nscript = 'true'\ndependencies = ['one']\n",
    );
    tree.recipe(
        "url",
        &format!(
            "[source]\ntar = 'file:///nowhere.tar'\nblake3 = '{sum}'\n{}",
            custom("true")
        ),
    );
    tree.recipe("part", "[package]\ndependencies = ['fails.x']\n");
    tree.recipe("remote", "[build]\ntemplate = 'remote'\n");
    let rows: &[(&str, &[&str])] = &[
        (
            "typing",
            &["recipes/x/typing/recipe.toml:3: unknown field `scirpt`"],
        ),
        ("sum", &["recipe `sum`", "wrong checksum", &sum, "file://"]),
        (
            "fails",
            &[
                "recipe `fails`",
                "exit status: 1",
                "| the compiler says so",
                "recipe-fails.log",
            ],
        ),
        (
            "needs",
            &["there is no recipe `nowhere`, which `needs` depends on"],
        ),
        (
            "runs",
            &["there is no recipe `nobody`, which `runs` depends on"],
        ),
        ("nothing", &["there is no recipe `nothing`"]),
        (
            "fails.nonsense",
            &["recipe `fails` has no package `nonsense`"],
        ),
        (
            "part",
            &["recipe `fails` has no package `x`, which `part` depends on"],
        ),
        ("one", &["in a circle: one -> two -> one"]),
        ("url", &["recipe `url`", "cannot fetch file:///nowhere.tar"]),
        ("remote", &["recipe `remote`", "no server"]),
    ];
    for (name, parts) in rows {
        let said = tree.bad(&["cook", name]);
        for part in *parts {
            assert!(said.contains(part), "{name}: {part:?} is not in: {said}");
        }
        assert!(
            !tree
                .top()
                .join(format!("repo/x86_64/{name}.pkgar"))
                .exists()
        );
    }
    // A failed build is tried again, and does not keep others from being built.
    tree.recipe("fails", &custom("true"));
    tree.good(&["cook", "fails"]);
}

#[test]
fn patches() {
    let tree = Tree::new();
    let folder = tree.top().join("pack/thing-1.0");
    tree.write("pack/thing-1.0/text", "one\ntwo\n");
    let archive = tree.top().join("thing-1.0.tar");
    let mut builder = tar::Builder::new(fs::File::create(&archive).unwrap());
    builder.append_dir_all("thing-1.0", &folder).unwrap();
    builder.finish().unwrap();
    let sum = blake3::hash(&fs::read(&archive).unwrap()).to_hex();
    let recipe = |patch: &str| {
        format!(
            "[source]\ntar = 'file://{}'\nblake3 = '{sum}'\npatches = ['{patch}']\nscript = 'echo three >>text'\n{}",
            archive.display(),
            custom("cp $COOKBOOK_SOURCE/text $COOKBOOK_STAGE/text")
        )
    };
    let patch =
        |from: &str| format!("--- a/text\n+++ b/text\n@@ -1,2 +1,2 @@\n one\n-{from}\n+TWO\n");
    tree.recipe("thing", &recipe("good.patch"));
    tree.write("recipes/x/thing/good.patch", &patch("two"));
    tree.write("recipes/x/thing/bad.patch", &patch("zwei"));
    tree.good(&["cook", "thing"]);
    let staged = tree.top().join("build/recipes/thing/stage/text");
    assert_eq!(fs::read_to_string(&staged).unwrap(), "one\nTWO\nthree\n");
    let metadata = fs::read_to_string(tree.top().join("repo/x86_64/thing.toml")).unwrap();
    assert!(metadata.contains("version = \"1.0\""), "{metadata}");

    // Fetched once: the archive is not asked for again.
    fs::remove_file(&archive).unwrap();
    tree.recipe("thing", &recipe("bad.patch"));
    let said = tree.bad(&["cook", "thing"]);
    assert!(
        said.contains("bad.patch does not apply") && said.contains("Hunk #1 FAILED"),
        "{said}"
    );
}

/// Two builds of one package, in two folders, at two times, with two umasks: the same bytes.
#[test]
fn packages_are_reproducible() {
    let script = "mkdir -p $COOKBOOK_STAGE/usr/bin $COOKBOOK_STAGE/usr/share/z\n\
        for i in b a c; do echo $i >$COOKBOOK_STAGE/usr/share/z/$i; done\n\
        printf '#!/bin/sh\\n' >$COOKBOOK_STAGE/usr/bin/x\nchmod +x $COOKBOOK_STAGE/usr/bin/x\n\
        ln -s x $COOKBOOK_STAGE/usr/bin/y";
    let build = |umask: &str, keys: Option<&Tree>| {
        let tree = Tree::new();
        tree.recipe("p", &custom(&format!("umask {umask}\n{script}")));
        if let Some(other) = keys {
            for key in ["build/keys/id_ed25519.toml", "repo/id_ed25519.pub.toml"] {
                tree.write(key, &fs::read_to_string(other.top().join(key)).unwrap());
            }
        }
        tree.good(&["cook", "p"]);
        let key = tree.top().join("build/keys/id_ed25519.toml");
        assert_eq!(
            fs::metadata(key).unwrap().permissions().mode() & 0o77 & !0o44,
            0
        );
        tree
    };
    let read =
        |tree: &Tree, name: &str| fs::read(tree.top().join("repo/x86_64").join(name)).unwrap();
    let first = build("022", None);
    let second = build("077", Some(&first));
    assert_eq!(read(&first, "p.pkgar"), read(&second, "p.pkgar"));
    assert_eq!(read(&first, "p.toml"), read(&second, "p.toml"));
    // Another key signs the same files with the same hash.
    let third = build("022", None);
    assert_ne!(read(&first, "p.pkgar"), read(&third, "p.pkgar"));
    assert_eq!(read(&first, "p.toml"), read(&third, "p.toml"));
}

#[test]
fn optional_packages() {
    let tree = Tree::new();
    let script = "mkdir -p $COOKBOOK_STAGE/usr/include $COOKBOOK_STAGE/usr/bin\n\
        touch $COOKBOOK_STAGE/usr/include/a.h $COOKBOOK_STAGE/usr/bin/a";
    let parts =
        "[[optional-packages]]\nname = 'dev'\nfiles = ['usr/include/**']\ndependencies = ['a']\n";
    tree.recipe("a", &format!("{}{parts}", custom(script)));
    tree.recipe("b", "[build]\ntemplate = 'custom'\nscript = 'test -f $COOKBOOK_SYSROOT/include/a.h'\ndependencies = ['a.dev']\n");
    tree.good(&["cook", "b"]);
    let size = |name: &str| {
        fs::metadata(tree.top().join("repo/x86_64").join(name))
            .unwrap()
            .len()
    };
    // A header of 136 bytes and an entry of 308 each; the files are empty.
    assert_eq!(size("a.pkgar"), 136 + 308);
    assert_eq!(size("a.dev.pkgar"), 136 + 308);

    // A part that the recipe does not name any more is gone, and what it had is where it belongs now.
    let script = script.replace("touch", "echo new >");
    let script = script.replace("a.h $COOK", "a.h; touch $COOK");
    tree.recipe("a", &custom(&script));
    tree.recipe("b", "[build]\ntemplate = 'custom'\nscript = 'grep new $COOKBOOK_SYSROOT/include/a.h'\ndependencies = ['a']\n");
    tree.good(&["cook", "b"]);
    let repo = tree.top().join("repo/x86_64");
    assert!(!repo.join("a.dev.pkgar").exists() && !repo.join("a.dev.toml").exists());
    assert_eq!(size("a.pkgar"), 136 + 2 * 308 + 4);
}
