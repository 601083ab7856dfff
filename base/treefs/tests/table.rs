//! Every row of `tests/resolve-cases.toml` over a treefs, as the kernel would ask it: with the flag
//! on the call, which is also how the kernel passes on a limit of the descriptor.

mod common;

use cap_abi::resolve::{AT_FLAG_BENEATH, RESOLVE_BENEATH, RESOLVE_NO_SYMLINKS};
use common::{Served, formatted, mounted};
use syscall::flag::{
    AT_REMOVEDIR, O_CREAT, O_DIRECTORY, O_EXCL, O_NOFOLLOW, O_RDWR, O_STAT, O_SYMLINK,
};
use tree_fixture::build;
use tree_fixture::cases::{Case, Expect, Flag, Which, cases, fixture};
use treefs::{Config, Store};

const EPERM: i32 = 1;
const ELOOP: i32 = 40;

/// Runs a test on a tree in memory and on one on a disk.
macro_rules! on_every_file_system {
    ($test:ident) => {
        for which in [Which::Resolve, Which::Policing] {
            let mut served = Served::new(Config::default());
            build(&fixture(which, "/root"), &mut served).unwrap();
            let before = served.fs.usage();
            $test(&mut served, which);
            assert_eq!(served.fs.usage(), before);
            let mut image = formatted(8);
            let config = Config::default();
            let (built, before) = mounted(&mut image, &config, |served| {
                build(&fixture(which, "/root"), served)
            });
            built.unwrap();
            let ((), after) = mounted(&mut image, &config, |served| $test(served, which));
            assert_eq!(after, before, "blocks lost");
        }
    };
}

fn bits(case: &Case) -> usize {
    match case.flag {
        Flag::Beneath => RESOLVE_BENEATH,
        Flag::NoSymlinks => RESOLVE_NO_SYMLINKS,
    }
}

#[test]
fn every_row() {
    on_every_file_system!(rows);
}

fn rows<S: Store>(served: &mut Served<S>, which: Which) {
    {
        for case in cases().iter().filter(|case| case.tree == which) {
            let start = served.open(case.start, O_STAT | O_DIRECTORY).unwrap();
            let mut flags = O_STAT | bits(case);
            if case.no_follow {
                flags |= O_NOFOLLOW;
            }
            let got = served.open_at(start, &case.path, flags);
            match (&case.expect, got) {
                (Expect::Resolves(target), Ok(handle)) => {
                    let node = served.fs.node(handle).unwrap().number();
                    if let Some(target) = target {
                        let path = format!("{}/{target}", case.start);
                        let want = served.node(&path, O_NOFOLLOW).unwrap();
                        assert_eq!(node, want, "{case:?}");
                    }
                    served.fs.close(handle);
                }
                (Expect::Escape, Err(error)) if error.errno() == EPERM => {}
                (Expect::Loop, Err(error)) if error.errno() == ELOOP => {}
                (_, got) => panic!("{case:?}: got {got:?}"),
            }
            served.fs.close(start);
        }
    }
}

/// What may not be opened may not be made, removed, renamed or linked either.
#[test]
fn no_operation_leaves_the_directory() {
    on_every_file_system!(nothing_leaves);
}

fn nothing_leaves<S: Store>(served: &mut Served<S>, which: Which) {
    {
        let (caller, now) = (served.caller, served.now);
        let refused = cases().into_iter().filter(|case| {
            case.tree == which && case.flag == Flag::Beneath && case.expect == Expect::Escape
        });
        for case in refused {
            let start = served.open(case.start, O_STAT | O_DIRECTORY).unwrap();
            served.create("root/victim", 0o644).unwrap();
            let victim = served.open("root/victim", O_STAT).unwrap();
            let inside = format!("{}/new", case.path);
            let label = format!("{case:?}");
            for flags in [
                O_CREAT | O_RDWR,
                O_CREAT | O_EXCL | O_DIRECTORY,
                O_CREAT | O_SYMLINK,
                O_STAT,
                O_SYMLINK,
            ] {
                let got = served.open_at(start, &inside, flags | RESOLVE_BENEATH);
                // A path to a file outside is refused for being one or for leading out of the
                // directory, whichever the walk meets first; it is never resolved.
                assert_eq!(got.unwrap_err().errno(), EPERM, "{label}");
            }
            for flags in [0, AT_REMOVEDIR] {
                let flags = flags | RESOLVE_BENEATH;
                let got = served.fs.unlinkat(start, &inside, flags, caller, now);
                assert_eq!(got.unwrap_err().errno(), EPERM, "{label}");
            }
            let flag = AT_FLAG_BENEATH;
            let got = served.fs.flinkat(victim, start, &inside, flag, caller, now);
            assert_eq!(got.unwrap_err().errno(), EPERM, "{label}");
            for (old, new) in [("victim", &*inside), (&*inside, "victim")] {
                let got = served
                    .fs
                    .frenameat((start, old), (start, new), flag, caller, now);
                assert_eq!(got.unwrap_err().errno(), EPERM, "{label}");
            }
            served.fs.close(victim);
            served.fs.close(start);
            served.unlink("root/victim", 0).unwrap();
        }
    }
}
