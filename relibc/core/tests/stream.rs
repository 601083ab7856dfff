//! The stream state machine against a model that has no buffer.

use proptest::prelude::*;
use relibc_core::errno::{self, Errno};
use relibc_core::stream::{Buffering, Device, Memory, MemoryDevice, Seek, Stream, Terminator};

/// A growing array as memory.
#[derive(Debug, Default)]
struct Array(Vec<u8>, bool);

impl Memory for Array {
    fn capacity(&self) -> usize {
        self.0.len()
    }
    fn load(&self, at: usize, out: &mut [u8]) {
        out.copy_from_slice(&self.0[at..at + out.len()]);
    }
    fn save(&mut self, at: usize, data: &[u8]) {
        self.0[at..at + data.len()].copy_from_slice(data);
    }
    fn grow(&mut self, size: usize) -> Result<(), Errno> {
        if !self.1 {
            return Err(errno::ENOSPC);
        }
        self.0.resize(size, 0);
        Ok(())
    }
}

/// Takes and gives only a few bytes at a time, as pipes and terminals do.
struct Short(MemoryDevice<Array>, usize);

impl Device for Short {
    fn read(&mut self, b: &mut [u8]) -> Result<usize, Errno> {
        let n = b.len().min(self.1);
        self.0.read(&mut b[..n])
    }
    fn write(&mut self, d: &[u8]) -> Result<usize, Errno> {
        self.0.write(&d[..d.len().min(self.1)])
    }
    fn seek(&mut self, to: Seek) -> Result<u64, Errno> {
        self.0.seek(to)
    }
}

#[derive(Clone, Debug)]
enum Op {
    Write(Vec<u8>),
    Read(usize),
    Seek(Seek),
    Unget(u8),
    Flush,
    Line,
    Tell,
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        proptest::collection::vec(prop_oneof![Just(b'\n'), any::<u8>()], 0..40).prop_map(Op::Write),
        (0usize..40).prop_map(Op::Read),
        (0i64..80).prop_map(|o| Op::Seek(Seek::Start(o))),
        (-20i64..20).prop_map(|o| Op::Seek(Seek::Current(o))),
        (-20i64..20).prop_map(|o| Op::Seek(Seek::End(o))),
        any::<u8>().prop_map(Op::Unget),
        Just(Op::Flush),
        Just(Op::Line),
        Just(Op::Tell),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]
    #[test]
    fn behaves_like_an_unbuffered_file(
        ops in proptest::collection::vec(op(), 1..40),
        buffering in prop_oneof![Just(Buffering::Full), Just(Buffering::Line), Just(Buffering::None)],
        size in 1usize..20,
        short in 1usize..9,
    ) {
        let mut stream = Stream::new(Short(MemoryDevice::new(Array(Vec::new(), true), 0, false, Terminator::None), short), true, true, false);
        stream.set_buffering(buffering, size).unwrap();
        let mut model: Vec<u8> = Vec::new();
        let mut at = 0usize;
        let mut pushed: Vec<u8> = Vec::new();
        for op in ops {
            match op {
                Op::Write(data) => {
                    // C wants a seek between reading and writing; ours drops push-back by itself.
                    stream.seek(Seek::Start(at as i64)).unwrap();
                    pushed.clear();
                    prop_assert_eq!(stream.write(&data), (data.len(), Ok(())));
                    if !data.is_empty() {
                        if model.len() < at + data.len() { model.resize(at + data.len(), 0); }
                        model[at..at + data.len()].copy_from_slice(&data);
                    }
                    at += data.len();
                }
                Op::Read(n) => {
                    stream.clear_indicators();
                    let mut out = vec![0; n];
                    let (got, result) = stream.read(&mut out);
                    prop_assert_eq!(result, Ok(()));
                    let mut want = Vec::new();
                    while want.len() < n {
                        if let Some(b) = pushed.pop() { want.push(b); continue; }
                        let Some(b) = model.get(at) else { break };
                        want.push(*b);
                        at += 1;
                    }
                    prop_assert_eq!(&out[..got], &want[..]);
                    prop_assert_eq!(stream.is_eof(), want.len() < n);
                }
                Op::Line => {
                    stream.clear_indicators();
                    let mut out = Vec::new();
                    stream.read_until(b'\n', usize::MAX, &mut out).unwrap();
                    let mut want = Vec::new();
                    while want.last() != Some(&b'\n') {
                        if let Some(b) = pushed.pop() { want.push(b); continue; }
                        let Some(b) = model.get(at) else { break };
                        want.push(*b);
                        at += 1;
                    }
                    prop_assert_eq!(out, want);
                }
                Op::Seek(to) => {
                    let visible = at as i64 - pushed.len() as i64;
                    let target = match to { Seek::Start(o) => o, Seek::Current(o) => visible + o, Seek::End(o) => {
                        at = at.saturating_sub(pushed.len());
                        pushed.clear();
                        stream.flush().unwrap();
                        model.len() as i64 + o
                    } };
                    let got = stream.seek(to);
                    if target < 0 {
                        prop_assert_eq!(got, Err(errno::EINVAL));
                        // An impossible target leaves the position alone; normalise both sides.
                        stream.seek(Seek::Start(at as i64)).unwrap();
                        pushed.clear();
                    } else {
                        prop_assert_eq!(got, Ok(target as u64));
                        at = target as usize;
                        pushed.clear();
                    }
                }
                Op::Unget(b) => {
                    stream.unget(b).unwrap();
                    // Pushing back the byte just read is a step back; the model cannot tell them apart.
                    pushed.push(b);
                }
                Op::Flush => {
                    // The position is the program's, which each byte pushed back has moved back.
                    at = at.saturating_sub(pushed.len());
                    pushed.clear();
                    stream.flush().unwrap();
                    prop_assert_eq!(stream.device_mut().seek(Seek::Current(0)), Ok(at as u64));
                }
                Op::Tell => {
                    let visible = at as i64 - pushed.len() as i64;
                    prop_assert_eq!(stream.tell().unwrap(), visible.max(0) as u64);
                }
            }
        }
        stream.flush().unwrap();
        let device = &stream.device().0;
        prop_assert_eq!(&device.memory.0[..device.size()], &model[..]);
    }
}

