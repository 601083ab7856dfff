//! A name that is bound to several directories, each at its own path.
//!
//! `file` with the places `/home/user/project` and `/tmp` is a tree: `/`, `/home` and `/home/user` exist
//! only because something below them is bound. They can be listed and stood in, and hold nothing else.
//! A path is asked of the deepest place on its way, with what is left of it.
//!
//! `..` is taken at its word only where no directory of another scheme is involved: among the
//! directories that exist here. Behind a place it is that directory's affair, which may not be left.

use alloc::{boxed::Box, collections::BTreeMap, rc::Rc, string::String, vec::Vec};

use cap_abi::resolve::{RESOLVE_BENEATH, RESOLVE_IN_ROOT};
use gen_slab::Key;
use syscall::error as errno;

use crate::{
    binding::Binding,
    error::{Cause, Error},
};

/// Most places of one name.
pub const PLACES_MAX: usize = 64;
/// Longest path of a place in bytes.
pub const PATH_MAX: usize = 4096;
/// Most components of a place's path.
const COMPONENTS_MAX: usize = 64;
const COMPONENT_MAX: usize = 255;

/// A valid path of a place: `/`, or `/` and components with one `/` between them. Components are text
/// of 1 to 255 bytes without NUL, and none of `.` and `..`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlacePath<'a>(&'a str);

impl<'a> PlacePath<'a> {
    /// Accepts `bytes` if they are such a path.
    ///
    /// # Errors
    /// `EINVAL`.
    pub fn new(bytes: &'a [u8]) -> Result<Self, Error> {
        let text = core::str::from_utf8(bytes).map_err(|_| Error::MALFORMED)?;
        let rest = text.strip_prefix('/').ok_or(Error::MALFORMED)?;
        let fits = |part: &str| {
            !matches!(part, "" | "." | "..") && part.len() <= COMPONENT_MAX && !part.contains('\0')
        };
        let good = rest.is_empty() || rest.split('/').all(fits);
        if !good || text.len() > PATH_MAX || rest.split('/').count() > COMPONENTS_MAX {
            return Err(Error::MALFORMED);
        }
        Ok(Self(rest))
    }

    /// `/`.
    pub(crate) const TOP: Self = Self("");

    /// The path without its leading slash.
    #[must_use]
    pub const fn without_slash(self) -> &'a str {
        self.0
    }

    fn components(self) -> impl Iterator<Item = &'a str> {
        components(self.0)
    }
}

fn components(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter(|part| !part.is_empty())
}

/// The places of one name.
#[derive(Debug)]
pub struct Places<R> {
    top: Node<R>,
    len: usize,
    /// The namespace that is charged for them.
    pub(crate) owner: Key,
}

#[derive(Debug)]
struct Node<R> {
    binding: Option<Rc<Binding<R>>>,
    below: BTreeMap<Box<str>, Self>,
}

impl<R> Clone for Node<R> {
    fn clone(&self) -> Self {
        Self {
            binding: self.binding.clone(),
            below: self.below.clone(),
        }
    }
}

impl<R> Default for Node<R> {
    fn default() -> Self {
        Self {
            binding: None,
            below: BTreeMap::new(),
        }
    }
}

/// What a path leads to.
#[derive(Debug)]
pub(crate) enum Found<'t, R> {
    /// Ask this, with the path from the offset on.
    Bound(&'t Rc<Binding<R>>, usize),
    /// A directory that exists here, under this path (without a leading slash).
    Here(String),
    /// Nothing. Whether only the last component is missing, so that it could be made.
    Nothing { last: bool },
}

impl<R> Places<R> {
    pub(crate) fn new(owner: Key) -> Self {
        Self {
            top: Node::default(),
            len: 0,
            owner,
        }
    }

    /// A copy that another namespace is charged for.
    pub(crate) fn copy_for(&self, owner: Key) -> Self {
        Self {
            top: self.top.clone(),
            len: self.len,
            owner,
        }
    }

    /// The same places with bindings made from these.
    ///
    /// # Errors
    /// Those of `make`.
    pub(crate) fn map(
        &self,
        owner: Key,
        make: &impl Fn(&Rc<Binding<R>>) -> Result<Binding<R>, Error>,
    ) -> Result<Self, Error> {
        Ok(Self {
            top: self.top.map(make)?,
            len: self.len,
            owner,
        })
    }

