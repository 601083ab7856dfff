//! Memory that runs out at the n-th frame, for every n: the operation fails, nothing is lost, what it
//! did not replace is as before, and it succeeds when there is memory again.

use std::string::String;

use super::*;
use crate::user::UserSlice;
use syscall::MremapFlags;

/// Two spaces in which every kind of page is.
struct World {
    m: Sim,
    a: AddrSpace,
    b: AddrSpace,
}

const ANON: usize = 0;
const SHARED_ANON: usize = 8;
const FORKED: usize = 16;
const LENT: usize = 24;
const SNAPSHOT: usize = 32;
/// Under other tables than the rest.
const FAR: usize = 1 << 20;

impl World {
    fn new() -> Self {
        let mut m = Sim::new();
        let mut a = AddrSpace::new(&mut m).unwrap();
        let fixed = MapFlags::MAP_FIXED;
        a.map_anon(&mut m, &request(FORKED, 4, PRIVATE | fixed), &mut quiet)
            .unwrap();
        for page in FORKED..FORKED + 3 {
            put(&mut m, &mut a, page, page as u64).unwrap();
        }
        let mut b = a.clone_cow(&mut m, &mut quiet).unwrap();
        a.map_anon(&mut m, &request(ANON, 4, PRIVATE | fixed), &mut quiet)
            .unwrap();
        put(&mut m, &mut a, ANON + 1, 11).unwrap();
        a.map_anon(&mut m, &request(SHARED_ANON, 3, SHARED | fixed), &mut quiet)
            .unwrap();
        put(&mut m, &mut a, SHARED_ANON, 21).unwrap();
        a.map_anon(&mut m, &request(LENT, 2, PRIVATE | fixed), &mut quiet)
            .unwrap();
        put(&mut m, &mut a, LENT, 31).unwrap();
        let terms = Terms {
            record: Some(1),
            offset: 0,
            max: Prot::ALL,
        };
        let loan = a.lend(&mut m, at(LENT), 2 * PAGE, Lend::Shared).unwrap();
        let to = request(FAR, 0, RW | fixed);
        b.map_loan(&mut m, &to, loan, &terms, &mut quiet).unwrap();
        b.map_anon(&mut m, &request(SNAPSHOT, 3, PRIVATE | fixed), &mut quiet)
            .unwrap();
        put(&mut m, &mut b, SNAPSHOT + 1, 41).unwrap();
        let loan = b
            .lend(&mut m, at(SNAPSHOT), 3 * PAGE, Lend::Snapshot)
            .unwrap();
        let to = request(SNAPSHOT, 0, RW | fixed);
        a.map_loan(&mut m, &to, loan, &terms, &mut quiet).unwrap();
        let world = Self { m, a, b };
        world.check(&[]);
        world
    }

    fn check(&self, more: &[&AddrSpace]) {
        let mut spaces = std::vec![&self.a, &self.b];
        spaces.extend(more);
        check(&self.m, &spaces, &BTreeMap::new());
    }

    /// Every page of both spaces: its region and the number in it.
    fn contents(&self) -> Vec<(usize, Region, u64)> {
        use crate::vmap::Content;
        let mut out = Vec::new();
        for space in [&self.a, &self.b] {
            for grant in space.map.iter() {
                for (n, page) in grant.range.pages().enumerate() {
                    let entry = space.table.get(&self.m, page);
                    let mut bytes = [0; 8];
                    if !entry.is_empty() {
                        self.m.read(entry.address(), &mut bytes);
                    }
                    out.push((page, grant.content.advance(n), u64::from_le_bytes(bytes)));
                }
            }
        }
        out
    }
}

type Operation = fn(&mut World) -> Result<Option<AddrSpace>, SpaceError>;

