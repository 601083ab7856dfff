//! Single behaviours, one case each.

use core::num::NonZeroU32;
use std::vec;

use super::*;
use crate::paging::USER_START;
use crate::user::UserSlice;
use syscall::{GrantFlags, MremapFlags};

fn start() -> (Sim, AddrSpace) {
    let mut m = Sim::new();
    let space = AddrSpace::new(&mut m).unwrap();
    (m, space)
}

#[test]
fn anonymous_memory_is_zero_and_comes_when_touched() {
    let (mut m, mut s) = start();
    let base = s
        .map_anon(&mut m, &request(0, 1000, PRIVATE), &mut quiet)
        .unwrap();
    assert_eq!(base, at(0));
    assert_eq!(m.live(Owner::User), 0);
    assert_eq!(take(&mut m, &mut s, 999), Ok(0));
    put(&mut m, &mut s, 3, 7).unwrap();
    assert_eq!(take(&mut m, &mut s, 3), Ok(7));
    assert_eq!(m.live(Owner::User), 2);
    assert_eq!(take(&mut m, &mut s, 1000), Err(Segv::Unmapped));
    check(&m, &[&s], &BTreeMap::new());
    s.unmap(&mut m, at(0), 1000 * PAGE, &mut quiet).unwrap();
    assert_eq!(m.frames.len(), 1, "only the root is left");
    finish(&mut m, [s]);
}

#[test]
fn bad_requests_are_refused() {
    let (mut m, mut s) = start();
    let fixed = PRIVATE | MapFlags::MAP_FIXED;
    s.map_anon(&mut m, &request(5, 1, PRIVATE), &mut quiet)
        .unwrap();
    for (address, size, flags, error) in [
        (0, 0, PRIVATE, SpaceError::Invalid),
        (0, PAGE, PRIVATE | MapFlags::MAP_SHARED, SpaceError::Invalid),
        (0, usize::MAX, PRIVATE, SpaceError::Invalid),
        (0, usize::MAX - 2 * PAGE, PRIVATE, SpaceError::NoMemory),
        (0, USER_END, PRIVATE, SpaceError::NoMemory),
        (0, PAGE, fixed, SpaceError::Invalid),
        (PAGE, PAGE, fixed, SpaceError::Invalid),
        (at(0) + 1, PAGE, fixed, SpaceError::Invalid),
        (USER_END, PAGE, fixed, SpaceError::Invalid),
        (USER_END - PAGE, 2 * PAGE, fixed, SpaceError::Invalid),
        (0xffff_8000_0000_0000, PAGE, fixed, SpaceError::Invalid),
        (usize::MAX & !(PAGE - 1), PAGE, fixed, SpaceError::Invalid),
        (
            at(4),
            2 * PAGE,
            PRIVATE | MapFlags::MAP_FIXED_NOREPLACE,
            SpaceError::Exists,
        ),
    ] {
        let request = Request {
            address,
            size,
            flags,
            min: 0,
        };
        assert_eq!(
            s.map_anon(&mut m, &request, &mut quiet),
            Err(error),
            "{request:?}"
        );
        assert_eq!(s.region_count(), 1);
    }
    for (base, size) in [
        (at(5), 0),
        (at(5) + 1, PAGE),
        (0, PAGE),
        (at(5), usize::MAX),
    ] {
        assert_eq!(
            s.unmap(&mut m, base, size, &mut quiet),
            Err(SpaceError::Invalid)
        );
        assert_eq!(s.protect(&mut m, base, size, RW), Err(SpaceError::Invalid));
        assert!(s.lend(&mut m, base, size, Lend::Shared).is_err());
    }
    assert_eq!(
        s.protect(&mut m, at(5), 2 * PAGE, RW),
        Err(SpaceError::NoMemory)
    );
    finish(&mut m, [s]);
}

#[test]
fn addresses_are_chosen_by_hint_then_lowest() {
    let (mut m, mut s) = start();
    let mut map = |address, min| {
        let request = Request {
            address,
            size: 2 * PAGE,
            flags: PRIVATE,
            min,
        };
        s.map_anon(&mut m, &request, &mut quiet).unwrap()
    };
    assert_eq!(map(at(10), 0), at(10));
    assert_eq!(map(at(11), 0), USER_START);
    assert_eq!(map(0, at(9)), at(12));
    assert_eq!(map(at(14) + 5, 0), at(14));
    assert_eq!(map(0, at(7) + 1), at(8));
    finish(&mut m, [s]);
}

#[test]
fn fixed_replaces_only_its_range() {
    let (mut m, mut s) = start();
    s.map_anon(&mut m, &request(0, 5, PRIVATE), &mut quiet)
        .unwrap();
    for page in 0..5 {
        put(&mut m, &mut s, page, 1).unwrap();
    }
    let fixed = SHARED | MapFlags::MAP_FIXED;
    s.map_anon(&mut m, &request(1, 2, fixed), &mut quiet)
        .unwrap();
    let values: Vec<_> = (0..5)
        .map(|page| take(&mut m, &mut s, page).unwrap())
        .collect();
    assert_eq!(values, [1, 0, 0, 1, 1]);
    assert_eq!(s.region_count(), 3);
    finish(&mut m, [s]);
}

#[test]
fn a_full_map_replaces_nothing_that_it_cannot_record() {
    let (mut m, mut s) = start();
    for n in 0..crate::vmap::MAX_GRANTS - 1 {
        let pages = if n == 0 { 3 } else { 1 };
        let rq = request(4 * n, pages, PRIVATE | MapFlags::MAP_FIXED);
        s.map_anon(&mut m, &rq, &mut quiet).unwrap();
    }
    let before: Vec<_> = s.grants().map(|grant| (grant.base, grant.size)).collect();
    let middle = request(1, 1, SHARED | MapFlags::MAP_FIXED);
    assert_eq!(
        s.map_anon(&mut m, &middle, &mut quiet),
        Err(SpaceError::NoMemory)
    );
    assert_eq!(
        s.protect(&mut m, at(1), PAGE, RW | MapFlags::PROT_EXEC),
        Err(SpaceError::NoMemory)
    );
    let after: Vec<_> = s.grants().map(|grant| (grant.base, grant.size)).collect();
    assert_eq!(before, after);
    s.unmap(&mut m, at(8), PAGE, &mut quiet).unwrap();
    s.map_anon(&mut m, &middle, &mut quiet).unwrap();
    assert_eq!(s.region_count(), crate::vmap::MAX_GRANTS);
    finish(&mut m, [s]);
}

