//! What the other tests cannot compare with Linux: errors and what they say, text of links, parents,
//! and walks that lead to other trees.

mod common;

use common::pure::{Caller, PureTree, SUPERUSER, TOP};
use cwd_cap::{
    Beneath, Errno, Error, ErrorKind, Fault, Found, How, Intent, Last, NodeKind, Parent, Path,
    Root, Scope, Tree, resolve, resolve_parent,
};
use tree_fixture::{build, tree};

/// A tree that hands out links' targets as bytes and ends at its root.
struct Island(PureTree, Vec<u8>);

impl Tree for Island {
    type Node = usize;
    type Caller = Caller;

    fn kind(&self, node: &usize) -> Result<NodeKind, Errno> {
        self.0.kind(node)
    }
    fn lookup(&self, dir: &usize, name: &str) -> Result<Option<(usize, NodeKind)>, Errno> {
        if name == "broken" {
            return Err(Errno(5));
        }
        self.0.lookup(dir, name)
    }
    fn parent(&self, dir: &usize) -> Result<Option<usize>, Errno> {
        Ok(self.0.parent(dir)?.filter(|parent| parent != dir))
    }
    fn read_link(&self, _link: &usize) -> Result<Vec<u8>, Errno> {
        Ok(self.1.clone())
    }
    fn may_search(&self, dir: &usize, caller: &Caller) -> Result<bool, Errno> {
        self.0.may_search(dir, caller)
    }
    fn absolute_link<'t>(&self, target: &'t str) -> Option<&'t str> {
        target.strip_prefix("/scheme/island")
    }
}

fn island(target: &[u8]) -> Island {
    let mut tree = PureTree::new();
    let Ok(()) = build(
        &tree! { "dir/sub" => dir, "dir/file" => file, "link" => link("x"), "locked" => dir(0o600) },
        &mut tree,
    );
    Island(tree, target.to_vec())
}

fn ask(
    tree: &Island,
    scope: Scope<usize>,
    path: &str,
    how: How,
    caller: Caller,
) -> Result<usize, Error> {
    match resolve(tree, &scope, Path::new(path.as_bytes())?, how, &caller)? {
        Found::Existing(found) => Ok(found.node),
        Found::Missing(missing) => Ok(1000 + missing.dir),
    }
}

#[test]
fn text_of_links() {
    let long = [b'a'; cwd_cap::PATH_MAX];
    for (target, want) in [
        (&b""[..], ErrorKind::NotFound),
        (b"dir\0file", ErrorKind::InvalidPath),
        (b"dir/\xff", ErrorKind::InvalidPath),
        (&long, ErrorKind::PathTooLong),
        (b"/elsewhere", ErrorKind::Elsewhere),
        (b"/scheme/other/x", ErrorKind::Elsewhere),
        (b"..", ErrorKind::Elsewhere),
        (b"broken", ErrorKind::Backend(Errno(5))),
        (b"link", ErrorKind::TooManyLinks),
    ] {
        let tree = island(target);
        // The scope's root is somewhere above, so that `..` of the tree's root is the tree's matter.
        let scope = Scope::unconfined_unchecked(TOP, usize::MAX);
        let got = ask(&tree, scope, "link", How::default(), SUPERUSER);
        assert_eq!(got.unwrap_err().kind(), want, "{target:?}");
        let no_xdev = How {
            no_xdev: true,
            ..How::default()
        };
        if want == ErrorKind::Elsewhere {
            let scope = Scope::unconfined_unchecked(TOP, usize::MAX);
            let got = ask(&tree, scope, "link", no_xdev, SUPERUSER);
            assert_eq!(got.unwrap_err().kind(), ErrorKind::CrossesDevice);
        }
    }
    let top = || Scope::unconfined_unchecked(TOP, TOP);
    let tree = island(b"/scheme/island/dir/sub");
    let sub = tree.0.at("dir/sub");
    let got = ask(&tree, top(), "link", How::default(), SUPERUSER);
    assert_eq!(got, Ok(sub));
    let got = ask(&tree, top(), "link/../../link/", How::default(), SUPERUSER);
    assert_eq!(got, Ok(sub));
    // In a root of one's own there is no other scheme: the text is a path like any other.
    let rooted = || Scope::from(Root::new(TOP));
    let got = ask(&tree, rooted(), "link", How::default(), SUPERUSER);
    assert_eq!(got.unwrap_err().kind(), ErrorKind::NotFound);
    let beneath = || Scope::from(Beneath::new(TOP));
    let got = ask(&tree, beneath(), "link", How::default(), SUPERUSER);
    assert_eq!(got.unwrap_err().kind(), ErrorKind::Escape);
}

