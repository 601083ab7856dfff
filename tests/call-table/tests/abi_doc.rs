//! The tables of `docs/abi.md` against the code: a missing, wrong or superfluous row fails.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::PathBuf;

use call_table::{Arg, CASES, DESCRIPTORS, ELSEWHERE, Expect, Fd, POINTERS};
use cap_abi::{Rights, fcntl, resolve, scheme};
use kernel_core::rights::{self, Requirement};
use syscall::error::*;
use syscall::flag::*;
use syscall::schemev2::{CqeOpcode, Opcode};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
}

/// The rows of the table under a heading, without the header; only the first `columns` cells of each.
fn table(heading: &str, columns: usize) -> Vec<Vec<String>> {
    let text = read("docs/abi.md");
    let section = text
        .split_once(&format!("\n## {heading}\n"))
        .unwrap_or_else(|| panic!("docs/abi.md has no section `{heading}`"))
        .1;
    let section = section
        .split_once("\n## ")
        .map_or(section, |(section, _)| section);
    let rows = section.lines().filter(|line| line.starts_with('|')).skip(2);
    rows.map(|line| {
        let cells = line
            .trim_matches('|')
            .split('|')
            .map(|cell| cell.trim().replace('`', ""));
        cells.take(columns).collect()
    })
    .collect()
}

/// Fails unless the table's rows are these, in any order.
fn compare(heading: &str, expected: &[Vec<String>]) {
    let columns = expected.first().map_or(0, Vec::len);
    let rows = table(heading, columns);
    let found: BTreeSet<_> = rows.iter().collect();
    let wanted: BTreeSet<_> = expected.iter().collect();
    let mut message = String::new();
    for row in wanted.difference(&found) {
        let _ = writeln!(message, "missing: | {} |", row.join(" | "));
    }
    for row in found.difference(&wanted) {
        let _ = writeln!(message, "wrong:   | {} |", row.join(" | "));
    }
    assert!(message.is_empty(), "docs/abi.md, {heading}:\n{message}");
    assert_eq!(
        rows.len(),
        found.len(),
        "docs/abi.md, {heading}: a row occurs twice"
    );
}

fn strings<const N: usize>(cells: [&dyn std::fmt::Display; N]) -> Vec<String> {
    cells.iter().map(ToString::to_string).collect()
}

fn errno(number: i32) -> &'static str {
    const NAMES: &[(i32, &str)] = &[
        (EPERM, "EPERM"),
        (ENOENT, "ENOENT"),
        (ESRCH, "ESRCH"),
        (EINTR, "EINTR"),
        (EIO, "EIO"),
        (EBADF, "EBADF"),
        (EAGAIN, "EAGAIN"),
        (ENOMEM, "ENOMEM"),
        (EACCES, "EACCES"),
        (EFAULT, "EFAULT"),
        (EBUSY, "EBUSY"),
        (EEXIST, "EEXIST"),
        (EXDEV, "EXDEV"),
        (ENODEV, "ENODEV"),
        (ENOTDIR, "ENOTDIR"),
        (EISDIR, "EISDIR"),
        (EINVAL, "EINVAL"),
        (EMFILE, "EMFILE"),
        (ENOSPC, "ENOSPC"),
        (ESPIPE, "ESPIPE"),
        (EPIPE, "EPIPE"),
        (ENAMETOOLONG, "ENAMETOOLONG"),
        (ELOOP, "ELOOP"),
        (ENOSYS, "ENOSYS"),
        (EOPNOTSUPP, "EOPNOTSUPP"),
        (ETIMEDOUT, "ETIMEDOUT"),
        (ESTALE, "ESTALE"),
    ];
    let name = NAMES
        .iter()
        .find(|(n, _)| *n == number)
        .map(|(_, name)| *name);
    name.unwrap_or_else(|| panic!("error {number} has no name here"))
}

/// Every error that the tests on the machine see each call answer.
fn exercised() -> BTreeMap<usize, BTreeSet<&'static str>> {
    let mut seen: BTreeMap<usize, BTreeSet<&str>> = BTreeMap::new();
    let mut note = |call: usize, number: i32| {
        seen.entry(call).or_default().insert(errno(number));
    };
    for case in CASES {
        if let Expect::Fails(number) = case.expect {
            note(case.call, number);
        }
    }
    for row in DESCRIPTORS {
        note(row.call, EBADF);
        let conditions = [
            (row.right, EPERM),
            (row.lease, ESTALE),
            (row.scheme, ENODEV),
        ];
        for (_, number) in conditions.iter().filter(|(condition, _)| *condition) {
            note(row.call, *number);
        }
    }
    for row in POINTERS {
        note(row.call, EFAULT);
    }
    for (call, number, _) in ELSEWHERE {
        note(*call, *number);
    }
    seen
}

