mod failing;
mod model;
mod unit;

use std::collections::BTreeMap;
use std::vec::Vec;

use super::*;
use crate::machine::sim::Sim;

/// The first address that the tests map at.
const BASE: usize = 0x10_0000;
const PAGE: usize = PAGE_SIZE;

const RW: MapFlags = MapFlags::PROT_READ.union(MapFlags::PROT_WRITE);
const PRIVATE: MapFlags = RW.union(MapFlags::MAP_PRIVATE);
const SHARED: MapFlags = RW.union(MapFlags::MAP_SHARED);

fn request(page: usize, pages: usize, flags: MapFlags) -> Request {
    Request {
        address: BASE + page * PAGE,
        size: pages * PAGE,
        flags,
        min: BASE,
    }
}

fn terms() -> Terms {
    Terms {
        record: None,
        offset: 0,
        max: Prot::ALL,
    }
}

fn at(page: usize) -> usize {
    BASE + page * PAGE
}

/// An operation that releases no record.
fn quiet(mapped: Mapped) {
    panic!("unexpected release: {mapped:?}");
}

/// Writes a number at the start of a page, as the kernel does.
fn put(m: &mut Sim, space: &mut AddrSpace, page: usize, value: u64) -> Result<(), Segv> {
    let physical = space.reach(m, at(page), true)?;
    m.write(physical, &value.to_le_bytes());
    Ok(())
}

/// Reads the number at the start of a page, as the kernel does.
fn take(m: &mut Sim, space: &mut AddrSpace, page: usize) -> Result<u64, Segv> {
    let physical = space.reach(m, at(page), false)?;
    let mut bytes = [0; 8];
    m.read(physical, &mut bytes);
    Ok(u64::from_le_bytes(bytes))
}

/// Checks what must hold of all spaces of a machine at any time, and that no frame is lost. `kept` are
/// the references that the test itself holds.
fn check(m: &Sim, spaces: &[&AddrSpace], kept: &BTreeMap<Frame, u32>) {
    let mut references = kept.clone();
    let mut tables = 0;
    for space in spaces {
        for pair in space.map.iter().collect::<Vec<_>>().windows(2) {
            assert!(pair[0].range.end() <= pair[1].range.start());
        }
        for (page, entry) in m.walk(space.root()) {
            let grant = space.map.find(page).expect("an entry outside every region");
            let region = &grant.content;
            assert_eq!(
                entry.has(Entry::PRESENT),
                !region.prot.is_none(),
                "page {page:#x}"
            );
            assert_eq!(
                entry.has(Entry::NO_EXECUTE),
                !region.prot.contains(Prot::EXEC)
            );
            if entry.has(Entry::WRITE) {
                assert!(region.prot.contains(Prot::WRITE), "page {page:#x}");
                assert!(!entry.has(Entry::COW), "page {page:#x}");
            }
            assert!(region.max.contains(region.prot));
            assert!(!(region.shared && entry.has(Entry::COW)));
            let is_device = matches!(region.kind, Kind::Device { .. });
            assert_eq!(entry.has(Entry::DEVICE), is_device);
            if !is_device {
                *references.entry(entry.frame().unwrap()).or_default() += 1;
            }
        }
        tables += count_tables(m, space.root());
        for (&(root, page), cached) in &m.cache {
            if root == space.root() {
                let now = space.table.get(m, page);
                let stale = now.address() != cached.address()
                    || !now.has(cached.bits() & (Entry::PRESENT | Entry::WRITE));
                assert!(!stale, "page {page:#x} is cached as {cached:?}, is {now:?}");
            }
        }
    }
    assert!(m.stale_tables.is_empty(), "{:?}", m.stale_tables);
    assert_eq!(m.live(Owner::Table), tables, "tables");
    assert_eq!(m.live(Owner::User), references.len(), "frames in use");
    for (frame, count) in references {
        assert_eq!(m.references(frame), count, "{frame:?}");
    }
}

fn count_tables(m: &Sim, root: Frame) -> usize {
    // One for each distinct prefix of the pages that are there, and the root.
    let pages: Vec<usize> = m.walk(root).into_iter().map(|(page, _)| page).collect();
    let mut count = 1;
    for level in 0..3 {
        let mut prefixes: Vec<usize> = pages.iter().map(|page| page >> (9 * (level + 1))).collect();
        prefixes.dedup();
        count += prefixes.len();
    }
    count
}

/// Destroys spaces and checks that nothing is left.
fn finish(m: &mut Sim, spaces: impl IntoIterator<Item = AddrSpace>) {
    for space in spaces {
        space.destroy(m, &mut |_| {});
    }
    assert!(m.frames.is_empty(), "{} frames are left", m.frames.len());
}
