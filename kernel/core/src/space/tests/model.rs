//! Random operations on several spaces against a model that knows pages as names of cells.
//!
//! A cell is a memory of one number; pages that are the same memory have the same cell. A page that was
//! lent as a snapshot may show any number that its cell had since, until it is written to.

use proptest::prelude::*;

use super::*;
use syscall::MremapFlags;

/// Pages that the operations use: around a boundary between two tables.
const PAGES: usize = 10;
const SPACES: usize = 3;
const SHIFT: usize = 512 - 256 - 5;

fn real(page: usize) -> usize {
    page + SHIFT
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    /// Memory that nobody touched yet.
    Zero,
    Cell(usize),
    /// The cell, and how many numbers it had had when the snapshot was taken.
    Snapshot(usize, usize),
}

#[derive(Clone, Copy, Debug)]
struct Page {
    source: Source,
    prot: Prot,
    max: Prot,
    shared: bool,
    record: Option<(u32, u64)>,
}

#[derive(Clone, Debug, Default)]
struct Model {
    pages: BTreeMap<usize, Page>,
}

#[derive(Clone, Debug)]
enum Op {
    Anon {
        space: usize,
        at: usize,
        len: usize,
        flags: MapFlags,
    },
    Unmap {
        space: usize,
        at: usize,
        len: usize,
        /// So many pages at a time.
        part: usize,
    },
    Protect {
        space: usize,
        at: usize,
        len: usize,
        prot: Prot,
    },
    Write {
        space: usize,
        at: usize,
        value: u64,
    },
    Read {
        space: usize,
        at: usize,
    },
    Execute {
        space: usize,
        at: usize,
    },
    Fork {
        space: usize,
        to: usize,
    },
    Lend {
        space: usize,
        at: usize,
        len: usize,
        to: usize,
        place: usize,
        way: Lend,
        prot: Prot,
        max: Prot,
        fixed: MapFlags,
        record: Option<u32>,
    },
    Move {
        space: usize,
        at: usize,
        len: usize,
        place: usize,
        new_len: usize,
        replace: bool,
        prot: Option<Prot>,
    },
    Take {
        space: usize,
        at: usize,
        len: usize,
        to: usize,
        place: usize,
        prot: Prot,
        fixed: MapFlags,
    },
}

fn prot() -> impl Strategy<Value = Prot> {
    let rw = Prot::READ.union(Prot::WRITE);
    prop_oneof![
        4 => Just(rw),
        2 => Just(Prot::READ),
        1 => Just(Prot::NONE),
        1 => Just(Prot::ALL),
        1 => Just(Prot::READ.union(Prot::EXEC)),
    ]
}

fn fixed() -> impl Strategy<Value = MapFlags> {
    prop_oneof![
        Just(MapFlags::MAP_FIXED),
        Just(MapFlags::MAP_FIXED_NOREPLACE)
    ]
}

fn op() -> impl Strategy<Value = Op> {
    let run = || (0..SPACES, 0..PAGES, 1..6_usize);
    let place = || 0..PAGES;
    prop_oneof![
        4 => (run(), fixed(), prop::bool::ANY, prot()).prop_map(|((space, at, len), fixed, shared, prot)| {
            let kind = if shared { MapFlags::MAP_SHARED } else { MapFlags::MAP_PRIVATE };
            Op::Anon { space, at, len, flags: fixed | kind | prot.map_flags() }
        }),
        2 => (run(), 1..8_usize).prop_map(|((space, at, len), part)| Op::Unmap { space, at, len, part }),
        2 => (run(), prot()).prop_map(|((space, at, len), prot)| Op::Protect { space, at, len, prot }),
        8 => (0..SPACES, place(), 1..u64::MAX).prop_map(|(space, at, value)| Op::Write { space, at, value }),
        4 => (0..SPACES, place()).prop_map(|(space, at)| Op::Read { space, at }),
        1 => (0..SPACES, place()).prop_map(|(space, at)| Op::Execute { space, at }),
        2 => (0..SPACES, 0..SPACES).prop_map(|(space, to)| Op::Fork { space, to }),
        4 => (run(), 0..SPACES, place(), prop::bool::ANY, prot(), prot(), fixed(), prop::option::of(0..3_u32))
            .prop_map(|((space, at, len), to, place, shared, prot, max, fixed, record)| {
                let way = if shared { Lend::Shared } else { Lend::Snapshot };
                Op::Lend { space, at, len, to, place, way, prot, max, fixed, record }
            }),
        2 => (run(), place(), 1..6_usize, prop::bool::ANY, prop::option::of(prot()))
            .prop_map(|((space, at, len), place, new_len, replace, prot)| {
                Op::Move { space, at, len, place, new_len, replace, prot }
            }),
        2 => (run(), 0..SPACES, place(), prot(), fixed())
            .prop_map(|((space, at, len), to, place, prot, fixed)| {
                Op::Take { space, at, len, to, place, prot, fixed }
            }),
    ]
}

