use super::*;
use alloc::collections::BTreeSet;
use syscall::flag::O_RDWR;
use syscall::schemev2::SqeFlags;

/// Memory of the host; where it is does not matter to anybody.
struct Heap {
    bytes: Vec<u8>,
    /// Its pages that take memory.
    taken: BTreeSet<usize>,
    /// There is no way to give any back.
    keeps: bool,
    /// There is no more.
    full: bool,
}

impl Heap {
    fn take(&mut self, range: Range<usize>) {
        if !range.is_empty() {
            self.taken
                .extend(range.start / PAGE..range.end.div_ceil(PAGE));
        }
    }
}

impl Memory for Heap {
    fn reserve(longest: usize) -> Result<Self> {
        Ok(Self {
            bytes: vec![0; longest.min(1 << 14)],
            taken: BTreeSet::new(),
            keeps: false,
            full: false,
        })
    }
    fn read(&self, at: usize, to: &mut [u8]) {
        to.copy_from_slice(&self.bytes[at..at + to.len()]);
    }
    fn write(&mut self, at: usize, from: &[u8]) -> bool {
        if self.full {
            return false;
        }
        self.take(at..at + from.len());
        self.bytes[at..at + from.len()].copy_from_slice(from);
        true
    }
    fn clear(&mut self, range: Range<usize>) {
        self.take(range.clone());
        self.bytes[range].fill(0);
    }
    fn renew(&mut self, pages: Range<usize>) -> bool {
        if self.keeps {
            return false;
        }
        assert!(pages.start.is_multiple_of(PAGE) && pages.end.is_multiple_of(PAGE));
        self.taken.retain(|page| !pages.contains(&(page * PAGE)));
        let end = self.bytes.len();
        self.bytes[pages.start.min(end)..pages.end.min(end)].fill(0);
        true
    }
    fn address(&self) -> u64 {
        1 << 40
    }
}

const DEVICE: u64 = 7;

struct World {
    server: Server<Heap>,
    root: u64,
    uid: u64,
}

impl World {
    fn new() -> Self {
        let mut server = Server::new(DEVICE);
        let root = server.root().unwrap();
        Self {
            server,
            root,
            uid: 0,
        }
    }

    fn ask(&mut self, opcode: Opcode, args: [u64; 5], payload: &mut [u8]) -> i64 {
        let [a, b, c, d, e] = args;
        let sqe = Sqe {
            opcode: opcode as u8,
            args: [a, b, c, d, e, self.uid | self.uid << 32],
            ..Sqe::default()
        };
        self.server.handle(&sqe, payload).unwrap().result as i64
    }

    fn open(&mut self, name: &str, flags: usize) -> i64 {
        let mut name = name.as_bytes().to_vec();
        self.ask(
            Opcode::OpenAt,
            [self.root, 0, 0, flags as u64, 0],
            &mut name,
        )
    }

    fn unlink(&mut self, name: &str) -> i64 {
        let mut name = name.as_bytes().to_vec();
        self.ask(Opcode::UnlinkAt, [self.root, 0, 0, 0, 0], &mut name)
    }

    fn tell(&mut self, opcode: Opcode, handle: i64) {
        let sqe = Sqe {
            opcode: opcode as u8,
            sqe_flags: SqeFlags::ONEWAY,
            args: [handle as u64, 0, 0, 0, 0, 0],
            ..Sqe::default()
        };
        assert!(self.server.handle(&sqe, &mut []).is_none());
    }

    fn truncate(&mut self, handle: i64, len: u64) -> i64 {
        let kind = StdFsCallKind::Ftruncate as u64;
        self.ask(Opcode::StdFsCall, [handle as u64, 0, 0, kind, len], &mut [])
    }

    fn map(&mut self, handle: i64, offset: u64, len: u64, flags: MapFlags) -> i64 {
        let args = [handle as u64, len, flags.bits() as u64, offset, 0];
        self.ask(Opcode::MmapPrep, args, &mut [])
    }

    fn write(&mut self, handle: i64, at: u64, text: &str) -> i64 {
        let mut text = text.as_bytes().to_vec();
        self.ask(Opcode::Write, [handle as u64, 0, 0, at, 0], &mut text)
    }

