//! Disks of trees whose packages are small and made by a shell.

use std::fs;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;
use std::process::{Command, Output};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use tempfile::TempDir;

fn write(top: &Path, path: &str, text: &str) {
    let path = top.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

fn tree() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let recipe = |name: &str, script: &str| {
        let text = format!(
            "[build]\ntemplate = 'custom'\nc_library = false\nscript = '''\nput() {{ mkdir -p $COOKBOOK_STAGE/$(dirname $1); echo {name} >$COOKBOOK_STAGE/$1; }}\n{script}\n'''\n"
        );
        write(
            folder.path(),
            &format!("recipes/x/{name}/recipe.toml"),
            &text,
        );
    };
    recipe("kernel", "put boot/kernel");
    recipe("base-initfs", "put boot/initfs");
    recipe("bootloader", "put usr/lib/boot/bootloader.efi");
    recipe(
        "lua",
        "put usr/bin/lua\nchmod +x $COOKBOOK_STAGE/usr/bin/lua\nln -s lua $COOKBOOK_STAGE/usr/bin/luac",
    );
    recipe("other", "put usr/bin/lua");
    recipe(
        "big",
        "mkdir -p $COOKBOOK_STAGE/usr\nhead -c 9000000 /dev/urandom >$COOKBOOK_STAGE/usr/big",
    );
    folder
}

