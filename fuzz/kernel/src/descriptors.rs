//! Any sequence of operations on a descriptor table, with any numbers, against a map; and on leases:
//! what is opened through one ends with it, and nothing stays when all uses are given up.
#![no_main]

use std::collections::BTreeMap;

use arbitrary::Arbitrary;
use cap_abi::Rights;
use kernel_core::{
    lease::{LeaseId, Leases},
    slab::{Id, Slab},
    table::{Entry, Table},
};
use libfuzzer_sys::fuzz_target;
use syscall::UPPER_FDTBL_TAG;

/// A descriptor number: mostly a low one of either half, else anything.
#[derive(Arbitrary, Clone, Copy, Debug)]
enum Number {
    Lower(u8),
    Upper(u8),
    Any(usize),
}

impl Number {
    fn get(self) -> usize {
        match self {
            Self::Lower(low) => low.into(),
            Self::Upper(low) => UPPER_FDTBL_TAG | usize::from(low),
            Self::Any(number) => number,
        }
    }
}

#[derive(Arbitrary, Debug)]
enum Op {
    InsertAt(Number),
    InsertLowest,
    InsertFrom(Number),
    InsertUpper,
    Remove(Number),
    Replace(Number),
    Swap(Number, Number),
    SetLimit(u32),
    PopFirst,
    Copy,
    Derive(u8, u32),
    Join(u8, u8),
    Retain(u8),
    Release(u8),
    ReleaseControl(u8),
    Revoke(u8),
}

struct Lease {
    id: LeaseId,
    uses: u32,
    controls: u32,
}

fuzz_target!(|ops: Vec<Op>| {
    let mut objects = Slab::new();
    let desc: Id<u8> = objects.insert(0).expect("memory for one object");
    let entry = |rights: u32| Entry {
        desc,
        rights: Rights::from_bits_truncate(rights),
        lease: None,
        cloexec: false,
    };
    let mut table = Table::new();
    let mut model = BTreeMap::new();
    let mut leases = Leases::with_limit(200);
    let mut held: Vec<Lease> = Vec::new();
    for (n, op) in ops.into_iter().enumerate() {
        let new = entry(n as u32);
        let pick = |which: u8, held: &[Lease]| usize::from(which) % held.len().max(1);
        match op {
            Op::InsertAt(number) => {
                let inserted = table.insert_at(number.get(), new).is_ok();
                assert!(!(inserted && model.contains_key(&number.get())));
                if inserted {
                    model.insert(number.get(), new);
                }
            }
            Op::InsertLowest | Op::InsertFrom(_) => {
                let from = match op {
                    Op::InsertFrom(number) => number.get(),
                    _ => 0,
                };
                if let Ok(number) = table.insert_from(from, new) {
                    assert!(number >= from && (from..number).all(|n| model.contains_key(&n)));
                    assert!(model.insert(number, new).is_none());
                }
            }
            Op::InsertUpper => {
                if let Ok(number) = table.insert_upper(new) {
                    assert!(number & UPPER_FDTBL_TAG != 0);
                    assert!(model.insert(number, new).is_none());
                }
            }
            Op::Remove(number) => {
                assert_eq!(table.remove(number.get()), model.remove(&number.get()));
            }
            Op::Replace(number) => {
                let there = model.contains_key(&number.get());
                let old = table.replace(number.get(), new);
                assert_eq!(old, model.get(&number.get()).copied());
                if there {
                    model.insert(number.get(), new);
                }
            }
            Op::Swap(a, b) => {
                let (a, b) = (a.get(), b.get());
                if table.swap(a, b) {
                    let (x, y) = (model.remove(&a), model.remove(&b));
                    model.extend(x.map(|x| (b, x)).into_iter().chain(y.map(|y| (a, y))));
                }
            }
            Op::SetLimit(limit) => table.set_limit(limit as usize),
            Op::PopFirst => assert_eq!(table.pop_first(), model.pop_first()),
            Op::Copy => table = table.try_clone().expect("memory for a copy"),
            Op::Derive(parent, flags) => {
                let parent = held.get(pick(parent, &held)).map(|lease| lease.id);
                if let Ok(id) = leases.derive(parent, flags & 1) {
                    held.push(Lease {
                        id,
                        uses: 1,
                        controls: 1,
                    });
                }
            }
            Op::Join(a, b) => {
                let both = (held.get(pick(a, &held)), held.get(pick(b, &held)));
                if let (Some(a), Some(b)) = both
                    && let Ok(id) = leases.join(a.id, b.id)
                {
                    held.push(Lease {
                        id,
                        uses: 1,
                        controls: 0,
                    });
                }
            }
            Op::Retain(which) => {
                let which = pick(which, &held);
                if let Some(lease) = held.get_mut(which)
                    && leases.retain(lease.id)
                {
                    lease.uses += 1;
                }
            }
            Op::Release(which) => {
                let which = pick(which, &held);
                if let Some(lease) = held.get_mut(which)
                    && lease.uses > 0
                {
                    lease.uses -= 1;
                    leases.release(lease.id);
                }
            }
            Op::ReleaseControl(which) => {
                let which = pick(which, &held);
                if let Some(lease) = held.get_mut(which)
                    && lease.controls > 0
                {
                    lease.controls -= 1;
                    leases.release_control(lease.id);
                }
            }
            Op::Revoke(which) => {
                if let Some(lease) = held.get(pick(which, &held)) {
                    let (before, ended) = (leases.len(), leases.revoke(lease.id));
                    // What only the revoked ones kept may go with them.
                    assert!(leases.len() + ended <= before);
                    assert!(!leases.is_live(Some(lease.id)));
                }
            }
        }
    }
    let listed: Vec<_> = table.iter().collect();
    assert_eq!(listed, model.into_iter().collect::<Vec<_>>());
    for lease in held {
        for _ in 0..lease.uses {
            leases.release(lease.id);
        }
        for _ in 0..lease.controls {
            leases.release_control(lease.id);
        }
    }
    assert!(leases.is_empty(), "{} leases are left", leases.len());
});