/// The machine, the spaces and what they should be.
struct World {
    m: Sim,
    spaces: Vec<Option<AddrSpace>>,
    models: Vec<Model>,
    /// Every number that each cell has had.
    cells: Vec<Vec<u64>>,
}

/// What an operation that may replace pages reported as released, page by page.
type Reported = Vec<(u32, u64)>;

impl World {
    fn new() -> Self {
        let mut m = Sim::new();
        let spaces = (0..SPACES)
            .map(|_| Some(AddrSpace::new(&mut m).unwrap()))
            .collect();
        let models = std::vec![Model::default(); SPACES];
        Self {
            m,
            spaces,
            models,
            cells: Vec::new(),
        }
    }

    fn cell(&mut self, value: u64) -> usize {
        self.cells.push(std::vec![value]);
        self.cells.len() - 1
    }

    /// The cell of a page that is touched, or lent for good.
    fn own_cell(&mut self, space: usize, page: usize) -> usize {
        let cell = match self.models[space].pages[&page].source {
            Source::Cell(cell) => return cell,
            Source::Zero => self.cell(0),
            Source::Snapshot(..) => {
                let value = self.raw(space, page);
                assert!(self.allowed(space, page).contains(&value));
                self.cell(value)
            }
        };
        self.models[space].pages.get_mut(&page).unwrap().source = Source::Cell(cell);
        cell
    }

    /// The numbers that a page may show.
    fn allowed(&self, space: usize, page: usize) -> Vec<u64> {
        match self.models[space].pages[&page].source {
            Source::Zero => std::vec![0],
            Source::Cell(cell) => std::vec![*self.cells[cell].last().unwrap()],
            Source::Snapshot(cell, since) => self.cells[cell][since - 1..].to_vec(),
        }
    }

    /// The number that is in a page now, without touching it.
    fn raw(&self, space: usize, page: usize) -> u64 {
        let table = &self.spaces[space].as_ref().unwrap().table;
        let entry = table.get(&self.m, at(real(page)) >> PAGE_SHIFT);
        let mut bytes = [0; 8];
        if !entry.is_empty() {
            self.m.read(entry.address(), &mut bytes);
        }
        u64::from_le_bytes(bytes)
    }

    fn covered(&self, space: usize, at: usize, len: usize) -> bool {
        (at..at + len).all(|page| self.models[space].pages.contains_key(&page))
    }

    /// Takes pages out of a model: their records.
    fn drop_pages(&mut self, space: usize, at: usize, len: usize) -> Reported {
        let pages = &mut self.models[space].pages;
        (at..at + len)
            .filter_map(|page| pages.remove(&page)?.record)
            .collect()
    }

