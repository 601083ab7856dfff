//! Images written, then read back through the crates that know the formats.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Cursor, Read};
use std::path::Path;

use image::{Attributes, Config, Contents, DiskImage, Error, Layout, MIB, Programs, Tree};
use redoxfs::{DiskMemory, FileSystem, Node, TreePtr};
use tempfile::TempDir;

const LOADER: &[u8] = b"MZ, and more";

fn sample() -> Tree {
    let mut tree = Tree::new();
    let mut put = |path: &str, mode, uid, contents| {
        let attributes = Attributes {
            mode,
            uid,
            gid: uid + 1,
        };
        tree.put(path, attributes, contents).unwrap();
    };
    put(
        "/bin/tool",
        0o4755,
        0,
        Contents::Bytes(b"#!tool".repeat(100_000)),
    );
    put("/bin", 0o711, 0, Contents::Directory);
    put("/bin-extra", 0o755, 0, Contents::Directory);
    put("/bin-extra/x", 0o600, 1000, Contents::Bytes(vec![]));
    put("/sh", 0o777, 0, Contents::Link("bin/tool".to_owned()));
    put("/home/user", 0o700, 1000, Contents::Directory);
    put(
        "/home/user/notes",
        0o640,
        1000,
        Contents::Bytes(b"small".to_vec()),
    );
    tree
}

fn image<'a>(root: &'a Tree, disk_mib: u64) -> DiskImage<'a> {
    let layout = Layout {
        disk_mib,
        ..Layout::default()
    };
    DiskImage {
        layout,
        loader: LOADER,
        root,
    }
}

fn write(image: DiskImage<'_>) -> Result<Vec<u8>, Error> {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("disk.img");
    let result = image.write(&path);
    let names: Vec<_> = fs::read_dir(folder.path())
        .unwrap()
        .map(|e| e.unwrap().file_name())
        .collect();
    assert_eq!(
        names,
        if result.is_ok() {
            vec!["disk.img"]
        } else {
            vec![]
        }
    );
    result.map(|()| fs::read(path).unwrap())
}

/// The partitions' names and contents.
fn partitions(disk: &[u8]) -> BTreeMap<String, Vec<u8>> {
    let table = gpt::GptConfig::new()
        .open_from_device(Cursor::new(disk.to_vec()))
        .unwrap();
    assert_eq!(
        table.primary_header().unwrap().backup_lba,
        disk.len() as u64 / 512 - 1
    );
    table.backup_header().unwrap();
    let window = |p: &gpt::partition::Partition| {
        let lb = gpt::disk::LogicalBlockSize::Lb512;
        let start = p.bytes_start(lb).unwrap() as usize;
        disk[start..start + p.bytes_len(lb).unwrap() as usize].to_vec()
    };
    table
        .partitions()
        .values()
        .map(|p| (p.name.clone(), window(p)))
        .collect()
}

/// Everything in a RedoxFS: path -> (mode, uid, gid, contents).
fn root_files(partition: &[u8]) -> BTreeMap<String, (u16, u32, u32, Vec<u8>)> {
    let mut disk = DiskMemory::new(partition.len() as u64);
    // SAFETY: a plain copy into memory that no file system uses yet.
    unsafe { redoxfs::Disk::write_at(&mut disk, 0, partition).unwrap() };
    let mut fs = FileSystem::open(disk, None, Some(0), true).unwrap();
    let mut found = BTreeMap::new();
    let mut open = vec![(String::new(), TreePtr::<Node>::root())];
    fs.tx(|tx| {
        while let Some((path, ptr)) = open.pop() {
            let node = tx.read_tree(ptr)?;
            let data = node.data();
            let mut contents = Vec::new();
            if data.is_dir() {
                let mut children = Vec::new();
                tx.child_nodes(ptr, &mut children)?;
                open.extend(
                    children
                        .iter()
                        .map(|c| (format!("{path}/{}", c.name().unwrap()), c.node_ptr())),
                );
            } else {
                contents.resize(data.size() as usize, 0);
                assert_eq!(tx.read_node_inner(&node, 0, &mut contents)?, contents.len());
            }
            assert_eq!((data.ctime().0, data.mtime().0), (0, 0), "{path}");
            found.insert(path, (data.mode(), data.uid(), data.gid(), contents));
        }
        Ok(())
    })
    .unwrap();
    found
}

