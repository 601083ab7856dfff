use std::collections::VecDeque;
use std::convert::Infallible;

use kernel_core::pipe::{ATOMIC, CAPACITY, End, PAGE, Pages, Pipe, PipeError};
use proptest::prelude::*;
use syscall::flag::EventFlags;

/// Pages of the host, counted, with a limit.
struct Memory {
    used: usize,
    limit: usize,
}

const PLENTY: Memory = Memory {
    used: 0,
    limit: usize::MAX,
};

impl Pages for Memory {
    type Page = Box<[u8; PAGE]>;
    fn allocate(&mut self) -> Option<Self::Page> {
        if self.used == self.limit {
            return None;
        }
        self.used += 1;
        Some(Box::new([0xaa; PAGE]))
    }
    fn free(&mut self, _: Self::Page) {
        self.used -= 1;
    }
    fn bytes<'a>(&'a self, page: &'a Self::Page) -> &'a [u8; PAGE] {
        page
    }
    fn bytes_mut<'a>(&'a mut self, page: &'a mut Self::Page) -> &'a mut [u8; PAGE] {
        page
    }
}

type TestPipe = Pipe<Box<[u8; PAGE]>>;

fn write(
    pipe: &mut TestPipe,
    memory: &mut Memory,
    data: &[u8],
) -> Result<usize, PipeError<Infallible>> {
    pipe.write(memory, data.len(), |done, part| {
        part.copy_from_slice(&data[done..done + part.len()]);
        Ok(())
    })
}

fn read(
    pipe: &mut TestPipe,
    memory: &mut Memory,
    len: usize,
) -> Result<Vec<u8>, PipeError<Infallible>> {
    let mut data = Vec::new();
    let count = pipe.read(memory, len, |done, part| {
        assert_eq!(done, data.len());
        data.extend_from_slice(part);
        Ok(())
    })?;
    assert_eq!(count, data.len());
    Ok(data)
}

#[test]
fn empty_pipes() {
    let (mut pipe, mut memory) = (TestPipe::new(), PLENTY);
    assert_eq!(read(&mut pipe, &mut memory, 1), Err(PipeError::WouldBlock));
    assert_eq!(read(&mut pipe, &mut memory, 0), Ok(vec![]));
    assert_eq!(write(&mut pipe, &mut memory, b""), Ok(0));
    assert_eq!(pipe.poll(End::Read), EventFlags::EVENT_NONE);
    assert_eq!(pipe.poll(End::Write), EventFlags::EVENT_WRITE);
    assert_eq!(memory.used, 0);
}

#[test]
fn what_is_left_can_be_read_after_the_writer_is_gone() {
    let (mut pipe, mut memory) = (TestPipe::new(), PLENTY);
    write(&mut pipe, &mut memory, b"last words").unwrap();
    assert!(pipe.close(End::Write));
    assert!(!pipe.is_closed());
    assert_eq!(read(&mut pipe, &mut memory, 4).unwrap(), b"last");
    assert_eq!(read(&mut pipe, &mut memory, 99).unwrap(), b" words");
    assert_eq!(read(&mut pipe, &mut memory, 99).unwrap(), b"");
    assert_eq!(pipe.poll(End::Read), EventFlags::EVENT_READ);
    assert!(pipe.close(End::Read));
    assert!(pipe.is_closed());
    pipe.dispose(&mut memory);
    assert_eq!(memory.used, 0);
}

#[test]
fn nobody_reads() {
    let (mut pipe, mut memory) = (TestPipe::new(), PLENTY);
    pipe.open(End::Read);
    assert!(!pipe.close(End::Read));
    assert_eq!(write(&mut pipe, &mut memory, b"x"), Ok(1));
    assert!(pipe.close(End::Read));
    assert_eq!(
        write(&mut pipe, &mut memory, b"x"),
        Err(PipeError::NoReader)
    );
    assert_eq!(pipe.poll(End::Write), EventFlags::EVENT_WRITE);
}

#[test]
fn small_writes_stay_whole_and_large_ones_fill_up() {
    let (mut pipe, mut memory) = (TestPipe::new(), PLENTY);
    let data = vec![7; CAPACITY - 100];
    assert_eq!(write(&mut pipe, &mut memory, &data), Ok(CAPACITY - 100));
    assert_eq!(pipe.poll(End::Write), EventFlags::EVENT_NONE);
    for (size, expected) in [
        (101, Err(PipeError::WouldBlock)),
        (ATOMIC, Err(PipeError::WouldBlock)),
        (ATOMIC + 1, Ok(100)),
        (ATOMIC + 1, Err(PipeError::WouldBlock)),
        (1, Err(PipeError::WouldBlock)),
    ] {
        assert_eq!(
            write(&mut pipe, &mut memory, &vec![8; size]),
            expected,
            "{size}"
        );
    }
    assert_eq!(memory.used, CAPACITY / PAGE);
    assert_eq!(
        read(&mut pipe, &mut memory, CAPACITY * 2).unwrap().len(),
        CAPACITY
    );
    assert_eq!(memory.used, 1);
}