fn cook(top: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_cook"))
        .args(args)
        .env("CUPRITE_TOP", top)
        .output()
        .unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

const SETTINGS: &str = "include = ['more/base.toml']\n\
    [general]\nfilesystem_size = 16\n[packages]\nlua = {}\nbig = 'ignore'\n\
    [users.root]\npassword = 'secret'\nuid = 0\n[users.user]\npassword = ''\n\
    [[files]]\npath = '/etc/motd'\ndata = 'hello'\n\
    [[files]]\npath = '/srv'\ndirectory = true\nmode = 0o2770\ngid = 5\n";

#[test]
fn a_disk() {
    let folder = tree();
    let top = folder.path();
    write(top, "config/small.toml", SETTINGS);
    write(
        top,
        "config/more/base.toml",
        "[general]\nefi_partition_size = 2\n[packages]\nbig = {}\n",
    );
    let disk = top.join("build/x86_64/small/harddrive.img");
    let output = cook(top, &["image", "small"]);
    assert!(output.status.success(), "{}", said(&output));
    let first = fs::read(&disk).unwrap();
    assert_eq!(first.len(), 16 << 20);
    // Nothing has changed: nothing is done.
    let output = cook(top, &["image", "small"]);
    assert!(
        output.status.success() && output.stderr.is_empty(),
        "{}",
        said(&output)
    );
    // Anew, from a file elsewhere, to the same bytes.
    write(
        top,
        "elsewhere/small.toml",
        &SETTINGS.replace("more/", "../config/more/"),
    );
    fs::remove_file(&disk).unwrap();
    let path = top.join("elsewhere/small.toml");
    let output = cook(top, &["image", path.to_str().unwrap()]);
    assert!(output.status.success(), "{}", said(&output));
    assert!(
        first == fs::read(&disk).unwrap(),
        "the same settings made another disk"
    );

    // What is on it.
    let root = image::read::root(&disk).unwrap();
    let find = |path: &str| {
        root.iter()
            .find(|(p, _)| *p == path)
            .map(|(_, node)| node.clone())
    };
    let text = |path: &str| {
        let node = find(path).unwrap_or_else(|| panic!("no {path}"));
        String::from_utf8(node.contents.read().unwrap().into_owned()).unwrap()
    };
    assert_eq!(text("/boot/kernel"), "kernel\n");
    assert_eq!(text("/usr/bin/luac"), "lua");
    assert_eq!(text("/etc/motd"), "hello");
    assert_eq!(
        text("/etc/passwd"),
        "root;0;0;root;/root;/bin/sh\nuser;1000;1000;user;/home/user;/bin/sh\n"
    );
    assert!(find("/usr/big").is_none());
    let shadow = text("/etc/shadow");
    let hash = shadow
        .lines()
        .find_map(|line| line.strip_prefix("root;"))
        .unwrap();
    assert!(argon2::verify_encoded(hash, b"secret").unwrap(), "{shadow}");
    assert!(shadow.contains("\nuser;\n"), "{shadow}");
    // The package manager finds what was installed as it was installed.
    let key = pkg_core::Key::parse("key", &text("/etc/pkg/id_ed25519.pub.toml")).unwrap();
    let head = find("/var/lib/packages/lua.pkgar_head").unwrap();
    let head = head.contents.read().unwrap().into_owned();
    let package = pkg_core::Package::parse("lua", "head", head, &key).unwrap();
    let paths: Vec<&str> = package
        .entries()
        .iter()
        .map(|entry| entry.path.as_str())
        .collect();
    assert_eq!(paths, ["usr/bin/lua", "usr/bin/luac"]);
    for entry in package.entries() {
        let contents = text(&format!("/{}", entry.path));
        assert_eq!(*blake3::hash(contents.as_bytes()).as_bytes(), entry.hash);
    }
    assert!(text("/var/lib/packages/lua.toml").contains("name = \"lua\""));
    let rows = [
        ("/usr/bin/lua", 0o755, 0, 0),
        ("/boot/kernel", 0o644, 0, 0),
        ("/etc/shadow", 0o600, 0, 0),
        ("/srv", 0o2770, 0, 5),
        ("/home/user", 0o700, 1000, 1000),
        ("/root", 0o700, 0, 0),
    ];
    for (path, mode, uid, gid) in rows {
        let attributes = find(path).unwrap_or_else(|| panic!("no {path}")).attributes;
        assert_eq!(
            (attributes.mode, attributes.uid, attributes.gid),
            (mode, uid, gid),
            "{path}"
        );
    }
}

/// What a package says of itself, and whose signature it has, are on the disks too.
#[test]
fn versions_and_keys_are_part_of_a_disk() {
    let folder = tree();
    let top = folder.path();
    let small = "[general]\nfilesystem_size = 16\nefi_partition_size = 2\n[packages]\nlua = {}\n";
    write(top, "config/small.toml", small);
    let build = || {
        for args in [["image", "small"], ["repo", "lua"]] {
            let output = cook(top, &args);
            assert!(output.status.success(), "{}", said(&output));
        }
        let disk = image::read::root(&top.join("build/x86_64/small/harddrive.img")).unwrap();
        let repo = image::read::volume(&top.join("build/x86_64/repo.img")).unwrap();
        let read = |root: &image::Tree, wanted: &str| {
            let (_, node) = root.iter().find(|(path, _)| *path == wanted).unwrap();
            node.contents.read().unwrap().into_owned()
        };
        [
            read(&disk, "/var/lib/packages/lua.toml"),
            read(&repo, "/lua.toml"),
            read(&disk, "/etc/pkg/id_ed25519.pub.toml"),
            read(&repo, "/id_ed25519.pub.toml"),
        ]
    };
    let first = build();
    let recipe = top.join("recipes/x/lua/recipe.toml");
    let text = fs::read_to_string(&recipe).unwrap();
    fs::write(&recipe, format!("{text}[package]\nversion = '7.7'\n")).unwrap();
    let second = build();
    for text in &second[..2] {
        assert!(String::from_utf8_lossy(text).contains("7.7"));
    }
    assert!(first[2..] == second[2..]);
    fs::remove_dir_all(top.join("build/keys")).unwrap();
    let third = build();
    assert!(second[2] != third[2] && third[2] == third[3]);
}

/// A new disk takes the old one's place; what a machine wrote to that is not lost.
#[test]
fn a_disk_that_was_used_is_kept() {
    let folder = tree();
    let top = folder.path();
    let image = |password: &str| {
        let text = format!(
            "[general]\nfilesystem_size = 16\nefi_partition_size = 2\n[users.root]\npassword = '{password}'\nuid = 0\n"
        );
        write(top, "config/small.toml", &text);
        let output = cook(top, &["image", "small"]);
        assert!(output.status.success(), "{}", said(&output));
        said(&output)
    };
    let disk = top.join("build/x86_64/small/harddrive.img");
    let old = top.join("build/x86_64/small/harddrive.img.old");
    image("a");
    image("b");
    assert!(!old.exists());
    let file = fs::File::options().write(true).open(&disk).unwrap();
    file.write_all_at(b"note", 4 << 20).unwrap();
    let later = std::time::SystemTime::now() + Duration::from_secs(9);
    file.set_modified(later).unwrap();
    let used = fs::read(&disk).unwrap();
    let said = image("c");
    assert!(said.contains("harddrive.img.old"), "{said}");
    assert!(fs::read(&old).unwrap() == used);
    assert!(fs::read(&disk).unwrap() != used);
}

/// A copy of a disk that somebody writes to all the time, with pauses, is the disk of one moment.
#[test]
fn a_copy_of_one_moment() {
    let folder = tempfile::tempdir().unwrap();
    let (disk, copy) = (folder.path().join("disk"), folder.path().join("copy"));
    let len = 8 << 20;
    let file = fs::File::create(&disk).unwrap();
    file.set_len(len).unwrap();
    let write = |number: u64| {
        for at in [0, len - 8] {
            file.write_all_at(&number.to_le_bytes(), at).unwrap();
        }
    };
    write(1);
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            for number in (2..).take_while(|_| !done.load(Ordering::Relaxed)) {
                write(number);
                if number % 100 == 0 {
                    thread::sleep(Duration::from_millis(300));
                }
            }
        });
        let copied = cook::disk::copy(&disk, &copy);
        done.store(true, Ordering::Relaxed);
        copied.unwrap();
    });
    let bytes = fs::read(&copy).unwrap();
    assert_eq!(bytes.len() as u64, len);
    let (first, last) = (bytes.first_chunk::<8>(), bytes.last_chunk::<8>());
    assert!(first.is_some() && first == last, "{first:?} {last:?}");
    // Its holes are still holes.
    assert!(fs::metadata(&copy).unwrap().blocks() * 512 < len / 2);
}

