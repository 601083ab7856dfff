//! What depends on what.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// Names and the names that each needs, in an order in which each comes after what it needs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Graph {
    order: Vec<String>,
    needs: BTreeMap<String, Vec<String>>,
}

/// Why there is no such order. `E` is what looking a name up can end with.
#[derive(Debug, PartialEq, Eq)]
pub enum Error<E> {
    /// Nobody knows the name; with who needs it, the nearest last.
    Missing {
        /// The name.
        name: String,
        /// Who needs it, if not the caller.
        needed_by: Option<String>,
    },
    /// The names need each other in a circle; the first is also the last.
    Cycle(Vec<String>),
    /// A look-up failed.
    Lookup(E),
}

impl<E: fmt::Display> fmt::Display for Error<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing {
                name,
                needed_by: None,
            } => write!(f, "there is no recipe `{name}`"),
            Self::Missing {
                name,
                needed_by: Some(by),
            } => write!(f, "there is no recipe `{name}`, which `{by}` depends on"),
            Self::Cycle(names) => {
                write!(f, "recipes depend on each other in a circle: ")?;
                write!(f, "{}", names.join(" -> "))
            }
            Self::Lookup(error) => error.fmt(f),
        }
    }
}

impl<E: fmt::Debug + fmt::Display> std::error::Error for Error<E> {}

impl Graph {
    /// Everything that `roots` need, them included. `needs` answers what a name needs, and `None` for
    /// a name that nobody knows.
    pub fn new<E>(
        roots: impl IntoIterator<Item = String>,
        mut needs: impl FnMut(&str) -> Result<Option<Vec<String>>, E>,
    ) -> Result<Self, Error<E>> {
        let mut graph = Self::default();
        // Names whose needs are being followed, with what of those is left: recursion would let a
        // file's contents decide the stack's depth.
        let mut path: Vec<(String, Vec<String>)> = Vec::new();
        let mut waiting: Vec<String> = roots.into_iter().collect();
        waiting.reverse();
        while let Some(root) = waiting.pop() {
            let mut next = Some(root);
            loop {
                if let Some(name) = next.take() {
                    if let Some(start) = path.iter().position(|(open, _)| *open == name) {
                        let mut cycle: Vec<_> =
                            path[start..].iter().map(|(open, _)| open.clone()).collect();
                        cycle.push(name);
                        return Err(Error::Cycle(cycle));
                    }
                    if !graph.needs.contains_key(&name) {
                        let found = needs(&name).map_err(Error::Lookup)?;
                        let Some(mut found) = found else {
                            return Err(Error::Missing {
                                name,
                                needed_by: path.last().map(|(by, _)| by.clone()),
                            });
                        };
                        let mut seen = BTreeSet::new();
                        found.retain(|name| seen.insert(name.clone()));
                        let left = found.iter().rev().cloned().collect();
                        graph.needs.insert(name.clone(), found);
                        path.push((name, left));
                    }
                }
                match path.last_mut() {
                    None => break,
                    Some((_, left)) => match left.pop() {
                        Some(name) => next = Some(name),
                        None => graph.order.extend(path.pop().map(|(name, _)| name)),
                    },
                }
            }
        }
        Ok(graph)
    }

    /// Every name, after what it needs.
    pub fn order(&self) -> &[String] {
        &self.order
    }

    /// What `name` needs itself.
    pub fn needs(&self, name: &str) -> &[String] {
        self.needs.get(name).map_or(&[], Vec::as_slice)
    }

    /// Everything that `name` needs, in order, without itself.
    pub fn closure(&self, name: &str) -> Vec<&str> {
        let mut found = BTreeSet::new();
        let mut left = vec![name];
        while let Some(name) = left.pop() {
            for need in self.needs(name) {
                if found.insert(need.as_str()) {
                    left.push(need);
                }
            }
        }
        let names = self.order.iter().map(String::as_str);
        names.filter(|name| found.contains(name)).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use proptest::prelude::*;

    use super::*;

    type Table = &'static [(&'static str, &'static [&'static str])];

    fn build(roots: &[&str], table: Table) -> Result<Graph, Error<Infallible>> {
        Graph::new(roots.iter().map(|r| (*r).to_owned()), |name| {
            let found = table.iter().find(|row| row.0 == name);
            Ok(found.map(|row| row.1.iter().map(|n| (*n).to_owned()).collect()))
        })
    }

    const TABLE: Table = &[
        ("libc", &[]),
        ("zlib", &["libc"]),
        ("curl", &["zlib", "libc", "zlib"]),
        ("git", &["curl", "zlib"]),
        ("loop", &["pool", "libc"]),
        ("pool", &["loop"]),
        ("self", &["self"]),
        ("lost", &["zlib", "nowhere"]),
    ];

    #[test]
    fn orders() {
        let graph = build(&["git", "zlib"], TABLE).unwrap();
        assert_eq!(graph.order(), ["libc", "zlib", "curl", "git"]);
        assert_eq!(graph.needs("curl"), ["zlib", "libc"]);
        assert_eq!(graph.closure("curl"), ["libc", "zlib"]);
        assert_eq!(graph.closure("libc"), [""; 0]);
    }

    #[test]
    fn refusals() {
        let rows = [
            ("nowhere", "there is no recipe `nowhere`"),
            (
                "lost",
                "there is no recipe `nowhere`, which `lost` depends on",
            ),
            (
                "loop",
                "recipes depend on each other in a circle: loop -> pool -> loop",
            ),
            (
                "self",
                "recipes depend on each other in a circle: self -> self",
            ),
        ];
        for (root, message) in rows {
            assert_eq!(build(&[root], TABLE).unwrap_err().to_string(), message);
        }
    }

    proptest! {
        /// Whatever depends on whatever: a cycle is one, and an order is one.
        #[test]
        fn any_graph(edges in prop::collection::vec((0_usize..12, 0_usize..12), 0..40)) {
            let needs = |name: &str| -> Vec<String> {
                let of = |to: &usize| to.to_string();
                edges.iter().filter(|e| e.0.to_string() == name).map(|e| of(&e.1)).collect()
            };
            let all = (0..12).map(|n| n.to_string());
            match Graph::new(all, |name| Ok::<_, Infallible>(Some(needs(name)))) {
                Ok(graph) => {
                    prop_assert_eq!(graph.order().len(), 12);
                    let at = |name: &String| graph.order().iter().position(|n| n == name);
                    for (from, to) in &edges {
                        prop_assert!(at(&to.to_string()) < at(&from.to_string()));
                    }
                }
                Err(Error::Cycle(names)) => {
                    prop_assert_eq!(names.first(), names.last());
                    prop_assert!(names.len() > 1);
                    for pair in names.windows(2) {
                        prop_assert!(needs(&pair[0]).contains(&pair[1]));
                    }
                }
                Err(error) => prop_assert!(false, "{}", error),
            }
        }
    }
}