    fn read(&mut self, handle: i64, at: u64) -> String {
        let mut buffer = [0; 32];
        let len = self.ask(Opcode::Read, [handle as u64, 0, 0, at, 0], &mut buffer);
        String::from_utf8(buffer[..len as usize].to_vec()).unwrap()
    }
}

const NEW: usize = O_RDWR | O_CREAT | O_EXCL | 0o600;
const SHARED: MapFlags = MapFlags::MAP_SHARED
    .union(MapFlags::PROT_READ)
    .union(MapFlags::PROT_WRITE);

#[test]
fn names_are_made_opened_and_removed() {
    let mut world = World::new();
    let one = world.open("one", NEW);
    assert!(one > 0);
    assert_eq!(world.open("one", NEW), -i64::from(errno::EEXIST));
    assert_eq!(world.open("two", O_RDWR), -i64::from(errno::ENOENT));
    for bad in ["", "/", "a/b", "..", "a\0"] {
        assert_eq!(world.open(bad, NEW), -i64::from(errno::EINVAL), "{bad:?}");
    }
    world.write(one, 2, "abc");
    let again = world.open("/one", O_RDONLY);
    assert_eq!(world.read(again, 0), "\0\0abc");
    assert_eq!(world.write(again, 0, "x"), -i64::from(errno::EBADF));
    assert_eq!(world.unlink("one"), 0);
    assert_eq!(world.unlink("one"), -i64::from(errno::ENOENT));
    // It is there for those who have it.
    assert_eq!(world.read(one, 4), "c");
    for handle in [one, again] {
        world.tell(Opcode::CloseMsg, handle);
    }
    assert_eq!(world.server.counts(), (0, 1));
    assert_eq!(world.server.of_bytes.held(), 0);
}

#[test]
fn what_is_cut_off_is_gone() {
    let mut world = World::new();
    let one = world.open("one", NEW);
    world.write(one, 0, "secret");
    assert_eq!(world.truncate(one, 2), 0);
    assert_eq!(world.truncate(one, 6), 0);
    assert_eq!(world.read(one, 0), "se\0\0\0\0");
    assert_eq!(
        world.truncate(one, LONGEST as u64 + 1),
        -i64::from(errno::ENOSPC)
    );
    assert!(world.open("one", O_RDWR | O_TRUNC) > 0);
    assert_eq!(world.read(one, 0), "");
}

fn held(world: &World) -> (u64, usize) {
    let pages = world
        .server
        .objects
        .iter()
        .map(|(_, object)| object.memory.taken.len());
    (world.server.of_bytes.held(), pages.sum())
}

#[test]
fn what_is_cut_off_takes_no_memory() {
    let mut world = World::new();
    for number in 0..4 {
        let name = number.to_string();
        let one = world.open(&name, NEW);
        for _ in 0..2 {
            for page in 0..4 {
                assert_eq!(world.write(one, page * PAGE as u64, "secret"), 6);
            }
            assert_eq!(held(&world), (3 * PAGE as u64 + 6, 4));
            assert_eq!(world.truncate(one, PAGE as u64 + 2), 0);
            assert_eq!(held(&world), (PAGE as u64 + 2, 2));
            assert_eq!(world.truncate(one, PAGE as u64 + 6), 0);
            assert_eq!(world.read(one, PAGE as u64), "se\0\0\0\0");
            assert_eq!(world.truncate(one, 0), 0);
            assert_eq!(held(&world), (0, 0));
        }
        // What was never used takes none when it is cut off.
        assert_eq!(world.truncate(one, LONGEST as u64), 0);
        assert!(world.open(&name, O_RDWR | O_TRUNC) > 0);
        assert_eq!(held(&world), (0, 0));
    }
}

