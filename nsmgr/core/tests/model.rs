//! The namespace manager against a naive model, and against bytes without meaning.

mod common;

use std::collections::BTreeMap;

use common::{USER, World};
use nsmgr_api::{self as api, ForkFlags, NsPermissions, UnbindFlags};
use nsmgr_core::{Cause, Dup};
use proptest::prelude::*;

/// A namespace as a plain map: name to (cell, the namespace it was bound in).
type Names = BTreeMap<String, (usize, usize)>;

#[derive(Default)]
struct Model {
    namespaces: Vec<Names>,
    /// The root in each cell; none while it is vacant.
    cells: Vec<Option<u32>>,
    /// Handle, namespace, permissions.
    handles: Vec<(u64, usize, NsPermissions)>,
}

#[derive(Clone, Debug)]
enum Step {
    Fork {
        of: usize,
        wanted: Vec<String>,
        skip: bool,
    },
    Shrink {
        of: usize,
        keep: usize,
    },
    Bind {
        to: usize,
        name: String,
    },
    Unbind {
        from: usize,
        name: String,
        revoke: bool,
    },
    Vacate {
        from: usize,
        name: String,
    },
    Close {
        handle: usize,
    },
}

fn name() -> impl Strategy<Value = String> {
    "[ab]{1,2}"
}

fn step() -> impl Strategy<Value = Step> {
    let wanted = prop_oneof![name(), "[ab]{0,2}\\*"];
    prop_oneof![
        2 => (any::<usize>(), proptest::collection::vec(wanted, 0..4), any::<bool>())
            .prop_map(|(of, wanted, skip)| Step::Fork { of, wanted, skip }),
        1 => (any::<usize>(), 0usize..32).prop_map(|(of, keep)| Step::Shrink { of, keep }),
        4 => (any::<usize>(), name()).prop_map(|(to, name)| Step::Bind { to, name }),
        3 => (any::<usize>(), name(), any::<bool>())
            .prop_map(|(from, name, revoke)| Step::Unbind { from, name, revoke }),
        2 => (any::<usize>(), name()).prop_map(|(from, name)| Step::Vacate { from, name }),
        1 => any::<usize>().prop_map(|handle| Step::Close { handle }),
    ]
}

fn matches(wanted: &str, name: &str) -> bool {
    match wanted.strip_suffix('*') {
        Some(prefix) => name.starts_with(prefix),
        None => wanted == name,
    }
}