#[test]
fn errors_say_where() {
    let tree = island(b"dir/file/x");
    let top = || Scope::unconfined_unchecked(TOP, TOP);
    let user = Caller { uid: 7, gid: 7 };
    let long = format!("dir/{}", "n".repeat(256));
    for (path, caller, kind, offset, links) in [
        ("dir//missing/x", SUPERUSER, ErrorKind::NotFound, 5, 0),
        ("dir/file/x", SUPERUSER, ErrorKind::NotDirectory, 4, 0),
        ("dir/file/", SUPERUSER, ErrorKind::NotDirectory, 4, 0),
        ("link", SUPERUSER, ErrorKind::NotDirectory, 4, 1),
        ("dir/../link/y", SUPERUSER, ErrorKind::NotDirectory, 4, 1),
        ("locked/x", user, ErrorKind::SearchDenied, 7, 0),
        ("dir/broken", SUPERUSER, ErrorKind::Backend(Errno(5)), 4, 0),
        (&long, SUPERUSER, ErrorKind::NameTooLong, 4, 0),
        ("", SUPERUSER, ErrorKind::NotFound, 0, 0),
    ] {
        let error = ask(&tree, top(), path, How::default(), caller).unwrap_err();
        let got = (error.kind(), error.offset(), error.links());
        assert_eq!(got, (kind, offset, links), "{path:?}");
    }
    let error = Error::new(ErrorKind::Escape, 3, 2);
    let text = "path leads out of its directory (at byte 3, after 2 links)";
    assert_eq!(error.to_string(), text);
    let error = Error::new(ErrorKind::Backend(Errno(5)), 0, 0);
    assert_eq!(error.to_string(), "file system error (at byte 0, error 5)");
}

#[test]
fn whose_fault() {
    for (kind, fault, number) in [
        (ErrorKind::Escape, Fault::Confinement, 1),
        (ErrorKind::CrossesDevice, Fault::Confinement, 1),
        (ErrorKind::LinkRefused, Fault::Confinement, 40),
        (ErrorKind::TooManyLinks, Fault::Content, 40),
        (ErrorKind::Moved, Fault::Race, 11),
        (ErrorKind::NotFound, Fault::Content, 2),
        (ErrorKind::NotDirectory, Fault::Content, 20),
        (ErrorKind::IsDirectory, Fault::Content, 21),
        (ErrorKind::Exists, Fault::Content, 17),
        (ErrorKind::SearchDenied, Fault::Permission, 13),
        (ErrorKind::NameTooLong, Fault::Caller, 36),
        (ErrorKind::PathTooLong, Fault::Caller, 36),
        (ErrorKind::InvalidPath, Fault::Caller, 22),
        (ErrorKind::InvalidFlags, Fault::Caller, 22),
        (ErrorKind::Elsewhere, Fault::Elsewhere, 18),
        (ErrorKind::Backend(Errno(5)), Fault::Backend, 5),
    ] {
        assert_eq!((kind.fault(), kind.errno()), (fault, number));
        let safety = fault == Fault::Confinement;
        assert_eq!(kind.is_safety_violation(), safety);
    }
}

#[test]
fn flags() {
    use cap_abi::resolve::*;
    let bad = ErrorKind::InvalidFlags;
    let both = RESOLVE_BENEATH | RESOLVE_IN_ROOT;
    let got = Scope::from_resolve_bits(both, TOP, TOP);
    assert_eq!(got.unwrap_err().kind(), bad);
    assert_eq!(How::from_resolve_bits(1 << 60).unwrap_err().kind(), bad);
    for (bits, bound) in [
        (0, cwd_cap::Bound::Unconfined),
        (RESOLVE_BENEATH, cwd_cap::Bound::Beneath),
        (RESOLVE_IN_ROOT | RESOLVE_NO_XDEV, cwd_cap::Bound::InRoot),
    ] {
        let scope = Scope::from_resolve_bits(bits | 0xffff_ffff, TOP, TOP).unwrap();
        assert_eq!(scope.bound(), bound);
    }
    let how = How::from_resolve_bits(RESOLVE_NO_SYMLINKS | 0x1000).unwrap();
    assert!(how.no_symlinks && !how.no_xdev);
    assert!(How::from_resolve_bits(RESOLVE_NO_XDEV).unwrap().no_xdev);
    let tree = island(b"dir");
    let how = How {
        directory: true,
        intent: Intent::Create { exclusive: false },
        ..How::default()
    };
    let scope = Scope::unconfined_unchecked(TOP, TOP);
    let got = ask(&tree, scope, "x", how, SUPERUSER);
    assert_eq!(got.unwrap_err().kind(), bad);
}

