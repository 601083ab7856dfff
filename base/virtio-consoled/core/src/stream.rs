//! Bytes on their way: pieces of buffers (*slots*) that are shared with the device.

use alloc::{collections::VecDeque, vec::Vec};

/// Bytes in a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Which slot.
    pub slot: usize,
    /// The first byte.
    pub start: usize,
    /// How many.
    pub len: usize,
    /// They are the last ones: the slot can be filled again.
    pub last: bool,
}

/// What has come and was not read.
#[derive(Debug, Default)]
pub struct Input {
    ready: VecDeque<Piece>,
}

impl Input {
    /// With room for so many slots.
    #[must_use]
    pub fn new(slots: usize) -> Self {
        Self {
            ready: VecDeque::with_capacity(slots),
        }
    }

    /// A slot has been filled with so many bytes. `false` if that is none, and the slot can be filled again.
    #[must_use]
    pub fn push(&mut self, slot: usize, len: usize) -> bool {
        if len > 0 {
            self.ready.push_back(Piece {
                slot,
                start: 0,
                len,
                last: true,
            });
        }
        len > 0
    }

    /// Takes up to so many bytes that lie in one slot.
    pub fn take(&mut self, most: usize) -> Option<Piece> {
        let front = self.ready.front_mut().filter(|_| most > 0)?;
        let piece = Piece {
            len: front.len.min(most),
            last: front.len <= most,
            ..*front
        };
        if piece.last {
            self.ready.pop_front();
        } else {
            front.start = front.start.saturating_add(piece.len);
            front.len = front.len.saturating_sub(piece.len);
        }
        Some(piece)
    }

    /// Whether there is nothing to read.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ready.is_empty()
    }
}

/// Where what is written goes.
#[derive(Debug)]
pub struct Output {
    free: Vec<usize>,
    slots: usize,
}

impl Output {
    /// With so many slots, all free.
    #[must_use]
    pub fn new(slots: usize) -> Self {
        Self {
            free: (0..slots).rev().collect(),
            slots,
        }
    }

    /// Takes a slot.
    pub fn take(&mut self) -> Option<usize> {
        self.free.pop()
    }

    /// The device has done with a slot that was taken.
    pub fn done(&mut self, slot: usize) {
        if slot < self.slots && !self.free.contains(&slot) {
            // There is room: there are no more than there were.
            self.free.push(slot);
        }
    }

    /// Whether a write would have to wait.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.free.is_empty()
    }

    /// Whether the device has done with everything.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.free.len() == self.slots
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn slots_go_round() {
        let mut output = Output::new(2);
        assert!(output.is_idle());
        let (a, b) = (output.take().unwrap(), output.take().unwrap());
        assert!(a != b && output.is_full());
        assert_eq!(output.take(), None);
        output.done(a);
        // Not twice, and not what is none.
        output.done(a);
        output.done(7);
        assert!(!output.is_full() && !output.is_idle());
        output.done(b);
        assert!(output.is_idle());
    }

    proptest! {
        #[test]
        fn bytes_come_in_order_and_once(
            filled in prop::collection::vec(0..50_usize, 1..20),
            reads in prop::collection::vec(0..80_usize, 1..200),
        ) {
            let mut input = Input::new(filled.len());
            let mut wanted = Vec::new();
            for (slot, &len) in filled.iter().enumerate() {
                prop_assert_eq!(input.push(slot, len), len > 0);
                wanted.extend((0..len).map(|at| (slot, at)));
            }
            let mut freed = Vec::new();
            let mut found = Vec::new();
            for most in reads.into_iter().chain(core::iter::repeat_n(9, 200)) {
                let Some(piece) = input.take(most) else {
                    prop_assert!(most == 0 || input.is_empty());
                    continue;
                };
                prop_assert!(piece.len <= most && piece.len > 0);
                found.extend((piece.start..piece.start + piece.len).map(|at| (piece.slot, at)));
                freed.extend(piece.last.then_some(piece.slot));
            }
            prop_assert_eq!(found, wanted);
            let slots: Vec<_> = (0..filled.len()).filter(|slot| filled[*slot] > 0).collect();
            prop_assert_eq!(freed, slots);
        }
    }
}