#[test]
fn much_is_unmapped_in_parts() {
    let (mut m, mut s) = start();
    s.map_anon(&mut m, &request(0, 1000, PRIVATE), &mut quiet)
        .unwrap();
    s.map_anon(&mut m, &request(2000, 1 << 20, PRIVATE), &mut quiet)
        .unwrap();
    let touched = [0, 1, 2, 3, 500, 998, 999, 2000, 2001, 900_000];
    for page in touched {
        put(&mut m, &mut s, page, 7).unwrap();
    }
    let (base, size) = (at(0), (2000 + (1 << 20)) * PAGE);
    // The first page of each part is one that holds something, and so is none before it.
    for gone in [3, 6, 9] {
        assert_eq!(s.unmap_part(&mut m, base, size, 3, &mut quiet), Ok(false));
        for (n, page) in touched.into_iter().enumerate() {
            let expected = if n < gone { Err(Segv::Unmapped) } else { Ok(7) };
            assert_eq!(take(&mut m, &mut s, page), expected, "page {page}");
        }
        check(&m, &[&s], &BTreeMap::new());
    }
    assert_eq!(s.unmap_part(&mut m, base, size, 3, &mut quiet), Ok(true));
    assert_eq!(s.unmap_part(&mut m, base, size, 3, &mut quiet), Ok(true));
    assert_eq!(m.frames.len(), 1, "only the root is left");
    // No limit is too small to go on, and what holds nothing is one part.
    s.map_anon(&mut m, &request(0, 4, PRIVATE), &mut quiet)
        .unwrap();
    put(&mut m, &mut s, 1, 7).unwrap();
    assert_eq!(
        s.unmap_part(&mut m, at(0), 4 * PAGE, 0, &mut quiet),
        Ok(true)
    );
    assert_eq!(
        s.unmap_part(&mut m, at(0) + 1, PAGE, 3, &mut quiet),
        Err(SpaceError::Invalid)
    );
    finish(&mut m, [s]);
}

#[test]
fn protection_is_exact() {
    let (mut m, mut s) = start();
    s.map_anon(&mut m, &request(0, 3, PRIVATE), &mut quiet)
        .unwrap();
    put(&mut m, &mut s, 1, 5).unwrap();
    m.cpu_access(s.root(), at(1), true).unwrap();
    s.protect(&mut m, at(1), PAGE, MapFlags::PROT_READ).unwrap();
    check(&m, &[&s], &BTreeMap::new());
    assert_eq!(put(&mut m, &mut s, 1, 6), Err(Segv::Protection));
    assert_eq!(s.fault(&mut m, at(1), Access::Exec), Err(Segv::Protection));
    assert_eq!(take(&mut m, &mut s, 1), Ok(5));
    s.protect(&mut m, at(0), 3 * PAGE, MapFlags::PROT_NONE)
        .unwrap();
    check(&m, &[&s], &BTreeMap::new());
    assert_eq!(take(&mut m, &mut s, 1), Err(Segv::Protection));
    assert_eq!(take(&mut m, &mut s, 0), Err(Segv::Protection));
    s.protect(&mut m, at(0), 3 * PAGE, PRIVATE | MapFlags::PROT_EXEC)
        .unwrap();
    assert_eq!(s.region_count(), 1);
    assert_eq!(s.fault(&mut m, at(2), Access::Exec), Ok(()));
    assert_eq!(take(&mut m, &mut s, 1), Ok(5));
    put(&mut m, &mut s, 1, 6).unwrap();
    check(&m, &[&s], &BTreeMap::new());
    finish(&mut m, [s]);
}

#[test]
fn committed_pages_are_there() {
    let (mut m, mut s) = start();
    s.map_anon(&mut m, &request(0, 4, PRIVATE), &mut quiet)
        .unwrap();
    put(&mut m, &mut s, 1, 5).unwrap();
    let mut copy = s.clone_cow(&mut m, &mut quiet).unwrap();
    s.commit(&mut m, at(0), 3 * PAGE - 1).unwrap();
    assert_eq!(m.live(Owner::User), 4, "three, and the copy's one");
    for page in 0..3 {
        m.cpu_access(s.root(), at(page), true).unwrap();
    }
    assert!(m.cpu_access(s.root(), at(3), false).is_none());
    assert_eq!(take(&mut m, &mut s, 1), Ok(5));
    assert_eq!(take(&mut m, &mut copy, 1), Ok(5));
    check(&m, &[&s, &copy], &BTreeMap::new());
    s.protect(&mut m, at(2), PAGE, MapFlags::PROT_READ).unwrap();
    for (base, size, error) in [
        (at(0) + 1, PAGE, SpaceError::Invalid),
        (at(0), 0, SpaceError::Invalid),
        (at(0), usize::MAX, SpaceError::Invalid),
        (at(3), 2 * PAGE, SpaceError::NoMemory),
        (at(1), 2 * PAGE, SpaceError::Access),
    ] {
        assert_eq!(s.commit(&mut m, base, size), Err(error), "{base:#x} {size}");
    }
    finish(&mut m, [s, copy]);
}

/// Nothing is cached of pages that cannot be accessed, but the way to their table may be.
#[test]
fn a_table_that_goes_is_forgotten() {
    type Way = fn(&mut Sim, &mut AddrSpace);
    let ways: [Way; 3] = [
        |m, s| s.unmap(m, at(0), PAGE, &mut quiet).unwrap(),
        |m, s| assert_eq!(s.unmap_part(m, at(0), PAGE, 9, &mut quiet), Ok(true)),
        |m, s| {
            let flags = MapFlags::MAP_FIXED | PRIVATE;
            s.map_anon(m, &request(0, 1, flags), &mut quiet).unwrap();
        },
    ];
    for way in ways {
        let (mut m, mut s) = start();
        s.map_anon(&mut m, &request(0, 1, PRIVATE), &mut quiet)
            .unwrap();
        put(&mut m, &mut s, 0, 1).unwrap();
        s.protect(&mut m, at(0), PAGE, MapFlags::PROT_NONE).unwrap();
        let tables = m.live(Owner::Table);
        way(&mut m, &mut s);
        assert_eq!(m.live(Owner::Table), tables - 3);
        check(&m, &[&s], &BTreeMap::new());
        finish(&mut m, [s]);
    }
}

#[test]
fn many_stale_pages_are_one_flush() {
    let (mut m, mut s) = start();
    s.map_anon(&mut m, &request(0, 2 * FLUSH_LIMIT, PRIVATE), &mut quiet)
        .unwrap();
    for page in 0..2 * FLUSH_LIMIT {
        put(&mut m, &mut s, page, 1).unwrap();
        m.cpu_access(s.root(), at(page), true).unwrap();
    }
    s.protect(&mut m, at(0), FLUSH_LIMIT * PAGE, MapFlags::PROT_READ)
        .unwrap();
    assert_eq!(m.full_flushes, 0);
    check(&m, &[&s], &BTreeMap::new());
    s.unmap(&mut m, at(0), 2 * FLUSH_LIMIT * PAGE, &mut quiet)
        .unwrap();
    assert_eq!(m.full_flushes, 1);
    check(&m, &[&s], &BTreeMap::new());
    finish(&mut m, [s]);
}