    /// Applies an operation to both, and compares what they answer.
    fn apply(&mut self, op: &Op) {
        match *op {
            Op::Anon {
                space,
                at,
                len,
                flags,
            } => {
                let mut reported = Reported::new();
                let rq = request(real(at), len, flags);
                let s = self.spaces[space].as_mut().unwrap();
                let result =
                    s.map_anon(&mut self.m, &rq, &mut |mapped| note(&mut reported, mapped));
                let replaced = self.expect_place(space, at, len, flags, result.map(|_| ()));
                assert_eq!(reported, replaced.unwrap_or_default());
                if result.is_ok() {
                    let page = Page {
                        source: Source::Zero,
                        prot: Prot::from_map_flags(flags),
                        max: Prot::ALL,
                        shared: flags.contains(MapFlags::MAP_SHARED),
                        record: None,
                    };
                    self.models[space]
                        .pages
                        .extend((at..at + len).map(|n| (n, page)));
                }
            }
            Op::Unmap {
                space,
                at,
                len,
                part,
            } => {
                let mut reported = Reported::new();
                let s = self.spaces[space].as_mut().unwrap();
                let mut parts = 0;
                while !s
                    .unmap_part(
                        &mut self.m,
                        super::at(real(at)),
                        len * PAGE,
                        part,
                        &mut |mapped| note(&mut reported, mapped),
                    )
                    .unwrap()
                {
                    parts += 1;
                    assert!(parts < len);
                }
                assert_eq!(reported, self.drop_pages(space, at, len));
            }
            Op::Protect {
                space,
                at,
                len,
                prot,
            } => {
                let s = self.spaces[space].as_mut().unwrap();
                let result = s.protect(
                    &mut self.m,
                    super::at(real(at)),
                    len * PAGE,
                    prot.map_flags(),
                );
                let expected = if !self.covered(space, at, len) {
                    Err(SpaceError::NoMemory)
                } else if self.models[space]
                    .pages
                    .range(at..at + len)
                    .any(|(_, p)| !p.max.contains(prot))
                {
                    Err(SpaceError::Access)
                } else {
                    self.models[space]
                        .pages
                        .range_mut(at..at + len)
                        .for_each(|(_, p)| p.prot = prot);
                    Ok(())
                };
                assert_eq!(result, expected);
            }
            Op::Write { space, at, value } => {
                let prot = self.models[space].pages.get(&at).map(|page| page.prot);
                // First as the processor does, which may have to ask for the page.
                let s = self.spaces[space].as_mut().unwrap();
                let by_cpu = self.m.cpu_access(s.root(), super::at(real(at)), true);
                let result = put(&mut self.m, s, real(at), value);
                match prot {
                    None => assert_eq!((by_cpu, result), (None, Err(Segv::Unmapped))),
                    Some(prot) if !prot.contains(Prot::WRITE) => {
                        assert_eq!((by_cpu, result), (None, Err(Segv::Protection)));
                    }
                    Some(_) => {
                        assert_eq!(result, Ok(()));
                        let page = self.models[space].pages.get_mut(&at).unwrap();
                        match page.source {
                            Source::Cell(cell) => self.cells[cell].push(value),
                            Source::Zero | Source::Snapshot(..) => {
                                let cell = self.cell(value);
                                self.models[space].pages.get_mut(&at).unwrap().source =
                                    Source::Cell(cell);
                            }
                        }
                    }
                }
            }
            Op::Read { space, at } => {
                let s = self.spaces[space].as_mut().unwrap();
                let by_cpu = self.m.cpu_access(s.root(), super::at(real(at)), false);
                let result = take(&mut self.m, s, real(at));
                match self.models[space].pages.get(&at).map(|page| page.prot) {
                    None => assert_eq!((by_cpu, result), (None, Err(Segv::Unmapped))),
                    Some(Prot::NONE) => assert_eq!((by_cpu, result), (None, Err(Segv::Protection))),
                    Some(_) => assert!(self.allowed(space, at).contains(&result.unwrap())),
                }
            }
            Op::Execute { space, at } => {
                let s = self.spaces[space].as_mut().unwrap();
                let result = s.fault(&mut self.m, super::at(real(at)), Access::Exec);
                let expected = match self.models[space].pages.get(&at) {
                    None => Err(Segv::Unmapped),
                    Some(page) if page.prot.contains(Prot::EXEC) => Ok(()),
                    Some(_) => Err(Segv::Protection),
                };
                assert_eq!(result, expected);
            }
            Op::Fork { space, to } if space != to => {
                let mut retained = Reported::new();
                let s = self.spaces[space].as_mut().unwrap();
                let mut copying = s.begin_copy(&mut self.m).unwrap();
                let mut parts = 0;
                while s.copy_part(&mut self.m, &mut copying, 1 + to).unwrap() == Progress::More {
                    parts += 1;
                    assert!(parts < 3 * PAGES);
                }
                let child = copying.finish(&mut |mapped| note(&mut retained, mapped));
                let mut released = Reported::new();
                let old = self.spaces[to].replace(child).unwrap();
                old.destroy(&mut self.m, &mut |mapped| note(&mut released, mapped));
                assert_eq!(released, self.drop_pages(to, 0, PAGES + 8));
                for page in 0..PAGES + 8 {
                    let Some(&old) = self.models[space].pages.get(&page) else {
                        continue;
                    };
                    let mut copy = old;
                    if old.shared {
                        copy.source = Source::Cell(self.own_cell(space, page));
                    } else if let Source::Cell(cell) = old.source {
                        let value = *self.cells[cell].last().unwrap();
                        copy.source = Source::Cell(self.cell(value));
                    }
                    self.models[to].pages.insert(page, copy);
                }
                let records: Reported = self.models[to]
                    .pages
                    .values()
                    .filter_map(|p| p.record)
                    .collect();
                assert_eq!(retained, records);
            }
            Op::Fork { .. } => {}
            Op::Lend {
                space,
                at,
                len,
                to,
                place,
                way,
                prot,
                max,
                fixed,
                record,
            } => {
                self.lend(space, (at, len), to, place, way, (prot, max), fixed, record);
            }
            Op::Move {
                space,
                at,
                len,
                place,
                new_len,
                replace,
                prot,
            } => {
                self.remap(space, (at, len), (place, new_len), replace, prot);
            }
            Op::Take {
                space,
                at,
                len,
                to,
                place,
                prot,
                fixed,
            } if space != to => {
                let mut reported = Reported::new();
                let mut source = self.spaces[space].take().unwrap();
                let target = self.spaces[to].as_mut().unwrap();
                let rq = request(real(place), 0, fixed | prot.map_flags());
                let result = target.take_from(
                    &mut self.m,
                    &mut source,
                    super::at(real(at)),
                    len * PAGE,
                    &rq,
                    &mut |mapped| note(&mut reported, mapped),
                );
                self.spaces[space] = Some(source);
                if !self.covered(space, at, len) {
                    assert_eq!(result, Err(SpaceError::Fault));
                    return;
                }
                let range = self.models[space].pages.range(at..at + len);
                if range.clone().any(|(_, page)| !page.max.contains(prot)) {
                    assert_eq!(result, Err(SpaceError::Access));
                    return;
                }
                let moved: Vec<_> = range
                    .map(|(n, page)| (n - at + place, Page { prot, ..*page }))
                    .collect();
                let replaced = self.expect_place(to, place, len, fixed, result.map(|_| ()));
                assert_eq!(reported, replaced.clone().unwrap_or_default());
                if replaced.is_some() {
                    self.drop_pages(space, at, len);
                    self.models[to].pages.extend(moved);
                }
            }
            Op::Take { .. } => {}
        }
    }