#[test]
fn an_image_reads_back_whole() {
    let tree = sample();
    let disk = write(image(&tree, 16)).unwrap();
    assert_eq!(disk.len() as u64, 16 * MIB);
    assert_eq!(disk[510..512], [0x55, 0xaa]);
    assert_eq!(disk[446 + 4], 0xee, "protective entry");
    let partitions = partitions(&disk);

    let esp = fatfs::FileSystem::new(
        Cursor::new(partitions["EFI"].clone()),
        fatfs::FsOptions::new(),
    )
    .unwrap();
    let mut loader = Vec::new();
    esp.root_dir()
        .open_file("efi/boot/bootx64.efi")
        .unwrap()
        .read_to_end(&mut loader)
        .unwrap();
    assert_eq!(loader, LOADER);

    let files = root_files(&partitions["root"]);
    let expected = [
        ("", 0o40755, 0, 0, vec![]),
        ("/bin", 0o40711, 0, 1, vec![]),
        ("/bin-extra", 0o40755, 0, 1, vec![]),
        ("/bin-extra/x", 0o100600, 1000, 1001, vec![]),
        ("/bin/tool", 0o104755, 0, 1, b"#!tool".repeat(100_000)),
        ("/home", 0o40755, 0, 0, vec![]),
        ("/home/user", 0o40700, 1000, 1001, vec![]),
        ("/home/user/notes", 0o100640, 1000, 1001, b"small".to_vec()),
        ("/sh", 0o120777, 0, 1, b"bin/tool".to_vec()),
    ];
    let expected: BTreeMap<_, _> = expected
        .into_iter()
        .map(|(path, mode, uid, gid, data)| (path.to_owned(), (mode, uid, gid, data)))
        .collect();
    assert_eq!(files, expected);
}

#[test]
fn the_same_contents_make_the_same_bytes_and_others_other_identifiers() {
    let tree = sample();
    let first = write(image(&tree, 16)).unwrap();
    assert!(first == write(image(&tree, 16)).unwrap());

    let mut other = sample();
    other
        .put("/new", Attributes::root(0o644), Contents::Bytes(vec![]))
        .unwrap();
    let second = write(image(&other, 16)).unwrap();
    let ids = |disk: &[u8]| {
        let table = gpt::GptConfig::new()
            .open_from_device(Cursor::new(disk.to_vec()))
            .unwrap();
        let mut ids = vec![*table.guid()];
        ids.extend(table.partitions().values().map(|p| p.part_guid));
        ids
    };
    for (a, b) in ids(&first).iter().zip(ids(&second)) {
        assert_ne!(*a, b);
        assert_eq!(a.get_version_num(), 8);
    }
    let root_id = |disk: &[u8]| partitions(disk)["root"][16..32].to_vec();
    assert_ne!(root_id(&first), root_id(&second));
}

#[test]
fn what_does_not_fit_is_one_clear_message() {
    let mut big = Tree::new();
    // Not compressible.
    let mut noise = blake3::Hasher::new().finalize_xof();
    for name in ["/usr/a", "/usr/b", "/usr/c"] {
        let mut data = vec![0; 5 << 20];
        noise.fill(&mut data);
        big.put(name, Attributes::root(0o644), Contents::Bytes(data))
            .unwrap();
    }
    let full = write(image(&big, 16)).unwrap_err();
    assert!(
        matches!(&full, Error::Full { path, needed: 15, size: 12 } if path == "/usr/c"),
        "{full}"
    );
    assert!(full.to_string().contains("filesystem_size"));

    let tree = sample();
    let loader = vec![1; 3 << 20];
    let esp = write(DiskImage {
        loader: &loader,
        ..image(&tree, 16)
    })
    .unwrap_err();
    assert!(
        matches!(
            esp,
            Error::EspFull {
                size: 2,
                loader: 3072
            }
        ),
        "{esp}"
    );

    for disk_mib in [0, 3, 5] {
        let small = write(image(&tree, disk_mib)).unwrap_err();
        assert!(
            matches!(small, Error::NoRoom { esp: 2, .. }),
            "{disk_mib}: {small}"
        );
    }
}

#[test]
fn paths_that_cannot_be() {
    let long = format!("/{}", "n".repeat(253));
    for path in [
        "",
        "/",
        "bin",
        "/a//b",
        "/../a",
        "/a/.",
        "/a\0",
        long.as_str(),
    ] {
        let put = Tree::new().put(path, Attributes::root(0o644), Contents::Directory);
        assert!(matches!(put, Err(Error::BadPath(_))), "{path:?}");
    }
    let mut tree = sample();
    let file = || Contents::Bytes(vec![]);
    for (path, contents) in [
        ("/bin", file()),
        ("/bin/tool", Contents::Directory),
        ("/bin/tool/x", file()),
    ] {
        let put = tree.put(path, Attributes::root(0o644), contents);
        assert!(matches!(put, Err(Error::Conflict(_))), "{path}");
    }
    tree.put("/bin/tool", Attributes::root(0o644), file())
        .unwrap();
}

