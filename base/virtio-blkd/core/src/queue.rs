//! Requests, cut into parts that the device does one by one, several at a time.
//!
//! A part has a *slot*: the memory that its bytes are in. Parts are handed out in the order of requests;
//! the device may do them in any order. A request is finished when the last of its parts is.

use alloc::{collections::VecDeque, vec::Vec};

use gen_slab::{Key, Slab};
use syscall::error::{EIO, ENOMEM};

use crate::SECTOR;

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Read from the medium.
    Read,
    /// Write to it.
    Write,
    /// Have what was written on it.
    Flush,
}

/// What is handed to the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// Where its bytes are.
    pub slot: usize,
    /// What is to be done.
    pub kind: Kind,
    /// The first sector.
    pub sector: u64,
    /// Where in the request its bytes are.
    pub offset: usize,
    /// How many bytes.
    pub len: usize,
}

#[derive(Debug)]
struct Request<T> {
    ticket: T,
    kind: Kind,
    sector: u64,
    len: usize,
    /// Bytes that are in parts; a flush is in one of its own.
    issued: usize,
    started: bool,
    under_way: usize,
    failed: bool,
}

impl<T> Request<T> {
    const fn is_issued(&self) -> bool {
        self.failed || (self.started && self.issued == self.len)
    }
}

/// The queue. `T` is what requests are known by to whoever asks.
#[derive(Debug)]
pub struct Queue<T> {
    requests: Slab<Request<T>>,
    waiting: VecDeque<Key>,
    /// What each slot is taken for: the request, and the part.
    slots: Vec<Option<(Key, Part)>>,
    free: Vec<usize>,
    slot_len: usize,
}

impl<T> Queue<T> {
    /// With so many slots of so many bytes, which are whole blocks.
    #[must_use]
    pub fn new(slots: usize, slot_len: usize) -> Self {
        Self {
            requests: Slab::new(),
            waiting: VecDeque::new(),
            slots: (0..slots).map(|_| None).collect(),
            free: (0..slots).rev().collect(),
            slot_len,
        }
    }

    /// Takes a request: so many bytes from a sector on.
    ///
    /// # Errors
    /// Gives the ticket back when there is no memory (`ENOMEM`).
    pub fn push(&mut self, kind: Kind, sector: u64, len: usize, ticket: T) -> Result<(), (T, i32)> {
        if self.waiting.try_reserve(1).is_err() {
            return Err((ticket, ENOMEM));
        }
        let request = Request {
            ticket,
            kind,
            sector,
            len,
            issued: 0,
            started: false,
            under_way: 0,
            failed: false,
        };
        let key = self
            .requests
            .insert(request)
            .map_err(|request| (request.ticket, ENOMEM))?;
        self.waiting.push_back(key);
        Ok(())
    }

    /// The next part for the device, if there is one and a slot is free; with its ticket.
    pub fn next_part(&mut self) -> Option<(Part, &mut T)> {
        let key = loop {
            let key = *self.waiting.front()?;
            match self.requests.get(key) {
                Some(request) if !request.is_issued() => break key,
                _ => drop(self.waiting.pop_front()),
            }
        };
        let request = self.requests.get_mut(key)?;
        let slot = self.free.pop()?;
        let rest = request.len.saturating_sub(request.issued);
        let part = Part {
            slot,
            kind: request.kind,
            sector: request
                .sector
                .saturating_add((request.issued as u64).wrapping_div(SECTOR)),
            offset: request.issued,
            len: rest.min(self.slot_len),
        };
        request.started = true;
        request.issued = request.issued.saturating_add(part.len);
        request.under_way = request.under_way.saturating_add(1);
        if let Some(place) = self.slots.get_mut(slot) {
            *place = Some((key, part));
        }
        Some((part, &mut request.ticket))
    }

    /// What a slot is taken for, with its ticket.
    pub fn under_way(&mut self, slot: usize) -> Option<(Part, &mut T)> {
        let (key, part) = (*self.slots.get(slot)?)?;
        let request = self.requests.get_mut(key)?;
        Some((part, &mut request.ticket))
    }

    /// The device has done a part, well or not. If that was the last of its request, its ticket and its
    /// result: the number of bytes, or `EIO` if any part failed.
    pub fn complete(&mut self, slot: usize, well: bool) -> Option<(T, Result<usize, i32>)> {
        let (key, _) = self.slots.get_mut(slot)?.take()?;
        // There is room: it came from here.
        self.free.push(slot);
        let request = self.requests.get_mut(key)?;
        request.under_way = request.under_way.saturating_sub(1);
        request.failed |= !well;
        if request.under_way > 0 || !request.is_issued() {
            return None;
        }
        let request = self.requests.remove(key)?;
        let result = if request.failed {
            Err(EIO)
        } else {
            Ok(request.len)
        };
        Some((request.ticket, result))
    }