#[test]
fn a_copy_copies_only_what_is_written_and_the_last_owner_nothing() {
    let (mut m, mut s) = start();
    s.map_anon(&mut m, &request(0, 4, PRIVATE), &mut quiet)
        .unwrap();
    for page in 0..4 {
        put(&mut m, &mut s, page, page as u64).unwrap();
        m.cpu_access(s.root(), at(page), true).unwrap();
    }
    let mut child = s.clone_cow(&mut m, &mut quiet).unwrap();
    check(&m, &[&s, &child], &BTreeMap::new());
    assert_eq!(m.live(Owner::User), 4);
    put(&mut m, &mut child, 1, 100).unwrap();
    assert_eq!((m.copies, m.live(Owner::User)), (1, 5));
    // The other side is alone with its page now.
    put(&mut m, &mut s, 1, 200).unwrap();
    assert_eq!((m.copies, m.live(Owner::User)), (1, 5));
    assert_eq!(take(&mut m, &mut child, 1), Ok(100));
    assert_eq!(take(&mut m, &mut s, 1), Ok(200));
    check(&m, &[&s, &child], &BTreeMap::new());
    child.destroy(&mut m, &mut quiet);
    put(&mut m, &mut s, 2, 9).unwrap();
    assert_eq!(m.copies, 1);
    finish(&mut m, [s]);
}

#[test]
fn a_copy_in_parts_ends_when_the_mappings_change() {
    let (mut m, mut s) = start();
    s.map_anon(&mut m, &request(0, 20, PRIVATE), &mut quiet)
        .unwrap();
    let shared = MapFlags::MAP_SHARED | MapFlags::PROT_READ | MapFlags::PROT_WRITE;
    s.map_anon(&mut m, &request(30, 5, shared), &mut quiet)
        .unwrap();
    for page in 0..10 {
        put(&mut m, &mut s, page, page as u64 + 1).unwrap();
    }
    // Five shared pages are allocated, then ten and these five copied.
    let mut copying = s.begin_copy(&mut m).unwrap();
    let mut parts = 1;
    while s.copy_part(&mut m, &mut copying, 4).unwrap() == Progress::More {
        parts += 1;
        // What is written meanwhile is the writer's, of pages that are copied as of those that are not.
        put(&mut m, &mut s, 9, 100).unwrap();
    }
    assert_eq!(parts, 5);
    let mut copy = copying.finish(&mut quiet);
    put(&mut m, &mut s, 0, 50).unwrap();
    assert_eq!(take(&mut m, &mut copy, 0), Ok(1));
    put(&mut m, &mut copy, 34, 7).unwrap();
    assert_eq!(take(&mut m, &mut s, 34), Ok(7));
    check(&m, &[&s, &copy], &BTreeMap::new());
    for change in 0..3 {
        let mut copying = s.begin_copy(&mut m).unwrap();
        assert_eq!(s.copy_part(&mut m, &mut copying, 8), Ok(Progress::More));
        match change {
            0 => s.unmap(&mut m, at(15), PAGE, &mut quiet).unwrap(),
            1 => s.protect(&mut m, at(0), PAGE, MapFlags::PROT_READ).unwrap(),
            _ => drop(s.map_anon(&mut m, &request(50, 1, PRIVATE), &mut quiet)),
        }
        assert_eq!(s.copy_part(&mut m, &mut copying, 8), Ok(Progress::Stale));
        assert!(copying.give_up().free_part(&mut m, 1000));
        check(&m, &[&s, &copy], &BTreeMap::new());
    }
    finish(&mut m, [s, copy]);
}

#[test]
fn shared_memory_stays_shared_even_if_never_touched() {
    let (mut m, mut s) = start();
    s.map_anon(&mut m, &request(0, 2, SHARED), &mut quiet)
        .unwrap();
    put(&mut m, &mut s, 0, 1).unwrap();
    let mut child = s.clone_cow(&mut m, &mut quiet).unwrap();
    put(&mut m, &mut child, 0, 2).unwrap();
    put(&mut m, &mut child, 1, 3).unwrap();
    assert_eq!(take(&mut m, &mut s, 0), Ok(2));
    assert_eq!(take(&mut m, &mut s, 1), Ok(3));
    check(&m, &[&s, &child], &BTreeMap::new());
    finish(&mut m, [s, child]);
}

#[test]
fn records_are_reported_part_by_part() {
    let (mut m, mut daemon) = start();
    let mut client = AddrSpace::new(&mut m).unwrap();
    daemon
        .map_anon(&mut m, &request(0, 6, PRIVATE), &mut quiet)
        .unwrap();
    let loan = daemon.lend(&mut m, at(0), 6 * PAGE, Lend::Shared).unwrap();
    let terms = Terms {
        record: Some(42),
        offset: 0x10000,
        max: Prot::ALL,
    };
    client
        .map_loan(&mut m, &request(20, 1, RW), loan, &terms, &mut quiet)
        .unwrap();
    assert_eq!(client.region_count(), 1);
    let mut seen = Vec::new();
    let mut child = client
        .clone_cow(&mut m, &mut |mapped| seen.push(mapped))
        .unwrap();
    let whole = Mapped {
        record: 42,
        offset: 0x10000,
        base: at(20),
        size: 6 * PAGE,
        dirty: true,
    };
    assert_eq!(seen, [whole]);

    let mut seen = Vec::new();
    client
        .unmap(&mut m, at(22), 2 * PAGE, &mut |mapped| seen.push(mapped))
        .unwrap();
    let middle = Mapped {
        offset: 0x12000,
        base: at(22),
        size: 2 * PAGE,
        ..whole
    };
    assert_eq!(seen, [middle]);
    assert_eq!(client.region_count(), 2);

    let mut seen = Vec::new();
    client.destroy(&mut m, &mut |mapped| seen.push(mapped));
    let left = Mapped {
        size: 2 * PAGE,
        ..whole
    };
    let right = Mapped {
        offset: 0x14000,
        base: at(24),
        size: 2 * PAGE,
        ..whole
    };
    assert_eq!(seen, [left, right]);

    // A new mapping in its place releases it as well.
    let mut seen = Vec::new();
    let fixed = PRIVATE | MapFlags::MAP_FIXED;
    child
        .map_anon(&mut m, &request(25, 3, fixed), &mut |mapped| {
            seen.push(mapped)
        })
        .unwrap();
    let end = Mapped {
        offset: 0x15000,
        base: at(25),
        size: PAGE,
        ..whole
    };
    assert_eq!(seen, [end]);
    finish(&mut m, [daemon, child]);
}

