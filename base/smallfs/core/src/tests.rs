use super::*;
use syscall::schemev2::SqeFlags;

fn ask<D: Device>(
    server: &mut Server<D>,
    opcode: Opcode,
    args: [u64; 6],
    payload: &mut [u8],
) -> i64 {
    let sqe = Sqe {
        opcode: opcode as u8,
        args,
        ..Sqe::default()
    };
    server.handle(&sqe, payload).unwrap().result as i64
}

fn open<D: Device>(server: &mut Server<D>, root: u64, path: &str, flags: usize) -> i64 {
    let mut path = path.as_bytes().to_vec();
    ask(
        server,
        Opcode::OpenAt,
        [root, 0, 0, flags as u64, 0, 0],
        &mut path,
    )
}

fn close<D: Device>(server: &mut Server<D>, handle: u64) {
    let sqe = Sqe {
        opcode: Opcode::CloseMsg as u8,
        sqe_flags: SqeFlags::ONEWAY,
        args: [handle, 0, 0, 0, 0, 0],
        ..Sqe::default()
    };
    assert!(server.handle(&sqe, &mut []).is_none());
}

const RW: usize = O_RDONLY | O_WRONLY;

#[test]
fn null_and_zero() {
    let mut null = Server::new(Null, 7);
    let root = null.root().unwrap();
    let file = open(&mut null, root, "", RW) as u64;
    assert_eq!(
        ask(&mut null, Opcode::Read, [file, 0, 0, 0, 0, 0], &mut [7; 9]),
        0
    );
    assert_eq!(
        ask(&mut null, Opcode::Write, [file, 0, 0, 0, 0, 0], &mut [7; 9]),
        9
    );
    assert_eq!(open(&mut null, root, "x", RW), -20);
    let mut zero = Server::new(Zero, 7);
    let root = zero.root().unwrap();
    let file = open(&mut zero, root, "", RW) as u64;
    let mut bytes = [7; 9];
    assert_eq!(
        ask(&mut zero, Opcode::Read, [file, 0, 0, 0, 0, 0], &mut bytes),
        9
    );
    assert_eq!(bytes, [0; 9]);
}

#[test]
fn a_read_is_as_long_as_others_can_wait() {
    fn read(device: impl Device, len: usize) -> (i64, Vec<u8>) {
        let mut server = Server::new(device, 7);
        let root = server.root().unwrap();
        let file = open(&mut server, root, "", RW) as u64;
        let mut bytes = vec![7; len];
        let args = [file, 0, 0, 0, 0, 0];
        (ask(&mut server, Opcode::Read, args, &mut bytes), bytes)
    }
    for (len, wanted) in [(1 << 20, 1 << 20), ((1 << 20) + 9, 1 << 20)] {
        let (count, bytes) = read(Zero, len);
        assert_eq!(count, wanted);
        let (read_to, rest) = bytes.split_at(wanted as usize);
        assert!(read_to.iter().all(|byte| *byte == 0) && rest.iter().all(|byte| *byte == 7));
        let (count, bytes) = read(Random::new([1; 32]), len);
        assert_eq!(count, wanted);
        assert!(bytes.iter().skip(wanted as usize).all(|byte| *byte == 7));
    }
}

#[test]
fn what_was_not_opened_for_it_is_refused() {
    let mut zero = Server::new(Zero, 7);
    let root = zero.root().unwrap();
    let read = open(&mut zero, root, "", O_RDONLY) as u64;
    let write = open(&mut zero, root, "", O_WRONLY) as u64;
    let rows = [
        (Opcode::Read, read, 4),
        (Opcode::Write, read, -9),
        (Opcode::Read, write, -9),
        (Opcode::Write, write, 4),
        (Opcode::Read, root, -9),
        (Opcode::Fstat, read, -22),
        (Opcode::Read, 77, -9),
        (Opcode::Sendfd, read, -95),
    ];
    for (opcode, handle, wanted) in rows {
        let got = ask(&mut zero, opcode, [handle, 0, 0, 0, 0, 0], &mut [1; 4]);
        assert_eq!(got, wanted, "{opcode:?} {handle}");
    }
    close(&mut zero, read);
    assert_eq!(
        ask(&mut zero, Opcode::Read, [read, 0, 0, 0, 0, 0], &mut [1; 4]),
        -9
    );
    assert_eq!(zero.handles.len(), 2);
}