#[test]
fn a_repository() {
    let folder = tree();
    let top = folder.path();
    let repo = |name: &str| cook(top, &["repo", name]);
    let output = repo("lua");
    assert!(output.status.success(), "{}", said(&output));
    let root = image::read::volume(&top.join("build/x86_64/repo.img")).unwrap();
    let paths: Vec<&str> = root.iter().map(|(path, _)| path).collect();
    assert_eq!(paths, ["/id_ed25519.pub.toml", "/lua.pkgar", "/lua.toml"]);
    for (path, node) in root.iter() {
        let host = match path {
            "/id_ed25519.pub.toml" => top.join("repo/id_ed25519.pub.toml"),
            path => top.join(format!("repo/x86_64{path}")),
        };
        assert!(
            *node.contents.read().unwrap() == fs::read(host).unwrap(),
            "{path}"
        );
    }
    let output = repo("lua");
    assert!(output.status.success() && output.stderr.is_empty());
    // Nine million bytes that nothing makes fewer.
    let output = repo("big");
    assert!(output.status.success(), "{}", said(&output));
    assert!(said(&repo("nothing")).contains("there is no recipe `nothing`"));
}

#[test]
fn what_goes_wrong() {
    let folder = tree();
    let top = folder.path();
    let rows = [
        (
            "full",
            "[general]\nfilesystem_size = 10\n[packages]\nbig = {}\n",
            &["the image is full", "filesystem_size", "/usr/big"] as &[&str],
        ),
        (
            "twice",
            "[packages]\nlua = {}\nother = {}\n",
            &["the packages `lua` and `other` both have the file /usr/bin/lua"],
        ),
        (
            "typing",
            "[genral]\n",
            &["typing.toml:1: unknown field `genral`"],
        ),
        (
            "missing",
            "[packages]\nnowhere = {}\n",
            &["there is no recipe `nowhere`"],
        ),
        (
            "users",
            "[users.a]\nuid = 1\n[users.b]\nuid = 1\n",
            &["users `a` and `b` both have number 1"],
        ),
    ];
    for (name, text, parts) in rows {
        write(top, &format!("config/{name}.toml"), text);
        let output = cook(top, &["image", name]);
        let said = said(&output);
        assert_eq!(output.status.code(), Some(1), "{name}: {said}");
        for part in parts {
            assert!(said.contains(part), "{name}: {part:?} is not in: {said}");
        }
        assert!(
            !top.join(format!("build/x86_64/{name}/harddrive.img"))
                .exists(),
            "{name}"
        );
    }
    let output = cook(top, &["image", "nothing"]);
    assert!(
        said(&output).contains("there is no image `nothing`"),
        "{}",
        said(&output)
    );
}
