//! Allocation fails: every operation says so and leaves things as they were.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use cap_abi::Rights;
use kernel_core::NoMemory;
use kernel_core::event::{Events, RegisterError};
use kernel_core::lease::{LeaseError, Leases};
use kernel_core::slab::{Id, Slab};
use kernel_core::table::{Entry, InsertError, Table};
use kernel_core::timer::Timers;
use syscall::flag::{EventFlags, UPPER_FDTBL_TAG};

thread_local! {
    /// How many allocations still succeed on this thread.
    static BUDGET: Cell<usize> = const { Cell::new(usize::MAX) };
}

struct Limited;

// SAFETY: every request is passed on to the system's allocator unchanged, or refused with a null
// pointer, which the contract of `GlobalAlloc` allows.
unsafe impl GlobalAlloc for Limited {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let granted = BUDGET.with(|budget| {
            let left = budget.get();
            budget.set(left.saturating_sub(usize::from(left != usize::MAX)));
            left > 0
        });
        if granted {
            // SAFETY: the caller's promises about `layout` are handed on.
            unsafe { System.alloc(layout) }
        } else {
            std::ptr::null_mut()
        }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: `pointer` came from `alloc` above, hence from `System`, with this layout.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Limited = Limited;

fn with_budget<R>(allocations: usize, f: impl FnOnce() -> R) -> R {
    BUDGET.set(allocations);
    let result = f();
    BUDGET.set(usize::MAX);
    result
}

/// Runs `attempt` with ever more allocations allowed until it succeeds, and returns how often it
/// failed. `attempt` checks each failure.
fn until_it_works(mut attempt: impl FnMut(usize) -> bool) -> usize {
    (0..20).position(&mut attempt).expect("never works")
}

#[test]
fn slab() {
    let failures = until_it_works(|budget| {
        let mut slab = Slab::new();
        let ids: Vec<_> = (0..32).map(|n| slab.insert(n).unwrap()).collect();
        let result = with_budget(budget, || slab.insert(32));
        assert!(result.is_ok() || result == Err(NoMemory));
        assert_eq!(slab.len(), 32 + usize::from(result.is_ok()));
        for (n, &id) in ids.iter().enumerate() {
            assert_eq!(slab.get(id), Some(&(n as i32)));
        }
        // A failure leaves nothing behind that a later success would trip over.
        assert!(slab.insert(33).is_ok());
        result.is_ok()
    });
    assert!(failures > 0);
}

#[test]
fn giving_memory_back_needs_none() {
    let mut slab = Slab::new();
    let ids: Vec<_> = (0..5000).map(|n| slab.insert(n).unwrap()).collect();
    with_budget(0, || {
        for id in ids {
            assert!(slab.remove(id).is_some());
        }
    });
    assert!(slab.is_empty());
    assert_eq!(slab.capacity(), 32);
}

fn entry() -> Entry<()> {
    Entry {
        desc: Id::from_raw(1 << 32).unwrap(),
        rights: Rights::FULL,
        lease: None,
        cloexec: false,
    }
}

#[test]
fn table() {
    for number in [0, 5000, UPPER_FDTBL_TAG | 70] {
        let failures = until_it_works(|budget| {
            let mut table = Table::new();
            table.insert_at(200, entry()).unwrap();
            let result = with_budget(budget, || table.insert_at(number, entry()));
            assert!(result == Ok(()) || result == Err(InsertError::NoMemory));
            assert_eq!(table.get(number).is_some(), result.is_ok());
            assert_eq!(table.len(), 1 + usize::from(result.is_ok()));
            assert!(table.get(200).is_some());
            assert_eq!(table.iter().count(), table.len());
            while table.pop_first().is_some() {}
            assert_eq!(table.memory(), 0);
            result.is_ok()
        });
        assert!(failures > 0, "{number:#x}");
    }
    let mut table = Table::new();
    for n in 0..1000 {
        table.insert_at(n * 64, entry()).unwrap();
    }
    let failures = (0..100)
        .take_while(|&budget| with_budget(budget, || table.try_clone()).is_err())
        .count();
    assert_eq!(failures, 100);
    assert_eq!(table.len(), 1000);
}

#[test]
fn leases() {
    let failures = until_it_works(|budget| {
        let mut leases = Leases::new();
        let all: Vec<_> = (0..31).map(|_| leases.derive(None, 0).unwrap()).collect();
        let joined = leases.join(all[0], all[1]).unwrap();
        let result = with_budget(budget, || leases.join(all[2], all[3]));
        assert!(result.is_ok() || result == Err(LeaseError::NoMemory));
        assert_eq!(leases.len(), 32 + usize::from(result.is_ok()));
        assert_eq!(leases.join(all[1], all[0]), Ok(joined));
        assert_eq!(leases.revoke(all[2]), 1 + usize::from(result.is_ok()));
        result.is_ok()
    });
    assert!(failures > 0);
}

#[test]
fn joins_are_made_without_a_table_to_find_them_in() {
    let mut leases = Leases::new();
    let all: Vec<_> = (0..2).map(|_| leases.derive(None, 0).unwrap()).collect();
    // The slab has room, the table of joins has none.
    let first = with_budget(0, || leases.join(all[0], all[1])).unwrap();
    let second = leases.join(all[0], all[1]).unwrap();
    assert_ne!(first, second);
    leases.release(first);
    assert_eq!(leases.join(all[0], all[1]), Ok(second));
    assert_eq!(leases.revoke(all[1]), 2);
    assert_eq!(leases.len(), 1);
}

#[test]
fn timers() {
    let failures = until_it_works(|budget| {
        let mut timers = Timers::new();
        for n in 0..32 {
            timers.set(n, n).unwrap();
        }
        let result = with_budget(budget, || timers.set(100, 100));
        assert_eq!(timers.len(), 32 + usize::from(result.is_ok()));
        let expired: Vec<_> = std::iter::from_fn(|| timers.pop_expired(99)).collect();
        assert!(expired.iter().map(|(_, n)| *n).eq(0..32));
        result.is_ok()
    });
    assert!(failures > 0);
}

#[test]
fn events() {
    let failures = until_it_works(|budget| {
        let mut events = Events::new();
        let queue = events.create(100).unwrap();
        let mut subject = None;
        let read = EventFlags::EVENT_READ;
        let result = with_budget(budget, || {
            events.register(queue, &mut subject, 1, read, 2, read)
        });
        assert!(result.is_ok() || result == Err(RegisterError::NoMemory));
        let made = usize::from(result.is_ok());
        assert_eq!(events.counts(), (1, made, made));
        assert_eq!(subject.is_some(), result.is_ok());
        assert_eq!(events.pending(queue), made);
        events.destroy(queue);
        assert_eq!(events.counts(), (0, 0, 0));
        result.is_ok()
    });
    assert!(failures > 0);
}