    /// How many there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Every binding.
    pub(crate) fn bindings(&self) -> Vec<&Rc<Binding<R>>> {
        let (mut found, mut nodes) = (Vec::new(), alloc::vec![&self.top]);
        while let Some(node) = nodes.pop() {
            found.extend(&node.binding);
            nodes.extend(node.below.values());
        }
        found
    }

    /// What is bound at exactly this path.
    pub(crate) fn get(&self, path: PlacePath<'_>) -> Option<&Rc<Binding<R>>> {
        let mut node = &self.top;
        for part in path.components() {
            node = node.below.get(part)?;
        }
        node.binding.as_ref()
    }

    /// Binds a path. What has ended there gives way.
    ///
    /// # Errors
    /// `EEXIST`; `ENOSPC` when there are too many.
    pub(crate) fn insert(
        &mut self,
        path: PlacePath<'_>,
        binding: Rc<Binding<R>>,
    ) -> Result<(), Error> {
        let before = self.get(path);
        if before.is_some_and(|there| !there.has_ended()) {
            return Err(Error::ALREADY_BOUND);
        }
        let added = usize::from(before.is_none());
        let after = self.len.saturating_add(added);
        if after > PLACES_MAX {
            return Err(Error::new(errno::ENOSPC, Cause::MemoryLimit));
        }
        let mut node = &mut self.top;
        for part in path.components() {
            node = node.below.entry(part.into()).or_default();
        }
        node.binding = Some(binding);
        self.len = after;
        Ok(())
    }

    /// Takes a path's binding away, and the directories that led to nothing else.
    pub(crate) fn remove(&mut self, path: PlacePath<'_>) -> Option<Rc<Binding<R>>> {
        let parts: Vec<&str> = path.components().collect();
        let removed = self.top.remove(&parts)?;
        self.len = self.len.saturating_sub(1);
        Some(removed)
    }

    /// Follows `path`, which begins in the directory `at` of this tree.
    ///
    /// # Errors
    /// `EPERM` when a limited path leaves that directory; `ENOENT` when there is no such one any
    /// more.
    pub(crate) fn find(&self, at: &str, path: &[u8], flags: usize) -> Result<Found<'_, R>, Error> {
        let mut walk = Walk::begin(self, at)?;
        let in_root = flags & RESOLVE_IN_ROOT != 0;
        let beneath = flags & RESOLVE_BENEATH != 0;
        if path.first() == Some(&b'/') {
            if beneath {
                return Err(Error::new(errno::EPERM, Cause::Escape));
            }
            if !in_root {
                walk.back_to(0);
            }
        }
        let floor = if beneath || in_root { walk.depth() } else { 0 };
        let mut place = 0;
        loop {
            place = skip(path, place, |byte| byte == b'/');
            walk.arrived(place);
            let end = skip(path, place, |byte| byte != b'/');
            let part = path.get(place..end).unwrap_or_default();
            match part {
                b"" => break,
                b"." => (),
                b".." if walk.is_inside() => break,
                b".." if walk.depth() > floor => walk.back_to(walk.depth().saturating_sub(1)),
                b".." if beneath => return Err(Error::new(errno::EPERM, Cause::Escape)),
                b".." => (),
                name if walk.down(name) => (),
                _ if walk.is_inside() => break,
                _ => {
                    let last = skip(path, end, |byte| byte == b'/') == path.len();
                    return Ok(Found::Nothing { last });
                }
            }
            place = end;
        }
        Ok(walk.end())
    }

    /// The names in a directory of this tree; nothing if there is no such directory.
    pub(crate) fn list(&self, at: &str) -> impl Iterator<Item = &str> {
        let mut node = Some(&self.top);
        for part in components(at) {
            node = node.and_then(|node| node.below.get(part));
        }
        node.into_iter()
            .flat_map(|node| node.below.keys())
            .map(|name| &**name)
    }
}

impl<R> Node<R> {
    fn map(
        &self,
        make: &impl Fn(&Rc<Binding<R>>) -> Result<Binding<R>, Error>,
    ) -> Result<Self, Error> {
        let binding = match &self.binding {
            Some(binding) => Some(Rc::new(make(binding)?)),
            None => None,
        };
        let mut below = BTreeMap::new();
        // As deep as the longest path of a place.
        for (name, node) in &self.below {
            below.insert(name.clone(), node.map(make)?);
        }
        Ok(Self { binding, below })
    }

    fn remove(&mut self, parts: &[&str]) -> Option<Rc<Binding<R>>> {
        let Some((first, rest)) = parts.split_first() else {
            return self.binding.take();
        };
        let node = self.below.get_mut(*first)?;
        let removed = node.remove(rest)?;
        if node.binding.is_none() && node.below.is_empty() {
            self.below.remove(*first);
        }
        Some(removed)
    }
}