    /// Whether something could be mapped at a fixed place: the records that it replaced, if so.
    fn expect_place(
        &mut self,
        space: usize,
        at: usize,
        len: usize,
        flags: MapFlags,
        result: Result<(), SpaceError>,
    ) -> Option<Reported> {
        let occupied = self.models[space]
            .pages
            .range(at..at + len)
            .next()
            .is_some();
        if occupied && flags.contains(MapFlags::MAP_FIXED_NOREPLACE) {
            assert_eq!(result, Err(SpaceError::Exists));
            return None;
        }
        assert_eq!(result, Ok(()));
        Some(self.drop_pages(space, at, len))
    }

    #[allow(clippy::too_many_arguments)]
    fn lend(
        &mut self,
        space: usize,
        (at, len): (usize, usize),
        to: usize,
        place: usize,
        way: Lend,
        (prot, max): (Prot, Prot),
        fixed: MapFlags,
        record: Option<u32>,
    ) {
        let s = self.spaces[space].as_mut().unwrap();
        let loan = s.lend(&mut self.m, super::at(real(at)), len * PAGE, way);
        if !self.covered(space, at, len) {
            assert_eq!(loan.unwrap_err(), SpaceError::Fault);
            return;
        }
        let pages: Vec<Page> = self.models[space]
            .pages
            .range(at..at + len)
            .map(|(_, p)| *p)
            .collect();
        if pages.iter().any(|page| !page.max.contains(Prot::READ)) {
            assert_eq!(loan.unwrap_err(), SpaceError::Access);
            return;
        }
        let loan = loan.unwrap();
        let mut allowed = max;
        let mut sources = Vec::new();
        for (n, page) in pages.iter().enumerate() {
            if way == Lend::Shared {
                allowed = allowed.intersection(page.max);
                // What its space can never write is not made its own.
                let stays =
                    !page.max.contains(Prot::WRITE) && matches!(page.source, Source::Snapshot(..));
                sources.push(if stays {
                    page.source
                } else {
                    Source::Cell(self.own_cell(space, at + n))
                });
            } else {
                sources.push(match page.source {
                    Source::Snapshot(..) => page.source,
                    _ => {
                        let cell = self.own_cell(space, at + n);
                        Source::Snapshot(cell, self.cells[cell].len())
                    }
                });
            }
        }
        let offset = 0x7000;
        let terms = Terms {
            record,
            offset,
            max,
        };
        let rq = request(real(place), 0, fixed | prot.map_flags());
        let mut reported = Reported::new();
        let target = self.spaces[to].as_mut().unwrap();
        let result = target.map_loan(&mut self.m, &rq, loan, &terms, &mut |mapped| {
            note(&mut reported, mapped)
        });
        if !allowed.contains(prot) {
            assert_eq!(result, Err(SpaceError::Access));
            return;
        }
        let replaced = self.expect_place(to, place, len, fixed, result.map(|_| ()));
        assert_eq!(reported, replaced.clone().unwrap_or_default());
        if replaced.is_some() {
            for (n, source) in sources.into_iter().enumerate() {
                let record = record.map(|record| (record, offset + (n * PAGE) as u64));
                let page = Page {
                    source,
                    prot,
                    max: allowed,
                    shared: way == Lend::Shared,
                    record,
                };
                self.models[to].pages.insert(place + n, page);
            }
        }
    }