#[test]
fn the_empty_path_and_starts_that_are_no_directories() {
    let tree = island(b"dir");
    let empty = How {
        empty_path: true,
        ..How::default()
    };
    for (start, path, how, want) in [
        ("dir", "", empty, Ok(())),
        ("dir/file", "", empty, Ok(())),
        ("link", "", empty, Ok(())),
        ("dir/file", "x", empty, Err(ErrorKind::NotDirectory)),
        ("dir/file", ".", empty, Err(ErrorKind::NotDirectory)),
        ("link", "..", empty, Err(ErrorKind::NotDirectory)),
        ("dir", "", How::default(), Err(ErrorKind::NotFound)),
    ] {
        let node = tree.0.at(start);
        for scope in [
            Scope::from(Beneath::new(node)),
            Scope::unconfined_unchecked(node, TOP),
        ] {
            let got = ask(&tree, scope, path, how, SUPERUSER);
            let got = got.map_err(|e| e.kind());
            assert_eq!(got, want.map(|()| node), "{start:?} {path:?}");
        }
    }
    let directory = How {
        directory: true,
        ..empty
    };
    let file = Scope::from(Beneath::new(tree.0.at("dir/file")));
    let got = ask(&tree, file, "", directory, SUPERUSER);
    assert_eq!(got.unwrap_err().kind(), ErrorKind::NotDirectory);
}

#[test]
fn parents() {
    let tree = island(b"dir");
    let (top, dir) = (TOP, tree.0.at("dir"));
    let user = Caller { uid: 7, gid: 7 };
    type Split<'p> = Result<(usize, Last<'p>, bool), ErrorKind>;
    let cases: &[(&str, Split<'_>)] = &[
        ("x", Ok((top, Last::Name("x"), false))),
        ("dir/x", Ok((dir, Last::Name("x"), false))),
        ("dir//x//", Ok((dir, Last::Name("x"), true))),
        ("link/x", Ok((dir, Last::Name("x"), false))),
        ("link", Ok((top, Last::Name("link"), false))),
        ("dir/.", Ok((dir, Last::Dot, false))),
        ("dir/sub/../..", Ok((dir, Last::DotDot, false))),
        ("missing/x", Err(ErrorKind::NotFound)),
        ("dir/file/x", Err(ErrorKind::NotDirectory)),
        ("locked/x", Err(ErrorKind::SearchDenied)),
        ("../x", Err(ErrorKind::Escape)),
        ("/x", Err(ErrorKind::Escape)),
        ("dir/../../x", Err(ErrorKind::Escape)),
        ("", Err(ErrorKind::NotFound)),
    ];
    let scope = Scope::from(Beneath::new(TOP));
    for (text, want) in cases {
        let path = Path::new(text.as_bytes()).unwrap();
        let got = resolve_parent(&tree, &scope, path, How::default(), &user);
        let got = got.map_err(|e| e.kind()).map(
            |Parent {
                 dir,
                 last,
                 trailing_slash,
             }| (dir, last, trailing_slash),
        );
        assert_eq!(&got, want, "{text:?}");
    }
    let no_symlinks = How {
        no_symlinks: true,
        ..How::default()
    };
    let path = Path::new(b"link/x").unwrap();
    let got = resolve_parent(&tree, &scope, path, no_symlinks, &user);
    assert_eq!(got.unwrap_err().kind(), ErrorKind::LinkRefused);
}

#[test]
fn beneath_is_inherited() {
    let tree = island(b"dir");
    let top = Beneath::new(TOP);
    let path = |text: &'static str| Path::new(text.as_bytes()).unwrap();
    let how = How::default();
    let dir = top.descend(&tree, path("dir"), how, &SUPERUSER).unwrap();
    assert_eq!(*dir.directory(), tree.0.at("dir"));
    for (text, kind) in [
        ("..", ErrorKind::Escape),
        ("sub/../..", ErrorKind::Escape),
        ("file", ErrorKind::NotDirectory),
        ("/", ErrorKind::Escape),
    ] {
        let got = dir.descend(&tree, path(text), how, &SUPERUSER);
        assert_eq!(got.unwrap_err().kind(), kind, "{text:?}");
    }
}

/// The longest chain of links that is followed is exactly as long as documented.
#[test]
fn forty_links() {
    let mut tree = PureTree::new();
    let Ok(()) = build(&tree! { "link1" => link(".") }, &mut tree);
    for number in 2..=41 {
        let (own, to) = (format!("link{number}"), format!("link{}", number - 1));
        let Ok(()) = tree_fixture::Build::link(&mut tree, &own, &to);
    }
    let beneath = Beneath::new(TOP);
    for (text, want) in [
        ("link40", Ok(TOP)),
        ("link41", Err(ErrorKind::TooManyLinks)),
        ("link20/link20", Ok(TOP)),
        ("link20/link21", Err(ErrorKind::TooManyLinks)),
        ("link39/./link1/", Ok(TOP)),
    ] {
        let path = Path::new(text.as_bytes()).unwrap();
        let got = beneath.resolve(&tree, path, How::default(), &SUPERUSER);
        let got = got.map_err(|e| e.kind()).map(|found| match found {
            Found::Existing(found) => found.node,
            Found::Missing(missing) => panic!("{missing:?}"),
        });
        assert_eq!(got, want, "{text:?}");
    }
}