/// The operations, and whether a failure may have unmapped what was in the place.
const OPERATIONS: &[(&str, bool, Operation)] = &[
    ("new", false, |w| AddrSpace::new(&mut w.m).map(Some)),
    ("touch", false, |w| {
        Ok(w.a.fault(&mut w.m, at(ANON), Access::Read).map(|()| None)?)
    }),
    ("break a copy", false, |w| {
        Ok(w.b
            .fault(&mut w.m, at(FORKED), Access::Write)
            .map(|()| None)?)
    }),
    ("write a snapshot", false, |w| {
        Ok(w.a
            .fault(&mut w.m, at(SNAPSHOT), Access::Write)
            .map(|()| None)?)
    }),
    ("clone the lender", false, |w| {
        w.a.clone_cow(&mut w.m, &mut |_| {}).map(Some)
    }),
    ("clone the borrower", false, |w| {
        w.b.clone_cow(&mut w.m, &mut |_| {}).map(Some)
    }),
    ("map a device", false, |w| {
        let rq = request(FAR * 2, 700, RW);
        w.a.map_device(
            &mut w.m,
            &rq,
            0xf000_0000,
            Cache::Uncached,
            Prot::ALL,
            &mut quiet,
        )
        .map(|_| None)
    }),
    ("map a device over pages", true, |w| {
        let rq = request(ANON, 700, RW | MapFlags::MAP_FIXED);
        w.a.map_device(
            &mut w.m,
            &rq,
            0xf000_0000,
            Cache::Uncached,
            Prot::ALL,
            &mut |_| {},
        )
        .map(|_| None)
    }),
    ("map contiguous", false, |w| {
        let rq = request(FAR - 2, 5, RW);
        w.a.map_contiguous(&mut w.m, &rq, Prot::ALL, &mut quiet)
            .map(|_| None)
    }),
    ("lend and map", false, |w| {
        let loan = w.a.lend(&mut w.m, at(FORKED), 4 * PAGE, Lend::Shared)?;
        let to = request(FAR * 3 - 2, 0, RW);
        w.b.map_loan(&mut w.m, &to, loan, &terms(), &mut quiet)
            .map(|_| None)
    }),
    ("take a snapshot and map it", false, |w| {
        let loan =
            w.a.lend(&mut w.m, at(SHARED_ANON), 3 * PAGE, Lend::Snapshot)?;
        let to = request(FAR * 3, 0, RW);
        w.b.map_loan(&mut w.m, &to, loan, &terms(), &mut quiet)
            .map(|_| None)
    }),
    ("lend within", true, |w| {
        let loan = w.a.lend(&mut w.m, at(ANON), 4 * PAGE, Lend::Shared)?;
        let to = request(SHARED_ANON, 0, RW | MapFlags::MAP_FIXED);
        w.a.map_loan(&mut w.m, &to, loan, &terms(), &mut quiet)
            .map(|_| None)
    }),
    ("move", false, |w| {
        let to = request(FAR * 2 - 2, 4, MapFlags::empty());
        let old = (at(FORKED), 4 * PAGE);
        w.a.remap(&mut w.m, old, &to, MremapFlags::FIXED, None, &mut quiet)
            .map(|_| None)
    }),
    ("move and grow over pages", true, |w| {
        let to = request(FAR - 3, 6, MapFlags::empty());
        let old = (at(FORKED), 4 * PAGE);
        let replace = MremapFlags::FIXED_REPLACE;
        w.b.remap(&mut w.m, old, &to, replace, Some(Prot::READ), &mut |_| {})
            .map(|_| None)
    }),
    ("alias", false, |w| {
        let to = request(FAR * 2, 3, MapFlags::empty());
        let old = (at(FORKED), 4 * PAGE);
        w.b.remap(&mut w.m, old, &to, MremapFlags::KEEP_OLD, None, &mut quiet)
            .map(|_| None)
    }),
    ("transfer", false, |w| {
        let to = request(FAR * 3 - 2, 0, RW);
        w.b.take_from(&mut w.m, &mut w.a, at(FORKED), 4 * PAGE, &to, &mut quiet)
            .map(|_| None)
    }),
    ("commit", false, |w| {
        w.a.commit(&mut w.m, at(ANON), 4 * PAGE)?;
        w.a.commit(&mut w.m, at(FORKED), 4 * PAGE).map(|()| None)
    }),
    ("copy between", false, |w| {
        let from = UserSlice::new(at(ANON), 4 * PAGE).unwrap();
        let to = UserSlice::new(at(FORKED), 4 * PAGE).unwrap();
        // Copying is restartable, so that what was copied before the failure does no harm.
        w.b.clear_bytes(&mut w.m, to.truncated(0))?;
        w.a.for_each_page(&mut w.m, from, false, |_, _, _| Ok(()))?;
        w.b.for_each_page(&mut w.m, to, true, |_, _, _| Ok(()))
            .map(|()| None)
    }),
];

#[test]
fn every_operation_survives_every_failure() {
    for &(name, replaces, operation) in OPERATIONS {
        let mut failures = 0;
        for budget in 0.. {
            let mut world = World::new();
            let before = world.contents();
            world.m.budget = Some(budget);
            let result = operation(&mut world);
            world.m.budget = None;
            let label = std::format!("{name}, {budget} frames");
            let made = match result {
                Ok(made) => made,
                Err(error) => {
                    assert_eq!(error, SpaceError::NoMemory, "{label}");
                    failures += 1;
                    world.check(&[]);
                    let after = world.contents();
                    compare(&label, &before, &after, replaces);
                    let again = operation(&mut world);
                    assert!(again.is_ok(), "{label}, again: {again:?}");
                    again.unwrap()
                }
            };
            world.check(&made.as_ref().into_iter().collect::<Vec<_>>());
            let World { mut m, a, b } = world;
            finish(&mut m, [a, b].into_iter().chain(made));
            if failures <= budget {
                break;
            }
        }
        assert!(failures > 0, "{name} takes no memory");
    }
}

fn compare(
    label: &str,
    before: &[(usize, Region, u64)],
    after: &[(usize, Region, u64)],
    replaces: bool,
) {
    if replaces {
        // Pages may be gone, but none may be new or different.
        for page in after {
            assert!(before.contains(page), "{label}: {page:?}");
        }
    } else {
        assert_eq!(before, after, "{}", String::from(label));
    }
}