#[test]
fn lent_pages_are_seen_by_both_and_survive_a_fork_of_the_lender() {
    let (mut m, mut daemon) = start();
    let mut client = AddrSpace::new(&mut m).unwrap();
    daemon
        .map_anon(&mut m, &request(0, 2, PRIVATE), &mut quiet)
        .unwrap();
    put(&mut m, &mut daemon, 0, 1).unwrap();
    let loan = daemon.lend(&mut m, at(0), 2 * PAGE, Lend::Shared).unwrap();
    client
        .map_loan(&mut m, &request(9, 0, RW), loan, &terms(), &mut quiet)
        .unwrap();
    let mut child = daemon.clone_cow(&mut m, &mut quiet).unwrap();
    check(&m, &[&daemon, &client, &child], &BTreeMap::new());
    put(&mut m, &mut daemon, 0, 2).unwrap();
    put(&mut m, &mut child, 0, 3).unwrap();
    assert_eq!(take(&mut m, &mut client, 9), Ok(2));
    put(&mut m, &mut client, 10, 4).unwrap();
    assert_eq!(take(&mut m, &mut daemon, 1), Ok(4));
    assert_eq!(take(&mut m, &mut child, 1), Ok(0));
    // A page that nobody borrows any more is copied on write again.
    client.destroy(&mut m, &mut quiet);
    let copies = m.copies;
    let second = daemon.clone_cow(&mut m, &mut quiet).unwrap();
    assert_eq!(m.copies, copies);
    finish(&mut m, [daemon, child, second]);
}

#[test]
fn lending_a_page_of_a_fork_does_not_lend_the_others() {
    let (mut m, mut parent) = start();
    parent
        .map_anon(&mut m, &request(0, 1, PRIVATE), &mut quiet)
        .unwrap();
    put(&mut m, &mut parent, 0, 1).unwrap();
    let mut child = parent.clone_cow(&mut m, &mut quiet).unwrap();
    let mut client = AddrSpace::new(&mut m).unwrap();
    child
        .protect(&mut m, at(0), PAGE, MapFlags::PROT_READ)
        .unwrap();
    let loan = child.lend(&mut m, at(0), PAGE, Lend::Shared).unwrap();
    client
        .map_loan(&mut m, &request(0, 0, RW), loan, &terms(), &mut quiet)
        .unwrap();
    put(&mut m, &mut client, 0, 2).unwrap();
    assert_eq!(take(&mut m, &mut child, 0), Ok(2));
    assert_eq!(take(&mut m, &mut parent, 0), Ok(1));
    finish(&mut m, [parent, child, client]);
}

#[test]
fn a_snapshot_is_copied_before_the_receiver_writes() {
    let (mut m, mut daemon) = start();
    daemon
        .map_anon(&mut m, &request(0, 2, PRIVATE), &mut quiet)
        .unwrap();
    put(&mut m, &mut daemon, 0, 1).unwrap();
    let mut client = AddrSpace::new(&mut m).unwrap();
    let loan = daemon
        .lend(&mut m, at(0), 2 * PAGE, Lend::Snapshot)
        .unwrap();
    client
        .map_loan(&mut m, &request(0, 0, RW), loan, &terms(), &mut quiet)
        .unwrap();
    assert_eq!(take(&mut m, &mut client, 0), Ok(1));
    put(&mut m, &mut client, 0, 2).unwrap();
    put(&mut m, &mut client, 1, 3).unwrap();
    assert_eq!(take(&mut m, &mut daemon, 0), Ok(1));
    assert_eq!(take(&mut m, &mut daemon, 1), Ok(0));
    check(&m, &[&daemon, &client], &BTreeMap::new());
    finish(&mut m, [daemon, client]);
}

#[test]
fn nobody_gets_more_than_lender_and_terms_allow() {
    let (mut m, mut daemon) = start();
    daemon
        .map_anon(&mut m, &request(0, 1, PRIVATE), &mut quiet)
        .unwrap();
    let mut first = AddrSpace::new(&mut m).unwrap();
    let read = MapFlags::PROT_READ;
    let read_only = Terms {
        max: Prot::READ,
        ..terms()
    };
    let loan = daemon.lend(&mut m, at(0), PAGE, Lend::Shared).unwrap();
    let refused = first.map_loan(&mut m, &request(0, 0, RW), loan, &read_only, &mut quiet);
    assert_eq!(refused, Err(SpaceError::Access));
    let loan = daemon.lend(&mut m, at(0), PAGE, Lend::Shared).unwrap();
    first
        .map_loan(&mut m, &request(0, 0, read), loan, &read_only, &mut quiet)
        .unwrap();
    assert_eq!(
        first.protect(&mut m, at(0), PAGE, RW),
        Err(SpaceError::Access)
    );
    // Nor can it be had by lending on, aliasing or moving.
    let mut second = AddrSpace::new(&mut m).unwrap();
    let loan = first.lend(&mut m, at(0), PAGE, Lend::Shared).unwrap();
    let refused = second.map_loan(&mut m, &request(0, 0, RW), loan, &terms(), &mut quiet);
    assert_eq!(refused, Err(SpaceError::Access));
    let size = PAGE;
    for flags in [MremapFlags::KEEP_OLD, MremapFlags::empty()] {
        let prot = Some(Prot::ALL);
        let to = request(5, 1, MapFlags::empty());
        let refused = first.remap(&mut m, (at(0), size), &to, flags, prot, &mut quiet);
        assert_eq!(refused, Err(SpaceError::Access));
    }
    let to = request(5, 1, RW);
    let refused = second.take_from(&mut m, &mut first, at(0), PAGE, &to, &mut quiet);
    assert_eq!(refused, Err(SpaceError::Access));
    // A snapshot may be written: it is the receiver's own.
    let loan = first.lend(&mut m, at(0), PAGE, Lend::Snapshot).unwrap();
    second
        .map_loan(&mut m, &request(0, 0, RW), loan, &terms(), &mut quiet)
        .unwrap();
    put(&mut m, &mut second, 0, 1).unwrap();
    assert_eq!(take(&mut m, &mut daemon, 0), Ok(0));
    finish(&mut m, [daemon, first, second]);
}