#[test]
fn what_is_cut_off_counts_while_it_is_mapped() {
    let mut world = World::new();
    let page = PAGE as u64;
    let one = world.open("one", NEW);
    world.truncate(one, 4 * page);
    for offset in [0, page] {
        assert!(world.map(one, offset, 3 * page, SHARED) > 0);
    }
    for len in [0, page, 3 * page, 10] {
        assert_eq!(world.truncate(one, len), 0);
        assert_eq!(held(&world).0, 4 * page, "{len}");
    }
    world.tell(Opcode::Munmap, one);
    assert_eq!(held(&world).0, 4 * page);
    assert_eq!(world.truncate(one, 5 * page), 0);
    assert_eq!(world.truncate(one, 10), 0);
    assert_eq!(held(&world).0, 5 * page);
    world.tell(Opcode::Munmap, one);
    assert_eq!(held(&world), (10, 1));
    // So does what cannot be given back.
    world.write(one, 2 * page, "secret");
    let key = world.server.names["one"];
    world.server.object(key).unwrap().memory.keeps = true;
    assert_eq!(world.truncate(one, 1), 0);
    assert_eq!(held(&world).0, 2 * page + 6);
    assert_eq!(world.truncate(one, 2 * page + 6), 0);
    assert_eq!(world.read(one, 2 * page), "\0\0\0\0\0\0");
    world.unlink("one");
    world.tell(Opcode::CloseMsg, one);
    assert_eq!(held(&world), (0, 0));
}

#[test]
fn owners_decide() {
    let mut world = World::new();
    world.uid = 5;
    let private = world.open("private", NEW);
    world.open("public", O_RDWR | O_CREAT | 0o644);
    assert!(private > 0);
    world.uid = 6;
    let rows = [
        ("private", O_RDONLY, false),
        ("public", O_RDONLY, true),
        ("public", O_RDWR, false),
        ("public", O_RDONLY | O_TRUNC, false),
    ];
    for (name, flags, may) in rows {
        assert_eq!(world.open(name, flags) > 0, may, "{name} {flags:x}");
    }
    assert_eq!(world.unlink("public"), -i64::from(errno::EPERM));
    world.uid = 0;
    assert!(world.open("private", O_RDWR) > 0);
    assert_eq!(world.unlink("public"), 0);
}

#[test]
fn objects_are_told_apart_by_their_numbers() {
    let mut world = World::new();
    let one = world.open("one", NEW);
    let again = world.open("one", O_RDONLY);
    let two = world.open("two", NEW);
    let mut numbers = |handle: i64| {
        let mut stat = Stat::default();
        let args = [handle as u64, 0, 0, 0, 0];
        assert_eq!(world.ask(Opcode::Fstat, args, &mut stat), 0);
        assert_eq!(stat.st_dev, DEVICE);
        stat.st_ino
    };
    let numbers = [one, again, two].map(&mut numbers);
    assert_eq!(numbers[0], numbers[1]);
    assert_ne!(numbers[0], numbers[2]);
    assert!(!numbers.contains(&0));
}

#[test]
fn mappings_keep_an_object() {
    let mut world = World::new();
    let one = world.open("one", NEW);
    world.truncate(one, 5000);
    let page = PAGE as u64;
    assert_eq!(world.map(one, 0, 5000, SHARED), 1 << 40);
    assert_eq!(world.map(one, page, page, SHARED), (1 << 40) + page as i64);
    let bad = [
        (0, 0),
        (1, 10),
        (2 * page, 1),
        (page, page + 1),
        (page, u64::MAX / 2),
    ];
    for (offset, len) in bad {
        let got = world.map(one, offset, len, SHARED);
        assert_eq!(got, -i64::from(errno::ENXIO), "{offset} {len}");
    }
    let reader = world.open("one", O_RDONLY);
    assert_eq!(world.map(reader, 0, 1, SHARED), -i64::from(errno::EACCES));
    let private = SHARED.difference(MapFlags::MAP_SHARED);
    assert!(world.map(reader, 0, 1, private) > 0);
    world.tell(Opcode::Munmap, reader);
    world.tell(Opcode::CloseMsg, reader);
    world.unlink("one");
    world.tell(Opcode::Munmap, one);
    world.tell(Opcode::Munmap, one);
    world.tell(Opcode::CloseMsg, one);
    assert_eq!(world.server.counts(), (0, 1));
}