/// Where a path has led so far.
struct Walk<'t, R> {
    /// From the top down; never empty.
    nodes: Vec<(&'t Node<R>, &'t str)>,
    /// The deepest place that was entered, and where the path went on from there.
    entered: Option<(&'t Rc<Binding<R>>, usize)>,
    /// A place has just been entered: where the path goes on is still to be told.
    fresh: bool,
}

impl<'t, R> Walk<'t, R> {
    fn begin(places: &'t Places<R>, at: &str) -> Result<Self, Error> {
        let mut walk = Self {
            nodes: alloc::vec![(&places.top, "")],
            entered: None,
            fresh: false,
        };
        walk.enter();
        for part in components(at) {
            // What has been bound above since does not know this directory.
            if walk.is_inside() || !walk.down(part.as_bytes()) {
                return Err(Error::NO_SUCH_OBJECT);
            }
        }
        Ok(walk)
    }

    /// How far below the top.
    fn depth(&self) -> usize {
        self.nodes.len().saturating_sub(1)
    }

    fn is_inside(&self) -> bool {
        self.entered.is_some()
    }

    fn back_to(&mut self, depth: usize) {
        self.nodes.truncate(depth.saturating_add(1));
    }

    /// Goes to a directory below, if the tree has it.
    fn down(&mut self, name: &[u8]) -> bool {
        let here = self.nodes.last().map(|(node, _)| *node);
        let Some((name, node)) = core::str::from_utf8(name)
            .ok()
            .and_then(|name| here?.below.get_key_value(name))
        else {
            return false;
        };
        self.nodes.push((node, name));
        self.enter();
        true
    }

    fn enter(&mut self) {
        if let Some((
            Node {
                binding: Some(b), ..
            },
            _,
        )) = self.nodes.last()
        {
            self.entered = Some((b, 0));
            self.fresh = true;
        }
    }

    /// The path goes on at `place`.
    fn arrived(&mut self, place: usize) {
        if core::mem::take(&mut self.fresh)
            && let Some((_, suffix)) = &mut self.entered
        {
            *suffix = place;
        }
    }

    fn end(self) -> Found<'t, R> {
        match self.entered {
            Some((binding, suffix)) => Found::Bound(binding, suffix),
            None => {
                let names: Vec<&str> = self.nodes.iter().skip(1).map(|(_, name)| *name).collect();
                Found::Here(names.join("/"))
            }
        }
    }
}