fn requirement(requirement: Requirement) -> String {
    let names = |rights: Rights| {
        rights
            .iter_names()
            .map(|(name, _)| name)
            .collect::<Vec<_>>()
            .join(", ")
    };
    match requirement {
        Requirement::NoDescriptor => "no descriptor".into(),
        Requirement::Rights(rights) if rights.is_empty() => "none".into(),
        Requirement::Rights(rights) => names(rights),
        Requirement::Positioned(rights) => names(rights.union(Rights::SEEK)),
        Requirement::Open => "by the flags".into(),
        Requirement::Map => "by the protection".into(),
        Requirement::Fcntl => "by the command".into(),
        Requirement::Dup => "none; with a payload DUP".into(),
        Requirement::Call => "by the flags".into(),
        Requirement::StdFs => "by the kind".into(),
    }
}

#[test]
fn system_calls() {
    let seen = exercised();
    let rows: Vec<_> = rights::SYSCALLS
        .iter()
        .map(|(number, name, needs)| {
            let errors = seen
                .get(number)
                .into_iter()
                .flatten()
                .copied()
                .collect::<Vec<_>>();
            let errors = if errors.is_empty() {
                "none".into()
            } else {
                errors.join(", ")
            };
            strings([name, &format!("{number:#x}"), &requirement(*needs), &errors])
        })
        .collect();
    compare("System calls", &rows);
}

/// A call that the kernel has is in the table of rights, and every one of those is tested.
#[test]
fn every_call_is_there_and_tested() {
    let kernel = read("kernel/src/syscall/mod.rs");
    let dispatched = kernel
        .lines()
        .filter(|line| line.trim_start().starts_with("SYS_"))
        .count();
    assert_eq!(dispatched, rights::SYSCALLS.len());
    for (number, name, _) in rights::SYSCALLS {
        let tested = CASES.iter().any(|case| case.call == *number);
        assert!(tested, "{name} has no case");
        let works = CASES
            .iter()
            .any(|case| case.call == *number && !matches!(case.expect, Expect::Fails(_)));
        assert!(works, "{name} never works");
    }
}

/// What is said to be tested elsewhere is a case there.
#[test]
fn other_cases_exist() {
    let mut sources = String::new();
    for folder in ["tests/guest/calls/src", "tests/guest/scheme/src"] {
        for entry in std::fs::read_dir(root().join(folder)).unwrap() {
            sources += &std::fs::read_to_string(entry.unwrap().path()).unwrap();
        }
    }
    for (_, _, case) in ELSEWHERE {
        let (group, name) = case.rsplit_once('.').unwrap();
        assert!(
            sources.contains(&format!("fn {name}(")),
            "{case}: no such function"
        );
        assert!(
            sources.contains(&format!("run![\"{group}\"")),
            "{case}: no such group"
        );
    }
}

/// The fixture's names are all in use.
#[test]
fn descriptors_are_used() {
    let uses = |wanted: Fd| {
        CASES
            .iter()
            .flat_map(|case| case.args)
            .chain(POINTERS.iter().flat_map(|row| row.args))
            .any(|arg| match arg {
                Arg::F(name) => name == wanted,
                Arg::Numbers(args, _) => {
                    args.iter().any(|a| matches!(a, Arg::F(n) if *n == wanted))
                }
                _ => false,
            })
    };
    for name in [
        Fd::PipeFull,
        Fd::PipeEnded,
        Fd::Dead,
        Fd::Lease,
        Fd::Other,
        Fd::Object,
        Fd::Vector,
    ] {
        assert!(uses(name), "{name:?}");
    }
}

