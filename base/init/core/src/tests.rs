use super::*;

const RAMFS: &str = r#"
    [unit]
    description = "Files in memory"
    requires = ["log"]
    [service]
    cmd = "ramfsd"
    args = ["file", "8"]
    type = { scheme = "file" }
    restart = "on-failure"
"#;

fn unit(name: &str, requires: &[&str]) -> Unit {
    let mut unit = parse(name, "[service]\ncmd = 'x'\ntype = 'daemon'").unwrap();
    unit.requires = requires.iter().map(ToString::to_string).collect();
    unit
}

#[test]
fn a_unit_is_read() {
    let unit = parse("20_ramfs.service", RAMFS).unwrap();
    assert_eq!(unit.name, "20_ramfs");
    assert_eq!(unit.requires, ["log"]);
    assert_eq!(unit.service.args, ["file", "8"]);
    assert_eq!(unit.service.kind, Kind::Scheme("file".to_string()));
    assert_eq!(unit.service.restart, Restart::OnFailure);
    assert!(unit.service.schemes.is_empty());
}

#[test]
fn upstreams_units_are_read() {
    let text = r#"
        [unit]
        description = "A daemon"
        requires = ["00_base.service"]
        requires_weak = ["10_net.service", "15_log"]
        default_dependencies = false
        condition_architecture = ["x86", "x86_64"]
        [service]
        cmd = "exampled"
        args = ["one"]
        envs = { LEVEL = "info", ROOT = "mine" }
        inherit_envs = ["ROOT", "TERM", "NONE"]
        type = "notify"
    "#;
    let mut unit = parse("20_example.service", text).unwrap();
    assert_eq!(unit.requires, ["00_base"]);
    assert_eq!(unit.requires_weak, ["10_net", "15_log"]);
    assert_eq!(unit.service.kind, Kind::Notify);
    assert!(unit.here);
    unit.substitute(|name| (name != "NONE").then_some("xterm"));
    let wanted = ["LEVEL=info", "ROOT=mine", "TERM=xterm"];
    assert_eq!(unit.environment(), wanted);
    let other = text.replace("\"x86_64\"", "\"aarch64\"");
    let other = parse("20_example.service", &other).unwrap();
    assert!(!other.here);
    assert_eq!(order(vec![other]), (vec![], vec![]));
    let text = "[service]\ncmd = 'x'\ntype = 'oneshot_async'";
    assert_eq!(parse("a", text).unwrap().service.kind, Kind::Daemon);
}

#[test]
fn weak_requirements_are_wishes() {
    let weak = |name: &str, requires: &[&str], weak: &[&str]| {
        let mut unit = unit(name, requires);
        unit.requires_weak = weak.iter().map(ToString::to_string).collect();
        unit
    };
    let rows = [
        (vec![weak("a", &[], &["b"]), unit("b", &[])], vec!["b", "a"]),
        (vec![weak("a", &[], &["none"])], vec!["a"]),
        // One that cannot be started.
        (
            vec![weak("a", &[], &["b"]), unit("b", &["none"])],
            vec!["a"],
        ),
        (
            vec![weak("a", &[], &["b"]), weak("b", &[], &["a"])],
            vec!["a", "b"],
        ),
        (
            vec![weak("a", &["b"], &[]), weak("b", &[], &["a"])],
            vec!["b", "a"],
        ),
    ];
    for (units, wanted) in rows {
        let (started, _) = order(units);
        let names: Vec<_> = started.iter().map(|unit| unit.name.as_str()).collect();
        assert_eq!(names, wanted);
    }
}

#[test]
fn what_is_wrong_is_said_with_its_line() {
    let rows = [
        ("", "line 1: "),
        ("[service]\ntype = 'daemon'", "missing field `cmd`"),
        ("[service]\ncmd = 'x'\ntype = 'demon'", "line 3: "),
        ("[service]\ncmd = 'x'\ntype = 'daemon'\nfoo = 1", "line 4: "),
        (
            "[service]\ncmd = 'x'\ntype = 'daemon'\nrestart = 'often'",
            "line 4: ",
        ),
        ("[service]\ncmd = ''\ntype = 'daemon'", "`cmd` is empty"),
        (
            "[service]\ncmd = 'x'\ntype = { scheme = '' }",
            "name is empty",
        ),
        ("[service]\ncmd = 'x'\ntype = { bus = '' }", "name is empty"),
        ("[service\n", "line 1: "),
    ];
    for (text, wanted) in rows {
        let Err(Error::Malformed(why)) = parse("a", text) else {
            panic!("{text}");
        };
        assert!(why.contains(wanted), "{text:?}: {why}");
    }
}