#[test]
fn without_memory_nothing_is_lost() {
    let (mut pipe, mut memory) = (TestPipe::new(), Memory { used: 0, limit: 2 });
    assert_eq!(
        write(&mut pipe, &mut memory, &[1; PAGE - 10]),
        Ok(PAGE - 10)
    );
    assert_eq!(write(&mut pipe, &mut memory, &[2; 3 * PAGE]), Ok(PAGE + 10));
    assert_eq!(
        write(&mut pipe, &mut memory, &[3; 1]),
        Err(PipeError::NoMemory)
    );
    assert_eq!(
        read(&mut pipe, &mut memory, PAGE - 20).unwrap(),
        [1; PAGE - 20]
    );
    memory.limit = 2;
    // Neither page is free yet: a whole write that would cross into a third has no effect.
    assert_eq!(
        write(&mut pipe, &mut memory, &[4; 20]),
        Err(PipeError::NoMemory)
    );
    assert_eq!(pipe.len(), PAGE + 20);
    assert_eq!(read(&mut pipe, &mut memory, 10).unwrap(), [1; 10]);
    assert_eq!(
        read(&mut pipe, &mut memory, 3 * PAGE).unwrap(),
        [2; PAGE + 10]
    );
}

#[test]
fn a_copy_that_fails_shortens_what_may_be_short() {
    let (mut pipe, mut memory) = (TestPipe::new(), PLENTY);
    let faulty = |limit: usize| {
        move |done: usize, _: &mut [u8]| if done >= limit { Err("fault") } else { Ok(()) }
    };
    let result = pipe.write(&mut memory, 100, faulty(0));
    assert_eq!(result, Err(PipeError::Copy("fault")));
    let result = pipe.write(&mut memory, 3 * PAGE, faulty(PAGE));
    assert_eq!(result, Ok(PAGE));
    // One that must stay whole crosses a page here, and fails in its second half.
    pipe.write(&mut memory, PAGE - 10, faulty(PAGE)).unwrap();
    let result = pipe.write(&mut memory, 100, faulty(1));
    assert_eq!(result, Err(PipeError::Copy("fault")));
    assert_eq!(pipe.len(), 2 * PAGE - 10);
    let faulty = |limit: usize| {
        move |done: usize, _: &[u8]| if done >= limit { Err("fault") } else { Ok(()) }
    };
    let result = pipe.read(&mut memory, 100, faulty(0));
    assert_eq!(result, Err(PipeError::Copy("fault")));
    assert_eq!(pipe.read(&mut memory, 2 * PAGE, faulty(1)), Ok(PAGE));
    assert_eq!(pipe.len(), PAGE - 10);
    pipe.dispose(&mut memory);
    assert_eq!(memory.used, 0);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn behaves_like_a_bounded_queue(ops in prop::collection::vec(
        (any::<bool>(), prop_oneof![0..50usize, 0..6000usize, 0..CAPACITY + 5000]), 0..60,
    )) {
        let (mut pipe, mut memory) = (TestPipe::new(), PLENTY);
        let mut model: VecDeque<u8> = VecDeque::new();
        let mut next = 0u8;
        for (writes, len) in ops {
            let free = CAPACITY - model.len();
            if writes {
                let data: Vec<u8> = (0..len).map(|n| next.wrapping_add((n * 7) as u8)).collect();
                next = next.wrapping_add(13);
                let result = write(&mut pipe, &mut memory, &data);
                let fits = if len <= ATOMIC && len > free { 0 } else { len.min(free) };
                if len > 0 && fits == 0 {
                    prop_assert_eq!(result, Err(PipeError::WouldBlock));
                } else {
                    prop_assert_eq!(result, Ok(fits));
                    model.extend(&data[..fits]);
                }
            } else {
                let result = read(&mut pipe, &mut memory, len);
                if len > 0 && model.is_empty() {
                    prop_assert_eq!(result, Err(PipeError::WouldBlock));
                } else {
                    let expected: Vec<u8> = model.drain(..len.min(model.len())).collect();
                    prop_assert!(result == Ok(expected));
                }
            }
            prop_assert_eq!(pipe.len(), model.len());
            let readable = pipe.poll(End::Read) == EventFlags::EVENT_READ;
            prop_assert_eq!(readable, !model.is_empty());
            let writable = pipe.poll(End::Write) == EventFlags::EVENT_WRITE;
            prop_assert_eq!(writable, CAPACITY - model.len() >= ATOMIC);
            // What holds no byte is given back: no more pages than can be touched, and a spare.
            prop_assert!(memory.used <= (model.len() + 2 * PAGE - 2) / PAGE + 1);
        }
        pipe.dispose(&mut memory);
        prop_assert_eq!(memory.used, 0);
    }
}
