//! Any sequence of sends, reads, answers and cancellations on a scheme's message queue, against a plain
//! queue; any words as an answer, any fields as a request.
#![no_main]

use std::collections::VecDeque;

use arbitrary::Arbitrary;
use kernel_core::{
    queue::{Links, Queue},
    wire,
};
use libfuzzer_sys::fuzz_target;
use syscall::schemev2::{CqeOpcode, Sqe, SqeFlags};

const NODES: usize = 16;

struct Objects([Option<u8>; NODES]);

impl Links<u8> for Objects {
    fn next(&mut self, node: u8) -> Option<&mut Option<u8>> {
        self.0.get_mut(usize::from(node))
    }
}

#[derive(Arbitrary, Debug)]
enum Op {
    Push(u8),
    Pop,
    Remove(u8),
    /// An answer's words, and how many bytes were asked for.
    Answer([u64; 2], usize),
    /// A request's fields.
    Request(u8, u8, u32, [u64; 6], u64),
}

fuzz_target!(|ops: Vec<Op>| {
    let mut objects = Objects([None; NODES]);
    let mut queue = Queue::new();
    let mut model = VecDeque::new();
    for op in ops {
        match op {
            Op::Push(node) => {
                let node = node % NODES as u8;
                if !model.contains(&node) {
                    queue.push(&mut objects, node);
                    model.push_back(node);
                }
            }
            Op::Pop => assert_eq!(queue.pop(&mut objects), model.pop_front()),
            Op::Remove(node) => {
                let at = model.iter().position(|other| *other == node);
                assert_eq!(queue.remove(&mut objects, node), at.is_some());
                if let Some(at) = at {
                    model.remove(at);
                }
            }
            Op::Answer(words, asked) => {
                let cqe = wire::cqe(words);
                let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
                assert_eq!(*cqe, *bytes);
                let _ = CqeOpcode::try_from_raw(cqe.flags & 7);
                let result = wire::demux(cqe.result);
                assert_eq!(wire::mux(result) as u64, cqe.result);
                match wire::counted(result, asked) {
                    Ok(count) => assert!(count <= asked),
                    Err(errno) => assert!((1..4096).contains(&errno)),
                }
            }
            Op::Request(opcode, flags, tag, args, caller) => {
                let sqe = Sqe {
                    opcode,
                    sqe_flags: SqeFlags::from_bits_retain(flags),
                    _rsvd: 0,
                    tag,
                    args,
                    caller,
                };
                let words = wire::sqe_words(&sqe);
                let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
                assert_eq!(*sqe, *bytes);
            }
        }
        assert_eq!(queue.front(), model.front().copied());
        assert_eq!(queue.is_empty(), model.is_empty());
        let only = model.front().copied().filter(|_| model.len() == 1);
        assert_eq!(queue.only(), only);
        // Only the last of the queue, and what is in none, has no successor.
        let linked = objects.0.iter().filter(|next| next.is_some()).count();
        assert_eq!(linked, model.len().saturating_sub(1));
    }
});