/// As programs use it: the descriptor is closed before its mappings are, one of which is another one's.
#[test]
fn an_object_goes_with_the_last_mapping_of_a_closed_handle() {
    let mut world = World::new();
    for _ in 0..2 {
        let (one, two) = (world.open("one", NEW), world.open("two", NEW));
        for handle in [one, one, two] {
            assert_eq!(world.truncate(handle, 1 << 20), 0);
            assert!(world.map(handle, 0, 1, SHARED) > 0);
        }
        for handle in [one, two] {
            world.tell(Opcode::CloseMsg, handle);
        }
        assert_eq!((world.unlink("one"), world.unlink("two")), (0, 0));
        for (handle, objects) in [(one, 2), (two, 1), (one, 0), (one, 0), (two, 0)] {
            world.tell(Opcode::Munmap, handle);
            assert_eq!(world.server.counts(), (objects, 1));
        }
        assert!(world.server.mapped.is_empty());
    }
}

#[test]
fn nothing_else_is_there() {
    let mut world = World::new();
    let one = world.open("one", NEW) as u64;
    let root = world.root;
    let rows = [
        (Opcode::Read, root, errno::EBADF),
        (Opcode::Read, 1 << 40, errno::EBADF),
        (Opcode::Dup, one, errno::EINVAL),
        (Opcode::Fcntl, one, errno::EINVAL),
        (Opcode::Sendfd, one, errno::EOPNOTSUPP),
        (Opcode::OpenAt, one, errno::ENOTDIR),
    ];
    for (opcode, handle, error) in rows {
        let got = world.ask(opcode, [handle, 0, 0, 0, 0], &mut [0; 4]);
        assert_eq!(got, -i64::from(error), "{opcode:?}");
    }
    assert!(world.open("dir", O_RDONLY | O_DIRECTORY | O_CREAT) < 0);
}

#[test]
fn one_user_leaves_room_to_others() {
    type Take = fn(&mut World, usize) -> bool;
    // What is taken one by one, and how much there is of it.
    let rows: [(&str, Take, u64); 3] = [
        (
            "handles",
            |world, _| world.open("all", O_RDWR) > 0,
            // But for the root's, and that of `all`.
            HANDLES,
        ),
        (
            "objects",
            |world, number| {
                let name = format!("{}-{number}", world.uid);
                let handle = world.open(&name, NEW);
                world.tell(Opcode::CloseMsg, handle);
                handle > 0
            },
            OBJECTS,
        ),
        (
            "bytes",
            |world, number| {
                let name = format!("{}-{number}", world.uid);
                let handle = world.open(&name, NEW);
                let done = world.truncate(handle, LONGEST as u64 / 4) == 0;
                world.tell(Opcode::CloseMsg, handle);
                done
            },
            ALL / (LONGEST as u64 / 4),
        ),
    ];
    for (what, take, most) in rows {
        let mut world = World::new();
        let all = world.open("all", O_RDWR | O_CREAT | 0o666);
        let before = (world.server.counts(), world.server.of_bytes.held());
        let mut counts = Vec::new();
        for uid in [1, 2, 3, 4, 5, 0] {
            world.uid = uid;
            let count = (0..most as usize).take_while(|number| take(&mut world, *number));
            counts.push(count.count() as u64);
        }
        assert_eq!(counts[..3], [most / 4; 3], "{what}");
        assert!(counts[3] > 0 && counts[4] == 0, "{what}: {counts:?}");
        assert!(counts[5] + 2 >= most / 16, "{what}: {counts:?}");
        // All of it is given back.
        world.uid = 0;
        let names: Vec<String> = world.server.names.keys().cloned().collect();
        for name in names.iter().filter(|name| *name != "all") {
            assert_eq!(world.unlink(name), 0);
        }
        let handles: Vec<u64> = world
            .server
            .handles
            .iter()
            .map(|(key, _)| key.raw())
            .collect();
        for handle in handles {
            if handle != world.root && handle != all as u64 {
                world.tell(Opcode::CloseMsg, handle as i64);
            }
        }
        let after = (world.server.counts(), world.server.of_bytes.held());
        assert_eq!(after, before, "{what}");
        assert_eq!(world.server.of_handles.held(), 2, "{what}");
        assert_eq!(world.server.of_objects.held(), 1, "{what}");
    }
}