#[test]
fn units_come_after_what_they_require() {
    type Row<'a> = (
        &'a [(&'a str, &'a [&'a str])],
        &'a [&'a str],
        &'a [(&'a str, Error)],
    );
    let missing = |name: &str| Error::Missing(name.to_string());
    let blocked = |name: &str| Error::Blocked(name.to_string());
    let rows: &[Row<'_>] = &[
        (&[("b", &[]), ("a", &[])], &["a", "b"], &[]),
        (
            &[("a", &["b"]), ("b", &["c"]), ("c", &[])],
            &["c", "b", "a"],
            &[],
        ),
        (
            &[("a", &["b"]), ("b", &["a"]), ("c", &[]), ("d", &["d"])],
            &["c"],
            &[
                ("a", Error::Cycle),
                ("b", Error::Cycle),
                ("d", Error::Cycle),
            ],
        ),
        (
            &[("a", &["x"]), ("b", &["a"]), ("c", &["b"]), ("d", &[])],
            &["d"],
            &[
                ("a", missing("x")),
                ("b", blocked("a")),
                ("c", blocked("b")),
            ],
        ),
    ];
    for (units, wanted, refused) in rows {
        let units = units.iter().map(|(name, requires)| unit(name, requires));
        let (started, not) = order(units.collect());
        let names: Vec<_> = started.iter().map(|unit| unit.name.as_str()).collect();
        assert_eq!(names, *wanted);
        let not: Vec<_> = not
            .iter()
            .map(|(unit, error)| (unit.name.as_str(), error.clone()))
            .collect();
        assert_eq!(not, *refused);
    }
}

#[test]
fn the_console_is_last() {
    let mut console = unit("a", &[]);
    console.service.kind = Kind::Console;
    let (started, _) = order(vec![console, unit("z", &[])]);
    assert_eq!(started.last().unwrap().name, "a");
}

#[test]
fn a_unit_is_given_up_some_time() {
    let rows = [
        (Restart::Never, false, 0),
        (Restart::OnFailure, true, 0),
        (Restart::OnFailure, false, RESTARTS),
        (Restart::Always, true, RESTARTS),
    ];
    for (restart, well, wanted) in rows {
        let mut attempts = Attempts::default();
        let count = (0..100)
            .take_while(|_| attempts.again(restart, well, 1).is_some())
            .count();
        assert_eq!(count as u32, wanted, "{restart:?} {well}");
    }
}

#[test]
fn what_takes_a_units_place_is_tried_before() {
    let unit = |name: &str, head: &str| {
        let text = format!("[unit]\n{head}\n[service]\ncmd = 'x'\ntype = 'daemon'\n");
        parse(name, &text).unwrap()
    };
    let units = vec![
        unit("a", "unless = ['b', 'absent']"),
        unit("b", "requires = ['c']\noptional = true"),
        unit("c", ""),
        unit("d", "requires = ['a']"),
    ];
    assert!(units[1].optional && !units[0].optional);
    let (started, refused) = order(units);
    let names: Vec<&str> = started.iter().map(|unit| &*unit.name).collect();
    assert_eq!(names, ["c", "b", "a", "d"]);
    assert!(refused.is_empty());
    let each = vec![unit("a", "unless = ['b']"), unit("b", "unless = ['a']")];
    let (started, refused) = order(each);
    assert!(started.is_empty());
    assert_eq!(refused.len(), 2);
}

#[test]
fn what_files_depend_on_does_not_come_from_them() {
    let (files, initial) = ("/usr/bin/x", "/scheme/initfs/bin/x");
    let rows: [(&str, bool, &[&str]); 4] = [
        ("x", false, &[files, initial]),
        ("x", true, &[initial, files]),
        ("/a/x", false, &["/a/x"]),
        ("./x", true, &["./x"]),
    ];
    for (cmd, initial, wanted) in rows {
        let mut unit = unit("u", &[]);
        unit.service.cmd = cmd.to_string();
        unit.initial = initial;
        assert_eq!(unit.programs(), wanted, "{cmd} {initial}");
    }
}