    fn remap(
        &mut self,
        space: usize,
        (at, len): (usize, usize),
        (place, new_len): (usize, usize),
        replace: bool,
        prot: Option<Prot>,
    ) {
        let s = self.spaces[space].as_mut().unwrap();
        let last = super::at(real(at + len - 1));
        let growing = s
            .region_at(last)
            .map(|(_, region)| region.kind == Kind::Anon);
        let flags = if replace {
            MremapFlags::FIXED_REPLACE
        } else {
            MremapFlags::FIXED
        };
        let mut reported = Reported::new();
        let to = request(real(place), new_len, MapFlags::empty());
        let old = (super::at(real(at)), len * PAGE);
        let result = s.remap(&mut self.m, old, &to, flags, prot, &mut |mapped| {
            note(&mut reported, mapped)
        });
        let kept = len.min(new_len);
        let overlap = at < place + new_len && place < at + len;
        let model = &self.models[space].pages;
        let denied = prot.is_some_and(|prot| {
            model
                .range(at..at + kept)
                .any(|(_, page)| !page.max.contains(prot))
        });
        let expected = if overlap {
            Some(SpaceError::Invalid)
        } else if !self.covered(space, at, kept) {
            Some(SpaceError::Fault)
        } else if denied {
            Some(SpaceError::Access)
        } else if new_len > len && growing == Some(false) {
            Some(SpaceError::Invalid)
        } else {
            None
        };
        if let Some(error) = expected {
            assert_eq!(result, Err(error));
            return;
        }
        let moved: Vec<Page> = model
            .range(at..at + kept)
            .map(|(_, page)| Page {
                prot: prot.unwrap_or(page.prot),
                ..*page
            })
            .collect();
        let last = moved.last().copied();
        let fixed = if replace {
            MapFlags::MAP_FIXED
        } else {
            MapFlags::MAP_FIXED_NOREPLACE
        };
        let Some(mut replaced) =
            self.expect_place(space, place, new_len, fixed, result.map(|_| ()))
        else {
            return;
        };
        self.drop_pages(space, at, kept);
        replaced.extend(self.drop_pages(space, at + kept, len - kept));
        assert_eq!(reported, replaced);
        let model = &mut self.models[space].pages;
        model.extend(
            moved
                .into_iter()
                .enumerate()
                .map(|(n, page)| (place + n, page)),
        );
        if let Some(last) = last {
            let page = Page {
                source: Source::Zero,
                ..last
            };
            model.extend((kept..new_len).map(|n| (place + n, page)));
        }
    }

    /// Everything that can be seen of the spaces is what the models say.
    fn compare(&self) {
        let spaces: Vec<_> = self.spaces.iter().flatten().collect();
        check(&self.m, &spaces, &BTreeMap::new());
        for (n, space) in spaces.into_iter().enumerate() {
            for page in 0..PAGES + 8 {
                let region = space.region_at(at(real(page)));
                let model = self.models[n].pages.get(&page);
                assert_eq!(region.is_some(), model.is_some(), "space {n}, page {page}");
                let (Some((range, region)), Some(model)) = (region, model) else {
                    continue;
                };
                let skipped = (at(real(page)) - range.base()) as u64;
                let record = region
                    .record
                    .map(|record| (record, region.offset + skipped));
                assert_eq!(
                    (region.prot, region.max, region.shared, record),
                    (model.prot, model.max, model.shared, model.record),
                    "space {n}, page {page}"
                );
                let value = self.raw(n, page);
                assert!(
                    self.allowed(n, page).contains(&value),
                    "space {n}, page {page}: {value}"
                );
            }
        }
    }
}

/// Notes the pages of a report one by one.
fn note(reported: &mut Reported, mapped: Mapped) {
    for n in (0..mapped.size as u64).step_by(PAGE) {
        reported.push((mapped.record, mapped.offset + n));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn spaces_agree_with_the_model(ops in prop::collection::vec(op(), 1..150)) {
        let mut world = World::new();
        for op in &ops {
            world.apply(op);
            world.compare();
        }
        let World { mut m, spaces, .. } = world;
        finish(&mut m, spaces.into_iter().flatten());
    }
}