#[test]
fn what_is_lent_for_a_call_goes_back_whole() {
    let call = Lend::Call(NonZeroU32::MIN.saturating_add(1));
    let (mut m, mut caller) = start();
    caller
        .map_anon(&mut m, &request(0, 4, PRIVATE), &mut quiet)
        .unwrap();
    let mut daemon = AddrSpace::new(&mut m).unwrap();
    daemon
        .map_anon(&mut m, &request(9, 1, SHARED), &mut quiet)
        .unwrap();
    for page in [0, 2] {
        let loan = caller.lend(&mut m, at(page), 2 * PAGE, call).unwrap();
        let to = request(page, 0, RW | MapFlags::MAP_FIXED);
        daemon
            .map_loan(&mut m, &to, loan, &terms(), &mut quiet)
            .unwrap();
    }
    // Two loans next to each other stay two, so that one goes back without a cut.
    assert_eq!(daemon.region_count(), 3);
    // What stays until all of it goes is one.
    for page in [10, 11] {
        let frame = [m.alloc(Owner::User).unwrap()];
        let loan = Loan::of_frames(&mut m, &frame).unwrap();
        let to = request(page, 0, RW | MapFlags::MAP_FIXED);
        daemon
            .map_loan(&mut m, &to, loan.for_call(STANDING), &terms(), &mut quiet)
            .unwrap();
        m.release(frame[0]);
    }
    assert_eq!(daemon.region_count(), 4);
    daemon.unmap(&mut m, at(10), 2 * PAGE, &mut quiet).unwrap();
    put(&mut m, &mut daemon, 1, 7).unwrap();
    assert_eq!(take(&mut m, &mut caller, 1), Ok(7));
    for way in [Lend::Shared, Lend::Snapshot] {
        let refused = daemon.lend(&mut m, at(1), PAGE, way);
        assert_eq!(refused.err(), Some(SpaceError::Access));
    }
    for flags in [
        MremapFlags::empty(),
        MremapFlags::KEEP_OLD,
        MremapFlags::FIXED,
        MremapFlags::FIXED_REPLACE,
    ] {
        let to = request(20, 1, MapFlags::empty());
        let refused = daemon.remap(&mut m, (at(0), PAGE), &to, flags, None, &mut quiet);
        assert_eq!(refused, Err(SpaceError::Access), "{flags:?}");
    }
    let mut third = AddrSpace::new(&mut m).unwrap();
    let to = request(0, 1, RW);
    let refused = third.take_from(&mut m, &mut daemon, at(0), PAGE, &to, &mut quiet);
    assert_eq!(refused, Err(SpaceError::Access));
    // A call of the daemon's own may have it, and as little may be done with it there.
    let loan = daemon.lend(&mut m, at(0), PAGE, call).unwrap();
    third
        .map_loan(&mut m, &to, loan, &terms(), &mut quiet)
        .unwrap();
    let refused = third.lend(&mut m, at(0), PAGE, Lend::Shared);
    assert_eq!(refused.err(), Some(SpaceError::Access));
    // Nor may it be passed off with other memory as lent for a later call.
    let mixed = daemon.lend(&mut m, at(0), 4 * PAGE, Lend::Call(NonZeroU32::MAX));
    mixed.unwrap().release(&mut m);
    daemon
        .map_anon(&mut m, &request(4, 1, SHARED), &mut quiet)
        .unwrap();
    for (page, pages) in [(0, 5), (3, 2)] {
        let mixed = daemon.lend(&mut m, at(page), pages * PAGE, Lend::Call(NonZeroU32::MAX));
        assert_eq!(mixed.err(), Some(SpaceError::Access));
    }
    daemon.unmap(&mut m, at(4), PAGE, &mut quiet).unwrap();
    // A copy has what is shared, but not what is lent.
    let mut child = daemon.clone_cow(&mut m, &mut quiet).unwrap();
    assert_eq!((child.region_count(), child.page_count()), (1, 1));
    assert_eq!(take(&mut m, &mut child, 1), Err(Segv::Unmapped));
    put(&mut m, &mut child, 9, 3).unwrap();
    assert_eq!(take(&mut m, &mut daemon, 9), Ok(3));
    check(&m, &[&caller, &daemon, &third, &child], &BTreeMap::new());
    daemon.unmap(&mut m, at(0), 2 * PAGE, &mut quiet).unwrap();
    assert_eq!(take(&mut m, &mut daemon, 1), Err(Segv::Unmapped));
    assert_eq!(take(&mut m, &mut caller, 1), Ok(7));
    finish(&mut m, [caller, daemon, third, child]);
}

#[test]
fn what_is_lent_on_ends_with_the_first_call() {
    let (mut m, mut caller) = start();
    let [outer, inner] = [1, 2].map(|n| NonZeroU32::new(n).unwrap());
    caller
        .map_anon(&mut m, &request(0, 3, PRIVATE), &mut quiet)
        .unwrap();
    let mut spaces = [(); 3].map(|()| AddrSpace::new(&mut m).unwrap());
    let mut loan = caller
        .lend(&mut m, at(0), 3 * PAGE, Lend::Call(outer))
        .unwrap();
    for space in &mut spaces {
        space
            .map_loan(&mut m, &request(0, 0, RW), loan, &terms(), &mut quiet)
            .unwrap();
        loan = space
            .lend(&mut m, at(0), 3 * PAGE, Lend::Call(inner))
            .unwrap();
        assert_eq!(loan.call(), Some(outer));
    }
    loan.release(&mut m);
    let [proxy, middle, last] = &mut spaces;
    put(&mut m, last, 1, 5).unwrap();
    assert_eq!(take(&mut m, &mut caller, 1), Ok(5));
    proxy.unmap(&mut m, at(0), 3 * PAGE, &mut quiet).unwrap();
    // It was cut meanwhile.
    last.protect(&mut m, at(2), PAGE, MapFlags::PROT_READ)
        .unwrap();
    last.revoke(&mut m, at(0), 3 * PAGE, inner);
    assert_eq!(take(&mut m, last, 1), Ok(5));
    for space in [&mut *middle, &mut *last] {
        space.revoke(&mut m, at(0), 3 * PAGE, outer);
        assert_eq!(take(&mut m, space, 1), Ok(0));
        assert_eq!(take(&mut m, space, 2), Ok(0));
        put(&mut m, space, 1, 6).unwrap();
    }
    assert_eq!(take(&mut m, &mut caller, 1), Ok(5));
    // What they have now is still no copy's.
    let child = last.clone_cow(&mut m, &mut quiet).unwrap();
    assert_eq!(child.page_count(), 0);
    check(
        &m,
        &[&caller, proxy, middle, last, &child],
        &BTreeMap::new(),
    );
    finish(&mut m, [caller, child].into_iter().chain(spaces));
}

