//! Every row of `tests/resolve-cases.toml` over the pure tree, over the host's directories, and
//! against Linux's openat2, which shows that the table itself is right.

mod common;

use common::host::{self, HostNode, HostTree, linux_open};
use common::pure::{PureTree, SUPERUSER};
use cwd_cap::{Beneath, Error, Found, How, Path, Scope, Tree, resolve};
use rustix::fs::{OFlags, ResolveFlags};
use tree_fixture::cases::{Case, Expect, Flag, ROOT_NAME, Which, cases, fixture};
use tree_fixture::{HostBuilder, TempDir, build};

const EPERM: i32 = 1;
const ELOOP: i32 = 40;

/// Asks for one row with the flag on the call.
fn ask<T: Tree>(
    tree: &T,
    start: T::Node,
    root: T::Node,
    case: &Case,
    caller: &T::Caller,
) -> Result<T::Node, Error> {
    let how = How {
        no_follow: case.no_follow,
        no_symlinks: case.flag == Flag::NoSymlinks,
        ..How::default()
    };
    let path = Path::new(case.path.as_bytes())?;
    let scope = match case.flag {
        Flag::Beneath => Beneath::new(start).into(),
        Flag::NoSymlinks => Scope::unconfined_unchecked(start, root),
    };
    match resolve(tree, &scope, path, how, caller)? {
        Found::Existing(found) => Ok(found.node),
        Found::Missing(missing) => panic!("nothing was to be created: {}", missing.name),
    }
}

/// Compares an answer with the row.
fn check<N: PartialEq + std::fmt::Debug>(
    case: &Case,
    by: &str,
    got: Result<N, i32>,
    at: impl Fn(&str) -> N,
) {
    match (&case.expect, got) {
        (Expect::Resolves(None), Ok(_)) => {}
        (Expect::Resolves(Some(target)), Ok(node)) => {
            let want = if target == "." {
                at(case.start)
            } else {
                at(&format!("{}/{target}", case.start))
            };
            assert_eq!(node, want, "{by}: {case:?}");
        }
        (Expect::Escape, Err(EPERM)) | (Expect::Loop, Err(ELOOP)) => {}
        (_, got) => panic!("{by}: {case:?}: got {got:?}"),
    }
}

#[test]
fn pure_tree() {
    for which in [Which::Resolve, Which::Policing] {
        let mut tree = PureTree::new();
        let Ok(()) = build(&fixture(which, "/root"), &mut tree);
        let top = tree.at("");
        for case in cases().iter().filter(|case| case.tree == which) {
            let start = tree.at(case.start);
            let got = ask(&tree, start, top, case, &SUPERUSER);
            check(case, "pure", got.map_err(|e| e.errno()), |p| tree.at(p));
        }
    }
}

#[test]
fn host_tree_and_linux() {
    let linux = host::has_openat2();
    if !linux {
        common::skipped("table rows against openat2: this kernel has none");
    }
    for which in [Which::Resolve, Which::Policing] {
        let top = TempDir::new("cwd-cap-table").unwrap();
        let root = top.path().join(ROOT_NAME);
        let entries = fixture(which, root.to_str().unwrap());
        build(&entries, &mut HostBuilder::new(top.path())).unwrap();
        let at = |path: &str| host::id_at(&top.path().join(path));
        let slash = HostNode::open("/".as_ref());
        for case in cases().iter().filter(|case| case.tree == which) {
            let start = HostNode::open(&top.path().join(case.start));
            let got = ask(&HostTree, start.clone(), slash.clone(), case, &());
            let got = got.map(|node| node.id).map_err(|e| e.errno());
            check(case, "host", got, at);
            if linux {
                let mut flags = OFlags::PATH;
                flags.set(OFlags::NOFOLLOW, case.no_follow);
                let resolve = match case.flag {
                    Flag::Beneath => ResolveFlags::BENEATH,
                    Flag::NoSymlinks => ResolveFlags::NO_SYMLINKS,
                };
                let got = linux_open(&*start.fd, &case.path, flags, resolve);
                check(case, "linux", got.map(host::id).map_err(host::ours), at);
            }
        }
    }
}
