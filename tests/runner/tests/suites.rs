//! The table of suites and the emulator's command line.

use std::path::Path;

use test_runner::suites::{Boot, Table};

#[test]
fn a_table_with_defaults() {
    let table = Table::parse(
        "[[suite]]\nname = 'a'\n[[suite]]\nname = 'b'\nbench = true\nicount = true\nmemory = 64\ntimeout = 5\n\
         cmdline = 'x=1'\nprograms = { 'bin/t' = 'pkg:t' }\n[[suite]]\nname = 'c'\ndisk = 'd.img'\n\
         [[suite]]\nname = 'long'\non_request = true\n",
    )
    .unwrap();
    let names = |bench, names: &[&str]| {
        let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
        let found = table
            .select(bench, &names)
            .map_err(|error| error.to_string())?;
        Ok(found
            .iter()
            .map(|suite| suite.name.clone())
            .collect::<Vec<_>>())
    };
    assert_eq!(names(false, &[]), Ok(vec!["a".to_owned(), "c".to_owned()]));
    assert_eq!(names(true, &[]), Ok(vec!["b".to_owned()]));
    assert_eq!(names(false, &["c"]), Ok(vec!["c".to_owned()]));
    assert_eq!(names(false, &["long"]), Ok(vec!["long".to_owned()]));
    assert_eq!(
        names(false, &["b"]),
        Err("no suite named \"b\"; there are: a, c, long".to_owned())
    );
    assert_eq!((table.suites[0].memory, table.suites[0].timeout), (128, 60));
    let packages: Vec<_> = table.suites[1]
        .extra_programs()
        .packages()
        .into_iter()
        .map(str::to_owned)
        .collect();
    assert_eq!(packages, ["pkg"]);
}

#[test]
fn bad_tables() {
    for (text, message) in [
        ("[[suite]]\n", "name"),
        ("[[suite]]\nname = 'a'\nmemroy = 1\n", "memroy"),
        ("[[suite]]\nname = 'a b'\n", "letters"),
        ("[[suite]]\nname = ''\n", "letters"),
        ("[[suite]]\nname = '../a'\n", "letters"),
        (
            "[[suite]]\nname = 'a'\n[[suite]]\nname = 'a'\n",
            "two suites",
        ),
        ("[[suite]]\nname = 'a'\ndisk = 'x'\ncmdline = 'y'\n", "disk"),
        (
            "[[suite]]\nname = 'a'\ncut = { rounds = 1, copies = 1 }\n",
            "power goes",
        ),
    ] {
        let error = Table::parse(text).unwrap_err().to_string();
        assert!(error.contains(message), "{text}: {error}");
    }
}

#[test]
fn a_suite_in_parts() {
    let table = Table::parse(
        "[[suite]]\nname = 'a'\n[[suite]]\nname = 'b'\nparts = 3\ncmdline = 'PART={part} x'",
    )
    .unwrap();
    let names = |wanted: &[&str]| -> Vec<String> {
        let wanted: Vec<String> = wanted.iter().map(|name| (*name).to_owned()).collect();
        let chosen = table.select(false, &wanted).unwrap();
        chosen.iter().map(|suite| suite.name.clone()).collect()
    };
    assert_eq!(names(&[]), ["a", "b-1", "b-2", "b-3"]);
    assert_eq!(names(&["b"]), ["b-1", "b-2", "b-3"]);
    assert_eq!(names(&["b-2"]), ["b-2"]);
    assert_eq!(table.suites[2].cmdline, "PART=2/3 x");
    for text in [
        "parts = 3",
        "cmdline = '{part}'",
        "parts = 0\ncmdline = '{part}'",
    ] {
        assert!(
            Table::parse(&format!("[[suite]]\nname = 's'\n{text}")).is_err(),
            "{text}"
        );
    }
}

#[test]
fn command_lines() {
    let suite = |text: &str| {
        Table::parse(&format!("[[suite]]\nname = 's'\n{text}"))
            .unwrap()
            .suites
            .remove(0)
    };
    let args = |text: &str, boot: &Boot<'_>| {
        let words: Vec<_> = suite(text)
            .qemu_args(boot, Path::new("."), &[])
            .iter()
            .map(|w| w.to_str().unwrap().to_owned())
            .collect();
        words.join(" ")
    };
    let common = "-machine q35 -nodefaults -no-user-config -display none -serial stdio -monitor none \
                  -no-reboot -device isa-debug-exit,iobase=0xf4,iosize=4";
    let pvh = Boot::Pvh {
        kernel: Path::new("k"),
        initfs: Path::new("i"),
    };
    assert_eq!(
        args("memory = 64\ncmdline = 'a b'", &pvh),
        format!("{common} -m 64M -cpu max -kernel k -initrd i -append a b")
    );
    assert_eq!(
        args("icount = true", &pvh),
        format!(
            "{common} -m 128M -icount shift=0,sleep=off -rtc clock=vm -cpu max,-erms -kernel k -initrd i -append "
        )
    );
    let uefi = Boot::Uefi {
        code: Path::new("c"),
        vars: Path::new("v"),
        disk: Path::new("a,b"),
    };
    assert_eq!(
        args("disk = 'a,b'", &uefi),
        format!(
            "{common} -m 128M -cpu max -drive if=pflash,format=raw,readonly=on,file=c -drive if=pflash,format=raw,file=v \
             -drive if=none,id=disk,format=raw,snapshot=on,file=a,,b -device virtio-blk-pci,drive=disk"
        )
    );
    assert!(!args("disk = 'a'\nreboots = true", &uefi).contains("-no-reboot"));
}

/// Several tables are one, in which a name is used once.
#[test]
fn tables_together() {
    let folder = tempfile::tempdir().unwrap();
    let table = |file: &str, names: &[&str]| {
        let path = folder.path().join(file);
        let suites = names
            .iter()
            .map(|name| format!("[[suite]]\nname = \"{name}\"\n"));
        std::fs::write(&path, suites.collect::<String>()).unwrap();
        path
    };
    let (one, two) = (table("one", &["a", "b"]), table("two", &["c"]));
    let same = table("same", &["b"]);
    let all = Table::read_all(&[one.clone(), two]).unwrap();
    let names: Vec<_> = all.suites.iter().map(|suite| suite.name.as_str()).collect();
    assert_eq!(names, ["a", "b", "c"]);
    let error = Table::read_all(&[one, same]).unwrap_err().to_string();
    assert!(error.contains("same") && error.contains("\"b\""), "{error}");
}