#[test]
fn devices_are_mapped_lent_and_never_counted() {
    let (mut m, mut driver) = start();
    let physical = 0xfd00_0000;
    let cache = Cache::WriteCombining;
    let rq = request(0, 8, SHARED);
    let base = driver
        .map_device(&mut m, &rq, physical, cache, Prot::ALL, &mut quiet)
        .unwrap();
    assert_eq!(base, at(0));
    let resolved = driver.resolve(&mut m, at(3) + 5, Access::Write);
    assert_eq!(resolved, Ok(physical + 3 * PAGE as u64 + 5));
    // The kernel does not touch it for a program.
    for write in [false, true] {
        assert_eq!(driver.translate(&m, at(3), write), None);
        assert_eq!(driver.reach(&mut m, at(3), write), Err(Segv::Protection));
    }
    assert_eq!(m.live(Owner::User), 0);
    driver.unmap(&mut m, at(1), PAGE, &mut quiet).unwrap();
    let mut client = AddrSpace::new(&mut m).unwrap();
    let loan = driver.lend(&mut m, at(4), 2 * PAGE, Lend::Shared).unwrap();
    client
        .map_loan(&mut m, &request(0, 0, RW), loan, &terms(), &mut quiet)
        .unwrap();
    let resolved = client.resolve(&mut m, at(1), Access::Read);
    assert_eq!(resolved, Ok(physical + 5 * PAGE as u64));
    for (page, pages, way) in [(4, 1, Lend::Snapshot), (0, 3, Lend::Shared)] {
        assert!(driver.lend(&mut m, at(page), pages * PAGE, way).is_err());
    }
    for (physical, size) in [(1, PAGE), (1 << 52, PAGE), (u64::MAX - 0xfff, PAGE), (0, 0)] {
        let request = Request { size, ..rq };
        let result = driver.map_device(&mut m, &request, physical, cache, Prot::ALL, &mut quiet);
        assert_eq!(result, Err(SpaceError::Invalid), "{physical:#x}");
    }
    // One that was mapped to be read stays that.
    let read = request(20, 1, MapFlags::PROT_READ | MapFlags::MAP_SHARED);
    let mut reader = AddrSpace::new(&mut m).unwrap();
    let refused = reader.map_device(&mut m, &rq, physical, cache, Prot::READ, &mut quiet);
    assert_eq!(refused, Err(SpaceError::Access));
    reader
        .map_device(&mut m, &read, physical, cache, Prot::READ, &mut quiet)
        .unwrap();
    let refused = reader.protect(&mut m, at(20), PAGE, RW);
    assert_eq!(refused, Err(SpaceError::Access));
    reader.destroy(&mut m, &mut quiet);
    let child = driver.clone_cow(&mut m, &mut quiet).unwrap();
    check(&m, &[&driver, &client, &child], &BTreeMap::new());
    let listing: Vec<_> = driver
        .grants()
        .map(|grant| (grant.base, grant.offset))
        .collect();
    assert_eq!(
        listing,
        [(at(0), physical), (at(2), physical + 2 * PAGE as u64)]
    );
    finish(&mut m, [driver, client, child]);
}

#[test]
fn contiguous_memory_is_adjacent_and_goes_back_page_by_page() {
    let (mut m, mut s) = start();
    let (base, physical) = s
        .map_contiguous(&mut m, &request(0, 5, SHARED), Prot::ALL, &mut quiet)
        .unwrap();
    assert_eq!(m.live(Owner::User), 5);
    for page in 0..5 {
        assert_eq!(
            s.reach(&mut m, base + page * PAGE, true),
            Ok(physical + (page * PAGE) as u64)
        );
        assert_eq!(take(&mut m, &mut s, page), Ok(0));
    }
    s.unmap(&mut m, at(2), PAGE, &mut quiet).unwrap();
    assert_eq!(m.live(Owner::User), 4);
    let too_much = s.map_contiguous(&mut m, &request(0, 1025, SHARED), Prot::ALL, &mut quiet);
    assert_eq!(too_much, Err(SpaceError::NoMemory));
    check(&m, &[&s], &BTreeMap::new());
    finish(&mut m, [s]);
}

#[test]
fn a_block_is_mapped_again_and_outlives_its_mappings() {
    let (mut m, mut s) = start();
    let block = Loan::contiguous(&mut m, 3).unwrap();
    let first = block.first_address();
    let terms = Terms {
        max: Prot::READ.union(Prot::WRITE),
        ..terms()
    };
    let bases = [0, 1].map(|_| {
        let again = block.again(&mut m).unwrap();
        s.map_loan(&mut m, &request(0, 0, RW), again, &terms, &mut quiet)
            .unwrap()
    });
    for page in 0..3 {
        let wanted = Ok(first + (page * PAGE) as u64);
        for base in bases {
            assert_eq!(s.reach(&mut m, base + page * PAGE, true), wanted);
        }
    }
    for base in bases {
        s.unmap(&mut m, base, 3 * PAGE, &mut quiet).unwrap();
    }
    assert_eq!(m.live(Owner::User), 3);
    block.release(&mut m);
    assert_eq!(m.live(Owner::User), 0);
    finish(&mut m, [s]);
}

#[test]
fn frames_of_the_kernel_outlive_the_mapping() {
    let (mut m, mut s) = start();
    let frames: Vec<_> = (0..3).map(|_| m.alloc(Owner::User).unwrap()).collect();
    let kept: BTreeMap<_, _> = frames.iter().map(|&frame| (frame, 1)).collect();
    let loan = Loan::of_frames(&mut m, &frames).unwrap();
    let base = s
        .map_loan(&mut m, &request(0, 0, RW), loan, &terms(), &mut quiet)
        .unwrap();
    check(&m, &[&s], &kept);
    put(&mut m, &mut s, 1, 77).unwrap();
    assert_eq!(
        s.translate(&m, base + PAGE, true),
        Some(frames[1].address())
    );
    s.unmap(&mut m, base, 3 * PAGE, &mut quiet).unwrap();
    check(&m, &[&s], &kept);
    frames.into_iter().for_each(|frame| m.release(frame));
    finish(&mut m, [s]);
}