#[test]
fn arguments_name_variables() {
    let text = "[service]\ncmd = 'x'\nargs = ['a', '$ROOT', '$NONE', 'b$ROOT']\ntype = 'daemon'\n";
    let mut unit = parse("u", text).unwrap();
    unit.substitute(|name| (name == "ROOT").then_some("value"));
    assert_eq!(unit.service.args, ["a", "value", "b$ROOT"]);
}

#[test]
fn a_unit_that_has_run_is_forgiven() {
    let mut attempts = Attempts::default();
    for _ in 0..100 {
        assert_eq!(attempts.again(Restart::Always, false, STEADY), Some(0));
    }
    let again = |_| attempts.again(Restart::Always, false, 0);
    let pauses: Vec<u64> = (0..100).map_while(again).collect();
    assert_eq!(pauses, [100, 200, 400, 800]);
}

#[test]
fn a_bus_names_its_drivers() {
    let list = "\
        00-00.0 8086:29c0 060000 - - -\n\
        00-02.0 1af4:1042 010000 virtio-blkd disk.pci-00-02.0 event,log\n\
        00-03.0 1af4:1044 00ff00 virtio-rngd rng.pci-00-03.0 -\n\
        short line\n\n";
    let units = drivers("pci", list);
    let [disk, rng] = units.as_slice() else {
        panic!("{units:?}");
    };
    assert_eq!(disk.name, "pci/00-02.0");
    assert_eq!(disk.device.as_deref(), Some("/scheme/pci/00-02.0"));
    assert_eq!(disk.service.cmd, "virtio-blkd");
    assert_eq!(disk.service.kind, Kind::Scheme("disk.pci-00-02.0".into()));
    assert_eq!(disk.service.schemes, ["event", "log"]);
    assert_eq!(disk.service.restart, Restart::Always);
    assert!(rng.service.schemes.is_empty());
}

#[test]
fn a_unit_has_a_time_to_start_in() {
    let rows = [
        ("'notify'", Some(START_LIMIT)),
        ("{ scheme = 'a' }", Some(START_LIMIT)),
        ("'oneshot'", None),
        ("'oneshot'\nstart_limit = 7", Some(7)),
        ("'notify'\nstart_limit = 2", Some(2)),
        ("'notify'\nstart_limit = 0", None),
    ];
    for (kind, wanted) in rows {
        let text = format!("[service]\ncmd = 'x'\ntype = {kind}");
        assert_eq!(parse("a", &text).unwrap().start_limit(), wanted, "{kind}");
    }
    let text = "[service]\ncmd = 'x'\ntype = 'notify'\nstart_limit = -1";
    assert!(matches!(parse("a", text), Err(Error::Malformed(why)) if why.contains("line 4")));
}

#[test]
fn only_who_needs_it_waits_for_what_is_down() {
    let mut bus_driver = unit("bus/1", &["random"]);
    bus_driver.device = Some("/scheme/bus/1".to_string());
    let wishing = |name, after: &str| Unit {
        requires_weak: vec![after.to_string()],
        ..unit(name, &[])
    };
    let units = [
        unit("random", &[]),
        unit("bus", &["random"]),
        bus_driver,
        unit("busy", &[]),
        unit("files", &["bus"]),
        wishing("wishes", "files"),
        unit("own", &["own"]),
        unit("lonely", &["absent"]),
        wishing("chicken", "egg"),
        wishing("egg", "chicken"),
    ];
    let rows: [(&[&str], &[&str]); 8] = [
        (&["chicken"], &["egg"]),
        (&["egg"], &[]),
        (&["chicken", "egg"], &["egg"]),
        (&["random"], &["bus", "bus/1", "files", "wishes"]),
        (&["bus/1"], &["files", "wishes"]),
        (&["bus"], &["files", "wishes"]),
        (&["busy", "lonely", "own"], &[]),
        (&["files"], &["wishes"]),
    ];
    for (down, wanted) in rows {
        let all: Vec<Known<'_>> = units
            .iter()
            .enumerate()
            .map(|(order, unit)| Known {
                unit,
                order,
                is_down: down.contains(&&*unit.name),
            })
            .collect();
        let waiting: Vec<&str> = all
            .iter()
            .filter(|one| waits_for_others(one.unit, one.order, &all))
            .map(|one| one.unit.name.as_str())
            .collect();
        assert_eq!(waiting, wanted, "{down:?}");
    }
}