#[test]
fn host_folders_lose_their_umask() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let folder = TempDir::new().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::create_dir(at("d")).unwrap();
    for (name, mode) in [("d/run", 0o700), ("plain", 0o666)] {
        fs::write(at(name), name).unwrap();
        fs::set_permissions(at(name), fs::Permissions::from_mode(mode)).unwrap();
    }
    symlink("../x", at("d/link")).unwrap();
    let mut tree = Tree::new();
    tree.put_host(folder.path(), "/opt/").unwrap();
    let found: Vec<_> = tree
        .iter()
        .map(|(path, node)| (path, node.attributes.mode))
        .collect();
    let expected = [
        ("/opt", 0o755),
        ("/opt/d", 0o755),
        ("/opt/d/link", 0o777),
        ("/opt/d/run", 0o755),
        ("/opt/plain", 0o644),
    ];
    assert_eq!(found, expected);
    let missing = tree
        .put_host(Path::new("/nonexistent/file"), "/f")
        .unwrap_err();
    assert!(missing.to_string().contains("/nonexistent/file"));
}

#[test]
fn settings_files() {
    let folder = TempDir::new().unwrap();
    let at = |name: &str| folder.path().join(name);
    let file = |name: &str, text: &str| fs::write(at(name), text).unwrap();
    file(
        "base.toml",
        "[general]\nfilesystem_size = 100\nefi_partition_size = 3\n[[files]]\npath = '/etc/a'\ndata = 'base'\n",
    );
    file(
        "top.toml",
        "include = ['base.toml']\n[general]\nfilesystem_size = 50\n\
         [[files]]\npath = '/etc/a'\ndata = 'top'\nmode = 0o600\nuid = 7\n\
         [[files]]\npath = '/tmp'\ndata = ''\ndirectory = true\nmode = 0o1777\n\
         [[files]]\npath = '/l'\ndata = 'tmp'\nsymlink = true\n",
    );
    let config = Config::read(&at("top.toml")).unwrap();
    assert_eq!(
        config.layout(),
        Layout {
            disk_mib: 50,
            esp_mib: 3
        }
    );
    let mut tree = Tree::new();
    config.put_files(&mut tree).unwrap();
    let found: Vec<_> = tree
        .iter()
        .map(|(p, n)| (p, n.attributes.mode, n.attributes.uid))
        .collect();
    assert_eq!(
        found,
        [
            ("/etc", 0o755, 0),
            ("/etc/a", 0o600, 7),
            ("/l", 0o777, 0),
            ("/tmp", 0o1777, 0)
        ]
    );

    let bad = [
        ("[general]\nfilesystem_sise = 1\n", "line 2"),
        ("[general]\nfilesystem_sise = 1\n", "filesystem_sise"),
        ("include = ['bad.toml']\n", "includes itself"),
        ("include = ['none.toml']\n", "none.toml"),
        (
            "[[files]]\npath = '/x'\nsymlink = true\ndirectory = true\n",
            "both",
        ),
        ("[[files]]\ndata = 'x'\n", "path"),
    ];
    for (text, message) in bad {
        file("bad.toml", text);
        let error = Config::read(&at("bad.toml")).unwrap_err().to_string();
        assert!(
            error.contains(message) && error.contains(".toml"),
            "{text}: {error}"
        );
    }
}

#[test]
fn tables_of_programs() {
    let folder = TempDir::new().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::write(at("init"), "init's code").unwrap();
    fs::write(at("second"), "second's code").unwrap();
    fs::write(at("motd"), "hello").unwrap();
    fs::write(
        at("a.toml"),
        "[programs]\nbootstrap = 'boot'\n'bin/init' = 'init'\n",
    )
    .unwrap();
    let extra = format!(
        "[programs]\nbootstrap = 'init'\n'bin/two' = 'init:second'\n[files]\n'etc/motd' = '{}'\n",
        at("motd").display()
    );
    fs::write(at("b.toml"), extra).unwrap();
    let mut programs = Programs::read(&at("a.toml")).unwrap();
    assert_eq!(Vec::from_iter(programs.packages()), ["boot", "init"]);
    programs.extend(&Programs::read(&at("b.toml")).unwrap());
    assert_eq!(Vec::from_iter(programs.packages()), ["init"]);

    let bytes = programs.build(folder.path()).unwrap();
    let archive = initfs::Archive::new(&bytes).unwrap();
    for (path, data, mode) in [
        ("bootstrap", "init's code", 0o100755),
        ("bin/two", "second's code", 0o100755),
        ("etc/motd", "hello", 0o100644),
    ] {
        let entry = archive.lookup(path).unwrap();
        assert_eq!(
            (entry.kind, entry.mode),
            (initfs::Kind::File(data.as_bytes()), mode),
            "{path}"
        );
    }
    fs::write(at("c.toml"), "[programs]\ngone = 'gone'\n").unwrap();
    let error = Programs::read(&at("c.toml"))
        .unwrap()
        .build(folder.path())
        .unwrap_err();
    assert!(error.to_string().contains("/gone"), "{error}");
}