fn skip(path: &[u8], from: usize, while_: impl Fn(u8) -> bool) -> usize {
    let rest = path.get(from..).unwrap_or_default();
    let count = rest.iter().take_while(|byte| while_(**byte)).count();
    from.saturating_add(count)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::roots::Roots;
    use cap_abi::Rights;

    fn tree(paths: &[&str]) -> Places<u32> {
        let home = Key::from_raw(1);
        let mut places = Places::new(home);
        for (number, path) in (0..).zip(paths) {
            let held = Roots::new(1).hold(0).unwrap();
            let binding = Binding::new(number, held, Rights::FULL, home, &Rc::new(()));
            let path = PlacePath::new(path.as_bytes()).unwrap();
            places.insert(path, Rc::new(binding)).unwrap();
        }
        places
    }

    #[derive(Debug, PartialEq)]
    enum Is<'a> {
        To(u32, &'a str),
        Here(&'a str),
        Missing,
        No(i32),
    }
    use Is::*;

    fn follow<'a>(tree: &Places<u32>, at: &str, path: &'a str, flags: usize) -> Is<'a> {
        match tree.find(at, path.as_bytes(), flags) {
            Ok(Found::Bound(binding, suffix)) => {
                To(*binding.root().unwrap(), path.get(suffix..).unwrap())
            }
            Ok(Found::Here(here)) => Here(String::leak(here)),
            Ok(Found::Nothing { .. }) => Missing,
            Err(error) => No(error.errno),
        }
    }

    #[test]
    fn the_deepest_place_on_the_way_is_asked() {
        let tree = tree(&["/home/user/project", "/tmp", "/tmp/deep/er", "/home/us"]);
        let table = [
            ("", Here("")),
            (".", Here("")),
            ("home", Here("home")),
            ("home/", Here("home")),
            ("home/./user//", Here("home/user")),
            ("home/user/project", To(0, "")),
            ("home/user/project/", To(0, "")),
            ("home/user/project/a/b", To(0, "a/b")),
            ("home//user/./project//a", To(0, "a")),
            ("home/user/project/./a", To(0, "./a")),
            ("home/user/projects", Missing),
            ("home/user/projec", Missing),
            ("home/user/other", Missing),
            ("home/us", To(3, "")),
            ("home/user", Here("home/user")),
            ("etc/passwd", Missing),
            ("tmp/x", To(1, "x")),
            ("tmp/deep", To(1, "deep")),
            ("tmp/deep/x", To(1, "deep/x")),
            ("tmp/deep/er/x", To(2, "x")),
            ("tmp/deep/err", To(1, "deep/err")),
            // Among the directories that are only here, `..` is the directory above.
            ("..", Here("")),
            ("../../tmp/x", To(1, "x")),
            ("home/..", Here("")),
            ("home/user/../user/project/a", To(0, "a")),
            ("home/user/../us/a", To(3, "a")),
            // Behind a place it is that directory's affair.
            ("home/user/project/..", To(0, "..")),
            ("home/user/project/../project/a", To(0, "../project/a")),
            ("home/us/../user", To(3, "../user")),
            ("tmp/deep/../deep/er/x", To(1, "deep/../deep/er/x")),
            ("tmp/deep/er/../x", To(2, "../x")),
            ("tmp/../home", To(1, "../home")),
        ];
        for (path, expected) in table {
            assert_eq!(follow(&tree, "", path, 0), expected, "{path:?}");
        }
    }

    #[test]
    fn a_directory_here_is_a_place_to_begin() {
        let tree = tree(&["/home/user/project", "/tmp"]);
        const B: usize = RESOLVE_BENEATH;
        const R: usize = RESOLVE_IN_ROOT;
        let table = [
            ("home", "user/project/x", 0, To(0, "x")),
            ("home", "", 0, Here("home")),
            ("home", "..", 0, Here("")),
            ("home", "../tmp/x", 0, To(1, "x")),
            ("home", "/tmp/x", 0, To(1, "x")),
            ("home", "project", 0, Missing),
            ("home", "..", B, No(errno::EPERM)),
            ("home", "user/..", B, Here("home")),
            ("home", "user/../..", B, No(errno::EPERM)),
            ("home", "/tmp/x", B, No(errno::EPERM)),
            ("home", "/home/user", B, No(errno::EPERM)),
            ("home", "user/project/x", B, To(0, "x")),
            ("home", "..", R, Here("home")),
            ("home", "../../user", R, Here("home/user")),
            ("home", "/user/project/x", R, To(0, "x")),
            ("home", "/tmp/x", R, Missing),
            ("", "..", B, No(errno::EPERM)),
            ("home/nobody", "x", 0, No(errno::ENOENT)),
            ("tmp/x", "y", 0, No(errno::ENOENT)),
        ];
        for (at, path, flags, expected) in table {
            let got = follow(&tree, at, path, flags);
            assert_eq!(got, expected, "{at:?} {path:?} {flags:#x}");
        }
    }

    #[test]
    fn the_top_can_be_a_place() {
        let tree = tree(&["/", "/home/user"]);
        let table = [
            ("", To(0, "")),
            ("etc/passwd", To(0, "etc/passwd")),
            ("home", To(0, "home")),
            ("home/other", To(0, "home/other")),
            ("home/user/x", To(1, "x")),
            ("..", To(0, "..")),
            ("home/../home/user", To(0, "home/../home/user")),
        ];
        for (path, expected) in table {
            assert_eq!(follow(&tree, "", path, 0), expected, "{path:?}");
        }
    }

    #[test]
    fn what_is_missing_tells_whether_it_could_be_made() {
        let tree = tree(&["/home/user"]);
        for (path, expected) in [("x", true), ("home/x//", true), ("x/y", false)] {
            assert!(
                matches!(tree.find("", path.as_bytes(), 0), Ok(Found::Nothing { last }) if last == expected),
                "{path}"
            );
        }
    }

    #[test]
    fn directories_go_with_what_they_led_to() {
        let mut tree = tree(&["/a/b/c", "/a/b/d", "/a"]);
        let list = |tree: &Places<u32>, at: &str| -> Vec<String> {
            tree.list(at).map(String::from).collect()
        };
        assert_eq!(list(&tree, ""), ["a"]);
        assert_eq!(list(&tree, "a/b"), ["c", "d"]);
        assert!(list(&tree, "a/x").is_empty());
        let path = |text: &'static str| PlacePath::new(text.as_bytes()).unwrap();
        assert!(tree.remove(path("/a/b")).is_none());
        assert!(tree.remove(path("/a/b/c")).is_some());
        assert!(tree.remove(path("/a/b/c")).is_none());
        assert_eq!(list(&tree, "a/b"), ["d"]);
        assert!(tree.remove(path("/a/b/d")).is_some());
        assert!(list(&tree, "a").is_empty());
        assert!(tree.remove(path("/a")).is_some());
        assert!(tree.is_empty() && list(&tree, "").is_empty());
    }

    #[test]
    fn a_place_is_bound_once_and_there_are_not_too_many() {
        let home = Key::from_raw(1);
        let mut tree = tree(&["/a"]);
        let held = || Roots::new(1).hold(0).unwrap();
        let new = || Rc::new(Binding::new(9, held(), Rights::FULL, home, &Rc::new(())));
        let again = tree.insert(PlacePath::new(b"/a").unwrap(), new());
        assert_eq!(again.unwrap_err().errno, errno::EEXIST);
        tree.get(PlacePath::new(b"/a").unwrap()).unwrap().end();
        tree.insert(PlacePath::new(b"/a").unwrap(), new()).unwrap();
        assert_eq!(tree.len(), 1);
        let mut refused = None;
        for number in 0..PLACES_MAX {
            let path = alloc::format!("/n{number}");
            refused = tree
                .insert(PlacePath::new(path.as_bytes()).unwrap(), new())
                .err();
        }
        assert_eq!(refused.map(|error| error.errno), Some(errno::ENOSPC));
        assert_eq!(tree.len(), PLACES_MAX);
    }

    #[test]
    fn paths() {
        let long = alloc::format!("/{}", "a".repeat(256));
        let deep = "/a".repeat(COMPONENTS_MAX + 1);
        let table = [
            ("/", true),
            ("/home/user", true),
            ("/.hidden/...", true),
            ("", false),
            ("home", false),
            ("/home/", false),
            ("//home", false),
            ("/a//b", false),
            ("/a/./b", false),
            ("/a/..", false),
            ("/a\0", false),
            (&long, false),
            (&long[..256], true),
            (&deep, false),
            (&deep[2..], true),
        ];
        for (path, good) in table {
            assert_eq!(PlacePath::new(path.as_bytes()).is_ok(), good, "{path:?}");
        }
        assert!(PlacePath::new(b"/\xff").is_err());
    }

    proptest::proptest! {
        /// Whatever the path, it leads behind the places that a plain comparison of components finds.
        #[test]
        fn a_path_without_dots_leads_where_its_longest_prefix_does(
            places in proptest::collection::vec("(/[ab]){1,3}", 1..5),
            path in "([ab]/){0,4}[ab]?",
        ) {
            let mut sorted = places.clone();
            sorted.sort();
            sorted.dedup();
            let tree = tree(&sorted.iter().map(String::as_str).collect::<Vec<_>>());
            let wanted: Vec<&str> = components(&path).collect();
            let best = sorted.iter().enumerate().filter(|(_, place)| {
                let place: Vec<&str> = components(place).collect();
                wanted.starts_with(&place)
            }).max_by_key(|(_, place)| place.len());
            match (follow(&tree, "", &path, 0), best) {
                (To(number, suffix), Some((index, place))) => {
                    proptest::prop_assert_eq!(number as usize, index);
                    let rest: Vec<&str> = components(suffix).collect();
                    proptest::prop_assert_eq!(rest, &wanted[components(place).count()..]);
                }
                (Here(here), None) => proptest::prop_assert_eq!(components(here).collect::<Vec<_>>(), wanted),
                (Missing, None) => (),
                other => proptest::prop_assert!(false, "{:?}", other),
            }
        }

        /// However it climbs, a limited path never leads outside.
        #[test]
        fn a_limited_path_stays_inside(path in "(\\.\\./|\\./|[ab]/|/){0,8}") {
            let tree = tree(&["/a/a/a", "/b", "/a/b"]);
            for flags in [RESOLVE_BENEATH, RESOLVE_IN_ROOT] {
                match follow(&tree, "a", &path, flags) {
                    To(number, _) => proptest::prop_assert_ne!(number, 1),
                    Here(here) => proptest::prop_assert!(here == "a" || here.starts_with("a/")),
                    Missing | No(errno::EPERM) => (),
                    other => proptest::prop_assert!(false, "{:?}", other),
                }
            }
        }
    }
}