#[test]
fn fcntl_commands() {
    let commands = [
        ("F_DUPFD", F_DUPFD),
        ("F_GETFD", F_GETFD),
        ("F_SETFD", F_SETFD),
        ("F_GETFL", F_GETFL),
        ("F_SETFL", F_SETFL),
        ("F_DUPFD_CLOEXEC", 1030),
        ("F_GET_SCHEMEID", F_GET_SCHEMEID),
        ("F_CAP_GET_RIGHTS", fcntl::F_CAP_GET_RIGHTS),
        ("F_CAP_LIMIT", fcntl::F_CAP_LIMIT),
        ("F_CAP_BENEATH", fcntl::F_CAP_BENEATH),
        ("F_CAP_LEASE", fcntl::F_CAP_LEASE),
        ("F_CAP_REVOKE", fcntl::F_CAP_REVOKE),
        ("F_SCHEME_DECLARE", fcntl::F_SCHEME_DECLARE),
        ("F_SCHEME_OBJECT", fcntl::F_SCHEME_OBJECT),
        ("F_SCHEME_HOLDERS", fcntl::F_SCHEME_HOLDERS),
    ];
    let rows: Vec<_> = commands
        .iter()
        .map(|(name, number)| strings([name, &format!("{number:#x}")]))
        .collect();
    compare("fcntl commands", &rows);
}

#[test]
fn rights_bits() {
    let rows: Vec<_> = Rights::all()
        .iter_names()
        .map(|(name, bit)| strings([&name, &bit.bits().trailing_zeros()]))
        .collect();
    compare("Rights", &rows);
}

#[test]
fn resolve_flags() {
    let flags = [
        ("RESOLVE_BENEATH", resolve::RESOLVE_BENEATH),
        ("RESOLVE_NO_SYMLINKS", resolve::RESOLVE_NO_SYMLINKS),
        ("RESOLVE_IN_ROOT", resolve::RESOLVE_IN_ROOT),
        ("RESOLVE_NO_XDEV", resolve::RESOLVE_NO_XDEV),
    ];
    let all = flags.iter().fold(0, |all, (_, bit)| all | bit);
    assert_eq!(all, resolve::RESOLVE_MASK);
    let rows: Vec<_> = flags
        .iter()
        .map(|(name, bit)| strings([name, &bit.trailing_zeros()]))
        .collect();
    compare("Resolution flags", &rows);
}

#[test]
fn submission_opcodes() {
    let rows: Vec<_> = (0..=u8::MAX)
        .filter_map(|raw| {
            Some(strings([
                &format!("{:?}", Opcode::try_from_raw(raw)?),
                &raw,
            ]))
        })
        .collect();
    compare("Submission opcodes", &rows);
}

#[test]
fn completion_opcodes() {
    const NAMES: [&str; 6] = [
        "RespondRegular",
        "RespondWithFd",
        "SendFevent",
        "ObtainFd",
        "RespondWithMultipleFds",
        "RespondAndNotifyOnDetach",
    ];
    let known = (0..=u8::MAX).filter(|raw| CqeOpcode::try_from_raw(*raw).is_some());
    let mut rows: Vec<_> = known
        .map(|raw| strings([&NAMES[usize::from(raw)], &raw]))
        .collect();
    rows.push(strings([&"CQE_REDIRECT", &scheme::CQE_REDIRECT]));
    compare("Completion opcodes", &rows);
}

/// What is between quotes behind `before` on the lines of a file.
fn quoted(path: &str, before: &str, behind: &str) -> BTreeSet<String> {
    read(path)
        .lines()
        .filter_map(|line| line.trim().strip_prefix(before)?.split_once(behind))
        .map(|(name, _)| name.to_string())
        .collect()
}

#[test]
fn files_of_the_sys_scheme() {
    let rows: Vec<_> = quoted("kernel/src/scheme/sys.rs", "(\"", "\", File::")
        .iter()
        .map(|n| strings([n]))
        .collect();
    assert!(!rows.is_empty());
    compare("Files of the sys scheme", &rows);
}

#[test]
fn names_of_the_proc_scheme() {
    let aspects = quoted("kernel/src/scheme/proc/context.rs", "b\"", "\" => ");
    let mut rows: Vec<_> = aspects
        .iter()
        .map(|name| strings([&"context", name]))
        .collect();
    assert!(rows.len() > 10);
    for (handle, name) in [
        ("root", "new-context"),
        ("root", "cur-context"),
        ("root", "new-addrspace"),
        ("address space", "empty"),
        ("address space", "exclusive"),
        ("descriptor table", "empty"),
        ("descriptor table", "copy"),
    ] {
        let source = read("kernel/src/scheme/proc/mod.rs");
        assert!(source.contains(&format!("b\"{name}\")")), "{name}");
        rows.push(strings([&handle, &name]));
    }
    compare("Names of the proc scheme", &rows);
}