impl Model {
    fn fork(&self, ns: usize, wanted: &[String], skip: bool) -> Option<Names> {
        let parent = &self.namespaces[ns];
        let known = wanted
            .iter()
            .all(|wanted| wanted.ends_with('*') || parent.contains_key(wanted));
        (known || skip).then(|| {
            parent
                .iter()
                .filter(|(name, _)| wanted.iter().any(|wanted| matches(wanted, name)))
                .map(|(name, bound)| (name.clone(), *bound))
                .collect()
        })
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(400) })]

    #[test]
    fn behaves_like_plain_maps(steps in proptest::collection::vec(step(), 0..120)) {
        let mut world = World::new();
        let mut model = Model::default();
        model.namespaces.push(Names::new());
        model.handles.push((world.first, 0, NsPermissions::all()));
        for step in steps {
            if model.handles.is_empty() {
                break;
            }
            let pick = |number: usize| number % model.handles.len();
            match step {
                Step::Fork { of, wanted, skip } => {
                    let (handle, ns, permissions) = model.handles[pick(of)];
                    let flags = if skip { ForkFlags::SKIP_UNKNOWN } else { ForkFlags::empty() };
                    let payload =
                        api::fork_with_payload(flags, wanted.iter().map(String::as_bytes));
                    let expected = model.fork(ns, &wanted, skip);
                    let made = world.dup(handle, &payload);
                    prop_assert_eq!(made.is_ok(), expected.is_some());
                    if let (Ok(made), Some(names)) = (made, expected) {
                        model.namespaces.push(names);
                        model.handles.push((made, model.namespaces.len() - 1, permissions));
                    }
                }
                Step::Shrink { of, keep } => {
                    let (handle, ns, permissions) = model.handles[pick(of)];
                    let keep = NsPermissions::from_bits_retain(keep);
                    let made = world.shrink(handle, keep).unwrap();
                    model.handles.push((made, ns, permissions & keep));
                }
                Step::Bind { to, name } => {
                    let (handle, ns, permissions) = model.handles[pick(to)];
                    let cell = model.namespaces[ns].get(&name).copied();
                    // A free name is bound, and a vacant one filled where it was bound.
                    let fits = cell.is_none_or(|(cell, home)| {
                        home == ns && model.cells[cell].is_none()
                    });
                    let may = permissions.contains(NsPermissions::INSERT) && fits;
                    let bound = world.bind(handle, &name);
                    prop_assert_eq!(bound.is_ok(), may);
                    if let Ok(root) = bound {
                        if let Some((cell, _)) = cell {
                            model.cells[cell] = Some(root);
                        } else {
                            model.cells.push(Some(root));
                            model.namespaces[ns].insert(name, (model.cells.len() - 1, ns));
                        }
                    }
                }
                Step::Vacate { from, name } => {
                    let (handle, ns, permissions) = model.handles[pick(from)];
                    let cell = model.namespaces[ns].get(&name).copied();
                    let may = permissions.contains(NsPermissions::DELETE)
                        && cell.is_some_and(|(_, home)| home == ns);
                    let flags = UnbindFlags::VACATE.bits();
                    let vacated = world.manager.unbind(handle, flags, name.as_bytes(), USER);
                    prop_assert_eq!(vacated.is_ok(), may);
                    if let (Ok(vacated), Some((cell, _))) = (vacated, cell) {
                        let revoked: Vec<u32> = vacated.revoke.iter().map(|fd| fd.0).collect();
                        prop_assert_eq!(revoked, Vec::from_iter(model.cells[cell].take()));
                    }
                }
                Step::Unbind { from, name, revoke } => {
                    let (handle, ns, permissions) = model.handles[pick(from)];
                    let bound = model.namespaces[ns].get(&name).copied();
                    let may = permissions.contains(NsPermissions::DELETE)
                        && bound.is_some_and(|(_, home)| !revoke || home == ns);
                    let flags = if revoke { UnbindFlags::REVOKE } else { UnbindFlags::empty() };
                    let unbound =
                        world.manager.unbind(handle, flags.bits(), name.as_bytes(), USER);
                    prop_assert_eq!(unbound.is_ok(), may);
                    if let (Ok(unbound), Some((cell, _))) = (unbound, bound) {
                        let had = model.cells[cell].is_some();
                        prop_assert_eq!(unbound.revoke.len(), usize::from(revoke && had));
                        model.namespaces[ns].remove(&name);
                        if revoke {
                            for names in &mut model.namespaces {
                                names.retain(|_, (other, _)| *other != cell);
                            }
                        }
                    }
                }
                Step::Close { handle } => {
                    let (handle, ..) = model.handles.swap_remove(pick(handle));
                    world.manager.close(handle);
                }
            }
            for (handle, ns, permissions) in &model.handles {
                let names = &model.namespaces[*ns];
                for name in ["a", "b", "aa", "ab", "ba", "bb"] {
                    prop_assert_eq!(
                        world.root_of(*handle, name).ok(),
                        names.get(name).and_then(|(cell, _)| model.cells[*cell])
                    );
                }
                if permissions.contains(NsPermissions::LIST) {
                    prop_assert!(world.sorted(*handle).iter().eq(names.keys()));
                } else {
                    prop_assert!(world.listing(*handle).is_err());
                }
            }
        }
        for (handle, ..) in model.handles {
            world.manager.close(handle);
        }
        for kind in ["handles", "namespaces", "names-charged", "bindings", "roots", "processes", "users"] {
            prop_assert_eq!(world.count(kind), 0, "{}", kind);
        }
        prop_assert!(world.alive.borrow().is_empty());
    }

    #[test]
    fn meaningless_payloads_change_nothing(
        payloads in proptest::collection::vec(
            (0usize..0x108, proptest::collection::vec(any::<u8>(), 0..48), any::<bool>()), 1..30),
    ) {
        let mut world = World::with_names(&["file", "null"]);
        for (kind, tail, raw) in payloads {
            let mut payload = if raw { Vec::new() } else { kind.to_ne_bytes().to_vec() };
            payload.extend(&tail);
            if let Ok(Dup::Handle(made) | Dup::LeasedHandle(made)) =
                world.manager.dup(world.first, &payload, USER)
            {
                world.manager.close(made);
            }
            for cause in world.manager.denials().since(0).map(|denial| denial.cause) {
                prop_assert!(matches!(cause, Cause::Malformed | Cause::NotBound), "{:?}", cause);
            }
            let _ = world.manager.bind(world.first, kind as u64, &tail, USER);
            let _ = world.manager.open(world.first, &tail, kind, USER);
            let _ = world.manager.unbind(world.first, 1 << 63 | kind as u64, &tail, USER);
        }
        world.sorted(world.first);
        prop_assert_eq!(world.sorted(world.first), ["file", "null"]);
    }
}