#[test]
fn remap_grows_shrinks_and_moves() {
    let (mut m, mut s) = start();
    s.map_anon(&mut m, &request(0, 2, PRIVATE), &mut quiet)
        .unwrap();
    put(&mut m, &mut s, 0, 1).unwrap();
    put(&mut m, &mut s, 1, 2).unwrap();
    let none = MremapFlags::empty();
    let to = |address, pages| Request {
        address,
        size: pages * PAGE,
        flags: MapFlags::empty(),
        min: BASE,
    };
    // In place, as there is room.
    let grown = s.remap(&mut m, (at(0), 2 * PAGE), &to(0, 4), none, None, &mut quiet);
    assert_eq!(grown, Ok(at(0)));
    assert_eq!(s.region_count(), 1);
    assert_eq!(take(&mut m, &mut s, 3), Ok(0));
    // Away, as there is none.
    s.map_anon(&mut m, &request(4, 1, SHARED), &mut quiet)
        .unwrap();
    let grown = s.remap(&mut m, (at(0), 4 * PAGE), &to(0, 6), none, None, &mut quiet);
    assert_eq!(grown, Ok(at(5)));
    assert_eq!(take(&mut m, &mut s, 5), Ok(1));
    assert_eq!(take(&mut m, &mut s, 6), Ok(2));
    assert_eq!(take(&mut m, &mut s, 10), Ok(0));
    assert_eq!(take(&mut m, &mut s, 0), Err(Segv::Unmapped));
    check(&m, &[&s], &BTreeMap::new());
    // Smaller, somewhere else, read-only.
    let fixed = MremapFlags::FIXED;
    let read = Some(Prot::READ);
    let moved = s.remap(
        &mut m,
        (at(5), 6 * PAGE),
        &to(at(20), 2),
        fixed,
        read,
        &mut quiet,
    );
    assert_eq!(moved, Ok(at(20)));
    assert_eq!(take(&mut m, &mut s, 21), Ok(2));
    assert_eq!(put(&mut m, &mut s, 21, 2), Err(Segv::Protection));
    assert_eq!(take(&mut m, &mut s, 7), Err(Segv::Unmapped));
    check(&m, &[&s], &BTreeMap::new());
    for (old, new, flags, error) in [
        ((at(20), 2 * PAGE), to(at(4), 2), fixed, SpaceError::Exists),
        (
            (at(20), 2 * PAGE),
            to(at(21), 2),
            fixed,
            SpaceError::Invalid,
        ),
        (
            (at(20), 2 * PAGE),
            to(at(19), 2),
            MremapFlags::FIXED_REPLACE,
            SpaceError::Invalid,
        ),
        ((at(20), 3 * PAGE), to(at(30), 3), fixed, SpaceError::Fault),
        ((at(20), 2 * PAGE), to(0, 0), none, SpaceError::Invalid),
        ((at(20), 0), to(0, 1), none, SpaceError::Invalid),
        (
            (at(20), 2 * PAGE),
            to(0, usize::MAX >> 12),
            none,
            SpaceError::NoMemory,
        ),
        (
            (at(20), PAGE),
            to(at(30), 2),
            MremapFlags::KEEP_OLD,
            SpaceError::Invalid,
        ),
        (
            (at(20), 2 * PAGE),
            to(USER_END, 1),
            fixed,
            SpaceError::Invalid,
        ),
    ] {
        let result = s.remap(&mut m, old, &new, flags, None, &mut quiet);
        assert_eq!(result, Err(error), "{old:x?} {new:x?}");
        check(&m, &[&s], &BTreeMap::new());
    }
    let replace = MremapFlags::FIXED_REPLACE;
    let moved = s.remap(
        &mut m,
        (at(20), 2 * PAGE),
        &to(at(3), 2),
        replace,
        None,
        &mut quiet,
    );
    assert_eq!(moved, Ok(at(3)));
    assert_eq!(take(&mut m, &mut s, 4), Ok(2));
    finish(&mut m, [s]);
}

#[test]
fn an_alias_is_the_same_memory() {
    for flags in [PRIVATE, SHARED] {
        let (mut m, mut s) = start();
        s.map_anon(&mut m, &request(0, 2, flags), &mut quiet)
            .unwrap();
        put(&mut m, &mut s, 0, 1).unwrap();
        let mut child = s.clone_cow(&mut m, &mut quiet).unwrap();
        let to = request(8, 2, MapFlags::empty());
        let keep = MremapFlags::KEEP_OLD;
        let alias = s.remap(&mut m, (at(0), 2 * PAGE), &to, keep, None, &mut quiet);
        assert_eq!(alias, Ok(at(8)));
        put(&mut m, &mut s, 8, 2).unwrap();
        put(&mut m, &mut s, 1, 3).unwrap();
        assert_eq!(take(&mut m, &mut s, 0), Ok(2));
        assert_eq!(take(&mut m, &mut s, 9), Ok(3));
        let in_child = if flags == SHARED { 2 } else { 1 };
        assert_eq!(take(&mut m, &mut child, 0), Ok(in_child));
        check(&m, &[&s, &child], &BTreeMap::new());
        finish(&mut m, [s, child]);
    }
}

#[test]
fn pages_move_between_spaces_with_their_records() {
    let (mut m, mut from) = start();
    let mut to = AddrSpace::new(&mut m).unwrap();
    from.map_anon(&mut m, &request(0, 3, PRIVATE), &mut quiet)
        .unwrap();
    put(&mut m, &mut from, 0, 1).unwrap();
    put(&mut m, &mut from, 1, 2).unwrap();
    let live = m.live(Owner::User);
    let read = MapFlags::PROT_READ | MapFlags::MAP_FIXED_NOREPLACE;
    let moved = to.take_from(
        &mut m,
        &mut from,
        at(1),
        2 * PAGE,
        &request(30, 0, read),
        &mut quiet,
    );
    assert_eq!(moved, Ok(at(30)));
    assert_eq!(m.live(Owner::User), live);
    assert_eq!(take(&mut m, &mut to, 30), Ok(2));
    assert_eq!(take(&mut m, &mut to, 31), Ok(0));
    assert_eq!(put(&mut m, &mut to, 30, 0), Err(Segv::Protection));
    assert_eq!(take(&mut m, &mut from, 1), Err(Segv::Unmapped));
    assert_eq!(take(&mut m, &mut from, 0), Ok(1));
    let holes = to.take_from(
        &mut m,
        &mut from,
        at(0),
        2 * PAGE,
        &request(40, 0, RW),
        &mut quiet,
    );
    assert_eq!(holes, Err(SpaceError::Fault));
    check(&m, &[&from, &to], &BTreeMap::new());
    finish(&mut m, [from, to]);
}

#[test]
fn the_listing_says_what_is_there() {
    let (mut m, mut s) = start();
    s.map_anon(&mut m, &request(0, 2, PRIVATE), &mut quiet)
        .unwrap();
    s.map_anon(
        &mut m,
        &request(2, 1, SHARED | MapFlags::PROT_EXEC),
        &mut quiet,
    )
    .unwrap();
    let loan = s.lend(&mut m, at(0), PAGE, Lend::Snapshot).unwrap();
    let terms = Terms {
        record: Some(1),
        offset: 0x5000,
        max: Prot::READ,
    };
    let read = MapFlags::PROT_READ;
    s.map_loan(&mut m, &request(5, 0, read), loan, &terms, &mut |_| {})
        .unwrap();
    let listing: Vec<_> = s
        .grants()
        .map(|g| (g.base, g.size, g.flags, g.offset))
        .collect();
    let rw = GrantFlags::GRANT_READ | GrantFlags::GRANT_WRITE;
    let shared = GrantFlags::GRANT_SHARED | GrantFlags::GRANT_EXEC;
    let expected = [
        (at(0), 2 * PAGE, rw | GrantFlags::GRANT_LAZY, 0),
        (at(2), PAGE, rw | shared | GrantFlags::GRANT_LAZY, 0),
        (
            at(5),
            PAGE,
            GrantFlags::GRANT_READ | GrantFlags::GRANT_SCHEME,
            0x5000,
        ),
    ];
    assert_eq!(listing, expected);
    finish(&mut m, [s]);
}