#[test]
fn fixed_memory_takes_what_fits_and_then_fails() {
    let mut s = Stream::new(
        MemoryDevice::new(Array(vec![0; 8], false), 0, false, Terminator::WithRoom),
        true,
        true,
        false,
    );
    let (n, r) = s.write(b"0123456789");
    assert_eq!((n, r), (10, Ok(())));
    assert_eq!(s.flush(), Err(errno::ENOSPC));
    assert!(s.is_error());
    assert_eq!(s.device().memory.0, b"01234567");
}

#[test]
fn line_buffering_writes_at_newlines_only() {
    let mut s = Stream::new(
        MemoryDevice::new(Array(Vec::new(), true), 0, false, Terminator::None),
        false,
        true,
        false,
    );
    s.set_buffering(Buffering::Line, 64).unwrap();
    s.write(b"abc").1.unwrap();
    assert_eq!(s.device().size(), 0);
    s.write(b"d\ne").1.unwrap();
    // What follows the newline waits for its own.
    assert_eq!(s.device().size(), 5);
    assert_eq!(s.get(), Err(errno::EBADF));
}

#[test]
fn another_buffering_takes_effect_when_output_waits() {
    let memory = MemoryDevice::new(Array(Vec::new(), true), 0, false, Terminator::None);
    let mut s = Stream::new(memory, false, true, false);
    s.write(b"abc").1.unwrap();
    s.set_buffering(Buffering::None, 0).unwrap();
    assert_eq!(s.device().memory.0, b"abc");
    s.write(b"d").1.unwrap();
    assert_eq!(s.device().memory.0, b"abcd");
}

#[test]
fn a_failed_write_keeps_the_rest_for_later() {
    struct Flaky(Vec<u8>, u32);
    impl Device for Flaky {
        fn read(&mut self, _: &mut [u8]) -> Result<usize, Errno> {
            Ok(0)
        }
        fn write(&mut self, d: &[u8]) -> Result<usize, Errno> {
            self.1 += 1;
            if self.1 == 2 {
                return Err(errno::EAGAIN);
            }
            self.0.extend_from_slice(&d[..3.min(d.len())]);
            Ok(3.min(d.len()))
        }
        fn seek(&mut self, _: Seek) -> Result<u64, Errno> {
            Err(errno::ESPIPE)
        }
    }
    let mut s = Stream::new(Flaky(Vec::new(), 0), false, true, false);
    s.write(b"abcdefgh").1.unwrap();
    assert_eq!(s.flush(), Err(errno::EAGAIN));
    assert!(s.is_error());
    s.flush().unwrap();
    assert_eq!(s.device().0, b"abcdefgh");
}

#[test]
fn text_that_fills_memory_which_is_only_written_ends_with_zero() {
    let rows: [(Terminator, &[u8], &[u8]); 6] = [
        (Terminator::Always, b"abc", b"abc\0"),
        (Terminator::Always, b"abcd", b"abc\0"),
        (Terminator::Always, b"abcdef", b"abc\0"),
        (Terminator::WithRoom, b"abc", b"abc\0"),
        (Terminator::WithRoom, b"abcd", b"abcd"),
        (Terminator::None, b"abc", b"abc#"),
    ];
    for (terminator, text, want) in rows {
        let memory = MemoryDevice::new(Array(b"####".to_vec(), false), 0, false, terminator);
        let mut s = Stream::new(memory, false, true, false);
        s.write(text).1.unwrap();
        let _ = s.flush();
        assert_eq!(s.device().memory.0, want, "{terminator:?} {text:?}");
    }
}

#[test]
fn a_line_that_an_error_interrupts_is_read_whole_by_the_next_try() {
    struct Late(std::vec::IntoIter<Result<&'static [u8], Errno>>);
    impl Device for Late {
        fn read(&mut self, b: &mut [u8]) -> Result<usize, Errno> {
            let piece = self.0.next().unwrap_or(Ok(b""))?;
            b[..piece.len()].copy_from_slice(piece);
            Ok(piece.len())
        }
        fn write(&mut self, d: &[u8]) -> Result<usize, Errno> {
            Ok(d.len())
        }
        fn seek(&mut self, _: Seek) -> Result<u64, Errno> {
            Err(errno::ESPIPE)
        }
    }
    let pieces = vec![
        Ok(&b"one\ntw"[..]),
        Err(errno::EAGAIN),
        Ok(b"o an"),
        Err(errno::EINTR),
        Ok(b"d more\n"),
    ];
    let mut s = Stream::new(Late(pieces.into_iter()), true, false, false);
    let mut out = b"kept:".to_vec();
    let mut results = Vec::new();
    for _ in 0..4 {
        results.push(s.read_until(b'\n', usize::MAX, &mut out));
    }
    assert_eq!(
        results,
        [Ok(()), Err(errno::EAGAIN), Err(errno::EINTR), Ok(())]
    );
    assert_eq!(out, b"kept:one\ntwo and more\n");
}