    /// Whether nothing waits and nothing is under way.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.requests.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LEN: usize = 2048;

    #[test]
    fn a_long_request_is_done_in_parts() {
        let mut queue = Queue::new(2, LEN);
        queue.push(Kind::Write, 10, 2 * LEN + 512, 'a').unwrap();
        let part = |slot, sector, offset, len| Part {
            slot,
            kind: Kind::Write,
            sector,
            offset,
            len,
        };
        assert_eq!(queue.next_part().unwrap().0, part(0, 10, 0, LEN));
        assert_eq!(queue.next_part().unwrap().0, part(1, 14, LEN, LEN));
        assert_eq!(queue.next_part(), None);
        assert_eq!(queue.complete(1, true), None);
        assert_eq!(queue.next_part().unwrap().0, part(1, 18, 2 * LEN, 512));
        assert_eq!(queue.complete(1, true), None);
        assert_eq!(queue.complete(0, true), Some(('a', Ok(2 * LEN + 512))));
        assert!(queue.is_empty());
    }

    #[test]
    fn a_failure_ends_a_request_after_what_is_under_way() {
        let mut queue = Queue::new(2, LEN);
        queue.push(Kind::Read, 0, 10 * LEN, 'a').unwrap();
        queue.push(Kind::Flush, 0, 0, 'b').unwrap();
        queue.next_part().unwrap();
        queue.next_part().unwrap();
        assert_eq!(queue.complete(0, false), None);
        // The rest is not read any more.
        assert_eq!(queue.next_part().unwrap().0.kind, Kind::Flush);
        assert_eq!(queue.complete(1, true), Some(('a', Err(EIO))));
        assert_eq!(queue.next_part(), None);
        assert_eq!(queue.complete(0, true), Some(('b', Ok(0))));
        assert!(queue.is_empty());
    }

    #[test]
    fn slots_that_are_not_taken_are_nothing() {
        let mut queue: Queue<()> = Queue::new(2, LEN);
        assert_eq!(queue.complete(0, true), None);
        assert_eq!(queue.complete(9, true), None);
        assert_eq!(queue.under_way(1), None);
        assert_eq!(queue.free.len(), 2);
    }

    proptest! {
        /// A disk that does parts in any order, against one array.
        #[test]
        fn parts_are_the_request(
            requests in prop::collection::vec((0..3_u8, 0..64_u64, 1..30_usize), 1..12),
            order in prop::collection::vec(any::<u8>(), 400),
        ) {
            let mut queue = Queue::new(4, LEN);
            let mut order = order.into_iter().cycle();
            let mut finished = vec![None; requests.len()];
            for (index, &(kind, sector, sectors)) in requests.iter().enumerate() {
                let kind = [Kind::Read, Kind::Write, Kind::Flush][usize::from(kind)];
                let len = if kind == Kind::Flush { 0 } else { sectors * 512 };
                queue.push(kind, sector, len, index).unwrap();
            }
            let mut parts: Vec<Part> = Vec::new();
            let mut seen = vec![Vec::new(); requests.len()];
            loop {
                while let Some((part, ticket)) = queue.next_part() {
                    prop_assert!(parts.iter().all(|other| other.slot != part.slot));
                    seen[*ticket].push((part.offset, part.len, part.sector));
                    parts.push(part);
                }
                if parts.is_empty() {
                    break;
                }
                let pick = usize::from(order.next().unwrap()) % parts.len();
                let part = parts.swap_remove(pick);
                prop_assert_eq!(queue.under_way(part.slot).unwrap().0, part);
                if let Some((ticket, result)) = queue.complete(part.slot, true) {
                    prop_assert!(finished[ticket].replace(result).is_none());
                }
            }
            prop_assert!(queue.is_empty());
            for (index, &(kind, sector, sectors)) in requests.iter().enumerate() {
                let len = if kind == 2 { 0 } else { sectors * 512 };
                prop_assert_eq!(finished[index], Some(Ok(len)));
                let mut next = 0;
                for &(offset, part, at) in &seen[index] {
                    prop_assert_eq!(offset, next);
                    prop_assert_eq!(at, sector + offset as u64 / 512);
                    next += part;
                }
                prop_assert_eq!(next, len);
            }
        }
    }
}