#[test]
fn copies_cross_pages_and_resolve_them() {
    let (mut m, mut a) = start();
    let mut b = AddrSpace::new(&mut m).unwrap();
    a.map_anon(&mut m, &request(0, 4, PRIVATE), &mut quiet)
        .unwrap();
    b.map_anon(&mut m, &request(0, 4, PRIVATE), &mut quiet)
        .unwrap();
    let text: Vec<u8> = (0..9000_u32).map(|n| b'a' + (n % 26) as u8).collect();
    let slice = |base, len| UserSlice::new(base, len).unwrap();
    assert_eq!(
        a.copy_out(&mut m, slice(at(0) + 100, 9000), &text),
        Ok(9000)
    );
    let mut back = vec![0; 9000];
    assert_eq!(
        a.copy_in(&mut m, slice(at(0) + 100, 10_000), &mut back),
        Ok(9000)
    );
    assert_eq!(back, text);
    let from = slice(at(0) + 100, 9000);
    assert_eq!(
        a.copy_to(&mut m, from, &mut b, slice(at(0) + 4000, 8999)),
        Ok(8999)
    );
    back.fill(0);
    assert_eq!(
        b.copy_in(&mut m, slice(at(0) + 4000, 8999), &mut back),
        Ok(8999)
    );
    assert_eq!(back[..8999], text[..8999]);
    assert_eq!(
        a.copy_within(&mut m, slice(at(0) + 100, 300), slice(at(3) - 7, 300)),
        Ok(300)
    );
    assert_eq!(
        a.copy_text(&mut m, slice(at(3) - 7, 300), &mut back)
            .unwrap()
            .as_bytes(),
        &text[..300]
    );
    a.clear_bytes(&mut m, slice(at(0) + 101, 5000)).unwrap();
    a.copy_in(&mut m, from, &mut back).unwrap();
    assert_eq!(
        (back[0], &back[1..5001], back[5001]),
        (text[0], &[0; 5000][..], text[5001])
    );
    // To and from a frame of the kernel's.
    let frame = m.alloc(Owner::Kernel).unwrap();
    let place = frame.address() + 96;
    b.copy_in_frame(&mut m, slice(at(0) + 4000, 4000), place)
        .unwrap();
    a.copy_out_frame(&mut m, slice(at(1) + 50, 4000), place)
        .unwrap();
    a.copy_in(&mut m, slice(at(1) + 50, 4000), &mut back)
        .unwrap();
    assert_eq!(back[..4000], text[..4000]);
    let over = a.copy_in_frame(&mut m, slice(at(1), 4001), place);
    assert_eq!(over, Err(SpaceError::Invalid));
    m.release(frame);
    // What cannot be reached.
    for (base, len, error) in [
        (at(3), PAGE + 1, SpaceError::Fault),
        (at(9), 1, SpaceError::Fault),
        (8, 8, SpaceError::Fault),
    ] {
        assert_eq!(a.copy_in(&mut m, slice(base, len), &mut back), Err(error));
        assert_eq!(a.copy_out(&mut m, slice(base, len), &text), Err(error));
        assert_eq!(a.clear_bytes(&mut m, slice(base, len)), Err(error));
    }
    a.copy_out(&mut m, slice(at(0), 2), &[0xff, 0xfe]).unwrap();
    assert_eq!(
        a.copy_text(&mut m, slice(at(0), 2), &mut back),
        Err(SpaceError::Invalid)
    );
    assert_eq!(
        a.copy_text(&mut m, slice(at(0), 2), &mut [0]),
        Err(SpaceError::Invalid)
    );
    check(&m, &[&a, &b], &BTreeMap::new());
    finish(&mut m, [a, b]);
}

#[test]
fn user_slices_stay_in_the_user_half() {
    for (base, len, valid) in [
        (0, 0, true),
        (usize::MAX, 0, true),
        (USER_START, 1, true),
        (USER_END - 1, 1, true),
        (USER_END - 1, 2, false),
        (USER_END, 1, false),
        (0, USER_END, true),
        (0, USER_END + 1, false),
        (usize::MAX, 1, false),
        (usize::MAX, 2, false),
        (1, usize::MAX, false),
        (0xffff_8000_0000_0000, 8, false),
    ] {
        assert_eq!(
            UserSlice::new(base, len).is_ok(),
            valid,
            "{base:#x}+{len:#x}"
        );
    }
}

#[test]
fn a_remembered_translation_does_not_outlive_the_page() {
    let (mut m, mut s) = start();
    let fresh = |m: &mut Sim, s: &mut AddrSpace| {
        s.map_anon(m, &request(0, 1, PRIVATE | MapFlags::MAP_FIXED), &mut quiet)
            .unwrap();
        put(m, s, 0, 1).unwrap();
        assert_eq!(take(m, s, 0), Ok(1));
    };
    fresh(&mut m, &mut s);
    s.unmap(&mut m, at(0), PAGE, &mut quiet).unwrap();
    assert_eq!(take(&mut m, &mut s, 0), Err(Segv::Unmapped));
    fresh(&mut m, &mut s);
    s.protect(&mut m, at(0), PAGE, MapFlags::PROT_READ).unwrap();
    assert_eq!(put(&mut m, &mut s, 0, 2), Err(Segv::Protection));
    fresh(&mut m, &mut s);
    let mut child = s.clone_cow(&mut m, &mut quiet).unwrap();
    put(&mut m, &mut s, 0, 2).unwrap();
    assert_eq!(take(&mut m, &mut child, 0), Ok(1));
    assert_eq!(take(&mut m, &mut s, 0), Ok(2));
    let to = request(1, 1, MapFlags::empty());
    let fixed = MremapFlags::FIXED;
    s.remap(&mut m, (at(0), PAGE), &to, fixed, None, &mut quiet)
        .unwrap();
    assert_eq!(take(&mut m, &mut s, 0), Err(Segv::Unmapped));
    assert_eq!(s.translate(&m, usize::MAX, false), None);
    finish(&mut m, [s, child]);
}