#[test]
fn random_bytes_differ_and_depend_on_what_is_written() {
    let take = |random: &mut Random| {
        let mut bytes = [0; 64];
        random.read(&mut (), &mut bytes);
        bytes
    };
    let mut one = Random::new([1; 32]);
    let mut two = Random::new([1; 32]);
    let first = take(&mut one);
    assert_eq!(first, take(&mut two));
    assert_ne!(first, take(&mut one));
    take(&mut two);
    two.write(&mut (), b"x");
    assert_ne!(take(&mut one), take(&mut two));
    let ones: u32 = first.iter().map(|byte| byte.count_ones()).sum();
    assert!((150..360).contains(&ones), "{ones}");
}

#[test]
fn lines_are_logged_whole() {
    let mut log = Server::new(Log::default(), 7);
    let root = log.root().unwrap();
    let a = open(&mut log, root, "a", O_WRONLY) as u64;
    let b = open(&mut log, root, "b", O_WRONLY) as u64;
    let plain = open(&mut log, root, "", RW) as u64;
    for (handle, text) in [(a, "on"), (b, "two\nth"), (a, "e\n"), (plain, "x\n")] {
        let mut text = text.as_bytes().to_vec();
        let len = text.len() as i64;
        assert_eq!(
            ask(&mut log, Opcode::Write, [handle, 0, 0, 0, 0, 0], &mut text),
            len
        );
    }
    close(&mut log, b);
    let wanted = b"b: two\na: one\nx\nb: th\n";
    assert_eq!(log.device().take_fresh(), wanted);
    assert!(log.device().take_fresh().is_empty());
    let mut text = [0; 10];
    let mut all = Vec::new();
    loop {
        let got = ask(&mut log, Opcode::Read, [plain, 0, 0, 0, 0, 0], &mut text);
        if got == 0 {
            break;
        }
        all.extend_from_slice(&text[..got as usize]);
    }
    assert_eq!(all, wanted);
    assert_eq!(open(&mut log, root, "a\x1b", O_WRONLY), -22);
}

#[test]
fn the_log_keeps_its_size() {
    let mut log = Log::default();
    let mut writer = log.open("w").unwrap();
    let mut reader = log.open("").unwrap();
    for _ in 0..10_000 {
        log.write(&mut writer, b"0123456789\n");
    }
    log.write(&mut writer, &[b'a'; 3000]);
    let mut text = vec![0; 1 << 20];
    let len = log.read(&mut reader, &mut text);
    assert_eq!(len, 1 << 16);
    assert!(text[..len].ends_with(b"aaa\n"));
    assert_eq!(log.read(&mut reader, &mut text), 0);
}

#[test]
fn one_user_leaves_handles_to_others() {
    let mut null = Server::new(Null, 7);
    let root = null.root().unwrap();
    let mut opened = Vec::new();
    let mut counts = Vec::new();
    for uid in [1, 2, 3, 4, 5, 0] {
        let before = opened.len();
        loop {
            let ids = uid | uid << 32;
            let args = [root, 0, 0, O_RDONLY as u64, 0, ids];
            match ask(&mut null, Opcode::OpenAt, args, &mut []) {
                handle @ 0.. => opened.push(handle as u64),
                error => break assert_eq!(error, -i64::from(errno::ENFILE)),
            }
        }
        counts.push((opened.len() - before) as u64);
    }
    let quarter = HANDLES / 4;
    let left = HANDLES / 16;
    // The root is the superuser's.
    assert_eq!(
        counts,
        [quarter, quarter, quarter, quarter - left - 1, 0, left]
    );
    for handle in opened {
        close(&mut null, handle);
    }
    assert_eq!((null.handles.len(), null.shares.held()), (1, 1));
}
